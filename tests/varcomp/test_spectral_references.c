/* The engines for one variance beside the residual's against published and other programs' estimates; and what they are not for. */
#include <merit_test.h>
#include <math.h>
#include <merit/op.h>
#include <merit/varcomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shared; /* the folder of reference data */

typedef struct {
  MeritNode          job;
  MeritModel         model;
  Mat                C;
  MeritVarcomp       v;
  MeritVarcompResult result;
} Run;

static PetscErrorCode Estimate(const char text[], Run *r)
{
  PetscFunctionBeginUser;
  PetscCall(MeritConfigParse("job.yaml", text, strlen(text), &r->job));
  PetscCall(MeritModelCreate(PETSC_COMM_WORLD, &r->model));
  PetscCall(MeritModelSetVariancesFree(r->model));
  PetscCall(MeritModelSetFromConfig(r->model, r->job));
  PetscCall(MeritVarcompCreate(PETSC_COMM_WORLD, &r->v));
  PetscCall(MeritVarcompSetFromConfig(r->v, r->model, r->job));
  PetscCall(MeritModelSetUp(r->model));
  PetscCall(MeritMatCreateMME(r->model, &r->C));
  PetscCall(MeritVarcompRun(r->v, r->C, &r->result));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void Finish(Run *r)
{
  TestCall(MeritVarcompDestroy(&r->v));
  TestCall(MatDestroy(&r->C));
  TestCall(MeritModelDestroy(&r->model));
  TestCall(MeritConfigDestroy(&r->job));
}

static void Close(const char what[], double is, double reference, double tolerance)
{
  if (!(fabs(is - reference) <= tolerance * fabs(reference))) fail_msg("%s is %.12g, not %.12g", what, is, reference);
}

static Run Wheat(int trait, const char varcomp[])
{
  char text[4096];
  Run  r = {0};

  snprintf(text, sizeof(text),
           "records: {file: %s/wheat/wheat_Y.csv}\ngenotypes: {bfile: %s/wheat/wheat}\nmodel: \"y%d ~ 1 + g = snp(id)\"\n"
           "varcomp: {tolerance: 1e-8, %s}\n",
           shared, shared, trait, varcomp);
  TestCall(Estimate(text, &r));
  return r;
}

enum { LINES = 599 };

/* rrBLUP 4.6.3 on markers coded 0/1 (ours are 0/2), EMMREML 3.1 for the log-likelihood, which leaves log |X'X| out */
static const double wheat[4][3] = {{0.0028290282358871691, 0.54099864907238726, -788.45831454558902},
                                   {0.0025102704771946005, 0.5651042803692633, -789.24822704928465},
                                   {0.0020252117265919141, 0.65238799246215851, -808.67326535278016},
                                   {0.0022922309552742665, 0.59155359906656002, -793.42825011636478}};

static void test_wheat_by_eigenvalues(void **state)
{
  (void)state;
  shared = TestShared();
  TestNeeds(shared, "the reference data");
  for (int t = 0; t < 4; t++) {
    Run r = Wheat(t + 1, "engine: eigen");

    Close("marker variance", r.result.estimate[0], wheat[t][0] / 4.0, 1e-6);
    Close("residual variance", r.result.estimate[1], wheat[t][1], 1e-6);
    Close("log-likelihood", r.result.log_likelihood, wheat[t][2] - 0.5 * log(LINES), 1e-8);
    Finish(&r);
  }
}

/* rrBLUP's maximum likelihood stops a little early, and takes pi for 3.14159 */
static void test_wheat_by_maximum_likelihood(void **state)
{
  Run r;

  (void)state;
  shared = TestShared();
  TestNeeds(shared, "the reference data");
  r = Wheat(1, "engine: eigen, method: ml");
  Close("marker variance", r.result.estimate[0], 3.6320156380180966 / 1279.0 / 4.0, 2e-4);
  Close("residual variance", r.result.estimate[1], 0.53905394496731707, 1e-4);
  Close("log-likelihood", r.result.log_likelihood, -789.06892233760436 - 0.5 * LINES * log(PETSC_PI / 3.14159), 1e-9);
  Finish(&r);
}

static void test_wheat_by_samples(void **state)
{
  (void)state;
  shared = TestShared();
  TestNeeds(shared, "the reference data");
  for (int t = 0; t < 4; t++) {
    Run r = Wheat(t + 1, "engine: lanczos, samples: 200");

    for (int i = 0; i < 2; i++) {
      const double exact = wheat[t][i] / (i ? 1.0 : 4.0), error = sqrt(r.result.monte_carlo[3 * i]);

      if (!(fabs(r.result.estimate[i] - exact) < 4.0 * error)) fail_msg("%g, not %g, error %g", r.result.estimate[i], exact, error);
      assert_true(error < 0.1 * sqrt(r.result.covariance[3 * i]));
    }
    assert_int_equal(r.result.n_samples, 200);
    Finish(&r);
  }
}

/* Balanced, so that REML is the analysis of variance: (Davies & Goldsmith 1972; lme4 for the likelihoods) */
static void test_dyestuff(void **state)
{
  char text[4096];
  Run  r = {0};

  (void)state;
  shared = TestShared();
  TestNeeds(shared, "the reference data");
  snprintf(text, sizeof(text),
           "records: {file: %s/classical/Dyestuff.csv}\nmodel: \"Yield ~ 1 + batch = iid(Batch)\"\nvarcomp: {tolerance: 1e-9, engine: eigen}\n",
           shared);
  TestCall(Estimate(text, &r));
  Close("batches", r.result.estimate[0], 1764.05, 1e-7);
  Close("residual", r.result.estimate[1], 2451.25, 1e-7);
  Close("log-likelihood", r.result.log_likelihood, -159.82713842112869, 1e-8);
  Finish(&r);
  snprintf(text, sizeof(text),
           "records: {file: %s/classical/Dyestuff.csv}\nmodel: \"Yield ~ 1 + batch = iid(Batch)\"\nvarcomp: {tolerance: 1e-9, engine: eigen, method: "
           "ml}\n",
           shared);
  TestCall(Estimate(text, &r));
  Close("batches", r.result.estimate[0], 1388.33333333, 1e-7);
  Close("residual", r.result.estimate[1], 2451.25, 1e-7);
  Close("log-likelihood", r.result.log_likelihood, -163.66352994056751, 1e-8);
  Finish(&r);
}

static void Refused(const char model[], const char more[], const char words[])
{
  char text[4096];
  Run  r = {0};

  snprintf(text, sizeof(text), "records: {file: %s/classical/Penicillin.csv}\nmodel: %s\nvarcomp: {engine: lanczos}\n%s", shared, model, more);
  TestRaises(MERIT_ERROR_USAGE, words, Estimate(text, &r));
}

static void test_what_they_are_not_for_is_named(void **state)
{
  (void)state;
  shared = TestShared();
  TestNeeds(shared, "the reference data");
  Refused("\"diameter ~ 1 + iid(plate) + iid(sample)\"", "", "iid(sample)");
  Refused("\"diameter ~ 1 + plate\"", "", "random term");
  Refused("\"diameter ~ 1 + iid(plate)\"", "variances: {residual: {by: sample, value: {A: 1, B: 1, C: 1, D: 1, E: 1, F: 1}}}\n",
          "one residual variance");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_wheat_by_eigenvalues),
    cmocka_unit_test(test_wheat_by_maximum_likelihood),
    cmocka_unit_test(test_wheat_by_samples),
    cmocka_unit_test(test_dyestuff),
    cmocka_unit_test(test_what_they_are_not_for_is_named),
};

TEST_MAIN(tests)
