/*
  Tables of delimited text: the header line, the selection of columns, and access to results.
  table_read.c reads the rows.

  Rank 0 reads the beginning of the file and finds the delimiter, the names of the columns, and
  whether the file is compressed; all ranks get the header line and parse it alike.
*/
#include "table_private.h"
#include "io_private.h"
#include <merit/file.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What rank 0 finds at the beginning of the file */
typedef struct {
  int64_t lines; /* before the data, the header's included */
  int64_t data;  /* offset behind the header line */
  int64_t n;     /* bytes of the header line: the first that is not blank */
  int64_t gzip;
  int64_t begin;   /* offset of the text: behind a byte order mark and a line "sep=;" */
  int64_t skipped; /* lines before that */
  char   *line;
} Head;

/* Argument of HeadLine */
typedef struct {
  Head       *head;
  TableLines *lines;
  MeritFault *fault;
  const char *path;
} HeadContext;

/* A line "sep=;" tells Excel the delimiter; it is skipped, since the delimiter is found from the
   header line */
static bool IsSeparator(const char line[], size_t n) { return n == 5 && !strncasecmp(line, "sep=", 4); }

/* Called for each line until the first that is not blank, which becomes the header line. A byte
   order mark is skipped. */
static PetscErrorCode HeadLine(void *context, char line[], size_t n, bool overlong, bool *done)
{
  HeadContext *c = (HeadContext *)context;

  PetscFunctionBegin;
  if (c->head->lines++ == 0 && n >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
    c->head->begin = 3;
    line += 3;
    n -= 3;
  }
  if (IsSeparator(line, n)) {
    c->head->begin   = c->lines->next;
    c->head->skipped = c->head->lines;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (overlong) MeritFaultSet(c->fault, MERIT_ERROR_INPUT, c->path, c->head->lines, NULL, "the line is longer than 1 GiB");
  if (TableLineBlank(line, n, ' ')) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(n, &c->head->line));
  memcpy(c->head->line, line, n);
  c->head->n    = (int64_t)n;
  c->head->data = c->lines->next;
  *done         = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Find the header line; faults for an empty file, NUL bytes, and carriage returns alone as
   line ends. A gzip file is known by its first two bytes, 1f 8b, not by its name. Only
   pieces up to the header line are read. Not collective. */
static PetscErrorCode HeadRead(const char path[], int64_t bytes, Head *head, MeritFault *fault)
{
  unsigned char magic[2] = {0, 0};
  TableLines    lines    = {.action = HeadLine, .stop = INT64_MAX};
  HeadContext   context  = {head, &lines, fault, path};

  PetscFunctionBegin;
  lines.context = &context;
  if (bytes >= 2) PetscCall(MeritFileRead(path, 0, 2, magic, fault));
  if (fault->kind != MERIT_ERROR_NONE) PetscFunctionReturn(PETSC_SUCCESS);
  head->gzip = magic[0] == 0x1f && magic[1] == 0x8b;
  if (head->gzip) PetscCall(TableFeedGzip(path, bytes, &lines, fault));
  else PetscCall(TableFeedFile(path, bytes, &lines, fault));
  TableLinesFree(&lines);
  if (fault->kind != MERIT_ERROR_NONE) {
    PetscCall(PetscFree(head->line));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!head->line) MeritFaultSet(fault, MERIT_ERROR_INPUT, path, 0, NULL, "the file is empty");
  else if (memchr(head->line, 0, (size_t)head->n))
    MeritFaultSet(fault, MERIT_ERROR_INPUT, path, head->lines, NULL, "NUL byte: this is not a text file");
  else if (memchr(head->line, '\r', (size_t)head->n))
    MeritFaultSet(fault, MERIT_ERROR_INPUT, path, head->lines, NULL,
                  "lines end with a carriage return alone: save the file with line feeds (LF, or CR and LF)");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank 0 reads the beginning, all ranks get the result. Collective. The header line is sent
   as bytes; each rank splits it itself. */
static PetscErrorCode HeadShare(MeritTable t, Head *head)
{
  MeritFault fault = {0};
  int64_t    number[6];

  PetscFunctionBegin;
  if (t->rank == 0) PetscCall(HeadRead(t->path, t->bytes, head, &fault));
  PetscCall(MeritFaultAgree(t->comm, &fault));
  number[0] = head->lines;
  number[1] = head->data;
  number[2] = head->n;
  number[3] = head->gzip;
  number[4] = head->begin;
  number[5] = head->skipped;
  PetscCallMPI(MPI_Bcast(number, 6, MPI_INT64_T, 0, t->comm));
  *head = (Head){number[0], number[1], number[2], number[3], number[4], number[5], head->line};
  if (t->rank) PetscCall(PetscMalloc1(head->n, &head->line));
  PetscCall(IoBroadcast(t->comm, head->n, head->line));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add the name of the next column, from line `line` of the file, or from the caller if line is 0.
   Errors: no name, or one that occurred before. */
static PetscErrorCode AddName(MeritTable t, const char *at, size_t n, int64_t line)
{
  const MeritErrorKind kind  = line ? MERIT_ERROR_INPUT : MERIT_ERROR_USAGE;
  int32_t              count = MeritStringsCount(t->names), code;

  PetscFunctionBegin;
  if (n == 0) PetscCall(MeritRaise(kind, t->path, line, NULL, "column %d has no name", count + 1));
  PetscCall(MeritStringsIntern(t->names, at, n, &code));
  if (code < count)
    PetscCall(MeritRaise(kind, t->path, line, NULL, "columns %d and %d are both called \"%s\"", code + 1, count + 1,
                         MeritStringsGet(t->names, code, NULL)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the columns from the header line */
static PetscErrorCode NamesFromLine(MeritTable t, const Head *head)
{
  TableField    *field;
  TableLineFault fault;
  int            n;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(head->n + 1, &field));
  n = TableLineSplit(head->line, (size_t)head->n, t->delimiter, (int)PetscMin(head->n + 1, INT32_MAX), field, &fault);
  if (fault == TABLE_LINE_UNCLOSED) PetscCall(MeritRaise(MERIT_ERROR_INPUT, t->path, head->lines, NULL, "unclosed quote"));
  if (fault == TABLE_LINE_AFTER_QUOTE)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, t->path, head->lines, NULL, "text after the closing quote of field %d", n));
  for (int c = 0; c < n; c++) PetscCall(AddName(t, field[c].at, field[c].length, head->lines));
  PetscCall(PetscFree(field));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Copy the words for a missing value; number [n_numbers] are the values of those that are
   numbers. first [256]: true for bytes that a word can begin with. */
static PetscErrorCode CopyMissing(TableMissing *to, int n, const char *const word[])
{
  PetscFunctionBegin;
  to->n = n;
  PetscCall(PetscCalloc1(n, &to->word));
  PetscCall(PetscMalloc1(n, &to->length));
  PetscCall(PetscMalloc1(n, &to->number));
  for (int i = 0; i < n; i++) {
    if (TableNumberParse(word[i], strlen(word[i]), &to->number[to->n_numbers]) == TABLE_NUMBER_OK) to->n_numbers++;
    PetscCall(PetscStrallocpy(word[i], &to->word[i]));
    to->length[i]                        = strlen(word[i]);
    to->first[(unsigned char)word[i][0]] = true;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Header and delimiter; with names from the caller every line is data. Then the first line
   is still read, since the delimiter is found from it. Columns are those of the header or
   of the caller. Errors: see MeritTableOpen(). Collective. */
static PetscErrorCode OpenHeader(MeritTable t, int n_header, const char *const header[])
{
  Head head = {0};

  PetscFunctionBegin;
  PetscCall(MeritFileSize(t->comm, t->path, &t->bytes));
  PetscCall(HeadShare(t, &head));
  t->gzip         = head.gzip != 0;
  t->delimiter    = TableDelimiterFind(head.line, (size_t)head.n);
  t->data         = n_header ? head.begin : head.data;
  t->header_lines = n_header ? head.skipped : head.lines;
  if (n_header)
    for (int c = 0; c < n_header; c++) PetscCall(AddName(t, header[c], strlen(header[c]), 0));
  else PetscCall(NamesFromLine(t, &head));
  PetscCall(PetscFree(head.line));
  t->n = MeritStringsCount(t->names);
  PetscCall(PetscMalloc1(t->n, &t->name));
  for (int c = 0; c < t->n; c++) t->name[c] = MeritStringsGet(t->names, c, NULL);
  PetscCall(PetscCalloc1(t->n, &t->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritTableOpen - Open a delimited text file, plain or gzip, and read its header line.

  Collective on comm.

  Input Parameters:
+ comm      - the ranks that will share the rows
. path      - the file; kept for messages as given
. n_header  - number of names in header, 0 if the file has a header line
. header    - names of the columns of a file without header line
. n_missing - number of words that mean missing, beside the empty field
- missing   - these words, compared byte by byte; in number columns one that is a number means its
              value, however it is written

  Output Parameter:
. table - owned by the caller, free with `MeritTableDestroy()`

  Errors: INPUT for an empty or unreadable file, a malformed header line, a column without name or
  two of one name (USAGE when the names are the caller's).
@*/
PetscErrorCode MeritTableOpen(MPI_Comm comm, const char path[], int n_header, const char *const header[], int n_missing, const char *const missing[],
                              MeritTable *table)
{
  MeritTable     t;
  PetscErrorCode code;

  PetscFunctionBegin;
  PetscCall(PetscNew(&t));
  PetscCall(PetscCommDuplicate(comm, &t->comm, NULL)); /* keeps messages apart from the caller's */
  PetscCallMPI(MPI_Comm_rank(comm, &t->rank));
  PetscCallMPI(MPI_Comm_size(comm, &t->size));
  PetscCall(PetscStrallocpy(path, &t->path));
  PetscCall(CopyMissing(&t->missing, n_missing, missing));
  PetscCall(MeritStringsCreate(&t->names));
  code = OpenHeader(t, n_header, header);
  if (code) PetscCall(MeritTableDestroy(&t));
  PetscCall(code);
  *table = t;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableColumns - Names of the columns in the file's order; borrowed. Not collective. */
PetscErrorCode MeritTableColumns(MeritTable t, int *n, const char *const **names)
{
  PetscFunctionBegin;
  *n     = t->n;
  *names = t->name;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableFind - Index of a column by name, or -1. Not collective. */
int MeritTableFind(MeritTable t, const char name[]) { return MeritStringsFind(t->names, name, strlen(name)); }

/* MeritTableSelect - Ask for a column before Read; alike on all ranks. */
PetscErrorCode MeritTableSelect(MeritTable t, int column, MeritColumnKind kind)
{
  PetscFunctionBegin;
  PetscCheck(column >= 0 && column < t->n, t->comm, PETSC_ERR_ARG_OUTOFRANGE, "column %d of %d", column, t->n);
  if (kind == MERIT_COLUMN_WORD) t->column[column].alone = true;
  if (kind != MERIT_COLUMN_NUMBER) t->column[column].text = true;
  else t->column[column].number = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableShare - All text columns get one pool, so that equal texts have equal codes. Before
   Read; alike on all ranks. */
PetscErrorCode MeritTableShare(MeritTable t)
{
  PetscFunctionBegin;
  t->share = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableSetMissingKey - The key of the job file that lists words for a missing value; messages
   name it. Borrowed; alike on all ranks. */
PetscErrorCode MeritTableSetMissingKey(MeritTable t, const char key[])
{
  PetscFunctionBegin;
  t->missing_key = key;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableSetWhole - The file ends with a line end, or it was cut short, an INPUT error of Read.
   Alike on all ranks. */
PetscErrorCode MeritTableSetWhole(MeritTable t)
{
  PetscFunctionBegin;
  t->whole = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableRows - Rows of this rank, and the number of the first one over all ranks; outputs may
   be NULL. Not collective. */
PetscErrorCode MeritTableRows(MeritTable t, int64_t *n_local, int64_t *first)
{
  PetscFunctionBegin;
  if (n_local) *n_local = t->n_local;
  if (first) *first = t->first;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableLine - Line of a local row in the file, 1-based. Not collective. */
int64_t MeritTableLine(MeritTable t, int64_t row)
{
  int64_t low = 0, high = t->n_gap; /* bisection for the last gap at or before the row */

  while (low < high) {
    int64_t middle = (low + high) / 2;

    if (t->gap[middle].row <= row) low = middle + 1;
    else high = middle;
  }
  return t->line_before + row + 1 + (low ? t->gap[low - 1].blanks : 0);
}

/* MeritTableText - Codes of a text column into its pool, -1 missing; borrowed. Not collective. */
PetscErrorCode MeritTableText(MeritTable t, int column, const int32_t **code, MeritStrings *pool)
{
  PetscFunctionBegin;
  PetscCheck(t->column[column].pool, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE, "column not read as text");
  *code = t->column[column].code;
  *pool = t->column[column].pool;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTableNumbers - Values of a number column, NaN missing; borrowed. Not collective. */
PetscErrorCode MeritTableNumbers(MeritTable t, int column, const double **value)
{
  PetscFunctionBegin;
  PetscCheck(t->column[column].value, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE, "column not read as numbers");
  *value = t->column[column].value;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTablePath - The path given to Open; borrowed. Not collective. */
const char *MeritTablePath(MeritTable t) { return t->path; }

/* MeritTableDelimiter - ',', ';', a tab, or ' ' for runs of blanks. Not collective. */
char MeritTableDelimiter(MeritTable t) { return t->delimiter; }

/* MeritTableDestroy - Free a table; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritTableDestroy(MeritTable *table)
{
  MeritTable t = *table;

  PetscFunctionBegin;
  if (!t) PetscFunctionReturn(PETSC_SUCCESS);
  for (int c = 0; t->column && c < t->n; c++) PetscCall(TableColumnReset(t, &t->column[c]));
  for (int i = 0; i < t->missing.n; i++) PetscCall(PetscFree(t->missing.word[i]));
  PetscCall(PetscFree(t->missing.word));
  PetscCall(PetscFree(t->missing.length));
  PetscCall(PetscFree(t->missing.number));
  PetscCall(PetscFree(t->column));
  PetscCall(PetscFree(t->name));
  PetscCall(MeritStringsDestroy(&t->shared));
  PetscCall(MeritStringsDestroy(&t->names));
  PetscCall(PetscFree(t->path));
  free(t->gap);
  PetscCall(PetscCommDestroy(&t->comm));
  PetscCall(PetscFree(*table));
  PetscFunctionReturn(PETSC_SUCCESS);
}
