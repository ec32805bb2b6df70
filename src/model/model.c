/*
  The life of a model and the order of its set-up.

  MeritModelSetUp(): make structures; read records, pedigree and genotypes (Read);
  number levels and select observations; prepare covariances; place records and levels
  on ranks; number equations; make designs and count observations; number patterns of R;
  find redundant equations; and fill the views that other modules use. Arrays that only
  the set-up needs are freed at the end.
*/
#include "model_impl.h"

/*@
  MeritModelCreate - Make an empty model.

  Collective on comm.

  Output Parameter:
. model - owned by the caller, free with `MeritModelDestroy()`
@*/
PetscErrorCode MeritModelCreate(MPI_Comm comm, MeritModel *model)
{
  MeritModel m;

  PetscFunctionBegin;
  PetscCall(PetscNew(&m));
  PetscCall(PetscCommDuplicate(comm, &m->comm, NULL)); /* kept while the model lives: all objects made for the model share it */
  PetscCallMPI(MPI_Comm_rank(comm, &m->rank));
  PetscCallMPI(MPI_Comm_size(comm, &m->size));
  *model = m;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelSetVariancesFree - See the header. Logically collective. The parser of variances
   must know it, hence the order. */
PetscErrorCode MeritModelSetVariancesFree(MeritModel model)
{
  PetscFunctionBegin;
  PetscCheck(!model->formula, model->comm, PETSC_ERR_ORDER, "to be called before MeritModelSetFromConfig");
  model->mode.estimated = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *ids = ids of the id column of a regressor but words for an unknown parent; of this
   rank, the caller's. The pool has each id once, however many records it has. */
static PetscErrorCode Ids(MeritModel model, MeritTable table, const MeritRegressorSpec *regressor, MeritStrings *ids)
{
  const int32_t *code;
  MeritStrings   raw;
  int            column;

  PetscFunctionBegin;
  PetscCall(MeritModelColumn(model, table, regressor->class_column[0], &column));
  PetscCall(MeritTableText(table, column, &code, &raw));
  PetscCall(MeritStringsCreate(ids));
  for (int32_t c = 0; c < MeritStringsCount(raw); c++) {
    size_t      length;
    const char *id = MeritStringsGet(raw, c, &length);
    int32_t     added;

    if (!MeritUnknownParent(&model->options, id)) PetscCall(MeritStringsIntern(*ids, id, length, &added));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Give the pedigree the ids of the records: as founders, if the job wants ids without a
   line to become founders, and as animals that are kept whatever the depth. Not
   collective: each rank adds those of its records. */
static PetscErrorCode AddRecorded(MeritModel model, MeritTable table)
{
  const MeritFormula *formula = model->formula;

  PetscFunctionBegin;
  if (model->options.absent != MERIT_ABSENT_FOUNDER && !model->options.depth) PetscFunctionReturn(PETSC_SUCCESS);
  for (int k = 0; k < formula->n_terms; k++)
    for (int r = 0; r < formula->term[k].n_regressors && MeritStructurePedigree(model->term[k].structure); r++) {
      MeritStrings ids;

      PetscCall(Ids(model, table, &formula->term[k].regressor[r], &ids));
      if (model->options.absent == MERIT_ABSENT_FOUNDER) PetscCall(MeritPedigreeAddFounders(model->pedigree, ids));
      if (model->options.depth) PetscCall(MeritPedigreeAddFocal(model->pedigree, ids));
      PetscCall(MeritStringsDestroy(&ids));
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Genotyped animals are kept whatever the depth; each rank adds those of its part of the
   dictionary */
static PetscErrorCode AddGenotyped(MeritModel model)
{
  MeritStrings ids;
  MeritDict    dict;
  int64_t      n;

  PetscFunctionBegin;
  if (!model->options.depth || !model->genotypes) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesDict(model->genotypes, &dict));
  n = MeritDictSize(dict);
  PetscCall(MeritStringsCreate(&ids));
  for (int64_t i = MeritBlockFirst(n, model->size, model->rank); i < MeritBlockFirst(n, model->size, model->rank + 1); i++) {
    size_t      length;
    const char *id = MeritDictLocal(dict, i, &length);
    int32_t     code;

    PetscCall(MeritStringsIntern(ids, id, length, &code));
  }
  PetscCall(MeritPedigreeAddFocal(model->pedigree, ids));
  PetscCall(MeritStringsDestroy(&ids));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Note SNPs that are not used as exclusions, on rank 0 since all ranks have the table.
   INPUT error: no SNP is used. Logically collective. Frequency NaN means that no animal
   has a genotype. */
static PetscErrorCode ExcludeSnps(MeritModel model)
{
  const MeritSnp *snp;
  int32_t         n, used;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(model->genotypes, NULL, &n, &used));
  PetscCall(MeritGenotypesSnps(model->genotypes, &snp));
  for (int32_t i = 0; i < n && !model->rank; i++)
    if (snp[i].column < 0)
      PetscCall(MeritExclude(&model->excluded, "snp", 0, snp[i].name, PetscIsNanReal(snp[i].frequency) ? "no genotype called" : "monomorphic"));
  if (used < n) MeritLog(MERIT_LOG_INFO, "%d of %d SNPs are monomorphic and not used (see excluded.tsv)", n - used, n);
  if (!used) PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, "genotypes", "no SNP varies among the genotyped animals"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Load the genotypes, if there are any. Collective. */
static PetscErrorCode ReadGenotypes(MeritModel model)
{
  PetscFunctionBegin;
  if (!model->genotypes) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritPhaseBegin("read.genotypes"));
  PetscCall(MeritGenotypesLoad(model->genotypes));
  PetscCall(ExcludeSnps(model));
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read all files. Records come first, as their ids decide about founders and depth of the
   pedigree; with a depth genotypes come before the pedigree too. *table is the caller's.
   Collective. Without a depth genotypes are read last. */
static PetscErrorCode Read(MeritModel model, MeritTable *table)
{
  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("read.records"));
  PetscCall(MeritModelReadRecords(model, table));
  PetscCall(MeritPhaseEnd());
  if (model->options.depth) PetscCall(ReadGenotypes(model)); /* who is genotyped decides who is kept */
  if (model->pedigree) {
    PetscCall(MeritPhaseBegin("read.pedigree"));
    PetscCall(AddRecorded(model, *table));
    PetscCall(AddGenotyped(model));
    PetscCall(MeritPedigreeLoad(model->pedigree));
    PetscCall(MeritPhaseEnd());
    PetscCall(MeritPhaseBegin("read.inbreeding"));
    PetscCall(MeritPedigreeSetUp(model->pedigree));
    PetscCall(MeritPhaseEnd());
  }
  if (!model->options.depth) PetscCall(ReadGenotypes(model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fill the views that later modules read: terms, layout, records. Weights become square
   roots, by which rows of X, Z and y are multiplied, as a weight divides the residual
   variance of its observation. Not collective. */
static PetscErrorCode FinishViews(MeritModel model)
{
  const int     n_traits = model->formula->n_traits;
  const int64_t n        = model->rows.n;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->formula->n_terms, &model->view));
  for (int k = 0; k < model->formula->n_terms; k++) model->view[k] = model->term[k].view;
  model->equations.layout.term    = model->view;
  model->equations.layout.n_terms = model->formula->n_terms;
  for (int64_t i = 0; i < n * n_traits && model->rows.weight; i++) {
    /* a weight of an observation that does not count may be anything */
    bool counts           = model->rows.observed[i / n_traits] >> (i % n_traits) & 1;
    model->rows.weight[i] = counts ? PetscSqrtReal(model->rows.weight[i]) : 1.0;
  }
  model->records = (MeritRecordsView){
      .n_traits       = n_traits,
      .n_records      = (int32_t)n,
      .y              = model->rows.y,
      .sqrt_weight    = model->rows.weight,
      .pattern        = model->patterns.pattern,
      .n_patterns     = model->patterns.n,
      .observed       = model->patterns.observed,
      .residual_class = model->patterns.residual_class,
      .R_inverse      = model->patterns.R_inverse,
  };
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelSetUp - Read all data, place records and levels on ranks, lay out the equations and find
  the aliased ones.

  Collective. Idempotent.

  Errors: INPUT with file, line and id; USAGE for columns the job file names and the data do not
  have.
@*/
PetscErrorCode MeritModelSetUp(MeritModel model)
{
  MeritTable table;

  PetscFunctionBegin;
  if (model->ready) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(model->formula->n_terms, &model->term));
  PetscCall(MeritModelStructures(model));
  PetscCall(MeritPhaseBegin("read"));
  PetscCall(Read(model, &table));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("set-up"));
  PetscCall(MeritPhaseBegin("set-up.levels"));
  PetscCall(MeritModelFillRows(model, table));
  PetscCall(MeritModelNumberLevels(model, table));
  PetscCall(MeritModelSelectRows(model, table));
  PetscCall(MeritTableDestroy(&table));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritModelCovariances(model));
  PetscCall(MeritPhaseBegin("set-up.placement"));
  PetscCall(MeritModelPlace(model));
  PetscCall(MeritModelLayOut(model));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("set-up.design"));
  PetscCall(MeritModelDesigns(model));
  PetscCall(MeritModelCountObservations(model));
  PetscCall(MeritPatternsCreate(model->comm, model->formula, &model->rows, &model->patterns));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("set-up.redundant"));
  PetscCall(MeritModelFindAliased(model));
  PetscCall(MeritPhaseEnd());
  PetscCall(FinishViews(model));
  PetscCall(MeritRowsTrim(&model->rows));
  PetscCall(MeritPhaseEnd());
  model->ready = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what a term owns; arrays of a set-up that ended early may be NULL. The views
   borrow from these arrays. */
static PetscErrorCode DestroyTerm(MeritModelTerm *term)
{
  PetscFunctionBegin;
  for (int r = 0; term->design && r < term->view.n_regressors; r++) {
    PetscCall(PetscFree(term->slot[r]));
    PetscCall(PetscFree(term->value[r]));
    if (term->original) PetscCall(PetscFree(term->original[r]));
    PetscCall(PetscFree(term->offset[r]));
  }
  PetscCall(PetscFree(term->original));
  PetscCall(PetscFree4(term->design, term->slot, term->value, term->offset));
  PetscCall(PetscFree(term->number));
  PetscCall(PetscFree(term->covariate));
  PetscCall(PetscFree(term->centre));
  PetscCall(PetscFree(term->scale));
  PetscCall(MeritDictDestroy(&term->dict));
  PetscCall(MeritLevelsFree(&term->levels));
  PetscCall(MeritIntegersDestroy(&term->ghosts));
  PetscCall(PetscSFDestroy(&term->genotyped));
  PetscCall(PetscFree(term->L));
  PetscCall(PetscFree(term->G_inverse));
  PetscCall(MeritStructureDestroy(&term->structure));
  PetscCall(PetscFree(term->column));
  PetscCall(PetscFree(term->work_before));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelDestroy - Free a model; NULL-safe, sets the handle to NULL. Collective. A
   model whose set-up failed can be freed too. */
PetscErrorCode MeritModelDestroy(MeritModel *model)
{
  MeritModel m = *model;

  PetscFunctionBegin;
  if (!m) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritRowsFree(&m->rows));
  for (int k = 0; m->term && k < m->formula->n_terms; k++) PetscCall(DestroyTerm(&m->term[k]));
  PetscCall(PetscFree(m->term));
  PetscCall(PetscFree(m->view));
  PetscCall(PetscFree2(m->fed.term, m->linked.term));
  PetscCall(PetscFree(m->covariate));
  PetscCall(PetscFree(m->placing.work_before));
  if (m->formula) PetscCall(MeritModelOptionsFree(m->formula->n_traits, &m->options));
  PetscCall(MeritFormulaDestroy(&m->formula));
  PetscCall(MeritPedigreeDestroy(&m->pedigree));
  PetscCall(MeritGenotypesDestroy(&m->genotypes));
  PetscCall(MeritPatternsFree(&m->patterns));
  PetscCall(PetscFree(m->equations.rank_first));
  PetscCall(PetscFree(m->equations.rank_term_first));
  PetscCall(PetscFree(m->counts.state));
  PetscCall(PetscFree(m->counts.observations));
  PetscCall(PetscSFDestroy(&m->equations.halo));
  PetscCall(MeritExclusionsFree(&m->excluded));
  PetscCall(PetscCommDestroy(&(*model)->comm));
  PetscCall(PetscFree(*model));
  PetscFunctionReturn(PETSC_SUCCESS);
}
