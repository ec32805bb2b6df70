/* Preconditioners of SNPs against dense inverses; their combination with the others; eigenvalue estimates; PETSc's deflation. */
#include "gsru_models.h"
#include <merit/log.h>
#include <petscksp.h>

static const char *const PLAIN[2]    = {"\"age ~ herd + snp(cow)\"", "  snp(cow): 0.6\n  residual: 40\n"};
static const char *const COMPLETE[2] = {"[\"age ~ herd + g = snp(cow)\", \"c1 ~ herd + g = snp(cow)\"]",
                                        "  g: [[0.6, 0.1], [0.1, 0.2]]\n  residual: [[40, 5], [5, 10]]\n"};

/* Eigenvalues of a symmetric A [n * n], ascending, by Jacobi's rotations; A is destroyed */
static void Eigenvalues(int n, double *A, double *lambda)
{
  for (int sweep = 0; sweep < 12; sweep++)
    for (int i = 0; i < n; i++)
      for (int j = i + 1; j < n; j++) {
        const double a = A[i * n + j], theta = 0.5 * (A[j * n + j] - A[i * n + i]);
        const double t = a == 0.0 ? 0.0 : a / (theta + (theta < 0.0 ? -1.0 : 1.0) * sqrt(theta * theta + a * a));
        const double c = 1.0 / sqrt(1.0 + t * t), s = t * c;

        for (int l = 0; l < n; l++) {
          const double x = A[l * n + i], y = A[l * n + j];

          A[l * n + i] = c * x - s * y, A[l * n + j] = s * x + c * y;
        }
        for (int l = 0; l < n; l++) {
          const double x = A[i * n + l], y = A[j * n + l];

          A[i * n + l] = c * x - s * y, A[j * n + l] = s * x + c * y;
        }
      }
  for (int i = 0; i < n; i++) lambda[i] = A[i * n + i];
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++)
      if (lambda[j] < lambda[i]) {
        const double swap = lambda[i];

        lambda[i] = lambda[j], lambda[j] = swap;
      }
}

static int IsSnp(const Problem *p, int equation)
{
  for (int k = 0; k < p->n_terms; k++)
    if (equation >= p->base[k] && equation < p->base[k + 1]) return p->term[k].kind == MERIT_TERM_SNP;
  return 0;
}

static PC MakePC(const Problem *p, const char type[], MeritSnpKind kind, int width, int n, bool multiplicative)
{
  const MeritSnpOptions options = {kind, width, n, multiplicative};
  PC                    pc;

  TestCall(MeritPCRegisterAll());
  TestCall(PCCreate(PETSC_COMM_WORLD, &pc));
  TestCall(PCSetType(pc, type));
  TestCall(MeritPCSetSnp(pc, &options));
  TestCall(PCSetOperators(pc, p->C, p->C));
  return pc;
}

/* M^-1 in canonical order from unit vectors; owned by the caller */
static double *DensePC(const Problem *p, PC pc)
{
  enum { K = 8 };
  const size_t room  = (size_t)p->n_owned * K + 1;
  double      *dense = calloc((size_t)p->n * (size_t)p->n + 1, sizeof(double));
  double      *x = malloc(sizeof(double) * room), *y = malloc(sizeof(double) * room);

  for (int first = 0; first < p->n; first += K) {
    for (int32_t i = 0; i < p->n_owned; i++)
      for (int j = 0; j < K; j++) x[i * K + j] = p->number[i] == first + j;
    TestCall(MeritPCApplyBlock(pc, K, x, y));
    for (int32_t i = 0; i < p->n_owned; i++)
      for (int j = 0; j < K && first + j < p->n; j++) dense[p->number[i] * p->n + first + j] = y[i * K + j];
  }
  MPI_Allreduce(MPI_IN_PLACE, dense, p->n * p->n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  free(x), free(y);
  return dense;
}

/* Largest difference of M^-1 C and I over rows and columns with the same mark >= 0 */
static double FromIdentity(const Problem *p, const double *inverse, const double *C, const int *mark)
{
  double worst = 0.0;

  for (int i = 0; i < p->n; i++)
    for (int j = 0; j < p->n; j++) {
      double sum = -(double)(i == j);

      if (mark[i] < 0 || mark[i] != mark[j]) continue;
      for (int l = 0; l < p->n; l++)
        if (mark[l] == mark[i]) sum += inverse[i * p->n + l] * C[l * p->n + j];
      worst = fmax(worst, fabs(sum));
    }
  return worst;
}

static int n_sketches;

static void CountSketches(MeritLogKind kind, double fraction, const char text[], void *ctx)
{
  (void)kind, (void)fraction, (void)ctx;
  n_sketches += strstr(text, "Nystrom approximation of rank") != NULL;
}

static int *SnpMarks(const Problem *p)
{
  int *mark = malloc(sizeof(int) * (size_t)p->n);

  for (int i = 0; i < p->n; i++) mark[i] = IsSnp(p, i) - 1;
  return mark;
}

/* The sketch is of more columns than there are animals, so nothing is left out; numbers are kept in single precision */
static void FullSketch(const char *const model[2], Which which)
{
  const double  new_G[2][4] = {{0.2}, {0.9, -0.3, -0.3, 0.4}}, new_R[2][4] = {{11}, {20, -3, -3, 30}};
  Problem       p    = MakeProblem(which, model[0], model[1], "");
  const int     two  = model == COMPLETE;
  PC            pc   = MakePC(&p, "merit_fixed", MERIT_SNP_NYSTROM, 64, SNPS, false);
  int          *mark = SnpMarks(&p);
  const double *G[8] = {NULL}, *R[] = {new_R[two]};

  n_sketches = 0;
  MeritLogSetSink(CountSketches, NULL);
  for (int pass = 0; pass < 2; pass++) {
    double *C = ToDense(&p), *inverse = DensePC(&p, pc);

    assert_true(FromIdentity(&p, inverse, C, mark) < 1e-4);
    free(C), free(inverse);
    for (int k = 0; k < p.n_terms; k++) G[k] = p.term[k].kind == MERIT_TERM_SNP ? new_G[two] : NULL;
    TestCall(MeritModelSetVariances(p.model, G, R));
  }
  MeritLogSetSink(NULL, NULL);
  if (!rank) assert_int_equal(n_sketches, 1);
  TestCall(PCDestroy(&pc));
  free(mark);
  FreeProblem(&p);
}

static void test_a_full_sketch_inverts_the_equations_of_snps_whatever_the_variances(void **state)
{
  (void)state;
  FullSketch(PLAIN, FEW);
  FullSketch(PLAIN, MANY);
  FullSketch(COMPLETE, FEW);
  FullSketch(COMPLETE, MANY);
}

static void test_few_directions_are_the_first_eigenvectors_and_a_floor(void **state)
{
  Problem p       = MakeProblem(MANY, PLAIN[0], PLAIN[1], "");
  PC      pc      = MakePC(&p, "merit_fixed", MERIT_SNP_NYSTROM, 64, 24, false);
  double *inverse = DensePC(&p, pc), *C = ToDense(&p), *A = malloc(sizeof(double) * SNPS * SNPS), lambda[2][SNPS];

  (void)state;
  for (int which = 0; which < 2; which++) {
    int at = 0;

    for (int i = 0; i < p.n; i++)
      for (int j = 0; j < p.n; j++)
        if (IsSnp(&p, i) && IsSnp(&p, j)) A[at++] = (which ? C : inverse)[i * p.n + j];
    Eigenvalues(SNPS, A, lambda[which]);
  }
  /* 24 different eigenvalues below one of 66 SNPs: no more than the first eigenvalues of C inverted, no less than with Nystrom's bound */
  for (int i = 24; i < SNPS; i++) assert_true(fabs(lambda[0][i] / lambda[0][24] - 1.0) < 1e-5);
  for (int i = 0; i < 24; i++) {
    assert_true(1.0 / lambda[0][i] <= lambda[1][SNPS - 1 - i] * (1 + 1e-5));
    assert_true(1.0 / lambda[0][i] >= 0.5 * lambda[1][SNPS - 1 - i]);
  }
  free(A), free(C), free(inverse);
  TestCall(PCDestroy(&pc));
  FreeProblem(&p);
}

static void test_blocks_are_those_of_the_equations(void **state)
{
  const int width = 16;

  (void)state;
  for (int m = 0; m < 2; m++) {
    Problem p       = MakeProblem(MANY, m ? COMPLETE[0] : PLAIN[0], m ? COMPLETE[1] : PLAIN[1], "");
    PC      pc      = MakePC(&p, "merit_fixed", MERIT_SNP_BLOCKS, width, 0, false);
    double *inverse = DensePC(&p, pc), *C = ToDense(&p);
    int    *mark = calloc((size_t)p.n, sizeof(int));

    for (int32_t i = 0; i < p.n_owned; i++) mark[p.number[i]] = rank * SNPS;
    MPI_Allreduce(MPI_IN_PLACE, mark, p.n, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
    for (int k = 0; k < p.n_terms; k++)
      for (int i = p.base[k]; i < p.base[k + 1]; i++) mark[i] = IsSnp(&p, i) ? mark[i] + (i - p.base[k]) / p.term[k].n_eq / width : -1;
    assert_true(FromIdentity(&p, inverse, C, mark) < 1e-9);
    /* and nothing beside them */
    for (int i = 0; i < p.n; i++)
      for (int j = 0; j < p.n; j++)
        if (mark[i] != mark[j]) assert_true(inverse[i * p.n + j] == 0.0);
    free(mark), free(inverse), free(C);
    TestCall(PCDestroy(&pc));
    FreeProblem(&p);
  }
}

/* Largest departure of A [n * n] from symmetry beside its largest entry; is it definite, but for rows of 0 (constrained equations)? A is destroyed */
static double Symmetric(int n, double *A, bool *definite)
{
  double off = 0.0, most = 0.0;

  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      off  = fmax(off, fabs(A[i * n + j] - A[j * n + i]));
      most = fmax(most, fabs(A[i * n + j]));
    }
  *definite = true;
  for (int j = 0; j < n && *definite; j++) {
    double row = 0.0;

    for (int i = 0; i < n; i++) row = fmax(row, fabs(A[j * n + i]));
    if (row < 1e-14 * most) continue;
    *definite = A[j * n + j] > 0.0;
    for (int i = j + 1; i < n && *definite; i++) {
      const double factor = A[i * n + j] / A[j * n + j];

      for (int l = j; l < n; l++) A[i * n + l] -= factor * A[j * n + l];
    }
  }
  return off / most;
}

static void test_every_combination_is_symmetric_and_definite(void **state)
{
  static const char *const types[]  = {"merit_ped", "merit_fixed"};
  static const int         models[] = {2, 4, 5};

  (void)state;
  for (int m = 0; m < 3; m++)
    for (int kind = MERIT_SNP_DIAGONAL; kind <= MERIT_SNP_NYSTROM; kind++)
      for (int way = 0; way < 2; way++) {
        Problem p       = MakeProblem(DATA[models[m]], MODELS[models[m]][0], MODELS[models[m]][1], "");
        PC      pc      = MakePC(&p, types[(m + way) % 2], (MeritSnpKind)kind, 8, 12, way == 1);
        double *inverse = DensePC(&p, pc);
        bool    definite;

        assert_true(Symmetric(p.n, inverse, &definite) < 1e-9);
        if (!definite) fail_msg("model %d, kind %d, way %d is not definite", models[m], kind, way);
        free(inverse);
        TestCall(PCDestroy(&pc));
        FreeProblem(&p);
      }
}

/* B = A - M A: one factor more of (I - M C)(I - M' C)...; all [n * n] */
static void Damp(int n, const double *MC, const double *A, double *B)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      B[i * n + j] = A[i * n + j];
      for (int l = 0; l < n; l++) B[i * n + j] -= MC[i * n + l] * A[l * n + j];
    }
}

/* I - M^-1 C = (I - P C)(I - S C)(I - P C), P and S being the parts of the additive one; P is exact, so nothing is damped */
static void test_the_multiplicative_combination_is_one_after_another(void **state)
{
  Problem      p        = MakeProblem(MANY, COMPLETE[0], COMPLETE[1], "");
  PC           both     = MakePC(&p, "merit_fixed", MERIT_SNP_NYSTROM, 64, 16, false);
  PC           one      = MakePC(&p, "merit_fixed", MERIT_SNP_NYSTROM, 64, 16, true);
  const size_t size_all = sizeof(double) * (size_t)p.n * (size_t)p.n;
  double      *sum = DensePC(&p, both), *product = DensePC(&p, one), *C = ToDense(&p);
  double      *PC_ = calloc(1, size_all), *SC = calloc(1, size_all), *A = calloc(1, size_all), *B = malloc(size_all);

  (void)state;
  for (int i = 0; i < p.n; i++)
    for (int j = 0; j < p.n; j++)
      for (int l = 0; l < p.n; l++) (IsSnp(&p, i) ? SC : PC_)[i * p.n + j] += sum[i * p.n + l] * C[l * p.n + j];
  for (int i = 0; i < p.n; i++) A[i * p.n + i] = 1.0;
  Damp(p.n, PC_, A, B);
  Damp(p.n, SC, B, A);
  Damp(p.n, PC_, A, B);
  for (int i = 0; i < p.n; i++)
    for (int j = 0; j < p.n; j++) {
      double value = (double)(i == j);

      for (int l = 0; l < p.n; l++) value -= product[i * p.n + l] * C[l * p.n + j];
      assert_true(fabs(value - B[i * p.n + j]) < 1e-7);
    }
  free(sum), free(product), free(C), free(PC_), free(SC), free(A), free(B);
  TestCall(PCDestroy(&both));
  TestCall(PCDestroy(&one));
  FreeProblem(&p);
}

static void test_all_kinds_lead_to_the_solution(void **state)
{
  (void)state;
  for (int m = 2; m < 6; m += m == 2 ? 2 : 1) {
    Problem          p = MakeProblem(DATA[m], MODELS[m][0], MODELS[m][1], "");
    double          *r = malloc(sizeof(double) * ((size_t)p.n_owned + 1)), *dense = ToDense(&p), *r_all, *exact;
    MeritSolveResult result;

    TestCall(MeritMMERightHandSide(p.C, r));
    r_all = ToAll(&p, r);
    exact = DenseSolution(&p, dense, r_all);
    for (int kind = 0; kind < 8; kind++) {
      static const char *const words[] = {"auto", "diagonal", "blocks", "nystrom"};
      double                  *x       = calloc((size_t)p.n_owned + 1, sizeof(double)), *all;
      MeritSolver              s       = MakeSolver(&p, "pcg", 1e-12, 1000);
      char                     text[200];
      MeritNode                job;

      snprintf(text, sizeof(text), "solver: {snp: %s, snp_block: 10, nystrom_rank: 9, combine: %s, rtol: 1.0e-12, max_it: 1000}", words[kind % 4],
               kind / 4 ? "multiplicative" : "additive");
      TestCall(MeritConfigParse("job.yaml", text, strlen(text), &job));
      TestCall(MeritSolverSetFromConfig(s, job));
      TestCall(MeritSolverSolve(s, 1, r, x, &result));
      assert_true(result.stop == MERIT_STOP_CONVERGED || result.stop == MERIT_STOP_ROUNDING_FLOOR);
      all = ToAll(&p, x);
      assert_true(Distance(&p, all, exact, exact) < 1e-8);
      TestCall(MeritSolverDestroy(&s));
      TestCall(MeritConfigDestroy(&job));
      free(x), free(all);
    }
    free(r), free(dense), free(r_all), free(exact);
    FreeProblem(&p);
  }
}

static void test_extreme_eigenvalues_and_the_error_bound_are_those_of_dense_matrices(void **state)
{
  Problem          p = MakeProblem(FEW, ONE_TRAIT[0], ONE_TRAIT[1], "");
  double          *r = malloc(sizeof(double) * ((size_t)p.n_owned + 1)), *C = ToDense(&p), *r_all, *exact, *A, *lambda;
  const double     goal[] = {1e-13, 1e-4, 1e-2};
  MeritSolveResult result;

  (void)state;
  assert_true(p.n > 0);
  TestCall(MeritMMERightHandSide(p.C, r));
  r_all = ToAll(&p, r), exact = DenseSolution(&p, C, r_all);
  A = malloc(sizeof(double) * (size_t)(p.n * p.n)), lambda = malloc(sizeof(double) * (size_t)p.n);
  for (int i = 0; i < p.n; i++)
    for (int j = 0; j < p.n; j++) A[i * p.n + j] = C[i * p.n + j] / sqrt(C[i * p.n + i] * C[j * p.n + j]);
  Eigenvalues(p.n, A, lambda);
  for (int g = 0; g < 3; g++) {
    double     *x = calloc((size_t)p.n_owned + 1, sizeof(double)), *all, error = 0.0, norm = 0.0;
    MeritSolver s = MakeSolver(&p, "pcg", goal[g], 1000);

    TestCall(MeritSolverSetPreconditioner(s, "jacobi"));
    TestCall(MeritSolverSolve(s, 1, r, x, &result));
    all = ToAll(&p, x);
    for (int i = 0; i < p.n; i++)
      for (int j = 0; j < p.n; j++) {
        error += (all[i] - exact[i]) * C[i * p.n + j] * (all[j] - exact[j]);
        norm += exact[i] * C[i * p.n + j] * exact[j];
      }
    if (!g) {
      assert_true(fabs(result.lambda_min / lambda[0] - 1.0) < 1e-3);
      assert_true(fabs(result.lambda_max / lambda[p.n - 1] - 1.0) < 1e-6);
    } else { /* Ritz values lie within the spectrum; so early the least may still be too large, hence the margin */
      assert_true(result.lambda_min >= lambda[0] * (1 - 1e-9) && result.lambda_max <= lambda[p.n - 1] * (1 + 1e-9));
      assert_true(sqrt(error / norm) <= 2.0 * result.error_bound);
      assert_true(result.error_bound < 1e4 * goal[g]);
    }
    TestCall(MeritSolverDestroy(&s));
    free(x), free(all);
  }
  free(r), free(C), free(r_all), free(exact), free(A), free(lambda);
  FreeProblem(&p);
}

/* W: sums of the equations of each term; C W by our products, W'C W from it */
static void MakeSpace(const Problem *p, Mat *W, Mat *WtA, Mat *WtAW)
{
  const int k = p->n_terms;
  double   *x = calloc((size_t)(p->n_owned * k) + 1, sizeof(double)), *y = calloc((size_t)(p->n_owned * k) + 1, sizeof(double));
  PetscInt  first;
  Mat       AW;

  for (int t = 0; t < k; t++)
    for (int32_t i = 0; i < p->term[t].n_owned * p->term[t].n_eq; i++)
      if (MeritModelEquationState(p->model)[p->term[t].eq_owned + i] == MERIT_EQ_OK) x[(p->term[t].eq_owned + i) * k + t] = 1.0;
  TestCall(MeritMMEApplyBlock(p->C, k, x, y));
  TestCall(MatCreateAIJ(PETSC_COMM_WORLD, p->n_owned, PETSC_DECIDE, PETSC_DETERMINE, k, k, NULL, k, NULL, W));
  TestCall(MatDuplicate(*W, MAT_DO_NOT_COPY_VALUES, &AW));
  TestCall(MatGetOwnershipRange(*W, &first, NULL));
  for (PetscInt i = 0; i < p->n_owned; i++)
    for (PetscInt t = 0; t < k; t++) {
      if (x[i * k + t] != 0.0) TestCall(MatSetValue(*W, first + i, t, x[i * k + t], INSERT_VALUES));
      TestCall(MatSetValue(AW, first + i, t, y[i * k + t], INSERT_VALUES));
    }
  TestCall(MatAssemblyBegin(*W, MAT_FINAL_ASSEMBLY));
  TestCall(MatAssemblyEnd(*W, MAT_FINAL_ASSEMBLY));
  TestCall(MatAssemblyBegin(AW, MAT_FINAL_ASSEMBLY));
  TestCall(MatAssemblyEnd(AW, MAT_FINAL_ASSEMBLY));
  TestCall(MatTranspose(AW, MAT_INITIAL_MATRIX, WtA));
  TestCall(MatMatMult(*WtA, *W, MAT_INITIAL_MATRIX, PETSC_DEFAULT, WtAW));
  TestCall(MatDestroy(&AW));
  free(x), free(y);
}

static void test_deflation_of_petsc_takes_a_space_of_ones_own(void **state)
{
  Problem  p = MakeProblem(FEW, ONE_TRAIT[0], ONE_TRAIT[1], "");
  Mat      W, WtA, WtAW;
  Vec      r, x;
  KSP      ksp;
  PC       pc, inner;
  double  *a, *all, *r_all, *exact, *dense = ToDense(&p);
  PetscInt its[2];

  (void)state;
  MakeSpace(&p, &W, &WtA, &WtAW);
  TestCall(MatCreateVecs(p.C, &x, &r));
  TestCall(VecGetArray(r, &a));
  TestCall(MeritMMERightHandSide(p.C, a));
  r_all = ToAll(&p, a);
  exact = DenseSolution(&p, dense, r_all);
  TestCall(VecRestoreArray(r, &a));
  for (int deflate = 0; deflate < 2; deflate++) {
    TestCall(KSPCreate(PETSC_COMM_WORLD, &ksp));
    TestCall(KSPSetOperators(ksp, p.C, p.C));
    TestCall(KSPSetType(ksp, KSPFCG));
    TestCall(KSPSetTolerances(ksp, 1e-11, 0.0, PETSC_DEFAULT, 500));
    TestCall(KSPGetPC(ksp, &pc));
    TestCall(PCSetType(pc, deflate ? PCDEFLATION : PCJACOBI));
    if (deflate) {
      TestCall(PCDeflationSetSpace(pc, W, PETSC_FALSE));
      TestCall(PCDeflationSetProjectionNullSpaceMat(pc, WtA));
      TestCall(PCDeflationSetCoarseMat(pc, WtAW));
      TestCall(KSPSetUp(ksp));
      TestCall(PCDeflationGetPC(pc, &inner));
      TestCall(PCSetType(inner, PCJACOBI));
    }
    TestCall(VecSet(x, 0.0));
    TestCall(KSPSolve(ksp, r, x));
    TestCall(KSPGetIterationNumber(ksp, &its[deflate]));
    TestCall(VecGetArray(x, &a));
    all = ToAll(&p, a);
    TestCall(VecRestoreArray(x, &a));
    assert_true(Distance(&p, all, exact, exact) < 1e-7);
    free(all);
    TestCall(KSPDestroy(&ksp));
  }
  assert_true(its[1] < its[0]);
  TestCall(MatDestroy(&W));
  TestCall(MatDestroy(&WtA));
  TestCall(MatDestroy(&WtAW));
  TestCall(VecDestroy(&x));
  TestCall(VecDestroy(&r));
  free(r_all), free(exact), free(dense);
  FreeProblem(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_full_sketch_inverts_the_equations_of_snps_whatever_the_variances),
    cmocka_unit_test(test_few_directions_are_the_first_eigenvectors_and_a_floor),
    cmocka_unit_test(test_blocks_are_those_of_the_equations),
    cmocka_unit_test(test_every_combination_is_symmetric_and_definite),
    cmocka_unit_test(test_the_multiplicative_combination_is_one_after_another),
    cmocka_unit_test(test_all_kinds_lead_to_the_solution),
    cmocka_unit_test(test_extreme_eigenvalues_and_the_error_bound_are_those_of_dense_matrices),
    cmocka_unit_test(test_deflation_of_petsc_takes_a_space_of_ones_own),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)
