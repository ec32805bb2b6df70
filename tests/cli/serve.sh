# Command lines of the program by serve.c, which is started once for each number of ranks; read by tests with the variables serve
# (that program), mpiexec, np (its flag for a number of ranks) and servers, a folder that this file makes.
# Only in the folder, and with the environment, in which the first command line is run.

# serve_open: before the first command line; this shell holds the pipes until it ends, and the servers end with it
serve_open()
{
  mkdir "$servers" && mkfifo "$servers/reply" "$servers/1" "$servers/2" "$servers/3" "$servers/4"
  exec 4<>"$servers/reply" 5<>"$servers/1" 6<>"$servers/2" 7<>"$servers/3" 8<>"$servers/4"
}

# serve_start RANKS: a server; the status of one that has ended, which a command line has no other reply from, comes behind the word gone
serve_start()
{
  : >"$servers/on$1"
  (
    "$mpiexec" "$np" "$1" "$serve" "$servers/$1" "$servers/reply"
    status=$?
    rm "$servers/on$1"
    echo "gone $status" 1<>"$servers/reply" # which does not wait for a reader
  ) </dev/null >"$servers/said$1" 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- &
}

# serve_run RANKS ARGS...: merit with these arguments on 1 to 4 ranks; what it says is in the files stdout and stderr, and $status is its exit status
serve_run()
{
  server=$1
  shift
  [ -e "$servers/on$server" ] || serve_start "$server"
  printf '%s\0' "$@" >"$servers/arguments"
  : >stdout
  : >stderr
  echo "$servers/arguments" >"$servers/$server"
  read -r status gone <"$servers/reply"
  if [ "$status" = gone ]; then
    status=$gone
    cat "$servers/said$server" >>stderr
  fi
}

# serve_close: end the servers, which a request for no file does, and wait five seconds at most
serve_close()
{
  for server in 1 2 3 4; do
    [ ! -e "$servers/on$server" ] || echo >"$servers/$server"
  done
  for server in $(seq 50); do
    ls "$servers" | grep -q '^on' || break
    sleep 0.1
  done
}
