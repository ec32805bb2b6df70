#pragma once
/* Random genotypes beside the plain matrix their definition gives, and the files they make, in a folder of
   the test's own. */
#include <merit_test.h>
#include <merit/genotypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static PetscMPIInt rank, size;
static char        folder[64];
static int         padding_bits; /* what fills the last byte of an SNP */
static const char *chromosome = "3";

typedef struct {
  int     n, m, n_used;
  int    *copies;             /* [n * m] 0, 1, 2; -1 missing */
  int    *n_missing, *column; /* [m] */
  double *p;                  /* [m] */
  double *scale;              /* [n_used] */
  double *M;                  /* [n * n_used] */
  double  sum_2pq, diagonal;
} Case;

#define assert_near(value, expected, tolerance)                                                                                                      \
  do {                                                                                                                                               \
    const double v_ = (value), e_ = (expected);                                                                                                      \
    if (!(fabs(v_ - e_) <= (tolerance) * (1 + fabs(e_)))) fail_msg("%.17g is not %.17g", v_, e_);                                                    \
  } while (0)

static inline double Uniform(unsigned *state)
{
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 8) / 16777216.0;
}

/* SNP 0 always varies; SNPs 2 and 4 are monomorphic, SNP 5 is missing in all animals */
static inline int DrawCopies(unsigned *state, int i, int j, double p, double rate)
{
  const int copies = (Uniform(state) < p) + (Uniform(state) < p);

  if (Uniform(state) < rate && j) return -1;
  if (j == 0) return 1 + i % 2;
  if (j == 2) return 0;
  if (j == 4) return 2;
  return j == 5 ? -1 : copies;
}

static inline void FillMatrix(Case *c, MeritScale scale, bool centre)
{
  double all = 1;

  for (int j = 0; j < c->m; j++)
    for (int i = 0; i < c->n && c->column[j] >= 0; i++) {
      const int g = c->copies[i * c->m + j];

      c->M[i * c->n_used + c->column[j]] = (g < 0 ? 2 * c->p[j] : g) - (centre ? 2 * c->p[j] : 0);
    }
  for (int e = 0; e < c->n * c->n_used; e++) c->diagonal += c->M[e] * c->M[e] / c->n;
  if (scale == MERIT_SCALE_VANRADEN) all = 1 / sqrt(c->sum_2pq);
  if (scale == MERIT_SCALE_COUNT) all = 1 / sqrt(c->n_used);
  if (scale == MERIT_SCALE_TRACE) all = 1 / sqrt(c->diagonal);
  for (int j = 0; j < c->m; j++)
    if (c->column[j] >= 0) c->scale[c->column[j]] = scale == MERIT_SCALE_STANDARDISED ? 1 / sqrt(2 * c->p[j] * (1 - c->p[j])) : all;
  for (int e = 0; e < c->n * c->n_used; e++) c->M[e] *= c->scale[e % c->n_used];
}

static inline Case MakeCase(int n, int m, double rate, MeritScale scale, bool centre)
{
  Case     c     = {.n = n, .m = m};
  unsigned state = (unsigned)(n * 131 + m);

  c.copies    = calloc((size_t)(n * m), sizeof(int));
  c.n_missing = calloc((size_t)m, sizeof(int));
  c.column    = calloc((size_t)m, sizeof(int));
  c.p         = calloc((size_t)m, sizeof(double));
  c.scale     = calloc((size_t)m, sizeof(double));
  for (int j = 0; j < m; j++) {
    const double p   = 0.05 + 0.9 * Uniform(&state);
    int          sum = 0;

    for (int i = 0; i < n; i++) {
      const int g = c.copies[i * m + j] = DrawCopies(&state, i, j, p, rate);

      c.n_missing[j] += g < 0;
      sum += g < 0 ? 0 : g;
    }
    c.p[j]      = sum / (2.0 * (n - c.n_missing[j]));
    c.column[j] = sum > 0 && sum < 2 * (n - c.n_missing[j]) ? c.n_used++ : -1;
    if (c.column[j] >= 0) c.sum_2pq += 2 * c.p[j] * (1 - c.p[j]);
  }
  c.M = calloc((size_t)(n * c.n_used + 1), sizeof(double));
  FillMatrix(&c, scale, centre);
  return c;
}

static inline void FreeCase(Case *c) { free(c->copies), free(c->n_missing), free(c->column), free(c->p), free(c->scale), free(c->M); }

/* the folder's file of that name: written by rank 0, seen by all; n < 0: text ends at its 0. Of use until
   the next call but three */
static inline const char *WriteFile(const char *name, const char *text, long n)
{
  static char path[4][128];
  static int  next;
  char       *at = path[next++ % 4];

  sprintf(at, "%s/%s", folder, name);
  if (!rank) {
    FILE *f = fopen(at, "wb");

    assert_non_null(f);
    fwrite(text, 1, n < 0 ? strlen(text) : (size_t)n, f);
    fclose(f);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  return at;
}

static inline void WriteTables(const Case *c)
{
  char *text = malloc((size_t)(c->n + c->m) * 64 + 1);
  int   n    = 0;

  for (int i = 0; i < c->n; i++) n += sprintf(text + n, "f%d a%d 0 0\t0 -9\n", i / 2, i);
  WriteFile("g.fam", text, n);
  n = 0;
  for (int j = 0; j < c->m; j++) n += sprintf(text + n, "%s\trs%d\t0.5\t%d\tG\tT\n", chromosome, j + 1, 100 * j);
  WriteFile("g.bim", text, n);
  free(text);
}

/* prefix of the three PLINK files of a case */
static inline const char *WritePlink(const Case *c)
{
  static const unsigned code[] = {1, 3, 2, 0}; /* of -1, 0, 1, 2 copies */
  static char           prefix[80];
  const int             stride = (c->n + 3) / 4;
  char                 *text   = calloc((size_t)(3 + stride * c->m), 1);

  WriteTables(c);
  memcpy(text, "\x6c\x1b\x01", 3);
  for (int j = 0; j < c->m; j++)
    for (int i = 0; i < 4 * stride; i++) {
      const unsigned bits = i < c->n ? code[c->copies[i * c->m + j] + 1] : (unsigned)padding_bits & 3;

      text[3 + j * stride + i / 4] = (char)((unsigned char)text[3 + j * stride + i / 4] | bits << (2 * (i % 4)));
    }
  WriteFile("g.bed", text, 3 + stride * c->m);
  free(text);
  sprintf(prefix, "%s/g", folder);
  return prefix;
}

static inline const char *WriteText(const Case *c, bool joined)
{
  char       *text = malloc((size_t)c->n * (size_t)(2 * c->m + 16) + 1);
  const char *path;
  int         n = 0;

  for (int i = 0; i < c->n; i++) {
    n += sprintf(text + n, "a%d%s", i, joined ? "   " : "");
    for (int j = 0; j < c->m; j++) {
      const int g = c->copies[i * c->m + j];

      n += sprintf(text + n, "%s%d", joined ? "" : " ", g < 0 ? 5 : g);
    }
    text[n++] = '\n';
  }
  path = WriteFile("g.txt", text, n - 1); /* the last line without its end */
  free(text);
  return path;
}

static inline void MakeFolder(void)
{
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit-genotypes-XXXXXX");
  if (!rank && !mkdtemp(folder)) folder[0] = 0;
  MPI_Bcast(folder, sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
}

static inline void RemoveFolder(void)
{
  static const char *const names[] = {"g.bed", "g.bim", "g.fam", "g.txt", "f.txt"};

  MPI_Barrier(PETSC_COMM_WORLD);
  for (int i = 0; i < 5 && !rank; i++) {
    char path[128];

    sprintf(path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  if (!rank) rmdir(folder);
}

static inline int GroupSetup(void **state)
{
  (void)state;
  MakeFolder();
  return folder[0] ? 0 : 1;
}

static inline int GroupTeardown(void **state)
{
  (void)state;
  RemoveFolder();
  return 0;
}

/* TEST_MAIN with the folder made before and removed after */
#define GENOTYPES_MAIN(tests)                                                                                                                        \
  int main(int argc, char **argv)                                                                                                                    \
  {                                                                                                                                                  \
    int failed, any;                                                                                                                                 \
    if (PetscInitialize(&argc, &argv, NULL, NULL)) return 1;                                                                                         \
    PetscPushErrorHandler(TestQuietHandler, NULL);                                                                                                   \
    failed = cmocka_run_group_tests(tests, GroupSetup, GroupTeardown);                                                                               \
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);                                                                             \
    PetscPopErrorHandler();                                                                                                                          \
    if (PetscFinalize()) return 1;                                                                                                                   \
    return any ? 1 : 0;                                                                                                                              \
  }
