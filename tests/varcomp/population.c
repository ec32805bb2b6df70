/* A simulated population, and estimates of its variances. */
#include "population.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <merit/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Founders, their offspring, and grandchildren; all but founders have a record. Parents are never inbred. */
enum { FOUNDERS = 60, CHILDREN = 160, ANIMALS = 440, HERDS = 110, PENS = 110 };

static char        folder[64];
static PetscMPIInt rank;
static int         sire[ANIMALS], dam[ANIMALS], sex[ANIMALS], herd[ANIMALS], pen[ANIMALS];
static double      y[REPLICATES][ANIMALS], z[REPLICATES][ANIMALS];

/* SplitMix64 (Steele, Lea & Flood 2014), of another making than the library's numbers */
static uint64_t Bits(void)
{
  static uint64_t state = 2;
  uint64_t        x     = state += 0x9e3779b97f4a7c15u;

  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static double Uniform(void) { return ((double)(Bits() >> 11) + 0.5) / 9007199254740992.0; }
static int    Below(int n) { return (int)(n * Uniform()); }
static double Normal(double variance) { return sqrt(-2.0 * variance * log(Uniform())) * cos(2.0 * acos(-1.0) * Uniform()); }

/* A few sires have many offspring; herds and pens are of uneven size */
static void DrawDesign(void)
{
  for (int i = 0; i < ANIMALS; i++) {
    const int first = i < CHILDREN ? 0 : FOUNDERS, n = i < CHILDREN ? FOUNDERS : CHILDREN - FOUNDERS;

    sire[i] = i < FOUNDERS ? -1 : first + (int)(n / 4.0 * Uniform());
    dam[i]  = i < FOUNDERS ? -1 : first + n / 4 + Below(n - n / 4);
    sex[i]  = Below(2);
    herd[i] = (int)(HERDS * (0.7 * Uniform() + 0.3 * Uniform() * Uniform()));
    pen[i]  = (int)(PENS * (0.7 * Uniform() + 0.3 * Uniform() * Uniform()));
  }
}

static void DrawTraits(int r)
{
  double u[ANIMALS], h[HERDS], p[PENS];

  for (int i = 0; i < HERDS; i++) h[i] = Normal(VARIANCE_HERD);
  for (int i = 0; i < PENS; i++) p[i] = Normal(VARIANCE_PEN);
  for (int i = 0; i < ANIMALS; i++) {
    u[i]    = i < FOUNDERS ? Normal(VARIANCE_ANIMAL) : 0.5 * (u[sire[i]] + u[dam[i]]) + Normal(0.5 * VARIANCE_ANIMAL);
    y[r][i] = 10.0 + sex[i] + h[herd[i]] + u[i] + Normal(VARIANCE_RESIDUAL);
    z[r][i] = 10.0 - sex[i] + h[herd[i]] + p[pen[i]] + Normal(VARIANCE_RESIDUAL);
  }
}

static void Write(void)
{
  char  path[128];
  FILE *file;

  snprintf(path, sizeof(path), "%s/records.csv", folder);
  file = fopen(path, "wb");
  fputs("id,sex,herd,pen", file);
  for (int r = 0; r < REPLICATES; r++) fprintf(file, ",y%d,z%d", r, r);
  fputc('\n', file);
  for (int i = FOUNDERS; i < ANIMALS; i++) {
    fprintf(file, "a%d,s%d,h%d,p%d", i, sex[i], herd[i], pen[i]);
    for (int r = 0; r < REPLICATES; r++) fprintf(file, ",%.10f,%.10f", y[r][i], z[r][i]);
    fputc('\n', file);
  }
  fclose(file);
  snprintf(path, sizeof(path), "%s/pedigree.csv", folder);
  file = fopen(path, "wb");
  fputs("id,sire,dam\n", file);
  for (int i = 0; i < ANIMALS; i++) fprintf(file, i < FOUNDERS ? "a%d,0,0\n" : "a%d,a%d,a%d\n", i, sire[i], dam[i]);
  fclose(file);
}

int PopulationCreate(void **state)
{
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  strcpy(folder, "/tmp/merit_population_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  DrawDesign();
  for (int r = 0; r < REPLICATES; r++) DrawTraits(r);
  if (rank == 0) Write();
  MPI_Barrier(PETSC_COMM_WORLD);
  return 0;
}

int PopulationRemove(void **state)
{
  char path[128];

  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank) return 0;
  snprintf(path, sizeof(path), "%s/records.csv", folder);
  unlink(path);
  snprintf(path, sizeof(path), "%s/pedigree.csv", folder);
  unlink(path);
  return rmdir(folder);
}

const char *PopulationFolder(void) { return folder; }

PetscErrorCode PopulationPrepare(MPI_Comm comm, const char formula[], const char varcomp[], const char more[], PopulationRun *r)
{
  char text[1024];

  PetscFunctionBeginUser;
  *r = (PopulationRun){0};
  snprintf(text, sizeof(text), "records: {file: %s/records.csv}\n%s%s%s\nmodel: \"%s\"\nvarcomp: {%s}\n%s\n", folder,
           strstr(formula, "ped(") ? "pedigree: {file: " : "", strstr(formula, "ped(") ? folder : "",
           strstr(formula, "ped(") ? "/pedigree.csv, sexes: free}" : "", formula, varcomp, more);
  PetscCall(MeritConfigParse("job.yaml", text, strlen(text), &r->job));
  PetscCall(MeritModelCreate(comm, &r->model));
  PetscCall(MeritModelSetVariancesFree(r->model));
  PetscCall(MeritModelSetFromConfig(r->model, r->job));
  PetscCall(MeritVarcompCreate(comm, &r->v));
  PetscCall(MeritVarcompSetFromConfig(r->v, r->model, r->job));
  PetscCall(MeritModelSetUp(r->model));
  PetscCall(MeritMatCreateMME(r->model, &r->C));
  PetscFunctionReturn(PETSC_SUCCESS);
}

void PopulationEstimate(const char formula[], const char varcomp[], const char more[], PopulationRun *r)
{
  if (PopulationPrepare(PETSC_COMM_WORLD, formula, varcomp, more, r) || MeritVarcompRun(r->v, r->C, &r->result))
    fail_msg("%s, %s: %s", formula, varcomp, MeritErrorLast()->text);
  if (r->result.stop != MERIT_VARCOMP_CONVERGED) fail_msg("%s, %s: not converged", formula, varcomp);
}

void PopulationFinish(PopulationRun *r)
{
  assert_int_equal((int)MeritVarcompDestroy(&r->v), 0);
  assert_int_equal((int)MatDestroy(&r->C), 0);
  assert_int_equal((int)MeritModelDestroy(&r->model), 0);
  assert_int_equal((int)MeritConfigDestroy(&r->job), 0);
}
