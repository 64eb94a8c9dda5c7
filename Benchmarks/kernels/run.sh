#!/bin/sh
# Kernels in isolation, as shares of this machine's limits:
#   run.sh [best|avx512|avxvnni|avx2|neon|portable] [threads] [linear|adapters|attention|step]
#          [all|f16,bf16,bf16:bf16,q8_0,q4_k,...] [1,2,4,8,16,32,512]      bf16:bf16 has inputs rounded to bf16
#   run.sh int8 [best|avx512|avxvnni|avx2|neon|portable] [threads] [most inputs] [type]    the integer kernels alone
set -e
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../Sources/CKernels" && pwd)
out=${TMPDIR:-/tmp}/tina-kernels-$$
trap 'rm -f "$out"' EXIT
main="$here/kernels.c $here/parts/*.c"
if [ "$1" = int8 ]; then
  main=$here/int8.c
  shift
fi
${CC:-clang} -O2 -Wno-nullability-completeness -I"$sources/include" -I"$sources" $(find "$sources" -name '*.c') \
  $main -lm -lpthread -o "$out"
"$out" "$@"
