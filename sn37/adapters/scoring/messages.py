"""What parent and worker say to each other: frames of JSON, checked on arrival.

A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON. The worker ran a
stranger's model and is not trusted: the parent accepts frames of at most ``MAX_REPLY_BYTES``
whose every field has the expected type, and nothing else. The worker trusts the parent.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sn37.domain.printable import one_line
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import Method
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.scoring.deadlines import Stage
from sn37.domain.scoring.jobs import Implementation

MAX_REPLY_BYTES = 65_536  # 16 losses take under 1 kB
MAX_DETAIL = 500  # characters of a worker's explanation
MAX_TOKENS = (1 << 53) - 1  # of a block; JSON, floats and SQLite hold every count up to it
MAX_CONTROL_BITS = 1e6  # no control has a thousandth of it
LENGTH = struct.Struct("!I")
_FLOAT32 = struct.Struct("f")

REFUSALS = frozenset(
    {
        Reason.ARCHITECTURE,
        Reason.BAD_CONFIG,
        Reason.MEMORY,
        Reason.NON_FINITE,
        Reason.NORM,
        Reason.PARAMETERS,
        Reason.TEMPLATE,
        Reason.TOKENIZER,
        Reason.UNLOADABLE,
        Reason.UNSOUND,
    }
)  # what a worker may say of its model


class MalformedMessage(Exception):
    """The bytes are not a message of the other side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOrder:
    """The samples of one block as (prompt, reference) pairs. Where they came from stays out.

    ``controls`` are pairs likewise, scored after the samples, see ``sn37.domain.scoring.controls``.
    """

    method: Method
    pairs: tuple[tuple[str, str], ...]
    controls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """Everything a worker needs to know. Paths are absolute.

    ``blocks`` are all of the round; the first ``skip_blocks`` of them are not scored. ``seed``,
    hexadecimal, decides which samples are probed (``causality``). ``memory_bytes`` is what a model
    of this size may take, on the host or on the device.
    """

    model: str
    architecture: str
    max_parameters: int
    max_tokens: int
    norms: NormLimits
    tokenizer: str | None
    template: str | None
    device: str
    dtype: str
    threads: int
    memory_bytes: int
    seed: str
    blocks: tuple[BlockOrder, ...]
    skip_blocks: int = 0
    implementation: Implementation = Implementation.OURS

    def encode(self) -> bytes:
        """One frame."""
        return frame(asdict(self))

    @classmethod
    def decode(cls, body: bytes) -> WorkOrder:
        """The order in a frame's body, as :meth:`encode` wrote it."""
        fields = json.loads(body)
        blocks = tuple(
            BlockOrder(
                method=Method(block["method"]),
                pairs=tuple((prompt, reference) for prompt, reference in block["pairs"]),
                controls=tuple((prompt, text) for prompt, text in block["controls"]),
            )
            for block in fields.pop("blocks")
        )
        norms = NormLimits(**fields.pop("norms"))
        implementation = Implementation(fields.pop("implementation"))
        return cls(blocks=blocks, norms=norms, implementation=implementation, **fields)


@dataclass(frozen=True, slots=True)
class Ready:
    """The device is up, no byte of the model has been read. Versions and device, for receipts."""

    environment: Mapping[str, str]

    def encode(self) -> bytes:
        return frame({"type": "ready", "environment": dict(self.environment)})


@dataclass(frozen=True, slots=True)
class Reached:
    """The worker has come to a stage. A worker that a model has taken over may lie."""

    stage: Stage

    def encode(self) -> bytes:
        return frame({"type": "reached", "stage": self.stage})


@dataclass(frozen=True, slots=True)
class Scored:
    """The losses of the next block, over how many tokens, and the bits that its controls cost."""

    losses: tuple[float, ...]
    tokens: int
    controls: tuple[float, ...] = ()

    def encode(self) -> bytes:
        losses = [x if math.isfinite(x) else str(x) for x in self.losses]
        return frame(
            {
                "type": "scored",
                "losses": losses,
                "tokens": self.tokens,
                "controls": list(self.controls),
            }
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """The model is at fault."""

    reason: Reason
    detail: str

    def encode(self) -> bytes:
        return frame({"type": "refused", "reason": self.reason, "detail": clean(self.detail)})


@dataclass(frozen=True, slots=True)
class Failed:
    """We are: the device did not start, or has less memory than the model may use."""

    detail: str

    def encode(self) -> bytes:
        return frame({"type": "failed", "detail": clean(self.detail)})


Reply = Ready | Reached | Scored | Refused | Failed


def frame(value: Mapping[str, object]) -> bytes:
    """``value`` as one frame."""
    body = json.dumps(value, allow_nan=False).encode()
    return LENGTH.pack(len(body)) + body


def clean(text: str) -> str:
    """``text`` on one line, printable, at most ``MAX_DETAIL`` characters."""
    return one_line(text, MAX_DETAIL)


def receive_order(stream: socket.socket) -> WorkOrder:
    """The parent's only message; blocks. Child side.

    Raises:
        ConnectionError: The parent closed the stream first.
    """
    (length,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    return WorkOrder.decode(_exactly(stream, length))


def _exactly(stream: socket.socket, count: int) -> bytes:
    body = stream.recv(count, socket.MSG_WAITALL)
    if len(body) != count:
        raise ConnectionError("the parent closed the stream")
    return body


def decode_reply(body: bytes) -> Reply:
    """The worker's message in a frame's body.

    Raises:
        MalformedMessage: It is none, or a field is missing, unknown, of the wrong type or
            beyond what a worker can have measured.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("not JSON") from error
    match value:
        case {"type": "ready", "environment": dict(environment), **rest} if not rest:
            return Ready({_text(k, 64): _text(v, 200) for k, v in environment.items()})
        case {
            "type": "scored",
            "losses": list(losses),
            "tokens": int(tokens),
            "controls": list(controls),
            **rest,
        } if not rest:
            if isinstance(tokens, bool) or not 0 <= tokens <= MAX_TOKENS:
                raise MalformedMessage("tokens is not a count")
            return Scored(tuple(map(_loss, losses)), tokens, tuple(map(_bits, controls)))
        case {"type": "reached", "stage": str(stage), **rest} if not rest:
            if stage not in set(Stage):
                raise MalformedMessage("a stage that there is not")
            return Reached(Stage(stage))
        case {"type": "refused", "reason": str(code), "detail": detail, **rest} if not rest:
            if code not in REFUSALS:
                raise MalformedMessage("a reason the worker cannot know")
            return Refused(Reason(code), _text(detail, MAX_DETAIL))
        case {"type": "failed", "detail": detail, **rest} if not rest:
            return Failed(_text(detail, MAX_DETAIL))
        case _:
            raise MalformedMessage("no message of a worker")


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise MalformedMessage("a text is missing or too long")
    return clean(value)


def _loss(value: object) -> float:
    """A float32 that is no less than 0, or NaN or infinity, which are for the round to judge.

    No worker of ours measures less than 0: log-sum-exp takes the maximum off and adds its term,
    exp(0) = 1, so that it is never below the target's logit, however sums are rounded.
    """
    match value:
        case "nan" | "inf" | "-inf":
            return float(value)
        case float() if not math.isfinite(value):
            return value
        case float() if value >= 0 and _is_float32(value):
            return value
        case _:
            raise MalformedMessage("a loss is not a number, or none that can be measured")


def _bits(value: object) -> float:
    """What a control cost: a worker caps what is not finite."""
    if not (isinstance(value, float) and 0 <= value <= MAX_CONTROL_BITS):
        raise MalformedMessage("the bits of a control are not a number of bits")
    return value


def _is_float32(value: float) -> bool:
    try:
        (held,) = _FLOAT32.unpack(_FLOAT32.pack(value))
    except OverflowError:
        return False
    return bool(held == value)
