/*
  Scatter without races. Each thread goes through one chunk of the items. Levels that several
  chunks write are "shared": each thread writes its contribution to a private slot behind the
  others, and AddPrivate() (gather.h) adds these in thread order, so that a result repeats for a
  given number of threads. With one thread the lists are used unchanged.
*/
#include <merit/kernels.h>
#include <string.h>

/* Mark of a slot: no thread yet, or several threads; else the number of its only thread */
enum { UNMET = -1, SHARED = -2 };

/* Mark each slot by the threads whose items write it */
static void FindShared(MeritScatter *s, int n_lists, const int32_t *const slot[], int32_t *who)
{
  for (int thread = 0; thread < s->n_threads; thread++)
    for (int l = 0; l < n_lists; l++)
      for (int64_t i = s->chunk[thread]; i < s->chunk[thread + 1]; i++) {
        int32_t at = slot[l][i];

        if (at < 0) continue;
        if (who[at] == UNMET) who[at] = thread;
        else if (who[at] != thread) who[at] = SHARED;
      }
}

/* Number the shared levels by slot; their width is that of the list that has them. who[slot] =
   SHARED - 1 - number. */
static PetscErrorCode NumberShared(MeritScatter *s, int64_t n_items, int n_lists, const int32_t *const slot[], const int32_t width[], int32_t n_slots,
                                   int32_t *who)
{
  int32_t *wide;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_slots + 1, &wide));
  for (int l = 0; l < n_lists; l++)
    for (int64_t i = 0; i < n_items; i++)
      if (slot[l][i] >= 0 && who[slot[l][i]] == SHARED) wide[slot[l][i]] = width[l];
  for (int32_t at = 0; at < n_slots; at++) s->n_shared += wide[at] > 0;
  PetscCall(PetscMalloc1(s->n_shared + 1, &s->shared));
  PetscCall(PetscMalloc1(s->n_shared + 1, &s->width));
  s->n_shared = 0;
  for (int32_t at = 0; at < n_slots; at++) {
    if (!wide[at]) continue;
    s->shared[s->n_shared] = at;
    s->width[s->n_shared]  = wide[at];
    who[at]                = SHARED - 1 - s->n_shared++;
  }
  PetscCall(PetscFree(wide));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Give each pair of (shared level, thread) a private slot, and redirect the lists to it */
static PetscErrorCode Redirect(MeritScatter *s, int64_t n_items, const int32_t *const slot[], int32_t n_slots, const int32_t *who)
{
  int32_t *met, *count, next = n_slots; /* met: private slot given last for a shared level; by: to which thread, plus 1 */
  int     *by;

  PetscFunctionBegin;
  PetscCall(PetscCalloc3(s->n_shared + 1, &met, s->n_shared + 1, &count, s->n_shared + 1, &by));
  for (int l = 0; l < s->n_lists; l++) PetscCall(PetscMalloc1(n_items + 1, &s->target[l]));
  for (int thread = 0; thread < s->n_threads; thread++)
    for (int l = 0; l < s->n_lists; l++)
      for (int64_t i = s->chunk[thread]; i < s->chunk[thread + 1]; i++) {
        int32_t at = slot[l][i], shared;

        s->target[l][i] = at;
        if (at < 0 || who[at] >= SHARED) continue;
        shared = SHARED - 1 - who[at];
        if (by[shared] != thread + 1) {
          by[shared]  = thread + 1;
          met[shared] = next;
          count[shared]++;
          next += s->width[shared];
        }
        s->target[l][i] = met[shared];
      }
  s->y_length = next;
  PetscCall(PetscMalloc1(s->n_shared + 1, &s->start));
  s->start[0] = 0;
  for (int32_t i = 0; i < s->n_shared; i++) s->start[i + 1] = s->start[i] + count[i];
  PetscCall(PetscMalloc1(s->start[s->n_shared] + 1, &s->private_slot));
  PetscCall(PetscArrayzero(count, s->n_shared));
  /* The same loop again lists the private slots of each level in thread order */
  PetscCall(PetscArrayzero(by, s->n_shared));
  for (int thread = 0; thread < s->n_threads; thread++)
    for (int l = 0; l < s->n_lists; l++)
      for (int64_t i = s->chunk[thread]; i < s->chunk[thread + 1]; i++) {
        int32_t at = slot[l][i], shared;

        if (at < 0 || who[at] >= SHARED) continue;
        shared = SHARED - 1 - who[at];
        if (by[shared] == thread + 1) continue;
        by[shared]                                          = thread + 1;
        s->private_slot[s->start[shared] + count[shared]++] = s->target[l][i];
      }
  PetscCall(PetscFree3(met, count, by));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritScatterCreate - Plan a scatter by n_threads threads.

  Not collective. With one thread the lists are used as they are, and must outlive the plan.

  Input Parameters:
+ n_items  - items; cut in n_threads equal chunks
. slot     - [n_lists] -> [n_items]
. width    - [n_lists] components per level met in that list
- n_slots  - slots in all
*/
PetscErrorCode MeritScatterCreate(int n_threads, int64_t n_items, int n_lists, const int32_t *const slot[], const int32_t width[], int32_t n_slots,
                                  MeritScatter *s)
{
  int32_t *who;

  PetscFunctionBegin;
  memset(s, 0, sizeof(*s));
  s->n_threads = n_threads;
  s->n_lists   = n_lists;
  s->y_length  = n_slots;
  PetscCall(PetscMalloc1(n_threads + 1, &s->chunk));
  for (int thread = 0; thread <= n_threads; thread++) s->chunk[thread] = n_items * thread / n_threads;
  PetscCall(PetscMalloc1(n_lists + 1, &s->target));
  for (int l = 0; l < n_lists; l++) s->target[l] = (int32_t *)(uintptr_t)slot[l];
  if (n_threads == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(n_slots + 1, &who));
  for (int32_t at = 0; at < n_slots; at++) who[at] = UNMET;
  FindShared(s, n_lists, slot, who);
  PetscCall(NumberShared(s, n_items, n_lists, slot, width, n_slots, who));
  PetscCall(Redirect(s, n_items, slot, n_slots, who));
  PetscCall(PetscFree(who));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritScatterDestroy - Free the arrays; with one thread the lists are the caller's. Not collective. */
PetscErrorCode MeritScatterDestroy(MeritScatter *s)
{
  PetscFunctionBegin;
  for (int l = 0; s->n_threads > 1 && l < s->n_lists; l++) PetscCall(PetscFree(s->target[l]));
  PetscCall(PetscFree(s->target));
  PetscCall(PetscFree(s->chunk));
  PetscCall(PetscFree(s->shared));
  PetscCall(PetscFree(s->width));
  PetscCall(PetscFree(s->start));
  PetscCall(PetscFree(s->private_slot));
  PetscFunctionReturn(PETSC_SUCCESS);
}
