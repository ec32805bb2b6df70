#pragma once
#include <merit/error.h>
#include <stdarg.h>

/* MeritRaise with a column, for what YAML and the command line point at. */
PetscErrorCode MeritRaiseAt(MeritErrorKind kind, const char file[], int64_t line, int64_t column,
                            const char id[], const char format[], va_list args);

size_t MeritErrorPlace(const MeritErrorInfo *e, int64_t column, char text[], size_t size);
void   MeritErrorFill(MeritErrorInfo *e, MeritErrorKind kind, const char file[], int64_t line, int64_t column,
                      const char id[], const char format[], va_list args);
PetscErrorCode MeritErrorRaise(const MeritErrorInfo *e, int n_further, const MeritErrorInfo further[],
                               int64_t n_left);
/* Letters to change, add, leave out, or exchange with the next one to make one word of another; 64 beyond 63 letters. */
int MeritWordDistance(const char a[], const char b[]);
