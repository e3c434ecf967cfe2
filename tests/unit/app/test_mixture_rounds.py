"""Rounds over a mixture: a live, signed feed beside static pages and a quiz, in one task."""

from __future__ import annotations

import asyncio
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from sn37.app.cold_start.resampling import require_drawn
from sn37.app.receipts.files import publish, read_receipt
from sn37.app.replay.rescore import batches_of, rescore
from sn37.app.replay.rescored import Agreement
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.data.samples import Sample
from sn37.domain.data.sampling import manifest
from sn37.domain.events import PoolFrozen, RoundSatOut
from sn37.domain.ids import Block, Hotkey
from sn37.domain.round.state import ColdStart, RoundPlan, TaskDraw
from sn37.domain.schedule.competition import BaseModelRef, Freshness, Source
from sn37.domain.schedule.mixture import mixed
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.ports.errors import DatasetUnavailable, OfferRefused
from sn37.testing.builders import (
    a_batch,
    a_commitment,
    a_competition,
    a_neuron,
    a_receipt,
    a_sample,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    an_artifact,
    hex_digest,
    some_samples,
    time_of,
)
from sn37.testing.fakes import FakeChain, FakeLiveDataset, FakeScorer, FakeStaticDataset
from sn37.testing.fakes.dataset import FakePlugin
from sn37.testing.fakes.state_store import Memory
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World
from tests.support.published_rounds import NEW, OLD, Subnet, crowns, export

SN18 = 18
SIGNERS = tuple(f"v{n}" for n in range(8))
FEED = a_source(
    "feed",
    freshness=Freshness.LIVE,
    max_age_s=4_320,
    signers_netuid=SN18,
    min_stake_tao=100_000,
    signer_share=0.4,
    min_signers=5,
)
PAGES, QUIZ = a_source("pages"), a_source("quiz")
COUNTS = ((FEED, 192.0), (PAGES, 96.0), (QUIZ, 32.0))
BASE = BaseModelRef(repo="base/model", revision="b" * 40, tensor_digest=hex_digest("base"))


def schedule(
    parts: tuple[tuple[Source, float], ...] = COUNTS, base: BaseModelRef | None = None
) -> Schedule:
    whole = a_task("mix", num_samples=int(sum(count for _, count in parts)))
    rules = a_competition(tasks=mixed(whole, parts), delay_blocks=360)
    return a_schedule(a_stage(replace(rules, base_model=base)))


@cache
def feed(signers: tuple[str, ...] = SIGNERS, num_rows: int = 5_000) -> tuple[Sample, ...]:
    """A row every ten seconds, of each signer in turn."""
    return tuple(
        a_sample(
            f"{signers[n % len(signers)]}/{n:05d}",
            produced_at=time_of(n * 10 // 12),
            signer=signers[n % len(signers)],
        )
        for n in range(num_rows)
    )


def fed(world: World, rules: Schedule, rows: tuple[Sample, ...] | None = None) -> World:
    """The world with the mixture's schedule and sources."""
    world.schedule = rules
    world.dataset = FakeLiveDataset(rows=list(feed() if rows is None else rows))
    world.sources = {
        "pages": FakePlugin(source=FakeStaticDataset(rows=some_samples(1000))),
        "quiz": FakePlugin(source=FakeStaticDataset(rows=some_samples(900))),
    }
    world.chain.set_members(
        *(
            a_neuron(hotkey, uid=uid, stake_tao=200_000, validator_permit=True)
            for uid, hotkey in enumerate(SIGNERS)
        ),
        netuid=SN18,
    )
    return world


def a_world(rules: Schedule | None = None, rows: tuple[Sample, ...] | None = None) -> World:
    world = fed(World(chain=FakeChain(number=Block(900))), rules or schedule(), rows)
    world.miner("first", 1.0)
    world.miner("better", 0.9, block=110)
    return world


def plan_of(world: World) -> RoundPlan:
    return min(world.store.memory.plans.values(), key=lambda plan: plan.key.sync_block)


def drawn(world: World) -> dict[str, list[str]]:
    return {
        draw.batch.task: [s.provenance.row_id for s in draw.batch.samples]
        for draw in plan_of(world).draws
    }


def sat_out(world: World) -> RoundSatOut:
    return next(e for e in world.sink.events if isinstance(e, RoundSatOut))


@cache
def played() -> World:
    """Played once in a process; not for changing."""
    world = a_world()
    world.run(rounds=2)
    return world


def test_each_source_gives_its_count_and_only_the_live_one_is_frozen() -> None:
    found = drawn(played())
    assert {task: len(rows) for task, rows in found.items()} == {
        "mix/feed": 192,
        "mix/pages": 96,
        "mix/quiz": 32,
    }
    frozen = {e.task for e in played().sink.events if isinstance(e, PoolFrozen)}
    assert frozen == {"mix/feed"}


def test_every_16_samples_that_are_scored_represent_the_mixture() -> None:
    (job, *_) = played().scorer.jobs
    done: Counter[str] = Counter()
    for block in job.blocks():
        done[block.task] += block.stop - block.first
        if done.total() % BLOCK_SAMPLES == 0:
            for task, count in (("mix/feed", 192), ("mix/pages", 96), ("mix/quiz", 32)):
                assert abs(done[task] - done.total() * count / 320) < 1
    assert done.total() == 320


def test_the_better_model_wins_and_its_row_has_a_score_for_each_source() -> None:
    result = played().keeper_state.rounds[ONE][-1]
    assert result.winner == "better"
    (row,) = (e for e in result.entries if e.key.hotkey == "better")
    assert [score.task for score in row.tasks] == ["mix/feed", "mix/pages", "mix/quiz"]
    assert row.score == pytest.approx(sum(score.weighted for score in row.tasks))


def test_a_source_more_changes_no_row_of_the_others() -> None:
    two = a_world(schedule(COUNTS[:2]))
    two.run(rounds=1)
    mine = drawn(played())
    assert drawn(two) == {task: mine[task] for task in ("mix/feed", "mix/pages")}


def test_a_source_that_does_not_answer_holds_up_the_whole_task_and_changes_no_row() -> None:
    world = a_world()
    quiz = FakeStaticDataset(
        rows=some_samples(900), failures=[DatasetUnavailable("quiz is down")] * 3
    )
    world.sources["quiz"] = FakePlugin(source=quiz)
    world.run(rounds=1)
    assert len(quiz.draws) == 4
    assert drawn(world) == drawn(played())


def test_without_one_of_its_sources_nothing_of_a_mixture_is_scored() -> None:
    world = a_world()
    quiz = FakeStaticDataset(failures=[DatasetUnavailable("quiz is down")] * 1000)
    world.sources["quiz"] = FakePlugin(source=quiz)
    world.run(rounds=1, until=1_400)
    assert quiz.draws
    assert not world.scorer.jobs


def test_too_few_signers_of_one_source_postpone_the_whole_task() -> None:
    world = a_world(rows=feed(SIGNERS[:4]))
    world.run(rounds=1, until=1_500)
    assert sat_out(world).detail == "4 signers with 10 rows or more each, at least 5 are needed"
    assert not world.scorer.jobs


def test_no_signer_gives_more_than_its_cap_of_its_own_source() -> None:
    given = Counter(row.split("/")[0] for row in drawn(played())["mix/feed"])
    assert set(given) == set(SIGNERS)
    assert max(given.values()) <= 192 * 1.25 / len(SIGNERS)


def test_an_audit_derives_all_of_it_again() -> None:
    found = audit(played().store.memory, schedule())
    assert found.differences == ()
    assert found.rounds == 2


def test_a_receipt_is_scored_again_to_the_last_bit() -> None:
    world = played()
    (rules,) = world.schedule.stages[0].competitions
    signed = next(
        r
        for key, receipts in world.store.memory.receipts.items()
        if key == plan_of(world).key
        for r in receipts
        if read_receipt(publish(r))[0].commitment.hotkey == "first"
    )
    receipt = read_receipt(publish(signed))[0]
    at_hand = {d.batch.task: d.batch.samples for d in plan_of(world).draws}
    artifact = next(
        s.artifact for k, s in world.store.memory.submissions.items() if k.hotkey == "first"
    )
    assert artifact is not None
    found = asyncio.run(
        rescore(
            receipt,
            rules=rules,
            batches=batches_of(receipt, rules, at_hand),
            artifact=artifact,
            tokenizer=None,
            scorer=FakeScorer(loss=world.scorer.loss),
            environment=lambda: {"device": "fake"},
        )
    )
    assert found.agreement is Agreement.EQUAL


# The base model screens the signed source alone


def test_odd_rows_of_one_source_are_replaced_by_rows_of_that_source() -> None:
    world = a_world(schedule(base=BASE))
    pointer = ModelRef(repo=BASE.repo, revision=BASE.revision, secure_hash=hex_digest("s"))
    commitment = a_commitment("base", model=pointer)
    world.models.publish(
        commitment, replace(an_artifact(commitment), tensor_digest=hex_digest("base"))
    )
    plain = world.scorer.loss

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        if artifact.ref.repo != BASE.repo:
            return plain(artifact, sample)
        spread = int(sample.content_hash[:4], 16) / 0xFFFF
        return (20.0 if sample.provenance.signer == "v0" else 2.0) * (0.8 + 0.4 * spread)

    world.scorer.loss = loss
    world.run(rounds=1)
    assert [batch.task for batch in world.scorer.jobs[0].batches] == ["mix/feed"]
    assert plan_of(world).screenings is not None
    found, before = drawn(world), drawn(played())
    assert {task: len(rows) for task, rows in found.items()} == {
        task: len(rows) for task, rows in before.items()
    }
    assert not any(row.startswith("v0/") for row in found["mix/feed"])
    assert any(row.startswith("v0/") for row in before["mix/feed"])
    assert found["mix/pages"] == before["mix/pages"]
    assert audit(world.store.memory, schedule(base=BASE)).differences == ()


# Other validators


@cache
def subnet() -> Subnet:
    return Subnet()


def validator(name: str, **options: object) -> World:
    world = subnet().validator(name, **options)  # type: ignore[arg-type]
    return fed(world, schedule())


@cache
def history() -> tuple[Memory, Block]:
    world = validator(OLD)
    world.run(rounds=4, until=6_000)
    return world.store.memory, world.chain.number


def test_a_validator_that_starts_later_begins_with_the_rounds_of_another(tmp_path: Path) -> None:
    memory, head = history()
    late = validator(NEW, begin_with=(export(memory, tmp_path / "old"),), at=head)
    late.run(rounds=5, until=8_000)
    ahead = validator(OLD, memory=memory, at=head)
    ahead.run(rounds=5, until=8_000)
    assert late.keeper_state.beginning is not None
    assert late.keeper_state.beginning.way is ColdStart.RECEIPTS
    assert crowns(late.keeper_state) == crowns(ahead.keeper_state)


def test_a_missed_round_is_scored_later_on_the_rows_that_another_names(tmp_path: Path) -> None:
    memory, _ = history()
    folder = export(memory, tmp_path / "old")
    away = validator(NEW)
    away.run(rounds=3, until=6_000)
    missed = max(memory.results)
    back = validator(
        NEW,
        memory=away.store.memory,
        begin_with=(folder,),
        at=missed.sync_block + 3,
    )
    back.models = deepcopy(subnet().models)
    back.run(rounds=5, until=6_000)
    result = next(r for r in back.keeper_state.rounds[ONE] if r.key == missed)
    assert result.later is not None
    assert result.manifest_digest == memory.results[missed].manifest_digest
    theirs = {e.key: e for e in memory.results[missed].entries if e.num_samples}
    for entry in result.entries:
        assert entry.tasks == theirs[entry.key].tasks
    assert Hotkey(OLD) == result.later.source


@pytest.mark.parametrize(("num_quiz", "num_feed", "is_drawn"), [(1, 0, True), (1, 2, False)])
def test_what_another_validator_may_draw_differently_is_counted_over_the_whole_mixture(
    num_quiz: int, num_feed: int, is_drawn: bool
) -> None:
    """One late row of three in the quiz is one of 21 in all."""
    batches = {"mix/feed": some_samples(18), "mix/quiz": some_samples(3)}
    draws = [
        TaskDraw(batch=a_batch(task, samples=samples), pool_size=50, pool_digest=hex_digest(task))
        for task, samples in batches.items()
    ]
    late = {"mix/feed": num_feed, "mix/quiz": num_quiz}
    named = {
        draw.batch.task: tuple(
            (f"late-{row}" if n < late[draw.batch.task] else row, content)
            for n, (row, content) in enumerate(manifest(draw.batch))
        )
        for draw in draws
    }
    if is_drawn:
        require_drawn(a_receipt(manifest=named), draws, "old")
        return
    with pytest.raises(OfferRefused, match="only 18 of 21 samples of mix are those that"):
        require_drawn(a_receipt(manifest=named), draws, "old")
