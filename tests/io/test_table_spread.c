/* The same rows on any number of ranks, with pieces of any size, plain or packed; and numbers against the C
   library's. */
#include "table_files.h"
#include <math.h>

#define COLUMNS 4

static uint64_t Next(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

/* A file and what must be read from it, made alike on every rank */
typedef struct {
  char  *text;
  size_t n;
  int    rows;
  int   *line;             /* [rows] */
  char *(*field)[COLUMNS]; /* [rows], NULL for missing */
} Sample;

/* A word that begins with a letter (so never NA or a number), with all that needs quotes inside; now and then
   a long one */
static char *MakeWord(uint64_t *seed)
{
  static const char letters[] = "xyz,;\t\" \xc3\xa4";
  size_t            n         = Next(seed) % 40 ? Next(seed) % 8 : 500 + Next(seed) % 2500;
  char             *word      = calloc(n + 2, 1);

  word[0] = 'w';
  for (size_t i = 1; i <= n; i++) word[i] = letters[Next(seed) % 10];
  return word;
}

static size_t WriteField(char *to, const char *word, char delimiter, uint64_t *seed)
{
  static const char *const missing[] = {"NA", ".", "\"NA\"", "\"\"", ""};
  size_t                   n         = 0, length;

  if (!word) return (size_t)sprintf(to, "%s", missing[Next(seed) % (delimiter == ' ' ? 4 : 5)]);
  length = strlen(word);
  if (Next(seed) % 3 && !strchr(word, delimiter) && !strchr(word, '\t') && word[length - 1] != ' ') return (size_t)sprintf(to, "%s", word);
  to[n++] = '"';
  for (; *word; word++) {
    if (*word == '"') to[n++] = '"';
    to[n++] = *word;
  }
  to[n++] = '"';
  return n;
}

static Sample MakeSample(int rows, char delimiter, const char *line_end, uint64_t seed)
{
  Sample s    = {0};
  int    line = 1;

  s.rows  = rows;
  s.text  = malloc((size_t)rows * 30000 + 100);
  s.line  = calloc((size_t)rows, sizeof(*s.line));
  s.field = calloc((size_t)rows, sizeof(*s.field));
  s.n     = (size_t)sprintf(s.text, "a%cb%cc%cd%s", delimiter, delimiter, delimiter, line_end);
  for (int i = 0; i < rows; i++) {
    while (Next(&seed) % 5 == 0) s.n += (size_t)sprintf(s.text + s.n, "%s", line_end), line++;
    s.line[i] = ++line;
    for (int c = 0; c < COLUMNS; c++) {
      s.field[i][c] = Next(&seed) % 6 ? MakeWord(&seed) : NULL;
      s.n += WriteField(s.text + s.n, s.field[i][c], delimiter, &seed);
      if (c < COLUMNS - 1) s.text[s.n++] = delimiter;
    }
    if (i < rows - 1 || seed % 2) s.n += (size_t)sprintf(s.text + s.n, "%s", line_end);
  }
  return s;
}

static void FreeSample(Sample *s)
{
  for (int i = 0; i < s->rows; i++)
    for (int c = 0; c < COLUMNS; c++) free(s->field[i][c]);
  free(s->field);
  free(s->line);
  free(s->text);
}

static void CheckSample(const Sample *s, char delimiter)
{
  MeritTable table;
  int64_t    n, first;

  ReadAsText(0, NULL, &table);
  assert_int_equal(MeritTableDelimiter(table), delimiter);
  assert_int_equal(CountRows(table), s->rows);
  TestCall(MeritTableRows(table, &n, &first));
  for (int64_t i = 0; i < n; i++) {
    assert_int_equal(MeritTableLine(table, i), s->line[first + i]);
    for (int c = 0; c < COLUMNS; c++) {
      if (s->field[first + i][c]) assert_string_equal(Text(table, c, i), s->field[first + i][c]);
      else assert_null(Text(table, c, i));
    }
  }
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
}

static void CheckSamples(void)
{
  static const char delimiters[] = ",;\t ";
  static const int  rows[]       = {1, 2, 3, 7, 300};

  for (int d = 0; d < 4; d++)
    for (int r = 0; r < 5; r++)
      for (uint64_t seed = 0; seed < 4; seed++) {
        Sample s = MakeSample(rows[r], delimiters[d], seed % 2 ? "\n" : "\r\n", 100 * seed + (uint64_t)d);

        WriteBytes("s.txt", s.text, s.n);
        CheckSample(&s, delimiters[d]);
        WriteGzip("s.gz", s.text, s.n, 1 + (int)seed % 3);
        CheckSample(&s, delimiters[d]);
        FreeSample(&s);
      }
}

static void TestARandomTableReadsBackOnAnyNumberOfRanks(void **state)
{
  (void)state;
  CheckSamples();
}

static void TestLinesMayStraddleSmallPieces(void **state)
{
  (void)state;
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  CheckSamples();
  unsetenv("MERIT_MAX_MESSAGE");
}

static void TestEveryCutOfAShortFileGivesTheSameRows(void **state)
{
  char text[200];

  (void)state;
  for (int width = 1; width < 60; width++) { /* moves the borders of the ranks over the line ends */
    MeritTable table;
    int64_t    n, first;

    WriteBytes("c.txt", text, (size_t)sprintf(text, "a,b\n1,%0*d\n\n22,2\n333,3\n4,4", width, 1));
    ReadAsText(0, NULL, &table);
    assert_int_equal(CountRows(table), 4);
    TestCall(MeritTableRows(table, &n, &first));
    for (int64_t i = 0; i < n; i++) assert_int_equal(MeritTableLine(table, i), first + i ? first + i + 3 : 2);
    TestCall(MeritTableDestroy(&table));
    RemoveFile();
  }
}

static void TestAGzipFileIsSharedByAllRanks(void **state)
{
  Sample     s = MakeSample(2000, ',', "\n", 7);
  MeritTable table;
  int64_t    n, first, least;

  (void)state;
  WriteGzip("s.gz", s.text, s.n, 1);
  ReadAsText(0, NULL, &table);
  TestCall(MeritTableRows(table, &n, &first));
  MPI_Allreduce(&n, &least, 1, MPI_INT64_T, MPI_MIN, PETSC_COMM_WORLD);
  assert_true(least > s.rows / (3 * size));
  TestCall(MeritTableDestroy(&table));
  CheckSample(&s, ',');
  FreeSample(&s);
}

static void CheckGzipRaises(const char *bytes, size_t n, const char *words)
{
  static const char *const none[] = {NULL};
  MeritTable               table  = NULL;
  PetscErrorCode           code;

  WriteBytes("bad.gz", bytes, n);
  code = MeritTableOpen(PETSC_COMM_WORLD, path, 0, NULL, 0, none, &table);
  if (!code) {
    TestCall(MeritTableSelect(table, 0, MERIT_COLUMN_NUMBER));
    code = MeritTableRead(table);
  }
  TestRaises(MERIT_ERROR_INPUT, words, code);
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
}

/* The bytes of a gzip file of 5000 lines of which line `wrong` is no number (0: none) */
static size_t GzipBytes(int wrong, char bytes[], size_t room)
{
  char  *text = malloc(100000);
  size_t n    = (size_t)sprintf(text, "a,b\n"), got;
  FILE  *file;

  for (int line = 2; line <= 5000; line++) n += (size_t)sprintf(text + n, line == wrong ? "x,1\n" : "%d,1\n", line * 7919 % 5000);
  WriteGzip("good.gz", text, n, 1);
  file = fopen(path, "rb");
  assert_non_null(file);
  got = fread(bytes, 1, room, file);
  fclose(file);
  RemoveFile();
  free(text);
  return got;
}

static void TestDamagedGzipFilesAreRefused(void **state)
{
  char  *bytes = malloc(200000);
  size_t n     = GzipBytes(0, bytes, 200000);

  (void)state;
  CheckGzipRaises(bytes, n - 1, "bad.gz: the gzip data end too early: the file is truncated");
  CheckGzipRaises(bytes, n / 2, "bad.gz: the gzip data end too early: the file is truncated");
  CheckGzipRaises(bytes, 3, "bad.gz: the gzip data end too early: the file is truncated");
  bytes[n - 6] ^= 1;
  CheckGzipRaises(bytes, n, "bad.gz: damaged gzip data (incorrect data check)");
  bytes[n - 6] ^= 1;
  bytes[n]     = 'x';
  bytes[n + 1] = 'y';
  CheckGzipRaises(bytes, n + 2, "bad.gz: damaged gzip data (incorrect header check)");
  free(bytes);
}

static void TestALineOfAGzipFileIsNamed(void **state)
{
  char  *bytes = malloc(200000);
  size_t n     = GzipBytes(4321, bytes, 200000);

  (void)state;
  CheckGzipRaises(bytes, n, "bad.gz:4321: column a: \"x\" is not a number");
  free(bytes);
}

/* Number i of the list: shortest and longest forms, ties between two doubles, subnormals, digits and
   exponents at random */
static void MakeNumber(int i, char text[64])
{
  uint64_t seed = (uint64_t)i * 2654435761u + 12345, bits;
  double   x;
  int      n = 0;

  (void)Next(&seed);
  if (i % 4 == 0) {
    do {
      bits = Next(&seed) << 33 ^ Next(&seed) << 5 ^ Next(&seed);
      memcpy(&x, &bits, sizeof(x));
    } while (!isfinite(x));
    sprintf(text, i % 8 ? "%.17g" : "%.15e", x);
  } else if (i % 4 == 1) {
    sprintf(text, "%.*f", (int)(Next(&seed) % 9), ((double)Next(&seed) - 1e9) / 1e5);
  } else if (i % 4 == 2) {
    sprintf(text, "%llu%s", (1ull << 53) + Next(&seed) % 4096, i % 8 == 2 ? "e-3" : ".5"); /* ties and near ties */
  } else {
    int digits = 1 + (int)(Next(&seed) % 25), point = (int)(Next(&seed) % 26);

    if (Next(&seed) % 3 == 0) text[n++] = Next(&seed) % 2 ? '-' : '+';
    for (int d = 0; d < digits; d++) {
      if (d == point) text[n++] = '.';
      text[n++] = (char)('0' + Next(&seed) % 10);
    }
    if (Next(&seed) % 2) sprintf(text + n, "%c%d", Next(&seed) % 2 ? 'e' : 'E', (int)(Next(&seed) % 60) - 30);
    else text[n] = 0;
  }
}

static void TestNumbersAreRoundedAsTheCLibraryDoes(void **state)
{
  static const char *const hard[] = {"0",
                                     "-0",
                                     "00012",
                                     ".5",
                                     "5.",
                                     "1e22",
                                     "1e23",
                                     "9007199254740993",
                                     "1e-400",
                                     "4.9e-324",
                                     "1.7976931348623157e308",
                                     "2.2250738585072011e-308",
                                     "0e999",
                                     "123456789012345678901234567890"};
  const int                n_hard = (int)(sizeof(hard) / sizeof(*hard)), n_all = 100000;
  char                    *text = malloc((size_t)n_all * 64), number[64];
  size_t                   n    = (size_t)sprintf(text, "x\n");
  const double            *value;
  MeritTable               table;
  int64_t                  n_local, first;

  (void)state;
  for (int i = 0; i < n_all; i++) {
    MakeNumber(i, number);
    n += (size_t)sprintf(text + n, "%s\n", i < n_hard ? hard[i] : number);
  }
  WriteBytes("n.txt", text, n);
  TestCall(MeritTableOpen(PETSC_COMM_WORLD, path, 0, NULL, 0, NULL, &table));
  TestCall(MeritTableSelect(table, 0, MERIT_COLUMN_NUMBER));
  TestCall(MeritTableRead(table));
  assert_int_equal(CountRows(table), n_all);
  TestCall(MeritTableRows(table, &n_local, &first));
  TestCall(MeritTableNumbers(table, 0, &value));
  for (int64_t i = 0; i < n_local; i++) {
    double expected;

    MakeNumber((int)(first + i), number);
    expected = strtod(first + i < n_hard ? hard[first + i] : number, NULL);
    assert_memory_equal(&value[i], &expected, sizeof(expected));
  }
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
  free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(TestARandomTableReadsBackOnAnyNumberOfRanks, MakeFolder),
    cmocka_unit_test(TestLinesMayStraddleSmallPieces),
    cmocka_unit_test(TestEveryCutOfAShortFileGivesTheSameRows),
    cmocka_unit_test(TestAGzipFileIsSharedByAllRanks),
    cmocka_unit_test(TestDamagedGzipFilesAreRefused),
    cmocka_unit_test(TestALineOfAGzipFileIsNamed),
    cmocka_unit_test_teardown(TestNumbersAreRoundedAsTheCLibraryDoes, RemoveFolder),
};

TEST_MAIN(tests)
