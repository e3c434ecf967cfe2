"""Sets of rules that one answer can follow together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.rules import Rule, RuleKind
from sn37.domain.tasks.scripts import Script

K = RuleKind

# Kinds that are offered together. A number "at most" is easy to keep below with nothing at all, so
# it comes with one "at least" of the same unit; the ranges of their numbers do not overlap.
_LENGTHS = ((K.WORDS_AT_LEAST,), (K.SENTENCES_AT_LEAST,))
_LAYOUTS = (
    (K.SENTENCES_AT_LEAST, K.SENTENCES_AT_MOST),
    (K.PARAGRAPHS_AT_LEAST,),
    (K.PARAGRAPHS_AT_LEAST, K.PARAGRAPHS_AT_MOST),
    (K.BULLETS_AT_LEAST,),
    (K.BULLETS_AT_LEAST, K.BULLETS_AT_MOST),
    (K.HIGHLIGHTS_AT_LEAST,),
    (K.PLACEHOLDERS_AT_LEAST,),
    (K.QUOTED,),
    (K.TITLE,),
    (K.NO_COMMAS,),
)
_ANYWHERE = (
    (K.WORDS_AT_MOST,),
    (K.NO_DIGITS,),
)
_ENGLISH = (
    (K.KEYWORD_AT_MOST,),
    (K.EXCLUDES,),
    (K.LETTER_AT_LEAST,),
    (K.LETTER_AT_MOST,),
    (K.LOWER_CASE,),
)
_ENGLISH_TEXT = (
    (K.CAPITAL_WORDS_AT_LEAST,),
    (K.CAPITAL_WORDS_AT_LEAST, K.CAPITAL_WORDS_AT_MOST),
    (K.SECTIONS,),
    (K.UPPER_CASE,),
    (K.STARTS_WITH,),
    (K.ENDS_WITH,),
    (K.POSTSCRIPT,),
)
_Offers = Sequence[tuple[RuleKind, ...]]
_TEXT: _Offers = _LAYOUTS + _ANYWHERE + _ENGLISH + _ENGLISH_TEXT
_JSON: _Offers = _ANYWHERE + _ENGLISH
_OTHER_SCRIPT: _Offers = _LAYOUTS + _ANYWHERE

_CAPITALS = {K.CAPITAL_WORDS_AT_LEAST, K.CAPITAL_WORDS_AT_MOST}
_BULLETS = {K.BULLETS_AT_LEAST, K.BULLETS_AT_MOST}
# Kinds that no answer can follow with the kind before, or none that a reader would call natural.
_CONFLICTS: Mapping[RuleKind, set[RuleKind]] = {
    K.UPPER_CASE: {K.LOWER_CASE, K.STARTS_WITH, K.ENDS_WITH, K.SECTIONS, *_CAPITALS},
    K.LOWER_CASE: {K.STARTS_WITH, K.ENDS_WITH, K.SECTIONS, K.POSTSCRIPT, *_CAPITALS},
    K.QUOTED: {K.STARTS_WITH, K.ENDS_WITH, K.TITLE, K.POSTSCRIPT, K.SECTIONS, *_BULLETS},
    K.TITLE: {K.STARTS_WITH},
    K.POSTSCRIPT: {K.ENDS_WITH},
    K.NO_DIGITS: {K.SECTIONS},
    # Headings, titles and bullets count as sentences, which a writer may not expect.
    K.SENTENCES_AT_MOST: {K.SECTIONS, K.TITLE, K.POSTSCRIPT, *_BULLETS},
    K.PARAGRAPHS_AT_MOST: {K.SECTIONS, K.TITLE, K.POSTSCRIPT, *_BULLETS},
}

_OFTEN_EXCLUDED = """
very good many also because beautiful important often people life time old new first one perfect
always never really nice
"""
_COMMON_WORDS = ("the", "and", "is", "of", "that", "with", "to", "in", "it", "for")
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

_NUMBERS: Mapping[RuleKind, tuple[int, int]] = {
    K.WORDS_AT_LEAST: (40, 120),
    K.WORDS_AT_MOST: (180, 260),
    K.SENTENCES_AT_LEAST: (4, 7),
    K.SENTENCES_AT_MOST: (8, 12),
    K.PARAGRAPHS_AT_LEAST: (2, 4),
    K.PARAGRAPHS_AT_MOST: (5, 6),
    K.BULLETS_AT_LEAST: (2, 5),
    K.BULLETS_AT_MOST: (6, 9),
    K.CAPITAL_WORDS_AT_LEAST: (2, 5),
    K.CAPITAL_WORDS_AT_MOST: (6, 9),
    K.PLACEHOLDERS_AT_LEAST: (1, 4),
    K.HIGHLIGHTS_AT_LEAST: (1, 5),
    K.KEYWORD_AT_MOST: (1, 5),
    K.LETTER_AT_LEAST: (15, 40),
    K.LETTER_AT_MOST: (5, 12),
    K.SECTIONS: (2, 5),
}
_TEXTS: Mapping[RuleKind, Callable[[Chance], Iterable[str]]] = {
    K.KEYWORD_AT_MOST: lambda chance: [chance.pick(_COMMON_WORDS)],
    K.EXCLUDES: lambda chance: chance.some(_OFTEN_EXCLUDED.split(), chance.between(2, 4)),
    K.LETTER_AT_LEAST: lambda chance: [chance.pick("aeioutnsrl")],
    K.LETTER_AT_MOST: lambda chance: [chance.pick("kvbpygfw")],
    K.SECTIONS: lambda chance: [chance.pick(_SECTION_NAMES)],
    K.STARTS_WITH: lambda chance: [chance.pick(_STARTS)],
    K.ENDS_WITH: lambda chance: [chance.pick(_ENDS)],
    K.JSON_KEYS: lambda chance: chance.some(_KEYS.split(), chance.between(2, 5)),
    K.SCRIPT: lambda chance: [chance.pick(tuple(Script))],
}


def rule_set(chance: Chance, *, count: int) -> tuple[Rule, ...]:
    """Return about ``count`` compatible rules, which say nothing about the subject.

    One sets a least length, so that an answer cannot avoid the others by being short. In a tenth of
    the sets the answer is a JSON object, in a fifth it has a script other than Latin.
    """
    form = chance.below(10)
    if form == 0:
        taken, offers = [K.JSON_KEYS, K.WORDS_AT_LEAST], _JSON
    elif form <= 2:
        taken, offers = [K.SCRIPT, *chance.pick(_LENGTHS)], _OTHER_SCRIPT
    else:
        taken, offers = [*chance.pick(_LENGTHS)], _TEXT
    for offer in chance.shuffled(offers):
        if len(taken) < count and all(are_compatible(k, t) for k in offer for t in taken):
            taken += [kind for kind in offer if kind not in taken]
    return tuple(_drawn(chance, kind) for kind in taken)


def are_compatible(kind: RuleKind, other: RuleKind) -> bool:
    """True if an answer can follow rules of both kinds, whatever their numbers in a set."""
    return other not in _CONFLICTS.get(kind, ()) and kind not in _CONFLICTS.get(other, ())


def _drawn(chance: Chance, kind: RuleKind) -> Rule:
    number = chance.between(*_NUMBERS[kind]) if kind in _NUMBERS else 0
    return Rule(kind=kind, number=number, texts=tuple(_TEXTS.get(kind, _no_texts)(chance)))


def _no_texts(_: Chance) -> Iterable[str]:
    return ()
