"""Outcomes of attacks: scenarios played many times."""

from __future__ import annotations

import math

from sn37.app.simulate.attacks import SCENARIOS, Scenario
from sn37.app.simulate.estimate import Figure, Progress, rate
from sn37.app.simulate.play import HONEST, Ending, Setting


def endings(
    scenario: Scenario, setting: Setting, *, paths: int, seed: int, progress: Progress
) -> list[Ending]:
    """Play ``paths`` independent paths of a scenario. Deterministic in ``seed``."""
    found = []
    for path in range(paths):
        found.append(scenario(setting, 1_000_003 * seed + path))
        progress(path + 1, paths)
    return found


def figures(
    scenario: str, setting: Setting, *, paths: int, seed: int, progress: Progress
) -> list[Figure]:
    """Measure how often the honest entry or another was crowned, and after how many rounds."""
    found = endings(SCENARIOS[scenario], setting, paths=paths, seed=seed, progress=progress)
    honest = sorted(e.rounds for e in found if e.winner == HONEST)
    others = sum(e.winner not in (None, HONEST) for e in found)
    result = [
        rate("the honest entry was crowned", len(honest), paths),
        rate("somebody else was crowned", others, paths),
    ]
    if honest:
        for percent in (50, 90):
            value = honest[min(len(honest) - 1, math.ceil(len(honest) * percent / 100) - 1)]
            name = f"rounds of the honest entry, {percent} % of its coronations"
            result.append(Figure(name=name, value=float(value), trials=len(honest)))
    return result
