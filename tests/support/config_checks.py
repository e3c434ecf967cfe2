"""A config.json as a test writes it, and the check that a validator makes of it."""

from __future__ import annotations

import json

import pytest

from sn37.adapters.admission.config import CheckedConfig, check_config
from sn37.adapters.admission.config_keys import FAMILIES
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.ports.errors import ModelRejected

LIMITS = ModelConstraints(
    min_parameters=1,
    max_parameters=10**12,
    max_bytes=10**12,
    max_tokens=4096,
    architectures=frozenset(FAMILIES),
)
LLAMA: dict[str, object] = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
FACTORS = {"short_factor": [1.0] * 48, "long_factor": [2.0] * 48}


def check(config: object) -> CheckedConfig:
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return check_config(text, LIMITS)


def refusal(config: object) -> str:
    """What the miner is told."""
    with pytest.raises(ModelRejected) as caught:
        check(config)
    assert caught.value.reason is Reason.BAD_CONFIG
    assert str(caught.value).isprintable()
    return str(caught.value)


def of(architecture: str, **changes: object) -> dict[str, object]:
    family = FAMILIES[architecture]
    return {"architectures": [architecture], "model_type": family.model_type, **changes}
