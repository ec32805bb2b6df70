/* The last lines of a run: how long it took, and where the results are. */
#include "run.h"
#include <merit/log.h>
#include <stdio.h>
#include <string.h>

/* "1.9 s", "3:05 minutes", "1:05:30 hours" into text [size] */
static void TimeText(double seconds, size_t size, char text[])
{
  const long s = (long)(seconds + 0.5);

  if (seconds < 60.0) snprintf(text, size, "%.1f s", seconds);
  else if (s < 3600) snprintf(text, size, "%ld:%02ld minutes", s / 60, s % 60);
  else snprintf(text, size, "%ld:%02ld:%02ld hours", s / 3600, s / 60 % 60, s % 60);
}

/* RunFinish - See the header. Collective. The seconds in brackets are those of the phases, of rank
   0. A name with a dot ("solve.preconditioner") is a part of another phase, and would be counted
   twice. Phases below 0.05 s would show as 0.0 s and are left out. */
PetscErrorCode RunFinish(const MeritRun *run)
{
  const char *const *name;
  const double      *seconds;
  const int          n          = MeritPhases(&name, &seconds);
  char               parts[256] = "", time[64], *folder = NULL;
  /* Bytes written into `parts` */
  size_t at = 0;

  PetscFunctionBegin;
  for (int p = 0; p < n; p++) {
    if (strchr(name[p], '.') || !(seconds[p] >= 0.05) || at > sizeof(parts) - 64) continue;
    TimeText(seconds[p], sizeof(time), time);
    at += (size_t)snprintf(parts + at, sizeof(parts) - at, "%s%s %s", at ? ", " : " (", name[p], time);
  }
  TimeText(MPI_Wtime() - run->begun, sizeof(time), time);
  PetscCall(MeritConfigPath(run->job, "output.folder", &folder));
  MeritLog(MERIT_LOG_INFO, "%s%s%s; results in %s", time, parts, at ? ")" : "", folder);
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}
