#include <merit_test.h>
#include <merit/exchange.h>
#include <merit/pieces.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static PetscMPIInt rank, size;

static void Ranks(void)
{
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
}

/* every rank sends item i of its 1000 to rank (i + rank) % size, some to none; the last rank sends nothing */
static int64_t Destinations(PetscMPIInt dest[1000])
{
  for (int i = 0; i < 1000; i++) dest[i] = i % 7 == 3 ? -1 : (i + rank) % size;
  return rank == size - 1 && size > 1 ? 0 : 1000;
}

static void TestItemsArriveInSourceOrderAndAnswersComeBack(void **state)
{
  MeritExchange ex;
  PetscMPIInt   dest[1000];
  int64_t       in[1000], out[1000], *got, n;

  (void)state;
  Ranks();
  n = Destinations(dest);
  for (int i = 0; i < 1000; i++) in[i] = rank * 1000 + i, out[i] = -5;
  TestCall(MeritExchangeCreate(PETSC_COMM_WORLD, n, dest, &ex));
  got = malloc((size_t)(MeritExchangeArriving(ex) + 1) * sizeof(*got));
  TestCall(MeritExchangeForward(ex, sizeof(*in), in, got));
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++) {
    if (i) assert_true(got[i] > got[i - 1]);
    assert_int_equal(got[i] / 1000, MeritExchangeSource(ex, i));
  }
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++) got[i] *= 2;
  TestCall(MeritExchangeBack(ex, sizeof(*in), got, out));
  for (int64_t i = 0; i < n; i++) assert_int_equal(out[i], dest[i] < 0 ? -5 : 2 * in[i]);
  free(got);
  TestCall(MeritExchangeDestroy(&ex));
}

/* items of any size, more than a piece of them, from ranks that pack to ranks that do not: even ranks send theirs as they stand */
static void TestItemsOfAnySizeTravelInPieces(void **state)
{
  enum { N = 200000 };
  const size_t  sizes[] = {4, 8, 12, 16, 3};
  MeritExchange ex;
  PetscMPIInt  *dest = malloc(N * sizeof(*dest));
  char         *in = malloc(N * 16), *out = malloc(N * 16), *got;

  (void)state;
  Ranks();
  for (int64_t i = 0; i < N; i++) dest[i] = rank % 2 ? (PetscMPIInt)(i % size) : MeritBlockOwner(N, size, i);
  for (int i = 0; i < N * 16; i++) in[i] = (char)(i * 31 + i / 251 + rank);
  TestCall(MeritExchangeCreate(PETSC_COMM_WORLD, N, dest, &ex));
  got = malloc((size_t)MeritExchangeArriving(ex) * 16);
  for (int s = 0; s < 5; s++) {
    memset(out, 0, N * 16);
    TestCall(MeritExchangeForward(ex, sizes[s], in, got));
    for (int64_t i = 0; rank == 0 && i < MeritBlockFirst(N, size, 1); i++) /* rank 0's own come first */
      assert_memory_equal(got + (size_t)i * sizes[s], in + (size_t)i * sizes[s], sizes[s]);
    TestCall(MeritExchangeBack(ex, sizes[s], got, out));
    assert_memory_equal(out, in, N * sizes[s]);
  }
  free(dest);
  free(in);
  free(out);
  free(got);
  TestCall(MeritExchangeDestroy(&ex));
}

static void TestStringsTravelBothWays(void **state)
{
  MeritExchange ex;
  PetscMPIInt   dest[1000];
  char          text[16000], *got, *back;
  int64_t       start[1001], *got_start, *back_start, n;

  (void)state;
  Ranks();
  n        = Destinations(dest);
  start[0] = 0;
  for (int i = 0; i < 1000; i++) start[i + 1] = start[i] + (i % 5 ? sprintf(text + start[i], "r%di%d", rank, i) : 0);
  TestCall(MeritExchangeCreate(PETSC_COMM_WORLD, n, dest, &ex));
  TestCall(MeritExchangeForwardBytes(ex, text, start, &got, &got_start));
  TestCall(MeritExchangeBackBytes(ex, got, got_start, &back, &back_start));
  for (int64_t i = 0; i < n; i++) {
    int64_t length = dest[i] < 0 ? 0 : start[i + 1] - start[i];

    assert_int_equal(back_start[i + 1] - back_start[i], length);
    assert_memory_equal(back + back_start[i], text + start[i], (size_t)length);
  }
  PetscFree(got);
  PetscFree(got_start);
  PetscFree(back);
  PetscFree(back_start);
  TestCall(MeritExchangeDestroy(&ex));
}

/* strings that need no packing on some ranks, and do on others */
static void TestStringsTravelAsTheyStand(void **state)
{
  MeritExchange ex;
  PetscMPIInt   dest[1000];
  char          text[16000], *got, *back;
  int64_t       start[1001], *got_start, *back_start;

  (void)state;
  Ranks();
  start[0] = 0;
  for (int i = 0; i < 1000; i++) {
    dest[i]      = rank % 2 ? i % size : MeritBlockOwner(1000, size, i);
    start[i + 1] = start[i] + (i % 5 ? sprintf(text + start[i], "r%di%d", rank, i) : 0);
  }
  TestCall(MeritExchangeCreate(PETSC_COMM_WORLD, 1000, dest, &ex));
  TestCall(MeritExchangeForwardBytes(ex, text, start, &got, &got_start));
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++) {
    char expected[16];
    int  length = sprintf(expected, "r%d", MeritExchangeSource(ex, i));

    if (got_start[i + 1] > got_start[i]) assert_memory_equal(got + got_start[i], expected, (size_t)length);
  }
  TestCall(MeritExchangeBackBytes(ex, got, got_start, &back, &back_start));
  assert_memory_equal(back_start, start, sizeof(start));
  assert_memory_equal(back, text, (size_t)start[1000]);
  PetscFree(got);
  PetscFree(got_start);
  PetscFree(back);
  PetscFree(back_start);
  TestCall(MeritExchangeDestroy(&ex));
}

static void TestSmallMessagesGiveTheSame(void **state)
{
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  assert_int_equal(MeritMaxMessage(), 1024);
  TestItemsArriveInSourceOrderAndAnswersComeBack(state);
  TestStringsTravelBothWays(state);
  TestStringsTravelAsTheyStand(state);
  unsetenv("MERIT_MAX_MESSAGE");
}

static void TestBlocksCoverEveryItemOnce(void **state)
{
  (void)state;
  for (int64_t n = 0; n < 20; n++)
    for (PetscMPIInt p = 1; p < 9; p++)
      for (int64_t i = 0; i < n; i++) {
        PetscMPIInt r = MeritBlockOwner(n, p, i);

        assert_true(MeritBlockFirst(n, p, r) <= i && i < MeritBlockFirst(n, p, r + 1));
      }
}

/* more items than 32 bits count, on more ranks than are likely */
static void TestBlocksOfManyBillionsHaveTheirOwners(void **state)
{
  const int64_t     n = 100000000007;
  const PetscMPIInt p = 65536;

  (void)state;
  assert_int_equal(MeritBlockFirst(n, p, 0), 0);
  assert_int_equal(MeritBlockFirst(n, p, p), n);
  for (PetscMPIInt r = 0; r < p; r += 97) {
    const int64_t first = MeritBlockFirst(n, p, r), next = MeritBlockFirst(n, p, r + 1);

    assert_in_range(next - first, n / p, n / p + 1);
    assert_int_equal(MeritBlockOwner(n, p, first), r);
    assert_int_equal(MeritBlockOwner(n, p, next - 1), r);
  }
}

/* A message of the caller's that is on its way is not taken for one of an exchange, nor the other way round */
static void TestMessagesOfTheCallerAreNotMixedIn(void **state)
{
  MeritExchange ex;
  MPI_Request   request;
  PetscMPIInt   to;
  int           in = -1, out, got = -1;

  (void)state;
  Ranks();
  to  = (rank + 1) % size;
  out = 1000 + rank;
  MPI_Irecv(&got, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, PETSC_COMM_WORLD, &request);
  TestCall(MeritExchangeCreate(PETSC_COMM_WORLD, 1, &to, &ex));
  TestCall(MeritExchangeForward(ex, sizeof(out), &out, &in));
  TestCall(MeritExchangeDestroy(&ex));
  out = 2000 + rank;
  MPI_Send(&out, 1, MPI_INT, to, 71, PETSC_COMM_WORLD);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  assert_int_equal(in, 1000 + (rank + size - 1) % size);
  assert_int_equal(got, 2000 + (rank + size - 1) % size);
}

static void TestArraysOfAnyLengthAreAddedAndSpreadInPieces(void **state)
{
  double x[1000];

  (void)state;
  Ranks();
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  for (int n = 0; n <= 1000; n += 250) {
    for (int what = 0; what < 3; what++) {
      for (int i = 0; i < n; i++) x[i] = i + 1e4 * rank;
      if (what == 0) TestCall(MeritSumAll(PETSC_COMM_WORLD, n, x));
      else if (what == 1) TestCall(MeritSumFirst(PETSC_COMM_WORLD, n, x));
      else TestCall(MeritBroadcastFirst(PETSC_COMM_WORLD, n, x));
      for (int i = 0; i < n && (what != 1 || !rank); i++) assert_true(x[i] == (what == 2 ? i : size * (i + 5e3 * (size - 1))));
    }
  }
  unsetenv("MERIT_MAX_MESSAGE");
}

/* What one rank cannot count: every rank ends with the same error, and none waits for it. (No item is looked at.) */
static void TestTooMuchOnOneRankEndsOnAllRanks(void **state)
{
  MeritExchange ex;
  PetscMPIInt   to       = 0;
  int64_t       start[2] = {0}, *out_start;
  char          text[64], at = 'a', *out;

  (void)state;
  Ranks();
  snprintf(text, sizeof(text), "rank %d would hold 2147483648 items to send", size - 1);
  alarm(20);
  start[1] = rank == size - 1 ? (int64_t)INT32_MAX + 1 : 1;
  TestRaises(MERIT_ERROR_SYSTEM, text, MeritExchangeCreate(PETSC_COMM_WORLD, start[1], start[1] > 1 ? NULL : &to, &ex));
  snprintf(text, sizeof(text), "rank %d would hold 2147483648 bytes in one string", size - 1);
  TestCall(MeritExchangeCreate(PETSC_COMM_WORLD, 1, &to, &ex));
  TestRaises(MERIT_ERROR_SYSTEM, text, MeritExchangeForwardBytes(ex, &at, start, &out, &out_start));
  alarm(0);
  TestCall(MeritExchangeDestroy(&ex));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTooMuchOnOneRankEndsOnAllRanks),
    cmocka_unit_test(TestMessagesOfTheCallerAreNotMixedIn),
    cmocka_unit_test(TestArraysOfAnyLengthAreAddedAndSpreadInPieces),
    cmocka_unit_test(TestItemsArriveInSourceOrderAndAnswersComeBack),
    cmocka_unit_test(TestItemsOfAnySizeTravelInPieces),
    cmocka_unit_test(TestStringsTravelBothWays),
    cmocka_unit_test(TestStringsTravelAsTheyStand),
    cmocka_unit_test(TestSmallMessagesGiveTheSame),
    cmocka_unit_test(TestBlocksCoverEveryItemOnce),
    cmocka_unit_test(TestBlocksOfManyBillionsHaveTheirOwners),
};

TEST_MAIN(tests)
