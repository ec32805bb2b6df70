/*
  40 simulated replicates, 100 in the long form (MERIT_LONG=1): estimates are off by chance alone, and 95 % intervals hold the truth about as often as they should. Replicates
  with a component at the boundary, or below 0, are counted and told; an estimate of 0 counts, but has no interval. Seeds are fixed.
*/
#include "population.h"
#include <merit_test.h>
#include <math.h>
#include <stdio.h>

enum { MOST = 3 };

static int n_replicates;

typedef struct {
  const char *formula, *keys, *more;
  double      truth[MOST]; /* 0: none; the residual last */
  bool        intervals;
} Case;

/* Formulas of replicate %d. Herds as fixed effects leave one variance beside the residual's. */
#define ANIMALS "y%d ~ sex + iid(herd) + ped(id)"
#define CLASSES "z%d ~ sex + iid(herd) + iid(pen)"
#define ONE     "y%d ~ sex + herd + ped(id)"
#define BOTH                                                                                                                                         \
  {                                                                                                                                                  \
    VARIANCE_HERD, VARIANCE_ANIMAL, VARIANCE_RESIDUAL                                                                                                \
  }
#define PENS                                                                                                                                         \
  {                                                                                                                                                  \
    VARIANCE_HERD, VARIANCE_PEN, VARIANCE_RESIDUAL                                                                                                   \
  }
#define SINGLE                                                                                                                                       \
  {                                                                                                                                                  \
    VARIANCE_ANIMAL, VARIANCE_RESIDUAL, 0.0                                                                                                          \
  }

static void Component(const Case *k, int c, const double estimate[], double n_inside, double n_interval, int n_boundary)
{
  double mean = 0.0, square = 0.0, off;

  for (int r = 0; r < n_replicates; r++) mean += estimate[r] / n_replicates;
  for (int r = 0; r < n_replicates; r++) square += (estimate[r] - mean) * (estimate[r] - mean) / (n_replicates - 1.0);
  off = (mean - k->truth[c]) / sqrt(square / n_replicates);
  print_message("%s, %s, component %d: mean %.3f of %.1f, off by %.2f of its errors; %d at the boundary or below", k->formula, k->keys, c, mean,
                k->truth[c], off, n_boundary);
  print_message(k->intervals ? "; %.0f of %.0f intervals hold it\n" : "\n", n_inside, n_interval);
  if (!(fabs(off) < 2.5)) fail_msg("component %d: the mean of the estimates is %g, not %g", c, mean, k->truth[c]);
  if (n_boundary > n_replicates / 20) fail_msg("component %d: %d replicates at the boundary tell little", c, n_boundary);
  if (k->intervals && !(n_inside >= (0.95 - 0.5 / sqrt(n_replicates)) * n_interval && n_inside <= (0.95 + 0.4 / sqrt(n_replicates)) * n_interval))
    fail_msg("component %d: %.0f of %.0f intervals hold the truth", c, n_inside, n_interval);
}

static void Check(const Case *k)
{
  double estimate[MOST][REPLICATES];
  int    n = 0, n_inside[MOST] = {0}, n_interval[MOST] = {0}, n_boundary[MOST] = {0};

  for (int r = 0; r < n_replicates; r++) {
    char          formula[128], keys[128];
    PopulationRun run;

    snprintf(formula, sizeof(formula), k->formula, r);
    snprintf(keys, sizeof(keys), "%s, seed: %d", k->keys, r + 1); /* one seed for all would be off to one side in all */
    PopulationEstimate(formula, keys, k->more, &run);
    n = run.result.n;
    assert_int_equal(run.result.covariance != NULL, k->intervals);
    for (int c = 0; c < n; c++) {
      const double off = run.result.estimate[c] - k->truth[c];
      double       variance;

      estimate[c][r] = run.result.estimate[c];
      n_boundary[c] += run.result.state[c] != MERIT_ESTIMATE_OK;
      if (!k->intervals || run.result.state[c] == MERIT_ESTIMATE_BOUNDARY) continue;
      variance = run.result.covariance[c * n + c] + (run.result.monte_carlo ? run.result.monte_carlo[c * n + c] : 0.0);
      n_interval[c]++;
      n_inside[c] += off * off <= 1.959964 * 1.959964 * variance;
    }
    PopulationFinish(&run);
  }
  for (int c = 0; c < n; c++) Component(k, c, estimate[c], n_inside[c], n_interval[c], n_boundary[c]);
}

static void test_restricted_maximum_likelihood(void **state)
{
  static const Case cases[] = {{ANIMALS, "method: reml, engine: factor", "", BOTH, true},
                               {CLASSES, "method: reml, engine: factor", "", PENS, true},
                               {ONE, "method: reml, engine: lanczos", "", SINGLE, true},
                               {ANIMALS, "method: reml, engine: sampled", "", BOTH, true}};

  (void)state;
  for (int k = 0; k < 4; k++) Check(&cases[k]);
}

static void test_moments(void **state)
{
  static const Case cases[] = {{CLASSES, "method: anova", "", PENS, false},
                               {CLASSES, "method: he", "", PENS, false},
                               {CLASSES, "method: minque1", "", PENS, true},
                               {CLASSES, "method: minque2", "", PENS, true},
                               {CLASSES, "method: minque3", "", PENS, false},
                               {ANIMALS, "method: mivque", "variances: {iid(herd): 0.4, ped(id): 0.8, residual: 1}", BOTH, true}};

  (void)state;
  for (int k = 0; k < 6; k++) Check(&cases[k]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_restricted_maximum_likelihood),
    cmocka_unit_test(test_moments),
};

static int Begin(void **state)
{
  n_replicates = getenv("MERIT_LONG") ? REPLICATES : 40;
  return PopulationCreate(state);
}

TEST_MAIN_WITH(tests, Begin, PopulationRemove)
