/*
  C formed as a sparse matrix (MATAIJ), for direct solvers, left-hand-side solvers and REML.

  C is a sum of contributions (row, column, value), which PETSc adds up
  (MatSetPreallocationCOO):
  1. from each record, W' R^-1 W among the equations of its levels;
  2. from each level of a random term of form `recursion`, its row of (I - P)' D^-1 (I - P),
     times G^-1 (Henderson 1976 for pedigrees);
  3. 1 on the diagonal of constrained equations;
  4. columns of terms of form `factor` (SNPs, ridge), which have an entry for every level of
     every term: products of the operator with unit vectors.

  The contributions are counted first (Triplets without arrays), then written. For a model whose
  variances are estimated, contributions that are 0 are written too, so that their number and
  order are the same for all variances: then new numbers go into the same matrix without a new
  pattern.
*/
#include "op_impl.h"
#include <merit/residual.h>

/* Columns of the operator formed at once; bytes an entry takes while the matrix is put together, and in it */
enum { COLUMNS = 16, BYTES = 64 };

/* Contributions to entries of C, by global equations; those of one entry are added up. Counted only while
   row is NULL */
typedef struct {
  PetscCount n;
  PetscInt  *row, *column; /* [n]; owned */
  double    *value;        /* [n]; owned */
} Triplets;

/* A coefficient of a record in an equation, an element of W. `equation` is global, -1 if constrained. */
typedef struct {
  PetscInt equation;
  int      trait;
  double   value;
} Coefficient;

/* What one assembly works with. */
typedef struct {
  MeritMME      *mme;
  Mat            C;
  PetscInt       first;
  PetscInt      *equation; /* [n_local] global number, -1 where constrained; owned */
  Coefficient   *list;     /* those of one record; owned */
  MeritPenalties penalties;
  bool           whole;  /* positions of entries do not depend on the variances */
  bool           sparse; /* without entries of dense terms */
  Triplets       t;
} Assembly;

/* Terms whose levels may all have an entry with each other (SNPs, ridge): their columns are
   taken from the operator. */
static bool IsDense(const MeritTermView *t) { return MeritStructureForm(t->structure) == MERIT_FORM_FACTOR; }

/* Write one contribution, or count it. Equations that are constrained (-1) have none. */
static void Add(Triplets *t, PetscInt row, PetscInt column, double value)
{
  if (row < 0 || column < 0) return;
  if (t->row) {
    t->row[t->n]    = row;
    t->column[t->n] = column;
    t->value[t->n]  = value;
  }
  t->n++;
}

/* What one regressor of a term has in a record. Where positions are not to depend on numbers, a component has its own equation, or all of its
   level if L mixes them. */
static int ListRegressor(const Assembly *a, const MeritTermView *t, const MeritDesignView *d, int n_traits, int32_t record, Coefficient *list)
{
  const bool   own   = a->whole && !MeritTermMixes(t);
  const double value = d->value ? d->value[record] : 1.0;
  int          n     = 0;
  int32_t      eq;

  if (d->slot[record] < 0 || !t->n_eq) return 0;
  eq = MeritTermEquationOfSlot(t, d->slot[record]);
  for (int trait = 0; trait < n_traits; trait++) {
    const int c = d->offset[trait];

    if (c < 0) continue;
    if (!t->L) list[n++] = (Coefficient){a->equation[eq + c], trait, value};
    for (int e = 0; t->L && e < t->n_eq; e++)
      if (!own || e == c) list[n++] = (Coefficient){a->equation[eq + e], trait, value * t->L[c * t->n_eq + e]};
  }
  return n;
}

/* Coefficients of a record in the sparse terms; in fixed ones they are 0 where only random effects count */
static int ListRecord(const Assembly *a, int n_traits, int32_t record)
{
  int n = 0;

  for (int k = 0; k < a->mme->n_terms; k++) {
    const MeritTermView *t     = &a->mme->term[k];
    const int            first = n;

    for (int g = 0; g < t->n_regressors && !IsDense(t); g++) n += ListRegressor(a, t, &t->design[g], n_traits, record, a->list + n);
    for (int i = first; i < n && a->penalties.random && t->fixed; i++) a->list[i].value = 0.0;
  }
  return n;
}

/* The contributions of this rank's records. A pair of coefficients counts if R^-1 has an element
   for their traits; in a whole pattern, if both traits are observed. */
static void AddRecords(Assembly *a)
{
  const MeritRecordsView *records  = MeritModelRecords(a->mme->model);
  const int               n_traits = records->n_traits;

  for (int32_t record = 0; record < records->n_records; record++) {
    const double            *R         = a->penalties.R_inverse; /* NULL: 0 */
    const MeritRecordInverse r_inverse = MeritRecordInverseOf(R, R ? records->pattern : NULL, records->sqrt_weight, n_traits, record);
    const uint32_t           seen      = records->observed[records->pattern[record]];
    const int                n         = ListRecord(a, n_traits, record);

    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        const Coefficient *p = &a->list[i], *q = &a->list[j];
        const bool         both = seen >> p->trait & seen >> q->trait & 1;
        const double       r    = R ? MeritRecordInverseElement(r_inverse, n_traits, p->trait, q->trait) : 0.0;

        if (a->whole ? both : r != 0.0) Add(&a->t, p->equation, q->equation, p->value * r * q->value);
      }
  }
}

/* Where the contributions of one term's rows go */
typedef struct {
  Assembly     *a;
  int           n;
  const double *G_inverse; /* NULL: 0 */
} Penalties;

/* One contribution to K^-1, times G^-1 */
static void AddPenalty(void *ctx, int32_t row, int32_t column, double product, double d)
{
  const Penalties *p = ctx;

  for (int b = 0; b < p->n * p->n; b++)
    Add(&p->a->t, p->a->equation[row + b / p->n], p->a->equation[column + b % p->n], p->G_inverse ? product * p->G_inverse[b] / d : 0.0);
}

/* The matrix in the place of G^-1 of a term; NULL: 0. */
static const double *Penalty(const Assembly *a, int k) { return a->penalties.penalty ? a->penalties.penalty[k] : NULL; }

/* The diagonal of constrained equations, and of fixed ones that do not count */
static void AddIdentity(Assembly *a)
{
  const MeritMME *mme = a->mme;

  for (int32_t i = 0; i < mme->constrained.n; i++)
    Add(&a->t, a->first + mme->constrained.equation[i], a->first + mme->constrained.equation[i], a->penalties.identity);
  for (int k = 0; k < mme->n_terms && a->whole; k++)
    for (int32_t e = 0; e < mme->term[k].n_owned * mme->term[k].n_eq && mme->term[k].fixed; e++) {
      const PetscInt eq = a->equation[mme->term[k].eq_owned + e];

      Add(&a->t, eq, eq, a->penalties.random ? a->penalties.identity : 0.0);
    }
}

/* All but the columns of dense terms */
static void AddSparse(Assembly *a)
{
  AddRecords(a);
  for (int k = 0; k < a->mme->n_terms; k++) {
    const MeritTermView *t = &a->mme->term[k];

    if (MeritStructureForm(t->structure) == MERIT_FORM_RECURSION && t->n_eq)
      MeritRecursionEntries(MeritStructurePenalty(t->structure), AddPenalty, &(Penalties){a, t->n_eq, Penalty(a, k)});
  }
  AddIdentity(a);
}

/* Entries of this rank's rows in n columns of a dense term, and their mirror images in other terms'
   columns */
static void AddColumns(Assembly *a, int n, const PetscInt column[], const double *Y)
{
  for (int k = 0; k < a->mme->n_terms; k++) {
    const MeritTermView *t = &a->mme->term[k];

    for (int32_t i = t->eq_owned; i < t->eq_owned + t->n_owned * t->n_eq; i++)
      for (int j = 0; j < n; j++) {
        const double value = a->penalties.random && t->fixed ? 0.0 : Y[(int64_t)i * COLUMNS + j];

        if (value == 0.0 && !a->whole) continue;
        Add(&a->t, a->equation[i], column[j], value);
        if (!IsDense(t)) Add(&a->t, column[j], a->equation[i], value);
      }
  }
}

/* Y = (W' R^-1 W + penalty of term k) X with the matrices given, X being 0 outside the term. The
   operator applies its own G^-1, so the product with the difference to the penalty given is
   added; if R^-1 is 0, only the penalty remains. */
static PetscErrorCode Product(Assembly *a, int k, const double *X, double *Y)
{
  const MeritTermView *t = &a->mme->term[k];
  const double        *P = Penalty(a, k);
  double              *other;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)(t->n_eq * t->n_eq), &other));
  for (int b = 0; P && b < t->n_eq * t->n_eq; b++) other[b] = P[b];
  if (a->penalties.R_inverse) {
    for (int b = 0; b < t->n_eq * t->n_eq; b++) other[b] -= t->G_inverse[b];
    PetscCall(MeritMMEApplyWith(a->C, a->penalties.R_inverse, COLUMNS, X, Y));
  } else PetscCall(PetscArrayzero(Y, (size_t)a->mme->n_owned * COLUMNS));
  MeritLevelsApply(t->n_owned, t->n_eq, other, COLUMNS, X + (int64_t)t->eq_owned * COLUMNS, Y + (int64_t)t->eq_owned * COLUMNS);
  PetscCall(PetscFree(other));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The columns of a dense term: C times unit vectors, COLUMNS at a time in canonical order, so
   that genotypes stay packed. The rank that owns an equation sets the 1; all ranks learn the
   global number of the column from it. */
static PetscErrorCode AddDense(Assembly *a, int k)
{
  const MeritTermView *t     = &a->mme->term[k];
  const int64_t        n_all = t->n_levels * t->n_eq;
  double              *X, *Y;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)a->mme->n_owned * COLUMNS, &X, (size_t)a->mme->n_owned * COLUMNS, &Y));
  for (int64_t first = 0; first < n_all; first += COLUMNS) {
    const int n = (int)PetscMin(COLUMNS, n_all - first);
    PetscInt  column[COLUMNS];

    for (int j = 0; j < n; j++) column[j] = -1;
    PetscCall(PetscArrayzero(X, (size_t)a->mme->n_owned * COLUMNS));
    for (int64_t i = 0; i < (int64_t)t->n_owned * t->n_eq; i++) {
      const int64_t j = t->canonical[i / t->n_eq] * t->n_eq + i % t->n_eq - first;

      if (j < 0 || j >= n) continue;
      column[j]                          = a->equation[t->eq_owned + i];
      X[(t->eq_owned + i) * COLUMNS + j] = 1.0;
    }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, column, n, MPIU_INT, MPI_MAX, a->mme->comm));
    PetscCall(Product(a, k, X, Y));
    AddColumns(a, n, column, Y);
  }
  PetscCall(PetscFree2(X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Contributions that dense terms make on this rank at most. An entry with a sparse term counts
   twice: the mirror image is written by the same rank. */
static PetscCount DenseCount(const MeritMME *mme)
{
  PetscCount n = 0, n_columns = 0;

  for (int k = 0; k < mme->n_terms; k++)
    if (IsDense(&mme->term[k])) n_columns += mme->term[k].n_levels * mme->term[k].n_eq;
  for (int k = 0; k < mme->n_terms; k++) n += (PetscCount)mme->term[k].n_owned * mme->term[k].n_eq * n_columns * (IsDense(&mme->term[k]) ? 1 : 2);
  return n;
}

/* Global numbers of local equations (-1 where constrained), ghosts by the halo, and how many
   contributions there are at most. Nothing of their size is allocated. */
static PetscErrorCode Begin(Mat C, const MeritPenalties *penalties, Assembly *a)
{
  MeritMME               *mme;
  const MeritRecordsView *records;
  int64_t                 first;
  size_t                  most = 1;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  a->mme       = mme;
  a->C         = C;
  a->penalties = *penalties;
  a->whole     = MeritModelVariancesFree(mme->model);
  records      = MeritModelRecords(mme->model);
  first        = MeritModelLayout(mme->model)->first;
  a->first     = (PetscInt)first;
  PetscCall(PetscMalloc1(mme->n_local + 1, &a->equation));
  for (int32_t i = 0; i < mme->n_owned; i++) a->equation[i] = mme->constrained.state[i] == MERIT_EQ_OK ? a->first + i : -1;
  PetscCall(PetscSFBcastBegin(mme->halo, MPIU_INT, a->equation, a->equation + mme->n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(mme->halo, MPIU_INT, a->equation, a->equation + mme->n_owned, MPI_REPLACE));
  for (int k = 0; k < mme->n_terms; k++) most += (size_t)(mme->term[k].n_regressors * records->n_traits * PetscMax(mme->term[k].n_eq, 1));
  PetscCall(PetscMalloc1(most, &a->list));
  AddSparse(a);
  if (!a->sparse) a->t.n += DenseCount(mme);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what Begin and Collect allocated. */
static PetscErrorCode End(Assembly *a)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(a->equation));
  PetscCall(PetscFree(a->list));
  PetscCall(PetscFree3(a->t.row, a->t.column, a->t.value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrices of the current variances; penalty [n_terms] is an array of the caller, which is
   filled. */
static MeritPenalties Current(const MeritMME *mme, const double *penalty[])
{
  for (int k = 0; k < mme->n_terms; k++) penalty[k] = mme->term[k].G_inverse;
  return (MeritPenalties){.penalty = penalty, .R_inverse = mme->regressors.kernel.R_inverse, .identity = 1.0};
}

/* Contributions on this rank with the present variances, counted, not made. Collective. */
static PetscErrorCode Contributions(Mat C, bool sparse, MPI_Comm *comm, int64_t *n)
{
  Assembly       a = {.sparse = sparse};
  MeritMME      *mme;
  MeritPenalties penalties;
  const double **penalty;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(PetscMalloc1(mme->n_terms, &penalty));
  penalties = Current(mme, penalty);
  PetscCall(Begin(C, &penalties, &a));
  *n    = (int64_t)a.t.n;
  *comm = mme->comm;
  PetscCall(End(&a));
  PetscCall(PetscFree(penalty));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEAssembledSize - What forming C takes, before anything of that size is allocated.

  Collective on C.

  Output Parameters:
+ entries - contributions to entries of C over all ranks, an upper bound for its entries
. most    - the same of the fullest rank
- bytes   - of that rank, while the matrix is put together
@*/
PetscErrorCode MeritMMEAssembledSize(Mat C, int64_t *entries, int64_t *most, int64_t *bytes)
{
  MPI_Comm comm;
  int64_t  n;

  PetscFunctionBegin;
  PetscCall(Contributions(C, false, &comm, &n));
  PetscCallMPI(MPI_Allreduce(&n, entries, 1, MPI_INT64_T, MPI_SUM, comm));
  PetscCallMPI(MPI_Allreduce(&n, most, 1, MPI_INT64_T, MPI_MAX, comm));
  *bytes = *most * BYTES;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMESparseSize - See the header. Collective. */
PetscErrorCode MeritMMESparseSize(Mat C, int64_t *bytes)
{
  MPI_Comm comm;
  int64_t  n;

  PetscFunctionBegin;
  PetscCall(Contributions(C, true, &comm, &n));
  PetscCallMPI(MPI_Allreduce(&n, bytes, 1, MPI_INT64_T, MPI_MAX, comm));
  *bytes *= BYTES;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All contributions with the matrices given; they are a->t's until End */
static PetscErrorCode Collect(Mat C, const MeritPenalties *penalties, Assembly *a)
{
  PetscFunctionBegin;
  PetscCall(Begin(C, penalties, a));
  PetscCall(PetscMalloc3(a->t.n + 1, &a->t.row, a->t.n + 1, &a->t.column, a->t.n + 1, &a->t.value));
  a->t.n = 0;
  AddSparse(a);
  for (int k = 0; k < a->mme->n_terms; k++)
    if (!a->sparse && IsDense(&a->mme->term[k]) && a->mme->term[k].n_eq) PetscCall(AddDense(a, k));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrix for the present variances. Collective. */
static PetscErrorCode Form(Mat C, bool sparse, Mat *A)
{
  Assembly       a = {.sparse = sparse};
  MeritMME      *mme;
  MeritPenalties penalties;
  const double **penalty;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(PetscMalloc1(mme->n_terms, &penalty));
  penalties = Current(mme, penalty);
  PetscCall(Collect(C, &penalties, &a));
  PetscCall(MatCreate(mme->comm, A));
  PetscCall(MatSetSizes(*A, mme->n_owned, mme->n_owned, PETSC_DETERMINE, PETSC_DETERMINE));
  PetscCall(MatSetType(*A, MATAIJ));
  PetscCall(MatSetPreallocationCOO(*A, a.t.n, a.t.row, a.t.column));
  PetscCall(MatSetValuesCOO(*A, a.t.value, INSERT_VALUES));
  PetscCall(End(&a));
  PetscCall(PetscFree(penalty));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEAssemble - C as a sparse matrix with the layout of the operator: contributions record by record and edge by edge (Henderson
  1984), columns of SNP and ridge terms by the operator's product with unit vectors.

  Collective on C. Constrained equations are rows and columns of the identity. Numbers are for the
  present variances.

  Output Parameter:
. A - `MATAIJ`, both triangles, marked symmetric and positive definite; owned by the caller, free with `MatDestroy()`
@*/
PetscErrorCode MeritMMEAssemble(Mat C, Mat *A)
{
  PetscFunctionBegin;
  PetscCall(Form(C, false, A));
  PetscCall(MatSetOption(*A, MAT_SYMMETRIC, PETSC_TRUE));
  PetscCall(MatSetOption(*A, MAT_SPD, PETSC_TRUE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEAssembleSparse - C without the entries of SNP and ridge terms, whose rows may be far too many to form.

  Collective on C.

  Output Parameters:
+ A    - `MATAIJ` of the layout of the operator; owned by the caller, free with `MatDestroy()`
- full - [n_owned] equations of those terms, in whose rows C may have an entry in every column; owned by the caller, free with `PetscFree()`; NULL
         where the model has no such term
@*/
PetscErrorCode MeritMMEAssembleSparse(Mat C, Mat *A, bool **full)
{
  MeritMME *mme;
  bool      dense = false;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  PetscCall(Form(C, true, A));
  *full = NULL;
  for (int k = 0; k < mme->n_terms; k++) dense = dense || IsDense(&mme->term[k]);
  if (!dense) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(mme->n_owned + 1, full));
  for (int k = 0; k < mme->n_terms; k++)
    for (int32_t e = 0; IsDense(&mme->term[k]) && e < mme->term[k].n_owned * mme->term[k].n_eq; e++) (*full)[mme->term[k].eq_owned + e] = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEAssembleWith - What C would be with other small matrices, in a matrix that `MeritMMEAssemble()` made: C for new variances, its
  derivatives, or its part of the random effects.

  Collective on C. The model is one whose variances are estimated (`MeritModelSetVariancesFree()`), and the same terms mix their components
  (`MeritTermMixes()`) as when the matrix was made.
@*/
PetscErrorCode MeritMMEAssembleWith(Mat C, const MeritPenalties *penalties, Mat A)
{
  Assembly a = {0};

  PetscFunctionBegin;
  PetscCall(MeritMMERefresh(C));
  PetscCall(Collect(C, penalties, &a));
  PetscCheck(a.whole, a.mme->comm, PETSC_ERR_ARG_WRONGSTATE, "the model's variances are not estimated");
  PetscCall(MatSetValuesCOO(A, a.t.value, INSERT_VALUES));
  PetscCall(End(&a));
  PetscFunctionReturn(PETSC_SUCCESS);
}
