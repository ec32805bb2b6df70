#include <merit_test.h>
#include <stdlib.h>
#include <unistd.h>
#include "../../src/model/model_impl.h"

/* The directory of levels against owners that a formula gives: every rank finds exactly its own, wherever they lie */

enum { N_LEVELS = 6000 };

typedef PetscMPIInt (*OwnerOf)(PetscMPIInt size, int64_t number);

/* neighbours on any rank: bits */
static PetscMPIInt Mixed(PetscMPIInt size, int64_t number) { return (PetscMPIInt)(number * 7919 % 104729 % size); }

/* rank 0 has one in a thousand, far apart, and a pair: an index by slices; the last rank the others */
static PetscMPIInt Sparse(PetscMPIInt size, int64_t number) { return number % 1000 == 13 || number == 2014 ? 0 : size - 1; }

/* one block for each rank but the last, which is empty */
static PetscMPIInt Blocks(PetscMPIInt size, int64_t number) { return size > 1 ? MeritBlockOwner(N_LEVELS, size - 1, number) : 0; }

/* What levels are arranged by: large numbers first, in groups of equal ones */
static uint64_t Group(int64_t number) { return (uint64_t)(N_LEVELS - number) / 10; }

/* Position of every level on its rank by counting, equal groups go by number */
static void Positions(OwnerOf owner_of, PetscMPIInt size, bool ordered, int32_t position[])
{
  int32_t next[64] = {0};

  for (int64_t i = 0; i < N_LEVELS; i++) {
    if (!ordered) {
      position[i] = next[owner_of(size, i)]++;
      continue;
    }
    position[i] = 0;
    for (int64_t j = 0; j < N_LEVELS; j++)
      if (owner_of(size, j) == owner_of(size, i)) position[i] += Group(j) < Group(i) || (Group(j) == Group(i) && j < i);
  }
}

static void Check(OwnerOf owner_of, bool ordered)
{
  static int32_t position[N_LEVELS], at[N_LEVELS];
  MeritLevels    levels = {0};
  PetscMPIInt    rank, size, *owner, found[N_LEVELS];
  int64_t        first, n, number[N_LEVELS];
  uint64_t      *order;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  first = MeritBlockFirst(N_LEVELS, size, rank);
  n     = MeritBlockFirst(N_LEVELS, size, rank + 1) - first;
  TestCall(PetscMalloc1(n, &owner));
  TestCall(PetscMalloc1(n, &order));
  for (int64_t i = 0; i < n; i++) {
    owner[i] = owner_of(size, first + i);
    order[i] = Group(first + i);
  }
  TestCall(MeritLevelsFromOwners(PETSC_COMM_WORLD, N_LEVELS, owner, ordered ? order : NULL, &levels));
  Positions(owner_of, size, ordered, position);
  for (int64_t i = 0; i < N_LEVELS; i++) {
    const bool mine = owner_of(size, i) == rank;

    number[i] = i;
    assert_int_equal(MeritLevelsOwnedPosition(&levels, i), mine ? position[i] : -1);
    if (mine) assert_int_equal(levels.canonical[position[i]], i);
  }
  assert_int_equal(MeritLevelsOwnedPosition(&levels, -1), -1);
  assert_int_equal(MeritLevelsOwnedPosition(&levels, N_LEVELS), -1);
  TestCall(MeritLevelsLocate(&levels, rank % 2 ? N_LEVELS : 100, number, found, at));
  for (int64_t i = 0; i < (rank % 2 ? N_LEVELS : 100); i++) {
    assert_int_equal(found[i], owner_of(size, i));
    assert_int_equal(at[i], position[i]);
  }
  TestCall(PetscFree(order));
  TestCall(MeritLevelsFree(&levels));
}

static void TestLevelsThatLieMixedAreFound(void **state)
{
  (void)state;
  Check(Mixed, false);
  Check(Mixed, true);
}

static void TestLevelsFarApartAreFound(void **state)
{
  (void)state;
  Check(Sparse, false);
  Check(Sparse, true);
}

static void TestBlocksAndARankWithoutLevelsAreFound(void **state)
{
  (void)state;
  Check(Blocks, false);
  Check(Blocks, true);
}

/* The last rank gets more levels than it can count: every rank ends, with the same error */
static void TestTooManyLevelsOnOneRankEndOnAllRanks(void **state)
{
  MeritLevels levels = {0};
  PetscMPIInt rank, size, *owner;
  int64_t     first, n;

  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  first = MeritBlockFirst(N_LEVELS, size, rank);
  n     = MeritBlockFirst(N_LEVELS, size, rank + 1) - first;
  TestCall(PetscMalloc1(n, &owner));
  for (int64_t i = 0; i < n; i++) owner[i] = Sparse(size, first + i);
  setenv("MERIT_MAX_LOCAL", "5500", 1);
  alarm(20);
  TestRaises(MERIT_ERROR_SYSTEM, size > 1 ? "would hold 5993 levels, and can hold 5500: use more ranks" : "would hold 6000 items to send",
             MeritLevelsFromOwners(PETSC_COMM_WORLD, N_LEVELS, owner, NULL, &levels));
  alarm(0);
  unsetenv("MERIT_MAX_LOCAL");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTooManyLevelsOnOneRankEndOnAllRanks),
    cmocka_unit_test(TestLevelsThatLieMixedAreFound),
    cmocka_unit_test(TestLevelsFarApartAreFound),
    cmocka_unit_test(TestBlocksAndARankWithoutLevelsAreFound),
};

TEST_MAIN(tests)
