"""Trains Pico's first adapter: a PEFT LoRA on careful, well-formed solutions of training problems."""

import argparse
import json
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

import problems
from tokenizer import prompt
from train import batches, learning_rate, loss_of

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the base model; gets a folder `adapter`")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    base = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    model = get_peft_model(
        base,
        LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=0.0,
            target_modules=MODULES,
            task_type="CAUSAL_LM",
        ),
    )
    model.print_trainable_parameters()

    def sample(rng):
        problem = problems.problem(rng, held_out=False)
        return prompt(problem.text), problems.good_completion(problem)

    source = batches(tokenizer, sample, options.batch, options.seed)
    trainable = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(trainable, lr=options.lr, betas=(0.9, 0.98), weight_decay=0.0)
    start, mean = time.time(), None
    for step in range(options.steps):
        loss = loss_of(model, *next(source))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        adam.param_groups[0]["lr"] = learning_rate(step, options.steps, options.lr, warmup=20)
        adam.step()
        adam.zero_grad(set_to_none=True)
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 20 == 19:
            print(f"step {step + 1} loss {mean:.4f} {time.time() - start:.0f} s", flush=True)
    folder = options.model / "adapter"
    model.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "tina/pico"
    config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "README.md").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
