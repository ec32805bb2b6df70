#include "genotypes_case.h"
#include <merit/log.h>

static Case small;

/* a good set of PLINK files to spoil; 6 animals, 3 SNPs */
static const char *Good(void)
{
  small = MakeCase(6, 3, 0, MERIT_SCALE_NONE, true);
  return WritePlink(&small);
}

static void PlinkRaises(MeritErrorKind kind, const char *prefix, const char *words)
{
  MeritGenotypes geno;

  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.bfile", prefix));
  TestRaises(kind, words, MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesDestroy(&geno));
  FreeCase(&small);
}

static void TextRaises(const char *text, const char *words)
{
  MeritGenotypes geno;

  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.text", WriteFile("g.txt", text, -1)));
  TestRaises(MERIT_ERROR_INPUT, words, MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesDestroy(&geno));
}

static void BedRaises(MeritErrorKind kind, const char *bytes, long n, const char *words)
{
  const char *prefix = Good();

  WriteFile("g.bed", bytes, n);
  PlinkRaises(kind, prefix, words);
}

static void TestBedFilesThatDoNotFitAreRefused(void **state)
{
  (void)state;
  BedRaises(MERIT_ERROR_INPUT,
            "\x6c\x1b\x01"
            "abcde",
            8, "g.bed: truncated: 8 bytes, but 3 SNPs of 6 animals (.bim, .fam) take 9");
  BedRaises(MERIT_ERROR_INPUT,
            "\x6c\x1b\x01"
            "abcdefg",
            10, "g.bed: trailing bytes: 10 bytes, but 3 SNPs of 6 animals");
  BedRaises(MERIT_ERROR_INPUT,
            "\x6c\x1c\x01"
            "abcdef",
            9, "g.bed: is not a PLINK 1 .bed file: it begins with 6c 1c 01");
  BedRaises(MERIT_ERROR_INPUT,
            "\x6c\x1b\x02"
            "abcdef",
            9, "begins with 6c 1b 02");
  BedRaises(MERIT_ERROR_INPUT, "", 0, "it has 0 bytes");
  BedRaises(MERIT_ERROR_USAGE,
            "\x6c\x1b\x00"
            "abcdef",
            9, "g.bed: is in individual-major mode");
}

static void TableRaises(const char *name, const char *text, const char *words)
{
  const char *prefix = Good();

  WriteFile(name, text, -1);
  PlinkRaises(MERIT_ERROR_INPUT, prefix, words);
}

static void TestMalformedTablesAreNamedByLine(void **state)
{
  (void)state;
  TableRaises("g.bim", "", "g.bim: holds no SNP");
  TableRaises("g.bim", "1 r1 0 1 A C\n1 r2 0 2 A\n1 r3 0 3 A C\n", "g.bim:2: fewer than six fields");
  TableRaises("g.bim", "1 r1 0 1 A C\n\n1 r2 0 2 A C x\n1 r3 0 3 A C\n", "g.bim:3: more than six fields");
  TableRaises("g.bim", "1 r1 0 1 A C\n1 r2 0 two A C\n1 r3 0 3 A C\n", "g.bim:2: position \"two\" is not a whole number");
  TableRaises("g.bim", "1 r1 0 1 A C\n1 r2 0,5 2 A C\n1 r3 0 3 A C\n", "g.bim:2: centimorgan \"0,5\" is not a number");
  TableRaises("g.bim", "1 r1 0 1 A C\n1 r2 0 2 A C\n", "g.bed: trailing bytes");
  TableRaises("g.fam", "", "g.fam: holds no animal");
  TableRaises("g.fam", "f a 0 0 0 -9\nf b 0 0 0 -9\nf c 0 0 0\nf d 0 0 0 -9\n", "g.fam:3: fewer than six fields");
  TableRaises("g.fam", "f a 0 0 0 1\nf b 0 0 0 1\nf c 0 0 0 1\nf d 0 0 0 1\nf b 0 0 0 1\nf e 0 0 0 1\n", "g.fam:5: b: this id is already on line 2");
  TableRaises("g.fam", "f a 0 0 0 1\nf b 0 0 0 1\nf c 0 0 0 1\nf c 0 0 0 1\nf b 0 0 0 1\nf a 0 0 0 1\n", "g.fam:4: c: this id is already on line 3");
}

static void TestAMissingFileIsNamed(void **state)
{
  char prefix[100];

  (void)state;
  sprintf(prefix, "%s/none", folder);
  small = MakeCase(6, 3, 0, MERIT_SCALE_NONE, true);
  PlinkRaises(MERIT_ERROR_INPUT, prefix, "none.bim: cannot be opened");
}

static void TestMalformedTextIsNamedByLineAndId(void **state)
{
  (void)state;
  TextRaises("", "g.txt: holds no animal");
  TextRaises("a 0 1 2\nb 0 1\nc 0 0 0\n", "g.txt:2: b: 2 genotypes, but the first line has 3");
  TextRaises("a 0 1 2\nb 0 1 2\nc 0 0 0 1\n", "g.txt:3: c: 4 genotypes, but the first line has 3");
  TextRaises("a 0 1 2\nb 0 3 2\nc 0 0 0\n", "g.txt:2: b: \"3\" for SNP 2 is not 0, 1, 2 or missing (5, NA, .)");
  TextRaises("a 0 1 2\n\nb 0 1 2\nc 0 0 -9\n", "g.txt:4: c: \"-9\" for SNP 3 is not 0, 1, 2");
  TextRaises("a 012\nb 01\nc 000\n", "g.txt:2: b: 2 genotypes, but the first line has 3");
  TextRaises("a 012\nb 0122\nc 000\n", "g.txt:2: b: 4 genotypes, but the first line has 3");
  TextRaises("a 012\nb 0.2\nc 000\n", "g.txt:2: b: \".\" for SNP 2 is not 0, 1, 2 or 5 (missing)");
  TextRaises("a 012\nb 0 2\nc 000\n", "g.txt:2: b: \" \" for SNP 2 is not 0, 1, 2 or 5 (missing)");
  TextRaises("a 0 1\nb\nc 0 0\n", "g.txt:2: b: 0 genotypes, but the first line has 2");
  TextRaises("a 0 1 2\nb 2 1 0\nc 1 1 1\nb 0 0 0\n", "g.txt:4: b: this id is already on line 2");
}

static void TestAFirstLineWithoutGenotypesIsRefused(void **state)
{
  (void)state;
  TextRaises("id s1 s2\na 0 1\nb 1 2\n", "g.txt:1: id: \"s1\" for SNP 1 is not 0, 1, 2 or missing (5, NA, .); the first line must hold");
  TextRaises("id genotypes\na 01\nb 12\n", "g.txt:1: id: \"g\" for SNP 1 is not 0, 1, 2 or 5 (missing); the first line must hold");
  TextRaises("a,0,1\nb,1,2\n", "g.txt:1: no genotypes after \"a,0,1\"");
}

static void TestGenotypesWithoutVariationAreRefused(void **state)
{
  (void)state;
  TextRaises("a 0 5 2\nb 0 5 2\n", "g.txt: none of the 3 SNPs can be used");
}

/* loading warns of this, once; NULL: of nothing */
static void PlinkWarns(const char *prefix, const char *words)
{
  MeritGenotypes     geno;
  const char *const *texts;
  int                n;

  MeritLogReset();
  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.bfile", prefix));
  TestCall(MeritGenotypesSetGrid(geno, size % 2 ? size : size / 2));
  TestCall(MeritGenotypesLoad(geno));
  n = MeritLogWarnings(&texts);
  if (!rank) assert_int_equal(n, words != NULL);
  if (!rank && words && !strstr(texts[0], words)) fail_msg("%s", texts[0]);
  TestCall(MeritGenotypesDestroy(&geno));
}

/* n animals, 40 SNPs, the codes of the last `padding` animals 0 as padding is; `missing`: an animal without a genotype */
static Case Large(int n, int padding, int missing)
{
  Case c = MakeCase(n, 40, 0, MERIT_SCALE_NONE, true);

  for (int j = 0; j < c.m; j++) {
    for (int i = n - padding; i < n; i++) c.copies[i * c.m + j] = 2;
    if (missing >= 0) c.copies[missing * c.m + j] = -1;
  }
  return c;
}

static void TestCommentLinesOfTablesArePassedOver(void **state)
{
  const char *prefix = Good();

  (void)state;
  WriteFile("g.fam", "#FID IID PAT MAT SEX PHENO1\nf a 0 0 0 1\nf b 0 0 NA 1\n# c\nf c 0 0 . 1\nf d 0 0 1 1\nf e 0 0 2 1\nf g 0 0 1 1\n", -1);
  WriteFile("g.bim", "#CHROM ID CM POS A1 A2\n1 r1 0 1 A C\n1 r2 0 2 A C\n1 r3 0 3 A C\n", -1);
  PlinkWarns(prefix, NULL);
  FreeCase(&small);
}

static void TestAnAnimalTooFewInTheFamIsRefused(void **state)
{
  const char *prefix;

  (void)state;
  small  = Large(7, 0, -1);
  prefix = WritePlink(&small);
  small.n--; /* the .fam without the last */
  WriteTables(&small);
  PlinkRaises(MERIT_ERROR_INPUT, prefix, "g.bed: there are genotypes of more animals than the 6 of the .fam");
}

static void TestAnAnimalTooManyInTheFamIsTold(void **state)
{
  (void)state;
  small = Large(7, 2, -1);
  PlinkWarns(WritePlink(&small), "g.bed: the last 2 of the 7 animals (from a5 on) have two counted alleles in every SNP");
  FreeCase(&small);
  small = Large(9, 1, -1); /* the first animal of a byte cannot be padding */
  PlinkWarns(WritePlink(&small), NULL);
  FreeCase(&small);
}

static void TestPaddingThatIsAlikeInAllSnpsIsTold(void **state)
{
  (void)state;
  small        = Large(7, 0, -1);
  padding_bits = 1;
  PlinkWarns(WritePlink(&small), "g.bed: the bits after the last of the 7 animals are not 0");
  padding_bits = 0;
  FreeCase(&small);
}

static void TestAnimalsWithoutGenotypesAreTold(void **state)
{
  (void)state;
  small = Large(600, 0, 523);
  PlinkWarns(WritePlink(&small), "g: 1 of 600 animals have no called genotype (first: a523)");
  FreeCase(&small);
}

static void TestSexChromosomesAreTold(void **state)
{
  const char *prefix = Good();

  (void)state;
  WriteFile("g.bim", "chrX r1 0 1 A C\n1 r2 0 2 A C\nchrM r3 0 3 A C\n", -1);
  PlinkWarns(prefix, "SNPs on chromosome X, Y, XY or MT (chrX, chrM...) are treated");
  FreeCase(&small);
}

static void TestSnpsOfOneNameAreTold(void **state)
{
  const char *prefix = Good();

  (void)state;
  WriteFile("g.bim", "1 r1 0 1 A C\n1 r2 0 2 A C\n1 r1 0 3 A C\n", -1);
  PlinkWarns(prefix, "g.bim: 1 SNPs have the name of an earlier one (first: r1)");
  FreeCase(&small);
}

static void TestAGridThatDoesNotDivideTheRanksIsRefused(void **state)
{
  MeritGenotypes geno;

  (void)state;
  TestCall(MeritGenotypesCreate(PETSC_COMM_WORLD, &geno));
  TestCall(MeritGenotypesSetFile(geno, "genotypes.text", WriteFile("g.txt", "a 0 1\nb 1 2\n", -1)));
  TestCall(MeritGenotypesSetGrid(geno, size + 1));
  TestRaises(MERIT_ERROR_USAGE, "do not divide", MeritGenotypesLoad(geno));
  TestCall(MeritGenotypesDestroy(&geno));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestBedFilesThatDoNotFitAreRefused),
    cmocka_unit_test(TestMalformedTablesAreNamedByLine),
    cmocka_unit_test(TestAMissingFileIsNamed),
    cmocka_unit_test(TestMalformedTextIsNamedByLineAndId),
    cmocka_unit_test(TestAFirstLineWithoutGenotypesIsRefused),
    cmocka_unit_test(TestGenotypesWithoutVariationAreRefused),
    cmocka_unit_test(TestCommentLinesOfTablesArePassedOver),
    cmocka_unit_test(TestAnAnimalTooFewInTheFamIsRefused),
    cmocka_unit_test(TestAnAnimalTooManyInTheFamIsTold),
    cmocka_unit_test(TestPaddingThatIsAlikeInAllSnpsIsTold),
    cmocka_unit_test(TestAnimalsWithoutGenotypesAreTold),
    cmocka_unit_test(TestSexChromosomesAreTold),
    cmocka_unit_test(TestSnpsOfOneNameAreTold),
    cmocka_unit_test(TestAGridThatDoesNotDivideTheRanksIsRefused),
};

GENOTYPES_MAIN(tests)
