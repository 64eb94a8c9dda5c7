"""Directories of PEFT, and the entries that they become (section 17): names, scales, and what is refused.

All tensors are F32. What each becomes is written by hand, from the text.
"""

CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
START = "base_model.model."
Q = "layers.0.self_attn.q_proj"
A, B = [4, 6], [5, 4]


def cases():
    yield from parsed()
    yield from settings()
    yield from refused()
    yield from defaults()
    yield from told_apart()


def case(note, tensors, entries, **more):
    configuration = CONFIG | more.pop("configuration", {})
    return {"note": note, "configuration": configuration, "tensors": tensors, "entries": entries, **more}


def pair(path, a=A, b=B, ending=".weight"):
    """A pair under a path of the file."""
    return {f"{path}.lora_A{ending}": a, f"{path}.lora_B{ending}": b}


def low_rank(module, path, names=None, **more):
    return entry(1, module, path, names, origin=1, scale=2.0, alpha=8.0) | more


def entry(kind, module, path, names=None, **more):
    """The fields of an entry; `names` where they are not the usual ones."""
    found = {"kind": kind, "module": module, "path": path, "parameter": "", "origin": 0, "scale": 1.0, "alpha": None}
    return found | ({"tensor_names": list(names)} if names else {}) | more


def one(note, path, module, its_path, usual=False, ending=".weight"):
    """A pair, and its one entry."""
    tensors = pair(path, ending=ending)
    return case(note, tensors, [low_rank(module, its_path, None if usual else tensors)])


def parsed():
    model = "model." + Q
    yield one("the usual names", START + model, Q, model, usual=True)
    yield one("no wrapper", model, Q, model)
    yield one("the adapter called default", START + model, Q, model, ending=".default.weight")
    for mark in ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module"):
        yield one(f"{mark} before all", f"{mark}.{START}{model}", Q, model)
        yield one(f"{mark} before the model's own path", f"{START}{mark}.{model}", Q, model)
    yield one("two marks", f"module._orig_mod.{START}{model}", Q, model)
    yield one("a mark within the path", f"{START}model.layers.0._checkpoint_wrapped_module.self_attn.q_proj", Q, model)
    inner = "model.layers.0.module.q_proj"
    yield one("module within the path is part of it", START + inner, "layers.0.module.q_proj", inner, usual=True)
    yield one("PEFT twice", START + START + model, Q, START + model, usual=True)
    yield one("PEFT three times", START * 3 + model, Q, START * 2 + model, usual=True)
    yield one("a module that PEFT wraps", f"{START}{model}.base_layer", Q, model + ".base_layer", usual=True)
    for front in ("model.language_model.model.", "language_model.model.", "model.language_model."):
        path = front + Q
        yield one(f"a model of images and text: {front}", START + path, Q, path, usual=True)
    for path in ("model.visual.blocks.0.qkv", "language_model.lm_head", "transformer.h.0.attn.c_attn",
                 "model.model.layers.0.x"):
        yield one("another layout keeps its path", START + path, path, path, usual=True)
    table = "model.embed_tokens"
    for ending in ("", ".default"):
        names = {f"{START}{table}.lora_embedding_A{ending}": A, f"{START}{table}.lora_embedding_B{ending}": B}
        made = entry(3, "embed_tokens", table, ending and names, origin=1, scale=2.0, alpha=8.0)
        yield case("an embedding" + ending, names, [made])
    for ending in ("", ".weight", ".default", ".default.weight"):
        name = f"{START}{model}.lora_magnitude_vector{ending}"
        both = [low_rank(Q, model), entry(4, Q, model, ending and [name])]
        yield case("a magnitude" + ending, pair(START + model) | {name: [5]}, both, configuration={"use_dora": True})
    for ending in (".bias", ".default.bias"):
        name = f"{START}{model}.lora_B{ending}"
        both = [low_rank(Q, model), entry(5, Q, model, ending != ".bias" and [name], scale=2.0)]
        yield case("a pair's bias: " + ending, pair(START + model) | {name: [5]}, both,
                   configuration={"lora_bias": True})
    both = [low_rank(Q, model), entry(6, Q, model)]
    yield case("a bias", pair(START + model) | {f"{START}{model}.bias": [5]}, both, configuration={"bias": "lora_only"})
    both = [entry(8, "lm_head", "lm_head", parameter="weight"), low_rank(Q, model)]
    saved = {"modules_to_save": ["lm_head"]}
    yield case("a module that is saved whole", pair(START + model) | {START + "lm_head.weight": [7, 6]}, both,
               configuration=saved)
    a, b = A + [3, 3], B + [1, 1]
    names = pair(f"{START}model.conv", a, b)
    yield case("more than two dimensions", names, [low_rank("model.conv", "model.conv", kind=2)])


def settings():
    first, second = "model." + Q, "model.layers.1.self_attn.q_proj"
    both = pair(START + first) | pair(START + second)

    def scaled(note, configuration, one, two, **more):
        found = [low_rank(Q, first, **one), low_rank(Q.replace("0", "1"), second, **two)]
        return case(note, both, found, configuration=configuration, **more)

    yield scaled("a pattern is a name's end", {"alpha_pattern": {"layers.1.self_attn.q_proj": 2}}, {},
                 {"alpha": 2.0, "scale": 0.5})
    yield scaled("the first pattern that matches", {"alpha_pattern": {"q_proj": 4, "layers.1.self_attn.q_proj": 2}},
                 {"alpha": 4.0, "scale": 1.0}, {"alpha": 4.0, "scale": 1.0})
    yield scaled("a pattern matches behind a dot only", {"alpha_pattern": {"proj": 4, "ttn.q_proj": 2}}, {}, {})
    yield scaled("^ stands at the path's beginning",
                 {"alpha_pattern": {"^q_proj": 4, "^model.layers.1.self_attn.q_proj": 2}}, {},
                 {"alpha": 2.0, "scale": 0.5})
    yield scaled("use_rslora", {"use_rslora": True, "alpha_pattern": {"layers.1.*": 3}}, {"origin": 2, "scale": 4.0},
                 {"origin": 2, "alpha": 3.0, "scale": 1.5})
    ranks = pair(START + first, [3, 6], [5, 3])
    narrow = {"use_rslora": True, "lora_alpha": 7, "rank_pattern": {"q_proj": 3}}
    # f32(7 / √3) = 8475539 · 2⁻²¹.
    yield case("a rank of its own, by its root", ranks,
               [low_rank(Q, first, origin=2, alpha=7.0, scale=8475539 * 2.0**-21)], configuration=narrow)
    yield case("no scale is a round number: 1 / 3", ranks,
               [low_rank(Q, first, alpha=1.0, scale=11184811 * 2.0**-25)], configuration={"r": 3, "lora_alpha": 1})
    table, path = "embed_tokens", "model.embed_tokens"
    name = f"{START}{path}.token_adapter.trainable_tokens_delta"
    for note, told, numbers in (
        ("a list", [5, 2], [5, 2]), ("the longest ending of the path", {"embed_tokens": [9, 9], path: [1, 0]}, [1, 0]),
        ("an ending", {"embed_tokens": [3, 4], "tokens": [1, 1]}, [3, 4]),
    ):  # fmt: skip
        for ending in ("", ".default"):
            rows = entry(7, table, path, ending and [name + ending], rows=numbers)
            yield case(f"rows by {note}{ending}", pair(START + first) | {name + ending: [2, 6]},
                       [rows, low_rank(Q, first)], configuration={"trainable_token_indices": told})


def refused():
    path = START + "model." + Q

    def case(note, tensors, **more):
        return {"note": note, "configuration": CONFIG, "tensors": tensors, "refused": True, **more}

    yield case("A without B", {path + ".lora_A.weight": A})
    yield case("B without A, beside a whole pair", pair(START + "model.layers.1.x") | {path + ".lora_B.weight": B})
    yield case("half an embedding's pair", {START + "model.embed_tokens.lora_embedding_A": A})
    yield case("A of a pair, B of an embedding's", {path + ".lora_A.weight": A, path + ".lora_embedding_B": B})
    other = START + Q
    yield case("A by one path, B by another, of one module", {path + ".lora_A.weight": A, other + ".lora_B.weight": B})
    yield case("A twice", pair(path) | {path + ".lora_A.default.weight": A})
    yield case("a name that leaves no module", pair(path) | {START + "weight": [5]})
    yield case("a bias that leaves no module", pair(path) | {START + "bias": [5]})
    yield case("a pair that leaves no module", pair(START.removesuffix(".") + "."))
    yield case("a module of nothing but base_layer", pair(START + ".base_layer"))
    yield case("an adapter of another name", pair(path, ending=".other.weight"))
    yield case("an embedding's pair of another name",
               {f"{path}.lora_embedding_{half}.other": shape for half, shape in (("A", A), ("B", B))})
    yield case("a bias of A", pair(path) | {path + ".lora_A.bias": [4]})
    yield case("names of MLX", {path + ".lora_a": [6, 4], path + ".lora_b": [4, 5]})
    yield case("a rank that the configuration does not state", pair(path, [3, 6], [5, 3]))
    yield {
        "note": "two pairs of one module, by two paths: two entries, or refused", "configuration": CONFIG,
        "tensors": pair(other) | pair(path), "may_refuse": True,
        "entries": [low_rank(Q, Q), low_rank(Q, "model." + Q)],
    }  # fmt: skip


def of(configuration, note, tensors, entries=None):
    """A directory of this whole configuration; refused without entries."""
    found = {"note": note, "configuration": configuration, "tensors": tensors}
    return found | ({"refused": True} if entries is None else {"entries": entries})


def defaults():
    """What a configuration means that lacks a number, or has one of another type."""
    path = "model." + Q
    one, narrow = pair(START + path), pair(START + path, [8, 6], [5, 8])
    for note, gone in (("without", {}), ("null as", {"r": None, "lora_alpha": None})):
        told = {key: value for key, value in CONFIG.items() if key not in ("r", "lora_alpha")} | gone
        yield of(told, f"{note} rank and alpha: 8 and 8", narrow, [low_rank(Q, path, scale=1.0)])
        yield of(told, f"{note} rank and alpha, where the rank is 4", one)
    both = {"use_rslora": None, "rank_pattern": None, "alpha_pattern": None}
    yield of(CONFIG | both, "null as settings", one, [low_rank(Q, path)])
    for key, value in (
        ("r", 0), ("r", 4.0), ("r", "4"), ("lora_alpha", "8"), ("lora_alpha", True), ("lora_alpha", 1e300),
        ("use_rslora", 1), ("rank_pattern", {"q_proj": 4.0}), ("alpha_pattern", {"q_proj": None}),
        ("alpha_pattern", []), ("peft_type", None), ("peft_type", "LOHA"),
    ):  # fmt: skip
        yield of(CONFIG | {key: value}, f"{key} is {value!r}", one)
    for alpha in (0, -3):
        yield of(CONFIG | {"lora_alpha": alpha}, f"lora_alpha is {alpha}", one,
                 [low_rank(Q, path, alpha=alpha, scale=alpha / 4)])


def told_apart():
    path = "model." + Q
    one, twice = pair(START + path), path + ".base_layer.base_layer"
    yield case("base_layer goes once", pair(START + twice), [low_rank(Q + ".base_layer", twice)])
    for note, more in (
        ("a bias twice", {f"{START}{path}.bias": [5], f"{START}module.{path}.bias": [5]}),
        ("a magnitude twice", {f"{START}{path}.lora_magnitude_vector{end}": [5] for end in ("", ".weight")}),
        ("lora_A far before the end", {START + "model.lora_A.x.y.weight": [5, 6]}),
        ("a mark behind MLX's ending", {f"{START}{path}.lora_a._orig_mod": [6, 4]}),
    ):  # fmt: skip
        yield of(CONFIG, note, one | more)
    bias = {f"{START}{path}.lora_B.bias": [5]}
    other = pair(START + "model.layers.1.x")
    yield case("a pair's bias without its pair", bias | other,
               [entry(5, Q, path, scale=0.5), low_rank("layers.1.x", "model.layers.1.x")],
               configuration={"lora_bias": True, "alpha_pattern": {"q_proj": 2}})
    for note, a, b in (
        ("more dimensions in A alone", A + [3], B), ("more dimensions in B alone", A, B + [1]),
        ("a second kernel of three elements", A + [3], B + [3]), ("two numbers of dimensions", A + [3], B + [1, 1]),
    ):  # fmt: skip
        yield of(CONFIG, note, pair(START + "model.conv", a, b))
    table = START + "model.embed_tokens"
    names = {f"{table}.lora_embedding_A": A + [1], f"{table}.lora_embedding_B": B + [1]}
    yield of(CONFIG, "an embedding of three dimensions", names)
    rows = {table + ".token_adapter.trainable_tokens_delta": [2, 6]}
    longest = {"model.embed_tokens": None, "embed_tokens": [1, 2]}
    for told in ({}, [], {"tokens": [1, 1]}, {"d_tokens": [1, 1]}, longest):
        yield case(f"rows whose numbers are not told: {told}", one | rows,
                   [entry(7, "embed_tokens", "model.embed_tokens", rows=[]), low_rank(Q, path)],
                   configuration={"trainable_token_indices": told})
    for told in ([3, 5, 7], {"embed_tokens": [3]}, [3, 5.5], [3, True]):
        yield of(CONFIG | {"trainable_token_indices": told}, f"rows, and the numbers {told}", one | rows)
