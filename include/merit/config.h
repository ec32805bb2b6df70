#pragma once
#include <merit/error.h>

/*
  The job file as a tree: YAML read by libyaml events, each node with the line and column it came from, the same on every rank.
  Flags of the command line ("solver.rtol", "1e-12") replace values of the file.
*/
typedef enum { MERIT_NODE_NULL, MERIT_NODE_SCALAR, MERIT_NODE_LIST, MERIT_NODE_MAP } MeritNodeKind;

typedef struct _p_MeritNode *MeritNode;
struct _p_MeritNode {
  MeritNodeKind kind;
  const char   *file;                 /* name of the file; "command line" for a flag; borrowed from the root */
  int32_t       line, column;         /* from 1; 0 for a flag */
  int32_t       key_line, key_column; /* of its key; 0 if it has none in a file */
  char         *text;                 /* SCALAR: the bytes; owned */
  bool          quoted;               /* SCALAR: was in quotes, so never a number, list or null by itself */
  int32_t       n;                    /* LIST, MAP: children */
  char        **key;                  /* [n] MAP; owned */
  MeritNode    *child;                /* [n] LIST, MAP; owned */
};

/* A known key: dotted path with `*` for any name ("records.weight.*"), a last `**` for anything below ("variances.**"), and its help text. */
typedef struct {
  const char *path;
  const char *help; /* value kind and meaning, one line */
} MeritKey;

/* Read a YAML file: rank 0 reads, all ranks get the tree. Duplicate keys, aliases, syntax errors are USAGE errors with line:column. Collective. */
MERIT_EXTERN PetscErrorCode MeritConfigLoad(MPI_Comm comm, const char path[], MeritNode *root);
/* The same from text in memory; `name` is the file's name in messages. Not collective. */
MERIT_EXTERN PetscErrorCode MeritConfigParse(const char name[], const char text[], size_t length, MeritNode *root);
/* Set the value of a key, as a flag does: YAML in brackets, braces or quotes, else a plain scalar. Not collective. Errors: USAGE. */
MERIT_EXTERN PetscErrorCode MeritConfigSet(MeritNode root, const char dotted[], const char value[]);
/* If the value of a key is one word, it names a YAML file, or a folder with the file `name`: replace it by the keys of that file. Collective.
   Errors: USAGE. */
MERIT_EXTERN PetscErrorCode MeritConfigInclude(MPI_Comm comm, MeritNode root, const char dotted[], const char name[]);
/* Every key must be in the table [n]. Logically collective. Errors: USAGE with line, column and the nearest known key. */
MERIT_EXTERN PetscErrorCode MeritConfigCheck(MeritNode root, int n, const MeritKey keys[]);
/* Is a dotted path a known key or the head of one? If not, nearest[size] (size 0: NULL) is the key most likely meant, or "". Not collective. */
MERIT_EXTERN bool MeritConfigKnown(const char dotted[], int n, const MeritKey keys[], size_t size, char nearest[]);
/* Child by dotted path, or NULL; a node of kind NULL counts as absent. Borrowed. */
MERIT_EXTERN MeritNode MeritNodeFind(MeritNode root, const char dotted[]);
/* A number within [least, most]. This and the next four: *value is unchanged when the key is absent; a value of the wrong kind or range is a
   USAGE error with line and column. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritConfigReal(MeritNode root, const char dotted[], double least, double most, double *value);
/* An integer between least and most. */
MERIT_EXTERN PetscErrorCode MeritConfigInt(MeritNode root, const char dotted[], int64_t least, int64_t most, int64_t *value);
/* yes, no, true, false. */
MERIT_EXTERN PetscErrorCode MeritConfigBool(MeritNode root, const char dotted[], bool *value);
/* Text of a scalar, borrowed from the tree. */
MERIT_EXTERN PetscErrorCode MeritConfigString(MeritNode root, const char dotted[], const char **value);
/* One of n words; *value is its index. The error lists the words and the nearest. */
MERIT_EXTERN PetscErrorCode MeritConfigChoice(MeritNode root, const char dotted[], int n, const char *const words[], int *value);
/* A path; a relative one of a job file starts from the folder of that file, one of a flag from the working folder. Owned by the caller,
   PetscFree; unchanged when absent. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritConfigPath(MeritNode root, const char dotted[], char **value);
/* Number of a scalar node; false if it is not one (quoted or no number). Not collective. */
MERIT_EXTERN bool MeritNodeReal(MeritNode node, double *value);
/* Raise a USAGE error at a node: "file:line:column: ...". */
MERIT_EXTERN PetscErrorCode MeritNodeError(MeritNode node, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* The same at the key of a node, if it has one. */
MERIT_EXTERN PetscErrorCode MeritNodeKeyError(MeritNode node, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* The same at a byte of a scalar's text, with the text near it. */
MERIT_EXTERN PetscErrorCode MeritNodeErrorAt(MeritNode node, size_t at, const char format[], ...) __attribute__((format(printf, 3, 4)));
/* Line and column of byte `at` of a scalar's text; those of the scalar where the byte's own are not known. Not collective. */
MERIT_EXTERN void MeritNodePosition(MeritNode node, size_t at, int *line, int *column);
/* The tree as YAML text, for summary.json; owned by the caller, PetscFree. */
MERIT_EXTERN PetscErrorCode MeritConfigPrint(MeritNode root, char **text);
/* Free a tree; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritConfigDestroy(MeritNode *root);
