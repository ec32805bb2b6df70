/*
  merit_ped: zero-fill incomplete Cholesky of the pedigree part. Elimination order: the largest fixed class term (herd-year), then
  animals, youngest generation first. In that order A^-1 = (I - P)' D^-1 (I - P) is its own factor, without fill; only the data perturb it.
  What an animal passes on couples its parents; of that the diagonal blocks are kept, so the factor is positive definite by
  construction, and no entry of A^-1 is dropped. Generations are exchanged exactly between ranks: the factor does not depend on
  their number. All other terms keep the inverse of their diagonal blocks.
*/
#include "pc_impl.h"
#include <merit/log.h>

/* One pedigree term */
typedef struct {
  int                 term;
  MeritPedigreeFactor factor;
  int32_t            *list;  /* owned animals by generation, NULL: as they stand; owned */
  int32_t            *start; /* [n_generations + 1]; owned */
  PetscSF            *link;  /* [n_generations] halo of a generation, NULL where no rank has ghosts of it; owned */
} Pedigree;

typedef struct {
  int                      n_terms;
  const MeritTermView     *term;
  const MeritRecordKernel *records;
  const int               *first_regressor;
  int32_t                  n_owned, n_local;
  int                      n_generations; /* 1: parents stand before offspring and one rank has them all */
  int                      n_pedigrees;
  Pedigree                *pedigree;  /* [n_pedigrees]; owned */
  int                      herd;      /* the fixed term that is eliminated first, or -1 */
  PetscSF                  herd_link; /* its halo, NULL if no rank has ghosts; owned */
  double                  *herd_inverse; /* [n_owned * n_eq^2] inverse blocks, 0 for pinned equations; owned */
  double                  *herd_kept; /* [n_owned * n_eq * k]; owned */
  double                  *inverse;   /* blocks of the other terms, one after another; owned */
  double                  *v;         /* [places * k]; owned */
  int                      k;
} PedPC;

static PetscErrorCode Free(PedPC *p)
{
  PetscFunctionBegin;
  for (int i = 0; i < p->n_pedigrees; i++) {
    Pedigree *ped = &p->pedigree[i];

    for (int g = 0; g < p->n_generations; g++) PetscCall(PetscSFDestroy(&ped->link[g]));
    PetscCall(PetscFree(ped->link));
    PetscCall(PetscFree(ped->list));
    PetscCall(PetscFree(ped->start));
    PetscCall(PetscFree(ped->factor.pivot));
    PetscCall(PetscFree(ped->factor.pass));
  }
  PetscCall(PetscFree(p->pedigree));
  PetscCall(PetscSFDestroy(&p->herd_link));
  PetscCall(PetscFree(p->herd_inverse));
  PetscCall(PetscFree(p->herd_kept));
  PetscCall(PetscFree(p->inverse));
  PetscCall(PetscFree(p->v));
  *p = (PedPC){.herd = -1};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The part of the halo whose roots are n chosen equations; NULL if it moves nothing on any rank */
static PetscErrorCode SubHalo(PetscSF halo, MPI_Comm comm, PetscInt n, const PetscInt roots[], PetscSF *link)
{
  PetscInt n_leaves;

  PetscFunctionBegin;
  PetscCall(PetscSFCreateEmbeddedRootSF(halo, n, roots, link));
  PetscCall(PetscSFGetGraph(*link, NULL, &n_leaves, NULL, NULL));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_leaves, 1, MPIU_INT, MPI_SUM, comm));
  if (!n_leaves) PetscCall(PetscSFDestroy(link));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Are all parents owned here and before their offspring? Then one pass in the order of the equations will do */
static bool ParentsFirst(const MeritTermView *t)
{
  for (int32_t i = 0; i < t->n_owned; i++) {
    const int32_t own = t->eq_owned + i * t->n_eq;

    if (t->sire[i] >= own || t->dam[i] >= own) return false;
  }
  return true;
}

/* Owned animals by generation, each in the order of the equations */
static PetscErrorCode SortGenerations(const MeritTermView *t, int n_generations, Pedigree *ped)
{
  int32_t *next;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_generations + 1, &ped->start));
  if (n_generations == 1) {
    ped->start[1] = t->n_owned;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int32_t i = 0; i < t->n_owned; i++) ped->start[t->generation[i] + 1]++;
  for (int g = 0; g < n_generations; g++) ped->start[g + 1] += ped->start[g];
  PetscCall(PetscMalloc1(t->n_owned + 1, &ped->list));
  PetscCall(PetscMalloc1(n_generations, &next));
  PetscCall(PetscArraycpy(next, ped->start, n_generations));
  for (int32_t i = 0; i < t->n_owned; i++) ped->list[next[t->generation[i]]++] = i;
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode LinkGenerations(const MeritTermView *t, PetscSF halo, MPI_Comm comm, int n_generations, Pedigree *ped)
{
  PetscMPIInt size;
  PetscInt   *roots;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_generations, &ped->link));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (size == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)t->n_eq + 1, &roots));
  for (int g = 0; g < n_generations; g++) {
    PetscInt n = 0;

    for (int32_t l = ped->start[g]; l < ped->start[g + 1]; l++)
      for (int e = 0; e < t->n_eq; e++) roots[n++] = t->eq_owned + (ped->list ? ped->list[l] : l) * t->n_eq + e;
    PetscCall(SubHalo(halo, comm, n, roots, &ped->link[g]));
  }
  PetscCall(PetscFree(roots));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Generations over all ranks and pedigree terms */
static PetscErrorCode CountGenerations(PedPC *p, MPI_Comm comm)
{
  PetscMPIInt size;
  int         n = 1;
  bool        first = true;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    if (t->kind != MERIT_TERM_PED) continue;
    for (int32_t i = 0; i < t->n_owned; i++) n = PetscMax(n, t->generation[i] + 1);
    first = first && ParentsFirst(t);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_INT, MPI_MAX, comm));
  p->n_generations = size == 1 && first ? 1 : n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The largest fixed term of pure classes, by levels over all ranks */
static int FindHerd(const PedPC *p)
{
  int herd = -1;

  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    if (t->kind != MERIT_TERM_FIXED || t->n_regressors != 1 || t->design[0].value || t->n_levels < 2) continue;
    if (herd < 0 || t->n_levels > p->term[herd].n_levels) herd = k;
  }
  return herd;
}

/* Inverse blocks of the first term with pinned equations out, and the same on ghosts: B[n_local * n] */
static PetscErrorCode SetUpHerd(PedPC *p, MeritModel model, const double *blocks, double **B)
{
  const MeritTermView *t     = &p->term[p->herd];
  const uint8_t       *state = MeritModelEquationState(model);
  const int            n     = t->n_eq;
  PetscSF              halo  = MeritModelHalo(model);
  PetscInt            *roots;
  MPI_Datatype         unit;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)(n * n) + 1, &p->herd_inverse));
  PetscCall(PetscCalloc1((size_t)p->n_local * (size_t)n + 1, B));
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)n + 1, &roots));
  for (int32_t i = 0; i < t->n_owned * n; i++) roots[i] = t->eq_owned + i;
  PetscCall(SubHalo(halo, MeritModelComm(model), (PetscInt)t->n_owned * n, roots, &p->herd_link));
  PetscCall(PetscFree(roots));
  for (int32_t level = 0; level < t->n_owned; level++)
    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        const int32_t first  = t->eq_owned + level * n;
        const bool    pinned = state[first + a] != MERIT_EQ_OK || state[first + b] != MERIT_EQ_OK;
        const double  value  = pinned ? 0.0 : blocks[((int64_t)level * n + a) * n + b];

        p->herd_inverse[((int64_t)level * n + a) * n + b] = value;
        (*B)[(int64_t)(first + a) * n + b]                = value;
      }
  PetscCall(MeritUnitCreate(n, &unit));
  PetscCall(PetscSFBcastBegin(halo, unit, *B, *B + (int64_t)p->n_owned * n, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(halo, unit, *B, *B + (int64_t)p->n_owned * n, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Factor one pedigree term, youngest generation first; W [n_local * n] holds data blocks of owned and ghost animals */
static PetscErrorCode Factorize(PedPC *p, Pedigree *ped, double *W, bool *definite)
{
  const MeritTermView *t = &p->term[ped->term];
  MPI_Datatype         unit;

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(t->n_eq, &unit));
  for (int g = p->n_generations - 1; g >= 0; g--) {
    if (ped->link[g]) {
      PetscCall(PetscSFReduceBegin(ped->link[g], unit, W + (int64_t)p->n_owned * t->n_eq, W, MPI_SUM));
      PetscCall(PetscSFReduceEnd(ped->link[g], unit, W + (int64_t)p->n_owned * t->n_eq, W, MPI_SUM));
    }
    if (p->n_generations == 1) {
      /* offspring first within the one list */
      for (int32_t i = t->n_owned - 1; i >= 0; i--)
        *definite = MeritPedigreeFactorize(&ped->factor, 1, &i, t->d, t->G_inverse, W) && *definite;
    } else {
      *definite = MeritPedigreeFactorize(&ped->factor, ped->start[g + 1] - ped->start[g], ped->list + ped->start[g], t->d,
                                         t->G_inverse, W) && *definite;
    }
  }
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUpPedigree(PedPC *p, MeritModel model, int k, const double *B, Pedigree *ped, bool *definite)
{
  const MeritTermView *t        = &p->term[k];
  const int            n        = t->n_eq, *first = p->first_regressor;
  const int            range[2] = {first[k], first[k + 1]};
  double              *W;

  PetscFunctionBegin;
  ped->term = k;
  PetscCall(SortGenerations(t, p->n_generations, ped));
  PetscCall(LinkGenerations(t, MeritModelHalo(model), MeritModelComm(model), p->n_generations, ped));
  ped->factor = (MeritPedigreeFactor){n, t->eq_owned, t->sire, t->dam, NULL, NULL};
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)(n * n) + 1, &ped->factor.pivot));
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)(n * n) + 1, &ped->factor.pass));
  PetscCall(PetscCalloc1((size_t)p->n_local * (size_t)n + 1, &W));
  MeritRecordsDiagonal(p->records, range, 1, n, W);
  if (p->herd >= 0) MeritRecordsAbsorb(p->records, first[p->herd], p->term[p->herd].n_eq, B, range[0], range[1], n, W);
  PetscCall(Factorize(p, ped, W, definite));
  PetscCall(PetscFree(W));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Invert the diagonal blocks of all terms but the pedigree's; keep those of the other terms */
static PetscErrorCode SetUpBlocks(PedPC *p, double *blocks, double **herd_blocks, bool *definite)
{
  size_t  kept = 0;
  double *at   = blocks;

  PetscFunctionBegin;
  for (int k = 0; k < p->n_terms; k++)
    if (p->term[k].kind != MERIT_TERM_PED && k != p->herd) kept += (size_t)p->term[k].n_owned * (size_t)(p->term[k].n_eq * p->term[k].n_eq);
  PetscCall(PetscMalloc1(kept + 1, &p->inverse));
  kept = 0;
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t    = &p->term[k];
    const size_t         size = (size_t)(t->n_eq * t->n_eq), n = (size_t)t->n_owned * size;

    for (int32_t level = 0; t->kind != MERIT_TERM_PED && level < t->n_owned; level++)
      *definite = MeritBlockInvert(t->n_eq, at + (size_t)level * size) && *definite;
    if (k == p->herd) *herd_blocks = at;
    else if (t->kind != MERIT_TERM_PED) {
      PetscCall(PetscArraycpy(p->inverse + kept, at, n));
      kept += n;
    }
    at += n;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUp_MeritPed(PC pc)
{
  PedPC     *p;
  Mat        C;
  MeritModel model;
  bool       definite = true, expanded;
  double    *blocks, *herd_blocks = NULL, *B = NULL;
  int        n = 0;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(PCGetOperators(pc, &C, NULL));
  PetscCall(Free(p));
  PetscCall(MeritMMEGetModel(C, &model));
  PetscCall(MeritMMEGetRecords(C, &p->records, &p->first_regressor, &expanded));
  PetscCheck(!expanded, MeritModelComm(model), PETSC_ERR_SUP, "merit_ped needs every G to be non-singular");
  p->n_terms = MeritModelTerms(model, &p->term);
  PetscCall(MeritModelLayout(model, &p->n_owned, &p->n_local, NULL, NULL, NULL));
  PetscCall(CountGenerations(p, MeritModelComm(model)));
  p->herd = FindHerd(p);
  PetscCall(MeritMMEBlockDiagonal(C, &blocks));
  PetscCall(SetUpBlocks(p, blocks, &herd_blocks, &definite));
  if (p->herd >= 0) PetscCall(SetUpHerd(p, model, herd_blocks, &B));
  PetscCall(PetscFree(blocks));
  for (int k = 0; k < p->n_terms; k++) n += p->term[k].kind == MERIT_TERM_PED;
  PetscCall(PetscCalloc1(n, &p->pedigree));
  for (int k = 0; k < p->n_terms; k++)
    if (p->term[k].kind == MERIT_TERM_PED) PetscCall(SetUpPedigree(p, model, k, B, &p->pedigree[p->n_pedigrees++], &definite));
  PetscCall(PetscFree(B));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &definite, 1, MPI_C_BOOL, MPI_LAND, MeritModelComm(model)));
  PetscCheck(definite, MeritModelComm(model), PETSC_ERR_MAT_CH_ZRPVT, "a pivot of the incomplete Cholesky is not positive definite");
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Work(PedPC *p, int k)
{
  PetscFunctionBegin;
  if (p->k == k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(p->v));
  PetscCall(PetscFree(p->herd_kept));
  PetscCall(PetscCalloc1((size_t)p->records->scatter->n_places * (size_t)k + 1, &p->v));
  if (p->herd >= 0) PetscCall(PetscMalloc1((size_t)p->term[p->herd].n_owned * (size_t)(p->term[p->herd].n_eq * k) + 1, &p->herd_kept));
  p->k = k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* y = blocks x over levels, out of place */
static void MultiplyBlocks(int32_t n_levels, int n, int k, const double *block, const double *x, double *y)
{
  for (int32_t level = 0; level < n_levels; level++)
    for (int a = 0; a < n; a++)
      for (int j = 0; j < k; j++) {
        double sum = 0.0;

        for (int b = 0; b < n; b++) sum += block[((int64_t)level * n + a) * n + b] * x[((int64_t)level * n + b) * k + j];
        y[((int64_t)level * n + a) * k + j] = sum;
      }
}

static PetscErrorCode Exchange(const PedPC *p, PetscSF link, MPI_Datatype unit, bool reduce)
{
  double *ghosts = p->v + (int64_t)p->n_owned * p->k;

  PetscFunctionBegin;
  if (!link) PetscFunctionReturn(PETSC_SUCCESS);
  if (reduce) {
    PetscCall(PetscSFReduceBegin(link, unit, ghosts, p->v, MPI_SUM));
    PetscCall(PetscSFReduceEnd(link, unit, ghosts, p->v, MPI_SUM));
  } else {
    PetscCall(PetscSFBcastBegin(link, unit, p->v, ghosts, MPI_REPLACE));
    PetscCall(PetscSFBcastEnd(link, unit, p->v, ghosts, MPI_REPLACE));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* v_h <- B v_h, kept aside, and its part taken from the animals */
static PetscErrorCode HerdForward(PedPC *p, MPI_Datatype unit)
{
  const MeritTermView *t  = &p->term[p->herd];
  const int64_t        at = (int64_t)t->eq_owned * p->k;

  PetscFunctionBegin;
  MultiplyBlocks(t->n_owned, t->n_eq, p->k, p->herd_inverse, p->v + at, p->herd_kept);
  PetscCall(PetscArraycpy(p->v + at, p->herd_kept, (size_t)t->n_owned * (size_t)(t->n_eq * p->k)));
  PetscCall(Exchange(p, p->herd_link, unit, false));
  for (int i = 0; i < p->n_pedigrees; i++) {
    const int *to = p->first_regressor + p->pedigree[i].term;

    MeritRecordsTransfer(p->records, p->first_regressor[p->herd], p->first_regressor[p->herd + 1], to[0], to[1], -1.0, p->k, p->v, p->v);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* v_h <- kept - B W_h' R^-1 W_a v_a; ghosts of animals hold their values */
static PetscErrorCode HerdBackward(PedPC *p, MPI_Datatype unit)
{
  const MeritTermView *t  = &p->term[p->herd];
  const size_t         n  = (size_t)t->n_owned * (size_t)(t->n_eq * p->k);
  const int64_t        at = (int64_t)t->eq_owned * p->k, ghost = (int64_t)t->eq_ghost * p->k;
  double              *sum;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(p->v + at, n));
  PetscCall(PetscArrayzero(p->v + ghost, (size_t)t->n_ghost * (size_t)(t->n_eq * p->k)));
  for (int i = 0; i < p->n_pedigrees; i++) {
    const int *from = p->first_regressor + p->pedigree[i].term;

    MeritRecordsTransfer(p->records, from[0], from[1], p->first_regressor[p->herd], p->first_regressor[p->herd + 1], 1.0, p->k, p->v, p->v);
  }
  PetscCall(Exchange(p, p->herd_link, unit, true));
  PetscCall(PetscMalloc1(n + 1, &sum));
  MultiplyBlocks(t->n_owned, t->n_eq, p->k, p->herd_inverse, p->v + at, sum);
  for (size_t i = 0; i < n; i++) p->v[at + (int64_t)i] = p->herd_kept[i] - sum[i];
  PetscCall(PetscFree(sum));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Substitute(PedPC *p, Pedigree *ped, MPI_Datatype unit)
{
  PetscFunctionBegin;
  for (int g = p->n_generations - 1; g >= 0; g--) {
    PetscCall(Exchange(p, ped->link[g], unit, true));
    MeritPedigreeForward(&ped->factor, ped->start[g + 1] - ped->start[g], ped->list ? ped->list + ped->start[g] : NULL, p->k, p->v);
  }
  for (int g = 0; g < p->n_generations; g++) {
    MeritPedigreeBackward(&ped->factor, ped->start[g + 1] - ped->start[g], ped->list ? ped->list + ped->start[g] : NULL, p->k, p->v);
    PetscCall(Exchange(p, ped->link[g], unit, false));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode ApplyBlock_MeritPed(PC pc, int k, const double X[], double Y[])
{
  PedPC        *p;
  MPI_Datatype  unit;
  const double *block;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(Work(p, k));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCall(PetscArraycpy(p->v, X, (size_t)p->n_owned * (size_t)k));
  PetscCall(PetscArrayzero(p->v + (int64_t)p->n_owned * k, (size_t)(p->n_local - p->n_owned) * (size_t)k));
  if (p->herd >= 0) PetscCall(HerdForward(p, unit));
  for (int i = 0; i < p->n_pedigrees; i++) PetscCall(Substitute(p, &p->pedigree[i], unit));
  if (p->herd >= 0) PetscCall(HerdBackward(p, unit));
  PetscCall(MeritUnitFree(&unit));
  block = p->inverse;
  for (int i = 0; i < p->n_terms; i++) {
    const MeritTermView *t  = &p->term[i];
    const int64_t        at = (int64_t)t->eq_owned * k;

    if (t->kind == MERIT_TERM_PED || i == p->herd) {
      PetscCall(PetscArraycpy(Y + at, p->v + at, (size_t)t->n_owned * (size_t)(t->n_eq * k)));
      continue;
    }
    MultiplyBlocks(t->n_owned, t->n_eq, k, block, X + at, Y + at);
    block += (int64_t)t->n_owned * t->n_eq * t->n_eq;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Apply_MeritPed(PC pc, Vec x, Vec y)
{
  const double *X;
  double       *Y;

  PetscFunctionBegin;
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(y, &Y));
  PetscCall(ApplyBlock_MeritPed(pc, 1, X, Y));
  PetscCall(VecRestoreArrayWrite(y, &Y));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode View_MeritPed(PC pc, PetscViewer viewer)
{
  PedPC *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(PetscViewerASCIIPrintf(viewer, "  %d pedigree terms, %d generations, term %d eliminated first\n", p->n_pedigrees,
                                   p->n_generations, p->herd));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Destroy_MeritPed(PC pc)
{
  PedPC *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(Free(p));
  PetscCall(PetscFree(p));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyBlock_C", NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCCreate_MeritPed - Creator for PCRegister: a PCSHELL. Logically collective. */
PetscErrorCode PCCreate_MeritPed(PC pc)
{
  PedPC *p;

  PetscFunctionBegin;
  PetscCall(PetscNew(&p));
  p->herd = -1;
  PetscCall(PCSetType(pc, PCSHELL));
  PetscCall(PCShellSetName(pc, "merit_ped"));
  PetscCall(PCShellSetContext(pc, p));
  PetscCall(PCShellSetSetUp(pc, SetUp_MeritPed));
  PetscCall(PCShellSetApply(pc, Apply_MeritPed));
  PetscCall(PCShellSetView(pc, View_MeritPed));
  PetscCall(PCShellSetDestroy(pc, Destroy_MeritPed));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyBlock_C", ApplyBlock_MeritPed));
  PetscFunctionReturn(PETSC_SUCCESS);
}
