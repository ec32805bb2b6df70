#pragma once
#include "folder_private.h"
#include <merit/checkpoint.h>
#include <merit/exchange.h>

/*
  The file: head; the parts, each as chunks of CHUNK_PLACES places (CHUNK_BYTES bytes of the same on all ranks); table. The table has the
  identity and, for each part, what it is, where it begins and the checksum of every chunk. Numbers are those of the machine
  (little endian everywhere Merit runs).
*/
enum { CHUNK_PLACES = 65536, CHUNK_BYTES = 1 << 19, MOST_PARTS = 1024, N_PLACES = 3 };

typedef struct {
  char     magic[8]; /* MERITCP and 0 */
  uint32_t version, ranks, threads, n_parts;
  int64_t  progress, table, table_bytes;
  uint32_t table_crc, crc; /* of all before */
} CheckpointHead;

typedef struct {
  char     name[32];
  uint32_t kind, size; /* of MeritState; SAME: size 1 */
  int64_t  n_all;      /* places; SAME: bytes */
  int64_t  begin;      /* in the file */
  int64_t  n_chunks;
  int64_t  kept; /* 1: part of all later checkpoints, too */
} CheckpointPart;

/* Places of one kind, and the way of their values to the ranks that hold their chunks */
typedef struct {
  bool          given;
  int64_t       n, n_all, first, n_mine; /* of this rank; of all; places [first, first + n_mine) that this rank writes and reads */
  MeritExchange exchange;                /* owned */
  int64_t      *arriving;                /* places of what arrives, from `first`; owned */
} CheckpointPlaces;

struct _p_MeritCheckpoint {
  MPI_Comm         comm;
  PetscMPIInt      rank, size;
  char            *folder; /* OUT/checkpoint; owned */
  double           seconds, last; /* between checkpoints; time of the last */
  int64_t          calls, n_calls, next, since; /* every so many calls of Due; calls so far; the one that looks at the clock; calls at the last look */
  double           looked;
  bool             stop; /* somebody asked for it */
  MeritIdentity    identity;
  void            *ctx;
  MeritPlacer      placer; /* NULL: places were given */
  void            *placer_ctx;
  MeritText        lines; /* identity, once it was needed; owned */
  CheckpointPlaces places[N_PLACES];
  int              n_kept;
  MeritState      *kept; /* [n_kept] parts that are done; names and data owned */
  char            *open;  /* file to load from, NULL: none; owned */
  CheckpointHead   head;  /* of it */
  CheckpointPart  *part;  /* [head.n_parts]; owned */
  uint32_t       **crc;   /* [head.n_parts] of their chunks; owned */
};

/* Identity lines, made at the first call; *n of their bytes. Collective. */
PetscErrorCode CheckpointIdentity(MeritCheckpoint checkpoint);
/* Places from the placer, and gone again: between checkpoints they would take room for nothing. The first is collective. */
PetscErrorCode CheckpointPlace(MeritCheckpoint checkpoint);
PetscErrorCode CheckpointForget(MeritCheckpoint checkpoint);
/* Chunks of a part, places (bytes) of a chunk, bytes of a place */
int64_t CheckpointChunks(const CheckpointPart *part);
/* Places [*first, *last) of chunk c */
void CheckpointChunk(const CheckpointPart *part, int64_t c, int64_t *first, int64_t *last);
size_t CheckpointPlaceBytes(const CheckpointPart *part);
/* First chunk of a part that `rank` reads and writes; those of the same on all ranks are rank 0's */
int64_t CheckpointFirstChunk(const CheckpointPart *part, PetscMPIInt size, PetscMPIInt rank);
uint32_t CheckpointCrc(const void *at, size_t n);
/* OUT/checkpoint/name; free() */
char *CheckpointPath(MeritCheckpoint checkpoint, const char name[]);
/* checkpoint_load.c: a part that is the same on all ranks, by rank 0 */
PetscErrorCode CheckpointLoadSame(MeritCheckpoint checkpoint, const CheckpointPart *part, void *data);
/* checkpoint_kept.c: a copy of a part goes to those that are kept; NULL data: room for it */
PetscErrorCode CheckpointKeep(MeritCheckpoint checkpoint, const char name[], size_t size, const void *data);
/* That of this name, or NULL */
const MeritState *CheckpointKept(MeritCheckpoint checkpoint, const char name[]);
PetscErrorCode CheckpointKeptFree(MeritCheckpoint checkpoint);
/* checkpoint_open.c: forget the file that is open */
PetscErrorCode CheckpointClose(MeritCheckpoint checkpoint);
