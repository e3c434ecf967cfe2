"""An answer that follows a set of rules, of words that mean nothing together.

It shows that the rules can be followed, and is the reference of a question until somebody answers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from itertools import zip_longest

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.rules import Rule, RuleKind
from sn37.domain.tasks.scripts import NOUNS, Script
from sn37.domain.tasks.text_units import sentences, words
from sn37.domain.tasks.word_list import WORDS

K = RuleKind
_WORDS_PER_SENTENCE = 7


def example_answer(
    chance: Chance, rules: Sequence[Rule], avoided: Collection[str] = frozenset()
) -> str:
    """Return a text that is meant to follow the rules; check it.

    Rules that contradict each other, such as no commas and a beginning with one, are not noticed.

    Args:
        avoided: Words that occur only if a rule asks for them.
    """
    by_kind = {rule.kind: rule for rule in rules}
    text = _Builder(chance, by_kind, avoided).text()
    if K.LOWER_CASE in by_kind:
        return text.lower()
    return text.upper() if K.UPPER_CASE in by_kind else text


class _Builder:
    def __init__(
        self, chance: Chance, rules: dict[RuleKind, Rule], avoided: Collection[str]
    ) -> None:
        self._chance = chance
        self._rules = rules
        self._unused = {*avoided, *self._texts(K.EXCLUDES), *self._texts(K.KEYWORD_AT_MOST)}
        self._script = Script(rules[K.SCRIPT].texts[0]) if K.SCRIPT in rules else None
        self._vocabulary = self._usable_words()

    def text(self) -> str:
        """Return the answer, before its case is changed."""
        sentences = self._sentences()
        if K.JSON_KEYS in self._rules:
            keys = self._rules[K.JSON_KEYS].texts
            values = {key: " ".join(sentences[i :: len(keys)]) for i, key in enumerate(keys)}
            return json.dumps(values, ensure_ascii=False)
        text = self._laid_out(sentences)
        if K.STARTS_WITH in self._rules:
            text = f"{self._rules[K.STARTS_WITH].texts[0]}\n{text}"
        if K.TITLE in self._rules:
            text = f"<<{self._chance.pick(self._vocabulary)}>>\n\n{text}"
        if K.POSTSCRIPT in self._rules:
            text = f"{text}\n\nP.S. {self._sentence([self._chance.pick(self._vocabulary)])}"
        if K.ENDS_WITH in self._rules:
            text = f"{text} {self._rules[K.ENDS_WITH].texts[0]}"
        return f'"{text}"' if K.QUOTED in self._rules else text

    def _usable_words(self) -> Sequence[str]:
        known = WORDS if self._script is None else NOUNS[self._script]
        rare = frozenset(self._texts(K.LETTER_AT_MOST))
        return [word for word in known if word not in self._unused and rare.isdisjoint(word)]

    def _texts(self, kind: RuleKind) -> tuple[str, ...]:
        return self._rules[kind].texts if kind in self._rules else ()

    def _number(self, kind: RuleKind, default: int = 0) -> int:
        return self._rules[kind].number if kind in self._rules else default

    def _sentences(self) -> list[str]:
        """Return sentences with all words that the rules ask for."""
        wanted = self._wanted()
        num_words = max(self._num_words() - len(words(self._added())), len(wanted))
        least = max(
            self._number(K.PARAGRAPHS_AT_LEAST),
            self._number(K.SECTIONS),
            len(self._texts(K.JSON_KEYS)),
            1,
        )
        if K.SENTENCES_AT_LEAST in self._rules:
            added = len(sentences(self._added()))
            count = max(least, self._number(K.SENTENCES_AT_LEAST) - added)
        else:
            count = max(least, num_words // _WORDS_PER_SENTENCE)
        lengths = [num_words // count + (place < num_words % count) for place in range(count)]
        fillers = [self._chance.pick(self._vocabulary) for _ in range(num_words - len(wanted))]
        drawn = self._chance.shuffled(wanted + fillers)
        return [self._sentence([drawn.pop() for _ in range(length)]) for length in lengths]

    def _num_words(self) -> int:
        """Return a number of words within the bounds, or the usual one of the sentences."""
        least = self._number(
            K.WORDS_AT_LEAST, self._number(K.SENTENCES_AT_LEAST) * _WORDS_PER_SENTENCE
        )
        return (least + self._number(K.WORDS_AT_MOST, least)) // 2

    def _added(self) -> str:
        """Return what the layout adds to the sentences, with "x" for words that are drawn."""
        lines = [*self._texts(K.STARTS_WITH), *self._texts(K.ENDS_WITH), *self._texts(K.JSON_KEYS)]
        for name in self._texts(K.SECTIONS):
            lines += [f"{name} {n}" for n in range(1, self._number(K.SECTIONS) + 1)]
        lines += ["- x."] * self._number(K.BULLETS_AT_LEAST)
        lines += ["<<x>>"] if K.TITLE in self._rules else []
        lines += ["P.S. x."] if K.POSTSCRIPT in self._rules else []
        return "\n".join(lines)

    def _wanted(self) -> list[str]:
        wanted = list(self._texts(K.INCLUDES))
        wanted += list(self._texts(K.KEYWORD_AT_LEAST)) * self._number(K.KEYWORD_AT_LEAST)
        for _ in range(self._number(K.CAPITAL_WORDS_AT_LEAST)):
            wanted.append(self._chance.pick(self._vocabulary).upper())
        for _ in range(self._number(K.PLACEHOLDERS_AT_LEAST)):
            wanted.append(f"[{self._chance.pick(self._vocabulary)}]")
        for _ in range(self._number(K.HIGHLIGHTS_AT_LEAST)):
            wanted.append(f"*{self._chance.pick(self._vocabulary)}*")
        for letter in self._texts(K.LETTER_AT_LEAST):
            so_far = "\n".join((*wanted, self._added())).lower().count(letter)
            missing = max(self._number(K.LETTER_AT_LEAST) - so_far, 0)
            wanted += self._chance.some(self._words_with(letter), missing)
        return wanted

    def _words_with(self, letter: str) -> Sequence[str]:
        return [word for word in WORDS if word.count(letter) == 1 and word not in self._unused]

    def _sentence(self, words: Sequence[str]) -> str:
        text = " ".join(words)
        return f"{text[:1].upper()}{text[1:]}."

    def _laid_out(self, sentences: Sequence[str]) -> str:
        """Return the sentences in sections, paragraphs and bullets."""
        count = max(self._number(K.PARAGRAPHS_AT_LEAST, 1), self._number(K.SECTIONS))
        parts = [" ".join(sentences[place::count]) for place in range(count)]
        for name in self._texts(K.SECTIONS):
            headings = [f"{name} {n}\n" for n in range(1, self._number(K.SECTIONS) + 1)]
            parts = [heading + part for heading, part in zip_longest(headings, parts, fillvalue="")]
        bullets = [
            f"- {self._sentence([self._chance.pick(self._vocabulary)])}"
            for _ in range(self._number(K.BULLETS_AT_LEAST))
        ]
        return "\n".join(("\n\n".join(parts), *bullets))
