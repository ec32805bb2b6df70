/* Inputs of a run are protected: a file that the run reads is never replaced by what it writes,
   even with --overwrite. Files are compared by device and inode, since a path can be written in
   many ways. */
#include "output_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Files that a result may have, so that the error comes before the work; other names are checked
   when they are written */
static const char *const results[] = {"solutions.tsv",   "animals.tsv",   "snps.tsv",      "fitted.tsv",  "convergence.tsv", "excluded.tsv",
                                      "summary.json",    "varcomp.tsv",   "functions.tsv", "tests.tsv",   "anova.tsv",       "variances.yaml",
                                      "records.csv",     "pedigree.csv",  "chip.bed",      "chip.bim",    "chip.fam",        "truth.tsv",
                                      "truth_fixed.tsv", "truth_qtl.tsv", "job.yaml",      "job_snp.yaml"};

/* Is folder/name this input? */
static bool Is(MeritOutput out, const char name[], const OutputInput *input)
{
  char       *path = MeritOutputPath(out->folder, name, NULL);
  struct stat about;
  bool        is = path && !stat(path, &about) && about.st_dev == input->device && about.st_ino == input->inode;

  free(path);
  return is;
}

/* OutputCheckProtected - See the header. Rank 0. */
void OutputCheckProtected(MeritOutput out, const char name[], MeritFault *fault)
{
  for (int k = 0; k < out->n_inputs; k++)
    if (Is(out, name, &out->input[k]))
      MeritFaultSet(fault, MERIT_ERROR_USAGE, out->folder, 0, NULL,
                    "%s in this folder is an input of this run (%s) and would be replaced by its result; give another folder by --output FOLDER",
                    name, out->input[k].key);
}

/*
  MeritOutputProtect - See the header. Collective.

  Errors: USAGE if the file is one of the folder that a result, or putting an earlier one aside, would replace.
*/
PetscErrorCode MeritOutputProtect(MeritOutput out, const char path[], const char key[])
{
  MeritFault  fault = {0};
  struct stat about;

  PetscFunctionBegin;
  if (out->rank == 0 && !stat(path, &about) && S_ISREG(about.st_mode)) {
    OutputInput *more = realloc(out->input, ((size_t)out->n_inputs + 1) * sizeof(*more));
    int          n;
    char        *earlier = MeritOutputManifest(out->folder, &n);

    if (more) {
      out->input = more;
      more += out->n_inputs++;
      *more = (OutputInput){.device = about.st_dev, .inode = about.st_ino};
      snprintf(more->key, sizeof(more->key), "%s", key);
      /* Standard names, then those of the earlier result, which a commit moves aside */
    } else MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "no memory for the list of inputs");
    for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) OutputCheckProtected(out, results[i], &fault);
    for (const char *name = earlier; n > 0; n--, name += strlen(name) + 1) OutputCheckProtected(out, name, &fault);
    free(earlier);
  }
  PetscCall(MeritFaultAgree(out->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}
