"""What the sinks of one output leave on the disk until it is published: names, and states to trust.

A state is what a commit gives and a checkpoint keeps: JSON, read back by a later process and held
against the disk here. Writing is left to the sinks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from pathlib import Path

State = dict[str, object]


def errors_path(output: Path) -> Path:
    """Name the errors file of an output: `o.csv` has `o-errors.csv`."""
    return output.with_name(output.stem + "-errors.csv")


def partial_path(output: Path) -> Path:
    """Name the file that becomes `output`: `o.csv.part`."""
    return output.with_name(output.name + ".part")


def claimed_paths(output: Path) -> list[Path]:
    """List what a run to `output` would write over, whoever made it."""
    files = [output, errors_path(output)]
    folders = [parts_folder(output)] if output.suffix.lower() == ".parquet" else []
    return [*files, *map(partial_path, files), *folders]


def parts_folder(output: Path) -> Path:
    """Name the folder of the parts of a Parquet output: `o.parquet.parts`."""
    return output.with_name(output.name + ".parts")


def committed_number(state: State, key: str) -> int:
    """Read a number of a state; ResumeRefused where it holds none."""
    value = state.get(key)
    if not isinstance(value, int):
        raise ResumeRefused("the checkpoint is damaged; --overwrite starts anew")
    return value


def check_finished(output: Path, length: int) -> None:
    """Hold a finished state against the disk.

    The partial file, or where it was renamed already the output, has exactly `length` bytes; else
    ResumeRefused.
    """
    partial = partial_path(output)
    stands = partial if partial.exists() else output
    if not stands.is_file() or stands.stat().st_size != length:
        raise ResumeRefused(
            f"{output} was finished with {length} bytes and is not there with them; "
            "--overwrite starts anew"
        )


def state_of(state: State | None, key: str) -> State | None:
    """Read the state within a state that belongs to `key`; ResumeRefused where there is none."""
    if state is None:
        return None
    part = state.get(key)
    if not isinstance(part, dict):
        raise ResumeRefused("the checkpoint is damaged; --overwrite starts anew")
    return part
