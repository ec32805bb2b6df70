/*
  Genotypes on the chip, chip.bed.

  SNPs are cut into ranges; each rank simulates the genes of one range at a time through all
  generations (gene dropping), for the genotyped animals and their ancestors only. Crossovers are
  keyed by animal and chromosome, so that every range sees the same ones (gametes.c). The rows of a
  range are a contiguous part of the SNP-major file.
*/
#include "sim.h"
#include <merit/log.h>
#include <math.h>

/* Animals of one generation whose genes are simulated: numbers ascending, two haplotypes each */
typedef struct {
  int64_t   n;
  uint32_t *number; /* owned */
  uint64_t *genes;  /* [n * 2 * words]; owned */
} Haplotypes;

/* Unit of work: SNPs [from, to) of one chromosome */
typedef struct {
  int32_t from, to;
} Range;

static PetscErrorCode FreeHaplotypes(Haplotypes *c)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(c->number));
  PetscCall(PetscFree(c->genes));
  c->n = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Animals of a generation that are genotyped or ancestors of genotyped ones */
static PetscErrorCode ListHaplotypes(MeritSimulation sim, int generation, int32_t words, Haplotypes *c)
{
  int64_t first = SimGenerationFirst(&sim->spec, generation), end = SimGenerationFirst(&sim->spec, generation + 1);

  PetscFunctionBegin;
  c->n = 0;
  for (int64_t i = first; i < end; i++) c->n += sim->book.animal[i].ancestor;
  PetscCall(PetscMalloc1(c->n, &c->number));
  PetscCall(PetscMalloc1((size_t)c->n * 2 * (size_t)words, &c->genes));
  c->n = 0;
  for (int64_t i = first; i < end; i++)
    if (sim->book.animal[i].ancestor) c->number[c->n++] = (uint32_t)i;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Haplotypes of an animal of the previous generation by bisection; NULL for an unknown parent */
static const uint64_t *GenesOf(const Haplotypes *c, uint32_t number, int32_t words)
{
  int64_t low = 0, high = c->n;

  if (number == SIM_UNKNOWN) return NULL;
  while (high - low > 1) {
    int64_t middle = (low + high) / 2;

    if (c->number[middle] <= number) low = middle;
    else high = middle;
  }
  return c->genes + (size_t)low * 2 * (size_t)words;
}

/* Haplotypes of all listed animals of a generation from those of the generation before */
static void Drop(MeritSimulation sim, const SimLoci *loci, const Haplotypes *from, Haplotypes *to)
{
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < to->n; i++) {
    const SimAnimal *a  = &sim->book.animal[to->number[i]];
    uint64_t        *at = to->genes + (size_t)i * 2 * (size_t)loci->words;

    SimHaplotype(&sim->genome, loci, to->number[i], 0, GenesOf(from, a->sire, loci->words), at);
    SimHaplotype(&sim->genome, loci, to->number[i], 1, GenesOf(from, a->dam, loci->words), at + loci->words);
  }
}

/* Enter the genotypes of a generation into the range's rows of the .bed: two bits an animal, four
   animals a byte */
static void Enter(MeritSimulation sim, const SimLoci *loci, const Haplotypes *c, int64_t row, int64_t stride, char *bed)
{
  static const unsigned char code[3] = {3, 2, 0}; /* code of PLINK 1 by copies of A1; 1 means missing */
  const int32_t              n       = loci->to - loci->from;

  /* Threads take words of 64 SNPs: each SNP has a row of its own, so no byte is written by two
     threads */
#pragma omp parallel for schedule(static)
  for (int32_t w = 0; w < loci->words; w++) {
    int64_t at = row;

    for (int64_t i = 0; i < c->n; i++) {
      const uint64_t *genes = c->genes + (size_t)i * 2 * (size_t)loci->words + w;

      /* ancestors without genotype are followed, but not written */
      if (!sim->book.animal[c->number[i]].genotyped) continue;
      for (int32_t b = 0; b < 64 && w * 64 + b < n; b++) {
        unsigned copies = (unsigned)((genes[0] >> b) & 1) + (unsigned)((genes[loci->words] >> b) & 1);
        char    *byte   = bed + (int64_t)(w * 64 + b) * stride + at / 4;

        *byte = (char)((unsigned char)*byte | (unsigned)code[copies] << 2 * (at % 4));
      }
      at++;
    }
  }
}

/* Set random genotypes to missing. The distance to the next one is geometric, so the work is
   proportional to their number. */
static void Fail(MeritSimulation sim, const SimLoci *loci, int64_t stride, char *bed)
{
  const double scale = log(1.0 - sim->spec.no_call);

  for (int32_t j = loci->from; j < loci->to && sim->spec.no_call > 0.0; j++) {
    MeritRandomKey key = SimKey(&sim->spec, SIM_FOR_NO_CALL, (uint64_t)j);
    double         row = -1.0;

    for (uint32_t draw = 0;; draw++) {
      char   *byte;
      int64_t at;

      /* geometric distance by inversion: floor(log u / log(1 - p)) genotypes are not missing */
      row += 1.0 + floor(log(MeritRandomUniform(&key, draw)) / scale);
      if (row >= (double)sim->made.n_genotyped) break;
      at    = (int64_t)row;
      byte  = bed + (int64_t)(j - loci->from) * stride + at / 4;
      *byte = (char)(((unsigned)(unsigned char)*byte & ~(3u << 2 * (at % 4))) | 1u << 2 * (at % 4));
    }
  }
}

/* Ancestral haplotypes of a range, one bit a SNP; owned by the caller */
static PetscErrorCode AncestralBits(const SimSpec *spec, const SimLoci *loci, uint64_t **bits)
{
  uint8_t allele[256];

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)spec->ancestors * (size_t)loci->words, bits));
  for (int32_t j = loci->from; j < loci->to; j++) {
    SimAncestralAlleles(spec, j, allele);
    for (int32_t k = 0; k < spec->ancestors; k++) /* bit j of haplotype k */
      (*bits)[k * loci->words + (j - loci->from) / 64] |= (uint64_t)allele[k] << ((j - loci->from) % 64);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Genotypes of one range: bed [(to - from) * stride], 0 at entry */
static PetscErrorCode DropRange(MeritSimulation sim, Range range, int64_t stride, char *bed)
{
  SimLoci    loci = {.from = range.from, .to = range.to, .words = (range.to - range.from + 63) / 64};
  Haplotypes from = {0}, here = {0};
  uint64_t  *bits;
  int64_t    row = 0;

  PetscFunctionBegin;
  PetscCall(AncestralBits(&sim->spec, &loci, &bits));
  loci.ancestral = bits;
  /* Two generations of haplotypes are in memory: parents and offspring */
  for (int g = 0; g < sim->spec.generations; g++) {
    PetscCall(ListHaplotypes(sim, g, loci.words, &here));
    Drop(sim, &loci, &from, &here);
    Enter(sim, &loci, &here, row, stride, bed);
    for (int64_t i = 0; i < here.n; i++) row += sim->book.animal[here.number[i]].genotyped;
    PetscCall(FreeHaplotypes(&from));
    from = here;
    here = (Haplotypes){0};
  }
  Fail(sim, &loci, stride, bed);
  PetscCall(FreeHaplotypes(&from));
  PetscCall(PetscFree(bits));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SNPs of a range: its rows of the .bed and two generations of haplotypes take about 64 MiB, and
   every rank gets a range */
static int32_t RangeLength(MeritSimulation sim, int64_t stride)
{
  /* bytes of a SNP: its row of the .bed, and bits of two haplotypes for two generations */
  int64_t widest = sim->spec.animals / sim->spec.generations + 1, per_snp = stride + widest / 2 + 1;
  int64_t length = PetscMin(((int64_t)64 << 20) / per_snp, sim->spec.snps / sim->size + 1);

  return (int32_t)PetscMin((int64_t)1 << 20, PetscMax(64, (length + 63) / 64 * 64));
}

/* Ranges over all chromosomes; none crosses a chromosome. *range [*n] is owned by the caller. */
static PetscErrorCode CutRanges(MeritSimulation sim, int64_t stride, int64_t *n, Range **range)
{
  const int32_t length = RangeLength(sim, stride);
  int64_t       room   = 0;

  PetscFunctionBegin;
  for (int32_t c = 0; c < sim->spec.chromosomes; c++) /* ranges of each chromosome, rounded up */
    room += (sim->genome.first[c + 1] - sim->genome.first[c] + length - 1) / length;
  PetscCall(PetscMalloc1(room, range));
  *n = 0;
  for (int32_t c = 0; c < sim->spec.chromosomes; c++)
    for (int32_t j = sim->genome.first[c]; j < sim->genome.first[c + 1]; j += length)
      (*range)[(*n)++] = (Range){j, PetscMin(j + length, sim->genome.first[c + 1])};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteChip - See the header. In each round every rank makes one range; ranges are appended in
   rank order. Collective. */
PetscErrorCode SimWriteChip(MeritSimulation sim)
{
  const int64_t stride = (sim->made.n_genotyped + 3) / 4;
  Range        *range;
  int64_t       n = 0;

  PetscFunctionBegin;
  if (!sim->spec.has_chip) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(CutRanges(sim, stride, &n, &range));
  for (int64_t round = 0; round * sim->size < n; round++) {
    int64_t mine  = round * sim->size + sim->rank;
    Range   work  = mine < n ? range[mine] : (Range){0, 0};
    int64_t bytes = (work.to - work.from) * stride;
    char   *bed;

    PetscCall(PetscCalloc1(bytes, &bed));
    if (bytes) PetscCall(DropRange(sim, work, stride, bed));
    PetscCall(MeritOutputWrite(sim->out, "chip.bed", round == 0 ? "\x6c\x1b\x01" : NULL, bed, bytes));
    PetscCall(PetscFree(bed));
    MeritLogProgress((double)PetscMin(n, (round + 1) * sim->size) / (double)n, "genotypes");
  }
  PetscCall(PetscFree(range));
  PetscFunctionReturn(PETSC_SUCCESS);
}
