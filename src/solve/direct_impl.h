#pragma once
/* Solvers that form C: cholesky and lhs_gs. Private to src/solve. */
#include "solver_impl.h"
#include <merit/op.h>

/* direct.c: form C if it fits, and fits on one rank if it is to be gathered there. Collective. */
PetscErrorCode DirectAssemble(MeritSolver solver, bool gather, Mat *A);
/* Refuse what needs more bytes on the fullest rank than solver.memory or the machine give; `what` needs them. Collective. */
PetscErrorCode DirectRefuse(MeritSolver solver, const char what[], double bytes);
