"""A validator begins with another's rounds, checked, or says why not and begins without."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sn37.app.cold_start.recheck import MIN_RECEIPTS
from sn37.app.rounds.weights_due import warm_up, weights_after
from sn37.domain.canonical import canonical_json
from sn37.domain.data.samples import Sample
from sn37.domain.events import ColdStarted, Degraded, WarmingUp
from sn37.domain.ids import Block, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, ValidatorState
from sn37.domain.schedule.schedule import COLD_ROUNDS
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import DatasetUnavailable
from sn37.testing.builders import a_beginning, a_round_key, a_round_result
from sn37.testing.fakes import FakeStateStore
from sn37.testing.fakes.chain import fake_signature
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World, one_competition
from tests.support.late_starts import four_rounds, going_on, late
from tests.support.published_rounds import (
    FIRST_ROUNDS,
    NEW,
    OLD,
    POOR,
    cautions,
    crowns,
    export,
    noisy,
    sign_again,
    sign_all_again,
)

Json = Any  # what json.loads returns


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return export(four_rounds().memory, tmp_path / "old")


class Killed(FakeStateStore):
    """Ends the process at the one write of a beginning."""

    async def begin(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError("killed")


# What it is for


def test_from_its_first_round_on_it_agrees_with_the_validator_whose_rounds_it_took(
    published: Path,
) -> None:
    rounds = FIRST_ROUNDS + 2
    old = going_on().run(rounds=rounds)
    assert len(set(crowns(old).values())) == 2, "the crown passes on after the late start"
    assert crowns(late(published).run(rounds=rounds)) == crowns(old)
    alone = crowns(late().run(rounds=2))
    assert any(crowns(old)[block] != champion for block, champion in alone.items())


def test_what_it_adopted_and_what_it_did_then_is_one_history_for_an_audit(published: Path) -> None:
    world = late(published)
    world.run(rounds=FIRST_ROUNDS + 1)
    found = audit(world.store.memory)
    assert found.differences == ()
    assert found.rounds == FIRST_ROUNDS + 1


def test_adopted_documents_stay_as_their_validator_signed_them(
    published: Path, tmp_path: Path
) -> None:
    world = late(published)
    world.begin()
    again = export(world.store.memory, tmp_path / "again")
    assert contents(again) == contents(published)
    assert {r.hotkey for rs in world.store.memory.receipts.values() for r in rs} == {OLD}
    assert world.signer.signed == []


def test_a_third_one_may_begin_with_what_the_second_published(
    published: Path, tmp_path: Path
) -> None:
    second = late(published)
    second.run(rounds=FIRST_ROUNDS + 1)
    both = export(second.store.memory, tmp_path / "second")
    third = four_rounds().subnet.validator(OLD, begin_with=(both,), at=second.chain.number)
    state = third.begin()
    assert crowns(state) == crowns(second.run(rounds=1))
    assert state.beginning is not None
    assert state.beginning.source == NEW


def test_it_says_what_it_began_with(published: Path) -> None:
    world = late(published)
    beginning = world.begin().beginning
    assert beginning is not None
    assert (beginning.way, beginning.source) == (ColdStart.RECEIPTS, OLD)
    (told,) = (e for e in world.sink.events if isinstance(e, ColdStarted))
    assert told.num_rounds == FIRST_ROUNDS
    num_receipts = sum(map(len, four_rounds().memory.receipts.values()))
    assert num_receipts - MIN_RECEIPTS <= told.num_evaluations <= num_receipts


def test_with_a_state_of_its_own_it_takes_nothing_from_others(published: Path) -> None:
    world = late(published, memory=four_rounds().memory)
    assert world.begin().beginning is None
    assert world.store.memory.results == four_rounds().memory.results


def test_one_that_was_interrupted_begins_anew(published: Path) -> None:
    world = late(published)
    memory, world.store = world.store.memory, Killed()
    with pytest.raises(ExceptionGroup):
        world.begin()
    world.store = FakeStateStore(memory=memory)
    assert crowns(world.begin()) == four_rounds().crowns


def test_rounds_since_the_last_coronation_are_enough(tmp_path: Path) -> None:
    world = going_on()
    old = world.run(rounds=FIRST_ROUNDS + 3)
    part = export(world.store.memory, tmp_path / "part", since=min(crowns(old)) + 360)
    other = four_rounds().subnet.validator(NEW, begin_with=(part,), at=world.chain.number)
    state = other.begin()
    assert state.beginning is not None, cautions(other)
    assert state.beginning.way is ColdStart.RECEIPTS, cautions(other)
    assert len(crowns(state)) == FIRST_ROUNDS + 2
    assert audit(other.store.memory).differences == ()


def test_rounds_that_end_too_early_are_told(published: Path, tmp_path: Path) -> None:
    world = four_rounds().validator(NEW, published, after=720)
    assert len(crowns(world.begin())) == FIRST_ROUNDS
    (told,) = cautions(world)
    assert "ends 2 rounds ago" in told
    old = four_rounds().validator(NEW, published, after=22 * 360)
    assert not old.begin().rounds
    assert "more than 20 rounds ago" in cautions(old)[0]


# What is refused


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.json")}


def newest(folder: Path, name: str = "statement") -> Path:
    (found,) = (folder / f"{ONE}-{four_rounds().newest.sync_block}").glob(f"{name}*.json")
    return found


def edited(change: Callable[[Json], object], name: str = "statement") -> Callable[[Path], None]:
    """Another content of a file of the newest round, signed anew by the same validator."""

    def edit(folder: Path) -> None:
        sign_again(newest(folder, name), change)

    return edit


def damage(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        newest(folder).write_bytes(content)

    return write


def signed_by(hotkey: str) -> Callable[[Path], None]:
    def sign(folder: Path) -> None:
        for file in folder.rglob("*.json"):
            sign_again(file, lambda document: None, hotkey=hotkey)

    return sign


def forged(folder: Path) -> None:
    file = newest(folder)
    document = json.loads(file.read_bytes())
    document["signature"] = fake_signature(Hotkey("thief"), b"").hex()
    file.write_bytes(canonical_json(document))


def repeat(folder: Path) -> None:
    newest(folder).parent.rename(folder / "kept")
    before = sorted(folder.glob(f"{ONE}-*"))[-1]
    for file in (folder / "kept").iterdir():
        file.unlink()
    for file in before.iterdir():
        (folder / "kept" / file.name).write_bytes(file.read_bytes())
    (folder / "kept").rename(folder / f"{ONE}-{four_rounds().newest.sync_block}")


def leave_out(folder: Path) -> None:
    hole = sorted(folder.glob(f"{ONE}-*"))[1]
    hole.rename(folder / "elsewhere")


def crown(name: str) -> Callable[[Json], None]:
    def change(document: Json) -> None:
        (key,) = (e for e in document["entries"] if e["hotkey"] == name)
        document["winner"] = key

    return change


def invent_losses(folder: Path) -> None:
    """Losses that lead to the same crowns, and everything signed and named anew."""

    def change(document: Json) -> None:
        document["losses"] = {t: [0.99 * x for x in xs] for t, xs in document["losses"].items()}
        if document["opinion"]:
            for sample in document["opinion"]["samples"]:
                sample[2:] = [0.99 * x for x in sample[2:]]

    def agree(document: Json) -> None:
        for sample in (s for opinion in document["opinions"] for s in opinion["samples"]):
            sample |= {name: 0.99 * sample[name] for name in ("ours", "theirs")}

    sign_all_again(folder, receipt=change, statement=agree)


def name_signer(folder: Path, *, of: tuple[str, ...]) -> None:
    """Say in some entries' receipts that somebody signed the samples, which nobody did."""

    def change(document: Json) -> None:
        if document["hotkey"] in of:
            (count,) = map(len, document["signers"]["samples"].values())
            document["signers"] = {"hotkeys": ["x"], "samples": {"text": [0] * count}}

    sign_all_again(folder, receipt=change)


def one_loss(value: float) -> Callable[[Json], None]:
    """Finite as JSON has it, and infinite in float32."""

    def change(document: Json) -> None:
        document["losses"]["text"][20] = value

    return change


def huge_losses(value: float) -> Callable[[Path], None]:
    return lambda folder: sign_all_again(folder, receipt=one_loss(value))


def link(folder: Path) -> None:
    file = newest(folder)
    file.rename(folder / "there")
    file.symlink_to(folder / "there")


def pipe(folder: Path) -> None:
    file = newest(folder)
    file.unlink()
    os.mkfifo(file)


def giant(folder: Path) -> None:
    with newest(folder).open("ab") as file:
        file.truncate(2**25 + 1)


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no JSON": (damage(b"{"), "not a receipt"),
    "not UTF-8": (damage(b'{"a": "\xff"}'), "not a receipt"),
    "deep JSON": (damage(b"[" * 100_000), "not a receipt"),
    "another shape": (damage(b'{"document":[],"hotkey":"old","signature":""}'), "signature"),
    "not a statement": (edited(lambda d: d.pop("winner")), "not a statement: winner"),
    "a wrong type": (edited(lambda d: d.update(netuid="37")), "not a statement: netuid"),
    "one field more": (edited(lambda d: d.update(more=1)), "as this version writes them"),
    "a NaN": (damage(b'{"document":{"a":NaN},"hotkey":"old","signature":"00"}'), "not a receipt"),
    "a giant": (giant, "larger than 32 MiB"),
    "a link": (link, "statement.json"),
    "a pipe": (pipe, "not an ordinary file"),
    "another subnet": (edited(lambda d: d.update(netuid=1)), "of subnet 1"),
    "another schedule": (
        edited(lambda d: d.update(schedule_fingerprint="0" * 64)),
        "another schedule",
    ),
    "another network": (edited(lambda d: d["sync"].update(hash="0x00")), "another network"),
    "another version": (edited(lambda d: d.update(version=3)), "as this version writes them"),
    "the first rule": (edited(lambda d: d.update(version=1)), "as this version writes them"),
    "a round twice": (repeat, "its statement is of competition 1, round"),
    "a round left out": (leave_out, "is missing or was replaced"),
    "a crown for another": (
        edited(crown("better")),
        "passed to better; derived: it was not checked",
    ),
    "no crown": (edited(lambda d: d.update(winner=None)), "does not follow from the losses"),
    "a stranger's crown": (
        edited(lambda d: d.update(champion={"hotkey": "thief", "block": 1})),
        "its champion did not take part",
    ),
    "an older rule": (
        edited(lambda d: (d.pop("premises"), d.pop("opinions"), d.update(version=1))),
        "older rule than the previous round",
    ),
    "another former champion": (
        edited(lambda d: d["premises"].update(former={"hotkey": "thief", "block": 1})),
        "another former champion",
    ),
    "rounds that were not judged": (
        edited(lambda d: d["premises"].update(num_judged=99)),
        "counts the earlier rounds wrongly",
    ),
    "a clock that restarted for nothing": (
        edited(lambda d: d["premises"].update(clocks=[[d["entries"][-1], d["sync"]["number"]]])),
        "moves the clock of an entry",
    ),
    "a shield for nothing": (
        edited(lambda d: d["premises"].update(is_shielded=True)),
        "protected differently than before",
    ),
    "retired without cause": (
        edited(lambda d: [s.update(retired=True) for s in d["submissions"]]),
        "is retired without cause",
    ),
    "another commitment": (
        edited(lambda d: d["submissions"][0]["commitment"].update(format="v1")),
        "committed something else",
    ),
    "an entry from the future": (
        edited(lambda d: d["submissions"][0]["commitment"].update(block=10**6)),
        "it does not list every entry exactly once",
    ),
    "a clock in the future": (
        edited(lambda d: d["submissions"][0].update(clock_block=10**6)),
        "or one that it mentions",
    ),
    "a clock before the commitment": (
        edited(lambda d: d["submissions"][0].update(clock_block=1)),
        "after its clock began",
    ),
    "a wrong signature": (forged, "not signed by old"),
    "someone without a permit": (signed_by("first"), "no validator permit"),
    "someone without a stake": (signed_by(POOR), "less than 2 % of the validators' stake"),
    "a stranger": (signed_by("thief"), "no validator permit"),
    "a receipt that is not named": (
        edited(lambda d: d.update(code_version="9"), "better-"),
        "the receipt of better is not in its statement",
    ),
    "a receipt that is missing": (
        lambda folder: newest(folder, "better-").unlink(),
        "1 of 2 receipts are missing",
    ),
    "losses of its own": (invent_losses, "scored again"),
    "other signers": (
        partial(name_signer, of=("first", "better", "worse", "broken")),
        "its samples have other signers",
    ),
    "signers that differ": (
        partial(name_signer, of=("better",)),
        "its receipts disagree on who signed the samples",
    ),
    "a loss beyond float32": (huge_losses(1e39), "with a loss that is not a number"),
    "a loss near the end of float64": (huge_losses(1e200), "with a loss that is not a number"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_refuses_with_one_line_and_begins_without(name: str, published: Path) -> None:
    spoil, told = HOSTILE[name]
    spoil(published)
    world = late(published)
    state = world.begin()
    assert not state.rounds
    assert not state.submissions
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.NOTHING
    (line,) = cautions(world)
    assert line.startswith(f"{published} is not used: ")
    assert told in line
    assert "\n" not in line


def says_the_same(one: bytes, other: bytes) -> bool:
    """A number's last digit may be another, and the number is the same."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_of_a_file_is_adopted(data: st.DataObject, tmp_path: Path) -> None:
    folder = export(four_rounds().memory, tmp_path / str(len(list(tmp_path.iterdir()))))
    file = data.draw(st.sampled_from(sorted(folder.rglob("*.json"))))
    content = bytearray(file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    assume(not says_the_same(bytes(content), file.read_bytes()))
    file.write_bytes(content)
    world = late(folder)
    assert not world.begin().rounds
    assert len(cautions(world)) == 1


def test_the_next_source_is_tried_and_the_one_with_more_stake_first(
    published: Path, tmp_path: Path
) -> None:
    spoilt = export(four_rounds().memory, tmp_path / "spoilt")
    forged(spoilt)
    world = late(tmp_path / "nowhere", spoilt, published)
    assert world.begin().rounds
    missing, refused = cautions(world)
    assert "No such file" in missing
    assert "not signed by old" in refused


def test_two_stories_of_one_validator_are_both_refused(published: Path, tmp_path: Path) -> None:
    other = export(four_rounds().memory, tmp_path / "other")
    edited(lambda d: d.update(code_version="9"))(other)
    world = late(published, other)
    assert not world.begin().rounds
    assert any("old signed two different statements" in line for line in cautions(world))


def test_losses_beyond_the_tolerance_of_devices_are_not_its_own(published: Path) -> None:
    world = late(published)
    exact = noisy(four_rounds().subnet.qualities)
    world.scorer.loss = lambda artifact, sample: 1.001 * exact(artifact, sample)
    assert not world.begin().rounds
    assert "scored again" in cautions(world)[0]


def test_another_device_is_not_held_against_it(published: Path) -> None:
    world = late(published)
    exact = noisy(four_rounds().subnet.qualities)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        return 1.00001 * exact(artifact, sample)

    world.scorer.loss = loss
    assert world.begin().rounds


def test_samples_that_nobody_has_any_more_cannot_be_checked(published: Path) -> None:
    world = late(published)
    world.dataset.rows.clear()
    assert not world.begin().rounds
    (line,) = cautions(world)
    assert "a receipt that decides a crown cannot be scored again" in line
    assert "cannot be read again" in line


def test_a_source_that_does_not_answer_for_a_while_is_waited_for(published: Path) -> None:
    world = late(published)
    world.dataset.failures = [DatasetUnavailable("503")] * 5
    assert world.begin().rounds
    assert world.dataset.failures == []
    told = [e.retry_in_s for e in world.sink.events if isinstance(e, Degraded)]
    assert told[:5] == [1, 2, 4, 8, 16]
    assert cautions(world) == []


def test_what_is_wrong_with_another_source_is_told_once_however_long_one_waits(
    published: Path, tmp_path: Path
) -> None:
    world = late(tmp_path / "nowhere", published)
    world.dataset.failures = [DatasetUnavailable("503")] * 3
    assert world.begin().rounds
    (line,) = cautions(world)
    assert "No such file" in line


def test_a_source_that_never_answers_is_given_up_after_a_quarter_of_an_hour(
    published: Path,
) -> None:
    world = late(published)
    began = world.clock.monotonic()
    world.dataset.failures = [DatasetUnavailable("503")] * 1_000
    state = world.begin()
    assert (state.beginning and state.beginning.way) is ColdStart.NOTHING
    assert 600 < world.clock.monotonic() - began < 1_200
    (line,) = cautions(world)
    assert "a receipt that decides a crown cannot be scored again" in line


# Without anything to begin with


def warm_ups(world: World) -> list[int]:
    return [e.rounds_left[ONE] for e in world.sink.events if isinstance(e, WarmingUp)]


def test_from_nothing_it_tells_how_long_the_weights_on_chain_stay() -> None:
    world = late()
    assert world.run(rounds=1).weights == ()
    assert warm_ups(world) == [COLD_ROUNDS, COLD_ROUNDS - 1]
    assert "--cold-start-from" in cautions(world)[0]


@pytest.mark.parametrize("way", [ColdStart.NOTHING, ColdStart.MANIFESTS])
def test_the_warm_up_ends_after_twenty_judged_rounds_however_many_were_sat_out(
    way: ColdStart,
) -> None:
    state = ValidatorState(beginning=a_beginning(way, block=four_rounds().head))
    judged = 0
    for number in range(40):
        key = a_round_key(ONE, 3_600 + 360 * number)
        sat_out = Reason.DATA_UNAVAILABLE if number % 3 == 0 else None
        round_ = a_round_result(key, skipped=sat_out)
        judged += round_.skipped is None
        state = replace(state, rounds={ONE: (*state.rounds.get(ONE, ()), round_)})
        weights = weights_after(state, one_competition(), key.sync_block)
        assert (weights is None) == (judged < COLD_ROUNDS)


@pytest.mark.parametrize(
    ("way", "block", "left"),
    [
        (ColdStart.NOTHING, 700, COLD_ROUNDS - 1),
        (ColdStart.MANIFESTS, 700, COLD_ROUNDS - 1),  # a round scored again is a round judged
        (ColdStart.RECEIPTS, 700, 0),
        (ColdStart.FIRST, 700, 0),
        (ColdStart.NOTHING, 699, 0),  # the competition began later than the validator
    ],
)
def test_only_who_lacks_what_others_know_is_cold(way: ColdStart, block: int, left: int) -> None:
    (stage,) = one_competition().stages
    schedule = replace(one_competition(), stages=(replace(stage, from_block=Block(700)),))
    state = ValidatorState(
        rounds={ONE: (a_round_result(a_round_key(ONE, 720)),)},
        beginning=a_beginning(way, block=block),
    )
    assert warm_up(state, schedule, Block(725)).get(ONE, 0) == left


def test_on_a_subnet_where_nobody_has_set_weights_there_is_nothing_to_wait_for() -> None:
    world = World(cold_start_from=())
    world.miner("first", 1.0)
    state = world.run(rounds=1)
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.FIRST
    assert len(state.weights) == 1


def test_adopted_rounds_are_no_warm_up(published: Path) -> None:
    world = late(published)
    state = world.run(rounds=FIRST_ROUNDS + 1)
    assert warm_ups(world) == []
    assert state.weights
