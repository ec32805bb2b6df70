#!/usr/bin/env bash
# exit.sh MERIT MPIEXEC NP-FLAG: exit statuses and messages of bad runs, from the outside: one line on stderr, nothing left behind
merit=$1 mpiexec=$2 flag=$3
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# ends STATUS MESSAGE ARGUMENTS: on 1 and 3 ranks; the message is said once, and what the folder holds is as before
ends() {
  local want=$1 text=$2 before after status said
  shift 2
  for n in 1 3; do
    before=$(ls -AR)
    timeout 60 "$mpiexec" "$flag" $n "$merit" "$@" >"$work.out" 2>"$work.err"
    status=$?
    said=$(grep '^merit: ' "$work.err" | grep -v '^merit: warning')
    after=$(ls -AR)
    if [ $status != "$want" ] || [ "$said" != "merit: $text" ] || [ "$before" != "$after" ]; then
      echo "FAILED: merit $* on $n ranks: status $status (124: it hangs), not $want; expected 'merit: $text'"
      sed 's/^/  stderr: /' "$work.err"
      [ "$before" = "$after" ] || echo "  files: $after"
      failed=1
    fi
  done
  rm -f "$work.out" "$work.err"
}

cat >records.csv <<'END'
id,herd,y
a,1,4.5
b,1,2.9
c,2,3.9
e,2,3.5
f,3,4.1
g,3,1e
END
printf 'id,sire,dam\na,0,0\nb,a,0\nc,a,0\ne,0,b\nf,c,e\ng,c,e\n' >pedigree.csv
cat >job.yaml <<'END'
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: "y ~ herd + ped(id)"
variances: {ped(id): 30, residual: 40}
output: out
END
sed 's/1e$/2.5/' records.csv >good.csv

# 3: the fault lies on the last rank alone
for command in plan solve; do
  ends 3 'records.csv:7: column y: "1e" is not a number' $command job.yaml
  ends 3 'none.csv: cannot be opened: No such file or directory' $command job.yaml --records.file good.csv --pedigree.file none.csv
done

# 2: usage
sed 's/30/-1/' job.yaml >negative.yaml
ends 2 'negative.yaml:4:22: the variance of y in `ped(id)` is -1: it must be 0 or more' solve negative.yaml
ends 2 'negative.yaml:4:22: the variance of y in `ped(id)` is -1: it must be 0 or more' plan negative.yaml
ends 2 'unknown flag --solver.tol; did you mean --solver.rtol?' solve job.yaml --solver.tol 1
ends 2 'unknown PETSc option -ksp_rtoll; did you mean -ksp_rtol?' solve job.yaml --solver.type ksp -ksp_rtoll 1e-3
sed 's/b,a,0/b,-2,0/' pedigree.csv >groups.csv
ends 2 "groups.csv:3: b: negative sire code -2: genetic groups are not available yet; an unknown parent is 0, NA, '.' or empty" \
  solve job.yaml --records.file good.csv --pedigree.file groups.csv

# 4: not converged, and what there is is kept
mkdir kept && cd kept || exit 1
for n in 1 3; do
  timeout 60 "$mpiexec" "$flag" $n "$merit" solve ../job.yaml --records.file ../good.csv --output now --overwrite --solver.max_it 1 \
    --solver.rtol 1e-14 --solver.preconditioner none >../said 2>&1
  status=$?
  [ $status = 4 ] && grep -q '^merit: .*not converged' ../said && [ -s now/solutions.tsv ] && [ -s now/summary.json ] ||
    { echo "FAILED: a run that does not converge: status $status on $n ranks" && cat ../said && failed=1; }
done
cd .. || exit 1

# 1: the disk
ends 1 'job.yaml/out: the folder cannot be made: Not a directory' solve job.yaml --records.file good.csv --output job.yaml/out

# an earlier result is not touched
mkdir full && echo mine >full/mine.txt
ends 2 'full: the output folder is not empty (mine.txt); --overwrite allows this, --output FOLDER names another' \
  solve job.yaml --records.file good.csv --output full
ends 3 'records.csv:7: column y: "1e" is not a number' solve job.yaml --output full --overwrite
[ "$(cat full/mine.txt)" = mine ] || { echo "FAILED: the earlier file changed" && failed=1; }

[ $failed = 0 ] && echo "all as it should be"
exit $failed
