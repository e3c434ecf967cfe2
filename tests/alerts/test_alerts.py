"""The files for Prometheus, checked by Prometheus: rules, board, page, and a real scrape.

``make alerts`` runs these tests. They need ``promtool`` and ``prometheus`` on the path, both from
Debian's package "prometheus".
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from sn37.adapters.system.health_server import HealthServer
from sn37.adapters.telemetry.metrics.exposition import metrics_page
from sn37.testing.builders import every_event
from tests.support.metered import Metered
from tests.support.monitoring import (
    ALERTS,
    ALERTS_TEST,
    CONFIGURATION,
    Alert,
    alert_tests,
    alerts,
    board_expressions,
)

RENDERED = {
    "Sn37ActorStuck": "weights has made no progress for half of its time",
    "Sn37ChainNotFollowed": "no block has come for 15m 0s",
    "Sn37Degraded": "model host has failed for 20m 0s",
    "Sn37DegradedForHours": "chain has failed for 2h 10m 0s",
    "Sn37RoundOverdue": "competition 1 has finished no round for 1200 blocks",
    "Sn37RoundsMissed": "competition 1: 7 of the last 24 rounds were missed",
    "Sn37ShareFalls": "competition 1: more than half of the last 24 rounds were missed",
    "Sn37NewcomersWait": "competition 1: 3 entries of the newest round had no time",
    "Sn37QueueLong": "competition 1: 140 submissions wait for a score",
    "Sn37OwnFailures": "competition 1: 5 entries failed in six hours by this machine's fault",
    "Sn37CrownVacant": "competition 1 has had no champion for six hours",
    "Sn37CrownChanged": "competition 1 has a new champion",
    "Sn37WeightsOverdue": "the newest weights on chain are 1190 blocks old",
    "Sn37SandboxWeak": "models run without landlock",
    "Sn37DiskLow": "4% of the disk is free",
    "Sn37DiskFull": "only 476.8MiB of the disk are free",
}


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"no {name} on this machine; on Debian: apt-get install prometheus")
    return path


def promtool(*arguments: str | Path, given: bytes = b"") -> str:
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)],
        input=given,
        capture_output=True,
        check=False,
    )
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, output
    return output


def test_the_rules_and_the_configuration_are_valid() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", ALERTS)
    promtool("check", "config", CONFIGURATION)


def test_every_alert_fires_and_none_for_a_healthy_validator() -> None:
    assert "SUCCESS" in promtool("test", "rules", ALERTS_TEST)


def test_the_rules_are_read_as_a_real_reader_reads_them() -> None:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert [
        Alert(
            name=rule["alert"],
            expr=rule["expr"],
            severity=rule["labels"]["severity"],
            **rule["annotations"],
        )
        for rule in rules
    ] == list(alerts())
    tests = yaml.safe_load(ALERTS_TEST.read_text(encoding="utf-8"))["tests"]
    assert [test["name"] for test in tests] == list(alert_tests())


@pytest.mark.parametrize("alert", alerts(), ids=lambda a: a.name)
def test_its_summary_has_the_values(alert: Alert, tmp_path: Path) -> None:
    """The same series as in its own test, with all that the alert would say."""
    tests = yaml.safe_load(ALERTS_TEST.read_text(encoding="utf-8"))["tests"]
    test = next(t for t in tests if t["name"] == alert.name)
    (fires,) = test.pop("promql_expr_test")
    labels = dict(re.findall(r'(\w+)="([^"]*)"', fires["exp_samples"][0]["labels"]))
    expected = {
        "exp_labels": {k: v for k, v in labels.items() if k not in ("alertname", "alertstate")},
        "exp_annotations": {
            "summary": RENDERED.get(alert.name, alert.summary),
            "meaning": alert.meaning,
            "action": alert.action,
        },
    }
    test["alert_rule_test"] = [
        {"eval_time": fires["eval_time"], "alertname": alert.name, "exp_alerts": [expected]}
    ]
    file = tmp_path / "one.yml"
    content = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    promtool("test", "rules", file)
    assert ("{{" in alert.summary) == (alert.name in RENDERED)


def test_the_expressions_of_the_board_can_be_parsed(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$instance", "a:1")}
        for number, (_, expression) in enumerate(board_expressions())
    ]
    file = tmp_path / "board.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HealthServer]:
    metered = Metered(tmp_path)
    metered.follow()
    for event in every_event():
        metered.sink.emit(event)
    with closing(
        HealthServer("127.0.0.1", 0, {}, {"/metrics": metrics_page(metered.sink)})
    ) as running:
        yield running


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        content: bytes = answer.read()
        return content


def test_the_page_keeps_to_the_conventions(server: HealthServer) -> None:
    page = get(f"http://127.0.0.1:{server.port}/metrics")
    assert promtool("check", "metrics", given=page) == ""


@contextmanager
def running_prometheus(folder: Path, target: str) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Run a real server with our files, which scrapes ``target``.

    Yields its address, and whether it runs.
    """
    shutil.copy(ALERTS, folder)
    text = CONFIGURATION.read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:9137", target).replace("30s", "1s")
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}", lambda: process.poll() is None
    finally:
        process.terminate()
        process.wait(60)


def query(address: str, expression: str) -> list[dict[str, Any]]:
    asked = urllib.parse.urlencode({"query": expression})
    found = json.loads(get(f"{address}/api/v1/query?{asked}"))
    assert found["status"] == "success"
    results: list[dict[str, Any]] = found["data"]["result"]
    return results


def until_scraped(address: str, is_running: Callable[[], bool]) -> None:
    pause = threading.Event()
    while is_running():
        with suppress(urllib.error.URLError, ConnectionError):  # it is not up yet
            if query(address, 'up{job="sn37"} == 1'):
                return
        pause.wait(0.1)
    pytest.fail("Prometheus has ended")


def test_a_real_prometheus_scrapes_the_page_and_loads_the_rules(
    server: HealthServer, tmp_path: Path
) -> None:
    (tmp_path / "prometheus").mkdir()
    target = f"127.0.0.1:{server.port}"
    with running_prometheus(tmp_path / "prometheus", target) as (
        address,
        is_running,
    ):
        until_scraped(address, is_running)
        (head,) = query(address, "sn37_head_block")
        assert head["value"][1] == "1000"
        assert head["metric"] == {"__name__": "sn37_head_block", "instance": target, "job": "sn37"}
        for title, expression in board_expressions():
            query(address, expression.replace("$instance", target))  # each can be evaluated
            assert title
        rules = json.loads(get(f"{address}/api/v1/rules"))["data"]["groups"]
        loaded = [rule["name"] for group in rules for rule in group["rules"]]
        assert sorted(loaded) == sorted(alert.name for alert in alerts())
