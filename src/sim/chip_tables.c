/*
  Tables of the chip in PLINK format: SNPs (.bim) and genotyped animals (.fam), in the order of the
  .bed.

  Each rank writes a block of rows. Positions are written in centiMorgan and in base pairs, 1 cM
  being 1 Mb; the names of alleles are drawn for each SNP and have no meaning.
*/
#include "sim.h"
#include <math.h>

/* Position in centiMorgan and base pairs (1 cM = 1 Mb), random allele names; each rank writes a
   block of SNPs */
static PetscErrorCode WriteBim(MeritSimulation sim)
{
  static const char *const pairs[] = {"A\tG", "G\tA", "A\tC", "C\tA", "T\tC", "C\tT", "T\tG", "G\tT"};
  const SimSpec           *spec    = &sim->spec;
  const SimGenome         *g       = &sim->genome;
  MeritText                text    = {0};
  char                     snp[32];
  int32_t                  c = 0;

  PetscFunctionBegin;
  for (int64_t j = MeritBlockFirst(spec->snps, sim->size, sim->rank); j < MeritBlockFirst(spec->snps, sim->size, sim->rank + 1); j++) {
    MeritRandomKey key = SimKey(spec, SIM_FOR_SNP_POSITION, (uint64_t)j);

    /* chromosome of SNP j */
    while (g->first[c + 1] <= j) c++;
    SimSnpText(spec, (int32_t)j, snp);
    PetscCall(MeritTextAdd(&text, "%d\t%s\t%.6f\t%lld\t%s\n", (int)c + 1, snp, 100.0 * g->position[j], (long long)floor(1e8 * g->position[j]) + 1,
                           pairs[MeritRandomBelow(&key, 1, 8)]));
  }
  PetscCall(MeritOutputWrite(sim->out, "chip.bim", NULL, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Each rank writes the genotyped animals of its block */
static PetscErrorCode WriteFam(MeritSimulation sim)
{
  const SimSpec *spec  = &sim->spec;
  int64_t        begin = MeritBlockFirst(spec->animals, sim->size, sim->rank), end = MeritBlockFirst(spec->animals, sim->size, sim->rank + 1);
  MeritText      text = {0};
  char           id[32], sire[32], dam[32];

  PetscFunctionBegin;
  for (int64_t i = begin; i < end; i++) {
    const SimAnimal *a = &sim->book.animal[i];

    if (!a->genotyped) continue;
    SimIdText(spec, i, a->male, id);
    SimIdText(spec, a->sire, true, sire);
    SimIdText(spec, a->dam, false, dam);
    PetscCall(MeritTextAdd(&text, "0\t%s\t%s\t%s\t%d\t-9\n", id, sire, dam, a->male ? 1 : 2));
  }
  PetscCall(MeritOutputWrite(sim->out, "chip.fam", NULL, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteChipTables - See the header. Collective. */
PetscErrorCode SimWriteChipTables(MeritSimulation sim)
{
  PetscFunctionBegin;
  if (!sim->spec.has_chip) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(WriteBim(sim));
  PetscCall(WriteFam(sim));
  PetscFunctionReturn(PETSC_SUCCESS);
}
