"""More valid files: what two readers could decide in two ways, and every limit that a small file can reach."""

from identities import identity, largest
from valid import *  # noqa: F403
from writer import *  # noqa: F403


def cases():
    def case(name, entries, note, plans=None, more=None, **options):
        return {
            "name": name, "note": note, "content_digest": content_digest(entries).hex(), "tensors": hashes(entries),
            **(more or {}), "data": make(entries, plans, **options),
        }  # fmt: skip

    plain = pairs("BF16", 1)

    # A predictor and two layers, annotated in the text.
    rng = np.random.default_rng(21)
    made = Quantised(rng, [(Q, 1, 4, 4)], "I8", (2,), 1, 0)
    module, seed = "layers.1.self_attn.q_proj", 7
    start = seeded_values(seed, module, 1, 4)
    near = np.frombuffer(bf16(start), "<u2") ^ np.array([0, 1, 0, 0], "<u2")
    second = entry(LOW_RANK, module, [tensor("BF16", [1, 4], near.tobytes()), tensor("BF16", [4, 1], bf16([0, 0.5, -1, 2]))])
    table, _ = made.errors()
    items = made.entries + [second]
    yield case(
        "example-layers", items, "the second example of the text: integers with a refinement, a seeded A, a plain B",
        [made.plan(), exact([(1, 0)], 1, 1, 0, predicted=bf16(start)), exact([(1, 1)])], bits=(2,), seed=seed,
        errors=(table + [[0.0, 0.0]], whole_of(made, items)),
    )  # fmt: skip

    # Shapes, names, scales.
    huge = [entry(FULL, "x", [tensor("F32", [1 << 39, 1 << 39, 0], b"")], parameter="weight")]
    yield case("sizes-with-zero", huge, "[2^39, 2^39, 0]: no elements, whatever the other sizes multiply to")
    marked = [dict(plain[0], module="\ufefflayers.0.x", path="\ufeff")]
    yield case("names-mark", marked, "U+FEFF at the beginning of names: a character like any other")
    signed = pairs("F32", 2)
    signed[0] |= {"origin": 0, "scale": -0.0, "alpha": -0.0, "flags": 1}
    signed[1] |= {"errors": [-0.0]}
    yield case("negative-zeros", signed, "-0.0 as a scale, as an alpha that is present, and as an error")
    free = pairs("F32", 3)
    free[0] |= {"origin": 1, "flags": 0, "alpha": 0.0}
    free[1] |= {"origin": 2, "flags": 0, "alpha": 0.0}
    free[2] |= {"origin": 0, "flags": 1, "alpha": 8.0}
    yield case("origin-without-alpha", free, "origins 1 and 2 without alpha, origin 0 with one: they only inform")
    yield case("no-path", [dict(plain[0], path="")], "no path: the module's name stands for it in PEFT")

    # Metadata and attributes at their limits.
    values = b'{"x":[' + b",".join([b"0"] * ((1 << 18) - 2)) + b"]}"
    yield case("metadata-values", plain, "2^18 values in META", meta=values, compress=(b"META",))
    yield case("metadata-name", plain, "a name of 8192 bytes in META", meta=b'{"' + b"n" * 8192 + b'":1}', compress=(b"META",))
    hint = compact({"parent": {"file": "../../nothing", "of": [1]}})
    yield case("parent-name-unused", plain, "a parent's name that leaves the folder, in a file without parent", meta=hint)
    yield case("attributes-values", attributed(1 << 20), "2^20 values in all attributes", compress=(b"TDIR",))

    # Frames.
    for name, size, window, note in (
        ("window-1-mib", 3 << 20, 0x50, "a window of 1 MiB, below a content of 3 MiB"),
        ("segment-1-mib", 1 << 20, None, "a single segment of 1 MiB"),
        ("window-of-little", 100, 0x50, "a window of 1 MiB for 100 bytes"),
    ):
        zeros = [entry(FULL, "x", [tensor("U8", [size], b"\7" * size)], parameter="weight")]
        yield case(name, zeros, note, [exact([(0, 0)], codec=2) | {"frames": [rle_frame(size, 7, window)]}])
    mixed = pairs("BF16", 2, rank=3, inner=7)
    yield case(
        "plain-behind-compressed", mixed, "plain blocks behind compressed ones that end anywhere",
        [exact([(0, 0)], 1, codec=2), exact([(0, 1)]), exact([(1, 0)], 0, codec=2), exact([(1, 1)])],
    )  # fmt: skip

    # Predictors.
    for element, name, columns in (("BF16", "bf16", 16), ("F16", "f16", 16)):
        seed, start = tied_seed(element, columns)
        tied = [entry(LOW_RANK, Q, [tensor(element, start.shape, stored(start, element)), pairs(element, 1, rank=64)[0]["tensors"][1]])]
        yield case(
            f"seeded-ties-{name}", tied, "predictions that lie in the middle of two numbers, both ways",
            [exact([(0, 0)], 1, 1, 1, predicted=stored(start, element)), exact([(0, 1)])], seed=seed,
        )  # fmt: skip
    yield from families(case)

    # Integer pairs.
    shapes = [(Q, 3, 20, 12), ("layers.1.mlp.down_proj", 2, 30, 10)]
    for name, element, bits in (
        ("layers-2-bits-8", "I8", (8,)), ("layers-3-bits-1-7", "I8", (1, 7)), ("layers-2-bits-4", "I16", (4,)),
        ("layers-3-bits-6-2", "I8", (6, 2)),
    ):  # fmt: skip
        made = Quantised(np.random.default_rng(31), shapes, element, bits, 1, 1)
        yield case(name, made.entries, f"refinements of {bits} bits", [made.plan()], prefixes(made), bits=bits, errors=made.errors())
    made = Quantised(np.random.default_rng(32), [("layers.0.a", 2, 40, 40)], "I8", (3,), 1, 1)
    made.refinements[0] = [4] * len(made.symbols)
    made.refresh()
    yield case("refinement-zstd", made.entries, "a compressed refinement", [made.plan() | {"refinement_codec": 2}], prefixes(made), bits=(3,))
    made = Quantised(np.random.default_rng(33), [("layers.0.a", 1, 8, 8)], "I16", (8,), 1, 0)
    made.symbols[:2], made.refinements[0][:2] = [-32768, 32767], [0, 255]
    made.refresh()
    yield case("pairs-extremes", made.entries, "the smallest and the largest integer: -8388736 and 8388479", [made.plan()], prefixes(made), bits=(8,))
    made = Quantised(np.random.default_rng(34), [("layers.0.a", 1, 8, 8)], "I16", (1,) * 6 + (2,), 1, 0)
    made.symbols[0] = -32768
    for part in made.refinements:
        part[0] = 0
    made.refresh()
    yield case("pairs-extremes-8", made.entries, "the smallest integer there can be, through seven refinements: -8388862", [made.plan()], prefixes(made), bits=(1,) * 6 + (2,))
    made = Quantised(np.random.default_rng(35), shapes[:1], "I8", (), 0, 0)
    yield case("pairs-scales-zstd", made.entries, "integers in place, their scales compressed", [made.plan() | {"codecs": [0, 2]}])
    made = Quantised(np.random.default_rng(36), [("layers.0.a", 65536, 1, 1)], "I8", (), 1, 1, repeated=True)
    yield case("pairs-rank-65536", made.entries, "the largest rank of integer pairs", [made.plan()])

    # Sections and base.
    yield case("base-later", plain, "an identity of a later version, which this one skips, beside BASE", base=identity(), extra=[(b"bASe", b"\2")])
    yield case("base-largest", plain, "as many sizes, tensors and runs as there may be", base=largest(), compress=(b"BASE",))
    small = identity(dimensions={}, tensors=[("a", 1, ()), ("b", 0, (3,))], runs=[(0, 0, 0), (1, 0, 0)])
    yield case("base-smallest", plain, "no sizes; a number without dimensions, a row of three", base=small)
    large = identity(architecture="a" * 64, dimensions={"d" * 64: 1 << 48}, tensors=[("é" * 127 + "x", 2, (1 << 24, 1 << 24))], runs=[(0, (1 << 24) - 1, (1 << 24) - 32)])
    yield case("base-long-names", plain, "the longest names and the largest sizes", base=large)
    yield from undecided(case, plain)


def undecided(case, plain):
    """What a reader of the text alone asked."""
    seven = [entry(FULL, "x", [tensor("U8", [64], b"\7" * 64)], parameter="weight")]
    frame = rle_frame(64, 7)
    frame = frame[:4] + bytes([frame[4] | 0x10]) + frame[5:]
    yield case("zstd-unused-bit", seven, "the bit of a frame's header that Zstandard leaves unused", [exact([(0, 0)], codec=2) | {"frames": [frame]}])
    yield case("zstd-nothing", nothing(), "a compressed stream of no bytes", [exact([(0, 0)], codec=2) | {"frames": [EMPTY_FRAME]}])
    yield case("ancillary-undecoded", plain, "a compressed section that nobody knows, and that does not decode", extra=[(b"noTe", b"no frame")], edit_sections=lambda s: s[-1].update(codec=1, stored=b"no frame", decoded=1 << 32))
    yield case("metadata-parent-file", plain, "a parent's name that is a number, and a format that nobody knows", meta=b'{"parent":{"file":5},"source":{"format":[]}}')
    yield case("metadata-number", plain, "a number of 4096 characters", meta=b'{"x":-' + b"1" * 4095 + b"}", compress=(b"META",))
    named = [dict(plain[0], attributes=b'{"base_model_name":1,"configuration":[],"tensor_metadata":null,"parent":""}')]
    yield case("attributes-known", named, "members of attributes that have other types in META")
    uneven = [entry(CONVOLUTION, "x", [tensor("U8", [2, 3, 1], bytes(range(6))), tensor("U8", [4, 2, 1, 1], bytes(range(8)))])]
    yield case("convolution-uneven", uneven, "a convolution pair of three and of four dimensions")
    numbers = tensor("I64", [3], struct.pack("<3q", 5, -2, 5))
    narrow = [entry(ROWS, "x", [tensor("F32", [0, 4], b""), tensor("I64", [0], b"")]), entry(ROWS, "y", [tensor("F32", [3, 0], b""), numbers])]
    yield case("rows-empty", narrow, "no rows, and rows of no width; numbers that are negative and repeated")
    made = Quantised(np.random.default_rng(52), [(Q, 2, 12, 8)], "I8", (2, 2), 1, 0)
    yield case(
        "errors-contradict", made.entries, "stated errors that are not true, and contradict each other", [made.plan()],
        prefixes(made), bits=(2, 2), errors=([[0.0, 0.5, 3e38]], [0.25, 1e-30, 7.0]),
        edit=lambda d: [layer.update(largest=largest) for layer, largest in zip(d["layers"], (0.0, 2.0, -0.0))],
    )  # fmt: skip
    old, new = pairs("BF16", 2), pairs("BF16", 2, seed=50)
    about = {"content_digest": content_digest(new).hex(), "tensors": hashes(new)}
    yield {
        "name": "child-passed-over", "note": "candidates that cannot be read are passed over", **about,
        "parents": ["invalid/empty.tina", "invalid/truncated-index.tina", "invalid/table-digest.tina", "invalid/section-digest-directory.tina", "valid/parent-bf16.tina"],
        "data": child("", new, old, ""),
    }  # fmt: skip
    yield {
        "name": "child-of-itself", "note": "a difference of nothing states its parent's content, and is not its own parent",
        "content_digest": content_digest(old).hex(), "tensors": hashes(old),
        "parents": ["valid/child-of-itself.tina", "valid/parent-bf16.tina"], "data": child("", old, old, ""),
    }  # fmt: skip


# A frame whose content size is 0: one last block of no bytes.
EMPTY_FRAME = b"\x28\xb5\x2f\xfd\x20\0\1\0\0"


def nothing():
    return [entry(FULL, "x", [tensor("U8", [0], b"")], parameter="weight")]


def attributed(total):
    """Pairs whose attributes hold so many values together, and no more than 65536 bytes each."""
    items = []
    count = -(-total // 32000)
    for i in range(count):
        its = total // count + (i < total % count)
        item = entry(FULL, f"layers.{i}.x", [tensor("U8", [0], b"")], attributes=b'{"x":[' + b",".join([b"0"] * (its - 2)) + b"]}")
        items.append(item)
    return items


def tied_seed(element, columns, rows=64):
    """A seed whose A has numbers in the middle of two others, of which some are rounded up and some down."""
    drop = {"BF16": 16, "F16": 13}[element]
    for seed in range(1, 100_000):
        start = fast_seeded(seed, Q, rows, columns)
        bits = start.view("<u4").reshape(-1)
        if element == "F16":
            bits = bits[np.abs(start.reshape(-1)) > 2.0**-14]
        tied = bits[(bits & ((1 << drop) - 1)) == 1 << (drop - 1)]
        odd = (tied >> drop) & 1
        if odd.any() and not odd.all():
            return seed, start
    raise AssertionError


def fast_seeded(seed, module, rows, columns):
    """What `seeded_values` gives, for many numbers at once."""
    hashed = sha256(module.encode())
    group = np.arange(rows * columns // 4, dtype=np.uint64)
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    c = [group & low, group >> shift] + [np.full_like(group, int.from_bytes(hashed[i : i + 4], "little")) for i in (0, 4)]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(second >> shift) ^ c[1] ^ np.uint64(k[0]), second & low, (first >> shift) ^ c[3] ^ np.uint64(k[1]), first & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    v = (np.stack(c, 1).reshape(-1) >> np.uint64(8)).astype(np.float64)
    return ((v * 2.0**-23 - 1).astype("<f4") * np.float32(1 / math.sqrt(columns))).reshape(rows, columns)


# Parents


def child(name, entries, parent, note, predicted=None, **more):
    """A file that is all differences from `parent`'s tensors, or from those given."""
    names = everything(entries)
    if predicted is None:
        predicted = b"".join(parent[i]["tensors"][j]["data"] for i, j in names)
    kinds = {}
    for where in names:
        kinds.setdefault(entries[where[0]]["tensors"][where[1]]["element"], []).append(where)
    assert len(kinds) == 1
    return make(entries, [exact(names, 1, 2, 1, predicted=predicted)], parent=content_digest(parent), **more)


def vector(i):
    return [entry(BIAS, "x", [tensor("F16", [2], struct.pack("<HH", 0x3C00 + i, 0x4000))])]


def chain(length):
    """Files of which each is the next one's parent, in one piece: each states its own length."""
    files = [make(vector(0))]
    for i in range(1, length):
        files.append(child("", vector(i), vector(i - 1), ""))
    return files


def families(case):
    old = pairs("BF16", 2)
    new = [dict(item, tensors=[dict(part, data=bytes([part["data"][0] ^ 1]) + part["data"][1:]) for part in item["tensors"]]) for item in old]
    named = child("", new, old, "", meta=compact({"parent": {"file": "parent-bf16.tina"}}))
    about = {"content_digest": content_digest(new).hex(), "tensors": hashes(new)}
    yield {
        "name": "child-by-name", "note": "the parent is the file that META names, in the same folder", **about,
        "found": "valid/parent-bf16.tina", "data": named,
    }  # fmt: skip
    # Two pairs of one module: the first predicts both.
    twice = [dict(item, path=path, module=Q) for item, path in zip(pairs("BF16", 2, seed=40), ("a", "b"))]
    both = [dict(item, path=path, module=Q) for item, path in zip(pairs("BF16", 2, seed=41), ("a", "b"))]
    first = b"".join(part["data"] for part in twice[0]["tensors"])
    parent = case("parent-twice", twice, "the parent of the next file: two pairs of one module, by two paths")
    yield parent
    yield {
        "name": "child-of-first", "note": "of several entries of one module, kind and parameter the first predicts",
        "content_digest": content_digest(both).hex(), "tensors": hashes(both), "parents": ["valid/parent-twice.tina"],
        "data": child("", both, twice, "", predicted=first + first),
    }  # fmt: skip
    # A parent of two layers predicts with both.
    made = Quantised(np.random.default_rng(42), [(Q, 2, 12, 8)], "I8", (2,), 1, 1)
    yield case("parent-layers", made.entries, "the parent of the next file, in two layers", [made.plan()], prefixes(made), bits=(2,), errors=made.errors())
    later = [dict(made.entries[0], tensors=[dict(part, data=bytes([part["data"][0] ^ 3]) + part["data"][1:]) for part in made.entries[0]["tensors"]])]
    yield {
        "name": "child-of-layers", "note": "differences from all layers of the parent",
        "content_digest": content_digest(later).hex(), "tensors": hashes(later),
        "parents": ["valid/parent-layers.tina"], "data": child("", later, made.entries, ""),
    }  # fmt: skip
    files = chain(257)
    last = vector(256)
    yield {
        "name": "chain-256", "note": "a chain of 256 parents: the files of the pack, one behind the other, but its last",
        "content_digest": content_digest(last).hex(), "tensors": hashes(last), "pack": "valid/chain.pack",
        "data": files[256], "beside": {"valid/chain.pack": b"".join(files)},
    }  # fmt: skip
