"""Loads MLX adapters that `tina convert` writes in the real mlx-lm, and compares logits with PEFT's.

    python tools/check/mlx_adapters.py .build/debug/tina

Takes the adapters of every family that tools/golden/adapters.py made, as far as MLX can hold them, on their tiny bases,
in float32. Each must give the logits that PEFT computed, to 1e-4 of their range, where the base alone is further away.
What MLX can't hold must be refused. Needs `mlx[cpu]` and `mlx-lm`, which run on Linux too, numpy and safetensors.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model
from safetensors.numpy import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests/RuntimeTests/Fixtures"
# MLX changes the head of a tied base with its embedding, and replaces no modules.
REFUSED = {"saved", "tied-saved", "tied-saved-both", "biases", "tied-embedding", "tied-head", "tied-both",
           "tables-beside", "llama3", "gemma3"}
# What mlx-lm does not compute as transformers: linear scaling of rotary positions by a factor that is no whole number.
LIMIT = 1e-4


def logits(folder, tokens, adapter=None):
    model, _ = load_model(folder, lazy=True)
    if adapter:
        model = load_adapters(model, str(adapter))
    model.update(tree_map(lambda x: x.astype(mx.float32), model.parameters()))
    return np.array(model(mx.array(tokens)[None])[0].astype(mx.float32))


def main(tina):
    golden = load_file(FIXTURES / "peft-golden.safetensors")
    failed = 0
    for name in sorted(key.removesuffix(".tokens") for key in golden if key.endswith(".tokens")):
        adapter = FIXTURES / f"peft-{name}"
        base = FIXTURES / json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            output = folder / "mlx"
            result = subprocess.run([tina, "convert", adapter, output, "--to", "mlx", "--base", base],
                                    capture_output=True, text=True)
            if result.returncode != 0 or name in REFUSED:
                isRight = (result.returncode != 0) == (name in REFUSED)
                failed += not isRight
                print(f"{name:16} {'refused' if result.returncode else 'written'}"
                      + ("" if isRight else ": " + result.stderr))
                continue
            copy = folder / "base"
            copy.mkdir()
            shutil.copy(base / "model.safetensors", copy)
            old = base / "config-4.json"
            config = json.loads((old if old.exists() else base / "config.json").read_text())
            # mlx-lm's Qwen2 reads the rotary base of transformers 4 only, and takes its own default otherwise.
            config.setdefault("rope_theta", config.get("rope_parameters", {}).get("rope_theta", 10000))
            (copy / "config.json").write_text(json.dumps(config))
            tokens = golden[name + ".tokens"].tolist()
            expected = golden[name + ".logits"]
            spread = expected.max() - expected.min()
            found = logits(copy, tokens, output)[-len(expected):]
            plain = logits(copy, tokens)[-len(expected):]
            apart = np.abs(found - expected).max() / spread
            without = np.abs(plain - expected).max() / spread
            isRight = apart <= LIMIT < without / 10
            failed += not isRight
            print(f"{name:16} {apart:.1e} of the range from PEFT's logits, {without:.1e} without the adapter"
                  + ("" if isRight else ": FAILED"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1])
