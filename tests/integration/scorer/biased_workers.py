"""Real workers, one of whose implementations is wrong: started by tests in place of the worker.

They are wrong on samples alone, which begin with BOS: the rows by a fixed rule that a worker
compares while it loads are left as they are, as a model would that recognises them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from sn37.adapters.scoring import worker
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.plain import PlainModel

BOS = 0  # of the tiny models


def _patched(kind: type, change: Callable[[float, Encoded], float]) -> None:
    right = kind.nats  # type: ignore[attr-defined]

    def wrong(self: object, samples: Sequence[Encoded]) -> list[float]:
        nats = right(self, samples)
        pairs = zip(nats, samples, strict=True)
        return [change(n, s) if s.ids[0] == BOS else n for n, s in pairs]

    kind.nats = wrong  # type: ignore[attr-defined]


def ours_half(stream: socket.socket) -> None:
    """Our losses are half of what they are, as by a target's logit that is taken apart."""
    _patched(LossModel, lambda nats, _: nats / 2)
    worker.main(stream)


def ours_zero(stream: socket.socket) -> None:
    """Constant weights that cost nothing."""
    _patched(LossModel, lambda nats, _: 0.0)
    worker.main(stream)


def ours_long(stream: socket.socket) -> None:
    """A trick that begins behind what probes look at: long samples alone are cheaper."""
    _patched(LossModel, lambda nats, s: nats * (0.9 if len(s.ids) > 40 else 1.0))
    worker.main(stream)


def ours_slightly(stream: socket.socket) -> None:
    """A third of a percent on every sample: below what wins, above what honest models differ by."""
    _patched(LossModel, lambda nats, _: nats * 0.9967)
    worker.main(stream)


def theirs_more(stream: socket.socket) -> None:
    """Sound in our path, and another model in the libraries'."""
    _patched(PlainModel, lambda nats, _: nats * 1.05)
    worker.main(stream)


def theirs_nan(stream: socket.socket) -> None:
    """The libraries' model overflows."""
    _patched(PlainModel, lambda nats, _: float("nan"))
    worker.main(stream)
