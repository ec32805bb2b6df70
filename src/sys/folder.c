/*
  Files of output folders, addressed by an open folder and a name (openat), never by a path.

  Another user may be able to write into the folder. Links in it are not followed (O_NOFOLLOW), and
  a file with a second name is not written to: otherwise a link planted there could direct the
  output elsewhere.
*/
#include "folder_private.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FolderOpen - See the header. Not collective. */
int FolderOpen(const char path[], bool link) { return path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (link ? 0 : O_NOFOLLOW)) : -1; }

/* FolderFile - See the header. Not collective. */
int FolderFile(const char path[], bool link, const char name[], int flags)
{
  const int   folder = FolderOpen(path, link), file = folder < 0 ? -1 : openat(folder, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  struct stat about;
  int         error = errno;

  if (folder >= 0) close(folder);
  if (file >= 0 && (fstat(file, &about) || !S_ISREG(about.st_mode) || ((flags & O_ACCMODE) != O_RDONLY && about.st_nlink > 1))) {
    close(file);
    errno = ELOOP; /* what is written would be seen elsewhere */
    return -1;
  }
  errno = error;
  return file;
}

/* FolderHas - See the header. Not collective. */
bool FolderHas(const char path[], bool link, const char name[])
{
  const int   folder = FolderOpen(path, link);
  struct stat about;
  bool        has = folder >= 0 && fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0;

  if (folder >= 0) close(folder);
  return has;
}

/* FolderRemove - See the header. Not collective. */
bool FolderRemove(const char path[], bool link, const char name[])
{
  const int  folder = FolderOpen(path, link);
  const bool gone   = folder < 0 ? errno == ENOENT : unlinkat(folder, name, 0) == 0 || errno == ENOENT;

  if (folder >= 0) close(folder);
  return gone;
}

/* FolderIsOutput - See the header. Not collective. */
bool FolderIsOutput(const char name[])
{
  static const char *const ends[] = {".tsv", ".json", ".yaml", ".csv", ".bed", ".bim", ".fam"};
  size_t                   n      = 0;

  while (isalnum((unsigned char)name[n]) || name[n] == '_') n++;
  for (size_t i = 0; n && i < sizeof(ends) / sizeof(*ends); i++)
    if (!strcmp(name + n, ends[i])) return true;
  return false;
}
