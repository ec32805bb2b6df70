/* Variances: sizes, symmetry, definiteness, labels. */
#include "faults.h"
#include "good.h"

/* two traits: components y.. and z.. */
#define TWO_TRAITS(variances)                                                                                \
  JOB_RECORDS JOB_PEDIGREE "model: [y ~ a = ped(id), z ~ a = ped(id)]\nvariances:\n" variances JOB_OUTPUT
#define R_TWO "  residual: [[40, 0], [0, 40]]\n"

static const FaultCase cases[] = {
    {"variances that are no map", 2, "job.yaml:4:12: variances: there is no file or folder 30 (No such file or directory); give lines \"label: value\", or variances.yaml of merit varcomp, or its folder", .in = {.job = WITH_VARIANCES("30")}},
    {"an unknown label suggests the nearest", 2,
     "job.yaml:4:13: variances: no random term is called `ped(di)`; did you mean `ped(id)`? (needed are ped(id): a number; residual: a number)",
     .in = {.job = WITH_VARIANCES("{ped(di): 30, residual: 40}")}},
    {"a variance of a fixed term", 2, "job.yaml:4:13: `herd` is a fixed term and has no variance",
     .in = {.job = WITH_VARIANCES("{herd: 5, ped(id): 30, residual: 40}")}},
    {"a variance that is missing", 2, "job.yaml:4:12: variances: one is missing: ped(id): a number; `merit varcomp` estimates what is missing", .in = {.job = WITH_VARIANCES("{residual: 40}")}},
    {"the residual variance is missing", 2, "job.yaml:4:12: variances: one is missing: residual: a number; `merit varcomp` estimates what is missing", .in = {.job = WITH_VARIANCES("{ped(id): 40}")}},
    {"a label twice under blanks", 2, "job.yaml:4:39: variances: `ped( id )` occurs twice; remove one",
     .in = {.job = WITH_VARIANCES("{ped(id): 30, \"ped( id )\": 30, residual: 40}")}},
    {"a word for a variance", 2, "job.yaml:4:22: `ped(id)`: \"big\" is not a number", .in = {.job = WITH_VARIANCES("{ped(id): big, residual: 40}")}},
    {"a variance in quotes", 2, "job.yaml:4:22: `ped(id)`: \"30\" is not a number", .in = {.job = WITH_VARIANCES("{ped(id): \"30\", residual: 40}")}},
    {"an infinite variance", 2, "job.yaml:4:22: `ped(id)`: \"1e999\" is not a number", .in = {.job = WITH_VARIANCES("{ped(id): 1e999, residual: 40}")}},
    {"a negative variance", 2, "job.yaml:4:22: the variance of y in `ped(id)` is -30: it must be 0 or more",
     .in = {.job = WITH_VARIANCES("{ped(id): -30, residual: 40}")}},
    {"a variance that is next to nothing", 2,
     "job.yaml:4:22: the variance of y in `ped(id)` is 1e-300, not between 1e-60 and 1e+60: choose another unit",
     .in = {.job = WITH_VARIANCES("{ped(id): 1.0e-300, residual: 40}")}},
    {"a variance beyond all bounds", 2, "job.yaml:4:36: the variance of y in `residual` is 1e+300, not between 1e-60 and 1e+60: choose another unit",
     .in = {.job = WITH_VARIANCES("{ped(id): 30, residual: 1.0e300}")}},
    {"a residual variance of 0", 2, "job.yaml:4:36: the variance of y in `residual` is 0: it must be positive",
     .in = {.job = WITH_VARIANCES("{ped(id): 30, residual: 0}")}},
    {"a matrix for one component", 2, "job.yaml:4:22: `ped(id)` needs one number, the variance of y; found 2 rows",
     .in = {.job = WITH_VARIANCES("{ped(id): [[1, 0], [0, 1]], residual: 40}")}},
    {"a number for two components", 2, "job.yaml:5:6: `a` needs a symmetric 2 x 2 matrix in the order y, z; found a single number",
     .in = {.job = TWO_TRAITS("  a: 30\n" R_TWO)}},
    {"a row too short", 2, "job.yaml:5:15: `a` needs a symmetric 2 x 2 matrix in the order y, z; found 1 in row 2, where 2 belong",
     .in = {.job = TWO_TRAITS("  a: [[2, 1], [1]]\n" R_TWO)}},
    {"a matrix that is not symmetric", 2,
     "job.yaml:5:6: the matrix of `a` is not symmetric: row 2 column 1 is 0.5, row 1 column 2 is 1",
     .in = {.job = TWO_TRAITS("  a: [[2, 1], [0.5, 2]]\n" R_TWO)}},
    {"a covariance beyond its variances", 2, "job.yaml:5:6: `a`: the covariance 3 of z and y is more than their variances allow (2 and 2)",
     .in = {.job = TWO_TRAITS("  a: [[2, 3], [3, 2]]\n" R_TWO)}},
    {"an indefinite matrix", 2,
     "job.yaml:4:22: the matrix of `ped(id)` is not positive semi-definite: the smallest eigenvalue of its correlations is -0.8",
     .in = {.job = JOB_RECORDS JOB_PEDIGREE "model: [y ~ ped(id), z ~ ped(id), w ~ ped(id)]\n"
                                      "variances: {ped(id): [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "
                                      "residual: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}\n" JOB_OUTPUT}},
    {"a residual matrix that is singular", 2,
     "job.yaml:6:13: the matrix of `residual` is not positive definite: the smallest eigenvalue of its correlations is 0",
     .in = {.job = TWO_TRAITS("  a: [[2, 1], [1, 2]]\n  residual: [[1, 1], [1, 1]]\n")}},
    {"a covariance with a component of variance 0", 2, "job.yaml:5:6: `a`: z has variance 0 but covariance 1 with y",
     .in = {.job = TWO_TRAITS("  a: [[2, 1], [1, 0]]\n" R_TWO)}},
    {"a covariance under structure diag", 2, "job.yaml:5:14: `a` has structure: diag, but row 2 column 1 is 1",
     .in = {.job = TWO_TRAITS("  a: {value: [[2, 1], [1, 2]], structure: diag}\n" R_TWO)}},
    {"an unknown structure", 2, "job.yaml:5:43: `structure` of `a` must be us (unstructured) or diag",
     .in = {.job = TWO_TRAITS("  a: {value: [[2, 1], [1, 2]], structure: ar1}\n" R_TWO)}},
    {"a row of an unknown component", 2, "job.yaml:5:42: \"x\" is no component of `a`; its rows are y, z",
     .in = {.job = TWO_TRAITS("  a: {value: [[2, 1], [1, 2]], rows: [y, x]}\n" R_TWO)}},
    {"a row twice", 2, "job.yaml:5:42: the row y of `a` occurs twice",
     .in = {.job = TWO_TRAITS("  a: {value: [[2, 1], [1, 2]], rows: [y, y]}\n" R_TWO)}},
    {"an unknown option", 2, "job.yaml:5:32: `a`: unknown key `row`; did you mean `rows`? (known: value, rows, structure, fix)",
     .in = {.job = TWO_TRAITS("  a: {value: [[2, 1], [1, 2]], row: [y, z]}\n" R_TWO)}},
    {"options without a value", 2, "job.yaml:5:6: `a` has no `value`", .in = {.job = TWO_TRAITS("  a: {fix: yes}\n" R_TWO)}},
    {"a pair to fix that is out of the matrix", 2, "job.yaml:5:42: `fix` of `a`: expected a row from 1 to 2, or its name",
     .in = {.job = TWO_TRAITS("  a: {value: [[2, 1], [1, 2]], fix: [[1, 3]]}\n" R_TWO)}},
    {"residual classes without values", 2, "job.yaml:4:54: `residual` by `herd` needs a value for each class, like {1: 40, 2: 35}",
     .in = {.job = WITH_VARIANCES("{ped(id): 30, residual: {by: herd, value: 40}}")}},
    {"residual classes of a column that is not there", 2, "job.yaml:4:41: there is no column \"hrd\" in records.csv; did you mean \"herd\"?",
     .in = {.job = WITH_VARIANCES("{ped(id): 30, residual: {by: hrd, value: {1: 40, 2: 35}}}")}},
    {"a residual class without a variance", 3, "records.csv:4: 2: this class of herd has no residual variance in the job file; add it to variances: residual",
     .in = {.job = WITH_VARIANCES("{ped(id): 30, residual: {by: herd, value: {1: 40, 3: 35}}}")}},
};

FAULT_SUITE(FaultsOfVariances, cases, .job = GOOD_JOB, .records = GOOD_RECORDS, .pedigree = GOOD_PEDIGREE);
