"""Champions of the competitions, as well as a miner can know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import CompetitionId, EntryKey, RoundKey
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.base_models import rank_base_models
from sn37.domain.submission.commitment import Commitment
from sn37.ports.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The commitment of a champion."""

    round: RoundKey  # after which it holds the crown; without a validator's state: the block read
    commitment: Commitment
    known_from: str  # how we know, for people

    @property
    def crown(self) -> tuple[RoundKey, EntryKey]:
        return self.round, self.commitment.key


async def champions(
    chain: Chain, schedule: Schedule, state: ValidatorState | None
) -> Mapping[CompetitionId, Champion]:
    """Return the champion of each competition that has one.

    A validator's own record is exact. Without it, the commitment with the highest incentive of
    a competition counts as champion; that is wrong for some rounds after a coronation, while
    the predecessor still has more incentive.

    Raises:
        ChainUnavailable: See ``Chain``.
    """
    if state is not None and any(state.rounds.values()):
        return _recorded(state)
    head = await chain.head()
    book, metagraph = await chain.commitments(head), await chain.metagraph(head)
    found: dict[CompetitionId, Champion] = {}
    for competition in schedule.at(head.number):
        if ranked := rank_base_models(book, metagraph, {competition.id}):
            found[competition.id] = Champion(
                round=RoundKey(competition.id, head.number),
                commitment=ranked[0].commitment,
                known_from=f"the highest incentive at block {head.number}",
            )
    return found


def _recorded(state: ValidatorState) -> Mapping[CompetitionId, Champion]:
    found: dict[CompetitionId, Champion] = {}
    for competition, rounds in state.rounds.items():
        newest = next((r for r in reversed(rounds) if r.skipped is None), None)
        if newest is not None and newest.champion is not None:
            found[competition] = Champion(
                round=newest.key,
                commitment=state.submissions[newest.champion].commitment,
                known_from=f"the round of block {newest.key.sync_block}",
            )
    return found
