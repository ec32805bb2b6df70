/*
  Reading the pedigree: from the lines of the file to blocks of animals by canonical
  number.

  Ids, sires and dams share one pool of labels. The dictionary numbers the labels by
  (first own line, label), so that animals are in the order of the file, and parents
  without a line follow sorted by label. Lines go to the ranks that hold their animals,
  where a second line of an animal is compared with the first.

  Order of PedigreeLoadLines(): open the table and find the columns, read, check the lines
  (TakeLines), number (NumberLines), check that the header line is none (CheckNames), deal
  out (PedigreeDealRows).
*/
#include "pedigree_columns.h"
#include "pedigree_load.h"
#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* Lines of this rank while they are numbered: codes into the pool of all labels; codes and
   pool are owned by the table, which must live as long */
typedef struct {
  int64_t        n;
  const int32_t *code[PED_DAM + 1]; /* [n] -1 missing */
  MeritStrings   pool;
  int64_t       *order; /* [strings of pool] line of first own line here, INT64_MAX none */
} Lines;

/* A negative number as parent marks a genetic group (a group of unknown parents) in other
   programs; here it is refused, since it would be read as the id of one animal */
static bool IsGroup(const char *text) { return text[0] == '-' && isdigit((unsigned char)text[1]); }

/* Does any label look like a genetic group? Only then the lines need to be searched. */
static bool AnyGroup(MeritStrings pool)
{
  for (int32_t c = 0; c < MeritStringsCount(pool); c++)
    if (IsGroup(MeritStringsGet(pool, c, NULL))) return true;
  return false;
}

/* In a file said to have no header line, does the first line contain names of columns? Rank
   0 notes a fault. One name alone may be the id of an animal; two or three are a header. */
static void CheckFirstLine(MeritPedigree ped, MeritTable table, const int column[], const Lines *lines, MeritFault *fault)
{
  const char *const *names;
  int                n, found = 0;

  if (!ped->options.n_header || ped->rank || !lines->n || MeritTableColumns(table, &n, &names)) return;
  for (int role = PED_ID; role <= PED_DAM; role++) {
    const int32_t code = lines->code[role][0];

    found += code >= 0 && PedigreeIsName(role, names[column[role]], MeritStringsGet(lines->pool, code, NULL));
  }
  if (found > 1)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, ped->options.path, MeritTableLine(table, 0), NULL,
                  "the first line names columns; pedigree.header is for files without a header line");
}

/* Where columns were taken by position: if a "name" is also an animal, the file has no
   header line and its first animal would be lost. Collective. Rank 0 alone has names to
   look up; the other ranks take part with an empty pool. */
static PetscErrorCode CheckNames(MeritPedigree ped, MeritTable table, const int column[])
{
  const char *const *names;
  MeritFault         fault = {0};
  MeritStrings       pool;
  int64_t            number[3];
  int32_t            code;
  int                n;

  PetscFunctionBegin;
  if (ped->options.n_header || !ped->by_position) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritTableColumns(table, &n, &names));
  PetscCall(MeritStringsCreate(&pool));
  for (int role = PED_ID; role <= PED_DAM && !ped->rank; role++)
    PetscCall(MeritStringsIntern(pool, names[column[role]], strlen(names[column[role]]), &code));
  PetscCall(MeritDictFind(ped->dict, pool, number));
  for (int32_t c = 0; c < MeritStringsCount(pool); c++)
    if (number[c] >= 0)
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, ped->options.path, 1, NULL,
                    "'%.100s', in the first line, is an animal of other lines, too; for a file without a header line give pedigree.header, such as "
                    "[id, sire, dam]",
                    MeritStringsGet(pool, c, NULL));
  PetscCall(MeritStringsDestroy(&pool));
  PetscCall(MeritFaultAgree(ped->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Faults: a line without an id, and negative parent codes. Collective. Lines are searched
   for such codes only if some label of the pool looks like one. */
static PetscErrorCode CheckLines(MeritPedigree ped, MeritTable table, const int column[], const Lines *lines)
{
  const bool groups = AnyGroup(lines->pool);
  MeritFault fault  = {0};

  PetscFunctionBegin;
  CheckFirstLine(ped, table, column, lines, &fault);
  for (int64_t i = 0; i < lines->n; i++) {
    const int32_t id = lines->code[PED_ID][i];

    if (id < 0) {
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, ped->options.path, MeritTableLine(table, i), NULL,
                    "the id is empty or a word for an unknown parent; every line of a pedigree needs an id");
      continue;
    }
    for (int role = PED_SIRE; groups && role <= PED_DAM; role++) {
      const int32_t parent = lines->code[role][i];
      const char   *text   = parent < 0 ? "" : MeritStringsGet(lines->pool, parent, NULL);

      if (IsGroup(text))
        MeritFaultSet(&fault, MERIT_ERROR_USAGE, ped->options.path, MeritTableLine(table, i), MeritStringsGet(lines->pool, id, NULL),
                      "negative %s code %s: genetic groups are not available yet; an unknown parent is 0, "
                      "NA, '.' or empty",
                      role == PED_SIRE ? "sire" : "dam", text);
    }
  }
  PetscCall(MeritFaultAgree(ped->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Codes of this rank's lines, the added founders, and the sort key of each label: the first
   line that has it as id. Founders get INT64_MAX like parents without a line, so that they
   follow the animals of the file, sorted by label. lines->order is owned by the caller.
   Collective. */
static PetscErrorCode TakeLines(MeritPedigree ped, MeritTable table, const int column[], Lines *lines)
{
  int64_t first;
  int32_t n_labels;

  PetscFunctionBegin;
  PetscCall(MeritTableRows(table, &lines->n, &first));
  for (int role = PED_ID; role <= PED_DAM; role++) PetscCall(MeritTableText(table, column[role], &lines->code[role], &lines->pool));
  PetscCall(CheckLines(ped, table, column, lines));
  for (int32_t c = 0; c < MeritStringsCount(ped->founders); c++) {
    size_t      length;
    const char *text = MeritStringsGet(ped->founders, c, &length);
    int32_t     code;

    PetscCall(MeritStringsIntern(lines->pool, text, length, &code));
  }
  n_labels = MeritStringsCount(lines->pool);
  PetscCall(PetscMalloc1(n_labels + 1, &lines->order));
  for (int32_t c = 0; c < n_labels; c++) lines->order[c] = INT64_MAX;
  /* From the last line to the first, so that the first one remains */
  for (int64_t i = lines->n - 1; i >= 0; i--) lines->order[lines->code[PED_ID][i]] = MeritTableLine(table, i);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sex that a word means, -1: none. Words are compared in any case. */
static int SexOf(const char word[])
{
  static const char *const words[][5] = {{"0", "u", "unknown", "x", "?"}, {"1", "m", "male", "sire", "s"}, {"2", "f", "female", "dam", "d"}};

  for (int sex = PED_SEX_UNKNOWN; sex <= PED_SEX_FEMALE; sex++)
    for (int i = 0; i < 5; i++)
      if (!strcasecmp(word, words[sex][i])) return sex;
  return -1;
}

/* Sexes of the rows, if the file has them; unknown words are faults. A missing field is an
   unknown sex. Faults are kept until PedigreeFamilies(), which raises them with those of
   the families. */
static PetscErrorCode TakeSexes(MeritPedigree ped, MeritTable table, int column, int64_t n, PedigreeRow rows[])
{
  const int32_t *code;
  MeritStrings   pool;

  PetscFunctionBegin;
  if (column < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritTableText(table, column, &code, &pool));
  for (int64_t i = 0; i < n; i++) {
    const char *word = code[i] < 0 ? "0" : MeritStringsGet(pool, code[i], NULL);
    const int   sex  = SexOf(word);

    rows[i].sex = (int8_t)PetscMax(sex, PED_SEX_UNKNOWN);
    if (sex < 0)
      MeritFaultSet(&ped->fault, MERIT_ERROR_INPUT, ped->options.path, rows[i].line, NULL,
                    "sex \"%.40s\" is none of 1, M, male, 2, F, female, and 0, U, unknown", word);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Canonical numbers of all labels, and the lines in these numbers; *rows are owned by the
   caller. Collective. Sets ped->dict and ped->n. Errors: USAGE for more than 2^31 - 1
   animals, since numbers of parents are stored in 32 bits. */
static PetscErrorCode NumberLines(MeritPedigree ped, MeritTable table, const int column[], Lines *lines, PedigreeRow **rows)
{
  const double *year = NULL;
  int64_t      *number;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(MeritStringsCount(lines->pool) + 1, &number));
  PetscCall(MeritDictCreateNumbers(ped->comm, lines->pool, lines->order, &ped->dict, number));
  PetscCall(PetscFree(lines->order));
  ped->n = MeritDictSize(ped->dict);
  if (ped->n > INT32_MAX)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, ped->options.path, 0, NULL, "the pedigree has %lld animals; at most %d are supported", (long long)ped->n,
                         INT32_MAX));
  if (column[PED_YEAR] >= 0) PetscCall(MeritTableNumbers(table, column[PED_YEAR], &year));
  PetscCall(PetscMalloc1(lines->n, rows));
  for (int64_t i = 0; i < lines->n; i++) {
    const int32_t sire = lines->code[PED_SIRE][i], dam = lines->code[PED_DAM][i];

    (*rows)[i] = (PedigreeRow){.line = MeritTableLine(table, i),
                               .id   = (int32_t)number[lines->code[PED_ID][i]],
                               .sire = sire < 0 ? -1 : (int32_t)number[sire],
                               .dam  = dam < 0 ? -1 : (int32_t)number[dam],
                               .year = year ? year[i] : NAN};
  }
  PetscCall(TakeSexes(ped, table, column[PED_SEX], lines->n, *rows));
  PetscCall(PetscFree(number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Compare a second line of an animal with the first (position i of the block): parents, year
   and sex must agree, also where a parent is unknown. A year or sex that the first line
   leaves open is taken from the second. NaN passes both comparisons of years. Not
   collective. */
static void CompareRow(MeritPedigree ped, const PedigreeRow *row, int64_t i)
{
  PedigreeBlock *block = &ped->block;
  const char    *id = MeritDictLocal(ped->dict, row->id, NULL), *what = NULL;

  if (block->sire[i] != row->sire || block->dam[i] != row->dam) what = "parents are";
  else if (block->has_year && (row->year < block->year[i] || row->year > block->year[i])) what = "birth year is";
  else if (block->has_sex && row->sex && block->sex[i] && row->sex != block->sex[i]) what = "sex is";
  if (what)
    MeritFaultSet(&ped->fault, MERIT_ERROR_INPUT, ped->options.path, row->line, id,
                  "the animal's %s not %s of line %lld; correct or remove one of the lines", what, what[0] == 'p' ? "those" : "that",
                  (long long)block->line[i]);
  if (block->has_year && isnan(block->year[i])) block->year[i] = row->year;
  if (block->has_sex && !block->sex[i]) block->sex[i] = row->sex;
}

/* Store a line in the block of its animal; an own parent is a fault. A line number of 0
   means that the animal has no line so far; lines arrive in the order of the file, so the
   first one is kept. */
static void TakeRow(MeritPedigree ped, const PedigreeRow *row)
{
  PedigreeBlock *block = &ped->block;
  const int64_t  i     = row->id - block->first;
  const char    *id    = MeritDictLocal(ped->dict, row->id, NULL);

  if (block->line[i]) {
    ped->n_duplicates++;
    CompareRow(ped, row, i);
    return;
  }
  block->line[i] = row->line;
  block->sire[i] = row->sire;
  block->dam[i]  = row->dam;
  if (block->has_year) block->year[i] = row->year;
  if (block->has_sex) block->sex[i] = row->sex;
  if (row->id == row->sire || row->id == row->dam)
    MeritFaultSet(&ped->fault, MERIT_ERROR_INPUT, ped->options.path, row->line, id, "the animal is its own %s",
                  row->id == row->sire ? "sire" : "dam");
}

/* This rank's block with all parents unknown. Animals without a line stay so. year and sex
   exist only where the file has a column for them. */
static PetscErrorCode MakeBlock(MeritPedigree ped)
{
  PedigreeBlock *block = &ped->block;

  PetscFunctionBegin;
  block->first   = MeritBlockFirst(ped->n, ped->size, ped->rank);
  block->n_local = MeritBlockFirst(ped->n, ped->size, ped->rank + 1) - block->first;
  PetscCall(PetscMalloc2(block->n_local, &block->sire, block->n_local, &block->dam));
  PetscCall(PetscCalloc1(block->n_local, &block->line));
  if (block->has_year) PetscCall(PetscMalloc1(block->n_local, &block->year));
  if (block->has_sex) PetscCall(PetscCalloc1(block->n_local, &block->sex));
  for (int64_t i = 0; i < block->n_local; i++) {
    block->sire[i] = block->dam[i] = -1;
    if (block->has_year) block->year[i] = NAN;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeBlockFree - Free lines, parents, years and sexes of this rank's animals. Not
   collective. */
PetscErrorCode PedigreeBlockFree(PedigreeBlock *block)
{
  PetscFunctionBegin;
  PetscCall(PetscFree2(block->sire, block->dam));
  PetscCall(PetscFree(block->line));
  PetscCall(PetscFree(block->year));
  PetscCall(PetscFree(block->sex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeDealRows - See the header. Lines arrive in the order of the file, since ranks
   read ascending parts of it. Counts of animals without a line and of duplicates are summed
   over ranks; before the sum n_duplicates is that of this rank. Collective. */
PetscErrorCode PedigreeDealRows(MeritPedigree ped, int64_t n, PedigreeRow **rows)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t       arriving, count[2] = {0, 0};
  PedigreeRow  *come;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &dest));
  for (int64_t i = 0; i < n; i++) dest[i] = MeritBlockOwner(ped->n, ped->size, (*rows)[i].id);
  PetscCall(MeritExchangeCreate(ped->comm, n, dest, &ex));
  PetscCall(PetscFree(dest));
  arriving = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(arriving, &come));
  PetscCall(MeritExchangeForward(ex, sizeof(PedigreeRow), *rows, come));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(*rows));
  PetscCall(MakeBlock(ped));
  for (int64_t i = 0; i < arriving; i++) TakeRow(ped, come + i);
  PetscCall(PetscFree(come));
  for (int64_t i = 0; i < ped->block.n_local; i++) count[0] += ped->block.line[i] == 0;
  count[1] = ped->n_duplicates;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 2, MPI_INT64_T, MPI_SUM, ped->comm));
  ped->n_no_line    = count[0];
  ped->n_duplicates = count[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeLoadLines - See the header. Sets everything of Load except offspring and generations.
   Collective. */
PetscErrorCode PedigreeLoadLines(MeritPedigree ped)
{
  MeritTable   table;
  Lines        lines = {0};
  PedigreeRow *rows;
  int64_t      n_lines;
  int          column[PED_N_COLUMNS];

  PetscFunctionBegin;
  PetscCall(MeritTableOpen(ped->comm, ped->options.path, ped->options.n_header, (const char *const *)ped->options.header, ped->options.n_unknown,
                           (const char *const *)ped->options.unknown, &table));
  PetscCall(MeritTableSetMissingKey(table, "pedigree.unknown"));
  PetscCall(PedigreeFindColumns(ped, table, column));
  for (int role = PED_ID; role < PED_N_COLUMNS; role++)
    if (column[role] >= 0)
      PetscCall(MeritTableSelect(table, column[role],
                                 role == PED_YEAR  ? MERIT_COLUMN_NUMBER
                                 : role == PED_SEX ? MERIT_COLUMN_WORD
                                                   : MERIT_COLUMN_TEXT));
  PetscCall(MeritTableShare(table));
  PetscCall(MeritTableRead(table));
  PetscCall(TakeLines(ped, table, column, &lines));
  PetscCallMPI(MPI_Allreduce(&lines.n, &n_lines, 1, MPI_INT64_T, MPI_SUM, ped->comm));
  if (n_lines == 0) PetscCall(MeritRaise(MERIT_ERROR_INPUT, ped->options.path, 0, NULL, "the pedigree has no animals"));
  ped->block.has_year = column[PED_YEAR] >= 0;
  ped->block.has_sex  = column[PED_SEX] >= 0;
  PetscCall(NumberLines(ped, table, column, &lines, &rows));
  PetscCall(CheckNames(ped, table, column));
  PetscCall(MeritTableDestroy(&table));
  PetscCall(PedigreeDealRows(ped, lines.n, &rows));
  PetscFunctionReturn(PETSC_SUCCESS);
}
