#pragma once
/* The lines of validation/checks.txt and estimates.txt: which value of a run agrees with which row of a reference file. */
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
  Sheet     *animals, *varcomp, *anova; /* NULL if there is none */
  char       summary[512];              /* path of summary.json */
} RunTables;

/* A folder with copies of the jobs, and the data beside them. 0, or what failed */
int ChecksPrepare(const char jobs[], const char data[], const char folder[]);
/* The tables in FOLDER/NAME.out; rank 0 only */
RunTables ChecksTables(const char folder[], const char name[]);
void      ChecksTablesFree(RunTables *run);
/* Is it the first of the list with its job? */
bool ChecksFirst(const Check checks[], int i);

/* Read the list; the reference files are taken from the folder `data`. n < 0: cannot be read. */
int  ChecksRead(const char path[], const char data[], Check **checks);
void ChecksFree(int n, Check **checks);
/* Compare one run; the largest difference, infinite if a value is missing. The first bad row goes to stderr. */
double CheckRun(Check *check, const RunTables *run, const char what[]);

/* What a program does with the checks, in the folder of the jobs; how many failed, the same on every rank. Collective. */
typedef int (*ChecksAll)(int n, Check *checks, const char folder[]);
/*
  main() of a program that compares runs with references: argv[1] has the jobs and the list, $MERIT_SHARED_DATA the data. Returns the exit status: 0,
  1 if some value differs, 77 (skipped) without the data.
*/
int ChecksMain(int argc, char **argv, const char list[], ChecksAll all);
