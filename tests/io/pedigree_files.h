#pragma once
/* Pedigrees as files in a fresh folder of this run, and what became of each id. */
#include <merit_test.h>
#include <merit/exchange.h>
#include <merit/pedigree.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static PetscMPIInt rank, size;
static char        folder[64], path[128];

static inline int MakeFolder(void **state)
{
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit_pedigree_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  snprintf(path, sizeof(path), "%s/ped.csv", folder);
  return MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD) || snprintf(path, sizeof(path), "%s/ped.csv", folder) < 0;
}

static inline int RemoveFolder(void **state)
{
  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank) return 0;
  unlink(path);
  return rmdir(folder);
}

static inline void Write(const char text[])
{
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank == 0) {
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* A pedigree of the text with every setting left alone, not loaded yet */
static inline MeritPedigree Make(const char text[])
{
  MeritPedigree ped;

  Write(text);
  TestCall(MeritPedigreeCreate(PETSC_COMM_WORLD, &ped));
  TestCall(MeritPedigreeSetFile(ped, path, NULL, 0, NULL));
  return ped;
}

/* Everything about all animals, on every rank, by canonical number */
typedef struct {
  MeritPedigree ped;
  MeritDict     dict;
  int64_t       n, n_no_line, n_duplicates;
  int64_t      *sire, *dam, *n_offspring, *generation;
  double       *F, *d;
} Whole;

static inline void SumAll(MPI_Comm comm, int64_t n, int64_t first, int64_t n_local, const int64_t at[], int64_t **all)
{
  *all = calloc((size_t)n + 1, sizeof(**all));
  for (int64_t i = 0; i < n_local; i++) (*all)[first + i] = at[i];
  MPI_Allreduce(MPI_IN_PLACE, *all, (int)n, MPI_INT64_T, MPI_SUM, comm);
}

static inline void SumAllReal(MPI_Comm comm, int64_t n, int64_t first, int64_t n_local, const double at[], double **all)
{
  *all = calloc((size_t)n + 1, sizeof(**all));
  for (int64_t i = 0; i < n_local; i++) (*all)[first + i] = at[i];
  MPI_Allreduce(MPI_IN_PLACE, *all, (int)n, MPI_DOUBLE, MPI_SUM, comm);
}

/* Load, set up, and bring it all to every rank */
static inline void Gather(MPI_Comm comm, MeritPedigree ped, Whole *w)
{
  const int64_t *sire, *dam, *n_offspring;
  const int32_t *generation;
  const double  *F, *d;
  int64_t        first, n_local, *wide;

  w->ped = ped;
  TestCall(MeritPedigreeSetUp(ped));
  TestCall(MeritPedigreeSize(ped, &w->n, &w->n_no_line, &w->n_duplicates));
  TestCall(MeritPedigreeDict(ped, &w->dict));
  TestCall(MeritPedigreeParents(ped, &first, &n_local, &sire, &dam));
  TestCall(MeritPedigreeInbreeding(ped, &F, &d));
  TestCall(MeritPedigreeOffspring(ped, &n_offspring));
  TestCall(MeritPedigreeGeneration(ped, &generation));
  wide = malloc(((size_t)n_local + 1) * sizeof(*wide));
  for (int64_t i = 0; i < n_local; i++) wide[i] = generation[i];
  SumAll(comm, w->n, first, n_local, sire, &w->sire);
  SumAll(comm, w->n, first, n_local, dam, &w->dam);
  SumAll(comm, w->n, first, n_local, n_offspring, &w->n_offspring);
  SumAll(comm, w->n, first, n_local, wide, &w->generation);
  SumAllReal(comm, w->n, first, n_local, F, &w->F);
  SumAllReal(comm, w->n, first, n_local, d, &w->d);
  free(wide);
}

static inline void Free(Whole *w)
{
  free(w->sire);
  free(w->dam);
  free(w->n_offspring);
  free(w->generation);
  free(w->F);
  free(w->d);
  TestCall(MeritPedigreeDestroy(&w->ped));
}

/* Canonical number of an id, -1 if there is none; collective */
static inline int64_t Number(const Whole *w, const char id[])
{
  MeritStrings pool;
  int64_t      number;
  int32_t      code;

  TestCall(MeritStringsCreate(&pool));
  TestCall(MeritStringsIntern(pool, id, strlen(id), &code));
  TestCall(MeritDictFind(w->dict, pool, &number));
  TestCall(MeritStringsDestroy(&pool));
  return number;
}

#define AssertNear(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))
