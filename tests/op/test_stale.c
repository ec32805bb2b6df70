/* Nothing that uses the operator has to be told of new variances. */
#include <merit/op.h>
#include <merit/pc.h>
#include <math.h>
#include <model_files.h>

enum { MOST = 512 };

static const char records[]   = "cow,dam,herd,age,w,m1,m2,milk,fat\n"
                                "c1,a2,h2,41,1,0,2,10.5,3.1\n"
                                "c1,a2,h1,42.5,2,0,2,11.5,NA\n"
                                "c2,a2,h1,40,1,1,1,9,2.2\n"
                                "c3,c2,h2,43,0.5,2,0,NA,2.9\n"
                                "c4,0,h3,44,1,1,2,12,3.3\n"
                                "c5,c4,h3,39,3,0,1,8.25,2.0\n";
static const char pedigree[]  = "id,sire,dam\nc1,a1,a2\nc2,a1,a2\nc3,c1,c2\nc4,a3,0\nc5,c1,c4\n";
static const char genotypes[] = "c1 0 1 2 0\nc2 1 1 5 1\nc3 2 0 1 1\nc4 1 2 0 0\nc5 0 1 1 2\n";
static const char job[]       = "records: {file: records.csv, weight: {milk: w}}\n"
                                "pedigree: {file: pedigree.csv}\n"
                                "genotypes: {text: genotypes.txt}\n"
                                "model:\n"
                                "  - \"milk ~ herd + cov(age) + gen = ped(cow + dam) + slope = iid(herd + herd:cov(age)) + snp(cow)\"\n"
                                "  - \"fat ~ herd + gen = ped(cow) + snp(cow) + marks = ridge(m1 + m2)\"\n"
                                "variances:\n"
                                "  gen: [[3, 0.5, -0.4], [0.5, 1, 0.1], [-0.4, 0.1, 0.8]]\n"
                                "  slope: [[2, 0.1], [0.1, 0.05]]\n"
                                "  snp(cow): [[0.3, 0.1], [0.1, 0.2]]\n"
                                "  marks: 0.7\n"
                                "  residual: [[5, 1], [1, 2]]\n";

/* What each of the entries of op.h and pc.h gives with an operator */
enum { ENTRY_APPLY, ENTRY_PROJECT, ENTRY_FITTED, ENTRY_BLOCKS, ENTRY_DIAGONAL, ENTRY_PC_BLOCK, ENTRY_PC_PETSC, ENTRY_STATE, ENTRIES };

static void Use(Mat C, PC pc, int entry, const double *x, double *y)
{
  MeritModel model;
  int32_t    n;
  double    *blocks;
  uint64_t   state;
  Vec        in, out;

  TestCall(MeritMMEGetModel(C, &model));
  n = MeritModelLayout(model)->n_owned;
  for (int i = 0; i < MOST; i++) y[i] = 0.0;
  if (entry == ENTRY_APPLY) TestCall(MeritMMEApplyBlock(C, 1, x, y));
  if (entry == ENTRY_PROJECT) TestCall(MeritMMERightHandSide(C, y));
  if (entry == ENTRY_FITTED) TestCall(MeritMMEFitted(C, x, y));
  if (entry == ENTRY_BLOCKS) {
    TestCall(MeritMMEBlockDiagonal(C, &blocks));
    for (int32_t i = 0; i < n; i++) y[i] = blocks[i];
    TestCall(PetscFree(blocks));
  }
  if (entry == ENTRY_PC_BLOCK) TestCall(MeritPCApplyBlock(pc, 1, x, y));
  if (entry == ENTRY_STATE) {
    TestCall(MeritMMEState(C, &state));
    y[0] = (double)state;
  }
  if (entry != ENTRY_DIAGONAL && entry != ENTRY_PC_PETSC) return;
  TestCall(VecCreateMPIWithArray(PETSC_COMM_WORLD, 1, n, PETSC_DETERMINE, x, &in));
  TestCall(VecCreateMPIWithArray(PETSC_COMM_WORLD, 1, n, PETSC_DETERMINE, y, &out));
  if (entry == ENTRY_DIAGONAL) TestCall(MatGetDiagonal(C, out));
  else TestCall(PCApply(pc, in, out));
  TestCall(VecDestroy(&in));
  TestCall(VecDestroy(&out));
}

static void MakeBoth(MeritModel model, Mat *C, PC *pc)
{
  TestCall(MeritMatCreateMME(model, C));
  TestCall(PCCreate(PETSC_COMM_WORLD, pc));
  TestCall(PCSetType(*pc, "merit_block"));
  TestCall(PCSetOperators(*pc, *C, *C));
}

/* The entry gives what it gives of an operator that is made now, and not what it gave before (fitted values have no variances in them, but L) */
static void CheckEntry(const TestModel *t, Mat C, PC pc, int entry, const double *x, const double *before)
{
  double after[MOST], want[MOST], most = 0.0;
  Mat    fresh;
  PC     fresh_pc;

  Use(C, pc, entry, x, after);
  MakeBoth(t->model, &fresh, &fresh_pc);
  Use(fresh, fresh_pc, entry, x, want);
  for (int i = 0; i < MOST && entry != ENTRY_STATE; i++) assert_true(after[i] == want[i]);
  for (int i = 0; i < MOST; i++) most = fmax(most, fabs(after[i] - before[i]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD);
  assert_true(most > 1e-3);
  TestCall(PCDestroy(&fresh_pc));
  TestCall(MatDestroy(&fresh));
}

/* Each entry, as the first to be called after new variances, gives what an operator gives that is made after them. One of the matrices is
   singular then, and was not before. */
static void TestEveryEntryNoticesNewVariances(void **state)
{
  static const double gen[] = {3, .5, -.4, .5, 1, .1, -.4, .1, .8}, slope[] = {2, .1, .1, .05}, snp[] = {.4, .2, .2, .1}, marks[] = {.7},
                      R[] = {7, -1, -1, 4};
  const double *const G[] = {NULL, NULL, NULL, gen, slope, snp, marks}, *const residual[] = {R};
  TestModel t;
  Mat       C;
  PC        pc;
  double    x[MOST], before[MOST];

  (void)state;
  TestCall(MeritPCRegisterAll());
  for (int entry = 0; entry < ENTRIES; entry++) {
    TestModelBegin(&t);
    t.estimated = true;
    TestWriteFile(&t, "records.csv", records);
    TestWriteFile(&t, "pedigree.csv", pedigree);
    TestWriteFile(&t, "genotypes.txt", genotypes);
    TestCall(TestModelSetUp(&t, job));
    for (int i = 0; i < MOST; i++) x[i] = sin(1.0 + i);
    MakeBoth(t.model, &C, &pc);
    Use(C, pc, entry, x, before);
    TestCall(MeritModelSetVariances(t.model, G, residual));
    CheckEntry(&t, C, pc, entry, x, before);
    TestCall(PCDestroy(&pc));
    TestCall(MatDestroy(&C));
    TestModelEnd(&t);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestEveryEntryNoticesNewVariances),
};

TEST_MAIN(tests)
