/*
  Ids, names and attributes of animals that follow from their number alone.

  Any rank can write the id, sex or year of birth of any animal without asking for it: parents on
  other ranks need no message.
*/
#include "sim.h"
#include <string.h>

/* Decimal digits of n, at least `least` */
static int Digits(int64_t n, int least)
{
  int digits = 1;

  while (n >= 10) n /= 10, digits++;
  return PetscMax(digits, least);
}

/* Prefix and number, padded with zeros */
static void Label(char text[32], const char prefix[], int64_t number, int digits)
{
  char   figures[24];
  int    at   = 23;
  size_t used = 0;

  figures[at] = 0;
  for (; (number > 0 || digits > 0) && at > 0; number /= 10, digits--) figures[--at] = (char)('0' + number % 10);
  while (*prefix && used < 7) text[used++] = *prefix++;
  memcpy(text + used, figures + at, (size_t)(24 - at));
}

/* SimIdText - See the header. Not collective. */
void SimIdText(const SimSpec *spec, int64_t number, bool male, char text[32])
{
  if (number == SIM_UNKNOWN) Label(text, "0", 0, 0);
  else Label(text, male ? "BULL" : "COW", number + 1, Digits(spec->animals, 7));
}

/* SimHerdText - See the header. Not collective. */
void SimHerdText(const SimSpec *spec, int64_t herd, char text[32]) { Label(text, "H", herd + 1, Digits(spec->herds, 4)); }

/* SimSnpText - See the header. Not collective. */
void SimSnpText(const SimSpec *spec, int32_t snp, char text[32]) { Label(text, "SNP", (int64_t)snp + 1, Digits(spec->snps, 5)); }

/* SimIsMale - See the header. Not collective. */
bool SimIsMale(const SimSpec *spec, int64_t number)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_SEX, (uint64_t)number);

  return MeritRandomUniform(&key, 0) < spec->males;
}

/* SimBirthYear - See the header. Not collective. */
int SimBirthYear(const SimSpec *spec, int64_t number)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_YEAR, (uint64_t)number);

  return SIM_BASE_YEAR + (int)(spec->years * MeritBlockOwner(spec->animals, spec->generations, number)) +
         (int)MeritRandomBelow(&key, 0, (uint64_t)spec->years);
}
