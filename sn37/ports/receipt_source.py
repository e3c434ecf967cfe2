"""Port: rounds that another validator publishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sn37.domain.ids import EntryKey, RoundKey


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRound:
    """Files of one round as received: bounded in size, otherwise unchecked."""

    statement: bytes
    receipts: tuple[bytes, ...]  # in no particular order


class ReceiptSource(Protocol):
    """Read the rounds that one validator offers. The reader does not check or trust them.

    All methods raise ``ReceiptsUnavailable`` when the place cannot be read, and
    ``OfferRefused`` when its content cannot be an offer.
    """

    @property
    def name(self) -> str:
        """Name that the operator gave it."""
        ...

    async def index(self) -> tuple[RoundKey, ...]:
        """Return the offered rounds in order, each once."""
        ...

    async def fetch(self, round_: RoundKey) -> OfferedRound:
        """Return the files of one of these rounds."""
        ...


class PublishedRounds(Protocol):
    """Read single documents of the rounds that one validator published, which are not checked.

    Errors as those of ``ReceiptSource``.
    """

    @property
    def name(self) -> str:
        """Name that the operator gave it."""
        ...

    def index(self) -> tuple[RoundKey, ...]:
        """Return the published rounds in order, each once."""
        ...

    def statement(self, round_: RoundKey) -> bytes:
        """Return the file of the statement on one of these rounds."""
        ...

    def receipt(self, round_: RoundKey, entry: EntryKey) -> bytes | None:
        """Return the file of an entry's receipt; ``None`` if the round has none."""
        ...
