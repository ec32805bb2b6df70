#pragma once
/* The files that a job reads. Private to src/cli. */
#include <merit/config.h>
#include <merit/file.h>

/* Called with each key and the file that it names; files need not be there. */
typedef PetscErrorCode (*InputAct)(const char key[], const char path[], void *ctx);
PetscErrorCode InputsEach(MeritNode job, InputAct act, void *ctx);
/* No input of the job is replaced by its result. Collective. */
PetscErrorCode InputsKeep(MeritNode job, MeritOutput out);
/* The key of the input that `path` is, "" if it is none. */
PetscErrorCode InputsHas(MeritNode job, const char path[], size_t size, char key[]);
