#pragma once
#include <merit/error.h>
#include <merit/strings.h>

/*
  Delimited text, read by all ranks in parallel: each parses a range of bytes, extended to whole lines; no rank holds more than its rows.
  Comma, semicolon, tab or blanks (found from the first line), quoted fields ("a,b", "" inside for a quote), CRLF, BOM, a missing last
  newline; blank lines are skipped; gzip (rank 0 inflates and sends parts to the others).
*/
typedef struct _p_MeritTable *MeritTable;

/* Bytes of a line while it is read, for those who foresee memory: its ids; beside that for each column: code or number, line, part of the pool. */
enum { MERIT_LINE_BYTES = 100, MERIT_COLUMN_BYTES = 24 };

/* WORD: text in a pool of its own, also after MeritTableShare */
typedef enum { MERIT_COLUMN_TEXT, MERIT_COLUMN_NUMBER, MERIT_COLUMN_WORD } MeritColumnKind;

/* Open: read the header line. `header` gives n_header names for a file without one (then every line is data). `missing` lists
   words for a missing value, beside the empty field; one that is a number means its value in number columns. Lists are copied. Collective. */
MERIT_EXTERN PetscErrorCode MeritTableOpen(MPI_Comm comm, const char path[], int n_header, const char *const header[], int n_missing,
                                           const char *const missing[], MeritTable *table);
/* Columns of the file in its order; borrowed. Not collective. */
MERIT_EXTERN PetscErrorCode MeritTableColumns(MeritTable table, int *n, const char *const **names);
/* Index of a named column, or -1. */
MERIT_EXTERN int MeritTableFind(MeritTable table, const char name[]);
/* Ask for a column as text, number, or (by two calls) both. Before Read. */
MERIT_EXTERN PetscErrorCode MeritTableSelect(MeritTable table, int column, MeritColumnKind kind);
/* Use one pool for all text columns, as for ids of animals and their parents. Before Read. */
MERIT_EXTERN PetscErrorCode MeritTableShare(MeritTable table);
/* The key of the job file that lists the words for a missing value, for messages. Borrowed. Before Read. */
MERIT_EXTERN PetscErrorCode MeritTableSetMissingKey(MeritTable table, const char key[]);
/* Refuse a file whose last line has no line end: it was cut short. For tables written by programs. Before Read. */
MERIT_EXTERN PetscErrorCode MeritTableSetWhole(MeritTable table);
/* Read the selected columns. Malformed lines (field count, unclosed quote, NUL byte), text that is not a number in a number column (a
   decimal comma is named; inf and nan are refused) are INPUT errors with file, line and column name. Collective. */
MERIT_EXTERN PetscErrorCode MeritTableRead(MeritTable table);
/* Rows of this rank, and the number (from 0 over all ranks) of the first. Not collective. */
MERIT_EXTERN PetscErrorCode MeritTableRows(MeritTable table, int64_t *n_local, int64_t *first);
/* Line of a local row in the file, 1-based. */
MERIT_EXTERN int64_t MeritTableLine(MeritTable table, int64_t row);
/* code[n_local] into the pool, -1 missing; borrowed. */
MERIT_EXTERN PetscErrorCode MeritTableText(MeritTable table, int column, const int32_t **code, MeritStrings *pool);
/* value[n_local], NaN missing; borrowed. */
MERIT_EXTERN PetscErrorCode MeritTableNumbers(MeritTable table, int column, const double **value);
/* Path as given; borrowed. */
MERIT_EXTERN const char *MeritTablePath(MeritTable table);
/* The delimiter found: comma, semicolon, tab or blank. */
MERIT_EXTERN char MeritTableDelimiter(MeritTable table);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritTableDestroy(MeritTable *table);
