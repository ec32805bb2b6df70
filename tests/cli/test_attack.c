/*
  An attack on the command line in this process.  test_attack [SEED [BAD [SAME]]]
  BAD small models have one to three pieces of damage done to a file: the run must end with a result, or with an error of usage, input or convergence
  in one clean line, the same on all ranks and on one rank alone, and leave nothing behind; no crash, no hang. SAME small models are solved twice
  in another dress (order of lines, columns and SNPs, alleles, ids, formats, ranks, threads, solvers): the solutions must be the same. Without
  arguments a short form, or with MERIT_LONG=1 in the environment the long one: `test_attack SEED 500 300`. The seed and what failed are printed; a case alone is run by
  `test_attack SEED FIRST:1 0` or `test_attack SEED 0 FIRST:1`.
*/
#include "attack.h"
#include <cli.h>
#include <ctype.h>
#include <math.h>
#include <merit/file.h>
#include <merit/log.h>
#include <omp.h>
#include <petscsys.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS = 120, BAD = 50, SAME = 33, LONG_BAD = 500, LONG_SAME = 300 };

static char        running[256], folder[256];
static PetscMPIInt rank, size;
static int         n_refused; /* runs that ended with an error */

typedef struct {
  int  code; /* as the command's: 0, kind of error, -1: neither */
  char text[2048];
} Outcome;

static PetscErrorCode Quiet(MPI_Comm comm, int line, const char *func, const char *file, PetscErrorCode code, PetscErrorType type, const char *text,
                            void *ctx)
{
  (void)comm, (void)line, (void)func, (void)file, (void)type, (void)text, (void)ctx;
  return code;
}

/* A hang or a crash: what was running */
static void Ends(int signal)
{
  const char *what = signal == SIGALRM ? "\nhangs: " : "\ncrashes: ";

  if (write(2, what, strlen(what)) < 0 || write(2, running, strlen(running)) < 0 || write(2, "\n", 1) < 0) _exit(2);
  _exit(1);
}

/* merit solve FOLDER/run.yaml. Collective on comm. */
static Outcome Run(MPI_Comm comm)
{
  char           path[300], *argv[] = {"merit", "solve", path, NULL};
  MeritArguments arguments;
  PetscErrorCode code;
  Outcome        o;

  snprintf(path, sizeof(path), "%s/run.yaml", folder);
  MeritErrorClear();
  MeritLogReset();
  alarm(SECONDS);
  MeritArgumentsSplit(3, argv, &arguments);
  code = MeritArgumentsRun(comm, &arguments);
  MeritOutputAbandonAll();
  free(arguments.flag);
  free(arguments.petsc);
  MPI_Barrier(comm);
  alarm(0);
  n_refused += code != 0;
  o.code = !code ? 0 : (int)code == MERIT_ERR_BASE + (int)MeritErrorLast()->kind ? (int)MeritErrorLast()->kind : -1;
  snprintf(o.text, sizeof(o.text), "%s", code ? MeritErrorLast()->text : "");
  return o;
}

static int Shell(const char *what)
{
  char command[900];

  snprintf(command, sizeof(command), "cd '%s' && %s", folder, what);
  return system(command);
}

static int Fail(const char *why, const char *text)
{
  fprintf(stderr, "FAILED: %s: %s %s; kept in %s\n", running, why, text, folder);
  return 1;
}

/* Is the outcome one that a user can do something with? */
static int Judge(const Outcome *o)
{
  if (o->code == 0) return 0;
  if (o->code != MERIT_ERROR_USAGE && o->code != MERIT_ERROR_INPUT && o->code != MERIT_ERROR_NOT_CONVERGED)
    return Fail("an error of no input:", o->text);
  if (strlen(o->text) < 12) return Fail("an error that says nothing:", o->text);
  for (const char *c = o->text; *c; c++)
    if (iscntrl((unsigned char)*c)) return Fail("control characters in", o->text);
  if (o->code != MERIT_ERROR_NOT_CONVERGED && Shell("test ! -e run.out") != 0) return Fail("a folder is left after", o->text);
  return 0;
}

/* Every rank must say the same */
static int Agree(const Outcome *mine)
{
  Outcome first = *mine;
  int     bad;

  MPI_Bcast(&first, sizeof(first), MPI_BYTE, 0, PETSC_COMM_WORLD);
  bad = first.code != mine->code || strcmp(first.text, mine->text) != 0;
  if (bad) Fail("a rank says otherwise:", mine->text);
  MPI_Allreduce(MPI_IN_PLACE, &bad, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  return bad;
}

/* Rank 0: two results in world.out and run.out; tolerance of solutions */
static int SameTables(const Small *s, double tol, bool but_snps, double sign)
{
  SmallTable a = SmallReadSolutions(folder, "world"), b = SmallReadSolutions(folder, "run");
  double     most = 1.0;
  int        bad;

  for (int t = 0; t < s->n_traits; t++)
    for (int i = 0; i < s->n_records; i++) most = fmax(most, fabs(strtod(s->column[s->trait_column[t]].cell[i], NULL)));
  for (int k = 0; k < s->n_terms; k++) {
    int n[2] = {0, 0};

    for (int i = 0; s->term[k].kind == SMALL_SNP && i < a.n + b.n; i++) {
      SmallTable *t   = i < a.n ? &a : &b;
      SmallRow   *row = t->row + (i < a.n ? i : i - a.n);
      const char *at  = strchr(row->key, '\t') + 1;
      bool        snp = strncmp(at, s->term[k].label, strlen(s->term[k].label)) == 0 && at[strlen(s->term[k].label)] == '\t';

      if (snp && t == &a) row->solution *= sign;
      if (!(snp && but_snps)) t->row[n[t == &b]++] = *row;
    }
    if (s->term[k].kind == SMALL_SNP) a.n = n[0], b.n = n[1];
  }
  bad = a.n < 0 || a.n != b.n || !(SmallCompare(&a, &b, 1e-2 * most, tol, true, stderr) <= tol);
  SmallTableFree(&a);
  SmallTableFree(&b);
  return bad ? Fail("other solutions", "") : 0;
}

/* On rank 0 alone after a run on all ranks, whose outcome was `world`; its result, if any, is set aside first */
static int OneRankAlone(const Small *s, const Outcome *world)
{
  Outcome alone;

  if (rank) return 0;
  if (Shell("rm -rf world.out; test ! -e run.out || mv run.out world.out") != 0) return Fail("no shell", "");
  alone = Run(PETSC_COMM_SELF);
  if (alone.code != world->code) {
    Fail("all ranks:", world->text);
    return Fail("one rank:", alone.text);
  }
  if (alone.code == MERIT_ERROR_USAGE || alone.code == MERIT_ERROR_INPUT) return strcmp(alone.text, world->text) ? Fail(world->text, alone.text) : 0;
  return alone.code == 0 ? SameTables(s, 1e-6, false, 1.0) : 0;
}

/* Damage to one of the files that the job reads, or to the job */
static int Damage(Small *s)
{
  static const char *const files[] = {"records.csv", "run.yaml", "pedigree.csv", "geno.txt", "geno.fam", "geno.bim", "geno.bed"};
  const bool               bed     = s->form == SMALL_GENO_BED;
  const int                which   = DiceBelow(&s->dice, 5);
  const char              *name    = which < 3 ? files[which] : !bed ? "geno.txt" : files[4 + DiceBelow(&s->dice, 3)];
  char                     path[320];
  FileText                 t;
  int                      bad;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  t = AttackRead(path);
  if (!t.at) return -1;
  for (int k = DiceBelow(&s->dice, 3); k >= 0; k--) AttackDamage(&s->dice, strcmp(name, "geno.bed") != 0, &t);
  bad = AttackWrite(path, t);
  free(t.at);
  return bad;
}

static int Bad(uint64_t seed, int number)
{
  Small  *s = SmallDraw(seed, number);
  Outcome o;
  int     bad = 0;

  snprintf(running, sizeof(running), "test_attack %llu %d:1 0", (unsigned long long)seed, number);
  if (!rank) bad = SmallWriteData(s, folder) | SmallWriteJob(s, folder, "run", "{type: pcg, rtol: 1.0e-13, max_it: 3000}") | Damage(s);
  bad = SmallFromRoot(PETSC_COMM_WORLD, bad);
  o   = Run(PETSC_COMM_WORLD);
  bad |= Agree(&o);
  if (!rank) bad |= Judge(&o);
  if (size > 1 && !bad) bad = OneRankAlone(s, &o);
  SmallDestroy(&s);
  return SmallFromRoot(PETSC_COMM_WORLD, bad);
}

enum { LINES, COLUMNS, SNPS, ALLELES, IDS, FORMAT, DOS, RANKS, THREADS, SOLVER, UNITS, DRESSES };
static const char *const dress[] = {"lines", "columns", "SNPs", "alleles", "ids", "format", "line ends", "ranks", "threads", "solver", "units"};

static void OtherSnps(Small *s)
{
  int    *order = calloc((size_t)s->n_snps, sizeof(int));
  int8_t *code  = calloc((size_t)(s->n_geno * s->n_snps) + 1, 1);

  DiceShuffle(&s->dice, s->n_snps, order);
  for (int i = 0; i < s->n_geno; i++)
    for (int j = 0; j < s->n_snps; j++) code[i * s->n_snps + j] = s->code[i * s->n_snps + order[j]];
  free(s->code);
  free(order);
  s->code = code;
}

static void Prefix(SmallText text)
{
  SmallText with;

  snprintf(with, sizeof(with), "x%.*s", SMALL_TEXT - 2, text);
  memcpy(text, with, sizeof(with));
}

/* An x before every id: the order of labels stays */
static void OtherIds(Small *s)
{
  const int cow = SmallColumnFind(s, "cow"), mum = SmallColumnFind(s, "mum");

  for (int i = 0; i < s->n_animals + s->n_extra; i++) Prefix(s->animal[i]);
  for (int i = 0; i < s->n_geno; i++) Prefix(s->geno_id[i]);
  for (int i = 0; i < s->n_records; i++) {
    if (s->column[cow].cell[i][0]) Prefix(s->column[cow].cell[i]);
    if (strcmp(s->column[mum].cell[i], "0")) Prefix(s->column[mum].cell[i]);
  }
}

/* x-es off the levels of the second result */
static int TakeOff(void) { return Shell("sed -i 's/^\\(\\([^\\t]*\\t\\)\\{3\\}\\)x/\\1/' run.out/solutions.tsv"); }

/* Four times every trait, 16 times every variance */
static void OtherUnits(Small *s)
{
  for (int t = 0; t < s->n_traits; t++)
    for (int i = 0; i < s->n_records; i++) {
      char *cell = s->column[s->trait_column[t]].cell[i];

      if (cell[0]) snprintf(cell, SMALL_TEXT, "%.17g", 4.0 * strtod(cell, NULL));
    }
  for (int k = 0; k < s->n_terms; k++)
    for (int i = 0; i < SMALL_COMPONENTS * SMALL_COMPONENTS; i++) s->term[k].G[i] *= 16.0;
  for (int i = 0; i < 3 * SMALL_TRAITS * SMALL_TRAITS; i++) s->R[i] *= 16.0;
}

static int Quarter(void)
{
  return Shell("awk -F '\\t' -v OFS='\\t' 'NR > 1 { $6 = sprintf(\"%.17g\", $6 / 4) } 1' run.out/solutions.tsv >t && mv t run.out/solutions.tsv");
}

/* The columns from the last to the first */
static void OtherColumns(Small *s)
{
  const int   n = s->n_columns - 1;
  SmallColumn turned[48];

  for (int c = 0; c <= n; c++) turned[c] = s->column[n - c];
  memcpy(s->column, turned, sizeof(*turned) * (size_t)(n + 1));
  for (int t = 0; t < s->n_traits; t++) {
    s->trait_column[t] = n - s->trait_column[t];
    if (s->weight_column[t] >= 0) s->weight_column[t] = n - s->weight_column[t];
  }
  if (s->residual_column >= 0) s->residual_column = n - s->residual_column;
}

/* The model in the other dress; what is done to files comes after they are written */
static void Dress(Small *s, int how)
{
  if (how == LINES) DiceShuffle(&s->dice, s->n_records, s->line_order), DiceShuffle(&s->dice, s->n_animals, s->ped_order);
  if (how == COLUMNS) OtherColumns(s);
  if (how == SNPS) OtherSnps(s);
  if (how == IDS) OtherIds(s);
  if (how == FORMAT) s->form = (SmallGenoForm)((s->form + 1) % 3), s->delimiter = s->delimiter == ',' ? ';' : ',';
  if (how == UNITS) OtherUnits(s);
  for (int i = 0; how == ALLELES && i < s->n_geno * s->n_snps; i++)
    if (s->code[i] != 3) s->code[i] = (int8_t)(2 - s->code[i]);
}

static int DosFiles(const Small *s)
{
  const char *const files[] = {"records.csv", "pedigree.csv", s->form == SMALL_GENO_BED ? "geno.fam" : "geno.txt"};
  int               bad     = 0;

  for (int i = 0; i < 3; i++) {
    char     path[320];
    FileText t;

    snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
    t = AttackRead(path);
    AttackDos(&t);
    bad |= AttackWrite(path, t);
    free(t.at);
  }
  return bad;
}

/* Both results are there: are they the same? Rank 0. */
static int Compare(const Small *s, int how)
{
  if (how == IDS && TakeOff() != 0) return Fail("no sed", "");
  if (how == UNITS && Quarter() != 0) return Fail("no awk", "");
  return SameTables(s, 1e-7, how == SNPS || how == FORMAT, how == ALLELES ? -1.0 : 1.0);
}

/* The second run */
static Outcome Again(Small *s, int how, int *bad)
{
  Outcome o = {0, ""};

  Dress(s, how);
  if (!rank)
    *bad = SmallWriteData(s, folder) |
           SmallWriteJob(s, folder, "run", how == SOLVER ? "{type: pcg, rtol: 1.0e-14, max_it: 20000}" : "{type: cholesky, rtol: 1.0e-14}") |
           (how == DOS ? DosFiles(s) : 0);
  *bad = SmallFromRoot(PETSC_COMM_WORLD, *bad);
  if (how == THREADS) omp_set_num_threads(2 + DiceBelow(&s->dice, 3));
  if (how == RANKS && !rank) o = Run(PETSC_COMM_SELF);
  if (how != RANKS) o = Run(PETSC_COMM_WORLD);
  omp_set_num_threads(1);
  return o;
}

static int Same(uint64_t seed, int number)
{
  const int how = number % DRESSES;
  Small    *s   = SmallDraw(seed + 1, number);
  Outcome   first, second;
  int       bad = 0;

  if (how == ALLELES) s->centre = true; /* else the intercept moves */
  snprintf(running, sizeof(running), "test_attack %llu 0 %d:1 (%s)", (unsigned long long)seed, number, dress[how]);
  if (!rank) bad = SmallWriteData(s, folder) | SmallWriteJob(s, folder, "run", "{type: cholesky, rtol: 1.0e-14}");
  bad   = SmallFromRoot(PETSC_COMM_WORLD, bad);
  first = Run(PETSC_COMM_WORLD);
  if (!rank && Shell("rm -rf world.out; test ! -e run.out || mv run.out world.out") != 0) bad = 1;
  MPI_Barrier(PETSC_COMM_WORLD);
  second = Again(s, how, &bad);
  if (!rank && !bad && second.code != first.code) Fail(first.text, ""), bad = Fail("becomes", second.text);
  if (!rank && !bad && first.code == 0) bad = Compare(s, how);
  if (!rank && !bad && first.code > 0 && first.code != MERIT_ERROR_INPUT) bad = Fail("a good model is refused:", first.text);
  SmallDestroy(&s);
  return SmallFromRoot(PETSC_COMM_WORLD, bad);
}

/* "60", or "17:1" for one from 17 on */
static int Cases(const char *word, int n, int (*one)(uint64_t, int), uint64_t seed)
{
  const char *colon  = word ? strchr(word, ':') : NULL;
  const int   first  = colon ? atoi(word) : 0;
  int         failed = 0;

  if (word) n = atoi(colon ? colon + 1 : word);
  for (int i = first; i < first + n; i++) {
    int bad;

    SmallFolderMake(PETSC_COMM_WORLD, folder);
    bad = one(seed, i);
    if (!bad) SmallFolderRemove(PETSC_COMM_WORLD, folder);
    failed += bad;
  }
  if (!rank) printf("%d of %d failed; %d runs ended with an error\n", failed, n, n_refused);
  n_refused = 0;
  return failed;
}

int main(int argc, char **argv)
{
  const uint64_t seed    = argc > 1 ? strtoull(argv[1], NULL, 10) : 20261201;
  const bool     is_long = getenv("MERIT_LONG") != NULL;
  int            failed;

  if (PetscInitialize(NULL, NULL, NULL, NULL)) return 1;
  if (PetscPopSignalHandler()) return 1;
  PetscPushErrorHandler(Quiet, NULL);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  signal(SIGALRM, Ends);
  signal(SIGSEGV, Ends);
  signal(SIGABRT, Ends);
  signal(SIGFPE, Ends);
  if (!rank) printf("seed %llu, %d ranks: damaged files, then the same in another dress\n", (unsigned long long)seed, (int)size);
  failed = Cases(argc > 2 ? argv[2] : NULL, is_long ? LONG_BAD : BAD, Bad, seed) +
           Cases(argc > 3 ? argv[3] : NULL, is_long ? LONG_SAME : SAME, Same, seed);
  PetscPopErrorHandler();
  if (PetscFinalize()) return 1;
  return failed != 0;
}
