#pragma once
/*
  A small simulated population whose variances are known: animals of three generations, herds, pens; and many traits of the same model, each a
  replicate. Every rank knows all; rank 0 writes the files.
*/
#include <merit/op.h>
#include <merit/varcomp.h>

enum { REPLICATES = 100 };

/* Traits y0, y1 .. have sex, herd, animal and residual; z0, z1 .. have sex, herd, pen and residual */
#define VARIANCE_HERD     0.4
#define VARIANCE_ANIMAL   0.8
#define VARIANCE_PEN      0.3
#define VARIANCE_RESIDUAL 1.0

typedef struct {
  MeritNode          job;
  MeritModel         model;
  Mat                C;
  MeritVarcomp       v;
  MeritVarcompResult result;
} PopulationRun;

/* Files for all tests of a program, in a folder that goes with them */
int PopulationCreate(void **state);
int PopulationRemove(void **state);
/* The same but for the estimates, on some ranks; returns a code. Collective. */
PetscErrorCode PopulationPrepare(MPI_Comm comm, const char formula[], const char varcomp[], const char more[], PopulationRun *run);
/* The folder that the files are in */
const char *PopulationFolder(void);
/* Estimate for one formula with these keys of varcomp; more: other lines of the job. Fails the test with what went wrong. Collective. */
void PopulationEstimate(const char formula[], const char varcomp[], const char more[], PopulationRun *run);
void PopulationFinish(PopulationRun *run);
