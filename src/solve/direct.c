/*
  What the solvers that form C have in common: forming it only if it fits. Bytes are known before
  anything of that size is allocated, so the run ends with a message and is not ended by the
  machine. All ranks have the same numbers and end together.
*/
#include "direct_impl.h"
#include <merit/log.h>
#include <merit/memory.h>

/* DirectRefuse - See the header. Errors: USAGE where solver.memory sets the limit, SYSTEM where
   the machine does. Where the memory of the machine is not known, nothing is refused.
   Collective. */
PetscErrorCode DirectRefuse(MeritSolver s, const char what[], double bytes)
{
  char   size[2][32];
  double available;
  int    on_node;

  PetscFunctionBegin;
  MeritBytesText(bytes, sizeof(size[0]), size[0]);
  MeritBytesText(s->settings.memory, sizeof(size[1]), size[1]);
  if (s->settings.memory > 0 && bytes > s->settings.memory)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.memory",
                         "%s of solver %s needs %s per rank, more than %s; use more ranks, or solver pcg", what, s->ops->name, size[0], size[1]));
  if (s->settings.memory > 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMemoryAvailable(s->comm, &available, &on_node));
  MeritBytesText(available, sizeof(size[1]), size[1]);
  if (available >= 0 && bytes > available)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                         "%s of solver %s needs %s per rank, but a node has %s for each of its ranks; use "
                         "more nodes, or solver pcg",
                         what, s->ops->name, size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* DirectRoom - See the header. The same on all ranks, so that all decide alike. Collective. */
PetscErrorCode DirectRoom(MeritSolver s, double *bytes)
{
  int on_node;

  PetscFunctionBegin;
  *bytes = s->settings.memory;
  if (!(s->settings.memory > 0)) PetscCall(MeritMemoryAvailable(s->comm, bytes, &on_node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* DirectAssemble - See the header. gather: rank 0 will need all entries besides. *A is owned by
   the caller. USAGE error also if a rank's entries pass 2^31 in a build with 32-bit indices.
   Collective. */
PetscErrorCode DirectAssemble(MeritSolver s, bool gather, Mat *A)
{
  int64_t entries, most, bytes;
  char    what[96];
  bool    equations;

  PetscFunctionBegin;
  PetscCall(MeritMatIsMME(s->C, &equations));
  PetscCheck(equations, s->comm, PETSC_ERR_ARG_WRONG, "%s needs the mixed model equations of a model", s->ops->name);
  /* an upper bound: contributions to one entry are counted each */
  PetscCall(MeritMMEAssembledSize(s->C, &entries, &most, &bytes));
  if (sizeof(PetscInt) < sizeof(int64_t) && (gather ? entries : most) > INT32_MAX)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.type",
                         "solver %s would have %lld entries on one rank, too many for a build on PETSc with "
                         "32-bit indices; use more ranks, libmerit64, or solver pcg",
                         s->ops->name, (long long)(gather ? entries : most)));
  /* rank 0 has its own part and, for a while, all entries as well: column numbers and values */
  if (gather) bytes += entries * (int64_t)(sizeof(PetscInt) + sizeof(PetscScalar));
  PetscCall(PetscSNPrintf(what, sizeof(what), "the left-hand side with %lld entries at most", (long long)entries));
  PetscCall(DirectRefuse(s, what, (double)bytes));
  PetscCall(MeritPhaseBegin("solve.form"));
  PetscCall(MeritMMEAssemble(s->C, A));
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}
