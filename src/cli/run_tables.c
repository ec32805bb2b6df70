/*
  Tables of solutions, which every command writes that solves, and the words for how a solve ended.
  Values come from the operator (genomic values, fitted values), the report knows only arrays.
*/
#include "run.h"
#include <merit/op.h>

/* animals.tsv. Genomic values g = M u of this rank's genotype rows are computed for it, for each
   SNP term. Collective. */
static PetscErrorCode Animals(const MeritRun *s)
{
  double **genomic;

  PetscFunctionBegin;
  PetscCall(MeritMMEGenomicTerms(s->C, s->x, &genomic));
  PetscCall(MeritReportAnimals(s->report, s->out, s->x, (const double *const *)genomic));
  PetscCall(MeritMMEGenomicTermsFree(s->C, &genomic));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* fitted.tsv, if the job asks for it; fitted values [n_records * n_traits] of this rank, trait
   fastest. Collective. */
static PetscErrorCode Fitted(const MeritRun *s)
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

/* RunTables - See the header. Collective. */
PetscErrorCode RunTables(const MeritRun *s)
{
  PetscFunctionBegin;
  PetscCall(MeritReportSolutions(s->report, s->out, s->x));
  PetscCall(Animals(s));
  PetscCall(MeritReportSnps(s->report, s->out, s->x));
  PetscCall(Fitted(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunState - See the header. Not collective. */
const char *RunState(MeritStop stop)
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

/* RunConverged - See the header. Not collective. */
bool RunConverged(MeritStop stop) { return stop == MERIT_STOP_CONVERGED || stop == MERIT_STOP_ROUNDING_FLOOR; }
