"""Limits of a competition on the models that take part."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sn37.domain.schedule.broken_rule import BrokenRule

# Smallest allowed limit on single numbers. If a whole block of a tensor has a smaller norm, the
# admission need not search for its largest number. That saves 5 % of its time on usual weights.
LEAST_LIMIT = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NormLimits:
    """Limits on a model's weights: on norms of projections, and on every single number.

    A projection is a matrix of a numbered layer: attention and feed-forward weights. One of
    4096 x 4096 with entries of 0.02 has norm 82. The norm limits are those of the public network.

    Single numbers have limits because a sum of numbers of very different size depends on the
    order of addition, and so on the device. The limits are at least ten times above the values in
    published models of the allowed architectures that we know: below 10 in matrices, embeddings
    and output layers of Llama, Mistral, Qwen, Phi, Falcon and Pythia, up to 1,000 in scales
    (largest in Gemma) and biases (Qwen2's keys). We measured SmolLM2-135M-Instruct:
    9.3 in matrices, 2.0 in the embedding, 3.3 in scales; docs/verification.md has the others.
    """

    soft: float = 200.0
    soft_share: float = 0.15  # share of the projections that may exceed the soft limit
    hard: float = 1000.0  # no projection may exceed it
    # The largest absolute value in a tensor, by its kind (constraints.limit_of):
    largest_matrix: float = 100.0  # projections
    largest_embedding: float = 100.0  # embeddings, table of positions, output layer
    largest_scale: float = 10_000.0  # of norms
    largest_bias: float = 10_000.0

    def __post_init__(self) -> None:
        if not (0 < self.soft <= self.hard and 0 <= self.soft_share <= 1):
            raise BrokenRule(
                f"norms: soft {self.soft}, share {self.soft_share}, hard {self.hard} are not "
                "limits",
                "norms",
            )
        for name in ("largest_matrix", "largest_embedding", "largest_scale", "largest_bias"):
            if not LEAST_LIMIT <= (value := getattr(self, name)) < math.inf:
                raise BrokenRule(
                    f"norms: {name} {value} is not a limit; give {LEAST_LIMIT:g} or more", "norms"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConstraints:
    """Limits that a model must satisfy before it is loaded on a device."""

    min_parameters: int
    max_parameters: int
    max_bytes: int
    max_tokens: int  # sequence length in tokens
    architectures: frozenset[str]  # Transformers class names, such as "LlamaForCausalLM"
    norms: NormLimits = NormLimits()

    def __post_init__(self) -> None:
        if not 0 <= self.min_parameters <= self.max_parameters:
            raise BrokenRule(
                f"parameters: {self.min_parameters} .. {self.max_parameters} is not a range",
                "max_parameters",
                "min_parameters",
            )
        if self.max_bytes <= 0 or self.max_tokens < 2:
            raise BrokenRule(
                f"max_bytes {self.max_bytes} or max_tokens {self.max_tokens} too small",
                "max_bytes" if self.max_bytes <= 0 else "max_tokens",
            )
        if not self.architectures:
            raise BrokenRule("architectures: name at least one", "architectures")
