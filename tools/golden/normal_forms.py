"""Makes Tests/TokenizationTests/Fixtures/normal-forms.json: texts and their normal form C by Python's unicodedata.

    python3 tools/golden/normal_forms.py

Each case is [scalars, scalars of the form]. The texts are random rows of what is hard: starters that compose, marks of
many classes in short and long runs, Hangul, exclusions, singletons, and what decomposes to marks alone.
"""

import json
import os
import random
import unicodedata

PARTS = (
    "a e o u A é ế ậ ộ Å \u212b ﬁ 한 \u1100 \u1161 \u11a8 \uac00 \uac01 क \u093c \u0958 \u09c7 \u09be \u0301 \u0302"
    " \u0307 \u0308 \u0323 \u0327 \u031b \u0338 \u0344 \u0340 \u0f71 \u0f72 \u0f73 \u0f75 \u0f81 \u3099 か \U0001d15e"
    " \U0001d165 \U0001d16e \u05b0 \u05c1 שׁ \u200d \U0001f1e9 漢 \uf900 \u0dd9 \u0dcf \u0dca \u1025 \u102e"
).split()


def main():
    dice = random.Random(5)
    cases = []
    for number in range(400):
        text = "".join(dice.choice(PARTS) for _ in range(dice.randrange(1, 14)))
        if number % 20 == 0:
            marks = [part for part in PARTS if unicodedata.combining(part[0]) or part[0] in "\u0f73\u0f75\u0f81"]
            text += "".join(dice.choice(marks) for _ in range(100)) + dice.choice(PARTS)
        cases.append([[ord(c) for c in text], [ord(c) for c in unicodedata.normalize("NFC", text)]])
    path = os.path.join(os.path.dirname(__file__), "../../Tests/TokenizationTests/Fixtures/normal-forms.json")
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
