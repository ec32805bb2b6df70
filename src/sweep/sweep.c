/*
  The sweep object: settings, right-hand side, residuals, and one sweep over all terms.

  Gauss-Seidel with residual update (Legarra and Misztal 2008). For a block b of equations with
  columns W_b of W, block C_bb of C and penalty Q (K^-1 x G^-1 of a random term, 0 of a fixed
  one),

    g_b = W_b' R^-1 e - (Q x)_b + delta_b,   dx_b = w C_bb^-1 g_b,   e <- e - W_b dx_b,

  where e = y - W x are the residuals of the records, w is the relaxation factor, and delta is
  what the right-hand side has beyond W' R^-1 y. A visitor may choose dx_b instead.

  Terms come in the order of the formula. A term is swept in one of two ways:
  - Each level is a block of equations, and levels are taken colour by colour (level_steps.c).
  - The effects of SNPs or ridge columns all interact, so that each would need a colour of its
    own; they are taken in blocks of columns (column_steps.c).

  A row of a recursion is treated as a record with observation 0. Its residual is kept in
  `deviation` and updated like e, so Q x is known without a product with Q. For a pedigree it is
  the Mendelian sampling u_i - (u_s + u_d) / 2. The iterates are those of one sequential sweep, to
  rounding, at any number of ranks and threads.
*/
#include "sweep_impl.h"
#include <math.h>
#include <omp.h>

/* A right-hand side is that of the observations if it differs from W' R^-1 y by less than
   this, relative to its norm */
static const double NEAR_OBSERVATIONS = 1e-6;

/* USAGE error unless the grid of the genotypes has one column: a rank must have all SNPs of
   its animals */
static PetscErrorCode CheckGrid(MeritModel model)
{
  int grid_cols = 1;

  PetscFunctionBegin;
  if (MeritModelGenotypes(model)) grid_cols = MeritGenotypesTile(MeritModelGenotypes(model))->grid_cols;
  if (grid_cols > 1)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "genotypes.grid",
                         "Gauss-Seidel sweeps need genotypes on a grid of one column, not %d; give genotypes.grid as many rows as ranks, or "
                         "use solver pcg",
                         grid_cols));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepCreate - See the header. USAGE error if genotypes lie on several columns of ranks. */
PetscErrorCode MeritSweepCreate(Mat C, MeritSweep *sweep)
{
  MeritSweep s;
  MeritModel model;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(C, &model));
  PetscCall(CheckGrid(model));
  PetscCall(PetscNew(&s));
  PetscCall(PetscObjectReference((PetscObject)C));
  s->C                   = C;
  s->model               = model;
  s->comm                = MeritModelComm(model);
  s->records             = MeritModelRecords(model);
  s->halo                = MeritModelHalo(model);
  s->n_threads           = omp_get_max_threads();
  s->settings.block      = 64;
  s->settings.relaxation = 1.0;
  s->has_y               = true;
  *sweep                 = s;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetBlock - See the header. */
PetscErrorCode MeritSweepSetBlock(MeritSweep s, int32_t columns)
{
  PetscFunctionBegin;
  PetscCheck(columns >= 1 && !s->term, s->comm, PETSC_ERR_ARG_OUTOFRANGE, "a block has at least one column, and is chosen before set-up");
  s->settings.block = columns;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetRecompute - See the header. */
PetscErrorCode MeritSweepSetRecompute(MeritSweep s, bool recompute)
{
  PetscFunctionBegin;
  PetscCheck(!s->term, s->comm, PETSC_ERR_ORDER, "the sweep is set up already");
  s->settings.recompute = recompute;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetRelaxation - See the header. */
PetscErrorCode MeritSweepSetRelaxation(MeritSweep s, double relaxation)
{
  PetscFunctionBegin;
  s->settings.relaxation = relaxation;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetVisitor - See the header. */
PetscErrorCode MeritSweepSetVisitor(MeritSweep s, MeritSweepVisit visit, void *ctx)
{
  PetscFunctionBegin;
  s->settings.visit     = visit;
  s->settings.visit_ctx = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetSymmetric - See the header. */
PetscErrorCode MeritSweepSetSymmetric(MeritSweep s, bool symmetric)
{
  PetscFunctionBegin;
  s->settings.symmetric = symmetric;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What a sweep needs for term k. Terms without equations keep zeros and are skipped
   everywhere. The recursion is used where the penalty of a level is not G^-1 alone: where
   levels have parents, or variances d of their own. A term by columns whose records use
   genotyped levels needs the lists of records of its genotyped levels, too. Collective. */
static PetscErrorCode CreateTerm(MeritSweep s, const MeritTermView *view, int k)
{
  const MeritRecursion *penalty = MeritStructurePenalty(view->structure);
  const bool            linked  = MeritModelGenotypedLink(s->model, k) != NULL;
  SweepTerm            *term    = &s->term[k];

  PetscFunctionBegin;
  term->view  = view;
  term->index = k;
  if (!view->n_eq) PetscFunctionReturn(PETSC_SUCCESS);
  if (penalty && MeritStructureForm(view->structure) == MERIT_FORM_RECURSION && (MeritRecursionLinked(penalty) || penalty->d))
    term->recursion = penalty;
  if (SweepByColumns(view)) {
    term->rows = linked ? &MeritSweepGenotypeRows : &MeritSweepRecordRows;
    PetscCall(MeritSweepColumnsCreate(s, term));
  }
  if (!SweepByColumns(view) || linked) PetscCall(MeritSweepLevelsCreate(s, term));
  if (term->recursion) PetscCall(PetscCalloc1((size_t)term->recursion->n_rows * (size_t)view->n_eq + 1, &term->deviation));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetUp - See the header. */
PetscErrorCode MeritSweepSetUp(MeritSweep s)
{
  const size_t         n = (size_t)s->records->n_records * (size_t)s->records->n_traits;
  const MeritTermView *view;

  PetscFunctionBegin;
  if (s->term) PetscFunctionReturn(PETSC_SUCCESS);
  s->n_terms = MeritModelTerms(s->model, &view);
  s->n_owned = MeritModelLayout(s->model)->n_owned;
  s->n_local = MeritModelLayout(s->model)->n_local;
  PetscCall(PetscCalloc1(s->n_terms + 1, &s->term));
  /* A thread's chunk can begin and end within a level, so it leaves at most two partial sums */
  PetscCall(PetscCalloc1(2 * (size_t)s->n_threads, &s->work.part));
  PetscCall(PetscMalloc2(n, &s->y, n, &s->e));
  PetscCall(PetscArraycpy(s->y, s->records->y, n));
  PetscCall(PetscArraycpy(s->e, s->y, n)); /* at x = 0 */
  PetscCall(PetscCalloc1(s->n_owned, &s->delta));
  PetscCall(PetscMalloc1(s->n_owned + 1, &s->work.before));
  PetscCall(PetscCalloc2(s->n_local, &s->work.g, s->n_local, &s->work.du));
  PetscCall(PetscCalloc1(s->n_terms + 1, &s->work.sums));
  for (int k = 0; k < s->n_terms; k++) PetscCall(CreateTerm(s, &view[k], k));
  PetscCall(MeritSweepTakeVariances(s, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Norm of a vector of owned equations over all ranks */
static PetscErrorCode Norm(MeritSweep s, const double *a, double *norm)
{
  PetscFunctionBegin;
  *norm = 0.0;
  for (int32_t i = 0; i < s->n_owned; i++) *norm += a[i] * a[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, norm, 1, MPI_DOUBLE, MPI_SUM, s->comm));
  *norm = sqrt(*norm);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSweepSetRightHandSide - See the header. Collective.

  The right-hand side is split, r = W' R^-1 y + delta with the observations y. Then e = y - W x
  has the size of residuals and not of fitted values, and rounding errors are smaller. If r is not
  near W' R^-1 y (relative difference above NEAR_OBSERVATIONS), delta is all of r, and e is -W x.
  The residuals are not computed here; MeritSweepRefresh does it.
*/
PetscErrorCode MeritSweepSetRightHandSide(MeritSweep s, const double r[])
{
  double norm, norm_r;

  PetscFunctionBegin;
  PetscCall(MeritSweepTakeVariances(s, NULL));
  PetscCall(Norm(s, r, &norm_r));
  PetscCall(MeritMMEProject(s->C, 1, s->y, s->delta));
  for (int32_t i = 0; i < s->n_owned; i++) s->delta[i] = r[i] - s->delta[i];
  PetscCall(Norm(s, s->delta, &norm));
  s->has_y = norm <= NEAR_OBSERVATIONS * norm_r;
  if (!s->has_y) PetscCall(PetscArraycpy(s->delta, r, s->n_owned));
  for (int k = 0; k < s->n_terms; k++)
    if (s->term[k].view->n_eq && SweepByColumns(s->term[k].view)) PetscCall(MeritSweepReplicate(s, &s->term[k], s->delta, s->term[k].columns.delta));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetObservations - See the header. The residuals change by the change of y, so no
   product with W is needed. Collective. */
PetscErrorCode MeritSweepSetObservations(MeritSweep s, const double y[])
{
  const int64_t n = (int64_t)s->records->n_records * s->records->n_traits;

  PetscFunctionBegin;
  PetscCall(MeritSweepTakeVariances(s, NULL));
  for (int64_t i = 0; i < n; i++) {
    s->e[i] += y[i] - (s->has_y ? s->y[i] : 0.0);
    s->y[i] = y[i];
  }
  s->has_y = true;
  PetscCall(PetscArrayzero(s->delta, s->n_owned));
  for (int k = 0; k < s->n_terms; k++)
    if (s->term[k].columns.delta)
      PetscCall(PetscArrayzero(s->term[k].columns.delta, (size_t)s->term[k].columns.n_cols * (size_t)s->term[k].view->n_eq));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* deviation = (I - P) x for the rows of a recursion from row `first` on; x has ghosts. Unknown
   parents have no equation and add nothing. */
static void Deviations(const MeritRecursion *r, int32_t first, const double *x, double *deviation)
{
  for (int32_t row = first; row < r->n_rows; row++)
    for (int a = 0; a < r->n; a++) {
      double *to = deviation + (int64_t)row * r->n + a;

      *to = 0.0;
      for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
        double        element;
        const int32_t eq = MeritRecursionElement(r, row, p, &element);

        if (eq >= 0) *to += element * x[eq + a];
      }
    }
}

/* du = x with ghosts. du has no other use between sweeps. Collective. */
static PetscErrorCode Distribute(MeritSweep s, const double x[])
{
  PetscFunctionBegin;
  PetscCall(PetscArraycpy(s->work.du, x, s->n_owned));
  PetscCall(PetscSFBcastBegin(s->halo, MPI_DOUBLE, s->work.du, s->work.du + s->n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(s->halo, MPI_DOUBLE, s->work.du, s->work.du + s->n_owned, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepRefresh - Compute all residuals from x: those of the records, those of the
   recursions, and the replicated effects of terms by columns. Collective. */
PetscErrorCode MeritSweepRefresh(MeritSweep s, const double x[])
{
  const int64_t n = (int64_t)s->records->n_records * s->records->n_traits;

  PetscFunctionBegin;
  PetscCall(MeritSweepTakeVariances(s, NULL));
  PetscCall(MeritMMEFitted(s->C, x, s->e));
  for (int64_t i = 0; i < n; i++) s->e[i] = (s->has_y ? s->y[i] : 0.0) - s->e[i];
  PetscCall(Distribute(s, x));
  for (int k = 0; k < s->n_terms; k++) {
    SweepTerm *term = &s->term[k];

    if (!term->view->n_eq) continue;
    if (SweepByColumns(term->view)) PetscCall(MeritSweepReplicate(s, term, x, term->columns.x));
    if (term->recursion) Deviations(term->recursion, 0, s->work.du, term->deviation);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All terms once, in the order of the formula or (backward) against it. s->work.sums are this
   rank's parts for this pass. Collective. */
static PetscErrorCode RunTerms(MeritSweep s, bool backward, double *x)
{
  PetscFunctionBegin;
  s->work.backward = backward;
  PetscCall(PetscArrayzero(s->work.sums, s->n_terms + 1));
  for (int turn = 0; turn < s->n_terms; turn++) {
    SweepTerm *term = &s->term[backward ? s->n_terms - 1 - turn : turn];

    if (!term->view->n_eq) continue;
    if (SweepByColumns(term->view)) PetscCall(MeritSweepRunColumns(s, term, x));
    else PetscCall(MeritSweepRunLevels(s, term, x));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The sums as the caller wants them: changes of x by term, squares of x by term, squares of
   gradients. A symmetric sweep has two passes; its change is x less the x before both, and its
   gradients are those of the second pass. */
static void Summarise(MeritSweep s, const double *x, double *sums)
{
  sums[2 * s->n_terms] = s->work.sums[s->n_terms];
  for (int k = 0; k < s->n_terms; k++) {
    const MeritTermView *t      = s->term[k].view;
    double              *change = sums + k, *squares = sums + s->n_terms + k;

    *change = s->settings.symmetric ? 0.0 : s->work.sums[k];
    /* owned equations of a term follow one another */
    *squares = 0.0;
    for (int32_t i = t->eq_owned; i < t->eq_owned + t->n_owned * t->n_eq; i++) {
      *squares += x[i] * x[i];
      if (s->settings.symmetric) *change += (x[i] - s->work.before[i]) * (x[i] - s->work.before[i]);
    }
  }
}

/* MeritSweepRun - See the header. If a term has equations v with u = L v, new variances bring
   another L, so the residuals for the same x change. Collective. */
PetscErrorCode MeritSweepRun(MeritSweep s, double x[], double sums[])
{
  const bool was_expanded = s->expanded;
  bool       changed;

  PetscFunctionBegin;
  PetscCall(MeritSweepTakeVariances(s, &changed));
  if (changed && (was_expanded || s->expanded)) PetscCall(MeritSweepRefresh(s, x)); /* x has another L */
  if (s->settings.symmetric) PetscCall(PetscArraycpy(s->work.before, x, s->n_owned));
  PetscCall(RunTerms(s, false, x));
  if (s->settings.symmetric) PetscCall(RunTerms(s, true, x));
  if (sums) Summarise(s, x, sums);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepResiduals - See the header. In the mode `recompute` these are the residuals before
   the last step, since steps do not update them. */
PetscErrorCode MeritSweepResiduals(MeritSweep s, double **e)
{
  PetscFunctionBegin;
  *e = s->e;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepState - See the header. Row i of a recursion is that of owned level i, so its
   residuals are stored at the equations of that level, in s->edges. */
PetscErrorCode MeritSweepState(MeritSweep s, double x[], MeritState state[MERIT_SWEEP_PARTS])
{
  PetscFunctionBegin;
  if (!s->edges) PetscCall(PetscCalloc1(s->n_owned + 1, &s->edges));
  for (int k = 0; k < s->n_terms; k++) {
    const MeritTermView *t = s->term[k].view;

    if (s->term[k].recursion) PetscCall(PetscArraycpy(s->edges + t->eq_owned, s->term[k].deviation, (size_t)t->n_owned * (size_t)t->n_eq));
  }
  state[0] = (MeritState){"x", MERIT_STATE_EQUATIONS, 1, x};
  state[1] = (MeritState){"edges", MERIT_STATE_EQUATIONS, 1, s->edges};
  state[2] = (MeritState){"e", MERIT_STATE_RECORDS, (size_t)s->records->n_traits, s->e};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepRestore - See the header. Residuals are restored, not recomputed, so that a run
   that was interrupted goes on with the same bits. Rows without a level of their own are
   computed from x. */
PetscErrorCode MeritSweepRestore(MeritSweep s, const double x[])
{
  PetscFunctionBegin;
  PetscCall(Distribute(s, x));
  for (int k = 0; k < s->n_terms; k++) {
    SweepTerm           *term = &s->term[k];
    const MeritTermView *t    = term->view;

    if (term->recursion) {
      PetscCall(PetscArraycpy(term->deviation, s->edges + t->eq_owned, (size_t)t->n_owned * (size_t)t->n_eq));
      Deviations(term->recursion, t->n_owned, s->work.du, term->deviation);
    }
    if (t->n_eq && SweepByColumns(t)) PetscCall(MeritSweepReplicate(s, term, x, term->columns.x));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepView - See the header. */
PetscErrorCode MeritSweepView(MeritSweep s, PetscViewer viewer)
{
  const MeritFormula *formula = MeritModelFormula(s->model);

  PetscFunctionBegin;
  PetscCall(PetscViewerASCIIPrintf(viewer, "  relaxation %g, %s sweeps\n", s->settings.relaxation, s->settings.symmetric ? "symmetric" : "forward"));
  for (int k = 0; k < s->n_terms; k++) {
    const SweepTerm *term = &s->term[k];

    if (SweepByColumns(term->view))
      PetscCall(PetscViewerASCIIPrintf(viewer, "  %s: blocks of %d columns\n", formula->term[k].label, term->columns.width));
    else PetscCall(PetscViewerASCIIPrintf(viewer, "  %s: %d colours\n", formula->term[k].label, term->levels.n_colours));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepDestroy - See the header. */
PetscErrorCode MeritSweepDestroy(MeritSweep *sweep)
{
  MeritSweep s = *sweep;

  PetscFunctionBegin;
  if (!s) PetscFunctionReturn(PETSC_SUCCESS);
  for (int k = 0; s->term && k < s->n_terms; k++) {
    PetscCall(MeritSweepLevelsDestroy(&s->term[k].levels));
    PetscCall(MeritSweepColumnsDestroy(&s->term[k].columns));
    PetscCall(PetscFree(s->term[k].precision));
    PetscCall(PetscFree(s->term[k].data));
    PetscCall(PetscFree(s->term[k].deviation));
  }
  PetscCall(PetscFree(s->term));
  PetscCall(MeritBlockCacheFree(&s->cache));
  PetscCall(PetscFree(s->blocks));
  PetscCall(PetscFree(s->work.part));
  PetscCall(PetscFree2(s->y, s->e));
  PetscCall(PetscFree(s->delta));
  PetscCall(PetscFree(s->edges));
  PetscCall(PetscFree2(s->work.g, s->work.du));
  PetscCall(PetscFree(s->work.before));
  PetscCall(PetscFree(s->work.sums));
  PetscCall(MatDestroy(&s->C));
  PetscCall(PetscFree(*sweep));
  PetscFunctionReturn(PETSC_SUCCESS);
}
