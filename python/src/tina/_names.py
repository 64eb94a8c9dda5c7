"""Names of tensors in PEFT's files (section 17 of the format): parts of a name, and the usual name of a part."""

from __future__ import annotations

from typing import NamedTuple

from ._directory import BIAS, CONVOLUTION, EMBEDDING, FULL, LOW_RANK, MAGNITUDE, PAIR_BIAS, ROWS
from ._errors import AdapterError

WRAPPER = "base_model.model."
_MARKS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_HALVES = (
    (".lora_A", ".weight", LOW_RANK, 0), (".lora_B", ".weight", LOW_RANK, 1), (".lora_B", ".bias", PAIR_BIAS, 0),
    (".lora_embedding_A", "", EMBEDDING, 0), (".lora_embedding_B", "", EMBEDDING, 1),
    (".lora_magnitude_vector", "", MAGNITUDE, 0), (".lora_magnitude_vector", ".weight", MAGNITUDE, 0),
)  # fmt: skip
_ENDINGS = tuple((a + adapter + b, kind, i) for a, b, kind, i in _HALVES for adapter in ("", ".default")) + (
    (".token_adapter.trainable_tokens_delta", ROWS, 0), (".token_adapter.trainable_tokens_delta.default", ROWS, 0),
)  # fmt: skip


class Name(NamedTuple):
    """The parts of a tensor's name."""

    path: str
    module: str
    kind: int
    position: int
    parameter: str


def usual(kind: int, path: str, parameter: str) -> list[str]:
    """The names that PEFT gives an entry's tensors today."""
    start = WRAPPER + path
    return {
        LOW_RANK: [start + ".lora_A.weight", start + ".lora_B.weight"],
        CONVOLUTION: [start + ".lora_A.weight", start + ".lora_B.weight"],
        EMBEDDING: [start + ".lora_embedding_A", start + ".lora_embedding_B"],
        MAGNITUDE: [start + ".lora_magnitude_vector"],
        PAIR_BIAS: [start + ".lora_B.bias"],
        BIAS: [start + ".bias"],
        ROWS: [start + ".token_adapter.trainable_tokens_delta"],
        FULL: [start + "." + parameter if parameter else start],
    }[kind]


def unwrapped(name: str) -> str:
    """A name without the marks of wrappers; ``module`` is one only before the model's own path."""
    kept: list[str] = []
    before = True
    for part in name.split("."):
        if part in _MARKS or (part == "module" and before):
            continue
        kept.append(part)
        before = before and part in ("base_model", "model")
    return ".".join(kept)


def module_of(path: str) -> str:
    """The name of a module without the wrappers of its path."""
    while path.startswith(WRAPPER):
        path = path[len(WRAPPER) :]
    path = path.removesuffix(".base_layer")
    for start in ("model.language_model.model.", "language_model.model.", "model.language_model."):
        if path.startswith(start) and path[len(start) :].startswith(("layers.", "embed_tokens")):
            return path[len(start) :]
    return path.removeprefix("model.") if path.startswith(("model.layers.", "model.embed_tokens")) else path


def parse(name: str) -> Name:
    """Takes a name apart.

    Raises ``AdapterError`` for what is no tensor of one PEFT adapter.
    """
    found = _parts(name)
    if not found.module:
        raise AdapterError(f"{name}: a name that leaves no module")
    return found


def _parts(name: str) -> Name:
    rest = unwrapped(name).removeprefix(WRAPPER)
    for ending, kind, position in _ENDINGS:
        if rest.endswith(ending):
            path = rest[: -len(ending)]
            return Name(path, module_of(path), kind, position, "")
    parts = rest.split(".")
    if any(part in ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B") for part in parts[:-1]):
        raise AdapterError(f"{name}: a tensor of a named adapter, or a bias of lora_A; PEFT saves neither")
    if rest.endswith((".lora_a", ".lora_b")):
        raise AdapterError(f"{name}: a matrix in MLX's layout; convert the adapter with `tina convert`")
    path, parameter = ".".join(parts[:-1]), parts[-1]
    if parameter == "bias" and path:
        return Name(path, module_of(path), BIAS, 0, "")
    return Name(path, module_of(path), FULL, 0, parameter)
