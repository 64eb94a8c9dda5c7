"""A terminal in tmux that is typed into and looked at, and a model that answers slowly."""

import json
import os
import re
import shutil
import struct
import subprocess
import time

from programs import PICO

HOLD = 40  # seconds that a step may take on a busy machine


class Terminal:
    prompt = "bash#"

    def __init__(self, folder, columns=100, rows=40):
        self.socket = f"{folder}/tmux"
        environment = {**os.environ, "XDG_STATE_HOME": f"{folder}/state", "TERM": "xterm-256color", "LANG": "C.UTF-8",
                       "HF_HUB_OFFLINE": "1"}
        shell = "PS1='bash# ' exec bash --norc --noprofile"
        subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
             "-c", str(folder), shell], env=environment, check=True)

    def tmux(self, *words, **options):
        command = ["tmux", "-S", self.socket, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, **options)

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def line(self, text):
        self.type(text)
        self.keys("Enter")

    def paste(self, text):
        self.tmux("load-buffer", "-", input=text)
        self.tmux("paste-buffer", "-p")

    @property
    def screen(self):
        return self.tmux("capture-pane", "-p").stdout.rstrip("\n")

    @property
    def history(self):
        text = self.tmux("capture-pane", "-p", "-J", "-S", "-5000").stdout
        return re.sub(" +$", "", text, flags=re.M)

    def wait(self, words, what, count=1):
        """Waits until `words`, a pattern, is there `count` times since the screen was cleared."""
        until = time.time() + HOLD
        while time.time() < until:
            if len(re.findall(words, self.history, re.M)) >= count:
                return
            time.sleep(0.1)
        raise SystemExit(f"FAILED: {what}: no {count} × {words!r} in\n{self.history[-3000:]}")

    def last_line(self, expected, what):
        until = time.time() + HOLD
        while time.time() < until:
            if self.screen.split("\n")[-1].rstrip() == expected:
                return
            time.sleep(0.1)
        raise SystemExit(f"FAILED: {what}: the last line is not {expected!r} but\n{self.screen}")

    def fresh(self):
        """An empty screen with the mark alone, and no history of it."""
        self.keys("C-u")
        self.keys("C-l")
        time.sleep(0.3)
        self.tmux("clear-history")


def slow_pico(folder, times=100):
    """Pico with its layers again and again: what it says is nonsense, and takes its time."""
    shutil.copytree(PICO, folder, ignore=shutil.ignore_patterns("adapter", "*.jsonl"))
    config = json.loads((folder / "config.json").read_text())
    layers = config["num_hidden_layers"]
    config["num_hidden_layers"] = config["max_window_layers"] = layers * times
    (folder / "config.json").write_text(json.dumps(config))
    data = (folder / "model.safetensors").read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header, new, body = json.loads(data[8:start]), {}, []
    size = 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        low, high = tensor["data_offsets"]
        found = re.match(r"model\.layers\.(\d+)\.(.*)", name)
        for i in range(times if found else 1):
            copy = f"model.layers.{int(found[1]) + i * layers}.{found[2]}" if found else name
            new[copy] = {**tensor, "data_offsets": [size, size + high - low]}
            size += high - low
            body.append(data[start + low:start + high])
    text = json.dumps(new).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(body))
