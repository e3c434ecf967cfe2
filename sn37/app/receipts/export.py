"""Export of rounds from a validator's state as files for others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from sn37.app.receipts.files import publish
from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from sn37.ports.state_store import StateStore

WriteRound = Callable[[Path, RoundKey, bytes, Mapping[EntryKey, bytes]], bool]


async def export_rounds(
    store: StateStore, folder: Path, write: WriteRound, *, since: int = 0
) -> tuple[int, int, int]:
    """Write every scored round; return the numbers of new, existing and unsigned ones.

    Unsigned ones have no statement. Missed rounds that were scored later are included; their
    statements say so. Adopted rounds are written as their validator signed them.

    Raises:
        OSError: The folder cannot be written.
    """
    num_new = num_there = num_unsigned = 0
    state = await store.load()
    scored = (
        r.key
        for held in state.rounds.values()
        for r in held
        if r.skipped is None or r.later is not None
    )
    for key in sorted(scored):
        if key.sync_block < since:
            continue
        statement = await store.statement(key)
        if statement is None:
            num_unsigned += 1
            continue
        receipts = {_entry(r): publish(r) for r in await store.receipts(key)}
        if write(folder, key, publish(statement), receipts):
            num_new += 1
        else:
            num_there += 1
    return num_new, num_there, num_unsigned


def _entry(receipt: SignedReceipt) -> EntryKey:
    document = json.loads(receipt.document)
    return EntryKey(Hotkey(document["hotkey"]), Block(document["block"]))
