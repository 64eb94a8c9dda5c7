# Shared by the scripts beside it: `. "$(dirname "$0")/lib.sh"`.
# Leaves the working directory at the root of the package.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '==> %s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# Installs the Debian packages among the arguments that are missing, and says which.
# Touches neither the network nor apt when all are there.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "No apt-get here: taking for granted that these are installed: $*"
    return
  fi
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing: ${missing[*]}" \
      "They are installed by root, and there is no sudo here. As root, run:" \
      "  apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing with apt-get: ${missing[*]}"
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y
    --no-install-recommends "${missing[@]}")
  # The package lists of a fresh machine are absent or old: fetch them only when they are needed.
  if ! "${install[@]}" >/dev/null 2>&1; then
    "${as_root[@]}" apt-get update -qq || fail "apt-get update failed" \
      "The packages ${missing[*]} are missing and their lists could not be fetched; is there a network?"
    "${install[@]}" >/dev/null || fail "apt-get could not install ${missing[*]}" \
      "Install them by hand, then run this again."
  fi
}

# Fails with advice unless `swift` is there and new enough.
require_swift() {
  command -v swift >/dev/null || fail "there is no Swift toolchain on the PATH" \
    "Install Swift 6.2 or later from https://www.swift.org/install, then run this again."
  local text major minor
  text=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
  major=${text%%.*} minor=${text#*.}
  if [ -z "$text" ] || [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    fail "Swift ${text:-of an unknown version} found at $(command -v swift), 6.2 or later expected" \
      "Install it from https://www.swift.org/install, or put it first on the PATH."
  fi
}

# Tests write thousands of files that must outlive a crash, and wait for the disk each time. In memory nothing waits.
# Sets TMPDIR and `memory`, which the caller removes; does nothing where TMPDIR is set or memory is short.
use_memory_folder() {
  memory=
  [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] || return 0
  [ "$(df -k --output=avail /dev/shm | tail -n 1)" -ge 2000000 ] || return 0
  memory=$(mktemp -d /dev/shm/tina-XXXXXX)
  export TMPDIR=$memory
}

# `swift build` for what is built only once: a module as a whole takes less time than its files one by one, and two
# threads write the object files that SwiftPM expects. Leaves out what the compiler says of that in each module, and
# what the linker says of each symbol that a sanitizer keeps to itself.
build_once() {
  swift build -Xswiftc -whole-module-optimization -Xswiftc -num-threads -Xswiftc 2 "$@" 2>&1 |
    { grep --line-buffered -vE "'-enable-batch-mode'|Incremental compilation has been disabled|Cannot export" || true; }
}

# Debug builds that run tests are optimised: Package.swift says why.
export TINA_OPTIMISED=1

# Everything that building needs, besides Swift itself.
prepare() {
  install_packages git ca-certificates g++ pkg-config libcurl4 libedit2 libzstd-dev libopenblas-dev libssl-dev \
    libre2-dev libflint-dev
  # FLINT 3 holds Arb; before, it is a library of its own.
  [ -e /usr/include/flint/arb.h ] || install_packages libflint-arb-dev
  require_swift
}
