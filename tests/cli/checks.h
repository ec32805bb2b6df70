#pragma once
/* The lines of validation/checks.txt: which value of a run agrees with which row of a reference file. */
#include "sheet.h"
#include "small.h"

typedef struct {
  char  *job, *file, *filter, *column, *expression; /* borrowed from text */
  double tolerance;
  char  *text;  /* the line; owned */
  Sheet *sheet; /* the reference, owned */
  double worst; /* largest difference seen */
  int    n;     /* rows compared in one run */
} Check;

/* The tables of one run */
typedef struct {
  SmallTable solutions;
  Sheet     *animals; /* NULL if there is none */
} RunTables;

/* Read the list; the reference files are taken from the folder `data`. n < 0: cannot be read. */
int  ChecksRead(const char path[], const char data[], Check **checks);
void ChecksFree(int n, Check **checks);
/* Compare one run; the largest difference, infinite if a value is missing. The first bad row goes to stderr. */
double CheckRun(Check *check, const RunTables *run, const char what[]);
