/*
  The key that an unknown path most likely means.

  First each unknown segment is compared with the names allowed at its level (Correct). If none is
  near, the last name is looked for in keys further below, or in all keys when it stands at the top
  (Elsewhere). Without a near name there is no suggestion, since a wrong one misleads more than
  none.
*/
#include "config_keys.h"
#include "error_private.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Most bytes of a name, most names of one level */
enum { NAME = 64, NAMES = 128 };

/* Names allowed at one level of the table */
typedef struct {
  int  n;
  bool free; /* any name may stand there */
  char name[NAMES][NAME];
} Names;

/* The pattern without its first n segments */
static const char *Behind(const char *pattern, int n)
{
  for (; n && *pattern; n--) {
    pattern += strcspn(pattern, ".");
    pattern += *pattern == '.';
  }
  return pattern;
}

/* Names of the table that may follow a path of n segments, each once */
static void Collect(int n_keys, const MeritKey keys[], int n, const char *const path[], Names *names)
{
  names->n    = 0;
  names->free = false;
  for (int k = 0; k < n_keys; k++) {
    const char *at     = Behind(keys[k].path, n);
    size_t      length = strcspn(at, ".");
    int         i      = 0;

    if (!(MeritKeysMatch(1, keys + k, n, path) & 1u << KEY_HEAD) || length >= NAME) continue;
    names->free |= *at == '*';
    if (*at == '*' || names->n == NAMES) continue;
    while (i < names->n && (strncmp(names->name[i], at, length) || names->name[i][length])) i++;
    if (i == names->n) snprintf(names->name[names->n++], NAME, "%.*s", (int)length, at);
  }
}

/* MeritKeysBelow - See the header. Not collective. */
void MeritKeysBelow(int n_keys, const MeritKey keys[], int n, const char *const path[], size_t size, char text[])
{
  Names  names;
  size_t used = 0;

  text[0] = 0;
  Collect(n_keys, keys, n, path, &names);
  for (int i = 0; i < names.n && !names.free && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", names.name[i]);
}

/* Replace each segment that is not allowed at its level by the nearest name that is; false if one
   has none */
static bool Correct(int n_keys, const MeritKey keys[], int n, const char *path[], char room[][NAME])
{
  const char *list[NAMES];
  Names       names;

  for (int i = 0; i < n; i++) {
    const char *near;

    if (MeritKeysMatch(n_keys, keys, i + 1, path) & ~(1u << KEY_MISS)) continue;
    Collect(n_keys, keys, i, path, &names);
    for (int k = 0; k < names.n; k++) list[k] = names.name[k];
    near = MeritNearest(path[i], names.n, list);
    if (!near) return false;
    snprintf(room[i], NAME, "%s", near);
    path[i] = room[i];
  }
  return true;
}

/* Key below a path of n segments whose last name is `name`, or differs by one letter; NULL if there
   is none */
static const char *Elsewhere(int n_keys, const MeritKey keys[], int n, const char *const path[], const char name[])
{
  for (int most = 0; most < 2; most++)
    for (int k = 0; k < n_keys; k++) {
      const char *dot  = strrchr(keys[k].path, '.');
      const char *leaf = dot ? dot + 1 : keys[k].path;

      if (*leaf == '*' || !(MeritKeysMatch(1, keys + k, n, path) & 1u << KEY_HEAD)) continue;
      if (!strcasecmp(leaf, name) || (most && strlen(name) > 3 && MeritWordDistance(leaf, name) <= 1)) return keys[k].path;
    }
  return NULL;
}

/* MeritKeysSuggest - See the header. Not collective. */
void MeritKeysSuggest(int n_keys, const MeritKey keys[], int n, const char *const path[], size_t size, char nearest[])
{
  const char *fixed[KEY_DEPTH], *key;
  char        room[KEY_DEPTH][NAME];
  int         known = 0;
  size_t      used  = 0;

  nearest[0] = 0;
  memcpy(fixed, path, (size_t)n * sizeof(*path));
  while (known < n && (MeritKeysMatch(n_keys, keys, known + 1, path) & ~(1u << KEY_MISS))) known++;
  if (known == n) return;
  if (Correct(n_keys, keys, n, fixed, room)) {
    for (int i = 0; i < n && used < size; i++) used += (size_t)snprintf(nearest + used, size - used, "%s%s", i ? "." : "", fixed[i]);
    return;
  }
  key = known == n - 1 ? Elsewhere(n_keys, keys, known, path, path[n - 1]) : NULL;
  if (key) snprintf(nearest, size, "%s", key);
}
