/*
  Pedigree and true values of the simulated animals.

  Each rank writes its block of the generation; MeritOutput appends the blocks in rank order, so
  rows are in the order of the animals' numbers. Ids of parents are made from their numbers in the
  herd book.
*/
#include "sim.h"
#include <stdio.h>

/* SimWritePedigree - See the header. Collective. */
PetscErrorCode SimWritePedigree(MeritSimulation sim, const SimGeneration *g)
{
  const SimSpec *spec = &sim->spec;
  MeritText      text = {0};
  char           id[32], sire[32], dam[32];

  PetscFunctionBegin;
  /* sires are males and dams females, so the sex in the ids of parents is known; unknown parents
     (SIM_UNKNOWN) are written as 0 */
  for (int32_t i = 0; i < g->n_local; i++) {
    const SimAnimal *a = &sim->book.animal[g->start + i];

    SimIdText(spec, g->start + i, a->male, id);
    SimIdText(spec, a->sire, true, sire);
    SimIdText(spec, a->dam, false, dam);
    PetscCall(MeritTextAdd(&text, "%s,%s,%s,%d\n", id, sire, dam, SimBirthYear(spec, g->start + i)));
  }
  PetscCall(MeritOutputWrite(sim->out, "pedigree.csv", g->first == 0 ? "id,sire,dam,birth_year\n" : NULL, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns of truth.tsv */
static PetscErrorCode TruthHeader(const SimSpec *spec, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "id\tgeneration\tinbreeding"));
  for (int t = 0; t < spec->n_traits; t++) PetscCall(MeritTextAdd(text, "\t%s.tbv", spec->trait[t]));
  for (int t = 0; spec->n_qtl && t < spec->n_traits; t++) PetscCall(MeritTextAdd(text, "\t%s.qtl", spec->trait[t]));
  PetscCall(MeritTextAdd(text, "\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteTruth - See the header. Collective. */
PetscErrorCode SimWriteTruth(MeritSimulation sim, const SimGeneration *g)
{
  const SimSpec *spec = &sim->spec;
  const size_t   n    = (size_t)spec->n_traits;
  MeritText      text = {0}, header = {0};
  char           id[32];

  PetscFunctionBegin;
  if (g->first == 0) PetscCall(TruthHeader(spec, &header));
  for (int32_t i = 0; i < g->n_local; i++) {
    const SimAnimal *a = &sim->book.animal[g->start + i];
    const double    *v = g->value + (size_t)i * n, *u = g->polygenic + (size_t)i * n;

    SimIdText(spec, g->start + i, a->male, id);
    PetscCall(MeritTextAdd(&text, "%s\t%d\t%.6g", id, (int)MeritBlockOwner(spec->animals, spec->generations, g->first), (double)a->F));
    for (size_t t = 0; t < n; t++) {
      PetscCall(MeritTextAdd(&text, "\t"));
      PetscCall(MeritTextAddReal(&text, v[t]));
    }
    for (size_t t = 0; spec->n_qtl && t < n; t++) {
      PetscCall(MeritTextAdd(&text, "\t"));
      PetscCall(MeritTextAddReal(&text, v[t] - u[t]));
    }
    PetscCall(MeritTextAdd(&text, "\n"));
  }
  PetscCall(MeritOutputWrite(sim->out, "truth.tsv", header.at, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  MeritTextFree(&header);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteQtl - See the header. Collective. */
PetscErrorCode SimWriteQtl(MeritSimulation sim)
{
  const SimSpec   *spec = &sim->spec;
  const SimGenome *g    = &sim->genome;
  MeritText        text = {0};
  char             snp[32];

  PetscFunctionBegin;
  if (!g->n_qtl) PetscFunctionReturn(PETSC_SUCCESS);
  for (int32_t q = 0; sim->rank == 0 && q < g->n_qtl; q++)
    for (int t = 0; t < spec->n_traits; t++) {
      SimSnpText(spec, g->qtl[q], snp);
      PetscCall(MeritTextAdd(&text, "%s\t%s\t%.6g\t", snp, spec->trait[t], g->frequency[q]));
      PetscCall(MeritTextAddReal(&text, g->effect[q * spec->n_traits + t]));
      PetscCall(MeritTextAdd(&text, "\n"));
    }
  PetscCall(MeritOutputWrite(sim->out, "truth_qtl.tsv", "snp\ttrait\tbase_frequency\teffect\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}
