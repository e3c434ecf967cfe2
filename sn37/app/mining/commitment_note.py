"""Commitments with a note on disk of what was sent, for the next process."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sn37.app.errors import CommandError
from sn37.domain.ids import Block, BlockRef
from sn37.domain.submission.commitment import CommitmentQuote, StandingCommitment
from sn37.durable import write_whole
from sn37.ports.chain import Chain, CommitmentWriter
from sn37.ports.errors import ChainUnavailable, CommitmentRefused

IN_FLIGHT_BLOCKS = 25  # 5 minutes; after that an extrinsic is never included

# Called at every block with what is waited for, and the number of blocks left, if known.
Waiting = Callable[[str, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """The last commitment that was sent to the chain."""

    text: str
    head: Block  # the newest block before it was sent


class NotedWriter:
    """Writes for one hotkey; waits for the rate limit, and for an earlier commitment.

    Args:
        note: File that records what was sent.
        waiting: Called at every block of a wait.
    """

    def __init__(
        self, writer: CommitmentWriter, chain: Chain, note: Path, waiting: Waiting
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
        """Return what is on chain, once the earlier commitment is included or has expired."""
        sent = self._read()
        if sent is None or self.is_ours(await self.standing(), sent.text):
            return await self.standing()
        expires = sent.head + IN_FLIGHT_BLOCKS
        async for head in self._chain.blocks():
            standing = await self.standing()
            if self.is_ours(standing, sent.text) or head.number >= expires:
                return standing
            self._waiting(
                f"the commitment sent at block {sent.head} may still be included",
                expires - head.number,
            )
        raise ChainUnavailable("the chain ended")

    async def opened(self) -> StandingCommitment | None:
        """Return what is on chain, once it is not sealed any more."""
        async for _ in self._chain.blocks():
            standing = await self.standing()
            if standing is None or standing.data is not None:
                return standing
            self._waiting("the sealed commitment opens", None)
        raise ChainUnavailable("the chain ended")

    async def send_when_due(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """See ``CommitmentWriter.commit``; call it only after ``settled`` has returned.

        Raises:
            CommandError: The note cannot be written; nothing was sent.
        """
        await self._until_due(text, reveal_at)
        head = (await self._chain.head()).number
        self._write(_Sent(text=text, head=head))
        try:
            return await self._writer.commit(text, reveal_at=reveal_at)
        except CommitmentRefused:
            with suppress(OSError):  # a note left behind only costs a wait of five minutes
                self._note.unlink()  # nothing was sent
            raise

    def is_ours(self, standing: StandingCommitment | None, text: str) -> bool:
        """True if this text is the one on chain, sealed or not."""
        return standing is not None and self.text_of(standing) == text.encode()

    def text_of(self, standing: StandingCommitment) -> bytes | None:
        """Return the text on chain; of a sealed one only if this machine sealed it."""
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
            pass  # an incomplete note: nothing was sent after it
        except OSError as error:
            raise self._failed(error) from error
        return None

    def _write(self, sent: _Sent) -> None:
        """Write the note; it is on disk before the commitment is sent."""
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._note, json.dumps(asdict(sent)).encode())
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> CommandError:
        return CommandError(
            f"{self._note}, the record of what was sent: {error.strerror or error}; nothing was "
            "committed: fix it and run the command again"
        )
