/*
  Reader of PLINK 1 binary files (docs of PLINK 1.9: .bed, .bim, .fam).

  ReadTables: the .bim gives the SNPs, the .fam the animals. Each rank parses its lines;
  all ranks get all SNPs, and ids go to a dictionary. LoadBed: the .bed has 3 bytes of
  signature, then SNP by SNP (n_animals + 3) / 4 bytes, four animals a byte, the first in
  the lowest bits. A rank reads only the bytes of its rows; rows of a tile begin at a
  multiple of 256, so they begin at a whole byte.

  Codes of the .bed are turned into copies of the counted allele A1 (Recode), the SNPs are
  counted over all ranks, those to be used are chosen (GenoChooseColumns), and the others are
  removed from the tile.
*/
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <merit/file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Fields of a line of .bim and of .fam */
#define FIELDS 6

/* *path = prefix of the job and a suffix; owned by the caller, PetscFree */
static PetscErrorCode PathOf(MeritGenotypes geno, const char suffix[], char **path)
{
  size_t n = strlen(geno->options.path) + strlen(suffix) + 1;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, path));
  strcpy(*path, geno->options.path);
  strcat(*path, suffix);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Cut a line into its six fields, separated by blanks; false after a fault for fewer or
   more of them. `what` names the fields in the message. Fields are borrowed from the line. */
static bool SixFields(const GenoLines *lines, const char *at, int64_t length, const char *what, const char *field[FIELDS], int64_t size[FIELDS],
                      MeritFault *fault)
{
  const char *end = at + length, *extra;
  int         n   = 0;

  while (n < FIELDS && (size[n] = GenoField(&at, end, &field[n])) > 0) n++;
  if (n == FIELDS && !GenoField(&at, end, &extra)) return true;
  MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "%s than six fields; a line is \"%s\"", n < FIELDS ? "fewer" : "more",
                what);
  return false;
}

/* Bytes of the SNPs of this rank, one SNP after another (AddSnp), as they are sent to the
   other ranks */
typedef struct {
  char   *at;
  int64_t n, room;
} Bytes;

/* Append n bytes; the room at least doubles when it grows */
static PetscErrorCode AddBytes(Bytes *bytes, const void *from, int64_t n)
{
  PetscFunctionBegin;
  if (bytes->n + n > bytes->room) {
    char *larger;

    bytes->room = 2 * bytes->room + n + 256;
    PetscCall(PetscMalloc1(bytes->room, &larger));
    if (bytes->n) memcpy(larger, bytes->at, (size_t)bytes->n);
    PetscCall(PetscFree(bytes->at));
    bytes->at = larger;
  }
  memcpy(bytes->at + bytes->n, from, (size_t)n);
  bytes->n += n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Append the SNP of a line: 8 bytes of position, then chromosome, name, counted allele (A1)
   and other allele (A2), each with its 0. The position in centimorgan is checked and
   dropped. A position must be a whole number that double holds exactly; a negative one, by
   which PLINK leaves an SNP out, is read as any other. */
static PetscErrorCode AddSnp(const GenoLines *lines, const char *at, int64_t length, Bytes *bytes, MeritFault *fault)
{
  const char *field[FIELDS];
  int64_t     size[FIELDS], position;
  double      number, centimorgan;
  const int   strings[4] = {0, 1, 4, 5};

  PetscFunctionBegin;
  if (!SixFields(lines, at, length, "chromosome name centimorgan position A1 A2", field, size, fault)) PetscFunctionReturn(PETSC_SUCCESS);
  if (!GenoNumber(field[2], size[2], &centimorgan)) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "centimorgan \"%.*s\" is not a number", GENO_SHOWN(size[2]), field[2]);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!GenoNumber(field[3], size[3], &number) || number != floor(number) || fabs(number) > 9e15) {
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "position \"%.*s\" is not a whole number", GENO_SHOWN(size[3]), field[3]);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  position = (int64_t)number;
  PetscCall(AddBytes(bytes, &position, (int64_t)sizeof(position)));
  for (int i = 0; i < 4; i++) {
    PetscCall(AddBytes(bytes, field[strings[i]], size[strings[i]]));
    PetscCall(AddBytes(bytes, "", 1));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The SNP table from the bytes of all ranks, which are in file order; strings are borrowed
   from geno->names, positions are copied since they need not be aligned there */
static void CutSnps(MeritGenotypes geno)
{
  const char *at = geno->names;

  for (int32_t j = 0; j < geno->n_snps; j++) {
    MeritSnp    *snp   = &geno->snps[j];
    const char **to[4] = {&snp->chromosome, &snp->name, &snp->counted, &snp->other};

    memcpy(&snp->position, at, sizeof(snp->position));
    at += sizeof(snp->position);
    for (int i = 0; i < 4; i++) {
      *to[i] = at;
      at += strlen(at) + 1;
    }
  }
}

/* Read the .bim: each rank parses its lines, and all ranks get the table of all SNPs. Lines
   that begin with # are passed over. Errors: INPUT for malformed lines and an empty file,
   USAGE for 2^31 - 1 SNPs or more. Collective. */
static PetscErrorCode ReadBim(MeritGenotypes geno)
{
  MeritFault  fault = {0};
  GenoLines   lines;
  Bytes       bytes = {0};
  const char *at;
  char       *path;
  int64_t     length, all;

  PetscFunctionBegin;
  PetscCall(PathOf(geno, ".bim", &path));
  PetscCall(GenoLinesOpen(geno->comm, path, '#', &lines));
  if (!lines.all_rows) PetscCall(MeritRaise(MERIT_ERROR_INPUT, path, 0, NULL, "holds no SNP"));
  if (lines.all_rows >= INT32_MAX)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, path, 0, NULL, "%lld SNPs are too many: fewer than 2^31 are supported", (long long)lines.all_rows));
  for (;;) {
    PetscCall(GenoLinesNext(&lines, &at, &length, &fault));
    if (!at) break;
    PetscCall(AddSnp(&lines, at, length, &bytes, &fault));
  }
  PetscCall(GenoLinesClose(&lines, &fault));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  geno->n_snps = (int32_t)lines.all_rows;
  PetscCall(GenoGather(geno->comm, bytes.n, bytes.at, &all, &geno->names));
  PetscCall(PetscCalloc1(geno->n_snps, &geno->snps));
  CutSnps(geno);
  PetscCall(PetscFree(bytes.at));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PLINK's codes of a sex are numbers; no answer is written in several ways. The sex is not
   used; a word that is none of these means that the line is a header. */
static bool IsSex(const char *field, int64_t size)
{
  double number;

  if (size == 1 && *field >= '0' && *field <= '9') return true;
  return GenoNumber(field, size, &number) || (size == 1 && *field == '.') || (size == 2 && !strncasecmp(field, "NA", 2));
}

/* The animal of a line of the .fam; its second field is the id. A line that names the
   columns is a fault, since its position would count as an animal. The family id is not used. */
static PetscErrorCode AddAnimal(const GenoLines *lines, const char *at, int64_t length, GenoIds *ids, MeritFault *fault)
{
  static const char advice[] = "is this a header line? A .fam has none, but lines that begin with # are passed over";
  const char       *field[FIELDS];
  int64_t           size[FIELDS];

  PetscFunctionBegin;
  if (!SixFields(lines, at, length, "family id sire dam sex phenotype", field, size, fault)) PetscFunctionReturn(PETSC_SUCCESS);
  if (GenoIsIdName(field[1], size[1]))
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "the id is \"%.*s\": %s", GENO_SHOWN(size[1]), field[1], advice);
  else if (!IsSex(field[4], size[4]))
    MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "sex \"%.*s\" is not a number (1 male, 2 female, 0 unknown): %s",
                  GENO_SHOWN(size[4]), field[4], advice);
  else PetscCall(GenoIdsAdd(ids, field[1], size[1], lines->line));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The animals in file order; the individual id (second field) is the id. Collective. */
static PetscErrorCode ReadFam(MeritGenotypes geno)
{
  MeritFault  fault = {0};
  GenoLines   lines;
  GenoIds     ids;
  const char *at;
  char       *path;
  int64_t     length;

  PetscFunctionBegin;
  PetscCall(PathOf(geno, ".fam", &path));
  PetscCall(GenoLinesOpen(geno->comm, path, '#', &lines));
  if (!lines.all_rows) PetscCall(MeritRaise(MERIT_ERROR_INPUT, path, 0, NULL, "holds no animal"));
  PetscCall(GenoIdsCreate(&lines, &ids));
  for (;;) {
    PetscCall(GenoLinesNext(&lines, &at, &length, &fault));
    if (!at) break;
    PetscCall(AddAnimal(&lines, at, length, &ids, &fault));
  }
  PetscCall(GenoLinesClose(&lines, &fault));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  geno->n_animals = lines.all_rows;
  PetscCall(GenoIdsNumber(geno->comm, path, "; family ids are not used: each animal needs an id of its own (PLINK --update-ids)", &ids, &geno->dict));
  PetscCall(GenoIdsFree(&ids));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The .bed file while it is read */
typedef struct {
  const char *path;
  int         fd;
  int64_t     stride; /* bytes of an SNP */
  BedEnd      end;
} Bed;

/* Check the .bed on this rank: the signature 6c 1b 01, and a length of 3 + n_snps
   (n_animals + 3) / 4 bytes. The third byte 0 means that the file goes animal by animal
   (individual-major), which is not read. Not collective. */
static PetscErrorCode CheckBed(MeritGenotypes geno, const Bed *bed, MeritFault *fault)
{
  const int64_t expected = 3 + bed->stride * geno->n_snps, size = (int64_t)lseek(bed->fd, 0, SEEK_END);
  unsigned char magic[3] = {0};

  PetscFunctionBegin;
  if (size >= 3) PetscCall(GenoReadAt(bed->fd, bed->path, 0, 3, magic, fault));
  if (fault->kind != MERIT_ERROR_NONE) PetscFunctionReturn(PETSC_SUCCESS);
  if (size < 3) MeritFaultSet(fault, MERIT_ERROR_INPUT, bed->path, 0, NULL, "is not a PLINK 1 .bed file: it has %lld bytes", (long long)size);
  else if (magic[0] != 0x6c || magic[1] != 0x1b || magic[2] > 1)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, bed->path, 0, NULL, "is not a PLINK 1 .bed file: it begins with %02x %02x %02x instead of 6c 1b 01",
                  magic[0], magic[1], magic[2]);
  else if (!magic[2])
    MeritFaultSet(fault, MERIT_ERROR_USAGE, bed->path, 0, NULL,
                  "is in individual-major mode, which is not supported; write it again in SNP-major mode (PLINK --make-bed)");
  else if (size != expected)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, bed->path, 0, NULL, "%s: %lld bytes, but %d SNPs of %lld animals (.bim, .fam) take %lld",
                  size < expected ? "truncated" : "trailing bytes", (long long)size, (int)geno->n_snps, (long long)geno->n_animals,
                  (long long)expected);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  32 animals of one SNP from the codes of PLINK to copies of A1; rows that do not exist
  (from `rows` on) become 3, missing.

      00 two A1  -> 2
      01 missing -> 3
      10 one A1  -> 1
      11 no A1   -> 0

  The new high bit is the old high bit inverted, the new low bit the exclusive or of both
  old bits.
*/
static uint64_t Recode(uint64_t w, int64_t rows)
{
  const uint64_t low = 0x5555555555555555u, copies = (~w & ~low) | ((w ^ (w >> 1)) & low);

  return rows >= 32 ? copies : copies | ~(uint64_t)0 << (2 * rows);
}

/* The n_rows animals of one SNP, from `bytes` (four a byte) to words of 32 animals in
   column `column` of every strip of a tile of n_cols columns. Not collective. */
static void PlaceColumn(int64_t n_rows, int32_t n_cols, int32_t column, const unsigned char *bytes, uint64_t *code)
{
  for (int64_t row = 0; row < n_rows; row += 32) {
    const int64_t rows = PetscMin(32, n_rows - row);
    uint64_t      w    = 0;

    for (int64_t b = 0; b < (rows + 3) / 4; b++) w |= (uint64_t)bytes[row / 4 + b] << (8 * b);
    code[((size_t)(row / MERIT_STRIP) * (size_t)n_cols + (size_t)column) * MERIT_LINE + (size_t)(row % MERIT_STRIP / 32)] = Recode(w, rows);
  }
}

/* Note the last byte of an SNP, for GenoCheckEnd(): largest and smallest value of the bits
   behind the last animal, and the OR of the bytes of all SNPs */
static void NoteEnd(BedEnd *end, int64_t n_animals, unsigned char byte)
{
  const int behind = n_animals % 4 ? byte >> (2 * (n_animals % 4)) : 0;

  end->most  = PetscMax(end->most, behind);
  end->least = PetscMin(end->least, behind);
  end->any |= byte;
}

/* Read the SNPs [from, to) of the file for this rank's rows into a tile of to - from
   columns. A rank that has all rows reads several SNPs in a request, up to 4 MiB; else the
   bytes of its rows are apart in the file and each SNP is a request. Stops at the first
   fault. Not collective. */
static PetscErrorCode ReadColumns(MeritGenotypes geno, Bed *bed, int32_t from, int32_t to, uint64_t *code, MeritFault *fault)
{
  const int64_t  mine  = (geno->tile.n_rows + 3) / 4;
  const int32_t  batch = mine == bed->stride ? (int32_t)PetscMax(1, PetscMin(((int64_t)1 << 22) / bed->stride, to - from)) : 1;
  unsigned char *bytes;

  PetscFunctionBegin;
  if (!mine) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)batch * (size_t)mine, &bytes));
  for (int32_t j = from; j < to && fault->kind == MERIT_ERROR_NONE; j += batch) {
    const int32_t n = PetscMin(batch, to - j);

    PetscCall(GenoReadAt(bed->fd, bed->path, 3 + j * bed->stride + geno->tile.row_first / 4, n * mine, bytes, fault));
    if (fault->kind != MERIT_ERROR_NONE) break;
    for (int32_t i = 0; i < n; i++) {
      PlaceColumn(geno->tile.n_rows, to - from, j - from + i, bytes + i * mine, code);
      if (geno->tile.row_first + geno->tile.n_rows == geno->n_animals) NoteEnd(&bed->end, geno->n_animals, bytes[(i + 1) * mine - 1]);
    }
  }
  PetscCall(PetscFree(bytes));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keep the used SNPs of this rank's columns, in place: the tile has the SNPs [from, to)
   before, n_cols columns afterwards. Lines move towards the front only, so none is
   overwritten before it is moved. Memory that is no longer needed is given back. Not
   collective. */
static PetscErrorCode KeepColumns(MeritGenotypes geno, int32_t from, int32_t to, uint64_t **code)
{
  const int64_t strips = MeritPackedStrips(geno->tile.n_rows);
  uint64_t     *at     = *code;

  PetscFunctionBegin;
  for (int64_t strip = 0; strip < strips; strip++)
    for (int32_t j = 0; j < geno->tile.n_cols; j++) {
      const uint64_t *line = *code + ((size_t)strip * (size_t)(to - from) + (size_t)(geno->columns.used[geno->tile.col_first + j] - from)) * 8;

      if (at != line) memmove(at, line, MERIT_LINE * sizeof(*at));
      at += MERIT_LINE;
    }
  PetscCall(GenoShrink(geno, code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *count [n_snps * 4] = animals with 0, 1, 2 copies and with a missing genotype, over all
   ranks. Every rank adds what it read: its rows of the SNPs [from, to). Owned by the
   caller. Collective. */
static PetscErrorCode CountAll(MeritGenotypes geno, int32_t from, int32_t to, const uint64_t *code, int64_t **count)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(4 * (size_t)geno->n_snps, count));
  MeritPackedCount(geno->tile.n_rows, to - from, code, *count + 4 * (size_t)from);
  PetscCall(GenoSumCounts(geno, *count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fill this rank's tile. SNPs of the file are cut evenly over the columns of the grid for
   counting. The counts decide which SNPs are used, and these are cut over the columns of
   the grid. With one column both cuts are all SNPs, so the file is read once; else the tile
   is read a second time with the range of the file from its first to its last used SNP.
   Collective. */
static PetscErrorCode LoadColumns(MeritGenotypes geno, Bed *bed)
{
  int32_t    from  = (int32_t)MeritBlockFirst(geno->n_snps, geno->tile.grid_cols, geno->grid_col);
  int32_t    to    = (int32_t)MeritBlockFirst(geno->n_snps, geno->tile.grid_cols, geno->grid_col + 1);
  MeritFault fault = {0};
  uint64_t  *code;
  int64_t   *count;

  PetscFunctionBegin;
  PetscCall(GenoRoom(geno, to - from, &code));
  PetscCall(ReadColumns(geno, bed, from, to, code, &fault));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  PetscCall(GenoCheckEnd(geno, bed->path, &bed->end));
  PetscCall(CountAll(geno, from, to, code, &count));
  PetscCall(GenoChooseColumns(geno, count));
  PetscCall(PetscFree(count));
  if (geno->tile.grid_cols > 1) {
    free(code);
    from = geno->tile.n_cols ? geno->columns.used[geno->tile.col_first] : 0;
    to   = geno->tile.n_cols ? geno->columns.used[geno->tile.col_first + geno->tile.n_cols - 1] + 1 : 0;
    PetscCall(GenoRoom(geno, to - from, &code));
    PetscCall(ReadColumns(geno, bed, from, to, code, &fault));
    PetscCall(MeritFaultAgree(geno->comm, &fault));
  }
  PetscCall(KeepColumns(geno, from, to, &code));
  geno->code = code;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Check the .bed against the tables and load this rank's tile. Collective. The file must be
   the same at the end as it was when it was opened (MeritFileCheck). */
static PetscErrorCode LoadBed(MeritGenotypes geno, void *reading)
{
  MeritFault fault = {0};
  Bed        bed   = {.stride = (geno->n_animals + 3) / 4, .end = {.least = 255}};
  int64_t    bytes;
  char      *path;

  PetscFunctionBegin;
  (void)reading;
  PetscCall(PathOf(geno, ".bed", &path));
  bed.path = path;
  PetscCall(MeritFileOpen(path, &bed.fd, &bytes, &fault));
  if (bed.fd >= 0) PetscCall(CheckBed(geno, &bed, &fault));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  PetscCall(LoadColumns(geno, &bed));
  close(bed.fd);
  PetscCall(MeritFileCheck(path, &fault));
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The `tables` of the reader; nothing stays open between tables and columns. Collective. */
static PetscErrorCode ReadTables(MeritGenotypes geno, void **reading)
{
  PetscFunctionBegin;
  *reading = NULL;
  PetscCall(ReadBim(geno));
  PetscCall(ReadFam(geno));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static const MeritKey keys[] = {
    {"genotypes.bfile", "PREFIX of PLINK .bed, .bim and .fam files"},
};

const GenoReader GenoReader_Plink = {keys, {".bed", ".bim", ".fam"}, ".bim", ReadTables, LoadBed};
