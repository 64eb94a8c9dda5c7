#!/bin/sh
# Builds of the kernels in turns: turns.sh THREADS ROUNDS WHAT [SOURCES...], where each of SOURCES is a Sources/CKernels
# folder (of another checkout, say); the first is what others are compared with. turns.c says what WHAT is.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=${TMPDIR:-/tmp}/tina-turns-$$
mkdir "$out"
trap 'rm -r "$out"' EXIT
threads=$1 rounds=$2 what=$3
shift 3
[ $# -gt 0 ] || set -- "$here/../../Sources/CKernels"
flags="-O2 -Wno-nullability-completeness"
builds=
for sources in "$@"; do
  build=$out/$(echo "$builds" | wc -w).so
  ${CC:-clang} $flags -fPIC -shared -Wl,-Bsymbolic -I"$sources/include" -I"$sources" \
    $(find "$sources" -name '*.c') -lm -lpthread -o "$build"
  builds="$builds $build"
done
${CC:-clang} $flags -I"$1/include" "$here/turns.c" "$out/0.so" -lm -ldl -lpthread -o "$out/turns"
"$out/turns" "$threads" "$rounds" "$what" $builds
