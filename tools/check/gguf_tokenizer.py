"""Builds a Hugging Face tokenizer from the metadata of a GGUF file, as the reference for Tina's reading of it."""
import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers.convert_slow_tokenizer import generate_merges

MARK = "\u2581"
CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(numbers):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(CASES + numbers + REST), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level(pre):
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return {
        "qwen2": split(r"\p{N}"), "deepseek-r1-qwen": split(r"\p{N}"), "llama-bpe": split(r"\p{N}{1,3}"),
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level]), "gpt-2": level,
    }[pre]


def reference(path):
    fields = gguf.GGUFReader(path).fields

    def get(key, default=None):
        return fields[f"tokenizer.ggml.{key}"].contents() if f"tokenizer.ggml.{key}" in fields else default

    tokens, types = get("tokens"), get("token_type")
    added = [(t, k) for t, k in zip(tokens, types, strict=True) if k in (2, 3, 4)]
    vocab = {t: i for i, t in enumerate(tokens)}
    if get("model") == "gpt2":
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in get("merges")],
                                         ignore_merges=get("pre") == "llama-bpe"))
        tokenizer.pre_tokenizer = byte_level(get("pre"))
        if get("pre") in ("qwen2", "deepseek-r1-qwen"):
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.decoder = decoders.ByteLevel()
    else:
        # Converters write runs of spaces as spaces, tokenizer.json with marks. SentencePiece matches them before
        # anything merges; in tokenizer.json they merge first.
        vocab = {t.replace(" ", MARK): i for t, i in vocab.items()}
        scores = {t: s for t, s, k in zip(tokens, get("scores"), types, strict=True) if k == 1}
        scores |= {t.replace(" ", MARK): 1.0 for t, k in zip(tokens, types, strict=True) if k == 4 and not t.strip(" ")}
        pieces = {t: vocab[t] for t in scores}
        unknown = tokens[get("unknown_token_id", 0)]
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=generate_merges(pieces, scores), unk_token=unknown,
                                         fuse_unk=True, byte_fallback=True))
        steps = [normalizers.Replace(" ", MARK)]
        ends = []
        if get("add_space_prefix", True):
            steps.insert(0, normalizers.Prepend(MARK))
            ends.append(decoders.Strip(" ", 1, 0))
        tokenizer.normalizer = normalizers.Sequence(steps)
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()] + ends)
        added = [(t.replace(" ", MARK), k) for t, k in added]
    special = [AddedToken(t, normalized=False) for t, k in added if k != 4]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, k in added if k == 4])
    if get("add_bos_token", get("model") == "llama"):
        bos = tokens[get("bos_token_id")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, get("bos_token_id"))])
    return tokenizer
