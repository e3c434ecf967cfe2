"""Signers on whose rows two models differ oddly: their rows do not count between the two."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest

from sn37.domain.ids import Block, Hotkey, TaskName
from sn37.domain.round.comparing import Measured, SignerCase, by_signer, measure
from sn37.domain.round.evidence import LOG_LEVEL
from sn37.domain.round.odd_signers import MIN_SIGNED, odd_origins
from sn37.domain.round.racing import is_hopeless
from sn37.domain.round.signers import Origin, origins_of
from sn37.testing.builders import a_competition, a_task

TEXT, CHOICE = TaskName("text"), TaskName("choice")
END = 0.005
SYNC = Block(100)


def rows(
    num: Mapping[Any, int],  # rows of each signer, or of nobody
    *,
    gain: float = 0.0,
    edges: Mapping[str, float] | None = None,
    scale: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[Origin, ...]]:
    """Losses of a champion and a challenger, whose gain on some signers' rows is another.

    ``scale`` has signers whose texts have other losses than everybody's.
    """
    rng = random.Random(seed)
    champion, challenger, origins = [], [], []
    for name, count in num.items():
        signer = None if name is None else Hotkey(name)
        for _ in range(count):
            a = rng.lognormvariate(0, 0.4) * (scale or {}).get(name or "", 1.0)
            champion.append(a)
            better = gain + (edges or {}).get(name or "", 0.0)
            challenger.append(a * (1 - better) + a * rng.gauss(0, 0.08))
            origins.append(Origin(TEXT, signer))
    return tuple(champion), tuple(challenger), tuple(origins)


def measured(found: tuple[tuple[float, ...], tuple[float, ...], tuple[Origin, ...]]) -> Measured:
    champion, challenger, origins = found
    return measure(
        {SYNC: champion},
        {SYNC: challenger},
        since=Block(1),
        epsilon_end=END,
        origins={SYNC: origins},
    )


def odd_names(found: Measured) -> list[str]:
    return [str(origin.signer) for origin in found.odd]


FIVE = {f"s{i}": 60 for i in range(5)}


@pytest.mark.parametrize("edge", [0.1, 0.9, -0.1, -0.9])
def test_t51_rows_that_one_of_the_two_knows_do_not_count(edge: float) -> None:
    """Whether the challenger's friend signs them or the champion's."""
    found = measured(rows(FIVE, edges={"s3": edge}))
    assert odd_names(found) == ["s3"]
    assert (found.sums.num_samples, found.num_set_aside) == (240, 60)
    assert abs(1 - found.sums.ratio) < 0.02
    assert found.log_e < LOG_LEVEL


def test_t51_a_true_gain_is_proven_on_the_other_signers_rows() -> None:
    found = measured(rows(FIVE, gain=0.05, edges={"s3": -0.4}))
    assert odd_names(found) == ["s3"]
    assert found.log_e >= LOG_LEVEL
    assert 1 - found.sums.ratio == pytest.approx(0.05, abs=0.02)


def test_t51_small_signers_are_judged_together() -> None:
    """Three friends with fifteen rows each would be too small to be judged alone."""
    friends = dict.fromkeys(["f0", "f1", "f2"], MIN_SIGNED - 1)
    honest = dict.fromkeys(["h0", "h1", "h2", "h3"], 64)
    found = measured(rows({**friends, **honest}, edges=dict.fromkeys(friends, 0.95)))
    assert odd_names(found) == ["f0", "f1", "f2"]
    alone = measured(rows({"f0": MIN_SIGNED - 1, **honest}, edges={"f0": 0.95}))
    assert alone.odd == ()
    assert alone.log_e < LOG_LEVEL  # so few rows prove nothing, even known by heart


def test_t51_with_most_rows_suspect_there_is_no_verdict() -> None:
    names = [f"s{i}" for i in range(6)]
    edges = {name: 0.15 * i for i, name in enumerate(names)}
    found = measured(rows(dict.fromkeys(names, 200), edges=edges))
    assert found.is_suspect
    assert found.sums.num_samples == 0
    assert found.lead == -math.inf
    champion, challenger, origins = rows(dict.fromkeys(names, 200), gain=-0.5, edges=edges)
    assert not is_hopeless(
        {SYNC: champion}, {SYNC: challenger}, epsilon_end=END, origins={SYNC: origins}
    )


def test_signers_of_long_and_of_short_texts_are_alike() -> None:
    """A gain of the same share is ten times as large on losses that are."""
    scale = {"s0": 0.2, "s4": 2.0}
    assert measured(rows(dict.fromkeys(FIVE, 2_000), gain=0.05, scale=scale)).odd == ()


def test_a_difference_below_the_margin_is_none() -> None:
    """However many rows show it: models differ a little from topic to topic."""
    many = dict.fromkeys(FIVE, 20_000)
    assert measured(rows(many, gain=0.02, edges={"s1": 0.003})).odd == ()
    assert odd_names(measured(rows(many, gain=0.02, edges={"s1": 0.02}))) == ["s1"]


def test_honest_signers_are_rarely_odd() -> None:
    odd = sum(bool(measured(rows(FIVE, gain=0.02, seed=s)).odd) for s in range(200))
    assert odd <= 4  # 0.2 % are to be expected of five signers at 3.5 deviations


def test_tasks_are_compared_with_themselves() -> None:
    """Rows that one task's signers sign are not held against those of another task."""
    champion, challenger, origins = rows(dict.fromkeys(["s0", "s1"], 100), gain=0.3)
    others = rows({None: 200}, gain=0.0, seed=1)
    gains = [a - b for a, b in zip(champion, challenger, strict=True)]
    assert odd_origins(champion, gains, origins, least=END) == frozenset()
    both = (*champion, *others[0]), (*challenger, *others[1])
    named = (*origins, *(Origin(CHOICE, None) for _ in others[2]))
    assert measured((*both, named)).odd == ()
    assert measured((*both, (*origins, *others[2]))).odd != ()  # as if they were of one task


def test_each_tasks_differences_are_clipped_at_its_own_mean_loss() -> None:
    champion, challenger = (1.0,) * 4 + (10.0,) * 4, (-4.0,) * 4 + (5.0,) * 4
    origins = (Origin(TEXT, None),) * 4 + (Origin(CHOICE, None),) * 4
    assert measured((champion, challenger, origins)).sums.clipped_gain == 4 * 1 + 4 * 5


def test_origins_come_in_the_order_of_scoring() -> None:
    """Blocks of sixteen, interleaved over the tasks; what is not told has no signer."""
    rules = a_competition(
        tasks=(a_task("text", weight=0.5, num_samples=32), a_task("choice", weight=0.5))
    )
    found = origins_of({TEXT: (Hotkey("a"),) * 16 + (Hotkey("b"),) * 16}, rules)
    assert found == (
        *(Origin(TEXT, Hotkey("a")),) * 16,
        *(Origin(CHOICE, None),) * 16,
        *(Origin(TEXT, Hotkey("b")),) * 16,
        *(Origin(CHOICE, None),) * 16,
    )
    assert {o.signer for o in origins_of(None, rules)} == {None}


def cases(
    found: tuple[tuple[float, ...], tuple[float, ...], tuple[Origin, ...]],
) -> dict[str, SignerCase]:
    champion, challenger, origins = found
    shown = by_signer(
        {SYNC: champion},
        {SYNC: challenger},
        since=Block(1),
        epsilon_end=END,
        origins={SYNC: origins},
    )
    return {str(case.origin.signer): case for case in shown}


def test_the_case_is_shown_with_each_signer_left_out_in_turn() -> None:
    a, b, origins = rows({**FIVE, None: 30}, gain=0.02, edges={"s3": 0.3}, seed=4)
    shown = cases((a, b, origins))
    assert list(shown) == sorted(FIVE)
    for name, case in shown.items():
        kept = [i for i, o in enumerate(origins) if o.signer != name]
        assert case.better == pytest.approx(1 - sum(b[i] for i in kept) / sum(a[i] for i in kept))
        assert case.gain.num_rows == 60
        assert case.is_odd == (name == "s3")
        assert case.share is not None
        assert case.share.gain == pytest.approx(case.gain.gain)
    assert shown["s3"].gain.gain > 0.25
    assert shown["s3"].gain.others_gain == pytest.approx(0.02, abs=0.02)
    assert shown["s3"].gain.z > 3.5
    assert shown["s3"].log_e < min(c.log_e for name, c in shown.items() if name != "s3")


def test_one_signer_alone_leaves_nothing_to_compare_with() -> None:
    case = cases(rows({"only": 40}))["only"]
    assert (case.better, case.gain.z, case.gain.others_gain) == (None, 0.0, 0.0)
    assert not case.is_odd


def test_rows_without_loss_have_no_share() -> None:
    origins = (Origin(TEXT, Hotkey("a")), Origin(TEXT, Hotkey("b")))
    shown = cases(((0.0, 0.0), (0.0, 1.0), origins))
    assert [c.gain.gain for c in shown.values()] == [0.0, 0.0]


def test_without_signed_rows_there_are_no_cases() -> None:
    assert cases(rows({None: 40})) == {}
