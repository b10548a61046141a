"""What a run has durably done, beside its output.

A checkpoint is written after the rows it speaks of are on disk and never before, atomically, so
that after a kill at any moment output and checkpoint fit together. It stays when the run is
finished: it tells a later run that nothing is left to do, or that the input has changed since.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from pixmill.batch.durable import write_atomically
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from pathlib import Path

_FORM = 3

State = Literal["running", "publishing", "finished"]


@dataclass(slots=True)
class Checkpoint:
    """How far an output is.

    `source` is the input's identity and `options` what bears on the output, both JSON values;
    `line` and `position` are of the last item whose row is durable (0 before the first); `sink` is
    the sink's own state; `ok` and `failed` count rows, `missed` those of `ok` without a match.
    `publishing`: all rows are written, files are being renamed. `run` is the name that rows go
    through the job's stage by, empty without one.
    """

    source: dict[str, Any] | None
    options: dict[str, Any]
    state: State = "running"
    line: int = 0
    position: tuple[int, int] = (0, 0)
    sink: dict[str, Any] | None = None
    ok: int = 0
    missed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    run: str = ""

    def save(self, path: Path) -> None:
        """Write durably; afterwards the old or the new checkpoint stands, never a part of one."""
        text = json.dumps({"form": _FORM, **asdict(self)}, indent=1, ensure_ascii=True)
        write_atomically(path, text.encode("ascii") + b"\n")

    @classmethod
    def load(cls, path: Path) -> Checkpoint | None:
        """Read a checkpoint, None where there is none.

        Raises ResumeRefused where it can not be read, or is not as `save` has written it.
        """
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ResumeRefused(f"{path} can not be read: {error.strerror}") from error
        try:
            fields = json.loads(text)
            form = fields.pop("form")
            if form == _FORM:
                return _checked(fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ResumeRefused(
                f"{path} is damaged; --overwrite starts anew, or restore the file"
            ) from error
        raise ResumeRefused(
            f"{path} was written by another version of pixmill (form {form!r:.20}); "
            "--overwrite starts anew"
        )


def _checked(fields: dict[str, Any]) -> Checkpoint:
    """Make a checkpoint of what a file held. Raises ValueError, KeyError or TypeError."""
    begin, offset = fields.pop("position")
    checkpoint = Checkpoint(**fields, position=(begin, offset))
    numbers = [
        begin,
        offset,
        checkpoint.line,
        checkpoint.ok,
        checkpoint.missed,
        *checkpoint.failed.values(),
    ]
    sound = (
        all(type(number) is int and number >= 0 for number in numbers)
        and checkpoint.state in get_args(State)
        and isinstance(checkpoint.options, dict)
        and isinstance(checkpoint.source, dict | None)
        and isinstance(checkpoint.sink, dict | None)
        and isinstance(checkpoint.run, str)
        and fields.keys() | {"position"} == {field.name for field in dataclass_fields(Checkpoint)}
    )
    if not sound:
        raise ValueError("a value of another type or range than pixmill writes")
    return checkpoint


def difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """Say in words how two sets of options differ; None where they do not."""
    changed = [
        f"{name} was {old.get(name)!r}, now {new.get(name)!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return "; ".join(changed) or None
