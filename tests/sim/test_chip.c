#include "sim_test.h"

enum { ANIMALS = 1200, SNPS = 600 };
static const char whole[] = "seed: 21\n"
                            "population: {animals: 1200, generations: 3, sires: 12, unknown_dam: 0.05}\n"
                            "traits: {names: milk, G: 40, R: 60}\n"
                            "chip: {chromosomes: 2, snps: 600, length: 1.5, qtl: 90, share: 0.7, ancestors: 10, age: 20}\n";

static signed char copies[SNPS][ANIMALS]; /* -1 missing */
static long        row_of[ANIMALS];       /* row of the .fam by animal, -1 */
static double      position[SNPS];
static int         chromosome[SNPS];

static long ReadChip(const char folder[], long n_snps)
{
  static const signed char code[4] = {2, -1, 1, 0};
  FILE                    *fam = Open(folder, "chip.fam"), *bim = Open(folder, "chip.bim"), *bed = Open(folder, "chip.bed");
  char                     line[256], id[64];
  long                     rows = 0, n = 0;

  for (int i = 0; i < ANIMALS; i++) row_of[i] = -1;
  for (; fgets(line, sizeof(line), fam); rows++) {
    assert_int_equal(sscanf(line, "%*s %63s", id), 1);
    row_of[NumberOf(id)] = rows;
  }
  for (; fgets(line, sizeof(line), bim); n++) assert_int_equal(sscanf(line, "%d %*s %lf", &chromosome[n], &position[n]), 2);
  assert_int_equal(n, n_snps);
  assert_int_equal(getc(bed), 0x6c);
  assert_int_equal(getc(bed), 0x1b);
  assert_int_equal(getc(bed), 1);
  for (long j = 0; j < n; j++)
    for (long i = 0; i < rows; i += 4) {
      int byte = getc(bed);

      assert_true(byte != EOF);
      for (long k = i; k < i + 4; k++) {
        if (k < rows) copies[j][k] = code[(byte >> 2 * (k - i)) & 3];
        else assert_int_equal((byte >> 2 * (k - i)) & 3, 0);
      }
    }
  assert_int_equal(getc(bed), EOF);
  fclose(fam), fclose(bim), fclose(bed);
  return rows;
}

/* The QTL genes are carried through the generations, the chip is dropped afterwards: they must be the same
   genes. */
static void TestTheQtlOnTheChipGiveTheTrueValues(void **state)
{
  char          folder[64], line[256], snp[32];
  Population    p;
  static double value[ANIMALS];
  FILE         *file;
  double        frequency, effect, genic = 0;
  int           n = 0;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, whole, folder, NULL));
  if (rank == 0) {
    assert_int_equal(ReadChip(folder, SNPS), ANIMALS);
    p    = ReadPopulation(folder, ANIMALS, 1, 1);
    file = Open(folder, "truth_qtl.tsv");
    memset(value, 0, sizeof(value));
    assert_non_null(fgets(line, sizeof(line), file));
    for (; fgets(line, sizeof(line), file); n++) {
      assert_int_equal(sscanf(line, "%31s %*s %lf %lf", snp, &frequency, &effect), 3);
      for (int i = 0; i < ANIMALS; i++) value[i] += effect * (copies[NumberOf(snp)][row_of[i]] - 2 * frequency);
      genic += 2 * frequency * (1 - frequency) * effect * effect;
    }
    fclose(file);
    assert_int_equal(n, 90);
    Near(genic, 0.7 * 40, 1e-6);
    for (int i = 0; i < ANIMALS; i++) Near(value[i], p.qtl[i], 1e-4);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static void TestGenotypesFollowMendel(void **state)
{
  char       folder[64];
  Population p;
  Pairs      parent = {0}, unrelated = {0};
  long       opposing = 0;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, whole, folder, NULL));
  if (rank == 0) {
    ReadChip(folder, SNPS);
    p = ReadPopulation(folder, ANIMALS, 1, 1);
    for (int i = 0; i < ANIMALS; i++)
      for (int side = 0; side < 2; side++) {
        long q = side ? p.dam[i] : p.sire[i];

        for (int j = 0; q >= 0 && j < SNPS; j++) {
          opposing += abs(copies[j][i] - copies[j][q]) == 2;
          if (p.generation[i] == 1 && j % 7 == 0) AddPair(&parent, copies[j][q] - 1, copies[j][i] - 1);
          if (p.generation[i] == 1 && j % 7 == 0) AddPair(&unrelated, copies[j][(q + 1) % 400] - 1, copies[j][i] - 1);
        }
      }
    assert_int_equal(opposing, 0);
    assert_true(Correlation(&parent) > Correlation(&unrelated) + 0.2);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

/* r2 of founders' genotypes at SNPs of one chromosome between two distances in cM */
static double Disequilibrium(double from, double to)
{
  double sum = 0;
  int    n   = 0;

  for (int j = 0; j < SNPS; j += 3)
    for (int k = j + 1; k < SNPS && chromosome[k] == chromosome[j] && position[k] - position[j] < to; k++) {
      Pairs s = {0};

      if (position[k] - position[j] < from) continue;
      for (int i = 0; i < 400; i++) AddPair(&s, copies[j][i], copies[k][i]);
      if (!(Variance(&s) > 0) || !(s.yy - s.y * s.y / s.n > 0)) continue;
      sum += pow(Correlation(&s), 2);
      n++;
    }
  assert_true(n > 100);
  return sum / n;
}

/* Ten ancestral haplotypes: two SNPs on one of them have r2 of 1/9 on average, times exp(-2 age d); 400
   founders add 1/400. */
static void TestDisequilibriumFallsWithDistance(void **state)
{
  char folder[64];

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, whole, folder, NULL));
  if (rank == 0) {
    ReadChip(folder, SNPS);
    Near(Disequilibrium(0, 0.6), exp(-40 * 0.004) / 9, 0.03);
    Near(Disequilibrium(1.5, 2.5), exp(-40 * 0.02) / 9 + 0.0025, 0.015);
    Near(Disequilibrium(40, 60), 1.0 / 400, 0.002);
  }
  RemoveFolder(folder);
}

/* Drift over two generations through 12 sires: variance of the change about p(1-p)/2 (1/8Nm + 1/8Nf) a
   generation */
static void TestFrequenciesDriftButStayNearTheBase(void **state)
{
  char   folder[64];
  double change = 0, base = 0;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, whole, folder, NULL));
  if (rank == 0) {
    ReadChip(folder, SNPS);
    for (int j = 0; j < SNPS; j++) {
      double first = 0, last = 0;

      for (int i = 0; i < 400; i++) first += copies[j][i] / 800.0, last += copies[j][800 + i] / 800.0;
      assert_true(first > 0 && first < 1);
      change += pow(last - first, 2) / SNPS;
      base += first * (1 - first) / SNPS;
    }
    assert_true(change < 0.05 * base);
    assert_true(change > 0.002 * base);
  }
  RemoveFolder(folder);
}

static void TestSiresUsedThenTheYoungestAreGenotyped(void **state)
{
  static const char part[] = "population: {animals: 1200, generations: 3, sires: 12}\ntraits: {names: milk, G: 40, R: 60}\n"
                             "chip: {chromosomes: 5, snps: 200, genotyped: 501, missing: 0.03}\n";
  char              folder[64];
  Population        p;
  int               used[ANIMALS] = {0};
  long              missing = 0, rows, last = -1;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, part, folder, NULL));
  if (rank == 0) {
    rows = ReadChip(folder, 200);
    p    = ReadPopulation(folder, ANIMALS, 1, 0);
    assert_int_equal(rows, 501);
    for (int i = 0; i < ANIMALS; i++)
      if (p.sire[i] >= 0) used[p.sire[i]] = 1;
    for (int i = 0; i < ANIMALS; i++) {
      if (used[i] || i >= 800) assert_true(row_of[i] > last);
      if (!used[i] && i < 720) assert_int_equal(row_of[i], -1);
      if (row_of[i] >= 0) last = row_of[i];
    }
    for (int j = 0; j < 200; j++)
      for (int i = 0; i < rows; i++) missing += copies[j][i] < 0;
    Near((double)missing / (200.0 * 501), 0.03, 4 * sqrt(0.03 / (200 * 501)));
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static void TestOnlyAnimalsWithRecordsAreGenotypedOnRequest(void **state)
{
  static const char part[] = "population: {animals: 1200, generations: 3, sires: 12}\ntraits: {names: milk, G: 40, R: 60}\n"
                             "records: {cows: 300}\nchip: {chromosomes: 5, snps: 50, genotyped: 120, recorded: yes}\n";
  char              folder[64], line[256];
  int               recorded[ANIMALS] = {0}, younger = 0;
  FILE             *file;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, part, folder, NULL));
  if (rank == 0) {
    assert_int_equal(ReadChip(folder, 50), 120);
    file = Open(folder, "records.csv");
    assert_non_null(fgets(line, sizeof(line), file));
    while (fgets(line, sizeof(line), file)) {
      *strchr(line, ',')       = 0;
      recorded[NumberOf(line)] = 1;
    }
    fclose(file);
    for (int i = ANIMALS - 1; i >= 0; i--) {
      assert_int_equal(row_of[i] >= 0, recorded[i] && younger < 120);
      younger += recorded[i];
    }
    assert_int_equal(younger, 300);
  }
  RemoveFolder(folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTheQtlOnTheChipGiveTheTrueValues),     cmocka_unit_test(TestGenotypesFollowMendel),
    cmocka_unit_test(TestDisequilibriumFallsWithDistance),      cmocka_unit_test(TestFrequenciesDriftButStayNearTheBase),
    cmocka_unit_test(TestSiresUsedThenTheYoungestAreGenotyped), cmocka_unit_test(TestOnlyAnimalsWithRecordsAreGenotypedOnRequest),
};

TEST_MAIN(tests)
