/*
  The engines for one variance beside the residual's against dense algebra on V = s_u Z K Z' + s_e W^-1: log-likelihood, score and average
  information at several points; for Lanczos quadratic forms as exactly, traces within their Monte Carlo error.
*/
#include <dense.h>
#include <merit_test.h>
#include "../../src/varcomp/varcomp_impl.h"
#include <merit/op.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SNPS = 40, HERDS = 4, PENS = 9, RIDGE = 3, MOST_ANIMALS = 600, MOST_RECORDS = 700, MOST_FIXED = 8 };

/* All animals in one block of genotype rows, so that ranks beyond the first have none; and in three */
typedef enum { SMALL, SPREAD, N_DATA } Which;

typedef struct {
  int    animals, records;
  int    cow[MOST_RECORDS], herd[MOST_RECORDS], pen[MOST_RECORDS];
  double age[MOST_RECORDS], ridge[MOST_RECORDS][RIDGE], weight[MOST_RECORDS], y[MOST_RECORDS];
  int    copies[MOST_ANIMALS][SNPS];            /* 3 missing */
  int    sire[MOST_ANIMALS], dam[MOST_ANIMALS]; /* -1 unknown */
} Data;

static char        folder[64];
static PetscMPIInt rank, size;
static Data        data[N_DATA] = {{.animals = 50, .records = 80}, {.animals = 600, .records = 700}};

static double Uniform(unsigned *state)
{
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 8) / 16777216.0;
}

static FILE *Open(Which which, const char name[])
{
  char path[128];

  snprintf(path, sizeof(path), "%s/%d%s", folder, (int)which, name);
  return fopen(path, "wb");
}

/* SNPs in stretches that go together, as in families, so that the animals differ in how related they are */
static void DrawGenotypes(Data *d, unsigned *state)
{
  for (int i = 0; i < d->animals; i++)
    for (int j = 0; j < SNPS; j++) {
      const bool like = j % 5 && Uniform(state) < 0.8;

      d->copies[i][j] = like ? d->copies[i][j - 1] : (Uniform(state) < 0.3) + (Uniform(state) < 0.5);
    }
  for (int i = 0; i < d->animals; i++)
    for (int j = 0; j < SNPS; j++)
      if (Uniform(state) < 0.03) d->copies[i][j] = 3;
}

/* Parents are any older animals, so that there are many generations and some inbreeding */
static void DrawPedigree(Data *d, unsigned *state)
{
  for (int i = 0; i < d->animals; i++) {
    d->sire[i] = i > 5 && Uniform(state) < 0.8 ? (int)(Uniform(state) * i) : -1;
    d->dam[i]  = i > 5 && Uniform(state) < 0.8 ? (int)(Uniform(state) * i) : -1;
  }
}

/* Some animals have several records, some none; one in nine has no trait */
static void DrawRecords(Data *d, unsigned *state)
{
  for (int i = 0; i < d->records; i++) {
    double genetic = 0.0;

    d->cow[i]    = (int)(Uniform(state) * d->animals);
    d->herd[i]   = (int)(Uniform(state) * HERDS);
    d->pen[i]    = (int)(Uniform(state) * PENS);
    d->age[i]    = 2.0 + 6.0 * Uniform(state);
    d->weight[i] = 0.5 + Uniform(state);
    for (int j = 0; j < RIDGE; j++) d->ridge[i][j] = Uniform(state) - 0.5;
    for (int j = 0; j < SNPS; j++) genetic += (j % 3 - 1) * (d->copies[d->cow[i]][j] % 3);
    d->y[i] = 100.0 + 3.0 * d->herd[i] + d->age[i] + 0.4 * genetic + d->pen[i] % 3 + 4.0 * (Uniform(state) + Uniform(state));
    if (i % 9 == 4) d->y[i] = NAN;
  }
}

static void Write(Which which)
{
  const Data *d    = &data[which];
  FILE       *file = Open(which, "records.csv");

  fputs("cow,herd,pen,age,c0,c1,c2,w,y\n", file);
  for (int i = 0; i < d->records; i++) {
    fprintf(file, "a%03d,h%d,p%d,%.17g,%.17g,%.17g,%.17g,%.17g,", d->cow[i], d->herd[i], d->pen[i], d->age[i], d->ridge[i][0], d->ridge[i][1],
            d->ridge[i][2], d->weight[i]);
    fprintf(file, isnan(d->y[i]) ? "NA\n" : "%.17g\n", d->y[i]);
  }
  fclose(file);
  file = Open(which, "geno.txt");
  for (int i = 0; i < d->animals; i++) {
    fprintf(file, "a%03d ", i);
    for (int j = 0; j < SNPS; j++) fputc(d->copies[i][j] == 3 ? '5' : '0' + d->copies[i][j], file);
    fputc('\n', file);
  }
  fclose(file);
  file = Open(which, "ped.csv");
  fputs("id,sire,dam\n", file);
  for (int i = 0; i < d->animals; i++) {
    fprintf(file, d->sire[i] < 0 ? "a%03d,0," : "a%03d,a%03d,", i, d->sire[i]);
    fprintf(file, d->dam[i] < 0 ? "0\n" : "a%03d\n", d->dam[i]);
  }
  fclose(file);
}

static int MakeData(void **state)
{
  unsigned seed = 20250214u;

  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit_spectral_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  for (Which which = SMALL; which < N_DATA; which++) {
    DrawGenotypes(&data[which], &seed);
    DrawRecords(&data[which], &seed);
    DrawPedigree(&data[which], &seed);
    if (!rank) Write(which);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  return 0;
}

static int RemoveData(void **state)
{
  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  for (int i = 0; i < 3 * N_DATA && !rank; i++) {
    static const char *const names[] = {"records.csv", "geno.txt", "ped.csv"};
    char                     path[128];

    snprintf(path, sizeof(path), "%s/%d%s", folder, i / 3, names[i % 3]);
    unlink(path);
  }
  return rank ? 0 : rmdir(folder);
}

/* ---- dense algebra, the same on every rank */

typedef enum { BY_SNP, BY_PEN, BY_RIDGE, BY_PEDIGREE } Random;

typedef struct {
  int     n, p;
  bool    ml;
  double *B, *X, *y, *weight; /* [n * n], [n * p] by rows, [n], [n] */
} Dense;

typedef struct {
  double log_likelihood, score[2], information[4], trace[2];
} Exact;

/* M by the model's coding: centred by observed frequencies, scaled by their expected variance, missing 0 */
static void Genomic(const Data *d, double *M)
{
  double sum = 0.0;

  for (int j = 0; j < SNPS; j++) {
    double copies = 0.0, n = 0.0;

    for (int i = 0; i < d->animals; i++)
      if (d->copies[i][j] < 3) copies += d->copies[i][j], n += 1.0;
    for (int i = 0; i < d->animals; i++) M[i * SNPS + j] = d->copies[i][j] < 3 ? d->copies[i][j] - copies / n : 0.0;
    sum += copies / n * (1.0 - 0.5 * copies / n);
  }
  for (int k = 0; k < d->animals * SNPS; k++) M[k] /= sqrt(sum);
}

static Dense MakeDense(Which which, Random random, bool covariate, bool weights)
{
  const Data *d = &data[which];
  Dense       m = {.p = covariate ? HERDS + 1 : HERDS};
  double     *M = malloc(sizeof(double) * MOST_ANIMALS * SNPS), *A = malloc(sizeof(double) * MOST_ANIMALS * MOST_ANIMALS);
  int        *record = malloc(sizeof(int) * MOST_RECORDS);

  Genomic(d, M);
  assert_int_equal(DenseRelationship(d->animals, d->sire, d->dam, A), 0);
  for (int i = 0; i < d->records; i++)
    if (!isnan(d->y[i])) record[m.n++] = i;
  m.B      = calloc((size_t)(m.n * m.n), sizeof(double));
  m.X      = calloc((size_t)(m.n * m.p), sizeof(double));
  m.y      = malloc(sizeof(double) * (size_t)m.n);
  m.weight = malloc(sizeof(double) * (size_t)m.n);
  for (int a = 0; a < m.n; a++) {
    const int i = record[a];

    m.y[a]       = d->y[i] - 100.0; /* the intercept takes it, and dense algebra has less to round */
    m.weight[a]  = weights ? d->weight[i] : 1.0;
    m.X[a * m.p] = 1.0;
    if (d->herd[i]) m.X[a * m.p + d->herd[i]] = 1.0;
    if (covariate) m.X[a * m.p + HERDS] = d->age[i];
    for (int b = 0; b < m.n; b++) {
      const int k  = record[b];
      double   *to = &m.B[a * m.n + b];

      for (int j = 0; random == BY_SNP && j < SNPS; j++) *to += M[d->cow[i] * SNPS + j] * M[d->cow[k] * SNPS + j];
      for (int j = 0; random == BY_RIDGE && j < RIDGE; j++) *to += d->ridge[i][j] * d->ridge[k][j];
      if (random == BY_PEDIGREE) *to = A[d->cow[i] * d->animals + d->cow[k]];
      if (random == BY_PEN) *to = d->pen[i] == d->pen[k];
    }
  }
  free(M), free(A), free(record);
  return m;
}

static void FreeDense(Dense *m) { free(m->B), free(m->X), free(m->y), free(m->weight); }

/* A^-1 in place of a definite matrix; returns log |A| */
static double Invert(int n, double *A)
{
  double *L = malloc(sizeof(double) * (size_t)(n * n)), log_determinant = 0.0;

  memcpy(L, A, sizeof(double) * (size_t)(n * n));
  assert_int_equal(DenseCholesky(n, L), 0);
  for (int i = 0; i < n; i++) {
    log_determinant += 2.0 * log(L[i * n + i]);
    for (int j = 0; j < n; j++) A[i * n + j] = i == j;
    DenseCholeskySolve(n, L, true, A + i * n);
  }
  free(L);
  return log_determinant;
}

/* y = A x */
static void Times(int n, const double *A, const double *x, double *y)
{
  for (int i = 0; i < n; i++) {
    y[i] = 0.0;
    for (int j = 0; j < n; j++) y[i] += A[i * n + j] * x[j];
  }
}

static double Dot(int n, const double *a, const double *b)
{
  double sum = 0.0;

  for (int i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1 from V^-1; returns log |X'V^-1X| */
static double Project(const Dense *m, const double *V, double *P)
{
  const int n = m->n, p = m->p;
  double   *VX = calloc((size_t)(n * p), sizeof(double)), *H = calloc((size_t)(p * p), sizeof(double)), log_determinant;

  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++)
      for (int a = 0; a < p; a++) VX[i * p + a] += V[i * n + k] * m->X[k * p + a];
  for (int i = 0; i < n; i++)
    for (int a = 0; a < p; a++)
      for (int b = 0; b < p; b++) H[a * p + b] += m->X[i * p + a] * VX[i * p + b];
  log_determinant = Invert(p, H);
  for (int i = 0; i < n; i++) {
    double HVX[MOST_FIXED];

    Times(p, H, VX + i * p, HVX);
    for (int k = 0; k < n; k++) P[i * n + k] = V[i * n + k] - Dot(p, HVX, VX + k * p);
  }
  free(VX), free(H);
  return log_determinant;
}

static Exact DenseEvaluate(const Dense *m, bool ml, const double theta[])
{
  const int n = m->n;
  double   *V = malloc(sizeof(double) * (size_t)(n * n)), *P = malloc(sizeof(double) * (size_t)(n * n));
  double   *Py = malloc(sizeof(double) * (size_t)n), *f[2], *Pf = malloc(sizeof(double) * (size_t)n), log_V, log_X;
  Exact     exact = {0};

  for (int i = 0; i < n * n; i++) V[i] = theta[0] * m->B[i];
  for (int i = 0; i < n; i++) V[i * n + i] += theta[1] / m->weight[i];
  log_V = Invert(n, V);
  log_X = Project(m, V, P);
  Times(n, P, m->y, Py);
  for (int a = 0; a < 2; a++) f[a] = malloc(sizeof(double) * (size_t)n);
  Times(n, m->B, Py, f[0]);
  for (int i = 0; i < n; i++) f[1][i] = Py[i] / m->weight[i];
  exact.log_likelihood = -0.5 * ((ml ? n : n - m->p) * log(2.0 * PETSC_PI) + log_V + (ml ? 0.0 : log_X) + Dot(n, m->y, Py));
  for (int i = 0; i < n * n; i++) exact.trace[0] += (ml ? V : P)[i] * m->B[i];
  for (int i = 0; i < n; i++) exact.trace[1] += (ml ? V : P)[i * n + i] / m->weight[i];
  for (int a = 0; a < 2; a++) {
    exact.score[a] = -0.5 * (exact.trace[a] - Dot(n, Py, f[a]));
    for (int b = 0; b < 2; b++) {
      Times(n, P, f[b], Pf);
      exact.information[a * 2 + b] = 0.5 * Dot(n, f[a], Pf);
    }
  }
  free(V), free(P), free(Py), free(f[0]), free(f[1]), free(Pf);
  return exact;
}

/* ---- the library */

typedef struct {
  MeritNode    job;
  MeritModel   model;
  Mat          C;
  MeritVarcomp v;
} Run;

static Run StartOn(MPI_Comm comm, Which which, const char model[], const char varcomp[], bool weights)
{
  char               text[2048];
  Run                r;
  MeritVarcompResult result;

  snprintf(text, sizeof(text),
           "records: {file: %s/%drecords.csv, missing: [NA]%s}\ngenotypes: {text: %s/%dgeno.txt, scale: vanraden}\n"
           "pedigree: {file: %s/%dped.csv, sexes: free}\nmodel: \"%s\"\n"
           "varcomp: {tolerance: 1e-6, %s}\n",
           folder, (int)which, weights ? ", weight: w" : "", folder, (int)which, folder, (int)which, model, varcomp);
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &r.job));
  TestCall(MeritModelCreate(comm, &r.model));
  TestCall(MeritModelSetVariancesFree(r.model));
  if (MeritModelSetFromConfig(r.model, r.job)) fail_msg("%s: %s", model, MeritErrorLast()->text);
  TestCall(MeritVarcompCreate(comm, &r.v));
  TestCall(MeritVarcompSetFromConfig(r.v, r.model, r.job));
  if (MeritModelSetUp(r.model)) fail_msg("%s: %s", model, MeritErrorLast()->text);
  TestCall(MeritMatCreateMME(r.model, &r.C));
  if (MeritVarcompRun(r.v, r.C, &result)) fail_msg("%s: %s", model, MeritErrorLast()->text);
  return r;
}

static Run Start(Which which, const char model[], const char varcomp[], bool weights)
{
  return StartOn(PETSC_COMM_WORLD, which, model, varcomp, weights);
}

static void Finish(Run *r)
{
  TestCall(MeritVarcompDestroy(&r->v));
  TestCall(MatDestroy(&r->C));
  TestCall(MeritModelDestroy(&r->model));
  TestCall(MeritConfigDestroy(&r->job));
}

static void Close(const char what[], double is, double exact, double tolerance, double scale)
{
  if (!(fabs(is - exact) <= tolerance * scale)) fail_msg("%s is %.12g, not %.12g", what, is, exact);
}

static const double points[][2] = {{1.0, 4.0}, {30.0, 2.0}, {0.0, 3.0}, {1e-3, 50.0}};

typedef struct {
  const char *model;
  Random      random;
  bool        covariate;
} Case;

static const Case cases[] = {{"y ~ 1 + herd + g = snp(cow)", BY_SNP, false},
                             {"y ~ 1 + herd + cov(age) + g = snp(cow)", BY_SNP, true},
                             {"y ~ 1 + herd + pen = iid(pen)", BY_PEN, false},
                             {"y ~ 1 + herd + c = ridge(c0 + c1 + c2)", BY_RIDGE, false},
                             {"y ~ 1 + herd + cov(age) + a = ped(cow)", BY_PEDIGREE, true}};
enum { CASES = 5 };

static void CheckEigen(Which which, const Case *c, bool ml, bool weights)
{
  Run          r = Start(which, c->model, ml ? "engine: eigen, method: ml" : "engine: eigen", weights);
  Dense        m = MakeDense(which, c->random, c->covariate, weights);
  double       score[2], information[4], noise[4];
  VarcompPoint at = {.score = score, .information = information, .mc_covariance = noise};

  for (size_t k = 0; k < sizeof(points) / sizeof(points[0]); k++) {
    const Exact exact = DenseEvaluate(&m, ml, points[k]);

    TestCall(r.v->run.engine->evaluate(r.v, points[k], &at));
    Close("log-likelihood", at.log_likelihood, exact.log_likelihood, 1e-9, fabs(exact.log_likelihood));
    for (int a = 0; a < 2; a++) Close("score", score[a], exact.score[a], 1e-9, exact.trace[a]);
    for (int a = 0; a < 4; a++) Close("information", information[a], exact.information[a], 1e-8, exact.information[a]);
    for (int a = 0; a < 4; a++) assert_true(noise[a] == 0.0);
  }
  Finish(&r);
  FreeDense(&m);
}

static void test_eigenvalues_give_likelihood_and_derivatives(void **state)
{
  (void)state;
  for (int c = 0; c < CASES; c++)
    for (int how = 0; how < 4; how++) CheckEigen(SMALL, &cases[c], how & 1, how & 2);
  CheckEigen(SPREAD, &cases[1], false, true);
  CheckEigen(SPREAD, &cases[2], true, true);
  CheckEigen(SPREAD, &cases[4], false, true);
}

/* Information has no traces in it: it is exact. Traces, and what is made of them, are as far off as they say. */
static void CheckLanczos(Which which, const Case *c, bool ml, bool weights, int seed)
{
  char         text[128];
  Run          r;
  Dense        m = MakeDense(which, c->random, c->covariate, weights);
  double       score[2], information[4], noise[4];
  VarcompPoint at = {.score = score, .information = information, .mc_covariance = noise};

  snprintf(text, sizeof(text), "engine: lanczos, samples: 40, seed: %d%s", seed, ml ? ", method: ml" : "");
  r = Start(which, c->model, text, weights);
  for (size_t k = 0; k < sizeof(points) / sizeof(points[0]); k++) {
    const Exact exact = DenseEvaluate(&m, ml, points[k]);

    TestCall(r.v->run.engine->evaluate(r.v, points[k], &at));
    for (int a = 0; a < 4; a++) Close("information", information[a], exact.information[a], 1e-7, exact.information[a]);
    for (int a = 0; a < 2; a++)
      if (!(fabs(score[a] - exact.score[a]) <= 4.0 * sqrt(noise[3 * a]) + 1e-6 * exact.trace[a]))
        fail_msg("point %d, score %d is %g, not %g, with a standard error of %g", (int)k, a, score[a], exact.score[a], sqrt(noise[3 * a]));
    assert_true(noise[3] < 0.01 * exact.trace[1] * exact.trace[1]);
    if (!isnan(at.log_likelihood)) Close("log-likelihood", at.log_likelihood, exact.log_likelihood, 0.2, 1.0);
  }
  Finish(&r);
  FreeDense(&m);
}

static void test_samples_are_off_by_no_more_than_they_say(void **state)
{
  (void)state;
  for (int seed = 1; seed <= 3; seed++)
    for (int c = 0; c < CASES; c++) CheckLanczos(SMALL, &cases[c], seed == 2, seed > 1, seed);
  CheckLanczos(SPREAD, &cases[1], false, true, 1);
  CheckLanczos(SPREAD, &cases[0], true, true, 5);
  CheckLanczos(SPREAD, &cases[4], false, false, 1);
}

/* Chance of the few-step samples and of the first batch together: over seeds the score is off as often as its error says */
static void test_errors_are_of_the_size_they_are_said_to_be(void **state)
{
  const double theta[2] = {1.0, 4.0};
  Dense        m        = MakeDense(SMALL, BY_SNP, false, false);
  const Exact  exact    = DenseEvaluate(&m, false, theta);
  double       sum      = 0.0, score[2], information[4], noise[4];
  VarcompPoint at       = {.score = score, .information = information, .mc_covariance = noise};

  (void)state;
  for (int seed = 1; seed <= 40; seed++) {
    char text[64];
    Run  r;

    snprintf(text, sizeof(text), "engine: lanczos, samples: 48, seed: %d", seed);
    r = Start(SMALL, cases[0].model, text, false);
    TestCall(r.v->run.engine->evaluate(r.v, theta, &at));
    sum += (score[0] - exact.score[0]) * (score[0] - exact.score[0]) / noise[0];
    Finish(&r);
  }
  /* 40 squares of standard normal values, nearly: 17 to 73 but for one in a thousand */
  if (!(sum > 17.0 && sum < 80.0)) fail_msg("40 squared deviations are %g variances together", sum);
  FreeDense(&m);
}

static void test_one_rank_gets_what_all_get(void **state)
{
  static const char *const engine[] = {"engine: eigen", "engine: lanczos", "engine: lanczos, samples: 40, method: ml"};
  double                   score[2][2], information[2][4], noise[2][4];

  (void)state;
  for (int e = 0; e < 3; e++) {
    Run r[2] = {Start(SPREAD, cases[1].model, engine[e], true), StartOn(PETSC_COMM_SELF, SPREAD, cases[1].model, engine[e], true)};

    assert_int_equal(r[0].v->results.n_samples, r[1].v->results.n_samples);
    for (int i = 0; i < 2; i++) {
      VarcompPoint at = {.score = score[i], .information = information[i], .mc_covariance = noise[i]};

      Close("estimate", r[0].v->run.theta[i], r[1].v->run.theta[i], 1e-6, r[1].v->run.theta[i]);
      TestCall(r[i].v->run.engine->evaluate(r[i].v, points[0], &at));
    }
    for (int i = 0; i < 2; i++) Close("score", score[0][i], score[1][i], 1e-6, sqrt(information[1][3 * i]));
    for (int i = 0; i < 4; i++) Close("noise", noise[0][i], noise[1][i], 1e-5, fabs(noise[1][i]));
    Finish(&r[0]);
    Finish(&r[1]);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_eigenvalues_give_likelihood_and_derivatives),
    cmocka_unit_test(test_samples_are_off_by_no_more_than_they_say),
    cmocka_unit_test(test_errors_are_of_the_size_they_are_said_to_be),
    cmocka_unit_test(test_one_rank_gets_what_all_get),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)
