"""Limits of a competition on the models that take part."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Of single numbers. Where a whole block of a tensor has a smaller norm, admission need not look for
# the largest of its numbers, which spares it a twentieth of its time with ordinary weights.
LEAST_LIMIT = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NormLimits:
    """How large a model's weights may be: norms of projections, and every single number.

    A projection is a matrix of a numbered layer: attention and feed-forward weights. One of
    4096 x 4096 with entries of 0.02 has norm 82. The limits of norms are the public network's.

    Single numbers have limits because sums of numbers of very different size depend on the order
    of adding, thus on the device. The limits lie at least ten times above what we know of
    published models of the allowed architectures: matrices, embeddings and output layers of Llama,
    Mistral, Qwen, Phi, Falcon and Pythia stay within single digits, scales within 1,000 (Gemma's
    are the largest), biases within 1,000 (Qwen2's keys). Measured here is SmolLM2-135M-Instruct:
    9.3 in matrices, 2.0 in the embedding, 3.3 in scales; docs/verification.md has the others.
    """

    soft: float = 200.0
    soft_share: float = 0.15  # of the projections, which may lie above the soft limit
    hard: float = 1000.0  # no projection may lie above it
    # The largest absolute value in a tensor, by its kind (constraints.limit_of):
    largest_matrix: float = 100.0  # projections
    largest_embedding: float = 100.0  # embeddings, table of positions, output layer
    largest_scale: float = 10_000.0  # of norms
    largest_bias: float = 10_000.0

    def __post_init__(self) -> None:
        if not (0 < self.soft <= self.hard and 0 <= self.soft_share <= 1):
            raise ValueError(
                f"norms: soft {self.soft}, share {self.soft_share}, hard {self.hard} are no limits"
            )
        for name in ("largest_matrix", "largest_embedding", "largest_scale", "largest_bias"):
            if not LEAST_LIMIT <= (value := getattr(self, name)) < math.inf:
                raise ValueError(
                    f"norms: {name} {value} is not a limit, give {LEAST_LIMIT:g} or more"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConstraints:
    """Limits a submission must satisfy before it is loaded on a device."""

    min_parameters: int
    max_parameters: int
    max_bytes: int
    max_tokens: int  # sequence length in tokens
    architectures: frozenset[str]  # Transformers class names, such as "LlamaForCausalLM"
    norms: NormLimits = NormLimits()

    def __post_init__(self) -> None:
        if not 0 <= self.min_parameters <= self.max_parameters:
            raise ValueError(
                f"parameters: {self.min_parameters} .. {self.max_parameters} is not a range"
            )
        if self.max_bytes <= 0 or self.max_tokens < 2:
            raise ValueError(
                f"max_bytes {self.max_bytes} or max_tokens {self.max_tokens} too small"
            )
        if not self.architectures:
            raise ValueError("architectures: name at least one")
