"""What the page of `tina serve` promises, sentence by sentence, against a server that answers as it is told.

`serve_page.py` runs it. Each function is named like the sentence that it checks.
"""

import json
import os
import re
import time

from playwright.sync_api import expect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MATH500 = os.environ.get("MATH500", ROOT + "/../shared/data/benchmarks/math500/test.jsonl")

MARKDOWN = """To solve it, we **complete the square**: $x^2 + y^2 \\le 25$.

## Steps

1. Write $f(x) = \\dfrac{-b \\pm \\sqrt{b^2-4ac}}{2a}$.
2. Sum the series:
   \\[\\sum_{k=1}^{\\infty} \\frac{1}{k^2} = \\frac{\\pi^2}{6}.\\]

```python
print(sum(1 / n ** 2 for n in range(1, 1000)))
```

| $n$ | sum |
|:---:|----:|
| 10 | 1.5498 |

\\begin{align*}
\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} \\begin{pmatrix} x \\\\ y \\end{pmatrix}
&= \\begin{pmatrix} 5 \\\\ 11 \\end{pmatrix} \\\\
\\left\\lfloor \\frac{\\overline{AB}}{2} \\right\\rfloor &= \\binom{n}{k} \\cdot 2^{n-1}
\\end{align*}

The answer is $\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}$."""


def ask(page, text):
    page.fill("#prompt", text)
    page.locator("#prompt").press("Enter")


def answered(page, count=1):
    expect(page.locator(".notes .retry")).to_have_count(count, timeout=120_000)
    expect(page.locator("#send")).to_have_text("Send")


def from_end(page):
    return page.evaluate("main.scrollHeight - main.scrollTop - main.clientHeight")


def fresh(page):
    page.locator("#fresh").click()


def markdown_and_mathematics_as_they_stream(page, server):
    ask(page, "say " + MARKDOWN)
    expect(page.locator(".words math").first).to_be_visible()
    expect(page.locator(".words strong")).to_have_text("complete the square")
    assert page.locator("#send").inner_text() == "Stop", "the first formula is there before the answer is complete"
    answered(page)
    expect(page.locator(".words ol > li")).to_have_count(2)
    expect(page.locator(".words table td").last).to_have_text("1.5498")
    expect(page.locator(".words pre code")).to_have_text("print(sum(1 / n ** 2 for n in range(1, 1000)))")
    expect(page.locator(".words mtable")).to_have_count(4)
    expect(page.locator(".words .boxed")).to_be_visible()
    shown = page.locator(".words").inner_text()
    assert not re.search(r"\\[a-z]|\$|\*\*c|##", shown), shown
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".code-head button").click()
    expect(page.locator(".code-head button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "print(sum(1 / n ** 2 for n in range(1, 1000)))"


def every_formula_of_math500(page, server):
    if not os.path.exists(MATH500):
        return print("  left out: no MATH-500 at", MATH500)
    texts = []
    with open(MATH500) as file:
        for line in file:
            record = json.loads(line)
            # Drawings are code, and shown as that.
            texts.append(re.sub(r"\[asy\].*?\[/asy\]", "", record["solution"], flags=re.S))
    found = page.evaluate("""(texts) => {
      const place = document.createElement("div");
      place.className = "answer";
      document.getElementById("columns").append(place);
      const result = {formulas: 0, unknown: {}, left: [], empty: 0};
      for (const text of texts) {
        place.replaceChildren(...Markdown.all(text).map(build));
        for (const math of place.querySelectorAll("math")) {
          result.formulas += 1;
          if (math.getBoundingClientRect().width === 0) result.empty += 1;
        }
        for (const strange of place.querySelectorAll(".strange")) {
          result.unknown[strange.textContent] = (result.unknown[strange.textContent] || 0) + 1;
        }
        const left = place.innerText.replace(/\\\\ ?j/, "").match(/\\\\[a-zA-Z]+|\\\\[\\[\\](){}]/g);
        if (left) result.left.push([left.join(" "), text.slice(0, 80)]);
      }
      place.remove();
      return result;
    }""", texts)
    print(f"  {found['formulas']} formulas; not supported: {found['unknown']}; raw TeX left: {found['left']}")
    assert found["formulas"] > 3000 and not found["unknown"] and not found["left"] and found["empty"] < 3, found


def nothing_unsafe(page, server):
    ask(page, "say <img src=x onerror=alert(1)><script>alert(1)</script> [a](javascript:alert(1)) "
              "![b](https://example.org/b.png) **<b onclick=alert(1)>** [c](https://example.org/c)")
    answered(page)
    assert page.locator(".words img, .words script, .words [onclick]").count() == 0
    links = page.locator(".words a").evaluate_all("(links) => links.map((link) => link.href)")
    assert links == ["https://example.org/b.png", "https://example.org/c"], links
    expect(page.locator(".words")).to_contain_text("<img src=x onerror=alert(1)>")


def follows_the_end_unless_the_reader_scrolls_up(page, server):
    for turn in range(6):
        ask(page, "say " + "line\n\n" * 12)
        answered(page, turn + 1)
        page.wait_for_timeout(150)
        assert from_end(page) < 5, f"turn {turn + 1} ends {from_end(page)} pixels above the end"
    ask(page, "say " + "more\n\n" * 60)
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(300)
    before = page.evaluate("main.scrollTop")
    answered(page, 7)
    assert abs(page.evaluate("main.scrollTop") - before) < 2, "the reader was moved"
    page.locator("#jump").click()
    page.wait_for_timeout(100)
    assert from_end(page) < 5
    expect(page.locator("#jump")).to_be_hidden()


def failed_turns_and_typed_text_stay(page, server):
    ask(page, "say first")
    answered(page)
    ask(page, "cut")
    expect(page.locator("[role=alert]")).to_contain_text("before the answer was complete")
    expect(page.locator(".words").last).to_contain_text("half an")
    expect(page.locator("#where")).to_have_text("base", timeout=10_000)
    ask(page, "say third")
    answered(page, 3)
    sent = [message["content"] for message in server.requests[-1]["messages"]]
    assert sent == ["say first", "first", "say third"], sent
    expect(page.locator(".said")).to_have_text(["say first", "cut", "say third"])
    # What is typed while an answer runs stays, also over a reload.
    ask(page, "slow 60")
    page.locator("#prompt").press_sequentially("half a thought")
    page.locator("#prompt").press("Enter")
    expect(page.locator("#prompt")).to_have_value("half a thought")
    answered(page, 4)
    expect(page.locator("#prompt")).to_have_value("half a thought")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("half a thought")


def says_what_is_wrong_and_shows_it_in_the_dot(page, server):
    mark = page.locator("#mark")
    expect(mark).to_have_class("mark ready")
    ask(page, "full")
    expect(page.locator("[role=alert]").last).to_contain_text("queue is full")
    expect(mark).to_have_class("mark full")
    expect(page.locator("#where")).to_have_text("queue full")
    expect(mark).to_have_class("mark ready", timeout=10_000)
    ask(page, "wrong")
    expect(page.locator("[role=alert]").last).to_contain_text("a file of the weights was changed")
    expect(mark).to_have_class("mark failing")
    expect(mark).to_have_class("mark ready", timeout=10_000)
    server.stop()
    ask(page, "say hello")
    expect(page.locator("[role=alert]").last).to_contain_text("does not answer")
    expect(mark).to_have_class("mark gone")
    server.start()
    expect(mark).to_have_class("mark ready", timeout=10_000)
    page.locator(".notes .retry").last.click()
    expect(page.locator(".words").last).to_have_text("hello")
    expect(page.locator("[role=alert]")).to_have_count(2)


def keeps_the_key_for_the_tab(page, server):
    server.key = "a-secret"
    page.reload()
    expect(page.locator("#options")).to_be_visible()
    expect(page.locator("#where")).to_have_text("needs a key")
    page.fill("#key", "another")
    page.locator("#done").click()
    expect(page.locator("#where")).to_have_text("key refused")
    expect(page.locator("#key-note")).to_have_text("The server refused this key.")
    expect(page.locator("#mark")).to_have_class("mark refused")
    page.fill("#key", "a-secret")
    page.locator("#done").click()
    expect(page.locator("#where")).to_have_text("base")
    page.reload()
    expect(page.locator("#where")).to_have_text("base")
    ask(page, "say welcome")
    answered(page)
    server.key = None


def escape_stops_and_thinking_counts(page, server):
    ask(page, "slow 400")
    expect(page.locator("summary")).to_have_text(re.compile(r"Thinking · [1-9]\d* tokens · [1-9]\d* s"), timeout=10_000)
    page.keyboard.press("Escape")
    expect(page.locator(".notes")).to_contain_text("stopped")
    expect(page.locator("#send")).to_have_text("Send")


def long_thinking_stays_fast(page, server):
    seconds = {}
    for count in (16_000, 32_000):
        fresh(page)
        page.fill("#prompt", f"think {count}")
        page.evaluate("""() => {
          window.gaps = [];
          let last = performance.now();
          const look = () => { const now = performance.now(); gaps.push(now - last); last = now; setTimeout(look, 0); };
          look();
        }""")
        began = time.time()
        page.locator("#prompt").press("Enter")
        page.locator("details").evaluate("(fold) => { fold.open = true; }")
        answered(page)
        seconds[count] = time.time() - began
        gap = page.evaluate("Math.max(...gaps)")
        print(f"  {count} tokens of thinking unfolded: {seconds[count]:.1f} s, longest pause {gap:.0f} ms")
        assert page.locator(".thought").is_visible() and gap < 5000
    assert seconds[32_000] < 40, seconds


def copy_edit_retry_export(page, server):
    ask(page, "say one")
    answered(page)
    ask(page, "say two")
    answered(page, 2)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".notes .copy").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == "one"
    page.locator(".notes .retry").last.click()
    answered(page, 2)
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["say one", "one", "say two"]
    page.locator(".tools button", has_text="Edit").first.click()
    page.locator(".edit textarea").fill("say three")
    page.locator(".edit .send").click()
    expect(page.locator(".said")).to_have_text(["say three"])
    answered(page)
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["say three"]
    with page.expect_download() as download:
        page.locator("#export").click()
    record = json.loads(open(download.value.path()).read())
    assert download.value.suggested_filename == "tina-chat.json"
    assert record["messages"] == [{"role": "user", "content": "say three"}, {"role": "assistant", "content": "three"}]


def side_by_side_begins_with_the_same_conversation(page, server):
    ask(page, "say one")
    answered(page)
    page.locator("#compare").click()
    expect(page.locator(".column").nth(1).locator(".said")).to_have_text(["say one"])
    expect(page.locator(".column").nth(1).locator(".words")).to_have_text(["one"])
    ask(page, "say two")
    answered(page, 4)
    last = server.requests[-2:]
    assert last[0]["messages"] == last[1]["messages"] and len(last[0]["messages"]) == 3, last
    assert last[0]["seed"] == last[1]["seed"] and {request["model"] for request in last} == {"math", "base"}


CHECKS = [
    markdown_and_mathematics_as_they_stream, every_formula_of_math500, nothing_unsafe,
    follows_the_end_unless_the_reader_scrolls_up, failed_turns_and_typed_text_stay,
    says_what_is_wrong_and_shows_it_in_the_dot, keeps_the_key_for_the_tab, escape_stops_and_thinking_counts,
    long_thinking_stays_fast, copy_edit_retry_export, side_by_side_begins_with_the_same_conversation,
]


def run(open_page, server, pictures=None):
    """Every check, each on a page of its own. `open_page` gives one and the faults that it told of."""
    for check in CHECKS:
        print(check.__name__.replace("_", " "))
        page, faults = open_page(server)
        expect(page.locator("#where")).to_have_text("base")
        check(page, server)
        # The browser tells of every answer that is no success.
        serious = [fault for fault in faults if not re.search("Failed to load resource|ERR_", fault)]
        assert not serious, serious
        page.context.close()
    if pictures:
        take_pictures(open_page, server, pictures)


def take_pictures(open_page, server, folder):
    os.makedirs(folder, exist_ok=True)
    for name, width, height in [("wide", 1280, 800), ("phone", 390, 844)]:
        for scheme in ("light", "dark"):
            page, _ = open_page(server, scheme, (width, height))
            expect(page.locator("#where")).to_have_text("base")
            ask(page, "say " + MARKDOWN)
            answered(page)
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=f"{folder}/page-{name}-{scheme}.png")
            page.context.close()
