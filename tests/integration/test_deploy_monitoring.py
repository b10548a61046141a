"""Alerts fire when they say, and alerts and dashboard speak of metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from tests import deploying

SERIES = re.compile(r"\bpixmill_\w+")
QUOTED = re.compile(r"\"[^\"]*\"")


def ran(program, *words):
    return subprocess.run(
        [program, *words],
        cwd=deploying.DEPLOY, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def alerts():
    (group,) = yaml.safe_load((deploying.DEPLOY / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def dashboard():
    return json.loads((deploying.DEPLOY / "grafana.json").read_text())


def test_prometheus_takes_the_rules(promtool):
    run = ran(promtool, "check", "rules", "alerts.yaml")
    assert run.returncode == 0, run.stderr


def test_alerts_fire_when_they_say(promtool):
    run = ran(promtool, "test", "rules", "alerts.test.yaml")
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_is_seen_to_fire_and_not_to_fire():
    tests = yaml.safe_load((deploying.DEPLOY / "alerts.test.yaml").read_text())["tests"]
    seen = [each for test in tests for each in test["alert_rule_test"]]
    for name in alerts():
        fired = {bool(each.get("exp_alerts")) for each in seen if each["alertname"] == name}
        assert fired == {True, False}, name


def test_every_alert_says_what_to_do():
    for rule in alerts().values():
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_alerts_and_dashboard_name_metrics_that_there_are():
    shown = [each["expr"] for panel in dashboard()["panels"] for each in panel.get("targets", [])]
    asked = [rule["expr"] for rule in alerts().values()]
    named = set(SERIES.findall(" ".join([*shown, *asked])))
    assert named <= deploying.metrics()
    services = {name.removesuffix("_bucket") for name in named if not name.endswith("_sum")}
    for name in deploying.metrics():
        base = re.sub("_(bucket|sum|count)$", "", name)
        assert base in services, f"nobody looks at {base}"


@pytest.mark.parametrize("page", ["alerts.yaml", "grafana.json", "alerts.test.yaml"])
def test_values_of_labels_are_those_of_the_code(page):
    text = (deploying.DEPLOY / page).read_text().replace('\\"', '"')
    routes = "".join(
        path.read_text() for path in (deploying.PROJECT / "src/pixmill/web/routes").glob("*.py")
    )
    for route in set(re.findall(r'route!?="([^"]*)"', text)):
        assert f'"{route}"' in routes
    errors = (deploying.PROJECT / "docs/reference/errors.md").read_text()
    for code in set(re.findall(r'code!?="([^"]*)"', text)) - {"ok"}:
        assert f"`{code}`" in errors
    assert set(re.findall(r'queue!?="([^"]*)"', text)) <= {"interactive", "bulk", "dead"}


def test_the_dashboard_is_whole():
    panels = dashboard()["panels"]
    assert [each["title"] for each in panels if each["type"] == "row"] == [
        "Service", "Images", "Stages", "Queues", "Workers",
    ]  # fmt: skip
    assert len({each["id"] for each in panels}) == len(panels)
    places = set()
    for panel in panels:
        at = panel["gridPos"]
        for column in range(at["x"], at["x"] + at["w"]):
            for line in range(at["y"], at["y"] + at["h"]):
                assert (column, line) not in places
                assert column < 24
                places.add((column, line))
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"


def test_queries_of_the_dashboard_are_queries(promtool, tmp_path):
    """Each as a rule of its own, with the values that Grafana would put in."""
    shown = [each["expr"] for panel in dashboard()["panels"] for each in panel.get("targets", [])]
    filled = [text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in shown]
    assert not any("$" in QUOTED.sub("", text) for text in filled)
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run = ran(promtool, "check", "rules", str(file))
    assert run.returncode == 0, run.stderr
