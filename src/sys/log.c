/*
  Messages, warnings and times of a run.

  Messages go to a sink that the command line sets on rank 0; the library itself prints nothing.
  Warnings are also kept for the summary. Phases are nested: each rank adds up wall and processor
  seconds by name, and the stack open [n_open] holds those that have begun. A phase is a PETSc log
  stage too.
*/
#include <merit/error.h>
#include <merit/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_PHASES = 256, MAX_NESTED = 16, MAX_NAME = 64 };

/* State of the run. A process has one run, so this is at file scope. */
static struct {
  MeritLogSink  sink;
  void         *ctx;
  char          task[128]; /* before every line of progress; "": nothing */
  int           n_warnings;
  char        **warning; /* owned */
  int           n_phases, n_open;
  char          name[MAX_PHASES][MAX_NAME];
  const char   *names[MAX_PHASES];
  double        seconds[MAX_PHASES], cpu[MAX_PHASES];
  int64_t       memory[MAX_PHASES]; /* peak at the end of the phase */
  PetscLogStage stage[MAX_PHASES];
  int           open[MAX_NESTED];
  double        begin[MAX_NESTED], cpu_begin[MAX_NESTED];
} run;

/* MeritLogSetSink - Where messages go; NULL for nowhere. Not collective: the command line installs one on
   rank 0 only. */
void MeritLogSetSink(MeritLogSink sink, void *ctx)
{
  run.sink = sink;
  run.ctx  = ctx;
}

/* Keep a warning for the summary; one that cannot be kept (no memory) is still shown */
static void Keep(const char *text)
{
  char **list = realloc(run.warning, (size_t)(run.n_warnings + 1) * sizeof(*list));

  if (!list) return;
  run.warning          = list;
  list[run.n_warnings] = strdup(text);
  if (list[run.n_warnings]) run.n_warnings++;
}

/* Compose one line and hand it to the sink; control characters are made visible */
static void Tell(MeritLogKind kind, double fraction, const char format[], va_list args)
{
  char text[2048];
  int  at = 0;

  if (kind == MERIT_LOG_PROGRESS && run.task[0]) at = snprintf(text, sizeof(text), "%s, ", run.task);
  vsnprintf(text + at, sizeof(text) - (size_t)at, format, args);
  MeritPrintable(sizeof(text), text);
  if (kind == MERIT_LOG_WARNING) Keep(text);
  if (run.sink) run.sink(kind, fraction, text, run.ctx);
}

/* MeritLog - Tell the user one line; warnings are also kept for the summary. Not collective: what rank 0
   says is shown. */
void MeritLog(MeritLogKind kind, const char format[], ...)
{
  va_list args;

  va_start(args, format);
  Tell(kind, -1, format, args);
  va_end(args);
}

/* MeritLogTask - See the header. Not collective. */
void MeritLogTask(const char format[], ...)
{
  va_list args;

  run.task[0] = '\0';
  if (!format) return;
  va_start(args, format);
  vsnprintf(run.task, sizeof(run.task), format, args);
  va_end(args);
}

/* MeritLogProgress - How far a long phase is, as a fraction of 1 (-1: not known). Not collective; cheap
   enough for every iteration. */
void MeritLogProgress(double fraction, const char format[], ...)
{
  va_list args;

  if (!run.sink) return;
  va_start(args, format);
  Tell(MERIT_LOG_PROGRESS, fraction, format, args);
  va_end(args);
}

/* MeritLogWarnings - Warnings of this rank so far; *texts is borrowed until the next one. Not collective. */
int MeritLogWarnings(const char *const **texts)
{
  *texts = (const char *const *)run.warning;
  return run.n_warnings;
}

/* Processor seconds of all threads of this process */
static double CpuSeconds(void)
{
  struct timespec t;

  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)) return 0;
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*@
  MeritPhaseBegin - A phase of the run begins ("read", "solve"); phases may nest, and one may come again.

  Logically collective. Its seconds are kept for the summary, those of phases inside it included; in PETSc's
  -log_view it is a stage.
@*/
PetscErrorCode MeritPhaseBegin(const char name[])
{
  int p = 0;

  PetscFunctionBegin;
  PetscCheck(run.n_open < MAX_NESTED, PETSC_COMM_SELF, PETSC_ERR_PLIB, "phase %s is nested too deeply", name);
  /* The name is copied: the caller's may go, and the list is read at the end of the run */
  while (p < run.n_phases && strcmp(run.name[p], name)) p++;
  if (p == run.n_phases) {
    PetscCheck(p < MAX_PHASES && strlen(name) < MAX_NAME, PETSC_COMM_SELF, PETSC_ERR_PLIB, "too many phases, or too long a name: %s", name);
    snprintf(run.name[p], sizeof(run.name[p]), "%s", name);
    run.names[p]   = run.name[p];
    run.seconds[p] = run.cpu[p] = 0;
    PetscCall(PetscLogStageGetId(name, &run.stage[p]));
    if (run.stage[p] < 0) PetscCall(PetscLogStageRegister(name, &run.stage[p]));
    run.n_phases++;
  }
  PetscCall(PetscLogStagePush(run.stage[p]));
  run.open[run.n_open]      = p;
  run.begin[run.n_open]     = MPI_Wtime();
  run.cpu_begin[run.n_open] = CpuSeconds();
  run.n_open++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPhaseEnd - The phase begun last ends. Logically collective. */
PetscErrorCode MeritPhaseEnd(void)
{
  PetscFunctionBegin;
  PetscCheck(run.n_open > 0, PETSC_COMM_SELF, PETSC_ERR_ORDER, "no phase has begun");
  run.n_open--;
  run.seconds[run.open[run.n_open]] += MPI_Wtime() - run.begin[run.n_open];
  run.cpu[run.open[run.n_open]] += CpuSeconds() - run.cpu_begin[run.n_open];
  run.memory[run.open[run.n_open]] = MeritPeakMemory();
  PetscCall(PetscLogStagePop());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPhaseDepth - See the header. Not collective. */
int MeritPhaseDepth(void) { return run.n_open; }

/* MeritPhaseUnwind - See the header. Not collective. */
PetscErrorCode MeritPhaseUnwind(int depth)
{
  PetscFunctionBegin;
  while (run.n_open > depth) PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPhases - Phases in order of their first begin, with the seconds of this rank; borrowed. Not
   collective. */
int MeritPhases(const char *const **names, const double **seconds)
{
  *names   = run.names;
  *seconds = run.seconds;
  return run.n_phases;
}

/* MeritPhasesUsed - Processor seconds of this rank (all threads) by phase, and its peak memory at the end of each, bytes; in the
   order of MeritPhases(), borrowed. Not collective. */
void MeritPhasesUsed(const double **cpu, const int64_t **memory)
{
  *cpu    = run.cpu;
  *memory = run.memory;
}

/* MeritPeakMemory - Largest resident memory of this rank so far, bytes. Not collective. */
int64_t MeritPeakMemory(void)
{
  struct rusage usage;

  if (getrusage(RUSAGE_SELF, &usage)) return 0;
  return (int64_t)usage.ru_maxrss * 1024; /* Linux counts KiB */
}

/* MeritLogReset - Forget warnings and phases, also those an error left open; the sink stays. Not collective. */
void MeritLogReset(void)
{
  for (int i = 0; i < run.n_warnings; i++) free(run.warning[i]);
  free(run.warning);
  run.warning    = NULL;
  run.n_warnings = 0;
  /* Stages that an error left open are closed at PETSc too */
  while (run.n_open > 0) {
    run.n_open--;
    if (PetscLogStagePop()) break;
  }
  run.n_open = run.n_phases = 0;
  run.task[0]               = '\0';
}
