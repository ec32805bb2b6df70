#pragma once
/* A model set up over files in the test's folder, with a report and an output folder. */
#include "report_support.h"

typedef struct {
  MeritNode   job;
  MeritModel  model;
  MeritReport report;
  MeritOutput out;
  double     *x;
} Case;

/* Read the job and set the model up over the files of the test's folder */
static void Begin(Case *c, const char job[])
{
  char    path[128];
  int32_t n_owned;

  memset(c, 0, sizeof(*c));
  FileMake("job.yaml", job);
  snprintf(path, sizeof(path), "%s/job.yaml", test_folder);
  TestCall(MeritConfigLoad(PETSC_COMM_WORLD, path, &c->job));
  TestCall(MeritModelCreate(PETSC_COMM_WORLD, &c->model));
  TestCall(MeritModelSetFromConfig(c->model, c->job));
  TestCall(MeritReportCreate(c->model, &c->report));
  TestCall(MeritReportSetFromConfig(c->report, c->job));
  TestCall(MeritModelSetUp(c->model));
  n_owned = MeritModelLayout(c->model)->n_owned;
  c->x    = calloc((size_t)n_owned + 1, sizeof(*c->x));
  snprintf(path, sizeof(path), "%s/out", test_folder);
  TestCall(MeritOutputOpen(PETSC_COMM_WORLD, path, true, &c->out));
}

static void End(Case *c)
{
  TestCall(MeritOutputWrite(c->out, "summary.json", "{}\n", NULL, 0)); /* a folder is complete with it only */
  TestCall(MeritOutputCommit(&c->out, "summary.json"));
  TestCall(MeritReportDestroy(&c->report));
  TestCall(MeritModelDestroy(&c->model));
  TestCall(MeritConfigDestroy(&c->job));
  free(c->x);
}
