/*
  How fast one core moves memory: a[i] = b[i] + s * c[i] over vectors that no cache holds, the yardstick for an iteration of the
  solver. Prints one JSON line: bytes moved a second (24 bytes an element, as STREAM counts), best of several passes, by CPU time.

  usage: merit_triad [MEGABYTES] [PASSES]
*/
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double CpuSeconds(void)
{
  struct timespec t;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
  const long megabytes = argc > 1 ? atol(argv[1]) : 384;
  const int  passes    = argc > 2 ? atoi(argv[2]) : 10;
  const long n         = megabytes * 1000000L / 24;
  double    *a = malloc((size_t)n * sizeof(*a)), *b = malloc((size_t)n * sizeof(*b)), *c = malloc((size_t)n * sizeof(*c));
  double     best = 1e30, check = 0.0;

  if (n < 1 || !a || !b || !c) return 1;
  for (long i = 0; i < n; i++) {
    a[i] = 0.0;
    b[i] = 1.0;
    c[i] = (double)(i % 7);
  }
  for (int pass = 0; pass < passes; pass++) {
    const double begin = CpuSeconds(), s = 1.0 + pass;
    double       seconds;

    for (long i = 0; i < n; i++) a[i] = b[i] + s * c[i];
    seconds = CpuSeconds() - begin;
    if (seconds < best) best = seconds;
    check += a[(long)pass * 9973 % n];
  }
  printf("{\"program\": \"triad\", \"megabytes\": %ld, \"bytes_per_second\": %.4g, \"check\": %g}\n", megabytes, 24.0 * (double)n / best, check);
  free(a);
  free(b);
  free(c);
  return 0;
}
