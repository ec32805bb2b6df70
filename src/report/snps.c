/*
  snps.tsv: every SNP of the file with its alleles, frequency, coding and effects.

  Effects are stored by column of M (SNPs in use), rows by SNP of the file; values go from the
  block of the columns to the block of the file's SNPs.
*/
#include "report_impl.h"
#include <merit/exchange.h>
#include <math.h>
#include <string.h>

/* Effects of all SNP terms for the SNPs of this rank's block of the file */
typedef struct {
  int     n_values; /* components over all SNP terms */
  int32_t first, n; /* SNPs of the file in this rank's block */
  double *effect;   /* [n * n_values], NaN where the SNP is not used */
} SnpTable;

/* SNP of the file for each column of M, [n_used]; owned by the caller. A SNP that is not used
   has column -1. */
static PetscErrorCode ColumnsToSnps(MeritGenotypes geno, int32_t **snp_of)
{
  const MeritSnp *snps;
  int64_t         n_animals;
  int32_t         n_snps, n_used;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  PetscCall(MeritGenotypesSnps(geno, &snps));
  PetscCall(PetscMalloc1(n_used, snp_of));
  for (int32_t s = 0; s < n_snps; s++)
    if (snps[s].column >= 0) (*snp_of)[snps[s].column] = s;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Effects of one SNP term, from the block of its columns to the blocks of the file's SNPs.
   Collective. */
static PetscErrorCode Deliver(MeritReport report, int64_t n_snps, const ReportBlock *block, const int32_t snp_of[], int offset, SnpTable *table)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int32_t      *got;
  double       *u;
  int64_t       arriving;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(block->n, &dest));
  for (int64_t i = 0; i < block->n; i++) /* rank of the SNP's block of the file */
    dest[i] = MeritBlockOwner(n_snps, report->size, snp_of[block->first + i]);
  PetscCall(MeritExchangeCreate(report->comm, block->n, dest, &ex));
  arriving = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc2(arriving, &got, (size_t)(arriving * block->n_comp), &u));
  PetscCall(MeritExchangeForward(ex, sizeof(*got), snp_of + block->first, got));
  PetscCall(MeritExchangeForward(ex, (size_t)block->n_comp * sizeof(*u), block->u, u));
  for (int64_t i = 0; i < arriving; i++)
    memcpy(table->effect + (int64_t)(got[i] - table->first) * table->n_values + offset, u + i * block->n_comp, (size_t)block->n_comp * sizeof(*u));
  PetscCall(PetscFree2(got, u));
  PetscCall(PetscFree(dest));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the columns; effects are TRAIT.LABEL.effect */
static PetscErrorCode Header(MeritReport report, MeritText *text)
{
  const int *fed, n = MeritModelFedTerms(report->model, &fed);

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "snp\tchromosome\tposition\tcounted\tother\tfrequency\tn_missing\tused\tcentre\tmean"));
  /* columns of effects: terms in formula order, components in the order of the term, as Fill()
     stores them */
  for (int i = 0; i < n; i++) {
    const MeritTermSpec *term = &report->formula->term[fed[i]];

    for (int c = 0; c < term->n_components; c++) {
      char name[1100];

      snprintf(name, sizeof(name), "%s.%s%s%s.effect", report->formula->trait[term->component[c].trait], term->label,
               term->n_regressors > 1 ? "." : "", term->n_regressors > 1 ? ReportComponentName(term, c) : "");
      PetscCall(MeritTextAddBytes(text, "\t", 1));
      PetscCall(ReportAddField(text, name, strlen(name)));
    }
  }
  PetscCall(MeritTextAddBytes(text, "\n", 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of this rank's block; coding and effects are NA for SNPs that are not used */
static PetscErrorCode Rows(MeritGenotypes geno, const MeritSnp snps[], const SnpTable *table, MeritText *text)
{
  const double *centre, *mean;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesCoding(geno, &centre, &mean));
  for (int32_t i = 0; i < table->n; i++) {
    const MeritSnp *snp      = &snps[table->first + i];
    const char     *fields[] = {snp->name, snp->chromosome, NULL, snp->counted, snp->other};

    for (int k = 0; k < 5; k++) {
      if (fields[k]) PetscCall(ReportAddField(text, fields[k], strlen(fields[k])));
      else PetscCall(MeritTextAdd(text, "%lld", (long long)snp->position));
      PetscCall(MeritTextAddBytes(text, "\t", 1));
    }
    PetscCall(MeritTextAddReal(text, snp->frequency));
    PetscCall(MeritTextAdd(text, "\t%lld\t%d", (long long)snp->n_missing, snp->column >= 0));
    for (int k = 0; k < 2; k++) {
      PetscCall(MeritTextAddBytes(text, "\t", 1));
      PetscCall(MeritTextAddReal(text, snp->column < 0 ? NAN : (k ? mean : centre)[snp->column]));
    }
    for (int k = 0; k < table->n_values; k++) {
      PetscCall(MeritTextAddBytes(text, "\t", 1));
      PetscCall(MeritTextAddReal(text, table->effect[i * (int64_t)table->n_values + k]));
    }
    PetscCall(MeritTextAddBytes(text, "\n", 1));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* table->effect = effects of all SNP terms, one term after another. Collective. */
static PetscErrorCode Fill(MeritReport report, MeritGenotypes geno, int32_t n_snps, const double x[], SnpTable *table)
{
  const int *fed, n = MeritModelFedTerms(report->model, &fed);
  int32_t   *snp_of;
  double    *u;
  int        offset = 0;

  PetscFunctionBegin;
  PetscCall(ColumnsToSnps(geno, &snp_of));
  PetscCall(ReportComponents(report, x, &u));
  for (int i = 0; i < n; i++) {
    ReportBlock block;

    PetscCall(ReportBlockCreate(report, fed[i], u, &block));
    PetscCall(Deliver(report, n_snps, &block, snp_of, offset, table));
    offset += block.n_comp;
    PetscCall(ReportBlockDestroy(&block));
  }
  PetscCall(PetscFree(u));
  PetscCall(PetscFree(snp_of));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportSnps - Write snps.tsv: every SNP of the file in its order, with the effect of one copy
  of the counted allele for each trait and SNP term; NA for SNPs that are not used.

  Collective. Nothing is written without genotypes. Columns: snp, chromosome, position, counted,
  other (alleles), frequency (of the counted allele over all genotyped animals), n_missing, used,
  centre, mean (what is subtracted, and what a missing genotype counts as), effects. `merit
  predict` reads this table.
*/
PetscErrorCode MeritReportSnps(MeritReport report, MeritOutput out, const double x[])
{
  MeritGenotypes  geno  = MeritModelGenotypes(report->model);
  SnpTable        table = {0};
  const int      *fed, n = MeritModelFedTerms(report->model, &fed);
  MeritText       text = {0}, header = {0};
  const MeritSnp *snps;
  int64_t         n_animals;
  int32_t         n_snps, n_used;

  PetscFunctionBegin;
  if (!geno) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  PetscCall(MeritGenotypesSnps(geno, &snps));
  for (int i = 0; i < n; i++) table.n_values += report->formula->term[fed[i]].n_components;
  table.first = (int32_t)MeritBlockFirst(n_snps, report->size, report->rank);
  table.n     = (int32_t)MeritBlockFirst(n_snps, report->size, report->rank + 1) - table.first;
  PetscCall(PetscMalloc1((size_t)table.n * (size_t)table.n_values, &table.effect));
  /* SNPs that are not used have no effect */
  for (int64_t i = 0; i < (int64_t)table.n * table.n_values; i++) table.effect[i] = NAN;
  PetscCall(Fill(report, geno, n_snps, x, &table));
  PetscCall(Header(report, &header));
  PetscCall(Rows(geno, snps, &table, &text));
  PetscCall(MeritOutputWrite(out, "snps.tsv", header.at, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  MeritTextFree(&header);
  PetscCall(PetscFree(table.effect));
  PetscFunctionReturn(PETSC_SUCCESS);
}
