# Sourced by the scripts that build Merit: install_packages NAME... installs the Debian packages that are not there yet.
# Root installs as it is, others through sudo; where every package is there nothing is run and no right is needed.

packages_build="gcc libc6-dev make cmake ninja-build pkg-config git petsc-dev libopenmpi-dev openmpi-bin libopenblas0-pthread
  libyaml-dev zlib1g-dev libcjson-dev librandom123-dev libmetis-dev libsuitesparse-dev"
packages_test="libcmocka-dev g++ slurm-wlm munge clang libclang-rt-14-dev gnuplot-nox iproute2 procps clang-format"
packages_petsc64="libpetsc64-real-dev"

package_is_there() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
  local package lacking="" as_root=""

  command -v dpkg-query >/dev/null || { echo "no dpkg here: the packages named in jobs/packages.sh must be there" >&2; return 0; }
  for package in "$@"; do
    package_is_there "$package" || lacking="$lacking $package"
  done
  [ -n "$lacking" ] || return 0
  echo "installing$lacking"
  [ "$(id -u)" -eq 0 ] || as_root="sudo"
  $as_root apt-get -q -o DPkg::Lock::Timeout=300 update
  # shellcheck disable=SC2086 # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $lacking </dev/null
}

# Open MPI refuses root unless told twice
allow_root() {
  [ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# more ranks than cores, no pinning, idle ranks give the core away, one thread per rank unless the user says more
small_machine() {
  allow_root
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
  export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=1
}
