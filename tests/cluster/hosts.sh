# Sourced by tests: simulated hosts on this machine, network namespaces joined by a switch, each with a host name and shared memory of its own.
# The test goes on in namespaces that end with it, with whatever it left behind: processes, interfaces, names. Root or not.
#   hosts_alone SCRIPT ARGUMENTS...   begins the test anew in there; ends it with 77 where that cannot be, the reason is told
#   hosts_up N                        hosts h1 to hN, 10.77.0.1 to N
#   hosts_link HOST up|down           its cable
#   hosts_mpirun MPIRUN ARGUMENTS...  mpirun from outside the hosts, which it enters by host_rsh.sh
hosts_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

hosts_alone() {
  local -a own=(unshare --net --mount --pid --fork --kill-child --mount-proc)
  local tool why
  [ -z "${HOSTS_ALONE:-}" ] || return 0
  for tool in ip unshare pgrep; do
    command -v "$tool" >/dev/null || { echo "SKIPPED: no $tool here"; exit 77; }
  done
  [ "$(id -u)" -eq 0 ] || own+=(--user --map-root-user)
  why=$("${own[@]}" bash -c '. "$0"; hosts_up 1 && ip netns exec h1 unshare --uts hostname h1' "$hosts_here/hosts.sh" 2>&1) ||
    { echo "SKIPPED: no hosts can be simulated here: ${why##*$'\n'}"; exit 77; }
  HOSTS_ALONE=yes exec "${own[@]}" bash "$@"
}

hosts_up() {
  local k
  mount -t tmpfs tmpfs /run && mkdir /run/netns &&
    ip link add name switch type bridge && ip addr add 10.77.0.254/24 dev switch && ip link set switch up && ip link set lo up || return
  for ((k = 1; k <= $1; k++)); do
    ip netns add "h$k" && ip link add name "port$k" type veth peer name eth0 netns "h$k" && ip link set "port$k" master switch up &&
      ip -n "h$k" addr add "10.77.0.$k/24" dev eth0 && ip -n "h$k" link set eth0 up && ip -n "h$k" link set lo up || return
  done
}

hosts_link() { ip link set "port${1#h}" "$2"; }

hosts_mpirun() {
  "$1" --mca plm rsh --mca plm_rsh_agent "$hosts_here/host_rsh.sh" --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 "${@:2}"
}
