"""Norms of tensors from their bytes alone."""

from __future__ import annotations

import json
import math
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.admission.admit import hash_file
from sn37.adapters.admission.digest import BLOCK_BYTES, TensorDigest
from sn37.adapters.admission.files import ListedFile
from sn37.adapters.admission.weights import TensorNorm, check_weights
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import LEAST_LIMIT, NormLimits
from sn37.ports.errors import ModelRejected

RNG = np.random.default_rng(37)
VALUES = RNG.normal(size=BLOCK_BYTES + 77).astype(np.float32)
WIDTH = {"F32": 4, "F16": 2, "BF16": 2}
GREATEST = {"F32": 0x7F7FFFFF, "F16": 0x7BFF, "BF16": 0x7F7F}  # bits of the greatest number
NOT_FINITE = {
    "F32": (0x7F800000, 0xFF800000, 0x7FC00000, 0xFFFFFFFF, 0x7F800001),
    "F16": (0x7C00, 0xFC00, 0x7E00, 0xFFFF, 0x7C01),
    "BF16": (0x7F80, 0xFF80, 0x7FC0, 0xFFFF, 0x7F81),
}
dtypes = pytest.mark.parametrize("dtype", WIDTH)


def encoded(dtype: str, values: np.ndarray) -> bytes:
    match dtype:
        case "F32":
            return values.astype("<f4").tobytes()
        case "F16":
            return values.astype("<f2").tobytes()
        case _:
            return (values.astype("<f4").view("<u4") >> np.uint32(16)).astype("<u2").tobytes()


def numbers(dtype: str, data: bytes) -> np.ndarray:
    """Every element in float64, by numpy's own conversions."""
    match dtype:
        case "F32":
            return np.frombuffer(data, "<f4").astype(np.float64)
        case "F16":
            return np.frombuffer(data, "<f2").astype(np.float64)
        case _:
            bits = np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)
            return bits.view("<f4").astype(np.float64)


def exact_norm(dtype: str, data: bytes) -> float:
    values = numbers(dtype, data)
    return math.sqrt(math.fsum((values * values).tolist()))


def measured(dtype: str, data: bytes, *, step: int = 1 << 20) -> tuple[float, float]:
    norm = TensorNorm()
    norm.begin(dtype)
    for start in range(0, len(data), step):
        norm.update(memoryview(data)[start : start + step])
    return norm.finish(), norm.largest


def norm_of(dtype: str, data: bytes, *, step: int = 1 << 20) -> float:
    return measured(dtype, data, step=step)[0]


def largest_of(dtype: str, data: bytes, *, step: int = 1 << 20) -> float:
    return measured(dtype, data, step=step)[1]


@dtypes
@pytest.mark.parametrize("count", [1, 2, 3, 1_001, BLOCK_BYTES // 2 - 1, len(VALUES)])
def test_the_norm_is_right_to_one_part_in_ten_thousand(dtype: str, count: int) -> None:
    for values in (VALUES, np.full(len(VALUES), 0.1), 1e-4 * VALUES, 1e4 * VALUES):
        data = encoded(dtype, values[:count])
        assert norm_of(dtype, data) == pytest.approx(exact_norm(dtype, data), rel=1e-4)


@dtypes
@pytest.mark.parametrize("step", [1, 4_099, BLOCK_BYTES - 2, BLOCK_BYTES + 6])
def test_the_norm_does_not_depend_on_how_the_bytes_arrive(dtype: str, step: int) -> None:
    data = encoded(dtype, VALUES)[: 9_000 if step == 1 else None]
    assert norm_of(dtype, data, step=step) == norm_of(dtype, data)


@dtypes
def test_the_norm_of_a_tensor_does_not_depend_on_the_one_before(dtype: str) -> None:
    norm, data = TensorNorm(), encoded(dtype, VALUES[:1_001])
    for before in ("F32", "F16", "BF16"):
        norm.begin(before)
        norm.update(memoryview(encoded(before, np.full(77, np.nan))))
        norm.finish()
        norm.begin(dtype)
        norm.update(memoryview(data))
        assert norm.finish() == norm_of(dtype, data)


@dtypes
@given(data=st.data())
def test_t10_finite_numbers_have_a_norm_however_large_or_small(
    dtype: str, data: st.DataObject
) -> None:
    sign = 1 << 8 * WIDTH[dtype] - 1
    bits = data.draw(st.lists(st.integers(0, GREATEST[dtype]), max_size=9))
    signs = data.draw(st.lists(st.booleans(), min_size=len(bits), max_size=len(bits)))
    patterns = [b | sign * s for b, s in zip(bits, signs, strict=True)]
    text = b"".join(pattern.to_bytes(WIDTH[dtype], "little") for pattern in patterns)
    assert norm_of(dtype, text) == pytest.approx(exact_norm(dtype, text), rel=1e-4, abs=1e-15)
    exact = np.abs(numbers(dtype, text)).max(initial=0.0)
    found = largest_of(dtype, text)
    assert found == exact or exact <= found <= LEAST_LIMIT


@dtypes
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("step", [BLOCK_BYTES - 2, 1 << 20])
def test_t45_the_largest_number_shows_wherever_it_is(dtype: str, sign: int, step: int) -> None:
    count = len(VALUES)
    per_block = BLOCK_BYTES // WIDTH[dtype]
    for position in (0, 1, count // 3, per_block - 1, per_block, count - 2, count - 1):
        values = -np.abs(VALUES)
        values[position] = sign * 332.0
        assert largest_of(dtype, encoded(dtype, values), step=step) == 332.0


@dtypes
def test_t10_a_tensor_of_extremes_has_a_norm(dtype: str) -> None:
    for bits in (1, GREATEST[dtype]):  # the least is subnormal
        data = bits.to_bytes(WIDTH[dtype], "little") * len(VALUES)
        exact = exact_norm(dtype, data)
        assert norm_of(dtype, data) == pytest.approx(exact, rel=1e-4, abs=1e-15)


@dtypes
def test_t10_one_number_that_is_not_finite_shows_wherever_it_is(dtype: str) -> None:
    width, count = WIDTH[dtype], len(VALUES)
    per_block = BLOCK_BYTES // width
    data = bytearray(encoded(dtype, VALUES))
    norm = TensorNorm()
    for position in (0, 1, count // 3, per_block - 1, per_block, count - 2, count - 1):
        place = slice(position * width, (position + 1) * width)
        good = data[place]
        for bits in NOT_FINITE[dtype]:
            data[place] = bits.to_bytes(width, "little")
            norm.begin(dtype)
            norm.update(memoryview(data))
            assert math.isnan(norm.finish()), (position, hex(bits))
        data[place] = good
    assert norm_of(dtype, bytes(data)) == norm_of(dtype, encoded(dtype, VALUES))


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_norms_and_digests_of_a_file_are_those_of_its_tensors(shift: int, tmp_path: Path) -> None:
    sizes = {"a": ("BF16", 1), "b": ("F16", 300_001), "c": ("F32", 2), "d": ("BF16", 700_003)}
    tensors = {
        name: (dtype, encoded(dtype, RNG.normal(size=size).astype(np.float32)))
        for name, (dtype, size) in sizes.items()
    }
    header, position = {}, 0
    for name, (dtype, data) in tensors.items():
        span = [position, position := position + len(data)]
        shape = [len(data) // WIDTH[dtype]]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": span}
    text = json.dumps(header).encode()
    text += b" " * ((shift - len(text)) % 4)  # tensors begin at any address
    body = b"".join(data for _, data in tensors.values())
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    hashed = hash_file(tmp_path, ListedFile(path.name, path.stat().st_size), norms=True)
    assert hashed.sha256 == sha256(path.read_bytes()).hexdigest()
    for found in hashed.tensors:
        dtype, data = tensors[found.name]
        assert found.blake3 == blake3(data).digest()
        assert found.norm == norm_of(dtype, data)
        assert found.largest == largest_of(dtype, data) >= np.abs(numbers(dtype, data)).max()


def a_tensor(
    norm: float | None, name: str = "model.layers.0.q.weight", largest: float = 1.0
) -> TensorDigest:
    return TensorDigest(
        name=name, dtype="BF16", shape=(2, 2), blake3=b"", norm=norm, largest=largest
    )


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (a_tensor(math.nan, "lm_head.weight"), Reason.NON_FINITE),
        (a_tensor(1001.0), Reason.NORM),
        (a_tensor(300.0), Reason.NORM),
        (a_tensor(150.0, largest=100.5), Reason.NORM),
        (a_tensor(150.0, "lm_head.weight", largest=100.5), Reason.NORM),
    ],
)
def test_t10_weights_are_refused_with_a_reason(tensor: TensorDigest, reason: Reason) -> None:
    with pytest.raises(ModelRejected) as caught:
        check_weights([tensor], NormLimits())
    assert caught.value.reason is reason


def test_weights_within_the_limits_pass() -> None:
    check_weights([a_tensor(199.0), a_tensor(1e6, "model.embed_tokens.weight")], NormLimits())
    check_weights([a_tensor(None)], NormLimits())
