# Progress lines with elapsed time, and a log per step; sourced, never run.
#
#   run_step NAME TITLE COMMAND...   runs COMMAND with its output in build/logs/NAME.log, shows one
#                                    line of progress, and on failure the end of that log
#
# Needs SEXTANT_ROOT. On a terminal the line is rewritten every second with the last line of the
# log; elsewhere (CI, a pipe) a step that takes long reports every 30 seconds.

# A minimal environment (cron, env -i) lacks these; the compiler cache wants the first.
export HOME="${HOME:-$(getent passwd "${EUID}" | cut -d: -f6)}"
export PATH

readonly LOG_DIR="${SEXTANT_ROOT}/build/logs"

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Prints SECONDS as "7 s" or "3 min 05 s".
elapsed_text() {
  if (($1 < 60)); then
    printf '%d s' "$1"
  else
    printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
  fi
}

# The last line of a log, cut to what fits beside a title.
last_line() {
  tail -c 400 "$1" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-60
}

watch_step() {
  local pid=$1 title=$2 log=$3 start=$SECONDS reported=0 took
  while kill -0 "${pid}" 2>/dev/null; do
    took=$((SECONDS - start))
    if [[ -t 1 ]]; then
      printf '\r\033[K  %s: %s  %s' "${title}" "$(elapsed_text "${took}")" "$(last_line "${log}")"
    elif ((took >= reported + 30)); then
      reported=${took}
      printf '    %s: %s  %s\n' "${title}" "$(elapsed_text "${took}")" "$(last_line "${log}")"
    fi
    sleep 0.2
  done
  if [[ -t 1 ]]; then printf '\r\033[K'; fi
}

# Runs in a process group of its own, so that an interrupt stops all of it.
run_step() {
  local title=$2 log="${LOG_DIR}/$1.log" start=$SECONDS pid status=0
  shift 2
  mkdir -p "${LOG_DIR}"
  set -m
  "$@" >"${log}" 2>&1 </dev/null &
  pid=$!
  set +m
  # shellcheck disable=SC2064  # the pid of now, not of later
  trap "kill -- -${pid} 2>/dev/null; exit 130" INT TERM
  watch_step "${pid}" "${title}" "${log}"
  wait "${pid}" || status=$?
  trap - INT TERM
  if ((status == 0)); then
    printf '  %s: done in %s\n' "${title}" "$(elapsed_text $((SECONDS - start)))"
    return 0
  fi
  printf '  %s: FAILED after %s; the end of %s:\n' \
    "${title}" "$(elapsed_text $((SECONDS - start)))" "${log#"${SEXTANT_ROOT}/"}"
  tail -n "${STEP_TAIL_LINES:-60}" "${log}" | sed 's/^/    | /'
  return "${status}"
}
