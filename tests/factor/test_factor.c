/* The sparse factor and its selected inverse against dense elimination. */
#include "factor_case.h"

static void TryAt(int kind, int n, int empty)
{
  Case        c = MakeCase(kind, n, empty, (uint64_t)(kind + 1));
  MeritFactor f;
  bool        definite;

  TestCall(MeritFactorCreate(c.A, &f));
  TestCall(MeritFactorNumeric(f, c.A, &definite));
  assert_true(definite);
  Compare(&c, f);
  TestCall(MeritFactorDestroy(&f));
  FreeCase(&c);
}

static void test_every_pattern_gives_what_elimination_gives(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (int n = 1; n <= 600; n = n < 60 ? 4 * n + 1 : 4 * n - 60) TryAt(kind, n, -1);
}

static void test_a_rank_without_equations_takes_part(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (int empty = 0; empty < 3; empty++) TryAt(kind, 97, empty);
}

static void test_new_numbers_and_zeros_use_the_same_analysis(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    Case        c      = MakeCase(kind, 230, 1, 3);
    uint64_t    random = 5;
    MeritFactor f;
    bool        definite;

    TestCall(MeritFactorCreate(c.A, &f));
    for (int again = 0; again < 4; again++) {
      TestCall(MeritFactorNumeric(f, c.A, &definite));
      assert_true(definite);
      Compare(&c, f);
      MakeNumbers(&c, &random, again == 1 ? 0.5 : again == 2 ? 1.0 : 0.0, false);
      Fill(&c);
    }
    TestCall(MeritFactorDestroy(&f));
    FreeCase(&c);
  }
}

static void test_what_is_not_definite_is_known_to_all_ranks(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    Case        c      = MakeCase(kind, 150, -1, 7);
    uint64_t    random = 5;
    MeritFactor f;
    bool        definite;

    TestCall(MeritFactorCreate(c.A, &f));
    for (int again = 0; again < 3; again++) { /* and a definite one behind it is factored */
      MakeNumbers(&c, &random, 0.0, again % 2 == 0);
      Fill(&c);
      definite = again % 2 == 0;
      TestCall(MeritFactorNumeric(f, c.A, &definite));
      assert_int_equal(definite, again % 2);
      if (definite) Compare(&c, f);
    }
    TestCall(MeritFactorDestroy(&f));
    FreeCase(&c);
  }
}

static void test_singular_equations_are_not_definite(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    Case        c = MakeCase(kind, 90, -1, 7);
    MeritFactor f;
    bool        definite = true;

    if (kind == DIAGONAL) {
      FreeCase(&c);
      continue;
    }
    for (int i = 0; i < c.n; i++) { /* rows sum to 0: a Laplacian */
      c.whole[i * c.n + i] = 0.0;
      for (int j = 0; j < c.n; j++)
        if (j != i) c.whole[i * c.n + j] = -fabs(c.whole[i * c.n + j]), c.whole[i * c.n + i] -= c.whole[i * c.n + j];
    }
    Fill(&c);
    TestCall(MeritFactorCreate(c.A, &f));
    TestCall(MeritFactorNumeric(f, c.A, &definite));
    assert_false(definite);
    TestCall(MeritFactorDestroy(&f));
    FreeCase(&c);
  }
}

static void test_no_equations_at_all_have_a_factor(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) TryAt(kind, 0, -1);
}

static void test_numbers_that_are_none_are_not_definite(void **state)
{
  const double bad[3] = {NAN, INFINITY, -INFINITY};

  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (int k = 0; k < 6; k++) {
      Case        c = MakeCase(kind, 60, -1, 7);
      MeritFactor f;
      bool        definite = true;
      int         j = 0;

      while (j < c.n - 1 && !(c.there[(c.n - 1) * c.n + j] && k % 2)) j++; /* the first of the last row, or its diagonal */
      c.whole[(c.n - 1) * c.n + j] = c.whole[j * c.n + c.n - 1] = bad[k / 2];
      Fill(&c);
      TestCall(MeritFactorCreate(c.A, &f));
      TestCall(MeritFactorNumeric(f, c.A, &definite));
      assert_false(definite);
      TestCall(MeritFactorDestroy(&f));
      FreeCase(&c);
    }
}

static void test_the_size_of_messages_does_not_matter(void **state)
{
  (void)state;
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  for (int kind = 0; kind < KINDS; kind++) TryAt(kind, 300, 1);
  unsetenv("MERIT_MAX_MESSAGE");
}

static void test_the_size_is_foreseen(void **state)
{
  double      bytes, inverse, entries, flops;
  Case        c = MakeCase(DENSE, 200, -1, 1);
  MeritFactor f;

  (void)state;
  TestCall(MeritFactorCreate(c.A, &f));
  TestCall(MeritFactorSize(f, &bytes, &inverse, &entries, &flops));
  assert_true(entries == 200.0 * 201.0 / 2.0);
  assert_true(fabs(flops / (200.0 * 200.0 * 200.0 / 3.0) - 1.0) < 0.01);
  assert_true(bytes >= 8.0 * entries && inverse >= bytes);
  TestCall(MeritFactorSize(f, NULL, NULL, NULL, NULL));
  TestCall(MeritFactorDestroy(&f));
  TestCall(MeritFactorDestroy(&f));
  FreeCase(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_pattern_gives_what_elimination_gives),
    cmocka_unit_test(test_a_rank_without_equations_takes_part),
    cmocka_unit_test(test_new_numbers_and_zeros_use_the_same_analysis),
    cmocka_unit_test(test_what_is_not_definite_is_known_to_all_ranks),
    cmocka_unit_test(test_singular_equations_are_not_definite),
    cmocka_unit_test(test_no_equations_at_all_have_a_factor),
    cmocka_unit_test(test_numbers_that_are_none_are_not_definite),
    cmocka_unit_test(test_the_size_of_messages_does_not_matter),
    cmocka_unit_test(test_the_size_is_foreseen),
};

TEST_MAIN(tests)
