"""Text for people: what is safe to print, and numbers that read well."""

from __future__ import annotations

_LINE_LIMIT = 8_192  # of lines with paths in them, which may be 4,096 characters long


def printable(text: str, limit: int = 300) -> str:
    """Make hostile text safe for one line of a terminal.

    Control, format (among them what reverses the direction of text), private and unassigned
    characters, line ends and lone surrogates are escaped; more than `limit` characters are cut.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def printable_lines(text: str) -> str:
    """Make each line of a text safe as `printable` does, and keep its line feeds."""
    return "\n".join(printable(line, _LINE_LIMIT) for line in text.split("\n"))


def duration(seconds: float) -> str:
    """Write a span of time: `42s`, `3m 07s`, `2h 05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def counted(number: int, noun: str) -> str:
    """Write a count with its noun: `1 image`, `2,000 images`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
