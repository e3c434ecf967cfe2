"""The page /metrics, by prometheus_client: a registry of its own over a sink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from sn37.adapters.telemetry.metrics.metric_table import Kind, Metric
from sn37.adapters.telemetry.metrics.tallies import Distribution, Sample

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry
    from prometheus_client import Metric as Family

NEEDS = "metrics need prometheus_client: run pip install 'sn37[metrics]' and start again\n"


class Samples(Protocol):
    """Source of the values on the page."""

    def samples(self) -> Iterable[Sample]: ...


def metrics_page(source: Samples) -> WSGIApplication:
    """Return the page; without prometheus_client one that says what to install."""
    if find_spec("prometheus_client") is None:
        return _missing
    from prometheus_client import make_wsgi_app

    page: WSGIApplication = make_wsgi_app(registry_of(source))
    return page


def registry_of(source: Samples) -> CollectorRegistry:
    """Return a registry of the source's metrics, and of this process's memory and files."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    registry.register(_Collected(source))
    ProcessCollector(registry=registry)
    return registry


class _Collected:
    """A collector of prometheus_client."""

    def __init__(self, source: Samples) -> None:
        self._source = source

    def describe(self) -> Iterator[Family]:
        """Return the metrics without values, so that a request may name some of them."""
        return (_family(metric, ()) for metric in Metric)

    def collect(self) -> Iterator[Family]:
        """Return every metric, those without a value too."""
        found: dict[Metric, list[Sample]] = {metric: [] for metric in Metric}
        for sample in self._source.samples():
            found[sample[0]].append(sample)
        for metric, samples in found.items():
            yield _family(metric, samples)


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    defined = metric.value
    name, meaning = defined.name, defined.help
    counter = CounterMetricFamily(name, meaning, labels=defined.labels)
    gauge = GaugeMetricFamily(name, meaning, labels=defined.labels)
    histogram = HistogramMetricFamily(name, meaning, labels=defined.labels)
    for _, labels, value in samples:
        if isinstance(value, Distribution):
            histogram.add_metric(labels, _buckets(value, defined.bounds), value.sum_s)
        elif defined.kind is Kind.COUNTER:
            counter.add_metric(labels, value)
        else:
            gauge.add_metric(labels, value)
    return {Kind.COUNTER: counter, Kind.GAUGE: gauge, Kind.HISTOGRAM: histogram}[defined.kind]


def _buckets(value: Distribution, bounds: Iterable[float]) -> list[tuple[str, float]]:
    """Return how many times were at most as long as each bound."""
    from prometheus_client.utils import floatToGoString

    names = map(floatToGoString, (*bounds, math.inf))
    return list(zip(names, accumulate(value.counts), strict=True))


def _missing(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
    return [NEEDS.encode()]
