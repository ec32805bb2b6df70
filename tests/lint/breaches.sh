#!/usr/bin/env bash
# breaches.sh LINT: every rule of the lint sees what breaks it, where it is, and lets a clean tree pass.
lint=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# a clean tree of two modules
lay() {
  rm -rf "$work/tree"
  mkdir -p "$work"/tree/{src/sys,src/io,src/cli,include/merit,tests/io,jobs,docs}
  cd "$work/tree" || exit 1
  printf '%s\n' '#pragma once' '#include <stddef.h>' '/* Says abort( and exit(1) to stdout in a comment. */' \
    'extern int MeritSay(size_t n);' >include/merit/log.h
  printf '%s\n' '#pragma once' '#include <merit/log.h>' '#define MERIT_EXTERN extern' '/* Reads. */' 'MERIT_EXTERN int MeritRead(void);' \
    >include/merit/table.h
  printf '%s\n' '#include <merit/log.h>' 'int MeritSay(size_t n)' '{' '  const char *s = "exit(1); printf(2)";' '  return s[n];' '}' \
    >src/sys/log.c
  printf '%s\n' '#include <merit/log.h>' '#include <merit/table.h>' 'int MeritRead(void)' '{' '  return 0;' '}' >src/io/table.c
  printf '%s\n' '#include <stdio.h>' 'int main(void)' '{' '  int n = 1;' '  return n + printf("hello\n");' '}' >src/cli/main.c
  for module in sys io cli; do printf '%s\n' '/* what' '   it is */' >src/$module/note.c; done
  printf '%s\n' '#pragma once' '/* Counts' '   lines. */' 'int TableCount(int a,' '               int b);' 'int TableLines(void); /* of the file */' '/* Reads. */' \
    'typedef int (*Reader)(void);' '#define READ(x) MeritRead(x)' 'static const int sizes[2] = {(1), 2};' >src/sys/table.h
  echo 'int main(void) { return 0; }' >tests/io/test_table.c
  echo 'merit_add_test(test_table NP 1)' >tests/io/CMakeLists.txt
  echo 'echo hello' >jobs/run.sh
  echo 'merit solve job.yaml' >docs/page.md
}

# breach RULE WORDS: the rule fails, and says the words
breach() {
  bash "$lint" "$1" "$work/tree" >out 2>&1 && { echo "FAILED: $1 does not see: $2"; failed=1; }
  grep -qF -- "$2" out || { echo "FAILED: $1 does not say: $2"; cat out; failed=1; }
}

clean() {
  bash "$lint" "$1" "$work/tree" >out 2>&1 || { echo "FAILED: $1 finds fault with a clean tree"; cat out; failed=1; }
}

lay
for rule in layers private quiet registered commented comments words paths length keys limits literals trains sums inverses kinds scripts headers; do clean $rule; done

lay && echo '#include <merit/table.h>' >>src/sys/log.c && breach layers 'src/sys/log.c:7: sys must not see <merit/table.h>'
lay && echo '#include <merit/table.h>' >>include/merit/log.h && breach layers 'include/merit/log.h:5: sys must not see <merit/table.h>'
lay && echo '#include "../sys/log.h"' >>src/io/table.c && breach layers 'src/io/table.c:7: a private header of another folder'
lay && mkdir -p src/varcomp/{space,engines} && touch src/varcomp/{varcomp.c,space/space.h,engines/equations.h} &&
  echo '#include "space.h"' >src/varcomp/engines/a.c && clean layers && echo '#include "equations.h"' >src/varcomp/space/a.c &&
  breach layers 'src/varcomp/space/a.c:1: varcomp/space must not see equations.h'
lay && mkdir src/other && touch src/other/other.c && breach layers 'src/other: not in'
lay && touch include/merit/other.h && breach layers 'include/merit/other.h: not in'
lay && echo '#include <petsc/private/matimpl.h>' >>src/io/table.c && breach private src/io/table.c:7
lay && echo 'static MPI_Comm comm = PETSC_COMM_WORLD;' >>src/io/table.c && breach quiet src/io/table.c:7
lay && echo 'static void Stop(void) { exit(1); }' >>src/io/table.c && breach quiet src/io/table.c:7
lay && echo 'static void Say(void) { fprintf (stderr, "x"); }' >>src/io/table.c && breach quiet src/io/table.c:7
lay && printf '%s\n' '/* one' '   two */ static void Check(void) { assert(0); }' >>src/io/table.c && breach quiet src/io/table.c:8
lay && cp tests/io/test_table.c tests/io/test_tables.c && breach registered tests/io/test_tables.c:1
lay && echo 'true' >tests/io/check.sh && breach registered tests/io/check.sh:1
lay && echo 'MERIT_EXTERN int MeritWrite(void);' >>include/merit/table.h && breach commented include/merit/table.h:6
lay && echo 'int TableWrite(void);' >>src/sys/table.h && breach commented 'src/sys/table.h:11: no comment above int TableWrite(void);'
lay && printf '%s\n' '/* Reads. */' 'int *TableRead(int *a,' '               int b);' 'int TableAgain(void);' >>src/sys/table.h && breach commented src/sys/table.h:14
lay && printf '%s\n' 'int a;' 'int b;' 'int c; /* not a line of comment */' 'char *s = "/*";' 'int d;' 'int e;' 'int f;' 'int g;' 'int h;' 'int i;' >>src/sys/log.c &&
  breach comments 'src/sys: 2 lines of comments and 16 of code, 0.125: not between'
lay && printf '%s\n' '/*' 'int a;' '*/' '// b' >>src/sys/log.c && breach comments 'src/sys: 6 lines of comments and 6 of code'
lay && echo "// TO""DO: more" >>src/io/table.c && breach words src/io/table.c:7
lay && echo "# see /ho""me/me/notes" >>jobs/run.sh && breach paths jobs/run.sh:2
lay && { echo 'int Long(void)'; echo '{'; for i in {1..58}; do echo "  $i;"; done; echo '}'; } >>src/io/table.c &&
  breach length 'src/io/table.c:7: a function of 61 lines'
lay && for i in {1..601}; do echo; done >>src/io/table.c && breach length 'src/io/table.c:607: more than 600 lines'
key() { printf '%s\n' 'static const MeritKey keys[] = {' "    {\"$1\", \"FILE\"}," '};' >>src/cli/main.c; }
lay && key records.file && touch docs/file-formats.md && breach keys 'src/cli/main.c:8: records.file is not in docs/file-formats.md'
lay && key 'variances.**' && echo '| `variances` | |' >docs/file-formats.md && clean keys
lay && key columns.dam && echo '| `columns` | {sire: .., dam: ..} |' >docs/file-formats.md && clean keys
lay && key columns.dam && echo '| `columns` | {sire: ..} |' >docs/file-formats.md && breach keys columns.dam
lay && echo 'PetscCheck(n < 9, PETSC_COMM_SELF, PETSC_ERR_SUP, "n");' >>src/io/table.c && breach limits src/io/table.c:7
lay && echo 'const double *R = R_inverse + pattern[i] * n * n;' >>src/io/table.c && breach inverses src/io/table.c:7
lay && for i in {1..11}; do echo "static int Is$i(T *t) { return t->kind == MERIT_TERM_IID; }"; done >>src/io/table.c && breach kinds src/io/table.c:17
lay && for i in {1..10}; do echo "static int Is$i(T *t) { return MeritStructureFed(t->structure); } /* MERIT_TERM_IID */"; done >>src/io/table.c && clean kinds
echo 'static int Is11(T *t) { return MeritStructureLinked(t->structure); }' >>src/io/table.c && breach kinds src/io/table.c:17
lay && echo 'static double block[64 * 64];' >>src/io/table.c && breach literals src/io/table.c:7
lay && echo 'int Fits(int n_comp) { return n_comp <= 64; }' >>src/io/table.c && breach literals src/io/table.c:7
lay && echo 'static int trait[32];' >>src/io/table.c && breach literals src/io/table.c:7
lay && echo 'static char name[64]; /* double b[64] */' >>src/io/table.c && clean literals
lay && echo '  PetscCall(MeritShape(Of(a), &n, NULL, NULL, NULL));' >>src/io/table.c && breach trains src/io/table.c:7
lay && echo '  PetscCall(PetscShape(MeritOf(a), &n, NULL, NULL, NULL));' >>src/io/table.c && clean trains
lay && echo '#pragma omp parallel for reduction(+ : sum)' >>src/io/table.c && breach sums src/io/table.c:7
lay && echo '#pragma omp atomic' >>src/io/table.c && breach sums src/io/table.c:7
lay && echo '#pragma omp simd reduction(+ : sum)' >>src/io/table.c && clean sums
lay && echo 'if true; then' >>jobs/run.sh && breach scripts jobs/run.sh:1
lay && echo 'int MeritLate(int32_t n);' >>include/merit/table.h && breach headers 'include/merit/table.h:1: does not compile alone as C11'
if command -v clang-format >/dev/null; then
  lay && find . -name '*.[ch]' -exec clang-format --style=file:"$(dirname "$lint")/../../.clang-format" -i {} + && clean format
  echo 'int  Wide( int n );' >>src/io/table.c && breach format "src/io/table.c:$(wc -l <src/io/table.c)"
fi
if [ -n "${CXX:-}" ]; then
  lay && echo 'extern int class;' >>include/merit/table.h && breach headers 'include/merit/table.h:1: does not compile alone as C++17'
fi
exit $failed
