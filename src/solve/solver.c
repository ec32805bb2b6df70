/*
  The interface of all solvers: options, operator, set-up, solve. A type is a table of functions
  (MeritSolverOps); this file has what is the same for all.

  Life of a solver: create; options from the job file, then from PETSc's database, which wins;
  operator; set-up (sizes and terms, the diagonal, the preconditioner's name, then that of the
  type); solves. What changes the result of set-up calls Reset(), so that the next solve sets up
  anew. New variances of the model do not: each solve asks for the state of the operator, and
  types make anew what is stale.
*/
#include "solver_impl.h"
#include <merit/memory.h>
#include <math.h>
#include <string.h>

/* All types, the default first, and their names in the same order. */
static const MeritSolverOps *const types[]      = {&MeritSolver_PCG, &MeritSolver_KSP,   &MeritSolver_GSRU,
                                                   &MeritSolver_GS,  &MeritSolver_LHSGS, &MeritSolver_Cholesky};
static const char *const           type_names[] = {"pcg", "ksp", "gsru", "gs", "lhs_gs", "cholesky"};
/* The names for people */
#define TYPES "pcg, ksp, gsru, gs, lhs_gs and cholesky"

/*@
  MeritSolverCreate - Make a solver: pcg, residual 1e-8, 5000 iterations, a preconditioner chosen from the model.

  Collective on comm. Owned by the caller, free with `MeritSolverDestroy()`.
@*/
PetscErrorCode MeritSolverCreate(MPI_Comm comm, MeritSolver *solver)
{
  MeritSolver s;

  PetscFunctionBegin;
  PetscCall(MeritPCRegisterAll());
  PetscCall(PetscNew(&s));
  PetscCall(PetscCommDuplicate(comm, &s->comm, NULL)); /* messages of the caller are none of ours */
  s->ops                 = types[0];
  s->settings.criterion  = MERIT_CRITERION_RESIDUAL;
  s->settings.rtol       = 1e-8;
  s->settings.max_it     = 5000;
  s->settings.relaxation = 1.0;
  s->settings.block      = 64;
  s->settings.pc_auto    = true;
  s->settings.snp        = (MeritSnpOptions){MERIT_SNP_AUTO, 64, 0, false};
  *solver                = s;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Drop all that set-up made; options and operator remain. Collective. */
static PetscErrorCode Reset(MeritSolver s)
{
  PetscFunctionBegin;
  if (s->data) PetscCall((*s->ops->reset)(s)); /* also after a set-up that failed */
  PetscCall(PCDestroy(&s->pc));
  PetscCall(PetscFree(s->D_inverse));
  PetscCall(PetscFree(s->term_change));
  s->ready = false;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetType - "pcg", "ksp", "gsru", "gs", "lhs_gs" or "cholesky"; others are USAGE errors. Logically collective. */
PetscErrorCode MeritSolverSetType(MeritSolver s, const char type[])
{
  const char *nearest;

  PetscFunctionBegin;
  PetscCall(Reset(s));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(types); i++)
    if (!strcmp(types[i]->name, type)) {
      s->ops = types[i];
      PetscFunctionReturn(PETSC_SUCCESS);
    }
  nearest = MeritNearest(type, (int)PETSC_STATIC_ARRAY_LENGTH(type_names), type_names);
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.type", "there is no solver \"%s\"; there are " TYPES "%s%s%s", type,
                       nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : ""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does the type take a preconditioner, and options for it? Those are pcg and ksp. */
static bool HasPreconditioner(MeritSolver s) { return s->ops->can.preconditioned; }

/* MeritSolverSetCheckpoint - See the header; borrowed, NULL: none. Logically collective. */
PetscErrorCode MeritSolverSetCheckpoint(MeritSolver s, MeritCheckpoint checkpoint)
{
  PetscFunctionBegin;
  s->checkpoint = checkpoint;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSolverChooseGrid - Have the model's genotypes cut over the ranks by cost, for a type and preconditioner that work on any grid;
  call it where the user named none, before the model is set up. Logically collective.
*/
PetscErrorCode MeritSolverChooseGrid(MeritSolver s, MeritModel model)
{
  PetscFunctionBegin;
  if (MeritModelGenotypes(model) && HasPreconditioner(s) && s->settings.snp.kind != MERIT_SNP_BLOCKS)
    PetscCall(MeritGenotypesSetGrid(MeritModelGenotypes(model), MERIT_GRID_AUTO));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetMemory - Most bytes on a rank that a solver which forms C may take; 0: what the
   machine has. More is refused at set-up. Logically collective. */
PetscErrorCode MeritSolverSetMemory(MeritSolver s, double bytes)
{
  PetscFunctionBegin;
  s->settings.memory = bytes;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetOperator - The equations to solve: a matrix of MeritMatCreateMME(), or for pcg
   and ksp any with a diagonal. Takes a reference. Collective. */
PetscErrorCode MeritSolverSetOperator(MeritSolver s, Mat C)
{
  PetscFunctionBegin;
  PetscCall(Reset(s));
  PetscCall(PetscObjectReference((PetscObject)C));
  PetscCall(MatDestroy(&s->C));
  s->C = C;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetTolerance - When to stop: criterion, its bound (on the square, for squared
   criteria), and the most iterations. Takes effect at the next solve. Logically collective. */
PetscErrorCode MeritSolverSetTolerance(MeritSolver s, MeritCriterion criterion, double rtol, int64_t max_it)
{
  PetscFunctionBegin;
  s->settings.criterion = criterion;
  s->settings.rtol      = rtol;
  s->settings.max_it    = max_it;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetPreconditioner - Name of the PC of pcg and ksp; "auto" chooses from the model at
   set-up; "diagonal", "block" and "pedigree" are other names. USAGE error for a type that needs
   a formed matrix. Logically collective. */
PetscErrorCode MeritSolverSetPreconditioner(MeritSolver s, const char type[])
{
  PetscFunctionBegin;
  if (!strcmp(type, "auto")) {
    PetscCall(Reset(s));
    s->settings.pc_auto = true;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!strcmp(type, "diagonal")) type = PCJACOBI;
  if (!strcmp(type, "block")) type = "merit_block";
  if (!strcmp(type, "pedigree")) type = "merit_ped";
  PetscCall(MeritPCCheckType(type));
  PetscCall(Reset(s));
  PetscCall(PetscStrncpy(s->settings.pc_type, type, sizeof(s->settings.pc_type)));
  s->settings.pc_auto = false;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetRelaxation - Factor of Gauss-Seidel steps, above 0 and below 2 (outside that
   they diverge), else a USAGE error. Logically collective. */
PetscErrorCode MeritSolverSetRelaxation(MeritSolver s, double relaxation)
{
  PetscFunctionBegin;
  if (!(relaxation > 0.0 && relaxation < 2.0))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.relaxation", "must lie between 0 and 2, got %g", relaxation));
  s->settings.relaxation = relaxation;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetPrecision - Precision of pcg's products with genotypes; other solvers take
   double. Needs a new set-up. Logically collective. */
PetscErrorCode MeritSolverSetPrecision(MeritSolver s, MeritPrecision precision)
{
  PetscFunctionBegin;
  PetscCall(Reset(s));
  s->settings.precision = precision;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetSymmetric - Do sweeps of gsru and gs go through all equations and back, or once?
   Logically collective. */
PetscErrorCode MeritSolverSetSymmetric(MeritSolver s, bool symmetric)
{
  PetscFunctionBegin;
  s->settings.symmetric = symmetric;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverSetMonitor - Called once an iteration on every rank, by iterative solvers also with
   the start as iteration 0; NULL: none. ctx is the caller's. Not collective. */
PetscErrorCode MeritSolverSetMonitor(MeritSolver s, MeritMonitor monitor, void *ctx)
{
  PetscFunctionBegin;
  s->settings.monitor     = monitor;
  s->settings.monitor_ctx = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverGetCapabilities - See the header. Not collective. */
PetscErrorCode MeritSolverGetCapabilities(MeritSolver s, MeritSolverCapabilities *can)
{
  PetscFunctionBegin;
  *can = s->ops->can;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverGetType, GetTolerance, GetPreconditioner - What is in force. Not collective; strings are borrowed. */
PetscErrorCode MeritSolverGetType(MeritSolver s, const char *type[])
{
  PetscFunctionBegin;
  *type = s->ops->name;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverGetTolerance - Outputs may be NULL. Not collective. */
PetscErrorCode MeritSolverGetTolerance(MeritSolver s, MeritCriterion *criterion, double *rtol, int64_t *max_it)
{
  PetscFunctionBegin;
  if (criterion) *criterion = s->settings.criterion;
  if (rtol) *rtol = s->settings.rtol;
  if (max_it) *max_it = s->settings.max_it;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverGetPreconditioner - "none" for types without one. Not collective; borrowed. */
PetscErrorCode MeritSolverGetPreconditioner(MeritSolver s, const char *type[])
{
  PetscFunctionBegin;
  *type = HasPreconditioner(s) ? s->settings.pc_type : "none";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PETSc options that stand above the job file: -solver_type, -solver_rtol, -solver_max_it,
   -pc_type. Setters check them as they check the words of a job. Collective. */
static PetscErrorCode FromOptions(MeritSolver s)
{
  char      text[64];
  PetscBool given;
  PetscReal rtol   = s->settings.rtol;
  PetscInt  max_it = (PetscInt)s->settings.max_it;

  PetscFunctionBegin;
  PetscCall(PetscOptionsGetString(NULL, NULL, "-solver_type", text, sizeof(text), &given));
  if (given) PetscCall(MeritSolverSetType(s, text));
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-solver_rtol", &rtol, NULL));
  PetscCall(PetscOptionsGetInt(NULL, NULL, "-solver_max_it", &max_it, NULL));
  PetscCall(MeritSolverSetTolerance(s, s->settings.criterion, rtol, max_it));
  PetscCall(PetscOptionsGetString(NULL, NULL, "-pc_type", text, sizeof(text), &given));
  if (given) PetscCall(MeritSolverSetPreconditioner(s, text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keys on SNPs: solver.snp, snp_block, nystrom_rank, combine. What the job does not name is not
   changed. */
static PetscErrorCode SnpFromConfig(MeritSolver s, MeritNode job)
{
  static const char *const kinds[] = {"auto", "diagonal", "blocks", "nystrom"}, *const ways[] = {"additive", "multiplicative"};
  int     kind = (int)s->settings.snp.kind, way = s->settings.snp.multiplicative;
  int64_t width = s->settings.snp.width, rank = s->settings.snp.rank;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(job, "solver.snp", 4, kinds, &kind));
  PetscCall(MeritConfigInt(job, "solver.snp_block", 1, 1024, &width));
  PetscCall(MeritConfigInt(job, "solver.nystrom_rank", 0, 2000, &rank));
  PetscCall(MeritConfigChoice(job, "solver.combine", 2, ways, &way));
  s->settings.snp = (MeritSnpOptions){(MeritSnpKind)kind, (int32_t)width, (int32_t)rank, way == 1};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The error of a setter, which knows no files, again with the position in the job file of the word
   that it refused. Other errors go through. */
static PetscErrorCode Place(MeritNode node, PetscErrorCode code)
{
  const MeritErrorInfo why = *MeritErrorLast();

  if (code != MERIT_ERR_BASE + (PetscErrorCode)MERIT_ERROR_USAGE) return code;
  return MeritNodeError(node, "%s", why.text);
}

/*@
  MeritSolverSetFromConfig - Options from the job tree, then from PETSc's options database, which wins.

  Logically collective. Errors: USAGE with the position in the job file.
@*/
PetscErrorCode MeritSolverSetFromConfig(MeritSolver s, MeritNode job)
{
  static const char *const criteria[]   = {"residual", "residual_sq", "change", "change_sq"};
  const char              *text         = NULL;
  static const char *const sweeps[]     = {"forward", "symmetric"};
  static const char *const precisions[] = {"auto", "double", "mixed"};
  int                      criterion = (int)s->settings.criterion, precision = (int)s->settings.precision, sweep = s->settings.symmetric;
  double                   rtol = s->settings.rtol, relaxation = s->settings.relaxation;
  int64_t                  max_it = s->settings.max_it, block = s->settings.block;

  PetscFunctionBegin;
  PetscCall(MeritConfigString(job, "solver.type", &text));
  if (text) PetscCall(Place(MeritNodeFind(job, "solver.type"), MeritSolverSetType(s, text)));
  PetscCall(MeritConfigChoice(job, "solver.criterion", 4, criteria, &criterion));
  PetscCall(MeritConfigReal(job, "solver.rtol", 0.0, 1.0, &rtol));
  PetscCall(MeritConfigInt(job, "solver.max_it", 0, INT32_MAX, &max_it));
  PetscCall(MeritSolverSetTolerance(s, (MeritCriterion)criterion, rtol, max_it));
  text = NULL;
  PetscCall(MeritConfigString(job, "solver.preconditioner", &text));
  if (text) PetscCall(Place(MeritNodeFind(job, "solver.preconditioner"), MeritSolverSetPreconditioner(s, text)));
  PetscCall(MeritConfigChoice(job, "solver.precision", 3, precisions, &precision));
  PetscCall(MeritSolverSetPrecision(s, (MeritPrecision)precision));
  PetscCall(SnpFromConfig(s, job));
  PetscCall(MeritConfigReal(job, "solver.relaxation", 0.0, 2.0, &relaxation));
  PetscCall(MeritSolverSetRelaxation(s, relaxation));
  PetscCall(MeritConfigChoice(job, "solver.sweep", 2, sweeps, &sweep));
  /* a key without effect would be taken for one that has it */
  if (sweep && !s->ops->can.sweeps)
    PetscCall(MeritNodeError(MeritNodeFind(job, "solver.sweep"), "solver.sweep: symmetric requires solver gsru or gs, not %s", s->ops->name));
  PetscCall(MeritSolverSetSymmetric(s, sweep));
  PetscCall(MeritConfigInt(job, "solver.block", 1, 1024, &block));
  s->settings.block = (int32_t)block;
  PetscCall(MeritConfigBytes(job, "solver.memory", &s->settings.memory));
  /* the database last, so that it wins */
  PetscCall(FromOptions(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The preconditioner where none was asked for: the incomplete Cholesky of the pedigree if there
   is a pedigree term, else the fixed effects exactly and blocks of levels. Both need every G
   non-singular, else blocks of levels alone. The log says which, and why. Collective. */
static PetscErrorCode ChoosePreconditioner(MeritSolver s)
{
  const char *type = "merit_fixed", *why = "the model has no pedigree term";
  const int  *linked;
  MeritModel  model = NULL;

  PetscFunctionBegin;
  if (!s->settings.pc_auto) PetscFunctionReturn(PETSC_SUCCESS);
  if (s->n_terms) PetscCall(MeritMMEGetModel(s->C, &model));
  /* a matrix without a model (the dummy) gets merit_fixed, which does nothing there */
  if (s->n_terms && MeritModelLinkedTerms(model, &linked) > 0) {
    type = "merit_ped";
    why  = "the model has a pedigree term";
  }
  for (int k = 0; k < s->n_terms; k++)
    if (s->term[k].L) {
      type = "merit_block";
      why  = "a covariance matrix is singular";
    }
  PetscCall(PetscStrncpy(s->settings.pc_type, type, sizeof(s->settings.pc_type)));
  if (s->n_terms && HasPreconditioner(s)) MeritLog(MERIT_LOG_INFO, "preconditioner %s: %s", type, why);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverState - See the header. A matrix that is not the mixed model equations never
   changes: state 1. Collective. */
PetscErrorCode MeritSolverState(MeritSolver s, uint64_t *state)
{
  bool equations;

  PetscFunctionBegin;
  *state = 1;
  PetscCall(MeritMatIsMME(s->C, &equations));
  if (equations) PetscCall(MeritMMEState(s->C, state));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Reciprocal diagonal of C, for the scaled norm of residuals; kept with the state of C, since it
   takes a pass over records and genotypes. Equations with diagonal 0 have 0. Collective. */
static PetscErrorCode InvertDiagonal(MeritSolver s)
{
  Vec           d;
  const double *value;
  uint64_t      state;

  PetscFunctionBegin;
  PetscCall(MeritSolverState(s, &state));
  if (s->D_inverse && s->D_state == state) PetscFunctionReturn(PETSC_SUCCESS);
  s->D_state = state;
  PetscCall(PetscFree(s->D_inverse));
  PetscCall(MatCreateVecs(s->C, &d, NULL));
  PetscCall(MatGetDiagonal(s->C, d));
  PetscCall(VecGetArrayRead(d, &value));
  PetscCall(PetscMalloc1(s->n + 1, &s->D_inverse));
  for (int32_t i = 0; i < s->n; i++) s->D_inverse[i] = value[i] > 0.0 ? 1.0 / value[i] : 0.0;
  PetscCall(VecRestoreArrayRead(d, &value));
  PetscCall(VecDestroy(&d));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverCheckModel - See the header. Looks at the formula alone, so it can be called before
   data are read. Not collective. */
PetscErrorCode MeritSolverCheckModel(MeritSolver s, MeritModel model)
{
  const int term = MeritModelSingularTerm(model);

  PetscFunctionBegin;
  if (term < 0 || s->settings.pc_auto || !HasPreconditioner(s) ||
      (strcmp(s->settings.pc_type, "merit_ped") && strcmp(s->settings.pc_type, "merit_fixed")))
    PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.preconditioner",
                       "%s needs covariance matrices that are not singular, and that of `%s` is; use auto or merit_block", s->settings.pc_type,
                       MeritModelFormula(model)->term[term].label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverPrepare - See the header. Takes over new variances of the model first. Collective. */
PetscErrorCode MeritSolverPrepare(MeritSolver s)
{
  MeritModel model;
  PetscInt   n;
  bool       equations;

  PetscFunctionBegin;
  PetscCheck(s->C, s->comm, PETSC_ERR_ORDER, "give the operator first");
  PetscCall(MatGetLocalSize(s->C, &n, NULL));
  s->n = (int32_t)n;
  PetscCall(MeritMatIsMME(s->C, &equations));
  s->n_terms = 0;
  if (!equations) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMMERefresh(s->C));
  PetscCall(MeritMMEGetModel(s->C, &model));
  s->n_terms = MeritModelTerms(model, &s->term);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritSolverSetUp - Make ready for the operator as it is now; called by Solve when needed. Collective, idempotent.
@*/
PetscErrorCode MeritSolverSetUp(MeritSolver s)
{
  PetscFunctionBegin;
  if (s->ready) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritSolverPrepare(s));
  PetscCall(PetscCalloc1(s->n_terms + 1, &s->term_change));
  PetscCall(InvertDiagonal(s));
  PetscCall(ChoosePreconditioner(s));
  PetscCall((*s->ops->setup)(s));
  s->ready = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritSolverSolve - Solve C x = r for k right-hand sides.

  Collective.

  Input Parameters:
+ k - right-hand sides
- r - [n_owned * k], right-hand side fastest

  In/out Parameter:
. x - [n_owned * k] start, then solution; kept whatever the outcome

  Output Parameter:
. result - why it stopped, iterations, true residual, eigenvalue estimates; a residual that is not finite is a breakdown with every solver
@*/
PetscErrorCode MeritSolverSolve(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  PetscFunctionBegin;
  PetscCall(MeritSolverSetUp(s));
  PetscCall(MeritSolverPrepare(s)); /* variances may be others since */
  PetscCall(InvertDiagonal(s));
  *result  = (MeritSolveResult){MERIT_STOP_NONE, 0, NAN, NAN, NAN, NAN};
  s->start = MPI_Wtime();
  /* types start from stop = NONE and numbers that are not known */
  PetscCall((*s->ops->solve)(s, k, r, x, result));
  if (!isfinite(result->true_residual)) result->stop = MERIT_STOP_BREAKDOWN;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverView - Describe the solver and its preconditioner. Collective. */
PetscErrorCode MeritSolverView(MeritSolver s, PetscViewer viewer)
{
  PetscFunctionBegin;
  PetscCall(PetscViewerASCIIPrintf(viewer, "Merit solver %s: rtol %g, at most %lld iterations\n", s->ops->name, s->settings.rtol,
                                   (long long)s->settings.max_it));
  if (s->ready) PetscCall((*s->ops->view)(s, viewer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrix on which options are tried is the identity. */
static PetscErrorCode Mult_Dummy(Mat C, Vec x, Vec y)
{
  PetscFunctionBegin;
  (void)C;
  PetscCall(VecCopy(x, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Diagonal_Dummy(Mat C, Vec d)
{
  PetscFunctionBegin;
  (void)C;
  PetscCall(VecSet(d, 1.0));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritSolverTryOptions - Set everything up on a matrix of one equation per rank, so that what PETSc's options ask for is tried before data are read.

  Collective. Without an operator only; leaves the solver without one. Only pcg and ksp take such options.
@*/
PetscErrorCode MeritSolverTryOptions(MeritSolver s)
{
  Mat dummy;

  PetscFunctionBegin;
  if (!HasPreconditioner(s)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatCreateShell(s->comm, 1, 1, PETSC_DETERMINE, PETSC_DETERMINE, NULL, &dummy));
  PetscCall(MatShellSetOperation(dummy, MATOP_MULT, (void (*)(void))Mult_Dummy));
  PetscCall(MatShellSetOperation(dummy, MATOP_GET_DIAGONAL, (void (*)(void))Diagonal_Dummy));
  /* as in a run, but on equations that take no time */
  PetscCall(MeritSolverSetOperator(s, dummy));
  PetscCall(MatDestroy(&dummy));
  PetscCall(MeritSolverSetUp(s));
  PetscCall(Reset(s));
  PetscCall(MatDestroy(&s->C));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverDestroy - Free a solver; NULL-safe, sets the handle to NULL. Collective. */
PetscErrorCode MeritSolverDestroy(MeritSolver *solver)
{
  PetscFunctionBegin;
  if (!*solver) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Reset(*solver));
  PetscCall(MatDestroy(&(*solver)->C));
  PetscCall(PetscCommDestroy(&(*solver)->comm));
  PetscCall(PetscFree(*solver));
  PetscFunctionReturn(PETSC_SUCCESS);
}
