"""Rounds over rows that several hotkeys sign: what one of them can do, through a whole round."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sn37.domain.data.samples import Sample
from sn37.domain.events import RoundSatOut, RowsSetAside
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.domain.round.signers import in_scoring_order
from sn37.domain.schedule.competition import Freshness
from sn37.testing.builders import (
    a_competition,
    a_neuron,
    a_sample,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    time_of,
)
from sn37.testing.fakes import FakeChain, FakeLiveDataset
from tests.support.fake_world import World

SIGNERS = tuple(f"v{n}" for n in range(8))
SN18 = 18
NUM_SAMPLES = 96
WORDS = ["the", "a", "model", "answers", "question", "round", "of", "price", "year", "people"]
SYNC = Block(1080)


def row(signer: str, number: int, text: str, *, prompt: str | None = None, age: int = 0) -> Sample:
    return a_sample(
        f"run-{signer}/{number:05d}",
        prompt=f"{signer} asks {number}" if prompt is None else prompt,
        reference=text,
        produced_at=time_of(900 - age),
        signer=signer,
    )


def prose(seed: object) -> str:
    choose = random.Random(str(seed))
    return " ".join(f"{choose.choice(WORDS)}{choose.randint(0, 999)}" for _ in range(40))


def honest(signers: Sequence[str] = SIGNERS, num_rows: int = 60) -> list[Sample]:
    return [row(v, n, prose((v, n))) for v in signers for n in range(num_rows)]


def played(rows: Sequence[Sample]) -> World:
    """A round over these rows, whose source asks for five signers and at most .4 of each."""
    source = a_source(
        "sn18",
        freshness=Freshness.LIVE,
        max_age_s=4_320,
        signers_netuid=SN18,
        min_stake_tao=100_000,
        signer_share=0.4,
        min_signers=5,
        max_deviations=8.0,
    )
    task = a_task(source=source, num_samples=NUM_SAMPLES)
    world = World(
        schedule=a_schedule(a_stage(a_competition(tasks=(task,), delay_blocks=360))),
        chain=FakeChain(number=Block(900)),
        dataset=FakeLiveDataset(rows=list(rows)),
    )
    hotkeys = sorted({str(s.provenance.signer) for s in rows})
    neurons = (
        a_neuron(hotkey, uid=uid, stake_tao=200_000, validator_permit=True)
        for uid, hotkey in enumerate(hotkeys)
    )
    world.chain.set_members(*neurons, netuid=SN18)
    world.miner("miner", 1.0)
    world.run(rounds=1, until=1_300)
    return world


def drawn(world: World) -> tuple[Sample, ...]:
    (plan,) = (p for p in world.store.memory.plans.values() if p.key.sync_block == SYNC)
    (draw,) = plan.draws
    return draw.batch.samples


def signers_of(samples: Sequence[Sample]) -> Counter[str]:
    return Counter(str(s.provenance.signer) for s in samples)


def test_t51_a_signer_that_floods_gives_a_quarter_more_than_an_equal_share_at_most() -> None:
    flood = [row("evil", n, prose(("evil", n))) for n in range(2_000)]
    for others in (SIGNERS, SIGNERS[:6]):
        share = signers_of(drawn(played([*honest(others), *flood])))["evil"] / NUM_SAMPLES
        assert share <= 1.25 / (len(others) + 1)
    assert share > 0.16  # six others: the flood has what it may


def test_t51_who_signed_each_sample_can_be_told_from_the_record() -> None:
    world = played(honest())
    rules = world.schedule.stages[0].competitions[0]
    (plan,) = (p for p in world.store.memory.plans.values() if p.key.sync_block == SYNC)
    assert plan.signers is not None
    told = in_scoring_order(plan.signers, rules)
    assert told == tuple(s.provenance.signer for s in drawn(world))
    (receipts,) = world.store.memory.receipts.values()
    assert len(receipts) == 1
    assert all(hotkey.encode() in receipts[0].document for hotkey in SIGNERS)


@pytest.mark.parametrize(("num_signers", "is_enough"), [(4, False), (5, True)])
def test_t51_with_rows_of_fewer_than_five_signers_the_round_is_postponed(
    num_signers: int, is_enough: bool
) -> None:
    world = played(honest(SIGNERS[:num_signers], num_rows=200))
    skipped = [e for e in world.sink.events if isinstance(e, RoundSatOut)]
    if is_enough:
        assert not skipped
        assert len(drawn(world)) == NUM_SAMPLES
        return
    assert skipped[0].reason is Reason.DATA_UNAVAILABLE
    assert skipped[0].detail == "4 signers with 5 rows or more each, at least 5 are needed"
    assert all(r.skipped is Reason.DATA_UNAVAILABLE for r in world.store.memory.results.values())


@pytest.mark.parametrize("num_large", [1, 3])
def test_t51_signers_with_a_row_each_do_not_open_a_round(num_large: int) -> None:
    large = honest(SIGNERS[:num_large], num_rows=400)
    world = played([*large, *honest(SIGNERS[num_large:5], num_rows=1)])
    skipped = [e for e in world.sink.events if isinstance(e, RoundSatOut)]
    told = f"{num_large} signers with 5 rows or more each, at least 5 are needed"
    assert skipped[0].detail == told


def stolen(rows: Sequence[Sample], thief: str = "evil", *, first: int = 0) -> list[Sample]:
    """The rows again under another name, written an hour earlier by its clock."""
    return [
        row(thief, first + n, s.reference, prompt=s.prompt, age=300) for n, s in enumerate(rows)
    ]


def test_t52_a_signer_that_repeats_all_rows_earlier_takes_none_of_them() -> None:
    rows = honest()
    assert signers_of(drawn(played([*rows, *stolen(rows)])))["evil"] == 0
    assert drawn(played([*rows, *stolen(rows)])) == drawn(played(rows))


def test_t52_nor_under_many_row_ids_in_other_letters_or_with_more_space() -> None:
    rows = honest()
    often = [s for n in range(3) for s in stolen(rows, first=n * len(rows))]
    loud = [
        replace(s, reference=f"  {s.reference.upper()}\n", prompt=s.prompt.title())
        for s in stolen(rows)
    ]
    for copies in (often, loud):
        assert drawn(played([*rows, *copies])) == drawn(played(rows))


def test_t52_hotkeys_of_one_owner_take_names_of_texts_and_no_text() -> None:
    """Each copies fewer rows than their signers have, so that the copies count."""
    rows = honest()
    copies = [s for n in range(4) for s in stolen(rows[n * 100 : n * 100 + 50], f"evil-{n}")]
    world = played([*rows, *copies])
    samples = drawn(world)
    texts = {(s.prompt, s.reference) for s in samples}
    assert texts <= {(s.prompt, s.reference) for s in rows}
    assert len(texts) == len(samples) == NUM_SAMPLES
    assert max(signers_of(samples).values()) <= NUM_SAMPLES * 2 / 9


def test_t52_copies_from_before_the_rounds_window_take_no_text_along() -> None:
    """Rows are read from a minute before the window, since its beginning is not known yet."""
    rows = honest(num_rows=30)
    copies = [s for n in range(4) for s in stolen(rows[n * 60 : n * 60 + 29], f"evil-{n}")]
    reference = drawn(played(rows))
    for seconds in range(0, 120, 6):
        early = time_of(SYNC) - timedelta(seconds=4_320 + 60 - seconds)
        old = [replace(s, provenance=replace(s.provenance, produced_at=early)) for s in copies]
        texts = {(s.prompt, s.reference) for s in drawn(played([*rows, *old]))}
        assert len(texts) == NUM_SAMPLES
        if time_of(SYNC) - early > timedelta(seconds=4_320):  # outside: as if they were not there
            assert texts == {(s.prompt, s.reference) for s in reference}


def test_t52_a_sentence_with_a_counter_is_one_row() -> None:
    near = [
        row("evil", n, f"The same sentence, over and over, with a counter at its end: {n}")
        for n in range(2_000)
    ]
    world = played([*honest(), *near])
    assert signers_of(drawn(world))["evil"] <= 1
    (aside,) = (e for e in world.sink.events if isinstance(e, RowsSetAside))
    assert (aside.num_rows, aside.why) == (1_999, "nearly the text of another row of its signer")


def test_t52_a_flood_of_short_rows_sets_no_long_ones_aside() -> None:
    short = [row("evil", n, f"{n}") for n in range(3_000)]
    world = played([*honest(), *short])
    assert not [e for e in world.sink.events if isinstance(e, RowsSetAside)]
    assert signers_of(drawn(world))["evil"] <= NUM_SAMPLES * 2 / 9


def test_t52_a_signer_with_one_row_postpones_no_round_by_lowering_the_cap() -> None:
    """Two signers with many rows and four with few: only just enough for the draw."""
    many = honest(SIGNERS[:2], num_rows=300)
    few = honest(SIGNERS[2:6], num_rows=5)
    assert len(drawn(played([*many, *few]))) == NUM_SAMPLES
    assert len(drawn(played([*many, *few, row("evil", 0, prose("one"))]))) == NUM_SAMPLES
