/* What an iteration of pcg with the preconditioner of the model costs a rank, whatever the number
   of ranks: bytes through memory, genotypes, and what goes to other ranks. A machine is four rates.
   The rank is an average one: imbalance is not foreseen. */
#include "report_impl.h"
#include <math.h>

/* Streams of 8 bytes through memory for an equation (vectors, factor, and what they are scattered
   to) where operator and preconditioner share their passes, and where not; bytes of an animal's
   parents; of a record's pattern, and of its value and places per trait */
enum { SHARED_STREAMS = 16, SEPARATE_STREAMS = 30, PARENT_BYTES = 16, RECORD_BYTES = 8, TRAIT_BYTES = 24 };
/* Sums of a reduction: four, and two for each term */
enum { SUMS = 4, TERM_SUMS = 2 };

/* Levels of the model by how they are exchanged, in equations */
typedef struct {
  int64_t animals, fixed, others, carriers; /* ghosts over all ranks */
  int     n_ped, n_snp, n_generations;
  bool    shared; /* operator and preconditioner go together (MeritPCGetJoint) */
} Exchanges;

/* Ranks that one rank has to do with, if its items are spread evenly over the others */
static double Partners(double items, int ranks)
{
  const double others = ranks - 1;

  return ranks > 1 ? others * (1.0 - exp(-items / others)) : 0.0;
}

static PetscErrorCode Generations(MeritReport report, const MeritTermView *view, int *n)
{
  int32_t most = 0;

  PetscFunctionBegin;
  for (int32_t i = 0; i < view->n_owned; i++) most = PetscMax(most, view->generation[i]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT32_T, MPI_MAX, report->comm));
  *n = most + 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode FindExchanges(MeritReport report, int ranks, Exchanges *x)
{
  const MeritTermView *views;
  const int            n = MeritModelTerms(report->model, &views);
  int64_t             *ghosts;

  PetscFunctionBegin;
  *x = (Exchanges){.shared = true};
  PetscCall(PetscMalloc1(n + 1, &ghosts));
  PetscCall(MeritModelGhosts(report->model, ranks, ghosts));
  for (int k = 0; k < n; k++) {
    const int64_t equations = ghosts[k] * views[k].n_eq;

    switch (views[k].kind) {
    case MERIT_TERM_PED:
      x->animals += equations;
      x->n_ped++;
      x->shared = x->shared && views[k].n_regressors == 1;
      PetscCall(Generations(report, &views[k], &x->n_generations));
      break;
    case MERIT_TERM_SNP: x->carriers += equations; x->n_snp++; break;
    case MERIT_TERM_FIXED: x->fixed += equations; break;
    default: x->others += equations; x->shared = false;
    }
  }
  x->shared = x->shared && x->n_ped == 1 && !x->n_snp;
  PetscCall(PetscFree(ghosts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values that a rank sends to others it shares levels with, and in how many messages */
static void AddHalos(const Exchanges *x, int ranks, MeritCost *cost)
{
  const int    sweeps = x->n_ped ? 2 : 0, fixed = x->n_ped ? 2 : 0;              /* of the preconditioner, there and back */
  const double level  = (double)(x->animals + x->fixed + x->others) / ranks;     /* one exchange of the operator */
  const double step   = x->n_generations ? (double)x->animals / ranks / x->n_generations : 0.0;
  const double whole  = x->shared ? 1.0 : 2.0;

  cost->sent += 8.0 * (whole * level + sweeps * (double)x->animals / ranks + fixed * (double)x->fixed / ranks + 2.0 * (double)x->carriers / ranks);
  cost->messages += whole * Partners(level, ranks) + sweeps * x->n_generations * Partners(step, ranks) +
                    fixed * Partners((double)x->fixed / ranks, ranks) + 2.0 * Partners((double)x->carriers / ranks, ranks);
}

/* Genotypes of a rank's tile, and the vectors that go along its column and row of the grid */
static PetscErrorCode AddGenotypes(MeritReport report, int n_snp_equations, int ranks, MeritCost *cost)
{
  MeritGenotypes geno = MeritModelGenotypes(report->model);
  int64_t        n_animals;
  int32_t        n_used;
  double         rows, columns;

  PetscFunctionBegin;
  if (!geno || !n_snp_equations) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(geno, &n_animals, NULL, &n_used));
  rows    = ranks > 1 ? MeritGenotypesGridRows(n_animals, n_used, ranks) : 1;
  columns = ranks / rows;
  cost->genotypes += (double)n_animals * n_used / ranks * n_snp_equations;
  cost->sent += 8.0 * n_snp_equations * 2.0 * ((rows - 1.0) / rows * n_used / columns + (columns - 1.0) / columns * (double)n_animals / rows);
  cost->messages += 2.0 * (rows - 1.0) + 2.0 * ceil(log2(columns));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Bytes of all ranks through memory */
static double Streams(MeritReport report, const Exchanges *x, int64_t n_records)
{
  const MeritTermView *views;
  const int            n     = MeritModelTerms(report->model, &views);
  double               bytes = (double)n_records * (RECORD_BYTES + TRAIT_BYTES * report->formula->n_traits);

  for (int k = 0; k < n; k++) {
    bytes += 8.0 * (x->shared ? SHARED_STREAMS : SEPARATE_STREAMS) * (double)views[k].n_levels * views[k].n_eq;
    if (views[k].kind == MERIT_TERM_PED) bytes += PARENT_BYTES * (double)views[k].n_levels;
  }
  return bytes;
}

static void AddSeconds(const MeritRates *rates, MeritCost *cost)
{
  const double stages = cost->ranks > 1 ? ceil(log2(cost->ranks)) : 0.0;

  cost->seconds_memory    = cost->bytes / (rates->memory * cost->threads);
  cost->seconds_genotypes = cost->genotypes / (rates->genotypes * cost->threads);
  cost->seconds_network   = rates->latency * (cost->messages + stages * cost->reductions) + cost->sent / rates->network;
  cost->seconds           = cost->seconds_memory + cost->seconds_genotypes + cost->seconds_network;
}

/*@
  MeritReportCost - Foresee what an iteration of pcg costs an average rank.

  Collective, after the set-up of a planned model (`MeritModelSetPlanned()`).

  Input Parameters:
+ report  - of the model
. ranks   - how many there would be
. threads - of each
- rates   - of the machine

  Output Parameter:
. cost - see the header
@*/
PetscErrorCode MeritReportCost(MeritReport report, int ranks, int threads, const MeritRates *rates, MeritCost *cost)
{
  const MeritTermView *views;
  const int            n         = MeritModelTerms(report->model, &views);
  int64_t              n_records = MeritModelRecords(report->model)->n_records;
  int                  n_snp     = 0;
  Exchanges            x;

  PetscFunctionBegin;
  *cost = (MeritCost){.ranks = ranks, .threads = threads};
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_records, 1, MPI_INT64_T, MPI_SUM, report->comm));
  PetscCall(FindExchanges(report, ranks, &x));
  for (int k = 0; k < n; k++)
    if (views[k].kind == MERIT_TERM_SNP) n_snp += views[k].n_eq;
  cost->bytes      = Streams(report, &x, n_records) / ranks;
  cost->reductions = ranks > 1 ? (x.shared || !x.n_ped ? 2.0 : 3.0) : 0.0;
  cost->sent       = 8.0 * (SUMS + TERM_SUMS * n) * (ranks > 1 ? ceil(log2(ranks)) : 0.0);
  AddHalos(&x, ranks, cost);
  PetscCall(AddGenotypes(report, n_snp, ranks, cost));
  AddSeconds(rates, cost);
  PetscFunctionReturn(PETSC_SUCCESS);
}
