#include "formula_read.h"
#include <stdio.h>
#include <stdlib.h>

/* Every YAML block of docs/models.md is a model that reads with its variances; the page's path is MERIT_MODELS_PAGE. */
static void ReadBlocks(char *page, int *n_blocks)
{
  *n_blocks = 0;
  for (char *at = page; (at = strstr(at, "\n```yaml")); ++*n_blocks) {
    MeritNode     job;
    MeritFormula *f;
    char         *end;

    at  = strchr(at + 1, '\n') + 1;
    end = strstr(at, "\n```\n");
    assert_non_null(end);
    end[1] = 0;
    if (ReadBoth(at, &job, &f)) fail_msg("%s\n%s", at, MeritErrorLast()->text);
    assert_int_equal(f->n_warnings, 0);
    CloseModel(&job, &f);
    at = end + 2;
  }
}

static void TestEveryModelOfThePageReads(void **state)
{
  FILE *file = fopen(MERIT_MODELS_PAGE, "rb");
  char *page = calloc(1, 200000);
  int   n_blocks;

  (void)state;
  assert_non_null(file);
  assert_true(fread(page, 1, 199999, file) > 1000);
  fclose(file);
  ReadBlocks(page, &n_blocks);
  assert_true(n_blocks >= 15);
  free(page);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestEveryModelOfThePageReads),
};

TEST_MAIN(tests)
