# What lme4.R, BOLT-REML and GEMMA print of variances, as "SECONDS | ESTIMATES" of a row of the table.
function add(text) { cell = cell (cell == "" ? "" : ", ") text }

$1 == "variance" { add(sprintf("%s %.5g", $2, $3)); v[$2] = $3 } # lme4.R
$1 == "seconds" { seconds = sprintf("%.1f", $2) }
/h2g \(/ { ratio = $(NF - 1); error = $NF; gsub(/[()]/, "", error) } # BOLT-REML
/^## vg estimate in the null model/ { add(sprintf("genomic %.5g", $NF)) } # GEMMA
/^## ve estimate in the null model/ { add(sprintf("residual %.5g", $NF)) }
/^## pve estimate in the null model/ { ratio = $NF }
/^## se\(pve\) in the null model/ { error = $NF }

END {
  if ("id" in v) ratio = v["id"] / (v["id"] + v["Residual"])
  add(sprintf(error == "" ? "ratio %.5g" : "ratio %.5g (%.2g)", ratio, error))
  print (seconds == "" ? "-" : seconds) " | " cell
}
