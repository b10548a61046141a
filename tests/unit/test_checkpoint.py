"""A checkpoint comes back as it was saved, or is refused with a sentence; it is never guessed."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixmill.batch.checkpoint import Checkpoint, difference
from pixmill.errors import OutputError, ResumeRefused

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
objects = st.dictionaries(st.text(), json_values, max_size=3)
counts = st.integers(0, 2**60)
checkpoints = st.builds(
    Checkpoint,
    source=st.none() | objects,
    options=objects,
    state=st.sampled_from(["running", "publishing", "finished"]),
    line=counts,
    position=st.tuples(counts, counts),
    sink=st.none() | objects,
    ok=counts,
    missed=counts,
    failed=st.dictionaries(st.text(), counts, max_size=3),
)


@given(checkpoint=checkpoints)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_it_comes_back_as_it_was_saved(tmp_path, checkpoint):
    checkpoint.save(tmp_path / "c")
    assert Checkpoint.load(tmp_path / "c") == checkpoint


def test_file_names_that_are_no_utf_8_come_back(tmp_path):
    checkpoint = Checkpoint({"path": "caf\udce9.txt"}, {})
    checkpoint.save(tmp_path / "c")
    assert Checkpoint.load(tmp_path / "c") == checkpoint


def test_saving_replaces_and_leaves_nothing_else_behind(tmp_path):
    for line in (1, 2):
        Checkpoint(None, {}, line=line).save(tmp_path / "c")
    assert Checkpoint.load(tmp_path / "c").line == 2
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_saving_where_nothing_can_be_written_is_one_sentence(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        Checkpoint(None, {}).save(tmp_path / "missing" / "c")


def test_without_a_file_there_is_none():
    assert Checkpoint.load(Path("no/such/checkpoint")) is None


@pytest.fixture
def saved(tmp_path):
    """Call it with changes to make a checkpoint's file that has them; None removes a field."""
    path = tmp_path / "o.csv.checkpoint"

    def save(**changes):
        Checkpoint({"size": 9}, {"n": 3}, line=4, position=(0, 80), ok=4).save(path)
        fields = json.loads(path.read_bytes()) | changes
        path.write_text(json.dumps({k: v for k, v in fields.items() if v != "gone"}))
        return path

    return save


def refusal(path):
    with pytest.raises(ResumeRefused) as refused:
        Checkpoint.load(path)
    sentence = str(refused.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_the_changed_file_of_these_tests_is_else_a_good_one(saved):
    assert Checkpoint.load(saved()).position == (0, 80)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"7", b'"form"', b"{}", b"\xff\xfe", b"\x00" * 500, b"[" * 200_000],
    ids=lambda content: repr(content[:10]),
)
def test_a_file_that_is_no_checkpoint_is_damaged(saved, content):
    path = saved()
    path.write_bytes(content)
    assert "is damaged; --overwrite starts anew" in refusal(path)


def test_any_cut_of_the_file_is_damaged(saved):
    path = saved()
    data = path.read_bytes()
    for end in range(0, len(data) - 1, 7):
        path.write_bytes(data[:end])
        assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 1},
        {"source": "gone"},
        {"options": "gone"},
        {"position": "gone"},
        {"sink": "gone"},
        {"line": "4"},
        {"line": -1},
        {"line": 4.0},
        {"line": True},
        {"ok": None},
        {"missed": "gone"},
        {"missed": -1},
        {"missed": 1.0},
        {"missed": None},
        {"position": [0]},
        {"position": [0, -1]},
        {"position": [0, 1, 2]},
        {"position": {"a": 1, "b": 2}},
        {"position": None},
        {"state": "done"},
        {"state": ["running"]},
        {"options": []},
        {"source": []},
        {"sink": 7},
        {"failed": []},
        {"failed": {"timeout": "2"}},
        {"run": 7},
    ],
    ids=repr,
)
def test_a_field_that_is_not_as_it_was_written_is_damage(saved, changes):
    assert "is damaged" in refusal(saved(**changes))


@pytest.mark.parametrize("form", [0, 1, 2, 4, None, "x" * 10_000])
def test_another_form_is_told_apart_from_damage(saved, form):
    sentence = refusal(saved(form=form, unknown=1))
    assert "was written by another version" in sentence
    assert len(sentence) < 500


def test_what_can_not_be_read_is_refused_and_not_begun_anew(tmp_path):
    (tmp_path / "folder").mkdir()
    assert "can not be read" in refusal(tmp_path / "folder")
    (tmp_path / "file").touch()
    assert "can not be read" in refusal(tmp_path / "file" / "c")


def test_how_options_differ_is_said_in_words():
    assert difference({"n": 3}, {"n": 3}) is None
    assert difference({"n": 3, "a": None}, {"n": 5}) == "n was 3, now 5"
    assert difference({"n": 3}, {"alpha": "ignore"}) == (
        "alpha was None, now 'ignore'; n was 3, now None"
    )
