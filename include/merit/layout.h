#pragma once
#include <merit/formula.h>
#include <merit/limits.h>

/*
  Where the levels of a model's terms are on this rank: their equations and component slots, and the conversions between them.

  docs/layout.md has the index formulas. In short, a rank holds
  - equations: for each term its owned levels (`canonical` names them), each with n_eq contiguous equations, term after term;
    then the ghost levels (owned by other ranks, named by local records or pedigree edges), laid out the same way. `slot` of a level = position
    of its first equation in this local array of n_owned + n_ghost equations.
  - component slots: the same levels with n_comp components each. They differ from equations only where G is singular (n_eq < n_comp);
    u = L v maps equations to components.
  - where the structure of a term is a factor that is fed (SNPs), the equations are those of its columns, and records have its rows, the genotyped
    animals. These "genotyped levels" come after all ghosts. A term has ghosts or genotyped levels, never both.
*/

/* State of an equation. */
typedef enum { MERIT_EQ_OK = 0, MERIT_EQ_ALIASED = 1, MERIT_EQ_ABSENT = 2 } MeritEquationState;

/* The design of one regressor of a term for the records of this rank. */
typedef struct {
  const int32_t *slot;   /* [n_records] component slot of the record's level, -1: none; borrowed */
  const double  *value;  /* [n_records] coefficient, NULL: 1; borrowed */
  const int32_t *offset; /* [n_traits] component of the level that trait t uses, -1: trait does not have this regressor; borrowed */
} MeritDesignView;

/* One term on this rank. */
typedef struct {
  MeritTermKind          kind;
  MeritStructure         structure; /* covariance of the levels; NULL for fixed terms; borrowed */
  bool                   fixed;
  int                    n_comp, n_eq; /* per level */
  int                    n_regressors;
  const MeritDesignView *design;                /* [n_regressors]; borrowed */
  int64_t                n_levels;              /* all ranks, canonical 0..n_levels-1 */
  int32_t        n_owned, n_ghost, n_genotyped; /* levels on this rank; n_genotyped are rows of a factor that is fed, and 0, or n_ghost is 0 */
  int32_t        n_recorded;                    /* owned levels that records can have: n_owned, or none where records have rows of a factor */
  int32_t        eq_owned, eq_other;            /* first equation of the owned levels, and of the others (ghosts or genotyped levels) */
  int32_t        slot_owned, slot_other;        /* first component slot of both */
  const int64_t *canonical;                     /* [n_owned] by their positions: ascending, but animals by generation, then herd; borrowed */
  const double  *L;                             /* [n_comp * n_eq] row-major u = L v, NULL: identity; borrowed */
  const double  *G_inverse;                     /* [n_eq * n_eq] penalty of a level (identity when L), NULL for fixed terms; borrowed */
} MeritTermView;

/* Equations and slots of this rank, over all terms. */
typedef struct {
  int32_t              n_owned; /* equations of levels owned here: the length of this rank's part of a vector */
  int32_t              n_local; /* and of ghosts and genotyped levels behind them */
  int32_t              n_slots; /* component slots of all these levels */
  int64_t              first;   /* global number of the first owned equation */
  int64_t              n_all;   /* equations of all ranks */
  int                  n_terms;
  const MeritTermView *term; /* [n_terms] in formula order; borrowed */
} MeritLayout;

/*
  Conversions of one term. A *record level* is a level that records of this rank can have: 0 .. MeritTermRecordLevels - 1. These are the
  n_recorded owned levels, in their order, then the others. Not collective; no checks of range.
*/

/* How many record levels there are. */
static inline int32_t MeritTermRecordLevels(const MeritTermView *t) { return t->n_recorded + t->n_ghost + t->n_genotyped; }

/* First equation of a record level. */
static inline int32_t MeritTermEquation(const MeritTermView *t, int32_t level)
{
  return level < t->n_recorded ? t->eq_owned + level * t->n_eq : t->eq_other + (level - t->n_recorded) * t->n_eq;
}

/* First component slot of a record level. */
static inline int32_t MeritTermSlot(const MeritTermView *t, int32_t level)
{
  return level < t->n_recorded ? t->slot_owned + level * t->n_comp : t->slot_other + (level - t->n_recorded) * t->n_comp;
}

/* Record level of a component slot; -1 of a slot below 0 (the record has no level). */
static inline int32_t MeritTermLevelOfSlot(const MeritTermView *t, int32_t slot)
{
  if (slot < 0) return -1;
  if (slot >= t->slot_owned && slot < t->slot_owned + t->n_recorded * t->n_comp) return (slot - t->slot_owned) / t->n_comp;
  return t->n_recorded + (slot - t->slot_other) / t->n_comp;
}

/* Record level of an equation, n_eq > 0; -1 of an equation below 0 (an unknown parent). */
static inline int32_t MeritTermLevelOfEquation(const MeritTermView *t, int32_t equation)
{
  if (equation < 0) return -1;
  if (equation >= t->eq_owned && equation < t->eq_owned + t->n_recorded * t->n_eq) return (equation - t->eq_owned) / t->n_eq;
  return t->n_recorded + (equation - t->eq_other) / t->n_eq;
}

/* First equation of the level of a level's first component slot; -1 of a slot below 0. Without a division where n_eq = n_comp. */
static inline int32_t MeritTermEquationOfSlot(const MeritTermView *t, int32_t slot)
{
  if (slot < 0) return -1;
  if (t->n_eq != t->n_comp) return MeritTermEquation(t, MeritTermLevelOfSlot(t, slot));
  if (slot >= t->slot_owned && slot < t->slot_owned + t->n_recorded * t->n_comp) return t->eq_owned + slot - t->slot_owned;
  return t->eq_other + slot - t->slot_other;
}
