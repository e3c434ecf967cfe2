"""Repositories that miners could publish, scored by the production worker."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from sn37.adapters.scoring import scorer as module
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.loading import check_configs
from sn37.adapters.scoring.model.tokenizing import check_repeatable
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import NormLimits
from sn37.testing.tiny_models import (
    TEMPLATE,
    VOCABULARY,
    a_real_job,
    save_model,
    save_tokenizer,
)
from tests.integration.scorer.verdicts import edit_json, scored, verdict
from tests.support.device import DEVICE

WEIGHTS = "model.safetensors"
KEY = "model.layers.1.mlp.up_proj.weight"


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


def both_heads(folder: Path) -> None:
    """The config ties head and embedding, the file holds two different ones."""
    tensors = load_file(folder / WEIGHTS)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    edit_json(folder / "config.json", tie_word_embeddings=True)


def head_of_another_size(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["lm_head.weight"] = torch.ones(VOCABULARY + 16, 64)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def infinite_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors[KEY][0, 0] = -torch.inf
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def hidden_in_ignored_tensor(folder: Path) -> None:
    """transformers skips this name, so it could carry anything past a digest."""
    tensors = load_file(folder / WEIGHTS)
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def unknown_words(folder: Path) -> None:
    """Every text is one unknown token."""
    model = {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1}, "unk_token": "</s>"}
    edit_json(folder / "tokenizer.json", model=model, pre_tokenizer=None, decoder=None)


def model_of_tokenizer(**fields: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "tokenizer.json"
        edit_json(path, model={**json.loads(path.read_text())["model"], **fields})

    return edit


def tokens_that_share_an_id(folder: Path) -> None:
    """Which of them an id is decoded to, a hash with a random key decides."""
    path = folder / "tokenizer.json"
    model = json.loads(path.read_text())["model"]
    vocab = model["vocab"]
    edit_json(path, model={**model, "vocab": {**vocab, "twin": max(vocab.values())}})


def sentencepiece_only(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\x0a\x05\x0a\x03<s>")


def index(**weight_map: str) -> Callable[[Path], None]:
    """An index that puts every tensor where it is, but for some."""

    def write(folder: Path) -> None:
        found = dict.fromkeys(load_file(folder / WEIGHTS), WEIGHTS)
        text = json.dumps({"weight_map": {**found, **weight_map}})
        (folder / "model.safetensors.index.json").write_text(text)

    return write


def rope(**parameters: object) -> Callable[[Path], None]:
    """Frequencies that change beyond 64 tokens, within the window of 256."""
    frequencies = {"rope_theta": 10000.0, "factor": 2.0, **parameters}
    return config(max_position_embeddings=64, rope_parameters=frequencies)


def refused(scorer: WorkerScorer, folder: Path, spoil: Callable[[Path], None]) -> Reason:
    save_model(folder)
    spoil(folder)
    return verdict(scorer, a_real_job(folder)).reason


@pytest.fixture(scope="module", autouse=True)
def _a_sound_model_scores_the_same_before_and_after(
    warm_scorer: WorkerScorer, llama: Path
) -> Iterator[None]:
    job = a_real_job(llama)
    before = scored(warm_scorer, job)
    yield
    assert scored(warm_scorer, job) == before


@pytest.mark.parametrize("spoil", [nan_tensor, infinite_tensor])
def test_t10_weights_that_are_not_finite_are_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert refused(warm_scorer, tmp_path, spoil) is Reason.NON_FINITE


def test_t10_a_loss_that_overflows_is_handed_over_as_it_is(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].sign() * 3e38
    save_file(tensors, tmp_path / WEIGHTS, {"format": "pt"})
    job = a_real_job(tmp_path)
    norms = NormLimits(largest_embedding=3.1e38)
    job = replace(job, constraints=replace(job.constraints, norms=norms))
    losses = scored(warm_scorer, job)
    assert losses
    assert not any(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize(
    "spoil", [extra_tensor, hidden_in_ignored_tensor, both_heads, head_of_another_size]
)
def test_t11_tensors_that_are_not_the_models_are_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert refused(warm_scorer, tmp_path, spoil) is Reason.UNLOADABLE


@pytest.mark.parametrize(
    "spoil", [config(quantization_config={"bits": 4}), adapter_beside], ids=["packed", "adapter"]
)
def test_t11_packed_weights_and_adapters_are_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert refused(warm_scorer, tmp_path, spoil) is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    "spoil",
    [
        lossy_tokenizer,
        tokens_beyond_the_vocabulary,
        no_tokenizer,
        sentencepiece_only,
        unknown_words,
    ],
)
def test_t12_a_tokenizer_that_is_missing_or_loses_text_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert refused(warm_scorer, tmp_path, spoil) is Reason.TOKENIZER


@pytest.mark.parametrize("dropout", [0.5, 1e-6, 1.0])
def test_t12_a_tokenizer_that_drops_merges_at_random_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, dropout: float
) -> None:
    save_model(tmp_path)
    model_of_tokenizer(dropout=dropout)(tmp_path)
    refusal = verdict(warm_scorer, a_real_job(tmp_path))
    assert refusal.reason is Reason.TOKENIZER
    assert "dropout" in str(refusal)


def test_t12_a_tokenizer_that_names_randomness_and_has_none_is_read(
    warm_scorer: WorkerScorer, tmp_path: Path, llama: Path
) -> None:
    save_model(tmp_path)
    model_of_tokenizer(dropout=0.0)(tmp_path)
    assert scored(warm_scorer, a_real_job(tmp_path)) == scored(warm_scorer, a_real_job(llama))


def test_t12_tokens_that_share_an_id_are_refused(warm_scorer: WorkerScorer, tmp_path: Path) -> None:
    save_model(tmp_path)
    tokens_that_share_an_id(tmp_path)
    refusal = verdict(warm_scorer, a_real_job(tmp_path))
    assert refusal.reason is Reason.TOKENIZER
    assert "share an id" in str(refusal)


@pytest.mark.parametrize("name", ["dropout", "alpha", "nbest_size"])
def test_t12_whatever_way_a_tokenizer_is_random_it_is_refused(name: str) -> None:
    backend = SimpleNamespace(model=SimpleNamespace(**{name: 0.1}), encode=str)
    with pytest.raises(ModelFault, match=name):
        check_repeatable(backend)  # type: ignore[arg-type]  # as newer libraries could be


def test_t12_a_sentencepiece_file_beside_the_tokenizer_changes_nothing(
    warm_scorer: WorkerScorer, tmp_path: Path, llama: Path
) -> None:
    save_model(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"not what it says")
    losses = scored(warm_scorer, a_real_job(tmp_path))
    assert losses == scored(warm_scorer, a_real_job(llama))


def test_t19_pickled_weights_are_not_read(warm_scorer: WorkerScorer, tmp_path: Path) -> None:
    assert refused(warm_scorer, tmp_path, pickle_only) is Reason.UNLOADABLE


@pytest.mark.parametrize(
    "fields",
    [
        {"auto_map": {"AutoModelForCausalLM": "m.M"}},
        {"_attn_implementation": "flash_attention_2"},
        {"text_config": {"auto_map": {}}},
    ],
    ids=["code", "kernels", "nested"],
)
def test_t20_a_config_that_asks_for_code_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, fields: dict[str, object]
) -> None:
    assert refused(warm_scorer, tmp_path, config(**fields)) is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    "spoil",
    [
        config(num_hidden_layers=10**9),
        config(num_labels=10**9),
        config(text_config={"decoder_layers": 10**9}),
        config(is_causal=False),
        config(use_bidirectional_attention=True),
        rope(rope_type="dynamic"),
        rope(rope_type="longrope", short_factor=[1.0] * 8, long_factor=[2.0] * 8),
    ],
    ids=["layers", "labels", "nested", "not causal", "both ways", "dynamic", "longrope"],
)
def test_t21_a_config_that_is_absurd_or_looks_ahead_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert refused(warm_scorer, tmp_path, spoil) is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    "fields", [{"num_hidden_layers": 3}, {"num_hidden_layers": 1}, {"intermediate_size": 256}]
)
def test_t21_a_config_that_does_not_fit_the_tensors_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, fields: dict[str, object]
) -> None:
    assert refused(warm_scorer, tmp_path, config(**fields)) is Reason.UNLOADABLE


def test_t21_another_family_than_declared_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    spoil = config(model_type="mistral")
    assert refused(warm_scorer, tmp_path, spoil) is Reason.ARCHITECTURE


@pytest.mark.parametrize(
    "spoil",
    [
        missing_tensor,
        truncated_shard,
        index(**{KEY: "model-2.safetensors"}),
        index(**{KEY: "../model.safetensors"}),
        index(other=WEIGHTS),
    ],
    ids=["missing", "truncated", "no such shard", "outside", "no such tensor"],
)
def test_t23_files_that_do_not_hold_what_they_say_are_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert refused(warm_scorer, tmp_path, spoil) is Reason.UNLOADABLE


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


def test_t13_a_template_longer_than_64_kb_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path, template="{# " + "x" * 65_536 + " #}" + TEMPLATE)
    assert verdict(warm_scorer, a_real_job(tmp_path)).reason is Reason.TEMPLATE


def test_t24_a_deep_and_narrow_model_is_slow_but_scores(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path, num_hidden_layers=60, hidden_size=16, intermediate_size=16)
    assert all(map(math.isfinite, scored(warm_scorer, a_real_job(tmp_path))))


def test_t24_a_huge_vocabulary_stays_within_the_memory_of_its_weights(
    warm_scorer: WorkerScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, width = 1 << 18, 8
    save_model(tmp_path, vocab_size=rows, hidden_size=width, head_dim=8, num_hidden_layers=1)
    monkeypatch.setattr(module, "WORKING_BYTES", 512 << 20)
    job = a_real_job(tmp_path)
    num_tokens = sum(len(s.reference.encode()) for batch in job.batches for s in batch.samples) // 4
    weights = 2 * rows * width
    artifact = replace(job.artifact, size_bytes=4 * weights, parameters=weights)
    assert 4 * num_tokens * rows > module.WORKING_BYTES + 8 * weights  # full logits do not fit
    assert all(map(math.isfinite, scored(warm_scorer, replace(job, artifact=artifact))))


@pytest.mark.skipif(DEVICE == "cuda", reason="what a model holds on a GPU has no limit of its own")
def test_t24_a_model_larger_than_it_declares_runs_out_of_memory_alone(
    warm_scorer: WorkerScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path, dtype=torch.bfloat16, vocab_size=1 << 18, hidden_size=256)
    monkeypatch.setattr(module, "WORKING_BYTES", 64 << 20)
    job = a_real_job(tmp_path)
    constraints = replace(job.constraints, max_parameters=10**9, max_tokens=64)
    small = replace(job.artifact, size_bytes=1 << 20, parameters=1 << 18)
    job = replace(job, artifact=small, constraints=constraints)
    assert verdict(warm_scorer, job).reason is Reason.MEMORY


def test_t24_a_tokenizer_that_doubles_the_text_again_and_again_is_stopped(
    warm_scorer: WorkerScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path)
    monkeypatch.setattr(module, "WORKING_BYTES", 256 << 20)
    double = {"type": "Replace", "pattern": {"String": "e"}, "content": "ee"}
    normalizer = {"type": "Sequence", "normalizers": [double] * 60}
    edit_json(tmp_path / "tokenizer.json", normalizer=normalizer)
    reason = verdict(warm_scorer, a_real_job(tmp_path, timeout_s=20)).reason
    assert reason in {Reason.MEMORY, Reason.TIMEOUT, Reason.TOKENIZER, Reason.UNLOADABLE}


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
