"""Settings come from four sources in one order, and what is wrong is said in one sentence."""

import os
import traceback
from ipaddress import ip_network
from pathlib import Path

import pytest

from pixmill.cli.serve import _port_of_platform as port_of_platform
from pixmill.cli.settings_table import settings_table
from pixmill.errors import UsageError
from pixmill.settings import Settings, flags_given, load_settings, parse_size, usable_cpus


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("PIXMILL_")]:
        monkeypatch.delenv(name)


def write_file(text, name="pixmill.toml"):
    Path(name).write_text(text, encoding="utf-8")


def refusal(**flags):
    with pytest.raises(UsageError) as error:
        load_settings(**flags)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


# Names of workers


@pytest.mark.parametrize("name", ["node-8", "a", "A_b.c-9", "x" * 100])
def test_a_worker_may_have_a_name_that_a_key_may_have(name):
    assert load_settings(worker_name=name).worker_name == name


@pytest.mark.parametrize("name", ["", " ", "a b", "a\n", "\x1b[31m", "é", "x" * 101, "a/b"])
def test_any_other_name_of_a_worker_is_refused(name):
    sentence = refusal(worker_name=name)
    assert sentence.startswith("--name: ")
    assert sentence.endswith("a worker's name is 1 to 100 letters, digits, dots, dashes and _")
    assert "\x1b" not in sentence


# Precedence


def test_it_is_known_which_settings_are_flags(monkeypatch):
    monkeypatch.setenv("PIXMILL_FETCHERS", "5")
    settings = load_settings(per_host=16, allow_networks="10.0.0.0/8", queue=None)
    given = {"per_host": "--per-host", "allow_networks": "--allow-network"}
    assert flags_given(settings) == given
    assert flags_given(settings.model_copy(update={"queue": 4})) == given
    assert flags_given(Settings()) == {}


def test_each_source_goes_before_the_one_below_it(monkeypatch):
    assert load_settings().retries == 3
    write_file("retries = 4")
    assert load_settings().retries == 4
    monkeypatch.setenv("PIXMILL_RETRIES", "5")
    assert load_settings().retries == 5
    assert load_settings(retries=6).retries == 6


def test_sources_mix_setting_by_setting(monkeypatch):
    write_file('retries = 4\nqueue = 9\nmemory = "2G"')
    monkeypatch.setenv("PIXMILL_QUEUE", "10")
    settings = load_settings(fetchers=7)
    assert (settings.retries, settings.queue, settings.fetchers) == (4, 10, 7)
    assert settings.memory == 2**31
    assert settings.per_host == 16


def test_a_flag_that_was_not_given_hides_nothing(monkeypatch):
    monkeypatch.setenv("PIXMILL_RETRIES", "5")
    assert load_settings(retries=None).retries == 5


def test_falsy_flags_are_given_all_the_same(monkeypatch):
    write_file("retries = 4\nallow_private = true")
    settings = load_settings(retries=0, allow_private=False)
    assert (settings.retries, settings.allow_private) == (0, False)


def test_an_empty_variable_is_as_if_not_set(monkeypatch):
    write_file("retries = 4")
    monkeypatch.setenv("PIXMILL_RETRIES", "")
    monkeypatch.setenv("PIXMILL_CONFIG", "")
    assert load_settings().retries == 4


def test_variables_of_other_meaning_disturb_nothing(monkeypatch):
    monkeypatch.setenv("PIXMILL_DATA", "/data")
    monkeypatch.setenv("PIXMILL_NO_SUCH_SETTING", "1")
    load_settings()


def test_the_file_may_be_named_by_a_variable(monkeypatch):
    write_file("retries = 4")
    write_file("retries = 8", "other.toml")
    monkeypatch.setenv("PIXMILL_CONFIG", "other.toml")
    assert load_settings().retries == 8


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().retries = 1


def test_every_setting_says_what_it_is():
    assert all(field.description for field in Settings.model_fields.values())


# Values


def test_the_bound_of_the_cache_is_a_size(monkeypatch):
    assert load_settings().cache_max_bytes == 2**30
    write_file('cache_max_bytes = "2G"')
    assert load_settings().cache_max_bytes == 2**31
    monkeypatch.setenv("PIXMILL_CACHE_MAX_BYTES", "64M")
    assert load_settings().cache_max_bytes == 2**26
    monkeypatch.setenv("PIXMILL_CACHE_MAX_BYTES", "none")
    assert "PIXMILL_CACHE_MAX_BYTES" in refusal()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512M", 512 * 2**20),
        ("1G", 2**30),
        ("1.5 GiB", 3 * 2**29),
        (" 1g ", 2**30),
        ("2MB", 2**21),
        ("1kib", 1024),
        ("3T", 3 * 2**40),
        ("77", 77),
        ("77 B", 77),
        ("0.1K", 102),
        ("12345678901234567890T", 12345678901234567890 * 2**40),  # floats would round it
        (99, 99),
    ],
)
def test_sizes_are_read(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "G", "-1M", "1..5G", "1 2", "1P", "1e3", "٣M", "9" * 400, "inf", "1,5G", "0x10"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_networks_come_from_every_source(monkeypatch):
    expected = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    write_file('allow_networks = ["10.0.0.0/8", "fd00::/8"]')
    assert load_settings().allow_networks == expected
    monkeypatch.setenv("PIXMILL_ALLOW_NETWORKS", "10.0.0.0/8, fd00::/8")
    write_file("")
    assert load_settings().allow_networks == expected
    assert load_settings(allow_networks="127.0.0.1").allow_networks == (ip_network("127.0.0.1"),)


# Mistakes


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("fetchers", "many", "integer"),
        ("fetchers", "0", "greater"),
        ("workers", "1025", "less"),
        ("memory", "12X", "no size"),
        ("memory", "0M", "greater"),
        ("max_bytes", "9" * 400, "no size"),
        ("timeout", "nan", "less"),
        ("timeout", "inf", "less"),
        ("timeout", "0", "greater"),
        ("allow_private", "perhaps", "boolean"),
        ("allow_networks", "10.0.0.1/8", "host bits"),
        ("allow_networks", "localhost", "IPv4 or IPv6"),
        ("log_format", "xml", "'text' or 'json'"),
        ("user_agent", "me\r\nHost: b", "printable ASCII"),
        ("contact", "é", "printable ASCII"),
    ],
)
def test_a_bad_value_is_named_with_its_source(monkeypatch, name, value, reason):
    by_flag = refusal(**{name: value})
    flag = "--" + name.removesuffix("s" * (name == "allow_networks")).replace("_", "-")
    assert by_flag.startswith(f"{flag}: ")
    monkeypatch.setenv(f"PIXMILL_{name.upper()}", value)
    by_variable = refusal()
    assert f"PIXMILL_{name.upper()}" in by_variable
    monkeypatch.delenv(f"PIXMILL_{name.upper()}")
    write_file(f"{name} = {value!r}" if "\r" not in value else f'{name} = "me\\r\\nHost: b"')
    by_file = refusal()
    assert f"{name} in 'pixmill.toml'" in by_file
    for sentence in (by_flag, by_variable, by_file):
        assert repr(value) in sentence or str(parse_size("0M")) in sentence
        assert reason in sentence


def test_all_bad_values_are_named_at_once(monkeypatch):
    write_file("queue = 0")
    monkeypatch.setenv("PIXMILL_RETRIES", "-1")
    sentence = refusal(memory="x")
    assert all(name in sentence for name in ("queue in", "PIXMILL_RETRIES", "--memory: "))


def test_a_key_that_is_no_setting_is_named():
    write_file("fetchers = 3\nfetcherz = 4\n[fetch]\nretries = 1")
    sentence = refusal()
    assert "fetcherz in 'pixmill.toml': there is no such setting" in sentence
    assert "fetch in 'pixmill.toml': there is no such setting" in sentence


@pytest.mark.parametrize("content", [b"a = = 3", b"\xff\xfe", b"retries = 1\nretries = 2"])
def test_a_broken_file_is_named(content):
    Path("pixmill.toml").write_bytes(content)
    assert refusal().startswith("the settings in 'pixmill.toml' can not be read: ")


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_named_by_the_variable_must_be_there(monkeypatch, name):
    monkeypatch.setenv("PIXMILL_CONFIG", name)
    assert refusal() == f"PIXMILL_CONFIG names {name!r}, which is no file"


# Values in files


def write_secret(content, name="secret"):
    Path(name).write_bytes(content)
    return name


def test_a_value_may_stand_in_a_file_that_a_variable_names(monkeypatch):
    write_file("retries = 4\nqueue = 9")
    monkeypatch.setenv("PIXMILL_RETRIES_FILE", write_secret(b"5\n"))
    monkeypatch.setenv("PIXMILL_ALLOW_NETWORKS_FILE", write_secret(b"10.0.0.0/8, fd00::/8", "nets"))
    settings = load_settings()
    assert (settings.retries, settings.queue) == (5, 9)
    assert settings.allow_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert load_settings(retries=6).retries == 6


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_may_stand_in_a_file(monkeypatch, name):
    monkeypatch.setenv(f"PIXMILL_{name.upper()}_FILE", "missing")
    assert f"PIXMILL_{name.upper()}_FILE" in refusal()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"a", "a"),
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a\n\n", "a\n"),
        (b" a ", " a "),
        ("ä".encode(), "ä"),
    ],
)
def test_one_line_end_is_none_of_the_value(monkeypatch, content, value):
    monkeypatch.setenv("PIXMILL_CATALOG_FILE", write_secret(content))
    assert load_settings().catalog == value


def test_a_file_variable_that_is_empty_is_as_if_not_set(monkeypatch):
    monkeypatch.setenv("PIXMILL_RETRIES_FILE", "")
    monkeypatch.setenv("PIXMILL_RETRIES", "7")
    assert load_settings().retries == 7


def test_variable_and_file_are_not_both_set(monkeypatch):
    monkeypatch.setenv("PIXMILL_CATALOG", "sqlite:///a")
    monkeypatch.setenv("PIXMILL_CATALOG_FILE", write_secret(b"sqlite:///hunter2"))
    sentence = refusal()
    assert (
        sentence == "PIXMILL_CATALOG and PIXMILL_CATALOG_FILE are both set: leave one of them out"
    )
    assert refusal(catalog="sqlite:///b") == sentence


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "can not be read: No such file"),
        (".", "can not be read: Is a directory"),
        ("empty", "is empty"),
        ("bytes", "is no UTF-8 text"),
        ("long", "longer than a MiB"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_sentence(monkeypatch, path, reason):
    write_secret(b"\n", "empty")
    write_secret(b"hunter2\xff", "bytes")
    write_secret(b"hunter2" * 2**18, "long")
    monkeypatch.setenv("PIXMILL_CATALOG_FILE", path)
    sentence = refusal()
    assert sentence.startswith(f"PIXMILL_CATALOG_FILE names {path!r}, which ")
    assert reason in sentence
    assert "hunter2" not in sentence


@pytest.mark.usefixtures("nobody")
def test_a_file_that_may_not_be_read_is_one_sentence(monkeypatch):
    monkeypatch.chdir("/")  # the test's own folder is shut to others than root
    monkeypatch.setenv("PIXMILL_CATALOG_FILE", "/etc/shadow")
    assert refusal().endswith("which can not be read: Permission denied")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("memory", "hunter2"),
        ("allow_networks", "10.0.0.1/8"),
        ("allow_networks", "hunter2"),
        ("log_format", "hunter2"),
        ("user_agent", "hunter2\n\n"),
        ("timeout", "hunter2"),
    ],
)
def test_what_a_file_holds_is_never_shown(monkeypatch, name, content):
    variable = f"PIXMILL_{name.upper()}_FILE"
    monkeypatch.setenv(variable, write_secret(content.encode()))
    with pytest.raises(UsageError) as error:
        load_settings()
    assert str(error.value) == f"{variable}: what its file holds is no value of this setting"
    shown = "".join(traceback.format_exception(error.value))
    assert content.strip() not in shown


def test_where_a_value_comes_from_is_told_by_the_files_variable(monkeypatch):
    monkeypatch.setenv("PIXMILL_CATALOG_FILE", write_secret(b"postgresql://me:hunter2@h/db"))
    shown = {row.name: row for row in settings_table()}["catalog"]
    assert shown == ("catalog", "postgresql://me:***@h/db", "PIXMILL_CATALOG_FILE")


# The port that a platform asks for


def test_the_platforms_port_counts_where_none_is_set(monkeypatch):
    assert port_of_platform() is None
    monkeypatch.setenv("PORT", "8080")
    assert port_of_platform() == 8080
    monkeypatch.setenv("PIXMILL_PORT", "5001")
    assert port_of_platform() is None
    monkeypatch.delenv("PIXMILL_PORT")
    monkeypatch.setenv("PIXMILL_PORT_FILE", write_secret(b"5002"))
    assert port_of_platform() is None
    monkeypatch.delenv("PIXMILL_PORT_FILE")
    monkeypatch.setenv("PORT", "")
    assert port_of_platform() is None


@pytest.mark.parametrize("text", ["http", "-1", "65536", "80 ", "tcp://10.0.0.1:80", "٣", "9" * 99])
def test_a_platforms_port_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("PORT", text)
    with pytest.raises(UsageError) as error:
        port_of_platform()
    assert str(error.value) == f"PORT: {text!r}: this is no port"
    assert load_settings().port == 5000, "only the service asks for it"


# Processors


@pytest.fixture
def cpus():
    """The processors of this process with no quota on them."""
    return usable_cpus(Path("missing"), Path("missing"))


def cgroup(own="0::/", **limits):
    """Write cgroup files: `limits` by folder, `root` for the hierarchy's own."""
    for folder, limit in limits.items():
        path = Path("cgroup") if folder == "root" else Path("cgroup", *folder.split("__"))
        path.mkdir(parents=True, exist_ok=True)
        (path / "cpu.max").write_text(limit + "\n", encoding="ascii")
    write_file(f"12:cpu:/v1\n{own}\n", "membership")
    return usable_cpus(Path("membership"), Path("cgroup"))


def test_without_cgroups_all_processors_of_the_affinity_are_usable(cpus):
    assert cpus == len(os.sched_getaffinity(0))


def test_a_quota_cuts_the_processors(cpus):
    assert cgroup(root="100000 100000") == 1
    assert cgroup(root="10000 100000") == 1, "never less than one"
    assert cgroup(root="9900000 100000") == cpus, "a quota gives no processors"
    assert cgroup(root="max 100000") == cpus


def test_the_tightest_quota_of_the_groups_around_the_process_counts(cpus):
    assert cgroup("0::/a/b", root="max 100000", a="100000 100000", a__b="9900000 100000") == 1
    assert cgroup("0::/c", root="max 100000", c="100000 100000") == 1
    assert cgroup("0::/elsewhere", root="max 100000") == cpus


@pytest.mark.parametrize("limit", ["", "1", "a b", "1 2 3"])
def test_a_quota_that_can_not_be_read_is_none(cpus, limit):
    assert cgroup(root=limit) == cpus


def test_passwords_in_urls_are_masked_wherever_they_stand(monkeypatch):
    monkeypatch.setenv("PIXMILL_CATALOG", "postgresql://me:hunter1@h/db?user=me&password=hunter2")
    shown = {row.name: row.value for row in settings_table()}
    assert shown["catalog"] == "postgresql://me:***@h/db?***"
