/*
  Reader of text genotypes, an animal a line: "id 0 1 2 5 ..." with blanks, or "id
  0125..." without; 5 is missing.

  ReadAll: the first line gives form and number of SNPs (FindShape). Each rank packs the
  lines of its byte range animal by animal (Rows); ids go to a dictionary. Deal: genotypes
  are counted over all ranks, the SNPs to be used are chosen (GenoChooseColumns), and for each
  animal and each column of the grid the packed columns go to the rank that holds them
  (SendRows). There they are turned from animal by animal to strips of columns (FillTile).
*/
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <string.h>

/* Form of the file, from its first line */
typedef struct {
  int32_t n_snps;
  bool    joined; /* "id 0125..." rather than "id 0 1 2 5 ..." */
} Shape;

/* This rank's animals, packed animal by animal: SNP j of a row in bits 2 (j % 32) of word j / 32 */
typedef struct {
  int64_t   n;
  int32_t   words; /* of a row */
  uint64_t *code;  /* [n * words]; owned */
} Rows;

/* Code of the text of a genotype, 0 to 3, or -1. Missing (3) is 5; with blanks between
   genotypes also "." and "NA". */
static int CodeOf(const char *field, int64_t size, bool joined)
{
  if (size == 1) {
    if (*field >= '0' && *field <= '2') return *field - '0';
    if (*field == '5' || (*field == '.' && !joined)) return 3;
  }
  return size == 2 && !joined && field[0] == 'N' && field[1] == 'A' ? 3 : -1;
}

/* Fault for a text that is no genotype: SNP `snp` (from 0) of the animal with this id. On
   the first line a header is likely, which the message mentions. */
static void NotAGenotype(const GenoLines *lines, const char *id, int64_t n_id, int32_t snp, const char *field, int64_t size, bool joined,
                         MeritFault *fault)
{
  char name[128];

  PetscSNPrintf(name, sizeof(name), "%.*s", (int)PetscMin(n_id, 100), id);
  MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, name, "\"%.*s\" for SNP %d is not 0, 1, 2 or %s%s", GENO_SHOWN(size), field,
                (int)snp + 1, joined ? "5 (missing)" : "missing (5, NA, .)",
                lines->line == lines->head_line ? "; the first line must hold genotypes, a header is not expected" : "");
}

/* Pack the genotypes of a line, from `at` to `end`, into a row (NULL: they are only
   counted); returns their number, or -1 after a fault. The row has 3 in all positions at
   first; exclusive or with 3 - code makes that the code. Genotypes beyond n_snps are
   counted and not stored. Not collective. */
static int32_t PackLine(const GenoLines *lines, const char *id, int64_t n_id, const char *at, const char *end, const Shape *shape, uint64_t *row,
                        MeritFault *fault)
{
  const char *field;
  int64_t     size;
  int32_t     n = 0;

  for (; n < INT32_MAX - 1; n++) {
    int code;

    if (shape->joined) {
      field = at;
      size  = at++ < end;
    } else {
      size = GenoField(&at, end, &field);
    }
    if (!size) break;
    code = CodeOf(field, size, shape->joined);
    if (code < 0) {
      NotAGenotype(lines, id, n_id, n, field, size, shape->joined, fault);
      return -1;
    }
    if (row && n < shape->n_snps) row[n / 32] ^= (uint64_t)(3 - code) << (2 * (n % 32)); /* from 3 to code */
  }
  return n;
}

/*
  Find the number of SNPs and the form from the first line of the file, on all ranks. The
  rank with the first row reads it; the others have 0 and get the result by a maximum.

  Genotypes are joined if one field follows the id that is longer than a byte and is not
  itself a genotype (NA). A first line whose id is a name of the id column is a header, an
  error. Lines are at the beginning again afterwards. Errors: INPUT. Collective.
*/
static PetscErrorCode FindShape(MPI_Comm comm, GenoLines *lines, Shape *shape)
{
  MeritFault  fault = {0};
  const char *at    = NULL, *id, *field, *extra, *end;
  int64_t     length, n_id, size;
  int32_t     found[2] = {0, 0};

  PetscFunctionBegin;
  if (lines->first_row == 0 && lines->n_rows) PetscCall(GenoLinesNext(lines, &at, &length, &fault));
  if (at) {
    end              = at + length;
    lines->head_line = lines->line;
    n_id             = GenoField(&at, end, &id);
    size             = GenoField(&at, end, &field);
    shape->joined    = size > 1 && !GenoField(&at, end, &extra) && CodeOf(field, size, false) < 0;
    shape->n_snps    = 0;
    if (!size)
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL,
                    "no genotypes after \"%.*s\"; a line is \"id 0 1 2 5 ...\" or \"id 0125...\"", GENO_SHOWN(n_id), id);
    else found[0] = PackLine(lines, id, n_id, field, end, shape, NULL, &fault);
    if (GenoIsIdName(id, n_id))
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL,
                    "the id is \"%.*s\": is this a header line? The first line must hold genotypes", GENO_SHOWN(n_id), id);
    found[1] = shape->joined;
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, found, 2, MPI_INT32_T, MPI_MAX, comm));
  shape->n_snps = found[0];
  shape->joined = found[1];
  GenoLinesRewind(lines);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The animal of a line: its id to the list, its genotypes to the row. The number of
   genotypes must be that of the first line. The id is added also after a fault, so that
   rows and ids stay together. Not collective. */
static PetscErrorCode ReadRow(const GenoLines *lines, const char *at, int64_t length, const Shape *shape, GenoIds *ids, uint64_t *row,
                              MeritFault *fault)
{
  const char *end = at + length, *id;
  int64_t     n_id;
  int32_t     n;

  PetscFunctionBegin;
  n_id = GenoField(&at, end, &id);
  while (shape->joined && at < end && (*at == ' ' || *at == '\t')) at++;
  n = PackLine(lines, id, n_id, at, end, shape, row, fault);
  if (n >= 0 && n != shape->n_snps) {
    char name[128];

    PetscCall(PetscSNPrintf(name, sizeof(name), "%.*s", (int)PetscMin(n_id, 100), id));
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, name, "%d genotypes, but the first line has %d", (int)n, (int)shape->n_snps);
  }
  PetscCall(GenoIdsAdd(ids, id, n_id, lines->line));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read all lines of this rank: ids, and rows that are missing (bits 1) before they are
   filled. The lines are closed. Errors: INPUT. Collective. */
static PetscErrorCode ReadRows(MeritGenotypes geno, GenoLines *lines, const Shape *shape, GenoIds *ids, Rows *rows)
{
  MeritFault  fault = {0};
  const char *at;
  int64_t     length;

  PetscFunctionBegin;
  rows->n     = lines->n_rows;
  rows->words = (shape->n_snps + 31) / 32;
  PetscCall(PetscMalloc1((size_t)rows->n * (size_t)rows->words, &rows->code));
  if (rows->n) memset(rows->code, 0xff, (size_t)rows->n * (size_t)rows->words * sizeof(*rows->code));
  for (;;) {
    PetscCall(GenoLinesNext(lines, &at, &length, &fault));
    if (!at) break;
    PetscCall(ReadRow(lines, at, length, shape, ids, rows->code + ids->n * rows->words, &fault));
  }
  PetscCall(GenoLinesClose(lines, &fault));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The SNP table of a file without names: SNP1, SNP2, ... by their positions, with unknown
   chromosome and alleles */
static PetscErrorCode NameSnps(MeritGenotypes geno, int32_t n)
{
  const size_t room = 16;

  PetscFunctionBegin;
  geno->n_snps = n;
  PetscCall(PetscMalloc1((size_t)n * room, &geno->names));
  PetscCall(PetscCalloc1(n, &geno->snps));
  for (int32_t j = 0; j < n; j++) {
    char *name = geno->names + (size_t)j * room;

    PetscCall(PetscSNPrintf(name, room, "SNP%d", (int)j + 1));
    geno->snps[j].name       = name;
    geno->snps[j].chromosome = "0";
    geno->snps[j].counted = geno->snps[j].other = ".";
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Code of SNP j in a packed row */
static inline unsigned CodeAt(const uint64_t *row, int32_t j) { return (unsigned)(row[j / 32] >> (2 * (j % 32)) & 3); }

/* *count [n_snps * 4] = animals with each code, over all ranks; owned by the caller.
   Collective. */
static PetscErrorCode CountRows(MeritGenotypes geno, const Rows *rows, int64_t **count)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(4 * (size_t)geno->n_snps, count));
  for (int64_t i = 0; i < rows->n; i++)
    for (int32_t j = 0; j < geno->n_snps; j++) (*count)[4 * (size_t)j + CodeAt(rows->code + i * rows->words, j)]++;
  PetscCall(GenoSumCounts(geno, *count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns [first, first + n) of M from a row, which has all SNPs of the file, packed from
   bit 0 of out on; out is 0 before */
static void PickColumns(MeritGenotypes geno, const uint64_t *row, int32_t first, int32_t n, uint64_t *out)
{
  for (int32_t c = 0; c < n; c++) out[c / 32] |= (uint64_t)CodeAt(row, geno->columns.used[first + c]) << (2 * (c % 32));
}

/* Send the columns of each animal to the ranks of its row of the grid, one item of `words`
   words for each column of the grid. Item i is animal i / grid_cols and column i %
   grid_cols. Ranks read ascending parts of the file and arrivals go by source rank, so
   items arrive in the order of the file. *arrived [n_rows * words] is owned by the caller.
   Collective. */
static PetscErrorCode SendRows(MeritGenotypes geno, const Rows *rows, int64_t first_row, int32_t words, uint64_t **arrived)
{
  const int64_t n = rows->n * geno->tile.grid_cols;
  MeritExchange ex;
  PetscMPIInt  *dest;
  uint64_t     *out;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &dest));
  PetscCall(PetscCalloc1((size_t)n * (size_t)words, &out));
  for (int64_t i = 0; i < n; i++) {
    const int     column = (int)(i % geno->tile.grid_cols);
    const int32_t first  = GenoColumnsFirst(geno, column);
    const int32_t last   = GenoColumnsFirst(geno, column + 1);

    dest[i] = column * geno->tile.grid_rows + MeritGenotypesRowOwner(geno, first_row + i / geno->tile.grid_cols);
    PickColumns(geno, rows->code + i / geno->tile.grid_cols * rows->words, first, last - first, out + i * words);
  }
  PetscCall(MeritExchangeCreate(geno->comm, n, dest, &ex));
  PetscCheck(MeritExchangeArriving(ex) == geno->tile.n_rows, PETSC_COMM_SELF, PETSC_ERR_PLIB, "genotype rows went astray");
  PetscCall(PetscMalloc1((size_t)geno->tile.n_rows * (size_t)words, arrived));
  PetscCall(MeritExchangeForward(ex, (size_t)words * sizeof(*out), out, *arrived));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(out));
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Make this rank's tile from rows [n_rows * words]. A thread has whole strips, so no two
   write to the same word. Collective, since all ranks must have the memory. */
static PetscErrorCode FillTile(MeritGenotypes geno, int32_t words, const uint64_t *arrived)
{
  PetscFunctionBegin;
  PetscCall(GenoRoom(geno, geno->tile.n_cols, &geno->code));
#pragma omp parallel for schedule(static)
  for (int64_t strip = 0; strip < MeritPackedStrips(geno->tile.n_rows); strip++)
    for (int64_t i = strip * MERIT_STRIP; i < PetscMin((strip + 1) * MERIT_STRIP, geno->tile.n_rows); i++) {
      uint64_t *word  = geno->code + (size_t)strip * (size_t)geno->tile.n_cols * MERIT_LINE + (size_t)(i % MERIT_STRIP / 32);
      const int shift = (int)(2 * (i % 32));

      for (int32_t c = 0; c < geno->tile.n_cols; c++) word[(size_t)c * MERIT_LINE] ^= (uint64_t)(3 - CodeAt(arrived + i * words, c)) << shift;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Count, choose columns, send and fill; rows->code is freed as soon as it is sent. All
   items have the words of the widest column of the grid. Collective. */
static PetscErrorCode LoadRows(MeritGenotypes geno, Rows *rows, int64_t first_row)
{
  int64_t  *count;
  uint64_t *arrived;
  int32_t   words;

  PetscFunctionBegin;
  PetscCall(CountRows(geno, rows, &count));
  PetscCall(GenoChooseColumns(geno, count));
  PetscCall(PetscFree(count));
  words = (GenoColumnsFirst(geno, 1) + 31) / 32; /* the first column is the widest */
  PetscCall(SendRows(geno, rows, first_row, words, &arrived));
  PetscCall(PetscFree(rows->code));
  PetscCall(FillTile(geno, words, arrived));
  PetscCall(PetscFree(arrived));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All lines of this rank, packed, until the grid says where they go */
typedef struct {
  Rows    rows;
  int64_t first_row;
} Reading;

/* The `tables` of the reader: reads the whole file. *reading goes to Deal(), which frees
   it. Collective. */
static PetscErrorCode ReadAll(MeritGenotypes geno, void **reading)
{
  GenoLines lines;
  GenoIds   ids;
  Shape     shape = {0};
  Reading  *r;

  PetscFunctionBegin;
  PetscCall(PetscNew(&r));
  *reading = r;
  PetscCall(GenoLinesOpen(geno->comm, geno->options.path, 0, &lines));
  if (!lines.all_rows) PetscCall(MeritRaise(MERIT_ERROR_INPUT, geno->options.path, 0, NULL, "holds no animal"));
  PetscCall(FindShape(geno->comm, &lines, &shape));
  PetscCall(GenoIdsCreate(&lines, &ids));
  PetscCall(ReadRows(geno, &lines, &shape, &ids, &r->rows));
  r->first_row    = lines.first_row;
  geno->n_animals = lines.all_rows;
  PetscCall(GenoIdsNumber(geno->comm, geno->options.path, "", &ids, &geno->dict));
  PetscCall(GenoIdsFree(&ids));
  PetscCall(NameSnps(geno, shape.n_snps));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The `columns` of the reader. Collective. */
static PetscErrorCode Deal(MeritGenotypes geno, void *reading)
{
  Reading *r = reading;

  PetscFunctionBegin;
  PetscCall(LoadRows(geno, &r->rows, r->first_row));
  PetscCall(PetscFree(r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static const MeritKey keys[] = {
    {"genotypes.text", "FILE of lines \"id 0 1 2 5 ...\" or \"id 0125...\", 5 = missing"},
};

const GenoReader GenoReader_Text = {keys, {""}, NULL, ReadAll, Deal};
