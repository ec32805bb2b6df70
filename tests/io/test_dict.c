#include <merit_test.h>
#include <merit/dict.h>
#include <merit/exchange.h>
#include "../../src/io/dict_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reference: every rank makes the whole list, sorts it with qsort and drops repetitions. */
typedef struct {
  char    label[24];
  size_t  length;
  int64_t order;
} Entry;

static PetscMPIInt rank, size;

static void Ranks(void)
{
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
}

static int CompareByLabel(const void *pa, const void *pb)
{
  const Entry *a = pa, *b = pb;
  int          c = memcmp(a->label, b->label, a->length < b->length ? a->length : b->length);

  return c ? c : (int)a->length - (int)b->length;
}

static int CompareByOrder(const void *pa, const void *pb)
{
  const Entry *a = pa, *b = pb;

  if (a->order != b->order) return a->order < b->order ? -1 : 1;
  return CompareByLabel(pa, pb);
}

static uint64_t Next(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

/* n entries with many repeated labels, of the letters a, b, \xff and the digits; lengths 0 to 20 */
static Entry *MakeEntries(int n, uint64_t seed)
{
  static const char letters[] = "ab\xff"
                                "0123456789";
  Entry            *e         = calloc((size_t)n + 1, sizeof(*e));

  for (int i = 0; i < n; i++) {
    e[i].length = Next(&seed) % (i % 3 ? 4 : 21);
    for (size_t j = 0; j < e[i].length; j++) e[i].label[j] = letters[Next(&seed) % 13];
    e[i].order = (int64_t)(Next(&seed) % 50) - 25;
  }
  return e;
}

/* Distinct entries, least order each, in the canonical order; returns how many */
static int Canonical(int n, const Entry *from, bool ordered, Entry *to)
{
  int m = 0;

  memcpy(to, from, (size_t)n * sizeof(*to));
  qsort(to, (size_t)n, sizeof(*to), CompareByLabel);
  for (int i = 0; i < n; i++) {
    if (m && !CompareByLabel(to + m - 1, to + i)) {
      if (to[i].order < to[m - 1].order) to[m - 1].order = to[i].order;
    } else {
      to[m++] = to[i];
    }
  }
  if (ordered) qsort(to, (size_t)m, sizeof(*to), CompareByOrder);
  return m;
}

typedef enum { SPREAD, ALL_ON_LAST, FIRST_EMPTY } Share;

static PetscMPIInt Holder(Share share, int i)
{
  if (share == ALL_ON_LAST) return size - 1;
  if (share == FIRST_EMPTY && size > 1) return 1 + i % (size - 1);
  return (i / 3) % size;
}

static void CheckLookUps(MeritDict dict, int n, const Entry *all, int m, const Entry *canonical)
{
  MeritStrings pool;
  int64_t     *number = malloc((size_t)(n + 2) * sizeof(*number)), *ask, *start;
  int32_t      code;
  char        *at;

  TestCall(MeritStringsCreate(&pool));
  for (int i = rank; i < n; i += 2) TestCall(MeritStringsIntern(pool, all[i].label, all[i].length, &code));
  TestCall(MeritStringsIntern(pool, "nobody", 6, &code));
  TestCall(MeritDictFind(dict, pool, number));
  assert_int_equal(number[code], -1);
  for (int i = 0; i < m; i++) {
    code = MeritStringsFind(pool, canonical[i].label, canonical[i].length);
    if (code >= 0) assert_int_equal(number[code], i);
  }
  ask = malloc((size_t)(2 * m + 2) * sizeof(*ask));
  for (int i = 0; i < 2 * m; i++) ask[i] = (i * 7 + rank) % m;
  ask[2 * m]     = -1;
  ask[2 * m + 1] = m;
  TestCall(MeritDictLabels(dict, 2 * m + 2, ask, &at, &start));
  for (int i = 0; i < 2 * m; i++) {
    assert_int_equal(start[i + 1] - start[i], canonical[ask[i]].length);
    assert_memory_equal(at + start[i], canonical[ask[i]].label, canonical[ask[i]].length);
  }
  assert_int_equal(start[2 * m + 2], start[2 * m]);
  TestCall(PetscFree(at));
  TestCall(PetscFree(start));
  TestCall(MeritStringsDestroy(&pool));
  free(ask);
  free(number);
}

static void CheckDict(int n, bool ordered, Share share)
{
  Entry       *all = MakeEntries(n, 17), *canonical = malloc((size_t)(n + 1) * sizeof(*canonical));
  int64_t     *order = calloc((size_t)(n + 1), sizeof(*order));
  int          m     = Canonical(n, all, ordered, canonical);
  MeritStrings pool;
  MeritDict    dict;

  TestCall(MeritStringsCreate(&pool));
  for (int i = 0; i < n; i++) {
    int32_t before = MeritStringsCount(pool), code;

    if (Holder(share, i) != rank) continue;
    TestCall(MeritStringsIntern(pool, all[i].label, all[i].length, &code));
    if (code >= before || all[i].order < order[code]) order[code] = all[i].order;
  }
  TestCall(MeritDictCreate(PETSC_COMM_WORLD, pool, ordered ? order : NULL, &dict));
  TestCall(MeritStringsDestroy(&pool));
  assert_int_equal(MeritDictSize(dict), m);
  for (int64_t i = MeritBlockFirst(m, size, rank); i < MeritBlockFirst(m, size, rank + 1); i++) {
    size_t      length;
    const char *label = MeritDictLocal(dict, i, &length);

    assert_int_equal(length, canonical[i].length);
    assert_memory_equal(label, canonical[i].label, length + 1);
  }
  CheckLookUps(dict, n, all, m, canonical);
  TestCall(MeritDictDestroy(&dict));
  assert_null(dict);
  free(all);
  free(canonical);
  free(order);
}

static void TestNumbersFollowOrderThenBytesHoweverLabelsAreSpread(void **state)
{
  (void)state;
  Ranks();
  for (Share share = SPREAD; share <= FIRST_EMPTY; share++) {
    CheckDict(3000, true, share);
    CheckDict(3000, false, share);
    CheckDict(2, true, share);
    CheckDict(1, false, share);
  }
}

static void TestSmallMessagesGiveTheSameDictionary(void **state)
{
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  TestNumbersFollowOrderThenBytesHoweverLabelsAreSpread(state);
  unsetenv("MERIT_MAX_MESSAGE");
}

static void TestADictionaryOfNothingAnswersNothing(void **state)
{
  MeritStrings pool;
  MeritDict    dict;
  int64_t      number = 5, ask = 0, *start;
  int32_t      code;
  char        *at;

  (void)state;
  Ranks();
  TestCall(MeritStringsCreate(&pool));
  TestCall(MeritDictCreate(PETSC_COMM_WORLD, pool, NULL, &dict));
  assert_int_equal(MeritDictSize(dict), 0);
  TestCall(MeritStringsIntern(pool, "a", 1, &code));
  TestCall(MeritDictFind(dict, pool, &number));
  assert_int_equal(number, -1);
  TestCall(MeritDictLabels(dict, 1, &ask, &at, &start));
  assert_int_equal(start[1], 0);
  TestCall(PetscFree(at));
  TestCall(PetscFree(start));
  TestCall(MeritStringsDestroy(&pool));
  TestCall(MeritDictDestroy(&dict));
}

static void TestTheLeastOrderOverRanksCounts(void **state)
{
  MeritStrings pool;
  MeritDict    dict;
  int64_t      order[2], number[2];
  int32_t      code;

  (void)state;
  Ranks();
  TestCall(MeritStringsCreate(&pool));
  TestCall(MeritStringsIntern(pool, "x", 1, &code));
  TestCall(MeritStringsIntern(pool, "y", 1, &code));
  order[0] = 10;             /* x: 10 on every rank */
  order[1] = 20 - 15 * rank; /* y: 20, 5, -10, ... */
  TestCall(MeritDictCreate(PETSC_COMM_WORLD, pool, order, &dict));
  TestCall(MeritDictFind(dict, pool, number));
  assert_int_equal(number[0], size > 1 ? 1 : 0);
  assert_int_equal(number[1], size > 1 ? 0 : 1);
  TestCall(MeritStringsDestroy(&pool));
  TestCall(MeritDictDestroy(&dict));
}

/* 700-byte labels: the splitters take many messages of 1024 bytes */
static void TestLongLabelsAreOrderedAcrossSmallMessages(void **state)
{
  MeritStrings pool;
  MeritDict    dict;
  char         label[701];
  int64_t      number[200];
  int32_t      code;

  (void)state;
  Ranks();
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  TestCall(MeritStringsCreate(&pool));
  for (int i = 0; i < 200; i++) {
    sprintf(label, "%0700d", (i * 73 + rank) % 200);
    TestCall(MeritStringsIntern(pool, label, 700, &code));
  }
  TestCall(MeritDictCreate(PETSC_COMM_WORLD, pool, NULL, &dict));
  assert_int_equal(MeritDictSize(dict), 200);
  TestCall(MeritDictFind(dict, pool, number));
  for (int i = 0; i < 200; i++) assert_int_equal(number[i], (i * 73 + rank) % 200);
  TestCall(MeritDictDestroy(&dict));
  TestCall(MeritStringsDestroy(&pool));
  unsetenv("MERIT_MAX_MESSAGE");
}

/* Labels that all begin alike, in one order class, as herd-book numbers do: no rank may get more than twice
   its share */
static void TestTheSortGivesEveryRankItsShare(void **state)
{
  enum { N = 4000 };
  DictLabels   labels    = {.n = N};
  char        *at        = malloc(N * 24);
  PetscMPIInt *dest      = malloc(N * sizeof(*dest));
  int          count[64] = {0}, all[64];

  (void)state;
  Ranks();
  labels.start    = malloc((N + 1) * sizeof(*labels.start));
  labels.start[0] = 0;
  for (int i = 0; i < N; i++) labels.start[i + 1] = labels.start[i] + sprintf(at + labels.start[i], "HOLUSA%09d", i * size + rank) + 1;
  labels.at = at;
  TestCall(DictLabelsSplit(PETSC_COMM_WORLD, &labels, dest));
  for (int i = 0; i < N; i++) {
    assert_in_range(dest[i], i ? dest[i - 1] : 0, size - 1); /* the labels ascend, so must the ranks */
    count[dest[i]]++;
  }
  MPI_Allreduce(count, all, 64, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
  for (int r = 0; r < size; r++) assert_in_range(all[r], N / 2, 2 * N);
  free(labels.start);
  free(at);
  free(dest);
}

static void TestTheLastReferenceFrees(void **state)
{
  MeritStrings pool;
  MeritDict    dict, other;

  (void)state;
  TestCall(MeritStringsCreate(&pool));
  TestCall(MeritDictCreate(PETSC_COMM_WORLD, pool, NULL, &dict));
  TestCall(MeritDictReference(dict));
  other = dict;
  TestCall(MeritDictDestroy(&dict));
  assert_int_equal(MeritDictSize(other), 0);
  TestCall(MeritDictDestroy(&other));
  TestCall(MeritDictDestroy(&other));
  TestCall(MeritStringsDestroy(&pool));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestNumbersFollowOrderThenBytesHoweverLabelsAreSpread),
    cmocka_unit_test(TestSmallMessagesGiveTheSameDictionary),
    cmocka_unit_test(TestADictionaryOfNothingAnswersNothing),
    cmocka_unit_test(TestTheLeastOrderOverRanksCounts),
    cmocka_unit_test(TestLongLabelsAreOrderedAcrossSmallMessages),
    cmocka_unit_test(TestTheSortGivesEveryRankItsShare),
    cmocka_unit_test(TestTheLastReferenceFrees),
};

TEST_MAIN(tests)
