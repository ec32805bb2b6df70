#pragma once
/*
  Small random models: data, pedigree, genotypes and a job file drawn from (seed, number), the dense model they mean, and a run of
  the command in this process with its tables read back. Every rank draws the same; rank 0 writes and compares.
*/
#include "sheet.h"
#include <dense.h>
#include <stdint.h>
#include <stdio.h>
#include <merit/error.h>

#define SMALL_TEXT       24
#define SMALL_TRAITS     4
#define SMALL_REGRESSORS 4
#define SMALL_COMPONENTS (SMALL_TRAITS * SMALL_REGRESSORS)

/* A die whose throws depend on where it started only */
typedef struct {
  uint64_t state;
} Dice;

double DiceUniform(Dice *d);
double DiceNormal(Dice *d);
bool   DiceChance(Dice *d, double p);
int    DiceBelow(Dice *d, int n);                                          /* 0 .. n - 1 */
void   DiceShuffle(Dice *d, int n, int order[]);                           /* 0 .. n - 1 in random order */
void   DiceCovariance(Dice *d, int n, int rank, double scale, double G[]); /* symmetric, of the rank (n: definite) */

typedef char SmallText[SMALL_TEXT];

typedef struct {
  SmallText  name;
  SmallText *cell; /* [n_records], as written; "" missing; owned */
} SmallColumn;

typedef struct {
  char   name[64]; /* the component's name in the outputs */
  int    n_class, class_column[3];
  int    covariate; /* column, or -1 */
  int    degree;    /* of the Legendre polynomial; -1: the covariate itself */
  double low, high;
} SmallRegressor;

typedef enum { SMALL_FIXED, SMALL_IID, SMALL_PED, SMALL_SNP, SMALL_RIDGE } SmallKind;
/* What a term of each kind may be */
enum {
  SMALL_SEX,
  SMALL_HERD,
  SMALL_YEAR,
  SMALL_AGE,
  SMALL_SEX_AGE,
  SMALL_HERD_WT,
  SMALL_SEX_HERD,
  SMALL_HERD_YEAR_SEX,
  SMALL_CURVE,
  SMALL_SEX_CURVE,
  SMALL_FIXED_KINDS
};
enum {
  SMALL_IID_HERD,
  SMALL_IID_BULL,
  SMALL_IID_BULL_YEAR,
  SMALL_IID_COW,
  SMALL_IID_BULL_DAYS,
  SMALL_IID_HERD_CURVE,
  SMALL_IID_COW_MUM,
  SMALL_IID_KINDS
};
enum { SMALL_PED_COW, SMALL_PED_COW_MUM, SMALL_PED_CURVE, SMALL_PED_DAYS, SMALL_PED_KINDS };
enum { SMALL_SNP_COW, SMALL_SNP_DAYS, SMALL_SNP_CURVE };
enum { SMALL_RIDGE_PLAIN, SMALL_RIDGE_CENTRED };

typedef struct {
  SmallKind      kind;
  char           label[160];              /* the term's name in the outputs */
  char           text[SMALL_TRAITS][200]; /* in the formula of each trait; "" where it is not */
  int            n_regressors;
  SmallRegressor regressor[8];
  int            n_components; /* regressor slowest, trait fastest */
  int            component_regressor[SMALL_COMPONENTS], component_trait[SMALL_COMPONENTS];
  double         G[SMALL_COMPONENTS * SMALL_COMPONENTS];
  bool           centre, intercept; /* ridge(.., centre); the term 1, whose text is also 0 or nothing */
  const char    *option;            /* beside the value in `variances`, as "fix: yes"; NULL: none */
} SmallTerm;

typedef enum { SMALL_ABSENT_ERROR, SMALL_ABSENT_FOUNDER, SMALL_ABSENT_DROP } SmallAbsent;
typedef enum { SMALL_GENO_BED, SMALL_GENO_BLANKS, SMALL_GENO_STRING } SmallGenoForm;

typedef struct {
  Dice        dice;
  int         n_records, n_columns, n_traits;
  SmallColumn column[48];
  int         trait_column[SMALL_TRAITS], weight_column[SMALL_TRAITS], residual_column; /* -1: none */
  int        *line_order;                                                               /* [n_records] lines of the file; owned */
  char        delimiter;

  int         n_animals, n_extra; /* in the pedigree, and ids in records only (founders) behind them */
  SmallText  *animal;             /* owned */
  int        *sire, *dam;         /* [n_animals + n_extra], -1 unknown; owned */
  bool       *has_line;           /* owned */
  int        *ped_order;          /* [n_animals] lines of the pedigree; owned */
  SmallAbsent absent;

  int           n_geno, n_snps;
  SmallText    *geno_id; /* owned */
  int8_t       *code;    /* [n_geno * n_snps] 0, 1, 2, 3 missing; owned */
  SmallGenoForm form;
  int           scale; /* MeritScale */
  bool          centre;
  int           grid; /* rows of the process grid; 0: not said */

  int         n_classes;
  SmallText   class_label[3];
  double      R[3 * SMALL_TRAITS * SMALL_TRAITS];
  const char *residual_option; /* as that of a term */
  bool        everywhere;      /* every term is in the formulas of all traits */
  int         n_terms;
  SmallTerm   term[16];
} Small;

/* One row of solutions.tsv or the like. */
typedef struct {
  char   key[640];     /* trait, term, component, level with tabs between */
  double solution, se; /* se: NaN where it is not known */
  double size;         /* largest coefficient it is multiplied with; 0: not known */
  int    n;
  bool   aliased;
} SmallRow;

typedef struct {
  int       n;
  SmallRow *row; /* sorted by key; owned */
} SmallTable;

/* small_draw.c, small_terms.c */
Small *SmallDraw(uint64_t seed, int number);
/* One of this size, whose terms are added one by one, each in all traits; then SmallTermsEnd. */
Small     *SmallDrawSized(uint64_t seed, int number, int n_records, int n_traits, int n_animals);
void       SmallDrawClasses(Small *s, int n); /* n residual classes, in a column of their own */
void       SmallDrawTerms(Small *s);
SmallTerm *SmallTermAdd(Small *s, SmallKind kind, int what); /* the last term; where it stands in the end is told by its label */
void       SmallTermsEnd(Small *s);                          /* the intercept; terms in the order of the formulas */
void       SmallDestroy(Small **s);
int        SmallColumnFind(const Small *s, const char name[]);
int        SmallColumnAdd(Small *s, const char name[]);
int        SmallAnimalFind(const Small *s, const char id[]); /* -1: none */

/* small_dense.c: the model as matrices, solved; and its results as rows */
DenseModel *SmallDense(const Small *s);
SmallTable  SmallDenseTable(const Small *s, const DenseModel *m);
/* Largest difference of animals.tsv: inbreeding, and genomic values relative to the largest (at least floor) */
double SmallCompareAnimals(const Small *s, const DenseModel *m, const Sheet *sheet, double floor);
/* Largest difference of reliabilities in animals.tsv, where DenseErrors was called; infinite if one is missing */
double SmallCompareReliabilities(const Small *s, const DenseModel *m, const Sheet *sheet);
/* Genotype matrix as the term uses it: [n_geno * n_used], owned by the caller, free(); scale[n_snps] of each column, 0: not used. n_used returned. */
int SmallMarkers(const Small *s, double scale[], double **M);

/* A pedigree and a SNP term of one regressor each, whose weighted sum the job asks for as `total`; false if there is none */
bool SmallSum(const Small *s, int term[2]);
/* A pedigree term of several components, of which the job asks for a weighted sum of the first and the last as `index`; -1: none */
int SmallIndex(const Small *s);
/* Weights of the two values of these sums; the second is negative */
extern const double small_weight[2];

/* small_write.c: all files into a folder, the job as FOLDER/NAME.yaml. Rank 0 only. 0, or -1 */
int SmallWriteData(const Small *s, const char folder[]);
int SmallWriteJob(const Small *s, const char folder[], const char name[], const char solver[]);

/* small_simulate.c: observations, of those that are there, from the distribution that the dense model means, around 50. -1: V is not definite */
int SmallSimulate(Small *s);

/* small_run.c */
/* Run `merit solve` on FOLDER/NAME.yaml in this process. Collective; the code is agreed, the error's text in MeritErrorLast. */
PetscErrorCode SmallRun(MPI_Comm comm, const char folder[], const char name[]);
/* solutions.tsv of FOLDER/NAME.out; rank 0 only. n < 0 if it cannot be read. */
SmallTable SmallReadSolutions(const char folder[], const char name[]);
void       SmallTableSort(SmallTable *t);
void       SmallTableFree(SmallTable *t);
/*
  Largest difference over rows of `got` against `expected`, relative to the largest value of the trait and term, at least floor / size;
  rows that only one has count if they are not 0. Writes the first row beyond tol to `note`. Aliased marks must agree if asked.
*/
double SmallCompare(const SmallTable *expected, const SmallTable *got, double floor, double tol, bool marks, FILE *note);
/* Largest difference of standard errors of rows that both have, relative to the largest of the trait and term; the first beyond tol to `note` */
double SmallCompareErrors(const SmallTable *expected, const SmallTable *got, double tol, FILE *note);
/* The value of rank 0 on every rank. Collective. */
int SmallFromRoot(MPI_Comm comm, int value);
/* Largest difference of fitted.tsv, relative to the largest observation; infinite if rows are missing. Rank 0 only. */
double SmallCompareFitted(const Small *s, const DenseModel *m, const Sheet *sheet);
/* A fresh folder made by rank 0, its name on every rank; and its removal. Collective. */
void SmallFolderMake(MPI_Comm comm, char folder[256]);
void SmallFolderRemove(MPI_Comm comm, const char folder[]);
