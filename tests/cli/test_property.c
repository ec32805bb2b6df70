/*
  Random small models against the dense reference.  test_property [SEED [FIRST [COUNT [SOLVER]]]]
  Without arguments: models of the default seed, other ones for every number of ranks, until as many as that number is to have are well
  conditioned; these must agree to 1e-9 with every solver. An ill-conditioned one runs as well and is judged by its condition number.
  A failing model is named by seed and number, its folder is kept, and it runs alone by `test_property SEED NUMBER 1`.
*/
#include "small.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <petscsys.h>

/*
  Well-conditioned models of a run on 1, 2, 3, 4 ranks: 500 in all in the long form (MERIT_LONG=1), the first of them in the short one, with all
  that Vary does; the sanitizers are several times slower.
*/
#ifdef __SANITIZE_ADDRESS__
static const int n_short[4] = {24, 12, 10, 8};
#else
static const int n_short[4] = {96, 16, 12, 8};
#endif
static const int n_long[4] = {380, 60, 35, 25};

/* Rounding alone keeps 1e-9 up to here: 1e-14 of a residual, and Gauss-Seidel leaves the smooth part of the error */
static const double WELL = 3000.0;
/* Beyond this 30,000 sweeps of gsru are known to end before the residual does, and 1,500 tell as much */
static const double HOPELESS = 40000.0;

/* gs and lhs_gs take as many sweeps as gsru, and gs far longer for each, so it may stop before the end: they see every 16th model, cholesky
   every 2nd */
enum { PCG, KSP, GSRU, CHOLESKY, GS, LHS_GS, SOLVERS };
static const char *const solver[SOLVERS]      = {"pcg", "ksp", "gsru", "cholesky", "gs", "lhs_gs"};
static const char       *solver_text[SOLVERS] = {NULL,
                                                 "{type: ksp, rtol: 1.0e-14, max_it: 20000}",
                                                 "{type: gsru, rtol: 1.0e-14, max_it: 30000}",
                                                 "{type: cholesky, rtol: 1.0e-14}",
                                                 "{type: gs, rtol: 1.0e-14, max_it: 1500}",
                                                 "{type: lhs_gs, rtol: 1.0e-14, max_it: 30000}"};

static bool well;               /* the model at hand is well conditioned; rank 0 */
static int  ill, slow[SOLVERS]; /* runs judged by less than 1e-9, and runs cut short, of ill-conditioned models */

static double worst_error, worst_reliability; /* of well-conditioned models */

static PetscErrorCode Quiet(MPI_Comm comm, int line, const char *func, const char *file, PetscErrorCode code, PetscErrorType type, const char *text,
                            void *ctx)
{
  (void)comm, (void)line, (void)func, (void)file, (void)type, (void)text, (void)ctx;
  return code;
}

/* values are compared relative to the largest of their term, but no finer than this part of the largest observation */
static double Floor(const Small *s)
{
  double most = 0.0;

  for (int t = 0; t < s->n_traits; t++)
    for (int i = 0; i < s->n_records; i++) most = fmax(most, fabs(strtod(s->column[s->trait_column[t]].cell[i], NULL)));
  return 1e-2 * most;
}

/* A number of summary.json by its name, or NaN */
static double SummaryNumber(const char folder[], const char name[], const char key[])
{
  char   path[512], line[1024], *at;
  double value = NAN;
  FILE  *f;

  snprintf(path, sizeof(path), "%s/%s.out/summary.json", folder, name);
  f = fopen(path, "r");
  while (f && fgets(line, sizeof(line), f))
    if ((at = strstr(line, key))) value = strtod(at + strcspn(at, ":") + 1, NULL);
  if (f) fclose(f);
  return value;
}

/* lambda_max / lambda_min as the run with pcg estimates it; 1 where it did not run */
static double Condition(const char folder[])
{
  double c = SummaryNumber(folder, "pcg", "\"lambda_max\"") / SummaryNumber(folder, "pcg", "\"lambda_min\"");

  return c > 1.0 ? c : 1.0;
}

/* 1e-9; but where the model is ill-conditioned no solver does better than its residual times the condition number */
static double Tolerance(const char folder[], const char name[])
{
  if (well) return 1e-9;
  return fmax(1e-9, (strstr(name, "gs") ? 50.0 : 10.0) * Condition(folder) * fmax(SummaryNumber(folder, name, "\"true_residual\""), 1e-14));
}

/* The tables beside solutions.tsv; what differs goes to note */
static int CompareRest(const Small *s, const DenseModel *dense, const char folder[], const char name[], double floor, double tol, FILE *note)
{
  char   path[512];
  Sheet *animals, *fitted;
  double a, f;

  snprintf(path, sizeof(path), "%s/%s.out/animals.tsv", folder, name);
  animals = SheetRead(path);
  snprintf(path, sizeof(path), "%s/%s.out/fitted.tsv", folder, name);
  fitted = SheetRead(path);
  a      = animals ? SmallCompareAnimals(s, dense, animals, floor) : 0.0;
  f      = fitted ? SmallCompareFitted(s, dense, fitted) : INFINITY;
  if (!(a <= tol)) fprintf(note, "  %s: animals.tsv differs by %.3g\n", name, a);
  if (!(f <= tol)) fprintf(note, "  %s: fitted.tsv differs by %.3g\n", name, f);
  SheetFree(&animals);
  SheetFree(&fitted);
  return !(a <= tol) || !(f <= tol);
}

/* Standard errors and reliabilities against dense inverses; an ill-conditioned model costs either of them digits */
static int CompareErrors(const Small *s, DenseModel *dense, const char folder[], const char name[], FILE *note)
{
  const double tol = well ? 1e-9 : 1e-6;
  char         path[512];
  Sheet       *animals;
  SmallTable   expected, got = SmallReadSolutions(folder, name);
  double       e, r;

  DenseErrors(dense);
  expected = SmallDenseTable(s, dense);
  snprintf(path, sizeof(path), "%s/%s.out/animals.tsv", folder, name);
  animals = SheetRead(path);
  e       = SmallCompareErrors(&expected, &got, tol, note);
  r       = animals ? SmallCompareReliabilities(s, dense, animals) : 0.0;
  if (!(e <= tol)) fprintf(note, "  %s: standard errors differ by %.3g\n", name, e);
  if (!(r <= tol)) fprintf(note, "  %s: reliabilities differ by %.3g\n", name, r);
  worst_error       = fmax(worst_error, well ? e : 0.0);
  worst_reliability = fmax(worst_reliability, well ? r : 0.0);
  SheetFree(&animals);
  SmallTableFree(&expected);
  SmallTableFree(&got);
  return !(e <= tol) || !(r <= tol);
}

/* After the run with pcg: what the others may take, and how strictly they count */
static void Classify(const DenseModel *dense, const char folder[])
{
  const char *text[2] = {"{type: gsru, rtol: 1.0e-14, max_it: 1500}", "{type: gsru, rtol: 1.0e-14, max_it: 30000}"};
  PetscMPIInt size;

  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  well              = dense && Condition(folder) <= WELL;
  solver_text[GSRU] = text[well || (size == 1 && !(Condition(folder) > HOPELESS))];
}

/* Run one solver on the model in the folder; what went wrong goes to note (rank 0) */
static int RunSolver(int k, const Small *s, DenseModel *dense, const char folder[], FILE *note)
{
  PetscErrorCode code;
  PetscMPIInt    rank;
  SmallTable     expected, got;
  double         tol, floor = Floor(s);
  int            bad = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (rank == 0) bad = SmallWriteJob(s, folder, solver[k], solver_text[k]);
  MPI_Barrier(PETSC_COMM_WORLD);
  code = SmallRun(PETSC_COMM_WORLD, folder, solver[k]);
  if (rank) return 0;
  if (k == 0) Classify(dense, folder);
  if (!dense) { /* nothing to analyse: bad input */
    if ((int)MeritErrorLast()->kind == MERIT_ERROR_INPUT) return bad;
    fprintf(note, "  %s: no observation is left, but code %d\n", solver[k], (int)code);
    return 1;
  }
  if (code == MERIT_ERR_BASE + MERIT_ERROR_NOT_CONVERGED && k > 0 && (!well || k == GS)) {
    slow[k]++; /* Gauss-Seidel takes about as many sweeps as the condition number: what it has is no answer yet */
    return bad;
  }
  if (code) {
    fprintf(note, "  %s: error %d: %s\n", solver[k], (int)code, MeritErrorLast()->text);
    return 1;
  }
  tol      = Tolerance(folder, solver[k]);
  expected = SmallDenseTable(s, dense);
  got      = SmallReadSolutions(folder, solver[k]);
  if (got.n < 0 || !(SmallCompare(&expected, &got, floor, tol, true, note) <= tol)) {
    fprintf(note, "  %s: above (tolerance %.1e)\n", solver[k], tol);
    bad = 1;
  }
  bad |= CompareRest(s, dense, folder, solver[k], floor, tol, note);
  if (k == CHOLESKY) bad |= CompareErrors(s, dense, folder, solver[k], note);
  if (tol > 1e-9) ill++;
  SmallTableFree(&expected);
  SmallTableFree(&got);
  return bad;
}

/* What goes round by the number of the model: threads, grids, preconditioners, small messages. ksp takes the preconditioner Merit chooses. */
static void Vary(Small *s, int number, int k)
{
  PetscMPIInt size;

  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  omp_set_num_threads(size > 1 ? 1 + (number % 8 == 7) : 1 + number % 4);
  s->grid = k != GSRU && k != GS && number % 2 ? size : 0;
  while (s->grid > 0 && (size % s->grid || number / 2 % (s->grid + 1) == 0)) s->grid--;
  if (number % 3 == 0) setenv("MERIT_MAX_MESSAGE", "1024", 1);
  else unsetenv("MERIT_MAX_MESSAGE");
  solver_text[0] = number % 4 ? "{type: pcg, rtol: 1.0e-14, max_it: 20000, preconditioner: merit_block}"
                              : "{type: pcg, rtol: 1.0e-14, max_it: 20000, preconditioner: jacobi}";
}

/* A solver runs on every model whose number this divides */
static const int every[SOLVERS] = {1, 1, 1, 2, 16, 16};

/* Run and compare the model; counts it in n_well if all solvers met the strict tolerance. 1 if something is wrong. */
static int RunModel(uint64_t seed, int number, const char only[], int *n_well)
{
  Small      *s     = SmallDraw(seed, number);
  DenseModel *dense = NULL;
  char        folder[256];
  PetscMPIInt rank;
  int         bad = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  SmallFolderMake(PETSC_COMM_WORLD, folder);
  if (rank == 0) {
    dense = SmallDense(s);
    bad   = SmallWriteData(s, folder);
  }
  well = dense != NULL;
  for (int k = 0; k < SOLVERS; k++)
    if (only ? strcmp(only, solver[k]) == 0 : number % every[k] == 0) {
      Vary(s, number, k);
      bad |= RunSolver(k, s, dense, folder, stderr);
    }
  *n_well += SmallFromRoot(PETSC_COMM_WORLD, well && !bad && !only);
  bad = SmallFromRoot(PETSC_COMM_WORLD, bad);
  if (bad && rank == 0)
    fprintf(stderr, "FAILED: model %d of seed %llu (%d records, %d traits), kept in %s\n", number, (unsigned long long)seed, s->n_records,
            s->n_traits, folder);
  if (!bad) SmallFolderRemove(PETSC_COMM_WORLD, folder);
  if (dense) DenseDestroy(&dense);
  SmallDestroy(&s);
  return bad;
}

int main(int argc, char **argv)
{
  uint64_t    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 20240531;
  PetscMPIInt rank, size;
  int         first, wanted, most, n = 0, n_well = 0, failed = 0;

  if (PetscInitialize(NULL, NULL, NULL, NULL)) return 1;
  PetscPushErrorHandler(Quiet, NULL);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  first  = argc > 2 ? atoi(argv[2]) : 1000 * size;
  wanted = argc > 3 ? 0 : (getenv("MERIT_LONG") ? n_long : n_short)[size < 4 ? size - 1 : 3];
  most   = argc > 3 ? atoi(argv[3]) : 2 * wanted;
  if (rank == 0) printf("seed %llu, models from %d, %d ranks\n", (unsigned long long)seed, first, size);
  while (n < most && (!wanted || n_well < wanted)) failed += RunModel(seed, first + n++, argc > 4 ? argv[4] : NULL, &n_well);
  if (rank == 0)
    printf("%d of %d models failed; %d agree to 1e-9 with every solver, %d are wanted; of the ill-conditioned others %d runs were judged "
           "by their condition, and cut short: %d of ksp, %d of gsru, %d of gs, %d of lhs_gs; standard errors agree to %.1e, "
           "reliabilities to %.1e\n",
           failed, n, n_well, wanted, ill, slow[KSP], slow[GSRU], slow[GS], slow[LHS_GS], worst_error, worst_reliability);
  PetscPopErrorHandler();
  if (PetscFinalize()) return 1;
  return failed || n_well < wanted ? 1 : 0;
}
