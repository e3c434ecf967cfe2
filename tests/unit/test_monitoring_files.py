"""Alerts and board name metrics that exist; what the metrics are is in the document."""

from __future__ import annotations

import json
import re

import pytest

from sn37.adapters.telemetry.metrics.metric_table import LABELS, Metric
from tests.support.monitoring import (
    BOARD,
    CONFIGURATION,
    Alert,
    alert_tests,
    alerts,
    board_expressions,
    known_metrics,
    metrics_in,
)

EVERY_ALERT = alerts()


def test_metrics_are_found_in_an_expression() -> None:
    found = metrics_in('up{job="sn37_no"} == 0 or sum by (le) (sn37_a_bucket{up="1"}) > sn37_b')
    assert found == {"up", "sn37_a_bucket", "sn37_b"}


@pytest.mark.parametrize("alert", EVERY_ALERT, ids=lambda a: a.name)
def test_an_alert_names_metrics_that_exist_and_says_what_to_do(alert: Alert) -> None:
    assert metrics_in(alert.expr)
    assert metrics_in(alert.expr) <= known_metrics()
    assert re.fullmatch(r"Sn37[A-Z][A-Za-z]+", alert.name)
    assert alert.severity in ("page", "ticket", "info")
    for said in (alert.meaning, alert.action):
        assert said[0].isupper() or said.startswith("sn37")
        assert said.endswith(".")


def test_names_of_alerts_are_unique() -> None:
    names = [alert.name for alert in EVERY_ALERT]
    assert len(names) > 15
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("alert", EVERY_ALERT, ids=lambda a: a.name)
def test_every_alert_fires_in_a_test(alert: Alert) -> None:
    test = alert_tests()[alert.name]
    assert f'expr: ALERTS{{alertname="{alert.name}", alertstate="firing"}}' in test
    assert f'severity="{alert.severity}"}}\'\n            value: 1' in test


def test_the_healthy_validator_shows_every_metric_that_alerts_watch() -> None:
    healthy = alert_tests()["a healthy validator"]
    shown = metrics_in("\n".join(re.findall(r"- series: '(.*)'", healthy)))
    watched = frozenset().union(*(metrics_in(alert.expr) for alert in EVERY_ALERT))
    # While nothing fails or is stuck, these two have no values.
    assert watched - shown == {"sn37_degraded_seconds", "sn37_slow_steps"}
    assert healthy.count("exp_samples: []") == healthy.count("expr: ALERTS\n") == 3


@pytest.mark.parametrize(("title", "expression"), list(board_expressions()))
def test_a_panel_names_metrics_that_exist(title: str, expression: str) -> None:
    assert metrics_in(expression), title
    assert metrics_in(expression) <= known_metrics()
    # A board shows one validator.
    assert expression.count("$instance") == len(
        re.findall(r"\bsn37_\w+{|\bprocess_\w+{", expression)
    )


def test_the_board_can_be_imported() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    assert board["schemaVersion"] >= 36
    assert board["id"] is None
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "instance"]
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["description"].endswith(".")
    taken = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken), "two panels overlap"


def test_the_board_shows_every_metric_that_an_operator_reads() -> None:
    shown = frozenset().union(*(metrics_in(e) for _, e in board_expressions()))
    watched = frozenset().union(*(metrics_in(alert.expr) for alert in EVERY_ALERT))
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown | watched}
    left_out = {metric for metric in Metric if metric.value.name not in names}
    assert left_out == {
        Metric.BUILD,  # the board's list of validators
        Metric.FETCHED_BYTES,
        Metric.ROUND,
        Metric.ROUNDS_LATER,
        Metric.SANDBOX,
        Metric.SANDBOX_MISSING,
        Metric.WEIGHTS_AGE,
    }


def test_the_job_that_alerts_look_for_is_the_one_of_the_example() -> None:
    assert "- job_name: sn37\n" in CONFIGURATION.read_text(encoding="utf-8")
    jobs = {j for alert in EVERY_ALERT for j in re.findall(r'job="(\w+)"', alert.expr)}
    assert jobs == {"sn37"}


def test_labels_that_alerts_show_exist() -> None:
    shown = {
        label for alert in EVERY_ALERT for label in re.findall(r"\$labels\.(\w+)", alert.summary)
    }
    assert shown <= set(LABELS)
