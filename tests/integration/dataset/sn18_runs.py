"""Runs as validators of subnet 18 log them, with real signatures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.domain.canonical import JsonValue
from sn37.domain.data.samples import PoolRequest, TimeWindow
from tests.integration.dataset.wandb_server import HostedRun, Row

PROJECT = "cortex-t/multi-modality"
SINCE = datetime(2026, 1, 2, 12, tzinfo=UTC)
WINDOW = TimeWindow(since=SINCE, until=SINCE + timedelta(hours=4))
MINUTE = timedelta(minutes=1)


def signer(name: str) -> SimnetSigner:
    return SimnetSigner(keypair(37, name))


ALICE, BOB, CAROL = (signer(name) for name in ("alice", "bob", "carol"))
TRUSTED = frozenset({ALICE.hotkey, BOB.hotkey})
REQUEST = PoolRequest(window=WINDOW, trusted=TRUSTED)


def a_config(
    run: str, by: SimnetSigner, *, claims: SimnetSigner | None = None
) -> dict[str, JsonValue]:
    return {
        "type": "validator",
        "hotkey": (claims or by).hotkey,
        "signature": by.sign(run.encode()).hex(),
    }


def a_run(
    run: str,
    by: SimnetSigner,
    rows: Iterable[Row] = (),
    *,
    created_at: datetime = WINDOW.since - timedelta(days=2),
    heartbeat_at: datetime = WINDOW.until + 20 * MINUTE,
) -> HostedRun:
    return HostedRun(
        id=run,
        config=a_config(run, by),
        created_at=created_at,
        heartbeat_at=heartbeat_at,
        rows=list(rows),
    )


def a_row(
    step: int,
    time: datetime,
    pairs: dict[int, tuple[JsonValue, JsonValue]],
    *,
    modality: str = "text",
) -> Row:
    row: Row = {"_step": step, "_timestamp": time.timestamp(), "modality": modality}
    for uid, (prompt, response) in pairs.items():
        row |= {f"prompts.{uid}": prompt, f"responses.{uid}": response, f"scores.{uid}": 0.9}
    return row


def plain_rows(
    of: str, count: int, *, since: datetime, first_step: int = 0, every: timedelta = MINUTE
) -> list[Row]:
    """Rows with two uids each, one a minute, whose texts nobody else has."""
    return [
        a_row(
            step,
            since + number * every,
            {
                uid: (f"What does {of} say at {step} to {uid}?", f"It is {step} and {uid}.")
                for uid in (3, 200)
            },
        )
        for number, step in enumerate(range(first_step, first_step + count))
    ]


def ids(run: str, steps: Iterable[int], uids: Iterable[int] = (3, 200)) -> set[str]:
    return {f"{run}/{step:06d}/{uid:03d}" for step in steps for uid in uids}
