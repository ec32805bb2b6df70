/* From the bytes of a file to lines: plain files are read by ranges of bytes, one for each rank;
   gzip files are inflated by rank 0, which deals the text out, since a gzip stream cannot be
   entered in the middle. */
#include "table_private.h"
#include <merit/exchange.h>
#include <merit/file.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

/* Tag of messages with inflated text */
#define TAG_DEAL 72

/* TablePieceSize - See the header. Not collective. */
int64_t TablePieceSize(void) { return PetscMin(MeritMaxMessage(), (int64_t)4 << 20); }

/* TableFeedFile - See the header. Reads pieces of at most TablePieceSize() bytes up to
   lines->stop, and then small ones to the end of the line that crosses it. Not collective. */
PetscErrorCode TableFeedFile(const char path[], int64_t bytes, TableLines *lines, MeritFault *fault)
{
  const int64_t room = TablePieceSize(), beyond = PetscMin(room, (int64_t)64 << 10);
  char         *piece;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(room, &piece));
  while (!lines->done && lines->at < bytes) {
    /* beyond the range only the end of one line is needed: small reads */
    int64_t n = lines->stop > lines->at ? PetscMin(room, lines->stop - lines->at) : beyond;

    n = PetscMin(n, bytes - lines->at);
    PetscCall(MeritFileRead(path, lines->at, n, piece, fault));
    if (fault->kind != MERIT_ERROR_NONE) break;
    PetscCall(TableLinesFeed(lines, piece, (size_t)n));
  }
  if (fault->kind == MERIT_ERROR_NONE) PetscCall(TableLinesEnd(lines));
  PetscCall(PetscFree(piece));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ---- gzip ---- */

/* State of the inflation of a gzip file on one rank. `in` has compressed bytes [step],
   `out` text [room]; both are owned. z keeps what of `in` is still to be used. */
typedef struct {
  const char *path;
  int64_t     bytes, read; /* of the compressed file */
  int64_t     step;        /* compressed bytes per request */
  int64_t     room;        /* inflated bytes per piece */
  z_stream    z;
  bool        in_member; /* between a gzip header and its trailer */
  char       *in, *out;
} Inflater;

/* Open the stream. The step is small for small files, so that all ranks get a part. A
   sixteenth of a rank's part, 256 bytes at least. 15 + 16 asks zlib for the gzip format
   with its largest window. */
static PetscErrorCode InflaterOpen(const char path[], int64_t bytes, PetscMPIInt size, Inflater *f)
{
  PetscFunctionBegin;
  memset(f, 0, sizeof(*f));
  f->path  = path;
  f->bytes = bytes;
  f->room  = TablePieceSize();
  f->step  = PetscMax(256, PetscMin(PetscMin(f->room, (int64_t)1 << 20), bytes / (16 * (int64_t)size)));
  PetscCall(PetscMalloc2(f->step, &f->in, f->room, &f->out));
  PetscCheck(inflateInit2(&f->z, 15 + 16) == Z_OK, PETSC_COMM_SELF, PETSC_ERR_MEM, "zlib");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the stream and both buffers; also after a fault */
static PetscErrorCode InflaterClose(Inflater *f)
{
  PetscFunctionBegin;
  (void)inflateEnd(&f->z);
  PetscCall(PetscFree2(f->in, f->out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read compressed bytes if none are left, and start the next member if one begins (a gzip
   file may be several files joined, called members). At the end of the file nothing is
   read, which InflaterNext() sees. Not collective. */
static PetscErrorCode InflaterFill(Inflater *f, MeritFault *fault)
{
  int64_t n = PetscMin(f->step, f->bytes - f->read);

  PetscFunctionBegin;
  if (f->z.avail_in == 0 && n > 0) {
    PetscCall(MeritFileRead(f->path, f->read, n, f->in, fault));
    if (fault->kind != MERIT_ERROR_NONE) PetscFunctionReturn(PETSC_SUCCESS);
    f->read += n;
    f->z.next_in  = (unsigned char *)f->in;
    f->z.avail_in = (unsigned)n;
  }
  if (f->z.avail_in && !f->in_member) {
    PetscCheck(inflateReset(&f->z) == Z_OK, PETSC_COMM_SELF, PETSC_ERR_LIB, "zlib");
    f->in_member = true;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Next piece of text in f->out, *n bytes; 0 at the end or after a fault. *begun: compressed
   bytes used before it. Z_BUF_ERROR means that zlib needs more input; at the end of the
   file that is a truncated member. After the last member no input is left and no member is
   open, which is the end. Not collective. */
static PetscErrorCode InflaterNext(Inflater *f, int64_t *n, int64_t *begun, MeritFault *fault)
{
  PetscFunctionBegin;
  *n     = 0;
  *begun = f->read - (int64_t)f->z.avail_in;
  while (*n == 0) {
    int code;

    PetscCall(InflaterFill(f, fault));
    if (fault->kind != MERIT_ERROR_NONE) break;
    if (f->z.avail_in == 0 && !f->in_member) break;
    f->z.next_out  = (unsigned char *)f->out;
    f->z.avail_out = (unsigned)f->room;
    code           = inflate(&f->z, Z_NO_FLUSH);
    if (code == Z_BUF_ERROR && f->read == f->bytes) {
      MeritFaultSet(fault, MERIT_ERROR_INPUT, f->path, 0, NULL, "the gzip data end too early: the file is truncated");
      break;
    }
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      MeritFaultSet(fault, MERIT_ERROR_INPUT, f->path, 0, NULL, "damaged gzip data (%s)", f->z.msg ? f->z.msg : "zlib");
      break;
    }
    if (code == Z_STREAM_END) f->in_member = false;
    *n = f->room - (int64_t)f->z.avail_out;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* TableFeedGzip - See the header: for the header line, so only the first pieces are
   inflated. Not collective. */
PetscErrorCode TableFeedGzip(const char path[], int64_t bytes, TableLines *lines, MeritFault *fault)
{
  Inflater f;
  int64_t  n, begun;

  PetscFunctionBegin;
  PetscCall(InflaterOpen(path, bytes, 1, &f));
  do {
    PetscCall(InflaterNext(&f, &n, &begun, fault));
    if (n) PetscCall(TableLinesFeed(lines, f.out, (size_t)n));
  } while (n && !lines->done);
  if (fault->kind == MERIT_ERROR_NONE) PetscCall(TableLinesEnd(lines));
  PetscCall(InflaterClose(&f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Give n bytes of text to rank `to`: rank 0 parses its own, others get a message. An empty
   message tells a rank that it has all of its part. */
static PetscErrorCode Give(MPI_Comm comm, PetscMPIInt to, char *piece, int64_t n, TableLines *lines)
{
  PetscFunctionBegin;
  if (to == 0) PetscCall(TableLinesFeed(lines, piece, (size_t)n));
  else PetscCallMPI(MPI_Send(piece, (int)n, MPI_BYTE, to, TAG_DEAL, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank 0 deals whole lines out, to one rank after the other, in the order of the file. The
   turn of the next rank comes when its part of the compressed bytes is reached; a line
   that is not complete goes on to the present rank up to its newline. So no line is cut,
   and every rank gets a contiguous part. `skip` bytes of text at the beginning, the header,
   are dropped. The last rank gets all that remains. */
static PetscErrorCode DealOut(MPI_Comm comm, PetscMPIInt size, Inflater *f, int64_t skip, TableLines *lines, MeritFault *fault)
{
  PetscMPIInt to         = 0;
  bool        line_ended = true;

  PetscFunctionBegin;
  for (;;) {
    int64_t n, begun, done;

    PetscCall(InflaterNext(f, &n, &begun, fault));
    if (n == 0) break;
    done = PetscMin(skip, n);
    skip -= done;
    while (done < n) {
      int64_t give = n - done;

      /* This piece belongs to the next rank: the current line is completed for the present one
         first */
      if (to < size - 1 && begun / (to + 1) >= f->bytes / size) {
        char *newline = line_ended ? NULL : memchr(f->out + done, '\n', (size_t)give);

        if (newline) give = newline + 1 - (f->out + done);
        if (line_ended) {
          if (to) PetscCall(Give(comm, to, NULL, 0, lines));
          to++;
          continue;
        }
      }
      PetscCall(Give(comm, to, f->out + done, give, lines));
      done += give;
      line_ended = f->out[done - 1] == '\n';
    }
  }
  /* Ranks that got nothing, and the last one, get an empty message, which ends their loops */
  for (to = PetscMax(to, 1); to < size; to++) PetscCall(Give(comm, to, NULL, 0, lines));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Other ranks: feed the pieces from rank 0 until an empty one. After a fault on rank 0 the
   empty messages come all the same, so no rank waits for ever. */
static PetscErrorCode TakeIn(MPI_Comm comm, TableLines *lines)
{
  char *piece;
  int   n;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(TablePieceSize(), &piece));
  do {
    MPI_Status status;

    PetscCallMPI(MPI_Recv(piece, (int)TablePieceSize(), MPI_BYTE, 0, TAG_DEAL, comm, &status));
    PetscCallMPI(MPI_Get_count(&status, MPI_BYTE, &n));
    PetscCall(TableLinesFeed(lines, piece, (size_t)n));
  } while (n);
  PetscCall(PetscFree(piece));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* TableDealGzip - See the header. Faults are noted on rank 0, which alone reads the file;
   the caller agrees on them. Collective. */
PetscErrorCode TableDealGzip(MPI_Comm comm, const char path[], int64_t bytes, int64_t skip, TableLines *lines, MeritFault *fault)
{
  PetscMPIInt rank, size;
  Inflater    f;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (rank) {
    PetscCall(TakeIn(comm, lines));
  } else {
    PetscCall(InflaterOpen(path, bytes, size, &f));
    PetscCall(DealOut(comm, size, &f, skip, lines, fault));
    PetscCall(InflaterClose(&f));
  }
  PetscCall(TableLinesEnd(lines));
  PetscFunctionReturn(PETSC_SUCCESS);
}
