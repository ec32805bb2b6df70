#pragma once
/* The table of known keys: how a path compares with it, and which key an unknown path most likely means. Private to src/sys. */
#include <merit/config.h>

enum { KEY_DEPTH = 66 }; /* more segments than any text that MeritConfigParse() accepts */

/* How a pattern of the table compares with a path: not at all, it goes on below, it ends there, or it allows anything below */
typedef enum { KEY_MISS, KEY_HEAD, KEY_EXACT, KEY_ANYTHING } KeyMatch;

/* Compare a path of n segments with all patterns: a set of bits 1 << KeyMatch, since a path may be both a key and the
   head of others ("records.weight", "records.weight.*"). Not collective. */
unsigned MeritKeysMatch(int n_keys, const MeritKey keys[], int n, const char *const path[]);
/* nearest [size] = the key that an unknown path of n segments most likely means; "" if none is near. Not collective. */
void MeritKeysSuggest(int n_keys, const MeritKey keys[], int n, const char *const path[], size_t size, char nearest[]);
/* names [size] = the keys below a known path of n segments ("file, missing, weight"); "" if any name is allowed there.
   Not collective. */
void MeritKeysBelow(int n_keys, const MeritKey keys[], int n, const char *const path[], size_t size, char names[]);
