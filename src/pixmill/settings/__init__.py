"""One `Settings` object: defaults < `pixmill.toml` < `PIXMILL_*` environment < flags.

Owns names, defaults, units and ranges of everything that can be set; what a setting does is said
where it is used. The file is `pixmill.toml` in the current directory, or the one that
`PIXMILL_CONFIG` names. A variable that is set but empty is as if not set; what `PIXMILL_NAME_FILE`
names is read for `PIXMILL_NAME`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pixmill.errors import UsageError
from pixmill.settings.cpus import usable_cpus
from pixmill.settings.files import file_variable, read_files
from pixmill.settings.values import HeaderText, Networks, Place, Size, Words, WorkerName, parse_size

__all__ = ["Settings", "flags_given", "load_settings", "parse_size", "source_of", "usable_cpus"]

_PREFIX = "PIXMILL_"
_SECRETS = {"s3_access_key", "s3_secret_key", "sentry_dsn"}
# where a flag's name is not its setting's
_FLAGS = {
    "allow_networks": "--allow-network",
    "trusted_proxies": "--trusted-proxy",
    "worker_name": "--name",
}


class Settings(BaseSettings):
    """Everything that can be set. Sizes are bytes and may be written `512M`; times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # it may be a secret
    )

    _flags: frozenset[str] = PrivateAttr(default=frozenset())

    fetchers: int = Field(64, ge=1, le=10_000, description="downloads under way at once")
    per_host: int = Field(16, ge=1, le=10_000, description="downloads at once from one host")
    workers: int = Field(
        default_factory=usable_cpus,
        ge=1,
        le=1024,
        description="analysis processes (default: one a usable CPU)",
    )
    queue: int = Field(256, ge=1, le=100_000, description="images in the pipeline at once")
    memory: Size = Field(2**30, ge=1, description="cap on memory of the whole process tree")
    timeout: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="deadline of a URL over all attempts, less waits for its turn",
    )
    connect_timeout: float = Field(10.0, gt=0, le=86_400, description="deadline of one connection")
    idle_timeout: float = Field(
        20.0, gt=0, le=86_400, description="longest silence within an answer"
    )
    retries: int = Field(
        3, ge=0, le=100, description="further attempts after a failure that may pass"
    )
    max_redirects: int = Field(5, ge=0, le=100, description="redirects followed for one URL")
    user_agent: HeaderText | None = Field(
        None, description="User-Agent header (default: pixmill/VERSION and contact)"
    )
    contact: HeaderText | None = Field(
        None, description="address or URL put in the User-Agent for site owners"
    )
    allow_private: bool = Field(
        default=False, description="fetch from private and loopback addresses too"
    )
    allow_networks: Networks = Field(
        (), description="networks (CIDR, comma separated) that may be fetched from"
    )
    allowed_sources: Words = Field(
        (),
        description="patterns of URLs (comma separated, as https://*.example.com/folder/) that "
        "may be fetched (default: any)",
    )
    max_bytes: Size = Field(256 * 2**20, ge=1, description="largest file")
    max_pixels: int = Field(120_000_000, ge=1, description="most pixels of an image")
    max_side: int = Field(
        65_535, ge=1, le=2**31 - 1, description="largest width or height of an image"
    )
    decode_timeout: float = Field(
        60.0, gt=0, le=86_400, description="longest time to analyze one image"
    )
    cache: Path | None = Field(None, description="folder that keeps results across runs")
    cache_max_bytes: Size = Field(2**30, ge=1, description="most bytes of results kept there")
    data: Path = Field(
        default_factory=lambda: user_data_path("pixmill", appauthor=False),
        description="folder of what all commands share (default: the user's data folder)",
    )
    catalog: str | None = Field(
        None,
        description="database of keys, palettes and images: sqlite:///FILE or "
        "postgresql://USER@HOST/NAME (default: SQLite in the data folder)",
    )
    archive: str | None = Field(
        None,
        description="database of the archive's images: as the catalog, or mongodb://HOST/NAME "
        "(default: the catalog)",
    )
    blobs: Place | None = Field(
        None,
        description="folder of the archive's files, or s3://BUCKET/PREFIX (default: blobs in the "
        "data folder)",
    )
    s3_endpoint: str | None = Field(
        None, description="URL of the S3 service (default: AWS_ENDPOINT_URL, else that of AWS)"
    )
    s3_region: str | None = Field(
        None, description="region of the bucket (default: AWS_REGION, else us-east-1)"
    )
    s3_access_key: SecretStr | None = Field(
        None,
        description="access key of S3, a secret (default: AWS_ACCESS_KEY_ID, or what the machine "
        "is given)",
    )
    s3_secret_key: SecretStr | None = Field(
        None, description="secret key that goes with s3_access_key, a secret"
    )
    originals: bool = Field(default=True, description="keep originals in the archive beside greys")
    keep: float | None = Field(
        None, gt=0, le=36_525, description="days that images stay after they last came"
    )
    public_read: bool = Field(
        default=False, description="show grey images and the monitoring page without a key"
    )
    host: str | None = Field(
        None, description="address the service listens on (default: 127.0.0.1 and ::1)"
    )
    port: int = Field(5000, ge=0, le=65_535, description="port of the service; 0 takes a free one")
    trusted_proxies: Networks = Field(
        (), description="networks (CIDR) of proxies whose forwarded address and scheme count"
    )
    bootstrap_key_file: Path | None = Field(
        None, description="file that the first start of the service writes a key to"
    )
    key_rate: int = Field(6000, ge=1, le=10**9, description="requests a minute of one key")
    address_rate: int = Field(
        6000, ge=1, le=10**9, description="requests a minute from one address"
    )
    sign_in_rate: int = Field(
        30, ge=1, le=10**9, description="failed sign-ins a minute from one address"
    )
    waiting: int = Field(
        64, ge=0, le=100_000, description="requests that may wait for a turn at analysis"
    )
    answers_bytes: Size = Field(
        32 * 2**20,
        ge=0,
        description="most bytes of answers and pictures kept in memory",
    )
    broker: str | None = Field(
        None,
        repr=False,
        description="message broker that workers are told by: amqp://USER:PASSWORD@HOST/VHOST "
        "(default: none, all is done by this process)",
    )
    shards: int = Field(
        2, ge=1, le=64, description="shards of lists that a worker of a cluster does at once"
    )
    shard_lines: int = Field(
        2000, ge=1, le=65_536, description="most lines of a list that go to a worker at once"
    )
    worker_name: WorkerName | None = Field(
        None, description="name of a worker (default: its host and process)"
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="port on which a worker answers /healthz and /metrics (default: none)",
    )
    jobs: int = Field(
        2,
        ge=0,
        le=1000,
        description="jobs at work at once in the service, as many lists and as many others; "
        "0 leaves them to others",
    )
    job_lease: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="after so long the jobs of a process that died are another's",
    )
    job_keep: float = Field(7.0, gt=0, le=36_525, description="days that results of jobs stay")
    max_list: Size = Field(
        64 * 2**20, ge=1, description="largest list of URLs that makes a job of the service"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="form of messages on standard error"
    )
    sentry_dsn: SecretStr | None = Field(
        None,
        description="DSN of the Sentry project that defects are reported to, a secret "
        "(default: SENTRY_DSN)",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags first, then the environment, then the file."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=_config_file())
        from_files = read_files({name: _variable(name) for name in settings_cls.model_fields})
        secrets = InitSettingsSource(settings_cls, from_files)
        return init_settings, env_settings, secrets, file


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _flag(name: str) -> str:
    return _FLAGS.get(name) or f"--{name.replace('_', '-')}"


def _config_file() -> Path:
    return Path(os.environ.get("PIXMILL_CONFIG") or "pixmill.toml")


def load_settings(**flags: Any) -> Settings:
    """Build the settings; flags that are None are as if not given.

    Raises UsageError with one sentence that names every value that is wrong and where it stands.
    """
    file = _config_file()
    if os.environ.get("PIXMILL_CONFIG") and not file.is_file():
        raise UsageError(f"PIXMILL_CONFIG names {str(file)!r}, which is no file")
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        wrong = {str(part["loc"][0]): _sentence(part, given, file) for part in error.errors()}
        raise UsageError("; ".join(wrong.values())) from None  # the cause shows secrets
    except (ValueError, OSError) as error:  # no TOML, no UTF-8, or not readable
        raise UsageError(f"the settings in {str(file)!r} can not be read: {error}") from error
    settings._flags = frozenset(given)  # noqa: SLF001  no setting, so not given to it above
    return settings


def flags_given(settings: Settings) -> dict[str, str]:
    """Tell which settings came from flags, each with its flag."""
    given = settings._flags  # noqa: SLF001
    return {name: _flag(name) for name in Settings.model_fields if name in given}


def source_of(name: str) -> str:
    """Tell where a setting comes from if no flag names it: a variable, the file, or `default`."""
    variable = _variable(name)
    for named in (variable, file_variable(variable)):
        if os.environ.get(named):
            return named
    file = _config_file()
    try:
        with file.open("rb") as opened:
            return str(file) if name in tomllib.load(opened) else "default"
    except (OSError, ValueError):  # there is none; one that is no TOML is told by `load_settings`
        return "default"


def _sentence(part: Any, flags: dict[str, Any], file: Path) -> str:
    """Say of one of pydantic's errors what is wrong with which value, and where that stands."""
    name, value = str(part["loc"][0]), part["input"]
    variable = _variable(name)
    if name in flags:
        where, value = _flag(name), flags[name]
    elif os.environ.get(variable):
        where, value = variable, os.environ[variable]
    elif os.environ.get(file_variable(variable)):
        return f"{file_variable(variable)}: what its file holds is no value of this setting"
    else:
        where = f"{name} in {str(file)!r}"
    if part["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    reason = part["msg"].removeprefix("Value error, ").removeprefix("Input ")
    shown = "***" if name in _SECRETS else repr(value)
    return f"{where}: {shown}: {reason}"
