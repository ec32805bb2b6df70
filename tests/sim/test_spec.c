#include "sim_test.h"

#define TRAIT "traits: {names: y, G: 1, R: 1}\n"
#define SOME  "population: {animals: 100, generations: 2, sires: 2}\n"

static void Refused(const char spec[], const char words[])
{
  char folder[64];

  FreshFolder(folder);
  TestRaises(MERIT_ERROR_USAGE, words, Simulate(PETSC_COMM_WORLD, spec, folder, NULL));
  if (rank == 0) assert_int_equal(rmdir(folder), 0); /* nothing was left in it */
}

static void TestUnknownKeysAreNamedWithTheNearest(void **state)
{
  (void)state;
  Refused(SOME TRAIT "herds: {numbr: 3}\n", "herds.number");
  Refused(SOME TRAIT "herds: {numbr: 3}\n", "spec.yaml:3:");
}

static void TestNumbersOutOfRangeAreRefused(void **state)
{
  (void)state;
  Refused("population: {animals: 0}\n" TRAIT, "population.animals");
  Refused("population: {animals: 10, males: 1.5}\n" TRAIT, "population.males");
  Refused(SOME TRAIT "records: {fraction: -0.1}\n", "records.fraction");
  Refused(SOME TRAIT "chip: {snps: 10}\n", "fewer SNPs than chromosomes");
  Refused(SOME TRAIT "chip: {snps: 100, genotyped: 101}\n", "chip.genotyped");
  Refused(SOME TRAIT "chip: {snps: 100, genotyped: 10.5}\n", "a number of animals");
}

static void TestSizesMustBeGivenOnce(void **state)
{
  (void)state;
  Refused(TRAIT, "either population.animals or");
  Refused("population: {animals: 10, per_generation: 5}\n" TRAIT, "either population.animals or");
  Refused(SOME TRAIT "records: {cows: 3, fraction: 0.5}\n", "not both");
}

static void TestTraitsAreChecked(void **state)
{
  (void)state;
  Refused(SOME "traits: {G: 1, R: 1}\n", "traits.names is missing");
  Refused(SOME "traits: {names: y, R: 1}\n", "traits.G is missing");
  Refused(SOME "traits: {names: [y, y], G: [[1, 0], [0, 1]], R: [[1, 0], [0, 1]]}\n", "given twice");
  Refused(SOME "traits: {names: herd, G: 1, R: 1}\n", "another column's name");
  Refused(SOME "traits: {names: \"a b\", G: 1, R: 1}\n", "letters, digits");
  Refused(SOME "traits: {names: [a, b], G: 1, R: 1}\n", "a list of 2 rows");
  Refused(SOME "traits: {names: [a, b], G: [[1, 2], [2, 1]], R: [[1, 0], [0, 1]]}\n", "negative eigenvalue");
  Refused(SOME "traits: {names: [a, b], G: [[1, 0.5], [0.4, 1]], R: [[1, 0], [0, 1]]}\n", "not symmetric");
  Refused(SOME "traits: {names: y, G: 1, R: 0}\n", "positive definite");
  Refused(SOME TRAIT "selection: {trait: x}\n", "selection.trait");
}

static void TestWhatThePopulationCannotGiveIsRefused(void **state)
{
  (void)state;
  Refused("population: {animals: 100, generations: 2, males: 0.1, sires: 40}\n" TRAIT, "males, but 40 are to be parents");
  Refused(SOME TRAIT "records: {cows: 90}\n", "animals are cows");
}

/* A singular G is a covariance matrix: one trait may have no genetic variance, or all of another's. */
static void TestSingularMatricesWork(void **state)
{
  char       folder[64];
  Population p;

  (void)state;
  FreshFolder(folder);
  TestCall(Simulate(PETSC_COMM_WORLD,
                    SOME "traits: {names: [a, b, c], G: [[0, 0, 0], [0, 4, 2], [0, 2, 1]], "
                         "R: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}\n",
                    folder, NULL));
  if (rank == 0) {
    p = ReadPopulation(folder, 100, 3, 0);
    for (int i = 0; i < 100; i++) assert_true(p.tbv[i] == 0);
    FreePopulation(&p);
  }
  RemoveFolder(folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestUnknownKeysAreNamedWithTheNearest),
    cmocka_unit_test(TestNumbersOutOfRangeAreRefused),
    cmocka_unit_test(TestSizesMustBeGivenOnce),
    cmocka_unit_test(TestTraitsAreChecked),
    cmocka_unit_test(TestWhatThePopulationCannotGiveIsRefused),
    cmocka_unit_test(TestSingularMatricesWork),
};

TEST_MAIN(tests)
