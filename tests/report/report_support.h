#pragma once
/* A fresh folder, text files in it, and files read back whole: for the tests of this folder. */
#include <merit_test.h>
#include <merit/report.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static PetscMPIInt test_rank, test_size;
static char        test_folder[64];

/* Make a folder on rank 0; all ranks know its name */
static void FolderMake(void)
{
  MPI_Comm_rank(PETSC_COMM_WORLD, &test_rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &test_size);
  snprintf(test_folder, sizeof(test_folder), "/tmp/merit_report_XXXXXX");
  if (!test_rank) assert_non_null(mkdtemp(test_folder));
  MPI_Bcast(test_folder, (int)sizeof(test_folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
}

static void FolderRemove(void)
{
  char command[128];

  MPI_Barrier(PETSC_COMM_WORLD);
  snprintf(command, sizeof(command), "rm -rf %s", test_folder);
  if (!test_rank) assert_int_equal(system(command), 0);
}

static void FileMake(const char name[], const char text[])
{
  char path[256];

  snprintf(path, sizeof(path), "%s/%s", test_folder, name);
  if (!test_rank) {
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* The whole file, or NULL; free() it */
static char *FileText(const char name[])
{
  char   path[256], *text;
  size_t n;
  FILE  *f;

  snprintf(path, sizeof(path), "%s/%s", test_folder, name);
  f = fopen(path, "r");
  if (!f) return NULL;
  text    = calloc(1, 1 << 20);
  n       = fread(text, 1, (1 << 20) - 1, f);
  text[n] = 0;
  fclose(f);
  return text;
}

static void AssertFile(const char name[], const char expected[])
{
  char *text = FileText(name);

  assert_non_null(text);
  assert_string_equal(text, expected);
  free(text);
}
