/* Reductions and broadcasts of long arrays: counts of MPI are int, so arrays go in pieces of at
   most MeritMaxMessage() bytes. */
#include <merit/exchange.h>
#include <merit/pieces.h>

/* Doubles in the piece that begins at `at` */
static int Piece(int64_t n, int64_t at) { return (int)PetscMin(n - at, MeritMaxMessage() / (int64_t)sizeof(double)); }

/* MeritSumAll - See the header. Collective. */
PetscErrorCode MeritSumAll(MPI_Comm comm, int64_t n, double x[])
{
  PetscFunctionBegin;
  for (int64_t at = 0; at < n; at += Piece(n, at)) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, x + at, Piece(n, at), MPI_DOUBLE, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSumFirst - See the header. Collective. */
PetscErrorCode MeritSumFirst(MPI_Comm comm, int64_t n, double x[])
{
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  for (int64_t at = 0; at < n; at += Piece(n, at))
    PetscCallMPI(MPI_Reduce(rank ? x + at : MPI_IN_PLACE, x + at, Piece(n, at), MPI_DOUBLE, MPI_SUM, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritBroadcastFirst - See the header. Collective. */
PetscErrorCode MeritBroadcastFirst(MPI_Comm comm, int64_t n, double x[])
{
  PetscFunctionBegin;
  for (int64_t at = 0; at < n; at += Piece(n, at)) PetscCallMPI(MPI_Bcast(x + at, Piece(n, at), MPI_DOUBLE, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}
