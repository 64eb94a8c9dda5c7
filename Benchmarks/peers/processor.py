"""What a speed belongs to: the processor's name, its caches, and the instruction sets that decide how fast kernels
can be."""
import glob
import os
import re

# Families and models of processors whose guests may not be told their names.
CORES = [
    ("AuthenticAMD", 23, range(0, 256), "Zen 2 or older"), ("AuthenticAMD", 25, range(0, 16), "Zen 3, Milan"),
    ("AuthenticAMD", 25, range(16, 32), "Zen 4, Genoa"), ("AuthenticAMD", 25, range(32, 96), "Zen 3"),
    ("AuthenticAMD", 25, range(96, 160), "Zen 4"), ("AuthenticAMD", 25, range(160, 176), "Zen 4c, Bergamo"),
    ("AuthenticAMD", 26, range(0, 256), "Zen 5"), ("GenuineIntel", 6, [85], "Skylake or Cascade Lake"),
    ("GenuineIntel", 6, [106], "Ice Lake"), ("GenuineIntel", 6, [143], "Sapphire Rapids"),
    ("GenuineIntel", 6, [207], "Emerald Rapids"), ("GenuineIntel", 6, [173], "Granite Rapids"),
    ("GenuineIntel", 6, [151, 154], "Alder Lake"), ("GenuineIntel", 6, [183, 186, 191], "Raptor Lake"),
]
INSTRUCTIONS = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16",
                "asimddp", "i8mm", "bf16", "sve"]


def describe():
    text = open("/proc/cpuinfo").read()

    def field(name):
        found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.M)
        return found.group(1).strip() if found else ""

    core = next((core for vendor, family, models, core in CORES
                 if field("vendor_id") == vendor and int(field("cpu family") or 0) == family
                 and int(field("model") or 0) in models), "")
    flags = set((field("flags") or field("Features")).split())
    return {
        "name": " ".join(filter(None, [field("model name") or os.uname().machine, core and f"({core})"])),
        "threads": os.cpu_count(),
        "caches": caches(),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
    }


def caches():
    """Those that the first processor sees."""
    found = []
    for folder in sorted(glob.glob("/sys/devices/system/cpu/cpu0/cache/index*")):
        def read(name):
            return open(f"{folder}/{name}").read().strip()
        if read("type") != "Instruction":
            kilobytes = int(read("size").rstrip("K"))
            size = f"{kilobytes // 1024} MB" if kilobytes >= 1024 else f"{kilobytes} KB"
            found.append(f"L{read('level')}{'d' if read('type') == 'Data' else ''} {size}")
    return found


class Others:
    """The share of the machine that neither this process, its ended children nor `companion` took since it was made;
    what a host took from its guest counts too."""

    def __init__(self, companion):
        self.companion = companion
        self.busy, self.own, self.all = self.now()

    def now(self):
        with open("/proc/stat") as file:
            user, nice, system, idle, iowait, *more = map(int, file.readline().split()[1:9])
        with open(f"/proc/{self.companion}/stat") as file:
            theirs = sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
        ours = sum(os.times()[:4]) * os.sysconf("SC_CLK_TCK")
        busy = user + nice + system + sum(more)
        return busy, theirs + ours, busy + idle + iowait

    def share(self):
        busy, own, everything = self.now()
        return max(busy - self.busy - (own - self.own), 0) / max(everything - self.all, 1)


if __name__ == "__main__":
    print(describe())
