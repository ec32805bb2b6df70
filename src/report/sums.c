/*
  The key `ebv`: named linear combinations of genetic values.

  Examples: "ped(cow) + snp(cow)", "animal.calf + 0.5*animal.dam" for every trait,
  "2*ped(cow)[milk] - 0.1*ped(cow)[scc]" over traits. Grammar: sum = [+|-] part {(+|-) part}; part
  = [number *] value [[row]] [* number | / number]; value = LABEL or LABEL.REGRESSOR. Since labels
  may hold any characters, a value is recognised by comparing the text with the labels of the
  model, the longest first.
*/
#include "report_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* State of the parser: the text from `at` on is still to be read, and the sum is filled part
   by part */
typedef struct {
  MeritReport report;
  MeritNode   node;
  const char *at;
  ReportSum  *sum;
} SumParser;

/* Skip blanks */
static void Blanks(SumParser *p)
{
  while (isspace((unsigned char)*p->at)) p->at++;
}

/* Position in the text, for errors */
static size_t Offset(const SumParser *p) { return (size_t)(p->at - p->node->text); }

/* Bytes at `at` that spell the word, blanks ignored in both; 0 if it is another text or the
   beginning of a longer name */
static size_t Spells(const char *at, const char *word)
{
  const char *begin = at;

  for (; *word; word++) {
    if (isspace((unsigned char)*word)) continue;
    while (isspace((unsigned char)*at)) at++;
    if (*at++ != *word) return 0;
  }
  /* "animal" must not match the beginning of "animal2" */
  if (at > begin && (isalnum((unsigned char)at[-1]) || at[-1] == '_') && (isalnum((unsigned char)*at) || strchr("_.", *at)) && *at) return 0;
  return (size_t)(at - begin);
}

/* Bytes that name LABEL or LABEL.REGRESSOR, plain or with the label in quotes or backticks; 0 if it
   is another name */
static size_t Named(const char *at, const char *label, const char *regressor)
{
  static const char *const ticks[] = {"", "`", "'", "\""};
  char                     name[1400];
  size_t                   n = 0;

  for (int t = 0; t < 4 && !n; t++) {
    snprintf(name, sizeof(name), "%s%s%s%s%s", ticks[t], label, ticks[t], regressor ? "." : "", regressor ? regressor : "");
    n = Spells(at, name);
  }
  return n;
}

/* The value named here, the longest that fits: *term, and *regressor or -1 if only the label is
   given. False if there is none. */
static bool FindValue(SumParser *p, int *term, int *regressor)
{
  const MeritFormula *f    = p->report->formula;
  size_t              best = 0;

  for (int t = 0; t < f->n_terms; t++)
    for (int g = -1; f->term[t].genetic && g < f->term[t].n_regressors; g++) {
      const size_t n = Named(p->at, f->term[t].label, g < 0 ? NULL : f->term[t].regressor[g].name);

      /* the longest name wins: LABEL.REGRESSOR before LABEL */
      if (n <= best) continue;
      best       = n;
      *term      = t;
      *regressor = g;
    }
  p->at += best;
  return best > 0;
}

/* Error for a name that is no value of the model; lists those that are */
static PetscErrorCode Unknown(SumParser *p)
{
  const MeritFormula *f         = p->report->formula;
  char                list[900] = "";
  size_t              used      = 0;

  PetscFunctionBegin;
  for (int t = 0; t < f->n_terms; t++)
    for (int g = 0; f->term[t].genetic && g < f->term[t].n_regressors && used + 1 < sizeof(list); g++)
      used += (size_t)snprintf(list + used, sizeof(list) - used, "%s`%s%s%s`", used ? ", " : "", f->term[t].label,
                               f->term[t].n_regressors > 1 ? "." : "", f->term[t].n_regressors > 1 ? f->term[t].regressor[g].name : "");
  if (!used) PetscCall(MeritNodeError(p->node, "ebv: the model has no term of breeding values, ped() or snp()"));
  PetscCall(MeritNodeErrorAt(p->node, Offset(p), "ebv: expected a breeding value of the model (%s), perhaps with a weight, like 0.5*%s", list,
                             strchr(list, ',') ? "LABEL" : list));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A bracket with a row, as varcomp.tsv names rows: TRAIT or TRAIT.REGRESSOR. Sets trait and
   regressor of the part. */
static PetscErrorCode Row(SumParser *p, ReportPart *part)
{
  const MeritFormula  *f         = p->report->formula;
  const MeritTermSpec *spec      = &f->term[part->term];
  char                 rows[600] = "";
  size_t               used = 0, length = strcspn(p->at + 1, "]");
  const char          *word = p->at + 1;

  PetscFunctionBegin;
  if (!word[length]) PetscCall(MeritNodeErrorAt(p->node, Offset(p), "ebv: the bracket is not closed"));
  while (length && isspace((unsigned char)*word)) word++, length--;
  while (length && isspace((unsigned char)word[length - 1])) length--;
  for (int c = 0; c < spec->n_components && part->trait < 0; c++) {
    char      *name;
    const int  trait = spec->component[c].trait, regressor = spec->component[c].regressor;
    const bool fits = part->regressor < 0 || part->regressor == regressor;

    PetscCall(MeritFormulaComponentName(f, part->term, c, &name));
    if (fits && used < sizeof(rows)) used += (size_t)snprintf(rows + used, sizeof(rows) - used, "%s%s", used ? ", " : "", name);
    if (fits && ((strlen(name) == length && !strncmp(name, word, length)) ||
                 (part->regressor >= 0 && strlen(f->trait[trait]) == length && !strncmp(f->trait[trait], word, length)))) {
      part->trait     = trait;
      part->regressor = regressor;
    }
    PetscCall(PetscFree(name));
  }
  if (part->trait < 0)
    PetscCall(MeritNodeErrorAt(p->node, Offset(p) + 1, "ebv: `%s` has no row `%.*s`; its rows are %s", spec->label, (int)length, word, rows));
  p->at += strcspn(p->at, "]") + 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A decimal number, if there is one here; not hexadecimal, nan or inf, which strtod would take */
static bool Number(SumParser *p, double *number)
{
  char *end;

  Blanks(p);
  if (!isdigit((unsigned char)*p->at) && *p->at != '.') return false;
  *number = strtod(p->at, &end);
  if (end == p->at || (p->at[0] == '0' && tolower((unsigned char)p->at[1]) == 'x')) return false;
  p->at = end;
  return true;
}

/* One part: [number *] value [row] [* number | / number] */
static PetscErrorCode Part(SumParser *p, double sign)
{
  ReportPart part   = {.regressor = -1, .trait = -1, .weight = sign};
  double     number = 1.0;

  PetscFunctionBegin;
  Blanks(p);
  if (p->sum->n == REPORT_PARTS) PetscCall(MeritNodeErrorAt(p->node, Offset(p), "ebv: more than %d values in one sum", REPORT_PARTS));
  /* a label may begin with a digit, so a value is tried before a number */
  if (!FindValue(p, &part.term, &part.regressor)) {
    if (Number(p, &number)) {
      Blanks(p);
      if (*p->at != '*') PetscCall(MeritNodeErrorAt(p->node, Offset(p), "ebv: expected `*` and a breeding value after a weight"));
      p->at++;
      Blanks(p);
    }
    part.weight *= number;
    if (!FindValue(p, &part.term, &part.regressor)) PetscCall(Unknown(p));
  }
  Blanks(p);
  if (*p->at == '[') PetscCall(Row(p, &part));
  /* with several regressors the label alone is ambiguous */
  else if (part.regressor < 0 && p->report->formula->term[part.term].n_regressors > 1) PetscCall(Unknown(p));
  if (part.regressor < 0) part.regressor = 0;
  Blanks(p);
  if (*p->at == '*' || *p->at == '/') {
    /* a weight behind the value */
    const bool divide = *p->at++ == '/';

    if (!Number(p, &number) || (divide && number == 0.0)) PetscCall(MeritNodeErrorAt(p->node, Offset(p), "ebv: expected a number here"));
    part.weight = divide ? part.weight / number : part.weight * number;
  }
  if (!isfinite(part.weight)) PetscCall(MeritNodeErrorAt(p->node, Offset(p), "ebv: the weight is too large"));
  p->sum->part[p->sum->n++] = part;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Either all parts of a sum name a trait, and the sum is one column over traits, or none does,
   and the sum is a column for each trait */
static PetscErrorCode CheckTraits(SumParser *p)
{
  PetscFunctionBegin;
  p->sum->over_traits = p->sum->part[0].trait >= 0;
  for (int i = 1; i < p->sum->n; i++)
    if ((p->sum->part[i].trait >= 0) != p->sum->over_traits)
      PetscCall(MeritNodeError(p->node, "ebv: either all values of '%s' name their trait, like %s[%s], or none does", p->node->text,
                               p->report->formula->term[p->sum->part[0].term].label, p->report->formula->trait[0]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One sum: signs and parts up to the end of the text. Not collective. */
static PetscErrorCode ParseSum(MeritReport report, MeritNode node, ReportSum *sum)
{
  SumParser p    = {.report = report, .node = node, .at = node->text, .sum = sum};
  double    sign = 1.0;

  PetscFunctionBegin;
  Blanks(&p);
  if (*p.at == '-' || *p.at == '+') sign = *p.at++ == '-' ? -1.0 : 1.0;
  while (true) {
    PetscCall(Part(&p, sign));
    Blanks(&p);
    if (*p.at != '+' && *p.at != '-') break;
    sign = *p.at++ == '-' ? -1.0 : 1.0;
  }
  if (*p.at) PetscCall(MeritNodeErrorAt(node, Offset(&p), "ebv: expected +, - or the end"));
  PetscCall(CheckTraits(&p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportSumsParse - See the header. Not collective. Errors: USAGE with line and column. */
PetscErrorCode ReportSumsParse(MeritReport report, MeritNode ebv)
{
  PetscFunctionBegin;
  if (ebv->kind != MERIT_NODE_MAP) PetscCall(MeritNodeError(ebv, "ebv: must be a map, such as {total: \"ped(cow) + snp(cow)\"}"));
  PetscCall(PetscCalloc1(ebv->n, &report->sum));
  for (int32_t i = 0; i < ebv->n; i++) {
    if (ebv->child[i]->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(ebv->child[i], "ebv.%s: must be a sum of labels", ebv->key[i]));
    for (int t = 0; t < report->formula->n_terms; t++)
      if (!strcmp(report->formula->term[t].label, ebv->key[i]))
        PetscCall(MeritNodeKeyError(ebv->child[i], "ebv.%s: a term has this label already; give the sum a name of its own", ebv->key[i]));
    PetscCall(PetscStrallocpy(ebv->key[i], &report->sum[i].name));
    /* counted before it is parsed, so that an error frees its name */
    report->n_sums = i + 1;
    PetscCall(ParseSum(report, ebv->child[i], &report->sum[i]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportSumCrossesTerms - Does a sum have values of more than one term? Not collective. */
bool ReportSumCrossesTerms(const ReportSum *sum)
{
  for (int i = 1; i < sum->n; i++)
    if (sum->part[i].term != sum->part[0].term) return true;
  return false;
}
