#include <merit_test.h>
#include <merit/random.h>
#include <math.h>
#include <stdlib.h>

/* Philox 4x32-10 as the paper's figure states it, written for the test and checked with the paper's known
   answers */
static void Philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};

  for (int round = 0; round < 10; round++) {
    const uint64_t a = (uint64_t)0xD2511F53 * c[0], b = (uint64_t)0xCD9E8D57 * c[2];

    c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k[0];
    c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k[1];
    c[1] = (uint32_t)b;
    c[3] = (uint32_t)a;
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  for (int i = 0; i < 4; i++) out[i] = c[i];
}

static void TestTheReferenceGivesThePublishedAnswers(void **state)
{
  static const uint32_t kat[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  uint32_t out[4];

  (void)state;
  for (int i = 0; i < 3; i++) {
    Philox(kat[i], kat[i] + 4, out);
    for (int j = 0; j < 4; j++) assert_int_equal(out[j], kat[i][6 + j]);
  }
}

/* The definition in src/sys/random.c, by the reference */
static uint64_t Expected(const MeritRandomKey *k, uint32_t draw)
{
  const uint32_t first[4]  = {k->purpose, k->chain, k->term, 0x4d455249};
  const uint32_t seed[2]   = {(uint32_t)k->seed, (uint32_t)(k->seed >> 32)};
  const uint32_t second[4] = {(uint32_t)k->level, (uint32_t)(k->level >> 32), k->iteration, draw / 2};
  uint32_t       stream[4], out[4];

  Philox(first, seed, stream);
  Philox(second, stream, out);
  return draw % 2 ? (uint64_t)out[3] << 32 | out[2] : (uint64_t)out[1] << 32 | out[0];
}

static void TestDrawsAreThoseOfTheDefinition(void **state)
{
  const uint64_t large = UINT64_C(0xfedcba9876543210);

  (void)state;
  for (uint32_t i = 0; i < 200; i++) {
    const MeritRandomKey key = {.seed = i * large, .purpose = i, .chain = i / 3, .iteration = 7 * i, .term = i % 5, .level = large >> i % 60};

    assert_true(MeritRandomBits(&key, i) == Expected(&key, i));
    assert_true(MeritRandomBits(&key, UINT32_MAX - i) == Expected(&key, UINT32_MAX - i));
  }
}

static void TestEveryPartOfTheKeyMatters(void **state)
{
  const MeritRandomKey base = {.seed = 1, .purpose = 2, .chain = 3, .iteration = 4, .term = 5, .level = 6};
  MeritRandomKey       k[8];
  uint64_t             bits[9];

  (void)state;
  for (int i = 0; i < 8; i++) k[i] = base;
  k[1].seed++, k[2].purpose++, k[3].chain++, k[4].iteration++, k[5].term++, k[6].level++, k[7].seed += UINT64_C(1) << 32;
  for (int i = 0; i < 8; i++) bits[i] = MeritRandomBits(&k[i], 0);
  bits[8] = MeritRandomBits(&base, 1);
  for (int i = 0; i < 9; i++)
    for (int j = 0; j < i; j++) assert_true(bits[i] != bits[j]);
}

static void TestDrawsDoNotDependOnTheOrderOfCalls(void **state)
{
  double forward[100], normal[100];

  (void)state;
  for (uint32_t i = 0; i < 100; i++) {
    const MeritRandomKey key = {.seed = 42, .level = i};

    forward[i] = MeritRandomUniform(&key, i % 7);
    normal[i]  = MeritRandomNormal(&key, i % 7);
  }
  for (uint32_t i = 100; i-- > 0;) {
    const MeritRandomKey key = {.seed = 42, .level = i};

    assert_true(MeritRandomNormal(&key, i % 7) == normal[i]);
    assert_true(MeritRandomUniform(&key, i % 7) == forward[i]);
  }
}

static void TestUniformsFillTheOpenIntervalEvenly(void **state)
{
  enum { N = 200000 };
  double sum = 0, squares = 0, least = 1, most = 0;

  (void)state;
  for (uint32_t i = 0; i < N; i++) {
    const MeritRandomKey key = {.seed = 7, .level = i / 4};
    const double         u   = MeritRandomUniform(&key, i % 4);

    sum += u;
    squares += u * u;
    least = fmin(least, u);
    most  = fmax(most, u);
  }
  assert_true(least > 0 && most < 1 && least < 1e-4 && most > 1 - 1e-4);
  assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1. / 12 / N));
  assert_true(fabs(squares / N - 1. / 3) < 5 * sqrt(4. / 45 / N));
}

static void TestNormalQuantilesAreThePublishedOnes(void **state)
{
  /* Wichura (1988) prints the first three; the others are table values to 16 digits */
  static const double p[] = {0.25, 0.001, 1e-20, 0.975, 0.995, 0.9, 0.5};
  static const double z[] = {
      -0.6744897501960817, -3.090232306167814, -9.262340089798408, 1.959963984540054, 2.575829303548901, 1.2815515655446004, 0};

  (void)state;
  for (int i = 0; i < 7; i++) assert_true(fabs(MeritNormalQuantile(p[i]) - z[i]) < 5e-15 * fmax(1, fabs(z[i])));
}

static void TestQuantilesInvertTheDistributionFunctionEverywhere(void **state)
{
  (void)state;
  for (double p = 1e-300; p < 0.5; p *= 1.5) {
    const double x = MeritNormalQuantile(p);

    /* relative error of p is x^2 times that of x */
    assert_true(fabs(0.5 * erfc(-x / sqrt(2.)) / p - 1) < 4e-16 * (4 + 2 * x * x));
    if (p > 1e-10) assert_true(fabs(MeritNormalQuantile(1 - p) + x) < 2e-6 * fabs(x));
  }
}

static void TestNormalDrawsHaveTheMomentsOfTheNormal(void **state)
{
  enum { N = 200000 };
  double m[5] = {0};

  (void)state;
  for (uint32_t i = 0; i < N; i++) {
    const MeritRandomKey key = {.seed = 11, .purpose = 1, .level = i};
    const double         x   = MeritRandomNormal(&key, 0);

    for (int k = 1; k < 5; k++) m[k] += pow(x, k) / N;
  }
  assert_true(fabs(m[1]) < 5 * sqrt(1. / N));
  assert_true(fabs(m[2] - 1) < 5 * sqrt(2. / N));
  assert_true(fabs(m[3]) < 5 * sqrt(15. / N));
  assert_true(fabs(m[4] - 3) < 5 * sqrt(96. / N));
}

static void TestIntegersStayBelowTheirLimitAndReachAll(void **state)
{
  int seen[6] = {0};

  (void)state;
  for (uint32_t i = 0; i < 6000; i++) {
    const MeritRandomKey key = {.seed = 3, .level = i};

    seen[MeritRandomBelow(&key, 0, 6)]++;
    assert_int_equal(MeritRandomBelow(&key, 1, 1), 0);
    assert_true(MeritRandomBelow(&key, 1, UINT64_MAX) < UINT64_MAX);
  }
  for (int i = 0; i < 6; i++) assert_true(abs(seen[i] - 1000) < 150);
}

/* Values by mpmath with 40 digits */
static void TestTailsOfChiSquareAreThoseOfTheIncompleteGammaFunction(void **state)
{
  static const struct {
    double x, df, tail, tolerance;
  } known[] = {
      {3.841458820694124, 1, 0.050000000000000057, 1e-12},
      {0.5, 1, 0.47950012218695346, 1e-12},
      {1e-8, 1, 0.99992021154405269, 1e-12},
      {40, 1, 2.539628589470865e-10, 1e-12},
      {1000, 1, 1.7958327848007262e-219, 1e-12},
      {2, 2, 0.36787944117144232, 1e-12},
      {5.991464547107979, 2, 0.050000000000000074, 1e-12},
      {7.814727903251179, 3, 0.050000000000000018, 1e-12},
      {0.1, 3, 0.99183742373187648, 1e-12},
      {30, 10, 0.00085664121077530039, 1e-12},
      {5, 10, 0.89117801891415124, 1e-12},
      {9.341817766, 10, 0.49999999996211133, 1e-12},
      {200, 100, 1.1784500720979422e-8, 1e-12},
      {100, 100, 0.48119168452795672, 1e-12},
      {60, 100, 0.99948110853745197, 1e-12},
      {1.5, 0.5, 0.10006348671550178, 1e-12},
      {700, 3, 2.0991308534204088e-151, 1e-12},
      {4999, 5000, 0.50133000119620585, 1e-10},
      {5300, 5000, 0.0015958249441347306, 1e-10},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
    const double found = MeritChiSquareTail(known[i].x, known[i].df);

    if (!(fabs(found - known[i].tail) <= known[i].tolerance * known[i].tail))
      fail_msg("above %g with %g degrees: %.17g, not %.17g", known[i].x, known[i].df, found, known[i].tail);
  }
  assert_true(MeritChiSquareTail(0.0, 3) == 1.0);
  assert_true(MeritChiSquareTail(-1.0, 1) == 1.0);
  assert_true(MeritChiSquareTail(1e5, 2) == 0.0);
}

/* With an even number of degrees the tail is a Poisson sum, with one degree the error function */
static void TestTailsOfChiSquareAgreeWithClosedForms(void **state)
{
  (void)state;
  for (double x = 0.05; x < 60.0; x *= 1.3) {
    double term = exp(-0.5 * x), sum = 0.0;

    assert_true(fabs(MeritChiSquareTail(x, 1) - erfc(sqrt(0.5 * x))) <= 1e-12 * erfc(sqrt(0.5 * x)));
    for (int k = 0; k < 12; k++) {
      sum += term;
      term *= 0.5 * x / (k + 1);
      assert_true(fabs(MeritChiSquareTail(x, 2 * k + 2) - sum) <= 1e-12 * sum);
    }
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTheReferenceGivesThePublishedAnswers),
    cmocka_unit_test(TestDrawsAreThoseOfTheDefinition),
    cmocka_unit_test(TestEveryPartOfTheKeyMatters),
    cmocka_unit_test(TestDrawsDoNotDependOnTheOrderOfCalls),
    cmocka_unit_test(TestUniformsFillTheOpenIntervalEvenly),
    cmocka_unit_test(TestNormalQuantilesAreThePublishedOnes),
    cmocka_unit_test(TestQuantilesInvertTheDistributionFunctionEverywhere),
    cmocka_unit_test(TestNormalDrawsHaveTheMomentsOfTheNormal),
    cmocka_unit_test(TestIntegersStayBelowTheirLimitAndReachAll),
    cmocka_unit_test(TestTailsOfChiSquareAreThoseOfTheIncompleteGammaFunction),
    cmocka_unit_test(TestTailsOfChiSquareAgreeWithClosedForms),
};

TEST_MAIN(tests)
