"""The package reads every valid conformance file as it must, and refuses every invalid one by its rule."""

import hashlib

import pytest
from conformance import FOLDER, MANIFEST, cases, everywhere, parents

import tina
from tina import BaseIdentity, TinaError, TinaFile, identify, verify


def ids(kind):
    return {"argvalues": [case for _, case in cases(kind)], "ids": [name for name, _ in cases(kind)]}


def hashes(file):
    words = file.words(file.tensor_numbers())
    return [hashlib.sha256(words[i].tobytes()).hexdigest() for i in file.tensor_numbers()]


def content(file):
    return file.content_digest_of(file.words(file.tensor_numbers())).hex()


def test_every_rule_is_broken_by_some_file():
    text = (FOLDER.parent / "tina-format.md").read_text()
    named = {case["rule"] for case in MANIFEST["invalid"]}
    assert len(named) == 38 and all(f"`{rule}`" in text for rule in named)


@pytest.mark.parametrize("case", **ids("valid"))
def test_valid(case):
    path = FOLDER / case["file"]
    report = verify(path, parents(case))
    assert not report.faults
    file = TinaFile(path, case.get("layers"), parents(case))
    assert file.header.file_digest.hex() == case["file_digest"]
    assert content(file) == case["content_digest"] and hashes(file) == case["tensors"]
    if "layers" in case:
        assert report.extent == "prefix" and report.layers == case["layers"]
        with pytest.raises(TinaError, match="truncated"):
            TinaFile(path)
    else:
        assert report.is_valid and report.content_digest.hex() == case["content_digest"]


@pytest.mark.parametrize("case", [case for _, case in cases("valid") if "prefix_digests" in case])
def test_prefixes(case):
    data = (FOLDER / case["file"]).read_bytes()
    whole = TinaFile(data)
    for layers, (digest, tensors) in enumerate(zip(case["prefix_digests"], case["prefix_tensors"], strict=True), 1):
        for part in (data, data[: whole.directory.layers[layers - 1].end]):
            file = TinaFile(part, layers)
            assert content(file) == digest and hashes(file) == tensors


@pytest.mark.parametrize("case", **ids("invalid"))
def test_invalid(case):
    report = verify(FOLDER / case["file"], parents(case))
    assert not report.is_valid and report.faults[0].rule == case["rule"], report.faults
    # Whoever reads tensors is told the same, or sees nothing of the fault.
    try:
        file = TinaFile(FOLDER / case["file"], parents=parents(case))
        file.words(file.tensor_numbers())
    except TinaError as error:
        assert error.rule == case["rule"]
    else:
        assert case["rule"] == "content-digest"


@pytest.mark.parametrize("case", **ids("either"))
def test_either(case):
    """The text leaves it to the library that decodes, or to the reader's own limits; what is read is right."""
    path = FOLDER / case["file"]
    report = verify(path)
    if report.faults:
        assert report.faults[0].rule == case["rule"]
    else:
        assert report.content_digest.hex() == case["content_digest"] and hashes(TinaFile(path)) == case["tensors"]


@pytest.mark.parametrize("case", MANIFEST["requests"])
def test_requests(case):
    data = (FOLDER / case["file"]).read_bytes()[: case.get("cut")]
    if case["rule"] is None:
        TinaFile(data, case["layers"]).words([0])
    else:
        with pytest.raises(TinaError) as error:
            TinaFile(data, case["layers"])
        assert error.value.rule == case["rule"]


@pytest.mark.parametrize("case", MANIFEST["bases"], ids=lambda case: case["model"])
def test_base(case):
    made = identify(FOLDER / case["model"])
    assert made.bytes == (FOLDER / case["identity"]).read_bytes() and made.digest.hex() == case["digest"]


@pytest.mark.parametrize("case", MANIFEST["comparisons"], ids=lambda case: case["identity"] + " " + case["model"])
def test_comparison(case):
    identity = BaseIdentity((FOLDER / case["identity"]).read_bytes())
    assert identity.compare(FOLDER / case["model"]).outcome == case["outcome"]


@pytest.mark.parametrize("case", **ids("valid"))
def test_damage_is_noticed(case):
    """Some changed bytes and some truncations of every file."""
    data = (FOLDER / case["file"]).read_bytes()
    if "pack" in case or len(data) > 20_000:
        return
    named = everywhere(case)
    its = [tina.TinaFile(parent, parents=named) for parent in named if "invalid" not in str(parent)]
    for place in range(0, len(data), max(1, len(data) // 12)):
        changed = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        assert verify(changed, its).faults, place
    for count in range(0, len(data), max(1, len(data) // 6)):
        report = verify(data[:count], its)
        assert report.faults or report.extent == "prefix", count
