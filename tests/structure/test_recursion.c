/* Rows of any kind against dense algebra, and rows of a pedigree by the general kernels and by its own. */
#include <merit_test.h>
#include <merit/kernels.h>
#include <merit/structure.h>
#include <math.h>
#include <omp.h>
#include <string.h>

/* Six levels and a row without a level; level 4 is flat; own equations stand behind one of another term */
enum { N = 6, ROWS = 7, WIDTH = 2, OWN = 1, EQUATIONS = OWN + N * WIDTH + 1 };
static const double row_of[ROWS][N] = {{1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0},       {-0.5, -0.5, 1, 0, 0, 0}, {-0.25, -0.1, -0.75, 1, 0, 0},
                                       {0, 0, 0, 0, 1, 0}, {0, 0, 0, -0.2, -0.9, 1}, {0, 0, -0.3, 0, 0, -0.6}};
static const double d[ROWS]         = {1, 1, 0.5, 0.7, INFINITY, 0.4, 0.8};
static const double G_inverse[4]    = {2, 0.5, 0.5, 1};
static int64_t      start[ROWS + 1];
static int32_t      parent[ROWS * N];
static double       coefficient[ROWS * N];

static MeritRecursion Rows(void)
{
  int64_t n = 0;

  for (int row = 0; row < ROWS; row++) {
    for (int level = 0; level < N; level++) {
      if (level == row || row_of[row][level] == 0.0) continue;
      parent[n]        = OWN + level * WIDTH;
      coefficient[n++] = -row_of[row][level];
    }
    start[row + 1] = n;
  }
  return (MeritRecursion){
      .n_levels = N, .n_rows = ROWS, .own = OWN, .n = WIDTH, .start = start, .parent = parent, .coefficient = coefficient, .d = d};
}

/* Element of K^-1 x G^-1 at equations a and b of the term, by the dense rows */
static double Dense(int a, int b)
{
  double sum = 0.0;

  for (int row = 0; row < ROWS; row++) sum += row_of[row][a / WIDTH] * row_of[row][b / WIDTH] / d[row];
  return sum * G_inverse[a % WIDTH * WIDTH + b % WIDTH];
}

static void Take(void *ctx, int32_t row, int32_t column, double product, double variance)
{
  double *K_inverse = ctx;

  K_inverse[(row - OWN) / WIDTH * N + (column - OWN) / WIDTH] += product / variance;
}

static void TestEntriesAddUpToTheInverse(void **state)
{
  const MeritRecursion r                = Rows();
  double               K_inverse[N * N] = {0};

  (void)state;
  MeritRecursionEntries(&r, Take, K_inverse);
  for (int i = 0; i < N * N; i++) assert_true(fabs(K_inverse[i] * G_inverse[0] - Dense(i / N * WIDTH, i % N * WIDTH)) < 1e-14);
}

static void TestDiagonalBlocksAreThoseOfTheInverse(void **state)
{
  const MeritRecursion r                = Rows();
  double               D[EQUATIONS * 3] = {0};

  (void)state;
  MeritRecursionDiagonal(&r, G_inverse, 3, D);
  for (int i = 0; i < N * WIDTH; i++)
    for (int b = 0; b < WIDTH; b++) assert_true(fabs(D[(OWN + i) * 3 + b] - Dense(i, i / WIDTH * WIDTH + b)) < 1e-14);
}

/* A level that a row names twice has the square of the sum */
static void TestBothParentsMayBeOne(void **state)
{
  const int32_t        sire[2] = {-1, 0}, dam[2] = {-1, 0};
  const double         variance[2] = {1, 0.5}, one = 1.0;
  const MeritRecursion r    = {.n_levels = 2, .n_rows = 2, .n = 1, .sire = sire, .dam = dam, .d = variance};
  double               D[2] = {0};

  (void)state;
  MeritRecursionDiagonal(&r, &one, 1, D);
  assert_true(D[0] == 3.0 && D[1] == 2.0);
}

static void TestRootTimesItsTransposeIsTheInverse(void **state)
{
  const MeritRecursion r = Rows();
  double               F[4], B[EQUATIONS * ROWS * WIDTH] = {0}, z[ROWS * WIDTH * ROWS * WIDTH] = {0};
  const int            k = ROWS * WIDTH;

  (void)state;
  assert_true(MeritDenseCholesky(WIDTH, G_inverse, F));
  for (int i = 0; i < k; i++) z[i * k + i] = 1.0;
  MeritRecursionRoot(&r, F, k, z, B);
  for (int a = 0; a < N * WIDTH; a++)
    for (int b = 0; b < N * WIDTH; b++) {
      double sum = 0.0;

      for (int j = 0; j < k; j++) sum += B[(OWN + a) * k + j] * B[(OWN + b) * k + j];
      assert_true(fabs(sum - Dense(a, b)) < 1e-14);
    }
  for (int a = 0; a < N * WIDTH; a++) {
    double x[EQUATIONS] = {0}, t[ROWS * WIDTH] = {0};

    x[OWN + a] = 1.0;
    MeritRecursionRootTransposed(&r, F, 1, x, t);
    for (int j = 0; j < k; j++) assert_true(t[j] == B[(OWN + a) * k + j]);
  }
}

static void TestLogDeterminantLeavesFlatLevelsOut(void **state)
{
  const MeritRecursion r   = Rows();
  double               sum = 1.0;

  (void)state;
  MeritRecursionLogDeterminant(&r, 2.0, &sum);
  assert_true(fabs(sum - 1.0 - 2.0 * log(0.5 * 0.7 * 0.4 * 0.8)) < 1e-14);
}

/* y = penalty x for k vectors of fixed numbers */
static void Product(const MeritRecursion *r, const double *G, int n_threads, int k, double *x, double *y)
{
  MeritPenalty p;
  double      *room;

  TestCall(MeritPenaltyCreate(r, n_threads, EQUATIONS, &p));
  MeritPenaltySetInverse(p, G);
  TestCall(PetscCalloc1((size_t)MeritPenaltyWorkLength(p) * (size_t)k, &room));
  for (int i = 0; i < EQUATIONS * k; i++) x[i] = sin(1.0 + i);
  MeritPenaltyApplyWithin(p, k, x, room);
  TestCall(MeritPenaltyApplyAcross(p, k, x, room));
  for (int i = 0; i < EQUATIONS * k; i++) y[i] = room[i];
  TestCall(PetscFree(room));
  TestCall(MeritPenaltyDestroy(&p));
}

static void TestProductIsThatOfTheInverse(void **state)
{
  const MeritRecursion r = Rows();
  double               x[EQUATIONS * 3], y[EQUATIONS * 3];

  (void)state;
  for (int k = 1; k <= 3; k += 2) {
    Product(&r, G_inverse, omp_get_max_threads(), k, x, y);
    for (int a = 0; a < N * WIDTH; a++)
      for (int j = 0; j < k; j++) {
        double sum = 0.0;

        for (int b = 0; b < N * WIDTH; b++) sum += Dense(a, b) * x[(OWN + b) * k + j];
        assert_true(fabs(sum - y[(OWN + a) * k + j]) < 1e-13);
      }
    for (int j = 0; j < k; j++) assert_true(y[j] == 0.0 && y[(EQUATIONS - 1) * k + j] == 0.0);
  }
}

/* Levels without parents, of which each has a variance of its own: level by level, it is G^-1 / d */
static void TestIndependentLevelsMayHaveVariances(void **state)
{
  static const double  variance[N] = {0.5, 2.0, 4.0, INFINITY, 1.0, 0.25};
  const MeritRecursion r           = {.n_levels = N, .n_rows = N, .own = OWN, .n = WIDTH, .d = variance};
  double               x[EQUATIONS], y[EQUATIONS];

  (void)state;
  Product(&r, G_inverse, 1, 1, x, y);
  for (int i = 0; i < N * WIDTH; i++) {
    const double *row = G_inverse + i % WIDTH * WIDTH, *own = x + OWN + i / WIDTH * WIDTH;

    assert_true(fabs(y[OWN + i] - (row[0] * own[0] + row[1] * own[1]) / variance[i / WIDTH]) < 1e-14);
  }
}

/* A pedigree of six: as two parents of 1/2, and as general rows */
static const int32_t sires[N] = {-1, -1, 0, 0, 2, 2}, dams[N] = {-1, -1, 1, -1, 3, 2};
static const double  mendelian[N] = {1, 1, 0.5, 0.75, 0.5, 0.25};

static void Pedigree(int n, int32_t sire[], int32_t dam[], MeritRecursion *fast, MeritRecursion *general)
{
  int64_t at = 0;

  for (int i = 0; i < N; i++) {
    sire[i] = sires[i] < 0 ? -1 : OWN + sires[i] * n;
    dam[i]  = dams[i] < 0 ? -1 : OWN + dams[i] * n;
    for (int p = 0; p < 2; p++) {
      parent[at]        = p ? dam[i] : sire[i];
      coefficient[at++] = 0.5;
    }
    start[i + 1] = at;
  }
  *fast = (MeritRecursion){.n_levels = N, .n_rows = N, .own = OWN, .n = n, .sire = sire, .dam = dam, .d = mendelian};
  *general =
      (MeritRecursion){.n_levels = N, .n_rows = N, .own = OWN, .n = n, .start = start, .parent = parent, .coefficient = coefficient, .d = mendelian};
}

static void TestPedigreesHaveTheSameProductByTheirOwnKernels(void **state)
{
  (void)state;
  for (int n = 1; n <= 2; n++)
    for (int k = 1; k <= 2; k++) {
      MeritRecursion fast, general;
      int32_t        sire[N], dam[N];
      double         x[EQUATIONS * 2], y[2][EQUATIONS * 2];

      Pedigree(n, sire, dam, &fast, &general);
      for (int threads = 1; threads <= 2; threads++) {
        Product(&fast, G_inverse, threads, k, x, y[0]);
        Product(&general, G_inverse, threads, k, x, y[1]);
        for (int i = OWN * k; i < (OWN + N * n) * k; i++) assert_true(fabs(y[0][i] - y[1][i]) < 1e-13);
      }
    }
}

/* Solve by the factor of rows with a data block of 1 on each diagonal: v <- ((K^-1 x G^-1) + I)^-1 v, incomplete */
static void Solve(const MeritRecursion *r, double v[])
{
  MeritPedigreeFactor f                    = MeritPedigreeFactorOf(r, G_inverse);
  double              W[EQUATIONS * WIDTH] = {0}, inverse[64];
  float               share[N];

  f.k_over_pivot = share;
  f.inverse      = inverse;
  assert_true(MeritPedigreeFactorValues(&f) <= 64 && MeritPedigreeFactorRatios(&f) <= N);
  for (int i = 0; i < N * r->n; i++) W[(OWN + i) * r->n + i % r->n] = 1.0;
  assert_true(MeritPedigreeFactorize(&f, 0, r->n_rows, W));
  MeritPedigreeForward(&f, 0, r->n_rows, 1, v);
  MeritPedigreeBackward(&f, 0, r->n_rows, 1, v);
}

static void TestPedigreesHaveTheSameFactorByTheirOwnKernels(void **state)
{
  (void)state;
  for (int n = 1; n <= 2; n++) {
    MeritRecursion fast, general;
    int32_t        sire[N], dam[N];
    double         v[2][EQUATIONS];

    Pedigree(n, sire, dam, &fast, &general);
    for (int i = 0; i < EQUATIONS; i++) v[0][i] = v[1][i] = sin(2.0 + i);
    Solve(&fast, v[0]);
    Solve(&general, v[1]);
    /* the pedigree's keeps single precision for one equation a level */
    for (int i = OWN; i < OWN + N * n; i++) assert_true(fabs(v[0][i] - v[1][i]) < (n == 1 ? 1e-6 : 1e-13));
  }
}

/* Each level has one parent: nothing is left out of the factor, and it solves */
static void TestTheFactorOfAChainSolves(void **state)
{
  MeritRecursion r;
  double         v[EQUATIONS] = {0}, x[EQUATIONS], y[EQUATIONS];

  (void)state;
  for (int i = 0; i < N; i++) {
    parent[i]      = OWN + (i - 1) * WIDTH;
    coefficient[i] = 0.3 + 0.1 * i;
    start[i + 1]   = i;
  }
  memmove(parent, parent + 1, (N - 1) * sizeof(*parent));
  memmove(coefficient, coefficient + 1, (N - 1) * sizeof(*coefficient));
  r = (MeritRecursion){
      .n_levels = N, .n_rows = N, .own = OWN, .n = WIDTH, .start = start, .parent = parent, .coefficient = coefficient, .d = mendelian};
  Product(&r, G_inverse, 1, 1, x, y);
  for (int i = OWN; i < OWN + N * WIDTH; i++) v[i] = y[i] + x[i];
  Solve(&r, v);
  for (int i = OWN; i < OWN + N * WIDTH; i++) assert_true(fabs(v[i] - x[i]) < 1e-13);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestEntriesAddUpToTheInverse),
    cmocka_unit_test(TestDiagonalBlocksAreThoseOfTheInverse),
    cmocka_unit_test(TestBothParentsMayBeOne),
    cmocka_unit_test(TestRootTimesItsTransposeIsTheInverse),
    cmocka_unit_test(TestLogDeterminantLeavesFlatLevelsOut),
    cmocka_unit_test(TestProductIsThatOfTheInverse),
    cmocka_unit_test(TestIndependentLevelsMayHaveVariances),
    cmocka_unit_test(TestPedigreesHaveTheSameProductByTheirOwnKernels),
    cmocka_unit_test(TestPedigreesHaveTheSameFactorByTheirOwnKernels),
    cmocka_unit_test(TestTheFactorOfAChainSolves),
};
TEST_MAIN(tests)
