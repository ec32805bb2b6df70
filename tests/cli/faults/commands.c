/* The command line; the flags that need no data. */
#include "faults.h"
#include "good.h"

static const FaultCase cases[] = {
    {"no command", 2, "the first word must be a command; `merit --help` lists them", .command = ""},
    {"a misspelt command", 2, "unknown command slove; did you mean solve?", .command = "slove"},
    {"an unknown command", 2, "unknown command frobnicate; `merit --help` lists them", .command = "frobnicate"},
    {"a command that is to come", 2, "merit sample is not available yet", .command = "sample", .flags = "job.yaml"},
    {"a command without its file", 2, "merit solve needs a job file, right after the command: merit solve JOB", .command = "solve"},
    {"a simulation without its file", 2, "merit simulate needs a SPEC, right after the command: merit simulate SPEC", .command = "simulate"},
    {"a word too many", 2, "more is one word too many; the JOB is job.yaml", .flags = "more"},
    {"an unknown flag", 2, "unknown flag --solver.tol; did you mean --solver.rtol?", .flags = "--solver.tol 1e-9"},
    {"a flag without its value", 2, "--solver.rtol needs a value", .command = "solve", .flags = "job.yaml --solver.rtol"},
    {"a flag twice", 2, "--solver.rtol is given twice", .flags = "--solver.rtol 1e-9 --solver.rtol=1e-8"},
    {"a flag of the wrong kind", 2, "command line: solver.max_it: 'many' is not a whole number", .flags = "--solver.max_it many"},
    {"a flag out of range", 2, "command line: solver.rtol: -1 is outside the range from 0 to 1", .flags = "--solver.rtol -1"},
    {"a flag that is no YAML", 2, "--records.missing [NA: not YAML: did not find expected ',' or ']'", .flags = "--records.missing [NA"},
    {"a flag below a single value", 2, "unknown flag --model.trait; `merit solve --help` lists them", .flags = "--model.trait y", .solve_only = true},
    {"a flag with an empty key", 2, "unknown flag --variances.; `merit solve --help` lists them", .flags = "--variances. 3", .solve_only = true},
    {"a flag that is not UTF-8", 2, "--output.folder: not UTF-8 text", .flags = "--output.folder d\xe9j\xe0"},
    {"a formula on the command line", 2, "command line: expected `~` after the trait, at the end", .flags = "--model y"},
    {"a variance on the command line", 2, "command line: the variance of y in `ped(id)` is -1: it must be 0 or more",
     .flags = "--variances.ped(id) -1"},
    {"a flag that only plan has", 2, "unknown flag --quick; `merit solve --help` lists them", .flags = "--quick", .solve_only = true},
    {"plan for no ranks", 2, "command line: ranks: 0 is outside the range from 1 to 10000000", .command = "plan", .flags = "job.yaml --ranks 0"},
    {"a job file that is a folder", 2, ".: is a folder, not a file", .command = "solve", .flags = "."},
    {"plan --quick finds a column that is missing", 2, "job.yaml:2:8: there is no column \"yy\" in records.csv; did you mean \"y\"?",
     .in = {.job = FIXED_JOB("yy ~ herd")}, .command = "plan", .flags = "job.yaml --quick"},
    {"plan --quick finds a file that is missing", 3, "pedigree.csv: cannot be opened: No such file or directory", .in = {.pedigree = FAULT_NO_FILE},
     .command = "plan", .flags = "job.yaml --quick"},
    {"a memory size that is none", 2, "command line: plan.memory: '64X' is not a size such as 4G", .command = "plan",
     .flags = "job.yaml --plan.memory 64X"},
    {"a start that is not there", 3, "old: cannot be opened: No such file or directory", .flags = "--solver.start old", .solve_only = true},
    {"a specification with an unknown key", 2, "job.yaml:1:11: unknown key records.file; the keys of records are per_cow, survival, fraction, cows",
     .command = "simulate", .flags = "job.yaml"},
};

FAULT_SUITE(FaultsOfCommands, cases, .job = GOOD_JOB, .records = GOOD_RECORDS, .pedigree = GOOD_PEDIGREE);
