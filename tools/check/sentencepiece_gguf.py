#!/usr/bin/env python3
"""Writes a SentencePiece vocabulary as a GGUF file with `tina quantize`, and compares its ids with llama.cpp's.

  python tools/check/sentencepiece_gguf.py TOKENIZER.model [--count 10000] [--older] [--tina .build/release/tina]

TOKENIZER.model becomes a tokenizer.json as Hugging Face's converter makes it, in the folder of a tiny random Llama; the
GGUF file is written from it. Texts give the same ids by `tokenizers` from tokenizer.json, by llama.cpp and by Tina from
the GGUF file. --older orders the merges of each token by the ids of its parts, as older converters did. Needs
llama-cpp-python, sentencepiece and tools/requirements.txt. Exit status 1 if anything differs; with --older llama.cpp
may differ, since it knows no order.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp
import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.convert_slow_tokenizer import generate_merges

from programs import json_lines

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import texts  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("--count", type=int, default=10000)
parser.add_argument("--older", action="store_true")
parser.add_argument("--tina", default=".build/release/tina")
options = parser.parse_args()
folder = pathlib.Path(tempfile.mkdtemp())
mark = "\u2581"

pieces = sentencepiece.SentencePieceProcessor(options.model)
tokens = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
vocab = {t: i for i, t in enumerate(tokens)}
scores = {t: pieces.get_score(i) for i, t in enumerate(tokens)
          if not (pieces.is_control(i) or pieces.is_unknown(i) or pieces.is_byte(i))}
merges = generate_merges(vocab, scores)
if options.older:
    rank = {t: i for i, t in enumerate(dict.fromkeys(a + b for a, b in merges))}
    merges.sort(key=lambda m: (rank[m[0] + m[1]], vocab[m[0]], vocab[m[1]]))
tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(mark), normalizers.Replace(" ", mark)])
tokenizer.decoder = decoders.Sequence(
    [decoders.Replace(mark, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<unk>", "<s>", "</s>")])
tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocab["<s>"])])

LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokens), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, max_position_embeddings=512)).save_pretrained(folder / "model")
tokenizer.save(str(folder / "model/tokenizer.json"))
(folder / "model/tokenizer_config.json").write_text(
    json.dumps(dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>")))
file = str(folder / "model.gguf")
subprocess.run([options.tina, "quantize", folder / "model", file, "--type", "F16"], check=True)

corpus = [t for t in texts.texts(options.count, seed=5) if t]
expected = [tokenizer.encode(text).ids for text in corpus]
llama = llama_cpp.Llama(file, vocab_only=True, verbose=False)
theirs = [llama.tokenize(text.encode(), add_bos=True, special=True) for text in corpus]
mine = [r["ids"] for r in json_lines([options.tina, "tokenize", file, "-"], [dict(text=text) for text in corpus])]
counts = [sum(a != b for a, b in zip(ids, expected, strict=True)) for ids in (theirs, mine)]
print(f"{len(corpus)} texts, {len(tokens)} tokens: {counts[0]} differences by llama.cpp, {counts[1]} by Tina")
sys.exit(1 if counts[1] or counts[0] and not options.older else 0)
