/* Requests to stop, as signals. The handler only sets a flag; iterations ask for it where their
   state can be saved, and then write a checkpoint and end. */
#include <merit/checkpoint.h>
#include <signal.h>
#include <stdlib.h>

static volatile sig_atomic_t requested;
static MeritRequestNotice    notice; /* NULL: none */

/* Signal handler: sets the flag and calls the notice, which must be safe in a handler */
static void Note(int signal)
{
  requested = 1;
  if (notice) notice(signal);
}

/* MeritRequestsSetNotice - See the header. Not collective. */
void MeritRequestsSetNotice(MeritRequestNotice function) { notice = function; }

/* MeritRequestsCatch - See the header. Not collective. */
PetscErrorCode MeritRequestsCatch(void)
{
  struct sigaction action = {.sa_handler = Note, .sa_flags = SA_RESTART};

  PetscFunctionBegin;
  sigemptyset(&action.sa_mask);
  PetscCheck(!sigaction(SIGUSR1, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "signals cannot be caught");
  /* mpirun passes TERM and INT on, but kills the ranks that still run soon after: there only USR1
     can be handled */
  if (getenv("OMPI_MCA_orte_hnp_uri") || getenv("PRTE_MCA_prte_hnp_uri")) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCheck(!sigaction(SIGTERM, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "signals cannot be caught");
  /* A second INT ends the process at once */
  action.sa_flags |= (int)SA_RESETHAND;
  PetscCheck(!sigaction(SIGINT, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "signals cannot be caught");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRequested - See the header. Not collective. */
bool MeritRequested(void) { return requested != 0; }
