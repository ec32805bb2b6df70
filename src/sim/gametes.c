/*
  Haplotypes passed from parent to offspring, and mosaics of ancestral haplotypes for founders.

  A haplotype is a row of bits, one for each locus. It is made chromosome by chromosome: from a
  random start, stretches between crossovers are copied alternately from the parent's two
  haplotypes. For a founder the stretches come from ancestral haplotypes drawn at random, which
  gives linkage disequilibrium that decays with distance.
*/
#include "sim.h"
#include <math.h>

/* Copy bits [from, to) of a row of words */
static void CopyBits(uint64_t to_row[], const uint64_t from_row[], int32_t from, int32_t to)
{
  while (from < to) {
    int32_t word = from / 64, end = PetscMin(to, (word + 1) * 64);
    /* bits below end - 64 word, without those below from - 64 word */
    uint64_t mask = (end - word * 64 == 64 ? ~(uint64_t)0 : ((uint64_t)1 << (end - word * 64)) - 1) & (~(uint64_t)0 << (from - word * 64));

    to_row[word] = (to_row[word] & ~mask) | (from_row[word] & mask);
    from         = end;
  }
}

/* Index of a SNP among the loci; SNPs outside are moved to the nearest end */
static int32_t Locus(const SimLoci *loci, int32_t snp)
{
  int32_t inside = PetscMax(loci->from, PetscMin(loci->to, snp));

  /* QTL have numbers of their own; all SNPs of a range are numbered from its first */
  return loci->before ? loci->before[inside] : inside - loci->from;
}

/* First SNP of chromosome c at or behind position x (Morgans). SNPs lie one in each of n equal
   intervals, so it is found without a search. */
static int32_t SnpBehind(const SimGenome *g, int32_t c, double x)
{
  int32_t n = g->first[c + 1] - g->first[c], j = (int32_t)(x / g->spec->length * (double)n);

  /* the SNP of the interval that holds x may lie before x; then it is the next one */
  if (j < n && g->position[g->first[c] + j] < x) j++;
  /* n: no SNP of the chromosome lies behind x */
  return g->first[c] + PetscMin(j, n);
}

/* Haplotype to copy from after `step` switches: alternately the parent's two, or any ancestral one */
static const uint64_t *Source(const SimGenome *g, const SimLoci *loci, const MeritRandomKey *key, uint32_t step, const uint64_t parent[])
{
  if (parent) return parent + (((MeritRandomBits(key, 0) + step) & 1) ? loci->words : 0);
  return loci->ancestral + (size_t)MeritRandomBelow(key, 2 * step, (uint64_t)g->spec->ancestors) * (size_t)loci->words;
}

/* One chromosome: intervals between switches are exponential with mean 1 Morgan (founders: 1 / age) */
static void OneChromosome(const SimGenome *g, const SimLoci *loci, int32_t c, const MeritRandomKey *key, const uint64_t parent[], uint64_t to[])
{
  const double rate = parent ? 1.0 : g->spec->founder_age;
  int32_t      at   = g->first[c];
  double       x    = 0.0;

  for (uint32_t step = 0; at < g->first[c + 1] && at < loci->to; step++) {
    const uint64_t *from = Source(g, loci, key, step, parent);
    int32_t         end;

    /* next switch at distance Exp(rate); all loci up to there are copied from the current haplotype */
    x -= log(MeritRandomUniform(key, 2 * step + 1)) / rate;
    end = x < g->spec->length ? SnpBehind(g, c, x) : g->first[c + 1];
    CopyBits(to, from, Locus(loci, at), Locus(loci, end));
    at = end;
  }
}

/*
  SimHaplotype - See the header. The number of crossovers is Poisson with mean 1 per Morgan,
  without interference (Haldane 1919).
  Draws are keyed by (animal, side, chromosome) alone: the QTL during the generations and the chip
  later see the same crossovers. Not collective; thread-safe.
*/
void SimHaplotype(const SimGenome *g, const SimLoci *loci, int64_t animal, int side, const uint64_t parent[], uint64_t to[])
{
  MeritRandomKey key = SimKey(g->spec, parent ? SIM_FOR_GAMETE : SIM_FOR_FOUNDER, (uint64_t)animal);

  key.iteration = (uint32_t)side;
  for (int32_t w = 0; w < loci->words; w++) to[w] = 0;
  for (int32_t c = 0; c < g->spec->chromosomes; c++) {
    /* chromosomes without a locus are skipped; their draws have keys of their own */
    if (g->first[c + 1] <= loci->from || g->first[c] >= loci->to) continue;
    key.term = (uint32_t)c;
    OneChromosome(g, loci, c, &key, parent, to);
  }
}
