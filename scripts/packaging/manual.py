#!/usr/bin/env python3
"""Writes the manual pages tina(1), tina-run(1), … from the program's own help.

    scripts/packaging/manual.py PROGRAM FOLDER

Environment variables and files come from the tables of docs/reference/settings.md.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = sys.argv[1]
FOLDER = pathlib.Path(sys.argv[2])


def told(*arguments):
    environment = os.environ | {"COLUMNS": "1000", "LC_ALL": "C.UTF-8"}
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=True).stdout


def escaped(text):
    """Text in which roff finds nothing to obey."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def synopsis(command):
    text = told("help", *command).split("USAGE:", 1)[1].split("\n\n", 1)[0]
    for line in text.strip().splitlines():
        yield ".PP\n" + re.sub(r"^tina( [a-z]+)?", lambda name: f"\\fB{name.group(0)}\\fR", escaped(line.strip()))


def paragraphs(text):
    """The discussion's paragraphs; EXAMPLES and the like get a heading, indented lines stay as they are."""
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        heading = re.match(r"([A-Z][A-Z ]+)( \([^)]*\))?:\s*", lines[0])
        if heading:
            yield f".SH {heading.group(1)}"
            lines[0] = lines[0][heading.end():] if not heading.group(2) else lines[0][len(heading.group(1)) + 1:]
        lines = [line for line in lines if line]
        if lines and all(line.startswith(" ") for line in lines):
            yield ".nf\n.RS\n" + "\n".join(escaped(line.strip()) for line in lines) + "\n.RE\n.fi"
        elif lines:
            yield ".PP\n" + escaped("\n".join(line.strip() for line in lines))


def option(argument):
    names = ", ".join(("-" if name["kind"] == "short" else "--") + name["name"] for name in argument.get("names", []))
    value = "" if argument["kind"] == "flag" else f"\\fI{escaped(argument['valueName'])}\\fR"
    head = " ".join(part for part in (f"\\fB{escaped(names)}\\fR" if names else "", value) if part)
    text = argument.get("abstract", "")
    values = argument.get("allValues", [])
    if argument["kind"] != "flag" and not all(value in text for value in values):
        text += f" One of {', '.join(values)}."
    if argument.get("defaultValue"):
        text += f" Default: {argument['defaultValue']}."
    return f".TP\n{head}\n{escaped(text)}"


def sections(arguments):
    shown = []
    for argument in arguments:
        name = (argument.get("preferredName") or {}).get("name", "")
        if name.startswith("no-") and shown and (shown[-1].get("preferredName") or {}).get("name") == name[3:]:
            shown[-1]["names"] += argument["names"]  # A flag and its opposite.
        elif argument["shouldDisplay"]:
            shown.append(argument)
    places = [argument for argument in shown if argument["kind"] == "positional"]
    if places:
        yield "ARGUMENTS", places
    titles = []
    for argument in shown:
        title = argument.get("sectionTitle")
        if argument["kind"] != "positional" and title not in titles:
            titles.append(title)
    for title in sorted(titles, key=lambda title: title is not None):
        of_it = [a for a in shown if a["kind"] != "positional" and a.get("sectionTitle") == title]
        yield "OPTIONS" if title is None else title.upper(), of_it


def plain(cell):
    cell = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell.strip())
    return cell.replace("`", "")


def table(heading):
    """The rows of the first table below a heading of the page of settings."""
    text = (ROOT / "docs/reference/settings.md").read_text().split(f"## {heading}\n", 1)[1]
    rows = [line for line in text.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    for row in rows[2:]:
        name, *rest = [plain(cell) for cell in row.strip("|").split("|")]
        text = rest[-1]
        if len(rest) == 3 and rest[0]:
            text += f" The key in the configuration file is {rest[0]}."
        if len(rest) == 3 and rest[1]:
            text += f" Before it comes {rest[1]}."
        yield f".TP\n\\fB{escaped(name)}\\fR\n{escaped(text[0].upper() + text[1:])}"


def write(name, command, version):
    page = [f'.TH {name.upper()} 1 "" "tina {version}" "User Commands"', ".SH NAME",
            f"{name} \\- {escaped(command['abstract'].rstrip('.'))}", ".SH SYNOPSIS"]
    words = name.split("-")[1:]
    page += list(synopsis(words))
    page.append(".SH DESCRIPTION")
    discussion = list(paragraphs(command.get("discussion", "")))
    first = next((i for i, part in enumerate(discussion) if part.startswith(".SH")), len(discussion))
    page += discussion[:first] or [".PP\n" + escaped(command["abstract"])]
    children = [child for child in command.get("subcommands", []) if child["shouldDisplay"]]
    if children:
        page.append(".SH COMMANDS")
        for child in children:
            page.append(f".TP\n\\fBtina {child['commandName']}\\fR\n{escaped(child.get('abstract', ''))}")
    for title, arguments in sections(command.get("arguments", [])):
        page.append(f'.SH "{title}"')
        page += [option(argument) for argument in arguments]
    page += discussion[first:]
    if not words:
        page += [".SH ENVIRONMENT", *table("Environment"), ".SH FILES", *table("Files")]
        page += [".SH SEE ALSO", ", ".join(f"\\fBtina\\-{c['commandName']}\\fR(1)" for c in children
                                            if c["commandName"] != "help")]
    else:
        page += [".SH SEE ALSO", "\\fBtina\\fR(1), for environment variables, files and exit codes"]
    (FOLDER / f"{name}.1").write_text("\n".join(page) + "\n")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    top = json.loads(told("--experimental-dump-help"))["command"]
    version = told("--version").splitlines()[0].split()[-1]
    write("tina", top, version)
    for command in top["subcommands"]:
        if command["shouldDisplay"] and command["commandName"] != "help":
            write(f"tina-{command['commandName']}", command, version)


main()
