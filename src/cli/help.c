#include "cli.h"
#include <merit/version.h>
#include <stdio.h>
#include <string.h>

static void PrintGeneral(void)
{
  int                 n;
  const MeritCommand *command = MeritCommands(&n);

  puts("merit: linear mixed models for genetic evaluation, on any number of MPI ranks\n\n"
       "usage: merit COMMAND FILE [--key value]... [-petsc_option [value]]...\n"
       "       mpirun -n RANKS merit COMMAND FILE ...\n");
  for (int c = 0; c < n; c++) {
    char usage[64];

    snprintf(usage, sizeof(usage), "%s %s", command[c].name, command[c].operand);
    printf("  %-15s %s%s\n", usage, command[c].help, command[c].run ? "" : " (not available yet)");
  }
  puts("\n`merit COMMAND --help` lists the keys of its file; each is a flag as well (--solver.rtol 1e-12) "
       "and then wins.\n"
       "Options with one dash go to PETSc (-log_view). `merit --version` says what was built.\n\n"
       "exit status: 0 done; 1 system error (memory, disk); 2 command line, job file, or not available;\n"
       "             3 bad input data; 4 not converged; 75 stopped on request");
}

/* Text on stdout; NULL for the commands in general. Rank 0 calls. */
void MeritPrintHelp(const MeritCommand *command)
{
  const MeritKey *keys;
  int             n, width = 0;

  if (!command) {
    PrintGeneral();
    return;
  }
  n = command->keys(&keys);
  printf("usage: merit %s %s [--key value]... [-petsc_option [value]]...\n\n%s%s\n", command->name,
         command->operand, command->help, command->run ? "" : " (not available yet)");
  if (!n) return;
  puts("\nKeys of the file (a dot is a level of indentation there), each also a flag --key that wins over "
       "the file:\n");
  for (int k = 0; k < n; k++) width = PetscMax(width, (int)strlen(keys[k].path));
  for (int k = 0; k < n; k++) printf("  %-*s  %s\n", width, keys[k].path, keys[k].help);
  puts("\n* stands for a name of yours, ** for anything below. Relative paths start from the folder of the "
       "file, those of flags from\n"
       "the working folder.");
}

void MeritPrintVersion(void)
{
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
  int  length;

  MPI_Get_library_version(mpi, &length);
  mpi[strcspn(mpi, ",\n")] = 0;
  printf("merit %s (PETSc %d.%d.%d with %d-bit indices, %s)\n", MERIT_VERSION, PETSC_VERSION_MAJOR,
         PETSC_VERSION_MINOR, PETSC_VERSION_SUBMINOR, (int)(8 * sizeof(PetscInt)), mpi);
}
