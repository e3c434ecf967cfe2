"""Attacks that let a position see what comes after it (attack 46)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from sn37.adapters.admission.admit import admit
from sn37.adapters.scoring.answers import asked_of
from sn37.adapters.scoring.model import attention, causality, packed_bodies
from sn37.adapters.scoring.model.causality import Probe, Probes
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.packing import pack
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.reasons import Reason
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.ports.errors import ModelRejected
from sn37.testing import builders
from sn37.testing.builders.models import some_constraints
from sn37.testing.tiny_models import ARCHITECTURES, VOCABULARY, a_real_job, save_model, some_text
from tests.integration.scorer.harness import everything, hostile
from tests.integration.scorer.look_ahead import a_reader, one_ahead, one_head, turn_away
from tests.integration.scorer.textbook import a_model, a_sample
from tests.support.device import DEVICE

POSITIONS = 72
UNINFORMED = math.log(VOCABULARY)
SLIDING = {"sliding_window": 8}
# By which a score for oneself is minus infinity and those for others are finite.
FACTOR = 2.9e18
EAGER_LOOKS = ("bart", "falcon", "gemma", "llama", "mistral", "phi", "phi3", "qwen2", "qwen3")


async def outcome(scorer: WorkerScorer, folder: Path, family: str) -> Reason | float:
    """Why admission or the worker refuses a model, or its mean loss in nats."""
    rules: ModelConstraints = replace(
        some_constraints(max_tokens=POSITIONS),
        architectures=frozenset({ARCHITECTURES[family]}),
        max_parameters=100_000_000,
        max_bytes=1 << 30,
    )
    job = replace(
        a_real_job(
            folder, architecture=ARCHITECTURES[family], tokenizer=folder, max_tokens=POSITIONS
        ),
        constraints=rules,
    )
    job = replace(job, artifact=replace(job.artifact, size_bytes=1 << 28, parameters=50_000_000))
    try:
        admit(folder, rules)
        blocks = await everything(scorer, job)
    except ModelRejected as error:
        return error.reason
    losses = [loss for block in blocks for loss in block.losses]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("start", [0, 40])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"_attn_implementation": "eager"},
        {
            "attribute_map": {"zz": "_attn_implementation_internal"},
            "zz": "eager",
        },
    ],
    ids=["plain", "eager", "eager by another name"],
)
async def test_t46_a_bart_that_reads_the_answer_does_not_get_it(
    warm_scorer: WorkerScorer, tmp_path: Path, start: int, config: Mapping[str, object]
) -> None:
    a_reader(tmp_path, positions=POSITIONS, start=start, **config)
    found = await outcome(warm_scorer, tmp_path, "bart")
    if isinstance(found, float):
        assert found > 0.99 * UNINFORMED
    else:
        assert found in {Reason.BAD_CONFIG, Reason.NORM, Reason.UNSOUND}


def test_t46_nor_does_it_where_its_weights_are_admitted(tmp_path: Path) -> None:
    """The same without admission: transformers' eager attention reads, ours does not."""
    a_reader(tmp_path, positions=POSITIONS, start=32)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    sample = a_sample(POSITIONS - 1)
    ids = torch.tensor([sample.ids])
    with torch.no_grad():
        log_p = model(ids, use_cache=False).logits.log_softmax(dim=-1)[0]
    read = -log_p[range(33, 70), ids[0, 34:71]]
    assert read.max() < 0.01
    module: nn.Module = model  # transformers' wrapper of to() has lost its types
    module.to(DEVICE)
    found = LossModel(model).row_nats(pack((0,), (sample,)))[33:70]
    assert found.min() > 0.9 * UNINFORMED


@pytest.mark.parametrize("window", [None, 8])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_t46_scores_that_beat_an_added_mask_show_nothing_that_follows(
    tmp_path: Path, family: str, window: int | None
) -> None:
    shape = one_head(family) | ({} if window is None else {"sliding_window": window})
    model = a_model(tmp_path, family, **shape)
    turn_away(model, FACTOR)
    model.save_pretrained(tmp_path)
    sample, cut = a_sample(60), 30
    other = [*sample.ids[:cut], *((token + 5) % VOCABULARY for token in sample.ids[cut:])]
    if family in EAGER_LOOKS:  # the weights do what they are made for
        eager = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
        with torch.no_grad():
            one, changed = (
                eager(torch.tensor([ids])).logits[0, :cut] for ids in (sample.ids, other)
            )
        assert torch.isfinite(one).all()
        assert (one != changed).any()
    scorer, row = LossModel(model), pack((0,), (sample,))
    found, again = scorer.row_nats(row), scorer.row_nats(row, other)
    assert torch.isfinite(found).all()
    assert torch.equal(found[:cut], again[:cut])
    assert not torch.equal(found, again)


@pytest.mark.parametrize("family", ["bart", "llama", "qwen2"])
def test_t46_a_later_token_without_a_number_is_the_models_own_cost(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 times infinity is NaN: no kernel keeps that from what comes before. It is no loss that
    anybody wants, and no sight of the future."""
    model = a_model(tmp_path, family, **one_head(family))
    turn_away(model, 3.5e18)
    sample, cut = a_sample(60), 30
    row, scorer = pack((0,), (sample,)), LossModel(model)
    found = scorer.row_nats(row)
    overflow = next(
        ids
        for step in range(1, VOCABULARY)
        if not torch.isfinite(
            scorer.row_nats(
                row,
                ids := [
                    *sample.ids[:cut],
                    *((t * step + 5) % VOCABULARY for t in sample.ids[cut:]),
                ],
            )
        ).any()
    )
    assert torch.isfinite(found).all()
    careful = [scorer.row_nats(row, ids, careful=True)[:cut] for ids in (sample.ids, overflow)]
    assert torch.equal(careful[0], careful[1])
    assert torch.allclose(careful[0], found[:cut], rtol=1e-5)
    near = causality._beginning(sample)
    changed = (*near.ids, *overflow, *near.ids)
    probe = Probe(
        row=pack((0, 0, 0), (near, sample, near)),
        ids=changed,
        number=0,
        first=sample.first,
        cut=cut,
    )
    monkeypatch.setattr(causality, "draw", lambda *_, **__: probe)
    Probes(scorer, seed="", vocabulary=VOCABULARY).check(0, [sample])


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "falcon", "bart", "mistral"])
def test_t46_attention_that_begins_to_look_ahead_late_is_found(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One token ahead from some position on: found whenever the cut lies behind it."""
    monkeypatch.setattr(attention, "fused", one_ahead(after=25))
    scorer = LossModel(a_model(tmp_path, family))
    samples = [a_sample(40, first=n + 1) for n in range(16)]
    outcomes = []
    for number in range(24):
        seed, block = f"{number:064x}", 5 * number
        probes = [
            causality.draw(samples, seed=seed, block=n, vocabulary=VOCABULARY)
            for n in range(block, block + 5)
        ]
        (at,) = (n for n, probe in enumerate(probes[block == 0 :], block + (block == 0)) if probe)
        probe = probes[at - block]
        assert probe is not None
        told = f"^sample {probe.number} of block {at}: with other tokens from {probe.cut} on"
        is_behind = probe.cut > 25
        with pytest.raises(ModelFault, match=told) if is_behind else nullcontext():
            Probes(scorer, seed=seed, vocabulary=VOCABULARY).check(at, samples)
        outcomes.append(is_behind)
    assert 4 < sum(outcomes) < 20


def test_t46_what_looks_ahead_is_found_as_often_as_expected() -> None:
    """A round's first block alone finds seven in ten that begin before the last tenth."""
    length, num_rounds = 400, 4_000
    samples = [a_sample(length)] * 16
    cuts = []
    for number in range(num_rounds):
        probe = causality.draw(samples, seed=f"{number:x}", block=0, vocabulary=VOCABULARY)
        assert probe is not None
        cuts.append(probe.cut)
    scored = length - 1
    reaches = [min(1 << power, scored) for power in range(scored.bit_length() + 1)]
    for after in (0, 100, 200, 300, 360, 390, 398):
        expected = sum(min(reach, length - 1 - after) / reach for reach in reaches) / len(reaches)
        found = sum(cut > after for cut in cuts) / num_rounds
        assert found == pytest.approx(expected, abs=4 * math.sqrt(0.25 / num_rounds))
        if after <= 0.9 * length:
            assert expected > 0.7


async def test_t46_a_worker_that_looks_ahead_is_refused(tmp_path: Path) -> None:
    """Through sandbox and messages, for the blocks that are left of a job as for a whole one."""
    save_model(tmp_path, initializer_range=0.2)
    references = [some_text(n, 30) for n in range(112)]
    samples = tuple(
        builders.a_sample(f"row-{n}", prompt="", reference=text)
        for n, text in enumerate(references)
    )
    job = replace(
        a_real_job(tmp_path, tokenizer=tmp_path),
        batches=(builders.a_batch("texts", method=Method.TEXT_LOSS, samples=samples),),
    )
    scorer = WorkerScorer(device=DEVICE, dtype="float32", threads=1)
    seed = scorer._order(job, asked_of(job)).seed
    block = [a_sample(60)] * 16
    probed = [
        n for n in range(7) if causality.draw(block, seed=seed, block=n, vocabulary=VOCABULARY)
    ]
    async with hostile("look_ahead:main", device=DEVICE) as scorer:
        with pytest.raises(ModelRejected, match="of block 0: with other tokens") as caught:
            await everything(scorer, job)
        assert caught.value.reason is Reason.UNSOUND
        assert probed[0] == 0
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, replace(job, skip_blocks=1))
        assert f"of block {probed[1]}: with other tokens" in str(caught.value)
        scored = await everything(scorer, replace(job, skip_blocks=probed[-1] + 1))
        assert len(scored) == 6 - probed[-1]


async def test_t46_alibi_is_refused(warm_scorer: WorkerScorer, tmp_path: Path) -> None:
    save_model(tmp_path, "falcon", alibi=True)
    assert await outcome(warm_scorer, tmp_path, "falcon") is Reason.BAD_CONFIG
    with pytest.raises(ModelFault, match="alibi") as caught:
        LossModel(a_model(tmp_path, "falcon", alibi=True))
    assert caught.value.reason is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("llama", {"is_causal": False}),
        ("gemma", {"use_bidirectional_attention": True}),
        ("bart", {"is_decoder": False}),
        ("gpt_neox", {"attn_implementation": "eager"}),
    ],
)
async def test_t46_no_key_of_a_config_opens_what_follows(
    warm_scorer: WorkerScorer, tmp_path: Path, family: str, config: dict[str, Any]
) -> None:
    save_model(tmp_path, family)
    written = json.loads((tmp_path / "config.json").read_text()) | config
    (tmp_path / "config.json").write_text(json.dumps(written))
    found = await outcome(warm_scorer, tmp_path, family)
    assert found is Reason.BAD_CONFIG or isinstance(found, float)
    model = a_model(tmp_path / "other", family)
    for name, value in config.items():
        setattr(model.config, name, value)
        for module in model.modules():
            if name == "is_causal" and hasattr(module, name):
                module.is_causal = value
    scorer, row = LossModel(model), pack((0,), (a_sample(40),))
    other = [*a_sample(40).ids[:20], *range(20)]
    assert torch.equal(scorer.row_nats(row)[:19], scorer.row_nats(row, other)[:19])


def test_t46_attention_that_is_not_ours_is_not_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it came that a layer does not ask for ours."""
    model = a_model(tmp_path, "llama")
    scorer = LossModel(model)
    model.config._attn_implementation = "eager"
    with pytest.raises(ModelFault, match="0 of 2 layers ran the validator's attention") as caught:
        scorer.nats([a_sample(20)])
    assert caught.value.reason is Reason.UNSOUND
    monkeypatch.setattr(packed_bodies, "_attention_layers", lambda _: [])
    with pytest.raises(ModelFault, match="attention outside the model's layers"):
        LossModel(a_model(tmp_path, "llama")).nats([a_sample(20)])
