#pragma once
#include <merit/sys.h>
#include <petscmat.h>
typedef struct _p_MeritFactor *MeritFactor;
MERIT_EXTERN PetscErrorCode MeritFactorCreate(Mat A, MeritFactor *factor);
MERIT_EXTERN PetscErrorCode MeritFactorSize(MeritFactor factor, double *bytes, double *bytes_inverse, double *entries, double *flops);
MERIT_EXTERN PetscErrorCode MeritFactorNumeric(MeritFactor factor, Mat A, bool *definite);
MERIT_EXTERN PetscErrorCode MeritFactorLogDeterminant(MeritFactor factor, double *log_determinant);
MERIT_EXTERN PetscErrorCode MeritFactorSolve(MeritFactor factor, int k, const double R[], double X[]);
MERIT_EXTERN PetscErrorCode MeritFactorInverse(MeritFactor factor, Mat S);
MERIT_EXTERN PetscErrorCode MeritFactorDestroy(MeritFactor *factor);
