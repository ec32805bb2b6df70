/* R^-1 of a record against diag(sqrt w) R0^-1 diag(sqrt w), formed and multiplied element by element. */
#include <merit_test.h>
#include <math.h>
#include <merit/limits.h>
#include <merit/residual.h>

enum { PATTERNS = 3, RECORDS = 4 };

static double Number(int i) { return sin(1.7 * i) + 0.1 * i; }

/* Symmetric matrices with the rows and columns of a missing trait 0 in all but the first */
static void Fill(int n, double *R_inverse, double *sqrt_weight)
{
  for (int p = 0; p < PATTERNS; p++)
    for (int t = 0; t < n; t++)
      for (int s = 0; s < n; s++) {
        const bool missing = p && n > 1 && (t == p % n || s == p % n);

        R_inverse[(p * n + t) * n + s] = missing ? 0.0 : Number(p + t + s) + (t == s ? 3.0 : 0.0);
      }
  for (int i = 0; i < RECORDS * n; i++) sqrt_weight[i] = 0.5 + 0.3 * (1.0 + Number(i) / (1.0 + 0.1 * i));
}

static void Compare(int n, int k, bool weights, bool patterns)
{
  const int32_t pattern[RECORDS] = {2, 0, 1, 2};
  double        R_inverse[PATTERNS * MERIT_MAX_TRAITS * MERIT_MAX_TRAITS], sqrt_weight[RECORDS * MERIT_MAX_TRAITS];
  double        w[MERIT_RECORD_ROOM], q[MERIT_RECORD_ROOM];

  Fill(n, R_inverse, sqrt_weight);
  for (int i = 0; i < n * k; i++) w[i] = Number(3 * i + 1);
  for (int record = 0; record < RECORDS; record++) {
    const MeritRecordInverse r = MeritRecordInverseOf(R_inverse, patterns ? pattern : NULL, weights ? sqrt_weight : NULL, n, record);

    MeritRecordInverseApply(r, n, k, w, q);
    for (int t = 0; t < n; t++)
      for (int j = 0; j < k; j++) {
        double sum = 0.0, size = 0.0;

        for (int s = 0; s < n; s++) {
          const double both    = weights ? sqrt_weight[record * n + t] * sqrt_weight[record * n + s] : 1.0;
          const double element = R_inverse[((patterns ? pattern[record] : 0) * n + t) * n + s] * both;

          sum += element * w[s * k + j];
          size += fabs(element * w[s * k + j]);
          assert_true(fabs(MeritRecordInverseElement(r, n, t, s) - element) <= 1e-15 * fabs(element));
          if (n == 1) assert_true(fabs(MeritRecordInverseOne(r) - element) <= 1e-15 * fabs(element));
        }
        assert_true(fabs(q[t * k + j] - sum) <= 1e-14 * size);
      }
  }
}

static void test_the_inverse_of_a_record_has_its_pattern_and_weights(void **state)
{
  const int traits[] = {1, 2, 3, 9, MERIT_MAX_TRAITS};

  (void)state;
  for (int i = 0; i < 5; i++)
    for (int k = 1; k <= 8; k += 7)
      for (int options = 0; options < 4; options++) Compare(traits[i], k, options & 1, options & 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_inverse_of_a_record_has_its_pattern_and_weights),
};

TEST_MAIN(tests)
