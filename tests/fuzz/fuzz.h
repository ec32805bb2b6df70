#pragma once
/*
  What the fuzz targets share. A target gives FuzzOne(), its seeds and how many mutations of them a replay runs. Built by clang with
  -fsanitize=fuzzer and MERIT_FUZZ it is driven by libFuzzer; otherwise it is a program:
    TARGET                 the seeds and their mutations, the same on every machine
    TARGET FILE...         these inputs
    TARGET --seeds FOLDER  writes the seeds as files
*/
#include <stddef.h>
#include <stdint.h>
#include <merit/config.h>
#include <merit/error.h>

enum { FUZZ_LINES = 40 };

/* A list of scalars, a line each, as the job file's tree would have it */
typedef struct {
  struct _p_MeritNode list, scalar[FUZZ_LINES];
  MeritNode           child[FUZZ_LINES];
} FuzzLines;

typedef struct {
  const char *at;
  size_t      n;
} FuzzBytes;

#define FUZZ_SEED(bytes)                                                                                                                             \
  {                                                                                                                                                  \
    (bytes), sizeof(bytes) - 1                                                                                                                       \
  }
#define FUZZ_TARGET(seeds, rounds)                                                                                                                   \
  const FuzzBytes *const fuzz_seeds   = (seeds);                                                                                                     \
  const int              fuzz_n_seeds = (int)(sizeof(seeds) / sizeof(*(seeds)));                                                                     \
  const int              fuzz_rounds  = (rounds)

extern const FuzzBytes *const fuzz_seeds;
extern const int              fuzz_n_seeds, fuzz_rounds;

/* One input; must not fail whatever it is. */
void FuzzOne(const uint8_t *data, size_t n);
/* Ends the program with a message unless it is true. */
void FuzzDemand(bool truth, const char *what);
/* The code must be success, or an error of usage or input that all ranks hold, with words. True for success. */
bool FuzzCheck(PetscErrorCode code);
/* The next part of the input, up to a line "%%" or the end. */
FuzzBytes FuzzPart(const uint8_t **data, size_t *n);
/* The lines of the bytes, at most FUZZ_LINES. */
void FuzzLinesOpen(FuzzLines *lines, FuzzBytes bytes);
void FuzzLinesClose(FuzzLines *lines);
/* Write a file of the target's own folder; returns its path, for the target's use until the next call of that name. */
const char *FuzzFile(const char name[], FuzzBytes bytes);
