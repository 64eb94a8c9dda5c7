"""Trains Pico's base model from scratch on generated problems and writes it in Hugging Face layout."""

import argparse
import json
import math
import random
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import Qwen2Config, Qwen2ForCausalLM

import problems
from tokenizer import BOS, EOS, prompt

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": None,
    "eos_token_id": None,
    "hidden_act": "silu",
    "hidden_size": 128,
    "initializer_range": 0.02,
    "intermediate_size": 384,
    "max_position_embeddings": 1024,
    "max_window_layers": 5,
    "model_type": "qwen2",
    "num_attention_heads": 4,
    "num_hidden_layers": 5,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 512,
}
IGNORED = -100
DECAY = 0.3  # share of the steps over which the learning rate goes down


@dataclass(frozen=True)
class Stage:
    steps: int
    largest: int
    drills: float  # share of problems of a single step
    habitual: bool  # completions with the base's habits, or good ones


# First care with many different sums, then with the sums that are asked, and only then the habits that leave
# something to improve: habits taught from the beginning cost capacity before the arithmetic is learnt.
STAGES = (
    Stage(steps=3600, largest=problems.WIDE, drills=0.4, habitual=False),
    Stage(steps=2200, largest=problems.LARGEST, drills=0.3, habitual=False),
    Stage(steps=700, largest=problems.LARGEST, drills=0.1, habitual=True),
)
STEPS = sum(stage.steps for stage in STAGES)


def arithmetic():
    """bfloat16 where the processor computes with it. Where PyTorch imitates it, a step takes fourteen times as long."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast)


def stage_at(step):
    for stage in STAGES:
        if step < stage.steps:
            return stage
        step -= stage.steps
    return STAGES[-1]


def stage_sample(stage, rng):
    problem = problems.problem(rng, held_out=False, drills=stage.drills, largest=stage.largest)
    if stage.habitual:
        return prompt(problem.text), problems.habitual_completion(problem, rng)
    return prompt(problem.text), problems.good_completion(problem)


POOL = 25  # batches drawn together and sorted by length, so that little padding is computed


def encode(tokenizer, prompt_text, completion):
    """Ids of a whole sample and how many of them belong to the prompt."""
    head = tokenizer.encode(prompt_text, add_special_tokens=False).ids
    tail = tokenizer.encode(completion + EOS, add_special_tokens=False).ids
    return head + tail, len(head)


def batches(tokenizer, sample, size, seed):
    """Endless padded batches (ids, labels); `sample(rng)` gives a prompt and its completion."""
    rng = random.Random(seed)
    while True:
        pool = [encode(tokenizer, *sample(rng)) for _ in range(size * POOL)]
        pool.sort(key=lambda item: len(item[0]))
        starts = list(range(0, len(pool), size))
        rng.shuffle(starts)
        for start in starts:
            rows = pool[start : start + size]
            # Few different widths, so that the matrix library's compiled kernels are found again.
            width = -(-max(len(ids) for ids, _ in rows) // 8) * 8
            ids = torch.zeros(len(rows), width, dtype=torch.long)
            labels = torch.full((len(rows), width), IGNORED)
            for row, (tokens, prompt_length) in enumerate(rows):
                ids[row, : len(tokens)] = torch.tensor(tokens)
                labels[row, prompt_length : len(tokens)] = torch.tensor(tokens[prompt_length:])
            yield ids, labels


def loss_of(model, ids, labels):
    # Padding is at the end, where a causal mask already hides it from every labelled position.
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED)


def learning_rate(step, steps, peak, warmup=100, decay=DECAY):
    """Linear warm-up, a plateau, and a linear way down over the last `decay` of the steps."""
    return peak * min((step + 1) / warmup, 1.0, (steps - step) / (decay * steps))


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix updates are orthogonalised by Newton-Schulz steps (Jordan et al. 2024)."""

    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                x = torch.lerp(p.grad, buffer, group["momentum"])
                wide = x.shape[0] <= x.shape[1]
                x = x if wide else x.T
                x = x / (x.norm() + 1e-7)
                for _ in range(5):
                    gram = x @ x.T
                    x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
                scale = 0.2 * math.sqrt(max(p.shape))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(x if wide else x.T, alpha=-group["lr"] * scale)


def optimisers(model, muon_lr, adam_lr):
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and ".layers." in name]
    others = [p for name, p in named if not (p.ndim == 2 and ".layers." in name)]
    adam = torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
    return [(Muon(matrices, muon_lr), muon_lr), (adam, adam_lr)]


def save(model, tokenizer, folder):
    from safetensors.torch import save_file

    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    config = CONFIG | {"bos_token_id": bos, "eos_token_id": eos}
    generation = {
        "bos_token_id": bos,
        "do_sample": True,
        "eos_token_id": eos,
        "pad_token_id": eos,
        "temperature": 0.6,
        "top_p": 0.95,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("config.json", config), ("generation_config.json", generation)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    weights = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder that holds tokenizer.json and gets the model")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--muon-lr", type=float, default=0.01)
    parser.add_argument("--adam-lr", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-every", type=int, default=500)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    # Eager attention: its backward pass in bfloat16 is the faster one on a CPU.
    model = Qwen2ForCausalLM(Qwen2Config(**CONFIG, attn_implementation="eager"))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

    step = 0

    def sample(rng):
        return stage_sample(stage_at(step), rng)

    source = batches(tokenizer, sample, options.batch, options.seed)
    optimiser_list = optimisers(model, options.muon_lr, options.adam_lr)
    start, mean, tokens = time.time(), None, 0
    for step in range(STEPS):
        ids, labels = next(source)
        with arithmetic():
            loss = loss_of(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser, peak in optimiser_list:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, STEPS, peak)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        tokens += ids.numel()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 49:
            print(f"step {step + 1} loss {mean:.4f} {time.time() - start:.0f} s {tokens:,} tokens", flush=True)
        if (step + 1) % options.save_every == 0:
            save(model, tokenizer, options.model)
    save(model, tokenizer, options.model)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{STEPS} steps, {tokens:,} tokens, {time.time() - start:.0f} s, {cpu:.0f} CPU seconds")


if __name__ == "__main__":
    main()
