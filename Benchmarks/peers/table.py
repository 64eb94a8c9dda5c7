#!/usr/bin/env python3
"""Makes tables of what turns.py measured.

  table.py RESULTS.jsonl                     every cell: medians, the median of the pairs' ratios and their range
  table.py RESULTS.jsonl --update NAME [--kernels FILE] [--mca FILE]
      writes a page of docs/log for that date and the same as numbers in docs/log/speed/, then makes the tables of
      docs/reference/performance.md anew from all numbers there: a column for each processor, its newest file. The
      FILEs hold what Benchmarks/kernels/run.sh printed and what Benchmarks/kernels/mca/mca --json wrote.
  table.py --update                          the tables of the page alone
"""
import argparse
import json
import pathlib
import re
import statistics
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOG = ROOT / "docs" / "log"
PAGE = ROOT / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- made by Benchmarks/peers/table.py --update -->", "<!-- until here -->"
QUIET = 0.1  # as in turns.py
NAMES = {"bf16": "bf16", "q8_0": "Q8_0", "q4_k_m": "Q4_K_M"}


def brief(program):
    """A program's name and what it was built with; llama.cpp tells that as "CPU : AVX2 = 1 | FMA = 1 | "."""
    name, colon, features = program.partition(", CPU :")
    found = re.findall(r"(\w+) = 1", features)
    return f"{name}, `{' '.join(found)}`" if colon else name


def read(path):
    """A summary: the newest setup, and cells by (peer, isa, type, activations, cell, adapter)."""
    setup, pairs = {}, {}
    for line in open(path):
        record = json.loads(line)
        if "setup" in record:
            found = record["setup"]
            setup["date"] = found["date"][:10]
            setup["processor"], setup["threads"], setup["tina"] = found["processor"], found["threads"], found["tina"]
            setup[f"{found['peer']} {found['isa']}"] = brief(found["other"])
        else:
            key = "|".join(str(record[k]) for k in ("peer", "isa", "type", "activations", "cell"))
            pairs.setdefault(key + ("|adapter" if record["adapter"] else ""), []).append(record)
    cells = {}
    for key, records in pairs.items():
        # Pairs beside other programs' work tell of how programs bear that, which is another question.
        records = [r for r in records if r["others"] <= QUIET]
        if not records:
            print(f"table: {key}: other programs disturbed every pair; measure again", file=sys.stderr)
            continue
        ratios = [r["tina"] / r["other"] for r in records]
        cells[key] = [round(statistics.median(r["tina"] for r in records), 1),
                      round(statistics.median(r["other"] for r in records), 1),
                      *(round(x, 2) for x in (statistics.median(ratios), min(ratios), max(ratios))), len(records)]
    return {"setup": setup, "cells": cells}


def cell_text(cell):
    tina, other, ratio, low, high, *_ = cell
    spread = f" ({low:.2f}–{high:.2f})" if low else ""
    return f"{tina:g} : {other:g} = **{ratio:.2f}**{spread}"


def order(key):
    peer, isa, kind, activations, cell, *adapter = key.split("|")
    return (peer != "llama.cpp", isa, activations != "default", activations, list(NAMES).index(kind),
            cell.startswith("prompt"), int(re.sub(r"\D", "", cell)), bool(adapter))


def whole_table(summary):
    lines = ["| against | instructions | weights | activations | work | tina : other, tok/s = ratio (range) | pairs |",
             "|---" * 7 + "|"]
    for key in sorted(summary["cells"], key=order):
        peer, isa, kind, activations, cell, *adapter = key.split("|")
        values = summary["cells"][key]
        title = work(cell) + (", adapter" if adapter else "")
        lines.append(f"| {peer} | {isa} | {NAMES[kind]} | {activations} | {title} | {cell_text(values)} | "
                     f"{values[-1]} |")
    return "\n".join(lines)


def work(cell):
    kind, count = re.match(r"(\D+)(\d+)", cell).groups()
    return f"prompt of {count}" if kind == "prompt" else f"{count} streams" if count != "1" else "1 stream"


def describe(setup):
    p = setup["processor"]
    return (f"{p['name']}, {setup['threads']} threads; {', '.join(p['caches'])}; {', '.join(p['instructions'])}; "
            f"{setup['date']}")


def log_page(summary):
    setup = summary["setup"]
    lines = [f"# {setup['date']}: speed on {setup['processor']['name']}", "", "Made by `Benchmarks/peers/table.py`.",
             "", textwrap.fill(f"{describe(setup)}. Tina {setup['tina']}.", 118), "",
             "In turns of about a second, medians of pairs, and the range of the pairs' ratios. Tina runs through",
             '`tina serve`; "default" means without flags.', ""]
    lines += [textwrap.fill(f"- {name}: {setup[name]}", 118, subsequent_indent="  ", break_long_words=False)
              for name in setup if name.split()[0] in ("llama.cpp", "ik_llama.cpp")]
    lines += ["", whole_table(summary)]
    if summary.get("kernels"):
        lines += ["", "## Kernels alone", "", "Shares of the larger of two limits, reads and arithmetic.", "",
                  "| weights:activations | inputs | share |", "|---|---|---|"]
        lines += [f"| {kind} | {n} | {share} % |" for kind, shares in summary["kernels"].items()
                  for n, share in shares.items()]
    if summary.get("mca"):
        lines += ["", "## Counted by llvm-mca", "", mca_table([summary])]
    return "\n".join(lines) + "\n"


def mca_table(summaries):
    """Cycles for a block of 32 weights of one row: counts, and beside them what was measured."""
    records = {(r["kernel"], r["type"], r["inputs"]): r for s in summaries for r in s.get("mca", [])}
    if not records:
        return ""
    cpus = [name for name in next(iter(records.values())) if name not in ("kernel", "type", "inputs", "here")]
    measured = [s for s in summaries if s.get("mca")]
    lines = ["| cycles for 32 weights of a row | " + " | ".join(f"{cpu}, counted" for cpu in cpus) + " | "
             + " | ".join(f"{s['setup']['processor']['name']}, measured" for s in measured) + " |",
             "|---" * (1 + len(cpus) + len(measured)) + "|"]
    for (kernel, kind, inputs), record in records.items():
        here = [next((r["here"] for r in s["mca"]
                      if (r["kernel"], r["type"], r["inputs"]) == (kernel, kind, inputs)), 0) for s in measured]
        lines.append(f"| {kernel}, {kind}, {inputs} input{'s' if inputs > 1 else ''} | "
                     + " | ".join(f"{c:.2f}" if c else "–" for c in [*(record[cpu] for cpu in cpus), *here]) + " |")
    return "\n".join(lines)


# ---- The page of the reference -----------------------------------------------------------------

def rows():
    """Title and key of each row of the page."""
    for kind in NAMES:
        for title, cell in [("1 stream", "streams1"), ("1 stream, adapter", "streams1|adapter"),
                            ("16 streams", "streams16"), ("16 streams, adapter", "streams16|adapter"),
                            ("prompt of 512", "prompt512")]:
            yield f"{NAMES[kind]}, {title}", f"llama.cpp|native|{kind}|default|{cell}"
    for kind in NAMES:
        for title, cell in [("1 stream", "streams1"), ("1 stream, adapter", "streams1|adapter"),
                            ("16 streams, adapter", "streams16|adapter"), ("prompt of 512", "prompt512")]:
            if kind == "bf16" or not cell.startswith("prompt"):
                yield f"AVX2 only: {NAMES[kind]}, {title}", f"llama.cpp|avx2|{kind}|default|{cell}"
    for kind in NAMES:
        yield f"ik_llama.cpp: {NAMES[kind]}, 16 streams (ours with adapter)", \
            f"ik_llama.cpp|native|{kind}|default|streams16|adapter"


def page_tables():
    newest = {}
    for path in sorted((LOG / "speed").glob("*.json")):
        summary = json.loads(path.read_text())
        newest[summary["setup"]["processor"]["name"]] = summary
    columns = sorted(newest.values(), key=lambda s: s["setup"]["date"], reverse=True)
    setups = [s["setup"] for s in columns]
    lines = ["| tina : other, tok/s = **ratio** (range) | " + " | ".join(s["processor"]["name"] for s in setups) + " |",
             "|---" * (len(columns) + 1) + "|"]
    for title, texts in [("caches", [", ".join(s["processor"]["caches"]) for s in setups]),
                         ("instructions", [", ".join(s["processor"]["instructions"]) for s in setups]),
                         ("measured", [f"{s['date']}, {s['threads']} threads" for s in setups])]:
        lines.append(f"| {title} | " + " | ".join(texts) + " |")
    for title, key in rows():
        found = [s["cells"].get(key) for s in columns]
        if any(found):
            lines.append(f"| {title} | " + " | ".join(cell_text(c) if c else "–" for c in found) + " |")
    for kind in ("bf16", "bf16:bf16", "q8_0", "q4_k"):
        found = [s.get("kernels", {}).get(kind, {}) for s in columns]
        counts = [n for n in "1 2 4 8 16 32 512".split() if any(n in shares for shares in found)]
        if not counts:
            continue
        lines.append(f"| kernels, {kind}, {', '.join(counts)} inputs: % of the larger limit | "
                     + " | ".join(", ".join(str(shares.get(n, "–")) for n in counts) if shares else "–"
                                  for shares in found) + " |")
    return "\n".join(lines) + "\n\n" + mca_table(columns)


def kernel_shares(path):
    """Shares of the larger limit, by weights and inputs, of what Benchmarks/kernels/run.sh printed."""
    found = {}
    for line in open(path):
        if m := re.match(r"\| (\S+) \| (\d+) \|.*\*\*(\d+) %\*\* \|$", line.strip()):
            found.setdefault(m[1], {})[m[2]] = int(m[3])
    return found


def save(summary, name):
    """One line for each cell, so that a change can be read."""
    (LOG / "speed").mkdir(exist_ok=True)
    stem = f"{summary['setup']['date']}-{name}"
    parts = [f'"setup": {json.dumps(summary["setup"], ensure_ascii=False)}']
    parts += [f'"{key}": {json.dumps(summary[key])}' for key in ("kernels", "mca") if key in summary]
    cells = [f"  {json.dumps(key)}: {json.dumps(summary['cells'][key])}" for key in sorted(summary["cells"], key=order)]
    parts.append('"cells": {\n' + ",\n".join(cells) + "\n}")
    (LOG / "speed" / f"{stem}.json").write_text("{" + ",\n".join(parts) + "}\n")
    (LOG / f"{summary['setup']['date']}-speed-{name}.md").write_text(log_page(summary))


def update_page():
    text = PAGE.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{PAGE}: found no lines '{BEGIN}' and '{END}'")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + page_tables().strip() + "\n" + END + rest.split(END, 1)[1])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("results", nargs="?")
parser.add_argument("--update", nargs="?", const="", metavar="NAME", help="what the processor is called in the log")
parser.add_argument("--kernels", help="a file with the output of Benchmarks/kernels/run.sh")
parser.add_argument("--mca", help="a file that Benchmarks/kernels/mca/mca --json wrote")
a = parser.parse_args()
if a.results:
    summary = read(a.results)
    if a.kernels:
        summary["kernels"] = kernel_shares(a.kernels)
    if a.mca:
        summary["mca"] = json.loads(pathlib.Path(a.mca).read_text())
    print(log_page(summary))
    if a.update:
        save(summary, a.update)
if a.update is not None:
    update_page()
