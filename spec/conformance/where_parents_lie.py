"""Parents by their places: what makes a file another one, and which of several candidates comes first."""

from valid import *  # noqa: F403
from valid_more import child, vector
from writer import *  # noqa: F403


def cases():
    # A difference of nothing in front of the longest chain. Taken for its own parent, it would be one too many.
    last = vector(255)
    itself = child("", last, last, "")
    yield {
        "name": "chain-256-linked", "note": "a link to a file, and its path by another way, are that file: not its parent",
        "content_digest": content_digest(last).hex(), "tensors": hashes(last),
        "parents": ["valid/chain-link.tina", "invalid/../valid/chain-256-linked.tina"], "pack": "valid/chain.pack",
        "data": itself, "links": {"valid/chain-link.tina": "chain-256-linked.tina"},
    }  # fmt: skip

    # Two candidates state one content, and the later one is damaged.
    old, new = pairs("BF16", 1), pairs("BF16", 1, seed=60)
    right = make(old)
    wrong = damaged(right)
    about = {"content_digest": content_digest(new).hex(), "tensors": hashes(new)}
    file = child("", new, old, "")
    yield {
        "name": "run/checkpoint-30/adapter", "note": "folders in the order of their names: checkpoint-10, checkpoint-9", **about,
        "found": "valid/run/checkpoint-10/adapter.tina", "data": file,
        "beside": {
            "valid/run/checkpoint-10/adapter.tina": right, "valid/run/checkpoint-9/adapter.tina": wrong,
            "valid/run/best/adapter.tina": wrong,
        },
    }  # fmt: skip
    named = child("", new, old, "", meta=compact({"parent": {"file": "old.tina"}}))
    yield {
        "name": "run/checkpoint-30/named", "note": "the name in META comes before the other folders", **about,
        "found": "valid/run/checkpoint-30/old.tina", "data": named,
        "beside": {"valid/run/checkpoint-30/old.tina": right, "valid/run/checkpoint-10/named.tina": wrong},
    }  # fmt: skip
    yield {
        "name": "run/given", "note": "a file that the user names comes before the name in META", **about,
        "parents": ["valid/run/checkpoint-10/adapter.tina"], "data": named, "beside": {"valid/run/old.tina": wrong},
    }  # fmt: skip
    yield {
        "name": "run/given-another", "note": "a file that is named and has another content is no parent: META's is", **about,
        "parents": ["valid/parent-f16.tina"], "found": "valid/run/given-old.tina",
        "data": child("", new, old, "", meta=compact({"parent": {"file": "given-old.tina"}})),
        "beside": {"valid/run/given-old.tina": right},
    }  # fmt: skip


def invalid_cases():
    last = vector(255)
    itself = child("", last, last, "")
    yield {
        "name": "chain-257-copied", "rule": "limit", "note": "a copy of a file is another file: it can be its parent",
        "parents": ["invalid/chain-copy.tina"], "pack": "valid/chain.pack", "data": itself,
        "beside": {"invalid/chain-copy.tina": itself},
    }  # fmt: skip
    old = pairs("BF16", 2)
    itself = child("", old, old, "")
    yield {
        "name": "child-of-damaged-copy", "rule": "block-digest", "note": "a damaged copy of the file, which comes before its parent",
        "parents": ["invalid/damaged-copy.tina", "valid/parent-bf16.tina"], "data": itself,
        "beside": {"invalid/damaged-copy.tina": damaged(itself)},
    }  # fmt: skip
    old, new = pairs("BF16", 1), pairs("BF16", 1, seed=60)
    yield {
        "name": "child-given-damaged", "rule": "block-digest", "note": "the file that the user names is damaged, the one in META is not",
        "parents": ["valid/run/checkpoint-9/adapter.tina"],
        "data": child("", new, old, "", meta=compact({"parent": {"file": "given-right.tina"}})),
        "beside": {"invalid/given-right.tina": make(old)},
    }  # fmt: skip


def damaged(data):
    return data[:-1] + bytes([data[-1] ^ 1])
