#!/usr/bin/env python3
"""Draws the first table of an experiment's page: each arm's Pass@1 with its 95 % interval, as NAME.svg beside it.

    Experiments/plot.py [NAME ...]       all pages unless given; Experiments/run draws its own page's
"""
import html
import pathlib
import re
import sys

PAGES = pathlib.Path(__file__).resolve().parents[1] / "docs/experiments"
START = "<!-- made by Experiments/run -->"
SCORE = re.compile(r"([0-9.]+) % \(([0-9.]+) % – ([0-9.]+) %\)")
WIDTH, LEFT, RIGHT, TOP, ROW = 640, 250, 28, 34, 24
STYLE = """text{font:12px system-ui,sans-serif;fill:#1b1b1f}.soft{fill:#5c5c66}.paper{fill:#f5f5f7}.grid{stroke:#dcdce2}
.axis{stroke:#5c5c66}.base{stroke:#5c5c66;stroke-dasharray:4 3}.reach{stroke:#3056d3;stroke-width:2}.mark{fill:#3056d3}
@media(prefers-color-scheme:dark){text{fill:#ececf0}.soft{fill:#a5a5b0}.paper{fill:#212125}.grid{stroke:#3a3a42}
.axis,.base{stroke:#a5a5b0}.reach{stroke:#8ea8ff}.mark{fill:#8ea8ff}}"""


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(text):
    """The tables of a text, each a list of rows of cells, the head first."""
    found, rows = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("|"):
            rows.append(cells(line))
        elif rows:
            found.append([rows[0]] + rows[2:])
            rows = []
    return found


def shortened(values):
    """The values of a setting, without what long ones begin and end with in common."""
    values = [value.strip('"') for value in values]
    long = sorted({value for value in values if len(value) > 20})
    while len(long) > 1 and all("/" in value for value in long):
        if len({value.split("/", 1)[0] for value in long}) > 1:
            break
        values = [value.split("/", 1)[1] if value in long else value for value in values]
        long = sorted(value.split("/", 1)[1] for value in long)
    while len(long) > 1 and all("/" in value for value in long):
        if len({value.rsplit("/", 1)[1] for value in long}) > 1:
            break
        values = [value.rsplit("/", 1)[0] if value in long else value for value in values]
        long = sorted(value.rsplit("/", 1)[0] for value in long)
    return values


def arms(text):
    """The settings' names; (values, score, low, high) of each arm of the first table; (name, score) of bases."""
    parts = tables(text)
    head, *rows = parts[0]
    count = head.index("seeds")
    place = next(i for i, cell in enumerate(head) if cell.startswith("Pass@1"))
    rows = [row for row in rows if SCORE.search(row[place])]
    values = {id(row): [float(value) for value in SCORE.search(row[place]).groups()] for row in rows}
    bases = [("base", values[id(row)][0]) for row in rows if row[0] == "base"]
    rows = [row for row in rows if row[0] != "base"]
    keys = []
    for i in range(count):  # a setting that follows from others needs no words
        known = {}
        if any(known.setdefault(tuple(row[k] for k in keys), row[i]) != row[i] for row in rows):
            keys.append(i)
    columns = [shortened([row[i] for row in rows]) for i in keys]
    scores = [(", ".join(column[n] for column in columns) or "all runs", *values[id(row)])
              for n, row in enumerate(rows)]
    for table in parts[1:]:
        if table[0][0] == "last checkpoint":
            bases += [(row[0], float(row[1].split()[0])) for row in table[1:] if row[0].startswith("base ")]
    return ", ".join(head[i] for i in keys), scores, bases


def drawing(text):
    """The chart as SVG; None if there is no arm."""
    names, scores, bases = arms(text)
    if not scores:
        return None
    height = TOP + ROW * len(scores) + 40
    low = min([score[2] for score in scores] + [value for _, value in bases])
    high = max([score[3] for score in scores] + [value for _, value in bases])
    step = next(s for s in (2, 5, 10, 20, 25) if (high - low) / s <= 8 or s == 25)
    first, last = int(low // step) * step, min(int(-(-high // step)) * step, 100)

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / (last - first)

    bottom = TOP + ROW * len(scores)
    parts = [f'<rect class="paper" width="{WIDTH}" height="{height}" rx="4"/>']
    for value in range(first, last + 1, step):
        parts.append(f'<line class="grid" x1="{x(value):.1f}" y1="{TOP - 6}" x2="{x(value):.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="soft" x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value} %</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>')
    parts.append(f'<text class="soft" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{bottom + 33}" text-anchor="middle">'
                 "Pass@1, problems solved; 95 % intervals</text>")
    parts.append(f'<text class="soft" x="{LEFT - 10}" y="{TOP - 12}" text-anchor="end">{html.escape(names)}</text>')
    places = []
    for name, value in sorted(bases, key=lambda base: base[1]):
        parts.append(f'<line class="base" x1="{x(value):.1f}" y1="{TOP - 6}" x2="{x(value):.1f}" y2="{bottom}"/>')
        at = max([x(value)] + [end + 8 for end in places])
        places.append(at + 6.6 * len(name))
        parts.append(f'<text class="soft" x="{at:.1f}" y="{TOP - 12}">{html.escape(name)}</text>')
    for i, (name, value, low_end, high_end) in enumerate(scores):
        y = TOP + ROW * i + ROW / 2
        shown = name if len(name) <= 36 else "…" + name[-35:]
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{html.escape(shown)}</text>')
        parts.append(f'<line class="reach" x1="{x(low_end):.1f}" y1="{y}" x2="{x(high_end):.1f}" y2="{y}"/>')
        parts.append(f'<circle class="mark" cx="{x(value):.1f}" cy="{y}" r="4"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img"><title>Pass@1 of each arm</title><style>{STYLE}</style>\n'
            + "\n".join(parts) + "\n</svg>\n")


def link(name):
    return f"![Pass@1 of each arm, with 95 % intervals]({name}.svg)"


def write(name, text):
    """Draws what a page has between its marks; the line that shows the drawing, or nothing."""
    made = drawing(text)
    if made is None:
        return ""
    (PAGES / f"{name}.svg").write_text(made)
    return link(name) + "\n\n"


def main():
    names = sys.argv[1:] or sorted(page.stem for page in PAGES.glob("*.md") if START in page.read_text())
    for name in names:
        page = PAGES / f"{name}.md"
        before, rest = page.read_text().split(START, 1)
        rest = rest.replace(link(name) + "\n\n", "")
        page.write_text(f"{before}{START}\n{write(name, rest)}{rest.lstrip()}")


if __name__ == "__main__":
    main()
