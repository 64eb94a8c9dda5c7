"""Base identities, by hand: valid ones, and ones that break a rule."""

import numpy as np
from writer import *  # noqa: F403

TENSORS = [("layers.0.mlp.up_proj.weight", 2, (96, 64)), ("norm.weight", 0, (20,))]
RUNS = [(0, 7, 32), (0, 95, 0), (1, 0, 0)]


def identity(architecture="qwen2", dimensions=None, tensors=TENSORS, runs=RUNS, sort=True, counts=(None, None, None)):
    """The bytes of an identity of random weights; `counts` states other numbers than there are."""
    dimensions = {"heads": 2, "hidden": 64, "layers": 1} if dimensions is None else dimensions
    raw = architecture if isinstance(architecture, bytes) else architecture.encode()
    out = bytearray([1, len(raw)]) + raw + bytes(range(32))
    out.append(len(dimensions) if counts[0] is None else counts[0])
    for name, size in dimensions.items():
        raw = name if isinstance(name, bytes) else name.encode()
        out += bytes([len(raw)]) + raw + struct.pack("<Q", size)
    out += struct.pack("<H", len(tensors) if counts[1] is None else counts[1])
    for name, element, shape in tensors:
        raw = name if isinstance(name, bytes) else name.encode()
        out += bytes([len(raw)]) + raw + bytes([element, len(shape)]) + struct.pack(f"<{len(shape)}Q", *shape)
    out += struct.pack("<H", len(runs) if counts[2] is None else counts[2])
    for run in runs:
        out += struct.pack("<HII", *run)
    rng = np.random.default_rng(5)
    matrices, vectors = bytearray(), bytearray()
    for index, _, _ in runs:
        _, element, shape = tensors[min(index, len(tensors) - 1)]
        count = min(32, shape[-1] if shape else 1)
        values = rng.normal(0, 0.02, count) if len(shape) > 1 else rng.normal(1, 0.1, count)
        matrices += {0: lambda: values.astype("<f4").tobytes(), 1: lambda: values.astype("<f2").tobytes(), 2: lambda: bf16(values)}.get(element, lambda: bf16(values))()
    return bytes(out + matrices + vectors)


def largest():
    tensors = [(f"t{i:04}", 2, (8, 1)) for i in range(1024)]
    runs = [(i, row, 0) for i in range(1024) for row in range(4)]
    return identity(dimensions={f"d{i:02}": i + 1 for i in range(32)}, tensors=tensors, runs=runs)


def broken():
    """Name, note, bytes."""
    t = TENSORS
    yield "architecture-empty", "an architecture without a name", identity("")
    yield "architecture-long", "an architecture of 65 letters", identity("a" * 65)
    yield "architecture-letter", "a space in the architecture", identity("qwen 2")
    yield "dimensions-33", "33 sizes", identity(dimensions={f"d{i:02}": 1 for i in range(33)})
    yield "dimension-letter", "a letter beyond ASCII in the name of a size", identity(dimensions={"é": 1})
    yield "dimension-twice", "a size twice", identity(dimensions={"heads": 2, b"heads": 2})
    yield "dimension-0", "a size of 0", identity(dimensions={"heads": 0})
    yield "dimension-large", "a size above 2^48", identity(dimensions={"heads": (1 << 48) + 1})
    yield "tensors-0", "no tensors", identity(tensors=t, counts=(None, 0, None))
    yield "tensors-1025", "1025 tensors", identity(tensors=[(f"t{i:04}", 2, (1, 1)) for i in range(1025)], runs=[(i, 0, 0) for i in range(1025)])
    yield "tensor-name-empty", "a tensor without a name", identity(tensors=[("", 2, (96, 64)), t[1]])
    yield "tensor-name-control", "a control character in a tensor's name", identity(tensors=[("a\n", 2, (96, 64)), t[1]])
    yield "tensor-name-utf-8", "a tensor's name that is no UTF-8", identity(tensors=[(b"\xff", 2, (96, 64)), (b"\xff\xff", 0, (20,))])
    yield "tensor-order", "tensors out of order", identity(tensors=[t[1], t[0]], runs=[(0, 0, 0), (1, 7, 32), (1, 95, 0)])
    yield "tensor-element", "an element type 3", identity(tensors=[(t[0][0], 3, (96, 64)), t[1]])
    yield "tensor-dimensions", "nine dimensions", identity(tensors=[(t[0][0], 2, (96, 64) + (1,) * 7), t[1]])
    yield "tensor-size-0", "a dimension of 0", identity(tensors=[(t[0][0], 2, (0, 64)), t[1]])
    yield "tensor-size-large", "a dimension above 2^40", identity(tensors=[t[0], ("norm.weight", 0, ((1 << 40) + 1,))])
    yield "tensor-product", "more than 2^48 elements", identity(tensors=[(t[0][0], 2, (1 << 20, 1 << 20, 1 << 9)), t[1]])
    yield "runs-0", "no runs", identity(counts=(None, None, 0))
    yield "runs-4097", "4097 runs", identity(tensors=[("t", 2, (4097, 1))], runs=[(0, row, 0) for row in range(4097)])
    yield "run-tensor", "a run of a tensor that is not there", identity(runs=[(0, 7, 32), (1, 0, 0), (2, 0, 0)])
    yield "run-row", "a row behind the last", identity(runs=[(0, 7, 32), (0, 96, 0), (1, 0, 0)])
    yield "run-end", "a run that ends behind its row", identity(tensors=[(t[0][0], 2, (96, 80)), t[1]], runs=[(0, 7, 64), (1, 0, 0)])
    yield "run-order", "runs out of order", identity(runs=[(0, 95, 0), (0, 7, 32), (1, 0, 0)])
    yield "run-twice", "a run twice", identity(runs=[(0, 7, 32), (0, 7, 32), (1, 0, 0)])
    good = identity()
    yield "value-nan", "a weight that is no number", good[:-4] + struct.pack("<I", 0x7FC00000)
    yield "value-bf16", "an infinite weight in BF16", good[: -20 * 4 - 2] + b"\x80\x7f" + good[-20 * 4 :]
    yield "empty", "no bytes", b""
