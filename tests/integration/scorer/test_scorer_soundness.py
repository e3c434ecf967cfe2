"""The losses of one position are -log of numbers that sum to 1, whatever the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from sn37.adapters.scoring.model import precision, soundness
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.head import ForwardHead, Head, LogSumExp, TiledHead
from sn37.adapters.scoring.model.losses import LossModel
from sn37.domain.reasons import Reason
from sn37.testing.tiny_models import ARCHITECTURES
from tests.integration.scorer.textbook import FAMILIES, SAMPLES, a_model
from tests.support.device import DEVICE

WIDTH, VOCABULARY = 8, 300
# dtype of the weights, what products are taken in
RULES = [
    (torch.float32, torch.float32),
    (torch.bfloat16, torch.float32),
    (torch.bfloat16, torch.float16),
    (torch.float32, torch.float16),
]
BENDS = (
    "none",
    "cancelling columns",
    "outlier",
    "outlier in a row",
    "subnormal",
    "products overflow",
    "one magnitude for each",
    "equal rows",
)


def bend(weight: Tensor, hidden: Tensor, how: str, exponent: int, draw: torch.Generator) -> None:
    """Make weights (and the hidden states that they meet) as hard to add as we can think of."""
    huge = 2.0 ** abs(exponent)
    if how == "cancelling columns":
        weight[:, 0], weight[:, -1] = huge, -huge
        hidden[:, 0] = hidden[:, -1] = 1.0
    elif how == "outlier":
        weight[:, 0] = huge
        hidden[:, 0] = 0.0
    elif how == "outlier in a row":
        weight[7, 3] = huge
    elif how == "subnormal":
        weight.mul_(2.0**-130)
        hidden.mul_(2.0**exponent)
    elif how == "products overflow":
        weight.mul_(2.0**100)
        hidden.mul_(2.0**30)
    elif how == "one magnitude for each":
        places = torch.randint(-120, 120, weight.shape, generator=draw)
        weight.copy_(torch.ldexp(weight.sign(), places))
    elif how == "equal rows":
        weight.copy_(weight[:1].expand_as(weight))
    else:
        weight.mul_(2.0**exponent)


def a_forward_head(layer: nn.Linear, products: torch.dtype, elements: int) -> ForwardHead:
    """Bart's own forward with the layer for its head, prepared as a whole model is."""
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "decoder_layers": 1,
        "decoder_attention_heads": 1,
        "decoder_ffn_dim": 8,
        "max_position_embeddings": 8,
    }
    config = AutoConfig.for_model("bart", **shape)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, dtype=layer.weight.dtype
    )
    module: nn.Module = model
    module.to(DEVICE).requires_grad_(requires_grad=False)
    model.set_output_embeddings(layer)  # type: ignore[no-untyped-call]
    if products is not layer.weight.dtype:
        precision.prepare(model, products)
    return ForwardHead(model, elements)


@st.composite
def adversarial(draw: st.DrawFn) -> tuple[nn.Linear, Tensor, torch.dtype, float | None]:
    """A layer, hidden states that it meets, the precision of products, a soft cap."""
    dtype, products = draw(st.sampled_from(RULES))
    exponent = draw(st.integers(-126, 126))
    source = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    weight = torch.randn(VOCABULARY, WIDTH, generator=source)
    hidden = torch.randn(draw(st.integers(1, 40)), WIDTH, generator=source)
    hidden.mul_(2.0 ** draw(st.sampled_from([-20, 0, 0, 10, 60])))
    bend(weight, hidden, draw(st.sampled_from(BENDS)), exponent, source)
    layer = nn.Linear(WIDTH, VOCABULARY, bias=draw(st.booleans()), dtype=dtype)
    layer.requires_grad_(requires_grad=False).weight.copy_(weight.clamp(-3e38, 3e38))
    assume(bool(torch.isfinite(layer.weight).all()))  # rounded up, the largest have none
    if layer.bias is not None:
        layer.bias.copy_(
            torch.randn(VOCABULARY, generator=source)
            * 2.0 ** draw(st.sampled_from([-140, 0, 5, 24, 120]))
        )
    caps = (None, None, 30.0, 1.0, 1e-30, 1e30, -30.0)
    return layer.to(DEVICE), hidden.to(DEVICE), products, draw(st.sampled_from(caps))


def same_bits(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def look(head: Head, hidden: Tensor, targets: Sequence[int]) -> Tensor:
    """Every loss of every position, after they have been compared with what is reported."""
    rows = range(len(targets))
    nats, vocabulary = head.watched_nats(hidden, targets, rows)
    assert nats.dtype is vocabulary.dtype is torch.float32
    assert vocabulary.shape == (len(targets), VOCABULARY)
    assert same_bits(vocabulary[list(rows), targets], nats), "a loss is its entry"
    assert same_bits(head.nats(hidden, targets), nats), "to be watched changes nothing"
    totals = vocabulary.double().neg().exp().sum(dim=1)
    for total, losses in zip(totals.tolist(), vocabulary, strict=True):
        assert math.isclose(total, 1.0, abs_tol=1e-4) or losses.isnan().all()
    assert not (vocabulary < 0).any()
    return vocabulary


@settings(max_examples=150, deadline=None)
@given(
    case=adversarial(),
    elements=st.sampled_from([1, 256 * 16, 4500, 1 << 20]),
    is_tiled=st.booleans(),
    shift=st.integers(1, VOCABULARY - 1),
    data=st.data(),
)
@torch.inference_mode()
def test_t45_losses_are_those_of_a_distribution_whatever_the_weights(
    case: tuple[nn.Linear, Tensor, torch.dtype, float | None],
    elements: int,
    is_tiled: bool,
    shift: int,
    data: st.DataObject,
) -> None:
    layer, hidden, products, cap = case
    head: Head = a_forward_head(layer, products, elements)
    if is_tiled:
        head = TiledHead(layer, products=products, softcap=cap, tile_elements=elements)
    count = len(hidden)
    targets = data.draw(
        st.lists(st.integers(0, VOCABULARY - 1), min_size=count, max_size=count), "targets"
    )
    vocabulary = look(head, hidden, targets)
    # Neither the other positions' targets nor its own move a position's losses.
    assert same_bits(look(head, hidden, [(t + shift) % VOCABULARY for t in targets]), vocabulary)
    # In another place they are again those of a distribution.
    look(head, hidden.flip(0), targets)
    look(head, hidden[:1], targets[:1])


@pytest.mark.parametrize("magnitude", [1e4, 1e8, 1e16, 1e30, 1e37])
@pytest.mark.parametrize("tile", [1, 1 << 20])
@torch.inference_mode()
def test_t45_logits_of_any_size_leave_equal_tokens_equally_likely(
    magnitude: float, tile: int
) -> None:
    """Added to a large logit, log(sum) would vanish: every token would have loss 0."""
    layer = nn.Linear(WIDTH, VOCABULARY, bias=False).to(DEVICE)
    layer.weight.fill_(magnitude / WIDTH)
    layer.weight[:100] = 0.0
    hidden = torch.ones(3, WIDTH, device=DEVICE)
    targets = [100, 299, 7]
    for head in (
        TiledHead(layer, products=torch.float32, tile_elements=tile),
        a_forward_head(layer, torch.float32, tile),
    ):
        look(head, hidden, targets)
        nats = head.nats(hidden, targets).tolist()
        assert nats[:2] == pytest.approx([math.log(200)] * 2, rel=1e-6)
        assert nats[2] == pytest.approx(magnitude, rel=1e-2)  # a wrong token costs its distance


@torch.inference_mode()
def test_t45_a_tile_of_impossible_tokens_takes_nothing_from_the_others() -> None:
    layer = nn.Linear(WIDTH, VOCABULARY).to(DEVICE)
    assert layer.bias is not None
    layer.bias[:256] = -torch.inf  # the whole first tile
    hidden = torch.ones(2, WIDTH, device=DEVICE)
    head = TiledHead(layer, products=torch.float32, tile_elements=1)
    vocabulary = look(head, hidden, [3, 280])
    assert vocabulary[:, :256].isposinf().all()
    assert vocabulary[:, 256:].isfinite().all()


@torch.inference_mode()
def test_t45_no_product_of_a_head_has_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels for few rows, and for the last rows of few, add in another order: a position would
    see how many follow."""
    seen: list[int] = []

    def look_at(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        seen.append(a.shape[0])
        return precision_multiply(a, b, out)

    precision_multiply = precision.multiply
    monkeypatch.setattr(precision, "multiply", look_at)
    layer = nn.Linear(WIDTH, VOCABULARY).to(DEVICE)
    hidden = torch.linspace(-4, 4, WIDTH, device=DEVICE).sin().expand(70, WIDTH).contiguous()
    for dtype, products in RULES:
        for head in (
            TiledHead(layer.to(dtype), products=products, tile_elements=1),
            a_forward_head(layer.to(dtype), products, 1),
        ):
            for count in (*range(1, 34), 70):
                nats = head.nats(hidden[:count], [7] * count)
                assert nats.shape == (count,)
                assert nats.tolist() == pytest.approx([float(nats[0])] * count, rel=1e-6)
                if isinstance(head, ForwardHead):
                    seen.append(head._given.hidden_1PD.shape[1])
    assert seen
    assert all(rows % precision.ROW_STEP == 0 for rows in seen)


def test_a_soft_cap_is_that_of_architectures_that_have_one(tmp_path: Path) -> None:
    for family in (*FAMILIES, "falcon", "bart", "phi"):
        plain, capped = (a_model(tmp_path / family, family) for _ in range(2))
        capped.config.final_logit_softcapping = 0.5
        plain.config.final_logit_softcapping = None
        one, other = (LossModel(model).nats(SAMPLES) for model in (plain, capped))
        assert (one != other) == (family == "gemma2")


@pytest.mark.parametrize(("dtype", "products"), RULES)
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_t45_every_allowed_architecture_has_a_sound_head(
    tmp_path: Path,
    family: str,
    dtype: torch.dtype,
    products: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(soundness, "watched", range)  # every position
    monkeypatch.setattr(soundness, "TOLERANCE", 1e-5)
    found = LossModel(a_model(tmp_path, family, dtype=dtype), products=products).nats(SAMPLES)
    assert all(0 < nats < math.inf for nats in found)


@pytest.mark.parametrize("family", ["llama", "gemma2", "bart"])
@pytest.mark.parametrize(
    ("gap", "is_sound"), [(0.02, False), (-0.02, False), (math.inf, False), (0.002, True)]
)
def test_t45_losses_that_are_no_distribution_s_are_refused(
    tmp_path: Path, family: str, gap: float, is_sound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = LogSumExp.nats

    def off(self: LogSumExp) -> tuple[Tensor, Tensor]:
        targets, vocabulary = inner(self)
        return targets - gap, vocabulary - gap

    monkeypatch.setattr(LogSumExp, "nats", off)
    scorer = LossModel(a_model(tmp_path, family))
    if is_sound:
        scorer.nats(SAMPLES)
        return
    with pytest.raises(ModelFault, match=r"sum to .* instead of 1") as caught:
        scorer.nats(SAMPLES)
    assert caught.value.reason is Reason.UNSOUND


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_t45_a_target_s_loss_that_is_not_its_entry_is_refused(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = LogSumExp.nats

    def apart(self: LogSumExp) -> tuple[Tensor, Tensor]:
        targets, vocabulary = inner(self)
        return torch.zeros_like(targets), vocabulary

    monkeypatch.setattr(LogSumExp, "nats", apart)
    with pytest.raises(ModelFault) as caught:
        LossModel(a_model(tmp_path, family)).nats(SAMPLES)
    assert caught.value.reason is Reason.UNSOUND


def test_losses_that_are_no_numbers_are_not_called_unsound(tmp_path: Path) -> None:
    model = a_model(tmp_path, "llama")
    model.get_output_embeddings().weight[3] = torch.nan  # type: ignore[no-untyped-call]
    found = LossModel(model).nats(SAMPLES)
    assert all(math.isnan(nats) for nats in found)


@given(count=st.integers(1, 10_000))
def test_watched_positions_ascend_and_exist(count: int) -> None:
    rows = soundness.watched(count)
    assert list(rows) == sorted(set(rows))
    assert 0 in rows
    assert count - 1 in rows
    assert all(0 <= row < count for row in rows)
