/* Memory that an engine may take. */
#include "varcomp_impl.h"
#include <merit/memory.h>

/* VarcompRoom - See the header. Collective. */
PetscErrorCode VarcompRoom(MeritVarcomp v, double *bytes)
{
  double held = (double)MeritPeakMemory();
  int    on_node;

  PetscFunctionBegin;
  *bytes = v->memory;
  if (v->memory > 0.0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMemoryAvailable(v->comm, bytes, &on_node));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &held, 1, MPI_DOUBLE, MPI_MAX, v->comm));
  if (*bytes >= 0.0) *bytes = PetscMax(0.0, *bytes - held);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompRefuse - See the header. Errors: USAGE. Collective. */
PetscErrorCode VarcompRefuse(MeritVarcomp v, const char what[], double bytes, const char instead[])
{
  const bool asked = v->memory > 0.0;
  double     room;
  char       size[2][32];

  PetscFunctionBegin;
  PetscCall(VarcompRoom(v, &room));
  if (room < 0.0 || bytes <= room) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(bytes, sizeof(size[0]), size[0]);
  MeritBytesText(room, sizeof(size[1]), size[1]);
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, asked ? "solver.memory" : "varcomp", "%s: %s on one rank, %s %s; %s", what, size[0],
                       asked ? "more than" : "which has", size[1], instead));
  PetscFunctionReturn(PETSC_SUCCESS);
}
