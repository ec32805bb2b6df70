#include <merit/factor.h>
#include <petscblaslapack.h>
#include <math.h>
struct _p_MeritFactor { MPI_Comm comm; PetscInt n, first, own; double *F, *inv; };
PetscErrorCode MeritFactorCreate(Mat A, MeritFactor *f)
{
  PetscFunctionBegin;
  PetscCall(PetscNew(f));
  PetscCall(PetscObjectGetComm((PetscObject)A, &(*f)->comm));
  PetscCall(MatGetSize(A, &(*f)->n, NULL));
  PetscCall(MatGetOwnershipRange(A, &(*f)->first, &(*f)->own));
  (*f)->own -= (*f)->first;
  PetscCall(PetscMalloc1((*f)->n * (*f)->n, &(*f)->F));
  PetscCall(PetscMalloc1((*f)->n * (*f)->n, &(*f)->inv));
  PetscFunctionReturn(0);
}
PetscErrorCode MeritFactorSize(MeritFactor f, double *a, double *b, double *c, double *d) { (void)f; if (a) *a = 0; if (b) *b = 0; if (c) *c = 0; if (d) *d = 0; return 0; }
PetscErrorCode MeritFactorNumeric(MeritFactor f, Mat A, bool *definite)
{
  PetscBLASInt n = (PetscBLASInt)f->n, info;
  PetscFunctionBegin;
  PetscCall(PetscArrayzero(f->F, f->n * f->n));
  for (PetscInt i = f->first; i < f->first + f->own; i++) {
    const PetscInt *c; const PetscScalar *v; PetscInt m;
    PetscCall(MatGetRow(A, i, &m, &c, &v));
    for (PetscInt j = 0; j < m; j++) f->F[i * f->n + c[j]] = v[j];
    PetscCall(MatRestoreRow(A, i, &m, &c, &v));
  }
  MPI_Allreduce(MPI_IN_PLACE, f->F, (int)(f->n * f->n), MPI_DOUBLE, MPI_SUM, f->comm);
  LAPACKpotrf_("L", &n, f->F, &n, &info);
  *definite = !info;
  PetscFunctionReturn(0);
}
PetscErrorCode MeritFactorLogDeterminant(MeritFactor f, double *l) { *l = 0; for (PetscInt i = 0; i < f->n; i++) *l += 2 * log(f->F[i * f->n + i]); return 0; }
PetscErrorCode MeritFactorSolve(MeritFactor f, int k, const double R[], double X[])
{
  PetscBLASInt n = (PetscBLASInt)f->n, one = 1, info;
  double *x;
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(f->n, &x));
  for (int j = 0; j < k; j++) {
    PetscCall(PetscArrayzero(x, f->n));
    for (PetscInt i = 0; i < f->own; i++) x[f->first + i] = R[i * k + j];
    MPI_Allreduce(MPI_IN_PLACE, x, (int)f->n, MPI_DOUBLE, MPI_SUM, f->comm);
    LAPACKpotrs_("L", &n, &one, f->F, &n, x, &n, &info);
    for (PetscInt i = 0; i < f->own; i++) X[i * k + j] = x[f->first + i];
  }
  PetscCall(PetscFree(x));
  PetscFunctionReturn(0);
}
PetscErrorCode MeritFactorInverse(MeritFactor f, Mat S)
{
  PetscBLASInt n = (PetscBLASInt)f->n, info;
  PetscFunctionBegin;
  PetscCall(PetscArraycpy(f->inv, f->F, f->n * f->n));
  LAPACKpotri_("L", &n, f->inv, &n, &info);
  Mat part[2] = {S, NULL}; const PetscInt *colmap = NULL; PetscBool seq;
  PetscCall(PetscObjectTypeCompare((PetscObject)S, MATSEQAIJ, &seq));
  if (!seq) PetscCall(MatMPIAIJGetSeqAIJ(S, &part[0], &part[1], &colmap));
  for (int p = 0; p < 2 && part[p]; p++) {
    const PetscInt *ia, *ja; PetscInt m; PetscBool done; PetscScalar *a;
    PetscCall(MatGetRowIJ(part[p], 0, PETSC_FALSE, PETSC_FALSE, &m, &ia, &ja, &done));
    PetscCall(MatSeqAIJGetArray(part[p], &a));
    for (PetscInt i = 0; i < m; i++) for (PetscInt k = ia[i]; k < ia[i + 1]; k++) {
      PetscInt r = f->first + i, c = p ? colmap[ja[k]] : f->first + ja[k];
      a[k] = c < r ? f->inv[c * f->n + r] : f->inv[r * f->n + c];
    }
    PetscCall(MatSeqAIJRestoreArray(part[p], &a));
    PetscCall(MatRestoreRowIJ(part[p], 0, PETSC_FALSE, PETSC_FALSE, &m, &ia, &ja, &done));
  }
  PetscFunctionReturn(0);
}
PetscErrorCode MeritFactorDestroy(MeritFactor *f) { if (*f) { PetscFree((*f)->F); PetscFree((*f)->inv); PetscFree(*f); } return 0; }
