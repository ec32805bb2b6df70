/* The formats of genotype files: the list of their readers, and what a job file says of
   them. Every format has a key `genotypes.NAME`, whose value is a path; to this path the
   reader adds its suffixes. Nothing here reads a file. */
#include "genotypes_private.h"
#include <stdio.h>
#include <string.h>

/* All readers. A new format is a source file with a GenoReader, and an entry here. */
static const GenoReader *const readers[] = {&GenoReader_Plink, &GenoReader_Text};

enum { N_READERS = sizeof(readers) / sizeof(*readers) };
_Static_assert((int)N_READERS <= (int)MERIT_MOST_FORMATS, "room for the keys of all formats");

/* MeritGenotypesFormats - Keys of all formats; borrowed. Their number is returned also
   where n is less. Not collective. */
int MeritGenotypesFormats(const MeritKey *keys[], int n)
{
  for (int i = 0; i < N_READERS && i < n; i++) keys[i] = readers[i]->key;
  return N_READERS;
}

/* MeritGenotypesSetFile - Which file to read, of the format with this key. Logically collective;
   the path is copied. */
PetscErrorCode MeritGenotypesSetFile(MeritGenotypes geno, const char key[], const char path[])
{
  PetscFunctionBegin;
  geno->options.reader = NULL;
  for (int i = 0; i < N_READERS; i++)
    if (!strcmp(readers[i]->key->path, key)) geno->options.reader = readers[i];
  PetscCheck(geno->options.reader, geno->comm, PETSC_ERR_ARG_WRONG, "there is no format of genotypes %s", key);
  PetscCall(PetscFree(geno->options.path));
  PetscCall(PetscStrallocpy(path, &geno->options.path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesOfJob - Format and path that a job names; see the header. All keys are
   looked up, also after the first that is found, so that several are an error that lists
   the keys. Not collective. */
PetscErrorCode MeritGenotypesOfJob(MeritNode job, const char **key, char **path)
{
  char all[256] = "";
  int  n        = 0;

  PetscFunctionBegin;
  *key  = NULL;
  *path = NULL;
  for (int i = 0; i < N_READERS; i++) {
    const char *name  = strchr(readers[i]->key->path, '.') + 1;
    char       *found = NULL;

    snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i == 0 ? "" : i < N_READERS - 1 ? ", " : " or ", name);
    PetscCall(MeritConfigPath(job, readers[i]->key->path, &found));
    if (!found) continue;
    if (n++) PetscCall(PetscFree(*path));
    *path = found;
    *key  = readers[i]->key->path;
  }
  if (n > 1) PetscCall(MeritNodeError(MeritNodeFind(job, "genotypes"), "give %s, not %s", all, n == 2 ? "both" : "all of them"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesEachFile - See the header. A name is the path of the job file with a suffix
   of its format; files need not exist. Collective if act is. */
PetscErrorCode MeritGenotypesEachFile(MeritNode job, MeritGenotypesAct act, void *ctx)
{
  PetscFunctionBegin;
  for (int i = 0; i < N_READERS; i++) {
    char  file[PETSC_MAX_PATH_LEN];
    char *path = NULL;

    PetscCall(MeritConfigPath(job, readers[i]->key->path, &path));
    for (int k = 0; path && readers[i]->suffix[k]; k++) {
      snprintf(file, sizeof(file), "%s%s", path, readers[i]->suffix[k]);
      PetscCall((*act)(readers[i]->key->path, readers[i]->suffix[k], file, ctx));
    }
    PetscCall(PetscFree(path));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesEnding - See the header: for messages such as "give the prefix, without
   .bed". A path that is only the suffix has no ending. Not collective. */
size_t MeritGenotypesEnding(const char key[], const char path[], const char **first)
{
  const size_t length = strlen(path);

  *first = NULL;
  for (int i = 0; i < N_READERS; i++)
    for (int k = 0; !strcmp(readers[i]->key->path, key) && readers[i]->suffix[k]; k++) {
      const size_t n = strlen(readers[i]->suffix[k]);

      if (!n || n >= length || strcmp(path + length - n, readers[i]->suffix[k])) continue;
      *first = readers[i]->suffix[0];
      return n;
    }
  return 0;
}
