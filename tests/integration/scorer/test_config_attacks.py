"""Keys of config.json and of the files beside it, through the production worker in its sandbox."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from sn37.adapters.admission.admit import inspect
from sn37.adapters.scoring.model import loading, plain_forward
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected
from sn37.testing.builders.models import some_constraints
from sn37.testing.tiny_models import (
    ARCHITECTURES,
    VOCABULARY,
    a_real_job,
    save_model,
    save_tokenizer,
)
from tests.integration.scorer.harness import everything, hostile
from tests.integration.scorer.verdicts import edit_json, scored, verdict
from tests.support.device import DEVICE

CONFIG = "config.json"
# Every one of them reached transformers, or our own code, when keys were forbidden by name.
TRICKS: dict[str, tuple[str, dict[str, object]]] = {
    "attribute_map names the kernel": (
        CONFIG,
        {"attribute_map": {"zz": "_attn_implementation_internal"}, "zz": "eager"},
    ),
    "attribute_map switches causality off": (
        CONFIG,
        {"attribute_map": {"zz": "is_causal"}, "zz": False},
    ),
    "attribute_map shrinks the model": (
        CONFIG,
        {"attribute_map": {"num_hidden_layers": "a"}, "a": 1},
    ),
    "an underscored key": (CONFIG, {"_attn_implementation_internal": "eager"}),
    "a cap on logits that transformers ignores": (CONFIG, {"final_logit_softcapping": 30.0}),
    "a config inside": (CONFIG, {"text_config": {"model_type": "llama", "hidden_size": 64}}),
    "the length before scaling": (CONFIG, {"original_max_position_embeddings": 8}),
    "kinds of layers": (CONFIG, {"layer_types": ["sliding_attention", "full_attention"]}),
    "layers of their own": (CONFIG, {"per_layer_config": {"0": {"num_attention_heads": 2}}}),
    "a class of code": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["a.B", None]}}),
    "another tokenizer": ("tokenizer_config.json", {"tokenizer_file": "config.json"}),
    "another list of tokenizers": ("tokenizer_config.json", {"fast_tokenizer_files": ["x"]}),
    "generation by code": ("generation_config.json", {"custom_generate": "a/b"}),
    "a kernel for generation": ("generation_config.json", {"_attn_implementation": "eager"}),
}


@pytest.mark.parametrize("name", TRICKS)
def test_t47_a_key_under_another_name_does_not_reach_the_model(
    warm_scorer: WorkerScorer, tmp_path: Path, name: str
) -> None:
    file, fields = TRICKS[name]
    save_model(tmp_path)
    edit_json(tmp_path / file, **fields)
    refusal = verdict(warm_scorer, a_real_job(tmp_path))
    assert refusal.reason is Reason.BAD_CONFIG
    assert any(key in str(refusal) for key in fields)


def test_t47_a_bart_that_asks_for_additive_masks_is_not_admitted(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    """Eager attention adds its mask, and large scores beat it: the way to it was an alias."""
    save_model(tmp_path / "honest", "bart")
    architecture = ARCHITECTURES["bart"]
    limits = some_constraints(
        max_parameters=10**9, max_bytes=10**9, architectures=frozenset({architecture})
    )
    inspect(tmp_path / "honest", limits)
    tricks: tuple[dict[str, object], ...] = (
        {"attribute_map": {"zz": "_attn_implementation_internal"}, "zz": "eager"},
        {"attribute_map": {}},
        {"zz": "eager"},
        {"num_hidden_layers": 3},  # an alias of encoder_layers
    )
    for fields in tricks:
        folder = tmp_path / "-".join(fields)
        shutil.copytree(tmp_path / "honest", folder)
        edit_json(folder / CONFIG, **fields)
        with pytest.raises(ModelRejected) as caught:
            inspect(folder, limits)
        assert caught.value.reason is Reason.BAD_CONFIG
        job = a_real_job(folder, architecture=architecture)
        assert verdict(warm_scorer, job).reason is Reason.BAD_CONFIG


@pytest.mark.parametrize("other", ["MistralForCausalLM", "Qwen2ForCausalLM", "GPT2LMHeadModel"])
def test_t47_another_class_than_was_admitted_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, other: str
) -> None:
    save_model(tmp_path)
    for fields in ({"architectures": [other]}, {"architectures": [other], "model_type": "mistral"}):
        edit_json(tmp_path / CONFIG, **fields)
        assert verdict(warm_scorer, a_real_job(tmp_path)).reason is Reason.ARCHITECTURE


def test_t47_leftovers_of_training_and_generation_change_no_bit(
    warm_scorer: WorkerScorer, tmp_path: Path, llama: Path
) -> None:
    save_model(tmp_path)
    edit_json(
        tmp_path / CONFIG,
        _name_or_path="somebody/else",
        attention_dropout=0.9,
        bos_token_id=7,
        eos_token_id=[3, 4],
        id2label={"0": "a"},
        initializer_range=0.9,
        num_labels=7,
        output_attentions=True,
        output_hidden_states=True,
        pad_token_id=VOCABULARY - 1,
        pretraining_tp=8,
        return_dict=False,
        torch_dtype="float16",
        use_cache=True,
    )
    edit_json(tmp_path / "generation_config.json", temperature=0.1, suppress_tokens=[1, 2, 3])
    losses = scored(warm_scorer, a_real_job(tmp_path))
    assert losses == scored(warm_scorer, a_real_job(llama))


def test_su_of_phi_3_is_scored_as_longrope(warm_scorer: WorkerScorer, tmp_path: Path) -> None:
    found: list[list[float]] = []
    prescribed = tmp_path / "prescribed"
    save_tokenizer(prescribed)
    for spelling in ({"type": "su"}, {"type": "longrope"}, {"rope_type": "longrope"}):
        folder = tmp_path / str(len(found))
        save_model(folder, "phi3", initializer_range=0.2)
        scaling = {**spelling, "short_factor": [1.5] * 8, "long_factor": [4.0] * 8}
        kept = json.loads((folder / CONFIG).read_text())
        del kept["rope_parameters"]
        (folder / CONFIG).write_text(json.dumps({**kept, "rope_scaling": scaling}))
        job = a_real_job(folder, architecture=ARCHITECTURES["phi3"], tokenizer=prescribed)
        found.append(scored(warm_scorer, job))
    assert found[0] == found[1] == found[2]
    save_model(tmp_path / "plain", "phi3", initializer_range=0.2)
    job = a_real_job(tmp_path / "plain", architecture=ARCHITECTURES["phi3"], tokenizer=prescribed)
    assert found[0] != scored(warm_scorer, job)


async def test_t47_a_scorer_that_is_not_the_published_model_is_unsound(llama: Path) -> None:
    async with hostile("disagreeing_workers:off_by_three_percent", device=DEVICE) as scorer:
        with pytest.raises(Exception, match="own forward gives") as caught:
            await everything(scorer, a_real_job(llama))
    assert getattr(caught.value, "reason", None) is Reason.UNSOUND


@pytest.mark.parametrize("declared", [1, 2, 512])
async def test_t47_a_length_that_a_config_declares_does_not_shorten_the_comparison(
    tmp_path: Path, declared: int
) -> None:
    save_model(tmp_path, max_position_embeddings=declared)
    worker = "disagreeing_workers:off_in_samples_of_more_than_four_tokens"
    async with hostile(worker, device=DEVICE) as scorer:
        with pytest.raises(ModelRejected, match="own forward gives") as caught:
            await everything(scorer, a_real_job(tmp_path))
    assert caught.value.reason is Reason.UNSOUND


def load(folder: Path, family: str, dtype: str) -> PreTrainedModel:
    return loading.load_model(
        folder,
        architecture=ARCHITECTURES[family],
        max_parameters=10_000_000,
        dtype=dtype,
        device=torch.device(DEVICE),
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_the_model_scored_is_the_one_that_everybody_downloads(
    tmp_path: Path, family: str, dtype: str
) -> None:
    spread = {"initializer_range": 0.2, "init_std": 0.2}
    save_model(tmp_path, family, dtype=loading.DTYPES[dtype], **spread)  # type: ignore[arg-type]
    rows = plain_forward.probe_rows(vocabulary=VOCABULARY, max_tokens=256)
    assert [len(row.ids) for row in rows] == [plain_forward.PROBE_TOKENS] * len(rows)
    untouched = LossModel(load(tmp_path, family, dtype)).nats(rows)
    model = load(tmp_path, family, dtype)
    plain = plain_forward.plain_nats(model, rows)
    scorer = LossModel(model)
    assert scorer.nats(rows) == untouched  # looking first changed no bit
    products = torch.float16 if (DEVICE, dtype) == ("cuda", "bfloat16") else torch.float32
    plain_forward.check_agreement(scorer, rows, plain, products)


class Given:
    """Losses that are given, per row of the probe."""

    def __init__(self, *nats: float) -> None:
        self._nats = list(nats)

    def nats(self, samples: object) -> list[float]:
        return self._nats


@pytest.mark.parametrize(
    ("plain", "ours", "products", "agree"),
    [
        (315.0, 315.0, torch.float32, True),
        (315.0, 315.02, torch.float32, True),
        (315.0, 315.1, torch.float32, False),
        (315.0, 314.9, torch.float32, False),
        (315.0, 320.0, torch.float16, True),
        (315.0, 324.2, torch.float16, False),  # 2.9 %: what a soft cap did
        (0.0, 0.001, torch.float32, True),
        (0.0, 1.0, torch.float32, False),
        (float("nan"), 315.0, torch.float32, False),
        (315.0, float("inf"), torch.float16, False),
        (float("inf"), float("nan"), torch.float32, True),  # judged where samples are scored
    ],
)
def test_losses_agree_within_the_tolerance(
    plain: float, ours: float, products: torch.dtype, agree: bool
) -> None:
    rows: tuple[Encoded, ...] = plain_forward.probe_rows(vocabulary=384, max_tokens=4096)
    if agree:
        plain_forward.check_agreement(Given(315.0, ours), rows, [315.0, plain], products)
        return
    with pytest.raises(ModelFault, match="nats a token") as caught:
        plain_forward.check_agreement(Given(315.0, ours), rows, [315.0, plain], products)
    assert caught.value.reason is Reason.UNSOUND


@pytest.mark.parametrize(("vocabulary", "max_tokens"), [(1, 1), (2, 2), (384, 5), (1 << 20, 9999)])
def test_rows_of_the_probe_fit_every_model(vocabulary: int, max_tokens: int) -> None:
    for row in plain_forward.probe_rows(vocabulary=vocabulary, max_tokens=max_tokens):
        assert all(0 <= token < vocabulary for token in row.ids)
        assert 2 <= len(row.ids) <= max(2, max_tokens)


def test_a_short_table_of_positions_is_not_left(tmp_path: Path) -> None:
    save_model(tmp_path, "bart", max_position_embeddings=32)
    model = load(tmp_path, "bart", "float32")
    rows = plain_forward.probe_rows(vocabulary=VOCABULARY, max_tokens=32)
    assert len(plain_forward.plain_nats(model, rows)) == len(rows)
