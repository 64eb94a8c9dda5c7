"""The valid files."""

import numpy as np
from identities import identity
from writer import *  # noqa: F403

Q = "layers.0.self_attn.q_proj"
K = "layers.0.self_attn.k_proj"


def pairs(element="F32", count=2, rank=4, inner=24, outer=16, seed=1, **more):
    rng = np.random.default_rng(seed)
    return [entry(LOW_RANK, f"layers.{i}.self_attn.q_proj", pair(rng, element, rank, inner, outer, **more)) for i in range(count)]


def everything(entries):
    return [(i, j) for i, item in enumerate(entries) for j in range(len(item["tensors"]))]


def cases():
    def case(name, entries, note, plans=None, more=None, **options):
        return {
            "name": name, "note": note, "content_digest": content_digest(entries).hex(), "tensors": hashes(entries),
            **(more or {}), "data": make(entries, plans, **options),
        }  # fmt: skip

    def planes(entries, note, name, **options):
        kinds = {}
        for where in everything(entries):
            kinds.setdefault(entries[where[0]]["tensors"][where[1]]["element"], []).append(where)
        return case(name, entries, note, [exact(names, 1, codec=1) for names in kinds.values()], **options)

    # Exact: elements and arrangements.
    for element in ("F32", "F16", "BF16"):
        low = element.lower()
        yield case(f"exact-{low}-plain", pairs(element), f"{element}, stored in place")
        yield planes(pairs(element), f"{element}, byte planes, one block for all tensors", f"exact-{low}-planes")
        both = pairs(element)
        yield case(
            f"exact-{low}-plain-zstd", both, "plain and compressed: several tensors in a block",
            [exact(everything(both), codec=2)],
        )  # fmt: skip
        yield case(
            f"exact-{low}-planes-stored", both, "byte planes, no stream compressed", [exact(everything(both), 1)]
        )
    mixed = pairs("BF16", 1) + pairs("F32", 2)[1:]
    mixed[0]["tensors"][1] = tensor("F16", [16, 4], stored(np.linspace(-1, 1, 64), "F16"))
    yield case("exact-mixed-types", mixed, "the tensors of a pair differ in type")
    yield planes(mixed, "the same in byte planes, a block for each type", "exact-mixed-types-planes")
    rng = np.random.default_rng(2)
    every = [
        entry(FULL, f"extra.{name.lower()}", [tensor(name, [4, 6], rng.integers(0, 256, 3 * bits).astype(np.uint8))], parameter="weight")
        for name, (_, bits) in ELEMENTS.items()
    ]
    every.sort(key=lambda item: item["module"].encode())
    yield case("exact-every-type", every, "one full tensor of every element type, plain")
    wide = [item for item in every if not item["tensors"][0]["element"] in ("F4", "F6_E2M3", "F6_E3M2")]
    yield planes(wide, "every element type that has byte planes, in them", "exact-every-type-planes")
    odd = np.array([0x7FC00001, 0xFFA12345, 0x80000000, 0x7F800000, 1, 0x807FFFFF, 0, 0x3F800000], "<u4")
    special = [entry(LOW_RANK, Q, [tensor("F32", [2, 4], odd.tobytes()), tensor("F32", [4, 2], odd[::-1].tobytes())])]
    yield planes(special, "NaNs with payloads, infinities, zeros of both signs, subnormals", "exact-special-values")

    # Predictors.
    for element in ("F32", "F16", "BF16"):
        seed = 0x123456789ABCDEF0
        start = seeded_values(seed, Q, 4, 24)
        near = start + np.where(np.arange(96) % 3, 0, 1e-4).astype("<f4")
        items = [entry(LOW_RANK, Q, [tensor(element, [4, 24], stored(near, element)), pairs(element, 1)[0]["tensors"][1]])]
        yield case(
            f"seeded-{element.lower()}", items, "A near the seeded initial A",
            [exact([(0, 0)], 1, 1, 1, predicted=stored(start, element)), exact([(0, 1)], 1, codec=1)], seed=seed,
        )  # fmt: skip
    parents = {}
    for element in ("F32", "BF16", "F16"):
        old = pairs(element, 2)
        parents[element] = old
        parent = planes(old, "the parent of the next file", f"parent-{element.lower()}")
        yield parent
        new = pairs(element, 2)
        rng = np.random.default_rng(9)
        for item in new:
            for part in item["tensors"]:
                words = np.frombuffer(part["data"], "<u4" if element == "F32" else "<u2").copy()
                words[rng.integers(0, words.size, words.size // 3)] ^= 1
                part["data"] = words.tobytes()
        names = everything(new)
        predicted = b"".join(old[i]["tensors"][j]["data"] for i, j in names)
        yield case(
            f"child-{element.lower()}", new, "differences from a parent file",
            [exact(names, 1, 2, 1, predicted=predicted)], {"parents": [f"valid/parent-{element.lower()}.tina"]},
            parent=content_digest(old),
        )  # fmt: skip
        if element == "BF16":
            last = pairs(element, 2, seed=3)
            predicted = b"".join(new[i]["tensors"][j]["data"] for i, j in names)
            yield case(
                "grandchild-bf16", last, "a parent that has a parent", [exact(names, 1, 2, 1, predicted=predicted)],
                {"parents": ["valid/parent-bf16.tina", "valid/child-bf16.tina"]}, parent=content_digest(new),
            )  # fmt: skip

    # Integer pairs and quality layers.
    shapes = [(Q, 3, 20, 12), ("layers.1.mlp.down_proj", 2, 30, 10)]
    for element in ("I8", "I16"):
        for arrangement in (0, 1):
            rng = np.random.default_rng(4)
            form = ("plain", "planes")[arrangement]
            if arrangement == 0:
                # In place, a block holds one pair: two blocks.
                made = [Quantised(rng, [shape], element, (), 0, 0) for shape in shapes]
                errors = [made[0].errors()[0][0], made[1].errors()[0][0]]
                whole = [whole_error(made, 1)]
                items = [one.entries[0] for one in made]
                plans = [one.plan(i) for i, one in enumerate(made)]
                yield case(f"pairs-{element.lower()}-{form}", items, "integers in place", plans, errors=(errors, whole))
                continue
            made = Quantised(rng, shapes, element, (), 1, 1)
            yield case(f"pairs-{element.lower()}-{form}", made.entries, "integers in planes and tiers", [made.plan()], errors=made.errors())
    rng = np.random.default_rng(6)
    made = Quantised(rng, shapes, "I8", (), 1, 0, tiers=False)
    yield case("pairs-one-tier", made.entries, "all rows in one tier, nothing compressed", [made.plan()], errors=made.errors())
    made = Quantised(rng, shapes, "I8", (), 0, 2)
    yield case("pairs-plain-zstd", made.entries, "plain and compressed: two pairs in a block", [made.plan()], errors=made.errors())
    made = Quantised(rng, shapes, "I16", (), 1, 1, zero_component=True)
    yield case("pairs-zero-scale", made.entries, "a component whose scale is zero", [made.plan()], errors=made.errors())
    layered = None
    for name, element, bits, arrangement in (
        ("layers-2", "I8", (2,), 1), ("layers-3", "I8", (2, 2), 1), ("layers-3-wide", "I16", (5, 3), 1),
        ("layers-8", "I8", (1,) * 7, 1), ("layers-2-plain", "I8", (3,), 0),
    ):  # fmt: skip
        made = Quantised(np.random.default_rng(7), shapes if arrangement else shapes[:1], element, bits, arrangement, arrangement)
        one = case(name, made.entries, f"{1 + len(bits)} quality layers", [made.plan()], bits=bits, errors=made.errors())
        one |= prefixes(made)
        if name == "layers-3":
            layered = made, dict(one)
        yield one
    made, one = layered
    ends = layer_ends(one["data"])
    for n in (1, 2):
        yield {
            "name": f"prefix-{n}-of-3", "note": f"layers-3.tina cut at the end of layer {n}: valid only as {n} layers",
            "layers": n, "content_digest": one["prefix_digests"][n - 1], "tensors": one["prefix_tensors"][n - 1],
            "data": one["data"][: ends[n - 1]],
        }  # fmt: skip
    rng = np.random.default_rng(8)
    made = Quantised(rng, shapes[:1], "I8", (2,), 1, 1)
    items = made.entries + pairs("BF16", 2)[1:]
    table, whole = made.errors()
    table.append([0.0, 0.0])
    yield case(
        "layers-and-exact", items, "a refined pair beside an exact one", [made.plan(), exact([(1, 0)]), exact([(1, 1)])],
        bits=(2,), errors=(table, whole_of(made, items)),
    )  # fmt: skip
    yield case("layers-empty", pairs("BF16", 1), "a second layer in which there is nothing to refine", bits=(2,))

    # Scales, ranks, kinds, names.
    yield case("empty-b", pairs("F32", 2, zero=True), "every B is zero: a valid adapter that changes nothing")
    yield case("rank-1", pairs("BF16", 2, rank=1), "rank 1")
    yield case("rank-256", pairs("BF16", 1, rank=256, inner=32, outer=20), "a rank above both sizes")
    ranks = [pairs("F32", 1, rank=rank, seed=rank)[0] for rank in (2, 8, 5)]
    for i, item in enumerate(ranks):
        item["module"] = f"layers.{i}.self_attn.v_proj"
    pattern = {"r": 8, "lora_alpha": 16, "rank_pattern": {"layers.0.self_attn.v_proj": 2, "layers.2.self_attn.v_proj": 5}}
    yield case("mixed-ranks", ranks, "rank_pattern: 2, 8, 5", meta=compact({"configuration": pattern}))
    slanted = pairs("F32", 2)
    for item in slanted:
        item |= {"origin": 2, "alpha": 16.0, "scale": float(np.float32(8))}
    yield case("rslora", slanted, "alpha / √rank", meta=compact({"configuration": {"r": 4, "lora_alpha": 16, "use_rslora": True}}))
    given = pairs("F32", 2)
    given[0] |= {"origin": 0, "flags": 0, "alpha": 0.0, "scale": -0.5}
    given[1] |= {"origin": 0, "scale": 0.0}
    yield case("scale-given", given, "scales that no alpha explains: negative, and zero")
    yield case("all-kinds", all_kinds(), "an entry of every kind")
    yield case("rows-unknown", [rows(False)], "embedding rows whose numbers the source does not tell")
    scalars = [
        entry(FULL, "gate", [tensor("F32", [], stored([0.5], "F32"))], parameter="value"),
        entry(FULL, "nothing", [tensor("F16", [0, 4], b"")], parameter="weight"),
        entry(FULL, "shape", [tensor("BF16", [1, 2, 1, 2, 1, 1, 1, 1], bf16(np.arange(4)))]),
    ]
    yield case("shapes-of-full", scalars, "no dimensions, no elements, eight dimensions; no parameter name")
    yield case("no-entries", [], "an adapter that holds nothing")
    long = pairs("BF16", 1)
    long[0] |= {"module": "m" * 1024, "path": "p" * 1024}
    long.append(entry(FULL, "n" * 1024, [tensor("BF16", [4], bf16(np.arange(4)))], parameter="w" * 1024))
    yield case("longest-names", long, "names of 1024 bytes")
    named = pairs("BF16", 4)
    for item, module in zip(named, ("layers.2.é.q", "layers.10.e\u0301.q", "größe.名前.🙂", "layers.1234567890.q")):
        item["module"] = module
    named.sort(key=lambda item: sort_key(item["module"]))
    yield case("unicode-names", named, "names beyond ASCII, not normalised; layer numbers of 1 to 9 digits")
    attributed = pairs("BF16", 1)
    attributed[0] |= {"path": "model." + Q, "attributes": compact({"tensor_names": ["x.lora_down", "x.lora_up"], "else": 1})}
    yield case("attributes", attributed, "attributes, one of them unknown")

    # Sections and metadata.
    plain = pairs("BF16", 1)
    yield case("minor-version", plain, "a later minor version", minor=7)
    yield case("ancillary", plain, "ancillary sections that nobody knows", extra=[(b"noTe", b"drop me"), (b"noTE", b"x" * 300), (b"xxXx", b"")], compress=(b"noTE",))
    names = [bytes([97 + i // 8, 97 + i % 8]) + b"Aa" for i in range(62)]
    yield case("sections-64", plain, "as many sections as there may be", extra=[(name, name * 2) for name in names])
    full = {
        "base_model_name": "someone/base", "configuration": {"r": 4, "lora_alpha": 8, "é": [1, 2.50, None, True, 1e400]},
        "tensor_metadata": {"format": "pt"}, "training": {"algorithm": "grpo", "step": 450}, "source": {"format": "peft"},
        "later": [[[[]]]],
    }  # fmt: skip
    text = compact(full).replace(b"Infinity", b"1e400")
    yield case("metadata", plain, "every member, an unknown one, a number too large for binary64", meta=text)
    yield case("metadata-spaced", plain, "blank space and escapes", meta=b' {\n "base_model_name" : "a\\u00e9\\ud83d\\ude42\\/" }\r\n\t')
    yield case("metadata-deep", plain, "64 levels", meta=b'{"x":' + b"[" * 63 + b"]" * 63 + b"}")
    yield case("index-compressed", plain, "compressed metadata and directory", meta=compact({"source": {"format": "peft", "x": "y" * 400}}), compress=(b"META", b"TDIR"))
    yield case("base", plain, "with a base identity", base=identity())
    yield case("base-compressed", plain, "with a base identity, compressed", base=identity(), compress=(b"BASE",))


def hashes(entries):
    """SHA-256 of each tensor's bytes, in the order of the directory."""
    return [sha256(part["data"]).hex() for item in entries for part in item["tensors"]]


def prefixes(made):
    """What readers of fewer layers get of a file of integer pairs alone."""
    digests, tensors = [], []
    for n in range(1, len(made.bits) + 1):
        items = [dict(item, tensors=parts) for item, parts in zip(made.entries, made.decoded(n))]
        digests.append(content_digest(items).hex())
        tensors.append(hashes(items))
    return {"prefix_digests": digests, "prefix_tensors": tensors}


def whole_error(made, layers):
    return math.sqrt(sum(np.square(s - matrix(b).astype(float) @ matrix(a)).sum() for one in made for s, (a, b) in zip(one.sources, one.decoded(layers))) / sum(np.square(s).sum() for one in made for s in one.sources))  # fmt: skip


def whole_of(made, items):
    """Errors of the whole when pairs without error stand beside `made`; sources at scale 1 alike."""
    exact_part = 0.0
    for item in items[len(made.entries) :]:
        a, b = (np.frombuffer(part["data"], "<u2").astype("<u4") << 16 for part in item["tensors"])
        a, b = a.view("<f4").reshape(item["tensors"][0]["shape"]), b.view("<f4").reshape(item["tensors"][1]["shape"])
        exact_part += np.square(b.astype(float) @ a).sum()
    out = []
    for layers in range(1, len(made.bits) + 2):
        wrong = sum(np.square(s - matrix(b).astype(float) @ matrix(a)).sum() for s, (a, b) in zip(made.sources, made.decoded(layers)))
        out.append(math.sqrt(wrong / (sum(np.square(s).sum() for s in made.sources) + exact_part)))
    return out


def layer_ends(data):
    """From a file whose directory is the second section, stored."""
    meta, directory = struct.unpack_from("<Q", data, 128 + 8)[0], struct.unpack_from("<4sI", data, 192)
    assert directory == (b"TDIR", 0)
    at = 128 + 2 * 64 + meta
    (count,) = struct.unpack_from("<I", data, at)
    return [struct.unpack_from("<Q", data, at + 112 + 24 * n)[0] for n in range(count)]


def sort_key(module):
    layer = next((int(part) for part in module.split(".") if part.isascii() and part.isdigit() and len(part) <= 9), -1)
    return layer, module.encode()


def rows(told=True):
    numbers = np.array([5, 2, 77], "<i8") if told else np.zeros(0, "<i8")
    return entry(ROWS, "embed_tokens", [tensor("BF16", [3, 8], bf16(np.arange(24))), tensor("I64", numbers.shape, numbers.tobytes())])


def all_kinds():
    rng = np.random.default_rng(3)

    def values(element, *shape):
        return tensor(element, shape, stored(rng.normal(0, 1, int(np.prod(shape))), element))

    items = [
        entry(LOW_RANK, K, pair(rng, "BF16", 4, 24, 16)),
        entry(MAGNITUDE, K, [values("F32", 16)]),
        entry(PAIR_BIAS, K, [values("BF16", 16)], scale=0.25),
        entry(BIAS, K, [values("BF16", 16)]),
        entry(CONVOLUTION, "conv1", [values("F32", 2, 3, 3, 3), values("F32", 5, 2, 1, 1)]),
        entry(EMBEDDING, "embed_tokens", [values("F32", 2, 30), values("F32", 8, 2)]),
        rows(),
        entry(FULL, "lm_head", [values("F16", 6, 8)], parameter="weight"),
        entry(FULL, "lm_head", [values("F16", 6)], parameter="bias"),
    ]
    return sorted(items, key=lambda item: (*sort_key(item["module"]), item["kind"], item["path"].encode(), item["parameter"].encode()))
