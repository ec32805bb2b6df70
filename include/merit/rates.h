#pragma once
#include <merit/config.h>

/* Speeds of a machine, for predicted costs */
typedef struct {
  double memory;    /* bytes a second between memory and one core */
  double genotypes; /* genotypes a second that a core takes through both products, M x and M'x */
  double latency;   /* seconds a message */
  double network;   /* bytes a second that a rank sends */
  double products;  /* multiply-adds a second of dense algebra on a core */
} MeritRates;

/* Rates of the job (plan.rates.*); the default is a core of the machine in bench/README.md and a network of 1 GB/s. Not collective. Errors: USAGE. */
MERIT_EXTERN PetscErrorCode MeritConfigRates(MeritNode job, MeritRates *rates);
