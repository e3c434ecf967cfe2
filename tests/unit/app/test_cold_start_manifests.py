"""A validator that believes nobody's losses judges their rounds anew, by losses of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sn37.adapters.telemetry.wording import line
from sn37.app.cold_start.offered_manifests import MIN_ROUNDS, ManifestReader
from sn37.app.cold_start.offered_round import RoundReader
from sn37.app.rounds.runner import DEVICE_ATTEMPTS
from sn37.domain.canonical import canonical_digest
from sn37.domain.data.samples import Sample
from sn37.domain.events import ColdStarted, Degraded, SetUpAdvanced, WarmingUp
from sn37.domain.ids import Block, Digest, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import Beginning, ColdStart, ValidatorState
from sn37.domain.schedule.schedule import COLD_ROUNDS
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import OfferRefused, ScorerUnavailable, StoreUnavailable
from sn37.testing.builders import a_block_ref, a_commitment, a_competition, a_schedule, a_stage
from sn37.testing.fakes import FakeChain, FakeStateStore
from sn37.testing.fakes.state_store import Memory
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World, last, rows
from tests.support.late_starts import TWELVE, doubting, twelve_rounds, twelve_rounds_of
from tests.support.published_rounds import (
    NEW,
    OLD,
    POOR,
    Subnet,
    cautions,
    crowns,
    export,
    sign_again,
    sign_all_again,
)

Json = Any  # what json.loads returns


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return export(twelve_rounds().memory, tmp_path / "old")


def began(state: ValidatorState) -> Beginning:
    assert state.beginning is not None
    return state.beginning


def champions(state: ValidatorState) -> set[str | None]:
    return {champion.hotkey if champion else None for champion in crowns(state).values()}


# What it is for


def test_with_losses_that_it_does_not_believe_it_judges_the_rounds_by_its_own(
    published: Path,
) -> None:
    world = doubting(published)
    state = world.begin()
    assert began(state) == Beginning(
        way=ColdStart.MANIFESTS,
        block=Block(twelve_rounds().head),
        source=Hotkey(OLD),
        num_rounds_rescored=TWELVE,
    )
    assert crowns(state) == twelve_rounds().crowns
    (told,) = cautions(world)
    assert "scored again" in told
    ours = world.store.memory.journal
    for scored in twelve_rounds().memory.journal.keys() & ours.keys():
        theirs = twelve_rounds().memory.journal[scored][0].losses[0]
        assert ours[scored][0].losses[0] == pytest.approx(1.001 * theirs)


def test_the_crowns_are_those_that_its_own_losses_give(published: Path) -> None:
    equal = {
        **twelve_rounds().subnet.qualities,
        "better": twelve_rounds().subnet.qualities["first"],
    }
    assert champions(doubting(published, qualities=equal).begin()) == {"first"}
    assert {c.hotkey for c in twelve_rounds().crowns.values() if c} == {"first", "better"}


def test_what_it_judged_anew_and_what_it_did_then_is_one_history_for_an_audit(
    published: Path,
) -> None:
    world = doubting(published)
    world.run(rounds=TWELVE + 2, until=7_000)
    found = audit(world.store.memory)
    assert found.differences == ()
    assert found.rounds == TWELVE + 2


def test_a_changed_loss_of_a_round_judged_anew_is_found_like_any_other(published: Path) -> None:
    world = doubting(published)
    world.begin()
    key = min(world.store.memory.journal)
    (first, *blocks) = world.store.memory.journal[key]
    changed = replace(first, losses=(0.1, *first.losses[1:]))
    world.store.memory.journal[key] = [changed, *blocks]
    assert audit(world.store.memory).differences


def test_it_publishes_them_as_its_own_and_a_third_one_may_begin_with_them(
    published: Path, tmp_path: Path
) -> None:
    second = doubting(published)
    second.begin()
    assert {r.hotkey for rs in second.store.memory.receipts.values() for r in rs} == {NEW}
    again = export(second.store.memory, tmp_path / "again")
    third = twelve_rounds().validator(OLD, again)
    third.scorer.loss = second.scorer.loss
    state = third.begin()
    assert (began(state).way, began(state).source) == (ColdStart.RECEIPTS, NEW), cautions(third)
    assert crowns(state) == twelve_rounds().crowns


def test_it_says_how_far_it_is_and_what_it_began_with(published: Path) -> None:
    world = doubting(published)
    world.begin()
    progress = {
        e.what: (e.done, e.total) for e in world.sink.events if isinstance(e, SetUpAdvanced)
    }
    assert progress["past rounds scored again"] == (TWELVE, TWELVE)
    (told,) = (e for e in world.sink.events if isinstance(e, ColdStarted))
    assert (told.num_rounds, told.num_evaluations) == (
        TWELVE,
        sum(map(len, world.store.memory.receipts.values())),
    )
    assert f"{TWELVE} rounds of old scored and judged again here" in str(line(told, {}))


def test_rounds_scored_again_count_for_the_warm_up_as_if_it_had_been_there(published: Path) -> None:
    world = doubting(published)
    world.run(rounds=TWELVE + 1, until=6_000)
    told = [e.rounds_left[ONE] for e in world.sink.events if isinstance(e, WarmingUp)]
    assert told == [COLD_ROUNDS - TWELVE, COLD_ROUNDS - TWELVE - 1]


# What its signer cannot do


def outcome_of(folder: Path) -> Memory:
    world = doubting(folder)
    assert began(world.begin()).way is ColdStart.MANIFESTS, cautions(world)
    return world.store.memory


@cache
def as_it_is() -> Memory:
    with TemporaryDirectory() as folder:
        return outcome_of(export(twelve_rounds().memory, Path(folder)))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.floats(0.1, 10), other=st.sampled_from([None, 0.0, "nan", "inf"]))
def test_no_loss_that_its_signer_tells_changes_anything(
    factor: float, other: float | str | None, tmp_path: Path
) -> None:
    def change(document: Json) -> None:
        document["losses"] = {
            task: [factor * x if other is None else other for x in losses]
            for task, losses in document["losses"].items()
        }

    folder = export(twelve_rounds().memory, tmp_path / str(len(list(tmp_path.iterdir()))))
    sign_all_again(folder, receipt=change)
    assert outcome_of(folder) == as_it_is()


def crown_the_other(document: Json) -> None:
    first, *others = document["entries"]
    document["winner"] = others[0] if others and document["winner"] == first else first


def forget_retirements(document: Json) -> None:
    for submission in document["submissions"]:
        submission.update(retired=False, failures=1, missed_rounds=2)


@pytest.mark.parametrize("change", [crown_the_other, forget_retirements])
def test_no_crown_or_retirement_that_its_signer_tells_changes_anything(
    change: Callable[[Json], None], published: Path
) -> None:
    sign_all_again(published, statement=change)
    world = doubting(published)
    state = world.begin()
    assert began(state).way is ColdStart.MANIFESTS
    assert crowns(state) == twelve_rounds().crowns


def other_rows(folder: Path, num_rows: int, *, repeated: bool = False) -> None:
    """In every manifest some rows that the hash does not draw, or one that it does again."""
    pool = [
        [sample.provenance.row_id, sample.content_hash]
        for sample in twelve_rounds().validator(OLD).dataset.rows
    ]
    digests: dict[int, str] = {}
    places = {row: position for position, (row, _) in enumerate(pool)}

    def choose(document: Json) -> None:
        rows = document["manifest"]["text"]
        drawn = {row for row, _ in rows}
        middle = sum(places[row] for row in drawn) // len(drawn)
        others = sorted(
            (row for row in pool if row[0] not in drawn), key=lambda r: abs(places[r[0]] - middle)
        )
        rows[:num_rows] = [rows[-1]] * num_rows if repeated else others[:num_rows]
        document["manifest_digest"] = canonical_digest([["text", *row] for row in rows])
        digests[document["sync_block"]] = document["manifest_digest"]

    def name_them(document: Json) -> None:
        document["manifest_digest"] = digests[document["key"]["sync_block"]]

    sign_all_again(folder, receipt=choose, statement=name_them)


def test_samples_that_the_hash_does_not_draw_are_refused(published: Path) -> None:
    other_rows(published, 33)
    world = doubting(published)
    assert began(world.begin()).way is ColdStart.NOTHING
    assert "287 of 320 samples of text are those that its block's hash draws" in cautions(world)[-1]


def test_a_few_rows_may_be_others_as_between_validators_that_read_at_other_moments(
    published: Path,
) -> None:
    other_rows(published, 10)
    world = doubting(published)
    assert began(world.begin()).num_rounds_rescored == TWELVE
    assert audit(world.store.memory).differences == ()


def test_a_row_does_not_count_twice(published: Path) -> None:
    other_rows(published, 10, repeated=True)
    world = doubting(published)
    assert began(world.begin()).way is ColdStart.NOTHING
    assert "a sample of text was scored twice" in cautions(world)[-1]


def test_a_champion_that_is_not_named_enters_later_and_wins_by_the_rule(tmp_path: Path) -> None:
    hiding = deepcopy(twelve_rounds().subnet)
    hiding.chain.records = [r for r in hiding.chain.records if r.hotkey != "better"]
    history = twelve_rounds_of(hiding)
    assert history.head <= twelve_rounds().head  # where the other one starts
    world = doubting(export(history.memory, tmp_path / "hiding"))
    state = world.begin()
    assert (began(state).way, champions(state)) == (ColdStart.MANIFESTS, {"first"})
    assert crowns(world.run(rounds=TWELVE + 7, until=9_000))[
        twelve_rounds().head - 3 + 7 * 360
    ] == next(c for c in twelve_rounds().crowns.values() if c and c.hotkey == "better")
    assert audit(world.store.memory).differences == ()


def test_a_champion_that_is_not_named_but_paid_is_heard_from_the_first_round_on(
    tmp_path: Path,
) -> None:
    hiding = deepcopy(twelve_rounds().subnet)
    hiding.chain.records = [r for r in hiding.chain.records if r.hotkey != "better"]
    history = twelve_rounds_of(hiding)
    world = doubting(export(history.memory, tmp_path / "hiding"))
    members = asyncio.run(world.chain.metagraph(a_block_ref(twelve_rounds().head))).neurons
    paid = [replace(n, incentive=1.0) if n.hotkey == "better" else n for n in members]
    world.chain.set_members(*paid, since=twelve_rounds().head)
    assert crowns(world.begin()) == twelve_rounds().crowns


# Whose samples are used


def sign_as(hotkey: str, folder: Path) -> None:
    for file in folder.rglob("*.json"):
        sign_again(file, lambda document: None, hotkey=hotkey)


def test_who_has_too_little_stake_to_be_believed_may_still_name_samples(published: Path) -> None:
    sign_as(POOR, published)
    world = doubting(published)
    state = world.begin()
    assert began(state).source == POOR
    assert crowns(state) == twelve_rounds().crowns


@pytest.mark.parametrize("signer", ["first", "thief"])
def test_without_a_permit_nobody_has_others_score_for_him(signer: str, published: Path) -> None:
    sign_as(signer, published)
    world = doubting(published)
    assert began(world.begin()).way is ColdStart.NOTHING
    assert cautions(world)[-1] == (
        f"the samples of {published} are not used either: its signer {signer} has no "
        "validator permit"
    )


def test_an_offer_is_that_of_whoever_signed_its_newest_round(published: Path) -> None:
    for file in published.rglob("statement.json"):
        sign_again(file, lambda document: None, hotkey=POOR if "5040" in str(file) else OLD)
    assert began(doubting(published).begin()).source == POOR, "who signed the newest"


def test_the_one_with_more_stake_is_tried_first_and_then_the_next(
    published: Path, tmp_path: Path
) -> None:
    poor = export(twelve_rounds().memory, tmp_path / "poor")
    sign_as(POOR, poor)
    assert began(doubting(poor, published).begin()).source == OLD
    other_rows(published, 100)
    world = doubting(published, poor)
    assert began(world.begin()).source == POOR
    assert "its block's hash draws" in cautions(world)[-1]


def test_a_round_that_cannot_be_read_is_left_out(published: Path) -> None:
    (published / f"{ONE}-{twelve_rounds().newest.sync_block}" / "statement.json").write_bytes(b"{")
    world = doubting(published)
    state = world.begin()
    assert began(state).num_rounds_rescored == TWELVE - 1
    assert twelve_rounds().newest.sync_block not in crowns(state)
    assert "ends 1 rounds ago" in cautions(world)[-1]


@pytest.mark.parametrize("spoil", ["no receipt", "no receipt at all", "another manifest"])
def test_a_round_without_its_manifest_is_left_out(spoil: str, published: Path) -> None:
    folder = published / f"{ONE}-{twelve_rounds().oldest.sync_block}"
    receipts = [f for f in folder.glob("*.json") if f.stem != "statement"]
    for file in receipts:
        if spoil == "no receipt at all":
            file.unlink()
        elif spoil == "no receipt":
            file.write_bytes(b"{}")
        else:
            sign_again(file, change_a_row)
    state = doubting(published).begin()
    assert crowns(state).keys() == twelve_rounds().crowns.keys() - {
        twelve_rounds().oldest.sync_block
    }


def change_a_row(document: Json) -> None:
    rows = document["manifest"]["text"]
    rows[0], rows[1] = rows[1], rows[0]
    document["manifest_digest"] = canonical_digest([["text", *row] for row in rows])


def test_a_competition_that_is_young_needs_no_ten_rounds() -> None:
    old, young = a_competition(1, reward_share=0.5), a_competition(2, reward_share=0.5)
    schedule = a_schedule(
        a_stage(replace(old, reward_share=1.0)), a_stage(old, young, from_block=3_600)
    )
    reader = ManifestReader(
        rounds=RoundReader(
            chain=FakeChain(),
            schedule=schedule,
            fingerprint=Digest(""),
            verify=lambda *signed: True,
        ),
        schedule=schedule,
    )
    head = Block(5_040)
    assert reader.is_due(head)
    assert not reader.is_due(Block(3_000)), "nobody has had ten rounds"
    reader.require_enough({ONE: MIN_ROUNDS}, head, ())
    with pytest.raises(OfferRefused, match="9 of its last 20 rounds of competition 1"):
        reader.require_enough({ONE: MIN_ROUNDS - 1, young.id: 20}, head, ())


def test_few_rounds_are_not_enough(tmp_path: Path) -> None:
    few = export(
        twelve_rounds().memory,
        tmp_path / "few",
        since=twelve_rounds().oldest.sync_block + 3 * 360,
    )
    world = doubting(few)
    assert began(world.begin()).way is ColdStart.NOTHING
    assert f"{MIN_ROUNDS - 1} of its last 20 rounds of competition 1" in cautions(world)[-1]


def test_rounds_that_ended_long_ago_are_not_used(published: Path) -> None:
    world = doubting(published)
    world.chain.number = Block(twelve_rounds().head + 21 * 360)
    assert began(world.begin()).way is ColdStart.NOTHING
    assert "0 of its last 20 rounds of competition 1" in cautions(world)[-1]


# What is gone


def forget_rows(world: World, *rounds: int) -> None:
    """The data source loses one sample of each of these rounds, counted from the oldest."""
    keys = sorted(twelve_rounds().memory.results)
    gone = {
        twelve_rounds().memory.plans[keys[number]].draws[0].batch.samples[5].provenance.row_id
        for number in rounds
    }
    world.dataset.rows = [r for r in world.dataset.rows if r.provenance.row_id not in gone]


def test_a_round_one_of_whose_rows_is_gone_is_left_out(published: Path) -> None:
    world = doubting(published)
    forget_rows(world, 3, 7)
    state = world.begin()
    assert began(state).num_rounds_rescored == TWELVE - 2
    assert crowns(state).keys() == twelve_rounds().crowns.keys() - {
        twelve_rounds().oldest.sync_block + n * 360 for n in (3, 7)
    }
    assert (
        crowns(state)[twelve_rounds().newest.sync_block]
        == twelve_rounds().crowns[twelve_rounds().newest.sync_block]
    )
    assert audit(world.store.memory).differences == ()


def test_when_too_many_rounds_have_lost_rows_nothing_is_scored(published: Path) -> None:
    world = doubting(published)
    world.models.rejections[a_commitment("better", 450).model.revision] = Reason.NORM
    forget_rows(world, 3, 7, 11)
    assert began(world.begin()).way is ColdStart.NOTHING
    told = cautions(world)[-1]
    assert "9 of its last 20 rounds" in told
    assert "1 of the 320 rows are missing or have changed since" in told


def test_a_champion_whose_model_is_gone_is_left_out_and_the_rest_is_judged(
    published: Path,
) -> None:
    world = doubting(published)
    world.models.private.add("better/model")
    state = world.begin()
    assert champions(state) == {"first"}
    assert any("better is left out" in told for told in cautions(world))
    assert audit(world.store.memory).differences == ()
    world.models.private.clear()
    assert "better" in champions(world.run(rounds=TWELVE + 7, until=9_000)), "it is no worse off"


def test_a_model_that_it_does_not_admit_is_refused_as_anywhere(published: Path) -> None:
    world = doubting(published)
    world.models.rejections[a_commitment("better", 450).model.revision] = Reason.NORM
    state = world.begin()
    assert champions(state) == {"first"}
    (refused,) = (s for s in state.submissions.values() if s.commitment.hotkey == "better")
    assert refused.rejection is Reason.NORM
    assert rows(last(state))["better"] == (Verdict.REJECTED, Reason.NORM)
    assert audit(world.store.memory).differences == ()


def test_when_every_model_is_gone_there_is_nothing_to_score(published: Path) -> None:
    world = doubting(published)
    world.models.private |= {"first/model", "better/model"}
    assert began(world.begin()).way is ColdStart.NOTHING
    assert "is left out" in cautions(world)[-1]


def test_a_commitment_that_was_replaced_since_is_not_heard(published: Path) -> None:
    world = doubting(published)
    world.chain.add(a_commitment("better", twelve_rounds().head - 10))
    state = world.begin()
    assert champions(state) == {"first"}
    assert {s.commitment.hotkey for s in state.submissions.values()} == {"first"}


def test_rounds_in_which_nobody_could_take_part_do_not_count(tmp_path: Path) -> None:
    subnet = Subnet()
    (better,) = (r for r in subnet.chain.records if r.hotkey == "better")
    subnet.chain.records.remove(better)
    World(chain=subnet.chain, models=subnet.models, qualities=subnet.qualities).miner(
        "better", 0.9, block=2_000
    )
    history = twelve_rounds_of(subnet)
    world = doubting(export(history.memory, tmp_path / "late"), subnet=subnet)
    world.models.private.add("first/model")
    assert began(world.begin()).way is ColdStart.NOTHING
    assert "8 of its last 20 rounds" in cautions(world)[-1]
    assert "none of the named entries could take part" in cautions(world)[-1]


# Outages and kills


def test_a_device_that_scores_nobody_is_waited_for(published: Path) -> None:
    world = doubting(published)
    exact, num_asked = world.scorer.loss, 0

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal num_asked
        num_asked += 1
        if 400 <= num_asked < 400 + 2 * DEVICE_ATTEMPTS:  # both entries of the first round
            raise ScorerUnavailable("the device is lost")
        return exact(artifact, sample)

    world.scorer.loss = loss
    state = world.begin()
    assert began(state).num_rounds_rescored == TWELVE
    assert crowns(state) == twelve_rounds().crowns
    told = [(e.what, e.error) for e in world.sink.events if isinstance(e, Degraded)]
    assert told[:-1] == [("scorer", "the device is lost")] * 2 * DEVICE_ATTEMPTS
    where = f"the past round of block {twelve_rounds().oldest.sync_block}"
    assert told[-1] == ("cold start", f"no entry could be scored in {where}: the device is lost")


def test_a_device_that_fails_for_one_entry_costs_it_that_round_as_in_any_round(
    published: Path,
) -> None:
    world = doubting(published)
    exact, num_asked = world.scorer.loss, 0

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal num_asked
        num_asked += 1
        if 3_000 <= num_asked < 3_000 + DEVICE_ATTEMPTS:
            raise ScorerUnavailable("the device is lost")
        return exact(artifact, sample)

    world.scorer.loss = loss
    state = world.begin()
    reasons = [e.reason for r in state.rounds[ONE] for e in r.entries]
    assert reasons.count(Reason.DEVICE) == 1
    assert (
        crowns(state)[twelve_rounds().newest.sync_block]
        == twelve_rounds().crowns[twelve_rounds().newest.sync_block]
    )
    assert audit(world.store.memory).differences == ()


def test_a_model_host_that_is_down_costs_nobody_his_place(published: Path) -> None:
    world = doubting(published)
    # The model of the first receipt that a crown rests on: without it nothing is begun.
    world.models.failures = [StoreUnavailable("the host is down")]
    state = world.begin()
    assert crowns(state) == twelve_rounds().crowns
    (outage,) = (e for e in world.sink.events if isinstance(e, Degraded))
    assert (outage.what, outage.error) == ("cold start", "the host is down")


def test_a_champion_whose_repository_alone_does_not_answer_is_waited_for(published: Path) -> None:
    world = doubting(published)
    world.models.outages["better/model"] = (
        1 + 2
    )  # a receipt that a crown rests on asks for it first
    assert crowns(world.begin()) == twelve_rounds().crowns
    assert not any("better is left out" in told for told in cautions(world))
    outages = [e for e in world.sink.events if isinstance(e, Degraded)]
    assert {(e.what, e.error) for e in outages} == {("cold start", "better/model: no answer")}


def test_one_that_never_answers_is_done_without_after_a_quarter_of_an_hour(
    published: Path,
) -> None:
    world = doubting(published)
    world.models.outages["better/model"] = 1_000
    before = world.clock.monotonic()
    state = world.begin()
    assert (began(state).way, champions(state)) == (ColdStart.MANIFESTS, {"first"})
    assert 600 < world.clock.monotonic() - before < 1_200
    assert "better is left out: better/model: no answer" in cautions(world)
    assert audit(world.store.memory).differences == ()


class Killed(FakeStateStore):
    """Ends the process at the one write of a beginning."""

    async def begin(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError("killed")


def test_killed_at_the_end_it_has_recorded_nothing_and_begins_anew(published: Path) -> None:
    world = doubting(published)
    memory, world.store = world.store.memory, Killed()
    with pytest.raises(ExceptionGroup):
        world.begin()
    world.store = FakeStateStore(memory=memory)
    assert memory == Memory()
    assert crowns(world.begin()) == twelve_rounds().crowns


def test_killed_in_the_middle_it_has_recorded_nothing_and_begins_anew(published: Path) -> None:
    world = doubting(published)
    exact, left = world.scorer.loss, 3_000

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal left
        left -= 1
        if not left:
            raise RuntimeError("killed")
        return exact(artifact, sample)

    world.scorer.loss = loss
    with pytest.raises(ExceptionGroup):
        world.begin()
    assert world.store.memory == Memory()
    world.scorer.loss = exact
    assert crowns(world.begin()) == twelve_rounds().crowns
