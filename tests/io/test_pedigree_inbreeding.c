#include "pedigree_files.h"

enum { N = 60 };

static uint64_t seed;

static int Below(int n)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)((seed >> 33) % (uint64_t)n);
}

/* Parents among the twelve animals before, of even number for sires; some unknown */
static void RandomParents(int sire[N], int dam[N])
{
  for (int i = 0; i < N; i++) {
    const int s = i - 1 - Below(12), d = i - 1 - Below(12);

    sire[i] = s < 0 || Below(8) == 0 ? -1 : s & ~1;
    dam[i]  = d < 1 || Below(8) == 0 ? -1 : (d - 1) | 1;
  }
}

/* A by the tabular method, animals in the order of birth */
static void TabularA(const int sire[], const int dam[], double A[N][N])
{
  for (int i = 0; i < N; i++) {
    const int s = sire[i], d = dam[i];

    for (int j = 0; j < i; j++) A[i][j] = A[j][i] = .5 * ((s < 0 ? 0 : A[j][s]) + (d < 0 ? 0 : A[j][d]));
    A[i][i] = 1 + (s < 0 || d < 0 ? 0 : .5 * A[s][d]);
  }
}

/* The animals in a random order of lines; order[line] = animal */
static void Print(const int sire[], const int dam[], bool shuffle, int order[N], char text[])
{
  for (int i = 0; i < N; i++) order[i] = i;
  for (int i = N - 1; shuffle && i > 0; i--) {
    const int j = Below(i + 1), k = order[i];

    order[i] = order[j];
    order[j] = k;
  }
  text += sprintf(text, "id sire dam\n");
  for (int i = 0; i < N; i++) {
    const int a = order[i];

    text += sprintf(text, "x%d", a);
    text += sire[a] < 0 ? sprintf(text, " 0") : sprintf(text, " x%d", sire[a]);
    text += dam[a] < 0 ? sprintf(text, " 0\n") : sprintf(text, " x%d\n", dam[a]);
  }
}

static void TestAnyOrderOfLinesGivesTheInbreedingOfTheTabularMethod(void **state)
{
  int    sire[N], dam[N], order[N];
  char   text[4096];
  double A[N][N];
  Whole  w;

  (void)state;
  for (int trial = 0; trial < 6; trial++) {
    seed = 40 + (uint64_t)trial / 2;
    RandomParents(sire, dam);
    TabularA(sire, dam, A);
    Print(sire, dam, trial % 2, order, text);
    Gather(PETSC_COMM_WORLD, Make(text), &w);
    assert_int_equal(w.n, N);
    for (int i = 0; i < N; i++) AssertNear(w.F[i], A[order[i]][order[i]] - 1, 1e-14);
    Free(&w);
  }
}

/* A^-1 as a sum over animals of (e_i - e_s / 2 - e_d / 2)(...)' / d_i (Henderson 1976) */
static void InverseA(const Whole *w, double inverse[N][N])
{
  memset(inverse, 0, N * N * sizeof(double));
  for (int64_t i = 0; i < N; i++) {
    const int64_t at[3]    = {i, w->sire[i], w->dam[i]};
    const double  share[3] = {1, -.5, -.5};

    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++)
        if (at[a] >= 0 && at[b] >= 0) inverse[at[a]][at[b]] += share[a] * share[b] / w->d[i];
  }
}

static void TestParentsAndVariancesGiveTheInverseOfA(void **state)
{
  int    sire[N], dam[N], order[N];
  char   text[4096];
  double A[N][N], inverse[N][N];
  Whole  w;

  (void)state;
  seed = 7;
  RandomParents(sire, dam);
  TabularA(sire, dam, A);
  Print(sire, dam, true, order, text);
  Gather(PETSC_COMM_WORLD, Make(text), &w);
  InverseA(&w, inverse);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double sum = 0;

      for (int k = 0; k < N; k++) sum += A[order[i]][order[k]] * inverse[k][j];
      AssertNear(sum, i == j, 1e-12);
    }
  Free(&w);
}

/* The file under test, loaded by each rank on its own */
static void GatherAlone(Whole *w)
{
  MeritPedigree ped;

  TestCall(MeritPedigreeCreate(PETSC_COMM_SELF, &ped));
  TestCall(MeritPedigreeSetFile(ped, path, NULL, 0, NULL));
  Gather(PETSC_COMM_SELF, ped, w);
}

static void AssertSame(const Whole *a, const Whole *b)
{
  const size_t n = (size_t)a->n * sizeof(double);

  assert_int_equal(a->n, b->n);
  assert_memory_equal(a->sire, b->sire, n);
  assert_memory_equal(a->dam, b->dam, n);
  assert_memory_equal(a->n_offspring, b->n_offspring, n);
  assert_memory_equal(a->generation, b->generation, n);
  assert_memory_equal(a->F, b->F, n);
  assert_memory_equal(a->d, b->d, n);
}

/* 3000 animals of overlapping generations, four sires each, lines in no order */
static char *LargeText(void)
{
  enum { ANIMALS = 3000 };
  char *text = malloc(ANIMALS * 32), *at = text;

  seed = 11;
  at += sprintf(at, "id,sire,dam\n");
  for (int i = 0; i < ANIMALS; i++) {
    const int a = (i * 1409) % ANIMALS, born = a / 300;

    if (born == 0) at += sprintf(at, "x%d,0,0\n", a);
    else at += sprintf(at, "x%d,x%d,x%d\n", a, 300 * Below(born) + Below(4), 300 * Below(born) + 4 + Below(296));
  }
  return text;
}

static void TestAnyNumberOfRanksGivesTheSameBits(void **state)
{
  char  *text = LargeText();
  double most = 0;
  Whole  together, alone;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make(text), &together);
  GatherAlone(&alone);
  AssertSame(&together, &alone);
  for (int64_t i = 0; i < alone.n; i++) most = fmax(most, alone.F[i]);
  assert_true(most > .2);
  Free(&together);
  Free(&alone);
  free(text);
}

static void TestSmallMessagesGiveTheSameBits(void **state)
{
  char *text = LargeText();
  Whole plain, small;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make(text), &plain);
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  Gather(PETSC_COMM_WORLD, Make(text), &small);
  unsetenv("MERIT_MAX_MESSAGE");
  AssertSame(&plain, &small);
  Free(&plain);
  Free(&small);
  free(text);
}

static void TestSeveralNodesGiveTheSameBits(void **state)
{
  static const char *const ranks[] = {"1", "2", "3"};
  char                    *text    = LargeText();
  Whole                    plain, nodes;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make(text), &plain);
  for (int i = 0; i < 3; i++) {
    setenv("MERIT_NODE_RANKS", ranks[i], 1);
    setenv("MERIT_MAX_MESSAGE", "4096", 1);
    Gather(PETSC_COMM_WORLD, Make(text), &nodes);
    unsetenv("MERIT_MAX_MESSAGE");
    unsetenv("MERIT_NODE_RANKS");
    AssertSame(&plain, &nodes);
    Free(&nodes);
  }
  Free(&plain);
  free(text);
}

/* A chain through all ranks' blocks, back and forth, is resolved whatever the number of generations */
static void TestALongLineHasAsManyGenerations(void **state)
{
  enum { LENGTH = 500 };
  char *text = malloc(LENGTH * 32), *at = text;
  Whole w;

  (void)state;
  at += sprintf(at, "id,sire,dam\n");
  for (int i = 0; i < LENGTH; i++) {
    const int a = (i * 211) % LENGTH;

    at += a ? sprintf(at, "x%d,x%d,0\n", a, a - 1) : sprintf(at, "x0,0,0\n");
  }
  Gather(PETSC_COMM_WORLD, Make(text), &w);
  for (int i = 0; i < LENGTH; i++) assert_int_equal(w.generation[i], (i * 211) % LENGTH);
  Free(&w);
  free(text);
}

/* Inbreeding of a published pedigree: both files have a header, the second id,inbreeding */
static void CompareWith(const char folder_name[], const char pedigree[], const char inbreeding[])
{
  char          file[512], line[256];
  MeritPedigree ped;
  FILE         *values;
  Whole         w;
  int           n = 0;

  snprintf(file, sizeof(file), "%s/%s/%s", getenv("MERIT_SHARED_DATA"), folder_name, pedigree);
  TestCall(MeritPedigreeCreate(PETSC_COMM_WORLD, &ped));
  TestCall(MeritPedigreeSetFile(ped, file, NULL, 0, NULL));
  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  Gather(PETSC_COMM_WORLD, ped, &w);
  snprintf(file, sizeof(file), "%s/%s/%s", getenv("MERIT_SHARED_DATA"), folder_name, inbreeding);
  values = fopen(file, "r");
  assert_non_null(values);
  assert_non_null(fgets(line, sizeof(line), values));
  for (; fgets(line, sizeof(line), values); n++) {
    char   id[64];
    double F;

    assert_int_equal(sscanf(line, "%63[^,],%lf", id, &F), 2);
    if (n < 400 || n % 7 == 0) AssertNear(w.F[Number(&w, id)], F, 1e-12);
  }
  fclose(values);
  assert_true(n > 0 && n <= w.n);
  Free(&w);
}

static void TestPublishedInbreedingIsReached(void **state)
{
  static const char *const names[] = {"Mrode2", "Mrode9", "FG90", "Wray90"};

  (void)state;
  TestNeeds(TestShared(), "the reference data");
  for (int i = 0; i < 4; i++) {
    char pedigree[64], inbreeding[64];

    snprintf(pedigree, sizeof(pedigree), "%s.csv", names[i]);
    snprintf(inbreeding, sizeof(inbreeding), "%s_inbreeding.csv", names[i]);
    CompareWith("pedigrees", pedigree, inbreeding);
  }
  CompareWith("gryphon", "gryphon_ped.csv", "gryphon_ped_inbreeding.csv");
}

enum { CHAIN = 150, WIDE = 160 };

/* "id sire dam" of animal i of a long pedigree: three wide generations, a chain of full sibs' and outbred matings, wide ones again */
static int ChainLine(int i, char text[])
{
  const int step = i - 3 * WIDE, g = step / 3;

  if (i < WIDE) return sprintf(text, "w%d 0 0\n", i);
  if (i < 3 * WIDE) return sprintf(text, "w%d w%d w%d\n", i, i - WIDE - i % 4, i - WIDE + 1 - i % 4 + (i % 3 ? 0 : 2));
  if (step < 3 * CHAIN) {
    const char *const dam = g % 3 ? "n" : "f"; /* every third time brother and sister */

    if (step % 3 == 2) return sprintf(text, "n%d 0 0\n", g);
    return g ? sprintf(text, "%c%d m%d %s%d\n", step % 3 ? 'f' : 'm', g, g - 1, dam, g - 1)
             : sprintf(text, "%c0 w%d w%d\n", step % 3 ? 'f' : 'm', 2 * WIDE, 2 * WIDE + 1);
  }
  return sprintf(text, "y%d m%d w%d\n", i, CHAIN - 1 - i % 2, i % (3 * WIDE));
}

static void WriteChain(void)
{
  const int n    = 3 * WIDE + 3 * CHAIN + WIDE;
  char     *text = malloc((size_t)n * 40 + 100);
  int      *line = malloc((size_t)n * sizeof(*line)), used = sprintf(text, "id sire dam\n");

  seed = 11;
  for (int i = 0; i < n; i++) line[i] = i;
  for (int i = n - 1; i > 0; i--) {
    const int j = Below(i + 1), k = line[i];

    line[i] = line[j];
    line[j] = k;
  }
  for (int i = 0; i < n; i++) used += ChainLine(line[i], text + used);
  Write(text);
  free(line);
  free(text);
}

static void TestALongChainAcrossTheRanksHasTheBitsOfOneRank(void **state)
{
  Whole         all, alone;
  MeritPedigree ped;

  (void)state;
  WriteChain();
  TestCall(MeritPedigreeCreate(PETSC_COMM_WORLD, &ped));
  TestCall(MeritPedigreeSetFile(ped, path, NULL, 0, NULL));
  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  Gather(PETSC_COMM_WORLD, ped, &all);
  TestCall(MeritPedigreeCreate(PETSC_COMM_SELF, &ped));
  TestCall(MeritPedigreeSetFile(ped, path, NULL, 0, NULL));
  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  Gather(PETSC_COMM_SELF, ped, &alone);
  AssertSame(&all, &alone);
  assert_int_equal(all.generation[Number(&all, "m149")], 3 + CHAIN - 1);
  assert_true(all.F[Number(&all, "m147")] > 0);
  Free(&all);
  Free(&alone);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(TestAnyOrderOfLinesGivesTheInbreedingOfTheTabularMethod, MakeFolder),
    cmocka_unit_test(TestParentsAndVariancesGiveTheInverseOfA),
    cmocka_unit_test(TestAnyNumberOfRanksGivesTheSameBits),
    cmocka_unit_test(TestSmallMessagesGiveTheSameBits),
    cmocka_unit_test(TestSeveralNodesGiveTheSameBits),
    cmocka_unit_test(TestALongLineHasAsManyGenerations),
    cmocka_unit_test(TestALongChainAcrossTheRanksHasTheBitsOfOneRank),
    cmocka_unit_test_teardown(TestPublishedInbreedingIsReached, RemoveFolder),
};

TEST_MAIN(tests)
