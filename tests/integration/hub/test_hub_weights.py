"""Norms of tensors from their bytes alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.admission.digest import TensorDigest
from sn37.adapters.admission.weights import BLOCK_BYTES, TensorNorm, check_weights
from sn37.domain.models import NormLimits
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

RNG = np.random.default_rng(37)
VALUES = RNG.normal(size=BLOCK_BYTES + 77).astype(np.float32)
ENCODED = {
    "F32": VALUES.tobytes(),
    "F16": VALUES.astype(np.float16).tobytes(),
    "BF16": (VALUES.view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes(),
}


def norm_of(dtype: str, data: bytes, *, step: int = 1 << 20) -> float:
    norm = TensorNorm(dtype)
    for start in range(0, len(data), step):
        norm.update(memoryview(data)[start : start + step])
    return norm.finish()


@pytest.mark.parametrize("dtype", ENCODED)
def test_the_norm_is_that_of_the_numbers(dtype: str) -> None:
    expected = float(np.linalg.norm(VALUES.astype(np.float64)))
    assert norm_of(dtype, ENCODED[dtype]) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("dtype", ENCODED)
@pytest.mark.parametrize("step", [1, 4_099, BLOCK_BYTES - 2, BLOCK_BYTES + 6])
def test_the_norm_does_not_depend_on_how_the_bytes_arrive(dtype: str, step: int) -> None:
    data = ENCODED[dtype][: 9_000 if step == 1 else None]
    assert norm_of(dtype, data, step=step) == norm_of(dtype, data)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=9))
def test_t10_finite_numbers_have_a_norm_however_large(values: list[float]) -> None:
    exact = math.sqrt(math.fsum(value * value for value in values))
    found = norm_of("F32", np.array(values, np.float32).tobytes())
    assert found == pytest.approx(exact, rel=1e-3, abs=1e-18)


@pytest.mark.parametrize(
    ("dtype", "bits"), [("BF16", "7fc0"), ("F16", "fc00"), ("F32", "ff800000")]
)
def test_t10_one_number_that_is_not_finite_shows(dtype: str, bits: str) -> None:
    data = bytearray(ENCODED[dtype])
    data[-len(bits) // 2 :] = bytes.fromhex(bits)[::-1]
    assert math.isnan(norm_of(dtype, bytes(data)))


def a_tensor(norm: float | None, name: str = "model.layers.0.q.weight") -> TensorDigest:
    return TensorDigest(name=name, dtype="BF16", shape=(2, 2), blake3=b"", norm=norm)


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (a_tensor(math.nan, "lm_head.weight"), Reason.NON_FINITE),
        (a_tensor(1001.0), Reason.NORM),
        (a_tensor(300.0), Reason.NORM),
    ],
)
def test_t10_weights_are_refused_with_a_reason(tensor: TensorDigest, reason: Reason) -> None:
    with pytest.raises(ModelRejected) as caught:
        check_weights([tensor], NormLimits())
    assert caught.value.reason is reason


def test_weights_within_the_limits_pass() -> None:
    check_weights([a_tensor(199.0), a_tensor(1e6, "model.embed_tokens.weight")], NormLimits())
    check_weights([a_tensor(None)], NormLimits())
