#pragma once
/*
  Bad input, case by case: the files of a run, and the one message and exit status it must end with. Every case stands alone; the
  runner writes its files into a fresh folder, where the command line is "merit COMMAND job.yaml FLAGS".
*/
#include <stdbool.h>
#include <stddef.h>

enum { FAULT_SYSTEM = 1, FAULT_USAGE = 2, FAULT_INPUT = 3 }; /* exit status */

/* The files of a run; NULL: the suite's, FAULT_NO_FILE: it is not there */
typedef struct {
  const char *job, *records, *pedigree, *text, *bim, *fam, *frequencies;
  const char *bed;
  size_t      n_bed, n_records, n_text; /* bytes, where the file is not plain text; 0: strlen */
} FaultFiles;

typedef struct {
  const char *what; /* a sentence */
  int         status;
  const char *message; /* the whole of it, without "merit: "; <ranks> stands for their number */
  FaultFiles  in;
  const char *command;    /* NULL: solve, and plan must say the same; else the words before the file */
  const char *flags;      /* words behind the job file, blanks between them */
  bool        solve_only; /* plan has no reason to complain */
  const char *further;    /* what is said behind the message, line by line; NULL: is not looked at */
} FaultCase;

typedef struct {
  const char      *name;
  FaultFiles       base; /* a good run */
  int              n;
  const FaultCase *cases;
} FaultSuite;

extern const char FAULT_NO_FILE[];

#define FAULT_BED(bytes)             .bed = (bytes), .n_bed = sizeof(bytes) - 1
#define FAULT_RECORDS(bytes)         .records = (bytes), .n_records = sizeof(bytes) - 1
#define FAULT_TEXT(bytes)            .text = (bytes), .n_text = sizeof(bytes) - 1
#define FAULT_SUITE(name, list, ...) const FaultSuite name = {#name, {__VA_ARGS__}, (int)(sizeof(list) / sizeof(*(list))), list}

extern const FaultSuite FaultsOfJobs, FaultsOfFormulas, FaultsOfVariances, FaultsOfCommands, FaultsOfRecords, FaultsOfTables, FaultsOfPedigrees,
    FaultsOfPlink, FaultsOfTextGenotypes;
