#pragma once
/* The table of known keys: how a path compares with it, and which key an unknown path most likely means. Private to src/sys. */
#include <merit/config.h>

enum { KEY_DEPTH = 66 }; /* more segments than any text that MeritConfigParse() accepts */

/* How a pattern of the table compares with a path: not at all, it goes on below, it ends there, or it allows anything below */
typedef enum { KEY_MISS, KEY_HEAD, KEY_EXACT, KEY_ANYTHING } KeyMatch;

/* A set of bits 1 << KeyMatch: a path may be both a key and the head of others ("records.weight", "records.weight.*"). */
unsigned MeritKeysMatch(int n_keys, const MeritKey keys[], int n, const char *const path[]);
/* The key that an unknown path of n segments most likely means; "" if none is near. */
void MeritKeysSuggest(int n_keys, const MeritKey keys[], int n, const char *const path[], size_t size, char nearest[]);
/* "file, missing, weight": names of the keys below a known path of n segments; "" if any name may stand there. */
void MeritKeysBelow(int n_keys, const MeritKey keys[], int n, const char *const path[], size_t size, char names[]);
