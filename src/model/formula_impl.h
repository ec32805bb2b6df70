#pragma once
/* The formula language inside: tokens, terms of one formula as written, and the builder that merges
   them. */
#include <merit/formula.h>
#include <merit/limits.h>

#define FORMULA_CLASSES 8  /* class columns of one product */
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

/* Split the text of a node into tokens, parser->token. Not collective. USAGE errors: backticks that
   are not closed, unknown characters. */
PetscErrorCode FormulaTokenise(FormulaParser *parser);
/* Parse one formula into its trait and terms, as they are written. Not collective. USAGE errors
   with line and column. */
PetscErrorCode FormulaParserOpen(MeritNode node, FormulaParser *parser);
/* Free a parser, also after an error of FormulaParserOpen(). Not collective. */
PetscErrorCode FormulaParserClose(FormulaParser *parser);
/* Raise a USAGE error with a given line and column of the node's file. Not collective. */
PetscErrorCode FormulaErrorAt(MeritNode node, int line, int column, const char format[], ...) __attribute__((format(printf, 4, 5)));
/* USAGE error for a function of another program, with the form of Merit for it. Not collective. */
PetscErrorCode FormulaForeignFunction(FormulaParser *parser, const FormulaToken *name);
/* The same for a character at byte `at` of the text that formulas do not have, such as * or |. Not
   collective. */
PetscErrorCode FormulaForeignCharacter(FormulaParser *parser, size_t at);
/* The same for a left side that is not one trait, such as cbind(a, b). Not collective. */
PetscErrorCode FormulaForeignTrait(FormulaParser *parser);
/* Are two labels equal if blanks are ignored? Not collective. */
bool FormulaSameLabel(const char a[], const char b[]);

/* Add the trait and terms of one formula; terms with the label of an earlier formula become one
   term. Not collective. USAGE errors. */
PetscErrorCode FormulaBuilderAdd(FormulaBuilder *builder, const FormulaParser *parser);
/* After the last formula: names of the regressors, and the components in order. Not collective.
   USAGE errors. */
PetscErrorCode FormulaBuilderFinish(FormulaBuilder *builder);
/* Names of the regressors of a term for outputs (docs/models.md). Not collective. USAGE error if
   two have the same name. */
PetscErrorCode FormulaNameRegressors(MeritNode model, MeritTermSpec *term);
/* Regressors of one term of one formula, one for each degree of leg(); without degree 0 if it is
   fixed, has no classes and there is an `intercept`. *regressors [*n] is the caller's. Not
   collective. */
PetscErrorCode FormulaExpand(const FormulaTerm *term, bool intercept, int *n, MeritRegressorSpec **regressors);
/* Free the strings of a regressor. Not collective. */
PetscErrorCode FormulaRegressorDestroy(MeritRegressorSpec *regressor);
/* Do two regressors have the same classes and covariate? Not collective. */
bool FormulaRegressorSame(const MeritRegressorSpec *a, const MeritRegressorSpec *b);
