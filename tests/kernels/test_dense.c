#include <merit_test.h>
#include <merit/kernels.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;

/* between -1 and 1 */
static double Draw(void)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 33) / 1073741824.0 - 1.0;
}

/* B B' + n I / 4 for a random B: definite, not too ill */
static void Definite(int n, double *A)
{
  double *B = malloc((size_t)(n * n) * sizeof(*B));

  for (int i = 0; i < n * n; i++) B[i] = Draw();
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      A[i * n + j] = i == j ? 0.25 * n : 0.0;
      for (int k = 0; k < n; k++) A[i * n + j] += B[i * n + k] * B[j * n + k];
    }
  free(B);
}

/* largest difference of A B from the identity */
static double FromIdentity(int n, const double *A, const double *B)
{
  double worst = 0.0;

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      double sum = i == j ? -1.0 : 0.0;

      for (int k = 0; k < n; k++) sum += A[i * n + k] * B[k * n + j];
      worst = fmax(worst, fabs(sum));
    }
  return worst;
}

static void TestCholeskyOfAMatrixDoneByHand(void **state)
{
  const double A[9] = {4, NAN, NAN, 2, 10, NAN, -2, 5, 21}, F[9] = {2, 0, 0, 1, 3, 0, -1, 2, 4};
  double       got[9], x[3]                                      = {4, 17, 24}; /* A (1, 1, 1)' with the mirror image of the lower part */

  (void)state;
  assert_true(MeritDenseCholesky(3, A, got));
  assert_memory_equal(got, F, sizeof(F));
  MeritDenseSolve(3, got, x);
  for (int i = 0; i < 3; i++) assert_true(fabs(x[i] - 1.0) < 1e-15);
}

static void TestInverseAndDeterminantOfEveryOrder(void **state)
{
  static double A[64 * 64], inverse[64 * 64];
  double        log_determinant;

  (void)state;
  seed = 5;
  for (int n = 0; n <= 64; n++) {
    Definite(n, A);
    assert_true(MeritDenseInvert(n, A, inverse, &log_determinant));
    assert_true(FromIdentity(n, A, inverse) < 1e-12);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) assert_true(inverse[i * n + j] == inverse[j * n + i]);
  }
  A[0] = 2, A[1] = A[2] = -3, A[3] = 5; /* |A| = 1 */
  assert_true(MeritDenseInvert(2, A, NULL, &log_determinant));
  assert_true(fabs(log_determinant) < 1e-14);
  A[3] = 11.5; /* |A| = 14 */
  assert_true(MeritDenseInvert(2, A, NULL, &log_determinant));
  assert_true(fabs(log_determinant - log(14.0)) < 1e-14);
}

static void TestWhatIsNotDefiniteOrNotFiniteIsRefused(void **state)
{
  const double bad[6][4] = {{1, 2, 2, 1}, {0, 0, 0, 1}, {1, 1, 1, 1}, {1, NAN, NAN, 4}, {1, 0, 0, INFINITY}, {1, INFINITY, INFINITY, 4}};
  double       F[4], inverse[4];

  (void)state;
  for (int k = 0; k < 6; k++) {
    assert_false(MeritDenseCholesky(2, bad[k], F));
    assert_false(MeritDenseInvert(2, bad[k], inverse, NULL));
  }
}

static void TestSweepInvertsAndLeavesOutWhatDepends(void **state)
{
  enum { N = 6 };
  double A[N * N], B[N * N], part[(N - 1) * (N - 1)], want[(N - 1) * (N - 1)], least[N];
  int    at[N];

  (void)state;
  seed = 9;
  Definite(N, A);
  memcpy(B, A, sizeof(A));
  assert_int_equal(MeritDenseSweep(N, NULL, B), 0);
  assert_true(FromIdentity(N, A, B) < 1e-13);
  for (int i = 0; i < N; i++) A[3 * N + i] = A[i * N + 3] = A[N + i] - 2.0 * A[i]; /* the fourth is the second less twice the first */
  A[3 * N + 3] = A[N + 3] - 2.0 * A[3];
  for (int i = 0; i < N; i++) least[i] = 1e-13 * A[i * N + i];
  memcpy(B, A, sizeof(A));
  assert_int_equal(MeritDenseSweep(N, least, B), 1);
  assert_int_equal(MeritDensePart(N, 0x37, A, at, part), N - 1); /* all but the fourth */
  assert_true(MeritDenseInvert(N - 1, part, want, NULL));
  for (int i = 0; i < N; i++) assert_true(B[3 * N + i] == 0.0 && B[i * N + 3] == 0.0);
  for (int i = 0; i < N - 1; i++)
    for (int j = 0; j < N - 1; j++) assert_true(fabs(B[at[i] * N + at[j]] - want[i * (N - 1) + j]) < 1e-11);
}

static void TestSweepFindsWhatIsNotDefinite(void **state)
{
  const double least[2] = {1e-13, 1e-13};
  double       A[4] = {1, 2, 2, 1}, B[1] = {NAN}, C[4] = {1, 1, 1, 1 + 1e-14};

  (void)state;
  assert_int_equal(MeritDenseSweep(2, NULL, A), 1);
  assert_int_equal(MeritDenseSweep(1, NULL, B), 1);
  assert_int_equal(MeritDenseSweep(2, least, C), 1); /* what rounding left */
  assert_true(C[0] == 1.0 && C[3] == 0.0);
}

static void TestEliminationSolvesWithAnyMatrix(void **state)
{
  enum { N = 7, K = 3 };
  double A[N * N], X[N * K], work[N * (N + K)];

  (void)state;
  seed = 21;
  for (int i = 0; i < N * N; i++) A[i] = Draw() + (i % (N + 1) == 0 ? -3.0 : 0.0); /* pivots below 0, not symmetric */
  for (int i = 0; i < N * K; i++) X[i] = Draw();
  for (int i = 0; i < N; i++) {
    memcpy(work + i * (N + K), A + i * N, N * sizeof(*A));
    for (int j = 0; j < K; j++) {
      work[i * (N + K) + N + j] = 0.0;
      for (int k = 0; k < N; k++) work[i * (N + K) + N + j] += A[i * N + k] * X[k * K + j];
    }
  }
  assert_int_equal(MeritDenseEliminate(N, K, 1e-10, work), N);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < K; j++) assert_true(fabs(work[i * (N + K) + N + j] - X[i * K + j]) < 1e-13);
}

static void TestEliminationNamesTheRowThatDepends(void **state)
{
  double A[9] = {1, 2, 3, 4, 5, 9, 2, 7, 9}, B[4] = {0, 1, 1, 0}, C[4] = {1, 1, 1, 1 + 1e-12}, D[1] = {NAN}; /* third column: sum of the others */

  (void)state;
  assert_int_equal(MeritDenseEliminate(3, 0, 1e-10, A), 2);
  assert_int_equal(MeritDenseEliminate(2, 0, 0.0, B), 0);
  assert_int_equal(MeritDenseEliminate(2, 0, 1e-10, C), 1);
  assert_int_equal(MeritDenseEliminate(1, 0, 0.0, D), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestCholeskyOfAMatrixDoneByHand),           cmocka_unit_test(TestInverseAndDeterminantOfEveryOrder),
    cmocka_unit_test(TestWhatIsNotDefiniteOrNotFiniteIsRefused), cmocka_unit_test(TestSweepInvertsAndLeavesOutWhatDepends),
    cmocka_unit_test(TestSweepFindsWhatIsNotDefinite),           cmocka_unit_test(TestEliminationSolvesWithAnyMatrix),
    cmocka_unit_test(TestEliminationNamesTheRowThatDepends),
};

TEST_MAIN(tests)
