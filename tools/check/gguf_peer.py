#!/usr/bin/env python3
"""Compares Tina's GGUF files, and what it computes on them, with llama.cpp.

  files      tina quantize's files against those of llama.cpp's converter and quantiser: types, bytes, metadata
  documents  writes Pico's own answers to its held-out problems, then its training problems, for `perplexity`
  perplexity of documents, by Tina and by llama.cpp, on the same files
  merged     tina merge's directory in transformers, and its weights against PEFT's merge_and_unload

usage: gguf_peer.py files MODEL --tina TINA --llama LLAMA.CPP [--types T,T] [--work DIR]
       gguf_peer.py documents OUT.jsonl --tina TINA [--count N] [--words TOKENIZER.JSON]
       gguf_peer.py perplexity FILE.gguf [FILE.gguf ...] --documents FILE.jsonl --tina TINA
       gguf_peer.py merged MODEL ADAPTER --tina TINA [--work DIR]

LLAMA.CPP is a source tree (for convert_hf_to_gguf.py and its gguf-py). Needs llama-cpp-python for `files` and
`perplexity`, torch, transformers and peft for `merged`, the converter's packages for `files`. Each prints one line a
comparison and exits 1 if one fails.
"""
import argparse
import ctypes
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

CODES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16,
         "Q5_K_M": 17, "Q6_K": 18, "BF16": 32}
# What the converter takes from a README, or guesses: nothing that a program computes with.
IGNORED = ["general.license", "general.tags", "general.name", "general.basename", "general.finetune",
           "general.base_model", "general.languages", "general.datasets", "general.author", "general.organization",
           "general.version", "tokenizer.ggml.add_sep_token", "general.quantized_by"]
failures = 0


def tell(good, text):
    """True and False are a check that holds or fails, None is no check."""
    global failures
    failures += good is False
    print({True: "ok    ", False: "FAIL  ", None: "      "}[good] + text, flush=True)


def run_tina(tina, *arguments, stdin=None):
    result = subprocess.run([tina, *map(str, arguments)], input=stdin, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"tina {' '.join(map(str, arguments))}: {result.stderr}")
    return result.stdout


# ---- files ---------------------------------------------------------------------------------

CONVERTER = """
import runpy, sys
tree = sys.argv[1]
sys.path[:0] = [tree, tree + "/gguf-py"]
from conversion import base
# The converter knows tokenizers by a hash of what they do with a text, and Pico's vocabulary is its own.
def family(self, tokenizer):
    text = "a"
    adds = tokenizer.encode(text) != tokenizer.encode(text, add_special_tokens=False)
    return "deepseek-r1-qwen" if adds else "qwen2"
base.TextModel.get_vocab_base_pre = family
sys.argv = ["convert"] + sys.argv[2:]
runpy.run_path(tree + "/convert_hf_to_gguf.py", run_name="__main__")
"""


def files(options):
    import gguf
    import llama_cpp
    import numpy as np

    llama_cpp.llama_log_set(SILENT, ctypes.c_void_p(0))
    work = pathlib.Path(options.work or tempfile.mkdtemp())
    source = work / "converted.gguf"
    if not source.exists():
        subprocess.run([options.python, "-c", CONVERTER, options.llama, options.model, "--outtype", "bf16", "--outfile",
                        str(source)], check=True, capture_output=True)
    for name in options.types.split(","):
        theirs, ours = work / f"llama-{name}.gguf", work / f"tina-{name}.gguf"
        parameters = llama_cpp.llama_model_quantize_default_params()
        parameters.ftype, parameters.nthread = CODES[name], 2
        if not theirs.exists() and llama_cpp.llama_model_quantize(str(source).encode(), str(theirs).encode(),
                                                                  ctypes.byref(parameters)) != 0:
            sys.exit(f"llama.cpp did not write {theirs}")
        run_tina(options.tina, "quantize", options.model, ours, "--type", name, "--force")
        a, b = gguf.GGUFReader(theirs), gguf.GGUFReader(ours)
        tensors = {t.name: t for t in b.tensors}
        differing = [t.name for t in a.tensors
                     if t.name not in tensors or tensors[t.name].tensor_type != t.tensor_type
                     or not np.array_equal(t.data.view(np.uint8), tensors[t.name].data.view(np.uint8))]
        same = len(a.tensors) == len(b.tensors) and not differing
        kinds = sorted({t.tensor_type.name for t in a.tensors})
        tell(same, f"{name}: {len(a.tensors)} tensors ({', '.join(kinds)}), {len(differing)} differ in type or bytes"
             + (": " + ", ".join(differing[:3]) if differing else ""))
        fields = lambda r: {k: (f.types, f.contents()) for k, f in r.fields.items()
                            if not k.startswith("GGUF.") and not any(k.startswith(i) for i in IGNORED)}
        x, y = fields(a), fields(b)
        keys = [k for k in sorted(x.keys() | y.keys()) if x.get(k) != y.get(k)]
        tell(not keys, f"{name}: metadata" + (" differs in " + ", ".join(keys) if keys else f", {len(x)} keys equal"))


# ---- perplexity ----------------------------------------------------------------------------

@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def SILENT(level, text, data):
    pass


def llama_scores(model, prompt, completion):
    """ln p of each token of the completion, by llama.cpp."""
    import numpy as np

    ids = prompt + completion
    model.reset()
    model.eval(ids)
    rows = np.asarray(model.scores[len(prompt) - 1:len(ids) - 1], dtype=np.float64)
    peak = rows.max(axis=1, keepdims=True)
    total = np.log(np.exp(rows - peak).sum(axis=1)) + peak[:, 0]
    return (rows[np.arange(len(completion)), completion] - total).tolist()


def perplexity(options):
    import llama_cpp

    llama_cpp.llama_log_set(SILENT, ctypes.c_void_p(0))
    documents = [json.loads(line) for line in pathlib.Path(options.documents).read_text().splitlines()]
    lines = "".join(json.dumps({k: d[k] for k in ("prompt", "completion")}) + "\n" for d in documents)
    for path in options.files:
        name = pathlib.Path(path).name
        model = open_llama(path, options.threads)
        prompts, completions = ([model.tokenize(d[k].encode(), add_bos=False, special=True) for d in documents]
                                for k in ("prompt", "completion"))
        theirs = [llama_scores(model, p, c) for p, c in zip(prompts, completions)]
        del model
        ours = tina_scores(options, path, lines, completions, options.activations)
        exact = tina_scores(options, path, lines, completions, "f32")
        compare(f"{name}:", "Tina", ours, "llama.cpp", theirs, options.bound)
        compare(f"{name}:", "Tina", ours, "Tina in float32", exact, None)
        if options.skip_exact:
            compare(f"{name}:", "llama.cpp", theirs, "Tina in float32", exact, None)
            continue
        # llama.cpp rounds activations to the weights' kind (bf16, or 8 bits a block); in float32 it does not. So the
        # same weights, dequantised, tell Tina's own error from llama.cpp's.
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/exact.gguf"
            run_tina(options.tina, "quantize", path, file, "--type", "F32")
            model = open_llama(file, options.threads)
            their_exact = [llama_scores(model, p, c) for p, c in zip(prompts, completions)]
            del model
        compare(f"{name}:", "llama.cpp", theirs, "llama.cpp in float32", their_exact, None)
        compare(f"{name}: in float32,", "Tina", exact, "llama.cpp", their_exact, options.exact_bound)


def compare(title, first_name, first, second_name, second, bound):
    """Perplexities of the same tokens, and whether they differ.

    Printed are the mean of ln p - ln p' over tokens, its standard error over documents (whose tokens depend on each
    other), and the spread of single tokens.

    ok if the difference is within the bound, two standard errors included. FAIL if it is beyond by as much. Else the
    text is too short to tell."""
    documents = [[x - y for x, y in zip(a, b, strict=True)] for a, b in zip(first, second, strict=True)]
    tokens = [x for d in documents for x in d]
    mean = sum(tokens) / len(tokens)
    error = math.sqrt(sum((sum(d) - mean * len(d)) ** 2 for d in documents)) / len(tokens)
    spread = math.sqrt(sum((x - mean) ** 2 for x in tokens) / len(tokens))
    p, q = (math.exp(-sum(map(sum, scores)) / len(tokens)) for scores in (first, second))
    good = None
    if bound is not None and (abs(mean) + 2 * error <= bound or abs(mean) - 2 * error > bound):
        good = abs(mean) <= bound
    tell(good, f"{title} perplexity of {len(tokens)} tokens in {len(documents)} documents: {first_name} {p:.5f}, "
         f"{second_name} {q:.5f}, {100 * (p / q - 1):+.3f} % +- {100 * error:.3f} % apart; a token's ln p differs by "
         f"{spread:.4f}")


def tina_scores(options, path, lines, completions, activations):
    scores = []
    answers = run_tina(options.tina, "score", path, "-", "--no-special", "--activations", activations, stdin=lines)
    for line, completion in zip(answers.splitlines(), completions, strict=True):
        result = json.loads(line)
        if result.get("ids") != completion:
            sys.exit(f"{path}: the two tokenise differently: {result.get('error') or result}")
        scores.append(result["logprobs"])
    return scores


def open_llama(path, threads):
    import llama_cpp

    return llama_cpp.Llama(path, n_ctx=1024, n_batch=512, n_threads=threads,
                           n_threads_batch=threads, logits_all=True, verbose=False)


def documents(options):
    """Pico's own answers to problems, drawn at temperature 1: a text that it has an opinion on."""
    root = pathlib.Path(__file__).resolve().parents[2]
    if options.words:
        # Random weights have no answers. Words of the vocabulary keep errors of few logits from counting again and
        # again.
        tokens = json.loads(pathlib.Path(options.words).read_text())["model"]["vocab"]
        words = sorted(t[1:] for t in tokens if t[0] == "\u0120" and t[1:].isascii() and t[1:].isalpha())
        draw = random.Random(0)
        with open(options.out, "w") as file:
            for _ in range(options.count):
                text = "".join(" " + w for w in draw.choices(words, k=100))
                file.write(json.dumps({"prompt": "The", "completion": text}) + "\n")
        return
    files = [root / f"Models/pico/{name}.jsonl" for name in ("heldout", "train")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    problems = [json.loads(lines[i % len(lines)])["problem"] for i in range(options.count)]
    lines = "".join(json.dumps({"prompt": p, "seed": i}) + "\n" for i, p in enumerate(problems))
    answers = run_tina(options.tina, "run", root / "Models/pico", "--jsonl", "-", "--temperature", "1", "--max-tokens",
                       "400", stdin=lines).splitlines()
    with open(options.out, "w") as file:
        for problem, answer in zip(problems, answers, strict=True):
            prompt = f"<｜begin▁of▁sentence｜><｜User｜>{problem}<｜Assistant｜>"
            file.write(json.dumps({"prompt": prompt, "completion": json.loads(answer)["text"]}) + "\n")


# ---- merged --------------------------------------------------------------------------------

def merged(options):
    import torch
    from peft import PeftModel
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    work = pathlib.Path(options.work or tempfile.mkdtemp())
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    peft = PeftModel.from_pretrained(model, options.adapter).merge_and_unload()
    reference = dict(peft.state_dict())
    for name, kind in dtype.items():
        out = work / f"merged-{name}"
        run_tina(options.tina, "merge", options.model, options.adapter, out, "--dtype", name, "--accept-loss",
                 "--force")
        worst, where, equal, count, touched = 0.0, "", 0, 0, 0
        for path in sorted(out.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                for key in file.keys():
                    ours, theirs = file.get_tensor(key), reference[key].to(kind)
                    assert ours.dtype == kind and ours.shape == theirs.shape, key
                    same = ours == theirs
                    equal, count, touched = equal + int(same.sum()), count + ours.numel(), touched + 1
                    if same.all():
                        continue
                    a, b = ours.float(), theirs.float()
                    if kind == torch.float32:  # relative to the largest of the tensor
                        steps = float((a - b).abs().max() / b.abs().max()) * 2**23
                    else:  # spacings of bf16 at the larger of the two
                        largest = torch.maximum(a.abs(), b.abs())
                        spacing = torch.exp2(torch.floor(torch.log2(largest)) - 7)
                        steps = float(((a - b).abs() / spacing).nan_to_num().max())
                    if steps > worst:
                        worst, where = steps, key
        tell(worst <= (4 if name == "f32" else 1),
             f"{name}: {touched} tensors, {100 * equal / count:.4f} % of {count} weights have PEFT's bits, at most "
             f"{worst:.2f} ulp {'of the largest weight ' if name == 'f32' else ''}away {where}")
        if options.skip_logits:
            continue
        loaded = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
        ids = torch.arange(1, 33).unsqueeze(0) % loaded.config.vocab_size
        with torch.no_grad():
            theirs = peft(ids).logits
            away = float((loaded(ids).logits - theirs).abs().max() / (theirs.max() - theirs.min()))
        tell(away < (1e-5 if name == "f32" else 0.1),
             f"{name}: loaded in transformers, logits {away:.2e} of their range from PEFT's merge in float32")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = parser.add_subparsers(dest="command", required=True)
for name in ["files", "documents", "perplexity", "merged"]:
    command = commands.add_parser(name)
    command.add_argument("--tina", default=".build/release/tina")
    if name == "perplexity":
        command.add_argument("files", nargs="+")
        command.add_argument("--documents", required=True)
        command.add_argument("--bound", type=float, default=1e-3)
        command.add_argument("--activations", default="int8",
                             help="Tina's; bf16 is what llama.cpp does with BF16 weights")
        command.add_argument("--threads", type=int, default=2, help="of llama.cpp")
        command.add_argument("--skip-exact", action="store_true", help="do not dequantise (large models)")
        command.add_argument("--exact-bound", type=float, default=1e-3)
        continue
    if name == "documents":
        command.add_argument("out")
        command.add_argument("--count", type=int, default=100)
        command.add_argument("--words",
                             help="a tokenizer.json: random words of it instead, for models of random weights")
        continue
    command.add_argument("model")
    command.add_argument("--work")
    if name == "files":
        command.add_argument("--llama", required=True)
        command.add_argument("--python", default=sys.executable,
                             help="the interpreter that has the converter's packages")
        command.add_argument("--types", default=",".join(CODES))
    else:
        command.add_argument("adapter")
        command.add_argument("--skip-logits", action="store_true")
options = parser.parse_args()
if getattr(options, "work", None):
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
{"files": files, "documents": documents, "perplexity": perplexity, "merged": merged}[options.command](options)
sys.exit(1 if failures else 0)
