/*
  Values of animals for animals.tsv, on the rank of the animal's block of canonical numbers.

  Values of a pedigree term are on the owner of the level; genomic values on the ranks of the
  genotype rows. Both are sent as rows (number of records, components) to the block of the animal.
  Genotyped animals have a table of their own, whose values go on to the pedigree's table for
  animals that are in both.
*/
#include "animals_impl.h"
#include <merit/exchange.h>
#include <math.h>
#include <string.h>

/* count [n_owned] += records of each owned animal by its first id column. Counts at ghosts are
   added at the owner through the halo. Collective. */
static PetscErrorCode CountInPedigree(MeritReport report, const MeritTermView *view, int64_t count[])
{
  const MeritRecordsView *records = MeritModelRecords(report->model);
  PetscSF                 halo    = MeritModelHalo(report->model);
  const int32_t           n_owned = MeritModelLayout(report->model)->n_owned;
  double                 *at;

  PetscFunctionBegin;
  /* at: one number for each local equation, so that the halo of the equations can carry it; a level
     uses its first equation */
  PetscCall(PetscCalloc1(MeritModelLayout(report->model)->n_local, &at));
  for (int32_t r = 0; r < records->n_records; r++) {
    const int32_t level = MeritTermLevelOfSlot(view, view->design[0].slot[r]);

    /* a level of this rank, or a ghost, whose count travels to the owner; others have no animal */
    if (level >= 0 && level < view->n_owned) count[level]++;
    else if (level >= 0 && view->n_eq) at[MeritTermEquation(view, level)] += 1;
  }
  PetscCall(PetscSFReduceBegin(halo, MPIU_REAL, at + n_owned, at, MPI_SUM));
  PetscCall(PetscSFReduceEnd(halo, MPIU_REAL, at + n_owned, at, MPI_SUM));
  for (int32_t i = 0; i < view->n_owned && view->n_eq; i++) count[i] += (int64_t)at[view->eq_owned + i * view->n_eq];
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Deliver - Send n rows of `width` values to the ranks of the blocks of n_all numbers, and store
   value k in column[k] of table [block * full], which begins at number `first`. Column 0, a count,
   is added. Number -1: the row is not sent. Collective. */
static PetscErrorCode Deliver(MeritReport report, int64_t n_all, int64_t n, const int64_t number[], int width, const double rows[],
                              const int column[], int64_t first, int full, double table[])
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *got, arriving;
  double       *values;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &dest));
  for (int64_t i = 0; i < n; i++) dest[i] = number[i] < 0 ? -1 : MeritBlockOwner(n_all, report->size, number[i]);
  PetscCall(MeritExchangeCreate(report->comm, n, dest, &ex));
  arriving = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc2(arriving, &got, (size_t)(arriving * width), &values));
  PetscCall(MeritExchangeForward(ex, sizeof(*got), number, got));
  PetscCall(MeritExchangeForward(ex, (size_t)width * sizeof(*values), rows, values));
  for (int64_t i = 0; i < arriving; i++)
    for (int k = 0; k < width; k++) {
      double *to = table + (got[i] - first) * full + column[k];

      *to = column[k] ? values[i * width + k] : *to + values[i * width + k];
    }
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree2(got, values));
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values of one pedigree term. Records are counted once, by the first genetic term. Collective. */
static PetscErrorCode PedigreeTerm(MeritReport report, int t, const double u[], Animals *a)
{
  const MeritTermView *view;
  int32_t              equation, slot;
  int64_t             *count, n_animals, no_line, duplicates;
  double              *rows;
  int                 *column, width;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &view);
  view += t;
  width = view->n_comp + 1;
  ReportTermFirst(report, t, &equation, &slot);
  PetscCall(MeritPedigreeSize(MeritModelPedigree(report->model), &n_animals, &no_line, &duplicates));
  PetscCall(PetscMalloc2((size_t)view->n_owned * (size_t)width, &rows, width, &column));
  PetscCall(PetscCalloc1(view->n_owned, &count));
  if (!a->counted && t == AnimalsFirstTerm(report)) PetscCall(CountInPedigree(report, view, count));
  column[0] = 0;
  /* component c of the term, entry c + 1 of a row, is value v, which is column v + 1 of the
     table; entry 0, the number of records, is column 0 */
  for (int v = 0; v < a->n_values; v++)
    if (a->value[v].term == t) column[a->value[v].component + 1] = v + 1;
  for (int32_t i = 0; i < view->n_owned; i++) {
    rows[i * (int64_t)width] = (double)count[i];
    memcpy(rows + i * (int64_t)width + 1, u + slot + i * view->n_comp, (size_t)view->n_comp * sizeof(*rows));
  }
  PetscCall(Deliver(report, n_animals, view->n_owned, view->canonical, width, rows, column, a->ped_first, a->width, a->ped));
  PetscCall(PetscFree2(rows, column));
  PetscCall(PetscFree(count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* AnimalsPedigreeValues - See the header. Collective. */
PetscErrorCode AnimalsPedigreeValues(MeritReport report, const double u[], Animals *a)
{
  const MeritTermView *view;
  const int            n = MeritModelTerms(report->model, &view);

  PetscFunctionBegin;
  for (int t = 0; t < n; t++)
    if (report->formula->term[t].genetic && !MeritModelGenotypedLink(report->model, t)) PetscCall(PedigreeTerm(report, t, u, a));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* count [n_rows] = records of each genotype row of this rank's tile: counted where the records are,
   then summed at the rows. Collective. */
static PetscErrorCode CountInGenotypes(MeritReport report, int t, int64_t n_rows, double count[])
{
  const MeritRecordsView *records = MeritModelRecords(report->model);
  PetscSF                 sf      = MeritModelGenotypedLink(report->model, t);
  const MeritTermView    *view;
  double                 *at;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &view);
  view += t;
  PetscCall(PetscCalloc1(view->n_genotyped, &at));
  PetscCall(PetscArrayzero(count, n_rows));
  for (int32_t r = 0; r < records->n_records; r++) {
    const int32_t genotyped = MeritTermLevelOfSlot(view, view->design[0].slot[r]);

    /* levels of the SNP term on this rank, one for each genotyped animal with records here */
    if (genotyped >= 0) at[genotyped] += 1;
  }
  PetscCall(PetscSFReduceBegin(sf, MPIU_REAL, at, count, MPI_SUM));
  PetscCall(PetscSFReduceEnd(sf, MPIU_REAL, at, count, MPI_SUM));
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values of one SNP term: the genotype rows of this rank go to the blocks of genotyped animals. All
   grid columns have the same rows, so only the first column sends. Collective. */
static PetscErrorCode GenomicTerm(MeritReport report, int t, const double genomic[], Animals *a)
{
  MeritGenotypes   geno   = MeritModelGenotypes(report->model);
  const MeritTile *tile   = MeritGenotypesTile(geno);
  const int64_t    n_rows = tile->n_rows;
  int              n_comp = report->formula->term[t].n_components, width = n_comp + 1, *column;
  int64_t          n_animals, *number;
  int32_t          n_snps, n_used;
  double          *rows, *count;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  PetscCall(PetscCalloc1(n_rows, &count));
  if (!a->counted && t == AnimalsFirstTerm(report)) PetscCall(CountInGenotypes(report, t, n_rows, count));
  PetscCall(PetscMalloc3((size_t)(n_rows * width), &rows, n_rows, &number, width, &column));
  column[0] = 0;
  for (int v = 0; v < a->n_values; v++)
    if (a->value[v].term == t) column[a->value[v].component + 1] = v + 1;
  for (int64_t i = 0; i < n_rows; i++) {
    /* ranks are numbered along grid columns, so the first column is ranks 0 .. grid_rows - 1 */
    number[i]       = report->rank < tile->grid_rows ? tile->row_first + i : -1;
    rows[i * width] = count[i];
    memcpy(rows + i * width + 1, genomic + i * n_comp, (size_t)n_comp * sizeof(*rows));
  }
  PetscCall(Deliver(report, n_animals, n_rows, number, width, rows, column, a->geno_first, a->width, a->geno));
  PetscCall(PetscFree3(rows, number, column));
  PetscCall(PetscFree(count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pedigree number of each genotyped animal of this block, -1 if it is not in the pedigree.
   Collective. */
static PetscErrorCode PedigreeNumbers(MeritReport report, Animals *a)
{
  MeritStrings pool;
  MeritDict    geno, ped;
  int32_t      code;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesDict(MeritModelGenotypes(report->model), &geno));
  PetscCall(MeritPedigreeDict(MeritModelPedigree(report->model), &ped));
  PetscCall(MeritStringsCreate(&pool));
  for (int64_t i = 0; i < a->n_geno; i++) {
    size_t      length;
    const char *label = MeritDictLocal(geno, a->geno_first + i, &length);

    PetscCall(MeritStringsIntern(pool, label, length, &code));
  }
  PetscCall(MeritDictFind(ped, pool, a->number));
  PetscCall(MeritStringsDestroy(&pool));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* AnimalsGenomicValues - See the header. Steps: values from the genotype rows to the blocks of
   genotyped animals; pedigree numbers of these animals, once; copies of their values to the
   blocks of the pedigree, with the number of records. Collective. */
PetscErrorCode AnimalsGenomicValues(MeritReport report, const double *const genomic[], Animals *a)
{
  int64_t    n_animals, no_line, duplicates;
  int       *column, width = 0;
  double    *rows;
  const int *term, n = MeritModelFedTerms(report->model, &term);

  PetscFunctionBegin;
  for (int i = 0; i < n; i++) PetscCall(GenomicTerm(report, term[i], genomic[term[i]], a));
  if (!MeritModelPedigree(report->model)) PetscFunctionReturn(PETSC_SUCCESS);
  if (!a->numbered) PetscCall(PedigreeNumbers(report, a));
  a->numbered = true;
  PetscCall(MeritPedigreeSize(MeritModelPedigree(report->model), &n_animals, &no_line, &duplicates));
  PetscCall(PetscMalloc1(a->width, &column));
  column[width++] = 0;
  for (int v = 0; v < a->n_values; v++) /* only values of these terms are copied; the pedigree's table has its own for the others */
    for (int i = 0; i < n; i++)
      if (a->value[v].term == term[i]) column[width++] = v + 1;
  PetscCall(PetscMalloc1((size_t)(a->n_geno * width), &rows));
  for (int64_t i = 0; i < a->n_geno; i++)
    for (int k = 0; k < width; k++) rows[i * width + k] = a->geno[i * a->width + column[k]];
  PetscCall(Deliver(report, n_animals, a->n_geno, a->number, width, rows, column, a->ped_first, a->width, a->ped));
  PetscCall(PetscFree(rows));
  PetscCall(PetscFree(column));
  PetscFunctionReturn(PETSC_SUCCESS);
}
