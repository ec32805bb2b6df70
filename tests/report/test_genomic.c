/* Tables with genotypes: allele effects on the scale of one copy, SNPs not used, animals with and without
   pedigree. */
#include "report_case.h"
#include <math.h>

static const char *const records  = "id,milk\nx,10\nc,11\na,12\nx,13\n";
static const char *const pedigree = "id,sire,dam\nc,a,b\na,0,0\n";
/* the second SNP does not vary; the others have frequencies 1/2 and 3/4: sum of 2pq = 7/8 */
static const char *const genotypes = "a 0 0 2\nx 1 0 1\nc 2 0 5\n";
static const char *const job       = "records: {file: records.csv}\n"
                                     "pedigree: {file: pedigree.csv}\n"
                                     "genotypes: {text: genotypes.txt, scale: vanraden}\n"
                                     "model: \"milk ~ snp(id)\"\n"
                                     "variances:\n"
                                     "  snp(id): 2\n"
                                     "  residual: 4\n"
                                     "output: out\n";

static void Files(void)
{
  FolderMake();
  FileMake("records.csv", records);
  FileMake("pedigree.csv", pedigree);
  FileMake("genotypes.txt", genotypes);
}

/* x of SNP column j is (j + 1) sqrt(7/8), so that the effect of a copy is j + 1 */
static void Effects(Case *c)
{
  const MeritTermView *views;

  MeritModelTerms(c->model, &views);
  for (int32_t i = 0; i < views[1].n_owned; i++) c->x[views[1].eq_owned + i] = (double)(views[1].canonical[i] + 1) * sqrt(7. / 8);
}

static void TestEffectsAreThoseOfOneCopyOfTheCountedAllele(void **state)
{
  char *text;
  Case  c;

  (void)state;
  Files();
  Begin(&c, job);
  Effects(&c);
  TestCall(MeritReportSolutions(c.report, c.out, c.x));
  TestCall(MeritReportSnps(c.report, c.out, c.x));
  End(&c);
  text = FileText("out/solutions.tsv");
  assert_non_null(text);
  assert_non_null(strstr(text, "\nmilk\tsnp(id)\t1\tSNP1\t4\t1\tNA\tok\nmilk\tsnp(id)\t1\tSNP3\t4\t2\tNA\tok\n"));
  free(text);
  AssertFile("out/snps.tsv", "snp\tchromosome\tposition\tcounted\tother\tfrequency\tn_missing\tused\tcentre\tmean\t"
                             "milk.snp(id).effect\n"
                             "SNP1\t0\t0\t.\t.\t0.5\t0\t1\t1\t1\t1\n"
                             "SNP2\t0\t0\t.\t.\t0\t0\t0\tNA\tNA\tNA\n"
                             "SNP3\t0\t0\t.\t.\t0.75\t1\t1\t1.5\t1.5\t2\n");
  FolderRemove();
}

static void TestGenotypedAnimalsWithoutPedigreeComeLast(void **state)
{
  int64_t       row_first, n_rows;
  const double *genomic[2] = {NULL, NULL};
  double       *g;
  Case          c;

  (void)state;
  Files();
  Begin(&c, job);
  row_first = MeritGenotypesTile(MeritModelGenotypes(c.model))->row_first;
  n_rows    = MeritGenotypesTile(MeritModelGenotypes(c.model))->n_rows;
  g         = calloc((size_t)n_rows + 1, sizeof(*g));
  for (int64_t i = 0; i < n_rows; i++) g[i] = 100. + (double)(row_first + i);
  genomic[1] = g;
  TestCall(MeritReportAnimals(c.report, c.out, c.x, genomic));
  free(g);
  End(&c);
  AssertFile("out/animals.tsv", "id\tinbreeding\tn_records\tn_offspring\tmilk.snp(id).ebv\tmilk.snp(id).reliability\n"
                                "c\t0\t1\t0\t102\tNA\n"
                                "a\t0\t1\t1\t100\tNA\n"
                                "b\t0\t0\t1\tNA\tNA\n"
                                "x\tNA\t2\tNA\t101\tNA\n");
  FolderRemove();
}

/* The first genetic term counts the records; a sum is NA where one of its parts is */
static void TestTermsAreSummedWhereAllPartsAreKnown(void **state)
{
  static const char *const both       = "records: {file: records.csv}\n"
                                        "pedigree: {file: pedigree.csv}\n"
                                        "genotypes: {text: genotypes.txt}\n"
                                        "model: \"milk ~ ped(id) + snp(id)\"\n"
                                        "variances: {ped(id): 1, snp(id): 2, residual: 4}\n"
                                        "output: {folder: out}\n"
                                        "ebv: {sum: snp(id) + ped(id)}\n";
  const double            *genomic[3] = {NULL, NULL, NULL};
  int64_t                  n_rows;
  double                  *g;
  Case                     c;

  (void)state;
  Files();
  FileMake("pedigree.csv", "id,sire,dam\nc,a,b\na,0,0\nx,0,0\n");
  Begin(&c, both);
  n_rows = MeritGenotypesTile(MeritModelGenotypes(c.model))->n_rows;
  g      = calloc((size_t)n_rows + 1, sizeof(*g));
  for (int64_t i = 0; i < n_rows; i++) g[i] = 8;
  genomic[2] = g;
  TestCall(MeritReportAnimals(c.report, c.out, c.x, genomic));
  free(g);
  End(&c);
  AssertFile("out/animals.tsv", "id\tinbreeding\tn_records\tn_offspring\tmilk.ped(id).ebv\tmilk.ped(id).reliability\t"
                                "milk.snp(id).ebv\tmilk.snp(id).reliability\tmilk.sum.ebv\tmilk.sum.reliability\n"
                                "c\t0\t1\t0\t0\tNA\t8\tNA\t8\tNA\n"
                                "a\t0\t1\t1\t0\tNA\t8\tNA\t8\tNA\n"
                                "x\t0\t2\t0\t0\tNA\t8\tNA\t8\tNA\n"
                                "b\t0\t0\t1\t0\tNA\tNA\tNA\tNA\tNA\n");
  FolderRemove();
}

static void TestEffectsComeBackAsAStart(void **state)
{
  const MeritTermView *views;
  Case                 c, again;
  char                 path[128];
  int64_t              found;

  (void)state;
  Files();
  Begin(&c, job);
  Effects(&c);
  TestCall(MeritReportSolutions(c.report, c.out, c.x));
  End(&c);
  Begin(&again, job);
  snprintf(path, sizeof(path), "%s/out/solutions.tsv", test_folder);
  TestCall(MeritReportStart(again.report, path, again.x, &found));
  assert_int_equal(found, 3);
  MeritModelTerms(again.model, &views);
  for (int32_t i = 0; i < views[1].n_owned; i++)
    assert_true(fabs(again.x[views[1].eq_owned + i] / sqrt(7. / 8) - (double)(views[1].canonical[i] + 1)) < 1e-11);
  End(&again);
  FolderRemove();
}

static void TestExclusionsStandByKindLineAndId(void **state)
{
  const MeritExclusionCount *counts;
  Case                       c;
  int                        n;

  (void)state;
  Files();
  FileMake("records.csv", "id,milk\nw,8\nx,10\nc,11\nu,9\na,12\nx,13\n");
  Begin(&c, job);
  TestCall(MeritReportExcluded(c.report, c.out));
  TestCall(MeritReportExclusionCounts(c.report, &n, &counts));
  assert_int_equal(n, 2);
  assert_string_equal(counts[0].kind, "record");
  assert_string_equal(counts[0].reason, "milk: the animal has no genotype");
  assert_int_equal(counts[0].n, 2);
  assert_string_equal(counts[1].kind, "snp");
  assert_int_equal(counts[1].n, 1);
  End(&c);
  AssertFile("out/excluded.tsv", "kind\tline\tid\treason\n"
                                 "record\t2\tw\tmilk: the animal has no genotype\n"
                                 "record\t5\tu\tmilk: the animal has no genotype\n"
                                 "snp\tNA\tSNP2\tmonomorphic\n");
  FolderRemove();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestExclusionsStandByKindLineAndId),
    cmocka_unit_test(TestEffectsAreThoseOfOneCopyOfTheCountedAllele),
    cmocka_unit_test(TestGenotypedAnimalsWithoutPedigreeComeLast),
    cmocka_unit_test(TestTermsAreSummedWhereAllPartsAreKnown),
    cmocka_unit_test(TestEffectsComeBackAsAStart),
};

TEST_MAIN(tests)
