#!/usr/bin/env python3
"""Measures Tina and other programs in turns of about a second: a machine's memory changes its speed faster than whole
runs take turns. Benchmarks/peers/run makes what this needs, and starts it.

  turns.py FOLDER [options]        results go to FOLDER/results-TINA.jsonl, TINA being a digest of the program

Begun again, it goes on where it was: it makes the pairs that are missing, and those during which other programs took
more than a tenth of the machine. Tina runs through `tina serve` without flags, drawing included; llama.cpp through
its C API, decoding alone; who goes first changes from round to round. An ik_llama.cpp is named by the folder of its
programs; its rounds are whole processes, without adapter.
"""
import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import time

import processor
import programs
from programs import Batched, Llama, Tina

FILES = {"bf16": "bf16.gguf", "q8_0": "q8_0.gguf", "q4_k_m": "q4_k_m.gguf"}
QUIET = 0.1  # the share of the machine that other programs may take
STEPS = {1: 12, 2: 12, 4: 10, 8: 8, 16: 6, 32: 5}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder")
parser.add_argument("--quick", action="store_true", help="1 and 16 streams and one prompt, 3 rounds: under 5 minutes")
parser.add_argument("--rounds", type=int)
parser.add_argument("--types", default=",".join(FILES), help="NAME is the file NAME.gguf in FOLDER")
parser.add_argument("--streams", help="1,2,4,8,16,32 unless given; '' for none")
parser.add_argument("--prompts", help="128,512 unless given; '' for none")
parser.add_argument("--activations", default="default", help="a list: default, f32, bf16, int8")
parser.add_argument("--adapters", default="without,with")
parser.add_argument("--isa", default="native", choices=["native", "avx2"])
parser.add_argument("--ik", help="the folder of an ik_llama.cpp's programs")
parser.add_argument("--ik-flags", default="-rtr -no-fa")
parser.add_argument("--vocabulary", type=int, default=150000, help="ids of prompts are below it")
parser.add_argument("--longer", type=int, default=1, help="so many times the steps of a round: for small models")
parser.add_argument("--threads", type=int, help="as many as processors unless given")
parser.add_argument("--tina", default=".build/release/tina")
parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; begin again to go on")
a = parser.parse_args()
programs.vocabulary = a.vocabulary


def numbers(named, quick, all):
    return [int(n) for n in (named if named is not None else quick if a.quick else all).split(",") if n]


streams, prompts = numbers(a.streams, "1,16", "1,2,4,8,16,32"), numbers(a.prompts, "512", "128,512")
rounds = a.rounds or (3 if a.quick else 10)
adapters = [name == "with" for name in a.adapters.split(",")]
deadline = time.monotonic() + a.seconds


def work(kind):
    """The pairs of a round, (cell, with adapter). A quick round leaves out what takes long."""
    made = [(("streams", n, a.longer * STEPS.get(n, 6)), adapter) for n in streams for adapter in adapters]
    made += [(("prompt", n, 1), adapter) for n in prompts for adapter in adapters
             if not (a.quick and (adapter or kind != "bf16"))]
    return made


class Results:
    def __init__(self):
        with open(a.tina, "rb") as program:
            digest = hashlib.file_digest(program, "sha256").hexdigest()[:8]
        self.path = os.path.join(a.folder, f"results-{digest}.jsonl")
        self.done = {}
        if os.path.exists(self.path):
            for line in open(self.path):
                record = json.loads(line)
                if "cell" in record:
                    self.count(record)

    def key(self, record):
        return tuple(str(record[k]) for k in ("peer", "isa", "type", "activations", "cell", "adapter"))

    def count(self, record):
        if record["others"] <= QUIET:
            self.done[self.key(record)] = self.done.get(self.key(record), 0) + 1

    def missing(self, record, round):
        return self.done.get(self.key(record), 0) <= round

    def add(self, record):
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")
        if "cell" in record:
            self.count(record)
            print(line(record), file=sys.stderr)


def line(r):
    title = r["cell"] + (" adapter" if r["adapter"] else "")
    disturbed = f"  others took {r['others']:.0%}" if r["others"] > QUIET else ""
    return (f"{r['peer']:12} {r['isa']:6} {r['type']:6} {r['activations']:7} {title:18} "
            f"{r['tina']:7.1f} : {r['other']:7.1f} = {r['tina'] / r['other']:.2f}{disturbed}")


results = Results()


def version():
    return subprocess.run([a.tina, "--version"], capture_output=True, text=True).stdout.split()[1]


def file(kind):
    return os.path.join(a.folder, FILES.get(kind, kind + ".gguf"))


def against(peer, kind, activations):
    """All rounds of one file. Loads both programs if anything is missing."""
    base = {"peer": peer, "isa": a.isa, "type": kind, "activations": activations}
    pairs = [(cell, adapter, dict(base, cell=f"{cell[0]}{cell[1]}", adapter=adapter)) for cell, adapter in work(kind)]
    if not any(results.missing(record, rounds - 1) for _, _, record in pairs):
        return
    tina = Tina(a.tina, file(kind), os.path.join(a.folder, "adapter"), a.threads, activations, a.isa)
    try:
        if peer == "llama.cpp":
            other = Llama(file(kind), os.path.join(a.folder, "adapter.gguf"), a.threads, streams or [1])
            named = other.api.version()
        else:
            other = Batched(a.ik, file(kind), a.threads, a.ik_flags)
            named = f"{other.program} {a.ik_flags}"
        results.add({"setup": dict(base, date=f"{datetime.datetime.now():%Y-%m-%d %H:%M}", tina=version(), other=named,
                                   processor=processor.describe(), threads=a.threads or os.cpu_count(),
                                   health=tina.get("/health"))})
        for adapter in adapters:  # warm
            tina.rate(("streams", 1, 2), adapter)
        turns = in_turns if peer == "llama.cpp" else in_rounds
        for round in range(rounds):
            turns(tina, other, [pair for pair in pairs if results.missing(pair[2], round)], round)
        if peer == "llama.cpp":
            other.end()
    finally:
        tina.end()


def in_turns(tina, other, pairs, round):
    for cell, adapter, record in pairs:
        stop_in_time()
        both, others = {}, processor.Others(tina.process.pid)
        for program in ((tina, other), (other, tina))[round % 2]:
            both[program] = program.rate(cell, adapter)
        results.add(dict(record, tina=round_off(both[tina]), other=round_off(both[other]),
                         others=round_off(others.share())))


def in_rounds(tina, other, pairs, round):
    if not pairs:
        return
    stop_in_time()
    others = processor.Others(tina.process.pid)
    theirs = other.rates(list(dict.fromkeys(cell for cell, _, _ in pairs))) if round % 2 else None
    ours = [tina.rate(cell, adapter) for cell, adapter, _ in pairs]
    theirs = theirs or other.rates(list(dict.fromkeys(cell for cell, _, _ in pairs)))
    for (cell, _, record), rate in zip(pairs, ours):
        results.add(dict(record, tina=round_off(rate), other=theirs[cell], others=round_off(others.share())))


def round_off(rate):
    return float(f"{rate:.4g}")


def stop_in_time():
    if time.monotonic() > deadline:
        raise TimeoutError


try:
    for activations in a.activations.split(","):
        for kind in a.types.split(","):
            against("llama.cpp", kind, activations)
            if a.ik:
                against("ik_llama.cpp", kind, activations)
except TimeoutError:
    print("Time is up; begun again, the same command goes on from here.", file=sys.stderr)
    print(results.path)
    sys.exit(75)
print(results.path)
