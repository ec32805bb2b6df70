/*
  Runs `merit varcomp` on the reference data and compares with the published answers.  test_estimates FOLDER
  FOLDER holds the jobs and estimates.txt; the data are looked for in $MERIT_SHARED_DATA, without it the program ends with 77 (skipped).
  Every job runs with the engine that merit chooses, with 1 and 2 threads on the ranks of this launch, and likelihoods also by the other exact
  engines that have them, with one thread. Of the four yields of wheat the first alone does so, unless this is the long form (MERIT_LONG=1).
*/
#include "checks.h"
#include <cli.h>
#include <merit/config.h>
#include <merit/log.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Run FOLDER/NAME.yaml for the job NAME.METHOD; output in FOLDER/OUT.out */
static PetscErrorCode Run(const char folder[], const char job[], const char engine[], const char out[])
{
  const char    *method = strrchr(job, '.') + 1;
  char           path[512];
  MeritNode      root = NULL;
  PetscErrorCode code;

  snprintf(path, sizeof(path), "%s/%.*s.yaml", folder, (int)(method - 1 - job), job);
  MeritErrorClear();
  MeritLogReset();
  code = MeritConfigLoad(PETSC_COMM_WORLD, path, &root);
  snprintf(path, sizeof(path), "{folder: %s/%s.out}", folder, out);
  if (!code) code = MeritConfigSet(root, "output", path);
  if (!code) code = MeritConfigSet(root, "varcomp.method", method);
  if (!code && strcmp(engine, "auto")) code = MeritConfigSet(root, "varcomp.engine", engine); /* a key of likelihoods alone */
  if (!code) code = MeritCommandVarcomp(PETSC_COMM_WORLD, root);
  MeritConfigDestroy(&root);
  return code;
}

/* All checks of one job; how many failed, the same on every rank */
static int CheckJob(int n, Check *checks, const char folder[], const char job[], const char engine[], int threads)
{
  char           name[160];
  PetscMPIInt    rank;
  PetscErrorCode code;
  RunTables      run;
  int            failed = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  omp_set_num_threads(threads);
  snprintf(name, sizeof(name), "%s.%s.%d", job, engine, threads);
  code = Run(folder, job, engine, name);
  if (code) {
    if (rank == 0) fprintf(stderr, "%s, engine %s: error %d: %s\n", job, engine, (int)code, MeritErrorLast()->text);
    return 1;
  }
  if (rank == 0) {
    run = ChecksTables(folder, name);
    for (int i = 0; i < n; i++)
      if (strcmp(checks[i].job, job) == 0) failed += !(CheckRun(checks + i, &run, name) <= checks[i].tolerance);
    ChecksTablesFree(&run);
  }
  return SmallFromRoot(PETSC_COMM_WORLD, failed);
}

static int CheckAll(int n, Check *checks, const char folder[])
{
  int failed = 0;

  for (int i = 0; i < n; i++) {
    const char *job = checks[i].job, *method = strrchr(job, '.') + 1;
    const bool  likelihood = !strcmp(method, "reml") || !strcmp(method, "ml"), covariance = !strncmp(job, "estimate_sleepstudy.", 20);

    if (!ChecksFirst(checks, i)) continue;
    if (!getenv("MERIT_LONG") && !strncmp(job, "estimate_wheat_y", 16) && job[16] != '1') {
      failed += CheckJob(n, checks, folder, job, "auto", 1);
      continue;
    }
    for (int threads = 1; threads <= 2; threads++) failed += CheckJob(n, checks, folder, job, "auto", threads);
    if (likelihood) failed += CheckJob(n, checks, folder, job, "factor", 1);
    if (likelihood && !covariance) failed += CheckJob(n, checks, folder, job, "dense", 1); /* of terms of one component */
  }
  return failed;
}

int main(int argc, char **argv) { return ChecksMain(argc, argv, "estimates.txt", CheckAll); }
