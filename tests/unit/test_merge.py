"""Merging retried lines gives what a run would have written in which they had ended so at once."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixmill.batch.sink import TableOptions, errors_path, open_table, parquet_part
from pixmill.batch.sink.merge import merge
from pixmill.errors import OutputError, ResumeRefused

from .kills import Killed, Killer
from .product_records import PRODUCTS, a_run_of, options_of, product_of
from .sink_records import a_run, both_files, failed, item_of, succeeded, write_all

ENDINGS = ["csv", "jsonl", "parquet"]
OPTIONS = TableOptions(header=True)


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr(parquet_part, "PART_ROWS", 5)


def again(record, fate):
    """The record after it was tried again: `fate` True is a success."""
    if record.failure is None:
        return record
    if fate:
        return succeeded(record.line, record.url, extra=record.extra)
    return replace(failed(record.line, record.url, extra=record.extra), attempts=9)


def merge_and_publish(output, options, records, retried):
    state = merge(output, options, map(item_of, records), retried)
    with contextlib.closing(open_table(output, options, state)) as sink:
        sink.publish()


def again_of(options, record, fate):
    """The same, of the product that the table tells of."""
    new = again(record, fate)
    if record.failure is None or new.failure is not None:
        return new
    return product_of(options.product, record.line, record.url, extra=record.extra)


def check(folder, ending, records, fates, options=OPTIONS):
    output, retried, whole = (folder / f"{name}.{ending}" for name in ("o", "again", "whole"))
    after = [again_of(options, record, fate) for record, fate in zip(records, fates, strict=True)]
    write_all(output, records, options)
    write_all(
        retried, [new for new, old in zip(after, records, strict=True) if old.failure], options
    )
    write_all(whole, after, options)
    merge_and_publish(output, options, records, retried)
    assert both_files(output) == both_files(whole)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("fates", ["all", "none", "some"])
@pytest.mark.parametrize("count", [0, 1, 5, 23])
def test_merged_files_are_those_of_a_run_that_ended_so_at_once(tmp_path, ending, fates, count):
    records = a_run(count)
    pattern = {"all": [True] * count, "none": [False] * count}
    check(tmp_path, ending, records, pattern.get(fates, [i % 2 == 0 for i in range(count)]))


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("every", [1, 2])
def test_tables_of_every_product_merge(tmp_path, ending, product, every):
    fates = [i % every == 0 for i in range(23)]
    options = options_of(product, header=True)
    check(tmp_path, ending, a_run_of(product, 23), fates, options)


@pytest.mark.parametrize(("product", "other"), [("match", "clusters"), ("clusters", "colors")])
def test_a_parquet_table_of_another_product_does_not_fit(tmp_path, product, other):
    records = a_run_of(product, 9)
    output, retried = tmp_path / "o.parquet", tmp_path / "again.parquet"
    write_all(output, records, options_of(product))
    lines = [record for record in records if record.failure]
    write_all(retried, [product_of(other, r.line, r.url) for r in lines], options_of(other))
    with pytest.raises(ResumeRefused, match="does not fit"):
        merge(output, options_of(product), map(item_of, records), retried)
    assert not list(tmp_path.glob("*.part"))


TEXT = st.text(st.sampled_from('ab",\n\r \ud800\u2028😀'), max_size=5)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(TEXT, TEXT, st.booleans(), st.booleans()), max_size=14),
    header=st.booleans(),
)
def test_any_urls_and_kept_values_merge(tmp_path, monkeypatch, ending, rows, header):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    records = []
    for line, (url, value, fails, _) in enumerate(rows, 1):
        record = (failed if fails else succeeded)(line, url, extra=(("k\n", value),))
        records.append(record)
    options = TableOptions(header=header, keep_columns=("k\n",))
    check(tmp_path, ending, records, [fate for *_, fate in rows], options)


@pytest.mark.parametrize("ending", ENDINGS)
def test_merging_twice_in_a_row_mends_what_the_first_left(tmp_path, ending):
    records = a_run(12)
    once = [again(record, number % 2) for number, record in enumerate(records)]
    check(tmp_path, ending, records, [number % 2 for number in range(12)])
    check(tmp_path, ending, once, [True] * 12)
    assert errors_path(tmp_path / f"o.{ending}").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_kill_at_any_step_leaves_the_old_files_or_publishes_the_new(
    tmp_path, monkeypatch, ending
):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    records = a_run(8)
    output, retried = tmp_path / f"o.{ending}", tmp_path / f"again.{ending}"
    write_all(retried, [again(record, True) for record in records if record.failure], OPTIONS)
    write_all(output, records, OPTIONS)
    old = both_files(output)
    killer = Killer()
    with killer.watching(tmp_path, None):
        state = merge(output, OPTIONS, map(item_of, records), retried)
        steps = killer.steps
    for at in range(steps):
        with contextlib.suppress(Killed), killer.watching(tmp_path, at):
            merge(output, OPTIONS, map(item_of, records), retried)
        assert both_files(output) == old
        assert merge(output, OPTIONS, map(item_of, records), retried) == state
    for at in range(3):
        with contextlib.suppress(Killed), killer.watching(tmp_path, at):
            open_table(output, OPTIONS, state).publish()
    open_table(output, OPTIONS, state).publish()
    assert both_files(output)[1].count(b"\n") == 1


def damage_missing_row(output, retried):
    rows = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(rows[:3] + rows[4:]))


def damage_extra_row(output, retried):
    rows = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join([*rows, rows[-1]]))


def damage_cut_short(output, retried):
    output.write_bytes(output.read_bytes()[:-1])


def damage_open_quote(output, retried):
    output.write_bytes(output.read_bytes() + b'"')


def damage_no_utf8(output, retried):
    output.write_bytes(output.read_bytes().replace(b"http", b"\xfftp"))


def damage_errors_sorted_otherwise(output, retried):
    errors = errors_path(output)
    header, *rows = errors.read_bytes().split(b"\nfor now", 1)[0].splitlines(keepends=True)
    errors.write_bytes(header + b"999," + b"".join(rows))


def damage_errors_gone(output, retried):
    errors_path(output).unlink()


def damage_errors_without_header(output, retried):
    errors = errors_path(output)
    errors.write_bytes(errors.read_bytes().split(b"\n", 1)[1])


def damage_errors_extra_row(output, retried):
    errors = errors_path(output)
    errors.write_bytes(errors.read_bytes() + b"999,http://a.example/,timeout,,1,late\n")


def damage_retried_errors_extra_row(output, retried):
    damage_errors_extra_row(retried, output)


def damage_retried_error_missing(output, retried):
    errors_path(retried).write_bytes(b"line,url,code,http_status,attempts,message\n")


def damage_retried_gone(output, retried):
    retried.unlink()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "damage",
    [
        damage_missing_row,
        damage_extra_row,
        damage_cut_short,
        damage_open_quote,
        damage_no_utf8,
        damage_errors_sorted_otherwise,
        damage_errors_gone,
        damage_errors_extra_row,
        damage_retried_errors_extra_row,
        damage_errors_without_header,
        damage_retried_error_missing,
        damage_retried_gone,
    ],
)
def test_files_that_do_not_fit_are_refused_and_nothing_is_touched(tmp_path, ending, damage):
    records = a_run(9)
    output, retried = tmp_path / f"o.{ending}", tmp_path / f"again.{ending}"
    write_all(output, records, OPTIONS)
    write_all(retried, [again(r, r.line > 10) for r in records if r.failure], OPTIONS)
    damage(output, retried)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ResumeRefused, match=r"does not fit|cannot read"):
        merge(output, OPTIONS, map(item_of, records), retried)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("change", ["shorter", "longer", "other URL"])
def test_an_input_that_is_not_that_of_the_table_is_refused(tmp_path, ending, change):
    records = a_run(9)
    output, retried = tmp_path / f"o.{ending}", tmp_path / f"again.{ending}"
    write_all(output, records, OPTIONS)
    write_all(retried, [again(r, True) for r in records if r.failure], OPTIONS)
    changed = {
        "shorter": records[:-1],
        "longer": [*records, succeeded(99)],
        "other URL": [*records[:-1], replace(records[-1], url="http://b.example/")],
    }[change]
    with pytest.raises(ResumeRefused, match="does not fit"):
        merge(output, OPTIONS, map(item_of, changed), retried)
    assert not list(tmp_path.glob("*.part"))


def test_a_table_under_another_header_is_refused(tmp_path):
    write_all(tmp_path / "o.csv", a_run(3), TableOptions())
    write_all(tmp_path / "again.csv", [succeeded(2)], TableOptions())
    with pytest.raises(ResumeRefused, match=r"o\.csv does not fit"):
        merge(tmp_path / "o.csv", OPTIONS, map(item_of, a_run(3)), tmp_path / "again.csv")


def test_an_output_that_cannot_be_written_is_refused(tmp_path):
    write_all(tmp_path / "o.csv", a_run(3), OPTIONS)
    write_all(tmp_path / "again.csv", [succeeded(2)], OPTIONS)
    (tmp_path / "o-errors.csv.part").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*o-errors\.csv\.part"):
        merge(tmp_path / "o.csv", OPTIONS, map(item_of, a_run(3)), tmp_path / "again.csv")
