/* Sweeps with a visitor that draws, against a textbook sweep over the dense equations: what each block is given, and what it becomes. */
#include "../solve/gsru_order.h"
#include <merit/sweep.h>
#include <omp.h>

enum { MOST_EQ = 2 };

/* What the visitor saw and chose, by canonical equation */
typedef struct {
  Case   *c;
  int     sweep;
  int    *visits;              /* [n] */
  double *mean, *root, *value; /* [n], [n * MOST_EQ], [n] */
} Seen;

/* Any number that depends on equation and sweep alone, in place of a random one */
static double Noise(int number, int sweep) { return 3.0 * sin(12.9898 * (number + 1) + 78.233 * sweep); }

/* mean + root z */
static void Draw(const MeritSweepBlock *b, double value[], void *ctx)
{
  Seen     *seen  = (Seen *)ctx;
  const int first = seen->c->p.base[b->term] + (int)b->level * b->n;

  for (int i = 0; i < b->n; i++) {
    seen->visits[first + i]++;
    seen->mean[first + i] = b->mean[i];
    if (value[i] != b->mean[i]) seen->visits[first + i] = 1000;
    for (int j = 0; j < b->n; j++) {
      seen->root[(first + i) * MOST_EQ + j] = b->root[i * b->n + j];
      value[i] += b->root[i * b->n + j] * Noise(first + j, seen->sweep);
    }
    seen->value[first + i] = value[i];
  }
}

static Seen MakeSeen(Case *c)
{
  const size_t n = (size_t)c->p.n + 1;
  Seen         s = {c, 0, calloc(n, sizeof(int)), calloc(n, sizeof(double)), calloc(n * MOST_EQ, sizeof(double)), calloc(n, sizeof(double))};

  return s;
}

static void FreeSeen(Seen *s) { free(s->visits), free(s->mean), free(s->root), free(s->value); }

/* One answer out of those of all ranks: a level's is its owner's; a column's is the same on all ranks to the bit */
static void OfAllRanks(Seen *s)
{
  const int n     = s->c->p.n;
  double   *least = malloc(sizeof(double) * ((size_t)n + 1));

  MPI_Allreduce(s->value, least, n, MPI_DOUBLE, MPI_MIN, PETSC_COMM_WORLD);
  for (int i = 0; i < n; i++) {
    int          visits;
    const int    mine  = s->visits[i];
    const double whole = s->value[i];

    MPI_Allreduce(&mine, &visits, 1, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
    assert_true(visits == 1 || visits == size);
    if (visits == size) {
      assert_true(whole == least[i]);
      continue;
    }
    MPI_Allreduce(MPI_IN_PLACE, s->mean + i, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, s->root + i * MOST_EQ, MOST_EQ, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  }
  free(least);
}

/* Lower F with F F' = A^-1 of the block of equations index[m] of the dense matrix */
static void DenseRoot(int n, const double *dense, int m, const int *index, double *F)
{
  double inverse[MOST_EQ * MOST_EQ];

  for (int j = 0; j < m; j++) {
    double unit[MOST_EQ] = {0.0};

    unit[j] = 1.0;
    Eliminate(n, dense, m, index, unit);
    for (int i = 0; i < m; i++) inverse[i * m + j] = unit[i];
  }
  memset(F, 0, sizeof(double) * MOST_EQ * MOST_EQ);
  F[0] = sqrt(inverse[0]);
  if (m == 1) return;
  F[m]     = inverse[m] / F[0];
  F[m + 1] = sqrt(inverse[m + 1] - F[m] * F[m]);
}

/* Canonical equations that are constrained: rows of the identity that no other level couples with */
static bool *Constrained(const Case *c)
{
  bool          *constrained = calloc((size_t)c->p.n + 1, sizeof(bool));
  double        *own         = malloc(sizeof(double) * ((size_t)c->p.n_owned + 1)), *all;
  const uint8_t *state;

  TestCall(MeritMMEEquationState(c->p.C, &state));
  for (int32_t i = 0; i < c->p.n_owned; i++) own[i] = state[i] != MERIT_EQ_OK;
  all = ToAll(&c->p, own);
  for (int i = 0; i < c->p.n; i++) constrained[i] = all[i] > 0.5;
  free(own), free(all);
  return constrained;
}

static void AssertNear(double a, double b, double scale) { assert_true(fabs(a - b) <= 1e-9 * scale); }

/* One sweep over a term of the textbook's kind that compares what the visitor saw with the equations, and draws as it did */
static void CompareTerm(const Case *c, int k, const int *order, const bool *constrained, const Seen *seen, double *x)
{
  const int n_eq = c->p.term[k].n_eq, n = (int)c->p.term[k].n_levels;
  double    most = 1.0;

  for (int i = c->p.base[k]; i < c->p.base[k + 1]; i++) most = fmax(most, fabs(seen->mean[i]));
  for (int turn = 0; turn < n; turn++) {
    const int level = order[turn], first = c->p.base[k] + level * n_eq;
    int       index[MOST_EQ];
    double    d[MOST_EQ], root[MOST_EQ * MOST_EQ], value[MOST_EQ];

    for (int e = 0; e < n_eq; e++) {
      index[e] = first + e;
      d[e]     = c->r_all[first + e];
      for (int j = 0; j < c->p.n; j++) d[e] -= c->dense[(first + e) * c->p.n + j] * x[j];
    }
    Eliminate(c->p.n, c->dense, n_eq, index, d);
    DenseRoot(c->p.n, c->dense, n_eq, index, root);
    for (int e = 0; e < n_eq; e++) {
      value[e] = x[first + e] + d[e];
      AssertNear(seen->mean[first + e], value[e], most);
      for (int j = 0; j < n_eq; j++) {
        AssertNear(seen->root[(first + e) * MOST_EQ + j], root[e * n_eq + j], root[0]);
        value[e] += root[e * n_eq + j] * Noise(first + j, seen->sweep);
      }
    }
    for (int e = 0; e < n_eq; e++) x[first + e] = constrained[first + e] ? 0.0 : value[e];
  }
}

/* Sweeps of the visitor on c, and those of the textbook on the dense equations, from where both are */
static void CompareDraws(Case *c, MeritSweep sweep, int model, int n_sweeps, double *x)
{
  bool *constrained = Constrained(c);
  int  *order[8];

  for (int k = 0; k < c->p.n_terms; k++) order[k] = SweepOrder(&c->p, k, model == 1);
  for (int i = 0; i < n_sweeps; i++) {
    Seen    seen = MakeSeen(c);
    double *mine;

    seen.sweep = i;
    TestCall(MeritSweepSetVisitor(sweep, Draw, &seen));
    TestCall(MeritSweepRun(sweep, c->x, NULL));
    OfAllRanks(&seen);
    for (int k = 0; k < c->p.n_terms; k++) CompareTerm(c, k, order[k], constrained, &seen, x);
    mine = ToAll(&c->p, c->x);
    assert_true(Distance(&c->p, mine, x, x) < 1e-9);
    free(mine);
    FreeSeen(&seen);
  }
  for (int k = 0; k < c->p.n_terms; k++) free(order[k]);
  free(constrained);
}

static MeritSweep MakeSweep(const Case *c, int32_t block)
{
  MeritSweep s;

  TestCall(MeritSweepCreate(c->p.C, &s));
  TestCall(MeritSweepSetBlock(s, block));
  TestCall(MeritSweepSetUp(s));
  return s;
}

/* The residuals that the sweep has kept are those of x, with observations y */
static void CheckResiduals(const Case *c, MeritSweep s, const double *y)
{
  const MeritRecordsView *records = MeritModelRecords(c->p.model);
  const size_t            n       = (size_t)records->n_records * (size_t)records->n_traits;
  double                 *fitted  = malloc(sizeof(double) * (n + 1)), *e;

  TestCall(MeritMMEFitted(c->p.C, c->x, fitted));
  TestCall(MeritSweepResiduals(s, &e));
  for (size_t i = 0; i < n; i++) assert_true(fabs(e[i] - (y[i] - fitted[i])) <= 1e-9 * (1.0 + fabs(fitted[i])));
  free(fitted);
}

static void test_a_visitor_gets_conditional_means_and_roots_and_its_draws_are_taken(void **state)
{
  (void)state;
  for (int model = 0; model < 6; model++) {
    Case       c = MakeCase(model);
    MeritSweep s = MakeSweep(&c, model == 2 ? 7 : 64);
    double    *x = calloc((size_t)c.p.n + 1, sizeof(double));

    CompareDraws(&c, s, model, 3, x);
    CheckResiduals(&c, s, MeritModelRecords(c.p.model)->y);
    TestCall(MeritSweepDestroy(&s));
    free(x);
    FreeCase(&c);
  }
}

static void test_draws_are_the_same_with_several_threads(void **state)
{
  const int n_threads = omp_get_max_threads();

  (void)state;
  omp_set_num_threads(3);
  for (int model = 2; model < 5; model += 2) {
    Case       c = MakeCase(model);
    MeritSweep s = MakeSweep(&c, 64);
    double    *x = calloc((size_t)c.p.n + 1, sizeof(double));

    CompareDraws(&c, s, model, 2, x);
    TestCall(MeritSweepDestroy(&s));
    free(x);
    FreeCase(&c);
  }
  omp_set_num_threads(n_threads);
}

/* Equations and right-hand side anew */
static void TakeEquations(Case *c)
{
  free(c->dense), free(c->r_all);
  TestCall(MeritMMERefresh(c->p.C));
  TestCall(MeritMMERightHandSide(c->p.C, c->r));
  c->dense = ToDense(&c->p);
  c->r_all = ToAll(&c->p, c->r);
}

/* Variances of the two-trait models times these factors; R_xy, the residual covariance, too */
static void ChangeVariances(Case *c, double g, double R_xx, double R_xy)
{
  const double  snp[] = {0.6 * g, 0.1, 0.1, 0.2 * g}, ridge[] = {9 * g, 1, 1, 2 * g}, ped[] = {20 * g, 2, 2, 5 * g};
  const double  R[]  = {40 * R_xx, 5 * R_xy, 5 * R_xy, 10 * R_xx};
  const double *G[8] = {NULL}, *residual[] = {R};

  for (int k = 0; k < c->p.n_terms; k++)
    G[k] = c->p.term[k].kind == MERIT_TERM_SNP     ? snp
           : c->p.term[k].kind == MERIT_TERM_RIDGE ? ridge
           : c->p.term[k].kind == MERIT_TERM_PED   ? ped
                                                   : NULL;
  TestCall(MeritModelSetVariances(c->p.model, G, residual));
}

static void test_new_variances_are_seen_without_being_told(void **state)
{
  const double change[5][3] = {{1.5, 1.0, 1.0}, {1.5, 1.7, 1.7}, {0.7, 0.4, 0.4}, {0.7, 1.2, 0.3}, {2.0, 1.0, 1.0}};
  Case         c            = MakeCase(2);
  MeritSweep   s            = MakeSweep(&c, 64);
  double      *x = calloc((size_t)c.p.n + 1, sizeof(double)), *other = malloc(sizeof(double) * ((size_t)c.p.n_owned + 1));

  (void)state;
  CompareDraws(&c, s, 2, 1, x);
  for (int i = 0; i < 5; i++) {
    MeritSweep fresh;
    Seen       seen;
    double    *a, *b;

    ChangeVariances(&c, change[i][0], change[i][1], change[i][2]);
    memcpy(other, c.x, sizeof(double) * (size_t)c.p.n_owned);
    TakeEquations(&c);
    CompareDraws(&c, s, 2, 1, x); /* the same sweep goes on */
    fresh = MakeSweep(&c, 64);    /* one that has known no others */
    seen  = MakeSeen(&c);
    TestCall(MeritSweepRefresh(fresh, other));
    TestCall(MeritSweepSetVisitor(fresh, Draw, &seen));
    TestCall(MeritSweepRun(fresh, other, NULL));
    a = ToAll(&c.p, c.x), b = ToAll(&c.p, other);
    assert_true(Distance(&c.p, a, b, b) < 1e-11);
    free(a), free(b);
    FreeSeen(&seen);
    TestCall(MeritSweepDestroy(&fresh));
  }
  TestCall(MeritSweepDestroy(&s));
  free(x), free(other);
  FreeCase(&c);
}

/* A singular matrix becomes another: x has another meaning, and the residuals follow */
static void test_residuals_follow_new_roots_of_singular_variances(void **state)
{
  const double snp[] = {0.1, 0.2, 0.2, 0.4}, ridge[] = {1, 2, 2, 4}, ped[] = {5, 10, 10, 20}, iid[] = {3, 0, 0, 0};
  const double R[] = {50, 5, 5, 20}, *G[8] = {NULL}, *residual[] = {R};
  Case         c = MakeCase(3);
  MeritSweep   s = MakeSweep(&c, 64);
  double      *x = calloc((size_t)c.p.n + 1, sizeof(double));

  (void)state;
  CompareDraws(&c, s, 3, 1, x);
  for (int k = 0; k < c.p.n_terms; k++)
    G[k] = c.p.term[k].kind == MERIT_TERM_SNP     ? snp
           : c.p.term[k].kind == MERIT_TERM_RIDGE ? ridge
           : c.p.term[k].kind == MERIT_TERM_PED   ? ped
           : c.p.term[k].kind == MERIT_TERM_IID   ? iid
                                                  : NULL;
  TestCall(MeritModelSetVariances(c.p.model, G, residual));
  TakeEquations(&c);
  CompareDraws(&c, s, 3, 2, x);
  CheckResiduals(&c, s, MeritModelRecords(c.p.model)->y);
  TestCall(MeritSweepDestroy(&s));
  free(x);
  FreeCase(&c);
}

/* Precision of a level, the same for all of its equations */
static double Precision(int level) { return 0.05 * (0.5 + 0.4 * (1.0 + sin(3.7 * level))); }

static bool ByColumns(const MeritTermView *t) { return t->kind == MERIT_TERM_SNP || t->kind == MERIT_TERM_RIDGE; }

/* Give all terms but the pedigree precisions by level */
static void SetPrecisions(const Case *c, MeritSweep s)
{
  for (int k = 0; k < c->p.n_terms; k++) {
    const MeritTermView *t = &c->p.term[k];
    const int            n = t->n_eq, n_levels = ByColumns(t) ? (int)t->n_levels : t->n_owned;
    double              *P;

    if (t->kind == MERIT_TERM_PED) continue;
    P = calloc((size_t)(n_levels * n * n) + 1, sizeof(double));
    for (int i = 0; i < n_levels; i++)
      for (int e = 0; e < n; e++) P[(i * n + e) * n + e] = Precision(ByColumns(t) ? i : (int)t->canonical[i]);
    TestCall(MeritSweepSetPrecisions(s, k, P));
    free(P);
  }
}

/* The dense equations with them */
static void AddPrecisions(Case *c, const bool *constrained)
{
  for (int k = 0; k < c->p.n_terms; k++) {
    const MeritTermView *t = &c->p.term[k];
    const int            n = t->n_eq;

    for (int i = 0; t->kind != MERIT_TERM_PED && i < (int)t->n_levels * n * n; i++) {
      const int row = c->p.base[k] + i / n, column = c->p.base[k] + i / (n * n) * n + i % n;

      if (constrained[row] || constrained[column]) continue;
      c->dense[row * c->p.n + column] += row == column ? Precision(i / (n * n)) : 0.0;
      if (t->G_inverse) c->dense[row * c->p.n + column] -= t->G_inverse[i % (n * n)];
    }
  }
}

static void test_levels_and_columns_may_have_precisions_of_their_own(void **state)
{
  const int models[] = {0, 1, 2, 4};

  (void)state;
  for (int m = 0; m < 4; m++) {
    const int  model       = models[m];
    Case       c           = MakeCase(model);
    MeritSweep s           = MakeSweep(&c, 64);
    bool      *constrained = Constrained(&c);
    double    *x           = calloc((size_t)c.p.n + 1, sizeof(double));

    SetPrecisions(&c, s);
    AddPrecisions(&c, constrained);
    CompareDraws(&c, s, model, 2, x);
    if (model == 2) { /* they stay when variances change */
      ChangeVariances(&c, 1.3, 1.4, 1.4);
      TakeEquations(&c);
      AddPrecisions(&c, constrained);
      CompareDraws(&c, s, model, 1, x);
    }
    for (int k = 0; k < c.p.n_terms; k++) TestCall(MeritSweepSetPrecisions(s, k, NULL));
    TakeEquations(&c);
    CompareDraws(&c, s, model, 1, x);
    TestCall(MeritSweepDestroy(&s));
    free(x), free(constrained);
    FreeCase(&c);
  }
}

static void test_related_levels_have_no_precisions_of_their_own(void **state)
{
  Case         c   = MakeCase(0);
  MeritSweep   s   = MakeSweep(&c, 64);
  const double one = 1.0;

  (void)state;
  for (int k = 0; k < c.p.n_terms; k++)
    if (c.p.term[k].kind == MERIT_TERM_PED) {
      assert_int_not_equal((int)MeritSweepSetPrecisions(s, k, &one), 0);
      MeritErrorClear();
    }
  TestCall(MeritSweepDestroy(&s));
  FreeCase(&c);
}

static void test_other_observations_can_take_their_place(void **state)
{
  (void)state;
  for (int model = 1; model < 5; model++) {
    Case                    c       = MakeCase(model);
    const MeritRecordsView *records = MeritModelRecords(c.p.model);
    const size_t            n       = (size_t)records->n_records * (size_t)records->n_traits;
    MeritSweep              s       = MakeSweep(&c, 64);
    double                 *x = calloc((size_t)c.p.n + 1, sizeof(double)), *y = malloc(sizeof(double) * (n + 1));

    CompareDraws(&c, s, model, 1, x);
    for (size_t i = 0; i < n; i++) y[i] = 0.3 * records->y[i] + sin(0.37 * (double)i);
    TestCall(MeritMMEProject(c.p.C, 1, y, c.r));
    free(c.r_all);
    c.r_all = ToAll(&c.p, c.r);
    TestCall(MeritSweepSetObservations(s, y));
    CompareDraws(&c, s, model, 2, x);
    CheckResiduals(&c, s, y);
    TestCall(MeritSweepDestroy(&s));
    free(x), free(y);
    FreeCase(&c);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_visitor_gets_conditional_means_and_roots_and_its_draws_are_taken),
    cmocka_unit_test(test_draws_are_the_same_with_several_threads),
    cmocka_unit_test(test_new_variances_are_seen_without_being_told),
    cmocka_unit_test(test_residuals_follow_new_roots_of_singular_variances),
    cmocka_unit_test(test_levels_and_columns_may_have_precisions_of_their_own),
    cmocka_unit_test(test_related_levels_have_no_precisions_of_their_own),
    cmocka_unit_test(test_other_observations_can_take_their_place),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)
