#pragma once
#include "gather.h"

/* Traits for which loops over few traits are made */
enum { MERIT_FEW_TRAITS = 8 };

/*
  Records of few traits, one right-hand side: y += sign W_to' R^-1 W_from x over one thread's chunk (role: see
  MeritRecordsTransfer, NULL: all both ways). False when the case has no loop of its own; nothing was done then.
*/
bool MeritRecordsFew(const MeritRecordKernel *r, const uint8_t role[], int thread, double sign, const double *x, double *y);
/* MeritRecordsDiagonal for one trait and one component a level; false when the case is another */
bool MeritRecordsDiagonalOne(const MeritRecordKernel *r, const int first_regressor[], int n_terms, int stride, double *D);
