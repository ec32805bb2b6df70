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
  MeritRun             run;
  MeritVarcomp         varcomp;
  MeritVarcompResult   result;
  MeritSolveResult     solved; /* the solutions at the estimates */
  MeritVarianceSummary summary;
  int                  n; /* components */
  int                  n_functions;
  MeritExpression     *function; /* [n_functions]; owned */
  const char         **name;     /* [n_functions] keys of the job; owned */
  MeritFunctionRow    *row;      /* [n_functions] their values at the estimates; owned */
  int                  n_tests;
  VarcompTest         *test;    /* [n_tests]; owned */
  bool                 testing; /* rounds are those of a test */
  /* Why there are no solutions at the estimates; "": there are some */
  char unsolved[2048];
} Varcomp;

/* Check what the job says of estimation against the model's formula, for plan. Collective. Errors:
   USAGE. */
PetscErrorCode VarcompCheck(MPI_Comm comm, MeritModel model, MeritNode job);
/* varcomp_show.c: print the estimates, their shares in the phenotypic variance and the functions,
   for people. Not collective. */
PetscErrorCode VarcompShow(const Varcomp *s);
/* varcomp_boundary.c: say which matrices lie at the boundary, and what that means. Not
   collective. */
PetscErrorCode VarcompBoundary(const Varcomp *s);
/* varcomp_functions.c: parse functions.* of the job into s->function; none: nothing. No data are
   needed. Logically collective. Errors: USAGE with line and column. */
PetscErrorCode VarcompFunctionsParse(Varcomp *s);
/* Their values at the estimates with standard errors, into s->row and functions.tsv. Collective. */
PetscErrorCode VarcompFunctionsWrite(Varcomp *s);
/* Free function, name and row of s. Not collective. */
PetscErrorCode VarcompFunctionsFree(Varcomp *s);
/* varcomp_tests.c: the terms of varcomp.test into s->test, with the number of components of each
   that are estimated; none: nothing. Logically collective. Errors: USAGE, also for a method without
   likelihood. */
PetscErrorCode VarcompTestsParse(Varcomp *s);
/* Estimate the model without each of these terms, and keep its log-likelihood. s->result is that of
   the last such run. Collective. Errors: USAGE if the engine has no likelihood. */
PetscErrorCode VarcompTests(Varcomp *s);
/* tests.tsv: statistic and p-value of each term, once s->result is that of the whole model.
   Collective. */
PetscErrorCode VarcompTestsWrite(Varcomp *s);
/* Free s->test. Not collective. */
PetscErrorCode VarcompTestsFree(Varcomp *s);
/* anova.tsv: sums of squares and expected mean squares; nothing for other methods. Collective. */
PetscErrorCode VarcompAnovaWrite(Varcomp *s);
