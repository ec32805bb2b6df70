#include "pedigree_files.h"
#include <merit/log.h>

#define AssertRefused(kind, words, ...)                                                                                                              \
  do {                                                                                                                                               \
    MeritPedigree ped_ = __VA_ARGS__;                                                                                                                \
    TestRaises(kind, words, MeritPedigreeSetUp(ped_));                                                                                               \
    TestCall(MeritPedigreeDestroy(&ped_));                                                                                                           \
  } while (0)

static MeritPedigree WithYears(const char text[])
{
  static const char *const columns[5] = {NULL, NULL, NULL, "born"};
  MeritPedigree            ped        = Make(text);

  TestCall(MeritPedigreeSetFile(ped, path, columns, 0, NULL));
  return ped;
}

static MeritPedigree WithFreeSexes(const char text[])
{
  MeritPedigree ped = Make(text);

  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  return ped;
}

static MeritPedigree WithIdColumn(const char name[], const char text[])
{
  const char *const columns[5] = {name, NULL, NULL, NULL};
  MeritPedigree     ped        = Make(text);

  TestCall(MeritPedigreeSetFile(ped, path, columns, 0, NULL));
  return ped;
}

static void TestAnEmptyIdIsRefusedWithItsLine(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: the id is empty", Make("id,sire,dam\na,0,0\n,a,0\nc,0,0\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:4: the id is empty or a word", Make("id,sire,dam\na,0,0\nb,a,0\nNA,0,0\n"));
}

static void TestGeneticGroupsAreRefusedAsNotAvailable(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_USAGE, "ped.csv:3: b: negative dam code -12: genetic groups are not available yet",
                Make("id,sire,dam\na,0,0\nb,a,-12\nc,-3,0\n"));
  AssertRefused(MERIT_ERROR_USAGE, "ped.csv:2: a: negative sire code -1", Make("id,sire,dam\na,-1,-2\n"));
}

static void TestOtherParentsOnASecondLineNameBothLines(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:5: a: the animal's parents are not those of line 2; correct or remove one of the lines",
                Make("id,sire,dam\na,s,d\nb,0,0\na,s,d\na,s,e\nb,s,0\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: a: the animal's parents are not those of line 2; correct or remove one of the lines",
                Make("id,sire,dam\na,s,d\na,s,0\n"));
}

static void TestAnOwnParentIsRefused(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: b: the animal is its own sire", Make("id,sire,dam\na,0,0\nb,b,a\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:2: b: the animal is its own dam", WithFreeSexes("id,sire,dam\nb,0,b\n"));
}

static void TestALoopIsNamed(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: b: the animal is its own ancestor: b (line 3) <- c (line 4) <- b",
                Make("id,sire,dam\na,0,0\nb,c,a\nc,b,0\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:4: x: the animal is its own ancestor: x (line 4) <- z (line 6) <- y (line 5) <- x",
                Make("id,sire,dam\nk,x,y2\nl,k,k2\nx,z,m\ny,x,0\nz,0,y\nm,0,0\n"));
}

static void TestALongLoopIsCutShort(void **state)
{
  char text[4096] = "id,sire,dam\nleaf,a7,0\n";

  (void)state;
  for (int i = 0; i < 100; i++) sprintf(text + strlen(text), "a%d,a%d,0\n", i, (i + 1) % 100);
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: a0: the animal is its own ancestor: a0 (line 3) <- a1 (line 4) <- ", Make(text));
  AssertRefused(MERIT_ERROR_INPUT, "a5 (line 8) <- ... (94 more) <- a0", Make(text));
}

/* neighbours of the chain lie on different ranks, and what is behind the loop has no generation */
static void TestALoopAtTheBeginOfALongChainIsNamed(void **state)
{
  char text[8192] = "id,sire,dam\n";

  (void)state;
  for (int i = 0, a = 0; i < 300; i++, a = (a + 113) % 300) sprintf(text + strlen(text), "a%d,a%d,0\n", a, a ? a - 1 : 2);
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:2: a0: the animal is its own ancestor: a0 (line 2) <- a2 (line ", Make(text));
}

static void TestASireThatIsADamIsRefusedWithBothLines(void **state)
{
  const char text[] = "id,sire,dam\na,x,y\nb,x,z\nc,z,y\nd,y,0\n";
  Whole      w;

  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:4: z: the animal is a sire here but a dam on line 3", Make(text));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: x: the animal is a dam here but a sire on line 2", Make("id,sire,dam\na,x,y\nb,0,x\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:2: x: ", Make("id,sire,dam\na,x,x\n"));
  Gather(PETSC_COMM_WORLD, WithFreeSexes(text), &w);
  assert_int_equal(w.n, 7);
  Free(&w);
}

/* loading warns of these words, n times */
static void Warns(int n, const char words[], MeritPedigree ped)
{
  const char *const *texts;
  int                found = 0;

  MeritLogReset();
  TestCall(MeritPedigreeLoad(ped));
  for (int i = MeritLogWarnings(&texts) - 1; i >= 0; i--) found += strstr(texts[i], words) != NULL;
  if (!rank) assert_int_equal(found, n);
  TestCall(MeritPedigreeDestroy(&ped));
}

static void TestParentsThatReadLikeUnknownOnesAreTold(void **state)
{
  static const char *const words[] = {"*"};
  MeritPedigree            ped;

  (void)state;
  Warns(1, "ped.csv:3: * is a parent of 3 animals: if it stands for an unknown parent, name it in pedigree.unknown",
        Make("id,sire,dam\na,0,0\nb,*,a\nc,*,?\nd,*,a\ne,0,00\n"));
  Warns(1, "ped.csv:4: ? is a parent of 1 animal: if", Make("id,sire,dam\na,0,0\nb,*,a\nc,*,?\nd,*,a\ne,0,00\n"));
  Warns(8, "if it stands for an unknown parent", Make("id,sire,dam\na,Unknown,00\nb,NULL,-\nc,missing,nan\nd,n/a,None\ne,s1,d0\nf,a,unknown cow\n"));
  Warns(0, "unknown parent", Make("id,sire,dam\nnone,0,0\na,none,s-1\n"));
  ped = Make("id,sire,dam\na,0,0\nb,*,a\nc,*,a\n");
  TestCall(MeritPedigreeSetUnknown(ped, 1, words));
  Warns(0, "unknown parent", ped);
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:2: *: the animal is both sire and dam here; if it stands for an unknown parent, name it in",
                Make("id,sire,dam\na,*,*\nb,*,a\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: 000: the animal is a dam here but a sire on line 2; if it stands for an unknown parent",
                Make("id,sire,dam\na,000,d\nb,s,000\n"));
}

static void TestSeveralFaultsAreNamedTogether(void **state)
{
  MeritPedigree         ped = Make("id,sire,dam\na,s,d\na,s,e\nb,b,0\nc,d,q\n");
  const MeritErrorInfo *further;
  int64_t               n_left;

  (void)state;
  assert_int_not_equal((int)MeritPedigreeLoad(ped), 0);
  assert_non_null(strstr(MeritErrorLast()->text, "ped.csv:3: a: the animal's parents are not those"));
  assert_int_equal(MeritErrorFurther(&further, &n_left), 2);
  assert_non_null(strstr(further[0].text, "ped.csv:4: b: the animal is its own sire"));
  assert_non_null(strstr(further[1].text, "ped.csv:5: d: the animal is a sire here but a dam on line 2"));
  MeritErrorClear();
  TestCall(MeritPedigreeDestroy(&ped));
}

static void TestHeaderLinesAndTheirAbsenceAreSeen(void **state)
{
  static const char *const header[] = {"animal", "pa", "ma"};
  MeritPedigree            ped      = Make("ID,father,ma\na,0,0\nb,a,0\n");

  (void)state;
  TestCall(MeritPedigreeSetFile(ped, path, NULL, 3, header));
  TestRaises(MERIT_ERROR_INPUT, "ped.csv:1: the first line names columns; pedigree.header is for files without", MeritPedigreeLoad(ped));
  TestCall(MeritPedigreeDestroy(&ped));
  AssertRefused(MERIT_ERROR_INPUT,
                "ped.csv:1: 'dad', in the first line, is an animal of other lines, too; for a file without a header line give pedigree.header",
                Make("kid,dad,mum\ncub,dad,mom\n"));
}

static void TestAParentBornAfterItsOffspringIsRefusedWithBothLines(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: s: the sire was born in 2003 (line 4), after its offspring, born in 2001",
                WithYears("id,sire,dam,born\nd,0,0,1990\na,s,d,2001\ns,0,0,2003\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:2: d: the dam was born in 2002.5 (line 3)", WithYears("id,sire,dam,born\na,s,d,2001\nd,0,0,2002.5\n"));
  AssertRefused(MERIT_ERROR_INPUT, "born", WithYears("id,sire,dam,born\na,s,d,spring\n"));
}

static MeritPedigree WithSexes(const char text[])
{
  static const char *const columns[5] = {NULL, NULL, NULL, "born", "sex"};
  MeritPedigree            ped        = Make(text);

  TestCall(MeritPedigreeSetFile(ped, path, columns, 0, NULL));
  return ped;
}

static void TestASexThatIsNotThatOfTheRoleIsRefusedWithBothLines(void **state)
{
  MeritPedigree ped;

  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:2: s: the animal is a sire here but female on line 3; 'sexes: free' allows both",
                WithSexes("id,sire,dam,born,sex\na,s,d,2001,0\ns,0,0,1999,F\nd,0,0,1999,2\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:4: d: the animal is a dam here but male on line 3",
                WithSexes("id,sire,dam,born,sex\ns,0,0,1999,Male\nd,0,0,1999,1\na,s,d,2001,\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: sex \"boy\" is none of 1, M, male, 2, F, female, and 0, U, unknown",
                WithSexes("id,sire,dam,born,sex\ns,0,0,1999,M\nd,0,0,1999,boy\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:3: s: the animal's sex is not that of line 2; correct or remove one of the lines",
                WithSexes("id,sire,dam,born,sex\ns,0,0,1999,M\ns,0,0,1999,F\n"));
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:4: s: the animal's birth year is not that of line 2; correct or remove one of the lines",
                WithSexes("id,sire,dam,born,sex\ns,0,0,1999,M\ns,0,0,NA,\ns,0,0,2000,0\n"));
  ped = WithSexes("id,sire,dam,born,sex\ns,0,0,1999,F\na,s,s,2001,M\n");
  TestCall(MeritPedigreeSetFreeSexes(ped, true));
  TestCall(MeritPedigreeLoad(ped));
  TestCall(MeritPedigreeDestroy(&ped));
}

static void TestParentsOfTheSameYearAreTold(void **state)
{
  (void)state;
  Warns(1, "ped.csv:4: a parent was born in the same year as its offspring, as in 3 of all pairs; check the years of birth",
        WithYears("id,sire,dam,born\ns,0,0,2001\nd,0,0,2000\na,s,d,2001\nb,s,d,2002\nc,a,e,2001\ne,0,0,2001\n"));
}

static void TestAMendelianVarianceOfNothingIsNamed(void **state)
{
  char text[1024] = "id,sire,dam\n";

  (void)state;
  for (int g = 1; g <= 40; g++) sprintf(text + strlen(text), "g%d,g%d,g%d\n", g, g - 1, g - 1);
  AssertRefused(MERIT_ERROR_INPUT, "ped.csv:28: g27: its Mendelian sampling variance is", WithFreeSexes(text));
}

static void TestColumnsThatCannotBeFoundAreNamed(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_USAGE, "no column 'animl' for the id (pedigree.columns.id); did you mean 'animal'?",
                WithIdColumn("animl", "animal,sire,dam\na,0,0\n"));
  AssertRefused(MERIT_ERROR_USAGE, "cannot be both the id and the sire", WithIdColumn("sire", "animal,sire,dam\na,0,0\n"));
  AssertRefused(MERIT_ERROR_USAGE, "for the dam; name one with pedigree.columns", Make("id,mum,sire\na,d,s\n"));
  AssertRefused(MERIT_ERROR_USAGE, "for the dam; name one with pedigree.columns", Make("id,pa\na,0\n"));
}

static void TestAFileWithoutAHeaderLineIsNotReadAsIfItHadOne(void **state)
{
  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "pedigree.header", Make("1 0 2\n3 1 2\n"));
  AssertRefused(MERIT_ERROR_INPUT, "pedigree.header", Make("a,NA,b\nc,a,b\n"));
}

static void TestAPedigreeNeedsAFileWithAnimals(void **state)
{
  MeritPedigree ped;

  (void)state;
  AssertRefused(MERIT_ERROR_INPUT, "the pedigree has no animals", Make("id,sire,dam\n"));
  TestCall(MeritPedigreeCreate(PETSC_COMM_WORLD, &ped));
  TestRaises(MERIT_ERROR_USAGE, "no file", MeritPedigreeLoad(ped));
  TestCall(MeritPedigreeSetFile(ped, "/nowhere/at/all.csv", NULL, 0, NULL));
  TestRaises(MERIT_ERROR_INPUT, "/nowhere/at/all.csv", MeritPedigreeLoad(ped));
  TestCall(MeritPedigreeDestroy(&ped));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(TestAnEmptyIdIsRefusedWithItsLine, MakeFolder),
    cmocka_unit_test(TestGeneticGroupsAreRefusedAsNotAvailable),
    cmocka_unit_test(TestOtherParentsOnASecondLineNameBothLines),
    cmocka_unit_test(TestAnOwnParentIsRefused),
    cmocka_unit_test(TestALoopIsNamed),
    cmocka_unit_test(TestALongLoopIsCutShort),
    cmocka_unit_test(TestALoopAtTheBeginOfALongChainIsNamed),
    cmocka_unit_test(TestASireThatIsADamIsRefusedWithBothLines),
    cmocka_unit_test(TestParentsThatReadLikeUnknownOnesAreTold),
    cmocka_unit_test(TestSeveralFaultsAreNamedTogether),
    cmocka_unit_test(TestHeaderLinesAndTheirAbsenceAreSeen),
    cmocka_unit_test(TestAParentBornAfterItsOffspringIsRefusedWithBothLines),
    cmocka_unit_test(TestASexThatIsNotThatOfTheRoleIsRefusedWithBothLines),
    cmocka_unit_test(TestParentsOfTheSameYearAreTold),
    cmocka_unit_test(TestAMendelianVarianceOfNothingIsNamed),
    cmocka_unit_test(TestColumnsThatCannotBeFoundAreNamed),
    cmocka_unit_test(TestAFileWithoutAHeaderLineIsNotReadAsIfItHadOne),
    cmocka_unit_test_teardown(TestAPedigreeNeedsAFileWithAnimals, RemoveFolder),
};

TEST_MAIN(tests)
