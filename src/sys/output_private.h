#pragma once
#include "folder_private.h"
#include <merit/file.h>
#include <sys/types.h>

/* Hidden names inside an output folder */
#define MERIT_LOCK     ".lock"
#define MERIT_STAGING  ".staging"
#define MERIT_PREVIOUS ".previous" /* the earlier result while it is being replaced */
#define MERIT_MANIFEST                                                                                                                               \
  ".files" /* names of a result, one a line, that of the mark of completeness last; in the staging folder: of a commit under way */

/* An input of the run */
typedef struct {
  dev_t device;
  ino_t inode;
  char  key[64]; /* of the job */
} OutputInput;

/* An open output; all ranks hold the list of files, rank 0 the folder and the lock */
struct _p_MeritOutput {
  MPI_Comm     comm;
  PetscMPIInt  rank, size;
  char        *folder;  /* owned */
  size_t       made;    /* rank 0: the folders of `folder` that end at this byte or later were made by Open; 0: none */
  int          lock;    /* rank 0: file held locked, or -1 */
  bool         staging; /* rank 0: the staging folder is ours */
  int          n_files;
  char       **name;  /* [n_files] owned */
  int64_t     *bytes; /* [n_files] */
  uint32_t    *crc;   /* [n_files] */
  bool        *wrote; /* [n_files] this rank wrote some of it */
  int          n_inputs;
  OutputInput *input; /* [n_kept] rank 0: inputs, which are not to be replaced; owned */
  MeritOutput  next;  /* other open outputs of this process */
};

/* folder/a/b, without those that are NULL or ""; owned by the caller, free(); NULL without memory. Not collective. */
char *MeritOutputPath(const char folder[], const char a[], const char b[]);
/* The *n names of the result in the folder, each with its 0, in one block; owned by the caller, free(); NULL and *n = 0 if
   there is none. Not collective. */
char *MeritOutputManifest(const char folder[], int *n);
/* output_keep.c: note a USAGE fault if `name` in the folder is an input of the run. Rank 0. */
void OutputCheckProtected(MeritOutput out, const char name[], MeritFault *fault);
/* Remove folder/sub and the files of Merit in it; errors are ignored. Of a link only the link is removed. Rank 0. */
void MeritOutputRemove(const char folder[], const char sub[]);
/* Finish or undo an interrupted commit, then remove the staging folder of a crashed run. Rank 0, with the lock. */
void MeritOutputRecover(const char folder[], MeritFault *fault);
/* Replace the earlier result by the staged files, `last` as the last one; after a fault the earlier result is in place
   again. Rank 0, with the lock. */
void MeritOutputReplace(MeritOutput out, const char last[], MeritFault *fault);
