#pragma once
/* Shared by the tests of the simulation: run a specification given as text, read what it wrote. */
#include <merit_test.h>
#include <merit/simulate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static PetscMPIInt rank, size;

/* A fresh folder, the same name on all ranks. */
static inline void FreshFolder(char folder[64])
{
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, 64, "/tmp/merit-sim-XXXXXX");
  if (rank == 0) assert_non_null(mkdtemp(folder));
  MPI_Bcast(folder, 64, MPI_CHAR, 0, PETSC_COMM_WORLD);
}

static inline void RemoveFolder(const char folder[])
{
  char command[128];

  MPI_Barrier(PETSC_COMM_WORLD);
  snprintf(command, sizeof(command), "rm -rf '%s'", folder);
  if (rank == 0) assert_int_equal(system(command), 0);
}

static inline PetscErrorCode Simulate(MPI_Comm comm, const char spec[], const char output[], MeritSimulationSize *made)
{
  MeritSimulation sim;
  MeritNode       tree;
  char            text[4096];

  PetscFunctionBegin;
  snprintf(text, sizeof(text), "%soutput: %s\n", spec, output);
  PetscCall(MeritConfigParse("spec.yaml", text, strlen(text), &tree));
  PetscCall(MeritSimulationCreate(comm, &sim));
  PetscCall(MeritSimulationSetFromConfig(sim, tree));
  PetscCall(MeritSimulationRun(sim, true));
  if (made) PetscCall(MeritSimulationGetSize(sim, made));
  PetscCall(MeritSimulationDestroy(&sim));
  PetscCall(MeritConfigDestroy(&tree));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static inline FILE *Open(const char folder[], const char name[])
{
  char  path[160];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  file = fopen(path, "r");
  assert_non_null(file);
  return file;
}

/* Number of an id, from 0; -1 for "0". */
static inline long NumberOf(const char id[]) { return strtol(id + strcspn(id, "0123456789"), NULL, 10) - 1; }

/* The population as written, by animal number. */
typedef struct {
  long    n, *sire, *dam;
  int    *generation, *year, *male;
  double *F, *tbv, *qtl; /* first trait */
} Population;

static inline Population ReadPopulation(const char folder[], long n, int n_traits, int with_qtl)
{
  Population p    = {.n = n};
  FILE      *file = Open(folder, "pedigree.csv");
  char       id[64], sire[64], dam[64], line[1024];
  long       i;

  p.sire = calloc((size_t)n, sizeof(long)), p.dam = calloc((size_t)n, sizeof(long));
  p.generation = calloc((size_t)n, sizeof(int)), p.year = calloc((size_t)n, sizeof(int)), p.male = calloc((size_t)n, sizeof(int));
  p.F = calloc((size_t)n, sizeof(double)), p.tbv = calloc((size_t)n, sizeof(double)), p.qtl = calloc((size_t)n, sizeof(double));
  assert_non_null(fgets(line, sizeof(line), file));
  assert_string_equal(line, "id,sire,dam,birth_year\n");
  for (i = 0; fgets(line, sizeof(line), file); i++) {
    assert_in_range(i, 0, n - 1);
    assert_int_equal(sscanf(line, "%63[^,],%63[^,],%63[^,],%d", id, sire, dam, &p.year[i]), 4);
    assert_int_equal(NumberOf(id), i);
    p.male[i] = !strncmp(id, "BULL", 4);
    p.sire[i] = NumberOf(sire);
    p.dam[i]  = NumberOf(dam);
    if (p.sire[i] >= 0) assert_true(p.male[p.sire[i]] && p.year[p.sire[i]] < p.year[i]);
    if (p.dam[i] >= 0) assert_true(!p.male[p.dam[i]] && p.year[p.dam[i]] < p.year[i]);
  }
  assert_int_equal(i, n);
  fclose(file);
  file = Open(folder, "truth.tsv");
  assert_non_null(fgets(line, sizeof(line), file));
  for (i = 0; fgets(line, sizeof(line), file); i++) {
    char *at = line + strcspn(line, "\t");

    assert_int_equal(NumberOf(line), i);
    p.generation[i] = (int)strtol(at, &at, 10);
    p.F[i]          = strtod(at, &at);
    p.tbv[i]        = strtod(at, &at);
    for (int t = 1; t < n_traits; t++) strtod(at, &at);
    if (with_qtl) p.qtl[i] = strtod(at, &at);
  }
  assert_int_equal(i, n);
  fclose(file);
  return p;
}

static inline void FreePopulation(Population *p)
{
  free(p->sire), free(p->dam), free(p->generation), free(p->year), free(p->male), free(p->F), free(p->tbv), free(p->qtl);
}

/* Running sums of pairs. */
typedef struct {
  double n, x, y, xx, xy, yy;
} Pairs;

static inline void   AddPair(Pairs *s, double x, double y) { s->n += 1, s->x += x, s->y += y, s->xx += x * x, s->xy += x * y, s->yy += y * y; }
static inline double Mean(const Pairs *s) { return s->x / s->n; }
static inline double Variance(const Pairs *s) { return (s->xx - s->x * s->x / s->n) / (s->n - 1); }
static inline double Covariance(const Pairs *s) { return (s->xy - s->x * s->y / s->n) / (s->n - 1); }
static inline double Correlation(const Pairs *s) { return Covariance(s) / sqrt(Variance(s) * (s->yy - s->y * s->y / s->n) / (s->n - 1)); }

/* value within `bound` of what it should be */
#define Near(value, should, bound) assert_true(fabs((double)(value) - (double)(should)) <= (double)(bound))
