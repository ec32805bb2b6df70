/*
  The checkpoint of a fit: what it needs to go on where it was.

  Parts are named "fitK.NAME", K being 1 + the term that is left out, 0 for the whole model:
  several fits of a job are in one checkpoint. A fit that has ended keeps its point; a running
  one has also its pairs of steps and the engine's parts. The first two parts, theta and
  `ended`, say which of the two it is, so they are read first.
*/
#include "reml.h"
#include <merit/checkpoint.h>
#include <stdio.h>
#include <string.h>

/* Parts of a fit, and at most of an engine */
enum { N_OWN = 18, N_ENGINE = 5, N_STATE = N_OWN + N_ENGINE };

typedef struct {
  char       name[N_STATE][32];
  char       kind[16];
  int32_t    ended; /* 1 + v->results.stop of a fit that has ended, else 0 */
  int        n;
  MeritState part[N_STATE];
} State;

/* One part more; data stays where it is, the checkpoint reads from or writes to it */
static void AddPart(State *s, const char *fit, const char *name, MeritStateKind kind, size_t size, void *data)
{
  snprintf(s->name[s->n], sizeof(s->name[s->n]), "%s.%s", fit, name);
  s->part[s->n] = (MeritState){s->name[s->n], kind, size, data};
  s->n++;
}

/*
  The parts that every fit has, ended or running. All of them are the same on every rank. The
  blocks are kept whole, with their states.
*/
static void FillKept(Reml *r, State *s)
{
  MeritVarcomp v   = r->v;
  const size_t one = sizeof(double), n = (size_t)v->n * one, square = n * (size_t)v->n;
  char         fit[16];

  s->n = 0;
  snprintf(fit, sizeof(fit), "fit%d", v->settings.left_out + 1);
  AddPart(s, fit, "theta", MERIT_STATE_SAME, n, v->run.theta);
  AddPart(s, fit, "ended", MERIT_STATE_SAME, sizeof(s->ended), &s->ended);
  AddPart(s, fit, "rounds", MERIT_STATE_SAME, sizeof(v->results.rounds), &v->results.rounds);
  AddPart(s, fit, "kind", MERIT_STATE_SAME, sizeof(s->kind), s->kind);
  AddPart(s, fit, "change", MERIT_STATE_SAME, one, &r->change);
  AddPart(s, fit, "gain", MERIT_STATE_SAME, one, &r->gain);
  AddPart(s, fit, "likelihood", MERIT_STATE_SAME, one, &r->point.log_likelihood);
  AddPart(s, fit, "score", MERIT_STATE_SAME, n, r->point.score);
  AddPart(s, fit, "information", MERIT_STATE_SAME, square, r->point.information);
  AddPart(s, fit, "noise", MERIT_STATE_SAME, square, r->point.mc_covariance);
  AddPart(s, fit, "blocks", MERIT_STATE_SAME, (size_t)r->c.n_blocks * sizeof(*r->c.block), r->c.block);
  for (int i = 0; i < 6; i++) {
    char name[16];

    snprintf(name, sizeof(name), "pair%d", i);
    AddPart(s, fit, name, MERIT_STATE_SAME, n, r->c.pair[i / 3][i % 3]);
  }
}

/* Beside them what changes only while the fit goes on */
static void FillRunning(Reml *r, State *s)
{
  MeritState engine[N_ENGINE];
  char       fit[16];
  const int  n = r->v->run.engine->state ? r->v->run.engine->state(r->v, engine) : 0;

  FillKept(r, s);
  snprintf(fit, sizeof(fit), "fit%d", r->v->settings.left_out + 1);
  AddPart(s, fit, "pairs", MERIT_STATE_SAME, sizeof(r->c.n_pairs), &r->c.n_pairs);
  for (int i = 0; i < n; i++) AddPart(s, fit, engine[i].name, engine[i].kind, engine[i].size, engine[i].data);
}

/*
  A file may be damaged or of another model. Blocks that were loaded must be of the same
  matrices and rows as those that were made, and everything that is an index must be in bounds.
*/
static bool IsSound(const Reml *r, const Block made[])
{
  const Coordinates *c = &r->c;

  for (int b = 0; b < c->n_blocks; b++) {
    const Block *is = &c->block[b], *was = &made[b];

    if (is->term != was->term || is->residual != was->residual || is->first != was->first || is->n != was->n) return false;
    if (is->kind < BLOCK_FREE || is->kind > BLOCK_SINGULAR || is->free_pivots < 0 || is->free_pivots > is->n) return false;
    for (int i = 0; i < is->n; i++)
      if (is->row[i] != was->row[i]) return false;
    for (int i = 0; i < is->n && is->kind == BLOCK_SINGULAR; i++)
      if (is->order[i] < 0 || is->order[i] >= is->n) return false;
  }
  return r->v->results.rounds >= 0 && c->n_pairs >= 0 && c->n_pairs <= 3;
}

/*
  RemlResume - See the header. The name of the last step is read as text and then replaced by
  the constant of the same name, as r->step_name is borrowed. Coordinates, gradient and
  information are computed again from the point. Collective.
*/
PetscErrorCode RemlResume(Reml *r, bool *resumed, bool *done)
{
  static const char *const kinds[] = {"start", "secant", "ai", "ai-em", "em-ai", "em", "boundary", "release"};
  State                    s       = {.n = 0};
  Block                   *made;

  PetscFunctionBegin;
  *done = false;
  FillKept(r, &s);
  PetscCall(MeritCheckpointLoad(r->v->checkpoint, 2, s.part, resumed));
  if (!*resumed) PetscFunctionReturn(PETSC_SUCCESS);
  *done = s.ended != 0;
  if (*done) r->v->results.stop = (MeritVarcompStop)(s.ended - 1);
  else FillRunning(r, &s);
  PetscCall(PetscMalloc1(r->c.n_blocks, &made));
  PetscCall(PetscArraycpy(made, r->c.block, r->c.n_blocks));
  PetscCall(MeritCheckpointLoad(r->v->checkpoint, s.n - 2, s.part + 2, resumed));
  if (!IsSound(r, made) || memchr(s.kind, 0, sizeof(s.kind)) == NULL) PetscCall(MeritCheckpointDamaged(r->v->checkpoint, s.name[0]));
  PetscCall(PetscFree(made));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(kinds); i++)
    if (!strcmp(kinds[i], s.kind)) r->step_name = kinds[i];
  CoordinatesSet(r->v, &r->c, r->v->run.theta, &r->point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RemlSaveIfDue - See the header. Collective. */
PetscErrorCode RemlSaveIfDue(Reml *r)
{
  State s = {.n = 0};
  bool  due;

  PetscFunctionBegin;
  PetscCall(MeritCheckpointDue(r->v->checkpoint, &due));
  if (!due) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscStrncpy(s.kind, r->step_name, sizeof(s.kind)));
  FillRunning(r, &s);
  PetscCall(MeritCheckpointSave(r->v->checkpoint, r->v->results.rounds, s.n, s.part));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RemlKeep - See the header. Collective. */
PetscErrorCode RemlKeep(Reml *r)
{
  State s = {.ended = 1 + (int32_t)r->v->results.stop};

  PetscFunctionBegin;
  PetscCall(PetscStrncpy(s.kind, r->step_name, sizeof(s.kind)));
  FillKept(r, &s);
  PetscCall(MeritCheckpointKeep(r->v->checkpoint, s.n, s.part));
  PetscFunctionReturn(PETSC_SUCCESS);
}
