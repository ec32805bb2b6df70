/* Tables of solutions, which solve and varcomp write alike. */
#include "inputs.h"
#include "solve_impl.h"
#include <merit/op.h>

static PetscErrorCode Animals(const SolveRun *s)
{
  double **genomic;

  PetscFunctionBegin;
  PetscCall(SolveGenomicValues(s->model, s->C, s->x, &genomic));
  PetscCall(MeritReportAnimals(s->report, s->out, s->x, (const double *const *)genomic));
  PetscCall(SolveGenomicFree(s->model, &genomic));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Fitted(const SolveRun *s)
{
  const MeritRecordsView *records = MeritModelRecords(s->model);
  double                 *fitted;

  PetscFunctionBegin;
  if (!MeritReportWantsFitted(s->report)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)records->n_records * (size_t)records->n_traits, &fitted));
  PetscCall(MeritMMEFitted(s->C, s->x, fitted));
  PetscCall(MeritReportFitted(s->report, s->out, fitted));
  PetscCall(PetscFree(fitted));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SolveTables - See the header. Collective. */
PetscErrorCode SolveTables(const SolveRun *s)
{
  PetscFunctionBegin;
  PetscCall(MeritReportSolutions(s->report, s->out, s->x));
  PetscCall(Animals(s));
  PetscCall(MeritReportSnps(s->report, s->out, s->x));
  PetscCall(Fitted(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SolveOpenOutput - See the header. Collective. */
PetscErrorCode SolveOpenOutput(SolveRun *s)
{
  char *folder    = NULL;
  bool  overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(s->job, "output.folder", &folder));
  if (!folder) PetscCall(MeritNodeError(s->job, "the job file has no output: folder"));
  PetscCall(MeritConfigBool(s->job, "overwrite", &overwrite));
  PetscCall(SolveIsDone(s, folder));
  if (!s->done) {
    PetscCall(MeritOutputOpen(s->comm, folder, overwrite, &s->out));
    PetscCall(InputsKeep(s->job, s->out));
  }
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SolveState - See the header. Not collective. */
const char *SolveState(MeritStop stop)
{
  switch (stop) {
  case MERIT_STOP_CONVERGED:
    return "converged";
  case MERIT_STOP_ROUNDING_FLOOR:
    return "rounding floor";
  case MERIT_STOP_BREAKDOWN:
    return "breakdown";
  default:
    return "not converged";
  }
}
