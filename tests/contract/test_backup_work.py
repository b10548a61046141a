"""Backups cut off or altered anywhere are refused with nothing left; whole ones give all back."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile

import pytest

from pixmill.errors import InputError, OutputError, UsageError
from pixmill.store import open_archive
from pixmill.store.archive import Image
from pixmill.store.backup import Summary, back_up
from pixmill.store.restore import restore
from tests.archives import look, names_of
from tests.contract.archives import RED, capture, put_blobs

IMAGES = 3


@pytest.fixture
def data(tmp_path):
    """A data folder with an archive of a few images, each as its row says."""
    with open_archive(None, None, None, tmp_path / "data") as archive:
        for number in range(IMAGES):
            original = b"original %d" % number
            md5 = hashlib.md5(original, usedforsecurity=False).hexdigest()
            image = Image(
                md5=md5, sha256=hashlib.sha256(original).hexdigest(), bytes=len(original),
                format="png", width=2, height=2, colors=(RED,), color="#FF0000",
                blobs=put_blobs(archive, md5, original=original),
            )  # fmt: skip
            archive.add([capture(image)])
    return tmp_path / "data"


def backed_up(data, folder):
    folder.mkdir()
    target = io.BytesIO()
    return target, back_up(data / "catalog.sqlite", data / "blobs", target, folder)


def put_back(content, data):
    return restore(io.BytesIO(content), data / "catalog.sqlite", data / "blobs")


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_all_is_given_back(data, tmp_path):
    target, summary = backed_up(data, tmp_path / "work")
    assert (summary.images, summary.gone, summary.damaged) == (IMAGES, 0, 0)
    assert put_back(target.getvalue(), tmp_path / "new") == Summary(IMAGES, summary.bytes)
    assert look(tmp_path / "new") == look(data)
    with pytest.raises(UsageError, match="stands already"):
        put_back(target.getvalue(), tmp_path / "new")


def test_what_was_lost_or_altered_on_the_disk_is_left_out_and_told(data, tmp_path):
    with open_archive(None, None, None, data) as archive:
        greys = sorted(name for name in names_of(archive) if name.startswith("greys"))
        originals = sorted(name for name in names_of(archive) if name.startswith("originals"))
        archive.blobs.delete(greys[0])
    (data / "blobs" / originals[-1]).write_bytes(b"rotten")
    target, summary = backed_up(data, tmp_path / "work")
    assert (summary.images, summary.gone, summary.damaged) == (IMAGES, 1, 1)
    kept = put_back(target.getvalue(), tmp_path / "new")
    assert kept.images == len(look(tmp_path / "new").images) < IMAGES


def test_a_backup_cut_off_anywhere_is_refused_and_nothing_is_left(data, tmp_path):
    whole = backed_up(data, tmp_path / "work")[0].getvalue()
    rng = random.Random(5)
    end = whole.rindex(b"manifest.json")
    for number, length in enumerate([0, 1, 511, 512, end, *rng.sample(range(end), 10)]):
        new = tmp_path / f"new{number}"
        with pytest.raises(InputError):
            put_back(whole[:length], new)
        assert files_of(new) == []


def test_a_backup_altered_anywhere_in_a_file_is_refused_and_nothing_is_left(data, tmp_path):
    whole = backed_up(data, tmp_path / "work")[0].getvalue()
    for number, part in enumerate((b"original 1", b"grey", b'"sha256"', b'"files": ')):
        at = whole.rindex(part) + len(part) - 1
        altered = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        new = tmp_path / f"new{number}"
        with pytest.raises(InputError):
            put_back(altered, new)
        assert files_of(new) == []


def test_a_link_a_folder_or_a_stranger_is_refused(data, tmp_path):
    whole = backed_up(data, tmp_path / "work")[0].getvalue()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        first = tar.getmembers()[1].offset
    for number, (name, kind) in enumerate(
        (("l", tarfile.SYMTYPE), ("d", tarfile.DIRTYPE), ("blobs/../x", tarfile.REGTYPE),
         ("/x", tarfile.REGTYPE), ("blobs/greys/x", tarfile.REGTYPE))
    ):  # fmt: skip
        info = tarfile.TarInfo(name)
        info.type = kind
        evil = whole[:first] + info.tobuf(tarfile.GNU_FORMAT) + whole[first:]
        new = tmp_path / f"new{number}"
        with pytest.raises(InputError):
            put_back(evil, new)
        assert files_of(new) == []


def test_a_database_that_is_none_is_told(tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(OutputError, match="can not be copied"):
        back_up(tmp_path / "catalog.sqlite", tmp_path / "blobs", io.BytesIO(), tmp_path)
