"""A validator that missed a round scores it later, on samples that another one names."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.telemetry.tables import render_report
from sn37.adapters.telemetry.wording import line
from sn37.app.missed.scorer import MAX_SCORINGS, RETRY_BLOCKS
from sn37.app.rounds.report import report
from sn37.domain.data.samples import Sample
from sn37.domain.events import RoundScoredLater
from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, ScoredLater, ValidatorState
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.domain.weights.standings import standings
from sn37.ports.errors import DatasetUnavailable, ScorerUnavailable, StoreUnavailable
from sn37.testing.fakes.state_store import Memory
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World
from tests.support.missed_world import (
    MISSED,
    NUM_ROWS,
    begun,
    calm,
    caught_up,
    choose_rows,
    evidence,
    missed,
    published,
    returning,
    statement_of,
    without_time,
)
from tests.support.published_rounds import (
    NEW,
    OLD,
    Json,
    cautions,
    crowns,
    export,
    sign_again,
    sign_all_again,
)

FIRST, BETTER = EntryKey(Hotkey("first"), Block(100)), EntryKey(Hotkey("better"), Block(450))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return published(tmp_path / "old")


# What it is for


def test_its_evidence_is_then_what_it_would_be_had_it_been_there(folder: Path) -> None:
    world = calm()
    ours = evidence(world.store.memory, world, (FIRST, BETTER))
    theirs = evidence(begun().there, world, (FIRST, BETTER))
    newest = max(ours.by_entry[BETTER])
    assert set(ours.by_entry[BETTER]) == {1_080, 1_440, 1_800, 2_160, 2_520}
    for entry in (FIRST, BETTER):
        until = {b: v for b, v in theirs.by_entry[entry].items() if b <= newest}
        assert ours.by_entry[entry] == until
    assert ours.origins == {b: o for b, o in theirs.origins.items() if b <= newest}


def test_it_crowns_in_the_round_in_which_the_others_do(folder: Path) -> None:
    crowned = next(block for block, champion in begun().crowns.items() if champion == BETTER)
    state = calm().keeper_state
    assert crowns(state)[crowned] == BETTER
    behind = returning().run(rounds=5, until=6_000)
    assert crowns(behind)[crowned] == FIRST, "without that round it needs another one"


def test_no_verdict_of_the_past_changes(folder: Path) -> None:
    world = returning(folder)
    before = deepcopy(world.store.memory)
    world.run(rounds=5, until=6_000)
    memory = world.store.memory
    for key, result in before.results.items():
        assert memory.results[key] == result
        assert memory.statements[key] == before.statements[key]
        assert memory.receipts[key] == before.receipts[key]


def test_the_round_crowns_retires_and_blames_nobody_and_counts_in_no_standing(
    folder: Path,
) -> None:
    world = calm()
    state, result = world.keeper_state, missed(world.keeper_state)
    assert result is not None
    assert (result.champion, result.skipped) == (None, Reason.ABSENT)
    assert {e.key: e.verdict for e in result.entries} == {
        FIRST: Verdict.SCORED,
        BETTER: Verdict.SCORED,
    }
    others = [r for r in state.rounds[ONE] if r.key != MISSED]
    timing = world.schedule.timing
    assert standings(state.rounds[ONE], timing=timing) == standings(others, timing=timing)
    assert not state.submissions[BETTER].retired
    assert state.submissions[BETTER].failures == 0


def test_what_the_other_validator_found_is_not_read(folder: Path, tmp_path: Path) -> None:
    def forge(document: Json) -> None:
        document["losses"] = {t: [0.1 * x for x in xs] for t, xs in document["losses"].items()}

    def crown_another(document: Json) -> None:
        document["winner"] = document["entries"][-1]
        for submission in document["submissions"]:
            submission.update(retired=True, failures=1)

    forged = published(tmp_path / "forged")
    sign_all_again(forged, receipt=forge, statement=crown_another)
    ours, theirs = caught_up(folder).store.memory, caught_up(forged).store.memory
    assert ours.journal == theirs.journal
    assert ours.results == theirs.results


# Shown as such


def test_it_is_recorded_and_signed_as_scored_later(folder: Path) -> None:
    world = calm()
    result = missed(world.keeper_state)
    assert result is not None
    assert result.later == ScoredLater(source=Hotkey(OLD), after=Block(1_800), at=Block(2_260))
    statement = json.loads(world.store.memory.statements[MISSED].document)
    assert statement["version"] == 3
    assert statement["later"] == {"source": OLD, "after": 1_800, "at": 2_260}
    assert (statement["champion"], statement["winner"], statement["previous"]) == (None, None, None)
    assert world.store.memory.statements[MISSED].hotkey == NEW
    receipts = [json.loads(r.document) for r in world.store.memory.receipts[MISSED]]
    assert {r["environment"]["scored"] for r in receipts} == {"later"}
    others = [r for k, held in world.store.memory.receipts.items() if k != MISSED for r in held]
    assert all("scored" not in json.loads(r.document)["environment"] for r in others)


def test_statements_of_other_rounds_have_their_own_version(folder: Path) -> None:
    memory = calm().store.memory
    others = [json.loads(s.document) for k, s in memory.statements.items() if k != MISSED]
    assert {s["version"] for s in others} == {5}
    assert all("later" not in s for s in others)


def test_report_tables_events_and_a_miner_s_status_say_so(folder: Path) -> None:
    world = calm()
    state = world.keeper_state
    (told,) = (e for e in world.sink.events if isinstance(e, RoundScoredLater))
    said = str(line(told, {}))
    assert said.startswith("caught up competition 1, round 2160: missed, 2 entries scored later")
    rounds = report(state, world.schedule, {})
    by_block: dict[int, Json] = {r["sync_block"]: r for r in rounds}  # type: ignore[index,call-overload,misc]
    assert by_block[2_160]["scored_later"] == {
        "samples_of": OLD,
        "evidence_after": 1_800,
        "at_block": 2_260,
    }
    assert by_block[2_160]["winner"] is None
    assert by_block[1_440]["scored_later"] is None
    row = by_block[2_160]["entries"][0]
    assert row["detail"] == "scored later; counts as evidence in the rounds after 1800"
    assert "Missed rounds" in shown(state)
    assert "scored later on the samples of old, evidence after 1800" in shown(state)


def shown(state: ValidatorState) -> str:
    from rich.console import Console

    results = [r for rounds in state.rounds.values() for r in rounds]
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render_report(results, {}, None, {}))
    return captured.get()


def test_rounds_that_stay_missed_are_shown_too() -> None:
    failing = returning()
    failing.dataset.failures = [DatasetUnavailable("no answer") for _ in range(50)]
    state = failing.run(rounds=4, until=6_000)
    assert "competition 1, round 2520: data_unavailable; not scored" in shown(state)


# What others make of it


def test_an_audit_derives_all_of_it_again(folder: Path) -> None:
    found = audit(caught_up(folder, rounds=6).store.memory)
    assert found.differences == ()


def test_an_audit_finds_a_changed_loss_and_a_changed_place(folder: Path) -> None:
    memory = calm().store.memory
    changed = deepcopy(memory)
    first, *blocks = changed.journal[MISSED, FIRST]
    changed.journal[MISSED, FIRST] = [replace(first, losses=(0.1, *first.losses[1:])), *blocks]
    assert audit(changed).differences
    for after in (1_440, 1_900, 2_520):
        moved = deepcopy(memory)
        result = moved.results[MISSED]
        assert result.later is not None
        later = replace(result.later, after=Block(after))
        moved.results[MISSED] = replace(result, later=later)
        assert audit(moved).differences, after
    unsigned = deepcopy(memory)
    del unsigned.statements[MISSED]
    assert audit(unsigned).differences


def third(*folders: Path, head: int) -> World:
    world = begun().subnet.validator(OLD, begin_with=folders, at=head, num_rows=NUM_ROWS)
    world.models = deepcopy(begun().subnet.models)
    return world


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Memory, int]:
    """What the validator remembers some rounds later, and the block."""
    world = caught_up(published(tmp_path_factory.mktemp("old")), rounds=7)
    return world.store.memory, world.chain.number


def test_a_third_validator_may_begin_with_its_rounds(
    followed: tuple[Memory, int], tmp_path: Path
) -> None:
    memory, head = followed
    world = third(export(memory, tmp_path / "new"), head=head)
    state = world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.RECEIPTS, cautions(world)
    assert crowns(state) == {
        k.sync_block: r.champion for k, r in memory.results.items() if r.champion
    }
    assert missed(state) == memory.results[MISSED]
    assert audit(world.store.memory).differences == ()
    newer = world.run(rounds=8, until=9_000)
    assert audit(world.store.memory).differences == ()
    assert len(crowns(newer)) == 8


def test_a_crown_does_not_follow_without_the_round_that_was_scored_later(
    followed: tuple[Memory, int], tmp_path: Path
) -> None:
    memory, head = followed
    folder = export(memory, tmp_path / "new")
    left_out = folder / f"{ONE}-{MISSED.sync_block}"
    for file in left_out.iterdir():
        file.unlink()
    left_out.rmdir()
    world = third(folder, head=head)
    world.begin()
    assert any("the crown does not follow from the losses" in c for c in cautions(world))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["later"].update(after=2_100), "after a round that does not exist"),
        (lambda d: d["later"].update(after=1_440), "it counts in an earlier round"),
        (lambda d: d["later"].update(at=2**60), "does not exist yet"),
        (lambda d: d["later"].update(after=2_520), "does not follow from the losses"),
        (lambda d: d.update(later=None), "as this version writes them"),
        (lambda d: d.update(version=2), "as this version writes them"),
        (lambda d: d.update(winner=d["entries"][0]), "crowns an entry"),
        (lambda d: d["premises"].update(num_judged=3), "premises of a verdict"),
        (lambda d: d["outcomes"][0].update(reason="raced_out"), "stops an entry early"),
    ],
)
def test_a_round_that_is_not_in_its_place_is_refused(
    change: object, told: str, followed: tuple[Memory, int], tmp_path: Path
) -> None:
    memory, head = followed
    folder = export(memory, tmp_path / "new")
    sign_again(statement_of(folder), change)  # type: ignore[arg-type]
    world = third(folder, head=head)
    world.begin()
    assert any(told in c for c in cautions(world)), cautions(world)


def test_a_round_that_another_validator_scored_later_is_refused(
    followed: tuple[Memory, int], tmp_path: Path
) -> None:
    memory, head = followed
    folder = export(memory, tmp_path / "new")
    for file in statement_of(folder).parent.glob("*.json"):
        sign_again(file, lambda document: None, hotkey="poor")
    world = third(folder, head=head)
    world.begin()
    assert any("scored later by another validator" in c for c in cautions(world))


def test_two_validators_that_scored_one_round_at_different_times_do_not_contradict_each_other(
    followed: tuple[Memory, int], folder: Path, tmp_path: Path
) -> None:
    memory, _ = followed
    newest = max(begun().there.results).sync_block
    world = begun().subnet.validator(
        "poor",
        begin_with=(folder, export(memory, tmp_path / "new")),
        at=newest + 5,
        num_rows=NUM_ROWS,
    )
    world.models = deepcopy(begun().subnet.models)
    world.begin()
    assert not any("different champions" in c and "2160" in c for c in cautions(world))


# Whose samples


def test_samples_that_the_hash_does_not_draw_are_refused(folder: Path) -> None:
    choose_rows(folder, 33)
    world = caught_up(folder)
    assert missed(world.keeper_state) is None
    assert "287 of 320 samples of text are those that its block's hash draws" in cautions(world)[0]


def test_a_few_rows_may_be_others(folder: Path) -> None:
    choose_rows(folder, 10)
    world = caught_up(folder)
    assert missed(world.keeper_state) is not None
    assert audit(world.store.memory).differences == ()


def test_after_a_hostile_place_the_next_one_is_asked(folder: Path, tmp_path: Path) -> None:
    hostile = published(tmp_path / "hostile")
    choose_rows(hostile, 100)
    for file in (hostile / "1-1080").iterdir():
        file.write_bytes(b"\xff" * 10)
    world = caught_up(hostile, folder)
    assert without_time(missed(world.keeper_state)) == without_time(missed(calm().keeper_state))


@pytest.mark.parametrize("signer", ["first", "stranger"])
def test_without_a_permit_nobody_has_it_score_anything(signer: str, folder: Path) -> None:
    for file in folder.rglob("*.json"):
        sign_again(file, lambda document: None, hotkey=signer)
    world = caught_up(folder)
    assert missed(world.keeper_state) is None
    assert f"its signer {signer} has no validator permit" in cautions(world)[0]


@pytest.mark.parametrize("spoiled", ["statement", "receipts", "another round's", "no files"])
def test_nothing_comes_of_a_round_that_cannot_be_read(spoiled: str, folder: Path) -> None:
    home = statement_of(folder).parent
    receipts = [f for f in home.glob("*.json") if f.stem != "statement"]
    if spoiled == "statement":
        statement_of(folder).write_bytes(b"{")
    elif spoiled == "receipts":
        for file in receipts:
            file.write_bytes(b"{}")
    elif spoiled == "another round's":
        other = statement_of(folder, RoundKey(ONE, Block(1_440)))
        statement_of(folder).write_bytes(other.read_bytes())
    else:
        for file in home.iterdir():
            file.unlink()
    world = caught_up(folder)
    assert missed(world.keeper_state) is None
    assert crowns(world.keeper_state).keys() == {1_080, 1_440, 1_800, 2_520, 2_880}
    assert cautions(world)


def test_a_place_without_the_round_is_asked_again_until_it_is_there(
    folder: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later"
    statement_of(folder).parent.rename(later)
    world = returning(folder)
    world.run(rounds=4, until=6_000)
    assert missed(world.keeper_state) is None
    assert cautions(world) == []
    later.rename(statement_of(folder).parent)
    state = world.run(rounds=5, until=6_000)
    found = missed(state)
    assert found is not None
    assert found.later is not None
    assert found.later.after == 2_520


def test_without_a_place_nothing_is_asked() -> None:
    world = returning()
    requests = world.dataset.requests
    state = world.run(rounds=5, until=6_000)
    assert missed(state) is None
    assert len(requests) == 2, "those of its own rounds"


# What is gone, and what fails


def test_a_round_whose_rows_are_gone_stays_missed(folder: Path) -> None:
    world = returning(folder)
    gone = begun().there.plans[MISSED].draws[0].batch.samples[5].provenance.row_id
    world.dataset.rows = [r for r in world.dataset.rows if r.provenance.row_id != gone]
    state = world.run(rounds=5, until=6_000)
    assert missed(state) is None
    assert "1 of the 320 rows are missing" in cautions(world)[0]


def test_a_model_that_is_gone_is_left_out_and_with_it_a_round_of_one(folder: Path) -> None:
    world = returning(folder)
    world.models.private.add("better/model")
    world.models.cached.clear()
    state = world.run(rounds=4, until=6_000)
    assert missed(state) is None
    assert any(c.startswith("better is left out") for c in cautions(world))


def test_while_the_host_does_not_answer_nobody_is_left_out(folder: Path) -> None:
    world = returning(folder)
    world.models.cached.clear()
    world.models.failures = [StoreUnavailable("the host is away")]
    world.chain.number = Block(2_259)
    state = world.run(rounds=5, until=6_000)
    result = missed(state)
    assert result is not None
    assert result.later is not None
    assert result.later.at >= 2_260
    assert {e.key for e in result.entries} == {FIRST, BETTER}


def test_an_entry_that_fails_in_it_is_blamed_for_nothing(folder: Path) -> None:
    world = returning(folder)
    lost = {s.content_hash for d in begun().there.plans[MISSED].draws for s in d.batch.samples}
    exact = world.scorer.loss

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        fails = artifact.ref.repo.startswith("better") and sample.content_hash in lost
        return float("nan") if fails else exact(artifact, sample)

    world.scorer.loss = loss
    state = world.run(rounds=5, until=6_000)
    assert missed(state) is None
    assert any("1 of its entries could be scored" in c for c in cautions(world))
    assert state.submissions[BETTER].failures == 0
    assert crowns(state)[2_520] == FIRST


def test_a_device_that_fails_is_tried_again_some_times_and_counts_for_nothing(
    folder: Path,
) -> None:
    world = returning(folder)
    lost = {s.content_hash for d in begun().there.plans[MISSED].draws for s in d.batch.samples}
    exact, tried = world.scorer.loss, list[int]()

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        if sample.content_hash in lost:
            tried.append(1)
            raise ScorerUnavailable("the device is gone")
        return exact(artifact, sample)

    world.scorer.loss = loss
    state = world.run(rounds=8, until=6_000)
    assert missed(state) is None
    entries, attempts = 2, 3
    assert len(tried) == MAX_SCORINGS * entries * attempts
    assert audit(world.store.memory).differences == ()


def test_a_round_sat_out_for_its_data_is_scored_once_the_source_answers(folder: Path) -> None:
    world = returning(folder, at=1_900)
    world.dataset.failures = [DatasetUnavailable("no answer") for _ in range(50)]
    state = world.run(rounds=4, until=2_164)
    world.dataset.failures.clear()
    state = world.run(rounds=5, until=6_000)
    result = missed(state)
    assert result is not None
    assert result.skipped is Reason.DATA_UNAVAILABLE
    assert result.later is not None
    assert audit(world.store.memory).differences == ()


def test_a_round_that_cannot_be_scored_does_not_keep_it_from_an_older_one(folder: Path) -> None:
    """Two rounds are missed; of the newer one the other validator's manifest was chosen."""
    newer = RoundKey(ONE, Block(2_520))
    for file in statement_of(folder, newer).parent.glob("*.json"):
        sign_again(file, lambda document: None, hotkey="first")
    world = returning(folder, at=2_523)
    state = world.run(rounds=4, until=6_000)
    assert missed(state) is not None
    assert missed(state, newer) is None
    first = next(e for e in world.sink.events if isinstance(e, RoundScoredLater))
    assert first.result.later is not None
    assert first.result.later.at < 2_620 + RETRY_BLOCKS
