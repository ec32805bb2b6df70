/* From the job file to the options of a model: formula, variances, files and rules for
   records, pedigree and genotypes. No data are read here. All ranks have the same tree
   and do the same. */
#include "model_impl.h"
#include <string.h>

/* *words [*n] = the words of a list (or one word) at a key, copied, the caller's; *n = -1
   when the key is absent. An empty entry of a list is the empty word. USAGE errors: a
   map, entries that are no words. */
static PetscErrorCode Words(MeritNode job, const char key[], int *n, char ***words)
{
  MeritNode node = MeritNodeFind(job, key);

  PetscFunctionBegin;
  *n     = -1;
  *words = NULL;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (node->kind == MERIT_NODE_MAP) PetscCall(MeritNodeError(node, "%s needs a word or a list of words", key));
  *n = node->kind == MERIT_NODE_LIST ? node->n : 1;
  PetscCall(PetscCalloc1(*n + 1, words));
  for (int i = 0; i < *n; i++) {
    MeritNode word = node->kind == MERIT_NODE_LIST ? node->child[i] : node;

    if (word->kind == MERIT_NODE_NULL) {
      PetscCall(PetscStrallocpy("", &(*words)[i]));
      continue;
    }
    if (word->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(word, "%s needs a word or a list of words", key));
    PetscCall(PetscStrallocpy(word->text, &(*words)[i]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The same, with n_default preset words when the key is absent */
static PetscErrorCode WordsDefault(MeritNode job, const char key[], int n_default, const char *const preset[], int *n, char ***words)
{
  PetscFunctionBegin;
  PetscCall(Words(job, key, n, words));
  if (*n >= 0) PetscFunctionReturn(PETSC_SUCCESS);
  *n = n_default;
  PetscCall(PetscCalloc1(n_default + 1, words));
  for (int i = 0; i < n_default; i++) PetscCall(PetscStrallocpy(preset[i], &(*words)[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* records.weight: one column for all traits, or a map from traits to columns; traits that
   the map does not have get no weight. *weight, the caller's, stays NULL without the key. USAGE
   errors. Columns are looked up when the records are read. */
static PetscErrorCode Weights(const MeritFormula *formula, MeritNode job, char ***weight)
{
  MeritNode node = MeritNodeFind(job, "records.weight");

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(formula->n_traits, weight));
  if (node->kind == MERIT_NODE_SCALAR) {
    for (int t = 0; t < formula->n_traits; t++) PetscCall(PetscStrallocpy(node->text, &(*weight)[t]));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (node->kind != MERIT_NODE_MAP) PetscCall(MeritNodeError(node, "weight needs a column, or {trait: column, ...}"));
  for (int i = 0; i < node->n; i++) {
    int t = 0;

    while (t < formula->n_traits && strcmp(formula->trait[t], node->key[i])) t++;
    if (t == formula->n_traits) PetscCall(MeritNodeKeyError(node->child[i], "weight: \"%s\" is not a trait of the model", node->key[i]));
    if (node->child[i]->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(node->child[i], "weight needs a column"));
    PetscCall(PetscStrallocpy(node->child[i]->text, &(*weight)[t]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Raise a USAGE error if a term needs a pedigree or genotypes, which the job does not
   have; true: the job has it, or it is checked elsewhere */
static PetscErrorCode CheckSources(MeritModel model, MeritNode job, bool pedigree, bool genotypes)
{
  PetscFunctionBegin;
  for (int k = 0; k < model->formula->n_terms; k++) {
    const char *lacks = MeritStructureLacks(model->formula->term[k].kind, pedigree, genotypes);

    if (lacks) PetscCall(MeritNodeError(MeritNodeFind(job, "model"), "%s", lacks));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Words for an unknown parent in the records, the same as in the pedigree file: those that always
   stand for one, then those of the job. The list and its n strings are the caller's. */
static PetscErrorCode UnknownParents(MeritNode job, int *n, char ***all)
{
  static const char *const always[] = {"0", ".", "NA", ""};
  const int                n_always = (int)PETSC_STATIC_ARRAY_LENGTH(always);
  int                      n_words;
  char                   **words;

  PetscFunctionBegin;
  PetscCall(Words(job, "pedigree.unknown", &n_words, &words));
  *n = n_always + PetscMax(n_words, 0);
  PetscCall(PetscMalloc1(*n, all));
  for (int i = 0; i < n_always; i++) PetscCall(PetscStrallocpy(always[i], &(*all)[i]));
  for (int i = n_always; i < *n; i++) (*all)[i] = words[i - n_always];
  PetscCall(PetscFree(words));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keys of `pedigree`: an empty pedigree object with its settings, or none where no file
   is named. Words for an unknown parent are also kept in the model, for ids in the
   records. Collective. A column without a key is found by its name when the file is
   read. */
static PetscErrorCode PedigreeOptions(MeritModel model, MeritNode job)
{
  static const char *const absent[]   = {"error", "founder", "drop"};
  static const char *const sexes[]    = {"checked", "free"};
  const char              *columns[5] = {NULL};
  int                      n_header, n_words, free_sexes = 0;
  bool                     inbreeding = true;
  char                   **header, **words, *path = NULL;

  PetscFunctionBegin;
  PetscCall(UnknownParents(job, &model->options.n_unknown, &model->options.unknown));
  PetscCall(MeritConfigChoice(job, "pedigree.absent", 3, absent, &model->options.absent));
  PetscCall(MeritConfigChoice(job, "pedigree.sexes", 2, sexes, &free_sexes));
  PetscCall(MeritConfigPath(job, "pedigree.file", &path));
  if (!path) {
    PetscCall(CheckSources(model, job, false, true));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritConfigString(job, "pedigree.columns.id", &columns[0]));
  PetscCall(MeritConfigString(job, "pedigree.columns.sire", &columns[1]));
  PetscCall(MeritConfigString(job, "pedigree.columns.dam", &columns[2]));
  PetscCall(MeritConfigString(job, "pedigree.columns.year", &columns[3]));
  PetscCall(MeritConfigString(job, "pedigree.columns.sex", &columns[4]));
  PetscCall(MeritConfigBool(job, "pedigree.inbreeding", &inbreeding));
  PetscCall(MeritConfigInt(job, "pedigree.depth", 0, INT32_MAX, &model->options.depth));
  PetscCall(Words(job, "pedigree.header", &n_header, &header));
  PetscCall(MeritPedigreeCreate(model->comm, &model->pedigree));
  PetscCall(MeritPedigreeSetFile(model->pedigree, path, columns, PetscMax(n_header, 0), (const char *const *)header));
  PetscCall(Words(job, "pedigree.unknown", &n_words, &words));
  if (n_words > 0) PetscCall(MeritPedigreeSetUnknown(model->pedigree, n_words, (const char *const *)words));
  PetscCall(MeritPedigreeSetFreeSexes(model->pedigree, free_sexes == 1));
  PetscCall(MeritPedigreeSetOutbred(model->pedigree, !inbreeding));
  PetscCall(MeritPedigreeSetDepth(model->pedigree, (int32_t)model->options.depth));
  for (int i = 0; i < n_header; i++) PetscCall(PetscFree(header[i]));
  for (int i = 0; i < n_words; i++) PetscCall(PetscFree(words[i]));
  PetscCall(PetscFree(header));
  PetscCall(PetscFree(words));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* An empty genotypes object with the file that the job names; *given: does it name one?
   Collective. */
static PetscErrorCode GenotypeSource(MeritModel model, MeritNode job, bool *given)
{
  const char *key;
  char       *path;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesOfJob(job, &key, &path));
  *given = key != NULL;
  if (*given) {
    PetscCall(MeritGenotypesCreate(model->comm, &model->genotypes));
    PetscCall(MeritGenotypesSetFile(model->genotypes, key, path));
  }
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Keys of `genotypes`: the object and its settings. genotypes.centre is `observed`,
   `none`, or the path of a file of frequencies. USAGE errors: a grid whose rows do not
   divide the number of ranks. Collective. */
static PetscErrorCode GenotypeOptions(MeritModel model, MeritNode job)
{
  static const char *const scales[] = {"none", "vanraden", "standardised", "count", "trace"};
  const char              *centre   = NULL;
  char                    *path     = NULL;
  int                      scale    = 0;
  int64_t                  grid     = 0;
  bool                     given    = false;

  PetscFunctionBegin;
  PetscCall(GenotypeSource(model, job, &given));
  if (!given) {
    PetscCall(CheckSources(model, job, true, false));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritConfigChoice(job, "genotypes.scale", 5, scales, &scale));
  PetscCall(MeritGenotypesSetScale(model->genotypes, (MeritScale)scale));
  PetscCall(MeritConfigString(job, "genotypes.centre", &centre));
  /* a path is relative to the job file, which MeritConfigPath knows */
  if (centre && strcmp(centre, "observed") && strcmp(centre, "none")) PetscCall(MeritConfigPath(job, "genotypes.centre", &path));
  PetscCall(MeritGenotypesSetCentre(model->genotypes, !centre || strcmp(centre, "none"), path));
  PetscCall(MeritConfigInt(job, "genotypes.grid", 1, INT32_MAX, &grid));
  if (grid > 0 && model->size % grid)
    PetscCall(MeritNodeError(MeritNodeFind(job, "genotypes.grid"), "%lld grid rows do not divide %d ranks", (long long)grid, model->size));
  if (grid > 0) PetscCall(MeritGenotypesSetGrid(model->genotypes, (int)grid));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read the variances of the job: start values that may be missing where they are
   estimated, else all of them. Where the job has none, the message about what is needed
   names the line of the job file and has a hint. Logically collective. MeritErrorLast() is
   copied, since the next error replaces it. */
static PetscErrorCode Variances(MeritModel model, MeritNode job)
{
  MeritNode      node = MeritNodeFind(job, "variances");
  PetscErrorCode code = model->mode.estimated ? MeritFormulaStarts(model->formula, node) : MeritFormulaVariances(model->formula, node);
  MeritErrorInfo why  = *MeritErrorLast();

  PetscFunctionBegin;
  if (code && !node && !model->mode.estimated)
    PetscCall(MeritNodeError(job, "%s. `merit varcomp` estimates them; `variances: FOLDER` takes its results", why.text));
  PetscCall(code);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelSetFromConfig - Take files, rules, formula and variances from a job tree. No data are
  read.

  Logically collective: the tree is the same on every rank.

  Errors: USAGE with file, line and column of the job file.
@*/
PetscErrorCode MeritModelSetFromConfig(MeritModel model, MeritNode job)
{
  static const char *const missing[] = {"NA", "."};
  MeritNode                formula   = MeritNodeFind(job, "model");

  PetscFunctionBegin;
  if (!formula) PetscCall(MeritNodeError(job, "the job file has no model"));
  if (!MeritNodeFind(job, "records.file")) PetscCall(MeritNodeError(job, "the job file has no records: file"));
  PetscCall(MeritFormulaParse(formula, &model->formula));
  PetscCall(Variances(model, job));
  for (int i = 0; i < model->formula->n_warnings; i++) MeritLog(MERIT_LOG_WARNING, "%s", model->formula->warning[i]);
  PetscCall(MeritConfigPath(job, "records.file", &model->options.records));
  PetscCall(MeritNamedColumnsStore(job, &model->options.named));
  PetscCall(Words(job, "records.header", &model->options.n_header, &model->options.header));
  PetscCall(WordsDefault(job, "records.missing", 2, missing, &model->options.n_missing, &model->options.missing));
  PetscCall(Weights(model->formula, job, &model->options.weight));
  PetscCall(PedigreeOptions(model, job));
  PetscCall(GenotypeOptions(model, job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free n words and their list; safe if there is none */
static PetscErrorCode FreeWords(int n, char ***words)
{
  PetscFunctionBegin;
  for (int i = 0; *words && i < n; i++) PetscCall(PetscFree((*words)[i]));
  PetscCall(PetscFree(*words));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelOptionsFree - Free all words and names. Not collective. */
PetscErrorCode MeritModelOptionsFree(int n_traits, MeritModelOptions *options)
{
  PetscFunctionBegin;
  PetscCall(FreeWords(options->n_header, &options->header));
  PetscCall(FreeWords(options->n_missing, &options->missing));
  PetscCall(FreeWords(options->n_unknown, &options->unknown));
  PetscCall(FreeWords(n_traits, &options->weight));
  PetscCall(PetscFree(options->records));
  PetscCall(MeritNamedColumnsFree(&options->named));
  PetscFunctionReturn(PETSC_SUCCESS);
}
