/*
  The rows of a table. Each rank reads a range of the file in pieces and keeps only codes of texts
  and values of numbers.

  A line belongs to the rank whose range holds the newline before it. ReadLine splits a line and
  AddRow stores its fields; texts wait until ROWS_AT_ONCE rows are read and are then looked up
  together (LookUp). Line numbers are those within the range until Place() has counted the lines of
  lower ranks.
*/
#include "table_private.h"
#include <merit/exchange.h>
#include <merit/file.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of up to 64 rows that wait for a common look-up, so that memory accesses of many
   texts overlap. The text of column c and row i is at position c * ROWS_AT_ONCE + i %
   ROWS_AT_ONCE. */
enum { ROWS_AT_ONCE = 64 };
typedef struct {
  char   *bytes; /* of all texts; owned */
  size_t  used, room;
  size_t *start;  /* [columns * ROWS_AT_ONCE] in bytes; owned */
  size_t *length; /* [columns * ROWS_AT_ONCE], SIZE_MAX: missing; owned */
} Waiting;

/* State of one rank's pass through its range. Rows are complete lines without fault;
   n_lines counts all lines, also blank and faulty ones. */
typedef struct {
  MeritTable  t;
  Waiting     waiting;
  TableLines  lines;
  TableField *field;    /* [columns] of the line in work */
  int        *selected; /* [n_selected] columns asked for */
  int         n_selected;
  int64_t     n_lines, n_rows; /* read so far */
  int64_t     room, gap_room;
  MeritFault  fault; /* lines in the range of this rank, until the absolute ones are known */
  bool        full;  /* of words; an error at the end of the table, where the other ranks wait */
} Reader;

/* TableColumnReset - See the header. Not collective. */
PetscErrorCode TableColumnReset(MeritTable t, TableColumn *column)
{
  PetscFunctionBegin;
  if (column->pool != t->shared) PetscCall(MeritStringsDestroy(&column->pool));
  column->pool = NULL;
  free(column->code);
  free(column->value);
  column->code  = NULL;
  column->value = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Note a fault at the current line */
static void Fault(Reader *r, const char *column, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void Fault(Reader *r, const char *column, const char *format, ...)
{
  char    name[128] = "", text[512];
  va_list args;

  if (column) snprintf(name, sizeof(name), "column %s", column);
  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  MeritFaultSet(&r->fault, MERIT_ERROR_INPUT, r->t->path, r->n_lines, name, "%s", text);
}

/* Reallocate an array to `room` items */
static PetscErrorCode Grow(void *array, int64_t room, size_t bytes)
{
  void *old = *(void **)array, *more = realloc(old, (size_t)room * bytes);

  PetscFunctionBegin;
  PetscCheck(more, PETSC_COMM_SELF, PETSC_ERR_MEM, "%lld rows of a table", (long long)room);
  *(void **)array = more;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Room for `room` rows in all selected columns; at least one row, so that a rank without rows has
   arrays too */
static PetscErrorCode SetRoom(Reader *r, int64_t room)
{
  PetscFunctionBegin;
  r->room = PetscMax(room, 1);
  for (int s = 0; s < r->n_selected; s++) {
    TableColumn *column = &r->t->column[r->selected[s]];

    if (column->text) PetscCall(Grow(&column->code, r->room, sizeof(*column->code)));
    if (column->number) PetscCall(Grow(&column->value, r->room, sizeof(*column->value)));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Count a blank line: a gap in the numbering of rows by lines. Blank lines before one row
   are one gap. MeritTableLine() adds the blanks of the last gap at or before a row to its
   number. */
static PetscErrorCode CountBlank(Reader *r)
{
  MeritTable t    = r->t;
  TableGap  *last = t->n_gap ? &t->gap[t->n_gap - 1] : NULL;

  PetscFunctionBegin;
  if (last && last->row == r->n_rows) {
    last->blanks++;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (t->n_gap == r->gap_room) {
    r->gap_room = 2 * r->gap_room + 16;
    PetscCall(Grow(&t->gap, r->gap_room, sizeof(*t->gap)));
  }
  t->gap[t->n_gap] = (TableGap){r->n_rows, t->n_gap ? t->gap[t->n_gap - 1].blanks + 1 : 1};
  t->n_gap++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is a field empty or one of the words for missing? Most fields are neither, so their first
   byte is looked up before any comparison. */
static bool IsMissing(const TableMissing *missing, TableField f)
{
  if (f.length == 0) return true;
  if (!missing->first[(unsigned char)f.at[0]]) return false;
  for (int i = 0; i < missing->n; i++)
    if (missing->length[i] == f.length && !memcmp(missing->word[i], f.at, f.length)) return true;
  return false;
}

/* Parse a number; words that are numbers mean missing by value, so that -999 and -999.0 are
   the same. The word of a message is cut to 60 characters. After a fault the value is not
   used. */
static void SetNumber(Reader *r, int c, TableField f, double *value)
{
  const char      *name = r->t->name[c], *more = f.length > 60 ? "..." : "";
  const int        shown = (int)PetscMin(f.length, 60);
  TableNumberFault fault = TableNumberParse(f.at, f.length, value);

  if (fault == TABLE_NUMBER_NOT && r->t->missing_key && TableNoValue(f.at, f.length))
    Fault(r, name, "\"%.*s%s\" is not a number; if it means missing, add it to %s", shown, f.at, more, r->t->missing_key);
  else if (fault == TABLE_NUMBER_NOT) Fault(r, name, "\"%.*s%s\" is not a number", shown, f.at, more);
  else if (fault == TABLE_NUMBER_COMMA) Fault(r, name, "\"%.*s%s\" is not a number: a decimal comma is not read, use a point", shown, f.at, more);
  else if (fault == TABLE_NUMBER_LARGE) Fault(r, name, "\"%.*s%s\" is too large a number", shown, f.at, more);
  for (int i = 0; i < r->t->missing.n_numbers; i++)
    if (*value == r->t->missing.number[i]) {
      *value = NAN;
      break;
    }
}

/* Keep a text of the current row until the look-up */
static PetscErrorCode Wait(Reader *r, int c, bool missing, TableField f)
{
  Waiting     *w  = &r->waiting;
  const size_t at = (size_t)c * ROWS_AT_ONCE + (size_t)(r->n_rows % ROWS_AT_ONCE);

  PetscFunctionBegin;
  w->length[at] = missing ? SIZE_MAX : f.length;
  if (missing) PetscFunctionReturn(PETSC_SUCCESS);
  if (w->used + f.length > w->room) {
    w->room = 2 * (w->used + f.length) + 4096;
    PetscCall(Grow(&w->bytes, (int64_t)w->room, 1));
  }
  memcpy(w->bytes + w->used, f.at, f.length);
  w->start[at] = w->used;
  w->used += f.length;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Codes of the texts of the last n rows. A pool beyond what a rank can hold sets `full`,
   which is raised later on all ranks. Missing texts are left out of the look-up, and the
   codes found are spread backwards over the rows that have one. When `full` is set no text
   is looked up and all codes are -1. */
static PetscErrorCode LookUp(Reader *r, int n)
{
  Waiting    *w = &r->waiting;
  const char *at[ROWS_AT_ONCE];
  size_t      length[ROWS_AT_ONCE];
  int32_t     code[ROWS_AT_ONCE];

  PetscFunctionBegin;
  for (int s = 0; s < r->n_selected; s++) {
    TableColumn  *column = &r->t->column[r->selected[s]];
    const size_t *start = w->start + (size_t)r->selected[s] * ROWS_AT_ONCE, *l = w->length + (size_t)r->selected[s] * ROWS_AT_ONCE;
    int           m = 0;

    if (!column->text) continue;
    r->full = r->full || MeritStringsCount(column->pool) > MeritMaxLocal() - ROWS_AT_ONCE;
    for (int i = 0; i < n && !r->full; i++) {
      if (l[i] == SIZE_MAX) continue;
      at[m]       = w->bytes + start[i];
      length[m++] = l[i];
    }
    PetscCall(MeritStringsInternMany(column->pool, m, at, length, code));
    for (int i = n - 1; i >= 0; i--) column->code[r->n_rows - n + i] = l[i] == SIZE_MAX || !m ? -1 : code[--m];
  }
  w->used = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Store the selected fields of the current line as a row */
static PetscErrorCode AddRow(Reader *r)
{
  MeritTable t = r->t;

  PetscFunctionBegin;
  if (r->n_rows == r->room) PetscCall(SetRoom(r, r->room + r->room / 2 + 1024));
  for (int s = 0; s < r->n_selected; s++) {
    const int    c       = r->selected[s];
    TableColumn *column  = &t->column[c];
    const bool   missing = IsMissing(&t->missing, r->field[c]);

    if (column->text) PetscCall(Wait(r, c, missing, r->field[c]));
    if (column->number) {
      if (missing) column->value[r->n_rows] = NAN;
      else SetNumber(r, c, r->field[c], &column->value[r->n_rows]);
    }
  }
  r->n_rows++;
  if (r->n_rows % ROWS_AT_ONCE == 0) PetscCall(LookUp(r, ROWS_AT_ONCE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Called for each line of the range: checks, then AddRow. A line with a fault becomes no
   row but is counted, so that later messages have the right line. Only the first faults are
   kept; reading goes on to the end, where all ranks agree. */
static PetscErrorCode ReadLine(void *context, char line[], size_t n, bool overlong, bool *done)
{
  Reader        *r = (Reader *)context;
  MeritTable     t = r->t;
  TableLineFault fault;
  int            count;

  PetscFunctionBegin;
  (void)done;
  r->n_lines++;
  if (overlong) {
    Fault(r, NULL, "the line is longer than 1 GiB");
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (TableLineBlank(line, n, t->delimiter)) {
    PetscCall(CountBlank(r));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (memchr(line, 0, n)) {
    Fault(r, NULL, "NUL byte: this is not a text file");
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  count = TableLineSplit(line, n, t->delimiter, t->n, r->field, &fault);
  if (fault == TABLE_LINE_UNCLOSED) Fault(r, NULL, "unclosed quote");
  else if (fault == TABLE_LINE_AFTER_QUOTE) Fault(r, NULL, "text after the closing quote of field %d", count);
  else if (count != t->n) Fault(r, NULL, "%d field%s where the header has %d", count, count == 1 ? "" : "s", t->n);
  else PetscCall(AddRow(r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Start a pass: buffers, pools and the list of selected columns. Results of an earlier pass
   are freed. A column has the shared pool if there is one, unless it was asked for as WORD. */
static PetscErrorCode Begin(MeritTable t, Reader *r)
{
  PetscFunctionBegin;
  memset(r, 0, sizeof(*r));
  r->t     = t;
  t->n_gap = 0;
  free(t->gap);
  t->gap = NULL;
  PetscCall(PetscMalloc4(t->n, &r->selected, t->n, &r->field, (size_t)t->n * ROWS_AT_ONCE, &r->waiting.start, (size_t)t->n * ROWS_AT_ONCE,
                         &r->waiting.length));
  for (int c = 0; c < t->n; c++) PetscCall(TableColumnReset(t, &t->column[c]));
  PetscCall(MeritStringsDestroy(&t->shared));
  if (t->share) PetscCall(MeritStringsCreate(&t->shared));
  for (int c = 0; c < t->n; c++) {
    t->column[c].pool = t->column[c].text && !t->column[c].alone ? t->shared : NULL;
    if (t->column[c].text && !t->column[c].pool) PetscCall(MeritStringsCreate(&t->column[c].pool));
    if (t->column[c].text || t->column[c].number) r->selected[r->n_selected++] = c;
  }
  r->lines = (TableLines){.action = ReadLine, .context = r, .stop = INT64_MAX};
  PetscCall(SetRoom(r, 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank 0: fault if a file that must be complete (MeritTableSetWhole) does not end with a
   line end. A gzip file has its own mark of the end, which the inflation checks. */
static PetscErrorCode CheckWhole(MeritTable t, MeritFault *fault)
{
  char last = '\n';

  PetscFunctionBegin;
  if (t->whole && !t->gzip && t->bytes > 0) PetscCall(MeritFileRead(t->path, t->bytes - 1, 1, &last, fault));
  if (last != '\n') MeritFaultSet(fault, MERIT_ERROR_INPUT, t->path, 0, NULL, "the last line has no line end: the file was cut short");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Feed this rank's range of a plain file. The bytes behind the header are cut evenly; a
   line belongs to the range that holds the newline before it, so all ranks but the first
   skip to their first newline. An empty range has no line. */
static PetscErrorCode ReadRange(MeritTable t, Reader *r, MeritFault *fault)
{
  const int64_t n = t->bytes - t->data;

  PetscFunctionBegin;
  r->lines.at       = t->data + MeritBlockFirst(n, t->size, t->rank);
  r->lines.stop     = t->data + MeritBlockFirst(n, t->size, t->rank + 1);
  r->lines.skipping = t->rank > 0;
  if (r->lines.at < r->lines.stop) PetscCall(TableFeedFile(t->path, t->bytes, &r->lines, fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of the first row, lines before this rank's, and absolute line numbers in its
   faults: known only now that all ranks have counted. MPI_Exscan leaves rank 0 undefined,
   hence the zeros. Collective. */
static PetscErrorCode Place(MeritTable t, Reader *r)
{
  int64_t count[2] = {r->n_lines, r->n_rows}, before[2] = {0, 0};

  PetscFunctionBegin;
  PetscCallMPI(MPI_Exscan(count, before, 2, MPI_INT64_T, MPI_SUM, t->comm));
  if (t->rank == 0) before[0] = before[1] = 0;
  t->n_local     = r->n_rows;
  t->first       = before[1];
  t->line_before = t->header_lines + before[0];
  MeritFaultShift(&r->fault, t->line_before);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritTableRead - Read the selected columns of all rows.

  Collective on the table's ranks. Each rank gets a contiguous part of the rows, in the file's
  order over the ranks. It reads in pieces of at most 4 MiB and keeps only codes and numbers. A gzip
  file is inflated by rank 0, which deals the text out.

  Errors, of several the first lines: INPUT for a number of fields other than the header's, an
  unclosed quote, text behind a closing quote, a NUL byte, what is not a number in a number column,
  a damaged or truncated gzip file.
@*/
PetscErrorCode MeritTableRead(MeritTable t)
{
  MeritFault fault = {0};
  Reader     r;

  PetscFunctionBegin;
  PetscCall(Begin(t, &r));
  if (t->gzip) PetscCall(TableDealGzip(t->comm, t->path, t->bytes, t->data, &r.lines, &fault));
  else PetscCall(ReadRange(t, &r, &fault));
  PetscCall(LookUp(&r, (int)(r.n_rows % ROWS_AT_ONCE)));
  PetscCall(Place(t, &r));
  PetscCall(SetRoom(&r, r.n_rows));
  TableLinesFree(&r.lines);
  PetscCall(PetscFree4(r.selected, r.field, r.waiting.start, r.waiting.length));
  free(r.waiting.bytes);
  if (r.full)
    MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, t->path, 0, NULL, "too many different words for rank %d, which can hold %lld: use more ranks", t->rank,
                  (long long)MeritMaxLocal());
  if (t->rank == 0) PetscCall(CheckWhole(t, &fault));
  if (t->rank == 0) PetscCall(MeritFileCheck(t->path, &fault));
  PetscCall(MeritFaultAgree(t->comm, &fault));
  PetscCall(MeritFaultAgree(t->comm, &r.fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}
