/*
  Decimal numbers, correctly rounded.

  Nearly all numbers in data files have digits below 2^53 and a power of ten of at most 22. Both
  are exact in double, so one multiplication or division rounds once and correctly (Clinger 1990).
  Other numbers go to strtod in the C locale, whatever the locale of the program.
*/
#include "table_private.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Most characters of a number; a longer one is not a measurement */
#define NUMBER_ROOM 1024

/* Powers of ten that double holds exactly */
static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A number taken apart: digits * 10^power */
typedef struct {
  bool     negative;
  bool     exact; /* all significant digits are in `digits` */
  uint64_t digits;
  int      power;
} Parts;

static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/* Digits into parts->digits, up to 18 or 19 of them; more make the value inexact. Returns the
   position behind them. */
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

/* The exponent behind an e; NULL if it has no digits */
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

/* Split a number into sign, digits with at most one `point`, and exponent; false if there is
   anything else */
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

/* The C locale, made at the first call */
static locale_t CLocale(void)
{
  static locale_t c; /* made once, kept to the end of the program */

  if (!c) c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return c;
}

/* The C library's conversion; too large a number is a fault, too small a one is 0. It is
   given a copy with a 0 at the end, since a field has none. TakeApart() has seen all
   characters, so strtod reads the whole text. */
static TableNumberFault Convert(const char *at, size_t n, double *value)
{
  char text[NUMBER_ROOM];

  if (n >= NUMBER_ROOM) return TABLE_NUMBER_NOT;
  memcpy(text, at, n);
  text[n] = 0;
  *value  = strtod_l(text, NULL, CLocale());
  return isinf(*value) ? TABLE_NUMBER_LARGE : TABLE_NUMBER_OK;
}

/* TableNumberParse - See the header. A number that is valid with a comma as point gets a fault of
   its own. Not collective. */
TableNumberFault TableNumberParse(const char at[], size_t n, double *value)
{
  Parts  parts;
  double x;

  if (!TakeApart(at, at + n, '.', &parts)) return TakeApart(at, at + n, ',', &parts) ? TABLE_NUMBER_COMMA : TABLE_NUMBER_NOT;
  if (!parts.exact || parts.digits > UINT64_C(1) << 53 || parts.power < -22 || parts.power > 22) return Convert(at, n, value);
  x      = (double)parts.digits;
  x      = parts.power < 0 ? x / power_of_ten[-parts.power] : x * power_of_ten[parts.power];
  *value = parts.negative ? -x : x;
  return TABLE_NUMBER_OK;
}
