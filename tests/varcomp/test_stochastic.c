/*
  Monte Carlo estimates over 20 seeds, 50 in the long form (MERIT_LONG=1), against exact ones: each within 4 of the errors that it says it has, their spread as large as they say,
  and their mean where the exact one is. Seeds are fixed, and the same numbers come on any number of ranks: a run repeats.
*/
#include "population.h"
#include <merit_test.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 4 };

static int n_seeds;

static const char several[] = "y0 ~ sex + iid(herd) + ped(id)", one[] = "y0 ~ sex + herd + ped(id)", classes[] = "z0 ~ sex + iid(herd) + iid(pen)";

static void Exact(const char formula[], double exact[])
{
  PopulationRun r;

  PopulationEstimate(formula, "engine: factor, tolerance: 1e-9", "", &r);
  for (int c = 0; c < r.result.n; c++) exact[c] = r.result.estimate[c];
  assert_null(r.result.monte_carlo);
  PopulationFinish(&r);
}

/* keys: of the engine and its samples */
static void Check(const char formula[], const char keys[], const char more[])
{
  double exact[MOST], sum[MOST] = {0.0}, square[MOST] = {0.0}, noise[MOST] = {0.0};
  int    n = 0;

  Exact(formula, exact);
  for (int seed = 1; seed <= n_seeds; seed++) {
    char          text[256];
    PopulationRun r;

    snprintf(text, sizeof(text), "%s, seed: %d", keys, seed);
    PopulationEstimate(formula, text, more, &r);
    n = r.result.n;
    assert_non_null(r.result.monte_carlo);
    assert_true(r.result.n_samples > 0);
    for (int c = 0; c < n; c++) {
      const double off = r.result.estimate[c] - exact[c], error = r.result.monte_carlo[c * n + c];

      if (!(off * off <= 16.0 * error))
        fail_msg("%s, %s: component %d is %g, not %g, with a Monte Carlo error of %g", formula, text, c, r.result.estimate[c], exact[c], sqrt(error));
      sum[c] += off / n_seeds;
      square[c] += off * off / n_seeds;
      noise[c] += error / n_seeds;
    }
    PopulationFinish(&r);
  }
  for (int c = 0; c < n; c++) {
    const double spread = sqrt((square[c] - sum[c] * sum[c]) * n_seeds / (n_seeds - 1.0)), ratio = spread / sqrt(noise[c]);
    const double mean = sum[c] / (spread / sqrt(n_seeds));

    print_message("%s, %s, component %d: spread over error %.2f, mean off by %.2f of its errors\n", formula, keys, c, ratio, mean);
    /* the standard deviation of 50 values is off by a tenth of itself, that of 20 by a sixth */
    if (!(ratio > 0.6 && ratio < 1.6)) fail_msg("component %d: the spread is %g, the error said to be %g", c, spread, sqrt(noise[c]));
    if (!(fabs(mean) < 4.0)) fail_msg("component %d: the mean is off by %g errors of it", c, mean);
  }
}

static void test_conjugate_gradients(void **state)
{
  (void)state;
  Check(several, "engine: sampled, samples: 64", "");
  Check(classes, "engine: sampled, samples: 64", "");
}

static void test_lanczos(void **state)
{
  (void)state;
  Check(one, "engine: lanczos, samples: 64", "");
}

/* The number of samples is chosen so that random numbers make a standard error larger by the share that is asked for, at most */
static void CheckShare(const char formula[], const char keys[], double share)
{
  double       sum[MOST] = {0.0};
  const double most      = share * (2.0 + share);
  int          n = 0, n_samples = 0;

  for (int seed = 1; seed <= n_seeds / 2; seed++) {
    char          text[256];
    PopulationRun r;

    snprintf(text, sizeof(text), "%s, seed: %d", keys, seed);
    PopulationEstimate(formula, text, "", &r);
    n = r.result.n;
    n_samples += r.result.n_samples;
    for (int c = 0; c < n; c++) sum[c] += r.result.monte_carlo[c * n + c] / r.result.covariance[c * n + c] / (n_seeds / 2);
    PopulationFinish(&r);
  }
  for (int c = 0; c < n; c++) {
    print_message("%s, %s, component %d: a share of %.4f with %.0f samples\n", formula, keys, c, sqrt(1.0 + sum[c]) - 1.0,
                  n_samples / (n_seeds / 2.0));
    if (!(sum[c] < 1.2 * most)) fail_msg("component %d: Monte Carlo adds %g to the sampling variance, more than %g", c, sum[c], most);
  }
}

static void test_the_share_asked_for(void **state)
{
  (void)state;
  CheckShare(several, "engine: sampled", 0.03);
  CheckShare(several, "engine: sampled, mc_share: 0.01", 0.01);
  CheckShare(one, "engine: lanczos", 0.01);
  CheckShare(one, "engine: lanczos, mc_share: 0.05", 0.05);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_conjugate_gradients),
    cmocka_unit_test(test_lanczos),
    cmocka_unit_test(test_the_share_asked_for),
};

static int Begin(void **state)
{
  n_seeds = getenv("MERIT_LONG") ? 50 : 20;
  return PopulationCreate(state);
}

TEST_MAIN_WITH(tests, Begin, PopulationRemove)
