#!/bin/sh
# Merging timed in one run, in turns: copying the base, tina merge, llama.cpp's llama-export-lora, and PEFT at the end.
#
# usage: merge_speed.sh TINA BASE ADAPTER EXPORT_LORA BASE.gguf ADAPTER.gguf [PYTHON]
# BASE and ADAPTER are a Hugging Face directory and a PEFT one, the .gguf files the same for llama.cpp. Outputs go to
# a folder of their own in TMPDIR and are removed. ROUNDS=2 unless set. Quiet machine; every time includes bringing the
# output to the disk. In a virtual machine the same `cp` can take 2 s or 9 s: pages of memory that the guest has not
# used lately come from the host, so look at the spread before you quote a ratio.
set -e
tina=$1 base=$2 adapter=$3 export=$4 basegguf=$5 adaptergguf=$6 python=$7
work=$(mktemp -d "${TMPDIR:-/tmp}/merge-speed.XXXXXX")
trap 'rm -rf "$work"' EXIT
cat "$base"/*.safetensors "$adapter"/*.safetensors "$basegguf" "$adaptergguf" >/dev/null

timed() {
  name=$1
  shift
  sync
  begin=$(date +%s.%N)
  "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  sync
  end=$(date +%s.%N)
  awk "BEGIN { printf \"%-24s %6.1f s\n\", \"$name\", $end - $begin }"
}

for round in $(seq "${ROUNDS:-2}"); do
  timed "cp" cp --reflink=never "$base/model.safetensors" "$work/copy"
  rm "$work/copy"
  timed "tina merge" "$tina" merge "$base" "$adapter" "$work/merged" --accept-loss
  grep written "$work/log"
  rm -rf "$work/merged"
  timed "tina merge to GGUF, F16" "$tina" merge "$base" "$adapter" "$work/merged.gguf" --dtype f16 --accept-loss
  grep written "$work/log"
  rm -f "$work"/merged*
  timed "llama-export-lora" "$export" -m "$basegguf" --lora "$adaptergguf" -o "$work/llama.gguf" -t 2
  rm "$work/llama.gguf"
done
if [ -n "$python" ]; then
  timed "peft" "$python" -c "
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained('$base', dtype=torch.bfloat16)
PeftModel.from_pretrained(model, '$adapter').merge_and_unload().save_pretrained('$work/peft')
"
fi
