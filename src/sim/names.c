#include "sim.h"
#include <stdio.h>

/* Decimal digits of n, at least `least`. */
int SimDigits(int64_t n, int least)
{
  int digits = 1;

  while (n >= 10) n /= 10, digits++;
  return PetscMax(digits, least);
}

/* The id written for an animal: its number from 1, padded, so that ids sort by birth. */
void SimIdText(const SimSpec *spec, int64_t number, bool male, char text[32])
{
  if (number == SIM_UNKNOWN) snprintf(text, 32, "0");
  else snprintf(text, 32, "%s%0*lld", male ? "BULL" : "COW", SimDigits(spec->animals, 7), (long long)number + 1);
}

void SimHerdText(const SimSpec *spec, int64_t herd, char text[32])
{
  snprintf(text, 32, "H%0*lld", SimDigits(spec->herds, 4), (long long)herd + 1);
}

void SimSnpText(const SimSpec *spec, int32_t snp, char text[32])
{
  snprintf(text, 32, "SNP%0*d", SimDigits(spec->snps, 5), (int)snp + 1);
}

bool SimIsMale(const SimSpec *spec, int64_t number)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_SEX, (uint64_t)number);

  return MeritRandomUniform(&key, 0) < spec->males;
}

/* Year of birth: uniform over the years of the animal's generation. */
int SimBirthYear(const SimSpec *spec, int64_t number)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_YEAR, (uint64_t)number);

  return SIM_BASE_YEAR + (int)(spec->years * MeritBlockOwner(spec->animals, spec->generations, number)) +
         (int)MeritRandomBelow(&key, 0, (uint64_t)spec->years);
}
