/*
  excluded.tsv: records, animals and SNPs that were left out, and their counts by reason.

  Rows are sorted over all ranks without gathering them: MeritDictCreate() numbers the distinct
  strings of all ranks in byte order, a parallel sort, and a row goes to the rank whose block of
  lines (or of numbers) it falls in. The order is kind, then rows without a line by id, then rows
  with one by line.
*/
#include "report_impl.h"
#include <merit/exchange.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REASONS 1000 /* more distinct (kind, reason) pairs than this are counted by kind only */

/* A row; texts are borrowed */
typedef struct {
  int64_t     line, order; /* order of the id among all */
  const char *kind, *id, *reason;
} Excluded;

/* Order of rows within a kind: by line, then id, then reason */
static int ByPosition(const void *a, const void *b)
{
  const Excluded *p = a, *q = b;
  int             reason;

  if (p->line != q->line) return p->line < q->line ? -1 : 1;
  if (p->order != q->order) return p->order < q->order ? -1 : 1;
  reason = strcmp(p->reason, q->reason);
  return reason;
}

/* NULL is the empty text */
static const char *Word(const char *text) { return text ? text : ""; }

/* number [n] = rank of each text among the distinct texts of all ranks in byte order; *n_all of
   them. Collective. */
static PetscErrorCode Order(MPI_Comm comm, int64_t n, const char *const text[], int64_t number[], int64_t *n_all)
{
  MeritStrings pool;
  MeritDict    dict;
  int32_t     *code;
  int64_t     *of_code;

  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(&pool));
  PetscCall(PetscMalloc1(n, &code));
  for (int64_t i = 0; i < n; i++) PetscCall(MeritStringsIntern(pool, text[i], strlen(text[i]), &code[i]));
  PetscCall(MeritDictCreate(comm, pool, NULL, &dict));
  PetscCall(PetscMalloc1(MeritStringsCount(pool), &of_code));
  PetscCall(MeritDictFind(dict, pool, of_code));
  /* strings of this rank are looked up once each */
  for (int64_t i = 0; i < n; i++) number[i] = of_code[code[i]];
  *n_all = MeritDictSize(dict);
  PetscCall(MeritDictDestroy(&dict));
  PetscCall(MeritStringsDestroy(&pool));
  PetscCall(PetscFree(of_code));
  PetscCall(PetscFree(code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Send rows with dest >= 0 to their ranks, as "kind 0 id 0 reason 0" and two numbers; sort them
   there and append them to text. Collective. */
static PetscErrorCode Route(MPI_Comm comm, int64_t n, const Excluded items[], const PetscMPIInt dest[], MeritText *text)
{
  MeritExchange ex;
  MeritText     pack = {0};
  int64_t      *start, *got_start, *position, *got_position, arriving;
  char         *got;
  Excluded     *row;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n + 1, &start, (size_t)(2 * n), &position));
  start[0] = 0;
  for (int64_t i = 0; i < n; i++) {
    const char *part[] = {items[i].kind, items[i].id, items[i].reason};

    /* a row that is not sent takes no bytes */
    for (int k = 0; k < 3 && dest[i] >= 0; k++) PetscCall(MeritTextAddBytes(&pack, part[k], strlen(part[k]) + 1));
    start[i + 1]        = (int64_t)pack.n;
    position[2 * i]     = items[i].line;
    position[2 * i + 1] = items[i].order;
  }
  PetscCall(MeritExchangeCreate(comm, n, dest, &ex));
  arriving = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc2((size_t)(2 * arriving), &got_position, arriving, &row));
  PetscCall(MeritExchangeForward(ex, 2 * sizeof(*position), position, got_position));
  PetscCall(MeritExchangeForwardBytes(ex, pack.at, start, &got, &got_start));
  for (int64_t i = 0; i < arriving; i++) {
    row[i]        = (Excluded){.line = got_position[2 * i], .order = got_position[2 * i + 1], .kind = got + got_start[i]};
    row[i].id     = row[i].kind + strlen(row[i].kind) + 1;
    row[i].reason = row[i].id + strlen(row[i].id) + 1;
  }
  if (arriving) qsort(row, (size_t)arriving, sizeof(*row), ByPosition);
  for (int64_t i = 0; i < arriving; i++) {
    /* animals and SNPs that are in no file of records have no line */
    if (row[i].line > 0) PetscCall(MeritTextAdd(text, "%s\t%lld\t", row[i].kind, (long long)row[i].line));
    else PetscCall(MeritTextAdd(text, "%s\tNA\t", row[i].kind));
    PetscCall(ReportAddField(text, row[i].id[0] ? row[i].id : "NA", row[i].id[0] ? strlen(row[i].id) : 2));
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(ReportAddField(text, row[i].reason, strlen(row[i].reason)));
    PetscCall(MeritTextAddBytes(text, "\n", 1));
  }
  MeritTextFree(&pack);
  PetscCall(PetscFree(got));
  PetscCall(PetscFree(got_start));
  PetscCall(PetscFree2(got_position, row));
  PetscCall(PetscFree2(start, position));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of one kind, with a line or without: distributed by blocks of lines, or of ids in sorted
   order. Collective. */
static PetscErrorCode Part(MeritReport report, MeritOutput out, int64_t kind, bool lines, int64_t n, const int64_t kinds[], const Excluded items[],
                           int64_t n_ids)
{
  PetscMPIInt *dest;
  MeritText    text = {0};
  int64_t      last = 0, all;

  PetscFunctionBegin;
  /* Blocks of lines 0 to the last one over all ranks; lines are counted from 1 */
  for (int64_t i = 0; i < n; i++) last = PetscMax(last, items[i].line + 1);
  PetscCallMPI(MPI_Allreduce(&last, &all, 1, MPI_INT64_T, MPI_MAX, report->comm));
  PetscCall(PetscMalloc1(n, &dest));
  for (int64_t i = 0; i < n; i++) {
    dest[i] = -1;
    if (kinds[i] == kind && (items[i].line > 0) == lines)
      dest[i] = lines ? MeritBlockOwner(all, report->size, items[i].line) : MeritBlockOwner(n_ids, report->size, items[i].order);
  }
  PetscCall(Route(report->comm, n, items, dest, &text));
  PetscCall(MeritOutputWrite(out, "excluded.tsv", NULL, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritReportExcluded - Write excluded.tsv: records, animals and SNPs left out, sorted by kind, line, id and reason.

  Collective. The file is there, with its header, when nothing was left out.
@*/
PetscErrorCode MeritReportExcluded(MeritReport report, MeritOutput out)
{
  const MeritExclusion *list;
  const int64_t         n = MeritModelExclusions(report->model, &list);
  int64_t              *kinds, *ids, n_kinds, n_ids;
  const char          **text;
  Excluded             *items;

  PetscFunctionBegin;
  PetscCall(MeritOutputWrite(out, "excluded.tsv", "kind\tline\tid\treason\n", NULL, 0));
  PetscCall(PetscMalloc4(n, &kinds, n, &ids, n, &text, n, &items));
  for (int64_t i = 0; i < n; i++) text[i] = Word(list[i].kind);
  PetscCall(Order(report->comm, n, text, kinds, &n_kinds));
  for (int64_t i = 0; i < n; i++) text[i] = Word(list[i].id);
  PetscCall(Order(report->comm, n, text, ids, &n_ids));
  for (int64_t i = 0; i < n; i++) items[i] = (Excluded){list[i].line, ids[i], Word(list[i].kind), Word(list[i].id), Word(list[i].reason)};
  /* kinds in byte order; of each the rows without a line come first */
  for (int64_t k = 0; k < n_kinds; k++)
    for (int lines = 0; lines < 2; lines++) PetscCall(Part(report, out, k, lines == 1, n, kinds, items, n_ids));
  PetscCall(PetscFree4(kinds, ids, text, items));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* report->counts = labels of a small dictionary on every rank, split at the tab into kind and
   reason, and their counts over all ranks. Collective. */
static PetscErrorCode CountLabels(MeritReport report, MeritDict dict, int64_t n, const int64_t number[])
{
  const int64_t size = MeritDictSize(dict);
  int64_t      *all, *count, *start;
  char         *at, *to;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(size, &all));
  PetscCall(PetscCalloc1(size, &count));
  for (int64_t i = 0; i < size; i++) all[i] = i;
  for (int64_t i = 0; i < n; i++) count[number[i]]++;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, (int)size, MPI_INT64_T, MPI_SUM, report->comm));
  PetscCall(MeritDictLabels(dict, size, all, &at, &start));
  PetscCall(PetscCalloc1((size_t)(start[size] + 2 * size), &report->count_text));
  PetscCall(PetscCalloc1(size, &report->counts));
  to = report->count_text;
  for (int64_t i = 0; i < size; i++) {
    char *tab;

    memcpy(to, at + start[i], (size_t)(start[i + 1] - start[i]));
    /* the label is "kind, tab, reason" */
    tab = strchr(to, '\t');
    if (tab) *tab = 0;
    report->counts[i] = (MeritExclusionCount){.kind = to, .reason = tab ? tab + 1 : "", .n = count[i]};
    to += start[i + 1] - start[i] + 1;
  }
  report->n_counts = (int)size;
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(start));
  PetscCall(PetscFree(count));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Count exclusions by kind and (reasons) reason; *done is false if there are more than MAX_REASONS
   pairs. Collective. */
static PetscErrorCode CountBy(MeritReport report, bool reasons, bool *done)
{
  const MeritExclusion *list;
  const int64_t         n = MeritModelExclusions(report->model, &list);
  MeritStrings          pool;
  MeritDict             dict;
  int32_t              *code;
  int64_t              *of_code, *number;

  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(&pool));
  PetscCall(PetscMalloc2(n, &code, n, &number));
  for (int64_t i = 0; i < n; i++) {
    MeritText key = {0};

    PetscCall(MeritTextAdd(&key, "%s\t%s", Word(list[i].kind), reasons ? Word(list[i].reason) : ""));
    PetscCall(MeritStringsIntern(pool, key.at, key.n, &code[i]));
    MeritTextFree(&key);
  }
  PetscCall(MeritDictCreate(report->comm, pool, NULL, &dict));
  PetscCall(PetscMalloc1(MeritStringsCount(pool), &of_code));
  PetscCall(MeritDictFind(dict, pool, of_code));
  for (int64_t i = 0; i < n; i++) number[i] = of_code[code[i]];
  *done = MeritDictSize(dict) <= MAX_REASONS;
  if (*done) PetscCall(CountLabels(report, dict, n, number));
  PetscCall(MeritDictDestroy(&dict));
  PetscCall(MeritStringsDestroy(&pool));
  PetscCall(PetscFree(of_code));
  PetscCall(PetscFree2(code, number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportExclusionCounts - Number of exclusions by kind and reason, in byte order; borrowed
  from the report.

  Collective. The counts are computed once. With very many different reasons they are by kind
  alone.
*/
PetscErrorCode MeritReportExclusionCounts(MeritReport report, int *n, const MeritExclusionCount **counts)
{
  bool done = report->counts != NULL;

  PetscFunctionBegin;
  if (!done) PetscCall(CountBy(report, true, &done));
  if (!done) PetscCall(CountBy(report, false, &done));
  *n      = report->n_counts;
  *counts = report->counts;
  PetscFunctionReturn(PETSC_SUCCESS);
}
