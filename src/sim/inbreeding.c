#include "sim.h"
#include <omp.h>
#include <stdlib.h>

/* An ancestor and the sum over the paths to it of (1/2)^length. */
typedef struct {
  uint32_t number;
  double   part;
} Ancestor;

static int ByNumber(const void *a, const void *b)
{
  uint32_t x = ((const Ancestor *)a)->number, y = ((const Ancestor *)b)->number;

  return (x > y) - (x < y);
}

static double Mendelian(const SimAnimal *book, uint32_t number)
{
  double d = 1.0;

  if (book[number].sire != SIM_UNKNOWN) d -= 0.25 * (1.0 + (double)book[book[number].sire].F);
  if (book[number].dam != SIM_UNKNOWN) d -= 0.25 * (1.0 + (double)book[book[number].dam].F);
  return d;
}

/* Sort a layer and add up what stands there twice; returns its new size. */
static int64_t Merge(Ancestor layer[], int64_t n)
{
  int64_t kept = 0;

  qsort(layer, (size_t)n, sizeof(*layer), ByNumber);
  for (int64_t i = 0; i < n; i++) {
    if (kept && layer[kept - 1].number == layer[i].number)
      layer[kept - 1].part += layer[i].part;
    else
      layer[kept++] = layer[i];
  }
  return kept;
}

/*
  F = sum over ancestors (the animal too) of L^2 d - 1 (Quaas 1976; Meuwissen and Luo 1992). Generations do
  not overlap, so ancestors come layer after layer and no ordered heap is needed.
*/
static double Inbreeding(const SimAnimal *book, uint32_t number, Ancestor here[], Ancestor next[])
{
  double  F = -1.0;
  int64_t n = 1;

  if (book[number].sire == SIM_UNKNOWN || book[number].dam == SIM_UNKNOWN) return 0.0;
  here[0] = (Ancestor){number, 1.0};
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
  return PetscMax(F, 0.0);
}

/* Inbreeding of animals [start, start + n) of a generation whose parents' inbreeding is known. Not
   collective; threaded. */
PetscErrorCode SimInbreeding(const SimSpec *spec, SimBook *book, int generation, int64_t start, int32_t n)
{
  int64_t widest    = 2 * (spec->animals / spec->generations + 1),
          layer     = generation < 30 ? (int64_t)1 << generation : widest;
  size_t    room    = (size_t)(PetscMin(widest, layer) + 2);
  int       threads = omp_get_max_threads();
  Ancestor *work;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)threads * 2 * room, &work));
#pragma omp parallel num_threads(threads)
  {
    Ancestor *mine = work + (size_t)omp_get_thread_num() * 2 * room;

#pragma omp for schedule(dynamic, 256)
    for (int32_t i = 0; i < n; i++)
      book->animal[start + i].F = (float)Inbreeding(book->animal, (uint32_t)(start + i), mine, mine + room);
  }
  PetscCall(PetscFree(work));
  PetscFunctionReturn(PETSC_SUCCESS);
}
