/* The columns of a pedigree file: those that the job file names, else known names in any case, else
   the first three columns. Since a file without a header line would lose its first animal, names
   are checked where columns are taken by position. */
#include "pedigree_columns.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Roles in messages, keys of pedigree.columns, and known names by role */
static const char *const        roles[]       = {"id", "sire", "dam", "birth year", "sex"};
static const char *const        keys[]        = {"id", "sire", "dam", "year", "sex"};
static const char *const        id_names[]    = {"id", "animal", "animal_id", "animalid", "individual", "ind", NULL};
static const char *const        sire_names[]  = {"sire", "sire_id", "sireid", "father", "father_id", "fatherid", NULL};
static const char *const        dam_names[]   = {"dam", "dam_id", "damid", "mother", "mother_id", "motherid", NULL};
static const char *const *const known_names[] = {id_names, sire_names, dam_names};

/* Line of the names of the columns; 0: they are not in the file */
static int64_t HeaderLine(MeritPedigree ped) { return ped->options.n_header ? 0 : 1; }

/* Column of the first known name that occurs, in any case; -1 if none does. A name earlier
   in `known` wins over one earlier in the file. */
static int FindKnown(int n, const char *const names[], const char *const known[])
{
  for (; *known; known++)
    for (int c = 0; c < n; c++)
      if (!strcasecmp(names[c], *known)) return c;
  return -1;
}

/* PedigreeIsName - See the header: for files that are said to have no header line. Not
   collective. */
bool PedigreeIsName(int role, const char column[], const char field[])
{
  return !strcasecmp(field, column) || FindKnown(1, &field, known_names[role]) == 0;
}

/* Column named in the job file; USAGE error with the nearest name if the file does not have it */
static PetscErrorCode FindGiven(MeritPedigree ped, MeritTable table, int n, const char *const names[], int role, int *column)
{
  const char *near = MeritNearest(ped->options.column[role], n, names);

  PetscFunctionBegin;
  *column = MeritTableFind(table, ped->options.column[role]);
  if (*column < 0)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, ped->options.path, HeaderLine(ped), NULL,
                         "the pedigree has no column '%s' for the %s (pedigree.columns.%s)%s%s%s", ped->options.column[role], roles[role], keys[role],
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : ""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A column taken by position must have a name that reads like one: not a number, not a word
   for an unknown parent. With names from the job file there is no header line to check. */
static PetscErrorCode CheckHeader(MeritPedigree ped, int n, const char *const names[], const int column[])
{
  PetscFunctionBegin;
  if (ped->options.n_header) PetscFunctionReturn(PETSC_SUCCESS);
  for (int role = PED_ID; role <= PED_DAM && n; role++) {
    const char *name = names[column[role]];
    bool        data = isdigit((unsigned char)name[0]) || name[0] == '-' || !name[0];

    for (int i = 0; i < ped->options.n_unknown; i++) data = data || !strcmp(name, ped->options.unknown[i]);
    if (data)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, ped->options.path, 1, NULL,
                           "'%s' looks like data, not like the name of a column; for a file without a header line give "
                           "pedigree.header, such as [id, sire, dam]",
                           name));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns by position where names were not found: column 0, 1 or 2 for id, sire or dam.
   With sire and dam known by name, the id is the first column that has no other role.
   Errors: USAGE if the position of a role does not exist or has another role, INPUT if the
   first line is data. */
static PetscErrorCode FallBack(MeritPedigree ped, int n, const char *const names[], int column[])
{
  PetscFunctionBegin;
  ped->by_position = true;
  if (column[PED_SIRE] >= 0 && column[PED_DAM] >= 0)
    for (int c = 0; c < n && column[PED_ID] < 0; c++)
      if (c != column[PED_SIRE] && c != column[PED_DAM] && c != column[PED_YEAR] && c != column[PED_SEX]) column[PED_ID] = c;
  for (int role = PED_ID; role <= PED_DAM; role++) {
    bool taken = role >= n;

    if (column[role] >= 0) continue;
    for (int other = PED_ID; other < PED_N_COLUMNS; other++) taken = taken || column[other] == role;
    if (taken)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, ped->options.path, HeaderLine(ped), NULL,
                           "the pedigree has no column for the %s; name one with pedigree.columns", roles[role]));
    column[role] = role;
  }
  PetscCall(CheckHeader(ped, n, names, column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeFindColumns - See the header. Year and sex are read only where the job file names
   them. Two roles of one column are an error. Errors: USAGE names the missing column, INPUT
   if the first line is data. Logically collective. */
PetscErrorCode PedigreeFindColumns(MeritPedigree ped, MeritTable table, int column[PED_N_COLUMNS])
{
  const char *const *names;
  int                n;
  bool               all = true;

  PetscFunctionBegin;
  PetscCall(MeritTableColumns(table, &n, &names));
  for (int role = PED_ID; role < PED_N_COLUMNS; role++) {
    column[role] = -1;
    if (ped->options.column[role]) PetscCall(FindGiven(ped, table, n, names, role, column + role));
    else if (role <= PED_DAM) column[role] = FindKnown(n, names, known_names[role]);
  }
  for (int role = PED_ID; role <= PED_DAM; role++) all = all && column[role] >= 0;
  if (!all) PetscCall(FallBack(ped, n, names, column));
  for (int role = PED_SIRE; role < PED_N_COLUMNS; role++)
    for (int other = PED_ID; other < role; other++)
      if (column[role] >= 0 && column[role] == column[other])
        PetscCall(MeritRaise(MERIT_ERROR_USAGE, ped->options.path, HeaderLine(ped), NULL, "column '%s' cannot be both the %s and the %s",
                             names[column[role]], roles[other], roles[role]));
  PetscFunctionReturn(PETSC_SUCCESS);
}
