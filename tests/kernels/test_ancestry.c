#include <merit_test.h>
#include <merit/ancestry.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* A pedigree by generations, its matings by sire, and what the kernel made of it */
typedef struct {
  int32_t  n, n_levels, n_matings;
  int64_t *level_first;
  int32_t *parents, *animal, *sire, *dam; /* animal of each mating */
  double  *F;
} Case;

static uint64_t seed;

static int32_t Below(int32_t n)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int32_t)((seed >> 33) % (uint64_t)n);
}

static int CompareMatings(const void *a, const void *b)
{
  const int32_t *x = a, *y = b;

  for (int k = 0; k < 3; k++)
    if (x[k] != y[k]) return x[k] < y[k] ? -1 : 1;
  return 0;
}

/* Generations, numbers by them, and matings by sire, from parents in any order that has parents first */
static void CaseMake(Case *c, int32_t n, const int32_t parents[])
{
  int32_t *level = calloc((size_t)n, sizeof(*level)), *position = malloc((size_t)n * sizeof(*position));
  int32_t(*mating)[3] = malloc((size_t)n * sizeof(*mating));

  *c = (Case){.n = n, .n_levels = 1};
  for (int32_t i = 0; i < n; i++) {
    for (int k = 0; k < 2; k++) {
      const int32_t p = parents[2 * i + k];

      if (p >= 0 && level[p] + 1 > level[i]) level[i] = level[p] + 1;
    }
    if (level[i] + 1 > c->n_levels) c->n_levels = level[i] + 1;
  }
  c->level_first = calloc((size_t)c->n_levels + 1, sizeof(*c->level_first));
  c->parents     = malloc(2 * (size_t)n * sizeof(*c->parents));
  c->F           = calloc((size_t)n, sizeof(*c->F));
  c->animal      = malloc((size_t)n * sizeof(*c->animal));
  c->sire        = malloc((size_t)n * sizeof(*c->sire));
  c->dam         = malloc((size_t)n * sizeof(*c->dam));
  for (int32_t i = 0; i < n; i++) c->level_first[level[i] + 1]++;
  for (int32_t g = 0; g < c->n_levels; g++) c->level_first[g + 1] += c->level_first[g];
  for (int32_t g = 0, at = 0; g < c->n_levels; g++)
    for (int32_t i = 0; i < n; i++)
      if (level[i] == g) position[i] = at++;
  for (int32_t i = 0; i < n; i++) {
    const int32_t s = parents[2 * i], d = parents[2 * i + 1];

    c->parents[2 * position[i]]     = s < 0 ? -1 : position[s];
    c->parents[2 * position[i] + 1] = d < 0 ? -1 : position[d];
    if (s < 0 || d < 0) continue;
    mating[c->n_matings][0]   = position[s];
    mating[c->n_matings][1]   = position[d];
    mating[c->n_matings++][2] = position[i];
  }
  qsort(mating, (size_t)c->n_matings, sizeof(*mating), CompareMatings);
  for (int32_t k = 0; k < c->n_matings; k++) {
    c->sire[k]   = mating[k][0];
    c->dam[k]    = mating[k][1];
    c->animal[k] = mating[k][2];
  }
  free(level);
  free(position);
  free(mating);
}

static MeritAncestry CaseView(const Case *c)
{
  return (MeritAncestry){.n_levels = c->n_levels, .level_first = c->level_first, .parents = c->parents, .inbreeding = c->F};
}

/* Inbreeding by generations of sires, the matings of a call cut into pieces of at most `most` */
static void CaseInbreeding(Case *c, int32_t most)
{
  const MeritAncestry view = CaseView(c);
  double             *f    = malloc(((size_t)c->n_matings + 1) * sizeof(*f));

  memset(c->F, 0, (size_t)c->n * sizeof(*c->F));
  for (int32_t k = 0, end; k < c->n_matings; k = end) {
    const int32_t level = MeritAncestryLevel(&view, c->sire[k]);

    for (end = k; end < c->n_matings && end - k < most && c->sire[end] < c->level_first[level + 1];) end++;
    TestCall(MeritAncestryInbreeding(&view, end - k, c->sire + k, c->dam + k, f + k));
    for (int32_t i = k; i < end; i++) c->F[c->animal[i]] = f[i];
  }
  free(f);
}

static void CaseFree(Case *c)
{
  free(c->level_first);
  free(c->parents);
  free(c->F);
  free(c->animal);
  free(c->sire);
  free(c->dam);
}

/* A by the tabular method (Emik and Terrill 1949), row-major n x n; parents come first */
static void TabularA(int32_t n, const int32_t parents[], double *A)
{
  for (int32_t i = 0; i < n; i++) {
    const int32_t s = parents[2 * i], d = parents[2 * i + 1];

    for (int32_t j = 0; j < i; j++) A[i * n + j] = A[j * n + i] = .5 * ((s < 0 ? 0 : A[j * n + s]) + (d < 0 ? 0 : A[j * n + d]));
    A[i * n + i] = 1 + (s < 0 || d < 0 ? 0 : .5 * A[s * n + d]);
  }
}

/* Random parents among earlier animals, close ones by preference; few of them unknown */
static void RandomParents(int32_t n, bool selfing, int32_t parents[])
{
  for (int32_t i = 0; i < n; i++)
    for (int k = 0; k < 2; k++) {
      const int32_t reach = i < 12 ? i : 12, p = reach ? i - 1 - Below(reach) : -1;

      parents[2 * i + k] = Below(8) == 0 ? -1 : p;
      if (!selfing && k && parents[2 * i] == parents[2 * i + 1]) parents[2 * i + 1] = -1;
    }
}

static void TestInbreedingIsThatOfTheTabularMethod(void **state)
{
  enum { N = 60 };
  double worst = 0, *A = malloc(N * N * sizeof(*A));

  (void)state;
  for (int trial = 0; trial < 200; trial++) {
    int32_t parents[2 * N];
    Case    c;

    seed = 1000 + (uint64_t)trial;
    RandomParents(N, trial % 2, parents);
    CaseMake(&c, N, parents);
    CaseInbreeding(&c, N);
    TabularA(N, c.parents, A);
    for (int32_t i = 0; i < N; i++) worst = fmax(worst, fabs(A[i * N + i] - 1 - c.F[i]));
    CaseFree(&c);
  }
  assert_true(worst < 1e-14);
  free(A);
}

static void TestMendelianVariancesGiveTheInverse(void **state)
{
  enum { N = 60 };
  double worst = 0, *A = malloc(N * N * sizeof(*A)), *inverse = malloc(N * N * sizeof(*inverse));

  (void)state;
  for (int trial = 0; trial < 20; trial++) {
    int32_t       parents[2 * N];
    MeritAncestry view;
    Case          c;

    seed = 5000 + (uint64_t)trial;
    RandomParents(N, false, parents);
    CaseMake(&c, N, parents);
    CaseInbreeding(&c, N);
    view = CaseView(&c);
    memset(inverse, 0, N * N * sizeof(*inverse));
    for (int32_t i = 0; i < N; i++) {
      const int32_t at[3] = {i, c.parents[2 * i], c.parents[2 * i + 1]};
      const double  w[3] = {1, -.5, -.5}, d = MeritAncestryMendelian(&view, i);

      for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
          if (at[a] >= 0 && at[b] >= 0) inverse[at[a] * N + at[b]] += w[a] * w[b] / d;
    }
    TabularA(N, c.parents, A);
    for (int32_t i = 0; i < N; i++)
      for (int32_t j = 0; j < N; j++) {
        double sum = i == j ? -1 : 0;

        for (int32_t k = 0; k < N; k++) sum += A[i * N + k] * inverse[k * N + j];
        worst = fmax(worst, fabs(sum));
      }
    CaseFree(&c);
  }
  assert_true(worst < 1e-11);
  free(A);
  free(inverse);
}

/* x of column s of A = T D T' with vectors over all animals */
static void DenseColumn(const Case *c, int32_t s, double x[])
{
  const MeritAncestry view = CaseView(c);

  memset(x, 0, (size_t)c->n * sizeof(*x));
  x[s] = 1;
  for (int32_t i = s; i >= 0; i--)
    for (int k = 0; k < 2; k++)
      if (c->parents[2 * i + k] >= 0) x[c->parents[2 * i + k]] += .5 * x[i];
  for (int32_t i = 0; i < c->n; i++) {
    x[i] *= MeritAncestryMendelian(&view, i);
    for (int k = 0; k < 2; k++)
      if (c->parents[2 * i + k] >= 0) x[i] += .5 * x[c->parents[2 * i + k]];
  }
}

/* Three sires a generation, so that families are cut into parts and tables grow */
static void MakeLarge(Case *c, int32_t n)
{
  const int32_t generation = n / 5;
  int32_t      *parents    = malloc(2 * (size_t)n * sizeof(*parents));

  seed = 77;
  for (int32_t i = 0; i < n; i++) {
    const int32_t first = (i / generation - 1) * generation;

    parents[2 * i]     = first < 0 ? -1 : first + Below(3);
    parents[2 * i + 1] = first < 0 ? -1 : first + 3 + Below(generation - 3);
  }
  CaseMake(c, n, parents);
  free(parents);
}

static void TestLargeFamiliesAgreeWithWholeColumns(void **state)
{
  Case    c;
  double *x, worst = 0, most = 0;

  (void)state;
  MakeLarge(&c, 400000);
  CaseInbreeding(&c, c.n);
  x = malloc((size_t)c.n * sizeof(*x));
  for (int32_t k = 0; k < c.n_matings; k++) {
    if (k == 0 || c.sire[k] != c.sire[k - 1]) DenseColumn(&c, c.sire[k], x);
    worst = fmax(worst, fabs(c.F[c.animal[k]] - .5 * x[c.dam[k]]));
    most  = fmax(most, c.F[c.animal[k]]);
  }
  assert_true(worst < 1e-15);
  assert_true(most > .25);
  free(x);
  CaseFree(&c);
}

static void TestAnyCutAndAnyThreadsGiveTheSameBits(void **state)
{
  const int threads = omp_get_max_threads();
  Case      c;
  double   *F;

  (void)state;
  MakeLarge(&c, 20000);
  omp_set_num_threads(1);
  CaseInbreeding(&c, c.n);
  F = malloc((size_t)c.n * sizeof(*F));
  memcpy(F, c.F, (size_t)c.n * sizeof(*F));
  omp_set_num_threads(4);
  CaseInbreeding(&c, 113);
  assert_memory_equal(F, c.F, (size_t)c.n * sizeof(*F));
  CaseInbreeding(&c, 1);
  assert_memory_equal(F, c.F, (size_t)c.n * sizeof(*F));
  omp_set_num_threads(threads);
  free(F);
  CaseFree(&c);
}

static void TestMendelianVarianceByKnownParents(void **state)
{
  const int32_t       parents[] = {-1, -1, -1, -1, 0, 1, 0, -1, -1, 1};
  const int64_t       first[]   = {0, 2, 5};
  const double        F[]       = {.2, .1, 0, 0, 0};
  const MeritAncestry view      = {.n_levels = 2, .level_first = first, .parents = parents, .inbreeding = F};

  (void)state;
  assert_true(MeritAncestryMendelian(&view, 0) == 1);
  assert_true(fabs(MeritAncestryMendelian(&view, 2) - (.5 - .25 * .3)) < 1e-16);
  assert_true(fabs(MeritAncestryMendelian(&view, 3) - .7) < 1e-15);
  assert_true(fabs(MeritAncestryMendelian(&view, 4) - .725) < 1e-15);
}

static void TestKeysAreSortedAndEqualOnesKeepTheirOrder(void **state)
{
  enum { N = 5000 };
  uint64_t key[N];
  int32_t  value[N];

  (void)state;
  seed = 3;
  for (int wide = 0; wide < 2; wide++) {
    for (int32_t i = 0; i < N; i++) {
      key[i]   = wide ? (uint64_t)Below(40) << 58 | (uint64_t)Below(3) << 20 | (uint64_t)Below(7) : (uint64_t)Below(50);
      value[i] = i;
    }
    TestCall(MeritSortKeys(N, key, value));
    for (int32_t i = 1; i < N; i++) assert_true(key[i - 1] < key[i] || (key[i - 1] == key[i] && value[i - 1] < value[i]));
  }
  TestCall(MeritSortKeys(0, NULL, NULL));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestInbreedingIsThatOfTheTabularMethod), cmocka_unit_test(TestMendelianVariancesGiveTheInverse),
    cmocka_unit_test(TestLargeFamiliesAgreeWithWholeColumns), cmocka_unit_test(TestAnyCutAndAnyThreadsGiveTheSameBits),
    cmocka_unit_test(TestMendelianVarianceByKnownParents),    cmocka_unit_test(TestKeysAreSortedAndEqualOnesKeepTheirOrder),
};

TEST_MAIN(tests)
