/* The key `ebv`: named sums of genetic values, "ped(cow) + snp(cow)" or "animal.calf + animal.dam". */
#include "report_impl.h"
#include <ctype.h>
#include <string.h>

/* Copy without blanks */
static void Squeeze(const char *from, size_t length, char *to, size_t room)
{
  size_t n = 0;

  for (size_t i = 0; i < length && n + 1 < room; i++)
    if (!isspace((unsigned char)from[i])) to[n++] = from[i];
  to[n] = 0;
}

/* Does text name this regressor of the term: its label alone (a single regressor) or LABEL.REGRESSOR */
static bool Names(const MeritTermSpec *term, int regressor, const char text[])
{
  char   label[512];
  size_t n;

  Squeeze(term->label, strlen(term->label), label, sizeof(label));
  n = strlen(label);
  if (strncmp(text, label, n)) return false;
  if (!text[n]) return term->n_regressors == 1;
  return text[n] == '.' && !strcmp(text + n + 1, term->regressor[regressor].name);
}

/* What the sum could have named, for the message */
static PetscErrorCode Unknown(MeritReport report, MeritNode node, const char text[])
{
  char   list[1024] = "";
  size_t used       = 0;

  PetscFunctionBegin;
  for (int t = 0; t < report->formula->n_terms; t++) {
    const MeritTermSpec *term = &report->formula->term[t];

    for (int g = 0; ReportGenetic(term) && g < term->n_regressors && used + 1 < sizeof(list); g++)
      used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s%s%s", used ? ", " : "", term->label,
                               term->n_regressors > 1 ? "." : "",
                               term->n_regressors > 1 ? term->regressor[g].name : "");
  }
  if (!used) PetscCall(MeritNodeError(node, "ebv: the model has no genetic term to sum"));
  PetscFunctionReturn(
      MeritNodeError(node, "ebv: '%s' is no genetic value of the model; there are: %s", text, list));
}

static PetscErrorCode AddPart(MeritReport report, MeritNode node, ReportSum *sum, const char text[])
{
  PetscFunctionBegin;
  for (int t = 0; t < report->formula->n_terms; t++) {
    const MeritTermSpec *term = &report->formula->term[t];

    for (int g = 0; ReportGenetic(term) && g < term->n_regressors; g++) {
      if (!Names(term, g, text)) continue;
      if (sum->n == (int)PETSC_STATIC_ARRAY_LENGTH(sum->part))
        PetscCall(MeritNodeError(node, "ebv: more than 16 values in one sum"));
      sum->part[sum->n].term        = t;
      sum->part[sum->n++].regressor = g;
      PetscFunctionReturn(PETSC_SUCCESS);
    }
  }
  PetscCall(Unknown(report, node, text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode ParseSum(MeritReport report, MeritNode node, ReportSum *sum)
{
  const char *at = node->text;
  char        part[512];
  int         depth = 0;

  PetscFunctionBegin;
  for (const char *c = at;; c++) {
    if (*c == '(' || *c == ')') depth += *c == '(' ? 1 : -1;
    if (*c && (*c != '+' || depth > 0)) continue;
    Squeeze(at, (size_t)(c - at), part, sizeof(part));
    if (!part[0]) PetscCall(MeritNodeError(node, "ebv: a label is missing in '%s'", node->text));
    PetscCall(AddPart(report, node, sum, part));
    if (!*c) break;
    at = c + 1;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode ReportSumsParse(MeritReport report, MeritNode ebv)
{
  PetscFunctionBegin;
  if (ebv->kind != MERIT_NODE_MAP)
    PetscCall(MeritNodeError(ebv, "ebv: must be a map, such as {total: \"ped(cow) + snp(cow)\"}"));
  PetscCall(PetscCalloc1(ebv->n, &report->sum));
  for (int32_t i = 0; i < ebv->n; i++) {
    if (ebv->child[i]->kind != MERIT_NODE_SCALAR)
      PetscCall(MeritNodeError(ebv->child[i], "ebv.%s: must be a sum of labels", ebv->key[i]));
    for (int t = 0; t < report->formula->n_terms; t++)
      if (!strcmp(report->formula->term[t].label, ebv->key[i]))
        PetscCall(MeritNodeError(ebv->child[i],
                                 "ebv.%s: a term has this label already; give the sum a name of its own",
                                 ebv->key[i]));
    PetscCall(PetscStrallocpy(ebv->key[i], &report->sum[i].name));
    report->n_sums = i + 1;
    PetscCall(ParseSum(report, ebv->child[i], &report->sum[i]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}
