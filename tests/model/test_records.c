/* What becomes of the lines of the records: weights, residual classes, traits that are not observed. */
#include "model_files.h"
#include <math.h>

enum { LINES = 40 };

/* herd, class, weight, y, z of line i; every fifth line has no trait, every seventh only z */
static void WriteRecords(TestModel *t, const char *odd)
{
  char text[4096] = "herd,class,w,y,z\n";

  for (int i = 0; i < LINES; i++) {
    char y[16], z[16];

    sprintf(y, "%d", 10 + i);
    sprintf(z, "%d", i * i % 17);
    if (i % 5 == 4 || i % 7 == 6) strcpy(y, "NA");
    if (i % 5 == 4) strcpy(z, "NA");
    sprintf(text + strlen(text), "%d,%c,%s,%s,%s\n", i % 6, "abc"[i % 3], i == 13 && odd ? odd : i % 2 ? "0.25" : "4", y, z);
  }
  TestWriteFile(t, "records.csv", text);
}

#define JOB(weight, variances)                                                                                                                       \
  "records: {file: records.csv, missing: [NA]" weight "}\nmodel: [\"y ~ 1 + iid(herd)\", \"z ~ 1\"]\nvariances: " variances "\n"

static void test_records_have_the_residual_matrix_of_their_class(void **state)
{
  static const double     R[3] = {2, 5, 10}; /* of z; y has ten times as much */
  const MeritRecordsView *view;
  const int64_t          *line;
  TestModel               t;
  int32_t                 n[3] = {0};

  (void)state;
  TestModelBegin(&t);
  WriteRecords(&t, NULL);
  TestCall(TestModelSetUp(
      &t, JOB("", "{iid(herd): 3, residual: {by: class, value: {c: [[100, 0], [0, 10]], a: [[20, 0], [0, 2]], b: [[50, 0], [0, 5]]}}}")));
  view = MeritModelRecords(t.model);
  TestCall(MeritModelRecordLines(t.model, &line));
  for (int32_t i = 0; i < view->n_records; i++) {
    const int     k = (int)((line[i] - 2) % 3);
    const double *V = view->R_inverse + 4 * view->pattern[i];

    if ((line[i] - 2) % 7 == 6) assert_true(V[0] == 0.0);
    else assert_true(fabs(V[0] - 0.1 / R[k]) < 1e-15);
    assert_true(V[1] == 0.0 && V[2] == 0.0 && fabs(V[3] - 1.0 / R[k]) < 1e-15);
    n[k]++;
  }
  MPI_Allreduce(MPI_IN_PLACE, n, 3, MPI_INT32_T, MPI_SUM, PETSC_COMM_WORLD);
  assert_int_equal(n[0] + n[1] + n[2], LINES * 4 / 5);
  TestModelEnd(&t);
}

static void test_weights_divide_the_residual_variance(void **state)
{
  const MeritRecordsView *view;
  const int64_t          *line;
  TestModel               t;

  (void)state;
  TestModelBegin(&t);
  WriteRecords(&t, NULL);
  TestCall(TestModelSetUp(&t, JOB(", weight: {y: w}", "{iid(herd): 3, residual: [[2, 0], [0, 3]]}")));
  view = MeritModelRecords(t.model);
  TestCall(MeritModelRecordLines(t.model, &line));
  for (int32_t i = 0; i < view->n_records; i++) {
    assert_non_null(view->sqrt_weight);
    if ((line[i] - 2) % 7 != 6) assert_true(view->sqrt_weight[2 * i] == (line[i] % 2 ? 0.5 : 2.0));
    assert_true(view->sqrt_weight[2 * i + 1] == 1.0);
  }
  TestModelEnd(&t);
}

static void test_lines_without_a_trait_are_listed(void **state)
{
  const MeritExclusion *list;
  TestModel             t;
  int64_t               n_lines, n_dropped, n;
  int                   seen[LINES] = {0};

  (void)state;
  TestModelBegin(&t);
  WriteRecords(&t, NULL);
  TestCall(TestModelSetUp(&t, JOB("", "{iid(herd): 3, residual: [[2, 0], [0, 3]]}")));
  n = MeritModelExclusions(t.model, &list);
  for (int64_t i = 0; i < n; i++) {
    assert_string_equal(list[i].kind, "record");
    assert_string_equal(list[i].reason, "no trait is observed");
    seen[list[i].line - 2]++;
  }
  MPI_Allreduce(MPI_IN_PLACE, seen, LINES, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
  for (int i = 0; i < LINES; i++) assert_int_equal(seen[i], i % 5 == 4);
  TestCall(MeritModelRecordCounts(t.model, &n_lines, &n_dropped));
  assert_int_equal(n_lines, LINES);
  assert_int_equal(n_dropped, LINES / 5);
  TestModelEnd(&t);
}

static void test_a_weight_that_is_missing_is_an_error_where_the_trait_is_there(void **state)
{
  static const char *const odd[3] = {"NA", "0", "-1"};

  (void)state;
  for (int k = 0; k < 4; k++) {
    TestModel t;

    TestModelBegin(&t);
    WriteRecords(&t, odd[k % 3]); /* line 15, of y and z, but of z alone in the last case */
    if (k < 3)
      TestRaises(MERIT_ERROR_INPUT,
                 k == 0 ? "records.csv:15: the weight in column w is missing" : "records.csv:15: the weight in column w is not a positive number",
                 TestModelSetUp(&t, JOB(", weight: {z: w}", "{iid(herd): 3, residual: [[2, 0], [0, 3]]}")));
    else TestCall(TestModelSetUp(&t, JOB(", weight: {y: w}", "{iid(herd): 3, residual: [[2, 0], [0, 3]]}")));
    TestModelEnd(&t);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_records_have_the_residual_matrix_of_their_class),
    cmocka_unit_test(test_weights_divide_the_residual_variance),
    cmocka_unit_test(test_lines_without_a_trait_are_listed),
    cmocka_unit_test(test_a_weight_that_is_missing_is_an_error_where_the_trait_is_there),
};

TEST_MAIN(tests)
