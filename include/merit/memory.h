#pragma once
#include <merit/config.h>
#include <stddef.h>

/* Bytes that the machine has for this run, and how they are written. */

/* Ask for large pages for an array that is not yet written: long passes and scattered reads then wait less. Not collective. */
MERIT_EXTERN void MeritMemoryLargePages(void *array, size_t bytes);
/* "1.25 GiB". Not collective. */
MERIT_EXTERN void MeritBytesText(double bytes, size_t size, char text[]);
/* A size such as 4G or 512MiB (powers of 1024) from the job tree; unchanged if the key is not there. Not collective. */
MERIT_EXTERN PetscErrorCode MeritConfigBytes(MeritNode root, const char dotted[], double *bytes);
/* What a machine of the run has at least for each of its ranks, what they hold now included, bytes, -1 if that is not known; and ranks on
   the fullest machine. The same on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritMemoryAvailable(MPI_Comm comm, double *per_rank, int *on_node);
/* Let BLAS take the work arrays that it needs for n_threads callers at once, 128 MiB of addresses each; it keeps them. False if the system
   refuses them: OpenBLAS would ask again for ever. Not collective, not from several threads. */
MERIT_EXTERN bool MeritBlasReserve(int n_threads);
