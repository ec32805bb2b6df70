/*
  merit plan: check every input as solve would (or varcomp), and print what a run would be.

  1. Prepare: all that can be wrong without data, by the functions that the run itself uses.
  2. Full: read the data, print columns, traits, terms, variances and animals; or PlanQuick: headers
     only.
  3. Foresee: memory, and seconds of an iteration and of the run, on the ranks asked for.
  4. Print what was found, then refuse what does not fit, so that the figures are seen in either
     case.
  5. Write the job script that --sbatch asks for.

  No equations are solved.
*/
#include "cli.h"
#include "plan_impl.h"
#include "varcomp_impl.h"
#include <merit/log.h>
#include <merit/memory.h>
#include <merit/op.h>
#include <stdio.h>

/* One plan; its run is `planned`: the model keeps what other numbers of ranks are compared by */
typedef struct {
  MeritRun  run;
  bool      quick;
  int64_t   program; /* bytes a rank had before anything was read */
  MeritPlan plan;
  MeritText text;
} Plan;

/* Does the job give the matrices of all random terms and of all residual classes? */
static bool AllGiven(const MeritFormula *f)
{
  for (int t = 0; t < f->n_terms; t++)
    if (!f->term[t].fixed && !f->term[t].given) return false;
  for (int r = 0; r < f->n_residuals; r++)
    if (!f->residual[r].given) return false;
  return true;
}

/* The model, read as by the command that the job is meant for. A job without variances is one for
   varcomp; so is a job with a section varcomp that leaves some of them open. If all are given after
   all, the model is read again as solve does: what is wrong in `varcomp` has been found by then.
   Collective. Errors: USAGE. */
static PetscErrorCode Model(MeritRun *run)
{
  PetscFunctionBegin;
  run->estimated = MeritNodeFind(run->job, "varcomp") || !MeritNodeFind(run->job, "variances");
  PetscCall(RunModel(run));
  if (run->estimated) PetscCall(VarcompCheck(run->comm, run->model, run->job));
  if (run->estimated && AllGiven(MeritModelFormula(run->model))) {
    PetscCall(MeritModelDestroy(&run->model));
    run->estimated = false;
    PetscCall(RunModel(run));
  }
  if (run->estimated) MeritLog(MERIT_LOG_INFO, "the job leaves variances open: it is planned as a run of `merit varcomp`, which estimates them");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What solve or varcomp would find wrong without data. The memory of the program is taken first,
   before anything is read. Collective. */
static PetscErrorCode Prepare(Plan *p)
{
  PetscFunctionBegin;
  p->program = MeritPeakMemory();
  PetscCall(MeritConfigBool(p->run.job, "quick", &p->quick));
  PetscCall(Model(&p->run));
  PetscCall(RunReport(&p->run));
  PetscCall(MeritPlanCreate(p->run.model, p->run.report, &p->plan));
  PetscCall(MeritPlanSetFromConfig(p->plan, p->run.job));
  PetscCall(RunSolver(&p->run));
  PetscCall(PlanScriptCheck(p->run.comm, p->run.job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Warn of values such as -999 that are frequent and far from all others: a code for missing that
   the job does not name */
static PetscErrorCode WarnOfCodes(Plan *p)
{
  const MeritTraitSummary *traits;

  PetscFunctionBegin;
  PetscCall(MeritReportTraits(p->run.report, &traits));
  for (int t = 0; t < MeritModelFormula(p->run.model)->n_traits; t++)
    for (int k = 0; k < traits[t].n_suspects; k++)
      MeritLog(MERIT_LOG_WARNING,
               "trait %s has the value %g in %lld of %lld observations, far from all others: if it means "
               "missing, list it in records.missing",
               traits[t].name, traits[t].suspect[k].value, (long long)traits[t].suspect[k].n, (long long)traits[t].n);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Point at classes that may have been meant as covariates: levels are whole numbers, and means of
   the trait follow them */
static PetscErrorCode HintAtTrends(Plan *p)
{
  const MeritFormula *formula = MeritModelFormula(p->run.model);
  MeritClassTrend    *trends;
  int                 n;

  PetscFunctionBegin;
  PetscCall(MeritReportClassTrends(p->run.report, &n, &trends));
  for (int i = 0; i < n; i++) {
    const char *column = formula->term[trends[i].term].regressor[0].class_column[0];

    MeritLog(MERIT_LOG_INFO,
             "hint: %s is a class of %lld levels, all whole numbers, and the means of %s follow them (correlation %.2f); if it is a number "
             "whose slope you want, write cov(%s)",
             column, (long long)trends[i].n_levels, formula->trait[trends[i].trait], trends[i].correlation, column);
  }
  PetscCall(PetscFree(trends));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read all data and describe them. Every rank makes the text, as what it needs is collective; rank
   0 prints its own. */
static PetscErrorCode Full(Plan *p)
{
  const MeritFormula *formula = MeritModelFormula(p->run.model);

  PetscFunctionBegin;
  PetscCall(MeritModelSetUp(p->run.model));
  PetscCall(PlanColumns(formula, p->run.job, &p->text));
  PetscCall(PlanTraits(p->run.report, formula, &p->text));
  PetscCall(PlanTerms(p->run.report, formula, &p->text));
  PetscCall(PlanVariances(formula, &p->text));
  PetscCall(PlanAnimals(p->run.model, &p->text));
  PetscCall(PlanExclusions(p->run.report, &p->text));
  PetscCall(WarnOfCodes(p));
  PetscCall(HintAtTrends(p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names come from files: what a terminal would act on is shown escaped */
static void PrintText(const char *at)
{
  char shown[16];

  while (*at) {
    if (*at == '\n') {
      putchar(*at++);
      continue;
    }
    at += MeritPrintableCharacter(at, shown);
    fputs(shown, stdout);
  }
}

/* Print on rank 0 what there is to say; also what was found before a refusal */
static PetscErrorCode Print(Plan *p)
{
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(p->run.comm, &rank));
  if (!rank && p->text.n) PrintText(p->text.at);
  fflush(stdout);
  MeritTextFree(&p->text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ranks and threads, and what the run takes on them. begin: MPI_Wtime() before reading began, so
   that seconds of reading and set-up are known. An estimation needs the operator, since engines ask
   it for sizes. Collective. */
static PetscErrorCode Foresee(Plan *p, double begin, MeritPlanResult *result)
{
  MeritRun    *run     = &p->run;
  const double setup   = MPI_Wtime() - begin;
  MeritVarcomp varcomp = NULL;

  PetscFunctionBegin;
  if (run->estimated) {
    PetscCall(MeritMatCreateMME(run->model, &run->C));
    PetscCall(MeritVarcompCreate(run->comm, &varcomp));
    PetscCall(MeritVarcompSetFromConfig(varcomp, run->model, run->job));
    PetscCall(MeritPlanSetVarcomp(p->plan, varcomp, run->C));
  }
  PetscCall(MeritPlanForesee(p->plan, (double)p->program, setup, result));
  PetscCall(PlanFigures(result, &p->text));
  PetscCall(MeritVarcompDestroy(&varcomp));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCommandPlan - merit plan JOB. Collective. Nothing is written but the script of --sbatch. */
PetscErrorCode MeritCommandPlan(MPI_Comm comm, MeritNode job)
{
  const double    begin  = MPI_Wtime();
  Plan            p      = {.run = {.comm = comm, .job = job, .command = "plan", .planned = true}};
  MeritPlanResult result = {0};

  PetscFunctionBegin;
  PetscCall(Prepare(&p));
  if (p.quick) PetscCall(PlanQuick(&p.run, &p.text));
  else {
    PetscCall(Full(&p));
    PetscCall(Foresee(&p, begin, &result));
  }
  PetscCall(Print(&p));
  if (!p.quick) PetscCall(PlanRefuse(job, &result));
  PetscCall(PlanScript(comm, job, p.run.estimated ? "varcomp" : "solve", &result));
  PetscCall(MeritPlanDestroy(&p.plan));
  PetscCall(RunFree(&p.run));
  PetscFunctionReturn(PETSC_SUCCESS);
}
