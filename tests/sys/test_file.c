#include <merit_test.h>
#include <merit/file.h>
#include <fcntl.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define COMM PETSC_COMM_WORLD
static PetscMPIInt rank, size;
static char        base[64], folder[96];

static int Setup(void **state)
{
  (void)state;
  MPI_Comm_rank(COMM, &rank);
  MPI_Comm_size(COMM, &size);
  strcpy(base, "/tmp/merit_file_XXXXXX");
  if (rank == 0 && !mkdtemp(base)) return 1;
  MPI_Bcast(base, sizeof(base), MPI_CHAR, 0, COMM);
  snprintf(folder, sizeof(folder), "%s/new/out", base);
  return 0;
}

static void RemoveTree(const char *path)
{
  DIR           *dir = opendir(path);
  struct dirent *entry;
  char           below[512];

  while (dir && (entry = readdir(dir))) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
    if (unlink(below)) RemoveTree(below);
  }
  if (dir) closedir(dir);
  rmdir(path);
}

static int Teardown(void **state)
{
  (void)state;
  MPI_Barrier(COMM);
  if (rank == 0) RemoveTree(base);
  MPI_Barrier(COMM);
  return 0;
}

static void Write(const char *name, const char *text)
{
  char  path[512];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  file = fopen(path, "wb");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

/* Contents of folder/name, "(none)" if there is no such file; any rank */
static const char *Read(const char *name)
{
  static char text[4096];
  char        path[512];
  FILE       *file;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  file = fopen(path, "rb");
  if (!file) return "(none)";
  text[fread(text, 1, sizeof(text) - 1, file)] = 0;
  fclose(file);
  return text;
}

/* Number of entries of the folder, hidden ones too; -1 if there is none */
static int Entries(const char *path)
{
  DIR           *dir = opendir(path);
  struct dirent *entry;
  int            n = 0;

  if (!dir) return -1;
  while ((entry = readdir(dir))) n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
  closedir(dir);
  return n;
}

/* Write "head\n", a line per rank but the last of several, then one more line of rank 0; returns the whole
   text */
static const char *WriteLines(MeritOutput out, const char *name)
{
  static char all[4096];
  MeritText   text = {0};

  strcpy(all, "head\n");
  for (int r = 0; r < size; r++)
    if (r < size - 1 || size == 1) sprintf(all + strlen(all), "rank %d of %s\n", r, name);
  strcat(all, "more\n");
  if (rank < size - 1 || size == 1) TestCall(MeritTextAdd(&text, "rank %d of %s\n", rank, name));
  TestCall(MeritOutputWrite(out, name, "head\n", text.at, (int64_t)text.n));
  TestCall(MeritOutputWrite(out, name, "head\n", rank ? NULL : "more\n", rank ? 0 : 5));
  MeritTextFree(&text);
  return all;
}

static void TestAResultAppearsAsAWholeAtTheEnd(void **state)
{
  MeritOutput        out;
  const char *const *names;
  const char        *text;
  const int64_t     *bytes;
  const uint32_t    *crc;
  char               slash[128];

  (void)state;
  snprintf(slash, sizeof(slash), "%s//", folder);
  TestCall(MeritOutputOpen(COMM, slash, false, &out));
  text = WriteLines(out, "solutions.tsv");
  assert_string_equal(Read("solutions.tsv"), "(none)");
  assert_int_equal(MeritOutputFiles(out, &names, &bytes, &crc), 1);
  assert_string_equal(names[0], "solutions.tsv");
  assert_int_equal(bytes[0], strlen(text));
  assert_int_equal(crc[0], crc32(0, (const Bytef *)text, (uInt)strlen(text)));
  TestCall(MeritOutputWrite(out, "empty.tsv", NULL, NULL, 0));
  TestCall(MeritOutputWrite(out, "summary.json", "{}\n", NULL, 0));
  TestCall(MeritOutputCommit(&out, "summary.json"));
  assert_null(out);
  assert_string_equal(Read("solutions.tsv"), text);
  assert_string_equal(Read("empty.tsv"), "");
  assert_string_equal(Read("summary.json"), "{}\n");
  assert_string_equal(Read(".files"), "solutions.tsv\nempty.tsv\nsummary.json\n");
  assert_int_equal(Entries(folder), 4);
}

static void TestLongTextsGoInBoundedRequests(void **state)
{
  MeritOutput     out;
  const int       n    = 100000;
  char           *text = malloc((size_t)n), *back = malloc((size_t)n);
  const uint32_t *crc;
  uint32_t        hash;
  int64_t         bytes;
  char            path[128];
  MeritFault      fault = {0};

  (void)state;
  setenv("MERIT_MAX_MESSAGE", "1024", 1);
  for (int i = 0; i < n; i++) text[i] = (char)('a' + (i * 7 + rank) % 26);
  TestCall(MeritOutputOpen(COMM, folder, false, &out));
  TestCall(MeritOutputWrite(out, "summary.json", NULL, text, n));
  MeritOutputFiles(out, NULL, NULL, &crc);
  hash = *crc;
  TestCall(MeritOutputCommit(&out, "summary.json"));
  snprintf(path, sizeof(path), "%s/summary.json", folder);
  TestCall(MeritFileSize(COMM, path, &bytes));
  assert_int_equal(bytes, n * size);
  TestCall(MeritFileRead(path, (int64_t)n * rank, n, back, &fault));
  assert_int_equal(fault.kind, MERIT_ERROR_NONE);
  assert_memory_equal(back, text, (size_t)n);
  {
    uint32_t again;

    TestCall(MeritFileHash(COMM, path, &bytes, &again));
    assert_int_equal(again, hash);
  }
  unsetenv("MERIT_MAX_MESSAGE");
  free(text);
  free(back);
}

/* a file with a hole, so that it costs no disk: positions past 2^32 and a part that lies across it */
static void TestPositionsPastFourGibibytesAreRead(void **state)
{
  static const int64_t border = (int64_t)1 << 32;
  char                 path[128], back[100009];
  int64_t              bytes;
  MeritFault           fault = {0};

  (void)state;
  snprintf(path, sizeof(path), "%s/large", base);
  if (rank == 0) {
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    assert_int_equal(pwrite(file, "before", 6, border - 6), 6);
    assert_int_equal(pwrite(file, "behind", 6, border), 6);
    assert_int_equal(pwrite(file, "end", 3, border + 100000), 3);
    assert_int_equal(close(file), 0);
  }
  TestCall(MeritFileSize(COMM, path, &bytes));
  assert_int_equal(bytes, border + 100003);
  setenv("MERIT_MAX_MESSAGE", "65536", 1);
  TestCall(MeritFileRead(path, border - 6, 100009, back, &fault));
  unsetenv("MERIT_MAX_MESSAGE");
  assert_int_equal(fault.kind, MERIT_ERROR_NONE);
  assert_memory_equal(back, "beforebehind", 12);
  assert_memory_equal(back + 100006, "end", 3);
  for (int i = 12; i < 100006; i++) assert_int_equal(back[i], 0);
  TestCall(MeritFileRead(path, border + 100000, 4, back, &fault));
  assert_int_equal(fault.kind, MERIT_ERROR_INPUT);
  assert_non_null(strstr(fault.list[0].text, "ends at byte 4295067299"));
  MeritFaultForget(&fault);
  MPI_Barrier(COMM);
  if (rank == 0) assert_int_equal(unlink(path), 0);
}

static void TestFilesThatCannotBeReadAreNamed(void **state)
{
  char       path[128], byte;
  int64_t    bytes = 0;
  uint32_t   crc;
  MeritFault fault = {0};

  (void)state;
  snprintf(path, sizeof(path), "%s/nothing", base);
  TestRaises(MERIT_ERROR_INPUT, "/nothing: cannot be opened: No such file", MeritFileSize(COMM, path, &bytes));
  TestRaises(MERIT_ERROR_INPUT, "is a folder", MeritFileSize(COMM, base, &bytes));
  TestRaises(MERIT_ERROR_INPUT, "/nothing: cannot be opened", MeritFileHash(COMM, path, &bytes, &crc));
  TestCall(MeritFileRead(path, 0, 1, &byte, &fault));
  TestRaises(MERIT_ERROR_INPUT, "/nothing: cannot be opened", MeritFaultAgree(COMM, &fault));
  memset(&fault, 0, sizeof(fault));
  if (rank == 0) {
    strcpy(folder, base);
    Write("three", "abc");
  }
  MPI_Barrier(COMM);
  snprintf(path, sizeof(path), "%s/three", base);
  TestCall(MeritFileRead(path, 2, 2, &path, &fault));
  TestRaises(MERIT_ERROR_INPUT, "ends at byte 3, but 4 bytes were expected", MeritFaultAgree(COMM, &fault));
  snprintf(path, sizeof(path), "%s/three", base);
  TestCall(MeritFileHash(COMM, path, &bytes, &crc));
  assert_int_equal(crc, 0x352441c2); /* CRC-32 of "abc" */
}

static void TestAFailedRunLeavesNoFolderBehind(void **state)
{
  MeritOutput out;

  (void)state;
  TestCall(MeritOutputOpen(COMM, folder, false, &out));
  WriteLines(out, "solutions.tsv");
  TestCall(MeritOutputAbandonAll());
  MPI_Barrier(COMM);
  assert_int_equal(Entries(folder), -1);
  assert_int_equal(Entries(base), 0);
}

static void OldResult(bool overwrite)
{
  MeritOutput out;

  TestCall(MeritOutputOpen(COMM, folder, overwrite, &out));
  TestCall(MeritOutputWrite(out, "a.tsv", "old a", NULL, 0));
  TestCall(MeritOutputWrite(out, "b.tsv", "old b", NULL, 0));
  TestCall(MeritOutputWrite(out, "summary.json", "old", NULL, 0));
  TestCall(MeritOutputCommit(&out, "summary.json"));
}

static void CheckOld(void)
{
  assert_string_equal(Read("a.tsv"), "old a");
  assert_string_equal(Read("b.tsv"), "old b");
  assert_string_equal(Read("c.tsv"), "(none)");
  assert_string_equal(Read("summary.json"), "old");
  assert_string_equal(Read(".files"), "a.tsv\nb.tsv\nsummary.json\n");
  assert_int_equal(Entries(folder), 4);
}

static void TestAnEarlierResultIsKeptUnlessOverwritten(void **state)
{
  MeritOutput out;

  (void)state;
  OldResult(false);
  TestRaises(MERIT_ERROR_USAGE, "holds an earlier result; --overwrite", MeritOutputOpen(COMM, folder, false, &out));
  CheckOld();
  MPI_Barrier(COMM);
  TestCall(MeritOutputOpen(COMM, folder, true, &out));
  TestCall(MeritOutputWrite(out, "a.tsv", "new a", NULL, 0));
  MPI_Barrier(COMM);
  TestCall(MeritOutputAbandon(&out));
  MPI_Barrier(COMM);
  CheckOld();
  MPI_Barrier(COMM);
  TestCall(MeritOutputOpen(COMM, folder, true, &out));
  TestCall(MeritOutputWrite(out, "a.tsv", "new a", NULL, 0));
  TestCall(MeritOutputWrite(out, "summary.json", "new", NULL, 0));
  TestCall(MeritOutputCommit(&out, "summary.json"));
  assert_string_equal(Read("a.tsv"), "new a");
  assert_string_equal(Read("b.tsv"), "(none)"); /* it belonged to the earlier result */
  assert_string_equal(Read("summary.json"), "new");
  assert_int_equal(Entries(folder), 3);
}

static void TestAFolderWithOtherFilesIsNotTakenByMistake(void **state)
{
  MeritOutput out;

  (void)state;
  strcpy(folder, base);
  if (rank == 0) Write("thesis.txt", "dear");
  MPI_Barrier(COMM);
  TestRaises(MERIT_ERROR_USAGE, "not empty (thesis.txt)", MeritOutputOpen(COMM, folder, false, &out));
  OldResult(true);
  assert_string_equal(Read("thesis.txt"), "dear");
  assert_string_equal(Read("a.tsv"), "old a");
}

static void TestTwoRunsDoNotShareAFolder(void **state)
{
  MeritOutput out, other;

  (void)state;
  TestCall(MeritOutputOpen(COMM, folder, false, &out));
  TestRaises(MERIT_ERROR_USAGE, "another run is writing into this output folder (process", MeritOutputOpen(COMM, folder, true, &other));
  assert_null(other);
  TestCall(MeritOutputWrite(out, "summary.json", "mine", NULL, 0));
  TestCall(MeritOutputCommit(&out, "summary.json"));
  assert_string_equal(Read("summary.json"), "mine");
}

static void TestALockFileOfADeadRunIsNoLock(void **state)
{
  MeritOutput out;

  (void)state;
  if (rank == 0) {
    char path[128];

    snprintf(path, sizeof(path), "%s/new", base);
    mkdir(path, 0777);
    mkdir(folder, 0777);
    Write(".lock", "process 1 on elsewhere");
    snprintf(path, sizeof(path), "%s/.staging", folder);
    mkdir(path, 0777);
    Write(".staging/a.tsv", "half a fi");
  }
  MPI_Barrier(COMM);
  TestCall(MeritOutputOpen(COMM, folder, false, &out));
  TestCall(MeritOutputWrite(out, "summary.json", "mine", NULL, 0));
  TestCall(MeritOutputCommit(&out, "summary.json"));
  assert_int_equal(Entries(folder), 2);
}

/* What a commit of {a, c, summary.json} over {a, b, summary.json} does, one line a rename; see
   src/sys/output_commit.c */
static const char *const steps[][2] = {
    {"summary.json", ".previous/summary.json"},
    {"b.tsv", ".previous/b.tsv"},
    {"a.tsv", ".previous/a.tsv"},
    {".files", ".previous/.files"},
    {".staging/a.tsv", "a.tsv"},
    {".staging/c.tsv", "c.tsv"},
    {".staging/summary.json", "summary.json"}, /* from here on the new result is complete */
    {".staging/.files", ".files"},
};
enum { N_STEPS = sizeof(steps) / sizeof(*steps), COMPLETE = 7 };

/* The state a crash after n of the steps leaves */
static void Crash(int n)
{
  char from[256], to[256];

  snprintf(to, sizeof(to), "%s/.staging", folder);
  assert_int_equal(mkdir(to, 0777), 0);
  snprintf(to, sizeof(to), "%s/.previous", folder);
  assert_int_equal(mkdir(to, 0777), 0);
  Write(".lock", "");
  Write(".staging/a.tsv", "new a");
  Write(".staging/c.tsv", "new c");
  Write(".staging/summary.json", "new");
  Write(".staging/.files", "a.tsv\nc.tsv\nsummary.json\n");
  for (int i = 0; i < n; i++) {
    snprintf(from, sizeof(from), "%s/%s", folder, steps[i][0]);
    snprintf(to, sizeof(to), "%s/%s", folder, steps[i][1]);
    assert_int_equal(rename(from, to), 0);
  }
}

static void TestACrashWithinACommitLosesNoResult(void **state)
{
  MeritOutput out;

  (void)state;
  for (int n = 0; n <= N_STEPS; n++) {
    OldResult(false);
    if (rank == 0) Crash(n);
    MPI_Barrier(COMM);
    TestRaises(MERIT_ERROR_USAGE, "holds an earlier result", MeritOutputOpen(COMM, folder, false, &out));
    if (n < COMPLETE) {
      CheckOld();
    } else {
      assert_string_equal(Read("a.tsv"), "new a");
      assert_string_equal(Read("b.tsv"), "(none)");
      assert_string_equal(Read("c.tsv"), "new c");
      assert_string_equal(Read("summary.json"), "new");
      assert_int_equal(Entries(folder), 4);
    }
    MPI_Barrier(COMM);
    if (rank == 0) RemoveTree(folder);
    MPI_Barrier(COMM);
  }
}

static void TestACrashWhileGoingBackLosesNoResult(void **state)
{
  MeritOutput out;
  char        from[256], to[256];

  (void)state;
  OldResult(false);
  if (rank == 0) { /* a commit stopped after the new c; then going back stopped after the old summary had returned */
    Crash(6);
    for (int i = 5; i >= 4; i--) {
      snprintf(from, sizeof(from), "%s/%s", folder, steps[i][1]);
      snprintf(to, sizeof(to), "%s/%s", folder, steps[i][0]);
      assert_int_equal(rename(from, to), 0);
    }
    snprintf(from, sizeof(from), "%s/.previous/summary.json", folder);
    snprintf(to, sizeof(to), "%s/summary.json", folder);
    assert_int_equal(rename(from, to), 0);
  }
  MPI_Barrier(COMM);
  TestRaises(MERIT_ERROR_USAGE, "holds an earlier result", MeritOutputOpen(COMM, folder, false, &out));
  CheckOld();
}

static void TestAFullDiskIsAnErrorOnEveryRankAndLosesNothing(void **state)
{
  struct rlimit before, tight;
  MeritOutput   out;
  char         *text = calloc(1, 200000);

  (void)state;
  OldResult(false);
  TestCall(MeritOutputOpen(COMM, folder, true, &out));
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  tight          = before;
  tight.rlim_cur = 100000; /* a write beyond fails, as it would on a full disk */
  setrlimit(RLIMIT_FSIZE, &tight);
  TestRaises(MERIT_ERROR_SYSTEM, "a.tsv: cannot be written: File too large",
             MeritOutputWrite(out, "a.tsv", NULL, text, rank == size - 1 ? 200000 : 0));
  setrlimit(RLIMIT_FSIZE, &before);
  MPI_Barrier(COMM);
  TestCall(MeritOutputAbandon(&out));
  MPI_Barrier(COMM);
  CheckOld();
  free(text);
}

static void TestACommitThatCannotBeDoneLeavesAllAsItWas(void **state)
{
  MeritOutput    out;
  PetscErrorCode code;
  char           path[128];

  (void)state;
  OldResult(false);
  TestCall(MeritOutputOpen(COMM, folder, true, &out));
  TestCall(MeritOutputWrite(out, "c.tsv", "new c", NULL, 0));
  TestCall(MeritOutputWrite(out, "summary.json", "new", NULL, 0));
  snprintf(path, sizeof(path), "%s/.staging/c.tsv", folder);
  if (rank == 0) assert_int_equal(unlink(path), 0);
  MPI_Barrier(COMM);
  code = MeritOutputCommit(&out, "summary.json");
  assert_int_not_equal(code, 0);
  assert_int_equal(MeritErrorLast()->kind, MERIT_ERROR_SYSTEM);
  assert_null(out);
  MeritErrorClear();
  MPI_Barrier(COMM);
  CheckOld();
}

static void TestNumbersHaveTwelveDigits(void **state)
{
  static const double      x[]    = {0.1, -0.0, 1. / 3, 1e-300, 123456789012345., NAN, -2};
  static const char *const want[] = {"0.1", "0", "0.333333333333", "1e-300", "1.23456789012e+14", "NA", "-2"};
  MeritText                text   = {0};

  (void)state;
  for (int i = 0; i < 7; i++) {
    text.n = 0;
    TestCall(MeritTextAddReal(&text, x[i]));
    assert_string_equal(text.at, want[i]);
  }
  text.n = 0;
  for (int i = 0; i < 300; i++) TestCall(MeritTextAdd(&text, "%0*d", i, 7));
  assert_int_equal(text.n, 300 * 299 / 2 + 1);
  TestCall(MeritTextAddBytes(&text, "a\0b", 3));
  assert_memory_equal(text.at + text.n - 3, "a\0b", 4);
  MeritTextFree(&text);
  assert_null(text.at);
}

/* 12 digits as the C library writes them: near ties, at the borders of the two notations, of all magnitudes */
static void TestNumbersAreWrittenAsPrintfDoes(void **state)
{
  static const double at[] = {999999999999.5,
                              999999999999.49,
                              123456789012.5,
                              99999999999.95,
                              1e12,
                              1e11,
                              0.0001,
                              0.00009999999999999,
                              0.000099999999999949,
                              2.5e-5,
                              0.1,
                              1e22,
                              1e23,
                              1e34,
                              1e300,
                              5e-324,
                              9999999999995e-13};
  uint64_t            bits = 88172645463325252u;
  MeritText           text = {0};
  char                want[64];

  (void)state;
  for (int i = 0; i < 200000; i++) {
    double x = at[i % 17];

    bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
    if (i < 170)
      for (int k = 0; k < i / 34; k++) x = nextafter(x, i % 2 ? INFINITY : 0.0);
    else x = ldexp((double)(int64_t)bits, i % 3 ? -63 - (int)(bits % 7) * i / 170 % 90 : -64);
    if (i % 3 == 0 && i > 170) x = (double)(int64_t)(bits >> 20) / 1000.0;
    text.n = 0;
    TestCall(MeritTextAddReal(&text, x));
    snprintf(want, sizeof(want), "%.12g", x);
    assert_string_equal(text.at, want);
    text.n = 0;
    TestCall(MeritTextAddInteger(&text, (int64_t)(bits >> i % 64) * (i % 2 ? 1 : -1)));
    snprintf(want, sizeof(want), "%lld", (long long)(int64_t)(bits >> i % 64) * (i % 2 ? 1 : -1));
    assert_string_equal(text.at, want);
  }
  MeritTextFree(&text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, Setup, Teardown)
static const struct CMUnitTest tests[] = {
    TEST(TestNumbersAreWrittenAsPrintfDoes),
    TEST(TestAResultAppearsAsAWholeAtTheEnd),
    TEST(TestLongTextsGoInBoundedRequests),
    TEST(TestPositionsPastFourGibibytesAreRead),
    TEST(TestFilesThatCannotBeReadAreNamed),
    TEST(TestAFailedRunLeavesNoFolderBehind),
    TEST(TestAnEarlierResultIsKeptUnlessOverwritten),
    TEST(TestAFolderWithOtherFilesIsNotTakenByMistake),
    TEST(TestTwoRunsDoNotShareAFolder),
    TEST(TestALockFileOfADeadRunIsNoLock),
    TEST(TestACrashWithinACommitLosesNoResult),
    TEST(TestACrashWhileGoingBackLosesNoResult),
    TEST(TestAFullDiskIsAnErrorOnEveryRankAndLosesNothing),
    TEST(TestACommitThatCannotBeDoneLeavesAllAsItWas),
    TEST(TestNumbersHaveTwelveDigits),
};

TEST_MAIN(tests)
