/*
  Factor and selected inverse of the mixed model equations of a job, by Merit and, if asked, by MUMPS: seconds of each step. Prints one JSON
  line.

  usage: mpirun -n RANKS merit_factor JOB [REPEATS] [mumps]

  The best of REPEATS (1) is printed for Merit's numbers, which a REML refactors. MUMPS' inverse of selected entries is asked for the pattern
  of the equations too; it wants that whole pattern on rank 0. "difference" is the largest one between the two, relative to the
  largest entry.
*/
#include <math.h>
#include <merit/config.h>
#include <merit/factor.h>
#include <merit/log.h>
#include <merit/model.h>
#include <merit/op.h>
#include <petsctime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  double         read, form, analyse, factor, inverse, solve, residual, mumps_analyse, mumps_factor, mumps_inverse, difference;
  double         bytes, bytes_inverse, entries, flops;
  long long      equations;
  PetscLogDouble last;
} Measured;

static double Lap(Measured *m)
{
  const PetscLogDouble before = m->last;

  MPI_Barrier(PETSC_COMM_WORLD);
  PetscTime(&m->last);
  return m->last - before;
}

static PetscErrorCode Merit(Mat A, Mat S, int repeats, Measured *m)
{
  MeritFactor f;
  double     *r, *x;
  PetscInt    n;
  Vec         b, y, q;
  PetscReal   norm;
  bool        definite;

  PetscFunctionBegin;
  PetscCall(MatGetLocalSize(A, &n, NULL));
  Lap(m);
  PetscCall(MeritFactorCreate(A, &f));
  m->analyse       = Lap(m);
  m->bytes         = MeritFactorSize(f)->bytes;
  m->bytes_inverse = MeritFactorSize(f)->bytes_inverse;
  m->entries       = MeritFactorSize(f)->entries;
  m->flops         = MeritFactorSize(f)->flops;
  m->factor = m->inverse = INFINITY;
  for (int i = 0; i < repeats; i++) {
    Lap(m);
    PetscCall(MeritFactorNumeric(f, A, &definite));
    m->factor = fmin(m->factor, Lap(m));
    PetscCheck(definite, PETSC_COMM_WORLD, PETSC_ERR_MAT_CH_ZRPVT, "the equations are singular");
    PetscCall(MeritFactorInverse(f, S));
    m->inverse = fmin(m->inverse, Lap(m));
  }
  PetscCall(MatCreateVecs(A, &y, &b));
  PetscCall(VecDuplicate(b, &q));
  PetscCall(VecSet(y, 1.0));
  PetscCall(MatMult(A, y, b));
  PetscCall(VecGetArray(b, &r));
  PetscCall(VecGetArray(y, &x));
  Lap(m);
  PetscCall(MeritFactorSolve(f, 1, r, x));
  m->solve = Lap(m);
  PetscCall(VecRestoreArray(y, &x));
  PetscCall(VecRestoreArray(b, &r));
  PetscCall(MatMult(A, y, q));
  PetscCall(VecAXPY(q, -1.0, b));
  PetscCall(VecNorm(q, NORM_2, &m->residual));
  PetscCall(VecNorm(b, NORM_2, &norm));
  m->residual /= norm;
  PetscCall(VecDestroy(&q));
  PetscCall(VecDestroy(&b));
  PetscCall(VecDestroy(&y));
  PetscCall(MeritFactorDestroy(&f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All of a matrix on rank 0, the others none */
static PetscErrorCode OnRoot(Mat A, Mat *all)
{
  IS          rows;
  PetscInt    n;
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCall(MatGetSize(A, &n, NULL));
  PetscCall(ISCreateStride(PETSC_COMM_WORLD, rank ? 0 : n, 0, 1, &rows));
  PetscCall(MatCreateSubMatrix(A, rows, rows, MAT_INITIAL_MATRIX, all));
  PetscCall(ISDestroy(&rows));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Mumps(Mat A, Mat S, Measured *m)
{
  Mat           F, mine, theirs, transposed;
  MatFactorInfo info;
  PetscReal     most, apart;

  PetscFunctionBegin;
  PetscCall(MatFactorInfoInitialize(&info));
  Lap(m);
  PetscCall(MatGetFactor(A, MATSOLVERMUMPS, MAT_FACTOR_CHOLESKY, &F));
  PetscCall(MatCholeskyFactorSymbolic(F, A, NULL, &info));
  m->mumps_analyse = Lap(m);
  PetscCall(MatCholeskyFactorNumeric(F, A, &info));
  m->mumps_factor = Lap(m);
  PetscCall(OnRoot(S, &mine));
  PetscCall(MatDuplicate(mine, MAT_COPY_VALUES, &theirs));
  PetscCall(MatCreateTranspose(theirs, &transposed));
  Lap(m);
  PetscCall(MatMumpsGetInverse(F, transposed));
  m->mumps_inverse = Lap(m);
  PetscCall(MatNorm(mine, NORM_INFINITY, &most));
  PetscCall(MatAXPY(theirs, -1.0, mine, SAME_NONZERO_PATTERN));
  PetscCall(MatNorm(theirs, NORM_INFINITY, &apart));
  m->difference = apart / most;
  PetscCall(MatDestroy(&transposed));
  PetscCall(MatDestroy(&theirs));
  PetscCall(MatDestroy(&mine));
  PetscCall(MatDestroy(&F));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Measure(MeritNode job, int repeats, bool mumps, Measured *m)
{
  MeritModel model;
  Mat        A, C, S;
  PetscInt   n;

  PetscFunctionBegin;
  Lap(m);
  PetscCall(MeritModelCreate(PETSC_COMM_WORLD, &model));
  PetscCall(MeritModelSetFromConfig(model, job));
  PetscCall(MeritModelSetUp(model));
  PetscCall(MeritMatCreateMME(model, &C));
  m->read = Lap(m);
  PetscCall(MeritMMEAssemble(C, &A));
  PetscCall(MatDuplicate(A, MAT_COPY_VALUES, &S));
  m->form = Lap(m);
  PetscCall(MatGetSize(A, &n, NULL));
  m->equations = n;
  PetscCall(Merit(A, S, repeats, m));
  if (mumps) PetscCall(Mumps(A, S, m));
  PetscCall(MatDestroy(&S));
  PetscCall(MatDestroy(&A));
  PetscCall(MatDestroy(&C));
  PetscCall(MeritModelDestroy(&model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

int main(int argc, char **argv)
{
  Measured    m = {0};
  MeritNode   job;
  PetscMPIInt rank, size;
  bool        mumps   = false;
  int         repeats = 1;

  PetscCall(PetscInitialize(&argc, &argv, NULL, NULL));
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  if (argc < 2) {
    fprintf(stderr, "usage: merit_factor JOB [REPEATS] [mumps]\n");
    return 2;
  }
  for (int i = 2; i < argc; i++) {
    if (!strcmp(argv[i], "mumps")) mumps = true;
    else if (atoi(argv[i]) > 0) repeats = atoi(argv[i]);
  }
  PetscCall(MeritConfigLoad(PETSC_COMM_WORLD, argv[1], &job));
  PetscCall(Measure(job, repeats, mumps, &m));
  if (!rank)
    printf("{\"program\": \"factor\", \"ranks\": %d, \"equations\": %lld, \"factor_entries\": %.0f, \"flops\": %.4g, \"bytes\": %.0f, "
           "\"bytes_inverse\": %.0f, \"seconds.read\": %.3f, \"seconds.form\": %.3f, \"seconds.analyse\": %.3f, \"seconds.factor\": %.3f, "
           "\"seconds.inverse\": %.3f, \"seconds.solve\": %.3f, \"residual\": %.2g, \"seconds.mumps_analyse\": %.3f, "
           "\"seconds.mumps_factor\": %.3f, \"seconds.mumps_inverse\": %.3f, \"difference\": %.2g, \"memory\": %lld}\n",
           size, m.equations, m.entries, m.flops, m.bytes, m.bytes_inverse, m.read, m.form, m.analyse, m.factor, m.inverse, m.solve, m.residual,
           m.mumps_analyse, m.mumps_factor, m.mumps_inverse, m.difference, (long long)MeritPeakMemory());
  PetscCall(MeritConfigDestroy(&job));
  PetscCall(PetscFinalize());
  return 0;
}
