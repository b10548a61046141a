"""A file of results that can not be used is refused in one sentence, and never does harm."""

import pickle
import resource
import sqlite3
from contextlib import closing, contextmanager

import pytest

from pixmill.analysis import PACKED_FORM
from pixmill.batch.cache import ResultCache
from pixmill.errors import OutputError
from tests.unit.kept import ENOUGH, URL, VALIDATED, WANTED, Clock, kept


class Harm:
    """Pickled, it creates a file in the current directory when it is loaded."""

    def __reduce__(self):
        return open, ("harmed", "w")


def _alter(folder, statement, *values):
    with closing(sqlite3.connect(folder / "results.sqlite")) as database:
        database.execute(statement, values)
        database.commit()


def _is_refused(folder, words="can not be used"):
    with (
        pytest.raises(OutputError, match=words) as refusal,
        ResultCache.open(folder, WANTED, ENOUGH, Clock()) as cache,
    ):
        cache.find(URL)
    assert str(folder) in str(refusal.value)
    assert "--cache" in str(refusal.value), "it says what to do"
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "results.sqlite"
    file.write_bytes(b"my precious notes " * 1000)
    _is_refused(tmp_path)
    assert file.read_bytes() == b"my precious notes " * 1000


@pytest.mark.parametrize("table", ["notes (text)", "results (url, wanted, packed)"])
def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path, table):
    _alter(tmp_path, f"CREATE TABLE {table}")
    before = (tmp_path / "results.sqlite").read_bytes()
    _is_refused(tmp_path, "was not made by pixmill")
    assert (tmp_path / "results.sqlite").read_bytes() == before


def test_a_damaged_database_is_refused(tmp_path):
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        for number in range(500):
            cache.store(f"http://a/{number}", kept(), VALIDATED)
    file = tmp_path / "results.sqlite"
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    file.write_bytes(data)
    _is_refused(tmp_path)


def test_a_folder_that_can_not_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    _is_refused(tmp_path / "file" / "cache")
    _is_refused(tmp_path / "file")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "results.sqlite").mkdir()
    _is_refused(tmp_path)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        kept().packed[:20],
        kept().packed[:-4],
        bytes([PACKED_FORM + 1]) + kept().packed[1:],
        pickle.dumps(Harm()),
        kept(n=2).packed,
        "text",
        None,
    ],
    ids=["empty", "head", "cut", "form", "pickle", "more colors", "no bytes", "no time"],
)
def test_results_that_were_altered_are_refused_and_never_run(tmp_path, monkeypatch, blob):
    monkeypatch.chdir(tmp_path)
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        cache.store(URL, kept(), {"cache-control": "max-age=60"})
    if blob is None:
        _alter(tmp_path, "UPDATE results SET fresh_until = 'later'")
    else:
        _alter(tmp_path, "UPDATE results SET packed = ?", blob)
    _is_refused(tmp_path)
    assert not (tmp_path / "harmed").exists()


def test_validators_that_were_altered_never_become_headers(tmp_path):
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
    _alter(tmp_path, "UPDATE results SET etag = ?, last_modified = ?", 'x"\r\nHost: b', b"\xff\xfe")
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        assert cache.find(URL) is None


def test_results_of_another_form_are_not_found(tmp_path):
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
        _alter(
            tmp_path,
            "UPDATE results SET wanted = ?, packed = ?",
            f"{PACKED_FORM + 1} 1 visible True",
            b"of another form",
        )
        assert cache.find(URL) is None


@contextmanager
def files_may_not_grow():
    """Stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path):
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
        before = cache.find(URL)
        with files_may_not_grow(), pytest.raises(OutputError, match="can not be used"):
            cache.store("http://a/" + "x" * 20_000, kept(), VALIDATED)
        with files_may_not_grow(), pytest.raises(OutputError, match="can not be used"):
            cache.refresh(URL, {"etag": '"' + "x" * 20_000 + '"'})
        assert cache.find(URL) == before


def test_a_cache_of_another_form_begins_anew(tmp_path):
    with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
    _alter(tmp_path, "DROP TABLE results")
    _alter(tmp_path, "CREATE TABLE results (url BLOB)")
    _alter(tmp_path, "PRAGMA user_version = 99")
    for before, after in [(False, True), (True, True)]:
        with ResultCache.open(tmp_path, WANTED, ENOUGH, Clock()) as cache:
            assert (cache.find(URL) is not None) == before
            cache.store(URL, kept(), VALIDATED)
            assert (cache.find(URL) is not None) == after
