"""Workers that answer questions otherwise than asked, started by tests in place of the real one."""

from __future__ import annotations

import math
import socket

from sn37.adapters.scoring.messages import (
    BlockOrder,
    BlockReply,
    Reached,
    Ready,
    Scored,
    Weighed,
    frame,
    receive_order,
)
from sn37.domain.scoring.deadlines import Stage


def honest(block: BlockOrder) -> BlockReply:
    """The form of an honest reply."""
    if block.questions:
        return Weighed(tuple((1.0,) * len(answers) for _, answers in block.questions), 50)
    return Scored((1.0,) * len(block.pairs), 50, (100.0,) * len(block.controls))


def too_few(stream: socket.socket) -> None:
    """Leave out a question."""
    for block in _started(stream):
        reply = honest(block)
        if isinstance(reply, Weighed):
            reply = Weighed(reply.nats[1:], reply.tokens)
        stream.sendall(reply.encode())


def too_many_answers(stream: socket.socket) -> None:
    """Give one more answer to a question."""
    for block in _started(stream):
        reply = honest(block)
        if isinstance(reply, Weighed):
            reply = Weighed(((*reply.nats[0], 1.0), *reply.nats[1:]), reply.tokens)
        stream.sendall(reply.encode())


def as_texts(stream: socket.socket) -> None:
    """Claim losses of questions, which only the parent can compute."""
    for block in _started(stream):
        num = len(block.questions) or len(block.pairs)
        reply = Scored((0.0,) * num, 50, (100.0,) * len(block.controls))
        stream.sendall(reply.encode())


def texts_as_questions(stream: socket.socket) -> None:
    """Answer texts as if they were questions."""
    for block in _started(stream):
        reply = honest(block)
        if isinstance(reply, Scored):
            reply = Weighed(((1.0, 1.0),) * len(block.pairs), 50)
        stream.sendall(reply.encode())


def not_numbers(stream: socket.socket) -> None:
    """Send text for losses."""
    for block in _started(stream):
        answers = [["right"] * len(texts) for _, texts in block.questions]
        stream.sendall(frame({"type": "weighed", "nats": answers, "tokens": 50}))


def negative(stream: socket.socket) -> None:
    """Claim more than certainty."""
    for block in _started(stream):
        answers = [[-1.0] * len(texts) for _, texts in block.questions]
        stream.sendall(frame({"type": "weighed", "nats": answers, "tokens": 50}))


def not_finite(stream: socket.socket) -> None:
    """Overflow in one answer to each question."""
    for block in _started(stream):
        reply = honest(block)
        if isinstance(reply, Weighed):
            reply = Weighed(tuple((math.nan, *nats[1:]) for nats in reply.nats), reply.tokens)
        stream.sendall(reply.encode())


def _started(stream: socket.socket) -> tuple[BlockOrder, ...]:
    order = receive_order(stream)
    stream.sendall(Ready({}).encode())
    for stage in (Stage.LOADING, Stage.CHECKING, Stage.SCORING):
        stream.sendall(Reached(stage).encode())
    return order.blocks
