"""Messages between parent and worker: frames of JSON, checked on arrival.

A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON. The worker runs an
untrusted model: the parent accepts only frames of at most ``MAX_REPLY_BYTES`` in which every
field has the expected type. The worker trusts the parent.
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
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.scoring.deadlines import Stage
from sn37.domain.scoring.generated_answers import BYTES_PER_TOKEN
from sn37.domain.scoring.jobs import Implementation

# Without answers to prompts. 16 losses take under 1 kB, those of 16 x 26 options under 16 kB.
MAX_REPLY_BYTES = 65_536
_JSON_BYTES = 6  # at most, of one byte of UTF-8
MAX_DETAIL = 500  # characters of a worker's explanation
MAX_TOKENS = (1 << 53) - 1  # in a block; JSON, floats and SQLite represent all counts up to it
MAX_CONTROL_BITS = 1e6  # no control costs a thousandth of it
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
)  # reasons for which a worker may reject its model


class MalformedMessage(Exception):
    """The bytes are not a message of the other side, or of another version's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOrder:
    """The samples of one block, without their origin; the method says of which kind they are.

    Texts are (prompt, reference) pairs, and the worker answers with ``Scored``. Questions are
    (prompt, answers): texts that may follow, one for each option, without which one is right; the
    worker answers with ``Weighed``. Prompts are to be answered with at most
    ``max_new_tokens`` tokens each, and come with their number of lettered options, 0 for a free
    answer; the worker answers with ``Answered``. ``controls`` are pairs too, scored after the
    samples, see ``sn37.domain.scoring.controls``.
    """

    method: Method
    pairs: tuple[tuple[str, str], ...] = ()
    questions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    prompts: tuple[tuple[str, int], ...] = ()
    max_new_tokens: int = 0
    controls: tuple[tuple[str, str], ...] = ()

    @property
    def num_samples(self) -> int:
        return len(self.pairs) + len(self.questions) + len(self.prompts)

    @property
    def max_reply_bytes(self) -> int:
        """Size of the longest reply to this block."""
        answers = len(self.prompts) * BYTES_PER_TOKEN * self.max_new_tokens
        return MAX_REPLY_BYTES + _JSON_BYTES * answers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """All input of a worker. Paths are absolute.

    ``blocks`` are all of the round; the first ``skip_blocks`` of them are not scored. ``seed``,
    hexadecimal, decides which samples are probed (``causality``). It is a digest of ``blocks``:
    one of the whole manifest would cover which options are right, and a model could try all answers
    to a few questions until the digest fits. ``memory_bytes`` is the memory that a model of this
    size may use, on the host or on the device.
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
    stop: tuple[str, ...] = ()  # texts that end an answer to a prompt
    skip_blocks: int = 0
    implementation: Implementation = Implementation.OURS

    def encode(self) -> bytes:
        """Return the order as one frame."""
        return frame(asdict(self))

    @classmethod
    def decode(cls, body: bytes) -> WorkOrder:
        """Return the order in a frame's body, as written by :meth:`encode`.

        Raises:
            MalformedMessage: It names a method that this version does not know.
        """
        fields = json.loads(body)
        blocks = tuple(
            BlockOrder(
                method=_method(block["method"]),
                pairs=tuple((prompt, reference) for prompt, reference in block["pairs"]),
                questions=tuple((prompt, tuple(answers)) for prompt, answers in block["questions"]),
                prompts=tuple((prompt, num_options) for prompt, num_options in block["prompts"]),
                max_new_tokens=block["max_new_tokens"],
                controls=tuple((prompt, text) for prompt, text in block["controls"]),
            )
            for block in fields.pop("blocks")
        )
        norms = NormLimits(**fields.pop("norms"))
        implementation = Implementation(fields.pop("implementation"))
        fields["stop"] = tuple(fields["stop"])
        return cls(blocks=blocks, norms=norms, implementation=implementation, **fields)


@dataclass(frozen=True, slots=True)
class Ready:
    """The device works; the model has not been read. Versions and device, for receipts."""

    environment: Mapping[str, str]

    def encode(self) -> bytes:
        return frame({"type": "ready", "environment": dict(self.environment)})


@dataclass(frozen=True, slots=True)
class Reached:
    """The worker has reached a stage. A worker that a model has taken over may lie."""

    stage: Stage

    def encode(self) -> bytes:
        return frame({"type": "reached", "stage": self.stage})


@dataclass(frozen=True, slots=True)
class Scored:
    """The losses of the next block, the number of their tokens, and the bits of its controls."""

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
class Weighed:
    """-log p of every answer to the questions of the next block, and the number of their tokens."""

    nats: tuple[tuple[float, ...], ...]
    tokens: int

    def encode(self) -> bytes:
        nats = [[x if math.isfinite(x) else str(x) for x in answers] for answers in self.nats]
        return frame({"type": "weighed", "nats": nats, "tokens": self.tokens})


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to the prompts of the next block, the number of their tokens, and of near-ties.

    A near-tie is a step in which another device may have taken another token.
    """

    texts: tuple[str, ...]
    tokens: int
    near_ties: int

    def encode(self) -> bytes:
        return frame({"type": "answered", **asdict(self)})


@dataclass(frozen=True, slots=True)
class Refused:
    """The model is at fault."""

    reason: Reason
    detail: str

    def encode(self) -> bytes:
        return frame({"type": "refused", "reason": self.reason, "detail": clean(self.detail)})


@dataclass(frozen=True, slots=True)
class Failed:
    """We are at fault: the device did not start, or has less memory than the model may use."""

    detail: str

    def encode(self) -> bytes:
        return frame({"type": "failed", "detail": clean(self.detail)})


BlockReply = Scored | Weighed | Answered
Reply = Ready | Reached | BlockReply | Refused | Failed


def frame(value: Mapping[str, object]) -> bytes:
    """Return ``value`` as one frame."""
    body = json.dumps(value, allow_nan=False).encode()
    return LENGTH.pack(len(body)) + body


def clean(text: str) -> str:
    """Return ``text`` on one line, printable, at most ``MAX_DETAIL`` characters long."""
    return one_line(text, MAX_DETAIL)


def receive_order(stream: socket.socket) -> WorkOrder:
    """Return the parent's only message; blocks. Child side.

    Raises:
        ConnectionError: The parent closed the stream first.
        MalformedMessage: It names a method that this version does not know.
    """
    (length,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    return WorkOrder.decode(_exactly(stream, length))


def _exactly(stream: socket.socket, count: int) -> bytes:
    body = stream.recv(count, socket.MSG_WAITALL)
    if len(body) != count:
        raise ConnectionError("the parent closed the stream")
    return body


def decode_reply(body: bytes) -> Reply:
    """Decode the worker's message in a frame's body.

    Raises:
        MalformedMessage: It is not a message, or a field is missing, unknown, of the wrong type or
            outside the range that a worker can measure.
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
            return Scored(tuple(map(_loss, losses)), _count(tokens), tuple(map(_bits, controls)))
        case {"type": "weighed", "nats": list(nats), "tokens": int(tokens), **rest} if not rest:
            return Weighed(tuple(map(_answers, nats)), _count(tokens))
        case {
            "type": "answered",
            "texts": list(texts),
            "tokens": int(tokens),
            "near_ties": int(near_ties),
            **rest,
        } if not rest:
            return Answered(tuple(map(_answer, texts)), _count(tokens), _count(near_ties))
        case {"type": "reached", "stage": str(stage), **rest} if not rest:
            if stage not in set(Stage):
                raise MalformedMessage("unknown stage")
            return Reached(Stage(stage))
        case {"type": "refused", "reason": str(code), "detail": detail, **rest} if not rest:
            if code not in REFUSALS:
                raise MalformedMessage("a reason that a worker cannot report")
            return Refused(Reason(code), _text(detail, MAX_DETAIL))
        case {"type": "failed", "detail": detail, **rest} if not rest:
            return Failed(_text(detail, MAX_DETAIL))
        case _:
            raise MalformedMessage("unknown form of message")


def _method(name: str) -> Method:
    try:
        return Method(name)
    except ValueError as error:
        raise MalformedMessage(f"this version does not know the method {name!r}") from error


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise MalformedMessage("a text is missing or too long")
    return clean(value)


def _count(value: int) -> int:
    if isinstance(value, bool) or not 0 <= value <= MAX_TOKENS:
        raise MalformedMessage("tokens is not a count")
    return value


def _answer(value: object) -> str:
    """Return an answer; its size is checked against the block's budget."""
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise MalformedMessage("an answer is not a text")
    return value


def _answers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise MalformedMessage("the losses of a question's answers are not a list")
    return tuple(map(_loss, value))


def _loss(value: object) -> float:
    """Return a float32 of at least 0, or NaN or infinity, which the round judges.

    Our worker never measures less than 0. Log-sum-exp subtracts the maximum and adds its term,
    exp(0) = 1, so it is never below the target's logit, whatever the rounding of sums.
    """
    match value:
        case "nan" | "inf" | "-inf":
            return float(value)
        case float() if not math.isfinite(value):
            return value
        case float() if value >= 0 and _is_float32(value):
            return value
        case _:
            raise MalformedMessage("a loss is not a number, or outside the range of losses")


def _bits(value: object) -> float:
    """Return the cost of a control: a worker limits values that are not finite."""
    if not (isinstance(value, float) and 0 <= value <= MAX_CONTROL_BITS):
        raise MalformedMessage("the bits of a control are not a number, or out of range")
    return value


def _is_float32(value: float) -> bool:
    try:
        (held,) = _FLOAT32.unpack(_FLOAT32.pack(value))
    except OverflowError:
        return False
    return bool(held == value)
