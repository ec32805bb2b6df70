/*
  fitted.tsv: observed and fitted values with their residuals, a row for each observed trait of a
  record.

  Records are distributed over the ranks by their levels, such as animals. Rows go to the rank of
  their block of lines and are sorted there, so that the file is in the order of the records file.
*/
#include "report_impl.h"
#include <merit/exchange.h>
#include <stdlib.h>
#include <string.h>

/* An observation on its way to the rank that writes its line */
typedef struct {
  int64_t line;
  int32_t trait;
  double  y, fitted;
} Fitted;

/* By line, then trait */
static int ByLine(const void *a, const void *b)
{
  const Fitted *p = a, *q = b;

  if (p->line != q->line) return p->line < q->line ? -1 : 1;
  return p->trait - q->trait;
}

/* Observed traits of the local records, rows [*n], and the rank of each row's block of lines, dest
   [*n]; both owned by the caller. Collective. */
static PetscErrorCode Observed(MeritReport report, const double fitted[], int64_t *n, Fitted **rows, PetscMPIInt **dest)
{
  const MeritRecordsView *records = MeritModelRecords(report->model);
  const int64_t          *line;
  int64_t                 last = 0, all;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(report->model, &line));
  for (int32_t r = 0; r < records->n_records; r++) last = PetscMax(last, line[r] + 1);
  PetscCallMPI(MPI_Allreduce(&last, &all, 1, MPI_INT64_T, MPI_MAX, report->comm));
  PetscCall(PetscMalloc1((size_t)records->n_records * (size_t)records->n_traits, rows));
  PetscCall(PetscMalloc1((size_t)records->n_records * (size_t)records->n_traits, dest));
  for (int32_t r = 0; r < records->n_records; r++)
    for (int32_t t = 0; t < records->n_traits; t++) {
      /* y and fitted values are [record][trait] */
      int64_t k = (int64_t)r * records->n_traits + t;

      /* unobserved traits have no row */
      if (!(records->observed[records->pattern[r]] >> t & 1u)) continue;
      (*rows)[*n]     = (Fitted){.line = line[r], .trait = t, .y = records->y[k], .fitted = fitted[k]};
      (*dest)[(*n)++] = MeritBlockOwner(all, report->size, line[r]);
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportFitted - Write fitted.tsv: a row for each observed trait of every record, in the order
  of the records file.

  Collective. fitted[n_records * n_traits] are W x of the local records. Columns: record (line of
  the records file), trait, y, fitted, residual = y - fitted. A line number serves as the name of a
  record, since records have none.
*/
PetscErrorCode MeritReportFitted(MeritReport report, MeritOutput out, const double fitted[])
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  Fitted       *rows, *got;
  MeritText     text = {0};
  int64_t       n    = 0, arriving;

  PetscFunctionBegin;
  PetscCall(Observed(report, fitted, &n, &rows, &dest));
  PetscCall(MeritExchangeCreate(report->comm, n, dest, &ex));
  arriving = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(arriving, &got));
  PetscCall(MeritExchangeForward(ex, sizeof(*got), rows, got));
  PetscCall(PetscFree(rows));
  PetscCall(PetscFree(dest));
  PetscCall(MeritExchangeDestroy(&ex));
  if (arriving) qsort(got, (size_t)arriving, sizeof(*got), ByLine);
  for (int64_t i = 0; i < arriving; i++) {
    const char *trait = report->formula->trait[got[i].trait];

    PetscCall(MeritTextAdd(&text, "%lld\t", (long long)got[i].line));
    PetscCall(ReportAddField(&text, trait, strlen(trait)));
    PetscCall(MeritTextAddBytes(&text, "\t", 1));
    PetscCall(MeritTextAddReal(&text, got[i].y));
    PetscCall(MeritTextAddBytes(&text, "\t", 1));
    PetscCall(MeritTextAddReal(&text, got[i].fitted));
    PetscCall(MeritTextAddBytes(&text, "\t", 1));
    PetscCall(MeritTextAddReal(&text, got[i].y - got[i].fitted));
    PetscCall(MeritTextAddBytes(&text, "\n", 1));
  }
  PetscCall(PetscFree(got));
  PetscCall(MeritOutputWrite(out, "fitted.tsv", "record\ttrait\ty\tfitted\tresidual\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}
