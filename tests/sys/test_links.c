/* Output folders that somebody else can write to: links are not followed, names that are not Merit's are left alone, inputs stay. */
#include <merit_test.h>
#include <merit/checkpoint.h>
#include <merit/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMM PETSC_COMM_WORLD
static PetscMPIInt rank;
static char        base[64], out_folder[96], victim[96];

static void Sh(const char *format, ...)
{
  char    command[1024], *end = command + snprintf(command, sizeof(command), "cd %s && ", base);
  va_list more;

  if (!rank) {
    va_start(more, format);
    vsnprintf(end, sizeof(command) - (size_t)(end - command), format, more);
    va_end(more);
    assert_int_equal(system(command), 0);
  }
  MPI_Barrier(COMM);
}

/* out/ with a result, and victim/ with files that are nobody's business */
static int Setup(void **state)
{
  (void)state;
  MPI_Comm_rank(COMM, &rank);
  strcpy(base, "/tmp/merit_links_XXXXXX");
  if (rank == 0 && !mkdtemp(base)) return 1;
  MPI_Bcast(base, sizeof(base), MPI_CHAR, 0, COMM);
  snprintf(out_folder, sizeof(out_folder), "%s/out", base);
  snprintf(victim, sizeof(victim), "%s/victim", base);
  Sh("mkdir out victim && echo precious | tee victim/a.tsv victim/notes.txt victim/newest victim/writing victim/RESUME out/notes.txt >victim/.files");
  return 0;
}

static int Teardown(void **state)
{
  (void)state;
  Sh("rm -rf %s", base);
  return 0;
}

static void Unharmed(void)
{
  Sh("for f in a.tsv notes.txt newest writing RESUME .files; do [ \"$(cat victim/$f)\" = precious ] || exit 1; done; [ $(ls -A victim | wc -l) = 6 "
     "]");
  Sh("[ \"$(cat out/notes.txt)\" = precious ]");
}

/* A whole run with overwrite; the result is there and nothing else was touched */
static void Run(void)
{
  MeritOutput out;

  TestCall(MeritOutputOpen(COMM, out_folder, true, &out));
  TestCall(MeritOutputWrite(out, "a.tsv", "a", NULL, 0));
  TestCall(MeritOutputWrite(out, "summary.json", "done", NULL, 0));
  TestCall(MeritOutputCommit(&out, "summary.json"));
  Sh("[ \"$(cat out/a.tsv out/summary.json)\" = adone ] && [ ! -L out/a.tsv ] && [ \"$(echo out/.[a-z]*)\" = out/.files ]");
  Unharmed();
}

static void test_links_in_place_of_what_a_run_makes_are_not_followed(void **state)
{
  static const char *const name[] = {".staging", ".previous", "a.tsv", ".files"};

  (void)state;
  Run();
  for (int i = 0; i < 4; i++) {
    Sh("rm -f out/%s && ln -s %s/%s out/%s", name[i], victim, i < 2 ? "" : i == 2 ? "a.tsv" : ".files", name[i]);
    Run();
  }
}

static void test_a_lock_that_is_a_link_is_refused(void **state)
{
  static const char *const link[] = {"ln -s", "ln"};
  MeritOutput              out;

  (void)state;
  for (int i = 0; i < 2; i++) {
    Sh("%s %s/notes.txt out/.lock", link[i], victim);
    TestRaises(MERIT_ERROR_SYSTEM, "cannot be written to: .lock", MeritOutputOpen(COMM, out_folder, true, &out));
    Unharmed();
    Sh("rm -f out/.lock");
  }
}

static void test_a_manifest_moves_and_removes_results_only(void **state)
{
  MeritOutput out;

  (void)state;
  Sh("mkdir -p out/.staging && printf '../../victim/a.tsv\\n../victim/notes.txt\\nnotes.txt\\n.profile\\nsummary.json\\n' >out/.staging/.files && "
     "touch out/.staging/summary.json");
  TestCall(MeritOutputOpen(COMM, out_folder, true, &out));
  TestCall(MeritOutputAbandon(&out));
  Unharmed();
  Sh("printf '../../victim/a.tsv\\nnotes.txt\\n' >out/.files");
  Run();
  if (geteuid()) return;
  Run();
  Sh("mkdir -p out/.staging && printf 'a.tsv\\nsummary.json\\n' >out/.staging/.files && touch out/.staging/summary.json && chown 12345 "
     "out/.staging/.files");
  TestRaises(MERIT_ERROR_USAGE, "a run of another user ended", MeritOutputOpen(COMM, out_folder, true, &out));
  Sh("[ \"$(cat out/a.tsv)\" = a ] && rm -r out/.staging");
}

static void test_inputs_are_not_replaced(void **state)
{
  MeritOutput out;
  char        path[256];

  (void)state;
  Run();
  Sh("cp victim/a.tsv out/mine.tsv && cp victim/a.tsv out/animals.tsv && ln -s %s/a.tsv link.tsv", out_folder);
  snprintf(path, sizeof(path), "%s/../out/animals.tsv", out_folder); /* a name of solve */
  TestCall(MeritOutputOpen(COMM, out_folder, true, &out));
  TestRaises(MERIT_ERROR_USAGE, "animals.tsv in this folder is an input of this run (pedigree.file)", MeritOutputProtect(out, path, "pedigree.file"));
  TestCall(MeritOutputAbandon(&out));
  TestCall(MeritOutputOpen(COMM, out_folder, true, &out));
  snprintf(path, sizeof(path), "%s/link.tsv", base); /* a file of the earlier result, by another name */
  TestRaises(MERIT_ERROR_USAGE, "a.tsv in this folder is an input", MeritOutputProtect(out, path, "solver.start"));
  snprintf(path, sizeof(path), "%s/mine.tsv", out_folder);
  TestCall(MeritOutputAbandon(&out));
  TestCall(MeritOutputOpen(COMM, out_folder, true, &out));
  TestCall(MeritOutputProtect(out, path, "records.file")); /* until it is found that this is written */
  TestRaises(MERIT_ERROR_USAGE, "mine.tsv in this folder is an input", MeritOutputWrite(out, "mine.tsv", "new", NULL, 0));
  TestCall(MeritOutputAbandon(&out));
  Sh("[ \"$(cat out/animals.tsv out/mine.tsv out/a.tsv | tr -d '\\n')\" = preciouspreciousa ] && rm out/mine.tsv out/animals.tsv link.tsv");
}

static void test_a_checkpoint_follows_no_link(void **state)
{
  static const char *const name[] = {"writing", "newest", "RESUME"};
  MeritCheckpoint          checkpoint;
  double                   x[2]    = {1.0, 2.0};
  const MeritState         parts[] = {{"x", MERIT_STATE_SAME, sizeof(x), x}};

  (void)state;
  for (int i = 0; i < 3; i++) {
    Sh("mkdir -p out/checkpoint && ln -s %s/%s out/checkpoint/%s", victim, name[i], name[i]);
    TestCall(MeritCheckpointCreate(COMM, out_folder, 0.0, 0, &checkpoint));
    TestCall(MeritCheckpointSave(checkpoint, 7, 1, parts));
    TestCall(MeritCheckpointRemove(checkpoint));
    TestCall(MeritCheckpointDestroy(&checkpoint));
    Unharmed();
    Sh("[ ! -e out/checkpoint ]");
  }
  Sh("ln -s %s out/checkpoint", victim);
  TestCall(MeritCheckpointCreate(COMM, out_folder, 0.0, 0, &checkpoint));
  TestCall(MeritCheckpointSave(checkpoint, 7, 1, parts)); /* a warning; the run goes on */
  TestCall(MeritCheckpointRemove(checkpoint));
  TestCall(MeritCheckpointDestroy(&checkpoint));
  Unharmed();
  Sh("rm out/checkpoint");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_links_in_place_of_what_a_run_makes_are_not_followed, Setup, Teardown),
    cmocka_unit_test_setup_teardown(test_a_lock_that_is_a_link_is_refused, Setup, Teardown),
    cmocka_unit_test_setup_teardown(test_a_manifest_moves_and_removes_results_only, Setup, Teardown),
    cmocka_unit_test_setup_teardown(test_inputs_are_not_replaced, Setup, Teardown),
    cmocka_unit_test_setup_teardown(test_a_checkpoint_follows_no_link, Setup, Teardown),
};

TEST_MAIN(tests)
