#pragma once
#include "packed_impl.h"

/*
  Tables over three genotypes (the method of the four Russians: Arlazarov, Dinic, Kronrod and Faradzev 1970): a
  word of 32 genotypes costs eleven look-ups of four doubles, whatever the codes are.
*/
#define PACKED_WIDTH    4    /* doubles of an entry */
#define PACKED_ENTRIES  656  /* 10 tables over three genotypes, one over the last two: 20.5 KiB */
#define PACKED_COLUMNS  2048 /* columns that use a table before the next one is made */
#define PACKED_QUARTERS 64   /* quarters of strips that use a table */

typedef double       PackedVector __attribute__((vector_size(32)));
typedef PackedVector PackedValues[4]; /* of one genotype, by code */

/* Scratch of one thread, on a 64-byte boundary */
typedef struct {
  PackedVector table[PACKED_ENTRIES];
  PackedValues value[32];
  union {
    PackedVector column[PACKED_COLUMNS];
    PackedVector row[64 * PACKED_QUARTERS];
  } sum;
} PackedScratch;

/* sum[t] += values of the 32 genotypes of word[t * stride], t < n */
typedef void (*PackedLook)(const PackedVector table[PACKED_ENTRIES], const uint64_t *word, size_t stride, int64_t n, PackedVector sum[]);

/* Make the table from the values of 32 genotypes by code: sums over three genotypes for each of their 64 codes. Not collective. */
void PackedMakeTable(const PackedValues value[32], PackedVector table[PACKED_ENTRIES]);
/* A column's line of a strip */
typedef uint64_t PackedLine8 __attribute__((vector_size(64)));
/* Field f of a word of line[r] becomes field r of the same word of line[f] */
typedef void (*PackedTranspose)(PackedLine8 line[32]);

/* Functions of one set of instructions */
typedef struct {
  PackedLook      look;
  PackedTranspose transpose;
} PackedKernels;

/* The functions for the current instructions. Not collective. */
PackedKernels PackedKernelsNow(void);
/* One scratch for each of the *threads threads of the next parallel region; owned by the caller, free(). Not collective.
   Errors: PETSC_ERR_MEM. */
PetscErrorCode PackedMakeScratch(int *threads, PackedScratch **scratch);
