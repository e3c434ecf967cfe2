"""Rows that hold an undesirable phrase are told, in any position and casing."""

# ruff: noqa: RUF001 - letters that only resemble others are what is tested

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.adapters.dataset.phrases import (
    Phrase,
    PhraseError,
    PhraseFilter,
    parse_phrases,
    shipped_phrases,
)


@cache
def shipped() -> PhraseFilter:
    return PhraseFilter.load()


# Letters whose folding is longer, shorter or another letter; halves of surrogate pairs; NUL.
LETTERS = st.sampled_from("aAbBgGpPtTsSßẞſiIİıKK'’ \nσςΣﬁＧ\0\ud800\udfff😀")
TEXTS = st.text(LETTERS | st.characters(), max_size=60)
PHRASES = st.builds(Phrase, text=st.text(LETTERS, min_size=1, max_size=5), any_case=st.booleans())


def in_a_loop(phrases: list[Phrase], text: str) -> bool:
    """What a filter must find, told one phrase after the other."""
    for phrase in phrases:
        for spelling in (phrase.text, phrase.text.replace("'", "’")):
            if phrase.any_case and spelling.casefold() in text.casefold():
                return False
            if spelling in text and not phrase.any_case:
                return False
    return True


@given(
    phrases=st.lists(
        PHRASES.filter(lambda p: not any("\ud800" <= c <= "\udfff" for c in p.text)), min_size=1
    ),
    text=TEXTS,
)
@settings(max_examples=60)
def test_one_pass_finds_what_a_loop_of_tests_finds(phrases: list[Phrase], text: str) -> None:
    assert PhraseFilter(phrases).is_clean(text) == in_a_loop(phrases, text)


@given(before=TEXTS, phrase=st.sampled_from(["<|endoftext|>", "GpT", "As an AI"]), after=TEXTS)
@settings(max_examples=60)
def test_a_phrase_is_found_wherever_it_stands(before: str, phrase: str, after: str) -> None:
    assert not shipped().is_clean(before + phrase + after)


@pytest.mark.parametrize(
    "text",
    [
        "ChatGPT",
        "gPt-4",
        "As an AI, I think",
        "Sure. I’M SORRY, BUT no",
        "I can't assist with that",
        "well, i can’t assist",
        "x" * 100_000 + "<|endoftext|>",
        "[INST]" + "x" * 100_000,
        "Q: 2?\nHuman: 3",
        "\ud800 as a large language model",
    ],
)
def test_an_undesirable_phrase_is_found(text: str) -> None:
    assert not shipped().is_clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It serves as an aid, as an aim.",
        "[inst] and <|ENDOFTEXT|> in other casing are no markup",
        "Get it, Human: yes.",
        "ｇｐｔ",
        "half \ud800 of a pair",
        "G-P-T",
    ],
)
def test_a_text_that_only_resembles_one_is_clean(text: str) -> None:
    assert shipped().is_clean(text)


@pytest.mark.parametrize("text", ["STRASSE", "Straße", "straẞe"])
def test_casing_is_that_of_unicode(text: str) -> None:
    assert not PhraseFilter([Phrase(text="straße", any_case=True)]).is_clean(text)


def test_the_shipped_list_is_about_a_hundred_phrases() -> None:
    assert 80 <= len(shipped_phrases()) <= 150


def test_a_list_is_read_with_comments_line_breaks_and_spaces() -> None:
    assert parse_phrases("# a\n\nany  As an  AI \nexact \\nHuman:\n") == (
        Phrase(text="As an  AI", any_case=True),
        Phrase(text="\nHuman:", any_case=False),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("any gpt\nnone x", "line 2: it begins with 'none'; begin with any, exact or #"),
        ("# a\nany  ab", "line 2: 'ab' would disqualify nearly every text"),
        ("any", "line 1: '' would disqualify"),
        ("any abc\nany xABCx", "line 2: every text with 'xABCx' also contains 'abc' of line 1"),
        ("exact Abc\nany ABC\n", "line 1: every text with 'Abc' also contains 'ABC' of line 2"),
        ("# nothing\n", "the list of phrases is empty"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_with_the_line(text: str, why: str) -> None:
    with pytest.raises(PhraseError, match=why):
        parse_phrases(text)


def test_an_exact_phrase_beside_a_longer_one_in_any_casing_is_needed() -> None:
    assert len(parse_phrases("exact Abc\nany xabc")) == 2


def test_threads_may_use_one_filter_at_the_same_time() -> None:
    texts = ["nothing to see " * 200, "nothing but ChatGPT " * 200] * 50
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(shipped().is_clean, texts)) == [True, False] * 50


def test_a_phrase_with_a_nul_is_refused() -> None:
    with pytest.raises(PhraseError, match="line 1: it contains a NUL"):
        parse_phrases("any one\0two")
