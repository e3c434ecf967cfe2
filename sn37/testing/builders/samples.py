"""Builders: samples, pools and requests for pools."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample, TimeWindow
from sn37.domain.ids import Block, Hotkey

CHAIN_START = datetime(2026, 1, 1, tzinfo=UTC)  # time of block 0 on ``FakeChain``
_SECONDS = 12  # between two blocks


def time_of(block: int) -> datetime:
    """Return the chain time of a block on ``FakeChain``."""
    return CHAIN_START + timedelta(seconds=_SECONDS * Block(block))


def a_sample(
    row_id: str = "row-0",
    *,
    prompt: str | None = None,
    reference: str | None = None,
    produced_at: datetime | None = None,
    signer: str | None = None,
    stratum: str | None = None,
    choices: tuple[str, ...] = (),
) -> Sample:
    return Sample(
        prompt=f"What is in {row_id}?" if prompt is None else prompt,
        reference=f"Here is the text of {row_id}." if reference is None else reference,
        provenance=Provenance(
            row_id=row_id,
            produced_at=produced_at,
            signer=None if signer is None else Hotkey(signer),
            stratum=stratum,
        ),
        choices=choices,
    )


def some_samples(
    count: int = 32,
    *,
    prefix: str = "row",
    since: datetime | None = None,
    every_s: float = 1.0,
    signers: tuple[str, ...] = (),
) -> tuple[Sample, ...]:
    """Return distinct samples ordered by row id; with ``since``, one every ``every_s`` seconds."""
    return tuple(
        a_sample(
            f"{prefix}-{n:05d}",
            produced_at=None if since is None else since + timedelta(seconds=every_s * n),
            signer=signers[n % len(signers)] if signers else None,
        )
        for n in range(count)
    )


def a_pool(*samples: Sample, count: int = 32) -> Pool:
    """Return a pool of these samples, or of ``count`` samples if none are given."""
    return Pool(samples or some_samples(count))


def a_window(*, since: datetime = CHAIN_START, until: datetime | None = None) -> TimeWindow:
    """Return a window, by default of one hour."""
    return TimeWindow(since=since, until=until or since + timedelta(hours=1))


def a_pool_request(
    *, window: TimeWindow | None = None, trusted: Collection[str] | None = None
) -> PoolRequest:
    return PoolRequest(
        window=window or a_window(),
        trusted=None if trusted is None else frozenset(map(Hotkey, trusted)),
    )
