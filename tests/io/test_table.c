#include "table_files.h"
#include <math.h>

/* Text without its 0 and its length, for text that holds zeros */
#define BYTES(text) text, sizeof(text) - 1

/*
  A table of text must read as `rows`, each "line|field|field...", ~ for missing; names are the header's,
  joined by |. The last row is NULL.
*/
static void CheckBytes(const char *bytes, size_t n, const char *names, const char *const rows[])
{
  MeritTable         table;
  const char *const *name;
  char               joined[256] = "";
  int                n_column, n_row = 0;
  int64_t            n_local, first;

  WriteBytes("t.txt", bytes, n);
  ReadAsText(0, NULL, &table);
  TestCall(MeritTableColumns(table, &n_column, &name));
  for (int c = 0; c < n_column; c++) {
    assert_int_equal(MeritTableFind(table, name[c]), c);
    if (c) strcat(joined, "|");
    strcat(joined, name[c]);
  }
  assert_string_equal(joined, names);
  while (rows[n_row]) n_row++;
  assert_int_equal(CountRows(table), n_row);
  TestCall(MeritTableRows(table, &n_local, &first));
  for (int64_t i = 0; i < n_local; i++) {
    size_t used = (size_t)sprintf(joined, "%d", (int)MeritTableLine(table, i));

    for (int c = 0; c < n_column; c++) used += (size_t)sprintf(joined + used, "|%s", Text(table, c, i) ? Text(table, c, i) : "~");
    assert_string_equal(joined, rows[first + i]);
  }
  TestCall(MeritTableDestroy(&table));
  assert_null(table);
  RemoveFile();
}

#define CheckTable(text, names, ...) CheckBytes(BYTES(text), names, (const char *const[]){__VA_ARGS__, NULL})

static void TestFieldsOfACommaFileAreReadAsWritten(void **state)
{
  (void)state;
  CheckTable("id,herd,note\n01,1,a b\n1,1,\n", "id|herd|note", "2|01|1|a b", "3|1|1|~");
  CheckTable("id,herd\n a , b\t\n", "id|herd", "2|a|b");
  CheckTable("id,herd\nNA,.\nN,..\n", "id|herd", "2|~|~", "3|N|..");
  CheckTable("a,b,c\n,,\n", "a|b|c", "2|~|~|~");
}

static void TestQuotedFieldsKeepTheirBytes(void **state)
{
  (void)state;
  CheckTable("id,\"my herd\"\n\"a,b\",\" x \"\n", "id|my herd", "2|a,b| x ");
  CheckTable("a,b\n\"say \"\"yes\"\"\",\"\"\n", "a|b", "2|say \"yes\"|~");
  CheckTable("a,b\n\"\"\"\", \"p\" \n", "a|b", "2|\"|p");
  CheckTable("a,b\n5\" nail,x\"y\"\n", "a|b", "2|5\" nail|x\"y\"");
  CheckTable("a b\n\"x y\" z\n", "a|b", "2|x y|z");
}

static void TestTheDelimiterIsFoundFromTheFirstLine(void **state)
{
  (void)state;
  CheckTable("a;b\n1,5;x y\n", "a|b", "2|1,5|x y");
  CheckTable("a\tb,c\n1 2\t3\n", "a|b,c", "2|1 2|3");
  CheckTable("a\tb\tc\n1\t\t3\n\t\t\n", "a|b|c", "2|1|~|3", "3|~|~|~");
  CheckTable("\"a,b\";c\n1;2\n", "a,b|c", "2|1|2");
  CheckTable("\"a;b\",\"c\td\"\n1,2\n", "a;b|c\td", "2|1|2");
  CheckTable("  a  b   c\n x\t \ty z  \n", "a|b|c", "2|x|y|z");
  CheckTable("one\nx\ny\n", "one", "2|x", "3|y");
}

static void TestLineEndsAndBlankLinesDoNotMatter(void **state)
{
  (void)state;
  CheckTable("\xef\xbb\xbfid,b\r\n1,2\r\n3,4", "id|b", "2|1|2", "3|3|4");
  CheckTable("\n \n id,b\n\n1,2\n  \n\n\n3,4\n5,6\n\n", "id|b", "5|1|2", "9|3|4", "10|5|6");
  CheckTable("\xef\xbb\xbf\r\nid b\r\n\r\n1 2\r\n", "id|b", "4|1|2");
}

static void TestALineThatTellsExcelTheDelimiterIsNoHeader(void **state)
{
  (void)state;
  CheckTable("sep=;\na;b\n1;2\n", "a|b", "3|1|2");
  CheckTable("\xef\xbb\xbfSEP=,\r\na,b\r\n1,2\r\n", "a|b", "3|1|2");
}

static void TestAMissingCodeThatIsANumberMeansItsValueInNumbers(void **state)
{
  static const char *const missing[] = {"0", "-9", "NA"};
  static const char *const text[]    = {"0.0", "-9.00", "1"};
  MeritTable               table;
  const double            *value;
  const int32_t           *code;
  MeritStrings             pool;
  int64_t                  n, first;

  (void)state;
  WriteBytes("t.csv", BYTES("c,y\n0.0,0.00\n-9.00,-9e0\n1,NA\n0,7\nNA,+0\n"));
  TestCall(MeritTableOpen(PETSC_COMM_WORLD, path, 0, NULL, 3, missing, &table));
  TestCall(MeritTableSelect(table, 0, MERIT_COLUMN_TEXT));
  TestCall(MeritTableSelect(table, 1, MERIT_COLUMN_NUMBER));
  TestCall(MeritTableRead(table));
  TestCall(MeritTableRows(table, &n, &first));
  TestCall(MeritTableNumbers(table, 1, &value));
  TestCall(MeritTableText(table, 0, &code, &pool));
  for (int64_t i = 0; i < n; i++) {
    if (first + i == 3) assert_true(value[i] == 7);
    else assert_true(isnan(value[i]));
    if (first + i >= 3) assert_int_equal(code[i], -1);
    else assert_string_equal(MeritStringsGet(pool, code[i], NULL), text[first + i]);
  }
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
}

static void ReadWhole(const char text[], size_t n, const char words[])
{
  MeritTable table;

  WriteBytes("t.tsv", text, n);
  TestCall(MeritTableOpen(PETSC_COMM_WORLD, path, 0, NULL, 0, NULL, &table));
  TestCall(MeritTableSetWhole(table));
  TestCall(MeritTableSelect(table, 1, MERIT_COLUMN_NUMBER));
  if (words) TestRaises(MERIT_ERROR_INPUT, words, MeritTableRead(table));
  else TestCall(MeritTableRead(table));
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
}

static void TestATableThatIsToBeWholeMustEndItsLastLine(void **state)
{
  (void)state;
  ReadWhole(BYTES("a\tb\nx\t12.5\n"), NULL);
  ReadWhole(BYTES("a\tb\nx\t12.5\ny\t1.2"), "t.tsv: the last line has no line end: the file was cut short");
  ReadWhole(BYTES("a\tb\nx\t12.5\ny"), "t.tsv: the last line has no line end");
}

static void TestAHeaderAloneIsATableWithoutRows(void **state)
{
  static const char *const none[] = {NULL};

  (void)state;
  CheckBytes(BYTES("id,herd\n"), "id|herd", none);
  CheckBytes(BYTES("id,herd"), "id|herd", none);
  CheckBytes(BYTES("id,herd\n\n\n"), "id|herd", none);
}

static void TestNamesMayComeFromTheCaller(void **state)
{
  static const char *const header[] = {"animal", "milk"};
  MeritTable               table;
  const double            *milk;
  int64_t                  n, first;

  (void)state;
  WriteBytes("t.txt", BYTES("\xef\xbb\xbf"
                            "a 1\nb 2\n\nc NA\n"));
  TestCall(MeritTableOpen(PETSC_COMM_WORLD, path, 2, header, 0, NULL, &table));
  assert_int_equal(MeritTableDelimiter(table), ' ');
  assert_string_equal(MeritTablePath(table), path);
  assert_int_equal(MeritTableFind(table, "milk"), 1);
  assert_int_equal(MeritTableFind(table, "fat"), -1);
  TestCall(MeritTableSelect(table, 0, MERIT_COLUMN_TEXT));
  TestCall(MeritTableRead(table));
  assert_int_equal(CountRows(table), 3);
  TestCall(MeritTableDestroy(&table));
  ReadAsText(2, header, &table);
  TestCall(MeritTableSelect(table, 1, MERIT_COLUMN_NUMBER));
  TestCall(MeritTableRead(table)); /* again, with one more selected */
  assert_int_equal(CountRows(table), 3);
  TestCall(MeritTableRows(table, &n, &first));
  TestCall(MeritTableNumbers(table, 1, &milk));
  for (int64_t i = 0; i < n; i++) {
    assert_int_equal(MeritTableLine(table, i), first + i < 2 ? first + i + 1 : 4);
    if (first + i == 2) assert_true(isnan(milk[i]));
    else assert_true(milk[i] == (double)(first + i + 1));
    assert_true((Text(table, 1, i) == NULL) == (first + i == 2));
  }
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
}

/* Opening or reading must raise exactly "path" + `words` on every rank; the last column is a number column */
static void CheckRaises(const char *bytes, size_t n, const char *words)
{
  static const char *const missing[] = {"NA"};
  MeritTable               table     = NULL;
  const char *const       *names;
  char                     expected[512];
  int                      n_column;
  PetscErrorCode           code;

  WriteBytes("t.txt", bytes, n);
  snprintf(expected, sizeof(expected), "%s%s", path, words);
  code = MeritTableOpen(PETSC_COMM_WORLD, path, 0, NULL, 1, missing, &table);
  if (!code) {
    TestCall(MeritTableColumns(table, &n_column, &names));
    for (int c = 0; c < n_column; c++) TestCall(MeritTableSelect(table, c, c == n_column - 1 ? MERIT_COLUMN_NUMBER : MERIT_COLUMN_TEXT));
    code = MeritTableRead(table);
  }
  assert_int_not_equal((int)code, 0);
  assert_int_equal(MeritErrorLast()->kind, MERIT_ERROR_INPUT);
  assert_string_equal(MeritErrorLast()->text, expected);
  MeritErrorClear();
  TestCall(MeritTableDestroy(&table));
  RemoveFile();
}

static void TestMalformedLinesAreNamed(void **state)
{
  (void)state;
  CheckRaises(BYTES("a,b\n1,2\n1,2,3\n1,2\n"), ":3: 3 fields where the header has 2");
  CheckRaises(BYTES("a,b,c\n\n1\n1,2\n"), ":3: 1 field where the header has 3");
  CheckRaises(BYTES("a b\n1 2\n1 2\n1 2 3\n1\n"), ":4: 3 fields where the header has 2");
  CheckRaises(BYTES("a,b\n1,2\n\"x,2\n1,2\n"), ":3: unclosed quote");
  CheckRaises(BYTES("a,b\n1,2\n\"x\ny\",2\n"), ":3: unclosed quote");
  CheckRaises(BYTES("a,b\n1,2\n1,\"x\"y\n"), ":3: text after the closing quote of field 2");
  CheckRaises(BYTES("a,b\n1,2\n1,\0\n"), ":3: NUL byte: this is not a text file");
}

static void TestMalformedHeadersAreNamed(void **state)
{
  (void)state;
  CheckRaises(BYTES(""), ": the file is empty");
  CheckRaises(BYTES("\n\r\n  \n"), ": the file is empty");
  CheckRaises(BYTES("\n\na,,b\n1,2,3\n"), ":3: column 2 has no name");
  CheckRaises(BYTES("a,b,\n1,2,3\n"), ":1: column 3 has no name");
  CheckRaises(BYTES("id,b,id\n1,2,3\n"), ":1: columns 1 and 3 are both called \"id\"");
  CheckRaises(BYTES("a,\"b\n1,2\n"), ":1: unclosed quote");
  CheckRaises(BYTES("a,\"b\"c\n1,2\n"), ":1: text after the closing quote of field 2");
  CheckRaises(BYTES("\xff\xfe"
                    "a\0,\0b\0\n"),
              ":1: NUL byte: this is not a text file");
}

static void TestWhatIsNotANumberIsNamed(void **state)
{
  static const char *const words[] = {"abc", "inf",   "-Inf", "nan", "NaN", "0x1f",  "1e",  "1e+",      "+",     "-",
                                      "e5",  "1.2.3", "1 2",  "1d3", "--1", "1_000", ".e1", "infinity", "1e5.0", "5.x"};
  char                     text[128], expected[128];

  (void)state;
  for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
    size_t n = (size_t)snprintf(text, sizeof(text), "id,age\nx,1\n\nx,%s\nx,7\n", words[i]);

    snprintf(expected, sizeof(expected), ":4: column age: \"%s\" is not a number", words[i]);
    CheckRaises(text, n, expected);
  }
  CheckRaises(BYTES("a;age\nx;3,5\n"), ":2: column age: \"3,5\" is not a number: a decimal comma is not read, use a point");
  CheckRaises(BYTES("a\tage\nx\t-,5e3\n"), ":2: column age: \"-,5e3\" is not a number: a decimal comma is not read, use a point");
  CheckRaises(BYTES("a b,age\nx y,\"3,5\"\n"), ":2: column age: \"3,5\" is not a number: a decimal comma is not read, use a point");
  CheckRaises(BYTES("a;age\nx;1,2,3\n"), ":2: column age: \"1,2,3\" is not a number");
  CheckRaises(BYTES("a;age\nx;1e999\n"), ":2: column age: \"1e999\" is too large a number");
  CheckRaises(BYTES("a;age\nx;abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijk\n"),
              ":2: column age: \"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij...\" is not a number");
}

static void TestOfSeveralFaultsTheFirstLineIsNamed(void **state)
{
  char  *text = malloc(100000);
  size_t n    = (size_t)sprintf(text, "a,b\n");

  (void)state;
  for (int line = 2; line < 3000; line++)
    n += (size_t)sprintf(text + n, "%s\n", line % 7 == 0 ? "" : line == 1201 || line == 2000 ? "x,y" : line == 1999 ? "1" : "x,1");
  CheckRaises(text, n, ":1201: column b: \"y\" is not a number");
  free(text);
}

static void TestAMissingFileIsNamed(void **state)
{
  MeritTable table;

  (void)state;
  snprintf(path, sizeof(path), "%s/none.csv", folder);
  TestRaises(MERIT_ERROR_INPUT, "none.csv: ", MeritTableOpen(PETSC_COMM_WORLD, path, 0, NULL, 0, NULL, &table));
  TestRaises(MERIT_ERROR_INPUT, folder, MeritTableOpen(PETSC_COMM_WORLD, folder, 0, NULL, 0, NULL, &table));
}

static void TestNamesOfTheCallerAreChecked(void **state)
{
  static const char *const twice[] = {"a", "a"}, *const none[] = {"a", ""};
  MeritTable table;

  (void)state;
  WriteBytes("t.txt", BYTES("1 2\n"));
  TestRaises(MERIT_ERROR_USAGE, "columns 1 and 2 are both called \"a\"", MeritTableOpen(PETSC_COMM_WORLD, path, 2, twice, 0, NULL, &table));
  TestRaises(MERIT_ERROR_USAGE, "column 2 has no name", MeritTableOpen(PETSC_COMM_WORLD, path, 2, none, 0, NULL, &table));
  RemoveFile();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(TestFieldsOfACommaFileAreReadAsWritten, MakeFolder),
    cmocka_unit_test(TestQuotedFieldsKeepTheirBytes),
    cmocka_unit_test(TestTheDelimiterIsFoundFromTheFirstLine),
    cmocka_unit_test(TestLineEndsAndBlankLinesDoNotMatter),
    cmocka_unit_test(TestALineThatTellsExcelTheDelimiterIsNoHeader),
    cmocka_unit_test(TestAMissingCodeThatIsANumberMeansItsValueInNumbers),
    cmocka_unit_test(TestATableThatIsToBeWholeMustEndItsLastLine),
    cmocka_unit_test(TestAHeaderAloneIsATableWithoutRows),
    cmocka_unit_test(TestNamesMayComeFromTheCaller),
    cmocka_unit_test(TestMalformedLinesAreNamed),
    cmocka_unit_test(TestMalformedHeadersAreNamed),
    cmocka_unit_test(TestWhatIsNotANumberIsNamed),
    cmocka_unit_test(TestOfSeveralFaultsTheFirstLineIsNamed),
    cmocka_unit_test(TestAMissingFileIsNamed),
    cmocka_unit_test_teardown(TestNamesOfTheCallerAreChecked, RemoveFolder),
};

TEST_MAIN(tests)
