/* Tail of the chi-square distribution: the incomplete gamma function by its series or its continued fraction (Abramowitz & Stegun 1964, 6.5.29,
   6.5.31). */
#include <math.h>
#include <merit/random.h>

/* Regularised lower incomplete gamma function P(a, x) = x^a e^-x / Gamma(a + 1) * sum_k x^k / ((a +
   1)..(a + k)), x < a + 1 */
static double Series(double a, double x)
{
  double term = 1.0 / a, sum = term;

  for (int k = 1; k < 10000 && fabs(term) > 1e-17 * fabs(sum); k++) {
    term *= x / (a + k);
    sum += term;
  }
  return sum * exp(-x + a * log(x) - lgamma(a));
}

/* Upper part Q(a, x) = 1 - P(a, x), x >= a + 1: the continued fraction by the modified method of
   Lentz (1976); tiny replaces a denominator of 0. */
static double Fraction(double a, double x)
{
  const double tiny = 1e-300;
  double       b = x + 1.0 - a, c = 1.0 / tiny, d = 1.0 / b, h = d;

  for (int k = 1; k < 10000; k++) {
    const double an = -k * (k - a);
    double       change;

    b += 2.0;
    d = an * d + b;
    if (fabs(d) < tiny) d = tiny;
    c = b + an / c;
    if (fabs(c) < tiny) c = tiny;
    d      = 1.0 / d;
    change = d * c;
    h *= change;
    if (fabs(change - 1.0) < 1e-16) break;
  }
  return h * exp(-x + a * log(x) - lgamma(a));
}

/* MeritChiSquareTail - See the header. Not collective. */
double MeritChiSquareTail(double x, double df)
{
  const double a = 0.5 * df, half = 0.5 * x;

  if (!(x > 0.0)) return 1.0;
  return half < a + 1.0 ? 1.0 - Series(a, half) : Fraction(a, half);
}
