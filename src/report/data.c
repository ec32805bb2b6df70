/*
  Summaries of the data: traits over their observations, terms over their levels and equations;
  and a search for values such as -999 that may mean "missing" without being declared.

  Summaries are computed once, on all ranks, and kept in the report.
*/
#include "report_impl.h"
#include <math.h>

/* Usual codes for a missing value */
static const double codes[] = {0, -9, -99, -999};

/* y of trait t of a local record, NaN if it is not observed */
static double Observation(const MeritRecordsView *records, int32_t r, int t)
{
  return records->observed[records->pattern[r]] >> t & 1u ? records->y[(int64_t)r * records->n_traits + t] : NAN;
}

/* Number, sum, sum of squares about the mean, and range of the observations of a trait, over all
   ranks */
typedef struct {
  double n, sum, square, least, most;
} Moments;

/* Moments of trait t without the value `without` (NaN: with all). Squares are taken about the
   mean, in a second pass: the sum of squares less n times the squared mean loses digits if the
   mean is large. Collective. */
static PetscErrorCode Accumulate(MeritReport report, int t, double without, Moments *m)
{
  const MeritRecordsView *records = MeritModelRecords(report->model);
  double                  mean;

  PetscFunctionBegin;
  *m = (Moments){.least = INFINITY, .most = -INFINITY};
  for (int32_t r = 0; r < records->n_records; r++) {
    const double y = Observation(records, r, t);

    if (isnan(y) || y == without) continue;
    m->n += 1;
    m->sum += y;
    m->least = PetscMin(m->least, y);
    m->most  = PetscMax(m->most, y);
  }
  /* n and sum are neighbours in the struct: one reduction */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &m->n, 2, MPI_DOUBLE, MPI_SUM, report->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &m->least, 1, MPI_DOUBLE, MPI_MIN, report->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &m->most, 1, MPI_DOUBLE, MPI_MAX, report->comm));
  mean = m->n > 0 ? m->sum / m->n : 0;
  for (int32_t r = 0; r < records->n_records; r++) {
    const double y = Observation(records, r, t);

    if (!isnan(y) && y != without) m->square += (y - mean) * (y - mean);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &m->square, 1, MPI_DOUBLE, MPI_SUM, report->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Suspects - Codes for missing values that were not declared. Collective.
  A code is suspect if it is frequent (at least two observations, and one in 200) and lies apart
  from all other values: more than three of their standard deviations from their mean, or outside
  their range by more than half of it and more than 1. Counts and scores that begin at 0 are thus
  not suspect.
*/
static PetscErrorCode Suspects(MeritReport report, int t, const Moments *all, MeritTraitSummary *s)
{
  PetscFunctionBegin;
  for (size_t k = 0; k < PETSC_STATIC_ARRAY_LENGTH(codes); k++) {
    Moments rest;
    double  n, mean, sd, gap;

    /* a code outside the range of the observations does not occur */
    if (codes[k] < all->least || codes[k] > all->most) continue;
    PetscCall(Accumulate(report, t, codes[k], &rest));
    /* n observations have the code; the rest must vary */
    n = all->n - rest.n;
    if (n < 2 || n * 200 < all->n || rest.n < 2 || rest.least >= rest.most) continue;
    mean = rest.sum / rest.n;
    sd   = sqrt(rest.square / (rest.n - 1));
    gap  = PetscMax(rest.least - codes[k], codes[k] - rest.most);
    if (fabs(codes[k] - mean) <= 3 * sd && (gap <= 1 || gap <= 0.5 * (rest.most - rest.least))) continue;
    if (gap <= 0) continue;
    s->suspect[s->n_suspects].value = codes[k];
    s->suspect[s->n_suspects++].n   = (int64_t)n;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportTraits - Summary of every trait over the records of the analysis. Collective;
   borrowed, [n_traits]. */
PetscErrorCode MeritReportTraits(MeritReport report, const MeritTraitSummary **traits)
{
  const MeritRecordsView *records = MeritModelRecords(report->model);
  int64_t                 n_lines;

  PetscFunctionBegin;
  *traits = report->traits;
  if (*traits) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(records->n_traits, &report->traits));
  PetscCall(MeritModelRecordCounts(report->model, &n_lines, NULL));
  for (int t = 0; t < records->n_traits; t++) {
    MeritTraitSummary *s = &report->traits[t];
    Moments            m;

    PetscCall(Accumulate(report, t, NAN, &m));
    s->name = report->formula->trait[t];
    s->n    = (int64_t)m.n;
    /* lines of the records file without the trait, excluded records included */
    s->n_missing = n_lines - s->n;
    s->mean      = m.n > 0 ? m.sum / m.n : NAN;
    /* standard deviation with n - 1 */
    s->sd  = m.n > 1 ? sqrt(m.square / (m.n - 1)) : NAN;
    s->min = m.n > 0 ? m.least : NAN;
    s->max = m.n > 0 ? m.most : NAN;
    PetscCall(Suspects(report, t, &m, s));
  }
  *traits = report->traits;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportTerms - Levels, equations and redundant equations of every term. Collective; borrowed,
   [n_terms]. */
PetscErrorCode MeritReportTerms(MeritReport report, const MeritTermSummary **terms)
{
  const MeritTermView *views;
  const uint8_t       *state = MeritModelEquationState(report->model);
  int                  n     = MeritModelTerms(report->model, &views);
  int64_t             *count;
  int32_t              at = 0;

  PetscFunctionBegin;
  *terms = report->terms;
  if (*terms) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(n, &report->terms));
  PetscCall(PetscCalloc1((size_t)(3 * n), &count));
  for (int t = 0; t < n; t++)
    /* three counts for each term, by MeritEquationState: estimated, aliased, absent; owned
       equations follow one another term by term */
    for (int32_t end = at + views[t].n_owned * views[t].n_eq; at < end; at++) count[3 * t + state[at]]++;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, 3 * n, MPI_INT64_T, MPI_SUM, report->comm));
  for (int t = 0; t < n; t++)
    report->terms[t] = (MeritTermSummary){.n_levels  = views[t].n_levels,
                                          .n_comp    = views[t].n_comp,
                                          .n_eq      = views[t].n_eq,
                                          .equations = count[3 * t] + count[3 * t + MERIT_EQ_ALIASED],
                                          .aliased   = count[3 * t + MERIT_EQ_ALIASED],
                                          .absent    = count[3 * t + MERIT_EQ_ABSENT]};
  PetscCall(PetscFree(count));
  *terms = report->terms;
  PetscFunctionReturn(PETSC_SUCCESS);
}
