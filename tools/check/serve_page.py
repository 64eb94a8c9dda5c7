#!/usr/bin/env python3
"""Uses the page of `tina serve` in a real headless browser.

    pip install playwright          (and a chromium: `playwright install chromium`, or --chromium PATH)
    tools/check/serve_page.py [--chromium /usr/bin/chromium] [--pictures FOLDER]

Serves Pico with its adapter, then the same page from a server that answers as it is told (page_talk.py). Any failure,
any error on the page's console, and any request that leaves the server ends it with a traceback.
"""

import argparse
import os
import shutil
import urllib.request

from playwright.sync_api import expect, sync_playwright

import page_talk
from page_server import PageServer
from programs import PICO, Server


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tina", help="the program; the built one unless given")
    options.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-headless-shell"),
                         help="a browser; playwright's own unless found")
    options.add_argument("--pictures", help="a folder for pictures of the page")
    options = options.parse_args()
    with (Server(PICO, "--adapter", "math=" + PICO + "/adapter", tina=options.tina) as server,
          sync_playwright() as driver):
        browser = driver.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        print("browser:", browser.version)
        use(browser, server, options.pictures)
        with urllib.request.urlopen(server.url) as reply:
            html, policy = reply.read().decode(), reply.headers["Content-Security-Policy"]
        told = PageServer(html, policy)
        page_talk.run(lambda *arguments: open_page(browser, *arguments), told, options.pictures)
        told.stop()
        browser.close()
    key = "a-secret"
    with Server(PICO, "--api-key", key, tina=options.tina) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        ask_for_key(browser, server, key)
        browser.close()
    print("the page works")


def open_page(browser, server, scheme="light", size=(1180, 780), allowed=()):
    context = browser.new_context(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error"
            and not any(words in message.text for words in allowed) else None)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(
        (server.url, "data:", "blob:")) else None)
    page.goto(server.url + "/")
    return page, faults


def use(browser, server, pictures):
    def picture(name):
        if pictures:
            os.makedirs(pictures, exist_ok=True)
            page.screenshot(path=f"{pictures}/{name}.png")

    page, faults = open_page(browser, server)
    expect(page.locator("#where")).to_have_text("pico")
    # The adapter comes first, with a scale; the base has none.
    expect(page.locator("select")).to_have_value("math")
    expect(page.locator(".scale")).to_be_visible()
    picture("empty")

    # One answer: thinking folded, its text there when unfolded, the answer beside it.
    page.locator("#settings").click()
    page.fill("#seed", "5")
    page.locator("#done").click()
    page.locator(".tries button").first.click()
    expect(page.locator(".said")).to_have_text("What is 12 + 3 * 4?")
    expect(page.locator(".notes")).to_contain_text("seed 5")
    expect(page.locator(".words")).to_contain_text("The answer is")
    expect(page.locator(".words .boxed")).to_have_text("24")
    fold = page.locator("details")
    assert fold.get_attribute("open") is None and not page.locator(".thought").is_visible()
    expect(page.locator("summary")).to_contain_text("Thought for")
    fold.locator("summary").click()
    expect(page.locator(".thought")).to_contain_text("3 * 4 = 12")
    picture("answer")

    # A conversation goes on with the keyboard alone; shift and enter begin a line.
    page.fill("#prompt", "What is 2 + 2?")
    page.locator("#prompt").press("Shift+Enter")
    page.locator("#prompt").press("Enter")
    expect(page.locator(".said")).to_have_count(2)
    expect(page.locator(".notes").nth(1)).to_contain_text("tokens")

    # Another scale is another model.
    page.locator("input[type=range]").fill("0.5")
    expect(page.locator(".scale output")).to_have_text("0.50")
    page.fill("#prompt", "What is 3 + 4?")
    page.locator("#send").click()
    expect(page.locator(".notes").nth(2)).to_contain_text("math@0.5")

    # Base and adapter side by side, from one seed.
    page.locator("#fresh").click()
    page.locator("#compare").click()
    expect(page.locator("select")).to_have_count(2)
    expect(page.locator("select").nth(1)).to_have_value("pico")
    page.locator("input[type=range]").first.fill("1")
    page.fill("#prompt", "What is (7 + 5) * 6 - 8?")
    page.locator("#send").click()
    expect(page.locator(".notes span:first-child")).to_have_text(["math", "pico"])
    expect(page.locator(".notes .seed")).to_have_text(["seed 5", "seed 5"])
    picture("side-by-side")

    # What the server refuses is said, and the conversation goes on without it.
    page.locator("#compare").click()
    page.fill("#prompt", "1 " * 3000)
    page.locator("#send").click()
    expect(page.locator("[role=alert]")).to_contain_text("the context holds")
    page.fill("#prompt", "What is 5 + 5?")
    page.locator("#send").click()
    expect(page.locator(".notes").last).to_contain_text("tokens")

    # Markup in a text is text.
    page.fill("#prompt", "<img src=x onerror=alert(1)>")
    page.locator("#send").click()
    expect(page.locator(".said").last).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#send")).to_have_text("Send")
    assert page.locator("img").count() == 0
    faults[:] = [fault for fault in faults if "400" not in fault]  # the refusal above
    assert not faults, faults

    # Stopping: a slow answer is cut where it is, and what came of it stays.
    page.locator("#fresh").click()
    page.route("**/v1/chat/completions", lambda route: None)
    page.fill("#prompt", "What is 1 + 1?")
    page.locator("#send").click()
    expect(page.locator("#send")).to_have_text("Stop")
    page.locator("#send").click()
    expect(page.locator(".notes")).to_contain_text("stopped")
    expect(page.locator("#send")).to_have_text("Send")

    # Dark, by the system's wish and by the button; and narrow.
    page, faults = open_page(browser, server, "dark")
    expect(page.locator("#where")).to_have_text("pico")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#compare").click()
    page.fill("#prompt", "What is 9 * 9 - 7 * 3?")
    page.locator("#prompt").press("Enter")
    expect(page.locator(".notes")).to_have_count(2)
    expect(page.locator(".notes").last).to_contain_text("tokens")
    page.locator("summary").first.click()
    picture("dark")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.set_viewport_size({"width": 390, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture("narrow")
    assert not faults, faults
    # The policy is in force: a script from elsewhere in the page does not run.
    page.evaluate("""() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
        document.body.append(s); }""")
    assert page.evaluate("window.ran") is None
    page.context.close()


def ask_for_key(browser, server, key):
    page, faults = open_page(browser, server, allowed=["401"])
    expect(page.locator("#options")).to_be_visible()
    page.fill("#key", key)
    page.locator("#done").click()
    expect(page.locator("#where")).to_have_text("pico")
    page.fill("#prompt", "What is 5 + 5?")
    page.locator("#send").click()
    expect(page.locator(".notes")).to_contain_text("tokens")
    assert not faults, faults


if __name__ == "__main__":
    main()
