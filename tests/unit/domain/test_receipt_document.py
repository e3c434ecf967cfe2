"""Receipts as JSON documents."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from sn37.domain.canonical import canonical_digest, canonical_json
from sn37.domain.ids import Digest, Hotkey, TaskName
from sn37.domain.records.receipt import Receipt
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.testing.builders import a_commitment, a_round_key, hex_digest

TEXT = TaskName("text")
RECEIPT = Receipt(
    round=a_round_key(2, 720),
    sync_hash="0xab",
    commitment=a_commitment("alice", 100, competition=2),
    tensor_digest=hex_digest("tensors"),
    manifest={TEXT: (("row-1", hex_digest("one")), ("row-2", hex_digest("two")))},
    manifest_digest=hex_digest("manifest"),
    pools={TEXT: (500, hex_digest("pool"))},
    losses={TEXT: (1.5, 0.1)},
    code_version="0.1.0",
    schedule_fingerprint=Digest("f" * 64),
    environment={"dtype": "bfloat16", "device": "cpu"},
)


def test_a_document_names_everything_that_the_losses_depend_on() -> None:
    assert RECEIPT.document() == {
        "version": 1,
        "competition": 2,
        "sync_block": 720,
        "sync_hash": "0xab",
        "hotkey": "alice",
        "block": 100,
        "repo": "alice/model",
        "revision": RECEIPT.commitment.model.revision,
        "secure_hash": RECEIPT.commitment.model.secure_hash,
        "tensor_digest": hex_digest("tensors"),
        "manifest": {"text": [["row-1", hex_digest("one")], ["row-2", hex_digest("two")]]},
        "manifest_digest": hex_digest("manifest"),
        "pools": {"text": [500, hex_digest("pool")]},
        "losses": {"text": [1.5, 0.1]},
        "code_version": "0.1.0",
        "schedule_fingerprint": "f" * 64,
        "environment": {"dtype": "bfloat16", "device": "cpu"},
    }


def test_a_receipt_that_knows_who_signed_its_samples_is_of_version_2() -> None:
    signed = replace(RECEIPT, signers={TEXT: (Hotkey("val-b"), None, Hotkey("val-b"))})
    assert signed.document() == RECEIPT.document() | {
        "version": 2,
        "signers": {"hotkeys": ["val-b"], "samples": {"text": [0, None, 0]}},
    }


def test_a_receipt_with_questions_says_how_many_were_answered_rightly() -> None:
    checked = replace(RECEIPT, signers={TEXT: (None, None)}, controls=())
    answered = replace(checked, num_right={TEXT: (2,)})
    assert checked.version == 3
    assert answered.document() == checked.document() | {"version": 4, "num_right": {"text": [2]}}


def test_a_receipt_with_generated_answers_has_their_counts_and_no_texts() -> None:
    checked = replace(RECEIPT, signers={TEXT: (None, None)}, controls=())
    signals = AnswerSignals(
        num_answers=2, empty=1, repetitive=0, canned=1, near_ties=7, example="an answer"
    )
    answered = replace(checked, answers={TEXT: (signals,)})
    added = {"version": 4, "answers": {"text": [[1, 0, 1, 7]]}}
    assert answered.document() == checked.document() | added


def test_the_digest_is_of_the_canonical_document() -> None:
    document = RECEIPT.document()
    assert RECEIPT.digest == canonical_digest(document)
    assert canonical_digest(json.loads(canonical_json(document))) == RECEIPT.digest


def test_losses_that_json_cannot_say_become_words() -> None:
    receipt = replace(RECEIPT, losses={TEXT: (math.nan, math.inf, -math.inf)})
    assert receipt.document()["losses"] == {"text": ["nan", "inf", "-inf"]}
    assert receipt.digest != RECEIPT.digest


def test_a_changed_loss_changes_the_digest() -> None:
    changed = replace(RECEIPT, losses={TEXT: (1.5, math.nextafter(0.1, 1))})
    assert changed.digest != RECEIPT.digest
