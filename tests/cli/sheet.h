#pragma once
/* A small delimited file as a whole, for tests: reference answers and the tables of a run. */
typedef struct {
  int    n_rows, n_columns; /* rows without the header */
  char **cell;              /* [(n_rows + 1) * n_columns], the header first */
  char  *bytes;             /* owned */
} Sheet;

/* Comma or tab, quoted fields. NULL if it cannot be read. */
Sheet      *SheetRead(const char path[]);
int         SheetColumn(const Sheet *s, const char name[]);           /* -1: none */
const char *SheetCell(const Sheet *s, int row, int column);           /* rows from 0 */
int         SheetFind(const Sheet *s, int column, const char text[]); /* first row, -1: none */
void        SheetFree(Sheet **s);
