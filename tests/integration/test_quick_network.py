"""Thousands of rounds are played from running sums; they end as the real rounds do."""

from __future__ import annotations

import numpy as np
import pytest

from sn37.app.simulate.losses import Array
from sn37.app.simulate.members import one_task
from sn37.app.simulate.network import Network, sync_block
from sn37.app.simulate.play import Model, Play, Setting
from sn37.app.simulate.quick_network import Drawn, QuickNetwork
from sn37.domain.ids import EntryKey, Hotkey
from sn37.domain.schedule.epsilon import LinearEpsilon

EPSILON = LinearEpsilon(start=0.02, stop=0.005, decay_blocks=7_200)
SAMPLES = 96


def state_of(network: Network) -> tuple[object, ...]:
    """What the next round depends on: who is in, who holds the crown, and who is retired."""
    newest: dict[Hotkey, tuple[int, bool, int]] = {}
    for key, s in sorted(network.submissions.items()):
        newest[key.hotkey] = (key.block, s.retired, s.clock_block)
    return network.champion, network.entries, network.rounds[-1].is_shielded, newest


def given(losses: dict[EntryKey, Array]) -> Drawn:
    return lambda _entries: losses


@pytest.mark.parametrize(("seed", "swing"), [(1, 0.0), (2, 0.0), (3, 0.9), (4, 1.6)])
def test_running_sums_decide_as_whole_rounds_do(seed: int, swing: float) -> None:
    """Fifty rounds of newcomers, copies, second commitments and unreadable repositories.

    With ``swing``, three signers sign a quarter of the rows, and on one's rows models differ
    wildly.
    """
    signers = (None, "a", "b", "c") if swing else (None,)
    real = Network(epsilon=EPSILON, tasks=one_task(SAMPLES))
    quick = QuickNetwork(epsilon=EPSILON, tasks=one_task(SAMPLES), signers=signers)
    play = Play(Setting(samples=SAMPLES), seed, real)
    rng, crowned = np.random.default_rng(seed), set[EntryKey | None]()
    for number in range(50):
        sync = sync_block(number)
        for _ in range(rng.integers(1, 5)):
            hotkey, block = f"h{rng.integers(0, 20):02d}", sync - int(rng.integers(1, 350))
            if Hotkey(hotkey) in quick.registered and any(
                k.hotkey == hotkey and k.block >= block for k in real.submissions
            ):
                continue
            gain = 0.002 * number + rng.normal(0, 0.02)
            model = Model(family=f"{hotkey}-{block}", gain=gain)
            if play.models and rng.random() < 0.4:
                known = list(play.models.values())
                copied = known[rng.integers(len(known))]
                model = Model(family=copied.family, gain=copied.gain, noise=0.01)
            play.commit(hotkey, block, model)
            quick.registered.add(Hotkey(hotkey))
            quick.commit(hotkey, block)
        play.draw()
        private = {k for k in real.submissions if rng.random() < (0.1 if number % 3 else 0.6)}
        by_row = rng.choice(4, SAMPLES, p=[0.25] * 4) if swing else None
        drawn: dict[EntryKey, list[float]] = {}
        for key in real.submissions:
            values = np.array(play.losses(key))
            if by_row is not None:
                values[by_row == 1] *= 1 + swing * rng.uniform(-0.5, 0.5)
            drawn[key] = values.tolist()
        told = [] if by_row is None else [signers[n] for n in by_row.tolist()]
        crowned.add(real.play(sync, drawn.__getitem__, private=private, signers=told))
        arrays = {key: np.array(values) for key, values in drawn.items()}
        quick.play_drawn(sync, given(arrays), private=private, signers=by_row)
        assert state_of(quick) == state_of(real)
    assert len(crowned) > 3
    assert len(quick.submissions) < len(real.submissions)
