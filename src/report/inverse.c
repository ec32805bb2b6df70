/*
  Standard errors and reliabilities from the columns of C^-1, which come one after another.

  For a linear map V of the solution x, Var(V (x^ - x)) = V C^-1 V', and its diagonal is the sum
  over equations j of (V e_j) * (V C^-1 e_j), element by element. V may be the back-transformation
  of covariates, the expansion of a singular G, the map from SNP effects to genomic values, or a
  sum over terms: each is applied to e_j and to the column C^-1 e_j, so none needs a case of its
  own. Reliability = 1 - PEV / prior variance.
*/
#include "animals_impl.h"
#include <math.h>

/* Sums over the columns of C^-1 that came so far. Rows of animals are those of this rank: the
   block of the pedigree, then that of genotyped animals. */
struct _ReportInverse {
  int32_t n_slots;
  double *variance;     /* [n_slots] of the components of owned levels; owned */
  bool    animals;      /* there are genetic terms */
  Animals unit, column; /* values of all animals from e_j and from C^-1 e_j */
  double *pev;          /* [(n_ped + n_geno) * n_columns] prediction error variances; owned */
  double *own;          /* [(n_ped + n_geno) * n_terms] K_ii: the structure's, or the sum of squares of an animal's genotypes; owned */
};

/* K_ii of the structures that know it, such as 1 + F; 1 for genotyped animals that are not in
   the pedigree. For SNP terms `own` begins at 0 and the columns add to it. Not collective. */
static PetscErrorCode OwnDiagonals(MeritReport report, ReportInverse *v)
{
  const MeritTermView *view;
  const int            n_terms = MeritModelTerms(report->model, &view);
  double              *diagonal;

  PetscFunctionBegin;
  for (int t = 0; t < n_terms; t++) {
    if (!report->formula->term[t].genetic) continue;
    PetscCall(MeritStructureDiagonal(view[t].structure, &diagonal));
    for (int64_t i = 0; diagonal && i < v->unit.n_ped + v->unit.n_geno; i++) v->own[i * n_terms + t] = i < v->unit.n_ped ? diagonal[i] : 1.0;
    PetscCall(PetscFree(diagonal));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritReportInverseBegin - Get ready for the columns of the inverse of C.

  Collective. After the data are read. Tables written before all columns came would be wrong; the caller sees to it.
@*/
PetscErrorCode MeritReportInverseBegin(MeritReport report)
{
  ReportInverse *v;
  MeritPedigree  ped = MeritModelPedigree(report->model);
  int32_t        equations;
  size_t         n;

  PetscFunctionBegin;
  PetscCall(ReportInverseDestroy(&report->inverse));
  PetscCall(PetscNew(&v));
  report->inverse = v;
  ReportTermFirst(report, report->formula->n_terms, &equations, &v->n_slots);
  PetscCall(PetscCalloc1(v->n_slots + 1, &v->variance));
  v->animals = AnimalsFirstTerm(report) >= 0;
  if (!v->animals) PetscFunctionReturn(PETSC_SUCCESS);
  if (ped) PetscCall(MeritPedigreeSetUp(ped));
  PetscCall(AnimalsCreate(report, &v->unit));
  PetscCall(AnimalsCreate(report, &v->column));
  /* records are not counted: only values are needed here */
  v->unit.counted = v->column.counted = true;
  n                                   = (size_t)(v->unit.n_ped + v->unit.n_geno);
  PetscCall(PetscCalloc1(n * (size_t)v->unit.n_columns + 1, &v->pev));
  PetscCall(PetscCalloc1(n * (size_t)report->formula->n_terms + 1, &v->own));
  PetscCall(OwnDiagonals(report, v));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportInverseDestroy - See the header. Not collective. */
PetscErrorCode ReportInverseDestroy(ReportInverse **inverse)
{
  ReportInverse *v = *inverse;

  PetscFunctionBegin;
  if (!v) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(AnimalsDestroy(&v->unit));
  PetscCall(AnimalsDestroy(&v->column));
  PetscCall(PetscFree(v->variance));
  PetscCall(PetscFree(v->pev));
  PetscCall(PetscFree(v->own));
  PetscCall(PetscFree(*inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is the term in the list? */
static bool InList(int n, const int list[], int term)
{
  for (int i = 0; i < n; i++)
    if (list[i] == term) return true;
  return false;
}

/* Sum of squares of L (of the identity if there is none): factor between the squares of a SNP's
   values and those of its genotype */
static double SquaresOfL(const MeritTermView *t)
{
  double sum = t->L ? 0.0 : t->n_eq;

  for (int i = 0; t->L && i < t->n_comp * t->n_eq; i++) sum += t->L[i] * t->L[i];
  return sum;
}

/* Add one column's contribution for one animal. pev[c] += x y, where x and y are the values of
   column c from e_j and from C^-1 e_j. For an SNP term, own += square of the animal's genotype
   at this SNP: the squares of its values from e_j add up to this over all equations of the
   SNP, times `squares`. */
static void AddRow(const Animals *a, int term, bool fed, double squares, const double unit[], const double column[], double pev[], double own[])
{
  for (int c = 0; c < a->n_columns; c++) {
    double x = 0.0, y = 0.0;

    for (int k = 0; k < a->column[c].n; k++) {
      x += a->column[c].weight[k] * unit[1 + a->column[c].value[k]];
      y += a->column[c].weight[k] * column[1 + a->column[c].value[k]];
    }
    pev[c] += x * y;
  }
  for (int v = 0; fed && v < a->n_values; v++)
    if (a->value[v].term == term) own[term] += unit[1 + v] * unit[1 + v] / squares;
}

/* Values of all animals from the components u and the genomic values. Collective. */
static PetscErrorCode Values(MeritReport report, const double u[], const double *const genomic[], Animals *a)
{
  PetscFunctionBegin;
  PetscCall(AnimalsPedigreeValues(report, u, a));
  if (MeritModelGenotypes(report->model)) PetscCall(AnimalsGenomicValues(report, genomic, a));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportInverseColumn - Add one column of the inverse of C to the sums. Collective.

  Input Parameters:
+ term           - of the equation
. unit           - [n_owned] e_j: 1 at the equation, else 0
. column         - [n_owned] C^-1 e_j
. genomic_unit   - by SNP term the genomic values of this rank's genotype rows from `unit`, as for
                   `MeritReportAnimals()`; read only if the term is genetic
- genomic_column - the same from `column`

  Every equation except aliased and absent ones must come once. Terms whose levels do not share
  covariances may give one column for all levels together (see the header).
*/
PetscErrorCode MeritReportInverseColumn(MeritReport report, int term, const double unit[], const double column[], const double *const genomic_unit[],
                                        const double *const genomic_column[])
{
  ReportInverse       *v       = report->inverse;
  const MeritTermSpec *spec    = &report->formula->term[term];
  const int            n_terms = report->formula->n_terms;
  const MeritTermView *view;
  double              *e, *u;

  PetscFunctionBegin;
  PetscCall(ReportComponents(report, unit, &e));
  PetscCall(ReportComponents(report, column, &u));
  /* diagonal of V C^-1 V' for the solutions; here V is the map from equations to components */
  for (int32_t i = 0; i < v->n_slots; i++) v->variance[i] += e[i] * u[i];
  if (v->animals && spec->genetic) {
    Animals   *a = &v->unit, *b = &v->column;
    const int *list, n_fed      = MeritModelFedTerms(report->model, &list);
    const bool fed = InList(n_fed, list, term);
    double     squares;

    MeritModelTerms(report->model, &view);
    squares = SquaresOfL(&view[term]);
    PetscCall(Values(report, e, genomic_unit, a));
    PetscCall(Values(report, u, genomic_column, b));
    /* each animal gets the product of its value from e_j and its value from C^-1 e_j */
    for (int64_t i = 0; i < a->n_ped; i++)
      AddRow(a, term, fed, squares, a->ped + i * a->width, b->ped + i * a->width, v->pev + i * a->n_columns, v->own + i * n_terms);
    for (int64_t i = 0; i < a->n_geno; i++)
      AddRow(a, term, fed, squares, a->geno + i * a->width, b->geno + i * a->width, v->pev + (a->n_ped + i) * a->n_columns,
             v->own + (a->n_ped + i) * n_terms);
  }
  PetscCall(PetscFree(e));
  PetscCall(PetscFree(u));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportErrors - See the header. The standard error of a component is the square root of its
   prediction error variance; of a fixed effect, of its sampling variance. Not collective. */
PetscErrorCode ReportErrors(MeritReport report, double **errors)
{
  const ReportInverse *v = report->inverse;

  PetscFunctionBegin;
  *errors = NULL;
  if (!v) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(v->n_slots + 1, errors));
  for (int32_t i = 0; i < v->n_slots; i++) (*errors)[i] = sqrt(PetscMax(v->variance[i], 0.0)); /* rounding may leave a 0 below it */
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  ReportReliability - See the header. Not collective.

  reliability = 1 - PEV / prior variance. The prior variance of a column is the sum over terms of
  K_ii w' G w, with w the weights of the column for the components of the term: values of
  different terms are independent. K_ii is 1 + F for a pedigree term and the sum of squares of the
  animal's row of M for an SNP term. PEV has the covariances between terms, as it comes from C^-1.
  NaN if the prior variance is 0 or not known.
*/
double ReportReliability(MeritReport report, int64_t row, int column)
{
  const ReportInverse *v = report->inverse;
  const AnimalColumn  *c;
  double               prior = 0.0;

  if (!v || !v->animals) return NAN;
  c = &v->unit.column[column];
  for (int p = 0; p < c->n; p++)
    for (int q = 0; q < c->n; q++) {
      const AnimalValue   *a = &v->unit.value[c->value[p]], *b = &v->unit.value[c->value[q]];
      const MeritTermSpec *spec = &report->formula->term[a->term];
      const double         own  = v->own[row * report->formula->n_terms + a->term];

      if (a->term != b->term) continue; /* terms are independent of each other */
      prior += c->weight[p] * c->weight[q] * spec->G[a->component * spec->n_components + b->component] * own;
    }
  return prior > 0.0 ? 1.0 - v->pev[row * v->unit.n_columns + column] / prior : NAN;
}
