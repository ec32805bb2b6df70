#pragma once
/* Parts of summary.json that all commands have. Private to src/report. */
#include <cjson/cJSON.h>
#include <merit/config.h>
#include <merit/file.h>

/* Add an empty object to a map (under this name) or at the end of a list; returns it, owned by
   `to`. Not collective. */
PETSC_INTERN cJSON *SummaryObject(cJSON *to, const char name[]);
/* Add a number; null for NaN and infinity. Not collective. */
PETSC_INTERN void SummaryReal(cJSON *to, const char name[], double value);
/* The job as a tree of strings, numbers, lists and maps; owned by the caller, cJSON_Delete.
   Not collective. */
PETSC_INTERN cJSON *SummaryTree(MeritNode node);
/* Add an input file with size and checksum; a file that changed gets a warning instead.
   Collective. */
PETSC_INTERN PetscErrorCode SummaryInput(MPI_Comm comm, cJSON *list, const char key[], const char path[]);
/* The list of inputs, for MeritGenotypesEachFile */
typedef struct {
  MPI_Comm comm;
  cJSON   *list;
} SummaryList;
/* Adds one file of the genotypes to it: a MeritGenotypesAct. Collective. */
PETSC_INTERN PetscErrorCode SummaryGenotypes(const char key[], const char suffix[], const char path[], void *ctx);
/* Seconds, processor seconds and peak memory of each phase, the largest over ranks. Collective. */
PETSC_INTERN PetscErrorCode SummaryPhases(MPI_Comm comm, cJSON *root);
/* Peak memory, least and largest over ranks, bytes. Collective. */
PETSC_INTERN PetscErrorCode SummaryMemory(MPI_Comm comm, cJSON *root);
/* Print the tree on rank 0 and stage summary.json. Collective. Errors: SYSTEM. */
PETSC_INTERN PetscErrorCode SummaryWrite(MPI_Comm comm, MeritOutput out, cJSON *root);
/* Warnings of this rank so far. Not collective. */
PETSC_INTERN void SummaryWarnings(cJSON *root);
/* Staged files with bytes and checksums. Not collective. */
PETSC_INTERN void SummaryFiles(cJSON *root, MeritOutput out);
/* summary_read.c: summary.json of a folder as a tree; NULL if there is none that can be read.
   On this rank; the caller frees it by cJSON_Delete(). Not collective. */
PETSC_INTERN cJSON *SummaryRead(const char folder[]);
