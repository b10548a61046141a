"""The Dockerfile: what a linter says of it, what it installs, and how its images are started.

No image is built here, which needs an engine: `make image-test` does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests import command, deploying, serving
from tests.services import free_port

HEALTHY = deploying.DEPLOY / "image" / "healthy.py"


def read(name):
    return (deploying.PROJECT / name).read_text(encoding="utf-8")


def stages():
    """The instructions of each stage of the Dockerfile, by its name."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE))
    parts = re.split(r"^(FROM .* AS (\w+))$", text, flags=re.MULTILINE)
    return {
        name: [start, *filter(None, body.splitlines())]
        for start, name, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


def test_the_linter_has_nothing_to_say(hadolint):
    run = subprocess.run(
        [hadolint, "--no-color", "--failure-threshold", "style", "Dockerfile"],
        cwd=deploying.PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "")


def test_the_linter_sees_what_is_wrong(hadolint, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /x && pip install y\n")
    run = subprocess.run(
        [hadolint, "--no-color", "Dockerfile"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "DL3006" in run.stdout


def test_each_target_is_started_alone_as_a_user_without_rights():
    found = stages()
    assert list(found) == ["build", "base", "api", "worker", "cli"], "the last is the default"
    assert "USER 10001:10001" in found["base"]
    assert 'ENTRYPOINT ["/opt/pixmill/start.sh"]' in found["base"]
    for target, words in (("api", "serve"), ("worker", "worker"), ("cli", "--help")):
        assert found[target][0].startswith("FROM base ")
        assert f'CMD ["{words}"]' in found[target]
        assert not any(line.startswith(("USER", "ENTRYPOINT")) for line in found[target])
        assert any(line.startswith("HEALTHCHECK") for line in found[target]) == (target != "cli")


def test_who_is_asked_from_outside_listens_there():
    found = stages()
    exposed = [name for name, lines in found.items() if any("EXPOSE " in line for line in lines)]
    assert exposed == ["api", "worker"]
    for name in exposed:
        assert variables(found[name]).get("PIXMILL_HOST") == "0.0.0.0", "probes ask its address"


def variables(stage):
    """What a stage sets in the environment, less what it inherits."""
    words = [word for line in stage if line.startswith("ENV ") for word in line.split()[1:]]
    return dict(word.split("=", 1) for word in words)


def test_the_working_folder_is_the_data_folder_that_anybody_may_write_to():
    base = stages()["base"]
    assert "WORKDIR /data" in base
    assert any("install -d -m 1777 /data" in line for line in base)
    expected = {
        "PIXMILL_DATA": "/data", "HOME": "/tmp", "NUMBA_CACHE_DIR": "/tmp/pixmill-kernels",
    }  # fmt: skip
    assert expected.items() <= variables(base).items()


def test_a_container_starts_with_the_kernels_of_its_image(tmp_path):
    (tmp_path / "pixmill").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "pixmill").chmod(0o755)
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "one.nbc").write_bytes(b"compiled")
    start = (deploying.DEPLOY / "image" / "start.sh").read_text(encoding="utf-8")
    (tmp_path / "start.sh").write_text(start.replace("/opt/pixmill", str(tmp_path)))
    for cache, told in (("cache", "a b"), ("cache", "again"), ("missing/cache", "without")):
        run = subprocess.run(
            ["sh", str(tmp_path / "start.sh"), *told.split()],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "NUMBA_CACHE_DIR": str(tmp_path / cache)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (run.returncode, run.stdout, run.stderr) == (0, f"{told}\n", "")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["one.nbc"]


def test_what_an_image_installs_is_what_was_tested_by_its_hash():
    tested = pinned("requirements/dev.lock")
    for name in ("requirements/image.lock", "requirements/build.lock"):
        assert pinned(name).items() <= tested.items(), "run `make lock`"
        assert read(name).count("--hash=sha256:") >= len(pinned(name))
    assert "PKG_CONFIG=/bin/false" in " ".join(stages()["build"]), "pyvips brings its own libvips"
    assert len(re.findall(r"pip [^&]*--require-hashes", " ".join(stages()["build"]))) == 2


def pinned(name):
    found = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", read(name), re.MULTILINE)
    assert found
    return dict(found)


def test_an_image_has_every_extra():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.match(r"[\w.-]+", each)[0].lower() for one in lists for each in one} - {"pixmill"}
    assert names <= set(pinned("requirements/image.lock"))


def test_what_is_copied_into_an_image_is_not_ignored():
    kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    lines = [line for stage in stages().values() for line in stage if line.startswith("COPY ")]
    copied = {word for line in lines if "--from" not in line for word in line.split()[1:-1]}
    assert copied == kept
    assert all((deploying.PROJECT / name).exists() for name in kept)
    assert "*" in read(".dockerignore").splitlines(), "what is not named stays out"


# The health check


def healthy(role, **variables):
    return subprocess.run(
        [sys.executable, str(HEALTHY), role],
        env=variables, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("variable", ["PORT", "PIXMILL_PORT"])
def test_the_health_check_asks_where_the_service_listens(tmp_path, variable):
    port = str(free_port())
    process = command.start(
        "serve", cwd=tmp_path, env={"PIXMILL_DATA": str(tmp_path), variable: port}
    )
    try:
        line = process.stdout.readline()
        assert serving.LISTENING.search(line)[1] == f"http://127.0.0.1:{port}"
        run = healthy("api", **{variable: port}, http_proxy="http://127.0.0.1:9")
        assert (run.returncode, run.stderr) == (0, "")
        assert healthy("worker", PIXMILL_METRICS_PORT=port).returncode == 0
    finally:
        command.kill(process)
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize(("role", "port"), [("api", 5000), ("worker", 9100)])
def test_the_health_check_says_what_is_wrong(role, port):
    name = {"api": "PIXMILL_PORT", "worker": "PIXMILL_METRICS_PORT"}[role]
    nobody = str(free_port())
    run = healthy(role, **{name: nobody})
    assert run.returncode == 1
    assert f"http://127.0.0.1:{nobody}/healthz: " in run.stderr
    assert f"EXPOSE {port}" in stages()[role]


# make image


@pytest.mark.parametrize("installed", [True, False])
def test_without_an_engine_make_says_what_to_install(tmp_path, installed):
    for tool in ("sh", "make", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    if installed:
        (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "docker").chmod(0o755)
    run = subprocess.run(
        ["make", "--silent", "image"],
        cwd=deploying.PROJECT, env={"PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 2
    sentence = "its engine does not answer" if installed else "install one (on Debian: apt-get"
    assert sentence in run.stderr
