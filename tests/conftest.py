"""What every test may ask for: real services, the folder of test images, and the rules of a run.

A test whose service is missing skips on a laptop and fails where PIXMILL_REQUIRE_SERVICES is set;
either way the end of the run says how to get it. The folder of test images is optional everywhere.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psutil
import pytest
import trustme

from tests import s3_server as s3
from tests import services, tracing, warm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

tracing.trace_patiently()

IMAGES_VARIABLE = "PIXMILL_TEST_IMAGES"
REQUIRE_VARIABLE = "PIXMILL_REQUIRE_SERVICES"
MISSING = pytest.StashKey[Counter[str]]()

# The same examples in every run, so that red stays red; `--hypothesis-profile=dev` searches anew.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("dev", deadline=None, max_examples=300)
hypothesis.settings.load_profile("ci")


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as processors: many tests wait for servers and processes."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, min(cpus * 3 // 2, 8))


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell starts what runs in the background; the tests of Ctrl-C would wait in vain.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[MISSING] = Counter()
    images = os.environ.get(IMAGES_VARIABLE)
    if images and not Path(images).is_dir():
        raise pytest.UsageError(f"{IMAGES_VARIABLE} names no folder: {images}")


def pytest_collection_finish() -> None:
    """Let no garbage collection walk the thousands of tests, which would take half a second."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("corpus") and not os.environ.get(IMAGES_VARIABLE):
        _skip(item.config, f"test images: set {IMAGES_VARIABLE} to their folder")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    missing = config.stash[MISSING]
    if not missing:
        return
    terminalreporter.section("missing on this machine")
    for need, tests in sorted(missing.items()):
        terminalreporter.line(f"{tests} tests want {need}")


@pytest.fixture
def nginx(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], str]]:
    """Call it with a folder to serve that folder's files; gives the base URL."""
    program = _program(request.config, services.NGINX)
    with contextlib.ExitStack() as running:

        def start(root: Path) -> str:
            work = tmp_path_factory.mktemp("nginx")
            return running.enter_context(services.serve_files(program, root, work))

        yield start


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> str:
    """The path of a real browser."""
    return _program(request.config, services.CHROMIUM)


@pytest.fixture(scope="session")
def promtool(request: pytest.FixtureRequest) -> str:
    """The path of the program that checks rules of Prometheus, and runs their tests."""
    return _program(request.config, services.PROMTOOL)


@pytest.fixture(scope="session")
def hadolint(request: pytest.FixtureRequest) -> str:
    """The path of the linter of Dockerfiles."""
    return _program(request.config, services.HADOLINT)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a real PostgreSQL, one for all tests of this process."""
    _program(request.config, services.POSTGRES)
    with services.serve_postgres() as postgres:
        yield postgres.url


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of an empty database on it."""
    return services.fresh_postgres(postgres_server)


@pytest.fixture
def own_postgres(request: pytest.FixtureRequest) -> Iterator[services.Postgres]:
    """A real PostgreSQL of the test's own, which it may break."""
    _program(request.config, services.POSTGRES)
    with services.serve_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def mongo_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a real MongoDB, one for all tests of this process."""
    program = _program(request.config, services.MONGODB)
    with services.serve_mongo(program, tmp_path_factory.mktemp("mongo")) as url:
        yield url


@pytest.fixture
def mongod(mongo_server: str) -> Iterator[str]:
    """The URL of an empty database on it."""
    with services.fresh_mongo(mongo_server) as url:
        yield url


@pytest.fixture(scope="session")
def s3_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[s3.S3Server]:
    """A real S3 server, one for all tests of this process."""
    program = _program(request.config, services.S3)
    with s3.serve_s3(program, tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: s3.S3Server) -> s3.Bucket:
    """An empty bucket on it."""
    return s3.Bucket(s3_server, s3_server.new_bucket())


@pytest.fixture
def tls_s3_bucket(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[s3.Bucket, Path]]:
    """An empty bucket on a server of an authority that nobody knows, and that authority's file."""
    program, folder = _program(request.config, services.S3), tmp_path_factory.mktemp("s3")
    authority, paths = trustme.CA(), [folder / name for name in ("authority", "certificate", "key")]
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(paths[0]))
    certificate.cert_chain_pems[0].write_to_path(str(paths[1]))
    certificate.private_key_pem.write_to_path(str(paths[2]))
    tls = ("--cert", str(paths[1]), "--key", str(paths[2]))
    with s3.serve_s3(program, folder, tls) as server:
        yield s3.Bucket(server, server.new_bucket()), paths[0]


@pytest.fixture
def own_s3_bucket(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[s3.Bucket]:
    """An empty bucket on a server of the test's own, which may stop it."""
    program = _program(request.config, services.S3)
    with s3.serve_s3(program, tmp_path_factory.mktemp("s3")) as server:
        yield s3.Bucket(server, server.new_bucket())


@pytest.fixture(scope="session")
def rabbit_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[services.Rabbit]:
    """A real RabbitMQ, one for all tests of this process."""
    program = _program(request.config, services.RABBITMQ)
    with services.serve_rabbit(program, tmp_path_factory.mktemp("rabbit")) as rabbit:
        yield rabbit


@pytest.fixture
def rabbit(rabbit_server: services.Rabbit) -> services.Rabbit:
    """It, running and with empty queues."""
    services.empty_rabbit(rabbit_server)
    return rabbit_server


@pytest.fixture
def warm_pools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of the test's own process have fork servers that have loaded everything already.

    They are not children of the test, so a test with a fixture `children` does without.
    """
    if "children" not in request.fixturenames:
        monkeypatch.setattr("pixmill.pool.process._start", warm.start_pool)


@pytest.fixture
def corpus(request: pytest.FixtureRequest) -> Path:
    """The folder of test images; only for tests marked `corpus`."""
    if request.node.get_closest_marker("corpus") is None:
        raise pytest.UsageError("only a test marked `corpus` may ask for the fixture `corpus`")
    return Path(os.environ[IMAGES_VARIABLE])


@pytest.fixture(autouse=True, scope="session")
def no_process_is_left() -> Iterator[None]:
    """At the end of a run none of its child processes lives on."""
    yield
    _, alive = psutil.wait_procs(warm.children(), timeout=5)
    left = [warm.command_line(process) for process in alive]
    assert not left, f"tests left processes behind: {left}"


def _program(config: pytest.Config, service: services.AnyService) -> str:
    found = service.find()
    if found is None:
        need = f"{service.name}: {service.how}"
        if os.environ.get(REQUIRE_VARIABLE):
            config.stash[MISSING][need] += 1
            pytest.fail(f"{REQUIRE_VARIABLE} is set and a service is missing: {need}")
        _skip(config, need)
    return found


def _skip(config: pytest.Config, need: str) -> None:
    config.stash[MISSING][need] += 1
    pytest.skip(need)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Give up root's rights, where the test has them, since root may read and write everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
