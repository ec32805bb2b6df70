/*
  The kernels of A^-1 x G^-1 and of its incomplete factor against their definitions: edge by edge with T_i = [1, -1/2, -1/2], and the product of
  the factors as it stands.
*/
#include <merit_test.h>
#include <merit/kernels.h>
#include <math.h>

/* more animals than memory is asked for ahead; slots before the animals, and parents of another rank behind them */
enum { ANIMALS = 150, BEFORE = 3, GHOSTS = 8, LEVELS = BEFORE + ANIMALS + GHOSTS, MOST = 4, MOST_K = 3 };

typedef struct {
  int                 n, n_threads;
  int32_t             own_list[ANIMALS], sire[ANIMALS], dam[ANIMALS];
  double              d[ANIMALS], G_inverse[MOST * MOST];
  MeritScatter        scatter;
  MeritPedigreeKernel kernel;
} Case;

static uint64_t seed;
static double   x[LEVELS * MOST * MOST_K], wanted[LEVELS * MOST * MOST_K];

/* between -1 and 1 */
static double Draw(void)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 33) / 1073741824.0 - 1.0;
}

static int Below(int n) { return (int)((Draw() + 1.0) * 0.5 * n) % n; }

static void Definite(int n, double *A)
{
  double B[MOST * MOST];

  for (int i = 0; i < n * n; i++) B[i] = Draw();
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      A[i * n + j] = i == j ? 1.0 : 0.0;
      for (int k = 0; k < n; k++) A[i * n + j] += B[i * n + k] * B[j * n + k];
    }
}

/* An earlier animal, a ghost, or unknown */
static int32_t Parent(int animal, int n)
{
  const int kind = Below(10);

  if (kind < 2 || animal == 0) return -1;
  return (BEFORE + (kind == 2 ? ANIMALS + Below(GHOSTS) : Below(animal))) * n;
}

/* Every tenth animal selfed; two half-sib families whose dams are found in every chunk */
static void Draws(Case *c)
{
  const int n = c->n;

  for (int i = 0; i < ANIMALS; i++) {
    c->own_list[i] = (BEFORE + i) * n;
    c->sire[i]     = Parent(i, n);
    c->dam[i]      = i > 4 && i % 3 == 0 ? (BEFORE + i % 2) * n : Parent(i, n);
    if (i % 10 == 9) c->dam[i] = c->sire[i];
    c->d[i] = 0.6 + 0.4 * Draw();
  }
  Definite(n, c->G_inverse);
}

static void Make(Case *c)
{
  const int32_t *const lists[3] = {c->own_list, c->sire, c->dam};
  const int32_t        width[3] = {c->n, c->n, c->n};

  c->kernel = (MeritPedigreeKernel){.n_animals = ANIMALS,
                                    .n         = c->n,
                                    .own       = BEFORE * c->n,
                                    .sire      = c->sire,
                                    .dam       = c->dam,
                                    .d         = c->d,
                                    .G_inverse = c->G_inverse,
                                    .scatter   = &c->scatter};
  TestCall(MeritScatterCreate(c->n_threads, ANIMALS, 3, lists, width, LEVELS * c->n, &c->scatter));
}

/* to += (A^-1 x G^-1) x of the animals' edges */
static void Reference(const Case *c, int k, const double *from, double *to)
{
  static const double T[3] = {1.0, -0.5, -0.5};

  for (int i = 0; i < ANIMALS; i++) {
    const int32_t slot[3] = {c->own_list[i], c->sire[i], c->dam[i]};

    for (int p = 0; p < 3; p++)
      for (int q = 0; q < 3; q++)
        for (int a = 0; slot[p] >= 0 && slot[q] >= 0 && a < c->n; a++)
          for (int b = 0; b < c->n; b++)
            for (int j = 0; j < k; j++) to[(slot[p] + a) * k + j] += T[p] * T[q] * c->G_inverse[a * c->n + b] / c->d[i] * from[(slot[q] + b) * k + j];
  }
}

static void Near(const Case *c, int k, double got, double right, double most, int i)
{
  if (!(fabs(got - right) <= 1e-12 * most))
    fail_msg("n %d, k %d, %d threads: position %d has %.17g, not %.17g", c->n, k, c->n_threads, i, got, right);
}

static double Most(int n, const double *v)
{
  double most = 1.0;

  for (int i = 0; i < n; i++) most = fmax(most, fabs(v[i]));
  return most;
}

static void CheckProduct(const Case *c, int k)
{
  const int size = LEVELS * c->n * k;
  double   *y    = calloc((size_t)(c->scatter.y_length * k), sizeof(*y));

  for (int i = 0; i < size; i++) x[i] = Draw(), y[i] = wanted[i] = Draw();
  if (MeritPedigreeOverwrites(&c->kernel, k))
    for (int i = 0; i < ANIMALS; i++) wanted[BEFORE + i] = 0.0;
  Reference(c, k, x, wanted);
  MeritPedigreeApply(&c->kernel, k, x, y);
  for (int i = 0; i < size; i++) Near(c, k, y[i], wanted[i], Most(size, wanted), i);
  for (int i = size; i < c->scatter.y_length * k; i++) assert_true(y[i] == 0.0);
  free(y);
}

static void test_products_go_along_the_edges_with_any_threads(void **state)
{
  (void)state;
  seed = 3;
  for (int n = 1; n <= MOST; n++)
    for (int threads = 1; threads <= 7; threads += 2) {
      Case c = {.n = n, .n_threads = threads};

      Draws(&c);
      Make(&c);
      for (int k = 1; k <= MOST_K; k++) CheckProduct(&c, k);
      TestCall(MeritScatterDestroy(&c.scatter));
    }
}

static void test_one_thread_and_one_equation_overwrite(void **state)
{
  (void)state;
  for (int n = 1; n <= 2; n++)
    for (int threads = 1; threads <= 3; threads += 2) {
      Case c = {.n = n, .n_threads = threads};

      Draws(&c);
      Make(&c);
      for (int k = 1; k <= 2; k++) assert_true(MeritPedigreeOverwrites(&c.kernel, k) == (n == 1 && threads == 1 && k == 1));
      TestCall(MeritScatterDestroy(&c.scatter));
    }
}

/* by products with unit vectors; a selfed animal's parent has 1, others 1/4 */
static void test_diagonal_blocks_are_those_of_the_product(void **state)
{
  static double D[LEVELS * MOST * (MOST + 1)];

  (void)state;
  seed = 4;
  for (int n = 1; n <= 3; n++) {
    const int      stride = n + 1;
    Case           c      = {.n = n, .n_threads = 1};
    MeritRecursion rows;

    Draws(&c);
    Make(&c);
    memset(D, 0, sizeof(D));
    rows = (MeritRecursion){.n_levels = ANIMALS, .n_rows = ANIMALS, .own = BEFORE * n, .n = n, .sire = c.sire, .dam = c.dam, .d = c.d};
    MeritRecursionDiagonal(&rows, c.G_inverse, stride, D);
    for (int s = 0; s < LEVELS * n; s++) {
      memset(x, 0, sizeof(x)), memset(wanted, 0, sizeof(wanted));
      x[s] = 1.0;
      Reference(&c, 1, x, wanted);
      for (int a = 0; a < n; a++) Near(&c, 1, D[(s / n * n + a) * stride + s % n], wanted[s / n * n + a], 100.0, s);
    }
    TestCall(MeritScatterDestroy(&c.scatter));
  }
}

static void test_levels_without_relatives_have_blocks_alone(void **state)
{
  double G[MOST * MOST], y[5 * MOST * MOST_K], z[5 * MOST * MOST_K];

  (void)state;
  seed = 8;
  for (int n = 1; n <= MOST; n++)
    for (int k = 1; k <= MOST_K; k++) {
      Definite(n, G);
      G[n - 1] += 0.5; /* the rows, not the columns */
      for (int i = 0; i < 5 * n * k; i++) x[i] = Draw(), y[i] = z[i] = Draw();
      for (int l = 0; l < 5; l++)
        for (int e = 0; e < n * n * k; e++) z[(l * n + e / (n * k)) * k + e % k] += G[e / k] * x[(l * n + e / k % n) * k + e % k];
      MeritLevelsApply(5, n, G, k, x, y);
      for (int i = 0; i < 5 * n * k; i++) assert_true(fabs(y[i] - z[i]) < 1e-13);
    }
}

/* The factor of a case, in ranges as ranks with generations do it; W [slots * n] data blocks, then all that was passed on */
typedef struct {
  float               k_over_pivot[ANIMALS];
  double              inverse[ANIMALS * MOST * (MOST + 1) / 2];
  MeritPedigreeFactor f;
} Factor;

static const int32_t range[4] = {0, 60, 60 + 65, ANIMALS};

static void Factorize(const Case *c, Factor *F, double *W)
{
  F->f = (MeritPedigreeFactor){.n            = c->n,
                               .own          = BEFORE * c->n,
                               .sire         = c->sire,
                               .dam          = c->dam,
                               .d            = c->d,
                               .G_inverse    = c->G_inverse,
                               .k_over_pivot = F->k_over_pivot,
                               .inverse      = F->inverse};
  for (int r = 2; r >= 0; r--) assert_true(MeritPedigreeFactorize(&F->f, range[r], range[r + 1], W));
}

/* Data blocks of every second animal */
static void DataBlocks(const Case *c, double *W)
{
  memset(W, 0, sizeof(*W) * LEVELS * MOST * MOST);
  for (int i = 0; i < ANIMALS; i += 2) Definite(c->n, W + c->own_list[i] * c->n);
}

/* Pivots by the definition, P [animals * n^2]; W as above */
static void Pivots(const Case *c, double *W, double *P)
{
  const int n = c->n;

  for (int i = ANIMALS - 1; i >= 0; i--) {
    double *pivot = P + i * n * n, K[MOST * MOST], inverse[MOST * MOST];

    for (int e = 0; e < n * n; e++) K[e] = c->G_inverse[e] / c->d[i], pivot[e] = K[e] + W[c->own_list[i] * n + e];
    assert_true(MeritDenseInvert(n, pivot, inverse, NULL));
    for (int p = 0; p < 2; p++) {
      const int32_t slot = p ? c->dam[i] : c->sire[i];

      for (int e = 0; slot >= 0 && e < n * n; e++) {
        double sum = K[e];

        for (int g = 0; g < n * n; g++) sum -= K[e / n * n + g / n] * inverse[g] * K[g % n * n + e % n];
        W[slot * n + e] += 0.25 * sum;
      }
    }
  }
}

/* v <- sum over animals of L_i P_i L_i' z, with L_i = [1; -K P^-1 / 2 at the parents] */
static void Multiply(const Case *c, const double *P, int k, const double *z, double *v)
{
  const int n = c->n;

  memset(v, 0, sizeof(*v) * (size_t)(LEVELS * n * k));
  for (int i = 0; i < ANIMALS; i++)
    for (int j = 0; j < k; j++) {
      const int32_t own = c->own_list[i], parent[2] = {c->sire[i], c->dam[i]};
      double        t[MOST] = {0.0}, above[MOST] = {0.0}, down[MOST] = {0.0}, inverse[MOST * MOST];

      assert_true(MeritDenseInvert(n, P + i * n * n, inverse, NULL));
      for (int p = 0; p < 2; p++)
        for (int a = 0; parent[p] >= 0 && a < n; a++) above[a] += z[(parent[p] + a) * k + j];
      for (int e = 0; e < n * n; e++) down[e / n] += 0.5 * c->G_inverse[e] / c->d[i] * above[e % n];
      for (int a = 0; a < n; a++) t[a] = z[(own + a) * k + j];
      for (int e = 0; e < n * n; e++) t[e / n] -= inverse[e] * down[e % n];
      for (int e = 0; e < n * n; e++) {
        v[(own + e / n) * k + j] += P[i * n * n + e] * t[e % n];
        for (int p = 0; p < 2; p++)
          if (parent[p] >= 0) v[(parent[p] + e / n) * k + j] -= 0.5 * c->G_inverse[e] / c->d[i] * t[e % n];
      }
    }
}

static void Solve(const Factor *F, int k, double *v)
{
  for (int r = 2; r >= 0; r--) MeritPedigreeForward(&F->f, range[r], range[r + 1], k, v);
  for (int r = 0; r < 3; r++) MeritPedigreeBackward(&F->f, range[r], range[r + 1], k, v);
}

static double blocks[LEVELS * MOST * MOST], passed[LEVELS * MOST * MOST], P[ANIMALS * MOST * MOST], v[LEVELS * MOST * MOST_K];

/* no parents of other ranks, none selfed: those of a ghost are left to its rank */
static void Local(Case *c)
{
  for (int i = 0; i < ANIMALS; i++) {
    if (c->sire[i] >= (BEFORE + ANIMALS) * c->n) c->sire[i] = -1;
    if (c->dam[i] >= (BEFORE + ANIMALS) * c->n || c->dam[i] == c->sire[i]) c->dam[i] = -1;
  }
}

static void test_substitutions_undo_the_product_of_the_factors(void **state)
{
  (void)state;
  seed = 6;
  for (int n = 1; n <= MOST; n++) {
    const double  tol = n == 1 ? 1e-6 : 1e-11; /* one equation: what is kept has single precision */
    Case          c   = {.n = n};
    static Factor F;

    Draws(&c);
    Local(&c);
    DataBlocks(&c, blocks);
    memcpy(passed, blocks, sizeof(passed));
    Factorize(&c, &F, blocks);
    Pivots(&c, passed, P);
    for (int i = 0; i < LEVELS * n * n; i++) assert_true(fabs(blocks[i] - passed[i]) < 1e-11 * ANIMALS);
    for (int k = 1; k <= MOST_K; k++) {
      for (int i = 0; i < LEVELS * n * k; i++) x[i] = Draw();
      for (int i = 0; i < BEFORE * n * k; i++) x[i] = 0.0;
      for (int i = (BEFORE + ANIMALS) * n * k; i < LEVELS * n * k; i++) x[i] = 0.0;
      memcpy(v, x, sizeof(v));
      Solve(&F, k, v);
      Multiply(&c, P, k, v, wanted);
      for (int i = 0; i < LEVELS * n * k; i++) assert_true(fabs(x[i] - wanted[i]) < tol * ANIMALS);
    }
  }
}

/* one known parent each: nothing is lost, and the factors are those of A^-1 x G^-1 + W itself */
static void test_the_factor_of_a_tree_is_complete(void **state)
{
  (void)state;
  seed = 7;
  for (int n = 1; n <= MOST; n++) {
    const double  tol = n == 1 ? 1e-6 : 1e-11;
    Case          c   = {.n = n};
    static Factor F;

    Draws(&c);
    Local(&c);
    for (int i = 0; i < ANIMALS; i++) (i % 2 ? c.sire : c.dam)[i] = -1;
    DataBlocks(&c, blocks);
    memcpy(passed, blocks, sizeof(passed));
    Factorize(&c, &F, blocks);
    for (int i = 0; i < ANIMALS * n; i++) v[BEFORE * n + i] = x[BEFORE * n + i] = Draw();
    Solve(&F, 1, v);
    memset(wanted, 0, sizeof(wanted));
    Reference(&c, 1, v, wanted);
    for (int e = 0; e < ANIMALS * n * n; e++) wanted[BEFORE * n + e / n] += passed[BEFORE * n * n + e] * v[BEFORE * n + e / (n * n) * n + e % n];
    for (int i = BEFORE * n; i < (BEFORE + ANIMALS) * n; i++) assert_true(fabs(x[i] - wanted[i]) < tol * ANIMALS);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_products_go_along_the_edges_with_any_threads),  cmocka_unit_test(test_one_thread_and_one_equation_overwrite),
    cmocka_unit_test(test_diagonal_blocks_are_those_of_the_product),      cmocka_unit_test(test_levels_without_relatives_have_blocks_alone),
    cmocka_unit_test(test_substitutions_undo_the_product_of_the_factors), cmocka_unit_test(test_the_factor_of_a_tree_is_complete),
};

TEST_MAIN(tests)
