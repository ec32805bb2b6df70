/*
  Likelihood-ratio tests of terms, by a run without each; and the table of the analysis of variance.
  A variance lies at the boundary when its term is not there: a mixture of chi-squares with weights of 1/2 (Self & Liang 1987; Stram & Lee
  1994). For a whole k x k matrix no simple mixture is exact; the one of Stram and Lee for the last of its k effects, on all its
  components, is conservative.
*/
#include "varcomp_impl.h"
#include <math.h>
#include <merit/log.h>
#include <merit/random.h>
#include <string.h>

/* Random term of a label, blanks not counted */
static PetscErrorCode Find(Varcomp *s, MeritNode node, int *term)
{
  const MeritFormula *f = MeritModelFormula(s->run.model);
  const char         *known[64], *near;
  int                 n = 0;

  PetscFunctionBegin;
  *term = -1;
  if (node->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(node, "varcomp.test must be the label of a random term, or a list of them"));
  for (int k = 0; k < f->n_terms; k++) {
    const char *a = node->text, *b = f->term[k].label;

    if (f->term[k].kind == MERIT_TERM_FIXED) continue;
    if (n < 64) known[n++] = b;
    while (*a || *b) {
      while (*a == ' ') a++;
      while (*b == ' ') b++;
      if (*a != *b) break;
      if (*a) a++, b++;
    }
    if (!*a && !*b) *term = k;
  }
  near = MeritNearest(node->text, n, known);
  if (*term < 0)
    PetscCall(MeritNodeError(node, "varcomp.test: no random term is called `%s`%s%s%s", node->text, near ? "; did you mean `" : "",
                             near ? near : "", near ? "`?" : ""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode VarcompTestsParse(Varcomp *s)
{
  MeritNode   node   = MeritNodeFind(s->run.job, "varcomp.test");
  const char *method = "reml";

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritConfigString(s->run.job, "varcomp.method", &method));
  if (strcmp(method, "reml") && strcmp(method, "ml"))
    PetscCall(MeritNodeError(node, "varcomp.test compares likelihoods, which method %s has not; use reml or ml", method));
  s->n_tests = node->kind == MERIT_NODE_LIST ? node->n : 1;
  PetscCall(PetscCalloc1(s->n_tests, &s->test));
  for (int i = 0; i < s->n_tests; i++)
    PetscCall(Find(s, node->kind == MERIT_NODE_LIST ? node->child[i] : node, &s->test[i].term));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode VarcompTests(Varcomp *s)
{
  PetscFunctionBegin;
  s->testing = true;
  for (int i = 0; i < s->n_tests; i++) {
    MeritLog(MERIT_LOG_INFO, "without `%s`", MeritModelFormula(s->run.model)->term[s->test[i].term].label);
    PetscCall(MeritVarcompLeaveOut(s->varcomp, s->test[i].term));
    PetscCall(MeritVarcompRun(s->varcomp, s->run.C, &s->result));
    s->test[i].log_likelihood = s->result.log_likelihood;
    if (!isfinite(s->result.log_likelihood))
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.test",
                           "engine %s has no exact likelihood to test with; varcomp.engine: factor has", s->result.engine));
  }
  PetscCall(MeritVarcompLeaveOut(s->varcomp, -1));
  s->testing = false;
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode VarcompTestsWrite(Varcomp *s)
{
  const MeritFormula *f    = MeritModelFormula(s->run.model);
  MeritText           text = {0};
  PetscMPIInt         rank;

  PetscFunctionBegin;
  if (!s->n_tests) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(s->run.comm, &rank));
  for (int i = 0; i < s->n_tests && !rank; i++) {
    const int    k = f->term[s->test[i].term].n_components, df = k * (k + 1) / 2;
    const double statistic = PetscMax(2.0 * (s->result.log_likelihood - s->test[i].log_likelihood), 0.0);
    const double p         = 0.5 * (df > 1 ? MeritChiSquareTail(statistic, df - 1) : statistic > 0.0 ? 0.0 : 1.0) + 0.5 * MeritChiSquareTail(statistic, df);

    PetscCall(MeritTextAdd(&text, "%s\t", f->term[s->test[i].term].label));
    PetscCall(MeritTextAddReal(&text, statistic));
    PetscCall(MeritTextAdd(&text, "\t%d\t", df));
    PetscCall(MeritTextAddReal(&text, p));
    PetscCall(MeritTextAdd(&text, "\t0.5 chi2(%d) + 0.5 chi2(%d)\n", df - 1, df));
  }
  PetscCall(MeritOutputWrite(s->run.out, "tests.tsv", "term\tstatistic\tdf\tp_value\tdistribution\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode VarcompTestsFree(Varcomp *s)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(s->test));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode VarcompAnovaWrite(Varcomp *s)
{
  const MeritVarcompResult *r      = &s->result;
  const MeritFormula       *f      = MeritModelFormula(s->run.model);
  MeritText                 header = {0}, text = {0};
  PetscMPIInt               rank;

  PetscFunctionBegin;
  if (!r->n_lines) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(s->run.comm, &rank));
  PetscCall(MeritTextAdd(&header, "source\tdf\tss\tms"));
  for (int c = 0; c < r->n; c++) PetscCall(MeritTextAdd(&header, "\tE.%s", r->component[c].term < 0 ? "residual" : f->term[r->component[c].term].label));
  PetscCall(MeritTextAdd(&header, "\n"));
  for (int l = 0; l < r->n_lines && !rank; l++) {
    const double values[3] = {r->line[l].df, r->line[l].ss, r->line[l].ms};

    PetscCall(MeritTextAdd(&text, "%s", r->line[l].source));
    for (int c = 0; c < r->n + 3; c++) {
      PetscCall(MeritTextAddBytes(&text, "\t", 1));
      PetscCall(MeritTextAddReal(&text, c < 3 ? values[c] : r->line[l].coefficient[c - 3]));
    }
    PetscCall(MeritTextAdd(&text, "\n"));
  }
  PetscCall(MeritOutputWrite(s->run.out, "anova.tsv", header.at, text.at, (int64_t)text.n));
  MeritTextFree(&header);
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}
