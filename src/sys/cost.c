/* Counts that all modules foresee their costs by. */
#include <math.h>
#include <merit/cost.h>

/* MeritFullestBlock - See the header. Not collective. */
int64_t MeritFullestBlock(int64_t n, int ranks) { return (n + ranks - 1) / ranks; }

/* MeritPartners - See the header. Not collective. */
double MeritPartners(double items, int ranks)
{
  const double others = ranks - 1;

  return ranks > 1 ? others * (1.0 - exp(-items / others)) : 0.0;
}

/* MeritStages - See the header. Not collective. */
double MeritStages(double n) { return ceil(log2(n)); }
