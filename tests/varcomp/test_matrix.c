/*
  The covariance matrix of the observations over ranks: number by number from the genotypes as they were drawn, and S B S beside the products
  that other engines take; on every grid, for all codings, the same bits on one rank and on all, and with one thread and two.
*/
#include <merit_test.h>
#include "../../src/varcomp/space/matrix.h"
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rows of genotypes in three strips, so that a fourth rank has none; SNPs in several words, whose last is not full */
enum { ANIMALS = 600, SNPS = 2100, RECORDS = 330, HERDS = 5 };

static PetscMPIInt rank, size;
static char        folder[64];
static int         copies[ANIMALS][SNPS], cow[RECORDS], herd[RECORDS]; /* copies: 3 missing */
static double      age[RECORDS], weight[RECORDS], y[RECORDS], frequency[SNPS], M[ANIMALS][SNPS];

/* check.c's, which needs an engine */
PetscErrorCode VarcompCheckLeft(double left, double all) { return left >= 0.0 && all >= left ? PETSC_SUCCESS : PETSC_ERR_PLIB; }

static double Uniform(void)
{
  static unsigned state = 20261201u;

  state = state * 1664525u + 1013904223u;
  return (double)(state >> 8) / 16777216.0;
}

/* Few cows have most of the records; no record is of a cow beyond the second strip's begin but those at the end */
static void Draw(void)
{
  for (int j = 0; j < SNPS; j++) {
    const double p = 0.1 + 0.8 * Uniform();

    for (int i = 0; i < ANIMALS; i++) copies[i][j] = i > 1 && Uniform() < 0.03 ? 3 : i < 2 ? i : (Uniform() < p) + (Uniform() < p);
  }
  for (int i = 0; i < RECORDS; i++) {
    cow[i]    = i % 7 ? (int)(270.0 * Uniform()) : ANIMALS - 1 - i / 7;
    herd[i]   = (int)(HERDS * Uniform());
    age[i]    = 2.0 + 6.0 * Uniform();
    weight[i] = 0.5 + Uniform();
    y[i]      = i % 9 == 4 ? NAN : 10.0 + Uniform();
  }
}

static FILE *Open(const char name[])
{
  char path[128];

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return fopen(path, "wb");
}

static void Write(void)
{
  FILE *records = Open("records.csv"), *genotypes = Open("geno.txt"), *frequencies = Open("frequencies.txt");

  fputs("cow,herd,age,w,y\n", records);
  for (int i = 0; i < RECORDS; i++) {
    fprintf(records, "a%03d,h%d,%.17g,%.17g,", cow[i], herd[i], age[i], weight[i]);
    fprintf(records, isnan(y[i]) ? "NA\n" : "%.17g\n", y[i]);
  }
  for (int i = 0; i < ANIMALS; i++) {
    fprintf(genotypes, "a%03d ", i);
    for (int j = 0; j < SNPS; j++) fputc(copies[i][j] == 3 ? '5' : '0' + copies[i][j], genotypes);
    fputc('\n', genotypes);
  }
  for (int j = 0; j < SNPS; j++) fprintf(frequencies, "SNP%d %.17g\n", j + 1, 0.05 + 0.9 * (j % 10) / 10.0);
  fclose(records), fclose(genotypes), fclose(frequencies);
}

static int MakeData(void **state)
{
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit_matrix_XXXXXX");
  if (!rank && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  Draw();
  if (!rank) Write();
  MPI_Barrier(PETSC_COMM_WORLD);
  return 0;
}

static int RemoveData(void **state)
{
  static const char *const names[] = {"records.csv", "geno.txt", "frequencies.txt"};
  char                     path[128];

  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  for (int i = 0; i < 3 && !rank; i++) {
    snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
    unlink(path);
  }
  return rank ? 0 : rmdir(folder);
}

/* ---- the matrix by its definition */

typedef enum { OBSERVED, NONE, FROM_FILE } Centre;

/* M as docs/models.md has it; a missing genotype counts as its mean */
static void Code(const char scale[], Centre centre)
{
  double sum_2pq = 0.0, trace = 0.0, all = 1.0;

  for (int j = 0; j < SNPS; j++) {
    double sum = 0.0, n = 0.0;

    for (int i = 0; i < ANIMALS; i++)
      if (copies[i][j] < 3) sum += copies[i][j], n += 1.0;
    frequency[j] = centre == FROM_FILE ? 0.05 + 0.9 * (j % 10) / 10.0 : 0.5 * sum / n;
    sum_2pq += 2.0 * frequency[j] * (1.0 - frequency[j]);
    for (int i = 0; i < ANIMALS; i++) M[i][j] = (copies[i][j] == 3 ? 2.0 * frequency[j] : copies[i][j]) - (centre == NONE ? 0.0 : 2.0 * frequency[j]);
  }
  for (int i = 0; i < ANIMALS; i++)
    for (int j = 0; j < SNPS; j++) trace += M[i][j] * M[i][j];
  if (!strcmp(scale, "vanraden")) all = 1.0 / sqrt(sum_2pq);
  if (!strcmp(scale, "count")) all = 1.0 / sqrt(SNPS);
  if (!strcmp(scale, "trace")) all = 1.0 / sqrt(trace / ANIMALS);
  for (int j = 0; j < SNPS; j++)
    for (int i = 0; i < ANIMALS; i++) M[i][j] *= strcmp(scale, "standardised") ? all : 1.0 / sqrt(2.0 * frequency[j] * (1.0 - frequency[j]));
}

/* ---- the library */

typedef struct {
  MeritNode              job;
  MeritModel             model;
  struct _p_MeritVarcomp v;
  RecordSpace            s;
  ObservationOrder       o;
  ColumnMatrix           a;
  double                *key; /* [n] value of each observation, by which the test knows it */
} Case;

/* Form B of the model's first random term */
static Case Form(MPI_Comm comm, const char model[], const char keys[])
{
  Case                    c = {.v = {.comm = comm}};
  char                    text[2048];
  const MeritTermView    *term;
  const uint8_t          *state;
  int                     k        = 0, n_terms;
  int64_t                 count[2] = {0, 0};
  double                 *own;
  const MeritRecordsView *records;

  snprintf(text, sizeof(text), "records: {file: %s/records.csv, missing: [NA], weight: w}\ngenotypes: {text: %s/geno.txt, %s}\nmodel: \"%s\"\n",
           folder, folder, keys, model);
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &c.job));
  TestCall(MeritModelCreate(comm, &c.model));
  TestCall(MeritModelSetVariancesFree(c.model));
  if (MeritModelSetFromConfig(c.model, c.job) || MeritModelSetUp(c.model)) fail_msg("%s: %s", model, MeritErrorLast()->text);
  state   = MeritModelEquationState(c.model);
  n_terms = MeritModelTerms(c.model, &term);
  for (int i = 0; i < n_terms; i++) {
    for (int32_t e = 0; term[i].kind == MERIT_TERM_FIXED && e < term[i].n_owned * term[i].n_eq; e++)
      count[1] += state[term[i].eq_owned + e] == MERIT_EQ_OK;
    if (term[i].kind != MERIT_TERM_FIXED) k = i;
  }
  c.v.model = c.model;
  records   = MeritModelRecords(c.model);
  for (int32_t i = 0; i < records->n_records; i++) count[0] += records->observed[records->pattern[i]] != 0;
  MPI_Allreduce(MPI_IN_PLACE, count, 2, MPI_INT64_T, MPI_SUM, comm);
  c.v.run.n_observations = count[0];
  c.v.run.n_fixed        = count[1];
  TestCall(RecordSpaceCreateTerm(&c.v, "test", k, &c.s));
  TestCall(ObservationOrderCreate(&c.s, &c.o));
  TestCall(ColumnMatrixCreate(comm, c.o.n, &c.a));
  TestCall(ObservationMatrixForm(&c.s, &c.o, "test", &c.a));
  c.key = malloc(sizeof(double) * (size_t)c.o.n);
  own   = malloc(sizeof(double) * (size_t)(c.s.n_records + 1));
  for (int32_t i = 0; i < c.s.n_records; i++) own[i] = c.s.records->y[i];
  TestCall(ObservationOrderGather(&c.s, &c.o, own, c.key));
  free(own);
  return c;
}

static void Finish(Case *c)
{
  free(c->key);
  TestCall(ColumnMatrixDestroy(&c->a));
  TestCall(ObservationOrderDestroy(&c->o));
  TestCall(RecordSpaceDestroy(&c->s));
  TestCall(MeritModelDestroy(&c->model));
  TestCall(MeritConfigDestroy(&c->job));
}

/* Record of an observation */
static int Record(double key)
{
  for (int i = 0; i < RECORDS; i++)
    if (y[i] == key) return i;
  fail_msg("no record has %.17g", key);
  return -1;
}

/* Number by number; slope: the term is of a regression on age */
static void CheckNumbers(const Case *c, bool slope)
{
  for (int j = 0; j < c->a.n_own; j++)
    for (int i = 0; i < c->o.n; i++) {
      const int    r = Record(c->key[i]), q = Record(c->key[ColumnMatrixColumn(&c->a, j)]);
      const double roots = sqrt(weight[r] * weight[q]) * (slope ? age[r] * age[q] : 1.0);
      double       sum = 0.0, all = 0.0;

      for (int k = 0; k < SNPS; k++) {
        sum += M[cow[r]][k] * M[cow[q]][k];
        all += fabs(M[cow[r]][k] * M[cow[q]][k]);
      }
      if (!(fabs(c->a.column[(size_t)j * (size_t)c->o.n + (size_t)i] - roots * sum) <= 1e-12 * roots * all))
        fail_msg("B of records %d and %d is %.17g, not %.17g", r, q, c->a.column[(size_t)j * (size_t)c->o.n + (size_t)i], roots * sum);
    }
}

/* A x beside S B S x by the products that other engines take */
static void CheckProjected(Case *c)
{
  const size_t n = (size_t)c->o.n, records = (size_t)c->s.n_records;
  double      *x = calloc(records + 1, sizeof(double)), *Bx = calloc(records + 1, sizeof(double)), *all = malloc(n * sizeof(double)),
         *Ax = calloc(n, sizeof(double)), *is = malloc(n * sizeof(double)), largest = 0.0;

  TestCall(ObservationMatrixProject(&c->s, &c->o, &c->a));
  for (size_t i = 0; i < records; i++) x[i] = c->s.sqrt_weight[i] > 0.0 ? cos(1e6 * c->s.records->y[i]) : 0.0;
  TestCall(ObservationOrderGather(&c->s, &c->o, x, all));
  TestCall(RecordSpaceProject(&c->s, 1, x));
  TestCall(RecordSpaceCovariance(&c->s, 1, false, x, Bx));
  TestCall(RecordSpaceProject(&c->s, 1, Bx));
  TestCall(ObservationOrderGather(&c->s, &c->o, Bx, is));
  for (int j = 0; j < c->a.n_own; j++)
    for (size_t i = 0; i < n; i++) Ax[i] += c->a.column[(size_t)j * n + i] * all[ColumnMatrixColumn(&c->a, j)];
  MPI_Allreduce(MPI_IN_PLACE, Ax, (int)n, MPI_DOUBLE, MPI_SUM, c->v.comm);
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(is[i]));
  assert_true(largest > 0.0);
  for (size_t i = 0; i < n; i++)
    if (!(fabs(Ax[i] - is[i]) <= 1e-11 * largest)) fail_msg("element %d is %.15g, not %.15g", (int)i, Ax[i], is[i]);
  free(x), free(Bx), free(all), free(Ax), free(is);
}

static void test_every_coding_gives_the_products_between_animals(void **state)
{
  static const char *const scales[]  = {"none", "vanraden", "standardised", "count", "trace"};
  static const char *const centres[] = {"observed", "none", NULL};

  (void)state;
  for (int scale = 0; scale < 5; scale++)
    for (Centre centre = OBSERVED; centre <= FROM_FILE; centre++) {
      char keys[256];
      Case c;

      if (scale && scale != 2 && centre != OBSERVED) continue;
      if (centre == FROM_FILE) snprintf(keys, sizeof(keys), "scale: %s, centre: %s/frequencies.txt", scales[scale], folder);
      else snprintf(keys, sizeof(keys), "scale: %s, centre: %s", scales[scale], centres[centre]);
      Code(scales[scale], centre);
      c = Form(PETSC_COMM_WORLD, "y ~ 1 + herd + cov(age) + g = snp(cow)", keys);
      CheckNumbers(&c, false);
      CheckProjected(&c);
      Finish(&c);
    }
}

static void test_every_grid_gives_the_same(void **state)
{
  (void)state;
  Code("vanraden", OBSERVED);
  for (int rows = 1; rows <= size; rows++) {
    char keys[64];
    Case c;

    if (size % rows) continue;
    snprintf(keys, sizeof(keys), "scale: vanraden, grid: %d", rows);
    c = Form(PETSC_COMM_WORLD, "y ~ 1 + herd + g = snp(cow)", keys);
    CheckNumbers(&c, false);
    CheckProjected(&c);
    Finish(&c);
  }
}

static void test_a_regression_has_its_coefficients(void **state)
{
  Case c = Form(PETSC_COMM_WORLD, "y ~ 1 + herd + g = snp(cow:cov(age))", "scale: count");

  (void)state;
  Code("count", OBSERVED);
  CheckNumbers(&c, true);
  CheckProjected(&c);
  Finish(&c);
}

static void test_other_terms_project_as_well(void **state)
{
  static const char *const models[] = {"y ~ 1 + cov(age) + h = iid(herd)", "y ~ 1 + herd + r = ridge(age + w)", "y ~ 0 + g = snp(cow)"};

  (void)state;
  for (int k = 0; k < 3; k++) {
    Case c = Form(PETSC_COMM_WORLD, models[k], "scale: vanraden");

    CheckProjected(&c);
    Finish(&c);
  }
}

/* Numbers of one pair of records are the same bits */
static void CheckBits(const Case *all, const Case *one)
{
  const size_t n  = (size_t)all->o.n;
  size_t      *at = malloc(n * sizeof(*at));

  for (size_t i = 0; i < n; i++)
    for (at[i] = 0; at[i] < n && one->key[at[i]] != all->key[i]; at[i]++) {}
  for (int j = 0; j < all->a.n_own; j++)
    for (size_t i = 0; i < n; i++) {
      const double here = all->a.column[(size_t)j * n + i], there = one->a.column[at[ColumnMatrixColumn(&all->a, j)] * n + at[i]];

      if (memcmp(&here, &there, sizeof(here))) fail_msg("%.17g is %.17g on one rank", here, there);
    }
  free(at);
}

static void test_one_rank_and_two_threads_give_the_same_bits(void **state)
{
  static const char model[] = "y ~ 1 + herd + g = snp(cow)", keys[] = "scale: standardised";
  Case              one = Form(PETSC_COMM_SELF, model, keys);

  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    Case all;

    omp_set_num_threads(threads);
    all = Form(PETSC_COMM_WORLD, model, keys);
    CheckBits(&all, &one);
    Finish(&all);
  }
  omp_set_num_threads(1);
  Finish(&one);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_coding_gives_the_products_between_animals),
    cmocka_unit_test(test_every_grid_gives_the_same),
    cmocka_unit_test(test_a_regression_has_its_coefficients),
    cmocka_unit_test(test_other_terms_project_as_well),
    cmocka_unit_test(test_one_rank_and_two_threads_give_the_same_bits),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)
