"""Manifests of a validator whose receipts are not trusted: its rows and its entries."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sn37.app.cold_start.offered_round import OfferedManifest, RoundReader
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.schedule.schedule import COLD_ROUNDS, Schedule
from sn37.ports.errors import OfferRefused
from sn37.ports.receipt_source import ReceiptSource

# Per competition. With fewer, more than half of the warm-up would remain, and the next offered
# validator may have published more.
MIN_ROUNDS = COLD_ROUNDS // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedManifests:
    """The newest rounds of one validator, as far as they can be read."""

    name: str  # of the source
    validator: Hotkey  # signer of the newest statements
    rounds: tuple[OfferedManifest, ...]  # by sync block, then competition

    def names(self, competition: CompetitionId) -> Sequence[EntryKey]:
        """Return the entries to score: holders of the crown, newest first, then contenders.

        Former champions are scored too, because the crowns of older rounds are theirs, and these
        decide the standings.
        """
        held = [
            r.statement
            for r in self.rounds
            if r.statement.key.competition == competition and r.statement.later is None
        ]
        if not held:
            return ()
        crowned = [s.winner for s in reversed(held) if s.winner is not None]
        newest = {s.commitment.key: s for s in held[-1].submissions}
        racing = [key for key in held[-1].entries if not newest[key].retired]
        return (*crowned, *racing)


class ManifestReader:
    """Reader of the newest rounds of an offer, each independent of the others."""

    def __init__(self, *, rounds: RoundReader, schedule: Schedule) -> None:
        self._rounds = rounds
        self._schedule = schedule

    def is_due(self, head: Block) -> bool:
        """True if any competition has run for long enough."""
        return any(self._is_old(c.id, head) for c in self._schedule.at(head))

    async def read(self, source: ReceiptSource, *, metagraph: Metagraph) -> OfferedManifests:
        """Return the manifests that a source offers, for the competitions that run now.

        Its signer needs a permit, so that not everyone can make this validator score models for
        days. Its stake does not matter, because none of its results are used.

        Args:
            metagraph: Of this subnet at the newest block.

        Raises:
            OfferRefused: No part of it can be used; the message says why in one line.
            ReceiptsUnavailable, ChainUnavailable: It cannot be read now.
        """
        head, index = metagraph.at.number, await source.index()
        rounds, unread = list[OfferedManifest](), list[str]()
        for rules in self._schedule.at(head):
            for key in self._newest([k for k in index if k.competition == rules.id], head):
                try:
                    rounds.append(await self._rounds.read_manifest(key, await source.fetch(key)))
                except OfferRefused as error:
                    unread.append(str(error))
                await asyncio.sleep(0)  # many rounds must not block the heartbeat
        rounds.sort(key=lambda r: (r.statement.key.sync_block, r.statement.key.competition))
        self.require_enough(Counter(r.statement.key.competition for r in rounds), head, unread)
        return OfferedManifests(
            name=source.name, validator=_signer(rounds, metagraph), rounds=tuple(rounds)
        )

    def require_enough(
        self, num_rounds: Mapping[CompetitionId, int], head: Block, problems: Sequence[str]
    ) -> None:
        """Check that there are enough rounds of every competition that has had that many.

        Raises:
            OfferRefused: Names the competition with too few, and the last problem.
        """
        for rules in self._schedule.at(head):
            num = num_rounds.get(rules.id, 0)
            if self._is_old(rules.id, head) and num < MIN_ROUNDS:
                why = f"; {problems[-1]}" if problems else ""
                raise OfferRefused(
                    f"{num} of its last {COLD_ROUNDS} rounds of competition {rules.id} can be "
                    f"scored again, {MIN_ROUNDS} are needed{why}"
                )

    def _newest(self, offered: Sequence[RoundKey], head: Block) -> Sequence[RoundKey]:
        """Return the last twenty rounds, or none if even the last of them is too old."""
        timing = self._schedule.timing
        oldest = timing.sync_block(head) - COLD_ROUNDS * timing.cadence
        return offered[-COLD_ROUNDS:] if offered and offered[-1].sync_block >= oldest else ()

    def _is_old(self, competition: CompetitionId, head: Block) -> bool:
        timing = self._schedule.timing
        first = Block(timing.sync_block(head) - MIN_ROUNDS * timing.cadence)
        return self._schedule.competition(competition, first) is not None


def _signer(rounds: Sequence[OfferedManifest], metagraph: Metagraph) -> Hotkey:
    """Return the signer of the newest round of each competition."""
    newest = {r.statement.key.competition: r.signer for r in rounds}
    if len(set(newest.values())) != 1:
        raise OfferRefused(
            f"its newest statements are signed by {len(set(newest.values()))} validators"
        )
    validator = next(iter(newest.values()))
    neuron = metagraph.find(validator)
    if neuron is None or not neuron.validator_permit:
        raise OfferRefused(f"its signer {validator} has no validator permit")
    return validator
