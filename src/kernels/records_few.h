#pragma once
#include "gather.h"

/* Most traits of the loops in records_few.c */
enum { MERIT_FEW_TRAITS = 8 };

/*
  Records of few traits, one right-hand side: y += sign W_to' R^-1 W_from x over one thread's chunk (role: see
  MeritRecordsTransfer, NULL: all regressors both ways). False, and nothing done, if the case has no loop here. Not collective.
*/
bool MeritRecordsFew(const MeritRecordKernel *r, const uint8_t role[], int thread, double sign, const double *x, double *y);
/* MeritRecordsDiagonal for one trait and one component a level; false, and nothing done, in other cases. Not collective. */
bool MeritRecordsDiagonalOne(const MeritRecordKernel *r, const int first_regressor[], int n_terms, int stride, double *D);
