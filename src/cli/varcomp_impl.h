#pragma once
/* Parts of merit varcomp. Private to src/cli/varcomp*.c. */
#include "solve_impl.h"
#include <merit/expression.h>
#include <merit/varcomp.h>

/* A likelihood-ratio test of leaving a term out */
typedef struct {
  int    term;
  double log_likelihood; /* without it */
} VarcompTest;

typedef struct {
  SolveRun           run;
  MeritVarcomp       varcomp;
  MeritSolver        solver; /* of the solutions at the estimates */
  MeritVarcompResult result;
  MeritSolveResult   solved;
  int                n; /* components */
  int                n_functions;
  MeritExpression   *function; /* [n_functions]; owned */
  const char       **name;     /* [n_functions] keys of the job; owned */
  int                n_tests;
  VarcompTest       *test;     /* [n_tests]; owned */
  bool               testing;  /* rounds are those of a test */
} Varcomp;

/* varcomp_functions.c: functions.* of the job, and functions.tsv */
PetscErrorCode VarcompFunctionsParse(Varcomp *s);
PetscErrorCode VarcompFunctionsWrite(Varcomp *s);
PetscErrorCode VarcompFunctionsFree(Varcomp *s);
/* varcomp_tests.c: varcomp.test of the job; runs without the terms; tests.tsv. anova.tsv */
PetscErrorCode VarcompTestsParse(Varcomp *s);
PetscErrorCode VarcompTests(Varcomp *s);
PetscErrorCode VarcompTestsWrite(Varcomp *s);
PetscErrorCode VarcompTestsFree(Varcomp *s);
PetscErrorCode VarcompAnovaWrite(Varcomp *s);
