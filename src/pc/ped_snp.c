/*
  The SNP terms of merit_ped and merit_fixed where they have more than the blocks of their
  levels: options, the choice of a kind, set-up and application. The methods are in snp_blocks.c
  and snp_nystrom.c.

  The sketch of the genotypes (snp_sketch.c) costs as much as some iterations, but it does not
  depend on variances. It is kept in p from set-up to set-up, as long as the operator is the
  same object.
*/
#include "ped_impl.h"
#include <merit/log.h>
#include <string.h>

/* The names of MeritSnpKind, in its order. */
static const char *const kinds[] = {"auto", "diagonal", "blocks", "nystrom"};

/* MeritPedSnpOptions - What PETSc's options say on SNPs, with the prefix of the PC; without one,
   what MeritPCSetSnp() gave remains. Limits are those of the job file. Collective. */
PetscErrorCode MeritPedSnpOptions(PC pc, MeritPed *p)
{
  static const char *const ways[] = {"additive", "multiplicative"};
  const char              *prefix;
  PetscInt                 kind = (PetscInt)p->snps.options.kind, width = p->snps.options.width, rank = p->snps.options.rank;
  PetscInt                 way = p->snps.options.multiplicative;

  PetscFunctionBegin;
  PetscCall(PCGetOptionsPrefix(pc, &prefix));
  PetscCall(PetscOptionsGetEList(NULL, prefix, "-pc_merit_snp", kinds, 4, &kind, NULL));
  PetscCall(PetscOptionsGetInt(NULL, prefix, "-pc_merit_snp_block", &width, NULL));
  PetscCall(PetscOptionsGetInt(NULL, prefix, "-pc_merit_nystrom_rank", &rank, NULL));
  PetscCall(PetscOptionsGetEList(NULL, prefix, "-pc_merit_combine", ways, 2, &way, NULL));
  if (width < 1 || width > 1024)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "-pc_merit_snp_block", "%" PetscInt_FMT " is outside the range from 1 to 1024", width));
  if (rank < 0 || rank > 2000)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "-pc_merit_nystrom_rank", "%" PetscInt_FMT " is outside the range from 0 to 2000", rank));
  /* approximations of another rank are of no use */
  if (rank != p->snps.options.rank) PetscCall(MeritPedSketchFree(p));
  p->snps.options = (MeritSnpOptions){(MeritSnpKind)kind, (int32_t)width, (int32_t)rank, way == 1};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The sketch of a term: that of an earlier set-up if it was of these genotypes. Its weights may
   then be those of earlier variances, which is near enough for a preconditioner. Collective. */
static PetscErrorCode Sketch(MeritPed *p, Mat C, int term, const double D[], const double mean[], MeritSketch **sketch)
{
  PetscObjectId id;
  double        scale;

  PetscFunctionBegin;
  PetscCall(PetscObjectGetId((PetscObject)C, &id));
  if (id != p->snps.sketch_of) PetscCall(MeritPedSketchFree(p));
  if (!p->snps.sketch) {
    PetscCall(PetscCalloc1(p->n_terms, &p->snps.sketch));
    p->snps.n_sketch  = p->n_terms;
    p->snps.sketch_of = id;
  }
  *sketch = &p->snps.sketch[term];
  if ((*sketch)->U) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritSnpNystromScale(&p->term[term], mean, &scale));
  PetscCall(MeritSketchMake(C, term, D, mean, p->snps.options.rank, scale, *sketch));
  MeritLog(MERIT_LOG_INFO, "SNPs: Nystrom approximation of rank %d (%s), %.3g to %.3g times the penalty; about %.0f iterations expected to 1e-10",
           (*sketch)->rank, p->snps.options.rank ? "asked for" : "a higher rank would not save time", scale * (*sketch)->lambda[0],
           scale * (*sketch)->lambda[PetscMax((*sketch)->rank, 1) - 1], (*sketch)->predicted);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A low-rank approximation of one term, for the variances of the operator. Collective. */
static PetscErrorCode SetUpNystrom(MeritPed *p, Mat C, MeritPedSnp *snp)
{
  const MeritTermView *t      = &p->term[snp->term];
  MeritSketch         *sketch = NULL;
  double              *D, *mean;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)(t->n_eq * t->n_eq), &mean));
  PetscCall(MeritSnpNystromMean(C, snp->term, &D, mean));
  PetscCall(Sketch(p, C, snp->term, D, mean, &sketch));
  PetscCall(MeritSnpNystromSetUp(t, sketch, mean, &snp->nystrom));
  PetscCall(PetscFree(D));
  PetscCall(PetscFree(mean));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritPedSnpChoose - Where it was left open what is done with SNPs: a low-rank approximation, unless the genotypes are so few that an
  iteration takes no time. Not collective.
*/
PetscErrorCode MeritPedSnpChoose(MeritPed *p)
{
  int64_t    n_animals, few = 1000000;
  int32_t    n_used;
  bool       any = false;
  const int *fed, n_fed = MeritModelFedTerms(p->model, &fed);

  PetscFunctionBegin;
  p->snps.kind = p->snps.options.kind;
  for (int i = 0; i < n_fed; i++) any = any || p->term[fed[i]].n_eq;
  if (p->snps.kind != MERIT_SNP_AUTO) PetscFunctionReturn(PETSC_SUCCESS);
  p->snps.kind = MERIT_SNP_DIAGONAL;
  if (!any) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(MeritModelGenotypes(p->model), &n_animals, NULL, &n_used));
  if (n_animals * n_used >= few) p->snps.kind = MERIT_SNP_NYSTROM;
  else
    MeritLog(MERIT_LOG_INFO, "preconditioner of the SNP effects: diagonal blocks; with only %lld genotypes a better one would not save time",
             (long long)(n_animals * n_used));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSnpSetUp - See the header. Terms without equations (variance 0) have no part here.
   Collective. */
PetscErrorCode MeritPedSnpSetUp(MeritPed *p, Mat C, bool *definite)
{
  const int *fed, n_fed = MeritModelFedTerms(p->model, &fed);

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(p->n_terms + 1, &p->snps.part));
  PetscCall(PetscCalloc1(p->n_terms + 1, &p->snps.handles));
  for (int i = 0; i < n_fed; i++) p->snps.handles[fed[i]] = p->snps.kind != MERIT_SNP_DIAGONAL && p->term[fed[i]].n_eq;
  for (int k = 0; k < p->n_terms; k++) {
    MeritPedSnp *snp = &p->snps.part[p->snps.n];

    if (!p->snps.handles[k]) continue;
    p->snps.n++;
    snp->term = k;
    snp->kind = p->snps.kind;
    if (snp->kind == MERIT_SNP_BLOCKS) PetscCall(MeritSnpBlocksSetUp(C, k, p->snps.options.width, &snp->blocks, definite));
    else PetscCall(SetUpNystrom(p, C, snp));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSnpApply - Y = M^-1 X over the equations of the SNP terms in p->snps.part; the rest of Y is
   not touched. Collective. */
PetscErrorCode MeritPedSnpApply(MeritPed *p, const double X[], double Y[])
{
  const uint8_t *state = p->state;

  PetscFunctionBegin;
  for (int i = 0; i < p->snps.n; i++) {
    const MeritTermView *t  = &p->term[p->snps.part[i].term];
    const int64_t        at = (int64_t)t->eq_owned * p->work.k;

    if (p->snps.part[i].kind == MERIT_SNP_BLOCKS) MeritSnpBlocksApply(t, &p->snps.part[i].blocks, p->work.k, X + at, Y + at);
    else PetscCall(MeritSnpNystromApply(t, state + t->eq_owned, MeritModelComm(p->model), &p->snps.part[i].nystrom, p->work.k, X + at, Y + at));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSnpView - See the header. Collective. */
PetscErrorCode MeritPedSnpView(const MeritPed *p, PetscViewer viewer)
{
  PetscFunctionBegin;
  if (p->snps.n) PetscCall(PetscViewerASCIIPrintf(viewer, "  SNPs and others: %s\n", p->snps.options.multiplicative ? "multiplicative" : "additive"));
  for (int i = 0; i < p->snps.n; i++) {
    const MeritPedSnp *snp = &p->snps.part[i];

    if (snp->kind == MERIT_SNP_BLOCKS)
      PetscCall(PetscViewerASCIIPrintf(viewer, "  SNPs of term %d: blocks of %d\n", snp->term, (int)p->snps.options.width));
    else
      PetscCall(PetscViewerASCIIPrintf(viewer, "  SNPs of term %d: Nystrom approximation of rank %d from %d products\n", snp->term,
                                       snp->nystrom.sketch->rank, snp->nystrom.sketch->products));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSnpFree - Free what is of the present variances; sketches are kept. in_snps is freed
   by MeritPedFree(). Not collective. */
PetscErrorCode MeritPedSnpFree(MeritPed *p)
{
  PetscFunctionBegin;
  for (int i = 0; i < p->snps.n; i++) {
    PetscCall(MeritSnpBlocksFree(&p->snps.part[i].blocks));
    PetscCall(MeritSnpNystromFree(&p->snps.part[i].nystrom));
  }
  PetscCall(PetscFree(p->snps.part));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSketchFree - Free the sketches. Not collective. */
PetscErrorCode MeritPedSketchFree(MeritPed *p)
{
  PetscFunctionBegin;
  for (int i = 0; i < p->snps.n_sketch; i++) PetscCall(MeritSketchFree(&p->snps.sketch[i]));
  PetscCall(PetscFree(p->snps.sketch));
  p->snps.n_sketch = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}
