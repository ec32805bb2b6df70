/*
  A set of integers with codes 0, 1, 2, ... in order of first appearance.

  Hash table with open addressing: `slot` holds codes, `value` the integers by code. A value costs
  8 bytes and 6 to 12 of table (at most 70 % of the slots are used).
*/
#include <merit/integers.h>
#include <stdlib.h>

struct _p_MeritIntegers {
  int64_t *value; /* [room] by code; owned */
  int32_t  n, room;
  int32_t *slot; /* [mask + 1] code, or -1; owned */
  uint64_t mask;
};

/* Multiplicative hash (Knuth 1973): the high bits are folded in, since the low ones alone select
   the slot */
static uint64_t Mix(int64_t value)
{
  uint64_t h = (uint64_t)value * 0x9e3779b97f4a7c15u;

  return h ^ (h >> 29);
}

/* Slot of the value, or the free slot where it belongs */
static uint64_t Probe(MeritIntegers p, int64_t value)
{
  uint64_t s = Mix(value) & p->mask;

  while (p->slot[s] >= 0 && p->value[p->slot[s]] != value) s = (s + 1) & p->mask;
  return s;
}

/* A new table of `slots` slots (a power of two); codes stay */
static PetscErrorCode Rehash(MeritIntegers p, uint64_t slots)
{
  int32_t *slot = realloc(p->slot, slots * sizeof(*slot));

  PetscFunctionBegin;
  PetscCheck(slot, PETSC_COMM_SELF, PETSC_ERR_MEM, "pool of %d integers", p->n);
  p->slot = slot;
  p->mask = slots - 1;
  for (uint64_t s = 0; s < slots; s++) slot[s] = -1;
  for (int32_t c = 0; c < p->n; c++) slot[Probe(p, p->value[c])] = c;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritIntegersCreate - Make an empty pool with room for about `expect` values. Not collective. */
PetscErrorCode MeritIntegersCreate(int64_t expect, MeritIntegers *pool)
{
  MeritIntegers p;
  uint64_t      slots = 32;

  PetscFunctionBegin;
  PetscCall(PetscNew(&p));
  while (slots * 7 < (uint64_t)expect * 10) slots *= 2;
  /* Room is capped: a wrong guess must not ask for all memory */
  p->room  = (int32_t)PetscMax(16, PetscMin(expect, INT32_MAX / 2));
  p->value = malloc((size_t)p->room * sizeof(*p->value));
  PetscCheck(p->value, PETSC_COMM_SELF, PETSC_ERR_MEM, "pool of %d integers", p->room);
  PetscCall(Rehash(p, slots));
  *pool = p;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritIntegersIntern - Code of a value, added if it is new. Not collective. */
PetscErrorCode MeritIntegersIntern(MeritIntegers p, int64_t value, int32_t *code)
{
  uint64_t s = Probe(p, value);

  PetscFunctionBegin;
  if (p->slot[s] >= 0) {
    *code = p->slot[s];
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (p->n == p->room) {
    const int32_t room  = p->room < INT32_MAX / 2 ? 2 * p->room : INT32_MAX - 1;
    int64_t      *grown = room > p->n ? realloc(p->value, (size_t)room * sizeof(*grown)) : NULL;

    PetscCheck(grown, PETSC_COMM_SELF, PETSC_ERR_MEM, "pool of %d integers", p->n);
    p->value = grown;
    p->room  = room;
  }
  p->value[p->n] = value;
  p->slot[s]     = p->n;
  *code          = p->n++;
  if ((uint64_t)p->n * 10 > (p->mask + 1) * 7) PetscCall(Rehash(p, 2 * (p->mask + 1)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritIntegersFind - Code of a value, or -1. Not collective. */
int32_t MeritIntegersFind(MeritIntegers p, int64_t value) { return p->slot[Probe(p, value)]; }

/* MeritIntegersCount - Number of values. Not collective. */
int32_t MeritIntegersCount(MeritIntegers p) { return p->n; }

/* MeritIntegersValues - The values by code; borrowed until the next Intern. Not collective. */
const int64_t *MeritIntegersValues(MeritIntegers p) { return p->value; }

static int Compare(const void *a, const void *b)
{
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

  return (x > y) - (x < y);
}

/* MeritIntegersSort - Renumber so that codes follow ascending values. Not collective. */
PetscErrorCode MeritIntegersSort(MeritIntegers p)
{
  PetscFunctionBegin;
  qsort(p->value, (size_t)p->n, sizeof(*p->value), Compare);
  PetscCall(Rehash(p, p->mask + 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritIntegersDestroy - Free a pool; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritIntegersDestroy(MeritIntegers *pool)
{
  PetscFunctionBegin;
  if (!*pool) PetscFunctionReturn(PETSC_SUCCESS);
  free((*pool)->value);
  free((*pool)->slot);
  PetscCall(PetscFree(*pool));
  PetscFunctionReturn(PETSC_SUCCESS);
}
