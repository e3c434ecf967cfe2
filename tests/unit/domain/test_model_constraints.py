"""A competition's limits on models."""

from __future__ import annotations

import math

import pytest

from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.submission.constraints import (
    ModelFacts,
    is_projection,
    limit_of,
    norm_violation,
    size_violation,
    violations,
)
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
        ModelConstraints(
            **{**numbers, **changes}, architectures=LIMITS.architectures, norms=LIMITS.norms
        )


def test_limits_name_an_architecture() -> None:
    with pytest.raises(ValueError, match="name at least one"):
        ModelConstraints(
            min_parameters=1,
            max_parameters=2,
            max_bytes=1,
            max_tokens=2,
            architectures=frozenset(),
        )


@pytest.mark.parametrize(
    ("tensor", "num_dimensions", "expected"),
    [
        ("model.layers.17.self_attn.q_proj.weight", 2, True),
        ("h.0.self_attention.query_key_value.weight", 2, True),
        ("model.layers.3.mlp.experts.weight", 3, True),
        ("model.layers.17.self_attn.k_proj.bias", 1, False),
        ("model.layers.0.input_layernorm.weight", 1, False),
        ("model.embed_tokens.weight", 2, False),
        ("lm_head.weight", 2, False),
    ],
)
def test_t10_norms_are_limited_for_the_matrices_of_layers(
    tensor: str, num_dimensions: int, expected: bool
) -> None:
    assert is_projection(tensor, num_dimensions) is expected


@pytest.mark.parametrize(
    ("norms", "expected"),
    [
        ([1000.0] + [1.0] * 9, None),  # the hard limit itself
        ([1000.1] + [1.0] * 9, "t0 has norm 1000.1, at most 1000 is allowed"),
        ([201.0] * 3 + [1.0] * 17, None),  # 15 %
        ([201.0] * 4 + [1.0] * 16, "4 of 20 projections have a norm above 200"),
        ([200.0] * 20, None),  # the soft limit itself
        ([], None),
    ],
)
def test_t10_few_norms_may_be_large_and_none_may_be_huge(
    norms: list[float], expected: str | None
) -> None:
    broken = norm_violation({f"t{i}": norm for i, norm in enumerate(norms)}, NormLimits())
    assert (broken is None) == (expected is None)
    if broken is not None and expected is not None:
        assert broken.reason is Reason.NORM
        assert broken.detail.startswith(expected)


@pytest.mark.parametrize("changes", [{"soft": 0.0}, {"soft": 1001.0}, {"soft_share": 1.1}])
def test_norm_limits_must_make_sense(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="are not limits"):
        NormLimits(**changes)


@pytest.mark.parametrize("value", [0.0, 15.9, -20.0, math.inf, math.nan])
@pytest.mark.parametrize(
    "name", ["largest_matrix", "largest_embedding", "largest_scale", "largest_bias"]
)
def test_limits_of_single_numbers_must_make_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} .* is not a limit"):
        NormLimits(**{name: value})


SIZES = NormLimits(largest_matrix=16, largest_embedding=20, largest_scale=30, largest_bias=40)


@pytest.mark.parametrize(
    ("tensor", "num_dimensions", "limit"),
    [
        ("model.layers.17.self_attn.q_proj.weight", 2, 16),
        ("h.0.self_attention.query_key_value.weight", 2, 16),
        ("model.embed_tokens.weight", 2, 20),
        ("transformer.wpe.weight", 2, 20),
        ("lm_head.weight", 2, 20),
        ("model.norm.weight", 1, 30),
        ("model.layers.0.input_layernorm.weight", 1, 30),
        ("model.layers.0.self_attn.q_norm.weight", 1, 30),
        ("model.layers.17.self_attn.k_proj.bias", 1, 40),
        ("lm_head.bias", 1, 40),
        ("gpt_neox.layers.0.input_layernorm.bias", 1, 40),
    ],
)
def test_t45_every_tensor_has_a_limit_of_its_kind(
    tensor: str, num_dimensions: int, limit: float
) -> None:
    assert limit_of(tensor, num_dimensions, SIZES) == limit
    assert size_violation(tensor, num_dimensions, limit, SIZES) is None
    broken = size_violation(tensor, num_dimensions, limit + 0.25, SIZES)
    assert broken is not None
    assert broken.reason is Reason.NORM
    assert broken.detail.startswith(f"{tensor} holds {limit + 0.25:g}, at most {limit} is allowed")
