/* Tables of an estimation from given arrays: names, order, scales, what is not known. */
#include "report_case.h"
#include <math.h>

static const char *const records    = "id,sex,herd,milk,fat\n"
                                      "a,f,1,10,1\n"
                                      "b,m,1,12,4\n"
                                      "c,f,2,11,3\n";
static const char *const two_traits = "records: {file: records.csv}\n"
                                      "model: [\"milk ~ g = iid(id + sex)\", \"fat ~ g = iid(id)\"]\n"
                                      "variances:\n"
                                      "  g: [[1], [0, 1], [0, 0, 1]]\n"
                                      "  residual: [[1], [0, 1]]\n"
                                      "output: {folder: out}\n";

/* The model's components with values 1.5, 2.5, ... of variance 4, 9, 16, ... to which random numbers add 0, 7, 0, 7, ...; variances
   have shares of 1/8, 2/8, ... with standard errors of 1/4, NA, 1/4, ... */
typedef struct {
  MeritVarianceTable table;
  MeritComponent    *component;
  double             estimate[16], covariance[256], noise[256], share[16], share_error[16];
  MeritEstimateState state[16];
} Values;

static void ValuesMake(const Case *c, Values *v)
{
  int n;

  memset(v, 0, sizeof(*v));
  TestCall(MeritFormulaComponents(MeritModelFormula(c->model), &n, &v->component));
  assert_true(n <= 16);
  for (int i = 0; i < n; i++) {
    v->estimate[i]           = i + 1.5;
    v->covariance[i * n + i] = (i + 2) * (i + 2);
    v->noise[i * n + i]      = i % 2 ? 7 : 0;
    v->share[i]              = v->component[i].row == v->component[i].column ? 0.125 * (i + 1) : NAN;
    v->share_error[i]        = i % 2 ? NAN : 0.25;
  }
  v->table = (MeritVarianceTable){n, v->component, v->estimate, v->covariance, v->noise, v->state, v->share, v->share_error, true};
}

static void TestComponentsAreNamedByTermRowAndColumn(void **state)
{
  Case   c;
  Values v;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  Begin(&c, two_traits);
  ValuesMake(&c, &v);
  assert_int_equal(v.table.n, 9);
  v.state[2]       = MERIT_ESTIMATE_FIXED;
  v.state[3]       = MERIT_ESTIMATE_BOUNDARY;
  v.estimate[3]    = 0;
  v.covariance[30] = 0;
  v.state[5]       = MERIT_ESTIMATE_NEGATIVE;
  v.estimate[5]    = -0.25;
  TestCall(MeritReportVariances(c.report, c.out, &v.table));
  End(&c);
  AssertFile("out/varcomp.tsv", "term\trow\tcolumn\testimate\tse\tse_mc\tstatus\tshare\tshare_se\n"
                                "g\tmilk.id\tmilk.id\t1.5\t2\t0\tok\t0.125\t0.25\n"
                                "g\tfat.id\tmilk.id\t2.5\t4\t2.64575131106\tok\tNA\tNA\n"
                                "g\tfat.id\tfat.id\t3.5\tNA\tNA\tfixed\t0.375\t0.25\n"
                                "g\tmilk.sex\tmilk.id\t0\tNA\tNA\tboundary\tNA\tNA\n"
                                "g\tmilk.sex\tfat.id\t5.5\t6\t0\tok\tNA\t0.25\n"
                                "g\tmilk.sex\tmilk.sex\t-0.25\t7.48331477355\t2.64575131106\tnegative\t0.75\tNA\n"
                                "residual\tmilk\tmilk\t7.5\t8\t0\tok\t0.875\t0.25\n"
                                "residual\tfat\tmilk\t8.5\t9.38083151965\t2.64575131106\tok\tNA\tNA\n"
                                "residual\tfat\tfat\t9.5\t10\t0\tok\t1.125\t0.25\n");
  TestCall(PetscFree(v.component));
  FolderRemove();
}

/* Genotypes 0 2, 1 0, 2 1: twice the frequencies are 1, rows of M are -1 1, 0 -1, 1 0 with squares of 2, 1, 1: 4/3 on average */
static void TestSnpVariancesStandOnBothScales(void **state)
{
  Case   c;
  Values v;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  FileMake("genotypes.txt", "a 0 2\nb 1 0\nc 2 1\n");
  Begin(&c, "records: {file: records.csv}\ngenotypes: {text: genotypes.txt}\nmodel: milk ~ snp(id) + iid(herd)\n"
            "variances: {snp(id): 1, iid(herd): 1, residual: {by: sex, value: {f: 1, m: 1}}}\noutput: {folder: out}\n");
  ValuesMake(&c, &v);
  v.table.monte_carlo = NULL;
  TestCall(MeritReportVariances(c.report, c.out, &v.table));
  End(&c);
  AssertFile("out/varcomp.tsv", "term\trow\tcolumn\testimate\tse\tse_mc\tstatus\tshare\tshare_se\n"
                                "snp(id)\tmilk\tmilk\t1.5\t2\t0\tok\t0.125\t0.25\n"
                                "snp(id).genetic\tmilk\tmilk\t2\t2.66666666667\t0\tok\t0.125\t0.25\n"
                                "iid(herd)\tmilk\tmilk\t2.5\t3\t0\tok\t0.25\tNA\n"
                                "residual.f\tmilk\tmilk\t3.5\t4\t0\tok\t0.375\t0.25\n"
                                "residual.m\tmilk\tmilk\t4.5\t5\t0\tok\t0.5\tNA\n");
  TestCall(PetscFree(v.component));
  FolderRemove();
}

static void TestWithoutCovariancesThereAreNoStandardErrorsAndWithoutConvergenceNoRowIsOk(void **state)
{
  Case   c;
  Values v;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  Begin(&c, "records: {file: records.csv}\nmodel: milk ~ iid(id)\nvariances: {iid(id): 1, residual: 1}\noutput: {folder: out}\n");
  ValuesMake(&c, &v);
  v.table.covariance = v.table.monte_carlo = NULL;
  v.table.converged                        = false;
  TestCall(MeritReportVariances(c.report, c.out, &v.table));
  End(&c);
  AssertFile("out/varcomp.tsv", "term\trow\tcolumn\testimate\tse\tse_mc\tstatus\tshare\tshare_se\n"
                                "iid(id)\tmilk\tmilk\t1.5\tNA\tNA\tnot_converged\t0.125\t0.25\n"
                                "residual\tmilk\tmilk\t2.5\tNA\tNA\tnot_converged\t0.25\tNA\n");
  TestCall(PetscFree(v.component));
  FolderRemove();
}

static void TestRoundsTakeThePlaceOfIterations(void **state)
{
  static const double    estimate[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const MeritReportRound first      = {
           .round = 0, .n = 9, .estimate = estimate, .log_likelihood = -12.5, .gradient = NAN, .change = NAN, .seconds = 0.25, .step = "start"};
  const MeritReportStep step = {.iteration = 1, .residual = 1};
  Case                  c;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  Begin(&c, two_traits);
  TestCall(MeritReportRoundAdd(c.report, &first));
  TestCall(MeritReportStepAdd(c.report, &step)); /* of the solutions: not a round */
  TestCall(MeritReportConvergence(c.report, c.out));
  End(&c);
  AssertFile("out/convergence.tsv",
             "round\tg[milk.id,milk.id]\tg[fat.id,milk.id]\tg[fat.id,fat.id]\tg[milk.sex,milk.id]\tg[milk.sex,fat.id]\tg[milk.sex,milk.sex]\t"
             "residual[milk,milk]\tresidual[fat,milk]\tresidual[fat,fat]\tlog_likelihood\tgradient\tchange\tstep\tseconds\n"
             "0\t1\t2\t3\t4\t5\t6\t7\t8\t9\t-12.5\tNA\tNA\tstart\t0.250000\n");
  FolderRemove();
}

static void TestFunctionsTestsAndAnovaHaveOneRowEach(void **state)
{
  static const double    coefficient[2][2] = {{2.5, 1}, {0, 1}};
  const MeritFunctionRow functions[]       = {{"h2", 0.25, 0.125}, {"a\tb", -1, NAN}};
  const MeritTestRow     tests[]           = {{"iid(id)", 3.5, 0.03125, 1, "0.5 chi2(0) + 0.5 chi2(1)"}};
  const MeritAnovaRow    lines[]           = {{"iid(id)", 2, 12, 6, coefficient[0]}, {"residual", 0, 0, NAN, coefficient[1]}};
  Case                   c;
  Values                 v;

  (void)state;
  FolderMake();
  FileMake("records.csv", records);
  Begin(&c, "records: {file: records.csv}\nmodel: milk ~ iid(id)\nvariances: {iid(id): 1, residual: 1}\noutput: {folder: out}\n");
  ValuesMake(&c, &v);
  TestCall(MeritReportFunctions(c.report, c.out, 2, functions));
  TestCall(MeritReportTests(c.report, c.out, 1, tests));
  TestCall(MeritReportAnova(c.report, c.out, 2, lines, v.table.n, v.component));
  End(&c);
  AssertFile("out/functions.tsv", "name\testimate\tse\nh2\t0.25\t0.125\n\"a\tb\"\t-1\tNA\n");
  AssertFile("out/tests.tsv", "term\tstatistic\tdf\tp_value\tdistribution\niid(id)\t3.5\t1\t0.03125\t0.5 chi2(0) + 0.5 chi2(1)\n");
  AssertFile("out/anova.tsv", "source\tdf\tss\tms\tE.iid(id)\tE.residual\niid(id)\t2\t12\t6\t2.5\t1\nresidual\t0\t0\tNA\t0\t1\n");
  TestCall(PetscFree(v.component));
  FolderRemove();
}

/* Number of a key of the summary */
static double Number(const char *text, const char *key)
{
  const char *at = strstr(text, key);

  assert_non_null(at);
  return strtod(at + strlen(key) + 3, NULL);
}

/* 3 observations, 1 fixed effect, 2 components; restricted likelihood -12.5 */
static void TestTheSummaryTellsBothConventionsOfTheLikelihood(void **state)
{
  MeritVarianceSummary  v   = {.method         = "reml",
                               .engine         = "factor",
                               .stop           = "converged",
                               .rounds         = 4,
                               .n_observations = 3,
                               .n_fixed        = 1,
                               .n_free         = 2,
                               .likelihood     = true,
                               .restricted     = true,
                               .log_likelihood = -12.5,
                               .gradient       = 1e-9};
  const MeritRunSummary run = {.command = "varcomp", .state = "converged", .criterion = "residual", .threads = 1, .variances = &v};
  char                 *text;
  Case                  c;

  (void)state;
  for (int ml = 0; ml < 2; ml++) {
    v.restricted = !ml;
    FolderMake();
    FileMake("records.csv", records);
    Begin(&c, "records: {file: records.csv}\nmodel: milk ~ iid(id)\nvariances: {iid(id): 1, residual: 1}\noutput: {folder: out}\n");
    TestCall(MeritReportSummary(c.report, c.out, c.job, &run));
    TestCall(MeritOutputCommit(&c.out, "summary.json"));
    TestCall(MeritReportDestroy(&c.report));
    TestCall(MeritModelDestroy(&c.model));
    TestCall(MeritConfigDestroy(&c.job));
    free(c.x);
    text = FileText("out/summary.json");
    assert_non_null(text);
    assert_true(fabs(Number(text, "log_likelihood_kernel") + 12.5 - (ml ? 1.5 : 1.0) * log(2.0 * 3.14159265358979323846)) < 1e-14);
    assert_true(Number(text, "minus2_log_likelihood") == 25);
    assert_true(Number(text, "aic") == (ml ? 31 : 29));
    assert_true(Number(text, "n_components") == 2);
    assert_null(strstr(text, "\"solve\":")); /* no solver: no solutions */
    free(text);
    FolderRemove();
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestComponentsAreNamedByTermRowAndColumn),
    cmocka_unit_test(TestSnpVariancesStandOnBothScales),
    cmocka_unit_test(TestWithoutCovariancesThereAreNoStandardErrorsAndWithoutConvergenceNoRowIsOk),
    cmocka_unit_test(TestRoundsTakeThePlaceOfIterations),
    cmocka_unit_test(TestFunctionsTestsAndAnovaHaveOneRowEach),
    cmocka_unit_test(TestTheSummaryTellsBothConventionsOfTheLikelihood),
};

TEST_MAIN(tests)
