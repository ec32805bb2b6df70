#pragma once
/* The files that a job reads. Private to src/cli. */
#include <merit/config.h>
#include <merit/file.h>

/* Called with each key and the file that it names, which need not be there. Texts are borrowed. */
typedef PetscErrorCode (*InputAct)(const char key[], const char path[], void *ctx);
/* Call `act` for the job file and for each file or folder that the job names. Collective if act
   is. */
PetscErrorCode InputsEach(MeritNode job, InputAct act, void *ctx);
/* Protect all inputs of the job from the output (MeritOutputProtect). Collective. Errors: USAGE. */
PetscErrorCode InputsKeep(MeritNode job, MeritOutput out);
/* key[size] = the key of the input that is the same file as `path`, "" if none is. Not
   collective. */
PetscErrorCode InputsHas(MeritNode job, const char path[], size_t size, char key[]);
