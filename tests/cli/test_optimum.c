/*
  `merit varcomp` against dense algebra: models of every kind that it takes, of data drawn from them.  test_optimum [CASE [NUMBER]]
  At the estimates that a run prints the dense likelihood must be the one that it prints, its score must vanish (or point out of the parameter
  space), and the average information must give the standard errors. Iterated MINQUE must end where REML ends.
*/
#include "optimum.h"
#include "small.h"
#include <cli.h>
#include <math.h>
#include <merit/config.h>
#include <merit/log.h>
#include <merit/model.h>
#include <stdlib.h>
#include <string.h>

static const double LIKELIHOOD = 1e-7, GRADIENT = 1e-16, ERROR = 1e-5, SAME = 1e-8, GIVEN = 1e-10;
/* Where a residual matrix is singular, C is next to it, and its limit is found from two such points */
static const double LIKELIHOOD_NEXT = 1e-6, GRADIENT_NEXT = 1e-10, ERROR_NEXT = 1e-4;

typedef struct {
  SmallKind   kind;
  int         what;
  double      variance; /* of the data, about; 0: the end of a list */
  const char *option;
} Part;

typedef struct {
  const char *name;
  int         number; /* of the draw: chosen so that estimates lie where n_boundary says */
  int         n_records, n_traits, n_animals, n_classes;
  bool        apart;               /* the first two traits are never on one line */
  int         n_boundary, n_fixed; /* elements with this status */
  const char *residual;            /* beside its value in `variances` */
  int         rank;                /* of R of the first class, with one record of every animal; DRAWN: as drawn */
  Part        part[6];
} Case;
enum { DRAWN = -1, FIRST = -2 }; /* FIRST: as drawn, but that the first trait has no variance */

/* The last of three components has no covariance with the others */
#define LAST_APART "fix: [[1, 3], [2, 3]]"

static const Case cases[] = {
    {"pedigree and iid",
     1,
     250,
     1,
     80,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_HERD, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 25, NULL}, {SMALL_IID, SMALL_IID_COW, 15, NULL}}},
    {"two traits, missing records",
     1,
     160,
     2,
     80,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL},
      {SMALL_FIXED, SMALL_AGE, 1, NULL},
      {SMALL_PED, SMALL_PED_COW, 30, NULL},
      {SMALL_IID, SMALL_IID_HERD, 20, NULL}}},
    {"three traits", 1, 100, 3, 60, 1, false, 0, 0, NULL, DRAWN, {{SMALL_FIXED, SMALL_HERD, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
    {"two traits never on one line",
     1,
     200,
     2,
     80,
     1,
     true,
     0,
     1,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_YEAR, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
    {"two traits, residual classes",
     1,
     160,
     2,
     60,
     2,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_COW, 30, NULL}}},
    {"intercept and slope",
     1,
     200,
     1,
     60,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_BULL_DAYS, 10, NULL}}},
    {"random regression of animals",
     1,
     250,
     1,
     80,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_CURVE, 1, NULL}, {SMALL_PED, SMALL_PED_CURVE, 40, NULL}}},
    {"direct and maternal",
     1,
     300,
     1,
     100,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_HERD, 1, NULL}, {SMALL_PED, SMALL_PED_COW_MUM, 30, NULL}}},
    {"residual classes",
     1,
     250,
     1,
     80,
     3,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 25, NULL}, {SMALL_IID, SMALL_IID_HERD, 20, NULL}}},
    {"snp", 1, 200, 1, 80, 1, false, 0, 0, NULL, DRAWN, {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_SNP, SMALL_SNP_COW, 25, NULL}}},
    {"snp and pedigree",
     1,
     250,
     1,
     80,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_HERD, 1, NULL}, {SMALL_SNP, SMALL_SNP_COW, 40, NULL}, {SMALL_PED, SMALL_PED_COW, 30, NULL}}},
    {"two traits, snp", 1, 150, 2, 60, 1, false, 0, 0, NULL, DRAWN, {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_SNP, SMALL_SNP_COW, 40, NULL}}},
    {"ridge", 1, 200, 1, 60, 1, false, 0, 0, NULL, DRAWN, {{SMALL_FIXED, SMALL_YEAR, 1, NULL}, {SMALL_RIDGE, SMALL_RIDGE_CENTRED, 10, NULL}}},
    {"two traits, ridge and iid",
     1,
     150,
     2,
     60,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_RIDGE, SMALL_RIDGE_PLAIN, 10, NULL}, {SMALL_IID, SMALL_IID_BULL, 20, NULL}}},
    {"three terms",
     1,
     300,
     1,
     80,
     1,
     false,
     0,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL},
      {SMALL_PED, SMALL_PED_COW, 30, NULL},
      {SMALL_IID, SMALL_IID_COW, 20, NULL},
      {SMALL_IID, SMALL_IID_BULL_YEAR, 20, NULL}}},
    {"a variance fixed",
     1,
     200,
     1,
     60,
     1,
     false,
     0,
     1,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 30, "fix: yes"}, {SMALL_IID, SMALL_IID_COW, 20, NULL}}},
    {"a covariance fixed",
     1,
     160,
     2,
     60,
     1,
     false,
     0,
     1,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, "fix: [[1, 2]]"}}},
    {"no covariances",
     1,
     160,
     2,
     60,
     1,
     false,
     0,
     2,
     "structure: diag",
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_COW, 30, "structure: diag"}}},
    {"the residual variance fixed",
     1,
     200,
     1,
     60,
     1,
     false,
     0,
     1,
     "fix: yes",
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_COW, 30, NULL}, {SMALL_IID, SMALL_IID_HERD, 20, NULL}}},
    {"three levels", 3, 120, 1, 40, 1, false, 0, 0, NULL, DRAWN, {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_HERD, 30, NULL}}},
    {"a variance of 0",
     1,
     200,
     1,
     60,
     1,
     false,
     1,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 30, NULL}, {SMALL_IID, SMALL_IID_HERD, 1e-6, NULL}}},
    {"a correlation of 1",
     1,
     160,
     2,
     60,
     1,
     false,
     3,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_BULL, 4, NULL}, {SMALL_IID, SMALL_IID_COW, 30, NULL}}},
    {"a matrix of 0",
     24,
     160,
     2,
     60,
     1,
     false,
     3,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_BULL, 1e-6, NULL}, {SMALL_IID, SMALL_IID_COW, 30, NULL}}},
    {"a start next to 0",
     8,
     160,
     2,
     60,
     1,
     false,
     3,
     0,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_BULL, 1e-6, NULL}, {SMALL_IID, SMALL_IID_COW, 30, NULL}}},
    {"no residual variance", 1, 80, 1, 80, 1, false, 1, 0, NULL, 0, {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 30, NULL}}},
    {"no residual variance, two terms",
     1,
     80,
     1,
     80,
     1,
     false,
     1,
     0,
     NULL,
     0,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 30, NULL}, {SMALL_IID, SMALL_IID_HERD, 30, NULL}}},
    {"a residual class without variance",
     1,
     100,
     1,
     100,
     2,
     false,
     1,
     0,
     NULL,
     0,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
    {"never on one line, a residual variance of 0",
     1,
     160,
     2,
     160,
     1,
     true,
     1,
     1,
     NULL,
     FIRST,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
    {"no covariances, variances of 0",
     1,
     160,
     2,
     60,
     1,
     false,
     1,
     1,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_BULL, 1e-6, "structure: diag"}, {SMALL_IID, SMALL_IID_COW, 30, NULL}}},
    {"no covariances, no residual variance",
     5,
     80,
     2,
     80,
     1,
     false,
     1,
     1,
     "structure: diag",
     FIRST,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
    {"two and one component",
     6,
     120,
     3,
     60,
     1,
     false,
     4,
     2,
     NULL,
     DRAWN,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_IID, SMALL_IID_BULL, 4, LAST_APART}, {SMALL_IID, SMALL_IID_COW, 30, NULL}}},
    {"a residual correlation of 1", 4, 80, 2, 80, 1, false, 3, 0, NULL, 1, {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
    {"a singular residual of three traits",
     5,
     60,
     3,
     60,
     1,
     false,
     6,
     0,
     NULL,
     2,
     {{SMALL_FIXED, SMALL_SEX, 1, NULL}, {SMALL_PED, SMALL_PED_COW, 40, NULL}}},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static PetscErrorCode Quiet(MPI_Comm comm, int line, const char *func, const char *file, PetscErrorCode code, PetscErrorType type, const char *text,
                            void *ctx)
{
  (void)comm, (void)line, (void)func, (void)file, (void)type, (void)text, (void)ctx;
  return code;
}

/* Mean diagonal of M M' */
static double MarkerVariance(const Small *s)
{
  double *scale = calloc((size_t)s->n_snps, sizeof(*scale)), *M, sum = 0.0;
  int     n = SmallMarkers(s, scale, &M);

  for (int i = 0; i < s->n_geno * n; i++) sum += M[i] * M[i] / s->n_geno;
  free(scale), free(M);
  return sum;
}

static void Diagonal(int n, double G[])
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) G[i * n + j] *= i == j;
}

static void AddPart(Small *s, const Part *p)
{
  SmallTerm   *t     = SmallTermAdd(s, p->kind, p->what);
  const double scale = p->variance / (p->kind == SMALL_SNP ? MarkerVariance(s) : 1.0);

  if (p->kind == SMALL_FIXED) return;
  DiceCovariance(&s->dice, t->n_components, t->n_components, scale, t->G);
  t->option = p->option;
  if (p->option && strstr(p->option, "diag")) Diagonal(t->n_components, t->G);
  for (int i = 0; p->option && !strcmp(p->option, LAST_APART) && i < 2; i++) t->G[i * 3 + 2] = t->G[6 + i] = 0.0;
}

static Small *Make(const Case *c, int number)
{
  Small *s = SmallDrawSized(20250601, number, c->n_records, c->n_traits, c->n_animals);

  if (c->n_classes == 1) s->residual_column = -1, s->n_classes = 1;
  else if (s->n_classes != c->n_classes) {
    if (s->residual_column >= 0) snprintf(s->column[s->residual_column].name, SMALL_TEXT, "other");
    SmallDrawClasses(s, c->n_classes);
  }
  s->residual_option = c->residual;
  for (int i = 0; i < s->n_classes && c->residual && strstr(c->residual, "diag"); i++) Diagonal(s->n_traits, s->R + i * s->n_traits * s->n_traits);
  for (int i = 0; i < s->n_records && c->rank != DRAWN; i++) snprintf(s->column[SmallColumnFind(s, "cow")].cell[i], SMALL_TEXT, "%s", s->animal[i]);
  if (c->rank > 0) DiceCovariance(&s->dice, s->n_traits, c->rank, 40, s->R);
  for (int i = 0; i < s->n_traits * s->n_traits && c->rank == 0; i++) s->R[i] *= 1e-6;
  if (c->rank == FIRST) s->R[0] *= 1e-6;
  for (int i = 0; i < s->n_records && c->apart; i++) s->column[s->trait_column[i % 2]].cell[i][0] = 0;
  if (c->apart) Diagonal(s->n_traits, s->R); /* of their covariance the data know nothing, and 0 is taken */
  for (const Part *p = c->part; p->variance > 0.0; p++) AddPart(s, p);
  SmallTermsEnd(s);
  return s;
}

/* Do the methods for one trait and terms of one component know the model? */
static bool Simple(const Case *c, const Small *s)
{
  bool simple = s->n_traits == 1 && s->n_classes == 1 && !c->residual;

  for (int k = 0; k < s->n_terms; k++) simple = simple && (s->term[k].kind == SMALL_FIXED || (s->term[k].n_components == 1 && !s->term[k].option));
  return simple;
}

static PetscErrorCode Run(const char folder[], const char method[], const char engine[], const char out[])
{
  const bool     minque = !strcmp(method, "minque");
  char           text[512];
  MeritNode      root = NULL;
  PetscErrorCode code;

  snprintf(text, sizeof(text), "%s/job.yaml", folder);
  MeritErrorClear();
  MeritLogReset();
  code = MeritConfigLoad(PETSC_COMM_WORLD, text, &root);
  snprintf(text, sizeof(text), "{folder: %s/%s}", folder, out);
  if (!code) code = MeritConfigSet(root, "output", text);
  if (!code) code = MeritConfigSet(root, "varcomp.method", method);
  if (!code) code = MeritConfigSet(root, "varcomp.tolerance", minque ? "1e-12" : "1e-9");
  if (!code) code = minque ? MeritConfigSet(root, "varcomp.iterate", "yes") : MeritConfigSet(root, "varcomp.engine", engine);
  if (!code && minque) code = MeritConfigSet(root, "varcomp.max_rounds", "2000");
  if (!code) code = MeritCommandVarcomp(PETSC_COMM_WORLD, root);
  MeritConfigDestroy(&root);
  return code;
}

/* One run of ml or reml; its estimates are left in e on rank 0. How many checks failed there */
static int CheckLikelihood(const Case *c, DenseModel *m, const char folder[], const char method[], const char engine[], Estimates *e)
{
  char    out[64], path[400];
  Optimum o;
  int     failed;

  snprintf(out, sizeof(out), "%s.%s", method, engine);
  snprintf(path, sizeof(path), "%s/%s", folder, out);
  *e     = EstimatesRead(m, path);
  o      = OptimumOf(m, strcmp(method, "ml") != 0, e);
  failed = !(o.likelihood <= (c->rank == DRAWN ? LIKELIHOOD : LIKELIHOOD_NEXT)) + !(o.gradient <= (c->rank == DRAWN ? GRADIENT : GRADIENT_NEXT)) +
           !(o.error <= (c->rank == DRAWN ? ERROR : ERROR_NEXT)) + !(o.uphill < 0.0) + !(o.given <= GIVEN) + (o.n_boundary != c->n_boundary) +
           (o.n_fixed != c->n_fixed);
  printf("%-30s %-12s likelihood %.1e  gradient %.1e  errors %.1e  uphill %.1e  boundary %d  fixed %d (%.1e)%s\n", c->name, out, o.likelihood,
         o.gradient, o.error, o.uphill, o.n_boundary, o.n_fixed, o.given, failed ? "  FAILED" : "");
  return failed;
}

static int CheckMinque(const Case *c, const DenseModel *m, const char folder[], const Estimates *reml)
{
  char      path[400];
  Estimates e;
  double    worst = 0.0;

  snprintf(path, sizeof(path), "%s/minque.", folder);
  e = EstimatesRead(m, path);
  for (int i = 0; i < reml->n; i++) worst = fmax(worst, i < e.n ? fabs(e.estimate[i] / reml->estimate[i] - 1.0) : INFINITY);
  if (!reml->n) worst = INFINITY;
  printf("%-30s minque       reml %.1e%s\n", c->name, worst, worst <= SAME ? "" : "  FAILED");
  EstimatesFree(&e);
  return !(worst <= SAME);
}

static int Ran(const Case *c, const char method[], const char engine[], PetscErrorCode code)
{
  PetscMPIInt rank;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (code && rank == 0) printf("%-30s %s %s: error %d: %s\n", c->name, method, engine, (int)code, MeritErrorLast()->text);
  return code != 0;
}

/* Every method and exact engine that takes the model; m on rank 0 */
static int CheckModel(const Case *c, bool simple, DenseModel *m, const char folder[])
{
  static const char *const method[] = {"ml", "ml", "reml", "reml", "reml"}, *const engine[] = {"auto", "factor", "dense", "factor", "auto"};
  Estimates reml = {0};
  char      out[64];
  int       failed = 0;

  for (int i = 0; i < 5; i++) {
    if (strcmp(engine[i], "auto") && !simple) continue; /* factor, then, is what auto takes */
    snprintf(out, sizeof(out), "%s.%s", method[i], engine[i]);
    if (Ran(c, method[i], engine[i], Run(folder, method[i], engine[i], out))) {
      failed++;
      continue;
    }
    EstimatesFree(&reml);
    if (m) failed += CheckLikelihood(c, m, folder, method[i], engine[i], &reml);
  }
  if (simple && !c->n_boundary) {
    if (Ran(c, "minque", "", Run(folder, "minque", "", "minque."))) failed++;
    else if (m) failed += CheckMinque(c, m, folder, &reml);
  }
  EstimatesFree(&reml);
  return failed;
}

/* Ranks that hold no record of the job; -1: an error */
static int Idle(const char folder[])
{
  char           path[512];
  MeritNode      root  = NULL;
  MeritModel     model = NULL;
  int            idle  = 0;
  PetscErrorCode code;

  snprintf(path, sizeof(path), "%s/job.yaml", folder);
  code = MeritConfigLoad(PETSC_COMM_WORLD, path, &root);
  if (!code) code = MeritModelCreate(PETSC_COMM_WORLD, &model);
  if (!code) code = MeritModelSetVariancesFree(model);
  if (!code) code = MeritModelSetFromConfig(model, root);
  if (!code) code = MeritModelSetUp(model);
  if (!code) idle = MeritModelRecords(model)->n_records == 0;
  if (!code) code = MPI_Allreduce(MPI_IN_PLACE, &idle, 1, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
  if (!code) code = MeritModelDestroy(&model);
  MeritConfigDestroy(&root);
  return code ? -1 : idle;
}

/* *idle: ranks that held no record, added up over the cases */
static int CheckCase(const Case *c, int number, int *idle)
{
  char        folder[256];
  PetscMPIInt rank;
  Small      *s      = Make(c, number);
  DenseModel *m      = NULL;
  int         failed = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  SmallFolderMake(PETSC_COMM_WORLD, folder);
  if (rank == 0) {
    failed = SmallSimulate(s);
    for (int i = 0; i < s->n_traits * s->n_traits && c->rank > 0; i++) s->R[i] = i % (s->n_traits + 1) ? 0.0 : 20.0; /* to start from */
    failed = failed || SmallWriteData(s, folder) || SmallWriteJob(s, folder, "job", "{type: cholesky}");
    m      = failed ? NULL : SmallDense(s);
    failed = !m;
  }
  failed = SmallFromRoot(PETSC_COMM_WORLD, failed);
  if (!failed) failed = SmallFromRoot(PETSC_COMM_WORLD, CheckModel(c, Simple(c, s), m, folder));
  if (!failed) *idle += Idle(folder);
  SmallFolderRemove(PETSC_COMM_WORLD, folder);
  DenseDestroy(&m);
  SmallDestroy(&s);
  return failed;
}

int main(int argc, char **argv)
{
  PetscMPIInt rank, size;
  int         failed = 0, idle = 0;

  if (PetscInitialize(NULL, NULL, NULL, NULL)) return 1;
  PetscPushErrorHandler(Quiet, NULL);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int i = 0; i < CASES; i++)
    if (argc < 2 || !strcmp(cases[i].name, argv[1])) failed += CheckCase(cases + i, argc > 2 ? atoi(argv[2]) : cases[i].number, &idle);
  failed += argc < 2 && (size > 1 ? idle < 1 : idle != 0); /* several ranks must do their part with nothing of the data as well */
  if (rank == 0) printf("%d failed; ranks without a record: %d\n", failed, idle);
  PetscPopErrorHandler();
  if (PetscFinalize()) return 1;
  return failed ? 1 : 0;
}
