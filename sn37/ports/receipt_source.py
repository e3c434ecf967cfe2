"""Port: rounds that another validator publishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sn37.domain.ids import RoundKey


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRound:
    """The files of one round as they came: bounded in size, and otherwise a stranger's."""

    statement: bytes
    receipts: tuple[bytes, ...]  # in no particular order


class ReceiptSource(Protocol):
    """Reads what one validator offers. Nothing of it is believed here.

    All methods raise ``ReceiptsUnavailable`` when the place cannot be read, and
    ``OfferRefused`` when what is there cannot be an offer.
    """

    @property
    def name(self) -> str:
        """What the operator called it."""
        ...

    async def index(self) -> tuple[RoundKey, ...]:
        """The rounds that are offered, in order; each is there once."""
        ...

    async def fetch(self, round_: RoundKey) -> OfferedRound:
        """The files of one of these rounds."""
        ...
