#!/bin/sh
# Every path of instructions against the order of summation written plainly: check.sh [aarch64]
# aarch64 wants the packages qemu-user, gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and lld. CC may say more:
# CC="clang -march=armv8.2-a+dotprod" check.sh aarch64 takes the products of bytes that Apple's processors have.
set -e
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../Sources/CKernels" && pwd)
out=${TMPDIR:-/tmp}/tina-check-$$
trap 'rm -f "$out"' EXIT
runner=
if [ "$1" = aarch64 ]; then
  gcc=$(dirname "$(aarch64-linux-gnu-gcc -print-libgcc-file-name)")
  set -- --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -fuse-ld=lld -static -B"$gcc" -L"$gcc" \
    -L/usr/aarch64-linux-gnu/lib
  runner=qemu-aarch64
fi
${CC:-clang} -O2 -Wno-nullability-completeness "$@" \
  -I"$sources/include" -I"$sources" $(find "$sources" -name '*.c') "$here/check.c" -lm -lpthread -o "$out"
$runner "$out"
