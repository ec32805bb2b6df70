/*
  How one result replaces another without a moment in which a crash could lose either. Rank 0 does, each step
  a rename:
    1. the manifest of the new result is written into the staging folder: from here on a commit is under way;
    2. files of the earlier result go to .previous, its mark of completeness first;
    3. staged files go to the folder, the last one last: the new result is complete;
    4. the manifest goes to the folder: the commit is over; .previous and .staging are removed.
  Whoever finds a manifest in the staging folder goes forward if step 3 was finished, else back: names that
  are no longer staged return there, and .previous empties into the folder. Every step can be repeated, so a
  crash while going back does no harm.
*/
#include "output_private.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* MeritOutputPath - folder/a/b, without those that are NULL or ""; owned by the caller, free(). */
char *MeritOutputPath(const char folder[], const char a[], const char b[])
{
  const bool   has_a = a && a[0], has_b = b && b[0];
  const size_t n    = strlen(folder) + (has_a ? strlen(a) : 0) + (has_b ? strlen(b) : 0) + 3;
  char        *path = malloc(n);

  if (path) snprintf(path, n, "%s%s%s%s%s", folder, has_a ? "/" : "", has_a ? a : "", has_b ? "/" : "", has_b ? b : "");
  return path;
}

/* Fault with errno's words */
static void Fault(MeritFault *fault, const char *path, const char *what)
{
  MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "%s: %s", what, strerror(errno));
}

/* Open folder/sub, or the folder itself (sub NULL or ""). The folder may be a link of the user;
   links inside are not followed. */
static int Open(const char folder[], const char sub[])
{
  char     *path  = MeritOutputPath(folder, sub, NULL);
  const int open_ = FolderOpen(path, !sub || !sub[0]);

  free(path);
  return open_;
}

/* Does folder/sub hold this name? */
static bool Exists(const char folder[], const char sub[], const char name[])
{
  char *path  = MeritOutputPath(folder, sub, NULL);
  bool  there = path && FolderHas(path, !sub || !sub[0], name);

  free(path);
  return there;
}

/* Rename folder/from/name to folder/to/name ("" is the folder itself); a name that does not exist
   is no fault */
static void Move(const char folder[], const char from[], const char to[], const char name[], MeritFault *fault)
{
  const int a = Open(folder, from), b = a < 0 ? -1 : Open(folder, to);

  if (fault->kind == MERIT_ERROR_NONE && (a < 0 || b < 0 || renameat(a, name, b, name)) && errno != ENOENT) {
    char *path = MeritOutputPath(folder, to, name);

    Fault(fault, path ? path : name, "cannot be renamed into place");
    free(path);
  }
  if (a >= 0) close(a);
  if (b >= 0) close(b);
}

/* Flush a folder: the renames of a step must be on disk before the next step. Not all file systems
   can; errors are ignored. */
static void Sync(const char folder[], const char sub[])
{
  const int file = Open(folder, sub);

  if (file >= 0) {
    fsync(file);
    close(file);
  }
}

/* The whole file with a 0 behind it; owned by the caller, free(). Closes the file. */
static char *ReadAll(int file, size_t *n)
{
  char   *text = NULL;
  ssize_t got  = 1;

  for (*n = 0; got > 0; *n += got > 0 ? (size_t)got : 0) {
    char *more = realloc(text, *n + 4097);

    if (!more) break;
    text = more;
    got  = read(file, text + *n, 4096);
  }
  close(file);
  if (text) text[*n] = 0;
  return text;
}

/* Names of a manifest, each with its 0, in one block; owned by the caller, free(); NULL if there is
   none. A name that Merit would not write is left out, so that a forged manifest cannot move or
   remove other files. */
static char *ReadManifest(const char folder[], const char sub[], int *n)
{
  char     *path = MeritOutputPath(folder, sub, NULL), *text, *to;
  const int file = path ? FolderFile(path, !sub || !sub[0], MERIT_MANIFEST, O_RDONLY) : -1;
  size_t    used;

  *n = 0;
  free(path);
  text = to = file < 0 ? NULL : ReadAll(file, &used);
  for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1) {
    *end = 0;
    if (!FolderIsOutput(line)) continue;
    memmove(to, line, strlen(line) + 1);
    to += strlen(to) + 1;
    ++*n;
  }
  return text;
}

/* MeritOutputManifest - See the header. Not collective. */
char *MeritOutputManifest(const char folder[], int *n) { return ReadManifest(folder, NULL, n); }

/* Name number i of such a block */
static const char *Name(const char *names, int i)
{
  while (i-- > 0) names += strlen(names) + 1;
  return names;
}

/* Every staged file must exist, and its target must not be a folder */
static void CheckStaged(MeritOutput out, MeritFault *fault)
{
  for (int f = 0; f < out->n_files; f++) {
    char       *path = MeritOutputPath(out->folder, out->name[f], NULL);
    struct stat about;

    if (!Exists(out->folder, MERIT_STAGING, out->name[f])) Fault(fault, out->name[f], "the file written has vanished");
    if (path && lstat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
      errno = EISDIR;
      Fault(fault, path, "cannot be replaced");
    }
    free(path);
  }
}

/* Step 1. The names are in the order of step 3; the manifest appears by a rename, so that it is
   never partial. */
static void WriteManifest(MeritOutput out, const char last[], MeritFault *fault)
{
  static const char draft[] = ".draft";
  char             *path    = MeritOutputPath(out->folder, MERIT_STAGING, NULL);
  const int         folder = FolderOpen(path, false), file = path ? FolderFile(path, false, draft, O_WRONLY | O_CREAT | O_EXCL) : -1;
  FILE             *stream = file < 0 ? NULL : fdopen(file, "wb");
  bool              good   = folder >= 0 && stream;

  for (int f = 0; good && f < out->n_files; f++)
    if (strcmp(out->name[f], last)) good = fprintf(stream, "%s\n", out->name[f]) > 0;
  if (good) good = fprintf(stream, "%s\n", last) > 0 && fflush(stream) == 0 && fsync(file) == 0;
  if (stream && fclose(stream)) good = false;
  if (good) good = renameat(folder, draft, folder, MERIT_MANIFEST) == 0;
  if (!good) Fault(fault, out->folder, "cannot be written to");
  if (folder >= 0) close(folder);
  free(path);
  if (good) Sync(out->folder, MERIT_STAGING);
}

/* Step 2. The earlier result's mark of completeness goes first: from then on the folder does not
   pass as complete. */
static void PutAside(MeritOutput out, const char last[], MeritFault *fault)
{
  char *path = MeritOutputPath(out->folder, MERIT_PREVIOUS, NULL);
  int   n;
  char *names = ReadManifest(out->folder, NULL, &n);

  if (!path || (mkdir(path, 0777) && errno != EEXIST)) Fault(fault, out->folder, "cannot be written to");
  /* The manifest lists its mark last */
  for (int i = n - 1; i >= 0; i--) Move(out->folder, "", MERIT_PREVIOUS, Name(names, i), fault);
  Move(out->folder, "", MERIT_PREVIOUS, MERIT_MANIFEST, fault);
  Move(out->folder, "", MERIT_PREVIOUS, last, fault);
  for (int f = 0; f < out->n_files; f++) Move(out->folder, "", MERIT_PREVIOUS, out->name[f], fault);
  Sync(out->folder, NULL);
  free(path);
  free(names);
}

/* Move the files of folder/sub that Merit wrote to folder/to (to ""), or remove them (to NULL);
   other files stay */
static void Empty(const char folder[], const char sub[], const char *to, MeritFault *fault)
{
  const int      from = Open(folder, sub);
  DIR           *dir  = from < 0 ? NULL : fdopendir(from);
  struct dirent *entry;

  while (dir && (entry = readdir(dir))) {
    const char *name = entry->d_name;

    if (!FolderIsOutput(name) && strcmp(name, MERIT_MANIFEST) && strcmp(name, ".draft")) continue;
    if (to) Move(folder, sub, to, name, fault);
    else (void)unlinkat(from, name, 0);
  }
  if (dir) closedir(dir);
  else if (from >= 0) close(from);
}

/* MeritOutputRemove - Remove a sub-folder and the files in it, a manifest first, since it says that the rest
   counts. Of a link only itself is removed. */
void MeritOutputRemove(const char folder[], const char sub[])
{
  const int above = Open(folder, NULL), inside = Open(folder, sub);

  if (inside >= 0) {
    (void)unlinkat(inside, MERIT_MANIFEST, 0);
    fsync(inside);
    close(inside);
    Empty(folder, sub, NULL, NULL);
  }
  if (above >= 0 && unlinkat(above, sub, AT_REMOVEDIR)) (void)unlinkat(above, sub, 0);
  if (above >= 0) close(above);
}

/* Was the manifest in the staging folder written by this user? Another user's could name any file,
   so it is not acted on. */
static bool IsOurs(const char folder[], MeritFault *fault)
{
  const int   staging = Open(folder, MERIT_STAGING);
  struct stat about;
  bool        ours = true;

  if (staging >= 0 && fstatat(staging, MERIT_MANIFEST, &about, AT_SYMLINK_NOFOLLOW) == 0) ours = about.st_uid == geteuid();
  if (staging >= 0) close(staging);
  if (!ours)
    MeritFaultSet(
        fault, MERIT_ERROR_USAGE, folder, 0, NULL,
        "a run of another user ended while it put its result in place; that user can repair it by another run, or give --output FOLDER here");
  return ours;
}

/* MeritOutputRecover - Finish or undo an interrupted commit, then clear the staging folder; repeatable. Rank
   0, with the lock. */
void MeritOutputRecover(const char folder[], MeritFault *fault)
{
  int   n     = 0;
  char *names = IsOurs(folder, fault) ? ReadManifest(folder, MERIT_STAGING, &n) : NULL;

  /* Step 3 is finished when its last name has left the staging folder: then forward, else back */
  if (names && n > 0) {
    if (!Exists(folder, MERIT_STAGING, Name(names, n - 1))) {
      Move(folder, MERIT_STAGING, "", MERIT_MANIFEST, fault);
    } else {
      for (int i = 0; i < n; i++)
        if (!Exists(folder, MERIT_STAGING, Name(names, i))) Move(folder, "", MERIT_STAGING, Name(names, i), fault);
      Sync(folder, MERIT_STAGING);
      Empty(folder, MERIT_PREVIOUS, "", fault);
    }
    Sync(folder, NULL);
  }
  free(names);
  if (fault->kind != MERIT_ERROR_NONE) return; /* leave everything for another attempt */
  MeritOutputRemove(folder, MERIT_STAGING);
  /* The manifest in .staging was the sign of a commit under way; without faults it is over */
  MeritOutputRemove(folder, MERIT_PREVIOUS);
}

/* MeritOutputReplace - Put the staged files in the place of the earlier result; on a fault all is as before.
   Rank 0, with the lock. */
void MeritOutputReplace(MeritOutput out, const char last[], MeritFault *fault)
{
  MeritFault undo = {0};

  CheckStaged(out, fault);
  if (fault->kind == MERIT_ERROR_NONE) WriteManifest(out, last, fault);
  if (fault->kind == MERIT_ERROR_NONE) PutAside(out, last, fault);
  for (int f = 0; f < out->n_files; f++)
    if (strcmp(out->name[f], last)) Move(out->folder, MERIT_STAGING, "", out->name[f], fault);
  /* All other files are on disk under their names before the mark of completeness is */
  Sync(out->folder, NULL);
  Move(out->folder, MERIT_STAGING, "", last, fault);
  Sync(out->folder, NULL);
  /* Also the regular end: after step 3 Recover goes forward */
  MeritOutputRecover(out->folder, &undo);
}
