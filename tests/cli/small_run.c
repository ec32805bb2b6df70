#include "small.h"
#include <cli.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <merit/config.h>
#include <merit/log.h>

/* What a run says has no "nan" in it */
static bool nan_said;
static void Listen(MeritLogKind kind, double fraction, const char text[], void *ctx)
{
  (void)kind, (void)fraction, (void)ctx;
  nan_said = nan_said || strstr(text, " nan");
}

PetscErrorCode SmallRun(MPI_Comm comm, const char folder[], const char name[])
{
  char           path[512];
  MeritNode      job = NULL;
  PetscErrorCode code;

  snprintf(path, sizeof(path), "%s/%s.yaml", folder, name);
  MeritErrorClear();
  MeritLogReset();
  nan_said = false;
  MeritLogSetSink(Listen, NULL);
  code = MeritConfigLoad(comm, path, &job);
  if (!code) code = MeritCommandSolve(comm, job);
  MeritLogSetSink(NULL, NULL);
  if (nan_said) code = PETSC_ERR_FP;
  MeritConfigDestroy(&job);
  return code;
}

static int ByKey(const void *a, const void *b) { return strcmp(((const SmallRow *)a)->key, ((const SmallRow *)b)->key); }

void SmallTableSort(SmallTable *t)
{
  if (t->n > 0) qsort(t->row, (size_t)t->n, sizeof(*t->row), ByKey);
}

void SmallTableFree(SmallTable *t)
{
  free(t->row);
  t->row = NULL;
  t->n   = 0;
}

/* trait term component level n solution se status */
static bool ParseRow(char *line, SmallRow *row)
{
  char *field[8];
  int   n = 0;

  line[strcspn(line, "\r\n")] = 0;
  for (char *c = line; c && n < 8;) {
    field[n++] = c;
    c          = strchr(c, '\t');
    if (c) *c++ = 0;
  }
  if (n < 8) return false;
  n = snprintf(row->key, sizeof(row->key), "%s\t%s\t%s\t%s", field[0], field[1], field[2], field[3]);
  if (n >= (int)sizeof(row->key)) return false;
  row->n        = atoi(field[4]);
  row->size     = 0.0;
  row->solution = strcmp(field[5], "NA") ? strtod(field[5], NULL) : NAN;
  row->se       = strcmp(field[6], "NA") ? strtod(field[6], NULL) : NAN;
  row->aliased  = strcmp(field[7], "ok") != 0;
  return true;
}

SmallTable SmallReadSolutions(const char folder[], const char name[])
{
  SmallTable table = {-1, NULL};
  char       path[512], line[2048];
  FILE      *f;
  int        room = 0;

  snprintf(path, sizeof(path), "%s/%s.out/solutions.tsv", folder, name);
  f = fopen(path, "r");
  if (!f) return table;
  if (fgets(line, sizeof(line), f)) table.n = 0;
  while (fgets(line, sizeof(line), f)) {
    if (table.n == room) table.row = realloc(table.row, (size_t)(room = 2 * room + 64) * sizeof(*table.row));
    if (!ParseRow(line, table.row + table.n++)) table.n = -1, fseek(f, 0, SEEK_END);
  }
  fclose(f);
  SmallTableSort(&table);
  return table;
}

/* trait and term of a key end here */
static size_t TermEnd(const char *key)
{
  const char *trait = strchr(key, '\t'), *term = trait ? strchr(trait + 1, '\t') : NULL;

  return term ? (size_t)(term - key) : strlen(key);
}

/* largest value of the rows whose trait and term are those of `key` */
static double TermScale(const SmallTable *t, const char *key)
{
  size_t n    = TermEnd(key);
  double most = 0.0;

  for (int i = 0; i < t->n; i++)
    if (strncmp(t->row[i].key, key, n + 1) == 0) most = fmax(most, fabs(t->row[i].solution));
  return most;
}

static void Note(FILE *note, const char *what, const char *key, double expected, double got)
{
  fprintf(note, "  %s: %s: expected %.12g, got %.12g\n", what, key, expected, got);
}

double SmallCompare(const SmallTable *expected, const SmallTable *got, double floor, double tol, bool marks, FILE *note)
{
  const SmallRow none  = {.solution = 0.0};
  double         worst = 0.0;
  int            i = 0, j = 0, noted = 0;

  while (i < expected->n || j < got->n) {
    int             order = i == expected->n ? 1 : j == got->n ? -1 : ByKey(expected->row + i, got->row + j);
    const SmallRow *e = order <= 0 ? expected->row + i : &none, *g = order >= 0 ? got->row + j : &none;
    const char     *key = order <= 0 ? e->key : g->key;
    double          d   = fabs(e->solution - g->solution);
    bool            wrong;

    i += order <= 0;
    j += order >= 0;
    if (d > 0.0) d /= fmax(TermScale(expected, key), e->size > 0.0 ? floor / e->size : floor);
    if (isnan(d)) d = INFINITY;
    wrong = !(d <= tol) || (marks && order == 0 && e->aliased != g->aliased);
    if (wrong && note && noted++ < 6)
      Note(note,
           order < 0   ? "row missing"
           : order > 0 ? "row too many"
           : d <= tol  ? "aliased mark differs"
                       : "differs",
           key, e->solution, g->solution);
    if (wrong && d <= tol) d = INFINITY;
    worst = fmax(worst, d);
  }
  return worst;
}

/* largest standard error of the rows whose trait and term are those of `key` */
static double ErrorScale(const SmallTable *t, const char *key)
{
  size_t n    = TermEnd(key);
  double most = 0.0;

  for (int i = 0; i < t->n; i++)
    if (strncmp(t->row[i].key, key, n + 1) == 0 && t->row[i].se > most) most = t->row[i].se;
  return most;
}

double SmallCompareErrors(const SmallTable *expected, const SmallTable *got, double tol, FILE *note)
{
  double worst = 0.0;
  int    noted = 0;

  for (int j = 0; j < got->n; j++) {
    const SmallRow *g = got->row + j, *e = bsearch(g, expected->row, (size_t)expected->n, sizeof(*g), ByKey);
    double          d;

    if (!e || (isnan(e->se) && isnan(g->se))) continue;
    d = fabs(e->se - g->se);
    if (d > 0.0) d /= ErrorScale(expected, g->key);
    if (isnan(d)) d = INFINITY;
    if (!(d <= tol) && note && noted++ < 6) Note(note, "standard error differs", g->key, e->se, g->se);
    worst = fmax(worst, d);
  }
  return worst;
}

int SmallFromRoot(MPI_Comm comm, int value) { return MPI_Bcast(&value, 1, MPI_INT, 0, comm) ? -1 : value; }

void SmallFolderMake(MPI_Comm comm, char folder[256])
{
  const char *base = getenv("TMPDIR");
  PetscMPIInt rank;

  MPI_Comm_rank(comm, &rank);
  snprintf(folder, 256, "%s/merit_small_XXXXXX", base ? base : "/tmp");
  if (rank == 0 && !mkdtemp(folder)) folder[0] = 0;
  if (MPI_Bcast(folder, 256, MPI_CHAR, 0, comm)) folder[0] = 0;
}

void SmallFolderRemove(MPI_Comm comm, const char folder[])
{
  PetscMPIInt rank;
  char        command[320];

  MPI_Barrier(comm);
  MPI_Comm_rank(comm, &rank);
  snprintf(command, sizeof(command), "rm -rf '%s'", folder);
  if (rank == 0 && strstr(folder, "merit_small_") && system(command)) fprintf(stderr, "%s is left behind\n", folder);
  MPI_Barrier(comm);
}
