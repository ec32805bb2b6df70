#include "plan_impl.h"
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
    PetscFunctionReturn(MeritNodeError(node, "plan.memory: a size such as 4G is needed"));
  *bytes = strtod(node->text, &end);
  if (end == node->text || !(*bytes > 0))
    PetscFunctionReturn(MeritNodeError(node, "plan.memory: '%s' is not a size such as 4G", node->text));
  while (*end == ' ') end++;
  letter = *end ? strchr(letters, *end & ~0x20) : NULL;
  if (letter) {
    for (const char *l = letters; l <= letter; l++) *bytes *= 1024;
    end++;
  }
  if (*end && strcasecmp(end, "b") && strcasecmp(end, "ib"))
    PetscFunctionReturn(MeritNodeError(node, "plan.memory: '%s' is not a size such as 4G", node->text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A number of bytes in the first line of a file that begins with `key` ("" for the first line), -1 if there is none */
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

/* What this machine can still give out: free memory, or what the control group leaves, whichever is less; -1 not known */
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
  } rows[] = {{"records and designs", (double)e->records},
              {"levels and labels", (double)e->levels},
              {"genotypes", (double)e->genotypes},
              {"solver vectors", (double)e->vectors},
              {"program", program},
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

PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, MeritNode job, int ranks, int64_t program,
                          MeritText *text)
{
  MeritNode           limit = MeritNodeFind(job, "plan.memory");
  MeritMemoryEstimate e;
  double              need, allowed, least[2];
  int                 on_node;
  char                size[2][32];
  PetscMPIInt         n_ranks;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &n_ranks));
  PetscCall(MeritReportMemory(report, ranks, &e));
  PetscCall(Table(&e, (double)program, ranks ? ranks : n_ranks, text));
  need = (double)e.total + (double)program;
  if (limit) {
    PetscCall(ParseBytes(limit, &allowed));
    PlanBytes(need, sizeof(size[0]), size[0]);
    PlanBytes(allowed, sizeof(size[1]), size[1]);
    if (need > allowed)
      PetscFunctionReturn(MeritNodeError(
          limit, "%s per rank are needed, but plan.memory allows %s; use more ranks", size[0], size[1]));
  }
  if (ranks && ranks != n_ranks) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Node(comm, &on_node, &least[1]));
  least[0] = NodeAvailable();
  if (least[0] >= 0) least[0] += least[1]; /* what the ranks hold now is theirs to use */
  least[0] = least[0] < 0 ? -1 : least[0] / on_node;
  PetscCallMPI(MPI_Allreduce(&least[0], &allowed, 1, MPI_DOUBLE, MPI_MIN, comm));
  if (allowed < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PlanBytes(need, sizeof(size[0]), size[0]);
  PlanBytes(allowed, sizeof(size[1]), size[1]);
  PetscCall(MeritTextAdd(text, "  %-24s %14s (%d rank%s on the fullest node)\n", "available", size[1],
                         on_node, on_node == 1 ? "" : "s"));
  if (need > allowed)
    PetscFunctionReturn(MeritRaise(
        MERIT_ERROR_SYSTEM, NULL, 0, NULL,
        "%s per rank are needed, but a node has %s for each of its ranks; use more nodes", size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}
