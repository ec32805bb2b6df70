/*
  The one all-to-all of the project.

  The plan has, for each rank, how many items go there and how many come from there. Items are sent
  in the order of their destination; when they are not in that order already, `order` lists them
  and they are packed piece by piece. Rank r exchanges in step s with ranks r + s and r - s (mod
  size), so that every rank has one partner in each direction at any time and no rank is flooded.
  The same plan runs backwards for answers. Strings go as their lengths first, then as bytes.
*/
#include <merit/error.h>
#include <merit/exchange.h>
#include <stdlib.h>
#include <string.h>

struct _p_MeritExchange {
  MPI_Comm    comm;
  PetscMPIInt rank, size;
  int64_t     n;                       /* local items, those that go nowhere included */
  int32_t    *order;                   /* [sent] local items in the order they are sent: by destination, then by number; NULL: as they stand; owned */
  int64_t    *send_count, *send_first; /* [size], [size + 1] per destination; owned */
  int64_t    *recv_count, *recv_first; /* [size], [size + 1] per source; owned */
};

/* Items are packed and unpacked in pieces of this many bytes: a piece stays in cache, and no copy
   of a whole array is made */
static const int64_t PIECE = (int64_t)1 << 20;

/* MeritMaxMessage - Largest message or I/O request in bytes. Not collective. */
int64_t MeritMaxMessage(void)
{
  const char *text  = getenv("MERIT_MAX_MESSAGE");
  long long   bytes = text ? atoll(text) : 0;

  return bytes >= 1024 ? (int64_t)bytes : (int64_t)1 << 30;
}

/* MeritBlockFirst - First item of a rank's block. Not collective. */
int64_t MeritBlockFirst(int64_t n, PetscMPIInt size, PetscMPIInt rank)
{
  /* The first `rest` blocks have one item more than the others */
  int64_t each = n / size, rest = n % size;

  return each * rank + (rank < rest ? rank : rest);
}

/* MeritBlockOwner - Rank whose block holds an item. Not collective. */
PetscMPIInt MeritBlockOwner(int64_t n, PetscMPIInt size, int64_t item)
{
  int64_t each = n / size, rest = n % size, large = (each + 1) * rest;

  return (PetscMPIInt)(item < large ? item / (each + 1) : rest + (item - large) / each);
}

/* Prefix sums: (*first)[r] = sum of count[0..r), [size + 1]; owned by the caller */
static PetscErrorCode Starts(PetscMPIInt size, const int64_t count[], int64_t **first)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(size + 1, first));
  (*first)[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) (*first)[r + 1] = (*first)[r] + count[r];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritExchangeCreate - Plan an all-to-all in which local item i goes to rank dest[i].

  Collective on comm.

  Input Parameters:
+ comm - the ranks
. n    - items of this rank
- dest - [n] their destinations, -1 for none; read once

  Output Parameter:
. ex - the plan; owned by the caller, free with `MeritExchangeDestroy()`
@*/
PetscErrorCode MeritExchangeCreate(MPI_Comm comm, int64_t n, const PetscMPIInt dest[], MeritExchange *exchange)
{
  MeritExchange ex;
  int64_t      *next;
  bool          as_they_stand = true;

  PetscFunctionBegin;
  PetscCall(MeritFitsRank(comm, n, "items to send"));
  PetscCall(PetscNew(&ex));
  PetscCall(PetscCommDuplicate(comm, &ex->comm, NULL)); /* messages of the caller are none of ours */
  ex->n = n;
  PetscCallMPI(MPI_Comm_rank(comm, &ex->rank));
  PetscCallMPI(MPI_Comm_size(comm, &ex->size));
  PetscCall(PetscCalloc2(ex->size, &ex->send_count, ex->size, &ex->recv_count));
  /* Items are in sending order if their destinations ascend and none is -1 */
  for (int64_t i = 0; i < n; i++) {
    if (dest[i] >= 0) ex->send_count[dest[i]]++;
    as_they_stand = as_they_stand && dest[i] >= (i ? dest[i - 1] : 0);
  }
  PetscCallMPI(MPI_Alltoall(ex->send_count, 1, MPI_INT64_T, ex->recv_count, 1, MPI_INT64_T, comm));
  PetscCall(Starts(ex->size, ex->send_count, &ex->send_first));
  PetscCall(Starts(ex->size, ex->recv_count, &ex->recv_first));
  *exchange = ex;
  if (as_they_stand) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(ex->send_first[ex->size], &ex->order));
  PetscCall(PetscMalloc1(ex->size, &next));
  PetscCall(PetscArraycpy(next, ex->send_first, ex->size));
  /* Counting sort by destination keeps the order of the items of one rank */
  for (int64_t i = 0; i < n; i++)
    if (dest[i] >= 0) ex->order[next[dest[i]]++] = (int32_t)i;
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeArriving - Number of items that arrive on this rank. Not collective. */
int64_t MeritExchangeArriving(MeritExchange ex) { return ex->recv_first[ex->size]; }

/* MeritExchangeSource - Rank that an arriving item came from. Not collective. */
PetscMPIInt MeritExchangeSource(MeritExchange ex, int64_t i)
{
  PetscMPIInt low = 0, high = ex->size;

  /* Last rank whose first item is at or before i; ranks that sent nothing are skipped by the second
     loop */
  while (high - low > 1) {
    PetscMPIInt middle = (low + high) / 2;

    if (ex->recv_first[middle] <= i) low = middle;
    else high = middle;
  }
  while (ex->recv_first[low + 1] <= i) low++;
  return low;
}

/* Send n_out bytes to one rank and receive n_in from another, in messages of at most
   MeritMaxMessage() bytes */
static PetscErrorCode Swap(MPI_Comm comm, PetscMPIInt to, const char *out, int64_t n_out, PetscMPIInt from, char *in, int64_t n_in)
{
  const int64_t limit = MeritMaxMessage();

  PetscFunctionBegin;
  for (int64_t done = 0; done < n_out || done < n_in; done += limit) {
    int64_t     a = PetscMin(limit, n_out - done), b = PetscMin(limit, n_in - done);
    MPI_Request request[2];
    int         n = 0;

    if (b > 0) PetscCallMPI(MPI_Irecv(in + done, (int)b, MPI_BYTE, from, 71, comm, &request[n++]));
    if (a > 0) PetscCallMPI(MPI_Isend(out + done, (int)a, MPI_BYTE, to, 71, comm, &request[n++]));
    PetscCallMPI(MPI_Waitall(n, request, MPI_STATUSES_IGNORE));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pack: to[i] = from[order[i]], items of `bytes` bytes. A constant size lets the compiler use one
   move for each item. */
static void Gather(size_t bytes, int64_t n, const int32_t order[], const char *from, char *to)
{
  switch (bytes) {
  case 4:
    for (int64_t i = 0; i < n; i++) memcpy(to + 4 * i, from + 4 * (int64_t)order[i], 4);
    break;
  case 8:
    for (int64_t i = 0; i < n; i++) memcpy(to + 8 * i, from + 8 * (int64_t)order[i], 8);
    break;
  case 16:
    for (int64_t i = 0; i < n; i++) memcpy(to + 16 * i, from + 16 * (int64_t)order[i], 16);
    break;
  default:
    for (int64_t i = 0; i < n; i++) memcpy(to + (size_t)i * bytes, from + (size_t)order[i] * bytes, bytes);
  }
}

/* Unpack: to[order[i]] = from[i] */
static void Scatter(size_t bytes, int64_t n, const int32_t order[], const char *from, char *to)
{
  switch (bytes) {
  case 4:
    for (int64_t i = 0; i < n; i++) memcpy(to + 4 * (int64_t)order[i], from + 4 * i, 4);
    break;
  case 8:
    for (int64_t i = 0; i < n; i++) memcpy(to + 8 * (int64_t)order[i], from + 8 * i, 8);
    break;
  case 16:
    for (int64_t i = 0; i < n; i++) memcpy(to + 16 * (int64_t)order[i], from + 16 * i, 16);
    break;
  default:
    for (int64_t i = 0; i < n; i++) memcpy(to + (size_t)order[i] * bytes, from + (size_t)i * bytes, bytes);
  }
}

/*
  Travel - Move one array along the plan (back false) or the answers against it (back true).
  Collective.
  Forward, items are packed before they are sent; backward, they are unpacked after they arrived.
  Both sides cut in pieces of `most` items whether they pack or not, so that their messages match.
*/
static PetscErrorCode Travel(MeritExchange ex, bool back, size_t bytes, const char *in, char *out)
{
  const int64_t *out_count = back ? ex->recv_count : ex->send_count, *out_first = back ? ex->recv_first : ex->send_first;
  const int64_t *in_count = back ? ex->send_count : ex->recv_count, *in_first = back ? ex->send_first : ex->recv_first;
  const int64_t  most = PetscMax(1, PIECE / (int64_t)bytes), mine = ex->send_count[ex->rank];
  const bool     pack = ex->order && !back, lay = ex->order && back;
  char          *piece = NULL;

  PetscFunctionBegin;
  /* Items of this rank to itself need no message */
  if (pack) Gather(bytes, mine, ex->order + out_first[ex->rank], in, out + (size_t)(in_first[ex->rank]) * bytes);
  else if (lay) Scatter(bytes, mine, ex->order + in_first[ex->rank], in + (size_t)(out_first[ex->rank]) * bytes, out);
  else if (mine) memcpy(out + (size_t)(in_first[ex->rank]) * bytes, in + (size_t)(out_first[ex->rank]) * bytes, (size_t)mine * bytes);
  if (ex->order && ex->size > 1) PetscCall(PetscMalloc1((size_t)most * bytes, &piece));
  for (PetscMPIInt step = 1; step < ex->size; step++) {
    const PetscMPIInt to = (ex->rank + step) % ex->size, from = (ex->rank - step + ex->size) % ex->size;

    for (int64_t done = 0; done < out_count[to] || done < in_count[from]; done += most) {
      const int64_t n_out = PetscMax(0, PetscMin(most, out_count[to] - done)), n_in = PetscMax(0, PetscMin(most, in_count[from] - done));

      if (pack && n_out) Gather(bytes, n_out, ex->order + out_first[to] + done, in, piece);
      PetscCall(Swap(ex->comm, to, pack || !n_out ? piece : in + (size_t)(out_first[to] + done) * bytes, n_out * (int64_t)bytes, from,
                     lay || !n_in ? piece : out + (size_t)(in_first[from] + done) * bytes, n_in * (int64_t)bytes));
      if (lay && n_in) Scatter(bytes, n_in, ex->order + in_first[from] + done, piece, out);
    }
  }
  PetscCall(PetscFree(piece));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeForward - Send one array along the plan. Collective; in[n], out[arriving], items of `bytes` bytes. */
PetscErrorCode MeritExchangeForward(MeritExchange ex, size_t bytes, const void *in, void *out)
{
  PetscFunctionBegin;
  PetscCall(Travel(ex, false, bytes, (const char *)in, (char *)out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeBack - Send answers back to where the items came from. Collective; answers[arriving], out[n]. */
PetscErrorCode MeritExchangeBack(MeritExchange ex, size_t bytes, const void *answers, void *out)
{
  PetscFunctionBegin;
  PetscCall(Travel(ex, true, bytes, (const char *)answers, (char *)out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First byte of each rank's strings: (*first)[r] = start[item_first[r]], [size + 1]; owned by the
   caller */
static PetscErrorCode ByteFirsts(PetscMPIInt size, const int64_t item_first[], const int64_t start[], int64_t **first)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(size + 1, first));
  for (PetscMPIInt r = 0; r <= size; r++) (*first)[r] = start[item_first[r]];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First byte of each rank's strings in the packed buffer; strings of this rank to itself are not in
   it */
static PetscErrorCode PackedFirsts(MeritExchange ex, const int32_t length[], int64_t **first)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(ex->size + 1, first));
  for (PetscMPIInt r = 0; r < ex->size; r++) {
    (*first)[r + 1] = (*first)[r];
    for (int64_t i = ex->send_first[r]; r != ex->rank && i < ex->send_first[r + 1]; i++) (*first)[r + 1] += length[ex->order[i]];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Prefix sums of n lengths: (*start)[n + 1]; owned by the caller */
static PetscErrorCode LengthsToStarts(int64_t n, const int32_t length[], int64_t **start)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, start));
  (*start)[0] = 0;
  for (int64_t i = 0; i < n; i++) (*start)[i + 1] = (*start)[i] + length[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Lengths of n strings from their bounds; owned by the caller. Collective: a string of 2 GiB or
   more is a SYSTEM error on all ranks. */
static PetscErrorCode StartsToLengths(MPI_Comm comm, int64_t n, const int64_t start[], int32_t **length)
{
  int64_t longest = 0;

  PetscFunctionBegin;
  for (int64_t i = 0; i < n; i++) longest = PetscMax(longest, start[i + 1] - start[i]);
  PetscCall(MeritFitsRank(comm, longest, "bytes in one string"));
  PetscCall(PetscMalloc1(n, length));
  for (int64_t i = 0; i < n; i++) (*length)[i] = (int32_t)(start[i + 1] - start[i]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pack: strings of items order[0..n), each behind the other */
static void GatherStrings(int64_t n, const int32_t order[], const char at[], const int64_t start[], char *to)
{
  for (int64_t i = 0; i < n; i++) {
    const int64_t bytes = start[order[i] + 1] - start[order[i]];

    memcpy(to, at + start[order[i]], (size_t)bytes);
    to += bytes;
  }
}

/* Unpack: strings that lie behind each other become those of items order[0..n) */
static void ScatterStrings(int64_t n, const int32_t order[], const char *from, char at[], const int64_t start[])
{
  for (int64_t i = 0; i < n; i++) {
    const int64_t bytes = start[order[i] + 1] - start[order[i]];

    memcpy(at + start[order[i]], from, (size_t)bytes);
    from += bytes;
  }
}

/* Exchange bytes with all other ranks; first[size + 1] bounds the bytes of each rank. Collective. */
static PetscErrorCode MoveBytes(MeritExchange ex, const char out[], const int64_t out_first[], char in[], const int64_t in_first[])
{
  PetscFunctionBegin;
  for (PetscMPIInt step = 1; step < ex->size; step++) {
    const PetscMPIInt to = (ex->rank + step) % ex->size, from = (ex->rank - step + ex->size) % ex->size;
    const int64_t     n_out = out_first[to + 1] - out_first[to], n_in = in_first[from + 1] - in_first[from];

    PetscCall(Swap(ex->comm, to, n_out ? out + out_first[to] : out, n_out, from, n_in ? in + in_first[from] : in, n_in));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritExchangeForwardBytes - Send strings along the plan.

  Collective. Item i is at[start[i] .. start[i + 1]), of less than 2 GiB. The output arrays are owned by the caller, free with
  `PetscFree()`.
@*/
PetscErrorCode MeritExchangeForwardBytes(MeritExchange ex, const char at[], const int64_t start[], char **out, int64_t **out_start)
{
  const int64_t arriving = MeritExchangeArriving(ex), mine = ex->send_first[ex->rank], n_mine = ex->send_count[ex->rank];
  int64_t      *out_first, *in_first;
  int32_t      *length, *in_length;
  char         *pack = NULL;

  PetscFunctionBegin;
  /* Lengths travel first: the receiver must know how much memory the strings take */
  PetscCall(StartsToLengths(ex->comm, ex->n, start, &length));
  PetscCall(PetscMalloc1(arriving, &in_length));
  PetscCall(MeritExchangeForward(ex, sizeof(*length), length, in_length));
  PetscCall(LengthsToStarts(arriving, in_length, out_start));
  PetscCall(PetscFree(in_length));
  PetscCall(ByteFirsts(ex->size, ex->recv_first, *out_start, &in_first));
  PetscCall(PetscMalloc1(in_first[ex->size] + 1, out));
  if (ex->order) {
    PetscCall(PackedFirsts(ex, length, &out_first));
    PetscCall(PetscMalloc1(out_first[ex->size] + 1, &pack));
    for (PetscMPIInt r = 0; r < ex->size; r++)
      GatherStrings(ex->send_count[r], ex->order + ex->send_first[r], at, start, r == ex->rank ? *out + in_first[r] : pack + out_first[r]);
  } else {
    PetscCall(ByteFirsts(ex->size, ex->send_first, start, &out_first));
    if (n_mine) memcpy(*out + in_first[ex->rank], at + start[mine], (size_t)(start[mine + n_mine] - start[mine]));
  }
  PetscCall(PetscFree(length));
  PetscCall(MoveBytes(ex, ex->order ? pack : at, out_first, *out, in_first));
  PetscCall(PetscFree(pack));
  PetscCall(PetscFree(out_first));
  PetscCall(PetscFree(in_first));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeBackBytes - Send string answers back. Collective; outputs owned by the caller, `PetscFree()`. */
PetscErrorCode MeritExchangeBackBytes(MeritExchange ex, const char at[], const int64_t start[], char **out, int64_t **out_start)
{
  const int64_t arriving = MeritExchangeArriving(ex), mine = ex->recv_first[ex->rank], n_mine = ex->recv_count[ex->rank];
  int64_t      *out_first, *in_first;
  int32_t      *answer, *length;
  char         *pack = NULL;

  PetscFunctionBegin;
  PetscCall(StartsToLengths(ex->comm, arriving, start, &answer));
  PetscCall(PetscCalloc1(ex->n, &length));
  PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, length));
  PetscCall(PetscFree(answer));
  PetscCall(LengthsToStarts(ex->n, length, out_start));
  PetscCall(PetscMalloc1((*out_start)[ex->n] + 1, out));
  PetscCall(ByteFirsts(ex->size, ex->recv_first, start, &out_first));
  if (ex->order) {
    PetscCall(PackedFirsts(ex, length, &in_first));
    PetscCall(PetscMalloc1(in_first[ex->size] + 1, &pack));
  } else {
    PetscCall(ByteFirsts(ex->size, ex->send_first, *out_start, &in_first));
    if (n_mine) memcpy(*out + in_first[ex->rank], at + start[mine], (size_t)(start[mine + n_mine] - start[mine]));
  }
  PetscCall(PetscFree(length));
  PetscCall(MoveBytes(ex, at, out_first, ex->order ? pack : *out, in_first));
  for (PetscMPIInt r = 0; ex->order && r < ex->size; r++)
    ScatterStrings(ex->send_count[r], ex->order + ex->send_first[r], r == ex->rank ? at + out_first[r] : pack + in_first[r], *out, *out_start);
  PetscCall(PetscFree(pack));
  PetscCall(PetscFree(out_first));
  PetscCall(PetscFree(in_first));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeDestroy - Free a plan; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritExchangeDestroy(MeritExchange *exchange)
{
  MeritExchange ex = *exchange;

  PetscFunctionBegin;
  if (!ex) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(ex->send_first));
  PetscCall(PetscFree(ex->recv_first));
  PetscCall(PetscFree2(ex->send_count, ex->recv_count));
  PetscCall(PetscFree(ex->order));
  PetscCall(PetscCommDestroy(&ex->comm));
  PetscCall(PetscFree(*exchange));
  PetscFunctionReturn(PETSC_SUCCESS);
}
