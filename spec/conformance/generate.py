"""Makes the conformance files beside it, and their manifest.

    python3 generate.py            needs numpy and zstandard

Each valid file comes with the content digest that a reader must compute, each invalid one with the rule of
../tina-format.md that it breaks. Every file is small and breaks one rule only.
"""

import json
import os

import valid as valid_cases
import invalid as invalid_cases

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    manifest = {"valid": [], "invalid": []}
    for folder, module in (("valid", valid_cases), ("invalid", invalid_cases)):
        os.makedirs(os.path.join(HERE, folder), exist_ok=True)
        for old in os.listdir(os.path.join(HERE, folder)):
            os.remove(os.path.join(HERE, folder, old))
        for case in module.cases():
            path = f"{folder}/{case.pop('name')}.tina"
            data = case.pop("data")
            with open(os.path.join(HERE, path), "wb") as file:
                file.write(data)
            if folder == "valid":
                case = {"file": path, "file_digest": data[96:128].hex(), **case}
            else:
                case = {"file": path, **case}
            manifest[folder].append(case)
    with open(os.path.join(HERE, "manifest.json"), "w") as file:
        json.dump(manifest, file, indent=1)
        file.write("\n")
    total = sum(os.path.getsize(os.path.join(HERE, case["file"])) for cases in manifest.values() for case in cases)
    print(f"{len(manifest['valid'])} valid and {len(manifest['invalid'])} invalid files, {total} bytes")


if __name__ == "__main__":
    main()
