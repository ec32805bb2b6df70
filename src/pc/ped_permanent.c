/*
  The permanent-environment term of a pedigree term: an iid term whose levels are the animals with records
  (permanent environment). It is eliminated exactly before its animals: by its diagonal blocks
  alone, each level would be solved as if its animal were known.

  Level p and animal a have the same data block S of their records (fixed effects absorbed).
  With D = S + G_p^-1 the animal keeps S - S D^-1 S. If the animals have further components (a
  maternal effect), those that p does not couple to are 0 in S_pa.

  Set-up finds the pairs from the records alone: a term is one if on all ranks each of
  its levels with records has one owned animal, and each animal at most one level.
*/
#include "ped_impl.h"

/* Does another regressor of the animals (a slope, or a dam that is the animal) have the same
   animal in this record? Then the pair has more in common than S. */
static bool MetTwice(const MeritTermView *animals, int32_t record)
{
  for (int r = 1; r < animals->n_regressors; r++)
    if (animals->design[r].slot[record] == animals->design[0].slot[record]) return true;
  return false;
}

/* Pair levels and animals by the records: animal[n_owned levels], -1 for a level without
   records. *pairs is false, on all ranks, if on some rank they are no pairs, or not all owned
   there. Collective. */
static PetscErrorCode Pair(const MeritPed *p, int pe, const MeritTermView *animals, int32_t *animal, bool *pairs)
{
  const MeritTermView   *t   = &p->term[pe];
  const MeritDesignView *own = &animals->design[0], *mine = &t->design[0];
  int32_t               *back;

  PetscFunctionBegin;
  *pairs = t->n_ghost == 0;
  PetscCall(PetscMalloc1(animals->n_owned + 1, &back));
  for (int32_t i = 0; i < t->n_owned; i++) animal[i] = -1;
  for (int32_t i = 0; i < animals->n_owned; i++) back[i] = -1;
  for (int32_t r = 0; r < p->records->n_records && *pairs; r++) {
    const int32_t level = MeritTermLevelOfSlot(t, mine->slot[r]), who = MeritTermLevelOfSlot(animals, own->slot[r]);

    if (level < 0) continue;
    *pairs = who >= 0 && who < animals->n_owned && (animal[level] < 0 || animal[level] == who) && (back[who] < 0 || back[who] == level) &&
             !MetTwice(animals, r);
    if (*pairs) animal[level] = who, back[who] = level;
  }
  PetscCall(PetscFree(back));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, pairs, 1, MPI_C_BOOL, MPI_LAND, MeritModelComm(p->model)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* May a term be the permanent-environment term? One regressor without coefficients, independent levels of one
   variance, and the same traits as the first regressor of the animals: other traits would be coupled through R,
   which S does not have. */
static bool MayPair(const MeritTermView *t, const MeritTermView *animals, int n_traits)
{
  if (MeritStructureForm(t->structure) != MERIT_FORM_RECURSION || MeritStructurePenalty(t->structure)->d || t->n_regressors != 1 ||
      t->design[0].value || animals->design[0].value || !t->n_eq)
    return false;
  for (int s = 0; s < n_traits; s++)
    if ((t->design[0].offset[s] >= 0) != (animals->design[0].offset[s] >= 0)) return false;
  return true;
}

/* D^-1 and the coupling S_pa [n * m] of one level, and what it takes from its animal's block:
   W_a -= S_pa' D^-1 S_pa. A level without records has D = G_p^-1 and no coupling. */
static bool Eliminate(const MeritPed *p, const MeritPedPermanent *c, const MeritTermView *animals, int32_t level, const double *S, double *W)
{
  const MeritTermView *t = &p->term[c->term];
  const int            n = t->n_eq, m = animals->n_eq;
  double              *D = c->D_inverse + (int64_t)level * n * n, *B = c->B + (int64_t)level * n * m;

  for (int i = 0; i < n * n; i++) D[i] = t->G_inverse[i] + (c->animal[level] < 0 ? 0.0 : S[i]);
  for (int i = 0; i < n * m; i++) B[i] = 0.0;
  if (MeritDenseSweep(n, NULL, D) > 0) return false;
  if (c->animal[level] < 0) return true;
  /* S is by equations of the level; the animal's equation for the same trait may have another
     number, so columns are put where the animal has them */
  for (int s = 0; s < p->records->n_traits; s++) {
    const int own = t->design[0].offset[s], theirs = animals->design[0].offset[s];

    for (int a = 0; own >= 0 && a < n; a++) B[a * m + theirs] = S[a * n + own];
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++)
      for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++) W[(int64_t)(animals->eq_owned + c->animal[level] * m + i) * m + j] -= B[a * m + i] * D[a * n + b] * B[b * m + j];
  return true;
}

/*
  MeritPedPermanentSetUp - See the header. Collective.

  The first term that fits is taken. S is made from the records as the data blocks of animals
  are, and the big fixed term is absorbed in it too, so that pivots of level and animal belong
  to the same equations.
*/
PetscErrorCode MeritPedPermanentSetUp(MeritPed *p, MeritPedPart *part, double *W, bool *definite)
{
  const MeritTermView *animals = &p->term[part->term];
  MeritPedPermanent   *c       = &part->permanent;
  double              *S;

  PetscFunctionBegin;
  c->term = -1;
  for (int k = 0; k < p->n_terms && c->term < 0; k++) {
    const MeritTermView *t = &p->term[k];
    bool                 pairs;

    if (p->in_parts[k] || !MayPair(t, animals, p->records->n_traits)) continue;
    PetscCall(PetscMalloc1(t->n_owned + 1, &c->animal));
    PetscCall(Pair(p, k, animals, c->animal, &pairs));
    if (pairs) c->term = k;
    else PetscCall(PetscFree(c->animal));
  }
  if (c->term < 0) PetscFunctionReturn(PETSC_SUCCESS);
  {
    const MeritTermView *t     = &p->term[c->term];
    const int           *first = p->first_regressor, n = t->n_eq, big = p->fixed.big;

    p->in_parts[c->term] = true;
    PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)(n * n) + 1, &c->D_inverse));
    PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)(n * animals->n_eq) + 1, &c->B));
    PetscCall(PetscCalloc1((size_t)p->n_local * (size_t)n + 1, &S));
    MeritRecordsDiagonal(p->records, first + c->term, 1, n, S);
    if (big >= 0) MeritRecordsAbsorb(p->records, first[big], p->term[big].n_eq, p->fixed.D_ghosted, first[c->term], first[c->term + 1], n, S);
    for (int32_t level = 0; level < t->n_owned; level++)
      *definite = Eliminate(p, c, animals, level, S + (int64_t)(t->eq_owned + level * n) * n, W) && *definite;
    PetscCall(PetscFree(S));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedPermanentForward - v_p <- D^-1 v_p, then v_a <- v_a - S_pa' v_p, level by level; S_pa
   is B [n * m]. v_p holds D^-1 v_p until the backward substitution. Not collective. */
void MeritPedPermanentForward(const MeritPed *p, const MeritPedPart *part, double *v)
{
  const MeritPedPermanent *c = &part->permanent;
  const MeritTermView     *t = &p->term[c->term], *animals = &p->term[part->term];
  const int                n = t->n_eq, m = animals->n_eq, k = p->work.k;

  for (int32_t level = 0; level < t->n_owned; level++)
    for (int j = 0; j < k; j++) {
      const double *D = c->D_inverse + (int64_t)level * n * n, *B = c->B + (int64_t)level * n * m;
      double       *own = v + (int64_t)(t->eq_owned + level * n) * k + j, z[MERIT_MAX_COMPONENTS];

      for (int a = 0; a < n; a++) {
        z[a] = 0.0;
        for (int b = 0; b < n; b++) z[a] += D[a * n + b] * own[b * k];
      }
      for (int a = 0; a < n; a++) own[a * k] = z[a];
      for (int i = 0; c->animal[level] >= 0 && i < m; i++)
        for (int a = 0; a < n; a++) v[(int64_t)(animals->eq_owned + c->animal[level] * m + i) * k + j] -= B[a * m + i] * z[a];
    }
}

/* MeritPedPermanentBackward - v_p <- v_p - D^-1 S_pa v_a, when v_a is the solution of the
   animals. A level without records has no animal and keeps D^-1 v_p. Not collective. */
void MeritPedPermanentBackward(const MeritPed *p, const MeritPedPart *part, double *v)
{
  const MeritPedPermanent *c = &part->permanent;
  const MeritTermView     *t = &p->term[c->term], *animals = &p->term[part->term];
  const int                n = t->n_eq, m = animals->n_eq, k = p->work.k;

  for (int32_t level = 0; level < t->n_owned; level++)
    for (int j = 0; j < k && c->animal[level] >= 0; j++) {
      const double *D = c->D_inverse + (int64_t)level * n * n, *B = c->B + (int64_t)level * n * m;
      const double *theirs = v + (int64_t)(animals->eq_owned + c->animal[level] * m) * k + j;
      double        z[MERIT_MAX_COMPONENTS];

      for (int a = 0; a < n; a++) {
        z[a] = 0.0;
        for (int i = 0; i < m; i++) z[a] += B[a * m + i] * theirs[i * k];
      }
      for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++) v[(int64_t)(t->eq_owned + level * n + a) * k + j] -= D[a * n + b] * z[b];
    }
}

/* MeritPedPermanentFree - Free what the term has here. Not collective. */
PetscErrorCode MeritPedPermanentFree(MeritPedPermanent *c)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(c->animal));
  PetscCall(PetscFree(c->D_inverse));
  PetscCall(PetscFree(c->B));
  PetscFunctionReturn(PETSC_SUCCESS);
}
