"""The metrics of a validator: their sink, and the page beside the health pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import sn37
from sn37.adapters.hub.model_store import QUOTA_BYTES
from sn37.adapters.system.watchdog import Watchdog
from sn37.adapters.telemetry.metrics.disk import DiskUse
from sn37.adapters.telemetry.metrics.exposition import metrics_page
from sn37.adapters.telemetry.metrics.sink import About, MetricsSink
from sn37.app.config.settings import Settings
from sn37.app.supervision.deadlines import Steps
from sn37.app.supervision.health import HealthBoard
from sn37.ports.clock import Clock

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from sn37.adapters.telemetry.metrics.sink import Health

METRICS = "/metrics"


class WatchedHealth:
    """Board, steps and watchdog, as the metrics read them."""

    def __init__(self, *, board: HealthBoard, steps: Steps, watchdog: Watchdog) -> None:
        self._board = board
        self._steps = steps
        self._watchdog = watchdog

    def outages_s(self) -> Mapping[str, float]:
        return self._board.outages_s()

    def slow_steps(self) -> Iterable[str]:
        return [step.actor for step in self._steps.slow()]

    def silent_s(self) -> float:
        return self._watchdog.silent_s


if TYPE_CHECKING:
    _: type[Health] = WatchedHealth


def build_metrics(
    settings: Settings, *, clock: Clock, board: HealthBoard, steps: Steps, watchdog: Watchdog
) -> MetricsSink:
    """Return the sink of a validator with these settings."""
    models = settings.state_dir / "models"
    # Simnet keeps the models of its own host, without a limit.
    folders = [settings.state_dir / "simnet" / "cache"]
    if not settings.is_simnet:
        folders = [models / "models", models / "partial"]
    about = About(
        version=sn37.__version__,
        network=settings.network_name,
        netuid=settings.netuid,
        sends_weights=not settings.offline,
    )
    return MetricsSink(
        about,
        clock=clock,
        health=WatchedHealth(board=board, steps=steps, watchdog=watchdog),
        disk=DiskUse(settings.state_file, folders, None if settings.is_simnet else QUOTA_BYTES),
    )


def metrics_pages(sink: MetricsSink) -> Mapping[str, WSGIApplication]:
    """Return the page by its path."""
    return {METRICS: metrics_page(sink)}
