"""Compares `tina pull` with huggingface_hub, over one cache, against a hub on this machine.

    python tools/check/hub_cache.py [TINA]      needs huggingface_hub, transformers and peft; two minutes

What one has fetched, the other must find, offline, both ways; the caches must be the same, link for link. Pico and its
adapter are what is served.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

import hub_server
from programs import PICO, find_program

TINA = os.path.abspath(find_program(sys.argv[1] if len(sys.argv) > 1 else None))
PROMPT = "What is 12 + 3 * 4?"
failures = 0


def check(what, right, detail=""):
    global failures
    print(("ok    " if right else "WRONG ") + what + ("" if right else f": {detail}"), flush=True)
    failures += not right


def environment(home, **more):
    base = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return base | {"HF_HOME": home, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                   "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"} | more


def tina(home, *arguments, **more):
    return subprocess.run([TINA, *arguments], env=environment(home, **more), capture_output=True, text=True,
                          timeout=300)


def python(home, program, **more):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(home, **more),
                          capture_output=True, text=True, timeout=300)


def tree(home):
    """Every link with its target, every blob with its bytes, every reference with its text."""
    found = {}
    root = os.path.join(home, "hub")
    for folder, folders, names in os.walk(root):
        for name in names + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, root)
            if any(part in key for part in (".locks", ".no_exist", "/trees/", "CACHEDIR.TAG")):
                continue
            found[key] = os.readlink(path) if os.path.islink(path) else open(path, "rb").read()
    return found


def main():
    work = tempfile.mkdtemp(prefix="tina-hub-")
    pico = PICO
    base = hub_server.Repository(pico)
    base.files = {path: data for path, data in base.files.items() if not path.startswith("adapter/")}
    base.files["pytorch_model.bin"] = b"\x80\x02not safe" * 2000
    base.files["flax/model.msgpack"] = b"x" * 20000
    adapter = hub_server.Repository(pico + "/adapter")
    adapter.files = {"checkpoint-50/" + path: data for path, data in adapter.files.items()}
    config = json.loads(adapter.files["checkpoint-50/adapter_config.json"])
    config["base_model_name_or_path"] = "tina-check/pico"
    adapter.files["checkpoint-50/adapter_config.json"] = json.dumps(config).encode()
    adapter.files["checkpoint-50/optimizer.pt"] = b"PK\x03\x04" * 9000
    hub = hub_server.FakeHub({"tina-check/pico": base, "tina-check/pico-lora": adapter})
    online = {"HF_ENDPOINT": hub.endpoint}
    offline = online | {"HF_HUB_OFFLINE": "1"}
    expected = subprocess.run([TINA, "run", pico, "--adapter", pico + "/adapter", "--greedy", "--json", PROMPT],
                              capture_output=True, text=True, check=True).stdout
    text = json.loads(expected)["text"]

    # tina first.
    ours = work + "/ours"
    result = tina(ours, "pull", "tina-check/pico-lora/checkpoint-50", "--json", **online)
    check("tina pull", result.returncode == 0, result.stderr)
    pulled = json.loads(result.stdout)
    check("an adapter brings its base", pulled["base"] and pulled["base"]["name"] == "tina-check/pico", result.stdout)
    check("pickles are left out, and told", "optimizer.pt" in result.stderr and "pytorch_model.bin" in result.stderr)
    result = python(ours, """
        import os, sys
        from huggingface_hub import hf_hub_download, snapshot_download, scan_cache_dir, try_to_load_from_cache
        path = snapshot_download("tina-check/pico")
        there = os.listdir(path)
        assert max(there) == "train.jsonl" or "model.safetensors" in there, there
        assert hf_hub_download("tina-check/pico", "model.safetensors") == path + "/model.safetensors"
        assert hf_hub_download("tina-check/pico-lora", "adapter_config.json", subfolder="checkpoint-50")
        report = scan_cache_dir()
        assert not report.warnings, report.warnings
        assert {r.repo_id for r in report.repos} == {"tina-check/pico", "tina-check/pico-lora"}, report
        print(type(try_to_load_from_cache("tina-check/pico", "chat_template.jinja")).__name__)
        """, **offline)
    check("huggingface_hub finds it offline, and scans it without a warning", result.returncode == 0, result.stderr)
    check("it knows which file is not there", result.stdout.strip() == "object", result.stdout)
    result = python(ours, """
        import torch
        from huggingface_hub import snapshot_download
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from peft import PeftModel
        tokenizer = AutoTokenizer.from_pretrained("tina-check/pico")
        model = AutoModelForCausalLM.from_pretrained("tina-check/pico", dtype=torch.float32)
        # Offline, peft 0.21 puts a subfolder before the file's name twice; so by path.
        model = PeftModel.from_pretrained(model, snapshot_download("tina-check/pico-lora") + "/checkpoint-50")
        ids = tokenizer("1 + 1", return_tensors="pt").input_ids
        assert torch.isfinite(model(ids).logits).all()
        print(model.peft_config["default"].base_model_name_or_path)
        """, **offline)
    check("transformers and peft load it offline", result.returncode == 0, result.stderr[-2000:])
    seen = len(hub.requests)
    result = tina(ours, "run", "--adapter", "tina-check/pico-lora/checkpoint-50", "--greedy", "--json", PROMPT,
                  **online)
    check("tina run by names, the base from the adapter", result.returncode == 0 and
          json.loads(result.stdout)["text"] == text, result.stderr)
    check("without a question to the hub", len(hub.requests) == seen, hub.requests[seen:])

    # huggingface_hub first.
    theirs = work + "/theirs"
    result = python(theirs, """
        from huggingface_hub import snapshot_download
        snapshot_download("tina-check/pico", ignore_patterns=["*.bin", "flax/*", "*.jsonl"])
        snapshot_download("tina-check/pico-lora", ignore_patterns=["*.pt"])
        """, **online)
    check("snapshot_download", result.returncode == 0, result.stderr)
    result = tina(theirs, "run", "tina-check/pico", "--adapter", "tina-check/pico-lora/checkpoint-50", "--greedy",
                  "--json", PROMPT, **offline)
    check("tina finds it offline", result.returncode == 0 and json.loads(result.stdout)["text"] == text, result.stderr)
    for command in (["verify", "tina-check/pico-lora/checkpoint-50"], ["inspect", "tina-check/pico-lora/checkpoint-50"],
                    ["diff", "tina-check/pico-lora/checkpoint-50", pico + "/adapter"]):
        result = tina(theirs, *command, **offline)
        check("tina " + command[0], result.returncode == 0, result.stderr + result.stdout)
    out = work + "/out.tina"
    result = tina(theirs, "convert", "tina-check/pico-lora/checkpoint-50", out, "--base", "tina-check/pico", **offline)
    check("tina convert", result.returncode == 0 and os.path.exists(out), result.stderr)
    result = tina(theirs, "merge", "tina-check/pico", "tina-check/pico-lora/checkpoint-50", work + "/merged",
                  "--dtype", "f32", **offline)
    check("tina merge", result.returncode == 0, result.stderr)
    lines = subprocess.run([TINA, "tokenize", "tina-check/pico", "-"], input='{"text": "1 + 1"}\n',
                           env=environment(theirs, **offline), capture_output=True, text=True)
    check("tina tokenize", lines.returncode == 0 and '"ids"' in lines.stdout, lines.stderr)

    # transformers' own way: file by file, with marks of what is not there.
    loaded = work + "/loaded"
    result = python(loaded, """
        from transformers import AutoModelForCausalLM, AutoTokenizer
        AutoTokenizer.from_pretrained("tina-check/pico")
        AutoModelForCausalLM.from_pretrained("tina-check/pico")
        """, **online)
    check("from_pretrained", result.returncode == 0, result.stderr[-2000:])
    result = tina(loaded, "run", "tina-check/pico", "--greedy", "--json", PROMPT, **offline)
    check("tina runs what transformers fetched, offline", result.returncode == 0, result.stderr)

    # The same files, the same cache.
    same = work + "/same"
    result = tina(same, "pull", "tina-check/pico", "tina-check/pico-lora/checkpoint-50", "--no-base", **online)
    check("tina pull of both", result.returncode == 0, result.stderr)
    twin = work + "/twin"
    pulled = lambda name: json.loads(tina(same, "pull", name, "--no-base", "--json", **online).stdout)
    names = [sorted(f["path"] for f in pulled(name)["files"])
             for name in ("tina-check/pico", "tina-check/pico-lora/checkpoint-50")]
    result = python(twin, f"""
        from huggingface_hub import snapshot_download
        snapshot_download("tina-check/pico", allow_patterns={names[0]!r})
        snapshot_download("tina-check/pico-lora", allow_patterns={names[1]!r})
        """, **online)
    check("snapshot_download of the same files", result.returncode == 0, result.stderr)
    check("both caches are equal, link for link", tree(same) == tree(twin),
          sorted(tree(same).keys() ^ tree(twin).keys()))

    # Both at once, on one cache, over a slow line.
    hub.delay = 0.002
    both = work + "/both"
    programs = []
    for i in range(4):
        if i % 2:
            programs.append(subprocess.Popen([TINA, "pull", "tina-check/pico"], env=environment(both, **online),
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        else:
            program = (f'from huggingface_hub import snapshot_download as s; '
                       f's("tina-check/pico", allow_patterns={names[0]!r})')
            programs.append(subprocess.Popen([sys.executable, "-c", program], env=environment(both, **online),
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    ends = [(p.communicate()[1], p.returncode) for p in programs]
    check("four programs at once", all(code == 0 for _, code in ends), ends)
    pico_only = {k: v for k, v in tree(twin).items() if "pico-lora" not in k}
    check("leave one cache, the same", tree(both) == pico_only, sorted(tree(both).keys() ^ pico_only.keys()))

    # Killed again and again.
    hub.delay = 0.01
    killed = work + "/killed"
    whole = tree(twin)
    for i in range(30):
        program = subprocess.Popen([TINA, "pull", "tina-check/pico"], env=environment(killed, **online),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.05 + 0.02 * i)
        program.kill()
        program.wait()
        now = tree(killed)
        wrong = [k for k, v in now.items() if not k.endswith(".incomplete") and ".tmp" not in k and whole.get(k) != v]
        if wrong:
            check(f"killed after {0.05 + 0.02 * i:.2f} s", False, wrong)
            break
        has_snapshot = any("/snapshots/" in k and ".tmp/" not in k for k in now)
        if has_snapshot and not all(k in now for k in pico_only if "/snapshots/" in k):
            check("a snapshot is whole or absent", False, sorted(now))
            break
    hub.delay = 0
    result = tina(killed, "pull", "tina-check/pico", **online)
    check("killed 30 times, then whole", result.returncode == 0 and
          {k: v for k, v in tree(killed).items() if ".tmp" not in k} == pico_only, result.stderr)

    # A tired hub and a bad line.
    tired = work + "/tired"
    weights = f"/tina-check/pico/resolve/{base.commit}/model.safetensors"
    hub.faults = {
        "/api/models/tina-check/pico/revision/main": [("status", 429, {"Retry-After": "1"}), ("status", 503)],
        weights: [("status", 500), ("cut", 200_000), ("cut", 100_000), ("status", 503)],
    }
    # The path is the same on both ports: the first fault is the hub's.
    result = tina(tired, "pull", "tina-check/pico", **online)
    check("through 429, 5xx and cut connections", result.returncode == 0 and tree(tired) == pico_only, result.stderr)
    hub.token = "hf_right"
    gated = work + "/gated"
    result = tina(gated, "pull", "tina-check/pico", **online)
    check("a gated repository is told", result.returncode == 1 and "HF_TOKEN" in result.stderr, result.stderr)
    result = tina(gated, "pull", "tina-check/pico", HF_TOKEN="hf_right", **online)
    check("a token opens it", result.returncode == 0, result.stderr)

    shutil.rmtree(work)
    print("all right" if not failures else f"{failures} wrong")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
