/* C formed as a sparse matrix: for direct and left-hand-side solvers. */
#include "op_impl.h"

/* Columns of the operator formed at once; bytes an entry takes while the matrix is put together, and in it */
enum { COLUMNS = 16, BYTES = 64 };

/* Contributions to entries of C, by global equations; those of one entry are added up. Counted only while
   row is NULL */
typedef struct {
  PetscCount n;
  PetscInt  *row, *column; /* [n]; owned */
  double    *value;        /* [n]; owned */
} Triplets;

/* A coefficient of a record in an equation */
typedef struct {
  PetscInt equation;
  int      trait;
  double   value;
} Coefficient;

typedef struct {
  MeritMME    *mme;
  PetscInt     first;
  PetscInt    *equation; /* [n_local] global number, -1 where pinned; owned */
  Coefficient *list;     /* those of one record; owned */
  Triplets     t;
} Assembly;

/* Terms all of whose levels meet: their columns are taken from the operator */
static bool IsDense(const MeritTermView *t)
{
  return t->kind == MERIT_TERM_SNP || t->kind == MERIT_TERM_RIDGE;
}

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

/* First equation of the level that has a component slot */
static int32_t LevelEquation(const MeritTermView *t, int32_t slot)
{
  if (slot >= t->slot_owned && slot < t->slot_owned + t->n_owned * t->n_comp)
    return t->eq_owned + (slot - t->slot_owned) / t->n_comp * t->n_eq;
  return t->eq_ghost + (slot - t->slot_ghost) / t->n_comp * t->n_eq;
}

/* What one regressor of a term has in a record */
static int ListRegressor(const Assembly *a, const MeritTermView *t, const MeritDesignView *d, int n_traits,
                         int32_t record, Coefficient *list)
{
  const double value = d->value ? d->value[record] : 1.0;
  int          n     = 0;
  int32_t      eq;

  if (d->slot[record] < 0 || !t->n_eq) return 0;
  eq = LevelEquation(t, d->slot[record]);
  for (int trait = 0; trait < n_traits; trait++) {
    const int c = d->offset[trait];

    if (c < 0) continue;
    if (!t->L) list[n++] = (Coefficient){a->equation[eq + c], trait, value};
    for (int e = 0; t->L && e < t->n_eq; e++)
      list[n++] = (Coefficient){a->equation[eq + e], trait, value * t->L[c * t->n_eq + e]};
  }
  return n;
}

static void AddRecords(Assembly *a)
{
  const MeritRecordsView *records  = MeritModelRecords(a->mme->model);
  const int               n_traits = records->n_traits;

  for (int32_t record = 0; record < records->n_records; record++) {
    const double *R    = records->R_inverse + (int64_t)records->pattern[record] * n_traits * n_traits;
    const double *root = records->root_weight ? records->root_weight + (int64_t)record * n_traits : NULL;
    int           n    = 0;

    for (int k = 0; k < a->mme->n_terms; k++)
      for (int g = 0; g < a->mme->term[k].n_regressors && !IsDense(&a->mme->term[k]); g++)
        n += ListRegressor(a, &a->mme->term[k], &a->mme->term[k].design[g], n_traits, record, a->list + n);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        const Coefficient *p = &a->list[i], *q = &a->list[j];
        const double r = R[p->trait * n_traits + q->trait] * (root ? root[p->trait] * root[q->trait] : 1.0);

        if (r != 0.0) Add(&a->t, p->equation, q->equation, p->value * r * q->value);
      }
  }
}

/* G^-1 / d times the products of (1, -1/2, -1/2) of an animal and its parents */
static void AddPedigree(Assembly *a, const MeritTermView *t)
{
  for (int32_t i = 0; i < t->n_owned; i++) {
    const int32_t eq[3]    = {t->eq_owned + i * t->n_eq, t->sire[i], t->dam[i]};
    const double  share[3] = {1.0, -0.5, -0.5};

    for (int p = 0; p < 9; p++) {
      const int32_t row = eq[p / 3], column = eq[p % 3];

      for (int b = 0; b < t->n_eq * t->n_eq && row >= 0 && column >= 0; b++)
        Add(&a->t, a->equation[row + b / t->n_eq], a->equation[column + b % t->n_eq],
            share[p / 3] * share[p % 3] * t->G_inverse[b] / t->d[i]);
    }
  }
}

static void AddLevels(Assembly *a, const MeritTermView *t)
{
  for (int32_t i = 0; i < t->n_owned; i++) {
    const PetscInt *eq = a->equation + t->eq_owned + (int64_t)i * t->n_eq;

    for (int b = 0; b < t->n_eq * t->n_eq; b++) Add(&a->t, eq[b / t->n_eq], eq[b % t->n_eq], t->G_inverse[b]);
  }
}

/* All but the columns of dense terms */
static void AddSparse(Assembly *a)
{
  AddRecords(a);
  for (int k = 0; k < a->mme->n_terms; k++) {
    const MeritTermView *t = &a->mme->term[k];

    if (!t->n_eq || t->kind == MERIT_TERM_FIXED || IsDense(t)) continue;
    if (t->kind == MERIT_TERM_PED)
      AddPedigree(a, t);
    else
      AddLevels(a, t);
  }
  for (int32_t i = 0; i < a->mme->n_pinned; i++)
    Add(&a->t, a->first + a->mme->pinned[i], a->first + a->mme->pinned[i], 1.0);
}

/* Entries of this rank's rows in n columns of a dense term, and their mirror images in other terms'
   columns */
static void AddColumns(Assembly *a, int n, const PetscInt column[], const double *Y)
{
  for (int k = 0; k < a->mme->n_terms; k++) {
    const MeritTermView *t = &a->mme->term[k];

    for (int32_t i = t->eq_owned; i < t->eq_owned + t->n_owned * t->n_eq; i++)
      for (int j = 0; j < n; j++) {
        const double value = Y[(int64_t)i * COLUMNS + j];

        if (value == 0.0) continue;
        Add(&a->t, a->equation[i], column[j], value);
        if (!IsDense(t)) Add(&a->t, column[j], a->equation[i], value);
      }
  }
}

/* The columns of a dense term: C times unit vectors, so that genotypes stay packed */
static PetscErrorCode AddDense(Mat C, Assembly *a, const MeritTermView *t)
{
  const int64_t n_all = t->n_levels * t->n_eq;
  double       *X, *Y;

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
    PetscCall(MeritMMEApplyBlock(C, COLUMNS, X, Y));
    AddColumns(a, n, column, Y);
  }
  PetscCall(PetscFree2(X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Contributions that dense terms make on this rank at most */
static PetscCount DenseCount(const MeritMME *mme)
{
  PetscCount n = 0, n_columns = 0;

  for (int k = 0; k < mme->n_terms; k++)
    if (IsDense(&mme->term[k])) n_columns += mme->term[k].n_levels * mme->term[k].n_eq;
  for (int k = 0; k < mme->n_terms; k++)
    n += (PetscCount)mme->term[k].n_owned * mme->term[k].n_eq * n_columns * (IsDense(&mme->term[k]) ? 1 : 2);
  return n;
}

/* Global numbers, and how many contributions there are at most */
static PetscErrorCode Begin(Mat C, Assembly *a)
{
  MeritMME               *mme;
  const MeritRecordsView *records;
  int64_t                 first;
  size_t                  most = 1;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  a->mme  = mme;
  records = MeritModelRecords(mme->model);
  PetscCall(MeritModelLayout(mme->model, NULL, NULL, &first, NULL, NULL));
  a->first = (PetscInt)first;
  PetscCall(PetscMalloc1(mme->n_local + 1, &a->equation));
  for (int32_t i = 0; i < mme->n_owned; i++)
    a->equation[i] = mme->eq_state[i] == MERIT_EQ_OK ? a->first + i : -1;
  PetscCall(PetscSFBcastBegin(mme->halo, MPIU_INT, a->equation, a->equation + mme->n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(mme->halo, MPIU_INT, a->equation, a->equation + mme->n_owned, MPI_REPLACE));
  for (int k = 0; k < mme->n_terms; k++)
    most += (size_t)(mme->term[k].n_regressors * records->n_traits * PetscMax(mme->term[k].n_eq, 1));
  PetscCall(PetscMalloc1(most, &a->list));
  AddSparse(a);
  a->t.n += DenseCount(mme);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode End(Assembly *a)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(a->equation));
  PetscCall(PetscFree(a->list));
  PetscCall(PetscFree3(a->t.row, a->t.column, a->t.value));
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
  Assembly a = {0};
  int64_t  n;

  PetscFunctionBegin;
  PetscCall(Begin(C, &a));
  n = (int64_t)a.t.n;
  PetscCall(End(&a));
  PetscCallMPI(MPI_Allreduce(&n, entries, 1, MPI_INT64_T, MPI_SUM, a.mme->comm));
  PetscCallMPI(MPI_Allreduce(&n, most, 1, MPI_INT64_T, MPI_MAX, a.mme->comm));
  *bytes = *most * BYTES;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEAssemble - C as a sparse matrix with the layout of the operator: contributions record by record and edge by edge (Henderson
  1984), columns of SNP and ridge terms by the operator's product with unit vectors.

  Collective on C. Pinned equations are rows and columns of the identity. Numbers are those of the variances of now.

  Output Parameter:
. A - `MATAIJ`, both triangles, marked symmetric and positive definite; owned by the caller, free with `MatDestroy()`
@*/
PetscErrorCode MeritMMEAssemble(Mat C, Mat *A)
{
  Assembly a = {0};

  PetscFunctionBegin;
  PetscCall(MeritMMERefresh(C));
  PetscCall(Begin(C, &a));
  PetscCall(PetscMalloc3(a.t.n + 1, &a.t.row, a.t.n + 1, &a.t.column, a.t.n + 1, &a.t.value));
  a.t.n = 0;
  AddSparse(&a);
  for (int k = 0; k < a.mme->n_terms; k++)
    if (IsDense(&a.mme->term[k]) && a.mme->term[k].n_eq) PetscCall(AddDense(C, &a, &a.mme->term[k]));
  PetscCall(MatCreate(a.mme->comm, A));
  PetscCall(MatSetSizes(*A, a.mme->n_owned, a.mme->n_owned, PETSC_DETERMINE, PETSC_DETERMINE));
  PetscCall(MatSetType(*A, MATAIJ));
  PetscCall(MatSetPreallocationCOO(*A, a.t.n, a.t.row, a.t.column));
  PetscCall(MatSetValuesCOO(*A, a.t.value, INSERT_VALUES));
  PetscCall(MatSetOption(*A, MAT_SYMMETRIC, PETSC_TRUE));
  PetscCall(MatSetOption(*A, MAT_SPD, PETSC_TRUE));
  PetscCall(End(&a));
  PetscFunctionReturn(PETSC_SUCCESS);
}
