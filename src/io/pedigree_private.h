#pragma once
#include <merit/ancestry.h>
#include <merit/exchange.h>
#include <merit/log.h>
#include <merit/pedigree.h>
#include <merit/shared.h>
#include <merit/table.h>

/* Roles of columns, and codes of sexes */
enum { PED_ID, PED_SIRE, PED_DAM, PED_YEAR, PED_SEX, PED_N_COLUMNS };
enum { PED_SEX_UNKNOWN, PED_SEX_MALE, PED_SEX_FEMALE };

/* Offspring lists of this rank's block, from PedigreeFamilies to PedigreeGenerations; freed at the
   end of Load */
typedef struct {
  int32_t *child;       /* [child_first[n_local]] canonical numbers of offspring, by parent */
  int64_t *child_first; /* [n_local + 1] first offspring of each parent in child */
} PedigreeLoading;

/* What the user sets (pedigree.c); owned */
typedef struct {
  char   *path;
  char   *column[PED_N_COLUMNS]; /* NULL: found by name */
  int     n_header, n_unknown;
  char  **header, **unknown; /* `unknown` begins with the words that are always unknown */
  bool    free_sexes;
  bool    outbred; /* Mendelian variances as if no parent were inbred */
  int32_t depth;   /* generations of ancestors kept behind focal animals, 0: all */
} PedigreeOptions;

/* The animals of this rank's block of canonical numbers, from the lines of the file
   (pedigree_load.c); owned */
typedef struct {
  int64_t  first, n_local;
  int64_t *sire, *dam; /* [n_local] canonical, -1 unknown */
  int64_t *line;       /* [n_local] in the file, 0 none */
  bool     has_year, has_sex;
  double  *year; /* [n_local] of birth, NaN unknown; NULL: the file has none */
  int8_t  *sex;  /* [n_local] until the end of Load; NULL: the file has none */
} PedigreeBlock;

/* The pedigree: settings, then results of Load and SetUp for this rank's block of canonical
   numbers; arrays are owned */
struct _p_MeritPedigree {
  MPI_Comm        comm;
  PetscMPIInt     rank, size;
  PedigreeOptions options;
  MeritStrings    founders, focal; /* ids of records and genotypes: founders without a line, animals to keep */
  /* set by Load */
  MeritFault    fault;       /* of reading; agreed on in PedigreeFamilies */
  bool          by_position; /* columns were taken by position, not by name */
  bool          loaded;
  MeritDict     dict;
  int64_t       n, n_no_line, n_duplicates; /* animals over all ranks; those without a line; duplicate lines */
  PedigreeBlock block;
  int64_t      *n_offspring; /* [n_local] */
  int32_t      *n_sired;     /* [n_local] animals that name it as their sire; until SetUp */
  int32_t      *generation;  /* [n_local] */
  /* computed by SetUp */
  bool    set_up;
  double *F, *d; /* [n_local] inbreeding, Mendelian sampling variance */
};

/* Arrays over all animals, one copy on each node in memory shared by its ranks */
typedef struct {
  MeritShared memory;
  int64_t     n;          /* animals */
  int32_t    *parents;    /* [2 n] sire and dam of each animal by position, -1 unknown */
  double     *inbreeding; /* [n] */
} PedigreeWindow;

/* Read the file, number the animals, and store each line on the rank whose block holds the animal.
   Collective. Errors: INPUT, USAGE. */
PETSC_INTERN PetscErrorCode PedigreeLoadLines(MeritPedigree ped);
/* Count and list offspring, check sexes and birth years; fills *loading. Collective. Errors: INPUT,
   also faults of reading. */
PETSC_INTERN PetscErrorCode PedigreeFamilies(MeritPedigree ped, PedigreeLoading *loading);
/* ped->generation. Collective. Errors: INPUT for an animal that is its own ancestor, naming the
   loop. */
PETSC_INTERN PetscErrorCode PedigreeGenerations(MeritPedigree ped, PedigreeLoading *loading);
/* Raise the INPUT error for a loop among the animals whose generation is -1 (at least one must be).
   Collective. */
PETSC_INTERN PetscErrorCode PedigreeRaiseLoop(MeritPedigree ped);

/* Values of parents: have[n_local] items of `bytes` bytes of this rank's animals; what[n_local] =
   the items of parent[n_local], unchanged where the parent is unknown (-1). Collective. */
PETSC_INTERN PetscErrorCode PedigreeAskParents(MeritPedigree ped, const int64_t parent[], size_t bytes, const void *have, void *what);

/* Make the arrays (16 bytes an animal on each node): parents -1, inbreeding 0. Collective. Errors:
   SYSTEM without memory. */
PETSC_INTERN PetscErrorCode PedigreeWindowCreate(MPI_Comm comm, int64_t n, PedigreeWindow *window);
/* Combine the parents written by all ranks, each entry by one of them, on all nodes. Collective. */
PETSC_INTERN PetscErrorCode PedigreeWindowShareParents(PedigreeWindow *window);
/* The same for the inbreeding of animals first .. last - 1. Collective. */
PETSC_INTERN PetscErrorCode PedigreeWindowShareInbreeding(PedigreeWindow *window, int64_t first, int64_t last);
/* Free the arrays; safe if they were not made. Collective. */
PETSC_INTERN PetscErrorCode PedigreeWindowDestroy(PedigreeWindow *window);
