#include "cli.h"
#include <merit/simulate.h>

static int NoKeys(const MeritKey **keys)
{
  *keys = NULL;
  return 0;
}

static const MeritCommand commands[] = {
  {"plan", "JOB", "check all inputs, print the model, the equations and the memory they need",
   MeritCommandPlan, MeritPlanKeys, false, true},
  {"solve", "JOB", "estimate effects and predict breeding values (BLUE, BLUP) with known variances",
   MeritCommandSolve, MeritJobKeys, true, true},
  {"varcomp", "JOB", "estimate variance components (REML, ML, MINQUE, MIVQUE, Haseman-Elston, ANOVA)",
   MeritCommandVarcomp, MeritJobKeys, true, true},
  {"sample", "JOB", "Bayesian inference by sampling",
   NULL, MeritJobKeys, false, true},
  {"predict", "JOB", "apply estimated SNP effects to other genotypes",
   MeritCommandPredict, MeritPredictKeys, false, false},
  {"simulate", "SPEC", "make a population: pedigree, genotypes, records, true values",
   MeritCommandSimulate, MeritSimulationKeys, false, false},
  {"report", "DIR", "one HTML page with plots out of an output folder",
   NULL, NoKeys, false, false},
};

const MeritCommand *MeritCommands(int *n)
{
  *n = (int)(sizeof(commands) / sizeof(*commands));
  return commands;
}
