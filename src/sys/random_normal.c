/* Distributions from uniform bits. Compiled without fused multiply-add (-ffp-contract=off), so that
   a seed gives the same numbers whatever compiler and processor. */
#include <merit/random.h>
#include <math.h>

/* Polynomial of degree 7, coefficients c [8] from the highest, by Horner's rule */
static double Horner(const double c[8], double x)
{
  double sum = c[0];

  for (int i = 1; i < 8; i++) sum = sum * x + c[i];
  return sum;
}

/*@
  MeritNormalQuantile - Quantile of the standard normal distribution at 0 < p < 1, relative error about 1e-16.

  Not collective. Method: algorithm AS 241, PPND16 (Wichura 1988): rational functions in the centre, and in
  the tails in sqrt(-log p).
@*/
double MeritNormalQuantile(double p)
{
  /* Numerators and denominators: |p - 1/2| <= 0.425; tail down to p of about 1e-11; far tail */
  static const double centre[2][8] = {
      {2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4, 4.5921953931549871457e+4, 1.3731693765509461125e+4,
       1.9715909503065514427e+3, 1.3314166789178437745e+2, 3.3871328727963666080e+0},
      {5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4, 5.3941960214247511077e+3,
       6.8718700749205790830e+2, 4.2313330701600911252e+1, 1.0},
  };
  static const double middle[2][8] = {
      {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e+0, 3.64784832476320460504e+0,
       5.76949722146069140550e+0, 4.63033784615654529590e+0, 1.42343711074968357734e+0},
      {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1, 6.89767334985100004550e-1,
       1.67638483018380384940e+0, 2.05319162663775882187e+0, 1.0},
  };
  static const double far[2][8] = {
      {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2, 2.96560571828504891230e-1,
       1.78482653991729133580e+0, 5.46378491116411436990e+0, 6.65790464350110377720e+0},
      {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4, 1.48753612908506148525e-2,
       1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0},
  };
  const double q = p - 0.5;
  double       r, x;

  if (fabs(q) <= 0.425) {
    r = 0.180625 - q * q;
    return q * Horner(centre[0], r) / Horner(centre[1], r);
  }
  /* Tails by r = sqrt(-log of the tail probability) */
  r = sqrt(-log(q < 0 ? p : 1 - p));
  if (r <= 5) x = Horner(middle[0], r - 1.6) / Horner(middle[1], r - 1.6);
  else x = Horner(far[0], r - 5) / Horner(far[1], r - 5);
  return q < 0 ? -x : x;
}

/* MeritRandomNormal - Standard normal draw: the quantile of the uniform one of the same number. Not
   collective. */
double MeritRandomNormal(const MeritRandomKey *key, uint32_t draw) { return MeritNormalQuantile(MeritRandomUniform(key, draw)); }
