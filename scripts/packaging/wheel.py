#!/usr/bin/env python3
"""Makes the wheel: the Python module of python/, and the program with what belongs to it.

    scripts/packaging/wheel.py STAGE FOLDER     prints the wheel's path

STAGE is a prefix as `stage` lays it out; below an environment it becomes bin/, lib/tina/ and share/. The metadata is
python/pyproject.toml's. The platform tag names the newest version of glibc that anything inside asks for.
"""
import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of no use in an environment of Python.
LEFT_OUT = re.compile(r"lib/systemd/|share/doc/")


def newest_glibc(stage):
    """The newest minor version of glibc 2 that a program or library asks for."""
    newest = 17
    for path in [stage / "bin/tina", *(stage / "lib/tina").iterdir()]:
        text = subprocess.run(["objdump", "-T", path], capture_output=True, text=True, check=True).stdout
        newest = max(newest, *(int(minor) for minor in re.findall(r"GLIBC_2\.(\d+)", text)))
    return newest


def metadata(project, version):
    lines = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {version}"]
    lines += [f"Summary: {project['description']}"] if "description" in project else []
    lines += [f"Requires-Python: {project['requires-python']}"] if "requires-python" in project else []
    lines.append("License-Expression: Apache-2.0")
    lines += [f"License-File: {path.name}" for path in licences()]
    lines += [f"Classifier: {each}" for each in project.get("classifiers", []) if not each.startswith("License")]
    lines += [f"Project-URL: {name}, {address}" for name, address in project.get("urls", {}).items()]
    lines += [f"Keywords: {','.join(project['keywords'])}"] if "keywords" in project else []
    lines += [f"Requires-Dist: {each}" for each in project.get("dependencies", [])]
    for extra, needs in project.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        for each in needs:
            requirement, _, marker = (part.strip() for part in each.partition(";"))
            condition = f"({marker}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            lines.append(f"Requires-Dist: {requirement}; {condition}")
    readme = project.get("readme")
    path = readme.get("file") if isinstance(readme, dict) else readme
    text = (ROOT / "python" / path).read_text() if path else ""
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", text])


def licences():
    return sorted((STAGE / "share/doc/tina/licences").iterdir())


def entry_points(project):
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    return "".join(f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
                   for group, entries in groups.items() if entries)


class Wheel:
    """A zip file that ends with the list of its files and their digests."""

    def __init__(self, path, info):
        self.info, self.lines = info, []
        # The same sources give the same bytes.
        self.time = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", 315532800)))[:6]
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)

    def add(self, name, data, mode=0o644):
        member = zipfile.ZipInfo(name, self.time)
        member.external_attr = (0o100000 | mode) << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(member, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.lines.append(f"{name},sha256={digest},{len(data)}")

    def close(self):
        record = "\n".join([*self.lines, f"{self.info}/RECORD,,", ""])
        self.zip.writestr(zipfile.ZipInfo(f"{self.info}/RECORD", self.time), record)
        self.zip.close()


def main():
    project = tomllib.loads((ROOT / "python/pyproject.toml").read_text())["project"]
    version = re.search(r'tinaVersion = "(.*)"', (ROOT / "Sources/Support/Version.swift").read_text()).group(1)
    module = re.search(r'__version__ = "(.*)"', (ROOT / "python/src/tina/_version.py").read_text()).group(1)
    if module != version:
        sys.exit(f"error: python/src/tina/_version.py: found version {module}, expected {version}, as in"
                 " Sources/Support/Version.swift")
    name = re.sub(r"[-_.]+", "_", project["name"]).lower()
    tag = f"py3-none-manylinux_2_{newest_glibc(STAGE)}_x86_64"
    info, data = f"{name}-{version}.dist-info", f"{name}-{version}.data"
    path = FOLDER / f"{name}-{version}-{tag}.whl"
    wheel = Wheel(path, info)
    for file in sorted((ROOT / "python/src").rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and not file.parts[-2].endswith(".egg-info"):
            wheel.add(str(file.relative_to(ROOT / "python/src")), file.read_bytes())
    wheel.add(f"{data}/scripts/tina", (STAGE / "bin/tina").read_bytes(), 0o755)
    for file in sorted(STAGE.rglob("*")):
        place = str(file.relative_to(STAGE))
        if file.is_file() and not place.startswith("bin/") and not LEFT_OUT.match(place):
            wheel.add(f"{data}/data/{place}", file.read_bytes())
    for file in licences():
        wheel.add(f"{info}/licenses/{file.name}", file.read_bytes())
    wheel.add(f"{info}/METADATA", metadata(project, version).encode())
    wheel.add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: tina\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())
    if points := entry_points(project):
        wheel.add(f"{info}/entry_points.txt", points.encode())
    wheel.close()
    print(path)


STAGE, FOLDER = (pathlib.Path(argument) for argument in sys.argv[1:3])
main()
