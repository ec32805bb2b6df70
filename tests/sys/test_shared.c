/* Memory of a node: seen by all its ranks, or one block each where that cannot be. */
#include <merit_test.h>
#include <merit/exchange.h>
#include <merit/shared.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { N = 100000 };

/* What rank 0 sees when each rank wrote its block, and then what all see when the leaders put the nodes' blocks together */
static void WriteAndRead(MeritShared *s)
{
  int        *number = (int *)s->at;
  PetscMPIInt rank, size;
  int64_t     last;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int i = 0; i < N; i++) assert_int_equal(number[i], 0);
  TestCall(MeritSharedFence(s));
  last = MeritBlockFirst(N, size, rank + 1);
  for (int64_t i = MeritBlockFirst(N, size, rank); i < last; i++) number[i] = (int)i + 1;
  TestCall(MeritSharedFence(s));
  if (s->leaders != MPI_COMM_NULL) MPI_Allreduce(MPI_IN_PLACE, number, N, MPI_INT, MPI_MAX, s->leaders);
  TestCall(MeritSharedFence(s));
  for (int i = 0; i < N; i++) assert_int_equal(number[i], i + 1);
}

static void test_ranks_of_a_node_see_what_the_others_wrote(void **state)
{
  static const char *const most[] = {NULL, "1", "2"};
  PetscMPIInt              size;

  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int i = 0; i < 3; i++) {
    MeritShared s;

    if (most[i]) setenv("MERIT_NODE_RANKS", most[i], 1);
    TestCall(MeritSharedCreate(PETSC_COMM_WORLD, N * (int64_t)sizeof(int), "test", &s));
    unsetenv("MERIT_NODE_RANKS");
    if (!i) assert_int_equal(s.size, size);
    else assert_in_range(s.size, 1, i);
    WriteAndRead(&s);
    TestCall(MeritSharedDestroy(&s));
    TestCall(MeritSharedDestroy(&s));
  }
}

/* The rank that can open no file any more: the first, which makes it, or the last, which is to find it */
static void test_ranks_that_cannot_share_have_a_block_each(void **state)
{
  PetscMPIInt rank, size;

  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int which = 0; which < 2; which++) {
    struct rlimit before, none;
    MeritShared   s;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none          = before;
    none.rlim_cur = 3;
    if (rank == (which ? size - 1 : 0)) assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    TestCall(MeritSharedCreate(PETSC_COMM_WORLD, N * (int64_t)sizeof(int), "test", &s));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(s.size, 1);
    assert_true(s.leaders != MPI_COMM_NULL);
    WriteAndRead(&s);
    TestCall(MeritSharedDestroy(&s));
  }
}

static void test_memory_that_no_machine_has_is_refused_on_all_ranks(void **state)
{
  MeritShared s;

  (void)state;
  TestRaises(MERIT_ERROR_SYSTEM, "iB of a test", MeritSharedCreate(PETSC_COMM_WORLD, INT64_MAX, "a test", &s));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_ranks_of_a_node_see_what_the_others_wrote),
    cmocka_unit_test(test_ranks_that_cannot_share_have_a_block_each),
    cmocka_unit_test(test_memory_that_no_machine_has_is_refused_on_all_ranks),
};

TEST_MAIN(tests)
