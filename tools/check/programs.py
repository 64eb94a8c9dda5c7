"""What the checks beside this file share: where `tina` is, its answers as JSON lines, a running `tina serve`."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PICO = ROOT + "/Models/pico"


def find_program(named=None):
    """The program named, or the built one that is there, release first."""
    for path in [named, ROOT + "/.build/release/tina", ROOT + "/.build/debug/tina"]:
        if path and os.path.exists(path):
            return path
    raise SystemExit("no built tina: run `swift build -c release` first, or name one with --tina")


def memory(pid, kind="RssAnon"):
    """KiB of a process, by default those that belong to it alone."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(kind + r":\s+(\d+) kB", status.read())[1])


def json_lines(command, lines):
    """What a command answers to objects on its standard input, one object for each."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(command, input=text.encode(), capture_output=True)
    results = [json.loads(line) for line in done.stdout.decode().rstrip("\n").split("\n") if line]
    if len(results) != len(lines):
        sys.exit(f"{len(results)} answers for {len(lines)} lines: {done.stderr.decode()[-400:]}")
    return results


class Server:
    """A running server; its log is kept. Use it in a `with` statement."""

    def __init__(self, *arguments, tina=None, environment=None):
        self.process = subprocess.Popen(
            [find_program(tina), "serve", *arguments, "--port", "0"], cwd=ROOT, text=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env={**os.environ, **(environment or {})})
        self.lines = []
        self.url = None
        ready = threading.Event()

        def read():
            for line in self.process.stderr:
                self.lines.append(line.rstrip("\n"))
                found = re.match(r"serving .* at (http://\S+)/$", line)
                if found:
                    self.url = found[1]
                    ready.set()
            ready.set()

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        ready.wait(600)
        if not self.url:
            raise SystemExit("the server did not start:\n" + "\n".join(self.lines))

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def memory(self):
        """Resident bytes that belong to the process alone."""
        return memory(self.process.pid) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=60):
        """The exit code, and how long it took."""
        began = time.monotonic()
        code = self.process.wait(seconds)
        self.reader.join(5)
        return code, time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
