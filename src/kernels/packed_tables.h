#pragma once
#include "packed_impl.h"

/*
  Tables over three genotypes (the method of the four Russians: Arlazarov, Dinic, Kronrod and Faradzev 1970): a
  word of 32 genotypes costs eleven look-ups of four doubles, whatever the codes are.
*/
#define PACKED_WIDTH    4    /* doubles of an entry */
#define PACKED_ENTRIES  656  /* 10 tables over three genotypes, one over the last two: 20.5 KiB */
#define PACKED_COLUMNS  2048 /* columns a table serves before the next is made */
#define PACKED_QUARTERS 64   /* quarters of strips a table serves */

typedef double       PackedVector __attribute__((vector_size(32)));
typedef PackedVector PackedValues[4]; /* of one genotype, by code */

/* Scratch of one thread; vectors on their boundary */
typedef struct {
  PackedVector table[PACKED_ENTRIES];
  PackedValues value[32];
  union {
    PackedVector column[PACKED_COLUMNS];
    PackedVector row[64 * PACKED_QUARTERS];
  } sum;
} PackedScratch;

/* sum[t] += what the table has for word[t * stride], t < n */
typedef void (*PackedLook)(const PackedVector table[PACKED_ENTRIES], const uint64_t *word, size_t stride,
                           int64_t n, PackedVector sum[]);

/* The table of 32 genotypes' values. */
void PackedMakeTable(const PackedValues value[32], PackedVector table[PACKED_ENTRIES]);
/* A column's line of a strip */
typedef uint64_t PackedLine8 __attribute__((vector_size(64)));
/* Field f of a word of line[r] becomes field r of the same word of line[f] */
typedef void (*PackedTranspose)(PackedLine8 line[32]);

typedef struct {
  PackedLook      look;
  PackedTranspose transpose;
} PackedKernels;

/* Those for the instructions that run now. */
PackedKernels PackedKernelsNow(void);
/* One scratch for each thread of a region to come; free(). */
PetscErrorCode PackedMakeScratch(int *threads, PackedScratch **scratch);
