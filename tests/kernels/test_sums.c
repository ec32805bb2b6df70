#include <merit_test.h>
#include <merit/kernels.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40001 };

/* Numbers of very different size, so that each order of addition gives other last bits */
static void Fill(unsigned seed, double *x)
{
  for (int i = 0; i < N; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = ldexp((double)(seed >> 8) - 8388608.0, (int)(seed % 40));
  }
}

static void test_dots_are_right_and_the_same_on_any_number_of_threads(void **state)
{
  static const int64_t length[] = {0, 1, 255, 257, 5000, N};
  double              *a = malloc(2 * N * sizeof(*a)), *b = a + N;

  (void)state;
  Fill(1, a);
  Fill(2, b);
  for (int l = 0; l < 6; l++)
    for (int64_t stride = 1; stride <= 3; stride += 2) {
      const int64_t n        = length[l] / stride;
      long double   exact[2] = {0.0L, 0.0L}, size[2] = {0.0L, 0.0L};
      double        first[2];

      for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < 2; j++) {
          const long double product = (long double)a[i * stride] * (j ? b : a)[i * stride];

          exact[j] += product;
          size[j] += fabsl(product);
        }
      for (int threads = 1; threads <= 7; threads++) {
        double sums[2];

        MeritDots(threads, n, stride, 2, (const double *const[]){a, a}, (const double *const[]){a, b}, sums);
        for (int j = 0; j < 2; j++) assert_true(fabsl(sums[j] - exact[j]) <= 1e-13L * size[j]);
        if (threads == 1) memcpy(first, sums, sizeof(first));
        assert_memory_equal(first, sums, sizeof(first));
      }
    }
  free(a);
}

static void test_the_worst_of_two_is_not_a_number_if_one_is_not(void **state)
{
  (void)state;
  assert_true(MeritWorst(1.0, 2.0) == 2.0 && MeritWorst(2.0, 1.0) == 2.0);
  assert_true(isnan(MeritWorst(0.0, NAN)) && isnan(MeritWorst(NAN, 0.0)) && isnan(MeritWorst(INFINITY, NAN)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_dots_are_right_and_the_same_on_any_number_of_threads),
    cmocka_unit_test(test_the_worst_of_two_is_not_a_number_if_one_is_not),
};

TEST_MAIN(tests)
