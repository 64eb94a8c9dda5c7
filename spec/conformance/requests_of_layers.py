"""Files that are read with a number of layers, whole or cut."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))


def cases():
    from valid import layer_ends

    with open(os.path.join(HERE, "valid/layers-3.tina"), "rb") as file:
        data = file.read()
    ends = layer_ends(data)
    name = "valid/layers-3.tina"
    for layers in (0, 4, 9):
        yield {"file": name, "layers": layers, "rule": "layers"}
    yield {"file": "valid/exact-f32-plain.tina", "layers": 2, "rule": "layers"}
    yield {"file": "valid/exact-f32-plain.tina", "layers": 1, "rule": None}
    for cut, layers, rule in (
        (ends[0] - 1, 1, "truncated"), (ends[0], 1, None), (ends[0] + 1, 1, None), (ends[1] - 1, 1, None),
        (ends[1] - 1, 2, "truncated"), (ends[1], 2, None), (ends[1], 3, "truncated"), (ends[1], 4, "layers"),
        (ends[1], None, "truncated"), (ends[2] - 1, 2, None), (ends[2] - 1, None, "truncated"), (ends[2], None, None),
    ):  # fmt: skip
        yield {"file": name, "cut": cut, "layers": layers, "rule": rule}
