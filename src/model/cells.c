/*
  Levels of class columns: cells of a regressor's class columns as labels, with codes on this rank.

  The codes of the columns (io/table) are joined column by column: the cells so far and the next
  column give pairs, and a new pair a new label "a:b". In fixed terms 3 and 3.0 are the same class.
*/
#include "model_impl.h"
#include <merit/file.h>
#include <string.h>

/* MeritClassLength - See the header: "3.0" -> 1, "12.000" -> 2, "3.5" -> -1, other labels keep
   all bytes. Not collective. */
int64_t MeritClassLength(const char *label, size_t length)
{
  size_t i = 0, whole, fraction = 0;

  if (i < length && (label[i] == '-' || label[i] == '+')) i++;
  for (whole = i; i < length && label[i] >= '0' && label[i] <= '9';) i++;
  if (i == whole || i == length || label[i] != '.') return (int64_t)length;
  whole = i++;
  for (; i < length && label[i] >= '0' && label[i] <= '9'; i++) fraction += label[i] != '0';
  if (i < length) return (int64_t)length;
  return fraction ? -1 : (int64_t)whole;
}

/* MeritMissingClass - See the header. Not collective. */
bool MeritMissingClass(const MeritModelOptions *options, const char *label, size_t length, int64_t keep)
{
  for (int i = 0; i < options->n_missing && keep >= 0 && (size_t)keep < length; i++)
    if (strlen(options->missing[i]) == (size_t)keep && !strncmp(options->missing[i], label, (size_t)keep)) return true;
  return false;
}

/* First line of this rank that has the code `wanted`, 0 if none has. Codes are in order
   of their first rows, so *row continues from the last search. `wanted` must ascend
   between calls with the same row. */
static int64_t FirstLine(MeritTable table, const int32_t *code, int64_t n, int32_t wanted, int64_t *row)
{
  for (; *row < n; ++*row)
    if (code[*row] == wanted) return MeritTableLine(table, *row);
  return 0;
}

/* *map [codes of raw] = code in `classes` of each label of a column, -1 for a missing
   value. In fixed terms ".0" is dropped, and other decimals are faults. A label that is
   one of the words for missing without its ".0" is missing too, such as -999.0. */
static PetscErrorCode ColumnClasses(MeritModel model, MeritTable table, bool fixed, const char name[], const int32_t **code, int64_t n,
                                    MeritStrings raw, MeritStrings classes, int32_t **map, MeritFault *fault)
{
  int64_t row = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(MeritStringsCount(raw) + 1, map));
  for (int32_t c = 0; c < MeritStringsCount(raw); c++) {
    size_t      length;
    const char *label = MeritStringsGet(raw, c, &length);
    int64_t     keep  = fixed ? MeritClassLength(label, length) : (int64_t)length;

    if (keep < 0) {
      MeritFaultSet(fault, MERIT_ERROR_INPUT, model->options.records, FirstLine(table, *code, n, c, &row), NULL,
                    "column %s: \"%s\" has decimals and cannot be a class; write cov(%s) for a covariate", name, label, name);
      keep = (int64_t)length;
    }
    (*map)[c] = -1;
    if (!MeritMissingClass(&model->options, label, length, keep)) PetscCall(MeritStringsIntern(classes, label, (size_t)keep, &(*map)[c]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Join the cells with one more column: code [row] becomes the code of "a:b", -1 if either
   is missing. A pair of codes, eight bytes, is interned in a pool of its own, so that the
   label is made once a pair. *cells is replaced by the joined labels, whose codes are
   those of the pairs. */
static PetscErrorCode Join(int64_t n, int32_t code[], MeritStrings *cells, const int32_t *next, const int32_t *map, MeritStrings classes)
{
  MeritStrings pairs, joined;

  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(&pairs));
  PetscCall(MeritStringsCreate(&joined));
  for (int64_t row = 0; row < n; row++) {
    int32_t pair[2] = {code[row], next[row] < 0 ? -1 : map[next[row]]}, known = MeritStringsCount(pairs);

    if (pair[0] < 0 || pair[1] < 0) {
      code[row] = -1;
      continue;
    }
    PetscCall(MeritStringsIntern(pairs, (const char *)pair, sizeof(pair), &code[row]));
    if (code[row] == known) {
      const char *b    = MeritStringsGet(classes, pair[1], NULL);
      MeritText   text = {0};
      int32_t     added;

      PetscCall(MeritTextAdd(&text, "%s:%s", MeritStringsGet(*cells, pair[0], NULL), b));
      PetscCall(MeritStringsIntern(joined, text.at, text.n, &added));
      PetscCheck(added == known, PETSC_COMM_SELF, PETSC_ERR_PLIB, "two cells are called %s", text.at);
      MeritTextFree(&text);
    }
  }
  PetscCall(MeritStringsDestroy(&pairs));
  PetscCall(MeritStringsDestroy(cells));
  *cells = joined;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First line here with a colon in a class of the column, and that label; INT64_MAX if
   there is none. The label is borrowed from the table. */
static PetscErrorCode FirstColon(MeritModel model, MeritTable table, const char name[], int64_t *line, const char **label)
{
  const int32_t *code;
  MeritStrings   pool;
  int64_t        n, row = 0;
  int            column;

  PetscFunctionBegin;
  *line = INT64_MAX;
  PetscCall(MeritModelColumn(model, table, name, &column));
  PetscCall(MeritTableText(table, column, &code, &pool));
  PetscCall(MeritTableRows(table, &n, NULL));
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) {
    size_t      length;
    const char *text = MeritStringsGet(pool, c, &length);
    int64_t     here = memchr(text, ':', length) ? FirstLine(table, code, n, c, &row) : INT64_MAX;

    if (here >= *line) continue;
    *line  = here;
    *label = text;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* If the classes of two columns hold colons, "a:b:c" is ambiguous: an INPUT error.
   Collective. Classes with colons in one column alone are not ambiguous. */
static PetscErrorCode CheckColons(MeritModel model, MeritTable table, const MeritRegressorSpec *reg)
{
  const char *first = NULL;

  PetscFunctionBegin;
  for (int c = 0; c < reg->n_class && reg->n_class > 1; c++) {
    const char *name = reg->class_column[c], *label = NULL;
    int64_t     line, least;

    PetscCall(FirstColon(model, table, name, &line, &label));
    PetscCallMPI(MPI_Allreduce(&line, &least, 1, MPI_INT64_T, MPI_MIN, model->comm));
    if (least == INT64_MAX) continue;
    if (first) {
      MeritFault fault = {0};

      if (label)
        MeritFaultSet(
            &fault, MERIT_ERROR_INPUT, model->options.records, line, NULL,
            "column %s: \"%s\" contains a colon, as labels of column %s do, so that two cells would have the same label; use labels without a colon",
            name, label, first);
      PetscCall(MeritFaultAgree(model->comm, &fault));
    }
    first = name;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritModelCells - Code the cells of a regressor's class columns on this rank.

  Collective on the model (faults are agreed).

  Output Parameters:
+ code - [rows of the table] code into pool, -1 where a column is missing; owned by the caller,
         PetscFree
- pool - labels "a" or "a:b:c"; owned by the caller
*/
PetscErrorCode MeritModelCells(MeritModel model, MeritTable table, const MeritTermSpec *term, const MeritRegressorSpec *reg, int32_t **code,
                               MeritStrings *pool)
{
  MeritFault fault = {0};
  int64_t    n;

  PetscFunctionBegin;
  PetscCall(CheckColons(model, table, reg));
  PetscCall(MeritTableRows(table, &n, NULL));
  PetscCall(PetscMalloc1(n + 1, code));
  for (int c = 0; c < reg->n_class; c++) {
    const int32_t *column_code;
    MeritStrings   raw, classes;
    int32_t       *map;
    int            column;

    PetscCall(MeritModelColumn(model, table, reg->class_column[c], &column));
    PetscCall(MeritTableText(table, column, &column_code, &raw));
    PetscCall(MeritStringsCreate(&classes));
    PetscCall(ColumnClasses(model, table, term->fixed, reg->class_column[c], &column_code, n, raw, classes, &map, &fault));
    if (c == 0) {
      for (int64_t row = 0; row < n; row++) (*code)[row] = column_code[row] < 0 ? -1 : map[column_code[row]];
      *pool = classes;
    } else {
      PetscCall(Join(n, *code, pool, column_code, map, classes));
      PetscCall(MeritStringsDestroy(&classes));
    }
    PetscCall(PetscFree(map));
  }
  PetscCall(MeritFaultAgree(model->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}
