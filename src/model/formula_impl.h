#pragma once
/* The formula language inside: tokens, terms of one formula as written, and the builder that merges them. */
#include <merit/formula.h>

#define FORMULA_TRAITS  32 /* one bit each in the builder's masks and in MeritRecordsView */
#define FORMULA_CLASSES 8  /* class columns of one product */
#define FORMULA_COMPONENTS 64 /* of a term; room for a level in solvers and preconditioners */
#define FORMULA_DEGREE  20 /* highest Legendre degree */

typedef enum { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_MARK } TokenKind;

typedef struct {
  TokenKind   kind;
  char        mark; /* MARK: the character */
  size_t      at;   /* byte of the formula where it begins */
  const char *name; /* NAME: the name itself, backticks undone */
  const char *text; /* as labels show it: backticks only where needed */
} FormulaToken;

/* class columns times at most one covariate */
typedef struct {
  size_t             at;
  int                n_class;
  const char        *class_column[FORMULA_CLASSES];
  MeritCovariateKind covariate;
  const char        *column;
  int                order; /* LEGENDRE: degrees 0..order */
  double             low, high;
} FormulaProduct;

/* One term of one formula as written; strings are borrowed from the parser. */
typedef struct {
  size_t                at;
  const char           *label; /* NULL: none given */
  size_t                label_at;
  const char           *text;
  MeritTermKind         kind;
  bool                  one, zero, centre; /* the terms 1 and 0; ridge(.., centre) */
  int                   n_products;
  const FormulaProduct *product;
} FormulaTerm;

typedef struct {
  MeritNode       node;
  int             n_tokens, next;
  FormulaToken   *token; /* [n_tokens], the last one END; owned */
  char           *bytes; /* texts of tokens; owned */
  char           *text;  /* texts of terms; owned */
  size_t          used;  /* bytes of text in use */
  int             n_products, n_terms;
  FormulaProduct *product; /* of all terms; owned */
  FormulaTerm    *term;    /* [n_terms]; owned */
  FormulaToken    trait;
} FormulaParser;

/* Traits in which each regressor of a term occurs, while the formulas are merged. */
typedef struct {
  MeritNode     model; /* for messages */
  MeritFormula *formula;
  int           room; /* terms there is room for */
  uint32_t    **mask; /* [room][n_regressors] bit t: trait t; owned */
} FormulaBuilder;

/* Cut the text of a node into tokens. */
PetscErrorCode FormulaTokenise(FormulaParser *parser);
/* Read one formula: its trait and terms as written. Close also after an error. */
PetscErrorCode FormulaParserOpen(MeritNode node, FormulaParser *parser);
PetscErrorCode FormulaParserClose(FormulaParser *parser);
/* Raise a USAGE error at a known line and column. */
PetscErrorCode FormulaErrorPlaced(MeritNode node, int line, int column, const char format[], ...)
    __attribute__((format(printf, 4, 5)));
/* Errors that say how what other programs write is written here: functions, characters, several traits. */
PetscErrorCode FormulaForeignFunction(FormulaParser *parser, const FormulaToken *name);
PetscErrorCode FormulaForeignCharacter(FormulaParser *parser, size_t at);
PetscErrorCode FormulaForeignTrait(FormulaParser *parser);
/* Equal but for blanks. */
bool FormulaSameLabel(const char a[], const char b[]);

/* Add one formula's terms; then name the regressors and lay out the components. */
PetscErrorCode FormulaBuilderAdd(FormulaBuilder *builder, const FormulaParser *parser);
PetscErrorCode FormulaBuilderFinish(FormulaBuilder *builder);
/* Name the regressors of a term as the outputs show them; an error if two would have one name. */
PetscErrorCode FormulaNameRegressors(MeritNode model, MeritTermSpec *term);
/* Regressors of one term of one formula, leg() expanded; *regressors is the caller's. */
PetscErrorCode FormulaExpand(const FormulaTerm *term, bool intercept, int *n,
                             MeritRegressorSpec **regressors);
PetscErrorCode FormulaRegressorDestroy(MeritRegressorSpec *regressor);
bool           FormulaRegressorSame(const MeritRegressorSpec *a, const MeritRegressorSpec *b);
