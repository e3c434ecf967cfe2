"""The checks that a model goes through, from the cheapest on, and how far one came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import ModelArtifact


class AdmissionStep(StrEnum):
    """One check, in the order in which they are made; the first that fails is the last."""

    REPOSITORY = "repository"
    FILES = "files"
    CONFIG = "config"
    HEADERS = "headers"
    TENSORS = "tensors"
    LIMITS = "limits"
    WEIGHTS = "weights"
    LOADING = "loading"

    @property
    def what(self) -> str:
        """What is looked at."""
        return _WHAT[self]


_WHAT = {
    AdmissionStep.REPOSITORY: "everybody can read the commit on the hub",
    AdmissionStep.FILES: "names, number and sizes of the files",
    AdmissionStep.CONFIG: "config.json and the other JSON, the architecture",
    AdmissionStep.HEADERS: "the headers of the safetensors files",
    AdmissionStep.TENSORS: "names of the tensors, against index and configuration",
    AdmissionStep.LIMITS: "parameters and size within the competition's limits",
    AdmissionStep.WEIGHTS: "every byte of the weights: digests, finite, norms",
    AdmissionStep.LOADING: "loads and scores a few samples as in a round",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """How far a model came. What follows the refused step was not looked at."""

    passed: tuple[AdmissionStep, ...]
    refusal: Violation | None = None  # of the step after the last that was passed
    artifact: ModelArtifact | None = None  # once its weights are admitted
    hashes: ModelHashes | None = None  # likewise, of a local folder
