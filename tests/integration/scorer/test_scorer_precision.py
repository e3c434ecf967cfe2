"""Losses of bfloat16 weights, however a device takes its products."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from sn37.adapters.scoring.model import precision
from sn37.adapters.scoring.model.losses import LossModel
from tests.integration.scorer.textbook import FAMILIES, SAMPLES, a_model, by_the_book
from tests.support.device import DEVICE

# What the mean of five losses may differ by, of itself. Tiny models have few terms to average
# over; docs/performance.md has the figures of a real one.
TOLERANCE = {torch.float32: 1e-6, torch.float16: 1e-4}


@pytest.mark.parametrize("products", TOLERANCE)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_bfloat16_model_has_the_losses_of_float64(
    tmp_path: Path, family: str, products: torch.dtype
) -> None:
    expected = by_the_book(a_model(tmp_path / "a", family, dtype=torch.bfloat16), SAMPLES)
    model = a_model(tmp_path / "b", family, dtype=torch.bfloat16)
    found = LossModel(model, products=products).nats(SAMPLES)
    assert sum(found) == pytest.approx(sum(expected), rel=TOLERANCE[products])
    assert found == pytest.approx(expected, rel=10 * TOLERANCE[products])


@pytest.mark.parametrize("products", TOLERANCE)
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_neox"])
def test_the_order_of_adding_changes_little(
    tmp_path: Path, family: str, products: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nats(pack_tokens: int = 2048) -> list[float]:
        model = a_model(tmp_path, family, dtype=torch.bfloat16)
        return LossModel(model, products=products, pack_tokens=pack_tokens).nats(SAMPLES)

    found = nats()
    assert nats() == found, "bit for bit"
    assert sum(nats(pack_tokens=60)) == pytest.approx(sum(found), rel=TOLERANCE[products])
    monkeypatch.setattr(precision, "multiply", in_float64_and_backwards)
    other = nats()
    assert sum(other) == pytest.approx(sum(found), rel=TOLERANCE[products])
    assert other != found or products is torch.float32


def in_float64_and_backwards(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    product = (a.double().flip(-1) @ b.double().flip(-2)).float()
    return product if out is None else out.copy_(product)


def test_matrices_stay_in_16_bits(tmp_path: Path) -> None:
    for products in TOLERANCE:
        model = a_model(tmp_path, "llama", dtype=torch.bfloat16)
        LossModel(model, products=products).nats(SAMPLES)
        matrices = [p for p in model.parameters() if p.ndim == 2]
        assert matrices
        assert all(p.dtype.itemsize == 2 for p in matrices)


def a_linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("moved", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_a_layer_is_as_exact_when_its_weights_and_inputs_trade_a_factor(
    moved: float, keep: bool
) -> None:
    draw = torch.Generator().manual_seed(0)
    weight = (torch.randn(24, 256, generator=draw) * moved).bfloat16()
    bias = torch.randn(24, generator=draw).bfloat16()
    x = torch.randn(2, 5, 256, generator=draw) / moved
    expected = x.double() @ weight.double().t() + bias.double()
    layer = a_linear(weight.to(DEVICE), bias.to(DEVICE))
    found = precision.Rounded(layer, keep=keep)(x.to(DEVICE))
    assert found.dtype is torch.float32
    assert (found.cpu() - expected).abs().max() < 0.02  # of about 16; bfloat16's inputs are 0.1 off


@given(
    st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=20),
    st.integers(-120, 120),
)
def test_weights_are_exact_in_float16(values: list[float], exponent: int) -> None:
    weight = torch.tensor(values, device=DEVICE).bfloat16()
    kept = weight.abs() >= weight.abs().max() * 2**-20
    weight = torch.where(kept, weight, 0) * 2.0**exponent
    scale = precision.scale_of(weight)
    half = precision.to_half(weight, scale)
    assert half.abs().max() < 2**precision.TOP_EXPONENT
    assert torch.equal(half.double() / scale, weight.double())


def test_the_device_decides_what_inputs_are_rounded_to() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert precision.product_dtype(torch.bfloat16, cpu) is torch.float32
    assert precision.product_dtype(torch.bfloat16, gpu) is torch.float16
    assert {precision.product_dtype(torch.float32, d) for d in (cpu, gpu)} == {torch.float32}


def test_a_gpu_returns_products_of_float16_in_float32() -> None:
    with FakeTensorMode():  # knows what operators of a GPU take and return, without one
        for stack in ((), (3,)):
            a, b = (
                torch.empty(*stack, *shape, device="cuda", dtype=torch.float16)
                for shape in ((4, 8), (8, 6))
            )
            found = precision.multiply(a, b)
            assert (found.dtype, found.device.type) == (torch.float32, "cuda")
            assert found.shape == (*stack, 4, 6)
            assert precision.multiply(a, b, out=torch.empty_like(found)).dtype is torch.float32
