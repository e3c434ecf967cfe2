"""Exceptions by which the worker's modules blame the model or us."""

from __future__ import annotations

from sn37.domain.reasons import Reason


class ModelFault(Exception):
    """The model breaks a rule; becomes ``ModelRejected`` in the validator's process."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class OurFault(Exception):
    """Something that the competition prescribes does not work; becomes ``ScorerUnavailable``."""
