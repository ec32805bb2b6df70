# kernels.awk: the lines of kernels.sh as a table: one row a product and width, one column for each instructions, precision and size
function value(name) { return match($0, "\"" name "\": \"?[^,\"}]*") ? gensub_(substr($0, RSTART, RLENGTH)) : "" }
function gensub_(text) { sub(/^"[^"]*": "?/, "", text); return text }
BEGIN {
  n = split("avx512 double small 1;avx512 double large 1;avx512 double large 2;avx512 mixed small 1;avx512 mixed large 1;avx512 mixed large 2;avx2 double large 1;avx2 double small 1;avx2 mixed large 1;portable double small 1", columns, ";")
  m = split("forward adjoint normal squares sweep gram gram_equal", kernels, " ")
  name["forward"] = "M X"; name["adjoint"] = "M' S"; name["normal"] = "both in one pass"; name["squares"] = "squares"
  name["sweep"] = "block sweep of 32"; name["gram"] = "Gram of 32 columns"; name["gram_equal"] = "Gram of 64 columns, equal weights"
  w = split("1 2 3 4 8 16 32 64", widths, " ")
}
/"ceiling"/ { level = value("instructions"); if (!(level in peak) || value("multiply_adds_per_second") + 0 > peak[level]) peak[level] = value("multiply_adds_per_second") + 0
  if (value("bytes_read_per_second") + 0 > read) read = value("bytes_read_per_second") + 0 }
/"kernel"/ {
  key = value("instructions") " " value("precision") " " (value("rows") + 0 > 10000 ? "large" : "small") " " value("threads")
  cell[value("kernel"), value("width"), key] = sprintf("%.3g / %.2f", value("genotypes_per_second_per_core") / 1e9, value("of_fma_peak"))
}
/"program"/ { plink = plink sprintf("%s%s with %s column%s on %s thread%s", plink ? ", " : "", sprintf("%.2g", value("genotypes_per_second_per_core") * value("threads") / 1e9), value("width"), value("width") + 0 > 1 ? "s" : "", value("threads"), value("threads") + 0 > 1 ? "s" : "") }
END {
  printf "Multiply-adds of doubles, 1e9 a second:"
  for (level in peak) printf " %s %.1f;", level, peak[level] / 1e9
  printf " reading %.1f GB/s.\n\n|  |", read / 1e9
  for (c = 1; c <= n; c++) { split(columns[c], part, " "); printf " %s, %s, %s, %s thread%s |", part[1], part[2], part[3], part[4], (part[4] + 0 > 1 ? "s" : "") }
  printf "\n|---|"
  for (c = 1; c <= n; c++) printf "---|"
  print ""
  for (k = 1; k <= m; k++)
    for (i = 1; i <= w; i++) {
      some = 0
      for (c = 1; c <= n; c++) some += (kernels[k], widths[i], columns[c]) in cell
      if (!some) continue
      printf "| %s, k = %s |", name[kernels[k]], widths[i]
      for (c = 1; c <= n; c++) printf " %s |", cell[kernels[k], widths[i], columns[c]]
      print ""
    }
  if (plink) printf "\nplink2 --score, whole program, 2,000 x 10,976, 1e9 genotypes a second: %s.\n", plink
}
