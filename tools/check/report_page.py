#!/usr/bin/env python3
"""Opens a report of `tina report` or `tina sweep` in a real headless browser: time, size, and pictures.

    tools/check/report_page.py runs/ranks/report.html [--times 7] [--pictures FOLDER] [--chromium /usr/bin/chromium]

Each time the page is opened in a new tab; told are the milliseconds from the request to the end of loading and to the
first picture with content. Pictures are of a phone and a desk, light and dark. A page that is wider than its window,
an error on the console, or a request that leaves the file fails. Chromium is spoken to over its debugging pipe.
"""
import argparse
import base64
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

SIZES = {"phone": (390, 844, 2), "wide": (1180, 780, 1)}
TIMES = """new Promise(done => {
  const told = () => {
    const at = performance.getEntriesByType('navigation')[0];
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    done(JSON.stringify({load: at.loadEventEnd, paint: paint ? paint.startTime : null,
                         width: document.documentElement.scrollWidth, window: innerWidth,
                         nodes: document.querySelectorAll('*').length}));
  };
  const wait = () => performance.getEntriesByType('navigation')[0].loadEventEnd ? setTimeout(told, 300)
                                                                               : setTimeout(wait, 20);
  wait();
})"""


class Browser:
    """Chromium at the other end of two pipes, which carry messages that end in a zero byte."""

    def __init__(self, program, profile):
        to_it, self.output = os.pipe()
        self.input, from_it = os.pipe()

        def place():
            # In two steps: a pipe's end may have the other's number.
            ends = [os.dup2(end, number) for end, number in ((to_it, 100), (from_it, 101))]
            for end, number in zip(ends, (3, 4)):
                os.dup2(end, number)
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--hide-scrollbars",
             f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_it)
        os.close(from_it)
        self.number, self.rest, self.events = 0, b"", []

    def ask(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                piece = os.read(self.input, 1 << 16)
                if not piece:
                    sys.exit("the browser ended")
                self.rest += piece
            line, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") != self.number:
                self.events.append(answer)
                continue
            if "error" in answer:
                sys.exit(f"{method}: {answer['error']}")
            return answer["result"]

    def open(self, url, size, scheme):
        """The tab's session and what TIMES tells of it."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        width, height, scale = SIZES[size]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable", session)
        self.ask("Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=scale,
                 mobile=size == "phone")
        self.ask("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", session, url=url)
        answer = self.ask("Runtime.evaluate", session, expression=TIMES, awaitPromise=True)
        return target, session, json.loads(answer["result"]["value"])

    def faults(self, url):
        """What the console told, and requests for anything but the page."""
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                yield parameters["exceptionDetails"]["text"]
            if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                yield parameters["entry"]["text"]
            if event.get("method") == "Network.requestWillBeSent":
                asked = parameters["request"]["url"]
                if asked.split("#")[0] != url and not asked.startswith(("data:", "about:")):
                    yield f"asks for {asked}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--pictures", type=pathlib.Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-headless-shell"))
    options = parser.parse_args()
    url = options.page.resolve().as_uri()
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(options.chromium, profile)
        version = browser.ask("Browser.getVersion")["product"]
        told = []
        for _ in range(options.times):
            target, _, times = browser.open(url, "wide", "light")
            browser.ask("Target.closeTarget", targetId=target)
            told.append(times)
        for size in SIZES:
            for scheme in ("light", "dark"):
                target, session, times = browser.open(url, size, scheme)
                if times["width"] > times["window"]:
                    found.append(f"{size}: {times['width']} pixels wide in a window of {times['window']}")
                if options.pictures:
                    options.pictures.mkdir(parents=True, exist_ok=True)
                    picture = browser.ask("Page.captureScreenshot", session, captureBeyondViewport=True)
                    (options.pictures / f"{size}-{scheme}.png").write_bytes(base64.b64decode(picture["data"]))
                browser.ask("Target.closeTarget", targetId=target)
        found += sorted(set(browser.faults(url)))
        browser.ask("Browser.close")
        browser.process.wait()
    loads, paints = ([t[key] for t in told if t[key] is not None] for key in ("load", "paint"))
    print(f"{version}: {options.page.stat().st_size / 1e6:.2f} MB, {told[0]['nodes']} elements; loaded after "
          f"{statistics.median(loads):.0f} ms (median of {len(loads)}; first {loads[0]:.0f}, longest {max(loads):.0f})"
          + (f", first picture after {statistics.median(paints):.0f} ms" if paints else ""))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
