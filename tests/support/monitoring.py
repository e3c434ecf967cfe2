"""The files for Prometheus and Grafana in deploy/, read without a YAML library.

``alerts.yml`` has one line for each value, which makes this possible; tests/alerts compares with a
real reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.telemetry.metrics.metric_table import Kind, Metric

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
ALERTS_TEST = DEPLOY / "prometheus" / "alerts_test.yml"
CONFIGURATION = DEPLOY / "prometheus" / "prometheus.yml"
BOARD = DEPLOY / "grafana" / "sn37.json"
# Of prometheus_client's own collector of processes, and of Prometheus itself.
OTHERS = frozenset(
    {
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "up",
    }
)
_NAME = re.compile(r"\b(?:sn37_[a-z0-9_]+|process_[a-z_]+|up)\b(?!\s*[=!][=~]?\s*\")")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule of alerts.yml."""

    name: str
    expr: str
    severity: str
    summary: str
    meaning: str
    action: str


def alerts() -> tuple[Alert, ...]:
    """Return the rules in their order."""
    return tuple(_alerts(ALERTS.read_text(encoding="utf-8")))


def _alerts(text: str) -> Iterator[Alert]:
    for block in text.split("      - alert: ")[1:]:
        fields = dict(re.findall(r"^ +(expr|severity|summary|meaning|action): (.+)$", block, re.M))
        said = {name: _unquoted(value) for name, value in fields.items()}
        yield Alert(name=block.split("\n", 1)[0], **said)


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    text: str = json.loads(value)  # a YAML string in double quotes, as far as ours go
    return text


def alert_tests() -> Mapping[str, str]:
    """Return the text of each test of alerts_test.yml by its name."""
    blocks = ALERTS_TEST.read_text(encoding="utf-8").split("  - name: ")[1:]
    return {block.split("\n", 1)[0]: block for block in blocks}


def board_expressions() -> Iterator[tuple[str, str]]:
    """Yield the title of each panel of the board with each of its expressions."""
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def metrics_in(expression: str) -> frozenset[str]:
    """Return the names of metrics in an expression of Prometheus."""
    return frozenset(_NAME.findall(re.sub(r'"[^"]*"', '""', expression)))


def known_metrics() -> frozenset[str]:
    """Return all names by which Prometheus knows our metrics, and the others that we use."""
    ours = {metric.value.name for metric in Metric if metric.value.kind is not Kind.HISTOGRAM}
    times = [metric.value.name for metric in Metric if metric.value.kind is Kind.HISTOGRAM]
    return frozenset({*ours, *(f"{t}_{p}" for t in times for p in ("bucket", "sum", "count"))}) | (
        OTHERS
    )
