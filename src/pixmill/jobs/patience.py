"""Going on while a catalog, a broker or a store is away for a while, and saying so now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE_S = 600.0
_PAUSE_S = 1.0
_AGAIN_S = 60.0


class Sparingly:
    """Tells of the same trouble once a minute, however often it comes. Any thread may call it."""

    def __init__(
        self,
        told: Callable[[str, BaseException], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = told
        self._clock = clock
        self._last: dict[str, float] = {}

    def __call__(self, what: str, error: BaseException) -> None:
        """Tell what is wrong, unless that was told just before."""
        now = self._clock()
        if now - self._last.get(what, -_AGAIN_S) >= _AGAIN_S:
            self._last[what] = now
            self._told(what, error)


def patient(
    port: T,
    check: Callable[[], object],
    told: Callable[[str, BaseException], None],
    patience_s: float = PATIENCE_S,
) -> T:
    """Give a port of which each call is made again while it raises OutputError, for `patience_s`.

    For calls that may be made twice. `check` is called in between, and ends it by raising.
    """
    return cast("T", _Patient(port, check, told, patience_s))


class _Patient:
    def __init__(
        self,
        port: Any,
        check: Callable[[], object],
        told: Callable[[str, BaseException], None],
        patience_s: float,
    ) -> None:
        self._port = port
        self._check = check
        self._told = told
        self._patience_s = patience_s

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*arguments: Any, **more: Any) -> Any:
            deadline = time.monotonic() + self._patience_s
            while True:
                try:
                    return method(*arguments, **more)
                except OutputError as error:
                    if time.monotonic() > deadline:
                        raise
                    self._told("waiting for what can not be used just now", error)
                self._check()
                time.sleep(_PAUSE_S)

        return call
