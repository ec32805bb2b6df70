/*
  The program `merit`, started once for many command lines, so that a test from the outside pays for its runs and not for as many starts of
  MPI.  mpiexec -n N merit_serve REQUESTS REPLIES
  Rank 0 reads file names from REQUESTS, a named pipe, a line each. Such a file holds a command line, each argument ended by a 0 byte. All ranks run
  main() of the program with it, which starts and ends PETSc; MPI stays. What they print is added to the files stdout and stderr of the
  current folder. Then rank 0 writes the exit status, a line, to REPLIES, another named pipe; 255 stands for ranks that ended with different
  ones. The end of the requests, or a file that is not there, ends the server.
*/
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mpi.h>

/* main() of the program, as it stands, under a name of its own */
int MeritMain(int argc, char **argv);
#define main MeritMain
#include "main.c"
#undef main

enum { MAX_BYTES = 65536, MAX_ARGUMENTS = 256, DIFFER = 255 };

/* Output of this process goes to the end of a file */
static void Redirect(int fd, const char path[])
{
  const int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);

  if (file < 0) return;
  dup2(file, fd);
  close(file);
}

/* The next request, on all ranks: bytes of the command line; 0: no more. Ranks that wait leave the processor to others. */
static int Next(FILE *requests, char text[])
{
  char        name[512] = "";
  int         n = 0, done = 0;
  FILE       *f = NULL;
  MPI_Request request;

  if (requests && fgets(name, sizeof(name), requests)) {
    name[strcspn(name, "\n")] = 0;
    f                         = fopen(name, "r");
  }
  if (f) {
    n = (int)fread(text, 1, MAX_BYTES - 1, f);
    fclose(f);
  }
  MPI_Ibcast(&n, 1, MPI_INT, 0, MPI_COMM_WORLD, &request);
  for (;;) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done) break;
    usleep(2000);
  }
  MPI_Bcast(text, n, MPI_CHAR, 0, MPI_COMM_WORLD);
  return n;
}

/* Run one command line; the status of all ranks, or DIFFER */
static int Run(char text[], int n)
{
  char *argv[MAX_ARGUMENTS + 1] = {"merit"};
  int   argc                    = 1, status[2];

  for (char *c = text; c < text + n && argc < MAX_ARGUMENTS; c += strlen(c) + 1) argv[argc++] = c;
  Redirect(STDOUT_FILENO, "stdout");
  Redirect(STDERR_FILENO, "stderr");
  status[0] = MeritMain(argc, argv);
  status[1] = -status[0];
  fflush(NULL);
  MPI_Allreduce(MPI_IN_PLACE, status, 2, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return status[0] == -status[1] ? status[0] : DIFFER;
}

int main(int argc, char **argv)
{
  static char text[MAX_BYTES];
  FILE       *requests = NULL, *replies = NULL;
  int         rank, n;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0 && argc == 3) {
    requests = fopen(argv[1], "r");
    replies  = fopen(argv[2], "w");
  }
  while ((n = Next(requests, text)) > 0) {
    const int status = Run(text, n);

    if (!replies) continue;
    fprintf(replies, "%d\n", status);
    fflush(replies);
  }
  MPI_Finalize();
  return 0;
}
