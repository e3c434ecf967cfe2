"""How the worker's own modules say that a model is at fault, or that we are."""

from __future__ import annotations

from sn37.domain.reasons import Reason


class ModelFault(Exception):
    """The model breaks a rule; becomes ``ModelRejected`` in the validator's process."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class OurFault(Exception):
    """What the competition prescribes does not work; becomes ``ScorerUnavailable``."""
