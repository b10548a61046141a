"""The palettes of a service: the built-in one, and those of the catalog, indexed once and kept.

Each use asks the catalog for the revision alone; a palette that changed is read again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pixmill.color.palette import Palette
from pixmill.color.palette_files import read_palette, write_palette
from pixmill.errors import UsageError
from pixmill.web.errors import overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pixmill.store import Catalog, PaletteInfo
    from pixmill.web.store_calls import StoreCalls

BUILT_IN = "css"
_MOST_COMING = 4
_RETRY_AFTER_S = 5
_MOST_ENTRIES = 100_000  # of all palettes that are kept in memory; the last one always is
# Reading JSON holds the interpreter, so all others wait meanwhile: about half a second for these.
_MOST_MARKS = 1_200_000


class Shelf:
    """For one event loop. Every method raises OutputError where the catalog can not be used."""

    def __init__(self, catalog: Catalog, ask: StoreCalls) -> None:
        self._catalog = catalog
        self._ask = ask
        self._kept: OrderedDict[str, tuple[int, Palette]] = OrderedDict()
        self._reading: dict[str, asyncio.Lock] = {}
        self._parsing = asyncio.Lock()
        self._coming = 0

    async def get(self, name: str) -> Palette | None:
        """Find a palette by name; None where there is none."""
        if name == BUILT_IN:
            return Palette.css()
        revision = await self._ask(self._catalog.palettes.revision, name)
        if revision is None:
            self._kept.pop(name, None)
            return None
        kept = self._kept.get(name)
        if kept is None or kept[0] != revision:
            return await self._read(name, revision)
        self._kept.move_to_end(name)
        return kept[1]

    async def _read(self, name: str, revision: int) -> Palette | None:
        async with self._reading.setdefault(name, asyncio.Lock()):
            kept = self._kept.get(name)
            if kept is not None and kept[0] >= revision:
                return kept[1]  # others were first
            found = await self._ask(self._load, name)
            self._reading.pop(name, None)
            if found is not None:
                self._kept[name] = found
                self._kept.move_to_end(name)
                self._make_room()
            return found[1] if found else None

    def _load(self, name: str) -> tuple[int, Palette] | None:
        found = self._catalog.palettes.get(name)
        if found is None:
            return None
        document, info = found
        return info.revision, read_palette(document, name, "json")

    def _make_room(self) -> None:
        while len(self._kept) > 1 and self._entries() > _MOST_ENTRIES:
            self._kept.popitem(last=False)

    def _entries(self) -> int:
        return sum(len(palette.entries) for _, palette in self._kept.values())

    def revision_of(self, name: str) -> int | None:
        """Tell the revision of the palette that `get` gave last; None for the built-in one."""
        kept = self._kept.get(name)
        return kept[0] if kept else None

    async def all(self) -> list[PaletteInfo]:
        """List the palettes of the catalog, in order of name."""
        return await self._ask(self._catalog.palettes.all)

    @asynccontextmanager
    async def room_for_one(self) -> AsyncIterator[None]:
        """Bound how many documents are taken in at once; ApiError 503 beyond that."""
        if self._coming >= _MOST_COMING:
            raise overloaded("Too many palettes come in at once", retry_after_s=_RETRY_AFTER_S)
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    async def put(
        self, name: str, data: bytes, form: str | None, expected_revision: int | None
    ) -> PaletteInfo | None:
        """Keep a palette if what stands there is what is expected (see the catalog), else None.

        Raises UsageError for a document that is no palette and a name that none may have.
        """
        async with self._parsing:  # objects take many times the document
            return await self._ask(self._put, name, data, form, expected_revision)

    def _put(
        self, name: str, data: bytes, form: str | None, expected_revision: int | None
    ) -> PaletteInfo | None:
        if sum(map(data.count, b",[{")) > _MOST_MARKS:
            raise UsageError(f"the palette has more than {_MOST_MARKS:,} values; import it instead")
        palette = read_palette(data, name, form)
        document = write_palette(palette, "json")
        return self._catalog.palettes.put(
            palette.name, document, len(palette.entries), expected_revision
        )

    async def delete(self, name: str, expected_revision: int | None = None) -> bool:
        """Drop a palette; False where there is none, or another revision than is expected."""
        return await self._ask(self._catalog.palettes.delete, name, expected_revision)
