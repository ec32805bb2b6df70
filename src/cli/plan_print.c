/*
  What the data of a job are, as tables for people: columns, traits, terms, variances, animals and
  what was left out. Summaries come from src/report; sums over animals are made here. Each function
  appends to a text that grows on all ranks alike, and rank 0 prints it.
*/
#include "plan_impl.h"
#include <math.h>
#include <string.h>

/* A row for one column of the records file and what it is used for. A column used in several ways
   has a row for each; a row that is there already is not repeated. */
static PetscErrorCode Column(const char name[], const char how[], MeritText *text)
{
  char line[512];

  PetscFunctionBegin;
  snprintf(line, sizeof(line), "  %-24s %s\n", name, how);
  /* Other terms may use the column in the same way */
  if (text->at && memmem(text->at, text->n, line, strlen(line))) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritTextAdd(text, "%s", line));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns that a term names: classes (ids, where it is genetic) and covariates of all its
   regressors */
static PetscErrorCode TermColumns(const MeritTermSpec *term, MeritText *text)
{
  PetscFunctionBegin;
  for (int g = 0; g < term->n_regressors; g++) {
    const MeritRegressorSpec *r = &term->regressor[g];

    for (int c = 0; c < r->n_class; c++) PetscCall(Column(r->class_column[c], term->genetic ? "id (text)" : "class (text)", text));
    if (r->column)
      PetscCall(Column(r->column, r->covariate == MERIT_COVARIATE_LEGENDRE ? "covariate of polynomials (number)" : "covariate (number)", text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanColumns - See the header. Not collective. Rows are collected in a text of their own, so that
   the search for repeated ones sees no other table. records.weight is one column for all traits, or
   a map with a column for each. */
PetscErrorCode PlanColumns(const MeritFormula *formula, MeritNode job, MeritText *text)
{
  MeritNode weight = MeritNodeFind(job, "records.weight");
  MeritText rows   = {0};

  PetscFunctionBegin;
  for (int t = 0; t < formula->n_traits; t++) PetscCall(Column(formula->trait[t], "trait (number)", &rows));
  for (int t = 0; t < formula->n_terms; t++) PetscCall(TermColumns(&formula->term[t], &rows));
  if (formula->residual_by) PetscCall(Column(formula->residual_by, "residual class (text)", &rows));
  if (weight && weight->kind == MERIT_NODE_SCALAR) PetscCall(Column(weight->text, "weight (number)", &rows));
  for (int32_t i = 0; weight && weight->kind == MERIT_NODE_MAP && i < weight->n; i++)
    PetscCall(Column(weight->child[i]->text ? weight->child[i]->text : "", "weight (number)", &rows));
  PetscCall(MeritTextAdd(text, "columns of the records\n"));
  PetscCall(MeritTextAddBytes(text, rows.at, rows.n));
  MeritTextFree(&rows);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanTraits - See the header. Collective. */
PetscErrorCode PlanTraits(MeritReport report, const MeritFormula *formula, MeritText *text)
{
  const MeritTraitSummary *traits;

  PetscFunctionBegin;
  PetscCall(MeritReportTraits(report, &traits));
  PetscCall(MeritTextAdd(text, "\ntraits\n  %-24s %12s %12s %12s %12s %12s %12s\n", "name", "n", "missing", "mean", "sd", "min", "max"));
  for (int t = 0; t < formula->n_traits; t++)
    PetscCall(MeritTextAdd(text, "  %-24s %12lld %12lld %12.6g %12.6g %12.6g %12.6g\n", traits[t].name, (long long)traits[t].n,
                           (long long)traits[t].n_missing, traits[t].mean, traits[t].sd, traits[t].min, traits[t].max));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanTerms - See the header. Collective. Equations count the aliased ones too, which are redundant
   and get the solution 0, but not the absent ones. */
PetscErrorCode PlanTerms(MeritReport report, const MeritFormula *formula, MeritText *text)
{
  const MeritTermSummary *terms;
  int64_t                 equations = 0, aliased = 0;

  PetscFunctionBegin;
  PetscCall(MeritReportTerms(report, &terms));
  PetscCall(MeritTextAdd(text, "\nmodel\n  %-24s %-6s %12s %12s %12s  %s\n", "term", "kind", "levels", "equations", "aliased", "components"));
  for (int t = 0; t < formula->n_terms; t++) {
    const MeritTermSpec *spec = &formula->term[t];

    PetscCall(MeritTextAdd(text, "  %-24s %-6s %12lld %12lld %12lld ", spec->label, MeritStructureWord(spec->kind), (long long)terms[t].n_levels,
                           (long long)terms[t].equations, (long long)terms[t].aliased));
    for (int c = 0; c < spec->n_components; c++) {
      char *name;

      PetscCall(MeritFormulaComponentName(formula, t, c, &name));
      PetscCall(MeritTextAdd(text, "%s%s", c ? ", " : " ", name));
      PetscCall(PetscFree(name));
    }
    PetscCall(MeritTextAdd(text, "\n"));
    equations += terms[t].equations;
    aliased += terms[t].aliased;
  }
  PetscCall(MeritTextAdd(text, "  %-24s %-6s %12s %12lld %12lld\n", "in all", "", "", (long long)equations, (long long)aliased));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A covariance matrix G [n * n], row-major, with its rows named. Without numbers where the job does
   not give it, since varcomp chooses its start from the data. */
static PetscErrorCode Matrix(const char label[], bool given, int n, char *const rows[], const double G[], MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "  %s%s\n", label, given ? "" : ": to be estimated, the start comes from the data"));
  for (int i = 0; i < n; i++) {
    PetscCall(MeritTextAdd(text, "    %-22s", rows[i]));
    for (int j = 0; j < n && given; j++) PetscCall(MeritTextAdd(text, " %12.6g", G[i * n + j]));
    PetscCall(MeritTextAdd(text, "\n"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanVariances - See the header. Random terms in the order of the formula, then residual classes.
   Not collective. */
PetscErrorCode PlanVariances(const MeritFormula *formula, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "\nvariances, in component order\n"));
  for (int t = 0; t < formula->n_terms; t++) {
    const MeritTermSpec *spec = &formula->term[t];
    char               **names;

    /* Fixed terms have no variance */
    if (!spec->G) continue;
    PetscCall(PetscCalloc1(spec->n_components, &names));
    for (int c = 0; c < spec->n_components; c++) PetscCall(MeritFormulaComponentName(formula, t, c, &names[c]));
    PetscCall(Matrix(spec->label, spec->given, spec->n_components, names, spec->G, text));
    for (int c = 0; c < spec->n_components; c++) PetscCall(PetscFree(names[c]));
    PetscCall(PetscFree(names));
  }
  for (int r = 0; r < formula->n_residuals; r++) {
    char label[300];

    snprintf(label, sizeof(label), formula->residual_by ? "residual, %s %s" : "residual", formula->residual_by, formula->residual[r].label);
    PetscCall(Matrix(label, formula->residual[r].given, formula->n_traits, formula->trait, formula->residual[r].R, text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Animals, founders (both parents unknown), and inbreeding coefficients F. Each rank sums over the
   block of animals whose lines it holds; the sums are added over ranks. Collective. */
static PetscErrorCode Pedigree(MeritModel model, MeritPedigree ped, MeritText *text)
{
  const double  *F, *d;
  const int64_t *sire, *dam;
  int64_t        first, n_local, n_animals, no_line, duplicates, count[2] = {0, 0};
  double         sum = 0, most = 0;
  MPI_Comm       comm = MeritModelComm(model);

  PetscFunctionBegin;
  PetscCall(MeritPedigreeSetUp(ped));
  PetscCall(MeritPedigreeSize(ped, &n_animals, &no_line, &duplicates));
  PetscCall(MeritPedigreeParents(ped, &first, &n_local, &sire, &dam));
  PetscCall(MeritPedigreeInbreeding(ped, &F, &d));
  for (int64_t i = 0; i < n_local; i++) {
    count[0] += sire[i] < 0 && dam[i] < 0;
    count[1] += F[i] > 0;
    /* 0: founders, 1: inbred animals; then the sum and the largest of F */
    sum += F[i];
    most = PetscMax(most, F[i]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 2, MPI_INT64_T, MPI_SUM, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, comm));
  PetscCall(MeritTextAdd(text,
                         "\npedigree\n  %lld animals, %lld of them founders, %lld without a line of their "
                         "own; %lld duplicate lines\n",
                         (long long)n_animals, (long long)count[0], (long long)no_line, (long long)duplicates));
  PetscCall(MeritTextAdd(text, "  inbreeding: %lld animals inbred, mean %.6g, greatest %.6g\n", (long long)count[1],
                         n_animals ? sum / (double)n_animals : 0, most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Size of the genotypes, what their scaling comes from (2pq, MM'), and the process grid of this
   run */
static PetscErrorCode Genotypes(MeritGenotypes geno, MeritText *text)
{
  const MeritTile *tile = MeritGenotypesTile(geno);
  int64_t          n_animals;
  int32_t          n_snps, n_used;
  const double    *scale;
  double           sum_2pq, diagonal;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  PetscCall(MeritGenotypesScaling(geno, &scale, &sum_2pq, &diagonal));
  PetscCall(MeritTextAdd(text, "\ngenotypes\n  %lld animals, %d SNPs, %d used; sum of 2pq %.6g, mean diagonal of MM' %.6g\n", (long long)n_animals,
                         n_snps, n_used, sum_2pq, diagonal));
  PetscCall(MeritTextAdd(text, "  process grid: %d x %d\n", tile->grid_rows, tile->grid_cols));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanAnimals - See the header. Collective. */
PetscErrorCode PlanAnimals(MeritModel model, MeritText *text)
{
  PetscFunctionBegin;
  if (MeritModelPedigree(model)) PetscCall(Pedigree(model, MeritModelPedigree(model), text));
  if (MeritModelGenotypes(model)) PetscCall(Genotypes(MeritModelGenotypes(model), text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanExclusions - See the header. Collective. */
PetscErrorCode PlanExclusions(MeritReport report, MeritText *text)
{
  const MeritExclusionCount *counts;
  int                        n;

  PetscFunctionBegin;
  PetscCall(MeritReportExclusionCounts(report, &n, &counts));
  PetscCall(MeritTextAdd(text, "\nleft out\n"));
  if (!n) PetscCall(MeritTextAdd(text, "  nothing\n"));
  for (int i = 0; i < n; i++)
    PetscCall(MeritTextAdd(text, "  %12lld %s%s%s\n", (long long)counts[i].n, counts[i].kind, counts[i].reason[0] ? ": " : "", counts[i].reason));
  PetscFunctionReturn(PETSC_SUCCESS);
}
