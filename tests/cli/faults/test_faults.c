/*
  Runs every case of bad input through the command line in this process.  test_faults [WORDS]
  WORDS: only cases whose sentence holds them, and their messages are shown.
  Each case runs three times: into no folder (nothing may be left), over an earlier result (which must stay as it is), and under
  `plan` (which must say the same). A run that hangs is ended by an alarm.
*/
#include "faults.h"
#include <cli.h>
#include <dirent.h>
#include <merit/file.h>
#include <merit/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "merit_test.h"

enum { SECONDS = 60, WORDS = 24 };

static const FaultSuite *const suites[] = {&FaultsOfJobs,    &FaultsOfFormulas,  &FaultsOfVariances, &FaultsOfCommands,     &FaultsOfTables,
                                           &FaultsOfRecords, &FaultsOfPedigrees, &FaultsOfPlink,     &FaultsOfTextGenotypes};

const char FAULT_NO_FILE[] = "";

static char        folder[256], failure[16384];
static const char *running = "", *words;
static PetscMPIInt rank, n_ranks;

static void Hangs(int signal)
{
  static const char says[] = "\nhangs: ";

  (void)signal;
  if (write(2, says, sizeof(says) - 1) < 0 || write(2, running, strlen(running)) < 0) _exit(2);
  _exit(1);
}

static void Write(const char name[], const char own[], size_t n_own, const char base[], size_t n_base)
{
  const char *text = own ? own : base;
  size_t      n    = own ? n_own : n_base;
  FILE       *f;

  if (!text || text == FAULT_NO_FILE) return;
  f = fopen(name, "w");
  if (!f || fwrite(text, 1, n ? n : strlen(text), f) < (n ? n : strlen(text))) exit(1);
  if (fclose(f)) exit(1);
}

static void WriteFiles(const FaultFiles *own, const FaultFiles *base)
{
  Write("job.yaml", own->job, 0, base->job, 0);
  Write("records.csv", own->records, own->n_records, base->records, base->n_records);
  Write("pedigree.csv", own->pedigree, 0, base->pedigree, 0);
  Write("geno.txt", own->text, own->n_text, base->text, 0);
  Write("chip.bim", own->bim, 0, base->bim, 0);
  Write("chip.fam", own->fam, 0, base->fam, 0);
  Write("chip.bed", own->bed, own->n_bed, base->bed, base->n_bed);
  Write("freq.txt", own->frequencies, 0, base->frequencies, 0);
}

/* Names and contents of what a folder holds, in order */
static void Describe(const char path[], size_t size, char text[])
{
  struct dirent **entry;
  int             n    = scandir(path, &entry, NULL, alphasort);
  size_t          used = 0;

  text[0] = 0;
  for (int i = 0; i < n; i++) {
    char  name[512], content[64] = "";
    FILE *f;

    snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
    f = fopen(name, "r");
    if (f && !fgets(content, sizeof(content), f)) content[0] = 0;
    if (f) fclose(f);
    if (used < size) used += (size_t)snprintf(text + used, size - used, "%s=%.40s;", entry[i]->d_name, content);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
}

static void Note(const char what[], const char expected[], const char got[])
{
  size_t used = strlen(failure);

  snprintf(failure + used, sizeof(failure) - used, "%.600s\n  expected: %.1500s\n  got:      %.1500s\n", what, expected, got);
}

static void Expected(const FaultCase *c, size_t size, char text[])
{
  const char *ranks = strstr(c->message, "<ranks>");
  const int   n     = ranks ? (int)(ranks - c->message) : (int)strlen(c->message);

  if (ranks) snprintf(text, size, "%d, %.*s%d%s", c->status, n, c->message, (int)n_ranks, ranks + strlen("<ranks>"));
  else snprintf(text, size, "%d, %s", c->status, c->message);
}

/* The lines behind the first */
static void Further(size_t size, char text[])
{
  const MeritErrorInfo *further;
  int64_t               n_left;
  const int             n    = MeritErrorFurther(&further, &n_left);
  size_t                used = 0;

  text[0] = 0;
  for (int i = 0; i < n && used < size; i++) used += (size_t)snprintf(text + used, size - used, "%s\n", further[i].text);
  if (n_left && used < size) snprintf(text + used, size - used, "... and %lld more\n", (long long)n_left);
}

/* One run on all ranks: status and message must be the case's on each */
static void Run(const FaultCase *c, const char command[], const char more[])
{
  char           line[1024], *argv[WORDS], *word, what[1100], got[2200], expected[2200], further[8192];
  int            argc = 0;
  MeritArguments arguments;
  PetscErrorCode code;
  MeritErrorInfo error;

  snprintf(line, sizeof(line), "merit %s %s %s %s", command, c->command ? "" : "job.yaml", c->flags ? c->flags : "", more);
  snprintf(what, sizeof(what), "%s: %s, rank %d", c->what, line, rank);
  for (char *at = line; argc < WORDS - 1 && (word = strtok(at, " ")); at = NULL) argv[argc++] = word;
  argv[argc] = NULL;
  MeritErrorClear();
  MeritLogReset();
  alarm(SECONDS);
  MeritArgumentsSplit(argc, argv, &arguments);
  code  = MeritArgumentsRun(PETSC_COMM_WORLD, &arguments);
  error = *MeritErrorLast();
  Further(sizeof(further), further);
  MeritOutputAbandonAll();
  free(arguments.flag);
  free(arguments.petsc);
  MPI_Barrier(PETSC_COMM_WORLD);
  alarm(0);
  Expected(c, sizeof(expected), expected);
  snprintf(got, sizeof(got), "%d, %s%s", (int)code > MERIT_ERR_BASE ? (int)code - MERIT_ERR_BASE : -(int)code, error.text,
           error.agreed ? "" : " (of this rank alone)");
  if (words && !rank) fprintf(stderr, "%s\n", got);
  if (strcmp(expected, got) || (code && (int)code != MERIT_ERR_BASE + (int)error.kind)) Note(what, expected, got);
  if (c->further && strcmp(c->further, further)) Note(what, c->further, further);
}

/* Run, and see that the folder is as it was before */
static void RunAndLook(const FaultCase *c, const char command[], const char more[])
{
  static char before[2][4096], after[2][4096];

  for (int i = 0; !rank && i < 2; i++) Describe(i ? "out" : ".", sizeof(before[i]), before[i]);
  MPI_Barrier(PETSC_COMM_WORLD);
  Run(c, command, more);
  for (int i = 0; !rank && i < 2; i++) {
    Describe(i ? "out" : ".", sizeof(after[i]), after[i]);
    if (strcmp(before[i], after[i])) Note("the files of the folder changed", before[i], after[i]);
  }
}

static void Enter(const FaultCase *c, const FaultSuite *suite)
{
  if (!rank && (mkdir(folder, 0700) || chdir(folder))) exit(1);
  if (!rank) WriteFiles(&c->in, &suite->base);
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank && chdir(folder)) exit(1);
}

/* What went wrong on any rank, for every rank to fail on */
static void Leave(void)
{
  char command[300];
  int  mine = failure[0] ? rank : n_ranks, first;

  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, PETSC_COMM_WORLD);
  if (first < n_ranks) MPI_Bcast(failure, sizeof(failure), MPI_CHAR, first, PETSC_COMM_WORLD);
  if (chdir("/")) exit(1);
  MPI_Barrier(PETSC_COMM_WORLD);
  snprintf(command, sizeof(command), "rm -rf '%s'", folder);
  if (!rank && system(command)) exit(1);
  MPI_Barrier(PETSC_COMM_WORLD);
}

static const FaultSuite *SuiteOf(const FaultCase *c)
{
  size_t s = 0;

  while (c < suites[s]->cases || c >= suites[s]->cases + suites[s]->n) s++;
  return suites[s];
}

static void EarlierResult(void)
{
  FILE *f[2];

  if (rank) return;
  if (mkdir("out", 0700) || !(f[0] = fopen("out/summary.json", "w")) || !(f[1] = fopen("out/solutions.tsv", "w"))) exit(1);
  for (int i = 0; i < 2; i++) {
    fprintf(f[i], "earlier %d\n", i);
    fclose(f[i]);
  }
}

static void Case(void **state)
{
  const FaultCase *c = *state;

  failure[0] = 0;
  running    = c->what;
  Enter(c, SuiteOf(c));
  if (c->command) {
    RunAndLook(c, c->command, "");
  } else {
    RunAndLook(c, "solve", "");
    if (!c->solve_only) RunAndLook(c, "plan", "");
    EarlierResult();
    MPI_Barrier(PETSC_COMM_WORLD);
    RunAndLook(c, "solve", "--overwrite");
  }
  Leave();
  if (failure[0] && !rank) print_error("%s", failure);
  assert_true(!failure[0]);
}

static int RunAll(void)
{
  struct CMUnitTest *tests;
  int                n = 0, failed;

  for (size_t s = 0; s < sizeof(suites) / sizeof(*suites); s++) n += suites[s]->n;
  tests = calloc((size_t)n, sizeof(*tests));
  n     = 0;
  for (size_t s = 0; tests && s < sizeof(suites) / sizeof(*suites); s++)
    for (int i = 0; i < suites[s]->n; i++) {
      const FaultCase *c = &suites[s]->cases[i];

      if (words && !strstr(c->what, words)) continue;
      tests[n++] = (struct CMUnitTest){.name = c->what, .test_func = Case, .initial_state = (void *)(uintptr_t)c};
    }
  failed = _cmocka_run_group_tests("bad input", tests, (size_t)n, NULL, NULL);
  free(tests);
  return failed;
}

int main(int argc, char **argv)
{
  const char *base = getenv("TMPDIR");
  int         failed, any;

  words = argc > 1 ? argv[1] : NULL;
  if (PetscInitialize(NULL, NULL, NULL, NULL)) return 1;
  PetscPushErrorHandler(TestQuietHandler, NULL);
  signal(SIGALRM, Hangs);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &n_ranks);
  snprintf(folder, sizeof(folder), "%s/merit_faults_XXXXXX", base ? base : "/tmp");
  if (!rank && (!mkdtemp(folder) || rmdir(folder))) return 1;
  MPI_Bcast(folder, sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  failed = RunAll();
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  PetscPopErrorHandler();
  if (PetscFinalize()) return 1;
  return any ? 1 : 0;
}
