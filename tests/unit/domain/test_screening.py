"""Which rows are odd for a base model, and which rows take their place."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sn37.domain.data.deviations import NORMAL_MAD
from sn37.domain.data.screening import (
    ABOVE,
    BELOW,
    LEAST_LOSS,
    Screening,
    kept_rows,
    odd_rows,
    rounded,
    screening_of,
)
from sn37.domain.ids import Digest, Hotkey
from sn37.testing.builders import a_sample

DEVIATIONS = 8.0


def screening(*told: tuple[str | None, float], cap: int = 1_000) -> Screening:
    """Rows by signer and loss."""
    samples = [a_sample(f"r{n:04}", signer=signer) for n, (signer, _) in enumerate(told)]
    return screening_of(samples, cap, [loss for _, loss in told])


def ordinary(signer: str, num_rows: int, seed: int = 0) -> list[tuple[str | None, float]]:
    """Losses as those of texts: about 2 nats, spread by a third."""
    draws = random.Random(f"{signer} {seed}")
    return [(signer, 2.0 * math.exp(draws.gauss(0, 0.33))) for _ in range(num_rows)]


HONEST = [row for v in range(6) for row in ordinary(f"h{v}", 50)]


def odd_signers(told: Screening) -> set[Hotkey | None]:
    return {told.signers[n] for n in odd_rows(told, DEVIATIONS)}


def test_losses_are_rounded_to_a_hundredth_of_themselves() -> None:
    assert [rounded(x) for x in (1.0, math.e, 2.0, 2.008, 2.02)] == [0, 100, 69, 70, 70]
    assert rounded(0.0) == rounded(LEAST_LOSS) == -921


def test_ordinary_rows_are_not_odd() -> None:
    assert odd_rows(screening(*HONEST), DEVIATIONS) == {}


@pytest.mark.parametrize(("loss", "why"), [(11.0, ABOVE), (24.0, ABOVE), (0.03, BELOW)])
def test_t51_a_signers_rows_that_are_noise_or_known_by_heart_are_odd(loss: float, why: str) -> None:
    told = screening(*HONEST, *[("friend", loss * (1 + n / 100)) for n in range(60)])
    found = odd_rows(told, DEVIATIONS)
    assert set(found) == set(range(len(HONEST), len(HONEST) + 60))
    assert {odd.why for odd in found.values()} == {why}


@pytest.mark.parametrize("loss", [11.0, 0.03])
def test_t51_two_signers_that_write_alike_do_not_excuse_each_other(loss: float) -> None:
    told = screening(*HONEST, *[(f"f{n % 2}", loss) for n in range(120)])
    assert odd_signers(told) == {"f0", "f1"}


def test_of_an_odd_row_it_is_known_by_how_much() -> None:
    told = screening(*HONEST, ("h0", 14.0), ("h0", 20.0), ("h1", 0.02), ("h1", 0.01))
    found = odd_rows(told, DEVIATIONS)
    higher, highest, lower, lowest = (found[len(HONEST) + n].factor for n in range(4))
    assert highest - higher == pytest.approx(math.log(20 / 14), abs=0.011)
    assert lowest - lower == pytest.approx(math.log(2), abs=0.011)


def test_rows_of_two_signers_and_unsigned_ones_are_held_against_all_rows() -> None:
    two = [row for row in HONEST if row[0] in ("h0", "h1")]
    assert set(odd_rows(screening(*two, ("h0", 20.0)), DEVIATIONS)) == {len(two)}
    unsigned: list[tuple[str | None, float]] = [(None, loss) for _, loss in two]
    assert set(odd_rows(screening(*unsigned, (None, 20.0)), DEVIATIONS)) == {len(two)}


def test_rows_that_hardly_differ_make_no_other_row_odd_that_is_near_them() -> None:
    alike: list[tuple[str | None, float]] = [(f"h{n % 4}", 2.0) for n in range(80)]
    told = screening(*alike, ("h0", 2.28), ("h0", 1.75), ("h0", 2.4), ("h0", 1.65))
    assert set(odd_rows(told, DEVIATIONS)) == {82, 83}


losses = st.floats(0.001, 40.0)
few = st.lists(losses, max_size=8)


@given(st.lists(few, min_size=3, max_size=5), few)
@settings(max_examples=200)
def test_t52_no_rows_of_one_signer_make_a_row_of_the_others_odd(
    honest: list[list[float]], added: list[float]
) -> None:
    rows = [(f"h{v}", loss) for v, theirs in enumerate(honest) for loss in theirs]
    assume(len({signer for signer, _ in rows}) >= 3)
    before = odd_rows(screening(*rows), 4.0)
    after = odd_rows(screening(*rows, *(("adder", loss) for loss in added)), 4.0)
    assert {n for n in after if n < len(rows)} <= set(before)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), losses)), st.randoms())
@settings(max_examples=100)
def test_the_order_of_the_rows_changes_no_verdict(
    rows: list[tuple[str | None, float]], chance: random.Random
) -> None:
    places = list(range(len(rows)))
    chance.shuffle(places)
    found = odd_rows(screening(*rows), 4.0)
    shuffled = odd_rows(screening(*(rows[n] for n in places)), 4.0)
    assert {places[n]: odd for n, odd in shuffled.items()} == dict(found)


@given(
    st.lists(st.lists(losses, min_size=1, max_size=9), min_size=3, max_size=5),
    st.sampled_from([4.0, 8.0]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200)
def test_noise_of_one_per_cent_changes_no_verdict_beyond_the_grey_zone(
    told: list[list[float]], deviations: float, chance: random.Random
) -> None:
    """A median moves by the noise, a MAD by the noise of it and of both values it lies between."""
    rows: list[tuple[str | None, float]] = [
        (f"h{v}", loss) for v, theirs in enumerate(told) for loss in theirs
    ]
    noisy = [(signer, loss * chance.uniform(0.99, 1.01)) for signer, loss in rows]
    here = odd_rows(screening(*rows), deviations)
    there = odd_rows(screening(*noisy), deviations)
    noise = 0.021  # with the rounding of both
    limit_moves = noise * (1 + 2 * deviations * NORMAL_MAD)
    for position in set(here) ^ set(there):
        odd = here.get(position) or there[position]
        if odd.why == ABOVE:
            assert odd.factor <= math.log((1 + limit_moves) * (1 + noise) ** 2)
        else:
            assert odd.factor <= limit_moves + 2 * noise


def test_a_device_that_differs_by_its_usual_noise_finds_the_same_rows_odd() -> None:
    """Losses on two devices differ by 0.02 %: of 20 rounds none has another sample."""
    for seed in range(20):
        rows = [row for v in range(6) for row in ordinary(f"h{v}", 50, seed)]
        rows += [("friend", 11.0 + n / 10) for n in range(30)]
        chance = random.Random(seed)
        noisy = [(s, loss * (1 + chance.gauss(0, 0.0002))) for s, loss in rows]
        assert set(odd_rows(screening(*rows), DEVIATIONS)) == set(
            odd_rows(screening(*noisy), DEVIATIONS)
        )


def test_where_no_row_is_odd_the_sample_is_the_draw() -> None:
    assert kept_rows(screening(*HONEST), 150, DEVIATIONS) == tuple(range(150))


def test_each_odd_rows_place_is_taken_by_the_next_of_the_reserve_the_oddest_first() -> None:
    rows = list(HONEST)
    rows[3], rows[40], rows[201] = ("h0", 15.0), ("h0", 30.0), ("h4", 30.0)
    kept = kept_rows(screening(*rows), 200, DEVIATIONS)
    assert [n for n in range(200) if kept[n] != n] == [3, 40]
    assert (kept[40], kept[3]) == (200, 202)  # 201 is odd itself


def test_of_no_signer_more_rows_are_taken_than_the_cap() -> None:
    rows = [("a", 2.0)] * 4 + [("b", 2.0)] * 3 + [("c", 2.0)] * 2 + [("b", 40.0)]
    reserve = [("a", 2.0), ("a", 2.0), ("c", 2.0)]
    told = screening(*rows, *reserve, cap=4)
    assert kept_rows(told, 10, DEVIATIONS)[9] == 12
    assert kept_rows(replace(told, cap=5), 10, DEVIATIONS)[9] == 10


def test_t51_odd_rows_for_which_there_is_no_other_stay_and_postpone_no_round() -> None:
    told = screening(*HONEST[:150], *[("f", 20.0 + n) for n in range(10)], ("h0", 2.0), ("h1", 2.0))
    kept = kept_rows(told, 160, DEVIATIONS)
    assert len(set(kept)) == 160
    assert (kept[159], kept[158]) == (160, 161)  # the oddest two
    assert kept[150:158] == tuple(range(150, 158))


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), losses), min_size=1),
    st.integers(1, 20),
    st.integers(1, 10),
)
@settings(max_examples=200)
def test_a_sample_has_the_schedules_size_no_row_twice_and_keeps_to_the_cap(
    rows: list[tuple[str | None, float]], count: int, cap: int
) -> None:
    assume(count <= len(rows))
    told = screening(*rows, cap=cap)
    kept, odd = kept_rows(told, count, 4.0), odd_rows(told, 4.0)
    assert len(kept) == len(set(kept)) == count
    for place, position in enumerate(kept):
        assert position == place or (place in odd and position not in odd and position >= count)
    for signer in {signer for signer, _ in rows if signer is not None}:
        drawn = told.signers[:count].count(Hotkey(signer))
        assert [told.signers[n] for n in kept].count(Hotkey(signer)) <= max(cap, drawn)


def test_a_screening_that_contradicts_itself_is_refused() -> None:
    told = screening(*HONEST[:3])
    with pytest.raises(ValueError, match="3 screened rows with 3 signers and 2 losses"):
        replace(told, losses=told.losses[:2])
    with pytest.raises(ValueError, match="a row was screened twice"):
        replace(told, rows=(*told.rows[:2], (told.rows[0][0], Digest("0" * 64))))
    with pytest.raises(ValueError, match="3 rows were screened, 4 are needed"):
        kept_rows(told, 4, DEVIATIONS)
