/*
  Who owns a level. Canonical numbers are cut into blocks over the ranks; the rank of a
  block knows the owner of each level of it and the position of the level among those that
  the owner has. So no rank holds the whole directory. A rank that needs an owner asks
  the ranks of the blocks (MeritLevelsLocate).

  Whether this rank itself owns a level, and at which position, is asked for every record
  and is answered without messages (MeritLevelsOwnedPosition): from the difference to the
  first number if the owned numbers are one block, else by a map of bits, else by a
  search in an index.
*/
#include "model_impl.h"
#include <merit/ancestry.h>

/* Numbers of one entry of a map */
enum { MAP_BITS = 32 };

/* Number of bits that are 1: sums of 2, 4, 8 neighbours, then of the four bytes by a
   product */
static int32_t CountBits(uint32_t bits)
{
  bits -= bits >> 1 & 0x55555555u;
  bits = (bits & 0x33333333u) + (bits >> 2 & 0x33333333u);
  bits = (bits + (bits >> 4)) & 0x0f0f0f0fu;
  return (int32_t)(bits * 0x01010101u >> 24);
}

/* Make the map: a bit for each number from the first to the last owned one, and for each
   32 bits the count of owned numbers before them. It is small enough for the caches,
   which nearly all look-ups would miss otherwise. */
static PetscErrorCode MakeMap(MeritLevels *levels)
{
  const int64_t *c         = levels->sorted;
  const int32_t  n         = levels->n_owned;
  const int64_t  n_entries = (c[n - 1] - c[0]) / MAP_BITS + 1;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_entries, &levels->map));
  for (int32_t i = 0; i < n; i++) levels->map[(c[i] - c[0]) / MAP_BITS].bits |= (uint32_t)1 << (c[i] - c[0]) % MAP_BITS;
  for (int64_t e = 1; e < n_entries; e++) levels->map[e].before = levels->map[e - 1].before + CountBits(levels->map[e - 1].bits);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Make what look-ups need. Levels that are one block need nothing. Others get a map, or,
   where they lie far apart (less than one number in 32 is owned), an index: the range is
   cut into slices of 2^slice numbers, with eight levels each on average, and index[s] is
   the first owned level of slice s or a later one. Either takes no more memory than the
   levels themselves. */
static PetscErrorCode MakeIndex(MeritLevels *levels)
{
  const int64_t *c = levels->sorted;
  const int32_t  n = levels->n_owned;
  int64_t        n_slices, slice = 0;

  PetscFunctionBegin;
  if (!n || c[n - 1] - c[0] == n - 1) PetscFunctionReturn(PETSC_SUCCESS);
  if ((c[n - 1] - c[0]) / MAP_BITS < n) {
    PetscCall(MakeMap(levels));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  while ((c[n - 1] - c[0]) >> levels->slice > n / 8) levels->slice++;
  n_slices = ((c[n - 1] - c[0]) >> levels->slice) + 1;
  PetscCall(PetscMalloc1(n_slices + 1, &levels->index));
  for (int32_t i = 0; i < n; i++)
    for (; slice <= (c[i] - c[0]) >> levels->slice; slice++) levels->index[slice] = i;
  levels->index[n_slices] = n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Arrange the owned levels by order[] of the blocks, which comes the same way as the
   levels did; equal ones keep ascending numbers. canonical is then by position, and position_of
   has the position of each of sorted. Collective. */
static PetscErrorCode Arrange(MeritLevels *levels, MeritExchange ex, const uint64_t order[])
{
  const int32_t n = levels->n_owned;
  uint64_t     *key;
  int32_t      *at;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &key, n, &at));
  PetscCall(PetscMalloc1(n, &levels->canonical));
  PetscCall(PetscMalloc1(n, &levels->position_of));
  PetscCall(MeritExchangeForward(ex, sizeof(*key), order, key));
  for (int32_t i = 0; i < n; i++) at[i] = i;
  PetscCall(MeritSortKeys(n, key, at));
  for (int32_t i = 0; i < n; i++) {
    levels->canonical[i]       = levels->sorted[at[i]];
    levels->position_of[at[i]] = i;
  }
  PetscCall(PetscFree2(key, at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Where a number between the first and the last is in sorted, or -1: bisection within its
   slice down to eight levels, then one by one */
static int32_t SearchIndex(const MeritLevels *levels, int64_t number)
{
  const int64_t *c     = levels->sorted;
  const int64_t  slice = (number - c[0]) >> levels->slice;
  int32_t        at = levels->index[slice], last = levels->index[slice + 1];

  while (last - at > 8) {
    const int32_t middle = at + (last - at) / 2;

    if (c[middle] <= number) at = middle;
    else last = middle;
  }
  while (at < last && c[at] < number) at++;
  return at < last && c[at] == number ? at : -1;
}

/* MeritLevelsOwnedPosition - Position of a level among the owned ones, or -1. With a map, the
   position in sorted is the count before the entry plus the bits below that of the number.
   Not collective. */
int32_t MeritLevelsOwnedPosition(const MeritLevels *levels, int64_t number)
{
  const int64_t *c = levels->sorted;
  int32_t        at;

  if (!levels->n_owned || number < c[0] || number > c[levels->n_owned - 1]) return -1;
  if (levels->map) {
    const MeritLevelsMap entry = levels->map[(number - c[0]) / MAP_BITS];
    const uint32_t       bit   = (uint32_t)1 << (number - c[0]) % MAP_BITS;

    at = entry.bits & bit ? entry.before + CountBits(entry.bits & (bit - 1)) : -1;
  } else {
    at = levels->index ? SearchIndex(levels, number) : (int32_t)(number - c[0]);
  }
  return at >= 0 && levels->position_of ? levels->position_of[at] : at;
}

/*
  MeritLevelsFromOwners - Make the directory from the owner of each level of this rank's block.

  Collective on comm. `owner` ([block of n_levels]) is taken over. A rank's levels are arranged by
  `order` ([block], borrowed), equal ones in ascending canonical order; by that alone where it is
  NULL on all ranks.
*/
PetscErrorCode MeritLevelsFromOwners(MPI_Comm comm, int64_t n_levels, PetscMPIInt *owner, const uint64_t order[], MeritLevels *levels)
{
  PetscMPIInt   rank, size;
  MeritExchange ex;
  int64_t      *number;
  int32_t      *position;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  levels->comm     = comm;
  levels->n_levels = n_levels;
  levels->first    = MeritBlockFirst(n_levels, size, rank);
  levels->n_block  = MeritBlockFirst(n_levels, size, rank + 1) - levels->first;
  levels->owner    = owner;
  PetscCall(PetscMalloc1(levels->n_block, &number));
  for (int64_t i = 0; i < levels->n_block; i++) number[i] = levels->first + i;
  PetscCall(MeritExchangeCreate(comm, levels->n_block, owner, &ex));
  PetscCall(MeritFitsRank(comm, MeritExchangeArriving(ex), "levels"));
  levels->n_owned = (int32_t)MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(levels->n_owned, &levels->sorted));
  PetscCall(PetscMalloc1(levels->n_owned, &position));
  PetscCall(PetscMalloc1(levels->n_block, &levels->position));
  PetscCall(MeritExchangeForward(ex, sizeof(*number), number, levels->sorted));
  levels->canonical = levels->sorted;
  if (order) PetscCall(Arrange(levels, ex, order));
  PetscCall(MakeIndex(levels));
  for (int32_t i = 0; i < levels->n_owned; i++) position[i] = levels->position_of ? levels->position_of[i] : i;
  PetscCall(MeritExchangeBack(ex, sizeof(*position), position, levels->position));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(number));
  PetscCall(PetscFree(position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritLevelsLocate - Owner of each level and its position among the owner's levels; -1 for numbers out
  of range.

  Collective. number[n], owner[n], position[n].
*/
PetscErrorCode MeritLevelsLocate(const MeritLevels *levels, int64_t n, const int64_t number[], PetscMPIInt owner[], int32_t position[])
{
  typedef struct {
    int32_t owner, position;
  } Answer;
  PetscMPIInt   size, *dest;
  MeritExchange ex;
  int64_t      *asked, n_asked;
  Answer       *answer, *mine;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(levels->comm, &size));
  PetscCall(PetscMalloc1(n, &dest));
  PetscCall(PetscMalloc1(n, &mine));
  for (int64_t i = 0; i < n; i++) {
    bool valid = number[i] >= 0 && number[i] < levels->n_levels;

    dest[i] = valid ? MeritBlockOwner(levels->n_levels, size, number[i]) : -1;
    mine[i] = (Answer){-1, -1};
  }
  PetscCall(MeritExchangeCreate(levels->comm, n, dest, &ex));
  n_asked = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(n_asked, &asked));
  PetscCall(PetscMalloc1(n_asked, &answer));
  PetscCall(MeritExchangeForward(ex, sizeof(*number), number, asked));
  for (int64_t i = 0; i < n_asked; i++) {
    int64_t at = asked[i] - levels->first;

    answer[i] = (Answer){levels->owner[at], levels->position[at]};
  }
  PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, mine));
  for (int64_t i = 0; i < n; i++) {
    owner[i]    = mine[i].owner;
    position[i] = mine[i].position;
  }
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(dest));
  PetscCall(PetscFree(mine));
  PetscCall(PetscFree(asked));
  PetscCall(PetscFree(answer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritLevelsFree - Free what a directory holds. Not collective. */
PetscErrorCode MeritLevelsFree(MeritLevels *levels)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(levels->owner));
  PetscCall(PetscFree(levels->position));
  if (levels->sorted != levels->canonical) PetscCall(PetscFree(levels->sorted));
  PetscCall(PetscFree(levels->canonical));
  PetscCall(PetscFree(levels->position_of));
  PetscCall(PetscFree(levels->map));
  PetscCall(PetscFree(levels->index));
  PetscFunctionReturn(PETSC_SUCCESS);
}
