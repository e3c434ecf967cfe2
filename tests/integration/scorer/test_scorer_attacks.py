"""Repositories that miners could publish, scored by the production worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sn37.adapters.cuda.faults import ModelFault
from sn37.adapters.cuda.loading import check_configs
from sn37.adapters.cuda.scorer import WorkerScorer
from sn37.domain.reasons import Reason
from sn37.domain.scoring import BlockLosses, ScoringJob
from sn37.ports.errors import ModelRejected
from sn37.testing.tiny_models import VOCABULARY, a_real_job, save_model, save_tokenizer

WEIGHTS = "model.safetensors"
KEY = "model.layers.1.mlp.up_proj.weight"


def verdict(scorer: WorkerScorer, job: ScoringJob) -> ModelRejected:
    async def run() -> list[BlockLosses]:
        async with aclosing(scorer.score(job)) as blocks:
            return [block async for block in blocks]

    with pytest.raises(ModelRejected) as caught:
        asyncio.run(run())
    return caught.value


def edit_json(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def nan_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors[KEY][3, 5] = torch.nan
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def missing_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors[KEY]
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def extra_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["model.hidden.weight"] = torch.ones(4)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def truncated_shard(folder: Path) -> None:
    body = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(body[: len(body) // 2])


def pickle_only(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def adapter_beside(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def lossy_tokenizer(folder: Path) -> None:
    """One letter for two: fewer bits for the same text."""
    path = folder / "tokenizer.json"
    edit_json(path, normalizer={"type": "Replace", "pattern": {"String": "e"}, "content": "a"})


def tokens_beyond_the_vocabulary(folder: Path) -> None:
    path = folder / "tokenizer.json"
    vocabulary = json.loads(path.read_text())["model"]
    vocabulary["vocab"] = {k: v + VOCABULARY for k, v in vocabulary["vocab"].items()}
    edit_json(path, model=vocabulary)


def config(**fields: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        edit_json(folder / "config.json", **fields)

    return edit


ATTACKS: dict[str, tuple[Callable[[Path], None], Reason]] = {
    "t10_nan_tensor": (nan_tensor, Reason.NON_FINITE),
    "t11_extra_tensor": (extra_tensor, Reason.UNLOADABLE),
    "t11_quantised": (config(quantization_config={"bits": 4}), Reason.BAD_CONFIG),
    "t11_adapter": (adapter_beside, Reason.BAD_CONFIG),
    "t12_lossy_tokenizer": (lossy_tokenizer, Reason.TOKENIZER),
    "t12_tokens_beyond_vocabulary": (tokens_beyond_the_vocabulary, Reason.TOKENIZER),
    "t12_no_tokenizer": (no_tokenizer, Reason.TOKENIZER),
    "t19_pickle_only": (pickle_only, Reason.UNLOADABLE),
    "t20_auto_map": (config(auto_map={"AutoModelForCausalLM": "m.M"}), Reason.BAD_CONFIG),
    "t20_attention": (config(_attn_implementation="flash_attention_2"), Reason.BAD_CONFIG),
    "t20_nested": (config(text_config={"auto_map": {}}), Reason.BAD_CONFIG),
    "t21_more_layers": (config(num_hidden_layers=3), Reason.UNLOADABLE),
    "t21_fewer_layers": (config(num_hidden_layers=1), Reason.UNLOADABLE),
    "t21_wider": (config(intermediate_size=256), Reason.UNLOADABLE),
    "t21_other_family": (config(model_type="mistral"), Reason.ARCHITECTURE),
    "t23_missing_tensor": (missing_tensor, Reason.UNLOADABLE),
    "t23_truncated_shard": (truncated_shard, Reason.UNLOADABLE),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bad_repository_is_refused_with_its_reason(
    warm_scorer: WorkerScorer, tmp_path: Path, attack: str
) -> None:
    spoil, reason = ATTACKS[attack]
    save_model(tmp_path)
    spoil(tmp_path)
    assert verdict(warm_scorer, a_real_job(tmp_path)).reason is reason


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[1].content }}",
        "{{ messages[0].content[:3] }} {{ messages[1].content }}",
        "{{ messages[1].content }} {{ messages[0].content }}",
        "{{ messages[0].content }}{{ messages[1].content }}{{ messages[1].content }}",
        "{{ messages[0].content }}{{ messages[0].content | length }}{{ messages[1].content }}",
        "{{ messages[0].content }}{{ messages[1].content | upper }}",
        "{{ messages[0].content }}{{ messages[1].content[0] }}: {{ messages[1].content }}",
        "{{ messages[0].content }}{% if %}",
        "{{ raise_exception('no') }}",
        "{{ ''.__class__.__mro__ }}{{ messages[0].content }}{{ messages[1].content }}",
        None,
    ],
    ids=[
        "drops the prompt",
        "cuts the prompt",
        "reorders",
        "doubles the response",
        "depends on the prompt",
        "changes the response",
        "leaks the response",
        "does not parse",
        "raises",
        "leaves the sandbox",
        "is missing",
    ],
)
def test_t13_a_template_that_hides_leaks_or_fails_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, template: str | None
) -> None:
    save_model(tmp_path, template=template)
    assert verdict(warm_scorer, a_real_job(tmp_path)).reason is Reason.TEMPLATE


def test_t13_a_template_that_loops_meets_the_deadline(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path, template="{% for a in range(99999) %}" * 4 + "{% endfor %}" * 4)
    assert verdict(warm_scorer, a_real_job(tmp_path, timeout_s=1)).reason is Reason.TIMEOUT


def test_t12_a_vocabulary_smaller_than_the_prescribed_one_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path / "model", vocab_size=200)
    save_tokenizer(tmp_path / "tokenizer")
    job = a_real_job(tmp_path / "model", tokenizer=tmp_path / "tokenizer")
    assert verdict(warm_scorer, job).reason is Reason.TOKENIZER


def test_t24_a_tokenizer_whose_regex_panics_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path)
    # The regex engine gives up after 10 million steps; the panic is no Exception in Python.
    bomb = {
        "type": "Split",
        "pattern": {"Regex": "(?:.+.+)+(?<=Q)"},
        "behavior": "Isolated",
        "invert": False,
    }
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    both = {"type": "Sequence", "pretokenizers": [bomb, {**bytes_, "use_regex": False}]}
    edit_json(tmp_path / "tokenizer.json", pre_tokenizer=both)
    refusal = verdict(warm_scorer, a_real_job(tmp_path))
    assert refusal.reason is Reason.TOKENIZER
    assert "PanicException" in str(refusal)


def test_t11_more_parameters_than_allowed_are_refused(
    warm_scorer: WorkerScorer, llama: Path
) -> None:
    job = a_real_job(llama)
    job = replace(job, constraints=replace(job.constraints, max_parameters=1000))
    assert verdict(warm_scorer, job).reason is Reason.PARAMETERS


def test_a_tokenizer_configuration_of_many_added_tokens_is_read(tmp_path: Path) -> None:
    # Gemma 3's has 1.2 MB: the worker must not refuse what admission lets in.
    tokens = {str(n): {"content": f"<unused{n}>", "special": True} for n in range(30_000)}
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": tokens}))
    check_configs(folder)
    edit_json(folder / "tokenizer_config.json", auto_map={})
    with pytest.raises(ModelFault, match="auto_map"):
        check_configs(folder)
