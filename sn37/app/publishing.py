"""Publish a model: private upload, commitment, and only then public. Resumed by repeating it.

Whoever reads the files before the commitment is on chain could commit to them first (attack
2), and a second commitment of the same text would only be younger. So each step looks at what
the host and the chain show before it does anything, and a note on disk says which commitment
was sent last, since the chain shows it a minute later or, sealed, for hours does not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sn37.app.committing import Confirm, commit, losses
from sn37.domain.commitment import (
    Commitment,
    CommitmentQuote,
    StandingCommitment,
    format_commitment,
    parse_commitment,
    secure_hash,
)
from sn37.domain.competition import Competition
from sn37.domain.ids import Block, BlockRef, Digest, EntryKey, Hotkey, RoundKey
from sn37.domain.models import ModelRef
from sn37.ports.chain import Chain, CommitmentWriter
from sn37.ports.errors import ChainUnavailable, CommitmentRefused, PublishRefused
from sn37.ports.model_store import ModelPublisher

IN_FLIGHT_BLOCKS = 25  # 5 minutes; an extrinsic that is not on chain by then never will be
UNKNOWN_COMMIT = "0" * 40

# Told at every block what is waited for, and how many blocks are left where that is known.
Waiting = Callable[[str, int | None], None]


def _unheard(why: str, blocks_left: int | None) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a miner wants to publish, and for which competition."""

    folder: PurePath
    repo: str  # "namespace/name"
    competition: Competition
    hotkey: Hotkey
    reveal_at: datetime | None = None  # when a sealed commitment opens; ``None`` for a plain one


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How far it has come. While ``public`` is false the same call goes on later."""

    model: ModelRef
    committed_at: Block  # of a sealed one: the block of the commitment until it opens
    public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What publishing would do, found out without doing any of it."""

    text: str  # of the commitment; zeros stand for the commit, known after the upload
    quote: CommitmentQuote
    done: bool  # the chain shows these files in this repository already
    gives_up: tuple[str, ...]  # by a new commitment, a line each


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """The last commitment that was handed to the chain."""

    text: str
    head: Block  # the newest block before it was sent


class Publishing:
    """The miner's use case over a chain and a model host.

    Args:
        note: File that remembers a commitment under way from one process to the next.
        waiting: Told while the chain's rate limit holds a commitment back.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        writer: CommitmentWriter,
        publisher: ModelPublisher,
        note: Path,
        waiting: Waiting = _unheard,
    ) -> None:
        self._chain = chain
        self._waiting = waiting
        self._writer = NotedWriter(writer, chain, note, waiting)
        self._publisher = publisher

    async def preview(
        self,
        wanted: Publication,
        *,
        model_hash: Digest,
        crowns: Collection[tuple[RoundKey, EntryKey]],
    ) -> Preview:
        """Look at the chain, and send nothing to anybody.

        Raises:
            PublishRefused: The name is too long for the chain.
            CommitmentRefused, ChainUnavailable: As ``CommitmentWriter.quote``.
        """
        text = _text(wanted, UNKNOWN_COMMIT, model_hash)
        quote = await self._writer.quote(text, reveal_at=wanted.reveal_at)
        standing = await self._writer.standing()
        done = standing is not None and _is_of(self._writer.text_of(standing), text)
        given_up = losses(standing, hotkey=wanted.hotkey, crowns=crowns, reveal_at=wanted.reveal_at)
        return Preview(text=text, quote=quote, done=done, gives_up=() if done else given_up)

    async def until_open(self) -> None:
        """Return once nothing sealed stands on chain any more."""
        async for _ in self._chain.blocks():
            standing = await self._writer.standing()
            if standing is None or standing.data is not None:
                return
            self._waiting("the sealed commitment opens", None)

    async def publish(
        self,
        wanted: Publication,
        *,
        crowns: Collection[tuple[RoundKey, EntryKey]],
        confirm: Confirm,
    ) -> Published | None:
        """Take every step that is left; ``None`` when ``confirm`` said no to the commitment.

        Raises:
            ModelRejected: Validators would refuse the files. Nothing has been sent.
            PublishRefused: The host does not take them, or the name is too long for the chain.
            CommitmentRefused: The chain does not take the commitment. The upload stays private.
            StoreUnavailable, ChainUnavailable: Call again later; what is done stays done.
        """
        _text(wanted, UNKNOWN_COMMIT, Digest(""))  # before hours of uploading
        revision, model_hash = await self._publisher.upload(
            wanted.folder, wanted.repo, wanted.competition.constraints
        )
        model = _model(wanted, revision, Digest(model_hash))
        text = _text(wanted, revision, Digest(model_hash))
        standing = await self._writer.standing()
        if not self._writer.is_ours(standing, text):
            at = await commit(
                self._writer,
                text,
                hotkey=wanted.hotkey,
                crowns=crowns,
                confirm=confirm,
                reveal_at=wanted.reveal_at,
            )
            if at is None:
                return None
            standing = await self._writer.standing()
        if standing is None or not self._writer.is_ours(standing, text):
            raise ChainUnavailable(
                "the chain does not show the commitment yet; run the same command again"
            )
        is_open = standing.data is not None
        if is_open:
            await self._publisher.make_public(wanted.repo)
        return Published(model=model, committed_at=standing.block, public=is_open)


class NotedWriter:
    """A ``CommitmentWriter`` that waits for the rate limit to pass.

    It sends nothing while what it sent before may still land.
    """

    def __init__(
        self, writer: CommitmentWriter, chain: Chain, note: Path, waiting: Waiting = _unheard
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

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """See ``CommitmentWriter.commit``.

        Raises:
            ChainUnavailable: Also while an earlier one may still land.
        """
        head = (await self._chain.head()).number
        sent = self._read()
        on_its_way = sent is not None and head < sent.head + IN_FLIGHT_BLOCKS
        if sent is not None and on_its_way and not self.is_ours(await self.standing(), sent.text):
            raise ChainUnavailable(
                f"the commitment sent at block {sent.head} may still land; run the same command "
                f"again after block {sent.head + IN_FLIGHT_BLOCKS}"
            )
        await self._until_due(text, reveal_at)
        head = (await self._chain.head()).number
        self._write(_Sent(text=text, head=head))
        try:
            return await self._writer.commit(text, reveal_at=reveal_at)
        except CommitmentRefused:
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
        return None

    def _write(self, sent: _Sent) -> None:
        """On disk for good before the commitment leaves."""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        partial = self._note.with_name(f"{self._note.name}.partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(sent), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._note)


def _model(wanted: Publication, revision: str, model_hash: Digest) -> ModelRef:
    bound = secure_hash(model_hash, wanted.hotkey)
    return ModelRef(repo=wanted.repo, revision=revision, secure_hash=bound)


def _text(wanted: Publication, revision: str, model_hash: Digest) -> str:
    """The text to commit to.

    Raises:
        PublishRefused: The name is too long for the chain, or is none.
    """
    try:
        return format_commitment(_model(wanted, revision, model_hash), wanted.competition.id)
    except ValueError as error:
        raise PublishRefused(str(error)) from error


def _is_of(standing: bytes | None, text: str) -> bool:
    """Whether two texts are of the same files in the same repository, whatever the commit."""
    if standing is None:
        return False
    known = parse_commitment(standing, hotkey=Hotkey(""), block=Block(0))
    wanted = parse_commitment(text, hotkey=Hotkey(""), block=Block(0))
    if not isinstance(known, Commitment) or not isinstance(wanted, Commitment):
        return False
    return known == replace(wanted, model=replace(wanted.model, revision=known.model.revision))


if TYPE_CHECKING:
    _: type[CommitmentWriter] = NotedWriter
