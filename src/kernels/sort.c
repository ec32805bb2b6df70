/* Radix sort of 64-bit keys with a 32-bit value each, least significant digit first. */
#include <merit/ancestry.h>

/* Bits of a digit: six passes sort 64 bits, and the counts of a pass stay in the first-level cache */
enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* One pass by the digit at `shift`; false, and nothing moved, if all keys have the same digit */
static bool Pass(int64_t n, int shift, const uint64_t key[], const int32_t value[], uint64_t to_key[], int32_t to_value[])
{
  int64_t first[DIGITS + 1] = {0};

  for (int64_t i = 0; i < n; i++) first[(key[i] >> shift & (DIGITS - 1)) + 1]++;
  for (int d = 1; d <= DIGITS; d++)
    if (first[d] == n) return false;
  for (int d = 0; d < DIGITS; d++) first[d + 1] += first[d];
  for (int64_t i = 0; i < n; i++) {
    int64_t at = first[key[i] >> shift & (DIGITS - 1)]++;

    to_key[at]   = key[i];
    to_value[at] = value[i];
  }
  return true;
}

/*@
  MeritSortKeys - Sort keys ascending and carry a value along with each; a stable radix sort, linear in n.

  Not collective.

  Input Parameter:
. n - how many

  Input/Output Parameters:
+ key   - [n]
- value - [n]
@*/
PetscErrorCode MeritSortKeys(int64_t n, uint64_t key[], int32_t value[])
{
  uint64_t *from_key   = key, *to_key, *spare_key;
  int32_t  *from_value = value, *to_value, *spare_value;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &spare_key, n, &spare_value));
  to_key   = spare_key;
  to_value = spare_value;
  for (int shift = 0; n > 1 && shift < 64; shift += DIGIT_BITS) {
    if (!Pass(n, shift, from_key, from_value, to_key, to_value)) continue;
    to_key     = from_key;
    to_value   = from_value;
    from_key   = to_key == key ? spare_key : key;
    from_value = to_value == value ? spare_value : value;
    /* The roles of the two pairs of arrays are exchanged after each pass */
  }
  if (from_key != key) {
    PetscCall(PetscArraycpy(key, from_key, n));
    PetscCall(PetscArraycpy(value, from_value, n));
  }
  PetscCall(PetscFree2(spare_key, spare_value));
  PetscFunctionReturn(PETSC_SUCCESS);
}
