/*
  One block of memory for all ranks of a node.

  It is an anonymous file (memfd) of the node's first rank; the others open it through /proc and
  map it. This needs no room in /dev/shm, which is small in containers. MPI_Win_allocate_shared is
  not used: it hangs where /dev/shm is full, since only the first rank sees the error. Where
  mapping fails on any rank of a node, each rank gets a block of its own and counts as a node.
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

/* How the other ranks find the first rank's file, and check that it is that file */
typedef struct {
  int64_t process, file, device, inode;
} FileId;

/* *node: the ranks of one machine. Tests set MERIT_NODE_RANKS to divide a machine into several
   nodes. Collective. */
static PetscErrorCode SplitNodes(MPI_Comm comm, MPI_Comm *node)
{
  const char *text = getenv("MERIT_NODE_RANKS");
  const int   most = text ? atoi(text) : 0;
  PetscMPIInt rank, local;
  MPI_Comm    machine;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine));
  PetscCallMPI(MPI_Comm_rank(machine, &local));
  PetscCallMPI(MPI_Comm_split(machine, most > 0 ? local / most : 0, local, node));
  PetscCallMPI(MPI_Comm_free(&machine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Map a file, or private memory (file -1); NULL if that fails. New memory is 0. */
static void *Map(int64_t bytes, int file)
{
  void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);

  return at == MAP_FAILED ? NULL : at;
}

/* The first rank's file of `bytes` bytes; -1, and *id unchanged, if that fails */
static int MakeFile(int64_t bytes, FileId *id)
{
  const int   file = memfd_create("merit", MFD_CLOEXEC);
  struct stat about;

  if (file < 0) return -1;
  if (ftruncate(file, (off_t)bytes) || fstat(file, &about)) {
    close(file);
    return -1;
  }
  *id = (FileId){getpid(), file, (int64_t)about.st_dev, (int64_t)about.st_ino};
  return file;
}

/* The same file in another rank, or -1. Device and inode are compared: in a container the process
   number may be another process. */
static int OpenFile(const FileId *id)
{
  char        path[64];
  struct stat about;
  int         file;

  if (id->file < 0) return -1;
  snprintf(path, sizeof(path), "/proc/%lld/fd/%lld", (long long)id->process, (long long)id->file);
  file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file >= 0 && !fstat(file, &about) && (int64_t)about.st_dev == id->device && (int64_t)about.st_ino == id->inode) return file;
  if (file >= 0) close(file);
  return -1;
}

/* Map one block on all ranks of the node; s->at is NULL on all of them if any rank fails.
   Collective on the node. */
static PetscErrorCode Share(MeritShared *s)
{
  FileId id   = {-1, -1, -1, -1};
  int    file = s->rank ? -1 : MakeFile(s->bytes, &id), good;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(&id, sizeof(id), MPI_BYTE, 0, s->node));
  if (s->rank) file = OpenFile(&id);
  s->at = file < 0 ? NULL : Map(s->bytes, file);
  good  = s->at != NULL;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &good, 1, MPI_INT, MPI_MIN, s->node));
  /* The mapping keeps the memory alive without the open file */
  if (file >= 0) close(file);
  if (!good && s->at) {
    munmap(s->at, (size_t)s->bytes);
    s->at = NULL;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Make every rank a node of its own with private memory. Collective on the node. */
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
