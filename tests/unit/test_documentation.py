"""What users can type, set or receive is documented, and what is documented exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main
from scripts import reference

from pixmill import errors
from pixmill.cli.app import app
from pixmill.settings import Settings

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
FRONT = [
    PROJECT / f"{name}.md"
    for name in ("README", "ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY")
]
# The design speaks of the whole house, also of what is not built yet; decisions speak of their day.
PLANS = {DOCS / "design.md", *(DOCS / "decisions").glob("*.md")}
PAGES = sorted({*DOCS.rglob("*.md"), *FRONT} - PLANS)
USERS_PAGES = [
    page for page in PAGES if page.name != "CONTRIBUTING.md"
]  # that one speaks of other tools
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands():
    """All commands by the words that are typed, `keys create` among them."""
    return dict(reference.commands_of(typer.main.get_command(app)))


def flags(command):
    return {"--help", "-h"} | {
        name for part in command.params for name in getattr(part, "opts", [])
    }


def blocks(page, language):
    return [
        text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language
    ]


def test_the_reference_is_what_the_code_says():
    stale = [path.name for path in reference.stale_pages()]
    assert stale == [], "run `make reference`"


def test_every_table_of_the_reference_stands_on_a_page():
    pages = "".join(path.read_text(encoding="utf-8") for path in reference.PAGES.glob("*.md"))
    assert set(re.findall(r"<!-- begin ([\w-]+) -->", pages)) == set(reference.RENDERERS)


def test_a_table_that_is_behind_is_rendered_anew():
    page = "before\n<!-- begin settings -->\nout of date\n<!-- end settings -->\nafter"
    fresh = reference.renewed(page)
    assert fresh.startswith("before\n")
    assert fresh.endswith("\nafter")
    assert "out of date" not in fresh
    assert all(f"`PIXMILL_{name.upper()}`" in fresh for name in Settings.model_fields)
    assert reference.renewed(fresh) == fresh


def test_every_command_and_flag_is_in_the_reference():
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    for name, command in commands().items():
        assert f"## `{name}`" in page
        for part in command.params:
            if part.param_type_name == "option":
                assert all(
                    re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", page) for flag in part.opts
                )


def test_every_error_code_is_documented_and_in_the_design():
    codes = {kind.code for kind in subclasses(errors.ItemError)}
    assert len(codes) == 19
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z0-9_]+)` \|", page, re.MULTILINE)) == codes
    design = (DOCS / "design.md").read_text(encoding="utf-8")
    section = design.partition("## 6. Error codes\n`")[2].partition("`")[0]
    assert set(section.rstrip(".").split()) == codes


def subclasses(kind):
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_commands_of_a_page_can_be_typed(page):
    for line in "".join(blocks(page, "console")).splitlines():
        typed = re.match(r"\$ (?:\S*/)?pixmill (\S+)(.*)", line)
        if typed and not typed[1].startswith("-"):
            words = [typed[1], " ".join([typed[1], *typed[2].split()[:1]])]
            name = next((word for word in reversed(words) if word in commands()), None)
            assert name is not None, line
            spoken = set(re.findall(r"(?<=\s)--?[A-Za-z][\w-]*", typed[2].partition(" | ")[0]))
            assert spoken <= flags(commands()[name]), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_tables_of_a_page_do_not_share_an_errors_file(page):
    owners = {}
    for line in "".join(blocks(page, "console")).splitlines():
        order, named, output = line.partition(" -o ")
        if named:
            stem = output.split()[0].rpartition(".")[0]
            assert owners.setdefault(stem, (order, output.split()[0])) == (order, output.split()[0])


@pytest.mark.parametrize("page", USERS_PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_flags_that_a_page_speaks_of_exist(page):
    spoken = re.findall(
        r"(?<!`)`(--?[A-Za-z][\w-]*)(?![\w.-])[^`\n]*`(?!`)", page.read_text(encoding="utf-8")
    )
    known = set().union(*(flags(command) for command in commands().values())) | {"--version", "-vv"}
    assert set(spoken) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_settings_of_a_page_can_be_set(page):
    for text in blocks(page, "toml"):
        Settings(**tomllib.loads(text))


@pytest.mark.parametrize("page", FRONT, ids=lambda page: page.name)
def test_what_a_front_page_links_to_is_there(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (PROJECT / link).exists()] == []


def test_ci_and_make_run_the_test_command_of_the_readme():
    command = ".venv/bin/pytest"
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert f"\n{command}\n" in readme
    assert re.search(
        rf" {re.escape(command)}$", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE
    )
    assert "\n\t$(BIN)/pytest\n" in (PROJECT / "Makefile").read_text()
