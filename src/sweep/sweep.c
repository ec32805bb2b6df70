/*
  Gauss-Seidel with residual update (Legarra and Misztal 2008) over all terms in formula order and all levels in canonical order
  (colour by colour where levels interact). A row of a recursion is a record with value 0: its residual, u_i - (u_s + u_d) / 2 in a
  pedigree, is kept like those of the records. The iterates are those of one sequential sweep at any number of ranks.
*/
#include "sweep_impl.h"
#include <math.h>
#include <omp.h>

/* A right-hand side is that of the observations if it differs from W' R^-1 y by less than this, relative to its norm */
static const double NEAR_OBSERVATIONS = 1e-6;

/* A rank must have all SNPs of its animals */
static PetscErrorCode CheckGrid(MeritModel model)
{
  int grid_cols = 1;

  PetscFunctionBegin;
  if (MeritModelGenotypes(model))
    grid_cols = MeritGenotypesTile(MeritModelGenotypes(model))->grid_cols;
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
  s->C          = C;
  s->model      = model;
  s->comm       = MeritModelComm(model);
  s->records    = MeritModelRecords(model);
  s->halo       = MeritModelHalo(model);
  s->n_threads  = omp_get_max_threads();
  s->block      = 64;
  s->relaxation = 1.0;
  s->has_y      = true;
  *sweep        = s;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetBlock - See the header. */
PetscErrorCode MeritSweepSetBlock(MeritSweep s, int32_t columns)
{
  PetscFunctionBegin;
  PetscCheck(columns >= 1 && !s->term, s->comm, PETSC_ERR_ARG_OUTOFRANGE, "a block has at least one column, and is chosen before set-up");
  s->block = columns;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetRecompute - See the header. */
PetscErrorCode MeritSweepSetRecompute(MeritSweep s, bool recompute)
{
  PetscFunctionBegin;
  PetscCheck(!s->term, s->comm, PETSC_ERR_ORDER, "the sweep is set up already");
  s->recompute = recompute;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetRelaxation - See the header. */
PetscErrorCode MeritSweepSetRelaxation(MeritSweep s, double relaxation)
{
  PetscFunctionBegin;
  s->relaxation = relaxation;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetVisitor - See the header. */
PetscErrorCode MeritSweepSetVisitor(MeritSweep s, MeritSweepVisit visit, void *ctx)
{
  PetscFunctionBegin;
  s->visit     = visit;
  s->visit_ctx = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetSymmetric - See the header. */
PetscErrorCode MeritSweepSetSymmetric(MeritSweep s, bool symmetric)
{
  PetscFunctionBegin;
  s->symmetric = symmetric;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode CreateTerm(MeritSweep s, const MeritTermView *view, int k)
{
  const MeritRecursion *penalty = MeritStructurePenalty(view->structure);
  SweepTerm            *term    = &s->term[k];

  PetscFunctionBegin;
  term->view  = view;
  term->index = k;
  if (!view->n_eq) PetscFunctionReturn(PETSC_SUCCESS);
  if (penalty && MeritStructureForm(view->structure) == MERIT_FORM_RECURSION && (MeritRecursionLinked(penalty) || penalty->d))
    term->recursion = penalty;
  if (SweepByColumns(view)) {
    term->rows = view->has_carriers ? &MeritSweepGenotypeRows : &MeritSweepRecordRows;
    PetscCall(MeritSweepColumnsCreate(s, term));
  }
  if (!SweepByColumns(view) || view->has_carriers) PetscCall(MeritSweepLevelsCreate(s, term));
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
  PetscCall(PetscCalloc1(2 * (size_t)s->n_threads, &s->part));
  PetscCall(PetscMalloc2(n, &s->y, n, &s->e));
  PetscCall(PetscArraycpy(s->y, s->records->y, n));
  PetscCall(PetscArraycpy(s->e, s->y, n)); /* at x = 0 */
  PetscCall(PetscCalloc1(s->n_owned, &s->delta));
  PetscCall(PetscMalloc1(s->n_owned + 1, &s->before));
  PetscCall(PetscCalloc2(s->n_local, &s->g, s->n_local, &s->du));
  PetscCall(PetscCalloc1(s->n_terms + 1, &s->sums));
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

  The right-hand side is split, r = W' R^-1 y + delta with the observations y, so that e has the size of residuals and not of fitted values; one
  that has nothing to do with y is all delta, and e starts from 0.
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
    if (s->term[k].view->n_eq && SweepByColumns(s->term[k].view))
      PetscCall(MeritSweepReplicate(s, &s->term[k], s->delta, s->term[k].columns.delta));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSetObservations - See the header. */
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

/* Residuals of the rows of a recursion from row `first` on; x has ghosts */
static void Deviations(const MeritRecursion *r, int32_t first, const double *x, double *deviation)
{
  for (int32_t row = first; row < r->n_rows; row++)
    for (int a = 0; a < r->n; a++) {
      double *to = deviation + (int64_t)row * r->n + a;

      *to = 0.0;
      for (int64_t p = 0; p < MeritRecursionPlaces(r, row); p++) {
        double        element;
        const int32_t eq = MeritRecursionPlace(r, row, p, &element);

        if (eq >= 0) *to += element * x[eq + a];
      }
    }
}

/* x with ghosts into du, which is free between sweeps */
static PetscErrorCode Distribute(MeritSweep s, const double x[])
{
  PetscFunctionBegin;
  PetscCall(PetscArraycpy(s->du, x, s->n_owned));
  PetscCall(PetscSFBcastBegin(s->halo, MPI_DOUBLE, s->du, s->du + s->n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(s->halo, MPI_DOUBLE, s->du, s->du + s->n_owned, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepRefresh - All residuals from x. Collective. */
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
    if (term->recursion) Deviations(term->recursion, 0, s->du, term->deviation);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All terms once, in the order of the formula or (backward) against it; sums of this rank */
static PetscErrorCode RunTerms(MeritSweep s, bool backward, double *x)
{
  PetscFunctionBegin;
  s->backward = backward;
  PetscCall(PetscArrayzero(s->sums, s->n_terms + 1));
  for (int turn = 0; turn < s->n_terms; turn++) {
    SweepTerm *term = &s->term[backward ? s->n_terms - 1 - turn : turn];

    if (!term->view->n_eq) continue;
    if (SweepByColumns(term->view)) PetscCall(MeritSweepRunColumns(s, term, x));
    else PetscCall(MeritSweepRunLevels(s, term, x));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The sums as the caller wants them */
static void Summarise(MeritSweep s, const double *x, double *sums)
{
  sums[2 * s->n_terms] = s->sums[s->n_terms];
  for (int k = 0; k < s->n_terms; k++) {
    const MeritTermView *t = s->term[k].view;
    double              *change = sums + k, *squares = sums + s->n_terms + k;

    *change  = s->symmetric ? 0.0 : s->sums[k];
    *squares = 0.0;
    for (int32_t i = t->eq_owned; i < t->eq_owned + t->n_owned * t->n_eq; i++) {
      *squares += x[i] * x[i];
      if (s->symmetric) *change += (x[i] - s->before[i]) * (x[i] - s->before[i]);
    }
  }
}

/* MeritSweepRun - See the header. Collective. */
PetscErrorCode MeritSweepRun(MeritSweep s, double x[], double sums[])
{
  const bool was_expanded = s->expanded;
  bool       changed;

  PetscFunctionBegin;
  PetscCall(MeritSweepTakeVariances(s, &changed));
  if (changed && (was_expanded || s->expanded)) PetscCall(MeritSweepRefresh(s, x)); /* x has another L */
  if (s->symmetric) PetscCall(PetscArraycpy(s->before, x, s->n_owned));
  PetscCall(RunTerms(s, false, x));
  if (s->symmetric) PetscCall(RunTerms(s, true, x));
  if (sums) Summarise(s, x, sums);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepResiduals - See the header. */
PetscErrorCode MeritSweepResiduals(MeritSweep s, double **e)
{
  PetscFunctionBegin;
  *e = s->e;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepSaveEdges - See the header. */
PetscErrorCode MeritSweepSaveEdges(MeritSweep s, double edges[])
{
  PetscFunctionBegin;
  PetscCall(PetscArrayzero(edges, s->n_owned));
  for (int k = 0; k < s->n_terms; k++) {
    const MeritTermView *t = s->term[k].view;

    if (s->term[k].recursion)
      PetscCall(PetscArraycpy(edges + t->eq_owned, s->term[k].deviation, (size_t)t->n_owned * (size_t)t->n_eq));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepRestore - See the header. Rows without a level of their own are computed from x. */
PetscErrorCode MeritSweepRestore(MeritSweep s, const double x[], const double edges[])
{
  PetscFunctionBegin;
  PetscCall(Distribute(s, x));
  for (int k = 0; k < s->n_terms; k++) {
    SweepTerm           *term = &s->term[k];
    const MeritTermView *t    = term->view;

    if (term->recursion) {
      PetscCall(PetscArraycpy(term->deviation, edges + t->eq_owned, (size_t)t->n_owned * (size_t)t->n_eq));
      Deviations(term->recursion, t->n_owned, s->du, term->deviation);
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
  PetscCall(PetscViewerASCIIPrintf(viewer, "  relaxation %g, %s sweeps\n", s->relaxation, s->symmetric ? "symmetric" : "forward"));
  for (int k = 0; k < s->n_terms; k++) {
    const SweepTerm *term = &s->term[k];

    if (SweepByColumns(term->view))
      PetscCall(PetscViewerASCIIPrintf(viewer, "  %s: blocks of %d columns\n", formula->term[k].label, term->columns.width));
    else
      PetscCall(PetscViewerASCIIPrintf(viewer, "  %s: %d colours\n", formula->term[k].label, term->levels.n_colours));
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
  PetscCall(PetscFree(s->part));
  PetscCall(PetscFree2(s->y, s->e));
  PetscCall(PetscFree(s->delta));
  PetscCall(PetscFree2(s->g, s->du));
  PetscCall(PetscFree(s->before));
  PetscCall(PetscFree(s->sums));
  PetscCall(MatDestroy(&s->C));
  PetscCall(PetscFree(*sweep));
  PetscFunctionReturn(PETSC_SUCCESS);
}
