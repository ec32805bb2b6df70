/*
  Colours of the levels of a term, so that no record and no row of the recursion couples two
  levels of one colour. Such levels have no element of C in common, and can be updated at the same
  time.

  Jones and Plassmann (1993): each level has a priority. In a round, a level whose neighbours of
  higher priority all have colours takes the least colour that no neighbour has. Rounds go on
  until all levels have colours. Priorities are scrambled canonical numbers: these do not depend
  on the ranks, and so neither do the colours.

  A rank sees only the neighbours that its own records and rows couple. So in each round every
  rank makes bit masks for its owned and ghost levels, the masks are combined by OR at the owners,
  the owners choose, and the colours go back to the ghosts. Levels are named by their first
  equations.
*/
#include "sweep_impl.h"

/* Bits of one word of a mask that are used: all of an int but the sign */
enum { BITS = 31 };

/* State of a colouring. Arrays have an entry for each local equation, of which the first
   equations of levels are used. */
typedef struct {
  const MeritTermView  *term;
  MeritSweep            s;
  const MeritRecursion *recursion;  /* NULL: none */
  PetscSF               sf;         /* first equations of the term's ghost levels; owned */
  uint64_t             *priority;   /* [n_local] at first equations; owned */
  int                  *colour;     /* [n_local] at first equations, -1: none yet; owned */
  int                   words;      /* of colours in a mask */
  int                  *mask;       /* [n_local * (words + 1)] word 0: must wait; then the colours of neighbours; owned */
  bool                  by_records; /* some record on some rank couples two levels */
} Painter;

/* A one-to-one scramble of 64 bits (the finaliser of Steele, Lea and Flood 2014), so there are
   no ties. With the numbers themselves, neighbours with ascending numbers would need a round
   for each. */
static uint64_t Priority(int64_t canonical)
{
  uint64_t z = (uint64_t)canonical + 0x9E3779B97F4A7C15u;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Take account of b, a neighbour of level a, in the mask of a. A neighbour with a colour
   forbids this colour; one without a colour and of higher priority makes a wait. */
static void Couple(Painter *p, int32_t a, int32_t b)
{
  int *mask = p->mask + (int64_t)a * (p->words + 1);

  if (a == b || p->colour[a] >= 0) return;
  if (p->colour[b] >= 0) mask[1 + p->colour[b] / BITS] |= 1 << (p->colour[b] % BITS);
  else if (p->priority[b] > p->priority[a]) mask[0] = 1;
}

/* Couple each of n levels with each other; -1: no level */
static void CoupleAll(Painter *p, int n, const int32_t *eq)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      if (eq[i] >= 0 && eq[j] >= 0) Couple(p, eq[i], eq[j]);
}

/* Distinct levels of a record, by first equations, at most `room`; returns how many. A record
   can have several levels of a term, such as animal and dam. Regressors of the same level,
   such as those of a Legendre polynomial, follow one another, so a look at the one before
   saves most comparisons. */
static int LevelsOfRecord(const MeritTermView *t, int32_t record, int room, int32_t *eq)
{
  int n = 0;

  for (int g = 0; g < t->n_regressors && n < room; g++) {
    const int32_t slot = t->design[g].slot[record];
    bool          seen = slot < 0 || (g && slot == t->design[g - 1].slot[record]);

    if (seen) continue;
    eq[n] = MeritTermEquationOfSlot(t, slot);
    for (int i = 0; i < n; i++) seen = seen || eq[i] == eq[n];
    n += !seen;
  }
  return n;
}

/* Couple the levels of a row of the recursion, however many */
static void CoupleRow(Painter *p, int32_t row)
{
  const int64_t n = MeritRecursionRowLength(p->recursion, row);

  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      double        element;
      const int32_t a = MeritRecursionElement(p->recursion, row, i, &element), b = MeritRecursionElement(p->recursion, row, j, &element);

      if (a >= 0 && b >= 0) Couple(p, a, b);
    }
}

/* Make the masks: couple all levels that have a record or a row of this rank in common. ROOM
   is enough for any record: each regressor has components of its own, at most
   MERIT_MAX_COMPONENTS. */
static void CoupleNeighbours(Painter *p)
{
  enum { ROOM = 64 };
  const MeritTermView *t = p->term;
  int32_t              eq[ROOM];

  for (int32_t record = 0; p->by_records && record < p->s->records->n_records; record++) {
    int n = LevelsOfRecord(t, record, ROOM, eq);

    if (n > 1) CoupleAll(p, n, eq);
  }
  for (int32_t row = 0; p->recursion && row < p->recursion->n_rows; row++) CoupleRow(p, row);
}

/* Least colour that is not in the mask; words * BITS if all are */
static int LeastFree(const Painter *p, const int *mask)
{
  for (int w = 0; w < p->words; w++)
    for (int b = 0; b < BITS; b++)
      if (!(mask[w] >> b & 1)) return w * BITS + b;
  return p->words * BITS;
}

/* Colour the owned levels that need not wait. Counts those without a colour, and sets *full if
   a mask had no free colour; such a level waits for longer masks. */
static void Choose(Painter *p, int64_t *left, bool *full)
{
  for (int32_t i = 0; i < p->term->n_owned; i++) {
    const int32_t eq   = p->term->eq_owned + i * p->term->n_eq;
    const int    *mask = p->mask + (int64_t)eq * (p->words + 1);
    int           least;

    if (p->colour[eq] >= 0) continue;
    least = mask[0] ? -1 : LeastFree(p, mask + 1);
    if (least == p->words * BITS) {
      *full = true;
      least = -1;
    }
    p->colour[eq] = least;
    if (least < 0) ++*left;
  }
}

/* One round over all ranks; *left levels of all ranks have no colour after it. If a mask was
   full on any rank, masks get twice the words on all, since they are combined. Collective. */
static PetscErrorCode Round(Painter *p, int64_t *left)
{
  const int32_t n_owned  = p->s->n_owned;
  const size_t  n_masks  = (size_t)p->s->n_local * (size_t)(p->words + 1);
  int64_t       state[2] = {0, 0};
  bool          full     = false;
  MPI_Datatype  unit;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(p->mask, n_masks));
  CoupleNeighbours(p);
  /* one unit is the whole mask of a level */
  PetscCallMPI(MPI_Type_contiguous(p->words + 1, MPI_INT, &unit));
  PetscCallMPI(MPI_Type_commit(&unit));
  PetscCall(PetscSFReduceBegin(p->sf, unit, p->mask + (int64_t)n_owned * (p->words + 1), p->mask, MPI_BOR));
  PetscCall(PetscSFReduceEnd(p->sf, unit, p->mask + (int64_t)n_owned * (p->words + 1), p->mask, MPI_BOR));
  PetscCallMPI(MPI_Type_free(&unit));
  Choose(p, &state[0], &full);
  state[1] = full;
  PetscCall(PetscSFBcastBegin(p->sf, MPI_INT, p->colour, p->colour + n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(p->sf, MPI_INT, p->colour, p->colour + n_owned, MPI_REPLACE));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, state, 2, MPI_INT64_T, MPI_SUM, p->s->comm));
  *left = state[0];
  if (state[1]) {
    p->words *= 2;
    PetscCall(PetscFree(p->mask));
    PetscCall(PetscMalloc1((size_t)p->s->n_local * (size_t)(p->words + 1) + 1, &p->mask));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Priorities of owned and ghost levels, no colours, and the link between first equations of
   ghosts and those of their owners. Collective. */
static PetscErrorCode Prepare(Painter *p)
{
  const MeritTermView *t       = p->term;
  const int32_t        n_local = p->s->n_local, n_owned = p->s->n_owned;
  PetscInt            *leaf;

  PetscFunctionBegin;
  p->words = 2;
  PetscCall(PetscCalloc1(n_local + 1, &p->priority));
  PetscCall(PetscMalloc1(n_local + 1, &p->colour));
  PetscCall(PetscMalloc1((size_t)n_local * (size_t)(p->words + 1) + 1, &p->mask));
  PetscCall(PetscMalloc1(t->n_ghost + 1, &leaf));
  for (int32_t i = 0; i < n_local; i++) p->colour[i] = -1;
  for (int32_t i = 0; i < t->n_owned; i++) p->priority[t->eq_owned + i * t->n_eq] = Priority(t->canonical[i]);
  for (int32_t i = 0; i < t->n_ghost; i++) leaf[i] = t->eq_other - n_owned + i * t->n_eq;
  PetscCall(PetscSFCreateEmbeddedLeafSF(p->s->halo, t->n_ghost, leaf, &p->sf));
  PetscCall(PetscFree(leaf));
  PetscCall(PetscSFBcastBegin(p->sf, MPI_UINT64_T, p->priority, p->priority + n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(p->sf, MPI_UINT64_T, p->priority, p->priority + n_owned, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does some record on some rank have two levels of the term? If not, passes over the records
   are saved. Collective. */
static PetscErrorCode RecordsCoupleTwo(MeritSweep s, const MeritTermView *t, bool *two)
{
  int32_t eq[2];
  int     found = 0;

  PetscFunctionBegin;
  for (int32_t record = 0; !found && record < s->records->n_records; record++) found = LevelsOfRecord(t, record, 2, eq) > 1;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &found, 1, MPI_INT, MPI_MAX, s->comm));
  *two = found;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepColour - See the header. One colour without any round if the term goes by columns,
   where the term has genotyped levels, which get no steps, or if nothing couples two levels. Collective. */
PetscErrorCode MeritSweepColour(MeritSweep s, const SweepTerm *term, int *n_colours, int **colour)
{
  const MeritTermView *t    = term->view;
  Painter              p    = {.term = t, .s = s, .recursion = term->recursion};
  int64_t              left = 1;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(MeritTermRecordLevels(t) + 1, colour));
  *n_colours = 1;
  if (SweepByColumns(t)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(RecordsCoupleTwo(s, t, &p.by_records));
  if (!p.by_records && !p.recursion) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Prepare(&p));
  while (left) PetscCall(Round(&p, &left));
  for (int32_t i = 0; i < MeritTermRecordLevels(t); i++) {
    (*colour)[i] = p.colour[MeritTermEquation(t, i)];
    *n_colours   = PetscMax(*n_colours, (*colour)[i] + 1);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, n_colours, 1, MPI_INT, MPI_MAX, s->comm));
  PetscCall(PetscSFDestroy(&p.sf));
  PetscCall(PetscFree(p.priority));
  PetscCall(PetscFree(p.colour));
  PetscCall(PetscFree(p.mask));
  PetscFunctionReturn(PETSC_SUCCESS);
}
