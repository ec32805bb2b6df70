/*
  Mating: sires and dams for the animals of a generation.

  Candidates of the generation before are selected on all ranks (the best by a selection index, or
  at random). Each newborn draws one of them: an index in the list of all selected candidates over
  the ranks. The parent's values and haplotypes then come from the rank that holds the parent, by
  one exchange for sires and one for dams.
*/
#include "sim.h"
#include <math.h>
#include <string.h>

/* The selected candidates of one sex */
typedef struct {
  int32_t *chosen; /* local animals; owned */
  int64_t *offset; /* [size + 1]; owned */
} List;

/* A key whose ascending order is the descending order of the value: bits of -value with the order
   of signed numbers */
static uint64_t Descending(double value)
{
  double   turned = -value;
  uint64_t bits;

  memcpy(&bits, &turned, sizeof(bits));
  /* IEEE numbers as unsigned keys: negative ones reversed, positive ones above them */
  return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* Selection index: true value + noise of variance G (1 - r^2) / r^2, so that its correlation with
   the true value is r in the base population */
static double Index(const SimSpec *spec, int64_t number, const double value[])
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_INDEX, (uint64_t)number);
  int            t   = spec->select_trait;
  double         r2  = spec->select_accuracy * spec->select_accuracy;

  /* r2 = r^2: Var(value) / (Var(value) + noise) = r^2 in the base population */
  return value[t] + sqrt(spec->G[t * spec->n_traits + t] * (1.0 - r2) / r2) * MeritRandomNormal(&key, 0);
}

/* Sort key of a candidate: by index, or random */
static uint64_t CandidateKey(const SimSpec *spec, bool sires, int64_t number, const double value[])
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_CANDIDATE, (uint64_t)number);

  return sires && spec->select_best ? Descending(Index(spec, number, value)) : MeritRandomBits(&key, 0);
}

/* Candidates of one sex here that are among the k best over all ranks (k = 0: all). Collective.
   USAGE error if there are too few. */
static PetscErrorCode Choose(MeritSimulation sim, int generation, bool sires, const SimGeneration *from, int64_t k, List *list)
{
  const SimSpec *spec = &sim->spec;
  uint64_t      *key, cut  = UINT64_MAX;
  int64_t       *number, n = 0, total, last = INT64_MAX, m = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(from->n_local, &key, from->n_local, &number));
  PetscCall(PetscMalloc1(from->n_local, &list->chosen));
  for (int32_t i = 0; i < from->n_local; i++) {
    if (sim->book.animal[from->start + i].male != sires) continue;
    number[n]       = from->start + i;
    list->chosen[n] = i;
    key[n++]        = CandidateKey(spec, sires, from->start + i, from->value + (size_t)i * (size_t)spec->n_traits);
  }
  /* k = 0 means that all animals of the sex are candidates; at least one is needed */
  PetscCallMPI(MPI_Allreduce(&n, &total, 1, MPI_INT64_T, MPI_SUM, sim->comm));
  if (total < PetscMax(k, 1))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL,
                         "generation %d has %lld %s, but %lld are to be parents: see population.males, population.%s", generation - 1,
                         (long long)total, sires ? "males" : "females", (long long)PetscMax(k, 1), sires ? "sires" : "dams"));
  /* only the selected candidates stay in the list, in the order of their numbers */
  if (k) PetscCall(SimSelect(sim->comm, n, key, number, k, &cut, &last));
  for (int64_t i = 0; i < n; i++)
    if (SimChosen(key[i], number[i], cut, last)) list->chosen[m++] = list->chosen[i];
  PetscCall(PetscFree2(key, number));
  PetscCall(PetscMalloc1(sim->size + 1, &list->offset));
  list->offset[0] = 0;
  PetscCallMPI(MPI_Allgather(&m, 1, MPI_INT64_T, list->offset + 1, 1, MPI_INT64_T, sim->comm));
  for (PetscMPIInt r = 0; r < sim->size; r++) list->offset[r + 1] += list->offset[r];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank whose part of the list holds index `position` */
static PetscMPIInt Owner(PetscMPIInt size, const int64_t offset[], int64_t position)
{
  PetscMPIInt low = 0, high = size;

  while (high - low > 1) {
    PetscMPIInt middle = (low + high) / 2;

    if (offset[middle] <= position) low = middle;
    else high = middle;
  }
  return low;
}

/* Draw the parent of each newborn: owner [n_local] its rank (-1: unknown), position [n_local] its
   index in that rank's list */
static void Draw(MeritSimulation sim, bool sires, const SimGeneration *born, const List *list, PetscMPIInt owner[], int32_t position[])
{
  const SimSpec *spec    = &sim->spec;
  const double   unknown = sires ? spec->unknown_sire : spec->unknown_dam;

  for (int32_t i = 0; i < born->n_local; i++) {
    MeritRandomKey key = SimKey(spec, sires ? SIM_FOR_SIRE : SIM_FOR_DAM, (uint64_t)(born->start + i));
    int64_t        at  = (int64_t)MeritRandomBelow(&key, 0, (uint64_t)list->offset[sim->size]);

    /* an unknown parent is drawn after the known one, so that `unknown` does not change the others */
    owner[i]    = MeritRandomUniform(&key, 1) < unknown ? -1 : Owner(sim->size, list->offset, at);
    position[i] = owner[i] < 0 ? 0 : (int32_t)(at - list->offset[owner[i]]);
  }
}

/* Values and haplotypes of a parent, as one item */
static void Pack(MeritSimulation sim, const SimGeneration *from, int32_t animal, SimParent *to)
{
  const size_t n = (size_t)sim->spec.n_traits, words = 2 * (size_t)sim->genome.loci.words;
  double      *polygenic = (double *)(void *)(to + 1);

  to->number = (uint32_t)(from->start + animal);
  to->herd   = from->herd[animal];
  memcpy(polygenic, from->polygenic + (size_t)animal * n, n * sizeof(double));
  /* item: SimParent, n polygenic values, two haplotypes; all of 8-byte alignment */
  if (words) memcpy(polygenic + n, from->genes + (size_t)animal * words, words * sizeof(uint64_t));
}

/* SimMate - See the header. Collective. */
PetscErrorCode SimMate(MeritSimulation sim, int generation, bool sires, const SimGeneration *from, const SimGeneration *born, SimParents *parents)
{
  const SimSpec *spec = &sim->spec;
  List           list;
  PetscMPIInt   *owner;
  int32_t       *position, *asked;
  char          *answers;
  MeritExchange  ex;

  PetscFunctionBegin;
  parents->stride = sizeof(SimParent) + (size_t)spec->n_traits * sizeof(double) + 2 * (size_t)sim->genome.loci.words * sizeof(uint64_t);
  PetscCall(Choose(sim, generation, sires, from, sires ? spec->sires : spec->dams, &list));
  PetscCall(PetscMalloc2(born->n_local, &owner, born->n_local, &position));
  Draw(sim, sires, born, &list, owner, position);
  PetscCall(MeritExchangeCreate(sim->comm, born->n_local, owner, &ex));
  PetscCall(PetscMalloc1(MeritExchangeArriving(ex), &asked));
  PetscCall(MeritExchangeForward(ex, sizeof(*position), position, asked));
  PetscCall(PetscMalloc1((size_t)MeritExchangeArriving(ex) * parents->stride, &answers));
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++)
    Pack(sim, from, list.chosen[asked[i]], (SimParent *)(void *)(answers + (size_t)i * parents->stride));
  PetscCall(PetscMalloc1((size_t)born->n_local * parents->stride, &parents->at));
  /* items of unknown parents get no answer and keep this number */
  for (int32_t i = 0; i < born->n_local; i++) ((SimParent *)(void *)(parents->at + (size_t)i * parents->stride))->number = SIM_UNKNOWN;
  PetscCall(MeritExchangeBack(ex, parents->stride, answers, parents->at));
  PetscCall(PetscFree(answers));
  PetscCall(PetscFree(asked));
  PetscCall(PetscFree2(owner, position));
  PetscCall(PetscFree(list.chosen));
  PetscCall(PetscFree(list.offset));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}
