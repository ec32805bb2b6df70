#pragma once
#include <merit/table.h>

/* ---- one line: pure functions over a buffer, not collective ---- */

/* A field of a line */
typedef struct {
  const char *at; /* borrowed, in the buffer of the line */
  size_t      length;
} TableField;

/* What is wrong with a line: a quote that is not closed, text behind a closing quote */
typedef enum { TABLE_LINE_OK, TABLE_LINE_UNCLOSED, TABLE_LINE_AFTER_QUOTE } TableLineFault;

/* Delimiter of a first line: tab, else semicolon, else comma (outside quotes), else ' ' for runs of
   blanks. */
PETSC_INTERN char TableDelimiterFind(const char line[], size_t n);
/*
  Fields of a line (without its line end). Returns how many there are; the first `room` are stored.
  Quotes are taken off inside the buffer, so the line is changed. On a fault the number of the field
  concerned (1-based) is returned.
*/
PETSC_INTERN int TableLineSplit(char line[], size_t n, char delimiter, int room, TableField field[], TableLineFault *fault);
/* Does a line hold only blanks? A tab is not a blank if it is the delimiter. Not
   collective. */
PETSC_INTERN bool TableLineBlank(const char line[], size_t n, char delimiter);

/* ---- one number ---- */

/* What is wrong with a number: not one at all, a decimal comma, too large */
typedef enum { TABLE_NUMBER_OK, TABLE_NUMBER_NOT, TABLE_NUMBER_COMMA, TABLE_NUMBER_LARGE } TableNumberFault;

/* *value = a decimal number, correctly rounded; no blanks, hexadecimal, inf or nan. */
PETSC_INTERN TableNumberFault TableNumberParse(const char at[], size_t n, double *value);

/* Is a word one that some people use for a missing value: "*", "000", "Unknown"? */
PETSC_INTERN bool TableNoValue(const char word[], size_t n);

/* ---- lines from pieces of text, not collective ---- */

/* Called for each line, without its line end; *done = true stops. It may change the line; an
   overlong one is cut off. */
typedef PetscErrorCode (*TableLineDo)(void *context, char line[], size_t n, bool overlong, bool *done);

/*
  Cuts pieces of text, given one after another, into lines; what a piece leaves unfinished is
  carried over. A line belongs to the range [first, stop) that holds the newline before it, so a
  range that is not at the beginning skips to its first newline.
*/
typedef struct {
  TableLineDo action;
  void       *context;
  int64_t     at;       /* offset of the next byte to be fed */
  int64_t     stop;     /* stop after the line whose newline is at this offset or later */
  int64_t     next;     /* offset behind the current line */
  bool        skipping; /* true until the first newline */
  bool        done;
  bool        overlong; /* the current line is longer than what is stored of a line */
  char       *carry;    /* beginning of an unfinished line; owned */
  size_t      carried, room;
} TableLines;

/* Cut n further bytes, which may be changed, into lines. Errors: PETSC_ERR_MEM, those of the
   action. */
PETSC_INTERN PetscErrorCode TableLinesFeed(TableLines *lines, char *piece, size_t n);
/* The text ends: a last line without newline is done too. */
PETSC_INTERN PetscErrorCode TableLinesEnd(TableLines *lines);
/* Free the buffer of the unfinished line. Not collective. */
PETSC_INTERN void TableLinesFree(TableLines *lines);

/* ---- bytes of a file ---- */

/* Bytes of the pieces in which files are read and dealt out: at most 4 MiB. Not collective. */
PETSC_INTERN int64_t TablePieceSize(void);
/* Feed the lines from a plain file, from lines->at on until done or its end. Not collective. */
PETSC_INTERN PetscErrorCode TableFeedFile(const char path[], int64_t bytes, TableLines *lines, MeritFault *fault);
/* Feed the lines from a gzip file on this rank until done or its end. Not collective. */
PETSC_INTERN PetscErrorCode TableFeedGzip(const char path[], int64_t bytes, TableLines *lines, MeritFault *fault);
/* Rank 0 inflates a gzip file, skips `skip` bytes of text, and sends each rank a contiguous part of
   whole lines, in rank order. Collective. */
PETSC_INTERN PetscErrorCode TableDealGzip(MPI_Comm comm, const char path[], int64_t bytes, int64_t skip, TableLines *lines, MeritFault *fault);

/* ---- the table ---- */

/* A column of the table */
typedef struct {
  bool         text, number; /* selected as */
  bool         alone;        /* has a pool of its own in any case */
  MeritStrings pool;         /* owned unless it is the table's shared one */
  int32_t     *code;         /* [n_local] */
  double      *value;        /* [n_local] */
} TableColumn;

/* Words for a missing value, beside the empty field; arrays are owned */
typedef struct {
  int     n;
  char  **word;
  size_t *length;
  bool    first[256]; /* first bytes of the words: most fields need no further comparison */
  int     n_numbers;
  double *number; /* [n_numbers] values of the words that are numbers */
} TableMissing;

/* Blank lines: `blanks` of them precede row `row` and all later rows */
typedef struct {
  int64_t row, blanks;
} TableGap;

/* A table: header, selection, and the rows of this rank */
struct _p_MeritTable {
  MPI_Comm     comm;
  PetscMPIInt  rank, size;
  char        *path;
  int64_t      bytes; /* of the file */
  bool         gzip;
  int64_t      data;         /* offset of the first byte behind the header in the (inflated) text */
  int64_t      header_lines; /* lines before that */
  char         delimiter;
  int          n;     /* columns */
  MeritStrings names; /* code = column */
  const char **name;  /* [n], borrowed from names; the array is owned */
  TableMissing missing;
  const char  *missing_key; /* of the job file, for messages; borrowed, NULL: none */
  bool         whole;       /* the last line must have its end */
  TableColumn *column;      /* [n] */
  MeritStrings shared;      /* of all text columns, NULL: each has its own; owned */
  bool         share;
  int64_t      n_local, first, line_before; /* rows here; number of the first; lines before this rank's */
  TableGap    *gap;                         /* [n_gap], ascending; owned */
  int64_t      n_gap;
};

/* Free codes, values and the pool of a column, unless the pool is the shared one. Not
   collective. */
PETSC_INTERN PetscErrorCode TableColumnReset(MeritTable t, TableColumn *column);
