#include "pedigree_files.h"

/* Mrode (2005), table 2.1 with its inbreeding; parents stand before and after their offspring */
static void TestMrodesAnimalsGetTheirInbreeding(void **state)
{
  static const double F[] = {.125, .125, 0, 0, 0, 0}, d[] = {.46875, .5, .5, .75, 1, 1};
  Whole               w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\n6,5,2\n5,4,3\n3,1,2\n4,1,0\n1,0,0\n2,0,0\n"), &w);
  assert_int_equal(w.n, 6);
  assert_int_equal(w.n_no_line, 0);
  for (int64_t i = 0; i < 6; i++) {
    AssertNear(w.F[i], F[i], 1e-15);
    AssertNear(w.d[i], d[i], 1e-15);
  }
  Free(&w);
}

static void TestNumbersFollowTheFileAndThenTheSortedRest(void **state)
{
  static const char *const order[] = {"b", "a", "A", "q", "z"};
  Whole                    w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\nb,z,q\na,A,b\n"), &w);
  assert_int_equal(w.n, 5);
  assert_int_equal(w.n_no_line, 3);
  for (int64_t i = 0; i < 5; i++) assert_int_equal(Number(&w, order[i]), i);
  assert_int_equal(w.sire[0], 4);
  assert_int_equal(w.dam[0], 3);
  assert_int_equal(w.sire[1], 2);
  assert_int_equal(w.dam[1], 0);
  for (int64_t i = 2; i < 5; i++) assert_true(w.sire[i] == -1 && w.dam[i] == -1);
  Free(&w);
}

static void AssertParents(MeritPedigree ped, const char id[], const char sire[], const char dam[])
{
  Whole   w;
  int64_t i;

  Gather(PETSC_COMM_WORLD, ped, &w);
  i = Number(&w, id);
  assert_true(i >= 0);
  assert_int_equal(w.sire[i], Number(&w, sire));
  assert_int_equal(w.dam[i], Number(&w, dam));
  Free(&w);
}

static void TestColumnsAreFoundByNameInAnyOrderAndCase(void **state)
{
  (void)state;
  AssertParents(Make("Dam,sex,SIRE,Id\nd,1,s,a\n"), "a", "s", "d");
  AssertParents(Make("mother;ANIMAL;Father\nd;a;s\n"), "a", "s", "d");
  AssertParents(Make("Sire_ID\tDam_ID\tAnimal_ID\ns\td\ta\n"), "a", "s", "d");
  AssertParents(Make("calf,dam,sire\na,d,s\n"), "a", "s", "d");
}

static void TestOtherwiseTheFirstThreeColumnsCount(void **state)
{
  (void)state;
  AssertParents(Make("cow bull mum weight\na s d 3\n"), "a", "s", "d");
  AssertParents(Make("id,pa,ma\na,s,d\n"), "a", "s", "d");
}

static void TestColumnsMayBeGiven(void **state)
{
  static const char *const columns[5] = {"x1", "x3", "x2", NULL}, *const header[] = {"dam", "id", "sire"};
  MeritPedigree ped = Make("id,x3,x2,x1\nwrong,s,d,a\n");

  (void)state;
  TestCall(MeritPedigreeSetFile(ped, path, columns, 0, NULL));
  AssertParents(ped, "a", "s", "d");
  ped = Make("d,a,s\n");
  TestCall(MeritPedigreeSetFile(ped, path, NULL, 3, header));
  AssertParents(ped, "a", "s", "d");
}

static void TestUnknownParentsAreWordsOrEmpty(void **state)
{
  static const char *const words[] = {"-9", "none"};
  MeritPedigree            ped     = Make("id,sire,dam\na,0,.\nb,NA,\nc,-9,none\nd,00,na\n");
  Whole                    w;

  (void)state;
  TestCall(MeritPedigreeSetUnknown(ped, 2, words));
  Gather(PETSC_COMM_WORLD, ped, &w);
  assert_int_equal(w.n, 6);
  for (int64_t i = 0; i < 3; i++) assert_true(w.sire[i] == -1 && w.dam[i] == -1 && w.d[i] == 1);
  assert_int_equal(w.sire[3], Number(&w, "00"));
  assert_int_equal(w.dam[3], Number(&w, "na"));
  Free(&w);
}

static void TestIdsAreByteStrings(void **state)
{
  Whole w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\n1,0,0\n01,1,0\n1.0,01,0\n"), &w);
  assert_int_equal(w.n, 3);
  assert_int_equal(w.sire[1], 0);
  assert_int_equal(w.sire[2], 1);
  Free(&w);
}

static void TestFoundersAreAddedOnceAndLast(void **state)
{
  static const char *const ids[] = {"y", "a", "s", "0", "NA", "b"};
  MeritPedigree            ped   = Make("id,sire,dam\na,s,0\n");
  MeritStrings             pool;
  int32_t                  code;
  Whole                    w;

  (void)state;
  TestCall(MeritStringsCreate(&pool));
  for (int i = rank % 2; i<6; i += size> 1 ? 2 : 1) TestCall(MeritStringsIntern(pool, ids[i], strlen(ids[i]), &code));
  TestCall(MeritPedigreeAddFounders(ped, pool));
  TestCall(MeritStringsDestroy(&pool));
  Gather(PETSC_COMM_WORLD, ped, &w);
  assert_int_equal(w.n, 4);
  assert_int_equal(w.n_no_line, 3);
  assert_int_equal(Number(&w, "a"), 0);
  assert_int_equal(Number(&w, "b"), 1);
  assert_int_equal(Number(&w, "s"), 2);
  assert_int_equal(Number(&w, "y"), 3);
  assert_int_equal(w.sire[0], 2);
  assert_int_equal(Number(&w, "0"), -1);
  Free(&w);
}

static void TestDuplicateLinesAreCountedAndDropped(void **state)
{
  Whole w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\na,s,d\nb,s,0\na,s,d\nb,s,NA\na,s,d\n"), &w);
  assert_int_equal(w.n, 4);
  assert_int_equal(w.n_duplicates, 3);
  assert_int_equal(w.n_offspring[Number(&w, "s")], 2);
  assert_int_equal(w.n_offspring[Number(&w, "d")], 1);
  Free(&w);
}

static void TestOffspringAndGenerationsAreCounted(void **state)
{
  static const char *const id[]          = {"s", "d", "x", "y", "z", "self"};
  static const int64_t     n_offspring[] = {2, 1, 2, 1, 1, 0}, generation[] = {0, 0, 1, 1, 2, 3};
  MeritPedigree            ped = Make("id,sire,dam\nself,z,z\nz,x,y\ny,s,x0\nx,s,d\nk,x,0\n");
  Whole                    w;

  (void)state;
  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  Gather(PETSC_COMM_WORLD, ped, &w);
  for (int i = 0; i < 6; i++) {
    const int64_t a = Number(&w, id[i]);

    assert_int_equal(w.n_offspring[a], n_offspring[i]);
    assert_int_equal(w.generation[a], generation[i]);
  }
  Free(&w);
}

/* Founder, selfed offspring, their selfed offspring...: F = 1 - 2^-g (Wright 1921), d = 2^-g */
static void TestSelfingHalvesHeterozygosity(void **state)
{
  char          text[1024] = "id,sire,dam\n", id[8];
  MeritPedigree ped;
  Whole         w;

  (void)state;
  for (int g = 20; g > 0; g--) sprintf(text + strlen(text), "g%d,g%d,g%d\n", g, g - 1, g - 1);
  ped = Make(text);
  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  Gather(PETSC_COMM_WORLD, ped, &w);
  for (int g = 0; g <= 20; g++) {
    int64_t a;

    sprintf(id, "g%d", g);
    a = Number(&w, id);
    AssertNear(w.F[a], 1 - ldexp(1, -g), 1e-15);
    AssertNear(w.d[a], g ? .5 * ldexp(1, 1 - g) : 1, 1e-15);
  }
  Free(&w);
}

/* Continued mating of full sibs: 1/4, 3/8, 1/2, 19/32...: F'' = (1 + 2 F' + F) / 4 (Wright 1921) */
static void TestFullSibMatingFollowsItsSeries(void **state)
{
  char   text[1024] = "id,sire,dam\n", id[8];
  double before = 0, now = 0;
  Whole  w;

  (void)state;
  for (int g = 1; g <= 15; g++) sprintf(text + strlen(text), "m%d,m%d,f%d\nf%d,m%d,f%d\n", g, g - 1, g - 1, g, g - 1, g - 1);
  Gather(PETSC_COMM_WORLD, Make(text), &w);
  for (int g = 2; g <= 15; g++) {
    const double next = .25 * (1 + 2 * now + before);

    sprintf(id, "m%d", g);
    AssertNear(w.F[Number(&w, id)], next, 1e-15);
    before = now;
    now    = next;
  }
  Free(&w);
}

/* A founder mated to its daughter, granddaughter...: F = 1/4, 3/8, 7/16...: (1 + F of the daughter's line) / 4 added */
static void TestAFounderMatedToItsDescendants(void **state)
{
  Whole w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\nd1,s,x\nd2,s,d1\nd3,s,d2\nd4,s,d3\n"), &w);
  for (int g = 1; g <= 4; g++) AssertNear(w.F[g - 1], .5 - ldexp(1, -g), 1e-15);
  Free(&w);
}

static void TestParentsOfTheSameYearAreAllowed(void **state)
{
  static const char *const columns[5] = {NULL, NULL, NULL, "born"};
  MeritPedigree            ped        = Make("id,sire,dam,born\na,s,d,2001\ns,0,0,2001\nd,0,0,NA\nb,a,0,\nc,q,0,1950\n");
  Whole                    w;

  (void)state;
  TestCall(MeritPedigreeSetFile(ped, path, columns, 0, NULL));
  Gather(PETSC_COMM_WORLD, ped, &w);
  assert_int_equal(w.n, 6);
  Free(&w);
}

static void TestMoreRanksThanAnimalsAreFine(void **state)
{
  Whole w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\na,0,0\n"), &w);
  assert_int_equal(w.n, 1);
  assert_true(w.F[0] == 0 && w.d[0] == 1 && w.generation[0] == 0);
  Free(&w);
  Gather(PETSC_COMM_WORLD, Make("id,sire,dam\na,b,0\nb,0,0\n"), &w);
  assert_true(w.d[0] == .75 && w.generation[0] == 1 && w.n_offspring[1] == 1);
  Free(&w);
}

static void TestSetUpTwiceIsOnce(void **state)
{
  MeritPedigree ped    = Make("id,sire,dam\na,b,c\n");
  const double *before = NULL, *after = NULL;

  (void)state;
  TestCall(MeritPedigreeSetUp(ped));
  TestCall(MeritPedigreeInbreeding(ped, &before, NULL));
  TestCall(MeritPedigreeSetUp(ped));
  TestCall(MeritPedigreeInbreeding(ped, &after, NULL));
  assert_ptr_equal(before, after);
  TestCall(MeritPedigreeDestroy(&ped));
  assert_null(ped);
  TestCall(MeritPedigreeDestroy(&ped));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(TestMrodesAnimalsGetTheirInbreeding, MakeFolder),
    cmocka_unit_test(TestNumbersFollowTheFileAndThenTheSortedRest),
    cmocka_unit_test(TestColumnsAreFoundByNameInAnyOrderAndCase),
    cmocka_unit_test(TestOtherwiseTheFirstThreeColumnsCount),
    cmocka_unit_test(TestColumnsMayBeGiven),
    cmocka_unit_test(TestUnknownParentsAreWordsOrEmpty),
    cmocka_unit_test(TestIdsAreByteStrings),
    cmocka_unit_test(TestFoundersAreAddedOnceAndLast),
    cmocka_unit_test(TestDuplicateLinesAreCountedAndDropped),
    cmocka_unit_test(TestOffspringAndGenerationsAreCounted),
    cmocka_unit_test(TestSelfingHalvesHeterozygosity),
    cmocka_unit_test(TestFullSibMatingFollowsItsSeries),
    cmocka_unit_test(TestAFounderMatedToItsDescendants),
    cmocka_unit_test(TestParentsOfTheSameYearAreAllowed),
    cmocka_unit_test(TestMoreRanksThanAnimalsAreFine),
    cmocka_unit_test_teardown(TestSetUpTwiceIsOnce, RemoveFolder),
};

TEST_MAIN(tests)
