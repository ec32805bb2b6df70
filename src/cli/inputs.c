/*
  The files that a job reads, so that no result replaces one of them and no job script is written
  over one.

  The list is made from the keys of the job alone, and files need not be there. A key may name a
  folder: then the file that is read there is listed, beside the path itself. Genotypes are files
  behind one prefix; src/io knows their names.
*/
#include "inputs.h"
#include <merit/genotypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A key that names a file, or a folder (or files of one name) and what is read there */
typedef struct {
  const char *key, *below[4];
} Input;

/* All keys that name files, but those of genotypes. below: "" is the path itself, "/x" the file x
   in it */
static const Input inputs[] = {{"records.file", {""}},
                               {"pedigree.file", {""}},
                               {"genotypes.centre", {""}},
                               {"solver.start", {"", "/solutions.tsv"}},
                               {"predict.snps", {"", "/snps.tsv"}}};

/* What is done with each input */
typedef struct {
  InputAct act;
  void    *ctx;
} Act;

/* A file of the genotypes. One without a suffix is the path itself, which InputsEach() has named
   already */
static PetscErrorCode ActOnGenotypes(const char key[], const char suffix[], const char path[], void *ctx)
{
  const Act *a = ctx;

  PetscFunctionBegin;
  if (suffix[0]) PetscCall((*a->act)(key, path, a->ctx));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The file of variances, if the job names one: its keys stand in the place of its name, and each
   of them still knows its file */
static PetscErrorCode EachVariances(MeritNode job, InputAct act, void *ctx)
{
  const MeritNode map  = MeritNodeFind(job, "variances");
  const char     *seen = NULL;

  PetscFunctionBegin;
  for (int32_t i = 0; map && map->kind == MERIT_NODE_MAP && i < map->n; i++) {
    const MeritNode child = map->child[i];

    if (!child->line || (job->file && !strcmp(child->file, job->file)) || (seen && !strcmp(child->file, seen))) continue;
    seen = child->file;
    PetscCall((*act)("variances", seen, ctx));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* InputsEach - See the header. Collective if act is. */
PetscErrorCode InputsEach(MeritNode job, InputAct act, void *ctx)
{
  Act         on_genotypes = {act, ctx};
  const char *key;
  char       *genotypes;

  PetscFunctionBegin;
  if (job->file) PetscCall((*act)("the job file", job->file, ctx));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(inputs); i++) {
    MeritNode node = MeritNodeFind(job, inputs[i].key);
    char     *path = NULL, file[PETSC_MAX_PATH_LEN];

    /* A map names no file */
    if (!node || node->kind != MERIT_NODE_SCALAR) continue;
    PetscCall(MeritConfigPath(job, inputs[i].key, &path));
    for (int k = 0; k < 4 && inputs[i].below[k]; k++) {
      snprintf(file, sizeof(file), "%s%s", path, inputs[i].below[k]);
      PetscCall((*act)(inputs[i].key, file, ctx));
    }
    PetscCall(PetscFree(path));
  }
  PetscCall(EachVariances(job, act, ctx));
  /* The path itself, which may be a prefix, then the files behind a prefix */
  PetscCall(MeritGenotypesOfJob(job, &key, &genotypes));
  if (key) PetscCall((*act)(key, genotypes, ctx));
  PetscCall(PetscFree(genotypes));
  PetscCall(MeritGenotypesEachFile(job, ActOnGenotypes, &on_genotypes));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One file of InputsKeep(); ctx is the output */
static PetscErrorCode Keep(const char key[], const char path[], void *ctx)
{
  PetscFunctionBegin;
  PetscCall(MeritOutputProtect((MeritOutput)ctx, path, key));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* InputsKeep - See the header. Collective. */
PetscErrorCode InputsKeep(MeritNode job, MeritOutput out)
{
  PetscFunctionBegin;
  PetscCall(InputsEach(job, Keep, out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A path, and the key of the input that it turns out to be */
typedef struct {
  const char *path;
  char        found[64];
} Search;

/* One file of InputsHas(). Two paths are the same file if device and inode are the same: this sees
   through links and other spellings of a path. A path without a file is none of the inputs. */
static PetscErrorCode Compare(const char key[], const char path[], void *ctx)
{
  Search     *s = ctx;
  struct stat a, b;

  PetscFunctionBegin;
  if (!stat(path, &a) && !stat(s->path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino) snprintf(s->found, sizeof(s->found), "%s", key);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* InputsHas - See the header. Not collective. */
PetscErrorCode InputsHas(MeritNode job, const char path[], size_t size, char key[])
{
  Search s = {.path = path};

  PetscFunctionBegin;
  PetscCall(InputsEach(job, Compare, &s));
  snprintf(key, size, "%s", s.found);
  PetscFunctionReturn(PETSC_SUCCESS);
}
