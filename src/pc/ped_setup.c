/*
  Setting merit_ped and merit_fixed up: in order, the kind of SNP part, the steps of the
  pedigree, the fixed effects, each pedigree term (halos of its steps, data blocks, permanent-environment term,
  factor), the SNPs, inverse blocks of all other terms, and the joint with the operator.

  Animals of a rank stand by generation. A rank can go through several generations without a
  message if no rank has ghosts of them; such a run of generations is a *step*. Between steps,
  values of parents are exchanged. One rank alone has one step.

  Each rank notes whether all its blocks were positive definite, and goes on; one reduction at
  the end makes an error of it on all ranks.
*/
#include "ped_impl.h"

/* MeritPedFree - See the header. Options and sketches are kept: they are not of the variances.
   Collective as its halos are. */
PetscErrorCode MeritPedFree(MeritPed *p)
{
  PetscFunctionBegin;
  for (int i = 0; i < p->n_parts; i++) {
    MeritPedPart *part = &p->part[i];

    for (int g = 0; g < p->n_steps; g++) PetscCall(PetscSFDestroy(&part->link[g]));
    PetscCall(PetscFree(part->link));
    PetscCall(PetscFree(part->start));
    PetscCall(PetscFree(part->factor.k_over_pivot));
    PetscCall(PetscFree(part->factor.inverse));
    PetscCall(PetscFree(part->G_inverse));
    PetscCall(MeritPedPermanentFree(&part->permanent));
  }
  PetscCall(PetscFree(p->part));
  PetscCall(MeritPedFixedFree(&p->fixed));
  PetscCall(MeritAnimalRecordsDestroy(&p->joint.records));
  PetscCall(PetscFree(p->in_parts));
  PetscCall(PetscFree(p->snps.handles));
  PetscCall(PetscFree(p->down));
  PetscCall(PetscFree(p->up));
  PetscCall(PetscFree(p->inverse));
  PetscCall(PetscFree(p->work.kept));
  PetscCall(PetscFree(p->work.own));
  PetscCall(MeritPedSnpFree(p));
  PetscCall(MeritPedCombineFree(p));
  *p = (MeritPed){.use_pedigree   = p->use_pedigree,
                  .snps.options   = p->snps.options,
                  .snps.sketch    = p->snps.sketch,
                  .snps.n_sketch  = p->snps.n_sketch,
                  .snps.sketch_of = p->snps.sketch_of};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSubHalo - The part of the halo whose roots are n chosen equations; NULL if it moves nothing on any rank. Collective. */
PetscErrorCode MeritPedSubHalo(PetscSF halo, MPI_Comm comm, PetscInt n, const PetscInt roots[], PetscSF *link)
{
  PetscInt n_leaves;

  PetscFunctionBegin;
  PetscCall(PetscSFCreateEmbeddedRootSF(halo, n, roots, link));
  PetscCall(PetscSFGetGraph(*link, NULL, &n_leaves, NULL, NULL));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_leaves, 1, MPIU_INT, MPI_SUM, comm));
  if (!n_leaves) PetscCall(PetscSFDestroy(link));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* start[n_steps + 1]: first animal of each step. Animals stand by generation, hence by step. */
static PetscErrorCode FindSteps(const MeritTermView *t, int n_steps, const int32_t step_of[], MeritPedPart *ped)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_steps + 1, &ped->start));
  if (n_steps == 1) {
    ped->start[1] = t->n_owned;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int32_t i = 0; i < t->n_owned; i++) ped->start[step_of[MeritStructureGeneration(t->structure)[i]] + 1]++;
  for (int g = 0; g < n_steps; g++) ped->start[g + 1] += ped->start[g];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The halo of each step: its animals that other ranks have as parents of theirs. Collective. */
static PetscErrorCode LinkSteps(const MeritTermView *t, PetscSF halo, MPI_Comm comm, int n_steps, MeritPedPart *ped)
{
  PetscMPIInt size;
  PetscInt   *roots;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_steps, &ped->link));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (size == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)t->n_eq + 1, &roots));
  for (int g = 0; g < n_steps; g++) {
    PetscInt n = 0;

    for (int32_t l = ped->start[g]; l < ped->start[g + 1]; l++)
      for (int e = 0; e < t->n_eq; e++) roots[n++] = t->eq_owned + l * t->n_eq + e;
    PetscCall(MeritPedSubHalo(halo, comm, n, roots, &ped->link[g]));
  }
  PetscCall(PetscFree(roots));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* linked[n]: generations of which some rank has ghosts, over all pedigree terms. The degree of
   an equation in the halo is the number of its ghosts. Collective. */
static PetscErrorCode FindLinked(MeritPed *p, MPI_Comm comm, int n, uint8_t linked[])
{
  const PetscInt *degree;
  PetscSF         halo = MeritModelHalo(p->model);

  PetscFunctionBegin;
  PetscCall(PetscSFComputeDegreeBegin(halo, &degree));
  PetscCall(PetscSFComputeDegreeEnd(halo, &degree));
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t          = &p->term[k];
    const int32_t       *generation = MeritStructureGeneration(t->structure);

    for (int32_t i = 0; p->in_parts[k] && i < t->n_owned * t->n_eq; i++)
      if (degree[t->eq_owned + i]) linked[generation[i / t->n_eq]] = 1;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, linked, n, MPI_UINT8_T, MPI_MAX, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Steps over all ranks and pedigree terms: step_of[generation], owned by the caller (NULL on one
   rank). A step ends with a generation of which some rank has ghosts, for only then ranks have
   to wait for each other. Within a step parents stand before their offspring. Collective. */
static PetscErrorCode MakeSteps(MeritPed *p, MPI_Comm comm, int32_t **step_of)
{
  PetscMPIInt size;
  uint8_t    *linked;
  int         n = 1;

  PetscFunctionBegin;
  *step_of   = NULL;
  p->n_steps = 1;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (size == 1) PetscFunctionReturn(PETSC_SUCCESS);
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    if (p->in_parts[k] && t->n_owned) n = PetscMax(n, MeritStructureGeneration(t->structure)[t->n_owned - 1] + 1);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_INT, MPI_MAX, comm));
  PetscCall(PetscCalloc1(n, &linked));
  PetscCall(PetscMalloc1(n, step_of));
  PetscCall(FindLinked(p, comm, n, linked));
  for (int g = 0; g < n; g++) (*step_of)[g] = g ? (*step_of)[g - 1] + linked[g - 1] : 0;
  p->n_steps = (*step_of)[n - 1] + 1;
  PetscCall(PetscFree(linked));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Factor one pedigree term, youngest step first; W [n_local * n] holds data blocks of owned and
   ghost animals. Before a step, what offspring on other ranks give to its animals is added to
   their blocks. Collective. */
static PetscErrorCode Factorize(MeritPed *p, MeritPedPart *ped, double *W, bool *definite)
{
  const MeritTermView *t = &p->term[ped->term];
  MPI_Datatype         unit;

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(t->n_eq, &unit));
  for (int g = p->n_steps - 1; g >= 0; g--) {
    if (ped->link[g]) {
      PetscCall(PetscSFReduceBegin(ped->link[g], unit, W + (int64_t)p->n_owned * t->n_eq, W, MPI_SUM));
      PetscCall(PetscSFReduceEnd(ped->link[g], unit, W + (int64_t)p->n_owned * t->n_eq, W, MPI_SUM));
    }
    *definite = MeritPedigreeFactorize(&ped->factor, ped->start[g], ped->start[g + 1], W) && *definite;
  }
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All of one pedigree term. Its data blocks are those of W'R^-1W with the levels of the big
   fixed term absorbed, record by record. Small fixed terms are not absorbed. Collective. */
static PetscErrorCode SetUpPart(MeritPed *p, int k, const int32_t step_of[], MeritPedPart *part, bool *definite)
{
  const MeritTermView *t = &p->term[k];
  const int            n = t->n_eq, *first = p->first_regressor, big = p->fixed.big;
  const int            range[2] = {first[k], first[k + 1]};
  double              *W;

  PetscFunctionBegin;
  part->term = k;
  PetscCall(FindSteps(t, p->n_steps, step_of, part));
  PetscCall(LinkSteps(t, MeritModelHalo(p->model), MeritModelComm(p->model), p->n_steps, part));
  PetscCall(PetscMalloc1((size_t)(n * n), &part->G_inverse));
  PetscCall(PetscArraycpy(part->G_inverse, t->G_inverse, (size_t)(n * n)));
  part->factor = MeritPedigreeFactorOf(MeritStructurePenalty(t->structure), part->G_inverse);
  PetscCall(PetscMalloc1((size_t)MeritPedigreeFactorRatios(&part->factor) + 1, &part->factor.k_over_pivot));
  PetscCall(PetscMalloc1((size_t)MeritPedigreeFactorValues(&part->factor) + 1, &part->factor.inverse));
  PetscCall(PetscCalloc1((size_t)p->n_local * (size_t)n + 1, &W));
  MeritRecordsDiagonal(p->records, range, 1, n, W);
  if (big >= 0) MeritRecordsAbsorb(p->records, first[big], p->term[big].n_eq, p->fixed.D_ghosted, range[0], range[1], n, W);
  PetscCall(MeritPedPermanentSetUp(p, part, W, definite));
  PetscCall(Factorize(p, part, W, definite));
  PetscCall(PetscFree(W));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Inverse diagonal blocks of the terms that are neither pedigree nor eliminated exactly; blocks:
   those of C, term after term, of which only these are copied. */
static PetscErrorCode SetUpBlocks(MeritPed *p, const double *blocks, bool *definite)
{
  size_t  kept = 0;
  double *to;

  PetscFunctionBegin;
  for (int k = 0; k < p->n_terms; k++) kept += (size_t)p->term[k].n_owned * (size_t)(p->term[k].n_eq * p->term[k].n_eq);
  PetscCall(PetscMalloc1(kept + 1, &p->inverse));
  to = p->inverse;
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t    = &p->term[k];
    const int            size = t->n_eq * t->n_eq;

    for (int32_t level = 0; level < t->n_owned; level++, blocks += size) {
      if (p->in_parts[k] || InFixed(p, k) || p->snps.handles[k]) continue;
      PetscCall(PetscArraycpy(to, blocks, size));
      *definite = MeritDenseSweep(t->n_eq, NULL, to) == 0 && *definite;
      to += size;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Roles of the regressors when fixed effects are taken from the animals (down: y_animals -= Z'
   R^-1 X b) and when animals are gathered at the fixed effects (up: X' R^-1 Z u). Permanent-environment terms are
   on the side of the animals; all other terms have no role. */
static PetscErrorCode SetRoles(MeritPed *p)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(p->records->n_regressors + 1, &p->down));
  PetscCall(PetscCalloc1(p->records->n_regressors + 1, &p->up));
  for (int k = 0; k < p->n_terms; k++)
    for (int g = p->first_regressor[k]; g < p->first_regressor[k + 1]; g++) {
      if (InFixed(p, k)) p->down[g] = MERIT_ROLE_FROM, p->up[g] = MERIT_ROLE_TO;
      if (p->in_parts[k]) p->down[g] = MERIT_ROLE_TO, p->up[g] = MERIT_ROLE_FROM;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedSetUp - Factor for the operator as it is now. Collective. */
PetscErrorCode MeritPedSetUp(MeritPed *p, Mat C)
{
  bool       definite = true, expanded;
  double    *blocks;
  int32_t   *step_of;
  const int *linked;
  int        n_linked;

  PetscFunctionBegin;
  PetscCall(MeritPedFree(p));
  PetscCall(MeritMMEGetModel(C, &p->model));
  PetscCall(MeritMMEEquationState(C, &p->state));
  PetscCall(MeritMMEGetRecords(C, &p->records, &p->first_regressor, &expanded));
  if (expanded)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.preconditioner",
                         "merit_ped and merit_fixed need covariance matrices that are not singular; use auto or merit_block"));
  p->n_terms = MeritModelTerms(p->model, &p->term);
  n_linked   = p->use_pedigree ? MeritModelLinkedTerms(p->model, &linked) : 0;
  p->n_owned = MeritModelLayout(p->model)->n_owned;
  p->n_local = MeritModelLayout(p->model)->n_local;
  PetscCall(MeritPedSnpChoose(p));
  PetscCall(PetscCalloc1(p->n_terms, &p->in_parts));
  for (int i = 0; i < n_linked; i++) p->in_parts[linked[i]] = true;
  PetscCall(MakeSteps(p, MeritModelComm(p->model), &step_of));
  PetscCall(MeritMMEBlockDiagonal(C, &blocks));
  PetscCall(MeritPedFixedSetUp(p, blocks));
  PetscCall(PetscCalloc1(n_linked + 1, &p->part));
  for (int i = 0; i < n_linked; i++) PetscCall(SetUpPart(p, linked[i], step_of, &p->part[p->n_parts++], &definite));
  PetscCall(PetscFree(step_of));
  PetscCall(MeritPedSnpSetUp(p, C, &definite));
  PetscCall(SetUpBlocks(p, blocks, &definite));
  PetscCall(PetscFree(blocks));
  PetscCall(SetRoles(p));
  PetscCall(MeritPedFusedPassSetUp(p));
  /* only absorption in pedigree terms and permanent-environment terms needs it */
  PetscCall(PetscFree(p->fixed.D_ghosted));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &definite, 1, MPI_C_BOOL, MPI_LAND, MeritModelComm(p->model)));
  PetscCheck(definite, MeritModelComm(p->model), PETSC_ERR_MAT_CH_ZRPVT, "a pivot of the incomplete Cholesky is not positive definite");
  if (p->snps.n && p->snps.options.multiplicative) PetscCall(MeritPedCombineSetUp(p, C));
  PetscFunctionReturn(PETSC_SUCCESS);
}
