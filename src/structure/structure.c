/*
  The public functions of structures (merit/structure.h): each asks the table of operations of the
  kind, and gives the common answer where the kind has no operation of its own.

  A structure goes through these stages:
  - Create keeps the sources. They may still be without data.
  - Levels, Individuals and Labels answer from the sources, once these are read.
  - Fetch gets the rows of the levels that this rank owns. Neighbours are canonical numbers then.
  - Bind replaces these numbers by equations of this rank. The penalty can be used from here on.

  All functions take NULL, the structure of a fixed term.
*/
#include "structure_impl.h"
#include <string.h>

/* By MeritTermKind; fixed terms have none */
static const MeritStructureOps *const kinds[MERIT_TERM_KINDS] = {NULL, &MeritStructure_Iid, &MeritStructure_Pedigree, &MeritStructure_Markers,
                                                                 &MeritStructure_Columns};

/* MeritStructureLacks - What a job would have to have, see the header. Not collective. */
const char *MeritStructureLacks(MeritTermKind kind, bool pedigree, bool genotypes)
{
  const MeritStructureOps *ops = kinds[kind];

  if (ops && !pedigree && ops->without_pedigree) return ops->without_pedigree;
  /* No kind needs both files, so the order of the two questions does not matter. */
  return ops && !genotypes ? ops->without_genotypes : NULL;
}

/* MeritStructureCreate - See the header. Not collective. */
PetscErrorCode MeritStructureCreate(MeritTermKind kind, const MeritSources *sources, MeritStructure *s)
{
  PetscFunctionBegin;
  *s = NULL;
  if (!kinds[kind]) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscNew(s));
  (*s)->ops     = kinds[kind];
  (*s)->sources = *sources;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureDestroy - Free a structure; NULL-safe. Not collective. */
PetscErrorCode MeritStructureDestroy(MeritStructure *s)
{
  PetscFunctionBegin;
  if (!*s) PetscFunctionReturn(PETSC_SUCCESS);
  for (int list = 0; list < (*s)->n_lists; list++) {
    PetscCall(PetscFree((*s)->neighbour[list]));
    PetscCall(PetscFree((*s)->slot[list]));
  }
  PetscCall(PetscFree((*s)->d));
  PetscCall(PetscFree((*s)->generation));
  PetscCall(PetscFree((*s)->start));
  PetscCall(PetscFree((*s)->coefficient));
  PetscCall(PetscFree(*s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureList - Put the number of a term on the lists it belongs to. Not collective. */
void MeritStructureList(MeritStructure s, int term, int *n_fed, int fed[], int *n_linked, int linked[])
{
  if (MeritStructureFed(s)) fed[(*n_fed)++] = term;
  if (MeritStructureLinked(s)) linked[(*n_linked)++] = term;
}

/* MeritStructureForm - Recursion or factor; MERIT_FORM_NONE without a structure. Not
   collective. */
MeritForm MeritStructureForm(MeritStructure s) { return s ? s->ops->form : MERIT_FORM_NONE; }

/* MeritStructureWord - The word of a kind in formulas. Not collective. */
const char *MeritStructureWord(MeritTermKind kind) { return kinds[kind] ? kinds[kind]->name : "fixed"; }

/* MeritStructurePedigree - The pedigree whose animals are the levels, or NULL; borrowed. Not
   collective. */
MeritPedigree MeritStructurePedigree(MeritStructure s) { return s && s->ops->animals ? s->sources.pedigree : NULL; }

/* MeritStructureLevels - Levels that the structure has of itself, -1: those of the records.
   Not collective. */
PetscErrorCode MeritStructureLevels(MeritStructure s, int64_t *n)
{
  PetscFunctionBegin;
  *n = -1;
  if (s && s->ops->levels) PetscCall(s->ops->levels(s, n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureIndividuals - The ids by which records name levels; NULL: their own classes.
   Not collective. */
PetscErrorCode MeritStructureIndividuals(MeritStructure s, MeritDict *dict)
{
  PetscFunctionBegin;
  *dict = NULL;
  if (s && s->ops->individuals) PetscCall(s->ops->individuals(s, dict));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureLabels - Labels of the levels, see the header. Not collective. */
PetscErrorCode MeritStructureLabels(MeritStructure s, MeritDict *dict, const char ***names)
{
  PetscFunctionBegin;
  *dict  = NULL;
  *names = NULL;
  if (s && s->ops->dict) PetscCall(s->ops->dict(s, dict));
  if (s && s->ops->names) PetscCall(s->ops->names(s, names));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureSameLevels - Are the levels of both those of one source? Not collective. */
bool MeritStructureSameLevels(MeritStructure a, MeritStructure b)
{
  /* Kinds with a dictionary take their levels from a file, and a job has one such file at
     most, so the same function means the same levels. */
  return a && b && a->ops->dict && a->ops->dict == b->ops->dict;
}

/* MeritStructureLinked - Do rows name other levels than their own? Not collective. */
bool MeritStructureLinked(MeritStructure s) { return s && s->ops->linked; }

/* MeritStructurePlacing - Weight of the term when records are placed, see the header. Not
   collective. */
int MeritStructurePlacing(MeritStructure s) { return s ? s->ops->placing : 0; }

/* MeritStructureHome - Rank of what a record names by `number`. Not collective. */
PetscMPIInt MeritStructureHome(MeritStructure s, int64_t n, PetscMPIInt size, int64_t number)
{
  return s && s->ops->home ? s->ops->home(s, number) : MeritBlockOwner(n, size, number);
}

/* MeritStructureDeliver - From the blocks of canonical levels to their owners, by position.
   Collective. */
PetscErrorCode MeritStructureDeliver(const MeritPlacement *placement, MeritExchange ex, size_t bytes, const void *block, void *mine)
{
  char  *arrived;
  char **at = mine;

  PetscFunctionBegin;
  /* Values arrive in canonical order. One byte more, so that a rank without levels gets an
     array, too. */
  PetscCall(PetscMalloc((size_t)placement->n_owned * bytes + 1, &arrived));
  PetscCall(MeritExchangeForward(ex, bytes, block, arrived));
  *at = arrived;
  if (!placement->position_of) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc((size_t)placement->n_owned * bytes + 1, at));
  for (int32_t i = 0; i < placement->n_owned; i++) memcpy(*at + (size_t)placement->position_of[i] * bytes, arrived + (size_t)i * bytes, bytes);
  PetscCall(PetscFree(arrived));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureFetch - Get the rows of the levels owned here. Collective. */
PetscErrorCode MeritStructureFetch(MeritStructure s, const MeritPlacement *placement)
{
  PetscFunctionBegin;
  if (!s) PetscFunctionReturn(PETSC_SUCCESS);
  s->n_owned = placement->n_owned;
  if (s->ops->fetch) PetscCall(s->ops->fetch(s, placement));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureNeighbours - Levels named by the rows of this rank, see the header. Not
   collective. */
bool MeritStructureNeighbours(MeritStructure s, int list, int64_t *n, const int64_t **number)
{
  if (!s || list >= s->n_lists) return false;
  *n      = s->n_neighbours[list];
  *number = s->neighbour[list];
  return true;
}

/* MeritStructureBind - The rows get equations, see the header. Not collective. */
PetscErrorCode MeritStructureBind(MeritStructure s, int32_t own, int n, int32_t *slot[])
{
  PetscFunctionBegin;
  if (!s) PetscFunctionReturn(PETSC_SUCCESS);
  for (int list = 0; list < s->n_lists; list++) {
    PetscCall(PetscFree(s->neighbour[list]));
    s->slot[list] = slot[list];
  }
  /* The equations of level i are own + i n to own + i n + n - 1. Parents with coefficients are
     in list 0; other parents are added by `bind` of the kind. */
  s->rows = (MeritRecursion){.n_levels = s->n_owned, .n_rows = s->n_owned, .own = own, .n = n, .d = s->d};
  if (s->start) {
    s->rows.start       = s->start;
    s->rows.parent      = slot[0];
    s->rows.coefficient = s->coefficient;
  }
  if (s->ops->bind) PetscCall(s->ops->bind(s, slot));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureFeed - Link rows of M to those that records name here; NULL: not fed.
   Collective. */
PetscErrorCode MeritStructureFeed(MeritStructure s, int32_t n, const int64_t number[], PetscSF *feed)
{
  PetscFunctionBegin;
  *feed = NULL;
  if (MeritStructureFed(s)) PetscCall(s->ops->feed(s, n, number, feed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureFed - Is it a factor M whose rows are not the records? Not collective. */
bool MeritStructureFed(MeritStructure s) { return s && s->ops->feed; }

/* MeritStructurePenalty - Rows of the penalty; borrowed, valid after Bind. Not collective. */
const MeritRecursion *MeritStructurePenalty(MeritStructure s) { return s ? &s->rows : NULL; }

/* MeritStructureGeneration - Generations of the owned levels; borrowed, NULL: all 0. Not
   collective. */
const int32_t *MeritStructureGeneration(MeritStructure s) { return s ? s->generation : NULL; }

/* MeritStructureDiagonal - Diagonal of K, see the header. Not collective. */
PetscErrorCode MeritStructureDiagonal(MeritStructure s, double **diagonal)
{
  PetscFunctionBegin;
  *diagonal = NULL;
  if (s && s->ops->diagonal) PetscCall(s->ops->diagonal(s, diagonal));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureMeanDiagonal - Mean of the diagonal of K, see the header. Not collective. */
double MeritStructureMeanDiagonal(MeritStructure s) { return s && s->ops->mean_diagonal ? s->ops->mean_diagonal(s) : 1.0; }

/* MeritStructureScale - Units of M's columns, see the header. Not collective. */
PetscErrorCode MeritStructureScale(MeritStructure s, const double **scale)
{
  PetscFunctionBegin;
  *scale = NULL;
  if (s && s->ops->scale) PetscCall(s->ops->scale(s, scale));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritStructureTypicalElement - See the header. Not collective. */
double MeritStructureTypicalElement(MeritStructure s) { return s ? s->ops->typical : 0.0; }

/* MeritStructureFactorRows - Rows of M of a factor, see the header. Not collective. */
PetscErrorCode MeritStructureFactorRows(MeritStructure s, double values, double *n)
{
  PetscFunctionBegin;
  *n = values;
  if (s && s->ops->factor_rows) PetscCall(s->ops->factor_rows(s, n));
  PetscFunctionReturn(PETSC_SUCCESS);
}
