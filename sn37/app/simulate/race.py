"""Fields of models with and without racing: the same winners, with fewer samples.

Everything but the drawing of losses is the domain's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sn37.app.simulate.estimate import Figure, Progress, rate
from sn37.app.simulate.losses import Array, LossModel, champion_losses, standardized
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.comparing import NO_ORIGINS, Contestant
from sn37.domain.round.racing import race
from sn37.domain.round.winner import Crown, KingOfTheHill
from sn37.domain.schedule.epsilon import FixedEpsilon

CADENCE = 360  # blocks between two rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Models whose true gains over the first are normally distributed."""

    num_models: int = 20
    gain_mean: float = -0.05
    gain_sd: float = 0.05
    epsilon: float = 0.005
    samples: int = 300
    rounds: int = 3
    model: LossModel = field(default_factory=LossModel)


def figures(setting: Field, *, paths: int, seed: int, progress: Progress) -> list[Figure]:
    """Measure how often racing changed the champion, and how many times fewer samples it scored."""
    changed = scored = 0
    for path in range(paths):
        differing, samples = _run_path(setting, np.random.default_rng([seed, path]))
        changed += differing
        scored += samples
        progress(path + 1, paths)
    rounds = paths * setting.rounds
    everything = rounds * setting.num_models * setting.samples
    return [
        rate("rounds in which racing changed the champion", changed, rounds),
        Figure(name="times fewer samples with racing", value=everything / scored, trials=rounds),
    ]


def _run_path(setting: Field, rng: np.random.Generator) -> tuple[int, int]:
    """Return the number of rounds with another champion, and of samples scored with racing."""
    gains = rng.normal(setting.gain_mean, setting.gain_sd, setting.num_models)
    gains[0] = 0.0
    all_entries = [_entry(i) for i in range(setting.num_models)]
    racing_entries = list(all_entries)
    champion = raced_champion = all_entries[0].key
    changed = scored = 0
    for number in range(1, setting.rounds + 1):
        at = Block(number * CADENCE)
        losses = _losses(setting, gains, rng)
        all_entries = [_with_round(e, at, losses[e.key.hotkey]) for e in all_entries]
        racing_entries, samples = _race_round(setting, racing_entries, raced_champion, losses, at)
        scored += samples
        champion = _decide(setting, all_entries, champion, at)
        raced_champion = _decide(setting, racing_entries, raced_champion, at)
        changed += champion != raced_champion
    return changed, scored


def _race_round(
    setting: Field,
    entries: Sequence[Contestant],
    champion: EntryKey,
    losses: dict[Hotkey, tuple[float, ...]],
    at: Block,
) -> tuple[list[Contestant], int]:
    """Return the entries that stay, and the number of samples that were scored."""
    king = next(e for e in entries if e.key == champion)
    kept = [_with_round(king, at, losses[king.key.hotkey])]
    scored = setting.samples
    for entry in entries:
        if entry is king:
            continue
        ours, theirs = losses[king.key.hotkey], losses[entry.key.hotkey]
        running = race(king.evidence, entry.evidence, epsilon_end=setting.epsilon)
        for first in range(0, setting.samples, BLOCK_SAMPLES):
            block = slice(first, first + BLOCK_SAMPLES)
            running = running.extended(ours[block], theirs[block])
            scored += len(theirs[block])
            if running.is_hopeless:
                break
        else:
            kept.append(_with_round(entry, at, theirs))
    return kept, scored


def _decide(
    setting: Field, entries: Sequence[Contestant], champion: EntryKey, at: Block
) -> EntryKey:
    decision = KingOfTheHill().decide(
        crown=Crown(holder=champion),
        contestants=entries,
        at=at,
        epsilon=FixedEpsilon(setting.epsilon),
        origins=NO_ORIGINS,
    )
    return decision.champion or champion


def _entry(index: int) -> Contestant:
    key = EntryKey(Hotkey(f"model-{index:03d}"), Block(1))
    return Contestant(key=key, precedence=(1, index, key.hotkey), evidence={}, since=Block(1))


def _with_round(entry: Contestant, at: Block, losses: tuple[float, ...]) -> Contestant:
    return replace(entry, evidence={**entry.evidence, at: losses})


def _losses(
    setting: Field, gains: Array, rng: np.random.Generator
) -> dict[Hotkey, tuple[float, ...]]:
    model = setting.model
    base = champion_losses(rng, model, (setting.samples,))
    own = standardized(rng, model.shape, (setting.num_models, setting.samples))
    values = base * (1 - gains[:, None]) + model.gain_sd / np.sqrt(2) * own
    return {_entry(i).key.hotkey: tuple(row) for i, row in enumerate(values.tolist())}
