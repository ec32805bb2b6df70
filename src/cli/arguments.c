/*
  The command line is split into four kinds of words:

  - the command and its operand (job file or specification), without a dash
  - flags with two dashes, which are keys of the command's file: --solver.rtol 1e-12
  - options with one dash, which go to PETSc with the word behind them
  - requests for help and the version

  This happens before MPI and PETSc start. So nothing is raised here: the first thing that is wrong
  is noted in `error`, and later words do not replace it. Unknown flags are found here, values are
  checked by the command.
*/
#include "cli.h"
#include <merit/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Note what is wrong, if nothing is noted yet */
#define FAIL(a, ...)                                                                                                                                 \
  do {                                                                                                                                               \
    if (!(a)->error[0]) snprintf((a)->error, sizeof((a)->error), __VA_ARGS__);                                                                       \
  } while (0)

/* Set the command of a word. An unknown word gets the nearest command in its message; `help` and
   `version` are candidates too */
static void FindCommand(MeritArguments *a, const char *word)
{
  int                 n;
  const MeritCommand *command = MeritCommands(&n);
  const char         *names[16], *nearest;

  for (int i = 0; i < n; i++) {
    names[i] = command[i].name;
    if (!strcmp(word, names[i])) a->command = &command[i];
  }
  if (a->command) return;
  names[n]     = "help";
  names[n + 1] = "version";
  nearest      = MeritNearest(word, n + 2, names);
  if (nearest) FAIL(a, "unknown command %s; did you mean %s?", word, nearest);
  else FAIL(a, "unknown command %s; `merit --help` lists them", word);
}

/* May the word be the value of the option before it? Negative numbers may. */
static bool IsValue(const char *word) { return word && (word[0] != '-' || !word[1] || strchr(".0123456789", word[1])); }

/* Is the word a value that a switch may have? A switch takes the word behind it only then, so that
   `--quick job.yaml` leaves job.yaml as the operand */
static bool IsYesOrNo(const char *word)
{
  static const char *const words[] = {"yes", "no", "true", "false", "on", "off", "auto"};

  for (int i = 0; word && i < 7; i++)
    if (!strcasecmp(word, words[i])) return true;
  return false;
}

/* Is the key a switch (yes or no), by its help text? keys [n] */
static bool IsSwitch(const char *key, int n, const MeritKey keys[])
{
  for (int k = 0; k < n; k++)
    if (!strcmp(keys[k].path, key)) return !strncmp(keys[k].help, "yes | no", 8);
  return false;
}

/* Note that a flag is not known. nearest: the key that was most likely meant, NULL if no key is
   near */
static void UnknownFlag(MeritArguments *a, const char *key, const char *nearest)
{
  static const char *const general[] = {"help", "version"};

  if (!nearest) nearest = MeritNearest(key, 2, general);
  if (nearest) FAIL(a, "unknown flag --%s; did you mean --%s?", key, nearest);
  else FAIL(a, "unknown flag --%s; `merit %s --help` lists them", key, a->command ? a->command->name : "");
}

/* A flag "--key value", "--key=value", or "--key" of a switch, which then is yes. word[0] is the
   flag, word[1] the word behind it or NULL. Returns how many words it took. The key is a copy that
   lives until the process ends, the value is borrowed from argv. */
static int TakeFlag(MeritArguments *a, char **word)
{
  const MeritKey *keys;
  const char     *value;
  char            nearest[256];
  char           *key   = strdup(word[0] + 2);
  char           *equal = key ? strchr(key, '=') : NULL;
  int             n, used = 1;

  if (!key) {
    FAIL(a, "out of memory");
    return 1;
  }
  if (equal) *equal = 0;
  value = equal ? equal + 1 : NULL;
  if (!strcmp(key, "help") || !strcmp(key, "version")) {
    *(key[0] == 'h' ? &a->help : &a->version) = true;
    return 1;
  }
  /* Without a command there are no keys to compare with. That the command lacks is noted at the end
     of the split; here only the value of the flag is skipped. */
  if (!a->command || !a->command->run) return value || !IsValue(word[1]) ? 1 : 2;
  n = a->command->keys(&keys);
  if (!MeritConfigKnown(key, n, keys, sizeof(nearest), nearest)) UnknownFlag(a, key, nearest[0] ? nearest : NULL);
  if (!value && IsSwitch(key, n, keys)) value = IsYesOrNo(word[1]) ? (used++, word[1]) : "yes";
  if (!value && IsValue(word[1])) used++, value = word[1];
  if (!value) FAIL(a, "--%s needs a value", key);
  /* --output DIR means output.folder, so that it does not replace the other keys of `output` in the
     file; --output {folder: ...} does */
  if (!strcmp(key, "output") && MeritConfigKnown("output.folder", n, keys, 0, NULL) && value && value[0] != '{') key = strdup("output.folder");
  for (int f = 0; key && f < a->n_flags; f++)
    if (!strcmp(a->flag[f].key, key)) FAIL(a, "--%s is given twice", key);
  a->flag[a->n_flags].key     = key ? key : "";
  a->flag[a->n_flags++].value = value ? value : "";
  return used;
}

/* The first word may ask for help or the version: `merit help solve` is `merit solve --help` */
static bool General(const char *word, MeritArguments *a)
{
  static const char *const help[] = {"-h", "-help", "help"}, *const version[] = {"-V", "-version", "version"};

  for (int i = 0; i < 3; i++) {
    a->help    = a->help || !strcmp(word, help[i]);
    a->version = a->version || !strcmp(word, version[i]);
  }
  return a->help || a->version;
}

/* MeritArgumentsSplit - Split argv into command, operand, flags of ours and what is PETSc's. Not
   collective. Without memory for the arrays the process ends, since there is no handler of errors
   yet. */
void MeritArgumentsSplit(int argc, char **argv, MeritArguments *a)
{
  static char skip[] = "-skip_petscrc";

  memset(a, 0, sizeof(*a));
  /* Each word makes at most one flag or one option of PETSc; to these come argv[0], -skip_petscrc
     and the NULL that ends argv */
  a->flag  = calloc((size_t)argc + 1, sizeof(*a->flag));
  a->petsc = calloc((size_t)argc + 3, sizeof(*a->petsc));
  if (!a->flag || !a->petsc) exit(MERIT_ERROR_SYSTEM);
  a->petsc[a->n_petsc++] = argv[0];
  a->petsc[a->n_petsc++] = skip; /* a .petscrc is not read unless asked: -skip_petscrc no */
  for (int i = 1; i < argc;) {
    char *word = argv[i];

    if (i == 1 && General(word, a)) {
      i++;
    } else if (!strncmp(word, "--", 2)) {
      i += TakeFlag(a, argv + i);
    } else if (word[0] == '-' && word[1]) {
      a->petsc[a->n_petsc++] = argv[i++];
      if (i < argc && IsValue(argv[i])) a->petsc[a->n_petsc++] = argv[i++];
    } else {
      if (!a->command && (i == 1 || a->help)) FindCommand(a, word);
      else if (!a->operand) a->operand = word;
      else FAIL(a, "%s is one word too many; the %s is %s", word, a->command ? a->command->operand : "operand", a->operand);
      i++;
    }
  }
  /* Help needs no operand. For anything else command and operand must be there. */
  if (a->help || a->version || a->error[0]) return;
  if (!a->command) FAIL(a, "the first word must be a command; `merit --help` lists them");
  else if (!a->command->run) FAIL(a, "merit %s is not available yet", a->command->name);
  else if (!a->operand)
    FAIL(a, "merit %s needs a %s, right after the command: merit %s %s", a->command->name,
         !strcmp(a->command->operand, "JOB") ? "job file" : a->command->operand, a->command->name, a->command->operand);
}

/* Rank of this process, from the variables that mpirun (Open MPI), PMIx, PMI (MPICH) and srun
   set in the environment, since MPI is not up yet; 0 if none of them is set. Only rank 0 then
   prints. */
static int LaunchRank(void)
{
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};

  for (int i = 0; i < 4; i++)
    if (getenv(names[i])) return atoi(getenv(names[i]));
  return 0;
}

/* MeritArgumentsAnswer - See the header. Not collective. */
bool MeritArgumentsAnswer(const MeritArguments *a, int *status)
{
  char text[sizeof(a->error)];

  if (!a->error[0] && !a->help && !a->version) return false;
  *status = a->error[0] ? MERIT_ERROR_USAGE : 0;
  if (LaunchRank()) return true;
  /* The message may repeat bytes of the command line: what a terminal would act on is escaped */
  snprintf(text, sizeof(text), "%s", a->error);
  MeritPrintable(sizeof(text), text);
  if (text[0]) fprintf(stderr, "merit: %s\n", text);
  else if (a->help) MeritPrintHelp(a->command);
  else MeritPrintVersion();
  return true;
}
