"""Small language models for simnet: a byte-level tokenizer and a Llama, made and saved.

Imports torch and transformers: for the training child only, never for the validator.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sn37.adapters.simnet.miners.roster import Shape
from sn37.domain.known_facts import checked

END = "<|end|>"
SPECIAL_TOKENS = ("<|user|>", "<|assistant|>", END)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a byte-level BPE tokenizer, which reproduces every text exactly."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, template: str) -> None:
    """Write the files that transformers reads, chat template included."""
    wrapped = _wrapped(tokenizer)
    wrapped.chat_template = template
    wrapped.save_pretrained(folder)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer that ``save_tokenizer`` wrote."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def be_deterministic() -> None:
    """Set one thread and deterministic algorithms, since bits depend on the order of sums."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def affixes(template: str) -> tuple[str, str, str]:
    """Return what a chat template puts before the prompt, between, and after the response."""
    prompt, response = "<<prompt>>", "<<response>>"
    messages = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": response},
    ]
    blank = _wrapped(Tokenizer(models.BPE()))
    text = str(blank.apply_chat_template(messages, chat_template=template, tokenize=False))
    before, rest = text.split(prompt)
    between, after = rest.split(response)
    return before, between, after


def new_model(shape: Shape, tokenizer: Tokenizer, *, seed: int) -> LlamaForCausalLM:
    """Return a Llama with random weights that depend on ``seed`` only."""
    end_id = tokenizer.token_to_id(END)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end_id,
        pad_token_id=end_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # transformers initialises from the global generator
        return LlamaForCausalLM(config)


def load_model(folder: Path) -> LlamaForCausalLM:
    """Return the model in ``folder``, in float32 for training."""
    model = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    return checked(model, LlamaForCausalLM, "the population's models are Llamas")


def save_model(model: LlamaForCausalLM, folder: Path) -> None:
    """Write the configuration, and the weights in bfloat16, as published models have."""
    model.bfloat16().save_pretrained(folder)


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )
