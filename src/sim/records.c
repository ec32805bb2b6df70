/*
  Records of cows and the true fixed effects.

  y = mean + herd-year + parity + b * age + true breeding value + permanent environment + residual,
  for each trait. Every random part is drawn by a key (animal, class, parity). So records are
  written generation by generation without storing any effect, and truth_fixed.tsv has the same
  values as the records.
*/
#include "sim.h"
#include <math.h>
#include <stdio.h>

/* SimCalvingYears - See the header: births of the last generation + two years + further parities.
   Not collective. */
int64_t SimCalvingYears(const SimSpec *spec) { return spec->years * spec->generations + spec->per_cow - 1; }

/* Random key by which cows are chosen */
static uint64_t CowKey(const SimSpec *spec, int64_t number)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_COW, (uint64_t)number);

  return MeritRandomBits(&key, 0);
}

/* SimChooseCows - See the header. Collective. */
PetscErrorCode SimChooseCows(MeritSimulation sim)
{
  const SimSpec *spec  = &sim->spec;
  int64_t        first = MeritBlockFirst(spec->animals, sim->size, sim->rank);
  int64_t        end = MeritBlockFirst(spec->animals, sim->size, sim->rank + 1), n = 0, cows, *number;
  uint64_t      *key;

  PetscFunctionBegin;
  sim->cow_last = -1;
  if (spec->cows <= 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc2((size_t)(end - first), &key, (size_t)(end - first), &number));
  for (int64_t i = first; i < end; i++) {
    if (SimIsMale(spec, i)) continue;
    key[n]      = CowKey(spec, i);
    number[n++] = i;
  }
  PetscCallMPI(MPI_Allreduce(&n, &cows, 1, MPI_INT64_T, MPI_SUM, sim->comm));
  if (cows < spec->cows)
    PetscCall(MeritNodeError(MeritNodeFind(spec->tree, "records.cows"), "only %lld animals are cows: see population.males", (long long)cows));
  PetscCall(SimSelect(sim->comm, n, key, number, spec->cows, &sim->cow_key, &sim->cow_last));
  PetscCall(PetscFree2(key, number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimHasRecords - See the header. Not collective. */
bool SimHasRecords(MeritSimulation sim, int64_t number)
{
  MeritRandomKey key = SimKey(&sim->spec, SIM_FOR_COW, (uint64_t)number);

  if (sim->book.animal[number].male) return false;
  /* an exact number of cows, or each cow with a probability */
  if (sim->spec.cows >= 0) return SimChosen(CowKey(&sim->spec, number), number, sim->cow_key, sim->cow_last);
  return MeritRandomUniform(&key, 1) < sim->spec.fraction;
}

/* Age at calving in days: two years, one more for each parity, standard deviation 45 days */
static int Age(const SimSpec *spec, int64_t number, int parity)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_AGE, (uint64_t)number);

  return (int)floor(730.5 + 365.0 * (parity - 1) + 45.0 * PetscMax(-6.0, MeritRandomNormal(&key, (uint32_t)parity)));
}

/* Fixed part of a record; effects are random draws keyed by class, so that no table is needed */
static void FixedPart(const SimSpec *spec, int64_t herd, int64_t year, int parity, int age, double y[])
{
  MeritRandomKey hy        = SimKey(spec, SIM_FOR_HERD_YEAR, (uint64_t)(herd * SimCalvingYears(spec) + year));
  MeritRandomKey lactation = SimKey(spec, SIM_FOR_PARITY, (uint64_t)parity);

  for (int t = 0; t < spec->n_traits; t++) {
    y[t] = spec->mean[t];
    if (spec->has_herd_year) y[t] += spec->herd_year[t] * MeritRandomNormal(&hy, (uint32_t)t);
    if (spec->has_parity) y[t] += spec->parity[t] * MeritRandomNormal(&lactation, (uint32_t)t);
    if (spec->has_age) y[t] += spec->age[t] * (double)age;
  }
}

/* Traits of a record, rounded to their decimals; some are missing at random */
static PetscErrorCode Values(const SimSpec *spec, int64_t number, int parity, const double y[], MeritText *text)
{
  MeritRandomKey key = SimKey(spec, SIM_FOR_MISSING, (uint64_t)number);

  PetscFunctionBegin;
  key.iteration = (uint32_t)parity;
  for (int t = 0; t < spec->n_traits; t++) {
    /* each trait of a record is missing independently of the others */
    if (MeritRandomUniform(&key, (uint32_t)t) < spec->missing[t]) PetscCall(MeritTextAdd(text, ",NA"));
    else PetscCall(MeritTextAdd(text, ",%.*f", spec->decimals[t], y[t]));
  }
  PetscCall(MeritTextAdd(text, "\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One record as a line of records.csv */
static PetscErrorCode OneRecord(MeritSimulation sim, int64_t number, int32_t herd, int parity, const double value[], MeritText *text)
{
  const SimSpec *spec = &sim->spec;
  MeritRandomKey pe = SimKey(spec, SIM_FOR_PE, (uint64_t)number), e = SimKey(spec, SIM_FOR_RESIDUAL, (uint64_t)number);
  /* the first calving is in the second year after birth */
  int    age = Age(spec, number, parity), year = SimBirthYear(spec, number) + 1 + parity;
  double y[MERIT_MAX_TRAITS];
  char   id[32], herd_text[32];

  PetscFunctionBegin;
  e.iteration = (uint32_t)parity;
  FixedPart(spec, herd, year - SIM_BASE_YEAR - 2, parity, age, y);
  /* the permanent environment has one key for all records of the cow, the residual one for each
     parity */
  for (int t = 0; t < spec->n_traits; t++) y[t] += value[t];
  if (spec->has_pe) SimNormals(&pe, spec->n_traits, spec->L_PE, 1.0, y);
  SimNormals(&e, spec->n_traits, spec->L_R, 1.0, y);
  SimIdText(spec, number, false, id);
  SimHerdText(spec, herd, herd_text);
  PetscCall(MeritTextAdd(text, "%s,%s,%d,%d,%d", id, herd_text, year, parity, age));
  PetscCall(Values(spec, number, parity, y, text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Header(const SimSpec *spec, MeritText *text)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "id,herd,year,parity,age"));
  for (int t = 0; t < spec->n_traits; t++) PetscCall(MeritTextAdd(text, ",%s", spec->trait[t]));
  PetscCall(MeritTextAdd(text, "\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteRecords - See the header. Collective. */
PetscErrorCode SimWriteRecords(MeritSimulation sim, const SimGeneration *g)
{
  const SimSpec *spec = &sim->spec;
  MeritText      text = {0}, header = {0};
  int64_t        made[2] = {0, 0};

  PetscFunctionBegin;
  if (g->first == 0) PetscCall(Header(spec, &header));
  for (int32_t i = 0; i < g->n_local; i++) {
    int64_t number = g->start + i;
    /* A cow has further records with probability `survival` each, until the first failure */
    MeritRandomKey key = SimKey(spec, SIM_FOR_SURVIVAL, (uint64_t)number);

    if (!SimHasRecords(sim, number)) continue;
    made[0]++;
    for (int parity = 1; parity <= (int)spec->per_cow; parity++) {
      if (parity > 1 && MeritRandomUniform(&key, (uint32_t)parity) >= spec->survival) break;
      made[1]++;
      PetscCall(OneRecord(sim, number, g->herd[i], parity, g->value + (size_t)i * (size_t)spec->n_traits, &text));
    }
  }
  PetscCall(MeritOutputWrite(sim->out, "records.csv", header.at, text.at, (int64_t)text.n));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, made, 2, MPI_INT64_T, MPI_SUM, sim->comm));
  sim->made.n_cows += made[0];
  sim->made.n_records += made[1];
  MeritTextFree(&text);
  MeritTextFree(&header);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One row for each trait: value [n_traits], or the draws by key times scale [n_traits] */
static PetscErrorCode FixedRow(const SimSpec *spec, MeritText *text, const char term[], const char level[], const double value[],
                               const double scale[], const MeritRandomKey *key)
{
  PetscFunctionBegin;
  for (int t = 0; t < spec->n_traits; t++) {
    double v = key ? scale[t] * MeritRandomNormal(key, (uint32_t)t) : value[t];

    PetscCall(MeritTextAdd(text, "%s\t%s\t%s\t", spec->trait[t], term, level));
    PetscCall(MeritTextAddReal(text, v));
    PetscCall(MeritTextAdd(text, "\n"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Herd-year effects, each rank a block of classes */
static PetscErrorCode HerdYearRows(MeritSimulation sim, MeritText *text)
{
  const SimSpec *spec  = &sim->spec;
  const int64_t  years = SimCalvingYears(spec), n = spec->herds * years;
  char           herd[32], level[64];

  PetscFunctionBegin;
  for (int64_t i = MeritBlockFirst(n, sim->size, sim->rank); i < MeritBlockFirst(n, sim->size, sim->rank + 1); i++) {
    MeritRandomKey key = SimKey(spec, SIM_FOR_HERD_YEAR, (uint64_t)i);

    SimHerdText(spec, i / years, herd);
    snprintf(level, sizeof(level), "%s:%lld", herd, (long long)(SIM_BASE_YEAR + 2 + i % years));
    PetscCall(FixedRow(spec, text, "herd:year", level, NULL, spec->herd_year, &key));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimWriteFixed - See the header. Collective. */
PetscErrorCode SimWriteFixed(MeritSimulation sim)
{
  const SimSpec *spec = &sim->spec;
  MeritText      head = {0}, rows = {0};
  char           level[32];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(&head, "trait\tterm\tlevel\tvalue\n"));
  PetscCall(FixedRow(spec, &head, "1", "1", spec->mean, NULL, NULL));
  if (spec->has_age) PetscCall(FixedRow(spec, &head, "cov(age)", "1", spec->age, NULL, NULL));
  for (int parity = 1; spec->has_parity && parity <= (int)spec->per_cow; parity++) {
    MeritRandomKey key = SimKey(spec, SIM_FOR_PARITY, (uint64_t)parity);

    snprintf(level, sizeof(level), "%d", parity);
    PetscCall(FixedRow(spec, &head, "parity", level, NULL, spec->parity, &key));
  }
  if (spec->has_herd_year) PetscCall(HerdYearRows(sim, &rows));
  PetscCall(MeritOutputWrite(sim->out, "truth_fixed.tsv", head.at, rows.at, (int64_t)rows.n));
  MeritTextFree(&head);
  MeritTextFree(&rows);
  PetscFunctionReturn(PETSC_SUCCESS);
}
