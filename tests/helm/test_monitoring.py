"""Alerts and dashboard speak only of metrics that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.documents.metrics import Metric, metrics
from tests.helm.conftest import CHART, Render
from tests.helm.promtool import promtool
from tests.helm.test_chart import named

ROOT = CHART.parents[1]
NAME = re.compile(r"\bencore_[a-z0-9_]+")


def alerts() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def expressions() -> list[str]:
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    return shown + [alert["expr"] for alert in alerts()]


@pytest.fixture(scope="module")
def every() -> list[Metric]:
    return metrics(ROOT)


@pytest.mark.parametrize("expression", expressions())
def test_every_series_named_is_one_that_a_process_exports(every: list[Metric], expression: str) -> None:
    exported = {series for metric in every for series in metric.series}
    assert set(NAME.findall(expression)) <= exported


@pytest.mark.parametrize("expression", expressions())
def test_every_label_grouped_or_matched_is_one_of_the_metric(every: list[Metric], expression: str) -> None:
    known = {series: set(metric.labels) for metric in every for series in metric.series}
    used = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression))
    used |= {label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")}
    offered = set[str]().union(*(known[name] for name in NAME.findall(expression)))
    assert used <= offered | {"le"}


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for alert in alerts():
        assert set(alert["annotations"]) == {"summary", "action"}
        assert alert["labels"]["severity"] in {"page", "ticket"}  # type: ignore[index]


def test_the_chart_carries_both(render: Render) -> None:
    resources = render("everything")
    (rule,) = named(resources, "PrometheusRule").values()
    assert [alert["alert"] for alert in rule["spec"]["groups"][0]["rules"]] == [alert["alert"] for alert in alerts()]
    board = named(resources, "ConfigMap")["r-encore-dashboard"]
    assert json.loads(board["data"]["encore.json"])["title"] == "Encore"


def test_the_rollouts_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    for file in (CHART / "files/alerts.yaml", ROOT / "tests/helm/rules.yaml"):
        shutil.copy(file, tmp_path)
    done = subprocess.run(
        (promtool(), "test", "rules", "rules.yaml"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
