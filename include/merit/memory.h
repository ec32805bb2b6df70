#pragma once
#include <merit/config.h>
#include <stddef.h>

/* Bytes that the machine has for this run, and how they are written. */

/* Ask the system for large pages for an array that is not yet written, which makes long passes and scattered reads faster. Advice only: no
   effect on small arrays or where the system has none. Not collective. */
MERIT_EXTERN void MeritMemoryLargePages(void *array, size_t bytes);
/* text[size] = a size such as "1.25 GiB". Not collective. */
MERIT_EXTERN void MeritBytesText(double bytes, size_t size, char text[]);
/* A size such as 4G or 512MiB (powers of 1024) from the job tree; unchanged if the key is absent. Not collective. Errors: USAGE. */
MERIT_EXTERN PetscErrorCode MeritConfigBytes(MeritNode root, const char dotted[], double *bytes);
/* *per_rank = memory for each rank on the fullest machine of the run, bytes, including what ranks hold already; -1 if unknown.
   *on_node = ranks on the machine that has most. The same on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritMemoryAvailable(MPI_Comm comm, double *per_rank, int *on_node);
/* Let BLAS take the work arrays that it needs for n_threads callers at once, 128 MiB of addresses each; it keeps them. False if the system
   refuses them: OpenBLAS would ask again for ever. Not collective, not from several threads. */
MERIT_EXTERN bool MeritBlasReserve(int n_threads);
