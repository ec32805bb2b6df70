/*
  What depends on the variances: the inverses of the diagonal blocks of C.

  A block is its data part J' R^-1 J plus the penalty. For most terms the model gives both
  together. A term with precisions of its own (MeritSweepSetPrecisions) keeps the data part, so
  that new precisions need one addition and one inversion for each level, and no pass over the
  records. The state of C, a counter, says whether variances have changed since the blocks were
  made.
*/
#include "sweep_impl.h"

/* A pivot below this part of its diagonal element is that of an equation which depends on
   those before it */
static const double PIVOT_RATIO_DEPENDENT = 1e-13;

/*
  MeritSweepInvert - In place inverse of a symmetric positive semi-definite matrix by the sweep operator (Goodnight 1979); equations that
  depend on those before them get rows and columns of 0, so that their steps are 0. Not collective.
*/
void MeritSweepInvert(int n, double *A)
{
  double least[MERIT_MAX_COMPONENTS];

  for (int p = 0; p < n; p++) least[p] = PIVOT_RATIO_DEPENDENT * A[p * n + p];
  (void)MeritDenseSweep(n, least, A);
}

/* Inverses of the blocks of a term with precisions of its own: data part + precision. Constrained
   equations have an identity block in the data part; their precision is left out. */
static void InvertOwn(MeritSweep s, SweepTerm *term)
{
  const MeritTermView *t = term->view;
  const int            n = t->n_eq;

  for (int32_t i = 0; i < t->n_owned; i++) {
    const uint8_t *state     = s->eq_state + t->eq_owned + i * n;
    const double  *precision = SweepPrecision(term, i), *data = term->data + (int64_t)i * n * n;
    double        *inverse = term->inverse + (int64_t)i * n * n;

    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        const bool counts = precision && state[a] == MERIT_EQ_OK && state[b] == MERIT_EQ_OK;

        inverse[a * n + b] = data[a * n + b] + (counts ? precision[a * n + b] : 0.0);
      }
    MeritSweepInvert(n, inverse);
  }
}

/* Invert the blocks of the levels of a term in place. With precisions of its own the blocks
   are data parts, of which a copy is kept. */
static PetscErrorCode TakeBlocks(MeritSweep s, SweepTerm *term)
{
  const MeritTermView *t    = term->view;
  const int64_t        n    = t->n_eq * t->n_eq;
  const size_t         size = (size_t)t->n_owned * (size_t)n;

  PetscFunctionBegin;
  if (!term->precision) {
    PetscCall(PetscFree(term->data));
    for (int32_t i = 0; i < t->n_owned; i++) MeritSweepInvert(t->n_eq, term->inverse + i * n);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!term->data) PetscCall(PetscMalloc1(size + 1, &term->data));
  PetscCall(PetscArraycpy(term->data, term->inverse, size));
  InvertOwn(s, term);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Make everything that depends on the variances. s->blocks has the blocks of all terms one
   after another, [n_owned * n_eq^2] of each; those of terms by columns are not used.
   Collective. */
static PetscErrorCode Numbers(MeritSweep s)
{
  MeritBlockParts *parts;
  double          *block;

  PetscFunctionBegin;
  PetscCall(MeritMMEState(s->C, &s->state));
  PetscCall(MeritMMEEquationState(s->C, &s->eq_state));
  PetscCall(PetscFree(s->blocks));
  PetscCall(PetscMalloc1(s->n_terms + 1, &parts));
  for (int k = 0; k < s->n_terms; k++) {
    parts[k] = s->term[k].precision ? MERIT_BLOCKS_DATA : MERIT_BLOCKS_ALL;
    if (SweepByColumns(s->term[k].view)) parts[k] = MERIT_BLOCKS_NONE;
  }
  PetscCall(MeritMMEBlockDiagonalParts(s->C, parts, &s->cache, &s->blocks));
  PetscCall(PetscFree(parts));
  block       = s->blocks;
  s->expanded = false;
  for (int k = 0; k < s->n_terms; k++) {
    SweepTerm *term = &s->term[k];

    s->expanded   = s->expanded || term->view->L;
    term->inverse = block;
    block += (int64_t)term->view->n_owned * term->view->n_eq * term->view->n_eq;
    if (!term->view->n_eq) continue;
    if (SweepByColumns(term->view)) PetscCall(MeritSweepColumnsNumbers(s, term));
    else PetscCall(TakeBlocks(s, term));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepTakeVariances - See the header. The first call makes everything and reports no
   change. Collective. */
PetscErrorCode MeritSweepTakeVariances(MeritSweep s, bool *changed)
{
  uint64_t state;

  PetscFunctionBegin;
  PetscCheck(s->term, s->comm, PETSC_ERR_ORDER, "MeritSweepSetUp comes first");
  PetscCall(MeritMMEState(s->C, &state));
  if (changed) *changed = s->blocks && s->state != state;
  if (!s->blocks || s->state != state) PetscCall(Numbers(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetPrecisions - See the header. Terms by columns, and precisions that replace
   others, need only new inverses. Otherwise the blocks are made again, with the penalty or
   without it. Collective. */
PetscErrorCode MeritSweepSetPrecisions(MeritSweep s, int k, const double precisions[])
{
  SweepTerm *term = &s->term[k];
  size_t     n;
  bool       had;

  PetscFunctionBegin;
  PetscCall(MeritSweepTakeVariances(s, NULL));
  PetscCheck(k >= 0 && k < s->n_terms, s->comm, PETSC_ERR_ARG_OUTOFRANGE, "there is no term %d", k);
  PetscCheck(!term->recursion || !precisions, s->comm, PETSC_ERR_ARG_WRONG, "the levels of term %d are related: no precision is that of one level",
             k);
  had = term->precision != NULL;
  n   = (size_t)(SweepByColumns(term->view) ? term->columns.n_cols : term->view->n_owned) * (size_t)(term->view->n_eq * term->view->n_eq);
  if (!term->view->n_eq || (!had && !precisions)) PetscFunctionReturn(PETSC_SUCCESS);
  if (precisions && !had) PetscCall(PetscMalloc1(n + 1, &term->precision));
  if (precisions) PetscCall(PetscArraycpy(term->precision, precisions, n));
  else PetscCall(PetscFree(term->precision));
  if (SweepByColumns(term->view)) MeritSweepColumnsInvert(term);
  else if (had && precisions) InvertOwn(s, term);
  else PetscCall(Numbers(s)); /* the term's blocks become data parts, or again all */
  PetscFunctionReturn(PETSC_SUCCESS);
}
