/*
  Distributed dictionary of labels (ids of animals, levels of class effects).

  Each label is stored twice. The rank given by its hash has it in `table` with its number and
  answers "which number has this label". Numbers are cut into blocks over the ranks; the rank of a
  block has the labels in order and answers "which label has this number". Creation: labels go to
  their hash ranks (FillTable), are sorted over all ranks by (order, bytes) (NumberTogether), and
  numbers go back the way the labels came. With one rank all of this is local.
*/
#include "dict_private.h"
#include <merit/exchange.h>
#include <string.h>

/* Labels looked up together, so that cache misses overlap (strings.c). A look-up in a large
   table waits for memory; 64 of them wait at the same time. */
enum { AT_ONCE = 64 };

struct _p_MeritDict {
  MPI_Comm     comm;
  PetscMPIInt  size, rank;
  int          references;
  int64_t      n;      /* labels over all ranks */
  int64_t      first;  /* first number of this rank's block */
  MeritStrings table;  /* the labels whose hash is this rank's; owned */
  int64_t     *number; /* [strings of table] their numbers; owned */
  char        *at;     /* labels of this rank's block, each with its 0; owned */
  int64_t     *start;  /* [block + 1]; owned */
};

/* Rank that answers for a label: by the high half of the hash, since the slot in the table
   uses the low half. The product of 32 bits of the hash and the number of ranks, shifted
   down by 32, is a rank without a division. */
static PetscMPIInt HashOwner(PetscMPIInt size, const char *at, size_t length)
{
  return (PetscMPIInt)((MeritStringsHash(at, length) >> 32) * (uint64_t)size >> 32);
}

/* The strings of a pool as one block of labels; the bytes are the pool's, labels->start is owned by
   the caller */
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

/* Exchange plan that sends each label to the rank of its hash. Collective; owned by the
   caller. The length of a label leaves out its 0, since the hash is that of its bytes. */
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

/* Bounds of labels first .. first + n - 1 without their 0s, for a look-up of many at once */
static void Few(const DictLabels *labels, int64_t first, int64_t n, const char *at[], size_t length[])
{
  const int64_t *start = labels->start + first;

  for (int64_t i = 0; i < n; i++) {
    at[i]     = labels->at + start[i];
    length[i] = (size_t)(start[i + 1] - start[i] - 1);
  }
}

/* Add labels to the table: code [n] of each. least [n] (NULL: not wanted): the lowest order of each
   distinct label, by code */
static PetscErrorCode InternAll(MeritDict d, const DictLabels *labels, int32_t code[], int64_t least[])
{
  const char *at[AT_ONCE];
  size_t      length[AT_ONCE];

  PetscFunctionBegin;
  for (int64_t i = 0; i < labels->n; i += AT_ONCE) {
    const int64_t n = PetscMin(AT_ONCE, labels->n - i);

    Few(labels, i, n, at, length);
    PetscCall(MeritStringsInternMany(d->table, n, at, length, code + i));
  }
  for (int64_t i = 0; least && i < labels->n; i++) least[i] = INT64_MAX;
  for (int64_t i = 0; least && i < labels->n; i++) least[code[i]] = PetscMin(least[code[i]], labels->order[i]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  FillTable - Send every label to the table of its hash rank. Collective.
  *ex (NULL on one rank) is the plan by which labels came and (*code)[arriving] their codes in the
  table; *least is the lowest order by code, NULL if no rank has orders. All are owned by the
  caller.
*/
static PetscErrorCode FillTable(MeritDict d, MeritStrings pool, const int64_t order[], MeritExchange *ex, int32_t **code, int64_t **least)
{
  DictLabels mine, come = {0};
  char      *at;
  int        mine_ordered = order != NULL, ordered;

  PetscFunctionBegin;
  *ex    = NULL;
  *least = NULL;
  PetscCallMPI(MPI_Allreduce(&mine_ordered, &ordered, 1, MPI_INT, MPI_MAX, d->comm));
  PetscCall(PoolLabels(pool, &mine));
  if (d->size == 1) {
    mine.order = (int64_t *)order;
    if (order) PetscCall(PetscMalloc1(mine.n + 1, least));
    PetscCall(PetscMalloc1(mine.n + 1, code));
    PetscCall(InternAll(d, &mine, *code, *least));
    PetscCall(PetscFree(mine.start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PlanByHash(d->comm, d->size, &mine, ex));
  PetscCall(MeritExchangeForwardBytes(*ex, mine.at, mine.start, &at, &come.start));
  PetscCall(PetscFree(mine.start));
  come.n  = MeritExchangeArriving(*ex);
  come.at = at;
  if (ordered) {
    PetscCall(PetscMalloc1(come.n, &come.order));
    PetscCall(PetscMalloc1(come.n + 1, least)); /* not NULL even without labels: all ranks must take the same branches */
    PetscCall(MeritExchangeForward(*ex, sizeof(*order), order, come.order));
  }
  PetscCall(PetscMalloc1(come.n + 1, code));
  PetscCall(InternAll(d, &come, *code, *least));
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

/* Send the sorted labels of this rank, numbers first, first + 1, ..., to the ranks of their blocks.
   Collective. */
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

/*
  NumberTogether - Number the labels over all ranks. Collective.
  Labels are divided over the ranks by splitters, so that all labels of a rank precede those of the
  next; each rank sorts its part, and a prefix sum of the counts gives the numbers. These go back
  to the hash ranks, the labels on to their blocks.
*/
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

/* number [strings of pool] = numbers of the table, sent back the way the labels came.
   Collective. */
static PetscErrorCode Answer(MeritDict d, MeritStrings pool, MeritExchange ex, const int32_t code[], int64_t number[])
{
  const int64_t n = ex ? MeritExchangeArriving(ex) : MeritStringsCount(pool);
  int64_t      *answer;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &answer));
  for (int64_t i = 0; i < n; i++) answer[i] = d->number[code[i]];
  if (ex) PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, number));
  else PetscCall(PetscArraycpy(number, answer, n));
  PetscCall(PetscFree(answer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritDictCreateNumbers - Number all distinct strings of all ranks' pools by (least order over
  ranks, bytes in the C locale's order), and return the numbers.

  Collective on comm. Numbers do not depend on the number of ranks or on how the strings are spread.

  Input Parameters:
+ comm  - the ranks
. pool  - this rank's strings, may be empty
- order - [strings of pool] first sort key, or NULL (on all ranks) for the labels alone

  Output Parameters:
+ dict   - owned by the caller, free with `MeritDictDestroy()`
- number - [strings of pool] their numbers; NULL on all ranks if not wanted

  Persistent memory: twice the bytes of the labels and about 40 bytes for each, spread over the
  ranks. The distributed order is a sample sort by regular sampling (Shi and Schaeffer, 1992).
@*/
PetscErrorCode MeritDictCreateNumbers(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict, int64_t number[])
{
  MeritDict     d;
  DictLabels    table;
  MeritExchange ex;
  int64_t      *least;
  int32_t      *code;

  PetscFunctionBegin;
  PetscCall(PetscNew(&d));
  PetscCall(PetscCommDuplicate(comm, &d->comm, NULL)); /* messages of the caller are none of ours */
  d->references = 1;
  PetscCallMPI(MPI_Comm_size(comm, &d->size));
  PetscCallMPI(MPI_Comm_rank(comm, &d->rank));
  PetscCall(MeritStringsCreate(&d->table));
  PetscCall(FillTable(d, pool, order, &ex, &code, &least));
  PetscCall(PoolLabels(d->table, &table));
  table.order = least;
  PetscCall(PetscMalloc1(table.n, &d->number));
  if (d->size == 1) PetscCall(NumberAlone(d, &table));
  else PetscCall(NumberTogether(d, &table));
  PetscCall(PetscFree(table.start));
  PetscCall(PetscFree(least));
  if (number) PetscCall(Answer(d, pool, ex, code, number));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(code));
  *dict = d;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritDictCreate - `MeritDictCreateNumbers()` without the numbers. Collective. */
PetscErrorCode MeritDictCreate(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict)
{
  PetscFunctionBegin;
  PetscCall(MeritDictCreateNumbers(comm, pool, order, dict, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritDictSize - Number of labels over all ranks. Not collective. */
int64_t MeritDictSize(MeritDict d) { return d->n; }

/* number [n] of labels that are looked up in this rank's table; -1 for unknown ones */
static void NumbersOf(MeritDict d, const DictLabels *labels, int64_t number[])
{
  const char *at[AT_ONCE];
  size_t      length[AT_ONCE];
  int32_t     code[AT_ONCE];

  for (int64_t first = 0; first < labels->n; first += AT_ONCE) {
    const int64_t n = PetscMin(AT_ONCE, labels->n - first);

    Few(labels, first, n, at, length);
    MeritStringsFindMany(d->table, n, at, length, code);
    for (int64_t i = 0; i < n; i++) __builtin_prefetch(d->number + PetscMax(code[i], 0));
    for (int64_t i = 0; i < n; i++) number[first + i] = code[i] < 0 ? -1 : d->number[code[i]];
  }
}

/*@
  MeritDictFind - Numbers of the strings of a pool.

  Collective on the dictionary's ranks. number[strings of pool] is -1 where the dictionary does not
  have the string.
@*/
PetscErrorCode MeritDictFind(MeritDict d, MeritStrings pool, int64_t number[])
{
  DictLabels    mine, come = {0};
  MeritExchange ex;
  int64_t      *answer;
  char         *at;

  PetscFunctionBegin;
  PetscCall(PoolLabels(pool, &mine));
  if (d->size == 1) {
    NumbersOf(d, &mine, number);
    PetscCall(PetscFree(mine.start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PlanByHash(d->comm, d->size, &mine, &ex));
  PetscCall(MeritExchangeForwardBytes(ex, mine.at, mine.start, &at, &come.start));
  PetscCall(PetscFree(mine.start));
  come.n  = MeritExchangeArriving(ex);
  come.at = at;
  PetscCall(PetscMalloc1(come.n, &answer));
  NumbersOf(d, &come, answer);
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(come.start));
  PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, number));
  PetscCall(PetscFree(answer));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Labels of n numbers of this rank's block without their 0s, one after the other; a number outside
   gives an empty label. Both arrays are owned by the caller. */
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
    if ((*start)[i + 1] > (*start)[i]) memcpy(*at + (*start)[i], MeritDictLocal(d, number[i], NULL), (size_t)((*start)[i + 1] - (*start)[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritDictLabels - Labels of any numbers.

  Collective on the dictionary's ranks. Label i is the bytes (*at)[(*start)[i] .. (*start)[i + 1]);
  it is empty for a number outside 0..N-1. Both arrays are owned by the caller, `PetscFree()`.
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
  for (int64_t i = 0; i < n; i++) dest[i] = number[i] < 0 || number[i] >= d->n ? -1 : MeritBlockOwner(d->n, d->size, number[i]);
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

/* MeritDictLocal - Label of a number of this rank's block, 0-terminated; borrowed. Not
   collective. */
const char *MeritDictLocal(MeritDict d, int64_t number, size_t *length)
{
  const int64_t *start = d->start + (number - d->first);

  if (length) *length = (size_t)(start[1] - start[0] - 1);
  return d->at + start[0];
}

/* MeritDictReference - One more owner. Not collective. */
/* The count is local: all ranks call alike */
PetscErrorCode MeritDictReference(MeritDict d)
{
  PetscFunctionBegin;
  d->references++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritDictDestroy - Give up one reference; the last one frees. NULL-safe, sets the handle to NULL.
   Not collective. */
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
  PetscCall(PetscCommDestroy(&d->comm));
  PetscCall(PetscFree(d));
  PetscFunctionReturn(PETSC_SUCCESS);
}
