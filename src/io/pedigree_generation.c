/*
  Generations of all animals: founders 0, others 1 + the larger of the parents'.

  Rounds: each rank goes through the animals whose parents have generations (Advance), then sends
  the generations of parents to offspring on other ranks (Deliver). Each round completes at least
  one generation. A pedigree that takes more than MOST_ROUNDS is a long chain across ranks, which
  one rank computes faster alone (GenerationsAlone). Animals that never get a generation descend
  from a loop.
*/
#include "pedigree_private.h"

/* Rounds after which one rank computes all generations alone; few pedigrees take as many */
enum { MOST_ROUNDS = 64 };

/* Message from a parent with a generation to a child */
typedef struct {
  int32_t child, generation;
} Notice;

/* State of the rounds on this rank */
typedef struct {
  uint8_t *waiting; /* [n_local] parents without a generation yet */
  int32_t *ready;   /* [n_local] stack of positions in the block */
  int64_t  n_ready;
  Notice  *notice; /* [edges] */
  int64_t  n_notices;
} Progress;

/* A parent of an animal of this block has this generation; with both parents known the animal is
   ready */
static void TakeNotice(MeritPedigree ped, Progress *p, Notice notice)
{
  const int64_t i = notice.child - ped->block.first;

  if (ped->generation[i] < notice.generation + 1) ped->generation[i] = notice.generation + 1;
  if (--p->waiting[i] == 0) p->ready[p->n_ready++] = (int32_t)i;
}

/* Go on as far as this rank can without messages from others. An animal enters the stack
   once, when its last parent got a generation; children in the block are treated at once,
   others get a message. */
static void Advance(MeritPedigree ped, const PedigreeLoading *loading, Progress *p)
{
  const PedigreeBlock *block = &ped->block;
  const int64_t        last  = block->first + block->n_local;

  while (p->n_ready) {
    const int32_t i = p->ready[--p->n_ready];

    for (int64_t k = loading->child_first[i]; k < loading->child_first[i + 1]; k++) {
      const Notice notice = {.child = loading->child[k], .generation = ped->generation[i]};

      if (notice.child >= block->first && notice.child < last) TakeNotice(ped, p, notice);
      else p->notice[p->n_notices++] = notice;
    }
  }
}

/* Send the messages of this round; *n_sent of them over all ranks. Collective. */
static PetscErrorCode Deliver(MeritPedigree ped, Progress *p, int64_t *n_sent)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  Notice       *come;
  int64_t       n;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(&p->n_notices, n_sent, 1, MPI_INT64_T, MPI_SUM, ped->comm));
  if (*n_sent == 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(p->n_notices, &dest));
  for (int64_t i = 0; i < p->n_notices; i++) dest[i] = MeritBlockOwner(ped->n, ped->size, p->notice[i].child);
  PetscCall(MeritExchangeCreate(ped->comm, p->n_notices, dest, &ex));
  n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(n, &come));
  PetscCall(MeritExchangeForward(ex, sizeof(Notice), p->notice, come));
  p->n_notices = 0;
  for (int64_t i = 0; i < n; i++) TakeNotice(ped, p, come[i]);
  PetscCall(PetscFree(come));
  PetscCall(PetscFree(dest));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* State of an animal on the walk up the pedigree; a value above 0 is its generation + 1 */
static const double UNSEEN = 0, UNRESOLVED = -1, ON_THE_PATH = -2;

/* Returns a parent that was not visited yet, or -1 and the animal's own state: generation + 1, or
   UNRESOLVED if a parent is */
static int32_t NextParent(const int32_t parents[2], const double state[], double *own)
{
  *own = 1;
  for (int role = 0; role < 2; role++) {
    const int32_t p = parents[role];

    if (p < 0) continue;
    if (state[p] == UNSEEN) return p;
    /* a parent on the current path is its own descendant */
    *own = *own < 0 || state[p] < 0 ? UNRESOLVED : PetscMax(*own, state[p] + 1);
  }
  return -1;
}

/* All generations on one rank, by a depth-first walk with an explicit stack [n]: an animal
   gets its generation after its parents. The inbreeding of the window holds the states. The
   stack has the animals of the path from the start to the current one, so n positions are
   enough. */
static void Walk(const PedigreeWindow *w, int32_t stack[])
{
  for (int64_t start = 0; start < w->n; start++) {
    int64_t n = 0;

    if (w->inbreeding[start] != UNSEEN) continue;
    for (stack[n++] = (int32_t)start; n;) {
      const int32_t i = stack[n - 1];
      double        own;
      const int32_t parent = NextParent(w->parents + 2 * (int64_t)i, w->inbreeding, &own);

      w->inbreeding[i] = parent < 0 ? own : ON_THE_PATH;
      if (parent < 0) n--;
      else stack[n++] = parent;
    }
  }
}

/* The first rank of each node computes all generations, in the shared memory that inbreeding uses
   later. Collective. */
static PetscErrorCode GenerationsAlone(MeritPedigree ped)
{
  const PedigreeBlock *block = &ped->block;
  PedigreeWindow       w     = {0};
  int32_t             *stack;

  PetscFunctionBegin;
  PetscCall(PedigreeWindowCreate(ped->comm, ped->n, &w));
  for (int64_t i = 0; i < block->n_local; i++) {
    w.parents[2 * (block->first + i)]     = (int32_t)block->sire[i];
    w.parents[2 * (block->first + i) + 1] = (int32_t)block->dam[i];
  }
  PetscCall(PedigreeWindowShareParents(&w));
  if (w.memory.leaders != MPI_COMM_NULL) {
    PetscCall(PetscMalloc1(ped->n, &stack));
    Walk(&w, stack);
    PetscCall(PetscFree(stack));
  }
  PetscCall(PedigreeWindowShareInbreeding(&w, 0, ped->n));
  for (int64_t i = 0; i < block->n_local; i++) {
    const double state = w.inbreeding[block->first + i];

    ped->generation[i] = state < 0 ? -1 : (int32_t)state - 1;
  }
  PetscCall(PedigreeWindowDestroy(&w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeGenerations - See the header. An animal with both parents in one round waits for
   two notices, one of each role; selfed offspring are in the list of their parent twice.
   Animals that still wait when no messages are left descend from a loop. Collective. */
PetscErrorCode PedigreeGenerations(MeritPedigree ped, PedigreeLoading *loading)
{
  const PedigreeBlock *block  = &ped->block;
  Progress             p      = {0};
  int64_t              sent   = 1;
  int                  failed = 0, round;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(block->n_local, &ped->generation));
  PetscCall(PetscMalloc3(block->n_local, &p.waiting, block->n_local, &p.ready, loading->child_first[block->n_local], &p.notice));
  for (int64_t i = 0; i < block->n_local; i++) {
    p.waiting[i] = (uint8_t)((block->sire[i] >= 0) + (block->dam[i] >= 0));
    if (p.waiting[i] == 0) p.ready[p.n_ready++] = (int32_t)i;
  }
  for (round = 0; round < MOST_ROUNDS && sent; round++) {
    Advance(ped, loading, &p);
    PetscCall(Deliver(ped, &p, &sent));
  }
  for (int64_t i = 0; i < block->n_local; i++)
    if (p.waiting[i]) ped->generation[i] = -1;
  PetscCall(PetscFree3(p.waiting, p.ready, p.notice));
  if (sent) PetscCall(GenerationsAlone(ped));
  for (int64_t i = 0; i < block->n_local && !failed; i++) failed = ped->generation[i] < 0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, ped->comm));
  if (failed) PetscCall(PedigreeRaiseLoop(ped));
  PetscFunctionReturn(PETSC_SUCCESS);
}
