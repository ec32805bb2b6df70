#pragma once

/* Traits of a model: one bit each of a uint32_t; kernels hold the values of one record on the stack. */
#define MERIT_MAX_TRAITS 32

/* Components and equations of one level of a term: kernels, solvers and preconditioners hold the values of one level, and a square matrix
   of that order, on the stack. */
#define MERIT_MAX_COMPONENTS 64

/* Numbers of the square matrices of these orders. */
#define MERIT_MAX_BLOCK       (MERIT_MAX_COMPONENTS * MERIT_MAX_COMPONENTS)
#define MERIT_MAX_TRAIT_BLOCK (MERIT_MAX_TRAITS * MERIT_MAX_TRAITS)
