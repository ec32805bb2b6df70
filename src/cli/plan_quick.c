/*
  merit plan --quick: what headers and sizes of files show. It answers in a moment for files of any
  size: is every column there that the model names, and is every file there? Data are not read, so
  that no memory and no time are foreseen.
*/
#include "plan_impl.h"
#include <merit/memory.h>
#include <merit/table.h>
#include <stdio.h>

/* A column that some term or trait needs must be in the header. Logically collective. Errors: that
   of the run itself, at the position in the job that names the column. */
static PetscErrorCode Need(MeritModel model, MeritTable table, const char name[])
{
  PetscFunctionBegin;
  if (MeritTableFind(table, name) < 0) PetscCall(MeritModelUnknownColumn(model, table, name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All columns that the formula names: traits, classes and covariates of terms, the residual
   class */
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

/* Open the records for their header line alone, or take the names of records.header, and check the
   columns. Collective. */
static PetscErrorCode Header(const MeritRun *run)
{
  MeritNode   header = MeritNodeFind(run->job, "records.header");
  MeritTable  table  = NULL;
  const char *names[1024];
  char       *path = NULL;
  int         n    = 0;

  PetscFunctionBegin;
  for (; header && header->kind == MERIT_NODE_LIST && n < header->n && n < 1024; n++) names[n] = header->child[n]->text ? header->child[n]->text : "";
  PetscCall(MeritConfigPath(run->job, "records.file", &path));
  PetscCall(MeritTableOpen(run->comm, path, n, names, 0, NULL, &table));
  PetscCall(NeedAll(run->model, table));
  PetscCall(MeritTableDestroy(&table));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A row with key, size and path of one file. Collective. Errors: INPUT, if it is not there. */
static PetscErrorCode Size(MPI_Comm comm, const char key[], const char path[], MeritText *text)
{
  int64_t bytes;
  char    size[32];

  PetscFunctionBegin;
  PetscCall(MeritFileSize(comm, path, &bytes));
  MeritBytesText((double)bytes, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "  %-24s %14s  %s\n", key, size, path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sizes of all input files, all of which must be there */
static PetscErrorCode Sizes(const MeritRun *run, MeritText *text)
{
  static const char *const keys[]   = {"records.file", "pedigree.file", "genotypes.text"};
  static const char *const plink[3] = {".bed", ".bim", ".fam"};
  char                    *path     = NULL, full[PETSC_MAX_PATH_LEN];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "\nfiles\n"));
  for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
    PetscCall(MeritConfigPath(run->job, keys[k], &path));
    if (path) PetscCall(Size(run->comm, keys[k], path, text));
    PetscCall(PetscFree(path));
  }
  PetscCall(MeritConfigPath(run->job, "genotypes.bfile", &path));
  for (int k = 0; k < 3 && path; k++) {
    snprintf(full, sizeof(full), "%s%s", path, plink[k]);
    PetscCall(Size(run->comm, "genotypes.bfile", full, text));
  }
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanQuick - See the header. Collective. */
PetscErrorCode PlanQuick(const MeritRun *run, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(Header(run));
  PetscCall(PlanColumns(MeritModelFormula(run->model), run->job, text));
  PetscCall(PlanVariances(MeritModelFormula(run->model), text));
  PetscCall(Sizes(run, text));
  PetscFunctionReturn(PETSC_SUCCESS);
}
