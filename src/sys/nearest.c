/* The word that a misspelt one most likely means, by edit distance. */
#include "error_private.h"
#include <string.h>
#include <strings.h>

enum { LETTERS = 63 };

/* Edit distance with exchanged neighbours counted once (Damerau 1964), by dynamic programming.
   row[i % 3][j] is the distance of the first i letters of a and the first j of b; an exchange looks
   back two rows. */
int MeritWordDistance(const char a[], const char b[])
{
  int       row[3][LETTERS + 1];
  const int m = (int)strlen(a), n = (int)strlen(b);

  if (m > LETTERS || n > LETTERS) return LETTERS + 1;
  for (int j = 0; j <= n; j++) row[0][j] = j;
  for (int i = 1; i <= m; i++) {
    int       *now    = row[i % 3];
    const int *before = row[(i + 2) % 3], *last = row[(i + 1) % 3];

    now[0] = i;
    for (int j = 1; j <= n; j++) {
      now[j] = before[j - 1] + (a[i - 1] != b[j - 1]);
      if (before[j] + 1 < now[j]) now[j] = before[j] + 1;
      if (now[j - 1] + 1 < now[j]) now[j] = now[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && last[j - 2] + 1 < now[j]) now[j] = last[j - 2] + 1;
    }
  }
  return row[m % 3][n];
}

/* The only candidate that begins with a word of three letters or more, or NULL */
static const char *Abbreviated(const char word[], int n, const char *const candidates[])
{
  const size_t length = strlen(word);
  const char  *found  = NULL;

  for (int i = 0; i < n && length > 2; i++) {
    if (strncmp(candidates[i], word, length)) continue;
    if (found) return NULL;
    found = candidates[i];
  }
  return found;
}

/*
  MeritNearest - The candidate a misspelt word most likely meant, or NULL. A name that differs in case alone comes first; else at
  most a third of the letters may be wrong, and one must be right; else the word may be an abbreviation. Not collective; borrowed
  from candidates.
*/
const char *MeritNearest(const char word[], int n, const char *const candidates[])
{
  const int   length = (int)strlen(word);
  const char *best   = NULL;
  int         limit  = length < 2 ? 0 : length < 3 ? 1 : length / 3;

  for (int i = 0; i < n; i++) /* Difference in case alone decides at once */
    if (!strcasecmp(word, candidates[i])) return candidates[i];
  for (int i = 0; i < n; i++) {
    const int d = MeritWordDistance(word, candidates[i]);

    /* Ties go to the first candidate; a distance equal to the limit counts only while nothing was
       found */
    if (d > limit || (best && d == limit)) continue;
    best  = candidates[i];
    limit = d;
  }
  return best ? best : Abbreviated(word, n, candidates);
}
