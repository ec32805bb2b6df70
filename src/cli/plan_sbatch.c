/* plan --sbatch FILE: a job script for SLURM with the resources that were found. */
#include "plan_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_MARGIN 1.5 /* SLURM ends what goes over; the estimate leaves out buffers of libraries */

/* In single quotes, as a shell takes it */
static PetscErrorCode Quote(const char word[], MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "'"));
  for (const char *c = word; *c; c++) PetscCall(MeritTextAddBytes(text, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1));
  PetscCall(MeritTextAdd(text, "'"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Script(MeritNode job, int ranks, const PlanNeed *need, MeritText *text)
{
  char    self[PETSC_MAX_PATH_LEN] = "merit", path[PETSC_MAX_PATH_LEN];
  int     threads                  = omp_get_max_threads();
  ssize_t n                        = readlink("/proc/self/exe", path, sizeof(path) - 1);

  PetscFunctionBegin;
  if (n > 0) snprintf(self, sizeof(self), "%.*s", (int)n, path);
  PetscCall(MeritTextAdd(
      text, "#!/bin/bash\n#SBATCH --job-name=merit\n#SBATCH --ntasks=%d\n#SBATCH --cpus-per-task=%d\n", ranks,
      threads));
  if (need->per_rank > 0)
    PetscCall(MeritTextAdd(text, "#SBATCH --mem-per-cpu=%.0fM\n",
                           1 + MEMORY_MARGIN * need->per_rank / threads / 1048576));
  PetscCall(MeritTextAdd(text, "#SBATCH --output=%%x-%%j.out\n# written by merit plan; sbatch's own flags "
                               "win over the lines above\n"));
  PetscCall(MeritTextAdd(
      text, "export OMP_NUM_THREADS=%d OMP_PLACES=cores OMP_PROC_BIND=close OPENBLAS_NUM_THREADS=1\n",
      threads));
  PetscCall(MeritTextAdd(text,
                         "if srun --mpi=list 2>&1 | grep -qw pmix; then\n  launch=(srun --mpi=pmix "
                         "--ntasks=%d --cpus-per-task=%d --kill-on-bad-exit=1)\n",
                         ranks, threads));
  PetscCall(MeritTextAdd(
      text, "else\n  launch=(mpirun -n %d --map-by slot:PE=%d --bind-to core)\nfi\nexec \"${launch[@]}\" ",
      ranks, threads));
  PetscCall(Quote(self, text));
  PetscCall(MeritTextAdd(text, " solve "));
  PetscCall(Quote(realpath(job->file, path) ? path : job->file, text));
  PetscCall(MeritTextAdd(text, " \"$@\"\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All or nothing: what could not be written whole is removed */
static void Write(const char path[], bool overwrite, const MeritText *text, MeritFault *fault)
{
  int     file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (overwrite ? O_TRUNC : O_EXCL), 0777);
  ssize_t n;

  if (file < 0) {
    MeritFaultSet(fault, errno == EEXIST ? MERIT_ERROR_USAGE : MERIT_ERROR_SYSTEM, path, 0, NULL,
                  "cannot be written: %s%s", strerror(errno),
                  errno == EEXIST ? " (--overwrite replaces it)" : "");
    return;
  }
  n = write(file, text->at, text->n);
  if (n != (ssize_t)text->n || close(file)) {
    MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "cannot be written: %s", strerror(errno));
    unlink(path);
  }
}

PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, int ranks, const PlanNeed *need)
{
  char       *path      = NULL;
  bool        overwrite = false;
  MeritText   text      = {0};
  MeritFault  fault     = {0};
  PetscMPIInt rank, size;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(job, "sbatch", &path));
  if (!path) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(MeritConfigBool(job, "overwrite", &overwrite));
  if (!rank) {
    PetscCall(Script(job, ranks ? ranks : size, need, &text));
    Write(path, overwrite, &text, &fault);
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  MeritTextFree(&text);
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}
