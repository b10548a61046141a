"""The first key: told once, on the terminal or in a file, and never in a log."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from tests import command
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_start_prints_no_key(tmp_path: Path) -> None:
    """The first one's still works; both say where they serve and stop by a signal."""
    with serving(tmp_path) as first:
        credential = first.credential
        assert first.link.startswith(first.url)
        assert first.stop() == 0
    with serving(tmp_path) as second:
        said = "\n".join(second.said)
        assert "pm_" not in said
        assert "code=" not in said
        with second.client(auth=credential) as client:
            assert client.get("/palettes").status_code == 200
        assert second.stop() == 0


def test_the_first_key_can_go_to_a_file(tmp_path: Path) -> None:
    """For its owner alone, in place of what lay there; nothing of it is printed or logged."""
    file = tmp_path / "key"
    file.write_text("an old one")
    file.chmod(0o644)
    env = {"PIXMILL_BOOTSTRAP_KEY_FILE": str(file)}
    with serving(tmp_path, env=env) as service:
        key = file.read_text().strip()
        assert re.fullmatch(r"pm_[a-z0-9]{8}_[\w-]{43}", key)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with service.client(auth=("first", key)) as client:
            assert client.get("/palettes").status_code == 200
            assert key not in client.get("/metrics").text
        told = "\n".join(service.said + service.log)
        assert str(file) in told
        assert "pm_" not in told
        assert "code=" not in told
    file.unlink()
    with serving(tmp_path, env=env):
        assert not file.exists()


def test_a_key_file_that_can_not_be_written_costs_no_key(tmp_path: Path) -> None:
    """The service says so and ends; once the file can be written, the first key is made."""
    file = tmp_path / "missing" / "key"
    env = {"PIXMILL_BOOTSTRAP_KEY_FILE": str(file), "PIXMILL_DATA": str(tmp_path / "data")}
    done = command.run("serve", "--port", "0", cwd=tmp_path, env=env)
    assert done.returncode == 1
    sentence = f"the first key can not be written to {file}: No such file or directory"
    assert done.stderr.strip() == f"pixmill: {sentence}"
    file.parent.mkdir()
    with serving(tmp_path, env=env) as service:
        credential = ("first", file.read_text().strip())
        with service.client(auth=credential) as client:
            assert client.get("/palettes").status_code == 200


def test_secrets_are_in_no_log_and_no_metrics(tmp_path: Path) -> None:
    """Keys, tokens and codes, whether right or wrong, in headers, queries, paths and forms."""
    wrong = "pm_wrongone_" + "W" * 43
    with serving(tmp_path) as service, service.client(auth=None) as client:
        name, key = service.credential
        code = service.link.partition("code=")[2]
        client.get("/palettes", auth=(name, key))
        client.get("/palettes", auth=(name, wrong))
        client.get(f"/palettes/{key}", params={"key": key, "url": f"http://a/?{wrong}"})
        client.get(f"/{wrong}", headers={"authorization": f"Bearer {key}"})
        client.get("/sign-in/link", params={"code": code})
        client.post("/sign-in", data={"key": wrong, "csrf_token": "x"})
        client.get("/", headers={"cookie": f"pixmill_session={wrong}", "referer": wrong})
        client.post("/colours/match", content=key.encode(), auth=(name, key))
        metrics = client.get("/metrics", auth=(name, key)).text
        assert service.stop() == 0
        log = "\n".join(service.log)
    for secret in (key[12:], wrong[12:], code):
        assert secret not in log
        assert secret not in metrics
    assert log.count(" request ") >= 9
