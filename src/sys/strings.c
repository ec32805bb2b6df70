/*
  A pool of distinct strings with codes 0, 1, 2, ... in order of first appearance.

  Hash table with open addressing over one array of bytes: a string costs its bytes + 1 and about
  20 bytes of tables. (Hash tables that allocate each key would take 50 to 100 bytes for each of
  ten million ids.)
*/
#include <merit/strings.h>
#include <stdlib.h>
#include <string.h>

/* Strings that are looked up together, see Fetch() */
enum { AT_ONCE = 64 };

/* The stored hash avoids most comparisons of strings, and all of them when the table grows */
typedef struct {
  uint32_t hash; /* low half */
  int32_t  code; /* or -1 */
} Slot;

struct _p_MeritStrings {
  char    *bytes; /* strings one after another, each with its 0; owned */
  size_t   used, capacity;
  size_t  *start;   /* [n + 1] where string c begins in bytes; owned */
  int32_t  n, room; /* strings held; room of start */
  Slot    *slot;    /* [mask + 1]; owned */
  uint64_t mask;    /* number of slots - 1, slots a power of two */
};

/* MeritStringsHash - 64-bit FNV-1a with a final mix, the same everywhere. */
uint64_t MeritStringsHash(const char at[], size_t length)
{
  uint64_t h = 0xcbf29ce484222325u;

  for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)at[i]) * 0x100000001b3u;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  return h ^ (h >> 32);
}

/* MeritStringsCreate - Make an empty pool. Not collective; free with `MeritStringsDestroy()`. */
PetscErrorCode MeritStringsCreate(MeritStrings *pool)
{
  MeritStrings p;

  PetscFunctionBegin;
  PetscCall(PetscNew(&p));
  p->room     = 16;
  p->capacity = 256;
  p->mask     = 31;
  p->start    = malloc((size_t)(p->room + 1) * sizeof(*p->start));
  p->bytes    = malloc(p->capacity);
  p->slot     = malloc((p->mask + 1) * sizeof(*p->slot));
  PetscCheck(p->start && p->bytes && p->slot, PETSC_COMM_SELF, PETSC_ERR_MEM, "string pool");
  p->start[0] = 0;
  memset(p->slot, -1, (p->mask + 1) * sizeof(*p->slot));
  *pool = p;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Slot of the string, or the free slot where it belongs */
static uint64_t Probe(MeritStrings p, uint32_t hash, const char at[], size_t length)
{
  uint64_t s = hash & p->mask;

  for (; p->slot[s].code >= 0; s = (s + 1) & p->mask) {
    const size_t *start = p->start + p->slot[s].code;

    if (p->slot[s].hash != hash) continue;
    if (start[1] - start[0] == length + 1 && !memcmp(p->bytes + start[0], at, length)) break;
  }
  return s;
}

/* Double the slots; strings need not be read again, since slots hold their hashes */
static PetscErrorCode GrowSlots(MeritStrings p)
{
  const uint64_t mask = 2 * p->mask + 1;
  Slot          *slot = malloc((mask + 1) * sizeof(*slot));

  PetscFunctionBegin;
  PetscCheck(slot, PETSC_COMM_SELF, PETSC_ERR_MEM, "string pool of %d strings", p->n);
  memset(slot, -1, (mask + 1) * sizeof(*slot));
  for (uint64_t i = 0; i <= p->mask; i++) {
    uint64_t s = p->slot[i].hash & mask;

    if (p->slot[i].code < 0) continue;
    while (slot[s].code >= 0) s = (s + 1) & mask;
    slot[s] = p->slot[i];
  }
  free(p->slot);
  p->slot = slot;
  p->mask = mask;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Room for one more string of `length` bytes and its bounds */
static PetscErrorCode GrowBytes(MeritStrings p, size_t length)
{
  PetscFunctionBegin;
  while (p->used + length + 1 > p->capacity) {
    char *bytes = realloc(p->bytes, p->capacity + p->capacity / 2);

    PetscCheck(bytes, PETSC_COMM_SELF, PETSC_ERR_MEM, "string pool of %zu bytes", p->capacity);
    p->bytes = bytes;
    p->capacity += p->capacity / 2;
  }
  if (p->n == p->room) {
    const int32_t room  = p->room < INT32_MAX / 2 ? 2 * p->room : INT32_MAX - 1;
    size_t       *start = room > p->n ? realloc(p->start, ((size_t)room + 1) * sizeof(*start)) : NULL;

    PetscCheck(start, PETSC_COMM_SELF, PETSC_ERR_MEM, "string pool of %d strings", p->n);
    p->start = start;
    p->room  = room;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStringsIntern with the hash already computed */
static PetscErrorCode Intern(MeritStrings p, uint32_t hash, const char at[], size_t length, int32_t *code)
{
  const uint64_t s = Probe(p, hash, at, length);

  PetscFunctionBegin;
  if (p->slot[s].code < 0) {
    PetscCall(GrowBytes(p, length));
    if (length) memcpy(p->bytes + p->used, at, length);
    p->bytes[p->used + length] = 0;
    p->used += length + 1;
    *code          = p->n++;
    p->start[p->n] = p->used;
    p->slot[s]     = (Slot){hash, *code};
    /* At most 70 % of the slots are used */
    if ((uint64_t)p->n * 10 > (p->mask + 1) * 7) PetscCall(GrowSlots(p));
  } else {
    *code = p->slot[s].code;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStringsIntern - Code of a string, added if it is new. Not collective; the bytes are copied. */
PetscErrorCode MeritStringsIntern(MeritStrings p, const char at[], size_t length, int32_t *code)
{
  PetscFunctionBegin;
  PetscCall(Intern(p, (uint32_t)MeritStringsHash(at, length), at, length, code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A look-up in a large pool misses the cache three times: slot, bounds and bytes. For many strings
   at once the slots of all are prefetched, then the bounds of all, then the bytes of all, before
   the first string is compared. */
static void Fetch(MeritStrings p, int n, const char *const at[], const size_t length[], uint32_t hash[])
{
  for (int i = 0; i < n; i++) {
    hash[i] = (uint32_t)MeritStringsHash(at[i], length[i]);
    __builtin_prefetch(p->slot + (hash[i] & p->mask));
  }
  for (int i = 0; i < n; i++) {
    const Slot *slot = p->slot + (hash[i] & p->mask);

    if (slot->code >= 0 && slot->hash == hash[i]) __builtin_prefetch(p->start + slot->code);
  }
  for (int i = 0; i < n; i++) {
    const Slot *slot = p->slot + (hash[i] & p->mask);

    if (slot->code >= 0 && slot->hash == hash[i]) __builtin_prefetch(p->bytes + p->start[slot->code]);
  }
}

/* MeritStringsInternMany - Codes of n strings, in this order as if by `MeritStringsIntern()`. Not collective. */
PetscErrorCode MeritStringsInternMany(MeritStrings p, int64_t n, const char *const at[], const size_t length[], int32_t code[])
{
  uint32_t hash[AT_ONCE];

  PetscFunctionBegin;
  for (int64_t first = 0; first < n; first += AT_ONCE) {
    const int m = (int)PetscMin(AT_ONCE, n - first);

    Fetch(p, m, at + first, length + first, hash);
    for (int i = 0; i < m; i++) PetscCall(Intern(p, hash[i], at[first + i], length[first + i], code + first + i));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStringsFindMany - Codes of n strings, -1 where the pool does not have them. Not collective. */
void MeritStringsFindMany(MeritStrings p, int64_t n, const char *const at[], const size_t length[], int32_t code[])
{
  uint32_t hash[AT_ONCE];

  for (int64_t first = 0; first < n; first += AT_ONCE) {
    const int m = (int)PetscMin(AT_ONCE, n - first);

    Fetch(p, m, at + first, length + first, hash);
    for (int i = 0; i < m; i++) code[first + i] = p->slot[Probe(p, hash[i], at[first + i], length[first + i])].code;
  }
}

/* MeritStringsFind - Code of a string, or -1. Not collective. */
int32_t MeritStringsFind(MeritStrings p, const char at[], size_t length)
{
  return p->slot[Probe(p, (uint32_t)MeritStringsHash(at, length), at, length)].code;
}

/* MeritStringsCount - Number of distinct strings. Not collective. */
int32_t MeritStringsCount(MeritStrings p) { return p->n; }

/* MeritStringsGet - The string of a code, 0-terminated; borrowed until the next Intern. Not collective. */
const char *MeritStringsGet(MeritStrings p, int32_t code, size_t *length)
{
  if (length) *length = p->start[code + 1] - p->start[code] - 1;
  return p->bytes + p->start[code];
}

/* MeritStringsDestroy - Free a pool; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritStringsDestroy(MeritStrings *pool)
{
  PetscFunctionBegin;
  if (!*pool) PetscFunctionReturn(PETSC_SUCCESS);
  free((*pool)->bytes);
  free((*pool)->start);
  free((*pool)->slot);
  PetscCall(PetscFree(*pool));
  PetscFunctionReturn(PETSC_SUCCESS);
}
