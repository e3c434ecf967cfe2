"""A model that is certain of every token: its losses go to 0, and never below."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from sn37.adapters.scoring.model.head import ForwardHead, Head, TiledHead
from tests.integration.scorer.textbook import a_model

ROWS, WIDTH, VOCABULARY = 500, 16, 384


def a_certain_layer(scale: float, dtype: torch.dtype) -> nn.Linear:
    layer = nn.Linear(WIDTH, VOCABULARY, bias=False, dtype=dtype)
    with torch.no_grad():
        layer.weight.mul_(scale)
    return layer


def never_below_zero(head: Head, hidden: torch.Tensor, layer: nn.Linear) -> None:
    targets = (hidden.float() @ layer.weight.float().t()).argmax(dim=1).tolist()
    losses = head.nats(hidden, targets).tolist()
    assert all(math.copysign(1, loss) == 1 for loss in losses)  # nor is one -0.0


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e2, 1e3, 1e4, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("softcap", [None, 30.0])
def test_no_loss_of_tiles_is_below_zero(
    scale: float, dtype: torch.dtype, softcap: float | None
) -> None:
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        layer = a_certain_layer(scale, dtype)
        hidden = 3 * torch.randn(ROWS, WIDTH)
        # One tile, and two, with the target in the first or the last.
        for elements in (1 << 21, 256 * ROWS):
            head = TiledHead(layer, products=torch.float32, softcap=softcap, tile_elements=elements)
            never_below_zero(head, hidden, layer)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e2, 1e3, 1e4, 1e6])
def test_no_loss_of_a_models_own_head_is_below_zero(tmp_path: Path, scale: float) -> None:
    model = a_model(tmp_path, "gpt_neox")
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        model.get_output_embeddings().weight.mul_(100 * scale)  # type: ignore[no-untyped-call]
        hidden = torch.randn(ROWS, model.config.hidden_size)
        layer = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        never_below_zero(ForwardHead(model), hidden, layer)
