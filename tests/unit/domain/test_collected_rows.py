"""Which rows of a source may enter a pool, and which are set aside as outliers."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sn37.domain.data.samples import Pool, Provenance, Sample
from sn37.domain.data.sampling import pool_digest
from sn37.domain.data.vetting import (
    MAX_CHARACTERS,
    MAX_NAME_CHARACTERS,
    Collected,
    ContractBroken,
    SetAside,
    look_at,
    outliers,
    vet,
    vet_draw,
)
from sn37.domain.ids import Hotkey
from sn37.testing.builders import a_pool_request, a_sample, a_window, time_of

REQUEST = a_pool_request(window=a_window(since=time_of(10), until=time_of(20)))
EAST, WEST = (timezone(timedelta(hours=hours)) for hours in (1, -1))
LONG_NAME = "a row id, stratum or signer of more than 500 characters"
SIGNED = a_pool_request(window=REQUEST.window, trusted=["v1"])


def row(
    name: str = "row",
    *,
    block: int = 10,
    signer: str | None = None,
    prompt: str | None = None,
    reference: str | None = None,
    stratum: str | None = None,
    choices: tuple[str, ...] = (),
) -> Sample:
    return a_sample(
        name,
        prompt=prompt,
        reference=reference,
        produced_at=time_of(block),
        signer=signer,
        stratum=stratum,
        choices=choices,
    )


def test_rows_are_ordered_by_row_id_however_they_came() -> None:
    rows = [row(f"r{n:02}") for n in range(20)]
    shuffled = random.Random(3).sample(rows, len(rows))
    assert vet(Pool(tuple(shuffled)), REQUEST) == Collected(pool=Pool(tuple(rows)))


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (a_sample("late", produced_at=time_of(20)), "row 'late' of .* lies outside the window"),
        (a_sample("old", produced_at=time_of(9)), "row 'old' of .* lies outside the window"),
        (a_sample("bare"), "row 'bare' has no time"),
    ],
)
def test_t42_a_row_that_was_not_asked_for_breaks_the_contract(sample: Sample, why: str) -> None:
    with pytest.raises(ContractBroken, match=why):
        vet(Pool((row(), sample)), REQUEST)


@pytest.mark.parametrize(
    ("signer", "why"),
    [(None, "row 'r' is unsigned"), ("v2", "row 'r' is signed by 'v2', which is not trusted")],
)
def test_t17_a_row_without_a_trusted_signer_breaks_the_contract(
    signer: str | None, why: str
) -> None:
    vet(Pool((row(signer="v1"),)), SIGNED)
    with pytest.raises(ContractBroken, match=why):
        vet(Pool((row("r", signer=signer),)), SIGNED)


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (row("r", prompt="a\0b"), "a NUL in the text"),
        (row("r", reference="\ud800"), "half of a surrogate pair in the text"),
        (row("r\udfff"), "half of a surrogate pair in the text"),
        (row("r", stratum="\udfff"), "half of a surrogate pair in the text"),
        (row("r", reference="a", choices=("a", "\0")), "a NUL in the text"),
        (row("r", reference=""), "nothing to score"),
        (row("r", prompt="x" * MAX_CHARACTERS, reference="y"), "more than 200,000 characters"),
        (row("r" * (MAX_NAME_CHARACTERS + 1)), LONG_NAME),
        (row("r", stratum="s" * (MAX_NAME_CHARACTERS + 1)), LONG_NAME),
        (row("r", signer="s" * (MAX_NAME_CHARACTERS + 1)), LONG_NAME),
        (row("r", signer="\ud800"), "half of a surrogate pair in the text"),
        (row("r", signer="a\0b"), "a NUL in the text"),
    ],
)
def test_t17_a_row_that_nothing_can_be_done_with_is_set_aside(sample: Sample, why: str) -> None:
    good = row("good", prompt="", reference="é😀")
    collected = vet(Pool((sample, good)), REQUEST)
    assert collected.pool == Pool((good,))
    assert collected.set_aside == (SetAside(why=why, row_ids=(sample.provenance.row_id,)),)


def test_the_longest_row_is_kept() -> None:
    longest = row("r" * MAX_NAME_CHARACTERS, prompt="", reference="y" * (MAX_CHARACTERS - 500))
    assert vet(Pool((longest,)), REQUEST).set_aside == ()


def test_t17_of_a_signer_with_more_text_than_the_store_takes_only_his_rows_are_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sn37.domain.data.vetting.MAX_POOL_BYTES", 20_000)
    request = a_pool_request(window=REQUEST.window, trusted=["v1", "v2"])
    flood = [row(f"f{n:03}", signer="v2", prompt="", reference="y" * 194) for n in range(200)]
    honest = [row(f"h{n}", signer="v1") for n in range(9)]
    collected = vet(Pool((*flood, *honest)), request)
    kept = {s.provenance.row_id for s in collected.pool.samples}
    assert kept >= {s.provenance.row_id for s in honest}
    assert len(kept) == 9 + 50  # of 200 bytes each, half of the room
    (aside,) = collected.set_aside
    assert aside.why == "more text than its signer's part of the store"
    late = vet(Pool((*flood[1:], *honest)), request)
    assert len({s.provenance.row_id for s in late.pool.samples} ^ kept) <= 2


def test_an_unsigned_pool_has_the_whole_room(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(row(f"f{n:03}", prompt="", reference="y" * 196) for n in range(200))
    monkeypatch.setattr("sn37.domain.data.vetting.MAX_POOL_BYTES", 20_000)
    assert len(vet(Pool(rows), REQUEST).pool.samples) == 100
    monkeypatch.setattr("sn37.domain.data.vetting.MAX_POOL_BYTES", 40_000)
    assert len(vet(Pool(rows), REQUEST).pool.samples) == 200


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@settings(max_examples=60)
def test_what_a_row_takes_in_the_store_is_never_underestimated(text: str) -> None:
    why, size = look_at(row("", prompt=text, reference="y"))
    assert why is None
    assert size >= len(json.dumps(text + "y")) - 2


def test_rows_are_set_aside_by_reason_and_ids_of_no_row_are_ignored() -> None:
    rows = tuple(row(name) for name in "abcd")
    left = Collected(pool=Pool(rows)).without({"c": "two", "a": "one", "b": "two", "zz": "x"})
    assert left.pool == Pool(rows[3:])
    assert left.set_aside == (
        SetAside(why="one", row_ids=("a",)),
        SetAside(why="two", row_ids=("b", "c")),
    )


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ((a_sample("a"),), "1 samples, not 2 distinct ones"),
        ((a_sample("a"), a_sample("a")), "not 2 distinct ones"),
        ((a_sample("a"), a_sample("b"), a_sample("c")), "3 samples, not 2"),
        ((a_sample("a"), a_sample("b", reference="\0")), "row 'b' has a NUL"),
    ],
)
def test_a_static_source_gives_exactly_what_was_asked_for(
    samples: tuple[Sample, ...], why: str
) -> None:
    with pytest.raises(ContractBroken, match=why):
        vet_draw(samples, 2)


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (a_sample("a", signer="\ud800"), "row 'a' has half of a surrogate pair"),
        (a_sample("a", signer="s" * 501), "row 'a' has a row id, stratum or signer of more than"),
        (a_sample("a", produced_at=datetime(1, 1, 1, tzinfo=EAST)), "a time that does not exist"),
        (a_sample("a", produced_at=datetime.max.replace(tzinfo=WEST)), "a time that does not"),
    ],
)
def test_t17_a_static_source_cannot_give_what_has_no_digest(sample: Sample, why: str) -> None:
    with pytest.raises(ContractBroken, match=why):
        vet_draw((sample,), 1)


@given(
    st.builds(
        Provenance,
        row_id=st.text(st.characters(exclude_categories=()), max_size=3),
        produced_at=st.none() | st.datetimes(timezones=st.sampled_from([UTC, EAST, WEST])),
        signer=st.none() | st.text(st.characters(exclude_categories=()), max_size=3).map(Hotkey),
    )
)
def test_t17_a_draw_that_was_vetted_has_a_digest(origin: Provenance) -> None:
    sample = Sample(prompt="p", reference="r", provenance=origin)
    try:
        rows = vet_draw((sample,), 1)
    except ContractBroken:
        return
    assert pool_digest(Pool(rows))


def test_a_draw_of_a_static_source_needs_neither_time_nor_signer() -> None:
    samples = (a_sample("b"), a_sample("a"))
    assert vet_draw(samples, 2) == samples


def prose(num_words: int, seed: int) -> str:
    words = random.Random(seed).choices(("the", "of", "and", "to", "in", "is"), k=num_words)
    return " ".join(f"{word}{n}" for n, word in enumerate(words))


@cache
def ordinary() -> tuple[Sample, ...]:
    return tuple(row(f"r{n:03}", reference=prose(100 + n, n)) for n in range(100))


def test_t17_an_endless_and_a_circular_row_are_outliers_and_ordinary_ones_are_not() -> None:
    endless = row("endless", reference=prose(20_000, 1))
    circular = row("circular", reference="I am stuck. " * 70)
    found = outliers((*ordinary(), endless, circular), max_deviations=8.0)
    assert found == {"endless": "outlier by length", "circular": "outlier by repetition"}


def signed(signer: str, num_rows: int, *, words: int = 100, seed: int = 0) -> list[Sample]:
    return [
        row(f"{signer}-{n:03}", signer=signer, reference=prose(words + n, 1000 * seed + n))
        for n in range(num_rows)
    ]


@cache
def honest() -> tuple[Sample, ...]:
    """Ninety rows of three signers."""
    return tuple(s for v in range(3) for s in signed(f"h{v}", 30, words=80 + 20 * v, seed=v))


def test_t52_a_flood_of_short_rows_does_not_make_outliers_of_the_others() -> None:
    flood = [row(f"f{n}", signer="flood", prompt="", reference="Yes.") for n in range(2000)]
    long = row("long", signer="h0", reference=prose(350, 9))
    assert outliers((*honest(), long, *flood), max_deviations=4.0) == {}
    # As one signer's rows, and by their own median, they would be.
    mine = [a_sample(s.provenance.row_id, reference=s.reference) for s in (*honest(), long, *flood)]
    assert len(outliers(mine, max_deviations=4.0)) > 80


def test_t17_a_signers_odd_rows_are_no_excuse_for_themselves() -> None:
    odd = [row(f"o{n}", signer="odd", reference="I am stuck. " * 300) for n in range(500)]
    found = outliers((*honest(), *odd), max_deviations=8.0)
    assert set(found) == {f"o{n}" for n in range(500)}
    half = [
        replace(s, provenance=replace(s.provenance, signer=Hotkey("v" + s.provenance.row_id[-1])))
        for s in odd
    ]
    two = [s for s in half if s.provenance.signer in ("v1", "v2")]
    assert set(outliers((*honest(), *two), max_deviations=8.0)) == {
        s.provenance.row_id for s in two
    }


def test_rows_of_two_signers_are_held_against_all_rows() -> None:
    endless = row("endless", signer="h1", reference=prose(20_000, 1))
    some = [s for s in honest() if s.provenance.signer != "h2"]
    assert outliers((*some, endless), max_deviations=8.0) == {"endless": "outlier by length"}


lengths = st.lists(st.integers(0, 9), max_size=8)


@given(st.lists(lengths, min_size=3, max_size=5), lengths)
@settings(max_examples=100)
def test_t52_no_rows_of_one_signer_set_a_row_of_the_others_aside(
    honest: list[list[int]], added: list[int]
) -> None:
    def rows_of(signer: str, doublings: list[int]) -> list[Sample]:
        return [
            row(f"{signer}-{n}", signer=signer, prompt="", reference="x" * 2**d)
            for n, d in enumerate(doublings)
        ]

    rows = [s for v, theirs in enumerate(honest) for s in rows_of(f"h{v}", theirs)]
    assume(len({s.provenance.signer for s in rows}) >= 3)
    before = outliers(rows, max_deviations=4.0)
    after = outliers((*rows, *rows_of("adder", added)), max_deviations=4.0)
    assert {name for name in after if not name.startswith("adder")} <= set(before)


def test_t52_a_flood_takes_no_room_from_a_signer_that_keeps_to_its_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sn37.domain.data.vetting.MAX_POOL_BYTES", 20_000)
    request = a_pool_request(window=REQUEST.window, trusted=["v1", "v2"])
    large = [row(f"h{n:03}", signer="v1", prompt="", reference="y" * 194) for n in range(70)]
    flood = [row(f"f{n:03}", signer="v2", prompt="", reference="y" * 194) for n in range(200)]
    alone, beside = vet(Pool(tuple(large)), request), vet(Pool((*large, *flood)), request)
    kept = {s.provenance.row_id for s in alone.pool.samples}
    assert len(kept) == 50
    assert kept <= {s.provenance.row_id for s in beside.pool.samples}


def test_short_rows_are_no_outliers() -> None:
    letters = tuple(row(f"x{n}", prompt="", reference="A") for n in range(5))
    assert outliers((*ordinary(), *letters), max_deviations=4.0) == {}


def test_an_empty_pool_has_no_outliers() -> None:
    assert outliers((), max_deviations=4.0) == {}


@given(st.integers(0, 99), st.sampled_from([4.0, 8.0]))
@settings(max_examples=10)
def test_t17_one_row_more_or_fewer_changes_no_verdict_on_clear_cases(
    missing: int, max_deviations: float
) -> None:
    endless = row("endless", reference=prose(20_000, 1))
    part = (*ordinary()[:missing], *ordinary()[missing + 1 :], endless)
    assert outliers(part, max_deviations=max_deviations) == {"endless": "outlier by length"}
