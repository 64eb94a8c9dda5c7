"""Makes the conformance files beside it, and their manifest.

    python3 generate.py            needs numpy and zstandard

Each valid file comes with the content digest and the tensors' hashes that a reader must compute, each invalid one with
the rule of ../tina-format.md that it breaks. Every file is small. Those named `first-…` break several rules, and come
with the one that is told.
"""

import json
import os
import shutil
from types import SimpleNamespace

import bases
import either
import invalid
import invalid_more
import peft_names
import requests_of_layers
import valid
import valid_more
import where_parents_lie

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    manifest = {"valid": [], "invalid": [], "either": []}
    its_refusals = SimpleNamespace(cases=where_parents_lie.invalid_cases)
    for folder, modules in (
        ("valid", (valid, valid_more, where_parents_lie)), ("invalid", (invalid, invalid_more, its_refusals)),
        ("either", (either,)),
    ):  # fmt: skip
        shutil.rmtree(os.path.join(HERE, folder), ignore_errors=True)
        for case in (case for module in modules for case in module.cases()):
            path = f"{folder}/{case.pop('name')}.tina"
            data = case.pop("data")
            for name, content in case.pop("beside", {}).items():
                write(name, content)
            write(path, data)
            for name, target in case.pop("links", {}).items():
                os.symlink(target, os.path.join(HERE, name))
            if folder == "valid":
                case = {"file": path, "file_digest": data[96:128].hex(), **case}
            else:
                case = {"file": path, **case}
            manifest[folder].append(case)
    manifest["requests"] = list(requests_of_layers.cases())
    manifest |= bases.make(write)
    manifest["peft"] = list(peft_names.cases())
    with open(os.path.join(HERE, "manifest.json"), "w") as file:
        json.dump(manifest, file, indent=1)
        file.write("\n")
    total = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(HERE) for name in names)
    counts = ", ".join(f"{len(cases)} {name}" for name, cases in manifest.items())
    print(f"{counts}; {total} bytes with the generator")


def write(path, data):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
