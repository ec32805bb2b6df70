#pragma once
/* Parts of merit varcomp. Private to src/cli/varcomp*.c. */
#include "run.h"
#include <merit/expression.h>
#include <merit/varcomp.h>

/* A likelihood-ratio test of leaving a term out */
typedef struct {
  int    term;
  int    df;             /* components of it that are estimated */
  double log_likelihood; /* without it; NaN: did not converge */
} VarcompTest;

typedef struct {
  MeritRun           run;
  MeritVarcomp       varcomp;
  MeritVarcompResult result;
  MeritSolveResult   solved; /* the solutions at the estimates */
  MeritVarianceSummary summary;
  int                n; /* components */
  int                n_functions;
  MeritExpression   *function; /* [n_functions]; owned */
  const char       **name;     /* [n_functions] keys of the job; owned */
  MeritFunctionRow  *row;      /* [n_functions] their values at the estimates; owned */
  int                n_tests;
  VarcompTest       *test;     /* [n_tests]; owned */
  bool               testing;  /* rounds are those of a test */
  char               unsolved[2048]; /* why there are no solutions at the estimates; empty: there are */
} Varcomp;

/* Is what the job says of estimation right, by the model's formula? For plan. Collective. */
PetscErrorCode VarcompCheck(MPI_Comm comm, MeritModel model, MeritNode job);
/* varcomp_show.c: the estimates, their shares in the phenotypic variance and the functions, for people */
PetscErrorCode VarcompShow(const Varcomp *s);
/* varcomp_boundary.c: say which matrices lie at the boundary, and what that means. Not collective. */
PetscErrorCode VarcompBoundary(const Varcomp *s);
/* varcomp_functions.c: functions.* of the job, their values at the estimates, and functions.tsv */
PetscErrorCode VarcompFunctionsParse(Varcomp *s);
PetscErrorCode VarcompFunctionsWrite(Varcomp *s);
PetscErrorCode VarcompFunctionsFree(Varcomp *s);
/* varcomp_tests.c: varcomp.test of the job; runs without the terms; tests.tsv, anova.tsv */
PetscErrorCode VarcompTestsParse(Varcomp *s);
PetscErrorCode VarcompTests(Varcomp *s);
PetscErrorCode VarcompTestsWrite(Varcomp *s);
PetscErrorCode VarcompTestsFree(Varcomp *s);
PetscErrorCode VarcompAnovaWrite(Varcomp *s);
