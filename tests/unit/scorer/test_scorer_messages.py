"""Frames between the validator and a worker that it does not trust."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sn37.adapters.scoring.messages import (
    LENGTH,
    MAX_CONTROL_BITS,
    MAX_DETAIL,
    MAX_REPLY_BYTES,
    MAX_TOKENS,
    REFUSALS,
    BlockOrder,
    Failed,
    MalformedMessage,
    Ready,
    Refused,
    Reply,
    Scored,
    Weighed,
    WorkOrder,
    decode_reply,
    frame,
)
from sn37.adapters.sqlite import journal, rounds
from sn37.adapters.sqlite.schema import migrate
from sn37.adapters.sqlite.stored import ENVIRONMENT
from sn37.domain.data.batches import SampleBlock
from sn37.domain.ids import TaskName
from sn37.domain.reasons import Blame, Reason
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.scoring.jobs import BlockLosses, ControlKind, ControlLoss
from sn37.testing.state_store_harness import ALICE, PLAN


def journalled(told: BlockLosses) -> tuple[BlockLosses, ...]:
    """What a database that was told losses of a round tells of them."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        migrate(db, since=0)
        rounds.open_round(db, PLAN)
        journal.append(db, PLAN.key, ALICE, told)
        return journal.journal(db, 1)[ALICE]


def body(sent: bytes) -> bytes:
    (length,) = LENGTH.unpack(sent[: LENGTH.size])
    assert length == len(sent) - LENGTH.size
    return sent[LENGTH.size :]


MEASURED = st.floats(min_value=0, width=32) | st.sampled_from((math.nan, math.inf, -math.inf))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = ("type", "nats", "losses", "tokens", "controls", "reason", "detail", "environment")
TYPES = ("scored", "weighed", "ready", "refused", "failed", "memory")
NUMBERS = MEASURED | st.integers() | st.sampled_from(("nan", "inf", "-inf")) | ANYTHING


BITS = st.floats(min_value=0, max_value=MAX_CONTROL_BITS)


@given(st.lists(MEASURED, max_size=16), st.integers(0, MAX_TOKENS), st.lists(BITS, max_size=4))
def test_losses_arrive_bit_for_bit(losses: list[float], tokens: int, controls: list[float]) -> None:
    sent = Scored(tuple(losses), tokens, tuple(controls)).encode()
    found = decode_reply(body(sent))
    assert isinstance(found, Scored)
    assert found.tokens == tokens
    assert [repr(x) for x in found.controls] == [repr(x) for x in controls]
    assert [repr(x) for x in found.losses] == [repr(x) for x in losses]
    assert len(sent) < MAX_REPLY_BYTES


@given(st.lists(st.lists(MEASURED, max_size=26), max_size=16), st.integers(0, MAX_TOKENS))
def test_losses_of_answers_arrive_bit_for_bit(nats: list[list[float]], tokens: int) -> None:
    sent = Weighed(tuple(map(tuple, nats)), tokens).encode()
    found = decode_reply(body(sent))
    assert isinstance(found, Weighed)
    assert found.tokens == tokens
    assert [list(map(repr, held)) for held in found.nats] == [list(map(repr, x)) for x in nats]
    assert len(sent) < MAX_REPLY_BYTES


def test_other_messages_arrive_as_sent() -> None:
    for message in (Ready({"torch": "2"}), Refused(Reason.TEMPLATE, "why"), Failed("no device")):
        assert decode_reply(body(message.encode())) == message


@given(st.text())
def test_an_explanation_is_one_short_printable_line(text: str) -> None:
    found = decode_reply(body(Failed(text).encode()))
    assert isinstance(found, Failed)
    assert len(found.detail) <= MAX_DETAIL
    assert found.detail.isprintable()


def test_a_worker_can_only_blame_its_model() -> None:
    assert {reason.blame for reason in REFUSALS} == {Blame.MINER}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"type": "scored", "losses": [1.0]},
        {"type": "scored", "losses": [1.0], "tokens": True, "controls": []},
        {"type": "weighed", "nats": [[1.0]]},
        {"type": "weighed", "nats": [1.0], "tokens": 1},
        {"type": "weighed", "nats": [[1.0]], "tokens": True},
        {"type": "weighed", "nats": [[1.0]], "tokens": 2**53},
        {"type": "weighed", "nats": [[1]], "tokens": 1},
        {"type": "weighed", "nats": [[-1.0]], "tokens": 1},
        {"type": "weighed", "nats": [[0.1]], "tokens": 1},
        {"type": "weighed", "nats": [[1.0]], "tokens": 1, "right": 0},
        {"type": "scored", "losses": [1.0], "tokens": -1, "controls": []},
        {"type": "scored", "losses": [1.0], "tokens": 2**53, "controls": []},
        {"type": "scored", "losses": [1.0], "tokens": 10**22, "controls": []},
        {"type": "scored", "losses": [1.0], "tokens": 1.0, "controls": []},
        {"type": "scored", "losses": [-1.0], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [-1e-45], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [1e39], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [0.1], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [1e-60], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": [], "more": 1},
        {"type": "scored", "losses": [[1.0]], "tokens": 1, "controls": []},
        {"type": "scored", "losses": ["1e3"], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [True], "tokens": 1, "controls": []},
        {"type": "scored", "losses": [1.0], "tokens": 1},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": [-0.1]},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": [1e7]},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": [96]},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": ["inf"]},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": [[1.0]]},
        {"type": "scored", "losses": [1.0], "tokens": 1, "controls": 1.0},
        {"type": "refused", "reason": "device", "detail": ""},
        {"type": "refused", "reason": [], "detail": ""},
        {"type": "refused", "reason": "memory", "detail": "x" * (MAX_DETAIL + 1)},
        {"type": "failed", "detail": 1},
        {"type": "ready", "environment": {"torch": 2}},
        {"type": "ready", "environment": []},
    ],
)
def test_t24_what_is_no_message_is_refused(value: object) -> None:
    with pytest.raises(MalformedMessage):
        decode_reply(json.dumps(value).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 60_000, b"1" * 6_000])
def test_t24_bytes_that_are_no_json_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_reply(raw)


@given(st.lists(NUMBERS, min_size=1, max_size=4), NUMBERS, st.lists(NUMBERS, max_size=2))
@example([0.0], 10**22, [])
@example([1e300], 1, [1e300])
@example([-1e-300], 1, [-1e-300])
def test_t24_the_database_takes_whatever_losses_a_worker_gets_past_the_parent(
    numbers: list[object], tokens: object, controls: list[object]
) -> None:
    reply = {"type": "scored", "losses": numbers, "tokens": tokens, "controls": controls}
    raw = json.dumps(reply).encode()
    try:
        found = decode_reply(raw)
    except MalformedMessage:
        return
    assert isinstance(found, Scored)
    assert not any(loss < 0 for loss in found.losses if math.isfinite(loss))
    told = BlockLosses(
        block=SampleBlock(TaskName("task"), 0, len(numbers)),
        losses=found.losses,
        tokens=found.tokens,
        seconds=0.5,
        controls=tuple(ControlLoss(ControlKind.LETTERS, 1.0, bits) for bits in found.controls),
    )
    (kept,) = journalled(told)
    assert repr(kept) == repr(told)


@given(st.dictionaries(st.text(max_size=70), ANYTHING | st.text(max_size=250), max_size=4))
def test_t24_the_database_takes_whatever_environment_a_worker_gets_past_the_parent(
    environment: dict[str, object],
) -> None:
    try:
        found = decode_reply(frame({"type": "ready", "environment": environment})[LENGTH.size :])
    except (MalformedMessage, ValueError):  # ValueError: no JSON says NaN
        return
    assert isinstance(found, Ready)
    assert ENVIRONMENT.load(ENVIRONMENT.dump(dict(found.environment))) == found.environment


@given(ANYTHING | st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.sampled_from(TYPES)))
def test_t24_whatever_a_worker_sends_is_a_reply_or_malformed(value: object) -> None:
    with contextlib.suppress(MalformedMessage):
        assert isinstance(decode_reply(json.dumps(value).encode()), Reply)


@given(st.binary(max_size=64))
def test_t24_whatever_bytes_a_worker_sends_are_a_reply_or_malformed(raw: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        assert isinstance(decode_reply(raw), Reply)


def test_numbers_that_json_does_not_have_stay_numbers() -> None:
    found = decode_reply(b'{"type": "scored", "losses": [NaN, 1.5], "tokens": 2, "controls": []}')
    assert isinstance(found, Scored)
    assert math.isnan(found.losses[0])


def test_an_order_arrives_as_sent() -> None:
    order = WorkOrder(
        model="/model",
        architecture="LlamaForCausalLM",
        max_parameters=1,
        max_tokens=2,
        norms=NormLimits(largest_bias=77.5),
        tokenizer=None,
        template="{{ x }}",
        device="cpu",
        dtype="float32",
        threads=1,
        memory_bytes=7,
        seed="5" * 64,
        skip_blocks=3,
        blocks=(
            BlockOrder(method=Method.TEXT_LOSS, pairs=(("", "é🙂\0"),)),
            BlockOrder(method=Method.CHOICE_TEXT, questions=(("which?", ("a", "é🙂")),)),
        ),
    )
    assert WorkOrder.decode(body(order.encode())) == order
