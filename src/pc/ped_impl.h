#pragma once
#include "snp_impl.h"

/*
  Context of merit_ped. Elimination order: fixed effects (the *big* class term and the *small* terms, exactly), companions (permanent
  environment), then animals, youngest generation first; every other term keeps the inverse of its diagonal blocks.
*/

/* An iid term that pairs with the animals of a pedigree term, eliminated before them */
typedef struct {
  int      term;      /* -1: none */
  int32_t *animal;    /* [n_owned levels] place of the animal among the owned ones, -1: none; owned */
  double  *D_inverse; /* [n_owned levels * n^2]; owned */
  double  *B;         /* [n_owned levels * n * equations of an animal] S_pa; owned */
} MeritPedCompanion;

/* One pedigree term */
typedef struct {
  int                 term;
  MeritPedigreeFactor factor;
  double             *G_inverse; /* [n_eq^2] for which the factor is; owned */
  MeritPedCompanion   companion;
  int32_t            *start; /* [n_steps + 1]; owned */
  PetscSF            *link;  /* [n_steps] halo of a step, NULL where no rank has ghosts of it; owned */
} MeritPedPart;

/* The fixed effects: F = [D E; E' S], D block diagonal over the levels of the big term, S small and replicated */
typedef struct {
  int      big;       /* term, or -1 */
  double  *D_inverse; /* [n_owned levels * n_eq^2] 0 for pinned equations; owned */
  double  *D_ghosted; /* [n_local * n_eq] the same by slot, ghosts too, during set-up; owned */
  int      n_small;   /* equations, all ranks; the same numbers everywhere */
  int      n_mine;    /* of them owned here */
  int32_t *equation;  /* [n_mine] local equation; owned */
  int32_t *number;    /* [n_mine] place among the small ones; owned */
  double  *E;         /* [big equations owned * n_small]; owned */
  double  *factor;    /* [n_small^2] Cholesky factor of S - E' D^-1 E; owned */
  bool    *is_small;  /* [n_terms]; owned */
  PetscSF  link;      /* halo of the fixed terms in F, NULL if no rank has ghosts; owned */
} MeritPedFixed;

/* One SNP term that has more than the blocks of its levels */
typedef struct {
  int             term;
  MeritSnpKind    kind;
  MeritSnpBlocks  blocks;
  MeritSnpNystrom nystrom;
} MeritPedSnp;

/* What passes of preconditioner and operator together need */
typedef struct {
  bool               fits;    /* is the model of the kind? */
  MeritAnimalRecords records; /* owned */
} MeritPedJoint;

typedef struct {
  bool                     use_pedigree; /* false: merit_fixed, pedigree terms by blocks like the others */
  int                      n_terms;
  MeritModel               model;
  const uint8_t           *state;    /* [n_owned] of the equations as C takes them; borrowed */
  const MeritTermView     *term;
  const MeritRecordKernel *records;
  const int               *first_regressor;
  int32_t                  n_owned, n_local;
  int                      n_steps; /* generations in a row that ranks go through without a word; one on one rank */
  int                      n_parts;
  MeritPedPart            *part;     /* [n_parts]; owned */
  double                   damping;  /* multiplicative: what the others' part is taken with */
  double                  *shift, *residual; /* multiplicative: work [places * combine_k], [n_owned * combine_k]; owned */
  int                      combine_k;
  MeritPedFixed            fixed;
  MeritSnpOptions          options;
  MeritSnpKind             kind;     /* what the options came to */
  int                      n_snp;
  MeritPedSnp             *snp;      /* [n_snp]; owned */
  MeritSketch             *sketch;   /* [n_terms of the operator it is of], kept from set-up to set-up; owned */
  int                      n_sketch;
  PetscObjectId            sketch_of;
  bool                    *in_parts; /* [n_terms] handled with the animals: a term whose levels are tied, or the companion of one; owned */
  bool                    *in_snps;  /* [n_terms] a fed term that is handled by more than the blocks of its levels; owned */
  uint8_t                 *down, *up; /* [n_regressors] roles of the transfers fixed -> animals and back; owned */
  MeritPedJoint            joint;
  double                  *inverse;  /* blocks of the other terms, one after another; owned */
  double                  *v;        /* [places * k] what an application works on; borrowed from its caller */
  double                  *work;     /* [places * work_k] for callers whose arrays have no room for ghosts; owned */
  int                      work_k;
  double                  *kept;     /* [fixed equations owned * k]; owned */
  int                      k;
} MeritPed;

/* Is this term among the exactly eliminated fixed effects? */
static inline bool InFixed(const MeritPed *p, int k)
{
  return k == p->fixed.big || p->fixed.is_small[k];
}

/* ped.c */
/* Work from now on v, for k right-hand sides */
PetscErrorCode MeritPedBegin(MeritPed *p, int k, double *v);
/* Add ghosts to their owners (reduce), or get them from there */
PetscErrorCode MeritPedExchange(const MeritPed *p, PetscSF link, MPI_Datatype unit, bool reduce);
PetscErrorCode MeritPedApplyOthers(MeritPed *p, int k, const double X[], double Y[]);
/* ped_combine.c */
PetscErrorCode MeritPedCombineSetUp(MeritPed *p, Mat C);
PetscErrorCode MeritPedCombineApply(MeritPed *p, Mat C, int k, const double X[], double Y[]);
PetscErrorCode MeritPedCombineFree(MeritPed *p);
/* ped_snp.c */
PetscErrorCode MeritPedSnpOptions(PC pc, MeritPed *p);
PetscErrorCode MeritPedSnpChoose(MeritPed *p);
PetscErrorCode MeritPedSnpSetUp(MeritPed *p, Mat C, bool *definite);
PetscErrorCode MeritPedSnpApply(MeritPed *p, const double X[], double Y[]);
PetscErrorCode MeritPedSnpView(const MeritPed *p, PetscViewer viewer);
PetscErrorCode MeritPedSnpFree(MeritPed *p);
PetscErrorCode MeritPedSketchFree(MeritPed *p);
/* ped_fixed.c */
PetscErrorCode MeritPedFixedSetUp(MeritPed *p, const double *blocks);
PetscErrorCode MeritPedFixedSolve(MeritPed *p, double *v); /* v <- F^-1 v on the owned fixed equations */
PetscErrorCode MeritPedFixedFree(MeritPedFixed *fixed);
/* ped_companion.c */
PetscErrorCode MeritPedCompanionSetUp(MeritPed *p, MeritPedPart *part, double *W, bool *definite);
void           MeritPedCompanionForward(const MeritPed *p, const MeritPedPart *part, double *v);
void           MeritPedCompanionBackward(const MeritPed *p, const MeritPedPart *part, double *v);
PetscErrorCode MeritPedCompanionFree(MeritPedCompanion *companion);
/* ped_joint.c */
PetscErrorCode MeritPedJointSetUp(MeritPed *p);
PetscErrorCode MeritPedJointGet(PC pc, MeritJoint *joint);
/* ped_setup.c */
PetscErrorCode MeritPedSetUp(MeritPed *p, Mat C);
PetscErrorCode MeritPedFree(MeritPed *p);
PetscErrorCode MeritPedSubHalo(PetscSF halo, MPI_Comm comm, PetscInt n, const PetscInt roots[], PetscSF *link);
