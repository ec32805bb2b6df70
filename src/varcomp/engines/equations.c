/*
  Quadratic forms of the data and the average information (Gilmour, Thompson & Cullis 1995;
  Johnson & Thompson 1995) from the mixed model equations.

  With the solution x of C x = W'R^-1 y, P y = R^-1 (y - W x). The working variate f_j = V_j P y
  of an element of G is Z (E G^-1 u), as Z'P y = (K^-1 x G^-1) u; that of an element of R is E
  R^-1 (y - W x). E is the matrix with a 1 in the element and in its mirror image. The quadratic
  form is f_j'P y, and the average information f_i'P f_j / 2, with P f from one more solution
  for each component. R of a record is that of its class divided by the square roots of its weights,
  and E is divided by them, too.
*/
#include "equations.h"
#include <merit/residual.h>
#include <math.h>

/* VarcompEquationsCreate - See the header. Not collective. */
PetscErrorCode VarcompEquationsCreate(MeritVarcomp v, VarcompEquations *e)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);

  PetscFunctionBegin;
  PetscCall(VarcompMatricesCreate(v, &e->m));
  e->n_owned  = MeritModelLayout(v->model)->n_owned;
  e->n_values = (size_t)records->n_records * (size_t)records->n_traits;
  PetscCall(PetscCalloc2(v->formula->n_terms, &e->inverse, v->formula->n_terms, &e->B));
  for (int k = 0; k < v->formula->n_terms; k++)
    PetscCall(PetscCalloc1((size_t)(v->formula->term[k].n_components * v->formula->term[k].n_components) + 1, &e->inverse[k]));
  PetscCall(PetscCalloc1(e->n_owned + 1, &e->x));
  PetscCall(PetscCalloc1((size_t)e->n_owned * (size_t)v->n + 1, &e->x_work));
  PetscCall(PetscCalloc1(e->n_values * (size_t)v->n + 1, &e->work));
  PetscCall(PetscCalloc1(e->n_values + 1, &e->Py));
  PetscCall(PetscMalloc1(e->n_values + 1, &e->y));
  PetscCall(PetscArraycpy(e->y, records->y, e->n_values));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompEquationsFree - See the header. Not collective. */
PetscErrorCode VarcompEquationsFree(MeritVarcomp v, VarcompEquations *e)
{
  PetscFunctionBegin;
  PetscCall(VarcompMatricesFree(v, &e->m));
  for (int k = 0; e->inverse && k < v->formula->n_terms; k++) {
    PetscCall(PetscFree(e->inverse[k]));
    PetscCall(PetscFree(e->B[k]));
  }
  PetscCall(PetscFree2(e->inverse, e->B));
  PetscCall(PetscFree(e->x));
  PetscCall(PetscFree(e->x_work));
  PetscCall(PetscFree(e->work));
  PetscCall(PetscFree(e->Py));
  PetscCall(PetscFree(e->y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompEquationsData - See the header. Collective. */
PetscErrorCode VarcompEquationsData(MeritVarcomp v, const VarcompEquations *e, double r[])
{
  PetscFunctionBegin;
  PetscCall(MeritMMEProject(v->run.C, 1, e->y, r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompEquationsState - See the header. Not collective. */
int VarcompEquationsState(MeritVarcomp v, VarcompEquations *e, MeritState state[])
{
  state[0] = (MeritState){"y", MERIT_STATE_RECORDS, (size_t)v->formula->n_traits, e->y};
  state[1] = (MeritState){"centred", MERIT_STATE_SAME, sizeof(e->centred), &e->centred};
  return 2;
}

/* VarcompEquationsCentre - See the header. Collective. */
PetscErrorCode VarcompEquationsCentre(MeritVarcomp v, VarcompEquations *e)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);
  double              *b;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(e->n_owned + 1, &b));
  for (int k = 0; k < n_terms; k++)
    for (int32_t i = term[k].eq_owned; term[k].fixed && i < term[k].eq_owned + term[k].n_owned * term[k].n_eq; i++) b[i] = e->x[i], e->x[i] = 0.0;
  PetscCall(MeritMMEFitted(v->run.C, b, e->Py));
  for (size_t i = 0; i < e->n_values; i++) e->y[i] -= e->Py[i];
  e->centred = true;
  PetscCall(PetscFree(b));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  e->B[k] = B and e->inverse[k] = G^-1 = B'B where the model has G = L L': B = L^-1. Of
  components without variance rows and columns of L are 0, and those of B are 0, too. No root
  where no component has a variance.
*/
static PetscErrorCode PenaltyRoot(int n, const double *L, VarcompEquations *e, int k)
{
  double A[MERIT_MAX_BLOCK], *B;
  bool   some = false;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(e->inverse[k], n * n));
  PetscCall(PetscMalloc1((size_t)(n * n), &B));
  PetscCall(PetscArraycpy(A, L, n * n));
  for (int i = 0; i < n; i++) {
    const bool varies = e->m.G[k][i * n + i] > 0.0;

    some = some || varies;
    if (!varies) A[i * n + i] = 1.0;
  }
  if (!some || !VarcompInvert(n, A, B)) {
    PetscCall(PetscFree(B));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int i = 0; i < n; i++)
    if (!(e->m.G[k][i * n + i] > 0.0)) B[i * n + i] = 0.0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int r = 0; r < n; r++) e->inverse[k][i * n + j] += B[r * n + i] * B[r * n + j];
  e->B[k] = B;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompEquationsSet - See the header. A singular matrix has an inverse of 0 here: what is
  multiplied with it is 0 too. Collective.
*/
PetscErrorCode VarcompEquationsSet(MeritVarcomp v, const double theta[], VarcompEquations *e)
{
  const MeritTermView *term;

  PetscFunctionBegin;
  PetscCall(VarcompSetVariances(v, theta));
  VarcompFill(v, theta, &e->m);
  MeritModelTerms(v->model, &term);
  for (int k = 0; k < v->formula->n_terms; k++) {
    const int n = v->formula->term[k].n_components;

    if (v->first_of_term[k] < 0) continue;
    PetscCall(PetscFree(e->B[k]));
    if (term[k].L) PetscCall(PenaltyRoot(n, term[k].L, e, k));
    else if (!MeritDenseInvert(n, e->m.G[k], e->inverse[k], NULL)) PetscCall(PetscArrayzero(e->inverse[k], n * n));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompTermDerivative - See the header: rows and columns of both mirror images of E. Not
  collective.
*/
void VarcompTermDerivative(const MeritComponent *c, int n, const double *inverse, double *A)
{
  const double *B = inverse;

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      A[i * n + j] = -B[i * n + c->row] * B[j * n + c->column];
      if (c->row != c->column) A[i * n + j] -= B[i * n + c->column] * B[j * n + c->row];
    }
}

/*
  VarcompApplyR - See the header. R^-1 of a record is that of its pattern, with its weights. Not
  collective.
*/
void VarcompApplyR(const MeritRecordsView *records, int k, const double *in, double *out)
{
  const int t = records->n_traits;

#pragma omp parallel for
  for (int32_t i = 0; i < records->n_records; i++) {
    const MeritRecordInverse r = MeritRecordInverseOf(records->R_inverse, records->pattern, records->sqrt_weight, t, i);

    for (int j = 0; j < k; j++) {
      double from[MERIT_MAX_TRAITS], to[MERIT_MAX_TRAITS];

      for (int a = 0; a < t; a++) from[a] = in[((int64_t)i * t + a) * k + j];
      MeritRecordInverseApply(r, t, 1, from, to);
      for (int a = 0; a < t; a++) out[((int64_t)i * t + a) * k + j] = to[a];
    }
  }
}

/*
  E G^-1 u of every owned level for the components of one term, added to columns of x [n_owned *
  n]. In equations of v = B u it is B E B'v: then G^-1 u = B'v, and multiplication by B leads
  back to the equations.
*/
static void TermVariates(MeritVarcomp v, const VarcompEquations *e, int k, double *x)
{
  const MeritTermView *term;
  const double        *B = e->B[k], *inverse = e->inverse[k];
  int                  n;

  MeritModelTerms(v->model, &term);
  n = term[k].n_eq;
  for (int32_t level = 0; level < term[k].n_owned; level++) {
    const int64_t own = term[k].eq_owned + (int64_t)level * n;
    double        g[MERIT_MAX_COMPONENTS];

    for (int a = 0; a < n; a++) {
      g[a] = 0.0;
      for (int b = 0; b < n; b++) g[a] += (B ? B[b * n + a] : inverse[a * n + b]) * e->x[own + b];
    }
    for (int c = v->first_of_term[k]; c < v->first_of_term[k] + n * (n + 1) / 2; c++) {
      const MeritComponent *p = &v->component[c];

      for (int a = 0; a < n && B; a++)
        x[(own + a) * v->n + c] += B[a * n + p->row] * g[p->column] + (p->row != p->column ? B[a * n + p->column] * g[p->row] : 0.0);
      if (B) continue;
      x[(own + p->row) * v->n + c] += g[p->column];
      if (p->row != p->column) x[(own + p->column) * v->n + c] += g[p->row];
    }
  }
}

/*
  E R^-1 (y - W x) of every record for the residual components of its class, added to e->work.
  e->Py has R^-1 with the weights. The derivative of a record's R is E divided by the roots of
  its weights.
*/
static void ResidualVariates(MeritVarcomp v, VarcompEquations *e)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const int               t       = records->n_traits;

  for (int32_t i = 0; i < records->n_records; i++) {
    const double *sqrt_weight = records->sqrt_weight ? records->sqrt_weight + (int64_t)i * t : NULL;
    const int     c0          = v->first_of_residual[records->residual_class[records->pattern[i]]];

    for (int c = c0; c < c0 + t * (t + 1) / 2; c++) {
      const int    a = v->component[c].row, b = v->component[c].column;
      const double weight = sqrt_weight ? sqrt_weight[a] * sqrt_weight[b] : 1.0;

      e->work[((int64_t)i * t + a) * v->n + c] += e->Py[(int64_t)i * t + b] / weight;
      if (a != b) e->work[((int64_t)i * t + b) * v->n + c] += e->Py[(int64_t)i * t + a] / weight;
    }
  }
}

/* sums[n] of this rank: column j of A [rows * n] with b [rows] */
static void DotsOfVariates(size_t rows, int n, const double *A, const double *b, double sums[])
{
  for (int j = 0; j < n; j++) sums[j] = 0.0;
  for (size_t i = 0; i < rows; i++)
    for (int j = 0; j < n; j++) sums[j] += A[i * (size_t)n + (size_t)j] * b[i];
}

/* e->Py, e->yPy, the working variates e->work and their products quad [n] = f_j'P y. Collective. */
static PetscErrorCode Variates(MeritVarcomp v, VarcompEquations *e, double quad[])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  double                 *x, yPy = 0.0;

  PetscFunctionBegin;
  PetscCall(MeritMMEFitted(v->run.C, e->x, e->Py));
  for (size_t i = 0; i < e->n_values; i++) e->Py[i] = e->y[i] - e->Py[i];
  VarcompApplyR(records, 1, e->Py, e->Py);
  for (size_t i = 0; i < e->n_values; i++) yPy += e->y[i] * e->Py[i];
  PetscCall(PetscCalloc1((size_t)e->n_owned * (size_t)v->n + 1, &x));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) TermVariates(v, e, k, x);
  PetscCall(MeritMMEFittedBlock(v->run.C, v->n, x, e->work));
  PetscCall(PetscFree(x));
  ResidualVariates(v, e);
  DotsOfVariates(e->n_values, v->n, e->work, e->Py, quad);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, quad, v->n, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCallMPI(MPI_Allreduce(&yPy, &e->yPy, 1, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  information = F'P F / 2 with P F = R^-1 (F - W C^-1 W'R^-1 F), all components in one block of
  right-hand sides. Both orders of a pair are averaged, so that the matrix is symmetric where
  solutions are not exact. Collective.
*/
static PetscErrorCode InformationOfVariates(MeritVarcomp v, VarcompEquations *e, VarcompSolve solve, double information[])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const size_t            n       = (size_t)v->n;
  double                 *r, *PF;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)e->n_owned * n + 1, &r, e->n_values * n + 1, &PF));
  PetscCall(MeritMMEProject(v->run.C, v->n, e->work, r));
  PetscCall(solve(v, v->n, r, e->x_work));
  PetscCall(MeritMMEFittedBlock(v->run.C, v->n, e->x_work, PF));
  for (size_t i = 0; i < e->n_values * n; i++) PF[i] = e->work[i] - PF[i];
  VarcompApplyR(records, v->n, PF, PF);
  PetscCall(PetscArrayzero(information, n * n));
  for (size_t i = 0; i < e->n_values; i++)
    for (size_t a = 0; a < n; a++)
      for (size_t b = 0; b < n; b++) information[a * n + b] += 0.25 * (e->work[i * n + a] * PF[i * n + b] + e->work[i * n + b] * PF[i * n + a]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, information, v->n * v->n, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCall(PetscFree2(r, PF));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompEquationsForms - See the header. Collective. */
PetscErrorCode VarcompEquationsForms(MeritVarcomp v, VarcompEquations *e, VarcompSolve solve, double quad[], double information[])
{
  PetscFunctionBegin;
  PetscCall(Variates(v, e, quad));
  PetscCall(InformationOfVariates(v, e, solve, information));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompResidualPart - See the header. R^-1 is known for each pattern of observed traits, so
  both are sums over patterns times their records; weights add a constant to log |R|. Patterns
  differ between ranks: a matrix that is not definite makes the sum NaN, which all ranks see.
  Collective.
*/
PetscErrorCode VarcompResidualPart(MeritVarcomp v, double *log_R, double trace[])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const int               t       = records->n_traits;
  double                 *sums, part[MERIT_MAX_TRAIT_BLOCK], log_part;
  int64_t                *count;
  int                     trait[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  PetscCall(PetscCalloc2((size_t)v->n + 1, &sums, records->n_patterns + 1, &count));
  for (int32_t i = 0; i < records->n_records; i++) {
    count[records->pattern[i]]++;
    for (int a = 0; records->sqrt_weight && a < t; a++)
      if (records->observed[records->pattern[i]] >> a & 1) sums[v->n] -= 2.0 * log(records->sqrt_weight[(int64_t)i * t + a]);
  }
  for (int32_t p = 0; p < records->n_patterns; p++) {
    const int     c0 = v->first_of_residual[records->residual_class[p]];
    const double *R  = records->R_inverse + (int64_t)p * t * t;
    const int     m  = MeritDensePart(t, records->observed[p], R, trait, part);

    if (!MeritDenseInvert(m, part, NULL, &log_part)) log_part = NAN; /* patterns differ between ranks: the sum tells all of them */
    sums[v->n] -= (double)count[p] * log_part;
    for (int c = c0; c < c0 + t * (t + 1) / 2; c++) sums[c] += (double)count[p] * VarcompPick(&v->component[c], t, R);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, v->n + 1, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCheck(!isnan(sums[v->n]), v->comm, PETSC_ERR_PLIB, "R^-1 is not definite");
  for (int c = 0; c < v->n; c++) trace[c] += sums[c];
  *log_R = sums[v->n];
  PetscCall(PetscFree2(sums, count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompPenaltyPart - See the header. log |K x G| = n log |K| + q log |G| for a term of n
  components and q levels. Equations of v = B u, those of a singular matrix too, have the
  penalty K^-1 x I: the first part alone. Collective.
*/
PetscErrorCode VarcompPenaltyPart(MeritVarcomp v, const VarcompEquations *e, double *log_G, double trace[])
{
  const MeritTermView *term;
  double               log_K = 0.0, log_determinant;

  PetscFunctionBegin;
  *log_G = 0.0;
  MeritModelTerms(v->model, &term);
  for (int k = 0; k < v->formula->n_terms; k++) {
    const int n = term[k].n_comp, first = v->first_of_term[k];

    if (first < 0) continue;
    MeritRecursionLogDeterminant(MeritStructurePenalty(term[k].structure), n, &log_K);
    if (!term[k].L) {
      PetscCheck(MeritDenseInvert(n, e->m.G[k], NULL, &log_determinant), v->comm, PETSC_ERR_PLIB, "a matrix is not definite");
      *log_G += (double)term[k].n_levels * log_determinant;
    }
    for (int c = first; c < first + n * (n + 1) / 2 && !e->B[k]; c++)
      trace[c] += (double)term[k].n_levels * VarcompPick(&v->component[c], n, e->inverse[k]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &log_K, 1, MPI_DOUBLE, MPI_SUM, v->comm));
  *log_G += log_K;
  PetscFunctionReturn(PETSC_SUCCESS);
}
