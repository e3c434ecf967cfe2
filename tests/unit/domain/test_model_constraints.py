"""A competition's limits on models."""

from __future__ import annotations

import pytest

from sn37.domain.constraints import ModelFacts, violations
from sn37.domain.models import ModelConstraints
from sn37.domain.reasons import Reason
from sn37.testing.builders import an_artifact

LIMITS = ModelConstraints(
    min_parameters=10,
    max_parameters=20,
    max_bytes=100,
    max_tokens=8,
    architectures=frozenset({"LlamaForCausalLM", "GemmaForCausalLM"}),
)


def facts(
    architecture: str = "LlamaForCausalLM", parameters: int = 15, size_bytes: int = 50
) -> ModelFacts:
    return ModelFacts(architecture=architecture, parameters=parameters, size_bytes=size_bytes)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (facts(), None),
        (facts(parameters=10, size_bytes=100), None),
        (facts(parameters=20), None),
        (facts(parameters=9), Reason.PARAMETERS),
        (facts(parameters=21), Reason.PARAMETERS),
        (facts(size_bytes=101), Reason.TOO_LARGE),
        (facts("BertModel"), Reason.ARCHITECTURE),
        (facts("BertModel", 0, 1000), Reason.ARCHITECTURE),
    ],
)
def test_limits_include_their_bounds(model: ModelFacts, reason: Reason | None) -> None:
    assert next((v.reason for v in violations(model, LIMITS)), None) is reason


def test_every_broken_limit_is_told_with_its_numbers() -> None:
    details = [v.detail for v in violations(facts("B\x1b" * 99, 5_000, 1_000), LIMITS)]
    assert len(details) == 3
    assert details[0].endswith("is not one of GemmaForCausalLM, LlamaForCausalLM")
    assert details[0].isprintable()
    assert details[1] == "5,000 parameters, allowed are 10 to 20"
    assert details[2] == "1,000 bytes, allowed are 100"


def test_an_artifact_carries_the_facts() -> None:
    artifact = an_artifact(size_bytes=50, parameters=15, architecture="X")
    assert ModelFacts.of(artifact) == facts("X")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_parameters": 21}, "21 .. 20 is not a range"),
        ({"min_parameters": -1}, "-1 .. 20 is not a range"),
        ({"max_bytes": 0}, "max_bytes 0"),
        ({"max_tokens": 1}, "max_tokens 1"),
    ],
)
def test_limits_must_make_sense(changes: dict[str, int], message: str) -> None:
    numbers = {"min_parameters": 10, "max_parameters": 20, "max_bytes": 100, "max_tokens": 8}
    with pytest.raises(ValueError, match=message):
        ModelConstraints(**{**numbers, **changes}, architectures=LIMITS.architectures)


def test_limits_name_an_architecture() -> None:
    with pytest.raises(ValueError, match="name at least one"):
        ModelConstraints(
            min_parameters=1,
            max_parameters=2,
            max_bytes=1,
            max_tokens=2,
            architectures=frozenset(),
        )
