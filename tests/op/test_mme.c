/* C is symmetric, has the quadratic form of the data read plainly, and its parts agree with each other, on any number of ranks. */
#include <merit/op.h>
#include <merit/pc.h>
#include <math.h>
#include <model_files.h>
#include <omp.h>

/* Two traits with missing values, weights, a covariate with a large mean, correlated direct and maternal effects, a random slope,
   SNPs with a missing call, columns of markers; i1 has two records */
static const char records[]   = "cow,dam,herd,age,w,m1,m2,milk,fat\n"
                                "c1,a2,h2,41,1,0,2,10.5,3.1\n"
                                "c1,a2,h1,42.5,2,0,2,11.5,NA\n"
                                "c2,a2,h1,40,1,1,1,9,2.2\n"
                                "c3,c2,h2,43,0.5,2,0,NA,2.9\n"
                                "c4,0,h3,44,1,1,2,12,3.3\n"
                                "c5,c4,h3,39,3,0,1,8.25,2.0\n";
static const char pedigree[]  = "id,sire,dam\nc1,a1,a2\nc2,a1,a2\nc3,c1,c2\nc4,a3,0\nc5,c1,c4\n";
static const char genotypes[] = "c1 0 1 2 0\nc2 1 1 5 1\nc3 2 0 1 1\nc4 1 2 0 0\nc5 0 1 1 2\n";
#define JOB(snp)                                                                                                                                     \
  "records: {file: records.csv, weight: {milk: w}}\n"                                                                                                \
  "pedigree: {file: pedigree.csv}\n"                                                                                                                 \
  "genotypes: {text: genotypes.txt}\n"                                                                                                               \
  "model:\n"                                                                                                                                         \
  "  - \"milk ~ herd + cov(age) + gen = ped(cow + dam) + slope = iid(herd + herd:cov(age)) + snp(cow)\"\n"                                           \
  "  - \"fat ~ herd + gen = ped(cow) + snp(cow) + marks = ridge(m1 + m2)\"\n"                                                                        \
  "variances:\n"                                                                                                                                     \
  "  gen: [[3, 0.5, -0.4], [0.5, 1, 0.1], [-0.4, 0.1, 0.8]]\n"                                                                                       \
  "  slope: [[2, 0.1], [0.1, 0.05]]\n"                                                                                                               \
  "  snp(cow): " snp "\n"                                                                                                                            \
  "  marks: 0.7\n"                                                                                                                                   \
  "  residual: [[5, 1], [1, 2]]\n"
static const char job[] = JOB("[[0.3, 0.1], [0.1, 0.2]]");
/* SNP effects of both traits are one: equations and components differ */
static const char singular[] = JOB("[[0.4, 0.2], [0.2, 0.1]]");

/* the same data as numbers; -1: unknown parent, NAN: missing */
enum { N = 6, ANIMALS = 8, SNPS = 4 };
static const char *const cow[N] = {"c1", "c1", "c2", "c3", "c4", "c5"}, *const dam[N] = {"a2", "a2", "a2", "c2", "", "c4"};
static const char *const herd[N] = {"h2", "h1", "h1", "h2", "h3", "h3"};
static const double      age[N] = {41, 42.5, 40, 43, 44, 39}, weight[N] = {1, 2, 1, .5, 1, 3};
static const double      m1[N] = {0, 0, 1, 2, 1, 0}, m2[N] = {2, 2, 1, 0, 2, 1};
static const bool        has[N][2]       = {{1, 1}, {1, 0}, {1, 1}, {0, 1}, {1, 1}, {1, 1}};
static const char *const animal[ANIMALS] = {"a1", "a2", "a3", "c1", "c2", "c3", "c4", "c5"};
static const int         sire[ANIMALS] = {-1, -1, -1, 0, 0, 3, 2, 3}, mother[ANIMALS] = {-1, -1, -1, 1, 1, 4, -1, 6};
static const double      code[5][SNPS] = {{0, 1, 2, 0}, {1, 1, NAN, 1}, {2, 0, 1, 1}, {1, 2, 0, 0}, {0, 1, 1, 2}};

static void BeginWith(TestModel *t, const char *with)
{
  TestModelBegin(t);
  TestWriteFile(t, "records.csv", records);
  TestWriteFile(t, "pedigree.csv", pedigree);
  TestWriteFile(t, "genotypes.txt", genotypes);
  TestCall(TestModelSetUp(t, with));
}

static void Begin(TestModel *t) { BeginWith(t, job); }

/* x by label: the value of (term, level, component) is the same on any number of ranks */
static double *Values(MeritModel model, const char *salt)
{
  const MeritTermView *term;
  const uint8_t       *state = MeritModelEquationState(model);
  int32_t              n;
  double              *x;

  n = MeritModelLayout(model)->n_owned;
  x = calloc((size_t)n + 1, sizeof(*x));
  for (int k = 0; k < MeritModelTerms(model, &term); k++) {
    char    *at, name[256];
    int64_t *start;

    TestCall(MeritModelLabels(model, k, term[k].n_owned, term[k].canonical, &at, &start));
    for (int32_t i = 0; i < term[k].n_owned; i++)
      for (int c = 0; c < term[k].n_eq; c++) {
        int eq = term[k].eq_owned + i * term[k].n_eq + c;

        snprintf(name, sizeof(name), "%s %d %.*s %d", salt, k, (int)(start[i + 1] - start[i]), at + start[i], c);
        x[eq] = state[eq] == MERIT_EQ_OK ? TestValueOf(name) : 0.0;
      }
    PetscFree(at);
    PetscFree(start);
  }
  return x;
}

/* Components by label on every rank: table[term][component] of a level, 0 where there is none */
typedef struct {
  char   key[64];
  double value;
} Entry;

typedef struct {
  int   n;
  Entry entry[512];
} Table;

static void Collect(MeritModel model, const double *x, Table *all)
{
  const MeritTermView *term;
  double               u[256];
  static Table         mine;
  int                  size, at_u = 0, n[16];

  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  mine.n = 0;
  TestCall(MeritModelToComponents(model, x, u));
  for (int k = 0; k < MeritModelTerms(model, &term); k++) {
    char    *at;
    int64_t *start;

    TestCall(MeritModelLabels(model, k, term[k].n_owned, term[k].canonical, &at, &start));
    for (int32_t i = 0; i < term[k].n_owned; i++)
      for (int c = 0; c < term[k].n_comp; c++) {
        Entry *e = &mine.entry[mine.n++];

        snprintf(e->key, sizeof(e->key), "%d %.*s %d", k, (int)(start[i + 1] - start[i]), at + start[i], c);
        e->value = u[at_u++];
      }
    PetscFree(at);
    PetscFree(start);
  }
  MPI_Allgather(&mine.n, 1, MPI_INT, n, 1, MPI_INT, PETSC_COMM_WORLD);
  all->n = 0;
  for (int r = 0; r < size; all->n += n[r++]) {
    if (r == TestRank()) memcpy(all->entry + all->n, mine.entry, (size_t)n[r] * sizeof(Entry));
    MPI_Bcast(all->entry + all->n, n[r] * (int)sizeof(Entry), MPI_BYTE, r, PETSC_COMM_WORLD);
  }
}

static double Of(const Table *t, int term, const char *level, int component)
{
  char key[64];

  snprintf(key, sizeof(key), "%d %s %d", term, level, component);
  for (int i = 0; i < t->n; i++)
    if (!strcmp(t->entry[i].key, key)) return t->entry[i].value;
  return 0.0;
}

/* terms in formula order: 1, herd, cov(age), gen, slope, snp(cow), marks */
enum { ONE, HERD, AGE, GEN, SLOPE, SNP, MARKS };

static double Genomic(const Table *t, const char *id, int trait)
{
  double sum = 0.0;

  for (int j = 0; j < SNPS; j++) {
    char   name[8];
    double total = 0.0, n = 0.0;
    int    row = id[1] - '1';

    for (int i = 0; i < 5; i++)
      if (!isnan(code[i][j])) total += code[i][j], n += 1.0;
    snprintf(name, sizeof(name), "SNP%d", j + 1);
    if (!isnan(code[row][j])) sum += (code[row][j] - total / n) * Of(t, SNP, name, trait);
  }
  return sum;
}

static double Fitted(const Table *t, int i, int trait)
{
  double f = Of(t, ONE, "1", trait) + Of(t, HERD, herd[i], trait) + Genomic(t, cow[i], trait);

  if (trait == 1) return f + Of(t, GEN, cow[i], 1) + m1[i] * Of(t, MARKS, "m1", 0) + m2[i] * Of(t, MARKS, "m2", 0);
  return f + age[i] * Of(t, AGE, "1", 0) + Of(t, GEN, cow[i], 0) + Of(t, GEN, dam[i], 2) + Of(t, SLOPE, herd[i], 0) +
         age[i] * Of(t, SLOPE, herd[i], 1);
}

/* u'G^-1 u for up to 3 components, by solving the small system */
static double Penalty(int n, const double *G, const double *u)
{
  double a[3][4], sum = 0.0;

  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) a[i][j] = G[i * n + j];
    a[i][n] = u[i];
  }
  for (int p = 0; p < n; p++)
    for (int i = 0; i < n; i++) {
      double f = a[i][p] / a[p][p];

      for (int j = 0; i != p && j <= n; j++) a[i][j] -= f * a[p][j];
    }
  for (int i = 0; i < n; i++) sum += u[i] * a[i][n] / a[i][i];
  return sum;
}

/* sum over the data of f'R^-1 f */
static double DataPart(const Table *t)
{
  double sum = 0.0;

  for (int i = 0; i < N; i++) {
    double f[2] = {Fitted(t, i, 0) * sqrt(weight[i]), Fitted(t, i, 1)}, det = 5.0 * 2.0 - 1.0;

    if (has[i][0] && has[i][1]) sum += (2.0 * f[0] * f[0] - 2.0 * f[0] * f[1] + 5.0 * f[1] * f[1]) / det;
    else sum += has[i][0] ? f[0] * f[0] / 5.0 : f[1] * f[1] / 2.0;
  }
  return sum;
}

/* x'Cx from the data as they stand above: weighted fitted values and prior quadratic forms */
static double QuadraticForm(const Table *t)
{
  static const double G_gen[] = {3, .5, -.4, .5, 1, .1, -.4, .1, .8}, G_slope[] = {2, .1, .1, .05}, G_snp[] = {.3, .1, .1, .2};
  double              sum = DataPart(t);

  /* c3's parents are full sibs, but nobody descends from it: no Mendelian variance depends on an inbred parent */
  for (int i = 0; i < ANIMALS; i++) {
    double m[3], d = sire[i] >= 0 && mother[i] >= 0 ? 0.5 : sire[i] >= 0 || mother[i] >= 0 ? 0.75 : 1.0;

    for (int c = 0; c < 3; c++)
      m[c] = Of(t, GEN, animal[i], c) - (sire[i] < 0 ? 0.0 : .5 * Of(t, GEN, animal[sire[i]], c)) -
             (mother[i] < 0 ? 0.0 : .5 * Of(t, GEN, animal[mother[i]], c));
    sum += Penalty(3, G_gen, m) / d;
  }
  for (int h = 1; h <= 3; h++) {
    char   name[4] = {'h', (char)('0' + h), 0};
    double u[2]    = {Of(t, SLOPE, name, 0), Of(t, SLOPE, name, 1)};

    sum += Penalty(2, G_slope, u);
  }
  for (int j = 1; j <= SNPS; j++) {
    char   name[8];
    double u[2];

    snprintf(name, sizeof(name), "SNP%d", j);
    u[0] = Of(t, SNP, name, 0), u[1] = Of(t, SNP, name, 1);
    sum += Penalty(2, G_snp, u);
  }
  return sum + (pow(Of(t, MARKS, "m1", 0), 2) + pow(Of(t, MARKS, "m2", 0), 2)) / 0.7;
}

static double Dot(MeritModel model, const double *x, const double *y)
{
  int32_t n;
  double  sum = 0.0;

  n = MeritModelLayout(model)->n_owned;
  for (int32_t i = 0; i < n; i++) sum += x[i] * y[i];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  return sum;
}

static void TestQuadraticFormIsThatOfTheData(void **state)
{
  static Table table;
  TestModel    t;
  Mat          C;
  double      *x, y[256], plain;

  (void)state;
  Begin(&t);
  TestCall(MeritMatCreateMME(t.model, &C));
  x = Values(t.model, "x");
  Collect(t.model, x, &table);
  plain = QuadraticForm(&table);
  for (int passes = MERIT_PASSES_ONE; passes <= MERIT_PASSES_TWO; passes++) {
    TestCall(MeritMMESetPasses(C, (MeritPasses)passes));
    TestCall(MeritMMEApplyBlock(C, 1, x, y));
    assert_true(fabs(Dot(t.model, x, y) - plain) < 1e-11 * plain);
  }
  free(x);
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

static void TestOperatorIsSymmetricAndBlocksAreColumns(void **state)
{
  TestModel t;
  Mat       C;
  double   *x[3], y[256], X[768], Y[768];
  int32_t   n;

  (void)state;
  Begin(&t);
  TestCall(MeritMatCreateMME(t.model, &C));
  n    = MeritModelLayout(t.model)->n_owned;
  x[0] = Values(t.model, "a"), x[1] = Values(t.model, "b"), x[2] = Values(t.model, "c");
  for (int32_t i = 0; i < n; i++)
    for (int j = 0; j < 3; j++) X[i * 3 + j] = x[j][i];
  TestCall(MeritMMEApplyBlock(C, 3, X, Y));
  for (int j = 0; j < 3; j++) {
    TestCall(MeritMMEApplyBlock(C, 1, x[j], y));
    for (int32_t i = 0; i < n; i++) assert_true(fabs(y[i] - Y[i * 3 + j]) < 1e-12 * (1.0 + fabs(y[i])));
    for (int32_t i = 0; i < n; i++) X[i] = y[i];
    if (j == 2) {
      double yx = Dot(t.model, X, x[0]), xy;

      TestCall(MeritMMEApplyBlock(C, 1, x[0], y));
      xy = Dot(t.model, y, x[2]);
      assert_true(fabs(xy - yx) < 1e-13 * fabs(xy));
    }
  }
  for (int j = 0; j < 3; j++) free(x[j]);
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

/* All of C on every rank, column by column: dense[row * n + column], rows and columns numbered by id[] of the owned equations */
static double *Dense(MeritModel model, Mat C, int n, const int id[])
{
  double *dense = calloc((size_t)(n * n), sizeof(*dense)), e[256], y[256];
  int32_t n_owned;

  n_owned = MeritModelLayout(model)->n_owned;
  for (int column = 0; column < n; column++) {
    for (int32_t i = 0; i < n_owned; i++) e[i] = id[i] == column;
    TestCall(MeritMMEApplyBlock(C, 1, e, y));
    for (int32_t i = 0; i < n_owned; i++) dense[id[i] * n + column] = y[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, dense, n * n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  return dense;
}

static void AssertSymmetric(int n, const double *dense)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) assert_true(fabs(dense[i * n + j] - dense[j * n + i]) <= 1e-14 * sqrt(dense[i * n + i] * dense[j * n + j]));
}

/* e_i'C e_j from quadratic forms of the data alone: (Q(e_i + e_j) - Q(e_i) - Q(e_j)) / 2; constrained equations are those of the identity */
static void TestEveryEntryIsThatOfTheData(void **state)
{
  static Table unit[64], both;
  TestModel    t;
  Mat          C;
  double      *dense, x[256];
  int64_t      first, n;
  int32_t      n_owned;
  int          id[256], constrained[64] = {0};

  (void)state;
  Begin(&t);
  TestCall(MeritMatCreateMME(t.model, &C));
  n_owned = MeritModelLayout(t.model)->n_owned;
  first   = MeritModelLayout(t.model)->first;
  n       = MeritModelLayout(t.model)->n_all;
  assert_in_range(n, 40, 64);
  for (int32_t i = 0; i < n_owned; i++) id[i] = (int)first + i, constrained[id[i]] = MeritModelEquationState(t.model)[i] != MERIT_EQ_OK;
  MPI_Allreduce(MPI_IN_PLACE, constrained, (int)n, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  for (int j = 0; j < n; j++) {
    for (int32_t i = 0; i < n_owned; i++) x[i] = id[i] == j;
    Collect(t.model, x, &unit[j]);
  }
  dense = Dense(t.model, C, (int)n, id);
  AssertSymmetric((int)n, dense);
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      double got = dense[i * n + j], own[2] = {QuadraticForm(&unit[i]), QuadraticForm(&unit[j])};

      both = unit[i];
      for (int k = 0; k < both.n; k++) both.entry[k].value += unit[j].entry[k].value;
      if (constrained[i] || constrained[j]) assert_true(got == (double)(i == j));
      else assert_true(fabs(got - 0.5 * (QuadraticForm(&both) - own[0] - own[1])) < 1e-12 * (own[0] + own[1]));
    }
  free(dense);
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

/* Two animals, one the sire of the other, a record each: C by hand, also where ranks have nothing */
static void TestRanksWithoutEquationsTakePart(void **state)
{
  static const double  expected[9] = {1, .5, .5, .5, .5 + 1. / 3, -1. / 6, .5, -1. / 6, .5 + 1. / 3};
  const MeritTermView *term;
  TestModel            t;
  Mat                  C;
  double              *dense;
  int32_t              n_owned, least;
  int                  id[8], size;

  (void)state;
  TestModelBegin(&t);
  TestWriteFile(&t, "records.csv", "id,y\na,1\nb,3\n");
  TestWriteFile(&t, "pedigree.csv", "id,sire,dam\na,0,0\nb,a,0\n");
  TestCall(TestModelSetUp(&t, "records: {file: records.csv}\npedigree: {file: pedigree.csv}\nmodel: \"y ~ ped(id)\"\n"
                              "variances: {ped(id): 4, residual: 2}\n"));
  TestCall(MeritMatCreateMME(t.model, &C));
  n_owned = MeritModelLayout(t.model)->n_owned;
  for (int k = 0; k < MeritModelTerms(t.model, &term); k++)
    for (int32_t i = 0; i < term[k].n_owned; i++) id[term[k].eq_owned + i] = k + (int)term[k].canonical[i];
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  MPI_Allreduce(&n_owned, &least, 1, MPI_INT32_T, MPI_MIN, PETSC_COMM_WORLD);
  if (size > 2) assert_int_equal(least, 0);
  dense = Dense(t.model, C, 3, id);
  AssertSymmetric(3, dense);
  for (int i = 0; i < 9; i++) assert_true(fabs(dense[i] - expected[i]) < 1e-15);
  free(dense);
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

/* e_j'C e_k for every pair within a level, against the blocks; constrained equations are those of the identity */
static void TestDiagonalBlocksAreThoseOfTheOperator(void **state)
{
  const MeritTermView *term;
  TestModel            t;
  Mat                  C;
  double              *blocks, *at, e[256], y[256];
  int64_t              first, n_all;
  int32_t              n;

  (void)state;
  Begin(&t);
  TestCall(MeritMatCreateMME(t.model, &C));
  n     = MeritModelLayout(t.model)->n_owned;
  first = MeritModelLayout(t.model)->first;
  n_all = MeritModelLayout(t.model)->n_all;
  TestCall(MeritMMEBlockDiagonal(C, &blocks));
  for (int64_t eq = 0; eq < n_all; eq++) {
    int64_t mine = eq - first;

    for (int32_t i = 0; i < n; i++) e[i] = i == mine;
    TestCall(MeritMMEApplyBlock(C, 1, e, y));
    at = blocks;
    for (int k = 0; k < MeritModelTerms(t.model, &term); k++)
      for (int32_t level = 0; level < term[k].n_owned; level++, at += term[k].n_eq * term[k].n_eq) {
        int32_t from = term[k].eq_owned + level * term[k].n_eq;

        if (mine < from || mine >= from + term[k].n_eq) continue;
        for (int a = 0; a < term[k].n_eq; a++)
          assert_true(fabs(at[a * term[k].n_eq + (mine - from)] - y[from + a]) < 1e-12 * (1.0 + fabs(y[from + a])));
      }
  }
  PetscFree(blocks);
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

static void TestFittedValuesAndTheirProjectionAreThoseOfTheData(void **state)
{
  TestModel               t;
  Mat                     C;
  const MeritRecordsView *view;
  double                 *x, fitted[64], r[256], sum = 0.0, plain = 0.0;
  static Table            table;

  (void)state;
  Begin(&t);
  TestCall(MeritMatCreateMME(t.model, &C));
  view = MeritModelRecords(t.model);
  x    = Values(t.model, "f");
  TestCall(MeritMMEFitted(C, x, fitted));
  Collect(t.model, x, &table);
  for (int i = 0; i < N; i++)
    for (int trait = 0; trait < 2; trait++) plain += has[i][trait] ? Fitted(&table, i, trait) : 0.0;
  for (int32_t i = 0; i < view->n_records; i++)
    for (int trait = 0; trait < 2; trait++)
      if (view->observed[view->pattern[i]] >> trait & 1) sum += fitted[2 * i + trait];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  assert_true(fabs(sum - plain) < 1e-11 * (1.0 + fabs(plain)));
  TestCall(MeritMMEProject(C, 1, fitted, r));
  assert_true(fabs(Dot(t.model, x, r) - DataPart(&table)) < 1e-11 * DataPart(&table));
  free(x);
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

static void TestNewVariancesReachThePreconditioner(void **state)
{
  static const double gen[] = {6, 1, -.8, 1, 2, .2, -.8, .2, 1.6}, slope[] = {4, .2, .2, .1}, snp[] = {.6, .2, .2, .4}, marks[] = {1.4},
                      R[] = {10, 2, 2, 4};
  const double *const G[] = {NULL, NULL, NULL, gen, slope, snp, marks}, *const residual[] = {R};
  TestModel t;
  Mat       C;
  PC        pc;
  double   *x, before[256], after[256];
  int32_t   n;

  (void)state;
  Begin(&t);
  TestCall(MeritPCRegisterAll());
  TestCall(MeritMatCreateMME(t.model, &C));
  n = MeritModelLayout(t.model)->n_owned;
  TestCall(PCCreate(PETSC_COMM_WORLD, &pc));
  TestCall(PCSetType(pc, "merit_block"));
  TestCall(PCSetOperators(pc, C, C));
  x = Values(t.model, "v");
  TestCall(MeritPCApplyBlock(pc, 1, x, before));
  /* all variances doubled: C halves, its inverse blocks double, constrained equations stay */
  TestCall(MeritModelSetVariances(t.model, G, residual));
  TestCall(MeritPCApplyBlock(pc, 1, x, after));
  for (int32_t i = 0; i < n; i++) assert_true(fabs(after[i] - 2.0 * before[i]) < 1e-10 * (1e-3 + fabs(after[i])) || x[i] == 0.0);
  free(x);
  TestCall(PCDestroy(&pc));
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

static void CheckPasses(MeritModel model, Mat C, int k)
{
  static double X[8 * 256], Y[8 * 256], Z[8 * 256];
  int32_t       n;

  n = MeritModelLayout(model)->n_owned;
  for (int j = 0; j < k; j++) {
    char    salt[] = {'p', (char)('0' + j), 0};
    double *x      = Values(model, salt);

    for (int32_t i = 0; i < n; i++) X[i * k + j] = x[i];
    free(x);
  }
  TestCall(MeritMMESetPasses(C, MERIT_PASSES_ONE));
  TestCall(MeritMMEApplyBlock(C, k, X, Y));
  TestCall(MeritMMESetPasses(C, MERIT_PASSES_TWO));
  TestCall(MeritMMEApplyBlock(C, k, X, Z));
  for (int32_t i = 0; i < n * k; i++) assert_true(fabs(Y[i] - Z[i]) < 1e-11 * (1.0 + fabs(Z[i])));
}

/* with equations for components, with fewer, and after new variances, which the blocks of the genotype rows must follow */
static void TestOnePassOverTheGenotypesGivesTheSameProduct(void **state)
{
  static const double gen[] = {3, .5, -.4, .5, 1, .1, -.4, .1, .8}, slope[] = {2, .1, .1, .05}, snp[] = {.3, .1, .1, .2}, marks[] = {.7},
                      R[] = {7, -1, -1, 4};
  const double *const G[] = {NULL, NULL, NULL, gen, slope, snp, marks}, *const residual[] = {R};
  TestModel t;
  Mat       C;

  (void)state;
  for (int i = 0; i < 2; i++) {
    BeginWith(&t, i ? singular : job);
    TestCall(MeritMatCreateMME(t.model, &C));
    for (int k = 1; k <= 8; k += 1 + k / 2) CheckPasses(t.model, C, k);
    if (!i) {
      TestCall(MeritModelSetVariances(t.model, G, residual));
      CheckPasses(t.model, C, 1);
    }
    TestCall(MatDestroy(&C));
    TestModelEnd(&t);
  }
}

/* threads that meet the same levels write to private slots first */
static void TestThreadsGiveTheSameProduct(void **state)
{
  const int n_threads = omp_get_max_threads();
  TestModel t;
  Mat       one, several;
  double   *x, y[256], z[256];
  int32_t   n;

  (void)state;
  Begin(&t);
  n = MeritModelLayout(t.model)->n_owned;
  omp_set_num_threads(1);
  TestCall(MeritMatCreateMME(t.model, &one));
  omp_set_num_threads(3);
  TestCall(MeritMatCreateMME(t.model, &several));
  x = Values(t.model, "t");
  TestCall(MeritMMEApplyBlock(one, 1, x, y));
  for (int again = 0; again < 2; again++) {
    TestCall(MeritMMEApplyBlock(several, 1, x, z));
    for (int32_t i = 0; i < n; i++) assert_true(fabs(y[i] - z[i]) < 1e-13 * (1.0 + fabs(y[i])));
  }
  omp_set_num_threads(n_threads);
  free(x);
  TestCall(MatDestroy(&one));
  TestCall(MatDestroy(&several));
  TestModelEnd(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestQuadraticFormIsThatOfTheData),        cmocka_unit_test(TestEveryEntryIsThatOfTheData),
    cmocka_unit_test(TestRanksWithoutEquationsTakePart),       cmocka_unit_test(TestOperatorIsSymmetricAndBlocksAreColumns),
    cmocka_unit_test(TestDiagonalBlocksAreThoseOfTheOperator), cmocka_unit_test(TestFittedValuesAndTheirProjectionAreThoseOfTheData),
    cmocka_unit_test(TestNewVariancesReachThePreconditioner),  cmocka_unit_test(TestOnePassOverTheGenotypesGivesTheSameProduct),
    cmocka_unit_test(TestThreadsGiveTheSameProduct),
};

TEST_MAIN(tests)
