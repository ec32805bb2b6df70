/*
  Functions of variance components, such as heritabilities.

  A text is compiled by recursive descent into a program for a stack of numbers:

      sum     = product {(+ | -) product}
      product = power {(* | /) power}
      power   = {+ | -} atom [^ power]
      atom    = number | (sum) | sqrt|log|exp|abs(sum) | cor(label, row, row) | operand
      operand = label [row] | label [row, column]

  Evaluation runs the program and carries the derivatives by all components along
  (forward differentiation), for standard errors by the delta method: Var(f) = g' V g
  with the gradient g and the covariance matrix V of the estimates.
*/
#include "formula_impl.h"
#include <ctype.h>
#include <math.h>
#include <merit/expression.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Operations: up to OP_GENETIC they push a number, up to OP_POWER they take two numbers
   and push one, the others replace the top number. OP_GENETIC is the mean diagonal of M
   M', which is known only when the function is evaluated. */
typedef enum {
  OP_NUMBER,
  OP_COMPONENT,
  OP_GENETIC,
  OP_ADD,
  OP_SUBTRACT,
  OP_MULTIPLY,
  OP_DIVIDE,
  OP_POWER,
  OP_NEGATE,
  OP_SQRT,
  OP_LOG,
  OP_EXP,
  OP_ABS
} Op;

/* Most operations; most nested parentheses and powers */
enum { MOST_OPERATIONS = 256, DEPTH = 64 };

/* A compiled function: n operations in the order of evaluation. Components have the order
   of MeritFormulaComponents(), which is that of theta. */
struct _p_MeritExpression {
  int             n, n_components;
  MeritComponent *component; /* [n_components]; owned */
  struct {
    Op     op;
    double number;
    int    component;
  } code[MOST_OPERATIONS];
};

/* State of the compiler: the text, and the position `at` of the rest; depth counts nested
   parentheses and powers, since each takes stack of the program. text is borrowed from
   the node. */
typedef struct {
  const MeritFormula *formula;
  MeritNode           node;
  const char         *text, *at;
  int                 depth;
  MeritExpression     e;
} Parser;

static PetscErrorCode Sum(Parser *p);

/* Skip blanks */
static void Blanks(Parser *p)
{
  while (isspace((unsigned char)*p->at)) p->at++;
}

/* Append an operation. `number` is for OP_NUMBER, `component` for OP_COMPONENT; others
   ignore both. */
static PetscErrorCode Put(Parser *p, Op op, double number, int component)
{
  PetscFunctionBegin;
  if (p->e->n == MOST_OPERATIONS) PetscCall(MeritNodeError(p->node, "the function is too long; split it into several"));
  p->e->code[p->e->n].op          = op;
  p->e->code[p->e->n].number      = number;
  p->e->code[p->e->n++].component = component;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* An error at the current position. USAGE, with line and column of the job file. */
static PetscErrorCode Fail(Parser *p, const char *what)
{
  PetscFunctionBegin;
  PetscCall(MeritNodeErrorAt(p->node, (size_t)(p->at - p->text), "%s", what));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A character that must follow. Blanks before it are passed over; p->at moves behind
   it. */
static PetscErrorCode Expect(Parser *p, char c)
{
  char what[32];

  PetscFunctionBegin;
  Blanks(p);
  snprintf(what, sizeof(what), "expected `%c`", c);
  if (*p->at != c) PetscCall(Fail(p, what));
  p->at++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Length of the text at `at` that spells the label, blanks ignored in both; 0 if it does
   not. Blanks within the text count for the length. */
static size_t Matches(const char *at, const char *label)
{
  const char *begin = at;

  for (; *label; label++) {
    if (isspace((unsigned char)*label)) continue;
    while (isspace((unsigned char)*at)) at++;
    if (*at++ != *label) return 0;
  }
  return (size_t)(at - begin);
}

/* Name of operand k of 2 n_terms + n_residuals: terms and their genetic variances
   ("label.genetic", only of terms with scaled markers) alternate, then residual classes
   ("residual.class", or "residual" without classes). text [room] is "" if there is none,
   as of fixed terms. *term is -1 for the residual. */
static void Operand(const MeritFormula *f, int k, int *term, int *class, bool *genetic, size_t room, char text[])
{
  const int residual = k - 2 * f->n_terms;

  *term    = residual < 0 ? k / 2 : -1;
  *class   = residual < 0 ? 0 : residual;
  *genetic = residual < 0 && k % 2;
  text[0]  = 0;
  if (residual >= 0) snprintf(text, room, f->residual_by ? "residual.%s" : "residual", f->residual[residual].label);
  else if (!f->term[*term].fixed && (!*genetic || f->term[*term].scaled))
    snprintf(text, room, "%s%s", f->term[*term].label, *genetic ? ".genetic" : "");
}

/* Bytes of a word. A name that goes on with one of these is another name. */
static bool InWord(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* The longest operand at the current position, perhaps in quotes or backticks: *term (-1:
   residual), *class, *genetic; false if there is none. The longest one counts, since a
   label may begin another; p->at moves behind it. */
static bool Label(Parser *p, int *term, int *class, bool *genetic)
{
  const MeritFormula *f    = p->formula;
  size_t              best = 0;

  for (int quoted = 0; quoted < 2 && !best; quoted++) {
    const char *at = p->at + quoted;

    if (quoted && (!*p->at || !strchr("`'\"", *p->at))) break;
    for (int k = 0; k < 2 * f->n_terms + f->n_residuals; k++) {
      char   text[1200];
      int    t, c;
      bool   g;
      size_t n;

      Operand(f, k, &t, &c, &g, sizeof(text), text);
      n = text[0] ? Matches(at, text) : 0;
      /* a longer word is another name: "ped" is not in "pedigree" */
      if (quoted ? at[n] != *p->at : n && InWord(at[n - 1]) && InWord(at[n])) continue;
      if (n > best) best = n, *term = t, *class = c, *genetic = g;
    }
    if (quoted && best) best += 2;
  }
  p->at += best;
  return best > 0;
}

/* An error for an unknown operand, with the nearest known name. The word that is compared
   with known names ends at an operator outside parentheses; blanks are left out. */
static PetscErrorCode FailOperand(Parser *p, const char *what)
{
  const MeritFormula *f = p->formula;
  const int           n = 2 * f->n_terms + f->n_residuals;
  char              **known, word[256], text[1500];
  const char         *near;
  int                 n_known = 0, depth = 0, term, class;
  size_t              length = 0;
  bool                genetic;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n, &known));
  for (int k = 0; k < n; k++) {
    Operand(f, k, &term, &class, &genetic, sizeof(text), text);
    if (text[0]) PetscCall(PetscStrallocpy(text, &known[n_known++]));
  }
  for (const char *c = p->at; *c && length + 1 < sizeof(word) && (depth || !strchr("+-*/^,)[", *c)); c++) {
    depth += (*c == '(') - (*c == ')');
    if (!isspace((unsigned char)*c)) word[length++] = *c;
  }
  word[length] = 0;
  near         = length ? MeritNearest(word, n_known, (const char *const *)known) : NULL;
  snprintf(text, sizeof(text), "%s%s%s%s", what, near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
  PetscCall(Fail(p, text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Name of row `row` of a matrix as in varcomp.tsv; owned by the caller. A row of the
   residual is a trait. */
static PetscErrorCode RowName(const MeritFormula *f, int term, int row, char **name)
{
  PetscFunctionBegin;
  if (term < 0) PetscCall(PetscStrallocpy(f->trait[row], name));
  else PetscCall(MeritFormulaComponentName(f, term, row, name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A row of a matrix, by name or by number from 1, up to a comma, bracket or parenthesis.
   *row is its number from 0. The error lists the names of all rows. */
static PetscErrorCode Row(Parser *p, int term, int *row)
{
  const MeritFormula *f = p->formula;
  const int           n = term < 0 ? f->n_traits : f->term[term].n_components;
  char                word[300], *end, what[1400], rows[700] = "";
  size_t              length = 0, used = 0;
  double              number;

  PetscFunctionBegin;
  Blanks(p);
  while (p->at[length] && !strchr(",])", p->at[length]) && length + 1 < sizeof(word)) word[length] = p->at[length], length++;
  while (length && isspace((unsigned char)word[length - 1])) length--;
  word[length] = 0;
  *row         = -1;
  number       = strtod(word, &end);
  if (length && !*end && number >= 1 && number <= n && number == floor(number)) *row = (int)number - 1;
  for (int i = 0; i < n && *row < 0; i++) {
    char *name;

    PetscCall(RowName(f, term, i, &name));
    if (!strcmp(name, word)) *row = i;
    if (used < sizeof(rows)) used += (size_t)snprintf(rows + used, sizeof(rows) - used, "%s%s", i ? ", " : "", name);
    PetscCall(PetscFree(name));
  }
  snprintf(what, sizeof(what), "`%s` has no row `%s`; its rows are %s", term < 0 ? "residual" : f->term[term].label, word, rows);
  if (*row < 0) PetscCall(Fail(p, what));
  while (*p->at && !strchr(",])", *p->at)) p->at++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Push element (row, column) of the matrix of a term (class: residual class); components
   are those of the lower triangle. A genetic variance is the component times the mean
   diagonal of M M', the variance of an average genotyped animal. The operand is found by
   search, since there are few components. */
static PetscErrorCode PutElement(Parser *p, int term, int class, bool genetic, int row, int column)
{
  PetscFunctionBegin;
  for (int i = 0; i < p->e->n_components; i++) {
    const MeritComponent *c = &p->e->component[i];

    if (c->term == term && c->residual == class && c->row == PetscMax(row, column) && c->column == PetscMin(row, column))
      PetscCall(Put(p, OP_COMPONENT, 0.0, i));
  }
  if (genetic) {
    PetscCall(Put(p, OP_GENETIC, 0.0, 0));
    PetscCall(Put(p, OP_MULTIPLY, 0.0, 0));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* An operand: LABEL, LABEL[row] or LABEL[row, column]. One row means the variance of that
   row. A matrix of one row needs none. */
static PetscErrorCode Component(Parser *p)
{
  int  term, class, row = 0, column = 0, n;
  bool genetic;

  PetscFunctionBegin;
  if (!Label(p, &term, &class, &genetic)) PetscCall(FailOperand(p, "expected a number, a function, the label of a random term or `residual`"));
  n = term < 0 ? p->formula->n_traits : p->formula->term[term].n_components;
  Blanks(p);
  if (*p->at == '[') {
    p->at++;
    PetscCall(Row(p, term, &row));
    column = row;
    if (*p->at == ',') {
      p->at++;
      PetscCall(Row(p, term, &column));
    }
    PetscCall(Expect(p, ']'));
  } else if (n > 1) PetscCall(Fail(p, "a term of several components needs its row and column, like label[1, 2],"));
  PetscCall(PutElement(p, term, class, genetic, row, column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* cor(label, a, b) = G_ab / sqrt(G_aa G_bb), as operations on three components. The stack
   has G_ab, G_aa, G_bb; product, root and quotient leave one number. The mean diagonal of
   a genetic variance cancels. */
static PetscErrorCode Correlation(Parser *p)
{
  int  term, class, a, b;
  bool genetic;

  PetscFunctionBegin;
  Blanks(p);
  if (!Label(p, &term, &class, &genetic)) PetscCall(FailOperand(p, "cor() wants the label of a random term or `residual`"));
  PetscCall(Expect(p, ','));
  PetscCall(Row(p, term, &a));
  PetscCall(Expect(p, ','));
  PetscCall(Row(p, term, &b));
  PetscCall(Expect(p, ')'));
  PetscCall(PutElement(p, term, class, false, a, b));
  PetscCall(PutElement(p, term, class, false, a, a));
  PetscCall(PutElement(p, term, class, false, b, b));
  PetscCall(Put(p, OP_MULTIPLY, 0.0, 0));
  PetscCall(Put(p, OP_SQRT, 0.0, 0));
  PetscCall(Put(p, OP_DIVIDE, 0.0, 0));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A decimal number; strtod also reads hexadecimal, inf and nan, which are refused. A sign
   is not part of the number: Power() has taken it. */
static PetscErrorCode Number(Parser *p)
{
  char        *end;
  const double number = strtod(p->at, &end);

  PetscFunctionBegin;
  if (end == p->at || (p->at[0] == '0' && tolower((unsigned char)p->at[1]) == 'x')) PetscCall(Fail(p, "expected a decimal number"));
  if (!isfinite(number)) PetscCall(Fail(p, "the number is too large"));
  PetscCall(Put(p, OP_NUMBER, number, 0));
  p->at = end;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A number, component, function, or sum in parentheses. Names of functions count only
   with their parenthesis, so a term may have such a label. */
static PetscErrorCode Atom(Parser *p)
{
  static const struct {
    const char *name;
    Op          op;
  } calls[] = {{"sqrt(", OP_SQRT}, {"log(", OP_LOG}, {"exp(", OP_EXP}, {"abs(", OP_ABS}};

  PetscFunctionBegin;
  if (++p->depth > DEPTH) PetscCall(Fail(p, "too many parentheses"));
  Blanks(p);
  if (*p->at == '(') {
    p->at++;
    PetscCall(Sum(p));
    PetscCall(Expect(p, ')'));
  } else if (isdigit((unsigned char)*p->at) || *p->at == '.') {
    PetscCall(Number(p));
  } else if (!strncmp(p->at, "cor(", 4)) {
    p->at += 4;
    PetscCall(Correlation(p));
  } else {
    size_t k = 0;

    while (k < 4 && strncmp(p->at, calls[k].name, strlen(calls[k].name))) k++;
    if (k == 4) PetscCall(Component(p));
    else {
      p->at += strlen(calls[k].name);
      PetscCall(Sum(p));
      PetscCall(Expect(p, ')'));
      PetscCall(Put(p, calls[k].op, 0.0, 0));
    }
  }
  p->depth--;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Powers, right to left; a sign applies to the whole power: -a^b = -(a^b). The exponent
   may have a sign of its own: a^-b. */
static PetscErrorCode Power(Parser *p)
{
  bool negative = false;

  PetscFunctionBegin;
  Blanks(p);
  while (*p->at == '-' || *p->at == '+') {
    negative = negative != (*p->at++ == '-');
    Blanks(p);
  }
  PetscCall(Atom(p));
  Blanks(p);
  if (*p->at == '^') {
    p->at++;
    if (++p->depth > DEPTH) PetscCall(Fail(p, "too many powers"));
    PetscCall(Power(p));
    p->depth--;
    PetscCall(Put(p, OP_POWER, 0.0, 0));
  }
  /* behind the power: the sign has the lower rank */
  if (negative) PetscCall(Put(p, OP_NEGATE, 0.0, 0));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Products and quotients, left to right. The operation follows its two operands in the
   program. */
static PetscErrorCode Product(Parser *p)
{
  PetscFunctionBegin;
  PetscCall(Power(p));
  for (Blanks(p); *p->at == '*' || *p->at == '/'; Blanks(p)) {
    const Op op = *p->at++ == '*' ? OP_MULTIPLY : OP_DIVIDE;

    PetscCall(Power(p));
    PetscCall(Put(p, op, 0.0, 0));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sums and differences, left to right */
static PetscErrorCode Sum(Parser *p)
{
  PetscFunctionBegin;
  PetscCall(Product(p));
  for (Blanks(p); *p->at == '+' || *p->at == '-'; Blanks(p)) {
    const Op op = *p->at++ == '+' ? OP_ADD : OP_SUBTRACT;

    PetscCall(Product(p));
    PetscCall(Put(p, op, 0.0, 0));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExpressionParse - See the header. The whole text must be read. *expression is set
   before anything can fail, so that the caller can free it after an error. Not
   collective. */
PetscErrorCode MeritExpressionParse(const MeritFormula *formula, MeritNode node, MeritExpression *expression)
{
  Parser p = {.formula = formula, .node = node};

  PetscFunctionBegin;
  if (node->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(node, "a function must be text, like \"ped(cow) / (ped(cow) + residual)\""));
  PetscCall(PetscNew(&p.e));
  *expression = p.e;
  p.text = p.at = node->text;
  PetscCall(MeritFormulaComponents(formula, &p.e->n_components, &p.e->component));
  PetscCall(Sum(&p));
  if (*p.at) PetscCall(Fail(&p, "cannot read on"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* value = x op y, with its derivatives dx, dy by x and y. For powers dy is 0 where x is
   not positive: log(x) is not defined there, and exponents are constants as a rule. */
static void Binary(Op op, double x, double y, double *value, double *dx, double *dy)
{
  switch (op) {
  case OP_ADD:
    *value = x + y, *dx = 1.0, *dy = 1.0;
    break;
  case OP_SUBTRACT:
    *value = x - y, *dx = 1.0, *dy = -1.0;
    break;
  case OP_MULTIPLY:
    *value = x * y, *dx = y, *dy = x;
    break;
  case OP_DIVIDE:
    *value = x / y, *dx = 1.0 / y, *dy = -x / (y * y);
    break;
  default:
    *value = pow(x, y), *dx = y == 0.0 ? 0.0 : y * pow(x, y - 1.0), *dy = x > 0.0 ? *value * log(x) : 0.0;
  }
}

/* value = op x, with its derivative dx. The derivative of |x| at 0 is taken as 1. */
static void Unary(Op op, double x, double *value, double *dx)
{
  switch (op) {
  case OP_NEGATE:
    *value = -x, *dx = -1.0;
    break;
  case OP_SQRT:
    *value = sqrt(x), *dx = 0.5 / *value;
    break;
  case OP_LOG:
    *value = log(x), *dx = 1.0 / x;
    break;
  case OP_EXP:
    *value = *dx = exp(x);
    break;
  default:
    *value = fabs(x), *dx = x < 0.0 ? -1.0 : 1.0;
  }
}

/* A term of the chain rule. A derivative of 0 gives 0 even where the other is infinite,
   as that of sqrt at 0. So a function keeps a gradient where a component that it does not
   depend on is at its bound. */
static double Chain(double weight, double derivative) { return weight == 0.0 || derivative == 0.0 ? 0.0 : weight * derivative; }

/* MeritExpressionEvaluate - See the header. Each number of the stack has its n
   derivatives by theta; an operation combines them by the chain rule. The stack has room
   for a number of each operation. Not collective. */
PetscErrorCode MeritExpressionEvaluate(MeritExpression e, int n, const double theta[], double genetic, double *value, double gradient[])
{
  double *stack, *d;
  int     top = 0;

  PetscFunctionBegin;
  /* d [stack][n]: derivatives of each number on the stack */
  PetscCall(PetscMalloc2(MOST_OPERATIONS + 1, &stack, (size_t)(MOST_OPERATIONS + 1) * (size_t)n, &d));
  for (int k = 0; k < e->n; k++) {
    const Op op = e->code[k].op;
    double   dx, dy;

    if (op <= OP_GENETIC) {
      stack[top] = op == OP_NUMBER ? e->code[k].number : op == OP_GENETIC ? genetic : theta[e->code[k].component];
      for (int i = 0; i < n; i++) d[top * n + i] = op == OP_COMPONENT && i == e->code[k].component;
      top++;
    } else if (op <= OP_POWER) {
      top--;
      Binary(op, stack[top - 1], stack[top], &stack[top - 1], &dx, &dy);
      for (int i = 0; i < n; i++) d[(top - 1) * n + i] = Chain(dx, d[(top - 1) * n + i]) + Chain(dy, d[top * n + i]);
    } else {
      Unary(op, stack[top - 1], &stack[top - 1], &dx);
      for (int i = 0; i < n; i++) d[(top - 1) * n + i] = Chain(dx, d[(top - 1) * n + i]);
    }
  }
  *value = stack[0];
  for (int i = 0; gradient && i < n; i++) gradient[i] = d[i];
  PetscCall(PetscFree2(stack, d));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritExpressionDestroy - NULL-safe. Not collective. */
PetscErrorCode MeritExpressionDestroy(MeritExpression *e)
{
  PetscFunctionBegin;
  if (!*e) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree((*e)->component));
  PetscCall(PetscFree(*e));
  PetscFunctionReturn(PETSC_SUCCESS);
}
