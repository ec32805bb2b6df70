/*
  Inbreeding coefficients and Mendelian sampling variances of all animals, in parallel.

  Inbreeding of an animal is half the relationship of its parents, F = a(sire, dam) / 2,
  found from the pedigree of the mating (merit/ancestry.h). The Mendelian variance of an
  animal, relative to the additive genetic variance, is d = 1 - (1 + F_sire) / 4 - (1 +
  F_dam) / 4, without the part of an unknown parent; it is the diagonal of D in A = T D T'
  (Henderson 1976).
*/
#include "pedigree_private.h"
#include <string.h>

/*
  Rounds over the generations of sires. Round g computes the inbreeding of all animals whose sire
  is of generation g; it needs the inbreeding of older generations, which earlier rounds have
  computed. Animals are renumbered by generation ("position"). The matings of a round, ordered by
  sire, are divided evenly over the ranks. A run of many generations with few matings each (a
  chain) is computed by rank 0 alone, since exchanging the results would cost more than computing
  them.
*/
enum { FEW_MATINGS = 16, LEAST_RUN = 8 }; /* of a generation, for each rank; generations of such a run */

/* Order of the animals for the rounds */
typedef struct {
  int32_t  n_levels;
  int64_t *level_first; /* [n_levels + 1] position of the first animal of each generation */
  int64_t *level_sired; /* [n_levels] animals whose sire is of the generation */
  int64_t *level_mated; /* [n_levels] of them those with a dam: their inbreeding is computed */
  bool    *alone;       /* [n_levels] the first rank computes them */
  int32_t *position;    /* [n_local] */
  int64_t *sired_first; /* [n_local] animals sired by the same generation's animals with lower positions */
  int32_t *sire, *dam;  /* [n_local] positions of the parents, -1 unknown */
} Order;

/* What an animal needs of its sire to find the rank of its mating */
typedef struct {
  int64_t sired_first;
  int32_t position, n_sired;
  int32_t generation;
} SireFacts;

/* Animals that this rank computes, sorted by sire and dam */
typedef struct {
  int64_t   n;
  uint64_t *mating; /* [n] sire's position << 32 | dam's */
  int32_t  *animal; /* [n] position */
} Matings;

/* For each of n generations: sum over lower ranks, and over all ranks. Collective. */
static PetscErrorCode SumLevels(MPI_Comm comm, int32_t n, const int64_t mine[], int64_t before[], int64_t all[])
{
  PetscFunctionBegin;
  PetscCall(PetscArrayzero(before, n));
  PetscCallMPI(MPI_Exscan(mine, before, n, MPI_INT64_T, MPI_SUM, comm));
  PetscCallMPI(MPI_Allreduce(mine, all, n, MPI_INT64_T, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Positions by generation, then canonical number; sired_first numbers the matings of a
   generation in the order of their sires. Collective. Four prefix sums over ranks give the
   numbers without any rank knowing all animals: positions before this rank in each
   generation, and offspring of sires before it. */
static PetscErrorCode OrderAnimals(MeritPedigree ped, Order *o)
{
  const PedigreeBlock *block = &ped->block;
  int64_t             *count, *sired, *next, *next_sired;

  PetscFunctionBegin;
  o->n_levels = 0;
  for (int64_t i = 0; i < block->n_local; i++) o->n_levels = PetscMax(o->n_levels, ped->generation[i] + 1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &o->n_levels, 1, MPI_INT32_T, MPI_MAX, ped->comm));
  PetscCall(PetscCalloc4(o->n_levels, &count, o->n_levels, &sired, o->n_levels, &next, o->n_levels, &next_sired));
  PetscCall(PetscMalloc2(o->n_levels + 1, &o->level_first, o->n_levels, &o->level_sired));
  PetscCall(PetscCalloc2(o->n_levels, &o->level_mated, o->n_levels, &o->alone));
  PetscCall(PetscMalloc2(block->n_local, &o->position, block->n_local, &o->sired_first));
  for (int64_t i = 0; i < block->n_local; i++) {
    count[ped->generation[i]]++;
    sired[ped->generation[i]] += ped->n_sired[i];
  }
  PetscCall(SumLevels(ped->comm, o->n_levels, count, next, o->level_first + 1));
  PetscCall(SumLevels(ped->comm, o->n_levels, sired, next_sired, o->level_sired));
  o->level_first[0] = 0;
  for (int32_t g = 0; g < o->n_levels; g++) {
    o->level_first[g + 1] += o->level_first[g];
    next[g] += o->level_first[g];
  }
  for (int64_t i = 0; i < block->n_local; i++) {
    const int32_t g = ped->generation[i];

    o->position[i]    = (int32_t)next[g]++;
    o->sired_first[i] = next_sired[g];
    next_sired[g] += ped->n_sired[i];
  }
  PetscCall(PetscFree4(count, sired, next, next_sired));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeAskParents - See the header. Numbers of parents go to the ranks that hold them,
   which answer from `have`; the exchange leaves items without a destination, animals whose
   parent is unknown, as they are. Collective. */
PetscErrorCode PedigreeAskParents(MeritPedigree ped, const int64_t parent[], size_t bytes, const void *have, void *what)
{
  const PedigreeBlock *block = &ped->block;
  MeritExchange        ex;
  PetscMPIInt         *dest;
  int64_t             *asked, n;
  char                *answer;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(block->n_local, &dest));
  for (int64_t i = 0; i < block->n_local; i++) dest[i] = parent[i] < 0 ? -1 : MeritBlockOwner(ped->n, ped->size, parent[i]);
  PetscCall(MeritExchangeCreate(ped->comm, block->n_local, dest, &ex));
  PetscCall(PetscFree(dest));
  n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(n, &asked));
  PetscCall(PetscMalloc1((size_t)n * bytes, &answer));
  PetscCall(MeritExchangeForward(ex, sizeof(*asked), parent, asked));
  for (int64_t i = 0; i < n; i++) memcpy(answer + (size_t)i * bytes, (const char *)have + (size_t)(asked[i] - block->first) * bytes, bytes);
  PetscCall(PetscFree(asked));
  PetscCall(MeritExchangeBack(ex, bytes, answer, what));
  PetscCall(PetscFree(answer));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank that computes an animal: the matings of the sires' generation are cut into equal
   blocks; a large family is cut by its dams. Offspring of one sire have consecutive positions,
   so a rank has whole families of sires but those at its ends. All animals of a mating go
   to one rank, which computes it once. */
static PetscMPIInt MatingRank(MeritPedigree ped, const Order *o, const SireFacts *sire, int32_t dam)
{
  const int64_t all      = o->level_sired[sire->generation];
  const double  fraction = (double)dam / (double)ped->n; /* cuts a large family by its dams */
  const int64_t position = sire->sired_first + (int64_t)(fraction * sire->n_sired);

  return MeritBlockOwner(all, ped->size, PetscMin(position, all - 1));
}

/* Matings of each generation of sires, and the runs of generations that rank 0 computes
   alone. Collective. A run is a sequence of generations with few matings each, empty ones
   included; at least LEAST_RUN of them must have matings, else exchange costs little. With
   one rank nothing is done alone. */
static PetscErrorCode ChooseAlone(MeritPedigree ped, Order *o, const SireFacts sire[])
{
  const PedigreeBlock *block = &ped->block;
  const int64_t        few   = (int64_t)FEW_MATINGS * ped->size;

  PetscFunctionBegin;
  for (int64_t i = 0; i < block->n_local; i++)
    if (block->sire[i] >= 0 && block->dam[i] >= 0) o->level_mated[sire[i].generation]++;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, o->level_mated, o->n_levels, MPI_INT64_T, MPI_SUM, ped->comm));
  for (int32_t g = 0, end; g < o->n_levels; g = end + 1) {
    int32_t n = 0;

    for (end = g; end < o->n_levels && o->level_mated[end] <= few; end++) n += o->level_mated[end] > 0;
    for (int32_t k = g; k < end && n >= LEAST_RUN; k++) o->alone[k] = ped->size > 1;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Positions of all parents; dest [n_local] = the rank that computes each animal's inbreeding, -1
   where it is 0 (a parent is unknown). Collective. */
static PetscErrorCode FindParents(MeritPedigree ped, Order *o, PetscMPIInt dest[])
{
  const PedigreeBlock *block = &ped->block;
  SireFacts           *mine, *sire;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(block->n_local, &o->sire, block->n_local, &o->dam));
  PetscCall(PetscMalloc2(block->n_local, &mine, block->n_local, &sire));
  for (int64_t i = 0; i < block->n_local; i++) {
    o->dam[i] = -1;
    mine[i] = (SireFacts){.sired_first = o->sired_first[i], .position = o->position[i], .n_sired = ped->n_sired[i], .generation = ped->generation[i]};
  }
  PetscCall(PedigreeAskParents(ped, block->sire, sizeof(*mine), mine, sire));
  PetscCall(PedigreeAskParents(ped, block->dam, sizeof(*o->dam), o->position, o->dam));
  PetscCall(ChooseAlone(ped, o, sire));
  for (int64_t i = 0; i < block->n_local; i++) {
    o->sire[i] = block->sire[i] < 0 ? -1 : sire[i].position;
    dest[i]    = -1;
    if (block->sire[i] >= 0 && block->dam[i] >= 0) dest[i] = o->alone[sire[i].generation] ? 0 : MatingRank(ped, o, sire + i, o->dam[i]);
  }
  PetscCall(PetscFree2(mine, sire));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Send the animals to the ranks that compute them, and sort them there by mating.
   Collective. The key has the sire in its high half, so sorted matings are in the order of
   the generations of sires, which is the order of the rounds. */
static PetscErrorCode DealMatings(MeritPedigree ped, const Order *o, const PetscMPIInt dest[], Matings *m)
{
  const PedigreeBlock *block = &ped->block;
  MeritExchange        ex;
  uint64_t            *mating;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(block->n_local, &mating));
  for (int64_t i = 0; i < block->n_local; i++) mating[i] = (uint64_t)(uint32_t)o->sire[i] << 32 | (uint32_t)o->dam[i];
  PetscCall(MeritExchangeCreate(ped->comm, block->n_local, dest, &ex));
  m->n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc2(m->n, &m->mating, m->n, &m->animal));
  PetscCall(MeritExchangeForward(ex, sizeof(*mating), mating, m->mating));
  PetscCall(MeritExchangeForward(ex, sizeof(*o->position), o->position, m->animal));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(mating));
  PetscCall(MeritSortKeys(m->n, m->mating, m->animal));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Inbreeding of animals [begin, end) of the list into F; each distinct mating is computed once
   (full sibs have the same) */
static PetscErrorCode ComputeMatings(const MeritAncestry *ancestry, const Matings *m, int64_t begin, int64_t end, double F[])
{
  int32_t *sire, *dam;
  double  *f;
  int64_t  n    = 0;
  size_t   room = (size_t)(end - begin);

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(room, &sire, room, &dam, room, &f));
  for (int64_t k = begin; k < end; k++) {
    if (k > begin && m->mating[k] == m->mating[k - 1]) continue;
    sire[n]  = (int32_t)(m->mating[k] >> 32);
    dam[n++] = (int32_t)(m->mating[k] & UINT32_MAX);
  }
  PetscCall(MeritAncestryInbreeding(ancestry, n, sire, dam, f));
  n = -1;
  for (int64_t k = begin; k < end; k++) {
    n += k == begin || m->mating[k] != m->mating[k - 1];
    F[m->animal[k]] = f[n];
  }
  PetscCall(PetscFree3(sire, dam, f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Share the inbreeding computed so far with all nodes, before round g. At the start of a run that
   rank 0 computes alone, also that of the generations within the run: their animals may have older
   sires, whose rounds are done. */
static PetscErrorCode ShareBefore(const Order *o, int32_t g, int64_t shared, PedigreeWindow *w)
{
  int32_t last = g;

  PetscFunctionBegin;
  if (o->alone[g])
    while (last + 1 < o->n_levels && o->alone[last + 1]) last++;
  if (o->level_first[last] > shared) PetscCall(PedigreeWindowShareInbreeding(w, shared, o->level_first[last]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All rounds. Nodes exchange results only when a round needs those of other ranks.
   Collective. A round of all ranks needs what any rank computed since the last exchange
   (pending). A round of rank 0 alone needs only what was computed by all ranks (dealt), for
   its own results are on its node. Ranks agree on both, since they come from counts that
   all have. */
static PetscErrorCode ComputeRounds(const Order *o, const Matings *m, PedigreeWindow *w)
{
  const MeritAncestry ancestry = {.n_levels = o->n_levels, .level_first = o->level_first, .parents = w->parents, .inbreeding = w->inbreeding};
  int64_t             begin = 0, end = 0, shared = 0, all = 0, done = 0;
  bool                dealt = false, pending = false; /* rounds since the last exchange: of all ranks, of any */

  PetscFunctionBegin;
  for (int32_t g = 0; g < o->n_levels; g++) all += o->level_mated[g];
  for (int32_t g = 0; g < o->n_levels; g++) {
    if (o->level_mated[g] == 0) continue;
    if (o->alone[g] ? dealt : pending) {
      PetscCall(ShareBefore(o, g, shared, w));
      shared = o->level_first[g];
      dealt = pending = false;
    }
    while (end < m->n && (int64_t)(m->mating[end] >> 32) < o->level_first[g + 1]) end++;
    if (end > begin) PetscCall(ComputeMatings(&ancestry, m, begin, end, w->inbreeding));
    begin   = end;
    pending = true;
    dealt   = dealt || !o->alone[g];
    if (100 * done / all != 100 * (done + o->level_mated[g]) / all) MeritLogProgress((double)(done + o->level_mated[g]) / (double)all, "inbreeding");
    done += o->level_mated[g];
  }
  PetscCall(PedigreeWindowShareInbreeding(w, shared, w->n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mendelian variance if no parent were inbred: 1, 3/4 or 1/2 */
static double Outbred(MeritPedigree ped, int64_t i) { return 1.0 - 0.25 * ((ped->block.sire[i] >= 0) + (ped->block.dam[i] >= 0)); }

/* F and d of this rank's block from the shared arrays; d below 1e-8 is a fault. Collective.
   Below 1e-8 the row of an animal in A^-1, which is divided by d, would be rounding error. */
static PetscErrorCode TakeResults(MeritPedigree ped, const Order *o, const PedigreeWindow *w)
{
  const PedigreeBlock *block    = &ped->block;
  const MeritAncestry  ancestry = {.n_levels = o->n_levels, .level_first = o->level_first, .parents = w->parents, .inbreeding = w->inbreeding};
  MeritFault           fault    = {0};

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(block->n_local, &ped->F, block->n_local, &ped->d));
  for (int64_t i = 0; i < block->n_local; i++) {
    ped->F[i] = w->inbreeding[o->position[i]];
    ped->d[i] = ped->options.outbred ? Outbred(ped, i) : MeritAncestryMendelian(&ancestry, o->position[i]);
    if (ped->d[i] < 1e-8)
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, ped->options.path, block->line[i], MeritDictLocal(ped->dict, block->first + i, NULL),
                    "its Mendelian sampling variance is %.3g of the genetic variance: its parents are fully "
                    "inbred, so that A "
                    "has no inverse",
                    ped->d[i]);
  }
  PetscCall(MeritFaultAgree(ped->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Parents by position in the shared arrays of each node. Collective. Each rank writes its
   animals; PedigreeWindowShareParents makes them known to all nodes. */
static PetscErrorCode FillWindow(MeritPedigree ped, const Order *o, PedigreeWindow *w)
{
  PetscFunctionBegin;
  PetscCall(PedigreeWindowCreate(ped->comm, ped->n, w));
  for (int64_t i = 0; i < ped->block.n_local; i++) {
    w->parents[2 * (int64_t)o->position[i]]     = o->sire[i];
    w->parents[2 * (int64_t)o->position[i] + 1] = o->dam[i];
  }
  PetscCall(PedigreeWindowShareParents(w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeSetUp - Compute inbreeding and Mendelian variances, loading the pedigree first if
  need be.

  Collective. Further calls do nothing. The result has the same bits for any number of ranks and
  threads. While it runs, each node holds (sire, dam, inbreeding) of all animals once, 16 bytes an
  animal.

  Errors: INPUT when a Mendelian variance is below 1e-8; SYSTEM when the node's memory does not
  suffice.
@*/
PetscErrorCode MeritPedigreeSetUp(MeritPedigree ped)
{
  Order          order   = {0};
  Matings        matings = {0};
  PedigreeWindow window  = {0};
  PetscMPIInt   *dest;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeLoad(ped));
  if (ped->set_up) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(OrderAnimals(ped, &order));
  PetscCall(PetscMalloc1(ped->block.n_local, &dest));
  PetscCall(FindParents(ped, &order, dest));
  PetscCall(PetscFree(ped->n_sired));
  PetscCall(FillWindow(ped, &order, &window));
  PetscCall(DealMatings(ped, &order, dest, &matings));
  PetscCall(PetscFree(dest));
  PetscCall(PetscFree2(order.sire, order.dam));
  PetscCall(ComputeRounds(&order, &matings, &window));
  PetscCall(TakeResults(ped, &order, &window));
  PetscCall(PedigreeWindowDestroy(&window));
  PetscCall(PetscFree2(matings.mating, matings.animal));
  PetscCall(PetscFree2(order.position, order.sired_first));
  PetscCall(PetscFree2(order.level_first, order.level_sired));
  PetscCall(PetscFree2(order.level_mated, order.alone));
  ped->set_up = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}
