#include <merit/exchange.h>
#include <stdlib.h>
#include <string.h>

struct _p_MeritExchange {
  MPI_Comm     comm;
  PetscMPIInt  size;
  int64_t      n;                      /* local items, those that go nowhere included */
  int64_t     *order;                  /* [sent] local items in the order they are sent: by destination, then by number; owned */
  int64_t     *send_count, *send_first; /* [size], [size + 1] per destination; owned */
  int64_t     *recv_count, *recv_first; /* [size], [size + 1] per source; owned */
};

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
  int64_t share = n / size, rest = n % size;

  return share * rank + (rank < rest ? rank : rest);
}

/* MeritBlockOwner - Rank whose block holds an item. Not collective. */
PetscMPIInt MeritBlockOwner(int64_t n, PetscMPIInt size, int64_t item)
{
  int64_t share = n / size, rest = n % size, large = (share + 1) * rest;

  return (PetscMPIInt)(item < large ? item / (share + 1) : rest + (item - large) / share);
}

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

  PetscFunctionBegin;
  PetscCall(PetscNew(&ex));
  ex->comm = comm;
  ex->n    = n;
  PetscCallMPI(MPI_Comm_size(comm, &ex->size));
  PetscCall(PetscCalloc2(ex->size, &ex->send_count, ex->size, &ex->recv_count));
  for (int64_t i = 0; i < n; i++)
    if (dest[i] >= 0) ex->send_count[dest[i]]++;
  PetscCallMPI(MPI_Alltoall(ex->send_count, 1, MPI_INT64_T, ex->recv_count, 1, MPI_INT64_T, comm));
  PetscCall(Starts(ex->size, ex->send_count, &ex->send_first));
  PetscCall(Starts(ex->size, ex->recv_count, &ex->recv_first));
  PetscCall(PetscMalloc1(ex->send_first[ex->size], &ex->order));
  PetscCall(PetscMalloc1(ex->size, &next));
  PetscCall(PetscArraycpy(next, ex->send_first, ex->size));
  for (int64_t i = 0; i < n; i++)
    if (dest[i] >= 0) ex->order[next[dest[i]]++] = i;
  PetscCall(PetscFree(next));
  *exchange = ex;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeArriving - Number of items that arrive on this rank. Not collective. */
int64_t MeritExchangeArriving(MeritExchange ex)
{
  return ex->recv_first[ex->size];
}

/* MeritExchangeSource - Rank that an arriving item came from. Not collective. */
PetscMPIInt MeritExchangeSource(MeritExchange ex, int64_t i)
{
  PetscMPIInt low = 0, high = ex->size;

  while (high - low > 1) {
    PetscMPIInt middle = (low + high) / 2;

    if (ex->recv_first[middle] <= i) low = middle;
    else high = middle;
  }
  while (ex->recv_first[low + 1] <= i) low++;
  return low;
}

/* Move packed bytes: out_count[r] bytes at out_first[r] go to rank r; the same way in. Pairwise rounds of bounded messages. */
static PetscErrorCode Move(MPI_Comm comm, PetscMPIInt size, size_t unit, const char *out, const int64_t out_count[],
                           const int64_t out_first[], char *in, const int64_t in_count[], const int64_t in_first[])
{
  const int64_t limit = MeritMaxMessage();
  PetscMPIInt   rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  for (PetscMPIInt step = 0; step < size; step++) {
    PetscMPIInt to = (rank + step) % size, from = (rank - step + size) % size;
    int64_t     n_out = out_count[to] * (int64_t)unit, n_in = in_count[from] * (int64_t)unit;
    const char *src = n_out ? out + out_first[to] * (int64_t)unit : out; /* an empty array may be NULL */
    char       *dst = n_in ? in + in_first[from] * (int64_t)unit : in;

    if (step == 0) {
      if (n_out) memcpy(dst, src, (size_t)n_out);
      continue;
    }
    for (int64_t done = 0; done < n_out || done < n_in; done += limit) {
      int64_t     a = PetscMin(limit, n_out - done), b = PetscMin(limit, n_in - done);
      MPI_Request request[2];
      int         n = 0;

      if (b > 0) PetscCallMPI(MPI_Irecv(dst + done, (int)b, MPI_BYTE, from, 71, comm, &request[n++]));
      if (a > 0) PetscCallMPI(MPI_Isend(src + done, (int)a, MPI_BYTE, to, 71, comm, &request[n++]));
      PetscCallMPI(MPI_Waitall(n, request, MPI_STATUSES_IGNORE));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeForward - Send one array along the plan. Collective; in[n], out[arriving], items of `bytes` bytes. */
PetscErrorCode MeritExchangeForward(MeritExchange ex, size_t bytes, const void *in, void *out)
{
  const int64_t sent = ex->send_first[ex->size];
  char         *pack;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)sent * bytes, &pack));
  for (int64_t i = 0; i < sent; i++)
    memcpy(pack + (size_t)i * bytes, (const char *)in + (size_t)ex->order[i] * bytes, bytes);
  PetscCall(Move(ex->comm, ex->size, bytes, pack, ex->send_count, ex->send_first, (char *)out, ex->recv_count,
                 ex->recv_first));
  PetscCall(PetscFree(pack));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeBack - Send answers back to where the items came from. Collective; answers[arriving], out[n]. */
PetscErrorCode MeritExchangeBack(MeritExchange ex, size_t bytes, const void *answers, void *out)
{
  const int64_t sent = ex->send_first[ex->size];
  char         *pack;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)sent * bytes, &pack));
  PetscCall(Move(ex->comm, ex->size, bytes, (const char *)answers, ex->recv_count, ex->recv_first, pack, ex->send_count,
                 ex->send_first));
  for (int64_t i = 0; i < sent; i++)
    memcpy((char *)out + (size_t)ex->order[i] * bytes, pack + (size_t)i * bytes, bytes);
  PetscCall(PetscFree(pack));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sum the lengths of the items of each rank: bytes per rank and where they begin */
static PetscErrorCode ByteCounts(PetscMPIInt size, const int64_t item_first[], const int64_t length[], int64_t **count,
                                 int64_t **first)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(size, count));
  for (PetscMPIInt r = 0; r < size; r++)
    for (int64_t i = item_first[r]; i < item_first[r + 1]; i++) (*count)[r] += length[i];
  PetscCall(Starts(size, *count, first));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode LengthsToStarts(int64_t n, const int64_t length[], int64_t **start)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, start));
  (*start)[0] = 0;
  for (int64_t i = 0; i < n; i++) (*start)[i + 1] = (*start)[i] + length[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritExchangeForwardBytes - Send strings along the plan.

  Collective. Item i is at[start[i] .. start[i + 1]). The output arrays are owned by the caller, free with `PetscFree()`.
@*/
PetscErrorCode MeritExchangeForwardBytes(MeritExchange ex, const char at[], const int64_t start[], char **out,
                                         int64_t **out_start)
{
  const int64_t sent = ex->send_first[ex->size], arriving = MeritExchangeArriving(ex);
  int64_t      *length, *in_length, *packed, *out_count, *out_first, *in_count, *in_first, at_byte = 0;
  char         *pack;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(ex->n, &length, sent, &packed, arriving, &in_length));
  for (int64_t i = 0; i < ex->n; i++) length[i] = start[i + 1] - start[i];
  for (int64_t i = 0; i < sent; i++) packed[i] = length[ex->order[i]];
  PetscCall(MeritExchangeForward(ex, sizeof(*length), length, in_length));
  PetscCall(ByteCounts(ex->size, ex->send_first, packed, &out_count, &out_first));
  PetscCall(ByteCounts(ex->size, ex->recv_first, in_length, &in_count, &in_first));
  PetscCall(PetscMalloc1(out_first[ex->size], &pack));
  PetscCall(PetscMalloc1(in_first[ex->size] + 1, out));
  for (int64_t i = 0; i < sent; at_byte += packed[i++])
    memcpy(pack + at_byte, at + start[ex->order[i]], (size_t)packed[i]);
  PetscCall(Move(ex->comm, ex->size, 1, pack, out_count, out_first, *out, in_count, in_first));
  PetscCall(LengthsToStarts(arriving, in_length, out_start));
  PetscCall(PetscFree(pack));
  PetscCall(PetscFree3(length, packed, in_length));
  PetscCall(PetscFree(out_count));
  PetscCall(PetscFree(out_first));
  PetscCall(PetscFree(in_count));
  PetscCall(PetscFree(in_first));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExchangeBackBytes - Send string answers back. Collective; outputs owned by the caller, `PetscFree()`. */
PetscErrorCode MeritExchangeBackBytes(MeritExchange ex, const char at[], const int64_t start[], char **out,
                                      int64_t **out_start)
{
  const int64_t sent = ex->send_first[ex->size], arriving = MeritExchangeArriving(ex);
  int64_t      *answer, *packed, *length, *out_count, *out_first, *in_count, *in_first, at_byte = 0;
  char         *pack;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(arriving, &answer, sent, &packed, ex->n, &length));
  PetscCall(PetscArrayzero(length, ex->n));
  for (int64_t i = 0; i < arriving; i++) answer[i] = start[i + 1] - start[i];
  PetscCall(MeritExchangeBack(ex, sizeof(*answer), answer, length));
  for (int64_t i = 0; i < sent; i++) packed[i] = length[ex->order[i]];
  PetscCall(ByteCounts(ex->size, ex->recv_first, answer, &out_count, &out_first));
  PetscCall(ByteCounts(ex->size, ex->send_first, packed, &in_count, &in_first));
  PetscCall(PetscMalloc1(in_first[ex->size] + 1, &pack));
  PetscCall(PetscMalloc1(in_first[ex->size] + 1, out));
  PetscCall(Move(ex->comm, ex->size, 1, at, out_count, out_first, pack, in_count, in_first));
  PetscCall(LengthsToStarts(ex->n, length, out_start));
  for (int64_t i = 0; i < sent; at_byte += packed[i++])
    memcpy(*out + (*out_start)[ex->order[i]], pack + at_byte, (size_t)packed[i]);
  PetscCall(PetscFree(pack));
  PetscCall(PetscFree3(answer, packed, length));
  PetscCall(PetscFree(out_count));
  PetscCall(PetscFree(out_first));
  PetscCall(PetscFree(in_count));
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
  PetscCall(PetscFree(*exchange));
  PetscFunctionReturn(PETSC_SUCCESS);
}
