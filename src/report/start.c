/*
  Warm starts: a solutions.tsv of an earlier run gives the start values of this one.

  1. Each rank reads a part of the file (Read).
  2. For each term, rows are matched by trait, term, component and label of the level, so that the
     earlier model may differ (Collect).
  3. A row goes to the rank that owns its level, where it is stored as a component (Place).
  4. x is computed from the components at the end; components without a row are 0.
*/
#include "report_impl.h"
#include <merit/exchange.h>
#include <merit/log.h>
#include <merit/table.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* The columns that are needed; arrays are borrowed from the table */
typedef struct {
  int64_t        n;
  const int32_t *code[4]; /* trait, term, component, level */
  MeritStrings   pool[4];
  const double  *solution;
  MeritTable     table; /* for the lines; borrowed */
} StartTable;

/* Their names; the first four are text */
static const char *const start_columns[] = {"trait", "term", "component", "level", "solution"};

/* Read them. Collective. INPUT errors: a column or a solution is missing. */
static PetscErrorCode Read(MPI_Comm comm, const char path[], MeritTable *table, StartTable *start)
{
  MeritFault fault = {0};
  int64_t    first;
  int        column[5];

  PetscFunctionBegin;
  PetscCall(ReportCheckResult(comm, path));
  PetscCall(MeritTableOpen(comm, path, 0, NULL, 0, NULL, table));
  PetscCall(MeritTableSetWhole(*table));
  for (int k = 0; k < 5; k++) {
    column[k] = MeritTableFind(*table, start_columns[k]);
    if (column[k] < 0)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, path, 1, NULL, "solver.start: no column '%s'; a solutions.tsv is needed", start_columns[k]));
    PetscCall(MeritTableSelect(*table, column[k], k < 4 ? MERIT_COLUMN_TEXT : MERIT_COLUMN_NUMBER));
  }
  PetscCall(MeritTableRead(*table));
  start->table = *table;
  PetscCall(MeritTableRows(*table, &start->n, &first));
  for (int k = 0; k < 4; k++) PetscCall(MeritTableText(*table, column[k], &start->code[k], &start->pool[k]));
  PetscCall(MeritTableNumbers(*table, column[4], &start->solution));
  for (int64_t i = 0; i < start->n; i++)
    if (isnan(start->solution[i]))
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, path, MeritTableLine(*table, i), "solution",
                    "solver.start: the solution is missing; give a number, or leave the line out to start from 0");
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is a text column of a row this text? */
static bool Is(const StartTable *start, int column, int64_t row, const char text[])
{
  int32_t code = start->code[column][row];

  return code >= 0 && !strcmp(MeritStringsGet(start->pool[column], code, NULL), text);
}

/* Component of a row in term t, -1 if the row belongs to another term */
static int ComponentOf(MeritReport report, const StartTable *start, int t, int64_t row)
{
  const MeritTermSpec *term = &report->formula->term[t];

  if (!Is(start, 1, row, term->label) || start->code[3][row] < 0) return -1;
  for (int c = 0; c < term->n_components; c++)
    if (Is(start, 2, row, ReportComponentName(term, c)) &&
        /* both the regressor's name and the trait must be those of the component */
        Is(start, 0, row, report->formula->trait[term->component[c].trait]))
      return c;
  return -1;
}

/* A row on its way to the owner of its level */
typedef struct {
  int64_t equation; /* of the level, global; -1 unknown */
  int64_t level, line;
  int32_t component;
  double  value;
} StartRow;

/* Rows of this rank for term t, with the canonical number and the first equation of their levels;
   *rows [*n_rows] are owned by the caller. Collective. */
static PetscErrorCode Collect(MeritReport report, const StartTable *start, int t, int64_t *n_rows, StartRow **rows)
{
  MeritStrings pool;
  int32_t     *code;
  int64_t     *number, *level, *equation, n = 0;

  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(&pool));
  PetscCall(PetscMalloc1(start->n, rows));
  PetscCall(PetscMalloc1(start->n, &code));
  for (int64_t i = 0; i < start->n; i++) {
    int         c = ComponentOf(report, start, t, i);
    size_t      length;
    const char *label;

    if (c < 0) continue;
    label = MeritStringsGet(start->pool[3], start->code[3][i], &length);
    PetscCall(MeritStringsIntern(pool, label, length, &code[n]));
    (*rows)[n++] = (StartRow){.component = c, .value = start->solution[i], .line = MeritTableLine(start->table, i)};
  }
  PetscCall(PetscMalloc3(MeritStringsCount(pool), &number, n, &level, n, &equation));
  PetscCall(MeritModelFindLabels(report->model, t, pool, number));
  for (int64_t i = 0; i < n; i++) level[i] = number[code[i]];
  PetscCall(MeritModelLocate(report->model, t, n, level, equation));
  for (int64_t i = 0; i < n; i++) /* a label that the term does not have gets level -1 */
    (*rows)[i].level = level[i], (*rows)[i].equation = level[i] < 0 ? -1 : equation[i];
  PetscCall(PetscFree3(number, level, equation));
  PetscCall(PetscFree(code));
  PetscCall(MeritStringsDestroy(&pool));
  *n_rows = n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank that owns a global equation, by bisection; begin [size] are the first equations of the
   ranks */
static PetscMPIInt Owner(const int64_t begin[], PetscMPIInt size, int64_t equation)
{
  PetscMPIInt low = 0, high = size;

  while (high - low > 1) {
    PetscMPIInt middle = (low + high) / 2;

    if (begin[middle] <= equation) low = middle;
    else high = middle;
  }
  /* of ranks with the same first equation the last one owns it; the others have none */
  while (low + 1 < size && begin[low + 1] <= equation) low++;
  return low;
}

/* Store the value of a row; a second row for the same component is an INPUT fault. Effects of SNPs
   are divided by the scale of the column. */
static void Lay(MeritReport report, const StartRow *row, const double *scale, double *u, int64_t *line, MeritFault *fault)
{
  if (*line)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, report->start, PetscMax(*line, row->line), NULL,
                  "solver.start: trait, term, component and level are those of line %lld; remove one of the lines, or rename SNPs that have one name",
                  (long long)PetscMin(*line, row->line));
  *line = row->line;
  /* the file has the effect of one allele copy, u is that of the scaled column */
  *u = scale ? row->value / scale[row->level] : row->value;
}

/* Send the rows of term t to the owners, and store them in u; line [slots] are the lines that
   values came from. *n_used rows over all ranks. Collective. */
static PetscErrorCode Place(MeritReport report, int t, int64_t n, const StartRow rows[], const int64_t begin[], double u[], int64_t line[],
                            MeritFault *fault, int64_t *n_used)
{
  const MeritTermView *view;
  const double        *scale;
  MeritExchange        ex;
  PetscMPIInt         *dest;
  StartRow            *got;
  int32_t              equation, slot;
  int64_t              arriving;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &view);
  view += t;
  ReportTermFirst(report, t, &equation, &slot);
  PetscCall(ReportSnpScale(report, t, &scale));
  PetscCall(PetscMalloc1(n, &dest));
  for (int64_t i = 0; i < n; i++) /* levels that this model does not have are not sent, nor those of terms without equations */
    dest[i] = rows[i].equation < 0 || !view->n_eq ? -1 : Owner(begin, report->size, rows[i].equation);
  PetscCall(MeritExchangeCreate(report->comm, n, dest, &ex));
  arriving = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(arriving, &got));
  PetscCall(MeritExchangeForward(ex, sizeof(*got), rows, got));
  for (int64_t i = 0; i < arriving; i++) {
    /* equation of the level minus the first of this rank and of the term */
    const int64_t level = (got[i].equation - begin[report->rank] - equation) / view->n_eq;
    const int64_t at    = slot + level * view->n_comp + got[i].component;

    Lay(report, got + i, scale, u + at, line + at, fault);
  }
  PetscCallMPI(MPI_Allreduce(&arriving, n_used, 1, MPI_INT64_T, MPI_SUM, report->comm));
  PetscCall(PetscFree(got));
  PetscCall(PetscFree(dest));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All terms, one after another. Collective. */
static PetscErrorCode PlaceAll(MeritReport report, const StartTable *start, int32_t n, double u[], int64_t *n_found)
{
  MeritFault    fault = {0};
  const int64_t first = MeritModelLayout(report->model)->first;
  int64_t      *begin, *line;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(report->size, &begin));
  PetscCall(PetscCalloc1(n, &line));
  PetscCallMPI(MPI_Allgather(&first, 1, MPI_INT64_T, begin, 1, MPI_INT64_T, report->comm));
  *n_found = 0;
  for (int t = 0; t < report->formula->n_terms; t++) {
    StartRow *rows;
    int64_t   n_rows, used;

    PetscCall(Collect(report, start, t, &n_rows, &rows));
    PetscCall(Place(report, t, n_rows, rows, begin, u, line, &fault, &used));
    PetscCall(PetscFree(rows));
    *n_found += used;
  }
  PetscCall(PetscFree(begin));
  PetscCall(PetscFree(line));
  PetscCall(MeritFaultAgree(report->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportResolve - See the header. Rank 0 looks. Collective. */
PetscErrorCode ReportResolve(MPI_Comm comm, const char path[], const char name[], char **resolved)
{
  struct stat found;
  PetscMPIInt rank;
  int         folder;
  size_t      length = strlen(path) + strlen(name) + 2;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  folder = !rank && !stat(path, &found) && S_ISDIR(found.st_mode);
  PetscCallMPI(MPI_Bcast(&folder, 1, MPI_INT, 0, comm));
  PetscCall(PetscMalloc1(length, resolved));
  snprintf(*resolved, length, "%s%s%s", path, folder ? "/" : "", folder ? name : "");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportStart - Start values from the solutions.tsv of an earlier run; path is that file, or
  the folder of its result.

  Collective. Rows are matched by trait, term, component and label of the level; x[n_owned] is 0
  where the file has no row. *n_found is the number of rows used. Errors: INPUT if no row fits the
  model, if a solution is missing, or if two rows are for the same component. Rows that do not fit
  are counted in a message.
*/
PetscErrorCode MeritReportStart(MeritReport report, const char path[], double x[], int64_t *n_found)
{
  MeritTable table = NULL;
  StartTable start = {0};
  double    *u;
  int64_t    n_rows;
  int32_t    equation, slot;

  PetscFunctionBegin;
  PetscCall(PetscFree(report->start));
  PetscCall(ReportResolve(report->comm, path, "solutions.tsv", &report->start)); /* kept for summary.json */
  PetscCall(Read(report->comm, report->start, &table, &start));
  PetscCallMPI(MPI_Allreduce(&start.n, &n_rows, 1, MPI_INT64_T, MPI_SUM, report->comm));
  ReportTermFirst(report, report->formula->n_terms, &equation, &slot);
  PetscCall(PetscCalloc1(slot, &u));
  PetscCall(PlaceAll(report, &start, slot, u, n_found));
  PetscCall(MeritTableDestroy(&table));
  if (!*n_found)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, report->start, 0, NULL, "solver.start: none of its %lld rows fits this model", (long long)n_rows));
  MeritLog(MERIT_LOG_INFO, "start: %lld of %lld rows of %s used", (long long)*n_found, (long long)n_rows, report->start);
  PetscCall(MeritModelFromComponents(report->model, u, x));
  PetscCall(PetscFree(u));
  PetscFunctionReturn(PETSC_SUCCESS);
}
