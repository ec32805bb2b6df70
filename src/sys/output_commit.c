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

  if (path)
    snprintf(path, n, "%s%s%s%s%s", folder, has_a ? "/" : "", has_a ? a : "", has_b ? "/" : "",
             has_b ? b : "");
  return path;
}

static void Fault(MeritFault *fault, const char *path, const char *what)
{
  MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "%s: %s", what, strerror(errno));
}

static bool Exists(const char folder[], const char a[], const char b[])
{
  char *path  = MeritOutputPath(folder, a, b);
  bool  there = path && access(path, F_OK) == 0;

  free(path);
  return there;
}

/* Rename folder/from[/name] to folder/to[/name] ("" is the folder itself); what is not there stays so */
static void Move(const char folder[], const char from[], const char to[], const char name[],
                 MeritFault *fault)
{
  char *a = MeritOutputPath(folder, from, name), *b = MeritOutputPath(folder, to, name);

  if (fault->kind == MERIT_ERROR_NONE) {
    if (!a || !b)
      errno = ENOMEM, Fault(fault, folder, name);
    else if (rename(a, b) && errno != ENOENT)
      Fault(fault, b, "cannot be renamed into place");
  }
  free(a);
  free(b);
}

/* A step's renames must be on disk before the next step (some file systems cannot say so; then there is
   nothing to wait for) */
static void Sync(const char folder[], const char sub[])
{
  char *path = MeritOutputPath(folder, sub, NULL);
  int   file = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (file >= 0) {
    fsync(file);
    close(file);
  }
  free(path);
}

/* Names of a manifest, each with its 0, in one block (owned by the caller, free()); NULL if there is none */
static char *ReadManifest(const char folder[], const char sub[], int *n)
{
  char  *path = MeritOutputPath(folder, sub, MERIT_MANIFEST), *text = NULL;
  FILE  *file = path ? fopen(path, "rb") : NULL;
  size_t used = 0, got;

  *n = 0;
  if (file) {
    do {
      char *more = realloc(text, used + 4097);

      if (!more) break;
      text = more;
      got  = fread(text + used, 1, 4096, file);
      used += got;
    } while (got == 4096);
    fclose(file);
  }
  free(path);
  if (!text) return NULL;
  text[used] = 0;
  for (size_t i = 0; i < used; i++)
    if (text[i] == '\n') {
      text[i] = 0;
      ++*n;
    }
  return text;
}

/* Name number i of a block of names */
static const char *Name(const char *names, int i)
{
  while (i-- > 0) names += strlen(names) + 1;
  return names;
}

/* Nothing can be put in place that is not there, nor where a folder stands */
static void CheckStaged(MeritOutput out, MeritFault *fault)
{
  for (int f = 0; f < out->n_files; f++) {
    char       *path = MeritOutputPath(out->folder, out->name[f], NULL);
    struct stat about;

    if (!Exists(out->folder, MERIT_STAGING, out->name[f]))
      Fault(fault, out->name[f], "the file written has vanished");
    if (path && stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
      errno = EISDIR;
      Fault(fault, path, "cannot be replaced");
    }
    free(path);
  }
}

/* Step 1; names in the order in which they will be renamed */
static void WriteManifest(MeritOutput out, const char last[], MeritFault *fault)
{
  char *path  = MeritOutputPath(out->folder, MERIT_STAGING, MERIT_MANIFEST);
  char *draft = MeritOutputPath(out->folder, MERIT_STAGING, ".draft");
  FILE *file  = path && draft ? fopen(draft, "wb") : NULL;
  bool  good  = file != NULL;

  for (int f = 0; good && f < out->n_files; f++)
    if (strcmp(out->name[f], last)) good = fprintf(file, "%s\n", out->name[f]) > 0;
  if (good) good = fprintf(file, "%s\n", last) > 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
  if (file && fclose(file)) good = false;
  if (good) good = rename(draft, path) == 0;
  if (!good) Fault(fault, out->folder, "cannot be written to");
  free(path);
  free(draft);
  if (good) Sync(out->folder, MERIT_STAGING);
}

/* Step 2 */
static void PutAside(MeritOutput out, const char last[], MeritFault *fault)
{
  char *path = MeritOutputPath(out->folder, MERIT_PREVIOUS, NULL);
  int   n;
  char *names = ReadManifest(out->folder, NULL, &n);

  if (!path || (mkdir(path, 0777) && errno != EEXIST)) Fault(fault, out->folder, "cannot be written to");
  for (int i = n - 1; i >= 0; i--) Move(out->folder, "", MERIT_PREVIOUS, Name(names, i), fault);
  Move(out->folder, "", MERIT_PREVIOUS, MERIT_MANIFEST, fault);
  Move(out->folder, "", MERIT_PREVIOUS, last, fault);
  for (int f = 0; f < out->n_files; f++) Move(out->folder, "", MERIT_PREVIOUS, out->name[f], fault);
  Sync(out->folder, NULL);
  free(path);
  free(names);
}

typedef void (*Act)(const char *folder, const char *sub, const char *name, MeritFault *fault);

/* Call a function with each name in folder/sub, hidden ones included */
static void ForEach(const char folder[], const char sub[], Act act, MeritFault *fault)
{
  char          *path = MeritOutputPath(folder, sub, NULL);
  DIR           *dir  = path ? opendir(path) : NULL;
  struct dirent *entry;

  while (dir && (entry = readdir(dir)))
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) act(folder, sub, entry->d_name, fault);
  if (dir) closedir(dir);
  free(path);
}

static void RemoveOne(const char *folder, const char *sub, const char *name, MeritFault *fault)
{
  char *path = MeritOutputPath(folder, sub, name);

  (void)fault;
  if (path) unlink(path);
  free(path);
}

static void RestoreOne(const char *folder, const char *sub, const char *name, MeritFault *fault)
{
  Move(folder, sub, "", name, fault);
}

/* MeritOutputRemove - Remove a sub-folder and the files in it, a manifest first, since it says that the rest
   counts. */
void MeritOutputRemove(const char folder[], const char sub[])
{
  char *path = MeritOutputPath(folder, sub, NULL);

  RemoveOne(folder, sub, MERIT_MANIFEST, NULL);
  Sync(folder, sub);
  ForEach(folder, sub, RemoveOne, NULL);
  if (path) rmdir(path);
  free(path);
}

/* MeritOutputRecover - Finish or undo an interrupted commit, then clear the staging folder; repeatable. Rank
   0, with the lock. */
void MeritOutputRecover(const char folder[], MeritFault *fault)
{
  int   n;
  char *names = ReadManifest(folder, MERIT_STAGING, &n);

  if (names && n > 0) {
    if (!Exists(folder, MERIT_STAGING, Name(names, n - 1))) {
      Move(folder, MERIT_STAGING, "", MERIT_MANIFEST, fault);
    } else {
      for (int i = 0; i < n; i++)
        if (!Exists(folder, MERIT_STAGING, Name(names, i)))
          Move(folder, "", MERIT_STAGING, Name(names, i), fault);
      Sync(folder, MERIT_STAGING);
      ForEach(folder, MERIT_PREVIOUS, RestoreOne, fault);
    }
    Sync(folder, NULL);
  }
  free(names);
  if (fault->kind != MERIT_ERROR_NONE) return; /* leave everything for another attempt */
  MeritOutputRemove(folder, MERIT_STAGING);
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
  Sync(out->folder, NULL);
  Move(out->folder, MERIT_STAGING, "", last, fault);
  Sync(out->folder, NULL);
  MeritOutputRecover(out->folder, &undo);
}
