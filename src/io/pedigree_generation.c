#include "pedigree_private.h"

/* An animal whose parents have generations hands its own on; other ranks hear of it at the end of the round */
typedef struct {
  int32_t child, generation;
} Notice;

typedef struct {
  uint8_t *waiting; /* [n_local] parents without a generation yet */
  int32_t *ready;   /* [n_local] stack of places in the block */
  int64_t  n_ready, n_done;
  Notice  *notice; /* [edges] */
  int64_t  n_notices;
} Progress;

static void TakeNotice(MeritPedigree ped, Progress *p, Notice notice)
{
  const int64_t i = notice.child - ped->first;

  if (ped->generation[i] < notice.generation + 1) ped->generation[i] = notice.generation + 1;
  if (--p->waiting[i] == 0) p->ready[p->n_ready++] = (int32_t)i;
}

/* Go on as far as this rank can by itself */
static void Advance(MeritPedigree ped, const PedigreeLoading *loading, Progress *p)
{
  const int64_t last = ped->first + ped->n_local;

  while (p->n_ready) {
    const int32_t i = p->ready[--p->n_ready];

    p->n_done++;
    for (int64_t k = loading->child_first[i]; k < loading->child_first[i + 1]; k++) {
      const Notice notice = {.child = loading->child[k], .generation = ped->generation[i]};

      if (notice.child >= ped->first && notice.child < last)
        TakeNotice(ped, p, notice);
      else
        p->notice[p->n_notices++] = notice;
    }
  }
}

/* Send the round's notices; the number of them over all ranks */
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

/*
  PedigreeGenerations - Generation of every animal: 0 for founders, else 1 + the larger of the parents'.
  Collective, in rounds: each rank goes as far as it can, then tells the others. What is left at the end
  descends from a loop.
*/
PetscErrorCode PedigreeGenerations(MeritPedigree ped, PedigreeLoading *loading)
{
  Progress p = {0};
  int64_t  sent, done;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(ped->n_local, &ped->generation));
  PetscCall(PetscMalloc3(ped->n_local, &p.waiting, ped->n_local, &p.ready, loading->child_first[ped->n_local],
                         &p.notice));
  for (int64_t i = 0; i < ped->n_local; i++) {
    p.waiting[i] = (uint8_t)((ped->sire[i] >= 0) + (ped->dam[i] >= 0));
    if (p.waiting[i] == 0) p.ready[p.n_ready++] = (int32_t)i;
  }
  do {
    Advance(ped, loading, &p);
    PetscCall(Deliver(ped, &p, &sent));
  } while (sent);
  PetscCallMPI(MPI_Allreduce(&p.n_done, &done, 1, MPI_INT64_T, MPI_SUM, ped->comm));
  if (done < ped->n) {
    for (int64_t i = 0; i < ped->n_local; i++)
      if (p.waiting[i]) ped->generation[i] = -1;
    PetscCall(PedigreeRaiseLoop(ped));
  }
  PetscCall(PetscFree3(p.waiting, p.ready, p.notice));
  PetscFunctionReturn(PETSC_SUCCESS);
}
