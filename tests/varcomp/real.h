#pragma once
/* Dense algebra in long double, matrices [n * n] by rows: so exact beside doubles that it is a reference. */
#include <stdbool.h>

typedef long double Real;

Real RealTrace(int n, const Real *X, const Real *Y);             /* of X Y */
void RealProduct(int n, const Real *X, const Real *Y, Real *to); /* X Y */
bool RealSolve(int n, int k, Real *X, Real *to);                 /* to[n * k] = X^-1 to, X is lost; false: singular */
/* Add to the orthonormal columns of Q [n * n] by columns, of which there are `rank`, those that X [n * p] by rows needs more; returns all */
int RealSpan(int n, int p, const Real *X, int rank, Real *Q);
