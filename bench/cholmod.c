/*
  The mixed model equations of a job, assembled and factored by CHOLMOD through PETSc, beside Merit's iterations: seconds of
  assembly, ordering, factor and solve, entries of the factor, peak memory. Prints one JSON line.

  usage: merit_cholmod JOB MEMORY_GIB [-petsc_option value]...

  One rank. The factor is not begun if its entries alone pass the memory given; then "state" says so. The residual printed is that
  of Merit's own matrix-free operator, so a wrong assembly would show.
*/
#include <merit/config.h>
#include <merit/log.h>
#include <merit/model.h>
#include <merit/op.h>
#include <petsctime.h>
#include <petscksp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The upper triangle, row by row. First `start` counts, then entries are put, then rows are sorted and equal columns summed. */
typedef struct {
  PetscInt       n, *start, *column; /* owned */
  PetscScalar   *value;              /* owned */
  const uint8_t *state;              /* of the equations; borrowed */
  bool           counting;
} Triangle;

/* What is measured */
typedef struct {
  double         setup, assembly, ordering, factor, solve, residual;
  PetscInt64     equations, entries;
  PetscLogDouble factor_entries, needed;
  const char    *state;
} Measured;

/* One entry, constrained equations left out: they are rows of the identity */
static void Put(Triangle *a, PetscInt i, PetscInt j, double value)
{
  const PetscInt row = PetscMin(i, j), column = PetscMax(i, j);

  if (a->state[i] != MERIT_EQ_OK || a->state[j] != MERIT_EQ_OK) return;
  if (a->counting) {
    a->start[row + 1]++;
    return;
  }
  a->column[a->start[row]]  = column;
  a->value[a->start[row]++] = value;
}

/* Equations a record meets, with the trait and coefficient of each */
static int Meet(const MeritTermView *term, int n_terms, int n_traits, int32_t record, PetscInt equation[], int trait[], double value[])
{
  int n = 0;

  for (int k = 0; k < n_terms; k++)
    for (int r = 0; r < term[k].n_regressors; r++) {
      const MeritDesignView *design = &term[k].design[r];

      if (design->slot[record] < 0) continue;
      for (int t = 0; t < n_traits; t++) {
        if (design->offset[t] < 0) continue;
        equation[n] = design->slot[record] + design->offset[t];
        trait[n]    = t;
        value[n++]  = design->value ? design->value[record] : 1.0;
      }
    }
  return n;
}

static PetscErrorCode PutRecords(Triangle *a, MeritModel model)
{
  const MeritRecordsView *records = MeritModelRecords(model);
  const MeritTermView    *term;
  const int               n_terms = MeritModelTerms(model, &term), n_traits = records->n_traits;
  int                     most = 0, *trait;
  PetscInt               *equation;
  double                 *value;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) most += term[k].n_regressors * n_traits;
  PetscCall(PetscMalloc3(most, &equation, most, &trait, most, &value));
  for (int32_t i = 0; i < records->n_records; i++) {
    const double *R = records->R_inverse + (size_t)records->pattern[i] * (size_t)(n_traits * n_traits);
    const double *w = records->sqrt_weight ? records->sqrt_weight + (size_t)i * (size_t)n_traits : NULL;
    const int     n = Meet(term, n_terms, n_traits, i, equation, trait, value);

    for (int p = 0; p < n; p++)
      for (int q = p; q < n; q++) {
        const double v = R[trait[p] * n_traits + trait[q]] * value[p] * value[q];

        if (v != 0.0) Put(a, equation[p], equation[q], w ? v * w[trait[p]] * w[trait[q]] : v);
      }
  }
  PetscCall(PetscFree3(equation, trait, value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* w w' / d of one animal times G^-1, w being 1 for itself and -1/2 for each known parent (Henderson 1976) */
static void PutAnimal(Triangle *a, const MeritTermView *term, int32_t i)
{
  const MeritRecursion *rows    = MeritStructurePenalty(term->structure);
  const PetscInt        at[3]   = {term->eq_owned + i * term->n_eq, rows->sire[i], rows->dam[i]};
  const double          part[3] = {1.0, -0.5, -0.5};

  for (int p = 0; p < 3; p++)
    for (int q = p; q < 3; q++) {
      if (at[p] < 0 || at[q] < 0) continue;
      for (int b = 0; b < term->n_eq; b++)
        for (int c = p == q ? b : 0; c < term->n_eq; c++) {
          const double v = part[p] * part[q] / rows->d[i] * term->G_inverse[b * term->n_eq + c];

          /* selfing: sire and dam are one, and both orders fall on the same half */
          Put(a, at[p] + b, at[q] + c, p != q && at[p] == at[q] && b == c ? 2.0 * v : v);
        }
    }
}

static void PutIdentity(Triangle *a, const MeritTermView *term)
{
  for (int32_t i = 0; i < term->n_owned; i++)
    for (int b = 0; b < term->n_eq; b++)
      for (int c = b; c < term->n_eq; c++)
        Put(a, term->eq_owned + i * term->n_eq + b, term->eq_owned + i * term->n_eq + c, term->G_inverse[b * term->n_eq + c]);
}

static PetscErrorCode PutAll(Triangle *a, MeritModel model)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(model, &term);

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++)
    PetscCheck(!term[k].L && term[k].kind != MERIT_TERM_SNP && term[k].kind != MERIT_TERM_RIDGE, PETSC_COMM_SELF, PETSC_ERR_SUP,
               "only fixed, iid and ped terms with covariance matrices of full rank are assembled");
  PetscCall(PutRecords(a, model));
  for (int k = 0; k < n_terms; k++) {
    if (term[k].kind == MERIT_TERM_PED)
      for (int32_t i = 0; i < term[k].n_owned; i++) PutAnimal(a, &term[k], i);
    if (term[k].kind == MERIT_TERM_IID) PutIdentity(a, &term[k]);
  }
  for (PetscInt i = 0; i < a->n; i++) { /* every row has its diagonal */
    if (a->counting) {
      a->start[i + 1]++;
    } else {
      a->column[a->start[i]]  = i;
      a->value[a->start[i]++] = a->state[i] == MERIT_EQ_OK ? 0.0 : 1.0;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sort the entries of each row and sum those of one column; rows move up. */
static PetscErrorCode Compress(Triangle *a)
{
  PetscInt end = 0;

  PetscFunctionBegin;
  for (PetscInt i = 0, begin = 0; i < a->n; i++) {
    const PetscInt n = a->start[i] - begin, first = end;

    PetscCall(PetscSortIntWithScalarArray(n, a->column + begin, a->value + begin));
    for (PetscInt k = begin; k < begin + n; k++) {
      if (end > first && a->column[end - 1] == a->column[k]) {
        a->value[end - 1] += a->value[k];
      } else {
        a->column[end]  = a->column[k];
        a->value[end++] = a->value[k];
      }
    }
    begin       = a->start[i];
    a->start[i] = first;
  }
  a->start[a->n] = end;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Assemble(MeritModel model, Triangle *a, Mat *A, Measured *m)
{
  int32_t    n_owned;
  PetscInt64 sum = 0;

  PetscFunctionBegin;
  n_owned     = MeritModelLayout(model)->n_owned;
  a->n        = n_owned;
  a->state    = MeritModelEquationState(model);
  a->counting = true;
  PetscCall(PetscCalloc1(a->n + 1, &a->start));
  PetscCall(PutAll(a, model));
  for (PetscInt i = 0; i < a->n; i++) sum += a->start[i + 1];
  PetscCheck(sum < PETSC_MAX_INT, PETSC_COMM_SELF, PETSC_ERR_SUP, "more entries than PetscInt counts");
  for (PetscInt i = 0; i < a->n; i++) a->start[i + 1] += a->start[i];
  PetscCall(PetscMalloc2((size_t)sum, &a->column, (size_t)sum, &a->value));
  a->counting = false;
  PetscCall(PutAll(a, model));
  PetscCall(Compress(a));
  PetscCall(MatCreateSeqSBAIJWithArrays(PETSC_COMM_SELF, 1, a->n, a->n, a->start, a->column, a->value, A));
  PetscCall(MatSetOption(*A, MAT_SPD, PETSC_TRUE));
  m->equations = a->n;
  m->entries   = a->start[a->n];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Order, factor if that fits, solve; x is left as it is if it does not. */
static PetscErrorCode Factor(Mat A, double gibibytes, Vec r, Vec x, Measured *m)
{
  Mat            F;
  MatFactorInfo  how;
  MatInfo        info;
  PetscLogDouble t0, t1;

  PetscFunctionBegin;
  PetscCall(MatFactorInfoInitialize(&how));
  PetscCall(MatGetFactor(A, MATSOLVERCHOLMOD, MAT_FACTOR_CHOLESKY, &F));
  PetscCall(PetscTime(&t0));
  PetscCall(MatCholeskyFactorSymbolic(F, A, NULL, &how));
  PetscCall(PetscTime(&t1));
  m->ordering = t1 - t0;
  PetscCall(MatGetInfo(F, MAT_LOCAL, &info));
  m->factor_entries = info.nz_used;
  m->needed         = 8.0 * info.nz_used + (double)MeritPeakMemory();
  m->state          = "does not fit";
  fprintf(stderr, "ordered in %.1f s, %.4g entries foreseen\n", m->ordering, info.nz_used);
  if (m->needed < gibibytes * 1073741824.0) {
    PetscCall(MatCholeskyFactorNumeric(F, A, &how));
    PetscCall(PetscTime(&t0));
    m->factor = t0 - t1;
    PetscCall(MatSolve(F, r, x));
    PetscCall(PetscTime(&t1));
    m->solve = t1 - t0;
    m->state = "done";
  }
  PetscCall(MatDestroy(&F));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Residual(Mat C, Vec r, Vec x, double *residual)
{
  Vec       q;
  PetscReal norm, left;

  PetscFunctionBegin;
  PetscCall(VecDuplicate(r, &q));
  PetscCall(MatMult(C, x, q));
  PetscCall(VecAYPX(q, -1.0, r));
  PetscCall(VecNorm(r, NORM_2, &norm));
  PetscCall(VecNorm(q, NORM_2, &left));
  PetscCall(VecDestroy(&q));
  *residual = left / norm;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Measure(MeritNode job, double gibibytes, Measured *m)
{
  MeritModel     model;
  Mat            A, C;
  Vec            r, x;
  Triangle       a = {0};
  PetscScalar   *values;
  PetscLogDouble t0, t1;

  PetscFunctionBegin;
  PetscCall(PetscTime(&t0));
  PetscCall(MeritModelCreate(PETSC_COMM_SELF, &model));
  PetscCall(MeritModelSetFromConfig(model, job));
  PetscCall(MeritModelSetUp(model));
  PetscCall(PetscTime(&t1));
  m->setup = t1 - t0;
  PetscCall(Assemble(model, &a, &A, m));
  PetscCall(PetscTime(&t0));
  m->assembly = t0 - t1;
  PetscCall(MatCreateVecs(A, &x, &r));
  PetscCall(MeritMatCreateMME(model, &C));
  PetscCall(VecGetArray(r, &values));
  PetscCall(MeritMMERightHandSide(C, values));
  PetscCall(VecRestoreArray(r, &values));
  PetscCall(Factor(A, gibibytes, r, x, m));
  if (m->solve > 0) PetscCall(Residual(C, r, x, &m->residual));
  PetscCall(VecDestroy(&r));
  PetscCall(VecDestroy(&x));
  PetscCall(MatDestroy(&C));
  PetscCall(MatDestroy(&A));
  PetscCall(PetscFree(a.start));
  PetscCall(PetscFree2(a.column, a.value));
  PetscCall(MeritModelDestroy(&model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

int main(int argc, char **argv)
{
  Measured  m = {.state = "failed"};
  MeritNode job;

  PetscCall(PetscInitialize(&argc, &argv, NULL, NULL));
  if (argc < 3) {
    fprintf(stderr, "usage: merit_cholmod JOB MEMORY_GIB\n");
    return 2;
  }
  PetscCall(MeritConfigLoad(PETSC_COMM_SELF, argv[1], &job));
  PetscCall(Measure(job, atof(argv[2]), &m));
  printf("{\"program\": \"cholmod\", \"state\": \"%s\", \"equations\": %lld, \"entries\": %lld, \"factor_entries\": %.0f, "
         "\"seconds.read\": %.3f, \"seconds.assembly\": %.3f, \"seconds.ordering\": %.3f, \"seconds.factor\": %.3f, "
         "\"seconds.solve\": %.3f, \"residual\": %.3g, \"memory_needed\": %.0f, \"memory\": %lld}\n",
         m.state, (long long)m.equations, (long long)m.entries, m.factor_entries, m.setup, m.assembly, m.ordering, m.factor, m.solve, m.residual,
         m.needed, (long long)MeritPeakMemory());
  PetscCall(MeritConfigDestroy(&job));
  PetscCall(PetscFinalize());
  return 0;
}
