"""Withheld rows: the income of a champion that has rounds sat out, and the length of its reign.

Somebody withholds rows in a share of the rounds, so that no validator judges these. An honest
challenger, truly better, gathers evidence in the others. The competition is the only one, and the
schedule names a burn hotkey.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sn37.app.simulate.estimate import Figure, Progress, mean
from sn37.app.simulate.losses import Array
from sn37.app.simulate.members import one_task
from sn37.app.simulate.network import TIMING, sync_block
from sn37.app.simulate.play import CHAMPION, HONEST, WARM, Model, Play, Setting
from sn37.app.simulate.quick_network import QuickNetwork
from sn37.domain.ids import EntryKey, Hotkey
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.domain.weights.standings import paid_share, standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """One path, from the first round that may be withheld on."""

    paid: tuple[float, ...]  # the first champion's part of the emission in each round of its reign
    income: float  # its sum, also of the rounds after the reign in which it has a standing
    income_in_full: float  # the same if each round's standings were paid in full


def figures(
    setting: Setting, rates: Sequence[float], *, paths: int, seed: int, progress: Progress
) -> list[Figure]:
    """Measure reign and income for each share of withheld rounds. Deterministic in ``seed``."""
    found = list[Figure]()
    for number, rate in enumerate(rates):
        reigns = list[Reign]()
        for path in range(paths):
            reigns.append(_reign(setting, rate, 1_000_003 * seed + path))
            progress(number * paths + path + 1, len(rates) * paths)
        numbers: dict[str, list[float]] = {
            "rounds until the challenger is champion": [len(r.paid) for r in reigns],
            "share of the emission during the reign": [fmean(r.paid) for r in reigns],
            "income, in rounds of pay": [r.income for r in reigns],
            "the same if all were paid in full": [r.income_in_full for r in reigns],
        }
        for what, values in numbers.items():
            found.append(mean(f"{rate:.0%} withheld: {what}", values, within=(0.0, math.inf)))
    return found


def _reign(setting: Setting, rate: float, seed: int) -> Reign:
    network = QuickNetwork(epsilon=FixedEpsilon(setting.epsilon), tasks=one_task(setting.samples))
    network.registered = {Hotkey(CHAMPION), Hotkey(HONEST)}
    play = Play(setting, seed, network)

    def drawn(entries: Sequence[EntryKey]) -> Mapping[EntryKey, Array]:
        return {key: np.array(play.losses(key)) for key in entries}

    play.commit(CHAMPION, 1, Model(family="A"))
    for number in range(WARM):
        play.draw()
        network.play_drawn(sync_block(number), drawn)
    play.commit(
        HONEST, sync_block(WARM) - network.delay_blocks, Model(family="B", gain=setting.gain)
    )
    paid, income, in_full = list[float](), 0.0, 0.0
    for number in range(WARM, WARM + setting.rounds):
        if play.rng.random() < rate:
            network.miss(sync_block(number), None)
        else:
            play.draw()
            network.play_drawn(sync_block(number), drawn)
        standing = standings(network.rounds, timing=TIMING).get(Hotkey(CHAMPION), 0.0)
        now = standing * paid_share(network.rounds, timing=TIMING)
        income += now
        in_full += standing
        champion = network.history.champion
        if champion is None or champion.hotkey == CHAMPION:
            paid.append(now)
        elif not standing:
            break
    return Reign(paid=tuple(paid), income=income, income_in_full=in_full)
