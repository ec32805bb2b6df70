#!/usr/bin/env bash
# starve.sh KIB RANK COMMAND...: the command, with so much memory for its data where it is that rank
[ "${OMPI_COMM_WORLD_RANK:-0}" != "$2" ] || ulimit -d "$1"
shift 2
exec "$@"
