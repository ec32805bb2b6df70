/* What an estimation of variances takes: its engine, bytes and seconds. */
#include "plan_impl.h"
#include <merit/config.h>
#include <merit/memory.h>

PetscErrorCode PlanRoom(MeritNode job, const PlanShape *shape, const PlanNeed *need, double *room)
{
  double memory = 0.0;
  int    ranks  = shape->nodes ? shape->per_node : need->on_node;

  PetscFunctionBegin;
  PetscCall(MeritConfigBytes(job, "plan.memory", &memory));
  PetscCall(MeritConfigBytes(job, "memory-per-node", &memory));
  *room = memory > 0.0 ? PetscMax(0.0, (memory / ranks - need->per_rank * PLAN_MEMORY_MARGIN) / PLAN_MEMORY_MARGIN) : -1.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanEstimation(const MeritVarcompPlan *e, MeritText *text, PlanNeed *need)
{
  char size[32];

  PetscFunctionBegin;
  MeritBytesText(e->bytes, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "\nvariances on %d rank%s x %d thread%s, foreseen\n", e->ranks, e->ranks == 1 ? "" : "s", e->threads,
                         e->threads == 1 ? "" : "s"));
  if (e->engine) PetscCall(MeritTextAdd(text, "  %-24s %14s\n", "engine", e->engine));
  else PetscCall(MeritTextAdd(text, "  %-24s %14s  no engine fits; the cheapest takes\n", "engine", "none"));
  PetscCall(MeritTextAdd(text, "  %-24s %14s for each rank, beside the model\n", "memory", size));
  PetscCall(MeritTextAdd(text, "  %-24s %14.3g s\n", "before the rounds", e->before));
  PetscCall(MeritTextAdd(text, "  %-24s %14.3g s\n", "a round", e->round));
  PetscCall(MeritTextAdd(text, "  %-24s %14.3g s for %d round%s\n", "in all", e->seconds, e->rounds, e->rounds == 1 ? "" : "s"));
  MeritBytesText(e->other_bytes, sizeof(size), size);
  if (e->other) PetscCall(MeritTextAdd(text, "  %-24s %14s %.3g s, %s\n", "the next", e->other, e->other_seconds, size));
  need->estimation = e->seconds;
  need->no_engine  = !e->engine;
  need->per_rank += e->bytes;
  PetscFunctionReturn(PETSC_SUCCESS);
}
