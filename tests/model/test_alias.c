/*
  Redundant fixed equations: random models with crossed, nested and disconnected classes, covariates that depend on them and slopes, against
  Gram-Schmidt on X itself in long double; by the dense search and by graphs and null vectors.
*/
#include <math.h>
#include <merit/random.h>
#include <model_files.h>

enum { MOST = 70, CLASSES = 4, COVARIATES = 3, TERMS = 9, ROOM = 400, MODELS = 24 };

/* One term: its classes (a bit each), and its covariate or -1 */
typedef struct {
  unsigned classes;
  int      covariate;
} Term;

typedef struct {
  int  n, n_terms;
  bool intercept;
  int  level[MOST][CLASSES];
  int  x[MOST][COVARIATES];
  bool seen[MOST][2]; /* traits */
  Term term[TERMS];
} Draw;

static uint32_t turn;

static int Below(int model, int n)
{
  const MeritRandomKey key = {.seed = 20, .purpose = 1, .level = (uint64_t)model};

  return (int)MeritRandomBelow(&key, turn++, (uint64_t)n);
}

/* Classes within parts of the data, one class nested in another, covariates that follow from classes or each other */
static Draw Make(int model)
{
  Draw d     = {.n = 8 + Below(model, MOST - 8), .n_terms = 2 + Below(model, TERMS - 2), .intercept = Below(model, 5) > 0};
  int  parts = 1 + Below(model, 3), levels[CLASSES];

  for (int c = 0; c < CLASSES; c++) levels[c] = 2 + Below(model, 9);
  for (int i = 0; i < d.n; i++) {
    const int part = Below(model, parts);

    for (int c = 0; c < CLASSES; c++) d.level[i][c] = c % 2 ? Below(model, levels[c]) : part * levels[c] + Below(model, levels[c]);
    if (Below(model, 3) == 0) d.level[i][1] = d.level[i][0] % levels[1];
    d.x[i][0] = 5 + Below(model, 12);
    d.x[i][1] = model % 2 ? 3 * d.level[i][2] + 1 : Below(model, 50);
    d.x[i][2] = model % 3 ? 2 * d.x[i][0] - d.x[i][1] : Below(model, 4);
    for (int t = 0; t < 2; t++) d.seen[i][t] = t == 0 || Below(model, 4) > 0;
  }
  for (int k = 0; k < d.n_terms; k++) {
    bool again;

    do { /* no term twice */
      d.term[k] = (Term){1U << Below(model, CLASSES), -1};
      if (Below(model, 4) == 0) d.term[k].classes |= 1U << Below(model, CLASSES);
      if (Below(model, 3) == 0) d.term[k].covariate = Below(model, COVARIATES);
      if (d.term[k].covariate >= 0 && Below(model, 2)) d.term[k].classes = 0;
      again = false;
      for (int j = 0; j < k; j++) again = again || (d.term[j].classes == d.term[k].classes && d.term[j].covariate == d.term[k].covariate);
    } while (again);
  }
  return d;
}

static void Formula(const Draw *d, char *to)
{
  strcat(to, d->intercept ? "1" : "0");
  for (int k = 0; k < d->n_terms; k++) {
    const char *between = " + ";

    for (int c = 0; c < CLASSES; c++)
      if (d->term[k].classes >> c & 1) sprintf(to + strlen(to), "%sc%d", between, c), between = ":";
    if (d->term[k].covariate >= 0) sprintf(to + strlen(to), "%scov(x%d)", between, d->term[k].covariate);
  }
}

static void Write(TestModel *t, const Draw *d, char *job)
{
  static char text[MOST * 100];
  size_t      at = (size_t)sprintf(text, "c0,c1,c2,c3,x0,x1,x2,y0,y1\n");

  for (int i = 0; i < d->n; i++) {
    for (int c = 0; c < CLASSES; c++) at += (size_t)sprintf(text + at, "%02d,", d->level[i][c]);
    for (int c = 0; c < COVARIATES; c++) at += (size_t)sprintf(text + at, "%d,", d->x[i][c]);
    at += (size_t)sprintf(text + at, d->seen[i][1] ? "%d,%d\n" : "%d,NA\n", i * i % 17, i % 7);
  }
  TestWriteFile(t, "r.csv", text);
  strcpy(job, "records: {file: r.csv}\nvariances: {residual: [[2, 1], [1, 3]]}\nmodel:\n");
  for (int y = 0; y < 2; y++) {
    sprintf(job + strlen(job), "  - \"y%d ~ ", y);
    Formula(d, job + strlen(job));
    strcat(job, "\"\n");
  }
}

/* The label of a record's level of a term: its classes' with colons, "1" without */
static void Label(const Draw *d, const Term *term, int i, char *to)
{
  *to = 0;
  for (int c = 0; c < CLASSES; c++)
    if (term->classes >> c & 1) sprintf(to + strlen(to), "%s%02d", *to ? ":" : "", d->level[i][c]);
  if (!*to) strcpy(to, "1");
}

/* Column of a level: values of the records that have it and the trait; how many */
static int Column(const Draw *d, const Term *term, int trait, const char *label, long double *x)
{
  int count = 0;

  for (int i = 0; i < d->n; i++) {
    char own[32];

    Label(d, term, i, own);
    x[i] = 0.0L;
    if (!d->seen[i][trait] || strcmp(own, label) != 0) continue;
    x[i] = term->covariate < 0 ? 1.0L : (long double)d->x[i][term->covariate];
    count++;
  }
  return count;
}

/* Orthonormal columns so far */
typedef struct {
  int         n, p;
  long double q[MOST][MOST];
} Basis;

/* Add a column; does it depend on those before it? */
static bool Depends(Basis *b, long double *x)
{
  long double before = 0.0L, after = 0.0L;

  for (int i = 0; i < b->n; i++) before += x[i] * x[i];
  for (int times = 0; times < 3; times++)
    for (int j = 0; j < b->p; j++) {
      long double product = 0.0L;

      for (int i = 0; i < b->n; i++) product += b->q[j][i] * x[i];
      for (int i = 0; i < b->n; i++) x[i] -= product * b->q[j][i];
    }
  for (int i = 0; i < b->n; i++) after += x[i] * x[i];
  if (b->p == b->n || after <= 1e-20L * before) return true;
  for (int i = 0; i < b->n; i++) b->q[b->p][i] = x[i] / sqrtl(after);
  b->p++;
  return false;
}

/* State of every level of a term of the model for a trait, by canonical number, on all ranks; 255 where there is none */
static void States(MeritModel model, int k, int component, int64_t n, uint8_t *state)
{
  const MeritTermView *view;

  MeritModelTerms(model, &view);
  view += k;
  memset(state, 0, (size_t)n);
  for (int32_t i = 0; i < view->n_owned; i++) state[view->canonical[i]] = MeritModelEquationState(model)[view->eq_owned + i * view->n_eq + component];
  MPI_Allreduce(MPI_IN_PLACE, state, (int)n, MPI_UINT8_T, MPI_MAX, PETSC_COMM_WORLD);
}

/* All levels of one term for one trait */
static void CheckTerm(const Draw *d, MeritModel model, int number, const Term *term, int k, int trait, Basis *b)
{
  const MeritTermView *view;
  int64_t              number_of[ROOM], *start, n;
  uint8_t              state[ROOM];
  char                *labels;

  MeritModelTerms(model, &view);
  n = view[k].n_levels;
  assert_true(n <= ROOM);
  for (int64_t i = 0; i < n; i++) number_of[i] = i;
  TestCall(MeritModelLabels(model, k, n, number_of, &labels, &start));
  States(model, k, trait, n, state);
  for (int64_t i = 0; i < n; i++) {
    char        label[32] = "";
    long double x[MOST];
    int         count, right;

    memcpy(label, labels + start[i], (size_t)(start[i + 1] - start[i]));
    count = Column(d, term, trait, label, x);
    right = !count ? MERIT_EQ_ABSENT : Depends(b, x) ? MERIT_EQ_ALIASED : MERIT_EQ_OK;
    if (state[i] != right) {
      char formula[300] = "";

      Formula(d, formula);
      fail_msg("model %d (%s), trait %d, `%s`, level %s: state %d, not %d", number, formula, trait, MeritModelFormula(model)->term[k].label, label,
               state[i], right);
    }
  }
  TestCall(PetscFree(labels));
  TestCall(PetscFree(start));
}

/* Terms of the formula that are not the intercept stand in the order of the draw */
static void CheckModel(const Draw *d, MeritModel model, int number)
{
  static const Term   one = {0, -1};
  static Basis        b;
  const MeritFormula *formula = MeritModelFormula(model);

  for (int trait = 0; trait < 2; trait++) {
    int at = 0;

    b.n = d->n, b.p = 0;
    for (int k = 0; k < formula->n_terms; k++)
      if (formula->term[k].intercept) CheckTerm(d, model, number, &one, k, trait, &b);
    for (int k = 0; k < formula->n_terms; k++)
      if (!formula->term[k].intercept) CheckTerm(d, model, number, &d->term[at++], k, trait, &b);
  }
}

static void CheckAll(const char *most)
{
  if (most) setenv("MERIT_ALIAS_DENSE", most, 1);
  for (int number = 0; number < MODELS; number++) {
    TestModel t;
    Draw      d;
    char      job[2000];

    turn = 0;
    d    = Make(number);
    TestModelBegin(&t);
    Write(&t, &d, job);
    if (TestModelSetUp(&t, job)) fail_msg("model %d: %s\n%s", number, MeritErrorLast()->text, job);
    CheckModel(&d, t.model, number);
    TestModelEnd(&t);
  }
  unsetenv("MERIT_ALIAS_DENSE");
}

static void TestTheDenseSearchFindsWhatGramSchmidtFinds(void **state)
{
  (void)state;
  CheckAll(NULL);
}

static void TestGraphsAndNullVectorsFindTheSame(void **state)
{
  (void)state;
  CheckAll("0");
}

/* Aliased equations of a term */
static int64_t Aliased(MeritModel model, int k)
{
  const MeritTermView *view;
  int64_t              n = 0;

  MeritModelTerms(model, &view);
  for (int32_t i = 0; i < view[k].n_owned * view[k].n_eq; i++) n += MeritModelEquationState(model)[view[k].eq_owned + i] == MERIT_EQ_ALIASED;
  MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_INT64_T, MPI_SUM, PETSC_COMM_WORLD);
  return n;
}

/* The cube of a year keeps 1e-11 of its squared length after year and square; a sum of them nothing */
static void TestPowersOfAYear(void **state)
{
  static char text[40 * 80];
  TestModel   t;
  size_t      at = (size_t)sprintf(text, "a,b,c,d,g,y\n");

  (void)state;
  for (long long i = 0; i < 40; i++) {
    const long long year = 1985 + i * 7 % 36;

    at += (size_t)sprintf(text + at, "%lld,%lld,%lld,%lld,%lld,%lld\n", year, year * year, year * year * year, 3 * year - 2 * year * year, i % 3,
                          i % 5);
  }
  for (int dense = 0; dense < 2; dense++) {
    if (!dense) setenv("MERIT_ALIAS_DENSE", "0", 1);
    TestModelBegin(&t);
    TestWriteFile(&t, "r.csv", text);
    TestCall(TestModelSetUp(&t, "records: {file: r.csv}\nmodel: \"y ~ g + cov(a) + cov(b) + cov(d) + cov(c)\"\nvariances: {residual: 1}\n"));
    for (int k = 0; k < 6; k++) assert_int_equal((int)Aliased(t.model, k), k == 1 || k == 4);
    TestModelEnd(&t);
    unsetenv("MERIT_ALIAS_DENSE");
  }
}

/* Classes of more than 2,000 levels in `parts` parts, and a third that is the sum of them modulo its number of levels */
static void TestLargeCrossedClasses(void **state)
{
  enum { LEVELS = 2400, PARTS = 3, RECORDS = 12000 };
  char     *text = malloc(RECORDS * 40);
  size_t    at   = (size_t)sprintf(text, "a,b,c,x,y\n");
  TestModel t;

  (void)state;
  for (int i = 0; i < RECORDS; i++) {
    const int a = i % LEVELS, b = (a + PARTS * (i / LEVELS * (a % 37 + 1))) % LEVELS; /* a and b are equal modulo PARTS */

    at += (size_t)sprintf(text + at, "%d,%d,%d,%d,%d\n", a, b, (a + 2 * b) % 2100, a % PARTS, i % 7);
  }
  TestModelBegin(&t);
  TestWriteFile(&t, "r.csv", text);
  TestCall(TestModelSetUp(&t, "records: {file: r.csv}\nmodel: \"y ~ a + b\"\nvariances: {residual: 1}\n"));
  assert_int_equal((int)Aliased(t.model, 1), 1);
  assert_int_equal((int)Aliased(t.model, 2), PARTS);
  TestModelEnd(&t);
  /* (a + 2 b) % 2100 keeps the part, too: 2100 is a multiple of it */
  TestModelBegin(&t);
  TestWriteFile(&t, "r.csv", text);
  TestCall(TestModelSetUp(&t, "records: {file: r.csv}\nmodel: \"y ~ cov(x) + a + b + c\"\nvariances: {residual: 1}\n"));
  assert_int_equal((int)Aliased(t.model, 1), 0);
  assert_int_equal((int)Aliased(t.model, 2), 2);
  assert_int_equal((int)Aliased(t.model, 3), PARTS);
  TestModelEnd(&t);
  free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTheDenseSearchFindsWhatGramSchmidtFinds),
    cmocka_unit_test(TestGraphsAndNullVectorsFindTheSame),
    cmocka_unit_test(TestPowersOfAYear),
    cmocka_unit_test(TestLargeCrossedClasses),
};

TEST_MAIN(tests)
