"""Seeds, draws, digests of pools and manifests, and the windows of live sources."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sn37.domain.canonical import JsonValue, canonical_json
from sn37.domain.data.samples import Pool, Sample
from sn37.domain.data.sampling import (
    AUTHOR_DRIFT,
    Drawn,
    NotEnoughRows,
    TooFewSigners,
    collect_window,
    draw,
    draw_with_reserve,
    first_by_rank,
    least_rows,
    manifest,
    manifest_digest,
    pool_digest,
    rank,
    round_window,
    seed_of,
    signer_cap,
)
from sn37.domain.ids import CompetitionId, Hotkey, Netuid, Seed, TaskName
from sn37.testing.builders import a_batch, a_sample, time_of

TASK = TaskName("text")
SEED = Seed(7)
BLOCK_HASH = "0x" + "ab" * 32


@st.composite
def rows(draw_: st.DrawFn, *, num_unsigned: int = 0) -> list[Sample]:
    """Rows of a few signers, so that caps bind, and at least so many without a signer."""
    signers = draw_(st.lists(st.sampled_from(["v1", "v2", "v3", None]), min_size=1, max_size=40))
    signers += [None] * num_unsigned
    return [a_sample(f"row-{n}", signer=signer) for n, signer in enumerate(signers)]


@st.composite
def rows_in_strata(draw_: st.DrawFn, *, num_unsigned: int = 0) -> list[Sample]:
    """The same, of three strata and of none."""
    strata = st.sampled_from(["history", "physics", "films", None])
    samples = draw_(rows(num_unsigned=num_unsigned))
    return [replace(s, provenance=replace(s.provenance, stratum=draw_(strata))) for s in samples]


def drawn(samples: list[Sample], count: int, share: float, seed: int = 7) -> tuple[Sample, ...]:
    pool = Pool(tuple(samples))
    return draw(pool, task=TASK, count=count, seed=Seed(seed), signer_share=share)


def cap_of(samples: list[Sample], count: int, share: float) -> int:
    num_rows = Counter(s.provenance.signer for s in samples)
    num_unsigned = num_rows.pop(None, 0)
    return signer_cap(count, share, num_rows.values(), num_unsigned=num_unsigned)


def spread(samples: list[Sample]) -> list[Sample]:
    """The first of each stratum, then the second of each, and so on, by rank within a turn."""
    strata = [s.provenance.stratum for s in samples]
    turns = [strata[:n].count(stratum) for n, stratum in enumerate(strata)]
    return [sample for _, sample in sorted(zip(turns, samples, strict=True), key=lambda t: t[0])]


def test_the_seed_is_sha256_of_a_text_that_anyone_can_build() -> None:
    seed = seed_of(
        netuid=Netuid(37), competition=CompetitionId(2), task=TASK, block_hash=BLOCK_HASH
    )
    text = f"sn37/seed/1|37|2|text|{BLOCK_HASH}".encode()
    assert seed == int(sha256(text).hexdigest(), 16)
    assert seed == seed_of(
        netuid=Netuid(37),
        competition=CompetitionId(2),
        task=TASK,
        block_hash=BLOCK_HASH.upper().replace("X", "x"),
    )


def test_the_rank_is_sha256_of_a_text_that_anyone_can_build() -> None:
    sample = a_sample("row-1")
    text = f"sn37/draw/1|{7:064x}|text|row-1|{sample.content_hash}"
    assert rank(sample, task=TASK, seed=SEED) == sha256(text.encode()).digest()


def test_t15_another_block_hash_draws_other_rows() -> None:
    pool = [a_sample(f"row-{n}") for n in range(200)]
    seeds = [
        seed_of(
            netuid=Netuid(37), competition=CompetitionId(1), task=TASK, block_hash=f"0x{n:064x}"
        )
        for n in range(2)
    ]
    one, two = (set(drawn(pool, 20, 1.0, seed)) for seed in seeds)
    # By chance two of 20 rows in 200 are common.
    assert len(one & two) < 10


def test_tasks_draw_independently_from_one_source() -> None:
    pool = Pool(tuple(a_sample(f"row-{n}") for n in range(200)))
    one = draw(pool, task=TaskName("one"), count=20, seed=SEED)
    two = draw(pool, task=TaskName("two"), count=20, seed=SEED)
    assert len(set(one) & set(two)) < 10


@given(rows(num_unsigned=8), st.integers(1, 8), st.sampled_from([0.1, 0.34, 1.0]), st.randoms())
@settings(max_examples=40)
def test_the_order_of_rows_in_the_pool_does_not_matter(
    samples: list[Sample], count: int, share: float, random: Random
) -> None:
    expected = drawn(samples, count, share)
    assert drawn(random.sample(samples, len(samples)), count, share) == expected


@given(rows_in_strata(num_unsigned=8), st.integers(1, 8), st.sampled_from([0.1, 0.34, 1.0]))
@settings(max_examples=100)
def test_a_draw_is_all_rows_by_rank_spread_cut_at_the_cap_and_spread_again(
    samples: list[Sample], count: int, share: float
) -> None:
    def place(sample: Sample) -> bytes:
        return rank(sample, task=TASK, seed=SEED)

    by_rank = sorted(samples, key=place)
    capped = [s for s in by_rank if s.provenance.signer is None]
    for signer in ("v1", "v2", "v3"):
        theirs = [s for s in by_rank if s.provenance.signer == signer]
        capped += spread(theirs)[: cap_of(samples, count, share)]
    assert drawn(samples, count, share) == tuple(spread(sorted(capped, key=place))[:count])


@given(rows(num_unsigned=9), st.integers(1, 8), st.sampled_from([0.1, 0.2, 0.34, 1.0]), st.data())
@settings(max_examples=100)
def test_a_late_or_missing_row_moves_at_most_two_samples_with_the_signer_cap_too(
    samples: list[Sample], count: int, share: float, data: st.DataObject
) -> None:
    missing = data.draw(st.sampled_from(samples))
    others = [s for s in samples if s != missing]
    assume(cap_of(samples, count, share) == cap_of(others, count, share))
    whole, part = set(drawn(samples, count, share)), set(drawn(others, count, share))
    assert len(whole ^ part) <= 2
    assert whole - part <= {missing}


@given(rows_in_strata(num_unsigned=9), st.integers(1, 8), st.data())
@settings(max_examples=100)
def test_a_late_row_moves_at_most_two_samples_of_strata_without_a_cap(
    samples: list[Sample], count: int, data: st.DataObject
) -> None:
    unsigned = [replace(s, provenance=replace(s.provenance, signer=None)) for s in samples]
    missing = data.draw(st.sampled_from(unsigned))
    whole = set(drawn(unsigned, count, 1.0))
    part = set(drawn([s for s in unsigned if s != missing], count, 1.0))
    assert len(whole ^ part) <= 2
    assert whole - part <= {missing}


@given(
    rows_in_strata(num_unsigned=9), st.integers(1, 8), st.sampled_from([0.1, 0.34, 1.0]), st.data()
)
@settings(max_examples=200)
def test_a_late_row_moves_at_most_four_samples_of_strata_with_the_signer_cap(
    samples: list[Sample], count: int, share: float, data: st.DataObject
) -> None:
    missing = data.draw(st.sampled_from(samples))
    others = [s for s in samples if s != missing]
    assume(cap_of(samples, count, share) == cap_of(others, count, share))
    whole, part = set(drawn(samples, count, share)), set(drawn(others, count, share))
    assert len(whole ^ part) <= 4
    assert len(whole - part - {missing}) <= 1


@given(rows_in_strata(num_unsigned=9), st.integers(1, 9))
@settings(max_examples=100)
def test_strata_have_equal_parts_of_a_draw_while_their_rows_last(
    samples: list[Sample], count: int
) -> None:
    unsigned = [replace(s, provenance=replace(s.provenance, signer=None)) for s in samples]
    there = Counter(s.provenance.stratum for s in unsigned)
    taken = Counter(s.provenance.stratum for s in drawn(unsigned, count, 1.0))
    most = max(taken.values())
    assert all(taken[stratum] >= min(most - 1, there[stratum]) for stratum in there)


@given(rows(num_unsigned=8), st.integers(1, 8), st.sampled_from([0.1, 0.34, 1.0]))
@settings(max_examples=40)
def test_one_stratum_is_drawn_as_if_there_were_none(
    samples: list[Sample], count: int, share: float
) -> None:
    named = [replace(s, provenance=replace(s.provenance, stratum="one")) for s in samples]
    ids = [s.provenance.row_id for s in drawn(named, count, share)]
    assert ids == [s.provenance.row_id for s in drawn(samples, count, share)]
    # What decision 18 says: one walk by rank, a signer at the cap is passed over.
    cap, walked, given_ = cap_of(samples, count, share), [], Counter[str | None]()
    for sample in sorted(samples, key=lambda s: rank(s, task=TASK, seed=SEED)):
        signer = sample.provenance.signer
        given_[signer] += 1
        if signer is None or given_[signer] <= cap:
            walked.append(sample.provenance.row_id)
    assert ids == walked[:count]


@given(rows(), st.integers(1, 12), st.sampled_from([0.1, 0.2, 0.34, 1.0]))
@settings(max_examples=40)
def test_a_draw_takes_exactly_as_many_rows_as_asked_and_keeps_the_cap(
    samples: list[Sample], count: int, share: float
) -> None:
    cap = cap_of(samples, count, share)
    signers = [s.provenance.signer for s in samples]
    num_drawable = sum(
        n if signer is None else min(n, cap)
        for signer, n in ((s, signers.count(s)) for s in set(signers))
    )
    if num_drawable < count:
        with pytest.raises(NotEnoughRows) as caught:
            drawn(samples, count, share)
        assert (caught.value.requested, caught.value.available) == (count, num_drawable)
        return
    taken = drawn(samples, count, share)
    assert len(set(taken)) == len(taken) == count
    per_signer = [s.provenance.signer for s in taken]
    assert all(per_signer.count(s) <= cap for s in set(per_signer) - {None})


def test_rows_are_taken_in_the_order_of_their_rank() -> None:
    pool = [a_sample(f"row-{n}") for n in range(50)]
    ranked = sorted(pool, key=lambda s: rank(s, task=TASK, seed=SEED))
    assert drawn(pool, 10, 1.0) == tuple(ranked[:10])


def test_as_many_rows_as_there_are_may_be_taken_of_any_signer() -> None:
    pool = Pool(tuple(a_sample(f"row-{n}", signer="alice") for n in range(50)))
    ranked = tuple(sorted(pool.samples, key=lambda s: rank(s, task=TASK, seed=SEED)))
    assert first_by_rank(pool, 10, task=TASK, seed=SEED) == ranked[:10]
    assert first_by_rank(pool, 99, task=TASK, seed=SEED) == ranked


def test_an_edited_row_is_another_row() -> None:
    assert rank(a_sample("row"), task=TASK, seed=SEED) != rank(
        a_sample("row", reference="edited"), task=TASK, seed=SEED
    )


@pytest.mark.parametrize(
    ("count", "share", "cap"),
    [(100, 0.29, 29), (10, 0.25, 2), (5, 0.1, 1), (30, 1.0, 30), (3, 1e-5, 1), (300, 0.2, 60)],
)
def test_a_signers_share_is_rounded_down_but_at_least_one(
    count: int, share: float, cap: int
) -> None:
    assert signer_cap(count, share) == cap


@pytest.mark.parametrize(
    ("num_rows", "cap"),
    [
        ([250] * 9, 41),  # 1.25 equal shares of 300
        ([250] * 6, 62),
        ([250] * 5, 75),
        ([250] * 3, 120),  # the schedule's share
        ([2000], 120),
        ([], 120),
        ([250] * 9 + [1], 41),  # a fifteenth of a signer
        ([250] * 9 + [5], 40),
        ([250] * 9 + [15], 37),  # a twentieth of the draw: a whole one
        ([250] * 9 + [1] * 15, 37),
        ([100, 100, 30, 15, 15, 15, 15, 10], 100),  # only this fills the draw
        ([100, 100, 30, 15, 15, 15, 15, 9], 120),  # nothing does
    ],
)
def test_a_signers_cap_is_a_quarter_more_than_an_equal_share_where_that_fills_the_draw(
    num_rows: list[int], cap: int
) -> None:
    assert signer_cap(300, 0.4, num_rows) == cap


@pytest.mark.parametrize(("num_signers", "num_friends"), [(5, 1), (6, 2), (9, 3), (12, 4)])
def test_t51_signers_that_flood_have_no_majority_of_a_draw(
    num_signers: int, num_friends: int
) -> None:
    """A third of the signers with ten times as many rows as each of the others."""
    flood = [2_000] * num_friends + [200] * (num_signers - num_friends)
    assert 2 * num_friends * signer_cap(300, 0.4, flood) < 300


def test_unsigned_rows_fill_a_draw_as_well() -> None:
    assert signer_cap(300, 0.4, [90] * 3 + [15] * 5, num_unsigned=30) == 65
    assert signer_cap(300, 0.4, [90] * 3 + [15] * 5) == 75
    assert signer_cap(300, 0.4, [150] * 2 + [15] * 6, num_unsigned=0) == 105
    assert signer_cap(300, 0.4, [150] * 2 + [15] * 6, num_unsigned=300) == 46


many_rows = st.lists(st.integers(1, 400), min_size=1, max_size=20)


@given(many_rows, st.integers(1, 2000), st.integers(1, 400), st.sampled_from([0.2, 0.4, 1.0]))
@settings(max_examples=300)
def test_t52_no_signer_that_is_added_makes_a_draw_impossible(
    num_rows: list[int], added: int, count: int, share: float
) -> None:
    def drawable(rows_: list[int]) -> int:
        return sum(min(n, signer_cap(count, share, rows_)) for n in rows_)

    if drawable(num_rows) >= count:
        assert drawable([*num_rows, added]) >= count
    # The cap is never above the share, nor below what a draw from equals needs.
    cap = signer_cap(count, share, num_rows)
    assert count // len(num_rows) <= cap or cap == signer_cap(count, share)
    assert cap <= signer_cap(count, share)


@given(st.lists(st.integers(1, 400), min_size=6, max_size=20), st.data())
@settings(max_examples=300)
def test_a_row_more_or_fewer_moves_the_cap_by_little(
    num_rows: list[int], data: st.DataObject
) -> None:
    """A signer with 15 rows or more counts in full; below, each row is a fifteenth of one."""
    assume(sum(min(n, 100) for n in num_rows) > 300)
    place = data.draw(st.integers(0, len(num_rows) - 1))
    fewer = [n - (p == place) for p, n in enumerate(num_rows)]
    assume(sum(n >= 15 for n in fewer) >= 4)
    before, after = signer_cap(300, 0.4, num_rows), signer_cap(300, 0.4, fewer)
    assert abs(before - after) <= 2
    is_least = sum(min(n, after - 1) for n in fewer) <= 300  # every row is needed
    if num_rows[place] > 15 and not is_least:
        assert before == after


@pytest.mark.parametrize(("num_signers", "is_enough"), [(4, False), (5, True), (6, True)])
def test_rows_of_too_few_signers_are_not_drawn(num_signers: int, is_enough: bool) -> None:
    names = [f"v{n % num_signers}" for n in range(60)]
    pool = Pool(tuple(a_sample(f"r{n}", signer=v) for n, v in enumerate(names)))
    if is_enough:
        assert len(draw(pool, task=TASK, count=30, seed=SEED, min_signers=5)) == 30
        return
    with pytest.raises(
        TooFewSigners, match="4 signers with 2 rows or more each, at least 5 are needed"
    ):
        draw(pool, task=TASK, count=30, seed=SEED, min_signers=5)


def signed_rows(**num_rows: int) -> Pool:
    rows = [(v, n) for v, most in num_rows.items() for n in range(most)]
    return Pool(tuple(a_sample(f"{v}-{n:04}", signer=v) for v, n in rows))


def test_a_friend_with_one_row_is_no_signer() -> None:
    def drawn(few: int) -> int:
        pool = signed_rows(v0=2_000, v1=few, v2=few, v3=few, v4=few)
        return len(draw(pool, task=TASK, count=300, seed=SEED, min_signers=5))

    for few in (1, 14):
        with pytest.raises(TooFewSigners, match="1 signers with 15 rows or more each, at least 5"):
            drawn(few)
    assert drawn(15) == 300


@pytest.mark.parametrize(
    ("count", "min_signers", "least"),
    [
        (300, 0, 15),
        (300, 5, 15),
        (300, 10, 15),
        (300, 12, 13),
        (300, 30, 5),
        (12, 5, 1),
        (30, 5, 2),
    ],
)
def test_a_signer_counts_with_a_twentieth_of_the_draw_or_half_an_equal_share(
    count: int, min_signers: int, least: int
) -> None:
    assert least_rows(count, min_signers) == least


def test_where_one_row_is_enough_the_line_says_so() -> None:
    with pytest.raises(TooFewSigners, match="2 signers with a row or more each, at least 5"):
        draw(signed_rows(v0=9, v1=9), task=TASK, count=12, seed=SEED, min_signers=5)


def test_copying_rows_of_a_signer_does_not_make_it_none() -> None:
    honest = signed_rows(v0=100, v1=100, v2=100, v3=20, v4=20)
    texts = [s for s in honest.samples if s.provenance.signer in ("v3", "v4")]
    copies = tuple(
        replace(s, provenance=replace(s.provenance, row_id=f"copy-{n}", signer=Hotkey("copier")))
        for n, s in enumerate(texts[6:25])
    )
    pool = Pool((*honest.samples, *copies))
    assert len(draw(pool, task=TASK, count=300, seed=SEED, min_signers=5)) == 300


@given(
    st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=12), min_size=2, max_size=6),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_t52_signers_that_are_added_never_make_others_too_few(
    parties: list[list[int]], num_added: int, min_signers: int
) -> None:
    """Whatever texts they copy: a text may change its signer, the count of signers does not."""

    def is_enough(some: list[list[int]]) -> bool:
        pool = Pool(
            tuple(
                a_sample(f"v{v}-{n}", prompt=str(text), signer=f"v{v}")
                for v, theirs in enumerate(some)
                for n, text in enumerate(theirs)
            )
        )
        try:
            draw(pool, task=TASK, count=1, seed=SEED, min_signers=min_signers)
        except NotEnoughRows:  # too few signers, or no row at all
            return False
        return True

    assert is_enough(parties) or not is_enough(parties[:-num_added])


def test_too_few_rows_are_said_with_numbers() -> None:
    with pytest.raises(NotEnoughRows, match="asked for 3 samples, 2 qualify"):
        drawn([a_sample("a"), a_sample("b")], 3, 1.0)


def test_the_pool_digest_is_of_rows_contents_signers_and_times() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    one = a_sample("b", produced_at=noon, signer="v1")
    two = a_sample("a")
    rows_: list[JsonValue] = [
        ["a", two.content_hash, None, None],
        ["b", one.content_hash, "v1", "2026-01-01T12:00:00.000000+00:00"],
    ]
    digest = pool_digest(Pool((one, two)))
    assert digest == sha256(canonical_json(rows_)).hexdigest()
    assert digest == pool_digest(Pool((two, one)))


def test_the_pool_digest_has_a_rows_stratum_as_its_fifth_element() -> None:
    sample = a_sample("a", stratum="multi_choice/physics")
    rows_: list[JsonValue] = [["a", sample.content_hash, None, None, "multi_choice/physics"]]
    assert pool_digest(Pool((sample,))) == sha256(canonical_json(rows_)).hexdigest()


def test_the_pool_digest_takes_one_moment_in_any_time_zone() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    elsewhere = noon.astimezone(timezone(timedelta(hours=-8)))
    assert pool_digest(Pool((a_sample(produced_at=noon),))) == pool_digest(
        Pool((a_sample(produced_at=elsewhere),))
    )


@pytest.mark.parametrize(
    "other",
    [
        a_sample("b"),
        a_sample(reference="other"),
        a_sample(signer="v1"),
        a_sample(produced_at=time_of(1)),
        a_sample(stratum="physics"),
        a_sample(reference="yes", choices=("yes", "no")),
    ],
)
def test_the_pool_digest_sees_every_change(other: Sample) -> None:
    assert pool_digest(Pool((other,))) != pool_digest(Pool((a_sample(),)))


def test_the_manifest_digest_is_of_tasks_rows_and_contents_in_order() -> None:
    one, two = a_sample("a"), a_sample("b")
    batches = [a_batch("x", samples=(two, one)), a_batch("y", samples=(one,))]
    rows_: list[JsonValue] = [
        ["x", "b", two.content_hash],
        ["x", "a", one.content_hash],
        ["y", "a", one.content_hash],
    ]
    assert manifest(batches[0]) == (("b", two.content_hash), ("a", one.content_hash))
    expected = sha256(canonical_json(rows_)).hexdigest()
    assert manifest_digest(batches) == expected
    assert manifest_digest(reversed(batches)) != expected


def window_before(lead: int, sync: int, *, delay: int = 400, max_age_s: int = 3_600) -> datetime:
    return collect_window(
        lead_time=time_of(lead),
        blocks_to_sync=sync - lead,
        delay_time=time_of(sync - delay),
        settle_time=time_of(sync - 75),
        max_age_s=max_age_s,
    ).since


def test_the_window_of_a_round_ends_when_rows_have_settled() -> None:
    window = round_window(
        sync_time=time_of(1_000),
        delay_time=time_of(600),
        settle_time=time_of(925),
        max_age_s=3_600,
    )
    assert (window.since, window.until) == (time_of(700), time_of(925))
    assert time_of(700) in window
    assert time_of(925) not in window


def test_t15_the_window_of_a_round_never_reaches_behind_the_delay() -> None:
    # A slow chain: four hours hold fewer blocks than the delay.
    window = round_window(
        sync_time=time_of(1_000),
        delay_time=time_of(900),
        settle_time=time_of(925),
        max_age_s=14_400,
    )
    assert window.since == time_of(900)


@given(
    block_s=st.floats(12, 60),
    jitter=st.floats(-30, 30),
    max_age_s=st.integers(600, 20_000),
    lead=st.integers(1, 50),
    delay_s=st.integers(0, 20_000),
)
@settings(max_examples=40)
def test_the_window_that_is_read_holds_the_window_that_counts(
    block_s: float, jitter: float, max_age_s: int, lead: int, delay_s: int
) -> None:
    lead_time = time_of(1_000) + timedelta(seconds=jitter)
    sync_time = time_of(1_000) + timedelta(seconds=block_s * lead)
    delay_time = sync_time - timedelta(seconds=delay_s)
    settle_time = time_of(1_000) - timedelta(seconds=30)
    assume(max(sync_time - timedelta(seconds=max_age_s), delay_time) < settle_time)
    counts = round_window(
        sync_time=sync_time, delay_time=delay_time, settle_time=settle_time, max_age_s=max_age_s
    )
    read = collect_window(
        lead_time=lead_time,
        blocks_to_sync=lead,
        delay_time=delay_time,
        settle_time=settle_time,
        max_age_s=max_age_s,
    )
    assert read.since <= counts.since
    assert read.until == counts.until


def test_the_window_that_is_read_is_hardly_larger_on_a_punctual_chain() -> None:
    assert window_before(950, 1_000) == time_of(700) - AUTHOR_DRIFT
    assert window_before(999, 1_000, delay=290) == time_of(710)


def test_t42_a_row_made_for_a_known_seed_would_be_drawn_but_is_not_in_the_frozen_pool() -> None:
    frozen = [a_sample(f"row-{n}") for n in range(100)]
    # Once the seed is known, trying row ids until one ranks low is cheap.
    forged = min(
        (a_sample(f"forged-{n}") for n in range(500)),
        key=lambda s: rank(s, task=TASK, seed=SEED),
    )
    assert drawn([*frozen, forged], 5, 1.0)[0] == forged
    assert forged not in drawn(frozen, 5, 1.0)


def test_t42_rows_that_were_late_fall_out_of_the_pool_before_the_draw() -> None:
    window = round_window(
        sync_time=time_of(1_000),
        delay_time=time_of(600),
        settle_time=time_of(925),
        max_age_s=3_600,
    )
    settled = [a_sample(f"row-{n}", produced_at=time_of(700 + n)) for n in range(20)]
    late = [a_sample(f"late-{n}", produced_at=time_of(925 + n)) for n in range(20)]
    pool = Pool((*settled, *late)).within(window)
    assert drawn(list(pool.samples), 10, 1.0) == drawn(settled, 10, 1.0)


def test_after_a_halt_of_the_chain_no_window_is_left() -> None:
    with pytest.raises(ValueError, match="empty window"):
        round_window(
            sync_time=time_of(1_000) + timedelta(hours=9),
            delay_time=time_of(600),
            settle_time=time_of(925),
            max_age_s=3_600,
        )


def reserved(samples: list[Sample], count: int, share: float, num_reserve: int) -> Drawn:
    return draw_with_reserve(
        Pool(tuple(samples)),
        task=TASK,
        count=count,
        seed=SEED,
        signer_share=share,
        min_signers=0,
        num_reserve=num_reserve,
    )


@given(
    rows_in_strata(num_unsigned=9),
    st.integers(1, 8),
    st.sampled_from([0.1, 0.34, 1.0]),
    st.integers(0, 8),
)
@settings(max_examples=100)
def test_a_reserve_changes_no_draw_and_has_rows_of_its_own_each_signer_up_to_its_share(
    samples: list[Sample], count: int, share: float, num_reserve: int
) -> None:
    found = reserved(samples, count, share, num_reserve)
    assert found.samples == drawn(samples, count, share)
    assert found.cap == cap_of(samples, count, share)
    assert len(found.reserve) <= num_reserve
    assert len({*found.samples, *found.reserve}) == count + len(found.reserve)
    by_signer = Counter(s.provenance.signer for s in found.reserve if s.provenance.signer)
    assert all(n <= max(1, found.cap * num_reserve // count) for n in by_signer.values())
    left = len({s.provenance.row_id for s in samples}) - count
    assert num_reserve == 0 or not left or found.reserve


@given(rows(num_unsigned=9), st.integers(1, 8), st.sampled_from([0.34, 1.0]), st.data())
@settings(max_examples=200)
def test_a_late_row_moves_at_most_four_rows_of_a_reserve(
    samples: list[Sample], count: int, share: float, data: st.DataObject
) -> None:
    missing = data.draw(st.sampled_from(samples))
    others = [s for s in samples if s != missing]
    assume(cap_of(samples, count, share) == cap_of(others, count, share))
    whole, part = (reserved(some, count, share, count) for some in (samples, others))
    assert len({*whole.reserve} ^ {*part.reserve}) <= 4
