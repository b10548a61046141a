"""`deploy/compose.yaml` is what its schema allows, and holds what docs/deploy.md promises."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from tests import deploying

SERVICES = ["api", "bus", "db", "migrate", "mongo", "s3", "worker"]
OURS = ["api", "migrate", "worker"]
S3 = {"PIXMILL_BLOBS": "s3://pixmill/blobs", "COMPOSE_PROFILES": "mongo,s3"}


@pytest.fixture(scope="module")
def stack():
    return deploying.compose()


@pytest.mark.parametrize("environment", [{}, S3], ids=["plain", "with profiles"])
def test_the_file_is_what_the_specification_allows(environment):
    schema = json.loads((deploying.PROJECT / "tests/schemas/compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    errors = validator.iter_errors(deploying.compose(**environment))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_check_sees_what_the_specification_does_not_allow(stack):
    schema = json.loads((deploying.PROJECT / "tests/schemas/compose-spec.json").read_text())
    for wrong in ({"memlimit": "1g"}, {"depends_on": {"db": {"condition": "well"}}}):
        broken = stack | {"services": {"api": {**stack["services"]["api"], **wrong}}}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)


def test_without_the_user_of_up_sh_there_is_no_stack():
    with pytest.raises(AssertionError, match="PIXMILL_UID has no value"):
        deploying.compose(PIXMILL_UID="")


def test_whatever_a_service_names_is_there(stack):
    assert sorted(stack["services"]) == SERVICES
    used = {"secrets": set(), "networks": set(), "configs": set()}
    for service in stack["services"].values():
        for kind, names in used.items():
            for name in service.get(kind, []):
                names.add(name if isinstance(name, str) else name["source"])
        assert set(service.get("depends_on", {})) <= set(stack["services"])
    assert used == {kind: set(stack[kind]) for kind in used}


def test_what_is_optional_is_in_a_profile_and_waited_for_only_there(stack):
    profiles = {name: each.get("profiles") for name, each in stack["services"].items()}
    assert {name: each for name, each in profiles.items() if each} == {
        "mongo": ["mongo"],
        "s3": ["s3"],
    }
    for name in OURS:
        waits = stack["services"][name]["depends_on"]
        assert all(waits[each]["condition"] == "service_healthy" for each in ("db", "bus"))
        assert all(waits[each]["required"] is False for each in ("mongo", "s3"))


def test_nothing_starts_before_the_catalog_has_the_form_of_this_version(stack):
    migrate = stack["services"]["migrate"]
    assert (migrate["command"], migrate["restart"]) == (["migrate"], "no")
    for name in ("api", "worker"):
        waits = stack["services"][name]["depends_on"]["migrate"]
        assert waits == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_has_no_rights(stack, name):
    service = stack["services"][name]
    assert service["user"] == "1000:1000"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] in {"unless-stopped", "no"}
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert "test" in service["healthcheck"] or service["restart"] == "no"
    assert all(mount.startswith("/") and "size=" in mount for mount in service["tmpfs"])
    assert not service.get("privileged")


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_stopped_service_has_the_time_to_hand_back_its_work(stack, name):
    assert int(stack["services"][name]["stop_grace_period"].removesuffix("s")) > 25 + 5


def test_there_are_two_workers(stack):
    assert stack["services"]["worker"]["deploy"] == {"replicas": 2}


def test_images_of_others_are_of_a_known_version(stack):
    foreign = [each["image"] for name, each in stack["services"].items() if name not in OURS]
    assert all(re.fullmatch(r"[\w./-]+:v?[0-9][\w.-]*", image) for image in foreign)


def test_our_images_are_targets_of_the_dockerfile(stack):
    targets = re.findall(r"^FROM .* AS (\w+)$", dockerfile(), re.MULTILINE)
    for name in OURS:
        service = stack["services"][name]
        assert service["build"]["target"] in targets
        assert service["image"] == f"pixmill-{service['build']['target']}"


@pytest.mark.parametrize("name", ["api", "worker"])
def test_where_a_service_listens_is_its_image_s_to_say(stack, name):
    assert "PIXMILL_HOST" not in stack["services"][name]["environment"]


def dockerfile():
    return (deploying.PROJECT / "Dockerfile").read_text(encoding="utf-8")


def test_the_data_is_in_three_folders_which_are_in_git(stack):
    sources = set()
    for service in stack["services"].values():
        for mount in service.get("volumes", []):
            assert mount["type"] == "bind"
            assert mount["bind"] == {"create_host_path": False}, "an engine makes it root's"
            sources.add(mount["source"].removeprefix("./"))
    assert "volumes" not in stack
    assert all(
        any(f"{each}/".startswith(f"{one}/") for one in deploying.FOLDERS) for each in sources
    )
    assert sources >= set(deploying.FOLDERS)
    kept = deploying.git(deploying.PROJECT, "ls-files", *(f"deploy/{f}" for f in deploying.FOLDERS))
    assert kept.split() == [f"deploy/{folder}/.gitignore" for folder in deploying.FOLDERS]


def test_only_this_machine_is_listened_to(stack):
    ports = [port for each in stack["services"].values() for port in each.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert stack["networks"]["inside"] == {"internal": True}
    for name in ("db", "mongo", "s3", "migrate"):
        assert stack["services"][name]["networks"] == ["inside"]


def test_secrets_are_files_that_are_not_in_git(stack):
    for secret in stack["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    kept = deploying.git(deploying.PROJECT, "ls-files", "deploy/secrets", "deploy/.env")
    assert kept.split() == ["deploy/secrets/.gitignore"]
    for service in stack["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("BROKER|CATALOG|ARCHIVE|KEY|PASSWORD", name):
                assert name.endswith("_FILE"), name
                assert value.startswith(("/run/secrets/", "/data/")) or not value, name
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), name
