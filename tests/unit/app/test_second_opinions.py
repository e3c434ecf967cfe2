"""Before a crown passes, a second implementation is asked; what comes of it, also after a crash."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from sn37.domain.data.samples import Sample
from sn37.domain.events import Degraded, Dependency, SecondOpinionGiven
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.scoring.opinion import View
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ModelRejected, ScorerUnavailable, StoreUnavailable
from tests.support.fake_world import ONE, World, last, rows, rows_by_name

Loss = Callable[[ModelArtifact, Sample], float]


class Killed(Exception):
    """Stands for a crash: nothing handles it."""


def asked(world: World) -> list[str]:
    """The repositories that the second implementation was asked about, in order."""
    return [job.artifact.ref.repo.partition("/")[0] for job in world.scorer.opinions]


def views(world: World) -> list[tuple[str, View]]:
    given = [e.opinion for e in world.sink.events if isinstance(e, SecondOpinionGiven)]
    return [(o.key.hotkey, o.view) for o in given]


def forging(*names: str) -> World:
    """A first, a better and the best, of which those named have losses of twice what they say."""
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("better", 0.9, block=110)
    world.miner("best", 0.8, block=120)
    ours = world.scorer.loss

    def second(artifact: ModelArtifact, sample: Sample) -> float:
        forged = artifact.ref.repo.partition("/")[0] in names
        return ours(artifact, sample) * (2 if forged else 1)

    world.scorer.second = second
    return world


def winners(state: ValidatorState) -> list[str | None]:
    return [r.winner for r in state.rounds[ONE]]


def test_the_crown_passes_to_one_that_both_implementations_agree_on() -> None:
    world = forging()
    state = world.run()
    assert last(state).winner == "best"
    assert asked(world) == ["best"]
    assert views(world) == [("best", View.AGREES)]
    (job,) = world.scorer.opinions
    assert sum(len(batch.samples) for batch in job.batches) == 8


def test_t50_one_that_the_second_implementation_contradicts_is_set_aside_for_the_next() -> None:
    world = forging("best")
    state = world.run()
    assert last(state).winner == "better"
    assert asked(world) == ["best", "better"]
    seen = rows_by_name(last(state))
    assert (seen["best"].verdict, seen["best"].reason) == (Verdict.FAILED, Reason.UNSOUND)
    assert "by the second implementation" in seen["best"].detail
    assert seen["best"].score is None
    assert views(world) == [("best", View.DIFFERS), ("better", View.AGREES)]


def test_t50_when_all_are_contradicted_nobody_is_crowned() -> None:
    world = forging("first", "better", "best")
    state = world.run()
    assert last(state).winner is None
    assert {reason for _, reason in rows(last(state)).values()} == {Reason.UNSOUND}


def test_t50_a_forger_is_out_for_good_after_its_second_round() -> None:
    world = forging("best")
    state = world.run(rounds=3)
    assert winners(state) == ["better"] * 3
    assert asked(world).count("best") == 2
    (forger,) = (s for s in state.submissions.values() if s.commitment.hotkey == "best")
    assert (forger.failures, forger.rejection) == (2, Reason.UNSOUND)


def test_t50_whoever_was_stopped_against_a_forged_loss_stays_in_the_race() -> None:
    world = World()
    world.miner("forger", 0.1, block=100)
    world.miner("honest", 1.0, block=110)
    ours = world.scorer.loss
    world.scorer.second = lambda artifact, sample: (
        ours(artifact, sample) * (20 if artifact.ref.repo == "forger/model" else 1)
    )
    state = world.run(rounds=2)
    assert rows(state.rounds[ONE][0])["forger"] == (Verdict.FAILED, Reason.UNSOUND)
    assert winners(state) == ["honest"] * 2
    assert not next(
        s for s in state.submissions.values() if s.commitment.hotkey == "honest"
    ).retired


def test_t50_a_model_that_the_second_implementation_refuses_is_set_aside() -> None:
    world = forging()
    world.scorer.second_failures = [ModelRejected("no such layer", reason=Reason.UNLOADABLE)]
    state = world.run()
    seen = rows_by_name(last(state))
    assert last(state).winner == "better"
    assert (seen["best"].verdict, seen["best"].reason) == (Verdict.FAILED, Reason.UNSOUND)
    assert "unloadable: no such layer" in seen["best"].detail


@pytest.mark.parametrize(
    ("failure", "what"),
    [
        (ScorerUnavailable("device lost"), Dependency.SCORER),
        (StoreUnavailable("hub"), Dependency.MODEL_HOST),
    ],
)
def test_a_failure_of_ours_is_tried_again_reported_and_changes_nothing(
    failure: Exception, what: Dependency
) -> None:
    world = forging()
    world.scorer.second_failures = [failure, failure]
    state = world.run()
    assert last(state).winner == "best"
    assert asked(world) == ["best"] * 3
    assert [e.what for e in world.sink.events if isinstance(e, Degraded)] == [what] * 2
    assert state.rounds == forging().run().rounds


def test_without_a_second_opinion_the_crown_waits_and_it_is_asked_again_in_the_next_round() -> None:
    world = World()
    world.miner("champion", 1.0, block=100)
    world.miner("better", 0.9, block=750)  # too young for the first round
    world.run(rounds=1)
    world.scorer.second_failures = [ScorerUnavailable(f"lost {n}") for n in range(3)]
    state = world.run(rounds=3)
    waited, passed = state.rounds[ONE][1:3]
    assert rows(waited)["better"] == (Verdict.FAILED, Reason.DEVICE)
    assert "no second opinion is available" in rows_by_name(waited)["better"].detail
    assert (waited.winner, passed.winner) == ("champion", "better")
    assert {s.failures for s in state.submissions.values()} == {0}


def test_a_champion_is_asked_about_once_and_keeps_its_crown_when_nobody_answers() -> None:
    world = World()
    world.miner("champion", 1.0)
    world.scorer.second_failures = []
    state = world.run(rounds=3)
    assert asked(world) == ["champion"]
    assert winners(state) == ["champion"] * 3


def test_on_a_new_machine_the_champion_is_checked_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.miner("champion", 1.0)
    world.run(rounds=2)
    monkeypatch.setattr("tests.support.fake_world.DEVICE", "another")
    state = world.run(rounds=4)
    assert asked(world) == ["champion"] * 2
    assert winners(state) == ["champion"] * 4


def test_a_champion_that_a_new_machine_cannot_check_keeps_its_crown_and_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.miner("champion", 1.0)
    world.run(rounds=1)
    monkeypatch.setattr("tests.support.fake_world.DEVICE", "another")
    world.scorer.second_failures = [ScorerUnavailable(f"lost {n}") for n in range(3)]
    state = world.run(rounds=3)
    assert winners(state) == ["champion"] * 3
    assert [rows(r)["champion"][0] for r in state.rounds[ONE]] == [Verdict.SCORED] * 3
    assert asked(world) == ["champion"] * 5  # the first crown, three attempts, the round after


def test_t50_a_champion_that_a_new_machine_contradicts_loses_its_crown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.miner("champion", 0.9, block=100)
    world.miner("runner-up", 0.8911, block=110)  # short of the margin by a hair
    world.run(rounds=1)
    monkeypatch.setattr("tests.support.fake_world.DEVICE", "another")
    ours = world.scorer.loss
    world.scorer.second = lambda artifact, sample: (
        ours(artifact, sample) * (2 if artifact.ref.repo == "champion/model" else 1)
    )
    state = world.run(rounds=2)
    assert winners(state) == ["champion", "runner-up"]
    assert rows(last(state))["champion"] == (Verdict.FAILED, Reason.UNSOUND)


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.MEMORY])
def test_t59_a_champion_for_which_the_second_implementation_is_too_slow_or_large_keeps_its_crown(
    monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    """It takes more time and memory than ours, which scored the champion well."""
    world = World()
    world.miner("champion", 1.0)
    world.run(rounds=1)
    monkeypatch.setattr("tests.support.fake_world.DEVICE", "another")
    world.scorer.second_failures = [ModelRejected("loading computed for 50 s", reason=reason)]
    state = world.run(rounds=3)
    assert winners(state) == ["champion"] * 3
    assert asked(world) == ["champion"] * 3  # again in the round after
    assert {s.failures for s in state.submissions.values()} == {0}


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.MEMORY])
def test_t59_but_nobody_is_crowned_who_is_too_slow_to_be_checked(reason: Reason) -> None:
    world = forging()
    world.scorer.second_failures = [ModelRejected("loading computed for 50 s", reason=reason)]
    state = world.run()
    assert last(state).winner == "better"
    assert rows(last(state))["best"] == (Verdict.FAILED, Reason.UNSOUND)


def test_t48_a_lost_sample_of_the_eight_convicts_nobody() -> None:
    undisturbed = forging()
    undisturbed.run()
    (job,) = undisturbed.scorer.opinions
    lost = job.batches[0].samples[0]
    world = forging()
    ours = world.scorer.loss
    world.scorer.second = ours
    world.scorer.loss = lambda artifact, sample: (
        math.nan if sample == lost else ours(artifact, sample)
    )
    state = world.run()
    assert last(state).winner == "best"
    (opinion,) = (e.opinion for e in world.sink.events if isinstance(e, SecondOpinionGiven))
    assert opinion.view is View.AGREES
    assert max(s.ours for s in opinion.samples) > 5 * max(s.theirs for s in opinion.samples)


@pytest.mark.parametrize("num_opinions", [0, 1, 2])
def test_a_validator_killed_between_opinions_comes_to_the_same_round(num_opinions: int) -> None:
    undisturbed = forging("best")
    expected = undisturbed.run()
    world = forging("best")
    second = world.scorer.second
    assert second is not None
    calls = 0

    def killed_once(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal calls
        calls += 1
        if calls == 8 * num_opinions + 1:
            raise Killed
        return second(artifact, sample)

    world.scorer.second = killed_once
    if num_opinions < 2:
        with pytest.raises(ExceptionGroup):
            world.run()
    resumed = world.run()
    assert resumed.rounds == expected.rounds
    assert documents(world) == documents(undisturbed)


def documents(world: World) -> list[bytes]:
    memory = world.store.memory
    receipts = [r.document for held in memory.receipts.values() for r in held]
    return [*receipts, *(s.document for s in memory.statements.values())]


def test_the_opinion_is_on_the_receipt_and_in_the_statement() -> None:
    world = forging("best")
    key = last(world.run()).key
    memory = world.store.memory
    receipts = {d["hotkey"]: d for d in (json.loads(r.document) for r in memory.receipts[key])}
    assert receipts["best"]["opinion"]["view"] == "differs"
    assert receipts["better"]["opinion"]["view"] == "agrees"
    assert receipts["first"]["opinion"] is None
    for sample in receipts["best"]["opinion"]["samples"]:
        task, position, ours, theirs = sample
        assert ours == receipts["best"]["losses"][task][position]
        assert theirs == 2 * ours
    statement = json.loads(memory.statements[key].document)
    assert [o["key"]["hotkey"] for o in statement["opinions"]] == ["best", "better"]
    assert statement["version"] == 5
    assert all(len(d["controls"]) == len(d["losses"]["text"]) // 16 for d in receipts.values())


def test_t50_controls_that_cost_too_little_end_the_entry_as_soon_as_that_is_certain() -> None:
    world = forging()
    honest = world.scorer.control
    world.scorer.control = lambda artifact, control: (
        honest(artifact, control) * (0.5 if artifact.ref.repo == "best/model" else 1)
    )
    state = world.run()
    seen = rows_by_name(last(state))
    assert last(state).winner == "better"
    assert (seen["best"].verdict, seen["best"].reason) == (Verdict.FAILED, Reason.UNSOUND)
    assert "its controls cost" in seen["best"].detail
    assert sum(repo == "best/model" for repo, _ in world.scorer.scored) <= 3


def test_t50_a_loss_below_the_floor_holds_no_crown_and_a_champion_at_it_loses_its_own() -> None:
    world = forging()
    world.miner("rival", 0.7921, block=125)  # short of the margin by a hair
    world.miner("zero", 0.001, block=130)
    first = world.run(rounds=1)
    assert last(first).winner == "best"
    assert rows(last(first))["zero"] == (Verdict.FAILED, Reason.IMPLAUSIBLE)
    ours = world.scorer.loss
    world.scorer.loss = lambda artifact, sample: (
        0.0 if artifact.ref.repo == "best/model" else ours(artifact, sample)
    )
    state = world.run(rounds=2)
    assert rows(last(state))["best"] == (Verdict.FAILED, Reason.IMPLAUSIBLE)
    assert last(state).winner == "rival"


def test_t50_a_taken_over_worker_that_pays_for_controls_and_stays_above_the_floor_is_found() -> (
    None
):
    world = forging()
    world.miner("taken", 0.03, block=130)
    ours = world.scorer.loss
    world.scorer.second = lambda artifact, sample: (
        ours(artifact, sample) * (30 if artifact.ref.repo == "taken/model" else 1)
    )
    assert winner_of(world.run()) == "best"


def winner_of(state: ValidatorState) -> str | None:
    result: RoundResult = last(state)
    return result.winner
