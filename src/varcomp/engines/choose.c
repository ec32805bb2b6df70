/*
  The engine that is cheapest among those that fit the model and the memory; what does not fit
  is refused before it is begun.

  foresee.c has the bytes and seconds of each engine. Exact engines come first: one with random
  numbers is taken only where every exact one takes long. Work is compared in seconds of one
  core, so that ranks and threads change the choice only by the memory that each rank has.
*/
#include "projected.h"
#include <merit/memory.h>

/*
  An engine with random numbers is taken where every exact one that fits takes longer than this,
  seconds of a core, and so many times its work
*/
static const double EXACT_SECONDS = 120.0, EXACT_TIMES = 3.0;
/* Work below this is the same for all, seconds */
static const double SAME_SECONDS = 0.1;

/* Room below 0 is not known: everything fits */
static bool HasRoom(double bytes, double room) { return room < 0.0 || bytes <= room; }

/* VarcompRefuseEngine - See the header. Collective. */
PetscErrorCode VarcompRefuseEngine(MeritVarcomp v, const VarcompEngine *engine, double bytes)
{
  const bool automatic = v->settings.choice == VARCOMP_AUTO;
  char       what[64];

  PetscFunctionBegin;
  snprintf(what, sizeof(what), "%sengine %s", automatic ? "no engine fits into the memory: " : "", engine->name);
  PetscCall(VarcompRefuse(v, what, bytes, automatic ? "use more ranks" : "use more ranks, or varcomp.engine: auto"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Is a to be taken before b? Both fit. If they take the same, b stays: engines come in order of
  preference.
*/
static bool Better(const VarcompForesight *a, const VarcompForesight *b)
{
  const double work[2] = {PetscMax(VarcompWork(a), SAME_SECONDS), PetscMax(VarcompWork(b), SAME_SECONDS)};

  if (a->exact == b->exact) return work[0] < work[1];
  if (a->exact) return !(work[0] > EXACT_SECONDS && work[0] > EXACT_TIMES * work[1]);
  return work[1] > EXACT_SECONDS && work[1] > EXACT_TIMES * work[0];
}

/* No engine fits: the error says what the one with the fewest bytes needs. Collective. */
static PetscErrorCode Refuse(MeritVarcomp v, const VarcompForesight all[])
{
  int least = -1;

  PetscFunctionBegin;
  for (int i = 0; i < VARCOMP_ENGINES; i++)
    if (all[i].can && (least < 0 || all[i].bytes < all[least].bytes)) least = i;
  PetscCheck(least >= 0, v->comm, PETSC_ERR_PLIB, "there is no engine for the model");
  PetscCall(VarcompRefuseEngine(v, all[least].engine, all[least].bytes));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompForeseeAll - See the header. Collective. */
PetscErrorCode VarcompForeseeAll(MeritVarcomp v, int ranks, int threads, double room, VarcompForesight all[], int *best)
{
  PetscFunctionBegin;
  if (room < 0.0 && (!ranks || ranks == v->size || v->settings.memory > 0.0)) PetscCall(VarcompRoom(v, &room));
  *best = -1;
  for (int i = 0; i < VARCOMP_ENGINES; i++) {
    PetscCall(VarcompForesee(v, VarcompEngines[i], ranks, threads, &all[i]));
    if (!all[i].can || !HasRoom(all[i].bytes, room)) continue;
    if (*best < 0 || Better(&all[i], &all[*best])) *best = i;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The least work of the n engines that can do the model, `but` left out (NULL: none); NULL:
  there is none. Whether they have room is not looked at.
*/
static const VarcompForesight *Cheapest(int n, const VarcompForesight all[], const VarcompEngine *but)
{
  const VarcompForesight *least = NULL;

  for (int i = 0; i < n; i++)
    if (all[i].engine != but && all[i].can && (!least || VarcompWork(&all[i]) < VarcompWork(least))) least = &all[i];
  return least;
}

/* The choice in a line of the log, with the cheapest of the n - 1 others that can do the model */
static void Say(const VarcompForesight *a, int n, const VarcompForesight all[])
{
  const VarcompForesight *next = Cheapest(n, all, a->engine);
  char                    size[32], other[128] = ", as the job asks";

  MeritBytesText(a->bytes, sizeof(size), size);
  if (next) snprintf(other, sizeof(other), ", engine %s %.2g s", next->engine->name, VarcompWork(next));
  else if (n > 1) other[0] = 0;
  MeritLog(MERIT_LOG_INFO, "engine %s: expected are %s, %.2g s of a core for %d rounds%s", a->engine->name, size, VarcompWork(a), VARCOMP_ROUNDS,
           other);
}

/* VarcompAskedEngine - See the header. Not collective. */
const VarcompEngine *VarcompAskedEngine(MeritVarcomp v)
{
  static const VarcompEngine *const engines[] = {
      NULL, &VarcompEngine_Sparse, &VarcompEngine_Spectral, &VarcompEngine_MonteCarlo, &VarcompEngine_Lanczos, &VarcompEngine_DenseV};

  return engines[v->settings.choice];
}

/* Errors: USAGE where the engine that the job asks for is not for this model. Not collective. */
static PetscErrorCode CheckAsked(MeritVarcomp v)
{
  const VarcompEngine *engine = VarcompAskedEngine(v);

  PetscFunctionBegin;
  if (engine->check) PetscCall(engine->check(v, engine->name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Moment methods form dense matrices on one rank: their bytes, and seconds of products of
  matrices. Without room for these they are taken for methods of random signs, without costs; so
  is the analysis of variance. Collective.
*/
static PetscErrorCode ForeseeMoments(MeritVarcomp v, MeritVarcompPlan *plan)
{
  static const char *const names[] = {"", "", "minque", "mivque", "he", "anova"};
  const double             n       = (double)v->run.n_observations;
  int                      m       = 0;
  bool                     fits;

  PetscFunctionBegin;
  for (int k = 0; k < v->formula->n_terms; k++) m += v->first_of_term[k] >= 0;
  plan->engine = names[v->settings.method];
  plan->rounds = 1;
  if (v->settings.method == MERIT_VARCOMP_ANOVA) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(ProjectedFit(v, m, &fits, &plan->bytes));
  if (!fits) plan->bytes = 0.0; /* random signs take the place of the matrices */
  else plan->round = plan->seconds = (m + 2.0) * n * n * n / v->settings.rates.products;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritVarcompForesee - What an estimation would take, and by which engine.

  Collective on C, after MeritVarcompSetFromConfig and the set-up of the model.

  Input Parameters:
+ C       - the equations, on the ranks of this run
. ranks   - those that the estimation is to run on
. threads - of each
- room    - see the header

  Output Parameter:
. plan - see the header

  Notes:
  Order and elimination tree of a factor are found once and kept for further calls.
@*/
PetscErrorCode MeritVarcompForesee(MeritVarcomp v, Mat C, int ranks, int threads, double room, MeritVarcompPlan *plan)
{
  VarcompForesight        all[VARCOMP_ENGINES];
  const VarcompForesight *a, *other;
  int                     n = 1, best = 0;

  PetscFunctionBegin;
  *plan    = (MeritVarcompPlan){.ranks = ranks, .threads = threads, .rounds = VARCOMP_ROUNDS};
  v->run.C = C;
  PetscCall(VarcompCount(v));
  if (v->settings.method != MERIT_VARCOMP_REML && v->settings.method != MERIT_VARCOMP_ML) {
    PetscCall(ForeseeMoments(v, plan));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (VarcompAskedEngine(v)) {
    PetscCall(CheckAsked(v));
    PetscCall(VarcompForesee(v, VarcompAskedEngine(v), ranks, threads, &all[0]));
  } else {
    PetscCall(VarcompForeseeAll(v, ranks, threads, room, all, &best));
    n = VARCOMP_ENGINES;
  }
  a     = best < 0 ? Cheapest(n, all, NULL) : &all[best];
  other = Cheapest(n, all, a->engine);
  if (best >= 0) plan->engine = a->engine->name;
  plan->bytes   = a->bytes;
  plan->before  = a->before;
  plan->round   = a->round;
  plan->seconds = a->before + VARCOMP_ROUNDS * a->round;
  if (!other) PetscFunctionReturn(PETSC_SUCCESS);
  plan->other         = other->engine->name;
  plan->other_bytes   = other->bytes;
  plan->other_seconds = other->before + VARCOMP_ROUNDS * other->round;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompChooseEngine - See the header. Collective. */
PetscErrorCode VarcompChooseEngine(MeritVarcomp v)
{
  VarcompForesight all[VARCOMP_ENGINES];
  int              best = -1;

  PetscFunctionBegin;
  v->run.engine = VarcompAskedEngine(v);
  if (v->run.engine) {
    PetscCall(CheckAsked(v));
    PetscCall(VarcompForesee(v, v->run.engine, 0, 0, &all[0]));
    PetscCall(VarcompRefuseEngine(v, v->run.engine, all[0].bytes));
    Say(&all[0], 1, all);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(VarcompForeseeAll(v, 0, 0, -1.0, all, &best));
  if (best < 0) PetscCall(Refuse(v, all));
  v->run.engine = all[best].engine;
  Say(&all[best], VARCOMP_ENGINES, all);
  if (!v->run.engine->factors) {
    PetscCall(MatDestroy(&v->run.analysed));
    PetscCall(MeritFactorDestroy(&v->run.analysed_factor));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}
