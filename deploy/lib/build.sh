# Configures and builds a preset; sourced after progress.sh.

# Compiling one file of this tree with a sanitizer takes up to about 1.2 GiB.
readonly KIB_PER_JOB=$((1200 * 1024))

# Memory that this process may still use, in KiB: the machine's, or its container's if smaller.
available_kib() {
  local machine limit used
  machine=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)
  used=$(cat /sys/fs/cgroup/memory.current 2>/dev/null || true)
  if [[ "${limit}" =~ ^[0-9]+$ && "${used}" =~ ^[0-9]+$ ]]; then
    limit=$(((limit - used) / 1024))
    if ((limit < machine)); then machine=${limit}; fi
  fi
  printf '%d' "${machine}"
}

# One job per processor, fewer where memory is short, never none.
job_count() {
  local jobs by_memory
  jobs=$(nproc)
  by_memory=$(($(available_kib) / KIB_PER_JOB))
  if ((by_memory < jobs)); then jobs=${by_memory}; fi
  if ((jobs < 1)); then jobs=1; fi
  printf '%d' "${jobs}"
}

configure_and_build() {
  local preset=$1
  shift
  cmake --preset "${preset}" && ninja -C "build/${preset}" -j "$(job_count)" "$@"
}

# Compiles through ccache where it is installed. CMake looks at that when it first configures.
use_ccache() {
  if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
}

# build_preset PRESET TARGET...: incremental.
build_preset() {
  local preset=$1
  use_ccache
  run_step "build-${preset}" "build ${preset} ($(job_count) jobs)" configure_and_build "$@"
}
