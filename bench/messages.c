/*
  Counts what a program sends by MPI, and how long it is inside MPI, by PETSc's log stages (Merit's phases). It is put before the program,
  which is left as it is:

    MERIT_MESSAGES=FILE mpirun -x LD_PRELOAD=BUILD/bench/libmerit_messages.so ... merit solve ...

  A line of JSON for each stage: bytes and messages from rank to rank, bytes of collectives, summed over ranks; seconds in MPI, waiting
  included, of the slowest rank and the mean. A collective counts as what an algorithm that sends least sends: a reduction of up to 10 kB n log2 P
  for a rank, a longer one 2 n (P - 1) / P, a gather, a broadcast and a scattered reduction n (P - 1) / P.
*/
#include <dlfcn.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STAGES = 64, MOST_NESTED = 64, TABLE = 1 << 16, NAME = 48, SHORT = 10240 };
enum { SENT, MESSAGES, COLLECTED, COLLECTIVES, SECONDS, N_SUMS };

static double sum[MOST_STAGES][N_SUMS];
static char   name[MOST_STAGES][NAME] = {"start"};
static int    open_stage[MOST_NESTED], depth;

/* Bytes of persistent requests */
static struct {
  MPI_Request request;
  double      bytes;
  int         sends;
} persistent[TABLE];

static double *Now(void) { return sum[open_stage[depth]]; }

static double Bytes(int count, MPI_Datatype type)
{
  int size = 0;

  PMPI_Type_size(type, &size);
  return (double)count * size;
}

static int Size(MPI_Comm comm)
{
  int size = 1;

  PMPI_Comm_size(comm, &size);
  return size;
}

static void Count(double bytes)
{
  Now()[SENT] += bytes;
  Now()[MESSAGES] += 1.0;
}

static void Collect(double bytes)
{
  Now()[COLLECTED] += bytes;
  Now()[COLLECTIVES] += 1.0;
}

static void Reduction(double bytes, int size) { Collect(bytes <= SHORT ? bytes * ceil(log2(size)) : 2.0 * bytes * (size - 1) / size); }

static void Share(double bytes, int size) { Collect(bytes * (size - 1) / size); }

static double Total(const int counts[], MPI_Datatype type, int size)
{
  double n = 0.0;

  for (int i = 0; i < size; i++) n += Bytes(counts[i], type);
  return n;
}

/* Position of a request, or a free one; requests hash by their addresses */
static unsigned Place(MPI_Request request)
{
  unsigned at = (unsigned)(((size_t)request >> 4) * 2654435761u) % TABLE;

  for (unsigned k = 0; k < TABLE && persistent[at].request && persistent[at].request != request; k++) at = (at + 1) % TABLE;
  return at;
}

static void Remember(MPI_Request request, double bytes, int sends)
{
  const unsigned at = Place(request);

  persistent[at].request = request;
  persistent[at].bytes   = bytes;
  persistent[at].sends   = sends;
}

static void Started(MPI_Request request)
{
  const unsigned at = Place(request);

  if (persistent[at].request == request && persistent[at].sends) Count(persistent[at].bytes);
}

#define TIMED(call)                                                                                                                                  \
  do {                                                                                                                                               \
    const double begin = PMPI_Wtime();                                                                                                               \
    const int    error = (call);                                                                                                                     \
                                                                                                                                                     \
    Now()[SECONDS] += PMPI_Wtime() - begin;                                                                                                          \
    return error;                                                                                                                                    \
  } while (0)

int MPI_Send(const void *at, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm)
{
  Count(Bytes(n, type));
  TIMED(PMPI_Send(at, n, type, to, tag, comm));
}

int MPI_Isend(const void *at, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request)
{
  Count(Bytes(n, type));
  TIMED(PMPI_Isend(at, n, type, to, tag, comm, request));
}

int MPI_Issend(const void *at, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request)
{
  Count(Bytes(n, type));
  TIMED(PMPI_Issend(at, n, type, to, tag, comm, request));
}

int MPI_Send_init(const void *at, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request)
{
  const int error = PMPI_Send_init(at, n, type, to, tag, comm, request);

  Remember(*request, Bytes(n, type), 1);
  return error;
}

int MPI_Recv_init(void *at, int n, MPI_Datatype type, int from, int tag, MPI_Comm comm, MPI_Request *request)
{
  const int error = PMPI_Recv_init(at, n, type, from, tag, comm, request);

  Remember(*request, 0.0, 0);
  return error;
}

int MPI_Start(MPI_Request *request)
{
  Started(*request);
  TIMED(PMPI_Start(request));
}

int MPI_Startall(int n, MPI_Request request[])
{
  for (int i = 0; i < n; i++) Started(request[i]);
  TIMED(PMPI_Startall(n, request));
}

int MPI_Recv(void *at, int n, MPI_Datatype type, int from, int tag, MPI_Comm comm, MPI_Status *status)
{
  TIMED(PMPI_Recv(at, n, type, from, tag, comm, status));
}

int MPI_Wait(MPI_Request *request, MPI_Status *status) { TIMED(PMPI_Wait(request, status)); }

int MPI_Waitall(int n, MPI_Request request[], MPI_Status status[]) { TIMED(PMPI_Waitall(n, request, status)); }

int MPI_Waitany(int n, MPI_Request request[], int *index, MPI_Status *status) { TIMED(PMPI_Waitany(n, request, index, status)); }

int MPI_Barrier(MPI_Comm comm)
{
  Collect(0.0);
  TIMED(PMPI_Barrier(comm));
}

int MPI_Allreduce(const void *in, void *out, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
  Reduction(Bytes(n, type), Size(comm));
  TIMED(PMPI_Allreduce(in, out, n, type, op, comm));
}

int MPI_Iallreduce(const void *in, void *out, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm, MPI_Request *request)
{
  Reduction(Bytes(n, type), Size(comm));
  TIMED(PMPI_Iallreduce(in, out, n, type, op, comm, request));
}

int MPI_Reduce(const void *in, void *out, int n, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm)
{
  Share(Bytes(n, type), Size(comm));
  TIMED(PMPI_Reduce(in, out, n, type, op, root, comm));
}

int MPI_Bcast(void *at, int n, MPI_Datatype type, int root, MPI_Comm comm)
{
  Share(Bytes(n, type), Size(comm));
  TIMED(PMPI_Bcast(at, n, type, root, comm));
}

int MPI_Allgather(const void *in, int n, MPI_Datatype type, void *out, int m, MPI_Datatype to, MPI_Comm comm)
{
  Share(Bytes(m, to) * Size(comm), Size(comm));
  TIMED(PMPI_Allgather(in, n, type, out, m, to, comm));
}

int MPI_Allgatherv(const void *in, int n, MPI_Datatype type, void *out, const int counts[], const int first[], MPI_Datatype to, MPI_Comm comm)
{
  Share(Total(counts, to, Size(comm)), Size(comm));
  TIMED(PMPI_Allgatherv(in, n, type, out, counts, first, to, comm));
}

int MPI_Reduce_scatter(const void *in, void *out, const int counts[], MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
  Share(Total(counts, type, Size(comm)), Size(comm));
  TIMED(PMPI_Reduce_scatter(in, out, counts, type, op, comm));
}

int MPI_Alltoall(const void *in, int n, MPI_Datatype type, void *out, int m, MPI_Datatype to, MPI_Comm comm)
{
  Collect(Bytes(n, type) * (Size(comm) - 1));
  TIMED(PMPI_Alltoall(in, n, type, out, m, to, comm));
}

int MPI_Alltoallv(const void *in, const int n[], const int first[], MPI_Datatype type, void *out, const int m[], const int to_first[],
                  MPI_Datatype to, MPI_Comm comm)
{
  Collect(Total(n, type, Size(comm)));
  TIMED(PMPI_Alltoallv(in, n, first, type, out, m, to_first, to, comm));
}

/* PETSc's stages: its own functions do their work, and where the program stands is noted */
__attribute__((visibility("default"))) int PetscLogStageRegister(const char stage[], int *id)
{
  int (*next)(const char[], int *) = (int (*)(const char[], int *))dlsym(RTLD_NEXT, "PetscLogStageRegister");
  const int error                  = next(stage, id);

  if (*id >= 0 && *id < MOST_STAGES) snprintf(name[*id], NAME, "%s", stage);
  return error;
}

__attribute__((visibility("default"))) int PetscLogStagePush(int id)
{
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "PetscLogStagePush");

  if (depth + 1 < MOST_NESTED) open_stage[++depth] = id < MOST_STAGES ? id : 0;
  return next(id);
}

__attribute__((visibility("default"))) int PetscLogStagePop(void)
{
  int (*next)(void) = (int (*)(void))dlsym(RTLD_NEXT, "PetscLogStagePop");

  if (depth > 0) depth--;
  return next();
}

static void Print(FILE *file, int stage, const double all[], const double most[], int size)
{
  const double *of = all + stage * N_SUMS;

  fprintf(file, "{\"phase\": \"%s\", \"ranks\": %d, \"sent\": %.0f, \"messages\": %.0f, \"collected\": %.0f, \"collectives\": %.0f, ", name[stage],
          size, of[SENT], of[MESSAGES], of[COLLECTED], of[COLLECTIVES] / size);
  fprintf(file, "\"seconds\": %.6f, \"mean_seconds\": %.6f}\n", most[stage * N_SUMS + SECONDS], of[SECONDS] / size);
}

int MPI_Finalize(void)
{
  static double all[MOST_STAGES * N_SUMS], most[MOST_STAGES * N_SUMS];
  const char   *path = getenv("MERIT_MESSAGES");
  const int     size = Size(MPI_COMM_WORLD);
  int           rank = 0;
  FILE         *file;

  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  PMPI_Reduce(sum, all, MOST_STAGES * N_SUMS, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  PMPI_Reduce(sum, most, MOST_STAGES * N_SUMS, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
  file = !rank && path ? fopen(path, "w") : NULL;
  for (int s = 0; file && s < MOST_STAGES; s++)
    if (all[s * N_SUMS + MESSAGES] + all[s * N_SUMS + COLLECTIVES] > 0.0) Print(file, s, all, most, size);
  if (file) fclose(file);
  return PMPI_Finalize();
}
