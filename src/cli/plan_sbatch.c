/*
  plan --sbatch FILE: a job script for SLURM with the resources that were foreseen.

  The script has #SBATCH lines (nodes, ranks, threads, memory, time), the path of this program, a
  copy of jobs/attempt.sh, and one call of its function `attempt`. It needs no other file. `attempt`
  continues from a checkpoint when the time limit ends a run, so that a limit that is too short
  costs no work. The copy is attempt.h, which the build makes (src/CMakeLists.txt).
*/
#include "inputs.h"
#include "plan_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <merit/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attempt.h"

/* The time limit is the foreseen time times TIME_MARGIN, and at least LEAST_MINUTES */
static const double TIME_MARGIN = 2.0, LEAST_MINUTES = 10.0;

/* Append a word in single quotes, as a shell takes it: a quote inside ends the quotes, stands
   escaped, and begins them again. percent: the word goes to `attempt`, which replaces %a in its
   arguments, so that % is written as %%. */
static PetscErrorCode Quote(const char word[], bool percent, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "'"));
  for (const char *c = word; *c; c++) {
    if (*c == '%' && percent) PetscCall(MeritTextAddBytes(text, "%", 1));
    PetscCall(MeritTextAddBytes(text, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1));
  }
  PetscCall(MeritTextAdd(text, "'"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The #SBATCH lines. Memory is asked for each core, in MiB, with MERIT_PLAN_MEMORY_MARGIN over the
   estimate. --signal sends USR1 to the script two minutes before the limit: time for a checkpoint.
   --requeue and append let the next attempt continue in the same log. */
static PetscErrorCode Header(const MeritPlanResult *r, MeritText *text)
{
  const bool   timed   = r->seconds > 0.0;
  const double minutes = PetscMax(LEAST_MINUTES, ceil(TIME_MARGIN * r->seconds / 60.0));

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "#!/bin/bash\n#SBATCH --job-name=merit\n"));
  if (r->shape.nodes) PetscCall(MeritTextAdd(text, "#SBATCH --nodes=%d\n#SBATCH --ntasks-per-node=%d\n", r->shape.nodes, r->shape.per_node));
  PetscCall(MeritTextAdd(text, "#SBATCH --ntasks=%d\n#SBATCH --cpus-per-task=%d\n", r->shape.ranks, r->shape.threads));
  if (r->per_rank > 0)
    PetscCall(MeritTextAdd(text, "#SBATCH --mem-per-cpu=%.0fM\n", 1 + MERIT_PLAN_MEMORY_MARGIN * r->per_rank / r->shape.threads / 1048576));
  if (timed) PetscCall(MeritTextAdd(text, "#SBATCH --time=%.0f\n", minutes));
  PetscCall(MeritTextAdd(text, "#SBATCH --output=%%x-%%j.out\n#SBATCH --open-mode=append\n#SBATCH --requeue\n#SBATCH --signal=B:USR1@120\n"
                               "# Written by merit plan; sbatch's own flags win over the lines above, its arguments are flags of merit.\n"));
  if (timed)
    PetscCall(MeritTextAdd(
        text, "# Foreseen: %.3g s; the limit is twice that, at least ten minutes, and a run that meets it goes on in the next attempt.\n",
        r->seconds));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The whole script. The program is that of this process, by /proc, unless MERIT is set where the
   script runs; the job file is named by its full path. */
static PetscErrorCode Script(MeritNode job, const char command[], const MeritPlanResult *r, MeritText *text)
{
  char    self[PETSC_MAX_PATH_LEN] = "merit", path[PETSC_MAX_PATH_LEN];
  ssize_t n                        = readlink("/proc/self/exe", path, sizeof(path) - 1);

  PetscFunctionBegin;
  if (n > 0) snprintf(self, sizeof(self), "%.*s", (int)n, path);
  PetscCall(Header(r, text));
  PetscCall(MeritTextAdd(text, "[ -n \"${MERIT:-}\" ] || MERIT="));
  PetscCall(Quote(self, false, text));
  PetscCall(MeritTextAdd(text, "\n\n"));
  PetscCall(MeritTextAddBytes(text, attempt_script, sizeof(attempt_script)));
  PetscCall(MeritTextAdd(text, "\nattempt %s ", command));
  PetscCall(Quote(realpath(job->file, path) ? path : job->file, true, text));
  PetscCall(MeritTextAdd(text, " \"$@\"\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Note that the file is there and may not be replaced */
static void Exists(const char path[], MeritFault *fault)
{
  MeritFaultSet(fault, MERIT_ERROR_USAGE, path, 0, NULL, "cannot be written: %s (--overwrite replaces it)", strerror(EEXIST));
}

/* Write the file whole or not at all. It is always made new (O_EXCL): nothing is written through a
   link, and another process that made the same file in the meantime wins. Mode 0777 less the umask,
   as scripts are run. */
static void Write(const char path[], bool overwrite, const MeritText *text, MeritFault *fault)
{
  const char *at = text->at, *const end = text->at + text->n;
  ssize_t n = 0;
  int     file;

  if (overwrite) unlink(path); /* of a link itself, not what it leads to */
  file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_EXCL, 0777);
  if (file < 0) {
    if (errno == EEXIST) Exists(path, fault);
    else MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "cannot be written: %s", strerror(errno));
    return;
  }
  /* a call may write less than all */
  for (; n >= 0 && at < end; at += n) n = write(file, at, (size_t)(end - at));
  if (n < 0 || close(file)) {
    MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "cannot be written: %s", strerror(errno));
    unlink(path);
  }
}

/* The file of the script; rank 0 writes it */
typedef struct {
  char       *path; /* NULL: none is asked for; owned */
  bool        overwrite;
  PetscMPIInt rank;
} Target;

/* Where the job wants its script; the caller frees the path. Logically collective. */
static PetscErrorCode TargetOf(MPI_Comm comm, MeritNode job, Target *t)
{
  PetscFunctionBegin;
  *t = (Target){0};
  PetscCallMPI(MPI_Comm_rank(comm, &t->rank));
  PetscCall(MeritConfigPath(job, "sbatch", &t->path));
  PetscCall(MeritConfigBool(job, "overwrite", &t->overwrite));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanScriptCheck - See the header. Collective. */
PetscErrorCode PlanScriptCheck(MPI_Comm comm, MeritNode job)
{
  Target     t;
  MeritFault fault = {0};
  bool       quick = false;
  char       input[64];

  PetscFunctionBegin;
  PetscCall(TargetOf(comm, job, &t));
  PetscCall(MeritConfigBool(job, "quick", &quick));
  if (t.path && quick)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "sbatch", "a job script needs memory and time, which --quick does not find; leave it out"));
  if (t.path && !t.rank) {
    /* Rank 0 looks at the files; all ranks agree on what it found */
    PetscCall(InputsHas(job, t.path, sizeof(input), input));
    if (input[0]) MeritFaultSet(&fault, MERIT_ERROR_USAGE, t.path, 0, NULL, "is an input of this job (%s); --sbatch FILE names another file", input);
    else if (!t.overwrite && !access(t.path, F_OK)) Exists(t.path, &fault);
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCall(PetscFree(t.path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanScript - See the header. Collective. */
PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, const char command[], const MeritPlanResult *r)
{
  Target     t;
  MeritText  text  = {0};
  MeritFault fault = {0};

  PetscFunctionBegin;
  PetscCall(TargetOf(comm, job, &t));
  if (t.path && !t.rank) {
    PetscCall(Script(job, command, r, &text));
    Write(t.path, t.overwrite, &text, &fault);
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  if (t.path) MeritLog(MERIT_LOG_INFO, "wrote %s: submit it with `sbatch %s`", t.path, t.path);
  MeritTextFree(&text);
  PetscCall(PetscFree(t.path));
  PetscFunctionReturn(PETSC_SUCCESS);
}
