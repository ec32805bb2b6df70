/*
  Messages and progress on stderr, by rank 0 alone.

  On a terminal progress is one line that is overwritten, at most ten times a second; a message
  first clears it. In a log file progress is a line every five seconds at most, so that logs stay
  short. The time left is the time since this phase began times (1 - fraction) / fraction.
*/
#include "cli.h"
#include <merit/checkpoint.h>
#include <merit/log.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* State of the progress line; a process has one terminal. Times are those of MPI_Wtime(), in
   seconds */
static struct {
  bool   terminal;
  bool   line;    /* a progress line is on the terminal now */
  bool   started; /* some progress has been printed */
  double began;   /* when this phase's progress began */
  double shown;   /* when it was shown last */
  /* Of the last call, -1: not known. A smaller one, or one after -1, begins another phase */
  double fraction;
} progress;

/* MeritProgressEnd - Clear the line (carriage return, then erase to its end). Not collective. */
void MeritProgressEnd(void)
{
  if (progress.line) fputs("\r\033[K", stderr);
  progress.line = false;
}

/* "1:05:30", "2:03" into to [size] */
static void FormatTime(double seconds, char *to, size_t size)
{
  const long s = (long)(seconds + 0.5);

  if (s >= 3600) snprintf(to, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else snprintf(to, size, "%ld:%02ld", s / 60, s % 60);
}

/* One call of progress: shown, or skipped because the last one was shown a moment ago. fraction: -1
   where it is not known */
static void ShowProgress(double fraction, const char *text)
{
  const double now      = MPI_Wtime();
  char         left[64] = "";

  if (fraction < progress.fraction || progress.fraction < 0 || !progress.started) progress.began = now;
  progress.fraction = fraction;
  if (!progress.started) progress.shown = progress.terminal ? now - 1 : now; /* in a log a short run shows none */
  progress.started = true;
  if (now - progress.shown < (progress.terminal ? 0.1 : 5)) return;
  progress.shown = now;
  /* In the first second the rate is not known well enough */
  if (fraction > 0 && now - progress.began > 1) {
    char time[32];

    FormatTime((now - progress.began) * (1 - fraction) / fraction, time, sizeof(time));
    snprintf(left, sizeof(left), ", %s left", time);
  }
  if (progress.terminal) fputs("\r\033[K", stderr);
  if (fraction >= 0) fprintf(stderr, "%s: %.0f%%%s", text, 100 * fraction, left);
  else fputs(text, stderr);
  if (!progress.terminal) fputc('\n', stderr);
  fflush(stderr);
  progress.line = progress.terminal;
}

/* The sink of messages (merit/log.h) */
static void Show(MeritLogKind kind, double fraction, const char text[], void *ctx)
{
  (void)ctx;
  if (kind == MERIT_LOG_PROGRESS) {
    ShowProgress(fraction, text);
    return;
  }
  MeritProgressEnd();
  fprintf(stderr, "%s%s\n", kind == MERIT_LOG_WARNING ? "merit: warning: " : "", text);
}

/* Called in the signal handler when a request to stop has come: one line at once. Only write() is
   safe there, no stdio. The text begins with a newline, which is skipped unless a progress line is
   on the terminal. */
static void Noted(int signal)
{
  static const char text[] = "\nmerit: stopping as soon as the state of the run is saved\n";
  static const char more[] = "merit: Ctrl-C again ends it at once; what was saved before stays\n";
  ssize_t           sent   = write(STDERR_FILENO, text + !progress.line, sizeof(text) - 1 - !progress.line);

  if (signal == SIGINT) sent = write(STDERR_FILENO, more, sizeof(more) - 1);
  (void)sent; /* nothing can be done */
}

/* MeritProgressInstall - See the header. Other ranks have no sink, so that what they say goes
   nowhere. */
void MeritProgressInstall(MPI_Comm comm)
{
  PetscMPIInt rank;

  MPI_Comm_rank(comm, &rank);
  memset(&progress, 0, sizeof(progress));
  progress.terminal = isatty(STDERR_FILENO);
  if (rank) return;
  MeritLogSetSink(Show, NULL);
  MeritRequestsSetNotice(Noted);
}
