/* Requests to stop, as signals: only a flag is set; loops ask for it where their state can be saved. */
#include <merit/checkpoint.h>
#include <signal.h>
#include <stdlib.h>

static volatile sig_atomic_t requested;
static MeritRequestNotice    notice; /* NULL: none */

static void Note(int signal)
{
  requested = 1;
  if (notice) notice(signal);
}

/* MeritRequestsSetNotice - See the header. Not collective. */
void MeritRequestsSetNotice(MeritRequestNotice told) { notice = told; }

/* MeritRequestsCatch - See the header. Not collective. */
PetscErrorCode MeritRequestsCatch(void)
{
  struct sigaction action = {.sa_handler = Note, .sa_flags = SA_RESTART};

  PetscFunctionBegin;
  sigemptyset(&action.sa_mask);
  PetscCheck(!sigaction(SIGUSR1, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "signals cannot be caught");
  /* mpirun passes TERM and INT on, but kills what is then still there */
  if (getenv("OMPI_MCA_orte_hnp_uri") || getenv("PRTE_MCA_prte_hnp_uri")) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCheck(!sigaction(SIGTERM, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "signals cannot be caught");
  action.sa_flags |= (int)SA_RESETHAND;
  PetscCheck(!sigaction(SIGINT, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "signals cannot be caught");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRequested - See the header. Not collective. */
bool MeritRequested(void)
{
  return requested != 0;
}
