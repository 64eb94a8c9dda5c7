#!/usr/bin/env python3
"""Makes Tests/TokenizationTests/Fixtures/styles: a small tokenizer in the style of each family, and what Hugging Face
tokenizers makes of hostile texts with it. One more is a GGUF file with scores, as SentencePiece's are.

  python tools/golden/tokenizer_styles.py        needs tools/requirements.txt
"""
import json
import pathlib

import gguf
import texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import generate_merges

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "Tests/TokenizationTests/Fixtures/styles"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
MARK = "\u2581"
TAGS = ["\n", "\n\n", "\n\n\n", "\t", "\t\t", "<table>", "</table>", "<td>"]
MARKS = ["<s>", "</s>", "<unk>", "<think>", "[INST]", "<|eot_id|>", "<start_of_turn>", "▁", "▁▁", "<0x41>", "<0x0A>"]


def hostile(count, seed):
    """Generated texts, with marks of every family in some of them."""
    made = []
    for i, text in enumerate(texts.texts(count, seed)):
        mark = MARKS[i % len(MARKS)]
        made.append(text if i % 3 else text[:len(text) // 2] + mark + text[len(text) // 2:])
    runs = [
        "a" * 60, " " * 70, "\n" * 7, "\t" * 5, " a" * 30, "▁" * 9, "1234567", "x1234 567y", "  12  3", " 1", "١٢٣٤",
        "it's IT'S we'LL 'S", "a\n\n b", "é" * 20, "😀" * 3, "\U000f1234", "<td> </table>\n\n\n\n", "  <s> x", "a<s>",
        " <s>", "<s>", "don't  \n 1 2  ", "\x04\x06", "½²Ⅻ 三"]
    return made + runs


def trained(tokenizer, size, alphabet, limit):
    tokenizer.train_from_iterator(texts.texts(1500, seed=1), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, limit_alphabet=limit, show_progress=False))
    return json.loads(tokenizer.to_str())["model"]


def byte_level(pre_tokenizer, ignore_merges, missing=()):
    """Byte-level BPE; `missing` bytes are no tokens, as in SmolLM2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    model = trained(tokenizer, 420, pre_tokenizers.ByteLevel.alphabet(), 256)
    vocab = {text: i for i, text in enumerate(t for t in model["vocab"] if t not in missing)}
    merges = [tuple(m) for m in model["merges"] if not any(c in "".join(m) for c in missing)]
    vocab = {t: i for i, t in enumerate(t for t in vocab if not any(c in t for c in missing))}
    tokenizer.model = models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|eot_id|>", "<s>"])
    return tokenizer


def with_bos(tokenizer, bos):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))])


def pieces():
    """Tokens as SentencePiece has them, best first, without those of bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(MARK, "merged_with_next")
    vocab = trained(tokenizer, 330, [], 64)["vocab"]
    single = [t for t in vocab if len(t) == 1]
    return [t for t in sorted(vocab, key=vocab.get) if len(t) > 1] + [MARK * 2, MARK * 3, "s>"] + sorted(single)


def scored():
    """(tokens, scores): the special ones, the bytes, and pieces; some scores are equal."""
    body = pieces()
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    scores = [0.0] * len(tokens)
    for i, piece in enumerate(body):
        tokens.append(piece)
        scores.append(-1e9 if piece.strip(MARK) == "" and len(piece) > 1 else float(-(i - i % 3)))
    return tokens, scores


def metaspace(style, tokens, scores):
    vocab = {t: i for i, t in enumerate(tokens)}
    special = ("<unk>", "<s>", "</s>")
    if style == "turns":  # each token has a score of its own, and its merges are in the order of their parts' ids
        scores = [0.0] * 259 + [1.0 if t.strip(MARK) == "" and len(t) > 1 else float(-i)
                                for i, t in enumerate(tokens[259:])]
    merged = {t: s for t, s in zip(tokens, scores) if not (t.startswith("<0x") or t in special)}
    # A merge may make a special token, which no message may spell with it.
    merges = generate_merges(vocab, merged)
    if style == "turns":
        rank = {t: i for i, t in enumerate(dict.fromkeys(a + b for a, b in merges))}
        runs = [m for m in merges if merged[m[0] + m[1]] == 1.0]
        merges = runs + sorted(merges[len(runs):], key=lambda m: (rank[m[0] + m[1]], vocab[m[0]], vocab[m[1]]))
    merges += ([("<", "s>")] if style == "first" else [])
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    strip = [decoders.Strip(" ", 1, 0)]
    if style in ("llama2", "legacy"):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    elif style == "first":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(MARK, prepend_scheme="first", split=False)
    elif style == "words":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(MARK, prepend_scheme="always", split=True)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", MARK)
        if style == "gemma":
            tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        strip = []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()] + strip)
    tokenizer.add_special_tokens([AddedToken(t, normalized=style == "legacy") for t in special])
    if style == "turns":
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in (MARK * 2, MARK * 3)])
    if style in ("gemma", "turns"):
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in TAGS])
        tokenizer.add_special_tokens(["<start_of_turn>"])
    if style == "first":
        tokenizer.add_tokens([AddedToken("<think>", normalized=True), AddedToken("[INST]", lstrip=True)])
    with_bos(tokenizer, "<s>")
    return tokenizer


def write_gguf(path, tokens, scores):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259))
    writer.add_bos_token_id(1)
    writer.add_unk_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


digits = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
split = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False)
control = alphabet.pre_tokenize_str("\x04")[0][0]
tokens, scores = scored()
styles = {
    "llama3": byte_level(split, True), "smollm": byte_level(digits, False, missing=(control,)),
    "gpt2": byte_level(alphabet, False),
    **{name: metaspace(name, tokens, scores) for name in ("llama2", "first", "words", "gemma", "legacy", "turns")},
}
with_bos(styles["llama3"], "<|begin_of_text|>")

FOLDER.mkdir(parents=True, exist_ok=True)
write_gguf(str(FOLDER / "scored.gguf"), tokens, scores)
corpus = hostile(70, seed=11)
golden = dict(texts=corpus, styles={})
for name, tokenizer in styles.items():
    model = json.loads(tokenizer.to_str())
    (FOLDER / f"{name}.json").write_text(json.dumps(model, ensure_ascii=False, separators=(",", ":")))
    encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in corpus]
    decoded = [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded]
    golden["styles"][name] = dict(
        ids=encoded,
        # null where the text itself comes back
        decoded=[None if a == b else a for a, b in zip(decoded, corpus, strict=True)],
        # Bytes that are not UTF-8 together, and tokens in an order that no text has.
        odd=[[ids, tokenizer.decode(ids, skip_special_tokens=False)]
             for ids in ([(7 * i + 13 * j) % tokenizer.get_vocab_size() for j in range(i % 9 + 1)] for i in range(40))])
(FOLDER / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
print({path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())})
