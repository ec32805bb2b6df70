/*
  The genome: map of the SNPs, ancestral haplotypes, and QTL with their effects.

  Everything is drawn by keys of the SNP's number, so every rank computes the same arrays without
  communication. Alleles of ancestral haplotypes at SNPs that are not QTL are computed again where
  they are needed (chip.c), which saves memory.
*/
#include "sim.h"
#include <math.h>

/* SimAncestralAlleles - See the header. The number of haplotypes with the allele is uniform on 1 ..
   ancestors - 1, and they are drawn at random. SNPs are drawn independently: linkage disequilibrium
   comes from the small number of ancestral haplotypes alone. */
double SimAncestralAlleles(const SimSpec *spec, int32_t snp, uint8_t allele[])
{
  MeritRandomKey key  = SimKey(spec, SIM_FOR_SNP_ALLELE, (uint64_t)snp);
  int32_t        n    = spec->ancestors;
  int32_t        ones = 1 + (int32_t)MeritRandomBelow(&key, 0, (uint64_t)(n - 1)), need = ones;

  /* Selection sampling: exactly `need` of the remaining n - k haplotypes */
  for (int32_t k = 0; k < n; k++) {
    allele[k] = MeritRandomUniform(&key, (uint32_t)(k + 1)) * (double)(n - k) < (double)need;
    need -= allele[k];
  }
  return (double)ones / (double)n;
}

/* SNPs divided evenly over chromosomes, one at a random position in each of equal intervals
   (Morgans) */
static PetscErrorCode Map(const SimSpec *spec, SimGenome *g)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc2(spec->chromosomes + 1, &g->first, spec->snps, &g->position));
  for (int32_t c = 0; c <= spec->chromosomes; c++) /* every chromosome has the same number of SNPs, up to one */
    g->first[c] = (int32_t)MeritBlockFirst(spec->snps, spec->chromosomes, c);
  for (int32_t c = 0; c < spec->chromosomes; c++)
    for (int32_t j = g->first[c]; j < g->first[c + 1]; j++) {
      MeritRandomKey key = SimKey(spec, SIM_FOR_SNP_POSITION, (uint64_t)j);

      g->position[j] = ((double)(j - g->first[c]) + MeritRandomUniform(&key, 0)) / (double)(g->first[c + 1] - g->first[c]) * spec->length;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Draw the SNPs that are QTL (selection sampling), and store their ancestral haplotypes and base
   frequencies */
static PetscErrorCode ChooseQtl(const SimSpec *spec, SimGenome *g)
{
  int32_t words = (spec->n_qtl + 63) / 64, n = 0;
  uint8_t allele[256];

  PetscFunctionBegin;
  g->n_qtl = spec->n_qtl;
  PetscCall(
      PetscMalloc4(g->n_qtl, &g->qtl, spec->snps + 1, &g->before, g->n_qtl, &g->frequency, (size_t)g->n_qtl * (size_t)spec->n_traits, &g->effect));
  PetscCall(PetscCalloc1((size_t)spec->ancestors * (size_t)words, &g->ancestral));
  for (int32_t j = 0; j < spec->snps; j++) {
    MeritRandomKey key = SimKey(spec, SIM_FOR_QTL, (uint64_t)j);

    g->before[j] = n;
    /* SNP j is chosen with probability (QTL still wanted) / (SNPs left), which gives exactly n_qtl */
    if (MeritRandomUniform(&key, 0) * (double)(spec->snps - j) >= (double)(g->n_qtl - n)) continue;
    g->frequency[n] = SimAncestralAlleles(spec, j, allele);
    for (int32_t k = 0; k < spec->ancestors; k++) g->ancestral[k * words + n / 64] |= (uint64_t)allele[k] << (n % 64);
    g->qtl[n++] = j;
  }
  g->before[spec->snps] = n;
  g->loci               = (SimLoci){0, spec->snps, g->before, words, g->ancestral};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x = L^-1 x; 0 where the pivot is 0 */
static void SolveLower(int n, const double L[], double x[])
{
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < i; k++) x[i] -= L[i * n + k] * x[k];
    x[i] = L[i * n + i] > 0.0 ? x[i] / L[i * n + i] : 0.0;
  }
}

/* Effects of the QTL: normal draws z, transformed to a = sqrt(share) L_G L_V^-1 z with V = sum 2pq
   z z'. Then sum 2pq a a' is exactly share * G, whatever was drawn. */
static PetscErrorCode QtlEffects(const SimSpec *spec, SimGenome *g)
{
  const int n                        = spec->n_traits;
  double    V[MERIT_MAX_TRAIT_BLOCK] = {0}, root[MERIT_MAX_TRAIT_BLOCK], z[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  for (int32_t q = 0; q < g->n_qtl; q++) {
    MeritRandomKey key = SimKey(spec, SIM_FOR_QTL_EFFECT, (uint64_t)g->qtl[q]);
    double        *a = g->effect + q * n, w = 2.0 * g->frequency[q] * (1.0 - g->frequency[q]);

    for (int t = 0; t < n; t++) a[t] = MeritRandomNormal(&key, (uint32_t)t);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) V[i * n + j] += w * a[i] * a[j];
  }
  /* V = L_V L_V' is the variance that the normal draws give by chance */
  SimCholesky(n, V, root);
  for (int32_t q = 0; q < g->n_qtl; q++) {
    double *a = g->effect + q * n;

    for (int t = 0; t < n; t++) z[t] = a[t];
    SolveLower(n, root, z);
    for (int i = 0; i < n; i++) {
      a[i] = 0.0;
      /* a = sqrt(share) L_G (L_V^-1 z): variance share * G */
      for (int k = 0; k <= i; k++) a[i] += sqrt(spec->share) * spec->L_G[i * n + k] * z[k];
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimGenomeSetUp - See the header. Not collective: the same on every rank. */
PetscErrorCode SimGenomeSetUp(const SimSpec *spec, SimGenome *g)
{
  PetscFunctionBegin;
  g->spec = spec;
  if (!spec->has_chip) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Map(spec, g));
  if (!spec->n_qtl) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(ChooseQtl(spec, g));
  PetscCall(QtlEffects(spec, g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimGenomeFree - See the header. Not collective. */
PetscErrorCode SimGenomeFree(SimGenome *g)
{
  PetscFunctionBegin;
  PetscCall(PetscFree2(g->first, g->position));
  PetscCall(PetscFree4(g->qtl, g->before, g->frequency, g->effect));
  PetscCall(PetscFree(g->ancestral));
  PetscFunctionReturn(PETSC_SUCCESS);
}
