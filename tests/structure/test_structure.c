/* The covariance of the animals of a pedigree over ranks: products and draws against a table of relationships. */
#include <model_files.h>
#include <math.h>

/* Mrode (2005), table 2.1: its relationship matrix (example 2.1), in the order 1 .. 6 */
enum { N = 6 };
static const double A[N][N] = {{1, 0, .5, .5, .5, .25},
                               {0, 1, .5, 0, .25, .625},
                               {.5, .5, 1, .25, .625, .5625},
                               {.5, 0, .25, 1, .625, .3125},
                               {.5, .25, .625, .625, 1.125, .6875},
                               {.25, .625, .5625, .3125, .6875, 1.125}};

static void Begin(TestModel *t, const char term[])
{
  char job[512];

  TestModelBegin(t);
  TestWriteFile(t, "p.csv", "id,sire,dam\n1,0,0\n2,0,0\n3,1,2\n4,1,0\n5,4,3\n6,5,2\n");
  TestWriteFile(t, "r.csv", "id,y\n1,5\n2,4\n3,6\n4,1\n5,7\n6,5\n1,3\n6,4\n");
  snprintf(job, sizeof(job),
           "records: {file: r.csv}\npedigree: {file: p.csv}\nmodel: \"y ~ %s(id)\"\nvariances: {\"%s(id)\": 2, residual: 3}\noutput: out\n", term,
           term);
  TestCall(TestModelSetUp(t, job));
}

static MeritHalo Halo(MeritModel model)
{
  const MeritLayout *layout = MeritModelLayout(model);

  return (MeritHalo){PETSC_COMM_WORLD, MeritModelHalo(model), layout->n_owned, layout->n_local};
}

/* table[N * N], row = level: x of the owned levels of term 1 for N vectors, on all ranks */
static void Gather(const MeritTermView *t, const double x[], double table[])
{
  memset(table, 0, N * N * sizeof(*table));
  for (int32_t i = 0; i < t->n_owned; i++) memcpy(table + t->canonical[i] * N, x + (t->eq_owned + i) * N, N * sizeof(*x));
  MPI_Allreduce(MPI_IN_PLACE, table, N * N, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
}

/* Unit vectors of the owned levels */
static double *Units(const MeritTermView *t, int32_t n_local)
{
  double *x;

  TestCall(PetscCalloc1((size_t)n_local * N, &x));
  for (int32_t i = 0; i < t->n_owned; i++) x[(t->eq_owned + i) * N + t->canonical[i]] = 1.0;
  return x;
}

static void TestProductsAreThoseOfTheRelationships(void **state)
{
  TestModel            t;
  const MeritTermView *term;
  MeritHalo            halo;
  double              *x, table[N * N];

  (void)state;
  Begin(&t, "ped");
  MeritModelTerms(t.model, &term);
  halo = Halo(t.model);
  x    = Units(&term[1], halo.n_local);
  TestCall(MeritStructureProduct(term[1].structure, &halo, N, x));
  Gather(&term[1], x, table);
  for (int i = 0; i < N * N; i++) assert_true(fabs(table[i] - A[i / N][i % N]) < 1e-14);
  TestCall(PetscFree(x));
  TestModelEnd(&t);
}

/* Draws are linear in the normals: what unit vectors become, times its transpose, is their covariance */
static void TestDrawsHaveTheCovarianceOfTheRelationships(void **state)
{
  TestModel            t;
  const MeritTermView *term;
  MeritHalo            halo;
  double              *x, table[N * N];

  (void)state;
  Begin(&t, "ped");
  MeritModelTerms(t.model, &term);
  halo = Halo(t.model);
  x    = Units(&term[1], halo.n_local);
  TestCall(MeritStructureDraw(term[1].structure, &halo, N, x));
  Gather(&term[1], x, table);
  for (int a = 0; a < N; a++)
    for (int b = 0; b < N; b++) {
      double sum = 0.0;

      for (int j = 0; j < N; j++) sum += table[a * N + j] * table[b * N + j];
      assert_true(fabs(sum - A[a][b]) < 1e-14);
    }
  TestCall(PetscFree(x));
  TestModelEnd(&t);
}

static void TestIndependentLevelsAreTheirOwnProducts(void **state)
{
  TestModel            t;
  const MeritTermView *term;
  MeritHalo            halo;
  double              *x, table[N * N];

  (void)state;
  Begin(&t, "iid");
  MeritModelTerms(t.model, &term);
  halo = Halo(t.model);
  x    = Units(&term[1], halo.n_local);
  TestCall(MeritStructureProduct(term[1].structure, &halo, N, x));
  TestCall(MeritStructureDraw(term[1].structure, &halo, N, x));
  Gather(&term[1], x, table);
  for (int i = 0; i < N * N; i++) assert_true(table[i] == (double)(i / N == i % N));
  TestCall(PetscFree(x));
  TestModelEnd(&t);
}

static void TestTheDiagonalIsOneAndInbreeding(void **state)
{
  static const double  inbreeding[N] = {0, 0, 0, 0, .125, .125};
  TestModel            t;
  const MeritTermView *term;
  int64_t              first, n;
  double              *diagonal;

  (void)state;
  Begin(&t, "ped");
  MeritModelTerms(t.model, &term);
  TestCall(MeritPedigreeParents(MeritModelPedigree(t.model), &first, &n, NULL, NULL));
  TestCall(MeritStructureDiagonal(term[1].structure, &diagonal));
  for (int64_t i = 0; i < n; i++) assert_true(fabs(diagonal[i] - 1.0 - inbreeding[first + i]) < 1e-14);
  TestCall(PetscFree(diagonal));
  TestModelEnd(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestProductsAreThoseOfTheRelationships),
    cmocka_unit_test(TestDrawsHaveTheCovarianceOfTheRelationships),
    cmocka_unit_test(TestIndependentLevelsAreTheirOwnProducts),
    cmocka_unit_test(TestTheDiagonalIsOneAndInbreeding),
};
TEST_MAIN(tests)
