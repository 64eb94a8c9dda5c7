"""A base's tensors, from a Hugging Face directory or a live model, and its identity (spec/base-identity.md)."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ._elements import Words, as_bytes, of_array
from ._errors import AdapterError
from ._identity import ELEMENTS, RUN, BaseIdentity, Run, SketchTensor, pack, widen

_TABLES = (".inv_freq", ".masked_bias", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached")
_DIMENSIONS = {
    "heads": ("num_attention_heads", "n_head"), "hidden": ("hidden_size", "n_embd", "d_model"),
    "intermediate": ("intermediate_size", "n_inner", "ffn_dim"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers"), "vocab": ("vocab_size",), "head_dim": ("head_dim",),
    "kv_heads": ("num_key_value_heads",),
}  # fmt: skip
# Architectures whose head is the embedding where the configuration does not say.
_TIED = ("gemma3_text", "gemma3", "smollm3")


class BaseTensor(NamedTuple):
    """A base's tensor; its bytes are fetched when they are needed."""

    element: str
    shape: tuple[int, ...]
    bytes: Callable[[], Words]

    @property
    def columns(self) -> int:
        return self.shape[-1] if self.shape else 1

    @property
    def rows(self) -> int:
        return int(np.prod(self.shape[:-1], dtype=np.int64)) if self.shape else 1


class Base(NamedTuple):
    """A model's configuration and its tensors by canonical name."""

    config: dict[str, Any]
    tensors: dict[str, BaseTensor]

    def lookup(self, key: str) -> Any:
        value = self.config.get(key)
        return (self.config.get("text_config") or {}).get(key) if value is None else value

    @property
    def architecture(self) -> str:
        return str(self.lookup("model_type") or "")

    @property
    def is_tied(self) -> bool:
        """Whether the head is the embedding."""
        said = self.lookup("tie_word_embeddings")
        return said if isinstance(said, bool) else self.architecture in _TIED

    @property
    def dimensions(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for name, keys in _DIMENSIONS.items():
            for value in map(self.lookup, keys):
                if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1 << 48:
                    sizes[name] = value
                    break
        if "heads" in sizes:
            sizes.setdefault("kv_heads", sizes["heads"])
            if sizes.get("hidden", 1) % sizes["heads"] == 0 and "hidden" in sizes:
                sizes.setdefault("head_dim", sizes["hidden"] // sizes["heads"])
        return sizes


def canonical(name: str) -> str:
    for prefix in ("model.", "transformer."):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _collect(config: dict[str, Any], found: Iterable[tuple[str, BaseTensor]]) -> Base:
    base = Base(config, {})
    for name, tensor in found:
        if 0 in tensor.shape or name.endswith(_TABLES) or (name.endswith(".attn.bias") and len(tensor.shape) == 4):
            continue
        name = canonical(name)
        if name == "lm_head.weight" and base.is_tied:
            continue
        if name in base.tensors:
            raise AdapterError(f"two tensors of the model are called {name}: it cannot be identified")
        base.tensors[name] = tensor
    return base


def read_safetensors(path: str) -> tuple[dict[str, Any], memoryview]:
    """The header of a file, and its data, mapped."""
    with open(path, "rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (length,) = struct.unpack_from("<Q", view)
    header: dict[str, Any] = json.loads(bytes(view[8 : 8 + length]))
    return header, view[8 + length :]


def _stored(path: str) -> Iterator[tuple[str, BaseTensor]]:
    header, data = read_safetensors(path)
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            part = data[begin:end]

            def fetch(part: memoryview = part) -> Words:
                return np.frombuffer(part, np.uint8)

            yield name, BaseTensor(entry["dtype"], tuple(entry["shape"]), fetch)


def _directory(path: str) -> Base:
    with open(os.path.join(path, "config.json"), encoding="utf-8-sig") as file:
        config = json.load(file)
    single = os.path.join(path, "model.safetensors")
    files = [single]
    if not os.path.exists(single):
        with open(single + ".index.json", encoding="utf-8-sig") as file:
            files = [os.path.join(path, shard) for shard in sorted(set(json.load(file)["weight_map"].values()))]
    return _collect(config, (item for file_name in files for item in _stored(file_name)))


def _live(model: Any) -> Base:
    """A model of transformers; the base of a PeftModel, whose layers are wrapped."""
    names = {}
    for name, value in model.state_dict().items():
        if ".lora_" in name:
            continue
        name = name.removeprefix("base_model.model.").replace(".base_layer.", ".")

        def fetch(value: Any = value) -> Words:
            return of_array(value)[2].view(np.uint8)

        element = {"torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16"}.get(
            str(value.dtype), str(value.dtype)
        )
        names[name] = BaseTensor(element, tuple(value.shape), fetch)
    return _collect(model.config.to_dict(), names.items())


def open_base(model: Any) -> Base:
    """A directory's or a live model's tensors."""
    return _directory(os.fspath(model)) if isinstance(model, (str, os.PathLike)) else _live(model)


# Making an identity


def _tensor_digest(tensor: BaseTensor) -> tuple[int, bytes]:
    element, data = ELEMENTS.index(tensor.element), tensor.bytes()
    if element == 2:
        return 2, hashlib.sha256(as_bytes(data)).digest()
    bits = widen(data, element).view("<u4")
    words = (bits >> np.uint32(16)).astype("<u2")
    if not (bits & np.uint32(0xFFFF)).any():
        return 2, hashlib.sha256(as_bytes(words)).digest()
    if element == 1:
        return 1, hashlib.sha256(as_bytes(data)).digest()
    with np.errstate(over="ignore", invalid="ignore"):
        halves = bits.view("<f4").astype("<f2")
    if (halves.astype("<f4").view("<u4") == bits).all():
        return 1, hashlib.sha256(as_bytes(halves)).digest()
    return 0, hashlib.sha256(as_bytes(data)).digest()


def _digest(base: Base) -> bytes:
    root = hashlib.sha256(b"tina-base-1\n")
    for name in sorted(base.tensors, key=str.encode):
        tensor = base.tensors[name]
        if tensor.element not in ELEMENTS:
            raise AdapterError(f"{name} is {tensor.element}: a base is identified by weights in F32, F16 or BF16")
        canonical_type, digest = _tensor_digest(tensor)
        raw = name.encode()
        root.update(struct.pack("<H", len(raw)) + raw + bytes([canonical_type, len(tensor.shape)]))
        root.update(struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape) + digest)
    return root.digest()


def _pick(text: str, i: int, n: int) -> int:
    hashed = hashlib.sha256(text.encode() + b"\0" + struct.pack("<I", i)).digest()
    return int.from_bytes(hashed[:8], "little") % n


def kind(name: str) -> str:
    return ".".join("*" if part.isascii() and part.isdigit() else part for part in name.split("."))


def _choose(names: Iterable[str]) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind(name), []).append(name)
    ordered = sorted(kinds, key=str.encode)
    if len(ordered) > 32:
        ordered = [ordered[i * len(ordered) // 32] for i in range(32)]
    for name in ordered:
        members = sorted(kinds[name], key=lambda member: (len(member.encode()), member.encode()))
        count = min(3, len(members))
        for i in range(count):
            start, end = i * len(members) // count, (i + 1) * len(members) // count
            yield members[start + _pick(name, i, end - start)]


def identify(model: Any) -> BaseIdentity:
    """The identity of a base: a model of transformers, a PeftModel, or the directory of a checkpoint."""
    base = open_base(model)
    tensors: list[SketchTensor] = []
    runs: list[Run] = []
    values = bytearray()
    for index, name in enumerate(sorted(_choose(base.tensors), key=str.encode)):
        tensor = base.tensors[name]
        rows, columns = tensor.rows, tensor.columns
        element = ELEMENTS.index(tensor.element) if tensor.element in ELEMENTS else -1
        if element < 0:
            raise AdapterError(f"{name} is {tensor.element}: a base is identified by weights in F32, F16 or BF16")
        tensors.append(SketchTensor(name, element, tensor.shape, rows, columns))
        places = {
            (_pick(name, 2 * j, rows), RUN * _pick(name, 2 * j + 1, max(1, columns // RUN)))
            for j in range(3 if len(tensor.shape) > 1 else 1)
        }
        for row, column in sorted(places):
            data = run_bytes(tensor, row, column)
            runs.append(Run(index, row, column, widen(data, element)))
            values += data.tobytes()
    return BaseIdentity(pack(base.architecture, _digest(base), base.dimensions, tensors, runs, bytes(values)))


def run_bytes(tensor: BaseTensor, row: int, column: int) -> Words:
    data = tensor.bytes()
    size = data.size // max(1, tensor.rows * tensor.columns)
    begin = (row * tensor.columns + column) * size
    return data[begin : begin + min(RUN, tensor.columns) * size]
