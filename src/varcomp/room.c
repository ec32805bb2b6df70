/* Memory that an engine may take. */
#include "varcomp_impl.h"
#include <merit/memory.h>

/* VarcompRoom - See the header. Collective. */
PetscErrorCode VarcompRoom(MeritVarcomp v, double *bytes)
{
  double held = (double)MeritPeakMemory();
  int    on_node;

  PetscFunctionBegin;
  *bytes = v->settings.memory;
  if (v->settings.memory > 0.0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMemoryAvailable(v->comm, bytes, &on_node));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &held, 1, MPI_DOUBLE, MPI_MAX, v->comm));
  if (*bytes >= 0.0) *bytes = PetscMax(0.0, *bytes - held);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompRefuse - See the header. Errors: USAGE, SYSTEM. Collective. */
PetscErrorCode VarcompRefuse(MeritVarcomp v, const char what[], double bytes, const char instead[])
{
  const bool named = v->settings.memory > 0.0;
  double     room;
  char       size[2][32];

  PetscFunctionBegin;
  PetscCall(VarcompRoom(v, &room));
  if (room < 0.0 || bytes <= room) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(bytes, sizeof(size[0]), size[0]);
  MeritBytesText(room, sizeof(size[1]), size[1]);
  PetscCall(MeritRaise(named ? MERIT_ERROR_USAGE : MERIT_ERROR_SYSTEM, NULL, 0, named ? "solver.memory" : "varcomp",
                       named ? "%s needs %s per rank, more than %s; allow more, or %s" : "%s needs %s per rank, but a node has %s left for each of its ranks; %s",
                       what, size[0], size[1], instead));
  PetscFunctionReturn(PETSC_SUCCESS);
}
