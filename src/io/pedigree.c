/*
  The pedigree object: settings, access to results, and the steps of loading.

  Load: read the file and number the animals (pedigree_load.c), cut to the wanted depth
  (pedigree_depth.c), join parents and offspring and check sexes and years (pedigree_family.c),
  generations (pedigree_generation.c). SetUp computes inbreeding (pedigree_setup.c). Every rank
  holds the animals of its block of canonical numbers.
*/
#include "pedigree_load.h"

/* Words for an unknown parent in every file */
static const char *const always_unknown[] = {"0", ".", "NA"};

/* Deep copies of n words, owned by the caller */
static PetscErrorCode CopyWords(int n, const char *const words[], char ***copy)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, copy));
  for (int i = 0; i < n; i++) PetscCall(PetscStrallocpy(words[i], *copy + i));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free n words and their list; *n becomes 0 */
static PetscErrorCode FreeWords(int *n, char ***words)
{
  PetscFunctionBegin;
  for (int i = 0; i < *n; i++) PetscCall(PetscFree((*words)[i]));
  PetscCall(PetscFree(*words));
  *n = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeCreate - Make an empty pedigree.

  Collective on comm.

  Input Parameter:
. comm - its ranks

  Output Parameter:
. ped - owned by the caller, free with `MeritPedigreeDestroy()`
@*/
PetscErrorCode MeritPedigreeCreate(MPI_Comm comm, MeritPedigree *pedigree)
{
  MeritPedigree ped;

  PetscFunctionBegin;
  PetscCall(PetscNew(&ped));
  PetscCall(PetscCommDuplicate(comm, &ped->comm, NULL)); /* messages of the caller are none of ours */
  PetscCallMPI(MPI_Comm_rank(comm, &ped->rank));
  PetscCallMPI(MPI_Comm_size(comm, &ped->size));
  PetscCall(MeritStringsCreate(&ped->founders));
  PetscCall(MeritStringsCreate(&ped->focal));
  *pedigree = ped;
  PetscCall(MeritPedigreeSetUnknown(ped, 0, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeSetFile - Say where the pedigree is and how it is laid out.

  Logically collective; nothing is read yet.

  Input Parameters:
+ ped      - the pedigree
. path     - text file, delimited, possibly compressed
. columns  - names of the columns of id, sire, dam, birth year and sex; NULL, as each of them: found
             by name, else the first three columns are id, sire, dam; a year and a sex are read only
             when named
. n_header - number of names in `header`, 0 when the file's first line has them
- header   - names of the columns of a file without a header line
@*/
PetscErrorCode MeritPedigreeSetFile(MeritPedigree ped, const char path[], const char *const columns[5], int n_header, const char *const header[])
{
  PetscFunctionBegin;
  PetscCall(PetscFree(ped->options.path));
  PetscCall(PetscStrallocpy(path, &ped->options.path));
  for (int c = 0; c < PED_N_COLUMNS; c++) {
    PetscCall(PetscFree(ped->options.column[c]));
    if (columns && columns[c]) PetscCall(PetscStrallocpy(columns[c], ped->options.column + c));
  }
  PetscCall(FreeWords(&ped->options.n_header, &ped->options.header));
  PetscCall(CopyWords(n_header, header, &ped->options.header));
  ped->options.n_header = n_header;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeSetUnknown - Words that stand for an unknown parent, beside the empty field, "0", "."
  and "NA".

  Logically collective. Replaces words given before; copied.
@*/
PetscErrorCode MeritPedigreeSetUnknown(MeritPedigree ped, int n, const char *const words[])
{
  enum { ALWAYS = sizeof(always_unknown) / sizeof(*always_unknown) };

  PetscFunctionBegin;
  PetscCall(FreeWords(&ped->options.n_unknown, &ped->options.unknown));
  PetscCall(PetscMalloc1((size_t)(ALWAYS + n), &ped->options.unknown));
  for (int i = 0; i < ALWAYS + n; i++) PetscCall(PetscStrallocpy(i < ALWAYS ? always_unknown[i] : words[i - ALWAYS], ped->options.unknown + i));
  ped->options.n_unknown = ALWAYS + n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeSetFreeSexes - Whether an id may be both sire and dam; default false. Logically
   collective. */
PetscErrorCode MeritPedigreeSetFreeSexes(MeritPedigree ped, bool free_sexes)
{
  PetscFunctionBegin;
  ped->options.free_sexes = free_sexes;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeSetOutbred - Whether Mendelian variances are 1, 3/4 and 1/2 whatever the inbreeding
   of the parents; default false. Logically collective. */
PetscErrorCode MeritPedigreeSetOutbred(MeritPedigree ped, bool outbred)
{
  PetscFunctionBegin;
  ped->options.outbred = outbred;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeAddFounders - Ids that become founders if the pedigree file does not have them.

  Not collective; each rank adds its own before `MeritPedigreeLoad()`. Copied; words for an unknown
  parent are passed over.
@*/
PetscErrorCode MeritPedigreeAddFounders(MeritPedigree ped, MeritStrings pool)
{
  PetscFunctionBegin;
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) {
    size_t      length;
    const char *at   = MeritStringsGet(pool, c, &length);
    bool        skip = length == 0;
    int32_t     code;

    /* An unknown parent is not an animal */
    for (int i = 0; i < ped->options.n_unknown && !skip; i++) {
      PetscBool same;

      PetscCall(PetscStrcmp(at, ped->options.unknown[i], &same));
      skip = same;
    }
    if (!skip) PetscCall(MeritStringsIntern(ped->founders, at, length, &code));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeLoad - Read the file, check it, number the animals and deal them out in blocks.

  Collective. Further calls do nothing.

  Errors (INPUT unless marked), each with file and line: an empty id; duplicate lines with different
  parents; an own ancestor; an animal that is sire here and dam there, or of the other sex by its
  line (unless sexes are free); a parent born after its offspring; USAGE: columns that cannot be
  found, negative parent codes, more than 2^31 - 1 animals.
@*/
PetscErrorCode MeritPedigreeLoad(MeritPedigree ped)
{
  PedigreeLoading loading = {0};

  PetscFunctionBegin;
  if (ped->loaded) PetscFunctionReturn(PETSC_SUCCESS);
  if (!ped->options.path) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "the pedigree has no file"));
  PetscCall(PedigreeLoadLines(ped));
  PetscCall(PedigreeCut(ped));
  PetscCall(PedigreeFamilies(ped, &loading));
  PetscCall(PedigreeGenerations(ped, &loading));
  PetscCall(PetscFree(ped->block.sex));
  PetscCall(PetscFree(loading.child));
  PetscCall(PetscFree(loading.child_first));
  ped->loaded = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeSize - Animals in all, those without a line, duplicate lines dropped. Not
   collective. */
PetscErrorCode MeritPedigreeSize(MeritPedigree ped, int64_t *n_animals, int64_t *n_no_line, int64_t *n_duplicates)
{
  PetscFunctionBegin;
  if (n_animals) *n_animals = ped->n;
  if (n_no_line) *n_no_line = ped->n_no_line;
  if (n_duplicates) *n_duplicates = ped->n_duplicates;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeDict - The dictionary of ids, after Load; borrowed. Not collective. */
PetscErrorCode MeritPedigreeDict(MeritPedigree ped, MeritDict *dict)
{
  PetscFunctionBegin;
  *dict = ped->dict;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeParents - Parents of this rank's block, -1 unknown; borrowed. Not collective. */
PetscErrorCode MeritPedigreeParents(MeritPedigree ped, int64_t *first, int64_t *n_local, const int64_t **sire, const int64_t **dam)
{
  PetscFunctionBegin;
  if (first) *first = ped->block.first;
  if (n_local) *n_local = ped->block.n_local;
  if (sire) *sire = ped->block.sire;
  if (dam) *dam = ped->block.dam;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeOutbred - See MeritPedigreeSetOutbred: the diagonal of the relationship matrix is
   then not 1 + F. Not collective. */
bool MeritPedigreeOutbred(MeritPedigree ped) { return ped->options.outbred; }

/* MeritPedigreeYears - Birth years of this rank's block, NaN unknown, and whether there are any;
   borrowed. Not collective. */
PetscErrorCode MeritPedigreeYears(MeritPedigree ped, bool *any, const double **year)
{
  PetscFunctionBegin;
  *any  = ped->block.has_year;
  *year = ped->block.year;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeInbreeding - F and d of this rank's block, after SetUp; borrowed. Not collective. */
PetscErrorCode MeritPedigreeInbreeding(MeritPedigree ped, const double **F, const double **d)
{
  PetscFunctionBegin;
  if (F) *F = ped->F;
  if (d) *d = ped->d;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeOffspring - Offspring counts of this rank's block; borrowed. Not collective. */
PetscErrorCode MeritPedigreeOffspring(MeritPedigree ped, const int64_t **n_offspring)
{
  PetscFunctionBegin;
  *n_offspring = ped->n_offspring;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeGeneration - Generations of this rank's block, founders 0; borrowed. Not
   collective. */
PetscErrorCode MeritPedigreeGeneration(MeritPedigree ped, const int32_t **generation)
{
  PetscFunctionBegin;
  *generation = ped->generation;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedigreeDestroy - Free a pedigree; NULL-safe, sets the handle to NULL. Collective. */
PetscErrorCode MeritPedigreeDestroy(MeritPedigree *pedigree)
{
  MeritPedigree ped = *pedigree;

  PetscFunctionBegin;
  if (!ped) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(ped->options.path));
  for (int c = 0; c < PED_N_COLUMNS; c++) PetscCall(PetscFree(ped->options.column[c]));
  PetscCall(FreeWords(&ped->options.n_header, &ped->options.header));
  PetscCall(FreeWords(&ped->options.n_unknown, &ped->options.unknown));
  PetscCall(MeritStringsDestroy(&ped->founders));
  PetscCall(MeritDictDestroy(&ped->dict));
  PetscCall(MeritStringsDestroy(&ped->focal));
  PetscCall(PedigreeBlockFree(&ped->block));
  PetscCall(PetscFree(ped->n_offspring));
  PetscCall(PetscFree(ped->n_sired));
  PetscCall(PetscFree(ped->generation));
  PetscCall(PetscFree2(ped->F, ped->d));
  PetscCall(PetscCommDestroy(&ped->comm));
  PetscCall(PetscFree(*pedigree));
  PetscFunctionReturn(PETSC_SUCCESS);
}
