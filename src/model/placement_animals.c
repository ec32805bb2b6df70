/*
  Which rank owns an animal. Animals are placed by the herd of their first record, or by that of
  relatives, so that dams and their offspring, animals and their classes are on one rank, and every
  rank has animals of all generations; without herds by their oldest ancestor in the line of dams.
  Within a herd they go by number. The order is cut into parts of equal weight. A pedigree of very
  many generations with few animals each goes by generation instead: a pass through the pedigree
  exchanges values after each generation that has parents of another rank's animals, which then are
  only those next to a cut.
*/
#include "placement.h"
#include <stdlib.h>

/* Key of an animal that has none yet */
enum { NO_KEY = -1 };

/* The animals of this rank's canonical block. key decides the order of animals over all
   ranks: a herd, an ancestor or a generation. */
typedef struct {
  int64_t        n_all, first, n;
  const int64_t *sire, *dam; /* [n]; borrowed */
  int32_t       *key;        /* [n]; owned */
  int32_t       *weight;     /* [n] work with the animal, in records; owned */
} Animals;

/* An animal counts as much as this many records: pedigree edges and vectors against one line of
   data */
static const int32_t ANIMAL_WEIGHT = 4;

/* An exchange between ranks takes about as long as a pass over so many animals; fewer generations
   are quick in any case */
enum { FEW_ANIMALS = 64, MANY_GENERATIONS = 256 };

/* Animals without a key take that of their parent in this role, if it has one; parents
   keep theirs. The answer for an item without destination leaves the key as it is.
   Collective. */
static PetscErrorCode FromParents(MPI_Comm comm, PetscMPIInt size, const int64_t parent[], Animals *a)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *asked, n;
  int32_t      *answer;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(a->n, &dest));
  for (int64_t i = 0; i < a->n; i++) dest[i] = a->key[i] == NO_KEY && parent[i] >= 0 ? MeritBlockOwner(a->n_all, size, parent[i]) : -1;
  PetscCall(MeritExchangeCreate(comm, a->n, dest, &ex));
  PetscCall(PetscFree(dest));
  n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc2(n, &asked, n, &answer));
  PetscCall(MeritExchangeForward(ex, sizeof(*asked), parent, asked));
  for (int64_t i = 0; i < n; i++) answer[i] = a->key[asked[i] - a->first];
  PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, a->key));
  PetscCall(PetscFree2(asked, answer));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Parents (of the role) without a key take that of their first offspring that has one.
   Arrivals go by rank and number, so "first" does not depend on the number of ranks.
   Collective. */
static PetscErrorCode FromOffspring(MPI_Comm comm, PetscMPIInt size, const int64_t parent[], Animals *a)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *to, n;
  int32_t      *key;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(a->n, &dest));
  for (int64_t i = 0; i < a->n; i++) dest[i] = a->key[i] != NO_KEY && parent[i] >= 0 ? MeritBlockOwner(a->n_all, size, parent[i]) : -1;
  PetscCall(MeritExchangeCreate(comm, a->n, dest, &ex));
  PetscCall(PetscFree(dest));
  n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc2(n, &to, n, &key));
  PetscCall(MeritExchangeForward(ex, sizeof(*to), parent, to));
  PetscCall(MeritExchangeForward(ex, sizeof(*key), a->key, key));
  /* arrivals come in the order of the offspring's numbers */
  for (int64_t i = 0; i < n; i++)
    if (a->key[to[i] - a->first] == NO_KEY) a->key[to[i] - a->first] = key[i];
  PetscCall(PetscFree2(to, key));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keys from the herds of first records. `rows` sends records to the ranks of their
   animals; records arrive in file order. Two rounds spread keys to relatives, by dams and
   then by sires. Who has no key after that gets a herd by number, so that such animals
   are spread evenly. Collective. */
static PetscErrorCode HerdKeys(MeritModel model, MeritExchange rows, const int64_t number[], int64_t n_keys, Animals *a)
{
  const int64_t *herd = model->rows.number[model->placing.number];
  const int64_t  n    = MeritExchangeArriving(rows);
  int64_t       *animal, *key;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &animal, n, &key));
  PetscCall(MeritExchangeForward(rows, sizeof(*animal), number, animal));
  PetscCall(MeritExchangeForward(rows, sizeof(*key), herd, key));
  for (int64_t i = 0; i < n; i++) {
    int32_t *at = a->key + (animal[i] - a->first);

    if (*at == NO_KEY && key[i] >= 0) *at = (int32_t)key[i];
  }
  PetscCall(PetscFree2(animal, key));
  for (int round = 0; round < 2; round++) {
    PetscCall(FromOffspring(model->comm, model->size, a->dam, a));
    PetscCall(FromParents(model->comm, model->size, a->dam, a));
    PetscCall(FromOffspring(model->comm, model->size, a->sire, a));
    PetscCall(FromParents(model->comm, model->size, a->sire, a));
  }
  for (int64_t i = 0; i < a->n; i++)
    if (a->key[i] == NO_KEY) a->key[i] = (int32_t)((double)(a->first + i) / (double)a->n_all * (double)n_keys);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keys are numbers of oldest ancestors in the line of dams (of the sire where the dam is
   unknown). In each round every animal takes the root of its root, which doubles the
   steps, so rounds are about log2 of the number of generations. Collective. */
static PetscErrorCode LineKeys(MeritModel model, Animals *a)
{
  int64_t *root, *next;
  int      moved = 1;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(a->n, &root, a->n, &next));
  for (int64_t i = 0; i < a->n; i++) root[i] = a->dam[i] >= 0 ? a->dam[i] : a->sire[i] >= 0 ? a->sire[i] : a->first + i;
  while (moved) {
    MeritExchange ex;
    PetscMPIInt  *dest;
    int64_t      *asked;

    PetscCall(PetscMalloc1(a->n, &dest));
    for (int64_t i = 0; i < a->n; i++) dest[i] = MeritBlockOwner(a->n_all, model->size, root[i]);
    PetscCall(MeritExchangeCreate(model->comm, a->n, dest, &ex));
    PetscCall(PetscFree(dest));
    PetscCall(PetscMalloc1(MeritExchangeArriving(ex), &asked));
    PetscCall(MeritExchangeForward(ex, sizeof(*asked), root, asked));
    for (int64_t i = 0; i < MeritExchangeArriving(ex); i++) asked[i] = root[asked[i] - a->first];
    PetscCall(MeritExchangeBack(ex, sizeof(*asked), asked, next));
    PetscCall(PetscFree(asked));
    PetscCall(MeritExchangeDestroy(&ex));
    moved = 0;
    for (int64_t i = 0; i < a->n; i++) {
      moved   = moved || next[i] != root[i];
      root[i] = next[i];
    }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &moved, 1, MPI_INT, MPI_MAX, model->comm));
  }
  for (int64_t i = 0; i < a->n; i++) a->key[i] = (int32_t)root[i];
  PetscCall(PetscFree2(root, next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keys are generations where there are many of few animals each, on average over the
   pedigree; *thin: is it so? Collective. */
static PetscErrorCode GenerationKeys(MeritModel model, Animals *a, bool *thin)
{
  const int32_t *generation;
  int64_t        n_generations = 0;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeGeneration(model->pedigree, &generation));
  for (int64_t i = 0; i < a->n; i++) n_generations = PetscMax(n_generations, generation[i] + 1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_generations, 1, MPI_INT64_T, MPI_MAX, model->comm));
  *thin = n_generations >= MANY_GENERATIONS && a->n_all / n_generations < FEW_ANIMALS;
  for (int64_t i = 0; i < a->n && *thin; i++) a->key[i] = generation[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

typedef struct {
  uint64_t at;
  double   weight;
} Sample;

/* Order of samples by position, for qsort */
static int CompareSamples(const void *a, const void *b)
{
  const uint64_t x = ((const Sample *)a)->at, y = ((const Sample *)b)->at;

  return (x > y) - (x < y);
}

/* Position of animal i of the block in the order that is cut into ranks: key, then
   number */
static uint64_t Position(const Animals *a, int64_t i) { return (uint64_t)(uint32_t)a->key[i] << 32 | (uint64_t)(a->first + i); }

/* Samples of this rank's animals at equal steps of number, at most so many, each with the
   weight of its step. A sample is the animal in the middle of its step. */
static void TakeSamples(const Animals *a, int most, Sample sample[], int *n_samples)
{
  const int64_t step = (a->n + most - 1) / most;

  *n_samples = 0;
  for (int64_t i = 0; i < a->n; i += step) {
    double weight = 0.0;

    for (int64_t j = i; j < PetscMin(i + step, a->n); j++) weight += a->weight[j];
    sample[(*n_samples)++] = (Sample){Position(a, PetscMin(i + step / 2, a->n - 1)), weight};
  }
}

/* Samples of all ranks by position, the same on all ranks, each with the weight of those
   before it; *total is that of all. At most 4096 of a rank, and about 4 million in all;
   at least 64 of a rank. */
static PetscErrorCode AllSamples(MPI_Comm comm, PetscMPIInt size, const Animals *a, Sample **all, int *n_all, double *total)
{
  const int    most = PetscMax(64, PetscMin(4096, (1 << 22) / size));
  Sample      *mine;
  PetscMPIInt *count, *first;
  int          n;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(most, &mine, size, &count, size + 1, &first));
  TakeSamples(a, most, mine, &n);
  n *= (int)sizeof(*mine);
  PetscCallMPI(MPI_Allgather(&n, 1, MPI_INT, count, 1, MPI_INT, comm));
  first[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) first[r + 1] = first[r] + count[r];
  *n_all = first[size] / (int)sizeof(**all);
  PetscCall(PetscMalloc1(*n_all, all));
  PetscCallMPI(MPI_Allgatherv(mine, n, MPI_BYTE, *all, count, first, MPI_BYTE, comm));
  qsort(*all, (size_t)*n_all, sizeof(**all), CompareSamples);
  *total = 0.0;
  for (int i = 0; i < *n_all; i++) {
    const double weight = (*all)[i].weight;

    (*all)[i].weight = *total;
    *total += weight;
  }
  PetscCall(PetscFree3(mine, count, first));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Positions at which the ranks' parts begin, [size - 1]. Cut r is the first sample with
   (r + 1) / size of the weight before it. Cuts that no sample reaches are behind all
   animals. */
static void FindCuts(PetscMPIInt size, int n_samples, const Sample sample[], double total, uint64_t cut[])
{
  int n_cuts = 0;

  for (int i = 0; i < n_samples; i++)
    while (n_cuts < size - 1 && sample[i].weight * size >= (n_cuts + 1) * total) cut[n_cuts++] = sample[i].at;
  while (n_cuts < size - 1) cut[n_cuts++] = UINT64_MAX;
}

/* Fraction of the work before a position, between samples by proportion. 0 to 1;
   two samples with an animal between them give its fraction by the distance of positions. */
static double WorkBefore(int n, const Sample sample[], double total, uint64_t position)
{
  int    low = 0, high = n; /* the first sample behind the position */
  double part;

  while (low < high) {
    const int middle = (low + high) / 2;

    if (sample[middle].at <= position) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return 0.0;
  part = low == n ? 0.0 : (double)(position - sample[low - 1].at) / (double)(sample[low].at - sample[low - 1].at);
  return (sample[low - 1].weight + part * ((low == n ? total : sample[low].weight) - sample[low - 1].weight)) / total;
}

/* placing.work_before [block]: the fraction of the work before each animal, for a planned model
   (ghosts.c) */
static PetscErrorCode KeepShares(MeritModel model, const Animals *a, int n, const Sample sample[], double total)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(a->n + 1, &model->placing.work_before));
  for (int64_t i = 0; i < a->n; i++) model->placing.work_before[i] = WorkBefore(n, sample, total, Position(a, i));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank of a position: the number of cuts at or before it */
static PetscMPIInt OwnerOf(PetscMPIInt size, const uint64_t cut[], uint64_t position)
{
  PetscMPIInt low = 0, high = size - 1;

  while (low < high) {
    const PetscMPIInt middle = (low + high) / 2;

    if (cut[middle] <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Within a rank animals go by generation, so that parents stand before offspring, then by key: dams
   in step with their offspring */
static PetscErrorCode Order(MeritModel model, const Animals *a, uint64_t **order)
{
  const int32_t *generation;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeGeneration(model->pedigree, &generation));
  PetscCall(PetscMalloc1(a->n + 1, order));
  for (int64_t i = 0; i < a->n; i++) (*order)[i] = (uint64_t)(uint32_t)generation[i] << 32 | (uint32_t)a->key[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritPlaceAnimals - Owners of the animals, and the rank each record goes to.

  Collective on the model.

  Input Parameters:
+ model  - its pedigree is set up, its records have their animals' numbers
- number - [rows] the animal of each record, below 0 for none

  Output Parameters:
+ owner - [canonical block] owner of each animal; owned by the caller, PetscFree
. order - [canonical block] what a rank's animals are arranged by; owned by the caller, PetscFree
- dest  - [rows] rank of the record's animal; this rank for none
*/
PetscErrorCode MeritPlaceAnimals(MeritModel model, const int64_t number[], PetscMPIInt **owner, uint64_t **order, PetscMPIInt dest[])
{
  Animals       a = {0};
  MeritExchange rows;
  int64_t       n_rows = model->rows.n, *animal;
  PetscMPIInt  *answer;
  uint64_t     *cut;
  Sample       *sample;
  double        total     = 0.0;
  int           n_samples = 0;
  bool          thin;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeSize(model->pedigree, &a.n_all, NULL, NULL));
  PetscCall(MeritPedigreeParents(model->pedigree, &a.first, &a.n, &a.sire, &a.dam));
  PetscCall(PetscMalloc2(a.n, &a.key, a.n, &a.weight));
  for (int64_t i = 0; i < a.n; i++) {
    a.key[i]    = NO_KEY;
    a.weight[i] = ANIMAL_WEIGHT;
  }
  for (int64_t row = 0; row < n_rows; row++) dest[row] = number[row] < 0 ? -1 : MeritBlockOwner(a.n_all, model->size, number[row]);
  PetscCall(MeritExchangeCreate(model->comm, n_rows, dest, &rows));
  PetscCall(PetscMalloc2(MeritExchangeArriving(rows), &animal, MeritExchangeArriving(rows), &answer));
  PetscCall(MeritExchangeForward(rows, sizeof(*animal), number, animal));
  for (int64_t i = 0; i < MeritExchangeArriving(rows); i++) a.weight[animal[i] - a.first]++;
  PetscCall(GenerationKeys(model, &a, &thin));
  if (!thin && model->placing.number >= 0) PetscCall(HerdKeys(model, rows, number, model->placing.n_keys, &a));
  else if (!thin) PetscCall(LineKeys(model, &a));
  PetscCall(PetscMalloc1(model->size, &cut));
  PetscCall(AllSamples(model->comm, model->size, &a, &sample, &n_samples, &total));
  FindCuts(model->size, n_samples, sample, total, cut);
  if (model->mode.planned) PetscCall(KeepShares(model, &a, n_samples, sample, total));
  PetscCall(PetscFree(sample));
  PetscCall(PetscMalloc1(a.n, owner));
  PetscCall(Order(model, &a, order));
  for (int64_t i = 0; i < a.n; i++) (*owner)[i] = OwnerOf(model->size, cut, Position(&a, i));
  for (int64_t i = 0; i < MeritExchangeArriving(rows); i++) answer[i] = (*owner)[animal[i] - a.first];
  for (int64_t row = 0; row < n_rows; row++) dest[row] = model->rank;
  PetscCall(MeritExchangeBack(rows, sizeof(*answer), answer, dest));
  PetscCall(MeritExchangeDestroy(&rows));
  PetscCall(PetscFree(cut));
  PetscCall(PetscFree2(animal, answer));
  PetscCall(PetscFree2(a.key, a.weight));
  PetscFunctionReturn(PETSC_SUCCESS);
}
