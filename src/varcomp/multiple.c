/*
  Traits whose observations are multiples of each other.

  Such traits have a correlation of 1 in every term, and their components cannot be
  distinguished. VarcompCheckInformation asks for this check when the information is singular,
  to name the cause.
*/
#include "varcomp_impl.h"
#include <math.h>

/* 1 - r^2 of two traits below this is rounding: figures of a file have 12 digits or so */
static const double SAME = 1e-10;

/*
  Sums over the records that have both traits: number, means, then squares and products about
  the means. Collective.
*/
static PetscErrorCode PairMoments(MeritVarcomp v, int s, int t, double *n, double mean[2], double square[3])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const uint32_t          both    = 1u << s | 1u << t;
  double                  sum[3]  = {0.0, 0.0, 0.0};

  PetscFunctionBegin;
  for (int pass = 0; pass < 2; pass++) {
    for (int32_t r = 0; r < records->n_records; r++) {
      const double *y = records->y + (int64_t)r * records->n_traits;

      if ((records->observed[records->pattern[r]] & both) != both) continue;
      if (!pass) sum[0] += 1.0, sum[1] += y[s], sum[2] += y[t];
      else {
        square[0] += (y[s] - mean[0]) * (y[s] - mean[0]);
        square[1] += (y[s] - mean[0]) * (y[t] - mean[1]);
        square[2] += (y[t] - mean[1]) * (y[t] - mean[1]);
      }
    }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, pass ? square : sum, 3, MPI_DOUBLE, MPI_SUM, MeritModelComm(v->model)));
    if (!pass) *n = sum[0], mean[0] = sum[1] / PetscMax(sum[0], 1.0), mean[1] = sum[2] / PetscMax(sum[0], 1.0);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompCheckMultiples - An error if a trait is a multiple of another, but for a constant,
  wherever both are observed: their variances cannot be distinguished then. Collective.
*/
PetscErrorCode VarcompCheckMultiples(MeritVarcomp v)
{
  const MeritFormula *f = v->formula;

  PetscFunctionBegin;
  for (int t = 1; t < f->n_traits; t++)
    for (int s = 0; s < t; s++) {
      double n, mean[2], square[3] = {0.0, 0.0, 0.0};

      PetscCall(PairMoments(v, s, t, &n, mean, square));
      if (n < 3.0 || !(square[0] > 0.0 && square[2] > 0.0) || square[1] * square[1] < (1.0 - SAME) * square[0] * square[2]) continue;
      PetscCall(
          MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                     "the observations of %s are a multiple of those of %s: %s = %.6g * %s %c %.6g in all %.0f records with both; leave one of the "
                     "two out",
                     f->trait[t], f->trait[s], f->trait[t], square[1] / square[0], f->trait[s], mean[1] < square[1] / square[0] * mean[0] ? '-' : '+',
                     fabs(mean[1] - square[1] / square[0] * mean[0]), n));
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}
