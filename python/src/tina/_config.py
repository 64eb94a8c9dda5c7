"""PEFT's ``adapter_config.json``: the ranks and scales that it states, and one that states an adapter's own."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _json
from ._directory import LOW_RANK, EMBEDDING, MAGNITUDE, Entry
from ._errors import AdapterError


# A pattern for each of several thousand modules fits.
MAXIMUM_MATCHES = 1 << 24


def _rank(place: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 65536:
        raise AdapterError(f"adapter_config.json: {place} is {value!r}, not a whole number from 1 to 65536")
    return value


def _number(place: str, value: Any) -> float:
    # A number of F32, which a scale is.
    if type(value) not in (int, float) or not abs(value) < 2.0**128 - 2.0**103:
        raise AdapterError(f"adapter_config.json: {place} is {value!r}, not a number")
    return float(value)


class Settings:
    """Ranks, alphas and scales by PEFT's rules."""

    def __init__(self, config: dict[str, Any]) -> None:
        config = _json.plain(config)
        if config.get("peft_type") != "LORA":
            raise AdapterError(f"adapter_config.json: peft_type is {config.get('peft_type')!r}, not 'LORA'")
        self.rank = _rank("r", 8 if config.get("r") is None else config["r"])
        self.alpha = _number("lora_alpha", 8 if config.get("lora_alpha") is None else config["lora_alpha"])
        root = config.get("use_rslora")
        if root is not None and not isinstance(root, bool):
            raise AdapterError(f"adapter_config.json: use_rslora is {root!r}, not true or false")
        self.is_root = bool(root)
        self._ranks = self._patterns(config, "rank_pattern", _rank)
        self._alphas = self._patterns(config, "alpha_pattern", _number)
        self.pattern_count = len(self._ranks) + len(self._alphas)
        self.tokens = config.get("trainable_token_indices")

    @staticmethod
    def _patterns(config: dict[str, Any], name: str, number: Any) -> list[tuple[re.Pattern[str], float]]:
        found: list[tuple[re.Pattern[str], float]] = []
        patterns = config.get(name)
        if patterns is not None and not isinstance(patterns, dict):
            raise AdapterError(f"adapter_config.json: {name} is {str(patterns)[:80]!r}, not an object")
        for key, value in (patterns or {}).items():
            # Names, which most are, and patterns that match in little time: a file may come from anybody.
            bare = re.sub(r"\[(?:[^\]\\]|\\.)*\]", "x", re.sub(r"\\.", "x", key))
            if len(key) > 2000 or re.search(r"\)[*+{]", bare) or len(re.findall(r"[*+{]", bare)) > 3:
                raise AdapterError(f"adapter_config.json: the pattern {key[:80]!r} may take too long")
            try:
                found.append((re.compile(rf"(?:.*\.)?(?:{key})$"), number(f"{name}, {key[:80]!r}", value)))
            except re.error as error:
                raise AdapterError(f"adapter_config.json: {key[:80]!r} is no pattern: {error}") from error
        return found

    def rank_of(self, path: str) -> int:
        return int(next((value for pattern, value in self._ranks if pattern.match(path)), self.rank))

    def alpha_of(self, path: str) -> float:
        return float(next((value for pattern, value in self._alphas if pattern.match(path)), self.alpha))

    def scale(self, rank: int, alpha: float) -> float:
        """Computed in double precision, rounded once to F32."""
        return float(np.float32(alpha / math.sqrt(rank) if self.is_root else alpha / rank))

    def tokens_of(self, path: str) -> list[int]:
        """The numbers of an embedding's rows; none if the configuration does not tell them."""
        found, parts = self.tokens, path.split(".")
        if isinstance(found, dict):
            keys = (".".join(parts[i:]) for i in range(len(parts)))
            found = next((found[key] for key in keys if key in found), None)
        if found is None:
            return []
        if not isinstance(found, list) or not all(type(token) is int for token in found):
            raise AdapterError(f"adapter_config.json: {str(found)[:80]} are no numbers of rows")
        return found


def _states(config: dict[str, Any], pairs: Sequence[tuple[Entry, int]]) -> bool:
    try:
        settings = Settings(config)
    except AdapterError:
        return False
    if settings.pattern_count * len(pairs) > MAXIMUM_MATCHES:
        raise AdapterError(f"adapter_config.json: {settings.pattern_count} patterns for {len(pairs)} pairs")
    return all(
        settings.rank_of(entry.path) == rank
        and settings.scale(rank, settings.alpha_of(entry.path)) == entry.scale
        for entry, rank in pairs
    )


def _alpha(entry: Entry, rank: int) -> float:
    """The alpha that gives the scale without rsLoRA; the product is exact in double precision."""
    if entry.alpha is not None and float(np.float32(entry.alpha / rank)) == entry.scale:
        return entry.alpha
    return entry.scale * rank


def make(configuration: dict[str, Any] | None, pairs: Sequence[tuple[Entry, int]], entries: Sequence[Entry],
         base_model_name: str | None) -> dict[str, Any]:  # fmt: skip
    """The source's configuration if it states every rank and scale; else one that does."""
    original = configuration if configuration is not None and "peft_type" in configuration else None
    if original is not None and _states(original, pairs):
        return original
    if not pairs:
        raise AdapterError("the adapter has no low-rank pair: PEFT's LoRA has nothing else to hold on to")
    others = sorted({entry.module for entry in entries if entry.kind not in (LOW_RANK, EMBEDDING, MAGNITUDE)})
    if original is None and others:
        raise AdapterError(f"{others[0]}: no low-rank pair, and no PEFT configuration came along that explains it")
    for escape in (str, lambda path: "^" + re.escape(path)):
        made = _made(original, pairs, entries, base_model_name, escape)
        if _states(made, pairs):
            return made
    raise AdapterError("names of modules that PEFT's patterns cannot tell apart")


def _made(original: Any, pairs: Any, entries: Any, base_model_name: str | None, escape: Any) -> dict[str, Any]:
    rank = Counter(rank for _, rank in pairs).most_common(1)[0][0]
    alpha = Counter(_alpha(entry, rank) for entry, rank in pairs).most_common(1)[0][0]
    config = dict(original) if original is not None else {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base_model_name, "r": rank,
        "lora_alpha": alpha, "use_rslora": False, "target_modules": [entry.path for entry, _ in pairs],
        "rank_pattern": {}, "alpha_pattern": {}, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False,
        "init_lora_weights": True, "modules_to_save": None,
        "use_dora": any(entry.kind == MAGNITUDE for entry in entries), "inference_mode": True,
    }  # fmt: skip
    config |= {
        "r": rank, "lora_alpha": alpha, "use_rslora": False,
        "rank_pattern": {escape(entry.path): its for entry, its in pairs if its != rank},
        "alpha_pattern": {
            escape(entry.path): _alpha(entry, its) for entry, its in pairs if _alpha(entry, its) != alpha
        },
    }  # fmt: skip
    return config
