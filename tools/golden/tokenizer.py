#!/usr/bin/env python3
"""Makes Tests/TokenizationTests/Fixtures: a small byte-level tokenizer with Qwen2's rules, trained on generated
texts, and what Hugging Face tokenizers makes of a few hundred texts with it.

  python tools/golden/tokenizer.py        needs tools/requirements.txt
"""
import json
import pathlib
import random

import texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Tests/TokenizationTests/Fixtures"
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
ADDED = [
    AddedToken("<｜end▁of▁sentence｜>", special=True, normalized=False),
    AddedToken("<｜User｜>", special=False, normalized=False),
    AddedToken("<｜Assistant｜>", special=False, normalized=False),
    AddedToken("<｜begin▁of▁sentence｜>", special=True, normalized=False),
    AddedToken("<think>", special=False, normalized=False),
    AddedToken("</think>", special=False, normalized=False),
    AddedToken("<left>", special=False, normalized=False, lstrip=True),
    AddedToken("<right>", special=True, normalized=False, rstrip=True),
    AddedToken("word", special=False, normalized=False, single_word=True),
    AddedToken("n\u00f1n", special=False, normalized=True),
]

tokenizer = Tokenizer(models.BPE())
tokenizer.normalizer = normalizers.NFC()
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train_from_iterator(texts.texts(4000, seed=1), trainers.BpeTrainer(
    vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
for token in ADDED:
    (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
bos = tokenizer.token_to_id("<｜begin▁of▁sentence｜>")
tokenizer.post_processor = processors.TemplateProcessing(
    single="<｜begin▁of▁sentence｜> $A", special_tokens=[("<｜begin▁of▁sentence｜>", bos)])
FIXTURES.mkdir(parents=True, exist_ok=True)
tokenizer.save(str(FIXTURES / "tokenizer.json"))

rng = random.Random(2)
cases = []
extra = ["a <left> b", "a <right> b", "word words a word.", "sword", "xn\u00f1nx", "xnn\u0303nx", "  <left>",
         "<right>  "]
for text in texts.texts(250, seed=3) + extra:
    ids = tokenizer.encode(text).ids
    cases.append(dict(text=text, ids=ids, decoded=tokenizer.decode(ids, skip_special_tokens=False),
                      skipped=tokenizer.decode(ids)))
for _ in range(60):  # malformed UTF-8
    pool = [0x41, 0x80, 0xBF, 0xC3, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0xFF, 0xED, 0xA0, 0xF4, 0x90, 0xE0]
    data = bytes(rng.choice(pool)
                 for _ in range(rng.randrange(1, 12)))
    ids = tokenizer.encode(data.decode("utf-8", errors="replace")).ids
    cases.append(dict(bytes=list(data), ids=ids, decoded=tokenizer.decode(ids, skip_special_tokens=False)))
for _ in range(60):  # ids in any order: halves of characters beside each other
    ids = [rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randrange(1, 12))]
    cases.append(dict(decode=ids, decoded=tokenizer.decode(ids, skip_special_tokens=False),
                      skipped=tokenizer.decode(ids)))
(FIXTURES / "golden.json").write_text(json.dumps(cases, ensure_ascii=True, separators=(",", ":")))
