/*
  The specification of a simulation: known keys with their help texts, defaults and limits.

  The tree of the file is read once into a SimSpec; the rest of the module sees only that. Errors
  are USAGE with line and column of the key. Defaults are those of the help texts.
*/
#include "sim.h"
#include <math.h>
#include <string.h>

static const MeritKey keys[] = {
    {"seed", "whole number: another seed, another population (1)"},
    {"output", "folder to write into"},
    {"overwrite", "yes | no: replace an earlier result in the output folder (no)"},
    {"population.generations", "discrete generations, founders included (5)"},
    {"population.animals", "animals in all"},
    {"population.per_generation", "animals of each generation, instead of `animals`"},
    {"population.males", "fraction of males (0.5)"},
    {"population.sires", "bulls used for each generation (one for 100 animals born)"},
    {"population.dams", "cows that may be dams of each generation (all of the one before)"},
    {"population.unknown_sire", "fraction of animals whose sire is unknown: an unrelated base animal (0)"},
    {"population.unknown_dam", "the same of dams (0)"},
    {"selection.sires", "random | best: by true value plus noise (random)"},
    {"selection.trait", "trait that bulls are selected on (the first)"},
    {"selection.accuracy", "correlation of true value and selection index in an unselected population (0.7)"},
    {"herds.number", "herds (one for 100 animals of a generation)"},
    {"herds.moved", "fraction of animals that leave their dam's herd for any other (0.05)"},
    {"herds.years", "years over which a generation is born (2)"},
    {"traits.names", "name, or list of names"},
    {"traits.means", "number, or list by trait (0)"},
    {"traits.G", "genetic covariance matrix"},
    {"traits.R", "residual covariance matrix"},
    {"traits.PE", "covariance matrix of the cow's permanent environment (none)"},
    {"traits.missing", "fraction of values missing, of all traits or by trait (0)"},
    {"effects.herd_year", "standard deviation of herd-year effects, by trait (no such effect)"},
    {"effects.parity", "standard deviation of parity effects, by trait (no such effect)"},
    {"effects.age", "regression on age in days, by trait (no such effect)"},
    {"records.per_cow", "records of a cow at most, one each parity (1)"},
    {"records.survival", "probability of each further record (1)"},
    {"records.fraction", "fraction of cows with records (1)"},
    {"records.cows", "number of cows with records, instead of `fraction`"},
    {"chip.snps", "SNPs of the chip"},
    {"chip.chromosomes", "chromosomes (30)"},
    {"chip.length", "Morgans of each chromosome (1)"},
    {"chip.genotyped", "animals genotyped: sires used, then the youngest; number, or fraction below 1"},
    {"chip.recorded", "yes | no: genotype only animals with records, the youngest (no)"},
    {"chip.missing", "fraction of calls missing (0)"},
    {"chip.qtl", "SNPs of the chip that are QTL (100)"},
    {"chip.share", "share of the genetic variance due to the QTL; the rest is polygenic (0)"},
    {"chip.ancestors", "ancestral haplotypes that founders are mosaics of: fewer, more LD (12)"},
    {"chip.age", "switches between ancestral haplotypes per Morgan: more, shorter LD (100)"},
};

/* MeritSimulationKeys - Keys of a specification. Not collective; borrowed. */
int MeritSimulationKeys(const MeritKey **list)
{
  *list = keys;
  return (int)PETSC_STATIC_ARRAY_LENGTH(keys);
}

/* A key that must be given */
static PetscErrorCode Need(MeritNode tree, const char key[], const char what[])
{
  PetscFunctionBegin;
  if (!MeritNodeFind(tree, key)) PetscCall(MeritNodeError(tree, "%s is missing: %s", key, what));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A trait's name must be a column name that is not used otherwise */
static PetscErrorCode CheckName(MeritNode node, int n, char **names)
{
  static const char *const taken[] = {"id", "herd", "year", "parity", "age"};
  const char              *name    = names[n];
  bool                     good    = name[0] && !strchr("0123456789", name[0]);

  PetscFunctionBegin;
  for (const char *c = name; *c; c++) good = good && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || strchr("_0123456789", *c));
  if (!good) PetscCall(MeritNodeError(node, "a trait's name has letters, digits and _ only, not '%s'", name));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(taken); i++)
    if (!strcmp(name, taken[i])) PetscCall(MeritNodeError(node, "a trait cannot be named '%s': it is another column's name", name));
  for (int i = 0; i < n; i++)
    if (!strcmp(name, names[i])) PetscCall(MeritNodeError(node, "the trait '%s' is given twice", name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the traits: one, or a list */
static PetscErrorCode ReadNames(MeritNode tree, SimSpec *spec)
{
  MeritNode node = MeritNodeFind(tree, "traits.names");
  int       n    = node && node->kind == MERIT_NODE_LIST ? node->n : 1;

  PetscFunctionBegin;
  PetscCall(Need(tree, "traits.names", "a name or a list of names"));
  if (n < 1 || n > MERIT_MAX_TRAITS) PetscCall(MeritNodeError(node, "1 to %d traits are possible, not %d", MERIT_MAX_TRAITS, n));
  PetscCall(PetscCalloc1(n, &spec->trait));
  for (int i = 0; i < n; i++) {
    MeritNode child = node->kind == MERIT_NODE_LIST ? node->child[i] : node;

    if (child->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(child, "a trait's name is a word"));
    PetscCall(PetscStrallocpy(child->text, &spec->trait[i]));
    /* n_traits counts the names that are owned so far, for SimSpecFree() after an error */
    spec->n_traits = i + 1;
    PetscCall(CheckName(child, i, spec->trait));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Covariance matrices, means, and effects by trait; an effect whose key is absent is not in the
   model */
static PetscErrorCode ReadTraits(MeritNode tree, SimSpec *spec)
{
  /* limit for numbers without a natural one */
  const double huge = 1e30;
  int          n;

  PetscFunctionBegin;
  PetscCall(ReadNames(tree, spec));
  n = spec->n_traits;
  PetscCall(Need(tree, "traits.G", "the genetic covariance matrix"));
  PetscCall(Need(tree, "traits.R", "the residual covariance matrix"));
  PetscCall(SimReadMatrix(tree, "traits.G", n, false, &spec->G, &spec->L_G));
  PetscCall(SimReadMatrix(tree, "traits.R", n, true, &spec->R, &spec->L_R));
  PetscCall(SimReadMatrix(tree, "traits.PE", n, false, &spec->PE, &spec->L_PE));
  spec->has_pe        = spec->PE != NULL;
  spec->has_herd_year = MeritNodeFind(tree, "effects.herd_year") != NULL;
  spec->has_parity    = MeritNodeFind(tree, "effects.parity") != NULL;
  spec->has_age       = MeritNodeFind(tree, "effects.age") != NULL;
  PetscCall(SimReadVector(tree, "traits.means", n, false, -huge, huge, spec->mean));
  PetscCall(SimReadVector(tree, "traits.missing", n, true, 0.0, 0.99, spec->missing));
  PetscCall(SimReadVector(tree, "effects.herd_year", n, false, 0.0, huge, spec->herd_year));
  PetscCall(SimReadVector(tree, "effects.parity", n, false, 0.0, huge, spec->parity));
  PetscCall(SimReadVector(tree, "effects.age", n, false, -huge, huge, spec->age));
  /* three digits beyond the residual standard deviation: rounding is then negligible */
  for (int t = 0; t < n; t++) spec->decimals[t] = (int)PetscMax(0.0, PetscMin(15.0, 3.0 - floor(0.5 * log10(spec->R[t * n + t]))));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Size and structure of the population; defaults depend on the animals of a generation */
static PetscErrorCode ReadPopulation(MeritNode tree, SimSpec *spec)
{
  int64_t generations = 5, each = 0;

  PetscFunctionBegin;
  PetscCall(MeritConfigInt(tree, "population.generations", 1, 1000, &generations));
  PetscCall(MeritConfigInt(tree, "population.animals", 1, UINT32_MAX - 1, &spec->animals));
  PetscCall(MeritConfigInt(tree, "population.per_generation", 1, UINT32_MAX - 1, &each));
  /* exactly one of the two must be given */
  if ((each > 0) == (spec->animals > 0)) PetscCall(MeritNodeError(tree, "give either population.animals or population.per_generation"));
  if (each) spec->animals = each * generations;
  if (spec->animals >= UINT32_MAX) PetscCall(MeritNodeError(tree, "at most %lld animals in all are possible", (long long)UINT32_MAX - 1));
  if (spec->animals < generations) PetscCall(MeritNodeError(tree, "population.animals: fewer animals than generations"));
  spec->generations = (int)generations;
  each              = spec->animals / generations;
  spec->males       = 0.5;
  spec->sires       = PetscMax(2, each / 100);
  PetscCall(MeritConfigReal(tree, "population.males", 0.0, 1.0, &spec->males));
  PetscCall(MeritConfigInt(tree, "population.sires", 1, each, &spec->sires));
  PetscCall(MeritConfigInt(tree, "population.dams", 1, each, &spec->dams));
  PetscCall(MeritConfigReal(tree, "population.unknown_sire", 0.0, 1.0, &spec->unknown_sire));
  PetscCall(MeritConfigReal(tree, "population.unknown_dam", 0.0, 1.0, &spec->unknown_dam));
  spec->herds = PetscMax(1, each / 100);
  /* defaults of the section herds */
  spec->years = 2;
  spec->moved = 0.05;
  PetscCall(MeritConfigInt(tree, "herds.number", 1, 100000000, &spec->herds));
  PetscCall(MeritConfigReal(tree, "herds.moved", 0.0, 1.0, &spec->moved));
  PetscCall(MeritConfigInt(tree, "herds.years", 1, 100, &spec->years));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* How sires are selected */
static PetscErrorCode ReadSelection(MeritNode tree, SimSpec *spec)
{
  static const char *const ways[] = {"random", "best"};
  int                      way    = 0;

  PetscFunctionBegin;
  spec->select_accuracy = 0.7;
  PetscCall(MeritConfigChoice(tree, "selection.sires", 2, ways, &way));
  PetscCall(MeritConfigReal(tree, "selection.accuracy", 0.001, 1.0, &spec->select_accuracy));
  PetscCall(MeritConfigChoice(tree, "selection.trait", spec->n_traits, (const char *const *)spec->trait, &spec->select_trait));
  spec->select_best = way == 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Which cows have how many records */
static PetscErrorCode ReadRecords(MeritNode tree, SimSpec *spec)
{
  PetscFunctionBegin;
  spec->per_cow  = 1;
  spec->survival = 1.0;
  spec->fraction = 1.0;
  spec->cows     = -1;
  PetscCall(MeritConfigInt(tree, "records.per_cow", 1, 100, &spec->per_cow));
  PetscCall(MeritConfigReal(tree, "records.survival", 0.0, 1.0, &spec->survival));
  PetscCall(MeritConfigReal(tree, "records.fraction", 0.0, 1.0, &spec->fraction));
  PetscCall(MeritConfigInt(tree, "records.cows", 0, spec->animals, &spec->cows));
  if (MeritNodeFind(tree, "records.cows") && MeritNodeFind(tree, "records.fraction"))
    PetscCall(MeritNodeError(MeritNodeFind(tree, "records.cows"), "give records.cows or records.fraction, not both"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of genotyped animals; a number below 1 is a fraction of all */
static PetscErrorCode ReadGenotyped(MeritNode tree, SimSpec *spec)
{
  MeritNode node  = MeritNodeFind(tree, "chip.genotyped");
  double    count = (double)spec->animals;

  PetscFunctionBegin;
  PetscCall(MeritConfigReal(tree, "chip.genotyped", 0.0, count, &count));
  /* 0.5 means half of all animals, 1 one animal */
  if (count < 1.0) count = floor(count * (double)spec->animals + 0.5);
  else if (count != floor(count)) PetscCall(MeritNodeError(node, "a number of animals, or a fraction below 1"));
  if (count < 1.0) PetscCall(MeritNodeError(node, "a chip needs at least one genotyped animal"));
  spec->genotyped = (int64_t)count;
  PetscCall(MeritConfigBool(tree, "chip.recorded", &spec->recorded));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The chip and its QTL; without a section `chip` there are no genotypes */
static PetscErrorCode ReadChip(MeritNode tree, SimSpec *spec)
{
  int64_t snps = 0, chromosomes = 30, qtl = 100, ancestors = 12;

  PetscFunctionBegin;
  spec->has_chip = MeritNodeFind(tree, "chip") != NULL;
  if (!spec->has_chip) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Need(tree, "chip.snps", "how many SNPs the chip has"));
  PetscCall(MeritConfigInt(tree, "chip.snps", 1, 100000000, &snps));
  PetscCall(MeritConfigInt(tree, "chip.chromosomes", 1, 1000, &chromosomes));
  if (chromosomes > snps) PetscCall(MeritNodeError(MeritNodeFind(tree, "chip.snps"), "fewer SNPs than chromosomes (%lld)", (long long)chromosomes));
  /* the default is 100 QTL, or all SNPs if there are fewer */
  qtl          = PetscMin(qtl, snps);
  spec->length = 1.0;
  PetscCall(MeritConfigReal(tree, "chip.length", 0.001, 100.0, &spec->length));
  PetscCall(MeritConfigReal(tree, "chip.missing", 0.0, 0.99, &spec->no_call));
  PetscCall(MeritConfigReal(tree, "chip.share", 0.0, 1.0, &spec->share));
  PetscCall(MeritConfigInt(tree, "chip.qtl", 1, snps, &qtl));
  if (spec->share > 0.0 && qtl < spec->n_traits)
    PetscCall(MeritNodeError(tree, "chip.qtl: at least as many QTL as traits are needed, %d", spec->n_traits));
  PetscCall(MeritConfigInt(tree, "chip.ancestors", 2, 255, &ancestors));
  spec->founder_age = 100.0;
  PetscCall(MeritConfigReal(tree, "chip.age", 0.0, 1e6, &spec->founder_age));
  spec->snps        = (int32_t)snps;
  spec->chromosomes = (int32_t)chromosomes;
  spec->n_qtl       = spec->share > 0.0 ? (int32_t)qtl : 0;
  spec->ancestors   = (int32_t)ancestors;
  PetscCall(ReadGenotyped(tree, spec));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimSpecRead - See the header. Not collective. */
PetscErrorCode SimSpecRead(MeritNode tree, SimSpec *spec)
{
  int64_t seed = 1;

  PetscFunctionBegin;
  spec->tree = tree;
  PetscCall(MeritConfigCheck(tree, (int)PETSC_STATIC_ARRAY_LENGTH(keys), keys));
  PetscCall(MeritConfigInt(tree, "seed", 0, INT64_MAX, &seed));
  spec->seed = (uint64_t)seed;
  PetscCall(Need(tree, "output", "the folder to write into"));
  PetscCall(MeritConfigPath(tree, "output", &spec->output));
  PetscCall(ReadTraits(tree, spec));
  PetscCall(ReadPopulation(tree, spec));
  PetscCall(ReadSelection(tree, spec));
  PetscCall(ReadRecords(tree, spec));
  PetscCall(ReadChip(tree, spec));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimSpecFree - See the header. Not collective. */
PetscErrorCode SimSpecFree(SimSpec *spec)
{
  PetscFunctionBegin;
  for (int t = 0; t < spec->n_traits; t++) PetscCall(PetscFree(spec->trait[t]));
  PetscCall(PetscFree(spec->trait));
  PetscCall(PetscFree(spec->output));
  PetscCall(PetscFree(spec->G));
  PetscCall(PetscFree(spec->R));
  PetscCall(PetscFree(spec->PE));
  PetscCall(PetscFree(spec->L_G));
  PetscCall(PetscFree(spec->L_R));
  PetscCall(PetscFree(spec->L_PE));
  PetscFunctionReturn(PETSC_SUCCESS);
}
