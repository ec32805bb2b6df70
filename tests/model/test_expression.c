/* Functions of variance components: values against the C compiler's, derivatives against differences, messages. */
#include "formula_read.h"
#include <math.h>
#include <merit/expression.h>

static const char *const one_trait  = "model: \"y ~ herd + ped(cow) + pe = iid(cow) + perm = iid(herd:year) + snp(cow)\"\n";
static const char *const two_traits = "model: [\"ww ~ animal = ped(calf + dam)\", \"yw ~ animal = ped(calf)\"]\n"
                                      "variances: {residual: {by: sex, value: {m: [[1], [0, 1]], f 2: [[1], [0, 1]]}}}\n";

typedef struct {
  MeritNode       job;
  MeritFormula   *formula;
  MeritComponent *component;
  int             n;
} Known;

/* The formula, and its components; starts from the identity where nothing is given */
static void Begin(const char *model, const char *function, Known *k)
{
  char text[2000];

  snprintf(text, sizeof(text), "%sfunctions:\n  f: %s\n", model, function);
  TestCall(ReadModel(text, &k->job, &k->formula));
  TestCall(MeritFormulaStarts(k->formula, MeritNodeFind(k->job, "variances")));
  TestCall(MeritFormulaComponents(k->formula, &k->n, &k->component));
}

static void End(Known *k)
{
  TestCall(PetscFree(k->component));
  CloseModel(&k->job, &k->formula);
}

/* theta, with which the function is evaluated: 2, 3, 5, 7... in component order */
static const double primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};

static void Is(const char *model, const char *function, double expected)
{
  Known           k;
  MeritExpression e;
  double          value, g[12], theta[12];

  Begin(model, function, &k);
  assert_true(k.n <= 12);
  TestCall(MeritExpressionParse(k.formula, MeritNodeFind(k.job, "functions.f"), &e));
  TestCall(MeritExpressionEvaluate(e, k.n, primes, 100.0, &value, g));
  if (!(fabs(value - expected) <= 1e-14 * fabs(expected))) fail_msg("%s is %.17g, not %.17g", function, value, expected);
  /* derivatives by central differences */
  for (int i = 0; i < k.n; i++) {
    double side[2];

    for (int s = 0; s < 2; s++) {
      memcpy(theta, primes, sizeof(theta));
      theta[i] += (s ? 1e-5 : -1e-5) * primes[i];
      TestCall(MeritExpressionEvaluate(e, k.n, theta, 100.0, &side[s], NULL));
    }
    side[0] = (side[1] - side[0]) / (2e-5 * primes[i]);
    if (!(fabs(g[i] - side[0]) <= 1e-7 * (fabs(side[0]) + fabs(expected))))
      fail_msg("%s: derivative %d is %.12g, not %.12g", function, i, g[i], side[0]);
  }
  TestCall(MeritExpressionDestroy(&e));
  End(&k);
}

/* Components here: ped(cow) 2, pe 3, perm 5, snp(cow) 7, residual 11 */
static void TestArithmeticIsThatOfTheCompiler(void **state)
{
  (void)state;
  Is(one_trait, "ped(cow) / (ped(cow) + pe + perm + residual)", 2.0 / (2.0 + 3.0 + 5.0 + 11.0));
  Is(one_trait, "1 + 2 * pe - 3", 4.0);
  Is(one_trait, "perm - pe - ped(cow)", 0.0);
  Is(one_trait, "residual / perm / pe", 11.0 / 5.0 / 3.0);
  Is(one_trait, "-pe^2", -9.0);
  Is(one_trait, "(-pe)^2", 9.0);
  Is(one_trait, "pe^ped(cow)^pe", pow(3.0, 8.0));
  Is(one_trait, "perm^-1 * 2^-0.5", 0.2 / sqrt(2.0));
  Is(one_trait, "--pe + +pe", 6.0);
  Is(one_trait, "sqrt(perm + residual) * log(pe) - exp(-ped(cow)) + abs(pe - perm)", 4.0 * log(3.0) - exp(-2.0) + 2.0);
  Is(one_trait, "1.5e1 * .5", 7.5);
}

static void TestLabelsAreFoundWhateverTheirBlanksAndQuotes(void **state)
{
  (void)state;
  Is(one_trait, "ped( cow )+ pe", 5.0);
  Is(one_trait, "'`ped(cow)` + `pe`'", 5.0);
  Is(one_trait, "'\"ped( cow )\" * 2'", 4.0);
  Is(one_trait, "perm + pe", 8.0); /* neither is the head of the other */
  Is(one_trait, "snp(cow).genetic", 700.0);
  Is(one_trait, "snp(cow).genetic / (snp(cow) .genetic + residual)", 700.0 / 711.0);
  Is(one_trait, "pe[1] + pe[y] + pe[1, y] + residual[y]", 20.0);
}

/* animal: ww.calf 2, 3 yw.calf 5, 7 11 ww.dam 13; residual.m 17 / 19 23; residual.f 2: 29 / 31 37 */
static void TestElementsOfMatricesAreNamedByRowAndColumn(void **state)
{
  (void)state;
  Is(two_traits, "animal[ww.calf]", 2.0);
  Is(two_traits, "animal[yw.calf, ww.calf] + animal[ww.calf, yw.calf]", 6.0);
  Is(two_traits, "animal[3, 2]", 11.0);
  Is(two_traits, "animal[2, ww.dam] - animal[ ww.dam ]", -2.0);
  Is(two_traits, "cor(animal, ww.calf, ww.dam)", 7.0 / sqrt(2.0 * 13.0));
  Is(two_traits, "cor(residual.m, 1, 2)", 19.0 / sqrt(17.0 * 23.0));
  Is(two_traits, "residual.f2[yw] + residual.f 2[yw, ww]", 68.0);
  Is(two_traits, "animal[ww.calf] + 1.5 * animal[1, 3] + animal[ww.dam] + residual.m[1]", 2.0 + 10.5 + 13.0 + 17.0);
}

static void TestAFixedCorrelationHasNoDerivative(void **state)
{
  Known           k;
  MeritExpression e;
  double          value, g[12];

  (void)state;
  Begin(two_traits, "cor(animal, 1, 1) + 0 * residual.m[1]", &k);
  TestCall(MeritExpressionParse(k.formula, MeritNodeFind(k.job, "functions.f"), &e));
  TestCall(MeritExpressionEvaluate(e, k.n, primes, 1.0, &value, g));
  assert_true(fabs(value - 1.0) < 1e-15);
  for (int i = 0; i < k.n; i++) assert_true(fabs(g[i]) < 1e-15);
  TestCall(MeritExpressionDestroy(&e));
  End(&k);
}

/* The function must be refused at this column of its line with these words */
static void Refused(const char *model, const char *function, int column, const char *words)
{
  Known           k;
  MeritExpression e = NULL;
  char            position[64];

  Begin(model, function, &k);
  assert_int_not_equal((int)MeritExpressionParse(k.formula, MeritNodeFind(k.job, "functions.f"), &e), 0);
  assert_int_equal((int)MeritErrorLast()->kind, (int)MERIT_ERROR_USAGE);
  /* the text begins in column 6 */
  snprintf(position, sizeof(position), "job.yaml:%d:%d: ", MeritNodeFind(k.job, "functions.f")->line, 5 + column);
  if (strncmp(MeritErrorLast()->text, position, strlen(position)) || !strstr(MeritErrorLast()->text, words))
    fail_msg("%s\n  expected %s%s\n  found    %s", function, position, words, MeritErrorLast()->text);
  MeritErrorClear();
  TestCall(MeritExpressionDestroy(&e));
  End(&k);
}

/* sqrt has no slope at 0, nor 1 / x, nor x^0 by its base: where nothing changes that does not matter */
static void TestConstantsDoNotSpoilADerivative(void **state)
{
  (void)state;
  Is(one_trait, "pe + sqrt(0)", 3.0);
  Is(one_trait, "pe * (1 + 0 * sqrt(abs(perm - 5)))", 3.0);
  Is(one_trait, "pe + (perm - perm)^0.5", 3.0);
  Is(one_trait, "pe + exp(-1 / (ped(cow) - ped(cow)))", 3.0);
  Is(one_trait, "pe + (ped(cow) - 2)^0", 4.0);
}

static void TestWhatIsWrongIsToldWithItsPlaceAndTheNearestName(void **state)
{
  char deep[400] = "";

  (void)state;
  Refused(one_trait, "pe + ped(cwo)", 6, "did you mean `ped(cow)`?");
  Refused(one_trait, "pe / (permm + residual)", 7, "did you mean `perm`?");
  Refused(one_trait, "pe + residul", 6, "did you mean `residual`?");
  Refused(one_trait, "herd + pe", 1, "the label of a random term");
  Refused(one_trait, "ped(cow).genetic", 9, "cannot read on");
  Refused(one_trait, "permanent", 1, "the label of a random term");
  Refused(one_trait, "pe +", 5, "expected a number");
  Refused(one_trait, "(pe + 1", 8, "expected `)`");
  Refused(one_trait, "pe) + 1", 3, "cannot read on");
  Refused(one_trait, "pe 1", 4, "cannot read on");
  Refused(one_trait, "pe[2]", 4, "`pe` has no row `2`; its rows are y");
  Refused(two_traits, "animal / 2", 8, "needs its row and column");
  Refused(two_traits, "animal[1, yw.dam]", 11, "`animal` has no row `yw.dam`; its rows are ww.calf, yw.calf, ww.dam");
  Refused(two_traits, "residual[1]", 1, "did you mean `residual.");
  Refused(two_traits, "cor(animal, 1)", 14, "expected `,`");
  Refused(two_traits, "cor(aminal, 1, 2)", 5, "did you mean `animal`?");
  Refused(one_trait, "pe * 0x10", 6, "expected a decimal number");
  Refused(one_trait, "pe * .", 6, "expected a decimal number");
  Refused(one_trait, "pe * 1e999", 6, "the number is too large");
  for (int i = 0; i < 100; i++) strcat(deep, "(");
  Refused(one_trait, deep, 65, "too many parentheses");
}

static void TestAFunctionMustBeText(void **state)
{
  Known           k;
  MeritExpression e = NULL;

  (void)state;
  Begin(one_trait, "[pe, 1]", &k);
  TestRaises(MERIT_ERROR_USAGE, "must be text", MeritExpressionParse(k.formula, MeritNodeFind(k.job, "functions.f"), &e));
  End(&k);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestArithmeticIsThatOfTheCompiler),
    cmocka_unit_test(TestLabelsAreFoundWhateverTheirBlanksAndQuotes),
    cmocka_unit_test(TestElementsOfMatricesAreNamedByRowAndColumn),
    cmocka_unit_test(TestAFixedCorrelationHasNoDerivative),
    cmocka_unit_test(TestConstantsDoNotSpoilADerivative),
    cmocka_unit_test(TestWhatIsWrongIsToldWithItsPlaceAndTheNearestName),
    cmocka_unit_test(TestAFunctionMustBeText),
};

TEST_MAIN(tests)
