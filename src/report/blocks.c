/*
  Values of a term by blocks of canonical levels.

  In the model a level is on the rank that owns it, by placement. Tables are written in canonical
  order, so values, counts of observations and states go to the rank whose block of canonical
  numbers holds the level. The bytes of a table then do not depend on the number of ranks.
*/
#include "report_impl.h"
#include <merit/exchange.h>
#include <string.h>

/* ReportTermFirst - See the header. Owned equations and components are stored term after term,
   so these are sums over the terms before. With `term` = number of terms they are the totals
   of this rank. Not collective. */
void ReportTermFirst(MeritReport report, int term, int32_t *equation, int32_t *slot)
{
  const MeritTermView *views;

  MeritModelTerms(report->model, &views);
  *equation = *slot = 0;
  for (int t = 0; t < term; t++) {
    *equation += views[t].n_owned * views[t].n_eq;
    *slot += views[t].n_owned * views[t].n_comp;
  }
}

/* ReportComponents - See the header. With a singular G the equations v of a level are fewer
   than its components u = L v. Collective. */
PetscErrorCode ReportComponents(MeritReport report, const double x[], double **u)
{
  const MeritTermView *views;
  int32_t              equations, slots;
  int                  n = MeritModelTerms(report->model, &views);

  PetscFunctionBegin;
  ReportTermFirst(report, n, &equations, &slots);
  PetscCall(PetscCalloc1(slots, u));
  PetscCall(MeritModelToComponents(report->model, x, *u));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportSnpScale - See the header. Not collective. */
PetscErrorCode ReportSnpScale(MeritReport report, int term, const double **scale)
{
  const MeritTermView *views;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &views);
  PetscCall(MeritStructureScale(views[term].structure, scale));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Observations and states of the owned levels, one for each component. States are stored by
   equation; with a singular G, equations and components differ, and all components count as
   estimated. */
static PetscErrorCode Flags(MeritReport report, int term, int64_t observed[], uint8_t state[])
{
  const MeritTermView *view;
  const int64_t       *n_of = MeritModelObservations(report->model);
  const uint8_t       *s_of = MeritModelEquationState(report->model);
  int32_t              equation, slot;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &view);
  view += term;
  ReportTermFirst(report, term, &equation, &slot);
  for (int32_t i = 0; i < view->n_owned * view->n_comp; i++) {
    const bool same = view->n_eq == view->n_comp;

    observed[i] = n_of[slot + i];
    state[i]    = same ? s_of[equation + i] : MERIT_EQ_OK;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Send values, observations and states of the owned levels, and store them by level in the block.
   Collective. */
static PetscErrorCode Deliver(MeritExchange ex, const MeritTermView *view, const double u[], const int64_t observed[], const uint8_t state[],
                              ReportBlock *block)
{
  const int64_t arriving = MeritExchangeArriving(ex);
  const size_t  d = (size_t)view->n_comp, n = (size_t)arriving * d;
  int64_t      *level, *o;
  double       *v;
  uint8_t      *s;

  PetscFunctionBegin;
  PetscCall(PetscMalloc4(arriving, &level, n, &o, n, &v, n, &s));
  PetscCall(MeritExchangeForward(ex, sizeof(*level), view->canonical, level));
  PetscCall(MeritExchangeForward(ex, d * sizeof(*v), u, v));
  PetscCall(MeritExchangeForward(ex, d * sizeof(*o), observed, o));
  PetscCall(MeritExchangeForward(ex, d * sizeof(*s), state, s));
  for (int64_t i = 0; i < arriving; i++) {
    size_t to = (size_t)(level[i] - block->first) * d, from = (size_t)i * d;

    /* rows of one level: n_comp values, counts and states */
    memcpy(block->u + to, v + from, d * sizeof(*v));
    memcpy(block->observed + to, o + from, d * sizeof(*o));
    memcpy(block->state + to, s + from, d * sizeof(*s));
  }
  PetscCall(PetscFree4(level, o, v, s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  ReportBlockCreate - See the header. Collective.
  Fixed levels that no rank owns have no observation and stay absent; random ones have the prior
  mean 0. Effects of SNPs are multiplied by the scale of the column: they are then effects of one
  copy of the counted allele.
*/
PetscErrorCode ReportBlockCreate(MeritReport report, int term, const double u[], ReportBlock *block)
{
  const MeritTermView *view;
  const double        *scale;
  MeritExchange        ex;
  PetscMPIInt         *dest;
  int64_t             *observed, n;
  uint8_t             *state;
  int32_t              equation, slot;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &view);
  view += term;
  ReportTermFirst(report, term, &equation, &slot);
  block->n_comp = view->n_comp;
  block->first  = MeritBlockFirst(view->n_levels, report->size, report->rank);
  block->n      = MeritBlockFirst(view->n_levels, report->size, report->rank + 1) - block->first;
  n             = block->n * view->n_comp;
  PetscCall(PetscCalloc3(n, &block->u, n, &block->observed, n, &block->state));
  for (int64_t i = 0; i < n; i++) /* levels that no rank sends keep this state */
    block->state[i] = report->formula->term[term].fixed ? MERIT_EQ_ABSENT : MERIT_EQ_OK;
  n = (int64_t)view->n_owned * view->n_comp;
  PetscCall(PetscMalloc3(view->n_owned, &dest, n, &observed, n, &state));
  PetscCall(Flags(report, term, observed, state));
  for (int32_t i = 0; i < view->n_owned; i++) /* by canonical number */
    dest[i] = MeritBlockOwner(view->n_levels, report->size, view->canonical[i]);
  PetscCall(MeritExchangeCreate(report->comm, view->n_owned, dest, &ex));
  PetscCall(Deliver(ex, view, u + slot, observed, state, block));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree3(dest, observed, state));
  PetscCall(ReportSnpScale(report, term, &scale));
  for (int64_t i = 0; scale && i < block->n * view->n_comp; i++) block->u[i] *= scale[block->first + i / view->n_comp];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportBlockDestroy - See the header. Not collective. */
PetscErrorCode ReportBlockDestroy(ReportBlock *block)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(block->u, block->observed, block->state));
  PetscFunctionReturn(PETSC_SUCCESS);
}
