#!/usr/bin/env python3
"""Types a conversation with `tina run` into a terminal, through tmux, and looks at the screen.

    apt-get install tmux libedit2
    tools/check/chat_session.py [--tina PROGRAM]

Every key and command of the chat, a paste of 20,000 characters, lines typed ahead, and what is left behind. A step that
fails ends it with the screen.
"""

import argparse
import json
import os
import pathlib
import random
import re
import stat
import subprocess
import tempfile
import time

from programs import PICO, find_program
from terminal import Terminal, slow_pico

ENDED = r"ended by (stop|length)"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tina", help="the program; the built one unless given")
    tina = find_program(options.parse_args().tina)
    with tempfile.TemporaryDirectory() as folder:
        terminal = Terminal(folder)
        try:
            talk(terminal, os.path.abspath(tina), pathlib.Path(folder))
        finally:
            terminal.tmux("kill-server")
    print("the chat works")


def done(what):
    print("  ok:", what)


def talk(terminal, tina, folder):
    start = f"{tina} run {PICO} --temperature 0.6 --seed 7 --max-tokens 60"
    terminal.line(start)
    terminal.wait("/help lists commands", "the chat begins")
    terminal.last_line(">", "the mark")
    keys(terminal)
    lines(terminal)
    pasting(terminal, folder)
    ahead(terminal)
    commands(terminal, folder)
    ending(terminal, tina, folder, start)
    stopping(terminal, tina, folder)
    plainly(terminal, tina)


def keys(terminal):
    terminal.fresh()
    terminal.type("What is 2 + X?")
    terminal.keys("Left", "BSpace")
    terminal.type("2")
    terminal.last_line("> What is 2 + 2?", "arrows and backspace")
    terminal.keys("C-a")
    terminal.type("Q: ")
    terminal.keys("End")
    terminal.type("!")
    terminal.last_line("> Q: What is 2 + 2?!", "Ctrl-A and End")
    terminal.keys("Home", "Delete", "Delete", "Delete", "C-e", "BSpace", "Enter")
    terminal.wait(ENDED, "an answer")
    terminal.last_line(">", "the mark behind the answer")
    done("arrows, Home, End, Ctrl-A, Ctrl-E, Delete, Backspace")
    terminal.fresh()
    terminal.type("wörld 日本語 ok")
    terminal.keys("Left", "Left", "Left", "BSpace")
    terminal.last_line("> wörld 日本 ok", "wide characters")
    terminal.keys("C-e", "C-u")
    terminal.last_line(">", "Ctrl-U")
    terminal.line("unique words 123")
    terminal.wait(ENDED, "an answer")
    terminal.fresh()
    terminal.keys("Up")
    terminal.last_line("> unique words 123", "Up")
    terminal.keys("Up")
    terminal.last_line("> What is 2 + 2?", "Up twice")
    terminal.keys("Down", "Down")
    terminal.last_line(">", "Down, back to the empty line")
    terminal.keys("C-r")
    terminal.type("unique")
    terminal.wait("unique words 123", "Ctrl-R")
    terminal.keys("Enter")
    terminal.wait(ENDED, "an answer to what was found")
    terminal.type("before")
    terminal.keys("C-l")
    time.sleep(0.4)
    assert terminal.screen.strip() == "> before", terminal.screen
    terminal.keys("C-c")
    terminal.last_line(">", "Ctrl-C leaves the line")
    assert "before" in terminal.screen
    terminal.type("after")
    terminal.last_line("> after", "a line behind Ctrl-C")
    terminal.keys("C-u")
    done("history by Up, Down and Ctrl-R; Ctrl-L, Ctrl-U, Ctrl-C; wide characters")


def lines(terminal):
    terminal.fresh()
    terminal.type("first line")
    terminal.keys("M-Enter")
    terminal.type("second")
    terminal.keys("Up", "C-a")
    terminal.type("my ")
    terminal.wait("^> my first line\nsecond$", "Alt-Enter and Up within a message")
    terminal.keys("Enter")
    terminal.wait(ENDED, "an answer to two lines")
    terminal.fresh()
    terminal.line('"""one')
    terminal.line("two")
    terminal.type('three"""')
    terminal.wait('^> """one\ntwo\nthree"""$', "three quotes")
    terminal.keys("Enter")
    terminal.wait(ENDED, "an answer to three lines")
    terminal.line("/save lines.json")
    terminal.wait("messages written", "/save")
    terminal.fresh()
    terminal.keys("Up", "Up")
    terminal.wait('^> """one\ntwo\nthree"""$', "lines in the history")
    terminal.keys("C-c")
    # A signal and what is typed behind it take ways of their own.
    terminal.last_line(">", "Ctrl-C leaves several lines")
    done('Alt-Enter, """, messages of several lines in the history')


def pasting(terminal, folder):
    """A paste arrives whole: /save shows it."""
    chance = random.Random(5)
    text, number = "", 0
    while len(text) < 20_000:
        words = "".join(chance.choice("abc é 日\t\"\\{}$~") for _ in range(chance.randint(0, 90)))
        text += f"line {number}: {words}\n"
        number += 1
    text = text[:19_992] + "\nthe end"
    terminal.line("/new")
    terminal.fresh()
    terminal.paste(text)
    terminal.wait("the end", "a paste of 20,000 characters")
    # Pico has no room for it, so it is put where nothing is computed of it: into the system message.
    terminal.keys("C-a")
    terminal.type("/system ")
    terminal.keys("Enter")
    terminal.wait("system message: line 0", "a long system message")
    terminal.line("/save paste.json")
    terminal.wait("1 message written", "/save")
    saved = json.loads((folder / "paste.json").read_text())["messages"]
    assert saved == [{"role": "system", "content": text}], "the paste did not arrive whole"
    terminal.line("/system none")
    terminal.wait("system message: none", "/system none")
    done(f"a paste of {len(text):,} characters arrives whole")
    # One line longer than a terminal passes on by itself.
    terminal.fresh()
    long = "/system " + "x" * 9000 + "END"
    terminal.type(long)
    terminal.wait("END", "a line of 9,000 characters")
    terminal.keys("Enter")
    terminal.line("/save long.json")
    terminal.wait("1 message written", "/save")
    assert len(json.loads((folder / "long.json").read_text())["messages"][0]["content"]) == 9003
    terminal.line("/system none")
    done("a line of 9,000 characters arrives whole")
    terminal.fresh()
    terminal.paste("What is 2 + 2?\nAnd 3 + 3?")
    terminal.wait("^> What is 2 . 2.\nAnd 3 . 3.$", "a pasted message waits for Enter")
    assert not re.search(ENDED, terminal.history), "a pasted line was sent"
    terminal.keys("Enter")
    terminal.wait(ENDED, "one answer to a paste of two lines")
    done("many lines pasted are one message, which Enter sends")


def ahead(terminal):
    terminal.line("/set max-tokens 400")
    terminal.line("/set temperature 2")
    terminal.fresh()
    terminal.line("What is 12 + 3 * 4?")
    terminal.type("typed ahead zzz")
    terminal.wait(ENDED, "an answer")
    terminal.last_line("> typed ahead zzz", "what was typed ahead waits behind the mark")
    assert terminal.history.count("zzz") == 1, "what was typed ahead is in the answer:\n" + terminal.history
    done("typing ahead does not mix into the answer")
    terminal.line("/set max-tokens 60")
    terminal.line("/set temperature none")


def stopping(terminal, tina, folder):
    """An answer that takes seconds is stopped, and what was typed meanwhile goes with it."""
    terminal.line("clear")
    terminal.last_line(terminal.prompt, "clear")
    terminal.tmux("clear-history")
    slow_pico(folder / "slow")
    terminal.line(f"{tina} run slow --greedy")
    terminal.wait("/help lists commands", "a slow chat")
    terminal.line("Count.")
    time.sleep(1)
    terminal.type("forgotten")
    time.sleep(0.3)
    terminal.keys("C-c")
    terminal.wait("ended by cancelled", "Ctrl-C in an answer")
    terminal.last_line(">", "the mark behind an answer that was stopped")
    terminal.line("Count.")
    time.sleep(1)
    terminal.paste("p" * 9000)
    time.sleep(1)
    terminal.keys("C-c")
    terminal.wait("ended by cancelled", "Ctrl-C behind a long paste in an answer", count=2)
    terminal.line("/exit")
    terminal.wait(r"^bash#$", "/exit")
    done("Ctrl-C stops an answer, also behind a long paste, and the conversation goes on")


def plainly(terminal, tina):
    """Without libedit the terminal edits the line, and keeps 4,095 bytes of it."""
    terminal.line("clear")
    terminal.last_line(terminal.prompt, "clear")
    terminal.tmux("clear-history")
    terminal.line(f"TERM=dumb {tina} run {PICO} --greedy --max-tokens 20")
    terminal.wait("/help lists commands", "a plain chat")
    terminal.line("What is 2 + 2?")
    terminal.wait(ENDED, "an answer")
    terminal.type("y" * 5000)
    terminal.keys("Enter")
    terminal.wait("longer than this terminal passes on", "a line that is cut is refused")
    terminal.line('"""What is')
    terminal.line('3 + 3?"""')
    terminal.wait(ENDED, "an answer to two lines", count=2)
    terminal.keys("C-c")
    terminal.last_line(">", "Ctrl-C")
    terminal.line("/exit")
    terminal.wait(r"^bash#$", "/exit")
    done("without editing: lines, three quotes, and a line that the terminal cuts is refused")


def commands(terminal, folder):
    terminal.line("/new")
    terminal.fresh()
    terminal.line("/help")
    for name in ["/help", "/new", "/regen", "/system", "/set", "/seed", "/adapter", "/base", "/save", "/load", "/exit"]:
        terminal.wait("^" + name, f"/help lists {name}")
    terminal.fresh()
    terminal.line("/quit")
    terminal.wait("expected one of /help, /new, /regen, /system", "an unknown command lists them")
    terminal.fresh()
    terminal.line("/set temperature 0.6")
    terminal.wait("temperature 0.6 ", "/set temperature 0.6")
    terminal.line("/set temperature -1")
    terminal.wait("/set temperature: found -1.0, expected", "a wrong temperature")
    terminal.line("/system Be brief.")
    terminal.wait("system message: Be brief.", "/system")
    terminal.line(f"/adapter {PICO}/adapter@0.5")
    terminal.wait("adapter: .*adapter@0.5", "/adapter NAME@0.5")
    terminal.line("/adapter no-such-adapter")
    terminal.wait("no-such-adapter", "an adapter that is not there")
    terminal.line("/base")
    terminal.wait("adapter: none", "/base")
    terminal.line(f"/adapter {PICO}/adapter")
    terminal.wait("adapter: .*adapter$", "/adapter")
    done("/help, an unknown command, /set, /system, /adapter, /base")

    def answer(send):
        terminal.fresh()
        terminal.line(send)
        terminal.wait(ENDED, f"an answer to {send}")
        terminal.line("/save talk.json")
        terminal.wait("messages written to talk.json", "/save")
        return json.loads((folder / "talk.json").read_text())["messages"]

    terminal.line("/set temperature 1.5")
    terminal.line("/seed 11")
    terminal.wait("^seed 11$", "/seed")
    first = answer("What is 9 * 9 - 7?")
    again = answer("/regen")
    assert first[:-1] == again[:-1] and [m["role"] for m in again] == ["system", "user", "assistant"], again
    assert first[-1] != again[-1], "another draw is another answer"
    terminal.line("/seed 11")
    assert answer("/regen") == first, "the same seed gives the same answer"
    terminal.line("/new")
    terminal.line("/system none")
    terminal.fresh()
    terminal.line("/load talk.json")
    terminal.wait("3 messages read", "/load")
    terminal.line("/system")
    terminal.wait("system message: Be brief.", "the system message comes back")
    terminal.fresh()
    terminal.line("/save talk.json")
    terminal.wait("3 messages written", "its own file may be written again")
    (folder / "other").write_text("precious")
    terminal.line("/save other")
    terminal.wait("is there already", "/save keeps other files")
    terminal.line("/load other")
    terminal.wait("other", "/load of what is no conversation")
    assert (folder / "other").read_text() == "precious"
    done("/seed, /regen, /new, /save, /load")


def ending(terminal, tina, folder, start):
    terminal.fresh()
    terminal.line("/exit")
    terminal.wait(r"^bash#$", "/exit")
    terminal.line("stty -a | grep -o ' .\\?icanon\\| .\\?echo '")
    terminal.wait("^ icanon$", "the terminal is given back")
    terminal.wait("^ echo$", "the terminal shows again what is typed")
    history = folder / "state/tina/history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "unique words 123\n" in history.read_text() and '"""one\\ntwo\\nthree"""\n' in history.read_text()
    terminal.line("clear")
    terminal.last_line(terminal.prompt, "clear")
    terminal.tmux("clear-history")
    terminal.line(start)
    terminal.wait("/help lists commands", "a second chat")
    terminal.keys("Up")
    terminal.last_line("> /exit", "the history outlives the program")
    terminal.keys("C-u", "C-d")
    terminal.wait(r"^bash#$", "Ctrl-D")
    # Killed in the middle, the terminal is as it was.
    terminal.line("clear")
    terminal.last_line(terminal.prompt, "clear")
    terminal.tmux("clear-history")
    terminal.line(start)
    terminal.wait("/help lists commands", "a third chat")
    found = ["pgrep", "-f", "run " + PICO + " --temperature 0.6 --seed 7"]
    pids = subprocess.run(found, capture_output=True, text=True)
    for pid in pids.stdout.split():
        if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(tina):
            os.kill(int(pid), 15)
    terminal.last_line(terminal.prompt, "SIGTERM ends it")
    terminal.line("clear; stty -a | grep -o ' .\\?icanon\\| .\\?echo '")
    terminal.wait("^ icanon$", "the terminal is given back at SIGTERM")
    done("/exit, Ctrl-D and SIGTERM give the terminal back; the history stays, for its owner alone")


if __name__ == "__main__":
    main()
