/* Models that are the same in another dress must have the same solutions. */
#include "small.h"
#include <math.h>
#include <merit_test.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS = 6 };

static const char *const solver = "{rtol: 1.0e-14, max_it: 100000}";

static PetscMPIInt Rank(void)
{
  PetscMPIInt rank;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  return rank;
}

/* Solve a drawn model from files in a folder; the table on rank 0 */
static SmallTable SolveIn(const Small *s, const char folder[], const char name[])
{
  SmallTable     none = {0, NULL};
  PetscErrorCode code;

  if (Rank() == 0) assert_int_equal(SmallWriteData(s, folder) | SmallWriteJob(s, folder, name, solver), 0);
  MPI_Barrier(PETSC_COMM_WORLD);
  code = SmallRun(PETSC_COMM_WORLD, folder, name);
  if (code && Rank() == 0) print_error("%s: %s\n", name, MeritErrorLast()->text);
  assert_int_equal((int)code, 0);
  return Rank() == 0 ? SmallReadSolutions(folder, name) : none;
}

/* Solve with a model and variances of one's own, on the files that are in the folder */
static SmallTable SolveText(const char folder[], const char name[], const char records[], const char model[])
{
  SmallTable     none = {0, NULL};
  PetscErrorCode code;
  char           path[512];

  if (Rank() == 0) {
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s.yaml", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "records: {file: %s}\npedigree: {file: pedigree.csv, absent: drop}\n%s\nsolver: %s\noutput: {folder: %s.out}\n", records, model,
            solver, name);
    fclose(f);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  code = SmallRun(PETSC_COMM_WORLD, folder, name);
  if (code && Rank() == 0) print_error("%s: %s\n", name, MeritErrorLast()->text);
  assert_int_equal((int)code, 0);
  return Rank() == 0 ? SmallReadSolutions(folder, name) : none;
}

/* The two tables must agree; all ranks learn it, so that none goes on alone */
static void MustAgree(const SmallTable *a, const SmallTable *b, double floor, const char folder[])
{
  int bad = 0;

  if (Rank() == 0) bad = a->n <= 0 || b->n <= 0 || !(SmallCompare(a, b, floor, 1e-9, false, stderr) <= 1e-9);
  bad = SmallFromRoot(PETSC_COMM_WORLD, bad);
  if (bad && Rank() == 0) print_error("kept in %s\n", folder);
  assert_int_equal(bad, 0);
}

static bool InTerm(const SmallRow *row, const char term[])
{
  const char *t = strchr(row->key, '\t') + 1;

  return strncmp(t, term, strlen(term)) == 0 && t[strlen(term)] == '\t';
}

/* Keep the rows of a term only, times a factor */
static void Keep(SmallTable *t, const char term[], double factor)
{
  int n = 0;

  for (int i = 0; i < t->n; i++) {
    if (!InTerm(t->row + i, term)) continue;
    t->row[n] = t->row[i];
    t->row[n++].solution *= factor;
  }
  if (t->n > 0) t->n = n;
}

/* Give the rows another term and component name: "trait\tterm\tcomponent\tlevel" */
static void Rename(SmallTable *t, const char term[], const char component[])
{
  for (int i = 0; i < t->n; i++) {
    char key[320], *trait = key, *rest, *level;

    memcpy(key, t->row[i].key, sizeof(key));
    rest  = strchr(key, '\t');
    level = strrchr(t->row[i].key, '\t');
    *rest = 0;
    {
      char whole[640];

      snprintf(whole, sizeof(whole), "%s\t%s\t%s%s", trait, term, component, level);
      memcpy(t->row[i].key, whole, sizeof(t->row[i].key));
    }
  }
  SmallTableSort(t);
}

static void Free(SmallTable *a, SmallTable *b, const char folder[])
{
  SmallTableFree(a);
  SmallTableFree(b);
  SmallFolderRemove(PETSC_COMM_WORLD, folder);
}

static double Floor(const Small *s)
{
  double most = 0.0;

  for (int t = 0; t < s->n_traits; t++)
    for (int i = 0; i < s->n_records; i++) most = fmax(most, fabs(strtod(s->column[s->trait_column[t]].cell[i], NULL)));
  return 1e-3 * most;
}

static void TestTheOrderOfLinesDoesNotMatter(void **state)
{
  (void)state;
  for (int m = 0; m < MODELS; m++) {
    Small     *s = SmallDraw(7, m);
    SmallTable a, b;
    char       folder[256];

    SmallFolderMake(PETSC_COMM_WORLD, folder);
    a = SolveIn(s, folder, "a");
    DiceShuffle(&s->dice, s->n_records, s->line_order);
    DiceShuffle(&s->dice, s->n_animals, s->ped_order);
    b = SolveIn(s, folder, "b");
    MustAgree(&a, &b, Floor(s), folder);
    Free(&a, &b, folder);
    SmallDestroy(&s);
  }
}

/* a model whose first term is an intercept of every trait */
static Small *DrawWithIntercept(int m)
{
  for (int k = 100 * m;; k++) {
    Small *s = SmallDraw(8, k);

    if (s->term[0].intercept && s->term[0].n_components == s->n_traits) return s;
    SmallDestroy(&s);
  }
}

static void TestAShiftOfTheTraitsMovesTheInterceptOnly(void **state)
{
  (void)state;
  for (int m = 0; m < MODELS; m++) {
    Small     *s = DrawWithIntercept(m);
    SmallTable a, b;
    char       folder[256];

    SmallFolderMake(PETSC_COMM_WORLD, folder);
    a = SolveIn(s, folder, "a");
    for (int t = 0; t < s->n_traits; t++)
      for (int i = 0; i < s->n_records; i++) {
        char *cell = s->column[s->trait_column[t]].cell[i];

        if (cell[0]) snprintf(cell, SMALL_TEXT, "%.3f", strtod(cell, NULL) + 250.0);
      }
    b = SolveIn(s, folder, "b");
    for (int i = 0; i < a.n; i++) a.row[i].solution += InTerm(a.row + i, "1") ? 250.0 : 0.0;
    MustAgree(&a, &b, Floor(s), folder);
    Free(&a, &b, folder);
    SmallDestroy(&s);
  }
}

static int SnpTerm(const Small *s)
{
  for (int k = 0; k < s->n_terms; k++)
    if (s->term[k].kind == SMALL_SNP) return k;
  return -1;
}

/* a model with centred SNPs and no random regression on them */
static Small *DrawWithSnps(int m)
{
  for (int k = 100 * m;; k++) {
    Small *s = SmallDraw(9, k);

    s->centre = true;
    if (SnpTerm(s) >= 0 && s->term[SnpTerm(s)].n_regressors == 1) return s;
    SmallDestroy(&s);
  }
}

static void TestSwappedAllelesTurnTheSignOfSnpEffects(void **state)
{
  (void)state;
  for (int m = 0; m < MODELS; m++) {
    Small     *s = DrawWithSnps(m);
    SmallTable a, b;
    char       folder[256];

    SmallFolderMake(PETSC_COMM_WORLD, folder);
    a = SolveIn(s, folder, "a");
    for (int i = 0; i < s->n_geno * s->n_snps; i++)
      if (s->code[i] != 3) s->code[i] = (int8_t)(2 - s->code[i]);
    b = SolveIn(s, folder, "b");
    for (int i = 0; i < a.n; i++) a.row[i].solution *= InTerm(a.row + i, s->term[SnpTerm(s)].label) ? -1.0 : 1.0;
    MustAgree(&a, &b, Floor(s), folder);
    Free(&a, &b, folder);
    SmallDestroy(&s);
  }
}

/* Genomic values of animals.tsv against a model of animals with K = M M' */
static double CompareWithGblup(const Small *s, const char folder[])
{
  int         k = SnpTerm(s), n = s->n_geno, p;
  double     *scale = calloc((size_t)s->n_snps, sizeof(double)), *M, worst = 0.0;
  DenseModel *d   = SmallDense(s);
  DenseTerm   old = d->term[k], *e = d->term + k;
  char        path[512], column[128];
  Sheet      *sheet;

  p = SmallMarkers(s, scale, &M);
  DenseTermInit(d, k, true, n, 1, old.n_components);
  e->K = calloc((size_t)n * (size_t)n, sizeof(double));
  for (int i = 0; i < n * n; i++)
    for (int j = 0; j < p; j++) e->K[i] += M[i / n * p + j] * M[i % n * p + j];
  memcpy(e->trait, old.trait, (size_t)old.n_components * sizeof(int));
  memcpy(e->G, old.G, (size_t)(old.n_components * old.n_components) * sizeof(double));
  for (int i = 0; i < s->n_records; i++) {
    const char *cow = s->column[s->term[k].regressor[0].class_column[0]].cell[i];
    int         a   = 0;

    while (a < n && strcmp(s->geno_id[a], cow) != 0) a++;
    e->W[0][i * n + (a < n ? a : 0)] = a < n ? 1.0 : NAN;
  }
  assert_int_equal(DenseSolve(d), 0);
  snprintf(path, sizeof(path), "%s/a.out/animals.tsv", folder);
  sheet = SheetRead(path);
  for (int c = 0; c < e->n_components && sheet; c++) {
    double most = Floor(s);

    snprintf(column, sizeof(column), "%s.snp(cow).ebv", s->column[s->trait_column[e->trait[c]]].name);
    for (int i = 0; i < n; i++) most = fmax(most, fabs(e->solution[i * e->n_components + c]));
    for (int i = 0; i < n; i++) {
      int row = SheetFind(sheet, 0, s->geno_id[i]), at = SheetColumn(sheet, column);

      if (row < 0 || at < 0) worst = INFINITY;
      else worst = fmax(worst, fabs(strtod(SheetCell(sheet, row, at), NULL) - e->solution[i * e->n_components + c]) / most);
    }
  }
  if (!sheet) worst = INFINITY;
  SheetFree(&sheet);
  for (int r = 0; r < old.n_regressors; r++) free(old.W[r]);
  free(old.W), free(old.regressor), free(old.trait), free(old.G), free(old.solution), free(old.aliased), free(old.n);
  DenseDestroy(&d);
  free(scale), free(M);
  return worst;
}

static void TestSnpEffectsGiveTheGenomicValuesOfGblup(void **state)
{
  (void)state;
  for (int m = 0; m < MODELS; m++) {
    Small     *s = DrawWithSnps(m);
    SmallTable a;
    char       folder[256];
    int        good = 0;

    SmallFolderMake(PETSC_COMM_WORLD, folder);
    a = SolveIn(s, folder, "a");
    if (Rank() == 0) good = CompareWithGblup(s, folder) <= 1e-9;
    assert_true(SmallFromRoot(PETSC_COMM_WORLD, good));
    SmallTableFree(&a);
    SmallFolderRemove(PETSC_COMM_WORLD, folder);
    SmallDestroy(&s);
  }
}

/* Every record w times, for whole weights, in a model of one weight column */
static Small *Replicated(Small *s)
{
  int most = 4 * s->n_records, n = 0, *from = calloc((size_t)most, sizeof(int));
  int w = s->weight_column[0];

  for (int i = 0; i < s->n_records; i++)
    for (int k = atoi(s->column[w].cell[i]); k > 0; k--) from[n++] = i;
  for (int c = 0; c < s->n_columns; c++) {
    SmallText *cell = calloc((size_t)n, sizeof(SmallText));

    for (int i = 0; i < n; i++) memcpy(cell[i], s->column[c].cell[from[i]], SMALL_TEXT);
    free(s->column[c].cell);
    s->column[c].cell = cell;
  }
  free(from);
  s->n_records  = n;
  s->line_order = realloc(s->line_order, (size_t)n * sizeof(int));
  DiceShuffle(&s->dice, n, s->line_order);
  for (int t = 0; t < s->n_traits; t++) s->weight_column[t] = -1;
  return s;
}

static void TestAWeightCountsAsSoManyRecords(void **state)
{
  (void)state;
  for (int m = 0; m < MODELS; m++) {
    Small     *s = SmallDraw(10, m);
    SmallTable a, b;
    char       folder[256];
    int        w = SmallColumnFind(s, "w");

    if (w < 0) w = SmallColumnAdd(s, "w");
    for (int i = 0; i < s->n_records; i++) snprintf(s->column[w].cell[i], SMALL_TEXT, "%d", 1 + DiceBelow(&s->dice, 4));
    for (int t = 0; t < s->n_traits; t++) s->weight_column[t] = w;
    for (int k = 0; k < s->n_terms; k++)
      if (s->term[k].centre) s->term[k].centre = false, snprintf(s->term[k].label, 40, "ridge(m1+m2+m3+m4+m5)");
    for (int k = 0; k < s->n_terms; k++)
      for (int t = 0; t < s->n_traits && s->term[k].kind == SMALL_RIDGE; t++)
        if (s->term[k].text[t][0]) snprintf(s->term[k].text[t], 40, "ridge(m1 + m2 + m3 + m4 + m5)");
    SmallFolderMake(PETSC_COMM_WORLD, folder);
    a = SolveIn(s, folder, "a");
    b = SolveIn(Replicated(s), folder, "b");
    MustAgree(&a, &b, Floor(s), folder);
    Free(&a, &b, folder);
    SmallDestroy(&s);
  }
}

static void TestTheCodingOfFixedEffectsDoesNotReachTheRandomOnes(void **state)
{
  static const char *const rest = "herd + cov(age) + ped(cow) + pe = iid(cow)\"\nvariances: {ped(cow): 3, pe: 2, residual: 7}";
  Small                   *s    = SmallDraw(11, 0);
  SmallTable               a, b;
  char                     folder[256], with[256], without[256], other[256];

  (void)state;
  SmallFolderMake(PETSC_COMM_WORLD, folder);
  if (Rank() == 0) SmallWriteData(s, folder);
  snprintf(with, sizeof(with), "model: \"milk ~ 1 + sex + %s", rest);
  snprintf(without, sizeof(without), "model: \"milk ~ 0 + sex + %s", rest);
  snprintf(other, sizeof(other), "model: \"milk ~ herd:sex + sex + %s", rest);
  a = SolveText(folder, "with", "records.csv", with);
  b = SolveText(folder, "without", "records.csv", without);
  Keep(&a, "ped(cow)", 1.0);
  Keep(&b, "ped(cow)", 1.0);
  MustAgree(&a, &b, 1e-6, folder);
  SmallTableFree(&a);
  SmallTableFree(&b);
  a = SolveText(folder, "nested", "records.csv", other);
  snprintf(other, sizeof(other), "model: \"milk ~ 0 + sex:herd + %s", rest);
  b = SolveText(folder, "cells", "records.csv", other);
  Keep(&a, "pe", 1.0);
  Keep(&b, "pe", 1.0);
  MustAgree(&a, &b, 1e-6, folder);
  Free(&a, &b, folder);
  SmallDestroy(&s);
}

static void TestRepeatabilityIsRandomRegressionOfOrderZero(void **state)
{
  Small     *s = SmallDraw(12, 0);
  SmallTable a, b, c, d;
  char       folder[256];

  (void)state;
  SmallFolderMake(PETSC_COMM_WORLD, folder);
  if (Rank() == 0) SmallWriteData(s, folder);
  a = SolveText(folder, "repeat", "records.csv",
                "model: \"milk ~ sex + leg(dim, 1, 5, 305) + ped(cow) + pe = iid(cow)\"\nvariances: {ped(cow): 3, pe: 2, residual: 7}");
  b = SolveText(folder, "regression", "records.csv",
                "model: \"milk ~ sex + leg(dim, 1, 5, 305) + animal = ped(cow:leg(dim, 0, 5, 305)) + pe = iid(cow:leg(dim, 0, 5, 305))\"\n"
                "variances: {animal: 6, pe: 4, residual: 7}");
  c = a, d = b;
  c.row = malloc(sizeof(*c.row) * (size_t)(a.n + 1)), d.row = malloc(sizeof(*d.row) * (size_t)(b.n + 1));
  if (a.n > 0 && b.n > 0) memcpy(c.row, a.row, sizeof(*c.row) * (size_t)a.n), memcpy(d.row, b.row, sizeof(*d.row) * (size_t)b.n);
  Keep(&a, "ped(cow)", 1.0);
  Keep(&b, "animal", sqrt(0.5));
  Rename(&a, "u", "1");
  Rename(&b, "u", "1");
  MustAgree(&a, &b, 1e-6, folder);
  Keep(&c, "pe", 1.0);
  Keep(&d, "pe", sqrt(0.5));
  Rename(&c, "u", "1");
  Rename(&d, "u", "1");
  MustAgree(&c, &d, 1e-6, folder);
  SmallTableFree(&c);
  SmallTableFree(&d);
  Free(&a, &b, folder);
  SmallDestroy(&s);
}

/* one record each of animals with a known sire; sires related through a grandsire, not inbred */
static void WriteHalfSibs(const char folder[])
{
  Dice  dice = {13};
  char  path[512];
  FILE *records, *pedigree;

  snprintf(path, sizeof(path), "%s/pedigree.csv", folder);
  pedigree = fopen(path, "w");
  snprintf(path, sizeof(path), "%s/half.csv", folder);
  records = fopen(path, "w");
  assert_true(records && pedigree);
  fprintf(pedigree, "id,sire,dam\n");
  fprintf(records, "calf,sire,herd,gain\n");
  for (int i = 0; i < 7; i++) fprintf(pedigree, "s%d,%s,0\n", i, i % 3 ? "grandsire" : "0");
  for (int i = 0; i < 80; i++) {
    int sire = DiceBelow(&dice, 7);

    fprintf(pedigree, "c%d,s%d,0\n", i, sire);
    fprintf(records, "c%d,s%d,h%d,%.2f\n", i, sire, DiceBelow(&dice, 5), 100.0 + 10.0 * DiceNormal(&dice));
  }
  fclose(records);
  fclose(pedigree);
}

static void TestTheSireModelIsTheAnimalModelWithUnknownDams(void **state)
{
  SmallTable a, b;
  char       folder[256];
  int        n = 0;

  (void)state;
  SmallFolderMake(PETSC_COMM_WORLD, folder);
  if (Rank() == 0) WriteHalfSibs(folder);
  a = SolveText(folder, "animal", "half.csv", "model: \"gain ~ herd + ped(calf)\"\nvariances: {ped(calf): 40, residual: 60}");
  b = SolveText(folder, "sire", "half.csv", "model: \"gain ~ herd + ped(sire)\"\nvariances: {ped(sire): 10, residual: 90}");
  Keep(&a, "ped(calf)", 0.5);
  Keep(&b, "ped(sire)", 1.0);
  for (int i = 0; i < a.n; i++) /* the calves have no equal in the sire model's data */
    if (strstr(a.row[i].key, "\ts") || strstr(a.row[i].key, "\tgrandsire")) a.row[n++] = a.row[i];
  if (a.n > 0) a.n = n;
  n = 0;
  for (int i = 0; i < b.n; i++)
    if (strstr(b.row[i].key, "\ts") || strstr(b.row[i].key, "\tgrandsire")) b.row[n++] = b.row[i];
  if (b.n > 0) b.n = n;
  if (Rank() == 0) assert_int_equal(a.n, 8);
  Rename(&a, "u", "1");
  Rename(&b, "u", "1");
  MustAgree(&a, &b, 1e-6, folder);
  Free(&a, &b, folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestTheOrderOfLinesDoesNotMatter),
    cmocka_unit_test(TestAShiftOfTheTraitsMovesTheInterceptOnly),
    cmocka_unit_test(TestSwappedAllelesTurnTheSignOfSnpEffects),
    cmocka_unit_test(TestSnpEffectsGiveTheGenomicValuesOfGblup),
    cmocka_unit_test(TestAWeightCountsAsSoManyRecords),
    cmocka_unit_test(TestTheCodingOfFixedEffectsDoesNotReachTheRandomOnes),
    cmocka_unit_test(TestRepeatabilityIsRandomRegressionOfOrderZero),
    cmocka_unit_test(TestTheSireModelIsTheAnimalModelWithUnknownDams),
};

TEST_MAIN(tests)
