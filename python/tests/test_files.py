"""Writing and reading back, by both interfaces; PEFT's names and configurations."""

import json
import math
import os
import pathlib
import shutil
import struct
import subprocess

import numpy as np
import pytest
from conformance import FOLDER

import tina
from tina import AdapterError, TinaError
from tina._model import read_safetensors
from tina._names import module_of, parse, unwrapped

ROOT = pathlib.Path(__file__).resolve().parents[2]
_BUILT = [ROOT / f".build/{kind}/tina" for kind in ("debug", "release")]
PROGRAM = os.environ.get("TINA_PROGRAM") or next((path for path in _BUILT if path.exists()), None)
CONFIG = {
    "peft_type": "LORA", "base_model_name_or_path": "someone/base", "r": 4, "lora_alpha": 8, "use_rslora": False,
    "target_modules": ["q_proj", "up_proj"], "rank_pattern": {"layers.1.mlp.up_proj": 2}, "alpha_pattern": {},
    "lora_dropout": 0.05,
}  # fmt: skip


def adapter(element="<f4", layers=3, seed=1):
    """PEFT's tensors, one pair of another rank."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for i in range(layers):
        for module, inner, outer in (("self_attn.q_proj", 24, 16), ("mlp.up_proj", 24, 40)):
            rank = 2 if (i, module) == (1, "mlp.up_proj") else 4
            name = f"base_model.model.model.layers.{i}.{module}"
            tensors[name + ".lora_A.weight"] = (rng.uniform(-1, 1, (rank, inner)) / math.sqrt(inner)).astype(element)
            tensors[name + ".lora_B.weight"] = rng.normal(0, 0.02, (outer, rank)).astype(element)
    return tensors


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes(), name


@pytest.mark.parametrize("element", ["<f4", "<f2"])
@pytest.mark.parametrize("options", [{}, {"plain": True}, {"seed": 5}])
def test_round_trip(tmp_path, element, options):
    tensors, path = adapter(element), tmp_path / "a.tina"
    tina.save_file(tensors, path, CONFIG, metadata={"format": "pt"}, training={"step": 3}, **options)
    same(tina.load_file(path), tensors)
    assert tina.verify(path)
    with tina.safe_open(path) as file:
        assert sorted(file.keys()) == sorted(tensors) and file.metadata() == {"format": "pt"}
        name = next(iter(tensors))
        assert file.get_tensor(name).tobytes() == tensors[name].tobytes()
        assert file.get_slice(name).get_shape() == list(tensors[name].shape)
        assert (file.get_slice(name)[1:3] == tensors[name][1:3]).all()
    info = tina.info(path)
    assert info.is_exact and info.training == {"step": 3} and info.base_model_name == "someone/base"
    assert info.parameter_count == sum(value.size for value in tensors.values())
    assert {entry.scale for entry in info.entries} == {2.0, 4.0} and {entry.rank for entry in info.entries} == {2, 4}
    assert list(tmp_path.iterdir()) == [path]


def test_bf16_is_widened_exactly_or_kept(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    words = np.arange(0, 1 << 16, 37, dtype="<u2")[: 4 * 440].reshape(4, 440)
    names = [f"base_model.model.model.layers.0.x.lora_{half}.weight" for half in "AB"]
    tensors = {names[0]: words.view(ml_dtypes.bfloat16), names[1]: words[:, :8].T.copy().view(ml_dtypes.bfloat16)}
    tina.save_file(tensors, tmp_path / "a.tina", scale=1)
    raw = tina.load_file(tmp_path / "a.tina", raw=True)
    assert (raw[names[0]] == words).all() and raw[names[0]].dtype == np.uint16
    wide = tina.load_file(tmp_path / "a.tina")[names[0]]
    assert wide.dtype == np.float32 and (wide.view("<u4") >> 16 == words).all()


def test_parents(tmp_path):
    """A run's checkpoints are differences; each is found beside, and never taken for what it is not."""
    first, second = adapter(), adapter()
    second = {name: np.nextafter(value, np.float32(1)) for name, value in second.items()}
    old, new = tmp_path / "old.tina", tmp_path / "new.tina"
    tina.save_file(first, old, CONFIG)
    tina.save_file(second, new, CONFIG, parent=old)
    assert new.stat().st_size < old.stat().st_size / 2
    same(tina.load_file(new), second)
    assert tina.info(new).parent == tina.info(old).content_digest
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(new, tmp_path / "elsewhere")
    assert tina.info(moved).parent
    with pytest.raises(TinaError, match="parent"):
        tina.load_file(moved)
    same(tina.load_file(moved, parents=[old]), second)
    # Another file under the same stated digest.
    other = adapter(seed=2)
    tina.save_file(other, tmp_path / "other.tina", CONFIG)
    forged = forge(tmp_path / "other.tina", bytes.fromhex(tina.info(old).content_digest))
    assert tina.load_file(forged).keys() == other.keys()
    with pytest.raises(TinaError, match="content"):
        tina.load_file(moved, parents=[forged])


def forge(path, digest):
    """A plain copy of a file that states another content."""
    from hashlib import sha256

    tensors = tina.load_file(path)
    tina.save_file(tensors, path, CONFIG)
    data = bytearray(path.read_bytes())
    file = tina.TinaFile(bytes(data))
    section = next(its for its in file.header.sections if its.type == b"TDIR")
    assert section.codec == 1
    import zstandard

    directory = bytearray(zstandard.ZstdDecompressor().decompress(bytes(data[section.begin :][: section.stored])))
    directory[32:64] = digest
    frame = zstandard.ZstdCompressor(level=19).compress(bytes(directory))
    spare = -(-(section.begin + section.stored) // 64) * 64 - section.begin
    assert len(frame) <= spare
    record = 128 + 64
    data[section.begin : section.begin + spare] = frame + bytes(spare - len(frame))
    data[record + 8 : record + 16] = struct.pack("<Q", len(frame))
    data[record + 32 : record + 64] = sha256(frame).digest()
    data[32:64] = sha256(bytes(data[128 : 128 + 128])).digest()
    data[96:128] = sha256(bytes(data[:96])).digest()
    path.write_bytes(data)
    return path


def test_what_is_wrong_is_said(tmp_path):
    tensors = adapter()
    name = next(iter(tensors))
    path = tmp_path / "a.tina"
    for wrong, config, message in (
        ({name: tensors[name]}, CONFIG, "missing"), (tensors, None, "scale="),
        (tensors, {**CONFIG, "r": 8}, "rank"), (tensors, {**CONFIG, "peft_type": "IA3"}, "LORA"),
        ({"x.lora_A.other.weight": tensors[name]}, CONFIG, "named adapter"),
    ):  # fmt: skip
        with pytest.raises(AdapterError, match=message):
            tina.save_file(wrong, path, config)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TinaError) as error:
        tina.load_file(FOLDER / "invalid/block-digest.tina")
    assert error.value.rule == "block-digest" and "block-digest.tina" in str(error.value)
    with pytest.raises(FileNotFoundError):
        tina.load_file(tmp_path / "nothing.tina")
    with pytest.raises(TinaError, match="layers=1 reads them"):
        tina.load_file(FOLDER / "valid/prefix-1-of-3.tina")


def test_arrays_may_be_written_and_the_file_stays(tmp_path):
    path, tensors = tmp_path / "a.tina", adapter()
    tina.save_file(tensors, path, CONFIG, plain=True)
    before = path.read_bytes()
    for value in tina.load_file(path).values():
        value += 1
    assert path.read_bytes() == before
    same(tina.load_file(path, trust=True), tensors)


@pytest.mark.parametrize("config", [CONFIG, {**CONFIG, "use_rslora": True}])
def test_to_peft(tmp_path, config):
    tensors = adapter()
    tina.save_file(tensors, tmp_path / "a.tina", config, metadata={"format": "pt"})
    tina.to_peft(tmp_path / "a.tina", tmp_path / "peft")
    assert json.loads((tmp_path / "peft/adapter_config.json").read_text()) == config
    header, data = read_safetensors(str(tmp_path / "peft/adapter_model.safetensors"))
    assert header.pop("__metadata__") == {"format": "pt"}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert bytes(data[begin:end]) == tensors[name].tobytes() and entry["shape"] == list(tensors[name].shape)
    assert header.keys() == tensors.keys()


def test_to_peft_states_scales_that_no_configuration_explains(tmp_path):
    tina.to_peft(FOLDER / "valid/mixed-ranks.tina", tmp_path / "peft")
    config = json.loads((tmp_path / "peft/adapter_config.json").read_text())
    from tina._config import Settings

    settings = Settings(config)
    for entry in tina.info(FOLDER / "valid/mixed-ranks.tina").entries:
        assert settings.rank_of(entry.module) == entry.rank
        assert settings.scale(entry.rank, settings.alpha_of(entry.module)) == entry.scale


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|a)*b", ".*.*.*.*x", "(", "a" * 2001])
def test_patterns_that_take_too_long_are_refused(tmp_path, pattern):
    with pytest.raises(AdapterError, match="pattern"):
        tina.save_file(adapter(), tmp_path / "a.tina", {**CONFIG, "rank_pattern": {pattern: 4}})


@pytest.mark.parametrize(
    ("name", "path", "module", "kind"),
    [
        ("base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", "model.layers.3.self_attn.q_proj",
         "layers.3.self_attn.q_proj", 1),
        ("base_model.model.model.embed_tokens.lora_embedding_B.default", "model.embed_tokens", "embed_tokens", 3),
        ("module._orig_mod.base_model.model.h.0.attn.lora_B.default.weight", "h.0.attn", "h.0.attn", 1),
        ("base_model.model.base_model.model.model.layers.0.x.base_layer.lora_A.weight",
         "base_model.model.model.layers.0.x.base_layer", "layers.0.x", 1),
        ("base_model.model.model.language_model.layers.1.mlp.up_proj.lora_magnitude_vector.weight",
         "model.language_model.layers.1.mlp.up_proj", "layers.1.mlp.up_proj", 4),
        ("base_model.model.lm_head.weight", "lm_head", "lm_head", 8),
        ("base_model.model.model.norm.bias", "model.norm", "model.norm", 6),
        ("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", "model.embed_tokens",
         "embed_tokens", 7),
        ("base_model.model.q.lora_B.bias", "q", "q", 5),
    ],
)  # fmt: skip
def test_names(name, path, module, kind):
    found = parse(name)
    assert (found.path, found.module, found.kind) == (path, module, kind) and module_of(found.path) == module
    assert unwrapped("x.module.y") == "x.module.y"


@pytest.mark.skipif(PROGRAM is None, reason="the program is not built")
def test_the_program_reads_what_is_written(tmp_path):
    """Both writers give one content; `tina verify` and `tina inspect` accept the package's files."""
    tensors = adapter()
    for name, options in (("exact", {}), ("plain", {"plain": True}), ("seeded", {"seed": 9})):
        tina.save_file(tensors, tmp_path / f"{name}.tina", CONFIG, **options)
    tina.save_file(adapter(seed=1), tmp_path / "child.tina", CONFIG, parent=tmp_path / "exact.tina")
    tina.to_peft(tmp_path / "exact.tina", tmp_path / "peft")
    run = {"check": True, "capture_output": True, "text": True, "env": {**os.environ, "TINA_OFFLINE": "1"}}
    for name in ("exact", "plain", "seeded", "child"):
        subprocess.run([PROGRAM, "verify", tmp_path / f"{name}.tina"], **run)
        subprocess.run([PROGRAM, "inspect", tmp_path / f"{name}.tina"], **run)
    subprocess.run([PROGRAM, "convert", tmp_path / "peft", tmp_path / "own.tina"], **run)
    assert tina.info(tmp_path / "own.tina").content_digest == tina.info(tmp_path / "exact.tina").content_digest
    same(tina.load_file(tmp_path / "own.tina"), tensors)
