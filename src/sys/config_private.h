#pragma once
#include <merit/config.h>

/* `file` of every node that a flag made; compared by address, so that no file name can be taken for it. */
extern const char merit_command_line[];
/* *character = the first character of a text; returns its bytes, 0 if they are not UTF-8. Not collective. */
int MeritUtf8(const char text[], uint32_t *character);

/* Make a node without children. Not collective. `text` [length] (NULL: none) is copied, `file` is kept by address. */
PetscErrorCode MeritNodeCreate(MeritNodeKind kind, const char file[], int32_t line, int32_t column, const char text[], size_t length,
                               MeritNode *node);
/* Add a child to a list (key NULL) or a map (key is copied); the parent then owns it. Not collective. */
PetscErrorCode MeritNodeAppend(MeritNode parent, const char key[], MeritNode child);
/* Replace a scalar node by the keys of another tree; `root` then owns that tree, *other is NULL. Not collective. */
PetscErrorCode MeritNodeInclude(MeritNode root, MeritNode node, MeritNode *other);
/* Free a node and all below it; not for roots. NULL-safe. Not collective. */
PetscErrorCode MeritNodeFree(MeritNode *node);
/* Parse one YAML document; an empty one gives a node of kind NULL. Not collective. `file` must outlive the nodes. Errors:
   USAGE with line and column; *node is then NULL. */
PetscErrorCode MeritNodeParse(const char file[], const char text[], size_t length, MeritNode *node);
/* Is a plain scalar one of YAML's words for no value ("", ~, null)? Not collective. */
bool MeritTextIsNull(const char text[], size_t length);
/* Bytes up to the next dot that separates keys: dots in parentheses, brackets and backticks belong to a
   label. Not collective. */
size_t MeritSegmentLength(const char dotted[]);
