"""Frames between the validator and a worker that it does not trust."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.cuda.messages import (
    LENGTH,
    MAX_DETAIL,
    MAX_REPLY_BYTES,
    REFUSALS,
    BlockOrder,
    Failed,
    MalformedMessage,
    Ready,
    Refused,
    Scored,
    WorkOrder,
    decode_reply,
)
from sn37.domain.competition import Method
from sn37.domain.reasons import Blame, Reason


def body(frame: bytes) -> bytes:
    (length,) = LENGTH.unpack(frame[: LENGTH.size])
    assert length == len(frame) - LENGTH.size
    return frame[LENGTH.size :]


@given(st.lists(st.floats(width=32), max_size=16), st.integers(0, 2**31))
def test_losses_arrive_bit_for_bit(losses: list[float], tokens: int) -> None:
    frame = Scored(tuple(losses), tokens).encode()
    found = decode_reply(body(frame))
    assert isinstance(found, Scored)
    assert found.tokens == tokens
    assert [repr(x) for x in found.losses] == [repr(x) for x in losses]
    assert len(frame) < MAX_REPLY_BYTES


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
        {"type": "scored", "losses": [1.0], "tokens": True},
        {"type": "scored", "losses": [1.0], "tokens": -1},
        {"type": "scored", "losses": [1.0], "tokens": 1, "more": 1},
        {"type": "scored", "losses": [[1.0]], "tokens": 1},
        {"type": "scored", "losses": ["1e3"], "tokens": 1},
        {"type": "scored", "losses": [True], "tokens": 1},
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


def test_numbers_that_json_does_not_have_stay_numbers() -> None:
    found = decode_reply(b'{"type": "scored", "losses": [NaN, 1.5], "tokens": 2}')
    assert isinstance(found, Scored)
    assert math.isnan(found.losses[0])


def test_an_order_arrives_as_sent() -> None:
    order = WorkOrder(
        model="/model",
        architecture="LlamaForCausalLM",
        max_parameters=1,
        max_tokens=2,
        tokenizer=None,
        template="{{ x }}",
        device="cpu",
        dtype="float32",
        threads=1,
        blocks=(BlockOrder(method=Method.TEXT_LOSS, pairs=(("", "é🙂\0"),)),),
    )
    assert WorkOrder.decode(body(order.encode())) == order
