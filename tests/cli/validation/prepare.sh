#!/bin/sh
# prepare.sh DATA FOLDER: makes FOLDER with the jobs of this folder and the reference data DATA beside them, as FOLDER/data.
# What a job file cannot say is made of the data here: a weight of 1/EDC, and the first records only; and of the reference answers:
# in example 5.1 HYS 3 and 4 are the whole of parity 2, so that only the sum of both differences is estimable.
set -eu
jobs=$(cd "$(dirname "$0")" && pwd)
data=$(cd "$1" && pwd)
mkdir -p "$2"
cp "$jobs"/*.yaml "$jobs"/*.csv "$jobs"/*.txt "$2"
ln -sfn "$data" "$2/data"
awk '{ printf "%s %.17g\n", $0, 1 / $5 }' "$data/mrode/Ex_11.1_GBLUP/data_11.1.txt" >"$2/mrode_11_1_all.txt"
head -n 8 "$2/mrode_11_1_all.txt" >"$2/mrode_11_1_first.txt"
awk -F, 'BEGIN { print "hys,value" }
  /^"5.1 / { value[$2] = $3 }
  END { for (h = 3; h <= 4; h++) printf "%d,%.15g\n", h, value["hys" h "-hys1"] + value["parity2-parity1"] }' \
  "$data/mrode/oracle_dense.csv" >"$2/mrode_5_1_cells.csv"
