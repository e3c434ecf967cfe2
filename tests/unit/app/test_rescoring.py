"""A receipt is scored again: equal, within the tolerance between devices, or not."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.receipts.files import UnreadableReceipt, publish, read_receipt
from sn37.app.receipts.signing import is_signed
from sn37.app.replay.rescore import CannotRescore, MissingSamples, batches_of, blocks_of, rescore
from sn37.app.replay.rescored import SAMPLE_TOLERANCE, TOLERANCE, Agreement, Rescored
from sn37.domain.canonical import JsonValue, canonical_digest, canonical_json
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, Hotkey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import ModelRejected
from sn37.testing.builders import an_entry_key
from sn37.testing.fakes import FakeScorer
from sn37.testing.fakes.chain import fake_signature
from tests.support.fake_world import ONE, World, one_competition

TEXT = TaskName("text")
RULES: Competition = one_competition().stages[0].competitions[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A round whose second model was stopped early."""

    world: World
    signed: SignedReceipt  # of the good one
    good: Receipt
    poor: Receipt


@cache
def played() -> Played:
    """Played once in a process; not for changing."""
    world = World()
    world.miner("good", 1.0, block=100)
    world.miner("poor", 2.0, block=110)
    world.run(rounds=1)
    (signed,) = world.store.memory.receipts.values()
    read = [(s, read_receipt(publish(s))[0]) for s in signed]
    receipts = {r.commitment.hotkey: (s, r) for s, r in read}
    own, good = receipts[Hotkey("good")]
    return Played(world=world, signed=own, good=good, poor=receipts[Hotkey("poor")][1])


def changed(fields: dict[str, JsonValue]) -> Callable[[SignedReceipt], bytes]:
    return lambda signed: canonical_json({**json.loads(signed.document), **fields})


def artifact_of(receipt: Receipt) -> ModelArtifact:
    key = an_entry_key(receipt.commitment.hotkey, receipt.commitment.block)
    artifact = played().world.store.memory.submissions[key].artifact
    assert artifact is not None
    return artifact


def again(
    receipt: Receipt,
    *,
    factor: float = 1.0,
    artifact: ModelArtifact | None = None,
    rules: Competition = RULES,
    fault: Exception | None = None,
) -> Rescored:
    """The receipt scored by a device whose losses are ``factor`` times as large."""

    def loss(model: ModelArtifact, sample: Sample) -> float:
        return factor * played().world.scorer.loss(model, sample)

    return asyncio.run(
        rescore(
            receipt,
            rules=rules,
            batches=batches_of(receipt, rules, {TEXT: played().world.dataset.rows}),
            artifact=artifact or artifact_of(receipt),
            tokenizer=None,
            scorer=FakeScorer(loss=loss, failures=[fault] if fault else []),
            environment=lambda: {"device": "fake"},
        )
    )


def with_loss(receipt: Receipt, position: int, value: float) -> Receipt:
    losses = list(receipt.losses[TEXT])
    losses[position] = value
    return replace(receipt, losses={TEXT: tuple(losses)})


def test_what_was_scored_here_is_equal_to_the_last_bit() -> None:
    found = again(played().good)
    assert found.agreement is Agreement.EQUAL
    assert (found.first, found.first_beyond, found.other_surroundings) == (None, None, {})
    assert len(found.pairs) == 320


def test_of_a_model_that_was_stopped_early_only_the_first_part_is_scored() -> None:
    found = again(played().poor)
    assert found.agreement is Agreement.EQUAL
    assert len(found.pairs) == len(played().poor.losses[TEXT]) < 320


@given(st.integers(0, 319))
def test_the_first_sample_with_a_changed_digit_is_named(position: int) -> None:
    true = played().good.losses[TEXT][position]
    found = again(with_loss(played().good, position, math.nextafter(true, 9)))
    assert found.first is not None
    assert (found.first.position, found.first.rescored) == (position, true)
    assert found.first.row_id == played().good.manifest[TEXT][position][0]
    assert found.agreement is Agreement.WITHIN
    assert found.tasks[0].num_equal == 319


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1 + 0.9 * TOLERANCE, Agreement.WITHIN),
        (1 - 0.9 * TOLERANCE, Agreement.WITHIN),
        (1 + 1.1 * TOLERANCE, Agreement.BEYOND),
        (1 - 1.1 * TOLERANCE, Agreement.BEYOND),
        (math.nan, Agreement.BEYOND),
        (math.inf, Agreement.BEYOND),
    ],
)
def test_means_may_differ_as_devices_do(factor: float, expected: Agreement) -> None:
    found = again(played().good, factor=factor)
    assert found.agreement is expected
    assert found.first is not None
    assert found.first.position == 0


def test_a_single_sample_may_differ_by_more_but_not_by_any_amount() -> None:
    mean = again(played().good).tasks[0].recorded
    true = played().good.losses[TEXT][7]
    near = with_loss(played().good, 7, true + 0.99 * SAMPLE_TOLERANCE * mean)
    far = with_loss(played().good, 7, true + 1.01 * SAMPLE_TOLERANCE * mean)
    assert again(near).agreement is Agreement.WITHIN
    beyond = again(far)
    assert beyond.agreement is Agreement.BEYOND
    assert beyond.first_beyond is not None
    assert beyond.first_beyond.position == 7


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_agrees_with_nothing_else(value: float) -> None:
    found = again(with_loss(played().good, 3, value))
    assert found.agreement is Agreement.BEYOND
    assert found.first_beyond is not None


def test_what_the_numbers_depend_on_is_named_where_it_was_another() -> None:
    elsewhere = replace(
        played().good, environment={"device": "other", "torch": "1", "sandbox": "none"}
    )
    found = again(elsewhere)
    assert found.other_surroundings == {
        "device": ("other", "fake"),
        "torch": ("1", "not said"),
    }


def test_other_weights_are_refused() -> None:
    other = replace(artifact_of(played().good), tensor_digest=Digest("other"))
    with pytest.raises(CannotRescore, match="the model has weights other, but the receipt is for"):
        again(played().good, artifact=other)


def test_a_model_that_cannot_be_scored_now_is_said_to_be() -> None:
    fault = ModelRejected("no such layer", reason=Reason.UNLOADABLE)
    with pytest.raises(ModelRejected, match="no such layer"):
        again(played().good, fault=fault)


def test_missing_and_edited_rows_are_named() -> None:
    ids = [row for row, _ in played().good.manifest[TEXT]]
    kept = [s for s in played().world.dataset.rows if s.provenance.row_id != ids[0]]
    edited = [replace(s, reference="another") if s.provenance.row_id == ids[5] else s for s in kept]
    with pytest.raises(MissingSamples) as caught:
        batches_of(played().good, RULES, {TEXT: edited})
    assert set(caught.value.rows) == {ids[0], ids[5]}
    assert f"2 of the 320 rows are missing or have changed since: {ids[0]}" in str(caught.value)
    with pytest.raises(MissingSamples, match=r"320 of the 320 rows .*, \.\.\.$"):
        batches_of(played().good, RULES, {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"losses": {TEXT: ()}}, "its losses are not those of a round"),
        ({"losses": {TEXT: (1.0,) * 17}}, "its losses are not those of a round"),
        ({"losses": {TEXT: (1.0,) * 336}}, "its losses are not those of a round"),
        ({"losses": {"other": (1.0,)}}, "it has tasks other, text, competition 1 has text"),
        ({"manifest": {}}, "it has tasks text, competition 1 has text"),
        ({"manifest": {TEXT: (("a", "b"),)}}, "task text: 1 rows, competition 1 draws 320"),
        ({"manifest_digest": "0"}, "its manifest does not match its digest"),
    ],
)
def test_a_receipt_that_contradicts_itself_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(CannotRescore, match=told):
        blocks_of(replace(played().good, **change), RULES)  # type: ignore[arg-type]


def test_a_published_receipt_is_read_as_it_was_signed() -> None:
    receipt, signed = read_receipt(publish(played().signed))
    assert signed == played().signed
    assert is_signed(signed, lambda h, m, s: fake_signature(h, m) == s)
    assert not is_signed(replace(signed, hotkey=Hotkey("x")), lambda h, m, s: h != "x")
    assert receipt.digest == canonical_digest(receipt.document())
    assert receipt.round.competition == ONE
    assert read_receipt(played().signed.document) == (receipt, None)


def test_a_receipt_of_before_signers_were_said_is_still_read() -> None:
    said = json.loads(played().signed.document)
    assert len(said.pop("controls")) == 20
    assert said.pop("opinion")["view"] == "agrees"
    newer, _ = read_receipt(canonical_json({**said, "version": 2}))
    assert newer == replace(played().good, controls=None, opinion=None)
    assert newer.document() == {**said, "version": 2}
    assert said.pop("signers") == {"hotkeys": [], "samples": {"text": [None] * 320}}
    old, _ = read_receipt(canonical_json({**said, "version": 1}))
    assert old == replace(played().good, controls=None, opinion=None, signers=None)
    assert old.document() == {**said, "version": 1}


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        ({"text": [16] * 20}, ""),
        ({}, "its version does not match its right answers"),
        ({"text": [16] * 19}, "it has other right answers than losses"),
        ({"other": [1]}, "it has other right answers than losses"),
        ({"text": [17] * 20}, "num_right.text"),
        ({"text": [-1] * 20}, "num_right.text"),
        ({"text": [True] * 20}, "num_right.text"),
    ],
)
def test_right_answers_are_read_block_by_block(counts: dict[str, list[int]], fault: str) -> None:
    said = json.loads(played().signed.document) | {"version": 4, "num_right": counts}
    data = canonical_json(said)
    if fault:
        with pytest.raises(UnreadableReceipt, match=fault):
            read_receipt(data)
        return
    read, _ = read_receipt(data)
    assert read.num_right == {"text": (16,) * 20}
    assert read.document() == said
    with pytest.raises(UnreadableReceipt, match="version does not match its right answers"):
        read_receipt(canonical_json({**said, "version": 3}))


def test_controls_are_scored_again_and_compared() -> None:
    found = again(played().good)
    assert (len(found.controls), found.agreement) == (20, Agreement.EQUAL)
    (first, *others) = played().good.controls or ()
    for bits, agreement in ((1.001, Agreement.WITHIN), (0.9, Agreement.BEYOND)):
        told = replace(first, measured_bits=first.measured_bits * bits)
        assert again(replace(played().good, controls=(told, *others))).agreement is agreement
    other = replace(first, entropy_bits=first.entropy_bits - 1)
    assert again(replace(played().good, controls=(other, *others))).agreement is Agreement.BEYOND
    with pytest.raises(CannotRescore, match="19 controls"):
        again(replace(played().good, controls=tuple(others)))
    assert again(replace(played().good, controls=None)).controls == ()


def test_losses_that_json_cannot_say_are_read_back() -> None:
    receipt = with_loss(with_loss(played().good, 0, math.inf), 1, math.nan)
    document = receipt.document()
    read, _ = read_receipt(publish(replace(played().signed, document=canonical_json(document))))
    assert read.losses[TEXT][0] == math.inf
    assert math.isnan(read.losses[TEXT][1])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lambda _: b"", "not JSON"),
        (lambda _: b"\xff", "not JSON"),
        (lambda _: b"[" * 100_000, "not JSON"),
        (lambda _: b"[]", "not a receipt"),
        (lambda _: b"{}", "not a receipt: version: missing"),
        (lambda _: b'{"document": {}}', "not a receipt: document.version: missing"),
        (lambda s: s.document[:-1] + b',"more":1}', "not a receipt: more: unknown key"),
        (
            lambda s: s.document.replace(b'"version":3', b'"version":5'),
            "not a receipt: version: expected",
        ),
        (lambda s: s.document.replace(b'"version":3', b'"version":1'), "version does not match"),
        (
            lambda s: s.document.replace(b'"version":3', b'"version":2'),
            "version does not match its con",
        ),
        (changed({"signers": None}), "version does not match"),
        (changed({"controls": [["letters", 1.0, -1.0]]}), "not a receipt: controls"),
        (changed({"controls": [["digits", 1.0, 1.0]]}), "not a receipt: controls"),
        (changed({"opinion": {"view": "maybe", "detail": "", "samples": []}}), "opinion.view"),
        (changed({"signers": {"hotkeys": ["x"], "samples": {"text": [0]}}}), "1 samples, not 320"),
        (changed({"signers": {"hotkeys": [], "samples": {}}}), "signers of the tasks none"),
        (changed({"signers": {"hotkeys": ["x", "x"], "samples": {"text": [0]}}}), "repeated"),
        (changed({"signers": {"hotkeys": ["x"], "samples": {"text": [True]}}}), "signers.samples"),
        (lambda s: s.document.replace(b'"repo":"', b'"repo":"-'), "its commitment: namespace"),
        (
            lambda s: publish(s).replace(b'"signature":"', b'"signature":"zz'),
            "not a receipt: signature",
        ),
        (lambda s: publish(s)[:-1] + b',"a":NaN}', "not a receipt: a: unknown key"),
        (
            lambda s: publish(s).replace(b'"text":[1', b'"text":[NaN,1'),
            "not a receipt: document: Out of",
        ),
    ],
)
def test_what_is_no_receipt_is_one_line(data: Callable[[SignedReceipt], bytes], told: str) -> None:
    with pytest.raises(UnreadableReceipt) as caught:
        read_receipt(data(played().signed))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
