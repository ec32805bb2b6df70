/*
  Options of PETSc that nobody asked for. PETSc marks an option as used when some object looks it
  up, and lists the others only at its end, hours later. A run sets its PETSc objects up on a matrix
  of one equation per rank (MeritSolverTryOptions), before data are read; what is not marked after
  that is refused here.
*/
#include "cli.h"
#include <merit/error.h>
#include <string.h>

/* Options that PETSc looks up in PetscFinalize only: they are unused here, and right */
static const char *const late[] = {"options_left", "options_view", "malloc_dump", "malloc_view",     "malloc_view_threshold",
                                   "memory_view",  "objects_dump", "log_view",    "log_view_memory", "log_trace",
                                   "log",          "log_all",      "log_mpe",     "log_sync",        "get_total_flops",
                                   "skip_petscrc", "finalize_wait"};

/* Candidates for a misspelt option: those that users of a solver most often give */
static const char *const common[] = {"ksp_type",
                                     "ksp_rtol",
                                     "ksp_atol",
                                     "ksp_max_it",
                                     "ksp_monitor",
                                     "ksp_view",
                                     "ksp_norm_type",
                                     "ksp_converged_reason",
                                     "ksp_monitor_true_residual",
                                     "ksp_gmres_restart",
                                     "pc_type",
                                     "log_view",
                                     "options_file",
                                     "skip_petscrc"};

/* Is the option, without its dash, one of those? */
static bool IsLate(const char *name)
{
  for (size_t i = 0; i < sizeof(late) / sizeof(*late); i++)
    if (!strcmp(name, late[i])) return true;
  return false;
}

/* MeritOptionsCheck - Refuse PETSc options that nothing looked at: a misspelt one would otherwise
   change nothing, without a word. Collective. */
PetscErrorCode MeritOptionsCheck(MPI_Comm comm)
{
  PetscInt    n;
  char      **names, **values;
  char        unused[128] = "", value[128] = "";
  const char *nearest;

  PetscFunctionBegin;
  (void)comm;
  PetscCall(PetscOptionsLeftGet(NULL, &n, &names, &values));
  /* From the last to the first, so that the first one on the command line is named */
  for (PetscInt i = n - 1; i >= 0; i--) {
    if (IsLate(names[i])) continue;
    PetscCall(PetscStrncpy(unused, names[i], sizeof(unused)));
    PetscCall(PetscStrncpy(value, values[i] ? values[i] : "", sizeof(value)));
  }
  PetscCall(PetscOptionsLeftRestore(NULL, &n, &names, &values));
  if (!unused[0]) PetscFunctionReturn(PETSC_SUCCESS);
  nearest = MeritNearest(unused, (int)(sizeof(common) / sizeof(*common)), common);
  /* An option of the list itself is spelt right; then this run does not use it */
  if (nearest && strcmp(nearest, unused))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "unknown PETSc option -%s; did you mean -%s?", unused, nearest));
  PetscCall(
      MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "PETSc option -%s%s%s is not known or not used by this run", unused, value[0] ? " " : "", value));
  PetscFunctionReturn(PETSC_SUCCESS);
}
