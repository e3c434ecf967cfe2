"""Mutated headers, indices, configurations, tokenizer settings and listings.

60,000 in all: accepted or refused, never anything else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from sn37.adapters.admission.config import check_config, check_json
from sn37.adapters.admission.files import ListedFile, select
from sn37.adapters.admission.header import (
    PREFIX_BYTES,
    Header,
    TensorSpan,
    check_index,
    header_bytes,
    parse_header,
)
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.ports.errors import ModelRejected

CASES = 10_000  # of each of six kinds
LIMITS = ModelConstraints(
    min_parameters=1,
    max_parameters=1000,
    max_bytes=10_000,
    max_tokens=64,
    architectures=frozenset({"LlamaForCausalLM"}),
)
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "id2label": {"0": "a", "1": [1, 2.5, None]},
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "rope_scaling": {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1,
        "original_max_position_embeddings": 512,
        "rope_type": "llama3",
    },
    "tie_word_embeddings": False,
    "vocab_size": 384,
}
HEADER = {
    "__metadata__": {"format": "pt"},
    "a.weight": {"dtype": "BF16", "shape": [4, 4], "data_offsets": [0, 32]},
    "b.weight": {"dtype": "F32", "shape": [2], "data_offsets": [32, 40]},
}
TOKENIZER = {
    "added_tokens_decoder": {"0": {"content": "<s>", "lstrip": False, "special": True}},
    "bos_token": "<s>",
    "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    "model_max_length": 2048,
    "tokenizer_class": "PreTrainedTokenizerFast",
}
HOMES = {"a.weight": "1.safetensors", "b.weight": "1.safetensors", "c.weight": "2.safetensors"}
INDEX = {"metadata": {"total_size": 24}, "weight_map": HOMES}
SHARDS = {
    file: Header(
        tensors=tuple(
            TensorSpan(name=name, dtype="F32", shape=(2,), begin=0, end=8)
            for name, home in HOMES.items()
            if home == file
        )
    )
    for file in ("1.safetensors", "2.safetensors")
}
# What a mutation puts in: tokens that parsers and checks trip over.
SPLICES = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"-Infinity"),
    *(b"1e999", b"-0", b"0.1e-400", b"9" * 400, b"-1", b"18446744073709551616", b"\\ud800"),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b'"auto_map":{},', b'"a.weight":{},', b"\xef\xbb\xbf"),
    *(b"{" * 40, b'{"a":' * 20, b'\\"' * 50, b" " * 100, b'"shape":[]', b'"dtype":"I8"'),
]


def mutated(text: bytes, rng: random.Random) -> bytes:
    data = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(data) + 1), rng.randint(1, 12)
        match rng.randrange(5):
            case 0:
                data[at:at] = rng.choice(SPLICES)
            case 1:
                del data[at : at + length]
            case 2:
                data[at : at + length] = rng.choice(SPLICES)
            case 3:
                data[at:at] = data[at : at + length]
            case _:
                data[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(data)


def judge_config(text: bytes) -> None:
    check_config(text, LIMITS)


def judge_other_json(text: bytes) -> None:
    check_json("tokenizer_config.json", text)


def judge_index(text: bytes) -> None:
    check_index(text, SHARDS)


def judge_header(text: bytes) -> None:
    parse_header(text, PREFIX_BYTES + len(text) + 40)


def judge_prefix(text: bytes) -> None:
    header_bytes(text[:9], len(text))


def judge_listing(text: bytes) -> None:
    names = text.decode(errors="surrogateescape").split('"')
    select([ListedFile(name, size - 3) for size, name in enumerate(names)], max_bytes=1_000)


@pytest.mark.parametrize(
    ("judge", "original"),
    [
        (judge_config, CONFIG),
        (judge_other_json, TOKENIZER),
        (judge_index, INDEX),
        (judge_header, HEADER),
        (judge_prefix, HEADER),
        (judge_listing, {"config.json": "model.safetensors", "a.safetensors": "vocab.json"}),
    ],
)
def test_t21_t23_no_mutation_is_more_than_refused(
    judge: Callable[[bytes], None], original: dict[str, object]
) -> None:
    rng = random.Random(f"sn37 {judge.__name__}")
    text = json.dumps(original).encode()
    refused = 0
    for _ in range(CASES):
        try:
            judge(mutated(text, rng))
        except ModelRejected as error:
            refused += 1
            assert str(error).isprintable()  # noqa: PT017 - both outcomes are right
    assert refused > CASES // 4  # or the mutations are too mild to mean anything
