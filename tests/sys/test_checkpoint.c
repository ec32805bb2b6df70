/* Checkpoints: values find their positions on any number of ranks, damage and other runs are seen, requests stop. */
#include <merit_test.h>
#include <merit/checkpoint.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { N_EQUATIONS = 150001, N_RECORDS = 40 };

static PetscMPIInt rank, size;
static char        folder[64];
static const char *identity = "merit 1\nmodel: y ~ herd\ncontent: 12 bytes\n";

static PetscErrorCode Identity(void *ctx, MeritText *lines) { return MeritTextAdd(lines, "%s", *(const char **)ctx); }

static int MakeFolder(void **state)
{
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  strcpy(folder, "/tmp/merit_checkpoint_XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, (int)sizeof(folder), MPI_CHAR, 0, PETSC_COMM_WORLD);
  return 0;
}

static int RemoveFolder(void **state)
{
  (void)state;
  MPI_Barrier(PETSC_COMM_WORLD);
  return rank == 0 && rmdir(folder);
}

/* What position p has in the n-th checkpoint */
static double Value(int64_t p, int j, int n) { return sin((double)p + 0.1 * j) * (n + 1); }

typedef struct {
  MPI_Comm        comm;
  int             n_eq, n_rec;
  double         *x, *e; /* [n_eq * 2], [n_rec] */
  int64_t        *position, *line;
  int             round[3];
  MeritState      state[3];
  MeritCheckpoint checkpoint;
} Run;

/* Equations scattered over all ranks but the second, records in turn, line 7 is nobody's */
static void Start(Run *r, MPI_Comm comm, int64_t calls)
{
  PetscMPIInt me, n;

  MPI_Comm_rank(comm, &me);
  MPI_Comm_size(comm, &n);
  *r = (Run){
      .comm = comm, .x = calloc(2 * N_EQUATIONS, 8), .e = calloc(N_RECORDS, 8), .position = calloc(N_EQUATIONS, 8), .line = calloc(N_RECORDS, 8)};
  for (int64_t i = 0; i < N_EQUATIONS; i++) {
    const int64_t p     = i * 7919 % N_EQUATIONS;
    const int     owner = (int)(p * 31 % n);

    if ((n > 1 && owner == 1 ? 0 : owner) == me) r->position[r->n_eq++] = p;
  }
  for (int64_t i = 0; i < N_RECORDS; i++)
    if (i != 7 && i % n == me) r->line[r->n_rec++] = i;
  r->state[0] = (MeritState){"x", MERIT_STATE_EQUATIONS, 2, r->x};
  r->state[1] = (MeritState){"round", MERIT_STATE_SAME, sizeof(r->round), r->round};
  r->state[2] = (MeritState){"e", MERIT_STATE_RECORDS, 1, r->e};
  TestCall(MeritCheckpointCreate(comm, folder, 0.0, calls, &r->checkpoint));
  TestCall(MeritCheckpointSetIdentity(r->checkpoint, Identity, &identity));
  TestCall(MeritCheckpointSetPositions(r->checkpoint, MERIT_STATE_EQUATIONS, r->n_eq, r->position, N_EQUATIONS));
  TestCall(MeritCheckpointSetPositions(r->checkpoint, MERIT_STATE_RECORDS, r->n_rec, r->line, N_RECORDS));
}

static void End(Run *r)
{
  TestCall(MeritCheckpointDestroy(&r->checkpoint));
  free(r->x), free(r->e), free(r->position), free(r->line);
}

static void Save(Run *r, int n)
{
  for (int i = 0; i < r->n_eq; i++)
    for (int j = 0; j < 2; j++) r->x[2 * i + j] = Value(r->position[i], j, n);
  for (int i = 0; i < r->n_rec; i++) r->e[i] = Value(r->line[i], 5, n);
  r->round[0] = r->round[2] = n;
  TestCall(MeritCheckpointSave(r->checkpoint, n, 3, r->state));
}

/* What is loaded is the n-th, to the bit */
static void Check(Run *r, int n)
{
  bool loaded, found;

  TestCall(MeritCheckpointOpen(r->checkpoint, &found));
  assert_true(found);
  TestCall(MeritCheckpointLoad(r->checkpoint, 3, r->state, &loaded));
  assert_true(loaded);
  assert_int_equal(r->round[0], n);
  assert_int_equal(r->round[2], n);
  for (int i = 0; i < r->n_eq; i++)
    for (int j = 0; j < 2; j++) assert_true(r->x[2 * i + j] == Value(r->position[i], j, n));
  for (int i = 0; i < r->n_rec; i++) assert_true(r->e[i] == Value(r->line[i], 5, n));
  TestCall(MeritCheckpointLoad(r->checkpoint, 3, r->state, &loaded));
  assert_false(loaded);
}

/* Written by all ranks, read by fewer, and the other way round */
static void test_any_ranks(void **state)
{
  Run all, few;

  (void)state;
  Start(&all, PETSC_COMM_WORLD, 0);
  Save(&all, 3);
  for (int n = 1; n <= size; n++) {
    MPI_Comm comm;

    MPI_Comm_split(PETSC_COMM_WORLD, rank < n ? 0 : MPI_UNDEFINED, rank, &comm);
    if (rank < n) {
      Start(&few, comm, 0);
      Check(&few, n == 1 ? 3 : 3 + n - 1);
      Save(&few, 3 + n);
      End(&few);
      MPI_Comm_free(&comm);
    }
    MPI_Barrier(PETSC_COMM_WORLD);
  }
  Check(&all, 3 + size);
  TestCall(MeritCheckpointRemove(all.checkpoint));
  End(&all);
}

static void Path(const char *name, char path[128]) { snprintf(path, 128, "%s/checkpoint/%s", folder, name); }

static long Bytes(const char *name)
{
  char  path[128];
  long  n;
  FILE *file;

  Path(name, path);
  file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  n = ftell(file);
  fclose(file);
  return n;
}

/* Flip a byte, by rank 0 */
static void Damage(const char *name, long at)
{
  char path[128];

  MPI_Barrier(PETSC_COMM_WORLD);
  Path(name, path);
  if (rank == 0) {
    FILE *file = fopen(path, "r+b");
    int   c;

    fseek(file, at, SEEK_SET);
    c = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(c ^ 0x10, file);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* A byte anywhere: the generation before; both: an error; a file cut short the same */
static void test_damage(void **state)
{
  char newest[128], previous[128];
  Run  r;
  long n;
  bool found;

  (void)state;
  Start(&r, PETSC_COMM_WORLD, 0);
  Save(&r, 1);
  Save(&r, 2);
  n = Bytes("newest");
  for (int i = 0; i < 24; i++) {
    const long at = i < 16 ? i * 4 : i < 22 ? (long)((double)n * (i - 15) / 7.5) : n - 1 - (i - 22) * 40;

    Damage("newest", at);
    Check(&r, 1);
    Damage("newest", at);
    Check(&r, 2);
  }
  Damage("newest", n / 2);
  Damage("previous", n / 3);
  TestRaises(MERIT_ERROR_SYSTEM, "no intact checkpoint found", MeritCheckpointOpen(r.checkpoint, &found));
  Damage("previous", n / 3);
  Path("newest", newest);
  Path("previous", previous);
  if (rank == 0) assert_int_equal(truncate(newest, n / 2), 0);
  MPI_Barrier(PETSC_COMM_WORLD);
  Check(&r, 1);
  if (rank == 0) assert_int_equal(truncate(newest, 11), 0);
  MPI_Barrier(PETSC_COMM_WORLD);
  Check(&r, 1);
  TestCall(MeritCheckpointRemove(r.checkpoint));
  End(&r);
}

/* The whole file, by rank 0 */
static unsigned char *Contents(const char *name, long n, unsigned char *from)
{
  char           path[128];
  unsigned char *at = from ? from : malloc((size_t)n);
  FILE          *file;

  Path(name, path);
  file = fopen(path, from ? "wb" : "rb");
  assert_non_null(file);
  assert_int_equal(from ? fwrite(at, 1, (size_t)n, file) : fread(at, 1, (size_t)n, file), n);
  fclose(file);
  return at;
}

/* A field of the head, of the length of the identity, or of a part's entry gets a value that none has, and all checksums are made right again */
static void Madden(unsigned char *at, unsigned *seed)
{
  enum { HEAD = 56, ENTRY = 72 };
  static const int head_field[] = {8, 12, 16, 20, 24, 32, 40}, entry_field[] = {32, 36, 40, 48, 56, 64, 0};
  const int64_t    mad[] = {0, -1, 1, 2, INT64_MAX, INT64_MIN, (int64_t)1 << 31, ((int64_t)1 << 32) - 1, (int64_t)1 << 40, INT64_MAX / 8 + 1, 55, 57};
  int64_t          table, bytes, value, lines;
  uint32_t         crc;
  unsigned char   *field;
  int              which;

  memcpy(&table, at + 32, 8), memcpy(&bytes, at + 40, 8), memcpy(&lines, at + table, 8);
  *seed = *seed * 1664525u + 1013904223u;
  which = (int)(*seed >> 10) % 4; /* head, first or second entry, length of the identity */
  field = which == 0 ? at + head_field[(*seed >> 16) % 7] : at + table;
  if (which == 1 || which == 2) {
    int64_t n_chunks;

    field += 8 + lines;
    memcpy(&n_chunks, field + 56, 8);
    if (which == 2) field += ENTRY + 4 * n_chunks;
    field += entry_field[(*seed >> 16) % 7];
  }
  memcpy(&value, field, 8);
  value = (*seed >> 8) % 14 > 11 ? value + ((*seed >> 8) % 2 ? 1 : -1) : mad[(*seed >> 20) % 12];
  memcpy(field, &value, which == 0 && field - at < 24 ? 4 : which && (field - at - table - 8 - lines) % 4 == 0 && (*seed >> 7) % 2 ? 4 : 8);
  crc = (uint32_t)crc32(crc32(0, NULL, 0), at + table, (uInt)bytes);
  memcpy(at + 48, &crc, 4);
  crc = (uint32_t)crc32(crc32(0, NULL, 0), at, 52);
  memcpy(at + 52, &crc, 4);
}

/* Right checksums over numbers that cannot be: the generation before, or a refusal, and nothing that is computed from them */
static void test_mad(void **state)
{
  unsigned seed = 1;
  Run      r;
  long     n;
  int      fell_back = 0, refused = 0;

  (void)state;
  Start(&r, PETSC_COMM_WORLD, 0);
  Save(&r, 1);
  Save(&r, 2);
  n = Bytes("newest");
  for (int i = 0; i < 250; i++) {
    unsigned char *whole = rank ? NULL : Contents("newest", n, NULL), *mad = rank ? NULL : malloc((size_t)n);
    bool           found = false, loaded = false;

    if (!rank) Madden(memcpy(mad, whole, (size_t)n), &seed), Contents("newest", n, mad);
    MPI_Barrier(PETSC_COMM_WORLD);
    if (!MeritCheckpointOpen(r.checkpoint, &found)) {
      assert_true(found);
      if (MeritCheckpointLoad(r.checkpoint, 3, r.state, &loaded)) {
        assert_int_equal(MeritErrorLast()->kind, MERIT_ERROR_USAGE);
        loaded = false;
        refused++;
      } else fell_back += loaded && r.round[0] == 1;
    } else refused++;
    MeritErrorClear();
    if (loaded)
      for (int k = 0; k < r.n_eq; k++) assert_true(r.x[2 * k] == Value(r.position[k], 0, r.round[0] == 1 ? 1 : 2));
    if (!rank) Contents("newest", n, whole);
    free(whole), free(mad);
    MPI_Barrier(PETSC_COMM_WORLD);
  }
  assert_true(fell_back > 100 && refused > 5);
  TestCall(MeritCheckpointRemove(r.checkpoint));
  End(&r);
}

/* Another run is refused by the line that differs, another solver by its part */
static void test_other(void **state)
{
  const char *before = identity;
  Run         r, other;
  bool        found;

  (void)state;
  Start(&r, PETSC_COMM_WORLD, 0);
  TestCall(MeritCheckpointOpen(r.checkpoint, &found));
  assert_false(found);
  Save(&r, 1);
  identity = "merit 1\nmodel: y ~ herd + year\ncontent: 12 bytes\n";
  Start(&other, PETSC_COMM_WORLD, 0);
  TestRaises(MERIT_ERROR_USAGE, "it has `model: y ~ herd`, this run has `model: y ~ herd + year`", MeritCheckpointOpen(other.checkpoint, &found));
  End(&other);
  identity = before;
  for (int i = 0; i < 3; i++) {
    MeritState wrong[2] = {r.state[1], r.state[0]};

    TestCall(MeritCheckpointOpen(r.checkpoint, &found));
    wrong[i == 0 ? 0 : 1].name = i == 2 ? "x" : "residual";
    if (i == 2) wrong[1].size = 1;
    if (i)
      TestRaises(MERIT_ERROR_USAGE, i == 2 ? "`x` has another size" : "`residual` is not in it", MeritCheckpointLoad(r.checkpoint, 2, wrong, &found));
    else TestCall(MeritCheckpointLoad(r.checkpoint, 2, wrong, &found));
    assert_true(i || !found);
  }
  TestCall(MeritCheckpointRemove(r.checkpoint));
  End(&r);
}

/* What is kept is in all later checkpoints, of this run and of the next */
static void test_kept(void **state)
{
  int        done = 17, got = 0;
  MeritState one = {"done", MERIT_STATE_SAME, sizeof(done), &done};
  Run        r;
  bool       found;

  (void)state;
  Start(&r, PETSC_COMM_WORLD, 0);
  TestCall(MeritCheckpointKeep(r.checkpoint, 1, &one));
  one.data = &got;
  for (int n = 1; n <= 3; n++) {
    Save(&r, n);
    End(&r);
    Start(&r, PETSC_COMM_WORLD, 0);
    Check(&r, n);
    got = 0;
    assert_true(MeritCheckpointHas(r.checkpoint, "done"));
    assert_false(MeritCheckpointHas(r.checkpoint, "gone"));
    TestCall(MeritCheckpointLoad(r.checkpoint, 1, &one, &found));
    assert_true(found && got == 17);
  }
  TestCall(MeritCheckpointRemove(r.checkpoint));
  End(&r);
}

/* By calls, and by a signal to one rank alone, which stops all of them behind a checkpoint and a marker */
static void test_requests(void **state)
{
  char path[128];
  Run  r;
  bool due, found;

  (void)state;
  Start(&r, PETSC_COMM_WORLD, 3);
  for (int i = 1; i <= 9; i++) {
    TestCall(MeritCheckpointDue(r.checkpoint, &due));
    assert_true(due == (i % 3 == 0));
  }
  End(&r);
  TestCall(MeritRequestsCatch());
  Start(&r, PETSC_COMM_WORLD, 0);
  if (rank == size - 1) raise(SIGUSR1);
  TestCall(MeritCheckpointDue(r.checkpoint, &due));
  assert_true(due);
  TestRaises(MERIT_ERROR_STOPPED, "stopped on request at 41", MeritCheckpointSave(r.checkpoint, 41, 3, r.state));
  Path("RESUME", path);
  assert_int_equal(access(path, F_OK), 0);
  MPI_Barrier(PETSC_COMM_WORLD);
  TestCall(MeritCheckpointOpen(r.checkpoint, &found));
  assert_true(found);
  MPI_Barrier(PETSC_COMM_WORLD);
  assert_int_not_equal(access(path, F_OK), 0);
  TestRaises(MERIT_ERROR_STOPPED, "stopped on request before", MeritCheckpointStop(r.checkpoint));
  TestCall(MeritCheckpointRemove(r.checkpoint));
  End(&r);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_ranks), cmocka_unit_test(test_damage), cmocka_unit_test(test_mad),
                                          cmocka_unit_test(test_other),     cmocka_unit_test(test_kept),   cmocka_unit_test(test_requests)};
TEST_MAIN_WITH(tests, MakeFolder, RemoveFolder)
