#include <merit/version.h>
#include <petscsys.h>

int main(int argc, char **argv)
{
  if (PetscInitialize(&argc, &argv, NULL, NULL)) return 1;
  return PetscFinalize() ? 1 : 0;
}
