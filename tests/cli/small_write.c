#include "small.h"
#include <stdlib.h>
#include <string.h>

static FILE *Open(const char folder[], const char name[])
{
  char path[512];

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return fopen(path, "wb");
}

/* a missing cell in one of its forms */
static const char *Missing(int n)
{
  static const char *const word[3] = {"", "NA", "."};

  return word[n % 3];
}

static int WriteRecords(const Small *s, const char folder[])
{
  FILE *f = Open(folder, "records.csv");

  if (!f) return -1;
  for (int c = 0; c < s->n_columns; c++) fprintf(f, "%s%c", s->column[c].name, c + 1 < s->n_columns ? s->delimiter : '\n');
  for (int k = 0; k < s->n_records; k++)
    for (int c = 0; c < s->n_columns; c++) {
      const char *cell = s->column[c].cell[s->line_order[k]];

      fprintf(f, "%s%c", cell[0] ? cell : Missing(c + k), c + 1 < s->n_columns ? s->delimiter : '\n');
    }
  return fclose(f);
}

static int WritePedigree(const Small *s, const char folder[])
{
  FILE *f = Open(folder, "pedigree.csv");

  if (!f) return -1;
  fprintf(f, "id,sire,dam\n");
  for (int k = 0; k < s->n_animals; k++) {
    static const char *const unknown[4] = {"0", "", "NA", "."};
    int                      i          = s->ped_order[k];

    if (s->has_line[i])
      fprintf(f, "%s,%s,%s\n", s->animal[i], s->sire[i] < 0 ? unknown[i % 4] : s->animal[s->sire[i]],
              s->dam[i] < 0 ? unknown[(i + k) % 4] : s->animal[s->dam[i]]);
  }
  return fclose(f);
}

static int WriteText(const Small *s, const char folder[])
{
  FILE *f = Open(folder, "geno.txt");

  if (!f) return -1;
  for (int i = 0; i < s->n_geno; i++) {
    fprintf(f, "%s%s", s->geno_id[i], s->form == SMALL_GENO_STRING ? " " : "");
    for (int j = 0; j < s->n_snps; j++) {
      int code = s->code[i * s->n_snps + j];

      fprintf(f, "%s%d", s->form == SMALL_GENO_STRING ? "" : " ", code == 3 ? 5 : code);
    }
    fprintf(f, "\n");
  }
  return fclose(f);
}

/* PLINK 1: two bits an animal, SNP after SNP; 00 two copies of A1, 10 one, 11 none, 01 missing */
static int WritePlink(const Small *s, const char folder[])
{
  static const unsigned char bits[4]  = {3, 2, 0, 1};
  static const unsigned char magic[3] = {0x6c, 0x1b, 0x01};
  FILE                      *bed = Open(folder, "geno.bed"), *bim = Open(folder, "geno.bim"), *fam = Open(folder, "geno.fam");

  if (!bed || !bim || !fam) return -1;
  fwrite(magic, 1, 3, bed);
  for (int i = 0; i < s->n_geno; i++) fprintf(fam, "fam%d %s 0 0 0 -9\n", i, s->geno_id[i]);
  for (int j = 0; j < s->n_snps; j++) {
    fprintf(bim, "%d\trs%d\t0\t%d\tA\tC\n", 1 + j / 10, j + 1, 100 * (j + 1));
    for (int i = 0; i < s->n_geno; i += 4) {
      unsigned byte = 0;

      for (int k = 0; k < 4 && i + k < s->n_geno; k++) byte |= (unsigned)bits[s->code[(i + k) * s->n_snps + j]] << 2 * k;
      fputc((int)byte, bed);
    }
  }
  return fclose(bed) | fclose(bim) | fclose(fam);
}

int SmallWriteData(const Small *s, const char folder[])
{
  return WriteRecords(s, folder) | WritePedigree(s, folder) | (s->form == SMALL_GENO_BED ? WritePlink(s, folder) : WriteText(s, folder));
}

static void WriteMatrix(FILE *f, int n, const double A[])
{
  if (n == 1) fprintf(f, "%.17g", A[0]);
  for (int i = 0; i < n && n > 1; i++)
    for (int j = 0; j < n; j++) fprintf(f, "%s%.17g%s", j ? ", " : i ? "[" : "[[", A[i * n + j], j + 1 < n ? "" : i + 1 < n ? "], " : "]]");
}

static void WriteModel(const Small *s, FILE *f)
{
  fprintf(f, "model:\n");
  for (int k = 0; k < s->n_traits; k++) {
    int n = 0;

    fprintf(f, "  - \"%s ~ ", s->column[s->trait_column[k]].name);
    for (int i = 0; i < s->n_terms; i++)
      if (s->term[i].text[k][0]) fprintf(f, "%s%s", n++ ? " + " : "", s->term[i].text[k]);
    fprintf(f, "\"\n");
  }
}

/* A matrix as it is, or with what is said beside it */
static void WriteValue(FILE *f, int n, const double A[], const char *option)
{
  if (option) fprintf(f, "{%s, value: ", option);
  WriteMatrix(f, n, A);
  fprintf(f, option ? "}\n" : "\n");
}

static void WriteVariances(const Small *s, FILE *f)
{
  int T = s->n_traits;

  fprintf(f, "variances:\n");
  for (int i = 0; i < s->n_terms; i++) {
    if (s->term[i].kind == SMALL_FIXED) continue;
    fprintf(f, "  \"%s\": ", s->term[i].label);
    WriteValue(f, s->term[i].n_components, s->term[i].G, s->term[i].option);
  }
  if (s->residual_column < 0) {
    fprintf(f, "  residual: ");
    WriteValue(f, T, s->R, s->residual_option);
    return;
  }
  fprintf(f, "  residual:\n    by: %s\n", s->column[s->residual_column].name);
  if (s->residual_option) fprintf(f, "    %s\n", s->residual_option);
  fprintf(f, "    value:\n");
  for (int c = 0; c < s->n_classes; c++) {
    fprintf(f, "      %s: ", s->class_label[c]);
    WriteValue(f, T, s->R + c * T * T, NULL);
  }
}

static bool Uses(const Small *s, SmallKind kind)
{
  for (int i = 0; i < s->n_terms; i++)
    if (s->term[i].kind == kind) return true;
  return false;
}

/* [trait] or [trait.regressor] of a component */
static void WriteRow(const Small *s, const SmallTerm *t, int c, FILE *f)
{
  const bool several = t->n_regressors > 1;

  fprintf(f, "`%s`[%s%s%s]", t->label, s->column[s->trait_column[t->component_trait[c]]].name, several ? "." : "",
          several ? t->regressor[t->component_regressor[c]].name : "");
}

/* Sums of breeding values with weights: over two terms, and over the components of one */
static void WriteSums(const Small *s, FILE *f)
{
  int        sum[2];
  const bool total = SmallSum(s, sum);
  const int  index = SmallIndex(s);

  if (total || index >= 0) fprintf(f, "ebv:\n");
  if (total) fprintf(f, "  total: \"%g*%s - %s / %g\"\n", small_weight[0], s->term[sum[0]].label, s->term[sum[1]].label, -1.0 / small_weight[1]);
  if (index < 0) return;
  fprintf(f, "  index: \"%g * ", small_weight[0]);
  WriteRow(s, s->term + index, 0, f);
  fprintf(f, " - %g*", -small_weight[1]);
  WriteRow(s, s->term + index, s->term[index].n_components - 1, f);
  fprintf(f, "\"\n");
}

int SmallWriteJob(const Small *s, const char folder[], const char name[], const char solver[])
{
  static const char *const absent[3] = {"error", "founder", "drop"};
  static const char *const scale[5]  = {"none", "vanraden", "standardised", "count", "trace"};
  char                     file[64];
  FILE                    *f;

  snprintf(file, sizeof(file), "%s.yaml", name);
  f = Open(folder, file);
  if (!f) return -1;
  fprintf(f, "records:\n  file: records.csv\n");
  if (s->weight_column[0] >= 0 && strcmp(s->column[s->weight_column[0]].name, "w") == 0) fprintf(f, "  weight: w\n");
  else if (s->weight_column[0] >= 0) {
    fprintf(f, "  weight: {");
    for (int t = 0; t < s->n_traits; t++)
      fprintf(f, "%s%s: %s", t ? ", " : "", s->column[s->trait_column[t]].name, s->column[s->weight_column[t]].name);
    fprintf(f, "}\n");
  }
  if (Uses(s, SMALL_PED)) fprintf(f, "pedigree:\n  file: pedigree.csv\n  absent: %s\n", absent[s->absent]);
  if (Uses(s, SMALL_SNP))
    fprintf(f, "genotypes:\n  %s\n  scale: %s\n  centre: %s\n", s->form == SMALL_GENO_BED ? "bfile: geno" : "text: geno.txt", scale[s->scale],
            s->centre ? "observed" : "none");
  if (Uses(s, SMALL_SNP) && s->grid > 0) fprintf(f, "  grid: %d\n", s->grid);
  WriteModel(s, f);
  WriteVariances(s, f);
  WriteSums(s, f);
  fprintf(f, "solver: %s\noutput: {folder: %s.out, fitted: yes, se: %s}\n", solver, name, strstr(solver, "cholesky") ? "yes" : "no");
  return fclose(f);
}
