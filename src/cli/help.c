/*
  Texts of `merit --help`, `merit help COMMAND` and `merit version`, on stdout. All of them come
  from the tables of commands and keys. Nothing here needs MPI to be up; one process calls.
*/
#include "cli.h"
#include "commit.h"
#include <merit/version.h>
#include <stdio.h>
#include <string.h>

/* The commands, how a command line is built, and what each exit status means */
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
  puts("\n`merit help COMMAND` shows the keys of its file, with an example; each is a flag as well (--solver.rtol 1e-12), which "
       "wins.\n"
       "Options with one dash go to PETSc (-log_view). `merit version` says what was built.\n\n"
       "exit status: 0 done; 1 system error (memory, disk); 2 command line, job file, or not available;\n"
       "             3 bad input data; 4 not converged; 75 stopped on request");
}

/* Keys that job files share, but only one command reads */
static const struct {
  const char *head, *command;
} readers[] = {{"varcomp.", "varcomp"}, {"anova.", "varcomp"}, {"functions.", "varcomp"}, {"plan.", "plan"}};

/* The command that reads a key alone, NULL: several do */
static const char *Reader(const char *path)
{
  for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
    if (!strncmp(path, readers[i].head, strlen(readers[i].head))) return readers[i].command;
  return NULL;
}

/* Is a key to be listed for a command? plan looks at all */
static bool Listed(const MeritCommand *command, const char *path)
{
  const char *reader = Reader(path);

  return !reader || !strcmp(command->name, "plan") || !strcmp(command->name, reader);
}

/* The keys [n] that the command reads, in the order of the table, one a line. Keys that another
   command reads alone are not listed: their sections are named at the end, since they are allowed
   in the file. */
static void PrintKeys(const MeritCommand *command, int n, const MeritKey keys[])
{
  int width = 0, hidden = 0;

  for (int k = 0; k < n; k++) width = PetscMax(width, (int)strlen(keys[k].path));
  for (int k = 0; k < n; k++) {
    if (Listed(command, keys[k].path)) printf("  %-*s  %s\n", width, keys[k].path, keys[k].help);
    else hidden++;
  }
  if (!hidden) return;
  puts("\nThe file may also have keys that other commands read:");
  for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
    if (strcmp(readers[i].command, command->name)) printf("  %s*  (merit help %s)\n", readers[i].head, readers[i].command);
}

/* MeritPrintHelp - See the header; NULL: the commands in general. Not collective. */
void MeritPrintHelp(const MeritCommand *command)
{
  const MeritKey *keys;
  int             n;

  if (!command) {
    PrintGeneral();
    return;
  }
  n = command->keys(&keys);
  printf("usage: merit %s %s [--key value]... [-petsc_option [value]]...\n\n%s%s\n", command->name, command->operand, command->help,
         command->run ? "" : " (not available yet)");
  if (command->example) printf("\n  %s\n", command->example);
  if (!n) return;
  puts("\nKeys of the file (a dot is a level of indentation there), each also a flag --key that wins over "
       "the file:\n");
  PrintKeys(command, n, keys);
  puts("\n* stands for a name of yours, ** for anything below. Relative paths start from the folder of the "
       "file, those of flags from\n"
       "the working folder.");
}

/* MeritPrintVersion - The version of Merit, the commit it was built from, PETSc with the width of
   its indices, and the MPI library. The latter may be asked before MPI_Init (MPI 3). Not
   collective. */
void MeritPrintVersion(void)
{
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
  int  length;

  MPI_Get_library_version(mpi, &length);
  /* The first words name the library; the rest of the text says how it was built */
  mpi[strcspn(mpi, ",\n")] = 0;
  printf("merit %s%s%s (PETSc %d.%d.%d with %d-bit indices, %s)\n", MERIT_VERSION, MERIT_COMMIT[0] ? ", commit " : "", MERIT_COMMIT,
         PETSC_VERSION_MAJOR, PETSC_VERSION_MINOR, PETSC_VERSION_SUBMINOR, (int)(8 * sizeof(PetscInt)), mpi);
}
