/*
  Births: the animals of a generation from their parents.

  Each rank makes a block of the newborn. It gets the values and haplotypes of their parents from
  the ranks that hold them (mating.c), enters them in the herd book, and computes herd, polygenic
  value, haplotypes at the QTL, and true value.
*/
#include "sim.h"
#include <math.h>

/* SimGenerationFree - See the header. Not collective. */
PetscErrorCode SimGenerationFree(SimGeneration *g)
{
  PetscFunctionBegin;
  PetscCall(PetscFree4(g->herd, g->polygenic, g->value, g->genes));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Arrays for this rank's block of a generation */
static PetscErrorCode Allocate(MeritSimulation sim, int generation, SimGeneration *g)
{
  const SimSpec *spec = &sim->spec;
  int64_t        end;

  PetscFunctionBegin;
  g->first   = SimGenerationFirst(spec, generation);
  g->n       = SimGenerationFirst(spec, generation + 1) - g->first;
  g->start   = g->first + MeritBlockFirst(g->n, sim->size, sim->rank);
  end        = g->first + MeritBlockFirst(g->n, sim->size, sim->rank + 1);
  g->n_local = (int32_t)(end - g->start);
  PetscCall(PetscMalloc4(g->n_local, &g->herd, (size_t)g->n_local * (size_t)spec->n_traits, &g->polygenic,
                         (size_t)g->n_local * (size_t)spec->n_traits, &g->value, (size_t)g->n_local * 2 * (size_t)sim->genome.loci.words, &g->genes));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Enter the newborn of this rank in the herd book, with their inbreeding, and share it with all
   nodes. Collective. */
static PetscErrorCode Register(MeritSimulation sim, int generation, const SimGeneration *born, const SimParents parents[2])
{
  PetscFunctionBegin;
  /* Founders have unknown parents; the draw of an unknown parent has the same number, SIM_UNKNOWN */
  for (int32_t i = 0; i < born->n_local; i++) {
    SimAnimal *a = &sim->book.animal[born->start + i];

    *a      = (SimAnimal){.sire = SIM_UNKNOWN, .dam = SIM_UNKNOWN};
    a->male = SimIsMale(&sim->spec, born->start + i);
    if (generation == 0) continue;
    a->sire = SimParentOf(&parents[0], i)->number;
    a->dam  = SimParentOf(&parents[1], i)->number;
  }
  PetscCall(SimInbreeding(&sim->spec, &sim->book, generation, born->start, born->n_local));
  PetscCall(SimBookShare(&sim->book, born->first, born->n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Herd of an animal: its dam's, unless it moves or has no known dam; then a random one */
static int32_t Herd(const SimSpec *spec, int64_t number, const SimParent *dam)
{
  MeritRandomKey key  = SimKey(spec, SIM_FOR_HERD, (uint64_t)number);
  bool           stay = dam && dam->number != SIM_UNKNOWN && MeritRandomUniform(&key, 0) >= spec->moved;

  return stay ? dam->herd : (int32_t)MeritRandomBelow(&key, 1, (uint64_t)spec->herds);
}

/* Polygenic value: mean of the known parents' values + Mendelian sampling term of variance d G (1 -
   share of the QTL), with d = 1 - sum over known parents of (1 + F) / 4. An unknown parent is an
   unrelated base animal, as the pedigree model assumes. */
static void Polygenic(MeritSimulation sim, int64_t number, const SimParent *const parent[2], double v[])
{
  const SimSpec *spec = &sim->spec;
  MeritRandomKey key  = SimKey(spec, SIM_FOR_MENDEL, (uint64_t)number);
  double         d    = 1.0;

  for (int t = 0; t < spec->n_traits; t++) v[t] = 0.0;
  for (int side = 0; side < 2; side++) {
    if (!parent[side] || parent[side]->number == SIM_UNKNOWN) continue;
    d -= 0.25 * (1.0 + (double)sim->book.animal[parent[side]->number].F);
    /* half of each known parent's value */
    for (int t = 0; t < spec->n_traits; t++) v[t] += 0.5 * SimParentPolygenic(parent[side])[t];
  }
  /* Mendelian sampling: L_G z sqrt(d), reduced by the share of the QTL */
  SimNormals(&key, spec->n_traits, spec->L_G, sqrt(d * (1.0 - spec->share)), v);
}

/* Two haplotypes at the QTL, and the sum over QTL of effect (copies - 2 frequency) added to the
   true values */
static void Genes(MeritSimulation sim, int64_t number, const SimParent *const parent[2], uint64_t genes[], double v[])
{
  const SimGenome *g = &sim->genome;
  const int        n = sim->spec.n_traits;

  for (int side = 0; side < 2; side++) {
    bool known = parent[side] && parent[side]->number != SIM_UNKNOWN;

    SimHaplotype(g, &g->loci, number, side, known ? SimParentGenes(parent[side], n) : NULL, genes + side * g->loci.words);
  }
  /* Copies of allele 1 at QTL q, centred by twice its base frequency, so that the base population
     has mean 0 */
  for (int32_t q = 0; q < g->n_qtl; q++) {
    int copies = (int)((genes[q / 64] >> (q % 64)) & 1) + (int)((genes[g->loci.words + q / 64] >> (q % 64)) & 1);

    for (int t = 0; t < n; t++) v[t] += g->effect[q * n + t] * ((double)copies - 2.0 * g->frequency[q]);
  }
}

/* All newborn of this rank; draws are keyed by animal, so threads do not matter */
static void BearAll(MeritSimulation sim, int generation, const SimParents parents[2], SimGeneration *born)
{
  const size_t n = (size_t)sim->spec.n_traits, words = 2 * (size_t)sim->genome.loci.words;

#pragma omp parallel for schedule(static)
  for (int32_t i = 0; i < born->n_local; i++) {
    const SimParent *parent[2] = {NULL, NULL};
    double          *a = born->polygenic + (size_t)i * n, *v = born->value + (size_t)i * n;

    /* founders have no parents to look up */
    for (int side = 0; generation > 0 && side < 2; side++) parent[side] = SimParentOf(&parents[side], i);
    born->herd[i] = Herd(&sim->spec, born->start + i, parent[1]);
    Polygenic(sim, born->start + i, parent, a);
    /* the true value is the polygenic value plus the QTL, which Genes() adds */
    for (size_t t = 0; t < n; t++) v[t] = a[t];
    if (words) Genes(sim, born->start + i, parent, born->genes + (size_t)i * words, v);
  }
}

/* SimBirths - See the header. Collective. */
PetscErrorCode SimBirths(MeritSimulation sim, int generation, const SimGeneration *from, SimGeneration *born)
{
  SimParents parents[2] = {{0}};

  PetscFunctionBegin;
  PetscCall(Allocate(sim, generation, born));
  for (int side = 0; generation > 0 && side < 2; side++) PetscCall(SimMate(sim, generation, side == 0, from, born, &parents[side]));
  PetscCall(Register(sim, generation, born, parents));
  BearAll(sim, generation, parents, born);
  for (int side = 0; side < 2; side++) PetscCall(PetscFree(parents[side].at));
  PetscFunctionReturn(PETSC_SUCCESS);
}
