/* PLINK files: 5 animals, 3 SNPs. */
#include "faults.h"
#include "good.h"

#define SNP_JOB(genotypes)                                                                                   \
  JOB_RECORDS "genotypes: " genotypes "\nmodel: y ~ herd + snp(id)\nvariances: {snp(id): 1, residual: 40}\n" JOB_OUTPUT
#define BIM "1 s1 0 100 A C\n1 s2 0.5 200 G T\n2 s3 0 100 A G\n"
#define FAM "f a 0 0 1 -9\nf b 0 0 2 -9\nf c 0 0 2 -9\nf e 0 0 1 -9\nf g 0 0 1 -9\n"
#define BED "\x6c\x1b\x01\x8c\x03\xb2\x00\x2f\x02"

static const FaultCase cases[] = {
    {"a .bim that is not there", 3, "chip.bim: cannot be opened: No such file or directory", .in = {.bim = FAULT_NO_FILE}},
    {"a .fam that is not there", 3, "chip.fam: cannot be opened: No such file or directory", .in = {.fam = FAULT_NO_FILE}},
    {"a .bed that is not there", 3, "chip.bed: cannot be opened: No such file or directory", .in = {.bed = FAULT_NO_FILE}},
    {"a .bed of another kind", 3, "chip.bed: is not a PLINK 1 .bed file: it begins with 50 4b 03 instead of 6c 1b 01", .in = {FAULT_BED("PK\3\4zipzip")}},
    {"a .bed that is nearly empty", 3, "chip.bed: is not a PLINK 1 .bed file: it has 2 bytes", .in = {FAULT_BED("\x6c\x1b")}},
    {"a .bed by individuals", 2,
     "chip.bed: is in individual-major mode, which is not supported; write it again in SNP-major mode (PLINK --make-bed)",
     .in = {FAULT_BED("\x6c\x1b\x00\x8c\x03\xb2\x00\x2f\x02")}},
    {"a truncated .bed", 3, "chip.bed: truncated: 8 bytes, but 3 SNPs of 5 animals (.bim, .fam) take 9", .in = {FAULT_BED("\x6c\x1b\x01\x8c\x03\xb2\x00\x2f")}},
    {"bytes behind the .bed", 3, "chip.bed: trailing bytes: 10 bytes, but 3 SNPs of 5 animals (.bim, .fam) take 9",
     .in = {FAULT_BED("\x6c\x1b\x01\x8c\x03\xb2\x00\x2f\x02\x00")}},
    {"a SNP too few in the .bim", 3, "chip.bed: trailing bytes: 9 bytes, but 2 SNPs of 5 animals (.bim, .fam) take 7",
     .in = {.bim = "1 s1 0 100 A C\n1 s2 0 200 G T\n"}},
    {"four animals too many in the .fam", 3, "chip.bed: truncated: 9 bytes, but 3 SNPs of 9 animals (.bim, .fam) take 12",
     .in = {.fam = FAM "f h 0 0 1 1\nf i 0 0 1 1\nf j 0 0 1 1\nf k 0 0 1 1\n"}},
    {"an empty .bim", 3, "chip.bim: holds no SNP", .in = {.bim = "\n"}},
    {"an empty .fam", 3, "chip.fam: holds no animal", .in = {.fam = "\n"}},
    {"a .bim line that is too short", 3, "chip.bim:2: fewer than six fields; a line is \"chromosome name centimorgan position A1 A2\"",
     .in = {.bim = "1 s1 0 100 A C\n1 s2 0 G T\n2 s3 0 100 A G\n"}},
    {"a .bim line that is too long", 3, "chip.bim:3: more than six fields; a line is \"chromosome name centimorgan position A1 A2\"",
     .in = {.bim = "1 s1 0 100 A C\n1 s2 0 1 G T\n2 s3 0 100 A G C\n"}},
    {"a .bim position that is no number", 3, "chip.bim:1: position \"x\" is not a whole number", .in = {.bim = "1 s1 0 x A C\n1 s2 0 1 G T\n2 s3 0 1 A G\n"}},
    {"a .bim position with decimals", 3, "chip.bim:2: position \"1.5\" is not a whole number", .in = {.bim = "1 s1 0 1 A C\n1 s2 0 1.5 G T\n2 s3 0 1 A G\n"}},
    {"a .bim position in hexadecimal", 3, "chip.bim:2: position \"0x10\" is not a whole number", .in = {.bim = "1 s1 0 1 A C\n1 s2 0 0x10 G T\n2 s3 0 1 A G\n"}},
    {"a .bim distance that is no number", 3, "chip.bim:3: centimorgan \"0,5\" is not a number", .in = {.bim = "1 s1 0 1 A C\n1 s2 0 1 G T\n2 s3 0,5 1 A G\n"}},
    {"a .fam line that is too short", 3, "chip.fam:2: fewer than six fields; a line is \"family id sire dam sex phenotype\"",
     .in = {.fam = "f a 0 0 1 -9\nb 0 0 2 -9\nf c 0 0 2 -9\nf e 0 0 1 -9\nf g 0 0 1 -9\n"}},
    {"a .fam line that is too long", 3, "chip.fam:5: more than six fields; a line is \"family id sire dam sex phenotype\"",
     .in = {.fam = "f a 0 0 1 -9\nf b 0 0 2 -9\nf c 0 0 2 -9\nf e 0 0 1 -9\nf g h 0 0 1 -9\n"}},
    {"an id twice in the .fam", 3, "chip.fam:5: b: this id is already on line 2; family ids are not used: each animal needs an id of its own (PLINK --update-ids)",
     .in = {.fam = "f a 0 0 1 -9\nf b 0 0 2 -9\nf c 0 0 2 -9\nf e 0 0 1 -9\nq b 0 0 1 -9\n"}},
    {"names above the .fam", 3, "chip.fam:1: the id is \"IID\": is this a header line? A .fam has none, but lines that begin with # are passed over",
     .in = {.fam = "FID IID PAT MAT SEX PHENO1\n" FAM}},
    {"other names above the .fam", 3,
     "chip.fam:1: sex \"SEX\" is not a number (1 male, 2 female, 0 unknown): is this a header line? A .fam has none, but lines that begin with "
     "# are passed over",
     .in = {.fam = "Family Animal Sire Dam SEX Y\n" FAM}},
    {"an animal too few in the .fam", 3,
     "chip.bed: there are genotypes of more animals than the 5 of the .fam: the .bed was not written with this .fam; use files that belong together",
     .in = {FAULT_BED("\x6c\x1b\x01\x8c\x07\xb2\x08\x2f\x02")}},
    {"names above the .bim", 3, "chip.bim:1: centimorgan \"CM\" is not a number", .in = {.bim = "CHR SNP CM POS A1 A2\n" BIM}},
    {"several faults of a .bim", 3, "chip.bim:1: centimorgan \"x\" is not a number", .in = {.bim = "1 s1 x 100 A C\n1 s2 0.5 G T\n2 s3 0 y A G\n"},
     .further = "chip.bim:2: fewer than six fields; a line is \"chromosome name centimorgan position A1 A2\"\n"
                "chip.bim:3: position \"y\" is not a whole number\n"},
    {"several ids twice in the .fam", 3,
     "chip.fam:2: a: this id is already on line 1; family ids are not used: each animal needs an id of its own (PLINK --update-ids)",
     .in = {.fam = "f a 0 0 1 -9\ng a 0 0 2 -9\nh a 0 0 2 -9\nf e 0 0 1 -9\nq e 0 0 1 -9\n"},
     .further = "chip.fam:3: a: this id is already on line 1; family ids are not used: each animal needs an id of its own (PLINK --update-ids)\n"
                "chip.fam:5: e: this id is already on line 4; family ids are not used: each animal needs an id of its own (PLINK --update-ids)\n"},
    {"all SNPs monomorphic", 3, "chip: none of the 3 SNPs can be used: each is missing in all animals or has one allele only",
     .in = {FAULT_BED("\x6c\x1b\x01\xff\x03\x00\x00\x55\x01")}},
    {"no genotyped animal has a record", 3, "records.csv: y: no record of this trait is left",
     .in = {.fam = "f A 0 0 1 -9\nf B 0 0 2 -9\nf C 0 0 2 -9\nf E 0 0 1 -9\nf G 0 0 1 -9\n"}},
    {"frequencies that are not there", 3, "freq.txt: cannot be opened: No such file or directory",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt}")}},
    {"a frequency line of one word", 3, "freq.txt:2: a line must be \"snp frequency\"",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt}"), .frequencies = "s1 0.5\ns2\ns3 0.1\n"}},
    {"a frequency above 1", 3, "freq.txt:3: frequency \"1.5\" is not a number from 0 to 1",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt}"), .frequencies = "s1 0.5\ns2 0.25\ns3 1.5\n"}},
    {"a SNP without a frequency", 3, "freq.txt: s3: this SNP of chip has no frequency here",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt}"), .frequencies = "s1 0.5\ns2 0.25\n"}},
    {"two frequencies of a SNP", 3, "freq.txt:4: s2: this SNP is on line 2 already",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt}"), .frequencies = "s1 0.5\ns2 0.25\ns3 0.1\ns2 0.2\n"}},
    {"a frequency of 0 cannot be standardised", 3, "freq.txt: s1: with frequency 0 this SNP cannot be standardised",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt, scale: standardised}"), .frequencies = "s1 0\ns2 0.25\ns3 0.1\n"}},
    {"a frequency that is none of a population", 3, "freq.txt: s1: with frequency 9.99989e-321 this SNP cannot be standardised",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt, scale: standardised}"), .frequencies = "s1 1e-320\ns2 0.25\ns3 0.1\n"}},
    {"frequencies of which none varies", 3, "freq.txt: the SNPs cannot be scaled: none varies at these frequencies",
     .in = {.job = SNP_JOB("{bfile: chip, centre: freq.txt, scale: vanraden}"), .frequencies = "s1 1e-320\ns2 1e-300\ns3 1\n"}},
    {"a scale that is unknown", 2, "job.yaml:2:33: genotypes.scale: 'vanradn' is not one of none, vanraden, standardised, count, trace; did you mean vanraden?",
     .in = {.job = SNP_JOB("{bfile: chip, scale: vanradn}")}},
    {"a grid that does not divide the ranks", 2, "job.yaml:2:32: 7 grid rows do not divide <ranks> ranks",
     .in = {.job = SNP_JOB("{bfile: chip, grid: 7}")}},
};

FAULT_SUITE(FaultsOfPlink, cases, .job = SNP_JOB("{bfile: chip}"), .records = GOOD_RECORDS, .bim = BIM, .fam = FAM, .bed = BED, .n_bed = 9);
