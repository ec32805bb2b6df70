/*
  Output folders: results are staged in a hidden folder there and put in place as a whole at the
  end.

  MeritOutputOpen makes the folder, takes a lock, repairs what a crashed run left
  (output_commit.c), and makes the staging folder. MeritOutputWrite appends the texts of all ranks
  in rank order to one staged file, with its checksum. MeritOutputCommit renames all files;
  MeritOutputAbandon removes what was staged. Rank 0 alone touches folders, all ranks write into
  files.
*/
#include "output_private.h"
#include <merit/exchange.h>
#include <merit/log.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Outputs of this process that are open, so that the command line can clean up after an error
   anywhere */
static MeritOutput open_outputs;

/* mkdir -p; out->made is the length of the first path that was created here */
static void MakeFolders(MeritOutput out, MeritFault *fault)
{
  char *path = strdup(out->folder);

  for (size_t end = 1; path && end <= strlen(out->folder); end++) {
    /* At each slash, and at the end, the path up to there is a folder */
    if (out->folder[end] && out->folder[end] != '/') continue;
    path[end] = 0;
    if (mkdir(path, 0777) == 0) {
      if (!out->made) out->made = end;
    } else if (errno != EEXIST) {
      MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "the folder cannot be made: %s", strerror(errno));
      break;
    }
    path[end] = out->folder[end];
  }
  free(path);
}

/* Remove the folders that Open created, innermost first, as long as they are empty */
static void UnmakeFolders(MeritOutput out)
{
  for (size_t end = strlen(out->folder); out->made && end >= out->made; end--) {
    if (out->folder[end] && out->folder[end] != '/') continue;
    out->folder[end] = 0;
    if (rmdir(out->folder)) break;
  }
}

/* Fault that names the run which holds the lock */
static void LockedFault(MeritOutput out, int file, MeritFault *fault)
{
  char    who[128];
  ssize_t n = pread(file, who, sizeof(who) - 1, 0);

  who[n > 0 ? n : 0] = 0;
  MeritFaultSet(fault, MERIT_ERROR_USAGE, out->folder, 0, NULL, "another run is writing into this output folder%s%s%s", who[0] ? " (" : "", who,
                who[0] ? ")" : "");
}

/*
  TakeLock - Lock the folder by a lock of the kernel (flock) on an open file, which ends with the
  process even if that is killed. The lock file is removed at the end of a run: a process that
  locked it just before the removal holds a file that no other can find. So the name is looked up
  again after locking, and the attempt is repeated if it is another file.
*/
static void TakeLock(MeritOutput out, MeritFault *fault)
{
  char who[128], host[64] = "";

  for (int attempt = 0; attempt < 100 && out->lock < 0 && fault->kind == MERIT_ERROR_NONE; attempt++) {
    const int   folder = FolderOpen(out->folder, true), file = FolderFile(out->folder, true, MERIT_LOCK, O_RDWR | O_CREAT);
    struct stat held, there;

    if (file < 0)
      MeritFaultSet(fault, MERIT_ERROR_SYSTEM, out->folder, 0, NULL, "the folder cannot be written to: %s: %s", MERIT_LOCK, strerror(errno));
    else if (flock(file, LOCK_EX | LOCK_NB) && (errno == EWOULDBLOCK || errno == EINTR)) LockedFault(out, file, fault);
    else if (fstat(file, &held) == 0 && fstatat(folder, MERIT_LOCK, &there, AT_SYMLINK_NOFOLLOW) == 0 && held.st_ino == there.st_ino &&
             held.st_dev == there.st_dev)
      out->lock = file;
    if (file >= 0 && out->lock != file) close(file);
    if (folder >= 0) close(folder);
  }
  if (fault->kind != MERIT_ERROR_NONE) return;
  if (out->lock < 0) {
    MeritFaultSet(fault, MERIT_ERROR_SYSTEM, out->folder, 0, NULL, "the folder cannot be locked");
    return;
  }
  gethostname(host, sizeof(host) - 1);
  snprintf(who, sizeof(who), "process %ld on %s", (long)getpid(), host);
  if (ftruncate(out->lock, 0) || pwrite(out->lock, who, strlen(who), 0) < 0) return; /* the note is for messages only */
}

/* Without --overwrite the folder must hold no visible file */
static void CheckEmpty(MeritOutput out, MeritFault *fault)
{
  DIR           *dir = opendir(out->folder);
  struct dirent *entry;
  char           found[256] = "";
  bool           result     = false;

  while (dir && (entry = readdir(dir))) {
    if (!strcmp(entry->d_name, MERIT_MANIFEST) || !strcmp(entry->d_name, "summary.json")) result = true;
    else if (entry->d_name[0] != '.' && strcmp(entry->d_name, "checkpoint")) /* checkpoint.c decides about that one */
      snprintf(found, sizeof(found), "%s", entry->d_name);
  }
  if (!dir) MeritFaultSet(fault, MERIT_ERROR_SYSTEM, out->folder, 0, NULL, "cannot be read: %s", strerror(errno));
  else closedir(dir);
  if (result)
    MeritFaultSet(fault, MERIT_ERROR_USAGE, out->folder, 0, NULL, "holds an earlier result; --overwrite replaces it, --output FOLDER keeps it");
  else if (found[0])
    MeritFaultSet(fault, MERIT_ERROR_USAGE, out->folder, 0, NULL,
                  "the output folder is not empty (%s); --overwrite allows this, --output FOLDER names another", found);
}

/* Unlock. The file is removed first: after the unlock another run could lock a file that is about
   to vanish. */
static void DropLock(MeritOutput out)
{
  if (out->lock < 0) return;
  (void)FolderRemove(out->folder, true, MERIT_LOCK);
  close(out->lock);
  out->lock = -1;
}

/* Undo what Open did, apart from committed files; may be called twice */
static void Clear(MeritOutput out)
{
  if (out->staging) MeritOutputRemove(out->folder, MERIT_STAGING);
  out->staging = false;
  DropLock(out);
  UnmakeFolders(out);
  out->made = 0;
}

/* Take the output off the list of open ones and free it */
static PetscErrorCode Free(MeritOutput *output)
{
  MeritOutput out = *output;

  PetscFunctionBegin;
  for (MeritOutput *at = &open_outputs; *at; at = &(*at)->next)
    if (*at == out) {
      *at = out->next;
      break;
    }
  for (int f = 0; f < out->n_files; f++) free(out->name[f]);
  free(out->name);
  free(out->bytes);
  free(out->crc);
  free(out->wrote);
  free(out->input);
  PetscCall(PetscFree(out->folder));
  PetscCall(PetscFree(*output));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritOutputOpen - Take an output folder for this run and make ready to write into it.

  Collective on comm; rank 0 touches the folder.

  Input Parameters:
+ comm      - the ranks; not duplicated
. folder    - made if it is not there, with its parents
- overwrite - the folder may hold an earlier result, which a commit then replaces

  Output Parameter:
. output - the handle; end it with `MeritOutputCommit()` or `MeritOutputAbandon()`

  USAGE if the folder is not empty without overwrite, or another run writes into it; SYSTEM if it cannot be
  made or written to. What a crashed run left is put right first. On any error the folder is as it was.
@*/
PetscErrorCode MeritOutputOpen(MPI_Comm comm, const char folder[], bool overwrite, MeritOutput *output)
{
  MeritOutput    out;
  MeritFault     fault = {0};
  PetscErrorCode code;
  size_t         length;

  PetscFunctionBegin;
  *output = NULL;
  PetscCall(PetscNew(&out));
  out->comm = comm;
  out->lock = -1;
  PetscCallMPI(MPI_Comm_rank(comm, &out->rank));
  PetscCallMPI(MPI_Comm_size(comm, &out->size));
  PetscCall(PetscStrallocpy(folder, &out->folder));
  for (length = strlen(folder); length > 1 && folder[length - 1] == '/'; length--) out->folder[length - 1] = 0;
  out->next    = open_outputs;
  open_outputs = out;
  if (out->rank == 0) {
    char *staging = MeritOutputPath(out->folder, MERIT_STAGING, NULL);

    /* Each step needs the one before it; the first fault stops the chain */
    MakeFolders(out, &fault);
    if (fault.kind == MERIT_ERROR_NONE) TakeLock(out, &fault);
    if (fault.kind == MERIT_ERROR_NONE) MeritOutputRecover(out->folder, &fault);
    if (fault.kind == MERIT_ERROR_NONE && !overwrite) CheckEmpty(out, &fault);
    if (fault.kind == MERIT_ERROR_NONE) {
      out->staging = staging && mkdir(staging, 0777) == 0;
      if (!out->staging)
        MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, out->folder, 0, NULL, "the folder cannot be written to: %s: %s%s", MERIT_STAGING, strerror(errno),
                      errno == EEXIST ? "; what is in it is not Merit's: move it away" : "");
    }
    free(staging);
  }
  if (fault.kind != MERIT_ERROR_NONE) Clear(out);
  code = MeritFaultAgree(comm, &fault);
  if (code) PetscCall(Free(&out));
  *output = out;
  PetscFunctionReturn(code);
}

/* *f is the entry of a file, *is_new if it was added now with no bytes */
static PetscErrorCode FindFile(MeritOutput out, const char name[], int *f, bool *is_new)
{
  PetscFunctionBegin;
  PetscCheck(FolderIsOutput(name), out->comm, PETSC_ERR_ARG_WRONG, "output file name \"%s\"", name);
  for (*f = 0; *f < out->n_files; ++*f)
    if (!strcmp(out->name[*f], name)) break;
  *is_new = *f == out->n_files;
  if (*is_new) {
    const size_t n     = (size_t)out->n_files + 1;
    char       **names = realloc(out->name, n * sizeof(*names));
    int64_t     *bytes = realloc(out->bytes, n * sizeof(*bytes));
    uint32_t    *crc   = realloc(out->crc, n * sizeof(*crc));
    bool        *wrote = realloc(out->wrote, n * sizeof(*wrote));

    /* An array that grew stays grown, also if another cannot: all are freed by Free() */
    if (names) out->name = names;
    if (bytes) out->bytes = bytes;
    if (crc) out->crc = crc;
    if (wrote) out->wrote = wrote;
    PetscCheck(names && bytes && crc && wrote, PETSC_COMM_SELF, PETSC_ERR_MEM, "list of output files");
    out->name[*f] = strdup(name);
    PetscCheck(out->name[*f], PETSC_COMM_SELF, PETSC_ERR_MEM, "list of output files");
    out->bytes[*f] = 0;
    out->crc[*f]   = (uint32_t)crc32(0, NULL, 0);
    out->wrote[*f] = false;
    out->n_files++;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fault for a file that cannot be written, from errno */
static void WriteFault(MeritOutput out, const char name[], MeritFault *fault)
{
  char *path = MeritOutputPath(out->folder, name, NULL);

  MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path ? path : name, 0, NULL, "cannot be written: %s", strerror(errno));
  free(path);
}

/* Open a file of the staging folder; -1 with errno if that fails */
static int StagedFile(MeritOutput out, const char name[], int flags)
{
  char     *path = MeritOutputPath(out->folder, MERIT_STAGING, NULL);
  const int file = path ? FolderFile(path, false, name, flags) : -1;

  free(path);
  return file;
}

/* Write n bytes at an offset of an open file; false with errno if that fails */
static bool WriteAt(int file, const char *at, int64_t n, int64_t offset)
{
  const int64_t limit = MeritMaxMessage();

  while (n > 0) {
    const ssize_t done = pwrite(file, at, (size_t)PetscMin(limit, n), (off_t)offset);

    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    at += done;
    n -= done;
    offset += done;
  }
  return true;
}

/* This rank's part of a file: the header ("" on ranks other than 0), then the text */
static void WritePart(MeritOutput out, const char name[], int64_t offset, const char header[], const char text[], int64_t n, MeritFault *fault)
{
  const int64_t head = (int64_t)strlen(header);
  const int     file = StagedFile(out, name, O_WRONLY);

  if (file < 0 || !WriteAt(file, header, head, offset) || !WriteAt(file, text, n, offset + head)) WriteFault(out, name, fault);
  if (file >= 0 && close(file)) WriteFault(out, name, fault);
}

/* CRC-32 of any number of bytes: a call of zlib takes at most 4 GiB */
static uLong Crc(uLong crc, const char *at, int64_t n)
{
  for (int64_t step; n > 0; at += step, n -= step) {
    step = PetscMin(n, (int64_t)1 << 30);
    crc  = crc32(crc, (const Bytef *)at, (uInt)step);
  }
  return crc;
}

/*@
  MeritOutputWrite - Write (more of) one staged file: the ranks' texts one after another.

  Collective on the output's communicator.

  Input Parameters:
+ out    - the output
. name   - name of the file in the folder, the same on all ranks
. header - rank 0: what comes before everything; NULL for nothing; not written again when the file goes on
. text   - [n] this rank's bytes; may be NULL if n is 0
- n      - how many

  A full disk and the like are SYSTEM errors on every rank; the output is then to be abandoned.
@*/
PetscErrorCode MeritOutputWrite(MeritOutput out, const char name[], const char header[], const char text[], int64_t n)
{
  MeritFault  fault = {0};
  const char *head  = "";
  int64_t     mine[2], *all, offset;
  uLong       crc = crc32(0, NULL, 0);
  int         f;
  bool        is_new;

  PetscFunctionBegin;
  PetscCall(FindFile(out, name, &f, &is_new));
  if (is_new && out->rank == 0) {
    const int file = StagedFile(out, name, O_WRONLY | O_CREAT | O_EXCL);

    OutputCheckProtected(out, name, &fault);
    if (header) head = header;
    if (file < 0 || close(file)) WriteFault(out, name, &fault);
  }
  crc     = Crc(Crc(crc, head, (int64_t)strlen(head)), text, n);
  mine[0] = (int64_t)strlen(head) + n;
  mine[1] = (int64_t)crc;
  PetscCall(MeritFaultAgree(out->comm, &fault)); /* the file exists before other ranks open it */
  PetscCall(PetscMalloc1(2 * (size_t)out->size, &all));
  PetscCallMPI(MPI_Allgather(mine, 2, MPI_INT64_T, all, 2, MPI_INT64_T, out->comm));
  /* Offsets by prefix sums of the ranks' lengths; checksums are combined in the same order */
  offset = out->bytes[f];
  for (PetscMPIInt r = 0; r < out->size; r++) {
    if (r < out->rank) offset += all[2 * r];
    out->bytes[f] += all[2 * r];
    out->crc[f] = (uint32_t)crc32_combine(out->crc[f], (uLong)all[2 * r + 1], (z_off_t)all[2 * r]);
  }
  PetscCall(PetscFree(all));
  if (mine[0] > 0) {
    out->wrote[f] = true;
    WritePart(out, name, offset, head, text, n, &fault);
  }
  PetscCall(MeritFaultAgree(out->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritOutputFiles - The staged files so far, the same on all ranks; borrowed until the next write. Not
   collective. */
int MeritOutputFiles(MeritOutput out, const char *const **names, const int64_t **bytes, const uint32_t **crc)
{
  if (names) *names = (const char *const *)out->name;
  if (bytes) *bytes = out->bytes;
  if (crc) *crc = out->crc;
  return out->n_files;
}

/* Flush this rank's parts: they must be on disk before the files get their names */
static void Flush(MeritOutput out, MeritFault *fault)
{
  for (int f = 0; f < out->n_files; f++) {
    const int file = out->wrote[f] ? StagedFile(out, out->name[f], O_WRONLY) : -1;

    if (out->wrote[f] && (file < 0 || fsync(file))) WriteFault(out, out->name[f], fault);
    if (file >= 0) close(file);
  }
}

/*@
  MeritOutputCommit - Put all staged files in place, as a whole, and drop the lock.

  Collective on the output's communicator. Frees *output in any case.

  Input Parameters:
+ output - the output
- last   - the file that is renamed last and so marks the result as complete ("summary.json"); must have been
           written

  If anything fails it is a SYSTEM error, and the folder holds the earlier result as before.
@*/
PetscErrorCode MeritOutputCommit(MeritOutput *output, const char last[])
{
  MeritOutput    out   = *output;
  MeritFault     fault = {0};
  PetscErrorCode code;
  int            f;
  bool           is_new;

  PetscFunctionBegin;
  PetscCall(FindFile(out, last, &f, &is_new));
  PetscCheck(!is_new, out->comm, PETSC_ERR_ARG_WRONGSTATE, "%s has not been written", last);
  Flush(out, &fault);
  code = MeritFaultAgree(out->comm, &fault);
  if (!code) {
    if (out->rank == 0) MeritOutputReplace(out, last, &fault);
    out->staging = false; /* cleared, or needed by the next run to undo what could not be undone now */
    if (fault.kind == MERIT_ERROR_NONE) out->made = 0;
    Clear(out);
    code = MeritFaultAgree(out->comm, &fault);
  }
  PetscCall(MeritOutputAbandon(output));
  PetscFunctionReturn(code);
}

/*@
  MeritOutputAbandon - Remove what was staged, the folder if `MeritOutputOpen()` made it, and the lock;
  NULL-safe.

  Does not communicate, so that it may be called on the way out of any error. Earlier results are left alone.
@*/
PetscErrorCode MeritOutputAbandon(MeritOutput *output)
{
  MeritOutput out = *output;

  PetscFunctionBegin;
  if (!out) PetscFunctionReturn(PETSC_SUCCESS);
  Clear(out);
  PetscCall(Free(output));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritOutputAbandonAll - Abandon every output of this process that is still open, after an error. Not
   collective. */
PetscErrorCode MeritOutputAbandonAll(void)
{
  PetscFunctionBegin;
  while (open_outputs) {
    MeritOutput out = open_outputs;

    PetscCall(MeritOutputAbandon(&out));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}
