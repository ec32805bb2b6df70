#!/bin/sh
# merit varcomp from its own starting values: few rounds whatever the scale and centre of a covariate, for lines of subjects, for traits, and for direct
# and maternal effects; and the maximum that other programs find. Usage: varcomp_starts.sh MERIT MPIEXEC NUMPROC_FLAG SERVE.
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }
rounds() { sed -n 's/.*"rounds":[[:space:]]*\([0-9]*\).*/\1/p' out/summary.json | head -n 1; }
likelihood() { awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "log_likelihood") at = i } { v = $at } END { printf "%.12g", v }' out/convergence.tsv; }

# few RANKS JOB LIKELIHOOD MOST [FLAG VALUE]...: converges in at most so many rounds, at this log-likelihood to 1e-6 (-: any)
few()
{
  n=$1 job=$2 want=$3 most=$4
  shift 4
  run "$n" 0 varcomp "$job" "$@"
  [ "$(rounds)" -le "$most" ] || fail "$job $*: $(rounds) rounds, not at most $most"
  [ "$want" = - ] || awk -v a="$(likelihood)" -v b="$want" 'BEGIN { d = a - b; exit !(d < 1e-6 && d > -1e-6) }' ||
    fail "$job $*: log-likelihood $(likelihood), not $want"
}

# A line for each of 26 subjects at 9 ages, residuals of a hundredth of the variance: shift and scale of the age, in its units
lines()
{
  awk -v shift="$1" -v scale="$2" '
    function uniform() { x = (48271 * x) % 2147483647; return x / 2147483647 }
    function normal() { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()) }
    BEGIN {
      x = 13; print "id,age,y"
      for (i = 1; i <= 26; i++) {
        a = 6.4 * normal(); b = 0.18 * a + 1.1 * normal()
        for (t = 0; t < 9; t++) printf "%d,%.12g,%.6f\n", i, scale * (t / 4 - 1 + shift), 150 + a + (6.5 + b) * (t / 4 - 1) + 0.6 * normal()
      }
    }'
}
cat >lines.yaml <<DATA
records: {file: lines.csv}
model: "y ~ cov(age) + iid(id + id:cov(age))"
output: {folder: out, solutions: none}
overwrite: yes
DATA
# the units of X are in the likelihood: log(scale) off; variances as those at the middle of the ages
middle()
{
  awk -F '\t' -v s="$1" -v c="$2" '$1 == "residual" { e = $4; next } $2 == "y.1" { a = $4 } $2 == "y.age" && $3 == "y.1" { b = c * $4 } $2 == "y.age" && $3 == "y.age" { d = c * c * $4 }
    END { printf "%.5g %.5g %.5g %.5g\n", a + 2 * s * b + s * s * d, b + s * d, d, e }' out/varcomp.tsv
}
lines 0 1 >lines.csv
few 1 lines.yaml - 15
plain=$(likelihood) estimates=$(middle 0 1)
for unit in "0 1000" "0 0.001" "2020 1" "10000 1" "10000 1000" "10000 0.001"; do
  set -- $unit
  lines "$1" "$2" >lines.csv
  few 1 lines.yaml "$(awk -v l="$plain" -v c="$2" 'BEGIN { printf "%.12g", l - log(c) }')" 15
  # what of 12 digits a centre of 10000 leaves
  awk -v a="$(middle "$1" "$2")" -v b="$estimates" 'BEGIN { split(a, x); split(b, y); for (i = 1; i <= 4; i++) if (!((x[i] / y[i] - 1) ^ 2 < 1e-6)) bad = 1; exit bad }' ||
    fail "age * $2, shifted by $1: $(middle "$1" "$2"), not $estimates"
done
few 3 lines.yaml "$(awk -v l="$plain" -v c="$2" 'BEGIN { printf "%.12g", l - log(c) }')" 15
# a start that the job gives is one of the covariate as it is, and elements that are fixed stay
lines 2020 1 >lines.csv
few 1 lines.yaml "$plain" 15 --varcomp.start share
shares=$(rounds)
few 1 lines.yaml "$plain" "$((shares - 1))"
cat lines.yaml - >given.yaml <<DATA
variances: {"iid(id+id:cov(age))": [[8132560, -4033], [-4033, 2]], residual: 1}
DATA
few 1 given.yaml "$plain" 15
sed -i 's/{"iid.*/{"iid(id+id:cov(age))": {value: [[40, 0], [0, 2]], structure: diag}}/' given.yaml
lines 0 1 >lines.csv
few 1 given.yaml - 15
awk -F '\t' '$3 == "y.1" && $2 == "y.age" && $4 == 0 && $7 == "fixed" { n++ } END { exit n != 1 }' out/varcomp.tsv || fail "structure: diag has a covariance"

# Weights of 30 rats in 5 weeks (Gelfand et al. 1990): lme4 and nlme
awk 'BEGIN { print "id,age,y" } { for (i = 1; i <= NF; i++) print NR "," 7 * i + 1 "," $i }' >lines.csv <<DATA
151 199 246 283 320
145 199 249 293 354
147 214 263 312 328
155 200 237 272 297
135 188 230 280 323
159 210 252 298 331
141 189 231 275 305
159 201 248 297 338
177 236 285 350 376
134 182 220 260 296
160 208 261 313 352
143 188 220 273 314
154 200 244 289 325
171 221 270 326 358
163 216 242 281 312
160 207 248 288 324
142 187 234 280 316
156 203 243 283 317
157 212 259 307 336
152 203 246 286 321
154 205 253 298 334
139 190 225 267 302
146 191 229 272 302
157 211 250 285 323
132 185 237 286 331
160 207 257 303 345
169 216 261 295 333
157 205 248 289 316
137 180 219 258 291
153 200 244 286 324
DATA
few 1 lines.yaml -547.6866944 15

# Weights of 16 rats on 3 diets, days 1 to 64 (Crowder and Hand 1990): lme4 and nlme
awk 'BEGIN { split("1 8 15 22 29 36 43 44 50 57 64", day); print "id,diet,age,y" }
  { for (i = 2; i <= NF; i++) print NR "," $1 "," day[i - 1] "," $i }' >lines.csv <<DATA
1 240 250 255 260 262 258 266 266 265 272 278
1 225 230 230 232 240 240 243 244 238 247 245
1 245 250 250 255 262 265 267 267 264 268 269
1 260 255 255 265 265 268 270 272 274 273 275
1 255 260 255 270 270 273 274 273 276 278 280
1 260 265 270 275 275 277 278 278 284 279 281
1 275 275 260 270 273 274 276 271 282 281 284
1 245 255 260 268 270 265 265 267 273 274 278
2 410 415 425 428 438 443 442 446 456 468 478
2 405 420 430 440 448 460 458 464 475 484 496
2 445 445 450 452 455 455 451 450 462 466 472
2 555 560 565 580 590 597 595 595 612 618 628
3 470 465 475 485 487 493 493 504 507 518 525
3 535 525 530 533 535 540 525 530 543 544 559
3 520 525 530 540 543 546 538 544 553 555 548
3 510 510 520 515 530 538 535 542 550 553 569
DATA
few 1 lines.yaml -575.8598744 15 --model 'y ~ cov(age) + diet + diet:cov(age) + iid(id + id:cov(age))'

# Two traits in units far apart, half of the second missing, and direct and maternal effects whose correlation is estimated at 1: animals of three
# generations. As good a maximum from other starts.
awk '
  function uniform() { x = (48271 * x) % 2147483647; return x / 2147483647 }
  function normal() { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()) }
  BEGIN {
    x = 5; print "id,sire,dam" >"pedigree.csv"; print "id,dam,herd,y,z" >"records.csv"
    for (i = 1; i <= 390; i++) {
      g = int((i - 1) / 130) - 1; own = g < 0 ? 1 : sqrt(0.5); s = d = 0
      if (g >= 0) { s = 130 * g + 1 + int(12 * uniform()); d = 130 * g + 13 + int(118 * uniform()) }
      u = normal(); v = normal()
      a[i] = (a[s] + a[d]) / 2 + own * 5 * u; m[i] = (m[s] + m[d]) / 2 + own * (2.5 * u + 1 * v)
      print i "," s "," d >"pedigree.csv"
      y = 100 + a[i] + m[d] + 6 * normal(); z = 3000 + 70 * a[i] + 300 * normal()
      if (g >= 0) print i "," d ",h" 1 + int(6 * uniform()) "," y "," (uniform() < 0.5 ? "NA" : z) >"records.csv"
    }
  }'
cat >traits.yaml <<DATA
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: ["y ~ herd + ped(id)", "z ~ herd + ped(id)"]
output: {folder: out, solutions: none}
overwrite: yes
DATA
sed 's/^model.*/model: "y ~ herd + animal = ped(id + dam) + iid(dam)"/' traits.yaml >maternal.yaml
few 1 traits.yaml - 15
best=$(likelihood)
says "start by Haseman-Elston regression"
first() { sed -n 2p out/convergence.tsv | cut -f 2-7; }
first >start.1
few 3 traits.yaml "$best" 15
# the same start on any ranks: traits, records that lack one, and the residual matrix; each variance within half of what is found
first >start.3
cmp -s start.1 start.3 || fail "starts differ by ranks: $(cat start.1 start.3)"
awk -F '\t' 'FNR == NR { if (FNR > 1) e[FNR - 1] = $4; next } { for (i = 1; i <= 6; i++) if (i != 2 && i != 5 && !($i > 0.5 * e[i] && $i < 1.5 * e[i])) bad = 1 } END { exit bad }' \
  out/varcomp.tsv start.1 || fail "the start is far: $(cat start.1)"
printf 'variances: {"ped(id)": [[10, 0], [0, 50000]], residual: [[40, 0], [0, 50000]]}\n' | cat traits.yaml - >other.yaml
few 1 other.yaml "$best" 15
few 1 maternal.yaml - 15
best=$(likelihood)
says "start from .variances"
few 1 maternal.yaml "$best" 15 --varcomp.start he
says "start by Haseman-Elston regression"
few 3 maternal.yaml "$best" 15
printf 'variances: {animal: [[30, 5], [5, 10]], iid(dam): 1, residual: 30}\n' | cat maternal.yaml - >other.yaml
few 1 other.yaml "$best" 15
exit $failed
