"""Builders for contests: entries with evidence, as input of the winner rules."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.comparing import Contestant


def contestant(
    hotkey: str, evidence: Mapping[int, Sequence[float]], *, block: int = 1, index: int = 0
) -> Contestant:
    """Return an entry committed at ``block``, with evidence values by sync block."""
    return Contestant(
        key=EntryKey(Hotkey(hotkey), Block(block)),
        precedence=(block, index, hotkey),
        evidence={Block(sync): tuple(values) for sync, values in evidence.items()},
        since=Block(block),
    )


def contest(
    gains: Mapping[str, float],
    *,
    num_rounds: int = 3,
    num_samples: int = 64,
    noise: float = 0.02,
    seed: int = 0,
    joined: Mapping[str, int] | None = None,
) -> list[Contestant]:
    """Return entries with the given true relative gains over a base, scored on shared samples.

    They commit in the order of ``gains``, one block apart. Rounds are at blocks 100, 200, ...;
    an entry with ``joined`` n is scored from round n on (default 0, the first round).
    """
    shared = random.Random(f"base {seed}")
    base = [[shared.lognormvariate(0, 0.4) for _ in range(num_samples)] for _ in range(num_rounds)]
    entries = []
    for position, (hotkey, gain) in enumerate(gains.items()):
        own = random.Random(f"{hotkey} {seed}")
        first = (joined or {}).get(hotkey, 0)
        evidence = {
            100 * (r + 1): [loss * (1 - gain) + own.gauss(0, noise) for loss in base[r]]
            for r in range(num_rounds)
        }
        entries.append(
            contestant(
                hotkey,
                {sync: losses for sync, losses in evidence.items() if sync > 100 * first},
                block=100 * first + 1 + position,
            )
        )
    return entries
