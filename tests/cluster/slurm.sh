# Sourced by tests: a private SLURM of virtual nodes on this machine, in a folder of its own, with its own munge, ports and keys.
# No service manager and nothing outside the folder is touched.
#   slurm_start FOLDER [NODES] [CPUS]   0: running, SLURM_CONF is exported; 77: it cannot run here, the reason is told
#   slurm_wait JOB SECONDS              waits for the end; prints "STATE STATUS"
#   slurm_kill_node NODE [quietly]      power loss: every process of the node is killed, and SLURM told of it but quietly; 77 where nodes have no
#                                       host names of their own
#   slurm_revive_node NODE              the node boots again
#   slurm_stop                          ends what slurm_start started, by its process numbers
PATH=$PATH:/usr/sbin:/sbin
slurm_folder=""

slurm_cannot() {
  echo "SKIPPED: $*" >&2
  slurm_stop
  return 77
}

slurm_write_conf() { # folder nodes cpus port
  local host user k
  host=$(hostname -s)
  user=$(id -un)
  cat >"$1/slurm.conf" <<CONF
ClusterName=merit
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$4
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$1/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool.%n
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd.%n.pid
SlurmctldLogFile=$1/slurmctld.log
SlurmdLogFile=$1/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=3600
TmpFS=$1/tmp.%n
MailProg=/bin/true
PlugStackConfig=/dev/null
CONF
  for ((k = 1; k <= $2; k++)); do
    echo "NodeName=v$k NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($4 + k)) CPUs=$3 RealMemory=8000 State=UNKNOWN"
  done >>"$1/slurm.conf"
  echo "PartitionName=all Nodes=v[1-$2] Default=YES MaxTime=INFINITE State=UP" >>"$1/slurm.conf"
}

# Shared memory files of Open MPI are named by host: each virtual node gets its own host name and /dev/shm where that is allowed,
# and ranks on different nodes talk TCP where it is not.
slurm_start_node() {
  mkdir -p "$slurm_folder/spool.$1" "$slurm_folder/tmp.$1"
  if unshare --uts --mount true 2>/dev/null; then
    unshare --uts --mount sh -c 'hostname "$1" && mount -t tmpfs tmpfs /dev/shm && exec slurmd -f "$2" -N "$1"' sh "$1" "$SLURM_CONF"
  else
    export OMPI_MCA_btl=self,tcp
    slurmd -f "$SLURM_CONF" -N "$1"
  fi
}

slurm_start() {
  local nodes=${2:-2} cpus=${3:-2} port=$((20000 + $$ % 2000 * 5)) k tool end
  for tool in munged slurmctld slurmd sbatch srun scontrol; do
    command -v "$tool" >/dev/null || { slurm_cannot "no $tool here"; return; }
  done
  slurm_folder=$1
  mkdir -p "$1/state"
  chmod 755 "$1"
  (umask 077 && head -c 1024 /dev/urandom >"$1/munge.key")
  export SLURM_CONF=$1/slurm.conf
  slurm_write_conf "$1" "$nodes" "$cpus" "$port"
  munged --key-file="$1/munge.key" --socket="$1/munge.socket" --pid-file="$1/munged.pid" --log-file="$1/munged.log" \
    --seed-file="$1/munge.seed" 2>"$1/munged.err" || { slurm_cannot "munged: $(tail -n 1 "$1/munged.err")"; return; }
  slurmctld -f "$SLURM_CONF" -c 2>"$1/slurmctld.err" || { slurm_cannot "slurmctld: $(tail -n 1 "$1/slurmctld.err")"; return; }
  for ((k = 1; k <= nodes; k++)); do
    slurm_start_node "v$k" 2>"$1/slurmd.v$k.err" || { slurm_cannot "slurmd: $(tail -n 1 "$1/slurmd.v$k.err")"; return; }
  done
  end=$((SECONDS + 30))
  until [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" -eq "$nodes" ]; do
    [ $SECONDS -lt $end ] || { slurm_cannot "nodes not idle after 30 s: $(tail -n 2 "$1/slurmctld.log")"; return; }
    sleep 0.2
  done
}

slurm_kill_node() {
  local pid names process
  pid=$(cat "$slurm_folder/slurmd.$1.pid")
  names=$(readlink "/proc/$pid/ns/uts")
  [ "$names" != "$(readlink /proc/$$/ns/uts)" ] || return 77
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/ns/uts" 2>/dev/null)" != "$names" ] || kill -9 "${process#/proc/}"
  done
  rm -f "$slurm_folder/slurmd.$1.pid"
  [ -n "${2:-}" ] || scontrol update "NodeName=$1" State=DOWN Reason=power # or SLURM sees it by itself, after SlurmdTimeout
}

slurm_revive_node() {
  rm -rf "$slurm_folder/tmp.$1" "$slurm_folder/spool.$1"/stepd.slurm.pmix.* "$slurm_folder/spool.$1"/pmix.*
  slurm_start_node "$1"
  scontrol update "NodeName=$1" State=RESUME 2>/dev/null || true # it may be up by itself
}

slurm_wait() {
  local end=$((SECONDS + $2)) text state
  while :; do
    text=$(scontrol -o show job "$1")
    state=$(sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p' <<<"$text")
    case $state in
    PENDING | CONFIGURING | RUNNING | COMPLETING) ;;
    *) break ;;
    esac
    if [ $SECONDS -ge $end ]; then
      scancel "$1"
      state=OVERDUE
      break
    fi
    sleep 0.3
  done
  echo "$state $(sed -n 's/.* ExitCode=\([0-9]*\):.*/\1/p' <<<"$text")"
}

slurm_end() { # pid file, name of the program
  local pid k
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 0
  kill "$pid" 2>/dev/null
  for ((k = 0; k < 50; k++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null
}

slurm_stop() {
  local file
  [ -n "$slurm_folder" ] || return 0
  slurm_end "$slurm_folder/slurmctld.pid" slurmctld
  for file in "$slurm_folder"/slurmd.*.pid; do slurm_end "$file" slurmd; done
  slurm_end "$slurm_folder/munged.pid" munged
  slurm_folder=""
}
