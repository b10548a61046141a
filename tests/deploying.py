"""What `deploy/` holds, read as its tools read it; and which names are pixmill's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from prometheus_client import Counter, Histogram

from pixmill.jobs.relay import Look
from pixmill.jobs.worker_metrics import WorkerMetrics
from pixmill.settings import Settings
from pixmill.web.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = Path(__file__).parents[1]
DEPLOY = PROJECT / "deploy"
FOLDERS = ("bus", "db/data", "nas")

_VARIABLE = re.compile(r"\$(\$)|\$\{(\w+)(?::([-?])([^}]*))?\}")


def files() -> list[Path]:
    """Every file of `deploy/` that is in git or could be."""
    listed = git(PROJECT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "deploy")
    return [path for name in listed.split("\0") if name and (path := PROJECT / name).is_file()]


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """Replace `${NAME:-default}`, `${NAME:?reason}` and `$$` as compose does."""

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if environment.get(match[2]):
            return environment[match[2]]
        assert match[3] == "-", f"{match[2]} has no value"
        return match[4]

    return _VARIABLE.sub(value, text)


def compose(**environment: str) -> dict[str, Any]:
    """The compose file as it stands for the user 1000, with these variables too."""
    user = {"PIXMILL_UID": "1000", "PIXMILL_GID": "1000"}
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(interpolated(text, user | environment))


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Kubernetes object, with the name of its file."""
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.name, each


def settings() -> set[str]:
    """The names of all variables that are settings, those of files too."""
    names = {f"PIXMILL_{name.upper()}" for name in Settings.model_fields}
    return names | {f"{name}_FILE" for name in names} | {"PIXMILL_CONFIG"}


def metrics() -> set[str]:
    """The names of all series that services and workers export."""
    found = set()
    service, worker = Metrics(), WorkerMetrics()
    service.cluster_stands(Look({}, {}, 0, 0.0))
    registries = (service.registry, worker.registry)
    for collector in (each for own in registries for each in own._collector_to_names):
        name = collector._name
        endings = {Counter: ["_total"], Histogram: ["_bucket", "_sum", "_count"]}
        found |= {name + ending for ending in endings.get(type(collector), [""])}
    return found


def clone(folder: Path) -> Path:
    """A clone whose HEAD holds `deploy/` as it stands in the work tree; gives its `deploy`."""
    for path in files():
        copy = folder / path.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "all")
    return folder / "deploy"


def git(folder: Path, *words: str) -> str:
    """What git answers in a folder."""
    command = ["git", "-c", "safe.directory=*", *words]  # CI may run as another than the owner
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout
