#pragma once
/* Parts of summary.json that commands share. Private to src/report. */
#include <cjson/cJSON.h>
#include <merit/config.h>
#include <merit/file.h>

/* A new object, of this name in a map or at the end of a list */
PETSC_INTERN cJSON *SummaryObject(cJSON *to, const char name[]);
/* Numbers that JSON does not have become null */
PETSC_INTERN void SummaryReal(cJSON *to, const char name[], double value);
/* The job as a tree of strings, numbers, lists and maps */
PETSC_INTERN cJSON *SummaryTree(MeritNode node);
/* An input file with size and checksum. Collective, as those below */
PETSC_INTERN PetscErrorCode SummaryInput(MPI_Comm comm, cJSON *list, const char key[], const char path[]);
PETSC_INTERN PetscErrorCode SummaryPhases(MPI_Comm comm, cJSON *root);
PETSC_INTERN PetscErrorCode SummaryMemory(MPI_Comm comm, cJSON *root);
/* Print on rank 0 and stage */
PETSC_INTERN PetscErrorCode SummaryWrite(MPI_Comm comm, MeritOutput out, cJSON *root);
PETSC_INTERN void SummaryWarnings(cJSON *root);
PETSC_INTERN void SummaryFiles(cJSON *root, MeritOutput out);
