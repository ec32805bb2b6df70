/*
  Redundant columns of any number of large terms, by random vectors of the null space.

  Let A = X'X with columns scaled to length 1. Conjugate gradients on A x = 0 from a random start
  end at the projection of the start on the null space (Kaasschieter 1988). The last column in
  which such a vector is not 0 depends on those before it. A few vectors, eliminated from the back,
  give as many columns. Each is proven before it is marked: |X x|^2 bounds what the column has of
  its own. No matrix is formed, so memory is a few vectors of the fixed equations.
*/
#include "alias.h"
#include <math.h>
#include <merit/random.h>
#include <merit/unit.h>

/* Purpose of the random numbers; vectors at once, and in the first round; limits of iterations, and
   cycles with a fresh residual */
enum { PURPOSE_NULL = 0x4e55, WIDTH = 8, FIRST_WIDTH = 2, MOST_ITERATIONS = 20000, CYCLES = 3 };
/* Null vectors start with numbers of size 1: a vector below NOTHING is 0, an element below ZERO
   times the largest is 0 */
static const double NOTHING = 1e-8, ZERO = 1e-6;
/* A cycle ends when the residual is this fraction of that of the start */
static const double RESIDUAL_RATIO_END = 1e-14;

/* One regressor of a fixed term. A search has one for each component of the trait. Arrays
   are borrowed. */
typedef struct {
  int                  term;
  const MeritTermView *view;
  const int32_t       *slot;
  const double        *value;    /* [n_rows] or NULL */
  int32_t              at;       /* component of the trait in a level */
  int                  position; /* of the component among those of the trait */
} List;

/* The search of one trait. Fixed equations have numbers of their own: owned ones, then ghosts. */
typedef struct {
  MeritModel            model;
  const MeritAliasWork *work;
  int                   n_lists;
  List                 *list; /* owned */
  int32_t               n_owned, n;
  int32_t              *number; /* [n_local of the model] of an equation, -1: none; owned */
  PetscSF               halo;   /* owned */
  double               *scale;  /* [n] 1 / length of the column, 0: absent or marked; owned */
  int64_t              *column; /* [n_owned] canonical; owned */
  int                   k;      /* vectors */
  double               *u, *y;  /* [n * WIDTH] work; owned */
} Search;

/* List the components of the trait in fixed terms, with the covariates of the search
   (MeritAliasWork), which may be centred. Not collective. */
static PetscErrorCode Lists(Search *s)
{
  const MeritFormula *formula = s->model->formula;

  PetscFunctionBegin;
  for (int k = 0; k < s->work->n_terms; k++) s->n_lists += s->work->first[k] < 0 ? 0 : s->work->width[k];
  PetscCall(PetscMalloc1(s->n_lists, &s->list));
  s->n_lists = 0;
  for (int k = 0; k < s->work->n_terms; k++)
    for (int c = 0, position = 0; s->work->first[k] >= 0 && c < formula->term[k].n_components; c++) {
      const int            r    = formula->term[k].component[c].regressor;
      const MeritTermView *view = &s->model->term[k].view;

      if (formula->term[k].component[c].trait != s->work->trait) continue;
      s->list[s->n_lists++] = (List){k, view, view->design[r].slot, s->work->value[k][r], c, position++};
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number the equations of the listed components, those of owned levels first, then those
   of ghosts; make the work arrays; find the canonical column of every owned equation. Not
   collective. */
static PetscErrorCode Number(Search *s)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->model->equations.layout.n_local + 1, &s->number));
  for (int32_t i = 0; i < s->model->equations.layout.n_local; i++) s->number[i] = -1;
  for (int ghosts = 0; ghosts < 2; ghosts++) {
    for (int l = 0; l < s->n_lists; l++) {
      const MeritTermView *v = s->list[l].view;

      for (int32_t i = 0; i < (ghosts ? v->n_ghost : v->n_owned); i++)
        s->number[(ghosts ? v->eq_other : v->eq_owned) + i * v->n_eq + s->list[l].at] = s->n++;
    }
    if (!ghosts) s->n_owned = s->n;
  }
  PetscCall(PetscCalloc4(s->n + 1, &s->scale, s->n_owned + 1, &s->column, (size_t)s->n * WIDTH + 1, &s->u, (size_t)s->n * WIDTH + 1, &s->y));
  for (int l = 0; l < s->n_lists; l++) {
    const List *a = &s->list[l];

    for (int32_t i = 0; i < a->view->n_owned; i++)
      s->column[s->number[a->view->eq_owned + i * a->view->n_eq + a->at]] =
          s->work->first[a->term] + a->view->canonical[i] * s->work->width[a->term] + a->position;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The halo of the model, restricted to these equations. A ghost equation needs the new
   number of its equation on the owner, which the halo of the model sends. Ghosts have
   numbers in the order of the leaves, so leaf i is number n_owned + i. Collective. Every
   ghost equation of a listed component is a leaf. */
static PetscErrorCode Halo(Search *s)
{
  const PetscSFNode *from;
  PetscSFNode       *to;
  int32_t           *root;
  PetscInt           n_leaves;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->model->equations.layout.n_local + 1, &root));
  PetscCall(PetscArraycpy(root, s->number, s->model->equations.layout.n_owned));
  PetscCall(PetscSFBcastBegin(s->model->equations.halo, MPI_INT32_T, root, root + s->model->equations.layout.n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(s->model->equations.halo, MPI_INT32_T, root, root + s->model->equations.layout.n_owned, MPI_REPLACE));
  PetscCall(PetscSFGetGraph(s->model->equations.halo, NULL, &n_leaves, NULL, &from));
  PetscCall(PetscMalloc1((size_t)(s->n - s->n_owned) + 1, &to));
  for (PetscInt i = 0; i < n_leaves; i++) {
    const int32_t leaf = s->number[s->model->equations.layout.n_owned + i];

    if (leaf >= 0) to[leaf - s->n_owned] = (PetscSFNode){from[i].rank, root[s->model->equations.layout.n_owned + i]};
  }
  PetscCall(PetscSFCreate(s->model->comm, &s->halo));
  PetscCall(PetscSFSetGraph(s->halo, s->n_owned, s->n - s->n_owned, NULL, PETSC_COPY_VALUES, to, PETSC_OWN_POINTER));
  PetscCall(PetscFree(root));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of the equation (owned or ghost) of a record in list a */
static inline int32_t Met(const Search *s, const List *a, int64_t row) { return s->number[MeritTermEquationOfSlot(a->view, a->slot[row]) + a->at]; }

/* s->y = X'X s->u for k vectors, or, where square is not NULL, only square [k] = |X u|^2.
   u [n * k] is given for owned equations and fetched for ghosts. Each record adds its row
   of X: sum = x'u, then y += x sum. Parts of y in ghosts are added to their owners. Only
   records in which the trait counts. Collective. */
static PetscErrorCode Product(Search *s, int k, double *square)
{
  MPI_Datatype unit;
  double      *ghosts[2] = {s->u + (int64_t)s->n_owned * k, s->y + (int64_t)s->n_owned * k};

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCall(PetscSFBcastBegin(s->halo, unit, s->u, ghosts[0], MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(s->halo, unit, s->u, ghosts[0], MPI_REPLACE));
  PetscCall(PetscArrayzero(s->y, (size_t)s->n * (size_t)k));
  for (int j = 0; square && j < k; j++) square[j] = 0.0;
  for (int64_t row = 0; row < s->model->rows.n; row++) {
    double sum[WIDTH] = {0.0};

    if (!(s->model->rows.observed[row] >> s->work->trait & 1)) continue;
    for (int l = 0; l < s->n_lists; l++) {
      const double *u = s->u + (int64_t)Met(s, &s->list[l], row) * k, value = s->list[l].value ? s->list[l].value[row] : 1.0;

      for (int j = 0; j < k; j++) sum[j] += value * u[j];
    }
    for (int j = 0; square && j < k; j++) square[j] += sum[j] * sum[j];
    for (int l = 0; !square && l < s->n_lists; l++) {
      const double value = s->list[l].value ? s->list[l].value[row] : 1.0;
      double      *y     = s->y + (int64_t)Met(s, &s->list[l], row) * k;

      for (int j = 0; j < k; j++) y[j] += value * sum[j];
    }
  }
  PetscCall(PetscSFReduceBegin(s->halo, unit, ghosts[1], s->y, MPI_SUM));
  PetscCall(PetscSFReduceEnd(s->halo, unit, ghosts[1], s->y, MPI_SUM));
  PetscCall(MeritUnitFree(&unit));
  if (square) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, square, k, MPI_DOUBLE, MPI_SUM, s->model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mark the column of owned equation i as aliased and leave it out of the search (scale
   0). The term of a column is the one with the largest first column that is not behind
   it. */
static void MarkColumn(Search *s, int32_t i)
{
  int k = -1;

  for (int t = 0; t < s->work->n_terms; t++)
    if (s->work->first[t] >= 0 && s->work->first[t] <= s->column[i] && (k < 0 || s->work->first[t] > s->work->first[k])) k = t;
  MeritAliasMark(s->model, k, s->work->trait, (s->column[i] - s->work->first[k]) / s->work->width[k],
                 (int)((s->column[i] - s->work->first[k]) % s->work->width[k]));
  s->scale[i] = 0.0;
}

/* scale = 1 / length of each column; 0 for columns that are marked or absent. Columns of
   zeros are marked. Collective. First scale holds the sums of squares, of which owners
   get the parts of other ranks. */
static PetscErrorCode Scale(Search *s)
{
  MPI_Datatype unit;

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(1, &unit));
  for (int64_t row = 0; row < s->model->rows.n; row++)
    for (int l = 0; l < s->n_lists && s->model->rows.observed[row] >> s->work->trait & 1; l++) {
      const double value = s->list[l].value ? s->list[l].value[row] : 1.0;

      s->scale[Met(s, &s->list[l], row)] += value * value;
    }
  PetscCall(PetscSFReduceBegin(s->halo, unit, s->scale + s->n_owned, s->scale, MPI_SUM));
  PetscCall(PetscSFReduceEnd(s->halo, unit, s->scale + s->n_owned, s->scale, MPI_SUM));
  PetscCall(MeritUnitFree(&unit));
  for (int l = 0; l < s->n_lists; l++)
    for (int32_t i = 0; i < s->list[l].view->n_owned; i++) {
      const int32_t equation = s->list[l].view->eq_owned + i * s->list[l].view->n_eq + s->list[l].at, at = s->number[equation];

      if (s->model->counts.state[equation] == MERIT_EQ_OK && s->scale[at] <= 0.0) MarkColumn(s, at);
      s->scale[at] = s->model->counts.state[equation] == MERIT_EQ_OK ? 1.0 / sqrt(s->scale[at]) : 0.0;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* s->y = A x for owned equations, [n_owned * k], with A = D X'X D and D = diag(scale).
   Columns with scale 0 have no part in the product. Collective. */
static PetscErrorCode Apply(Search *s, const double *x)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n_owned; i++)
    for (int j = 0; j < s->k; j++) s->u[(int64_t)i * s->k + j] = s->scale[i] * x[(int64_t)i * s->k + j];
  PetscCall(Product(s, s->k, NULL));
  for (int32_t i = 0; i < s->n_owned; i++)
    for (int j = 0; j < s->k; j++) s->y[(int64_t)i * s->k + j] *= s->scale[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* dot [j] = x_j'y_j over all ranks. Collective. */
static PetscErrorCode Dots(const Search *s, const double *x, const double *y, double dot[])
{
  PetscFunctionBegin;
  for (int j = 0; j < s->k; j++) dot[j] = 0.0;
  for (int32_t i = 0; i < s->n_owned; i++)
    for (int j = 0; j < s->k; j++) dot[j] += x[(int64_t)i * s->k + j] * y[(int64_t)i * s->k + j];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, dot, s->k, MPI_DOUBLE, MPI_SUM, s->model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One cycle of conjugate gradients on A x = 0 from x, each vector with steps of its own;
   r and p [n_owned * k] are scratch. Collective. A vector stops (step 0) once its squared
   residual is below its goal; the cycle ends when all have stopped or the iterations are
   used up. */
static PetscErrorCode Cycle(Search *s, const double goal[], double *x, double *r, double *p, int *iterations)
{
  const int k = s->k;
  double    rr[WIDTH], before[WIDTH], pAp[WIDTH];
  bool      go = true;

  PetscFunctionBegin;
  PetscCall(Apply(s, x));
  for (int64_t i = 0; i < (int64_t)s->n_owned * k; i++) p[i] = r[i] = -s->y[i];
  PetscCall(Dots(s, r, r, rr));
  for (; go && *iterations < MOST_ITERATIONS; ++*iterations) {
    double step[WIDTH], turn[WIDTH];

    PetscCall(Apply(s, p));
    PetscCall(Dots(s, p, s->y, pAp));
    for (int j = 0; j < k; j++) {
      before[j] = rr[j];
      step[j]   = rr[j] > goal[j] && pAp[j] > 0.0 ? rr[j] / pAp[j] : 0.0;
    }
    for (int64_t i = 0; i < (int64_t)s->n_owned * k; i++) {
      x[i] += step[i % k] * p[i];
      r[i] -= step[i % k] * s->y[i];
    }
    PetscCall(Dots(s, r, r, rr));
    go = false;
    for (int j = 0; j < k; j++) {
      turn[j] = step[j] > 0.0 ? rr[j] / before[j] : 0.0;
      go      = go || (step[j] > 0.0 && rr[j] > goal[j]);
    }
    for (int64_t i = 0; i < (int64_t)s->n_owned * k; i++) p[i] = r[i] + turn[i % k] * p[i];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* k random vectors of the null space, x [n_owned * k]. Several cycles, since the residual
   is computed afresh in each. Collective. The start depends on trait, round and canonical
   column only, so results do not depend on the number of ranks. The warning says that
   the last vectors may not be exact; they are proven before use all the same. */
static PetscErrorCode NullVectors(Search *s, uint32_t round, double *x)
{
  double *r, *p, goal[WIDTH];
  int     iterations = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)s->n_owned * WIDTH + 1, &r, (size_t)s->n_owned * WIDTH + 1, &p));
  for (int32_t i = 0; i < s->n_owned; i++) {
    const MeritRandomKey key = {.purpose = PURPOSE_NULL, .iteration = round, .term = (uint32_t)s->work->trait, .level = (uint64_t)s->column[i]};

    for (int j = 0; j < s->k; j++) x[(int64_t)i * s->k + j] = s->scale[i] > 0.0 ? MeritRandomNormal(&key, (uint32_t)j) : 0.0;
  }
  PetscCall(Apply(s, x));
  PetscCall(Dots(s, s->y, s->y, goal));
  for (int j = 0; j < s->k; j++) goal[j] *= RESIDUAL_RATIO_END * RESIDUAL_RATIO_END;
  for (int i = 0; i < CYCLES; i++) PetscCall(Cycle(s, goal, x, r, p, &iterations));
  if (iterations >= MOST_ITERATIONS)
    MeritLog(MERIT_LOG_WARNING,
             "%s: very few records connect the levels of fixed classes, so that some redundant equations may not be found; join levels that have few "
             "records",
             s->model->formula->trait[s->work->trait]);
  PetscCall(PetscFree2(r, p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *last = last column in which an unused vector is not 0 (-1: none), at [k] = the
   vectors' values there; the same on all ranks. Collective. One rank alone owns that
   column; the others add 0. */
static PetscErrorCode Last(const Search *s, const double *x, const double zero[], const bool used[], int64_t *last, double at[])
{
  int64_t own = -1;
  int32_t row = -1;

  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n_owned; i++)
    for (int j = 0; j < s->k && s->column[i] > own; j++)
      if (!used[j] && fabs(x[(int64_t)i * s->k + j]) > zero[j]) own = s->column[i], row = i;
  PetscCallMPI(MPI_Allreduce(&own, last, 1, MPI_INT64_T, MPI_MAX, s->model->comm));
  for (int j = 0; j < s->k; j++) at[j] = own >= 0 && own == *last ? x[(int64_t)row * s->k + j] : 0.0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, at, s->k, MPI_DOUBLE, MPI_SUM, s->model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *ratio = |X x_j|^2 divided by the squared element of its last column: what that column
   has of its own. Collective. With x_j divided by that element, the column plus a
   combination of the others has this squared length, for columns of length 1; it is no
   less than the squared distance of the column from their span. */
static PetscErrorCode Proof(Search *s, const double *x, int j, double last, double *ratio)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n_owned; i++) s->u[i] = s->scale[i] * x[(int64_t)i * s->k + j];
  PetscCall(Product(s, 1, ratio));
  *ratio /= last * last;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* zero [j] = size below which elements of vector j count as 0: ZERO times its largest
   element. Vectors that are 0 altogether (NOTHING) count as used, since the start had no
   part in the null space. Collective. */
static PetscErrorCode Zero(const Search *s, const double *x, double zero[], bool used[])
{
  PetscFunctionBegin;
  for (int j = 0; j < s->k; j++) {
    zero[j] = 0.0;
    for (int32_t i = 0; i < s->n_owned; i++) zero[j] = PetscMax(zero[j], fabs(x[(int64_t)i * s->k + j]));
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, zero, s->k, MPI_DOUBLE, MPI_MAX, s->model->comm));
  for (int j = 0; j < s->k; j++) {
    used[j] = zero[j] < NOTHING;
    zero[j] *= ZERO;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mark the last columns of the vectors; *all: every vector had one, so there may be more.
   Collective. In each step the vector with the largest element there is used, and it is
   subtracted from the others so that they are 0 there; so the next last column is another
   one. A column that is not proven is not marked. */
static PetscErrorCode MarkLast(Search *s, double *x, int *n_marked, bool *all)
{
  double zero[WIDTH], at[WIDTH], ratio;
  bool   used[WIDTH];
  int    n_used = 0;

  PetscFunctionBegin;
  *n_marked = 0;
  PetscCall(Zero(s, x, zero, used));
  for (int step = 0; step < s->k; step++) {
    int64_t last;
    int     best = -1;

    PetscCall(Last(s, x, zero, used, &last, at));
    if (last < 0) break;
    for (int j = 0; j < s->k; j++)
      if (!used[j] && (best < 0 || fabs(at[j]) > fabs(at[best]))) best = j;
    PetscCall(Proof(s, x, best, at[best], &ratio));
    for (int32_t i = 0; i < s->n_owned; i++) {
      double *own = x + (int64_t)i * s->k;

      if (s->column[i] == last && ratio <= MERIT_ALIAS_DEPENDENT) MarkColumn(s, i);
      for (int j = 0; j < s->k; j++)
        if (j != best && !used[j]) own[j] -= at[j] / at[best] * own[best];
    }
    used[best] = true;
    n_used++;
    *n_marked += ratio <= MERIT_ALIAS_DEPENDENT;
  }
  *all = n_used == s->k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasNull - See the header. Collective on the model. */
PetscErrorCode MeritAliasNull(MeritModel model, const MeritAliasWork *work)
{
  Search  s = {.model = model, .work = work, .k = FIRST_WIDTH};
  double *x;
  int     n_marked;
  bool    all = true;

  PetscFunctionBegin;
  PetscCall(Lists(&s));
  PetscCall(Number(&s));
  PetscCall(Halo(&s));
  PetscCall(Scale(&s));
  PetscCall(PetscMalloc1((size_t)s.n_owned * WIDTH + 1, &x));
  /* two vectors show whether there is a null space at all; then eight at a time, as long as they
     find something */
  for (uint32_t round = 0; all; round++) {
    PetscCall(NullVectors(&s, round, x));
    PetscCall(MarkLast(&s, x, &n_marked, &all));
    all = all && (n_marked || s.k < WIDTH);
    s.k = WIDTH;
  }
  PetscCall(PetscFree(x));
  PetscCall(PetscFree(s.list));
  PetscCall(PetscFree(s.number));
  PetscCall(PetscFree4(s.scale, s.column, s.u, s.y));
  PetscCall(PetscSFDestroy(&s.halo));
  PetscFunctionReturn(PETSC_SUCCESS);
}
