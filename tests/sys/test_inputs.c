#include <merit_test.h>
#include <merit/file.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMM PETSC_COMM_WORLD
static PetscMPIInt rank;
static char        base[64];

static int Setup(void **state)
{
  (void)state;
  MPI_Comm_rank(COMM, &rank);
  strcpy(base, "/tmp/merit_inputs_XXXXXX");
  if (rank == 0 && !mkdtemp(base)) return 1;
  return MPI_Bcast(base, sizeof(base), MPI_CHAR, 0, COMM);
}

static int Teardown(void **state)
{
  (void)state;
  MPI_Barrier(COMM);
  return rank == 0 ? rmdir(base) : 0;
}

static void Write(const char path[], const char text[])
{
  FILE *file = fopen(path, "w");

  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* not one of them is waited for */
static void TestPipesAndDevicesAreRefused(void **state)
{
  char       path[128], byte;
  int64_t    bytes = 0;
  int        file;
  MeritFault fault = {0};

  (void)state;
  snprintf(path, sizeof(path), "%s/pipe", base);
  if (rank == 0) assert_int_equal(mkfifo(path, 0600), 0);
  MPI_Barrier(COMM);
  TestRaises(MERIT_ERROR_INPUT, "/pipe: is a pipe, not a file", MeritFileSize(COMM, path, &bytes));
  TestRaises(MERIT_ERROR_INPUT, "/dev/zero: is a device, not a file", MeritFileSize(COMM, "/dev/zero", &bytes));
  TestCall(MeritFileRead(path, 0, 1, &byte, &fault));
  TestRaises(MERIT_ERROR_INPUT, "is a pipe", MeritFaultAgree(COMM, &fault));
  memset(&fault, 0, sizeof(fault));
  TestCall(MeritFileOpen(path, &file, &bytes, &fault));
  assert_int_equal(file, -1);
  TestRaises(MERIT_ERROR_INPUT, "is a pipe", MeritFaultAgree(COMM, &fault));
  MPI_Barrier(COMM);
  if (rank == 0) assert_int_equal(unlink(path), 0);
}

static void MustHaveBecome(const char path[], const char words[])
{
  char what[128];

  MPI_Barrier(COMM);
  TestCall(MeritFileChanged(COMM, path, sizeof(what), what));
  assert_string_equal(what, words);
  MPI_Barrier(COMM);
}

static void TestAFileThatIsChangedAfterItWasReadIsKnown(void **state)
{
  char            path[128], other[140];
  int64_t         bytes    = 0;
  struct timespec times[2] = {{1000, 0}, {1000, 1}};
  MeritFault      fault    = {0};

  (void)state;
  snprintf(path, sizeof(path), "%s/seen", base);
  snprintf(other, sizeof(other), "%s.new", path);
  MustHaveBecome(path, "");
  if (rank == 0) Write(path, "abc");
  MPI_Barrier(COMM);
  TestCall(MeritFileSize(COMM, path, &bytes));
  MustHaveBecome(path, "");
  if (rank == 0) Write(path, "abcd");
  MustHaveBecome(path, "changed from 3 to 4 bytes");
  if (rank == 0) TestCall(MeritFileCheck(path, &fault));
  TestRaises(MERIT_ERROR_INPUT, "changed from 3 to 4 bytes while it was read", MeritFaultAgree(COMM, &fault));
  TestCall(MeritFileSize(COMM, path, &bytes));
  MustHaveBecome(path, "");
  if (rank == 0) assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  MustHaveBecome(path, "was written anew");
  if (rank == 0) Write(other, "abcd");
  if (rank == 0) assert_int_equal(rename(other, path), 0);
  MustHaveBecome(path, "was replaced by another file of its name");
  if (rank == 0) assert_int_equal(unlink(path), 0);
  MustHaveBecome(path, "went away");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestPipesAndDevicesAreRefused),
    cmocka_unit_test(TestAFileThatIsChangedAfterItWasReadIsKnown),
};

TEST_MAIN_WITH(tests, Setup, Teardown)
