"""The manifests in `deploy/kubernetes/` are what Kubernetes takes, and fit pixmill."""

from __future__ import annotations

import copy
import re

import kubernetes_validate
import pytest
import yaml

from pixmill.fetch.address import GLOBAL_IPV6, REFUSED_IPV4, REFUSED_IPV6
from pixmill.jobs.queues import INTERACTIVE
from pixmill.jobs.relay import _JOBS_AHEAD
from tests import deploying

OBJECTS = {(each["kind"], each["metadata"]["name"]): each for _, each in deploying.manifests()}
PODS = {
    name: each["spec"]["template"]
    for (kind, name), each in OBJECTS.items()
    if kind in {"Deployment", "Job"}
}
OLDEST, NEWEST = "1.30", "1.37"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("key", OBJECTS, ids="/".join)
def test_kubernetes_takes_it(key, version):
    kubernetes_validate.validate(OBJECTS[key], version, strict=True)


def test_the_check_sees_what_kubernetes_does_not_take():
    wrong = copy.deepcopy(OBJECTS["Deployment", "api"])
    wrong["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_all_of_it_is_there():
    kinds = sorted(kind for kind, _ in OBJECTS if kind != "NetworkPolicy")
    assert kinds == [
        "ConfigMap", "Deployment", "Deployment", "HorizontalPodAutoscaler", "Job", "Namespace",
        "PodDisruptionBudget", "PodDisruptionBudget", "Secret", "Service",
    ]  # fmt: skip
    for (kind, _), each in OBJECTS.items():
        assert kind == "Namespace" or each["metadata"]["namespace"] == "pixmill"


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_restricted_and_bounded(name):
    spec = PODS[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))
    assert all(set(volume) & {"secret", "emptyDir"} for volume in spec["volumes"])
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    for bound in ("requests", "limits"):
        assert set(container["resources"][bound]) == {"cpu", "memory", "ephemeral-storage"}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/tmp", "/data"}


@pytest.mark.parametrize("name", PODS)
def test_no_service_sets_a_variable_of_pixmill(name):
    assert PODS[name]["spec"]["enableServiceLinks"] is False, "PIXMILL_PORT would be tcp://…"


@pytest.mark.parametrize("name", PODS)
def test_secrets_are_files_and_are_there(name):
    (container,) = PODS[name]["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": "pixmill"}}]
    assert ("ConfigMap", "pixmill") in OBJECTS
    keys = set(OBJECTS["Secret", "pixmill"]["stringData"])
    read = {
        each["value"].removeprefix("/run/secrets/pixmill/")
        for each in container["env"]
        if each["value"].startswith("/run/secrets/")
    }
    assert read == keys
    assert not any("valueFrom" in each for each in container["env"])


@pytest.mark.parametrize("name", ["api", "worker"])
def test_probes_and_time_to_end(name):
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/healthz", "a database is no reason to kill"
        assert container[probe]["httpGet"]["port"] in ports
    assert spec["terminationGracePeriodSeconds"] > 5 + 25 + 5
    if name == "api":
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["readinessProbe"]["timeoutSeconds"] > 3, "so long a look may take"


def test_what_is_asked_from_outside_listens_there():
    shared = set(OBJECTS["ConfigMap", "pixmill"]["data"])
    containers = [each for pod in PODS.values() for each in pod["spec"]["containers"]]
    asked = [each for each in containers if "ports" in each or "livenessProbe" in each]
    assert [each["name"] for each in asked] == ["api", "worker"]
    for container in asked:
        assert f"/pixmill-{container['name']}:" in container["image"], "whose image says so"
        assert "PIXMILL_HOST" not in shared | {each["name"] for each in container["env"]}


def test_selectors_find_their_pods():
    for (kind, name), each in OBJECTS.items():
        selector = each.get("spec", {}).get("selector", {})
        wanted = selector.get("matchLabels", selector)
        if kind in {"Deployment", "Service", "PodDisruptionBudget"}:
            assert wanted
            assert wanted.items() <= PODS[name]["metadata"]["labels"].items()
    ports = OBJECTS["Service", "api"]["spec"]["ports"]
    assert [port["targetPort"] for port in ports] == ["http"]


SCALER = OBJECTS["HorizontalPodAutoscaler", "worker"]["spec"]


def test_what_is_to_be_done_says_how_many_workers_there_are():
    assert SCALER["scaleTargetRef"]["name"] == "worker"
    assert "replicas" not in OBJECTS["Deployment", "worker"]["spec"], "each apply would reset it"
    assert SCALER["minReplicas"] == 2
    assert set(targets()) == {"pixmill_open_shards", "pixmill_queue_messages"}
    assert set(targets()) <= deploying.metrics()


def targets():
    """What a worker is to have of each metric."""
    found = [each["external"] for each in SCALER["metrics"]]
    return {each["metric"]["name"]: int(each["target"]["averageValue"]) for each in found}


def wanted(**values):
    """How many workers Kubernetes wants, given the sums of its metrics."""
    most = max(-(-value // targets()[name]) for name, value in values.items())
    return min(max(most, SCALER["minReplicas"]), SCALER["maxReplicas"])


def test_a_list_gets_workers_and_keeps_them_until_it_is_done():
    assert wanted(pixmill_open_shards=578) == SCALER["maxReplicas"], "a million lines"
    assert wanted(pixmill_open_shards=44) > SCALER["minReplicas"], "ten thousand lines"
    assert wanted(pixmill_open_shards=4) == SCALER["minReplicas"], "as few have room for"


def test_operations_get_workers_although_few_of_them_are_with_the_broker():
    (queue,) = [
        each["external"]["metric"]["selector"]
        for each in SCALER["metrics"]
        if each["external"]["metric"]["name"] == "pixmill_queue_messages"
    ]
    assert queue == {"matchLabels": {"queue": INTERACTIVE}}, "of bulk few are sent ahead"
    assert wanted(pixmill_queue_messages=_JOBS_AHEAD) == SCALER["maxReplicas"]


def test_the_rules_of_the_adapter_are_those_of_the_metrics():
    page = (deploying.PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(?:#.*\n)?(externalRules:\n(?s:.*?))```", page)
    rules = yaml.safe_load(text)["externalRules"]
    assert {rule["name"]["as"]: rule["seriesQuery"] for rule in rules} == {
        name: name for name in targets()
    }
    for rule in rules:
        assert rule["metricsQuery"].startswith("max by (")
        assert f"({rule['seriesQuery']}{{<<.LabelMatchers>>}})" in rule["metricsQuery"]


def test_the_network_refuses_what_pixmill_refuses():
    policy = OBJECTS["NetworkPolicy", "fetchers-reach-the-internet-alone"]["spec"]
    (rule,) = policy["egress"]
    v4, v6 = (each["ipBlock"] for each in rule["to"])
    assert v4["except"] == [str(block) for block, _ in REFUSED_IPV4]
    assert v6["cidr"] == str(GLOBAL_IPV6)
    assert v6["except"] == [str(block) for block, _ in REFUSED_IPV6]


def test_what_no_policy_names_is_refused():
    everything = OBJECTS["NetworkPolicy", "nothing-unasked"]["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for (kind, name), each in OBJECTS.items():
        if kind == "NetworkPolicy" and name != "fetchers-reach-the-internet-alone":
            for way in (*each["spec"].get("egress", []), *each["spec"].get("ingress", [])):
                assert way["ports"]
                assert way.get("to") or way.get("from")
