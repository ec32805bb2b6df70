/*
  B of an SNP term, B_ij = c_i c_j (M M')_ab for records i and j of animals a and b, c the
  coefficients.

  Packed genotypes of the animals come to all ranks in blocks of columns; each rank computes the
  lower part of its panels of M M', a panel being PANEL columns from the first row of its
  diagonal block down. Panels are given to the ranks in turn. Then columns of B are formed in
  rounds: in each round every rank has one block of columns, gets from all others the numbers of
  M M' that these need (by symmetry, rows of panels before, columns of panels at the animal),
  and multiplies them by the coefficients. So every number is the same bits on any ranks and
  threads.
*/
#include "matrix.h"
#include <merit/packed.h>
#include <stdlib.h>

/* 32-column words of genotypes at once */
enum { PANEL = MERIT_PANEL, WORDS = 64 };

typedef struct {
  PetscMPIInt rank, size;
  int32_t     n;        /* animals with observations */
  int64_t    *row;      /* [n] ascending rows of the genotypes; owned */
  int         n_panels; /* of this rank */
  int32_t    *first;    /* [n_panels] animals that the panels begin at; owned */
  double    **panel;    /* [n_panels] -> [(n - first) * PANEL]; owned */
  /* of all observations */
  int32_t *animal;      /* [n_obs] -1: none; owned */
  double  *coefficient; /* [n_obs]; owned */
} Relation;

/*
  Row of the genotypes of each observation (-1: none), row [n_obs], and its coefficient, on
  every rank. Tiles know their rows; genotyped levels are the animals of local records, which get them
  from the tiles.
*/
static PetscErrorCode GatherRows(RecordSpace *s, const ObservationOrder *o, Relation *g, int64_t row[])
{
  const MeritDesignView *d    = &s->view->design[0];
  PetscSF                link = MeritModelGenotypedLink(s->model, s->term);
  int64_t               *tile, *genotyped, *own, first;
  double                *c;

  PetscFunctionBegin;
  first = MeritGenotypesTile(s->genotypes.store)->row_first;
  PetscCall(PetscMalloc4(s->genotypes.n_rows + 1, &tile, s->n_slots + 1, &genotyped, o->n_own + 1, &own, s->n_records + 1, &c));
  for (int64_t i = 0; i < s->genotypes.n_rows; i++) tile[i] = first + i;
  PetscCall(PetscSFBcastBegin(link, MPI_INT64_T, tile, genotyped, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(link, MPI_INT64_T, tile, genotyped, MPI_REPLACE));
  for (int i = 0; i < o->n_own; i++) {
    const int32_t slot = d->slot[o->record[i]];

    own[i] = slot < 0 ? -1 : genotyped[slot + d->offset[0] - s->first_slot];
  }
  for (int32_t i = 0; i < s->n_records; i++) c[i] = d->value ? s->sqrt_weight[i] * d->value[i] : s->sqrt_weight[i];
  PetscCallMPI(MPI_Allgatherv(own, o->n_own, MPI_INT64_T, row, o->count, o->begin, MPI_INT64_T, s->comm));
  PetscCall(ObservationOrderGather(s, o, c, g->coefficient));
  PetscCall(PetscFree4(tile, genotyped, own, c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Order of two rows of genotypes, for qsort and bsearch */
static int Ascending(const void *a, const void *b)
{
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

  return (x > y) - (x < y);
}

/*
  The animals among the observations' rows, each once and ascending: g->row [g->n]. g->animal
  says which of them an observation has, -1: none. Animals with several records are computed
  once.
*/
static PetscErrorCode Animals(int n_obs, const int64_t row[], Relation *g)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n_obs + 1, &g->row));
  PetscCall(PetscArraycpy(g->row, row, n_obs));
  qsort(g->row, (size_t)n_obs, sizeof(*row), Ascending);
  for (int i = 0; i < n_obs; i++)
    if (g->row[i] >= 0 && (!g->n || g->row[i] != g->row[g->n - 1])) g->row[g->n++] = g->row[i];
  for (int i = 0; i < n_obs; i++) {
    const int64_t *at = row[i] < 0 ? NULL : bsearch(&row[i], g->row, (size_t)g->n, sizeof(*row), Ascending);

    g->animal[i] = at ? (int32_t)(at - g->row) : -1;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Panels of this rank, every size-th from its own number on, all 0. A panel is row-major, PANEL
  numbers to a row, of the animals from its first one on.
*/
static PetscErrorCode Panels(Relation *g)
{
  const int all = (g->n + PANEL - 1) / PANEL;

  PetscFunctionBegin;
  g->n_panels = (all - g->rank + g->size - 1) / g->size;
  PetscCall(PetscMalloc2(g->n_panels + 1, &g->first, g->n_panels + 1, &g->panel));
  for (int b = 0; b < g->n_panels; b++) {
    g->first[b] = (b * g->size + g->rank) * PANEL;
    PetscCall(PetscCalloc1((size_t)(g->n - g->first[b]) * PANEL, &g->panel[b]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  M M' into the panels: genotypes of all animals in blocks of 32 * WORDS SNPs, each added to the
  panels of every rank. Collective.
*/
static PetscErrorCode Products(RecordSpace *s, const char what[], Relation *g)
{
  const double *scale, *centre, *missing;
  int32_t       n_used;
  uint64_t     *word;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(s->genotypes.store, NULL, NULL, &n_used));
  PetscCall(MeritGenotypesScaling(s->genotypes.store, &scale, NULL, NULL));
  PetscCall(MeritGenotypesCoding(s->genotypes.store, &centre, &missing));
  PetscCall(PetscMalloc1((size_t)g->n * WORDS, &word));
  for (int32_t from = 0; from < n_used; from += 32 * WORDS) {
    const int32_t            n_cols = PetscMin(32 * WORDS, n_used - from);
    const MeritPackedAnimals m      = {g->n, n_cols, word, scale + from, centre + from, missing + from};

    MeritLogProgress((double)from / n_used, "%s: products between %d animals", what, (int)g->n);
    PetscCall(MeritGenotypesAnimals(s->genotypes.store, from, (n_cols + 31) / 32, g->n, g->row, word));
    PetscCall(MeritPackedRelate(&m, g->n_panels, g->first, g->panel));
  }
  PetscCall(PetscFree(word));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Numbers of column `animal` of M M' that a rank has: PANEL of each of its panels before the
  animal's, and of the animal's own panel, if it is this rank's, the rest of the column
*/
static int Held(const Relation *g, PetscMPIInt rank, int32_t animal)
{
  const int panel = animal / PANEL, before = (panel - rank + g->size - 1) / g->size;

  return PetscMax(before, 0) * PANEL + (panel % g->size == rank ? g->n - panel * PANEL : 0);
}

/*
  What this rank has of column `animal`, Held() numbers. In a panel before the animal's they are
  in the animal's row, by symmetry; in its own panel they are in a column.
*/
static void Pack(const Relation *g, int32_t animal, double *to)
{
  const int32_t base = animal / PANEL * PANEL;

  for (int b = 0; b < g->n_panels && g->first[b] <= base; b++) {
    const double *from = g->panel[b] + (size_t)(animal - g->first[b]) * PANEL;

    if (g->first[b] < base)
      for (int l = 0; l < PANEL; l++) *to++ = from[l];
    else
      for (int32_t i = base; i < g->n; i++) *to++ = g->panel[b][(size_t)(i - base) * PANEL + (size_t)(animal - base)];
  }
}

/*
  What a rank packed, into column [n]: the numbers of its panels are for the animals of these
  panels
*/
static void Unpack(const Relation *g, PetscMPIInt rank, int32_t animal, const double *from, double column[])
{
  const int32_t base = animal / PANEL * PANEL;

  for (int32_t first = rank * PANEL; first <= base; first += g->size * PANEL)
    for (int32_t i = first; i < (first < base ? first + PANEL : g->n); i++) column[i] = *from++;
}

/* Observations [*from, *to) whose columns of B a rank has in a round */
static void Round(const Relation *g, int n_obs, int round, PetscMPIInt rank, int *from, int *to)
{
  *from = PetscMin((round * g->size + rank) * COLUMN_MATRIX_WIDTH, n_obs);
  *to   = PetscMin(*from + COLUMN_MATRIX_WIDTH, n_obs);
}

/* Messages of one round: numbers for each rank and where they begin, what goes out and comes in */
typedef struct {
  PetscMPIInt *n_out, *at_out, *n_in, *at_in; /* [size] */
  double      *out;                           /* of a round; owned */
  double      *in, *column;                   /* [COLUMN_MATRIX_WIDTH * n]; owned */
} Messages;

/* Numbers that rank `from` has for the columns of rank `to` in a round */
static int Count(const Relation *g, int n_obs, int round, PetscMPIInt from, PetscMPIInt to)
{
  int first, end, n = 0;

  Round(g, n_obs, round, to, &first, &end);
  for (int j = first; j < end; j++)
    if (g->animal[j] >= 0) n += Held(g, from, g->animal[j]);
  return n;
}

/*
  What goes to the ranks in a round, and the sizes of what comes from them. Every rank knows all
  sizes from the animals of the observations, so they are not sent.
*/
static PetscErrorCode Prepare(const Relation *g, int n_obs, int round, Messages *m)
{
  int from, to, out = 0, in = 0;

  PetscFunctionBegin;
  for (PetscMPIInt r = 0; r < g->size; r++) {
    m->at_out[r]       = out;
    m->at_in[r]        = in;
    out += m->n_out[r] = Count(g, n_obs, round, g->rank, r);
    in += m->n_in[r]   = Count(g, n_obs, round, r, g->rank);
  }
  PetscCall(PetscMalloc1(out + 1, &m->out));
  for (PetscMPIInt r = 0; r < g->size; r++) {
    double *at = m->out + m->at_out[r];

    Round(g, n_obs, round, r, &from, &to);
    for (int j = from; j < to; j++) {
      if (g->animal[j] < 0) continue;
      Pack(g, g->animal[j], at);
      at += Held(g, g->rank, g->animal[j]);
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Columns of B of this round out of what came: whole columns of M M' first, then times the
  coefficients. Observations without an animal have 0.
*/
static void Finish(const Relation *g, int n_obs, int round, const Messages *m, ColumnMatrix *a)
{
  int from, to, position = 0;

  Round(g, n_obs, round, g->rank, &from, &to);
  for (PetscMPIInt r = 0; r < g->size; r++)
    for (int j = from, at = m->at_in[r]; j < to; j++) {
      if (g->animal[j] < 0) continue;
      Unpack(g, r, g->animal[j], m->in + at, m->column + (size_t)(j - from) * (size_t)g->n);
      at += Held(g, r, g->animal[j]);
    }
  if (from < to) ColumnMatrixOwner(a, from, &position);
#pragma omp parallel for schedule(static)
  for (int j = from; j < to; j++) {
    const double *column = m->column + (size_t)(j - from) * (size_t)g->n;
    double       *b      = a->column + (size_t)(position + j - from) * (size_t)n_obs;

    for (int i = 0; i < n_obs; i++) b[i] = g->animal[i] < 0 || g->animal[j] < 0 ? 0.0 : g->coefficient[i] * g->coefficient[j] * column[g->animal[i]];
  }
}

/* M M' of the animals to B of the observations, round after round. Collective. */
static PetscErrorCode Spread(const RecordSpace *s, const Relation *g, ColumnMatrix *a)
{
  const int    rounds = (a->n + COLUMN_MATRIX_WIDTH * g->size - 1) / (COLUMN_MATRIX_WIDTH * g->size);
  const size_t room   = (size_t)g->n * COLUMN_MATRIX_WIDTH;
  Messages     m;

  PetscFunctionBegin;
  PetscCall(PetscMalloc6(g->size, &m.n_out, g->size, &m.at_out, g->size, &m.n_in, g->size, &m.at_in, room, &m.in, room, &m.column));
  for (int round = 0; round < rounds; round++) {
    PetscCall(Prepare(g, a->n, round, &m));
    PetscCallMPI(MPI_Alltoallv(m.out, m.n_out, m.at_out, MPI_DOUBLE, m.in, m.n_in, m.at_in, MPI_DOUBLE, s->comm));
    Finish(g, a->n, round, &m, a);
    PetscCall(PetscFree(m.out));
  }
  PetscCall(PetscFree6(m.n_out, m.at_out, m.n_in, m.at_in, m.in, m.column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ObservationMatrixFormGenomic - See the header. Collective. */
PetscErrorCode ObservationMatrixFormGenomic(RecordSpace *s, const ObservationOrder *o, const char what[], ColumnMatrix *a)
{
  Relation g = {.rank = o->rank, .size = o->size};
  int64_t *row;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(a->n, &g.animal, a->n, &g.coefficient, a->n, &row));
  PetscCall(GatherRows(s, o, &g, row));
  PetscCall(Animals(a->n, row, &g));
  PetscCall(Panels(&g));
  PetscCall(Products(s, what, &g));
  PetscCall(Spread(s, &g, a));
  for (int b = 0; b < g.n_panels; b++) PetscCall(PetscFree(g.panel[b]));
  PetscCall(PetscFree2(g.first, g.panel));
  PetscCall(PetscFree3(g.animal, g.coefficient, row));
  PetscCall(PetscFree(g.row));
  PetscFunctionReturn(PETSC_SUCCESS);
}
