/* The message for a loop in the pedigree. Every animal without a generation has a parent without
   one, so a walk over such parents ends in a loop. Each step asks the rank that holds the animal
   and broadcasts its answer: slow, but an error ends the run. */
#include "pedigree_private.h"
#include <stdio.h>

/* Most animals of a loop that the message names; mark of an animal that the walk has visited, where
   others have -1 */
enum { MOST_NAMED = 6, VISITED = -2 };

/* Answer about an animal: the parent to continue with, its line in the file, was it visited
   before */
typedef struct {
  int64_t next, line, visited;
} Step;

/* One step of the walk; *step is the same on all ranks. Marks the animal as visited. Collective. */
static PetscErrorCode Visit(MeritPedigree ped, int64_t animal, bool sire_unresolved, Step *step)
{
  const PedigreeBlock *block = &ped->block;
  const PetscMPIInt    owner = MeritBlockOwner(ped->n, ped->size, animal);

  PetscFunctionBegin;
  if (ped->rank == owner) {
    const int64_t i = animal - block->first;

    step->next         = sire_unresolved ? block->sire[i] : block->dam[i];
    step->line         = block->line[i];
    step->visited      = ped->generation[i] == VISITED;
    ped->generation[i] = VISITED;
  }
  PetscCallMPI(MPI_Bcast(step, 3, MPI_INT64_T, owner, ped->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *unresolved: has the animal a sire without a generation? Generations are -1 or VISITED
   there, both below 0. Otherwise the dam is the parent to follow, since an animal without a
   generation has such a parent. The same on all ranks. Collective. */
static PetscErrorCode SireUnresolved(MeritPedigree ped, int64_t animal, bool *unresolved)
{
  const PedigreeBlock *block = &ped->block;
  PetscMPIInt          owner = MeritBlockOwner(ped->n, ped->size, animal);
  int64_t              sire  = ped->rank == owner ? block->sire[animal - block->first] : -1;
  int                  below = 0;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(&sire, 1, MPI_INT64_T, owner, ped->comm));
  if (sire >= 0) {
    owner = MeritBlockOwner(ped->n, ped->size, sire);
    if (ped->rank == owner) below = ped->generation[sire - block->first] < 0;
    PetscCallMPI(MPI_Bcast(&below, 1, MPI_INT, owner, ped->comm));
  }
  *unresolved = below;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Walk from the lowest animal without a generation until an animal is met again: that one is in a
   loop. Collective. */
static PetscErrorCode EnterLoop(MeritPedigree ped, int64_t *animal)
{
  int64_t mine = INT64_MAX;
  Step    step = {0};

  PetscFunctionBegin;
  for (int64_t i = ped->block.n_local - 1; i >= 0; i--)
    if (ped->generation[i] < 0) mine = ped->block.first + i;
  PetscCallMPI(MPI_Allreduce(&mine, animal, 1, MPI_INT64_T, MPI_MIN, ped->comm));
  for (int64_t at = *animal; !step.visited; at = step.next) {
    bool sire;

    *animal = at;
    PetscCall(SireUnresolved(ped, at, &sire));
    PetscCall(Visit(ped, at, sire, &step));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Go once round the loop from an animal: numbers and lines of the first MOST_NAMED, the length, and
   the lowest number. Collective. */
static PetscErrorCode GoRound(MeritPedigree ped, int64_t from, int64_t animal[], int64_t line[], int64_t *n, int64_t *least)
{
  int64_t at = from;

  PetscFunctionBegin;
  *n     = 0;
  *least = from;
  do {
    Step step;
    bool sire;

    PetscCall(SireUnresolved(ped, at, &sire));
    PetscCall(Visit(ped, at, sire, &step));
    if (*n < MOST_NAMED) animal[*n] = at, line[*n] = step.line;
    *least = PetscMin(*least, at);
    ++*n;
    at = step.next;
  } while (at != from);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* "A (line 3) <- B (line 5) <- A": each parent to the right of its offspring; a long loop is cut
   short */
static void Describe(int64_t n, int64_t named, const int64_t line[], const char label[], const int64_t start[], size_t size, char text[])
{
  size_t used = 0;

  for (int64_t i = 0; i < named && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%.*s (line %lld) <- ", (int)PetscMin(start[i + 1] - start[i], 60), label + start[i],
                             (long long)line[i]);
  if (n > named && used < size) used += (size_t)snprintf(text + used, size - used, "... (%lld more) <- ", (long long)(n - named));
  if (used < size) snprintf(text + used, size - used, "%.*s", (int)PetscMin(start[1] - start[0], 60), label);
}

/* PedigreeRaiseLoop - See the header. The loop is named from its lowest number on, so that
   the message does not depend on ranks: the first walk enters the loop, one round finds its
   lowest number, a second round from there collects numbers and lines. Collective. */
PetscErrorCode PedigreeRaiseLoop(MeritPedigree ped)
{
  int64_t animal[MOST_NAMED], line[MOST_NAMED], n, least, named, *start;
  char   *label, id[61], text[1024];

  PetscFunctionBegin;
  PetscCall(EnterLoop(ped, &least));
  PetscCall(GoRound(ped, least, animal, line, &n, &least));
  PetscCall(GoRound(ped, least, animal, line, &n, &least));
  named = PetscMin(n, MOST_NAMED);
  PetscCall(MeritDictLabels(ped->dict, named, animal, &label, &start));
  Describe(n, named, line, label, start, sizeof(text), text);
  snprintf(id, sizeof(id), "%.*s", (int)PetscMin(start[1] - start[0], 60), label);
  PetscCall(PetscFree(start));
  PetscCall(PetscFree(label));
  PetscFunctionReturn(MeritRaise(MERIT_ERROR_INPUT, ped->options.path, line[0], id, "the animal is its own ancestor: %s", text));
}
