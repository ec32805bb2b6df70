#include <merit_test.h>
#include <merit/log.h>
#include <string.h>

static int          n_seen;
static char         seen[64];
static MeritLogKind seen_kind;
static double       seen_fraction;

static void Sink(MeritLogKind kind, double fraction, const char text[], void *ctx)
{
  (void)ctx;
  n_seen++;
  seen_kind     = kind;
  seen_fraction = fraction;
  snprintf(seen, sizeof(seen), "%s", text);
}

static void TestTheSinkHearsAndWarningsAreKept(void **state)
{
  const char *const *texts;

  (void)state;
  MeritLog(MERIT_LOG_WARNING, "before the %s", "sink");
  MeritLogSetSink(Sink, NULL);
  MeritLog(MERIT_LOG_INFO, "%d animals", 5);
  assert_string_equal(seen, "5 animals");
  assert_int_equal(seen_kind, MERIT_LOG_INFO);
  MeritLog(MERIT_LOG_WARNING, "odd");
  MeritLogProgress(0.25, "iteration %d", 3);
  assert_true(seen_kind == MERIT_LOG_PROGRESS && seen_fraction == 0.25);
  assert_int_equal(n_seen, 3);
  assert_int_equal(MeritLogWarnings(&texts), 2);
  assert_string_equal(texts[0], "before the sink");
  assert_string_equal(texts[1], "odd");
  MeritLogSetSink(NULL, NULL);
  MeritLogReset();
  assert_int_equal(MeritLogWarnings(&texts), 0);
}

static void Wait(double seconds)
{
  const double begin = MPI_Wtime();

  while (MPI_Wtime() - begin < seconds) {}
}

static void TestPhasesAddUpInOrderOfTheirFirstBegin(void **state)
{
  const char *const *names;
  const double      *seconds;

  (void)state;
  for (int i = 0; i < 2; i++) {
    TestCall(MeritPhaseBegin("read"));
    Wait(0.01);
    TestCall(MeritPhaseBegin("check"));
    Wait(0.01);
    TestCall(MeritPhaseEnd());
    TestCall(MeritPhaseEnd());
  }
  assert_int_equal(MeritPhases(&names, &seconds), 2);
  assert_string_equal(names[0], "read");
  assert_string_equal(names[1], "check");
  assert_true(seconds[1] >= 0.02 && seconds[0] >= seconds[1] + 0.02 && seconds[0] < 5);
  assert_int_not_equal(MeritPhaseEnd(), 0);
  TestCall(MeritPhaseBegin("left open"));
  MeritLogReset();
  assert_int_equal(MeritPhases(&names, &seconds), 0);
  TestCall(MeritPhaseBegin("read"));
  TestCall(MeritPhaseEnd());
}

static void TestPeakMemoryGrowsWithUse(void **state)
{
  const int64_t  before = MeritPeakMemory();
  const size_t   n      = (size_t)64 << 20;
  volatile char *block  = malloc(n);

  (void)state;
  for (size_t i = 0; i < n; i += 1024) block[i] = 1;
  assert_true(before > 1 << 20 && MeritPeakMemory() - before > (int64_t)n / 2);
  free((void *)(uintptr_t)block);
}

static char heard[2100];

static void Hear(MeritLogKind kind, double fraction, const char text[], void *ctx)
{
  (void)kind, (void)fraction, (void)ctx;
  snprintf(heard, sizeof(heard), "%s", text);
}

/* An id may hold anything; a terminal must not act on it */
static void TestControlCharactersAreShownEscaped(void **state)
{
  static const struct {
    const char *bytes, *shown;
  } cases[] = {{"cow 7", "cow 7"},
               {"K\u00fche \u0394 \U0001f404", "K\u00fche \u0394 \U0001f404"},
               {"\x1b[31mred", "\\x1b[31mred"},
               {"a\nb\rc\td\x7f", "a\\nb\\rc\\td\\x7f"},
               {"\xc2\x9b"
                "2J",
                "\\u009b2J"},
               {"\x9b"
                "2J \xc3",
                "\\x9b2J \\xc3"},
               {"\u202egnp\u2066", "\\u202egnp\\u2066"},
               {"a\\x1b", "a\\x1b"}};
  char long_text[3000], whole[2100];

  (void)state;
  MeritLogSetSink(Hear, NULL);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    MeritLog(MERIT_LOG_INFO, "%s", cases[i].bytes);
    assert_string_equal(heard, cases[i].shown);
    assert_int_not_equal((int)MeritRaise(MERIT_ERROR_INPUT, "f.csv", 3, cases[i].bytes, "is %s", cases[i].bytes), 0);
    snprintf(whole, sizeof(whole), "f.csv:3: %s: is %s", cases[i].shown, cases[i].shown);
    assert_string_equal(MeritErrorLast()->text, whole);
    assert_string_equal(MeritErrorLast()->id, cases[i].bytes);
    MeritErrorClear();
  }
  memset(long_text, 1, sizeof(long_text) - 1);
  long_text[sizeof(long_text) - 1] = 0;
  MeritLog(MERIT_LOG_INFO, "%s", long_text);
  assert_true(strlen(heard) < 2048 && strlen(heard) > 2030);
  MeritLogSetSink(NULL, NULL);
  MeritLogReset();
}

static void TestThereIsRoomForManyPhases(void **state)
{
  const char *const *names;
  const double      *seconds;
  char               name[64];

  (void)state;
  MeritLogReset();
  for (int i = 0; i < 80; i++) {
    snprintf(name, sizeof(name), "a phase of a name that is longer than most %d", i / 2);
    TestCall(MeritPhaseBegin(name));
    TestCall(MeritPhaseEnd());
  }
  assert_int_equal(MeritPhases(&names, &seconds), 40);
  assert_string_equal(names[39], name);
  MeritLogReset();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestControlCharactersAreShownEscaped),
    cmocka_unit_test(TestTheSinkHearsAndWarningsAreKept),
    cmocka_unit_test(TestPhasesAddUpInOrderOfTheirFirstBegin),
    cmocka_unit_test(TestPeakMemoryGrowsWithUse),
    cmocka_unit_test(TestThereIsRoomForManyPhases),
};

TEST_MAIN(tests)
