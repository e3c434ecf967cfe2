"""Entries in places that newcomers leave free share their time, and nobody blames them for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sn37.app.audit import auditor as auditing_module
from sn37.app.receipts.statements import DEFENCES_VERSION, read_statement
from sn37.app.rounds.conclusion import Conclusion, conclude
from sn37.app.rounds.newcomers import NewcomersTime
from sn37.app.rounds.past_evidence import PastEvidence, past_evidence
from sn37.app.rounds.premises import premises_of
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Block, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.newcomers import newcomers_s
from sn37.domain.round.round_entries import MAX_HOPEFUL
from sn37.domain.round.state import History, OpenRound, Premises, RoundPlan, ValidatorState
from sn37.domain.round.winner import KingOfTheHill
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_plan,
    a_submission,
    an_outcome,
    losses,
)
from sn37.testing.fakes import FakeClock
from tests.support.auditing import audit
from tests.support.fake_world import (
    ONE,
    World,
    by_quality,
    is_signed_by_fake,
    last,
    one_competition,
    rows,
    rows_by_name,
)
from tests.support.published_rounds import NEW, OLD, Subnet, cautions, crowns, export

SCHEDULE = replace(one_competition(num_samples=80), max_new_entries=24)
NUM_BLOCKS = 5
BUDGET_S = newcomers_s(SCHEDULE.timing)
DEADLINE_S = 900.0  # of one model of finney's SN9_MODEL
NAMES = tuple(f"hope{number:02d}" for number in range(MAX_CONTENDERS + MAX_HOPEFUL + 2))
POSTPONED = (Verdict.WAITING, Reason.QUEUED)


def hopeful_world(*newcomers: str) -> World:
    """A champion, and models that are ahead of it, or behind by luck alone, after one round.

    Newcomers are as good as these, and come in the second.
    """
    world = World(schedule=SCHEDULE)
    world.miner("champion", 1.0, block=100)
    for number, name in enumerate(NAMES):
        world.miner(name, 0.992, block=200 + number)
    for number, name in enumerate(newcomers):
        world.miner(name, 0.992, block=750 + number)
    exact = by_quality(world.qualities)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        seed = f"{artifact.ref.repo} {sample.content_hash}".encode()
        noise = int.from_bytes(sha256(seed).digest()[:4]) / 2**32 - 0.5
        return exact(artifact, sample) * (1 + noise / 4)

    world.scorer.loss = loss
    world.scorer.clock = world.clock
    world.run(rounds=1)
    return world


def slow(world: World, *names: str, entry_s: float = DEADLINE_S) -> None:
    for name in names:
        world.scorer.seconds[f"{name}/model"] = entry_s / NUM_BLOCKS


def newest_plan(world: World) -> RoundPlan:
    return world.store.memory.plans[max(world.store.memory.plans)]


def contenders_in(plan: RoundPlan) -> tuple[EntryKey, ...]:
    assert plan.premises is not None
    assert plan.premises.contenders is not None
    return plan.premises.contenders


def in_free_places(plan: RoundPlan) -> list[str]:
    """Whoever was scored before and is neither champion nor contender; there are no newcomers."""
    return [k.hotkey for k in plan.entries if k not in {*contenders_in(plan), plan.champion}]


def scored_in_order(world: World, state: ValidatorState) -> list[str]:
    outcomes = world.store.memory.outcomes[last(state).key]
    return [k.hotkey for k, o in outcomes.items() if o.verdict is Verdict.SCORED]


def test_t59_sixteen_slow_entries_hold_up_a_round_by_the_budget_and_none_is_blamed() -> None:
    world = hopeful_world()
    slow(world, *NAMES)
    before = world.clock.elapsed
    state = world.run(rounds=2)
    plan = newest_plan(world)
    free = in_free_places(plan)
    assert (len(free), len(contenders_in(plan))) == (MAX_HOPEFUL, MAX_CONTENDERS)
    staying_s = MAX_CONTENDERS * DEADLINE_S  # the champion is fast
    assert world.clock.elapsed - before - staying_s == 3 * DEADLINE_S < BUDGET_S + DEADLINE_S
    found = rows(last(state))
    assert [found[name] for name in free].count(POSTPONED) == MAX_HOPEFUL - 3
    assert {found[k.hotkey][0] for k in contenders_in(plan)} == {Verdict.SCORED}
    assert [k.hotkey for k in last(state).postponed] == free[3:]
    assert "its earlier samples still count" in rows_by_name(last(state))[free[3]].detail
    assert not any(s.failures or s.rejection or s.retired for s in state.submissions.values())
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


def test_every_slow_entry_has_its_turn_within_six_rounds() -> None:
    world = hopeful_world()
    slow(world, *NAMES)
    taken: list[set[str]] = []
    for rounds in range(2, 8):
        state = world.run(rounds=rounds, until=6_000)
        assert state.newcomers_s[last(state).key] <= BUDGET_S + DEADLINE_S
        taken.append({*scored_in_order(world, state)})
    waiting = {k.hotkey for k in last(state).postponed}
    assert waiting <= set().union(*taken)
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


def test_a_crowd_of_slow_entries_takes_one_turn_from_honest_newcomers() -> None:
    honest = [f"new{number}" for number in range(8)]
    world = hopeful_world(*honest)
    slow(world, *NAMES)
    slow(world, *honest, entry_s=150.0)
    state = world.run(rounds=2)
    first, second, *others = scored_in_order(world, state)[1 + MAX_CONTENDERS :]
    assert first == honest[0]  # in the third round it is one of the others
    assert second in NAMES
    assert others[:7] == honest[1:]


def test_a_crowd_of_slow_newcomers_leaves_one_turn_to_an_entry_that_others_wait_for() -> None:
    crowd = [f"new{number}" for number in range(8)]
    world = hopeful_world(*crowd)
    slow(world, *crowd)
    state = world.run(rounds=2)
    first, second, *others = scored_in_order(world, state)[1 + MAX_CONTENDERS :]
    assert second in NAMES
    assert [first, *others] == crowd[:3]
    postponed = {k.hotkey for k in last(state).postponed}
    assert {*crowd[3:]} < postponed
    state = world.run(rounds=3)
    following, *others = scored_in_order(world, state)[1 + MAX_CONTENDERS :]
    assert following in postponed & {*NAMES}
    assert others == crowd[3:6]
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_beyond_champion_and_contenders_a_round_takes_the_budget_and_one_deadline_at_most(
    data: st.DataObject,
) -> None:
    """Whatever entries hope, and however long each of them takes."""
    new = [f"new{number}" for number in range(data.draw(st.integers(0, 6)))]
    world = hopeful_world(*new)
    took: dict[str, float] = {}
    for name in (*NAMES, *new):
        took[name] = data.draw(st.sampled_from([0.0, 60.0, 450.0, DEADLINE_S]))
        slow(world, name, entry_s=took[name])
    before = world.clock.elapsed
    state = world.run(rounds=2)
    plan = newest_plan(world)
    assert len(contenders_in(plan)) <= MAX_CONTENDERS
    staying_s = sum(took[key.hotkey] for key in contenders_in(plan))
    assert world.clock.elapsed - before - staying_s < BUDGET_S + DEADLINE_S
    late = [k.hotkey for k in last(state).postponed]
    assert not late or state.newcomers_s[last(state).key] >= BUDGET_S
    assert not any(s.failures for s in state.submissions.values())


class _Killed(Exception):
    """Stands for a crash: nothing handles it."""


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_restart_in_the_middle_changes_neither_turns_nor_who_is_postponed(position: int) -> None:
    undisturbed, killed = hopeful_world(), hopeful_world()
    for world in (undisturbed, killed):
        slow(world, *NAMES)
    whole = undisturbed.run(rounds=2)
    name = in_free_places(newest_plan(undisturbed))[position]
    killed.scorer.fail_after, killed.scorer.faults[f"{name}/model"] = 3, _Killed()
    with pytest.raises(ExceptionGroup):
        killed.run(rounds=2)
    killed.scorer.faults.clear()
    resumed = killed.run(rounds=2)
    assert resumed.rounds == whole.rounds
    assert resumed.newcomers_s == whole.newcomers_s
    assert scored_in_order(killed, resumed) == scored_in_order(undisturbed, whole)
    assert audit(killed.store.memory, schedule=SCHEDULE).differences == ()


def test_the_statement_names_the_contenders() -> None:
    world = hopeful_world()
    slow(world, *NAMES)
    state = world.run(rounds=2)
    signed = world.store.memory.statements[last(state).key]
    said = read_statement(signed, is_signed_by_fake)
    assert (said.version, said.plan().premises) == (DEFENCES_VERSION, newest_plan(world).premises)


def test_a_round_planned_before_contenders_were_named_scores_all_that_were_scored_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def before(*args: object, **named: object) -> Premises:
        premises = premises_of(*args, **named)  # type: ignore[arg-type]
        return replace(premises, missed_defences=None, contenders=None)

    monkeypatch.setattr("sn37.app.actors.opener.premises_of", before)
    world = hopeful_world()
    slow(world, *NAMES)
    state = world.run(rounds=2)
    assert last(state).postponed == ()
    assert last(state).key not in state.newcomers_s
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


def test_an_entry_whose_clock_began_anew_is_a_newcomer_and_has_their_time() -> None:
    commitment = a_commitment("again", 100)
    entry, king = commitment.key, a_commitment("king", 90).key
    known = SimpleNamespace(
        state=SimpleNamespace(submissions={entry: a_submission(commitment)}),
        history=lambda _: History(scored=frozenset({entry, king})),
    )
    time = NewcomersTime(keeper=cast(StateKeeper, known), schedule=SCHEDULE, clock=FakeClock())
    premises = Premises(missed_defences=0, contenders=())
    plan = a_round_plan(champion=king, entries=[king, entry], premises=premises)
    anew = replace(plan, premises=replace(premises, clocks=((entry, Block(500)),)))
    older = replace(anew, premises=replace(premises, missed_defences=None, contenders=None))
    assert [time.is_limited(p, entry) for p in (plan, anew, older)] == [True, True, False]
    assert [time.is_new(p, entry) for p in (plan, anew)] == [False, True]
    assert not time.is_limited(plan, king)


def test_an_audit_has_all_evidence_of_an_entry_that_was_postponed_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = hopeful_world()
    slow(world, *NAMES)
    state = world.run(rounds=3)
    heard: dict[EntryKey, PastEvidence] = {}

    def spy(opened: OpenRound, *, past: PastEvidence, **rest: object) -> Conclusion:
        if opened.plan.key == last(state).key:
            heard.update(dict.fromkeys(last(state).postponed, past))
        return conclude(opened, past=past, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(auditing_module, "conclude", spy)
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()
    assert heard
    keys = newest_plan(world).compared
    stored = asyncio.run(past_evidence(world.store, SCHEDULE, ONE, keys))
    newest = last(state).key.sync_block
    for key, past in heard.items():
        held = {b: values for b, values in stored.of(key).items() if b < newest}
        assert held
        assert past.of(key) == held


def test_a_cold_start_takes_over_rounds_with_postponed_entries_and_goes_on_like_their_validator(
    tmp_path: Path,
) -> None:
    subnet = Subnet()
    names = [f"hope{number:02d}" for number in range(12)]
    on_chain = World(chain=subnet.chain, models=subnet.models, qualities=subnet.qualities)
    for number, name in enumerate(names):
        on_chain.miner(name, 0.992, block=200 + number)
    old = subnet.validator(OLD)
    old.scorer.clock = old.clock
    old.run(rounds=1)
    old.scorer.seconds |= {f"{name}/model": DEADLINE_S / 20 for name in names}
    before = old.run(rounds=3)
    assert last(before).postponed
    published = export(old.store.memory, tmp_path / "old")
    new = subnet.validator(NEW, begin_with=(published,), at=old.chain.number)
    new.scorer.clock, new.scorer.seconds = new.clock, old.scorer.seconds
    adopted = new.begin()
    assert cautions(new) == []
    assert crowns(adopted) == crowns(before)
    assert [r.postponed for r in adopted.rounds[ONE]] == [r.postponed for r in before.rounds[ONE]]
    theirs, ours = old.run(rounds=4), new.run(rounds=4)
    assert last(ours).postponed == last(theirs).postponed
    assert scored_in_order(new, ours) == scored_in_order(old, theirs)
    assert audit(new.store.memory).differences == ()


# whom others wait for


def a_crowning(outcome_of_the_original: tuple[Verdict, Reason | None]) -> Conclusion:
    """A round in which a copy has the evidence for the crown, and so would its original."""
    rules = SCHEDULE.stages[0].competitions[0]
    king, original, copy = (
        a_commitment(name, 100 + number) for number, name in enumerate(("king", "orig", "copy"))
    )
    blocks = [Block(360 * n) for n in range(1, 5)]

    def evidence(share: float) -> dict[Block, tuple[float, ...]]:
        return {
            b: tuple(share * (1.5 + (n * b) % 17 / 17 + (n % 2) / 50) for n in range(80))
            for b in blocks
        }

    key = a_round_key(1, 1_800)
    plan = a_round_plan(
        key,
        champion=king.key,
        entries=[king.key, original.key, copy.key],
        premises=Premises(former=king.key, num_judged=4, missed_defences=0, contenders=(copy.key,)),
    )
    verdict, reason = outcome_of_the_original
    scored = {c.key: an_outcome(c.key) for c in (king, copy)}
    late = an_outcome(original.key, verdict=verdict, reason=reason)
    return conclude(
        OpenRound(
            plan=plan,
            journal={king.key: (losses(*(2.0,) * 16),), copy.key: (losses(*(1.9,) * 16),)},
            outcomes={**scored, original.key: late},
        ),
        rules=rules,
        past=PastEvidence(
            by_entry={
                king.key: evidence(1.0),
                original.key: evidence(0.951),
                copy.key: evidence(0.95),
            },
            origins={},
        ),
        submissions={c.key: a_submission(c) for c in (king, original, copy)},
        rule=KingOfTheHill(),
    )


def test_an_original_for_which_no_time_was_left_is_still_waited_for() -> None:
    alone = a_crowning((Verdict.FAILED, Reason.UNLOADABLE))
    assert alone.result.winner == "copy"
    found = a_crowning(POSTPONED)
    assert found.result.winner == "king"
    assert "orig committed earlier and is as good" in rows_by_name(found.result)["copy"].detail
    assert found.outcomes[a_commitment("orig", 101).key].verdict is Verdict.WAITING
