"""No tokenizer makes all texts cheaper than a distribution allows: counted, not argued.

For a tokenizer, the largest sum over texts of ``2 ** -bits`` that any model can reach is found
exactly. A model is a distribution for every beginning it sees, so the best one goes where most
is to be had: the value of a beginning is what the texts that end there weigh, plus the largest
value among its continuations. What the model does not predict (a first token, another context)
is added up instead.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer

from sn37.adapters.scoring.model import encoding as prompting
from sn37.adapters.scoring.model.encoding import Encoded
from tests.integration.scorer.kraft import (
    ADVERSARIES,
    ALLOWED,
    ALPHABET,
    SHAPE,
    best_sum,
    encoder,
    letters,
    texts,
)
from tests.integration.scorer.tokenizer_shapes import SHAPES


@pytest.mark.parametrize("max_tokens", [64, 5, 3, 2])
@pytest.mark.parametrize("bos", [None, "a"])
@pytest.mark.parametrize("make", ADVERSARIES.values(), ids=ADVERSARIES)
def test_t49_no_tokenizer_beats_a_distribution(
    make: Callable[[], Tokenizer], bos: str | None, max_tokens: int
) -> None:
    for length in (1, 4, 6):
        encode = encoder(make, bos=bos, max_tokens=max_tokens)
        assert best_sum(encode, map(encode.text, texts(length))) <= ALLOWED


@pytest.mark.parametrize("max_tokens", [5, 4, 3, 2])
@pytest.mark.parametrize("make", ADVERSARIES.values(), ids=ADVERSARIES)
def test_t49_nor_does_one_that_sees_a_part_of_the_text_alone(
    make: Callable[[], Tokenizer], max_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompting, "CHARACTERS_PER_TOKEN", 1)
    encode = encoder(make, bos="a", max_tokens=max_tokens)
    for length in (1, 4, 6):
        assert best_sum(encode, map(encode.text, texts(length))) <= ALLOWED
        samples = [encode.pair(SHAPE, "ab" * 8 + "b", text) for text in texts(length)]
        assert best_sum(encode, samples) <= ALLOWED


@pytest.mark.parametrize("max_tokens", [64, 9, 5])
@pytest.mark.parametrize("make", ADVERSARIES.values(), ids=ADVERSARIES)
def test_t49_no_tokenizer_tells_a_response_by_the_room_that_a_prompt_has(
    make: Callable[[], Tokenizer], max_tokens: int
) -> None:
    encode = encoder(make, bos="a", max_tokens=max_tokens)
    samples = [encode.pair(SHAPE, "ab" * 8 + "b", text) for text in texts(6)]
    assert best_sum(encode, samples) <= ALLOWED


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("make", ADVERSARIES.values(), ids=ADVERSARIES)
def test_t49_ids_beyond_the_vocabulary_are_not_free(
    make: Callable[[], Tokenizer], missing: int
) -> None:
    encode = encoder(make, bos=None, max_tokens=64, missing=missing)
    assert best_sum(encode, map(encode.text, texts(5))) <= ALLOWED


@pytest.mark.parametrize("name", SHAPES)
def test_t49_nor_does_one_of_a_published_shape(name: str) -> None:
    make, bos = SHAPES[name]
    for max_tokens in (64, 3):
        encode = encoder(make, bos=bos, max_tokens=max_tokens)
        for length in (1, 2, 3):
            samples = map(encode.text, texts(length, "aB \u2581"))
            by_size = defaultdict[int, list[Encoded]](list)
            for sample in samples:
                by_size[sample.num_bytes].append(sample)
            for group in by_size.values():
                assert best_sum(encode, group) <= ALLOWED


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "llama_2", "bert"])
def test_t49_texts_with_one_canonical_form_are_one_text(name: str) -> None:
    make, bos = SHAPES[name]
    encode = encoder(make, bos=bos, max_tokens=64)
    made = texts(3, ("e", "\u0301", "\u00e9", "\u0323"))
    by_size = defaultdict[int, dict[str, Encoded]](dict)
    for text in made:
        canonical = unicodedata.normalize("NFC", text)
        assert encode.text(text) == encode.text(canonical)
        by_size[len(canonical.encode())][canonical] = encode.text(text)
    for group in by_size.values():
        assert best_sum(encode, group.values()) <= ALLOWED


@pytest.mark.parametrize(
    ("name", "bos"),
    [
        ("unary", "a"),
        ("joins all", "a"),
        ("strips marks", "a"),
        ("first word", None),
        ("whole texts", None),
        ("fails on some", None),
    ],
)
def test_without_what_is_charged_they_do(name: str, bos: str | None) -> None:
    encode = encoder(ADVERSARIES[name], bos=bos, max_tokens=200)
    samples = list(map(encode.text, texts(6, " ab" if name == "strips marks" else ALPHABET)))
    assert best_sum(encode, samples, charged=False) > 1.5
    assert best_sum(encode, samples) <= ALLOWED


def test_an_honest_tokenizer_pays_nothing_for_it() -> None:
    encode = encoder(letters, bos="a", max_tokens=64)
    for text in texts(6):
        sample = encode.text(text)
        assert (sample.extra, sample.unscored_bytes, sample.num_scored) == (0.0, 0, 6)
