/* Memory of the machine as the run sees it, and sizes as text ("4G", "1.50 GiB"). */
#include <merit/memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

/* Size of a large page of Linux on x86, bytes */
static const uintptr_t LARGE = (uintptr_t)2 << 20;

/* MeritMemoryLargePages - Advice only: nothing happens where the system has none, or the array is small. Not collective. */
/* Whole large pages within the array: part of one cannot be changed */
void MeritMemoryLargePages(void *array, size_t bytes)
{
#ifdef MADV_HUGEPAGE
  const uintptr_t first = ((uintptr_t)array + LARGE - 1) / LARGE * LARGE, last = ((uintptr_t)array + bytes) / LARGE * LARGE;

  if (last > first) (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
  (void)array;
  (void)bytes;
#endif
}

/* MeritBytesText - A size for people, powers of 1024. Not collective. */
void MeritBytesText(double bytes, size_t size, char text[])
{
  static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int                      u      = 0;

  for (; bytes >= 1024 && u < 5; u++) bytes /= 1024;
  snprintf(text, size, u ? "%.2f %s" : "%.0f %s", bytes, unit[u]);
}

/* MeritConfigBytes - Read a size such as 4G from the job tree. Not collective. Errors: USAGE with the position in the job file. */
PetscErrorCode MeritConfigBytes(MeritNode root, const char dotted[], double *bytes)
{
  static const char letters[] = "KMGTP";
  MeritNode         node      = MeritNodeFind(root, dotted);
  const char       *letter;
  char             *end;

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (node->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(node, "%s: a size such as 4G is needed", dotted));
  *bytes = strtod(node->text, &end);
  if (end == node->text || !(*bytes > 0)) PetscCall(MeritNodeError(node, "%s: '%s' is not a size such as 4G", dotted, node->text));
  while (*end == ' ') end++;
  /* Upper case: letters differ from lower case by the bit 0x20 */
  letter = *end ? strchr(letters, *end & ~0x20) : NULL;
  if (letter) {
    for (const char *l = letters; l <= letter; l++) *bytes *= 1024;
    end++;
  }
  if (*end && strcasecmp(end, "b") && strcasecmp(end, "ib")) PetscCall(MeritNodeError(node, "%s: '%s' is not a size such as 4G", dotted, node->text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number that follows `key` on the first line of a file that begins with it ("" for the first
   line), times unit; -1 if there is none */
static double ReadBytes(const char path[], const char key[], double unit)
{
  char   line[256];
  double value = -1;
  FILE  *f     = fopen(path, "r");

  if (!f) return -1;
  while (value < 0 && fgets(line, sizeof(line), f)) {
    char *end;

    if (strncmp(line, key, strlen(key))) continue;
    value = strtod(line + strlen(key), &end) * unit;
    if (end == line + strlen(key)) value = -1;
    if (!key[0]) break;
  }
  fclose(f);
  return value;
}

/* Memory that this machine can still give, bytes: what is free, or what the control group leaves
   (SLURM limits jobs by one), whichever is less; -1 if not known */
static double NodeAvailable(void)
{
  double available = ReadBytes("/proc/meminfo", "MemAvailable:", 1024);
  double limit     = ReadBytes("/sys/fs/cgroup/memory.max", "", 1);
  double used      = ReadBytes("/sys/fs/cgroup/memory.current", "", 1);

  if (limit >= 0 && used >= 0 && (available < 0 || limit - used < available)) available = limit - used;
  return available;
}

/* *n_ranks on this rank's machine, and *held: the resident memory of all of them, bytes.
   Collective. */
static PetscErrorCode Node(MPI_Comm comm, int *n_ranks, double *held)
{
  double   mine = PetscMax(ReadBytes("/proc/self/status", "VmRSS:", 1024), 0);
  MPI_Comm node;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
  PetscCallMPI(MPI_Allreduce(&mine, held, 1, MPI_DOUBLE, MPI_SUM, node));
  PetscCallMPI(MPI_Comm_size(node, n_ranks));
  PetscCallMPI(MPI_Comm_free(&node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMemoryAvailable - What the fullest machine of the run can give each of its ranks.

  Collective on comm.

  Output Parameters:
+ per_rank - bytes, those the ranks hold already included; -1 if the system does not tell
- on_node  - ranks on the machine that has most of them
@*/
PetscErrorCode MeritMemoryAvailable(MPI_Comm comm, double *per_rank, int *on_node)
{
  double available, held;

  PetscFunctionBegin;
  PetscCall(Node(comm, on_node, &held));
  available = NodeAvailable();
  /* Each machine divides evenly; what its ranks hold already is part of their room */
  available = available < 0 ? -1 : (available + held) / *on_node;
  PetscCallMPI(MPI_Allreduce(&available, per_rank, 1, MPI_DOUBLE, MPI_MIN, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, on_node, 1, MPI_INT, MPI_MAX, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}
