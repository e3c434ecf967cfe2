"""Inventory of the models on a validator's disk, with the purpose of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.disk.eviction import copies_of
from sn37.domain.disk.expected_downloads import expected_entries
from sn37.domain.ids import Block, BlockRef, Coldkey, EntryKey, Uid
from sn37.domain.metagraph import Metagraph, Neuron
from sn37.domain.round.history import histories_of
from sn37.domain.round.round_entries import current_submissions
from sn37.domain.round.state import History, RoundResult, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import Inventory, ModelRef
from sn37.domain.submission.submission import Submission, Verdict


class Purpose(StrEnum):
    """Purpose for which a model is kept or expected, the strongest first."""

    CHAMPION = "champion"
    IN_ROUND = "in an open round"
    CONTENDER = "contender"  # scored in its competition's newest round
    NEXT = "next in the queue"  # expected in one of the next rounds
    QUEUED = "waiting"  # for a later round, or for a readable repository
    NONE = "none"  # never scored again: evicted first when space is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A model that is on disk, being downloaded, or expected."""

    submission: Submission
    purpose: Purpose
    position: int | None = None  # among the expected models, from 1
    size_bytes: int = 0  # on disk
    complete: bool = False


def holdings(
    state: ValidatorState, inventory: Inventory, schedule: Schedule
) -> tuple[Holding, ...]:
    """Return every model on disk or expected, by competition, purpose and precedence.

    It uses recorded state only, and does not know which hotkeys have left the subnet since.
    """
    purposes, positions = _purposes(state, schedule)
    found = []
    for key, submission in state.submissions.items():
        held = inventory.held.get(submission.commitment.model)
        purpose = purposes.get(key, Purpose.NONE)
        if held is not None or purpose is not Purpose.NONE:
            found.append(
                Holding(
                    submission=submission,
                    purpose=purpose,
                    position=positions.get(key),
                    size_bytes=held.size_bytes if held else 0,
                    complete=held is not None and held.complete,
                )
            )
    order = list(Purpose)
    found.sort(
        key=lambda h: (
            h.submission.commitment.competition,
            order.index(h.purpose),
            h.position or 0,
            h.submission.commitment.precedence,
        )
    )
    return tuple(found)


def newest_block(state: ValidatorState) -> Block:
    """Return the newest block in the recorded state; 0 for an empty state."""
    blocks = [s.commitment.block for s in state.submissions.values()]
    blocks += [r.key.sync_block for rounds in state.rounds.values() for r in rounds]
    blocks += [key.sync_block for key in state.open_rounds]
    blocks += [record.sent_at for record in state.weights]
    return max(blocks, default=Block(0))


def refs_of(state: ValidatorState) -> frozenset[ModelRef]:
    """Return every model that was ever committed."""
    return frozenset(s.commitment.model for s in state.submissions.values())


def _purposes(
    state: ValidatorState, schedule: Schedule
) -> tuple[Mapping[EntryKey, Purpose], Mapping[EntryKey, int]]:
    """Return each model's purpose, weak purposes first, and the queue position of some."""
    block, histories = newest_block(state), histories_of(state)
    copies = copies_of(state, histories)
    purposes = {
        s.commitment.key: Purpose.QUEUED
        for s in current_submissions(state.submissions.values(), block)
        if s.rejection is None and not s.retired and s.commitment.key not in copies
    }
    expected = expected_entries(
        state.submissions.values(),
        schedule=schedule,
        block=block,
        metagraph=_everybody(state, block),
        histories=histories,
        open_rounds=state.open_rounds.values(),
    )
    purposes |= {e.key: Purpose.NEXT for e in expected}
    for competition, rounds in state.rounds.items():
        purposes |= _incumbents(rounds, histories[competition])
    purposes |= {
        key: Purpose.IN_ROUND
        for opened in state.open_rounds.values()
        for key in opened.plan.entries
        if purposes.get(key) is not Purpose.CHAMPION
    }
    return purposes, {e.key: number for number, e in enumerate(expected, 1)}


def _incumbents(rounds: tuple[RoundResult, ...], history: History) -> Mapping[EntryKey, Purpose]:
    newest = next((r for r in reversed(rounds) if r.skipped is None), None)
    found = {
        row.key: Purpose.CONTENDER
        for row in (newest.entries if newest else ())
        if row.verdict is Verdict.SCORED and row.reason is None
    }
    return found | dict.fromkeys(history.crowned[-1:], Purpose.CHAMPION)


def _everybody(state: ValidatorState, block: Block) -> Metagraph:
    """Return a metagraph in which every hotkey that ever committed is registered."""
    hotkeys = sorted({key.hotkey for key in state.submissions})
    return Metagraph(
        at=BlockRef(block, ""),
        neurons=tuple(
            Neuron(
                uid=Uid(number),
                hotkey=hotkey,
                coldkey=Coldkey(""),
                stake_rao=0,
                validator_permit=False,
                registered_at=Block(0),
                last_update=Block(0),
            )
            for number, hotkey in enumerate(hotkeys)
        ),
    )
