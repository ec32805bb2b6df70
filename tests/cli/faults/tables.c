/* Tables as such, on the example of the records: what is no table, lines that do not fit, numbers. */
#include "faults.h"
#include "good.h"

#define HEAD "id,herd,y\n"

static const FaultCase cases[] = {
    {"records that are not there", 3, "records.csv: cannot be opened: No such file or directory", .in = {.records = FAULT_NO_FILE}},
    {"records that are a folder", 3, "./.: is a folder, not a file", .in = {.job = WITH_RECORDS("{file: ./.}")}},
    {"an empty file", 3, "records.csv: the file is empty", .in = {.records = "\n \n\n"}},
    {"a header line alone", 3, "records.csv: the file has no records", .in = {.records = HEAD}},
    {"a column without a name", 3, "records.csv:1: column 2 has no name", .in = {.records = "id,,y\na,1,2\n"}},
    {"two columns of one name", 3, "records.csv:1: columns 1 and 3 are both called \"y\"", .in = {.records = "y,herd,y\n1,1,2\n"}},
    {"two names of one column in the job file", 2, "records.csv: columns 1 and 2 are both called \"y\"",
     .in = {.job = JOB_RECORDS "model: y ~ 1\nvariances: {residual: 1}\noutput: out\n", .records = "1,2\n"},
     .flags = "--records.header [y,y]"},
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
    {"a damaged gzip file", 3, "records.csv: damaged gzip data (unknown compression method)", .in = {FAULT_RECORDS("\x1f\x8b garbage that is no gzip")}},
    {"a truncated gzip file", 3, "records.csv: the gzip data end too early: the file is truncated",
     .in = {FAULT_RECORDS("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")}},
    {"a word for a number", 3, "records.csv:3: column y: \"high\" is not a number", .in = {.records = HEAD "a,1,2\nb,1,high\n"}},
    {"a decimal comma", 3, "records.csv:3: column y: \"2,5\" is not a number: a decimal comma is not read, use a point",
     .in = {.records = "id;herd;y\na;1;2\nb;1;2,5\nc;2;3,5\n"}},
    {"a decimal comma between commas", 3, "records.csv:3: 4 fields where the header has 3", .in = {.records = HEAD "a,1,2\nb,1,2,5\n"}},
    {"infinity", 3, "records.csv:2: column y: \"inf\" is not a number", .in = {.records = HEAD "a,1,inf\nb,1,nan\n"}},
    {"a hexadecimal number", 3, "records.csv:2: column y: \"0x1F\" is not a number", .in = {.records = HEAD "a,1,0x1F\n"}},
    {"a number beyond all", 3, "records.csv:2: column y: \"1e400\" is too large a number", .in = {.records = HEAD "a,1,1e400\n"}},
    {"of several faults the first line counts", 3, "records.csv:3: column y: \"?\" is not a number",
     .in = {.records = HEAD "a,1,2\nb,1,?\nc,2\nd,\"2,3\ne,2,4\nf,2,!\n"}},
    {"a fault in the last line", 3, "records.csv:9: 1 field where the header has 3",
     .in = {.records = HEAD "a,1,2\nb,1,3\nc,2,4\na,1,2\nb,1,3\nc,2,4\na,2,3\nend"}},
    {"a missing word that the job does not list", 3, "records.csv:3: column y: \"NA\" is not a number",
     .in = {.records = HEAD "a,1,2\nb,1,NA\n"}, .flags = "--records.missing [-9]"},
};

FAULT_SUITE(FaultsOfTables, cases, .job = GOOD_JOB, .records = GOOD_RECORDS, .pedigree = GOOD_PEDIGREE);
