#pragma once
/* Tables as files in a fresh folder of this run: rank 0 writes, all wait. */
#include <merit_test.h>
#include <merit/table.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static PetscMPIInt rank, size;
static char        folder[64];
static char        path[128];

static inline int MakeFolder(void **state)
{
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit_table_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  return MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
}

static inline int RemoveFolder(void **state)
{
  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  return rank == 0 ? rmdir(folder) : 0;
}

/* Write n bytes as the file under test; `path` names it on all ranks */
static inline void WriteBytes(const char *name, const char *bytes, size_t n)
{
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  if (rank == 0) {
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* n bytes of text as a gzip file of `members` members */
static inline void WriteGzip(const char *name, const char *bytes, size_t n, int members)
{
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  for (int m = 0; rank == 0 && m < members; m++) {
    size_t first = n * (size_t)m / (size_t)members, last = n * (size_t)(m + 1) / (size_t)members;
    gzFile file = gzopen(path, m ? "ab" : "wb");

    assert_non_null(file);
    if (last > first) assert_int_equal(gzwrite(file, bytes + first, (unsigned)(last - first)), last - first);
    assert_int_equal(gzclose(file), Z_OK);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

static inline void RemoveFile(void)
{
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank == 0) unlink(path);
}

/* Open `path` with the missing words NA and "." and read every column as text */
static inline void ReadAsText(int n_header, const char *const header[], MeritTable *table)
{
  static const char *const missing[] = {"NA", "."};
  const char *const       *names;
  int                      n;

  TestCall(MeritTableOpen(PETSC_COMM_WORLD, path, n_header, header, 2, missing, table));
  TestCall(MeritTableColumns(*table, &n, &names));
  for (int c = 0; c < n; c++) TestCall(MeritTableSelect(*table, c, MERIT_COLUMN_TEXT));
  TestCall(MeritTableRead(*table));
}

/* Rows over all ranks; each rank's share must begin where the one before ends */
static inline int64_t CountRows(MeritTable table)
{
  int64_t n, first, before = 0, all;

  TestCall(MeritTableRows(table, &n, &first));
  MPI_Exscan(&n, &before, 1, MPI_INT64_T, MPI_SUM, PETSC_COMM_WORLD);
  assert_int_equal(first, rank ? before : 0);
  MPI_Allreduce(&n, &all, 1, MPI_INT64_T, MPI_SUM, PETSC_COMM_WORLD);
  return all;
}

/* Text of a field, NULL if missing */
static inline const char *Text(MeritTable table, int column, int64_t row)
{
  const int32_t *code;
  MeritStrings   pool;

  TestCall(MeritTableText(table, column, &code, &pool));
  return code[row] < 0 ? NULL : MeritStringsGet(pool, code[row], NULL);
}
