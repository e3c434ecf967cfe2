"""Packs, packed attention, heads and precision, each against the model's own forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import PreTrainedModel

from sn37.adapters.cuda import precision
from sn37.adapters.cuda.head import ForwardHead, TiledHead
from sn37.adapters.cuda.losses import LossModel
from sn37.adapters.cuda.packing import packs
from sn37.adapters.cuda.prompting import Encoded
from sn37.testing.tiny_models import VOCABULARY, save_model

FAMILIES = ("gemma", "gemma2", "gpt_neox", "llama", "mistral", "phi3", "qwen2", "qwen3")
WINDOWED: dict[str, dict[str, Any]] = {
    "gemma2": {"sliding_window": 8},
    "mistral": {"sliding_window": 8},
    "phi3": {"sliding_window": 8},
    "qwen2": {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0},
}


def a_sample(length: int, first: int = 1, step: int = 7) -> Encoded:
    ids = tuple((3 + length + step * t) % VOCABULARY for t in range(length))
    return Encoded(ids=ids, first=first, num_bytes=length, unscored_bytes=0)


SAMPLES = (a_sample(40), a_sample(2), a_sample(17, first=9), a_sample(61, first=30), a_sample(5))


def by_the_book(model: PreTrainedModel, samples: Sequence[Encoded]) -> list[float]:
    """Each sample alone, full logits, in float64."""
    model = model.double()
    found = []
    for sample in samples:
        with torch.no_grad():
            logits = model(torch.tensor([sample.ids]), use_cache=False).logits[0]
        log_p = logits.log_softmax(dim=-1)
        scored = range(sample.first, len(sample.ids))
        found.append(-sum(float(log_p[t - 1, sample.ids[t]]) for t in scored))
    return found


def a_model(
    folder: Path, family: str, dtype: torch.dtype = torch.float32, **shape: Any
) -> PreTrainedModel:
    # Weights as large as trained ones: with the tiny default every loss is log(vocabulary).
    model = save_model(
        folder, family, seed=0, dtype=dtype, template=None, **({"initializer_range": 0.2} | shape)
    )
    model.train(mode=False)
    return model


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
        return nn.Linear(32, vocabulary, bias=bias).requires_grad_(requires_grad=False)


@pytest.mark.parametrize("tile_elements", [1, 300 * 40, 1 << 20])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("bias", [False, True])
def test_the_head_gives_the_same_whatever_its_tiles(
    tile_elements: int, softcap: float | None, bias: bool
) -> None:
    layer = a_layer(bias=bias)
    hidden = torch.linspace(-4, 4, 40 * 32).sin().view(40, 32)
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


def test_a_head_in_bfloat16_adds_in_float32() -> None:
    layer = a_layer(bias=False, vocabulary=20_000).bfloat16()
    hidden = torch.linspace(-9, 9, 50 * 32).sin().view(50, 32).bfloat16()
    targets = [(397 * n) % 20_000 for n in range(50)]
    logits = hidden.double() @ layer.weight.double().t()
    expected = logits.logsumexp(dim=1) - logits[range(50), targets]
    found = TiledHead(layer, products=torch.bfloat16).nats(hidden, targets)
    assert found.dtype is torch.float32
    assert (found.double() - expected).abs().max() < 1e-3  # of 10; bfloat16 sums are 0.03 off


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_hidden_states_without_a_number_give_losses_without_one(value: float) -> None:
    hidden = torch.ones(3, 32)
    hidden[1] = value
    found = TiledHead(a_layer(bias=False), products=torch.float32).nats(hidden, [1, 2, 3])
    assert not torch.isfinite(found[1])
    assert torch.isfinite(found[[0, 2]]).all()


def test_an_unknown_architecture_is_scored_by_its_own_forward_pass(tmp_path: Path) -> None:
    model = a_model(tmp_path, "llama")
    expected = LossModel(a_model(tmp_path, "llama")).nats(SAMPLES)
    model.__class__ = type("OtherForCausalLM", (type(model),), {})
    scorer = LossModel(model)
    assert isinstance(model.base_model, nn.Module)
    assert scorer.nats(SAMPLES) == pytest.approx(expected, rel=1e-6)


def test_the_models_own_head_is_taken_a_few_positions_at_a_time(tmp_path: Path) -> None:
    model = a_model(tmp_path, "llama")
    layer = model.lm_head
    assert isinstance(layer, nn.Linear)
    hidden = torch.linspace(-4, 4, 40 * 64).sin().view(40, 64)
    targets = [(17 * n) % VOCABULARY for n in range(40)]
    with torch.inference_mode():
        expected = TiledHead(layer, products=torch.float32).nats(hidden, targets)
        head = ForwardHead(model, max_elements=7 * VOCABULARY)
        assert torch.allclose(head.nats(hidden, targets), expected, rtol=1e-6)


@pytest.mark.parametrize("family", [*FAMILIES, "falcon", "bart", "phi"])
def test_a_widened_bfloat16_model_is_exact_and_keeps_its_matrices(
    tmp_path: Path, family: str
) -> None:
    expected = by_the_book(a_model(tmp_path / "a", family, dtype=torch.bfloat16), SAMPLES)
    model = a_model(tmp_path / "b", family, dtype=torch.bfloat16)
    precision.widen(model)
    with torch.inference_mode():
        for sample, nats in zip(SAMPLES, expected, strict=True):
            logits = model(torch.tensor([sample.ids]), use_cache=False).logits[0].float()
            rows = range(sample.first - 1, len(sample.ids) - 1)
            loss = -logits.log_softmax(dim=-1)[rows, sample.ids[sample.first :]].sum()
            assert float(loss) == pytest.approx(nats, rel=1e-5)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    assert matrices
    assert all(p.dtype is torch.bfloat16 for p in matrices)


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_products_stay_within_half_a_percent(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_the_book(a_model(tmp_path / "a", family, dtype=torch.bfloat16), SAMPLES)
    monkeypatch.setattr(precision, "product_dtype", lambda weights, device: weights)
    found = LossModel(a_model(tmp_path / "b", family, dtype=torch.bfloat16)).nats(SAMPLES)
    assert sum(found) == pytest.approx(sum(expected), rel=5e-3)


CPUS = {
    "Xeon with AVX512 only": ("x86_64", "GenuineIntel", "avx512f avx512_bf16", False),
    "Xeon with AMX": ("x86_64", "GenuineIntel", "avx512_bf16 amx_bf16", True),
    "Zen 4": ("x86_64", "AuthenticAMD", "avx512f avx512_bf16", True),
    "Zen 2": ("x86_64", "AuthenticAMD", "avx2", False),
}


@pytest.mark.parametrize("name", CPUS)
def test_the_cpu_decides_whether_products_are_bfloat16(name: str) -> None:
    machine, vendor, flags, fast = CPUS[name]
    cpuinfo = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\n"
    assert precision.has_fast_bfloat16(machine, cpuinfo) is fast


def test_arm_says_it_under_another_name() -> None:
    assert precision.has_fast_bfloat16("aarch64", "Features\t: fp asimd bf16\n")
    assert not precision.has_fast_bfloat16("aarch64", "Features\t: fp asimd\n")
