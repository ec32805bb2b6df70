/*
  Memory and work of the operator, foreseen from the sizes of the model: bytes of vectors with
  ghosts, and for one product with C the bytes that go through memory, genotypes, bytes and
  messages sent. Counts are of an average rank.
*/
#include <math.h>
#include <merit/cost.h>
#include <merit/op.h>

/* Vectors with a value for each ghost: the operand, its image, and one of the preconditioner */
enum { GHOST_VECTORS = 3 };
/* Bytes of a pass through a record: its pattern; value and slots of each trait; through an animal: its parents */
enum { RECORD_BYTES = 8, TRAIT_BYTES = 24, PARENT_BYTES = 16 };
/* Streams of 8 bytes for an equation: operand, image, numbers of levels, and what penalties read and write */
enum { STREAMS = 8 };

/* MeritMMEAddBytes - See the header. Collective. */
PetscErrorCode MeritMMEAddBytes(MeritModel model, MeritBytes *b)
{
  const MeritTermView *view;
  const int            n = MeritModelTerms(model, &view);
  int64_t             *owned, *ghosts;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &owned, n, &ghosts));
  PetscCall(MeritModelLevelCounts(model, b, owned, ghosts));
  for (int t = 0; t < n; t++) b->vectors += GHOST_VECTORS * ghosts[t] * (int64_t)sizeof(double) * view[t].n_comp;
  PetscCall(PetscFree2(owned, ghosts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Genotypes of a rank's tile, and the vectors that go along its grid column and grid row:
   effects are gathered and reduced over the column (rows - 1 messages each), rows of animals
   reduced and broadcast over the row. */
static PetscErrorCode Genotypes(MeritModel model, const MeritTraffic *x, MeritWork *w)
{
  MeritGenotypes geno = MeritModelGenotypes(model);
  int64_t        n_animals;
  int32_t        n_used;
  double         rows, columns;

  PetscFunctionBegin;
  if (!geno || !x->n_snp_eq) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(geno, &n_animals, NULL, &n_used));
  rows    = w->ranks > 1 ? MeritGenotypesGridRows(n_animals, n_used, w->ranks) : 1;
  columns = w->ranks / rows;
  w->genotypes += (double)n_animals * n_used / w->ranks * x->n_snp_eq;
  w->sent += 8.0 * x->n_snp_eq * 2.0 * ((rows - 1.0) / rows * n_used / columns + (columns - 1.0) / columns * (double)n_animals / rows);
  w->messages += 2.0 * (rows - 1.0) + 2.0 * MeritStages(columns);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEAddWork - See the header. Not collective. */
PetscErrorCode MeritMMEAddWork(MeritModel model, const MeritTraffic *x, MeritWork *w)
{
  const double level     = (double)(x->animals + x->fixed + x->others) / w->ranks;
  const double genotyped = (double)x->genotyped / w->ranks;
  const double records   = (double)x->n_records * (RECORD_BYTES + TRAIT_BYTES * MeritModelFormula(model)->n_traits);

  PetscFunctionBegin;
  w->bytes += (records + 8.0 * STREAMS * (double)x->equations + PARENT_BYTES * (double)x->n_animals) / w->ranks;
  w->sent += 8.0 * (level + 2.0 * genotyped);
  w->messages += MeritPartners(level, w->ranks) + 2.0 * MeritPartners(genotyped, w->ranks);
  PetscCall(Genotypes(model, x, w));
  PetscFunctionReturn(PETSC_SUCCESS);
}
