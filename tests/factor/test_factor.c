/* The sparse factor and its selected inverse against dense elimination. */
#include "factor_case.h"
#include <omp.h>

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
      int         j        = 0;

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
  bytes   = MeritFactorSize(f)->bytes;
  inverse = MeritFactorSize(f)->bytes_inverse;
  entries = MeritFactorSize(f)->entries;
  flops   = MeritFactorSize(f)->flops;
  assert_true(entries == 200.0 * 201.0 / 2.0);
  assert_true(fabs(flops / (200.0 * 200.0 * 200.0 / 3.0) - 1.0) < 0.01);
  assert_true(bytes >= 8.0 * entries && inverse >= bytes);

  TestCall(MeritFactorDestroy(&f));
  TestCall(MeritFactorDestroy(&f));
  FreeCase(&c);
}

/* n positions of this rank in a matrix of zeros with n_owned of N rows here */
static Mat Positions(PetscInt n_owned, PetscInt N, PetscInt n, PetscInt row[], PetscInt column[])
{
  double *zero = calloc((size_t)n + 1, sizeof(*zero));
  Mat     A;

  TestCall(MatCreate(PETSC_COMM_WORLD, &A));
  TestCall(MatSetSizes(A, n_owned, n_owned, N, N));
  TestCall(MatSetType(A, MATAIJ));
  TestCall(MatSetPreallocationCOO(A, n, row, column));
  TestCall(MatSetValuesCOO(A, zero, INSERT_VALUES));
  free(zero);
  return A;
}

static void Near(double a, double b, double share, int kind, const char what[])
{
  if (!(fabs(a - b) <= share * fabs(b))) fail_msg("kind %d: %s %g for %g", kind, what, a, b);
}

/* Of a matrix whose every third row, or none, is full: foreseen from the others as from all */
static void ForeseeAt(int kind, int n, bool with)
{
  const double    share    = with ? 0.15 : 0.0; /* small supernodes are put together otherwise */
  Case            c        = MakeCase(kind, n, -1, 3);
  bool           *full     = calloc((size_t)c.n_owned + 1, sizeof(*full));
  PetscInt       *position = malloc(sizeof(*position) * (size_t)(2 * c.n_owned * n + 1)), nz = 0;
  int             size;
  MeritFactorNeed real = {0}, seen;
  MeritFactor     f;
  Mat             A;

  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int i = 0; i < c.n_owned; i++)
    for (int j = 0; j < n; j++)
      if (c.there[(c.first + i) * n + j] || (with && ((c.first + i) % 3 == 1 || j % 3 == 1))) {
        position[nz]                   = c.first + i;
        position[c.n_owned * n + nz++] = j;
        full[i]                        = with && (c.first + i) % 3 == 1;
      }
  A = Positions(c.n_owned, n, nz, position, position + c.n_owned * n);
  TestCall(MeritFactorCreate(A, &f));
  real = *MeritFactorSize(f);
  TestCall(MeritFactorDestroy(&f));
  TestCall(MeritFactorAnalyse(with ? c.A : A, with ? full : NULL, &f));
  TestCall(MeritFactorForesee(f, size, omp_get_max_threads(), &seen));
  TestCall(MeritFactorDestroy(&f));
  Near(seen.entries, real.entries, share, kind, "entries");
  Near(seen.flops, real.flops, share, kind, "flops");
  Near(seen.bytes, real.bytes, share, kind, "bytes");
  Near(seen.bytes_inverse, real.bytes_inverse, share, kind, "bytes_inverse");
  TestCall(MatDestroy(&A));
  free(full), free(position);
  FreeCase(&c);
}

static void test_a_factor_with_full_rows_is_foreseen_without_them(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (int n = 97; n <= 480; n += 383)
      for (int with = 0; with < 1 + (n > 200); with++) ForeseeAt(kind, n, with);
}

/* A grid whose rows come in no order, with more full rows than other rows may have neighbours */
static void test_full_rows_do_not_hide_the_order_of_the_others(void **state)
{
  enum { EDGE = 30, GRID_ROWS = EDGE * EDGE, FULL = 400, N = GRID_ROWS + FULL };
  PetscInt   *row = malloc(sizeof(*row) * N * N), *column = malloc(sizeof(*column) * N * N), n = 0;
  int         rank;
  double      entries;
  MeritFactor f;
  Mat         A;

  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  for (int i = 0; i < N && !rank; i++)
    for (int j = 0; j < N; j++) {
      const int a = i * 277 % GRID_ROWS, b = j * 277 % GRID_ROWS;

      if (i < GRID_ROWS && j < GRID_ROWS && abs(a % EDGE - b % EDGE) + abs(a / EDGE - b / EDGE) > 1) continue;
      row[n] = i, column[n++] = j;
    }
  A = Positions(rank ? 0 : N, N, n, row, column);
  TestCall(MeritFactorCreate(A, &f));
  entries = MeritFactorSize(f)->entries;
  assert_true(entries < GRID_ROWS * (FULL + 30.0) + FULL * (FULL + 1.0) / 2.0);
  TestCall(MeritFactorDestroy(&f));
  TestCall(MatDestroy(&A));
  free(row), free(column);
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
    cmocka_unit_test(test_a_factor_with_full_rows_is_foreseen_without_them),
    cmocka_unit_test(test_full_rows_do_not_hide_the_order_of_the_others),
};

TEST_MAIN(tests)
