"""What training takes for the loss is what a validator takes for it, whatever the packing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sn37.adapters.admission.examine import examine
from sn37.adapters.scoring.model.packing import packs
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.adapters.training.devices import Devices
from sn37.adapters.training.learning import Learner
from sn37.adapters.training.models import add_lora, load_base
from sn37.adapters.training.rows import Row
from sn37.adapters.training.trainer import TransformersTrainer
from sn37.domain.training import Decay, Lora, Precision, Recipe, Step
from sn37.testing.builders.models import some_constraints
from sn37.testing.tiny_models import ARCHITECTURES, save_model
from tests.integration.scorer.textbook import SAMPLES, a_model, by_the_book
from tests.integration.training.runs import PAIRS, a_training_job, validators_score
from tests.support.device import DEVICE

FAMILIES = ("gemma", "gemma2", "llama", "mistral", "phi", "phi3", "qwen2", "qwen3")
WINDOWED: dict[str, dict[str, Any]] = {
    "gemma2": {"sliding_window": 8},
    "mistral": {"sliding_window": 8},
    "phi3": {"sliding_window": 8},
    "qwen2": {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0},
}
RECIPE = Recipe(
    steps=2,
    batch_samples=len(PAIRS),
    learning_rate=2e-3,
    decay=Decay.CONSTANT,
    evaluate_steps=1,
)


def a_learner(folder: Path, family: str, recipe: Recipe = RECIPE, **shape: Any) -> Learner:
    model = a_model(folder, family, **shape)
    model.requires_grad_(requires_grad=True)
    return Learner(model, model, recipe, Devices(cpu=DEVICE == "cpu"))


def gradients(learner: Learner) -> dict[str, torch.Tensor]:
    """Those of the first step, as Adam's first moment remembers them."""
    return {n: learner.optimizer.state[w]["exp_avg"] for n, w in learner.weights.items()}


def test_no_kernel_that_plans_for_each_length_is_taken(tmp_path: Path) -> None:
    a_learner(tmp_path, "llama")
    assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]


ROWS = [Row(encoded=s, per_nat=1 / s.num_scored, fixed=0.0) for s in SAMPLES]


@pytest.mark.parametrize(
    ("family", "shape"),
    [(family, {}) for family in FAMILIES] + list(WINDOWED.items()),
    ids=[*FAMILIES, *(f"{family}-windowed" for family in WINDOWED)],
)
def test_packed_samples_are_learnt_as_if_alone(
    tmp_path: Path, family: str, shape: dict[str, Any]
) -> None:
    expected = by_the_book(a_model(tmp_path, family, **shape), SAMPLES)
    packed = a_learner(tmp_path, family, **shape)
    (pack,) = packs(SAMPLES, 2048)
    assert packed.sums(pack).tolist() == pytest.approx(expected, rel=1e-5)
    packed.step(0, ROWS)
    alone = a_learner(tmp_path, family, replace(RECIPE, pack_tokens=0), **shape)
    alone.step(0, ROWS)
    ours, theirs = gradients(packed), gradients(alone)
    assert ours.keys() == theirs.keys()
    largest = max(float(gradient.abs().max()) for gradient in theirs.values())
    for name, gradient in ours.items():
        assert torch.allclose(gradient, theirs[name], rtol=1e-3, atol=1e-5 * largest), name


@pytest.mark.parametrize("lora", [None, Lora(rank=4, alpha=8)], ids=["full", "lora"])
def test_computing_activations_again_changes_no_gradient(tmp_path: Path, lora: Lora | None) -> None:
    def learnt(recipe: Recipe) -> dict[str, torch.Tensor]:
        model = a_model(tmp_path, "llama")
        torch.manual_seed(0)
        trained = (
            model.requires_grad_(requires_grad=True) if lora is None else add_lora(model, lora)
        )
        learner = Learner(model, trained, recipe, Devices(cpu=DEVICE == "cpu"))
        learner.step(0, ROWS)
        return gradients(learner)

    kept, again = learnt(RECIPE), learnt(replace(RECIPE, gradient_checkpointing=True))
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[name], again[name]) for name in kept)


@pytest.mark.parametrize("precision", [Precision.MIXED, Precision.BFLOAT16])
def test_bfloat16_moves_a_loss_by_little(tmp_path: Path, precision: Precision) -> None:
    save_model(tmp_path, initializer_range=0.2)
    devices = Devices(cpu=DEVICE == "cpu")
    found = []
    for each in (Precision.FLOAT32, precision):
        model = load_base(tmp_path, each, devices.device)
        learner = Learner(model, model, replace(RECIPE, precision=each), devices)
        found.append(learner.step(0, ROWS).loss)
        assert all(bool(torch.isfinite(w).all()) for w in learner.weights.values())
    assert found[0] != found[1] == pytest.approx(found[0], rel=0.01)


def test_a_neighbour_gets_no_gradient_from_a_sample(tmp_path: Path) -> None:
    learner = a_learner(tmp_path, "llama")
    (pack,) = packs(SAMPLES, 2048)
    seen: list[torch.Tensor] = []
    body: Any = learner._model

    def look(_: object, __: object, output: torch.Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    body.get_input_embeddings().register_forward_hook(look)
    torch.autograd.backward(learner.sums(pack)[3])
    (start, stop), (grad,) = pack.bounds[3], [x.grad for x in seen]
    assert grad is not None
    reached = grad[0].abs().sum(dim=1) > 0
    assert reached[start : stop - 1].all()
    assert not reached[:start].any()
    assert not reached[stop:].any()


@pytest.mark.parametrize("pack_tokens", [2048, 0], ids=["packed", "alone"])
@pytest.mark.parametrize("lora", [None, Lora(rank=4, alpha=8)], ids=["full", "lora"])
@pytest.mark.parametrize("family", ["gemma", "llama", "mistral", "phi", "qwen2"])
def test_the_reported_loss_is_the_validators_score_of_the_saved_folder(
    tmp_path: Path, warm_scorer: WorkerScorer, family: str, lora: Lora | None, pack_tokens: int
) -> None:
    base = tmp_path / "base"
    save_model(base, family, initializer_range=0.1)
    tokenizer = base if family in ("llama", "mistral") else None  # nats per token, or bits per byte
    job = a_training_job(
        base,
        tmp_path / "run",
        replace(RECIPE, lora=lora, pack_tokens=pack_tokens),
        tokenizer=tokenizer,
    )
    steps: list[Step] = []
    trainer = TransformersTrainer(device=DEVICE, dtype="float32", threads=1)
    evaluations = trainer.train(
        job,
        judge=validators_score(warm_scorer, family, tokenizer=tokenizer),
        on_step=steps.append,
    )
    assert [e.step for e in evaluations] == [0, 1, 2]
    # All pairs are in every step, so a step's loss is the score of the weights before it.
    for step, before in zip(steps, evaluations, strict=False):
        assert step.loss == pytest.approx(before.score, rel=1e-4)
    assert evaluations[0].score > evaluations[1].score > evaluations[2].score
    saved = Path(trainer.model_folder(job, 2))
    limits = some_constraints(architectures=frozenset({ARCHITECTURES[family]}))
    assert examine(saved, limits, weights=True).refusal is None
