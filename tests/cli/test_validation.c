/*
  Runs the jobs of validation/ on the reference data and compares with the published answers.  test_validation FOLDER
  FOLDER holds the jobs and checks.txt; the data are looked for in $MERIT_SHARED_DATA, without it the program ends with 77 (skipped).
  Every job runs with pcg and gsru and with 1 and 2 threads on the ranks of this launch, and with one thread by the other solvers, but
  wheat: there gs and lhs_gs would take too long, and four yields would be 5,000 dense equations. Gauss-Seidel takes thousands of sweeps
  over the wheat markers, to a residual of 1e-10: there the first yield on one rank with one thread, and in the long form (MERIT_LONG=1) all four
  yields so, and the first everywhere but with the sanitizers on several ranks.
*/
#include "checks.h"
#include <cli.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <merit/config.h>
#include <merit/log.h>

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static bool Slow(const char job[], const char solver[]) { return strncmp(job, "wheat", 5) == 0 && strcmp(solver, "gsru") == 0; }

static bool Skip(const char job[], const char solver[], int threads)
{
  PetscMPIInt size;

  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  if (strcmp(solver, "pcg") != 0 && strcmp(solver, "gsru") != 0) {
    const bool wheat = strncmp(job, "wheat", 5) == 0;

    return threads > 1 || (wheat && (strcmp(solver, "cholesky") != 0 || !strstr(job, "_y")));
  }
  if (!Slow(job, solver)) return false;
  if (!getenv("MERIT_LONG") && (size > 1 || threads > 1)) return true;
  if (!getenv("MERIT_LONG")) return strcmp(job, "wheat_markers_y1") != 0 && strcmp(job, "wheat_gblup_y1") != 0;
  if (size > 1 && sanitized) return true;
  if (size == 1 && threads == 1 && (strcmp(job, "wheat_gblup") == 0 || strcmp(job, "wheat_markers") == 0)) return false;
  return strcmp(job, "wheat_markers_y1") != 0 && strcmp(job, "wheat_gblup_y1") != 0;
}

/* Run FOLDER/JOB.yaml with a solver on a communicator; output in FOLDER/NAME */
static PetscErrorCode Run(MPI_Comm comm, const char folder[], const char job[], const char solver[], const char name[])
{
  char           path[512];
  MeritNode      root = NULL;
  PetscErrorCode code;

  snprintf(path, sizeof(path), "%s/%s.yaml", folder, job);
  MeritErrorClear();
  MeritLogReset();
  code = MeritConfigLoad(comm, path, &root);
  snprintf(path, sizeof(path), "{folder: %s/%s}", folder, name);
  if (!code) code = MeritConfigSet(root, "solver.type", solver);
  if (!code && Slow(job, solver)) code = MeritConfigSet(root, "solver.rtol", "1e-10");
  if (!code) code = MeritConfigSet(root, "output", path);
  if (!code) code = MeritCommandSolve(comm, root);
  MeritConfigDestroy(&root);
  return code;
}

/* All checks of one job under one solver and number of threads; how many failed, the same on every rank */
static int CheckJob(int n, Check *checks, const char folder[], const char job[], const char solver[], int threads)
{
  char           name[128], out[160], what[160];
  PetscMPIInt    rank;
  PetscErrorCode code;
  RunTables      run;
  int            failed = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  omp_set_num_threads(threads);
  snprintf(name, sizeof(name), "%s.%s.%d", job, solver, threads);
  snprintf(out, sizeof(out), "%s.out", name);
  code = Run(PETSC_COMM_WORLD, folder, job, solver, out);
  if (code) {
    if (rank == 0) fprintf(stderr, "%s, %s: error %d: %s\n", job, solver, (int)code, MeritErrorLast()->text);
    return 1;
  }
  if (rank == 0) {
    run = ChecksTables(folder, name);
    snprintf(what, sizeof(what), "%s, %d threads", solver, threads);
    for (int i = 0; i < n; i++)
      if (strcmp(checks[i].job, job) == 0) failed += !(CheckRun(checks + i, &run, what) <= checks[i].tolerance);
    ChecksTablesFree(&run);
  }
  failed = SmallFromRoot(PETSC_COMM_WORLD, failed);
  return failed;
}

/* Data without a reference answer: one rank alone and all ranks must agree */
static int CheckRanks(const char folder[], const char job[])
{
  PetscMPIInt    rank;
  PetscErrorCode code = 0;
  SmallTable     one, all;
  int            failed = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (rank == 0) code = Run(PETSC_COMM_SELF, folder, job, "pcg", "one.out");
  code = SmallFromRoot(PETSC_COMM_WORLD, code);
  if (!code) code = Run(PETSC_COMM_WORLD, folder, job, "pcg", "all.out");
  if (rank == 0 && code) fprintf(stderr, "%s: error %d: %s\n", job, (int)code, MeritErrorLast()->text);
  if (code) return 1;
  if (rank == 0) {
    one    = SmallReadSolutions(folder, "one");
    all    = SmallReadSolutions(folder, "all");
    failed = one.n <= 0 || all.n != one.n || !(SmallCompare(&one, &all, 1e-6, 1e-8, true, stderr) <= 1e-8);
    printf("%-40s %6d values, one rank and all ranks agree: %s\n", job, one.n, failed ? "no" : "yes");
    SmallTableFree(&one);
    SmallTableFree(&all);
  }
  failed = SmallFromRoot(PETSC_COMM_WORLD, failed);
  return failed;
}

/* Every job of the list once with each solver and number of threads */
static int CheckAll(int n, Check *checks, const char folder[])
{
  static const char *const solver[5] = {"pcg", "gsru", "cholesky", "gs", "lhs_gs"};
  int                      failed    = 0;

  for (int i = 0; i < n; i++) {
    if (!ChecksFirst(checks, i)) continue;
    for (int k = 0; k < 5; k++)
      for (int threads = 1; threads <= 2; threads++)
        if (!Skip(checks[i].job, solver[k], threads)) failed += CheckJob(n, checks, folder, checks[i].job, solver[k], threads);
  }
  return failed + CheckRanks(folder, "cattle");
}

int main(int argc, char **argv) { return ChecksMain(argc, argv, "checks.txt", CheckAll); }
