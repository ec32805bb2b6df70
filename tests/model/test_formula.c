#include "formula_read.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_words[] = {"fixed", "iid", "ped", "snp", "ridge"};

/*
  A formula as one line: "traits | label=kind[! or ,centre]{name:class,class*covariate ..}(component ..) | ...". The
  expected lines in the tests are written by hand from the rules of docs/models.md.
*/
static void Describe(const MeritFormula *f, size_t size, char s[])
{
  s[0] = 0;
#define ADD(...) snprintf(s + strlen(s), size - strlen(s), __VA_ARGS__)
  for (int t = 0; t < f->n_traits; t++) ADD("%s%s", t ? " " : "", f->trait[t]);
  for (int k = 0; k < f->n_terms; k++) {
    const MeritTermSpec *term = f->term + k;
    char                 names[400];

    ADD(" | %s=%s%s%s{", term->label, kind_words[term->kind], term->intercept ? "!" : "", term->centre ? ",centre" : "");
    for (int r = 0; r < term->n_regressors; r++) {
      const MeritRegressorSpec *x = term->regressor + r;

      ADD("%s%s:", r ? " " : "", x->name);
      for (int c = 0; c < x->n_class; c++) ADD("%s%s", c ? "," : "", x->class_column[c]);
      if (x->covariate == MERIT_COVARIATE_COLUMN) ADD("*%s", x->column);
      if (x->covariate == MERIT_COVARIATE_LEGENDRE) ADD("*P%d(%s,%g,%g)", x->degree, x->column, x->low, x->high);
    }
    ComponentNames(f, k, sizeof(names), names);
    ADD("}(%s)", names);
  }
#undef ADD
}

static void Means(const char *model, const char *expected)
{
  MeritNode     job;
  MeritFormula *f;
  char          text[1000], found[2000];

  snprintf(text, sizeof(text), "model: %s\n", model);
  if (ReadModel(text, &job, &f)) fail_msg("%s: %s", model, MeritErrorLast()->text);
  Describe(f, sizeof(found), found);
  assert_string_equal(found, expected);
  CloseModel(&job, &f);
}

/* The model is refused at a column of the job file's first line, with these words */
static void RefusedAt(const char *model, int column, const char *words)
{
  MeritNode     job;
  MeritFormula *f = (MeritFormula *)&job;
  char          text[4000], position[40];

  snprintf(text, sizeof(text), "model: %s\n", model);
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &job));
  assert_int_not_equal((int)MeritFormulaParse(MeritNodeFind(job, "model"), &f), 0);
  assert_null(f);
  snprintf(position, sizeof(position), "job.yaml:1:%d: ", column);
  if (strncmp(MeritErrorLast()->text, position, strlen(position)) || !strstr(MeritErrorLast()->text, words)) {
    fail_msg("%s\n  expected %s%s\n  found    %s", model, position, words, MeritErrorLast()->text);
  }
  assert_int_equal((int)MeritErrorLast()->kind, (int)MERIT_ERROR_USAGE);
  assert_int_equal((int)MeritErrorLast()->line, 1);
  MeritErrorClear();
  TestCall(MeritConfigDestroy(&job));
}

static void TestTheInterceptIsImpliedWrittenOrLeftOut(void **state)
{
  (void)state;
  Means("y ~ herd", "y | 1=fixed!{1:}(y) | herd=fixed{1:herd}(y)");
  Means("y ~ herd + 1", "y | herd=fixed{1:herd}(y) | 1=fixed!{1:}(y)");
  Means("y ~ 1", "y | 1=fixed!{1:}(y)");
  Means("y ~ 0 + herd", "y | herd=fixed{1:herd}(y)");
  Means("y~herd+0", "y | herd=fixed{1:herd}(y)");
}

static void TestFixedTerms(void **state)
{
  (void)state;
  Means("y ~ 0 + cov(age)", "y | cov(age)=fixed{1:*age}(y)");
  Means("y ~ 0 + herd:year", "y | herd:year=fixed{1:herd,year}(y)");
  Means("\"y ~ 0 + a : b : c\"", "y | a:b:c=fixed{1:a,b,c}(y)");
  Means("y ~ 0 + sex:cov(age)", "y | sex:cov(age)=fixed{1:sex*age}(y)");
  Means("y ~ 0 + cov(age):sex", "y | cov(age):sex=fixed{1:sex*age}(y)");
  Means("y ~ 0 + season = herd:year", "y | season=fixed{1:herd,year}(y)");
}

static void TestAPlainFixedLegLeavesLeg0ToTheIntercept(void **state)
{
  (void)state;
  Means("y ~ leg(dim, 2, 5, 305)", "y | 1=fixed!{1:}(y) | leg(dim,2,5,305)=fixed{leg1:*P1(dim,5,305) leg2:*P2(dim,5,305)}(y.leg1 y.leg2)");
  Means("y ~ leg(dim, 1, 5, 305) + 0", "y | leg(dim,1,5,305)=fixed{leg0:*P0(dim,5,305) leg1:*P1(dim,5,305)}(y.leg0 y.leg1)");
  Means("y ~ 1 + herd:leg(dim, 1, -5, 3.5e2)", "y | 1=fixed!{1:}(y) | herd:leg(dim,1,-5,3.5e2)=fixed{leg0:herd*P0(dim,-5,350) "
                                               "leg1:herd*P1(dim,-5,350)}(y.leg0 y.leg1)");
  Means("y ~ 0 + iid(cow:leg(dim, 0, 0, 1))", "y | iid(cow:leg(dim,0,0,1))=iid{1:cow*P0(dim,0,1)}(y)");
}

static void TestRandomTerms(void **state)
{
  (void)state;
  Means("y ~ 0 + iid(herd)", "y | iid(herd)=iid{1:herd}(y)");
  Means("y ~ 0 + iid(sire:herd)", "y | iid(sire:herd)=iid{1:sire,herd}(y)");
  Means("y ~ 0 + pe = iid(cow)", "y | pe=iid{1:cow}(y)");
  Means("y ~ 0 + ped(cow) + snp(cow)", "y | ped(cow)=ped{1:cow}(y) | snp(cow)=snp{1:cow}(y)");
  Means("y ~ 0 + ped(calf + dam)", "y | ped(calf+dam)=ped{calf:calf dam:dam}(y.calf y.dam)");
  Means("y ~ 0 + iid(calf + dam)", "y | iid(calf+dam)=iid{calf:calf dam:dam}(y.calf y.dam)");
  Means("y ~ 0 + iid(s + s:cov(days))", "y | iid(s+s:cov(days))=iid{1:s days:s*days}(y.1 y.days)");
  Means("y ~ 0 + ped(calf + dam:cov(days))", "y | ped(calf+dam:cov(days))=ped{calf:calf dam:days:dam*days}(y.calf y.dam:days)");
  Means("y ~ 0 + ped(cow:leg(dim,1,5,305))", "y | ped(cow:leg(dim,1,5,305))=ped{leg0:cow*P0(dim,5,305) leg1:cow*P1(dim,5,305)}(y.leg0 y.leg1)");
  Means("y ~ 0 + ped(calf + dam:leg(dim,1,5,305))", "y | ped(calf+dam:leg(dim,1,5,305))=ped{calf:calf "
                                                    "dam:leg0:dam*P0(dim,5,305) dam:leg1:dam*P1(dim,5,305)}"
                                                    "(y.calf y.dam:leg0 y.dam:leg1)");
  Means("y ~ 0 + snp(cow + cow:cov(days))", "y | snp(cow+cow:cov(days))=snp{1:cow days:cow*days}(y.1 y.days)");
}

static void TestRidgeHasOneComponentForAllItsColumns(void **state)
{
  (void)state;
  Means("y ~ 0 + ridge(SNP1 + SNP2)", "y | ridge(SNP1+SNP2)=ridge{SNP1:*SNP1 SNP2:*SNP2}(y)");
  Means("y ~ 0 + ridge(SNP1, centre)", "y | ridge(SNP1,centre)=ridge,centre{SNP1:*SNP1}(y)");
  Means("[y ~ 0 + ridge(a + b), z ~ 0 + ridge(a+b)]", "y z | ridge(a+b)=ridge{a:*a b:*b}(y z)");
}

static void TestBackticksHoldAnyName(void **state)
{
  (void)state;
  Means("'y ~ 0 + `fat %` + `herd`'", "y | `fat %`=fixed{1:fat %}(y) | herd=fixed{1:herd}(y)");
  Means("'`the ``y``` ~ 0 + iid(`1`)'", "the `y` | iid(`1`)=iid{1:1}(the `y`)");
  Means("'y ~ 0 + `2nd` + 3x + cov(`1e-3`) + 1.2.3'", "y | 2nd=fixed{1:2nd}(y) | 3x=fixed{1:3x}(y) | cov(`1e-3`)=fixed{1:*1e-3}(y) | "
                                                      "1.2.3=fixed{1:1.2.3}(y)");
  Means("y ~ 0 + höhe", "y | höhe=fixed{1:höhe}(y)");
  Means("'y ~ 0 + `animal model` = ped(cow)'", "y | animal model=ped{1:cow}(y)");
}

static void TestTermsOfOneLabelMergeOverTraits(void **state)
{
  (void)state;
  Means("[ww ~ cg + animal = ped(calf + dam), yw ~ cg + animal = ped(calf)]",
        "ww yw | 1=fixed!{1:}(ww yw) | cg=fixed{1:cg}(ww yw) | animal=ped{calf:calf dam:dam}(ww.calf yw.calf "
        "ww.dam)");
  Means("[a ~ p = iid(s), b ~ 0 + p = iid(s + s:cov(x))]", "a b | 1=fixed!{1:}(a) | p=iid{1:s x:s*x}(a.1 b.1 b.x)");
  Means("[a ~ 0 + ped(cow), b ~ 0 + sex + ped( cow )]", "a b | ped(cow)=ped{1:cow}(a b) | sex=fixed{1:sex}(b)");
  Means("[a ~ 0 + g = ped(cow), b ~ 0 + h = ped(cow)]", "a b | g=ped{1:cow}(a) | h=ped{1:cow}(b)");
  Means("['a ~ leg(d,1,0,9)', 'b ~ 0 + leg(d,1,0,9)']",
        "a b | 1=fixed!{1:}(a) | leg(d,1,0,9)=fixed{leg1:*P1(d,0,9) leg0:*P0(d,0,9)}(a.leg1 b.leg1 b.leg0)");
  Means("[a ~ 0 + m = ped(calf), b ~ 0 + m = ped(dam)]", "a b | m=ped{calf:calf dam:dam}(a.calf b.dam)");
}

/* The label of every term, read again as a term, is the label */
static void TestATermsTextReadsBackToItself(void **state)
{
  static const char *const terms[] = {
      "a",
      "a :b:  c",
      "cov( age ) : sex",
      "herd:leg(dim, 3, -1.50, +2e1)",
      "iid( s + s : cov(days) )",
      "ped(cow:leg(dim,2,5,305))",
      "snp( `the id` )",
      "ridge(`S 1`+S2 , centre)",
      "`a``b`:`1`:`x`",
  };

  (void)state;
  for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++) {
    char          text[300];
    char         *first;
    MeritNode     job;
    MeritFormula *f;

    snprintf(text, sizeof(text), "model: \"y ~ 0 + %s\"\n", terms[i]);
    TestCall(ReadModel(text, &job, &f));
    assert_string_equal(f->term[0].label, f->term[0].text);
    first = strdup(f->term[0].text);
    CloseModel(&job, &f);
    snprintf(text, sizeof(text), "model: \"y ~ 0 + %s\"\n", first);
    TestCall(ReadModel(text, &job, &f));
    assert_string_equal(f->term[0].text, first);
    CloseModel(&job, &f);
    free(first);
  }
}

static void TestATermKnowsItsPosition(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadModel("model:\n  - y ~ herd + ped(cow)\n  - 'z ~ g = iid(s) + herd'\n", &job, &f));
  assert_int_equal(TermOf(f, "1")->line, 2);
  assert_int_equal(TermOf(f, "1")->column, 5);
  assert_int_equal(TermOf(f, "herd")->column, 9);
  assert_int_equal(TermOf(f, "ped(cow)")->line, 2);
  assert_int_equal(TermOf(f, "ped(cow)")->column, 16);
  assert_int_equal(TermOf(f, "g")->line, 3);
  assert_int_equal(TermOf(f, "g")->column, 10);
  CloseModel(&job, &f);
}

static void TestSyntaxErrorsPointAtTheirPosition(void **state)
{
  (void)state;
  RefusedAt("herd", 12, "expected `~` after the trait");
  RefusedAt("\"~ herd\"", 9, "expected the trait");
  RefusedAt("5 ~ herd", 8, "5 is a number, not the trait");
  RefusedAt("y ~", 11, "expected a column");
  RefusedAt("y ~ a +", 15, "expected a column, at the end");
  RefusedAt("y ~ a b", 14, "expected + or the end, near \"b\"");
  RefusedAt("y ~ a)", 13, "a `)` too many");
  RefusedAt("y ~ a ~ b", 14, "expected + or the end");
  RefusedAt("y ~ a * b", 14, "write a + b + a:b");
  RefusedAt("y ~ (cow)", 12, "expected a column");
  RefusedAt("y ~ 1|cow", 13, "iid(cow)");
  RefusedAt("y ~ -1 + a", 12, "`0` leaves out the intercept");
  RefusedAt("y ~ a/b", 13, "a column name with `/` goes in backticks");
  RefusedAt("y ~ 5", 12, "5 is a number, not a column");
  RefusedAt("y ~ 1:herd", 13, "expected + or the end");
  RefusedAt("'y ~ herd:'", 18, "expected a column");
  RefusedAt("'y ~ `herd'", 13, "the backtick is not closed");
  RefusedAt("'y ~ ``'", 13, "no name between the backticks");
  RefusedAt("y ~ ped(cow", 19, "expected `)` or + here");
  RefusedAt("y ~ ped()", 16, "expected a column");
  RefusedAt("y ~ höhe + x*y", 20, "write a + b"); /* columns are characters, not bytes */
  RefusedAt("'y ~ 2 = herd'", 13, "a label must be a name");
  RefusedAt("'y ~ residual = iid(herd)'", 13, "`residual` cannot be a label");
  RefusedAt("'y ~ m = 1'", 13, "the intercept has no label");
  RefusedAt("'y ~ `1` = herd'", 13, "`1` cannot be a label");
}

static void TestErrorsInFunctionsPointAtTheirPosition(void **state)
{
  (void)state;
  RefusedAt("y ~ pad(cow)", 12, "unknown function `pad`; did you mean `ped`?");
  RefusedAt("y ~ frobnicate(x)", 12, "unknown function `frobnicate` (known:");
  RefusedAt("y ~ cov(a:b)", 17, "expected `)` after the column of cov()");
  RefusedAt("y ~ cov(3)", 16, "3 is a number, not the column of a covariate");
  RefusedAt("y ~ cov(a):cov(b)", 19, "one cov() or leg() at most");
  RefusedAt("y ~ a:b:a", 16, "`a` occurs twice in one product; remove one");
  RefusedAt("y ~ a:b:c:d:e:f:g:h:i", 28, "8 class columns at most");
  RefusedAt("y ~ herd:ped(cow)", 17, "ped() is a term of its own");
  RefusedAt("y ~ ped(cow):herd", 20, "write the product between its parentheses");
  RefusedAt("y ~ iid(ped(cow))", 16, "ped() is a term of its own");
  RefusedAt("y ~ ped(cow, x)", 21, "ped() takes no options");
  RefusedAt("y ~ ridge(a, center)", 21, "`centre`");
  RefusedAt("y ~ ridge(a:b)", 18, "plain columns");
  RefusedAt("y ~ ridge(cov(a))", 18, "plain columns");
  RefusedAt("y ~ ridge(a + a)", 12, "the same regressor twice");
  RefusedAt("y ~ iid(s + s)", 12, "the same regressor twice");
  RefusedAt("y ~ iid(cov(x))", 16, "needs a class column");
  RefusedAt("y ~ iid(s + a:b)", 20, "share its levels: 2 class columns here, 1 in the first");
  RefusedAt("y ~ ped(a:b)", 16, "one id column, not 2");
  RefusedAt("y ~ snp(a + b)", 20, "two id columns");
}

static void TestErrorsOfLegPointAtTheirPosition(void **state)
{
  (void)state;
  RefusedAt("y ~ leg(d)", 17, "expected `,` and the order");
  RefusedAt("y ~ leg(d, x, 0, 1)", 19, "whole number from 0 to 20");
  RefusedAt("y ~ leg(d, 21, 0, 1)", 19, "whole number from 0 to 20");
  RefusedAt("y ~ leg(d, 1.5, 0, 1)", 19, "whole number from 0 to 20");
  RefusedAt("y ~ leg(d, 2)", 20, "needs its interval");
  RefusedAt("y ~ iid(s:leg(d, 2))", 26, "needs its interval");
  RefusedAt("y ~ leg(d, 2, 0)", 23, "the upper end");
  RefusedAt("y ~ leg(d, 2, a, 1)", 22, "expected a number for the interval");
  RefusedAt("y ~ leg(d, 2, 5, 5)", 22, "low < high");
  RefusedAt("y ~ leg(d, 0, 0, 1)", 12, "order 0 is the intercept");
  RefusedAt("y ~ iid(s:leg(a,1,0,1) + s:leg(b,1,0,1))", 12, "both called leg0");
}

static void TestWhatIsToComeSaysSo(void **state)
{
  (void)state;
  RefusedAt("y ~ dom(cow)", 12, "dom() is not available yet");
  RefusedAt("\"y ~ epi(cow, aa)\"", 13, "epi() is not available yet");
  RefusedAt("y ~ ped_dom(cow)", 12, "ped_dom() is not available yet");
  RefusedAt("\"y ~ user(line, file)\"", 13, "user() is not available yet");
  RefusedAt("y ~ herd + ss(cow)", 19, "ss() is not available yet");
  RefusedAt("\"y ~ snp(cow, set = qtl)\"", 22, "snp(column, set = ..) is not available yet");
}

static void TestContradictionsPointAtTheirPosition(void **state)
{
  (void)state;
  RefusedAt("y ~ 0", 12, "no term, not even an intercept");
  RefusedAt("y ~ 1 + 0", 16, "exclude each other");
  RefusedAt("y ~ 1 + herd + 1", 23, "the term `1` occurs twice");
  RefusedAt("y ~ 0 + herd + 0", 23, "the term `0` occurs twice");
  RefusedAt("y ~ herd + herd", 19, "the term `herd` occurs twice");
  RefusedAt("y ~ g = iid(s) + iid( s )", 25, "the term `iid(s)` occurs twice");
  RefusedAt("y ~ g = iid(s) + g = iid(d)", 25, "the label `g` occurs twice");
  RefusedAt("y ~ herd = iid(s) + herd", 28, "the label `herd` occurs twice");
  RefusedAt("y ~ cov(y)", 12, "the trait `y` is on both sides of `~`; remove it on the right");
  RefusedAt("y ~ ped(y)", 16, "the trait `y` is on both sides of `~`; remove it on the right");
  RefusedAt("[y ~ a, y ~ b]", 16, "the trait `y` already has a formula; a trait has one");
  RefusedAt("[y ~ g = iid(s), z ~ g = ped(s)]", 29, "the label `g` is already used for `iid(s)` (line 1)");
  RefusedAt("[y ~ g = a, z ~ g = b]", 24, "cannot be joined with `b`");
  RefusedAt("[y ~ herd, z ~ herd = iid(herd)]", 23, "cannot be joined with `iid(herd)`");
  RefusedAt("[y ~ ped(cow), 'z ~ `ped(cow)` = ped(cow + dam)']", 28, "is the text of another term");
  RefusedAt("['z ~ `ped(cow)` = ped(cow + dam)', y ~ ped(cow)]", 48, "is the text of another term");
  RefusedAt("[y ~ g = ridge(a + b), z ~ g = ridge(a)]", 35, "cannot be joined");
  RefusedAt("[y ~ g = iid(a), z ~ g = iid(a:b)]", 37, "share its levels");
  RefusedAt("[y ~ g = snp(a), z ~ g = snp(b)]", 37, "two id columns");
}

static void TestTheNodeMustBeTextOrAListOfTexts(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  RefusedAt("[]", 8, "the list of formulas is empty");
  RefusedAt("{y: x}", 8, "a formula must be text");
  RefusedAt("[y ~ a, [z ~ b]]", 16, "a formula must be text");
  TestRaises(MERIT_ERROR_USAGE, "the job file has no `model`", MeritFormulaParse(NULL, &f));
  TestRaises(MERIT_ERROR_USAGE, "the job file has no `model`", ReadModel("model:\n", &job, &f));
  TestCall(MeritConfigDestroy(&job));
  TestRaises(MERIT_ERROR_USAGE, "job.yaml:3:3: a formula must be text", ReadModel("records: x\nmodel:\n  y ~ herd : year\n", &job, &f));
  TestCall(MeritConfigDestroy(&job));
}

static void TestABlockFormulaIsReadAndPointsAtItsNode(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(ReadModel("model: >\n  y ~ herd\n  + ped(cow)\n", &job, &f));
  assert_int_equal(f->n_terms, 3);
  CloseModel(&job, &f);
  TestRaises(MERIT_ERROR_USAGE, "job.yaml:1:8: ", ReadModel("model: |\n  y ~ herd\n  + pad(cow)\n", &job, &f));
  TestCall(MeritConfigDestroy(&job));
}

static void TestAFlagHasNoLine(void **state)
{
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  TestCall(MeritConfigParse("job.yaml", "model: y ~ a\n", 13, &job));
  TestCall(MeritConfigSet(job, "model", "y ~ a + pad(cow)"));
  TestRaises(MERIT_ERROR_USAGE, "command line: unknown function `pad`", MeritFormulaParse(MeritNodeFind(job, "model"), &f));
  TestCall(MeritConfigDestroy(&job));
}

static void TestThirtyTwoTraitsAndNoMore(void **state)
{
  char          text[2000] = "model:\n";
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  for (int t = 0; t < 32; t++) snprintf(text + strlen(text), sizeof(text) - strlen(text), "- t%d ~ herd + ped(cow)\n", t);
  TestCall(ReadModel(text, &job, &f));
  assert_int_equal(f->n_traits, 32);
  assert_int_equal(TermOf(f, "ped(cow)")->n_components, 32);
  assert_int_equal(TermOf(f, "ped(cow)")->component[31].trait, 31);
  CloseModel(&job, &f);
  strcat(text, "- t32 ~ herd\n");
  TestRaises(MERIT_ERROR_USAGE, "job.yaml:34:3: a model may have 32 traits at most", ReadModel(text, &job, &f));
  TestCall(MeritConfigDestroy(&job));
}

static void TestSplitPedigreeTermsGiveAWarning(void **state)
{
  static const struct {
    const char *model;
    int         n;
  } cases[] = {
      {"model: [ww ~ ped(calf + dam), yw ~ ped(calf)]\n", 1},
      {"model: [ww ~ ped(calf), yw ~ ped(calf)]\n", 0},
      {"model: [ww ~ a = ped(calf + dam), yw ~ a = ped(calf)]\n", 0},
      {"model: [ww ~ a = ped(calf + dam), yw ~ ped(calf)]\n", 0},
      {"model: [ww ~ ped(calf) + ped(dam), yw ~ ped(calf)]\n", 0}, /* ww has both: meant as two terms */
      {"model: [ww ~ iid(calf), yw ~ iid(dam)]\n", 0},
  };
  MeritNode     job;
  MeritFormula *f;

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    TestCall(ReadModel(cases[i].model, &job, &f));
    assert_int_equal(f->n_warnings, cases[i].n);
    if (f->n_warnings) assert_non_null(strstr(f->warning[0], "ped(calf+dam) of ww and ped(calf) of yw"));
    CloseModel(&job, &f);
  }
}

/* Habits of R, lme4, ASReml and others: the message has the form of this program, with the user's column */
static void TestWhatOtherProgramsWriteIsNamed(void **state)
{
  (void)state;
  RefusedAt("y ~ factor(herd)", 12, "`factor()` is not used here: a bare column is a class: write herd");
  RefusedAt("y ~ as.factor(`the herd`)", 12, "write `the herd`");
  RefusedAt("y ~ as.numeric(age)", 12, "a covariate is cov(age)");
  RefusedAt("y ~ herd + animal(id)", 19, "`animal()` is not used here: the pedigree relationship is ped(id)");
  RefusedAt("y ~ gblup(id)", 12, "genotypes enter as snp(id)");
  RefusedAt("y ~ vm(id, K)", 12, "ped(id) by the pedigree, or snp(id) by genotypes");
  RefusedAt("y ~ ide(cow)", 12, "independent random levels are iid(cow)");
  RefusedAt("y ~ us(trait):animal", 12, "covariances come by the label of a term");
  RefusedAt("y ~ poly(age, 2)", 12, "a curve is leg(age, order, low, high)");
  RefusedAt("y ~ s(age)", 12, "a curve is leg(age, order, low, high)");
  RefusedAt("y ~ log(x)", 12, "the records file needs a column with these values");
  RefusedAt("y ~ I(x^2)", 15, "a power is a column of the records file");
  RefusedAt("y ~ cov(x^2)", 17, "a power is a column of the records file");
  RefusedAt("log(y) ~ x", 8, "the records file needs a column with these values");
  RefusedAt("cbind(y, z) ~ x", 8, "several traits are a list of formulas");
  RefusedAt("y, z ~ x", 9, "for several traits give a list of formulas");
  RefusedAt("y + z ~ x", 10, "for several traits give a list of formulas");
  RefusedAt("y ~ a - 1", 14, "`0` leaves out the intercept");
  RefusedAt("y ~ -1 + a", 12, "`0` leaves out the intercept");
  RefusedAt("y ~ a/b", 13, "b within a is written a:b");
  RefusedAt("y ~ a + 1|herd", 17, "a random effect is written iid(herd)");
  RefusedAt("y ~ ped(cow) + (1 | herd)", 26, "a random effect is written iid(herd)");
  RefusedAt("y ~ ped(cow) + (1 + days || id)", 33, "intercept and slope are iid(id + id:cov(days))");
  RefusedAt("y ~ (cov(days) | id)", 23, "intercept and slope are iid(id + id:cov(days))");
  RefusedAt("y ~ (1 |)", 15, "a random effect is written iid(column)");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestWhatOtherProgramsWriteIsNamed),
    cmocka_unit_test(TestTheInterceptIsImpliedWrittenOrLeftOut),
    cmocka_unit_test(TestFixedTerms),
    cmocka_unit_test(TestAPlainFixedLegLeavesLeg0ToTheIntercept),
    cmocka_unit_test(TestRandomTerms),
    cmocka_unit_test(TestRidgeHasOneComponentForAllItsColumns),
    cmocka_unit_test(TestBackticksHoldAnyName),
    cmocka_unit_test(TestTermsOfOneLabelMergeOverTraits),
    cmocka_unit_test(TestATermsTextReadsBackToItself),
    cmocka_unit_test(TestATermKnowsItsPosition),
    cmocka_unit_test(TestSyntaxErrorsPointAtTheirPosition),
    cmocka_unit_test(TestErrorsInFunctionsPointAtTheirPosition),
    cmocka_unit_test(TestErrorsOfLegPointAtTheirPosition),
    cmocka_unit_test(TestWhatIsToComeSaysSo),
    cmocka_unit_test(TestContradictionsPointAtTheirPosition),
    cmocka_unit_test(TestTheNodeMustBeTextOrAListOfTexts),
    cmocka_unit_test(TestABlockFormulaIsReadAndPointsAtItsNode),
    cmocka_unit_test(TestAFlagHasNoLine),
    cmocka_unit_test(TestThirtyTwoTraitsAndNoMore),
    cmocka_unit_test(TestSplitPedigreeTermsGiveAWarning),
};

TEST_MAIN(tests)
