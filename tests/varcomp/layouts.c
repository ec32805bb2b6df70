/* Small data, their files, and their matrices. */
#include "layouts.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dense.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANIMALS = 20, SNPS = 6, COLUMNS = 3, MEANS = 3 };

static const double means[MEANS] = {0.0, 100.0, 1e4};
static char         folder[64];
static PetscMPIInt  rank;
static int          a[LAYOUT_RECORDS], b[LAYOUT_RECORDS], c[LAYOUT_RECORDS], cow[LAYOUT_RECORDS];
static double       age[LAYOUT_RECORDS], ridge[LAYOUT_RECORDS][COLUMNS], weight[LAYOUT_RECORDS], trait[LAYOUT_RECORDS];
static int          sire[ANIMALS], dam[ANIMALS], copies[ANIMALS][SNPS];

static double Uniform(void)
{
  static unsigned state = 20250612u;

  state = state * 1664525u + 1013904223u;
  return (double)(state >> 8) / 16777216.0;
}

/* Levels are met unevenly, and some cells not at all */
static void Draw(void)
{
  for (int i = 0; i < ANIMALS; i++) {
    sire[i] = i > 3 && Uniform() < 0.8 ? (int)(Uniform() * i) : -1;
    dam[i]  = i > 3 && Uniform() < 0.7 ? (int)(Uniform() * i) : -1;
    for (int j = 0; j < SNPS; j++) copies[i][j] = (Uniform() < 0.4) + (Uniform() < 0.5);
  }
  for (int i = 0; i < LAYOUT_RECORDS; i++) {
    const double u = Uniform();

    a[i]      = u < 0.5 ? 0 : u < 0.8 ? 1 : 2;
    b[i]      = (int)(5.0 * Uniform() * Uniform());
    c[i]      = (int)(6.0 * Uniform());
    cow[i]    = (int)(ANIMALS * Uniform());
    age[i]    = 2.0 + 6.0 * Uniform();
    weight[i] = 0.5 + Uniform();
    for (int j = 0; j < COLUMNS; j++) ridge[i][j] = Uniform() - 0.4;
    trait[i] = 3.0 * a[i] + 2.0 * (b[i] % 3) - 1.5 * (c[i] % 2) + 0.7 * age[i] + 1.3 * (cow[i] % 4) + 2.0 * copies[cow[i]][1] - 3.0 * ridge[i][0] +
               4.0 * (Uniform() + Uniform());
    if (i % 11 == 5) trait[i] = NAN;
  }
}

static FILE *Open(const char name[], const char mode[])
{
  char path[128];

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return fopen(path, mode);
}

static void Write(void)
{
  FILE *records = Open("records.csv", "wb"), *pedigree = Open("pedigree.csv", "wb"), *genotypes = Open("genotypes.txt", "wb");

  fputs("id,a,b,c,cow,age,c0,c1,c2,w,y0,y1,y2\n", records);
  for (int i = 0; i < LAYOUT_RECORDS; i++) {
    fprintf(records, "r%02d,a%d,b%d,c%d,n%02d,%.17g,%.17g,%.17g,%.17g,%.17g", i, a[i], b[i], c[i], cow[i], age[i], ridge[i][0], ridge[i][1],
            ridge[i][2], weight[i]);
    for (int t = 0; t < MEANS; t++) fprintf(records, isnan(trait[i]) ? ",NA" : ",%.17g", means[t] + trait[i]);
    fputc('\n', records);
  }
  fputs("id,sire,dam\n", pedigree);
  for (int i = 0; i < ANIMALS; i++) {
    fprintf(pedigree, sire[i] < 0 ? "n%02d,0," : "n%02d,n%02d,", i, sire[i]);
    fprintf(pedigree, dam[i] < 0 ? "0\n" : "n%02d\n", dam[i]);
    fprintf(genotypes, "n%02d ", i);
    for (int j = 0; j < SNPS; j++) fputc('0' + copies[i][j], genotypes);
    fputc('\n', genotypes);
  }
  fclose(records), fclose(pedigree), fclose(genotypes);
}

int LayoutsCreate(void **state)
{
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  strcpy(folder, "/tmp/merit_layouts_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  Draw();
  if (rank == 0) Write();
  MPI_Barrier(PETSC_COMM_WORLD);
  return 0;
}

int LayoutsRemove(void **state)
{
  static const char *const names[] = {"records.csv", "pedigree.csv", "genotypes.txt"};

  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  for (int i = 0; i < 3 && !rank; i++) {
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
    unlink(path);
  }
  return rank ? 0 : rmdir(folder);
}

/* ---- matrices */

static int Width(LayoutWord word)
{
  static const int width[N_WORDS] = {[MEAN] = 1,   [CLASS_A] = 3,   [CLASS_B] = 5,     [CLASS_C] = 6, [CELLS] = 15,           [AGE] = 1,
                                     [SLOPES] = 5, [PED] = ANIMALS, [RIDGE] = COLUMNS, [SNP] = SNPS,  [EACH] = LAYOUT_RECORDS};

  return width[word];
}

/* Row of the design of record i, all 0 before */
static void Row(LayoutWord word, int i, Real *z)
{
  switch (word) {
  case MEAN:
    z[0] = 1.0L;
    break;
  case CLASS_A:
    z[a[i]] = 1.0L;
    break;
  case CLASS_B:
    z[b[i]] = 1.0L;
    break;
  case CLASS_C:
    z[c[i]] = 1.0L;
    break;
  case CELLS:
    z[a[i] * 5 + b[i]] = 1.0L;
    break;
  case AGE:
    z[0] = age[i];
    break;
  case SLOPES:
    z[b[i]] = age[i];
    break;
  case PED:
    z[cow[i]] = 1.0L;
    break;
  case EACH:
    z[i] = 1.0L;
    break;
  case RIDGE:
    for (int j = 0; j < COLUMNS; j++) z[j] = ridge[i][j];
    break;
  case SNP: /* centred by the mean of all that have genotypes */
    for (int j = 0; j < SNPS; j++) {
      Real sum = 0.0L;

      for (int k = 0; k < ANIMALS; k++) sum += copies[k][j];
      z[j] = copies[cow[i]][j] - sum / ANIMALS;
    }
    break;
  default:
    fail();
  }
}

static void Term(LayoutWord word, int n, const int record[], LayoutTerm *t)
{
  const int p = Width(word);
  double    relation[ANIMALS * ANIMALS];

  *t = (LayoutTerm){.p = p, .Z = calloc((size_t)(n * p), sizeof(Real)), .V = calloc((size_t)(n * n), sizeof(Real))};
  for (int i = 0; i < n; i++) Row(word, record[i], t->Z + i * p);
  assert_int_equal(DenseRelationship(ANIMALS, sire, dam, relation), 0);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++) {
      if (word == PED) t->V[i * n + k] = relation[cow[record[i]] * ANIMALS + cow[record[k]]];
      for (int j = 0; word != PED && j < p; j++) t->V[i * n + k] += t->Z[i * p + j] * t->Z[k * p + j];
    }
}

static int Mean(double mean)
{
  for (int t = 0; t < MEANS; t++)
    if (means[t] == mean) return t;
  fail();
  return 0;
}

void LayoutCreate(const LayoutModel *model, Layout *layout)
{
  int record[LAYOUT_RECORDS];

  *layout = (Layout){.n = 0};
  for (int i = 0; i < LAYOUT_RECORDS; i++)
    if (!isnan(trait[i])) record[layout->n++] = i;
  layout->y      = malloc(sizeof(Real) * (size_t)layout->n);
  layout->weight = malloc(sizeof(Real) * (size_t)layout->n);
  for (int i = 0; i < layout->n; i++) {
    layout->y[i]      = means[Mean(model->mean)] + trait[record[i]]; /* as the file has it */
    layout->weight[i] = model->weights ? weight[record[i]] : 1.0;
  }
  for (int k = 0; k < LAYOUT_TERMS && model->fixed[k] != END; k++) Term(model->fixed[k], layout->n, record, &layout->fixed[layout->n_fixed++]);
  for (int k = 0; k < LAYOUT_TERMS && model->random[k] != END; k++) Term(model->random[k], layout->n, record, &layout->random[layout->m++]);
}

void LayoutDestroy(Layout *layout)
{
  for (int k = 0; k < layout->n_fixed; k++) free(layout->fixed[k].Z), free(layout->fixed[k].V);
  for (int k = 0; k < layout->m; k++) free(layout->random[k].Z), free(layout->random[k].V);
  free(layout->y), free(layout->weight);
}

/* ---- the library */

static void Job(const LayoutModel *model, const char varcomp[], const char more[], size_t room, char *text)
{
  static const char *const words[N_WORDS] = {
      [MEAN] = "1", [CLASS_A] = "a", [CLASS_B] = "b", [CLASS_C] = "c", [CELLS] = "a:b", [AGE] = "cov(age)", [SLOPES] = "b:cov(age)", [EACH] = "id"};
  static const char *const random[N_WORDS] = {[PED] = "ped(cow)", [RIDGE] = "ridge(c0 + c1 + c2)", [SNP] = "snp(cow)"};
  char                     formula[256];
  bool                     ped = false, snp = false;
  int                      n = snprintf(formula, sizeof(formula), "y%d ~ %s", Mean(model->mean), model->fixed[0] == MEAN ? "1" : "0");

  for (int k = 0; k < LAYOUT_TERMS && model->fixed[k] != END; k++)
    if (model->fixed[k] != MEAN) n += snprintf(formula + n, sizeof(formula) - (size_t)n, " + %s", words[model->fixed[k]]);
  for (int k = 0; k < LAYOUT_TERMS && model->random[k] != END; k++) {
    const LayoutWord word = model->random[k];

    ped = ped || word == PED;
    snp = snp || word == SNP;
    if (random[word]) n += snprintf(formula + n, sizeof(formula) - (size_t)n, " + %s", random[word]);
    else n += snprintf(formula + n, sizeof(formula) - (size_t)n, " + iid(%s)", words[word]);
  }
  n = snprintf(text, room, "records: {file: %s/records.csv, missing: [NA]%s}\nmodel: \"%s\"\nvarcomp: {%s}\n%s\n", folder,
               model->weights ? ", weight: w" : "", formula, varcomp, more);
  if (ped) n += snprintf(text + n, room - (size_t)n, "pedigree: {file: %s/pedigree.csv, sexes: free}\n", folder);
  if (snp) n += snprintf(text + n, room - (size_t)n, "genotypes: {text: %s/genotypes.txt}\n", folder);
  assert_true((size_t)n < room);
}

PetscErrorCode LayoutEstimate(const LayoutModel *model, const char varcomp[], const char more[], LayoutRun *r)
{
  char text[2048];

  PetscFunctionBeginUser;
  *r = (LayoutRun){0};
  Job(model, varcomp, more, sizeof(text), text);
  PetscCall(MeritConfigParse("job.yaml", text, strlen(text), &r->job));
  PetscCall(MeritModelCreate(PETSC_COMM_WORLD, &r->model));
  PetscCall(MeritModelSetVariancesFree(r->model));
  PetscCall(MeritModelSetFromConfig(r->model, r->job));
  PetscCall(MeritVarcompCreate(PETSC_COMM_WORLD, &r->v));
  PetscCall(MeritVarcompSetFromConfig(r->v, r->model, r->job));
  PetscCall(MeritModelSetUp(r->model));
  PetscCall(MeritMatCreateMME(r->model, &r->C));
  PetscCall(MeritVarcompRun(r->v, r->C, &r->result));
  PetscFunctionReturn(PETSC_SUCCESS);
}

void LayoutFinish(LayoutRun *r)
{
  assert_false(MeritVarcompDestroy(&r->v));
  assert_false(MatDestroy(&r->C));
  assert_false(MeritModelDestroy(&r->model));
  assert_false(MeritConfigDestroy(&r->job));
}
