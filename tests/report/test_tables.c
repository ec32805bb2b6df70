/*
  Tables of small models, with solutions that are a known function of (term, level, component) instead of being
  solved for: what is tested is where every number goes, in what order, and how it is written.
*/
#include "report_case.h"
#include <math.h>

static const char *const records    = "id,herd,milk,fat\n"
                                      "b,H2,10,1\n"
                                      "a,H1,12,NA\n"
                                      "c,H2,11,3\n"
                                      "d,H1,NA,NA\n"
                                      "a,H2,9,2\n";
static const char *const pedigree   = "id,sire,dam\nc,a,b\na,0,0\ne,c,b\nd,0,0\n";
static const char *const two_traits = "records: {file: records.csv}\n"
                                      "pedigree: {file: pedigree.csv}\n"
                                      "model: [\"milk ~ herd + ped(id)\", \"fat ~ herd + ped(id)\"]\n"
                                      "variances:\n"
                                      "  ped(id): [[2, 0.5], [0.5, 1]]\n"
                                      "  residual: [[4, 1], [1, 3]]\n"
                                      "output: {folder: out, fitted: yes}\n"
                                      "ebv: {total: \"ped( id )\"}\n";

/* x of (term, level, component) is 1000 term + 10 level + component + 1/8 */
static void Number(Case *c)
{
  const MeritTermView *views;
  int                  n  = MeritModelTerms(c->model, &views);
  double              *at = c->x;

  for (int t = 0; t < n; t++)
    for (int32_t i = 0; i < views[t].n_owned; i++)
      for (int e = 0; e < views[t].n_eq; e++) *at++ = 1000. * t + 10. * (double)views[t].canonical[i] + e + 0.125;
}

static void TestSolutionsStandInFormulaOrderLevelOrderAndComponentOrder(void **state)
{
  Case c;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  Begin(&c, two_traits);
  Number(&c);
  TestCall(MeritReportSolutions(c.report, c.out, c.x));
  End(&c);
  /* herd H1 has no fat, H2 is the sum left over */
  AssertFile("out/solutions.tsv", "trait\tterm\tcomponent\tlevel\tn\tsolution\tse\tstatus\n"
                                  "milk\t1\t1\t1\t4\t0.125\tNA\tok\n"
                                  "fat\t1\t1\t1\t3\t1.125\tNA\tok\n"
                                  "milk\therd\t1\tH1\t1\t1000.125\tNA\tok\n"
                                  "milk\therd\t1\tH2\t3\t0\tNA\taliased\n"
                                  "fat\therd\t1\tH2\t3\t0\tNA\taliased\n"
                                  "milk\tped(id)\t1\tc\t1\t2000.125\tNA\tok\n"
                                  "fat\tped(id)\t1\tc\t1\t2001.125\tNA\tok\n"
                                  "milk\tped(id)\t1\ta\t2\t2010.125\tNA\tok\n"
                                  "fat\tped(id)\t1\ta\t1\t2011.125\tNA\tok\n"
                                  "milk\tped(id)\t1\te\t0\t2020.125\tNA\tok\n"
                                  "fat\tped(id)\t1\te\t0\t2021.125\tNA\tok\n"
                                  "milk\tped(id)\t1\td\t0\t2030.125\tNA\tok\n"
                                  "fat\tped(id)\t1\td\t0\t2031.125\tNA\tok\n"
                                  "milk\tped(id)\t1\tb\t1\t2040.125\tNA\tok\n"
                                  "fat\tped(id)\t1\tb\t1\t2041.125\tNA\tok\n");
  FolderRemove();
}

/* Herds belong to the rank of their records, mixed over the ranks */
static void TestLevelsComeHomeFromAnyOwner(void **state)
{
  static const char *const herds = "records: {file: records.csv}\n"
                                   "pedigree: {file: pedigree.csv}\n"
                                   "model: \"milk ~ iid(herd) + ped(id)\"\n"
                                   "variances: {iid(herd): 1, ped(id): 1, residual: 1}\n"
                                   "output: {folder: out}\n";
  char                    *text;
  Case                     c;

  (void)state;
  FolderMake();
  FileMake("records.csv", "id,herd,milk\n1,H2,1\n2,H4,2\n3,H1,3\n4,H3,5\n");
  FileMake("pedigree.csv", "id,sire,dam\n1,0,0\n2,0,0\n3,0,0\n4,0,0\n");
  Begin(&c, herds);
  Number(&c);
  TestCall(MeritReportSolutions(c.report, c.out, c.x));
  End(&c);
  text = FileText("out/solutions.tsv");
  assert_non_null(text);
  assert_non_null(strstr(text, "\nmilk\tiid(herd)\t1\tH1\t1\t1000.125\tNA\tok\n"
                               "milk\tiid(herd)\t1\tH2\t1\t1010.125\tNA\tok\n"
                               "milk\tiid(herd)\t1\tH3\t1\t1020.125\tNA\tok\n"
                               "milk\tiid(herd)\t1\tH4\t1\t1030.125\tNA\tok\n"));
  free(text);
  FolderRemove();
}

static void TestAnimalsStandInPedigreeOrderWithRecordsOffspringAndSums(void **state)
{
  Case                c;
  const double *const none[3] = {NULL, NULL, NULL};

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  Begin(&c, two_traits);
  Number(&c);
  TestCall(MeritReportAnimals(c.report, c.out, c.x, none));
  End(&c);
  /* e's parents are dam and offspring: F = 1/4 */
  AssertFile("out/animals.tsv", "id\tinbreeding\tn_records\tn_offspring\t"
                                "milk.ped(id).ebv\tmilk.ped(id).reliability\tmilk.total.ebv\tmilk.total.reliability\t"
                                "fat.ped(id).ebv\tfat.ped(id).reliability\tfat.total.ebv\tfat.total.reliability\n"
                                "c\t0\t1\t1\t2000.125\tNA\t2000.125\tNA\t2001.125\tNA\t2001.125\tNA\n"
                                "a\t0\t2\t1\t2010.125\tNA\t2010.125\tNA\t2011.125\tNA\t2011.125\tNA\n"
                                "e\t0.25\t0\t0\t2020.125\tNA\t2020.125\tNA\t2021.125\tNA\t2021.125\tNA\n"
                                "d\t0\t0\t0\t2030.125\tNA\t2030.125\tNA\t2031.125\tNA\t2031.125\tNA\n"
                                "b\t0\t1\t2\t2040.125\tNA\t2040.125\tNA\t2041.125\tNA\t2041.125\tNA\n");
  FolderRemove();
}

static void TestFittedValuesStandInFileOrderForObservedTraits(void **state)
{
  const MeritRecordsView *view;
  Case                    c;
  double                 *fitted;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  Begin(&c, two_traits);
  assert_true(MeritReportWantsFitted(c.report));
  view   = MeritModelRecords(c.model);
  fitted = calloc((size_t)view->n_records * 2 + 1, sizeof(*fitted));
  for (int i = 0; i < view->n_records * 2; i++) fitted[i] = view->y[i] - 0.1;
  TestCall(MeritReportFitted(c.report, c.out, fitted));
  free(fitted);
  End(&c);
  AssertFile("out/fitted.tsv", "record\ttrait\ty\tfitted\tresidual\n"
                               "2\tmilk\t10\t9.9\t0.1\n2\tfat\t1\t0.9\t0.1\n"
                               "3\tmilk\t12\t11.9\t0.1\n"
                               "4\tmilk\t11\t10.9\t0.1\n4\tfat\t3\t2.9\t0.1\n"
                               "6\tmilk\t9\t8.9\t0.1\n6\tfat\t2\t1.9\t0.1\n");
  FolderRemove();
}

static void TestExclusionsAreSortedAndCounted(void **state)
{
  const MeritExclusionCount *counts;
  Case                       c;
  char                      *text;
  int                        n;
  int64_t                    n_records = 0;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  Begin(&c, two_traits);
  TestCall(MeritReportExcluded(c.report, c.out));
  TestCall(MeritReportExclusionCounts(c.report, &n, &counts));
  for (int i = 0; i < n; i++)
    if (!strcmp(counts[i].kind, "record")) n_records += counts[i].n;
  assert_true(n_records >= 1);
  End(&c);
  text = FileText("out/excluded.tsv");
  assert_non_null(text);
  assert_int_equal(strncmp(text, "kind\tline\tid\treason\n", 20), 0);
  assert_non_null(strstr(text, "\nrecord\t5\td\t"));
  free(text);
  FolderRemove();
}

/* In the order of the formulas milk comes first, in that of the table fat */
static void TestReasonsOfOneLineStandInTheirOrder(void **state)
{
  Case  c;
  char *text;

  (void)state;
  FolderMake();
  FileMake("records.csv", "id,herd,x,milk,fat\na,1,2,3,4\nb,NA,NA,5,6\nc,2,3,4,5\nd,2,1,3,2\ne,1,1,1,2\n");
  Begin(&c, "records: {file: records.csv}\n"
            "model: [\"milk ~ 1 + iid(herd)\", \"fat ~ cov(x)\"]\n"
            "variances: {iid(herd): 1, residual: [[4, 1], [1, 3]]}\n"
            "output: {folder: out}\n");
  TestCall(MeritReportExcluded(c.report, c.out));
  End(&c);
  text = FileText("out/excluded.tsv");
  assert_non_null(text);
  assert_non_null(strstr(text, "record\t3"));
  assert_non_null(strstr(text, "fat: "));
  assert_non_null(strstr(text, "milk: "));
  assert_true(strstr(text, "fat: ") < strstr(text, "milk: "));
  free(text);
  FolderRemove();
}

/* Records lie where their cow or their sire is, on any ranks; they are counted for the sire, whom the first pedigree term names */
static void TestRecordsAreCountedForAnimalsOfOtherRanks(void **state)
{
  const double *const none[1] = {NULL};
  Case                c;
  char               *text, *line, expected[64];
  int                 n[12] = {0};

  (void)state;
  FolderMake();
  text = calloc(1, 1 << 14);
  strcpy(text, "cow,bull,milk\n");
  for (int i = 0; i < 60; i++) {
    const int sire = i * 7 % 12;

    n[sire]++;
    sprintf(text + strlen(text), "c%d,b%d,%d\n", i % 20, sire, i % 9);
  }
  FileMake("records.csv", text);
  strcpy(text, "id,sire,dam\n");
  for (int i = 0; i < 20; i++) sprintf(text + strlen(text), "c%d,0,0\n", i);
  for (int i = 0; i < 12; i++) sprintf(text + strlen(text), "b%d,0,0\n", i);
  FileMake("pedigree.csv", text);
  free(text);
  Begin(&c, "records: {file: records.csv}\n"
            "pedigree: {file: pedigree.csv}\n"
            "model: \"milk ~ ped(bull) + own = ped(cow)\"\n"
            "variances: {ped(bull): 1, own: 1, residual: 1}\n"
            "output: {folder: out}\n");
  Number(&c);
  TestCall(MeritReportAnimals(c.report, c.out, c.x, none));
  End(&c);
  text = FileText("out/animals.tsv");
  assert_non_null(text);
  for (int i = 0; i < 12; i++) {
    sprintf(expected, "\nb%d\t0\t%d\t", i, n[i]);
    line = strstr(text, expected);
    if (!line) fail_msg("no line %s in\n%s", expected + 1, text);
  }
  free(text);
  FolderRemove();
}

static void TestTraitsAndTermsAreSummarised(void **state)
{
  const MeritTraitSummary *traits;
  const MeritTermSummary  *terms;
  Case                     c;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  Begin(&c, two_traits);
  TestCall(MeritReportTraits(c.report, &traits));
  TestCall(MeritReportTerms(c.report, &terms));
  assert_int_equal(traits[0].n, 4);
  assert_int_equal(traits[1].n, 3);
  /* of the five lines of the file */
  assert_int_equal(traits[0].n_missing, 1);
  assert_int_equal(traits[1].n_missing, 2);
  assert_true(fabs(traits[0].mean - 10.5) < 1e-14 && fabs(traits[0].sd - sqrt(5. / 3)) < 1e-14);
  assert_true(traits[0].min == 9 && traits[0].max == 12);
  assert_int_equal(terms[0].equations, 2);
  assert_int_equal(terms[1].n_levels, 2);
  assert_int_equal(terms[1].equations, 3);
  assert_int_equal(terms[1].aliased, 2);
  assert_int_equal(terms[1].absent, 1);
  assert_int_equal(terms[2].n_levels, 5);
  assert_int_equal(terms[2].equations, 10);
  End(&c);
  FolderRemove();
}

static void TestSolutionsComeBackAsAStart(void **state)
{
  Case    c, again;
  char    path[128];
  int64_t found;
  int32_t n_owned;
  double *x;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  Begin(&c, two_traits);
  Number(&c);
  TestCall(MeritReportSolutions(c.report, c.out, c.x));
  End(&c);
  Begin(&again, two_traits);
  Number(&again);
  n_owned = MeritModelLayout(again.model)->n_owned;
  snprintf(path, sizeof(path), "%s/out/solutions.tsv", test_folder);
  x = calloc((size_t)n_owned + 1, sizeof(*x));
  TestCall(MeritReportStart(again.report, path, x, &found));
  assert_int_equal(found, 15);
  for (int32_t i = 0; i < n_owned; i++) assert_true(x[i] == (MeritModelEquationState(again.model)[i] == MERIT_EQ_OK ? again.x[i] : 0));
  free(x);
  End(&again);
  FolderRemove();
}

/* Labels may hold tabs and quotes; numbers are written with 12 digits, no -0 */
static void TestOddLabelsAndNumbersSurviveTheRoundTrip(void **state)
{
  static const char *const one_trait = "records: {file: records.csv}\n"
                                       "model: \"milk ~ 0 + herd\"\n"
                                       "variances: {residual: 1}\n"
                                       "output: {folder: out}\n";
  static const double      values[]  = {-0.0, 1. / 3, -2e-7 / 3, 123456789012345.};
  const MeritTermView     *views;
  Case                     c, again;
  char                     path[128];
  int64_t                  found;

  (void)state;
  FolderMake();
  FileMake("records.csv", "herd,milk\n\"a\tb\",1\n\"c\"\"d\",2\nd e,3\n01,5\n\"a\tb\",2\n");
  Begin(&c, one_trait);
  MeritModelTerms(c.model, &views);
  for (int32_t i = 0; i < views[0].n_owned; i++) c.x[i] = values[views[0].canonical[i]];
  TestCall(MeritReportSolutions(c.report, c.out, c.x));
  End(&c);
  AssertFile("out/solutions.tsv", "trait\tterm\tcomponent\tlevel\tn\tsolution\tse\tstatus\n"
                                  "milk\therd\t1\t01\t1\t0\tNA\tok\n"
                                  "milk\therd\t1\t\"a\tb\"\t2\t0.333333333333\tNA\tok\n"
                                  "milk\therd\t1\t\"c\"\"d\"\t1\t-6.66666666667e-08\tNA\tok\n"
                                  "milk\therd\t1\td e\t1\t1.23456789012e+14\tNA\tok\n");
  Begin(&again, one_trait);
  snprintf(path, sizeof(path), "%s/out", test_folder);
  TestCall(MeritReportStart(again.report, path, again.x, &found));
  assert_int_equal(found, 4);
  MeritModelTerms(again.model, &views);
  for (int32_t i = 0; i < views[0].n_owned; i++)
    assert_true(fabs(again.x[i] - values[views[0].canonical[i]]) <= 5e-12 * fabs(values[views[0].canonical[i]]));
  End(&again);
  FolderRemove();
}

/* One value in a trait is far from the rest: only one that is a usual code, and frequent, is suspected */
static void TestUndeclaredCodesForMissingAreSuspected(void **state)
{
  static const char *const four = "records: {file: records.csv}\n"
                                  "model: [\"a ~ 1\", \"b ~ 1\", \"c ~ 1\", \"d ~ 1\"]\n"
                                  "variances: {residual: [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}\n"
                                  "output: {folder: out}\n";
  const MeritTraitSummary *traits;
  Case                     c;

  (void)state;
  FolderMake();
  /* a: zeros among weights; b: a zero-one trait; c: scores that have a 0; d: -9 once only, -999 twice */
  FileMake("records.csv", "a,b,c,d\n0,0,0,3\n41,1,1,4\n39,1,2,-9\n0,0,0,-999\n45,0,1,5\n38,1,3,-999\n");
  Begin(&c, four);
  TestCall(MeritReportTraits(c.report, &traits));
  assert_int_equal(traits[0].n_suspects, 1);
  assert_true(traits[0].suspect[0].value == 0);
  assert_int_equal(traits[0].suspect[0].n, 2);
  assert_int_equal(traits[1].n_suspects, 0);
  assert_int_equal(traits[2].n_suspects, 0);
  assert_int_equal(traits[3].n_suspects, 1);
  assert_true(traits[3].suspect[0].value == -999);
  End(&c);
  FolderRemove();
}

static void TestSumsOfUnknownLabelsAreRefused(void **state)
{
  MeritNode   job;
  MeritModel  model;
  MeritReport report;
  char        path[128];

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  FileMake("job.yaml", two_traits);
  snprintf(path, sizeof(path), "%s/job.yaml", test_folder);
  TestCall(MeritConfigLoad(PETSC_COMM_WORLD, path, &job));
  TestCall(MeritConfigSet(job, "ebv.total", "ped(id) + snp(id)"));
  TestCall(MeritModelCreate(PETSC_COMM_WORLD, &model));
  TestCall(MeritModelSetFromConfig(model, job));
  TestCall(MeritReportCreate(model, &report));
  TestRaises(MERIT_ERROR_USAGE, "snp(id)", MeritReportSetFromConfig(report, job));
  TestCall(MeritReportDestroy(&report));
  TestCall(MeritModelDestroy(&model));
  TestCall(MeritConfigDestroy(&job));
  FolderRemove();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestSolutionsStandInFormulaOrderLevelOrderAndComponentOrder),
    cmocka_unit_test(TestLevelsComeHomeFromAnyOwner),
    cmocka_unit_test(TestAnimalsStandInPedigreeOrderWithRecordsOffspringAndSums),
    cmocka_unit_test(TestFittedValuesStandInFileOrderForObservedTraits),
    cmocka_unit_test(TestExclusionsAreSortedAndCounted),
    cmocka_unit_test(TestReasonsOfOneLineStandInTheirOrder),
    cmocka_unit_test(TestRecordsAreCountedForAnimalsOfOtherRanks),
    cmocka_unit_test(TestTraitsAndTermsAreSummarised),
    cmocka_unit_test(TestSolutionsComeBackAsAStart),
    cmocka_unit_test(TestOddLabelsAndNumbersSurviveTheRoundTrip),
    cmocka_unit_test(TestUndeclaredCodesForMissingAreSuspected),
    cmocka_unit_test(TestSumsOfUnknownLabelsAreRefused),
};

TEST_MAIN(tests)
