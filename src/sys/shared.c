/*
  Memory that the ranks of a node share: an anonymous file of the first rank, which the others open by /proc. It takes no room in /dev/shm,
  which is small in containers; MPI_Win_allocate_shared hangs where that is full, since only the first rank sees the error.
*/
#include <merit/exchange.h>
#include <merit/memory.h>
#include <merit/shared.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the other ranks find the file of the first one, and how they know it */
typedef struct {
  int64_t process, file, device, inode;
} Place;

/* Ranks of one machine; tests set MERIT_NODE_RANKS to play several nodes on it */
static PetscErrorCode SplitNodes(MPI_Comm comm, MPI_Comm *node)
{
  const char *text = getenv("MERIT_NODE_RANKS");
  const int   most = text ? atoi(text) : 0;
  PetscMPIInt rank, place;
  MPI_Comm    machine;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine));
  PetscCallMPI(MPI_Comm_rank(machine, &place));
  PetscCallMPI(MPI_Comm_split(machine, most > 0 ? place / most : 0, place, node));
  PetscCallMPI(MPI_Comm_free(&machine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void *Map(int64_t bytes, int file)
{
  void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);

  return at == MAP_FAILED ? NULL : at;
}

/* The first rank's file of so many bytes, -1 if there can be none */
static int MakeFile(int64_t bytes, Place *place)
{
  const int   file = memfd_create("merit", MFD_CLOEXEC);
  struct stat about;

  if (file < 0) return -1;
  if (ftruncate(file, (off_t)bytes) || fstat(file, &about)) {
    close(file);
    return -1;
  }
  *place = (Place){getpid(), file, (int64_t)about.st_dev, (int64_t)about.st_ino};
  return file;
}

/* The same file in another rank; -1 if it is not to be had, or the process of that number is another one (in a container) */
static int OpenFile(const Place *place)
{
  char        path[64];
  struct stat about;
  int         file;

  if (place->file < 0) return -1;
  snprintf(path, sizeof(path), "/proc/%lld/fd/%lld", (long long)place->process, (long long)place->file);
  file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file >= 0 && !fstat(file, &about) && (int64_t)about.st_dev == place->device && (int64_t)about.st_ino == place->inode) return file;
  if (file >= 0) close(file);
  return -1;
}

/* One block for all ranks of the node; at stays NULL on all of them where that cannot be */
static PetscErrorCode Share(MeritShared *s)
{
  Place place = {-1, -1, -1, -1};
  int   file  = s->rank ? -1 : MakeFile(s->bytes, &place), good;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(&place, sizeof(place), MPI_BYTE, 0, s->node));
  if (s->rank) file = OpenFile(&place);
  s->at = file < 0 ? NULL : Map(s->bytes, file);
  good  = s->at != NULL;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &good, 1, MPI_INT, MPI_MIN, s->node));
  if (file >= 0) close(file);
  if (!good && s->at) {
    munmap(s->at, (size_t)s->bytes);
    s->at = NULL;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every rank a node of its own */
static PetscErrorCode Alone(MeritShared *s)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_free(&s->node));
  PetscCallMPI(MPI_Comm_dup(PETSC_COMM_SELF, &s->node));
  s->rank = 0;
  s->size = 1;
  s->at   = Map(s->bytes, -1);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSharedCreate - See the header. Collective; free with `MeritSharedDestroy()`. */
PetscErrorCode MeritSharedCreate(MPI_Comm comm, int64_t bytes, const char what[], MeritShared *s)
{
  MeritFault  fault = {0};
  PetscMPIInt rank;
  char        text[32];

  PetscFunctionBegin;
  *s = (MeritShared){.bytes = PetscMax(bytes, 1)};
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(SplitNodes(comm, &s->node));
  PetscCallMPI(MPI_Comm_rank(s->node, &s->rank));
  PetscCallMPI(MPI_Comm_size(s->node, &s->size));
  if (s->size > 1) PetscCall(Share(s));
  if (!s->at) PetscCall(Alone(s));
  MeritBytesText((double)bytes, sizeof(text), text);
  if (!s->at) MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "no memory for %s of %s", text, what);
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCallMPI(MPI_Comm_split(comm, s->rank == 0 ? 0 : MPI_UNDEFINED, rank, &s->leaders));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSharedFence - See the header. Collective on the node. */
PetscErrorCode MeritSharedFence(const MeritShared *s)
{
  PetscFunctionBegin;
  atomic_thread_fence(memory_order_seq_cst);
  if (s->size > 1) PetscCallMPI(MPI_Barrier(s->node));
  atomic_thread_fence(memory_order_seq_cst);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSharedDestroy - See the header; safe when it was never made. Collective. */
PetscErrorCode MeritSharedDestroy(MeritShared *s)
{
  PetscFunctionBegin;
  if (!s->at) PetscFunctionReturn(PETSC_SUCCESS);
  munmap(s->at, (size_t)s->bytes);
  if (s->leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&s->leaders));
  PetscCallMPI(MPI_Comm_free(&s->node));
  s->at = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}
