/*
  How fast the products with packed genotypes are, beside what the machine could do: multiply-adds of doubles a second and bytes
  read a second, both measured in the same run. One line of JSON per result, medians of the repeats. README.md says how to read it.
*/
#include <merit/packed.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { MOST_REPEATS = 101, WIDEST = 64, GRAM = 32, EQUAL = 64 };

static const char *const level_name[] = {"portable", "avx2", "avx512"};

typedef struct {
  double seconds; /* to spend on a result */
  double missing;
  int    most_threads, widest; /* right-hand sides out of cache */
  int    level;                /* of instructions */
  bool   small_only, single;
} Options;

typedef struct {
  double fma, read; /* multiply-adds, bytes a second of one core */
} Ceilings;

typedef struct {
  MeritPacked m;
  MeritGaps   gaps;
  double     *x, *s, *g, *y, *D, *weight, *gram; /* [.. * WIDEST] */
  uint64_t   *code;
  double     *scale, *centre, *missing;
} Case;

typedef struct {
  const char *name;
  int         k;
  void (*run)(Case *c, int k);
  double macs; /* multiply-adds of a genotype and right-hand side */
} Kernel;

static double Clock(clockid_t which)
{
  struct timespec t;

  clock_gettime(which, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *Room(size_t bytes)
{
  void *at = NULL;

  if (posix_memalign(&at, 64, bytes + 64)) exit(1);
  memset(at, 0, bytes + 64);
  return at;
}

static uint64_t Random(void)
{
  static uint64_t state = 88172645463325252u;

  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static double Uniform(void) { return (double)(Random() >> 11) * 0x1p-53; }

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* Chains of multiply-adds on vectors as wide as the instructions have them, enough to keep two units busy */
enum { CHAINS = 12 };

typedef double Vector2 __attribute__((vector_size(16)));
typedef double Vector4 __attribute__((vector_size(32)));
typedef double Vector8 __attribute__((vector_size(64)));

#define FMA_LOOP(name, Vector, attribute)                                                                                                            \
  attribute static double name(long n)                                                                                                               \
  {                                                                                                                                                  \
    Vector a[CHAINS], sum = {0}, b = sum + 1, c = sum + 1e-9;                                                                                        \
                                                                                                                                                     \
    for (int i = 0; i < CHAINS; i++) a[i] = c;                                                                                                       \
    __asm__ volatile("" : "+m"(b), "+m"(c));                                                                                                         \
    for (long r = 0; r < n; r++) _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = a[i] * b + c;                                      \
    for (int i = 0; i < CHAINS; i++) sum += a[i];                                                                                                    \
    return sum[0] + sum[1];                                                                                                                          \
  }

FMA_LOOP(FmaPortable, Vector2, )
#if defined(__x86_64__)
FMA_LOOP(FmaAvx2, Vector4, __attribute__((target("avx2,fma"))))
FMA_LOOP(FmaAvx512, Vector8, __attribute__((target("avx512f"))))
#else
FMA_LOOP(FmaAvx2, Vector4, )
FMA_LOOP(FmaAvx512, Vector8, )
#endif

static volatile double sink;

/* The most multiply-adds a second with the instructions allowed, whether compiled for vectors or not */
static double FmaPeak(int most)
{
  double (*const loop[])(long) = {FmaPortable, FmaAvx2, FmaAvx512};
  const long n                 = 1000000;
  double     best              = 0;

  for (int level = 0; level <= most; level++)
    for (int repeat = 0; repeat < 15; repeat++) {
      const double begin = Clock(CLOCK_THREAD_CPUTIME_ID);
      double       rate;

      sink = loop[level](n);
      rate = CHAINS * (double)(2 << level) * (double)n / (Clock(CLOCK_THREAD_CPUTIME_ID) - begin);
      best = rate > best ? rate : best;
    }
  return best;
}

/* Bytes a second that one core reads from memory that no cache holds */
static double ReadPeak(void)
{
  const size_t n  = (size_t)64 << 20;
  uint64_t    *at = Room(n * 8), sum[16] = {0};
  double       best = 0;

  for (size_t i = 0; i < n; i++) at[i] = i;
  for (int repeat = 0; repeat < 7; repeat++) {
    const double begin = Clock(CLOCK_THREAD_CPUTIME_ID);
    double       rate;

    for (size_t i = 0; i < n; i += 16)
      for (size_t l = 0; l < 16; l++) sum[l] += at[i + l];
    rate = 8.0 * (double)n / (Clock(CLOCK_THREAD_CPUTIME_ID) - begin);
    best = rate > best ? rate : best;
    sink = (double)sum[repeat];
  }
  free(at);
  return best;
}

/* Copies 0, 1, 2 with chances 1/2, 1/4 and 1/4 of the rest, missing ones at the rate asked for */
static void FillCodes(Case *c, double missing)
{
  const int64_t strips = MeritPackedStrips(c->m.n_rows);

  for (int64_t strip = 0; strip < strips; strip++)
    for (int32_t j = 0; j < c->m.n_cols; j++)
      for (int w = 0; w < MERIT_LINE; w++) {
        uint64_t      *at  = c->code + ((size_t)strip * (size_t)c->m.n_cols + (size_t)j) * MERIT_LINE + w;
        const int64_t  row = strip * MERIT_STRIP + 32 * w;
        const uint64_t low = Random() & 0x5555555555555555u, high = Random() & 0x5555555555555555u & ~low;

        *at = low | high << 1;
        for (double next = missing > 0 ? Uniform() / missing * 2 : 33; next < 32; next += 1 + Uniform() / missing * 2)
          *at |= (uint64_t)3 << (2 * (int)next);
        if (row + 32 > c->m.n_rows) *at |= row >= c->m.n_rows ? ~(uint64_t)0 : ~(uint64_t)0 << (2 * (c->m.n_rows - row));
      }
}

static void Need(PetscErrorCode ierr)
{
  if (ierr) exit(1);
}

static Case MakeCase(int64_t n, int32_t m, double missing)
{
  Case c = {.m = {.n_rows = n, .n_cols = m, .stride = m}};

  c.code    = Room((size_t)MeritPackedStrips(n) * (size_t)m * 64);
  c.scale   = Room((size_t)m * sizeof(double));
  c.centre  = Room((size_t)m * sizeof(double));
  c.missing = Room((size_t)m * sizeof(double));
  c.x       = Room((size_t)m * WIDEST * sizeof(double));
  c.y       = Room((size_t)m * WIDEST * sizeof(double));
  c.s       = Room((size_t)n * WIDEST * sizeof(double));
  c.g       = Room((size_t)n * WIDEST * sizeof(double));
  c.D       = Room((size_t)n * sizeof(double));
  c.weight  = Room((size_t)n * sizeof(double));
  c.gram    = Room(EQUAL * EQUAL * sizeof(double));
  for (int32_t j = 0; j < m; j++) c.scale[j] = 1, c.centre[j] = c.missing[j] = 0.75;
  for (int64_t i = 0; i < (int64_t)m * WIDEST; i++) c.x[i] = Uniform() - 0.5;
  for (int64_t i = 0; i < n * WIDEST; i++) c.s[i] = Uniform() - 0.5;
  for (int64_t i = 0; i < n; i++) c.D[i] = Uniform(), c.weight[i] = 1;
  FillCodes(&c, missing);
  c.m.code = c.code, c.m.scale = c.scale, c.m.centre = c.centre, c.m.missing = c.missing;
  return c;
}

static void FreeCase(Case *c)
{
  Need(MeritGapsDestroy(&c->gaps));
  free(c->code), free(c->scale), free(c->centre), free(c->missing);
  free(c->x), free(c->y), free(c->s), free(c->g), free(c->D), free(c->weight), free(c->gram);
}

static void Forward(Case *c, int k) { Need(MeritPackedForward(&c->m, k, c->x, c->g)); }
static void Adjoint(Case *c, int k) { Need(MeritPackedAdjoint(&c->m, k, c->s, c->y)); }
static void Squares(Case *c, int k) { Need(MeritPackedSquares(&c->m, k, c->s, c->y)); }

/* One component for each right-hand side: what an application of the equations does */
static void Normal(Case *c, int k)
{
  memset(c->s, 0, (size_t)c->m.n_rows * (size_t)k * sizeof(double));
  Need(MeritPackedNormal(&c->m, 1, k, c->D, c->x, c->g, c->s, c->y));
}

/* Columns [first, first + n) */
static MeritPacked Range(const Case *c, int32_t first, int32_t n)
{
  MeritPacked part = c->m;

  part.n_cols    = n;
  part.first_gap = first / MERIT_GAP_COLUMNS;
  part.code += (size_t)first * MERIT_LINE;
  part.scale += first, part.centre += first, part.missing += first;
  return part;
}

/* Both products with 32 columns after another, as a block sweep does */
static void Sweep(Case *c, int k)
{
  for (int32_t j = 0; j < c->m.n_cols; j += GRAM) {
    const MeritPacked part = Range(c, j, PetscMin(GRAM, c->m.n_cols - j));

    Need(MeritPackedAdjoint(&part, k, c->s, c->y + j * k));
    Need(MeritPackedForward(&part, k, c->x + j * k, c->g));
  }
}

static void Gram(Case *c, int k)
{
  (void)k;
  for (int32_t j = 0; j + GRAM <= c->m.n_cols; j += GRAM) Need(MeritPackedGram(&c->m, j, GRAM, 1, c->D, c->gram));
}

/* The same where all rows weigh alike */
static void GramEqual(Case *c, int k)
{
  (void)k;
  for (int32_t j = 0; j + EQUAL <= c->m.n_cols; j += EQUAL) Need(MeritPackedGram(&c->m, j, EQUAL, 1, c->weight, c->gram));
}

/* Median of the repeats that fit into the time, at least three; one thread by its own clock */
static double Median(const Kernel *kernel, Case *c, int threads, double seconds, int *repeats)
{
  const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const double    begin = Clock(CLOCK_MONOTONIC);
  double          took[MOST_REPEATS];
  int             n = 0;

  kernel->run(c, kernel->k);
  while (n < MOST_REPEATS && (n < 3 || Clock(CLOCK_MONOTONIC) - begin < seconds)) {
    const double at = Clock(clock);

    kernel->run(c, kernel->k);
    took[n++] = Clock(clock) - at;
  }
  qsort(took, (size_t)n, sizeof(*took), Ascending);
  *repeats = n;
  return took[n / 2];
}

static void Measure(const Kernel *kernel, Case *c, int threads, const Options *o, Ceilings top)
{
  const double genotypes = (double)c->m.n_rows * (double)c->m.n_cols;
  double       seconds, rate;
  int          repeats;

  omp_set_num_threads(threads);
  seconds = Median(kernel, c, threads, o->seconds, &repeats);
  rate    = genotypes / seconds / threads;
  printf("{\"kernel\": \"%s\", \"rows\": %lld, \"columns\": %d, \"width\": %d, \"threads\": %d, "
         "\"instructions\": \"%s\", "
         "\"precision\": \"%s\", \"missing\": %g, \"repeats\": %d, \"seconds\": %.4g, \"genotypes_per_second_per_core\": %.4g, "
         "\"of_fma_peak\": %.3f, "
         "\"of_read_peak\": %.3f}\n",
         kernel->name, (long long)c->m.n_rows, c->m.n_cols, kernel->k, threads, level_name[o->level], o->single ? "mixed" : "double", o->missing,
         repeats, seconds, rate, rate * kernel->k * kernel->macs / top.fma, rate / 4 / top.read);
  fflush(stdout);
}

static void MeasureAll(int64_t n, int32_t m, const Options *o, Ceilings top)
{
  static const int width[] = {1, 2, 3, 4, 8, 16, 32, 64};
  Case             c       = MakeCase(n, m, o->missing);

  Need(MeritPackedFindGaps(&c.m, &c.gaps));
  c.m.gaps   = &c.gaps;
  c.m.single = o->single;
  for (int threads = 1; threads <= o->most_threads; threads *= 2) {
    for (size_t i = 0; i < sizeof(width) / sizeof(*width); i++) {
      const Kernel forward = {"forward", width[i], Forward, 1}, adjoint = {"adjoint", width[i], Adjoint, 1}, normal = {"normal", width[i], Normal, 2};

      if (n > 10000 && width[i] > o->widest) continue;
      Measure(&forward, &c, threads, o, top);
      Measure(&adjoint, &c, threads, o, top);
      if (width[i] <= 4) Measure(&normal, &c, threads, o, top);
    }
    Measure(&(Kernel){"squares", 1, Squares, 1}, &c, threads, o, top);
    Measure(&(Kernel){"sweep", 1, Sweep, 2}, &c, threads, o, top);
    Measure(&(Kernel){"gram", 1, Gram, (GRAM + 1) / 2.0}, &c, threads, o, top);
    Measure(&(Kernel){"gram_equal", 1, GramEqual, (EQUAL + 1) / 2.0}, &c, threads, o, top);
  }
  FreeCase(&c);
}

static bool Parse(int argc, char **argv, Options *o)
{
  int letter;

  while ((letter = getopt(argc, argv, "s:m:t:i:w:cf")) >= 0) {
    if (letter == 's') o->seconds = atof(optarg);
    else if (letter == 'm') o->missing = atof(optarg);
    else if (letter == 't') o->most_threads = atoi(optarg);
    else if (letter == 'w') o->widest = atoi(optarg);
    else if (letter == 'c') o->small_only = true;
    else if (letter == 'f') o->single = true;
    else if (letter != 'i') return false;
    else
      for (o->level = 2; o->level >= 0 && strcmp(optarg, level_name[o->level]); o->level--) continue;
    if (letter == 'i' && o->level < 0) return false;
  }
  return optind == argc;
}

int main(int argc, char **argv)
{
  Options  o = {.seconds = 1, .most_threads = 2, .widest = WIDEST, .level = MERIT_PACKED_AVX512};
  Ceilings top;

  if (!Parse(argc, argv, &o)) {
    fprintf(stderr,
            "usage: %s [-s SECONDS] [-m MISSING_RATE] [-t MOST_THREADS] [-i portable|avx2|avx512] [-f (mixed precision)] [-c (in "
            "cache only)] [-w WIDEST (out of cache)]\n",
            argv[0]);
    return 2;
  }
  o.level = (int)MeritPackedUse((MeritPackedLevel)o.level);
  top     = (Ceilings){FmaPeak(o.level), ReadPeak()};
  printf("{\"ceiling\": \"one core\", \"instructions\": \"%s\", \"multiply_adds_per_second\": %.4g, "
         "\"bytes_read_per_second\": %.4g}\n",
         level_name[o.level], top.fma, top.read);
  MeasureAll(2000, 10976, &o, top);
  if (!o.small_only) MeasureAll(50000, 20000, &o, top);
  return 0;
}
