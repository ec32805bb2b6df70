#include "checks.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKIPPED = 77 };

int ChecksPrepare(const char jobs[], const char data[], const char folder[])
{
  char command[2048];

  snprintf(command, sizeof(command), "sh '%s/prepare.sh' '%s' '%s'", jobs, data, folder);
  return system(command) != 0;
}

static Sheet *Table(const char folder[], const char name[], const char file[])
{
  char path[512];

  snprintf(path, sizeof(path), "%s/%s.out/%s", folder, name, file);
  return SheetRead(path);
}

RunTables ChecksTables(const char folder[], const char name[])
{
  RunTables run = {SmallReadSolutions(folder, name), Table(folder, name, "animals.tsv"), Table(folder, name, "varcomp.tsv"),
                   Table(folder, name, "anova.tsv"), ""};

  snprintf(run.summary, sizeof(run.summary), "%s/%s.out/summary.json", folder, name);
  return run;
}

void ChecksTablesFree(RunTables *run)
{
  SmallTableFree(&run->solutions);
  SheetFree(&run->animals);
  SheetFree(&run->varcomp);
  SheetFree(&run->anova);
}

bool ChecksFirst(const Check checks[], int i)
{
  int first = 0;

  while (strcmp(checks[first].job, checks[i].job) != 0) first++;
  return first == i;
}

/* cut at a separator; the rest, or NULL */
static char *Cut(char *text, const char separator[])
{
  char *at = strstr(text, separator);

  if (!at) return NULL;
  *at = 0;
  return at + strlen(separator);
}

int ChecksRead(const char path[], const char data[], Check **checks)
{
  char  line[2048], file[1024];
  FILE *f = fopen(path, "r");
  int   n = 0;

  *checks = calloc(1024, sizeof(**checks));
  if (!f) return -1;
  while (n < 1024 && fgets(line, sizeof(line), f)) {
    Check *c = *checks + n;
    char  *tolerance;

    if (line[0] == '#' || line[0] == '\n') continue;
    line[strcspn(line, "\n")] = 0;
    c->text = c->job = strdup(line);
    c->file          = Cut(c->job, " | ");
    c->filter        = c->file ? Cut(c->file, " | ") : NULL;
    c->column        = c->filter ? Cut(c->filter, " | ") : NULL;
    tolerance        = c->column ? Cut(c->column, " | ") : NULL;
    c->expression    = tolerance ? Cut(tolerance, " | ") : NULL;
    n++;
    if (c->expression) {
      c->tolerance = strtod(tolerance, NULL);
      if (strncmp(c->file, "./", 2) == 0) snprintf(file, sizeof(file), "%.*s%s", (int)(strrchr(path, '/') + 1 - path), path, c->file);
      else snprintf(file, sizeof(file), "%s/%s", data, c->file);
      c->sheet = SheetRead(file);
    }
    if (!c->sheet) {
      fprintf(stderr, "%s: cannot use the line of %s, or its file\n", path, c->job);
      n = -1;
      break;
    }
  }
  fclose(f);
  return n;
}

void ChecksFree(int n, Check **checks)
{
  for (int i = 0; i < n; i++) {
    free((*checks)[i].text);
    SheetFree(&(*checks)[i].sheet);
  }
  free(*checks);
  *checks = NULL;
}

/* does text match pattern? what * stands for goes to part */
static bool Match(const char *text, const char *pattern, char part[128])
{
  const char *star = strchr(pattern, '*');
  size_t      n    = strlen(text), head, tail;

  if (!star) return strcmp(text, pattern) == 0;
  head = (size_t)(star - pattern);
  tail = strlen(star + 1);
  if (n < head + tail || strncmp(text, pattern, head) != 0 || strcmp(text + n - tail, star + 1) != 0) return false;
  snprintf(part, 128, "%.*s", (int)(n - head - tail), text + head);
  return true;
}

/* "column=pattern; column=pattern" */
static bool Selected(const Check *c, int row, char part[128])
{
  char filter[512], *rest = filter;
  bool all = true;

  snprintf(filter, sizeof(filter), "%s", c->filter);
  while (rest && *rest) {
    char *item = rest, *pattern;
    int   column;

    rest    = Cut(item, "; ");
    pattern = Cut(item, "=");
    column  = SheetColumn(c->sheet, item);
    all     = all && pattern && column >= 0 && Match(SheetCell(c->sheet, row, column), pattern, part);
  }
  return all;
}

/* put {column} and {*} of the row into the expression */
static void Fill(const Check *c, int row, const char part[], char out[], size_t size)
{
  size_t n = 0;

  for (const char *e = c->expression; *e && n + 1 < size;) {
    const char *close = *e == '{' ? strchr(e, '}') : NULL;
    char        name[64];
    int         column;

    if (!close) {
      out[n++] = *e++;
      continue;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(close - e - 1), e + 1);
    column = SheetColumn(c->sheet, name);
    n += (size_t)snprintf(out + n, size - n, "%s", column >= 0 ? SheetCell(c->sheet, row, column) : part);
    e = close + 1;
  }
  out[n < size ? n : size - 1] = 0;
}

/* KEY/.../COLUMN: the cell of the row whose first n cells are the keys */
static double Cell(const Sheet *s, int n, char *position)
{
  char *key[4], *name = position;
  int   column;

  for (int i = 0; i < n && name; i++) {
    key[i] = name;
    name   = Cut(name, "/");
  }
  if (!s || !name) return NAN;
  column = SheetColumn(s, name);
  for (int row = 0; row < s->n_rows && column >= 0; row++) {
    bool same = true;

    for (int i = 0; i < n; i++) same = same && strcmp(SheetCell(s, row, i), key[i]) == 0;
    if (same) return strcmp(SheetCell(s, row, column), "NA") == 0 ? NAN : strtod(SheetCell(s, row, column), NULL);
  }
  return NAN;
}

/* the number of a key that stands once in summary.json */
static double Summary(const char path[], const char key[])
{
  FILE  *f = fopen(path, "r");
  char   line[1024], quoted[80];
  double value = NAN;

  snprintf(quoted, sizeof(quoted), "\"%s\":", key);
  while (f && fgets(line, sizeof(line), f)) {
    const char *at = strstr(line, quoted);

    if (at && !strstr(at, "null")) value = strtod(at + strlen(quoted), NULL);
  }
  if (f) fclose(f);
  return value;
}

static int ByKey(const void *key, const void *row) { return strcmp(key, ((const SmallRow *)row)->key); }

/* trait/term/component/level; a level may have slashes */
static const SmallRow *Solution(const SmallTable *t, char *position)
{
  static const SmallRow none = {.solution = NAN, .se = NAN};
  const SmallRow       *row;
  int                   n = 0;

  for (char *p = position; *p && n < 3; p++)
    if (*p == '/') *p = '\t', n++;
  row = bsearch(position, t->row, (size_t)PetscMax(t->n, 0), sizeof(*t->row), ByKey);
  return row ? row : &none;
}

/* What the list calls a value of the run, or a number */
static double Value(const RunTables *run, char *item)
{
  char        *end;
  const double number = strtod(item, &end);

  if (end > item && !*end) return number;
  if (strncmp(item, "animals:", 8) == 0) return Cell(run->animals, 1, item + 8);
  if (strncmp(item, "varcomp:", 8) == 0) return Cell(run->varcomp, 3, item + 8);
  if (strncmp(item, "anova:", 6) == 0) return Cell(run->anova, 1, item + 6);
  if (strncmp(item, "summary:", 8) == 0) return Summary(run->summary, item + 8);
  if (strncmp(item, "se:", 3) == 0) return Solution(&run->solutions, item + 3)->se;
  return Solution(&run->solutions, item)->solution;
}

/* [coefficient*]value (+|-) ... */
static double Evaluate(const RunTables *run, char *expression)
{
  double sum = 0.0, sign = 1.0;

  while (expression) {
    char  *plus = strstr(expression, " + "), *minus = strstr(expression, " - "), *item = expression, *star;
    char  *end         = plus && (!minus || plus < minus) ? plus : minus;
    double coefficient = sign;

    if (end) *end = 0;
    star = strchr("-0123456789", item[0]) ? strchr(item, '*') : NULL;
    if (star) coefficient *= strtod(item, &item), item++;
    sum += coefficient * Value(run, item);
    sign       = end == minus ? -1.0 : 1.0;
    expression = end ? end + 3 : NULL;
  }
  return sum;
}

double CheckRun(Check *c, const RunTables *run, const char what[])
{
  int    column = SheetColumn(c->sheet, c->column), bad = -1;
  double most = 0.0, worst = 0.0, got_bad = 0.0;
  char   part[128] = "", expression[1024], bad_expression[1024] = "";

  c->n = 0;
  for (int row = 0; column >= 0 && row < c->sheet->n_rows; row++)
    if (Selected(c, row, part)) most = fmax(most, fabs(strtod(SheetCell(c->sheet, row, column), NULL)));
  if (!(most > 0.0) || c->tolerance < 1e-10) most = 1.0;
  for (int row = 0; column >= 0 && row < c->sheet->n_rows; row++) {
    double got, d;

    if (!Selected(c, row, part)) continue;
    Fill(c, row, part, expression, sizeof(expression));
    snprintf(bad_expression, bad < 0 ? sizeof(bad_expression) : 0, "%s", expression);
    got = Evaluate(run, expression);
    d   = fabs(got - strtod(SheetCell(c->sheet, row, column), NULL)) / most;
    if (isnan(d)) d = INFINITY;
    if (!(d <= c->tolerance) && bad < 0) bad = row, got_bad = got;
    worst = fmax(worst, d);
    c->n++;
  }
  if (!c->n) worst = INFINITY;
  if (!(worst <= c->tolerance))
    fprintf(stderr, "%s, %s: %d rows, worst %.3g; %s: expected %s, got %.12g\n", c->job, what, c->n, worst, bad < 0 ? c->filter : bad_expression,
            bad < 0 ? "?" : SheetCell(c->sheet, bad, column), got_bad);
  c->worst = fmax(c->worst, worst);
  return worst;
}

static PetscErrorCode Quiet(MPI_Comm comm, int line, const char *func, const char *file, PetscErrorCode code, PetscErrorType type, const char *text,
                            void *ctx)
{
  (void)comm, (void)line, (void)func, (void)file, (void)type, (void)text, (void)ctx;
  return code;
}

int ChecksMain(int argc, char **argv, const char list[], ChecksAll all)
{
  const char *data = getenv("MERIT_SHARED_DATA");
  char        folder[256], path[512];
  Check      *checks;
  PetscMPIInt rank;
  int         failed = 0, n;

  if (argc < 2 || !data || access(data, R_OK)) return SKIPPED;
  if (PetscInitialize(NULL, NULL, NULL, NULL)) return 1;
  PetscPushErrorHandler(Quiet, NULL);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  SmallFolderMake(PETSC_COMM_WORLD, folder);
  if (rank == 0) failed = ChecksPrepare(argv[1], data, folder);
  failed = SmallFromRoot(PETSC_COMM_WORLD, failed);
  snprintf(path, sizeof(path), "%s/%s", folder, list);
  n = ChecksRead(path, data, &checks);
  failed += n < 0;
  if (!failed) failed += all(n, checks, folder);
  for (int i = 0; i < n && rank == 0; i++)
    printf("%-40s %6d values, largest difference %.1e  %s\n", checks[i].job, checks[i].n, checks[i].worst, checks[i].expression);
  if (rank == 0) printf("%d failed\n", failed);
  SmallFolderRemove(PETSC_COMM_WORLD, folder);
  ChecksFree(n, &checks);
  PetscPopErrorHandler();
  if (PetscFinalize()) return 1;
  return failed ? 1 : 0;
}
