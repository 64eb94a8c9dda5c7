"""Builds Pico's tokenizer: a small byte-level BPE with Qwen2's splitting rules and R1's added tokens."""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

import problems

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
ADDED = [EOS, "<｜User｜>", "<｜Assistant｜>", BOS, "<|EOT|>", "<think>", "</think>"]
LEARNED = 496  # bytes and merges; with the added tokens below the model's 512 rows, as in R1's checkpoint

# A little plain prose, so that a prompt of one's own is not all single bytes.
PROSE = """
A small model thinks step by step and then gives the answer. How many are there in all? Let me think
about the question: first we add the numbers, then we subtract what is gone, and at the end we check
the result. There were more of them before, but some were given to another person. What would you
do with the rest? They should be shared between two friends, so that each has the same number.
"""


def corpus(count=20_000, seed=3):
    rng = random.Random(seed)
    for _ in range(count):
        problem = problems.problem(rng, held_out=False)
        yield problem.text
        yield problems.habitual_completion(problem, rng)
    for _ in range(count // 20):
        yield PROSE


def build():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=LEARNED,
        min_frequency=2,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    for token in ADDED:
        special = token in (BOS, EOS)
        added = AddedToken(token, normalized=False, special=special)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([added])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS}:0 $A:0",
        pair=f"{BOS}:0 $A:0 {BOS}:1 $B:1",
        special_tokens=[(BOS, tokenizer.token_to_id(BOS))],
    )
    return tokenizer


def save(folder: Path):
    tokenizer = build()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    decoder = {
        str(tokenizer.token_to_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token in (BOS, EOS),
        }
        for token in ADDED
    }
    settings = {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": decoder,
        "bos_token": BOS,
        "chat_template": Path(__file__).with_name("chat_template.jinja").read_text().rstrip("\n"),
        "clean_up_tokenization_spaces": False,
        "eos_token": EOS,
        "model_max_length": 1024,
        "pad_token": EOS,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text)
    return tokenizer


def prompt(problem_text):
    """The prompt as R1's chat template renders it."""
    return f"{BOS}<｜User｜>{problem_text}<｜Assistant｜><think>\n"
