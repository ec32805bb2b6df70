# Plots of scaling.sh: gnuplot -e "data='PREFIX'; folder='FOLDER'" scaling.gp draws FOLDER/scaling.svg and FOLDER/scaling.png
set style data linespoints
set key left top
set grid
set logscale x 2
draw(what) = sprintf("< awk '$1 == \"%s\" { print $2, $3 }' %s.%s", word(what, 1), data, word(what, 2))
do for [kind in "svg png"] {
  if (kind eq "svg") { set terminal svg size 1200,400 font "sans,11" } else { set terminal pngcairo size 1200,400 font "sans,9" }
  set output folder."/scaling.".kind
  set multiplot layout 1,3
  set xlabel "ranks"
  set ylabel "speed-up of an iteration"
  set title "Strong scaling, measured"
  set yrange [0:*]
  plot for [p in "pedigree snp polygenic"] draw(p." strong") title p, x with lines dashtype 2 title "ideal"
  set ylabel "efficiency of an iteration"
  set title "Weak scaling, measured"
  set yrange [0:1.3]
  plot for [p in "pedigree snp polygenic"] draw(p." weak") title p
  set xlabel "cores"
  set ylabel "seconds of an iteration"
  set title "On paper, from the cost model"
  set logscale xy 10
  set yrange [*:*]
  plot for [p in "pedigree snp polygenic"] draw(p." paper") title p dashtype 2
  unset logscale
  set logscale x 2
  unset multiplot
  unset output
}
