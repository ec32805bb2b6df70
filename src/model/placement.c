/*
  Which rank has which records and levels.

  1. A key term is chosen (KeyTerm). Its levels decide: animals by herds and relatives
  (placement_animals.c), genotyped animals by the rows of the genotypes, or else the
  largest class in blocks of its sorted levels. 2. Records go to the rank of their level
  of the key (MoveRecords); those without one stay where they are. 3. Every other level
  goes to the rank with most of its records, ties to the lowest rank (Majority), so that
  few levels are ghosts.

  At the end records are sorted by the positions of their animals, so that the passes over
  records and over animals go through memory in the same order.
*/
#include "placement.h"

/* The key: the term whose structure weighs most (MeritStructurePlacing), else the class
   term with most levels; *key = -1 where there is neither: records stay in file order.
   The same on all ranks. */
static void KeyTerm(MeritModel model, int *key)
{
  const MeritFormula *formula = model->formula;
  int64_t             largest = 1;

  *key = -1;
  for (int k = 0, most = 0; k < formula->n_terms; k++)
    if (MeritStructurePlacing(model->term[k].structure) > most) {
      *key = k;
      most = MeritStructurePlacing(model->term[k].structure);
    }
  if (*key >= 0) return;
  for (int k = 0; k < formula->n_terms; k++)
    if (model->term[k].dict && model->term[k].view.n_levels > largest) {
      *key    = k;
      largest = model->term[k].view.n_levels;
    }
}

/* Move the records to the ranks of their levels of the key. Where the key is the animals,
   *owner and *order [canonical block] are theirs, both the caller's; else they stay NULL.
   Collective. */
static PetscErrorCode MoveRecords(MeritModel model, int key, PetscMPIInt **owner, uint64_t **order)
{
  const MeritModelTerm *term   = &model->term[key];
  const int64_t        *number = model->rows.number[term->number[0]];
  PetscMPIInt          *dest;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->rows.n + 1, &dest));
  if (MeritStructurePedigree(term->structure)) {
    PetscCall(MeritPlaceAnimals(model, number, owner, order, dest));
  } else {
    for (int64_t row = 0; row < model->rows.n; row++)
      dest[row] = number[row] >= 0 ? MeritStructureHome(term->structure, term->view.n_levels, model->size, number[row]) : model->rank;
  }
  PetscCall(MeritRowsMove(model->comm, &model->rows, dest));
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Distinct levels of term k in the records of this rank, and the number of records of
   each, summed over regressors. met and *count [levels] are the caller's. Not
   collective. */
static PetscErrorCode LocalCounts(MeritModel model, int k, MeritIntegers *met, int64_t **count)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  MeritRows           *rows = &model->rows;
  int32_t              code;
  int64_t              room = 64;

  PetscFunctionBegin;
  PetscCall(MeritIntegersCreate(room, met));
  PetscCall(PetscCalloc1(room, count));
  for (int r = 0; r < spec->n_regressors; r++)
    for (int64_t row = 0; row < rows->n; row++) {
      int64_t number = model->term[k].number[r] < 0 ? spec->regressor[r].level : rows->number[model->term[k].number[r]][row];

      if (number < 0) continue;
      PetscCall(MeritIntegersIntern(*met, number, &code));
      if (code >= room) {
        PetscCall(PetscRealloc((size_t)(2 * room) * sizeof(**count), count));
        PetscCall(PetscArrayzero(*count + room, room));
        room *= 2;
      }
      (*count)[code]++;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *owner [block] = rank with most records of each level of this rank's canonical block;
   levels without records stay with the rank of the block. Counts go to the rank of the
   block, which compares them. Collective; *owner is the caller's. */
static PetscErrorCode Majority(MeritModel model, int k, PetscMPIInt **owner)
{
  const int64_t  n_levels = model->term[k].view.n_levels;
  const int64_t  first    = MeritBlockFirst(n_levels, model->size, model->rank);
  const int64_t  n_block  = MeritBlockFirst(n_levels, model->size, model->rank + 1) - first;
  MeritIntegers  met;
  MeritExchange  ex;
  PetscMPIInt   *dest;
  const int64_t *number;
  int64_t       *count, *in_number, *in_count, *most;
  int32_t        n;

  PetscFunctionBegin;
  PetscCall(LocalCounts(model, k, &met, &count));
  n      = MeritIntegersCount(met);
  number = MeritIntegersValues(met);
  PetscCall(PetscMalloc1(n, &dest));
  for (int32_t i = 0; i < n; i++) dest[i] = MeritBlockOwner(n_levels, model->size, number[i]);
  PetscCall(MeritExchangeCreate(model->comm, n, dest, &ex));
  PetscCall(PetscMalloc2(MeritExchangeArriving(ex), &in_number, MeritExchangeArriving(ex), &in_count));
  PetscCall(MeritExchangeForward(ex, sizeof(*number), number, in_number));
  PetscCall(MeritExchangeForward(ex, sizeof(*count), count, in_count));
  PetscCall(PetscMalloc1(n_block, owner));
  PetscCall(PetscCalloc1(n_block, &most));
  for (int64_t i = 0; i < n_block; i++) (*owner)[i] = model->rank;
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++) {
    int64_t level = in_number[i] - first;

    /* arrivals come by rank, so a tie stays with the lower one */
    if (in_count[i] <= most[level]) continue;
    most[level]     = in_count[i];
    (*owner)[level] = MeritExchangeSource(ex, i);
  }
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(MeritIntegersDestroy(&met));
  PetscCall(PetscFree2(in_number, in_count));
  PetscCall(PetscFree(dest));
  PetscCall(PetscFree(count));
  PetscCall(PetscFree(most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *owner [block] = owners that are known already (`owners`, of the animals), or else the
   rank of the block: for levels of a source of data (animals, SNPs) and for the key
   class. The caller's. Not collective. */
static PetscErrorCode Blocks(MeritModel model, int k, const PetscMPIInt *owners, PetscMPIInt **owner)
{
  const int64_t n_levels = model->term[k].view.n_levels;
  const int64_t first    = MeritBlockFirst(n_levels, model->size, model->rank);
  const int64_t n_block  = MeritBlockFirst(n_levels, model->size, model->rank + 1) - first;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n_block, owner));
  for (int64_t i = 0; i < n_block; i++) (*owner)[i] = owners ? owners[i] : model->rank;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sort the rows by the positions of their animals; rows without an animal (position -1, the
   largest number of 32 bits) at the end, equal ones in their old order. Not
   collective. */
static PetscErrorCode ArrangeRecords(MeritModel model, int key)
{
  const MeritLevels *levels = &model->term[key].levels;
  const int64_t     *number = model->rows.number[model->term[key].number[0]], n = model->rows.n;
  uint64_t          *position;
  int32_t           *row;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &position, n, &row));
  for (int64_t i = 0; i < n; i++) {
    row[i]      = (int32_t)i;
    position[i] = (uint32_t)MeritLevelsOwnedPosition(levels, number[i]);
  }
  PetscCall(MeritSortKeys(n, position, row));
  PetscCall(MeritRowsArrange(&model->rows, row));
  PetscCall(PetscFree2(position, row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelPlace - Move the records to their ranks and decide who owns each level. Two
   terms over the same individuals, such as direct and maternal effects, have the same
   owners and order. Collective. */
PetscErrorCode MeritModelPlace(MeritModel model)
{
  const MeritFormula *formula = model->formula;
  PetscMPIInt        *animals = NULL;
  uint64_t           *order   = NULL;
  int                 key;

  PetscFunctionBegin;
  KeyTerm(model, &key);
  model->placing.key = key;
  if (key >= 0) PetscCall(MoveRecords(model, key, &animals, &order));
  PetscCall(MeritFitsRank(model->comm, model->rows.n, "records"));
  for (int k = 0; k < formula->n_terms; k++) {
    const MeritStructure s     = model->term[k].structure;
    const bool           alike = key >= 0 && MeritStructureSameLevels(s, model->term[key].structure);
    PetscMPIInt         *owner;

    if (MeritStructurePlacing(s) > 0 || k == key) PetscCall(Blocks(model, k, alike ? animals : NULL, &owner));
    else PetscCall(Majority(model, k, &owner));
    PetscCall(MeritLevelsFromOwners(model->comm, model->term[k].view.n_levels, owner, alike ? order : NULL, &model->term[k].levels));
  }
  if (order) PetscCall(ArrangeRecords(model, key));
  PetscCall(PetscFree(order));
  PetscCall(PetscFree(animals));
  PetscFunctionReturn(PETSC_SUCCESS);
}
