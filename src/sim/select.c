/*
  Selection of the k smallest keys over all ranks without gathering them.

  The k-th key is found byte by byte, from the highest: a histogram of the next byte over all
  ranks, eight times, costs eight reductions of 256 counts, whatever the number of candidates. It
  serves the selection of sires and dams and of cows with records.
*/
#include "sim.h"

/* count [256] over all ranks: next byte (at `shift`) of the keys that begin with `prefix`.
   Collective. */
static PetscErrorCode Histogram(MPI_Comm comm, int64_t n, const uint64_t key[], int shift, uint64_t prefix, int64_t count[256])
{
  uint64_t known = shift == 56 ? 0 : ~(uint64_t)0 << (shift + 8);

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(count, 256));
  for (int64_t i = 0; i < n; i++)
    if ((key[i] & known) == prefix) count[(key[i] >> shift) & 255]++;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 256, MPI_INT64_T, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimSelect - See the header. Ties in the key are resolved by number: among equal keys the first
   `rest` in rank order. Collective. */
PetscErrorCode SimSelect(MPI_Comm comm, int64_t n, const uint64_t key[], const int64_t number[], int64_t k, uint64_t *cut, int64_t *last)
{
  int64_t     count[256], rest = k, before = 0, mine = 0, found = -1;
  uint64_t    prefix = 0;
  PetscMPIInt rank;

  PetscFunctionBegin;
  /* rest: how many are still to be selected among the keys that begin with prefix */
  for (int shift = 56; shift >= 0; shift -= 8) {
    int byte = 0;

    PetscCall(Histogram(comm, n, key, shift, prefix, count));
    /* The byte in whose group of keys the k-th one lies */
    while (byte < 255 && count[byte] < rest) rest -= count[byte++];
    prefix |= (uint64_t)byte << shift;
  }
  for (int64_t i = 0; i < n; i++) mine += key[i] == prefix;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Exscan(&mine, &before, 1, MPI_INT64_T, MPI_SUM, comm));
  if (rank == 0) before = 0;
  for (int64_t i = 0; i < n; i++) /* ties: the `rest` lowest numbers among equal keys */
    if (key[i] == prefix && ++before == rest) found = number[i];
  PetscCallMPI(MPI_Allreduce(&found, last, 1, MPI_INT64_T, MPI_MAX, comm));
  *cut = prefix;
  PetscFunctionReturn(PETSC_SUCCESS);
}
