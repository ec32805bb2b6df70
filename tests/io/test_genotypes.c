#include "genotypes_case.h"
#include <merit/log.h>
#include <merit/packed.h>
#include <omp.h>

/* of the grid in use */
static MPI_Comm row, column;

static void CheckAnimals(MeritGenotypes geno, const Case *c)
{
  MeritDict    dict;
  MeritStrings pool;
  int64_t     *number;

  TestCall(MeritGenotypesDict(geno, &dict));
  assert_int_equal(MeritDictSize(dict), c->n);
  TestCall(MeritStringsCreate(&pool));
  for (int i = rank; i < c->n; i += size) {
    char    id[32];
    int32_t code;

    TestCall(MeritStringsIntern(pool, id, (size_t)sprintf(id, "a%d", i), &code));
  }
  number = malloc((size_t)(c->n + 1) * sizeof(*number));
  TestCall(MeritDictFind(dict, pool, number));
  for (int i = rank, at = 0; i < c->n; i += size) assert_int_equal(number[at++], i);
  free(number);
  TestCall(MeritStringsDestroy(&pool));
}

static void CheckSnps(MeritGenotypes geno, const Case *c, bool plink)
{
  const MeritSnp *snps;
  int64_t         n;
  int32_t         n_snps, n_used;

  TestCall(MeritGenotypesSize(geno, &n, &n_snps, &n_used));
  TestCall(MeritGenotypesSnps(geno, &snps));
  assert_int_equal(n, c->n);
  assert_int_equal(n_snps, c->m);
  assert_int_equal(n_used, c->n_used);
  for (int j = 0; j < c->m; j++) {
    char name[32];

    sprintf(name, plink ? "rs%d" : "SNP%d", j + 1);
    assert_string_equal(snps[j].name, name);
    assert_string_equal(snps[j].chromosome, plink ? "3" : "0");
    assert_string_equal(snps[j].counted, plink ? "G" : ".");
    assert_string_equal(snps[j].other, plink ? "T" : ".");
    assert_int_equal(snps[j].position, plink ? 100 * j : 0);
    assert_int_equal(snps[j].n_missing, c->n_missing[j]);
    assert_int_equal(snps[j].column, c->column[j]);
    if (c->n_missing[j] == c->n) assert_true(isnan(snps[j].frequency));
    else assert_near(snps[j].frequency, c->p[j], 1e-15);
  }
}

/* tile against the plain matrix; the tiles must cover it once */
static void CheckTile(MeritGenotypes geno, const Case *c)
{
  int64_t first, n;
  int32_t col, m, here = 0;
  int     rows, cols, covered;
  double *out;

  rows  = MeritGenotypesTile(geno)->grid_rows;
  cols  = MeritGenotypesTile(geno)->grid_cols;
  first = MeritGenotypesTile(geno)->row_first;
  n     = MeritGenotypesTile(geno)->n_rows;
  col   = MeritGenotypesTile(geno)->col_first;
  m     = MeritGenotypesTile(geno)->n_cols;
  assert_int_equal(rows * cols, size);
  covered = (int)(n * m);
  MPI_Allreduce(MPI_IN_PLACE, &covered, 1, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
  assert_int_equal(covered, c->n * c->n_used);
  assert_true(n == 0 || first % 256 == 0);
  for (int64_t i = first; i < first + n; i++) assert_int_equal(MeritGenotypesRowOwner(geno, i), rank % rows);
  out = malloc((size_t)(n * m + 1) * sizeof(*out));
  if (m > 3) here = 2;
  TestCall(MeritMarkersDecode(MeritGenotypesMarkers(geno), here, m - here, out));
  for (int64_t i = 0; i < n; i++)
    for (int j = here; j < m; j++) assert_near(out[i * (m - here) + j - here], c->M[(first + i) * c->n_used + col + j], 1e-14);
  free(out);
}

static double Weight(int64_t i, int r) { return sin(0.7 * (double)i + 2.1 * r) + 0.3; }

/* the sum of the products over ranges of columns, and their parts, are those of the tile */
static void CheckRanges(MeritGenotypes geno, int k)
{
  int64_t n;
  int32_t m, cut;
  double *x, *s, *g, *y, *g_all, *y_all;

  n   = MeritGenotypesTile(geno)->n_rows;
  m   = MeritGenotypesTile(geno)->n_cols;
  cut = m / 3;
  x = calloc((size_t)(m * k + 1), sizeof(*x)), s = calloc((size_t)(n * k + 1), sizeof(*s));
  g = calloc((size_t)(n * k + 1), sizeof(*g)), y = calloc((size_t)(m * k + 1), sizeof(*y));
  g_all = calloc((size_t)(n * k + 1), sizeof(*g)), y_all = calloc((size_t)(m * k + 1), sizeof(*y));
  for (int i = 0; i < m * k; i++) x[i] = Weight(i, 1);
  for (int64_t i = 0; i < n * k; i++) s[i] = Weight(i, 2);
  TestCall(MeritMarkersForward(MeritGenotypesMarkers(geno), k, x, g_all));
  TestCall(MeritMarkersAdjoint(MeritGenotypesMarkers(geno), k, s, y_all));
  TestCall(MeritMarkersAdjointRange(MeritGenotypesMarkers(geno), 0, cut, k, s, y));
  TestCall(MeritMarkersAdjointRange(MeritGenotypesMarkers(geno), cut, m - cut, k, s, y + cut * k));
  for (int i = 0; i < m * k; i++) assert_near(y[i], y_all[i], 1e-12);
  TestCall(MeritMarkersForwardRange(MeritGenotypesMarkers(geno), 0, cut, k, x, g));
  for (int64_t i = 0; i < n * k; i++) g_all[i] -= g[i];
  TestCall(MeritMarkersForwardRange(MeritGenotypesMarkers(geno), cut, m - cut, k, x + cut * k, g));
  for (int64_t i = 0; i < n * k; i++) assert_near(g[i], g_all[i], 1e-12);
  free(x), free(s), free(g), free(y), free(g_all), free(y_all);
}

/* the products, reduced over the grid, against sums over the plain matrix */
static void CheckProducts(MeritGenotypes geno, const Case *c, int k)
{
  int64_t first, n;
  int32_t col, m;
  double *x, *s, *g, *y, *q;

  first = MeritGenotypesTile(geno)->row_first;
  n     = MeritGenotypesTile(geno)->n_rows;
  col   = MeritGenotypesTile(geno)->col_first;
  m     = MeritGenotypesTile(geno)->n_cols;
  x = calloc((size_t)(m * k + 1), sizeof(*x)), s = calloc((size_t)(n * k + 1), sizeof(*s));
  g = calloc((size_t)(n * k + 1), sizeof(*g)), y = calloc((size_t)(m * k + 1), sizeof(*y));
  q = calloc((size_t)(m * k + 1), sizeof(*q));
  for (int i = 0; i < m * k; i++) x[i] = Weight(col + i / k, i % k);
  for (int64_t i = 0; i < n * k; i++) s[i] = Weight(first + i / k, (int)(i % k));
  TestCall(MeritMarkersForward(MeritGenotypesMarkers(geno), k, x, g));
  TestCall(MeritMarkersAdjoint(MeritGenotypesMarkers(geno), k, s, y));
  TestCall(MeritMarkersSquares(MeritGenotypesMarkers(geno), k, s, q));
  MPI_Allreduce(MPI_IN_PLACE, g, (int)(n * k), MPI_DOUBLE, MPI_SUM, row);
  MPI_Allreduce(MPI_IN_PLACE, y, m * k, MPI_DOUBLE, MPI_SUM, column);
  MPI_Allreduce(MPI_IN_PLACE, q, m * k, MPI_DOUBLE, MPI_SUM, column);
  for (int64_t i = 0; i < n * k; i++) {
    double sum = 0;

    for (int j = 0; j < c->n_used; j++) sum += c->M[(first + i / k) * c->n_used + j] * Weight(j, (int)(i % k));
    assert_near(g[i], sum, 1e-11);
  }
  for (int i = 0; i < m * k; i++) {
    double sum = 0, squares = 0;

    for (int64_t a = 0; a < c->n; a++) {
      const double value = c->M[a * c->n_used + col + i / k];

      sum += value * Weight(a, i % k);
      squares += value * value * Weight(a, i % k);
    }
    assert_near(y[i], sum, 1e-11);
    assert_near(q[i], squares, 1e-11);
  }
  free(x), free(s), free(g), free(y), free(q);
}

static void CheckGram(MeritGenotypes geno, const Case *c)
{
  int64_t first, n;
  int32_t col, m;
  double *w, gram[2 * 2 * 3];

  first = MeritGenotypesTile(geno)->row_first;
  n     = MeritGenotypesTile(geno)->n_rows;
  col   = MeritGenotypesTile(geno)->col_first;
  m     = MeritGenotypesTile(geno)->n_cols;
  if (m >= 2) {
    w = calloc((size_t)(n * 3 + 1), sizeof(*w));
    for (int64_t i = 0; i < n * 3; i++) w[i] = Weight(first + i / 3, (int)(i % 3));
    TestCall(MeritMarkersGram(MeritGenotypesMarkers(geno), m - 2, 2, 3, w, gram));
    MPI_Allreduce(MPI_IN_PLACE, gram, 12, MPI_DOUBLE, MPI_SUM, column);
    for (int e = 0; e < 12; e++) {
      const double *a = c->M + col + m - 2 + e / 6, *b = c->M + col + m - 2 + e / 3 % 2;
      double        sum = 0;

      for (int64_t i = 0; i < c->n; i++) sum += a[i * c->n_used] * b[i * c->n_used] * Weight(i, e % 3);
      assert_near(gram[e], sum, 1e-11);
    }
    free(w);
  }
}

/* products between some animals, from their genotypes in two blocks of columns, the same on all ranks */
static void CheckRelations(MeritGenotypes geno, const Case *c)
{
  const int32_t words = (c->n_used + 31) / 32, part = (words + 1) / 2, zero = 0;
  const double *scale, *centre, *missing;
  int32_t       n      = 0;
  int64_t      *row_of = malloc((size_t)c->n * sizeof(*row_of));
  uint64_t     *word   = malloc((size_t)(c->n * part) * sizeof(*word));
  double       *panel  = calloc((size_t)c->n * MERIT_PANEL, sizeof(*panel));

  for (int i = 0; i < c->n; i++)
    if (i % 3 != 1) row_of[n++] = i;
  TestCall(MeritGenotypesScaling(geno, &scale, NULL, NULL));
  TestCall(MeritGenotypesCoding(geno, &centre, &missing));
  for (int32_t g = 0; g < words; g += part) {
    const int32_t            n_words = g + part > words ? words - g : part, from = 32 * g, left = c->n_used - from;
    const MeritPackedAnimals m = {.n       = n,
                                  .n_cols  = left < 32 * n_words ? left : 32 * n_words,
                                  .word    = word,
                                  .scale   = scale + from,
                                  .centre  = centre + from,
                                  .missing = missing + from};

    TestCall(MeritGenotypesAnimals(geno, from, n_words, n, row_of, word));
    TestCall(MeritPackedRelate(&m, 1, &zero, &panel));
  }
  for (int32_t i = 0; i < n; i++)
    for (int32_t k = 0; k < MERIT_PANEL && k < n; k++) {
      const double *a = c->M + row_of[i] * c->n_used, *b = c->M + row_of[k] * c->n_used;
      double        sum = 0;

      for (int j = 0; j < c->n_used; j++) sum += a[j] * b[j];
      assert_near(panel[i * MERIT_PANEL + k], sum, 1e-12);
    }
  free(row_of), free(word), free(panel);
}

typedef enum { PLINK, SPACED, JOINED } Form;

static MeritGenotypes LoadForm(const Case *c, Form form, int grid_rows, MeritScale scale, bool centre)
{
  MeritGenotypes geno;

  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  if (form == PLINK) TestCall(MeritGenotypesSetFile(geno, "genotypes.bfile", WritePlink(c)));
  else TestCall(MeritGenotypesSetFile(geno, "genotypes.text", WriteText(c, form == JOINED)));
  TestCall(MeritGenotypesSetGrid(geno, grid_rows));
  TestCall(MeritGenotypesSetScale(geno, scale));
  TestCall(MeritGenotypesSetCentre(geno, centre, NULL));
  TestCall(MeritGenotypesLoad(geno));
  return geno;
}

static void CheckAll(const Case *c, Form form, int grid_rows, MeritScale scale, bool centre)
{
  MeritGenotypes geno = LoadForm(c, form, grid_rows, scale, centre);
  const int      rows = grid_rows == MERIT_GRID_AUTO ? MeritGenotypesGridRows(c->n, c->m, size) : grid_rows ? grid_rows : size;

  MPI_Comm_split(PETSC_COMM_WORLD, rank % rows, rank, &row);
  MPI_Comm_split(PETSC_COMM_WORLD, rank / rows, rank, &column);
  CheckAnimals(geno, c);
  CheckSnps(geno, c, form == PLINK);
  CheckTile(geno, c);
  CheckProducts(geno, c, 1);
  CheckProducts(geno, c, 3);
  CheckRanges(geno, 1);
  CheckRanges(geno, 2);
  CheckGram(geno, c);
  CheckRelations(geno, c);
  MPI_Comm_free(&row);
  MPI_Comm_free(&column);
  TestCall(MeritGenotypesDestroy(&geno));
}

static void TestEveryFormOnEveryGridGivesThePlainMatrix(void **state)
{
  static const int shape[][2] = {{1, 7}, {3, 7}, {3, 129}, {255, 7}, {257, 1}, {257, 7}, {257, 129}, {700, 1}, {700, 129}};

  (void)state;
  for (int a = 0; a < 9; a++) {
    Case c = MakeCase(shape[a][0], shape[a][1], 0.1 * (a % 4), MERIT_SCALE_NONE, true);

    CheckAll(&c, JOINED, 0, MERIT_SCALE_NONE, true);
    CheckAll(&c, a % 2 ? PLINK : JOINED, MERIT_GRID_AUTO, MERIT_SCALE_NONE, true);
    for (int rows = 1; rows <= size; rows++) {
      if (size % rows) continue;
      CheckAll(&c, PLINK, rows, MERIT_SCALE_NONE, true);
      CheckAll(&c, SPACED, rows, MERIT_SCALE_NONE, true);
    }
    FreeCase(&c);
  }
}

/* what a rank computes and sends, thought through for extreme shapes, and that no grid is foreseen to beat the chosen one by the
   tenth that a second dimension must bring */
static void TestTheGridChosenIsThatOfLeastCost(void **state)
{
  static const struct {
    int64_t animals;
    int32_t snps;
    int     ranks, rows;
  } shape[] = {{50000, 50000, 1, 1}, {50000, 50000, 2, 2},    {1000000, 50000, 64, 64}, {256, 1000000, 4, 1},
               {512, 1000000, 4, 1}, {500000, 50000, 16, 16}, {10000, 500000, 16, 1},   {5000, 200000, 7, 1}};

  (void)state;
  for (size_t i = 0; i < sizeof(shape) / sizeof(*shape); i++) {
    const int    rows   = MeritGenotypesGridRows(shape[i].animals, shape[i].snps, shape[i].ranks);
    const double chosen = MeritGenotypesGridSeconds(shape[i].animals, shape[i].snps, rows, shape[i].ranks / rows);

    assert_int_equal(rows, shape[i].rows);
    for (int r = 1; r <= shape[i].ranks; r++)
      if (shape[i].ranks % r == 0) assert_true(chosen * 0.9 <= MeritGenotypesGridSeconds(shape[i].animals, shape[i].snps, r, shape[i].ranks / r));
  }
}

static void TestScalesAndCentresAreThoseOfTheirDefinitions(void **state)
{
  (void)state;
  for (int scale = MERIT_SCALE_NONE; scale <= MERIT_SCALE_TRACE; scale++)
    for (int centre = 0; centre < 2; centre++) {
      Case           c = MakeCase(270, 11, 0.1, (MeritScale)scale, centre);
      MeritGenotypes geno;
      double         sum_2pq, diagonal;
      const double  *factor;

      CheckAll(&c, PLINK, 0, (MeritScale)scale, centre);
      geno = LoadForm(&c, SPACED, 0, (MeritScale)scale, centre);
      TestCall(MeritGenotypesScaling(geno, &factor, &sum_2pq, &diagonal));
      assert_near(sum_2pq, c.sum_2pq, 1e-12);
      assert_near(diagonal, c.diagonal, 1e-12);
      for (int j = 0; j < c.n_used; j++) assert_near(factor[j], c.scale[j], 1e-13);
      TestCall(MeritGenotypesDestroy(&geno));
      FreeCase(&c);
    }
}

static void TestSmallRequestsAndTwoThreadsGiveTheSame(void **state)
{
  Case c = MakeCase(700, 129, 0.05, MERIT_SCALE_NONE, true);

  (void)state;
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  omp_set_num_threads(2);
  for (Form form = PLINK; form <= JOINED; form++) CheckAll(&c, form, 0, MERIT_SCALE_NONE, true);
  omp_set_num_threads(1);
  unsetenv("MERIT_MAX_MESSAGE");
  FreeCase(&c);
}

/* the bits behind the last animal of a .bed mean nothing */
static void TestPaddingBitsOfTheBedAreIgnored(void **state)
{
  Case        c = MakeCase(257, 7, 0.1, MERIT_SCALE_NONE, true);
  const char *prefix;

  (void)state;
  padding_bits = 0xff;
  prefix       = WritePlink(&c);
  assert_non_null(prefix);
  CheckAll(&c, PLINK, 0, MERIT_SCALE_NONE, true);
  padding_bits = 0;
  FreeCase(&c);
}

static void TestTextFormsAllowTabsCarriageReturnsBlankLinesAndWordsForMissing(void **state)
{
  MeritGenotypes  geno;
  const MeritSnp *snps;
  double          out[9];
  int64_t         n;

  (void)state;
  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.text",
                                 WriteFile("g.txt",
                                           "\xef\xbb\xbf"
                                           "a\t0 1\t2\r\n\n  b  NA . 1\r\n \nc 2 0 5",
                                           -1)));
  TestCall(MeritGenotypesSetGrid(geno, size));
  TestCall(MeritGenotypesSetCentre(geno, false, NULL));
  TestCall(MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesSnps(geno, &snps));
  assert_near(snps[0].frequency, 0.5, 1e-15);
  assert_near(snps[1].frequency, 0.25, 1e-15);
  assert_near(snps[2].frequency, 0.75, 1e-15);
  n = MeritGenotypesTile(geno)->n_rows;
  assert_int_equal(n, rank ? 0 : 3);
  TestCall(MeritMarkersDecode(MeritGenotypesMarkers(geno), 0, 3, out));
  if (n) {
    static const double expected[9] = {0, 1, 2, 1, 0.5, 1, 2, 0, 1.5};

    for (int i = 0; i < 9; i++) assert_near(out[i], expected[i], 1e-15);
  }
  TestCall(MeritGenotypesDestroy(&geno));
}

static void TestAOneSnpFileMayBeEitherForm(void **state)
{
  MeritGenotypes geno;
  int32_t        n_snps;

  (void)state;
  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.text", WriteFile("g.txt", "a NA\nb 1\nc 0\n", -1)));
  TestCall(MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesSize(geno, NULL, &n_snps, NULL));
  assert_int_equal(n_snps, 1);
  TestCall(MeritGenotypesDestroy(&geno));
}

static MeritGenotypes WithFrequencies(const char *frequencies, MeritScale scale)
{
  MeritGenotypes geno;

  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.text", WriteFile("g.txt", "a 0 1 2 0\nb 1 5 1 0\nc 2 0 0 0\n", -1)));
  TestCall(MeritGenotypesSetScale(geno, scale));
  TestCall(MeritGenotypesSetCentre(geno, true, WriteFile("f.txt", frequencies, -1)));
  return geno;
}

static void TestAFileOfFrequenciesSetsCentreAndScale(void **state)
{
  MeritGenotypes  geno = WithFrequencies("SNP3 0.5\nother 0.3\nSNP1\t0.25\nSNP2 1e-1\n", MERIT_SCALE_STANDARDISED);
  const MeritSnp *snps;
  const double   *scale;
  double          out[9], sum_2pq, a = 1 / sqrt(0.375), b = 1 / sqrt(0.18), d = 1 / sqrt(0.5);
  const double    expected[9] = {-0.5 * a, 0.8 * b, d, 0.5 * a, 0, 0, 1.5 * a, -0.2 * b, -d};
  int64_t         n;
  int32_t         m;

  (void)state;
  TestCall(MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesScaling(geno, &scale, &sum_2pq, NULL));
  assert_near(sum_2pq, 0.375 + 0.18 + 0.5, 1e-15);
  TestCall(MeritGenotypesSnps(geno, &snps));
  assert_near(snps[0].frequency, 0.5, 1e-15);
  assert_int_equal(snps[3].column, -1);
  n = MeritGenotypesTile(geno)->n_rows;
  m = MeritGenotypesTile(geno)->n_cols;
  assert_int_equal(m, 3);
  TestCall(MeritMarkersDecode(MeritGenotypesMarkers(geno), 0, 3, out));
  for (int i = 0; n && i < 9; i++) assert_near(out[i], expected[i], 1e-14);
  TestCall(MeritGenotypesDestroy(&geno));
}

static void FrequenciesRaise(const char *frequencies, MeritScale scale, const char *words)
{
  MeritGenotypes geno = WithFrequencies(frequencies, scale);

  TestRaises(MERIT_ERROR_INPUT, words, MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesDestroy(&geno));
}

static void TestFaultsOfAFileOfFrequenciesAreNamed(void **state)
{
  (void)state;
  FrequenciesRaise("SNP1 0.5\nSNP2 0.5\n", MERIT_SCALE_NONE, "f.txt: SNP3: this SNP of");
  FrequenciesRaise("SNP1 0.5\nSNP2 0.5\nSNP3 0.5\nSNP2 0.4\n", MERIT_SCALE_NONE, "f.txt:4: SNP2: this SNP is on line 2 already");
  FrequenciesRaise("SNP1 0.5\nSNP2 1.5\nSNP3 0.5\n", MERIT_SCALE_NONE, "f.txt:2: frequency \"1.5\" is not a number from 0 to 1");
  FrequenciesRaise("SNP1 0.5\nSNP2 x\nSNP3 0.5\n", MERIT_SCALE_NONE, "f.txt:2: frequency \"x\" is not a number");
  FrequenciesRaise("SNP1 0.5\nSNP2\nSNP3 0.5\n", MERIT_SCALE_NONE, "f.txt:2: a line must be \"snp frequency\"");
  FrequenciesRaise("SNP1 0.5\nSNP2 1\nSNP3 0.5\n", MERIT_SCALE_STANDARDISED, "SNP2: with frequency 1 this SNP cannot be");
  FrequenciesRaise("SNP1 0\nSNP2 1\nSNP3 0\n", MERIT_SCALE_VANRADEN, "the SNPs cannot be scaled");
}

static int  n_warnings;
static char warning[512];

static void KeepWarning(MeritLogKind kind, double fraction, const char text[], void *ctx)
{
  (void)fraction, (void)ctx;
  if (kind != MERIT_LOG_WARNING) return;
  n_warnings++;
  snprintf(warning, sizeof(warning), "%s", text);
}

static void TestSexChromosomesGiveAWarning(void **state)
{
  Case           c = MakeCase(20, 8, 0, MERIT_SCALE_NONE, true);
  MeritGenotypes geno;

  (void)state;
  n_warnings = 0;
  MeritLogSetSink(KeepWarning, NULL);
  chromosome = "X";
  geno       = LoadForm(&c, PLINK, 0, MERIT_SCALE_NONE, true);
  TestCall(MeritGenotypesDestroy(&geno));
  chromosome = "30";
  geno       = LoadForm(&c, PLINK, 0, MERIT_SCALE_NONE, true);
  TestCall(MeritGenotypesDestroy(&geno));
  chromosome = "3";
  MeritLogSetSink(NULL, NULL);
  MeritLogReset();
  if (!rank) {
    assert_int_equal(n_warnings, 1);
    assert_non_null(strstr(warning, "on chromosome X, Y, XY or MT"));
  }
  FreeCase(&c);
}

/* copies of the counted allele, missing calls and frequency counted straight from the .bed, by bytes */
static void CheckRealData(const char *name, bool has_missing)
{
  const char     *data = TestShared();
  char            prefix[600], path[650];
  MeritGenotypes  geno;
  const MeritSnp *snps;
  int64_t         n, missing = 0;
  int32_t         m, n_used, used = 0;
  unsigned char  *bytes;
  FILE           *bed;

  TestNeeds(data, "the reference data");
  snprintf(prefix, sizeof(prefix), "%s/%s/%s", data, name, name);
  snprintf(path, sizeof(path), "%s.bed", prefix);
  bed = fopen(path, "rb");
  assert_non_null(bed);
  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.bfile", prefix));
  TestCall(MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesSize(geno, &n, &m, &n_used));
  TestCall(MeritGenotypesSnps(geno, &snps));
  bytes = malloc((size_t)(n + 3) / 4);
  assert_int_equal(fseek(bed, 3, SEEK_SET), 0);
  for (int j = 0; j < m; j++) {
    int64_t count[4] = {0};

    assert_int_equal(fread(bytes, 1, (size_t)(n + 3) / 4, bed), (n + 3) / 4);
    for (int64_t i = 0; i < n; i++) count[bytes[i / 4] >> (2 * (i % 4)) & 3]++;
    assert_int_equal(snps[j].n_missing, count[1]);
    assert_near(snps[j].frequency, (double)(2 * count[0] + count[2]) / (double)(2 * (n - count[1])), 1e-15);
    used += snps[j].frequency > 0 && snps[j].frequency < 1;
    missing += count[1];
  }
  assert_int_equal(used, n_used);
  assert_int_equal(missing > 0, has_missing);
  free(bytes);
  fclose(bed);
  TestCall(MeritGenotypesDestroy(&geno));
}

static void TestWheatHasTheFrequenciesOfItsBed(void **state)
{
  (void)state;
  CheckRealData("wheat", false);
}

static void TestCattleHasTheFrequenciesOfItsBed(void **state)
{
  (void)state;
  CheckRealData("cattle", true);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestEveryFormOnEveryGridGivesThePlainMatrix),
    cmocka_unit_test(TestScalesAndCentresAreThoseOfTheirDefinitions),
    cmocka_unit_test(TestSmallRequestsAndTwoThreadsGiveTheSame),
    cmocka_unit_test(TestPaddingBitsOfTheBedAreIgnored),
    cmocka_unit_test(TestTextFormsAllowTabsCarriageReturnsBlankLinesAndWordsForMissing),
    cmocka_unit_test(TestAOneSnpFileMayBeEitherForm),
    cmocka_unit_test(TestAFileOfFrequenciesSetsCentreAndScale),
    cmocka_unit_test(TestFaultsOfAFileOfFrequenciesAreNamed),
    cmocka_unit_test(TestTheGridChosenIsThatOfLeastCost),
    cmocka_unit_test(TestSexChromosomesGiveAWarning),
    cmocka_unit_test(TestWheatHasTheFrequenciesOfItsBed),
    cmocka_unit_test(TestCattleHasTheFrequenciesOfItsBed),
};

GENOTYPES_MAIN(tests)
