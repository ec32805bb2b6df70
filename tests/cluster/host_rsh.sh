#!/usr/bin/env bash
# host_rsh.sh [OPTIONS] HOST COMMAND...: what ssh is to mpirun, for the hosts of hosts.sh. NO_DATA_ON=HOST: that host does not see the folder DATA.
while [ "${1#-}" != "$1" ]; do shift; done # options of ssh
host=$1
shift
# shellcheck disable=SC2016 # for the shell inside
exec ip netns exec "$host" unshare --uts --mount sh -c '
  hostname "$0" && mount -t tmpfs tmpfs /dev/shm && if [ "${NO_DATA_ON:-}" = "$0" ]; then mount -t tmpfs tmpfs "$DATA"; fi && eval "$*"' "$host" "$@"
