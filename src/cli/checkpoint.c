/*
  Checkpoints of a command: how often they are written, which run they belong to, and whether this
  attempt continues from one.

  A checkpoint has an identity: lines with the version, the command, the keys of the job and the
  sizes and checksums of the input files. An attempt whose lines differ is refused
  (src/sys/checkpoint_open.c names the first difference). Keys that do not change the equations or
  the iterates are left out of the lines, so that they may change between attempts.

  `restart` says what is done with an earlier attempt: `no` refuses to lose its checkpoint, `yes`
  needs one, `auto` takes one if it is there.
*/
#include "cli.h"
#include "run.h"
#include <merit/log.h>
#include <merit/version.h>
#include <string.h>

/* Keys that may change between the attempts of a run, each with all that is below it: where results
   go, when the run ends, what it prints, memory and process grid */
static const char *const free_keys[] = {"output",        "overwrite",         "checkpoint",         "restart", "solver.rtol",   "solver.max_it",
                                        "solver.memory", "varcomp.tolerance", "varcomp.max_rounds", "plan",    "genotypes.grid"};

/* Keys that may change when the whole result is there already. These are fewer: with a smaller
   tolerance, or other tables to write, the result is not that of the job. */
static const char *const done_keys[] = {"output.folder", "overwrite", "checkpoint", "restart", "solver.memory", "plan", "genotypes.grid"};
/* Words of `restart`; 0 no, 1 yes, 2 auto */
static const char *const words[] = {"no", "yes", "auto"}; /* of restart */

/* Is the dotted key one of free_keys? */
static bool IsFree(const char *key)
{
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(free_keys); i++)
    if (!strcmp(key, free_keys[i])) return true;
  return false;
}

/* Lines "dotted.key: value" of all keys under a map that are not free; above: the dotted path of
   the map, "" for the job. A free map is left out with all that is in it. */
static PetscErrorCode AddKeys(MeritNode map, const char *above, MeritText *lines)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < map->n; i++) {
    MeritText key   = {0};
    MeritNode child = map->child[i];
    char     *name, *text;
    /* A map with this one key, so that the value is printed as YAML */
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

/* A line with size and checksum of one file. All ranks read parts of it. Collective. */
static PetscErrorCode AddFile(MPI_Comm comm, const char *key, const char *path, MeritText *lines)
{
  char     changed[128];
  int64_t  bytes;
  uint32_t crc;

  PetscFunctionBegin;
  PetscCall(MeritFileChanged(comm, path, sizeof(changed), changed));
  /* The file has changed since it was read: no file that is there now has the content of this
     checkpoint, so that no later attempt may match it */
  if (changed[0]) {
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

/* One file of the genotypes; its name in the line is its suffix (".bed"), or the key where it has
   none */
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
  const char              *centre = NULL;
  char                    *path   = NULL;

  PetscFunctionBegin;
  for (size_t k = 0; k < PETSC_STATIC_ARRAY_LENGTH(keys); k++) {
    PetscCall(MeritConfigPath(run->job, keys[k], &path));
    if (path) PetscCall(AddFile(run->comm, keys[k], path, lines));
    PetscCall(PetscFree(path));
  }
  /* genotypes.centre is a word, or a file of frequencies */
  PetscCall(MeritConfigString(run->job, "genotypes.centre", &centre));
  if (centre && strcmp(centre, "observed") && strcmp(centre, "none")) {
    PetscCall(MeritConfigPath(run->job, "genotypes.centre", &path));
    PetscCall(AddFile(run->comm, "genotypes.centre", path, lines));
    PetscCall(PetscFree(path));
  }
  PetscCall(MeritGenotypesEachFile(run->job, AddGenotypes, &to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The lines of this run, when a checkpoint is first written or opened. ctx is the run.
   Collective. */
static PetscErrorCode Identity(void *ctx, MeritText *lines)
{
  const MeritRun *run = ctx;

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(lines, "merit %s %s\n", MERIT_VERSION, run->command));
  PetscCall(AddKeys(run->job, "", lines));
  PetscCall(AddFiles(run, lines));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The folder holds the whole result: remove staged files and checkpoint of the attempt that made
   it, and say how that attempt ended. status: its exit status; other than 0 it is raised again, as
   the kind of error. Collective. */
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
  if (status)
    PetscCall(MeritRaise((MeritErrorKind)status, folder, 0, NULL,
                         "holds the result of this job, which has not converged; --overwrite starts again from the beginning"));
  MeritLog(MERIT_LOG_INFO, "%s holds the result of this job already: done", folder);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunIsDone - See the header. Collective. A run can be killed after its result is in place and
   before it has ended. The attempt that follows finds the result and computes nothing. */
PetscErrorCode RunIsDone(MeritRun *run)
{
  int   word      = 0, status;
  bool  overwrite = false;
  char *folder    = NULL;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(run->job, "restart", 3, words, &word));
  PetscCall(MeritConfigBool(run->job, "overwrite", &overwrite));
  PetscCall(MeritConfigPath(run->job, "output.folder", &folder));
  if (folder && word && !overwrite)
    PetscCall(
        MeritReportIsDone(run->comm, folder, run->job, run->command, (int)PETSC_STATIC_ARRAY_LENGTH(done_keys), done_keys, &run->done, &status));
  if (run->done) PetscCall(Leave(run->comm, folder, status));
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Open the checkpoint of the folder, remove it, or refuse, by `restart` and `overwrite`. Without
   either a checkpoint is never lost: the run is refused. Collective. Errors: USAGE. */
static PetscErrorCode Restart(MeritRun *run, const char *folder)
{
  int  word = 0;
  bool exists, overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(run->job, "restart", 3, words, &word));
  PetscCall(MeritConfigBool(run->job, "overwrite", &overwrite));
  PetscCall(MeritCheckpointExists(run->checkpoint, &exists));
  /* `restart` comes before `overwrite`, which then concerns an earlier result only */
  if (exists && word) PetscCall(MeritCheckpointOpen(run->checkpoint, &exists));
  else if (exists && overwrite) PetscCall(MeritCheckpointRemove(run->checkpoint));
  else if (exists)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, folder, 0, NULL,
                         "holds the checkpoint of a run that did not end; --restart continues from it, --overwrite starts again from the beginning"));
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

/* RunPositions - See the header. Collective. */
PetscErrorCode RunPositions(MeritRun *run)
{
  PetscFunctionBegin;
  PetscCall(MeritCheckpointStop(run->checkpoint));
  PetscCall(MeritModelSetPositions(run->model, run->checkpoint));
  PetscCall(MeritSolverSetCheckpoint(run->solver, run->checkpoint));
  PetscFunctionReturn(PETSC_SUCCESS);
}
