"""Grades thousands of generated pairs with `tina grade` and with math-verify, and shows where they disagree.

    pip install math-verify
    python tools/check/grading_differential.py FILE.jsonl... [--tina .build/debug/tina] [--limit N]

A line of a file holds a gold answer under the key "answer", such as a public benchmark's. From each come pairs that
must be equal (itself, and the same written differently) and pairs that must not be (one digit or sign changed, the
next answer). A must-equal pair that Tina does not find equal, and a must-differ pair that it finds equal, is a failure
of ours whatever math-verify says. These are printed first; exit code 1 if there is any.
"""

import argparse
import json
import multiprocessing
import random
import re
import sys

from programs import json_lines


def answers(paths):
    found = []
    for path in paths:
        for line in open(path, encoding="utf-8"):
            answer = json.loads(line)["answer"]
            if isinstance(answer, (str, int, float)) and str(answer).strip():
                found.append(str(answer).strip())
    return list(dict.fromkeys(found))


def rewritings(text):
    """The same answer, written differently."""
    bare = text.strip("$ ")
    yield "itself", text
    yield "in a box", f"So we are done. The answer is $\\boxed{{{bare}}}$."
    yield "after thinking", f"<think>Is it 17? No, 23.</think>\n\nHence\n\\[\\boxed{{{bare}}}\\]"
    yield "in dollars", f"${bare}$" if text.count("$") in (0, 2) else text
    if text.count("$") in (0, 2):
        yield "final answer", f"Therefore, the final answer is: ${bare}$. I hope it is correct."
    for name, pattern, replacement in [
        ("dfrac", r"\\frac", r"\\dfrac"),
        ("no left, right", r"\\(left|right)\b\s*", ""),
        ("left, right", r"(?<!\\left)(?<!\\right)(?<!\\)([()])", None),
        ("blanks", r"(?<!e)(?<=[-+=,])(?=\S)(?<!e[-+])", " "),
        ("slash", r"(?<![\d\s])\\d?frac\{(-?\w+)\}\{(\w+)\}", r"(\1)/(\2)"),
        ("half braces", r"\\d?frac\{(\d)\}\{(\d)\}", r"\\frac\1\2"),
        ("bare roots", r"\\sqrt\{(\d)\}", r"\\sqrt\1"),
        ("dots", r"(?<=\d)\s*(?=\\(sqrt|pi)\b)", r" \\cdot "),
        ("no degree sign", r"\^\{?\\circ\}?", ""),
        ("zero", r"^(-?)\.(\d)", r"\g<1>0.\2"),
        ("trailing zero", r"^(-?\d*\.\d+)$", r"\g<1>0"),
        ("thousands", r"^(\d{1,3})(\d{3})$", r"\1,\2"),
        ("typeset thousands", r"^(\d{1,3})(\d{3})$", r"\1{,}\2"),
        ("typographic minus", r"-", "\u2212"),
    ]:
        if replacement is None:
            changed = re.sub(pattern, lambda m: ("\\left" if m[1] == "(" else "\\right") + m[1], text)
        else:
            changed = re.sub(pattern, replacement, text)
        if changed != text:
            yield name, changed
    if re.fullmatch(r"-?\d+", text):
        n = int(text)
        if abs(n) < 10**9:
            yield "sum", f"{n - 7}+7"
            yield "fraction", f"\\frac{{{n * 3}}}{{3}}"
            yield "named", f"x={n}"
            yield "decimal", f"{n}.0"
    if re.fullmatch(r"[\d\s\\a-z{}+*^()-]+", bare) and "pm" not in bare and "text" not in bare and "geq" not in bare:
        yield "plus nothing", f"{bare}+0"
        yield "doubled and halved", f"\\frac{{2\\left({bare}\\right)}}{{2}}"


def perturbations(text, others, rng):
    """Other answers that look alike."""
    digits = [m for m in re.finditer(r"\d", text)]
    for m in rng.sample(digits, min(3, len(digits))):
        digit = str((int(m[0]) + rng.choice([1, 2, 5])) % 10)
        yield "a digit", text[: m.start()] + digit + text[m.end() :]
    bare = text.strip("$")
    if re.search(r"\d", bare) and not re.search(r"\\pm|\\in\b|=|[\[(,<>]|U|\\cup|\\text", bare):
        if bare not in ("0",):
            yield "the sign", "-(" + bare + ")"
            yield "one more", f"{bare}+1"
    if "+" in text:
        yield "plus to minus", text.replace("+", "-", 1)
    if "\\sqrt" in text:
        yield "no root", re.sub(r"\\sqrt(\[\d\])?", "", text, count=1)
    m = re.fullmatch(r"\$?\\?(?:left)?\(([^,()]+),([^,()]+)\)\$?", text)
    if m and m[1].strip() != m[2].strip():
        yield "swapped", f"({m[2]},{m[1]})"
        yield "closed", f"[{m[1]},{m[2]}]"
    for other in rng.sample(others, 3):
        yield "another answer", other


def math_verify(pair):
    from math_verify import parse, verify

    # It reads LaTeX between dollars only.
    gold, prediction = (
        text if "$" in text or "\\boxed" in text or "\\[" in text else f"${text}$" for text in pair
    )
    try:
        return bool(verify(parse(gold), parse(prediction)))
    except Exception:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tina", default=".build/debug/tina")
    parser.add_argument("answers", nargs="+", help="files of JSON lines with a key answer")
    parser.add_argument("--limit", type=int, default=0, help="how many answers to take, at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-math-verify", action="store_true")
    parser.add_argument("--show", type=int, default=12, help="how many of each kind to show")
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    found = answers(arguments.answers)
    if arguments.limit:
        found = rng.sample(found, min(arguments.limit, len(found)))
    cases = []
    for text in found:
        cases += [(text, p, True, kind) for kind, p in rewritings(text)]
        cases += [(text, p, False, kind) for kind, p in perturbations(text, found, rng) if p != text]
    pairs = [(g, p) for g, p, _, _ in cases]
    ours = json_lines([arguments.tina, "grade", "-"], [{"gold": g, "prediction": p} for g, p in pairs])
    theirs = [None] * len(pairs)
    if not arguments.without_math_verify:
        with multiprocessing.Pool(1, maxtasksperchild=500) as pool:
            theirs = pool.map(math_verify, pairs, chunksize=50)

    groups = {}
    counts = {"ours right": 0, "theirs right": 0, "undecided": 0}
    for (gold, prediction, expected, kind), our, their in zip(cases, ours, theirs):
        verdict = our.get("equal")
        counts["ours right"] += verdict == expected
        counts["theirs right"] += their == expected
        counts["undecided"] += verdict is None
        if verdict != expected:
            groups.setdefault(("FAILURE", expected, kind), []).append((gold, prediction, our, their))
        elif not arguments.without_math_verify and their != expected:
            groups.setdefault(("theirs", expected, kind), []).append((gold, prediction, our, their))
    for (whose, expected, kind), items in sorted(groups.items(), key=lambda g: (g[0][0], str(g[0]))):
        print(f"\n== {whose}: expected {'equal' if expected else 'different'}, {kind}: {len(items)}")
        for gold, prediction, our, their in items[: arguments.show if whose == "FAILURE" else 3]:
            print(f"   {gold!r}  |  {prediction!r}  |  tina {our.get('equal')} ({our.get('why')}), math-verify {their}")
    print(f"\n{len(cases)} pairs from {len(found)} answers: {counts}")
    sys.exit(any(whose == "FAILURE" for whose, _, _ in groups))


if __name__ == "__main__":
    main()
