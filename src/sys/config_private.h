#pragma once
#include <merit/config.h>

/* `file` of every node that a flag made; compared by address, so that no file name can be taken for it. */
extern const char merit_command_line[];
/* The character that text begins with; its bytes, 0 if they are not UTF-8. */
int MeritUtf8(const char text[], uint32_t *character);

/* A new node without children; `text` is copied. */
PetscErrorCode MeritNodeCreate(MeritNodeKind kind, const char file[], int32_t line, int32_t column,
                               const char text[], size_t length, MeritNode *node);
/* Hang a child into a list (key NULL) or a map (key copied); the parent owns it from now on. */
PetscErrorCode MeritNodeAppend(MeritNode parent, const char key[], MeritNode child);
/* Move the keys of another tree to a scalar node of this one, which owns the other from now on. */
PetscErrorCode MeritNodeTakeIn(MeritNode root, MeritNode node, MeritNode *other);
/* Free a node and all below it. */
PetscErrorCode MeritNodeFree(MeritNode *node);
/* Read one YAML document into nodes that name `file`; an empty one gives a NULL node. */
PetscErrorCode MeritNodeParse(const char file[], const char text[], size_t length, MeritNode *node);
/* Does a plain scalar mean "nothing here"? */
bool MeritTextIsNull(const char text[], size_t length);
/* Bytes up to the next dot that separates keys: dots in parentheses, brackets and backticks belong to a
   label. */
size_t MeritSegmentLength(const char dotted[]);
