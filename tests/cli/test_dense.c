#include <merit_test.h>
#include <dense_likelihood.h>
#include <math.h>

/* in doubles: assert_float_equal rounds both sides to float first */
#define Near(value, expected) assert_true(fabs((double)(value) - (double)(expected)) <= 1e-10)

/* Mrode's example of the animal model (example 3.1 of the third edition): five calves, two sexes, eight animals */
static const int mrode_sire[8] = {-1, -1, -1, 0, 2, 0, 3, 2}, mrode_dam[8] = {-1, -1, -1, -1, 1, 1, 4, 5};
static const int mrode_sex[5] = {0, 1, 1, 0, 0}; /* male, female */

static DenseModel *Animals(int n_traits, const double *y, const double *G, const double *R)
{
  DenseModel *m = DenseCreate(5, n_traits, 1, 2);
  DenseTerm  *sex, *animal;

  for (int i = 0; i < 5 * n_traits; i++) m->y[i] = y[i];
  for (int i = 0; i < n_traits * n_traits; i++) m->R[i] = R[i];
  DenseTermInit(m, 0, false, 2, 1, n_traits);
  DenseTermInit(m, 1, true, 8, 1, n_traits);
  sex = m->term, animal = m->term + 1;
  for (int t = 0; t < n_traits; t++) sex->trait[t] = animal->trait[t] = t;
  for (int i = 0; i < n_traits * n_traits; i++) animal->G[i] = G[i];
  for (int i = 0; i < 5; i++) sex->W[0][i * 2 + mrode_sex[i]] = animal->W[0][i * 8 + 3 + i] = 1.0;
  animal->K = calloc(64, sizeof(double));
  assert_int_equal(DenseRelationship(8, mrode_sire, mrode_dam, animal->K), 0);
  return m;
}

static void TestTheAnimalModelOfMrodeIsSolved(void **state)
{
  static const double y[5] = {4.5, 2.9, 3.9, 3.5, 5.0}, G = 20.0, R = 40.0;
  static const double ebv[8] = {0.0984445757038785, -0.0187700991008729, -0.0410842029270857, -0.00866312266194181,
                                -0.185732099494651, 0.176872087681302,   -0.249458554833629,  0.182614687930695};
  DenseModel         *m      = Animals(1, y, &G, &R);

  (void)state;
  assert_int_equal(DenseSolve(m), 0);
  Near(m->term[0].solution[0], 4.35850232985496);
  Near(m->term[0].solution[1], 3.40443000590667);
  for (int i = 0; i < 8; i++) Near(m->term[1].solution[i], ebv[i]);
  DenseDestroy(&m);
}

static void TestTheBivariateModelOfMrodeIsSolved(void **state)
{
  static const double y[10] = {4.5, 6.8, 2.9, 5.0, 3.9, 6.8, 3.5, 6.0, 5.0, 7.5};
  static const double G[4] = {20, 18, 18, 40}, R[4] = {40, 11, 11, 30};
  static const double ebv[16] = {0.150915567312793,   0.279597972744871,  -0.0153925096914806, -0.00761007081989735,
                                 -0.0783918961641872, -0.170341438593938, -0.0102389585292899, -0.0126707086241159,
                                 -0.270331441389232,  -0.47783026160272,  0.275808257580574,   0.517238387038392,
                                 -0.316117561639433,  -0.478983695055077, 0.243755523005404,   0.391961542524092};
  DenseModel         *m       = Animals(2, y, G, R);

  (void)state;
  assert_int_equal(DenseSolve(m), 0);
  Near(m->term[0].solution[0], 4.36086699905444);
  Near(m->term[0].solution[1], 6.79989762038503);
  Near(m->term[0].solution[2], 3.39726159190433);
  Near(m->term[0].solution[3], 5.88029593728216);
  for (int i = 0; i < 16; i++) Near(m->term[1].solution[i], ebv[i]);
  DenseDestroy(&m);
}

static void TestDependentColumnsAreZeroInFormulaOrder(void **state)
{
  /* the lecture's first problem: intercept, three diets, two SNPs as random regressions with lambda 40/3 */
  static const double y[6] = {20, 25, 30, 35, 20, 30}, snp[12] = {1, 2, 1, 1, 0, 2, 0, 1, 2, 1, 2, 0};
  DenseModel         *m = DenseCreate(6, 1, 1, 3);

  (void)state;
  m->R[0] = 40.0;
  for (int i = 0; i < 6; i++) m->y[i] = y[i];
  DenseTermInit(m, 0, false, 1, 1, 1);
  DenseTermInit(m, 1, false, 3, 1, 1);
  DenseTermInit(m, 2, true, 2, 1, 1);
  m->term[2].G[0] = 3.0;
  for (int i = 0; i < 12; i++) m->term[2].W[0][i] = snp[i];
  for (int i = 0; i < 6; i++) m->term[0].W[0][i] = m->term[1].W[0][i * 3 + i / 2] = 1.0;
  assert_int_equal(DenseSolve(m), 0);
  assert_true(m->term[1].aliased[2]);
  assert_false(m->term[1].aliased[1]);
  assert_int_equal(m->term[1].n[2], 2);
  Near(m->term[1].solution[2], 0.0);
  Near(m->term[0].solution[0], 2255.0 / 89.0);  /* mu + Diet3 */
  Near(m->term[1].solution[0], -325.0 / 178.0); /* Diet1 - Diet3 */
  Near(m->term[1].solution[1], 1455.0 / 178.0); /* Diet2 - Diet3 */
  Near(m->term[2].solution[0], 0.0);
  Near(m->term[2].solution[1], -60.0 / 89.0);
  Near(m->fitted[4], 2195.0 / 89.0);
  DenseDestroy(&m);
}

static void TestWeightsCountAsRecordsAndMissingOnesAreLeftOut(void **state)
{
  /* one random class of two levels: y = 1 twice (as a weight of 2) and 4; a record without its class is not used */
  DenseModel *m = DenseCreate(3, 1, 2, 1);

  (void)state;
  m->R[0] = 2.0, m->R[1] = 5.0, m->class[1] = 1;
  m->y[0] = 1.0, m->y[1] = 4.0, m->y[2] = 100.0, m->weight[0] = 2.0;
  DenseTermInit(m, 0, true, 2, 1, 1);
  m->term[0].G[0]    = 3.0;
  m->term[0].W[0][0] = m->term[0].W[0][3] = 1.0;
  m->term[0].W[0][4]                      = NAN;
  assert_int_equal(DenseSolve(m), 0);
  Near(m->term[0].solution[0], 3.0 / (3.0 + 2.0 / 2.0) * 1.0);
  Near(m->term[0].solution[1], 3.0 / (3.0 + 5.0) * 4.0);
  assert_true(isnan(m->fitted[2]));
  DenseDestroy(&m);
}

static void TestRelationshipsIncludeInbreeding(void **state)
{
  /* Mrode's example 2.1, lines in reverse order */
  static const int sire[6] = {1, 2, 5, 5, -1, -1}, dam[6] = {4, 3, -1, 4, -1, -1};
  int              loop_sire[2] = {1, 0}, loop_dam[2] = {-1, -1};
  double           A[36];

  (void)state;
  assert_int_equal(DenseRelationship(6, sire, dam, A), 0);
  Near(A[0], 1.125);         /* animal 6 */
  Near(A[7], 1.125);         /* animal 5 */
  Near(A[1], 0.6875);        /* 6 and 5 */
  Near(A[1 * 6 + 2], 0.625); /* 5 and 4 */
  Near(A[3 * 6 + 2], 0.25);  /* 3 and 4 */
  assert_int_equal(DenseRelationship(2, loop_sire, loop_dam, A), -1);
}

static void TestLegendrePolynomialsAreNormalized(void **state)
{
  (void)state;
  Near(DenseLegendre(0, 100.0, 5.0, 305.0), sqrt(0.5));
  Near(DenseLegendre(1, 305.0, 5.0, 305.0), sqrt(1.5));
  Near(DenseLegendre(2, 155.0, 5.0, 305.0), -0.5 * sqrt(2.5));
  Near(DenseLegendre(3, 230.0, 5.0, 305.0), 0.5 * (5.0 * 0.125 - 3.0 * 0.5) * sqrt(3.5));
}

/* Yields of dyestuff, five of each of six batches (Davies and Goldsmith 1972) */
static DenseModel *Dyestuff(double batch, double residual)
{
  static const double y[30] = {1545, 1440, 1440, 1520, 1580, 1540, 1555, 1490, 1560, 1495, 1595, 1550, 1605, 1510, 1560,
                               1445, 1440, 1595, 1465, 1545, 1595, 1630, 1515, 1635, 1625, 1520, 1455, 1450, 1480, 1445};
  DenseModel         *m     = DenseCreate(30, 1, 1, 2);

  DenseTermInit(m, 0, false, 1, 1, 1);
  DenseTermInit(m, 1, true, 6, 1, 1);
  for (int i = 0; i < 30; i++) m->y[i] = y[i], m->term[0].W[0][i] = m->term[1].W[0][i * 6 + i / 5] = 1.0;
  m->R[0] = residual, m->term[1].G[0] = batch;
  return m;
}

static void TestLikelihoodsOfDyestuffAreThoseOfLme4(void **state)
{
  DenseModel      *m = Dyestuff(1764.05, 2451.25);
  DenseCoordinate *at;
  DensePoint       p;
  double           determinant;
  int              n;

  (void)state;
  at = DenseCoordinates(m, &n);
  assert_int_equal(n, 2);
  assert_int_equal(DenseLikelihood(m, true, n, at, &p), 0);
  assert_int_equal(p.n_obs, 30);
  assert_int_equal(p.n_fixed, 1);
  assert_true(fabs(2.0 * p.log_likelihood + 319.65427684) < 1e-7); /* its REML criterion */
  Near(p.score[0], 0.0);
  Near(p.score[1], 0.0);
  determinant = p.information[0] * p.information[3] - p.information[1] * p.information[2];
  assert_true(fabs(sqrt(p.information[3] / determinant) - 1432.7512523) < 1e-6); /* sqrt(2/25 (11271.5^2/5 + 2451.25^2/24)) */
  assert_true(fabs(sqrt(p.information[0] / determinant) - 707.6149236) < 1e-6);  /* sqrt(2/24) 2451.25 */
  DensePointFree(&p);
  DenseSet(m, at, 1388.0 + 1.0 / 3.0);
  assert_int_equal(DenseLikelihood(m, false, n, at, &p), 0);
  assert_true(fabs(p.log_likelihood + 163.66352994) < 1e-7);
  Near(p.score[0], 0.0);
  Near(p.score[1], 0.0);
  DensePointFree(&p);
  DenseDestroy(&m);
  free(at);
}

static void TestScoresAreDifferencesOfLikelihoods(void **state)
{
  static const double y[10] = {4.5, 6.8, 2.9, 5.0, 3.9, NAN, 3.5, 6.0, NAN, 7.5};
  static const double G[4] = {20, 18, 18, 40}, R[4] = {40, 11, 11, 30}, h = 1e-3;
  DenseModel         *m = Animals(2, y, G, R);
  int                 n;
  DenseCoordinate    *at = DenseCoordinates(m, &n);

  (void)state;
  assert_int_equal(n, 6);
  for (int restricted = 0; restricted < 2; restricted++)
    for (int i = 0; i < n; i++) {
      const double value = (at[i].term < 0 ? R : G)[at[i].row * 2 + at[i].column];
      DensePoint   here, p[2];

      assert_int_equal(DenseLikelihood(m, restricted, n, at, &here), 0);
      for (int side = 0; side < 2; side++) {
        DenseSet(m, at + i, value + (side ? h : -h));
        assert_int_equal(DenseLikelihood(m, restricted, n, at, p + side), 0);
      }
      DenseSet(m, at + i, value);
      assert_true(fabs((p[1].log_likelihood - p[0].log_likelihood) / (2.0 * h) - here.score[i]) < 1e-8);
      DensePointFree(&here), DensePointFree(p), DensePointFree(p + 1);
    }
  DenseDestroy(&m);
  free(at);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTheAnimalModelOfMrodeIsSolved),         cmocka_unit_test(TestTheBivariateModelOfMrodeIsSolved),
    cmocka_unit_test(TestDependentColumnsAreZeroInFormulaOrder), cmocka_unit_test(TestWeightsCountAsRecordsAndMissingOnesAreLeftOut),
    cmocka_unit_test(TestRelationshipsIncludeInbreeding),        cmocka_unit_test(TestLegendrePolynomialsAreNormalized),
    cmocka_unit_test(TestLikelihoodsOfDyestuffAreThoseOfLme4),   cmocka_unit_test(TestScoresAreDifferencesOfLikelihoods),
};

TEST_MAIN(tests)
