/*
  The work arrays of OpenBLAS. Its calls take an array for each caller at the same time, the first time that so many are there, and keep it.
  blas_memory_alloc (OpenBLAS 0.3) has no way to fail: where mmap is refused, as under `ulimit -d`, it tries for ever. So the arrays are
  asked for here, when a refusal can still be an error.
*/
#include <merit/memory.h>
#include <petscblaslapack.h>
#include <sys/mman.h>

/* Bytes of one array: BUFFER_SIZE of OpenBLAS 0.3 on x86-64, the largest of its machines */
static const size_t WORK = (size_t)128 << 20;
/* Callers at once that have their arrays */
static int n_reserved;

/* Would the system give n arrays now? */
static bool Room(int n)
{
  void *room = mmap(NULL, WORK * (size_t)n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (room == MAP_FAILED) return false;
  (void)munmap(room, WORK * (size_t)n);
  return true;
}

/* n callers at the same time, each with a factor of an identity matrix: large enough to overlap */
static void Take(int n)
{
#pragma omp parallel num_threads(n)
  {
    enum { ORDER = 96 };
    double       A[ORDER * ORDER] = {0};
    PetscBLASInt order            = ORDER, info;

    for (int i = 0; i < ORDER; i++) A[i * ORDER + i] = 1.0;
#pragma omp barrier
    LAPACKpotrf_("L", &order, A, &order, &info);
  }
}

/* MeritBlasReserve - See the header. Not collective. */
bool MeritBlasReserve(int n_threads)
{
  if (n_threads <= n_reserved) return true;
  if (!Room(n_threads - n_reserved)) return false;
  Take(n_threads);
  n_reserved = n_threads;
  return true;
}
