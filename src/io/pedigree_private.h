#pragma once
#include <merit/ancestry.h>
#include <merit/exchange.h>
#include <merit/log.h>
#include <merit/pedigree.h>
#include <merit/shared.h>
#include <merit/table.h>

enum { PED_ID, PED_SIRE, PED_DAM, PED_YEAR, PED_SEX, PED_N_COLUMNS };
enum { PED_SEX_UNKNOWN, PED_SEX_MALE, PED_SEX_FEMALE };

/* What the steps of Load hand on to each other; gone when it ends. Arrays over this rank's block of animals. */
typedef struct {
  int32_t *child; /* parent-child edges by parent: [child_first[n_local]] canonical numbers of offspring */
  int64_t *child_first; /* [n_local + 1] */
} PedigreeLoading;

struct _p_MeritPedigree {
  MPI_Comm    comm;
  PetscMPIInt rank, size;
  /* set by the user; owned */
  char        *path;
  char        *column[PED_N_COLUMNS]; /* NULL: found by name */
  int          n_header, n_unknown;
  char       **header, **unknown; /* `unknown` begins with the words that always mean it */
  bool         free_sexes;
  bool         outbred; /* Mendelian variances as if no parent were inbred */
  int32_t      depth;   /* generations of ancestors kept behind focal animals, 0: all */
  MeritStrings founders, focal;
  /* set by Load */
  MeritFault fault; /* agreed on once families are known */
  bool      by_place; /* columns of the header line are taken by their place */
  bool      loaded;
  MeritDict dict;
  int64_t   n, n_no_line, n_duplicates;
  int64_t   first, n_local; /* this rank's block of canonical numbers */
  int64_t  *sire, *dam;     /* [n_local] canonical, -1 unknown */
  int64_t  *line;           /* [n_local] in the file, 0 none */
  bool      has_year, has_sex;
  double   *year;           /* [n_local] of birth, NaN unknown; NULL: the file has none */
  int8_t   *sex;            /* [n_local] until the end of Load; NULL: the file has none */
  int64_t  *n_offspring;    /* [n_local] */
  int32_t  *n_sired;        /* [n_local] animals that name it as their sire; until SetUp */
  int32_t  *generation;     /* [n_local] */
  /* computed by SetUp */
  bool    set_up;
  double *F, *d; /* [n_local] */
};

/* One array over all animals per node, in memory that its ranks share */
typedef struct {
  MeritShared memory;
  int64_t     n;          /* animals */
  int32_t    *parents;    /* [2 n] by generation order, -1 unknown */
  double     *inbreeding; /* [n] */
} PedigreeWindow;

/* The file's lines, checked and numbered, on the ranks whose blocks hold the animals. Collective. */
PETSC_INTERN PetscErrorCode PedigreeLoadLines(MeritPedigree ped);
/* Offspring counts, sexes and birth years; leaves the edges for PedigreeGenerations. Collective. */
PETSC_INTERN PetscErrorCode PedigreeFamilies(MeritPedigree ped, PedigreeLoading *loading);
/* Generations; an own ancestor is an error that names the loop. Collective. */
PETSC_INTERN PetscErrorCode PedigreeGenerations(MeritPedigree ped, PedigreeLoading *loading);
/* Raise the error for a loop among the animals whose generation is -1 (there is at least one). Collective. */
PETSC_INTERN PetscErrorCode PedigreeRaiseLoop(MeritPedigree ped);

/* what[n_local]: the `bytes` bytes that each animal's parent has; left alone where the parent is unknown. Collective. */
PETSC_INTERN PetscErrorCode PedigreeAskParents(MeritPedigree ped, const int64_t parent[], size_t bytes, const void *have, void *what);

/* Make the arrays: parents -1, inbreeding 0. Collective. */
PETSC_INTERN PetscErrorCode PedigreeWindowCreate(MPI_Comm comm, int64_t n, PedigreeWindow *window);
/* What any rank wrote is seen by all: parents of all animals. Collective. */
PETSC_INTERN PetscErrorCode PedigreeWindowShareParents(PedigreeWindow *window);
/* The same for the inbreeding of animals first .. last - 1. Collective. */
PETSC_INTERN PetscErrorCode PedigreeWindowShareInbreeding(PedigreeWindow *window, int64_t first,
                                                          int64_t last);
PETSC_INTERN PetscErrorCode PedigreeWindowDestroy(PedigreeWindow *window);
