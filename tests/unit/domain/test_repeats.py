"""Texts that count once: equal ones, nearly equal ones, and those of several signers."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from pydoc_data.topics import topics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.data import repeats as module
from sn37.domain.data.repeats import (
    BEYOND,
    EQUAL,
    NEARLY,
    RECENT,
    held_elsewhere,
    repeats,
    text_key,
)
from sn37.domain.data.samples import Sample
from sn37.testing.builders import a_sample, time_of

WORDS = ["the", "a", "model", "answers", "question", "round", "of", "price", "year", "people"]
# Paragraphs of Python's documentation, each once: real English, with twins that differ by a word.
PROSE = tuple(
    dict.fromkeys(
        " ".join(paragraph.split())
        for text in topics.values()
        for paragraph in re.split(r"\n\s*\n", text)
        if len(paragraph.split()) >= 20
    )
)


def row(name: str, text: str, signer: str | None = "v1", *, prompt: str | None = None) -> Sample:
    return a_sample(
        name, prompt=f"about {name}?" if prompt is None else prompt, reference=text, signer=signer
    )


def prose(num_words: int, seed: int) -> str:
    choose = random.Random(seed)
    return " ".join(choose.choice(WORDS) + str(choose.randint(0, 99)) for _ in range(num_words))


def left(samples: Sequence[Sample], *, salt: str = "") -> list[Sample]:
    """What counts: of each signer's rows what is no repeat, and of these each text once."""
    found = repeats(samples, salt=salt)
    distinct = [s for s in samples if s.provenance.row_id not in found]
    elsewhere = held_elsewhere(distinct, key=salt)
    return [s for s in distinct if s.provenance.row_id not in elsewhere]


def lost(samples: Sequence[Sample]) -> set[str]:
    return {s.provenance.row_id for s in samples} - {s.provenance.row_id for s in left(samples)}


@pytest.mark.parametrize(
    "other",
    [
        "Is the CAFÉ open?",
        "is  the\tcafé\nopen? ",
        unicodedata.normalize("NFD", "Is the café open?"),
        "Is the ca\u00adfé\u200b open?\ufeff",
        "Is the c\ufe0fa\u034ff\u202aé\u2066 o\u180ep\u061ce\u115fn\u3164?\U000e0100\U000e0061",
    ],
)
def test_t52_case_white_space_unicode_form_and_what_does_not_show_make_no_other_text(
    other: str,
) -> None:
    one = row("one", "Is the café open?", prompt="Yes?")
    assert text_key(one) == text_key(row("two", other, prompt="yes?"))
    (why,) = repeats((one, row("two", other, prompt="yes?"))).values()
    assert why == EQUAL


def test_another_word_prompt_or_choice_is_another_text() -> None:
    one = row("one", "Yes", prompt="Is it open?")
    assert repeats((one, row("two", "No", prompt="Is it open?"))) == {}
    assert repeats((one, row("two", "Yes", prompt="Is it closed?"))) == {}
    assert text_key(row("one", "b", prompt="a")) != text_key(row("one", "", prompt="a b"))


def test_a_question_with_its_options_in_another_order_is_the_same() -> None:
    ways = [("yes", "no", "never"), ("never", "yes", "no"), ("yes", "no", "always")]
    one, shuffled, other = (
        a_sample(f"q{n}", prompt="Is it?", reference="yes", choices=way, signer="v1")
        for n, way in enumerate(ways)
    )
    assert len(repeats((one, shuffled))) == 1
    assert repeats((one, other)) == {}


def test_of_equal_texts_the_signer_with_fewer_rows_has_its_own() -> None:
    many = [row(f"m{n}", prose(30, n), "many") for n in range(20)]
    few = [row(f"f{n}", prose(30, 100 + n), "few") for n in range(5)]
    copies = [row(f"c{n}", s.reference, "many", prompt=s.prompt) for n, s in enumerate(few)]
    assert lost((*many, *few, *copies)) == {f"c{n}" for n in range(5)}


def test_t52_no_clock_is_asked_whose_text_it_is() -> None:
    honest = [row(f"h{n}", prose(30, n), "honest") for n in range(10)]
    stolen = [
        a_sample(
            f"s{n}", prompt=s.prompt, reference=s.reference, signer="thief", produced_at=time_of(0)
        )
        for n, s in enumerate(honest)
    ]
    more = [row(f"t{n}", prose(30, 50 + n), "thief") for n in range(1)]
    assert lost((*honest, *stolen, *more)) == {f"s{n}" for n in range(10)}


def test_between_equals_a_keyed_hash_of_each_text_decides() -> None:
    texts = [prose(30, n) for n in range(40)]
    rows = [row(f"{v}{n}", t, v, prompt="?") for v in ("a", "b") for n, t in enumerate(texts)]
    held = {s.provenance.row_id for s in left(rows)}
    assert 8 < sum(name.startswith("a") for name in held) < 32
    assert {name[1:] for name in held} == {str(n) for n in range(40)}
    assert {s.provenance.row_id for s in left(rows, salt="0xab")} != held
    assert {s.provenance.row_id for s in left(list(reversed(rows)))} == held


def test_of_its_own_repeats_a_signer_keeps_the_newest() -> None:
    """A window that begins later than the one that was read would cut the older one off."""
    text = prose(40, 1)
    rows = [
        a_sample(f"r{n}", prompt="?", reference=text, signer="v1", produced_at=time_of(n))
        for n in (3, 9, 5)
    ]
    near = a_sample(
        "near", prompt="?", reference=f"{text} so", signer="v1", produced_at=time_of(10)
    )
    assert [s.provenance.row_id for s in left(rows)] == ["r9"]
    assert [s.provenance.row_id for s in left([*rows, near])] == ["near"]


def test_unsigned_rows_are_only_repeats_when_they_are_equal() -> None:
    text = prose(60, 1)
    rows = [row(f"r{n}", text, None, prompt="?") for n in range(3)]
    nearly = [row("n", f"{text} more", None)]
    assert list(repeats((*rows, *nearly)).values()) == [EQUAL, EQUAL]
    # Nor do they take a text from a signer, or lose one to it.
    assert len(left((*rows, row("s", text, "v1", prompt="?")))) == 2


def test_t52_a_counter_at_the_end_of_a_sentence_makes_no_other_row() -> None:
    rows = [
        row(f"r{n}", f"The same sentence, over and over, with a counter at its end: {n}")
        for n in range(300)
    ]
    assert list(repeats(rows).values()) == [NEARLY] * 299


@pytest.mark.parametrize("num_changed", [1, 2, 3])
def test_a_long_text_with_a_few_words_changed_is_nearly_the_same(num_changed: int) -> None:
    choose = random.Random(num_changed)
    caught, long = 0, [p for p in PROSE if 120 <= len(p.split()) <= 300]
    for n, text in enumerate(long):
        words = text.split()
        for place in choose.sample(range(len(words)), num_changed):
            words[place] = "another"
        caught += len(repeats((row("a", text), row("b", " ".join(words))), salt=str(n)))
    assert len(long) > 20
    assert caught >= 0.95 * len(long)


def test_real_english_is_left_alone_but_for_twins() -> None:
    found = repeats([row(f"p{n}", text) for n, text in enumerate(PROSE)], salt="0x1")
    assert len(found) <= len(PROSE) * 0.01
    assert set(found.values()) <= {NEARLY}
    for name in found:  # there is a twin: most runs of four words are the same
        theirs = shingles(PROSE[int(name[1:])])
        alike = (len(theirs & o) / len(theirs | o) for o in map(shingles, PROSE) if o != theirs)
        assert max(alike) > 0.55


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(zip(words, words[1:], words[2:], words[3:], strict=False))


def test_texts_of_few_words_are_repeats_only_when_they_are_equal() -> None:
    assert repeats([row(f"r{n}", f"It is {n}", prompt="How many?") for n in range(50)]) == {}


def test_a_short_answer_is_compared_with_its_prompt() -> None:
    question = prose(40, 3)
    rows = [row("a", "Yes.", prompt=question), row("b", "Yes.", prompt=f"{question} please")]
    assert list(repeats(rows).values()) == [NEARLY]
    assert repeats([row("a", "Yes.", prompt=question), row("b", "Yes.", prompt=prose(40, 4))]) == {}


def test_a_long_answer_is_nearly_the_same_whatever_its_prompt() -> None:
    answer = prose(80, 5)
    rows = [row("a", answer, prompt=prose(80, 6)), row("b", f"{answer} so", prompt=prose(80, 7))]
    assert list(repeats(rows).values()) == [NEARLY]


def test_scripts_without_spaces_are_compared_letter_by_letter() -> None:
    text = "今日は天気がとても良いので私たちは公園へ散歩に行きましたそして楽しい時間を過ごしました"
    assert list(repeats([row("a", text), row("b", f"{text}ね")]).values()) == [NEARLY]


def test_nearly_equal_texts_of_two_signers_both_count() -> None:
    text = prose(80, 5)
    assert repeats([row("a", text, "v1"), row("b", f"{text} so", "v2")]) == {}


def test_t17_other_rows_between_repeats_hide_no_more_than_they_are() -> None:
    """As many as are compared, of which each shares half of its words with the repeats."""
    base = prose(100, 9).split()
    decoys = []
    for n in range(20 * RECENT):
        choose = random.Random(n)
        words = [w if choose.random() < 0.93 else f"x{choose.randint(0, 10**9)}" for w in base]
        decoys.append(row(f"d{n:03}", " ".join(words)))
    near = [row(f"n{n:03}", " ".join(base) + f" {n}") for n in range(300)]
    kept = [s.provenance.row_id for s in left([*decoys, *near], salt="0x7")]
    assert sum(name.startswith("n") for name in kept) <= len(decoys) // RECENT


def test_t17_no_more_rows_of_a_signer_are_compared_than_anybody_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SIGNER_ROWS", 10)
    rows = [row(f"r{n}", prose(30, n)) for n in range(25)]
    assert list(repeats(rows).values()) == [BEYOND] * 15
    others = [row(f"o{n}", prose(30, 50 + n), "v2") for n in range(3)]
    assert not {s.provenance.row_id for s in others} & set(repeats((*rows, *others)))


def test_a_large_vocabulary_is_forgotten_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [row(f"r{n}", text) for n, text in enumerate(PROSE[:60])]
    rows += [row(f"n{n}", f"{text} more") for n, text in enumerate(PROSE[:60])]
    expected = repeats(rows)
    assert len(expected) >= 55
    monkeypatch.setattr(module, "_MAX_VOCABULARY", 100)
    assert repeats(rows) == expected


texts = st.lists(st.integers(0, 11), max_size=12)


@given(st.lists(texts, min_size=1, max_size=4), texts, st.sampled_from(["", "0xab"]))
@settings(max_examples=150)
def test_t52_whatever_one_signer_adds_the_pool_keeps_every_text_of_the_others(
    honest: list[list[int]], added: list[int], salt: str
) -> None:
    """Of twelve texts, some nearly equal. A text may change its signer, but only to the adder's
    name, and only from a signer that has more rows than it."""
    known = [prose(40, n) if n % 3 else f"{prose(40, n + 1)} {n}" for n in range(12)]
    rows = [
        row(f"h{v}-{n}", known[t], f"h{v}", prompt=str(t))
        for v, theirs in enumerate(honest)
        for n, t in enumerate(theirs)
    ]
    more = [row(f"a{n}", known[t], "adder", prompt=str(t)) for n, t in enumerate(added)]
    before, after = left(rows, salt=salt), left([*rows, *more], salt=salt)
    texts_after = {text_key(s): s.provenance.signer for s in after}
    assert {text_key(s) for s in before} <= set(texts_after)
    assert len(texts_after) == len(after)
    own = len(left(more, salt=salt))
    counts = {f"h{v}": 0 for v in range(len(honest))}
    for v in range(len(honest)):
        theirs = [s for s in rows if s.provenance.signer == f"h{v}"]
        counts[f"h{v}"] = len(left(theirs, salt=salt))
    for sample in before:
        now = texts_after[text_key(sample)]
        assert now == sample.provenance.signer or (
            now == "adder" and own <= counts[str(sample.provenance.signer)]
        )
