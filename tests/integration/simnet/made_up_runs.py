"""Runs of simnet's feed over made-up texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sn37.adapters.simnet.feed.corpus import Pair
from sn37.adapters.simnet.feed.signed_logs import SENDERS, SimnetRuns
from sn37.domain.data.samples import TimeWindow

SEED = 7
GENESIS = datetime(2026, 1, 1, tzinfo=UTC)
START = GENESIS + timedelta(hours=20)
WINDOW = TimeWindow(since=START, until=START + timedelta(hours=3.5))
TRUSTED = frozenset(s.hotkey(SEED) for s in SENDERS if s.permit and s.stake_tao > 100_000)
PAIRS = tuple(
    Pair(f"m.f{n}", f"Explain `m.f{n}`.", f"It does the thing number {n}.") for n in range(2000)
)


def made_up_runs() -> SimnetRuns:
    return SimnetRuns(seed=SEED, genesis_time=GENESIS, pairs=PAIRS)
