/*
  Records sorted by animal, for passes that update an animal and use its records at once
  (pedigree_joint.c). Animals come in blocks of MERIT_ANIMAL_BLOCK; a record stores the animal's
  number within the block in 16 bits. Only models whose regressors have the traits in consecutive
  equations fit; others keep the general kernels.
*/
#include "gather.h"
#include <string.h>

/* Are the components of all traits of a regressor consecutive, the first one at `first` (any if
   first < 0)? */
static bool SideBySide(const MeritRecordKernel *r, int g, int first)
{
  if (r->offset[g][0] < 0 || (first >= 0 && r->offset[g][0] != first)) return false;
  for (int t = 1; t < r->n_traits; t++)
    if (r->offset[g][t] != r->offset[g][0] + t) return false;
  return true;
}

/* next[i + 1] = number of records of animal i; false if a record has no animal of this range */
static bool Count(const MeritRecordKernel *r, int animals, int32_t own, int32_t n_animals, int32_t *next)
{
  for (int32_t i = 0; i < r->n_records; i++) {
    const int32_t slot = r->slot[animals][i], animal = (slot - own) / r->n_traits;

    if (slot < own || animal >= n_animals) return false;
    next[animal + 1]++;
  }
  return true;
}

/* Regressors that need a list of levels: all fixed ones except one that has the same level in all
   records (s->one). Returns how many. */
static int List(const MeritRecordKernel *r, int animals, int list[], MeritAnimalRecords *s)
{
  int n = 0;

  s->one = -1;
  for (int g = 0; g < r->n_regressors; g++) {
    if (g == animals) continue;
    if (s->one < 0 && r->n_records && r->single[g] && !r->value[g]) s->one = r->slot[g][0] + r->offset[g][0];
    else list[n++] = g;
  }
  return n;
}

/* Arrays of n_records; value, pattern and sqrt weights only if some record needs them */
static PetscErrorCode Allocate(const MeritRecordKernel *r, const int list[], int32_t n_blocks, MeritAnimalRecords *s)
{
  const size_t n = (size_t)r->n_records, n_lists = (size_t)s->n_lists;
  bool         values = false;

  PetscFunctionBegin;
  for (int l = 0; l < s->n_lists; l++) values = values || r->value[list[l]];
  PetscCall(PetscMalloc1(n_blocks + 1, &s->start));
  PetscCall(PetscMalloc1(n + 1, &s->in_block));
  /* The loops prefetch AHEAD records beyond the current one; padding with -1 lets them run past the
     end */
  PetscCall(PetscMalloc1((n + AHEAD) * n_lists + 1, &s->slot));
  for (size_t i = n * n_lists; i < (n + AHEAD) * n_lists; i++) s->slot[i] = -1;
  if (values) PetscCall(PetscMalloc1(n * n_lists + 1, &s->value));
  if (r->n_patterns > 1) PetscCall(PetscMalloc1(n + 1, &s->pattern));
  if (r->sqrt_weight) PetscCall(PetscMalloc1(n * (size_t)r->n_traits + 1, &s->sqrt_weight));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Copy record `record` of the kernel to position `at` of the sorted order */
static void Put(const MeritRecordKernel *r, const int list[], int32_t record, int32_t at, MeritAnimalRecords *s)
{
  for (int l = 0; l < s->n_lists; l++) {
    const int32_t slot = r->slot[list[l]][record];

    s->slot[(int64_t)at * s->n_lists + l] = slot < 0 ? -1 : slot + r->offset[list[l]][0];
    if (s->value) s->value[(int64_t)at * s->n_lists + l] = r->value[list[l]] ? r->value[list[l]][record] : 1.0;
  }
  if (s->pattern) s->pattern[at] = r->pattern[record];
  for (int t = 0; s->sqrt_weight && t < s->n_traits; t++)
    s->sqrt_weight[(int64_t)at * s->n_traits + t] = r->sqrt_weight[(int64_t)record * s->n_traits + t];
}

/*@
  MeritAnimalRecordsCreate - Sort records by animals.

  Not collective.

  Input Parameters:
+ r         - the records; R_inverse is borrowed
. animals   - the regressor that says whose they are
. own       - slot of the first animal
- n_animals - animals from there on

  Output Parameters:
+ s    - the sorted records, owned by the caller
- fits - false if the records cannot be stored in this form; then s is empty
@*/
PetscErrorCode MeritAnimalRecordsCreate(const MeritRecordKernel *r, int animals, int32_t own, int32_t n_animals, MeritAnimalRecords *s, bool *fits)
{
  const int32_t n_blocks = (n_animals + MERIT_ANIMAL_BLOCK - 1) / MERIT_ANIMAL_BLOCK;
  int32_t      *next;
  int          *list;

  PetscFunctionBegin;
  memset(s, 0, sizeof(*s));
  s->n_traits  = r->n_traits;
  s->R_inverse = r->R_inverse;
  *fits        = !r->value[animals] && SideBySide(r, animals, 0);
  for (int g = 0; g < r->n_regressors; g++) *fits = *fits && SideBySide(r, g, -1);
  PetscCall(PetscCalloc1(n_animals + 1, &next));
  *fits = *fits && Count(r, animals, own, n_animals, next);
  if (!*fits) {
    PetscCall(PetscFree(next));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(r->n_regressors + 1, &list));
  s->n_lists = List(r, animals, list, s);
  PetscCall(Allocate(r, list, n_blocks, s));
  /* Counting sort by animal: next[i] is the position of the next record of animal i */
  for (int32_t i = 0; i < n_animals; i++) next[i + 1] += next[i];
  for (int32_t b = 0; b <= n_blocks; b++) s->start[b] = next[PetscMin(n_animals, b * MERIT_ANIMAL_BLOCK)];
  for (int32_t i = 0; i < r->n_records; i++) {
    const int32_t animal = (r->slot[animals][i] - own) / r->n_traits;

    s->in_block[next[animal]] = (uint16_t)(animal % MERIT_ANIMAL_BLOCK);
    Put(r, list, i, next[animal]++, s);
  }
  PetscCall(PetscFree(next));
  PetscCall(PetscFree(list));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAnimalRecordsDestroy - Free what they hold. Not collective. */
PetscErrorCode MeritAnimalRecordsDestroy(MeritAnimalRecords *s)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(s->start));
  PetscCall(PetscFree(s->in_block));
  PetscCall(PetscFree(s->slot));
  PetscCall(PetscFree(s->value));
  PetscCall(PetscFree(s->pattern));
  PetscCall(PetscFree(s->sqrt_weight));
  PetscFunctionReturn(PETSC_SUCCESS);
}
