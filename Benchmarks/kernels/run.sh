#!/bin/sh
# Kernels in isolation, as shares of this machine's limits: run.sh [best|avx512|avx2|neon|portable] [threads]
# [all|gemv|gemm|lora|attention|step] [f32|bf16: activations]
# Block-quantised weights: run.sh int8 [best|avx512|avxvnni|avx2|neon|portable] [threads] [most inputs] [type]
set -e
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../Sources/CKernels" && pwd)
out=${TMPDIR:-/tmp}/tina-kernels-$$
trap 'rm -f "$out"' EXIT
main=kernels.c
if [ "$1" = int8 ]; then
  main=int8.c
  shift
fi
${CC:-clang} -O2 -Wno-nullability-completeness \
  -I"$sources/include" -I"$sources" $(find "$sources" -name '*.c') "$here/$main" -lm -lpthread -o "$out"
"$out" "$@"
