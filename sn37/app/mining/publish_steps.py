"""Steps of publishing: private upload, commitment, and only then public. Repeating resumes.

A rival that reads the files before the commitment is on chain could commit to them first
(attack 2), and a second commitment of the same text would only be younger. So each step first
reads the state of host and chain. A note on disk says which commitment was sent last, because
the chain shows it only a minute later, or hours later if it is sealed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath

from sn37.app.mining.commit import Confirm, commit, losses
from sn37.app.mining.commitment_note import NotedWriter, Waiting, unheard
from sn37.domain.ids import Block, Digest, EntryKey, Hotkey, RoundKey
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentQuote,
    format_commitment,
    parse_commitment,
    secure_hash,
)
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import ModelRef
from sn37.ports.chain import Chain, CommitmentWriter
from sn37.ports.errors import ChainUnavailable, PublishRefused
from sn37.ports.model_store import ModelPublisher

UNKNOWN_COMMIT = "0" * 40
UNKNOWN_HASHES = ModelHashes(v1=Digest(""), v2=Digest(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Model that a miner wants to publish, and its competition."""

    folder: PurePath
    repo: str  # "namespace/name"
    competition: Competition
    hotkey: Hotkey
    format: CommitmentFormat = CommitmentFormat.V2  # of the text, from the schedule
    reveal_at: datetime | None = None  # when a sealed commitment opens; ``None``: not sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """State of a publication. While ``public`` is false, the same call later continues."""

    model: ModelRef
    committed_at: Block  # for a sealed one, until it opens, the block of the sealed text
    public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Effects that publishing would have, found without sending anything."""

    text: str  # of the commitment; zeros stand for the commit hash, known after the upload
    quote: CommitmentQuote
    done: bool  # these files in this repository are committed to already
    gives_up: tuple[str, ...]  # losses by a new commitment, one line each


class Publishing:
    """Publication on a chain and a model host.

    Args:
        note: File that records a commitment under way for the next process.
        waiting: Called at every block while the chain's rate limit delays a commitment.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        writer: CommitmentWriter,
        publisher: ModelPublisher,
        note: Path,
        waiting: Waiting = unheard,
    ) -> None:
        self._chain = chain
        self._waiting = waiting
        self._writer = NotedWriter(writer, chain, note, waiting)
        self._publisher = publisher

    async def preview(
        self,
        wanted: Publication,
        *,
        hashes: ModelHashes,
        crowns: Collection[tuple[RoundKey, EntryKey]],
    ) -> Preview:
        """Read the chain, and send nothing.

        Raises:
            PublishRefused: The name is too long for the chain.
            CommitmentRefused, ChainUnavailable: As ``CommitmentWriter.quote``.
        """
        text = _text(wanted, UNKNOWN_COMMIT, hashes)
        quote = await self._writer.quote(text, reveal_at=wanted.reveal_at)
        standing = await self._writer.standing()
        done = standing is not None and _is_of(self._writer.text_of(standing), text)
        given_up = losses(standing, hotkey=wanted.hotkey, crowns=crowns, reveal_at=wanted.reveal_at)
        return Preview(text=text, quote=quote, done=done, gives_up=() if done else given_up)

    async def until_open(self) -> None:
        """Return once no sealed commitment is on chain any more."""
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
        """Take every step that is left; return ``None`` when ``confirm`` refuses the commitment.

        Raises:
            ModelRejected: Validators would refuse the files. Nothing has been sent.
            PublishRefused: The host refuses them, or the name is too long for the chain.
            CommitmentRefused: The chain refuses the commitment. The upload stays private.
            StoreUnavailable, ChainUnavailable: Call again later; finished steps are kept.
        """
        _text(wanted, UNKNOWN_COMMIT, UNKNOWN_HASHES)  # before hours of uploading
        revision, hashes = await self._publisher.upload(
            wanted.folder, wanted.repo, wanted.competition.constraints
        )
        model = _model(wanted, revision, hashes)
        text = _text(wanted, revision, hashes)
        standing = await self._writer.settled()
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


def _model(wanted: Publication, revision: str, hashes: ModelHashes) -> ModelRef:
    bound = secure_hash(hashes.bound_by(wanted.format), wanted.hotkey)
    return ModelRef(repo=wanted.repo, revision=revision, secure_hash=bound)


def _text(wanted: Publication, revision: str, hashes: ModelHashes) -> str:
    """Return the text of the commitment.

    Raises:
        PublishRefused: The name is too long for the chain, or not valid.
    """
    try:
        model = _model(wanted, revision, hashes)
        return format_commitment(model, wanted.competition.id, wanted.format)
    except ValueError as error:
        raise PublishRefused(str(error)) from error


def _is_of(standing: bytes | None, text: str) -> bool:
    """True if two texts name the same files in the same repository, at any commit."""
    if standing is None:
        return False
    known = parse_commitment(standing, hotkey=Hotkey(""), block=Block(0))
    wanted = parse_commitment(text, hotkey=Hotkey(""), block=Block(0))
    if not isinstance(known, Commitment) or not isinstance(wanted, Commitment):
        return False
    return known == replace(wanted, model=replace(wanted.model, revision=known.model.revision))
