"""Workers that answer prompts without a model."""

from __future__ import annotations

import socket
from collections.abc import Callable

from sn37.adapters.scoring.messages import (
    Answered,
    BlockOrder,
    Reached,
    Ready,
    Scored,
    receive_order,
)
from sn37.domain.scoring.deadlines import Stage


def talks_without_end(stream: socket.socket) -> None:
    """Give answers that no budget allows."""
    _serve(stream, lambda block: Answered(("word " * 10_000,) * len(block.prompts), 1, 0))


def reports_losses(stream: socket.socket) -> None:
    """Report losses of its own in place of answers."""
    _serve(stream, lambda block: Scored((0.0,) * len(block.prompts), 1))


def says_one_thing(stream: socket.socket) -> None:
    """Give one answer, which a terminal might obey, to every prompt."""
    _serve(stream, lambda block: Answered(("A.\n\x1b[31mone  thing",) * len(block.prompts), 1, 0))


def says_nothing(stream: socket.socket) -> None:
    """Give an empty answer to every sample, whatever it is asked for."""
    _serve(stream, lambda block: Answered(("",) * block.num_samples, 0, 0))


def _serve(stream: socket.socket, reply: Callable[[BlockOrder], Answered | Scored]) -> None:
    order = receive_order(stream)
    stream.sendall(Ready({}).encode())
    for stage in (Stage.LOADING, Stage.CHECKING, Stage.SCORING):
        stream.sendall(Reached(stage).encode())
    for block in order.blocks:
        stream.sendall(reply(block).encode())
