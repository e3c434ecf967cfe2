"""Rounds whose competition has a base model: odd rows are out before any entry sees them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from sn37.app.audit.auditor import Auditor, AuditResult
from sn37.app.receipts.statements import DEFENCES_VERSION, read_statement
from sn37.app.rounds.screening import ATTEMPTS
from sn37.domain.data.samples import Sample
from sn37.domain.data.screening import ABOVE, BELOW
from sn37.domain.events import Cautioned, Degraded, RoundSatOut, RowsSetAside
from sn37.domain.ids import Block, CompetitionId, Digest, Hotkey, RoundKey, TaskName
from sn37.domain.metagraph import Neuron
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, RoundPlan
from sn37.domain.round.winner import KingOfTheHill
from sn37.domain.schedule.competition import BaseModelRef, Freshness
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.ports.errors import ModelRejected, ScorerUnavailable, StoreUnavailable
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_neuron,
    a_sample,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    an_artifact,
    hex_digest,
    time_of,
)
from sn37.testing.fakes import FakeChain, FakeLiveDataset, FakeSigner, FakeStateStore
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import World, is_signed_by_fake, last
from tests.support.published_rounds import Json, export, sign_all_again

SN18 = 18
SIGNERS = tuple(f"v{n}" for n in range(8))
NUM_SAMPLES = 96
SYNC = Block(1080)
TEXT = TaskName("text")
BASE = BaseModelRef(repo="base/model", revision="b" * 40, tensor_digest=hex_digest("base"))


def a_row(signer: str, number: int, *, block: int = 900) -> Sample:
    return a_sample(f"{signer}/{number:05d}", produced_at=time_of(block), signer=signer)


def honest(num_rows: int = 60, signers: Sequence[str] = SIGNERS, block: int = 900) -> list[Sample]:
    return [a_row(v, n, block=block) for v in signers for n in range(num_rows)]


def schedule(*, base: BaseModelRef | None = BASE) -> Schedule:
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
    tasks = (a_task(source=source, num_samples=NUM_SAMPLES),)
    rules = a_competition(tasks=tasks, delay_blocks=360)
    return a_schedule(a_stage(replace(rules, base_model=base)))


@dataclass(slots=True)
class Screened:
    """A world with a base model, whose losses on the rows of some signers are chosen."""

    rows: Sequence[Sample]
    odd: Mapping[str, float] = field(default_factory=dict)  # by signer: its rows' loss
    members: tuple[Neuron, ...] = ()  # of the subnet, besides the miner
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(
            schedule=schedule(),
            chain=FakeChain(number=Block(900)),
            dataset=FakeLiveDataset(rows=list(self.rows)),
        )
        publish_base(self.world, BASE)
        hotkeys = sorted({str(s.provenance.signer) for s in self.rows})
        self.world.chain.set_members(
            *(
                a_neuron(hotkey, uid=uid, stake_tao=200_000, validator_permit=True)
                for uid, hotkey in enumerate(hotkeys)
            ),
            netuid=SN18,
        )
        if self.members:
            self.world.chain.set_members(*self.members)
        self.world.miner("miner", 1.0)
        self.world.scorer.loss = self.loss

    def loss(self, artifact: ModelArtifact, sample: Sample) -> float:
        spread = int(sample.content_hash[:4], 16) / 0xFFFF
        if artifact.ref.repo != BASE.repo:
            name = artifact.ref.repo.split("/")[0]
            # Of one that is close to the champion: it takes rounds to tell it from luck.
            noise = int(sample.content_hash[4:8], 16) / 0xFFFF - 0.5 if name == "close" else 0.0
            return self.world.qualities[name] * (1.5 + spread) + noise
        return self.odd.get(str(sample.provenance.signer), 2.0) * (0.8 + 0.4 * spread)

    def run(self, *, rounds: int = 1, until: int = 1_300) -> World:
        self.world.run(rounds=rounds, until=until)
        return self.world


def publish_base(world: World, ref: BaseModelRef, *, weights: str = "base") -> None:
    pointer = ModelRef(repo=ref.repo, revision=ref.revision, secure_hash=Digest(""))
    commitment = a_commitment("base", model=pointer)
    artifact = replace(an_artifact(commitment), tensor_digest=hex_digest(weights))
    world.models.publish(commitment, artifact)


def plan_of(world: World) -> RoundPlan:
    return next(plan for key, plan in world.store.memory.plans.items() if key.sync_block == 1080)


def drawn(world: World) -> tuple[Sample, ...]:
    return plan_of(world).draws[0].batch.samples


def signers_of(samples: Sequence[Sample]) -> set[str]:
    return {str(s.provenance.signer) for s in samples}


def audit(memory: Memory) -> AuditResult:
    auditor = Auditor(
        store=FakeStateStore(memory=memory),
        schedule=schedule(),
        fingerprint=Digest("f" * 64),
        rule=KingOfTheHill(),
        verify=is_signed_by_fake,
    )
    return asyncio.run(auditor.run())


FLOOD = [a_row("evil", n) for n in range(500)]


@pytest.mark.parametrize(("loss", "why"), [(12.0, ABOVE), (0.02, BELOW)])
def test_t51_rows_that_are_noise_or_known_by_heart_are_out_before_any_entry_sees_them(
    loss: float, why: str
) -> None:
    world = Screened([*honest(), *FLOOD], odd={"evil": loss}).run()
    base, *entries = world.scorer.jobs
    assert base.artifact.ref.repo == BASE.repo
    (asked,) = base.batches
    assert "evil" in signers_of(asked.samples)
    assert len(asked.samples) == 2 * NUM_SAMPLES
    assert [job.artifact.ref.repo for job in entries] == ["miner/model"]
    assert signers_of(entries[0].batches[0].samples) == set(SIGNERS)
    assert signers_of(drawn(world)) == set(SIGNERS)
    assert len(drawn(world)) == NUM_SAMPLES
    (aside,) = (e for e in world.sink.events if isinstance(e, RowsSetAside))
    assert (aside.why, aside.task) == (why, TEXT)
    assert aside.num_rows == len(aside.row_ids) > 12
    assert all(row.startswith("evil/") for row in aside.row_ids)


def test_t51_half_a_reserve_is_enough_for_all_rows_of_one_signer() -> None:
    half = Screened([*honest(), *FLOOD], odd={"evil": 12.0})
    half.world.schedule = schedule(base=replace(BASE, reserve=0.5))
    world = half.run()
    assert len(world.scorer.jobs[0].batches[0].samples) == NUM_SAMPLES * 3 / 2
    assert signers_of(drawn(world)) == set(SIGNERS)


def test_t51_without_a_base_model_they_would_be_in() -> None:
    world = Screened([*honest(), *FLOOD], odd={"evil": 12.0})
    world.world.schedule = schedule(base=None)
    assert "evil" in signers_of(drawn(world.run()))


def test_t51_two_signers_that_write_noise_do_not_excuse_each_other() -> None:
    second = [a_row("evil-2", n) for n in range(500)]
    odd = {"evil": 12.0, "evil-2": 12.0}
    assert signers_of(drawn(Screened([*honest(), *FLOOD, *second], odd=odd).run())) == set(SIGNERS)


def test_t51_a_signer_that_writes_nothing_but_noise_postpones_no_round() -> None:
    """It is one of five, and five must have rows."""
    world = Screened([*honest(100, SIGNERS[:4]), *FLOOD], odd={"evil": 12.0}).run()
    assert not [e for e in world.sink.events if isinstance(e, RoundSatOut)]
    assert signers_of(drawn(world)) == set(SIGNERS[:4])


def test_t51_odd_rows_stay_where_there_are_no_others() -> None:
    world = Screened([*honest(12, SIGNERS[:7]), *FLOOD], odd={"evil": 12.0}).run()
    assert len(drawn(world)) == NUM_SAMPLES
    assert "evil" in signers_of(drawn(world))
    (caution,) = (e for e in world.sink.events if isinstance(e, Cautioned))
    assert "that are odd for the base model stay" in caution.advice


def test_where_no_row_is_odd_the_round_is_that_of_a_competition_without_a_base() -> None:
    screened, plain = Screened(honest()), Screened(honest())
    plain.world.schedule = schedule(base=None)
    assert drawn(screened.run()) == drawn(plain.run())
    assert len(screened.world.scorer.jobs) == len(plain.world.scorer.jobs) + 1


def test_a_sample_on_which_the_base_fails_is_set_aside_and_nothing_else() -> None:
    rows = honest()
    reference = drawn(Screened(rows).run())
    failing = reference[5]
    broken = Screened(rows)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        is_hit = artifact.ref.repo == BASE.repo and sample == failing
        return math.nan if is_hit else broken.loss(artifact, sample)

    broken.world.scorer.loss = loss
    found = drawn(broken.run())
    assert [n for n in range(NUM_SAMPLES) if found[n] != reference[n]] == [5]


def test_of_several_tasks_those_that_are_no_texts_stay_as_they_were_drawn() -> None:
    def with_letters(base: BaseModelRef | None) -> Schedule:
        rules = schedule(base=base).stages[0].competitions[0]
        (text,) = rules.tasks
        letters = replace(text, name=TaskName("letters"), method=Method.MULTIPLE_CHOICE, weight=0.5)
        return a_schedule(a_stage(replace(rules, tasks=(replace(text, weight=0.5), letters))))

    worlds = [Screened([*honest(), *FLOOD], odd={"evil": 12.0}) for _ in range(2)]
    for screened, base in zip(worlds, (BASE, None), strict=True):
        screened.world.schedule = with_letters(base)
    ours, plain = (plan_of(screened.run()) for screened in worlds)
    assert [batch.task for batch in worlds[0].world.scorer.jobs[0].batches] == [TEXT]
    assert ours.draws[0] != plain.draws[0]
    assert ours.draws[1] == plain.draws[1]
    assert set(ours.screenings or ()) == {TEXT}


def test_what_was_measured_is_recorded_signed_and_follows() -> None:
    world = Screened([*honest(), *FLOOD], odd={"evil": 12.0}).run()
    plan = plan_of(world)
    assert plan.screenings is not None
    assert plan.is_screened
    (signed,) = world.store.memory.statements.values()
    said = read_statement(signed, is_signed_by_fake)
    assert (said.version, said.screenings) == (DEFENCES_VERSION, plan.screenings)
    assert audit(world.store.memory).differences == ()


def change_plan(memory: Memory, change: Callable[[RoundPlan], RoundPlan]) -> list[str]:
    changed = deepcopy(memory)
    (key,) = changed.plans
    changed.plans[key] = change(changed.plans[key])
    return [str(d) for d in audit(changed).differences]


@cache
def recorded() -> Memory:
    return Screened([*honest(), *FLOOD], odd={"evil": 12.0}).run().store.memory


def test_an_audit_finds_rows_that_the_base_models_losses_do_not_choose() -> None:
    def with_losses(value: int) -> Callable[[RoundPlan], RoundPlan]:
        def change(plan: RoundPlan) -> RoundPlan:
            assert plan.screenings is not None
            told = plan.screenings[TEXT]
            losses = tuple(
                value if s == "v0" else x for s, x in zip(told.signers, told.losses, strict=True)
            )
            return replace(plan, screenings={TEXT: replace(told, losses=losses)})

        return change

    differences = change_plan(recorded(), with_losses(300))
    assert any("rows of text" in d for d in differences)
    assert any("rows of text, signers" in d for d in differences)


def test_an_audit_finds_a_round_that_was_not_screened() -> None:
    differences = change_plan(recorded(), lambda plan: replace(plan, screenings=None))
    assert any("not screened" in d for d in differences)


def test_an_audit_finds_a_task_that_was_screened_and_has_no_base() -> None:
    def other_task(plan: RoundPlan) -> RoundPlan:
        assert plan.screenings is not None
        return replace(plan, screenings={TaskName("other"): plan.screenings[TEXT]})

    assert any("rows screened" in d for d in change_plan(recorded(), other_task))


# The base cannot be asked


def test_a_base_model_that_comes_late_delays_the_round_and_changes_nothing() -> None:
    late = Screened([*honest(), *FLOOD], odd={"evil": 12.0})
    rejected = ModelRejected("its template hangs", reason=Reason.TIMEOUT)
    late.world.scorer.failures = [ScorerUnavailable("no device"), rejected]
    late.world.models.base_failures = [StoreUnavailable("base/model: no answer")] * 2
    world = late.run()
    degraded = [e for e in world.sink.events if isinstance(e, Degraded)]
    assert [e.what for e in degraded] == ["base model"] * 4
    assert signers_of(drawn(world)) == set(SIGNERS)
    assert audit(world.store.memory).differences == ()


@pytest.mark.parametrize("reason", [Reason.HUB_UNAVAILABLE, Reason.DEVICE])
def test_t51_a_round_whose_base_cannot_be_asked_is_sat_out_and_not_played_with_odd_rows(
    reason: Reason,
) -> None:
    lost = Screened([*honest(), *FLOOD], odd={"evil": 12.0})
    if reason is Reason.HUB_UNAVAILABLE:
        lost.world.models.private.add(BASE.repo)
    lost.world.scorer.faults[BASE.repo] = ScorerUnavailable("no device")
    world = lost.run()
    (result,) = world.store.memory.results.values()
    assert result.skipped is reason
    (told,) = (e for e in world.sink.events if isinstance(e, RoundSatOut))
    assert told.detail.startswith("the base model gives no losses: ")
    assert len([e for e in world.sink.events if isinstance(e, Degraded)]) == ATTEMPTS - 1
    assert {job.artifact.ref.repo for job in world.scorer.jobs} <= {BASE.repo}
    assert audit(world.store.memory).differences == ()


def test_a_base_with_other_weights_than_the_schedule_says_is_not_asked() -> None:
    forged = Screened(honest())
    publish_base(forged.world, BASE, weights="other")
    world = forged.run()
    assert world.scorer.jobs == []
    assert [r.skipped for r in world.store.memory.results.values()] == [Reason.HUB_UNAVAILABLE]


def test_a_validator_that_is_killed_before_the_base_has_answered_asks_it_again() -> None:
    killed = Screened([*honest(), *FLOOD], odd={"evil": 12.0})
    killed.world.stuck_until = 2_000
    killed.world.scorer.gate = asyncio.Semaphore(0)
    killed.run(until=1_090)
    (plan,) = killed.world.store.memory.plans.values()
    assert not plan.is_screened
    killed.world.stuck_until, killed.world.scorer.gate = 0, None
    world = killed.run()
    assert signers_of(drawn(world)) == set(SIGNERS)
    assert audit(world.store.memory).differences == ()


# Another validator begins with such rounds

NUM_ROUNDS = 11  # enough to be scored again, see ``manifests.MIN_ROUNDS``


def over_time(num_rounds: int) -> list[Sample]:
    """Eight signers that write all the time, and one that writes noise."""
    rows = [
        a_row(signer, number, block=720 + 12 * number)
        for signer in SIGNERS
        for number in range(30 * (num_rounds + 1))
    ]
    return rows + [a_row("evil", n, block=720 + 6 * n) for n in range(60 * (num_rounds + 1))]


def validator(name: str, *, memory: Memory | None = None, folder: Path | None = None) -> Screened:
    members = (
        a_neuron("old", uid=0, stake_tao=1_000, validator_permit=True, last_update=60),
        a_neuron("new", uid=1, stake_tao=900, validator_permit=True),
    )
    screened = Screened(over_time(NUM_ROUNDS), odd={"evil": 12.0}, members=members)
    world = screened.world
    world.chain.hotkey = Hotkey(name)
    world.signer = FakeSigner(hotkey=Hotkey(name))
    if memory is not None:
        world.store = FakeStateStore(memory=deepcopy(memory))
    if folder is not None:
        world.cold_start_from = (folder,)
        world.chain.number = Block(720 + 360 * NUM_ROUNDS + 150)
    return screened


@cache
def published_rounds() -> Memory:
    return validator("old").run(rounds=NUM_ROUNDS, until=6_000).store.memory


def test_t57_a_validator_that_begins_with_screened_rounds_screens_their_rows_itself(
    tmp_path: Path,
) -> None:
    late = validator("new", folder=export(published_rounds(), tmp_path))
    beginning = late.world.begin().beginning
    assert beginning is not None
    assert beginning.way is ColdStart.RECEIPTS
    repos = [job.artifact.ref.repo for job in late.world.scorer.jobs]
    assert BASE.repo in repos
    assert "miner/model" in repos
    assert audit(late.world.store.memory).differences == ()


def test_t57_rounds_whose_losses_are_not_believed_are_scored_again_on_the_rows_that_are_left(
    tmp_path: Path,
) -> None:
    late = validator("new", folder=export(published_rounds(), tmp_path))
    late.world.qualities["miner"] = 0.9  # here it measures other losses than were published
    state = late.world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.MANIFESTS
    jobs = [job for job in late.world.scorer.jobs if job.artifact.ref.repo != BASE.repo]
    assert all("evil" not in signers_of(job.batches[0].samples) for job in jobs)
    assert audit(late.world.store.memory).differences == ()
    late.run(rounds=1, until=6_000)
    assert last(late.world.begin()).skipped is None
    assert audit(late.world.store.memory).differences == ()


def test_t57_losses_of_the_base_that_do_not_choose_the_published_rows_are_refused(
    tmp_path: Path,
) -> None:
    folder = export(published_rounds(), tmp_path)

    def change(statement: Json) -> None:
        told = statement["screenings"]["text"]
        told["losses"] = [
            250 if s == "v0" else x for s, x in zip(told["signers"], told["losses"], strict=True)
        ]

    sign_all_again(folder, statement=change)
    late = validator("new", folder=folder)
    state = late.world.begin()
    assert state.beginning is not None
    assert state.beginning.way is not ColdStart.RECEIPTS
    advice = [e.advice for e in late.world.sink.events if isinstance(e, Cautioned)]
    assert any("rows of text" in line for line in advice)


def test_t57_rows_that_a_validator_left_out_by_false_losses_of_the_base_are_missed(
    tmp_path: Path,
) -> None:
    """It says of three signers that the base finds their rows odd, and scores on the others."""
    lying = validator("old")
    lying.odd = {"evil": 2.0, "v0": 12.0, "v1": 12.0}
    memory = lying.run(rounds=NUM_ROUNDS, until=6_000).store.memory
    late = validator("new", folder=export(memory, tmp_path))
    state = late.world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.NOTHING
    advice = [e.advice for e in late.world.sink.events if isinstance(e, Cautioned)]
    assert any("that its block's hash draws" in line for line in advice)


def test_a_validator_that_cannot_have_the_base_begins_with_nothing_of_others(
    tmp_path: Path,
) -> None:
    late = validator("new", folder=export(published_rounds(), tmp_path))
    late.world.models.private.add(BASE.repo)
    state = late.world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.NOTHING


def test_t57_a_round_that_was_sat_out_for_want_of_the_base_is_scored_later_on_screened_rows(
    tmp_path: Path,
) -> None:
    """Another validator could ask the base; the rows that it names are screened again here."""
    there, here = validator("old"), validator("new")
    for screened in (there, here):
        screened.world.miner("close", 0.985, block=110)
    folder = export(there.run(rounds=3, until=6_000).store.memory, tmp_path)
    here.world.models.private.add(BASE.repo)
    missed = RoundKey(CompetitionId(1), SYNC)
    memory = here.run(rounds=1, until=1_200).store.memory
    assert memory.results[missed].skipped is Reason.HUB_UNAVAILABLE
    assert memory.plans == {}
    here.world.models.private.clear()
    here.world.cold_start_from = (folder,)
    world = here.run(rounds=3, until=2_100)
    assert world.store.memory.results[missed].later is not None
    (draw,) = world.store.memory.plans[missed].draws
    assert signers_of(draw.batch.samples) == set(SIGNERS)
    assert audit(world.store.memory).differences == ()
