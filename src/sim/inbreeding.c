/*
  Inbreeding of simulated animals.

  F = a_ii - 1 with a_ii = sum over ancestors j of t_ij^2 d_j, from A = T D T'. Generations do not
  overlap, so the ancestors of an animal are found layer by layer, each animal once in a layer;
  general pedigrees need the methods of src/io.
*/
#include "sim.h"
#include <omp.h>
#include <stdlib.h>

/* An ancestor and its coefficient in T: the sum over all paths to it of (1/2)^length */
typedef struct {
  uint32_t number;
  double   part;
} Ancestor;

static int ByNumber(const void *a, const void *b)
{
  uint32_t x = ((const Ancestor *)a)->number, y = ((const Ancestor *)b)->number;

  return (x > y) - (x < y);
}

/* Mendelian sampling variance from the inbreeding of the parents (Henderson 1976; Quaas 1976) */
static double Mendelian(const SimAnimal *book, uint32_t number)
{
  double d = 1.0;

  if (book[number].sire != SIM_UNKNOWN) d -= 0.25 * (1.0 + (double)book[book[number].sire].F);
  if (book[number].dam != SIM_UNKNOWN) d -= 0.25 * (1.0 + (double)book[book[number].dam].F);
  return d;
}

/* Sort n ancestors by number and add up the coefficients of duplicates; returns the new number */
static int64_t Merge(Ancestor layer[], int64_t n)
{
  int64_t kept = 0;

  qsort(layer, (size_t)n, sizeof(*layer), ByNumber);
  for (int64_t i = 0; i < n; i++) {
    /* an ancestor that was reached by several paths */
    if (kept && layer[kept - 1].number == layer[i].number) layer[kept - 1].part += layer[i].part;
    else layer[kept++] = layer[i];
  }
  return kept;
}

/* F = sum over ancestors (the animal included) of coefficient^2 * d - 1 (Quaas 1976; Meuwissen and
   Luo 1992). Ancestors are handled generation by generation, so that no ordered heap is needed.
   here and next are scratch. */
static double Inbreeding(const SimAnimal *book, uint32_t number, Ancestor here[], Ancestor next[])
{
  double  F = -1.0;
  int64_t n = 1;

  if (book[number].sire == SIM_UNKNOWN || book[number].dam == SIM_UNKNOWN) return 0.0;
  here[0] = (Ancestor){number, 1.0};
  /* here: ancestors of one generation with their coefficients; next: those of the generation before */
  while (n > 0) {
    int64_t   m = 0;
    Ancestor *swap;

    for (int64_t i = 0; i < n; i++) {
      const SimAnimal *a = &book[here[i].number];

      F += here[i].part * here[i].part * Mendelian(book, here[i].number);
      if (a->sire != SIM_UNKNOWN) next[m++] = (Ancestor){a->sire, 0.5 * here[i].part};
      if (a->dam != SIM_UNKNOWN) next[m++] = (Ancestor){a->dam, 0.5 * here[i].part};
    }
    n    = Merge(next, m);
    swap = here;
    here = next;
    next = swap;
  }
  return PetscMax(F, 0.0); /* rounding may leave -1e-17 */
}

/* SimInbreeding - See the header. A generation has at most 2^g ancestors in layer g. Not
   collective; threaded. */
PetscErrorCode SimInbreeding(const SimSpec *spec, SimBook *book, int generation, int64_t start, int32_t n)
{
  int64_t   widest = 2 * (spec->animals / spec->generations + 1), layer = generation < 30 ? (int64_t)1 << generation : widest;
  size_t    room    = (size_t)(PetscMin(widest, layer) + 2);
  int       threads = omp_get_max_threads();
  Ancestor *work;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)threads * 2 * room, &work));
#pragma omp parallel num_threads(threads)
  {
    Ancestor *mine = work + (size_t)omp_get_thread_num() * 2 * room;

#pragma omp for schedule(dynamic, 256)
    for (int32_t i = 0; i < n; i++) book->animal[start + i].F = (float)Inbreeding(book->animal, (uint32_t)(start + i), mine, mine + room);
  }
  PetscCall(PetscFree(work));
  PetscFunctionReturn(PETSC_SUCCESS);
}
