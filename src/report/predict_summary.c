/*
  summary.json of a prediction: inputs with checksums, how SNPs were matched, and what was left
  out. The keys that all commands have are made by summary_parts.c.
*/
#include "predict_impl.h"
#include "summary_impl.h"
#include <merit/version.h>

/* Sizes and checksums of the table of effects and the genotypes. Collective. */
static PetscErrorCode Inputs(MeritPrediction p, MeritNode job, cJSON *root)
{
  SummaryList files = {p->comm, cJSON_AddArrayToObject(root, "inputs")};

  PetscFunctionBegin;
  PetscCall(SummaryInput(files.comm, files.list, "predict.snps", p->snps));
  PetscCall(MeritGenotypesEachFile(job, SummaryGenotypes, &files));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Counts of the matching */
static void Matching(MeritPrediction p, cJSON *root)
{
  const MeritPredictionSize *c     = &p->count;
  cJSON                     *geno  = cJSON_AddObjectToObject(root, "genotypes");
  cJSON                     *match = cJSON_AddObjectToObject(root, "predict"), *values;

  cJSON_AddNumberToObject(geno, "animals", (double)c->n_animals);
  cJSON_AddNumberToObject(geno, "snps", c->n_snps);
  cJSON_AddNumberToObject(geno, "without_effect", (double)c->without_effect);
  /* snps: rows of the table; with_effect: those that are not NA; the next four add up to it */
  cJSON_AddNumberToObject(match, "snps", (double)c->n_rows);
  cJSON_AddNumberToObject(match, "with_effect", (double)c->n_effects);
  cJSON_AddNumberToObject(match, "as_is", (double)c->as_is);
  cJSON_AddNumberToObject(match, "swapped", (double)c->swapped);
  cJSON_AddNumberToObject(match, "absent", (double)c->absent);
  cJSON_AddNumberToObject(match, "other_alleles", (double)c->other_alleles);
  cJSON_AddNumberToObject(match, "by_name_only", (double)c->by_name);
  values = cJSON_AddArrayToObject(match, "values");
  for (int k = 0; k < p->n_values; k++) cJSON_AddItemToArray(values, cJSON_CreateString(p->name[k]));
}

/* SNPs with effects that were not used, by reason */
static void Excluded(MeritPrediction p, cJSON *root)
{
  const char *const reason[] = {"not in the genotypes", "other alleles in the genotypes"};
  const int64_t     n[]      = {p->count.absent, p->count.other_alleles};
  cJSON            *list     = cJSON_AddArrayToObject(root, "excluded");

  for (int k = 0; k < 2; k++) {
    cJSON *item;

    if (!n[k]) continue;
    item = SummaryObject(list, NULL);
    cJSON_AddStringToObject(item, "kind", "snp");
    cJSON_AddStringToObject(item, "reason", reason[k]);
    cJSON_AddNumberToObject(item, "n", (double)n[k]);
  }
}

/*@
  MeritPredictionSummary - Write summary.json: the job, inputs, how SNPs were matched, seconds, memory, warnings and files.

  Collective. To be called after every other file is staged.
@*/
PetscErrorCode MeritPredictionSummary(MeritPrediction p, MeritOutput out, MeritNode job, int threads)
{
  cJSON *root = cJSON_CreateObject();

  PetscFunctionBegin;
  cJSON_AddStringToObject(root, "version", MERIT_VERSION);
  cJSON_AddStringToObject(root, "command", "predict");
  cJSON_AddItemToObject(root, "job", SummaryTree(job));
  PetscCall(Inputs(p, job, root));
  cJSON_AddNumberToObject(root, "ranks", p->size);
  cJSON_AddNumberToObject(root, "threads", threads);
  Matching(p, root);
  PetscCall(SummaryPhases(p->comm, root));
  PetscCall(SummaryMemory(p->comm, root));
  Excluded(p, root);
  SummaryWarnings(root);
  SummaryFiles(root, out);
  cJSON_AddNumberToObject(root, "exit", MERIT_ERROR_NONE);
  PetscCall(SummaryWrite(p->comm, out, root));
  cJSON_Delete(root);
  PetscFunctionReturn(PETSC_SUCCESS);
}
