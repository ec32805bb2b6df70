#include <merit_test.h>
#include <merit/config.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char job[] = "# a job\n"
                          "records:\n"
                          "  file: records.csv\n"
                          "  missing: [NA, \".\", '5']\n"
                          "model: \"milk ~ herd + cov(age) + ped(cow) = iid(cow)\"\n"
                          "variances:\n"
                          "  ped(cow): 30\n"
                          "  s + s:cov(days): [[1, 0.5], [0.5, 2]]\n"
                          "solver: {rtol: 1.0e-8, max_it: 5000, type: pcg}\n"
                          "empty:\n"
                          "text: '7'\n"
                          "on: Yes\n";

static MeritNode Parse(const char *text)
{
  MeritNode root;

  TestCall(MeritConfigParse("dir/job.yaml", text, strlen(text), &root));
  return root;
}

static void TestAJobFileBecomesATreeThatKnowsItsPositions(void **state)
{
  MeritNode root = Parse(job), node;

  (void)state;
  assert_int_equal(root->kind, MERIT_NODE_MAP);
  node = MeritNodeFind(root, "solver.max_it");
  assert_int_equal(node->line, 9);
  assert_int_equal(node->column, 32);
  assert_string_equal(node->text, "5000");
  assert_string_equal(node->file, "dir/job.yaml");
  node = MeritNodeFind(root, "records.missing");
  assert_int_equal(node->kind, MERIT_NODE_LIST);
  assert_int_equal(node->n, 3);
  assert_string_equal(node->child[1]->text, ".");
  assert_true(node->child[1]->quoted);
  assert_false(node->child[0]->quoted);
  node = MeritNodeFind(root, "variances.s + s:cov(days)");
  assert_string_equal(node->child[1]->child[0]->text, "0.5");
  assert_null(MeritNodeFind(root, "empty"));
  assert_null(MeritNodeFind(root, "empty.below"));
  assert_null(MeritNodeFind(root, "solver.rtol.below"));
  assert_null(MeritNodeFind(root, "solve"));
  TestCall(MeritConfigDestroy(&root));
  assert_null(root);
}

static void TestGettersLeaveTheDefaultWhenAKeyIsAbsent(void **state)
{
  static const char *const types[] = {"ksp", "pcg", "gsru"};
  MeritNode                root    = Parse(job);
  double                   rtol = 3, other = 4;
  int64_t                  most  = 1;
  bool                     on    = false;
  int                      type  = 0;
  const char              *model = NULL, *none = "none";

  (void)state;
  TestCall(MeritConfigReal(root, "solver.rtol", 0, 1, &rtol));
  TestCall(MeritConfigReal(root, "solver.other", 0, 1, &other));
  TestCall(MeritConfigInt(root, "solver.max_it", 1, INT64_MAX, &most));
  TestCall(MeritConfigBool(root, "on", &on));
  TestCall(MeritConfigChoice(root, "solver.type", 3, types, &type));
  TestCall(MeritConfigString(root, "model", &model));
  TestCall(MeritConfigString(root, "empty", &none));
  assert_true(rtol == 1e-8 && other == 4);
  assert_int_equal(most, 5000);
  assert_true(on);
  assert_int_equal(type, 1);
  assert_string_equal(model, "milk ~ herd + cov(age) + ped(cow) = iid(cow)");
  assert_string_equal(none, "none");
  TestCall(MeritConfigDestroy(&root));
}

static void TestGettersNameThePlaceOfAWrongValue(void **state)
{
  static const char *const types[] = {"ksp", "gsru"};
  MeritNode                root    = Parse(job);
  double                   x       = 7;
  int64_t                  i       = 7;
  bool                     b       = true;
  int                      c       = 7;
  const char              *s;

  (void)state;
  TestRaises(MERIT_ERROR_USAGE, "dir/job.yaml:3:9: records.file: 'records.csv' is not a number", MeritConfigReal(root, "records.file", 0, 1, &x));
  TestRaises(MERIT_ERROR_USAGE, "dir/job.yaml:9:16: solver.rtol", MeritConfigReal(root, "solver.rtol", 1e-3, 1, &x));
  TestRaises(MERIT_ERROR_USAGE, "not a whole number", MeritConfigInt(root, "solver.rtol", 0, 1, &i));
  TestRaises(MERIT_ERROR_USAGE, "from 1 to 10", MeritConfigInt(root, "solver.max_it", 1, 10, &i));
  TestRaises(MERIT_ERROR_USAGE, "neither yes nor no", MeritConfigBool(root, "model", &b));
  TestRaises(MERIT_ERROR_USAGE, "9:44: solver.type: 'pcg' is not one of ksp, gsru", MeritConfigChoice(root, "solver.type", 2, types, &c));
  TestRaises(MERIT_ERROR_USAGE, "not a map", MeritConfigString(root, "solver", &s));
  TestRaises(MERIT_ERROR_USAGE, "quotes", MeritConfigReal(root, "text", 0, 9, &x));
  assert_true(x == 7 && i == 7 && b && c == 7);
  TestCall(MeritConfigDestroy(&root));
}

static void TestOnlyDecimalNumbersAreNumbers(void **state)
{
  static const char *const good[] = {"1", "-2.5", "+3e-2", ".5", "1E3"}, *const bad[] = {"inf", "nan", "0x10", "1,5", "1e", "1 2", "1e999", "-"};
  static const double value[] = {1, -2.5, 0.03, 0.5, 1000};
  double              x       = 7;

  (void)state;
  for (int i = 0; i < 5; i++) {
    struct _p_MeritNode node = {.kind = MERIT_NODE_SCALAR, .text = (char *)(uintptr_t)good[i]};

    assert_true(MeritNodeReal(&node, &x) && fabs(x - value[i]) < 1e-15);
    node.quoted = true;
    assert_false(MeritNodeReal(&node, &x));
  }
  for (int i = 0; i < 8; i++) {
    struct _p_MeritNode node = {.kind = MERIT_NODE_SCALAR, .text = (char *)(uintptr_t)bad[i]};

    assert_false(MeritNodeReal(&node, &x));
  }
  assert_false(MeritNodeReal(NULL, &x));
}

static void TestWhatMakesYamlAmbiguousIsRefusedWithItsPosition(void **state)
{
  static const struct {
    const char *text, *words;
  } bad[] = {
      {"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "j:5:3: duplicate key c"},
      {"a: &x 1\nb: *x\n", "j:1:4: anchors"},
      {"a: 1\nb: *x\n", "j:2:4: anchors"},
      {"a: 1\nb:\n\tc: 2\n", "j:3:1: a tab in the indentation"},
      {"a: 1\nb:\n  c: 1\n \td: 2\n", "j:4:2: a tab in the indentation"},
      {"a: 1\n---\nb: 2\n", "j:2:1: a second YAML document"},
      {"a: !!str 5\n", "j:1:4: tags"},
      {"a: [1, 2\n", "not YAML"},
      {"a: 1\n  b: 2\n", "j:2:4: not YAML"},
      {"- a\n- b\n", "j:1:1: keys with values"},
      {"just text\n", "j:1:1: keys with values"},
      {"? [a, b]\n: 1\n", "a key must be a word"},
      {"'': 1\n", "j:1:1: a key is missing"},
      {"a: 1\nb: \xff\n", "j:2:4: not UTF-8"},
      {"a: \"x\\0y\"\n", "zero byte"},
  };
  MeritNode root;

  (void)state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    PetscErrorCode code = MeritConfigParse("j", bad[i].text, strlen(bad[i].text), &root);

    if (!code || !strstr(MeritErrorLast()->text, bad[i].words))
      fail_msg("%s: got \"%s\", not \"%s\"", bad[i].text, code ? MeritErrorLast()->text : "no error", bad[i].words);
    assert_int_equal(MeritErrorLast()->kind, MERIT_ERROR_USAGE);
    MeritErrorClear();
    assert_null(root);
  }
}

static void TestAnEmptyFileIsAnEmptyMap(void **state)
{
  MeritNode root = Parse("# nothing\n");
  char     *text;

  (void)state;
  assert_int_equal(root->kind, MERIT_NODE_MAP);
  assert_int_equal(root->n, 0);
  TestCall(MeritConfigPrint(root, &text));
  assert_string_equal(text, "");
  TestCall(PetscFree(text));
  TestCall(MeritConfigDestroy(&root));
}

static void TestFlagsWinOverTheFile(void **state)
{
  MeritNode root = Parse(job);
  double    x    = 0;

  (void)state;
  TestCall(MeritConfigSet(root, "solver.rtol", "1e-12"));
  TestCall(MeritConfigSet(root, "genotypes.bfile", "chip"));
  TestCall(MeritConfigSet(root, "variances.ped( cow )", "[[2, 1], [1, 2]]"));
  TestCall(MeritConfigSet(root, "variances.iid(a.b)", "4"));
  TestCall(MeritConfigSet(root, "model", "y ~ a: b #c"));
  TestCall(MeritConfigSet(root, "records.missing", "[NA, \"-\"]"));
  TestCall(MeritConfigSet(root, "empty.below", "1"));
  TestCall(MeritConfigReal(root, "solver.rtol", 0, 1, &x));
  assert_true(x == 1e-12);
  assert_string_equal(MeritNodeFind(root, "genotypes.bfile")->text, "chip");
  assert_string_equal(MeritNodeFind(root, "variances.ped(cow)")->child[1]->child[0]->text, "1");
  assert_string_equal(MeritNodeFind(root, "variances.iid(a.b)")->text, "4");
  assert_int_equal(MeritNodeFind(root, "variances")->n, 3);
  assert_string_equal(MeritNodeFind(root, "model")->text, "y ~ a: b #c");
  assert_true(MeritNodeFind(root, "records.missing")->child[1]->quoted);
  assert_string_equal(MeritNodeFind(root, "empty.below")->text, "1");
  TestRaises(MERIT_ERROR_USAGE, "command line: solver.rtol: 1e-12 is outside", MeritConfigReal(root, "solver.rtol", 1e-6, 1, &x));
  TestRaises(MERIT_ERROR_USAGE, "dir/job.yaml:11:7: has a value of its own", MeritConfigSet(root, "text.milk", "1"));
  TestRaises(MERIT_ERROR_USAGE, "--solver [1: not YAML", MeritConfigSet(root, "solver", "[1"));
  TestRaises(MERIT_ERROR_USAGE, "--model: not UTF-8 text", MeritConfigSet(root, "model", "caf\xe9"));
  TestRaises(MERIT_ERROR_USAGE, "--model: not UTF-8 text", MeritConfigSet(root, "model", "overlong \xc0\xaf"));
  TestRaises(MERIT_ERROR_USAGE, "--model: not UTF-8 text", MeritConfigSet(root, "model", "surrogate \xed\xa0\x80"));
  TestCall(MeritConfigDestroy(&root));
}

static const MeritKey keys[] = {
    {"records.file", ""}, {"records.missing", ""}, {"records.weight", ""}, {"records.weight.*", ""}, {"model", ""},
    {"variances.**", ""}, {"solver.rtol", ""},     {"solver.max_it", ""},  {"solver.type", ""},      {"plan.memory", ""},
};
enum { N_KEYS = sizeof(keys) / sizeof(*keys) };

static void TestKnownKeysPassAndUnknownOnesSuggestTheNearest(void **state)
{
  static const struct {
    const char *text, *words;
  } cases[] = {
      {"records: {file: a, weight: w}\nvariances: {a: {b: {c: [{d: 1}]}}}\n", NULL},
      {"records: {file: a, weight: {milk: w}}\nmodel: [a, b]\nsolver:\n", NULL},
      {"solver:\n  rtoll: 1\n", "j:2:3: unknown key solver.rtoll; did you mean solver.rtol?"},
      {"solver:\n  rtol: 1\nmemory: 2\n", "j:3:1: unknown key memory; did you mean plan.memory?"},
      {"memroy: 2\n", "j:1:1: unknown key memroy; did you mean plan.memory?"},
      {"model: y\nvarinaces:\n  ped(cow): 1\n", "j:2:1: unknown key varinaces; did you mean variances?"},
      {"variance: {a: 1}\n", "j:1:1: unknown key variance; did you mean variances?"},
      {"{model: y, Solver: {rtol: 1}}\n", "j:1:12: unknown key Solver; did you mean solver?"},
      {"record:\n- a\n", "j:1:1: unknown key record; did you mean records?"},
      {"records: {fiel: a}\n", "j:1:11: unknown key records.fiel; did you mean records.file?"},
      {"solver.rtol: 1\n", "unknown key solver.rtol"},
      {"model: {a: 1}\n", "j:1:8: model has no keys below it"},
      {"solver: 5\n", "j:1:9: solver needs keys below it, like solver: {rtol: 5}"},
      {"records: {weight: {milk: {x: 1}}}\n", "milk has no keys below it"},
      {"model:\n- y ~ x\n- z: 1\n", "j:3:3: model: a list of plain values"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    MeritNode root;

    TestCall(MeritConfigParse("j", cases[i].text, strlen(cases[i].text), &root));
    if (cases[i].words) TestRaises(MERIT_ERROR_USAGE, cases[i].words, MeritConfigCheck(root, N_KEYS, keys));
    else TestCall(MeritConfigCheck(root, N_KEYS, keys));
    TestCall(MeritConfigDestroy(&root));
  }
}

/* What is near to nothing gets no suggestion, and a position for names of the user's own is none */
static void TestUnknownKeysFarFromAllGetNoSuggestion(void **state)
{
  static const struct {
    const char *text, *words;
  } cases[] = {
      {"zzzzzzzz:\n  x: 1\n", "j:1:1: unknown key zzzzzzzz"},
      {"a: 1\n", "j:1:1: unknown key a"},
      {"subset: 1\n", "j:1:1: unknown key subset"},
      {"records:\n  maf: 1\n", "j:2:3: unknown key records.maf; the keys of records are file, missing, weight"},
      {"records:\n  rtol: 1\n", "j:2:3: unknown key records.rtol; the keys of records are file, missing, weight"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    MeritNode root;

    TestCall(MeritConfigParse("j", cases[i].text, strlen(cases[i].text), &root));
    assert_int_not_equal((int)MeritConfigCheck(root, N_KEYS, keys), 0);
    assert_string_equal(MeritErrorLast()->text, cases[i].words);
    MeritErrorClear();
    TestCall(MeritConfigDestroy(&root));
  }
}

static void TestTheNearestWordIsNear(void **state)
{
  static const char *const words[] = {"g", "y", "milk", "herd", "text", "absent", "precision"};
  static const struct {
    const char *word, *nearest;
  } cases[] = {{"Y", "y"},          {"G", "g"},        {"MILK", "milk"}, {"mlik", "milk"},
               {"hird", "herd"},    {"herds", "herd"}, {"maf", NULL},    {"subset", NULL},
               {"partition", NULL}, {"a", NULL},       {"x", NULL},      {"", NULL},
               {"txt", "text"},     {"abs", "absent"}, {"mi", NULL},     {"presicion", "precision"}};

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    const char *nearest = MeritNearest(cases[i].word, sizeof(words) / sizeof(*words), words);

    if (!cases[i].nearest) assert_null(nearest);
    else assert_string_equal(nearest ? nearest : "none", cases[i].nearest);
  }
}

static void TestDottedPathsAreLookedUpInTheTable(void **state)
{
  static const struct {
    const char *path, *nearest;
  } unknown[] = {{"solver.rtl", "solver.rtol"},
                 {"sovler.rtl", "solver.rtol"},
                 {"variance.residual", "variances.residual"},
                 {"rtol", "solver.rtol"},
                 {"record.weight.milk", "records.weight.milk"},
                 {"records.maf", ""},
                 {"partition", ""},
                 {"a", ""}};
  char nearest[64];

  (void)state;
  assert_true(MeritConfigKnown("solver.rtol", N_KEYS, keys, sizeof(nearest), nearest));
  assert_true(MeritConfigKnown("solver", N_KEYS, keys, 0, NULL));
  assert_true(MeritConfigKnown("variances.ped(a.b).value", N_KEYS, keys, 0, NULL));
  assert_true(MeritConfigKnown("records.weight.milk", N_KEYS, keys, 0, NULL));
  assert_false(MeritConfigKnown("records.weight.milk.x", N_KEYS, keys, 0, NULL));
  assert_false(MeritConfigKnown("", N_KEYS, keys, 0, NULL));
  assert_false(MeritConfigKnown("solver.", N_KEYS, keys, 0, NULL));
  for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
    assert_false(MeritConfigKnown(unknown[i].path, N_KEYS, keys, sizeof(nearest), nearest));
    assert_string_equal(nearest, unknown[i].nearest);
  }
}

static void TestThePrintedTreeReadsBackAsTheSame(void **state)
{
  MeritNode root = Parse(job), again;
  char     *text, *second;

  (void)state;
  TestCall(MeritConfigSet(root, "odd", "{a: [\"x\\ny\", \"-\", ~, '', \"q\\\"\\\\\"], \"k: v\": {b: -5, c: {}, d: []}}"));
  TestCall(MeritConfigSet(root, "formula", "y ~ a: b #c, d"));
  TestCall(MeritConfigSet(root, "far", "gr\u00f6\u00dfe \u0394 \U0001f404\t\x7f\xc2\x81\u2028\ufeff."));
  TestCall(MeritConfigPrint(root, &text));
  assert_non_null(strstr(text, "far: \"gr\u00f6\u00dfe \u0394 \U0001f404\\x09\\x7f\\x81\\u2028\\ufeff.\"\n"));
  assert_non_null(strstr(text, "solver:\n  rtol: 1.0e-8\n  max_it: 5000\n"));
  assert_non_null(strstr(text, "missing: [NA, \".\", \"5\"]\n"));
  again = Parse(text);
  TestCall(MeritConfigPrint(again, &second));
  assert_string_equal(text, second);
  assert_string_equal(MeritNodeFind(again, "odd.a")->child[0]->text, "x\ny");
  assert_int_equal(MeritNodeFind(again, "odd.a")->child[2]->kind, MERIT_NODE_NULL);
  assert_string_equal(MeritNodeFind(again, "odd.a")->child[4]->text, "q\"\\");
  assert_string_equal(MeritNodeFind(again, "odd.k: v.b")->text, "-5");
  assert_string_equal(MeritNodeFind(again, "formula")->text, "y ~ a: b #c, d");
  assert_string_equal(MeritNodeFind(again, "far")->text, MeritNodeFind(root, "far")->text);
  TestCall(PetscFree(text));
  TestCall(PetscFree(second));
  TestCall(MeritConfigDestroy(&root));
  TestCall(MeritConfigDestroy(&again));
}

/* Keys and values that a reader of YAML takes for something else where they are not quoted, block and flow */
static void TestWordsThatYamlTakesForMarksAreQuoted(void **state)
{
  static const char *const words[] = {"...",   "---",  "... d\": 'it''s'",
                                      "--- d", "...d", "---d",
                                      "? g",   "a:?b", "a:",
                                      ":a",    "- b",  "-",
                                      "a #b",  "#a",   "%a",
                                      "a, b",  "~",    "null",
                                      "!a",    "&a",   "*a",
                                      "|",     ">",    "a: b",
                                      "@a",    "`a"};
  enum { WORDS = sizeof(words) / sizeof(*words) };

  (void)state;
  for (int w = 0; w <= WORDS; w++) {
    MeritNode root, again, inner;
    char      word[1600], quoted[2000], job_text[9000], *text;
    size_t    n = 0;

    if (w < WORDS) strcpy(word, words[w]);
    else memset(word, 'k', 1500), word[1500] = 0; /* longer than a reader looks for the colon */
    for (const char *c = word; *c; c++) {
      if (*c == '"') quoted[n++] = '\\';
      quoted[n++] = *c;
    }
    quoted[n] = 0;
    snprintf(job_text, sizeof(job_text), "? \"%s\"\n: {? \"%s\" : [\"%s\", {? \"%s\" : 1}]}\n", quoted, quoted, quoted, quoted);
    root = Parse(job_text);
    TestCall(MeritConfigPrint(root, &text));
    again = Parse(text);
    assert_int_equal(again->n, 1);
    assert_string_equal(again->key[0], word);
    inner = again->child[0];
    assert_string_equal(inner->key[0], word);
    assert_string_equal(inner->child[0]->child[0]->text, word);
    assert_string_equal(inner->child[0]->child[1]->key[0], word);
    TestCall(PetscFree(text));
    TestCall(MeritConfigDestroy(&root));
    TestCall(MeritConfigDestroy(&again));
  }
}

static void TestPathsStartFromTheFolderOfTheJobFile(void **state)
{
  MeritNode root = Parse("a: data/x.csv\nb: /abs/x\nc: ''\n");
  char     *a, *b, *c = NULL, *d = NULL;

  (void)state;
  TestCall(MeritConfigSet(root, "d", "here/y"));
  TestCall(MeritConfigPath(root, "a", &a));
  TestCall(MeritConfigPath(root, "b", &b));
  TestCall(MeritConfigPath(root, "d", &d));
  TestCall(MeritConfigPath(root, "nothing", &c));
  assert_null(c);
  assert_string_equal(a, "dir/data/x.csv");
  assert_string_equal(b, "/abs/x");
  assert_string_equal(d, "here/y");
  TestRaises(MERIT_ERROR_USAGE, "empty path", MeritConfigPath(root, "c", &c));
  PetscFree(a);
  PetscFree(b);
  PetscFree(d);
  TestCall(MeritConfigDestroy(&root));
}

static void TestEveryRankGetsTheTreeOfTheFile(void **state)
{
  char        folder[64] = "/tmp/merit_config_XXXXXX", path[96];
  PetscMPIInt rank;
  MeritNode   root;

  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (rank == 0) assert_non_null(mkdtemp(folder));
  MPI_Bcast(folder, sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  snprintf(path, sizeof(path), "%s/job.yaml", folder);
  TestRaises(MERIT_ERROR_USAGE, "job.yaml: cannot be opened: No such file", MeritConfigLoad(PETSC_COMM_WORLD, path, &root));
  if (rank == 0) {
    FILE *file = fopen(path, "w");

    for (int i = 0; i < 3000; i++) fprintf(file, "key%d: value%d\n", i, i);
    fclose(file);
  }
  TestCall(MeritConfigLoad(PETSC_COMM_WORLD, path, &root));
  assert_int_equal(root->n, 3000);
  assert_string_equal(MeritNodeFind(root, "key2999")->text, "value2999");
  assert_string_equal(root->file, path);
  TestCall(MeritConfigDestroy(&root));
  if (rank == 0) {
    unlink(path);
    rmdir(folder);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestAJobFileBecomesATreeThatKnowsItsPositions),
    cmocka_unit_test(TestGettersLeaveTheDefaultWhenAKeyIsAbsent),
    cmocka_unit_test(TestGettersNameThePlaceOfAWrongValue),
    cmocka_unit_test(TestOnlyDecimalNumbersAreNumbers),
    cmocka_unit_test(TestWhatMakesYamlAmbiguousIsRefusedWithItsPosition),
    cmocka_unit_test(TestAnEmptyFileIsAnEmptyMap),
    cmocka_unit_test(TestFlagsWinOverTheFile),
    cmocka_unit_test(TestKnownKeysPassAndUnknownOnesSuggestTheNearest),
    cmocka_unit_test(TestUnknownKeysFarFromAllGetNoSuggestion),
    cmocka_unit_test(TestTheNearestWordIsNear),
    cmocka_unit_test(TestDottedPathsAreLookedUpInTheTable),
    cmocka_unit_test(TestThePrintedTreeReadsBackAsTheSame),
    cmocka_unit_test(TestWordsThatYamlTakesForMarksAreQuoted),
    cmocka_unit_test(TestPathsStartFromTheFolderOfTheJobFile),
    cmocka_unit_test(TestEveryRankGetsTheTreeOfTheFile),
};

TEST_MAIN(tests)
