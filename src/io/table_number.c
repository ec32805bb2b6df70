/*
  Decimal numbers, correctly rounded. Nearly all numbers of data files have an integer below 2^53 for their
  digits and a power of ten of at most 22: both are exact in double, so that one multiplication or division
  rounds once (Clinger, 1990). The rest goes to the C library, in the C locale whatever the program's.
*/
#include "table_private.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Digits of a number longer than this are nobody's measurement */
#define NUMBER_ROOM 1024

static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A number taken apart: digits * 10^power */
typedef struct {
  bool     negative;
  bool     exact;  /* all significant digits are in `digits` */
  uint64_t digits;
  int      power;
} Parts;

static bool IsDigit(char c)
{
  return c >= '0' && c <= '9';
}

static const char *Digits(const char *p, const char *end, bool fraction, Parts *parts)
{
  for (; p < end && IsDigit(*p); p++) {
    if (parts->digits < UINT64_C(1000000000000000000)) {
      parts->digits = parts->digits * 10 + (uint64_t)(*p - '0');
      if (fraction) parts->power--;
    } else {
      parts->exact = false;
    }
  }
  return p;
}

static const char *Exponent(const char *p, const char *end, Parts *parts)
{
  bool        negative = false;
  int         power    = 0;
  const char *from;

  if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
  for (from = p; p < end && IsDigit(*p); p++)
    if (power < 100000) power = 10 * power + (*p - '0');
  parts->power += negative ? -power : power;
  return p > from ? p : NULL;
}

/* Sign, digits with at most one point, exponent: whether that is all there is */
static bool TakeApart(const char *p, const char *end, char point, Parts *parts)
{
  const char *from;
  ptrdiff_t   n;

  *parts = (Parts){.exact = true};
  if (p < end && (*p == '+' || *p == '-')) parts->negative = *p++ == '-';
  from = p;
  p    = Digits(p, end, false, parts);
  n    = p - from;
  if (p < end && *p == point) {
    from = ++p;
    p    = Digits(p, end, true, parts);
    n += p - from;
  }
  if (n == 0) return false;
  if (p < end && (*p == 'e' || *p == 'E')) p = Exponent(p + 1, end, parts);
  return p == end;
}

static locale_t CLocale(void)
{
  static locale_t c; /* made once, kept to the end of the program */

  if (!c) c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return c;
}

static TableNumberFault Convert(const char *at, size_t n, double *value)
{
  char text[NUMBER_ROOM];

  if (n >= NUMBER_ROOM) return TABLE_NUMBER_NOT;
  memcpy(text, at, n);
  text[n] = 0;
  *value  = strtod_l(text, NULL, CLocale());
  return isinf(*value) ? TABLE_NUMBER_LARGE : TABLE_NUMBER_OK;
}

TableNumberFault TableNumberParse(const char at[], size_t n, double *value)
{
  Parts  parts;
  double x;

  if (!TakeApart(at, at + n, '.', &parts))
    return TakeApart(at, at + n, ',', &parts) ? TABLE_NUMBER_COMMA : TABLE_NUMBER_NOT;
  if (!parts.exact || parts.digits > UINT64_C(1) << 53 || parts.power < -22 || parts.power > 22)
    return Convert(at, n, value);
  x      = (double)parts.digits;
  x      = parts.power < 0 ? x / power_of_ten[-parts.power] : x * power_of_ten[parts.power];
  *value = parts.negative ? -x : x;
  return TABLE_NUMBER_OK;
}
