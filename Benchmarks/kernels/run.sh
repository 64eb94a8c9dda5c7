#!/bin/sh
# Kernels in isolation, as shares of this machine's limits: run.sh [best|avx512|avx2|neon|portable] [threads]
# [all|gemv|gemm|lora|attention|step] [f32|bf16: activations]
set -e
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../Sources/CKernels" && pwd)
out=${TMPDIR:-/tmp}/tina-kernels-$$
trap 'rm -f "$out"' EXIT
${CC:-clang} -O2 -Wno-nullability-completeness \
  -I"$sources/include" -I"$sources" $(find "$sources" -name '*.c') "$here/kernels.c" -lm -lpthread -o "$out"
"$out" "$@"
