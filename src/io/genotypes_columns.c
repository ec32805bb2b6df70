/*
  What is decided once the genotypes of all animals are counted: frequencies, which SNPs
  are used, columns of each rank, centre and scale of each column, mean diagonal of MM'.
  Every rank has the counts of all SNPs and does the same, so nothing is sent; only a file
  of frequencies is read in parts and joined.

  With p the frequency of the counted allele, observed or from the file, and m = copies -
  centre:
  - centre = 2p (0 without centring); a missing genotype counts as 2p copies.
  - scale: 1 (none); 1 / sqrt(sum 2p(1-p)) (vanraden; VanRaden 2008); 1 / sqrt(2p(1-p)) of
    each SNP (standardised; VanRaden 2008); 1 / sqrt(SNPs used) (count); 1 / sqrt(mean
    diagonal of the unscaled MM') (trace).
*/
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <merit/log.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* What the file of frequencies has of each SNP of the table. While it is read, the part of
   this rank; after JoinFrequencies() that of all ranks, where value counts only for SNPs
   with times = 1. */
typedef struct {
  /* value is 0 where the part of a rank has no line, so that parts can be added */
  double  *value;                /* [n_snps] NaN where the file has none; owned */
  int64_t *times, *least, *most; /* [n_snps]; owned */
} Frequencies;

/* Frequency, missing genotypes and column of M of every SNP, and n_used. count [n_snps * 4]
   over all animals. An SNP is used if both alleles occur (or if all are wanted, `whole`);
   columns are in the order of the file. */
static void CountSnps(MeritGenotypes geno, const int64_t count[])
{
  geno->columns.n_used = 0;
  for (int32_t j = 0; j < geno->n_snps; j++) {
    const int64_t *c     = count + 4 * (size_t)j;
    const int64_t  known = c[0] + c[1] + c[2], copies = c[1] + 2 * c[2];
    MeritSnp      *snp = &geno->snps[j];

    snp->n_missing = c[3];
    snp->frequency = known ? (double)copies / (2 * (double)known) : NAN;
    snp->column    = geno->options.whole || (copies > 0 && copies < 2 * known) ? geno->columns.n_used++ : -1;
  }
}

/* Make the arrays of the columns of M, and find the columns of this rank's tile. Errors:
   INPUT if no SNP is used. The same on all ranks. */
static PetscErrorCode ChooseColumns(MeritGenotypes geno)
{
  GenoColumns *columns = &geno->columns;

  PetscFunctionBegin;
  if (!columns->n_used)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.path, 0, NULL,
                         "none of the %d SNPs can be used: each is missing in all animals or has one allele only", (int)geno->n_snps));
  PetscCall(PetscMalloc1(columns->n_used, &columns->used));
  PetscCall(PetscMalloc3(columns->n_used, &columns->scale, columns->n_used, &columns->centre, columns->n_used, &columns->missing));
  for (int32_t j = 0; j < geno->n_snps; j++)
    if (geno->snps[j].column >= 0) columns->used[geno->snps[j].column] = j;
  geno->tile.col_first = GenoColumnsFirst(geno, geno->grid_col);
  geno->tile.n_cols    = GenoColumnsFirst(geno, geno->grid_col + 1) - geno->tile.col_first;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Warn of used SNPs on sex chromosomes and mitochondria: males have one copy or none there,
   so that 0, 1, 2 copies do not mean the same as on autosomes */
static void WarnOfSexChromosomes(MeritGenotypes geno)
{
  static const char *const sex[] = {"X", "Y", "XY", "MT", "M"};
  int32_t                  n     = 0;

  for (int32_t c = 0; c < geno->columns.n_used; c++) {
    const char *name = geno->snps[geno->columns.used[c]].chromosome;

    if (!strncasecmp(name, "chr", 3)) name += 3;
    for (int i = 0; i < 5; i++) n += !strcmp(name, sex[i]);
  }
  if (n)
    MeritLog(MERIT_LOG_WARNING, "%s: %d SNPs on chromosome X, Y, XY or MT (chrX, chrM...) are treated as if they were on autosomes",
             geno->options.path, (int)n);
}

/* A line "snp frequency" into the table. Names of SNPs that are not used are passed over,
   as are names that the genotypes do not have. A name on several lines is noted in `times`
   and becomes an error in JoinFrequencies(). Faults: fields, a value that is not in [0, 1].
   Not collective. */
static PetscErrorCode ReadFrequency(const GenoLines *lines, const char *at, int64_t length, MeritStrings names, const int32_t snp_of[],
                                    Frequencies *file, MeritFault *fault)
{
  const char   *field[2], *extra, *end = at + length;
  const int64_t n = GenoField(&at, end, &field[0]), size = GenoField(&at, end, &field[1]);
  double        value;
  int32_t       code, snp;

  PetscFunctionBegin;
  if (!size || GenoField(&at, end, &extra)) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "a line must be \"snp frequency\"");
  } else if (!GenoNumber(field[1], size, &value) || value < 0 || value > 1) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "frequency \"%.*s\" is not a number from 0 to 1", GENO_SHOWN(size),
                  field[1]);
  } else if ((code = MeritStringsFind(names, field[0], (size_t)n)) >= 0) {
    snp              = snp_of[code];
    file->value[snp] = value;
    file->times[snp]++;
    file->least[snp] = PetscMin(file->least[snp], lines->line);
    file->most[snp]  = PetscMax(file->most[snp], lines->line);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pool of the names of the used SNPs, and the SNP of the table behind each code; both owned
   by the caller. Errors: INPUT for a name of two SNPs, which could not be looked up. The
   same on all ranks. */
static PetscErrorCode NameSnps(MeritGenotypes geno, MeritStrings *names, int32_t **snp_of)
{
  const GenoColumns *columns = &geno->columns;

  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(names));
  PetscCall(PetscMalloc1(columns->n_used, snp_of));
  for (int32_t c = 0; c < columns->n_used; c++) {
    const char *name = geno->snps[columns->used[c]].name;
    int32_t     code;

    PetscCall(MeritStringsIntern(*names, name, strlen(name), &code));
    if (code != c)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.path, 0, name,
                           "two SNPs have this name, so that a file of frequencies cannot distinguish them; rename one"));
    (*snp_of)[c] = columns->used[c];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Put the parts of the ranks together and check them: each used SNP has exactly one line.
   value is added, since it is 0 on ranks without the line. Errors: INPUT. Collective. */
static PetscErrorCode JoinFrequencies(MeritGenotypes geno, Frequencies *file)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->value, geno->n_snps, MPI_DOUBLE, MPI_SUM, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->times, geno->n_snps, MPI_INT64_T, MPI_SUM, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->least, geno->n_snps, MPI_INT64_T, MPI_MIN, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->most, geno->n_snps, MPI_INT64_T, MPI_MAX, geno->comm));
  for (int32_t c = 0; c < geno->columns.n_used; c++) {
    const int32_t j    = geno->columns.used[c];
    const char   *name = geno->snps[j].name;

    if (file->times[j] > 1)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.frequency_file, file->most[j], name, "this SNP is on line %lld already",
                           (long long)file->least[j]));
    if (!file->times[j])
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.frequency_file, 0, name, "this SNP of %s has no frequency here", geno->options.path));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Frequencies of the used SNPs from the file that the job names. Each rank reads lines of
   its byte range; arrays of *file are owned by the caller, PetscFree4. Collective. Errors:
   INPUT. */
static PetscErrorCode ReadFrequencies(MeritGenotypes geno, Frequencies *file)
{
  MeritFault   fault = {0};
  GenoLines    lines;
  MeritStrings names;
  int32_t     *snp_of;
  const char  *at;
  int64_t      length;

  PetscFunctionBegin;
  PetscCall(PetscCalloc4(geno->n_snps, &file->value, geno->n_snps, &file->times, geno->n_snps, &file->least, geno->n_snps, &file->most));
  for (int32_t j = 0; j < geno->n_snps; j++) file->least[j] = INT64_MAX;
  PetscCall(NameSnps(geno, &names, &snp_of));
  PetscCall(GenoLinesOpen(geno->comm, geno->options.frequency_file, 0, &lines));
  for (;;) {
    PetscCall(GenoLinesNext(&lines, &at, &length, &fault));
    if (!at) break;
    PetscCall(ReadFrequency(&lines, at, length, names, snp_of, file, &fault));
  }
  PetscCall(GenoLinesClose(&lines, &fault));
  PetscCall(MeritStringsDestroy(&names));
  PetscCall(PetscFree(snp_of));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  PetscCall(JoinFrequencies(geno, file));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* centre and missing of each column, and p [n_used] for the scales: from the file where
   there is one, else observed. Collective where there is a file. */
static PetscErrorCode Centre(MeritGenotypes geno, double p[])
{
  GenoColumns *columns = &geno->columns;
  Frequencies  file    = {0};

  PetscFunctionBegin;
  if (geno->options.frequency_file) PetscCall(ReadFrequencies(geno, &file));
  for (int32_t c = 0; c < columns->n_used; c++) {
    p[c]                = file.value ? file.value[columns->used[c]] : geno->snps[columns->used[c]].frequency;
    columns->centre[c]  = geno->options.centred ? 2 * p[c] : 0;
    columns->missing[c] = 2 * p[c];
  }
  PetscCall(PetscFree4(file.value, file.times, file.least, file.most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sum over all animals of (copies - centre)^2 of column c, before it is scaled; from the
   counts of the four codes */
static double ColumnSquares(const GenoColumns *columns, const int64_t count[], int32_t c)
{
  const int64_t *n       = count + 4 * (size_t)columns->used[c];
  double         squares = 0;

  for (int g = 0; g < 4; g++) {
    const double m = (g == 3 ? columns->missing[c] : g) - columns->centre[c];

    squares += m * m * (double)n[g];
  }
  return squares;
}

/* sum_2pq over used SNPs, and the mean diagonal of the unscaled MM': the sum of squares of
   all of M by the number of genotyped animals */
static void Diagonals(MeritGenotypes geno, const int64_t count[], const double p[])
{
  GenoColumns *columns = &geno->columns;
  double       squares = 0;

  columns->sum_2pq = 0;
  for (int32_t c = 0; c < columns->n_used; c++) {
    columns->sum_2pq += 2 * p[c] * (1 - p[c]);
    squares += ColumnSquares(columns, count, c);
  }
  columns->mean_diagonal = squares / (double)geno->n_animals;
}

/* The largest scale of a column: a frequency, or a sum of 2pq, that asks for more is none of a
   population */
static const double LARGEST_SCALE = 1e6;

/* The scale of each column (see the top of the file). A scale that is not finite or too
   large means that the frequencies do not fit the genotypes: an INPUT error, also for NaN,
   which fails the comparison. The same on all ranks. */
static PetscErrorCode Scale(MeritGenotypes geno, const double p[])
{
  GenoColumns *columns = &geno->columns;
  double       all     = 1;

  PetscFunctionBegin;
  if (geno->options.scaling == MERIT_SCALE_VANRADEN) all = 1 / sqrt(columns->sum_2pq);
  if (geno->options.scaling == MERIT_SCALE_COUNT) all = 1 / sqrt((double)columns->n_used);
  if (geno->options.scaling == MERIT_SCALE_TRACE) all = 1 / sqrt(columns->mean_diagonal);
  if (!(all <= LARGEST_SCALE))
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.frequency_file ? geno->options.frequency_file : geno->options.path, 0, NULL,
                         "the SNPs cannot be scaled: none varies at these frequencies"));
  for (int32_t c = 0; c < columns->n_used; c++) {
    const double variance = 2 * p[c] * (1 - p[c]);

    columns->scale[c] = all;
    if (geno->options.scaling != MERIT_SCALE_STANDARDISED) continue;
    if (!(1 / sqrt(variance) <= LARGEST_SCALE))
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.frequency_file, 0, geno->snps[columns->used[c]].name,
                           "with frequency %g this SNP cannot be standardised", p[c]));
    columns->scale[c] = 1 / sqrt(variance);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  GenoChooseColumns - Frequencies, SNPs used, this rank's columns, centre and scale.

  Collective. count[n_snps * 4] are the animals with 0, 1, 2 copies and with a missing genotype,
  over all ranks.
*/
PetscErrorCode GenoChooseColumns(MeritGenotypes geno, const int64_t count[])
{
  GenoColumns *columns = &geno->columns;
  double      *p;

  PetscFunctionBegin;
  CountSnps(geno, count);
  PetscCall(ChooseColumns(geno));
  WarnOfSexChromosomes(geno);
  if (geno->options.whole) {
    for (int32_t c = 0; c < columns->n_used; c++) columns->centre[c] = columns->missing[c] = 0, columns->scale[c] = 1;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(columns->n_used, &p));
  PetscCall(Centre(geno, p));
  Diagonals(geno, count, p);
  PetscCall(Scale(geno, p));
  for (int32_t c = 0; c < columns->n_used; c++)
    columns->scaled_diagonal += columns->scale[c] * columns->scale[c] * ColumnSquares(columns, count, c) / (double)geno->n_animals;
  PetscCall(PetscFree(p));
  PetscFunctionReturn(PETSC_SUCCESS);
}
