#include "small.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef char Label[3 * SMALL_TEXT + 4];

static int ByLabel(const void *a, const void *b) { return strcmp(a, b); }

static const char *Cell(const Small *s, int column, int record) { return s->column[column].cell[record]; }

/* cell of a regressor's class columns in a record, "a:b"; false if one is missing */
static bool ClassLabel(const Small *s, const SmallRegressor *r, int record, Label label)
{
  label[0] = 0;
  if (r->n_class == 0) snprintf(label, sizeof(Label), "1");
  for (int k = 0; k < r->n_class; k++) {
    const char *cell = Cell(s, r->class_column[k], record);

    if (!cell[0]) return false;
    if (k) strcat(label, ":");
    strcat(label, cell);
  }
  return true;
}

static double Coefficient(const Small *s, const SmallRegressor *r, int record)
{
  const char *cell;

  if (r->covariate < 0) return 1.0;
  cell = Cell(s, r->covariate, record);
  if (!cell[0]) return NAN;
  return r->degree < 0 ? strtod(cell, NULL) : DenseLegendre(r->degree, strtod(cell, NULL), r->low, r->high);
}

/* distinct sorted levels of a class term; also for the names of the results */
static int ClassLevels(const Small *s, const SmallTerm *t, Label **levels)
{
  Label *label = calloc((size_t)(s->n_records * t->n_regressors) + 1, sizeof(Label));
  int    n = 0, m = 0;

  for (int r = 0; r < t->n_regressors; r++)
    for (int i = 0; i < s->n_records; i++) n += ClassLabel(s, t->regressor + r, i, label[n]);
  qsort(label, (size_t)n, sizeof(Label), ByLabel);
  for (int i = 0; i < n; i++)
    if (i == 0 || strcmp(label[i], label[i - 1]) != 0) memmove(label[m++], label[i], sizeof(Label));
  *levels = label;
  return m;
}

static void FillClass(const Small *s, const SmallTerm *t, DenseTerm *e, Label *levels)
{
  for (int r = 0; r < t->n_regressors; r++)
    for (int i = 0; i < s->n_records; i++) {
      double *w = e->W[r] + i * e->n_levels, value = Coefficient(s, t->regressor + r, i);
      Label   label;
      bool    there = ClassLabel(s, t->regressor + r, i, label);
      Label  *at    = there ? bsearch(label, levels, (size_t)e->n_levels, sizeof(Label), ByLabel) : NULL;

      if (!at || isnan(value)) w[0] = NAN;
      else w[at - levels] = value;
    }
}

/* levels are all animals; an unknown parent as id contributes nothing, an id that is nowhere makes the record's trait missing */
static void FillPed(const Small *s, const SmallTerm *t, DenseTerm *e)
{
  for (int r = 0; r < t->n_regressors; r++)
    for (int i = 0; i < s->n_records; i++) {
      const char *cell  = Cell(s, t->regressor[r].class_column[0], i);
      double      value = Coefficient(s, t->regressor + r, i), *w = e->W[r] + i * e->n_levels;
      int         a = SmallAnimalFind(s, cell);

      if (!cell[0] || isnan(value) || (a >= s->n_animals && s->absent != SMALL_ABSENT_FOUNDER)) w[0] = NAN;
      else if (a >= 0) w[a] = value;
    }
  e->K = calloc((size_t)(e->n_levels * e->n_levels), sizeof(double));
  DenseRelationship(e->n_levels, s->sire, s->dam, e->K);
}

/* frequency of the counted allele over the calls, NaN if there are none */
static double Frequency(const Small *s, int snp)
{
  double sum = 0.0, calls = 0.0;

  for (int i = 0; i < s->n_geno; i++)
    if (s->code[i * s->n_snps + snp] != 3) sum += s->code[i * s->n_snps + snp], calls += 1.0;
  return sum / (2.0 * calls);
}

int SmallMarkers(const Small *s, double scale[], double **markers)
{
  double *M = calloc((size_t)(s->n_geno * s->n_snps), sizeof(double)), sum_2pq = 0.0, trace = 0.0, all;
  int     n = 0, column = 0;

  for (int j = 0; j < s->n_snps; j++) {
    double p = Frequency(s, j);

    scale[j] = p > 0.0 && p < 1.0 ? 1.0 : 0.0;
    if (scale[j] == 0.0) continue;
    sum_2pq += 2.0 * p * (1.0 - p);
    n++;
  }
  for (int j = 0; j < s->n_snps; j++) {
    double p = Frequency(s, j);

    if (scale[j] == 0.0) continue;
    for (int i = 0; i < s->n_geno; i++) {
      int code = s->code[i * s->n_snps + j];

      M[i * n + column] = (code == 3 ? 2.0 * p : code) - (s->centre ? 2.0 * p : 0.0);
      trace += M[i * n + column] * M[i * n + column] / s->n_geno;
    }
    if (s->scale == 2) scale[j] = 1.0 / sqrt(2.0 * p * (1.0 - p));
    column++;
  }
  all    = s->scale == 1 ? 1.0 / sqrt(sum_2pq) : s->scale == 3 ? 1.0 / sqrt(n) : s->scale == 4 ? 1.0 / sqrt(trace) : 1.0;
  column = 0;
  for (int j = 0; j < s->n_snps; j++) {
    scale[j] *= all;
    for (int i = 0; i < s->n_geno && scale[j] != 0.0; i++) M[i * n + column] *= scale[j];
    column += scale[j] != 0.0;
  }
  *markers = M;
  return n;
}

static void FillSnp(const Small *s, const SmallTerm *t, DenseTerm *e, const double *M)
{
  for (int r = 0; r < t->n_regressors; r++)
    for (int i = 0; i < s->n_records; i++) {
      const char *cell = Cell(s, t->regressor[r].class_column[0], i);
      double     *w = e->W[r] + i * e->n_levels, value = Coefficient(s, t->regressor + r, i);
      int         a = 0;

      while (a < s->n_geno && strcmp(s->geno_id[a], cell) != 0) a++;
      if (a == s->n_geno || isnan(value)) w[0] = NAN;
      for (int j = 0; j < e->n_levels && !isnan(w[0]); j++) w[j] = value * M[a * e->n_levels + j];
    }
}

/* columns m1 .. m5 as they are */
static void FillRidge(const Small *s, DenseTerm *e)
{
  int first = SmallColumnFind(s, "m1");

  for (int i = 0; i < s->n_records; i++)
    for (int j = 4; j >= 0; j--) {
      double *w = e->W[0] + i * 5;

      if (!Cell(s, first + j, i)[0]) {
        w[0] = NAN;
        break;
      }
      w[j] = strtod(Cell(s, first + j, i), NULL);
    }
}

/* subtract the means over the records that are used */
static void CentreRidge(const Small *s, const DenseModel *m, DenseTerm *e)
{
  int first = SmallColumnFind(s, "m1");

  for (int j = 4; j >= 0; j--) {
    double mean = 0.0;
    int    n    = 0;

    for (int i = 0; i < s->n_records; i++)
      if (Cell(s, first + j, i)[0] && DenseRecordUsed(m, i)) mean += strtod(Cell(s, first + j, i), NULL), n++;
    for (int i = 0; i < s->n_records; i++) e->W[0][i * 5 + j] -= n ? mean / n : 0.0;
  }
}

static void FillTerm(const Small *s, int k, DenseModel *m)
{
  const SmallTerm *t      = s->term + k;
  DenseTerm       *e      = m->term + k;
  bool             random = t->kind != SMALL_FIXED;
  Label           *levels = NULL;
  double          *M      = NULL;
  double          *scale  = calloc((size_t)s->n_snps, sizeof(double));
  int              n      = t->kind == SMALL_PED     ? s->n_animals + (s->absent == SMALL_ABSENT_FOUNDER ? s->n_extra : 0)
                            : t->kind == SMALL_SNP   ? SmallMarkers(s, scale, &M)
                            : t->kind == SMALL_RIDGE ? 5
                                                     : ClassLevels(s, t, &levels);

  DenseTermInit(m, k, random, n, t->n_regressors, t->n_components);
  e->first = t->intercept;
  memcpy(e->regressor, t->component_regressor, (size_t)t->n_components * sizeof(int));
  memcpy(e->trait, t->component_trait, (size_t)t->n_components * sizeof(int));
  if (random) memcpy(e->G, t->G, (size_t)(t->n_components * t->n_components) * sizeof(double));
  if (t->kind == SMALL_PED) FillPed(s, t, e);
  else if (t->kind == SMALL_SNP) FillSnp(s, t, e, M);
  else if (t->kind == SMALL_RIDGE) FillRidge(s, e);
  else FillClass(s, t, e, levels);
  free(levels), free(M), free(scale);
}

static int ResidualClass(const Small *s, int record)
{
  for (int c = 0; c < s->n_classes && s->residual_column >= 0; c++)
    if (strcmp(Cell(s, s->residual_column, record), s->class_label[c]) == 0) return c;
  return 0;
}

DenseModel *SmallDense(const Small *s)
{
  int         T = s->n_traits;
  DenseModel *m = DenseCreate(s->n_records, T, s->n_classes, s->n_terms);

  for (int i = 0; i < s->n_records; i++) {
    m->class[i] = ResidualClass(s, i);
    for (int t = 0; t < T; t++) {
      const char *cell = Cell(s, s->trait_column[t], i);

      m->y[i * T + t] = cell[0] ? strtod(cell, NULL) : NAN;
      if (s->weight_column[t] >= 0) m->weight[i * T + t] = strtod(Cell(s, s->weight_column[t], i), NULL);
    }
  }
  memcpy(m->R, s->R, (size_t)(s->n_classes * T * T) * sizeof(double));
  for (int k = 0; k < s->n_terms; k++) FillTerm(s, k, m);
  for (int k = 0; k < s->n_terms; k++)
    if (s->term[k].kind == SMALL_RIDGE && s->term[k].centre) CentreRidge(s, m, m->term + k);
  if (DenseSolve(m)) DenseDestroy(&m);
  return m;
}

/* position among the SNPs of the file of a column of M */
static int SnpOfColumn(const double scale[], int column)
{
  int j = -1;

  for (int n = -1; n < column;) n += scale[++j] != 0.0;
  return j;
}

/* name of a level in the outputs */
static void LevelName(const Small *s, const SmallTerm *t, const double scale[], Label *levels, int level, char name[], size_t size)
{
  if (t->kind == SMALL_PED) snprintf(name, size, "%s", s->animal[level]);
  else if (t->kind == SMALL_RIDGE) snprintf(name, size, "m%d", level + 1);
  else if (t->kind == SMALL_SNP) snprintf(name, size, s->form == SMALL_GENO_BED ? "rs%d" : "SNP%d", SnpOfColumn(scale, level) + 1);
  else snprintf(name, size, "%s", levels[level]);
}

static double Largest(const DenseTerm *e, int regressor, int n_records)
{
  double most = 0.0;

  for (int i = 0; i < n_records * e->n_levels; i++)
    if (!isnan(e->W[regressor][i])) most = fmax(most, fabs(e->W[regressor][i]));
  return most;
}

static void TermRows(const Small *s, const SmallTerm *t, const DenseTerm *e, const double scale[], SmallTable *table)
{
  Label *levels = NULL;

  if (t->kind == SMALL_FIXED || t->kind == SMALL_IID) ClassLevels(s, t, &levels);
  for (int i = 0; i < e->n_levels * e->n_components; i++) {
    int       c = i % e->n_components, l = i / e->n_components;
    SmallRow *row = table->row + table->n++;
    char      name[96];

    LevelName(s, t, scale, levels, l, name, sizeof(name));
    snprintf(row->key, sizeof(row->key), "%s\t%s\t%s\t%s", s->column[s->trait_column[e->trait[c]]].name, t->label, t->regressor[e->regressor[c]].name,
             name);
    row->solution = e->solution[i] * (t->kind == SMALL_SNP ? scale[SnpOfColumn(scale, l)] : 1.0); /* of one copy of the allele */
    row->se       = e->variance ? sqrt(fmax(e->variance[i], 0.0)) * (t->kind == SMALL_SNP ? fabs(scale[SnpOfColumn(scale, l)]) : 1.0) : NAN;
    if (e->variance && isnan(e->variance[i])) row->se = NAN;
    row->size    = Largest(e, e->regressor[c], s->n_records);
    row->n       = e->n[i];
    row->aliased = e->aliased[i];
  }
  free(levels);
}

SmallTable SmallDenseTable(const Small *s, const DenseModel *m)
{
  SmallTable table = {0, NULL};
  double    *scale = calloc((size_t)s->n_snps, sizeof(double)), *M;

  SmallMarkers(s, scale, &M);
  for (int k = 0; k < s->n_terms; k++) table.n += m->term[k].n_levels * m->term[k].n_components;
  table.row = calloc((size_t)table.n + 1, sizeof(*table.row));
  table.n   = 0;
  for (int k = 0; k < s->n_terms; k++) TermRows(s, s->term + k, m->term + k, scale, &table);
  free(scale), free(M);
  SmallTableSort(&table);
  return table;
}

/* expected value of a column of animals.tsv against the file: rows by id */
static double CompareAnimal(const Sheet *sheet, const char id[], const char column[], double expected, double scale)
{
  int row = SheetFind(sheet, 0, id), c = SheetColumn(sheet, column);

  if (c < 0) return INFINITY;
  if (row < 0) return fabs(expected) / scale; /* an animal that is nowhere in the run */
  if (strcmp(SheetCell(sheet, row, c), "NA") == 0) return INFINITY;
  return fabs(strtod(SheetCell(sheet, row, c), NULL) - expected) / scale;
}

double SmallCompareAnimals(const Small *s, const DenseModel *m, const Sheet *sheet, double floor)
{
  double *scale = calloc((size_t)s->n_snps, sizeof(double)), *M, worst = 0.0;
  int     n = SmallMarkers(s, scale, &M);

  for (int k = 0; k < s->n_terms; k++) {
    const DenseTerm *e = m->term + k;
    char             column[256];

    if (s->term[k].kind == SMALL_PED)
      for (int i = 0; i < e->n_levels; i++)
        worst = fmax(worst, CompareAnimal(sheet, s->animal[i], "inbreeding", e->K[i * e->n_levels + i] - 1.0, 1.0));
    for (int c = 0; c < e->n_components && s->term[k].kind == SMALL_SNP; c++) {
      double *g = calloc((size_t)s->n_geno, sizeof(double)), most = floor;

      for (int i = 0; i < s->n_geno; i++) {
        for (int j = 0; j < n; j++) g[i] += M[i * n + j] * e->solution[j * e->n_components + c];
        most = fmax(most, fabs(g[i]));
      }
      snprintf(column, sizeof(column), "%s.%s%s%s.ebv", s->column[s->trait_column[e->trait[c]]].name, s->term[k].label,
               e->n_regressors > 1 ? "." : "", e->n_regressors > 1 ? s->term[k].regressor[e->regressor[c]].name : "");
      for (int i = 0; i < s->n_geno; i++) worst = fmax(worst, CompareAnimal(sheet, s->geno_id[i], column, g[i], most));
      free(g);
    }
  }
  free(scale), free(M);
  return worst;
}

/* A row of an animal in the effects of a genetic term: itself, or its genotypes; false if it is not there */
static bool AnimalRow(const Small *s, const DenseModel *m, int k, const char id[], int n_used, const double M[], double w[])
{
  const bool ped = s->term[k].kind == SMALL_PED;

  memset(w, 0, (size_t)m->term[k].n_levels * sizeof(*w));
  for (int i = 0; i < (ped ? m->term[k].n_levels : s->n_geno); i++) {
    if (strcmp(ped ? s->animal[i] : s->geno_id[i], id) != 0) continue;
    for (int j = 0; j < m->term[k].n_levels; j++) w[j] = ped ? (double)(i == j) : M[i * n_used + j];
    return true;
  }
  return false;
}

/* Sum of w_i w_j times the prediction error (prior: prior) covariances of the components of a trait in two terms */
static double Quadratic(const DenseModel *m, int k, int c, const double w[], int l, int d, const double v[], bool prior)
{
  int    C = m->term[k].n_components, D = m->term[l].n_components;
  double sum = 0.0;

  for (int i = 0; i < m->term[k].n_levels; i++)
    for (int j = 0; j < m->term[l].n_levels && w[i] != 0.0; j++)
      if (v[j] != 0.0) sum += w[i] * v[j] * (prior ? DensePrior : DensePev)(m, k, i * C + c, l, j * D + d);
  return sum;
}

/* One column for every animal: 1 - w'PEV w / (w'K w G) over the parts (term[p], component[p]) of a sum */
static double CompareColumn(const Small *s, const DenseModel *m, const Sheet *sheet, const char column[], int n, const int term[],
                            const int component[], const double weight[], int n_used, const double M[])
{
  double *w[2] = {calloc(4096, sizeof(double)), calloc(4096, sizeof(double))}, worst = 0.0;

  for (int row = 0; row < sheet->n_rows; row++) {
    const char *id  = SheetCell(sheet, row, 0);
    double      pev = 0.0, prior = 0.0;
    bool        there = true;

    for (int p = 0; p < n; p++) there = there && AnimalRow(s, m, term[p], id, n_used, M, w[p]);
    for (int p = 0; p < n && there; p++)
      for (int q = 0; q < n; q++) {
        pev += weight[p] * weight[q] * Quadratic(m, term[p], component[p], w[p], term[q], component[q], w[q], false);
        prior += weight[p] * weight[q] * Quadratic(m, term[p], component[p], w[p], term[q], component[q], w[q], true);
      }
    if (prior > 0.0) worst = fmax(worst, CompareAnimal(sheet, id, column, 1.0 - pev / prior, 1.0));
  }
  free(w[0]), free(w[1]);
  return worst;
}

static int ComponentOfTrait(const DenseTerm *e, int trait)
{
  for (int c = 0; c < e->n_components; c++)
    if (e->trait[c] == trait) return c;
  return -1;
}

double SmallCompareReliabilities(const Small *s, const DenseModel *m, const Sheet *sheet)
{
  double *scale = calloc((size_t)s->n_snps, sizeof(double)), *M, worst = 0.0;
  int     n_used = SmallMarkers(s, scale, &M), sum[2], index = SmallIndex(s);
  double  one = 1.0;
  char    column[256];

  for (int k = 0; k < s->n_terms; k++) {
    const DenseTerm *e = m->term + k;

    for (int c = 0; c < e->n_components && (s->term[k].kind == SMALL_PED || s->term[k].kind == SMALL_SNP); c++) {
      snprintf(column, sizeof(column), "%s.%s%s%s.reliability", s->column[s->trait_column[e->trait[c]]].name, s->term[k].label,
               e->n_regressors > 1 ? "." : "", e->n_regressors > 1 ? s->term[k].regressor[e->regressor[c]].name : "");
      worst = fmax(worst, CompareColumn(s, m, sheet, column, 1, &k, &c, &one, n_used, M));
    }
  }
  for (int t = 0; t < s->n_traits && SmallSum(s, sum); t++) {
    const int component[2] = {ComponentOfTrait(m->term + sum[0], t), ComponentOfTrait(m->term + sum[1], t)};

    if (component[0] < 0 || component[1] < 0) continue;
    snprintf(column, sizeof(column), "%s.total.reliability", s->column[s->trait_column[t]].name);
    worst = fmax(worst, CompareColumn(s, m, sheet, column, 2, sum, component, small_weight, n_used, M));
  }
  if (index >= 0) {
    const int term[2] = {index, index}, component[2] = {0, m->term[index].n_components - 1};

    worst = fmax(worst, CompareColumn(s, m, sheet, "index.reliability", 2, term, component, small_weight, n_used, M));
  }
  free(scale), free(M);
  return worst;
}

const double small_weight[2] = {1.5, -0.25};

int SmallIndex(const Small *s)
{
  for (int k = 0; k < s->n_terms; k++)
    if (s->term[k].kind == SMALL_PED && s->term[k].n_components > 1) return k;
  return -1;
}

bool SmallSum(const Small *s, int term[2])
{
  term[0] = term[1] = -1;
  for (int k = 0; k < s->n_terms; k++)
    for (int i = 0; i < 2; i++)
      if (s->term[k].kind == (i ? SMALL_SNP : SMALL_PED) && s->term[k].n_regressors == 1 && term[i] < 0) term[i] = k;
  return term[0] >= 0 && term[1] >= 0;
}

double SmallCompareFitted(const Small *s, const DenseModel *m, const Sheet *sheet)
{
  double most = 0.0, worst = 0.0;
  int    n = 0, T = s->n_traits;

  for (int i = 0; i < s->n_records * T; i++)
    if (!isnan(m->fitted[i])) most = fmax(most, fabs(m->y[i])), n++;
  if (sheet->n_rows != n || sheet->n_columns != 5) return INFINITY;
  for (int r = 0; r < n; r++) {
    int line = atoi(SheetCell(sheet, r, 0)), t = 0;

    while (t < T && strcmp(s->column[s->trait_column[t]].name, SheetCell(sheet, r, 1)) != 0) t++;
    if (t == T || line < 2 || line > s->n_records + 1) return INFINITY;
    worst = fmax(worst, fabs(strtod(SheetCell(sheet, r, 3), NULL) - m->fitted[s->line_order[line - 2] * T + t]) / most);
  }
  return worst;
}
