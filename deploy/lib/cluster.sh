# The cluster that `quickstart` leaves running; sourced after progress.sh.
#
# build/quickstart/ holds what is known of it: `pid`, `ready` (what `sextant up` printed), and
# `built`, the sums of the programs that it runs. Its log is build/logs/cluster.log.

readonly CLUSTER_DIR="${SEXTANT_ROOT}/build/quickstart"
readonly CLUSTER_LOG="${LOG_DIR}/cluster.log"
readonly CLUSTER_PROGRAMS=(sextant router attention_worker expert_worker)

programs_sum() { (cd build/bin && sha256sum "${CLUSTER_PROGRAMS[@]}"); }

# The process id, if it is still that of a `sextant up`; another program may have it by now.
cluster_pid() {
  local pid
  pid=$(cat "${CLUSTER_DIR}/pid" 2>/dev/null) || return 1
  grep -qzx up "/proc/${pid}/cmdline" 2>/dev/null && printf '%d' "${pid}"
}

# Where it listens.
cluster_target() { sed -n 's/^ready cluster \([^ ]*\).*/\1/p' "${CLUSTER_DIR}/ready"; }

# stop_cluster: running streams may end; waits for that.
stop_cluster() {
  local pid
  pid=$(cluster_pid) || return 0
  kill -TERM "${pid}"
  while kill -0 "${pid}" 2>/dev/null; do sleep 0.1; done
  rm -f "${CLUSTER_DIR}/pid"
}

# await_ready PID: returns when it serves, 1 when it has ended.
await_ready() {
  until grep -qs '^ready cluster ' "${CLUSTER_DIR}/ready"; do
    kill -0 "$1" 2>/dev/null || return 1
    sleep 0.1
  done
}

# start_cluster ARGUMENT...: of `sextant up`. In a session of its own, so that neither the end of
# this script nor Ctrl-C in its terminal ends it.
start_cluster() {
  local pid
  mkdir -p "${CLUSTER_DIR}" "${LOG_DIR}"
  rm -f "${CLUSTER_DIR}/ready"
  setsid build/bin/sextant up "$@" >"${CLUSTER_DIR}/ready" 2>"${CLUSTER_LOG}" </dev/null &
  pid=$!
  printf '%d' "${pid}" >"${CLUSTER_DIR}/pid"
  if ! await_ready "${pid}"; then
    tail -n 20 "${CLUSTER_LOG}" | sed 's/^/    | /'
    return 1
  fi
  programs_sum >"${CLUSTER_DIR}/built"
}

cluster_is_current() {
  cluster_pid >/dev/null && programs_sum | cmp --silent - "${CLUSTER_DIR}/built"
}
