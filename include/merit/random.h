#pragma once
#include <merit/sys.h>

/*
  Counter-based random numbers (Philox 4x32-10 of Random123; Salmon et al. 2011): the draw is a function of (seed, key, counter),
  so it depends neither on ranks nor on order. Normal and gamma are our own, without fused operations.
*/
typedef struct {
  uint64_t seed;
  uint32_t purpose; /* what for: one of the MERIT_RANDOM_... or a module's own number */
  uint32_t chain;
  uint32_t iteration;
  uint32_t term;
  uint64_t level; /* canonical number */
} MeritRandomKey;

/* Draw number `draw` under a key: uniform on (0, 1), never 0 or 1: an odd multiple of 2^-53. */
MERIT_EXTERN double MeritRandomUniform(const MeritRandomKey *key, uint32_t draw);
/* Standard normal by inversion of the draw-th uniform (Wichura 1988, AS 241). */
MERIT_EXTERN double MeritRandomNormal(const MeritRandomKey *key, uint32_t draw);
/* 64 random bits. */
MERIT_EXTERN uint64_t MeritRandomBits(const MeritRandomKey *key, uint32_t draw);
/* Integer in [0, n), n >= 1, without modulo bias that matters (128-bit multiply). */
MERIT_EXTERN uint64_t MeritRandomBelow(const MeritRandomKey *key, uint32_t draw, uint64_t n);
/* Quantile of the standard normal at 0 < p < 1 (Wichura 1988, AS 241, about 16 digits). */
MERIT_EXTERN double MeritNormalQuantile(double p);
/* Probability that a chi-square of df degrees of freedom, df > 0, is above x. */
MERIT_EXTERN double MeritChiSquareTail(double x, double df);
