#pragma once
/* Solvers that form C: cholesky and lhs_gs. Private to src/solve. */
#include "solver_impl.h"
#include <merit/op.h>

/* direct.c: form C if it fits, and fits on one rank if it is to be gathered there. Collective. */
PetscErrorCode DirectAssemble(MeritSolver solver, bool gather, Mat *A);
/* Refuse what needs more bytes on the fullest rank than solver.memory or the machine give; `what` needs them. Collective. */
PetscErrorCode DirectRefuse(MeritSolver solver, const char what[], double bytes);
/* Bytes a rank may take: solver.memory, or what the machine has; -1 not known. Collective. */
PetscErrorCode DirectRoom(MeritSolver solver, double *bytes);

/* cholesky_dense.c: the factor of a dense C on rank 0 */
typedef struct _CholeskyDense CholeskyDense;
/* Are half of the equations or more those of SNPs and columns of ridge, and does a rank have room for all of C? Collective. */
PetscErrorCode CholeskyDenseFits(MeritSolver solver, bool *yes);
/* Write into text [size] why equations have no factor: of the diagonal of equation number
   `equation` the part `pivot_ratio` is left. Collective on the model. */
PetscErrorCode SingularText(MeritModel model, int64_t equation, double pivot_ratio, size_t size, char text[]);
/* Form and factor; *lost: the first equation without a pivot, and what is left of its diagonal, relative; -1: none. Collective. */
PetscErrorCode CholeskyDenseFactor(MeritSolver solver, CholeskyDense **dense, int64_t *lost, double *pivot_ratio);
/* x += C^-1 q for k right-hand sides. Collective. */
PetscErrorCode CholeskyDenseSubstitute(MeritSolver solver, CholeskyDense *dense, int k, const double *q, double *x);
/* Free it and set the handle to NULL; NULL-safe. Not collective. */
PetscErrorCode CholeskyDenseDestroy(CholeskyDense **dense);
