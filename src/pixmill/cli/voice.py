"""What a run says on standard error: failures, progress, the summary; as text or as JSON lines.

Owns the words and their form; when a run speaks is `watch.py`'s. Text never carries anything raw
that came from outside: a URL or a server's words could drive the terminal. JSON lines have `event`,
`level` and `timestamp`, and by event the keys that docs/reference/messages.md lists; all but
`progress` have a `message`, which is the sentence that the text form has.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Protocol

from pixmill.cli.terminal import counted, duration, printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from pixmill.batch.job import Report
    from pixmill.batch.progress import Progress
    from pixmill.errors import RunError
    from pixmill.fetch.spill import DiskUsage
    from pixmill.record import Record


class Voice(Protocol):
    """How things are said."""

    def failure(self, record: Record, *, traceback: bool) -> None:
        """Say that an item failed."""

    def progress(self, progress: Progress) -> None:
        """Say how far the run is."""

    def say(self, event: str, sentence: str, **facts: object) -> None:
        """Say anything else: `event` and `facts` for machines, `sentence` for people."""

    def fatal(self, error: RunError) -> None:
        """Say why the run can not go on."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def open_voice(log_format: str) -> Voice:
    """Return the voice for the setting `log_format`."""
    return JsonVoice() if log_format == "json" else TextVoice()


class TextVoice:
    """Sentences on standard error; a live bar where that is a terminal."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def failure(self, record: Record, *, traceback: bool) -> None:
        """Write one line, and the traceback below it where it is asked for."""
        failure = record.failure
        if failure is None:
            return
        text = f"line {record.line}: {failure.code}"
        if failure.code == "http_error":
            text += f" {record.http_status} {printable(record.url)}"
        else:
            text += f" {printable(record.url)} ({printable(failure.message)})"
        self._write(text)
        if traceback and failure.traceback:
            self._write(printable_lines(failure.traceback.rstrip()))

    def progress(self, progress: Progress) -> None:
        """Draw a bar on a terminal, write a line elsewhere."""
        if sys.stderr.isatty():
            self._draw(progress)
        else:
            self._write(progress_line(progress))

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console  # noqa: PLC0415  only terminals need it
            from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

            self._bar = Progress(
                BarColumn(bar_width=24),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
            )
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()
        if self._task is not None:
            total = None if progress.share is None else 1.0
            line = progress_line(progress)
            self._bar.update(
                self._task, completed=progress.share or 0, total=total, description=line
            )
            self._bar.refresh()

    def say(self, event: str, sentence: str, **facts: object) -> None:  # noqa: ARG002  the port's
        """Write the sentence."""
        self._write(printable_lines(sentence))

    def _write(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(
                text, markup=False, emoji=False, highlight=False, soft_wrap=True
            )
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def fatal(self, error: RunError) -> None:
        """Write the error's sentence behind the program's name."""
        self._write(f"pixmill: {printable_lines(str(error))}")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


class JsonVoice:
    """One JSON object a line on standard error."""

    def __init__(self) -> None:
        import structlog  # noqa: PLC0415  only this form needs it

        processors: list[Any] = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ]
        logger = structlog.PrintLogger(sys.stderr)
        self._log = structlog.wrap_logger(logger, processors=processors)

    def failure(self, record: Record, *, traceback: bool) -> None:
        """Log an event `failed`."""
        failure = record.failure
        if failure is None:
            return
        facts = {"traceback": failure.traceback} if traceback and failure.traceback else {}
        self._log.warning(
            "failed",
            line=record.line,
            url=record.url,
            code=failure.code,
            http_status=record.http_status,
            attempts=record.attempts,
            message=failure.message,
            **facts,
        )

    def progress(self, progress: Progress) -> None:
        """Log an event `progress`."""
        self._log.info(
            "progress", share=progress.share, images=progress.images, ok=progress.ok,
            failed=progress.failed.total(), images_per_s=round(progress.images_per_s, 1),
            bytes_per_s=round(progress.bytes_per_s), left_s=progress.left_s,
        )  # fmt: skip

    def say(self, event: str, sentence: str, **facts: object) -> None:
        """Log the event, with the sentence as its message."""
        self._log.info(event, message=sentence, **facts)

    def fatal(self, error: RunError) -> None:
        """Log an event `fatal`."""
        self._log.error("fatal", message=str(error), error=type(error).__name__)

    def close(self) -> None:
        """Nothing to leave."""


def note_of_little_room(
    max_bytes: int, disk_usage: Callable[[str], DiskUsage] = shutil.disk_usage
) -> str | None:
    """Word what a small temporary folder costs a run whose files have up to `max_bytes`."""
    from pixmill.fetch.options import FetchOptions  # noqa: PLC0415  start-up needs neither
    from pixmill.fetch.spill import SpillBudget  # noqa: PLC0415

    options = FetchOptions(max_bytes=max_bytes)
    if SpillBudget.of(options, disk_usage).limit >= options.spill_total_bytes:
        return None
    return (
        f"{tempfile.gettempdir()} has little room: downloads of large images wait for each other; "
        "name a larger folder in the variable TMPDIR"
    )


def progress_line(progress: Progress) -> str:
    """Write progress in one line: share, rate, failures, time left."""
    parts = [] if progress.share is None else [f"{progress.share:4.0%}"]
    parts += [
        counted(progress.images, "image"),
        f"{progress.images_per_s:,.0f} images/s",
        f"{progress.bytes_per_s / 1e6:,.1f} MB/s",
        f"{progress.failed.total():,} failed",
    ]
    if progress.left_s is not None:
        parts.append(f"{duration(progress.left_s)} left")
    return "  ".join(parts)


def tell_summary(voice: Voice, report: Report, output: Path | None, errors: Path) -> None:
    """Say how a job ended: counts, failures by code, the rate, and where things stand."""
    failed = sum(report.failed.values())
    text = f"{counted(report.ok + failed, 'image')}: {report.ok:,} ok, {failed:,} failed"
    if report.progress is not None and report.progress.images:
        done = report.progress
        rate = f"{done.images_per_s:,.1f} images/s, {done.bytes_per_s / 1e6:,.1f} MB/s"
        text += f" in {duration(done.elapsed_s)} ({rate})"
    for code, number in sorted(report.failed.items(), key=lambda pair: (-pair[1], pair[0])):
        text += f"\n  {number:>9,}  {code}"
    facts = {}
    if output is not None:
        facts = {"output": str(output), "errors": str(errors)}
        text += f"\n{output}" + (f"\n{errors}" if failed else "")
    voice.say("summary", text, ok=report.ok, failed=report.failed, **facts)
