/* The likelihood of an inbred pedigree and of weighted records against V itself, engine by engine, and fixed variances that stay. */
#include <math.h>
#include <model_files.h>
#include <merit/op.h>
#include <merit/varcomp.h>

/* Full sibs from animal 6 on, so that later ones are inbred; two records of each animal from 4 on, in 3 herds */
enum { ANIMALS = 40, FIRST = 4, RECORDS = 2 * (ANIMALS - FIRST), HERDS = 3 };

typedef struct {
  TestModel          t;
  Mat                C;
  MeritVarcomp       v;
  MeritVarcompResult result;
} Run;

static int    sire[ANIMALS], dam[ANIMALS];
static double y[RECORDS], weight[RECORDS];

/* of mean 0 and variance 1 */
static double Normal(void)
{
  static unsigned state = 7;
  double          sum   = -6.0;

  for (int k = 0; k < 12; k++) state = state * 1664525u + 1013904223u, sum += (double)(state >> 8) / 16777216.0;
  return sum;
}

static void Draw(void)
{
  double u[ANIMALS];

  for (int i = 0; i < ANIMALS; i++) {
    sire[i] = i < FIRST ? -1 : i < 10 ? i % 2 : i - 4 - i % 3;
    dam[i]  = i < FIRST ? -1 : i < 10 ? 2 + i / 2 % 2 : i - 5 - i % 2;
    u[i]    = (i < FIRST ? 0.0 : 0.5 * (u[sire[i]] + u[dam[i]])) + 1.5 * Normal();
  }
  for (int r = 0; r < RECORDS; r++) {
    weight[r] = r % 4 == 0 ? 4.0 : r % 4 == 1 ? 0.5 : 1.0;
    y[r]      = 10.0 + 2.0 * (r % HERDS) + u[FIRST + r / 2] + Normal() / sqrt(weight[r]);
  }
}

static void Write(const TestModel *t)
{
  static char text[1 << 14];

  strcpy(text, "id,herd,w,y\n");
  for (int r = 0; r < RECORDS; r++) sprintf(text + strlen(text), "a%d,h%d,%g,%.17g\n", FIRST + r / 2, r % HERDS, weight[r], y[r]);
  TestWriteFile(t, "records.csv", text);
  strcpy(text, "id,sire,dam\n");
  for (int i = 0; i < ANIMALS; i++) {
    if (sire[i] < 0) sprintf(text + strlen(text), "a%d,0,0\n", i);
    else sprintf(text + strlen(text), "a%d,a%d,a%d\n", i, sire[i], dam[i]);
  }
  TestWriteFile(t, "pedigree.csv", text);
}

static void Estimate(const char varcomp[], const char more[], Run *r)
{
  char job[512], path[128];

  memset(r, 0, sizeof(*r));
  TestModelBegin(&r->t);
  Write(&r->t);
  snprintf(job, sizeof(job),
           "records: {file: records.csv, weight: w}\npedigree: {file: pedigree.csv, sexes: free}\nmodel: \"y ~ herd + ped(id)\"\nvarcomp: {%s}\n%s",
           varcomp, more);
  TestWriteFile(&r->t, "job.yaml", job);
  snprintf(path, sizeof(path), "%s/job.yaml", r->t.folder);
  TestCall(MeritConfigLoad(PETSC_COMM_WORLD, path, &r->t.job));
  TestCall(MeritModelCreate(PETSC_COMM_WORLD, &r->t.model));
  TestCall(MeritModelSetVariancesFree(r->t.model));
  TestCall(MeritModelSetFromConfig(r->t.model, r->t.job));
  TestCall(MeritVarcompCreate(PETSC_COMM_WORLD, &r->v));
  TestCall(MeritVarcompSetFromConfig(r->v, r->t.model, r->t.job));
  TestCall(MeritModelSetUp(r->t.model));
  TestCall(MeritMatCreateMME(r->t.model, &r->C));
  TestCall(MeritVarcompRun(r->v, r->C, &r->result));
}

static void Finish(Run *r)
{
  TestCall(MeritVarcompDestroy(&r->v));
  TestCall(MatDestroy(&r->C));
  TestModelEnd(&r->t);
}

static double A[ANIMALS][ANIMALS], V[RECORDS][RECORDS];

/* The relationship matrix by the tabular method (Henderson 1976) */
static void Relationships(void)
{
  for (int i = 0; i < ANIMALS; i++) {
    for (int j = 0; j < i; j++) A[i][j] = A[j][i] = sire[i] < 0 ? 0.0 : 0.5 * (A[j][sire[i]] + A[j][dam[i]]);
    A[i][i] = 1.0 + (sire[i] < 0 ? 0.0 : 0.5 * A[sire[i]][dam[i]]);
  }
}

/* F lower, F F' = M of n rows, in place; log |M| */
static double Cholesky(int n, int stride, double *M)
{
  double log_determinant = 0.0;

  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      double sum = M[i * stride + j];

      for (int k = 0; k < j; k++) sum -= M[i * stride + k] * M[j * stride + k];
      if (i > j) M[i * stride + j] = sum / M[j * stride + j];
      else M[i * stride + i] = sqrt(sum), log_determinant += log(sum);
    }
  return log_determinant;
}

static void Forward(int n, int stride, const double *F, double *x)
{
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < i; k++) x[i] -= F[i * stride + k] * x[k];
    x[i] /= F[i * stride + i];
  }
}

/* -1/2 (N log 2 pi + log |V| + log |X'V^-1 X| + y'P y), the third of reml alone */
static double Likelihood(double animal, double residual, bool restricted)
{
  static double W[HERDS + 1][RECORDS];
  double        M[HERDS + 1][HERDS + 1], log_v, log_x;

  for (int r = 0; r < RECORDS; r++)
    for (int s = 0; s < RECORDS; s++) V[r][s] = animal * A[FIRST + r / 2][FIRST + s / 2] + (r == s ? residual / weight[r] : 0.0);
  log_v = Cholesky(RECORDS, RECORDS, V[0]);
  for (int h = 0; h <= HERDS; h++) {
    for (int r = 0; r < RECORDS; r++) W[h][r] = h == HERDS ? y[r] : r % HERDS == h;
    Forward(RECORDS, RECORDS, V[0], W[h]);
  }
  for (int a = 0; a <= HERDS; a++)
    for (int b = 0; b <= HERDS; b++) {
      M[a][b] = 0.0;
      for (int r = 0; r < RECORDS; r++) M[a][b] += W[a][r] * W[b][r];
    }
  log_x = Cholesky(HERDS, HERDS + 1, M[0]);
  Forward(HERDS, HERDS + 1, M[0], M[HERDS]);
  for (int a = 0; a < HERDS; a++) M[HERDS][HERDS] -= M[HERDS][a] * M[HERDS][a];
  return -0.5 * ((RECORDS - (restricted ? HERDS : 0)) * log(2.0 * PETSC_PI) + log_v + (restricted ? log_x : 0.0) + M[HERDS][HERDS]);
}

static void Near(const char *what, const char *how, double is, double should, double tolerance)
{
  if (!(fabs(is - should) <= tolerance)) fail_msg("%s, %s: %.12g, not %.12g", how, what, is, should);
}

static void test_likelihoods_are_those_of_the_covariance_matrix(void **state)
{
  static const char *const how[] = {"engine: factor", "engine: factor, method: ml", "engine: dense", "engine: dense, method: ml"};

  (void)state;
  Relationships();
  assert_true(A[ANIMALS - 1][ANIMALS - 1] > 1.2);
  for (int k = 0; k < 4; k++) {
    Run    r;
    double a, e, top;

    Estimate(how[k], "", &r);
    a = r.result.estimate[0], e = r.result.estimate[1], top = Likelihood(a, e, k % 2 == 0);
    assert_int_equal(r.result.stop, MERIT_VARCOMP_CONVERGED);
    assert_true(a > 0.01 && e > 0.01);
    Near("log-likelihood", how[k], r.result.log_likelihood, top, 1e-7);
    for (int d = -1; d <= 1; d += 2) /* and it is the largest */
      assert_true(Likelihood(a * (1.0 + 0.02 * d), e, k % 2 == 0) < top && Likelihood(a, e * (1.0 + 0.02 * d), k % 2 == 0) < top);
    Finish(&r);
  }
}

static void test_a_fixed_variance_stays_and_is_reported_so(void **state)
{
  static const char *const how[] = {"engine: factor", "engine: dense"};

  (void)state;
  Relationships();
  for (int k = 0; k < 2; k++) {
    Run r;

    Estimate(how[k], "variances: {ped(id): {value: 0.75, fix: yes}}\n", &r);
    assert_true(r.result.estimate[0] == 0.75);
    assert_int_equal(r.result.state[0], MERIT_ESTIMATE_FIXED);
    assert_int_equal(r.result.state[1], MERIT_ESTIMATE_OK);
    if (r.result.covariance) assert_true(r.result.covariance[0] == 0.0 && r.result.covariance[3] > 0.0);
    Near("log-likelihood", how[k], r.result.log_likelihood, Likelihood(0.75, r.result.estimate[1], true), 1e-7);
    Finish(&r);
  }
}

static int Begin(void **state)
{
  (void)state;
  Draw();
  return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_likelihoods_are_those_of_the_covariance_matrix),
    cmocka_unit_test(test_a_fixed_variance_stays_and_is_reported_so),
};

TEST_MAIN_WITH(tests, Begin, NULL)
