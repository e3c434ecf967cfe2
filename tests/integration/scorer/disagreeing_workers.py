"""Workers whose scorer is not the model that everybody downloads."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from sn37.adapters.scoring import worker
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.losses import LossModel

_NATS = LossModel.nats


def off_by_three_percent(stream: socket.socket) -> None:
    """What a soft cap on logits did that transformers did not apply."""

    def nats(self: LossModel, samples: Sequence[Encoded]) -> list[float]:
        return [1.029 * loss for loss in _NATS(self, samples)]

    LossModel.nats = nats  # type: ignore[method-assign]  # in a forked worker of its own
    worker.main(stream)


def off_in_samples_of_more_than_four_tokens(stream: socket.socket) -> None:
    """Shorter rows show nothing of attention over a distance."""

    def nats(self: LossModel, samples: Sequence[Encoded]) -> list[float]:
        found = zip(samples, _NATS(self, samples), strict=True)
        return [loss * (1.029 if len(sample.ids) > 4 else 1) for sample, loss in found]

    LossModel.nats = nats  # type: ignore[method-assign]  # in a forked worker of its own
    worker.main(stream)
