"""Whatever `deploy/` and its page say is a setting is one, and nothing in them is a secret."""

from __future__ import annotations

import re

from tests import deploying

VARIABLE = re.compile(r"\bPIXMILL_[A-Z0-9_]+\b")
# Of the stack itself, which pixmill does not read.
OF_THE_STACK = {"PIXMILL_UID", "PIXMILL_GID", "PIXMILL_PUBLISH"}


def texts():
    more = (deploying.PROJECT / "Dockerfile", deploying.PROJECT / "docs" / "deploy.md")
    return {path: path.read_text(encoding="utf-8") for path in (*deploying.files(), *more)}


def test_variables_are_settings():
    known = deploying.settings() | OF_THE_STACK
    for path, text in texts().items():
        assert set(VARIABLE.findall(text)) <= known, path.name


def test_no_password_stands_in_a_file():
    for path, text in texts().items():
        for password in re.findall(r"://[\w-]+:([^@\s\"'`]+)@", text):
            assert re.search(r"^(CHANGE-ME|NEW)$|\$|^\\\(", password), path.name


def test_scripts_can_be_run():
    for path in deploying.files():
        if path.suffix == ".sh":
            assert path.stat().st_mode & 0o111, path.name
            assert path.read_text().startswith("#!/bin/sh\n")
