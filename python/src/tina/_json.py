"""JSON by the rules of section 6: strict, bounded, numbers as they are written."""

from __future__ import annotations

import json
import re
from typing import Any

from ._errors import TinaError, need

MAXIMUM_VALUES = 1 << 18
MAXIMUM_LEVELS = 64
MAXIMUM_NAME = 8192
MAXIMUM_NUMBER = 4096
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*:")


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def parse(data: bytes, rule: str) -> tuple[dict[str, Any], int]:
    """An object, and the number of values in it."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TinaError(rule, f"byte {error.start}", "no UTF-8") from error
    for match in _STRING.finditer(data):
        if match.end() - match.start() - 2 > MAXIMUM_NAME:
            is_name = _COLON.match(data, match.end())
            need(not is_name, rule, f"byte {match.start()}", f"a name of more than {MAXIMUM_NAME} bytes")
    bare = re.sub(rb"[ \t\r\n]+", b"", _STRING.sub(b"0", data))
    opened = bare.count(b"[") + bare.count(b"{") - bare.count(b"[]") - bare.count(b"{}")
    count = 1 + bare.count(b",") + opened
    need(count <= MAXIMUM_VALUES, rule, "", f"more than {MAXIMUM_VALUES} values")
    long = re.search(rb"[-+.0-9eE]{%d}" % (MAXIMUM_NUMBER + 1), bare)
    need(not long, rule, "", f"a number of more than {MAXIMUM_NUMBER} characters")
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", bare):
        depth += 1 if bracket in b"[{" else -1
        need(depth <= MAXIMUM_LEVELS, rule, "", f"more than {MAXIMUM_LEVELS} levels")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        need(len(members) == len(pairs), rule, "", "a name twice")
        return members

    def constant(name: str) -> Any:
        raise TinaError(rule, "", f"{name}, which JSON lacks")

    try:
        value = json.loads(
            text, object_pairs_hook=unique, parse_constant=constant, parse_int=Number, parse_float=Number
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, TinaError):
            raise
        raise TinaError(rule, "", str(error)) from error
    need(isinstance(value, dict), rule, "", "no object")
    # Escapes alone can name a surrogate.
    need(b"\\u" not in data or not _has_surrogate(value), rule, "", "a lone surrogate")
    return value, count


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_has_surrogate(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_has_surrogate, value))


def is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def plain(value: Any) -> Any:
    """The value with Python's numbers."""
    if isinstance(value, Number):
        return int(value) if re.fullmatch(r"-?\d+", value) else float(value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f\u2028\u2029]')


def quoted(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"

    return '"' + _ESCAPED.sub(escape, text) + '"'


def dump(value: Any, indent: int = 0, _level: int = 0) -> str:
    """JSON in the canonical form of section 12, or laid out as ``json.dump(indent=2)`` does."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (dict, list, tuple)):
        is_object = isinstance(value, dict)
        if not value:
            return "{}" if is_object else "[]"
        inner = "\n" + " " * indent * (_level + 1) if indent else ""
        end = "\n" + " " * indent * _level if indent else ""
        colon = ": " if indent else ":"
        if isinstance(value, dict):
            parts = [quoted(str(name)) + colon + dump(part, indent, _level + 1) for name, part in value.items()]
        else:
            parts = [dump(part, indent, _level + 1) for part in value]
        return ("{" if is_object else "[") + inner + ("," + inner).join(parts) + end + ("}" if is_object else "]")
    return json.dumps(value, allow_nan=False)
