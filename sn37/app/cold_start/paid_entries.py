"""Entries that the chain pays, which an offered history must not leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sn37.domain.ids import CompetitionId, Hotkey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, RoundTiming
from sn37.domain.submission.base_models import rank_base_models
from sn37.domain.submission.commitment import Commitment, CommitmentBook
from sn37.domain.submission.submission import Verdict

_TRIED = frozenset({Verdict.SCORED, Verdict.FAILED})


def paid_by_consensus(
    book: CommitmentBook, metagraph: Metagraph, competition: CompetitionId
) -> Sequence[Commitment]:
    """Return the commitments of hotkeys with incentive, the highest first.

    They hold a crown or held it recently. At most as many as a champion and its contenders.
    """
    ranked = rank_base_models(book, metagraph, {competition})
    return [model.commitment for model in ranked[: 1 + MAX_CONTENDERS]]


def left_out(
    paid: Sequence[Commitment],
    rounds: Mapping[CompetitionId, Sequence[RoundResult]],
    competition: CompetitionId,
    timing: RoundTiming,
) -> Mapping[Commitment, str]:
    """Return the paid entries that offered rounds leave out, with what is missing.

    The hotkey that is paid most must have held the crown, and can only have lost it in a round in
    which it was scored. Each of the others must have been scored. A commitment that is older than
    the window of the standings must have been tried, too.

    Args:
        paid: As ``paid_by_consensus`` returns them for the competition.
        rounds: The judged rounds of each competition, by sync block.
    """
    held = rounds[competition]
    elsewhere = [r for other, found in rounds.items() if other != competition for r in found]
    # A hotkey that moved here from another competition is still paid for that one.
    mine = [c for c in paid if not _rounds_scored(c.hotkey, elsewhere)]
    oldest = held[-1].key.sync_block - WINDOW_ROUNDS * timing.cadence
    tried = {e.key for r in held for e in r.entries if e.verdict in _TRIED}
    missing: dict[Commitment, str] = {}
    for commitment in mine:
        fault = _crown_missing(commitment.hotkey, held) if commitment is mine[0] else None
        if fault is None and not _rounds_scored(commitment.hotkey, held):
            fault = "was scored in none of these rounds"
        if fault is None and commitment.block < oldest and commitment.key not in tried:
            fault = f"was not tried with its commitment of block {commitment.block}"
        if fault is not None:
            missing[commitment] = fault
    return missing


def _crown_missing(hotkey: Hotkey, held: Sequence[RoundResult]) -> str | None:
    crowned = [number for number, round_ in enumerate(held) if round_.winner == hotkey]
    if not crowned:
        return "held the crown in none of these rounds"
    after = held[crowned[-1] + 1 :][:1]
    if after and not _rounds_scored(hotkey, after):
        return f"lost the crown in the round of block {after[0].key.sync_block} without a score"
    return None


def _rounds_scored(hotkey: Hotkey, held: Sequence[RoundResult]) -> Sequence[RoundResult]:
    """Return the rounds in which an entry of the hotkey was scored."""
    return [
        r
        for r in held
        if any(e.key.hotkey == hotkey and e.verdict is Verdict.SCORED for e in r.entries)
    ]
