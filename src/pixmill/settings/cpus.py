"""How many processors a process may use: its affinity, cut by the quotas of its cgroups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def usable_cpus(
    membership: Path = Path("/proc/self/cgroup"), hierarchy: Path = Path("/sys/fs/cgroup")
) -> int:
    """Return how many processors this process may use: its affinity, cut by its cgroups' quotas.

    `membership` names the process's cgroup and `hierarchy` is where they are mounted (version 2, as
    containers and systemd have it).
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *(round(quota) for quota in _quotas(membership, hierarchy))]))


def _quotas(membership: Path, hierarchy: Path) -> Iterator[float]:
    """Yield the quotas, in processors, of the process's cgroup and of those around it."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no cgroups on this system
        return
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for folder in (hierarchy / own, *(hierarchy / own).parents):
        if not folder.is_relative_to(hierarchy):
            return
        try:
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            if quota != "max":
                yield int(quota) / int(period)
        except (OSError, ValueError):  # no such limit here
            continue
