/*
  The keys of job files, with the help text of each. The table serves four purposes: a file with
  another key is refused, a misspelt key gets the nearest one in its message, `merit help COMMAND`
  prints the table, and each key is a flag of the command line. `*` stands for one name that the
  user chooses, `**` for anything below.

  A help text that begins with "yes | no" makes the key a switch. The formats of genotypes have
  their keys in src/io: Fill() puts them where FORMATS stands in a table here.

  The order of the table is the order of help. Keys of `plan` alone must be its last N_PLAN_ONLY
  rows: the table of the other commands is the same array with these cut off.
*/
#include "cli.h"
#include <merit/genotypes.h>

/* Where the keys of the formats of genotypes go, one for each */
#define FORMATS                                                                                                                                      \
  {                                                                                                                                                  \
    NULL, NULL                                                                                                                                       \
  }

/* Everything a job file may say; docs/models.md and docs/quickstart.md explain it with examples. */
static const MeritKey keys[] = {
    {"records.file", "FILE of records, with a header line; delimiter found from it"},
    {"records.header", "[NAMES] of the columns if the file has no header line"},
    {"records.missing", "[WORDS] for a missing value beside the empty field (default NA and .)"},
    {"records.weight", "COLUMN of weights w: Var(e) = sigma^2 / w"},
    {"records.weight.*", "COLUMN of weights of the trait of this name"},
    {"pedigree.file", "FILE of animals and their parents"},
    {"pedigree.columns.id", "COLUMN of the animal"},
    {"pedigree.columns.sire", "COLUMN of the father"},
    {"pedigree.columns.dam", "COLUMN of the mother"},
    {"pedigree.columns.year", "COLUMN of the birth year: parents must be born before their offspring"},
    {"pedigree.columns.sex", "COLUMN of the sex, 1, M or male, 2, F or female: a sire must not be female, a dam not male"},
    {"pedigree.header", "[NAMES] of the columns if the file has no header line"},
    {"pedigree.unknown", "[WORDS] for an unknown parent beside the empty field, 0, . and NA"},
    {"pedigree.sexes", "checked | free: free lets an id be both sire and dam, and allows selfing (plants)"},
    {"pedigree.inbreeding", "yes | no: no takes Mendelian variances as if no parent were inbred"},
    {"pedigree.depth", "N generations of ancestors kept behind animals with records or genotypes (0: all)"},
    {"pedigree.absent", "error | founder | drop: an id in the records that is not in the pedigree"},
    FORMATS,
    {"genotypes.scale", "none | vanraden | standardised | count | trace"},
    {"genotypes.centre", "observed | none | FILE of frequencies"},
    {"genotypes.grid", "ROWS of the process grid (default: chosen from the sizes; all ranks, one column, for gsru and gs)"},
    {"model", "FORMULA or list of them, \"milk ~ herd + cov(age) + ped(cow) = ...\""},
    {"variances", "FILE variances.yaml of merit varcomp, or its result FOLDER"},
    {"variances.**", "variance by term label and `residual`: number, matrix, or {value, rows, structure, fix}"},
    {"solver.type", "pcg | ksp | gsru | gs | lhs_gs | cholesky"},
    {"solver.rtol", "NUMBER at which the criterion ends the run (default 1e-8)"},
    {"solver.max_it", "NUMBER of iterations at most"},
    {"solver.criterion", "residual | residual_sq | change | change_sq"},
    {"solver.preconditioner",
     "auto | none | jacobi | merit_block | merit_fixed | merit_ped (auto: merit_ped with a pedigree term, else merit_fixed)"},
    {"solver.precision", "auto | double | mixed: products of pcg with genotypes; mixed: single, true residuals double (auto: if many)"},
    {"solver.snp", "auto | diagonal | blocks | nystrom: what merit_ped and merit_fixed do with the equations of SNPs"},
    {"solver.snp_block", "NUMBER of neighbouring SNPs in a block (default 64)"},
    {"solver.nystrom_rank", "NUMBER of directions of the low-rank approximation (default 0: as many as pay)"},
    {"solver.combine", "additive | multiplicative: how the preconditioner of SNPs is combined with that of the other equations (default additive)"},
    {"solver.relaxation", "NUMBER between 0 and 2: steps of gsru, gs and lhs_gs are this much of Gauss-Seidel's (default 1)"},
    {"solver.sweep", "forward | symmetric: sweeps of gsru and gs go once through all levels, or there and back"},
    {"solver.block", "NUMBER of SNPs gsru takes through one reduction (default 64); does not change its iterates"},
    {"solver.memory", "SIZE per rank, such as 4G, beyond which cholesky, lhs_gs and engines of varcomp refuse (default: what the machine has)"},
    {"solver.start", "FILE solutions.tsv of an earlier result, or its FOLDER, to start from"},
    {"varcomp.method", "reml | ml | minque | minque1 | minque2 | minque3 | mivque | mivque0 | he | anova (default reml)"},
    {"varcomp.engine", "auto | factor | eigen | sampled | lanczos | dense: how reml and ml find likelihood and traces"},
    {"varcomp.algorithm", "ai | em: average information, with EM where it fails, or EM alone"},
    {"varcomp.start", "auto | he | share: where starting values come from that `variances` does not give (default auto)"},
    {"varcomp.prior", "NUMBER, inf or a list in term order: minque's variance ratios to the residual (default 1)"},
    {"varcomp.iterate", "yes | no: minque until the prior is the estimate"},
    {"varcomp.nonnegative", "yes | no: moment methods make a negative variance 0 and estimate the others anew"},
    {"varcomp.tolerance", "NUMBER: largest gradient of the end, in standard errors (default 1e-7)"},
    {"varcomp.max_rounds", "NUMBER of rounds at most (default 100)"},
    {"varcomp.samples", "NUMBER of Monte Carlo samples of traces (default: chosen from mc_share)"},
    {"varcomp.mc_share", "NUMBER: what Monte Carlo may add to a standard error, as a share (sampled: 0.03, lanczos: 0.01)"},
    {"varcomp.seed", "NUMBER that random numbers come from (default 1)"},
    {"varcomp.test", "LABEL or [LABELS] of random terms to test by likelihood ratio"},
    {"anova.order", "formula | last: each random term's reduction after those before it, or after all others"},
    {"functions.*", "FUNCTION of components with this name, \"ped(cow) / (ped(cow) + residual)\""},
    {"ebv.*", "SUM of breeding values, \"ped(cow) + snp(cow)\", \"2*ped(cow)[milk] - 0.5*ped(cow)[scc]\""},
    {"output", "FOLDER of the results; short for output.folder"},
    {"output.folder", "FOLDER of the results"},
    {"output.solutions", "all | fixed | none: what solutions.tsv holds"},
    {"output.se", "auto | yes | no: standard errors and reliabilities, exact by a factor of the equations (default auto: where that is quick)"},
    {"output.fitted", "yes | no: write fitted.tsv"},
    {"overwrite", "yes | no: replace an earlier result in the output folder"},
    {"checkpoint.minutes", "NUMBER between checkpoints (default 10; 0: none by time)"},
    {"checkpoint.iterations", "NUMBER of iterations or rounds between checkpoints (default 0: none by count)"},
    {"restart", "yes | no | auto: go on from the checkpoint in the output folder (auto: if there is one)"},
    {"plan.memory", "SIZE of the memory of a node, as 64G: plan says whether the run fits"},
    {"plan.iterations", "NUMBER of iterations for the estimated time of a run (default 100)"},
    {"plan.threads", "NUMBER of threads of a rank to plan for (default: as many as it has)"},
    {"plan.rates.memory", "NUMBER of bytes a second through the memory of a core (default 1.2e10)"},
    {"plan.rates.genotypes", "NUMBER of genotypes a second that a core takes through both products (default 1e10)"},
    {"plan.rates.latency", "NUMBER of seconds of a message (default 2e-6)"},
    {"plan.rates.network", "NUMBER of bytes a second that a rank sends (default 1e9)"},
    {"plan.rates.products", "NUMBER of products a second that a core adds up in dense algebra (default 1e10)"},
    /* from here on: `plan` only */
    {"quick", "yes | no: read headers only"},
    {"ranks", "NUMBER of ranks to plan for (default: as many as it runs on)"},
    {"sbatch", "FILE to write a job script for SLURM to"},
    {"cores-per-node", "NUMBER of cores of a node: plan chooses nodes, ranks and threads"},
    {"memory-per-node", "SIZE of the memory of a node, as 192G: as many nodes as the run needs"},
};

/* Keys of `predict`, which has no model and no records */
static const MeritKey predict_keys[] = {
    FORMATS,
    {"predict.snps", "FILE snps.tsv of an earlier result, or its FOLDER: the effects"},
    {"output", "FOLDER of the results; short for output.folder"},
    {"output.folder", "FOLDER of the results"},
    {"overwrite", "yes | no: replace an earlier result in the output folder"},
};

/* Lengths of the two tables, FORMATS counted as one row, and how many rows at the end of `keys`
   belong to `plan` alone */
enum { N_KEYS = sizeof(keys) / sizeof(*keys), N_PLAN_ONLY = 5, N_PREDICT = sizeof(predict_keys) / sizeof(*predict_keys) };

/* A table of keys with those of the formats of genotypes in the place of FORMATS */
typedef struct {
  MeritKey key[N_KEYS + MERIT_MOST_FORMATS];
  int      n;
} Filled;

/* Copy a table of n rows and put the keys of all formats of genotypes where FORMATS (a row without
   path) stands. The tables are constant, so this is done at the first call only. */
static void Fill(int n, const MeritKey from[], Filled *to)
{
  const MeritKey *format[MERIT_MOST_FORMATS];
  const int       n_formats = MeritGenotypesFormats(format, MERIT_MOST_FORMATS);

  if (to->n) return;
  for (int i = 0; i < n; i++) {
    if (from[i].path) to->key[to->n++] = from[i];
    for (int k = 0; !from[i].path && k < n_formats && k < MERIT_MOST_FORMATS; k++) to->key[to->n++] = *format[k];
  }
}

/* Of job files; static, so that the tables given out stay valid */
static Filled job_keys;

/* MeritPlanKeys - See the header. Not collective. */
int MeritPlanKeys(const MeritKey **table)
{
  Fill(N_KEYS, keys, &job_keys);
  *table = job_keys.key;
  return job_keys.n;
}

/* MeritJobKeys - See the header. Not collective. */
int MeritJobKeys(const MeritKey **table) { return MeritPlanKeys(table) - N_PLAN_ONLY; }

/* MeritPredictKeys - See the header. Not collective. */
int MeritPredictKeys(const MeritKey **table)
{
  static Filled filled;

  Fill(N_PREDICT, predict_keys, &filled);
  *table = filled.key;
  return filled.n;
}
