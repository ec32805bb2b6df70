/* summary.json: what was run, on what, how it went, and what it wrote. */
#include "report_impl.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <merit/log.h>
#include <merit/version.h>
#include <string.h>

static cJSON *AddObject(cJSON *to, const char name[])
{
  cJSON *item = cJSON_CreateObject();

  if (to && cJSON_IsArray(to))
    cJSON_AddItemToArray(to, item);
  else
    cJSON_AddItemToObject(to, name, item);
  return item;
}

/* Numbers that JSON does not have become null */
static void AddReal(cJSON *to, const char name[], double value)
{
  if (isfinite(value))
    cJSON_AddNumberToObject(to, name, value);
  else
    cJSON_AddNullToObject(to, name);
}

/* The job as a tree of strings, numbers, lists and maps */
static cJSON *Tree(MeritNode node)
{
  cJSON *item;
  double value;

  switch (node->kind) {
  case MERIT_NODE_SCALAR:
    return MeritNodeReal(node, &value) && isfinite(value) ? cJSON_CreateNumber(value)
                                                          : cJSON_CreateString(node->text);
  case MERIT_NODE_LIST:
    item = cJSON_CreateArray();
    for (int32_t i = 0; i < node->n; i++) cJSON_AddItemToArray(item, Tree(node->child[i]));
    return item;
  case MERIT_NODE_MAP:
    item = cJSON_CreateObject();
    for (int32_t i = 0; i < node->n; i++) cJSON_AddItemToObject(item, node->key[i], Tree(node->child[i]));
    return item;
  default:
    return cJSON_CreateNull();
  }
}

static PetscErrorCode AddInput(MeritReport report, cJSON *list, const char key[], const char path[])
{
  char     hex[16];
  int64_t  bytes;
  uint32_t crc;
  cJSON   *item;

  PetscFunctionBegin;
  PetscCall(MeritFileSize(report->comm, path, &bytes));
  PetscCall(MeritFileHash(report->comm, path, &crc));
  snprintf(hex, sizeof(hex), "%08x", (unsigned)crc);
  item = AddObject(list, NULL);
  cJSON_AddStringToObject(item, "key", key);
  cJSON_AddStringToObject(item, "file", path);
  cJSON_AddNumberToObject(item, "bytes", (double)bytes);
  cJSON_AddStringToObject(item, "crc32", hex);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every input file the job names, with its size and checksum */
static PetscErrorCode AddInputs(MeritReport report, cJSON *root, MeritNode job)
{
  static const char *const keys[]   = {"records.file", "pedigree.file", "genotypes.text"};
  static const char *const plink[3] = {".bed", ".bim", ".fam"};
  cJSON                   *list     = cJSON_AddArrayToObject(root, "inputs");
  char                    *path     = NULL, full[PETSC_MAX_PATH_LEN];
  const char              *centre   = NULL;

  PetscFunctionBegin;
  for (size_t k = 0; k < PETSC_STATIC_ARRAY_LENGTH(keys); k++) {
    PetscCall(MeritConfigPath(job, keys[k], &path));
    if (path) PetscCall(AddInput(report, list, keys[k], path));
    PetscCall(PetscFree(path));
  }
  if (report->start) PetscCall(AddInput(report, list, "solver.start", report->start));
  PetscCall(MeritConfigString(job, "genotypes.centre", &centre));
  if (centre && strcmp(centre, "observed") && strcmp(centre, "none")) {
    PetscCall(MeritConfigPath(job, "genotypes.centre", &path));
    PetscCall(AddInput(report, list, "genotypes.centre", path));
    PetscCall(PetscFree(path));
  }
  PetscCall(MeritConfigPath(job, "genotypes.bfile", &path));
  for (int k = 0; k < 3 && path; k++) {
    snprintf(full, sizeof(full), "%s%s", path, plink[k]);
    PetscCall(AddInput(report, list, "genotypes.bfile", full));
  }
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode AddTraits(MeritReport report, cJSON *root)
{
  cJSON                   *list = cJSON_AddArrayToObject(root, "traits");
  const MeritTraitSummary *traits;

  PetscFunctionBegin;
  PetscCall(MeritReportTraits(report, &traits));
  for (int t = 0; t < report->formula->n_traits; t++) {
    cJSON *item = AddObject(list, NULL);

    cJSON_AddStringToObject(item, "name", traits[t].name);
    cJSON_AddNumberToObject(item, "n", (double)traits[t].n);
    cJSON_AddNumberToObject(item, "n_missing", (double)traits[t].n_missing);
    AddReal(item, "mean", traits[t].mean);
    AddReal(item, "sd", traits[t].sd);
    AddReal(item, "min", traits[t].min);
    AddReal(item, "max", traits[t].max);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static const char *const kind_names[] = {"fixed", "iid", "ped", "snp", "ridge"};

static PetscErrorCode AddTerms(MeritReport report, cJSON *root)
{
  cJSON                  *list = cJSON_AddArrayToObject(root, "terms");
  const MeritTermSummary *terms;
  double                  equations = 0;

  PetscFunctionBegin;
  PetscCall(MeritReportTerms(report, &terms));
  for (int t = 0; t < report->formula->n_terms; t++) {
    const MeritTermSpec *spec = &report->formula->term[t];
    cJSON               *item = AddObject(list, NULL), *components;

    cJSON_AddStringToObject(item, "label", spec->label);
    cJSON_AddStringToObject(item, "text", spec->text);
    cJSON_AddStringToObject(item, "kind", kind_names[spec->kind]);
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

static PetscErrorCode AddGenotypes(MeritReport report, cJSON *root)
{
  MeritGenotypes geno = MeritModelGenotypes(report->model);
  cJSON         *grid = cJSON_AddObjectToObject(root, "grid"), *item;
  int            rows = report->size, cols = 1;
  int64_t        row_first, n_rows, n_animals;
  int32_t        col_first, n_cols, n_snps, n_used;
  const double  *scale;
  double         sum_2pq, diagonal;

  PetscFunctionBegin;
  if (geno) PetscCall(MeritGenotypesTile(geno, &rows, &cols, &row_first, &n_rows, &col_first, &n_cols));
  cJSON_AddNumberToObject(grid, "rows", rows);
  cJSON_AddNumberToObject(grid, "columns", cols);
  if (!geno) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  PetscCall(MeritGenotypesScaling(geno, &scale, &sum_2pq, &diagonal));
  item = cJSON_AddObjectToObject(root, "genotypes");
  cJSON_AddNumberToObject(item, "animals", (double)n_animals);
  cJSON_AddNumberToObject(item, "snps", n_snps);
  cJSON_AddNumberToObject(item, "used", n_used);
  AddReal(item, "sum_2pq", sum_2pq);
  AddReal(item, "mean_diagonal", diagonal);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void AddRun(cJSON *root, const MeritRunSummary *run)
{
  cJSON *item = cJSON_AddObjectToObject(root, "solve");

  cJSON_AddStringToObject(item, "solver", run->solver);
  cJSON_AddStringToObject(item, "preconditioner", run->preconditioner);
  cJSON_AddStringToObject(item, "criterion", run->criterion);
  AddReal(item, "rtol", run->rtol);
  cJSON_AddNumberToObject(item, "iterations", (double)run->iterations);
  AddReal(item, "true_residual", run->true_residual);
  AddReal(item, "lambda_min", run->lambda_min);
  AddReal(item, "lambda_max", run->lambda_max);
  AddReal(item, "error_bound", run->error_bound);
  cJSON_AddStringToObject(item, "state", run->state);
}

/* Seconds, processor seconds and peak memory of each phase, each the largest of all ranks; phases are the same on all ranks or only
   rank 0's are told */
static PetscErrorCode AddPhases(MeritReport report, cJSON *root)
{
  static const char *const title[] = {"seconds", "cpu_seconds", "memory_by_phase"};
  const char *const *names;
  const double      *seconds, *cpu;
  const int64_t     *memory;
  const int          n       = MeritPhases(&names, &seconds);
  int                span[2] = {n, -n};
  double            *most;

  PetscFunctionBegin;
  MeritPhasesUsed(&cpu, &memory);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, span, 2, MPI_INT, MPI_MAX, report->comm));
  PetscCall(PetscMalloc1(3 * (size_t)n, &most));
  for (int k = 0; k < n; k++) {
    most[k]         = seconds[k];
    most[n + k]     = cpu[k];
    most[2 * n + k] = (double)memory[k];
  }
  if (span[0] == -span[1]) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 3 * n, MPI_DOUBLE, MPI_MAX, report->comm));
  for (int i = 0; i < 3; i++) {
    cJSON *item = cJSON_AddObjectToObject(root, title[i]);

    for (int k = 0; k < n; k++) AddReal(item, names[k], most[i * n + k]);
  }
  PetscCall(PetscFree(most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode AddMemory(MeritReport report, cJSON *root)
{
  int64_t span[2] = {MeritPeakMemory(), -MeritPeakMemory()};
  cJSON  *item    = cJSON_AddObjectToObject(root, "peak_memory_per_rank");

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, span, 2, MPI_INT64_T, MPI_MAX, report->comm));
  cJSON_AddNumberToObject(item, "min", (double)-span[1]);
  cJSON_AddNumberToObject(item, "max", (double)span[0]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* How the equations are spread: owned, ghosts (of other ranks, met here) and ranks to talk to, least and most of a rank */
static PetscErrorCode AddLayout(MeritReport report, cJSON *root)
{
  static const char *const title[] = {"owned", "ghosts", "neighbours"};
  const PetscMPIInt       *ranks;
  PetscInt                 n_ghosts, n_neighbours;
  int32_t                  n_owned;
  int64_t                  count[6];
  cJSON                   *item = cJSON_AddObjectToObject(root, "layout");

  PetscFunctionBegin;
  PetscCall(MeritModelLayout(report->model, &n_owned, NULL, NULL, NULL, NULL));
  PetscCall(PetscSFGetGraph(MeritModelHalo(report->model), NULL, &n_ghosts, NULL, NULL));
  PetscCall(PetscSFGetRootRanks(MeritModelHalo(report->model), &n_neighbours, &ranks, NULL, NULL, NULL));
  count[0] = n_owned;
  count[1] = n_ghosts;
  count[2] = n_neighbours;
  for (int i = 0; i < 3; i++) count[3 + i] = -count[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 6, MPI_INT64_T, MPI_MAX, report->comm));
  for (int i = 0; i < 3; i++) {
    cJSON *span = cJSON_AddObjectToObject(item, title[i]);

    cJSON_AddNumberToObject(span, "min", (double)-count[3 + i]);
    cJSON_AddNumberToObject(span, "max", (double)count[i]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode AddExclusions(MeritReport report, cJSON *root)
{
  cJSON                     *list = cJSON_AddArrayToObject(root, "excluded");
  const MeritExclusionCount *counts;
  int                        n;

  PetscFunctionBegin;
  PetscCall(MeritReportExclusionCounts(report, &n, &counts));
  for (int i = 0; i < n; i++) {
    cJSON *item = AddObject(list, NULL);

    cJSON_AddStringToObject(item, "kind", counts[i].kind);
    cJSON_AddStringToObject(item, "reason", counts[i].reason);
    cJSON_AddNumberToObject(item, "n", (double)counts[i].n);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void AddWarnings(cJSON *root)
{
  const char *const *texts;
  const int          n    = MeritLogWarnings(&texts);
  cJSON             *list = cJSON_AddArrayToObject(root, "warnings");

  for (int i = 0; i < n; i++) cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
}

static void AddFiles(cJSON *root, MeritOutput out)
{
  const char *const *names;
  const int64_t     *bytes;
  const uint32_t    *crc;
  const int          n    = MeritOutputFiles(out, &names, &bytes, &crc);
  cJSON             *list = cJSON_AddArrayToObject(root, "files");

  for (int i = 0; i < n; i++) {
    cJSON *item = AddObject(list, NULL);
    char   hex[16];

    snprintf(hex, sizeof(hex), "%08x", (unsigned)crc[i]);
    cJSON_AddStringToObject(item, "file", names[i]);
    cJSON_AddNumberToObject(item, "bytes", (double)bytes[i]);
    cJSON_AddStringToObject(item, "crc32", hex);
  }
}

/* Print on rank 0 and stage; the text goes as a part of rank 0 */
static PetscErrorCode Write(MeritReport report, MeritOutput out, cJSON *root)
{
  MeritFault fault = {0};
  char      *text  = report->rank ? NULL : cJSON_Print(root);

  PetscFunctionBegin;
  if (!report->rank && !text)
    MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "no memory for summary.json");
  PetscCall(MeritFaultAgree(report->comm, &fault));
  PetscCall(MeritOutputWrite(out, "summary.json", NULL, text, text ? (int64_t)strlen(text) : 0));
  PetscCall(MeritOutputWrite(out, "summary.json", NULL, "\n", report->rank ? 0 : 1));
  cJSON_free(text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritReportSummary - Write summary.json: the effective job, inputs, model, run, seconds, memory, exclusions,
  warnings and files.

  Collective. To be called after every other file is staged: it lists them with bytes and CRC-32.
@*/
PetscErrorCode MeritReportSummary(MeritReport report, MeritOutput out, MeritNode job,
                                  const MeritRunSummary *run)
{
  cJSON *root = cJSON_CreateObject();

  PetscFunctionBegin;
  cJSON_AddStringToObject(root, "version", MERIT_VERSION);
  cJSON_AddStringToObject(root, "command", run->command);
  cJSON_AddItemToObject(root, "job", Tree(job));
  PetscCall(AddInputs(report, root, job));
  cJSON_AddNumberToObject(root, "ranks", report->size);
  cJSON_AddNumberToObject(root, "threads", run->threads);
  PetscCall(AddGenotypes(report, root));
  PetscCall(AddTraits(report, root));
  PetscCall(AddTerms(report, root));
  AddRun(root, run);
  PetscCall(AddPhases(report, root));
  PetscCall(AddMemory(report, root));
  PetscCall(AddLayout(report, root));
  PetscCall(AddExclusions(report, root));
  AddWarnings(root);
  AddFiles(root, out);
  cJSON_AddNumberToObject(root, "exit", run->exit_status);
  PetscCall(Write(report, out, root));
  cJSON_Delete(root);
  PetscFunctionReturn(PETSC_SUCCESS);
}
