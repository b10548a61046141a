"""Chains of operations as text: read with all mistakes told at once, and spelled.

The form of a file has one operation a line; that of JSON and of queries is a sequence of such
lines. Bounds on both are here. What there is to write is left to `registry` and `presets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixmill.imaging.operations.parameters import quoted
from pixmill.imaging.operations.presets import PRESETS
from pixmill.imaging.operations.registry import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixmill.imaging.operations.parameters import Parameter, Value
    from pixmill.imaging.operations.registry import Operation

MAX_STEPS = 32
MAX_LINE_CHARACTERS = 200
MAX_TEXT_BYTES = 8192
MAX_MISTAKES = 20
PRESET = "preset"


class Step(NamedTuple):
    """An operation and its arguments, one for each parameter."""

    name: str
    arguments: tuple[Value, ...]


Chain = tuple[Step, ...]


class ChainError(ValueError):
    """A text is no chain. `mistakes` are sentences for users, 1 to 20, which `str()` joins."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes[:MAX_MISTAKES]))
        self.mistakes = tuple(mistakes[:MAX_MISTAKES])

    def __reduce__(self) -> tuple[type[ChainError], tuple[tuple[str, ...]]]:
        """Pickle with the sentences apart."""
        return type(self), (self.mistakes,)


def parse_text(text: str) -> Chain:
    """Read the form of a file; blank lines and comments are passed over.

    A comment is a line that begins with `#`, or what follows a `#` that stands alone. Raises
    ChainError, whose sentences name line and word.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise ChainError([f"a chain's text takes at most {MAX_TEXT_BYTES} bytes"])
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    numbered = ((f"line {number}", line) for number, line in enumerate(lines, 1))
    return _read([(place, line) for place, line in numbered if _words(line)])


def parse_words(lines: Sequence[str]) -> Chain:
    """Read one operation from each string. Raises ChainError, naming the string by its number."""
    if len(lines) > MAX_STEPS:
        raise ChainError([f"a chain has at most {MAX_STEPS} operations, not {len(lines)}"])
    return _read([(f"operation {number}", line) for number, line in enumerate(lines, 1)])


def canonical(chain: Chain) -> str:
    """Spell a chain, one operation a line, without what is left out as well."""
    return "\n".join(_spelled(step) for step in chain)


def _spelled(step: Step) -> str:
    given = zip(OPERATIONS[step.name].parameters, step.arguments, strict=True)
    words = (part.spell(value) for part, value in given if value != part.default)
    return " ".join((step.name, *words))


def _read(lines: list[tuple[str, str]]) -> Chain:
    steps: list[Step] = []
    mistakes: list[str] = []
    for place, line in lines:
        try:
            steps += _steps(line)
        except ValueError as error:
            mistakes.append(f"{place}: {error}")
    if not mistakes and len(steps) > MAX_STEPS:
        mistakes.append(f"a chain has at most {MAX_STEPS} operations, not {len(steps)}")
    if mistakes:
        raise ChainError(mistakes)
    return tuple(steps)


def _words(line: str) -> list[str]:
    """Split at blanks; what is a comment is left out."""
    words = [word for word in line.replace("\t", " ").split(" ") if word]
    if words and words[0].startswith("#"):
        return []
    return words[: words.index("#")] if "#" in words else words


def _steps(line: str) -> Iterator[Step]:
    """Read one line: an operation or all those of a preset. Raises ValueError."""
    if len(line) > MAX_LINE_CHARACTERS:
        raise ValueError(f"{quoted(line)} has more than {MAX_LINE_CHARACTERS} characters")
    words = _words(line)
    if not words:
        raise ValueError(f"{quoted(line)} is no operation")
    name, *rest = words
    if name == PRESET:
        yield from parse_text(_preset(rest))
    elif name in OPERATIONS:
        yield Step(name, _arguments(OPERATIONS[name], rest))
    else:
        raise ValueError(f"{quoted(name)} is no operation")


def _preset(words: list[str]) -> str:
    if len(words) != 1 or words[0] not in PRESETS:
        raise ValueError(f"{PRESET}: {quoted(' '.join(words))} is no word of {', '.join(PRESETS)}")
    return PRESETS[words[0]]


def _arguments(operation: Operation, words: list[str]) -> tuple[Value, ...]:
    """Match words to parameters; one that may be left out gives way to a later one."""
    given: list[Value] = []
    ahead = list(words)
    for at, part in enumerate(operation.parameters):
        if part.default is not None and (not ahead or _is_of_a_later(operation, at, ahead[0])):
            given.append(part.default)
        elif ahead:
            given.append(_value(operation, part, ahead.pop(0)))
        else:
            raise ValueError(f"{operation.name}: {part.name} is missing, a {part.kind}")
    if ahead:
        raise ValueError(f"{operation.name}: {quoted(ahead[0])} is more than it takes")
    if objection := operation.objection(*given):
        raise ValueError(f"{operation.name}: {objection}")
    return tuple(given)


def _is_of_a_later(operation: Operation, at: int, word: str) -> bool:
    first, *later = operation.parameters[at:]
    return not _takes(first, word) and any(_takes(part, word) for part in later)


def _takes(part: Parameter, word: str) -> bool:
    try:
        part.read(word)
    except ValueError:
        return False
    return True


def _value(operation: Operation, part: Parameter, word: str) -> Value:
    try:
        return part.read(word)
    except ValueError as error:
        raise ValueError(f"{operation.name}: {error}") from error
