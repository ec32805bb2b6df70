#pragma once
#include "folder_private.h"
#include <merit/file.h>
#include <sys/types.h>

/* Names inside an output folder that are the run's own business */
#define MERIT_LOCK     ".lock"
#define MERIT_STAGING  ".staging"
#define MERIT_PREVIOUS ".previous" /* the earlier result while it is being replaced */
#define MERIT_MANIFEST                                                                                       \
  ".files" /* names of a result, one a line, the last one last; in the staging folder: of a commit under way */

/* An input of the run */
typedef struct {
  dev_t device;
  ino_t inode;
  char  key[64]; /* of the job */
} OutputKept;

struct _p_MeritOutput {
  MPI_Comm    comm;
  PetscMPIInt rank, size;
  char       *folder; /* owned */
  size_t made; /* rank 0: Open made the folders of `folder` from the one that ends at this byte on; 0: none */
  int    lock; /* rank 0: file held locked, or -1 */
  bool   staging; /* rank 0: the staging folder is ours */
  int    n_files;
  char **name;       /* [n_files] owned */
  int64_t    *bytes; /* [n_files] */
  uint32_t   *crc;   /* [n_files] */
  bool       *wrote; /* [n_files] this rank wrote some of it */
  int         n_kept;
  OutputKept *kept; /* [n_kept] rank 0: inputs, which are not to be replaced; owned */
  MeritOutput next;  /* other open outputs of this process */
};

/* folder/a/b, without those that are NULL or ""; owned by the caller, free(). */
char *MeritOutputPath(const char folder[], const char a[], const char b[]);
/* Names of the result in the folder, each with its 0, in one block; owned by the caller, free(); NULL, *n = 0: none. */
char *MeritOutputManifest(const char folder[], int *n);
/* output_keep.c: a fault if `name` in the folder is an input of the run. */
void OutputCheckKept(MeritOutput out, const char name[], MeritFault *fault);
/* Remove a folder and the files in it; errors are ignored. */
void MeritOutputRemove(const char folder[], const char sub[]);
/* Rank 0, lock held: finish or undo a commit that was interrupted, and clear what a crashed run left. */
void MeritOutputRecover(const char folder[], MeritFault *fault);
/* Rank 0: the commit itself; on a fault all is as before. */
void MeritOutputReplace(MeritOutput out, const char last[], MeritFault *fault);
