#include "small.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t Throw(Dice *d)
{
  uint64_t z = d->state += 0x9E3779B97F4A7C15ULL; /* splitmix64 (Steele, Lea and Flood, 2014) */

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

double DiceUniform(Dice *d) { return ((double)(Throw(d) >> 11) + 0.5) / 9007199254740992.0; }

double DiceNormal(Dice *d)
{
  double u = DiceUniform(d), v = DiceUniform(d);

  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

bool DiceChance(Dice *d, double p) { return DiceUniform(d) < p; }

int DiceBelow(Dice *d, int n) { return (int)(DiceUniform(d) * n); }

void DiceShuffle(Dice *d, int n, int order[])
{
  for (int i = 0; i < n; i++) order[i] = i;
  for (int i = n - 1; i > 0; i--) {
    int j = DiceBelow(d, i + 1), k = order[i];

    order[i] = order[j];
    order[j] = k;
  }
}

void DiceCovariance(Dice *d, int n, int rank, double scale, double G[])
{
  double B[SMALL_COMPONENTS * SMALL_COMPONENTS];

  for (int i = 0; i < n * rank; i++) B[i] = 0.3 * DiceNormal(d);
  for (int i = 0; i < n && i < rank; i++) B[i * rank + i] += 1.0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      double s = 0.0;

      for (int k = 0; k < rank; k++) s += B[i * rank + k] * B[j * rank + k];
      G[i * n + j] = G[j * n + i] = scale * s;
    }
}

int SmallColumnFind(const Small *s, const char name[])
{
  for (int c = 0; c < s->n_columns; c++)
    if (strcmp(s->column[c].name, name) == 0) return c;
  return -1;
}

int SmallColumnAdd(Small *s, const char name[])
{
  SmallColumn *c = s->column + s->n_columns;

  snprintf(c->name, sizeof(c->name), "%s", name);
  c->cell = calloc((size_t)s->n_records + 1, sizeof(SmallText));
  return s->n_columns++;
}

int SmallAnimalFind(const Small *s, const char id[])
{
  for (int i = 0; i < s->n_animals + s->n_extra; i++)
    if (strcmp(s->animal[i], id) == 0) return i;
  return -1;
}

/* a class column with n levels; labels of one of a few styles, as users write them */
static void DrawClass(Small *s, const char name[], const char *const labels[], int n, double missing)
{
  static const char *const style[4] = {"%d", "c%d", "%03d", "L-%d x"};
  const char              *form     = style[DiceBelow(&s->dice, 4)];
  int                      c = SmallColumnAdd(s, name), shift = DiceBelow(&s->dice, 9);

  for (int i = 0; i < s->n_records; i++) {
    int level = DiceBelow(&s->dice, n);

    if (DiceChance(&s->dice, missing)) continue;
    if (labels) snprintf(s->column[c].cell[i], SMALL_TEXT, "%s", labels[level]);
    else snprintf(s->column[c].cell[i], SMALL_TEXT, form, level + shift);
  }
}

static void DrawNumber(Small *s, const char name[], double low, double high, const char form[], double missing)
{
  int c = SmallColumnAdd(s, name);

  for (int i = 0; i < s->n_records; i++) {
    double v = low + (high - low) * DiceUniform(&s->dice);

    if (DiceChance(&s->dice, missing)) continue;
    snprintf(s->column[c].cell[i], SMALL_TEXT, form, v);
  }
}

/* inbred, in birth order inside: even numbers are males; founders may have no line; labels in one of a few styles */
static void DrawPedigree(Small *s)
{
  static const char *const style[3] = {"A%d", "%d", "cow_%03d"};
  const char              *form     = style[DiceBelow(&s->dice, 3)];
  int                      n, back = 6 + DiceBelow(&s->dice, 20);
  bool                    *parent;

  if (!s->n_animals) s->n_animals = 20 + DiceBelow(&s->dice, 41);
  s->absent    = (SmallAbsent)DiceBelow(&s->dice, 3);
  s->n_extra   = s->absent == SMALL_ABSENT_ERROR ? 0 : 2;
  n            = s->n_animals + s->n_extra;
  s->animal    = calloc((size_t)n, sizeof(SmallText));
  s->sire      = calloc((size_t)n, sizeof(int));
  s->dam       = calloc((size_t)n, sizeof(int));
  s->has_line  = calloc((size_t)n, sizeof(bool));
  s->ped_order = calloc((size_t)n, sizeof(int));
  parent       = calloc((size_t)n, sizeof(bool));
  for (int i = 0; i < n; i++) {
    int from = i > back ? i - back : 0;

    snprintf(s->animal[i], SMALL_TEXT, form, i + 1 + (i >= s->n_animals ? 1000 : 0));
    s->sire[i] = s->dam[i] = -1;
    if (i < 6 || i >= s->n_animals) continue;
    if (DiceChance(&s->dice, 0.8)) s->sire[i] = (from + DiceBelow(&s->dice, i - from - 1)) / 2 * 2;
    if (DiceChance(&s->dice, 0.8)) s->dam[i] = (from + DiceBelow(&s->dice, i - from - 1)) / 2 * 2 + 1;
    if (s->dam[i] >= i) s->dam[i] -= 2;
    if (s->sire[i] >= 0) parent[s->sire[i]] = true;
    if (s->dam[i] >= 0) parent[s->dam[i]] = true;
  }
  for (int i = 0; i < s->n_animals; i++) s->has_line[i] = s->sire[i] >= 0 || s->dam[i] >= 0 || !parent[i] || DiceChance(&s->dice, 0.5);
  DiceShuffle(&s->dice, s->n_animals, s->ped_order);
  free(parent);
}

/* cow, its dam (perhaps unknown) and its sire as columns */
static void DrawIds(Small *s)
{
  int cow = SmallColumnAdd(s, "cow"), mum = SmallColumnAdd(s, "mum"), bull = SmallColumnAdd(s, "bull");

  for (int i = 0; i < s->n_records; i++) {
    int  a     = DiceBelow(&s->dice, s->n_animals + s->n_extra);
    bool other = DiceChance(&s->dice, 0.1); /* a foster mother */
    int  m     = other ? DiceBelow(&s->dice, s->n_animals) : s->dam[a];

    if (DiceChance(&s->dice, 0.97)) snprintf(s->column[cow].cell[i], SMALL_TEXT, "%s", s->animal[a]);
    snprintf(s->column[mum].cell[i], SMALL_TEXT, "%s", m >= 0 ? s->animal[m] : "0");
    snprintf(s->column[bull].cell[i], SMALL_TEXT, "b%d", s->sire[a] >= 0 ? s->sire[a] : DiceBelow(&s->dice, 6));
  }
}

/* some animals of the pedigree and some others; now and then more rows than one block of the store */
static void DrawGenotypes(Small *s)
{
  int extra = DiceChance(&s->dice, 0.1) ? 300 + DiceBelow(&s->dice, 500) : DiceBelow(&s->dice, 10), n = 0;

  s->n_snps  = 12 + DiceBelow(&s->dice, 50);
  s->geno_id = calloc((size_t)(s->n_animals + extra), sizeof(SmallText));
  for (int i = 0; i < s->n_animals; i++)
    if (DiceChance(&s->dice, 0.85)) memcpy(s->geno_id[n++], s->animal[i], SMALL_TEXT);
  for (int i = 0; i < extra; i++) snprintf(s->geno_id[n++], SMALL_TEXT, "g%d", i);
  s->n_geno = n;
  s->code   = calloc((size_t)(n * s->n_snps), 1);
  for (int j = 0; j < s->n_snps; j++) {
    double p = DiceChance(&s->dice, 0.08) ? (double)DiceBelow(&s->dice, 2) : 0.05 + 0.9 * DiceUniform(&s->dice);

    for (int i = 0; i < n; i++) {
      int a = DiceChance(&s->dice, p), b = DiceChance(&s->dice, p);

      s->code[i * s->n_snps + j] = (int8_t)(DiceChance(&s->dice, 0.04) ? 3 : a + b);
    }
  }
  s->form   = (SmallGenoForm)DiceBelow(&s->dice, 3);
  s->scale  = DiceBelow(&s->dice, 5);
  s->centre = DiceChance(&s->dice, 0.7);
}

/* R of every class */
static void DrawResidual(Small *s)
{
  for (int c = 0; c < s->n_classes; c++)
    DiceCovariance(&s->dice, s->n_traits, s->n_traits, 10.0 + 20.0 * DiceUniform(&s->dice), s->R + c * s->n_traits * s->n_traits);
}

void SmallDrawClasses(Small *s, int n)
{
  s->n_classes       = n;
  s->residual_column = SmallColumnAdd(s, "parity");
  for (int c = 0; c < n; c++) snprintf(s->class_label[c], SMALL_TEXT, "%d", c + 1);
  for (int i = 0; i < s->n_records; i++) snprintf(s->column[s->residual_column].cell[i], SMALL_TEXT, "%s", s->class_label[DiceBelow(&s->dice, n)]);
  DrawResidual(s);
}

/* traits with missing values, weights and residual classes */
static void DrawTraits(Small *s)
{
  bool   own    = DiceChance(&s->dice, 0.5);
  double absent = s->n_traits > 1 ? 0.25 * DiceUniform(&s->dice) : 0.03;
  bool   apart  = s->n_traits > 1 && DiceChance(&s->dice, 0.1); /* the first two are never on one line */
  int    w      = DiceBelow(&s->dice, 3);                       /* none, one, per trait */

  if (w == 1) DrawNumber(s, "w", 0.3, 4.0, "%.2f", 0.0);
  for (int t = 0; t < s->n_traits && w == 1; t++) s->weight_column[t] = s->n_columns - 1;
  for (int t = 0; t < s->n_traits; t++) {
    static const char *const name[SMALL_TRAITS] = {"milk", "fat", "prot", "y4"};
    double                   mean = 100.0 * DiceNormal(&s->dice), sd = 1.0 + 9.0 * DiceUniform(&s->dice);

    s->trait_column[t] = SmallColumnAdd(s, name[t]);
    for (int i = 0; i < s->n_records; i++)
      if (!DiceChance(&s->dice, absent) && !(apart && t < 2 && i % 2 == t))
        snprintf(s->column[s->trait_column[t]].cell[i], SMALL_TEXT, "%.3f", mean + sd * DiceNormal(&s->dice));
    if (w == 2) {
      SmallText weight;

      snprintf(weight, sizeof(weight), "w%d", t + 1);
      DrawNumber(s, weight, 0.3, 4.0, "%.2f", 0.0);
      s->weight_column[t] = s->n_columns - 1;
    }
  }
  s->n_classes = 1;
  if (own && s->n_records > 20) {
    SmallDrawClasses(s, 2 + DiceBelow(&s->dice, 2));
    return;
  }
  DrawResidual(s);
}

static void DrawColumns(Small *s)
{
  static const char *const sex[2] = {"M", "F"};

  DrawClass(s, "sex", sex, 2, 0.02);
  DrawClass(s, "herd", NULL, 3 + DiceBelow(&s->dice, 4), 0.03);
  DrawClass(s, "year", NULL, 2 + DiceBelow(&s->dice, 3), 0.02);
  DrawNumber(s, "age", 20.0, 60.0, "%.1f", 0.03);
  DrawNumber(s, "wt", 300.0, 700.0, "%.0f", 0.03);
  DrawNumber(s, "days", 0.0, 9.0, "%.0f", 0.02);
  DrawNumber(s, "dim", 5.0, 305.0, "%.1f", 0.02);
  for (int j = 0; j < 5; j++) {
    SmallText name;

    snprintf(name, sizeof(name), "m%d", j + 1);
    DrawNumber(s, name, 0.0, 2.0, "%.0f", 0.01);
  }
}

static Small *Begin(uint64_t seed, int number)
{
  Small *s = calloc(1, sizeof(*s));

  s->dice.state = seed * 0xD1342543DE82EF95ULL + (uint64_t)(uint32_t)number * 0x2545F4914F6CDD1DULL;
  return s;
}

/* All but the terms */
static void DrawData(Small *s)
{
  s->delimiter       = ",;\t"[DiceBelow(&s->dice, 3)];
  s->residual_column = -1;
  for (int t = 0; t < SMALL_TRAITS; t++) s->weight_column[t] = -1;
  DrawColumns(s);
  DrawPedigree(s);
  DrawIds(s);
  DrawGenotypes(s);
  DrawTraits(s);
  s->line_order = calloc((size_t)s->n_records, sizeof(int));
  DiceShuffle(&s->dice, s->n_records, s->line_order);
}

Small *SmallDraw(uint64_t seed, int number)
{
  Small *s = Begin(seed, number);
  double kind;

  kind         = DiceUniform(&s->dice);
  s->n_records = DiceChance(&s->dice, 0.05) ? 100 + DiceBelow(&s->dice, 100) : 12 + DiceBelow(&s->dice, 60);
  s->n_traits  = kind < 0.45 ? 1 : kind < 0.7 ? 2 : kind < 0.9 ? 3 : 4;
  DrawData(s);
  SmallDrawTerms(s);
  return s;
}

Small *SmallDrawSized(uint64_t seed, int number, int n_records, int n_traits, int n_animals)
{
  Small *s = Begin(seed, number);

  s->n_records  = n_records;
  s->n_traits   = n_traits;
  s->n_animals  = n_animals;
  s->everywhere = true;
  DrawData(s);
  s->n_terms = 1; /* the intercept */
  return s;
}

void SmallDestroy(Small **small)
{
  Small *s = *small;

  if (!s) return;
  for (int c = 0; c < s->n_columns; c++) free(s->column[c].cell);
  free(s->line_order), free(s->animal), free(s->sire), free(s->dam), free(s->has_line), free(s->ped_order);
  free(s->geno_id), free(s->code);
  free(s);
  *small = NULL;
}
