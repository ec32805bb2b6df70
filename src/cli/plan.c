/* merit plan: check every input as solve would (or varcomp), and print what a run would be. */
#include "cli.h"
#include "plan_impl.h"
#include "varcomp_impl.h"
#include <merit/log.h>
#include <merit/memory.h>
#include <merit/op.h>
#include <merit/solver.h>
#include <merit/table.h>
#include <string.h>

typedef struct {
  MPI_Comm    comm;
  MeritNode   job; /* borrowed */
  MeritModel  model;
  MeritReport report;
  bool        quick;
  bool        estimated; /* the job leaves variances open, for varcomp */
  int64_t     ranks;   /* estimate for this many; 0: those of the run */
  int64_t     program; /* bytes a rank had before anything was read */
  MeritText   text;
} Plan;

/* The model as solve reads it; as varcomp does where the job has no variances, or a varcomp section and leaves some open */
static PetscErrorCode Model(Plan *p)
{
  const MeritFormula *formula;

  PetscFunctionBegin;
  p->estimated = MeritNodeFind(p->job, "varcomp") || !MeritNodeFind(p->job, "variances");
  for (bool again = true; again;) {
    PetscCall(MeritModelCreate(p->comm, &p->model));
    if (p->estimated) PetscCall(MeritModelSetEstimated(p->model));
    PetscCall(MeritModelSetPlanned(p->model));
    PetscCall(MeritModelSetFromConfig(p->model, p->job));
    if (!p->estimated) break;
    PetscCall(VarcompCheck(p->comm, p->model, p->job));
    formula = MeritModelFormula(p->model);
    again   = true;
    for (int t = 0; t < formula->n_terms; t++) again = again && (formula->term[t].fixed || formula->term[t].given);
    for (int r = 0; r < formula->n_residuals; r++) again = again && formula->residual[r].given;
    if (!again) break;
    PetscCall(MeritModelDestroy(&p->model));
    p->estimated = false;
  }
  if (p->estimated) MeritLog(MERIT_LOG_INFO, "the job leaves variances open: it is planned as a run of `merit varcomp`, which estimates them");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What solve or varcomp would find wrong without data */
static PetscErrorCode Prepare(Plan *p)
{
  MeritSolver solver;

  PetscFunctionBegin;
  p->program = MeritPeakMemory();
  PetscCall(MeritConfigBool(p->job, "quick", &p->quick));
  PetscCall(MeritConfigInt(p->job, "ranks", 1, 10000000, &p->ranks));
  PetscCall(Model(p));
  PetscCall(MeritReportCreate(p->model, &p->report));
  PetscCall(MeritReportSetFromConfig(p->report, p->job));
  PetscCall(MeritSolverCreate(p->comm, &solver));
  PetscCall(MeritSolverSetFromConfig(solver, p->job));
  if (!MeritNodeFind(p->job, "genotypes.grid")) PetscCall(MeritSolverChooseGrid(solver, p->model));
  PetscCall(MeritSolverTryOptions(solver));
  PetscCall(MeritSolverDestroy(&solver));
  PetscCall(MeritOptionsCheck(p->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Warn of values that look like a code for missing */
static PetscErrorCode WarnOfCodes(Plan *p)
{
  const MeritTraitSummary *traits;

  PetscFunctionBegin;
  PetscCall(MeritReportTraits(p->report, &traits));
  for (int t = 0; t < MeritModelFormula(p->model)->n_traits; t++)
    for (int k = 0; k < traits[t].n_suspects; k++)
      MeritLog(MERIT_LOG_WARNING,
               "trait %s has the value %g in %lld of %lld observations, far from all others: if it means "
               "missing, list it in records.missing",
               traits[t].name, traits[t].suspect[k].value, (long long)traits[t].suspect[k].n,
               (long long)traits[t].n);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Point at classes that may have been meant as covariates */
static PetscErrorCode HintAtTrends(Plan *p)
{
  const MeritFormula *formula = MeritModelFormula(p->model);
  MeritClassTrend    *trends;
  int                 n;

  PetscFunctionBegin;
  PetscCall(MeritReportClassTrends(p->report, &n, &trends));
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

static PetscErrorCode Full(Plan *p)
{
  const MeritFormula *formula = MeritModelFormula(p->model);

  PetscFunctionBegin;
  PetscCall(MeritModelSetUp(p->model));
  PetscCall(PlanColumns(formula, p->job, &p->text));
  PetscCall(PlanTraits(p->report, formula, &p->text));
  PetscCall(PlanTerms(p->report, formula, &p->text));
  PetscCall(PlanVariances(formula, &p->text));
  PetscCall(PlanAnimals(p->model, &p->text));
  PetscCall(PlanExclusions(p->report, &p->text));
  PetscCall(WarnOfCodes(p));
  PetscCall(HintAtTrends(p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A column some term or trait needs must be in the header */
static PetscErrorCode Need(MeritModel model, MeritTable table, const char name[])
{
  PetscFunctionBegin;
  if (MeritTableFind(table, name) < 0) PetscCall(MeritModelUnknownColumn(model, table, name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode NeedAll(MeritModel model, MeritTable table)
{
  const MeritFormula *formula = MeritModelFormula(model);

  PetscFunctionBegin;
  for (int t = 0; t < formula->n_traits; t++) PetscCall(Need(model, table, formula->trait[t]));
  for (int t = 0; t < formula->n_terms; t++)
    for (int g = 0; g < formula->term[t].n_regressors; g++) {
      const MeritRegressorSpec *r = &formula->term[t].regressor[g];

      for (int c = 0; c < r->n_class; c++) PetscCall(Need(model, table, r->class_column[c]));
      if (r->column) PetscCall(Need(model, table, r->column));
    }
  if (formula->residual_by) PetscCall(Need(model, table, formula->residual_by));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Open the records for their header line alone */
static PetscErrorCode Header(Plan *p)
{
  MeritNode   header = MeritNodeFind(p->job, "records.header");
  MeritTable  table  = NULL;
  const char *names[1024];
  char       *path = NULL;
  int         n    = 0;

  PetscFunctionBegin;
  for (; header && header->kind == MERIT_NODE_LIST && n < header->n && n < 1024; n++)
    names[n] = header->child[n]->text ? header->child[n]->text : "";
  PetscCall(MeritConfigPath(p->job, "records.file", &path));
  PetscCall(MeritTableOpen(p->comm, path, n, names, 0, NULL, &table));
  PetscCall(NeedAll(p->model, table));
  PetscCall(MeritTableDestroy(&table));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Size(Plan *p, const char key[], const char path[])
{
  int64_t bytes;
  char    size[32];

  PetscFunctionBegin;
  PetscCall(MeritFileSize(p->comm, path, &bytes));
  MeritBytesText((double)bytes, sizeof(size), size);
  PetscCall(MeritTextAdd(&p->text, "  %-24s %14s  %s\n", key, size, path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sizes of all input files, all of which must be there */
static PetscErrorCode Sizes(Plan *p)
{
  static const char *const keys[]   = {"records.file", "pedigree.file", "genotypes.text"};
  static const char *const plink[3] = {".bed", ".bim", ".fam"};
  char                    *path     = NULL, full[PETSC_MAX_PATH_LEN];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(&p->text, "\nfiles\n"));
  for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
    PetscCall(MeritConfigPath(p->job, keys[k], &path));
    if (path) PetscCall(Size(p, keys[k], path));
    PetscCall(PetscFree(path));
  }
  PetscCall(MeritConfigPath(p->job, "genotypes.bfile", &path));
  for (int k = 0; k < 3 && path; k++) {
    snprintf(full, sizeof(full), "%s%s", path, plink[k]);
    PetscCall(Size(p, "genotypes.bfile", full));
  }
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Quick(Plan *p)
{
  PetscFunctionBegin;
  PetscCall(Header(p));
  PetscCall(PlanColumns(MeritModelFormula(p->model), p->job, &p->text));
  PetscCall(PlanVariances(MeritModelFormula(p->model), &p->text));
  PetscCall(Sizes(p));
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
  PetscCallMPI(MPI_Comm_rank(p->comm, &rank));
  if (!rank && p->text.n) PrintText(p->text.at);
  fflush(stdout);
  MeritTextFree(&p->text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Whoever would estimate the variances, and the equations */
static PetscErrorCode Estimator(Plan *p, PlanRun *run)
{
  PetscFunctionBegin;
  if (!p->estimated) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMatCreateMME(p->model, &run->C));
  PetscCall(MeritVarcompCreate(p->comm, &run->varcomp));
  PetscCall(MeritVarcompSetFromConfig(run->varcomp, p->model, p->job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ranks and threads, and what the run takes on them */
static PetscErrorCode Foresee(Plan *p, double begin, PlanShape *shape, PlanNeed *need)
{
  PlanRun run = {.comm = p->comm, .job = p->job, .report = p->report, .genotypes = MeritModelGenotypes(p->model) != NULL, .program = p->program};
  MeritVarcompPlan plan;
  double  room;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &run.program, 1, MPI_INT64_T, MPI_MAX, p->comm));
  begin = MPI_Wtime() - begin;
  PetscCall(Estimator(p, &run));
  PetscCall(PlanChooseShape(&run, (int)p->ranks, shape));
  PetscCall(PlanMemory(p->comm, p->report, shape->ranks, p->program, &p->text, need));
  if (run.varcomp) {
    PetscCall(PlanRoom(p->job, shape, need, &room));
    PetscCall(MeritVarcompForesee(run.varcomp, run.C, shape->ranks, shape->threads, room, &plan));
    PetscCall(PlanEstimation(&plan, &p->text, need));
  }
  PetscCall(PlanCost(p->comm, p->job, p->report, shape, begin, &p->text, need));
  PetscCall(MeritVarcompDestroy(&run.varcomp));
  PetscCall(MatDestroy(&run.C));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCommandPlan - merit plan JOB. Collective. Nothing is written. */
PetscErrorCode MeritCommandPlan(MPI_Comm comm, MeritNode job)
{
  Plan         p     = {.comm = comm, .job = job};
  PlanNeed     need  = {.available = -1};
  PlanShape    shape = {0};
  const double begin = MPI_Wtime();

  PetscFunctionBegin;
  PetscCall(Prepare(&p));
  PetscCall(PlanScriptCheck(comm, job));
  if (p.quick) {
    PetscCall(Quick(&p));
  } else {
    PetscCall(Full(&p));
    PetscCall(Foresee(&p, begin, &shape, &need));
  }
  PetscCall(Print(&p));
  PetscCall(PlanRefuse(job, &need));
  PetscCall(PlanScript(comm, job, p.estimated ? "varcomp" : "solve", &shape, &need));
  PetscCall(MeritReportDestroy(&p.report));
  PetscCall(MeritModelDestroy(&p.model));
  PetscFunctionReturn(PETSC_SUCCESS);
}
