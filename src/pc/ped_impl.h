#pragma once
#include "snp_impl.h"

/*
  Context of merit_ped. Elimination order: fixed effects (the *big* class term and the *small* terms, exactly), permanent-environment terms (permanent
  environment), then animals, youngest generation first; every other term keeps the inverse of its diagonal blocks.
*/

/* An iid term that pairs with the animals of a pedigree term, eliminated before them */
typedef struct {
  int      term;      /* -1: none */
  int32_t *animal;    /* [n_owned levels] position of the animal among the owned ones, -1: none; owned */
  double  *D_inverse; /* [n_owned levels * n^2]; owned */
  double  *B;         /* [n_owned levels * n * equations of an animal] S_pa; owned */
} MeritPedPermanent;

/* One pedigree term */
typedef struct {
  int                 term;
  MeritPedigreeFactor factor;
  double             *G_inverse; /* [n_eq^2] for which the factor is; owned */
  MeritPedPermanent   permanent;
  int32_t            *start; /* [n_steps + 1]; owned */
  PetscSF            *link;  /* [n_steps] halo of a step, NULL where no rank has ghosts of it; owned */
} MeritPedPart;

/* The fixed effects: F = [D E; E' S], D block diagonal over the levels of the big term, S small and replicated */
typedef struct {
  int      big;       /* term, or -1 */
  double  *D_inverse; /* [n_owned levels * n_eq^2] 0 for constrained equations; owned */
  double  *D_ghosted; /* [n_local * n_eq] the same by slot, ghosts too, during set-up; owned */
  int      n_small;   /* equations, all ranks; the same numbers everywhere */
  int      n_mine;    /* of them owned here */
  int32_t *equation;  /* [n_mine] local equation; owned */
  int32_t *number;    /* [n_mine] position among the small ones; owned */
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
} MeritPedFusedPass;

/* The multiplicative preconditioner (ped_combine.c) */
typedef struct {
  double  damping;          /* what the others' part is taken with */
  double *shift, *residual; /* work [y_length * k], [n_owned * k]; owned */
  int     k;
} MeritPedCombine;

/* SNP terms (ped_snp.c) */
typedef struct {
  MeritSnpOptions options;
  MeritSnpKind    kind; /* what the options came to */
  int             n;
  MeritPedSnp    *part;    /* [n]; owned */
  bool           *handles; /* [n_terms] a fed term that is handled by more than the blocks of its levels; owned */
  MeritSketch    *sketch;  /* [n_terms of the operator it is of], kept from set-up to set-up; owned */
  int             n_sketch;
  PetscObjectId   sketch_of;
} MeritPedSnps;

/* What an application works on (ped.c) */
typedef struct {
  int     k;   /* right-hand sides */
  double *v;   /* [y_length * k] borrowed from the caller of the application */
  double *own; /* [y_length * own_k] for callers whose arrays have no room for ghosts; owned */
  int     own_k;
  double *kept; /* [fixed equations owned * k]; owned */
} MeritPedWork;

typedef struct {
  bool                     use_pedigree; /* false: merit_fixed, pedigree terms by blocks like the others */
  int                      n_terms;
  MeritModel               model;
  const uint8_t           *state; /* [n_owned] of the equations as C takes them; borrowed */
  const MeritTermView     *term;
  const MeritRecordKernel *records;
  const int               *first_regressor;
  int32_t                  n_owned, n_local;
  int                      n_steps; /* runs of generations between messages (ped_setup.c) */
  int                      n_parts;
  MeritPedPart            *part;    /* [n_parts]; owned */
  MeritPedCombine          combine; /* of the multiplicative preconditioner */
  MeritPedFixed            fixed;
  MeritPedSnps             snps;
  bool             *in_parts;  /* [n_terms] handled with the animals: a term whose levels are tied, or the permanent-environment term of one; owned */
  uint8_t          *down, *up; /* [n_regressors] roles of the transfers fixed -> animals and back; owned */
  MeritPedFusedPass joint;
  double           *inverse; /* blocks of the other terms, one after another; owned */
  MeritPedWork      work;
} MeritPed;

/* Is this term among the exactly eliminated fixed effects? */
static inline bool InFixed(const MeritPed *p, int k) { return k == p->fixed.big || p->fixed.is_small[k]; }

/* ped.c */
/* Work from now on in v [y_length * k], borrowed, for k right-hand sides. Not collective. */
PetscErrorCode MeritPedBegin(MeritPed *p, int k, double *v);
/* In p->work.v: add ghosts to their owners (reduce), or get their values from there. link NULL:
   nothing. unit: p->work.k doubles. Collective. */
PetscErrorCode MeritPedExchange(const MeritPed *p, PetscSF link, MPI_Datatype unit, bool reduce);
/* Y = P X, P being M^-1 without the SNP terms that have a part of their own: X [n_owned * k]; Y
   [room of MeritMMEWorkLength] a copy of X on entry. Equations of those SNP terms keep what Y had.
   Collective. */
PetscErrorCode MeritPedApplyOthers(MeritPed *p, int k, const double X[], double Y[]);
/* ped_combine.c */
/* Find p->combine.damping, so that the multiplicative preconditioner is positive definite. Collective. */
PetscErrorCode MeritPedCombineSetUp(MeritPed *p, Mat C);
/* Y = M^-1 X by P, S, P one after another; X, Y [n_owned * k]. Two products with C. Collective. */
PetscErrorCode MeritPedCombineApply(MeritPed *p, Mat C, int k, const double X[], double Y[]);
/* Free the work arrays. Not collective. */
PetscErrorCode MeritPedCombineFree(MeritPed *p);
/* ped_snp.c */
/* Take PETSc's options on SNPs into p->snps.options; USAGE error for numbers outside their range.
   Collective. */
PetscErrorCode MeritPedSnpOptions(PC pc, MeritPed *p);
/* Set p->snps.kind: the kind asked for, or by the number of genotypes. Not collective. */
PetscErrorCode MeritPedSnpChoose(MeritPed *p);
/* Make p->snps.part and p->snps.handles for the operator's variances. *definite becomes false where a block
   has no inverse. Collective. */
PetscErrorCode MeritPedSnpSetUp(MeritPed *p, Mat C, bool *definite);
/* Y = M^-1 X at the equations of p->snps.part, for p->work.k right-hand sides; X, Y [n_owned * k], not the
   same. Collective. */
PetscErrorCode MeritPedSnpApply(MeritPed *p, const double X[], double Y[]);
/* Print what is done with SNP terms. Collective. */
PetscErrorCode MeritPedSnpView(const MeritPed *p, PetscViewer viewer);
/* Free p->snps.part, but not the sketches, which serve for other variances. Not collective. */
PetscErrorCode MeritPedSnpFree(MeritPed *p);
/* Free the sketches. Not collective. */
PetscErrorCode MeritPedSketchFree(MeritPed *p);
/* ped_fixed.c */
/* Choose the fixed terms that are eliminated exactly, and factor their block F of C. blocks: all
   diagonal blocks of C, term after term, as MeritMMEBlockDiagonal makes them. Collective. */
PetscErrorCode MeritPedFixedSetUp(MeritPed *p, const double *blocks);
PetscErrorCode MeritPedFixedSolve(MeritPed *p, double *v); /* v <- F^-1 v on the owned fixed equations */
/* Free what it holds. Collective as its halo is. */
PetscErrorCode MeritPedFixedFree(MeritPedFixed *fixed);
/* ped_permanent.c */
/* Find the permanent-environment term of the part's pedigree term and eliminate it: W [n_local * n_eq], the data
   blocks of the animals, loses what it takes. permanent.term -1: there is none. *definite
   becomes false on a rank where a block has no inverse. Collective. */
PetscErrorCode MeritPedPermanentSetUp(MeritPed *p, MeritPedPart *part, double *W, bool *definite);
/* The part of the permanent-environment term in the forward substitution in v [y_length * p->work.k]. Not collective. */
void MeritPedPermanentForward(const MeritPed *p, const MeritPedPart *part, double *v);
/* The part of the permanent-environment term in the backward substitution in v. Not collective. */
void MeritPedPermanentBackward(const MeritPed *p, const MeritPedPart *part, double *v);
/* Free what it holds. Not collective. */
PetscErrorCode MeritPedPermanentFree(MeritPedPermanent *permanent);
/* ped_joint.c */
/* Set p->joint: does the model fit passes of preconditioner and operator together, and if so its
   records, sorted by animals. Collective. */
PetscErrorCode MeritPedFusedPassSetUp(MeritPed *p);
/* The joint of a merit_ped that has one, else NULL; borrowed until set-up. Not collective. */
PetscErrorCode MeritPedFusedPassGet(PC pc, MeritFusedPass *joint);
/* ped_setup.c */
/* Make all of p for the operator C as it is now. USAGE error if some G is singular; an error if
   a pivot is not positive definite. Collective. */
PetscErrorCode MeritPedSetUp(MeritPed *p, Mat C);
/* Free all but options and sketches. Collective as its halos are. */
PetscErrorCode MeritPedFree(MeritPed *p);
/* The part of a halo whose roots are n equations roots[n] of this rank; *link owned by the
   caller, NULL if no rank has a ghost of them. Collective. */
PetscErrorCode MeritPedSubHalo(PetscSF halo, MPI_Comm comm, PetscInt n, const PetscInt roots[], PetscSF *link);
