/* Lines of tables under arbitrary bytes. The input's first byte chooses the delimiter. */
#include "../../src/io/table_private.h"
#include "fuzz.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 8

/* A field of the line must lie inside it; a number must be finite and the same as the C library's */
static void CheckField(const char *line, size_t n, TableField f)
{
  double value = NAN, expected;
  char  *text;

  FuzzDemand(f.at >= line && f.at + f.length <= line + n, "a field outside its line");
  if (TableNumberParse(f.at, f.length, &value) != TABLE_NUMBER_OK) return;
  FuzzDemand(isfinite(value), "a number that is not finite");
  text = calloc(f.length + 1, 1);
  memcpy(text, f.at, f.length);
  expected = strtod(text, NULL);
  FuzzDemand(!memcmp(&value, &expected, sizeof(value)), "a number that is rounded otherwise");
  free(text);
}

void FuzzOne(const uint8_t *data, size_t n)
{
  static const char delimiters[] = ",;\t ";
  TableField        field[ROOM];
  TableLineFault    fault;
  char             *line, delimiter;
  int               count;

  if (n == 0) return;
  line      = malloc(n); /* exactly the bytes, so that the address sanitizer sees a step outside */
  delimiter = data[0] % 5 == 4 ? TableDelimiterFind((const char *)data + 1, n - 1) : delimiters[data[0] % 5];
  memcpy(line, data + 1, n - 1);
  n--;
  FuzzDemand(strchr(delimiters, delimiter) != NULL, "an unknown delimiter");
  count = TableLineSplit(line, n, delimiter, ROOM, field, &fault);
  FuzzDemand(count >= 0 && (size_t)count <= n + 1, "more fields than bytes");
  FuzzDemand((delimiter == ' ' && fault == TABLE_LINE_OK && TableLineBlank((const char *)data + 1, n, ' ')) == (count == 0),
             "no field in a line that is not blank");
  for (int i = 0; fault == TABLE_LINE_OK && i < count && i < ROOM; i++) CheckField(line, n, field[i]);
  free(line);
}

static const FuzzBytes seeds[] = {
    FUZZ_SEED("\0id,sire,\"a b\",1.5"),
    FUZZ_SEED("\001a;\"b \"\"c\"\"\";;2,5"),
    FUZZ_SEED("\002a\t \t-1e-5\t+.5"),
    FUZZ_SEED("\003  a  \"b c\"  1.e+22 "),
    FUZZ_SEED("\004a;b,c"),
    FUZZ_SEED("\0009007199254740993,1e400,1e-400"),
    FUZZ_SEED("\0000.1234567890123456789,00012345678901234567890.5e-30"),
    FUZZ_SEED("\000\"open,1"),
    FUZZ_SEED("\000\"a\"b,1"),
};

FUZZ_TARGET(seeds, 200000);
