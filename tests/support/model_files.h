#pragma once
/* A model from texts in the test: files go into a fresh folder that all ranks share. */
#include <merit_test.h>
#include <merit/model.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char       folder[64];
  MeritNode  job;
  MeritModel model;
  bool       estimated; /* its variances are to be estimated (MeritModelSetVariancesFree) */
} TestModel;

static inline int TestRank(void)
{
  int rank;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  return rank;
}

static inline void TestWriteFile(const TestModel *t, const char *name, const char *text)
{
  char  path[128];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%s", t->folder, name);
  if (!TestRank()) {
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* Make the folder; the files are then written by TestWriteFile */
static inline void TestModelBegin(TestModel *t)
{
  memset(t, 0, sizeof(*t));
  strcpy(t->folder, "/tmp/merit-model-XXXXXX");
  if (!TestRank()) assert_non_null(mkdtemp(t->folder));
  MPI_Bcast(t->folder, (int)sizeof(t->folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
}

/* Read the job text and set the model up; paths in it are relative to the folder */
static inline PetscErrorCode TestModelSetUp(TestModel *t, const char *job)
{
  char path[128];

  PetscFunctionBegin;
  TestWriteFile(t, "job.yaml", job);
  snprintf(path, sizeof(path), "%s/job.yaml", t->folder);
  PetscCall(MeritConfigLoad(PETSC_COMM_WORLD, path, &t->job));
  PetscCall(MeritModelCreate(PETSC_COMM_WORLD, &t->model));
  if (t->estimated) PetscCall(MeritModelSetVariancesFree(t->model));
  PetscCall(MeritModelSetFromConfig(t->model, t->job));
  PetscCall(MeritModelSetUp(t->model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static inline void TestModelEnd(TestModel *t)
{
  char command[160];

  TestCall(MeritModelDestroy(&t->model));
  TestCall(MeritConfigDestroy(&t->job));
  MPI_Barrier(PETSC_COMM_WORLD);
  snprintf(command, sizeof(command), "rm -r '%s'", t->folder);
  if (!TestRank()) assert_int_equal(system(command), 0);
}

/* A value in (-1, 1) that belongs to a text, whatever rank asks */
static inline double TestValueOf(const char *text) { return (double)(MeritStringsHash(text, strlen(text)) >> 11) * 0x1p-52 - 1.0; }
