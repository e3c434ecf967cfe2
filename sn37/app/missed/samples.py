"""Samples of a missed round, named by another validator's manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sn37.app.cold_start.offered_round import OfferedManifest, RoundReader
from sn37.app.cold_start.past_round import PastRound, PastRounds
from sn37.app.cold_start.resampling import CannotRecheck
from sn37.domain.ids import Hotkey, RoundKey
from sn37.domain.metagraph import Metagraph
from sn37.ports.errors import ChainUnavailable, OfferRefused, ReceiptsUnavailable
from sn37.ports.receipt_source import ReceiptSource


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSamples:
    """A missed round with the rows of a manifest that passed every check."""

    past: PastRound
    source: Hotkey  # signer of the manifest


class MissedSamples:
    """Finder of missed rounds among those that other validators publish.

    A manifest is checked as in a cold start: its signer has a validator permit now, the sync
    block's hash draws 9 of 10 rows of each task, and every row has its content hash. Losses,
    crowns and named entries of other validators are not used.
    """

    def __init__(
        self, *, origins: Sequence[ReceiptSource], rounds: RoundReader, past: PastRounds
    ) -> None:
        self._origins = origins
        self._rounds = rounds
        self._past = past

    @property
    def is_possible(self) -> bool:
        """True if a place is configured where others publish."""
        return bool(self._origins)

    async def offers(self, tell: Callable[[str], None]) -> Mapping[RoundKey, list[ReceiptSource]]:
        """Return the offered rounds with their sources, in the order of the configuration."""
        found: dict[RoundKey, list[ReceiptSource]] = {}
        for origin in self._origins:
            try:
                for key in await origin.index():
                    found.setdefault(key, []).append(origin)
            except (OfferRefused, ReceiptsUnavailable) as error:
                tell(f"{origin.name} is not used: {error}")
        return found

    async def read(
        self,
        key: RoundKey,
        sources: Sequence[ReceiptSource],
        *,
        metagraph: Metagraph,
        tell: Callable[[str], None],
    ) -> NamedSamples | None:
        """Return the round from the first source whose manifest passes; ``None`` if none does.

        Args:
            sources: The sources that offer the round.
            metagraph: Of this subnet at the newest block.
            tell: Receives the faults of the other sources.
        """
        for source in sources:
            try:
                offered = await self._rounds.read_manifest(key, await source.fetch(key))
                _require_permit(offered, metagraph)
                return NamedSamples(past=await self._past.read(offered), source=offered.signer)
            except (OfferRefused, CannotRecheck, ReceiptsUnavailable, ChainUnavailable) as error:
                tell(f"{source.name} is not used: {error}")
        return None


def _require_permit(offered: OfferedManifest, metagraph: Metagraph) -> None:
    neuron = metagraph.find(offered.signer)
    if neuron is None or not neuron.validator_permit:
        raise OfferRefused(f"its signer {offered.signer} has no validator permit")
