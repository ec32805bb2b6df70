#pragma once
/* Files as bytes, and what may happen to them. */
#include "small.h"

typedef struct {
  char *at; /* [n + 1], 0 at the end; owned, free() */
  long  n;
} FileText;

FileText AttackRead(const char path[]);
int      AttackWrite(const char path[], FileText t); /* 0, or -1 */
/* One piece of damage drawn from the dice; text false: bytes only */
void AttackDamage(Dice *d, bool text, FileText *t);
void AttackDos(FileText *t);
