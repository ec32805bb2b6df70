/* Where the job file names columns of the records, for the error that the records do not
   have one of them: it then points to line and column of the job file. Names of all
   formulas, of the weights and of the column of residual classes are kept until the model
   is freed. */
#include "formula_impl.h"
#include "model_impl.h"
#include <string.h>

/* Store the position of a name, unless it is stored already: the first position counts. Name
   and file are copied. */
static PetscErrorCode Note(MeritNamedColumns *named, const char name[], MeritNode node, int line, int column)
{
  PetscFunctionBegin;
  for (int i = 0; i < named->n; i++)
    if (!strcmp(named->column[i].name, name)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscRealloc((size_t)(named->n + 1) * sizeof(*named->column), &named->column));
  named->column[named->n] = (MeritNamedColumn){.line = line, .column = column};
  PetscCall(PetscStrallocpy(name, &named->column[named->n].name));
  PetscCall(PetscStrallocpy(node->file, &named->column[named->n].file));
  named->n++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Store the value of a key that names a column; nothing where the key is absent (NULL) or
   has no single value */
static PetscErrorCode NoteValue(MeritNamedColumns *named, MeritNode node)
{
  PetscFunctionBegin;
  if (node && node->kind == MERIT_NODE_SCALAR) PetscCall(Note(named, node->text, node, node->line, node->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Store all names of a formula. Labels and functions are among them; they do no harm, as
   no column is looked up by them */
static PetscErrorCode NoteFormula(MeritNamedColumns *named, MeritNode node)
{
  FormulaParser p = {.node = node};
  int           line, column;

  PetscFunctionBegin;
  PetscCall(FormulaTokenise(&p));
  for (int t = 0; t < p.n_tokens; t++) {
    if (p.token[t].kind != TOKEN_NAME) continue;
    MeritNodePosition(node, p.token[t].at, &line, &column);
    PetscCall(Note(named, p.token[t].name, node, line, column));
  }
  PetscCall(FormulaParserClose(&p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritNamedColumnsStore - Remember where a job names columns; its formulas have been
   parsed without error. `model` is one formula or a list of them, records.weight one
   column or a map. Not collective. */
PetscErrorCode MeritNamedColumnsStore(MeritNode job, MeritNamedColumns *named)
{
  MeritNode formula = MeritNodeFind(job, "model"), weight = MeritNodeFind(job, "records.weight");

  PetscFunctionBegin;
  PetscCall(MeritNamedColumnsFree(named));
  for (int32_t i = 0; i < PetscMax(formula->n, 1); i++) PetscCall(NoteFormula(named, formula->kind == MERIT_NODE_LIST ? formula->child[i] : formula));
  PetscCall(NoteValue(named, MeritNodeFind(job, "variances.residual.by")));
  PetscCall(NoteValue(named, weight));
  for (int32_t i = 0; weight && i < weight->n; i++) PetscCall(NoteValue(named, weight->child[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritNamedColumnsFree - Free what MeritNamedColumnsStore() has made. Not collective. */
PetscErrorCode MeritNamedColumnsFree(MeritNamedColumns *named)
{
  PetscFunctionBegin;
  for (int i = 0; i < named->n; i++) {
    PetscCall(PetscFree(named->column[i].name));
    PetscCall(PetscFree(named->column[i].file));
  }
  PetscCall(PetscFree(named->column));
  named->n = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelUnknownColumn - See the header. A column whose name was not stored is an
   error of the records file. Logically collective. */
PetscErrorCode MeritModelUnknownColumn(MeritModel model, MeritTable table, const char name[])
{
  struct _p_MeritNode at    = {.file = ""};
  bool                known = false;
  const char *const  *names, *near;
  int                 n;

  PetscFunctionBegin;
  PetscCall(MeritTableColumns(table, &n, &names));
  near = MeritNearest(name, n, names);
  for (int i = 0; i < model->options.named.n; i++) {
    const MeritNamedColumn *c = &model->options.named.column[i];

    if (strcmp(c->name, name)) continue;
    at    = (struct _p_MeritNode){.file = c->file, .line = c->line, .column = c->column};
    known = true;
  }
  if (!known)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, model->options.records, 1, NULL, "there is no column \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
                         near ? near : "", near ? "\"?" : ""));
  PetscCall(MeritNodeError(&at, "there is no column \"%s\" in %s%s%s%s", name, model->options.records, near ? "; did you mean \"" : "",
                           near ? near : "", near ? "\"?" : ""));
  PetscFunctionReturn(PETSC_SUCCESS);
}
