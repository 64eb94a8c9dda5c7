#!/usr/bin/env python3
"""Reads a training run's TensorBoard files with the tensorboard package and compares them with metrics.jsonl.

  python tools/check/event_files.py runs/pico

Needs `pip install tensorboard`.
"""
import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main(folder):
    expected = {}
    for line in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        step = values.pop("step")
        expected |= {(key, step): value for key, value in values.items()}
    found = {}
    for file in sorted(pathlib.Path(folder).glob("events.out.tfevents.*")):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            found |= {(tag, event.step): event.value for event in events.Scalars(tag)}
    missing = [key for key in expected if key not in found]
    wrong = [key for key in expected if key in found
             and abs(found[key] - expected[key]) > 1e-6 * max(1, abs(expected[key]))]
    print(f"{len(expected)} scalars expected, {len(found)} found, {len(missing)} missing, {len(wrong)} wrong")
    return 1 if missing or wrong or not expected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
