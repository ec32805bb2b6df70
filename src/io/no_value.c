/* Words by which people and programs mark a missing value or an unknown parent. They are used in
   messages only: no word is taken as missing unless the job file says so. */
#include "table_private.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* TableNoValue - See the header: no letter and no digit, only zeros, or a word such as NULL. Bytes
   beyond ASCII count as letters. Not collective. */
bool TableNoValue(const char word[], size_t n)
{
  static const char *const words[] = {"unknown", "unk", "missing", "null", "nil", "none", "nan", "na", "n/a", "#n/a"};
  size_t                   zeros = 0, letters = 0;

  for (size_t i = 0; i < n; i++) {
    zeros += word[i] == '0';
    letters += isalnum((unsigned char)word[i]) || (unsigned char)word[i] >= 0x80;
  }
  if (!letters || zeros == n) return true;
  for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
    if (n == strlen(words[i]) && !strncasecmp(word, words[i], n)) return true;
  return false;
}
