/*
  Code of products with CORE_LANES right-hand sides at once, of type CORE_REAL, with the instructions CORE_TARGET. The file is
  included once for each combination. Tables over three genotypes (the method of the four Russians: Arlazarov, Dinic, Kronrod and
  Faradzev 1970): a word of 32 genotypes costs eleven look-ups of a vector, whatever the codes are. In single precision
  (CORE_SINGLE), floats are summed over the rows of a strip or MERIT_SINGLE_COLUMNS columns, then added to doubles.
*/
#define CORE_JOIN2(a, b) a##b
#define CORE_JOIN(a, b)  CORE_JOIN2(a, b)
#define CORE(name)       CORE_JOIN(CORE_NAME, name)
#define CORE_BYTES       ((int)sizeof(CORE_REAL) * CORE_LANES)
#define Vector           CORE(Vector)
#define Values           CORE(Values)
#define Scratch          CORE(Scratch)
/* Bytes from a table's start to the entry of genotypes 3 i .. 3 i + 2 of a word */
#define CORE_ENTRY(word, i)                                                                                                                          \
  (CORE_BYTES == 32 ? ((i) ? ((word) >> ((i) ? 6 * (i)-5 : 0)) & 0x7e0 : ((word) << 5) & 0x7e0)                                                      \
                    : ((i) ? ((word) >> ((i) ? 6 * (i)-6 : 0)) & 0xfc0 : ((word) << 6) & 0xfc0))
#define CORE_LOOK(table, word, i) (*(const Vector *)(const void *)((const char *)(table) + 64 * CORE_BYTES * (i) + CORE_ENTRY(word, i)))

typedef CORE_REAL Vector __attribute__((vector_size(CORE_BYTES)));
typedef Vector    Values[4]; /* of one genotype, by code */

/* Scratch of one thread, on a boundary of CORE_BYTES */
typedef struct {
  Vector table[PACKED_ENTRIES];
  Values value[32];
  Vector sum[PACKED_SUMS];
  double total[CORE_SINGLE ? PACKED_SUMS : 1][CORE_LANES]; /* doubles that the sums of floats are added to */
} Scratch;

/* Sums of the values of three genotypes for each of their 64 codes, ten times, and of the last two */
CORE_TARGET static void CORE(MakeTable)(Scratch *own)
{
  for (int i = 0; i < 10; i++)
    for (int c = 0; c < 4; c++)
      for (int b = 0; b < 4; b++) {
        const Vector sum = own->value[3 * i + 2][c] + own->value[3 * i + 1][b];

        for (int a = 0; a < 4; a++) own->table[64 * i + 16 * c + 4 * b + a] = sum + own->value[3 * i][a];
      }
  for (int b = 0; b < 4; b++)
    for (int a = 0; a < 4; a++) own->table[640 + 4 * b + a] = own->value[31][b] + own->value[30][a];
}

/* sum[t] += values of the 32 genotypes of word[t * stride], t < n */
CORE_TARGET static void CORE(LookUp)(const Vector table[PACKED_ENTRIES], const uint64_t *word, size_t stride, int64_t n, Vector sum[])
{
  for (int64_t t = 0; t < n; t++) {
    const uint64_t w = word[(size_t)t * stride];
    Vector         a = sum[t] + CORE_LOOK(table, w, 0), b = CORE_LOOK(table, w, 1);

    a += CORE_LOOK(table, w, 2), b += CORE_LOOK(table, w, 3);
    a += CORE_LOOK(table, w, 4), b += CORE_LOOK(table, w, 5);
    a += CORE_LOOK(table, w, 6), b += CORE_LOOK(table, w, 7);
    a += CORE_LOOK(table, w, 8), b += CORE_LOOK(table, w, 9);
    sum[t] = a + (b + table[640 + (w >> 60)]);
  }
}

/* Add n sums of floats to the doubles and set them to 0; nothing to do in double precision */
CORE_TARGET static void CORE(Flush)(Scratch *own, int64_t n)
{
  for (int64_t t = 0; CORE_SINGLE && t < n; t++) {
    for (int l = 0; l < CORE_LANES; l++) own->total[t][l] += (double)own->sum[t][l];
    own->sum[t] = (Vector){0};
  }
}

/* Set n sums to 0 */
static void CORE(Clear)(Scratch *own, int64_t n)
{
  memset(own->sum, 0, (size_t)n * sizeof(*own->sum));
  if (CORE_SINGLE) memset(own->total, 0, (size_t)n * sizeof(*own->total));
}

/* Sum t of right-hand side i of the group */
static double CORE(Total)(const Scratch *own, int64_t t, int i) { return CORE_SINGLE ? own->total[t][i] : (double)own->sum[t][i]; }

/* value[j][code][i] = scale (copies - centre) x for 32 columns from `from` on; 0 beyond the last column */
static void CORE(ForwardValues)(const PackedBlockCall *c, int32_t from, Values value[32])
{
  const MeritPacked *m = c->m;

  memset(value, 0, 32 * sizeof(*value));
  for (int32_t j = from; j < PetscMin(from + 32, m->n_cols); j++)
    for (int code = 0; code < 4; code++) {
      const double copies = (code == 3 ? m->missing[j] : code) - m->centre[j];

      for (int i = 0; i < c->n; i++)
        value[j - from][code][i] =
            (CORE_REAL)(m->scale[j] * copies * c->in[(size_t)j * (size_t)c->k + (size_t)(c->first + i)] * c->factor[c->first + i]);
    }
}

/* M x for quarters [from, to) of strips, at most PACKED_QUARTERS */
static void CORE(Forward)(const PackedBlockCall *c, int64_t from, int64_t to, void *work)
{
  Scratch           *own = work;
  const MeritPacked *m   = c->m;

  CORE(Clear)(own, (to - from) * 64);
  for (int32_t j = 0; j < m->n_cols; j += 32) {
    CORE(ForwardValues)(c, j, own->value);
    CORE(MakeTable)(own);
    for (int64_t u = from; u < to;) {
      const int64_t strip = u / MERIT_QUARTERS, end = PetscMin(to, (strip + 1) * MERIT_QUARTERS);
      PackedLine8   line[32];

      PackedTransposeColumns(m, c->transpose, strip, j, line);
      CORE(LookUp)(own->table, (const uint64_t *)(line + 8 * (u % MERIT_QUARTERS)), 1, (end - u) * 64, own->sum + (u - from) * 64);
      u = end;
    }
    if (j % MERIT_SINGLE_COLUMNS == MERIT_SINGLE_COLUMNS - 32 || j + 32 >= m->n_cols) CORE(Flush)(own, (to - from) * 64);
  }
  for (int64_t at = 0; at < (to - from) * 64; at++) {
    const int64_t u = from + at / 64, row = u / 4 * MERIT_STRIP + at % 8 * 32 + u % 4 * 8 + at / 8 % 8;

    for (int i = 0; i < c->n && row < m->n_rows; i++)
      c->out[(size_t)row * (size_t)c->k + (size_t)(c->first + i)] = CORE(Total)(own, at, i) / c->factor[c->first + i];
  }
}

/* value[i][code][v] = copies times s for 32 rows from `row` on; 0 for missing genotypes, which are added later */
static void CORE(AdjointValues)(const PackedBlockCall *c, int64_t row, Values value[32])
{
  memset(value, 0, 32 * sizeof(*value));
  for (int64_t i = row; i < PetscMin(row + 32, c->m->n_rows); i++)
    for (int v = 0; v < c->n; v++) {
      const double one = c->in[(size_t)i * (size_t)c->k + (size_t)(c->first + v)] * c->factor[c->first + v];

      value[i - row][1][v] = (CORE_REAL)one;
      value[i - row][2][v] = (CORE_REAL)(2 * one);
    }
}

/* Add the missing genotypes of word q of columns [from, to): sum[j] += missing_j s, found bit by bit */
CORE_TARGET static void CORE(AdjointMissing)(const MeritPacked *m, int64_t strip, int q, int32_t from, int32_t to, Scratch *own)
{
  const uint64_t rows = RowBits(m->n_rows, strip, q);

  for (int32_t j = from; j < to; j++)
    for (uint64_t b = MissingBits(PackedLine(m, strip, j)[q]) & rows; b; b &= b - 1)
      own->sum[j - from] += (CORE_REAL)m->missing[j] * own->value[__builtin_ctzll(b) / 2][1];
}

/* The same for all words of a strip by the list of missing genotypes; row[256] holds s */
CORE_TARGET static void CORE(AdjointGaps)(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const Vector row[MERIT_STRIP], Vector sum[])
{
  for (int32_t first = from; first < to; first += MERIT_GAP_COLUMNS) {
    const uint16_t *at;
    const int64_t   n                       = PackedGaps(m, strip, first / MERIT_GAP_COLUMNS, &at);
    Vector          part[MERIT_GAP_COLUMNS] = {{0}};

    for (int64_t i = 0; i < n; i++) part[at[i] >> 8] += row[at[i] & 255];
    for (int32_t j = first; n && j < PetscMin(to, first + MERIT_GAP_COLUMNS); j++) sum[j - from] += (CORE_REAL)m->missing[j] * part[j - first];
  }
}

/* M's for columns [from64, to64), at most PACKED_COLUMNS */
CORE_TARGET static void CORE(Adjoint)(const PackedBlockCall *c, int64_t from64, int64_t to64, void *work)
{
  Scratch           *own  = work;
  const MeritPacked *m    = c->m;
  const int32_t      from = (int32_t)from64, to = (int32_t)to64;
  const int64_t      strips = MeritPackedStrips(m->n_rows);

  CORE(Clear)(own, to - from);
  for (int64_t strip = 0; strip < strips; strip++) {
    const int words = (int)PetscMin(MERIT_LINE, (m->n_rows - strip * MERIT_STRIP + 31) / 32);
    Vector    row[MERIT_STRIP];

    for (int q = 0; q < words; q++) {
      CORE(AdjointValues)(c, strip * MERIT_STRIP + 32 * q, own->value);
      CORE(MakeTable)(own);
      CORE(LookUp)(own->table, PackedLine(m, strip, from) + q, MERIT_LINE, to - from, own->sum);
      for (int i = 0; i < 32; i++) row[32 * q + i] = own->value[i][1];
      if (!PackedHasGaps(m)) CORE(AdjointMissing)(m, strip, q, from, to, own);
    }
    if (PackedHasGaps(m)) CORE(AdjointGaps)(m, strip, from, to, row, own->sum);
    CORE(Flush)(own, to - from);
  }
  for (int32_t j = from; j < to; j++)
    for (int i = 0; i < c->n; i++)
      c->out[(size_t)j * (size_t)c->k + (size_t)(c->first + i)] =
          m->scale[j] * (CORE(Total)(own, j - from, i) / c->factor[c->first + i] - m->centre[j] * c->total[c->first + i]);
}

#if !CORE_SINGLE
/* value[j][code][l] = M of any animal with that code times M of animal + l, for 32 columns from 32 g on; 0 for animals beyond the last */
CORE_TARGET static void CORE(PairValues)(const MeritPackedAnimals *m, int32_t g, int32_t animal, Values value[32])
{
  const uint64_t *word  = m->word + (size_t)g * (size_t)m->n + animal;
  const int32_t   first = 32 * g, lanes = PetscMin(CORE_LANES, m->n - animal);

  memset(value, 0, 32 * sizeof(*value));
  for (int32_t j = first; j < PetscMin(first + 32, m->n_cols); j++) {
    Vector other = {0};
    double by_code[4];

    for (int code = 0; code < 4; code++) by_code[code] = m->scale[j] * ((code == 3 ? m->missing[j] : code) - m->centre[j]);
    for (int32_t l = 0; l < lanes; l++) other[l] = by_code[word[l] >> (2 * (j - first)) & 3];
    for (int code = 0; code < 4; code++) value[j - first][code] = by_code[code] * other;
  }
}

/* Contract in packed_block_impl.h */
CORE_TARGET static void CORE(Relate)(const MeritPackedAnimals *m, int32_t column, int32_t from, int32_t to, double out[], void *work)
{
  Scratch      *own   = work;
  const int32_t words = (m->n_cols + 31) / 32;

  CORE(Clear)(own, to - from);
  for (int32_t g = 0; g < words; g++) {
    CORE(PairValues)(m, g, column, own->value);
    CORE(MakeTable)(own);
    CORE(LookUp)(own->table, m->word + (size_t)g * (size_t)m->n + from, 1, to - from, own->sum);
  }
  for (int32_t i = 0; i < to - from; i++)
    for (int l = 0; l < CORE_LANES; l++) out[(size_t)i * MERIT_PANEL + (size_t)l] += own->sum[i][l];
}

static const PackedBlock CORE(Block) = {CORE_LANES, sizeof(Scratch), CORE(Forward), CORE(Adjoint), CORE(Relate)};
#else
static const PackedBlock CORE(Block) = {CORE_LANES, sizeof(Scratch), CORE(Forward), CORE(Adjoint), NULL};
#endif

#undef CORE_JOIN2
#undef CORE_JOIN
#undef CORE
#undef CORE_BYTES
#undef Vector
#undef Values
#undef Scratch
#undef CORE_ENTRY
#undef CORE_LOOK
#undef CORE_REAL
#undef CORE_LANES
#undef CORE_NAME
#undef CORE_SINGLE
