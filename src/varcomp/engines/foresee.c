/*
  What each engine would take, before anything of its size is made: bytes from the arrays that
  it keeps, seconds from the operations that it does and the rates of a machine. Nothing here
  reads a clock, so that every rank and every run foresees the same.

  `work` is seconds of one core, for the choice; `before` and `round` are seconds on the ranks
  and threads that are asked for, for merit plan. Numbers of operations are those of the
  algorithms; constants were measured or counted in runs.
*/
#include "projected.h"
#include <math.h>
#include <merit/memory.h>
#include <merit/solver.h>
#include <omp.h>

const VarcompEngine *const VarcompEngines[VARCOMP_ENGINES] = {&VarcompEngine_Spectral, &VarcompEngine_Sparse, &VarcompEngine_DenseV,
                                                              &VarcompEngine_Lanczos, &VarcompEngine_MonteCarlo};

/*
  Equations up to which the graph of a factor is made on one rank; observations up to which n x
  n matrices are formed
*/
enum { ANALYSED_MOST = 4000000, DENSE_MOST = 20000 };
/*
  Seconds of a core, measured on the machine of bench/README.md: one contribution to C stored
  there; a number of a pass through an n x n matrix that is not a product of matrices; a
  number that fronts of a factor and of its inverse pass on; one equation in an iteration on one
  vector, preconditioned; one level in a product with K.
*/
static const double CONTRIBUTION_SECONDS = 2.5e-8, ENTRY_SECONDS = 4e-9, PASS_SECONDS = 5e-9, EQUATION_SECONDS = 1.8e-8, LEVEL_SECONDS = 3e-8;
/*
  Products between animals against products with vectors, for a genotype; a reduction to a band
  against other dense algebra, for an operation; seconds of a number of the matrix on the way
  from the band to a tridiagonal matrix
*/
static const double RELATION_RATE = 3.6, BAND_RATE = 1.7, BAND_SECONDS = 6e-8;
/* A selected inverse against its factor, in operations. */
static const double INVERSE_WORK = 1.0;
/*
  Bytes that an entry of C takes beside the matrix it is put together in: derivatives, inverse,
  its position in the factor
*/
static const double FACTOR_ENTRY_BYTES = 56.0;
/*
  Iterations of conjugate gradients, of pedigrees and with SNPs; vectors of k columns that they
  and the engine keep; samples that are reckoned with
*/
static const double ITERATIONS = 60.0, SNP_ITERATIONS = 150.0, BLOCK_VECTORS = 10.0, SAMPLES = 17.0;
/* Products with K of all the Lanczos processes; columns that go together, and vectors of each */
static const double LANCZOS_PRODUCTS = 350.0, LANCZOS_COLUMNS = 64.0, LANCZOS_VECTORS = 6.0;

/*
  Sizes of the model over all ranks, the same on every rank: threads are those of rank 0.
  Collective.
*/
static PetscErrorCode Measure(MeritVarcomp v, int ranks, int threads, VarcompSizes *s)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);
  MeritGenotypes       geno    = MeritModelGenotypes(v->model);
  int64_t              n_all, n_animals = 0, n_values = MeritModelRecords(v->model)->n_records;

  PetscFunctionBegin;
  *s = (VarcompSizes){.ranks = ranks ? ranks : v->size, .threads = ranks ? threads : omp_get_max_threads(), .n = (double)v->run.n_observations};
  PetscCallMPI(MPI_Bcast(&s->threads, 1, MPI_INT, 0, v->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_values, 1, MPI_INT64_T, MPI_SUM, v->comm));
  n_all = MeritModelLayout(v->model)->n_all;
  if (geno) PetscCall(MeritGenotypesSize(geno, &n_animals, NULL, NULL));
  s->equations = (double)n_all;
  s->values    = (double)(n_values * v->formula->n_traits);
  s->animals   = (double)n_animals;
  s->scalar    = v->formula->n_traits == 1 && v->formula->n_residuals == 1;
  for (int i = 0; i < v->n; i++) s->scalar = s->scalar && !v->component[i].row;
  for (int k = 0; k < n_terms; k++) {
    const double n_eq = (double)(term[k].n_levels * term[k].n_eq);
    double       rows;

    s->m += !term[k].fixed;
    if (MeritStructureForm(term[k].structure) != MERIT_FORM_FACTOR) continue;
    PetscCall(MeritStructureFactorRows(term[k].structure, s->values, &rows));
    s->genotypes += rows * n_eq;
    s->full += n_eq;
    s->genomic = true;
  }
  s->one = s->scalar && s->m == 1 && v->n == 2 && !v->component[0].fixed && !v->component[1].fixed;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A bit for each term that mixes its components in the equations (MeritTermMixes): C's pattern
  depends on it, and an analysis is good only for the pattern that it was made for
*/
static uint64_t Mixing(MeritVarcomp v)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);
  uint64_t             mixing  = 0;

  for (int k = 0; k < n_terms; k++) mixing ^= (uint64_t)MeritTermMixes(&term[k]) << k % 64;
  return mixing;
}

/* VarcompTakeAnalysis - See the header. Collective. */
PetscErrorCode VarcompTakeAnalysis(MeritVarcomp v, Mat *A, MeritFactor *factor)
{
  PetscFunctionBegin;
  *A      = NULL;
  *factor = NULL;
  if (v->run.analysed && v->run.analysed_mixing == Mixing(v)) {
    *A                     = v->run.analysed;
    *factor                = v->run.analysed_factor;
    v->run.analysed        = NULL;
    v->run.analysed_factor = NULL;
  }
  PetscCall(MatDestroy(&v->run.analysed));
  PetscCall(MeritFactorDestroy(&v->run.analysed_factor));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Order and elimination tree of C, rows of SNPs left out, as these are in every column of the
  factor; kept in v->run for the engine and further calls, with C itself if there are no such
  rows. *need is what a factor takes on these ranks and threads. Collective.
*/
static PetscErrorCode Tree(MeritVarcomp v, const VarcompSizes *s, MeritFactorNeed *need)
{
  bool *full;

  PetscFunctionBegin;
  if (!v->run.analysed_factor || v->run.analysed_mixing != Mixing(v)) {
    PetscCall(MeritPhaseBegin("varcomp.foresee"));
    PetscCall(MatDestroy(&v->run.analysed));
    PetscCall(MeritFactorDestroy(&v->run.analysed_factor));
    PetscCall(MeritMMEAssembleSparse(v->run.C, &v->run.analysed, &full));
    PetscCall(MeritFactorAnalyse(v->run.analysed, full, &v->run.analysed_factor));
    v->run.analysed_mixing = Mixing(v);
    if (full) PetscCall(MatDestroy(&v->run.analysed));
    PetscCall(PetscFree(full));
    PetscCall(MeritPhaseEnd());
  }
  PetscCall(MeritFactorForesee(v->run.analysed_factor, s->ranks, s->threads, need));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompForeseeSparse - See the header. C is assembled once for the factor and once for every
  component; SNPs go through the products with their genotypes wherever R counts. Models with
  too many equations or entries, and those whose pattern alone has no room, cannot be factored.
  Collective.
*/
PetscErrorCode VarcompForeseeSparse(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f)
{
  const double    times = 1.0 + v->n + (v->settings.method == MERIT_VARCOMP_ML);
  int64_t         entries, most, bytes, sparse;
  double          available, assembly, algebra;
  int             on_node;
  MeritFactorNeed need = {0};

  PetscFunctionBegin;
  PetscCall(MeritMMEAssembledSize(v->run.C, &entries, &most, &bytes));
  PetscCall(MeritMMESparseSize(v->run.C, &sparse));
  PetscCall(MeritMemoryAvailable(v->comm, &available, &on_node));
  f->can = s->equations <= ANALYSED_MOST && entries / v->size < (sizeof(PetscInt) < 8 ? INT32_MAX : INT64_MAX);
  if (!f->can || (available >= 0.0 && 2.0 * (double)sparse > available)) {
    f->can   = false;
    f->bytes = (double)bytes;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(Tree(v, s, &need));
  if (s->ranks != v->size) most = entries / s->ranks;
  f->bytes       = (double)bytes / (double)PetscMax(most, 1) * (double)most + FACTOR_ENTRY_BYTES * (double)most + need.bytes_inverse;
  assembly       = times * CONTRIBUTION_SECONDS * (double)entries + 2.0 * s->genotypes * s->full / v->settings.rates.genotypes;
  algebra        = (1.0 + INVERSE_WORK) / v->settings.rates.products;
  f->work_before = 3.0 * CONTRIBUTION_SECONDS * (double)entries;
  f->work_round  = assembly + algebra * need.flops + PASS_SECONDS * need.passed;
  f->before      = f->work_before / s->ranks;
  f->round       = assembly / (s->ranks * s->threads) + algebra * need.flops_in_turn + PASS_SECONDS * need.passed_in_turn;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Seconds of a core for the matrices of all random terms, n x n: of SNPs by products between
  animals, of other factors by products of matrices, of others by products with unit vectors;
  and the fixed effects taken out
*/
static double FormWork(MeritVarcomp v, const VarcompSizes *s)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);
  const double         n       = PetscMin(s->n, s->animals);
  double               work    = 0.0;

  for (int k = 0; k < n_terms; k++) {
    if (term[k].fixed) continue;
    if (MeritStructureFed(term[k].structure)) work += 0.5 * n * n * (double)term[k].n_levels / (RELATION_RATE * v->settings.rates.genotypes);
    else if (MeritStructureForm(term[k].structure) == MERIT_FORM_FACTOR) work += s->n * s->n * (double)term[k].n_levels / v->settings.rates.products;
    else work += LEVEL_SECONDS * s->n * (double)term[k].n_levels;
    work += 8.0 * ENTRY_SECONDS * s->n * s->n;
  }
  return work;
}

/*
  VarcompForeseeDenseV - See the header. Rounds are on one rank; ml inverts two matrices in
  each. Collective.
*/
PetscErrorCode VarcompForeseeDenseV(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f)
{
  const double n2 = s->n * s->n, m = s->m;
  bool         room, fixed;

  PetscFunctionBegin;
  PetscCall(RecordSpaceFixedFits(v, &fixed));
  PetscCall(ProjectedFit(v, s->m, &room, &f->bytes));
  f->can         = s->scalar && s->m > 0 && fixed && s->n <= DENSE_MOST;
  f->work_before = FormWork(v, s);
  f->work_round =
      (v->settings.method == MERIT_VARCOMP_ML ? 2.0 : 1.0) * n2 * s->n / 2.0 / v->settings.rates.products + (2.0 * m + 3.0) * ENTRY_SECONDS * n2;
  f->before = f->work_before / (s->ranks * s->threads);
  f->round  = f->work_round; /* on one rank */
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompForeseeSpectral - See the header. ml reduces two matrices. A round costs next to
  nothing. Collective.
*/
PetscErrorCode VarcompForeseeSpectral(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f)
{
  const double n3 = s->n * s->n * s->n, matrices = v->settings.method == MERIT_VARCOMP_ML ? 2.0 : 1.0;
  bool         fixed;

  PetscFunctionBegin;
  PetscCall(RecordSpaceFixedFits(v, &fixed));
  f->can         = s->one && s->genomic && fixed && s->n <= 5.0 * DENSE_MOST;
  f->bytes       = VarcompEigenBytes(v, s->ranks);
  f->work_before = matrices * (FormWork(v, s) + n3 / (BAND_RATE * v->settings.rates.products) + BAND_SECONDS * s->n * s->n);
  f->work_round  = 1e-7 * s->n;
  f->before      = f->work_before / (s->ranks * s->threads);
  f->round       = f->work_round;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompForeseeLanczos - See the header. As many products with K of a column, in single
  precision, as such models took; processes of a block of columns in memory. Collective.
*/
PetscErrorCode VarcompForeseeLanczos(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f)
{
  bool fixed;

  PetscFunctionBegin;
  PetscCall(RecordSpaceFixedFits(v, &fixed));
  f->can         = s->one && s->genomic && fixed;
  f->exact       = false;
  f->bytes       = 8.0 * LANCZOS_COLUMNS * (LANCZOS_VECTORS * s->n / s->ranks + s->full);
  f->work_before = LANCZOS_PRODUCTS * (s->genotypes / v->settings.rates.genotypes + LEVEL_SECONDS * (s->equations - s->full + s->n));
  f->work_round  = 1e-6;
  f->before      = f->work_before / (s->ranks * s->threads);
  f->round       = f->work_round;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompForeseeMonteCarlo - See the header. All draws and the data in one block, and the
  working variates of every component in another that takes as many iterations. Collective.
*/
PetscErrorCode VarcompForeseeMonteCarlo(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f)
{
  const double k = v->settings.n_samples > 0 ? v->settings.n_samples : SAMPLES, columns = k + 1.0 + v->n,
               iterations = s->genotypes > 0.0 ? SNP_ITERATIONS : ITERATIONS;

  PetscFunctionBegin;
  f->can         = v->settings.left_out < 0;
  f->exact       = false;
  f->bytes       = 8.0 * ((BLOCK_VECTORS * (k + 1.0) + v->n) * s->equations + (2.0 * k + v->n) * s->values) / s->ranks;
  f->work_before = 0.0;
  f->work_round =
      iterations * columns * (EQUATION_SECONDS * (s->equations + s->values / v->formula->n_traits) + s->genotypes / v->settings.rates.genotypes);
  f->before = 0.0;
  f->round  = f->work_round / (s->ranks * s->threads);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompForesee - See the header. Collective. */
PetscErrorCode VarcompForesee(MeritVarcomp v, const VarcompEngine *engine, int ranks, int threads, VarcompForesight *f)
{
  VarcompSizes s;

  PetscFunctionBegin;
  *f = (VarcompForesight){.engine = engine, .exact = true};
  PetscCall(Measure(v, ranks, threads, &s));
  PetscCall(engine->foresee(v, &s, f));
  PetscFunctionReturn(PETSC_SUCCESS);
}
