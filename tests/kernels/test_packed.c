#include <merit_test.h>
#include <merit/packed.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* A random packed matrix beside its plain form */
typedef struct {
  MeritPacked m;
  uint64_t   *code;
  double     *scale, *centre, *missing;
  double     *plain; /* [n_rows * n_cols] M */
} Case;

static uint64_t state = 88172645463325252u;

static double Uniform(void)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) * 0x1p-53;
}

static void *Room(size_t n, size_t bytes)
{
  void *at = calloc(n + 1, bytes);

  assert_non_null(at);
  return at;
}

/* Missing genotypes count as their centre, or (shifted) as something else, as without centring; scale 0: each SNP has another */
static Case MakeScaledCase(int64_t n, int32_t m, double rate, bool shifted, double scale)
{
  const int64_t strips = MeritPackedStrips(n);
  Case          c      = {.m = {.n_rows = n, .n_cols = m, .stride = m}};
  void         *code   = NULL;

  assert_int_equal(posix_memalign(&code, 64, (size_t)(strips * m + 1) * 64), 0);
  memset(code, 0xff, (size_t)(strips * m) * 64);
  c.code    = code;
  c.scale   = Room((size_t)m, sizeof(double));
  c.centre  = Room((size_t)m, sizeof(double));
  c.missing = Room((size_t)m, sizeof(double));
  c.plain   = Room((size_t)(n * m), sizeof(double));
  for (int32_t j = 0; j < m; j++) {
    const double p = 0.02 + 0.96 * Uniform();

    c.centre[j]  = shifted ? 0 : 2 * p;
    c.missing[j] = 2 * p;
    c.scale[j]   = scale > 0.0 ? scale : 0.5 + Uniform();
    for (int64_t i = 0; i < n; i++) {
      uint64_t  g    = (uint64_t)((Uniform() < p) + (Uniform() < p)), here;
      uint64_t *word = c.code + ((size_t)(i / 256) * (size_t)m + (size_t)j) * 8 + i % 256 / 32;

      if (Uniform() < rate) g = 3;
      here               = (uint64_t)3 << (2 * (i % 32));
      *word              = (*word & ~here) | g << (2 * (i % 32));
      c.plain[i * m + j] = c.scale[j] * ((g == 3 ? c.missing[j] : (double)g) - c.centre[j]);
    }
  }
  c.m.code    = c.code;
  c.m.scale   = c.scale;
  c.m.centre  = c.centre;
  c.m.missing = c.missing;
  return c;
}

static Case MakeCase(int64_t n, int32_t m, double rate, bool shifted) { return MakeScaledCase(n, m, rate, shifted, 0.0); }

static void FreeCase(Case *c)
{
  free(c->code);
  free(c->scale);
  free(c->centre);
  free(c->missing);
  free(c->plain);
}

static double *Random(int64_t n)
{
  double *v = Room((size_t)n, sizeof(double));

  for (int64_t i = 0; i < n; i++) v[i] = 2 * Uniform() - 0.9;
  return v;
}

static void CheckNear(double value, double expected, double size, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance * size + 1e-300))
    fail_msg("%.17g is not %.17g: %g of %g", value, expected, fabs(value - expected) / size, tolerance);
}

/* Of products; in single precision far below what packed.h allows for: terms are not all rounded alike */
static double Tolerance(const MeritPacked *m) { return m->single ? 0.05 * MERIT_PACKED_SINGLE_ERROR : 1e-13; }

/* out[rows of the result * k] against the sum over the other dimension */
static void CheckForward(const Case *c, int k, const double *x, const double *g)
{
  for (int64_t i = 0; i < c->m.n_rows; i++)
    for (int r = 0; r < k; r++) {
      long double sum = 0, size = 0;

      for (int32_t j = 0; j < c->m.n_cols; j++) {
        sum += (long double)c->plain[i * c->m.n_cols + j] * x[j * k + r];
        size += 2 * fabs(c->scale[j] * x[j * k + r]);
      }
      CheckNear(g[i * k + r], (double)sum, (double)size, Tolerance(&c->m));
    }
}

static void CheckAdjoint(const Case *c, int k, const double *s, const double *y)
{
  for (int32_t j = 0; j < c->m.n_cols; j++)
    for (int r = 0; r < k; r++) {
      long double sum = 0, size = 0;

      for (int64_t i = 0; i < c->m.n_rows; i++) {
        sum += (long double)c->plain[i * c->m.n_cols + j] * s[i * k + r];
        size += 2 * fabs(c->scale[j] * s[i * k + r]);
      }
      CheckNear(y[j * k + r], (double)sum, (double)size, Tolerance(&c->m));
    }
}

static void CheckProductsOf(const Case *c, int k)
{
  const int64_t n = c->m.n_rows, m = c->m.n_cols;
  double       *x = Random(m * k), *s = Random(n * k), *g = Random(n * k), *y = Random(m * k);

  for (int level = MERIT_PACKED_PORTABLE; level <= MERIT_PACKED_AVX512; level++) {
    if ((int)MeritPackedUse((MeritPackedLevel)level) != level) continue;
    TestCall(MeritPackedForward(&c->m, k, x, g));
    CheckForward(c, k, x, g);
    TestCall(MeritPackedAdjoint(&c->m, k, s, y));
    CheckAdjoint(c, k, s, y);
  }
  MeritPackedUse(MERIT_PACKED_AVX512);
  free(x), free(s), free(g), free(y);
}

/* In double precision and in single */
static void CheckProductsInBoth(const Case *c, int k)
{
  Case single = *c;

  single.m.single = true;
  CheckProductsOf(c, k);
  CheckProductsOf(&single, k);
}

/* Without and with a list of missing genotypes, which a matrix of many has not */
static void CheckProducts(const Case *c, int k)
{
  Case      listed = *c;
  MeritGaps gaps;

  CheckProductsInBoth(c, k);
  if (c->m.gaps) return;
  TestCall(MeritPackedFindGaps(&c->m, &gaps));
  listed.m.gaps = &gaps;
  if (gaps.start) CheckProductsInBoth(&listed, k);
  TestCall(MeritGapsDestroy(&gaps));
}

static void TestProductsEqualAPlainLoopWithAllInstructions(void **unused)
{
  const int64_t n[]    = {1, 3, 255, 257, 700};
  const int32_t m[]    = {1, 7, 129};
  const double  rate[] = {0, 0.02, 0.3};

  (void)unused;
  for (int a = 0; a < 5; a++)
    for (int b = 0; b < 3; b++)
      for (int r = 0; r < 3; r++) {
        Case c = MakeCase(n[a], m[b], rate[r], (a + b + r) % 2);

        for (int k = 1; k < 7; k++) CheckProducts(&c, k);
        FreeCase(&c);
      }
}

/* as wide as vectors are, narrower, wider, and what is left over of the widest */
static void TestWideBlocksEqualAPlainLoop(void **unused)
{
  const int k[] = {7, 8, 9, 13, 16, 17, 27, 64};

  (void)unused;
  for (int i = 0; i < 8; i++) {
    Case c = MakeCase(i % 2 ? 300 : 259, i % 3 ? 70 : 33, i % 2 ? 0.02 : 0.2, i % 2);

    CheckProducts(&c, k[i]);
    FreeCase(&c);
  }
}

static void TestMoreColumnsThanATableServes(void **unused)
{
  Case c = MakeCase(300, 4133, 0.01, false);

  (void)unused;
  CheckProducts(&c, 1);
  CheckProducts(&c, 4);
  CheckProducts(&c, 9);
  FreeCase(&c);
}

static void TestMoreRowsThanATableServes(void **unused)
{
  Case c = MakeCase(9001, 37, 0.01, false);

  (void)unused;
  CheckProducts(&c, 1);
  CheckProducts(&c, 3);
  CheckProducts(&c, 8);
  FreeCase(&c);
}

/* one that begins with a block of the list keeps it */
static void TestARangeOfColumnsHasItsPartOfTheList(void **unused)
{
  Case      c = MakeCase(700, 80, 0.02, false), part = c;
  MeritGaps gaps;
  double   *plain = Room(700 * 37, sizeof(double));

  (void)unused;
  TestCall(MeritPackedFindGaps(&c.m, &gaps));
  assert_non_null(gaps.start);
  for (int i = 0; i < 700; i++) memcpy(plain + i * 37, c.plain + i * 80 + 32, 37 * sizeof(double));
  part.m.n_cols = 37;
  part.m.code += 32 * MERIT_LINE;
  part.m.scale += 32, part.m.centre += 32, part.m.missing += 32;
  part.m.gaps      = &gaps;
  part.m.first_gap = 1;
  part.plain       = plain;
  part.scale       = c.scale + 32;
  for (int k = 1; k < 7; k += 2) CheckProducts(&part, k);
  TestCall(MeritGapsDestroy(&gaps));
  free(plain);
  FreeCase(&c);
}

/* a range of columns is a matrix with the strips of the whole one */
static void TestARangeOfColumnsIsAMatrixToo(void **unused)
{
  Case    c = MakeCase(700, 60, 0.1, false), part = c;
  double *plain = Room(700 * 33, sizeof(double));

  (void)unused;
  for (int i = 0; i < 700; i++) memcpy(plain + i * 33, c.plain + i * 60 + 11, 33 * sizeof(double));
  part.m.n_cols = 33;
  part.m.code += 11 * MERIT_LINE;
  part.m.scale += 11, part.m.centre += 11, part.m.missing += 11;
  part.plain = plain;
  part.scale = c.scale + 11;
  for (int k = 1; k < 3; k++) CheckProducts(&part, k);
  free(plain);
  FreeCase(&c);
}

/* w + D g by long double, from the g that CheckForward has found right */
static void CheckWeighed(int64_t rows, int n, int k, const double *D, const double *g, const double *before, const double *w)
{
  for (int64_t row = 0; row < rows; row++)
    for (int a = 0; a < n; a++)
      for (int r = 0; r < k; r++) {
        long double sum = before[(row * n + a) * k + r];

        for (int b = 0; b < n; b++) sum += (long double)D[(row * n + a) * n + b] * g[(row * n + b) * k + r];
        CheckNear(w[(row * n + a) * k + r], (double)sum, 1 + fabs((double)sum), 1e-13);
      }
}

static void CheckNormalOf(const Case *c, int n, int k)
{
  const int64_t rows = c->m.n_rows, cols = c->m.n_cols;
  double       *x = Random(cols * n * k), *before = Random(rows * n * k), *D = Random(rows * n * n);
  double       *g = Random(rows * n * k), *w = Random(rows * n * k), *y = Random(cols * n * k);

  for (int level = MERIT_PACKED_PORTABLE; level <= MERIT_PACKED_AVX512; level++) {
    if ((int)MeritPackedUse((MeritPackedLevel)level) != level) continue;
    for (int threads = 1; threads < 4; threads++) {
      omp_set_num_threads(threads);
      memcpy(w, before, (size_t)(rows * n * k) * sizeof(*w));
      memcpy(y, x, (size_t)(cols * n * k) * sizeof(*y));
      TestCall(MeritPackedNormal(&c->m, n, k, D, threads % 2 ? x : y, g, w, y));
      CheckForward(c, n * k, x, g);
      CheckWeighed(rows, n, k, D, g, before, w);
      CheckAdjoint(c, n * k, w, y);
    }
  }
  omp_set_num_threads(1);
  MeritPackedUse(MERIT_PACKED_AVX512);
  free(x), free(before), free(D), free(g), free(w), free(y);
}

static void CheckNormal(const Case *c, int n, int k)
{
  Case single = *c;

  single.m.single = true;
  CheckNormalOf(c, n, k);
  CheckNormalOf(&single, n, k);
}

static void TestBothProductsInOnePassEqualAPlainLoop(void **unused)
{
  const int64_t n[]    = {0, 1, 257, 1536};
  const int32_t m[]    = {1, 130};
  const double  rate[] = {0, 0.02};

  (void)unused;
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < 2; b++) {
      Case      c = MakeCase(n[a], m[b], rate[(a + b) % 2], a % 2);
      MeritGaps gaps;

      for (int k = 1; k < 9; k += k < 4 ? 1 : 4) CheckNormal(&c, 1, k);
      CheckNormal(&c, 2, 1);
      TestCall(MeritPackedFindGaps(&c.m, &gaps));
      c.m.gaps = &gaps;
      CheckNormal(&c, 1, 1);
      CheckNormal(&c, 3, 2);
      TestCall(MeritGapsDestroy(&gaps));
      FreeCase(&c);
    }
}

static void TestProductsAreTheSameBitsWithOneAndTwoThreads(void **unused)
{
  Case    c = MakeCase(700, 129, 0.05, false);
  double *x = Random(129 * 3), *s = Random(700 * 3), *one = Random(700 * 3), *two = Random(700 * 3);

  (void)unused;
  for (int k = 1; k < 4; k += 2) {
    omp_set_num_threads(1);
    TestCall(MeritPackedForward(&c.m, k, x, one));
    omp_set_num_threads(2);
    TestCall(MeritPackedForward(&c.m, k, x, two));
    assert_memory_equal(one, two, 700 * (size_t)k * sizeof(double));
    TestCall(MeritPackedAdjoint(&c.m, k, s, two));
    omp_set_num_threads(1);
    TestCall(MeritPackedAdjoint(&c.m, k, s, one));
    assert_memory_equal(one, two, 129 * (size_t)k * sizeof(double));
  }
  free(x), free(s), free(one), free(two);
  FreeCase(&c);
}

/* the AVX2 path rests on scaled exponents: sizes far from 1 must not overflow or vanish */
static void CheckSizes(bool single)
{
  const double size[] = {0, 1e-290, 1e-150, 1e150, 1e290};
  Case         c      = MakeCase(40, 9, 0.1, false);
  double      *x = Random(9), *s = Random(40), *g = Random(40), *y = Random(9);

  c.m.single = single;
  for (int i = 0; i < 5; i++) {
    double *u = Random(9), *v = Random(40);

    for (int j = 0; j < 9; j++) u[j] = x[j] * size[i];
    for (int j = 0; j < 40; j++) v[j] = s[j] * size[i];
    TestCall(MeritPackedForward(&c.m, 1, u, g));
    CheckForward(&c, 1, u, g);
    TestCall(MeritPackedAdjoint(&c.m, 1, v, y));
    CheckAdjoint(&c, 1, v, y);
    free(u), free(v);
  }
  s[7] = NAN;
  TestCall(MeritPackedAdjoint(&c.m, 1, s, y));
  for (int j = 0; j < 9; j++) assert_true(isnan(y[j]));
  free(x), free(s), free(g), free(y);
  FreeCase(&c);
}

static void TestInputsOfAnySizeArePassed(void **unused)
{
  (void)unused;
  for (int level = MERIT_PACKED_PORTABLE; level <= MERIT_PACKED_AVX512; level++) {
    MeritPackedUse((MeritPackedLevel)level);
    CheckSizes(false);
    CheckSizes(true);
  }
}

/* right-hand sides of one block may differ by any factor */
static void TestEveryRightHandSideHasItsOwnScale(void **unused)
{
  Case    c = MakeCase(600, 90, 0.02, false);
  double *x = Random(90 * 9), *s = Random(600 * 9), *g = Random(600 * 9), *y = Random(90 * 9);

  (void)unused;
  c.m.single = true;
  for (int64_t i = 0; i < 90 * 9; i++) x[i] *= pow(10, 40.0 * (double)(i % 9) - 160);
  for (int64_t i = 0; i < 600 * 9; i++) s[i] *= pow(10, 40.0 * (double)(i % 9) - 160);
  for (int level = MERIT_PACKED_PORTABLE; level <= MERIT_PACKED_AVX512; level++) {
    MeritPackedUse((MeritPackedLevel)level);
    TestCall(MeritPackedForward(&c.m, 9, x, g));
    CheckForward(&c, 9, x, g);
    TestCall(MeritPackedAdjoint(&c.m, 9, s, y));
    CheckAdjoint(&c, 9, s, y);
  }
  free(x), free(s), free(g), free(y);
  FreeCase(&c);
}

static void TestSquaresGramAndDecodeEqualAPlainLoop(void **unused)
{
  const int64_t n[] = {1, 3, 257, 700};

  (void)unused;
  for (int a = 0; a < 4; a++)
    for (int k = 1; k < 4; k++) {
      Case    c = MakeCase(n[a], 23, 0.1, a % 2);
      double *w = Random(n[a] * k), *q = Random(23 * k), *gram = Random(81 * k), *out = Random(n[a] * 9);

      for (int run = 0; run < 6; run++) {
        omp_set_num_threads(1 + run % 2);
        MeritPackedUse((MeritPackedLevel)(run / 2));
        TestCall(MeritPackedSquares(&c.m, k, w, q));
        TestCall(MeritPackedGram(&c.m, 11, 9, k, w, gram));
        TestCall(MeritPackedDecode(&c.m, 11, 9, out));
        for (int r = 0; r < k; r++) {
          for (int j = 0; j < 23; j++) {
            double sum = 0;

            for (int64_t i = 0; i < n[a]; i++) sum += c.plain[i * 23 + j] * c.plain[i * 23 + j] * w[i * k + r];
            CheckNear(q[j * k + r], sum, 10 * (double)n[a], 1e-13);
          }
          for (int e = 0; e < 81; e++) {
            double sum = 0;

            for (int64_t i = 0; i < n[a]; i++) sum += c.plain[i * 23 + 11 + e / 9] * c.plain[i * 23 + 11 + e % 9] * w[i * k + r];
            CheckNear(gram[e * k + r], sum, 10 * (double)n[a], 1e-13);
          }
        }
        for (int64_t i = 0; i < n[a] * 9; i++) CheckNear(out[i], c.plain[i / 9 * 23 + 11 + i % 9], 1, 1e-13);
      }
      omp_set_num_threads(1);
      free(w), free(q), free(gram), free(out);
      FreeCase(&c);
    }
}

/* where all rows that count weigh the same, sums are taken in bytes; a single weight that differs must be seen */
static void TestGramOfEqualWeightsEqualsAPlainLoop(void **unused)
{
  const int64_t n[] = {2, 255, 1024, 1300, 4700};
  const int32_t m[] = {2, 31, 64, 33, 7};

  (void)unused;
  for (int a = 0; a < 5; a++)
    for (int kind = 0; kind < 4; kind++) {
      Case    c = MakeCase(n[a], m[a] + 3, a % 2 ? 0.0 : 0.1, kind % 2);
      double *w = Room((size_t)n[a], sizeof(double)), *gram = Room((size_t)(m[a] * m[a]), sizeof(double));

      for (int64_t i = 0; i < n[a]; i++) w[i] = kind == 1 && i % 5 == 2 ? 0.0 : 0.37;
      if (kind == 2) w[n[a] - 1] = 0.38;
      if (kind == 3) memset(w, 0, (size_t)n[a] * sizeof(*w));
      for (int run = 0; run < 6; run++) {
        omp_set_num_threads(1 + run % 2);
        MeritPackedUse((MeritPackedLevel)(run / 2));
        TestCall(MeritPackedGram(&c.m, 2, m[a], 1, w, gram));
        for (int e = 0; e < m[a] * m[a]; e++) {
          double sum = 0;

          for (int64_t i = 0; i < n[a]; i++) sum += c.plain[i * (m[a] + 3) + 2 + e / m[a]] * c.plain[i * (m[a] + 3) + 2 + e % m[a]] * w[i];
          CheckNear(gram[e], sum, 10 * (double)n[a], 1e-14);
        }
      }
      omp_set_num_threads(1);
      free(w), free(gram);
      FreeCase(&c);
    }
}

/* Words of every other row but some, from two column ranges as two ranks would have them */
static uint64_t *ChosenWords(const Case *c, int32_t n, const int32_t row[], const int32_t position[])
{
  const int32_t cut = c->m.n_cols / 3, words = (c->m.n_cols + 31) / 32;
  uint64_t     *word    = Room((size_t)(n * words), sizeof(*word));
  MeritPacked   part[2] = {c->m, c->m};

  part[0].n_cols = cut;
  part[1].n_cols = c->m.n_cols - cut;
  part[1].code += (size_t)cut * MERIT_LINE;
  for (int half = 0; half < 2; half++) MeritPackedRows(&part[half], half ? -cut : 0, words, n, row, position, n, word);
  return word;
}

static void TestProductsBetweenAnimalsEqualAPlainLoop(void **unused)
{
  const int64_t rows[] = {3, 300, 700, 70, 150};
  const int32_t cols[] = {5, 97, 64, 4500, 4500};

  (void)unused;
  for (int a = 0; a < 5; a++)
    for (int run = 0; run < 6; run++) {
      /* the last two: one scale, so that words without a missing genotype have sums in whole numbers */
      Case               c = MakeScaledCase(rows[a], cols[a], (const double[]){0.1, 0.0, 0.1, 0.0, 2e-4}[a], run % 2, a < 3 ? 0.0 : 0.7);
      int32_t            n = 0, *row = Room((size_t)rows[a], sizeof(*row)), *position = Room((size_t)rows[a], sizeof(*position)), first[32];
      double            *panel[32];
      MeritPackedAnimals m = {.n_cols = cols[a], .scale = c.scale, .centre = c.centre, .missing = c.missing};

      omp_set_num_threads(1 + run % 2);
      MeritPackedUse((MeritPackedLevel)(run / 2));
      for (int32_t i = 0; i < rows[a]; i++)
        if (i % 5 != 2) row[n++] = i;
      for (int32_t i = 0; i < n; i++) position[i] = n - 1 - i;
      m.n    = n;
      m.word = ChosenWords(&c, n, row, position);
      for (int32_t b = 0; b * MERIT_PANEL < n; b++) {
        first[b]    = b * MERIT_PANEL;
        panel[b]    = Room((size_t)((n - first[b]) * MERIT_PANEL), sizeof(double));
        panel[b][0] = 7.0; /* added to */
      }
      TestCall(MeritPackedRelate(&m, (n + MERIT_PANEL - 1) / MERIT_PANEL, first, panel));
      for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < (i / MERIT_PANEL + 1) * MERIT_PANEL; k++) {
          const int32_t b   = k / MERIT_PANEL;
          double        sum = i == k && k % MERIT_PANEL == 0 ? 7.0 : 0.0;

          for (int32_t j = 0; k < n && j < cols[a]; j++) sum += c.plain[row[n - 1 - i] * cols[a] + j] * c.plain[row[n - 1 - k] * cols[a] + j];
          CheckNear(panel[b][(i - first[b]) * MERIT_PANEL + k % MERIT_PANEL], sum, 10.0 * cols[a], 1e-14);
        }
      for (int32_t b = 0; b * MERIT_PANEL < n; b++) free(panel[b]);
      omp_set_num_threads(1);
      free((void *)(uintptr_t)m.word), free(row), free(position);
      FreeCase(&c);
    }
}

static void TestCountsLeaveOutRowsBeyondTheLast(void **unused)
{
  Case    c = MakeCase(259, 5, 0.2, false);
  int64_t count[20];

  (void)unused;
  MeritPackedCount(259, 5, c.code, count);
  for (int j = 0; j < 5; j++) {
    int64_t seen[4] = {0};

    for (int i = 0; i < 259; i++) seen[c.code[(i / 256 * 5 + j) * 8 + i % 256 / 32] >> (2 * (i % 32)) & 3]++;
    assert_memory_equal(seen, count + 4 * j, sizeof(seen));
  }
  FreeCase(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestProductsEqualAPlainLoopWithAllInstructions),
    cmocka_unit_test(TestWideBlocksEqualAPlainLoop),
    cmocka_unit_test(TestMoreColumnsThanATableServes),
    cmocka_unit_test(TestMoreRowsThanATableServes),
    cmocka_unit_test(TestARangeOfColumnsIsAMatrixToo),
    cmocka_unit_test(TestARangeOfColumnsHasItsPartOfTheList),
    cmocka_unit_test(TestBothProductsInOnePassEqualAPlainLoop),
    cmocka_unit_test(TestProductsAreTheSameBitsWithOneAndTwoThreads),
    cmocka_unit_test(TestInputsOfAnySizeArePassed),
    cmocka_unit_test(TestEveryRightHandSideHasItsOwnScale),
    cmocka_unit_test(TestSquaresGramAndDecodeEqualAPlainLoop),
    cmocka_unit_test(TestGramOfEqualWeightsEqualsAPlainLoop),
    cmocka_unit_test(TestProductsBetweenAnimalsEqualAPlainLoop),
    cmocka_unit_test(TestCountsLeaveOutRowsBeyondTheLast),
};

TEST_MAIN(tests)
