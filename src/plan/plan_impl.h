#pragma once
/* Private to src/plan. */
#include <merit/plan.h>

struct _p_MeritPlan {
  MPI_Comm     comm;
  MeritModel   model; /* borrowed, as those below */
  MeritReport  report;
  MeritNode    job;
  MeritVarcomp varcomp; /* NULL: variances are known */
  Mat          C;       /* for varcomp */
  MeritRates   rates;
  int          ranks, threads; /* asked for; 0: not */
  int          cores;          /* of a node; 0: not known */
  double       node_memory;    /* memory-per-node; 0: not known */
  double       memory_limit;   /* memory-per-node, or plan.memory; 0: not known */
  int64_t      iterations;
  double       program; /* bytes of a rank before anything was read */
};

/* shape.c: nodes, ranks and threads. USAGE where no number of nodes would do. Collective. */
PETSC_INTERN PetscErrorCode PlanChooseShape(MeritPlan plan, MeritPlanShape *shape);
