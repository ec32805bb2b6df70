/* From the counts of all animals: frequencies, which SNPs are used, centre and scale of each, and who holds
   which columns. */
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <merit/log.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* Frequencies from a file, of the SNPs of the table: how often a name was met, on which lines, and its value */
typedef struct {
  double  *value;                /* [n_snps] NaN where the file has none; owned */
  int64_t *times, *least, *most; /* [n_snps]; owned */
} Frequencies;

static void CountSnps(MeritGenotypes geno, const int64_t count[])
{
  geno->n_used = 0;
  for (int32_t j = 0; j < geno->n_snps; j++) {
    const int64_t *c     = count + 4 * (size_t)j;
    const int64_t  known = c[0] + c[1] + c[2], copies = c[1] + 2 * c[2];
    MeritSnp      *snp = &geno->snps[j];

    snp->n_missing = c[3];
    snp->frequency = known ? (double)copies / (2 * (double)known) : NAN;
    snp->column    = geno->whole || (copies > 0 && copies < 2 * known) ? geno->n_used++ : -1;
  }
}

static PetscErrorCode ChooseColumns(MeritGenotypes geno)
{
  PetscFunctionBegin;
  if (!geno->n_used)
    PetscCall(
        MeritRaise(MERIT_ERROR_INPUT, geno->path, 0, NULL,
                   "none of the %d SNPs can be used: each is missing in all animals or has one allele only",
                   (int)geno->n_snps));
  PetscCall(PetscMalloc1(geno->n_used, &geno->used));
  PetscCall(
      PetscMalloc3(geno->n_used, &geno->scale, geno->n_used, &geno->centre, geno->n_used, &geno->missing));
  for (int32_t j = 0; j < geno->n_snps; j++)
    if (geno->snps[j].column >= 0) geno->used[geno->snps[j].column] = j;
  geno->tile.col_first = GenoColumnsFirst(geno, geno->grid_col);
  geno->tile.n_cols    = GenoColumnsFirst(geno, geno->grid_col + 1) - geno->tile.col_first;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void WarnOfSexChromosomes(MeritGenotypes geno)
{
  static const char *const sex[] = {"X", "Y", "XY", "MT", "M"};
  int32_t                  n     = 0;

  for (int32_t c = 0; c < geno->n_used; c++) {
    const char *name = geno->snps[geno->used[c]].chromosome;

    if (!strncasecmp(name, "chr", 3)) name += 3;
    for (int i = 0; i < 5; i++) n += !strcmp(name, sex[i]);
  }
  if (n)
    MeritLog(MERIT_LOG_WARNING,
             "%s: %d SNPs on chromosome X, Y, XY or MT (chrX, chrM...) are treated as if they were on autosomes", geno->path,
             (int)n);
}

/* A line "snp frequency" into the table; SNPs that the genotypes do not have are passed over */
static PetscErrorCode ReadFrequency(const GenoLines *lines, const char *at, int64_t length,
                                    MeritStrings names, const int32_t snp_of[], Frequencies *file,
                                    MeritFault *fault)
{
  const char   *field[2], *extra, *end = at + length;
  const int64_t n = GenoField(&at, end, &field[0]), size = GenoField(&at, end, &field[1]);
  double        value;
  int32_t       code, snp;

  PetscFunctionBegin;
  if (!size || GenoField(&at, end, &extra)) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL,
                  "a line must be \"snp frequency\"");
  } else if (!GenoNumber(field[1], size, &value) || value < 0 || value > 1) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL,
                  "frequency \"%.*s\" is not a number from 0 to 1", GENO_SHOWN(size), field[1]);
  } else if ((code = MeritStringsFind(names, field[0], (size_t)n)) >= 0) {
    snp              = snp_of[code];
    file->value[snp] = value;
    file->times[snp]++;
    file->least[snp] = PetscMin(file->least[snp], lines->line);
    file->most[snp]  = PetscMax(file->most[snp], lines->line);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the used SNPs; a name that two of them share cannot be looked up */
static PetscErrorCode NameSnps(MeritGenotypes geno, MeritStrings *names, int32_t **snp_of)
{
  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(names));
  PetscCall(PetscMalloc1(geno->n_used, snp_of));
  for (int32_t c = 0; c < geno->n_used; c++) {
    const char *name = geno->snps[geno->used[c]].name;
    int32_t     code;

    PetscCall(MeritStringsIntern(*names, name, strlen(name), &code));
    if (code != c)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->path, 0, name,
                           "two SNPs have this name, so that a file of frequencies cannot tell them apart"));
    (*snp_of)[c] = geno->used[c];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Put the ranks' parts of the file together and check them: each used SNP once */
static PetscErrorCode JoinFrequencies(MeritGenotypes geno, Frequencies *file)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->value, geno->n_snps, MPI_DOUBLE, MPI_SUM, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->times, geno->n_snps, MPI_INT64_T, MPI_SUM, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->least, geno->n_snps, MPI_INT64_T, MPI_MIN, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, file->most, geno->n_snps, MPI_INT64_T, MPI_MAX, geno->comm));
  for (int32_t c = 0; c < geno->n_used; c++) {
    const int32_t j    = geno->used[c];
    const char   *name = geno->snps[j].name;

    if (file->times[j] > 1)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->frequency_file, file->most[j], name,
                           "this SNP is on line %lld already", (long long)file->least[j]));
    if (!file->times[j])
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->frequency_file, 0, name,
                           "this SNP of %s has no frequency here", geno->path));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode ReadFrequencies(MeritGenotypes geno, Frequencies *file)
{
  MeritFault   fault = {0};
  GenoLines    lines;
  MeritStrings names;
  int32_t     *snp_of;
  const char  *at;
  int64_t      length;

  PetscFunctionBegin;
  PetscCall(PetscCalloc4(geno->n_snps, &file->value, geno->n_snps, &file->times, geno->n_snps, &file->least,
                         geno->n_snps, &file->most));
  for (int32_t j = 0; j < geno->n_snps; j++) file->least[j] = INT64_MAX;
  PetscCall(NameSnps(geno, &names, &snp_of));
  PetscCall(GenoLinesOpen(geno->comm, geno->frequency_file, 0, &lines));
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

/* Centre of each column, what a missing genotype counts as, and p[] of the scales */
static PetscErrorCode Centre(MeritGenotypes geno, double p[])
{
  Frequencies file = {0};

  PetscFunctionBegin;
  if (geno->frequency_file) PetscCall(ReadFrequencies(geno, &file));
  for (int32_t c = 0; c < geno->n_used; c++) {
    p[c]             = file.value ? file.value[geno->used[c]] : geno->snps[geno->used[c]].frequency;
    geno->centre[c]  = geno->centred ? 2 * p[c] : 0;
    geno->missing[c] = 2 * p[c];
  }
  PetscCall(PetscFree4(file.value, file.times, file.least, file.most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sum of the squares of a column of M before it is scaled */
static double ColumnSquares(const MeritGenotypes geno, const int64_t count[], int32_t c)
{
  const int64_t *n       = count + 4 * (size_t)geno->used[c];
  double         squares = 0;

  for (int g = 0; g < 4; g++) {
    const double m = (g == 3 ? geno->missing[c] : g) - geno->centre[c];

    squares += m * m * (double)n[g];
  }
  return squares;
}

static void Diagonals(MeritGenotypes geno, const int64_t count[], const double p[])
{
  double squares = 0;

  geno->sum_2pq = 0;
  for (int32_t c = 0; c < geno->n_used; c++) {
    geno->sum_2pq += 2 * p[c] * (1 - p[c]);
    squares += ColumnSquares(geno, count, c);
  }
  geno->mean_diagonal = squares / (double)geno->n_animals;
}

/* The largest scale of a column: a frequency, or a sum of 2pq, that asks for more is none of a population */
static const double LARGEST_SCALE = 1e6;

/* The scale of each column (VanRaden 2008 for the divisor sum 2pq and for the columns by sqrt 2pq) */
static PetscErrorCode Scale(MeritGenotypes geno, const double p[])
{
  double all = 1;

  PetscFunctionBegin;
  if (geno->scaling == MERIT_SCALE_VANRADEN) all = 1 / sqrt(geno->sum_2pq);
  if (geno->scaling == MERIT_SCALE_COUNT) all = 1 / sqrt((double)geno->n_used);
  if (geno->scaling == MERIT_SCALE_TRACE) all = 1 / sqrt(geno->mean_diagonal);
  if (!(all <= LARGEST_SCALE))
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->frequency_file ? geno->frequency_file : geno->path, 0, NULL,
                         "the SNPs cannot be scaled: none varies at these frequencies"));
  for (int32_t c = 0; c < geno->n_used; c++) {
    const double variance = 2 * p[c] * (1 - p[c]);

    geno->scale[c] = all;
    if (geno->scaling != MERIT_SCALE_STANDARDISED) continue;
    if (!(1 / sqrt(variance) <= LARGEST_SCALE))
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->frequency_file, 0, geno->snps[geno->used[c]].name,
                           "with frequency %g this SNP cannot be standardised", p[c]));
    geno->scale[c] = 1 / sqrt(variance);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  GenoSettle - Frequencies, SNPs used, this rank's columns, centre and scale.

  Collective. count[n_snps * 4] are the animals with 0, 1, 2 copies and with a missing genotype, over all ranks.
*/
PetscErrorCode GenoSettle(MeritGenotypes geno, const int64_t count[])
{
  double *p;

  PetscFunctionBegin;
  CountSnps(geno, count);
  PetscCall(ChooseColumns(geno));
  WarnOfSexChromosomes(geno);
  if (geno->whole) {
    for (int32_t c = 0; c < geno->n_used; c++) geno->centre[c] = geno->missing[c] = 0, geno->scale[c] = 1;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(geno->n_used, &p));
  PetscCall(Centre(geno, p));
  Diagonals(geno, count, p);
  PetscCall(Scale(geno, p));
  for (int32_t c = 0; c < geno->n_used; c++)
    geno->scaled_diagonal += geno->scale[c] * geno->scale[c] * ColumnSquares(geno, count, c) / (double)geno->n_animals;
  PetscCall(PetscFree(p));
  PetscFunctionReturn(PETSC_SUCCESS);
}
