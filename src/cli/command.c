/*
  The table of commands. A command has a name, the operand behind it, a line of help, an example, a
  function and a table of keys. Its function is NULL as long as it is not available: `merit --help`
  lists it, and a run of it is refused.
*/
#include "cli.h"
#include <merit/simulate.h>

/* Keys of a command that has none; returns 0 */
static int NoKeys(const MeritKey **keys)
{
  *keys = NULL;
  return 0;
}

/* A job file, but for its output */
#define OPEN                                                                                                                                         \
  "\n\n  job.yaml:\n    records: {file: records.csv}\n    pedigree: {file: pedigree.csv}\n"                                                          \
  "    model: \"milk ~ herd + cov(age) + ped(cow)\"\n"
#define JOB OPEN "    variances: {ped(cow): 30, residual: 70}\n    output: out"

/* In the order of `merit --help`. The last two fields are `stops` and `options` of MeritCommand */
static const MeritCommand commands[] = {
    {"plan", "JOB", "check all inputs, print the model, the equations and the memory they need", "merit plan job.yaml --ranks 8" JOB,
     MeritCommandPlan, MeritPlanKeys, false, true},
    {"solve", "JOB", "estimate effects and predict breeding values (BLUE, BLUP) with known variances", "mpirun -n 4 merit solve job.yaml" JOB,
     MeritCommandSolve, MeritJobKeys, true, true},
    {"varcomp", "JOB", "estimate variance components (REML, ML, MINQUE, MIVQUE, Haseman-Elston, ANOVA)",
     "merit varcomp job.yaml --output components\n"
     "  merit solve job.yaml --variances components        (with other data, or another solver)" OPEN
     "    functions: {h2: \"ped(cow) / (ped(cow) + residual)\"}",
     MeritCommandVarcomp, MeritJobKeys, true, true},
    {"sample", "JOB", "Bayesian inference by sampling", NULL, NULL, MeritJobKeys, false, true},
    {"predict", "JOB", "apply estimated SNP effects to other genotypes",
     "merit predict predict.yaml\n\n  predict.yaml:\n"
     "    genotypes: {bfile: young}\n    predict: {snps: out}\n    output: young-values",
     MeritCommandPredict, MeritPredictKeys, false, false},
    {"simulate", "SPEC", "make a population: pedigree, genotypes, records, true values",
     "merit simulate population.yaml\n\n  population.yaml:\n"
     "    population: {animals: 10000}\n    traits: {names: milk, G: 30, R: 70}\n    effects: {herd_year: 5}\n    output: population",
     MeritCommandSimulate, MeritSimulationKeys, false, false},
    {"report", "DIR", "one HTML page with plots out of an output folder", NULL, NULL, NoKeys, false, false},
};

const MeritCommand *MeritCommands(int *n)
{
  *n = (int)(sizeof(commands) / sizeof(*commands));
  return commands;
}
