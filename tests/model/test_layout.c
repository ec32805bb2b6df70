/* Every conversion of merit/layout.h against the texts of the records: level, slot and equation name the same cow, herd and marker row. */
#include <model_files.h>

/* Slope has a singular G: its levels have two components and one equation, so that slots and equations differ behind it */
enum { RECORDS = 30, COWS = 10 };

static const char job[] = "records: {file: records.csv}\n"
                          "pedigree: {file: pedigree.csv}\n"
                          "genotypes: {text: genotypes.txt}\n"
                          "model: \"milk ~ herd + slope = iid(herd + herd:cov(age)) + gen = ped(cow + dam) + snp(cow)\"\n"
                          "variances: {slope: [[4, 2], [2, 1]], gen: [[3, 0.5], [0.5, 1]], snp(cow): 0.3, residual: 5}\n";

enum { HERD, COW, DAM };

/* What stands in the records file, line i + 2 */
static void Text(int record, int column, size_t size, char text[])
{
  const int cow = (record * 7 + record / COWS) % COWS;

  if (column == HERD) snprintf(text, size, "h%d", record * 5 % 8);
  if (column == COW) snprintf(text, size, "c%d", cow);
  if (column == DAM) snprintf(text, size, "d%d", cow % 4);
}

static void Begin(TestModel *t)
{
  char text[3][16], data[4096] = "herd,cow,dam,age,milk\n", pedigree[1024] = "id,sire,dam\n", genotypes[1024] = "";

  for (int i = 0; i < RECORDS; i++) {
    for (int c = 0; c < 3; c++) Text(i, c, sizeof(text[c]), text[c]);
    snprintf(data + strlen(data), sizeof(data) - strlen(data), "%s,%s,%s,%d,%d\n", text[HERD], text[COW], text[DAM], 40 + i % 7, 10 + i * i % 11);
  }
  for (int i = 0; i < COWS; i++) {
    snprintf(pedigree + strlen(pedigree), sizeof(pedigree) - strlen(pedigree), "c%d,s%d,d%d\n", i, i % 3, i % 4);
    snprintf(genotypes + strlen(genotypes), sizeof(genotypes) - strlen(genotypes), "c%d %d %d %d\n", i, i % 3, (i / 3) % 3, (i * i) % 3);
  }
  TestModelBegin(t);
  TestWriteFile(t, "records.csv", data);
  TestWriteFile(t, "pedigree.csv", pedigree);
  TestWriteFile(t, "genotypes.txt", genotypes);
  TestCall(TestModelSetUp(t, job));
}

/* Canonical number of every record level, as the owners send it through the equations; genotyped levels: row of the genotypes */
static int64_t *Numbers(MeritModel model, int k)
{
  const MeritLayout   *layout = MeritModelLayout(model);
  const MeritTermView *t      = &layout->term[k];
  double              *x      = calloc((size_t)layout->n_local + 1, sizeof(*x)), *rows, *leaf;
  int64_t             *number = calloc((size_t)MeritTermRecordLevels(t) + 1, sizeof(*number)), first, n_rows;

  if (MeritStructureFed(t->structure)) {
    first  = MeritGenotypesTile(MeritModelGenotypes(model))->row_first;
    n_rows = MeritGenotypesTile(MeritModelGenotypes(model))->n_rows;
    rows   = calloc((size_t)n_rows + 1, sizeof(*rows));
    leaf   = calloc((size_t)t->n_genotyped + 1, sizeof(*leaf));
    for (int64_t i = 0; i < n_rows; i++) rows[i] = (double)(first + i);
    TestCall(PetscSFBcastBegin(MeritModelGenotypedLink(model, k), MPI_DOUBLE, rows, leaf, MPI_REPLACE));
    TestCall(PetscSFBcastEnd(MeritModelGenotypedLink(model, k), MPI_DOUBLE, rows, leaf, MPI_REPLACE));
    for (int32_t i = 0; i < t->n_genotyped; i++) number[i] = (int64_t)leaf[i];
    free(rows);
    free(leaf);
  } else {
    for (int32_t i = 0; i < t->n_owned; i++) x[t->eq_owned + i * t->n_eq] = (double)t->canonical[i];
    TestCall(PetscSFBcastBegin(MeritModelHalo(model), MPI_DOUBLE, x, x + layout->n_owned, MPI_REPLACE));
    TestCall(PetscSFBcastEnd(MeritModelHalo(model), MPI_DOUBLE, x, x + layout->n_owned, MPI_REPLACE));
    for (int32_t i = 0; i < MeritTermRecordLevels(t); i++) number[i] = (int64_t)x[MeritTermEquation(t, i)];
  }
  free(x);
  return number;
}

/* The level of each record, from its slot, has the name that the file has; a cow c7 is row 7 of the genotypes */
static void CheckRecords(MeritModel model, int k, int regressor, int column)
{
  const MeritTermView *t      = &MeritModelLayout(model)->term[k];
  const int32_t        n      = MeritTermRecordLevels(t);
  int64_t             *number = Numbers(model, k), *start = NULL;
  const int64_t       *line;
  char                *at = NULL, text[16];

  if (!MeritStructureFed(t->structure)) TestCall(MeritModelLabels(model, k, n, number, &at, &start));
  TestCall(MeritModelRecordLines(model, &line));
  for (int32_t r = 0; r < MeritModelRecords(model)->n_records; r++) {
    const int32_t slot = t->design[regressor].slot[r], level = MeritTermLevelOfSlot(t, slot);

    assert_in_range(level, 0, n - 1);
    Text((int)line[r] - 2, column, sizeof(text), text);
    if (MeritStructureFed(t->structure)) {
      assert_int_equal(number[level], atoi(text + 1));
      continue;
    }
    assert_int_equal(start[level + 1] - start[level], strlen(text));
    assert_memory_equal(at + start[level], text, strlen(text));
    assert_int_equal(MeritTermEquationOfSlot(t, slot), MeritTermEquation(t, level));
  }
  TestCall(PetscFree(at));
  TestCall(PetscFree(start));
  free(number);
}

static void TestALevelHasTheNameOfItsRecord(void **state)
{
  TestModel t;

  (void)state;
  Begin(&t);
  assert_int_equal(MeritModelLayout(t.model)->n_terms, 5);
  assert_int_equal(MeritModelLayout(t.model)->term[2].n_eq, 1);
  assert_int_equal(MeritModelLayout(t.model)->term[2].n_comp, 2);
  CheckRecords(t.model, 1, 0, HERD);
  CheckRecords(t.model, 2, 1, HERD);
  CheckRecords(t.model, 3, 0, COW);
  CheckRecords(t.model, 3, 1, DAM);
  CheckRecords(t.model, 4, 0, COW);
  TestModelEnd(&t);
}

static void Mark(int32_t n, int seen[], int32_t at)
{
  assert_in_range(at, 0, n - 1);
  assert_int_equal(seen[at]++, 0);
}

/* All levels of all terms, with the SNPs whose columns no record level is, fill slots and equations once */
static void TestSlotsAndEquationsAreFilledOnce(void **state)
{
  const MeritLayout *layout;
  TestModel          t;
  int               *slots, *equations;

  (void)state;
  Begin(&t);
  layout    = MeritModelLayout(t.model);
  slots     = calloc((size_t)layout->n_slots + 1, sizeof(*slots));
  equations = calloc((size_t)layout->n_local + 1, sizeof(*equations));
  for (int k = 0; k < layout->n_terms; k++) {
    const MeritTermView *v = &layout->term[k];

    for (int32_t i = 0; i < MeritTermRecordLevels(v); i++) {
      for (int c = 0; c < v->n_comp; c++) {
        Mark(layout->n_slots, slots, MeritTermSlot(v, i) + c);
        assert_int_equal(MeritTermLevelOfSlot(v, MeritTermSlot(v, i) + c), i);
      }
      for (int e = 0; e < v->n_eq; e++) {
        Mark(layout->n_local, equations, MeritTermEquation(v, i) + e);
        assert_int_equal(MeritTermLevelOfEquation(v, MeritTermEquation(v, i) + e), i);
      }
      assert_int_equal(MeritTermEquationOfSlot(v, MeritTermSlot(v, i)), MeritTermEquation(v, i));
    }
    for (int32_t i = 0; MeritStructureFed(v->structure) && i < v->n_owned; i++)
      Mark(layout->n_slots, slots, v->slot_owned + i), Mark(layout->n_local, equations, v->eq_owned + i);
    assert_int_equal(MeritTermLevelOfSlot(v, -1), -1);
    assert_int_equal(MeritTermLevelOfEquation(v, -1), -1);
    assert_int_equal(MeritTermEquationOfSlot(v, -1), -1);
  }
  for (int32_t i = 0; i < layout->n_slots; i++) assert_int_equal(slots[i], 1);
  for (int32_t i = 0; i < layout->n_local; i++) assert_int_equal(equations[i], 1);
  free(slots);
  free(equations);
  TestModelEnd(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestALevelHasTheNameOfItsRecord),
    cmocka_unit_test(TestSlotsAndEquationsAreFilledOnce),
};

TEST_MAIN(tests)
