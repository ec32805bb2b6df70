#include "pedigree_files.h"

/* Two lines of full sibs: g1 to g4 are inbred; o is the old branch of the family, u a bystander */
static const char text[] = "id,sire,dam,born,sex\n"
                           "o1,0,0,1980,M\no2,0,0,1980,F\na,o1,o2,1985,1\nb,o1,o2,1985,2\n"
                           "c,a,b,1990,male\ne,a,b,1990,female\nf,c,e,1995,m\ng,c,e,1996,\nh,f,g,2000,0\nu,o1,0,2001,F\n";

static const char *const named[5] = {NULL, NULL, NULL, "born", "sex"};

/* the pedigree of `text`, behind animals of which each rank adds its own */
static MeritPedigree Cut(int32_t depth, int n, const char *const ids[])
{
  MeritPedigree ped = Make(text);
  MeritStrings  pool;
  int32_t       code;

  TestCall(MeritPedigreeSetFile(ped, path, named, 0, NULL));
  TestCall(MeritPedigreeSetDepth(ped, depth));
  TestCall(MeritStringsCreate(&pool));
  for (int i = 0; i < n; i++)
    if (i % size == rank) TestCall(MeritStringsIntern(pool, ids[i], strlen(ids[i]), &code));
  TestCall(MeritPedigreeAddFocal(ped, pool));
  TestCall(MeritStringsDestroy(&pool));
  return ped;
}

static void Check(const Whole *w, const char id[], int64_t number, const char sire[], double F, double d)
{
  assert_int_equal(Number(w, id), number);
  assert_int_equal(w->sire[number], sire[0] ? Number(w, sire) : -1);
  AssertNear(w->F[number], F, 1e-15);
  AssertNear(w->d[number], d, 1e-15);
}

static void TestAncestorsBeyondTheDepthAreUnknown(void **state)
{
  static const char *const ids[] = {"h", "not there"};
  Whole                    w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Cut(2, 2, ids), &w);
  assert_int_equal(w.n, 5); /* c, e, f, g, h */
  Check(&w, "c", 0, "", 0, 1);
  Check(&w, "e", 1, "", 0, 1);
  Check(&w, "f", 2, "c", 0, .5);
  Check(&w, "h", 4, "f", .25, .5);
  assert_int_equal(Number(&w, "a"), -1);
  assert_int_equal(w.n_offspring[0], 2);
  Free(&w);
}

static void TestTheShortestWayCountsAndKeptParentsStayKnown(void **state)
{
  static const char *const ids[] = {"h", "u"};
  Whole                    w;

  (void)state;
  Gather(PETSC_COMM_WORLD, Cut(1, 2, ids), &w); /* f, g behind h; o1 behind u */
  assert_int_equal(w.n, 5);
  Check(&w, "o1", 0, "", 0, 1);
  Check(&w, "f", 1, "", 0, 1);
  Check(&w, "u", 4, "o1", 0, .75);
  Free(&w);
  Gather(PETSC_COMM_WORLD, Cut(4, 1, ids), &w); /* all but u, and nothing is cut */
  assert_int_equal(w.n, 9);
  Check(&w, "h", 8, "f", .5, .5 - .1875); /* full sibs: 1/4, 3/8, 1/2 (Wright 1921) */
  Free(&w);
}

static void TestADepthThatKeepsNothingIsRefused(void **state)
{
  static const char *const ids[] = {"not there"};
  MeritPedigree            ped   = Cut(2, 1, ids);

  (void)state;
  TestRaises(MERIT_ERROR_INPUT, "ped.csv: pedigree.depth: none of its animals has a record or a genotype", MeritPedigreeLoad(ped));
  TestCall(MeritPedigreeDestroy(&ped));
}

static void TestInbreedingCanBeDisregarded(void **state)
{
  MeritPedigree ped = Cut(0, 0, NULL);
  Whole         w;

  (void)state;
  TestCall(MeritPedigreeSetOutbred(ped, true));
  Gather(PETSC_COMM_WORLD, ped, &w);
  Check(&w, "o1", 0, "", 0, 1);
  Check(&w, "h", 8, "f", .5, .5); /* inbreeding is told as it is */
  Check(&w, "u", 9, "o1", 0, .75);
  assert_true(MeritPedigreeOutbred(ped));
  Free(&w);
}

static void TestYearsGoWithTheirAnimals(void **state)
{
  static const char *const ids[]  = {"h"};
  static const double      want[] = {1990, 1990, 1995, 1996, 2000};
  MeritPedigree            ped    = Cut(2, 1, ids);
  const double            *year;
  int64_t                  first, n;
  bool                     any;

  (void)state;
  TestCall(MeritPedigreeLoad(ped));
  TestCall(MeritPedigreeParents(ped, &first, &n, NULL, NULL));
  TestCall(MeritPedigreeYears(ped, &any, &year));
  assert_true(any);
  for (int64_t i = 0; i < n; i++) assert_true(year[i] == want[first + i]);
  TestCall(MeritPedigreeDestroy(&ped));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestAncestorsBeyondTheDepthAreUnknown), cmocka_unit_test(TestTheShortestWayCountsAndKeptParentsStayKnown),
    cmocka_unit_test(TestADepthThatKeepsNothingIsRefused),   cmocka_unit_test(TestInbreedingCanBeDisregarded),
    cmocka_unit_test(TestYearsGoWithTheirAnimals),
};

TEST_MAIN_WITH(tests, MakeFolder, RemoveFolder)
