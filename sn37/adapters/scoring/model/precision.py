"""Precision of matrix products. Child side.

Weights keep the competition's dtype. For bfloat16 weights there is one rule on every device:
values between products are float32, and products are added and returned in float32. A CPU
takes products of float32 inputs; each layer's weights are widened while they are used. A GPU's
tensor cores take 16 bits: there the inputs are rounded to float16, whose 11 bits are eight times
finer than bfloat16's 8 at the same speed. The weights are exact in it after multiplication by a
power of two that moves the largest to a fixed place. Inputs are divided by the same power, so the
product needs no correction.

A CPU does not imitate the rounding: it stays the exact reference for a GPU's difference
(docs/decisions/0033, docs/performance.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import PreTrainedModel

# The largest weight becomes 8 to 16 in float16. An input overflows (65,504) if its product with
# the largest weight exceeds 500,000, and below 2^-14 it loses bits if that product is below 0.001:
# both are far from the sums in trained layers.
TOP_EXPONENT = 4
# Rows of a product, tokens or positions, are padded to a multiple of it. MKL takes products of
# fewer than 12 rows by kernels that add in another order: the last bits would tell a model how
# many tokens follow.
ROW_STEP = 16


def product_dtype(weights: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the dtype of the inputs of products with weights of the given dtype."""
    if weights is not torch.bfloat16:
        return weights
    return torch.float16 if device.type == "cuda" else torch.float32


def prepare(model: PreTrainedModel, products: torch.dtype) -> None:
    """Make a bfloat16 model compute in float32 between products of the given precision.

    Embeddings give float32 rows, and linear layers take their products here. Other parameters,
    such as the scales of norms, permanently become float32. A linear layer of another class
    computes the same product, so the classes of Falcon and others are covered. Gemma scales its
    embedding's rows in bfloat16 before: that is not a sum, so it is the same on every device.
    """
    shared = {
        id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)
    } | {id(getattr(model.get_output_embeddings(), "weight", None))}  # type: ignore[no-untyped-call]
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.register_forward_hook(_widen_output)
        elif isinstance(module, nn.Linear):
            layer: Widened | Rounded = Widened(module)
            if products is torch.float16:
                layer = Rounded(module, keep=id(module.weight) in shared)
            setattr(module, "forward", layer)  # noqa: B010  # a method, to mypy
        else:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.float()
    for buffer in model.buffers():
        if buffer.dtype is torch.bfloat16:
            buffer.data = buffer.data.float()


class Widened:
    """A linear layer's forward, its weight and bias widened to the input's dtype."""

    def __init__(self, layer: nn.Linear) -> None:
        self._layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        bias = self._layer.bias
        return linear(x, self._layer.weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


class Rounded:
    """A linear layer's forward with inputs rounded to float16, sums and results in float32.

    Args:
        keep: Keep the weight unchanged for its other users, and convert it for each call.
    """

    def __init__(self, layer: nn.Linear, *, keep: bool) -> None:
        self._layer = layer
        self._scale = scale_of(layer.weight)
        if not keep:
            layer.weight.data = to_half(layer.weight, self._scale)

    def __call__(self, x: Tensor) -> Tensor:
        weight, bias = self._layer.weight, self._layer.bias
        if weight.dtype is not torch.float16:
            weight = to_half(weight, self._scale)
        product = multiply(to_half(x, 1 / self._scale).flatten(0, -2), weight.t())
        if bias is not None:
            product += bias
        return product.view(*x.shape[:-1], -1)


def scale_of(weight: Tensor) -> float:
    """Return the power of two that scales the largest of the weights below 2 ** TOP_EXPONENT.

    Weights down to 2^-20 of the largest are then exact; the error of smaller ones is less than
    float32 adds to a product with the largest. Waits for the device.
    """
    largest = float(torch.stack(torch.aminmax(weight)).abs().max())
    exponent = TOP_EXPONENT - math.frexp(largest)[1] if largest else 0
    return 2.0 ** min(exponent, 126)  # above, its inverse would lose float32 precision


def to_half(x: Tensor, scale: float, out: Tensor | None = None) -> Tensor:
    """Return ``x * scale`` as float16, in one pass."""
    if out is None:
        out = torch.empty_like(x, dtype=torch.float16)
    return torch.mul(x, scale, out=out)


def multiply(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the float32 product of two matrices, or of two stacks, of equal dtype.

    Products of float16 are exact in float32, so devices differ only in the order of adding. On
    a CPU, which has no such product, this is for tests and measurements.
    """
    function = torch.mm if a.dim() == 2 else torch.bmm
    if a.dtype is torch.float32:
        return function(a, b, out=out)
    if a.device.type == "cuda":
        return function(a, b, out_dtype=torch.float32, out=out)
    return function(a.float(), b.float(), out=out)


def _widen_output(_: nn.Module, __: object, output: Tensor) -> Tensor:
    return output.float()
