/*
  Parents and their offspring on one rank.

  Each animal sends an edge to the rank of its sire and one to the rank of its dam. There offspring
  are counted and listed, and each edge is checked: the sex of the parent by its roles and by its
  own line, and birth years. Faults name the line of the offspring. Suspicious names of parents and
  equal birth years give warnings.
*/
#include "pedigree_private.h"
#include "table_private.h"
#include <math.h>

/* Edges from children to parents in one role, on the ranks that hold the parents, in the order of
   the children's numbers */
typedef struct {
  int64_t  n;
  int32_t *parent; /* [n] position in the block */
  int32_t *child;  /* [n] canonical number; -1 - number when the child has the same animal in the other role too */
  int64_t *line;   /* [n] of the child */
  double  *year;   /* [n] birth of the child; NULL without years */
} Edges;

/* Free the arrays of a list of edges */
static PetscErrorCode EdgesFree(Edges *e)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(e->parent));
  PetscCall(PetscFree(e->child));
  PetscCall(PetscFree(e->line));
  PetscCall(PetscFree(e->year));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Send each animal with a known parent of this role to the rank of that parent. Collective;
   free with EdgesFree(). Lists are in the order of the numbers of the children, since ranks
   hold ascending blocks and arrivals go by source rank. */
static PetscErrorCode EdgesMake(MeritPedigree ped, const int64_t parent[], Edges *e)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int32_t      *to, *child;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(ped->block.n_local, &dest, ped->block.n_local, &to, ped->block.n_local, &child));
  for (int64_t i = 0; i < ped->block.n_local; i++) {
    const int32_t number = (int32_t)(ped->block.first + i);

    dest[i]  = parent[i] < 0 ? -1 : MeritBlockOwner(ped->n, ped->size, parent[i]);
    to[i]    = (int32_t)parent[i];
    child[i] = ped->block.sire[i] == ped->block.dam[i] ? -1 - number : number;
  }
  PetscCall(MeritExchangeCreate(ped->comm, ped->block.n_local, dest, &ex));
  e->n = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(e->n, &e->parent));
  PetscCall(PetscMalloc1(e->n, &e->child));
  PetscCall(PetscMalloc1(e->n, &e->line));
  PetscCall(MeritExchangeForward(ex, sizeof(*to), to, e->parent));
  PetscCall(MeritExchangeForward(ex, sizeof(*child), child, e->child));
  PetscCall(MeritExchangeForward(ex, sizeof(*ped->block.line), ped->block.line, e->line));
  if (ped->block.has_year) {
    PetscCall(PetscMalloc1(e->n, &e->year));
    PetscCall(MeritExchangeForward(ex, sizeof(*ped->block.year), ped->block.year, e->year));
  }
  for (int64_t i = 0; i < e->n; i++) e->parent[i] -= (int32_t)ped->block.first;
  PetscCall(PetscFree3(dest, to, child));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* line [n_local] = first line of the file that has the animal of the block in this role,
   INT64_MAX if none has; owned by the caller. Not collective. */
static PetscErrorCode FirstLines(MeritPedigree ped, const Edges *e, int64_t **line)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(ped->block.n_local, line));
  for (int64_t i = 0; i < ped->block.n_local; i++) (*line)[i] = INT64_MAX;
  for (int64_t k = 0; k < e->n; k++)
    if (e->line[k] < (*line)[e->parent[k]]) (*line)[e->parent[k]] = e->line[k];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is this a parent without a line of its own whose name may mean "unknown"? Then it may stand for
   many different animals. */
static bool LooksUnknown(MeritPedigree ped, int64_t i)
{
  size_t      length;
  const char *label;

  if (ped->block.line[i]) return false;
  label = MeritDictLocal(ped->dict, ped->block.first + i, &length);
  return TableNoValue(label, length);
}

/* First line on which animal i of the block is a parent. A search through all edges, for
   the few animals that a message names. */
static int64_t FirstLine(const Edges *const edges[2], int64_t i)
{
  int64_t line = INT64_MAX;

  for (int role = 0; role < 2; role++)
    for (int64_t k = 0; k < edges[role]->n; k++)
      if (edges[role]->parent[k] == i) line = PetscMin(line, edges[role]->line[k]);
  return line;
}

/* Warn of parents whose names may mean "unknown". Names in both roles are refused by CheckSexes
   with the same advice. */
static PetscErrorCode WarnOfUnknown(MeritPedigree ped, const Edges *const edges[2])
{
  MeritFault warning = {0};

  PetscFunctionBegin;
  for (int64_t i = 0; i < ped->block.n_local && warning.n < MERIT_FAULTS_NAMED; i++)
    if (ped->n_offspring[i] && LooksUnknown(ped, i))
      MeritFaultSet(&warning, MERIT_ERROR_INPUT, NULL, 0, NULL, /* not one for each line: a line may have two */
                    "%s:%lld: %.100s is a parent of %lld animal%s: if it stands for an unknown parent, name it in pedigree.unknown",
                    ped->options.path, (long long)FirstLine(edges, i), MeritDictLocal(ped->dict, ped->block.first + i, NULL),
                    (long long)ped->n_offspring[i], ped->n_offspring[i] == 1 ? "" : "s");
  PetscCall(MeritFaultWarn(ped->comm, &warning));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Advice for an animal in both roles; `here`: on one line */
static const char *Advice(MeritPedigree ped, int64_t i, bool here)
{
  if (LooksUnknown(ped, i)) return "if it stands for an unknown parent, name it in pedigree.unknown";
  return here ? "'sexes: free' allows that" : "'sexes: free' allows both";
}

/* Fault for each animal that is both sire and dam, at the later of the first lines of both
   roles; none if sexes are free. Where both are one line, the animal is both parents of its
   offspring (selfing). Not collective. */
static PetscErrorCode CheckSexes(MeritPedigree ped, const Edges *sires, const Edges *dams, MeritFault *fault)
{
  const PedigreeBlock *block = &ped->block;
  int64_t             *as_sire, *as_dam;

  PetscFunctionBegin;
  if (ped->options.free_sexes) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(FirstLines(ped, sires, &as_sire));
  PetscCall(FirstLines(ped, dams, &as_dam));
  for (int64_t i = 0; i < block->n_local; i++) {
    const bool sire_first = as_sire[i] < as_dam[i];

    if (as_sire[i] == INT64_MAX || as_dam[i] == INT64_MAX) continue;
    if (as_sire[i] == as_dam[i])
      MeritFaultSet(fault, MERIT_ERROR_INPUT, ped->options.path, as_sire[i], MeritDictLocal(ped->dict, block->first + i, NULL),
                    "the animal is both sire and dam here; %s", Advice(ped, i, true));
    else
      MeritFaultSet(fault, MERIT_ERROR_INPUT, ped->options.path, sire_first ? as_dam[i] : as_sire[i],
                    MeritDictLocal(ped->dict, block->first + i, NULL), "the animal is a %s here but a %s on line %lld; %s",
                    sire_first ? "dam" : "sire", sire_first ? "sire" : "dam", (long long)(sire_first ? as_sire[i] : as_dam[i]),
                    Advice(ped, i, false));
  }
  PetscCall(PetscFree(as_sire));
  PetscCall(PetscFree(as_dam));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fault where a parent's own line gives the other sex. `other` is the sex that a parent in
   this role cannot have; unknown sexes pass. */
static void CheckSexOfRole(MeritPedigree ped, const Edges *e, int other, const char role[])
{
  const PedigreeBlock *block = &ped->block;

  for (int64_t k = 0; block->has_sex && !ped->options.free_sexes && k < e->n; k++) {
    const int32_t p = e->parent[k];

    if (block->sex[p] == other)
      MeritFaultSet(&ped->fault, MERIT_ERROR_INPUT, ped->options.path, e->line[k], MeritDictLocal(ped->dict, block->first + p, NULL),
                    "the animal is a %s here but %s on line %lld; 'sexes: free' allows both", role, other == PED_SEX_FEMALE ? "female" : "male",
                    (long long)block->line[p]);
  }
}

/* Fault where a parent was born after its offspring. *n_same += pairs of the same year,
   *line the first of them. Unknown years are NaN, for which every comparison is false but
   `!=`, so they are neither faults nor pairs of one year. */
static void CheckYears(MeritPedigree ped, const Edges *e, const char role[], int64_t *n_same, int64_t *line)
{
  const PedigreeBlock *block = &ped->block;

  for (int64_t k = 0; block->has_year && k < e->n; k++) {
    const int32_t p = e->parent[k];

    if (block->year[p] > e->year[k])
      MeritFaultSet(&ped->fault, MERIT_ERROR_INPUT, ped->options.path, e->line[k], MeritDictLocal(ped->dict, block->first + p, NULL),
                    "the %s was born in %.10g (line %lld), after its offspring, born in %.10g", role, block->year[p], (long long)block->line[p],
                    e->year[k]);
    if (block->year[p] != e->year[k]) continue;
    ++*n_same;
    *line = PetscMin(*line, e->line[k]);
  }
}

/* Warn of offspring with a parent of their own birth year: possible in plants and insects, an error
   in most livestock */
static PetscErrorCode WarnOfYears(MeritPedigree ped, int64_t n_same, int64_t line)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_same, 1, MPI_INT64_T, MPI_SUM, ped->comm));
  if (!n_same) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &line, 1, MPI_INT64_T, MPI_MIN, ped->comm));
  MeritLog(MERIT_LOG_WARNING, "%s:%lld: a parent was born in the same year as its offspring, as in %lld of all pairs; check the years of birth",
           ped->options.path, (long long)line, (long long)n_same);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* loading->child = offspring of each animal of the block, first those it sired; selfed
   offspring appear twice. A counting sort: first [i + 2] counts, sums make first [i + 1]
   the next free position of animal i, and after filling first [i] is where its list begins. */
static PetscErrorCode ListOffspring(MeritPedigree ped, const Edges *const edges[2], PedigreeLoading *loading)
{
  int64_t *first;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(ped->block.n_local + 2, &first));
  for (int role = 0; role < 2; role++)
    for (int64_t k = 0; k < edges[role]->n; k++) first[edges[role]->parent[k] + 2]++;
  for (int64_t i = 0; i < ped->block.n_local; i++) first[i + 2] += first[i + 1];
  PetscCall(PetscMalloc1((size_t)(edges[0]->n + edges[1]->n), &loading->child));
  for (int role = 0; role < 2; role++)
    for (int64_t k = 0; k < edges[role]->n; k++) {
      const int32_t child = edges[role]->child[k];

      loading->child[first[edges[role]->parent[k] + 1]++] = child < 0 ? -1 - child : child;
    }
  loading->child_first = first;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeFamilies - See the header. An offspring of selfing has the same animal as sire
   and dam and counts once in n_offspring: its edge as dam has a negative child and is not
   counted. Collective. INPUT errors: an animal in both roles (unless sexes are free), a
   parent of the other sex or born after its offspring. */
PetscErrorCode PedigreeFamilies(MeritPedigree ped, PedigreeLoading *loading)
{
  const PedigreeBlock *block = &ped->block;
  Edges                sires = {0}, dams = {0};
  const Edges *const   both[2] = {&sires, &dams};
  int64_t              n_same = 0, line = INT64_MAX;

  PetscFunctionBegin;
  PetscCall(EdgesMake(ped, block->sire, &sires));
  PetscCall(EdgesMake(ped, block->dam, &dams));
  PetscCall(CheckSexes(ped, &sires, &dams, &ped->fault));
  CheckSexOfRole(ped, &sires, PED_SEX_FEMALE, "sire");
  CheckSexOfRole(ped, &dams, PED_SEX_MALE, "dam");
  CheckYears(ped, &sires, "sire", &n_same, &line);
  CheckYears(ped, &dams, "dam", &n_same, &line);
  PetscCall(MeritFaultAgree(ped->comm, &ped->fault));
  PetscCall(PetscCalloc1(block->n_local, &ped->n_offspring));
  PetscCall(PetscCalloc1(block->n_local, &ped->n_sired));
  for (int64_t k = 0; k < sires.n; k++) {
    ped->n_offspring[sires.parent[k]]++;
    ped->n_sired[sires.parent[k]]++;
  }
  for (int64_t k = 0; k < dams.n; k++) ped->n_offspring[dams.parent[k]] += dams.child[k] >= 0;
  PetscCall(WarnOfUnknown(ped, both));
  PetscCall(WarnOfYears(ped, n_same, line));
  PetscCall(ListOffspring(ped, both, loading));
  PetscCall(EdgesFree(&sires));
  PetscCall(EdgesFree(&dams));
  PetscFunctionReturn(PETSC_SUCCESS);
}
