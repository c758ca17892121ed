# Installs Debian packages that are missing, and only those; sourced after progress.sh.

# What CMakeLists.txt asks for; README.md names the reason for each.
readonly BUILD_PACKAGES=(
  g++ cmake ninja-build ccache
  libabsl-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libpcre2-dev
  libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler prometheus-cpp-dev
  libgtest-dev libgmock-dev
)
# What ./tests/run uses besides: the fuzzers and the lock analysis, the format check, scripts; images,
# and pods in network namespaces.
readonly TEST_PACKAGES=(
  clang libclang-rt-14-dev clang-format python3 python3-venv
  buildah debootstrap iproute2 nftables
)

is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

install_packages() {
  local -r apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  # The package lists may be absent (a fresh image) or too old to name a file that still exists.
  "${apt[@]}" install --no-install-recommends "$@" && return
  "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"
}

# need_packages PACKAGE...: asks dpkg first, so that it takes no time when nothing is missing.
need_packages() {
  local package missing=()
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "  packages: not checked, this system has no apt; the build needs what README.md lists"
    return 0
  fi
  for package in "$@"; do
    package=$(local_name "${package}")
    is_installed "${package}" || missing+=("${package}")
  done
  if ((${#missing[@]} == 0)); then
    say "  packages: all $# are installed"
    return 0
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "missing packages, and this user is not root and has no sudo. As root, run:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  fi
  if ((EUID != 0)); then
    say "  packages: asking sudo for the right to install ${missing[*]}"
    sudo --validate || die "sudo refused; as root, run: apt-get install ${missing[*]}"
  fi
  run_step packages "installing ${#missing[@]} packages (${missing[*]})" \
    install_packages "${missing[@]}" ||
    die "apt-get could not install ${missing[*]}; is the network reachable?"
}

# Debian 12 has clang 14, Ubuntu 24.04 clang 18; its runtime carries the version in its name.
local_name() {
  if [[ "$1" == libclang-rt-14-dev ]] && grep -qs '^VERSION_ID="24.04"' /etc/os-release; then
    printf 'libclang-rt-18-dev'
  else
    printf '%s' "$1"
  fi
}
