#pragma once
#include <merit/error.h>
#include <stdarg.h>

/* MeritRaise with a column (from 1, 0 unknown), for job files. Logically collective: all ranks with the same arguments. */
PetscErrorCode MeritRaiseAt(MeritErrorKind kind, const char file[], int64_t line, int64_t column, const char id[], const char format[], va_list args);

/* "file:line:column: id: ", the beginning of an error's text, into text [size]; returns its length. Not collective. */
size_t MeritErrorPrefix(const MeritErrorInfo *e, int64_t column, char text[], size_t size);
/* Set all fields of *e, the text by format and args. Not collective. */
void MeritErrorFill(MeritErrorInfo *e, MeritErrorKind kind, const char file[], int64_t line, int64_t column, const char id[], const char format[],
                    va_list args);
/* Raise *e, which all ranks hold alike, with n_further other faults and n_left that are only counted. Logically
   collective. Returns the PETSc error code, to be passed to PetscCall. */
PetscErrorCode MeritErrorRaise(const MeritErrorInfo *e, int n_further, const MeritErrorInfo further[], int64_t n_left);
/* Fewest letters to change, add, leave out, or exchange with the next one to make word b of word a (Damerau 1964); 64 if a
   word has more than 63 letters. Not collective. */
int MeritWordDistance(const char a[], const char b[]);
