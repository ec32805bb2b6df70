/*
  summary.json: what was run, on what, how it went, and what it wrote.

  The tree is built on every rank, since its parts need reductions; rank 0 prints it. The file is
  the mark of a complete result and is staged last. Parts that `merit predict` has as well are in
  summary_parts.c.
*/
#include "report_impl.h"
#include "summary_impl.h"
#include <merit/version.h>
#include <math.h>
#include <string.h>

/* Every input file of the job, with size and checksum. Collective. */
static PetscErrorCode AddInputs(MeritReport report, cJSON *root, MeritNode job)
{
  static const char *const keys[] = {"records.file", "pedigree.file"};
  cJSON                   *list   = cJSON_AddArrayToObject(root, "inputs");
  SummaryList              files  = {report->comm, list};
  char                    *path   = NULL;
  const char              *centre = NULL;

  PetscFunctionBegin;
  for (size_t k = 0; k < PETSC_STATIC_ARRAY_LENGTH(keys); k++) {
    PetscCall(MeritConfigPath(job, keys[k], &path));
    if (path) PetscCall(SummaryInput(report->comm, list, keys[k], path));
    PetscCall(PetscFree(path));
  }
  PetscCall(MeritGenotypesEachFile(job, SummaryGenotypes, &files));
  if (report->start) PetscCall(SummaryInput(report->comm, list, "solver.start", report->start));
  PetscCall(MeritConfigString(job, "genotypes.centre", &centre));
  /* genotypes.centre may name a file of frequencies */
  if (centre && strcmp(centre, "observed") && strcmp(centre, "none")) {
    PetscCall(MeritConfigPath(job, "genotypes.centre", &path));
    PetscCall(SummaryInput(report->comm, list, "genotypes.centre", path));
    PetscCall(PetscFree(path));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Summary of each trait. Collective. */
static PetscErrorCode AddTraits(MeritReport report, cJSON *root)
{
  cJSON                   *list = cJSON_AddArrayToObject(root, "traits");
  const MeritTraitSummary *traits;

  PetscFunctionBegin;
  PetscCall(MeritReportTraits(report, &traits));
  for (int t = 0; t < report->formula->n_traits; t++) {
    cJSON *item = SummaryObject(list, NULL);

    cJSON_AddStringToObject(item, "name", traits[t].name);
    cJSON_AddNumberToObject(item, "n", (double)traits[t].n);
    cJSON_AddNumberToObject(item, "n_missing", (double)traits[t].n_missing);
    SummaryReal(item, "mean", traits[t].mean);
    SummaryReal(item, "sd", traits[t].sd);
    SummaryReal(item, "min", traits[t].min);
    SummaryReal(item, "max", traits[t].max);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Each term: label, kind, levels, components, equations. Collective. */
static PetscErrorCode AddTerms(MeritReport report, cJSON *root)
{
  cJSON                  *list = cJSON_AddArrayToObject(root, "terms");
  const MeritTermSummary *terms;
  double                  equations = 0;

  PetscFunctionBegin;
  PetscCall(MeritReportTerms(report, &terms));
  for (int t = 0; t < report->formula->n_terms; t++) {
    const MeritTermSpec *spec = &report->formula->term[t];
    cJSON               *item = SummaryObject(list, NULL), *components;

    cJSON_AddStringToObject(item, "label", spec->label);
    cJSON_AddStringToObject(item, "text", spec->text);
    cJSON_AddStringToObject(item, "kind", MeritStructureWord(spec->kind));
    cJSON_AddNumberToObject(item, "levels", (double)terms[t].n_levels);
    components = cJSON_AddArrayToObject(item, "components");
    for (int c = 0; c < spec->n_components; c++) {
      char *name;

      PetscCall(MeritFormulaComponentName(report->formula, t, c, &name));
      cJSON_AddItemToArray(components, cJSON_CreateString(name));
      PetscCall(PetscFree(name));
    }
    cJSON_AddNumberToObject(item, "equations", (double)terms[t].equations);
    cJSON_AddNumberToObject(item, "aliased", (double)terms[t].aliased);
    equations += (double)terms[t].equations;
  }
  cJSON_AddNumberToObject(root, "equations", equations);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The grid of ranks, and sizes and scale of the genotypes: sum_2pq is the sum of 2 p (1 - p)
   over the SNPs in use, mean_diagonal that of M M' without scaling. Not collective. */
static PetscErrorCode AddGenotypes(MeritReport report, cJSON *root)
{
  MeritGenotypes geno = MeritModelGenotypes(report->model);
  cJSON         *grid = cJSON_AddObjectToObject(root, "grid"), *item;
  int            rows = report->size, cols = 1;
  int64_t        n_animals;
  int32_t        n_snps, n_used;
  const double  *scale;
  double         sum_2pq, diagonal;

  PetscFunctionBegin;
  if (geno) rows = MeritGenotypesTile(geno)->grid_rows;
  if (geno) cols = MeritGenotypesTile(geno)->grid_cols;
  cJSON_AddNumberToObject(grid, "rows", rows);
  cJSON_AddNumberToObject(grid, "columns", cols);
  if (!geno) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  PetscCall(MeritGenotypesScaling(geno, &scale, &sum_2pq, &diagonal));
  item = cJSON_AddObjectToObject(root, "genotypes");
  cJSON_AddNumberToObject(item, "animals", (double)n_animals);
  cJSON_AddNumberToObject(item, "snps", n_snps);
  cJSON_AddNumberToObject(item, "used", n_used);
  SummaryReal(item, "sum_2pq", sum_2pq);
  SummaryReal(item, "mean_diagonal", diagonal);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Solver, criterion and result of a solve */
static void AddRun(cJSON *root, const MeritRunSummary *run)
{
  cJSON *item = cJSON_AddObjectToObject(root, "solve");

  cJSON_AddStringToObject(item, "solver", run->solver);
  cJSON_AddStringToObject(item, "preconditioner", run->preconditioner);
  cJSON_AddStringToObject(item, "criterion", run->criterion);
  SummaryReal(item, "rtol", run->rtol);
  cJSON_AddNumberToObject(item, "iterations", (double)run->iterations);
  SummaryReal(item, "true_residual", run->true_residual);
  SummaryReal(item, "lambda_min", run->lambda_min);
  SummaryReal(item, "lambda_max", run->lambda_max);
  SummaryReal(item, "error_bound", run->error_bound);
  cJSON_AddStringToObject(item, "state", run->state);
}

/* Result of an estimation. The likelihood has all constants, as that of lme4; the "kernel"
   leaves out -n/2 log(2 pi), as that of ASReml (n less the rank of X for restricted
   likelihood). AIC = -2 log L + 2 (number of parameters). */
static void AddVariances(cJSON *root, const MeritVarianceSummary *v)
{
  cJSON       *item = cJSON_AddObjectToObject(root, "varcomp");
  const double n    = (double)(v->n_observations - (v->restricted ? v->n_fixed : 0));

  cJSON_AddStringToObject(item, "method", v->method);
  cJSON_AddStringToObject(item, "engine", v->engine);
  cJSON_AddStringToObject(item, "stop", v->stop);
  cJSON_AddNumberToObject(item, "rounds", (double)v->rounds);
  cJSON_AddNumberToObject(item, "n_observations", (double)v->n_observations);
  cJSON_AddNumberToObject(item, "n_fixed", (double)v->n_fixed);
  cJSON_AddNumberToObject(item, "n_components", v->n_free);
  cJSON_AddNumberToObject(item, "n_samples", v->n_samples);
  SummaryReal(item, "gradient", v->gradient);
  SummaryReal(item, "log_likelihood", v->log_likelihood);
  /* log L with all constants + n/2 log(2 pi) */
  SummaryReal(item, "log_likelihood_kernel", v->log_likelihood + 0.5 * n * log(2.0 * PETSC_PI));
  SummaryReal(item, "minus2_log_likelihood", -2.0 * v->log_likelihood);
  /* fixed effects count as parameters only where the likelihood is not restricted */
  SummaryReal(item, "aic", -2.0 * v->log_likelihood + 2.0 * (v->n_free + (v->restricted ? 0.0 : (double)v->n_fixed)));
}

/* Distribution of the equations: owned, ghosts (owned by other ranks and used here), and
   neighbours (ranks that own these ghosts); least and most over ranks. Collective. */
static PetscErrorCode AddLayout(MeritReport report, cJSON *root)
{
  static const char *const title[] = {"owned", "ghosts", "neighbours"};
  const PetscMPIInt       *ranks;
  PetscInt                 n_ghosts, n_neighbours;
  int32_t                  n_owned;
  int64_t                  count[6];
  cJSON                   *item = cJSON_AddObjectToObject(root, "layout");

  PetscFunctionBegin;
  n_owned = MeritModelLayout(report->model)->n_owned;
  PetscCall(PetscSFGetGraph(MeritModelHalo(report->model), NULL, &n_ghosts, NULL, NULL));
  PetscCall(PetscSFGetRootRanks(MeritModelHalo(report->model), &n_neighbours, &ranks, NULL, NULL, NULL));
  count[0] = n_owned;
  count[1] = n_ghosts;
  count[2] = n_neighbours;
  /* the least is found as the largest of the negative, in the same reduction */
  for (int i = 0; i < 3; i++) count[3 + i] = -count[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 6, MPI_INT64_T, MPI_MAX, report->comm));
  for (int i = 0; i < 3; i++) {
    cJSON *span = cJSON_AddObjectToObject(item, title[i]);

    cJSON_AddNumberToObject(span, "min", (double)-count[3 + i]);
    cJSON_AddNumberToObject(span, "max", (double)count[i]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Counts of exclusions by reason. Collective. */
static PetscErrorCode AddExclusions(MeritReport report, cJSON *root)
{
  cJSON                     *list = cJSON_AddArrayToObject(root, "excluded");
  const MeritExclusionCount *counts;
  int                        n;

  PetscFunctionBegin;
  PetscCall(MeritReportExclusionCounts(report, &n, &counts));
  for (int i = 0; i < n; i++) {
    cJSON *item = SummaryObject(list, NULL);

    cJSON_AddStringToObject(item, "kind", counts[i].kind);
    cJSON_AddStringToObject(item, "reason", counts[i].reason);
    cJSON_AddNumberToObject(item, "n", (double)counts[i].n);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportSummary - Write summary.json: the effective job, inputs, model, run, seconds, memory,
  exclusions, warnings and files.

  Collective. To be called after every other file is staged, since it lists them with bytes and
  CRC-32. Numbers that do not exist are null. docs/file-formats.md describes the keys.
*/
PetscErrorCode MeritReportSummary(MeritReport report, MeritOutput out, MeritNode job, const MeritRunSummary *run)
{
  cJSON *root = cJSON_CreateObject();

  PetscFunctionBegin;
  /* the order of the keys is that of the file */
  cJSON_AddStringToObject(root, "version", MERIT_VERSION);
  cJSON_AddStringToObject(root, "command", run->command);
  cJSON_AddItemToObject(root, "job", SummaryTree(job));
  PetscCall(AddInputs(report, root, job));
  cJSON_AddNumberToObject(root, "ranks", report->size);
  cJSON_AddNumberToObject(root, "threads", run->threads);
  PetscCall(AddGenotypes(report, root));
  PetscCall(AddTraits(report, root));
  PetscCall(AddTerms(report, root));
  if (run->variances) AddVariances(root, run->variances);
  if (run->solver) AddRun(root, run);
  PetscCall(SummaryPhases(report->comm, root));
  PetscCall(SummaryMemory(report->comm, root));
  PetscCall(AddLayout(report, root));
  PetscCall(AddExclusions(report, root));
  SummaryWarnings(root);
  SummaryFiles(root, out);
  cJSON_AddNumberToObject(root, "exit", run->exit_status);
  PetscCall(SummaryWrite(report->comm, out, root));
  cJSON_Delete(root);
  PetscFunctionReturn(PETSC_SUCCESS);
}
