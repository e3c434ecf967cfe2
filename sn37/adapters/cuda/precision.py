"""In which precision matrix products are taken. Child side.

Weights keep the competition's dtype. Products of bfloat16 weights are taken in bfloat16 where
the hardware has fast instructions for it. On the CPUs that only have AVX512's, or none, they
are slower than float32 products (141 against 271 GFLOP/s on 2 cores of a Xeon of 2.3 GHz),
and less exact: there each layer's weights are widened to float32 while they are used, and
everything between the layers is float32. The choice follows from the hardware alone, never
from a measurement, so that a job repeats bit for bit.
"""

from __future__ import annotations

import platform
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import PreTrainedModel


def product_dtype(weights: torch.dtype, device: torch.device) -> torch.dtype:
    """The dtype of products with weights of the given dtype."""
    if device.type != "cpu" or weights is not torch.bfloat16:
        return weights
    fast = has_fast_bfloat16(platform.machine(), Path("/proc/cpuinfo").read_text())
    return weights if fast else torch.float32


def widen(model: PreTrainedModel) -> None:
    """Make a bfloat16 model compute in float32 while its matrices stay bfloat16.

    Embeddings give float32 rows, linear layers widen their weights for one call; parameters
    that are no matrix, such as the scales of norms, become float32 for good. A linear layer of
    another class computes the same product, so the classes of Falcon and others are covered.
    """
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.register_forward_hook(_widen_output)
        elif isinstance(module, nn.Linear):
            setattr(module, "forward", _Widening(module))  # noqa: B010  # a method, to mypy
        else:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.float()
    for buffer in model.buffers():
        if buffer.dtype is torch.bfloat16:
            buffer.data = buffer.data.float()


class _Widening:
    """A linear layer's forward, its weight and bias widened to the input's dtype."""

    def __init__(self, layer: nn.Linear) -> None:
        self._layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        bias = self._layer.bias
        return linear(x, self._layer.weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def _widen_output(_: nn.Module, __: object, output: Tensor) -> Tensor:
    return output.float()


def has_fast_bfloat16(machine: str, cpuinfo: str) -> bool:
    """Whether a CPU is at least as fast in bfloat16 as in float32.

    So are those with AMX, AMD's with AVX512's dot product, which is as wide there as a float32
    product, and Arm's with matrix instructions.

    Args:
        machine: Its architecture, as ``platform.machine()`` names it.
        cpuinfo: The text of /proc/cpuinfo.
    """
    if machine in ("aarch64", "arm64"):
        return "bf16" in _field(cpuinfo, "Features")
    flags = _field(cpuinfo, "flags")
    on_amd = _field(cpuinfo, "vendor_id") == {"AuthenticAMD"}
    return "amx_bf16" in flags or (on_amd and "avx512_bf16" in flags)


def _field(cpuinfo: str, name: str) -> set[str]:
    """The words of the first core's line of that name."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return set(value.split())
    return set()
