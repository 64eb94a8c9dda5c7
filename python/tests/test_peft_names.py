"""PEFT's names (section 17): what directories become, what is refused, and that all comes back."""

import json

import numpy as np
import pytest
from conformance import MANIFEST

import tina
from tina import AdapterError, TinaFile
from tina._model import read_safetensors

CASES = {"argvalues": MANIFEST["peft"], "ids": [case["note"] for case in MANIFEST["peft"]]}


def numbers(case):
    """Tensors of which no two are alike."""
    return {
        name: np.arange(np.prod(shape), dtype="<f4").reshape(shape) + 1000 * i
        for i, (name, shape) in enumerate(case["tensors"].items())
    }


def described(file, entry):
    found = {
        "kind": entry.kind, "module": entry.module, "path": entry.path, "parameter": entry.parameter,
        "origin": entry.origin, "scale": entry.scale, "alpha": entry.alpha,
    }  # fmt: skip
    if entry.tensor_names:
        found["tensor_names"] = entry.tensor_names
    if entry.kind == 7:
        found["rows"] = file.words([entry.first + 1])[entry.first + 1].view("<i8").tolist()
    return found


@pytest.mark.parametrize("case", **CASES)
def test_directory(case, tmp_path):
    tensors, path = numbers(case), tmp_path / "a.tina"
    if case.get("refused"):
        with pytest.raises(AdapterError):
            tina.save_file(tensors, path, case["configuration"])
        assert not list(tmp_path.iterdir())
        return
    tina.save_file(tensors, path, case["configuration"])
    file = TinaFile(path)
    assert [described(file, entry) for entry in file.directory.entries] == case["entries"]
    tina.to_peft(path, tmp_path / "peft")
    assert json.loads((tmp_path / "peft/adapter_config.json").read_text()) == case["configuration"]
    header, data = read_safetensors(str(tmp_path / "peft/adapter_model.safetensors"))
    header.pop("__metadata__", None)
    assert header.keys() == tensors.keys()
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert bytes(data[begin:end]) == tensors[name].tobytes() and tuple(entry["shape"]) == tensors[name].shape
