#pragma once
/*
  cmocka under MPI: every rank runs the same tests. On one rank a failed check ends its test, and the next test runs. On more ranks it ends the
  program on all of them at once, after the check is printed: the other ranks may wait for this one in a collective call.
*/
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <petscsys.h>
#include <merit/error.h>

/* PetscCall for test functions: a non-zero code fails the test */
#define TestCall(...) assert_int_equal((int)(__VA_ARGS__), 0)

/* The folder of the reference data, or NULL if it is not there. Not collective; borrowed from the environment. */
static inline const char *TestShared(void)
{
  const char *path = getenv("MERIT_SHARED_DATA");

  return path && path[0] && !access(path, R_OK) ? path : NULL;
}

/* The test needs something that this machine may lack: without it the test ends here, as a failure if MERIT_REQUIRE_ALL is 1 */
#define TestNeeds(there, what)                                                                                                                       \
  do {                                                                                                                                               \
    const char *all_ = getenv("MERIT_REQUIRE_ALL");                                                                                                  \
                                                                                                                                                     \
    if (there) break;                                                                                                                                \
    if (all_ && !strcmp(all_, "1")) fail_msg("lacking: %s", what);                                                                                   \
    print_message("SKIPPED: lacking: %s\n", what);                                                                                                   \
    return;                                                                                                                                          \
  } while (0)

/* The call must raise: `kind` on every rank, and the text must contain `words`. */
#define TestRaises(kind_, words, ...)                                                                                                                \
  do {                                                                                                                                               \
    assert_int_not_equal((int)(__VA_ARGS__), 0);                                                                                                     \
    assert_int_equal((int)MeritErrorLast()->kind, (int)(kind_));                                                                                     \
    assert_non_null(strstr(MeritErrorLast()->text, (words)));                                                                                        \
    MeritErrorClear();                                                                                                                               \
  } while (0)

static PetscErrorCode TestQuietHandler(MPI_Comm comm, int line, const char *func, const char *file, PetscErrorCode code, PetscErrorType type,
                                       const char *text, void *ctx)
{
  (void)comm, (void)line, (void)func, (void)file, (void)type, (void)text, (void)ctx;
  return code;
}

/* main() of every test program; WITH what is made before all tests, and removed behind them */
#define TEST_MAIN_WITH(tests, before, after)                                                                                                         \
  int main(int argc, char **argv)                                                                                                                    \
  {                                                                                                                                                  \
    int failed, any, n_ranks;                                                                                                                        \
    if (PetscInitialize(&argc, &argv, NULL, NULL)) return 1;                                                                                         \
    MPI_Comm_size(PETSC_COMM_WORLD, &n_ranks);                                                                                                       \
    /* a failed check calls abort(), and the launcher ends the other ranks */                                                                        \
    if (n_ranks > 1) setenv("CMOCKA_TEST_ABORT", "1", 1);                                                                                            \
    PetscPushErrorHandler(TestQuietHandler, NULL);                                                                                                   \
    failed = cmocka_run_group_tests(tests, before, after);                                                                                           \
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);                                                                             \
    PetscPopErrorHandler();                                                                                                                          \
    if (PetscFinalize()) return 1;                                                                                                                   \
    return any ? 1 : 0;                                                                                                                              \
  }
#define TEST_MAIN(tests) TEST_MAIN_WITH(tests, NULL, NULL)
