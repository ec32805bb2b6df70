/*
  What an estimation found, as a table for people at its end: component, estimate, standard error,
  share of the phenotypic variance (the heritability of a pedigree term), a note. varcomp.tsv has
  all of it with more digits; here a long table is cut.
*/
#include "varcomp_impl.h"
#include <math.h>
#include <merit/log.h>
#include <stdio.h>
#include <string.h>

/* MOST: rows shown; a longer table shows variances only, and no more than MOST of them. WIDTH: of
   the column of names, in bytes. LABEL: bytes of a label that is not cut. */
enum { MOST = 40, WIDTH = 28, LABEL = 36 };

/* Cut a long label, as of a ridge term of many columns. Its beginning says which it is, varcomp.tsv
   has all of it. The cut is not within a UTF-8 character, whose later bytes are 10xxxxxx. */
static void Cut(char label[])
{
  size_t end = LABEL - 3;

  if (strlen(label) <= LABEL) return;
  while (end > 0 && ((unsigned char)label[end] & 0xC0) == 0x80) end--;
  memcpy(label + end, "...", 4);
}

/* Name of component i into text [size]: "ped(cow)", "ped(cow) milk", "residual fat, milk" */
static PetscErrorCode Name(const Varcomp *s, int i, size_t size, char text[])
{
  const MeritFormula   *f = MeritModelFormula(s->run.model);
  const MeritComponent *c = &s->result.component[i];
  char                  label[600], *row = NULL, *column = NULL;

  PetscFunctionBegin;
  if (c->term >= 0) {
    PetscCall(MeritFormulaComponentName(f, c->term, c->row, &row));
    PetscCall(MeritFormulaComponentName(f, c->term, c->column, &column));
    snprintf(label, sizeof(label), "%s", f->term[c->term].label);
  } else {
    PetscCall(PetscStrallocpy(f->trait[c->row], &row));
    PetscCall(PetscStrallocpy(f->trait[c->column], &column));
    snprintf(label, sizeof(label), "residual%s%s", f->residual_by ? "." : "", f->residual_by ? f->residual[c->residual].label : "");
  }
  Cut(label);
  if ((c->term < 0 ? f->n_traits : f->term[c->term].n_components) == 1) snprintf(text, size, "%s", label);
  else if (c->row == c->column) snprintf(text, size, "%s %s", label, row);
  else snprintf(text, size, "%s %s, %s", label, row, column);
  PetscCall(PetscFree(row));
  PetscCall(PetscFree(column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Six digits, or "-" */
static const char *Number(double x, size_t size, char text[])
{
  if (isfinite(x)) snprintf(text, size, "%.6g", x);
  else snprintf(text, size, "-");
  return text;
}

/* "0.312 (0.041)", "0.312", "" */
static const char *Share(double share, double error, size_t size, char text[])
{
  text[0] = '\0';
  if (isfinite(share) && isfinite(error)) snprintf(text, size, "%.3f (%.3f)", share, error);
  else if (isfinite(share)) snprintf(text, size, "%.3f", share);
  return text;
}

/* The line of component i. The standard error is the square root of its variance and of what Monte Carlo
   adds; it is "-" where the component is fixed or at the boundary. */
static PetscErrorCode Row(const Varcomp *s, int i)
{
  static const char *const  notes[] = {"", "  fixed", "  at the boundary", "  negative"};
  const MeritVarcompResult *r       = &s->result;
  const double              own     = r->covariance ? r->covariance[i * r->n + i] : 0.0;
  char                      name[800], text[3][48], line[1000];
  int                       length;

  PetscFunctionBegin;
  PetscCall(Name(s, i, sizeof(name), name));
  length = snprintf(line, sizeof(line), "%-*s %13s %13s  %-15s%s", WIDTH, name, Number(r->estimate[i], sizeof(text[0]), text[0]),
                    Number(own > 0.0 && r->state[i] != MERIT_ESTIMATE_FIXED ? sqrt(own + (r->monte_carlo ? r->monte_carlo[i * r->n + i] : 0.0)) : NAN,
                           sizeof(text[1]), text[1]),
                    Share(r->share[i], r->share_error[i], sizeof(text[2]), text[2]), notes[r->state[i]]);
  /* Columns may be empty at the end of a line */
  while (length > 0 && line[length - 1] == ' ') line[--length] = '\0';
  MeritLog(MERIT_LOG_INFO, "%s", line);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompShow - See the header. Not collective; the lines of rank 0 are shown. */
PetscErrorCode VarcompShow(const Varcomp *s)
{
  const MeritVarcompResult *r     = &s->result;
  int                       shown = 0, left = 0;

  PetscFunctionBegin;
  MeritLog(MERIT_LOG_INFO, "%-*s %13s %13s  %s", WIDTH, "component", "estimate", "s.e.", "share of the phenotypic variance");
  for (int i = 0; i < r->n; i++) {
    const bool variance = r->component[i].row == r->component[i].column;

    if ((r->n > MOST && !variance) || shown == MOST) {
      left++;
      continue;
    }
    PetscCall(Row(s, i));
    shown++;
  }
  if (left) MeritLog(MERIT_LOG_INFO, "%d more in varcomp.tsv", left);
  for (int i = 0; i < s->n_functions; i++) {
    char text[2][48];

    MeritLog(MERIT_LOG_INFO, "%-*s %13s %13s", WIDTH, s->row[i].name, Number(s->row[i].estimate, sizeof(text[0]), text[0]),
             Number(s->row[i].se, sizeof(text[1]), text[1]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}
