/* Checkpoints of a command: its keys, what run they are of, and whether to go on from one. */
#include "cli.h"
#include "run.h"
#include <merit/log.h>
#include <merit/version.h>
#include <string.h>

/* Keys that may change between the attempts of a run: where results go, when it ends, what is told */
static const char *const free_keys[] = {"output", "overwrite", "checkpoint", "restart", "solver.rtol", "solver.max_it", "solver.memory",
                                        "varcomp.tolerance", "varcomp.max_rounds", "plan", "genotypes.grid"};

/* And those with which a run that is done is still the same */
static const char *const done_keys[] = {"output.folder", "overwrite", "checkpoint", "restart", "solver.memory", "plan", "genotypes.grid"};
static const char *const words[] = {"no", "yes", "auto"}; /* of restart */

static bool IsFree(const char *key)
{
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(free_keys); i++)
    if (!strcmp(key, free_keys[i])) return true;
  return false;
}

/* Lines "dotted.key: value" of all that is under a map */
static PetscErrorCode AddKeys(MeritNode map, const char *above, MeritText *lines)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < map->n; i++) {
    MeritText           key = {0};
    MeritNode           child = map->child[i];
    char               *name, *text;
    struct _p_MeritNode one = {.kind = MERIT_NODE_MAP, .n = 1, .key = &name, .child = &child};

    PetscCall(MeritTextAdd(&key, "%s%s%s", above, above[0] ? "." : "", map->key[i]));
    name = key.at;
    if (!IsFree(key.at) && child->kind == MERIT_NODE_MAP) PetscCall(AddKeys(child, key.at, lines));
    else if (!IsFree(key.at)) {
      PetscCall(MeritConfigPrint(&one, &text));
      PetscCall(MeritTextAdd(lines, "%s", text));
      PetscCall(PetscFree(text));
    }
    MeritTextFree(&key);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode AddFile(MPI_Comm comm, const char *key, const char *path, MeritText *lines)
{
  char     changed[128];
  int64_t  bytes;
  uint32_t crc;

  PetscFunctionBegin;
  PetscCall(MeritFileChanged(comm, path, sizeof(changed), changed));
  if (changed[0]) { /* no file is like the one that was read: this checkpoint is for none that is there now */
    PetscCall(MeritTextAdd(lines, "content of %s: the file %s after it was read\n", key, changed));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritFileHash(comm, path, &bytes, &crc));
  PetscCall(MeritTextAdd(lines, "content of %s: %lld bytes, CRC-32 %08x\n", key, (long long)bytes, (unsigned)crc));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The run's files into the text */
typedef struct {
  MPI_Comm   comm;
  MeritText *lines;
} Lines;

static PetscErrorCode AddGenotypes(const char key[], const char suffix[], const char path[], void *ctx)
{
  const Lines *to = ctx;

  PetscFunctionBegin;
  PetscCall(AddFile(to->comm, suffix[0] ? suffix : key, path, to->lines));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Size and checksum of every file that the equations come from */
static PetscErrorCode AddFiles(const MeritRun *run, MeritText *lines)
{
  static const char *const keys[] = {"records.file", "pedigree.file"};
  Lines                    to     = {run->comm, lines};
  char                    *path   = NULL;

  PetscFunctionBegin;
  for (size_t k = 0; k < PETSC_STATIC_ARRAY_LENGTH(keys); k++) {
    PetscCall(MeritConfigPath(run->job, keys[k], &path));
    if (path) PetscCall(AddFile(run->comm, keys[k], path, lines));
    PetscCall(PetscFree(path));
  }
  PetscCall(MeritGenotypesEachFile(run->job, AddGenotypes, &to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Identity(void *ctx, MeritText *lines)
{
  const MeritRun *run = ctx;

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(lines, "merit %s %s\n", MERIT_VERSION, run->command));
  PetscCall(AddKeys(run->job, "", lines));
  PetscCall(AddFiles(run, lines));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Clear what the attempt that made the result has left, and say how it ended */
static PetscErrorCode Leave(MPI_Comm comm, const char folder[], int status)
{
  MeritOutput     out;
  MeritCheckpoint checkpoint;

  PetscFunctionBegin;
  PetscCall(MeritOutputOpen(comm, folder, true, &out));
  PetscCall(MeritOutputAbandon(&out));
  PetscCall(MeritCheckpointCreate(comm, folder, 0.0, 0, &checkpoint));
  PetscCall(MeritCheckpointRemove(checkpoint));
  PetscCall(MeritCheckpointDestroy(&checkpoint));
  if (status) PetscCall(MeritRaise((MeritErrorKind)status, folder, 0, NULL, "holds the result of this job, which has not converged; --overwrite starts again from the beginning"));
  MeritLog(MERIT_LOG_INFO, "%s holds the result of this job already: done", folder);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RunIsDone - See the header. Collective.

  A run can be killed when its result is in place and before it has ended: the next attempt then only says so.
*/
PetscErrorCode RunIsDone(MeritRun *run)
{
  int   word      = 0, status;
  bool  overwrite = false;
  char *folder    = NULL;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(run->job, "restart", 3, words, &word));
  PetscCall(MeritConfigBool(run->job, "overwrite", &overwrite));
  PetscCall(MeritConfigPath(run->job, "output.folder", &folder));
  if (folder && word && !overwrite) PetscCall(MeritReportIsDone(run->comm, folder, run->job, run->command, (int)PETSC_STATIC_ARRAY_LENGTH(done_keys), done_keys, &run->done, &status));
  if (run->done) PetscCall(Leave(run->comm, folder, status));
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Go on, or see to it that nothing is lost by starting anew */
static PetscErrorCode Restart(MeritRun *run, const char *folder)
{
  int  word = 0;
  bool exists, overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(run->job, "restart", 3, words, &word));
  PetscCall(MeritConfigBool(run->job, "overwrite", &overwrite));
  PetscCall(MeritCheckpointExists(run->checkpoint, &exists));
  if (exists && word) PetscCall(MeritCheckpointOpen(run->checkpoint, &exists));
  else if (exists && overwrite) PetscCall(MeritCheckpointRemove(run->checkpoint));
  else if (exists)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, folder, 0, NULL, "holds the checkpoint of a run that did not end; --restart continues from it, --overwrite starts again from the beginning"));
  else if (word == 1)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, folder, 0, NULL, "holds no checkpoint to go on from; --restart auto starts from the beginning then"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunCheckpoint - See the header. Collective. */
PetscErrorCode RunCheckpoint(MeritRun *run)
{
  double  minutes = 10.0;
  int64_t calls   = 0;
  char   *folder  = NULL;

  PetscFunctionBegin;
  PetscCall(MeritConfigReal(run->job, "checkpoint.minutes", 0.0, 1e6, &minutes));
  PetscCall(MeritConfigInt(run->job, "checkpoint.iterations", 0, INT32_MAX, &calls));
  PetscCall(MeritConfigPath(run->job, "output.folder", &folder));
  PetscCall(MeritCheckpointCreate(run->comm, folder, 60.0 * minutes, calls, &run->checkpoint));
  PetscCall(MeritCheckpointSetIdentity(run->checkpoint, Identity, run));
  PetscCall(Restart(run, folder));
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunPlaces - See the header. Collective. */
PetscErrorCode RunPlaces(MeritRun *run)
{
  PetscFunctionBegin;
  PetscCall(MeritCheckpointStop(run->checkpoint));
  PetscCall(MeritModelSetPositions(run->model, run->checkpoint));
  PetscCall(MeritSolverSetCheckpoint(run->solver, run->checkpoint));
  PetscFunctionReturn(PETSC_SUCCESS);
}
