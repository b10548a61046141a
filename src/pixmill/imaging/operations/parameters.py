"""The kinds of parameters that operations take: how each is read, spelled and described.

A parameter reads one word of a line and gives a whole number, a number or a word; what it does not
take is a ValueError that quotes the word. What words mean together is left to the operation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

Value = int | float | str

_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_QUOTED_CHARACTERS = 40


def quoted(word: str) -> str:
    """Put a word from outside into quotes, cut short, and in plain ASCII."""
    return json.dumps(word[:_QUOTED_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Parameter:
    """What all kinds have: `default` is None where the parameter must be given."""

    name: str
    meaning: str
    default: Value | None = None

    @property
    def kind(self) -> str:
        """The kind in words, with its range or the words it takes."""
        raise NotImplementedError

    def read(self, word: str) -> Value:
        """Give the value of a word. Raises ValueError, a sentence that quotes it."""
        raise NotImplementedError

    def spell(self, value: Value) -> str:
        """Give the word that is read as `value`."""
        return str(value)

    def _refuse(self, word: str) -> ValueError:
        return ValueError(f"{quoted(word)} is no {self.kind}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Parameter):
    """A whole number in decimal digits; `blank` is a word that may stand in its place."""

    least: int
    most: int
    blank: str = ""

    @property
    def kind(self) -> str:
        """The kind in words."""
        blank = f" or {self.blank}" if self.blank else ""
        return f"whole number from {self.least} to {self.most}{blank}"

    def read(self, word: str) -> Value:
        """Give an int, or the blank."""
        if self.blank and word == self.blank:
            return word
        if not _WHOLE.fullmatch(word) or not self.least <= int(word) <= self.most:
            raise self._refuse(word)
        return int(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Parameter):
    """A decimal number, of up to six digits before and after the point."""

    least: float
    most: float

    @property
    def kind(self) -> str:
        """The kind in words."""
        return f"number from {self.least:g} to {self.most:g}"

    def read(self, word: str) -> Value:
        """Give a float."""
        if not _NUMBER.fullmatch(word) or not self.least <= float(word) <= self.most:
            raise self._refuse(word)
        return float(word) or 0.0  # there is but one zero

    def spell(self, value: Value) -> str:
        """Give the shortest decimal."""
        return f"{value:.6f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word(Parameter):
    """One of some words; `aliases` are pairs of another spelling and the word it stands for."""

    words: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """The kind in words."""
        return f"word of {', '.join(self.words)}"

    def read(self, word: str) -> Value:
        """Give the word in its usual spelling."""
        known = dict(self.aliases).get(word, word)
        if known not in self.words:
            raise self._refuse(word)
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Color(Parameter):
    """A color as `#RRGGBB`; `words` may stand in its place."""

    words: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind in words."""
        return " or ".join(("color #RRGGBB", *self.words))

    def read(self, word: str) -> Value:
        """Give the color in upper case, or the word."""
        if word in self.words:
            return word
        if not _COLOR.fullmatch(word):
            raise self._refuse(word)
        return word.upper()
