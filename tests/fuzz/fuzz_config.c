/* Job files under arbitrary bytes: what is read must print to what reads the same, and what is not is an error with its position. */
#include "fuzz.h"
#include <merit/config.h>
#include <string.h>

static const MeritKey keys[] = {{"records.file", ""}, {"records.weight", ""}, {"records.weight.*", ""}, {"model", ""}, {"variances.**", ""},
                                {"solver.rtol", ""},  {"list", ""},           {"plan.quick", ""}};

enum { KEYS = sizeof(keys) / sizeof(*keys) };

/* The tree, printed and read again, prints the same */
static void CheckPrint(MeritNode root)
{
  MeritNode again = NULL;
  char     *first = NULL, *second = NULL;

  if (root->kind != MERIT_NODE_MAP) return;
  FuzzDemand(!MeritConfigPrint(root, &first), "the tree does not print");
  FuzzDemand(!MeritConfigParse("again", first, strlen(first), &again), "the printed tree does not read");
  FuzzDemand(!MeritConfigPrint(again, &second), "the tree does not print again");
  FuzzDemand(!strcmp(first, second), "the printed tree reads as another");
  FuzzDemand(!PetscFree(first) && !PetscFree(second) && !MeritConfigDestroy(&again), "free");
}

static void Get(MeritNode root)
{
  static const char *const words[] = {"yes", "maybe"};
  const char              *text;
  char                    *path = NULL;
  double                   x;
  int64_t                  i;
  int                      choice;
  bool                     b;

  (void)FuzzCheck(MeritConfigReal(root, "solver.rtol", 0.0, 1.0, &x));
  (void)FuzzCheck(MeritConfigInt(root, "solver.rtol", -5, INT64_MAX, &i));
  (void)FuzzCheck(MeritConfigBool(root, "plan.quick", &b));
  (void)FuzzCheck(MeritConfigString(root, "model", &text));
  (void)FuzzCheck(MeritConfigChoice(root, "list", 2, words, &choice));
  (void)FuzzCheck(MeritConfigPath(root, "records.file", &path));
  FuzzDemand(!PetscFree(path), "free");
}

/* A job file, then a line "%%", then lines "key=value" of flags laid over it */
static void Flags(MeritNode root, FuzzBytes lines)
{
  while (lines.n) {
    const char *end = memchr(lines.at, '\n', lines.n);
    size_t      n   = end ? (size_t)(end - lines.at) : lines.n;
    char        key[256], *value;

    if (n < sizeof(key)) {
      memcpy(key, lines.at, n);
      key[n] = 0;
      value  = strchr(key, '=');
      if (value && value > key) {
        char nearest[64];

        *value++ = 0;
        if (MeritConfigKnown(key, KEYS, keys, sizeof(nearest), nearest) && !FuzzCheck(MeritConfigSet(root, key, value))) return;
      }
    }
    lines.at += end ? n + 1 : n;
    lines.n -= end ? n + 1 : n;
  }
}

void FuzzOne(const uint8_t *data, size_t n)
{
  MeritNode root = NULL;
  FuzzBytes text = FuzzPart(&data, &n);

  if (!FuzzCheck(MeritConfigParse("job.yaml", text.at, text.n, &root))) {
    FuzzDemand(!root, "a tree in spite of the error");
    return;
  }
  FuzzDemand(root != NULL, "no tree and no error");
  CheckPrint(root);
  if (root->kind == MERIT_NODE_MAP || root->kind == MERIT_NODE_NULL) Flags(root, (FuzzBytes){(const char *)data, n});
  CheckPrint(root);
  if (FuzzCheck(MeritConfigCheck(root, KEYS, keys))) Get(root);
  FuzzDemand(!MeritConfigDestroy(&root), "free");
}

static const FuzzBytes seeds[] = {
    FUZZ_SEED("records:\n  file: a.csv # comment\n  weight: {milk: w1, fat: w2}\nmodel: \"y ~ herd:year\"\nsolver: {rtol: 1.0e-8}\n"),
    FUZZ_SEED("model:\n- y ~ a\n- 'z ~ b'\nvariances:\n  ped(cow): [[1, 0.5], [0.5, 2]]\n  residual: {by: h, value: {1: 40}}\n"),
    FUZZ_SEED("model: |\n  y ~ herd +\n    ped(cow)\nlist: [NA, '', ~, -9]\nplan: {quick: yes}\n%%\nsolver.rtol=1e-12\nlist=[a, {b: c}]\n"),
    FUZZ_SEED("a: &x 1\nb: *x\n"),
    FUZZ_SEED("a: !!int 1\n--- \nb: 2\n"),
    FUZZ_SEED("a:\n\t- b\n"),
    FUZZ_SEED("\xef\xbb\xbf"
              "model: >-\n  \"q\\x41\\u00e4\"\n"),
    FUZZ_SEED("{a: [b, {c: d}], \"e f\": 'it''s', ? g : h}\n%%\nvariances.ped(cow)=\"3\"\nmodel=y ~ a: b\n"),
    FUZZ_SEED("{a: [b:c, {c: d}],... d\": 'it''s', ? g : h}\n%%\nmodel=--- a\n"),
};

FUZZ_TARGET(seeds, 20000);
