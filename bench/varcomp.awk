# One run of merit varcomp as a row of the table: summary.json, convergence.tsv, varcomp.tsv and functions.tsv of its folder, in this order.
#   awk -F'\t' -v data=... -v ranks=... -v wall=SECONDS -v others=CORES -f varcomp.awk FILES
function value(s) { sub(/^[^:]*:[ \t]*/, "", s); gsub(/[",]/, "", s); return s }

# a variance and its error; those of one term follow each other under one name
function estimate(name, s, error) {
  cell = cell (cell == "" ? "" : ", ") (name == last ? "" : name " ") sprintf(error == "NA" ? "%.5g" : "%.5g (%.2g)", s, error)
  last = name
}

FNR == 1 { file++ }
file == 1 && /"engine":/ { engine = value($0) }
file == 1 && /"rounds":/ { rounds = value($0) }
file == 1 && /"n_samples":/ { samples = value($0) }
file == 1 && /"varcomp":[ \t]*[0-9]/ && !seconds { seconds = value($0) }
file == 1 && /"peak_memory_per_rank":/ { peak = 1 }
file == 1 && peak && /"max":/ { memory = value($0); peak = 0 }
file == 1 || FNR == 1 { next }

file == 2 && FNR == 2 { first = $NF }
file == 2 { round = rounds > 0 ? ($NF - first) / rounds : 0 }

# of SNPs the variance of their sum over animals, not of one scaled genotype
file == 3 && $1 == "genomic" { next }
file == 3 {
  sub(/\.genetic$/, "", $1)
  estimate($1, $4, $5)
  if ($6 > 0 && (share = $5 / sqrt($5 ^ 2 - $6 ^ 2) - 1) > most) most = share
}
file == 4 { estimate($1, $2, $3) }

END {
  printf "| %s | Merit | %s | %s | %s | %s | %.3g | %.1f | %s | %.0f | %s | %s | %s |\n", data, ranks, engine, rounds, (samples > 0 ? samples : "-"), round, seconds, wall,
    memory / 1e6, cell, (most > 0 ? sprintf("%.1f", 100 * most) : "-"), others
}
