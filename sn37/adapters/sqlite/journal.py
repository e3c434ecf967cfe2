"""Results of scoring in the database: losses, outcomes, receipts."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection, Mapping

from sn37.adapters.sqlite.rounds import open_round_id
from sn37.adapters.sqlite.stored import ANSWERS, CONTROLS, ENVIRONMENT, OUTCOME, CodecError
from sn37.domain.data.batches import SampleBlock
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey, TaskName
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import EntryOutcome
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Verdict

_BLOCK = "task, first, stop, tokens, seconds, losses, controls, num_right, answers"


def append(db: sqlite3.Connection, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
    block = losses.block
    db.execute(
        f"INSERT INTO journal (round_id, hotkey, block, {_BLOCK})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (round_id, hotkey, block, task, first, stop) DO NOTHING",
        (
            open_round_id(db, round_),
            entry.hotkey,
            entry.block,
            block.task,
            block.first,
            block.stop,
            losses.tokens,
            losses.seconds,
            struct.pack(f"<{len(losses.losses)}d", *losses.losses),
            CONTROLS.dump(losses.controls) if losses.controls else None,
            losses.num_right,
            ANSWERS.dump(losses.answers) if losses.answers else None,
        ),
    )


def journal(db: sqlite3.Connection, round_id: int) -> dict[EntryKey, tuple[BlockLosses, ...]]:
    """Return all losses of one round, in the order of scoring."""
    found: dict[EntryKey, list[BlockLosses]] = {}
    rows = db.execute(
        f"SELECT hotkey, block, {_BLOCK} FROM journal WHERE round_id = ? ORDER BY id",
        (round_id,),
    )
    for hotkey, block, *row in rows:
        found.setdefault(EntryKey(Hotkey(hotkey), Block(block)), []).append(_losses(*row))
    return {entry: tuple(blocks) for entry, blocks in found.items()}


def losses(
    db: sqlite3.Connection,
    competition: CompetitionId,
    entries: Collection[EntryKey],
    since: Block,
) -> dict[EntryKey, dict[Block, tuple[BlockLosses, ...]]]:
    found: dict[EntryKey, dict[Block, tuple[BlockLosses, ...]]] = {}
    for entry in entries:
        rounds: dict[Block, list[BlockLosses]] = {}
        rows = db.execute(
            # CROSS JOIN reads the rounds first: an entry may have years of losses that are not due.
            f"SELECT sync_block, {_BLOCK} FROM round CROSS JOIN journal ON round_id = round.id"
            " WHERE competition = ? AND sync_block >= ? AND hotkey = ? AND block = ?"
            " ORDER BY sync_block, journal.id",
            (competition, since, entry.hotkey, entry.block),
        )
        for sync_block, *row in rows:
            rounds.setdefault(Block(sync_block), []).append(_losses(*row))
        found[entry] = {sync_block: tuple(blocks) for sync_block, blocks in rounds.items()}
    return found


def losses_in(db: sqlite3.Connection, round_id: int, entry: EntryKey) -> tuple[BlockLosses, ...]:
    """Return the losses of one entry in one round, in the order of scoring."""
    rows = db.execute(
        f"SELECT {_BLOCK} FROM journal WHERE round_id = ? AND hotkey = ? AND block = ? ORDER BY id",
        (round_id, entry.hotkey, entry.block),
    )
    return tuple(_losses(*row) for row in rows)


def shared_rounds(
    db: sqlite3.Connection, competition: CompetitionId, entries: Collection[EntryKey]
) -> dict[Block, frozenset[EntryKey]]:
    wanted, found = frozenset(entries), dict[Block, set[EntryKey]]()
    rows = db.execute(
        "SELECT sync_block, hotkey, block FROM round JOIN outcome ON round_id = round.id"
        " WHERE competition = ? AND status = 'finished' AND verdict = 'scored'",
        (competition,),
    )
    for sync_block, hotkey, block in rows:
        if (entry := EntryKey(Hotkey(hotkey), Block(block))) in wanted:
            found.setdefault(Block(sync_block), set()).add(entry)
    return {block: frozenset(scored) for block, scored in found.items() if len(scored) > 1}


def record_environment(
    db: sqlite3.Connection, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
) -> None:
    db.execute(
        "INSERT INTO environment (round_id, hotkey, block, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (round_id, hotkey, block) DO UPDATE SET value = excluded.value",
        (open_round_id(db, round_), entry.hotkey, entry.block, ENVIRONMENT.dump(dict(environment))),
    )


def environments(db: sqlite3.Connection, round_id: int) -> dict[EntryKey, dict[str, str]]:
    rows = db.execute(
        "SELECT hotkey, block, value FROM environment WHERE round_id = ? ORDER BY id", (round_id,)
    )
    return {EntryKey(Hotkey(h), Block(b)): ENVIRONMENT.load(value) for h, b, value in rows}


def finish_entry(
    db: sqlite3.Connection,
    round_: RoundKey,
    outcome: EntryOutcome,
    receipt: SignedReceipt | None,
) -> None:
    new = db.execute(
        "INSERT INTO outcome (round_id, hotkey, block, verdict, value) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (round_id, hotkey, block) DO NOTHING RETURNING id",
        (
            open_round_id(db, round_),
            outcome.key.hotkey,
            outcome.key.block,
            outcome.verdict.value,
            OUTCOME.dump(outcome),
        ),
    ).fetchone()
    if new is not None and outcome.verdict is not Verdict.SCORED:
        db.execute(
            "DELETE FROM journal WHERE hotkey = ? AND block = ? AND round_id ="
            " (SELECT round_id FROM outcome WHERE id = ?)",
            (outcome.key.hotkey, outcome.key.block, new[0]),
        )
    if new is not None and receipt is not None:
        db.execute(
            "INSERT INTO receipt (outcome_id, validator, document, signature) VALUES (?, ?, ?, ?)",
            (new[0], receipt.hotkey, receipt.document, receipt.signature),
        )


def outcomes(db: sqlite3.Connection, round_id: int) -> dict[EntryKey, EntryOutcome]:
    rows = db.execute(
        "SELECT hotkey, block, verdict, value FROM outcome WHERE round_id = ? ORDER BY id",
        (round_id,),
    )
    found: dict[EntryKey, EntryOutcome] = {}
    for hotkey, block, verdict, value in rows:
        outcome = found[EntryKey(Hotkey(hotkey), Block(block))] = OUTCOME.load(value)
        if (outcome.key.hotkey, outcome.key.block, outcome.verdict) != (hotkey, block, verdict):
            raise CodecError(f"an outcome of {outcome.key} is stored under {hotkey}, {verdict}")
    return found


def receipts(db: sqlite3.Connection, round_: RoundKey) -> tuple[SignedReceipt, ...]:
    rows = db.execute(
        "SELECT document, validator, signature FROM receipt"
        " JOIN outcome ON outcome.id = outcome_id JOIN round ON round.id = round_id"
        " WHERE competition = ? AND sync_block = ? ORDER BY outcome_id",
        (round_.competition, round_.sync_block),
    )
    return tuple(
        SignedReceipt(document=document, hotkey=Hotkey(validator), signature=signature)
        for document, validator, signature in rows
    )


def _losses(
    task: str,
    first: int,
    stop: int,
    tokens: int,
    seconds: float,
    losses: bytes,
    controls: str | None,
    num_right: int | None,
    answers: str | None,
) -> BlockLosses:
    if len(losses) != 8 * (stop - first):
        raise CodecError(f"{len(losses)} bytes for the losses of {stop - first} samples")
    if num_right is not None and not 0 <= num_right <= stop - first:
        raise CodecError(f"{num_right} right answers to {stop - first} questions")
    signals = None if answers is None else ANSWERS.load(answers)
    if signals is not None and signals.num_answers != stop - first:
        raise CodecError(f"signals of {signals.num_answers} answers to {stop - first} prompts")
    return BlockLosses(
        block=SampleBlock(TaskName(task), first, stop),
        losses=struct.unpack(f"<{stop - first}d", losses),
        tokens=tokens,
        seconds=seconds,
        controls=() if controls is None else CONTROLS.load(controls),
        num_right=num_right,
        answers=signals,
    )
