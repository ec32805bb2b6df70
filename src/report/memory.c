/* What a solve needs: counted from the arrays that the model, the operator and the solver keep. */
#include "report_impl.h"

/* Vectors of the solver: solution, right-hand side, residual, direction, its image, preconditioned
   residual, diagonal, one to spare. */
#define SOLVER_VECTORS 8
/* An id or class label in a dictionary, with its share of the tables; the ids of a line of a table
   while it is read. */
#define LABEL_BYTES 32
#define POOL_BYTES  100
/* A column of a table while it is read: text code or number, line, share of the pool. */
#define ROW_BYTES 24
/* A row of a table while it is written: values and their copies under way, and the text as it
   grows. */
#define TEXT_BYTES 150

/* Items of the fullest of `ranks` blocks */
static int64_t Share(int64_t n, int ranks) { return (n + ranks - 1) / ranks; }

/* Bytes that one record needs: values, weights, pattern, line, and slots and coefficients of all
   regressors */
static int64_t RecordBytes(MeritReport report)
{
  const MeritTermView *views;
  int64_t              bytes = 12 + 24 * (int64_t)report->formula->n_traits;
  int                  n     = MeritModelTerms(report->model, &views);

  for (int t = 0; t < n; t++)
    for (int g = 0; g < views[t].n_regressors; g++)
      bytes += ROW_BYTES + 4 + (views[t].design[g].value ? 8 : 0);
  return bytes;
}

/* Levels of a term: canonical number, owner and place, label, observations, states, diagonal
   blocks, parents */
static int64_t LevelBytes(const MeritTermView *view)
{
  int64_t bytes = 8 + 8 + LABEL_BYTES + 8 * view->n_comp + view->n_eq + 8 * (int64_t)view->n_eq * view->n_eq;

  return view->kind == MERIT_TERM_PED ? bytes + 16 + 48
                                      : bytes; /* parents and d; the pedigree's own arrays */
}

/* The list of missing genotypes: 2 bytes for each, 8 for every 32 SNPs of 256 animals; none is kept
   of more than one in 32. On a grid of one column each rank has its animals' share */
static PetscErrorCode MissingBytes(MeritGenotypes geno, int64_t n_animals, int32_t n_used, int ranks, MeritMemoryEstimate *e)
{
  const MeritSnp *snps;
  int64_t         n_missing = 0;
  int32_t         n_snps;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(geno, NULL, &n_snps, NULL));
  PetscCall(MeritGenotypesSnps(geno, &snps));
  for (int32_t i = 0; i < n_snps; i++)
    if (snps[i].column >= 0) n_missing += snps[i].n_missing;
  if (32 * n_missing > n_animals * n_used) PetscFunctionReturn(PETSC_SUCCESS);
  e->genotypes += Share(2 * n_missing, ranks) + (Share(n_animals, ranks) / 256 + 1) * ((n_used + 31) / 32) * 8;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode GenotypeBytes(MeritReport report, int ranks, MeritMemoryEstimate *e)
{
  MeritGenotypes geno = MeritModelGenotypes(report->model);
  int64_t        n_animals;
  int32_t        n_snps, n_used;

  PetscFunctionBegin;
  if (!geno) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  e->genotypes = (Share(n_animals, ranks) / 256 + 1) * 64 * (int64_t)n_used;
  e->genotypes += (int64_t)n_snps * 128 +
                  (int64_t)n_used * 24; /* the SNP table, scales and frequencies are on every rank */
  e->genotypes += Share(n_animals, ranks) * LABEL_BYTES;
  PetscCall(MissingBytes(geno, n_animals, n_used, ranks, e));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* For a while: the tables as they are read; later, the rows of a file that is written, on their way
   and as text */
static PetscErrorCode FileBytes(MeritReport report, int ranks, MeritMemoryEstimate *e)
{
  const MeritTermView *views;
  int                  n = MeritModelTerms(report->model, &views), n_values = 0;
  int64_t              n_lines, n_dropped, n_animals = 0, reading, writing = 0;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordCounts(report->model, &n_lines, &n_dropped));
  if (MeritModelPedigree(report->model))
    PetscCall(MeritPedigreeSize(MeritModelPedigree(report->model), &n_animals, NULL, NULL));
  reading = Share(n_lines, ranks) * (POOL_BYTES + RecordBytes(report)) + Share(n_animals, ranks) * POOL_BYTES;
  for (int t = 0; t < n; t++) {
    writing = PetscMax(writing, Share(views[t].n_levels, ranks) * views[t].n_comp * TEXT_BYTES);
    if (report->formula->term[t].genetic) n_values += views[t].n_comp;
  }
  writing  = PetscMax(writing, Share(n_animals, ranks) * (n_values + 1) * TEXT_BYTES);
  writing  = PetscMax(writing, Share(n_dropped, ranks) * report->formula->n_traits * 4 * TEXT_BYTES);
  e->files = PetscMax(reading, writing);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Levels met by local records but owned elsewhere: as they are in this run, else no more than the
   records of a rank, nor the levels */
static int64_t Ghosts(MeritReport report, const MeritTermView *view, int ranks, int64_t n_records)
{
  if (ranks == report->size) return view->n_ghost + view->n_carrier;
  if (ranks == 1) return view->kind == MERIT_TERM_SNP ? view->n_carrier : 0;
  return PetscMin(view->n_levels - Share(view->n_levels, ranks),
                  Share(n_records, ranks) * view->n_regressors);
}

/*@
  MeritReportMemory - Estimate the memory of a solve per rank.

  Collective, after MeritModelSetUp. `ranks` 0 stands for the ranks of this run; for another number the halo is
  bounded from above. The program and its libraries are not counted.
@*/
PetscErrorCode MeritReportMemory(MeritReport report, int ranks, MeritMemoryEstimate *estimate)
{
  const MeritTermView *views;
  int                  n         = MeritModelTerms(report->model, &views);
  int64_t              n_records = MeritModelRecords(report->model)->n_records, local;
  MeritMemoryEstimate  e         = {0};

  PetscFunctionBegin;
  if (ranks == 0) ranks = report->size;
  local = n_records;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_records, 1, MPI_INT64_T, MPI_SUM, report->comm));
  e.records = RecordBytes(report) * (ranks == report->size ? local : Share(n_records, ranks));
  for (int t = 0; t < n; t++) {
    int64_t ghosts = Ghosts(report, &views[t], ranks, n_records);
    int64_t owned  = ranks == report->size ? views[t].n_owned : Share(views[t].n_levels, ranks);

    e.levels += LevelBytes(&views[t]) * owned + 16 * ghosts;
    e.vectors += (owned * SOLVER_VECTORS + ghosts * 3) * (int64_t)sizeof(double) * views[t].n_comp;
  }
  PetscCall(GenotypeBytes(report, ranks, &e));
  PetscCall(FileBytes(report, ranks, &e));
  e.total = e.records + e.levels + e.genotypes + e.vectors + e.files;
  PetscCallMPI(MPI_Allreduce(&e, estimate, 6, MPI_INT64_T, MPI_MAX, report->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}
