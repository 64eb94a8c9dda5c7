"""Writes to disks that are full: `tina convert` to every format, and `tina pull`, on file systems of every size.

    python tools/check/full_disk.py [TINA]      Linux, with user namespaces (`unshare -rm`); a minute

Each time the old adapter, or the new one, must be what is there, nothing else, and the error must say which file.
"""

import os
import subprocess
import sys
import time

import hub_server
from programs import PICO, find_program

TINA = os.path.abspath(find_program(next((name for name in sys.argv[1:] if name != "--inside"), None)))
ADAPTER = PICO + "/adapter"
TARGETS = {"a.tina": [], "a.gguf": ["--base", PICO], "a-peft": [], "a-mlx": ["--to", "mlx"]}
failures = 0


def check(what, right, detail=""):
    global failures
    failures += not right
    if not right:
        print(f"WRONG {what}: {detail}", flush=True)


def contents(path):
    if os.path.isdir(path):
        return {name: contents(path + "/" + name) for name in sorted(os.listdir(path))}
    return open(path, "rb").read() if os.path.exists(path) else None


def mount(size):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", "/mnt"], check=True)


def fill():
    """Takes what room there is."""
    with open("/mnt/filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


def tina(*arguments, **environment):
    return subprocess.run([TINA, *arguments], capture_output=True, text=True, env=dict(os.environ) | environment)


def convert(target, options):
    """From a disk that has room for nothing to one that has room for all."""
    failed = done = 0
    for size in range(4, 1400, 20):
        mount(size)
        path = "/mnt/" + target
        result = tina("convert", ADAPTER, path, *options)
        now = sorted(os.listdir("/mnt"))
        if result.returncode == 0:
            done += 1
            check(f"{target} on {size} kB", now == [target] and tina("diff", ADAPTER, path).returncode == 0, now)
        else:
            failed += 1
            check(f"{target} on {size} kB", now == [] and result.returncode == 1, now)
            check(f"{target} on {size} kB is told", target in result.stderr, result.stderr)
        subprocess.run(["umount", "/mnt"], check=True)
    check(f"{target}: some have room and some have not", failed and done, (failed, done))
    print(f"ok    {target}: {failed} full disks, {done} with room", flush=True)


def replace(target, options):
    """Over an older adapter, with room for one of the two."""
    mount(900)
    path = "/mnt/" + target
    check("the first", tina("convert", ADAPTER, path, *options).returncode == 0)
    fill()
    before = contents(path)
    result = tina("convert", ADAPTER, path, *options)
    check(f"{target} stays", result.returncode == 1 and contents(path) == before, result.stderr)
    check(f"{target} alone", sorted(os.listdir("/mnt")) == sorted([target, "filler"]), os.listdir("/mnt"))
    subprocess.run(["umount", "/mnt"], check=True)
    print(f"ok    {target}: the old one stays", flush=True)


def pull():
    """The hub's cache: refused before, where the system tells how much is free, or stopped and gone on with."""
    repository = hub_server.Repository(PICO)
    hub = hub_server.FakeHub({"tina-check/pico": repository})
    online = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": "/mnt/hf"}
    mount(18_000)
    result = tina("pull", "tina-check/pico", **online)
    check("pull is refused before", result.returncode == 1 and "free" in result.stderr, result.stderr)
    check("and nothing is there", not any(files for _, _, files in os.walk("/mnt")), list(os.walk("/mnt")))
    subprocess.run(["umount", "/mnt"], check=True)

    # Room enough at first; another program takes it while the files come.
    mount(40_000)
    hub.delay = 0.02
    program = subprocess.Popen([TINA, "pull", "tina-check/pico"], env=dict(os.environ) | online, stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, text=True)
    time.sleep(0.3)
    fill()
    errors = program.communicate()[1]
    check("pull stops on a full disk", program.returncode == 1 and "No space left" in errors, errors)
    check("without a snapshot", not os.path.exists("/mnt/hf/hub/models--tina-check--pico/refs/main"))
    os.unlink("/mnt/filler")
    hub.delay = 0
    seen = len(hub.requests)
    result = tina("pull", "tina-check/pico", **online)
    resumed = [r for r in hub.requests[seen:] if r[2].get("Range")]
    check("pull goes on once there is room", result.returncode == 0 and resumed, result.stderr)
    subprocess.run(["umount", "/mnt"], check=True)
    print("ok    pull", flush=True)


def main():
    if "--inside" not in sys.argv:
        sys.exit(subprocess.run(["unshare", "-rm", sys.executable, __file__, TINA, "--inside"]).returncode)
    for target, options in TARGETS.items():
        convert(target, options)
        replace(target, options)
    pull()
    print("all right" if not failures else f"{failures} wrong")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
