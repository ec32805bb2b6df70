#include <merit_test.h>
#include <merit/strings.h>
#include <string.h>

static void TestCodesFollowFirstAppearance(void **state)
{
  MeritStrings pool;
  int32_t      a, b, c;

  (void)state;
  TestCall(MeritStringsCreate(&pool));
  TestCall(MeritStringsIntern(pool, "cow", 3, &a));
  TestCall(MeritStringsIntern(pool, "01", 2, &b));
  TestCall(MeritStringsIntern(pool, "cowbell", 3, &c));
  assert_int_equal(a, 0);
  assert_int_equal(b, 1);
  assert_int_equal(c, 0);
  assert_int_equal(MeritStringsFind(pool, "1", 1), -1);
  TestCall(MeritStringsDestroy(&pool));
}

static void TestAHundredThousandStringsComeBack(void **state)
{
  MeritStrings pool;
  char         text[32];
  int32_t      code;

  (void)state;
  TestCall(MeritStringsCreate(&pool));
  for (int i = 0; i < 100000; i++) {
    size_t n = (size_t)snprintf(text, sizeof(text), "animal%d", i);

    TestCall(MeritStringsIntern(pool, text, n, &code));
    assert_int_equal(code, i);
  }
  for (int i = 0; i < 100000; i += 37) {
    size_t n = (size_t)snprintf(text, sizeof(text), "animal%d", i);

    assert_int_equal(MeritStringsFind(pool, text, n), i);
    assert_string_equal(MeritStringsGet(pool, i, NULL), text);
  }
  TestCall(MeritStringsDestroy(&pool));
}

static void TestTheEmptyStringIsAString(void **state)
{
  MeritStrings pool;
  int32_t      code;
  size_t       length = 9;

  (void)state;
  TestCall(MeritStringsCreate(&pool));
  assert_int_equal(MeritStringsFind(pool, "", 0), -1);
  TestCall(MeritStringsIntern(pool, "", 0, &code));
  assert_int_equal(MeritStringsFind(pool, "", 0), 0);
  assert_string_equal(MeritStringsGet(pool, code, &length), "");
  assert_int_equal(length, 0);
  TestCall(MeritStringsDestroy(&pool));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestCodesFollowFirstAppearance),
    cmocka_unit_test(TestAHundredThousandStringsComeBack),
    cmocka_unit_test(TestTheEmptyStringIsAString),
};

TEST_MAIN(tests)
