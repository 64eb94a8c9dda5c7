"""Seeded texts that try a tokenizer: code, mathematics, many scripts, emoji, control characters, special tokens."""
import random

POOLS = [
    "abcdefghijklmnopqrstuvwxyz ABC'sSdDtT reRE llLL veVE", "0123456789+-*/=().,\\frac{}$^_ ", "你好世界数学问题答案的是在",
    " \t\n\r\x0b\x0c\u3000\u00a0\u2028\x85", "مرحبا بالعالم ١٢٣", "😀👩\u200d👩\u200d👧🏳️\u200d🌈é\u0301e\u0301ñn\u0303가각ᄀ",
    "\x00\x01\x1f\x7f\u200b\ufeff\u00ad", "ſﬁﬆßİıǅⅷ½²①", "αβγΣςЖя", "'’ʼ‘`\"<>|｜▁", "हिन्दी ไทย தமிழ் ქართ",
    "def f(x):\n    return x ** 2  # {}[];\t", "\r\n \n\n   \n",
]
SPECIAL = ["<think>", "</think>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", " <think> ", "<|EOT|>", "<thin"]


def text(rng):
    if rng.random() < 0.1:
        ranges = [(0x20, 0x250), (0x250, 0xD7FF), (0xE000, 0x1FFFF)]
        return "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(1, 60)))
    pieces = []
    for _ in range(rng.randrange(1, 14)):
        pool = rng.choice(POOLS)
        word = "".join(rng.choice(pool) for _ in range(rng.randrange(1, 14)))
        pieces.append(word if rng.random() < 0.9 else rng.choice(SPECIAL))
    return "".join(pieces)


def texts(count, seed):
    rng = random.Random(seed)
    fixed = ["", " ", "\n", "'s", "it's", "IT'S", "'ſab", "x  \u3000 y", "a\r\n\r\n  b", "x   ", "  \n \t x",
             "\x85a", "e\u0301", "a" * 300, " " * 300, "ab" * 200, "1234567890" * 20,
             "<think>\n1 + 1 = 2\n</think>\n\\boxed{2}"]
    return (fixed + [text(rng) for _ in range(count)])[:count]
