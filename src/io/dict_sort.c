/*
  The distributed order of labels: a sample sort (Frazer and McKellar 1970).

  Every rank sends samples of its labels to rank 0, which sorts them and picks size - 1 splitters.
  Labels were dealt to the ranks by hash, so samples at equal steps represent all labels, and the
  parts differ by a few per cent. Within a rank labels are sorted by radix: first by order, then
  eight bytes at a time.
*/
#include "dict_private.h"
#include "io_private.h"
#include <merit/ancestry.h>
#include <merit/exchange.h>
#include <stdlib.h>
#include <string.h>

/* Sort key: most comparisons are decided by the head, without reading the label */
typedef struct {
  uint64_t head; /* first 8 bytes, the first one highest, padded with 0 */
  int64_t  index;
} SortKey;

/* First 8 bytes as a number that sorts as the bytes do */
static uint64_t Head(const char *at, int64_t length)
{
  uint64_t head = 0;

  for (int64_t i = 0; i < 8; i++) head = head << 8 | (i < length ? (unsigned char)at[i] : 0u);
  return head;
}

/* Compare bytes as in the C locale; if one label begins the other, the shorter comes first */
static int CompareBytes(const char *a, int64_t n_a, const char *b, int64_t n_b)
{
  int c = memcmp(a, b, (size_t)PetscMin(n_a, n_b));

  return c ? c : (n_a > n_b) - (n_a < n_b);
}

/* Compare by (order, bytes). Without orders all orders count as 0. */
static int CompareLabels(const DictLabels *x, int64_t i, const DictLabels *y, int64_t j)
{
  int64_t a = x->order ? x->order[i] : 0, b = y->order ? y->order[j] : 0;

  if (a != b) return a < b ? -1 : 1;
  return CompareBytes(x->at + x->start[i], x->start[i + 1] - x->start[i] - 1, y->at + y->start[j], y->start[j + 1] - y->start[j] - 1);
}

/* Order of two sort keys for qsort_r: heads first; labels only where the heads are equal,
   by (order, bytes) */
static int CompareKeys(const void *pa, const void *pb, void *labels)
{
  const SortKey *a = (const SortKey *)pa, *b = (const SortKey *)pb;

  if (a->head != b->head) return a->head < b->head ? -1 : 1;
  return CompareLabels((const DictLabels *)labels, a->index, (const DictLabels *)labels, b->index);
}

/* Sort few labels, index [n], by comparison of their bytes. index [n] is both the list of
   labels and the result. The labels have the same order here, so bytes alone decide. */
static PetscErrorCode SortFew(const DictLabels *labels, int64_t n, int32_t index[])
{
  const int64_t *start = labels->start;
  SortKey       *key;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &key));
  for (int64_t i = 0; i < n; i++) key[i] = (SortKey){Head(labels->at + start[index[i]], start[index[i] + 1] - start[index[i]] - 1), index[i]};
  qsort_r(key, (size_t)n, sizeof(*key), CompareKeys, (void *)labels);
  for (int64_t i = 0; i < n; i++) index[i] = (int32_t)key[i].index;
  PetscCall(PetscFree(key));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of bytes behind `depth` that labels index [n] have in common; *longest is the
   length of the longest label. The first label is compared with each other one; what is
   common to all of these pairs is common to all labels. Not collective. */
static int64_t CommonBytes(const DictLabels *labels, int64_t n, const int32_t index[], int64_t depth, int64_t *longest)
{
  const char *first  = labels->at + labels->start[index[0]];
  int64_t     common = labels->start[index[0] + 1] - labels->start[index[0]] - 1 - depth;

  *longest = 0;
  for (int64_t i = 0; i < n; i++) {
    const char   *at     = labels->at + labels->start[index[i]];
    const int64_t length = labels->start[index[i] + 1] - labels->start[index[i]] - 1;
    int64_t       same   = 0;

    *longest = PetscMax(*longest, length);
    while (same < common && depth + same < length && at[depth + same] == first[depth + same]) same++;
    common = same;
  }
  return common;
}

/* Sort labels index [n], which have their first `depth` bytes in common. The bytes that all
   have in common are skipped, a radix sort orders the next eight, and labels that are equal
   in those are sorted by what follows. Ids of one herd often have long common beginnings.
   Few labels are sorted by comparison. A label that ends within the eight bytes is padded
   with 0, which text does not have, so the shorter of two labels comes first. */
static PetscErrorCode SortBytes(const DictLabels *labels, int64_t n, int32_t index[], int64_t depth)
{
  const int64_t *start = labels->start;
  int64_t        longest;
  uint64_t      *key;

  PetscFunctionBegin;
  depth += CommonBytes(labels, n, index, depth, &longest);
  if (n < 64 || depth >= longest) {
    PetscCall(SortFew(labels, n, index));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(n, &key));
  for (int64_t i = 0; i < n; i++) key[i] = Head(labels->at + start[index[i]] + depth, PetscMax(0, start[index[i] + 1] - start[index[i]] - 1 - depth));
  PetscCall(MeritSortKeys(n, key, index));
  for (int64_t first = 0, last; first < n; first = last) {
    for (last = first + 1; last < n && key[last] == key[first];) last++;
    if (last - first > 1) PetscCall(SortBytes(labels, last - first, index + first, PetscMin(depth + 8, longest)));
  }
  PetscCall(PetscFree(key));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* DictLabelsSort - See the header. A radix sort by order decides nearly everything if orders are
   given; ties by the bytes. Not collective. */
PetscErrorCode DictLabelsSort(const DictLabels *labels, int64_t **index)
{
  /* index in 32 bits: a rank has fewer than 2^31 labels, since codes of a pool are int32_t */
  const int64_t n = labels->n;
  uint64_t     *key;
  int32_t      *position;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &key, n, &position));
  for (int64_t i = 0; i < n; i++) {
    /* Flip the sign bit: the radix sort takes keys as unsigned */
    key[i]      = (uint64_t)(labels->order ? labels->order[i] : 0) ^ (uint64_t)1 << 63;
    position[i] = (int32_t)i;
  }
  PetscCall(MeritSortKeys(n, key, position));
  for (int64_t first = 0, last; first < n; first = last) {
    for (last = first + 1; last < n && key[last] == key[first];) last++;
    if (last - first > 1) PetscCall(SortBytes(labels, last - first, position + first, 0));
  }
  PetscCall(PetscMalloc1(n, index));
  for (int64_t i = 0; i < n; i++) (*index)[i] = position[i];
  PetscCall(PetscFree2(key, position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* DictLabelsPick - See the header. Not collective. */
PetscErrorCode DictLabelsPick(const DictLabels *labels, int64_t n, const int64_t index[], char **at, int64_t **start)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, start));
  (*start)[0] = 0;
  for (int64_t i = 0; i < n; i++) (*start)[i + 1] = (*start)[i] + labels->start[index[i] + 1] - labels->start[index[i]];
  PetscCall(PetscMalloc1((*start)[n] + 1, at));
  for (int64_t i = 0; i < n; i++) memcpy(*at + (*start)[i], labels->at + labels->start[index[i]], (size_t)((*start)[i + 1] - (*start)[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Send n_sample labels of every rank, at equal steps, to rank 0; *all is empty on the
   others. Collective. Sample s is the label in the middle of the s-th of n_sample equal
   parts of the list. dest is 0 for all samples, which is rank 0. */
static PetscErrorCode GatherSamples(MPI_Comm comm, const DictLabels *labels, int64_t n_sample, DictLabels *all)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *sample, *order, *start;
  char         *at, *all_at;

  PetscFunctionBegin;
  PetscCall(PetscCalloc3(n_sample, &dest, n_sample, &sample, n_sample, &order));
  for (int64_t s = 0; s < n_sample; s++) {
    sample[s] = (2 * s + 1) * labels->n / (2 * n_sample);
    order[s]  = labels->order ? labels->order[sample[s]] : 0;
  }
  PetscCall(DictLabelsPick(labels, n_sample, sample, &at, &start));
  PetscCall(MeritExchangeCreate(comm, n_sample, dest, &ex));
  all->n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(all->n, &all->order));
  PetscCall(MeritExchangeForward(ex, sizeof(*order), order, all->order));
  PetscCall(MeritExchangeForwardBytes(ex, at, start, &all_at, &all->start));
  all->at = all_at;
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(start));
  PetscCall(PetscFree3(dest, sample, order));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what a block of labels owns; the bytes are owned here although the field is const.
   Not collective. */
static PetscErrorCode FreeLabels(DictLabels *labels)
{
  char *at = (char *)labels->at;

  PetscFunctionBegin;
  PetscCall(PetscFree(labels->order));
  PetscCall(PetscFree(labels->start));
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank 0 sorts the samples and takes every (n / size)-th; all ranks get the size - 1
   splitters, none if there are no samples. Collective. Splitter s has about (s + 1) / size
   of all samples before it, so each rank gets nearly the same number of labels. The count
   of bytes is sent first, since the other ranks need the room. */
static PetscErrorCode PickSplitters(MPI_Comm comm, const DictLabels *samples, DictLabels *splitters)
{
  PetscMPIInt rank, size;
  int64_t    *index = NULL, *pick, count[2] = {0, 0};
  char       *at = NULL;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc1(size, &pick));
  PetscCall(PetscMalloc1(size, &splitters->order));
  splitters->start = NULL;
  if (rank == 0) {
    PetscCall(DictLabelsSort(samples, &index));
    if (samples->n) count[0] = size - 1;
    for (int64_t s = 0; s < count[0]; s++) pick[s] = index[(s + 1) * samples->n / size];
    for (int64_t s = 0; s < count[0]; s++) splitters->order[s] = samples->order[pick[s]];
    PetscCall(DictLabelsPick(samples, count[0], pick, &at, &splitters->start));
    count[1] = splitters->start[count[0]];
    PetscCall(PetscFree(index));
  }
  PetscCallMPI(MPI_Bcast(count, 2, MPI_INT64_T, 0, comm));
  splitters->n = count[0];
  if (rank) {
    PetscCall(PetscMalloc1(count[0] + 1, &splitters->start));
    PetscCall(PetscMalloc1(count[1] + 1, &at));
  }
  PetscCallMPI(MPI_Bcast(splitters->order, (int)count[0], MPI_INT64_T, 0, comm));
  PetscCallMPI(MPI_Bcast(splitters->start, (int)count[0] + 1, MPI_INT64_T, 0, comm));
  PetscCall(IoBroadcast(comm, count[1], at));
  splitters->at = at;
  PetscCall(PetscFree(pick));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* DictLabelsSplit - See the header. A rank sends 64 to 1024 samples: fewer where there are
   many ranks, so that rank 0 sorts about a million at most up to 16384 ranks. Labels from
   splitter r - 1 on and before splitter r go to rank r, found by bisection. Collective. */
PetscErrorCode DictLabelsSplit(MPI_Comm comm, const DictLabels *labels, PetscMPIInt dest[])
{
  DictLabels  samples = {0}, splitters = {0};
  PetscMPIInt size;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(GatherSamples(comm, labels, PetscMin(labels->n, PetscMax(64, PetscMin(1024, (1 << 20) / size))), &samples));
  PetscCall(PickSplitters(comm, &samples, &splitters));
  PetscCall(FreeLabels(&samples));
  for (int64_t i = 0; i < labels->n; i++) {
    PetscMPIInt low = 0, high = (PetscMPIInt)splitters.n;

    while (low < high) {
      const PetscMPIInt middle = (low + high) / 2;

      if (CompareLabels(&splitters, middle, labels, i) <= 0) low = middle + 1;
      else high = middle;
    }
    dest[i] = low;
  }
  PetscCall(FreeLabels(&splitters));
  PetscFunctionReturn(PETSC_SUCCESS);
}
