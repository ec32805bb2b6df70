/* Genotypes as text, an animal a line. */
#include "faults.h"
#include "good.h"

#define TEXT_JOB JOB_RECORDS "genotypes: {text: geno.txt}\nmodel: y ~ herd + snp(id)\nvariances: {snp(id): 1, residual: 40}\n" JOB_OUTPUT

static const FaultCase cases[] = {
    {"text genotypes that are not there", 3, "geno.txt: cannot be opened: No such file or directory", .in = {.text = FAULT_NO_FILE}},
    {"text genotypes without animals", 3, "geno.txt: holds no animal", .in = {.text = "\n\n"}},
    {"an id alone", 3, "geno.txt:1: no genotypes after \"a\"; a line is \"id 0 1 2 5 ...\" or \"id 0125...\"", .in = {.text = "a\nb 0 1\n"}},
    {"commas between genotypes", 3, "geno.txt:1: no genotypes after \"a,0,1,2\"; a line is \"id 0 1 2 5 ...\" or \"id 0125...\"",
     .in = {.text = "a,0,1,2\nb,0,1,2\n"}},
    {"a header line", 3,
     "geno.txt:1: id: \"SNP1\" for SNP 1 is not 0, 1, 2 or missing (5, NA, .); the first line must hold genotypes, a header is not expected",
     .in = {.text = "id SNP1 SNP2\na 0 1\nb 1 2\n"}},
    {"a header line of numbers", 3, "geno.txt:1: the id is \"ID\": is this a header line? The first line must hold genotypes",
     .in = {.text = "ID 1 2\na 0 1\nb 1 2\n"}},
    {"several faults of the text", 3, "geno.txt:2: b: \"7\" for SNP 2 is not 0, 1, 2 or missing (5, NA, .)",
     .in = {.text = "a 0 1 2\nb 1 7 1\nc 0 1\ne 0 2 2\n"}, .further = "geno.txt:3: c: 2 genotypes, but the first line has 3\n"},
    {"a line with a genotype less", 3, "geno.txt:3: c: 2 genotypes, but the first line has 3", .in = {.text = "a 0 1 2\nb 1 1 1\nc 0 1\ne 0 2 2\n"}},
    {"a line with a genotype more", 3, "geno.txt:2: b: 4 genotypes, but the first line has 3", .in = {.text = "a 012\nb 1112\nc 010\n"}},
    {"a line in the other form", 3, "geno.txt:2: b: 1 genotypes, but the first line has 3", .in = {.text = "a 0 1 2\nb 2\nc 0 1 0\n"}},
    {"a genotype that is none", 3, "geno.txt:4: e: \"3\" for SNP 2 is not 0, 1, 2 or missing (5, NA, .)",
     .in = {.text = "a 0 1 2\nb 1 1 1\nc 0 1 0\ne 0 3 2\n"}},
    {"a letter among joined genotypes", 3, "geno.txt:2: b: \"A\" for SNP 3 is not 0, 1, 2 or 5 (missing)", .in = {.text = "a 012\nb 11A\nc 010\n"}},
    {"a genotype dose with decimals", 3, "geno.txt:2: b: \"1.5\" for SNP 1 is not 0, 1, 2 or missing (5, NA, .)",
     .in = {.text = "a 0 1 2\nb 1.5 1 1\nc 0 1 0\n"}},
    {"a zero byte among genotypes", 3, "geno.txt:2: NUL byte: this is not a text file", .in = {FAULT_TEXT("a 0 1 2\nb 1 \0 1\nc 0 1 0\n")}},
    {"an id twice in text genotypes", 3, "geno.txt:4: a: this id is already on line 1", .in = {.text = "a 0 1 2\nb 1 1 1\nc 0 1 0\na 0 1 2\n"}},
    {"no SNP of the text varies", 3, "geno.txt: none of the 3 SNPs can be used: each is missing in all animals or has one allele only",
     .in = {.text = "a 0 5 2\nb 0 5 2\nc 0 5 5\n"}},
};

FAULT_SUITE(FaultsOfTextGenotypes, cases, .job = TEXT_JOB, .records = GOOD_RECORDS, .text = "a 0 1 2\nb 1 1 1\nc 0 1 0\ne 0 2 2\n");
