#!/bin/sh
# A machine whose /dev/shm is nearly full, as in a container: solve and simulate on several ranks need no room there.
# Usage: shm.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs /dev/shm' 2>stderr || { cat stderr; exit 77; }
# the library's own segments elsewhere
OMPI_MCA_btl_vader_backing_directory=/tmp OMPI_MCA_btl_sm_backing_directory=/tmp
export OMPI_MCA_btl_vader_backing_directory OMPI_MCA_btl_sm_backing_directory

# 40000 animals take 640 kB
awk 'BEGIN { print "id,sire,dam"; for (i = 1; i <= 40000; i++) { s = d = 0; if (i > 200) { s = 1 + i % 97; d = 100 + i % 89 }; print i "," s "," d } }' >pedigree.csv
awk 'BEGIN { print "id,y"; for (i = 10; i <= 40000; i += 10) print i "," i % 13 }' >records.csv
cat >job.yaml <<DATA
records: {file: records.csv}
pedigree: {file: pedigree.csv, sexes: free}
model: "y ~ 1 + ped(id)"
variances: {ped(id): 1, residual: 2}
DATA
cat >population.yaml <<DATA
population: {animals: 40000, generations: 3}
traits: {names: y, G: 1, R: 2}
chip: {snps: 10, chromosomes: 2, genotyped: 5}
DATA

# within SECONDS RANKS ARGS...: ends with status 0 in time
within()
{
  timeout -k 2 "$1" unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs /dev/shm; exec "$@"' sh "$mpiexec" "$np" "$2" "$merit" "$3" "$4" --output "$5" >stdout 2>stderr
  status=$?
  [ $status = 0 ] || fail "merit $3 on $2 ranks with a small /dev/shm: exit $status"
}
within 60 2 solve job.yaml out
[ -s out/animals.tsv ] || fail "no animals.tsv"
within 60 2 simulate population.yaml simulated
exit $failed
