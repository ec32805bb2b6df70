#pragma once
#include <merit/error.h>

/*
  Files: parallel reads in bounded requests; output that is staged in a hidden folder and renamed at the end; a lock against two runs
  in one folder; checksums.
*/

/* Size in bytes of a file that will be read. Rank 0 looks, and notes the state of the file for `MeritFileChanged()`. Collective.
   Errors: INPUT if it cannot be opened or is not a plain file (folder, pipe, device). */
MERIT_EXTERN PetscErrorCode MeritFileSize(MPI_Comm comm, const char path[], int64_t *bytes);
/* Read `n` bytes at `offset` into `to` (independent, POSIX pread in bounded requests, short reads are a fault). Not collective. */
MERIT_EXTERN PetscErrorCode MeritFileRead(const char path[], int64_t offset, int64_t n, void *to, MeritFault *fault);
/* Open an input and note its state; *file is -1 after a fault, else the caller closes it. Not collective. */
MERIT_EXTERN PetscErrorCode MeritFileOpen(const char path[], int *file, int64_t *bytes, MeritFault *fault);
/* Note a fault if an input changed since it was opened; for the end of reading. Not collective. */
MERIT_EXTERN PetscErrorCode MeritFileCheck(const char path[], MeritFault *fault);
/* what[size] = how an input changed since it was read ("was written anew"); "" if it did not. Collective. */
MERIT_EXTERN PetscErrorCode MeritFileChanged(MPI_Comm comm, const char path[], size_t size, char what[]);

/* Bytes of a row of a table while it is written, for those who foresee memory: values and their copies under way, and the text as it grows. */
enum { MERIT_ROW_BYTES = 150 };

/*
  The output folder of a run. Open takes the lock, refuses a folder that is not empty without `overwrite` (USAGE), and makes the
  hidden staging folder OUTPUT/.staging. Files are written by any number of ranks; Commit flushes, puts the files of an earlier
  result aside, renames every staged file into the folder, with the one named last ("summary.json") last, and drops the lock; if any
  of that fails, or the process dies, the earlier result is put back (by Commit itself, or by the next Open). Abandon removes what
  was staged, the folder if Open made it, and the lock; earlier results are left alone.
*/
typedef struct _p_MeritOutput *MeritOutput;

/* Take the folder for this run; see above. Collective. */
MERIT_EXTERN PetscErrorCode MeritOutputOpen(MPI_Comm comm, const char folder[], bool overwrite, MeritOutput *out);
/* Protect an input (of key `key`): a result that would replace it is a USAGE error, at once if its name is known, else when it is written.
   A path without a file is ignored. Collective. */
MERIT_EXTERN PetscErrorCode MeritOutputProtect(MeritOutput out, const char path[], const char key[]);
/*
  Write one file in parallel: the ranks' texts one after another in rank order, `header` (rank 0's, may be NULL) first. May be called
  repeatedly for the same name to append further parts; the header counts at the first call only. Disk-full and the like are SYSTEM errors on every rank. Collective.
*/
MERIT_EXTERN PetscErrorCode MeritOutputWrite(MeritOutput out, const char name[], const char header[], const char text[], int64_t n);
/* Bytes and CRC-32 (zlib) of each staged file so far, for summary.json; borrowed. Same on all ranks. */
MERIT_EXTERN int MeritOutputFiles(MeritOutput out, const char *const **names, const int64_t **bytes, const uint32_t **crc);
/* Put the staged files in place, `last` as the last one; see above. Frees *out in any case. Collective. Errors: SYSTEM. */
MERIT_EXTERN PetscErrorCode MeritOutputCommit(MeritOutput *out, const char last[]);
/* Remove what was staged; see above. NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritOutputAbandon(MeritOutput *out);
/* Abandon every output of this process that is still open, after an error; handles to them must not be used again. Not collective. */
MERIT_EXTERN PetscErrorCode MeritOutputAbandonAll(void);

/* A growing text buffer of one rank, for formatted rows. */
typedef struct {
  char  *at; /* owned */
  size_t n, room;
} MeritText;
/* Append formatted text. */
MERIT_EXTERN PetscErrorCode MeritTextAdd(MeritText *text, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* Append n bytes as they are. */
MERIT_EXTERN PetscErrorCode MeritTextAddBytes(MeritText *text, const char at[], size_t n);
/* A number with 12 significant digits, "NA" for a NaN. */
MERIT_EXTERN PetscErrorCode MeritTextAddReal(MeritText *text, double value);
/* Append a whole number. */
MERIT_EXTERN PetscErrorCode MeritTextAddInteger(MeritText *text, int64_t value);
/* Free the bytes; the buffer is then empty and may be used again. */
MERIT_EXTERN void MeritTextFree(MeritText *text);

/* Bytes and CRC-32 of a whole file, read in parallel blocks and combined; for provenance. Collective. */
MERIT_EXTERN PetscErrorCode MeritFileHash(MPI_Comm comm, const char path[], int64_t *bytes, uint32_t *crc);
