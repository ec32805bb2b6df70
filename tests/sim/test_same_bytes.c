#include "sim_test.h"
#include <omp.h>

static const char spec[] = "seed: 7\n"
                           "population: {animals: 1000, generations: 5, sires: 6, unknown_sire: 0.05, unknown_dam: 0.1, males: "
                           "0.3}\n"
                           "selection: {sires: best, accuracy: 0.8, trait: fat}\n"
                           "herds: {number: 7, years: 3}\n"
                           "traits: {names: [milk, fat], means: [100, 5], G: [[30, 2], [2, 1]], R: [[60, 1], [1, 2]], PE: [[9, 0], "
                           "[0, 0]], missing: 0.1}\n"
                           "effects: {herd_year: [5, 1], parity: [3, 0], age: [0.01, 0]}\n"
                           "records: {per_cow: 3, survival: 0.6, cows: 300}\n"
                           "chip: {chromosomes: 3, snps: 500, genotyped: 301, missing: 0.02, qtl: 70, share: 0.6, ancestors: 9}\n";

static const char *const files[] = {"records.csv", "pedigree.csv", "truth.tsv", "truth_fixed.tsv", "truth_qtl.tsv",
                                    "chip.bed",    "chip.bim",     "chip.fam",  "job.yaml",        "job_snp.yaml"};

static void SameFiles(const char a[], const char b[])
{
  for (size_t f = 0; rank == 0 && f < sizeof(files) / sizeof(files[0]); f++) {
    FILE *x = Open(a, files[f]), *y = Open(b, files[f]);
    long  n = 0;
    int   p, q;

    do {
      p = getc(x), q = getc(y), n++;
      if (p != q) fail_msg("%s differs in byte %ld", files[f], n);
    } while (p != EOF);
    assert_true(n > 10);
    fclose(x);
    fclose(y);
  }
}

/* the first k ranks make the population, the others look on */
static void RunOn(int k, const char folder[])
{
  MPI_Comm comm;

  MPI_Comm_split(PETSC_COMM_WORLD, rank < k ? 0 : MPI_UNDEFINED, rank, &comm);
  if (rank < k) {
    TestCall(Simulate(comm, spec, folder, NULL));
    MPI_Comm_free(&comm);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

static void TestAnyNumberOfRanksWritesTheSameBytes(void **state)
{
  char folder[64], one[80], other[80];

  (void)state;
  FreshFolder(folder);
  snprintf(one, sizeof(one), "%s/one", folder);
  RunOn(1, one);
  for (int k = 2; k <= size; k++) {
    snprintf(other, sizeof(other), "%s/%d", folder, k);
    RunOn(k, other);
    SameFiles(one, other);
  }
  RemoveFolder(folder);
}

static void TestThreadsNodesAndMessagesDoNotMatter(void **state)
{
  char folder[64], one[80], other[80];
  int  threads = omp_get_max_threads();

  (void)state;
  FreshFolder(folder);
  snprintf(one, sizeof(one), "%s/one", folder);
  RunOn(1, one);
  omp_set_num_threads(3);
  setenv("MERIT_NODE_RANKS", "2", 1);
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  snprintf(other, sizeof(other), "%s/other", folder);
  RunOn(size, other);
  SameFiles(one, other);
  setenv("MERIT_NODE_RANKS", "1", 1);
  RunOn(size, other);
  SameFiles(one, other);
  unsetenv("MERIT_MAX_MESSAGE");
  unsetenv("MERIT_NODE_RANKS");
  omp_set_num_threads(threads);
  RemoveFolder(folder);
}

static void TestAnotherSeedIsAnotherPopulation(void **state)
{
  char folder[64], one[80], other[80], text[64];
  char changed[sizeof(spec)];
  int  differ = 0;

  (void)state;
  FreshFolder(folder);
  snprintf(one, sizeof(one), "%s/one", folder);
  snprintf(other, sizeof(other), "%s/other", folder);
  memcpy(changed, spec, sizeof(spec));
  changed[6] = '8';
  TestCall(Simulate(PETSC_COMM_WORLD, spec, one, NULL));
  TestCall(Simulate(PETSC_COMM_WORLD, changed, other, NULL));
  if (rank == 0) {
    FILE *x = Open(one, "truth.tsv"), *y = Open(other, "truth.tsv");
    char  a[256], b[256];

    while (fgets(a, sizeof(a), x) && fgets(b, sizeof(b), y)) differ += strcmp(a, b) != 0;
    fclose(x);
    fclose(y);
    snprintf(text, sizeof(text), "%d", differ);
    assert_string_equal(text, "1000");
  }
  RemoveFolder(folder);
}

/* fewer animals than ranks: most ranks have nothing */
static void TestTinyPopulationsWork(void **state)
{
  static const char   tiny[] = "population: {animals: 9, generations: 3, sires: 1, males: 0.5}\nseed: 3\n"
                               "traits: {names: y, G: 1, R: 1}\nchip: {snps: 3, chromosomes: 2, genotyped: 5}\n";
  MeritSimulationSize made;
  char                folder[64];

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, tiny, folder, &made));
  assert_int_equal(made.n_animals, 9);
  assert_int_equal(made.n_genotyped, 5);
  RemoveFolder(folder);
}

/* no genetic variance: all bulls are equally good, and the first by number are taken */
static void TestTiesGoToTheFirstAnimals(void **state)
{
  static const char equal[] = "population: {animals: 400, generations: 2, sires: 5}\nselection: {sires: best}\n"
                              "traits: {names: y, G: 0, R: 1}\n";
  char              folder[64];
  Population        p;
  long              fifth = -1;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD, equal, folder, NULL));
  if (rank == 0) {
    p = ReadPopulation(folder, 400, 1, 0);
    for (int males = 0; males < 5; males += p.male[fifth]) fifth++;
    for (int i = 200; i < 400; i++) assert_in_range(p.sire[i], 0, fifth);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestAnyNumberOfRanksWritesTheSameBytes),
    cmocka_unit_test(TestThreadsNodesAndMessagesDoNotMatter),
    cmocka_unit_test(TestAnotherSeedIsAnotherPopulation),
    cmocka_unit_test(TestTinyPopulationsWork),
    cmocka_unit_test(TestTiesGoToTheFirstAnimals),
};

TEST_MAIN(tests)
