"""An offered history must have the entries that the chain pays."""

from __future__ import annotations

import asyncio
import struct
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sn37.app.cold_start.paid_entries import left_out
from sn37.app.rounds.weights_due import paid_part
from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import Beginning, ColdStart, RoundResult, ValidatorState
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreUnavailable
from sn37.testing.builders import (
    a_block_ref,
    a_commitment,
    a_round_key,
    a_round_result,
    a_timing,
    an_entry_key,
    an_entry_result,
)
from tests.support.fake_world import ONE, World, one_competition
from tests.support.late_starts import History, twelve_rounds, twelve_rounds_of
from tests.support.published_rounds import NEW, cautions, crowns, export, sign_all_again

Json = Any  # what json.loads returns
TIMING = a_timing()
TWO = CompetitionId(2)
NUM_ROUNDS = 12


def judged(
    index: int, *scored: str, champion: str | None = None, failed: str | None = None
) -> RoundResult:
    """A round that the first scored entry wins unless ``champion`` is given."""
    rows = [an_entry_result(an_entry_key(hotkey)) for hotkey in scored]
    if failed is not None:
        rows.append(
            an_entry_result(
                an_entry_key(failed), verdict=Verdict.FAILED, reason=Reason.TIMEOUT, score=None
            )
        )
    return a_round_result(
        a_round_key(1, 360 * index),
        champion=an_entry_key(champion or scored[0]),
        entries=tuple(rows),
    )


def missing(
    *paid: Commitment, rounds: list[RoundResult], elsewhere: list[RoundResult] | None = None
) -> dict[EntryKey, str]:
    found = left_out(paid, {ONE: rounds, TWO: elsewhere or []}, ONE, TIMING)
    return {commitment.key: fault for commitment, fault in found.items()}


KING, HEIR, COPY = map(a_commitment, ("king", "heir", "copy"))


def test_who_is_paid_most_must_have_held_the_crown_and_the_others_a_score() -> None:
    rounds = [judged(10, "king", "heir"), judged(11, "king", "copy")]
    assert missing(KING, HEIR, COPY, rounds=rounds) == {}
    assert missing(HEIR, rounds=rounds) == {HEIR.key: "held the crown in none of these rounds"}
    other = a_commitment("other")
    assert missing(KING, other, rounds=rounds) == {other.key: "was scored in none of these rounds"}


def test_a_crown_is_only_lost_in_a_round_with_a_score() -> None:
    first = judged(10, "king", "heir")
    assert missing(KING, rounds=[first, judged(11, "heir", "king"), judged(12, "heir")]) == {}
    for after in (judged(11, "heir"), judged(11, "heir", failed="king")):
        (fault,) = missing(KING, rounds=[first, after]).values()
        assert fault == "lost the crown in the round of block 3960 without a score"
    assert missing(KING, rounds=[first, judged(11, "heir", champion="king")]) == {}


def test_a_commitment_older_than_the_window_must_have_been_tried() -> None:
    rounds = [judged(40, "king"), judged(41, "king")]
    for block, fault in ((6_119, True), (6_120, False)):
        again = a_commitment("king", block=block)
        assert (again.key in missing(again, rounds=rounds)) is fault
    failed = an_entry_result(
        an_entry_key("king", 90), verdict=Verdict.FAILED, reason=Reason.TIMEOUT, score=None
    )
    newest = replace(rounds[1], entries=(*rounds[1].entries, failed))
    assert missing(a_commitment("king", block=90), rounds=[rounds[0], newest]) == {}


def test_a_hotkey_that_changed_competition_is_paid_for_the_former_one() -> None:
    rounds = [judged(11, "king")]
    assert missing(HEIR, KING, rounds=rounds, elsewhere=[judged(10, "heir")]) == {}


# Whole starts


@cache
def forged() -> History:
    """Rounds of a validator that does not see the champion."""
    hiding = deepcopy(twelve_rounds().subnet)
    hiding.chain.records = [r for r in hiding.chain.records if r.hotkey != "better"]
    return twelve_rounds_of(hiding)


def newcomer(history: History, folder: Path, *, newest: int) -> World:
    """A new validator with the newest rounds of a history, on a chain that pays the champion."""
    since = sorted(history.memory.plans)[-newest].sync_block
    published = export(history.memory, folder, since=since)
    return paying(twelve_rounds().validator(NEW, published), "better")


def paying(world: World, *paid: str) -> World:
    """The same world, whose chain pays these miners, the first one most."""
    shares = {hotkey: 1 / (2 + rank) for rank, hotkey in enumerate(paid)}
    since = world.chain.number
    members = asyncio.run(world.chain.metagraph(a_block_ref(since))).neurons
    world.chain.set_members(
        *(replace(n, incentive=shares.get(n.hotkey, 0.0)) for n in members), since=since
    )
    return world


def way(world: World) -> ColdStart:
    beginning = world.begin().beginning
    assert beginning is not None
    return beginning.way


@pytest.mark.parametrize("newest", [1, 2, NUM_ROUNDS])
def test_rounds_without_the_champion_that_the_chain_pays_are_refused(
    newest: int, tmp_path: Path
) -> None:
    world = newcomer(forged(), tmp_path / "forged", newest=newest)
    has_enough = newest == NUM_ROUNDS
    assert way(world) is (ColdStart.MANIFESTS if has_enough else ColdStart.NOTHING)
    assert any(
        "better is paid by the chain, but held the crown in none of these rounds" in caution
        for caution in cautions(world)
    )
    if has_enough:
        assert crowns(world.begin()) == twelve_rounds().crowns


@pytest.mark.parametrize("newest", [1, 2, NUM_ROUNDS])
def test_rounds_with_the_champion_that_the_chain_pays_are_adopted(
    newest: int, tmp_path: Path
) -> None:
    world = newcomer(twelve_rounds(), tmp_path / "old", newest=newest)
    assert way(world) is ColdStart.RECEIPTS
    assert cautions(world) == []


@pytest.mark.parametrize(
    "error", [ModelRejected("too large", reason=Reason.TOO_LARGE), ModelNotPublic("it is private")]
)
def test_an_entry_whose_model_is_refused_here_may_be_left_out(
    error: Exception, tmp_path: Path
) -> None:
    world = newcomer(forged(), tmp_path / "forged", newest=2)
    world.models = deepcopy(world.models)
    world.models.cached.clear()
    world.models.failures.append(error)
    assert way(world) is ColdStart.RECEIPTS


def test_an_entry_with_the_weights_of_a_scored_one_may_be_left_out(tmp_path: Path) -> None:
    world = newcomer(forged(), tmp_path / "forged", newest=2)
    world.models = deepcopy(world.models)
    world.models.cached.clear()
    first, better = (
        next(r for r in world.chain.records if r.hotkey == name) for name in ("first", "better")
    )
    assert isinstance(first, Commitment)
    assert isinstance(better, Commitment)
    world.models.publish(better, replace(world.models.publish(first), ref=better.model))
    assert way(world) is ColdStart.RECEIPTS


def test_an_outage_does_not_excuse_who_is_left_out(tmp_path: Path) -> None:
    world = newcomer(forged(), tmp_path / "forged", newest=2)
    world.models = deepcopy(world.models)
    world.models.cached.clear()
    world.models.failures.append(StoreUnavailable("the hub does not answer"))
    assert way(world) is ColdStart.NOTHING


@pytest.mark.parametrize("later", range(3))
def test_the_newest_receipt_of_a_paid_entry_is_always_scored_again(
    later: int, tmp_path: Path
) -> None:
    folder = export(twelve_rounds().memory, tmp_path / "old")
    memory = twelve_rounds().memory
    newest = max(
        key
        for key, result in memory.results.items()
        if any(e.key.hotkey == "worse" and e.verdict is Verdict.SCORED for e in result.entries)
    )

    def larger(document: Json) -> None:
        if (document["hotkey"], document["sync_block"]) == ("worse", newest.sync_block):
            losses = document["losses"]
            document["losses"] = {
                t: [float32(1.01 * x) for x in held] for t, held in losses.items()
            }

    sign_all_again(folder, receipt=larger)
    world = paying(twelve_rounds().validator(NEW, folder, after=later), "better", "worse")
    assert way(world) is ColdStart.MANIFESTS
    assert f"round {newest.sync_block}, receipt of worse: scored again" in cautions(world)[0]


def float32(value: float) -> float:
    (held,) = struct.unpack("f", struct.pack("f", value))
    return float(held)


@pytest.mark.parametrize(
    ("way", "is_less"), [(ColdStart.RECEIPTS, True), (ColdStart.MANIFESTS, False)]
)
def test_only_gaps_between_adopted_rounds_lower_the_pay(way: ColdStart, is_less: bool) -> None:
    rounds = (judged(10, "king"), judged(30, "king"))
    state = ValidatorState(
        rounds={ONE: rounds}, beginning=Beginning(way=way, block=Block(360 * 30 + 5))
    )
    paid = paid_part(state, one_competition(), ONE)
    assert (paid < 1) is is_less
