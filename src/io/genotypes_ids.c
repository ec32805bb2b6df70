/* Ids of genotyped animals: collected line by line on the rank that reads the line, then
   numbered by a dictionary over all ranks. The number of an id is its row of the file,
   since the dictionary sorts by the row. Two lines with one id make the dictionary smaller
   than the file; only then the lines are compared, to name both in the error. */
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <string.h>

/* GenoIdsCreate - Room for the ids of this rank's lines. Not collective; free with GenoIdsFree. */
PetscErrorCode GenoIdsCreate(const GenoLines *lines, GenoIds *ids)
{
  PetscFunctionBegin;
  memset(ids, 0, sizeof(*ids));
  ids->first = lines->first_row;
  PetscCall(MeritStringsCreate(&ids->pool));
  PetscCall(PetscMalloc1(lines->n_rows, &ids->code));
  PetscCall(PetscMalloc1(lines->n_rows, &ids->line));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoIdsAdd - The id of the next row. Not collective. */
PetscErrorCode GenoIdsAdd(GenoIds *ids, const char id[], int64_t length, int64_t line)
{
  PetscFunctionBegin;
  PetscCall(MeritStringsIntern(ids->pool, id, (size_t)length, &ids->code[ids->n]));
  ids->line[ids->n++] = line;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoIdsFree - Free what the list owns. Not collective. */
PetscErrorCode GenoIdsFree(GenoIds *ids)
{
  PetscFunctionBegin;
  PetscCall(MeritStringsDestroy(&ids->pool));
  PetscCall(PetscFree(ids->code));
  PetscCall(PetscFree(ids->line));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fault for each line with an id that an earlier line has. pair [2 n]: number of the id and
   line of the file, in file order, as they arrived at the rank whose block [first, first +
   n_block) holds the number. Not collective. */
static PetscErrorCode NoteDuplicate(MeritDict dict, int64_t first, int64_t n_block, int64_t n, const int64_t pair[], const char path[],
                                    const char advice[], MeritFault *fault)
{
  int64_t *seen;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_block, &seen));
  for (int64_t i = 0; i < n; i++) {
    const int64_t number = pair[2 * i], line = pair[2 * i + 1];

    if (seen[number - first]) {
      const char *id = MeritDictLocal(dict, number, NULL);

      MeritFaultSet(fault, MERIT_ERROR_INPUT, path, line, id, "this id is already on line %lld%s", (long long)seen[number - first], advice);
    } else {
      seen[number - first] = line;
    }
  }
  PetscCall(PetscFree(seen));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Raise the error for duplicate ids; at least one must exist. Each rank sends (number,
   line) of its animals to the rank that holds the label of the number, where lines of one
   id arrive together, those of lower ranks, which are earlier lines, first. Collective. */
static PetscErrorCode RaiseDuplicate(MPI_Comm comm, const char path[], const char advice[], const GenoIds *ids, MeritDict dict)
{
  const int64_t size_of_dict = MeritDictSize(dict);
  MeritFault    fault        = {0};
  MeritExchange ex;
  PetscMPIInt   rank, size, *dest;
  int64_t      *number, *pair, *arrived, first, n_block;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc3(MeritStringsCount(ids->pool), &number, ids->n, &dest, 2 * (size_t)ids->n, &pair));
  PetscCall(MeritDictFind(dict, ids->pool, number));
  for (int64_t i = 0; i < ids->n; i++) {
    pair[2 * i]     = number[ids->code[i]];
    pair[2 * i + 1] = ids->line[i];
    dest[i]         = MeritBlockOwner(size_of_dict, size, pair[2 * i]);
  }
  PetscCall(MeritExchangeCreate(comm, ids->n, dest, &ex));
  PetscCall(PetscMalloc1(2 * (size_t)MeritExchangeArriving(ex), &arrived));
  PetscCall(MeritExchangeForward(ex, 2 * sizeof(*pair), pair, arrived));
  first   = MeritBlockFirst(size_of_dict, size, rank);
  n_block = MeritBlockFirst(size_of_dict, size, rank + 1) - first;
  PetscCall(NoteDuplicate(dict, first, n_block, MeritExchangeArriving(ex), arrived, path, advice, &fault));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(arrived));
  PetscCall(PetscFree3(number, dest, pair));
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  GenoIdsNumber - The dictionary of the animals' ids, each id's number its row of the file.

  Collective on comm. An id on two lines is an INPUT error naming both, with `advice` behind.
*/
PetscErrorCode GenoIdsNumber(MPI_Comm comm, const char path[], const char advice[], const GenoIds *ids, MeritDict *dict)
{
  int64_t *order, all = ids->n;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(MeritStringsCount(ids->pool), &order));
  /* from the last row to the first, so that an id of several rows keeps the first of them */
  for (int64_t i = ids->n - 1; i >= 0; i--) order[ids->code[i]] = ids->first + i;
  PetscCall(MeritDictCreate(comm, ids->pool, order, dict));
  PetscCall(PetscFree(order));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT64_T, MPI_SUM, comm));
  if (MeritDictSize(*dict) != all) PetscCall(RaiseDuplicate(comm, path, advice, ids, *dict));
  PetscFunctionReturn(PETSC_SUCCESS);
}
