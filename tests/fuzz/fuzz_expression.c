/*
  Functions of variance components under arbitrary bytes: formulas line by line, a line "%%", then functions line by line. One that is read
  has the same value whether its gradient is asked for or not, and in parentheses; and its gradient is finite where components and value
  are, and has the slope of the function.
*/
#include "fuzz.h"
#include <merit/expression.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMPONENTS = 2000 };

static bool Same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

/* The function in parentheses is the same one, unless it was as deep as can be read */
static void CheckParentheses(const MeritFormula *f, MeritNode scalar, int n, const double theta[], double value)
{
  struct _p_MeritNode again = *scalar;
  const size_t        size  = strlen(scalar->text) + 3;
  MeritExpression     e     = NULL;
  double              got;

  again.text = malloc(size);
  FuzzDemand(again.text != NULL, "no memory");
  snprintf(again.text, size, "(%s)", scalar->text);
  if (FuzzCheck(MeritExpressionParse(f, &again, &e))) {
    FuzzDemand(!MeritExpressionEvaluate(e, n, theta, 3.0, &got, NULL), "a function is not evaluated");
    FuzzDemand(Same(got, value), "a function has another value in parentheses");
  } else FuzzDemand(strstr(MeritErrorLast()->text, "too many parentheses") != NULL, "a function is not read in parentheses");
  FuzzDemand(!MeritExpressionDestroy(&e), "free");
  free(again.text);
}

/* Along each component, where differences at two steps agree */
static void CheckSlope(MeritExpression e, int n, double theta[], double value, const double gradient[])
{
  for (int i = 0; i < n; i++) {
    const double at = theta[i];
    double       side[4], slope[2];

    for (int s = 0; s < 4; s++) {
      theta[i] = at * (1.0 + (s % 2 ? 1.0 : -1.0) * (s < 2 ? 1e-4 : 1e-3));
      FuzzDemand(!MeritExpressionEvaluate(e, n, theta, 3.0, &side[s], NULL), "a function is not evaluated");
    }
    theta[i] = at;
    slope[0] = (side[1] - side[0]) / (2e-4 * at);
    slope[1] = (side[3] - side[2]) / (2e-3 * at);
    if (!(fabs(slope[0] - slope[1]) <= 1e-4 * fabs(slope[0])) || !(fabs(slope[0]) * at > 1e-4 * fabs(value))) continue;
    FuzzDemand(fabs(slope[0] - gradient[i]) <= 1e-2 * fabs(slope[0]), "a gradient that is not the slope");
  }
}

static void CheckFunction(const MeritFormula *f, MeritNode scalar, int n)
{
  static double   theta[COMPONENTS], gradient[COMPONENTS];
  MeritExpression e = NULL;
  double          value, alone;

  for (int i = 0; i < n; i++) theta[i] = sqrt(5.0 + i); /* no number of a function, so at no kink of abs() */
  if (FuzzCheck(MeritExpressionParse(f, scalar, &e))) {
    FuzzDemand(!MeritExpressionEvaluate(e, n, theta, 3.0, &value, gradient), "a function is not evaluated");
    FuzzDemand(!MeritExpressionEvaluate(e, n, theta, 3.0, &alone, NULL), "a function is not evaluated");
    FuzzDemand(Same(value, alone), "a function has another value without its gradient");
    CheckParentheses(f, scalar, n, theta, value);
    if (isfinite(value)) CheckSlope(e, n, theta, value, gradient);
  }
  FuzzDemand(!MeritExpressionDestroy(&e), "free");
}

void FuzzOne(const uint8_t *data, size_t n)
{
  const FuzzBytes formulas  = FuzzPart(&data, &n);
  MeritFormula   *formula   = NULL;
  MeritComponent *component = NULL;
  FuzzLines       lines, functions;
  int             n_components;

  FuzzLinesOpen(&lines, formulas);
  FuzzLinesOpen(&functions, (FuzzBytes){(const char *)data, n});
  if (FuzzCheck(MeritFormulaParse(&lines.list, &formula)) && FuzzCheck(MeritFormulaStarts(formula, NULL))) {
    FuzzDemand(!MeritFormulaComponents(formula, &n_components, &component), "no components");
    for (int i = 0; i < functions.list.n && n_components <= COMPONENTS; i++) CheckFunction(formula, functions.child[i], n_components);
  }
  FuzzDemand(!PetscFree(component) && !MeritFormulaDestroy(&formula), "free");
  FuzzLinesClose(&lines);
  FuzzLinesClose(&functions);
}

static const FuzzBytes seeds[] = {
    FUZZ_SEED("y ~ herd + ped(cow) + pe = iid(cow) + snp(cow)\n%%\nped(cow) / (ped(cow) + pe + residual)\n1 - -pe^2^0.5 * 1.5e1\n"),
    FUZZ_SEED("y ~ snp(cow)\n%%\nsnp(cow).genetic / (snp( cow ) .genetic + residual[y])\nsqrt(residual) * log(2) - exp(-.5) + abs(1 - residual)\n"),
    FUZZ_SEED("ww ~ animal = ped(calf + dam)\nyw ~ animal = ped(calf)\n%%\nanimal[ww.calf, ww.dam] + animal[3, 1]\ncor(animal, ww.calf, 2)\n"
              "cor(residual, ww, yw)\nresidual[yw] / residual[1]\n"),
    FUZZ_SEED("`a trait` ~ 1 + `my``term` = iid(`b c`)\n%%\n`my`term` + \"my`term\" / 'residual'\nmy`term\n"),
    FUZZ_SEED("y ~ iid(s)\n%%\nresidual + iid(t)\n((((((((iid(s)))))))\nresidual[2]\niid(s)^\n2 2\ncor(iid(s), 1)\n0x10\n"),
};

FUZZ_TARGET(seeds, 20000);
