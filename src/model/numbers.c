/*
  From labels in the records to canonical level numbers, term by term. A term over
  individuals (animals by pedigree or genotypes) has the numbers of their dictionary;
  other classes get a dictionary from the records, sorted by label. Labels are looked up
  once for each distinct label of a rank, and numbers are then spread over the rows.

  Numbers below 0 (NUMBER_...) say why a row has no level: missing, unknown parent, not
  in the pedigree, no genotype.

  At the end the class column is chosen by which animals are placed on ranks (KeyColumn;
  see placement_animals.c).
*/
#include "model_impl.h"
#include <math.h>
#include <string.h>

/* Have two regressors the same class columns in the same order? */
static bool SameClasses(const MeritRegressorSpec *a, const MeritRegressorSpec *b)
{
  if (a->n_class != b->n_class) return false;
  for (int c = 0; c < a->n_class; c++)
    if (strcmp(a->class_column[c], b->class_column[c])) return false;
  return true;
}

/* An earlier regressor of the term over the same class columns, whose numbers r can use;
   -1: none */
static int Twin(const MeritTermSpec *spec, int r)
{
  for (int s = 0; s < r; s++)
    if (SameClasses(&spec->regressor[s], &spec->regressor[r])) return s;
  return -1;
}

/* MeritUnknownParent - Is this word an unknown-parent code? Not collective. */
bool MeritUnknownParent(const MeritModelOptions *options, const char *label)
{
  for (int i = 0; i < options->n_unknown; i++)
    if (!strcmp(options->unknown[i], label)) return true;
  return false;
}

/* Spread the numbers of a pool's strings over the rows: the rows get an array [n] of
   numbers, `missing` where code is -1; *number is its index in MeritRows */
static PetscErrorCode Spread(MeritRows *rows, const int32_t code[], const int64_t of_code[], int64_t missing, int *number)
{
  int64_t *out;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(rows->n + 1, &out));
  for (int64_t row = 0; row < rows->n; row++) out[row] = code[row] < 0 ? missing : of_code[code[row]];
  *number                         = rows->n_numbers;
  rows->number[rows->n_numbers++] = out;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number the ids of one regressor through the dictionary of the individuals. An id that
   it does not have becomes `absent`, or an unknown parent where the column has parents
   and the id is a word for one. Collective. */
static PetscErrorCode NumberIds(MeritModel model, MeritDict dict, int64_t absent, bool parents, const int32_t code[], MeritStrings pool,
                                int64_t missing, int *number)
{
  int64_t *of_code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(MeritStringsCount(pool) + 1, &of_code));
  PetscCall(MeritDictFind(dict, pool, of_code));
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) {
    if (of_code[c] >= 0) continue;
    of_code[c] = parents && MeritUnknownParent(&model->options, MeritStringsGet(pool, c, NULL)) ? NUMBER_UNKNOWN_PARENT : absent;
  }
  PetscCall(Spread(&model->rows, code, of_code, missing, number));
  PetscCall(PetscFree(of_code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Records name individuals by their ids. Where these are relatives, the first id column is the
   individual itself (missing: the observation is missing), a missing id in another one is an
   unknown parent */
static PetscErrorCode NumberIndividuals(MeritModel model, MeritTable table, int k, MeritDict dict)
{
  const MeritTermSpec *spec    = &model->formula->term[k];
  MeritModelTerm      *term    = &model->term[k];
  const bool           animals = MeritStructurePedigree(term->structure);
  const int64_t        absent  = animals ? NUMBER_NOT_IN_PEDIGREE : NUMBER_NO_GENOTYPE;

  PetscFunctionBegin;
  for (int r = 0; r < spec->n_regressors; r++) {
    const int32_t *code;
    MeritStrings   pool;
    int            twin = Twin(spec, r), column;

    if (twin >= 0) {
      term->number[r] = term->number[twin];
      continue;
    }
    /* one column, as it is written */
    PetscCall(MeritModelColumn(model, table, spec->regressor[r].class_column[0], &column));
    PetscCall(MeritTableText(table, column, &code, &pool));
    PetscCall(NumberIds(model, dict, absent, animals, code, pool, animals && r > 0 ? NUMBER_UNKNOWN_PARENT : NUMBER_MISSING, &term->number[r]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Codes of one regressor's cells into a pool of those of all regressors. The first
   regressor's pool becomes the common one; the labels of later ones are added, and their
   codes changed. `pool` is taken over. Not collective. */
static PetscErrorCode Unite(int64_t n, int32_t code[], MeritStrings pool, MeritStrings *all)
{
  int32_t *map;

  PetscFunctionBegin;
  if (!*all) {
    *all = pool;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(MeritStringsCount(pool) + 1, &map));
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) {
    size_t      length;
    const char *label = MeritStringsGet(pool, c, &length);

    PetscCall(MeritStringsIntern(*all, label, length, &map[c]));
  }
  for (int64_t row = 0; row < n; row++)
    if (code[row] >= 0) code[row] = map[code[row]];
  PetscCall(PetscFree(map));
  PetscCall(MeritStringsDestroy(&pool));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number the levels of a term whose levels are the classes of the records: the union of
   the regressors' cells, numbered by sorted label. A regressor over the same columns as
   an earlier one has its numbers. Collective. */
static PetscErrorCode NumberClasses(MeritModel model, MeritTable table, int k)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  MeritModelTerm      *term = &model->term[k];
  MeritStrings         all  = NULL;
  int32_t            **code;
  int64_t             *of_code;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(spec->n_regressors, &code));
  for (int r = 0; r < spec->n_regressors; r++) {
    MeritStrings pool;

    if (!spec->regressor[r].n_class || Twin(spec, r) >= 0) continue;
    PetscCall(MeritModelCells(model, table, spec, &spec->regressor[r], &code[r], &pool));
    PetscCall(Unite(model->rows.n, code[r], pool, &all));
  }
  PetscCall(PetscMalloc1(MeritStringsCount(all) + 1, &of_code));
  PetscCall(MeritDictCreateNumbers(model->comm, all, NULL, &term->dict, of_code));
  for (int r = 0; r < spec->n_regressors; r++) {
    if (!spec->regressor[r].n_class) continue;
    if (!code[r]) {
      term->number[r] = term->number[Twin(spec, r)];
      continue;
    }
    PetscCall(Spread(&model->rows, code[r], of_code, NUMBER_MISSING, &term->number[r]));
    PetscCall(PetscFree(code[r]));
  }
  PetscCall(PetscFree(code));
  PetscCall(PetscFree(of_code));
  PetscCall(MeritStringsDestroy(&all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *n = nearly the number of distinct strings in the pools of all ranks, by linear
   counting (Whang, Vander-Zanden and Taylor 1990): each string marks one of m bits by its
   hash, and n = -m log(fraction of bits that are 0). Infinite where no bit is 0. The same
   however the strings are spread over ranks. Collective. */
static PetscErrorCode Distinct(MPI_Comm comm, MeritStrings pool, double *n)
{
  enum { WORDS = 1 << 14 };
  const double marks = 64.0 * WORDS;
  uint64_t    *mark;
  int64_t      free = 0;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(WORDS, &mark));
  for (int32_t i = 0; i < MeritStringsCount(pool); i++) {
    size_t         length;
    const char    *at   = MeritStringsGet(pool, i, &length);
    const uint64_t hash = MeritStringsHash(at, length);

    mark[hash / 64 % WORDS] |= (uint64_t)1 << hash % 64;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, mark, WORDS, MPI_UINT64_T, MPI_BOR, comm));
  for (int i = 0; i < WORDS; i++) free += 64 - __builtin_popcountll(mark[i]);
  *n = free ? -marks * log((double)free / marks) : INFINITY;
  PetscCall(PetscFree(mark));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The class column that animals are placed by: of the fixed and identity terms' columns the one with
  most classes, of at least eight records each on average, so that it stands for herds, years or
  pens, and not for single animals. -1: none.
*/
static PetscErrorCode KeyColumn(MeritModel model, MeritTable table, int *key)
{
  const MeritFormula *formula = model->formula;
  double              most    = 1.5;

  PetscFunctionBegin;
  *key = -1;
  for (int k = 0; k < formula->n_terms; k++) {
    MeritDict individuals;

    PetscCall(MeritStructureIndividuals(model->term[k].structure, &individuals));
    for (int r = 0; r < formula->term[k].n_regressors && !individuals; r++)
      for (int c = 0; c < formula->term[k].regressor[r].n_class; c++) {
        const int32_t *code;
        MeritStrings   pool;
        double         n;
        int            column;

        PetscCall(MeritModelColumn(model, table, formula->term[k].regressor[r].class_column[c], &column));
        PetscCall(MeritTableText(table, column, &code, &pool));
        PetscCall(Distinct(model->comm, pool, &n));
        if (n <= most || 8.0 * n > (double)model->n_lines) continue;
        most = n;
        *key = column;
      }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of each row's class in the column that animals are placed by
   (model->placing.number, -1: none). A model without a pedigree has no animals to
   place. Collective. */
static PetscErrorCode NumberKey(MeritModel model, MeritTable table)
{
  const int32_t *code;
  MeritStrings   pool;
  MeritDict      dict;
  int64_t       *of_code;
  int            column;

  PetscFunctionBegin;
  model->placing.number = -1;
  if (!model->pedigree) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(KeyColumn(model, table, &column));
  if (column < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritTableText(table, column, &code, &pool));
  PetscCall(PetscMalloc1(MeritStringsCount(pool) + 1, &of_code));
  PetscCall(MeritDictCreateNumbers(model->comm, pool, NULL, &dict, of_code));
  model->placing.n_keys = MeritDictSize(dict);
  PetscCall(Spread(&model->rows, code, of_code, NUMBER_MISSING, &model->placing.number));
  PetscCall(MeritDictDestroy(&dict));
  PetscCall(PetscFree(of_code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of levels of a term over all ranks: what its structure has of itself, else the
   classes of the records, else one */
static PetscErrorCode CountLevels(MeritModel model, int k)
{
  MeritModelTerm *term = &model->term[k];

  PetscFunctionBegin;
  PetscCall(MeritStructureLevels(term->structure, &term->view.n_levels));
  if (term->view.n_levels < 0) term->view.n_levels = term->dict ? MeritDictSize(term->dict) : 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelNumberLevels - Canonical level of every row for every regressor with classes;
   then the numbers of the placement. rows.number has room for one array a regressor and
   one for the placement. Collective. */
PetscErrorCode MeritModelNumberLevels(MeritModel model, MeritTable table)
{
  const MeritFormula *formula = model->formula;
  int                 most    = 0;

  PetscFunctionBegin;
  for (int k = 0; k < formula->n_terms; k++) most += formula->term[k].n_regressors;
  PetscCall(PetscCalloc1(most + 2, &model->rows.number));
  for (int k = 0; k < formula->n_terms; k++) {
    const MeritTermSpec *spec    = &formula->term[k];
    bool                 classes = false;
    MeritDict            named;

    PetscCall(PetscMalloc1(spec->n_regressors, &model->term[k].number));
    for (int r = 0; r < spec->n_regressors; r++) {
      model->term[k].number[r] = -1;
      classes                  = classes || spec->regressor[r].n_class > 0;
    }
    PetscCall(MeritStructureIndividuals(model->term[k].structure, &named));
    if (named) PetscCall(NumberIndividuals(model, table, k, named));
    else if (classes) PetscCall(NumberClasses(model, table, k));
    PetscCall(CountLevels(model, k));
  }
  PetscCall(NumberKey(model, table));
  PetscFunctionReturn(PETSC_SUCCESS);
}
