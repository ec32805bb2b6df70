#pragma once
#include <merit/genotypes.h>
#include <merit/packed.h>

/* A format of genotype files. Its reader fills in the store: first who and what, then, on the grid
   that was chosen by that, the genotypes. */
typedef struct {
  const MeritKey *key;       /* `genotypes.NAME` of the job file, whose value is the path */
  const char     *suffix[4]; /* files that a path means: each behind the path, the genotypes themselves first; ends with NULL */
  const char     *names;     /* suffix of the file that names the SNPs; NULL: they are named by their positions, each once */
  /* n_snps, snps, names; n_animals and the dictionary of ids; *reading: what is still open.
     Collective. */
  PetscErrorCode (*tables)(MeritGenotypes geno, void **reading);
  /* Count, GenoChooseColumns, and this rank's tile of code; frees reading. Collective. */
  PetscErrorCode (*columns)(MeritGenotypes geno, void *reading);
} GenoReader;

extern const GenoReader GenoReader_Plink, GenoReader_Text;

/* What the user sets (genotypes.c, genotypes_formats.c) */
typedef struct {
  const GenoReader *reader; /* NULL: no file was named */
  char             *path;   /* of it, as the job names it; owned */
  MeritScale        scaling;
  bool              centred;
  bool              whole;          /* every SNP is a column */
  char             *frequency_file; /* owned, NULL: observed */
  int               asked_rows;     /* of the grid, 0: chosen */
} GenoOptions;

/* The columns of M: SNPs that are used, and how their counts become values
   (genotypes_columns.c) */
typedef struct {
  int32_t  n_used;
  int32_t *used;                     /* [n_used] SNP of the file behind a column of M; owned */
  double  *scale, *centre, *missing; /* [n_used]; owned */
  double   sum_2pq, mean_diagonal, scaled_diagonal;
} GenoColumns;

struct _p_MeritGenotypes {
  MPI_Comm    comm;
  PetscMPIInt rank, size;
  GenoOptions options;
  /* animals and SNPs of the file, from the reader */
  int64_t     n_animals;
  int32_t     n_snps;
  MeritDict   dict;
  char       *names; /* bytes the strings of snps lie in; owned */
  MeritSnp   *snps;  /* [n_snps]; owned */
  GenoColumns columns;
  /* the grid and this rank's tile */
  MeritTile    tile;
  int          grid_row, grid_col;
  uint64_t    *code;    /* packed tile, free(); owned */
  MeritGaps    gaps;    /* where the tile's genotypes are missing */
  MeritMarkers markers; /* the view that the genotypes were loaded for; owned */
  bool         loaded;
};

/* Lines of a text file that begin in this rank's byte range, one after another through a bounded
   buffer. */
typedef struct {
  const char *path; /* borrowed */
  int         fd;
  char        comment;    /* lines that begin with it are no lines, 0: none are */
  bool        failed;     /* the file cannot be read on */
  int64_t     begin, end; /* lines that begin at a byte of [begin, end) are this rank's */
  int64_t     size;
  int64_t     first_line;                  /* 1-based number of the first of them */
  int64_t     n_rows, first_row, all_rows; /* lines that are not blank: here, before, in all */
  char       *buffer;                      /* owned */
  int64_t     room, have, at;              /* bytes of the buffer: allocated, read, consumed */
  int64_t     offset;                      /* position of the buffer's byte 0 in the file */
  int64_t     line;                        /* of the line given last */
  int64_t     head_line;                   /* the line that set the shape of text genotypes, 0 where it is not this rank's */
} GenoLines;

/* Open, find this rank's lines, count those before. Lines that begin with `comment` (0: none do)
   are passed over as blank ones are. Collective. */
PETSC_INTERN PetscErrorCode GenoLinesOpen(MPI_Comm comm, const char path[], char comment, GenoLines *lines);
/* The next line that is not blank, without its end; *at NULL when there is none. Borrowed until the
   next call. Not collective; goes on behind lines with faults. */
PETSC_INTERN PetscErrorCode GenoLinesNext(GenoLines *lines, const char **at, int64_t *length, MeritFault *fault);
/* Start again at this rank's first line. Not collective. */
PETSC_INTERN void GenoLinesRewind(GenoLines *lines);
/* Close and free the buffer, also after an error; a file that was changed meanwhile is a
   fault. Not collective. */
PETSC_INTERN PetscErrorCode GenoLinesClose(GenoLines *lines, MeritFault *fault);
/* Does a field read like the name of the column of ids (IID, ID, animal_id, sample_id, in
   any case)? Then the line is a header. Not collective. */
PETSC_INTERN bool GenoIsIdName(const char *field, int64_t size);
/* Next field of a line, fields being separated by blanks, from *at on, which moves behind
   it; its length, 0 at the end. *field is borrowed from the line. Not collective. */
PETSC_INTERN int64_t GenoField(const char **at, const char *end, const char **field);
/* *value = a whole field as a finite decimal number; false if it is none. Not collective. */
PETSC_INTERN bool GenoNumber(const char *field, int64_t size, double *value);
/* A field as a message shows it: cut to 40 bytes. */
#define GENO_SHOWN(n) ((int)((n) < 40 ? (n) : 40))

/* Read exactly n bytes at an offset of an open file, in requests of at most
   MeritMaxMessage(). SYSTEM fault: fewer bytes. Not collective. */
PETSC_INTERN PetscErrorCode GenoReadAt(int fd, const char path[], int64_t offset, int64_t n, void *to, MeritFault *fault);
/* Every rank's bytes one after another, on every rank; owned by the caller, PetscFree.
   Collective. */
PETSC_INTERN PetscErrorCode GenoGather(MPI_Comm comm, int64_t n, const char at[], int64_t *all, char **out);

/* Ids of the animals whose lines this rank read. */
typedef struct {
  MeritStrings pool;     /* owned */
  int32_t     *code;     /* [n]; owned */
  int64_t     *line;     /* [n] in the file; owned */
  int64_t      n, first; /* animals here, row of the first */
} GenoIds;

/* Room for the ids of all rows of this rank; free with GenoIdsFree(). Not collective. */
PETSC_INTERN PetscErrorCode GenoIdsCreate(const GenoLines *lines, GenoIds *ids);
/* Add the id of the next row of this rank and its line. Not collective. */
PETSC_INTERN PetscErrorCode GenoIdsAdd(GenoIds *ids, const char id[], int64_t length, int64_t line);
/* The dictionary of ids, number = row; a duplicate is an INPUT error naming both lines.
   Collective. */
PETSC_INTERN PetscErrorCode GenoIdsNumber(MPI_Comm comm, const char path[], const char advice[], const GenoIds *ids, MeritDict *dict);
/* Free what the list owns. Not collective. */
PETSC_INTERN PetscErrorCode GenoIdsFree(GenoIds *ids);
/* The grid, from n_animals and n_snps where it is to be chosen. Logically collective. USAGE
   error: rows that do not divide the number of ranks. */
PETSC_INTERN PetscErrorCode GenoMakeGrid(MeritGenotypes geno);
/* First column of M (used SNP) of a column of the grid, n_used for the number of grid
   columns. Not collective. */
PETSC_INTERN int32_t GenoColumnsFirst(MeritGenotypes geno, int column);
/* Rows of this rank's tile (multiples of 256 but for the last) from n_animals and the grid.
   Not collective. */
PETSC_INTERN void GenoPlaceRows(MeritGenotypes geno);
/* Lists the missing genotypes of the tile, which is complete. Not collective. */
PETSC_INTERN PetscErrorCode GenoFindGaps(MeritGenotypes geno);
/* Room for a tile of n_rows x n_cols, every genotype missing; *code is the caller's,
   free(). Collective. SYSTEM error without memory on any rank. */
PETSC_INTERN PetscErrorCode GenoRoom(MeritGenotypes geno, int32_t n_cols, uint64_t **code);
/* Give back what a tile of n_cols columns does not need of a larger room; *code may move.
   Not collective. */
PETSC_INTERN PetscErrorCode GenoShrink(MeritGenotypes geno, uint64_t **code);

/* Counts of this rank, [n_snps * 4], to those of all ranks. Collective. */
PETSC_INTERN PetscErrorCode GenoSumCounts(MeritGenotypes geno, int64_t count[]);
/* From count[n_snps * 4], animals with 0, 1, 2 copies and with a missing genotype over all
   ranks: frequencies, used SNPs, this rank's columns, centre and scale. Collective. INPUT
   errors: no SNP can be used, frequencies that do not fit. */
PETSC_INTERN PetscErrorCode GenoChooseColumns(MeritGenotypes geno, const int64_t count[]);

/* What the last bytes of the SNPs of a .bed hold, on the ranks that read them */
typedef struct {
  int     most, least; /* of the bits behind the last animal; 0 and 255 at first */
  uint8_t any;         /* bits that are not 0 in all of them */
} BedEnd;

/* Do the last bytes of the .bed fit the number of animals? Warnings where it is doubtful.
   Collective. INPUT error where they do not. */
PETSC_INTERN PetscErrorCode GenoCheckEnd(MeritGenotypes geno, const char bed[], const BedEnd *end);
/* Warning of animals without any genotype, once the tile is complete. Collective. */
PETSC_INTERN PetscErrorCode GenoCheckAnimals(MeritGenotypes geno);
/* Warning of names that several SNPs have; rank 0 does it alone. Not collective. */
PETSC_INTERN PetscErrorCode GenoCheckNames(MeritGenotypes geno);
