#include "cli.h"
#include <merit/checkpoint.h>
#include <merit/log.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
  bool   terminal;
  bool   line;     /* a progress line is on the terminal now */
  bool   started;  /* some progress has been told */
  double began;    /* when this phase's progress began */
  double shown;    /* when it was shown last */
  double fraction; /* of the last call; a smaller one, or one after none (-1), means that another phase has begun */
} progress;

void MeritProgressEnd(void)
{
  if (progress.line) fputs("\r\033[K", stderr);
  progress.line = false;
}

/* "1:05:30", "2:03" */
static void FormatTime(double seconds, char *to, size_t size)
{
  const long s = (long)(seconds + 0.5);

  if (s >= 3600)
    snprintf(to, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(to, size, "%ld:%02ld", s / 60, s % 60);
}

static void ShowProgress(double fraction, const char *text)
{
  const double now      = MPI_Wtime();
  char         left[64] = "";

  if (fraction < progress.fraction || progress.fraction < 0 || !progress.started) progress.began = now;
  progress.fraction = fraction;
  if (!progress.started)
    progress.shown = progress.terminal ? now - 1 : now; /* in a log a short run shows none */
  progress.started = true;
  if (now - progress.shown < (progress.terminal ? 0.1 : 5)) return;
  progress.shown = now;
  if (fraction > 0 && now - progress.began > 1) {
    char time[32];

    FormatTime((now - progress.began) * (1 - fraction) / fraction, time, sizeof(time));
    snprintf(left, sizeof(left), ", %s left", time);
  }
  if (progress.terminal) fputs("\r\033[K", stderr);
  if (fraction >= 0)
    fprintf(stderr, "%s: %.0f%%%s", text, 100 * fraction, left);
  else
    fputs(text, stderr);
  if (!progress.terminal) fputc('\n', stderr);
  fflush(stderr);
  progress.line = progress.terminal;
}

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

/* A request to stop has come: one line at once, by what is safe in a signal handler */
static void Noted(int signal)
{
  static const char text[] = "\nmerit: stopping as soon as the state of the run is saved\n";
  static const char more[] = "merit: Ctrl-C again ends it at once; what was saved before stays\n";
  ssize_t           sent   = write(STDERR_FILENO, text + !progress.line, sizeof(text) - 1 - !progress.line);

  if (signal == SIGINT) sent = write(STDERR_FILENO, more, sizeof(more) - 1);
  (void)sent; /* nothing can be done */
}

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
