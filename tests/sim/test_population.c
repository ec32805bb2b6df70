#include "sim_test.h"

/* Bounds are four standard errors and more, so that a change of seed passes too. */
static const char big[] = "seed: 11\n"
                          "population: {animals: 24000, generations: 4, sires: 200, unknown_dam: 0.1}\n"
                          "herds: {number: 20, moved: 0.1}\n"
                          "traits: {names: [milk, fat], means: [100, 50], G: [[40, 12], [12, 10]], R: [[60, "
                          "-20], [-20, 30]], PE: [[20, 0], [0, 5]],"
                          " missing: [0, 0.25]}\n"
                          "effects: {herd_year: [5, 2], parity: [4, 1], age: [0.02, 0]}\n"
                          "records: {per_cow: 2, fraction: 0.8}\n";

static void TestTrueValuesHaveTheVarianceAskedForAndParentsGiveHalf(void **state)
{
  char       folder[64];
  Population p;
  Pairs      base = {0}, sires = {0}, mendel = {0}, unknown = {0};

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, big, folder, NULL));
  if (rank == 0) {
    p = ReadPopulation(folder, 24000, 2, 0);
    for (long i = 0; i < p.n; i++) {
      if (p.generation[i] == 0) AddPair(&base, p.tbv[i], 0);
      if (p.generation[i] > 0) AddPair(&unknown, p.dam[i] < 0, 0);
      if (p.sire[i] >= 0) AddPair(&sires, p.tbv[p.sire[i]], p.tbv[i]);
      if (p.sire[i] >= 0 && p.dam[i] >= 0) AddPair(&mendel, p.tbv[i] - 0.5 * (p.tbv[p.sire[i]] + p.tbv[p.dam[i]]), 0);
    }
    assert_int_equal((long)base.n, 6000);
    Near(Mean(&base), 0, 4 * sqrt(40.0 / 6000));
    Near(Variance(&base), 40, 4 * 40 * sqrt(2.0 / 6000));
    Near(Mean(&mendel), 0, 4 * sqrt(20.0 / mendel.n));
    Near(Variance(&mendel), 20, 4 * 20 * sqrt(2.0 / mendel.n) + 20 * 0.003); /* and a little for inbreeding */
    Near(Covariance(&sires) / Variance(&sires), 0.5, 0.1);                   /* 600 sires: their sampling counts */
    Near(Mean(&unknown), 0.1, 4 * sqrt(0.09 / 18000));
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static double fixed_mean[2], fixed_age[2], fixed_parity[3][2], fixed_hy[20][16][2];

static void ReadFixed(const char folder[])
{
  FILE  *file = Open(folder, "truth_fixed.tsv");
  char   line[256], trait[32], term[32], level[32];
  double v;

  assert_non_null(fgets(line, sizeof(line), file));
  while (fgets(line, sizeof(line), file)) {
    int t, herd, year;

    assert_int_equal(sscanf(line, "%31s %31s %31s %lf", trait, term, level, &v), 4);
    t = !strcmp(trait, "fat");
    if (!strcmp(term, "1")) fixed_mean[t] = v;
    else if (!strcmp(term, "cov(age)")) fixed_age[t] = v;
    else if (!strcmp(term, "parity")) fixed_parity[atoi(level)][t] = v;
    else {
      assert_int_equal(sscanf(level, "H%d:%d", &herd, &year), 2);
      assert_in_range(year, 2002, 2017);
      fixed_hy[herd - 1][year - 2002][t] = v;
    }
  }
  fclose(file);
}

static double *SecondTrait(const char folder[], long n)
{
  double *v    = calloc((size_t)n, sizeof(double));
  FILE   *file = Open(folder, "truth.tsv");
  char    line[256];

  assert_non_null(fgets(line, sizeof(line), file));
  for (long i = 0; fgets(line, sizeof(line), file); i++) assert_int_equal(sscanf(line, "%*s %*s %*s %*s %lf", &v[i]), 1);
  fclose(file);
  return v;
}

/* What is left of the records after the true fixed effects and breeding values must be permanent environment
   plus residual. */
static void TestRecordsAreTheSumOfTheirParts(void **state)
{
  char                folder[64], line[256], id[32], fat[32];
  Population          p;
  Pairs               noise = {0}, both = {0}, repeated = {0}, missing = {0};
  double             *second, y[2], before = 0;
  long                last = -1, cows = 0;
  int                 herd, year, parity, age;
  FILE               *file;
  MeritSimulationSize made;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, big, folder, &made));
  if (rank == 0) {
    p      = ReadPopulation(folder, 24000, 2, 0);
    second = SecondTrait(folder, 24000);
    ReadFixed(folder);
    file = Open(folder, "records.csv");
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, "id,herd,year,parity,age,milk,fat\n");
    while (fgets(line, sizeof(line), file)) {
      long   i;
      double e, f;

      assert_int_equal(sscanf(line, "%31[^,],H%d,%d,%d,%d,%lf,%31s", id, &herd, &year, &parity, &age, &y[0], fat), 7);
      i = NumberOf(id);
      assert_false(p.male[i]);
      assert_int_equal(year, p.year[i] + 1 + parity);
      e = y[0] - fixed_mean[0] - fixed_age[0] * age - fixed_parity[parity][0] - fixed_hy[herd - 1][year - 2002][0] - p.tbv[i];
      AddPair(&missing, !strcmp(fat, "NA"), 0);
      if (strcmp(fat, "NA")) {
        f = atof(fat) - fixed_mean[1] - fixed_parity[parity][1] - fixed_hy[herd - 1][year - 2002][1] - second[i];
        AddPair(&both, e, f);
      }
      if (i == last) AddPair(&repeated, before, e);
      else AddPair(&noise, e, 0), cows++;
      last   = i;
      before = e;
    }
    fclose(file);
    assert_int_equal(cows, made.n_cows);
    assert_int_equal(2 * cows, made.n_records);
    Near((double)cows / 12000, 0.8, 0.03);
    Near(Mean(&noise), 0, 4 * sqrt(80.0 / noise.n));
    Near(Variance(&noise), 80, 4 * 80 * sqrt(2.0 / noise.n));
    Near(Covariance(&repeated), 20, 4 * sqrt((80.0 * 80 + 20 * 20) / repeated.n));
    Near(Covariance(&both), -20, 4 * sqrt((80.0 * 35 + 400) / (both.n / 2)));
    Near(Mean(&missing), 0.25, 4 * sqrt(0.19 / missing.n));
    free(second);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

/* Tabular method on the whole matrix */
static void TestInbreedingIsThatOfThePedigree(void **state)
{
  static const char close[] = "seed: 5\npopulation: {animals: 420, generations: 7, sires: 3, unknown_sire: 0.05, unknown_dam: 0.05}\n"
                              "traits: {names: y, G: 1, R: 1}\n";
  char              folder[64];
  Population        p;
  double           *A, most = 0;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, close, folder, NULL));
  if (rank == 0) {
    p = ReadPopulation(folder, 420, 1, 0);
    A = calloc((size_t)(p.n * p.n), sizeof(double));
    for (long i = 0; i < p.n; i++) {
      long s = p.sire[i], d = p.dam[i];

      for (long j = 0; j < i; j++) A[i * p.n + j] = A[j * p.n + i] = 0.5 * ((s < 0 ? 0 : A[j * p.n + s]) + (d < 0 ? 0 : A[j * p.n + d]));
      A[i * p.n + i] = 1 + (s < 0 || d < 0 ? 0 : 0.5 * A[s * p.n + d]);
      Near(p.F[i], A[i * p.n + i] - 1, 2e-6);
      most = fmax(most, p.F[i]);
    }
    assert_true(most > 0.1);
    free(A);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static double LastGeneration(const char way[], MeritSimulationSize *made)
{
  char       folder[64], spec[512];
  Population p;
  Pairs      last = {0};

  FreshFolder(folder);
  snprintf(spec, sizeof(spec),
           "population: {per_generation: 1000, generations: 4, sires: 10}\nselection: {sires: %s, accuracy: 0.6}\n"
           "traits: {names: y, G: 1, R: 1}\nrecords: {cows: 777}\n",
           way);
  TestCall(Simulate(PETSC_COMM_WORLD, spec, folder, made));
  if (rank == 0) {
    p = ReadPopulation(folder, 4000, 1, 0);
    for (long i = 3000; i < 4000; i++) AddPair(&last, p.tbv[i], 0);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
  return rank == 0 ? Mean(&last) : 0;
}

/* Ten of about 500 bulls: intensity 2.42, so three rounds give about 3 x 2.42 x 0.6 / 2 = 2.2 deviations,
   less with variance lost. */
static void TestTheBestBullsMakeProgressAndCountsAreExact(void **state)
{
  MeritSimulationSize made;
  double              random, best;

  (void)state;
  random = LastGeneration("random", &made);
  best   = LastGeneration("best", &made);
  assert_int_equal(made.n_cows, 777);
  assert_int_equal(made.n_records, 777);
  assert_int_equal(made.n_sires, 30);
  if (rank == 0) Near(random, 0, 0.8);
  if (rank == 0) Near(best, 1.9, 0.7);
}

/* Two bulls a generation for 15: inbreeding near 0.5, so that Mendelian sampling has half of its variance */
static void TestMendelianSamplingIsLessOfInbredParents(void **state)
{
  static const char few[] = "seed: 4\npopulation: {animals: 1500, generations: 15, sires: 2}\ntraits: {names: y, G: 9, R: 1}\n";
  char              folder[64];
  Population        p;
  Pairs             mendel = {0};

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, few, folder, NULL));
  if (rank == 0) {
    p = ReadPopulation(folder, 1500, 1, 0);
    assert_true(p.F[1499] > 0.2);
    for (long i = 0; i < p.n; i++)
      if (p.sire[i] >= 0 && p.dam[i] >= 0)
        AddPair(&mendel, (p.tbv[i] - 0.5 * (p.tbv[p.sire[i]] + p.tbv[p.dam[i]])) / sqrt(9.0 * (0.5 - 0.25 * (p.F[p.sire[i]] + p.F[p.dam[i]]))), 0);
    assert_true(mendel.n > 1300);
    Near(Variance(&mendel), 1.0, 4 * sqrt(2.0 / mendel.n));
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static void TestACowThatLeavesDoesNotComeBack(void **state)
{
  static const char leaving[] = "seed: 9\npopulation: {animals: 6000, generations: 3, sires: 20}\ntraits: {names: y, G: 1, R: 1}\n"
                                "records: {per_cow: 4, survival: 0.6}\n";
  char              folder[64], line[256], last[64] = "";
  double            n[5]   = {0.0};
  int               before = 0;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, leaving, folder, NULL));
  if (rank == 0) {
    FILE *file = Open(folder, "records.csv");

    assert_non_null(fgets(line, sizeof(line), file));
    while (fgets(line, sizeof(line), file)) {
      char id[64];
      int  parity;

      assert_int_equal(sscanf(line, "%63[^,],%*[^,],%*d,%d", id, &parity), 2);
      assert_int_equal(parity, strcmp(id, last) ? 1 : before + 1);
      assert_in_range(parity, 1, 4);
      strcpy(last, id);
      before = parity;
      n[parity]++;
    }
    fclose(file);
    assert_true(n[1] > 2000);
    for (int k = 2; k <= 4; k++) Near(n[k] / n[k - 1], 0.6, 4 * sqrt(0.24 / n[k - 1]));
  }
  RemoveFolder(folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTrueValuesHaveTheVarianceAskedForAndParentsGiveHalf),
    cmocka_unit_test(TestRecordsAreTheSumOfTheirParts),
    cmocka_unit_test(TestInbreedingIsThatOfThePedigree),
    cmocka_unit_test(TestTheBestBullsMakeProgressAndCountsAreExact),
    cmocka_unit_test(TestMendelianSamplingIsLessOfInbredParents),
    cmocka_unit_test(TestACowThatLeavesDoesNotComeBack),
};

TEST_MAIN(tests)
