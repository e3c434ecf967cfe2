"""Rounds that another validator's web server offers, read into a folder of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.child_process.running import ChildError, child_environment, running
from sn37.adapters.receipts.folder import FolderReceipts
from sn37.adapters.receipts.listing import INDEX, ListedRound, folder_name, is_here, read_index
from sn37.adapters.receipts.web_messages import WebOrder, decode_report, encode_order
from sn37.domain.ids import RoundKey
from sn37.ports.clock import Clock
from sn37.ports.errors import PortError, ReceiptsUnavailable, ReceiptsUnreachable
from sn37.ports.receipt_source import OfferedRound

if TYPE_CHECKING:
    from sn37.ports.receipt_source import ReceiptSource

_MODULE = "sn37.adapters.receipts.web_worker"
ROUND_TIMEOUT_S = 600.0  # for one round, however slowly its files arrive
BATCH = 32  # rounds that one process fetches
INDEX_AGE_S = 300.0  # for so long an index is not asked for again


class AddressReceipts:
    """Rounds that ``sn37 receipts export`` has written, behind an https address.

    The server is not trusted: a process of its own, which is ended when it takes too long, reads
    files of bounded size and number from that host alone. Fetched files stay in the cache,
    so the next call, or the next start, continues.

    Args:
        cache: Folder that only this object uses.
        timeout_s: Time for one round, however slowly its files arrive.
        pause_s: Before the first retry of a request; longer each time.
    """

    def __init__(
        self,
        address: str,
        cache: Path,
        *,
        clock: Clock,
        timeout_s: float = ROUND_TIMEOUT_S,
        pause_s: float = 1.0,
    ) -> None:
        self._address = address
        self._cache = cache
        self._clock = clock
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._fetched = FolderReceipts(cache)
        self._index: dict[RoundKey, ListedRound] = {}
        self._read_at: float | None = None

    @property
    def name(self) -> str:
        return self._address

    async def index(self) -> tuple[RoundKey, ...]:
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at > INDEX_AGE_S:
            await self._order(None)
            self._index = await asyncio.to_thread(self._read_index)
            self._read_at = now
        return tuple(self._index)

    async def fetch(self, round_: RoundKey) -> OfferedRound:
        if not self._index:
            await self.index()
        if round_ not in self._index:
            raise ReceiptsUnavailable(f"{self.name}: has no round {folder_name(round_)} any more")
        if not await asyncio.to_thread(self._is_here, round_):
            names = await asyncio.to_thread(self._missing_from, round_)
            try:
                await self._order(names)
            except PortError:
                self._read_at = None  # the index may be old
                if not await asyncio.to_thread(self._is_here, round_):
                    raise
        return await self._fetched.fetch(round_)

    def _is_here(self, round_: RoundKey) -> bool:
        return is_here(self._cache, round_, self._index[round_])

    def _missing_from(self, first: RoundKey) -> Sequence[str]:
        """Return the names of a round and of the next ones that were not fetched yet."""
        missing = (key for key in self._index if key >= first and not self._is_here(key))
        return [folder_name(key) for key in islice(missing, BATCH)]

    def _read_index(self) -> dict[RoundKey, ListedRound]:
        try:
            return dict(read_index((self._cache / INDEX).read_bytes()))
        except OSError as error:
            raise ReceiptsUnavailable(f"{self._cache}: {error.strerror or error}") from error

    async def _order(self, rounds: Sequence[str] | None) -> None:
        """Have the index or these rounds fetched; returns when all are there.

        Raises:
            OfferRefused: What the server has cannot be an offer.
            ReceiptsUnavailable: It cannot be read; ``ReceiptsUnreachable`` if a try later may help.
        """
        order = WebOrder(
            address=self._address,
            folder=str(self._cache),
            rounds=rounds,
            pause_s=self._pause_s,
        )
        left = 1 if rounds is None else len(rounds)
        try:
            async with (
                asyncio.timeout(self._timeout_s) as deadline,
                running(_MODULE, child_environment({})) as child,
            ):
                child.send(encode_order(order))
                async for line in child.lines():
                    if (error := decode_report(line)) is not None:
                        raise error
                    left -= 1
                    deadline.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
                if left:
                    raise child.death()
        except TimeoutError as error:
            raise ReceiptsUnreachable(
                f"{self.name}: nothing complete within {self._timeout_s:g} s"
            ) from error
        except ChildError as error:
            raise ReceiptsUnreachable(f"{self.name}: the reader {error}") from error


def receipts_at(
    places: Sequence[Path | str], caches: Path, clock: Clock
) -> tuple[FolderReceipts | AddressReceipts, ...]:
    """Return the sources of several places, each of one validator: folders and addresses.

    Args:
        caches: Folder for what is fetched from addresses, a folder for each.
    """
    return tuple(
        FolderReceipts(place)
        if isinstance(place, Path)
        else AddressReceipts(place, caches / sha256(place.encode()).hexdigest()[:16], clock=clock)
        for place in places
    )


if TYPE_CHECKING:
    _source: type[ReceiptSource] = AddressReceipts
