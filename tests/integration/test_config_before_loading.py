"""What a configuration alone shows that the scorer would refuse, or fail at, once it has loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.admission.config import check_config
from sn37.adapters.admission.config_keys import MAX_VOCABULARY
from sn37.adapters.admission.examine import examine
from sn37.adapters.scoring.scorer import PLAIN_TOKENS, TOKEN_BYTES
from sn37.domain.reasons import Reason
from sn37.domain.submission.admission import AdmissionStep
from sn37.ports.errors import ModelRejected
from tests.support.config_checks import FACTORS, LIMITS, LLAMA, check, of, refusal
from tests.support.published_configs import PUBLISHED

FACTORS_OF_64 = {"short_factor": [1.0] * 64, "long_factor": [2.0] * 64}
LENGTH = 256  # of rows before frequencies change
CHANGING: dict[str, tuple[str, dict[str, object]]] = {
    "longrope": (
        "LlamaForCausalLM",
        {"rope_scaling": {"rope_type": "longrope", **FACTORS_OF_64}},
    ),
    "su of Phi-3": ("Phi3ForCausalLM", {"rope_scaling": {"type": "su", **FACTORS}}),
    "dynamic": ("LlamaForCausalLM", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),
    "dynamic that notes a length": (
        "LlamaForCausalLM",
        {
            "max_position_embeddings": 8192,
            "rope_scaling": {
                "type": "dynamic",
                "factor": 2.0,
                "original_max_position_embeddings": LENGTH,
            },
        },
    ),
}


@pytest.mark.parametrize("name", CHANGING)
def test_t46_frequencies_that_change_within_the_window_are_refused_before_loading(
    name: str,
) -> None:
    architecture, changes = CHANGING[name]
    length = {"max_position_embeddings": LENGTH} | (
        {"original_max_position_embeddings": LENGTH} if "Phi3" in architecture else {}
    )
    config = json.dumps(of(architecture, **length | changes)).encode()
    check_config(config, replace(LIMITS, max_tokens=LENGTH))
    with pytest.raises(ModelRejected) as caught:
        check_config(config, replace(LIMITS, max_tokens=LENGTH + 1))
    assert caught.value.reason is Reason.BAD_CONFIG
    steady = "default" if "Phi3" in architecture else "default, linear, yarn or llama3"
    assert str(caught.value).endswith(
        f"changes beyond {LENGTH} tokens, within the competition's {LENGTH + 1}: use {steady}"
    )


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (of("FalconForCausalLM", alibi=True), "alibi is not supported"),
        (
            of("LlamaForCausalLM", rope_scaling={"type": "dynamic", "factor": 2.0}),
            "rope type dynamic changes beyond 2048 tokens",
        ),
    ],
    ids=["alibi", "dynamic"],
)
def test_t46_a_check_of_a_folder_reads_no_weights_to_refuse_them(
    config: dict[str, object], told: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"never read")
    found = examine(tmp_path, LIMITS, weights=True)
    assert found.passed == (AdmissionStep.FILES,)
    assert found.refusal is not None
    assert found.refusal.reason is Reason.BAD_CONFIG
    assert told in found.refusal.detail


@pytest.mark.parametrize("kind", ["linear", "yarn", "llama3"])
def test_frequencies_that_are_the_same_for_every_length_may_be_scaled(kind: str) -> None:
    scale: dict[str, object] = {"rope_type": kind, "factor": 4.0}
    if kind == "llama3":
        scale |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scale["original_max_position_embeddings"] = 64
    check(LLAMA | {"max_position_embeddings": 64, "rope_scaling": scale})


def test_t46_alibi_is_refused_before_loading() -> None:
    assert "alibi is not supported" in refusal(of("FalconForCausalLM", alibi=True))


def test_a_second_opinion_has_memory_for_every_vocabulary_that_is_admitted() -> None:
    """Two numbers of float32 for each token of the vocabulary, and a token's activations."""
    assert TOKEN_BYTES + 8 * MAX_VOCABULARY <= PLAIN_TOKENS * TOKEN_BYTES
    check(LLAMA | {"vocab_size": MAX_VOCABULARY})
    assert "is not in 1 .. 393216" in refusal(LLAMA | {"vocab_size": MAX_VOCABULARY + 1})
    largest = max(int(str(config.get("vocab_size", 0))) for config in PUBLISHED.values())
    assert largest * 1.5 <= MAX_VOCABULARY
