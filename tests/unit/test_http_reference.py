"""The reference of the HTTP API lists every route with scopes, parameters, answers and failures."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from pixmill.jobs.relay import Look
from pixmill.settings import Settings
from pixmill.store import open_catalog
from pixmill.store.memory import MemoryArchive
from pixmill.web.access import Log
from pixmill.web.app import create_app
from pixmill.web.metrics import Metrics

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http-api.md"
SECTION = re.compile(r"^## (`/.*`)\n((?:(?!## ).*\n)*)", re.MULTILINE)
METHOD = re.compile(r"^\| ([A-Z]+) \| (.*?) \| ([\d ]+?) \| (.*?) ?\|$", re.MULTILINE)
PARAMETER = re.compile(r"^\| (`[^|]*`) \| ((?:GET|POST|PUT|DELETE)[A-Z, ]*) \|", re.MULTILINE)
PAGE_ROUTES = re.compile(r"^\| ((?:`(?:GET|POST) /[^`]*`(?:, )?)+) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with open_catalog(None, tmp_path_factory.mktemp("data")) as catalog:
        yield create_app(Settings(), catalog, MemoryArchive(), Log("text"), Metrics())


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


def words(text):
    return re.findall(r"`([^`]+)`", text)


def described(text):
    """What the page says of each (method, path): scopes, success, failures, parameters."""
    told = {}
    for paths, section in SECTION.findall(text):
        parameters = [(words(names), used) for names, used in PARAMETER.findall(section)]
        for method, scopes, success, failures in METHOD.findall(section):
            own = {
                name for names, used in parameters if method in used.split(", ") for name in names
            }
            answers = set(success.split()), set(failures.split())
            told.update(
                ((method, path), (set(words(scopes)), *answers, own)) for path in words(paths)
            )
    return told


def scopes_of(route):
    checks = [part.dependency for part in route.dependencies]
    return {
        scope for check in checks for scope in inspect.getclosurevars(check).nonlocals["scopes"]
    }


def operations(app):
    """What the app itself says, in the same form."""
    scopes = {
        (method, route.path): scopes_of(route)
        for route in app.routes
        if getattr(route, "include_in_schema", False)
        for method in route.methods
    }
    found = {}
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            statuses = set(operation["responses"])
            success = {status for status in statuses if status[0] in "23"}
            names = {part["name"] for part in operation.get("parameters", [])}
            place = (method.upper(), path)
            found[place] = (scopes[place], success, statuses - success, names)
    return found


def test_every_route_of_the_api_is_described_as_it_is(app, text):
    assert described(text) == operations(app)


def test_every_page_is_listed(app, text):
    hidden = {
        f"{method} {route.path}"
        for route in app.routes
        if not getattr(route, "include_in_schema", False)
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
    }
    listed = {name for names in PAGE_ROUTES.findall(text) for name in words(names)}
    assert listed == hidden


def test_every_metric_is_listed_with_its_labels(text):
    metrics = Metrics()
    metrics.cluster_stands(Look({}, {}, 0, 0.0))  # as where there is a broker
    families = metrics.registry.collect()
    kinds = {
        family.name: f"{family.name}{'_total' * (family.type == 'counter')}" for family in families
    }
    assert set(re.findall(r"^\| `(pixmill_\w+)` \|", text, re.MULTILINE)) == set(kinds.values())


def test_every_code_of_a_refusal_is_listed(text):
    table = text.partition("## Failures")[2]
    listed = set(re.findall(r"^\| \d+ \| `([a-z_]+)` \|", table, re.MULTILINE))
    source = Path(inspect.getfile(create_app)).parent
    spoken = {
        code
        for file in source.rglob("*.py")
        for code in re.findall(
            r"ApiError\(\s*\d{3},\s*\"([a-z_]+)\"", file.read_text(encoding="utf-8")
        )
    }
    assert spoken == listed
