/*
  Job files for the simulated data, and the summary.

  job.yaml solves the model that was simulated by its pedigree, with the simulated variances;
  job_snp.yaml solves it by the SNPs of the genotyped animals. They make a simulated folder ready
  to run: `merit solve job.yaml`. The summary has the specification, so that the data can be made
  again.
*/
#include "sim.h"
#include <merit/version.h>
#include <cjson/cJSON.h>

/* scale * A in YAML: a number if n = 1, else a list of rows */
static PetscErrorCode Matrix(MeritText *text, int n, const double A[], double scale)
{
  PetscFunctionBegin;
  if (n > 1) PetscCall(MeritTextAdd(text, "["));
  for (int i = 0; i < n; i++) {
    if (n > 1) PetscCall(MeritTextAdd(text, "%s[", i ? ", " : ""));
    for (int j = 0; j < n; j++) {
      if (j) PetscCall(MeritTextAdd(text, ", "));
      PetscCall(MeritTextAddReal(text, scale * A[i * n + j]));
    }
    if (n > 1) PetscCall(MeritTextAdd(text, "]"));
  }
  PetscCall(MeritTextAdd(text, n > 1 ? "]\n" : "\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One formula for each trait; equal labels give the terms of all traits a common covariance matrix */
static PetscErrorCode Model(const SimSpec *spec, double snp_share, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "model:\n"));
  for (int t = 0; t < spec->n_traits; t++) {
    PetscCall(MeritTextAdd(text, "  - \"%s ~ 1", spec->trait[t]));
    if (spec->has_herd_year) PetscCall(MeritTextAdd(text, " + herd:year"));
    if (spec->has_parity) PetscCall(MeritTextAdd(text, " + parity"));
    if (spec->has_age) PetscCall(MeritTextAdd(text, " + cov(age)"));
    /* genetic terms: SNPs for their share of the variance, the pedigree for the rest */
    if (snp_share > 0.0) PetscCall(MeritTextAdd(text, " + genomic = snp(id)"));
    if (snp_share < 1.0) PetscCall(MeritTextAdd(text, " + animal = ped(id)"));
    if (spec->has_pe) PetscCall(MeritTextAdd(text, " + pe = iid(id)"));
    PetscCall(MeritTextAdd(text, "\"\n"));
  }
  PetscCall(MeritTextAdd(text, "variances:\n"));
  if (snp_share > 0.0) {
    PetscCall(MeritTextAdd(text, "  genomic: "));
    PetscCall(Matrix(text, spec->n_traits, spec->G, snp_share));
  }
  if (snp_share < 1.0) {
    PetscCall(MeritTextAdd(text, "  animal: "));
    PetscCall(Matrix(text, spec->n_traits, spec->G, 1.0 - snp_share));
  }
  if (spec->has_pe) {
    PetscCall(MeritTextAdd(text, "  pe: "));
    PetscCall(Matrix(text, spec->n_traits, spec->PE, 1.0));
  }
  PetscCall(MeritTextAdd(text, "  residual: "));
  PetscCall(Matrix(text, spec->n_traits, spec->R, 1.0));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One job: the pedigree model (snp_share 0), SNPs alone (1), or both */
static PetscErrorCode WriteJob(MeritSimulation sim, const char name[], double snp_share, const char result[])
{
  MeritText text = {0};

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(&text, "records:\n  file: records.csv\n  missing: [NA]\n"));
  if (snp_share < 1.0) PetscCall(MeritTextAdd(&text, "pedigree:\n  file: pedigree.csv\n"));
  if (snp_share > 0.0) PetscCall(MeritTextAdd(&text, "genotypes:\n  bfile: chip\n  scale: vanraden\n"));
  PetscCall(Model(&sim->spec, snp_share, &text));
  PetscCall(MeritTextAdd(&text, "solver: {type: pcg, rtol: 1.0e-8, max_it: 5000}\noutput: %s\n", result));
  PetscCall(MeritOutputWrite(sim->out, name, NULL, text.at, sim->rank == 0 ? (int64_t)text.n : 0));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteJobs - See the header. Without QTL the SNPs of job_snp.yaml stand for the whole genetic
   variance. Collective. */
PetscErrorCode SimWriteJobs(MeritSimulation sim)
{
  PetscFunctionBegin;
  PetscCall(WriteJob(sim, "job.yaml", 0.0, "solved"));
  if (sim->spec.has_chip) PetscCall(WriteJob(sim, "job_snp.yaml", sim->spec.share > 0.0 ? sim->spec.share : 1.0, "solved_snp"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Counts into the summary */
static void Counts(MeritSimulation sim, cJSON *root)
{
  const MeritSimulationSize *n  = &sim->made;
  cJSON                     *to = cJSON_AddObjectToObject(root, "counts");

  cJSON_AddNumberToObject(to, "animals", (double)n->n_animals);
  cJSON_AddNumberToObject(to, "sires_used", (double)n->n_sires);
  cJSON_AddNumberToObject(to, "cows_with_records", (double)n->n_cows);
  cJSON_AddNumberToObject(to, "records", (double)n->n_records);
  cJSON_AddNumberToObject(to, "genotyped", (double)n->n_genotyped);
  cJSON_AddNumberToObject(to, "snps", n->n_snps);
  cJSON_AddNumberToObject(to, "qtl", n->n_qtl);
}

/* Name, bytes and checksum of every file into the summary */
static void Files(MeritSimulation sim, cJSON *root)
{
  const char *const *name;
  const int64_t     *bytes;
  const uint32_t    *crc;
  cJSON             *to = cJSON_AddArrayToObject(root, "files");
  int                n  = MeritOutputFiles(sim->out, &name, &bytes, &crc);

  for (int i = 0; i < n; i++) {
    cJSON *file = cJSON_CreateObject();
    char   hex[16];

    snprintf(hex, sizeof(hex), "%08x", (unsigned)crc[i]);
    cJSON_AddStringToObject(file, "name", name[i]);
    cJSON_AddNumberToObject(file, "bytes", (double)bytes[i]);
    cJSON_AddStringToObject(file, "crc32", hex);
    cJSON_AddItemToArray(to, file);
  }
}

/* SimWriteSummary - See the header. Collective. */
PetscErrorCode SimWriteSummary(MeritSimulation sim)
{
  cJSON    *root = cJSON_CreateObject();
  char     *spec, *json;
  MeritText text = {0};

  PetscFunctionBegin;
  PetscCall(MeritConfigPrint(sim->spec.tree, &spec));
  cJSON_AddStringToObject(root, "version", MERIT_VERSION);
  cJSON_AddStringToObject(root, "command", "simulate");
  cJSON_AddStringToObject(root, "spec", spec);
  cJSON_AddNumberToObject(root, "ranks", sim->size);
  Counts(sim, root);
  Files(sim, root);
  cJSON_AddStringToObject(root, "exit", "done");
  json = cJSON_Print(root);
  cJSON_Delete(root);
  if (!json) PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "out of memory for summary.json"));
  PetscCall(MeritTextAdd(&text, "%s\n", json));
  cJSON_free(json);
  PetscCall(PetscFree(spec));
  PetscCall(MeritOutputWrite(sim->out, "summary.json", NULL, text.at, sim->rank == 0 ? (int64_t)text.n : 0));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}
