/*
  animals.tsv: breeding values and reliabilities of all animals.

  Tables of values by blocks of canonical numbers are filled by animal_values.c; here rows are
  written: the pedigree's animals, then genotyped animals that are not in the pedigree. Column 0 of
  a table is the number of records, column v + 1 is value v.
*/
#include "animals_impl.h"
#include <math.h>
#include <string.h>

/* AnimalsCreate - See the header. Not collective. */
PetscErrorCode AnimalsCreate(MeritReport report, Animals *a)
{
  MeritPedigree  ped  = MeritModelPedigree(report->model);
  MeritGenotypes geno = MeritModelGenotypes(report->model);
  const int64_t *sire, *dam;
  const double  *year;
  int64_t        n_animals;
  int32_t        n_snps, n_used;

  PetscFunctionBegin;
  /* blocks: of the pedigree by canonical number, of genotyped animals by line of their file */
  PetscCall(AnimalsColumns(report, a));
  if (ped) PetscCall(MeritPedigreeYears(ped, &a->years, &year));
  if (ped) PetscCall(MeritPedigreeParents(ped, &a->ped_first, &a->n_ped, &sire, &dam));
  if (geno) {
    PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
    a->geno_first = MeritBlockFirst(n_animals, report->size, report->rank);
    a->n_geno     = MeritBlockFirst(n_animals, report->size, report->rank + 1) - a->geno_first;
  }
  PetscCall(PetscMalloc3((size_t)(a->n_ped * a->width), &a->ped, (size_t)(a->n_geno * a->width), &a->geno, a->n_geno, &a->number));
  for (int64_t i = 0; i < a->n_ped * a->width; i++) a->ped[i] = i % a->width ? NAN : 0; /* NA for a value that never arrives */
  for (int64_t i = 0; i < a->n_geno * a->width; i++) a->geno[i] = i % a->width ? NAN : 0;
  for (int64_t i = 0; i < a->n_geno; i++) a->number[i] = -1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* AnimalsDestroy - See the header. Not collective. */
PetscErrorCode AnimalsDestroy(Animals *a)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(a->ped, a->geno, a->number));
  PetscCall(PetscFree(a->value));
  PetscCall(PetscFree(a->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the columns; birth_year only if the pedigree has years */
static PetscErrorCode Header(const Animals *a, MeritText *text)
{
  char name[1100];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "id\tinbreeding\tn_records\tn_offspring%s", a->years ? "\tbirth_year" : ""));
  for (int c = 0; c < a->n_columns; c++) {
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    snprintf(name, sizeof(name), "%s.ebv", a->column[c].name);
    PetscCall(ReportAddField(text, name, strlen(name)));
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    snprintf(name, sizeof(name), "%s.reliability", a->column[c].name);
    PetscCall(ReportAddField(text, name, strlen(name)));
  }
  PetscCall(MeritTextAddBytes(text, "\n", 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values and reliabilities of one row: the weighted sums of the columns, NA if a part is NA */
static PetscErrorCode Values(MeritReport report, const Animals *a, const double row[], int64_t number, MeritText *text)
{
  PetscFunctionBegin;
  for (int c = 0; c < a->n_columns; c++) {
    double sum = 0;

    /* value v is in column v + 1 of the table; NaN times a weight stays NaN */
    for (int k = 0; k < a->column[c].n; k++) sum += a->column[c].weight[k] * row[1 + a->column[c].value[k]];
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(MeritTextAddReal(text, sum));
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(MeritTextAddReal(text, ReportReliability(report, number, c)));
  }
  PetscCall(MeritTextAddBytes(text, "\n", 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* n_records; NA if the model has no genetic term, since no id column is then known */
static PetscErrorCode Count(MeritReport report, double n, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  if (AnimalsFirstTerm(report) < 0) PetscCall(MeritTextAddBytes(text, "NA", 2));
  else PetscCall(MeritTextAddInteger(text, (int64_t)n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Birth year, if there is that column */
static PetscErrorCode Year(const Animals *a, double year, MeritText *text)
{
  PetscFunctionBegin;
  if (!a->years) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(MeritTextAddReal(text, year));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of the pedigree's animals */
static PetscErrorCode PedigreeRows(MeritReport report, const Animals *a, MeritText *text)
{
  MeritPedigree  ped = MeritModelPedigree(report->model);
  bool           any;
  MeritDict      dict;
  const double  *F, *d, *year;
  const int64_t *n_offspring;

  PetscFunctionBegin;
  if (!ped) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritPedigreeYears(ped, &any, &year));
  PetscCall(MeritPedigreeDict(ped, &dict));
  PetscCall(MeritPedigreeInbreeding(ped, &F, &d));
  PetscCall(MeritPedigreeOffspring(ped, &n_offspring));
  for (int64_t i = 0; i < a->n_ped; i++) {
    size_t      length;
    const char *label = MeritDictLocal(dict, a->ped_first + i, &length);

    PetscCall(ReportAddField(text, label, length));
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(MeritTextAddReal(text, F[i]));
    PetscCall(Count(report, a->ped[i * a->width], text));
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(MeritTextAddInteger(text, n_offspring[i]));
    PetscCall(Year(a, a->years ? year[i] : NAN, text));
    PetscCall(Values(report, a, a->ped + i * a->width, i, text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of genotyped animals that are not in the pedigree: inbreeding and offspring are NA */
static PetscErrorCode GenotypeRows(MeritReport report, const Animals *a, MeritText *text)
{
  MeritGenotypes geno = MeritModelGenotypes(report->model);
  MeritDict      dict;

  PetscFunctionBegin;
  if (!geno) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesDict(geno, &dict));
  for (int64_t i = 0; i < a->n_geno; i++) {
    size_t      length;
    const char *label = MeritDictLocal(dict, a->geno_first + i, &length);

    /* this animal is written with the pedigree */
    if (a->number[i] >= 0) continue;
    PetscCall(ReportAddField(text, label, length));
    PetscCall(MeritTextAddBytes(text, "\tNA", 3));
    PetscCall(Count(report, a->geno[i * a->width], text));
    PetscCall(MeritTextAddBytes(text, "\tNA", 3));
    PetscCall(Year(a, NAN, text));
    PetscCall(Values(report, a, a->geno + i * a->width, a->n_ped + i, text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Both groups of rows, in this order; each rank's block follows that of the rank before.
   Collective. */
static PetscErrorCode Write(MeritReport report, MeritOutput out, const Animals *a)
{
  MeritText header = {0}, ped = {0}, geno = {0};

  PetscFunctionBegin;
  PetscCall(Header(a, &header));
  PetscCall(PedigreeRows(report, a, &ped));
  PetscCall(MeritOutputWrite(out, "animals.tsv", header.at, ped.at, (int64_t)ped.n));
  MeritTextFree(&ped);
  MeritTextFree(&header);
  /* the text of the first group is freed already, to save memory */
  PetscCall(GenotypeRows(report, a, &geno));
  PetscCall(MeritOutputWrite(out, "animals.tsv", NULL, geno.at, (int64_t)geno.n));
  MeritTextFree(&geno);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportAnimals - Write animals.tsv: animals of the pedigree in canonical order, then
  genotyped animals that are not in it, in the order of their file.

  Collective. genomic[t] are the genomic values [n_rows * n_comp] of this rank's genotype rows for
  every SNP term t, in component form. Columns: id, inbreeding, n_records, n_offspring, birth_year
  if there are years; then for each trait and genetic term (and regressor), and for each sum of the
  key `ebv`, .ebv and .reliability. NA where a value does not exist or is not computed.
*/
PetscErrorCode MeritReportAnimals(MeritReport report, MeritOutput out, const double x[], const double *const genomic[])
{
  Animals a = {0};
  double *u;

  PetscFunctionBegin;
  if (!MeritModelPedigree(report->model) && !MeritModelGenotypes(report->model)) PetscFunctionReturn(PETSC_SUCCESS);
  if (MeritModelPedigree(report->model)) PetscCall(MeritPedigreeSetUp(MeritModelPedigree(report->model)));
  PetscCall(ReportComponents(report, x, &u));
  PetscCall(AnimalsCreate(report, &a));
  PetscCall(AnimalsPedigreeValues(report, u, &a));
  if (MeritModelGenotypes(report->model)) PetscCall(AnimalsGenomicValues(report, genomic, &a));
  PetscCall(Write(report, out, &a));
  PetscCall(AnimalsDestroy(&a));
  PetscCall(PetscFree(u));
  PetscFunctionReturn(PETSC_SUCCESS);
}
