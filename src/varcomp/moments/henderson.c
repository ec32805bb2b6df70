/*
  What terms reach one after another: W'W and its factor on rank 0.

  W has the designs of all terms, fixed and random, times the square roots of the weights, without
  columns of zeros. Columns are numbered term by term (number). A factorisation has the terms in
  an order of its own, in which a column has a position (begin, HendersonEnd). With W'W = L L' in
  this order, the columns of W L^-T are orthonormal, and those of a term are a basis of what it
  adds to the terms before. A column that adds nothing, by its pivot, becomes a unit vector of L
  and has no part in a basis.

  Only rank 0 has W'W and L. Equations are spread over the ranks, so vectors are gathered to
  rank 0 by the number of their column and sent back.
*/
#include "henderson.h"
#include <merit/memory.h>
#include <merit/op.h>
#include <merit/random.h>
#include <merit/unit.h>
#include <petscblaslapack.h>

/* Most columns; columns that the factor takes at once; what its random numbers are for */
enum { MOST_EFFECTS = 10000, PANEL = 64, PROBE = 0x62617365 };

/*
  A column of which those before leave less than this fraction of its square adds nothing; nor does
  one so much smaller than others of its term
*/
static const double RATIO_DEPENDENT = 1e-10, RATIO_ZERO = 1e-24;

/*
  met [n_owned]: not 0 for equations with a non-zero coefficient in some record. W'R^-1 times
  random numbers of the records is such a vector: a sum of them is not 0 by accident. Equations
  that depend on others count as 0. Collective.
*/
static PetscErrorCode Met(const HendersonReductions *b, int32_t n_owned, double met[])
{
  const MeritRecordsView *records = MeritModelRecords(b->v->model);
  const uint8_t          *state   = MeritModelEquationState(b->v->model);
  double                 *coefficient;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(records->n_records + 1, &coefficient));
  for (int32_t i = 0; i < records->n_records; i++)
    coefficient[i] = MeritRandomUniform(&(MeritRandomKey){.purpose = PROBE, .chain = (uint32_t)b->v->rank, .level = (uint64_t)i}, 0);
  PetscCall(MeritMMEProject(b->v->run.C, 1, coefficient, met));
  for (int32_t e = 0; e < n_owned; e++)
    if (state[e] != MERIT_EQ_OK) met[e] = 0.0;
  PetscCall(PetscFree(coefficient));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Is there room for n columns of all effects? Rank 0 has two matrices n x n beside the assembled
  equations. USAGE error for more than MOST_EFFECTS. Collective.
*/
static PetscErrorCode CheckReductionsRoom(const HendersonReductions *b, const char what[], int64_t n)
{
  int64_t entries, most, assembled;
  char    text[128];

  PetscFunctionBegin;
  snprintf(text, sizeof(text), "%s factors the equations of all %lld effects on one rank and", what, (long long)n);
  if (n > MOST_EFFECTS) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.method", "%s takes %d at most; use reml", text, MOST_EFFECTS));
  PetscCall(MeritMMEAssembledSize(b->v->run.C, &entries, &most, &assembled));
  PetscCall(VarcompRefuse(b->v, text, 16.0 * (double)n * (double)n + (double)assembled, "use reml"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Numbers of all columns, term by term and within a term rank by rank. The room is looked at as
  soon as the columns so far are too many. Collective.
*/
static PetscErrorCode Number(HendersonReductions *b, const char what[])
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(b->v->model, &term);
  int32_t              n_owned;
  double              *met;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(b->v->model)->n_owned;
  PetscCall(PetscMalloc1(n_owned + 1, &met));
  PetscCall(Met(b, n_owned, met));
  PetscCall(PetscMalloc4(n_owned + 1, &b->equation, n_owned + 1, &b->number, n_terms + 1, &b->first, n_terms, &b->begin));
  for (int k = 0; k < n_terms; k++) {
    const int old  = b->n_own;
    int       here = 0, before = 0;
    int64_t   all;

    for (int32_t e = term[k].eq_owned; e < term[k].eq_owned + term[k].n_owned * term[k].n_eq; e++)
      if (met[e] != 0.0) b->equation[old + here++] = e;
    all = here;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT64_T, MPI_SUM, b->v->comm));
    if (b->n + all > MOST_EFFECTS) PetscCall(CheckReductionsRoom(b, what, b->n + all));
    PetscCallMPI(MPI_Exscan(&here, &before, 1, MPI_INT, MPI_SUM, b->v->comm));
    for (int i = 0; i < here; i++) b->number[old + i] = b->n + (b->v->rank ? before : 0) + i;
    b->first[k] = b->n;
    b->n_own += here;
    b->n += (int)all;
  }
  b->first[n_terms] = b->n;
  PetscCall(PetscFree(met));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  HendersonCreate - See the header. Every rank gets the numbers of the columns of all others, in
  the order in which they are gathered. Collective.
*/
PetscErrorCode HendersonCreate(MeritVarcomp v, const char what[], HendersonReductions *b)
{
  PetscFunctionBegin;
  *b = (HendersonReductions){.v = v};
  PetscCall(Number(b, what));
  PetscCall(PetscMalloc4(b->n, &b->adds, v->size, &b->count, v->size, &b->at, b->n, &b->column));
  PetscCallMPI(MPI_Allgather(&b->n_own, 1, MPI_INT, b->count, 1, MPI_INT, v->comm));
  for (int r = 0; r < v->size; r++) b->at[r] = r ? b->at[r - 1] + b->count[r - 1] : 0;
  PetscCallMPI(MPI_Allgatherv(b->number, b->n_own, MPI_INT, b->column, b->count, b->at, MPI_INT, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* HendersonDestroy - See the header. Not collective. */
PetscErrorCode HendersonDestroy(HendersonReductions *b)
{
  PetscFunctionBegin;
  PetscCall(PetscFree4(b->equation, b->number, b->first, b->begin));
  PetscCall(PetscFree4(b->adds, b->count, b->at, b->column));
  PetscCall(PetscFree(b->gram));
  PetscCall(PetscFree(b->L));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Values x [n_owned * k] of all ranks' equations to rows of rank 0's all [n * k], by columns'
  numbers; equations without a column are left out. Collective.
*/
static PetscErrorCode GatherColumns(const HendersonReductions *b, int k, const double x[], double all[])
{
  MPI_Datatype unit;
  double      *own, *rows;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)b->n_own * (size_t)k + 1, &own, b->v->rank ? 1 : (size_t)b->n * (size_t)k, &rows));
  for (int i = 0; i < b->n_own; i++) PetscCall(PetscArraycpy(own + (int64_t)i * k, x + (int64_t)b->equation[i] * k, k));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCallMPI(MPI_Gatherv(own, b->n_own, unit, rows, b->count, b->at, unit, 0, b->v->comm));
  PetscCall(MeritUnitFree(&unit));
  for (int i = 0; !b->v->rank && i < b->n; i++) PetscCall(PetscArraycpy(all + (int64_t)b->column[i] * k, rows + (int64_t)i * k, k));
  PetscCall(PetscFree2(own, rows));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The reverse: rows of rank 0's all [n * k] to x [n_owned * k] of the equations, 0 where an
  equation has no column. Collective.
*/
static PetscErrorCode Scatter(const HendersonReductions *b, int k, const double all[], int32_t n_owned, double x[])
{
  MPI_Datatype unit;
  double      *own, *rows;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)b->n_own * (size_t)k + 1, &own, b->v->rank ? 1 : (size_t)b->n * (size_t)k, &rows));
  for (int i = 0; !b->v->rank && i < b->n; i++) PetscCall(PetscArraycpy(rows + (int64_t)i * k, all + (int64_t)b->column[i] * k, k));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCallMPI(MPI_Scatterv(rows, b->count, b->at, unit, own, b->n_own, unit, 0, b->v->comm));
  PetscCall(MeritUnitFree(&unit));
  PetscCall(PetscArrayzero(x, (size_t)n_owned * (size_t)k));
  for (int i = 0; i < b->n_own; i++) PetscCall(PetscArraycpy(x + (int64_t)b->equation[i] * k, own + (int64_t)i * k, k));
  PetscCall(PetscFree2(own, rows));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Global equations of all columns, in the order in which they are gathered: ascending, since
  those of a rank are, and ranks own equations one after another. Collective.
*/
static PetscErrorCode Equations(const HendersonReductions *b, PetscInt all[])
{
  PetscInt *own;
  int64_t   first;

  PetscFunctionBegin;
  first = MeritModelLayout(b->v->model)->first;
  PetscCall(PetscMalloc1(b->n_own, &own));
  for (int i = 0; i < b->n_own; i++) own[i] = (PetscInt)first + b->equation[i];
  PetscCallMPI(MPI_Allgatherv(own, b->n_own, MPIU_INT, all, b->count, b->at, MPIU_INT, b->v->comm));
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The row of A of this rank's i-th column to row [n], by columns' numbers. Entries of equations
  without a column are skipped.
*/
static PetscErrorCode Row(const HendersonReductions *b, Mat A, const PetscInt equation[], int i, double row[])
{
  const PetscInt    *column;
  const PetscScalar *value;
  const PetscInt     r = equation[b->at[b->v->rank] + i];
  PetscInt           n, at;

  PetscFunctionBegin;
  PetscCall(MatGetRow(A, r, &n, &column, &value));
  for (PetscInt j = 0; j < n; j++) {
    PetscCall(PetscFindInt(column[j], b->n, equation, &at));
    if (at >= 0) row[b->column[at]] = value[j];
  }
  PetscCall(MatRestoreRow(A, r, &n, &column, &value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  HendersonForm - See the header. The equations are assembled with R^-1 = 1 and without
  penalties, which gives W'W; HENDERSON_WIDTH rows at once are added up on rank 0. Collective.
*/
PetscErrorCode HendersonForm(HendersonReductions *b, const char what[])
{
  const double one = 1.0;
  const size_t n   = (size_t)b->n;
  Mat          A;
  PetscInt    *equation;
  double      *rows;

  PetscFunctionBegin;
  PetscCall(CheckReductionsRoom(b, what, b->n));
  PetscCall(MeritMMEAssemble(b->v->run.C, &A));
  PetscCall(MeritMMEAssembleWith(b->v->run.C, &(MeritPenalties){.R_inverse = &one}, A));
  PetscCall(PetscMalloc2(n, &equation, n * HENDERSON_WIDTH, &rows));
  PetscCall(Equations(b, equation));
  if (!b->v->rank) PetscCall(PetscMalloc1(n * n, &b->gram));
  for (int c = 0; c < b->n; c += HENDERSON_WIDTH) {
    const int k = PetscMin(HENDERSON_WIDTH, b->n - c);

    PetscCall(PetscArrayzero(rows, n * (size_t)k));
    for (int i = 0; i < b->n_own; i++)
      if (b->number[i] >= c && b->number[i] < c + k) PetscCall(Row(b, A, equation, i, rows + (size_t)(b->number[i] - c) * n));
    PetscCallMPI(MPI_Reduce(rows, b->v->rank ? NULL : b->gram + (size_t)c * n, b->n * k, MPI_DOUBLE, MPI_SUM, 0, b->v->comm));
  }
  PetscCall(PetscFree2(equation, rows));
  PetscCall(MatDestroy(&A));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Where the terms' columns stand in the factor: fixed terms, random terms, then `last` */
static void OrderTerms(HendersonReductions *b, int last)
{
  int position = 0;

  for (int turn = 0; turn < 3; turn++)
    for (int k = 0; k < b->v->formula->n_terms; k++) {
      if (turn != (k == last ? 2 : b->v->first_of_term[k] >= 0)) continue;
      b->begin[k] = position;
      position += b->first[k + 1] - b->first[k];
    }
}

/* b->L = gram in the order of the factor, term by term */
static void Arrange(HendersonReductions *b)
{
  const int    n_terms = b->v->formula->n_terms;
  const size_t n       = (size_t)b->n;

  for (int k = 0; k < n_terms; k++)
    for (int l = 0; l < n_terms; l++)
      for (int j = b->first[k]; j < b->first[k + 1]; j++)
        memcpy(b->L + (size_t)(b->begin[k] + j - b->first[k]) * n + b->begin[l], b->gram + (size_t)j * n + b->first[l],
               sizeof(double) * (size_t)(b->first[l + 1] - b->first[l]));
}

/*
  least [n] by position: a pivot at or below it is 0. It is relative to the column's own square, or
  to the largest of its term, so that columns which are rounding themselves add nothing.
*/
static void Least(const HendersonReductions *b, double least[])
{
  for (int k = 0; k < b->v->formula->n_terms; k++) {
    const int end     = HendersonEnd(b, k);
    double    largest = 0.0;

    for (int c = b->begin[k]; c < end; c++) largest = PetscMax(largest, b->L[(size_t)c * (size_t)(b->n + 1)]);
    for (int c = b->begin[k]; c < end; c++) least[c] = PetscMax(RATIO_DEPENDENT * b->L[(size_t)c * (size_t)(b->n + 1)], RATIO_ZERO * largest);
  }
}

/*
  One column c of a panel that begins at `panel`: the columns of the panel before it are taken
  off, those before the panel are off already. A column whose pivot is not above `least` becomes
  a unit vector.
*/
static void Column(HendersonReductions *b, int panel, int c, double least)
{
  const size_t n   = (size_t)b->n;
  double      *own = b->L + (size_t)c * n;

  for (int j = panel; j < c; j++) {
    const double *other = b->L + (size_t)j * n;
    const double  f     = other[c];

    for (size_t i = (size_t)c; i < n; i++) own[i] -= f * other[i];
  }
  b->adds[c] = own[c] > least;
  if (b->adds[c]) {
    const double pivot = sqrt(own[c]);

    for (size_t i = (size_t)c; i < n; i++) own[i] /= pivot;
  } else {
    memset(own + c, 0, sizeof(double) * (n - (size_t)c));
    own[c] = 1.0;
  }
}

/*
  Rank 0: the factor, panel after panel; most of the work is one product of matrices for each
  panel. The row of a unit vector's column keeps what it has: solutions are 0 there.
*/
static void Cholesky(HendersonReductions *b, const double least[])
{
  const double       one = 1.0, minus = -1.0;
  const PetscBLASInt n = b->n;

  for (PetscBLASInt p = 0; p < n; p += PANEL) {
    const PetscBLASInt width = PetscMin(PANEL, n - p), height = n - p;
    double            *panel = b->L + (size_t)p * (size_t)n + p;

    if (p) BLASgemm_("N", "T", &height, &width, &p, &minus, b->L + p, &n, b->L + p, &n, &one, panel, &n);
    for (int c = p; c < p + width; c++) Column(b, p, c, least[c]);
  }
}

/*
  HendersonFactor - See the header. gram is kept, so that other orders can be factored.
  Collective.
*/
PetscErrorCode HendersonFactor(HendersonReductions *b, int last)
{
  double *least;

  PetscFunctionBegin;
  OrderTerms(b, last);
  if (!b->v->rank) {
    if (!b->L) PetscCall(PetscMalloc1((size_t)b->n * (size_t)b->n, &b->L));
    PetscCall(PetscMalloc1(b->n, &least));
    Arrange(b);
    Least(b, least);
    Cholesky(b, least);
    PetscCall(PetscFree(least));
  }
  PetscCallMPI(MPI_Bcast(b->adds, b->n, MPI_C_BOOL, 0, b->v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* all [n * k], row by row of columns' numbers, from x, k columns of `height` positions */
static void ToNumbers(const HendersonReductions *b, int k, int height, const double x[], double all[])
{
  for (int t = 0; t < b->v->formula->n_terms; t++)
    for (int c = b->first[t]; c < b->first[t + 1]; c++) {
      const int position = b->begin[t] + c - b->first[t];

      for (int j = 0; j < k; j++) all[(int64_t)c * k + j] = position < height ? x[(size_t)j * (size_t)height + (size_t)position] : 0.0;
    }
}

/*
  Rank 0: columns position [k], ascending, of L^-T, as rows of all [n * k] by columns' numbers.
  Those of a triangle are 0 behind their position: only the first `height` rows are solved for.
*/
static PetscErrorCode Inverse(const HendersonReductions *b, int k, const int position[], double all[])
{
  const PetscBLASInt n = b->n, height = position[k - 1] + 1, width = k;
  const double       one = 1.0;
  double            *x;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)height * (size_t)k, &x));
  for (int j = 0; j < k; j++) x[(size_t)j * (size_t)height + (size_t)position[j]] = 1.0;
  BLAStrsm_("L", "L", "T", "N", &height, &width, &one, b->L, &n, x, &height);
  ToNumbers(b, k, height, x, all);
  PetscCall(PetscFree(x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  HendersonNext - See the header: U = W times columns of L^-T. MeritMMEFittedBlock gives values
  of records without weights, so these are multiplied by the roots. Collective.
*/
PetscErrorCode HendersonNext(HendersonReductions *b, int term, int *at, int *k, double U[])
{
  const MeritRecordsView *records = MeritModelRecords(b->v->model);
  const int               end     = HendersonEnd(b, term);
  int                     position[HENDERSON_WIDTH];
  int32_t                 n_owned;
  double                 *x, *all;

  PetscFunctionBegin;
  *k = 0;
  for (; *at < end && *k < HENDERSON_WIDTH; (*at)++)
    if (b->adds[*at]) position[(*k)++] = *at;
  if (!*k) PetscFunctionReturn(PETSC_SUCCESS);
  n_owned = MeritModelLayout(b->v->model)->n_owned;
  PetscCall(PetscMalloc2((size_t)n_owned * (size_t)*k + 1, &x, b->v->rank ? 1 : (size_t)b->n * (size_t)*k, &all));
  if (!b->v->rank) PetscCall(Inverse(b, *k, position, all));
  PetscCall(Scatter(b, *k, all, n_owned, x));
  PetscCall(MeritMMEFittedBlock(b->v->run.C, *k, x, U));
  for (int32_t i = 0; i < records->n_records; i++) {
    const double sqrt_weight = !records->observed[records->pattern[i]] ? 0.0 : records->sqrt_weight ? records->sqrt_weight[i] : 1.0;

    for (int j = 0; j < *k; j++) U[(int64_t)i * *k + j] *= sqrt_weight;
  }
  PetscCall(PetscFree2(x, all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  W'y of the columns before the position `end`, by positions, in r on rank 0; y are the record values,
  without weights. Collective.
*/
static PetscErrorCode RightHandSide(const HendersonReductions *b, int end, const double values[], double r[])
{
  int32_t n_owned;
  double *x, *all;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(b->v->model)->n_owned;
  PetscCall(PetscMalloc2(n_owned + 1, &x, b->v->rank ? 1 : b->n, &all));
  PetscCall(MeritMMEProject(b->v->run.C, 1, values, x));
  PetscCall(GatherColumns(b, 1, x, all));
  for (int t = 0; t < b->v->formula->n_terms && !b->v->rank; t++)
    for (int c = b->first[t]; c < b->first[t + 1]; c++)
      if (b->begin[t] + c - b->first[t] < end) r[b->begin[t] + c - b->first[t]] = all[c];
  PetscCall(PetscFree2(x, all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank 0: x = L^-1 x, 0 for columns that add nothing; of the columns before `end` */
static void Forward(const HendersonReductions *b, int end, double x[])
{
  const PetscBLASInt n = b->n, height = end, single = 1;
  const double       one = 1.0;

  if (!end) return;
  BLAStrsm_("L", "L", "N", "N", &height, &single, &one, b->L, &n, x, &height);
  for (int i = 0; i < end; i++)
    if (!b->adds[i]) x[i] = 0.0;
}

/* HendersonReduction - See the header: U'y is the term's part of L^-1 W'y. Collective. */
PetscErrorCode HendersonReduction(HendersonReductions *b, int term, const double left[], double *squares)
{
  const int end = HendersonEnd(b, term);
  double   *x;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(end, &x));
  PetscCall(RightHandSide(b, end, left, x));
  if (!b->v->rank) Forward(b, end, x);
  *squares = 0.0;
  for (int c = b->begin[term]; c < end && !b->v->rank; c++) *squares += x[c] * x[c];
  PetscCallMPI(MPI_Bcast(squares, 1, MPI_DOUBLE, 0, b->v->comm));
  PetscCall(PetscFree(x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  HendersonExpectation - See the header. U'Z of the other term's design Z is a block of L: row i
  of L has the product of column i with all columns of the basis, whether or not the column
  itself adds to it. Collective.
*/
PetscErrorCode HendersonExpectation(HendersonReductions *b, int term, int other, double *sum)
{
  PetscFunctionBegin;
  *sum = 0.0;
  for (int c = b->begin[term]; c < HendersonEnd(b, term) && !b->v->rank; c++)
    for (int i = PetscMax(c, b->begin[other]); i < HendersonEnd(b, other) && b->adds[c]; i++)
      *sum += b->L[(size_t)c * (size_t)b->n + (size_t)i] * b->L[(size_t)c * (size_t)b->n + (size_t)i];
  PetscCallMPI(MPI_Bcast(sum, 1, MPI_DOUBLE, 0, b->v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  HendersonLeave - See the header: left less its weighted least-squares fit by these columns.
  Collective.
*/
PetscErrorCode HendersonLeave(HendersonReductions *b, int end, double left[])
{
  const MeritRecordsView *records = MeritModelRecords(b->v->model);
  const PetscBLASInt      n = b->n, height = end, single = 1;
  const double            one = 1.0;
  double                 *x, *all, *fitted, *solution;
  int32_t                 n_owned;

  PetscFunctionBegin;
  if (!end) PetscFunctionReturn(PETSC_SUCCESS);
  n_owned = MeritModelLayout(b->v->model)->n_owned;
  PetscCall(PetscMalloc4(end, &x, b->v->rank ? 1 : b->n, &all, n_owned + 1, &solution, records->n_records + 1, &fitted));
  PetscCall(RightHandSide(b, end, left, x));
  if (!b->v->rank) {
    Forward(b, end, x);
    BLAStrsm_("L", "L", "T", "N", &height, &single, &one, b->L, &n, x, &height);
    ToNumbers(b, 1, end, x, all);
  }
  PetscCall(Scatter(b, 1, all, n_owned, solution));
  PetscCall(MeritMMEFitted(b->v->run.C, solution, fitted));
  for (int32_t i = 0; i < records->n_records; i++) left[i] -= fitted[i];
  PetscCall(PetscFree4(x, all, solution, fitted));
  PetscFunctionReturn(PETSC_SUCCESS);
}
