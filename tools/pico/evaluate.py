"""Pass@1 and format rate of Pico on held-out problems, sampled with transformers."""

import argparse
import json
import math
import re
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MAX_NEW_TOKENS = 128


def load(model_folder, adapter=None):
    tokenizer = AutoTokenizer.from_pretrained(model_folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    return model.eval(), tokenizer


def complete(model, tokenizer, problem_texts, greedy=False):
    """One completion a problem, without special tokens. The prompt's BOS comes from the template."""
    chats = [[{"role": "user", "content": text}] for text in problem_texts]
    rendered = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(rendered, add_special_tokens=False, padding=True, return_tensors="pt")
    sampling = (
        {"do_sample": False, "temperature": None, "top_p": None}
        if greedy
        else {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 0}
    )
    with torch.inference_mode():
        output = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=MAX_NEW_TOKENS,
            **sampling,
        )
    return tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def is_correct(completion, answer):
    boxes = re.findall(r"\\boxed\{(-?\d+)\}", completion)
    return bool(boxes) and int(boxes[-1]) == answer


def is_well_formed(completion):
    return completion.count("\n</think>\n") == 1


def measure(model, tokenizer, problems, samples, seed=0, batch=400):
    """(Pass@1, its standard error over problems, format rate, completions)."""
    torch.manual_seed(seed)
    asked = [p for p in problems for _ in range(samples)]
    completions = []
    for start in range(0, len(asked), batch):
        texts = [p["problem"] for p in asked[start : start + batch]]
        completions += complete(model, tokenizer, texts)
    correct = [is_correct(c, p["answer"]) for c, p in zip(completions, asked)]
    means = [sum(correct[i : i + samples]) / samples for i in range(0, len(correct), samples)]
    mean = sum(means) / len(means)
    error = math.sqrt(sum((m - mean) ** 2 for m in means) / len(means) / max(len(means) - 1, 1))
    return mean, error, sum(map(is_well_formed, completions)) / len(completions), completions


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", type=int, default=0, help="also print greedy answers to so many problems")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    lines = (options.model / "heldout.jsonl").read_text().splitlines()[: options.problems]
    problems = [json.loads(line) for line in lines]
    model, tokenizer = load(options.model, options.adapter)
    start = time.time()
    if options.samples > 0:
        passed, error, well_formed, completions = measure(
            model, tokenizer, problems, options.samples, options.seed
        )
        result = {
            "problems": len(problems),
            "samples": options.samples,
            "pass_at_1": round(passed, 4),
            "standard_error": round(error, 4),
            "format_rate": round(well_formed, 4),
            "mean_characters": round(sum(map(len, completions)) / len(completions), 1),
            "seconds": round(time.time() - start, 1),
        }
        print(json.dumps(result))
    shown = problems[: options.show]
    if shown:
        for p, text in zip(shown, complete(model, tokenizer, [p["problem"] for p in shown], greedy=True)):
            print(f"--- {p['id']}: {p['problem']} (answer {p['answer']})\n{text}")


if __name__ == "__main__":
    main()
