/* Tables as such, on the example of the records: what is no table, lines that do not fit, numbers. */
#include "faults.h"
#include "good.h"

#define HEAD                "id,herd,y\n"
#define HINT                "; if it means missing, add it to records.missing"
#define NUMBERS(line, word) "records.csv:" line ": column y: \"" word "\" is not a number\n"

static const FaultCase cases[] = {
    {"records that are not there", 3, "records.csv: cannot be opened: No such file or directory", .in = {.records = FAULT_NO_FILE}},
    {"records that are a folder", 3, "./.: is a folder, not a file", .in = {.job = WITH_RECORDS("{file: ./.}")}},
    {"an empty file", 3, "records.csv: the file is empty", .in = {.records = "\n \n\n"}},
    {"a header line alone", 3, "records.csv: the file has no records", .in = {.records = HEAD}},
    {"a column without a name", 3, "records.csv:1: column 2 has no name", .in = {.records = "id,,y\na,1,2\n"}},
    {"two columns of one name", 3, "records.csv:1: columns 1 and 3 are both called \"y\"", .in = {.records = "y,herd,y\n1,1,2\n"}},
    {"two names of one column in the job file", 2, "records.csv: columns 1 and 2 are both called \"y\"",
     .in = {.job = JOB_RECORDS "model: y ~ 1\nvariances: {residual: 1}\noutput: out\n", .records = "1,2\n"}, .flags = "--records.header [y,y]"},
    {"an unclosed quote in the header", 3, "records.csv:1: unclosed quote", .in = {.records = "id,\"herd,y\na,1,2\n"}},
    {"text behind a quoted name", 3, "records.csv:1: text after the closing quote of field 2", .in = {.records = "id,\"herd\"x,y\na,1,2\n"}},
    {"a field too few", 3, "records.csv:3: 2 fields where the header has 3", .in = {.records = HEAD "a,1,2\nb,1\nc,2,3\n"}},
    {"a field too many", 3, "records.csv:4: 4 fields where the header has 3", .in = {.records = HEAD "a,1,2\n\nb,1,2,3\nc,2,3\n"}},
    {"one field under the wrong delimiter", 3, "records.csv:3: 1 field where the header has 3", .in = {.records = HEAD "a,1,2\nb;1;2\nc,2,3\n"}},
    {"more names than fields", 3, "records.csv:1: 3 fields where the header has 4", .in = {.records = "a,1,2\nb,1,3\n"},
     .flags = "--records.header [id,herd,y,w]"},
    {"an unclosed quote", 3, "records.csv:2: unclosed quote", .in = {.records = HEAD "a,\"1,2\nb,1,2\n"}},
    {"text behind a quote", 3, "records.csv:3: text after the closing quote of field 2", .in = {.records = HEAD "a,1,2\nb,\"1\"x,2\n"}},
    {"a zero byte", 3, "records.csv:3: NUL byte: this is not a text file", .in = {FAULT_RECORDS(HEAD "a,1,2\nb,1\0,2\n")}},
    {"a zero byte in the header", 3, "records.csv:1: NUL byte: this is not a text file", .in = {FAULT_RECORDS("PK\3\4\0\0,y\n")}},
    {"a damaged gzip file", 3, "records.csv: damaged gzip data (unknown compression method)",
     .in = {FAULT_RECORDS("\x1f\x8b garbage that is no gzip")}},
    {"a truncated gzip file", 3, "records.csv: the gzip data end too early: the file is truncated",
     .in = {FAULT_RECORDS("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")}},
    {"a word for a number", 3, "records.csv:3: column y: \"high\" is not a number", .in = {.records = HEAD "a,1,2\nb,1,high\n"}},
    {"a decimal comma", 3, "records.csv:3: column y: \"2,5\" is not a number: a decimal comma is not read, use a point",
     .in = {.records = "id;herd;y\na;1;2\nb;1;2,5\nc;2;3,5\n"}},
    {"a decimal comma between commas", 3, "records.csv:3: 4 fields where the header has 3", .in = {.records = HEAD "a,1,2\nb,1,2,5\n"}},
    {"a word for nothing", 3, "records.csv:3: column y: \"#N/A\" is not a number" HINT, .in = {.records = HEAD "a,1,2\nb,1,#N/A\nc,1,-\n"},
     .further = "records.csv:4: column y: \"-\" is not a number" HINT "\n"},
    {"lines that end with a carriage return", 3,
     "records.csv:1: lines end with a carriage return alone: save the file with line feeds (LF, or CR and LF)",
     .in = {.records = "id,herd,y\ra,1,2\rb,1,3\r"}},
    {"infinity", 3, "records.csv:2: column y: \"inf\" is not a number", .in = {.records = HEAD "a,1,inf\nb,1,nan\n"}},
    {"a hexadecimal number", 3, "records.csv:2: column y: \"0x1F\" is not a number", .in = {.records = HEAD "a,1,0x1F\n"}},
    {"a number beyond all", 3, "records.csv:2: column y: \"1e400\" is too large a number", .in = {.records = HEAD "a,1,1e400\n"}},
    {"of several faults the first line counts", 3, "records.csv:3: column y: \"?\" is not a number" HINT,
     .in      = {.records = HEAD "a,1,2\nb,1,?\nc,2\nd,\"2,3\ne,2,4\nf,2,!\n"},
     .further = "records.csv:4: 2 fields where the header has 3\nrecords.csv:5: unclosed quote\n"
                "records.csv:7: column y: \"!\" is not a number" HINT "\n"},
    {"twenty faults are named, the others counted", 3, "records.csv:2: column y: \"a\" is not a number",
     .in      = {.records = HEAD "a,1,a\na,1,b\na,1,1\na,1,c\na,1,d\na,1,e\na,1,f\na,1,g\na,1,h\na,1,i\na,1,j\na,1,k\na,1,l\na,1,m\na,1,n\na,1,o\n"
                                      "a,1,p\na,1,q\na,1,r\na,1,s\na,1,t\na,1,u\na,1,v\na,1,1\n"},
     .further = NUMBERS("3", "b") NUMBERS("5", "c") NUMBERS("6", "d") NUMBERS("7", "e") NUMBERS("8", "f") NUMBERS("9", "g") NUMBERS("10", "h")
         NUMBERS("11", "i") NUMBERS("12", "j") NUMBERS("13", "k") NUMBERS("14", "l") NUMBERS("15", "m") NUMBERS("16", "n") NUMBERS("17", "o")
             NUMBERS("18", "p") NUMBERS("19", "q") NUMBERS("20", "r") NUMBERS("21", "s") NUMBERS("22", "t") "... and 2 more\n"},
    {"a fault in the last line", 3, "records.csv:9: 1 field where the header has 3",
     .in = {.records = HEAD "a,1,2\nb,1,3\nc,2,4\na,1,2\nb,1,3\nc,2,4\na,2,3\nend"}},
    {"a missing word that the job does not list", 3, "records.csv:3: column y: \"NA\" is not a number" HINT,
     .in = {.records = HEAD "a,1,2\nb,1,NA\n"}, .flags = "--records.missing [-9]"},
};

FAULT_SUITE(FaultsOfTables, cases, .job = GOOD_JOB, .records = GOOD_RECORDS, .pedigree = GOOD_PEDIGREE);
