/* Files that a run reads are not replaced by what it writes, whatever the user asks for. */
#include "output_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What results consist of, so that the answer comes before the work; another name is found when it is written */
static const char *const results[] = {"solutions.tsv", "animals.tsv",  "snps.tsv",  "fitted.tsv",      "convergence.tsv", "excluded.tsv", "summary.json",
                                      "varcomp.tsv",   "functions.tsv", "tests.tsv", "anova.tsv",       "variances.yaml",  "records.csv",  "pedigree.csv",
                                      "chip.bed",      "chip.bim",     "chip.fam",  "truth.tsv",       "truth_fixed.tsv", "truth_qtl.tsv", "job.yaml",
                                      "job_snp.yaml"};

/* Is folder/name the file that is kept? */
static bool Is(MeritOutput out, const char name[], const OutputKept *kept)
{
  char       *path = MeritOutputPath(out->folder, name, NULL);
  struct stat about;
  bool        is = path && !stat(path, &about) && about.st_dev == kept->device && about.st_ino == kept->inode;

  free(path);
  return is;
}

/* OutputCheckKept - A fault if `name` in the folder is a file that is kept. Rank 0. */
void OutputCheckKept(MeritOutput out, const char name[], MeritFault *fault)
{
  for (int k = 0; k < out->n_kept; k++)
    if (Is(out, name, &out->kept[k]))
      MeritFaultSet(fault, MERIT_ERROR_USAGE, out->folder, 0, NULL,
                    "%s there is an input of this run (%s), which its result would replace; --output FOLDER names another folder", name,
                    out->kept[k].key);
}

/*
  MeritOutputKeep - See the header. Collective.

  Errors: USAGE if the file is one of the folder that a result, or putting an earlier one aside, would replace.
*/
PetscErrorCode MeritOutputKeep(MeritOutput out, const char path[], const char key[])
{
  MeritFault  fault = {0};
  struct stat about;

  PetscFunctionBegin;
  if (out->rank == 0 && !stat(path, &about) && S_ISREG(about.st_mode)) {
    OutputKept *more = realloc(out->kept, ((size_t)out->n_kept + 1) * sizeof(*more));
    int         n;
    char       *earlier = MeritOutputManifest(out->folder, &n);

    if (more) {
      out->kept = more;
      more += out->n_kept++;
      *more = (OutputKept){.device = about.st_dev, .inode = about.st_ino};
      snprintf(more->key, sizeof(more->key), "%s", key);
    } else MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "no memory for the list of inputs");
    for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) OutputCheckKept(out, results[i], &fault);
    for (const char *name = earlier; n > 0; n--, name += strlen(name) + 1) OutputCheckKept(out, name, &fault);
    free(earlier);
  }
  PetscCall(MeritFaultAgree(out->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}
