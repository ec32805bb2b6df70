#include "fuzz.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 4, MOST = 4096, DESCRIPTORS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char           folder[200];
static const uint8_t *input;
static size_t         n_input;
static struct {
  char path[256];
} file[FILES];
static int n_files;

static PetscErrorCode Quiet(MPI_Comm comm, int line, const char *function, const char *name, PetscErrorCode code, PetscErrorType type,
                            const char *text, void *ctx)
{
  (void)comm, (void)line, (void)function, (void)name, (void)ctx;
  if (type == PETSC_ERROR_INITIAL && code < MERIT_ERR_BASE) fprintf(stderr, "error %d: %s\n", (int)code, text);
  return code;
}

void FuzzDemand(bool truth, const char *what)
{
  if (truth) return;
  fprintf(stderr, "fuzz: %s, for\n", what);
  for (size_t i = 0; i < n_input && i < 2000; i++)
    fprintf(stderr, input[i] >= ' ' && input[i] < 127 && input[i] != '\\' ? "%c" : input[i] == '\n' ? "\\n\n" : "\\%03o", input[i]);
  fprintf(stderr, "\n");
  abort();
}

bool FuzzCheck(PetscErrorCode code)
{
  const MeritErrorInfo *e = MeritErrorLast();

  if (!code) return true;
  FuzzDemand(code == MERIT_ERR_BASE + (PetscErrorCode)e->kind, "an error that is not ours");
  FuzzDemand(e->kind == MERIT_ERROR_USAGE || e->kind == MERIT_ERROR_INPUT, "an error of another kind than usage or input");
  FuzzDemand(e->agreed && e->text[0], "an error without words");
  return false;
}

FuzzBytes FuzzPart(const uint8_t **data, size_t *n)
{
  FuzzBytes part = {(const char *)*data, *n};

  for (size_t i = 0; i + 3 <= *n; i++)
    if ((i == 0 || part.at[i - 1] == '\n') && !memcmp(part.at + i, "%%\n", 3)) {
      part.n = i;
      *data += i + 3;
      *n -= i + 3;
      return part;
    }
  *data += *n;
  *n = 0;
  return part;
}

void FuzzLinesOpen(FuzzLines *l, FuzzBytes bytes)
{
  memset(l, 0, sizeof(*l));
  l->list = (struct _p_MeritNode){.kind = MERIT_NODE_LIST, .file = "job.yaml", .line = 1, .column = 8, .child = l->child};
  while (bytes.n && l->list.n < FUZZ_LINES) {
    const char *end = memchr(bytes.at, '\n', bytes.n);
    size_t      n   = end ? (size_t)(end - bytes.at) : bytes.n;
    MeritNode   s   = &l->scalar[l->list.n];

    *s                    = (struct _p_MeritNode){.kind = MERIT_NODE_SCALAR, .file = "job.yaml", .line = l->list.n + 1, .column = 3};
    s->text               = strndup(bytes.at, n);
    l->child[l->list.n++] = s;
    bytes.at += end ? n + 1 : n;
    bytes.n -= end ? n + 1 : n;
  }
}

void FuzzLinesClose(FuzzLines *l)
{
  for (int i = 0; i < l->list.n; i++) free(l->scalar[i].text);
}

const char *FuzzFile(const char name[], FuzzBytes bytes)
{
  char path[256];
  int  f, i = 0;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  while (i < n_files && strcmp(file[i].path, path)) i++;
  FuzzDemand(i < FILES, "too many files");
  if (i == n_files) strcpy(file[n_files++].path, path);
  f = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  FuzzDemand(f >= 0 && write(f, bytes.at, bytes.n) == (ssize_t)bytes.n, "a file cannot be written");
  close(f);
  return file[i].path;
}

static void Start(void)
{
  const char *base = getenv("TMPDIR");

  if (folder[0]) return;
  snprintf(folder, sizeof(folder), "%.150s/merit_fuzz_XXXXXX", base ? base : "/tmp");
  FuzzDemand(mkdtemp(folder) != NULL, "no folder can be made");
  FuzzDemand(!PetscInitialize(NULL, NULL, NULL, NULL), "PETSc does not start");
  PetscPushErrorHandler(Quiet, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
  uint8_t *copy;
  int      mark;

  Start();
  copy = malloc(n + 1); /* exactly the bytes, so that the address sanitizer sees a step outside */
  FuzzDemand(copy != NULL, "no memory");
  copy = realloc(copy, n ? n : 1);
  memcpy(copy, data, n);
  input   = copy;
  n_input = n;
  mark    = dup(2);
  MeritErrorClear();
  FuzzOne(copy, n);
  for (int i = 0; i < (n_files ? DESCRIPTORS : 1); i++) close(mark + i); /* after an error the process ends, here it goes on */
  free(copy);
  return 0;
}

static void WriteSeeds(const char to[])
{
  for (int i = 0; i < fuzz_n_seeds; i++) {
    char  name[512];
    FILE *f;

    snprintf(name, sizeof(name), "%s/seed%d", to, i);
    f = fopen(name, "wb");
    FuzzDemand(f && fwrite(fuzz_seeds[i].at, 1, fuzz_seeds[i].n, f) == fuzz_seeds[i].n && !fclose(f), "a seed cannot be written");
  }
}

#ifdef MERIT_FUZZ
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  if (*argc == 3 && !strcmp((*argv)[1], "--seeds")) {
    WriteSeeds((*argv)[2]);
    exit(0);
  }
  return 0;
}
#else
static uint64_t state = 1;

static size_t Below(size_t n)
{
  state = state * 6364136223846793005u + 1442695040888963407u;
  return n ? (size_t)(state >> 33) % n : 0;
}

/* Change a few bytes: turn one, put one in, take some out, say some twice, go on with another seed */
static size_t Mutate(uint8_t data[], size_t n)
{
  static const uint8_t bytes[] = "0123456789-+.,:;~=()[]{}\"'`#% \t\n\r\0\xef\xff";
  size_t               at = Below(n + 1), some = 1 + Below(8);
  const FuzzBytes     *other = &fuzz_seeds[Below((size_t)fuzz_n_seeds)];

  switch (Below(5)) {
  case 0:
    if (at < n) data[at] = (uint8_t)(data[at] ^ (1u << Below(8)));
    return n;
  case 1:
    if (n == MOST) return n;
    memmove(data + at + 1, data + at, n - at);
    data[at] = bytes[Below(sizeof(bytes) - 1)];
    return n + 1;
  case 2:
    some = some < n - at ? some : n - at;
    memmove(data + at, data + at + some, n - at - some);
    return n - some;
  case 3:
    some = some < n - at ? some : n - at;
    if (n + some > MOST) return n;
    memmove(data + at + some, data + at, n - at);
    return n + some;
  default:
    some = Below(other->n + 1);
    if (at + other->n - some > MOST) return n;
    memcpy(data + at, other->at + some, other->n - some);
    return at + other->n - some;
  }
}

static void Mutations(void)
{
  uint8_t data[MOST];

  for (int i = 0; i < fuzz_n_seeds; i++) LLVMFuzzerTestOneInput((const uint8_t *)fuzz_seeds[i].at, fuzz_seeds[i].n);
  for (int i = 0; i < fuzz_rounds; i++) {
    const FuzzBytes *seed = &fuzz_seeds[Below((size_t)fuzz_n_seeds)];
    size_t           n    = seed->n < MOST ? seed->n : MOST;

    memcpy(data, seed->at, n);
    for (size_t times = 1 + Below(6); times; times--) n = Mutate(data, n);
    LLVMFuzzerTestOneInput(data, n);
  }
}

static void Replay(const char name[])
{
  const size_t room = (size_t)1 << 22;
  FILE        *f    = fopen(name, "rb");
  uint8_t     *data = malloc(room);

  FuzzDemand(f && data, "an input cannot be read");
  LLVMFuzzerTestOneInput(data, fread(data, 1, room, f));
  fclose(f);
  free(data);
}

int main(int argc, char **argv)
{
  if (argc == 3 && !strcmp(argv[1], "--seeds")) {
    WriteSeeds(argv[2]);
    return 0;
  }
  Start();
  for (int i = 1; i < argc; i++) Replay(argv[i]);
  if (argc == 1) Mutations();
  for (int i = 0; i < n_files; i++) unlink(file[i].path);
  rmdir(folder);
  PetscPopErrorHandler();
  return PetscFinalize() ? 1 : 0;
}
#endif
