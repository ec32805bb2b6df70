/*
  How many levels ranks would have to get from others if there were another number of them. An
  animal's position in the order that is cut into ranks does not depend on their number, so it is known
  which of any number of ranks would own it, and its records.
*/
#include "model_impl.h"

/* Ranks and levels in one number */
static const int64_t LEVELS = (int64_t)1 << 40;

/* The pairs of a rank and a level that its records name */
typedef struct {
  MeritModel    model;
  PetscMPIInt   ranks;
  int64_t      *n_named;     /* [n_terms] levels that are cut into ranks by canonical number; 0: levels are on the rank with most of their records */
  double      **work_before; /* [n_terms] of every level here, owned ones first; NULL: not known */
  MeritIntegers pairs;
} Count;

/* Rank that has this fraction (0 to 1) of the work before it, when work is cut evenly */
static int64_t RankOf(const Count *c, double fraction)
{
  const int64_t rank = (int64_t)(fraction * c->ranks);

  return PetscMin(rank, c->ranks - 1);
}

/* Fraction of number among n, 0 where there are none */
static double Fraction(int64_t number, int64_t n) { return n ? (double)number / (double)n : 0.0; }

/* Canonical number of a record level */
static int64_t Canonical(const MeritModelTerm *term, int32_t level)
{
  const MeritTermView *view = &term->view;

  return level < view->n_recorded ? view->canonical[level] : MeritIntegersValues(term->ghosts)[level - view->n_recorded];
}

/* Rank of a record level by itself: animals, rows of a factor, levels of the key; -1: with most of
   its records */
static int64_t Home(const Count *c, int k, int32_t level)
{
  if (c->work_before[k]) return RankOf(c, c->work_before[k][level]);
  return c->n_named[k] ? RankOf(c, Fraction(Canonical(&c->model->term[k], level), c->n_named[k])) : -1;
}

/* Note that records or rows on `rank` name a level (by its record level here), unless the
   level lives there */
static PetscErrorCode Meet(Count *c, int k, int64_t rank, int32_t level)
{
  int32_t code;

  PetscFunctionBegin;
  if (Home(c, k, level) != rank) PetscCall(MeritIntegersIntern(c->pairs, rank * LEVELS + Canonical(&c->model->term[k], level), &code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank of a record: that of its key's level */
static int64_t RecordRank(const Count *c, int32_t record)
{
  const MeritModel model = c->model;
  const int32_t    slot  = model->placing.key >= 0 ? model->term[model->placing.key].slot[0][record] : -1;

  if (slot < 0) return RankOf(c, Fraction(model->rows.line[record], model->n_lines + 1));
  return Home(c, model->placing.key, MeritTermLevelOfSlot(&model->term[model->placing.key].view, slot));
}

/* Pairs from the records of this rank: the rank where each would be, and the levels that
   it names */
static PetscErrorCode MeetRecords(Count *c, int k)
{
  const MeritModelTerm *term = &c->model->term[k];

  PetscFunctionBegin;
  for (int r = 0; r < term->view.n_regressors; r++)
    for (int32_t i = 0; i < c->model->records.n_records; i++)
      if (term->slot[r][i] >= 0) PetscCall(Meet(c, k, RecordRank(c, i), MeritTermLevelOfSlot(&term->view, term->slot[r][i])));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pairs from the rows of the structure: a level, on the rank that would own it, names its
   neighbours (parents) */
static PetscErrorCode MeetParents(Count *c, int k)
{
  const MeritTermView  *view = &c->model->term[k].view;
  const MeritRecursion *rows = MeritStructurePenalty(view->structure);
  double                element;

  PetscFunctionBegin;
  for (int32_t i = 0; rows && view->n_eq && i < rows->n_levels; i++)
    for (int64_t p = 1; p < MeritRecursionRowLength(rows, i); p++) {
      const int32_t parent = MeritRecursionElement(rows, i, p, &element);

      if (parent >= 0) PetscCall(Meet(c, k, Home(c, k, i), MeritTermLevelOfEquation(view, parent)));
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Distinct pairs over the ranks of this run, less one for each level that is owned by one of
   them */
static PetscErrorCode Distinct(Count *c, int k, int64_t *n)
{
  const bool     settled = c->n_named[k] > 0;
  const int32_t  n_mine  = MeritIntegersCount(c->pairs);
  const int64_t *mine    = MeritIntegersValues(c->pairs);
  MeritIntegers  pairs, levels;
  MeritExchange  ex;
  PetscMPIInt   *dest;
  int64_t       *in;
  int32_t        code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n_mine + 1, &dest));
  for (int32_t i = 0; i < n_mine; i++) dest[i] = (PetscMPIInt)(mine[i] % LEVELS % c->model->size);
  PetscCall(MeritExchangeCreate(c->model->comm, n_mine, dest, &ex));
  PetscCall(PetscMalloc1(MeritExchangeArriving(ex) + 1, &in));
  PetscCall(MeritExchangeForward(ex, sizeof(*in), mine, in));
  PetscCall(MeritIntegersCreate(64, &pairs));
  PetscCall(MeritIntegersCreate(64, &levels));
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++) {
    PetscCall(MeritIntegersIntern(pairs, in[i], &code));
    if (!settled) PetscCall(MeritIntegersIntern(levels, in[i] % LEVELS, &code));
  }
  *n = MeritIntegersCount(pairs) - MeritIntegersCount(levels);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, n, 1, MPI_INT64_T, MPI_SUM, c->model->comm));
  PetscCall(MeritIntegersDestroy(&levels));
  PetscCall(MeritIntegersDestroy(&pairs));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(in));
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fractions of the work before all levels of a term here, those of ghosts from their owners */
static PetscErrorCode AllWorkBefore(MeritModel model, int k, double **work_before)
{
  const MeritTermView *view = &model->term[k].view;
  double              *x;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)(view->n_owned + view->n_ghost) + 1, work_before));
  PetscCall(PetscCalloc1((size_t)model->equations.layout.n_local + 1, &x));
  for (int32_t i = 0; i < view->n_owned; i++) {
    (*work_before)[i] = model->term[k].work_before[i];
    if (view->n_eq) x[view->eq_owned + i * view->n_eq] = (*work_before)[i];
  }
  PetscCall(PetscSFBcastBegin(model->equations.halo, MPI_DOUBLE, x, x + model->equations.layout.n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(model->equations.halo, MPI_DOUBLE, x, x + model->equations.layout.n_owned, MPI_REPLACE));
  for (int32_t i = 0; i < view->n_ghost; i++) (*work_before)[view->n_owned + i] = view->n_eq ? x[view->eq_other + i * view->n_eq] : 0.0;
  PetscCall(PetscFree(x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelSetPlanned - See the header. Logically collective. */
PetscErrorCode MeritModelSetPlanned(MeritModel model)
{
  PetscFunctionBegin;
  model->mode.planned = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelGhosts - Count the ghost levels on another number of ranks.

  Collective.

  Input Parameters:
+ model - planned (`MeritModelSetPlanned()`) and set up
- ranks - how many there would be

  Output Parameter:
. ghosts - [n_terms] summed over ranks

  Notes:
  Where the cuts between ranks fall is known to the grain of the samples of the placement, so it is
  an estimate, a close one.
@*/
PetscErrorCode MeritModelGhosts(MeritModel model, PetscMPIInt ranks, int64_t ghosts[])
{
  Count c = {.model = model, .ranks = ranks};

  PetscFunctionBegin;
  PetscCheck(model->ready && model->mode.planned, model->comm, PETSC_ERR_ORDER, "no planned model that is set up");
  PetscCall(PetscCalloc2(model->formula->n_terms, &c.work_before, model->formula->n_terms, &c.n_named));
  for (int k = 0; k < model->formula->n_terms; k++) {
    MeritDict named;

    PetscCall(MeritStructureIndividuals(model->term[k].structure, &named));
    c.n_named[k] = named ? MeritDictSize(named) : k == model->placing.key ? model->term[k].view.n_levels : 0;
    if (model->term[k].work_before) PetscCall(AllWorkBefore(model, k, &c.work_before[k]));
  }
  for (int k = 0; k < model->formula->n_terms; k++) {
    PetscCall(MeritIntegersCreate(64, &c.pairs));
    PetscCall(MeetRecords(&c, k));
    PetscCall(MeetParents(&c, k));
    PetscCall(Distinct(&c, k, &ghosts[k]));
    PetscCall(MeritIntegersDestroy(&c.pairs));
  }
  for (int k = 0; k < model->formula->n_terms; k++) PetscCall(PetscFree(c.work_before[k]));
  PetscCall(PetscFree2(c.work_before, c.n_named));
  PetscFunctionReturn(PETSC_SUCCESS);
}
