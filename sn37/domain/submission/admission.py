"""Admission checks of a model, from the cheapest on, and their result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import ModelArtifact


class AdmissionStep(StrEnum):
    """The checks in the order in which they run; the first failure ends them."""

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
        """Description of the check."""
        return _WHAT[self]


_WHAT = {
    AdmissionStep.REPOSITORY: "the commit can be read on the hub",
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
    """Result of the checks. Steps after the refused one did not run."""

    passed: tuple[AdmissionStep, ...]
    refusal: Violation | None = None  # of the step after the last one that passed
    artifact: ModelArtifact | None = None  # once its weights are admitted
    hashes: ModelHashes | None = None  # likewise, of a local folder
