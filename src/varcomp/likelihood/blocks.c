/*
  Covariance matrices as blocks, and steps in their coordinates.

  The matrix of a term or residual class is divided into blocks, between which all covariances
  are fixed at 0. Each block is free, zero or singular (boundary.c). The coordinates of a free
  block are its elements that are not fixed; those of a singular block of rank r are the
  elements of the r columns of its root L, G = L L'; a block of zeros has none. At each point
  CoordinatesSet makes the derivatives J of the components by the coordinates, the gradient J'
  score, and three information matrices: H = J' I J of the average information I, less the
  curvature of singular matrices; the expected information (expected.c); that of complete data,
  whose step is one of EM. Steps solve with one of these, and CoordinatesMove applies them.

  A residual matrix must have an inverse. So what would be 0 in it is kept at a small fraction
  of the trait's variance: `floor`.
*/
#include "blocks.h"
#include <math.h>

/*
  What replaces 0 for component i, whose variance is `variance`: for a residual, whose inverse
  every engine needs, the number that was chosen when it left the free state
*/
static double FloorOf(const Block *b, int i, double variance) { return b->term < 0 ? b->floor[i] : BLOCK_NEXT_TO_ZERO * variance; }

/*
  group [n] of each component: the first of the components that it is joined with, directly or
  by others, by covariances that are not fixed at 0. Two groups are joined when an element links
  them: all members take the smaller number.
*/
static void Group(MeritVarcomp v, int first, int n, int group[])
{
  for (int i = 0; i < n; i++) group[i] = i;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) {
      const int at = first + i * (i + 1) / 2 + j, to = PetscMin(group[i], group[j]), from = PetscMax(group[i], group[j]);

      if (v->component[at].fixed && v->run.theta[at] == 0.0) continue;
      for (int k = 0; k <= i; k++)
        if (group[k] == from) group[k] = to;
    }
}

/*
  Are all of the block's elements fixed, or none? Both are false for a block of fixed and free
  ones.
*/
static void CheckFixed(MeritVarcomp v, Block *b)
{
  b->fixed = b->all_free = true;
  for (int i = 0; i < b->n; i++)
    for (int j = 0; j <= i; j++) {
      b->fixed    = b->fixed && v->component[BlockAt(b, i, j)].fixed;
      b->all_free = b->all_free && !v->component[BlockAt(b, i, j)].fixed;
    }
}

/*
  The blocks of a matrix of order n, one for each group, from its component `first` on; count is
  the number of its levels or records
*/
static void AddBlocks(MeritVarcomp v, Coordinates *c, int term, int residual, int first, int n, double count)
{
  int group[MERIT_MAX_COMPONENTS];

  Group(v, first, n, group);
  for (int g = 0; g < n; g++) {
    Block *b = &c->block[c->n_blocks];

    if (group[g] != g) continue;
    *b = (Block){.term = term, .residual = residual, .first = first, .count = count};
    for (int i = 0; i < n; i++)
      if (group[i] == g) b->row[b->n++] = i;
    CheckFixed(v, b);
    c->n_blocks++;
  }
}

/*
  CoordinatesCreate - Blocks of all terms and residual classes at the start v->run.theta, none
  at the boundary. Collective.
*/
PetscErrorCode CoordinatesCreate(MeritVarcomp v, Coordinates *c)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const MeritTermView    *term;
  int64_t                *count;
  const size_t            n = (size_t)v->n;

  PetscFunctionBegin;
  MeritModelTerms(v->model, &term);
  *c = (Coordinates){.n = v->n};
  PetscCall(PetscCalloc7(n, &c->block, n * n, &c->J, n, &c->g, n * n, &c->H, n * n, &c->em, n * n, &c->work, n * n, &c->factor));
  PetscCall(PetscCalloc7(n * n, &c->secant, n, &c->pair[0][0], n, &c->pair[0][1], n, &c->pair[0][2], n, &c->pair[1][0], n, &c->pair[1][1], n,
                         &c->pair[1][2]));
  PetscCall(PetscCalloc1(n * n, &c->expected));
  PetscCall(PetscCalloc1(v->formula->n_residuals, &count));
  /* Records of each residual class, over all ranks */
  for (int32_t i = 0; i < records->n_records; i++) count[records->residual_class[records->pattern[i]]]++;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, v->formula->n_residuals, MPI_INT64_T, MPI_SUM, v->comm));
  for (int k = 0; k < v->formula->n_terms; k++) {
    if (v->first_of_term[k] >= 0) AddBlocks(v, c, k, 0, v->first_of_term[k], term[k].n_comp, (double)term[k].n_levels);
  }
  for (int r = 0; r < v->formula->n_residuals; r++) AddBlocks(v, c, -1, r, v->first_of_residual[r], v->formula->n_traits, (double)count[r]);
  PetscCall(PetscFree(count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CoordinatesDestroy - See the header. Not collective. */
PetscErrorCode CoordinatesDestroy(Coordinates *c)
{
  PetscFunctionBegin;
  PetscCall(PetscFree7(c->secant, c->pair[0][0], c->pair[0][1], c->pair[0][2], c->pair[1][0], c->pair[1][1], c->pair[1][2]));
  PetscCall(PetscFree(c->expected));
  PetscCall(PetscFree7(c->block, c->J, c->g, c->H, c->em, c->work, c->factor));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BlockGet - See the header: both triangles. Not collective. */
void BlockGet(const Block *b, const double theta[], double *G)
{
  for (int i = 0; i < b->n; i++)
    for (int j = 0; j <= i; j++) G[i * b->n + j] = G[j * b->n + i] = theta[BlockAt(b, i, j)];
}

/* BlockPut - See the header. Only the lower triangle of G is read. Not collective. */
void BlockPut(MeritVarcomp v, const Block *b, const double *G, double theta[])
{
  for (int i = 0; i < b->n; i++)
    for (int j = 0; j <= i; j++)
      if (!v->component[BlockAt(b, i, j)].fixed) theta[BlockAt(b, i, j)] = G[i * b->n + j];
}

/*
  Cholesky of G in the order of b->order into L [n * n], rows in that order; the order of the
  first `fixed` pivots is kept, the others go by size. The size of a pivot is the fraction of
  its variance that the pivots before it do not explain, so the order does not depend on units.
  Returns the least such fraction. A pivot that is not positive becomes 0, and so does its
  column.
*/
static double Pivoted(Block *b, int fixed, const double *G, double *L)
{
  const int n     = b->n;
  double    least = INFINITY;

  for (int p = 0; p < n; p++) {
    int    best = p;
    double most = -INFINITY, pivot = 0.0;

    for (int i = p; i < n; i++) {
      double fraction = G[b->order[i] * n + b->order[i]];

      for (int k = 0; k < p; k++) fraction -= L[i * n + k] * L[i * n + k];
      fraction /= G[b->order[i] * n + b->order[i]];
      if (i == p || fraction > most) most = fraction, best = i;
      if (p < fixed) break;
    }
    if (best != p) {
      const int swap = b->order[p];

      b->order[p] = b->order[best], b->order[best] = swap;
      for (int k = 0; k < p; k++) {
        const double l = L[p * n + k];

        L[p * n + k] = L[best * n + k], L[best * n + k] = l;
      }
    }
    least = PetscMin(least, most);
    pivot = most * G[b->order[p] * n + b->order[p]];
    for (int i = p; i < n; i++) {
      double sum = G[b->order[i] * n + b->order[p]];

      for (int k = 0; k < p; k++) sum -= L[i * n + k] * L[p * n + k];
      L[i * n + p] = i == p ? sqrt(PetscMax(pivot, 0.0)) : pivot > 0.0 ? sum / L[p * n + p] : 0.0;
    }
    for (int k = p + 1; k < n; k++) L[p * n + k] = 0.0;
  }
  return least;
}

/* BlockPivot - See the header. The block itself keeps its order. Not collective. */
double BlockPivot(const Block *b, const double theta[])
{
  double G[MERIT_MAX_BLOCK], L[MERIT_MAX_BLOCK];
  Block  copy = *b;

  BlockGet(b, theta, G);
  if (b->n == 1) return G[0];
  for (int i = 0; i < b->n; i++) {
    if (!(G[i * b->n + i] > 0.0)) return -1.0;
    copy.order[i] = i;
  }
  return Pivoted(&copy, 0, G, L);
}

/*
  L [n * n] of a singular block, in its order: the columns behind free_pivots have only their
  small diagonal, FloorOf the variance of their component. The order is that of the block, not
  chosen anew: coordinates would change otherwise.
*/
static void SingularFactor(const Block *b, const double theta[], double *L)
{
  double G[MERIT_MAX_BLOCK] = {0};
  Block  copy               = *b;

  BlockGet(b, theta, G);
  Pivoted(&copy, b->n, G, L);
  for (int p = b->free_pivots; p < b->n; p++)
    for (int i = 0; i < b->n; i++) L[i * b->n + p] = i == p ? sqrt(FloorOf(b, b->order[p], G[b->order[p] * b->n + b->order[p]])) : 0.0;
}

/* theta of the block from L in its order: G = L L', back in the order of its components */
static void FromFactor(MeritVarcomp v, const Block *b, const double *L, double theta[])
{
  double G[MERIT_MAX_BLOCK];

  for (int i = 0; i < b->n; i++)
    for (int j = 0; j < b->n; j++) {
      double sum = 0.0;

      for (int k = 0; k < b->n; k++) sum += L[i * b->n + k] * L[j * b->n + k];
      G[b->order[i] * b->n + b->order[j]] = sum;
    }
  BlockPut(v, b, G, theta);
}

/* BlockZero - See the header. Not collective. */
void BlockZero(Block *b, double theta[])
{
  b->kind = BLOCK_ZERO;
  for (int i = 0; i < b->n; i++)
    for (int j = 0; j <= i; j++) theta[BlockAt(b, i, j)] = i == j && b->term < 0 ? b->floor[i] : 0.0;
}

/*
  BlockFinish - See the header. A singular block loses its small pivots and is of exact rank
  then; free blocks stay as they are. Not collective.
*/
void BlockFinish(MeritVarcomp v, const Block *b, double theta[])
{
  double L[MERIT_MAX_BLOCK];

  for (int i = 0; b->kind == BLOCK_ZERO && i < b->n; i++)
    for (int j = 0; j <= i; j++) theta[BlockAt(b, i, j)] = 0.0;
  if (b->kind != BLOCK_SINGULAR) return;
  SingularFactor(b, theta, L);
  for (int p = b->free_pivots; p < b->n; p++) L[p * b->n + p] = 0.0;
  FromFactor(v, b, L, theta);
}

/*
  BlockPin - See the header. Pivots are chosen anew, largest first, so the one that becomes
  small is the least. Small pivots that the block has already are made 0 before. Not collective.
*/
void BlockPin(MeritVarcomp v, Block *b, double theta[])
{
  double G[MERIT_MAX_BLOCK], L[MERIT_MAX_BLOCK];

  if (b->kind != BLOCK_SINGULAR) b->free_pivots = b->n;
  BlockFinish(v, b, theta);
  BlockGet(b, theta, G);
  for (int i = 0; i < b->n; i++) b->order[i] = i;
  Pivoted(b, 0, G, L);
  b->kind = BLOCK_SINGULAR;
  b->free_pivots--;
  SingularFactor(b, theta, L);
  FromFactor(v, b, L, theta);
}

/*
  Coordinates of a singular block: column by column of L, each from its diagonal down. Their
  derivatives go into J, columns m on of n: dG / dL_ip has L_jp in the elements i, j and j, i,
  and twice that in i, i. Returns the number of coordinates behind them.
*/
static int SingularColumns(const Block *b, const double theta[], int m, int n, double *J)
{
  double L[MERIT_MAX_BLOCK];

  SingularFactor(b, theta, L);
  for (int p = 0; p < b->free_pivots; p++)
    for (int i = p; i < b->n; i++, m++)
      for (int j = 0; j < b->n; j++) J[BlockAt(b, b->order[i], b->order[j]) * n + m] += (i == j ? 2.0 : 1.0) * L[j * b->n + p];
  return m;
}

/*
  What the curvature of G = L L' takes from H, an information and so minus a second derivative.
  The second derivative of G by L_ip and L_jp is 1 in the elements i, j and j, i (2 in i, i), so
  the likelihood has the score of that component beside what J' I J has. safe: the absolute
  values are added to the diagonal instead, which keeps H definite.
*/
static void SingularCurvature(const Block *b, const double *score, bool safe, int m, double *H)
{
  for (int p = 0, at = b->begin; p < b->free_pivots; at += b->n - p, p++)
    for (int i = p; i < b->n; i++)
      for (int j = p; j < b->n; j++) {
        const double bend = (i == j ? 2.0 : 1.0) * score[BlockAt(b, b->order[i], b->order[j])];

        if (safe) H[(at + i - p) * m + at + i - p] += fabs(bend);
        else H[(at + i - p) * m + at + j - p] -= bend;
      }
}

/*
  BlockReach - See the header: sqrt(l'H l) with l the last column of L and H the information of
  its elements; at l = 0 the rank is lower by one. Not collective.
*/
double BlockReach(const Coordinates *c, const Block *b, const double theta[])
{
  const int last = b->free_pivots - 1;
  double    L[MERIT_MAX_BLOCK], sum = 0.0;
  int       at = b->begin;

  if (b->kind != BLOCK_SINGULAR) return INFINITY;
  SingularFactor(b, theta, L);
  for (int p = 0; p < last; p++) at += b->n - p;
  for (int i = last; i < b->n; i++)
    for (int j = last; j < b->n; j++) sum += L[i * b->n + last] * c->H[(at + i - last) * c->m + at + j - last] * L[j * b->n + last];
  return sqrt(PetscMax(sum, 0.0));
}

/*
  count / 2 tr(G^-1 E_a G^-1 E_b) to em [v->n * v->n]: the information that the effects
  themselves would give if they were known. A scoring step with it is a step of EM. Nothing is
  added where G has no inverse.
*/
static void Complete(MeritVarcomp v, const Block *b, const double theta[], double *em)
{
  const int n                  = b->n;
  double    G[MERIT_MAX_BLOCK] = {0}, inverse[MERIT_MAX_BLOCK];

  BlockGet(b, theta, G);
  if (!MeritDenseInvert(n, G, inverse, NULL)) return;
  for (int x = 0; x < n * n; x++)
    for (int y = 0; y < n * n; y++) {
      const int i = x / n, j = x % n, k = y / n, l = y % n;
      double    sum = inverse[k * n + i] * inverse[j * n + l] + inverse[k * n + j] * inverse[i * n + l];

      if (j > i || l > k) continue;
      if (i == j) sum *= 0.5;
      if (k != l) sum *= 2.0;
      em[BlockAt(b, i, j) * v->n + BlockAt(b, k, l)] = 0.5 * b->count * sum;
    }
}

/*
  A [n * n] in components -> B = J'A J [m * m] in coordinates. A free coordinate is one
  component, so most of J is 0 and is skipped.
*/
static void Transform(const Coordinates *c, const double *A, double *B)
{
  for (int x = 0; x < c->m; x++)
    for (int y = 0; y < c->m; y++) {
      double sum = 0.0;

      for (int i = 0; i < c->n; i++) {
        double inner = 0.0;

        if (c->J[i * c->n + x] == 0.0) continue;
        for (int j = 0; j < c->n; j++) inner += A[i * c->n + j] * c->J[j * c->n + y];
        sum += c->J[i * c->n + x] * inner;
      }
      B[x * c->m + y] = sum;
    }
}

/*
  Average information is not the curvature itself: c->secant is H corrected by symmetric
  rank-one updates (Broyden 1967) from the last steps. With step s, fall y of the gradient and
  the rest r = y - B s, B becomes B + r r' / (r's), after which B s = y. An update is left out
  where nothing is to correct or r's is rounding. c->factor is work.
*/
static void Secant(Coordinates *c)
{
  const int m = c->m;

  for (int i = 0; i < m * m; i++) c->secant[i] = c->H[i];
  for (int p = 0; p < c->n_pairs; p++) {
    const double *s = c->pair[0][p], *y = c->pair[1][p];
    double       *r = c->factor, product = 0.0, rr = 0.0, yy = 0.0, ss = 0.0;

    for (int i = 0; i < m; i++) {
      r[i] = y[i];
      for (int j = 0; j < m; j++) r[i] -= c->secant[i * m + j] * s[j];
      product += r[i] * s[i];
      rr += r[i] * r[i], yy += y[i] * y[i], ss += s[i] * s[i];
    }
    /* nothing to correct, or nothing that can be */
    if (rr < 1e-12 * yy || fabs(product) < 1e-8 * sqrt(rr * ss)) continue;
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++) c->secant[i * m + j] += r[i] * r[j] / product;
  }
}

/*
  H = J' I J less the curvature of the singular blocks; or, safe, a matrix that is definite with
  it. c->damped records which: standard errors come from the first alone.
*/
static void SetInformation(Coordinates *c, const VarcompPoint *point, bool safe)
{
  Transform(c, point->information, c->H);
  for (int i = 0; i < c->n_blocks; i++)
    if (c->block[i].kind == BLOCK_SINGULAR && !c->block[i].fixed) SingularCurvature(&c->block[i], point->score, safe, c->m, c->H);
  c->damped = safe;
}

/*
  CoordinatesSet - See the header. Coordinates are numbered block after block; b->begin is the
  first of a block. Beside a singular matrix that is no maximum the information less the
  curvature need not be definite: then the safe one is taken. Not collective.
*/
void CoordinatesSet(MeritVarcomp v, Coordinates *c, const double theta[], const VarcompPoint *point)
{
  c->m        = 0;
  c->singular = false;
  for (int i = 0; i < c->n * c->n; i++) c->J[i] = c->em[i] = 0.0;
  for (int i = 0; i < c->n_blocks; i++) {
    Block *b = &c->block[i];

    b->begin = c->m;
    if (b->kind == BLOCK_ZERO || b->fixed) continue;
    Complete(v, b, theta, c->em);
    c->singular = c->singular || b->kind == BLOCK_SINGULAR;
    if (b->kind == BLOCK_SINGULAR) c->m = SingularColumns(b, theta, c->m, c->n, c->J);
    for (int x = 0; b->kind == BLOCK_FREE && x < b->n; x++)
      for (int y = 0; y <= x; y++)
        if (!v->component[BlockAt(b, x, y)].fixed) c->J[BlockAt(b, x, y) * c->n + c->m++] = 1.0;
  }
  for (int x = 0; x < c->m; x++) {
    c->g[x] = 0.0;
    for (int i = 0; i < c->n; i++) c->g[x] += c->J[i * c->n + x] * point->score[i];
  }
  VarcompExpected(v, c, theta, point, c->work, c->factor, c->expected);
  SetInformation(c, point, false);
  if (c->singular && !MeritDenseCholesky(c->m, c->H, c->factor)) SetInformation(c, point, true);
}

/*
  CoordinatesRemember - See the header; step NULL: forget. At most three pairs are kept: the
  arrays of the oldest are reused for the newest. Not collective.
*/
void CoordinatesRemember(Coordinates *c, const double step[], const double fall[])
{
  double *oldest[2] = {c->pair[0][0], c->pair[1][0]};

  if (!step) {
    c->n_pairs = 0;
    return;
  }
  for (int k = 0; k < 2; k++) {
    if (c->n_pairs == 3) {
      c->pair[k][0] = c->pair[k][1], c->pair[k][1] = c->pair[k][2], c->pair[k][2] = oldest[k];
    }
  }
  c->n_pairs = PetscMin(c->n_pairs + 1, 3);
  for (int i = 0; i < c->m; i++) {
    c->pair[0][c->n_pairs - 1][i] = step[i];
    c->pair[1][c->n_pairs - 1][i] = fall[i];
  }
}

/*
  CoordinatesMove - See the header. Elements of a free block, or of L of a singular one, change
  by `fraction` times the step; the result need not be a covariance matrix where a block
  is free (step.c looks after that). The small pivots of a singular block stay small beside the
  variance that it has after the move. Not collective.
*/
void CoordinatesMove(MeritVarcomp v, const Coordinates *c, const double theta[], double fraction, const double step[], double moved[])
{
  int at = 0;

  for (int i = 0; i < c->n; i++) moved[i] = theta[i];
  for (int i = 0; i < c->n_blocks; i++) {
    const Block *b = &c->block[i];
    double       L[MERIT_MAX_BLOCK];

    if (b->kind == BLOCK_ZERO || b->fixed) continue;
    for (int x = 0; b->kind == BLOCK_FREE && x < b->n; x++)
      for (int y = 0; y <= x; y++)
        if (!v->component[BlockAt(b, x, y)].fixed) moved[BlockAt(b, x, y)] += fraction * step[at++];
    if (b->kind != BLOCK_SINGULAR) continue;
    SingularFactor(b, theta, L);
    for (int p = 0; p < b->free_pivots; p++)
      for (int j = p; j < b->n; j++) L[j * b->n + p] += fraction * step[at++];
    for (int p = b->free_pivots; p < b->n; p++) { /* the same fraction of the variance that it has now */
      double variance = L[p * b->n + p] * L[p * b->n + p];

      for (int k = 0; k < b->free_pivots; k++) variance += L[p * b->n + k] * L[p * b->n + k];
      L[p * b->n + p] = sqrt(FloorOf(b, b->order[p], variance));
    }
    for (int p = 0; b->term < 0 && p < b->free_pivots; p++) { /* nor may a trait's whole residual variance vanish */
      const double least = sqrt(b->floor[b->order[p]]);

      if (fabs(L[p * b->n + p]) < least) L[p * b->n + p] = least;
    }
    FromFactor(v, b, L, moved);
  }
}

/* step = A^-1 g by Cholesky; false if A is not definite. c->factor is work. */
static bool SolveStep(const Coordinates *c, const double *A, double step[])
{
  const int m = c->m;
  double   *F = c->factor;

  if (!MeritDenseCholesky(m, A, F)) return false;
  for (int i = 0; i < m; i++) step[i] = c->g[i];
  MeritDenseSolve(m, F, step);
  return true;
}

/* CoordinatesStep - See the header. Not collective. */
bool CoordinatesStep(const Coordinates *c, double step[]) { return SolveStep(c, c->H, step); }

/*
  CoordinatesScoringStep - See the header. c->work and c->secant hold both information matrices
  for this step; Secant makes its own anew. Not collective.
*/
bool CoordinatesScoringStep(const Coordinates *c, double w, double step[])
{
  double *A = c->work, *B = c->secant;

  Transform(c, c->expected, A);
  Transform(c, c->em, B);
  for (int i = 0; i < c->m * c->m; i++) A[i] = (1.0 - w) * A[i] + w * B[i];
  return SolveStep(c, A, step);
}

/* CoordinatesSecantStep - See the header. Not collective. */
bool CoordinatesSecantStep(Coordinates *c, double step[])
{
  Secant(c);
  return SolveStep(c, c->secant, step);
}
