"""Checks of a round's signed receipts against its records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from sn37.app.audit.differences import Difference, compare
from sn37.app.receipts.signing import (
    VerifySignature,
    answers_by_task,
    is_signed,
    losses_by_task,
    right_by_task,
)
from sn37.domain.canonical import JsonValue, as_json, canonical_digest
from sn37.domain.data.screening import kept_rows
from sn37.domain.ids import Block, Digest, EntryKey, Hotkey, TaskName
from sn37.domain.known_facts import known
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.round.state import DrawnRows, OpenRound
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.controls import controls_in
from sn37.domain.submission.submission import Submission, Verdict


def check_receipts(
    opened: OpenRound,
    receipts: Sequence[SignedReceipt],
    *,
    drawn: Sequence[DrawnRows] = (),
    rules: Competition,
    submissions: Mapping[EntryKey, Submission],
    fingerprint: Digest,
    verify: VerifySignature,
) -> Iterator[Difference]:
    """Check that each scored entry has one signed receipt that matches the records.

    No other entry may have one.
    """
    key = opened.plan.key
    round_ = f"competition {key.competition}, sync block {key.sync_block}"
    signed: dict[EntryKey, dict[str, JsonValue]] = {}
    for position, receipt in enumerate(receipts):
        where = f"{round_}, receipt {position}"
        if not is_signed(receipt, verify):
            yield Difference(where, f"signed by {receipt.hotkey}", "its signature is not valid")
        try:
            document = cast("dict[str, JsonValue]", json.loads(receipt.document))
            entry = EntryKey(Hotkey(str(document["hotkey"])), Block(int(str(document["block"]))))
        except (KeyError, TypeError, ValueError) as error:
            yield Difference(where, "there", f"unreadable: {error!r}")
            continue
        if entry in signed:
            yield Difference(where, f"of {entry.hotkey}", "a second one")
        signed[entry] = document
    for entry, outcome in opened.outcomes.items():
        where = f"{round_}, receipt of {entry.hotkey}"
        said, is_due = signed.pop(entry, None), outcome.verdict is Verdict.SCORED
        if said is None and is_due:
            yield Difference(where, "missing", "the entry was scored")
        elif said is not None and not is_due:
            yield Difference(where, "there", f"the entry's verdict is {outcome.verdict.value}")
        elif said is not None:
            yield from compare(
                where, said, _due(said, opened, drawn, submissions[entry], rules, fingerprint)
            )
            yield from compare(
                f"{where}, manifest",
                _digest_of(said.get("manifest"), rules),
                opened.plan.manifest_digest,
            )
    for entry in signed:
        yield Difference(f"{round_}, receipt of {entry.hotkey}", "there", "it did not take part")


def check_draws(
    opened: OpenRound, drawn: Sequence[DrawnRows], rules: Competition
) -> Iterator[Difference]:
    """Check that the stored draws have the plan's digest.

    No draws are stored for rounds that were adopted from others or were forgotten.
    """
    if not drawn:
        return
    key = opened.plan.key
    where = f"competition {key.competition}, sync block {key.sync_block}, draws"
    recorded: list[JsonValue] = [[d.task, d.method, len(d.manifest)] for d in drawn]
    due: list[JsonValue] = [[t.name, t.method.value, t.num_samples] for t in rules.tasks]
    yield from compare(where, recorded, due)
    rows: list[JsonValue] = [[d.task, *row] for d in drawn for row in d.manifest]
    yield from compare(f"{where}, manifest", canonical_digest(rows), opened.plan.manifest_digest)


def check_screening(
    opened: OpenRound,
    manifest: Mapping[TaskName, tuple[tuple[str, Digest], ...]],
    rules: Competition,
    *,
    is_due: bool = False,
) -> Iterator[Difference]:
    """Check that the round's rows follow from the base model's losses on draw and reserve.

    Args:
        manifest: The rows that the round was scored on, without tasks whose rows are not stored.
        is_due: The round must have been screened if the schedule names a base model. False for
            a round scored again on another validator's rows, because it was screened there.
    """
    key, screenings = opened.plan.key, opened.plan.screenings
    where = f"competition {key.competition}, sync block {key.sync_block}, rows"
    due = {task.name: task for task in rules.tasks if rules.screens(task)}
    if screenings is None:
        if due and is_due:
            yield Difference(where, "not screened", "screened by the base model")
        return
    yield from compare(f"{where} screened", as_json(sorted(screenings)), as_json(sorted(due)))
    for name in sorted(screenings.keys() & due.keys()):
        base = known(rules.base_model, "there are tasks that the base model screens")
        screening = screenings[name]
        kept = kept_rows(screening, due[name].num_samples, base.max_deviations)
        if name in manifest:
            rows = [screening.rows[n] for n in kept]
            yield from compare(f"{where} of {name}", as_json(manifest[name]), as_json(rows))
        if opened.plan.signers is not None:
            signers = [screening.signers[n] for n in kept]
            said = opened.plan.signers.get(name)
            yield from compare(f"{where} of {name}, signers", as_json(said), as_json(signers))


def _due(
    said: dict[str, JsonValue],
    opened: OpenRound,
    drawn: Sequence[DrawnRows],
    submission: Submission,
    rules: Competition,
    fingerprint: Digest,
) -> dict[str, JsonValue]:
    """Return the expected receipt; facts that no other record has are taken from the receipt."""
    artifact, plan = submission.artifact, opened.plan
    blocks = opened.journal.get(submission.commitment.key, ())
    receipt = Receipt(
        round=plan.key,
        sync_hash=plan.sync.hash,
        commitment=submission.commitment,
        tensor_digest=artifact.tensor_digest if artifact else Digest(""),
        manifest={d.task: d.manifest for d in drawn},
        manifest_digest=plan.manifest_digest,
        pools={d.task: (d.pool_size, d.pool_digest) for d in drawn},
        losses=losses_by_task([task.name for task in rules.tasks], blocks),
        code_version="",
        schedule_fingerprint=fingerprint,
        environment=opened.environments.get(submission.commitment.key, {}),
        signers=plan.signers,
        controls=controls_in(blocks, {task.name: task.method for task in rules.tasks}),
        opinion=opened.opinions.get(submission.commitment.key),
        num_right=right_by_task(blocks),
        answers=answers_by_task(blocks),
    )
    own = {"code_version"}
    if plan.premises is None:
        own.add("schedule_fingerprint")  # from an older version, whose schedules had other fields
    if not drawn:
        own |= {"manifest", "pools"}
    if submission.commitment.key not in opened.environments:
        own.add("environment")  # adopted from another validator
    return {**receipt.document(), **{name: said.get(name) for name in own}}


def _digest_of(manifest: JsonValue, rules: Competition) -> Digest:
    """Return the digest of a receipt's manifest, as ``sampling.manifest_digest`` does."""
    held = manifest if isinstance(manifest, dict) else {}
    rows = [(t.name, row) for t in rules.tasks for row in _elements(held.get(t.name))]
    return canonical_digest([[task, *_elements(row)] for task, row in rows])


def _elements(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
