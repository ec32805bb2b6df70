#include "formula_read.h"
#include <stdio.h>

#define MATERNAL "model: [ww ~ cg + animal = ped(calf + dam), yw ~ cg + animal = ped(calf)]\n"

static void SameMatrix(int n, const double *found, const double *expected)
{
  assert_non_null(found);
  for (int i = 0; i < n * n; i++) assert_true(found[i] == expected[i]);
}

/* Variances of a model with the given text must be refused at line:column with these words */
static void RefusedAt(const char *text, const char *position, const char *words)
{
  MeritNode     job;
  MeritFormula *f;
  char          whole[80];

  TestCall(ReadModel(text, &job, &f));
  assert_int_not_equal((int)MeritFormulaVariances(f, MeritNodeFind(job, "variances")), 0);
  snprintf(whole, sizeof(whole), "job.yaml:%s: ", position);
  if (strncmp(MeritErrorLast()->text, whole, strlen(whole)) || !strstr(MeritErrorLast()->text, words)) {
    fail_msg("%s\n  expected %s%s\n  found    %s", text, whole, words, MeritErrorLast()->text);
  }
  assert_int_equal((int)MeritErrorLast()->kind, (int)MERIT_ERROR_USAGE);
  MeritErrorClear();
  CloseModel(&job, &f);
}

static void TestNumbersForOneTrait(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadBoth("model: y ~ herd + ped( cow ) + pe = iid(cow)\n"
                    "variances:\n  ped(cow): 30\n  pe: [[10.5]]\n  residual: 4e1\n",
                    &job, &f));
  assert_true(TermOf(f, "ped(cow)")->G[0] == 30);
  assert_true(TermOf(f, "pe")->G[0] == 10.5);
  assert_null(TermOf(f, "pe")->fix);
  assert_false(TermOf(f, "pe")->diagonal);
  assert_null(TermOf(f, "herd")->G);
  assert_int_equal(f->n_residuals, 1);
  assert_string_equal(f->residual[0].label, "");
  assert_true(f->residual[0].R[0] == 40);
  assert_null(f->residual_by);
  CloseModel(&job, &f);
}

static void TestKeysMatchLabelsWithBlanksRemoved(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadBoth("model: \"y ~ iid(s + s:cov(`days of age`)) + ridge(A+B)\"\n"
                    "variances:\n  iid( s+s :cov(`days of age`) ): [[3, 1], [1, 2]]\n  \"ridge(A + B)\": 0\n "
                    " residual: 1\n",
                    &job, &f));
  SameMatrix(2, TermOf(f, "iid(s+s:cov(`days of age`))")->G, (const double[]){3, 1, 1, 2});
  assert_true(TermOf(f, "ridge(A+B)")->G[0] == 0);
  CloseModel(&job, &f);
}

static void TestAMatrixMayBeFullOrALowerTriangle(void **state)
{
  const double  expected[] = {20, 15, -4, 15, 30, -3, -4, -3, 10};
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadBoth(MATERNAL "variances:\n  animal:\n    - [20, 15, -4]\n    - [15, 30, -3]\n    - [-4, -3, 10]\n"
                             "  residual: [[50, 20], [20, 60]]\n",
                    &job, &f));
  SameMatrix(3, TermOf(f, "animal")->G, expected);
  SameMatrix(2, f->residual[0].R, (const double[]){50, 20, 20, 60});
  CloseModel(&job, &f);
  TestCall(ReadBoth(MATERNAL "variances:\n  animal:\n    - [20]\n    - [15, 30]\n    - [-4, -3, 10]\n"
                             "  residual: [[50], [20, 60]]\n",
                    &job, &f));
  SameMatrix(3, TermOf(f, "animal")->G, expected);
  SameMatrix(2, f->residual[0].R, (const double[]){50, 20, 20, 60});
  CloseModel(&job, &f);
}

static void TestRowsInAnyOrderAreSortedByName(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadBoth(MATERNAL "variances:\n  animal:\n    rows: [ww.dam, ww.calf, yw.calf]\n"
                             "    value: [[10, -4, -3], [-4, 20, 15], [-3, 15, 30]]\n"
                             "  residual: {rows: [yw, ww], value: [[60], [20, 50]]}\n",
                    &job, &f));
  SameMatrix(3, TermOf(f, "animal")->G, (const double[]){20, 15, -4, 15, 30, -3, -4, -3, 10});
  SameMatrix(2, f->residual[0].R, (const double[]){50, 20, 20, 60});
  CloseModel(&job, &f);
}

static void TestStructureDiagAndFix(void **state)
{
  MeritNode     job;
  MeritFormula *f;
  const bool   *fix;

  (void)state;
  TestCall(ReadBoth(MATERNAL "variances:\n  animal: {structure: diag, value: [20, 30, 10], fix: yes}\n"
                             "  residual: {structure: us, rows: [yw, ww], value: [[60, 20], [20, 50]], fix: [[1, 1], [ww, 1]]}\n",
                    &job, &f));
  SameMatrix(3, TermOf(f, "animal")->G, (const double[]){20, 0, 0, 0, 30, 0, 0, 0, 10});
  assert_true(TermOf(f, "animal")->diagonal);
  for (int i = 0; i < 9; i++) assert_true(TermOf(f, "animal")->fix[i]);
  assert_false(f->residual[0].diagonal);
  fix = f->residual[0].fix; /* row 1 as written is yw, the second component */
  assert_true(!fix[0] && fix[1] && fix[2] && fix[3]);
  CloseModel(&job, &f);
  TestCall(ReadBoth(MATERNAL "variances:\n  animal: {structure: diag, value: [[20, 0, 0], [0, 30, 0], [0, 0, 10]], fix: no}\n"
                             "  residual: [[60, 20], [20, 50]]\n",
                    &job, &f));
  assert_true(TermOf(f, "animal")->diagonal);
  assert_null(TermOf(f, "animal")->fix);
  CloseModel(&job, &f);
}

static void TestResidualClasses(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadBoth("model: y ~ 1\nvariances:\n  residual: {by: parity, value: {1: 40, 2: 35, \"3+\": "
                    "{value: 30, fix: yes}}}\n",
                    &job, &f));
  assert_string_equal(f->residual_by, "parity");
  assert_int_equal(f->n_residuals, 3);
  assert_string_equal(f->residual[1].label, "2");
  assert_true(f->residual[1].R[0] == 35);
  assert_null(f->residual[1].fix);
  assert_string_equal(f->residual[2].label, "3+");
  assert_true(f->residual[2].R[0] == 30);
  assert_true(f->residual[2].fix[0]);
  CloseModel(&job, &f);
  TestCall(ReadBoth("model: [y ~ 1, z ~ 1]\nvariances:\n  residual:\n    by: herd\n    rows: [z, y]\n    structure: diag\n"
                    "    value: {a: [2, 1], b: {rows: [y, z], value: [3, 4]}}\n",
                    &job, &f));
  SameMatrix(2, f->residual[0].R, (const double[]){1, 0, 0, 2});
  SameMatrix(2, f->residual[1].R, (const double[]){3, 0, 0, 4});
  assert_true(f->residual[0].diagonal && f->residual[1].diagonal);
  CloseModel(&job, &f);
}

static void TestASecondReadingReplacesTheFirst(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadBoth("model: y ~ iid(s)\nvariances: {iid(s): 1, residual: {by: p, value: {1: 2, 2: 3}}}\n", &job, &f));
  TestCall(MeritConfigSet(job, "variances", "{iid(s): 5, residual: 7}"));
  TestCall(MeritFormulaVariances(f, MeritNodeFind(job, "variances")));
  assert_true(TermOf(f, "iid(s)")->G[0] == 5);
  assert_int_equal(f->n_residuals, 1);
  assert_null(f->residual_by);
  assert_true(f->residual[0].R[0] == 7);
  CloseModel(&job, &f);
}

static void TestWhatIsNeededIsListed(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadModel("model: [ww ~ animal = ped(calf + dam), yw ~ animal = ped(calf) + iid(s)]\n", &job, &f));
  TestRaises(MERIT_ERROR_USAGE,
             "no `variances`: solve needs animal: 3 x 3 in the order ww.calf, yw.calf, ww.dam; iid(s): a number; "
             "residual: 2 x 2 in the order ww, yw",
             MeritFormulaVariances(f, NULL));
  CloseModel(&job, &f);
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): 3\n", "3:3", "one is missing: residual: a number");
  RefusedAt("model: y ~ iid(s) + iid(d)\nvariances:\n  iid(s): 3\n  residual: 1\n", "3:3", "one is missing: iid(d): a number");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s):\n  residual: 1\n", "3:3", "one is missing: iid(s): a number");
}

static void TestWrongKeys(void **state)
{
  (void)state;
  RefusedAt("model: y ~ ped(cow)\nvariances:\n  ped(cwo): 3\n  residual: 1\n", "3:3",
            "no random term is called `ped(cwo)`; did you mean `ped(cow)`?");
  RefusedAt("model: y ~ ped(cow)\nvariances:\n  ped(cow): 3\n  residul: 1\n", "4:3", "did you mean `residual`?");
  RefusedAt("model: y ~ ped(cow)\nvariances:\n  pe: 3\n", "3:3", "(needed are ped(cow): a number; residual: a number)");
  RefusedAt("model: y ~ herd\nvariances:\n  herd: 3\n", "3:3", "`herd` is a fixed term and has no variance");
  RefusedAt("model: y ~ ped(cow)\nvariances:\n  ped(cow): 3\n  ped( cow ): 4\n", "4:15", "`ped( cow )` occurs twice");
  RefusedAt("model: y ~ ped(cow)\nvariances: 3\n", "2:12", "`variances` must be");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): {val: 3}\n", "3:12", "unknown key `val`; did you mean `value`?");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): {fix: yes}\n", "3:11", "`iid(s)` has no `value`");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): {by: a, value: 3}\n", "3:12", "unknown key `by`");
}

static void TestWrongSizes(void **state)
{
  (void)state;
  RefusedAt(MATERNAL "variances:\n  animal: 3\n", "3:11",
            "`animal` needs a symmetric 3 x 3 matrix in the order ww.calf, yw.calf, ww.dam; found a single number");
  RefusedAt(MATERNAL "variances:\n  animal: [[1, 0], [0, 1]]\n", "3:11", "found 2 rows");
  RefusedAt(MATERNAL "variances:\n  animal: [[1, 0, 0], [0, 1], [0, 0, 1]]\n", "3:23", "found 2 in row 2, where 3 belong");
  RefusedAt(MATERNAL "variances:\n  animal: [[1], [0, 1], [0, 0]]\n", "3:25", "found 2 in row 3, where 3 belong");
  RefusedAt(MATERNAL "variances:\n  animal: [1, 2, 3]\n", "3:12", "found 1 in row 1, where 3 belong");
  RefusedAt(MATERNAL "variances:\n  residual: 4\n", "3:13", "`residual` needs a symmetric 2 x 2 matrix in the order ww, yw");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): [[1, 0], [0, 1]]\n", "3:11", "needs one number, the variance of y; found 2 rows");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): [[1, 2]]\n", "3:12", "found 2 in row 1, where 1 belong");
}

static void TestWrongNumbers(void **state)
{
  (void)state;
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): three\n", "3:11", "\"three\" is not a number");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): \"3\"\n", "3:11", "\"3\" is not a number");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): .inf\n", "3:11", "\".inf\" is not a number");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): [[[3]]]\n", "3:13", "expected a number");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): {value: {a: 3}}\n", "3:19", "expected a number or a matrix");
  RefusedAt("model: y ~ iid(s)\nvariances:\n  iid(s): -3\n", "3:11", "the variance of y in `iid(s)` is -3: it must be 0 or more");
  RefusedAt("model: y ~ 1\nvariances:\n  residual: 0\n", "3:13", "the variance of y in `residual` is 0: it must be positive");
}

static void TestMatricesThatAreNoVariances(void **state)
{
  (void)state;
  RefusedAt(MATERNAL "variances:\n  residual: [[1, 0.5], [0.4, 1]]\n", "3:13", "not symmetric: row 2 column 1 is 0.4, row 1 column 2 is 0.5");
  RefusedAt(MATERNAL "variances:\n  residual: [[1, 1], [1, 1]]\n", "3:13", "not positive definite");
  RefusedAt(MATERNAL "variances:\n  residual: [[1, 3], [3, 4]]\n", "3:13", "the covariance 3 of yw and ww is more than");
  RefusedAt(MATERNAL "variances:\n  animal: [[0, 1, 0], [1, 1, 0], [0, 0, 1]]\n", "3:11", "ww.calf has variance 0 but covariance 1 with yw.calf");
  /* three correlations of -0.6: each is possible, all three are not (the smallest eigenvalue is 1 - 2 * 0.6) */
  RefusedAt(MATERNAL "variances:\n  animal: [[1, -0.6, -0.6], [-0.6, 1, -0.6], [-0.6, -0.6, 1]]\n", "3:11",
            "not positive semi-definite: the smallest eigenvalue of its correlations is -0.2");
  /* the same, with a third component on a scale that hides it from eigenvalues of the matrix itself */
  RefusedAt(MATERNAL "variances:\n  animal: [[1, -0.6, -6e5], [-0.6, 1, -6e5], [-6e5, -6e5, 1e12]]\n", "3:11", "not positive semi-definite");
}

static void TestSingularMatricesOfRandomTermsAreAllowed(void **state)
{
  static const char *const values[] = {
      "[[0, 0, 0], [0, 0, 0], [0, 0, 0]]",
      "[[1, 2, 0], [2, 4, 0], [0, 0, 3]]",
      "[[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]",
      "[[1e-8, 3e-2, 0], [3e-2, 9e4, 0], [0, 0, 1]]",
      "[[0.01, 0.02, 0.03], [0.02000000000001, 0.05, 0.07], [0.03, 0.07, 0.1]]",
  };
  MeritNode     job;
  MeritFormula *f;
  char          text[400];

  (void)state;
  for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
    snprintf(text, sizeof(text), MATERNAL "variances:\n  animal: %s\n  residual: [[1, 0], [0, 1]]\n", values[i]);
    if (ReadBoth(text, &job, &f)) fail_msg("%s: %s", values[i], MeritErrorLast()->text);
    CloseModel(&job, &f);
  }
}

static void TestWrongOptions(void **state)
{
  (void)state;
  RefusedAt(MATERNAL "variances:\n  animal: {rows: [ww.calf, yw.calf], value: [1, 1, 1]}\n", "3:18",
            "`rows` of `animal` must be these 3 names, in any order: ww.calf, yw.calf, ww.dam");
  RefusedAt(MATERNAL "variances:\n  animal: {rows: [ww.calf, yw.calf, yw.dam], value: [1, 1, 1]}\n", "3:37",
            "\"yw.dam\" is no component of `animal`");
  RefusedAt(MATERNAL "variances:\n  animal: {rows: [ww.calf, yw.calf, ww.calf], value: [1, 1, 1]}\n", "3:37", "occurs twice");
  RefusedAt(MATERNAL "variances:\n  animal: {structure: dag, value: [1, 1, 1]}\n", "3:23", "must be us (unstructured) or diag");
  RefusedAt(MATERNAL "variances:\n  residual: {structure: diag, value: [[1, 0.5], [0.5, 1]]}\n", "3:38",
            "has structure: diag, but row 2 column 1 is 0.5");
  RefusedAt(MATERNAL "variances:\n  residual: {fix: perhaps, value: [[1, 0], [0, 1]]}\n", "3:19", "must be yes, no or [[i, j], ..]");
  RefusedAt(MATERNAL "variances:\n  residual: {fix: [1, 2], value: [[1, 0], [0, 1]]}\n", "3:20", "expected a pair");
  RefusedAt(MATERNAL "variances:\n  residual: {fix: [[1, 3]], value: [[1, 0], [0, 1]]}\n", "3:24", "a row from 1 to 2, or its name");
  RefusedAt("model: y ~ 1\nvariances:\n  residual: {by: [a], value: 3}\n", "3:18", "must be the name of a class column");
  RefusedAt("model: y ~ 1\nvariances:\n  residual: {by: a, value: 3}\n", "3:28", "needs a value for each class");
  RefusedAt("model: y ~ 1\nvariances:\n  residual: {by: a, value: {1: 3, 2: -1}}\n", "3:38", "must be positive");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestNumbersForOneTrait),
    cmocka_unit_test(TestKeysMatchLabelsWithBlanksRemoved),
    cmocka_unit_test(TestAMatrixMayBeFullOrALowerTriangle),
    cmocka_unit_test(TestRowsInAnyOrderAreSortedByName),
    cmocka_unit_test(TestStructureDiagAndFix),
    cmocka_unit_test(TestResidualClasses),
    cmocka_unit_test(TestASecondReadingReplacesTheFirst),
    cmocka_unit_test(TestWhatIsNeededIsListed),
    cmocka_unit_test(TestWrongKeys),
    cmocka_unit_test(TestWrongSizes),
    cmocka_unit_test(TestWrongNumbers),
    cmocka_unit_test(TestMatricesThatAreNoVariances),
    cmocka_unit_test(TestSingularMatricesOfRandomTermsAreAllowed),
    cmocka_unit_test(TestWrongOptions),
};

TEST_MAIN(tests)
