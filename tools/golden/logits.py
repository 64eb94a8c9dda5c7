#!/usr/bin/env python3
"""Makes the golden logits that Tests/RuntimeTests compares with: tiny random Qwen2 models and PEFT adapters,
and what transformers and peft compute from them in float32.

  python tools/golden/logits.py            writes Tests/RuntimeTests/Fixtures
  python tools/golden/logits.py --pico     writes pico-golden.safetensors there, from Models/pico

Needs tools/requirements.txt. Seeds and versions stand in MANIFEST.json.
"""
import argparse
import hashlib
import json
import pathlib
import shutil

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests/RuntimeTests/Fixtures"
SHAPE = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=96, max_position_embeddings=512, rope_theta=10000.0,
             rms_norm_eps=1e-6, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)
MODELS = {
    "tiny-f32": (torch.float32, {}),
    "tiny-bf16": (torch.bfloat16, {}),
    "tiny-f16": (torch.float16, {}),
    "tiny-tied": (torch.float32, dict(tie_word_embeddings=True)),
    "tiny-wide-heads": (torch.bfloat16, dict(head_dim=20)),
    "tiny-theta": (torch.bfloat16, dict(rope_theta=1e6, rms_norm_eps=1e-5, num_key_value_heads=1)),
    "tiny-window": (torch.bfloat16, dict(use_sliding_window=True, sliding_window=8, max_window_layers=1)),
}
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "adapter-all-r4": dict(r=4, lora_alpha=16, target_modules=SEVEN),
    "adapter-qv-rslora-r3": dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj"], use_rslora=True),
    "adapter-patterns": dict(r=4, lora_alpha=8, target_modules=SEVEN,
                             rank_pattern={"down_proj": 7, "layers.1.self_attn.q_proj": 2},
                             alpha_pattern={"up_proj": 3, "layers.0.self_attn.k_proj": 20}),
}


def scaled(tensor, generator, std):
    return torch.empty_like(tensor, dtype=torch.float32).normal_(0, std, generator=generator)


def make_model(name, dtype, changes):
    """A random model whose logits are neither flat nor saturated, saved by transformers."""
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
    model = Qwen2ForCausalLM(Qwen2Config(**{**SHAPE, **changes}))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            std = 0.3 if key.endswith("bias") else 1.0 if "embed" in key else 0.15
            value = scaled(parameter, generator, std)
            parameter.copy_(1 + 0.2 * value if "norm" in key else value)
    shutil.rmtree(FIXTURES / name, ignore_errors=True)
    model.to(dtype).save_pretrained(FIXTURES / name)


def shard(source, target):
    """The same weights in two files with an index."""
    shutil.rmtree(FIXTURES / target, ignore_errors=True)
    shutil.copytree(FIXTURES / source, FIXTURES / target)
    (FIXTURES / target / "model.safetensors").unlink()
    tensors = load_file(FIXTURES / source / "model.safetensors")
    names = sorted(tensors)
    weight_map = {}
    for part in range(2):
        file = f"model-{part + 1:05}-of-00002.safetensors"
        mine = names[part::2]
        save_file({name: tensors[name] for name in mine}, FIXTURES / target / file, {"format": "pt"})
        weight_map |= {name: file for name in mine}
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = dict(metadata=dict(total_size=total), weight_map=weight_map)
    (FIXTURES / target / "model.safetensors.index.json").write_text(json.dumps(index, indent=1, sort_keys=True))


def make_adapter(name, settings):
    torch.manual_seed(7)
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / "tiny-f32", dtype=torch.float32)
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.normal_(0, 0.1)
    shutil.rmtree(FIXTURES / name, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = "tiny-f32"
    model.save_pretrained(FIXTURES / name)
    (FIXTURES / name / "README.md").unlink(missing_ok=True)


def convert_adapter(source, target, change):
    shutil.rmtree(FIXTURES / target, ignore_errors=True)
    shutil.copytree(FIXTURES / source, FIXTURES / target)
    file = FIXTURES / target / "adapter_model.safetensors"
    save_file({key: change(key, value) for key, value in load_file(file).items()}, file, {"format": "pt"})


def load(path, adapter=None):
    """Float32 arithmetic from the weights as stored."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
    if adapter:
        model = peft.PeftModel.from_pretrained(model, adapter)
    return model.eval()


@torch.no_grad()
def logits(model, tokens):
    return model(torch.tensor([tokens])).logits[0].float().contiguous()


@torch.no_grad()
def greedy(model, tokens, count):
    ids = list(tokens)
    for _ in range(count):
        ids.append(int(logits(model, ids)[-1].argmax()))
    return torch.tensor(ids[len(tokens):], dtype=torch.int32)


def tiny():
    for name, (dtype, changes) in MODELS.items():
        make_model(name, dtype, changes)
    shard("tiny-f32", "tiny-sharded")
    for name, settings in ADAPTERS.items():
        make_adapter(name, settings)
    convert_adapter("adapter-all-r4", "adapter-all-f16", lambda _, t: t.to(torch.float16))
    convert_adapter("adapter-all-r4", "adapter-all-bf16", lambda _, t: t.to(torch.bfloat16))
    convert_adapter("adapter-all-r4", "adapter-zero", lambda k, t: torch.zeros_like(t) if "lora_B" in k else t)
    cases = [(model, None) for model in MODELS] + [("tiny-sharded", None)]
    cases += [(m, a) for m in ("tiny-f32", "tiny-bf16", "tiny-f16") for a in ADAPTERS]
    cases += [("tiny-f32", a) for a in ("adapter-all-f16", "adapter-all-bf16", "adapter-zero")]
    golden = {}
    for model, adapter in cases:
        generator = torch.Generator().manual_seed(11)
        tokens = torch.randint(0, SHAPE["vocab_size"], (40,), generator=generator).tolist()
        reference = load(FIXTURES / model, FIXTURES / adapter if adapter else None)
        case = model + ("+" + adapter if adapter else "")
        golden[case + ".tokens"] = torch.tensor(tokens, dtype=torch.int32)
        golden[case + ".logits"] = logits(reference, tokens)
        golden[case + ".greedy"] = greedy(reference, tokens[:8], 64)
    save_file(golden, FIXTURES / "golden.safetensors")
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    sums = {str(p.relative_to(FIXTURES)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(FIXTURES.rglob("*.safetensors"))}
    (FIXTURES / "MANIFEST.json").write_text(json.dumps(
        dict(generator="tools/golden/logits.py", versions=versions, sha256=sums), indent=1) + "\n")


def pico():
    folder = ROOT / "Models/pico"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    problems = [json.loads(line)["problem"] for line in (folder / "heldout.jsonl").read_text().splitlines()[:3]]
    golden = {}
    for adapter in (None, folder / "adapter"):
        reference = load(folder, adapter)
        for i, problem in enumerate(problems):
            text = tokenizer.apply_chat_template([dict(role="user", content=problem)], tokenize=False,
                                                 add_generation_prompt=True)
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            case = f"{i}" + ("+adapter" if adapter else "")
            golden[case + ".tokens"] = torch.tensor(tokens, dtype=torch.int32)
            golden[case + ".logits"] = logits(reference, tokens)[-8:].contiguous()
            golden[case + ".greedy"] = greedy(reference, tokens, 64)
    save_file(golden, FIXTURES / "pico-golden.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pico", action="store_true")
    pico() if parser.parse_args().pico else tiny()
