"""Packs, packed attention and heads, each against the model's own forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from sn37.adapters.scoring.model import attention
from sn37.adapters.scoring.model import head as head_module
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.head import ForwardHead, TiledHead
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.packing import packs
from sn37.domain.reasons import Reason
from sn37.testing.tiny_models import VOCABULARY
from tests.integration.scorer.textbook import FAMILIES, SAMPLES, a_model, a_sample, by_the_book
from tests.integration.scorer.windowed import WINDOWED
from tests.support.device import DEVICE


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_samples_have_the_losses_they_have_alone(tmp_path: Path, family: str) -> None:
    model = a_model(tmp_path, family)
    found = LossModel(model).nats(SAMPLES)
    again = a_model(tmp_path, family)
    assert found == pytest.approx(by_the_book(again, SAMPLES), rel=1e-5)


@pytest.mark.parametrize("family", WINDOWED)
def test_a_sliding_window_slides_over_its_own_sample_only(tmp_path: Path, family: str) -> None:
    shape = WINDOWED[family]
    found = LossModel(a_model(tmp_path, family, **shape)).nats(SAMPLES)
    expected = by_the_book(a_model(tmp_path, family, **shape), SAMPLES)
    assert found == pytest.approx(expected, rel=1e-5)
    without = LossModel(a_model(tmp_path, family, **shape | {"sliding_window": 400})).nats(SAMPLES)
    assert found != pytest.approx(without, rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_neighbour_changes_nothing(tmp_path: Path, family: str) -> None:
    scorer = LossModel(a_model(tmp_path, family))
    one = scorer.nats((a_sample(30), a_sample(20), a_sample(25)))[1]
    other = scorer.nats((a_sample(33, step=11), a_sample(20), a_sample(4)))[1]
    assert one == pytest.approx(other, rel=1e-6)


@given(
    lengths=st.lists(st.integers(1, 50), max_size=30),
    max_tokens=st.integers(0, 100),
    unscored=st.sets(st.integers(0, 29)),
)
def test_every_scored_sample_is_in_one_pack_and_no_pack_is_too_long(
    lengths: list[int], max_tokens: int, unscored: set[int]
) -> None:
    samples = [
        a_sample(length, first=length if n in unscored else length - 1)
        for n, length in enumerate(lengths)
    ]
    found = list(packs(samples, max_tokens))
    assert [n for pack in found for n in pack.numbers] == [
        n for n, sample in enumerate(samples) if sample.num_scored
    ]
    for pack in found:
        assert len(pack.ids) <= max_tokens or len(pack.samples) == 1
        assert len(pack.ids) == len(pack.positions) == pack.bounds[-1][1]
        for (start, stop), sample in zip(pack.bounds, pack.samples, strict=True):
            assert tuple(pack.ids[start:stop]) == sample.ids
            assert pack.positions[start:stop] == list(range(stop - start))
        assert [pack.ids[place + 1] for place in pack.before_scored] == pack.targets


def a_layer(*, bias: bool, vocabulary: int = 1000) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.Linear(32, vocabulary, bias=bias)
    return layer.requires_grad_(requires_grad=False).to(DEVICE)


@pytest.mark.parametrize("tile_elements", [1, 300 * 40, 1 << 20])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("bias", [False, True])
def test_the_head_gives_the_same_whatever_its_tiles(
    tile_elements: int, softcap: float | None, bias: bool
) -> None:
    layer = a_layer(bias=bias)
    hidden = torch.linspace(-4, 4, 40 * 32, device=DEVICE).sin().view(40, 32)
    targets = [(17 * n) % 1000 for n in range(40)]
    logits = layer.double()(hidden.double())
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    expected = logits.logsumexp(dim=1) - logits[range(40), targets]
    head = TiledHead(
        layer.float(), products=torch.float32, softcap=softcap, tile_elements=tile_elements
    )
    assert head.nats(hidden, targets).tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    # The buffers of a longer pack serve a shorter one.
    assert head.nats(hidden[:3], targets[:3]).tolist() == pytest.approx(
        expected[:3].tolist(), rel=1e-5
    )


def test_tiles_of_a_gpu_begin_where_its_fast_kernels_want(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = torch.linspace(-4, 4, 40 * 32, device=DEVICE).sin().view(40, 32)
    targets = [(17 * n) % 1000 for n in range(40)]
    layer = a_layer(bias=False)
    expected = TiledHead(layer, products=torch.float32).nats(hidden, targets)
    monkeypatch.setitem(head_module.TILE_STEP, DEVICE, head_module.TILE_STEP["cuda"])
    for elements, width in ((300 * 40, 256), (511 * 40, 448), (40, 256), (1 << 20, 1000)):
        head = TiledHead(layer, products=torch.float32, tile_elements=elements)
        assert head._width(len(targets)) == width
        assert torch.allclose(head.nats(hidden, targets), expected, rtol=1e-6)


def test_a_gpu_s_attention_never_has_groups_and_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both, torch has no fused kernel and writes down the scores of all heads."""
    seen: list[tuple[int, bool]] = []

    def look(query: Tensor, key: Tensor, value: Tensor, *_: object, **given: Any) -> Tensor:
        assert key.shape == value.shape
        seen.append((key.shape[1], given["enable_gqa"]))
        return query

    monkeypatch.setattr(attention, "scaled_dot_product_attention", look)
    for device in ("cpu", "cuda"):
        with FakeTensorMode():
            query, key = (torch.empty(1, heads, 20, 16, device=device) for heads in (8, 2))
            attention.fused(query, key, key, None, None)
            attention.fused(query, key, key, None, 5)
    assert seen == [(2, True), (2, True), (2, True), (8, False)]


@pytest.mark.parametrize("products", [torch.float32, torch.float16])
def test_a_head_in_bfloat16_adds_in_float32(products: torch.dtype) -> None:
    layer = a_layer(bias=False, vocabulary=20_000).bfloat16()
    hidden = torch.linspace(-9, 9, 50 * 32, device=DEVICE).sin().view(50, 32)
    targets = [(397 * n) % 20_000 for n in range(50)]
    logits = hidden.double() @ layer.weight.double().t()
    expected = logits.logsumexp(dim=1) - logits[range(50), targets]
    found = TiledHead(layer, products=products).nats(hidden, targets)
    assert found.dtype is torch.float32
    assert (found.double() - expected).abs().max() < 1e-3  # of 10; bfloat16 sums are 0.03 off


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_hidden_states_without_a_number_give_losses_without_one(value: float) -> None:
    hidden = torch.ones(3, 32, device=DEVICE)
    hidden[1] = value
    found = TiledHead(a_layer(bias=False), products=torch.float32).nats(hidden, [1, 2, 3])
    assert not torch.isfinite(found[1])
    assert torch.isfinite(found[[0, 2]]).all()


def test_an_architecture_without_attention_of_ours_is_not_scored(tmp_path: Path) -> None:
    model = a_model(tmp_path, "llama")
    model.__class__ = type("OtherForCausalLM", (type(model),), {})
    with pytest.raises(
        ModelFault, match="OtherForCausalLM is not a supported architecture"
    ) as caught:
        LossModel(model)
    assert caught.value.reason is Reason.ARCHITECTURE


def test_the_models_own_head_is_taken_a_few_positions_at_a_time(tmp_path: Path) -> None:
    model = a_model(tmp_path, "llama")
    layer = model.lm_head
    assert isinstance(layer, nn.Linear)
    hidden = torch.linspace(-4, 4, 40 * 64, device=DEVICE).sin().view(40, 64)
    targets = [(17 * n) % VOCABULARY for n in range(40)]
    with torch.inference_mode():
        expected = TiledHead(layer, products=torch.float32).nats(hidden, targets)
        head = ForwardHead(model, max_elements=7 * VOCABULARY)
        assert torch.allclose(head.nats(hidden, targets), expected, rtol=1e-6)
