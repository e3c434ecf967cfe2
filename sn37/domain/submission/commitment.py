"""Miner's commitment: its text on chain, and the hash that binds a model to a hotkey.

The formats are described in docs/protocol.md, "A miner's commitment on chain". A text is
untrusted: the owner of a registered hotkey may write any bytes there.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from sn37.domain.ids import Block, CompetitionId, Digest, EntryKey, Hotkey, is_commit
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.models import ModelRef

MAX_TEXT_BYTES = 128  # of one Raw field of the Commitments pallet
MAX_DETAIL_CHARS = 60  # of a quoted part in a fault's detail

# Hugging Face's rule for both halves of a repository id: ASCII letters, digits, "-", "_",
# "."; not "-" or "." at either end; neither "--" nor ".."; no ".git" at the end.
_REPO_PART = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
# At most 9 digits, so that it fits into every reader's integer. "007" and "7" must not be two
# texts for one competition. "\\d" would accept the digits of every script.
_COMPETITION = re.compile(r"0|[1-9][0-9]{0,8}")


class CommitmentFault(StrEnum):
    """Each way in which the text of a commitment can be wrong."""

    NOT_TEXT = "not_text"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    PARTS = "parts"
    NAMESPACE = "namespace"
    NAME = "name"
    REVISION = "revision"
    SECURE_HASH = "secure_hash"
    COMPETITION = "competition"
    UNOPENED = "unopened"  # sealed, and can never be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """One miner's claim to a model, in one competition, from one block on."""

    hotkey: Hotkey
    block: Block  # of the commitment, or of the reveal of a sealed one
    extrinsic_index: int = 0  # position within the block
    competition: CompetitionId
    model: ModelRef
    format: CommitmentFormat = CommitmentFormat.V2

    @property
    def key(self) -> EntryKey:
        return EntryKey(self.hotkey, self.block)

    @property
    def precedence(self) -> tuple[int, int, str]:
        """Sort key of a total order among submissions; the smaller one was first."""
        return (self.block, self.extrinsic_index, self.hotkey)


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedCommitment:
    """A record on chain that is not a valid commitment."""

    hotkey: Hotkey
    block: Block
    fault: CommitmentFault
    detail: str  # quotes the offending part, printable and short


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentBook:
    """The newest revealed record of every hotkey of a subnet at one block."""

    well_formed: Mapping[Hotkey, Commitment] = field(default_factory=dict)
    malformed: Mapping[Hotkey, MalformedCommitment] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCommitment:
    """The record of a hotkey that its next commitment would replace."""

    block: Block  # of the commitment, or of the reveal of a sealed one
    data: bytes | None  # its text; ``None`` while it is sealed
    was_sealed: bool = False  # and is revealed now: the chain keeps it beside the next commitment


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentQuote:
    """The chain's answer to a commitment of a hotkey now, with its cost and first block."""

    head: Block  # the newest block, finalized or not
    registered: bool  # whether the hotkey is a member of the subnet
    num_bytes: int  # stored size, of the text or of its seal
    fee_rao: int | None  # 1e-9 TAO, paid by the hotkey; ``None`` where the chain does not say
    due: Block  # the first block that would include it
    why: str = ""  # reason for the wait, where ``due`` is not the next block

    @property
    def blocks_left(self) -> int:
        """Number of blocks to wait before it can be sent; 0 for now."""
        return max(0, self.due - self.head - 1)


class _Malformed(ValueError):
    """The text is not a commitment; carries the wrong part and a quote of it."""

    def __init__(self, fault: CommitmentFault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail


def parse_commitment(
    raw: bytes | str, *, hotkey: Hotkey, block: Block, extrinsic_index: int = 0
) -> Commitment | MalformedCommitment:
    """Parse a v1 or v2 text; never raises, for any ``raw``.

    v1 is ``namespace:name:commit:secure_hash:competition_id``, v2 the same after ``2:``.
    """
    return _parse(raw, hotkey, block, extrinsic_index, default=None)


def parse_legacy_commitment(
    raw: bytes | str,
    *,
    hotkey: Hotkey,
    block: Block,
    default_competition: CompetitionId,
    extrinsic_index: int = 0,
) -> Commitment | MalformedCommitment:
    """Parse a text of subnet 9, whose oldest texts do not name a competition.

    Four parts mean ``default_competition``; other texts are read as by ``parse_commitment``.
    """
    return _parse(raw, hotkey, block, extrinsic_index, default=default_competition)


def format_commitment(
    model: ModelRef,
    competition: CompetitionId,
    format: CommitmentFormat = CommitmentFormat.V2,  # noqa: A002 - the field's name
) -> str:
    """Return the text that a miner writes on chain.

    Raises:
        ValueError: No reader would accept the text; the message says what to change.
    """
    prefix = "2:" if format is CommitmentFormat.V2 else ""
    parts = (*model.repo.split("/"), model.revision, model.secure_hash, str(competition))
    text = prefix + ":".join(parts)
    if (excess := len(text.encode()) - MAX_TEXT_BYTES) > 0:
        allowed = len(model.repo.encode()) - 1 - excess
        raise ValueError(
            f"commitment of {len(text.encode())} bytes does not fit {MAX_TEXT_BYTES}: "
            f"rename the repository so that namespace and name have at most {allowed} "
            f"characters together"
        )
    parsed = parse_commitment(text, hotkey=Hotkey(""), block=Block(0))
    if isinstance(parsed, MalformedCommitment):
        raise ValueError(f"{parsed.fault.value}: {parsed.detail}")
    if (parsed.model, parsed.competition, parsed.format) != (model, competition, format):
        raise ValueError(f"repository must be namespace/name, not {_quote(model.repo)}")
    return text


def is_repository(text: str) -> bool:
    """True if a commitment can name this repository: "namespace/name"."""
    parts = text.split("/")
    named = len(parts) == 2 and all(map(_REPO_PART.fullmatch, parts))
    return named and not text.endswith(".git")


def secure_hash(model_hash: Digest, hotkey: Hotkey) -> Digest:
    """Return the base64 of the sha256 over the ASCII of model hash and hotkey.

    Another hotkey has another hash for the same files, so a copied text fails (attack 1).
    ``model_hash`` is ``digests.content_digest`` for v2, ``digests.directory_hash`` for v1.
    """
    return Digest(b64encode(sha256(f"{model_hash}{hotkey}".encode()).digest()).decode())


def _parse(
    raw: bytes | str,
    hotkey: Hotkey,
    block: Block,
    extrinsic_index: int,
    *,
    default: CompetitionId | None,
) -> Commitment | MalformedCommitment:
    try:
        parts = _parts(raw)
        version = CommitmentFormat.V1
        if len(parts) == 6 and parts[0] == "2":
            version = CommitmentFormat.V2
            parts = parts[1:]
        if len(parts) == 5:
            competition = _competition(parts[4])
        elif len(parts) == 4 and default is not None:
            competition = default
        else:
            raise _Malformed(
                CommitmentFault.PARTS,
                f"{len(parts)} parts, need 5 or a 2 before them: {_quote(':'.join(parts))}",
            )
        return Commitment(
            hotkey=hotkey,
            block=block,
            extrinsic_index=extrinsic_index,
            competition=competition,
            model=_model_ref(parts[:4]),
            format=version,
        )
    except _Malformed as error:
        return MalformedCommitment(
            hotkey=hotkey, block=block, fault=error.fault, detail=error.detail
        )


def _parts(raw: bytes | str) -> list[str]:
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        text = data.decode()
    except UnicodeError as error:
        raise _Malformed(CommitmentFault.NOT_TEXT, f"not UTF-8: {_quote(raw)}") from error
    if not text.strip():
        raise _Malformed(CommitmentFault.EMPTY, f"no text: {_quote(text)}")
    if len(data) > MAX_TEXT_BYTES:
        raise _Malformed(
            CommitmentFault.TOO_LONG, f"{len(data)} bytes, at most {MAX_TEXT_BYTES} are read"
        )
    return text.split(":")


def _model_ref(parts: list[str]) -> ModelRef:
    namespace, name, revision, bound_hash = parts
    if not _REPO_PART.fullmatch(namespace):
        raise _Malformed(
            CommitmentFault.NAMESPACE, f"not a Hugging Face namespace: {_quote(namespace)}"
        )
    if not _REPO_PART.fullmatch(name) or name.endswith(".git"):
        raise _Malformed(CommitmentFault.NAME, f"not a Hugging Face name: {_quote(name)}")
    if not is_commit(revision):
        # Attack 9: a branch or tag can be moved after the commitment.
        raise _Malformed(
            CommitmentFault.REVISION, f"not a commit of 40 hex digits: {_quote(revision)}"
        )
    if not _is_sha256_base64(bound_hash):
        raise _Malformed(
            CommitmentFault.SECURE_HASH, f"not the base64 of a sha256: {_quote(bound_hash)}"
        )
    return ModelRef(repo=f"{namespace}/{name}", revision=revision, secure_hash=Digest(bound_hash))


def _competition(part: str) -> CompetitionId:
    if not _COMPETITION.fullmatch(part):
        raise _Malformed(CommitmentFault.COMPETITION, f"not a competition id: {_quote(part)}")
    return CompetitionId(int(part))


def _is_sha256_base64(text: str) -> bool:
    """True if ``text`` is the canonical base64 of 32 bytes."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return False
    # Base64 has spare bits at its end: without the second test one hash would have four spellings.
    return len(raw) == 32 and b64encode(raw).decode() == text


def _quote(untrusted: bytes | str) -> str:
    """Return a short, printable form of untrusted bytes."""
    quoted = ascii(untrusted)
    return quoted if len(quoted) <= MAX_DETAIL_CHARS else f"{quoted[:MAX_DETAIL_CHARS]}..."
