#pragma once
/* cmocka under MPI: every rank runs the same tests; a failure on one rank fails the program. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <petscsys.h>
#include <merit/error.h>

/* PetscCall for test functions: a non-zero code fails the test */
#define TestCall(...) assert_int_equal((int)(__VA_ARGS__), 0)

/* The call must raise: `kind` on every rank, and the text must contain `words`. */
#define TestRaises(kind_, words, ...)                                                                        \
  do {                                                                                                       \
    assert_int_not_equal((int)(__VA_ARGS__), 0);                                                             \
    assert_int_equal((int)MeritErrorLast()->kind, (int)(kind_));                                             \
    assert_non_null(strstr(MeritErrorLast()->text, (words)));                                                \
    MeritErrorClear();                                                                                       \
  } while (0)

static PetscErrorCode TestQuietHandler(MPI_Comm comm, int line, const char *func, const char *file,
                                       PetscErrorCode code, PetscErrorType type, const char *text, void *ctx)
{
  (void)comm, (void)line, (void)func, (void)file, (void)type, (void)text, (void)ctx;
  return code;
}

/* main() of every test program; WITH what is made before all tests, and removed behind them */
#define TEST_MAIN_WITH(tests, before, after)                                                                 \
  int main(int argc, char **argv)                                                                            \
  {                                                                                                          \
    int failed, any;                                                                                         \
    if (PetscInitialize(&argc, &argv, NULL, NULL)) return 1;                                                 \
    PetscPushErrorHandler(TestQuietHandler, NULL);                                                           \
    failed = cmocka_run_group_tests(tests, before, after);                                                   \
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);                                     \
    PetscPopErrorHandler();                                                                                  \
    if (PetscFinalize()) return 1;                                                                           \
    return any ? 1 : 0;                                                                                      \
  }
#define TEST_MAIN(tests) TEST_MAIN_WITH(tests, NULL, NULL)
