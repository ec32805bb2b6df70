/*
  Pedigree files under arbitrary bytes. The first byte chooses sexes, years and a header from the job file. What is loaded must be a
  pedigree: parents before offspring, inbreeding and Mendelian variances in their ranges.
*/
#include "fuzz.h"
#include <merit/pedigree.h>

static void CheckAnimals(MeritPedigree ped)
{
  const int64_t *sire, *dam, *n_offspring;
  const int32_t *generation;
  const double  *F, *d;
  int64_t        first, n, all, offspring = 0, parents = 0;

  FuzzDemand(!MeritPedigreeSize(ped, &all, NULL, NULL), "no size");
  FuzzDemand(!MeritPedigreeParents(ped, &first, &n, &sire, &dam) && n == all && n > 0, "no parents");
  FuzzDemand(!MeritPedigreeInbreeding(ped, &F, &d) && !MeritPedigreeOffspring(ped, &n_offspring) && !MeritPedigreeGeneration(ped, &generation),
             "no values");
  for (int64_t i = 0; i < n; i++) {
    const int64_t parent[2] = {sire[i], dam[i]};

    for (int role = 0; role < 2; role++)
      FuzzDemand(parent[role] < 0 || (parent[role] < n && generation[parent[role]] < generation[i]), "a parent that is not older");
    FuzzDemand(F[i] >= -1e-12 && F[i] < 1 && d[i] > 0 && d[i] <= 1 + 1e-12, "inbreeding or a Mendelian variance out of range");
    offspring += n_offspring[i];
    parents += (sire[i] >= 0) + (dam[i] >= 0 && dam[i] != sire[i]);
  }
  FuzzDemand(offspring == parents, "offspring that are not those of the parents");
}

void FuzzOne(const uint8_t *data, size_t n)
{
  static const char *const years[5] = {NULL, NULL, NULL, "born"}, *const names[3] = {"id", "sire", "dam"};
  MeritPedigree  ped;
  const uint8_t  choice = n ? *data : 0;
  PetscErrorCode code;

  if (!n) return;
  FuzzDemand(!MeritPedigreeCreate(PETSC_COMM_SELF, &ped), "create");
  FuzzDemand(!MeritPedigreeSetFile(ped, FuzzFile("pedigree.csv", (FuzzBytes){(const char *)data + 1, n - 1}), choice & 2 ? years : NULL,
                                   choice & 4 ? 3 : 0, names),
             "set");
  FuzzDemand(!MeritPedigreeSetFreeSexes(ped, choice & 1), "set");
  code = MeritPedigreeLoad(ped);
  if (!code) code = MeritPedigreeSetUp(ped);
  if (FuzzCheck(code)) CheckAnimals(ped);
  FuzzDemand(!MeritPedigreeDestroy(&ped), "free");
}

static const FuzzBytes seeds[] = {
    FUZZ_SEED("0id,sire,dam\ns,0,0\nd,.,NA\na,s,d\nb,s,d\nc,a,b\n"),
    FUZZ_SEED("1id;sire;dam\na;;\nb;a;a\nc;b;b\nd;c;a\ne;d;d\n"),
    FUZZ_SEED("2id,sire,dam,born\ns,0,0,2001\na,s,0,2003.5\nb,s,a,NA\n"),
    FUZZ_SEED("4a 0 0\nb a 0\nc a b\n\nd c b\nd c b\n"),
    FUZZ_SEED("0\"id\"\tdam\tsire\n\"x \"\"y\"\"\"\t0\t0\nz\t\"x \"\"y\"\"\"\t0\n"),
    FUZZ_SEED("0id,sire,dam\na,b,0\nb,a,0\n"),
    FUZZ_SEED("0id,sire,dam\na,-1,0\n"),
    FUZZ_SEED("\0\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x4c\xd1\x29\xce\x2c\x4a\xd5\x49\x49\xcc\xe5\x02\0"),
};

FUZZ_TARGET(seeds, 2000);
