/*
  Memory that the writing of tables takes, foreseen before a run.

  Tables are written one after another, so the largest one counts: on the rank with the fullest
  block, MERIT_ROW_BYTES for each row of solutions.tsv or number of animals.tsv.
*/
#include "report_impl.h"

/* MeritReportAddBytes - See the header. Not collective. */
PetscErrorCode MeritReportAddBytes(MeritReport report, MeritBytes *b)
{
  const MeritTermView *views;
  const int            n        = MeritModelTerms(report->model, &views);
  int                  n_values = 0;
  int64_t              n_dropped, n_animals = 0, rows = 0;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordCounts(report->model, NULL, &n_dropped));
  if (MeritModelPedigree(report->model)) PetscCall(MeritPedigreeSize(MeritModelPedigree(report->model), &n_animals, NULL, NULL));
  for (int t = 0; t < n; t++) {
    /* solutions.tsv: a row for each level and component of a term */
    rows = PetscMax(rows, MeritFullestBlock(views[t].n_levels, b->ranks) * views[t].n_comp);
    if (report->formula->term[t].genetic) n_values += views[t].n_comp;
  }
  /* animals.tsv: a number for each genetic value of an animal, and its count of records */
  rows = PetscMax(rows, MeritFullestBlock(n_animals, b->ranks) * (n_values + 1));
  /* excluded.tsv: rows of dropped records */
  rows       = PetscMax(rows, MeritFullestBlock(n_dropped, b->ranks) * report->formula->n_traits * 4);
  b->writing = PetscMax(b->writing, rows * MERIT_ROW_BYTES);
  PetscFunctionReturn(PETSC_SUCCESS);
}
