#include "small.h"
#include <stdlib.h>
#include <string.h>

/* a regressor: class columns given by name (NULL: none), a covariate perhaps */
static void Regressor(const Small *s, SmallTerm *t, const char *name, const char *a, const char *b, const char *c, const char *covariate, int degree)
{
  SmallRegressor *r    = t->regressor + t->n_regressors++;
  const char *class[3] = {a, b, c};

  snprintf(r->name, sizeof(r->name), "%s", name);
  for (int i = 0; i < 3 && class[i]; i++) r->class_column[r->n_class++] = SmallColumnFind(s, class[i]);
  r->covariate = covariate ? SmallColumnFind(s, covariate) : -1;
  r->degree    = degree;
  r->low       = 5.0;
  r->high      = 305.0;
}

/* leg(dim, ..) of the degrees from..order, over class column `a` */
static void Legendre(const Small *s, SmallTerm *t, const char *a, int from, int order)
{
  for (int k = from; k <= order; k++) {
    char name[16];

    snprintf(name, sizeof(name), "leg%d", k);
    Regressor(s, t, name, a, NULL, NULL, "dim", k);
  }
}

/* Which regressors each trait has (the first `count[trait]`), and from it components */
static void Components(Small *s, SmallTerm *t, const int count[])
{
  for (int r = 0; r < t->n_regressors; r++)
    for (int k = 0; k < s->n_traits; k++) {
      if (r >= count[k]) continue;
      t->component_regressor[t->n_components] = r;
      t->component_trait[t->n_components++]   = k;
    }
}

static int *Everywhere(Small *s, const SmallTerm *t, double p, int count[])
{
  int some = 0;

  for (int k = 0; k < s->n_traits; k++) some += count[k] = DiceChance(&s->dice, s->everywhere ? 1.0 : p) ? t->n_regressors : 0;
  if (!some) count[DiceBelow(&s->dice, s->n_traits)] = t->n_regressors;
  return count;
}

static SmallTerm *Add(Small *s, SmallKind kind)
{
  SmallTerm *t = s->term + s->n_terms++;

  t->kind = kind;
  return t;
}

/* text with blanks (one after every + and comma) as users write it; the label of an unlabelled term has none */
static void Name(Small *s, SmallTerm *t, const char *label, const char *text, const int count[])
{
  int n = 0;

  for (const char *c = text; *c; c++)
    if (*c != ' ' && n < (int)sizeof(t->label) - 1) t->label[n++] = *c;
  t->label[n] = 0;
  if (label) snprintf(t->label, sizeof(t->label), "%s", label);
  for (int k = 0; k < s->n_traits; k++)
    if (count[k]) snprintf(t->text[k], sizeof(t->text[k]), "%s%s%s", label ? label : "", label ? " = " : "", text);
}

static void Fixed(Small *s, int what)
{
  SmallTerm *t = Add(s, SMALL_FIXED);
  int        count[SMALL_TRAITS], order = 1 + DiceBelow(&s->dice, 2);
  char       text[64];

  switch (what) {
  case SMALL_SEX:
    snprintf(text, sizeof(text), "sex"), Regressor(s, t, "1", "sex", NULL, NULL, NULL, -1);
    break;
  case SMALL_HERD:
    snprintf(text, sizeof(text), "herd"), Regressor(s, t, "1", "herd", NULL, NULL, NULL, -1);
    break;
  case SMALL_YEAR:
    snprintf(text, sizeof(text), "year"), Regressor(s, t, "1", "year", NULL, NULL, NULL, -1);
    break;
  case SMALL_AGE:
    snprintf(text, sizeof(text), "cov(age)"), Regressor(s, t, "1", NULL, NULL, NULL, "age", -1);
    break;
  case SMALL_SEX_AGE:
    snprintf(text, sizeof(text), "sex:cov(age)"), Regressor(s, t, "1", "sex", NULL, NULL, "age", -1);
    break;
  case SMALL_HERD_WT:
    snprintf(text, sizeof(text), "herd:cov(wt)"), Regressor(s, t, "1", "herd", NULL, NULL, "wt", -1);
    break;
  case SMALL_SEX_HERD:
    snprintf(text, sizeof(text), "sex:herd"), Regressor(s, t, "1", "sex", "herd", NULL, NULL, -1);
    break;
  case SMALL_HERD_YEAR_SEX:
    snprintf(text, sizeof(text), "herd:year:sex"), Regressor(s, t, "1", "herd", "year", "sex", NULL, -1);
    break;
  case SMALL_CURVE:
    snprintf(text, sizeof(text), "leg(dim, %d, 5, 305)", order + 1), Legendre(s, t, NULL, 1, order + 1);
    break;
  default:
    snprintf(text, sizeof(text), "sex:leg(dim, %d, 5, 305)", order), Legendre(s, t, "sex", 0, order);
    break;
  }
  Everywhere(s, t, 0.75, count);
  Components(s, t, count);
  Name(s, t, NULL, text, count);
}

/* G of the term: definite, or now and then of lower rank or with a component of no variance */
static void Variances(Small *s, SmallTerm *t, double scale)
{
  int n = t->n_components, rank = DiceChance(&s->dice, 0.15) && n > 1 ? 1 + DiceBelow(&s->dice, n - 1) : n;

  DiceCovariance(&s->dice, n, rank, scale * (0.2 + 2.0 * DiceUniform(&s->dice)), t->G);
  if (DiceChance(&s->dice, 0.1)) {
    int zero = DiceBelow(&s->dice, n);

    for (int i = 0; i < n; i++) t->G[zero * n + i] = t->G[i * n + zero] = 0.0;
  }
}

static void Iid(Small *s, int what)
{
  SmallTerm  *t = Add(s, SMALL_IID);
  int         count[SMALL_TRAITS];
  const char *text;
  char        name[16], *label = DiceChance(&s->dice, 0.3) ? name : NULL;

  snprintf(name, sizeof(name), "random%d", s->n_terms);
  switch (what) {
  case SMALL_IID_HERD:
    text = "iid(herd)", Regressor(s, t, "1", "herd", NULL, NULL, NULL, -1);
    break;
  case SMALL_IID_BULL:
    text = "iid(bull)", Regressor(s, t, "1", "bull", NULL, NULL, NULL, -1);
    break;
  case SMALL_IID_BULL_YEAR:
    text = "iid(bull:year)", Regressor(s, t, "1", "bull", "year", NULL, NULL, -1);
    break;
  case SMALL_IID_COW:
    text = "iid(cow)", Regressor(s, t, "1", "cow", NULL, NULL, NULL, -1);
    break;
  case SMALL_IID_BULL_DAYS:
    text = "iid(bull + bull:cov(days))";
    Regressor(s, t, "1", "bull", NULL, NULL, NULL, -1);
    Regressor(s, t, "days", "bull", NULL, NULL, "days", -1);
    break;
  case SMALL_IID_HERD_CURVE:
    text = "iid(herd:leg(dim, 1, 5, 305))", Legendre(s, t, "herd", 0, 1);
    break;
  default: /* one set of levels: the values of either column */
    text = "iid(cow + mum)";
    Regressor(s, t, "cow", "cow", NULL, NULL, NULL, -1);
    Regressor(s, t, "mum", "mum", NULL, NULL, NULL, -1);
    break;
  }
  Everywhere(s, t, 0.75, count);
  Components(s, t, count);
  Name(s, t, label, text, count);
  Variances(s, t, 10.0);
}

static void Ped(Small *s, int what)
{
  SmallTerm *t = Add(s, SMALL_PED);
  int        count[SMALL_TRAITS], order = s->n_traits > 2 ? 1 : 1 + DiceBelow(&s->dice, 2);

  if (what == SMALL_PED_COW) Regressor(s, t, "1", "cow", NULL, NULL, NULL, -1);
  if (what == SMALL_PED_COW_MUM) Regressor(s, t, "cow", "cow", NULL, NULL, NULL, -1), Regressor(s, t, "mum", "mum", NULL, NULL, NULL, -1);
  if (what == SMALL_PED_CURVE) Legendre(s, t, "cow", 0, order);
  if (what == SMALL_PED_DAYS) Regressor(s, t, "1", "cow", NULL, NULL, NULL, -1), Regressor(s, t, "days", "cow", NULL, NULL, "days", -1);
  Everywhere(s, t, 0.8, count);
  if (what == SMALL_PED_CURVE) {
    char text[64];

    Components(s, t, count);
    snprintf(text, sizeof(text), "ped(cow:leg(dim, %d, 5, 305))", order);
    Name(s, t, DiceChance(&s->dice, 0.5) ? "animal" : NULL, text, count);
  } else if (what != SMALL_PED_COW_MUM) {
    Components(s, t, count);
    Name(s, t, NULL, what == SMALL_PED_COW ? "ped(cow)" : "ped(cow + cow:cov(days))", count);
  } else { /* the first trait direct and maternal, the others perhaps direct only, under one label */
    int first = 1;

    for (int k = 0; k < s->n_traits; k++) {
      if (count[k] && !first && DiceChance(&s->dice, 0.4)) count[k] = 1;
      if (count[k]) first = 0;
    }
    Components(s, t, count);
    Name(s, t, "animal", "ped(cow + mum)", count);
    for (int k = 0; k < s->n_traits; k++)
      if (count[k] == 1) snprintf(t->text[k], sizeof(t->text[k]), "animal = ped(cow)");
  }
  Variances(s, t, 15.0);
}

static void Snp(Small *s, int what)
{
  static const char *const text[3] = {"snp(cow)", "snp(cow + cow:cov(days))", "snp(cow:leg(dim, 1, 5, 305))"};
  SmallTerm               *t       = Add(s, SMALL_SNP);
  int                      count[SMALL_TRAITS];

  s->centre = s->centre || what != SMALL_SNP_COW; /* slopes on genotypes that are not centred are all but dependent */
  if (what != SMALL_SNP_CURVE) Regressor(s, t, "1", "cow", NULL, NULL, NULL, -1);
  if (what == SMALL_SNP_DAYS) Regressor(s, t, "days", "cow", NULL, NULL, "days", -1);
  if (what == SMALL_SNP_CURVE) Legendre(s, t, "cow", 0, 1);
  Everywhere(s, t, 0.8, count);
  Components(s, t, count);
  Name(s, t, NULL, text[what], count);
  Variances(s, t, s->scale != 0 ? 20.0 : 1.5);
}

static void Ridge(Small *s, bool centre)
{
  SmallTerm *t = Add(s, SMALL_RIDGE);
  int        count[SMALL_TRAITS];

  Regressor(s, t, "1", NULL, NULL, NULL, NULL, -1);
  t->centre = centre;
  Everywhere(s, t, 0.8, count);
  Components(s, t, count);
  Name(s, t, NULL, centre ? "ridge(m1 + m2 + m3 + m4 + m5, centre)" : "ridge(m1 + m2 + m3 + m4 + m5)", count);
  Variances(s, t, 1.5);
}

/* the intercept: implied, written or absent, trait by trait; a trait without any other term, or with a plain leg(), has it */
static void Intercept(Small *s)
{
  SmallTerm *t = s->term;
  int        count[SMALL_TRAITS];

  Regressor(s, t, "1", NULL, NULL, NULL, NULL, -1);
  for (int k = 0; k < s->n_traits; k++) {
    int others = 0, legendre = 0;

    for (int i = 1; i < s->n_terms; i++) {
      others += s->term[i].text[k][0] != 0;
      legendre += strncmp(s->term[i].text[k], "leg", 3) == 0;
    }
    count[k] = DiceChance(&s->dice, 0.85) || !others || legendre;
    snprintf(t->text[k], sizeof(t->text[k]), "%s", !count[k] ? "0" : DiceChance(&s->dice, 0.5) || !others ? "1" : "");
  }
  snprintf(t->label, sizeof(t->label), "1");
  t->intercept = true;
  Components(s, t, count);
}

/* Order of first appearance over the formulas: that of the outputs and of what depends on what */
static void Order(Small *s)
{
  SmallTerm *sorted   = calloc(16, sizeof(*sorted));
  bool       done[16] = {false};
  int        n        = 0;

  for (int k = 0; k < s->n_traits; k++)
    for (int i = 0; i < s->n_terms; i++) {
      bool here = s->term[i].intercept ? strcmp(s->term[i].text[k], "0") != 0 : s->term[i].text[k][0] != 0;

      if (done[i] || !here) continue;
      done[i]     = true;
      sorted[n++] = s->term[i];
    }
  for (int i = 0; i < s->n_terms; i++)
    if (!done[i]) sorted[n++] = s->term[i]; /* an intercept that no trait has */
  memcpy(s->term, sorted, (size_t)n * sizeof(*sorted));
  free(sorted);
}

static void Replace(char *text, size_t size, const char *old, const char *new)
{
  char  out[512] = "";
  char *from     = text, *at;

  while ((at = strstr(from, old))) {
    *at = 0;
    strcat(strcat(out, from), new);
    from = at + strlen(old);
  }
  strcat(out, from);
  snprintf(text, size, "%s", out);
}

/* A column with another character in its name: it goes in backticks everywhere */
static void OddName(Small *s)
{
  snprintf(s->column[SmallColumnFind(s, "herd")].name, SMALL_TEXT, "herd no-1");
  for (int i = 0; i < s->n_terms; i++) {
    Replace(s->term[i].label, sizeof(s->term[i].label), "herd", "`herd no-1`");
    for (int k = 0; k < s->n_traits; k++) Replace(s->term[i].text[k], sizeof(s->term[i].text[k]), "herd", "`herd no-1`");
  }
}

SmallTerm *SmallTermAdd(Small *s, SmallKind kind, int what)
{
  if (kind == SMALL_FIXED) Fixed(s, what);
  if (kind == SMALL_IID) Iid(s, what);
  if (kind == SMALL_PED) Ped(s, what);
  if (kind == SMALL_SNP) Snp(s, what);
  if (kind == SMALL_RIDGE) Ridge(s, what == SMALL_RIDGE_CENTRED);
  return s->term + s->n_terms - 1;
}

void SmallTermsEnd(Small *s)
{
  Intercept(s);
  Order(s);
}

/* What is seldom seen in data, and once in five models here */
enum { NO_RANDOM, RESIDUAL_NEAR_0, RANDOM_INSIDE_FIXED, CROSSED, ALONE, RARE };

/* A class column of n levels, and a term of it */
static void Plain(Small *s, Dice *d, SmallKind kind, const char *name, int n)
{
  SmallTerm *t = Add(s, kind);
  int        count[SMALL_TRAITS], c = SmallColumnFind(s, name);
  char       text[64];

  if (c < 0) {
    c = SmallColumnAdd(s, name);
    for (int i = 0; i < s->n_records; i++) snprintf(s->column[c].cell[i], SMALL_TEXT, "%s%d", name, DiceBelow(d, n));
  }
  snprintf(text, sizeof(text), kind == SMALL_FIXED ? "%s" : "iid(%s)", name);
  Regressor(s, t, "1", name, NULL, NULL, NULL, -1);
  Everywhere(s, t, 0.75, count);
  Components(s, t, count);
  Name(s, t, NULL, text, count);
  if (kind == SMALL_IID) Variances(s, t, 10.0);
}

/* The first record has a level, and, where there are classes of the residual, a class of its own */
static void Alone(Small *s, Dice *d)
{
  const int T = s->n_traits;

  Plain(s, d, SMALL_FIXED, "own", 1);
  snprintf(s->column[SmallColumnFind(s, "own")].cell[0], SMALL_TEXT, "alone");
  if (s->residual_column < 0 || s->n_classes > 2) return;
  snprintf(s->class_label[s->n_classes], SMALL_TEXT, "%d", s->n_classes + 1);
  snprintf(s->column[s->residual_column].cell[0], SMALL_TEXT, "%s", s->class_label[s->n_classes]);
  DiceCovariance(d, T, T, 20.0, s->R + s->n_classes++ * T * T);
}

static void Rare(Small *s, Dice *d, int what)
{
  if (what == RESIDUAL_NEAR_0)
    for (int i = 0; i < 3 * SMALL_TRAITS * SMALL_TRAITS; i++) s->R[i] *= 1e-3;
  if (what == RANDOM_INSIDE_FIXED) Plain(s, d, SMALL_FIXED, "pen", 4), Plain(s, d, SMALL_IID, "pen", 4);
  if (what == CROSSED) Plain(s, d, SMALL_FIXED, "flock", s->n_records / 2), Plain(s, d, SMALL_FIXED, "judge", s->n_records / 2);
  if (what == ALONE) Alone(s, d);
}

void SmallDrawTerms(Small *s)
{
  Dice      d    = {s->dice.state ^ 0x9FB21C651E98DF25ULL}; /* of its own, so that the other models stay as they were */
  const int rare = DiceChance(&d, 0.2) ? DiceBelow(&d, RARE) : -1;
  int       fixed[SMALL_FIXED_KINDS], iid[SMALL_IID_KINDS];

  s->n_terms = 1;
  DiceShuffle(&s->dice, SMALL_FIXED_KINDS, fixed);
  DiceShuffle(&s->dice, SMALL_IID_KINDS, iid);
  for (int k = DiceBelow(&s->dice, 4); k > 0; k--) Fixed(s, fixed[k]);
  Rare(s, &d, rare);
  for (int k = DiceBelow(&s->dice, 3); k > 0 && rare != NO_RANDOM; k--) Iid(s, iid[k]);
  if (rare == NO_RANDOM) {
    SmallTermsEnd(s);
    return;
  }
  if (DiceChance(&s->dice, 0.6)) Ped(s, DiceBelow(&s->dice, SMALL_PED_KINDS));
  if (DiceChance(&s->dice, 0.35)) Snp(s, DiceChance(&s->dice, 0.7) ? SMALL_SNP_COW : 1 + DiceBelow(&s->dice, 2));
  if (DiceChance(&s->dice, 0.2)) Ridge(s, DiceChance(&s->dice, 0.5));
  SmallTermsEnd(s);
  if (DiceChance(&s->dice, 0.15)) OddName(s);
}
