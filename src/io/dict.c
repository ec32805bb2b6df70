#include "dict_private.h"
#include <merit/exchange.h>
#include <string.h>

struct _p_MeritDict {
  MPI_Comm     comm;
  PetscMPIInt  size, rank;
  int          references;
  int64_t      n;       /* labels over all ranks */
  int64_t      first;   /* first number of this rank's block */
  MeritStrings table;   /* the labels whose hash is this rank's; owned */
  int64_t     *number;  /* [strings of table] their numbers; owned */
  char        *at;      /* labels of this rank's block, each with its 0; owned */
  int64_t     *start;   /* [block + 1]; owned */
};

/* Rank that answers for a label: the high half of the hash, since the pool uses the low half */
static PetscMPIInt HashOwner(PetscMPIInt size, const char *at, size_t length)
{
  return (PetscMPIInt)((MeritStringsHash(at, length) >> 32) * (uint64_t)size >> 32);
}

/* A pool as one block of labels; the bytes stay the pool's, start is owned by the caller */
static PetscErrorCode PoolLabels(MeritStrings pool, DictLabels *labels)
{
  const char *base = NULL;

  PetscFunctionBegin;
  labels->n     = MeritStringsCount(pool);
  labels->order = NULL;
  PetscCall(PetscMalloc1(labels->n + 1, &labels->start));
  labels->start[0] = 0;
  if (labels->n) base = MeritStringsGet(pool, 0, NULL);
  for (int32_t c = 0; c < labels->n; c++) {
    size_t length;

    labels->start[c]     = MeritStringsGet(pool, c, &length) - base;
    labels->start[c + 1] = labels->start[c] + (int64_t)length + 1;
  }
  labels->at = base;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode PlanByHash(MPI_Comm comm, PetscMPIInt size, const DictLabels *labels, MeritExchange *ex)
{
  PetscMPIInt *dest;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(labels->n, &dest));
  for (int64_t i = 0; i < labels->n; i++)
    dest[i] = HashOwner(size, labels->at + labels->start[i], (size_t)(labels->start[i + 1] - labels->start[i] - 1));
  PetscCall(MeritExchangeCreate(comm, labels->n, dest, ex));
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add labels to the table; order[c] becomes the least of each distinct label's (least[] has room for all) */
static PetscErrorCode InternAll(MeritDict d, const DictLabels *labels, int64_t least[])
{
  PetscFunctionBegin;
  for (int64_t i = 0; i < labels->n; i++) {
    int32_t before = MeritStringsCount(d->table), c;

    PetscCall(MeritStringsIntern(d->table, labels->at + labels->start[i],
                                 (size_t)(labels->start[i + 1] - labels->start[i] - 1), &c));
    if (least && (c >= before || labels->order[i] < least[c])) least[c] = labels->order[i];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every distinct label comes to its hash owner's table; *order[strings of table], or NULL when no rank has orders */
static PetscErrorCode FillTable(MeritDict d, MeritStrings pool, const int64_t order[], int64_t **least)
{
  DictLabels    mine, come = {0};
  MeritExchange ex;
  char         *at;
  int           mine_ordered = order != NULL, ordered;

  PetscFunctionBegin;
  *least = NULL;
  PetscCallMPI(MPI_Allreduce(&mine_ordered, &ordered, 1, MPI_INT, MPI_MAX, d->comm));
  PetscCall(PoolLabels(pool, &mine));
  if (d->size == 1) {
    mine.order = (int64_t *)order;
    if (order) PetscCall(PetscMalloc1(mine.n + 1, least));
    PetscCall(InternAll(d, &mine, *least));
    PetscCall(PetscFree(mine.start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PlanByHash(d->comm, d->size, &mine, &ex));
  PetscCall(MeritExchangeForwardBytes(ex, mine.at, mine.start, &at, &come.start));
  PetscCall(PetscFree(mine.start));
  come.n  = MeritExchangeArriving(ex);
  come.at = at;
  if (ordered) {
    PetscCall(PetscMalloc1(come.n, &come.order));
    PetscCall(PetscMalloc1(come.n + 1, least)); /* never NULL, also with no label here: all ranks go the same way */
    PetscCall(MeritExchangeForward(ex, sizeof(*order), order, come.order));
  }
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(InternAll(d, &come, *least));
  PetscCall(PetscFree(come.order));
  PetscCall(PetscFree(come.start));
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One rank: sort, number, and keep the labels in that order */
static PetscErrorCode NumberAlone(MeritDict d, const DictLabels *table)
{
  int64_t *index;

  PetscFunctionBegin;
  d->n = table->n;
  PetscCall(DictLabelsSort(table, &index));
  for (int64_t i = 0; i < table->n; i++) d->number[index[i]] = i;
  PetscCall(DictLabelsPick(table, table->n, index, &d->at, &d->start));
  PetscCall(PetscFree(index));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The sorted labels of this rank, the first numbered `first`, go to the ranks whose blocks hold their numbers */
static PetscErrorCode SendToBlocks(MeritDict d, const DictLabels *labels, const int64_t index[], int64_t first)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *start;
  char         *at;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(labels->n, &dest));
  for (int64_t i = 0; i < labels->n; i++) dest[i] = MeritBlockOwner(d->n, d->size, first + i);
  PetscCall(MeritExchangeCreate(d->comm, labels->n, dest, &ex));
  PetscCall(PetscFree(dest));
  PetscCall(DictLabelsPick(labels, labels->n, index, &at, &start));
  PetscCall(MeritExchangeForwardBytes(ex, at, start, &d->at, &d->start));
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(start));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sort over all ranks, number, tell the hash owners, hand the labels to their blocks */
static PetscErrorCode NumberTogether(MeritDict d, const DictLabels *table)
{
  DictLabels    part = {0};
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *index, *number, first = 0;
  char         *at;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(table->n, &dest));
  PetscCall(DictLabelsSplit(d->comm, table, dest));
  PetscCall(MeritExchangeCreate(d->comm, table->n, dest, &ex));
  PetscCall(PetscFree(dest));
  part.n = MeritExchangeArriving(ex);
  PetscCall(MeritExchangeForwardBytes(ex, table->at, table->start, &at, &part.start));
  part.at = at;
  if (table->order) {
    PetscCall(PetscMalloc1(part.n, &part.order));
    PetscCall(MeritExchangeForward(ex, sizeof(*table->order), table->order, part.order));
  }
  PetscCall(DictLabelsSort(&part, &index));
  PetscCall(PetscFree(part.order));
  PetscCallMPI(MPI_Exscan(&part.n, &first, 1, MPI_INT64_T, MPI_SUM, d->comm));
  PetscCallMPI(MPI_Allreduce(&part.n, &d->n, 1, MPI_INT64_T, MPI_SUM, d->comm));
  d->first = MeritBlockFirst(d->n, d->size, d->rank);
  PetscCall(PetscMalloc1(part.n, &number));
  for (int64_t i = 0; i < part.n; i++) number[index[i]] = first + i;
  PetscCall(MeritExchangeBack(ex, sizeof(*number), number, d->number));
  PetscCall(PetscFree(number));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(SendToBlocks(d, &part, index, first));
  PetscCall(PetscFree(index));
  PetscCall(PetscFree(part.start));
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritDictCreate - Number all distinct strings of all ranks' pools by (least order over ranks, bytes in the C
  locale's order).

  Collective on comm. Numbers do not depend on the number of ranks or on how the strings are spread.

  Input Parameters:
+ comm  - the ranks
. pool  - this rank's strings, may be empty
- order - [strings of pool] first sort key, or NULL (on all ranks) for the labels alone

  Output Parameter:
. dict - owned by the caller, free with `MeritDictDestroy()`

  Persistent memory: twice the bytes of the labels and about 40 bytes for each, spread over the ranks. The
  distributed order is a sample sort by regular sampling (Shi and Schaeffer, 1992).
@*/
PetscErrorCode MeritDictCreate(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict)
{
  MeritDict  d;
  DictLabels table;
  int64_t   *least;

  PetscFunctionBegin;
  PetscCall(PetscNew(&d));
  d->comm       = comm;
  d->references = 1;
  PetscCallMPI(MPI_Comm_size(comm, &d->size));
  PetscCallMPI(MPI_Comm_rank(comm, &d->rank));
  PetscCall(MeritStringsCreate(&d->table));
  PetscCall(FillTable(d, pool, order, &least));
  PetscCall(PoolLabels(d->table, &table));
  table.order = least;
  PetscCall(PetscMalloc1(table.n, &d->number));
  if (d->size == 1) PetscCall(NumberAlone(d, &table));
  else PetscCall(NumberTogether(d, &table));
  PetscCall(PetscFree(table.start));
  PetscCall(PetscFree(least));
  *dict = d;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritDictSize - Number of labels over all ranks. Not collective. */
int64_t MeritDictSize(MeritDict d)
{
  return d->n;
}

static int64_t NumberOf(MeritDict d, const char *at, size_t length)
{
  int32_t c = MeritStringsFind(d->table, at, length);

  return c < 0 ? -1 : d->number[c];
}

/*@
  MeritDictFind - Numbers of the strings of a pool.

  Collective on the dictionary's ranks. number[strings of pool] is -1 where the dictionary does not have the string.
@*/
PetscErrorCode MeritDictFind(MeritDict d, MeritStrings pool, int64_t number[])
{
  DictLabels    mine;
  MeritExchange ex;
  int64_t      *answer, *start;
  char         *at;

  PetscFunctionBegin;
  if (d->size == 1) {
    for (int32_t c = 0; c < MeritStringsCount(pool); c++) {
      size_t      length;
      const char *label = MeritStringsGet(pool, c, &length);

      number[c] = NumberOf(d, label, length);
    }
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PoolLabels(pool, &mine));
  PetscCall(PlanByHash(d->comm, d->size, &mine, &ex));
  PetscCall(MeritExchangeForwardBytes(ex, mine.at, mine.start, &at, &start));
  PetscCall(PetscMalloc1(MeritExchangeArriving(ex), &answer));
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++)
    answer[i] = NumberOf(d, at + start[i], (size_t)(start[i + 1] - start[i] - 1));
  PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, number));
  PetscCall(PetscFree(answer));
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(start));
  PetscCall(PetscFree(mine.start));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Labels of n numbers of this rank's block, without their 0s, one after another */
static PetscErrorCode LocalLabels(MeritDict d, int64_t n, const int64_t number[], char **at, int64_t **start)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, start));
  (*start)[0] = 0;
  for (int64_t i = 0; i < n; i++) {
    size_t length = 0;

    if (number[i] >= 0 && number[i] < d->n) (void)MeritDictLocal(d, number[i], &length);
    (*start)[i + 1] = (*start)[i] + (int64_t)length;
  }
  PetscCall(PetscMalloc1((*start)[n] + 1, at));
  for (int64_t i = 0; i < n; i++)
    if ((*start)[i + 1] > (*start)[i])
      memcpy(*at + (*start)[i], MeritDictLocal(d, number[i], NULL), (size_t)((*start)[i + 1] - (*start)[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritDictLabels - Labels of any numbers.

  Collective on the dictionary's ranks. Label i is the bytes (*at)[(*start)[i] .. (*start)[i + 1]); it is
  empty for a number outside 0..N-1. Both arrays are owned by the caller, `PetscFree()`.
@*/
PetscErrorCode MeritDictLabels(MeritDict d, int64_t n, const int64_t number[], char **at, int64_t **start)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *asked, *answer_start;
  char         *answer;

  PetscFunctionBegin;
  if (d->size == 1) {
    PetscCall(LocalLabels(d, n, number, at, start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(n, &dest));
  for (int64_t i = 0; i < n; i++)
    dest[i] = number[i] < 0 || number[i] >= d->n ? -1 : MeritBlockOwner(d->n, d->size, number[i]);
  PetscCall(MeritExchangeCreate(d->comm, n, dest, &ex));
  PetscCall(PetscFree(dest));
  PetscCall(PetscMalloc1(MeritExchangeArriving(ex), &asked));
  PetscCall(MeritExchangeForward(ex, sizeof(*asked), number, asked));
  PetscCall(LocalLabels(d, MeritExchangeArriving(ex), asked, &answer, &answer_start));
  PetscCall(PetscFree(asked));
  PetscCall(MeritExchangeBackBytes(ex, answer, answer_start, at, start));
  PetscCall(PetscFree(answer));
  PetscCall(PetscFree(answer_start));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritDictLocal - Label of a number of this rank's block, 0-terminated; borrowed. Not collective. */
const char *MeritDictLocal(MeritDict d, int64_t number, size_t *length)
{
  const int64_t *start = d->start + (number - d->first);

  if (length) *length = (size_t)(start[1] - start[0] - 1);
  return d->at + start[0];
}

/* MeritDictReference - One more owner. Not collective. */
PetscErrorCode MeritDictReference(MeritDict d)
{
  PetscFunctionBegin;
  d->references++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritDictDestroy - Give up one reference; the last one frees. NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritDictDestroy(MeritDict *dict)
{
  MeritDict d = *dict;

  PetscFunctionBegin;
  *dict = NULL;
  if (!d || --d->references > 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritStringsDestroy(&d->table));
  PetscCall(PetscFree(d->number));
  PetscCall(PetscFree(d->at));
  PetscCall(PetscFree(d->start));
  PetscCall(PetscFree(d));
  PetscFunctionReturn(PETSC_SUCCESS);
}
