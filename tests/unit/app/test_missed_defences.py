"""A champion that fails when it likes, and an heir that is never scored."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import pytest

from sn37.app.cold_start.succession import broken_beginning, broken_succession
from sn37.app.receipts.statements import read_statement
from sn37.app.rounds.premises import premises_of
from sn37.domain.data.samples import Sample
from sn37.domain.reasons import Reason
from sn37.domain.records.statement import RoundStatement
from sn37.domain.round.state import Premises
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing.builders import some_samples, time_of
from sn37.testing.fakes import FakeLiveDataset
from tests.support.auditing import audit
from tests.support.fake_world import (
    ONE,
    World,
    by_quality,
    is_signed_by_fake,
    last,
    one_competition,
    rows,
)

SCHEDULE = one_competition(num_samples=80)


def failing_in(rounds: Collection[int], *, reason: Reason = Reason.MEMORY) -> World:
    """The champion fails in these rounds, its challenger, as good but for a hair, never does."""
    rows_of_days = some_samples(6_000, since=time_of(0), every_s=20)
    world = World(schedule=SCHEDULE, dataset=FakeLiveDataset(rows=list(rows_of_days)))
    world.miner("king", 1.0)
    world.miner("other", 0.99001, block=110)
    exact = by_quality(world.qualities)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        judged = sum(r.skipped is None for r in world.store.memory.results.values())
        if artifact.ref.repo == "king/model" and judged + 1 in rounds:
            raise ModelRejected("out of memory", reason=reason)
        return exact(artifact, sample)

    world.scorer.loss = loss
    return world


ALTERNATING = range(2, 100, 2)  # never twice in a row, so that each is forgiven


def test_a_champion_that_fails_in_every_second_round_is_out_at_the_ninth() -> None:
    world = failing_in(ALTERNATING)
    state = world.run(rounds=20, until=20_000)
    winners = [r.winner for r in state.rounds[ONE]]
    assert winners == ["king"] * 17 + ["other"] * 3
    assert rows(state.rounds[ONE][17])["king"] == (Verdict.FAILED, Reason.UNDEFENDED)
    assert rows(last(state))["king"] == (Verdict.FAILED, Reason.UNDEFENDED)  # for good
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


def test_after_restarts_it_ends_in_the_same_round() -> None:
    world = failing_in(ALTERNATING)
    for rounds in range(3, 21, 4):
        state = world.run(rounds=rounds, until=20_000)
    whole = failing_in(ALTERNATING).run(rounds=19, until=20_000)
    assert [r.winner for r in state.rounds[ONE]] == [r.winner for r in whole.rounds[ONE]]


def test_a_champion_that_fails_in_every_third_round_stays() -> None:
    world = failing_in(range(2, 100, 3))
    state = world.run(rounds=25, until=20_000)
    assert {r.winner for r in state.rounds[ONE]} == {"king"}
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()
    newest = max(world.store.memory.plans)
    premises = world.store.memory.plans[newest].premises
    assert premises is not None
    assert premises.missed_defences == 8


def test_rounds_of_before_defences_were_counted_follow_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def before(*args: object, **named: object) -> Premises:
        premises = premises_of(*args, **named)  # type: ignore[arg-type]
        return replace(premises, missed_defences=None, contenders=None)

    world = failing_in(ALTERNATING)
    monkeypatch.setattr("sn37.app.actors.opener.premises_of", before)
    state = world.run(rounds=20, until=20_000)
    assert {r.winner for r in state.rounds[ONE]} == {"king"}
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()
    monkeypatch.undo()  # the program is exchanged: what was missed before counts from here on
    state = world.run(rounds=22, until=20_000)
    assert [r.winner for r in state.rounds[ONE]][20:] == ["king", "other"]
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


@pytest.mark.parametrize("counted", [None, 3])
def test_a_plan_that_counts_otherwise_is_found(counted: int | None) -> None:
    world = failing_in(ALTERNATING)
    world.run(rounds=5)
    memory = deepcopy(world.store.memory)
    newest = max(memory.plans)
    plan = memory.plans[newest]
    assert plan.premises is not None
    assert plan.premises.missed_defences == 2
    premises = replace(plan.premises, missed_defences=counted)
    memory.plans[newest] = replace(plan, premises=premises)
    told = [str(d) for d in audit(memory, schedule=SCHEDULE).differences]
    assert any("missed defences" in line for line in told)


def statements(world: World) -> list[RoundStatement]:
    signed = world.store.memory.statements
    return [read_statement(signed[key], is_signed_by_fake) for key in sorted(signed)]


def broken(before: RoundStatement, now: RoundStatement, seen: tuple[bool, ...] = ()) -> str | None:
    return broken_succession(before, now, with_evidence=(), was_shielded=None, seen=seen)


def counting(statement: RoundStatement, num_missed: int | None) -> RoundStatement:
    assert statement.premises is not None
    return replace(statement, premises=replace(statement.premises, missed_defences=num_missed))


def test_who_offers_rounds_cannot_count_otherwise() -> None:
    world = failing_in({2, 3, 5})
    world.run(rounds=6)
    told = statements(world)
    pairs = list(pairwise(told))
    assert [broken(before, now) for before, now in pairs] == [None] * 5
    for before, now in pairs:
        assert now.premises is not None
        right = now.premises.missed_defences
        assert right is not None
        assert broken(before, counting(now, right + 1)) == (
            "it counts the rounds that its champion missed wrongly"
        )
        assert broken(before, counting(now, None)) == (
            "it does not count the rounds that its champion missed"
        )
        assert broken(counting(before, None), counting(now, None)) is None
    first, second, third, *_ = told
    assert broken(counting(first, None), counting(second, 0)) is None  # of a new champion
    assert broken(counting(first, None), counting(second, 1)) is not None
    assert broken(counting(second, None), counting(third, 5)) is None  # of older rounds


def test_who_offers_rounds_counts_all_missed_ones_that_it_offers() -> None:
    world = failing_in({2, 4, 6})
    world.run(rounds=7)
    told = statements(world)
    seen = (True, False, True, False, True)  # of the reign that began in the first round
    assert broken(told[5], told[6], seen) is None
    dropped = counting(told[6], 2)
    assert broken(told[5], dropped) is None  # who has not seen the reign begin cannot know
    assert broken(told[5], dropped, seen) == (
        "it counts the rounds that its champion missed wrongly"
    )
    whole = (*[False] * 18, *seen)
    assert broken(told[5], told[6], whole) is None
    fewer = (*[False] * 21, True, True)
    assert broken(told[5], told[6], fewer) is not None


def test_a_history_cannot_begin_with_a_champion_that_could_not_be_as_it_says() -> None:
    world = failing_in({2, 4})
    world.run(rounds=6)
    first = statements(world)[5]
    premises = first.premises
    assert premises is not None
    assert broken_beginning(first, num_rounds=5) is None
    assert broken_beginning(replace(first, premises=None), num_rounds=0) is None

    def fault(**changes: object) -> str | None:
        changed = replace(premises, **changes)  # type: ignore[arg-type]
        return broken_beginning(replace(first, premises=changed), num_rounds=30)

    assert fault(num_judged=31) == "it counts 31 earlier rounds, but there were 30"
    assert fault(missed_defences=6) == "its champion missed more rounds than there were"
    protected = "its champion is protected, but took the crown too early or inherited it"
    assert fault(num_judged=24, is_shielded=True) == protected
    assert fault(num_judged=25, is_shielded=True) is None
    assert fault(num_judged=25, is_shielded=True, former=None) == protected


def test_an_heir_that_fails_does_not_inherit() -> None:
    world = World(schedule=SCHEDULE)
    king = world.miner("king", 1.0)
    world.miner("heir", 0.99001, block=110)
    world.miner("third", 0.99002, block=120)
    world.run(rounds=1)
    world.models.private.add(king.model.repo)
    world.run(rounds=3)
    world.scorer.faults = {"heir/model": ModelRejected("too slow", reason=Reason.TIMEOUT)}
    state = world.run(rounds=4)
    assert last(state).winner == "third"
    assert rows(last(state))["heir"] == (Verdict.FAILED, Reason.TIMEOUT)
    assert [s.failures for s in state.submissions.values()] == [0, 1, 0]
    assert audit(world.store.memory, schedule=SCHEDULE).differences == ()


def test_an_heir_that_the_device_failed_is_waited_for_and_does_not_inherit() -> None:
    world = World(schedule=SCHEDULE)
    king = world.miner("king", 1.0)
    world.miner("heir", 0.99001, block=110)
    world.miner("third", 0.99002, block=120)
    world.run(rounds=1)
    world.models.private.add(king.model.repo)
    world.run(rounds=3)
    world.scorer.faults = {"heir/model": ScorerUnavailable("device lost")}
    state = world.run(rounds=4)
    assert last(state).winner == "third"
    assert rows(last(state))["heir"] == (Verdict.FAILED, Reason.DEVICE)
    assert {s.failures for s in state.submissions.values()} == {0}
