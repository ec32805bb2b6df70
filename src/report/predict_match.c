/*
  Matching of SNPs with effects and SNPs of the genotypes, by name and alleles.

  Each rank has the names of all SNPs of the genotypes and looks up its own rows of the table of
  effects. Arrays by SNP (effects, coding) are then summed over the ranks: each entry comes from
  one rank, the others have 0.
*/
#include "predict_impl.h"
#include "report_impl.h"
#include <math.h>
#include <merit/exchange.h>
#include <string.h>

/* State of the matching; arrays by SNP of the genotypes */
typedef struct {
  MeritStrings    names;
  const MeritSnp *snps;
  int32_t         n;
  int32_t        *snp_of;                   /* [strings] SNP behind a name, -1: two have it */
  double         *centre, *missing, *scale; /* [n] coding */
  int64_t        *times, *least, *most;     /* [n] how often the table has it, and on which lines */
} Match;

/* Result of a comparison of alleles */
typedef enum { ALLELES_SAME, ALLELES_SWAPPED, ALLELES_OTHER } Alleles;

/* Names of the genotypes' SNPs, and arrays of zeros */
static PetscErrorCode MatchCreate(MeritPrediction p, Match *m)
{
  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(p->geno, &p->count.n_animals, &m->n, NULL));
  PetscCall(MeritGenotypesSnps(p->geno, &m->snps));
  PetscCall(MeritStringsCreate(&m->names));
  PetscCall(PetscMalloc1(m->n, &m->snp_of));
  for (int32_t j = 0, code; j < m->n; j++) {
    const int32_t before = MeritStringsCount(m->names);

    PetscCall(MeritStringsIntern(m->names, m->snps[j].name, strlen(m->snps[j].name), &code));
    /* a name that occurs twice cannot be matched */
    m->snp_of[code] = code == before ? j : -1;
  }
  PetscCall(PetscCalloc3(m->n, &m->centre, m->n, &m->missing, m->n, &m->scale));
  PetscCall(PetscCalloc3(m->n, &m->times, m->n, &m->least, m->n, &m->most));
  for (int32_t j = 0; j < m->n; j++) m->least[j] = INT64_MAX;
  p->count.n_snps = m->n;
  PetscCall(PetscCalloc1((size_t)m->n * (size_t)p->n_values, &p->effect));
  PetscCall(PetscCalloc1(p->n_values, &p->offset));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the arrays and names */
static PetscErrorCode MatchDestroy(Match *m)
{
  PetscFunctionBegin;
  PetscCall(MeritStringsDestroy(&m->names));
  PetscCall(PetscFree(m->snp_of));
  PetscCall(PetscFree3(m->centre, m->missing, m->scale));
  PetscCall(PetscFree3(m->times, m->least, m->most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is an allele unknown? PLINK writes 0 for an allele that no animal has; text genotypes have
   ".". */
static bool Unknown(const char allele[]) { return !allele[0] || !strcmp(allele, "0") || !strcmp(allele, "."); }

/* Can two alleles be the same? An unknown allele can be any. */
static bool MayBe(const char a[], const char b[]) { return Unknown(a) || Unknown(b) || !strcmp(a, b); }

/* How many of two pairs of alleles are known and the same; -1 where one pair cannot be the same */
static int Agreement(const char counted[], const char other[], const char with_counted[], const char with_other[])
{
  if (!MayBe(counted, with_counted) || !MayBe(other, with_other)) return -1;
  return (!Unknown(counted) && !strcmp(counted, with_counted)) + (!Unknown(other) && !strcmp(other, with_other));
}

/* Alleles are compared as they are written. Strands are not flipped: another letter may be another
   variant, which cannot be distinguished. Where unknown alleles allow both orders, the one with more
   known alleles alike holds: 0 A and A 0 are swapped. */
static Alleles Compare(const MeritSnp *snp, const char counted[], const char other[])
{
  const int same = Agreement(snp->counted, snp->other, counted, other), swapped = Agreement(snp->counted, snp->other, other, counted);

  if (same < 0 && swapped < 0) return ALLELES_OTHER;
  return swapped > same ? ALLELES_SWAPPED : ALLELES_SAME;
}

/* Centre of the SNP's genotypes in the run that estimated the effects, and what a missing genotype
   counted as; false if they are impossible */
static bool Coding(const PredictTable *t, int64_t row, double *centre, double *mean)
{
  const double twice = t->frequency ? 2 * t->frequency[row] : NAN;

  *centre = t->centre ? t->centre[row] : twice;
  *mean   = t->mean ? t->mean[row] : twice;
  return *centre >= 0 && *centre <= 2 && *mean >= 0 && *mean <= 2;
}

/* Has the row any effect that is not NA? */
static bool HasEffect(const PredictTable *t, int n_values, int64_t row)
{
  for (int k = 0; k < n_values; k++)
    if (!isnan(t->effect[k][row])) return true;
  return false;
}

/* Effect of value k, NA counts as 0 */
static double Effect(const PredictTable *t, int k, int64_t row) { return isnan(t->effect[k][row]) ? 0 : t->effect[k][row]; }

/* A SNP that cannot be used counts as its mean in every animal: the offset gets (mean - centre)
   effect */
static PetscErrorCode LeaveOut(MeritPrediction p, const PredictTable *t, int64_t row, double value, const char reason[])
{
  const char *name = PredictText(t, 0, row);

  PetscFunctionBegin;
  for (int k = 0; k < p->n_values; k++) p->offset[k] += value * Effect(t, k, row);
  PetscCall(MeritTextAdd(&p->excluded, "snp\t%lld\t", (long long)MeritTableLine(t->table, row)));
  PetscCall(ReportAddField(&p->excluded, name, strlen(name)));
  PetscCall(MeritTextAdd(&p->excluded, "\t%s\n", reason));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Effects and coding of SNP j from a row. m->scale is the sign of the coded genotype, -1 with
   swapped alleles, so that effects are stored as they are. */
static void Use(MeritPrediction p, const PredictTable *t, int64_t row, int32_t j, bool swapped, double centre, double mean, Match *m)
{
  const double sign = swapped ? -1 : 1;

  /* with swapped alleles, copies of the allele that the table counts are 2 - copies of the one counted
     here: effect (copies - centre) = -effect (copies here - (2 - centre)) */
  m->centre[j]  = swapped ? 2 - centre : centre;
  m->missing[j] = swapped ? 2 - mean : mean;
  m->scale[j]   = sign;
  /* effects of several traits and terms lie next to each other */
  for (int k = 0; k < p->n_values; k++) p->effect[(size_t)j * (size_t)p->n_values + (size_t)k] = Effect(t, k, row);
}

/* One row of the table: found by name, compared by alleles, and used, left out, or a fault.
   Faults are collected and agreed on by all ranks afterwards. Not collective. */
static PetscErrorCode Row(MeritPrediction p, const PredictTable *t, int64_t row, Match *m, MeritFault *fault)
{
  const char   *name = PredictText(t, 0, row), *counted = PredictText(t, 1, row), *other = PredictText(t, 2, row);
  const int64_t line = MeritTableLine(t->table, row);
  const int32_t code = MeritStringsFind(m->names, name, strlen(name));
  double        centre, mean;
  Alleles       alleles;

  PetscFunctionBegin;
  if (!HasEffect(t, p->n_values, row)) PetscFunctionReturn(PETSC_SUCCESS);
  p->count.n_effects++;
  if (!name[0]) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, p->snps, line, NULL, "the line has an effect, but no name of a SNP");
  } else if (!Coding(t, row, &centre, &mean)) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, p->snps, line, name, "the line has an effect, but no frequency (0 to 1), or no centre and mean (0 to 2)");
  } else if (code < 0) {
    /* not genotyped here: its mean contribution goes to the offset */
    p->count.absent++;
    PetscCall(LeaveOut(p, t, row, mean - centre, "not in the genotypes"));
  } else if (m->snp_of[code] < 0) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, p->snps, line, name, "two SNPs of %s have this name, so that they cannot be matched; rename one",
                  p->path);
  } else {
    const int32_t j = m->snp_of[code];

    /* counted on all ranks, so that a SNP that occurs twice in the table is found */
    m->times[j]++;
    m->least[j] = PetscMin(m->least[j], line);
    m->most[j]  = PetscMax(m->most[j], line);
    alleles     = Compare(&m->snps[j], counted, other);
    p->count.as_is += alleles == ALLELES_SAME;
    p->count.swapped += alleles == ALLELES_SWAPPED;
    p->count.other_alleles += alleles == ALLELES_OTHER;
    /* no alleles on one side: only the name says that it is the same SNP */
    p->count.by_name += (Unknown(counted) && Unknown(other)) || (Unknown(m->snps[j].counted) && Unknown(m->snps[j].other));
    if (alleles == ALLELES_OTHER) PetscCall(LeaveOut(p, t, row, mean - centre, "other alleles in the genotypes"));
    else Use(p, t, row, j, alleles == ALLELES_SWAPPED, centre, mean, m);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sum over all ranks, in pieces of bounded size. Collective. */
static PetscErrorCode Sum(MPI_Comm comm, int64_t n, double values[])
{
  const int64_t step = MeritMaxMessage() / (int64_t)sizeof(*values);

  PetscFunctionBegin;
  for (int64_t i = 0; i < n; i += step) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, values + i, (int)PetscMin(step, n - i), MPI_DOUBLE, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Combine the parts of all ranks; a SNP that occurs twice in the table is an INPUT error.
   Collective. */
static PetscErrorCode Join(MeritPrediction p, Match *m)
{
  int64_t *count = &p->count.n_rows; /* the counts of the table follow one another */

  PetscFunctionBegin;
  PetscCall(Sum(p->comm, (int64_t)m->n * p->n_values, p->effect));
  PetscCall(Sum(p->comm, m->n, m->centre));
  PetscCall(Sum(p->comm, m->n, m->missing));
  PetscCall(Sum(p->comm, m->n, m->scale));
  PetscCall(Sum(p->comm, p->n_values, p->offset));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, m->times, m->n, MPI_INT64_T, MPI_SUM, p->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, m->least, m->n, MPI_INT64_T, MPI_MIN, p->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, m->most, m->n, MPI_INT64_T, MPI_MAX, p->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 7, MPI_INT64_T, MPI_SUM, p->comm));
  for (int32_t j = 0; j < m->n; j++)
    if (m->times[j] > 1)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, p->snps, m->most[j], m->snps[j].name, "this SNP is on line %lld already", (long long)m->least[j]));
  /* SNPs of the genotypes that no row of the table with an effect names */
  p->count.without_effect = m->n - p->count.as_is - p->count.swapped - p->count.other_alleles;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Errors that make a prediction impossible: no effects, no SNP in common, text genotypes with
   another number of SNPs */
static PetscErrorCode Check(MeritPrediction p)
{
  const MeritPredictionSize *c    = &p->count;
  const char                *geno = p->path;

  PetscFunctionBegin;
  if (!c->n_effects) PetscCall(MeritRaise(MERIT_ERROR_INPUT, p->snps, 0, NULL, "predict.snps: no SNP has an effect"));
  if (!(c->as_is + c->swapped) && c->other_alleles)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno, 0, NULL,
                         "none of its SNPs can be used: of %lld with an effect in %s, %lld are here with other alleles, %lld are not here",
                         (long long)c->n_effects, p->snps, (long long)c->other_alleles, (long long)c->absent));
  if (!(c->as_is + c->swapped))
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno, 0, NULL, "has none of the %lld SNPs with an effect in %s%s", (long long)c->n_effects, p->snps,
                         !MeritGenotypesNamed(p->geno) ? "; the SNPs of text genotypes are called SNP1, SNP2, ... by position" : ""));
  /* text genotypes have no names of SNPs: they are matched by position */
  if (!MeritGenotypesNamed(p->geno) && c->n_rows != c->n_snps)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno, 0, NULL,
                         "holds %d SNPs, but %s has %lld: the SNPs of text genotypes are identified by position only", (int)c->n_snps, p->snps,
                         (long long)c->n_rows));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PredictMatch - See the header. Collective. */
PetscErrorCode PredictMatch(MeritPrediction p, const PredictTable *t)
{
  MeritFault fault = {0};
  Match      m     = {0};

  PetscFunctionBegin;
  PetscCall(MatchCreate(p, &m));
  p->count.n_rows = t->n;
  for (int64_t row = 0; row < t->n; row++) PetscCall(Row(p, t, row, &m, &fault));
  PetscCall(MeritFaultAgree(p->comm, &fault));
  PetscCall(Join(p, &m));
  PetscCall(Check(p));
  /* SNPs without an effect have scale 0, so that they add nothing */
  PetscCall(MeritMarkersCreate(p->geno, &(MeritCoding){m.centre, m.missing, m.scale}, &p->markers));
  PetscCall(MatchDestroy(&m));
  PetscFunctionReturn(PETSC_SUCCESS);
}
