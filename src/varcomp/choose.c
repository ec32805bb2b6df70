/* The engine that fits the model and its size. */
#include "forms.h"
#include <math.h>

/* Observations up to which an n x n eigenvalue problem is quickest; equations of SNPs that are formed; equations that are factored in minutes */
enum { EIGEN_MOST = 6000, DENSE_MOST = 6000, FACTOR_MOST = 400000 };
/* Observations up to which V itself is inverted in every round, and fixed effects that are taken out of it for certain */
enum { OBSERVATIONS_MOST = 5000, FIXED_MOST = 2000 };

/* One trait, one random term of one component, one residual variance, nothing fixed */
static bool OneVariance(MeritVarcomp v, MeritTermKind *kind)
{
  int n = 0;

  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->formula->term[k].kind != MERIT_TERM_FIXED) n++, *kind = v->formula->term[k].kind;
  return v->formula->n_traits == 1 && n == 1 && v->n == 2 && !v->component[0].fixed && !v->component[1].fixed;
}

/* Can V be formed: one trait, one residual class, terms of one component, few observations, and memory for it? Collective. */
static PetscErrorCode FitsDense(MeritVarcomp v, bool *fits)
{
  int n_random = 0;

  PetscFunctionBegin;
  *fits = v->formula->n_traits == 1 && v->formula->n_residuals == 1 && v->n_observations <= OBSERVATIONS_MOST && v->n_fixed <= FIXED_MOST;
  for (int i = 0; i < v->n; i++) *fits = *fits && !v->component[i].row;
  for (int k = 0; k < v->formula->n_terms; k++) n_random += v->first_of_term[k] >= 0;
  if (*fits) PetscCall(FormsFit(v, n_random, fits, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Equations of SNPs and of columns of ridge */
static int64_t DenseEquations(MeritVarcomp v)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);
  int64_t              n       = 0;

  for (int k = 0; k < n_terms; k++)
    if (term[k].kind == MERIT_TERM_SNP || term[k].kind == MERIT_TERM_RIDGE) n += term[k].n_levels * term[k].n_eq;
  return n;
}

/* VarcompChooseEngine - See the header. Collective. */
PetscErrorCode VarcompChooseEngine(MeritVarcomp v)
{
  static const VarcompEngine *const engines[] = {NULL,                   &VarcompEngine_Factor,  &VarcompEngine_Eigen,
                                                 &VarcompEngine_Sampled, &VarcompEngine_Lanczos, &VarcompEngine_Dense};
  const int64_t                     dense     = DenseEquations(v);
  MeritTermKind                     kind      = MERIT_TERM_FIXED;
  const char                       *why       = "the job asks for it";
  int64_t                           n_equations;

  PetscFunctionBegin;
  PetscCall(MeritModelLayout(v->model, NULL, NULL, NULL, &n_equations, NULL));
  v->engine = engines[v->choice];
  if (v->choice == VARCOMP_AUTO) {
    const bool one = OneVariance(v, &kind);
    bool       fits;

    PetscCall(FitsDense(v, &fits));
    if (one && (kind == MERIT_TERM_SNP || kind == MERIT_TERM_RIDGE) && v->n_observations <= EIGEN_MOST) {
      v->engine = &VarcompEngine_Eigen;
      why       = "one genomic variance and few observations";
    } else if (one && kind == MERIT_TERM_SNP && dense > DENSE_MOST) {
      v->engine = &VarcompEngine_Lanczos;
      why       = "one genomic variance, too many observations for exact traces";
    } else if (dense > DENSE_MOST && fits) {
      v->engine = &VarcompEngine_Dense;
      why       = "more SNPs than a factor can have, but few observations";
    } else if (dense > DENSE_MOST) {
      v->engine = &VarcompEngine_Sampled;
      why       = "more SNPs than a factor can have";
    } else if (n_equations > FACTOR_MOST) {
      v->engine = &VarcompEngine_Sampled;
      why       = "a factor of so many equations would take long";
    } else {
      v->engine = &VarcompEngine_Factor;
      why       = "the equations can be factored";
    }
  }
  MeritLog(MERIT_LOG_INFO, "engine %s: %s", v->engine->name, why);
  PetscFunctionReturn(PETSC_SUCCESS);
}
