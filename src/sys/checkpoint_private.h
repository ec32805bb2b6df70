#pragma once
#include "folder_private.h"
#include <merit/checkpoint.h>
#include <merit/exchange.h>

/*
  Format of a checkpoint file: header (CheckpointHead); the parts one after another; table. A part that depends on
  ranks is a vector, stored by position; it is cut into chunks of CHUNK_POSITIONS positions. A part that all ranks hold
  alike is cut into chunks of CHUNK_BYTES bytes. The table has the length and lines of the identity, then for each
  part a CheckpointPart and the CRC-32 of each of its chunks. Numbers are in the byte order of the machine (little
  endian on all machines where Merit runs).
*/
enum { CHUNK_POSITIONS = 65536, CHUNK_BYTES = 1 << 19, MOST_PARTS = 1024, N_STATE_KINDS = 3 };

/* First bytes of the file */
typedef struct {
  char     magic[8]; /* MERITCP and 0 */
  uint32_t version, ranks, threads, n_parts;
  int64_t  progress;           /* iterations or rounds done, for messages */
  int64_t  table, table_bytes; /* offset and length of the table, bytes */
  uint32_t table_crc, crc;     /* CRC-32 of the table; of this header up to here */
} CheckpointHead;

/* Entry of the table */
typedef struct {
  char     name[32];   /* with its 0 */
  uint32_t kind, size; /* kind (MeritStateKind) and doubles a position; SAME: size 1 */
  int64_t  n_all;      /* positions over all ranks; SAME: bytes */
  int64_t  begin;      /* offset in the file, bytes */
  int64_t  n_chunks;
  int64_t  kept; /* 1: a final part, which all later checkpoints have too */
} CheckpointPart;

/* Positions of one kind (equations or records), and the exchange between the owners of values and the ranks of chunks */
typedef struct {
  bool          given;
  int64_t       n, n_all;      /* positions of this rank's values; of all ranks' */
  int64_t       first, n_mine; /* positions [first, first + n_mine) are of this rank's chunks */
  MeritExchange exchange;      /* owners to ranks of chunks; owned */
  int64_t      *arriving;      /* [arriving items] their positions, minus `first`; owned */
} CheckpointPositions;

struct _p_MeritCheckpoint {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  char               *folder;         /* OUT/checkpoint; owned */
  double              seconds, last;  /* wanted between checkpoints; time (MPI_Wtime) of the last one */
  int64_t             calls, n_calls; /* save every `calls` calls of Due (0: not by calls); calls so far */
  int64_t             next, since;    /* call at which the ranks compare clocks next; call at which they did last */
  double              looked;         /* time of that */
  bool                stop;           /* a stop was requested */
  MeritIdentity       identity;
  void               *ctx;
  MeritPositionSource source; /* sets the positions when they are needed; NULL: they were set once and are kept */
  void               *source_ctx;
  MeritText           lines; /* identity of the run, made when first needed; owned */
  CheckpointPositions positions[N_STATE_KINDS];
  int                 n_kept;
  MeritState         *kept; /* [n_kept] final parts; names and data owned */
  char               *open; /* file to load from, NULL: none; owned */
  CheckpointHead      head; /* of that file */
  CheckpointPart     *part; /* [head.n_parts] its table; owned */
  uint32_t          **crc;  /* [head.n_parts][n_chunks] checksums; owned */
};

/* Make the identity lines unless they exist. Collective. Errors: those of the callback. */
PetscErrorCode CheckpointIdentity(MeritCheckpoint checkpoint);
/* Set the positions by the callback, if there is one. Collective. */
PetscErrorCode CheckpointSetPositions(MeritCheckpoint checkpoint);
/* Free the positions that the callback can set again, since they take memory between checkpoints. Not collective. */
PetscErrorCode CheckpointFreePositions(MeritCheckpoint checkpoint);
/* Number of chunks of a part. Not collective. */
int64_t CheckpointChunks(const CheckpointPart *part);
/* Positions (SAME: bytes) [*first, *last) of chunk c. Not collective. */
void CheckpointChunk(const CheckpointPart *part, int64_t c, int64_t *first, int64_t *last);
/* Bytes of one position of a part; SAME: 1. Not collective. */
size_t CheckpointPositionBytes(const CheckpointPart *part);
/* First chunk of a part that `rank` reads and writes; rank 0 has all chunks of a SAME part. Not collective. */
int64_t CheckpointFirstChunk(const CheckpointPart *part, PetscMPIInt size, PetscMPIInt rank);
/* CRC-32 (zlib's) of n bytes, n below 4 GiB. Not collective. */
uint32_t CheckpointCrc(const void *at, size_t n);
/* OUT/checkpoint/name; owned by the caller, free(); NULL without memory. Not collective. */
char *CheckpointPath(MeritCheckpoint checkpoint, const char name[]);
/* checkpoint_load.c: fill data [part->n_all] bytes on all ranks from a SAME part of the open file. Collective. Errors: SYSTEM, INPUT of the file. */
PetscErrorCode CheckpointLoadSame(MeritCheckpoint checkpoint, const CheckpointPart *part, void *data);
/* checkpoint_kept.c: add a final SAME part; name and `size` bytes are copied (data NULL: zeros). Not collective. */
PetscErrorCode CheckpointKeep(MeritCheckpoint checkpoint, const char name[], size_t size, const void *data);
/* The final part of this name, or NULL; borrowed. Not collective. */
const MeritState *CheckpointKept(MeritCheckpoint checkpoint, const char name[]);
/* Free all final parts. Not collective. */
PetscErrorCode CheckpointKeptFree(MeritCheckpoint checkpoint);
/* checkpoint_open.c: free header, table and name of the file that is open, if any. Not collective. */
PetscErrorCode CheckpointClose(MeritCheckpoint checkpoint);
