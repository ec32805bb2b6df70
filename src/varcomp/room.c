/*
  Memory that an engine may take, and the refusal of one that needs more.

  Costs are compared with this before anything large is allocated, and all ranks come to the
  same answer: the numbers are reduced over the ranks, or are the same on all of them.
*/
#include "varcomp_impl.h"
#include <merit/memory.h>

/*
  VarcompRoom - See the header. Collective.

  solver.memory is taken as it is. Otherwise the room is what the machine has for a rank less
  the peak memory of the fullest rank so far: the model and the equations are in memory already.
*/
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

/*
  VarcompRefuse - See the header. Collective.

  Errors: USAGE if the limit is the user's solver.memory, SYSTEM if it is the machine's. Where
  the memory is not known, nothing is refused.
*/
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
                       named ? "%s needs %s per rank, more than %s; allow more, or %s"
                             : "%s needs %s per rank, but a node has %s left for each of its ranks; %s",
                       what, size[0], size[1], instead));
  PetscFunctionReturn(PETSC_SUCCESS);
}
