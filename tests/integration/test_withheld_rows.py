"""Withheld rows at reduced size, seeded; ``sn37 simulate withheld-rows`` in full."""

from __future__ import annotations

from sn37.app.simulate.play import Setting
from sn37.app.simulate.withheld import figures

SETTING = Setting(gain=0.02, rounds=300)


def measured(*rates: float, seed: int = 1) -> dict[str, float]:
    found = figures(SETTING, rates, paths=8, seed=seed, progress=lambda *_: None)
    return {f.name: f.value for f in found}


def test_a_champion_that_withholds_nearly_all_rows_earns_little_more_than_with_half_of_them() -> (
    None
):
    half, most = (
        {name.removeprefix(f"{rate:.0%} withheld: "): v for name, v in measured(rate).items()}
        for rate in (0.5, 0.95)
    )
    rounds, income = "rounds until the challenger is champion", "income, in rounds of pay"
    in_full = "the same if all were paid in full"
    assert most[rounds] > 6 * half[rounds]
    assert most[in_full] > 2.5 * half[in_full]
    assert most[income] < 1.5 * half[income]
    assert half[income] > 0.95 * half[in_full]


def test_the_same_seed_gives_the_same_figures() -> None:
    assert measured(0.5) == measured(0.5)
