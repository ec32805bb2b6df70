#pragma once
/* Small data of every kind as files in a folder of this run, models over them, and their equations as one dense matrix in canonical order. */
#include <merit_test.h>
#include <math.h>
#include <merit/solver.h>
#include <merit/op.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOUNDERS = 8, SNPS = 90, PENS = 6, MOST_ANIMALS = 600, MOST_RECORDS = 2500 };

/* Everything with few animals; genotype rows and records for several ranks and threads; hardly anything */
typedef enum { FEW, MANY, TINY, N_DATA } Which;

typedef struct {
  int animals, records;
  int sire[MOST_ANIMALS], dam[MOST_ANIMALS];                                           /* -1 unknown */
  int cow[MOST_RECORDS], foster[MOST_RECORDS], pen[MOST_RECORDS], other[MOST_RECORDS]; /* foster -1: unknown */
} Data;

static PetscMPIInt rank, size;
static char        folder[64];
static Data        data[N_DATA] = {{.animals = 30, .records = 45}, {.animals = 600, .records = 2500}, {.animals = 3, .records = 2}};

static inline double Uniform(unsigned *state)
{
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 8) / 16777216.0;
}

static inline int Below(unsigned *state, int n) { return (int)(Uniform(state) * n); }

static inline FILE *Open(Which which, const char name[])
{
  char  path[128];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%d%s", folder, (int)which, name);
  file = fopen(path, "wb");
  assert_non_null(file);
  return file;
}

/* Animals a000, a001, ...: founders, then offspring, one of them selfed; the first offspring's parents have many more */
static inline void WritePedigree(Which which, unsigned *state)
{
  Data *d    = &data[which];
  FILE *file = rank ? NULL : Open(which, "ped.csv");

  if (file) fputs("id,sire,dam\n", file);
  for (int i = 0; i < d->animals; i++) {
    d->sire[i] = i < FOUNDERS ? -1 : Below(state, 3) ? Below(state, i) : 2;
    d->dam[i]  = i < FOUNDERS || !Below(state, 6) ? -1 : Below(state, i);
    if (i == FOUNDERS + 3) d->sire[i] = d->dam[i] = 1;
    if (!file) continue;
    fprintf(file, "a%03d,", i);
    if (d->sire[i] >= 0) fprintf(file, "a%03d,", d->sire[i]);
    else fputs("0,", file);
    if (d->dam[i] >= 0) fprintf(file, "a%03d\n", d->dam[i]);
    else fputs("0\n", file);
  }
  if (file) fclose(file);
}

/*
  Some animals have no record, some several; each trait is missing here and there. Many records have a small mean, or the rounding of
  their sums would hide that of the sweeps.
*/
static inline void WriteRecords(Which which, unsigned *state)
{
  Data *d    = &data[which];
  FILE *file = rank ? NULL : Open(which, "records.csv");

  if (file) fputs("cow,foster,herd,pen,other,age,c1,c2,c3,w,y,z\n", file);
  for (int i = 0; i < d->records; i++) {
    const int    herd = Below(state, 4);
    const double age = 2.0 + 6.0 * Uniform(state), w = 0.5 + Uniform(state), mean = which == MANY ? -10.0 : 100.0,
                 y = mean + 20.0 * Uniform(state) + herd;
    const double z = 10.0 + 4.0 * Uniform(state) - herd;
    double       c[3];
    char         text[2][32];

    d->cow[i]    = Below(state, 4) ? Below(state, d->animals) : d->animals - 1;
    d->foster[i] = Below(state, 5) ? Below(state, d->animals) : -1;
    d->pen[i]    = Below(state, PENS);
    d->other[i]  = Below(state, PENS);
    for (int j = 0; j < 3; j++) c[j] = Uniform(state) - 0.5;
    snprintf(text[0], sizeof(text[0]), i % 7 == 3 ? "NA" : "%.17g", y);
    snprintf(text[1], sizeof(text[1]), i % 5 == 1 ? "NA" : "%.17g", z);
    if (!file) continue;
    fprintf(file, "a%03d,", d->cow[i]);
    if (d->foster[i] < 0) fputs("0,", file);
    else fprintf(file, "a%03d,", d->foster[i]);
    fprintf(file, "h%d,p%d,p%d,%.17g,%.17g,%.17g,%.17g,%.17g,%s,%s\n", herd, d->pen[i], d->other[i], age, c[0], c[1], c[2], w, text[0], text[1]);
  }
  if (file) fclose(file);
}

static inline void WriteGenotypes(Which which, unsigned *state)
{
  FILE *file = rank ? NULL : Open(which, "geno.txt");

  for (int i = data[which].animals - 1; i >= 0; i--) {
    if (file) fprintf(file, "a%03d ", i);
    for (int j = 0; j < SNPS; j++) {
      const int code = Below(state, 20) ? (Uniform(state) < 0.3 + 0.004 * j) + (Uniform(state) < 0.5) : 5;

      if (file) fprintf(file, "%d", code);
    }
    if (file) fputs("\n", file);
  }
  if (file) fclose(file);
}

static inline int MakeData(void **state)
{
  unsigned seed = 20240607u;

  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit_gsru_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  for (Which which = FEW; which < N_DATA; which++) {
    WritePedigree(which, &seed);
    WriteRecords(which, &seed);
    WriteGenotypes(which, &seed);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  return 0;
}

static inline int RemoveData(void **state)
{
  static const char *const names[] = {"ped.csv", "records.csv", "geno.txt"};

  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  for (int i = 0; i < 3 * N_DATA && !rank; i++) {
    char path[128];

    snprintf(path, sizeof(path), "%s/%d%s", folder, i / 3, names[i % 3]);
    unlink(path);
  }
  return rank ? 0 : rmdir(folder);
}

/* A model over the data with its operator */
typedef struct {
  Which                which;
  MeritNode            job;
  MeritModel           model;
  Mat                  C;
  int                  n_terms;
  const MeritTermView *term;
  int32_t              n_owned;
  int                  n;       /* equations in all */
  int                 *number;  /* [n_owned] canonical number of each owned equation */
  int                  base[9]; /* first canonical equation of each term */
} Problem;

static inline Problem MakeProblem(Which which, const char model[], const char variances[], const char more[])
{
  Problem p = {.which = which};
  char    text[4096];
  int     at = 0;

  snprintf(text, sizeof(text),
           "records: {file: %s/%drecords.csv, weight: w}\npedigree: {file: %s/%dped.csv, sexes: free}\n"
           "genotypes: {text: %s/%dgeno.txt%s}\nmodel: %s\nvariances:\n%s",
           folder, (int)which, folder, (int)which, folder, (int)which, more, model, variances);
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &p.job));
  TestCall(MeritModelCreate(PETSC_COMM_WORLD, &p.model));
  TestCall(MeritModelSetFromConfig(p.model, p.job));
  TestCall(MeritModelSetUp(p.model));
  TestCall(MeritMatCreateMME(p.model, &p.C));
  p.n_terms = MeritModelTerms(p.model, &p.term);
  p.n_owned = MeritModelLayout(p.model)->n_owned;
  p.number  = malloc(sizeof(int) * ((size_t)p.n_owned + 1));
  for (int k = 0; k < p.n_terms; k++) {
    const MeritTermView *t = &p.term[k];

    p.base[k] = p.n;
    p.n += (int)t->n_levels * t->n_eq;
    for (int32_t i = 0; i < t->n_owned; i++)
      for (int e = 0; e < t->n_eq; e++) p.number[at++] = p.base[k] + (int)t->canonical[i] * t->n_eq + e;
  }
  p.base[p.n_terms] = p.n;
  assert_int_equal(at, p.n_owned);
  return p;
}

static inline void FreeProblem(Problem *p)
{
  free(p->number);
  TestCall(MatDestroy(&p->C));
  TestCall(MeritModelDestroy(&p->model));
  TestCall(MeritConfigDestroy(&p->job));
}

/* Owned values -> all in canonical order, on every rank; owned by the caller */
static inline double *ToAll(const Problem *p, const double *x)
{
  double *all = calloc((size_t)p->n + 1, sizeof(double));

  for (int32_t i = 0; i < p->n_owned; i++) all[p->number[i]] += x[i];
  MPI_Allreduce(MPI_IN_PLACE, all, p->n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  return all;
}

/* C in canonical order, from its products with unit vectors; owned by the caller */
static inline double *ToDense(const Problem *p)
{
  enum { K = 8 };
  double *dense = calloc((size_t)p->n * (size_t)p->n + 1, sizeof(double));
  double *x = malloc(sizeof(double) * ((size_t)p->n_owned * K + 1)), *y = malloc(sizeof(double) * ((size_t)p->n_owned * K + 1));

  for (int first = 0; first < p->n; first += K) {
    for (int32_t i = 0; i < p->n_owned; i++)
      for (int j = 0; j < K; j++) x[i * K + j] = p->number[i] == first + j;
    TestCall(MeritMMEApplyBlock(p->C, K, x, y));
    for (int32_t i = 0; i < p->n_owned; i++)
      for (int j = 0; j < K && first + j < p->n; j++) dense[p->number[i] * p->n + first + j] = y[i * K + j];
  }
  MPI_Allreduce(MPI_IN_PLACE, dense, p->n * p->n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  free(x);
  free(y);
  return dense;
}

/* Solve A x = b for the few or many equations in index[]; A is [n * n], b becomes x. Gaussian elimination with pivoting */
static inline void Eliminate(int n, const double *A, int m, const int *index, double *b)
{
  double *M = malloc(sizeof(double) * (size_t)(m * m) + 8);

  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) M[i * m + j] = A[index[i] * n + index[j]];
  for (int p = 0; p < m; p++) {
    int best = p;

    for (int i = p; i < m; i++)
      if (fabs(M[i * m + p]) > fabs(M[best * m + p])) best = i;
    for (int j = 0; j < m; j++) {
      double t = M[p * m + j];

      M[p * m + j]    = M[best * m + j];
      M[best * m + j] = t;
    }
    {
      double t = b[p];
      b[p]     = b[best];
      b[best]  = t;
    }
    for (int i = p + 1; i < m; i++) {
      double factor = M[i * m + p] / M[p * m + p];

      for (int j = p; j < m; j++) M[i * m + j] -= factor * M[p * m + j];
      b[i] -= factor * b[p];
    }
  }
  for (int i = m - 1; i >= 0; i--) {
    for (int j = i + 1; j < m; j++) b[i] -= M[i * m + j] * b[j];
    b[i] /= M[i * m + i];
  }
  free(M);
}

/* The whole system; owned by the caller */
static inline double *DenseSolution(const Problem *p, const double *dense, const double *r)
{
  double *x     = malloc(sizeof(double) * ((size_t)p->n + 1));
  int    *index = calloc((size_t)p->n + 1, sizeof(int));

  for (int i = 0; i < p->n; i++) {
    index[i] = i;
    x[i]     = r[i];
  }
  Eliminate(p->n, dense, p->n, index, x);
  free(index);
  return x;
}

/* Largest difference within a term beside the term's largest value in `scale` */
static inline double Distance(const Problem *p, const double *a, const double *b, const double *scale)
{
  double worst = 0.0;

  for (int k = 0; k < p->n_terms; k++) {
    double most = 0.0, difference = 0.0;

    for (int i = p->base[k]; i < p->base[k + 1]; i++) {
      most       = fmax(most, fabs(scale[i]));
      difference = fmax(difference, fabs(a[i] - b[i]));
    }
    if (!(difference <= worst * most)) worst = most > 0.0 ? difference / most : INFINITY;
  }
  return worst;
}

/* A solver on the equations; max_it sweeps at most */
static inline MeritSolver MakeSolver(const Problem *p, const char type[], double rtol, int64_t max_it)
{
  MeritSolver s;

  TestCall(MeritSolverCreate(PETSC_COMM_WORLD, &s));
  TestCall(MeritSolverSetType(s, type));
  TestCall(MeritSolverSetOperator(s, p->C));
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, rtol, max_it));
  return s;
}
