/*
  Numbers as text, fast. A real number times a power of ten that long double holds exactly is rounded once; where the result is so
  close to the middle between two whole numbers that this rounding could matter, the C library decides.
*/
#include "decimal.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Significant digits of all numbers in tables */
enum { DIGITS = 12 };

/* Powers of ten that double and long double hold exactly: 5^22 < 2^53 */
static const long double power_of_ten[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,  1e10L, 1e11L,
                                           1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L};
static const int         MOST_POWER     = 22;

/* Decimal digits of a positive normal number: value = digits * 10^(exponent - DIGITS + 1), rounded
   to DIGITS digits. False when the rounding is not certain or the power of ten is not exact; the
   caller then uses printf. */
static bool Digits(double value, uint64_t *digits, int *exponent)
{
  long double scaled = 0.0L, fraction;
  int         e;

  /* 0.30103 = log10(2): the first guess of the decimal exponent is at most 1 too small */
  frexp(value, &e);
  e = (int)floor(0.30102999566398120 * (e - 1));
  for (int tries = 0; tries < 3; tries++) {
    const int power = DIGITS - 1 - e;

    if (power > MOST_POWER || power < -MOST_POWER) return false;
    scaled = power >= 0 ? (long double)value * power_of_ten[power] : (long double)value / power_of_ten[-power];
    if (scaled >= 1e12L) e++;
    else if (scaled < 1e11L) e--;
    else break;
  }
  /* The product has one rounding error of at most half a unit in the last digit; 4 units are a wide
     margin */
  *digits  = (uint64_t)scaled;
  fraction = scaled - (long double)*digits;
  if (fabsl(fraction - 0.5L) <= 4.0L * LDBL_EPSILON * scaled) return false;
  *digits += fraction > 0.5L;
  *exponent = e;
  if (*digits == UINT64_C(1000000000000)) {
    *digits /= 10;
    ++*exponent;
  }
  return *digits >= UINT64_C(100000000000) && *digits < UINT64_C(1000000000000);
}

/* Write n digits with the decimal point after the first `whole`; returns the length. Missing digits
   before the point are 0. */
static size_t Put(const char digit[], int n, int whole, char text[])
{
  size_t length = 0;

  for (int i = 0; i < whole; i++) text[length++] = i < n ? digit[i] : '0';
  if (n > whole) text[length++] = '.';
  for (int i = whole; i < n; i++) text[length++] = digit[i];
  return length;
}

/* DecimalReal - See the header. Zero, subnormal numbers, infinities and doubtful roundings go to
   printf. Not collective. */
size_t DecimalReal(double value, char text[DECIMAL_ROOM])
{
  uint64_t digits;
  size_t   length = 0;
  int      exponent, n = DIGITS;
  char     digit[DIGITS];

  if (!(isnormal(value) && Digits(fabs(value), &digits, &exponent))) return (size_t)snprintf(text, DECIMAL_ROOM, "%.12g", value);
  if (value < 0) text[length++] = '-';
  for (int i = DIGITS - 1; i >= 0; i--, digits /= 10) digit[i] = (char)('0' + digits % 10);
  /* "%g" drops trailing zeros, and takes the exponent form below 1e-4 and from 1e12 on */
  while (n > 1 && digit[n - 1] == '0') n--;
  if (exponent < -4 || exponent >= DIGITS) {
    length += Put(digit, n, 1, text + length);
    length += (size_t)snprintf(text + length, DECIMAL_ROOM - length, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
  } else if (exponent < 0) {
    memcpy(text + length, "0.000", (size_t)(1 - exponent));
    length += (size_t)(1 - exponent);
    memcpy(text + length, digit, (size_t)n);
    length += (size_t)n;
  } else {
    length += Put(digit, n, exponent + 1, text + length);
  }
  text[length] = 0;
  return length;
}

/* DecimalInteger - See the header. Unsigned arithmetic, since -INT64_MIN does not exist. Not
   collective. */
size_t DecimalInteger(int64_t value, char text[DECIMAL_ROOM])
{
  uint64_t rest   = value < 0 ? -(uint64_t)value : (uint64_t)value;
  size_t   length = 0, at = DECIMAL_ROOM;
  char     digit[DECIMAL_ROOM];

  do {
    digit[--at] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (value < 0) text[length++] = '-';
  memcpy(text + length, digit + at, DECIMAL_ROOM - at);
  return length + DECIMAL_ROOM - at;
}
