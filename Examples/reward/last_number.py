"""A grader in Python: an answer is right if its last number is.

    tina eval --grader-command 'python3 Examples/reward/last_number.py'
"""
import json
import re
import sys

for line in sys.stdin:
    batch = json.loads(line)
    values = []
    for completion in batch["completions"]:
        numbers = re.findall(r"-?\d+", completion["completion"])
        values.append(bool(numbers) and numbers[-1] == completion["answer"])
    print(json.dumps({"batch": batch["batch"], "values": values}), flush=True)
