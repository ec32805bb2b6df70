/* Broadcast of any number of bytes in messages of at most MeritMaxMessage(), since counts of MPI
   are int. */
#include "io_private.h"
#include <merit/exchange.h>

/* IoBroadcast - See the header. Collective. */
PetscErrorCode IoBroadcast(MPI_Comm comm, int64_t n, void *at)
{
  const int64_t limit = MeritMaxMessage();

  PetscFunctionBegin;
  for (int64_t done = 0; done < n; done += limit) PetscCallMPI(MPI_Bcast((char *)at + done, (int)PetscMin(limit, n - done), MPI_BYTE, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}
