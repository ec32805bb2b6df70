#pragma once
/*
  Merit for programs that use it as a library: job file -> model -> operator -> solver -> report. The objects of the data (tables,
  dictionaries, pedigree, genotypes) come along; the leaf kernels (kernels.h, packed.h, ancestry.h) do not, but for the rows of a recursion.
*/
#include <merit/config.h>
#include <merit/cost.h>
#include <merit/dict.h>
#include <merit/error.h>
#include <merit/exchange.h>
#include <merit/expression.h>
#include <merit/factor.h>
#include <merit/file.h>
#include <merit/formula.h>
#include <merit/genotypes.h>
#include <merit/integers.h>
#include <merit/layout.h>
#include <merit/limits.h>
#include <merit/log.h>
#include <merit/memory.h>
#include <merit/model.h>
#include <merit/op.h>
#include <merit/pc.h>
#include <merit/pedigree.h>
#include <merit/pieces.h>
#include <merit/plan.h>
#include <merit/predict.h>
#include <merit/random.h>
#include <merit/rates.h>
#include <merit/report.h>
#include <merit/residual.h>
#include <merit/shared.h>
#include <merit/simulate.h>
#include <merit/solver.h>
#include <merit/strings.h>
#include <merit/structure.h>
#include <merit/sweep.h>
#include <merit/sys.h>
#include <merit/table.h>
#include <merit/varcomp.h>
#include <merit/version.h>
