"""The page /metrics, as Prometheus asks for it: over HTTP, parsed by its own library."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families

import sn37
from sn37.adapters.system.health_server import HealthServer, Page
from sn37.adapters.telemetry.metrics.exposition import metrics_page
from sn37.adapters.telemetry.metrics.metric_table import Metric
from sn37.adapters.telemetry.metrics.tallies import Sample
from sn37.app.config.settings import Settings
from sn37.app.schedule.load import load_schedule
from sn37.app.wiring.container import container_for
from sn37.domain.events import (
    BlockScored,
    Degraded,
    EntryFinished,
    EntryStarted,
    HeadAdvanced,
)
from sn37.domain.ids import Block
from sn37.testing.builders import (
    a_block_ref,
    a_round_key,
    an_entry_key,
    an_entry_result,
    every_event,
)
from tests.support.metered import Metered

Answer = tuple[int, dict[str, str], bytes]


def a_page() -> Page:
    return True, {"block": 7}


@pytest.fixture
def metered(tmp_path: Path) -> Metered:
    made = Metered(tmp_path)
    made.follow()
    return made


@pytest.fixture
def server(metered: Metered) -> Iterator[HealthServer]:
    pages = {"/metrics": metrics_page(metered.sink)}
    with closing(HealthServer("127.0.0.1", 0, {"/healthz": a_page}, pages)) as running:
        yield running


def ask(
    server: HealthServer, path: str = "/metrics", method: str = "GET", **headers: str
) -> Answer:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(
            method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_there_with_its_type_and_meaning(
    server: HealthServer, metered: Metered
) -> None:
    for event in every_event():
        metered.sink.emit(event)
    status, headers, body = ask(server)
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    families = {f.name: f for f in text_string_to_metric_families(body.decode())}
    for metric in Metric:
        family = families[metric.value.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.value.kind.value, metric.value.help)
    ours = {f for f in families if f.startswith("sn37_")}
    assert len(ours) == len(Metric)
    assert "process_resident_memory_bytes" in families


def test_the_values_are_those_of_the_events(server: HealthServer, metered: Metered) -> None:
    key, round_ = an_entry_key(), a_round_key()
    metered.head(1234)
    metered.sink.emit(EntryStarted(round=round_, key=key, num_blocks=1, num_resumed=0))
    metered.clock.elapsed += 45.0
    metered.sink.emit(BlockScored(round=round_, key=key, done=1, num_blocks=1))
    metered.sink.emit(EntryFinished(round=round_, result=an_entry_result(key)))
    found = values(ask(server)[2].decode())
    assert found["sn37_head_block", ()] == 1234
    assert found["sn37_head_age_seconds", ()] == 45.0
    entries = (("competition", "1"), ("reason", "none"), ("verdict", "scored"))
    assert found["sn37_entries_total", entries] == 1
    assert found["sn37_worker_start_seconds_sum", ()] == 45.0
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "sn37_worker_start_seconds_bucket"
    }
    assert (buckets["30.0"], buckets["60.0"], buckets["+Inf"]) == (0, 1, 1)


def test_open_metrics_and_compression_are_negotiated(
    server: HealthServer, metered: Metered
) -> None:
    metered.head(1234)
    status, headers, body = ask(
        server, Accept="application/openmetrics-text; version=1.0.0", Accept_Encoding="gzip"
    )
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    text = gzip.decompress(body).decode()
    parsed: Iterable[Family] = open_metrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name for family in parsed}
    assert {metric.value.name.removesuffix("_total") for metric in Metric} <= families


def test_part_of_the_page_may_be_asked_for(server: HealthServer, metered: Metered) -> None:
    metered.head(1234)
    _, _, body = ask(server, "/metrics?name[]=sn37_head_block")
    assert values(body.decode()) == {("sn37_head_block", ()): 1234}


def test_the_health_pages_stay_what_they_were(server: HealthServer) -> None:
    status, headers, body = ask(server, "/healthz")
    assert (status, headers["Content-Type"], body) == (200, "application/json", b'{"block": 7}\n')
    status, _, body = ask(server, "/nothing")
    assert status == 404
    assert b"/healthz, /metrics" in body


def test_head_has_the_headers_alone(server: HealthServer) -> None:
    status, headers, body = ask(server, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


class Broken:
    def samples(self) -> Iterator[Sample]:
        yield Metric.HEAD, (), 1.0
        raise RuntimeError("a bug")


def test_metrics_with_a_bug_harm_no_health_page(caplog: pytest.LogCaptureFixture) -> None:
    pages = {"/metrics": metrics_page(Broken())}
    with closing(HealthServer("127.0.0.1", 0, {"/healthz": a_page}, pages)) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server)
        assert ask(server, "/healthz")[0] == 200
    assert "a health page failed" in caplog.text


def test_a_validator_serves_its_metrics_beside_its_health(tmp_path: Path) -> None:
    settings = Settings(network="simnet", state_dir=tmp_path, offline=True)
    container = container_for(settings, load_schedule("simnet"))
    container.metrics().follow(container.keeper(), container.loaded().schedule)
    container.sink().emit(HeadAdvanced(head=a_block_ref(1234), next_sync=Block(1440)))
    container.sink().emit(Degraded(what="chain", error="refused", retry_in_s=60.0))
    with closing(container.health_server("127.0.0.1", 0)) as server:
        assert ask(server, "/healthz")[0] == 200
        found = values(ask(server)[2].decode())
    assert found["sn37_head_block", ()] == 1234
    assert found["sn37_degraded", (("dependency", "chain"),)] == 1
    assert found["sn37_degraded", (("dependency", "scorer"),)] == 0
    assert found["sn37_sends_weights", ()] == 0
    assert found["sn37_crown_held", (("competition", "1"),)] == 0
    assert found["sn37_disk_free_bytes", ()] > 0
    assert ("sn37_model_cache_quota_bytes", ()) not in found, "simnet has no quota"
    started = (("netuid", "37"), ("network", "simnet"), ("version", sn37.__version__))
    assert found["sn37_build_info", started] == 1


def test_the_global_registry_stays_empty_of_ours(server: HealthServer) -> None:
    from prometheus_client import REGISTRY

    assert ask(server)[0] == 200
    assert not [f.name for f in REGISTRY.collect() if f.name.startswith("sn37_")]
