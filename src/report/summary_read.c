/* summary.json of an earlier result, as a tree. */
#include "summary_impl.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of the largest summary that is read; they have a few pages */
enum { MOST_BYTES = 64 << 20 };

/* SummaryRead - See the header. Any fault gives NULL: then nothing is known of the result, and
   the caller goes on without it. Not collective. */
cJSON *SummaryRead(const char folder[])
{
  char        path[PETSC_MAX_PATH_LEN];
  struct stat about;
  cJSON      *root  = NULL;
  MeritFault  fault = {0};
  int         file;

  snprintf(path, sizeof(path), "%s/summary.json", folder);
  file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe of this name is not waited for */
  if (file >= 0 && !fstat(file, &about) && S_ISREG(about.st_mode) && about.st_size <= MOST_BYTES) {
    char *text = malloc((size_t)about.st_size + 1);

    if (text && !MeritFileRead(path, 0, about.st_size, text, &fault) && fault.kind == MERIT_ERROR_NONE)
      root = cJSON_ParseWithLength(text, (size_t)about.st_size);
    free(text);
  }
  if (file >= 0) close(file);
  MeritFaultForget(&fault);
  return root;
}
