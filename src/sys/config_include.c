/* A key whose value stands in a file of its own (variances: FILE). The file is read as a tree,
   whose keys then take the place of the name; nodes keep the name of the file they came from for
   messages. */
#include "config_private.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Find the file: `path` itself, or `name` in it if it is a folder. Collective. *resolved is owned
   by the caller; *why is errno, or 0 if the file exists. Rank 0 looks, all get the answer. */
static PetscErrorCode Resolve(MPI_Comm comm, const char path[], const char name[], char **resolved, int *why)
{
  const size_t length = strlen(path) + strlen(name) + 2;
  struct stat  found;
  PetscMPIInt  rank;
  int          answer[2] = {0, 0}; /* is a folder; errno */

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(PetscMalloc1(length, resolved));
  if (!rank) {
    answer[0] = !stat(path, &found) && S_ISDIR(found.st_mode);
    snprintf(*resolved, length, "%s%s%s", path, answer[0] ? "/" : "", answer[0] ? name : "");
    if (stat(*resolved, &found)) answer[1] = errno;
  }
  PetscCallMPI(MPI_Bcast(answer, 2, MPI_INT, 0, comm));
  snprintf(*resolved, length, "%s%s%s", path, answer[0] ? "/" : "", answer[0] ? name : "");
  *why = answer[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigInclude - Put the keys of a file in the place of its name.

  Collective on comm; rank 0 alone touches the file.

  Input Parameters:
+ comm   - the ranks
. root   - the tree
. dotted - the key; without it, and where its value is no single word, nothing is done
- name   - of the file to read where the value is a folder

  Messages about these keys name the file they stand in. A file that cannot be read is a USAGE error at the key's value.
@*/
PetscErrorCode MeritConfigInclude(MPI_Comm comm, MeritNode root, const char dotted[], const char name[])
{
  MeritNode node = MeritNodeFind(root, dotted), other = NULL;
  char     *path = NULL, *resolved = NULL;
  int       why;

  PetscFunctionBegin;
  if (!node || node->kind != MERIT_NODE_SCALAR) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritConfigPath(root, dotted, &path));
  PetscCall(Resolve(comm, path, name, &resolved, &why));
  if (why)
    PetscCall(MeritNodeError(node, "%s: there is no file or folder %s (%s); give lines \"label: value\", or %s of merit varcomp, or its folder",
                             dotted, resolved, strerror(why), name));
  PetscCall(MeritConfigLoad(comm, resolved, &other));
  PetscCall(MeritNodeInclude(root, node, &other));
  PetscCall(PetscFree(resolved));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}
