"""Attacks by choice on the landed rule, at reduced size, seeded; ``sn37 simulate attack`` has them
in full.

Every round is chosen, raced and judged by the code of a validator; only losses are drawn. Of fewer
samples a larger gain is asked, so that it takes as many rounds: 1.6 % at 120 as 1 % at 300. Rates
are held against their exact 95 % intervals (Clopper-Pearson).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest

from sn37.app.simulate import attacks
from sn37.app.simulate.estimate import clopper_pearson
from sn37.app.simulate.members import one_task
from sn37.app.simulate.network import Network, sync_block
from sn37.app.simulate.outcomes import endings, figures
from sn37.app.simulate.play import HONEST, Ending, Model, Play, Setting
from sn37.domain.round.evidence import LOG_LEVEL, log_e_value, pooled
from sn37.domain.schedule.epsilon import FixedEpsilon

SMALL = Setting(samples=120, gain=0.016)
NOBODY_BETTER = replace(SMALL, gain=0.0)


def played(scenario: attacks.Scenario, setting: Setting, *, paths: int, seed: int) -> list[Ending]:
    return endings(scenario, setting, paths=paths, seed=seed, progress=lambda *_: None)


def stolen(found: list[Ending]) -> float:
    """The most that the probability of a theft can be."""
    return clopper_pearson(sum(e.winner not in (None, HONEST) for e in found), len(found))[1]


def honest(found: list[Ending]) -> list[int]:
    """After how many rounds the honest entry was crowned, where it was."""
    return [e.rounds for e in found if e.winner == HONEST]


def test_a_truly_better_model_is_crowned_as_soon_as_before() -> None:
    """Nine rounds in the median at 300 samples and 1 %, see docs/winner.md."""
    found = played(attacks.power, SMALL, paths=12, seed=1)
    assert len(honest(found)) == 12
    assert 7 <= median(honest(found)) <= 13


def test_t53_noisy_clones_of_a_contender_take_neither_its_place_nor_its_crown() -> None:
    found = played(attacks.clones, SMALL, paths=12, seed=2)
    assert stolen(found) < 0.25
    assert len(honest(found)) == 12
    assert median(honest(found)) <= 14


def test_t53_not_even_with_much_noise_beside_a_crowd_of_newcomers() -> None:
    def scenario(setting: Setting, seed: int) -> Ending:
        return attacks.clones(setting, seed, noise=0.02, nulls=4)

    found = played(scenario, SMALL, paths=5, seed=3)
    assert stolen(found) < 0.46
    assert len(honest(found)) == 5


@pytest.mark.parametrize(("gain", "most"), [(0.016, 14), (0.03, 7)])
def test_t54_a_champion_that_commits_again_hands_its_crown_to_no_sybil(
    gain: float, most: int
) -> None:
    found = played(attacks.abdication, replace(SMALL, gain=gain), paths=8, seed=4)
    assert len(honest(found)) == 8
    assert median(honest(found)) <= most


@pytest.mark.parametrize("gain", [0.0, 0.002])
def test_t55_an_entry_that_is_readable_in_lucky_rounds_only_is_never_crowned(gain: float) -> None:
    setting = replace(SMALL, gain=gain, rounds=80)
    assert stolen(played(attacks.attendance, setting, paths=8, seed=5)) < 0.35


def test_t56_a_hotkey_that_commits_a_better_model_loses_its_leading_one_to_no_clone() -> None:
    found = played(attacks.successor, SMALL, paths=12, seed=6)
    assert stolen(found) < 0.25
    assert len(honest(found)) == 12


def test_t57_wild_rows_hide_a_true_gain_no_longer() -> None:
    """On one row of twenty the two differ twenty times as much as on others."""
    play = Play(replace(SMALL, samples=300, gain=0.03), 7)
    champion = play.commit("champion", 1, Model(family="A"))
    key = play.commit("better", 2, Model(family="B", gain=0.03))
    network = Network(epsilon=FixedEpsilon(0.0), tasks=one_task(300))
    for name, block in (("champion", 1), ("better", 2)):
        network.commit(name, block)
    for number in range(12):
        play.draw()
        drawn = {k: play.losses(k) for k in (champion, key)}
        for row in range(0, 300, 20):
            drawn[key][row] += (-1) ** (row // 20 + number) * 1.7
        network.play(sync_block(number), drawn.__getitem__)
        if network.champion == key:
            break
    assert network.champion == key
    sums = pooled(network.evidence[champion], network.evidence[key])
    assert log_e_value(sums) < LOG_LEVEL  # what was asked for before


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_t57_a_model_that_loses_hugely_on_a_few_rows_is_not_crowned(share: float) -> None:
    def scenario(setting: Setting, seed: int) -> Ending:
        return attacks.rare_losses(setting, seed, share=share)

    found = played(scenario, replace(NOBODY_BETTER, rounds=25), paths=8, seed=8)
    assert stolen(found) < 0.35


@pytest.mark.parametrize(
    ("share", "friends", "signers", "edge"),
    [
        (0.2, 1, 5, 0.05),
        (0.2, 1, 5, 0.1),
        (0.1, 1, 5, 0.9),
        (0.05, 1, 5, 0.9),
        (0.02, 1, 5, 0.9),
        (0.4, 2, 5, 0.1),
        (0.24, 3, 8, 0.95),  # three friends, none with sixteen rows a round
    ],
)
def test_t51_rows_that_a_friend_knows_take_no_crown(
    share: float, friends: int, signers: int, edge: float
) -> None:
    def scenario(setting: Setting, seed: int) -> Ending:
        return attacks.known_rows(
            setting, seed, share=share, friends=friends, signers=signers, edge=edge
        )

    setting = replace(NOBODY_BETTER, samples=150, rounds=20)
    assert stolen(played(scenario, setting, paths=5, seed=9)) < 0.46


def test_t51_a_true_gain_is_crowned_although_one_signers_rows_are_known_to_nobody() -> None:
    """Honest signers cost no round: their rows are left out once in hundreds of challenges."""

    def scenario(setting: Setting, seed: int) -> Ending:
        return attacks.known_rows(setting, seed, edge=0.0)

    found = played(scenario, replace(SMALL, samples=150, gain=0.03), paths=6, seed=10)
    assert [e.winner for e in found] == ["friend"] * 6
    assert median(e.rounds for e in found) <= 8


def test_t51_an_edge_just_below_the_limit_takes_no_crown() -> None:
    """Three friends of nine sign 45 % of the rows; their model is better there by what is not odd
    in the first round. By the rule before it was crowned in one of thirteen challenges."""
    found = played(
        attacks.SCENARIOS["tuned-rows"],
        Setting(gain=0.0, rounds=2),
        paths=12,
        seed=13,
    )
    assert stolen(found) < 0.27


def test_t51_a_champion_that_knows_rows_has_no_better_model_retired() -> None:
    """Two friends of nine sign 44 %. Every second honest entry was retired in its first round."""
    found = played(
        attacks.SCENARIOS["defended-rows"], Setting(gain=0.03, rounds=8), paths=8, seed=14
    )
    assert len(honest(found)) == 8
    assert max(honest(found)) <= 6


def test_t60_the_first_comer_of_a_new_competition_is_beaten_at_once() -> None:
    """Epsilon begins at 5 %, and the honest model is better by 4."""
    found = played(attacks.first_comer, replace(SMALL, gain=0.04), paths=8, seed=11)
    assert len(honest(found)) == 8
    assert max(honest(found)) <= 6


def test_t60_a_backlog_of_copies_delays_an_honest_entry_by_no_round() -> None:
    def scenario(setting: Setting, seed: int) -> Ending:
        return attacks.backlog(setting, seed, copies=120)

    found = played(scenario, replace(SMALL, samples=64), paths=1, seed=12)
    assert honest(found) == [1]


@pytest.mark.parametrize("scenario", ["two-tasks", "specialist"])
def test_a_gain_of_the_score_is_crowned_wherever_among_two_tasks_it_is(scenario: str) -> None:
    """Five per cent of the score: in both tasks, or 17 in the one that is 30 % of it."""
    found = played(attacks.SCENARIOS[scenario], replace(SMALL, gain=0.05), paths=4, seed=15)
    assert len(honest(found)) == 4
    assert median(honest(found)) <= 12


def test_what_is_gained_in_one_task_and_lost_in_the_other_takes_no_crown() -> None:
    setting = replace(NOBODY_BETTER, rounds=25)
    found = played(attacks.SCENARIOS["lopsided"], setting, paths=4, seed=16)
    assert stolen(found) < 0.53
    assert honest(found) == []


@pytest.mark.parametrize("scenario", ["two-task-clones", "two-task-abdication"])
def test_t53_t54_neither_clones_nor_sybils_take_the_crown_where_there_are_two_tasks(
    scenario: str,
) -> None:
    found = played(attacks.SCENARIOS[scenario], replace(SMALL, gain=0.05), paths=4, seed=17)
    assert len(honest(found)) == 4


def test_t57_wild_rows_of_two_tasks_hide_no_true_gain() -> None:
    setting = replace(SMALL, gain=0.08)
    found = played(attacks.SCENARIOS["two-task-odd-rows"], setting, paths=4, seed=18)
    assert len(honest(found)) == 4


def test_the_same_seed_plays_the_same_path() -> None:
    first, again = (played(attacks.clones, SMALL, paths=1, seed=13) for _ in range(2))
    assert first == again


def test_figures_tell_who_was_crowned_and_when() -> None:
    setting = replace(SMALL, gain=0.04, rounds=10)
    found = figures("power", setting, paths=3, seed=14, progress=lambda *_: None)
    values = {f.name: f.value for f in found}
    assert values["the honest entry was crowned"] == 1.0
    assert values["somebody else was crowned"] == 0.0
    assert 1 <= values["rounds of the honest entry, 50 % of its coronations"] <= 4


@pytest.mark.parametrize("scenario", sorted(attacks.SCENARIOS))
def test_every_scenario_says_what_it_plays(scenario: str) -> None:
    play: Callable[..., Ending] = attacks.SCENARIOS[scenario]
    assert getattr(play, "func", play).__doc__
