/* The frame of the command line with one command of its own, which fails in every way a real one may. */
#include "cli.h"
#include <merit/checkpoint.h>
#include <merit/file.h>
#include <merit/log.h>
#include <stdio.h>
#include <string.h>

static const MeritKey keys[] = {
    {"what", "WORD: what is to happen"},
    {"number", "NUMBER that is printed"},
    {"deep.rtol", "NUMBER"},
    {"output", "FOLDER"},
    {"output.folder", "FOLDER"},
    {"output.solutions", "all | fixed | none"},
    {"overwrite", "yes | no: a switch"},
    {"variances.**", "anything"},
    {"list", "[WORDS]"},
};

static int Keys(const MeritKey **table)
{
  *table = keys;
  return (int)(sizeof(keys) / sizeof(*keys));
}

/* six seconds of progress, then half of it again in a new phase */
static PetscErrorCode LongProgress(void)
{
  PetscFunctionBegin;
  for (int i = 0; i <= 60; i++) {
    MeritLogProgress(i / 60., "walking");
    PetscCall(PetscSleep(0.1));
  }
  MeritLogProgress(0, "running");
  MeritLogTask("round %d", 2); /* two seconds of unknown progress, which are no part of the phase behind them; it is a hundredth each second */
  for (int i = 0; i <= 60; i++) {
    MeritLogProgress(i < 20 ? -1 : (i - 19) / 1000., "factoring");
    PetscCall(PetscSleep(0.1));
  }
  MeritLogTask(NULL);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Progress(void)
{
  PetscFunctionBegin;
  MeritLog(MERIT_LOG_INFO, "hello");
  for (int i = 0; i < 100; i++) MeritLogProgress(i / 100., "walking");
  MeritLog(MERIT_LOG_WARNING, "mind the %s", "gap");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Until a stop is asked for, half a minute at most */
static PetscErrorCode WaitForAStop(void)
{
  PetscFunctionBegin;
  MeritLog(MERIT_LOG_INFO, "waiting");
  for (int i = 0; i < 300 && !MeritRequested(); i++) PetscCall(PetscSleep(0.1));
  if (MeritRequested()) PetscCall(PetscSleep(1)); /* nothing more is said before the state is saved */
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode WriteAndFail(MPI_Comm comm, MeritNode job)
{
  MeritOutput out;
  char       *folder    = NULL;
  bool        overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(job, "output.folder", &folder));
  PetscCall(MeritConfigBool(job, "overwrite", &overwrite));
  PetscCall(MeritOutputOpen(comm, folder, overwrite, &out));
  PetscCall(MeritOutputWrite(out, "summary.json", "{}\n", NULL, 0));
  PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL, "not converged"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Fail(MPI_Comm comm, MeritNode job, const char what[])
{
  MeritFault  fault = {0};
  PetscMPIInt rank, size;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (!strcmp(what, "fault")) {
    if (rank == size - 1) MeritFaultSet(&fault, MERIT_ERROR_INPUT, "r.csv", 7, "cow1", "is its own mother");
    PetscCall(MeritFaultAgree(comm, &fault));
  }
  if (!strcmp(what, "output")) PetscCall(WriteAndFail(comm, job));
  if (!strcmp(what, "stopped")) PetscCall(MeritRaise(MERIT_ERROR_STOPPED, NULL, 0, NULL, "stopped on request"));
  PetscCheck(strcmp(what, "all"), comm, PETSC_ERR_PLIB, "a defect");
  PetscCheck(strcmp(what, "one") || rank < size - 1, PETSC_COMM_SELF, PETSC_ERR_PLIB, "a lonely defect");
  if (!strcmp(what, "one")) PetscCallMPI(MPI_Barrier(comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Probe(MPI_Comm comm, MeritNode job)
{
  const char *what   = "print";
  double      number = 0;
  PetscReal   option = 0;
  PetscMPIInt rank;
  char       *text;

  PetscFunctionBegin;
  PetscCall(MeritConfigString(job, "what", &what));
  PetscCall(MeritConfigReal(job, "number", 0, 10, &number));
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-ksp_rtol", &option, NULL));
  PetscCall(MeritOptionsCheck(comm));
  if (!strcmp(what, "progress")) PetscCall(Progress());
  if (!strcmp(what, "wait")) PetscCall(WaitForAStop());
  if (!strcmp(what, "walk")) PetscCall(LongProgress());
  PetscCall(Fail(comm, job, what));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(MeritConfigPrint(job, &text));
  if (rank == 0) printf("%soption: %g\n", text, (double)option);
  PetscCall(PetscFree(text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static const MeritCommand commands[] = {
    {"probe", "JOB", "do as the job says", "merit probe job.yaml", Probe, Keys, true, true},
    {"plain", "JOB", "the same without PETSc options", NULL, Probe, Keys, false, false},
    {"later", "JOB", "not there", NULL, NULL, Keys, false, false},
};

const MeritCommand *MeritCommands(int *n)
{
  *n = (int)(sizeof(commands) / sizeof(*commands));
  return commands;
}
