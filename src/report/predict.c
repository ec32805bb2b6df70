/*
  Breeding values of other genotypes from estimated SNP effects: the object, and its tables.

  SetUp reads the effects (predict_table.c) and the genotypes, and matches SNPs and alleles
  (predict_match.c). A value is then sum over matched SNPs of (copies - centre) effect + offset,
  where the offset is the contribution of SNPs that cannot be used, each at its mean.
*/
#include "predict_impl.h"
#include "report_impl.h"
#include <merit/log.h>
#include <stdlib.h>
#include <string.h>

/* MeritPredictionCreate - Make an empty prediction. Collective. */
PetscErrorCode MeritPredictionCreate(MPI_Comm comm, MeritPrediction *prediction)
{
  MeritPrediction p;

  PetscFunctionBegin;
  PetscCall(PetscNew(&p));
  PetscCall(PetscCommDuplicate(comm, &p->comm, NULL)); /* messages of the caller are none of ours */
  PetscCallMPI(MPI_Comm_rank(comm, &p->rank));
  PetscCallMPI(MPI_Comm_size(comm, &p->size));
  *prediction = p;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The output folder must not be that of the effects: a new result would move the table of effects
   aside, also with --overwrite. Rank 0 looks. Collective. */
static PetscErrorCode KeepSource(MeritPrediction p, MeritNode job)
{
  char *folder = NULL, *real, *table, *slash;
  int   same   = 0;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(job, "output.folder", &folder));
  if (!p->rank && folder) {
    real  = realpath(folder, NULL);
    table = realpath(p->snps, NULL);
    /* folder of the table of effects */
    slash = table ? strrchr(table, '/') : NULL;
    if (slash) *slash = 0;
    same = real && slash && !strcmp(real, table);
    free(real);
    free(table);
  }
  PetscCallMPI(MPI_Bcast(&same, 1, MPI_INT, 0, p->comm));
  PetscCall(PetscFree(folder));
  if (same)
    PetscCall(MeritNodeError(MeritNodeFind(job, "output.folder"), "this folder has the file predict.snps; choose another folder for the prediction"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPredictionSetFromConfig - Take the files from the job.

  Collective. Keys: `genotypes.bfile` or `genotypes.text`, `predict.snps`; `output.folder` must not be the folder of the effects. What lacks
  is a USAGE error. No data are read.
@*/
PetscErrorCode MeritPredictionSetFromConfig(MeritPrediction p, MeritNode job)
{
  char *snps = NULL;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesOfJob(job, &p->format, &p->path));
  PetscCall(MeritConfigPath(job, "predict.snps", &snps));
  if (!p->format) PetscCall(MeritNodeError(job, "the job file has no genotypes: bfile or text"));
  if (!snps) PetscCall(MeritNodeError(job, "the job file has no predict: snps, the snps.tsv of a result or its folder"));
  PetscCall(ReportResolve(p->comm, snps, "snps.tsv", &p->snps));
  PetscCall(PetscFree(snps));
  PetscCall(KeepSource(p, job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Message and warnings about the matching. Counts are sums over ranks, so all ranks have the
   same. */
static void Tell(MeritPrediction p)
{
  const MeritPredictionSize *c    = &p->count;
  const char                *geno = p->path;

  MeritLog(MERIT_LOG_INFO, "%lld animals, %lld of %lld SNPs with effects used, %lld of them with alleles swapped", (long long)c->n_animals,
           (long long)(c->as_is + c->swapped), (long long)c->n_effects, (long long)c->swapped);
  if (c->absent)
    MeritLog(MERIT_LOG_WARNING, "%lld of %lld SNPs with effects are not in %s: every animal counts with their mean", (long long)c->absent,
             (long long)c->n_effects, geno);
  if (c->other_alleles)
    MeritLog(MERIT_LOG_WARNING,
             "%lld of %lld SNPs with effects have other alleles in %s (another strand or variant): every animal counts with their mean",
             (long long)c->other_alleles, (long long)c->n_effects, geno);
  if (c->by_name)
    MeritLog(MERIT_LOG_WARNING,
             "%lld SNPs are matched by name only, as there are no alleles to compare; make sure that both files count the same allele",
             (long long)c->by_name);
}

/*@
  MeritPredictionSetUp - Read genotypes and effects and match their SNPs.

  Collective. Each rank reads its rows of the genotypes and its part of the table. INPUT errors: malformed files, columns that lack, a
  name that matches two SNPs, no SNP in common.
@*/
PetscErrorCode MeritPredictionSetUp(MeritPrediction p)
{
  PredictTable table = {0};

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("read.effects"));
  PetscCall(PredictRead(p, &table));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("read.genotypes"));
  PetscCall(MeritGenotypesCreate(p->comm, &p->geno));
  PetscCall(MeritGenotypesSetFile(p->geno, p->format, p->path));
  /* all SNPs become columns, also monomorphic ones: they may have effects */
  PetscCall(MeritGenotypesSetWhole(p->geno, true));
  PetscCall(MeritGenotypesLoad(p->geno));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("match"));
  PetscCall(PredictMatch(p, &table));
  PetscCall(PredictTableFree(&table));
  PetscCall(MeritPhaseEnd());
  Tell(p);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPredictionGetSize - What was matched. Not collective, after SetUp. */
PetscErrorCode MeritPredictionGetSize(MeritPrediction p, MeritPredictionSize *size)
{
  PetscFunctionBegin;
  *size = p->count;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the columns: id and TRAIT.TERM.ebv */
static PetscErrorCode Header(MeritPrediction p, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "id"));
  for (int k = 0; k < p->n_values; k++) {
    const size_t room = strlen(p->name[k]) + 5;
    char        *name;

    PetscCall(PetscMalloc1(room, &name));
    snprintf(name, room, "%s.ebv", p->name[k]);
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(ReportAddField(text, name, room - 1));
    PetscCall(PetscFree(name));
  }
  PetscCall(MeritTextAddBytes(text, "\n", 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of this rank's animals; their ids are asked from the ranks of the dictionary. Collective. */
static PetscErrorCode Rows(MeritPrediction p, int64_t first, int64_t n, const double value[], MeritText *text)
{
  MeritDict dict;
  int64_t  *number, *start;
  char     *at;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesDict(p->geno, &dict));
  PetscCall(PetscMalloc1(n, &number));
  for (int64_t i = 0; i < n; i++) number[i] = first + i;
  PetscCall(MeritDictLabels(dict, n, number, &at, &start));
  for (int64_t i = 0; i < n; i++) {
    PetscCall(ReportAddField(text, at + start[i], (size_t)(start[i + 1] - start[i])));
    for (int k = 0; k < p->n_values; k++) {
      PetscCall(MeritTextAddBytes(text, "\t", 1));
      PetscCall(MeritTextAddReal(text, value[i * p->n_values + k] + p->offset[k]));
    }
    PetscCall(MeritTextAddBytes(text, "\n", 1));
  }
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(start));
  PetscCall(PetscFree(number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPredictionWrite - Write animals.tsv, a row for each animal of the genotypes in their order, and excluded.tsv, the SNPs with effects
  that were not used.

  Collective, after SetUp.
@*/
PetscErrorCode MeritPredictionWrite(MeritPrediction p, MeritOutput out)
{
  MeritText header = {0}, text = {0};
  int64_t   first, n;
  double   *value;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("predict"));
  first = MeritGenotypesTile(p->geno)->row_first;
  n     = MeritGenotypesTile(p->geno)->n_rows;
  PetscCall(PetscMalloc1((size_t)n * (size_t)p->n_values, &value));
  /* value = sum over SNPs of (copies - centre) effect; SNPs without effect have 0 */
  PetscCall(MeritMarkersForward(p->markers, p->n_values, p->effect, value));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("write"));
  PetscCall(Header(p, &header));
  PetscCall(Rows(p, first, n, value, &text));
  PetscCall(MeritOutputWrite(out, "animals.tsv", header.at, text.at, (int64_t)text.n));
  PetscCall(MeritOutputWrite(out, "excluded.tsv", "kind\tline\tid\treason\n", p->excluded.at, (int64_t)p->excluded.n));
  PetscCall(MeritPhaseEnd());
  MeritTextFree(&header);
  MeritTextFree(&text);
  PetscCall(PetscFree(value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPredictionDestroy - Free a prediction; NULL-safe, sets the handle to NULL. Collective. */
PetscErrorCode MeritPredictionDestroy(MeritPrediction *prediction)
{
  MeritPrediction p = *prediction;

  PetscFunctionBegin;
  if (!p) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(p->path));
  PetscCall(PetscFree(p->snps));
  for (int k = 0; k < p->n_values; k++) PetscCall(PetscFree(p->name[k]));
  PetscCall(PetscFree(p->name));
  PetscCall(PetscFree(p->effect));
  PetscCall(PetscFree(p->offset));
  MeritTextFree(&p->excluded);
  PetscCall(MeritMarkersDestroy(&p->markers));
  PetscCall(MeritGenotypesDestroy(&p->geno));
  PetscCall(PetscCommDestroy(&p->comm));
  PetscCall(PetscFree(*prediction));
  PetscFunctionReturn(PETSC_SUCCESS);
}
