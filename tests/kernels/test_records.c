/* The record kernels and the scatter against sums written out with the design matrix W and the weights V = D R^-1 D as they stand. */
#include <merit_test.h>
#include <merit/kernels.h>
#include <math.h>

enum {
  RECORDS         = 31,
  CLASSES         = 7,
  SIRES           = 11,
  MOST_TRAITS     = 9,
  MOST_REGRESSORS = 5,
  MOST_SLOTS      = (1 + CLASSES + 3 * SIRES) * MOST_TRAITS,
  MOST_K          = 9
};

/* What the model has: 1 + class + sire with a covariate (two regressors of one level) + a second sire */
enum { ONE = 1, CLASS = 2, SIRE = 4, SLOPE = 8, OTHER = 16 };

typedef struct {
  int               terms, n_traits, n_threads, n_terms, width[MOST_REGRESSORS], levels[MOST_REGRESSORS], first[MOST_REGRESSORS + 1];
  bool              general; /* coefficients, weights, several residual matrices, missing levels */
  bool              gaps;    /* traits without some of the terms */
  int32_t           n_slots, slot[MOST_REGRESSORS][RECORDS], offset[MOST_REGRESSORS][MOST_TRAITS], list_width[MOST_REGRESSORS], pattern[RECORDS];
  double            value[MOST_REGRESSORS][RECORDS], R[3 * MOST_TRAITS * MOST_TRAITS], root[RECORDS * MOST_TRAITS];
  bool              single[MOST_REGRESSORS];
  const int32_t    *slots[MOST_REGRESSORS], *offsets[MOST_REGRESSORS];
  const double     *values[MOST_REGRESSORS];
  MeritScatter      scatter;
  MeritRecordKernel kernel;
} Case;

static uint64_t seed;

/* between -1 and 1 */
static double Draw(void)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 33) / 1073741824.0 - 1.0;
}

static int Below(int n) { return (int)((Draw() + 1.0) * 0.5 * n) % n; }

/* A regressor of a term whose levels begin at `base`; the term's first regressor draws the levels */
static void Regressor(Case *c, int32_t base, int n_levels, int width, int at)
{
  const int  g     = c->kernel.n_regressors++;
  const bool again = at > 0;

  c->list_width[g] = width;
  c->single[g]     = n_levels == 1;
  for (int i = 0; i < RECORDS; i++) {
    c->slot[g][i] = again ? c->slot[g - 1][i] : base + width * Below(n_levels);
    if (!again && c->general && n_levels > 1 && i % 9 == 4) c->slot[g][i] = -1;
    c->value[g][i] = Draw();
  }
  for (int t = 0; t < c->n_traits; t++) c->offset[g][t] = at + t;
  if (c->gaps && g % 2) c->offset[g][g % c->n_traits] = -1;
  c->slots[g]   = c->slot[g];
  c->offsets[g] = c->offset[g];
  c->values[g]  = again || (c->general && n_levels > 1) ? c->value[g] : NULL;
}

static void Term(Case *c, int n_levels, int n_regressors)
{
  const int width = n_regressors * c->n_traits;

  c->first[c->n_terms] = c->kernel.n_regressors;
  for (int r = 0; r < n_regressors; r++) Regressor(c, c->n_slots, n_levels, width, r * c->n_traits);
  c->levels[c->n_terms]  = n_levels;
  c->width[c->n_terms++] = width;
  c->first[c->n_terms]   = c->kernel.n_regressors;
  c->n_slots += n_levels * width;
}

static void Make(Case *c)
{
  const int T = c->n_traits;

  if (c->terms & ONE) Term(c, 1, 1);
  if (c->terms & CLASS) Term(c, CLASSES, 1);
  if (c->terms & SIRE) Term(c, SIRES, c->terms & SLOPE ? 2 : 1);
  if (c->terms & OTHER) Term(c, SIRES, 1);
  for (int p = 0; p < 3; p++)
    for (int a = 0; a < T; a++)
      for (int b = 0; b <= a; b++) c->R[(p * T + a) * T + b] = c->R[(p * T + b) * T + a] = Draw() + (a == b ? 2.0 : 0.0);
  for (int i = 0; i < RECORDS; i++) c->pattern[i] = c->general ? Below(3) : 0;
  for (int i = 0; i < RECORDS * T; i++) c->root[i] = 1.5 + Draw();
  c->kernel.n_records   = RECORDS;
  c->kernel.n_traits    = T;
  c->kernel.slot        = c->slots;
  c->kernel.value       = c->values;
  c->kernel.offset      = c->offsets;
  c->kernel.pattern     = c->pattern;
  c->kernel.R_inverse   = c->R;
  c->kernel.sqrt_weight = c->general ? c->root : NULL;
  c->kernel.single      = c->single;
  c->kernel.n_patterns  = c->general ? 3 : 1;
  c->kernel.scatter     = &c->scatter;
  TestCall(MeritScatterCreate(c->n_threads, RECORDS, c->kernel.n_regressors, c->slots, c->list_width, c->n_slots, &c->scatter));
}

/* W of a record's trait at a slot, by the regressors from first to last whose role has the bit (NULL: all) */
static double Design(const Case *c, int record, int trait, int32_t slot, const uint8_t role[], int bit)
{
  double w = 0.0;

  for (int g = 0; g < c->kernel.n_regressors; g++)
    if ((!role || role[g] & bit) && c->slot[g][record] >= 0 && c->offset[g][trait] >= 0 && c->slot[g][record] + c->offset[g][trait] == slot)
      w += c->values[g] ? c->value[g][record] : 1.0;
  return w;
}

static double Weight(const Case *c, int record, int a, int b)
{
  const int    T    = c->n_traits;
  const double root = c->general ? c->root[record * T + a] * c->root[record * T + b] : 1.0;

  return root * c->R[(c->pattern[record] * T + a) * T + b];
}

/* to[MOST_SLOTS * k] += sign W_to' V values, values[RECORDS * T * k] */
static void Reference(const Case *c, const uint8_t role[], double sign, int k, const double *values, double *to)
{
  const int T = c->n_traits;

  for (int i = 0; i < RECORDS; i++)
    for (int a = 0; a < T; a++)
      for (int32_t s = 0; s < c->n_slots; s++) {
        const double w = Design(c, i, a, s, role, MERIT_ROLE_TO);

        for (int b = 0; w != 0.0 && b < T; b++)
          for (int j = 0; j < k; j++) to[s * k + j] += sign * w * Weight(c, i, a, b) * values[(i * T + b) * k + j];
      }
}

/* values[RECORDS * T * k] <- W_from x */
static void Values(const Case *c, const uint8_t role[], int k, const double *x, double *values)
{
  const int T = c->n_traits;

  memset(values, 0, sizeof(*values) * (size_t)(RECORDS * T * k));
  for (int i = 0; i < RECORDS; i++)
    for (int a = 0; a < T; a++)
      for (int32_t s = 0; s < c->n_slots; s++) {
        const double w = Design(c, i, a, s, role, MERIT_ROLE_FROM);

        for (int j = 0; w != 0.0 && j < k; j++) values[(i * T + a) * k + j] += w * x[s * k + j];
      }
}

/* Both to rounding; private slots behind the slots are 0 */
static void Same(const Case *c, int k, const double *got, const double *wanted)
{
  double most = 1.0;

  for (int32_t i = 0; i < c->n_slots * k; i++) most = fmax(most, fabs(wanted[i]));
  for (int32_t i = 0; i < c->n_slots * k; i++)
    if (!(fabs(got[i] - wanted[i]) <= 1e-12 * most))
      fail_msg("terms %d, %d traits, general %d, gaps %d, %d threads, k %d: slot %d has %.17g, not %.17g", c->terms, c->n_traits, c->general, c->gaps,
               c->n_threads, k, i / k, got[i], wanted[i]);
  for (int32_t i = c->n_slots * k; i < c->scatter.y_length * k; i++) assert_true(got[i] == 0.0);
}

static double x[MOST_SLOTS * MOST_K], wanted[MOST_SLOTS * MOST_K], values[RECORDS * MOST_TRAITS * MOST_K], fitted[RECORDS * MOST_TRAITS * MOST_K];

/* A result that begins with something in the slots, in both */
static double *Begin(const Case *c, int k)
{
  double *y = calloc((size_t)(c->scatter.y_length * k), sizeof(*y));

  assert_non_null(y);
  for (int32_t i = 0; i < c->n_slots * k; i++) y[i] = wanted[i] = Draw();
  return y;
}

static void CheckProducts(const Case *c, int k)
{
  double *y = Begin(c, k);

  for (int32_t i = 0; i < c->n_slots * k; i++) x[i] = Draw();
  Values(c, NULL, k, x, values);
  MeritRecordsFitted(&c->kernel, k, x, fitted);
  for (int i = 0; i < RECORDS * c->n_traits * k; i++) assert_true(fabs(fitted[i] - values[i]) < 1e-13 * MOST_REGRESSORS);
  Reference(c, NULL, 1.0, k, values, wanted);
  MeritRecordsApply(&c->kernel, k, x, y);
  Same(c, k, y, wanted);
  for (int i = 0; i < RECORDS * c->n_traits * k; i++) values[i] = Draw();
  Reference(c, NULL, 1.0, k, values, wanted);
  MeritRecordsProject(&c->kernel, k, values, y);
  Same(c, k, y, wanted);
  free(y);
}

/* From some regressors to some, one at least both */
static void CheckTransfer(const Case *c, int k)
{
  uint8_t role[MOST_REGRESSORS] = {MERIT_ROLE_FROM | MERIT_ROLE_TO};
  double *y                     = Begin(c, k);

  for (int g = 1; g < c->kernel.n_regressors; g++) role[g] = (uint8_t)Below(4);
  for (int32_t i = 0; i < c->n_slots * k; i++) x[i] = Draw();
  Values(c, role, k, x, values);
  Reference(c, role, -1.0, k, values, wanted);
  MeritRecordsTransfer(&c->kernel, role, -1.0, k, x, y);
  Same(c, k, y, wanted);
  free(y);
}

/* Every combination of what has a loop of its own, and what has none */
static void ForAll(void (*check)(Case *))
{
  static const int terms[]  = {CLASS, ONE | CLASS, CLASS | SIRE, ONE | SIRE | SLOPE, CLASS | SIRE | OTHER, ONE | CLASS | SIRE | SLOPE | OTHER};
  static const int traits[] = {1, 2, 3, 4, MOST_TRAITS};

  seed = 5;
  for (int m = 0; m < 6; m++)
    for (int t = 0; t < 5; t++)
      for (int how = 0; how < 4; how++)
        for (int threads = 1; threads <= 5; threads += 2) {
          Case c = {.terms = terms[m], .n_traits = traits[t], .general = how % 2, .gaps = how / 2, .n_threads = threads};

          if (c.gaps && c.n_traits == 1) continue;
          Make(&c);
          check(&c);
          TestCall(MeritScatterDestroy(&c.scatter));
        }
}

static void Products(Case *c)
{
  CheckProducts(c, 1);
  if (c->n_traits < 4) CheckProducts(c, 3);
  if (c->n_traits < 3) CheckProducts(c, MOST_K);
}

static void Transfers(Case *c)
{
  CheckTransfer(c, 1);
  if (c->n_traits < 3) CheckTransfer(c, 2);
}

static void test_products_are_those_of_the_design_matrix(void **state)
{
  (void)state;
  ForAll(Products);
}

static void test_transfers_go_from_regressors_to_regressors(void **state)
{
  (void)state;
  ForAll(Transfers);
}

/* W' V W at two slots, by regressors [first, last) */
static double Pair(const Case *c, const uint8_t role[], int32_t s, int32_t u)
{
  double sum = 0.0;

  for (int i = 0; i < RECORDS; i++)
    for (int a = 0; a < c->n_traits; a++) {
      const double w = Design(c, i, a, s, role, MERIT_ROLE_FROM);

      for (int b = 0; w != 0.0 && b < c->n_traits; b++) sum += w * Weight(c, i, a, b) * Design(c, i, b, u, role, MERIT_ROLE_FROM);
    }
  return sum;
}

static void Diagonals(Case *c)
{
  int     stride = 0;
  int32_t base   = 0;
  double *D;

  if (c->n_threads > 1) return;
  for (int k = 0; k < c->n_terms; k++) stride = c->width[k] > stride ? c->width[k] : stride;
  D = calloc((size_t)(c->n_slots * stride), sizeof(*D));
  MeritRecordsDiagonal(&c->kernel, c->first, c->n_terms, stride, D);
  for (int k = 0; k < c->n_terms; k++) {
    const int32_t end                   = base + c->width[k] * c->levels[k];
    uint8_t       role[MOST_REGRESSORS] = {0};

    for (int g = c->first[k]; g < c->first[k + 1]; g++) role[g] = MERIT_ROLE_FROM;
    for (int32_t s = base; s < end; s++) {
      const int32_t level = base + (s - base) / c->width[k] * c->width[k];

      for (int b = 0; b < c->width[k]; b++) assert_true(fabs(D[s * stride + b] - Pair(c, role, s, level + b)) < 1e-12 * RECORDS);
    }
    base = end;
  }
  free(D);
}

static void test_diagonal_blocks_are_those_of_the_normal_equations(void **state)
{
  (void)state;
  ForAll(Diagonals);
}

/* What eliminating the classes takes from the sires, J' V J_h B J_h' V J */
static void Absorbs(Case *c)
{
  const int h = c->terms & ONE ? 1 : 0, first = h + 1, T = c->n_traits, stride = c->width[c->n_terms - 1];
  double   *B, *W;

  if (c->n_threads > 1 || !(c->terms & CLASS) || !(c->terms & SIRE) || c->terms & OTHER) return;
  B = calloc((size_t)(c->n_slots * T), sizeof(*B)), W = calloc((size_t)(c->n_slots * stride), sizeof(*W));
  for (int32_t i = 0; i < c->n_slots * T; i++) B[i] = Draw();
  MeritRecordsAbsorb(&c->kernel, h, T, B, first, c->kernel.n_regressors, stride, W);
  for (int i = 0; i < RECORDS; i++) {
    const int32_t slot = c->slot[h][i], level = c->slot[first][i];

    for (int e = 0; slot >= 0 && level >= 0 && e < T * T; e++) {
      double sum = 0.0;

      for (int a = 0; a < T; a++)
        for (int b = 0; b < T; b++)
          if (c->offset[h][a] >= 0 && c->offset[h][b] >= 0)
            sum += Weight(c, i, e / T, a) * B[(slot + c->offset[h][a]) * T + c->offset[h][b]] * Weight(c, i, b, e % T);
      if (c->values[first]) sum *= c->value[first][i] * c->value[first][i];
      if (c->offset[first][e / T] >= 0 && c->offset[first][e % T] >= 0)
        W[(level + c->offset[first][e / T]) * stride + c->offset[first][e % T]] += sum;
    }
  }
  for (int32_t i = 0; i < c->n_slots * stride; i++) assert_true(fabs(W[i]) < 1e-10);
  free(B), free(W);
}

static void test_elimination_of_classes_takes_its_blocks(void **state)
{
  (void)state;
  ForAll(Absorbs);
}

/* No two threads write to one position, and each position goes back to the slot it stands for */
static void Positions(Case *c)
{
  const MeritScatter *s     = &c->scatter;
  int32_t            *owner = calloc((size_t)s->y_length, sizeof(*owner)), *home = calloc((size_t)s->y_length, sizeof(*home));

  for (int32_t p = 0; p < s->y_length; p++) home[p] = p < c->n_slots ? p : -1;
  for (int32_t i = 0; i < s->n_shared; i++)
    for (int32_t p = s->start[i]; p < s->start[i + 1]; p++) home[s->private_slot[p]] = s->shared[i];
  assert_int_equal(s->chunk[0], 0);
  assert_int_equal(s->chunk[s->n_threads], RECORDS);
  for (int thread = 0; thread < s->n_threads; thread++)
    for (int64_t i = s->chunk[thread]; i < s->chunk[thread + 1]; i++)
      for (int g = 0; g < c->kernel.n_regressors; g++) {
        const int32_t to = s->target[g][i];

        if (c->slot[g][i] < 0) assert_int_equal(to, -1);
        if (c->slot[g][i] < 0) continue;
        assert_in_range(to, 0, s->y_length - c->list_width[g]);
        assert_int_equal(home[to], c->slot[g][i]);
        assert_true(owner[to] == 0 || owner[to] == thread + 1);
        owner[to] = thread + 1;
      }
  free(owner), free(home);
}

static void test_threads_write_to_slots_of_their_own(void **state)
{
  (void)state;
  ForAll(Positions);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_products_are_those_of_the_design_matrix),
    cmocka_unit_test(test_transfers_go_from_regressors_to_regressors),
    cmocka_unit_test(test_diagonal_blocks_are_those_of_the_normal_equations),
    cmocka_unit_test(test_elimination_of_classes_takes_its_blocks),
    cmocka_unit_test(test_threads_write_to_slots_of_their_own),
};

TEST_MAIN(tests)
