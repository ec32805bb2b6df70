#pragma once
#include <merit/error.h>
#include <stdarg.h>

/* MeritRaise with a column, for what YAML and the command line point at. */
PetscErrorCode MeritRaiseAt(MeritErrorKind kind, const char file[], int64_t line, int64_t column,
                            const char id[], const char format[], va_list args);
