/*
  The rates of a machine that the cost model of `merit plan` takes, each by itself, on all ranks at once: what one of n ranks gets.

    mpirun -n N merit_rates [SECONDS]

  One line of JSON, medians over the time (0.5 s each): bytes a second of the triad a = b + s c over vectors that no cache holds; genotypes a second
  through both products in double; multiply-adds of doubles a second, the ceiling of arithmetic; seconds of a message of 8 bytes from rank 0 to
  rank 1, bytes a second in messages of 1 MB, and seconds of a reduction of 16 doubles over all ranks. With one rank the last three are null.
*/
#include <merit/packed.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 201, TRIAD = 16000000, ROWS = 40960, COLUMNS = 8192, CHAINS = 12, MESSAGE = 1000000 };

typedef double Vector __attribute__((vector_size(64)));

static double         *triad; /* [3 * TRIAD] */
static MeritPacked     packed;
static double         *effects, *values, *rows, *D, *back;
static double          message[MESSAGE / 8];
static volatile double sink;
static int             rank, size;

static void *Room(size_t bytes)
{
  void *at = NULL;

  if (posix_memalign(&at, 64, bytes + 64)) MPI_Abort(MPI_COMM_WORLD, 1);
  for (size_t i = 0; i < bytes / 8; i++) ((double *)at)[i] = 0.5;
  return at;
}

static void Triad(void)
{
  double *restrict a = triad, *restrict b = triad + TRIAD, *restrict c = triad + 2 * TRIAD;

  for (long i = 0; i < TRIAD; i++) a[i] = b[i] + 0.25 * c[i];
}

static void Genotypes(void)
{
  for (long i = 0; i < ROWS; i++) rows[i] = 0.0;
  if (MeritPackedNormal(&packed, 1, 1, D, effects, values, rows, back)) MPI_Abort(MPI_COMM_WORLD, 1);
}

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "fma", "default")))
#endif
static void
MultiplyAdds(void)
{
  Vector a[CHAINS] = {{0}}, b, c, sum = {0};

  for (int l = 0; l < 8; l++) b[l] = 1.0 + 1e-9 * l, c[l] = 1e-9 * (double)l;
  for (long n = 0; n < 2000000; n++) _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = a[i] * b + c;
  for (int i = 0; i < CHAINS; i++) sum += a[i];
  sink = sum[0];
}

static void Exchange(int bytes)
{
  if (size < 2) return;
  if (rank == 0) {
    MPI_Send(message, bytes, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
    MPI_Recv(message, bytes, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  } else if (rank == 1) {
    MPI_Recv(message, bytes, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Send(message, bytes, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
  }
}

static void Short(void)
{
  for (int i = 0; i < 1000; i++) Exchange(8);
}

static void Long(void)
{
  for (int i = 0; i < 10; i++) Exchange(MESSAGE);
}

static void Reduction(void)
{
  for (int i = 0; i < 100; i++) MPI_Allreduce(MPI_IN_PLACE, message, 16, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
}

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* Median seconds, all ranks beginning together, of the slowest rank */
static double Seconds(void (*run)(void), double limit)
{
  double took[MOST], spent = 0.0, median;
  int    n = 0;

  run();
  while (n < MOST && (n < 3 || spent < limit)) {
    double begin;

    MPI_Barrier(MPI_COMM_WORLD);
    begin = MPI_Wtime();
    run();
    took[n++] = MPI_Wtime() - begin;
    spent += took[n - 1];
    MPI_Bcast(&spent, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  }
  qsort(took, (size_t)n, sizeof(*took), Ascending);
  median = took[n / 2];
  MPI_Allreduce(MPI_IN_PLACE, &median, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return median;
}

static void MakeGenotypes(void)
{
  const size_t lines = (size_t)MeritPackedStrips(ROWS) * COLUMNS;
  uint64_t    *code = Room(lines * 64), state = 88172645463325252u;
  double      *one = Room(COLUMNS * sizeof(*one));

  for (size_t i = 0; i < lines * MERIT_LINE; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    code[i] = (state & 0x5555555555555555u) | (state >> 1 & 0x5555555555555555u & ~state) << 1;
  }
  packed  = (MeritPacked){.n_rows = ROWS, .n_cols = COLUMNS, .stride = COLUMNS, .code = code, .scale = one, .centre = one, .missing = one};
  effects = Room(COLUMNS * sizeof(double));
  back    = Room(COLUMNS * sizeof(double));
  values  = Room(ROWS * sizeof(double));
  rows    = Room(ROWS * sizeof(double));
  D       = Room(ROWS * sizeof(double));
}

int main(int argc, char **argv)
{
  const double limit = argc > 1 ? atof(argv[1]) : 0.5;
  double       memory, genotypes, adds, latency, network, reduction;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  triad = Room(3 * (size_t)TRIAD * sizeof(*triad));
  MakeGenotypes();
  memory    = 24.0 * TRIAD / Seconds(Triad, limit);
  genotypes = (double)ROWS * COLUMNS / Seconds(Genotypes, limit);
  adds      = 2000000.0 * CHAINS * 8.0 / Seconds(MultiplyAdds, limit);
  latency   = Seconds(Short, limit) / 2000.0;
  network   = 20.0 * MESSAGE / Seconds(Long, limit);
  reduction = Seconds(Reduction, limit) / 100.0;
  if (!rank) {
    printf("{\"program\": \"rates\", \"ranks\": %d, \"memory\": %.4g, \"genotypes\": %.4g, \"multiply_adds\": %.4g, ", size, memory, genotypes, adds);
    if (size > 1) printf("\"latency\": %.3g, \"network\": %.4g, \"reduction\": %.3g}\n", latency, network, reduction);
    else printf("\"latency\": null, \"network\": null, \"reduction\": null}\n");
  }
  MPI_Finalize();
  return 0;
}
