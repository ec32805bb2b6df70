#pragma once
#include <merit/sys.h>

/* Room for any number that is written, with its 0 */
enum { DECIMAL_ROOM = 32 };

/* What printf makes of "%.12g" in the C locale, byte for byte; returns the length. Not collective. */
PETSC_INTERN size_t DecimalReal(double value, char text[DECIMAL_ROOM]);
/* The digits of a whole number; returns the length, writes no 0 at the end. Not collective. */
PETSC_INTERN size_t DecimalInteger(int64_t value, char text[DECIMAL_ROOM]);
