/* Pedigrees. */
#include "faults.h"
#include "good.h"

#define FREE  WITH_PEDIGREE("{file: pedigree.csv, sexes: free}")
#define YEARS WITH_PEDIGREE("{file: pedigree.csv, columns: {year: born}}")

/* g27 is selfed 27 times over: the inbreeding of its parent leaves a Mendelian variance below 1e-8 */
#define SELFED                                                                                                                                       \
  "id,sire,dam\na,0,0\nb,0,0\nc,0,0\ne,0,0\n"                                                                                                        \
  "g1,g0,g0\ng2,g1,g1\ng3,g2,g2\ng4,g3,g3\ng5,g4,g4\ng6,g5,g5\ng7,g6,g6\ng8,g7,g7\ng9,g8,g8\ng10,g9,g9\n"                                            \
  "g11,g10,g10\ng12,g11,g11\ng13,g12,g12\ng14,g13,g13\ng15,g14,g14\ng16,g15,g15\ng17,g16,g16\ng18,g17,g17\n"                                         \
  "g19,g18,g18\ng20,g19,g19\ng21,g20,g20\ng22,g21,g21\ng23,g22,g22\ng24,g23,g23\ng25,g24,g24\ng26,g25,g25\n"                                         \
  "g27,g26,g26\ng28,g27,g27\n"

static const FaultCase cases[] = {
    {"a pedigree that is not there", 3, "pedigree.csv: cannot be opened: No such file or directory", .in = {.pedigree = FAULT_NO_FILE}},
    {"an empty pedigree", 3, "pedigree.csv: the file is empty", .in = {.pedigree = "\n"}},
    {"a pedigree without animals", 3, "pedigree.csv: the pedigree has no animals", .in = {.pedigree = "id,sire,dam\n"}},
    {"a pedigree without a header line", 3,
     "pedigree.csv:1: '0' looks like data, not like the name of a column; for a file without a header line give pedigree.header, such as "
     "[id, sire, dam]",
     .in = {.pedigree = "a,0,c\nb,a,c\n"}},
    {"no column for the dam", 2, "pedigree.csv:1: the pedigree has no column for the dam; name one with pedigree.columns",
     .in = {.pedigree = "id,sire\na,0\n"}},
    {"a column that is named but not there", 2, "pedigree.csv:1: the pedigree has no column 'father' for the sire (pedigree.columns.sire)",
     .in = {.job = WITH_PEDIGREE("{file: pedigree.csv, columns: {sire: father}}")}},
    {"a column in two roles", 2, "pedigree.csv:1: column 'sire' cannot be both the sire and the dam",
     .in = {.job = WITH_PEDIGREE("{file: pedigree.csv, columns: {dam: sire}}")}},
    {"an empty id", 3, "pedigree.csv:4: the id is empty or a word for an unknown parent; every line of a pedigree needs an id",
     .in = {.pedigree = "id,sire,dam\ns,0,0\nd,0,0\n,s,d\n"}},
    {"an id that is an unknown parent", 3, "pedigree.csv:3: the id is empty or a word for an unknown parent; every line of a pedigree needs an id",
     .in = {.pedigree = "id,sire,dam\ns,0,0\n0,s,0\n"}},
    {"conflicting duplicates", 3, "pedigree.csv:5: a: the animal's parents are not those of line 4; correct or remove one of the lines",
     .in = {.pedigree = "id,sire,dam\ns,0,0\nd,0,0\na,s,d\na,s,0\n"}},
    {"an own sire", 3, "pedigree.csv:3: a: the animal is its own sire", .in = {.pedigree = "id,sire,dam\ns,0,0\na,a,d\n"}},
    {"an own dam", 3, "pedigree.csv:2: a: the animal is its own dam", .in = {.pedigree = "id,sire,dam\na,s,a\n"}},
    {"a loop of two", 3, "pedigree.csv:2: a: the animal is its own ancestor: a (line 2) <- b (line 3) <- a",
     .in = {.pedigree = "id,sire,dam\na,b,0\nb,a,0\nc,0,0\n"}},
    {"a loop over a generation", 3, "pedigree.csv:3: a: the animal is its own ancestor: a (line 3) <- c (line 5) <- b (line 4) <- a",
     .in = {.pedigree = "id,sire,dam\ne,a,x\na,c,0\nb,a,0\nc,0,b\n"}, .flags = "--pedigree.sexes free"},
    {"a sire that is a dam", 3, "pedigree.csv:4: s: the animal is a dam here but a sire on line 3; 'sexes: free' allows both",
     .in = {.pedigree = "id,sire,dam\ns,0,0\na,s,d\nb,0,s\nc,0,0\ne,0,0\n"}},
    {"both parents alike", 3, "pedigree.csv:3: s: the animal is both sire and dam here; 'sexes: free' allows that",
     .in = {.pedigree = "id,sire,dam\ns,0,0\na,s,s\n"}},
    {"a parent younger than its offspring", 3, "pedigree.csv:4: s: the sire was born in 2004 (line 2), after its offspring, born in 2003",
     .in = {.job = YEARS, .pedigree = "id,sire,dam,born\ns,0,0,2004\nd,0,0,2001\na,s,d,2003\n"}},
    {"a birth year that is no number", 3, "pedigree.csv:3: column born: \"spring\" is not a number",
     .in = {.job = YEARS, .pedigree = "id,sire,dam,born\ns,0,0,2004\nd,0,0,spring\n"}},
    {"no column of birth years", 2, "pedigree.csv:1: the pedigree has no column 'born' for the birth year (pedigree.columns.year)",
     .in = {.job = YEARS}},
    {"a genetic group as sire", 2,
     "pedigree.csv:3: d: negative sire code -1: genetic groups are not available yet; an unknown parent is 0, NA, '.' or empty",
     .in = {.pedigree = "id,sire,dam\ns,0,0\nd,-1,0\na,s,-2\n"}},
    {"a genetic group as dam", 2,
     "pedigree.csv:4: a: negative dam code -2: genetic groups are not available yet; an unknown parent is 0, NA, '.' or empty",
     .in = {.pedigree = "id,sire,dam\ns,0,0\nd,0,0\na,s,-2\n"}},
    {"a Mendelian variance of nothing", 3,
     "pedigree.csv:32: g27: its Mendelian sampling variance is 7.45e-09 of the genetic variance: its parents are fully inbred, so that A has no "
     "inverse",
     .in = {.job = FREE, .pedigree = SELFED}},
    {"a line of the pedigree that does not fit", 3, "pedigree.csv:3: 2 fields where the header has 3",
     .in = {.pedigree = "id,sire,dam\ns,0,0\na,s\n"}},
    {"a pedigree in quotes that do not end", 3, "pedigree.csv:3: unclosed quote", .in = {.pedigree = "id,sire,dam\ns,0,0\n\"a,s,d\n"}},
};

FAULT_SUITE(FaultsOfPedigrees, cases, .job = GOOD_JOB, .records = GOOD_RECORDS, .pedigree = GOOD_PEDIGREE);
