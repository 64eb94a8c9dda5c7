"""Errors of the package."""

from __future__ import annotations


class TinaError(ValueError):
    """A rule of the format that a file breaks.

    ``rule`` is one of the names of the specification's section on rules, ``file`` the path, ``place`` where in it.
    """

    def __init__(self, rule: str, place: str = "", found: str = "", file: str = "") -> None:
        super().__init__(rule, place, found, file)
        self.rule = rule
        self.place = place
        self.found = found
        self.file = file

    def __str__(self) -> str:
        parts = [part for part in (self.file, self.place) if part]
        return ": ".join([*parts, f"{self.found or 'broken'} (rule {self.rule!r} of the .tina format)"])


class AdapterError(ValueError):
    """An adapter, a model or a request that does not fit; the message says what to do."""


def need(condition: object, rule: str, place: str = "", found: str = "") -> None:
    """Raises unless the condition holds."""
    if not condition:
        raise TinaError(rule, place, found)
