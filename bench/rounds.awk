# One simulated data set for rounds.sh, into FOLDER: records.csv, pedigree.csv where the model wants one, job.yaml, and truth.yaml, the same job
# with the variances that the data were made with. Usage: awk -v kind=growth -v set=3 -v folder=FOLDER -f rounds.awk
# Kinds: growth, a random intercept and slope (every fourth set: a quadratic too); traits, two or three traits with missing records, of families or
# of a pedigree; maternal, direct and maternal effects of a pedigree and the dams' environment.

# Numbers in (0, 1) by the generator of Park and Miller (1988) with the multiplier 48271, and normal ones by Box and Muller (1958)
function uniform() { state = (state * 48271) % 2147483647; return state / 2147483647 }
function normal() { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()) }
function from(low, high) { return low + (high - low) * uniform() }
function whole(low, high) { return int(from(low, high + 1)) }
function one_of(list,  part, n) { n = split(list, part, " "); return part[whole(1, n)] }

# C[name, i, j]: correlations of n effects; V[name, i, j]: the covariance matrix with variances v[1..n]; L: its Cholesky factor
function covariance(name, n, v,  i, j, k, A, sum) {
  for (i = 1; i <= n; i++) {
    sum = 0
    for (k = 1; k <= n; k++) { A[i, k] = (k == 1 ? 1.2 : 1) * normal(); sum += A[i, k] ^ 2 }
    for (k = 1; k <= n; k++) A[i, k] /= sqrt(sum)
  }
  for (i = 1; i <= n; i++)
    for (j = 1; j <= n; j++) {
      sum = 0
      for (k = 1; k <= n; k++) sum += A[i, k] * A[j, k]
      V[name, i, j] = sum * sqrt(v[i] * v[j])
    }
  factor(name, n)
}
function factor(name, n,  i, j, k, sum) {
  for (i = 1; i <= n; i++)
    for (j = 1; j <= i; j++) {
      sum = V[name, i, j]
      for (k = 1; k < j; k++) sum -= L[name, i, k] * L[name, j, k]
      L[name, i, j] = i == j ? sqrt(sum > 0 ? sum : 0) : sum / L[name, j, j]
    }
}
# draw[1..n] with that covariance
function effects(name, n,  i, j, z) {
  for (i = 1; i <= n; i++) z[i] = normal()
  for (i = 1; i <= n; i++) {
    draw[i] = 0
    for (j = 1; j <= i; j++) draw[i] += L[name, i, j] * z[j]
  }
}
function matrix(name, n,  i, j, text) {
  text = "["
  for (i = 1; i <= n; i++) {
    text = text (i > 1 ? ", [" : "[")
    for (j = 1; j <= n; j++) text = text (j > 1 ? ", " : "") sprintf("%.17g", V[name, i, j])
    text = text "]"
  }
  return text "]"
}
# Three generations of animals with values BV[animal, 1..n]; the first hold half of them
function pedigree(animals, n, file,  i, c, g) {
  print "id,sire,dam" >file
  for (i = 1; i <= animals; i++) {
    effects("G", n)
    g = i <= animals / 3 ? 0 : i <= 2 * animals / 3 ? 1 : 2
    sire[i] = g ? whole(1, int(animals / 30)) + (g - 1) * int(animals / 3) : 0
    dam[i] = g ? whole(int(animals / 30) + 1, int(animals / 3)) + (g - 1) * int(animals / 3) : 0
    for (c = 1; c <= n; c++) BV[i, c] = g ? (BV[sire[i], c] + BV[dam[i], c]) / 2 + sqrt(0.5) * draw[c] : draw[c]
    print i "," sire[i] "," dam[i] >file
  }
}
function job(model, variances, with_pedigree,  truth, file) {
  for (truth = 0; truth < (variances == "" ? 1 : 2); truth++) {
    file = folder "/" (truth ? "truth" : "job") ".yaml"
    print "records: {file: records.csv}" >file
    if (with_pedigree) print "pedigree: {file: pedigree.csv}" >file
    printf "model:\n%s", model >file
    if (truth) printf "variances:\n%s", variances >file
    print "output: " (truth ? "truth" : "out") >file
  }
}

# Subjects with a line each (every fourth set: a parabola) in a covariate of any centre and scale
function growth(  order, levels, ages, shift, scale, i, a, x, q, v, share, y, text) {
  order = set % 4 ? 2 : 3
  levels = one_of("10 20 30 60"); ages = whole(order + 2, 12)
  shift = one_of("0 0 1 10 100 1000"); scale = one_of("0.001 1 1000")
  share = one_of("0.005 0.02 0.1 0.5")
  v[1] = 1; v[2] = from(0.05, 1); v[3] = from(0.01, 0.3)
  covariance("B", order, v)
  print "id,x" (order == 2 ? "" : ",q") ",y" >(folder "/records.csv")
  for (i = 1; i <= levels; i++) {
    effects("B", order)
    for (a = 0; a < ages; a++) {
      x = 3 * (a / (ages - 1) - 0.5)
      if (uniform() < 0.1) continue
      y = 50 + 5 * x + draw[1] + draw[2] * x + (order == 2 ? 0 : draw[3] * x * x) + sqrt(share / (1 - share)) * normal()
      q = order == 2 ? "" : sprintf(",%.10g", scale * scale * x * x)
      printf "s%d,%.10g%s,%.6f\n", i, scale * (shift + x), q, 10 * y >(folder "/records.csv")
    }
  }
  # the same lines in the units of the file: intercept at 0 of the covariate
  text = order == 3 ? "" : "  lines: " line_matrix(shift, scale) "\n  residual: " 100 * share / (1 - share) "\n"
  job("  - \"y ~ cov(x)" (order == 2 ? "" : " + cov(q)") " + lines = iid(id + id:cov(x)" (order == 2 ? "" : " + id:cov(q)") ")\"\n", text, 0)
}
function line_matrix(shift, scale,  a, b, d) {
  a = 100 * V["B", 1, 1]; b = 100 * V["B", 1, 2]; d = 100 * V["B", 2, 2]
  return sprintf("[[%.17g, %.17g], [%.17g, %.17g]]", a - 2 * shift * b + shift * shift * d, (b - shift * d) / scale, (b - shift * d) / scale,
                 d / scale / scale)
}

# Traits of families with several records, or of animals with one, in units far apart
function traits(  n, ped, levels, records, i, t, r, v, w, unit, g, model, y, text, term) {
  n = set % 3 ? 2 : 3; ped = set % 2
  for (t = 1; t <= n; t++) {
    unit[t] = one_of("0.01 1 100"); v[t] = one_of("0.05 0.2 0.5 0.8") * unit[t] ^ 2; w[t] = unit[t] ^ 2 - v[t]
  }
  covariance("G", n, v); covariance("R", n, w)
  levels = ped ? 390 : whole(20, 60); records = ped ? 1 : whole(4, 10)
  if (ped) pedigree(levels, n, folder "/pedigree.csv")
  text = "id,herd"
  for (t = 1; t <= n; t++) text = text ",y" t
  print text >(folder "/records.csv")
  for (i = 1; i <= levels; i++) {
    effects("G", n)
    for (t = 1; t <= n; t++) g[t] = ped ? BV[i, t] : draw[t]
    for (r = 1; r <= records; r++) {
      effects("R", n)
      text = i ",h" whole(1, 5)
      for (t = 1; t <= n; t++) text = text (t > 1 && uniform() < 0.25 ? ",NA" : sprintf(",%.8g", 10 * unit[t] + g[t] + draw[t]))
      print text >(folder "/records.csv")
    }
  }
  term = "genetic = " (ped ? "ped" : "iid") "(id)"
  for (t = 1; t <= n; t++) model = model "  - \"y" t " ~ herd + " term "\"\n"
  job(model, "  genetic: " matrix("G", n) "\n  residual: " matrix("R", n) "\n", ped)
}

# Direct and maternal effects, and what calves of a dam have from her beside
function maternal(  animals, v, i, pe, environment, y) {
  animals = one_of("300 600 900")
  v[1] = one_of("10 30 50"); v[2] = one_of("5 15 30"); pe = one_of("0 5 15")
  covariance("G", 2, v)
  pedigree(animals, 2, folder "/pedigree.csv")
  print "id,dam,herd,y" >(folder "/records.csv")
  for (i = 1; i <= animals; i++) {
    environment[i] = sqrt(pe) * normal()
    if (!dam[i]) continue
    y = 200 + BV[i, 1] + BV[dam[i], 2] + environment[dam[i]] + sqrt(50) * normal()
    printf "%d,%d,h%d,%.6f\n", i, dam[i], whole(1, 6), y >(folder "/records.csv")
  }
  job("  - \"y ~ herd + genetic = ped(id + dam) + pe = iid(dam)\"\n",
      "  genetic: " matrix("G", 2) "\n  pe: " (pe ? pe : 1) "\n  residual: 50\n", 1)
}

BEGIN {
  state = (kind == "growth" ? 10000 : kind == "traits" ? 20000 : 30000) + 7 * set
  for (i = 0; i < 20; i++) uniform()
  if (kind == "growth") growth()
  else if (kind == "traits") traits()
  else maternal()
}
