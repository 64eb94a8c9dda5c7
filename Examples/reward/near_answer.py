"""A reward in Python: 1 for the right number, less the farther away the answer is.

    tina train Recipes/pico.yaml --set 'reward_command=[python3, Examples/reward/near_answer.py]' \
        --set 'rl_post_train_reward_funcs=[format, command]'
"""
import json
import re
import sys


def reward(completion):
    """A number, or None where nothing can be said."""
    if completion["finish_reason"] == "length":
        return None
    numbers = re.findall(r"-?\d+", completion["completion"].split("</think>")[-1])
    if not numbers or completion["answer"] is None:
        return 0.0
    return 1 / (1 + abs(int(numbers[-1][:18]) - int(completion["answer"])))


for line in sys.stdin:
    batch = json.loads(line)
    values = [reward(completion) for completion in batch["completions"]]
    print(json.dumps({"batch": batch["batch"], "values": values}), flush=True)
