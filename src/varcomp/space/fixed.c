/*
  Fixed effects taken out of blocks of record values, by the normal equations: S = I - X
  (X'X)^-1 X'.

  The levels of the largest class, at most one in a record, have a diagonal D in X'X and are
  eliminated first. With the other effects, X'X = [D C; C' E], and what remains is the dense
  matrix E - C' D^-1 C, of which every rank has the Cholesky factor. So a model with very many
  levels of one class (herds times years) and few other effects is cheap. X consists of rows in
  the space of records: columns and coefficients times the square root of the weight.

  A projection is three steps: X'x over all ranks (ToFixed), the solution of the normal
  equations on every rank alike (SolveFixed), and x less X times the solution.
*/
#include "space.h"
#include <math.h>
#include <petscblaslapack.h>

/*
  Effects beside those of the largest class, all effects, and numbers that every rank keeps of
  the first against the second
*/
enum { MOST_REST = 2000, MOST_FIXED = 500000, MOST_BORDER = 1 << 24 };

/*
  The fixed term of one class with the most levels; -1: none. Terms with a covariate do not
  count.
*/
static int LargestClass(int n_terms, const MeritTermView *term)
{
  int largest = -1;

  for (int k = 0; k < n_terms; k++)
    if (term[k].fixed && term[k].n_regressors == 1 && !term[k].design[0].value && (largest < 0 || term[k].n_levels > term[largest].n_levels))
      largest = k;
  return largest;
}

/*
  Columns of X are the fixed equations that do not depend on others: the n_class of the largest
  class, then the rest, rank after rank. number[n_local] of owned and ghost equations.
*/
static PetscErrorCode NumberColumns(RecordSpace *s, int n_terms, const MeritTermView *term, int **number)
{
  const uint8_t *state   = MeritModelEquationState(s->model);
  const int      largest = LargestClass(n_terms, term);
  int            n[2] = {0, 0}, first[2] = {0, 0}, n_class;
  int32_t        n_owned, n_local;

  PetscFunctionBegin;
  /*
    Each rank numbers what it owns, from 0 in both parts; then adds the numbers of the ranks
    before it. Ghost equations get theirs from the owners.
  */
  n_owned = MeritModelLayout(s->model)->n_owned;
  n_local = MeritModelLayout(s->model)->n_local;
  PetscCall(PetscMalloc1(n_local + 1, number));
  for (int32_t i = 0; i < n_local; i++) (*number)[i] = -1;
  for (int k = 0; k < n_terms; k++)
    for (int32_t e = term[k].eq_owned; term[k].fixed && e < term[k].eq_owned + term[k].n_owned * term[k].n_eq; e++)
      if (state[e] == MERIT_EQ_OK) (*number)[e] = n[k != largest]++;
  n_class = n[0];
  PetscCallMPI(MPI_Exscan(n, first, 2, MPI_INT, MPI_SUM, s->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_class, 1, MPI_INT, MPI_SUM, s->comm));
  s->fixed.n_class = n_class;
  for (int k = 0; k < n_terms; k++)
    for (int32_t e = term[k].eq_owned; term[k].fixed && e < term[k].eq_owned + term[k].n_owned * term[k].n_eq; e++)
      if ((*number)[e] >= 0) (*number)[e] += k == largest ? first[0] : n_class + first[1];
  PetscCall(PetscSFBcastBegin(MeritModelHalo(s->model), MPI_INT, *number, *number + n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(MeritModelHalo(s->model), MPI_INT, *number, *number + n_owned, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FixedRowsCreate - See the header. */
PetscErrorCode FixedRowsCreate(int32_t n, int n_lists, FixedRows *rows)
{
  PetscFunctionBegin;
  *rows = (FixedRows){.n = n, .n_lists = n_lists};
  PetscCall(PetscMalloc2(n_lists, &rows->column, n_lists, &rows->coefficient));
  for (int l = 0; l < n_lists; l++) PetscCall(PetscMalloc2(n, &rows->column[l], n, &rows->coefficient[l]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FixedRowsDestroy - Free what that made. */
PetscErrorCode FixedRowsDestroy(FixedRows *rows)
{
  PetscFunctionBegin;
  for (int l = 0; l < rows->n_lists; l++) PetscCall(PetscFree2(rows->column[l], rows->coefficient[l]));
  PetscCall(PetscFree2(rows->column, rows->coefficient));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Column of X and coefficient of each regressor of each fixed term, for each record and trait of
  this rank: s->fixed.rows with a list for each regressor. -1: the record has no level, the trait no
  equation, or the equation depends on others.
*/
static PetscErrorCode Columns(RecordSpace *s)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(s->model, &term);
  int                 *number, n_lists = 0, l = 0;

  PetscFunctionBegin;
  PetscCall(NumberColumns(s, n_terms, term, &number));
  for (int k = 0; k < n_terms; k++)
    if (term[k].fixed) n_lists += term[k].n_regressors;
  PetscCall(FixedRowsCreate(s->n_values, n_lists, &s->fixed.rows));
  for (int k = 0; k < n_terms; k++)
    for (int r = 0; term[k].fixed && r < term[k].n_regressors; r++, l++) {
      const MeritDesignView *d = &term[k].design[r];

      for (int32_t x = 0; x < s->n_values; x++) {
        const int32_t i = x / s->n_traits;
        const int     t = x % s->n_traits;

        s->fixed.rows.column[l][x]      = d->slot[i] < 0 || d->offset[t] < 0 ? -1 : number[d->slot[i] + d->offset[t]];
        s->fixed.rows.coefficient[l][x] = d->value ? s->sqrt_weight[x] * d->value[i] : s->sqrt_weight[x];
      }
    }
  PetscCall(PetscFree(number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The diagonal D of the largest class in X'X, and the rows of the rest, border[n_rest * p] = (C'
  E), over all ranks
*/
static PetscErrorCode Accumulate(RecordSpace *s)
{
  const int64_t    p = s->p;
  const FixedRows *x = &s->fixed.rows;

  PetscFunctionBegin;
  for (int32_t i = 0; i < x->n; i++)
    for (int a = 0; a < x->n_lists; a++) {
      const int32_t row = x->column[a][i];

      if (row >= 0 && row < s->fixed.n_class) s->fixed.diagonal[row] += x->coefficient[a][i] * x->coefficient[a][i];
      for (int b = 0; row >= s->fixed.n_class && b < x->n_lists; b++)
        if (x->column[b][i] >= 0) s->fixed.border[(row - s->fixed.n_class) * p + x->column[b][i]] += x->coefficient[a][i] * x->coefficient[b][i];
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->fixed.diagonal, s->fixed.n_class, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->fixed.border, (PetscMPIInt)((p - s->fixed.n_class) * p), MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  border becomes (C' D^-1, Cholesky factor of E - C' D^-1 C), and log |X'X| is added to
  log_fixed: log |D| + log |E - C' D^-1 C|. Arrays are row-major, BLAS and LAPACK see their
  transposes: the "L" triangle by columns is the upper one by rows.
*/
static PetscErrorCode Eliminate(RecordSpace *s)
{
  const int64_t p   = s->p;
  PetscBLASInt  all = (PetscBLASInt)p, n_class = s->fixed.n_class, rest = all - n_class, info = 0;
  const double  one = 1.0, minus = -1.0;
  double       *scaled;

  PetscFunctionBegin;
  for (int c = 0; c < s->fixed.n_class; c++) s->fixed.log_determinant += log(s->fixed.diagonal[c]);
  if (!rest) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)(p * rest), &scaled));
  for (int64_t r = 0; r < rest; r++)
    for (int c = 0; c < s->fixed.n_class; c++) scaled[r * p + c] = s->fixed.border[r * p + c] / s->fixed.diagonal[c];
  if (n_class)
    PetscCallBLAS("BLASgemm",
                  BLASgemm_("T", "N", &rest, &rest, &n_class, &minus, s->fixed.border, &all, scaled, &all, &one, s->fixed.border + n_class, &all));
  for (int64_t r = 0; r < rest; r++) PetscCall(PetscArraycpy(s->fixed.border + r * p, scaled + r * p, s->fixed.n_class));
  PetscCall(PetscFree(scaled));
  PetscCallBLAS("LAPACKpotrf", LAPACKpotrf_("L", &rest, s->fixed.border + n_class, &all, &info));
  if (info)
    PetscCall(
        MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL, "the fixed effects depend on each other too closely to be eliminated; leave one of them out"));
  for (int64_t r = 0; r < rest; r++) s->fixed.log_determinant += 2.0 * log(s->fixed.border[r * p + n_class + r]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fixed effects that are taken out: all in all, and beside those of the largest class */
static bool FitsElimination(int64_t p, int64_t rest) { return p <= MOST_FIXED && rest <= MOST_REST && rest * p <= MOST_BORDER; }

/*
  RecordSpaceFixedFits - See the header. The columns are counted as in NumberColumns, without
  making anything. Collective.
*/
PetscErrorCode RecordSpaceFixedFits(MeritVarcomp v, bool *fits)
{
  const uint8_t       *state = MeritModelEquationState(v->model);
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term), largest = LargestClass(n_terms, term);
  int64_t              n_class = 0;

  PetscFunctionBegin;
  for (int32_t e = 0; largest >= 0 && e < term[largest].n_owned * term[largest].n_eq; e++)
    n_class += state[term[largest].eq_owned + e] == MERIT_EQ_OK;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_class, 1, MPI_INT64_T, MPI_SUM, v->comm));
  *fits = FitsElimination(v->run.n_fixed, v->run.n_fixed - n_class);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RecordSpaceFixedCreate - See the header. log_fixed begins with the part that brings X back to
  the units of the data, MeritModelFixedScale. Collective. Errors: USAGE for too many fixed
  effects, INPUT for effects that are nearly dependent.
*/
PetscErrorCode RecordSpaceFixedCreate(RecordSpace *s, const char engine[])
{
  int64_t rest;

  PetscFunctionBegin;
  if (s->p > MOST_FIXED)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                         "engine %s eliminates at most %d fixed effects, and the model has %lld; use auto", engine, (int)MOST_FIXED,
                         (long long)s->p));
  PetscCall(Columns(s));
  rest = s->p - s->fixed.n_class;
  if (!FitsElimination(s->p, rest))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                         "engine %s cannot eliminate %lld fixed effects beside the %d of the largest class; use auto", engine, (long long)rest,
                         s->fixed.n_class));
  PetscCall(MeritModelFixedScale(s->model, &s->fixed.log_determinant));
  PetscCall(PetscCalloc2((size_t)s->fixed.n_class, &s->fixed.diagonal, (size_t)(rest * s->p), &s->fixed.border));
  PetscCall(Accumulate(s));
  PetscCall(Eliminate(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RecordSpaceFixedDestroy - Free what that made. Not collective. */
PetscErrorCode RecordSpaceFixedDestroy(RecordSpace *s)
{
  PetscFunctionBegin;
  PetscCall(FixedRowsDestroy(&s->fixed.rows));
  PetscCall(PetscFree2(s->fixed.diagonal, s->fixed.border));
  PetscCall(PetscFree(s->fixed.effect));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* effect [p * k] = X'x of the rows given; summed over all ranks where these have them together */
static PetscErrorCode ToFixed(RecordSpace *s, const FixedRows *rows, bool all, int k, size_t stride, const double x[])
{
  PetscFunctionBegin;
  if (k > s->fixed.effect_width) {
    PetscCall(PetscFree(s->fixed.effect));
    PetscCall(PetscMalloc1((size_t)s->p * (size_t)k, &s->fixed.effect));
    s->fixed.effect_width = k;
  }
  PetscCall(PetscArrayzero(s->fixed.effect, (size_t)s->p * (size_t)k));
  for (int32_t i = 0; i < rows->n; i++)
    for (int l = 0; l < rows->n_lists; l++) {
      const int32_t column = rows->column[l][i];
      const double  c      = rows->coefficient[l][i];

      for (int j = 0; column >= 0 && j < k; j++) s->fixed.effect[(int64_t)column * k + j] += c * x[(size_t)i * stride + (size_t)j];
    }
  if (all) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->fixed.effect, (PetscMPIInt)(s->p * k), MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  effect [p * k] = (X'X)^-1 effect. With effect = (a, b) of the class and the rest: b -= C' D^-1
  a, a = D^-1 a, b = (F F')^-1 b, a -= D^-1 C b.
*/
static PetscErrorCode SolveFixed(RecordSpace *s, int k)
{
  PetscBLASInt  all = (PetscBLASInt)s->p, n_class = s->fixed.n_class, rest = all - n_class, width = k;
  const double  one = 1.0, minus = -1.0;
  double       *r = s->fixed.effect + (size_t)s->fixed.n_class * (size_t)k;
  const double *C = s->fixed.border, *F = s->fixed.border + n_class;

  PetscFunctionBegin;
  if (rest && n_class)
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &width, &rest, &n_class, &minus, s->fixed.effect, &width, C, &all, &one, r, &width));
  for (int64_t c = 0; c < n_class; c++)
    for (int j = 0; j < k; j++) s->fixed.effect[c * k + j] /= s->fixed.diagonal[c];
  if (!rest) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallBLAS("BLAStrsm", BLAStrsm_("R", "L", "T", "N", &width, &rest, &one, F, &all, r, &width));
  PetscCallBLAS("BLAStrsm", BLAStrsm_("R", "L", "N", "N", &width, &rest, &one, F, &all, r, &width));
  if (n_class) PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &width, &n_class, &rest, &minus, r, &width, C, &all, &one, s->fixed.effect, &width));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RecordSpaceProjectRows - See the header. x -= X (X'X)^-1 X'x. Every rank has the whole
  solution, so only the sums of X'x are messages. Collective where all.
*/
PetscErrorCode RecordSpaceProjectRows(RecordSpace *s, const FixedRows *rows, bool all, int k, size_t stride, double x[])
{
  PetscFunctionBegin;
  if (!s->p) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(ToFixed(s, rows, all, k, stride, x));
  PetscCall(SolveFixed(s, k));
#pragma omp parallel for schedule(static) if ((int64_t)rows->n * k > 10000)
  for (int32_t i = 0; i < rows->n; i++)
    for (int l = 0; l < rows->n_lists; l++) {
      const int32_t column = rows->column[l][i];
      const double  c      = rows->coefficient[l][i];

      for (int j = 0; column >= 0 && j < k; j++) x[(size_t)i * stride + (size_t)j] -= c * s->fixed.effect[(int64_t)column * k + j];
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RecordSpaceProject - x = S x for k columns. Collective. */
PetscErrorCode RecordSpaceProject(RecordSpace *s, int k, double x[])
{
  PetscFunctionBegin;
  PetscCall(RecordSpaceProjectRows(s, &s->fixed.rows, true, k, (size_t)k, x));
  PetscFunctionReturn(PETSC_SUCCESS);
}
