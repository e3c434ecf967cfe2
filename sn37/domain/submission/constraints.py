"""Check of a model against a competition's limits, from measured facts, not claimed ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.submission.models import ModelArtifact

# "model.layers.17.mlp.up_proj.weight", "h.3.self_attention.query_key_value.weight"
_IN_A_LAYER = re.compile(r"\.\d+\..*weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Facts about a model that its files show before anything is loaded."""

    architecture: str  # Transformers class name
    parameters: int  # counted from the safetensors headers, never from config.json
    size_bytes: int  # of all admitted files

    @classmethod
    def of(cls, artifact: ModelArtifact) -> ModelFacts:
        """Return the facts of a verified artifact."""
        return cls(
            architecture=artifact.architecture,
            parameters=artifact.parameters,
            size_bytes=artifact.size_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A limit that a model breaks, with numbers for its miner."""

    reason: Reason
    detail: str


def violations(facts: ModelFacts, constraints: ModelConstraints) -> tuple[Violation, ...]:
    """Return every broken limit, always in the same order; empty for an admissible model."""
    found = []
    if facts.architecture not in constraints.architectures:
        allowed = ", ".join(sorted(constraints.architectures))
        found.append(
            Violation(
                reason=Reason.ARCHITECTURE,
                # The class name is untrusted text.
                detail=f"{facts.architecture[:60]!a} is not one of {allowed}",
            )
        )
    if not constraints.min_parameters <= facts.parameters <= constraints.max_parameters:
        found.append(
            Violation(
                reason=Reason.PARAMETERS,
                detail=f"{facts.parameters:,} parameters, allowed are "
                f"{constraints.min_parameters:,} to {constraints.max_parameters:,}",
            )
        )
    if facts.size_bytes > constraints.max_bytes:
        found.append(
            Violation(
                reason=Reason.TOO_LARGE,
                detail=f"{facts.size_bytes:,} bytes, allowed are {constraints.max_bytes:,}",
            )
        )
    return tuple(found)


def is_projection(tensor: str, num_dimensions: int) -> bool:
    """True if norm limits apply to a tensor: it is a matrix of a numbered layer.

    Name and shape decide, so the rule is the same for every architecture. Embeddings grow with
    the vocabulary, and the scales and biases of trained models may have any size.
    """
    return num_dimensions >= 2 and _IN_A_LAYER.search(tensor) is not None


def limit_of(tensor: str, num_dimensions: int, limits: NormLimits) -> float:
    """Return the largest absolute value that a tensor may hold, by its name and shape."""
    if is_projection(tensor, num_dimensions):
        return limits.largest_matrix
    if num_dimensions >= 2:
        return limits.largest_embedding
    return limits.largest_bias if tensor.endswith("bias") else limits.largest_scale


def size_violation(
    tensor: str, num_dimensions: int, largest: float, limits: NormLimits
) -> Violation | None:
    """Return the limit that a tensor breaks, if any, from its largest absolute value."""
    limit = limit_of(tensor, num_dimensions, limits)
    if largest <= limit:
        return None
    return Violation(
        reason=Reason.NORM,
        detail=f"{tensor[:80]} holds {largest:.6g}, at most {limit:g} is allowed in size; save "
        "the weights as they were trained, without scaling them",
    )


def norm_violation(norms: Mapping[str, float], limits: NormLimits) -> Violation | None:
    """Return the limit that a model's projections break, if any, from their Frobenius norms."""
    for name, norm in sorted(norms.items()):
        if norm > limits.hard:
            return Violation(
                reason=Reason.NORM,
                detail=f"{name[:80]} has norm {norm:.6g}, at most {limits.hard:g} is allowed",
            )
    above = sum(norm > limits.soft for norm in norms.values())
    if above > limits.soft_share * len(norms):
        return Violation(
            reason=Reason.NORM,
            detail=f"{above} of {len(norms)} projections have a norm above {limits.soft:g}, "
            f"allowed are {limits.soft_share:.0%}",
        )
    return None
