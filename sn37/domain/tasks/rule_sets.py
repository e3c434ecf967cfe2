"""Sets of rules that one answer can follow together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.rules import Rule, RuleKind
from sn37.domain.tasks.scripts import Script

K = RuleKind

# A window is "at least n" and "at most m" of the same unit, drawn together. Every text follows
# one side or both, so windows are narrow and their places vary widely: a fixed text follows
# both sides for a third of the questions at most.
_Offer = tuple[RuleKind, ...]
_WORDS = (K.WORDS_AT_LEAST, K.WORDS_AT_MOST)
_SENTENCES = (K.SENTENCES_AT_LEAST, K.SENTENCES_AT_MOST)
_PARAGRAPHS = (K.PARAGRAPHS_AT_LEAST, K.PARAGRAPHS_AT_MOST)
_BULLETS = (K.BULLETS_AT_LEAST, K.BULLETS_AT_MOST)
_CAPITALS = (K.CAPITAL_WORDS_AT_LEAST, K.CAPITAL_WORDS_AT_MOST)
_LETTER = (K.LETTER_AT_LEAST, K.LETTER_AT_MOST)
KEYWORD = (K.KEYWORD_AT_LEAST, K.KEYWORD_AT_MOST)

_LENGTHS = (_WORDS, _WORDS, _SENTENCES)
# Kinds that ask one thing of all questions, so a fixed text can follow them: a set has at most one.
_EASY: Sequence[_Offer] = (
    (K.HIGHLIGHTS_AT_LEAST,),
    (K.PLACEHOLDERS_AT_LEAST,),
    (K.QUOTED,),
    (K.TITLE,),
    (K.NO_COMMAS,),
    (K.NO_DIGITS,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What is offered for one form of answers."""

    strict: Sequence[_Offer] = ()  # a text that follows them for one question seldom does elsewhere
    windows: Sequence[_Offer]
    easy: Sequence[_Offer]


_TEXT = _Form(
    strict=((K.STARTS_WITH,), (K.ENDS_WITH,), (K.SECTIONS,), (K.UPPER_CASE,), (K.LOWER_CASE,)),
    windows=(_PARAGRAPHS, _BULLETS, _CAPITALS, _LETTER),
    easy=(*_EASY, (K.TITLE,), *((K.POSTSCRIPT,),) * 3),  # many sets leave no room for these two
)
_JSON = _Form(strict=((K.LOWER_CASE,),), windows=(_LETTER,), easy=((K.NO_DIGITS,),))
_OTHER_SCRIPT = _Form(windows=(_PARAGRAPHS, _BULLETS), easy=_EASY)

# Kinds that no answer can follow with the kind before, or none that a reader would call natural.
_CONFLICTS: Mapping[RuleKind, set[RuleKind]] = {
    K.UPPER_CASE: {K.LOWER_CASE, K.STARTS_WITH, K.ENDS_WITH, K.SECTIONS, *_CAPITALS},
    K.LOWER_CASE: {K.STARTS_WITH, K.ENDS_WITH, K.SECTIONS, K.POSTSCRIPT, *_CAPITALS},
    K.QUOTED: {K.STARTS_WITH, K.ENDS_WITH, K.TITLE, K.POSTSCRIPT, K.SECTIONS, *_BULLETS},
    K.TITLE: {K.STARTS_WITH},
    K.POSTSCRIPT: {K.ENDS_WITH, *_CAPITALS},  # "P.S." is a word in capitals
    K.NO_DIGITS: {K.SECTIONS},
    # Headings, titles and bullets count as sentences, which a writer may not expect.
    K.SENTENCES_AT_MOST: {K.SECTIONS, K.TITLE, K.POSTSCRIPT, *_BULLETS},
    K.PARAGRAPHS_AT_MOST: {K.SECTIONS, K.TITLE, K.POSTSCRIPT, *_BULLETS},
}

_STARTS = (
    "Let me begin with a memory.",
    "Here is what I think.",
    "Dear reader,",
    "This is my answer.",
    "Allow me to explain.",
    "First things first.",
    "To whom it may concern.",
    "Good morning.",
    "It all began on a Tuesday.",
    "As promised:",
)
_ENDS = (
    "That is all for now.",
    "Nothing more needs to be said.",
    "I hope that this helps.",
    "And so it ends.",
    "Until next time.",
    "The rest is silence.",
    "With kind regards",
    "Is there anything else?",
    "Thank you for reading!",
    "End of the text.",
)
_KEYS = """
title summary reason example place season color sound memory advice warning question answer
beginning ending mood origin purpose detail comment
"""
_SECTION_NAMES = ("Section", "Part", "Chapter", "Step", "Scene", "Page")

# Least and most "at least" of a window.
_WINDOWS: Mapping[_Offer, tuple[int, int]] = {
    _WORDS: (25, 115),
    _SENTENCES: (4, 14),
    _PARAGRAPHS: (2, 7),
    _BULLETS: (2, 9),
    _CAPITALS: (2, 9),
    _LETTER: (3, 16),
    KEYWORD: (2, 7),
}
_NUMBERS: Mapping[RuleKind, tuple[int, int]] = {
    K.PLACEHOLDERS_AT_LEAST: (1, 4),
    K.HIGHLIGHTS_AT_LEAST: (1, 5),
    K.SECTIONS: (2, 5),
}
_TEXTS: Mapping[RuleKind, Callable[[Chance], Iterable[str]]] = {
    K.LETTER_AT_LEAST: lambda chance: [chance.pick("kvbpygfw")],
    K.SECTIONS: lambda chance: [chance.pick(_SECTION_NAMES)],
    K.STARTS_WITH: lambda chance: [chance.pick(_STARTS)],
    K.ENDS_WITH: lambda chance: [chance.pick(_ENDS)],
    K.JSON_KEYS: lambda chance: chance.some(_KEYS.split(), chance.between(2, 5)),
    K.SCRIPT: lambda chance: [chance.pick(tuple(Script))],
}


def rule_set(chance: Chance, *, count: int) -> tuple[Rule, ...]:
    """Return about ``count`` compatible rules, which say nothing about the subject.

    A window sets the length, so that an answer cannot avoid the others by being short. Of the
    others, every second one is strict while there are compatible ones. In a tenth of the sets the
    answer is a JSON object, in a fifth it has a script other than Latin.
    """
    number = chance.below(10)
    if number == 0:
        form, taken = _JSON, [(K.JSON_KEYS,), _WORDS]
    elif number <= 2:
        form, taken = _OTHER_SCRIPT, [(K.SCRIPT,), chance.pick(_LENGTHS)]
    else:
        form, taken = _TEXT, [chance.pick(_LENGTHS)]
    for offer in _offers(chance, form):
        kinds = [kind for other in taken for kind in other]
        if len(kinds) + len(offer) <= count and all(
            kind not in kinds and are_compatible(kind, other) for kind in offer for other in kinds
        ):
            taken.append(offer)
    return tuple(rule for offer in taken for rule in _drawn(chance, offer))


def _offers(chance: Chance, form: _Form) -> Iterator[_Offer]:
    strict = chance.shuffled(form.strict)
    others = chance.shuffled([*form.windows, chance.pick(form.easy)])
    for pair in zip_longest(strict, others):
        yield from filter(None, pair)


def are_compatible(kind: RuleKind, other: RuleKind) -> bool:
    """True if an answer can follow rules of both kinds, whatever their numbers in a set."""
    return other not in _CONFLICTS.get(kind, ()) and kind not in _CONFLICTS.get(other, ())


def _drawn(chance: Chance, offer: _Offer) -> tuple[Rule, ...]:
    (kind, *_) = offer
    texts = tuple(_TEXTS.get(kind, _no_texts)(chance))
    if offer in _WINDOWS:
        return window(chance, offer, texts)
    number = chance.between(*_NUMBERS[kind]) if kind in _NUMBERS else 0
    return (Rule(kind=kind, number=number, texts=texts),)


def window(chance: Chance, kinds: _Offer, texts: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """Return rules of the two kinds of a window, with numbers that are near each other."""
    least = chance.between(*_WINDOWS[kinds])
    widths: dict[_Offer, int] = {_WORDS: 8 + least // 5, _LETTER: 2}
    numbers = (least, least + widths.get(kinds, chance.below(2)))
    return tuple(
        Rule(kind=kind, number=number, texts=texts)
        for kind, number in zip(kinds, numbers, strict=True)
    )


def _no_texts(_: Chance) -> Iterable[str]:
    return ()
