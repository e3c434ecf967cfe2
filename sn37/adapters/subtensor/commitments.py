"""Decode records of the pallet ``Commitments`` to a ``CommitmentBook``.

``CommitmentOf`` holds a hotkey's last call: its plain fields, and a sealed payload until its
drand round opens it. Then the chain moves the plain text to ``RevealedCommitments``, with the
block of the reveal. If it cannot be opened, ``TimelockRevealFailed`` replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from sn37.adapters.subtensor.decoding import (
    a_list,
    a_mapping,
    an_int,
    some_bytes,
    without_length,
)
from sn37.adapters.subtensor.storage import Lookup
from sn37.domain.ids import Block, Hotkey, Netuid
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentBook,
    CommitmentFault,
    MalformedCommitment,
    parse_commitment,
)

_SEALED, _FAILED = "TimelockEncrypted", "TimelockRevealFailed"
_TEXT = ("Raw", "BigRaw")  # prefixes of the names of fields that hold plain bytes
_RESET_BONDS = "ResetBondsFlag"  # a request to the chain, not a commitment


class Parse(Protocol):
    """Parser of a commitment's text, see ``parse_commitment``."""

    def __call__(
        self, raw: bytes, *, hotkey: Hotkey, block: Block, extrinsic_index: int
    ) -> Commitment | MalformedCommitment: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A public text, and the block since which it is public."""

    hotkey: Hotkey
    block: Block
    data: bytes
    by_call: bool  # written by an extrinsic of this block, not opened by the chain


def lookups_of(netuid: Netuid, hotkeys: Sequence[Hotkey]) -> tuple[Lookup, Lookup]:
    """Return the lookups of both records of each hotkey."""
    keys = [(netuid, hotkey) for hotkey in hotkeys]
    return (
        Lookup(pallet="Commitments", item="CommitmentOf", keys=keys),
        Lookup(pallet="Commitments", item="RevealedCommitments", keys=keys),
    )


def newest_opened(
    hotkey: Hotkey, committed: object, revealed: object
) -> Opened | MalformedCommitment | None:
    """Return the valid record of ``hotkey``; ``None`` if none can be read yet.

    Raises:
        TypeError, ValueError, KeyError: The chain's records have an unknown form.
    """
    opened = [
        Opened(
            hotkey=hotkey,
            block=Block(an_int(block)),
            data=without_length(some_bytes(data)),
            by_call=False,
        )
        for data, block in map(a_list, a_list(revealed or ()))
    ]
    failed: MalformedCommitment | None = None
    if committed is not None:
        record = a_mapping(committed)
        block = Block(an_int(record["block"]))
        fields = list(_fields(record))
        plain = _joined(fields)
        names = {name for name, _ in fields} - {_RESET_BONDS}
        if plain or (names and not names & {_SEALED, _FAILED}):
            opened.append(Opened(hotkey=hotkey, block=block, data=plain, by_call=True))
        elif _FAILED in names:
            failed = MalformedCommitment(
                hotkey=hotkey,
                block=block,
                fault=CommitmentFault.UNOPENED,
                detail="sealed, but the chain could not open it at its drand round; commit again",
            )
    # Reveals precede the extrinsics of their block: in the same block the call is newer.
    return max(opened, key=lambda o: (o.block, o.by_call), default=None) or failed


def tied_calls(opened: Iterable[Opened | MalformedCommitment]) -> dict[Block, list[Hotkey]]:
    """Return hotkeys by the block of their call, for blocks with several, where order matters."""
    calls: dict[Block, list[Hotkey]] = {}
    for record in opened:
        if isinstance(record, Opened) and record.by_call:
            calls.setdefault(record.block, []).append(record.hotkey)
    return {block: hotkeys for block, hotkeys in calls.items() if len(hotkeys) > 1}


def decode_book(
    records: Iterable[Opened | MalformedCommitment],
    positions: Mapping[tuple[Block, Hotkey], int] = MappingProxyType({}),
    *,
    parse: Parse = parse_commitment,
) -> CommitmentBook:
    """Return the book, with the index of a call in its block if ``positions`` has it."""
    well_formed: dict[Hotkey, Commitment] = {}
    malformed: dict[Hotkey, MalformedCommitment] = {}
    for record in records:
        parsed = (
            record
            if isinstance(record, MalformedCommitment)
            else parse(
                record.data,
                hotkey=record.hotkey,
                block=record.block,
                extrinsic_index=positions.get((record.block, record.hotkey), 0),
            )
        )
        if isinstance(parsed, Commitment):
            well_formed[parsed.hotkey] = parsed
        else:
            malformed[parsed.hotkey] = parsed
    return CommitmentBook(well_formed=well_formed, malformed=malformed)


def plain_text(record: object) -> bytes | None:
    """Return the plain text of a stored record; ``None`` while it is sealed.

    Raises:
        TypeError, KeyError: The record has an unknown form.
    """
    fields = list(_fields(a_mapping(record)))
    return None if any(name == _SEALED for name, _ in fields) else _joined(fields)


def _joined(fields: Iterable[tuple[str, object]]) -> bytes:
    return b"".join(some_bytes(value) for name, value in fields if name.startswith(_TEXT))


def _fields(record: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield variant and payload of each field; a variant without payload is only its name."""
    for field in a_list(a_mapping(record["info"])["fields"]):
        if isinstance(field, str):
            yield field, b""
        else:
            yield from a_mapping(field).items()
