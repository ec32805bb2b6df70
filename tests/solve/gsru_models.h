#pragma once
/* Models over the small data: one trait, maternal, two traits, singular variances, many records, hardly any. */
#include "gsru_case.h"

static const char *const ONE_TRAIT[2]     = {"\"y ~ herd + cov(age) + iid(pen) + ped(cow)\"", "  iid(pen): 8\n  ped(cow): 30\n  residual: 60\n"};
static const char *const MATERNAL[2]      = {"\"y ~ herd + animal = ped(cow + foster) + iid(pen + other)\"",
                                             "  animal: [[30, -6], [-6, 12]]\n  iid(pen+other): [[5, 1], [1, 3]]\n  residual: 60\n"};
static const char *const TWO_TRAITS[2]    = {"[\"y ~ herd + snp(cow) + ridge(c1 + c2 + c3) + ped(cow)\", \"z ~ cov(age) + snp(cow) + ridge(c1 + c2 + "
                                                "c3) + ped(cow)\"]",
                                             "  snp(cow): [[0.6, 0.1], [0.1, 0.2]]\n  ridge(c1+c2+c3): [[9, 1], [1, 2]]\n  ped(cow): [[20, 2], [2, "
                                                "5]]\n  residual: [[40, 5], [5, 10]]\n"};
static const char *const SINGULAR[2]      = {"[\"y ~ herd + snp(cow) + ridge(c1 + c2) + ped(cow) + iid(pen)\", "
                                                  "\"z ~ herd + snp(cow) + ridge(c1 + c2) + ped(cow) + iid(pen)\"]",
                                             "  snp(cow): [[0.4, 0.2], [0.2, 0.1]]\n  ridge(c1+c2): [[4, 4], [4, "
                                                  "4]]\n  ped(cow): [[20, 10], [10, 5]]\n  iid(pen): [[6, 0], [0, 0]]\n"
                                                  "  residual: [[40, 5], [5, 10]]\n"};
static const char *const MANY_RECORDS[2]  = {"[\"y ~ herd + snp(cow) + iid(pen) + ridge(c1 + c2)\", \"z ~ cov(age) + snp(cow) + iid(pen)\"]",
                                             "  snp(cow): [[0.6, 0.1], [0.1, 0.2]]\n  iid(pen): [[8, 1], [1, 2]]\n  ridge(c1+c2): 3\n  residual: "
                                              "[[40, 5], [5, 10]]\n"};
static const char *const HARDLY_ANY[2]    = {"\"y ~ 1 + ped(cow) + iid(pen) + snp(cow)\"",
                                             "  ped(cow): 30\n  iid(pen): 8\n  snp(cow): 1\n  residual: 60\n"};
static const char *const *const MODELS[6] = {ONE_TRAIT, MATERNAL, TWO_TRAITS, SINGULAR, MANY_RECORDS, HARDLY_ANY};
static const Which              DATA[6]   = {FEW, FEW, FEW, FEW, MANY, TINY};
