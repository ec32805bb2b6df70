#include <merit_test.h>
#include <merit/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMM PETSC_COMM_WORLD
static PetscMPIInt rank, size;

static int Setup(void **state)
{
  (void)state;
  MPI_Comm_rank(COMM, &rank);
  MPI_Comm_size(COMM, &size);
  return 0;
}

/* lines first, first + step, ... of n faults on this rank */
static void Note(MeritFault *fault, int64_t first, int64_t step, int n)
{
  for (int i = 0; i < n; i++) MeritFaultSet(fault, MERIT_ERROR_INPUT, "f", first + step * i, NULL, "no %lld", (long long)(first + step * i));
}

/* the error and what follows must be lines 1, 2, 3, ... */
static void MustBeLines(int n, int64_t n_left)
{
  const MeritErrorInfo *further;
  int64_t               left;
  char                  text[64];

  assert_int_equal(MeritErrorFurther(&further, &left), n - 1);
  assert_int_equal(left, n_left);
  for (int i = 0; i < n; i++) {
    snprintf(text, sizeof(text), "f:%d: no %d", i + 1, i + 1);
    assert_string_equal(i ? further[i - 1].text : MeritErrorLast()->text, text);
  }
  MeritErrorClear();
  assert_int_equal(MeritErrorFurther(&further, &left), 0);
}

static void TestNothingNotedIsNoError(void **state)
{
  MeritFault fault = {0};

  (void)state;
  TestCall(MeritFaultAgree(COMM, &fault));
}

static void TestFaultsOfAllRanksComeInTheOrderOfLines(void **state)
{
  MeritFault fault = {0};

  (void)state;
  Note(&fault, 1 + rank, size, 3);
  assert_int_not_equal((int)MeritFaultAgree(COMM, &fault), 0);
  assert_int_equal(MeritErrorLast()->kind, MERIT_ERROR_INPUT);
  MustBeLines(3 * size, 0);
}

static void TestTwentyAreNamedAndTheOthersCounted(void **state)
{
  MeritFault fault = {0};

  (void)state;
  Note(&fault, 100 * size - rank, -size, 100);
  assert_int_equal(fault.n, 100);
  assert_int_not_equal((int)MeritFaultAgree(COMM, &fault), 0);
  MustBeLines(20, 100 * size - 20);
}

static void TestALineIsNamedOnce(void **state)
{
  MeritFault fault = {0};

  (void)state;
  for (int i = 0; i < 3; i++) MeritFaultSet(&fault, MERIT_ERROR_INPUT, "f", 2, NULL, "no 2");
  MeritFaultSet(&fault, MERIT_ERROR_INPUT, "f", 1, NULL, "no 1");
  MeritFaultSet(&fault, MERIT_ERROR_USAGE, "f", 2, NULL, "another word");
  assert_int_not_equal((int)MeritFaultAgree(COMM, &fault), 0);
  MustBeLines(2, 0);
  memset(&fault, 0, sizeof(fault));
  MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, "f", 0, NULL, "cannot be read");
  MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, "f", 0, NULL, "cannot be read");
  TestRaises(MERIT_ERROR_SYSTEM, "f: cannot be read", MeritFaultAgree(COMM, &fault));
}

static void TestLinesOfAPartAreMovedToTheirPosition(void **state)
{
  MeritFault fault = {0};

  (void)state;
  if (rank == size - 1) MeritFaultSet(&fault, MERIT_ERROR_INPUT, "f", 9, "cow", "no, %s", "9: 10");
  MeritFaultShift(&fault, 992);
  assert_int_not_equal((int)MeritFaultAgree(COMM, &fault), 0);
  assert_string_equal(MeritErrorLast()->text, "f:1001: cow: no, 9: 10");
  assert_int_equal(MeritErrorLast()->line, 1001);
  MeritErrorClear();
}

static void TestFaultsCanBeWarnings(void **state)
{
  MeritFault         fault = {0};
  const char *const *texts;

  (void)state;
  MeritLogReset();
  Note(&fault, 1 + rank, size, 1);
  TestCall(MeritFaultWarn(COMM, &fault));
  assert_int_equal(MeritLogWarnings(&texts), size);
  assert_string_equal(texts[size - 1], size == 1 ? "f:1: no 1" : size == 2 ? "f:2: no 2" : size == 3 ? "f:3: no 3" : "f:4: no 4");
  TestCall(MeritFaultAgree(COMM, &fault));
}

static void TestAListCanBeAddedToAnother(void **state)
{
  MeritFault fault = {0}, more = {0};

  (void)state;
  Note(&fault, 2, 2, 2);
  Note(&more, 1, 2, 2);
  MeritFaultMove(&fault, &more);
  assert_int_equal(more.kind, MERIT_ERROR_NONE);
  assert_int_not_equal((int)MeritFaultAgree(COMM, &fault), 0);
  MustBeLines(4, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestNothingNotedIsNoError),
    cmocka_unit_test(TestFaultsOfAllRanksComeInTheOrderOfLines),
    cmocka_unit_test(TestTwentyAreNamedAndTheOthersCounted),
    cmocka_unit_test(TestALineIsNamedOnce),
    cmocka_unit_test(TestLinesOfAPartAreMovedToTheirPosition),
    cmocka_unit_test(TestFaultsCanBeWarnings),
    cmocka_unit_test(TestAListCanBeAddedToAnother),
};

TEST_MAIN_WITH(tests, Setup, NULL)
