/*
  What a run takes, as tables for people: memory of the fullest rank, the estimation of variances,
  an iteration of pcg, and the whole run. Figures come from src/plan; here they are only written. At
  the end, refusals where the run does not fit.
*/
#include "plan_impl.h"
#include <merit/memory.h>

/* The ending of a noun after the number n */
static const char *Plural(int n) { return n == 1 ? "" : "s"; }

/* Bytes of the fullest rank by what they are for. "measured" is the peak of this process, to
   compare the estimate with; it is -1, and left out, where the plan is for another number of
   ranks. */
static PetscErrorCode Memory(const MeritPlanResult *r, MeritText *text)
{
  const MeritPlanMemory *m = &r->memory;
  const struct {
    const char *what;
    double      bytes;
  } rows[] = {{"records and designs", (double)m->records}, {"levels and labels", (double)m->levels},  {"genotypes", (double)m->genotypes},
              {"solver vectors", (double)m->vectors},      {"reading and writing", (double)m->files}, {"program", r->program},
              {"in all", (double)m->total + r->program},   {"measured, without solver", r->measured}};
  char size[32];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "\nmemory per rank on %d rank%s, estimated\n", r->shape.ranks, Plural(r->shape.ranks)));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(rows); i++) {
    if (rows[i].bytes < 0.0) continue;
    MeritBytesText(rows[i].bytes, sizeof(size), size);
    PetscCall(MeritTextAdd(text, "  %-24s %14s\n", rows[i].what, size));
  }
  if (r->available < 0) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(r->available, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "  %-24s %14s (%d rank%s on the fullest node)\n", "available", size, r->on_node, Plural(r->on_node)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Engine, memory and seconds of the estimation of variances, and the cheapest other engine. Without
   an engine that fits, the figures are those of the cheapest. */
static PetscErrorCode Estimation(const MeritVarcompPlan *e, MeritText *text)
{
  char size[32];

  PetscFunctionBegin;
  MeritBytesText(e->bytes, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "\nvariances on %d rank%s x %d thread%s, estimated\n", e->ranks, Plural(e->ranks), e->threads, Plural(e->threads)));
  if (e->engine) PetscCall(MeritTextAdd(text, "  %-24s %14s\n", "engine", e->engine));
  else PetscCall(MeritTextAdd(text, "  %-24s %14s  no engine fits; the cheapest takes\n", "engine", "none"));
  PetscCall(MeritTextAdd(text, "  %-24s %14s for each rank, beside the model\n", "memory", size));
  PetscCall(MeritTextAdd(text, "  %-24s %14.3g s\n", "before the rounds", e->before));
  PetscCall(MeritTextAdd(text, "  %-24s %14.3g s\n", "a round", e->round));
  PetscCall(MeritTextAdd(text, "  %-24s %14.3g s for %d round%s\n", "in all", e->seconds, e->rounds, Plural(e->rounds)));
  MeritBytesText(e->other_bytes, sizeof(size), size);
  if (e->other) PetscCall(MeritTextAdd(text, "  %-24s %14s %.3g s, %s\n", "the next", e->other, e->other_seconds, size));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* An iteration on an average rank: bytes through the memory, genotypes through both products, bytes
   sent, and the seconds of each at the rates of plan.rates */
static PetscErrorCode Iteration(const MeritPlanIteration *i, int threads, MeritText *text)
{
  const MeritWork *w = &i->work;
  char             size[2][32];

  PetscFunctionBegin;
  MeritBytesText(w->bytes, sizeof(size[0]), size[0]);
  MeritBytesText(w->sent, sizeof(size[1]), size[1]);
  PetscCall(MeritTextAdd(text, "\nan iteration of pcg on %d rank%s x %d thread%s, estimated for each rank\n", w->ranks, Plural(w->ranks), threads,
                         Plural(threads)));
  PetscCall(MeritTextAdd(text, "  %-24s %14s %12.3g s\n", "memory moved", size[0], i->seconds_memory));
  PetscCall(MeritTextAdd(text, "  %-24s %14.4g %12.3g s\n", "genotypes", w->genotypes, i->seconds_genotypes));
  PetscCall(MeritTextAdd(text, "  %-24s %14s %12.3g s in %.0f messages, %.0f reductions\n", "sent to others", size[1], i->seconds_network,
                         w->messages, w->reductions));
  PetscCall(MeritTextAdd(text, "  %-24s %14s %12.3g s\n", "in all", "", i->seconds));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanFigures - See the header. Not collective. */
PetscErrorCode PlanFigures(const MeritPlanResult *r, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(Memory(r, text));
  if (r->estimated) PetscCall(Estimation(&r->estimation, text));
  PetscCall(Iteration(&r->iteration, r->shape.threads, text));
  PetscCall(MeritTextAdd(
      text, "  a run of %lld iterations: %.3g s, of which reading and set-up %.3g s (from the %.3g s that this run took for it on %d rank%s)",
      (long long)r->iterations, r->seconds, r->setup, r->setup_here, r->ranks_here, Plural(r->ranks_here)));
  if (r->estimation.seconds > 0.0) PetscCall(MeritTextAdd(text, ", variances %.3g s", r->estimation.seconds));
  PetscCall(MeritTextAdd(text, "\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanRefuse - See the header. Collective. Three limits: plan.memory, which is of a node and so for
   all ranks on it; what the node of this run has for each rank; and the engines of varcomp. */
PetscErrorCode PlanRefuse(MeritNode job, const MeritPlanResult *r)
{
  MeritNode limit   = MeritNodeFind(job, "plan.memory");
  double    allowed = 0;
  char      size[2][32];

  PetscFunctionBegin;
  MeritBytesText(r->per_rank, sizeof(size[0]), size[0]);
  if (limit) {
    PetscCall(MeritConfigBytes(job, "plan.memory", &allowed));
    MeritBytesText(allowed, sizeof(size[1]), size[1]);
    if (r->per_rank * r->on_node > allowed)
      PetscCall(MeritNodeError(limit, "%d rank%s of %s do not fit on a node of plan.memory %s; use more nodes", r->on_node,
                               r->on_node == 1 ? "" : "s", size[0], size[1]));
  }
  MeritBytesText(r->available, sizeof(size[1]), size[1]);
  if (r->available >= 0 && r->per_rank > r->available)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "%s per rank are needed, but a node has %s for each of its ranks; use more nodes",
                         size[0], size[1]));
  if (r->estimated && !r->estimation.engine)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                         "no engine for the variances fits: %s per rank are needed; use nodes with more memory, or a higher solver.memory", size[0]));
  PetscFunctionReturn(PETSC_SUCCESS);
}
