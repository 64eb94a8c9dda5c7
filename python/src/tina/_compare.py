"""Comparing an identity with a base at hand (section 6 of spec/base-identity.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._elements import Words
from ._identity import ELEMENTS, BaseIdentity, widen
from ._model import Base, open_base, run_bytes

SAME, OTHER_ENCODING, OTHER_WEIGHTS, OTHER_SHAPE, UNDECIDED = (
    "same", "same in another encoding", "other weights", "other shape", "undecided",
)  # fmt: skip
_PRECISION = {"F32": (23, -126), "F16": (10, -14), "BF16": (7, -126)}


@dataclass
class Comparison:
    """What a base at hand is to an identity."""

    outcome: str
    """"same", "same in another encoding", "other weights", "other shape" or "undecided"."""
    distance: float = 0.0
    """Relative distance of the sampled weights of matrices (of vectors, where there is no matrix)."""
    differences: list[str] = field(default_factory=list)
    """What differs in shape."""

    @property
    def is_same(self) -> bool:
        return self.outcome in (SAME, OTHER_ENCODING)


def _half_spacing(values: Words, element: str) -> Words:
    p, least = _PRECISION[element]
    _, exponent = np.frexp(np.abs(values))
    spacing: Words = np.ldexp(1.0, np.where(values == 0, least, np.maximum(exponent - 1, least)) - p - 1)
    return spacing


def compare(identity: BaseIdentity, model: Any) -> Comparison:
    base = model if isinstance(model, Base) else open_base(model)
    differences = _differences(identity, base)
    if differences:
        return Comparison(OTHER_SHAPE, differences=differences)
    same_types = agrees = True
    # Counted apart: vectors count where the sketch has no matrix.
    compared, total = {True: 0, False: 0}, {True: 0, False: 0}
    sums = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for run in identity.runs:
        sketch = identity.tensors[run.tensor]
        tensor = base.tensors[sketch.name]
        element = ELEMENTS[sketch.element]
        same_types &= tensor.element == element
        is_matrix = len(sketch.shape) > 1
        total[is_matrix] += run.values.size
        if tensor.element not in ELEMENTS:
            continue
        compared[is_matrix] += run.values.size
        w = run.values.astype(np.float64)
        data = run_bytes(tensor, run.row, run.column)
        c = widen(data, ELEMENTS.index(tensor.element)).astype(np.float64)
        limit: Any = 2.0**-25
        if tensor.element != element:
            limit = _half_spacing(w, element) + _half_spacing(np.where(np.isfinite(c), c, 0), tensor.element) + limit
        agrees &= bool((np.isfinite(c) & (np.abs(w - c) <= limit)).all())
        sums[is_matrix][0] += float(np.square(w - c).sum())
        sums[is_matrix][1] += float(np.square(w).sum())
    counted = total[True] > 0
    off, size = sums[counted]
    distance = float(np.sqrt(off / size)) if size else float(np.sqrt(off))
    if not agrees:
        return Comparison(OTHER_WEIGHTS, distance)
    if 2 * compared[counted] < total[counted]:
        return Comparison(UNDECIDED)
    return Comparison(SAME if same_types else OTHER_ENCODING, distance)


def _differences(identity: BaseIdentity, base: Base) -> list[str]:
    found = []
    if identity.architecture != base.architecture:
        found.append(f"the architecture is {base.architecture}, not {identity.architecture}")
    for name, size in base.dimensions.items():
        if identity.dimensions.get(name, size) != size:
            found.append(f"{name} is {size}, not {identity.dimensions[name]}")
    for sketch in identity.tensors:
        tensor = base.tensors.get(sketch.name)
        if tensor is None or tensor.shape != sketch.shape:
            has = "absent" if tensor is None else f"of shape {list(tensor.shape)}"
            found.append(f"{sketch.name} is {has}, not of shape {list(sketch.shape)}")
    return found
