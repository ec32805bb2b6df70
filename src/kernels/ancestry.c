/*
  Inbreeding coefficients by generations: F of an animal is half the relationship of its sire and
  its dam. The matings of one sire are handled together (Family): TraceSire computes the entries of
  the sire's column of A for all its ancestors, Entry those for its mates. All memory of a family
  is in one Work for each thread.
*/
#include <merit/ancestry.h>
#include <stdlib.h>
#include <string.h>

/*
  Relationships of one sire s with many mates, after Colleau (2002): column s of A = T D T' is T (D (T' e_s)).
  T' e_s needs the ancestors of s only, and an entry x_i = w_i + (x_sire + x_dam) / 2 of the column the
  ancestors of i only. So the ancestors of s are traced once, youngest generation first, and the entries
  wanted are then found by a walk up from each mate that remembers what it has found: mates of one sire share
  most of their ancestors. Each entry has one formula, hence the same bits in any order.
*/
/* Slot of the hash table of animals */
typedef struct {
  int32_t  animal;
  uint32_t stamp; /* in use if it is the table's */
  double   value; /* while tracing: T' e_s, afterwards the entry of the column */
} Slot;

/* Ancestor in the list of its generation; next is the index of the one before it, -1 none */
typedef struct {
  int32_t animal, next;
} Link;

/* An animal whose entry is being computed: how many of its parents' entries are known, and their
   sum */
typedef struct {
  double  sum;
  int32_t animal, n_found;
} Open;

/* Work space of a thread: hash table of animals and values, lists of ancestors by generation, stack
   of Entry() */
typedef struct {
  Slot    *slot, *spare;
  uint64_t room, spare_room; /* allocated */
  uint64_t mask;             /* slots in use now, less one */
  uint64_t n_used;
  uint32_t stamp;
  int32_t *head; /* [n_levels] last link of each generation plus 1, 0 none: fresh memory is not touched before it is needed */
  Link    *link;
  int32_t  n_links, link_room;
  Open    *stack;
  int32_t  stack_room;
} Work;

/* Slots at the start of a family; matings of one sire that a thread takes at once, so that threads
   are evenly busy */
enum { LEAST_SLOTS = 1 << 10, MOST_MATINGS = 1 << 14 };

/* Multiplicative hash (Knuth 1973); the high bits are the well mixed ones */
static uint64_t Hash(int32_t animal) { return ((uint64_t)(uint32_t)animal * 0x9E3779B97F4A7C15u) >> 32; }

/* The slot that holds the animal, or the free slot where it belongs */
static Slot *Probe(const Work *w, int32_t animal)
{
  uint64_t i = Hash(animal) & w->mask;

  while (w->slot[i].stamp == w->stamp && w->slot[i].animal != animal) i = (i + 1) & w->mask;
  return w->slot + i;
}

/* The slot of an animal, or NULL */
static Slot *Find(const Work *w, int32_t animal)
{
  Slot *slot = Probe(w, animal);

  return slot->stamp == w->stamp ? slot : NULL;
}

/* Double the table: animals move to the spare table, which is kept for the next family. False
   without memory. */
static bool Grow(Work *w)
{
  uint64_t n = w->mask + 1, room = w->room;
  Slot    *old = w->slot;

  if (w->spare_room < 2 * n) {
    free(w->spare);
    w->spare      = calloc(4 * n, sizeof(Slot));
    w->spare_room = w->spare ? 4 * n : 0;
    if (!w->spare) return false;
  } else {
    memset(w->spare, 0, 2 * n * sizeof(Slot));
  }
  w->slot       = w->spare;
  w->room       = w->spare_room;
  w->spare      = old;
  w->spare_room = room;
  w->mask       = 2 * n - 1;
  for (uint64_t i = 0; i < n; i++)
    if (old[i].stamp == w->stamp) *Probe(w, old[i].animal) = old[i];
  return true;
}

/* Add an animal that is not in the table; NULL without memory. Slots found before may have moved. */
static Slot *Insert(Work *w, int32_t animal, double value)
{
  Slot *slot;

  /* At most half of the slots are used, so that probes stay short */
  if (2 * w->n_used > w->mask && !Grow(w)) return NULL;
  slot  = Probe(w, animal);
  *slot = (Slot){.animal = animal, .stamp = w->stamp, .value = value};
  w->n_used++;
  return slot;
}

/* Remove all animals: a new stamp makes every slot free without writing it. The table starts small,
   so that a small family stays in the cache. */
static void Empty(Work *w)
{
  w->mask    = LEAST_SLOTS - 1;
  w->n_used  = 0;
  w->n_links = 0;
  /* The stamp has overflowed: old slots could pass for new ones */
  if (++w->stamp == 0) {
    memset(w->slot, 0, w->room * sizeof(Slot));
    if (w->spare) memset(w->spare, 0, w->spare_room * sizeof(Slot));
    w->stamp = 1;
  }
}

/* Free the work space; safe after WorkMake failed */
static void WorkFree(Work *w)
{
  free(w->slot);
  free(w->spare);
  free(w->head);
  free(w->link);
  free(w->stack);
}

/* Allocate the work space; false without memory */
static bool WorkMake(Work *w, int32_t n_levels)
{
  memset(w, 0, sizeof(*w));
  w->room       = LEAST_SLOTS;
  w->link_room  = 256;
  w->stack_room = 256;
  w->slot       = calloc(w->room, sizeof(Slot));
  w->head       = calloc((size_t)n_levels, sizeof(*w->head));
  w->link       = malloc((size_t)w->link_room * sizeof(*w->link));
  w->stack      = malloc((size_t)w->stack_room * sizeof(*w->stack));
  return w->slot && w->head && w->link && w->stack;
}

/* MeritAncestryLevel - Generation of an animal, by bisection. Not collective. */
int32_t MeritAncestryLevel(const MeritAncestry *a, int32_t animal)
{
  int32_t low = 0, high = a->n_levels;

  while (high - low > 1) {
    int32_t middle = low + (high - low) / 2;

    if (a->level_first[middle] <= animal) low = middle;
    else high = middle;
  }
  return low;
}

/*@
  MeritAncestryMendelian - Mendelian sampling variance of an animal: 1 without parents, 3/4 - F_p / 4 with
  one, 1/2 - (F_s + F_d) / 4 with two (Henderson 1976; Quaas 1976).

  Not collective.
@*/
double MeritAncestryMendelian(const MeritAncestry *a, int32_t animal)
{
  const int32_t sire = a->parents[2 * (int64_t)animal], dam = a->parents[2 * (int64_t)animal + 1];

  if (sire >= 0 && dam >= 0) return .5 - .25 * (a->inbreeding[sire] + a->inbreeding[dam]);
  if (sire >= 0) return .75 - .25 * a->inbreeding[sire];
  if (dam >= 0) return .75 - .25 * a->inbreeding[dam];
  return 1.;
}

/* Add an animal to the list of its generation; false without memory */
static bool AddLink(Work *w, int32_t animal, int32_t level)
{
  if (w->n_links == w->link_room) {
    Link *more = w->link_room > INT32_MAX / 2 ? NULL : realloc(w->link, 2 * (size_t)w->link_room * sizeof(*more));

    if (!more) return false;
    w->link = more;
    w->link_room *= 2;
  }
  w->link[w->n_links] = (Link){.animal = animal, .next = w->head[level] - 1};
  w->head[level]      = ++w->n_links;
  return true;
}

/* Add half of an animal's value of T' e_s to a parent, which becomes an ancestor if it is new;
   false without memory */
static bool PassUp(Work *w, const MeritAncestry *a, int32_t parent, double half)
{
  Slot *slot;

  if (parent < 0) return true;
  slot = Find(w, parent);
  if (slot) {
    slot->value += half;
    return true;
  }
  return Insert(w, parent, half) && AddLink(w, parent, MeritAncestryLevel(a, parent));
}

/* x_sire + x_dam of an animal whose parents are in the table */
static double ParentSum(const Work *w, const MeritAncestry *a, int32_t animal)
{
  const int32_t sire = a->parents[2 * (int64_t)animal], dam = a->parents[2 * (int64_t)animal + 1];
  double        sum = 0;

  if (sire >= 0) sum += Find(w, sire)->value;
  if (dam >= 0) sum += Find(w, dam)->value;
  return sum;
}

/*
  TraceSire - Entries of column s of A for s and its ancestors; false without memory.
  First T' e_s, youngest generation first: each animal passes half of its value to its parents.
  Then x_i = d_i (T' e_s)_i + (x_sire + x_dam) / 2, oldest generation first; this overwrites T'
  e_s.
*/
static bool TraceSire(Work *w, const MeritAncestry *a, int32_t s)
{
  const int32_t top = MeritAncestryLevel(a, s);

  Empty(w);
  if (!Insert(w, s, 1.) || !AddLink(w, s, top)) return false;
  for (int32_t g = top; g > 0; g--)
    for (int32_t i = w->head[g] - 1; i >= 0; i = w->link[i].next) {
      const int32_t animal = w->link[i].animal;
      const double  half   = .5 * Find(w, animal)->value;

      if (!PassUp(w, a, a->parents[2 * (int64_t)animal], half)) return false;
      if (!PassUp(w, a, a->parents[2 * (int64_t)animal + 1], half)) return false;
    }
  for (int32_t g = 0; g <= top; g++) {
    for (int32_t i = w->head[g] - 1; i >= 0; i = w->link[i].next) {
      const int32_t animal = w->link[i].animal;
      Slot         *slot   = Find(w, animal);

      slot->value = MeritAncestryMendelian(a, animal) * slot->value + .5 * ParentSum(w, a, animal);
    }
    w->head[g] = 0;
  }
  return true;
}

/* *value = the entry of an animal if it is known: in the table, or 0 for an unknown parent or a
   founder that is not an ancestor of the sire. False if it must be computed first. */
static bool Known(const Work *w, const MeritAncestry *a, int32_t animal, double *value)
{
  const Slot *slot;

  *value = 0;
  if (animal < 0) return true;
  slot = Find(w, animal);
  if (slot) *value = slot->value;
  return slot || animal < a->level_first[1];
}

/* Push an animal on the stack; false without memory */
static bool Push(Work *w, int32_t *n, int32_t animal)
{
  if (*n == w->stack_room) {
    Open *more = w->stack_room > INT32_MAX / 2 ? NULL : realloc(w->stack, 2 * (size_t)w->stack_room * sizeof(*more));

    if (!more) return false;
    w->stack = more;
    w->stack_room *= 2;
  }
  w->stack[(*n)++] = (Open){.animal = animal};
  return true;
}

/*
  Entry - Entry of the traced column for any animal; false without memory.
  x_i = (x_sire + x_dam) / 2 for an animal that is not an ancestor of the sire. The pedigree is
  walked upwards by an explicit stack, since it may be deeper than the call stack allows; entries
  found on the way are kept.
*/
static bool Entry(Work *w, const MeritAncestry *a, int32_t animal, double *value)
{
  int32_t n = 0;

  if (Known(w, a, animal, value)) return true;
  if (!Push(w, &n, animal)) return false;
  while (n) {
    Open         *open   = w->stack + n - 1;
    const int32_t i      = open->animal;
    const int32_t parent = open->n_found < 2 ? a->parents[2 * (int64_t)i + open->n_found] : -1;

    if (open->n_found == 2) {
      /* Both parents are known: the entry goes to the offspring below on the stack */
      *value = .5 * open->sum;
      if (!Insert(w, i, *value)) return false;
      if (--n) {
        w->stack[n - 1].sum += *value;
        w->stack[n - 1].n_found++;
      }
    } else if (Known(w, a, parent, value)) {
      open->sum += *value;
      open->n_found++;
    } else if (!Push(w, &n, parent)) {
      return false;
    }
  }
  return true;
}

/* Matings of one sire: inbreeding[i] = a(sire, dam[i]) / 2; false without memory */
static bool Family(Work *w, const MeritAncestry *a, int64_t n, int32_t sire, const int32_t dam[], double inbreeding[])
{
  if (!TraceSire(w, a, sire)) return false;
  for (int64_t i = 0; i < n; i++) {
    if (!Entry(w, a, dam[i], inbreeding + i)) return false;
    inbreeding[i] *= .5;
  }
  return true;
}

/* Cut the matings where the sire changes, and large families into parts: part p is [first[p],
   first[p + 1]). First pass counts, second fills. */
static PetscErrorCode CutFamilies(int64_t n, const int32_t sire[], int64_t *n_parts, int64_t **first)
{
  int64_t m = 0;

  PetscFunctionBegin;
  for (int pass = 0; pass < 2; pass++) {
    int64_t begin = 0;

    if (pass) PetscCall(PetscMalloc1(m + 1, first));
    m = 0;
    for (int64_t i = 0; i < n; i++) {
      if (i && sire[i] == sire[i - 1] && i - begin < MOST_MATINGS) continue;
      begin = i;
      if (pass) (*first)[m] = i;
      m++;
    }
  }
  (*first)[m] = n;
  *n_parts    = m;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritAncestryInbreeding - Inbreeding of the offspring of given matings: half the relationship of sire and
  dam.

  Not collective; OpenMP threads share the families.

  Input Parameters:
+ ancestry - the pedigree by generations; the inbreeding of all generations below each sire's must be there
. n        - matings
. sire     - [n] matings of one sire stand side by side
- dam      - [n]

  Output Parameter:
. inbreeding - [n]

  Cost: the ancestors of a sire once, plus the ancestors of its mates, each once per sire. Founders without
  common descent cost nothing. Method: Colleau (2002), by sires as Sargolzaei, Iwaisaki and Colleau (2005).
@*/
PetscErrorCode MeritAncestryInbreeding(const MeritAncestry *ancestry, int64_t n, const int32_t sire[], const int32_t dam[], double inbreeding[])
{
  int64_t n_parts, *first;
  bool    enough = true;

  PetscFunctionBegin;
  PetscCall(CutFamilies(n, sire, &n_parts, &first));
#pragma omp parallel if (n_parts > 1)
  {
    Work w;
    bool good = WorkMake(&w, ancestry->n_levels);

#pragma omp for schedule(dynamic)
    for (int64_t p = 0; p < n_parts; p++) {
      const int64_t at = first[p];

      if (good) good = Family(&w, ancestry, first[p + 1] - at, sire[at], dam + at, inbreeding + at);
    }
    WorkFree(&w);
    if (!good) {
#pragma omp atomic write
      enough = false;
    }
  }
  PetscCall(PetscFree(first));
  PetscCheck(enough, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for the ancestors of a family");
  PetscFunctionReturn(PETSC_SUCCESS);
}
