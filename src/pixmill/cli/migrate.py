"""`pixmill migrate`: the catalog in the form that this version knows."""

from __future__ import annotations

from pixmill.cli.standard_output import write_lines
from pixmill.settings import load_settings


def migrate() -> None:
    """Bring the catalog to this version's form; keep a copy of it before."""
    from pixmill.store import migrate_catalog  # noqa: PLC0415  help needs none of it

    settings = load_settings()
    before, after = migrate_catalog(settings.catalog, settings.data)
    if before is None:
        write_lines([f"the catalog is new, at revision {after}"])
    elif before == after:
        write_lines([f"the catalog is at revision {after} already"])
    else:
        write_lines([f"the catalog went from revision {before} to {after}"])
