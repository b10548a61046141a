"""The rooms of the house import only what the table in docs/design.md lets them reach.

The table is read from the page itself, so page, test and code can not drift apart.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "src" / "pixmill"
ROOM_LINE = re.compile(r"^  (\w+)(?:\.py|/)\s.*->\s+(\w.*?)\s*$", re.MULTILINE)

OPEN_TO_ALL = {"errors", "record", "settings"}
PURE = ("color", "fetch.address")
# What reads, writes, waits, logs or looks at the world outside its arguments.
IMPURE = set(
    """
    aiohttp asyncio builtins datetime glob http importlib io logging mmap multiprocessing os pathlib
    random secrets selectors shutil signal socket ssl structlog subprocess tempfile time urllib
    """.split()  # noqa: SIM905  easier to read, and to keep sorted, as words
)
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}


def read_table(page: str) -> dict[str, set[str]]:
    """Every room with all it may import: what its arrows reach, directly or through others."""
    arrows = {room: set(re.findall(r"\w+", right)) for room, right in ROOM_LINE.findall(page)}
    arrows = {
        room: set(arrows) if right == {"all"} else right - {"nothing"}
        for room, right in arrows.items()
    }
    return {room: _reach(room, arrows) for room in arrows}


def _reach(room: str, arrows: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = [room]
    while ahead:
        for other in arrows[ahead.pop()] - reached:
            reached.add(other)
            ahead.append(other)
    return reached


def find_violations(package: Path, table: dict[str, set[str]]) -> list[str]:
    """One sentence for each import or call under `package` that the table or purity forbids."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        imports = list(_imports(tree, module, package.name, is_package=path.name == "__init__.py"))
        found += _upward(module, imports, package.name, table)
        if any(module == pure or module.startswith(pure + ".") for pure in PURE):
            found += _impure(module, tree, imports)
    return found


def _imports(tree: ast.AST, module: str, package: str, *, is_package: bool):
    """The dotted name of everything imported anywhere in the module, also for types only."""
    here = [package, *([] if module == "__init__" else module.split("."))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - (1 if is_package else 0)
            start = here[: len(here) - up] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{base}.{name.name}" for name in node.names)


def _upward(module: str, imports: list[str], package: str, table: dict[str, set[str]]) -> list[str]:
    room = module.partition(".")[0]
    if room == "__init__":  # the public face reaches everything, lazily
        return []
    if room not in table:
        return [f"{module}: the room {room} is not in the table"]
    allowed = table[room] | OPEN_TO_ALL | {room}
    if any(module == pure or module.startswith(pure + ".") for pure in PURE):
        allowed -= {"settings"}
    if room in OPEN_TO_ALL:
        allowed = table[room] | {room}
    if room == "cli":
        allowed |= {"__init__"}
    found = []
    for name in imports:
        parts = name.split(".")
        if parts[0] != package or name == f"{package}.__version__":
            continue
        target = parts[1] if len(parts) > 1 and parts[1] in table else "__init__"
        if target not in allowed:
            found.append(f"{module} imports {name}, but {room} may not reach {target}")
    return found


def _impure(module: str, tree: ast.AST, imports: list[str]) -> list[str]:
    imported = [name for name in imports if _root(name) in IMPURE]
    called = [
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    return [f"{module} is pure, but imports {name}" for name in imported] + [
        f"{module} is pure, but calls {name}" for name in called if name in IMPURE_CALLS
    ]


def _root(name: str) -> str:
    return name.partition(".")[0]


@pytest.fixture(scope="module")
def table():
    return read_table((PROJECT / "docs" / "design.md").read_text(encoding="utf-8"))


def test_the_table_of_the_design_is_read_whole(table):
    first, last = (
        ["errors", "record", "settings"],
        ["store", "ingest", "jobs", "client", "web", "cli"],
    )
    middle = [
        "color",
        "imaging",
        "fetch",
        "analysis",
        "matching",
        "signing",
        "told",
        "telemetry",
        "image",
        "pool",
        "batch",
    ]
    rooms = [*first, *middle, *last]
    assert list(table) == [*rooms, "__main__"]
    assert table["color"] == {"errors"}
    assert table["batch"] == {"fetch", "pool", "analysis", "imaging", "color", "errors", "told"}
    assert table["cli"] == {*rooms, "__main__"}


def test_no_room_imports_upward_and_pure_rooms_are_pure(table):
    assert find_violations(PACKAGE, table) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("color/counting.py", "from pixmill.imaging import probe", "color may not reach imaging"),
        (
            "color/counting.py",
            "from pixmill.settings import Settings",
            "color may not reach settings",
        ),
        ("color/counting.py", "import os.path", "color.counting is pure, but imports os.path"),
        ("color/counting.py", "def f():\n    open('x')", "color.counting is pure, but calls open"),
        ("fetch/address.py", "from pixmill import settings", "fetch may not reach settings"),
        (
            "fetch/address.py",
            "from socket import inet_aton",
            "fetch.address is pure, but imports socket.inet_aton",
        ),
        ("fetch/client.py", "def f():\n    import pixmill.pool", "fetch may not reach pool"),
        ("errors.py", "from pixmill.record import Record", "errors may not reach record"),
        ("errors.py", "import pixmill.settings", "errors may not reach settings"),
        ("settings.py", "from pixmill.color import counting", "settings may not reach color"),
        ("pool.py", "from . import batch", "pool may not reach batch"),
        ("pool.py", "from .batch.runner import run", "pool may not reach batch"),
        ("batch/runner.py", "from ..cli import main", "batch may not reach cli"),
        ("batch/__init__.py", "from ..web import app", "batch may not reach web"),
        ("batch/runner.py", "from pixmill import top_colors", "batch may not reach __init__"),
        (
            "batch/runner.py",
            "if TYPE_CHECKING:\n    import pixmill.jobs",
            "batch may not reach jobs",
        ),
        ("attic.py", "", "the room attic is not in the table"),
    ],
)
def test_the_checker_sees(tmp_path, table, path, source, complaint):
    assert complaint in "; ".join(find_violations(_tree(tmp_path, path, source), table))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("color/counting.py", "import numpy\nfrom pixmill.errors import PixmillError"),
        ("color/counting.py", "from pixmill.record import Color"),
        ("color/palette.py", "from .counting import count_top"),
        ("batch/runner.py", "from pixmill.imaging.probe import probe"),
        ("batch/runner.py", "from pixmill import __version__\nimport os"),
        ("imaging/decode.py", "from pixmill.settings import Settings"),
        ("cli/colors.py", "from pixmill.web import app\nfrom pixmill import top_colors"),
        ("__init__.py", "def top_colors():\n    import pixmill.analysis"),
    ],
)
def test_the_checker_lets_pass(tmp_path, table, path, source):
    assert find_violations(_tree(tmp_path, path, source), table) == []


def _tree(folder: Path, path: str, source: str) -> Path:
    package = folder / "pixmill"
    (package / path).parent.mkdir(parents=True, exist_ok=True)
    (package / path).write_text(textwrap.dedent(source))
    return package


def test_importing_pixmill_is_cheap():
    heavy = ["numba", "aiohttp", "PIL", "pyvips", "pydantic", "scipy", "typer"]
    program = f"import sys, pixmill; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


def test_every_library_that_is_imported_is_a_declared_dependency():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    declared = {_distribution(re.split(r"[\[<>=~! ;]", line)[0]) for line in wanted}
    owners = importlib.metadata.packages_distributions()
    undeclared = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in _imports(
            ast.parse(path.read_text(encoding="utf-8")), "", "pixmill", is_package=False
        )
        if _root(name) not in sys.stdlib_module_names | {"pixmill", ""}
        and declared.isdisjoint(map(_distribution, owners.get(_root(name), [])))
    }
    assert undeclared == set()


def _distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
