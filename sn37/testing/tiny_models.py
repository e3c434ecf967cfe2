"""Tiny models of real transformers architectures that load in milliseconds.

Needs torch and transformers.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.jobs import ScoringJob
from sn37.testing.builders.models import an_artifact, some_constraints
from sn37.testing.builders.rounds import a_batch, a_job
from sn37.testing.builders.samples import a_sample

VOCABULARY = 384
TEMPLATE = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
_WORDS = [
    "the",
    "quick",
    "model",
    "answers",
    "a",
    "validator's",
    "question",
    "about",
    "the",
    "round",
    "of",
    "the",
    "subnet",
]
_SHAPE: dict[str, object] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
_EXTRA: dict[str, dict[str, object]] = {
    "bart": {
        "d_model": 64,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 128,
        "decoder_layers": 2,
        "encoder_layers": 2,
    },
    "gemma": {"head_dim": 16},
    "gemma2": {"head_dim": 16},
    "gpt_neox": {"num_key_value_heads": None},
    "phi3": {"pad_token_id": 1},
    "qwen3": {"head_dim": 16},
}
ARCHITECTURES = {
    "bart": "BartForCausalLM",
    "falcon": "FalconForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}  # the class by transformers' model_type


def save_tokenizer(
    folder: Path, *, template: str | None = TEMPLATE, bos: str | None = "<s>"
) -> None:
    """Save a byte-level BPE tokenizer, the same at every call."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the model and the validator in the round"] * 9, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token="</s>")  # type: ignore[no-untyped-call]
    fast.chat_template = template
    fast.save_pretrained(folder)


def save_model(
    folder: Path,
    family: str = "llama",
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    template: str | None = TEMPLATE,
    **shape: object,
) -> PreTrainedModel:
    """Save a model with random weights and its tokenizer to ``folder``; return the model.

    Args:
        family: transformers' ``model_type``.
        shape: Fields of the config that differ from the tiny default.
    """
    known = {field.name for field in dataclasses.fields(CONFIG_MAPPING[family])}
    common = {name: value for name, value in _SHAPE.items() if name in known}
    fields = {**common, **_EXTRA.get(family, {}), **shape}
    config = AutoConfig.for_model(family, **{k: v for k, v in fields.items() if v is not None})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    save_tokenizer(folder, template=template)
    return model


def some_text(number: int, num_words: int) -> str:
    """Return words in an order that ``number`` decides, and characters of two to four bytes."""
    words = [_WORDS[(number * 7 + i * i) % len(_WORDS)] for i in range(num_words)]
    return " ".join(words) + f" \u00e9\u6f22\U0001f642{number}"


def a_real_job(
    folder: Path,
    *,
    architecture: str = "LlamaForCausalLM",
    tokenizer: Path | None = None,
    max_tokens: int = 256,
    timeout_s: float = 60.0,
) -> ScoringJob:
    """Return a job of four blocks: twenty pairs and twenty texts of many lengths."""
    pairs = tuple(
        a_sample(f"pair-{i}", prompt=some_text(i, 3 + i), reference=some_text(i, 2 + 5 * i % 23))
        for i in range(20)
    )
    texts = tuple(
        a_sample(f"text-{i}", prompt="", reference=some_text(i + 50, 2 + 2 * i)) for i in range(20)
    )
    return a_job(
        artifact=an_artifact(path=folder, architecture=architecture),
        constraints=some_constraints(max_tokens=max_tokens),
        batches=(
            a_batch("pairs", samples=pairs),
            a_batch("texts", method=Method.TEXT_LOSS, samples=texts),
        ),
        timeout_s=timeout_s,
        tokenizer=tokenizer,
    )
