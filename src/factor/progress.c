/* Progress of a pass over the tree, in floating-point operations of rank 0, which reports. Its work
   is representative: branches are balanced, and the top is its own. Counting is atomic, since the
   branches of a rank run on several threads. */
#include "numeric.h"
#include <merit/log.h>
#include <omp.h>

/* Reports of a pass, about */
static const double REPORTS = 200.0;

/* Operations to eliminate a front; those of its inverse are nearly proportional */
static double Operations(const FactorTree *t, int32_t j)
{
  const double w = NodeWidth(t, j), b = NodeBelow(t, j);

  return w * (w * w / 3.0 + b * (w + b));
}

/* FactorProgressBegin - See the header. Not collective. */
void FactorProgressBegin(MeritFactor f, const char what[])
{
  f->progress = (FactorProgress){.what = what};
  for (int32_t j = 0; j < f->tree.n_nodes; j++)
    if (f->owner[j] == f->rank) f->progress.all += Operations(&f->tree, j);
  f->progress.next = f->progress.all / REPORTS;
}

/* FactorProgressAdd - See the header. Not collective. */
void FactorProgressAdd(MeritFactor f, int32_t j)
{
  FactorProgress *p = &f->progress;
  double          done;

/* Any thread counts, the first one of rank 0 reports */
#pragma omp atomic capture
  done = p->done += Operations(&f->tree, j);
  if (f->rank || omp_get_thread_num() || done < p->next) return;
  /* only one thread gets here, so `next` needs no lock */
  p->next = done + p->all / REPORTS;
  MeritLogProgress(done / p->all, "%s %lld equations", p->what, (long long)f->tree.n);
}
