/*
  Lines of tables under arbitrary bytes. With clang's -fsanitize=fuzzer -DMERIT_FUZZ this is a fuzz target;
  otherwise a program that replays the files it is given, or, without any, seeded random lines. The input's
  first byte chooses the delimiter.
*/
#include "../../src/io/table_private.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void Demand(bool truth, const char *what)
{
  if (truth) return;
  fprintf(stderr, "fuzz_table: %s\n", what);
  abort();
}

/* A field of the line must lie inside it; a number must be finite and the same as the C library's */
static void CheckField(const char *line, size_t n, TableField f)
{
  double value = NAN, expected;
  char  *text;

  Demand(f.at >= line && f.at + f.length <= line + n, "a field outside its line");
  if (TableNumberParse(f.at, f.length, &value) != TABLE_NUMBER_OK) return;
  Demand(isfinite(value), "a number that is not finite");
  text = calloc(f.length + 1, 1);
  memcpy(text, f.at, f.length);
  expected = strtod(text, NULL);
  Demand(!memcmp(&value, &expected, sizeof(value)), "a number that is rounded otherwise");
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
  static const char delimiters[] = ",;\t ";
  TableField        field[ROOM];
  TableLineFault    fault;
  char             *line, delimiter;
  int               count;

  if (n == 0) return 0;
  line      = malloc(n); /* exactly the bytes, so that the address sanitizer sees a step outside */
  delimiter = data[0] % 5 == 4 ? TableDelimiterFind((const char *)data + 1, n - 1) : delimiters[data[0] % 5];
  memcpy(line, data + 1, n - 1);
  n--;
  Demand(strchr(delimiters, delimiter) != NULL, "an unknown delimiter");
  count = TableLineSplit(line, n, delimiter, ROOM, field, &fault);
  Demand(count >= 0 && (size_t)count <= n + 1, "more fields than bytes");
  Demand((delimiter == ' ' && fault == TABLE_LINE_OK && TableLineBlank((const char *)data + 1, n, ' ')) == (count == 0),
         "no field in a line that is not blank");
  for (int i = 0; fault == TABLE_LINE_OK && i < count && i < ROOM; i++) CheckField(line, n, field[i]);
  free(line);
  return 0;
}

#ifndef MERIT_FUZZ
static int Replay(const char *name)
{
  FILE    *file = fopen(name, "rb");
  uint8_t *data = malloc((size_t)1 << 20);
  size_t   n;

  if (!file) {
    fprintf(stderr, "fuzz_table: cannot read %s\n", name);
    free(data);
    return 1;
  }
  n = fread(data, 1, (size_t)1 << 20, file);
  fclose(file);
  LLVMFuzzerTestOneInput(data, n);
  free(data);
  return 0;
}

int main(int argc, char **argv)
{
  static const char any[] = ",;\t \"\"a1203.5e+-\r\xc3\xa4", number[] = "01234567890123456789.e-";
  uint64_t          seed      = 1;
  uint8_t           data[40];

  for (int i = 1; i < argc; i++)
    if (Replay(argv[i])) return 1;
  for (int i = 0; argc == 1 && i < 300000; i++) {
    const char  *letters = i % 2 ? number : any;
    const size_t kinds   = i % 2 ? sizeof(number) - 1 : sizeof(any) - 1;
    size_t       n;

    seed    = seed * 6364136223846793005u + 1442695040888963407u;
    n       = 1 + (seed >> 40) % 39;
    data[0] = (uint8_t)(seed >> 50);
    for (size_t j = 1; j < n; j++) {
      seed    = seed * 6364136223846793005u + 1442695040888963407u;
      data[j] = (uint8_t)letters[(seed >> 33) % kinds];
    }
    LLVMFuzzerTestOneInput(data, n);
  }
  return 0;
}
#endif
