"""A writer of commitments that remembers what it sent, from one process to the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.app.errors import CommandError
from sn37.domain.ids import Block, BlockRef
from sn37.domain.submission.commitment import CommitmentQuote, StandingCommitment
from sn37.durable import write_whole
from sn37.ports.chain import Chain, CommitmentWriter
from sn37.ports.errors import ChainUnavailable, CommitmentRefused

IN_FLIGHT_BLOCKS = 25  # 5 minutes; an extrinsic that is not on chain by then never will be

# Told at every block what is waited for, and how many blocks are left where that is known.
Waiting = Callable[[str, int | None], None]


def unheard(why: str, blocks_left: int | None) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """The last commitment that was handed to the chain."""

    text: str
    head: Block  # the newest block before it was sent


class NotedWriter:
    """A ``CommitmentWriter`` that waits: for the rate limit, and for what it sent before.

    Args:
        note: The file that remembers.
        waiting: Told meanwhile.
    """

    def __init__(
        self, writer: CommitmentWriter, chain: Chain, note: Path, waiting: Waiting = unheard
    ) -> None:
        self._writer = writer
        self._chain = chain
        self._note = note
        self._waiting = waiting

    async def quote(self, text: str, *, reveal_at: datetime | None = None) -> CommitmentQuote:
        """See ``CommitmentWriter.quote``."""
        return await self._writer.quote(text, reveal_at=reveal_at)

    async def standing(self) -> StandingCommitment | None:
        """See ``CommitmentWriter.standing``."""
        return await self._writer.standing()

    async def settled(self) -> StandingCommitment | None:
        """What stands on chain, once what was sent before has landed or never will."""
        sent = self._read()
        if sent is None or self.is_ours(await self.standing(), sent.text):
            return await self.standing()
        expires = sent.head + IN_FLIGHT_BLOCKS
        async for head in self._chain.blocks():
            standing = await self.standing()
            if self.is_ours(standing, sent.text) or head.number >= expires:
                return standing
            self._waiting(
                f"the commitment sent at block {sent.head} may still land", expires - head.number
            )
        raise ChainUnavailable("the chain ended")

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """See ``CommitmentWriter.commit``; not to be called before ``settled`` has returned.

        Raises:
            CommandError: The note cannot be written; nothing was sent.
        """
        await self._until_due(text, reveal_at)
        head = (await self._chain.head()).number
        self._write(_Sent(text=text, head=head))
        try:
            return await self._writer.commit(text, reveal_at=reveal_at)
        except CommitmentRefused:
            with suppress(OSError):  # left behind, it is waited for in vain, for five minutes
                self._note.unlink()  # nothing is under way
            raise

    def is_ours(self, standing: StandingCommitment | None, text: str) -> bool:
        """Whether this text is what stands on chain, be it sealed."""
        return standing is not None and self.text_of(standing) == text.encode()

    def text_of(self, standing: StandingCommitment) -> bytes | None:
        """What stands on chain; of a seal only where it was this machine that sealed it."""
        if standing.data is not None:
            return standing.data
        sent = self._read()
        return sent.text.encode() if sent is not None and sent.head < standing.block else None

    async def _until_due(self, text: str, reveal_at: datetime | None) -> None:
        if not (await self.quote(text, reveal_at=reveal_at)).blocks_left:
            return
        async for _ in self._chain.blocks():
            quote = await self.quote(text, reveal_at=reveal_at)
            self._waiting(quote.why, quote.blocks_left)
            if not quote.blocks_left:
                return

    def _read(self) -> _Sent | None:
        try:
            match json.loads(self._note.read_text(encoding="utf-8")):
                case {"text": str(text), "head": int(head)}:
                    return _Sent(text=text, head=Block(head))
        except (FileNotFoundError, ValueError):
            pass  # a torn note was written before anything was sent
        except OSError as error:
            raise self._failed(error) from error
        return None

    def _write(self, sent: _Sent) -> None:
        """On disk for good before the commitment leaves."""
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._note, json.dumps(asdict(sent)).encode())
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> CommandError:
        return CommandError(
            f"{self._note}, which remembers what was sent: {error.strerror or error}; nothing was "
            "committed now: fix it and call again"
        )


if TYPE_CHECKING:
    _: type[CommitmentWriter] = NotedWriter
