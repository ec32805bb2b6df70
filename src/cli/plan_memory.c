#include "plan_impl.h"
#include <merit/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void PlanBytes(double bytes, size_t size, char text[])
{
  static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int                      u      = 0;

  for (; bytes >= 1024 && u < 5; u++) bytes /= 1024;
  snprintf(text, size, u ? "%.2f %s" : "%.0f %s", bytes, unit[u]);
}

/* "4G", "512MiB", "1e9": bytes, powers of 1024 */
static PetscErrorCode ParseBytes(MeritNode node, double *bytes)
{
  static const char letters[] = "KMGTP";
  const char       *letter;
  char             *end;

  PetscFunctionBegin;
  if (node->kind != MERIT_NODE_SCALAR)
    PetscCall(MeritNodeError(node, "plan.memory: a size such as 4G is needed"));
  *bytes = strtod(node->text, &end);
  if (end == node->text || !(*bytes > 0))
    PetscCall(MeritNodeError(node, "plan.memory: '%s' is not a size such as 4G", node->text));
  while (*end == ' ') end++;
  letter = *end ? strchr(letters, *end & ~0x20) : NULL;
  if (letter) {
    for (const char *l = letters; l <= letter; l++) *bytes *= 1024;
    end++;
  }
  if (*end && strcasecmp(end, "b") && strcasecmp(end, "ib"))
    PetscCall(MeritNodeError(node, "plan.memory: '%s' is not a size such as 4G", node->text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A number of bytes in the first line of a file that begins with `key` ("" for the first line), -1 if there is
   none */
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

/* What this machine can still give out: free memory, or what the control group leaves, whichever is less; -1
   not known */
static double NodeAvailable(void)
{
  double available = ReadBytes("/proc/meminfo", "MemAvailable:", 1024);
  double limit     = ReadBytes("/sys/fs/cgroup/memory.max", "", 1);
  double used      = ReadBytes("/sys/fs/cgroup/memory.current", "", 1);

  if (limit >= 0 && used >= 0 && (available < 0 || limit - used < available)) available = limit - used;
  return available;
}

/* Ranks on this rank's machine, and what they hold now, bytes */
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

/* Print the estimate */
static PetscErrorCode Table(const MeritMemoryEstimate *e, double program, int ranks, MeritText *text)
{
  const struct {
    const char *what;
    double      bytes;
  } rows[] = {{"records and designs", (double)e->records}, {"levels and labels", (double)e->levels},
              {"genotypes", (double)e->genotypes},         {"solver vectors", (double)e->vectors},
              {"reading and writing", (double)e->files},   {"program", program},
              {"in all", (double)e->total + program}};
  char size[32];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "\nmemory per rank on %d rank%s, estimated\n", ranks, ranks == 1 ? "" : "s"));
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    PlanBytes(rows[i].bytes, sizeof(size), size);
    PetscCall(MeritTextAdd(text, "  %-24s %14s\n", rows[i].what, size));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, int ranks, int64_t program, MeritText *text,
                          PlanNeed *need)
{
  MeritMemoryEstimate e;
  PetscMPIInt         n_ranks;
  double              held, available, peak = (double)MeritPeakMemory();
  char                size[32];

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &n_ranks));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &program, 1, MPI_INT64_T, MPI_MAX, comm));
  PetscCall(MeritReportMemory(report, ranks, &e));
  PetscCall(Table(&e, (double)program, ranks ? ranks : n_ranks, text));
  *need = (PlanNeed){.per_rank = (double)e.total + (double)program, .available = -1, .on_node = 1};
  if (ranks && ranks != n_ranks) PetscFunctionReturn(PETSC_SUCCESS); /* where those would run is not known */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &peak, 1, MPI_DOUBLE, MPI_MAX, comm));
  PlanBytes(peak, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "  %-24s %14s\n", "measured, without solver", size));
  need->per_rank = PetscMax(need->per_rank, peak + (double)e.vectors);
  PetscCall(Node(comm, &need->on_node, &held));
  available = NodeAvailable();
  /* what the ranks hold now is theirs to use */
  available = available < 0 ? -1 : (available + held) / need->on_node;
  PetscCallMPI(MPI_Allreduce(&available, &need->available, 1, MPI_DOUBLE, MPI_MIN, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &need->on_node, 1, MPI_INT, MPI_MAX, comm));
  if (need->available < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PlanBytes(need->available, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "  %-24s %14s (%d rank%s on the fullest node)\n", "available", size,
                         need->on_node, need->on_node == 1 ? "" : "s"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanRefuse(MeritNode job, const PlanNeed *need)
{
  MeritNode limit   = MeritNodeFind(job, "plan.memory");
  double    allowed = 0;
  char      size[2][32];

  PetscFunctionBegin;
  PlanBytes(need->per_rank, sizeof(size[0]), size[0]);
  if (limit) {
    PetscCall(ParseBytes(limit, &allowed));
    PlanBytes(allowed, sizeof(size[1]), size[1]);
    if (need->per_rank * need->on_node > allowed)
      PetscCall(MeritNodeError(limit,
                               "%d rank%s of %s do not fit on a node of plan.memory %s; use more nodes",
                               need->on_node, need->on_node == 1 ? "" : "s", size[0], size[1]));
  }
  PlanBytes(need->available, sizeof(size[1]), size[1]);
  if (need->available >= 0 && need->per_rank > need->available)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                         "%s per rank are needed, but a node has %s for each of its ranks; use more nodes",
                         size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}
